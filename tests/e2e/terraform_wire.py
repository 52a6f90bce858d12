#!/usr/bin/env python3
"""What the Terraform `google` provider does with a service from its first apply to its destroy.

The provider itself is tested by terraform.py, where it is at hand; terraform_provider.py plays its
part here. Attribute by attribute: terraform_v2_fields.py, terraform_v1_fields.py; access:
terraform_iam.py; accounts and data sources: terraform_accounts.py; terraform_org_policy.py.
"""
import contextlib
import copy

from homerun import ROOT, Homerun, fetch, main, test, wait_until
from terraform_configurations import HELLO, MANY, OLD_HELLO, OLD_MANY, OLD_OPEN, OPEN
from terraform_iam_resources import Binding, Member, of_v1, of_v2
from terraform_provider import (IMAGE, KNATIVE, PARENT, SERVICES, V1, V2, Failed, V1Service,
                                V2Service, at_once, call, leaves_nothing, refuses, request, stand)

BROKEN = {"template": {"containers": [{"image": "nowhere.example/none"}]}}
INVOKER = "roles/run.invoker"
NAMED = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"


@contextlib.contextmanager
def applied(one, config):
    """ONE for the time of a `with`; afterwards it is destroyed, and nothing is left."""
    try:
        one.apply(config)
        yield one
        one.destroy()
        leaves_nothing()
    finally:
        request("DELETE", one.path)


def answers(name):
    return stand().get(stand().url(name)).status


# ---- where users start ----

@test
def a_v2_service_and_a_v1_binding_for_all_users():
    """google_cloud_run_v2_service "public-service", google_cloud_run_service_iam_binding."""
    with applied(V2Service("public-service"), HELLO) as one:
        assert answers("public-service") == 403
        everyone = Binding(of_v1("public-service"), INVOKER)
        everyone.apply(["allUsers"])
        assert answers("public-service") == 200
        one.settle()
        one.imported()
        everyone.destroy()
        assert answers("public-service") == 403


@test
def a_v2_service_with_the_check_off_and_no_binding():
    """google_cloud_run_v2_service "public-service", invoker_iam_disabled = true."""
    with applied(V2Service("public-service"), OPEN) as one:
        assert answers("public-service") == 200
        assert "bindings" not in of_v2("public-service").read()
        one.settle()
        one.imported()
        one.apply(HELLO)  # the line is taken away
        assert answers("public-service") == 403 and one.revisions() == 1


@test
def one_way_to_be_public_gives_way_to_the_other():
    with applied(V2Service("either"), OPEN) as one:
        everyone = Binding(of_v1("either"), INVOKER)
        for _ in range(2):
            everyone.apply(["allUsers"])
            one.apply(HELLO)
            assert answers("either") == 200
            one.apply(OPEN)
            everyone.destroy()
            assert answers("either") == 200
        one.apply(HELLO)
        assert answers("either") == 403


# ---- the check ----

@test
def the_check_toggles_ten_times_and_each_answer_is_final():
    with applied(V2Service("toggled"), OPEN) as one:
        assert answers("toggled") == 200
        for turn in range(10):
            off = turn % 2 == 1
            assert [verb for verb, _ in one.apply(OPEN if off else HELLO)] == ["PATCH"]
            assert one.at_once(), "the operation was not done in the first answer"
            assert answers("toggled") == (200 if off else 403)
        assert one.revisions() == 1


@test
def the_older_resource_toggles_ten_times():
    with applied(V1Service("toggled-old"), OLD_OPEN) as one:
        assert answers("toggled-old") == 200
        for turn in range(10):
            off = turn % 2 == 1
            assert [verb for verb, _ in one.apply(OLD_OPEN if off else OLD_HELLO)] == ["PUT"]
            assert answers("toggled-old") == (200 if off else 403)
            one.settle()
        assert one.revisions() == 1


@test
def each_zero_that_is_left_out_is_cleared():
    many = {**OPEN, "defaultUriDisabled": True, "customAudiences": ["a"], "description": "d",
            "labels": {"team": "a"}, "annotations": {"example.com/a": "b"}}
    with applied(V2Service("cleared"), many) as one:
        assert "uri" not in one.state and one.state["labels"]["team"] == "a"
        one.apply(HELLO)
        left = {"invokerIamDisabled", "defaultUriDisabled", "customAudiences", "description",
                "annotations"} & set(one.state)
        assert not left and set(one.state["labels"]) == {"goog-terraform-provisioned"}, one.state
        assert one.state["uri"] == stand().url("cleared") and one.revisions() == 1


# ---- updates ----

@test
def many_settings_come_back_as_they_were_sent():
    with applied(V2Service("many"), MANY) as one:
        one.settle()
        one.imported()
        assert one.revisions() == 1
        one.apply(HELLO)
        assert one.revisions() == 2
        assert "description" not in one.state and "customAudiences" not in one.state


@test
def an_update_that_says_what_is_there_is_no_change():
    """deletion_protection is no field of the API, but a change of it sends the service again."""
    for name, config in (("same", HELLO), ("same-many", MANY)):
        with applied(V2Service(name), config) as one:
            before = one.state
            for _ in range(3):
                one.update(config)
                assert one.at_once()
            assert one.refresh() == before and one.revisions() == 1


@test
def what_starts_quickly_is_ready_in_the_first_answer():
    """Else the provider looks once at once, and then only every 10 s."""
    with applied(V2Service("quick"), HELLO) as one:
        assert one.at_once(), one.operations
        one.apply({"template": {**HELLO["template"], "timeout": "77s"}})
        assert one.at_once() and one.revisions() == 2, one.operations


@test
def a_changed_port_takes_the_probe_that_the_server_made_along():
    moved = {"template": {"containers": [{"image": IMAGE, "ports": [{"containerPort": 9090}]}]}}
    with applied(V2Service("ports"), HELLO) as one:
        one.apply(moved)
        probe = one.state["template"]["containers"][0]["startupProbe"]
        assert probe["tcpSocket"]["port"] == 9090, probe


@test
def traffic_between_revisions_that_have_names():
    def config(color, *traffic):
        return {"template": {"revision": f"colors-{color}", "containers": [
            {"image": IMAGE, "env": [{"name": "COLOR", "value": color}]}]},
            "traffic": [{"type": NAMED, "revision": f"colors-{name}", "percent": percent,
                         "tag": name} for name, percent in traffic]}
    with applied(V2Service("colors"), config("blue", ("blue", 100))) as one:
        one.apply(config("green", ("blue", 100), ("green", 0)))
        one.apply(config("green", ("blue", 50), ("green", 50)))
        one.apply(config("green", ("green", 100)))
        assert one.revisions() == 2
        one.settle()


@test
def what_others_put_on_a_service_is_seen_or_left_alone():
    """A changed value is planned back; labels of others stay."""
    with applied(V2Service("shared"), OPEN) as one:
        call("PATCH", f"{one.path}?updateMask=labels,invokerIamDisabled", {
            "labels": {**one.state["labels"], "theirs": "x"}})
        assert answers("shared") == 403
        assert list(V2.drifts(OPEN, one.refresh())) != []
        one.apply(OPEN)
        assert answers("shared") == 200 and one.state["labels"]["theirs"] == "x"
        one.apply({**OPEN, "labels": {"mine": "y"}})
        assert one.state["labels"]["theirs"] == "x"
        one.apply(OPEN)
        assert "mine" not in one.state["labels"] and one.state["labels"]["theirs"] == "x"


# ---- failures ----

@test
def a_failed_create_is_tainted_and_made_anew():
    with applied(V2Service("broken"), HELLO) as one:
        one.destroy()
        try:
            one.apply(BROKEN)
            raise AssertionError("it is ready")
        except Failed as why:
            assert why.error["code"] and "not ready" in why.error["message"], why
        assert one.tainted and one.refresh()["terminalCondition"]["state"] == "CONDITION_FAILED"
        one.apply(HELLO)
        assert [verb for verb, _ in one.writes] == ["DELETE", "POST"], one.writes


@test
def a_failed_update_leaves_the_old_revision_serving():
    with applied(V2Service("half"), OPEN) as one:
        try:
            one.apply({**BROKEN, "invokerIamDisabled": True})
            raise AssertionError("it is ready")
        except Failed as why:
            assert why.error["message"], why
        assert answers("half") == 200
        one.apply(OPEN)
        assert answers("half") == 200


@test
def the_older_resource_fails_with_the_message_of_its_condition():
    broken = {"spec": {"template": {"spec": {"containers": [{"image": "nowhere.example/none"}]}}}}
    with applied(V1Service("broken-old"), OLD_HELLO) as one:
        try:
            one.apply(broken)
            raise AssertionError("it is ready")
        except Failed as why:
            assert "not ready" in why.error["message"], why
        one.tainted = False
        one.apply(OLD_HELLO)
        one.settle()


@test
def what_was_deleted_behind_its_back_is_planned_anew():
    with applied(V2Service("vanishing"), HELLO) as one:
        call("DELETE", one.path)
        one.apply(HELLO)
        assert [verb for verb, _ in one.writes] == ["POST"], one.writes
        call("DELETE", one.path)
        assert request("DELETE", one.path).status == 404  # of a destroy: success
        one.state = None
        one.apply(HELLO)


@test
def what_exists_already_is_refused_and_nothing_is_changed():
    with applied(V2Service("taken"), HELLO) as one:
        with refuses(409, "already exists"):
            V2Service("taken").apply(OPEN)
        with refuses(409, "already exists"):
            V1Service("taken").apply(OLD_OPEN)
        assert answers("taken") == 403
        one.settle()


@test
def names_of_the_servers_own_are_refused_in_v2():
    for key in ("run.googleapis.com/x", "cloud.googleapis.com/x", "serving.knative.dev/x",
                "autoscaling.knative.dev/maxScale"):
        for config in ({**HELLO, "annotations": {key: "1"}},
                       {"template": {**HELLO["template"], "annotations": {key: "1"}}}):
            with refuses(400, "INVALID_ARGUMENT", key):
                V2Service("reserved").apply(config)
    leaves_nothing()


# ---- the older resource ----

@test
def the_older_resource_with_many_settings_comes_back_as_it_was_sent():
    with applied(V1Service("old-many"), OLD_MANY) as one:
        one.settle()
        assert "name" not in one.state["spec"]["template"]["metadata"], one.state["spec"]
        before = one.state["metadata"]
        one.update(OLD_MANY)
        assert one.revisions() == 1 and one.state["metadata"]["generation"] == before["generation"]
        shown = call("GET", f"{SERVICES}/old-many")
        assert shown["ingress"] == "INGRESS_TRAFFIC_INTERNAL_ONLY" and shown["urls"], shown


@test
def a_resource_version_changes_by_callers_changes_alone():
    with applied(V1Service("versioned"), OLD_HELLO) as one:
        first = one.state["metadata"]["resourceVersion"]
        Member(of_v1("versioned"), INVOKER, "allUsers").apply()
        assert answers("versioned") == 200
        assert one.refresh()["metadata"]["resourceVersion"] == first
        one.settle()
        stale = copy.deepcopy(one.state)
        one.apply(OLD_OPEN)
        assert one.state["metadata"]["resourceVersion"] != first
        body = {key: stale[key] for key in ("apiVersion", "kind", "metadata", "spec")}
        with refuses(409, "ABORTED"):
            call("PUT", one.path, body)
        for absent in ("", None):
            body["metadata"] = {**one.state["metadata"], "resourceVersion": absent}
            if absent is None:
                del body["metadata"]["resourceVersion"]
            call("PUT", one.path, body)
        one.refresh()
        Member(of_v1("versioned"), INVOKER, "allUsers").destroy()


@test
def regions_are_told_from_the_path_the_host_a_header_or_by_default():
    here, there = V1Service("placed"), V1Service("placed", region="europe-west1")
    port = stand().api_url.rsplit(":", 1)[1]
    with applied(there, OLD_HELLO):
        bare = f"{KNATIVE}/placed"
        assert call("GET", bare) == there.state  # the only one of that name
        assert request("GET", here.path).status == 404
        host = {"Host": f"europe-west1-run.localhost:{port}"}
        assert request("GET", bare, headers=host).json == there.state
        host = {"Host": f"us-central1-run.localhost:{port}"}
        assert request("GET", bare, headers=host).status == 404
        header = {"X-Goog-Request-Params": "location=europe-west1"}
        assert request("GET", bare, headers=header).json == there.state
        here.apply(OLD_HELLO)
        assert request("GET", bare).json == here.state  # the default region's
        assert call("GET", there.path) == there.state
        here.destroy()
        third = V1Service("placed", region="asia-east1")
        third.apply(OLD_HELLO)  # in neither is it the default, and no region is named
        with refuses(400, "several regions"):
            call("GET", bare)
        third.destroy()


@test
def each_form_shows_what_the_other_made_without_a_drift():
    small = {"spec": {"template": {"metadata": {"annotations": {
        "autoscaling.knative.dev/maxScale": "3"}}, "spec": {"containers": [{
            "image": IMAGE, "name": "front"}]}}}}
    with applied(V1Service("made-old"), small) as old:
        new = V2Service("made-old")
        new.refresh()
        same = {"template": {"scaling": {"maxInstanceCount": 3},
                             "containers": [{"image": IMAGE, "name": "front"}]}}
        assert list(V2.drifts(same, new.state)) == [], new.state
        assert "annotations" not in new.state["template"], new.state
        new.update(same)
        assert old.settle() is None and old.revisions() == 1
    with applied(V2Service("made-new"), MANY) as new:
        old = V1Service("made-new")
        old.refresh()
        wish = {key: old.state[key] for key in ("apiVersion", "kind", "metadata", "spec")}
        assert list(V1.drifts({"spec": wish["spec"]}, old.state)) == []
        call("PUT", old.path, wish)
        new.settle()
        assert new.revisions() == 1


# ---- many, restarts ----

@test
def ten_at_a_time_as_terraform_walks_its_graph():
    count = 20
    made = [V2Service(f"many-{number}") for number in range(count)]

    def batch(numbers, deed):
        at_once(*(lambda n=n: deed(n) for n in numbers))

    def create(number):
        made[number].apply(OPEN if number % 2 else HELLO)
        Binding(of_v1(f"many-{number}"), "roles/run.viewer").apply(["allAuthenticatedUsers"])

    for start in range(0, count, 10):
        batch(range(start, start + 10), create)
    assert [answers(f"many-{n}") for n in range(count)] == [403, 200] * (count // 2)
    for start in range(0, count, 10):
        batch(range(start, start + 10), lambda n: (made[n].settle(), made[n].destroy()))
    leaves_nothing()


@test
def an_operation_and_its_service_outlive_a_restart():
    with Homerun() as homerun:
        made = call("POST", f"{SERVICES}?serviceId=kept", HELLO, homerun=homerun)
        homerun.restart()

        def ended():
            operation = call("GET", f"/v2/{made['name']}", homerun=homerun)
            return operation["done"] and operation

        operation = wait_until(ended, "operation done")
        assert operation["response"]["name"] == f"{PARENT}/services/kept", operation


@test
def the_environment_names_every_endpoint_of_the_provider():
    """All that its versions 6 to 8 take: a missing one leads to Google, with our token."""
    api, env = stand().api_url, stand().env
    here = {"CLOUD_RUN_V2": "/v2/", "CLOUD_RUN": "/{{location}}/", "ORG_POLICY": "/v2/",
            "RESOURCE_MANAGER": "/v1/", "CLOUD_RESOURCE_MANAGER": "/v1/",
            "RESOURCE_MANAGER_V3": "/v3/", "RESOURCE_MANAGER3": "/v3/", "IAM_BETA": "/v1/",
            "IAM": "/v1/", "IAM_CREDENTIALS": "/v1/", "SERVICE_USAGE": "/v1/",
            "CLOUD_BILLING": "/v1/", "CORE_BILLING": "/v1/", "TAGS": "/v3/",
            "TAGS_LOCATION": "/v3/", "COMPUTE": "/compute/v1/"}
    names = (ROOT / "tests" / "data" / "terraform_endpoints.txt").read_text().split()
    set_here = {name[len("GOOGLE_"):-len("_CUSTOM_ENDPOINT")] for name in env
                if name.endswith("_CUSTOM_ENDPOINT")}
    assert set(names) == set_here, set(names) ^ set_here
    for name in names:
        value = env[f"GOOGLE_{name}_CUSTOM_ENDPOINT"]
        assert value.startswith(api + "/") and value.endswith("/"), (name, value)
        if name in here:
            assert value == api + here[name], (name, value)


@test
def an_endpoint_that_is_not_here_says_so_whatever_is_asked():
    for name in ("STORAGE", "PUBSUB", "SQL"):
        base = stand().env[f"GOOGLE_{name}_CUSTOM_ENDPOINT"].removeprefix(stand().api_url)
        for method, path, body in (("GET", "projects/demo/things", None), ("GET", "", None),
                                   ("POST", "projects/demo/things?thingId=x", {"a": 1}),
                                   ("PATCH", "projects/demo/things/x", {}),
                                   ("DELETE", "projects/demo/things/x:undo", None)):
            with refuses(501, "UNIMPLEMENTED", name.lower().replace("_", "-")):
                call(method, base + path, body)
        # As the provider puts another version in place of the one at the end.
        with refuses(501, "UNIMPLEMENTED", name.lower().replace("_", "-")):
            call("GET", base.removesuffix("v1/") + "v1beta1/projects/demo/things")
    assert fetch(f"{stand().api_url}/absent/kms/v1/x").status == 501  # nor is a token asked for


@test
def the_comparison_sees_what_it_should():
    """What proves the other tests: each of these answers is a drift, or none, to the provider."""
    base = {"template": {"containers": [{"image": "i"}]}}
    read = {"ingress": "INGRESS_TRAFFIC_ALL", "template": {"timeout": "300s", "containers": [
        {"image": "i", "ports": [{"name": "http1", "containerPort": 8080}]}]}}

    def with_part(part, where=read):
        out = copy.deepcopy(where)
        out["template"]["containers"][0].update(part.get("container", {}))
        out["template"].update(part.get("template", {}))
        return {**out, **part.get("service", {})}

    assert list(V2.drifts(base, read)) == []
    scaled = {**base, "scaling": {"minInstanceCount": 1}}
    assert not list(V2.drifts(scaled, {**read, **scaled, "template": read["template"]}))
    assert list(V2.drifts(scaled, {**read, "scaling": {"minInstanceCount": 1,
                                                       "scalingMode": "AUTOMATIC"}}))
    for part in ({"service": {"client": "x"}}, {"template": {"revision": "x-1"}},
                 {"template": {"labels": {"a": "b"}}},
                 {"template": {"encryptionKey": "k"}}, {"container": {"name": "x-1"}},
                 {"container": {"livenessProbe": {"periodSeconds": 1}}},
                 {"container": {"args": [""]}}, {"service": {"invokerIamDisabled": True}}):
        assert list(V2.drifts(base, with_part(part))), part
    limits = {"container": {"resources": {"limits": {"cpu": "1"}}}}
    more = {"container": {"resources": {"limits": {"cpu": "1", "memory": "512Mi"}}}}
    assert list(V2.drifts(with_part(limits, base), with_part(more)))
    assert not list(V2.drifts(base, with_part(more)))


if __name__ == "__main__":
    main()
