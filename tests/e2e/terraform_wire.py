#!/usr/bin/env python3
"""What the Terraform `google` provider says on the wire, said by hand.

The provider itself is tested by terraform.py, where it is at hand. Here its habits are played: it
leaves zero values out, sends no mask and no etag, sends back all that it has read, re-reads after
each write, and compares attribute by attribute what it reads with what was configured.
"""
import contextlib
import copy
import json

from homerun import Homerun, finally_do, main, test, wait_until

PARENT = "projects/demo/locations/us-central1"
SERVICES = f"/v2/{PARENT}/services"
KNATIVE = "/us-central1/apis/serving.knative.dev/v1/namespaces/demo/services"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"
HELLO = {"template": {"containers": [{"image": IMAGE}]}}

# Only read, never sent.
OUTPUT = {"name", "uid", "generation", "createTime", "updateTime", "deleteTime", "expireTime",
          "creator", "lastModifier", "etag", "reconciling", "observedGeneration",
          "latestReadyRevision", "latestCreatedRevision", "terminalCondition", "conditions",
          "trafficStatuses", "uri", "urls"}
# What a configuration may leave to the server: last name of the path, below which part.
COMPUTED = {
    "": {"ingress", "launchStage", "traffic", "scaling"},
    "scaling": {"minInstanceCount", "maxInstanceCount", "manualInstanceCount"},
    "traffic": {"percent"},
    "template": {"timeout", "maxInstanceRequestConcurrency", "serviceAccount", "scaling"},
    "template.containers": {"ports", "resources", "startupProbe"},
    "template.containers.ports": {"name"},
    "template.containers.resources": {"limits"},
    "template.containers.livenessProbe.httpGet": {"port"},
    "template.containers.livenessProbe.grpc": {"port"},
    "template.containers.startupProbe.httpGet": {"port"},
    "template.containers.startupProbe.tcpSocket": {"port"},
}
FREE_MAPS = {"labels", "annotations"}  # on the service: only configured keys are compared
SETS = {"template.containers.env"}

_stand = None


def stand():
    global _stand
    if _stand is None:
        _stand = Homerun().start()
        finally_do(_stand.close)
    return _stand


def is_zero(value):
    return value in (None, False, 0, "", [], {})


def without_zeros(value):
    """As the provider encodes a body: zero values are not there at all."""
    if isinstance(value, dict):
        small = {name: without_zeros(part) for name, part in value.items()}
        return {name: part for name, part in small.items() if not is_zero(part)}
    if isinstance(value, list):
        return [without_zeros(part) for part in value]
    return value


def drifts(config, read, at=""):
    """Paths that a plan would change: rules 1 to 8 of how the provider compares."""
    computed = COMPUTED.get(at, set())
    for name in sorted(set(config) | set(read)):
        path = f"{at}.{name}" if at else name
        mine, theirs = config.get(name), read.get(name)
        if not at and name in OUTPUT:
            continue
        if path in FREE_MAPS:
            for key, value in (mine or {}).items():
                if (theirs or {}).get(key) != value:
                    yield f"{path}[{key}]"
        elif is_zero(mine) and (is_zero(theirs) or name in computed):
            continue
        elif isinstance(mine, dict) and isinstance(theirs, dict):
            yield from drifts(mine, theirs, path)
        elif isinstance(mine, list) and isinstance(theirs, list):
            yield from list_drifts(mine, theirs, path)
        elif is_zero(mine) != is_zero(theirs) or (not is_zero(mine) and mine != theirs):
            yield f"{path}: {mine!r} became {theirs!r}"


def list_drifts(mine, theirs, path):
    if path in SETS:
        mine, theirs = (sorted(items, key=lambda item: item["name"]) for items in (mine, theirs))
    if len(mine) != len(theirs):
        yield f"{path}: {len(mine)} became {len(theirs)}"
        return
    for one, other in zip(mine, theirs):
        if isinstance(one, dict):
            yield from drifts(one, other, path)
        elif one != other:
            yield f"{path}: {one!r} became {other!r}"


def planned(config, state):
    """What an update sends: the configuration, and what the server had computed elsewhere."""
    def fill(mine, theirs, at):
        out = copy.deepcopy(mine)
        for name in COMPUTED.get(at, set()):
            if is_zero(out.get(name)) and name in theirs:
                out[name] = copy.deepcopy(theirs[name])
        for name, part in out.items():
            path = f"{at}.{name}" if at else name
            there = theirs.get(name)
            if path in FREE_MAPS:
                continue
            if isinstance(part, dict) and isinstance(there, dict):
                out[name] = fill(part, there, path)
            elif isinstance(part, list) and isinstance(there, list):
                pairs = zip(part, there + [{}] * len(part))
                out[name] = [fill(one, other, path) if isinstance(one, dict) else one
                             for one, other in pairs]
        return out
    return without_zeros(fill(config, state, ""))


class Service:
    """google_cloud_run_v2_service."""

    def __init__(self, homerun, name):
        self.homerun, self.name = homerun, name
        self.path = f"{SERVICES}/{name}"

    def call(self, method, path, body=None):
        mark = "&" if "?" in path else "?"
        data = None if body is None else (json.dumps(body) + "\n").encode()
        answer = self.homerun.api(method, f"{path}{mark}alt=json", data,
                                  headers={"Content-Type": "application/json"})
        assert answer.status == 200, answer
        assert isinstance(answer.json, dict) and answer.body.strip() != b"", answer
        return answer.json

    def wait(self, operation):
        first = operation["done"]
        while not operation["done"]:
            operation = wait_until(
                lambda: next((o for o in [self.call("GET", f"/v2/{operation['name']}")]
                              if o["done"]), None), "operation done")
        assert "error" not in operation, operation
        return first

    def read(self):
        self.state = self.call("GET", self.path)
        return self.state

    def create(self, config):
        sent = without_zeros(config)
        sent.setdefault("labels", {})["goog-terraform-provisioned"] = "true"
        self.wait(self.call("POST", f"{SERVICES}?serviceId={self.name}", sent))
        self.settle(config)

    def update(self, config):
        """True if the first answer was final."""
        body = planned(config, self.read())
        body.setdefault("labels", {})["goog-terraform-provisioned"] = "true"
        done = self.wait(self.call("PATCH", self.path, body))
        self.settle(config)
        return done

    def settle(self, config):
        """A plan finds nothing, and reading is all that a second apply does."""
        found = list(drifts(config, self.read()))
        assert found == [], found
        assert not self.state.get("reconciling")
        assert self.state["observedGeneration"] == self.state["generation"]
        assert self.state["terminalCondition"]["state"] == "CONDITION_SUCCEEDED", self.state

    def revisions(self):
        return len(self.call("GET", f"{self.path}/revisions")["revisions"])

    def destroy(self):
        self.wait(self.call("DELETE", self.path))
        assert self.homerun.api("GET", self.path).status == 404


@contextlib.contextmanager
def service(name, config):
    one = Service(stand(), name)
    one.create(config)
    yield one
    one.destroy()
    assert "services" not in stand().api("GET", SERVICES).json


def binding(homerun, role, members, version="/us-central1/v1"):
    """google_cloud_run_service_iam_binding: read, change, write with the etag, read four times."""
    def path(name):
        return f"{version}/{PARENT}/services/{name}"

    def put(name):
        read = homerun.api("GET", f"{path(name)}:getIamPolicy?alt=json")
        assert read.status == 200, read
        policy = read.json
        kept = [b for b in policy.get("bindings", []) if b["role"] != role]
        policy["bindings"] = kept + ([{"role": role, "members": members}] if members else [])
        if not policy["bindings"]:
            del policy["bindings"]
        else:
            policy["version"] = 3
        wrote = homerun.api("POST", f"{path(name)}:setIamPolicy?alt=json", {"policy": policy})
        assert wrote.status == 200, wrote
        after = [homerun.api("GET", f"{path(name)}:getIamPolicy?alt=json").json for _ in range(4)]
        found = [b["members"] for b in after[-1].get("bindings", []) if b["role"] == role]
        assert found == ([members] if members else []), after[-1]
        assert all(a == after[0] for a in after)
    return put


@test
def a_public_service_by_a_binding_on_the_v1_path():
    homerun = stand()
    with service("public-service", HELLO) as one:
        assert homerun.get(homerun.url("public-service")).status == 403
        binding(homerun, "roles/run.invoker", ["allUsers"])("public-service")
        assert homerun.get(homerun.url("public-service")).status == 200
        one.settle(HELLO)
        binding(homerun, "roles/run.invoker", [])("public-service")
        assert homerun.get(homerun.url("public-service")).status == 403


@test
def both_iam_families_see_one_policy():
    homerun = stand()
    with service("both", HELLO):
        binding(homerun, "roles/run.invoker", ["allAuthenticatedUsers"], "/v2")("both")
        v2 = homerun.api("GET", f"{SERVICES}/both:getIamPolicy").json
        v1 = homerun.api("GET", f"/v1/{PARENT}/services/both:getIamPolicy").json
        assert v1 == v2 and v1["etag"], (v1, v2)


@test
def the_policy_resource_owns_all_of_the_policy():
    homerun = stand()
    until = {"title": "for a while", "expression": 'request.time < timestamp("2100-01-01T00:00:00Z")'}
    wanted = [{"role": "roles/run.invoker", "members": ["allUsers"], "condition": until},
              {"role": "roles/run.viewer", "members": ["allAuthenticatedUsers"]}]
    with service("owned", HELLO) as one:
        binding(homerun, "roles/run.invoker", ["allAuthenticatedUsers"], "/v2")("owned")
        set_path, get_path = f"{one.path}:setIamPolicy", f"{one.path}:getIamPolicy"
        one.call("POST", set_path, {"policy": {"bindings": wanted, "version": 3}})
        read = one.call("GET", get_path)
        by_role = sorted(read["bindings"], key=lambda b: b["role"])
        assert read["version"] == 3 and by_role == wanted, read
        # A binding of another pair of role and condition keeps this one as it was read.
        read["bindings"].append({"role": "roles/run.invoker", "members": ["allAuthenticatedUsers"]})
        one.call("POST", set_path, {"policy": read})
        again = one.call("GET", get_path)
        assert len(again["bindings"]) == 3 and again["etag"] != read["etag"], again
        stale = homerun.api("POST", set_path, {"policy": read})
        assert stale.status == 409, stale
        one.call("POST", set_path, {"policy": {"etag": again["etag"], "version": 3}})
        assert "bindings" not in one.call("GET", get_path)


@test
def the_check_toggles_ten_times_and_each_answer_is_final():
    homerun = stand()
    on, off = HELLO, {**HELLO, "invokerIamDisabled": True}
    with service("toggled", off) as one:
        assert homerun.get(homerun.url("toggled")).status == 200
        for turn in range(10):
            wanted = on if turn % 2 == 0 else off
            assert one.update(wanted), "the operation was not done in the first answer"
            status = homerun.get(homerun.url("toggled")).status
            assert status == (403 if wanted is on else 200), status
        assert one.revisions() == 1


@test
def an_update_that_changes_nothing_is_no_change():
    with service("same", HELLO) as one:
        before = one.state["generation"]
        assert one.update(HELLO)
        assert one.state["generation"] == before and one.revisions() == 1


MANY = {
    "description": "d", "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY", "labels": {"team": "a"},
    "annotations": {"example.com/owner": "b"}, "customAudiences": ["https://b.example", "a"],
    "scaling": {"minInstanceCount": 1},
    "template": {
        "labels": {"tier": "front"}, "timeout": "60s", "sessionAffinity": True,
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2", "maxInstanceRequestConcurrency": 7,
        "scaling": {"minInstanceCount": 0, "maxInstanceCount": 3},
        "containers": [{
            "name": "front", "image": IMAGE, "ports": [{"containerPort": 8080}],
            "env": [{"name": "Z", "value": "<&>"}, {"name": "EMPTY", "value": ""}],
            "resources": {"limits": {"cpu": "2"}, "startupCpuBoost": True},
            "startupProbe": {"timeoutSeconds": 2, "periodSeconds": 3, "failureThreshold": 5,
                             "tcpSocket": {"port": 8080}},
            "livenessProbe": {"timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 3,
                              "httpGet": {"path": "/"}},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}],
        "volumes": [{"name": "scratch", "emptyDir": {"medium": "MEMORY", "sizeLimit": "16Mi"}}]},
    "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100, "tag": "t"}],
}


@test
def many_settings_come_back_as_they_were_sent():
    with service("many", MANY) as one:
        assert one.update(MANY) and one.revisions() == 1
        small = {"template": {"containers": [{"image": IMAGE}]}}
        one.update(small)
        assert one.revisions() == 2
        assert "description" not in one.state and "customAudiences" not in one.state


@test
def a_changed_port_takes_the_probe_that_the_server_made_along():
    with service("ports", HELLO) as one:
        moved = {"template": {"containers": [{"image": IMAGE, "ports": [{"containerPort": 9090}]}]}}
        one.update(moved)
        probe = one.state["template"]["containers"][0]["startupProbe"]
        assert probe["tcpSocket"]["port"] == 9090, probe


@test
def a_failed_create_leaves_a_service_that_can_be_deleted():
    homerun = stand()
    one = Service(homerun, "broken")
    sent = {"template": {"containers": [{"image": "nowhere.example/none"}]}}
    operation = one.call("POST", f"{SERVICES}?serviceId=broken", sent)
    if not operation["done"]:
        operation = one.call("POST", f"/v2/{operation['name']}:wait", {"timeout": "20s"})
    assert operation["done"] and "not ready" in operation["error"]["message"], operation
    assert one.read()["terminalCondition"]["state"] == "CONDITION_FAILED"
    one.destroy()


@test
def the_older_resource_lives_below_its_region():
    homerun = stand()
    name = f"{KNATIVE}/old"
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": "old", "annotations":
                         {"run.googleapis.com/invoker-iam-disabled": "true"}},
            "spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}},
                     "traffic": [{"latestRevision": True, "percent": 100}]}}
    made = homerun.api("POST", f"{KNATIVE}?alt=json", body)
    assert made.status == 200 and isinstance(made.json["metadata"]["generation"], int), made

    def ready():
        now = homerun.api("GET", f"{name}?alt=json").json
        state = {c["type"]: c["status"] for c in now["status"]["conditions"]}["Ready"]
        assert state != "False", now
        fresh = now["status"]["observedGeneration"] >= now["metadata"]["generation"]
        return now if state == "True" and fresh else None

    now = wait_until(ready, "Ready")
    assert homerun.get(homerun.url("old")).status == 200
    for turn in range(4):
        notes = now["metadata"]["annotations"]
        if turn % 2 == 0:
            del notes["run.googleapis.com/invoker-iam-disabled"]
        else:
            notes["run.googleapis.com/invoker-iam-disabled"] = "true"
        put = homerun.api("PUT", f"{name}?alt=json", {key: now[key] for key in (
            "apiVersion", "kind", "metadata", "spec")})
        assert put.status == 200, put
        now = wait_until(ready, "Ready")
        assert homerun.get(homerun.url("old")).status == (403 if turn % 2 == 0 else 200)
    listed = homerun.api("GET", f"{SERVICES}/old/revisions").json["revisions"]
    assert len(listed) == 1
    assert homerun.api("DELETE", f"{name}?alt=json").status == 200
    assert homerun.api("GET", name).status == 404


OLD = {
    "metadata": {"labels": {"team": "a"}, "annotations": {
        "run.googleapis.com/ingress": "internal", "example.com/owner": "b",
        "run.googleapis.com/custom-audiences": '["https://b.example", "a"]'}},
    "spec": {
        "template": {
            "metadata": {"labels": {"tier": "front"}, "annotations": {
                "autoscaling.knative.dev/minScale": "0", "autoscaling.knative.dev/maxScale": "3",
                "run.googleapis.com/execution-environment": "gen2",
                "run.googleapis.com/startup-cpu-boost": "true"}},
            "spec": {
                "containerConcurrency": 7, "timeoutSeconds": 60,
                "containers": [{
                    "image": IMAGE, "ports": [{"containerPort": 8080, "name": "http1"}],
                    "env": [{"name": "Z", "value": "1"}],
                    "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
                    "livenessProbe": {"httpGet": {"path": "/"}},
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}],
                "volumes": [{"name": "scratch", "emptyDir": {
                    "medium": "Memory", "sizeLimit": "16Mi"}}]}},
        "traffic": [{"percent": 100, "latestRevision": True, "tag": "t"}]},
}


def old_drifts(config, read, at=""):
    """What of CONFIG does not come back as it was sent, and what was added beside it."""
    for name, mine in config.items():
        path, theirs = f"{at}.{name}".lstrip("."), read.get(name)
        if isinstance(mine, dict):
            yield from old_drifts(mine, theirs or {}, path)
            if path.startswith("spec.template.metadata.") or path.endswith(".limits"):
                yield from (f"{path}[{key}] is new" for key in set(theirs or {}) - set(mine))
        elif isinstance(mine, list) and mine and isinstance(mine[0], dict):
            if len(mine) != len(theirs or []):
                yield f"{path}: {len(mine)} became {theirs!r}"
                continue
            for one, other in zip(mine, theirs):
                yield from old_drifts(one, other, path)
        elif mine != theirs:
            yield f"{path}: {mine!r} became {theirs!r}"


@test
def the_older_resource_with_many_settings_comes_back_as_it_was_sent():
    homerun = stand()
    name = f"{KNATIVE}/old-many"
    sent = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", **copy.deepcopy(OLD)}
    sent["metadata"]["name"] = "old-many"
    made = homerun.api("POST", f"{KNATIVE}?alt=json", sent)
    assert made.status == 200, made
    read = homerun.api("GET", f"{name}?alt=json").json
    found = list(old_drifts(OLD, read))
    assert found == [], found
    assert "name" not in read["spec"]["template"]["metadata"], read["spec"]["template"]
    # Everything goes back, what the server had added as well: no revision, nothing else either.
    again = homerun.api("PUT", f"{name}?alt=json", {
        **{key: read[key] for key in ("apiVersion", "kind", "spec")},
        "metadata": {key: read["metadata"][key] for key in (
            "name", "namespace", "labels", "annotations", "resourceVersion", "generation",
            "selfLink", "uid")}})
    assert again.status == 200, again
    found = list(old_drifts(OLD, again.json))
    assert found == [], found
    assert len(homerun.api("GET", f"{SERVICES}/old-many/revisions").json["revisions"]) == 1
    shown = homerun.api("GET", f"{SERVICES}/old-many").json
    assert shown["ingress"] == "INGRESS_TRAFFIC_INTERNAL_ONLY" and shown["urls"], shown
    assert homerun.api("DELETE", f"{name}?alt=json").status == 200


@test
def accounts_keys_and_the_projects_policy():
    homerun = stand()
    accounts = "/v1/projects/demo/serviceAccounts"
    quiet = "?alt=json&prettyPrint=false"
    made = homerun.api("POST", accounts + quiet, {
        "accountId": "caller", "serviceAccount": {"displayName": "Calls", "description": ""}})
    assert made.status == 200, made
    email = made.json["email"]
    assert email == "caller@demo.iam.gserviceaccount.com" and made.json["uniqueId"].isdigit()
    one = f"{accounts}/{email}"
    key = homerun.api("POST", f"{one}/keys{quiet}", {
        "keyAlgorithm": "KEY_ALG_RSA_2048", "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
    assert key.status == 200 and key.json["privateKeyData"], key
    shown = homerun.api("GET", f"/v1/{key.json['name']}?publicKeyType=TYPE_X509_PEM_FILE&alt=json")
    assert shown.status == 200 and shown.json["keyAlgorithm"] == "KEY_ALG_RSA_2048", shown
    project = "/v1/projects/demo"
    policy = homerun.api("POST", f"{project}:getIamPolicy{quiet}",
                         {"options": {"requestedPolicyVersion": 3}}).json
    before = copy.deepcopy(policy)
    member = f"serviceAccount:{email}"
    policy["bindings"].append({"role": "roles/run.invoker", "members": [member]})
    policy["version"] = 3
    wrote = homerun.api("POST", f"{project}:setIamPolicy{quiet}", {
        "policy": policy, "updateMask": "bindings,etag,auditConfigs"})
    assert wrote.status == 200, wrote
    stale = homerun.api("POST", f"{project}:setIamPolicy{quiet}", {
        "policy": before, "updateMask": "bindings,etag,auditConfigs"})
    assert stale.status == 409 and stale.json["error"]["status"] == "ABORTED", stale
    before["etag"] = wrote.json["etag"]
    assert homerun.api("POST", f"{project}:setIamPolicy{quiet}", {
        "policy": before, "updateMask": "bindings,etag,auditConfigs"}).status == 200
    here = homerun.api("GET", project + quiet).json
    assert here["projectNumber"].isdigit() and here["lifecycleState"] == "ACTIVE", here
    assert homerun.api("GET", f"{project}/billingInfo{quiet}").status == 200
    patched = homerun.api("PATCH", one + quiet, {
        "serviceAccount": {"displayName": "New", "etag": made.json.get("etag", "")},
        "updateMask": "display_name,description"})
    assert patched.status == 200 and patched.json["displayName"] == "New", patched
    assert homerun.api("DELETE", f"/v1/{key.json['name']}").status == 200
    assert homerun.api("DELETE", one).status == 200
    assert homerun.api("GET", one).status in (403, 404)


@test
def an_organization_policy_binds_from_the_moment_it_is_set():
    homerun = stand()
    parent, name = "/v2/projects/demo/policies", "run.managed.requireInvokerIam"
    rule = {"enforce": True, "allowAll": None, "denyAll": None}
    sent = {"name": f"projects/demo/policies/{name}",
            "spec": {"rules": [rule], "inheritFromParent": False, "reset": False}}
    opened = {**HELLO, "invokerIamDisabled": True}
    with service("guarded", HELLO) as one:
        made = homerun.api("POST", f"{parent}?alt=json", sent)
        assert made.status == 200, made
        read = homerun.api("GET", f"{parent}/{name}?alt=json").json
        assert read["spec"]["rules"] == [{"enforce": True}], read
        refused = homerun.api("PATCH", f"{one.path}?alt=json", opened)
        assert refused.status == 400, refused
        assert refused.json["error"]["status"] == "FAILED_PRECONDITION", refused
        assert "requireInvokerIam" in refused.text, refused
        assert homerun.get(homerun.url("guarded")).status == 403
        sent["spec"]["rules"][0]["enforce"] = False
        sent["spec"]["etag"] = read["spec"]["etag"]
        changed = homerun.api("PATCH", f"{parent}/{name}?updateMask=policy.spec&alt=json",
                              {"spec": sent["spec"]})
        assert changed.status == 200, changed
        assert changed.json["spec"]["rules"] == [{"enforce": False}], changed
        assert one.update(opened)
        assert homerun.api("DELETE", f"{parent}/{name}?alt=json").json == {}
        assert homerun.api("GET", f"{parent}/{name}").status == 404


@test
def an_operation_and_its_service_outlive_a_restart():
    with Homerun() as homerun:
        made = homerun.api("POST", f"{SERVICES}?serviceId=kept", HELLO)
        assert made.status == 200, made
        homerun.restart()

        def ended():
            operation = homerun.api("GET", f"/v2/{made.json['name']}")
            assert operation.status == 200, operation
            return operation.json["done"] and operation.json

        operation = wait_until(ended, "operation done")
        assert operation["response"]["name"] == f"{PARENT}/services/kept", operation


if __name__ == "__main__":
    main()
