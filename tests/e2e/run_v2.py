#!/usr/bin/env python3
"""Cloud Run v2 over HTTP: what only the listener does (regions), and the words of answers."""
import os

from homerun import main, stand, test, wait_until

SERVICES = "/v2/projects/demo/locations/us-central1/services"
KNATIVE = "/apis/serving.knative.dev/v1/namespaces/demo/services"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"
HELLO = {"template": {"containers": [{"image": IMAGE}]}}

@test
def a_region_comes_from_the_path_in_front_or_the_routing_header():
    homerun = stand()
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": "far"},
            "spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}}}
    made = homerun.api("POST", f"/europe-west1{KNATIVE}", body)
    assert made.status == 200, made
    label = made.json["metadata"]["labels"]["cloud.googleapis.com/location"]
    assert label == "europe-west1", label
    asia = homerun.api("POST", KNATIVE, body,
                       headers={"X-Goog-Request-Params": "location=asia-east1"})
    assert asia.json["metadata"]["labels"]["cloud.googleapis.com/location"] == "asia-east1", asia
    everywhere = homerun.api("GET", SERVICES.replace("us-central1", "-")).json["services"]
    assert {one["name"].split("/")[3] for one in everywhere} == {"europe-west1", "asia-east1"}
    for region in ("europe-west1", "asia-east1"):
        path = f"{SERVICES.replace('us-central1', region)}/far"
        assert homerun.api("DELETE", path).status == 200
    assert homerun.api("GET", f"/nowhere{KNATIVE}").status == 404


@test
def jobs_and_other_resources_are_refused_by_name():
    for path in ("jobs", "workerPools", "instances/i"):
        answer = stand().api("GET", SERVICES.replace("services", path))
        assert answer.status == 501, answer
        assert answer.json["error"]["status"] == "UNIMPLEMENTED", answer
        assert "google.cloud.run.v2." in answer.json["error"]["message"], answer


@test
def a_service_of_several_regions_is_refused_by_name_wherever_it_is_asked_for():
    everywhere = SERVICES.replace("us-central1", "global")
    for verb, path, body in (("GET", everywhere, None), ("GET", f"{everywhere}/one", None),
                             ("POST", f"{everywhere}?serviceId=one", HELLO),
                             ("POST", f"{SERVICES.replace('us-central1', 'nowhere')}?serviceId=one", HELLO)):
        answer = stand().api(verb, path, body)
        message = answer.json["error"]["message"]
        assert answer.status == (404 if "nowhere" in path else 501), answer
        assert ("several regions" in message) == ("global" in path), message


@test
def a_wait_ends_with_the_revision_and_a_poll_may_end_in_a_question_mark():
    homerun = stand()
    made = homerun.api("POST", f"{SERVICES}?serviceId=waited", HELLO).json
    done = homerun.api("POST", f"/v2/{made['name']}:wait", {"timeout": "20s"}).json
    assert done["done"] and done["response"]["latestReadyRevision"], done
    assert homerun.api("GET", f"/v2/{made['name']}?").json["done"] is True
    assert homerun.api("DELETE", f"{SERVICES}/waited").json["response"]["deleteTime"]


@test
def ordinary_configurations_of_terraform_come_up():
    """Google's older name of the hello image; a probe that waits longer than its period; a disk."""
    homerun = stand()
    probe = {"initialDelaySeconds": 1, "periodSeconds": 2, "timeoutSeconds": 6,
             "failureThreshold": 3, "httpGet": {"path": "/some-path", "port": 8080}}
    template = {"volumes": [{"name": "v", "emptyDir": {"medium": "DISK", "sizeLimit": "1Gi"}}],
                "containers": [{"image": "gcr.io/cloudrun/hello", "startupProbe": probe,
                                "volumeMounts": [{"name": "v", "mountPath": "/cache"}]}]}
    made = homerun.api("POST", f"{SERVICES}?serviceId=ordinary", {"template": template})
    assert made.status == 200, made
    done = homerun.api("POST", f"/v2/{made.json['name']}:wait", {"timeout": "20s"}).json
    shown = done["response"]
    assert shown["terminalCondition"]["state"] == "CONDITION_SUCCEEDED", shown
    assert len(shown["urls"]) == 2 and shown["uri"] == shown["urls"][0], shown["urls"]
    told = [one["message"] for one in shown["conditions"] if one.get("severity") == "WARNING"]
    assert len(told) == 1 and "template.volumes.emptyDir has no effect here" in told[0], told
    assert homerun.api("DELETE", f"{SERVICES}/ordinary").status == 200


@test
def a_flag_that_is_neither_true_nor_false_does_nothing_at_all():
    homerun = stand()
    for flag in ("validateOnly=maybe", "validateOnly", "validate_only=yes", "validateOnly=truee",
                 "validateOnly=%zz", "validateOnly=tru%"):
        answer = homerun.api("POST", f"{SERVICES}?serviceId=flagged&{flag}", HELLO)
        assert answer.status == 400, (flag, answer)
        assert "validateOnly" in answer.text or "%" in flag, answer
    assert homerun.api("GET", f"{SERVICES}/flagged").status == 404
    for flag in ("allowMissing=2", "forceNewRevision=on"):
        answer = homerun.api("PATCH", f"{SERVICES}/flagged?{flag}", HELLO)
        assert answer.status == 400, (flag, answer)
    assert homerun.api("GET", f"{SERVICES}?showDeleted=please").status == 400


@test
def a_mistyped_or_repeated_parameter_does_nothing_at_all():
    """A PATCH whose mask is not seen would replace the whole service."""
    homerun = stand()
    for query, name in (("validateonly=true", "validateonly"), ("validate-only=true", "validate-only"),
                        ("dry=true", "dry"), ("=true", ""), ("%61b=1", "ab"),
                        ("validateOnly=true&validateOnly=false", "validateOnly"),
                        ("validateOnly=true&validate_only=true", "validate_only")):
        answer = homerun.api("POST", f"{SERVICES}?serviceId=mistyped&{query}", HELLO)
        assert answer.status == 400 and name in answer.json["error"]["message"], (query, answer)
    assert homerun.api("GET", f"{SERVICES}/mistyped").status == 404
    made = homerun.api("POST", f"{SERVICES}?serviceId=masked", {**HELLO, "description": "kept"})
    homerun.api("POST", f"/v2/{made.json['name']}:wait", {})
    answer = homerun.api("PATCH", f"{SERVICES}/masked?updateMasks=labels", {"labels": {"a": "b"}})
    assert answer.status == 400 and "updateMasks" in answer.text, answer
    assert homerun.api("GET", f"{SERVICES}/masked").json["description"] == "kept"
    system = "$alt=json;enum-encoding=int&alt=json&prettyPrint=false&$.xgafv=2&quotaUser=me&key=k"
    assert homerun.api("GET", f"{SERVICES}/masked?{system}&").status == 200


@test
def what_cannot_be_held_back_refuses_to_be_asked_only():
    """A call that is to change nothing must not be one that does all and ignores the word."""
    homerun = stand()
    made = homerun.api("POST", f"{SERVICES}?serviceId=held", HELLO).json
    homerun.api("POST", f"/v2/{made['name']}:wait", {})
    public = {"policy": {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}}
    v1 = "/apis/serving.knative.dev/v1/namespaces/demo/services/held"
    for query in ("validateOnly=true", "validate_only=true", "dryRun=all", "dry_run=all"):
        for method, path, body in (
                ("POST", f"{SERVICES}/held:setIamPolicy", public),
                ("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "held-one"}),
                ("POST", "/v3/projects", {"projectId": "held-project"}),
                ("DELETE", "/v3/projects/demo", None),
                ("DELETE", v1 if "v" in query else f"{SERVICES}/held", None)):
            answer = homerun.api(method, f"{path}?{query}", body)
            assert answer.status == 400 and "cannot be asked" in answer.text, (query, path, answer)
    answer = homerun.api("DELETE", f"{SERVICES}/held?$validateOnly=true")
    assert answer.status == 400 and "$validateOnly" in answer.text, answer
    assert homerun.get(homerun.url("held")).status == 403
    assert homerun.api("GET", "/v3/projects/held-project").status == 403


@test
def parameters_of_the_query_are_taken_in_snake_case_too():
    homerun = stand()
    made = homerun.api("PATCH", f"{SERVICES}/snake?allow_missing=TRUE&validate_only=true", HELLO)
    assert made.status == 200 and made.json["done"], made
    assert homerun.api("GET", f"{SERVICES}/snake").status == 404
    made = homerun.api("PATCH", f"{SERVICES}/snake?allow_missing=1&validate_only=false", HELLO)
    homerun.api("POST", f"/v2/{made.json['name']}:wait", {})
    revision = homerun.api("GET", f"{SERVICES}/snake").json["latestCreatedRevision"]
    forced = homerun.api("PATCH", f"{SERVICES}/snake?force_new_revision=true", HELLO).json
    homerun.api("POST", f"/v2/{forced['name']}:wait", {})
    assert homerun.api("GET", f"{SERVICES}/snake").json["latestCreatedRevision"] != revision
    assert len(homerun.api("GET", f"{SERVICES}/snake/revisions?page_size=1").json["revisions"]) == 1


@test
def operations_are_listed_in_pages():
    homerun = stand()
    path = SERVICES.replace("services", "operations")
    seen, token = [], ""
    while not seen or token:
        page = homerun.api("GET", f"{path}?pageSize=2&pageToken={token}").json
        assert 0 < len(page["operations"]) <= 2, page
        seen += [one["name"] for one in page["operations"]]
        token = page.get("nextPageToken", "")
    everything = [one["name"] for one in homerun.api("GET", path).json["operations"]]
    assert seen == everything and len(seen) > 2, (seen, everything)
    assert homerun.api("GET", f"{path}?pageToken=%2e").status == 400


# What one form can say and the other cannot, or says otherwise.
ODD = {"description": "d", "template": {
    "volumes": [{"name": "sql", "cloudSqlInstance": {"instances": ["p:r:i"]}},
                {"name": "tmp", "emptyDir": {"medium": "MEMORY", "sizeLimit": "10Mi"}}],
    "containers": [
        {"image": IMAGE, "ports": [{"containerPort": 8080}],
         "volumeMounts": [{"name": "tmp", "mountPath": "/t"}],
         "resources": {"cpuIdle": True, "startupCpuBoost": True}}]}}


@test
def what_was_read_by_either_form_is_put_back_without_a_trace():
    homerun = stand()
    made = homerun.api("POST", f"{SERVICES}?serviceId=odd", ODD)
    assert made.status == 200, made
    homerun.api("POST", f"/v2/{made.json['name']}:wait", {})
    v1, v2 = (homerun.api("GET", f"{path}/odd").json for path in (KNATIVE, SERVICES))
    for path, verb, body in ((KNATIVE, "PUT", v1), (SERVICES, "PATCH", v2), (KNATIVE, "PUT", v1)):
        put = homerun.api(verb, f"{path}/odd", body)
        assert put.status == 200, put
        assert homerun.api("GET", f"{KNATIVE}/odd").json == v1
        assert homerun.api("GET", f"{SERVICES}/odd").json == v2
    # A version that is no longer so is refused even if nothing would change.
    homerun.api("PATCH", f"{SERVICES}/odd?updateMask=description", {"description": "e"})
    assert homerun.api("PUT", f"{KNATIVE}/odd", v1).status == 409
    # And what v1 changes leaves the rest.
    v1 = homerun.api("GET", f"{KNATIVE}/odd").json
    v1["spec"]["template"]["spec"]["containers"][0]["args"] = ["x"]
    put = homerun.api("PUT", f"{KNATIVE}/odd", v1)
    assert put.status == 200, put
    template = homerun.api("GET", f"{SERVICES}/odd").json["template"]
    assert template["containers"][0]["args"] == ["x"], template
    assert template["volumes"] == v2["template"]["volumes"], template


@test
def an_operation_outlives_the_death_of_control_in_its_midst():
    homerun = stand()
    probe = {"initialDelaySeconds": 7, "periodSeconds": 1, "timeoutSeconds": 1, "tcpSocket": {}}
    made = homerun.api("POST", f"{SERVICES}?serviceId=slow", {"template": {"containers": [
        {"image": IMAGE, "startupProbe": probe}]}}).json
    assert not made.get("done"), made
    before = homerun.pids("control")
    os.kill(before[0], 9)
    wait_until(lambda: homerun.pids("control") not in (before, []), "a new control")

    def asked():
        try:
            return homerun.api("POST", f"/v2/{made['name']}:wait", {"timeout": "30s"})
        except OSError:
            return None

    answer = wait_until(asked, "an answer of the new control")
    assert answer.status == 200, answer
    done = answer.json if answer.json.get("done") else wait_until(
        lambda: homerun.api("GET", f"/v2/{made['name']}").json.get("done") and
        homerun.api("GET", f"/v2/{made['name']}").json, "done")
    assert done["response"]["latestReadyRevision"], done


@test
def faults_are_in_googles_shape_and_name_the_field():
    answer = stand().api("POST", f"{SERVICES}?serviceId=x", {"template": {"containers": [
        {"image": IMAGE, "prots": []}]}})
    assert answer.status == 400, answer
    error = answer.json["error"]
    assert error["status"] == "INVALID_ARGUMENT", error
    fields = [violation["field"] for detail in error["details"]
              for violation in detail.get("fieldViolations", [])]
    assert fields == ["template.containers[0].prots"], error


if __name__ == "__main__":
    main()
