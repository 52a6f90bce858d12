#!/usr/bin/env python3
"""Cloud Run's v1 API on the wire: each method, its refusals, and what must survive a crash."""
import http.client
import json
import os
import signal
import urllib.parse

from gcloud_stand import DEAF, FALL, LOOK, account, call, deploy, grant, revisions, service, stand, \
    status_of
from homerun import main, test, wait_until

KNATIVE = "/apis/serving.knative.dev/v1/namespaces/demo"
PLACE = "/v1/projects/demo/locations/us-central1"
CHECK = "run.googleapis.com/invoker-iam-disabled"
OWNER = "serviceAccount:owner@demo.iam.gserviceaccount.com"
STRANGER = "user:stranger@example.com"

# Method, path, permission that a stranger lacks. S is a service that is there.
METHODS = (
    ("GET", KNATIVE + "/services", "run.services.list"),
    ("GET", "/v1/projects/demo/locations/-/services", "run.services.list"),
    ("POST", KNATIVE + "/services", "run.services.create"),
    ("POST", PLACE + "/services", "run.services.create"),
    ("GET", KNATIVE + "/services/S", "run.services.get"),
    ("GET", PLACE + "/services/S", "run.services.get"),
    ("PUT", KNATIVE + "/services/S", "run.services.update"),
    ("PUT", PLACE + "/services/S", "run.services.update"),
    ("DELETE", KNATIVE + "/services/S", "run.services.delete"),
    ("DELETE", PLACE + "/services/S", "run.services.delete"),
    ("GET", PLACE + "/services/S:getIamPolicy", "run.services.getIamPolicy"),
    ("POST", PLACE + "/services/S:getIamPolicy", "run.services.getIamPolicy"),
    ("POST", PLACE + "/services/S:setIamPolicy", "run.services.setIamPolicy"),
    ("GET", KNATIVE + "/revisions", "run.revisions.list"),
    ("GET", KNATIVE + "/revisions/S-00001-abc", "run.revisions.get"),
    ("DELETE", KNATIVE + "/revisions/S-00001-abc", "run.revisions.delete"),
    ("GET", KNATIVE + "/configurations", "run.configurations.list"),
    ("GET", KNATIVE + "/configurations/S", "run.configurations.get"),
    ("GET", KNATIVE + "/routes", "run.routes.list"),
    ("GET", KNATIVE + "/routes/S", "run.routes.get"),
    ("GET", PLACE + "/operations", "run.operations.list"),
    ("GET", PLACE + "/operations/x", "run.operations.get"),
    ("POST", PLACE + "/operations/x:wait", "run.operations.get"),
    ("DELETE", PLACE + "/operations/x", "run.operations.delete"),
    ("GET", "/v1/projects/demo/locations", "run.locations.list"),
    ("GET", "/v1/projects/demo", "resourcemanager.projects.get"),
    ("POST", "/v1/projects/demo:getIamPolicy", "resourcemanager.projects.getIamPolicy"),
    ("POST", "/v1/projects/demo:setIamPolicy", "resourcemanager.projects.setIamPolicy"),
    ("POST", "/v1/projects/demo:getAncestry", "resourcemanager.projects.get"),
    ("GET", "/v1/projects/demo/services", "serviceusage.services.list"),
    ("GET", "/v1/projects/demo/services/run.googleapis.com", "serviceusage.services.get"),
    ("POST", "/v1/projects/demo/services:batchEnable", "serviceusage.services.enable"),
    ("GET", "/v1/projects/demo/serviceAccounts", "iam.serviceAccounts.list"),
    ("POST", "/v1/projects/demo/serviceAccounts", "iam.serviceAccounts.create"),
)


def api(*arguments, **more):
    return stand().api(*arguments, **more)


def body_of(name, image=LOOK, **annotations):
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}}}


def put(name, body, query="", **more):
    return api("PUT", f"{KNATIVE}/services/{name}{query}", body, **more)


def fault(answer, status, name):
    """ANSWER is an error of Google's shape; the error."""
    assert answer.status == status, answer
    error = answer.json["error"]
    assert (error["code"], error["status"]) == (status, name), error
    assert error["message"] and answer.headers["Content-Type"].startswith("application/json")
    return error


def token_of(member):
    return stand().token("access", member=member)


# ---- who may ----

@test
def every_method_needs_a_token_that_is_believed():
    for method, path, _ in METHODS:
        for token in ("", "rubbish", "a.b.c", stand().token("identity")):
            error = api(method, path.replace("/S", "/open-shop"), {} if method != "GET" else None,
                        token=token)
            fault(error, 401, "UNAUTHENTICATED")
            assert "Bearer" in error.headers["WWW-Authenticate"]


@test
def every_method_names_the_permission_that_a_stranger_lacks_and_not_what_exists():
    deploy("shop")
    for name in ("shop", "nothing"):
        for method, path, permission in METHODS:
            path = path.replace("/S", "/" + name)
            error = fault(api(method, path, {} if method != "GET" else None,
                              token=token_of(STRANGER)), 403, "PERMISSION_DENIED")
            assert permission in error["message"], (method, path, error)
            info = error["details"][-1]
            assert info["reason"] == "IAM_PERMISSION_DENIED", (path, info)
            assert info["metadata"]["permission"] == permission, (path, info)
    assert api("GET", "/v1/projects", token=token_of(STRANGER)).json["projects"] == []


@test
def two_authorization_headers_are_refused():
    client = http.client.HTTPConnection("127.0.0.1", urllib.parse.urlsplit(stand().api_url).port)
    client.putrequest("GET", "/v1/projects/demo")
    client.putheader("Authorization", f"Bearer {stand().token()}")
    client.putheader("Authorization", f"Bearer {stand().token()}")
    client.endheaders()
    assert client.getresponse().status == 401
    client.close()


# ---- HTTP itself ----

def raw(method, target, host="localhost", **headers):
    client = http.client.HTTPConnection("127.0.0.1", urllib.parse.urlsplit(stand().api_url).port)
    client.putrequest(method, target, skip_host=True)
    client.putheader("Host", host)
    for name, value in {"Authorization": f"Bearer {stand().token()}", **headers}.items():
        client.putheader(name, value)
    client.endheaders()
    got = client.getresponse()
    text = got.read()
    client.close()
    return got.status, json.loads(text) if text else None, got.headers


@test
def absolute_targets_are_served_and_other_hosts_are_not_reached():
    port = urllib.parse.urlsplit(stand().api_url).port
    target = f"http://us-central1-run.localhost:{port}/v1/projects/demo"
    assert raw("GET", target)[0] == 200
    assert raw("GET", "http://example.com/v1/projects/demo")[0] == 421
    assert raw("GET", "/v1/projects/demo", host="example.com")[0] == 421


@test
def the_region_of_a_knative_path_is_in_the_host():
    deploy("placed", region="europe-west1")
    status, found, _ = raw("GET", KNATIVE + "/services/placed", host="europe-west1-run.localhost")
    assert status == 200
    assert found["metadata"]["labels"]["cloud.googleapis.com/location"] == "europe-west1"
    assert raw("GET", KNATIVE + "/services/placed", host="us-east1-run.localhost")[0] == 404
    assert raw("GET", KNATIVE + "/services/placed", host="europe-west1-localhost")[0] == 200
    status, found, _ = raw("GET", KNATIVE + "/services", host="europe-west1-run.localhost")
    assert [item["metadata"]["name"] for item in found["items"]] == ["placed"]
    assert raw("GET", KNATIVE + "/services/placed")[0] == 200, "the only one of that name"
    fault(api("GET", "/v1/projects/demo/locations/mars-north1/services/x"), 404, "NOT_FOUND")


@test
def paths_verbs_and_sizes_have_their_own_refusals():
    fault(api("GET", "/none"), 404, "NOT_FOUND")
    fault(api("GET", "/v1/none"), 501, "UNIMPLEMENTED")
    fault(api("GET", KNATIVE + "/services//"), 501, "UNIMPLEMENTED")
    fault(api("GET", KNATIVE + "/services/x/"), 501, "UNIMPLEMENTED")
    answer = api("PATCH", KNATIVE + "/services/x", {})
    assert answer.status == 405 and "PUT" in answer.headers["Allow"], answer
    answer = api("POST", KNATIVE + "/services", b"x" * (5 << 20))
    assert answer.status == 413, answer
    for bad in (b"{", b"[]", b"null", b'"x"', b'{"a":1,}', b'{"a":"\xff"}', b"[" * 20000, b"\0"):
        fault(api("POST", KNATIVE + "/services", bad), 400, "INVALID_ARGUMENT")
    error = fault(api("GET", "/apis/run.googleapis.com/v1/namespaces/demo/jobs"), 501,
                  "UNIMPLEMENTED")
    assert "Jobs" in error["message"]


@test
def a_project_is_the_same_by_id_and_by_number():
    deploy("same")
    number = stand().ready["projectNumber"]
    for path in (KNATIVE + "/services/same", KNATIVE + "/services", KNATIVE + "/revisions",
                 KNATIVE + "/routes/same", PLACE + "/services/same:getIamPolicy",
                 "/v1/projects/demo", "/v1/projects/demo/services/run.googleapis.com",
                 "/v1/projects/demo/locations", "/v1/projects/demo/serviceAccounts"):
        other = path.replace("/demo", "/" + number, 1)
        left, right = api("GET", path), api("GET", other)
        assert left.status == right.status == 200, (path, left, right)
        assert json.dumps(left.json).replace(number, "demo") == \
            json.dumps(right.json).replace(number, "demo"), path
    body = service("same")
    for space in ("demo", number):
        body["metadata"]["namespace"] = space
        body["metadata"].pop("resourceVersion", None)
        assert api("PUT", f"/apis/serving.knative.dev/v1/namespaces/{number}/services/same",
                   body).status == 200
    body["metadata"]["namespace"] = "other"
    fault(put("same", body), 400, "INVALID_ARGUMENT")
    assert api("GET", "/v1/projects/none").status in (403, 404)
    assert api("GET", KNATIVE.replace("demo", "none") + "/services").status in (403, 404)


# ---- services ----

@test
def what_a_service_may_not_be_is_said_with_its_field():
    for change, field in (
            ({"metadata": {"name": "Upper"}}, "name"),
            ({"metadata": {"name": "a" * 50}}, "name"),
            ({"metadata": {"name": "ends-"}}, "name"),
            ({"metadata": {}}, "name"),
            ({"metadata": {"name": "x", "annotations": {"run.googleapis.com/ingress": "some"}}},
             "run.googleapis.com/ingress"),
            ({"spec": {}}, "template"),
            ({"spec": {"template": {"spec": {"containers": []}}}}, "containers"),
            ({"spec": {"template": {"spec": {"containers": [{}]}}}}, "image"),
            ({"spec": {"template": {"spec": {"containers": [{"image": LOOK}],
                                             "timeoutSeconds": 3601}}}}, "timeoutSeconds"),
            ({"spec": {"template": {"spec": {"containers": [{"image": LOOK}],
                                             "containerConcurrency": "7x"}}}},
             "containerConcurrency"),
            ({"kind": "Deployment"}, "kind"),
    ):
        error = fault(api("POST", KNATIVE + "/services", {**body_of("good"), **change}), 400,
                      "INVALID_ARGUMENT")
        assert field in json.dumps(error), (change, error)
    deploy("taken")
    fault(api("POST", KNATIVE + "/services", body_of("taken")), 409, "ALREADY_EXISTS")
    error = fault(put("absent", body_of("absent")), 404, "NOT_FOUND")
    assert error["details"][-1]["domain"] == "run.googleapis.com", "gcloud shows it only with this"
    fault(put("taken", body_of("other")), 400, "INVALID_ARGUMENT")


@test
def a_dry_run_does_everything_but_keep_it():
    deploy("kept", open="true")
    before = service("kept")
    body = service("kept")
    body["metadata"]["annotations"][CHECK] = "false"
    answer = put("kept", body, "?dryRun=all")
    assert answer.status == 200 and answer.json["metadata"]["annotations"][CHECK] == "false"
    assert service("kept") == before
    assert status_of("kept") == 200
    assert api("POST", KNATIVE + "/services?dryRun=all", body_of("never")).status == 200
    assert api("GET", KNATIVE + "/services/never").status == 404
    assert api("DELETE", KNATIVE + "/services/kept?dryRun=all").status == 200
    assert status_of("kept") == 200
    fault(put("kept", body, "?dryRun=some"), 400, "INVALID_ARGUMENT")
    assert put("kept", body, "?dryRun=some").json["error"]["message"] == "dryRun: must be 'all'"
    fault(put("kept", {**body, "spec": {}}, "?dryRun=all"), 400, "INVALID_ARGUMENT")
    fault(put("kept", body, "?dryRun=all", token=token_of(STRANGER)), 403, "PERMISSION_DENIED")
    body["metadata"]["resourceVersion"] = "AAYAAAAAAAE"
    fault(put("kept", body, "?dryRun=all"), 409, "ABORTED")


@test
def the_check_is_read_in_any_case_and_nothing_else_is_taken_for_it():
    deploy("switch")
    for text, open_to_all in (("True", True), ("False", False), ("TRUE", True), ("false", False),
                              ("true", True), (None, False)):
        body = service("switch")
        body["metadata"]["annotations"].pop(CHECK, None)
        if text is not None:
            body["metadata"]["annotations"][CHECK] = text
        answer = put("switch", body)
        assert answer.status == 200, answer
        kept = answer.json["metadata"]["annotations"].get(CHECK, "false")
        assert kept == ("true" if open_to_all else "false"), (text, kept)
        ready = answer.json["status"]["conditions"][0]
        assert (ready["type"], ready["status"]) == ("Ready", "True"), ready
        assert answer.json["status"]["observedGeneration"] == answer.json["metadata"]["generation"]
        assert status_of("switch") == (200 if open_to_all else 403), text
    before = service("switch")
    for bad in ("", "yes", "1", "truе", " true", True, 1, [], {}):
        body = service("switch")
        body["metadata"]["annotations"][CHECK] = bad
        error = fault(put("switch", body), 400, "INVALID_ARGUMENT")
        assert CHECK in json.dumps(error), (bad, error)
    assert service("switch") == before
    assert len(revisions("switch")) == 1
    fault(api("POST", KNATIVE + "/services", body_of("new", **{CHECK: "perhaps"})), 400,
          "INVALID_ARGUMENT")


@test
def versions_decide_races_and_none_means_no_matter():
    deploy("lock")
    body = service("lock")
    old = body["metadata"]["resourceVersion"]
    body["metadata"]["labels"]["n"] = "1"
    assert put("lock", body).status == 200
    new = service("lock")["metadata"]["resourceVersion"]
    error = fault(put("lock", body), 409, "ABORTED")
    assert old in error["message"] and new in error["message"], error
    body["metadata"]["resourceVersion"] = "nonsense"
    assert put("lock", body).status in (400, 409)
    body["metadata"].pop("resourceVersion")
    assert put("lock", body).status == 200


@test
def what_only_the_server_writes_is_its_own():
    deploy("honest")
    before = service("honest")
    body = service("honest")
    body["status"] = {"url": "https://evil.example", "conditions": [],
                      "latestReadyRevisionName": "evil-00001-abc"}
    body["metadata"].update(uid="x", generation=99, selfLink="/evil",
                            creationTimestamp="1999-01-01T00:00:00Z")
    for name, value in (("serving.knative.dev/creator", "evil@example.com"),
                        ("serving.knative.dev/lastModifier", "evil@example.com"),
                        ("run.googleapis.com/operation-id", "evil"),
                        ("run.googleapis.com/urls", '["https://evil.example"]')):
        body["metadata"]["annotations"][name] = value
    answer = put("honest", body)
    assert answer.status == 200 and "evil" not in answer.text, answer.text
    after = service("honest")
    for name in ("uid", "creationTimestamp", "selfLink"):
        assert after["metadata"][name] == before["metadata"][name], name
    assert after["status"]["url"] == stand().url("honest")


@test
def one_who_may_update_but_not_grant_cannot_move_the_check_by_any_door():
    for role in ("roles/editor", "roles/run.developer", "roles/run.sourceDeveloper"):
        grant(f"user:{role[6:]}@example.com", role)
        grant(f"user:{role[6:]}@example.com", "roles/iam.serviceAccountUser")
    grant("user:security@example.com", "roles/iam.securityAdmin")
    deploy("edited")
    for closed in (True, False):
        body = service("edited")
        body["metadata"].pop("resourceVersion")
        body["metadata"]["annotations"][CHECK] = "false" if closed else "true"
        assert put("edited", body).status == 200
        for role in ("editor", "run.developer", "run.sourceDeveloper"):
            token = token_of(f"user:{role}@example.com")
            for name, value in ((CHECK, "true" if closed else "false"), (CHECK, None)):
                wanted = service("edited")
                wanted["metadata"].pop("resourceVersion")
                wanted["metadata"]["annotations"].pop(name, None)
                if value is not None:
                    wanted["metadata"]["annotations"][name] = value
                for query in ("", "?dryRun=all"):
                    answer = put("edited", wanted, query, token=token)
                    if closed and value is None:
                        assert answer.status == 200, "absent is what it was"
                        continue
                    error = fault(answer, 403, "PERMISSION_DENIED")
                    assert "run.services.setIamPolicy" in error["message"], error
            body = service("edited")
            body["metadata"]["labels"]["by"] = role.replace(".", "-").lower()
            assert put("edited", body, token=token).status == 200, "the rest is theirs"
        token = token_of("user:security@example.com")
        fault(put("edited", service("edited"), token=token), 403, "PERMISSION_DENIED")
        assert status_of("edited") == (403 if closed else 200)
    fault(api("POST", KNATIVE + "/services", body_of("opened", **{CHECK: "true"}),
              token=token_of("user:run.developer@example.com")), 403, "PERMISSION_DENIED")
    body = {"policy": {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}}
    deploy("granted")
    assert api("POST", PLACE + "/services/granted:setIamPolicy", body,
               token=token_of("user:security@example.com")).status == 200
    assert status_of("granted") == 200


@test
def lists_take_selectors_and_views_show_their_part():
    deploy("listed")
    body = service("listed")
    body["metadata"]["labels"]["team"] = "blue"
    assert put("listed", body).status == 200
    for selector in ("team=blue", "team+%3D+blue", "team%3Dblue", "team"):
        answer = api("GET", f"{KNATIVE}/services?labelSelector={selector}")
        assert [i["metadata"]["name"] for i in answer.json["items"]] == ["listed"], selector
    assert api("GET", KNATIVE + "/services?labelSelector=team%3Dred").json["items"] == []
    found = api("GET", KNATIVE + "/services").json
    assert found["kind"] == "ServiceList" and found.get("unreachable", []) == []
    name = revisions("listed")[0]
    for selector in ("serving.knative.dev%2Fservice+%3D+listed",
                     "serving.knative.dev%2Fservice%3Dlisted",
                     "serving.knative.dev/service%20=%20listed"):
        answer = api("GET", f"{KNATIVE}/revisions?labelSelector={selector}")
        assert [i["metadata"]["name"] for i in answer.json["items"]] == [name], selector
    assert api("GET", f"{KNATIVE}/configurations/listed").json["status"][
        "latestReadyRevisionName"] == name
    assert api("GET", f"{KNATIVE}/routes/listed").json["status"]["url"] == stand().url("listed")
    for plural in ("configurations", "routes"):
        items = api("GET", f"{KNATIVE}/{plural}").json["items"]
        assert "listed" in [i["metadata"]["name"] for i in items]


@test
def a_revision_in_use_is_kept_and_another_goes():
    deploy("turns")
    first = revisions("turns")[0]
    fault(api("DELETE", f"{KNATIVE}/revisions/{first}"), 400, "FAILED_PRECONDITION")
    body = service("turns")
    body["spec"]["template"].setdefault("metadata", {})["name"] = "turns-two"
    assert put("turns", body).status == 200
    wait_until(lambda: service("turns")["status"].get("latestReadyRevisionName") == "turns-two",
               "the second revision")
    assert api("DELETE", f"{KNATIVE}/revisions/{first}").status == 200
    fault(api("GET", f"{KNATIVE}/revisions/{first}"), 404, "NOT_FOUND")
    assert call("turns", member=OWNER).json["env"]["K_REVISION"] == "turns-two"
    body = service("turns")
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "b"}]
    fault(put("turns", body), 409, "ALREADY_EXISTS")


# ---- testIamPermissions ----

@test
def permissions_of_a_service_that_is_not_there_are_those_of_the_project():
    path = PLACE + "/services/future:testIamPermissions"
    asked = ["run.services.setIamPolicy", "run.services.get", "run.none.at.all"]
    answer = api("POST", path, {"permissions": asked})
    assert answer.json == {"permissions": asked[:2]}, answer
    grant("user:looks@example.com", "roles/run.viewer")
    answer = api("POST", path, {"permissions": asked}, token=token_of("user:looks@example.com"))
    assert answer.json == {"permissions": ["run.services.get"]}, answer
    assert api("POST", path, {"permissions": asked}, token=token_of(STRANGER)).json == {}
    fault(api("POST", path, {"permissions": ["run.*"]}), 400, "INVALID_ARGUMENT")
    fault(api("POST", path, {"permissions": ["run.services.get"] * 101}), 400, "INVALID_ARGUMENT")


# ---- operations ----

def operation_of(answer):
    assert answer.status == 200, answer
    return answer.json["metadata"]["annotations"]["run.googleapis.com/operation-id"]


@test
def an_operation_is_waited_for_and_stays_readable():
    operation = operation_of(api("POST", KNATIVE + "/services", body_of("waited")))
    path = f"{PLACE}/operations/{operation}"
    for _ in range(3):
        answer = api("POST", path + ":wait", {"timeout": "30s"})
        assert answer.json["done"] is True, answer
        assert answer.json["name"] == path[4:], answer
        found = answer.json["response"]
        assert found.pop("@type") == "type.googleapis.com/google.cloud.run.v1.Service"
        assert found == service("waited")
    assert api("GET", path).json["done"] is True
    assert path[4:] in [o["name"] for o in api("GET", PLACE + "/operations").json["operations"]]
    assert api("DELETE", path).status == 200
    fault(api("GET", path), 404, "NOT_FOUND")
    fault(api("POST", path + ":wait", {}), 404, "NOT_FOUND")


@test
def a_wait_ends_with_its_timeout_where_the_container_does_not_listen():
    operation = operation_of(api("POST", KNATIVE + "/services", body_of("deaf", image=DEAF)))
    path = f"{PLACE}/operations/{operation}"
    for timeout in ("0s", "0.2s", "1s"):
        answer = api("POST", path + ":wait", {"timeout": timeout})
        assert answer.json["done"] is False and "response" not in answer.json, answer
    assert service("deaf")["status"]["conditions"][0]["status"] == "Unknown"
    fault(api("DELETE", path), 400, "FAILED_PRECONDITION")
    assert api("DELETE", KNATIVE + "/services/deaf").status == 200
    assert api("POST", path + ":wait", {"timeout": "30s"}).json["done"] is True


@test
def a_failed_start_is_done_with_a_service_that_is_not_ready():
    operation = operation_of(api("POST", KNATIVE + "/services", body_of("fell", image=FALL)))
    answer = api("POST", f"{PLACE}/operations/{operation}:wait", {"timeout": "30s"})
    conditions = {c["type"]: c for c in answer.json["response"]["status"]["conditions"]}
    assert answer.json["done"] and conditions["Ready"]["status"] == "False", answer
    assert conditions["Ready"]["reason"] == "HealthCheckContainerError"
    assert conditions["Ready"]["message"] == conditions["ConfigurationsReady"]["message"]
    assert "PORT=8080" in conditions["Ready"]["message"]


@test
def control_killed_in_the_middle_keeps_tokens_operations_and_access():
    deploy("lasts")
    opened = deploy("lasting", open="true")
    operation = opened["metadata"]["annotations"]["run.googleapis.com/operation-id"]
    token, identity = stand().token(), stand().token("identity", audience=stand().url("lasts"))
    pending = operation_of(api("POST", KNATIVE + "/services", body_of("pending", image=DEAF)))
    victim = stand().pids("control")[0]
    os.kill(victim, signal.SIGKILL)
    assert status_of("lasting") == 200, "no control is needed to serve"
    assert status_of("lasts") == 403
    assert status_of("lasts", token=identity) == 200
    wait_until(lambda: stand().pids("control") not in ([], [victim]), "another control")
    assert api("GET", "/v1/projects/demo", token=token).status == 200
    assert api("POST", f"{PLACE}/operations/{operation}:wait", {"timeout": "1s"}).json["done"]
    assert api("POST", f"{PLACE}/operations/{pending}:wait", {"timeout": "0s"}).json["done"] is False
    assert service("lasts")["status"]["conditions"][0]["status"] == "True"
    body = service("lasts")
    body["metadata"]["annotations"][CHECK] = "true"
    assert put("lasts", body).status == 200
    assert status_of("lasts") == 200, "changes are heard again"
    assert deploy("after")["status"]["conditions"][0]["status"] == "True"
    assert api("DELETE", KNATIVE + "/services/pending").status == 200


# ---- projects, service usage, locations ----

@test
def projects_and_their_services_are_as_clients_expect():
    found = api("GET", "/v1/projects?filter=lifecycleState:ACTIVE&pageSize=500").json["projects"]
    assert [p["projectId"] for p in found] == ["demo"]
    answer = api("POST", "/v1/projects/demo:getAncestry", {}).json["ancestor"]
    assert [a["resourceId"]["type"] for a in answer] == ["project", "organization"]
    answer = api("GET", "/v1/projects/demo/services/run.googleapis.com").json
    assert answer["state"] == "ENABLED"
    assert answer["name"] == f"projects/{stand().ready['projectNumber']}/services/run.googleapis.com"
    answer = api("POST", "/v1/projects/demo/services:batchEnable",
                 {"serviceIds": ["run.googleapis.com"]})
    assert answer.status == 200 and answer.json["done"] is True
    places = api("GET", "/v1/projects/demo/locations?pageSize=100").json["locations"]
    assert {"us-central1", "europe-west1"} <= {place["locationId"] for place in places}


# ---- logs ----

@test
def a_log_filter_is_understood_or_refused():
    deploy("logged")
    ask = {"resourceNames": ["projects/demo"], "pageSize": 10, "orderBy": "timestamp desc"}
    good = 'resource.type = cloud_run_revision AND resource.labels.service_name = "logged" ' \
           'AND timestamp>="2020-01-01T00:00:00Z"'
    assert api("POST", "/v2/entries:list", {**ask, "filter": good}).status == 200
    for bad in ("resource.type ==", "a OR b", "(", '"', "severity >=", "timestamp >= yesterday",
                "severity > LOUD", "httpRequest.status = ok"):
        fault(api("POST", "/v2/entries:list", {**ask, "filter": bad}), 400, "INVALID_ARGUMENT")
    fault(api("POST", "/v2/entries:list", {"filter": good}), 400, "INVALID_ARGUMENT")
    fault(api("POST", "/v2/entries:list", {**ask, "filter": good}, token=token_of(STRANGER)), 403,
          "PERMISSION_DENIED")
    answer = api("POST", "/v2/entries:list", {**ask, "resourceNames": ["projects/none"]})
    assert answer.status in (403, 404), answer


@test
def an_account_that_does_not_exist_or_may_not_be_used_is_named():
    body = body_of("as-nobody")
    body["spec"]["template"]["spec"]["serviceAccountName"] = "no@demo.iam.gserviceaccount.com"
    error = fault(api("POST", KNATIVE + "/services", body), 403, "PERMISSION_DENIED")
    assert "(or it may not exist)" in error["message"], error
    email = account("not-yours")
    grant("user:deployer@example.com", "roles/run.developer")
    body = body_of("as-other")
    body["spec"]["template"]["spec"]["serviceAccountName"] = email
    error = fault(api("POST", KNATIVE + "/services", body,
                      token=token_of("user:deployer@example.com")), 403, "PERMISSION_DENIED")
    assert "Permission 'iam.serviceaccounts.actAs' denied on service account " + email in \
        error["message"], error


if __name__ == "__main__":
    main()
