#!/usr/bin/env python3
"""`gcloud run deploy`, the real one: each flag of access, and what containers get of the others."""
from gcloud_stand import (FALL, HELLO, LOOK, Proxy, account, acting_as, annotations, deploy,
                          gcloud, gcloud_json, grant, look, policy, revisions, service, stand,
                          status_of)
from homerun import main, test

OWNER = "serviceAccount:owner@demo.iam.gserviceaccount.com"
ALL_USERS = {"roles/run.invoker": ["allUsers"]}


def run_deploy(name, *flags, status=0, env=None):
    return gcloud("run", "deploy", name, f"--image={HELLO}", *flags, status=status, env=env)


# ---- who may call ----

@test
def without_a_flag_a_new_service_is_private_and_says_where_it_is():
    done = run_deploy("hello")
    done.has("Deploying container to Cloud Run service [hello] in project [demo] region "
             "[us-central1]", "Deploying new service...", "Routing traffic", "Done.",
             "Service [hello] revision [hello-00001-",
             "has been deployed and is serving 100 percent of traffic.",
             "Service URL: " + stand().url("hello"))
    assert status_of("hello") == 403
    assert status_of("hello", member=OWNER) == 200
    assert policy("hello") == {}


@test
def the_check_is_turned_off_and_on_by_deploying_again():
    run_deploy("hello", "--no-invoker-iam-check").has("Deploying...", "[hello-00002-")
    assert annotations("hello")["run.googleapis.com/invoker-iam-disabled"] == "true"
    assert status_of("hello") == 200
    assert status_of("hello", token="rubbish") == 200, "no token is looked at"
    run_deploy("hello").has("[hello-00003-")
    assert status_of("hello") == 200, "a deploy that names neither keeps it"
    run_deploy("hello", "--invoker-iam-check")
    assert status_of("hello") == 403
    assert policy("hello") == {}, "the policy is another matter"


@test
def allow_unauthenticated_binds_all_users_and_its_opposite_takes_them_away():
    run_deploy("bound", "--allow-unauthenticated").has("Setting IAM Policy", "Done.")
    assert policy("bound") == ALL_USERS
    assert annotations("bound").get("run.googleapis.com/invoker-iam-disabled", "false") == "false"
    assert status_of("bound") == 200
    run_deploy("bound", "--no-allow-unauthenticated").has("Setting IAM Policy")
    assert policy("bound") == {}
    assert status_of("bound") == 403


@test
def no_allow_unauthenticated_on_a_new_service_is_private_in_json_too():
    found = run_deploy("shut", "--no-allow-unauthenticated", "--format=json").json
    assert (found["apiVersion"], found["kind"]) == ("serving.knative.dev/v1", "Service")
    assert found["metadata"]["namespace"] == stand().ready["projectNumber"]
    assert found["status"]["url"] == stand().url("shut")
    assert found["status"]["conditions"][0]["type"] == "Ready"
    assert status_of("shut") == 403


@test
def either_of_both_ways_makes_it_public_and_both_must_go():
    run_deploy("twice", "--no-invoker-iam-check", "--allow-unauthenticated")
    assert policy("twice") == ALL_USERS
    assert status_of("twice") == 200
    gcloud("run services update twice --invoker-iam-check")
    assert status_of("twice") == 200, "allUsers is still there"
    gcloud("run services remove-iam-policy-binding twice --member=allUsers "
           "--role=roles/run.invoker")
    assert status_of("twice") == 403


@test
def a_new_service_with_the_check_named_is_private():
    run_deploy("named", "--invoker-iam-check")
    assert status_of("named") == 403


# ---- ingress ----

@test
def ingress_decides_who_finds_it_at_all():
    run_deploy("inner", "--no-invoker-iam-check", "--ingress=internal")
    assert status_of("inner") == 404
    run_deploy("inner", "--ingress=internal-and-cloud-load-balancing")
    assert status_of("inner") == 404
    run_deploy("inner", "--ingress=all")
    assert status_of("inner") == 200


# ---- what the container gets ----

@test
def every_other_flag_arrives():
    reader = account("reader")
    found = gcloud_json(
        "run", "deploy", "full", f"--image={LOOK}", "--port=9000", "--set-env-vars=A=b,C=d e",
        "--labels=team=red", "--concurrency=7", "--min-instances=1", "--max-instances=3",
        "--timeout=90", f"--service-account={reader}",
        "--add-custom-audiences=https://audience.example", "--revision-suffix=v1",
        "--args=one,two", "--cpu=1", "--memory=256Mi", "--no-cpu-throttling",
        "--session-affinity", "--description=all of it")
    notes = found["metadata"]["annotations"]
    assert notes["run.googleapis.com/custom-audiences"] == '["https://audience.example"]'
    assert notes["run.googleapis.com/description"] == "all of it"
    assert found["metadata"]["labels"]["team"] == "red"
    template = found["spec"]["template"]
    assert template["metadata"]["name"] == "full-v1"
    assert template["metadata"]["labels"]["team"] == "red"
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/minScale"] == "1"
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"] == "3"
    assert template["metadata"]["annotations"]["run.googleapis.com/cpu-throttling"] == "false"
    assert template["metadata"]["annotations"]["run.googleapis.com/sessionAffinity"] == "true"
    spec = template["spec"]
    assert (spec["containerConcurrency"], spec["timeoutSeconds"]) == (7, 90)
    assert spec["serviceAccountName"] == reader
    assert spec["containers"][0]["ports"] == [{"name": "http1", "containerPort": 9000}], spec
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "256Mi"}
    inside = look("full")
    assert inside["words"] == ["one", "two"]
    assert {n: inside["env"].get(n) for n in ("A", "C", "K_SERVICE", "K_REVISION")} == \
        {"A": "b", "C": "d e", "K_SERVICE": "full", "K_REVISION": "full-v1"}
    token = stand().token("identity", member=OWNER, audience="https://audience.example")
    assert status_of("full", token=token) == 200
    token = stand().token("identity", member=OWNER, audience="https://other.example")
    assert status_of("full", token=token) == 401


@test
def a_tag_without_traffic_can_be_tried_before_it_serves():
    deploy("split")
    first = revisions("split")[0]
    done = gcloud("run", "deploy", "split", f"--image={LOOK}", "--no-traffic", "--tag=next",
                  "--revision-suffix=v2", "--set-env-vars=NEW=yes")
    done.has("[split-v2] has been deployed and is serving 0 percent of traffic.",
             "The revision can be reached directly at " + stand().url("split", tag="next"))
    assert look("split")["env"]["K_REVISION"] == first
    assert look("split", tag="next")["env"]["NEW"] == "yes"
    tagged = stand().token("identity", member=OWNER, audience=stand().url("split", tag="next"))
    assert status_of("split", tag="next") == 403
    assert status_of("split", tag="next", token=tagged) == 401, "the audience is the service's URL"


@test
def another_region_is_another_service_of_the_same_name():
    run_deploy("hello", "--region=europe-west1", "--no-invoker-iam-check").has(
        "region [europe-west1]", "[hello-00001-", stand().url("hello", region="europe-west1"))
    assert status_of("hello", region="europe-west1") == 200
    assert status_of("hello") == 403
    gcloud("run services list --format=value(name,region)").has("europe-west1", "us-central1")


@test
def async_returns_at_once_and_the_service_comes_up():
    with Proxy() as proxy:
        run_deploy("later", "--async", env=proxy.env).has("Service [later] is deploying")
        assert proxy.count("POST", ":wait") == 0
    assert service("later")["metadata"]["name"] == "later"


# ---- what has no effect ----

@test
def a_setting_without_effect_is_told_by_gcloud_by_homerun_and_by_doctor():
    said = "run.googleapis.com/vpc-access-connector has no effect here"
    run_deploy("lonely", "--vpc-connector=vpc").has("Completed with warnings", "SettingsApplied: " + said)
    kept = [one for one in service("lonely")["status"]["conditions"]
            if one.get("severity") == "Warning"]
    assert len(kept) == 1 and kept[0]["message"].startswith(said), kept
    doctor = stand().cli("doctor").stdout
    assert "lonely: template.vpcAccess.connector has no effect here" in doctor, doctor
    own = stand().cli("services", "update", "lonely", "--concurrency=7")
    assert "warning: template.vpcAccess.connector has no effect" in own.stderr, own.stderr
    run_deploy("lonely", "--clear-vpc-connector").lacks("SettingsApplied")


@test
def a_new_service_with_what_gcloud_sends_by_itself_is_warned_of_nothing():
    run_deploy("plain").lacks("SettingsApplied")


# ---- refusals ----

@test
def a_container_that_does_not_listen_fails_with_the_revision_port_and_logs():
    done = gcloud("run", "deploy", "fallen", f"--image={FALL}", "--port=8181", status=1)
    done.has("Deployment failed", "ERROR: (gcloud.run.deploy) Revision 'fallen-00001-",
             "is not ready and cannot serve traffic. The user-provided container failed to start "
             "and listen on the port", "PORT=8181", "log", "fallen")
    ready = service("fallen")["status"]
    assert "latestReadyRevisionName" not in ready, ready
    assert ready["conditions"][0]["reason"] == "HealthCheckContainerError"
    assert status_of("fallen", member=OWNER) == 503


@test
def after_a_failed_deploy_the_old_revision_serves_on():
    deploy("steady")
    first = revisions("steady")[0]
    gcloud("run", "deploy", "steady", f"--image={FALL}", status=1).has(
        "Revision 'steady-00002-", "is not ready and cannot serve traffic")
    found = service("steady")["status"]
    assert found["latestReadyRevisionName"] == first
    assert [c["status"] for c in found["conditions"]] == ["False", "False", "True"], found
    assert look("steady")["env"]["K_REVISION"] == first


@test
def what_is_not_there_or_not_allowed_is_said_in_a_sentence():
    gcloud("run deploy nobody --image=registry.example/none --service-account="
           "none@demo.iam.gserviceaccount.com", status=1).has(
               "none@demo.iam.gserviceaccount.com").lacks("Deployment endpoint was not found")
    gcloud("run", "deploy", "empty", "--image=registry.example/none", status=1).has(
        "registry.example/none", "homerun images add")


@test
def a_developer_deploys_but_may_not_touch_the_check_either_way():
    member = "user:dev@example.com"
    grant(member, "roles/run.developer")
    grant(member, "roles/iam.serviceAccountUser")
    env = acting_as(member)
    run_deploy("devs", env=env).has("[devs-00001-")
    denied = "Permission 'run.services.setIamPolicy' denied on resource " \
             "'projects/demo/locations/us-central1/services/devs'"
    run_deploy("devs", "--no-invoker-iam-check", env=env, status=1).has("PERMISSION_DENIED",
                                                                       denied)
    assert status_of("devs") == 403
    assert len(revisions("devs")) == 1, "nothing has happened"
    body = service("devs")
    body["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] = "true"
    assert stand().api("PUT", "/apis/serving.knative.dev/v1/namespaces/demo/services/devs",
                       body).status == 200
    gcloud("run services update devs --invoker-iam-check", env=env, status=1).has(denied)
    assert status_of("devs") == 200
    gcloud("run services update devs --update-labels=a=b", env=env)
    assert status_of("devs") == 200, "an update that keeps the check is theirs to make"


@test
def a_stranger_to_the_project_is_told_which_permission_is_missing():
    run_deploy("theirs", env=acting_as("user:stranger@example.com"), status=1).has(
        "run.services.get' denied on resource")


if __name__ == "__main__":
    main()
