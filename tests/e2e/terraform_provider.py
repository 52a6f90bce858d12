"""The part of the Terraform `google` provider, played: what it sends, and how it compares.

Its habits, all of which a server has to bear: zero values are left out of a body (or, in
organization policies, are null); an update names no mask and no etag and sends everything back that
was ever read; each write is followed by reads; and a value that was not configured and is not
"computed" must not be there. Apply() below works as `terraform apply` does: read, compare, write
only what differs, read again, and compare again.
"""
import contextlib
import copy
import gzip
import json
import threading

from homerun import fetch, stand, wait_until

PROJECT, REGION = "demo", "us-central1"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
SERVICES = f"/v2/{PARENT}/services"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"
MARK = {"goog-terraform-provisioned": "true"}
GENERATED = ("serviceAccounts", "billingInfo")  # calls of Google's own Go clients
AGENT = "Terraform/1.11.4 (+https://www.terraform.io) Terraform-Plugin-SDK/2.33.0 " \
        "terraform-provider-google/dev7"

# ---- HTTP ----

class Refused(Exception):
    """The answer with which an apply ends."""

    def __init__(self, answer):
        self.answer = answer
        self.error = (answer.json or {}).get("error", {})
        super().__init__(f"{answer}")


def encode(body):
    """As Go encodes: no spaces, <, > and & escaped, a newline at the end."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return (text + "\n").encode()


def request(method, path, body=None, homerun=None, token=None, headers=None):
    """One exchange as the provider has it; its Answer, whatever the status."""
    homerun = homerun or stand()
    query = ["alt=json"]
    if any(word in path for word in GENERATED) or path.startswith(f"/v1/projects/{PROJECT}:"):
        query.append("prettyPrint=false")
    path += ("&" if "?" in path else "?") + "&".join(query)
    answer = fetch(homerun.api_url + path, method, {
        "Authorization": f"Bearer {token or homerun.token()}", "Content-Type": "application/json",
        "User-Agent": AGENT, "Accept-Encoding": "gzip", **(headers or {})},
        None if body is None else encode(body))
    if answer.headers.get("Content-Encoding") == "gzip":
        answer.body = gzip.decompress(answer.body)
    return answer


def call(method, path, body=None, **more):
    """The JSON object of an answer that is well, or Refused."""
    answer = request(method, path, body, **more)
    if answer.status != 200:
        assert set(answer.json) == {"error"}, answer
        assert answer.json["error"]["code"] == answer.status and answer.json["error"]["message"]
        raise Refused(answer)
    assert isinstance(answer.json, dict) and answer.body.strip(), answer
    return answer.json


def organization():
    """"organizations/N" of the installation."""
    return call("GET", "/v3/organizations:search")["organizations"][0]["name"]


@contextlib.contextmanager
def refuses(status, *words):
    """What is inside ends at once, with STATUS and an error that says WORDS. Never what is tried
    again: 429, 5xx, and 409 with v1."""
    try:
        yield
    except Refused as why:
        assert why.answer.status == status, why
        for word in words:
            assert word in why.answer.text, (word, why)
    else:
        raise AssertionError(f"was not refused with {status} {words}")


# ---- comparing ----

def is_zero(value):
    return value in (None, False, 0, "", [], {})


KEPT_EMPTY = {"grpc", "httpGet", "tcpSocket", "emptyDir"}  # a block that is there means something
MAPS = {"labels", "annotations", "limits", "requests", "nodeSelector", "environmentVariables"}


def without_zeros(value):
    """As the provider encodes a body: zero values are not there at all."""
    if isinstance(value, dict):
        small = {name: part if name in MAPS else without_zeros(part)
                 for name, part in value.items()}
        return {name: part for name, part in small.items()
                if not is_zero(part) or (part == {} and name in KEPT_EMPTY)}
    if isinstance(value, list):
        return [without_zeros(part) for part in value]
    return value


class Rules:
    """How one resource is compared. Paths are those of the API, "" for the resource itself."""

    def __init__(self, output, computed, free_maps, sets, suppressed=None):
        self.output = output          # paths that are only read
        self.computed = computed      # path: what a configuration may leave to the server there
        self.free_maps = free_maps    # maps of which only the configured keys are compared
        self.sets = sets              # lists without an order, of objects with a name or of texts
        self.suppressed = suppressed or {}  # map: keys that the server may add

    def drifts(self, config, read, at=""):
        """What a plan would change, in words."""
        for name in sorted(set(config) | set(read)):
            path = f"{at}.{name}" if at else name
            if path not in self.output:
                yield from self.one(config.get(name), read.get(name), path,
                                    name in self.computed.get(at, ()))

    def one(self, mine, theirs, path, computed):
        if path in self.free_maps:
            yield from (f"{path}[{key}]" for key, value in (mine or {}).items()
                        if (theirs or {}).get(key) != value)
        elif is_zero(mine) and mine != {} and (is_zero(theirs) or computed):
            return
        elif path in self.suppressed and isinstance(mine, dict) and isinstance(theirs, dict):
            left = {key: value for key, value in theirs.items()
                    if key in mine or key not in self.suppressed[path]}
            if mine != left:
                yield f"{path}: {mine!r} became {theirs!r}"
        elif isinstance(mine, dict) and isinstance(theirs, dict):
            if path.rsplit(".", 1)[-1] in MAPS and set(mine) != set(theirs):
                yield f"{path}: {mine!r} became {theirs!r}"
            yield from self.drifts(mine, theirs, path)
        elif isinstance(mine, list) and isinstance(theirs, list):
            yield from self.lists(mine, theirs, path)
        elif is_zero(mine) != is_zero(theirs) or (not is_zero(mine) and mine != theirs):
            yield f"{path}: {mine!r} became {theirs!r}"
        elif type(mine) is not type(theirs) and None not in (mine, theirs):
            yield f"{path}: {mine!r} became {theirs!r}"

    def lists(self, mine, theirs, path):
        if path in self.sets:
            mine, theirs = (sorted(items, key=lambda item: item["name"] if isinstance(item, dict)
                                   else item) for items in (mine, theirs))
        if len(mine) != len(theirs):
            yield f"{path}: {len(mine)} became {len(theirs)}: {theirs!r}"
            return
        for one, other in zip(mine, theirs):
            if isinstance(one, dict):
                assert other != {}, f"{path}: an empty object is dropped on reading"
                yield from self.drifts(one, other, path)
            elif one != other:
                yield f"{path}: {one!r} became {other!r}"

    def planned(self, config, state):
        """What an update sends: the configuration, and elsewhere what the server had computed."""
        return without_zeros(self.fill(config, state, ""))

    def fill(self, mine, theirs, at):
        out = copy.deepcopy(mine)
        for name in self.computed.get(at, ()):
            if is_zero(out.get(name)) and name in theirs:
                out[name] = copy.deepcopy(theirs[name])
        for name, part in out.items():
            path, there = f"{at}.{name}" if at else name, theirs.get(name)
            if path in self.free_maps or path in self.suppressed:
                continue
            if isinstance(part, dict) and isinstance(there, dict):
                out[name] = self.fill(part, there, path)
            elif isinstance(part, list) and isinstance(there, list) and path not in self.sets:
                out[name] = [self.fill(one, other, path) if isinstance(one, dict) else one
                             for one, other in zip(part, there + [{}] * len(part))]
        return out


# ---- google_cloud_run_v2_service ----

V2 = Rules(
    output={"name", "uid", "generation", "createTime", "updateTime", "deleteTime", "expireTime",
            "creator", "lastModifier", "etag", "reconciling", "observedGeneration",
            "latestReadyRevision", "latestCreatedRevision", "terminalCondition", "conditions",
            "trafficStatuses", "uri", "urls", "buildConfig.name"},
    computed={
        "": {"ingress", "launchStage", "traffic", "scaling"},
        "scaling": {"minInstanceCount", "maxInstanceCount", "manualInstanceCount"},
        "traffic": {"percent"},
        # maxInstanceCount of the template is computed from 7.44 only: the stricter rule is played.
        "template": {"timeout", "maxInstanceRequestConcurrency", "serviceAccount", "scaling"},
        "template.vpcAccess": {"egress"},
        "template.vpcAccess.networkInterfaces": {"network", "subnetwork"},
        "template.containers": {"ports", "resources", "startupProbe"},
        "template.containers.ports": {"name"},
        "template.containers.resources": {"limits"},
        "template.containers.livenessProbe.httpGet": {"port"},
        "template.containers.livenessProbe.tcpSocket": {"port"},
        "template.containers.livenessProbe.grpc": {"port"},
        "template.containers.startupProbe.httpGet": {"port"},
        "template.containers.startupProbe.tcpSocket": {"port"},
        "template.containers.startupProbe.grpc": {"port"},
        "template.containers.readinessProbe": {"timeoutSeconds", "periodSeconds",
                                               "failureThreshold", "successThreshold"},
        "template.containers.readinessProbe.httpGet": {"port", "path"},
        "template.containers.readinessProbe.grpc": {"port", "service"},
        "template.volumes.secret.items": {"mode"},
    },
    free_maps={"labels", "annotations"},
    sets={"template.containers.env", "template.volumes.cloudSqlInstance.instances"},
    suppressed={"template.containers.resources.limits": set()})


class Resource:
    """State of one resource, and `terraform apply` of a configuration (None: destroy)."""
    rules = None

    def __init__(self, name, homerun=None):
        self.name, self.homerun = name, homerun or stand()
        self.config = self.state = None
        self.tainted = False
        self.writes = []

    def send(self, method, path, body=None):
        if method != "GET":
            self.writes.append((method, path))
        return call(method, path, body, homerun=self.homerun)

    def refresh(self):
        """Reads; 404 drops it from the state."""
        try:
            self.state = self.send("GET", self.path)
        except Refused as why:
            if why.answer.status != 404:
                raise
            self.state = None
        return self.state

    def apply(self, config):
        """The writes that it took."""
        self.writes = []
        if self.state is not None:
            self.refresh()
        if self.tainted:
            self.delete()
            self.state, self.tainted = None, False
        if self.state is None:
            self.create(config)
        elif self.differs(config):
            self.update(config)
        self.config = copy.deepcopy(config)
        self.refresh()
        found = list(self.rules.drifts(config, self.state))
        assert found == [], f"{self.name}: the next plan is not empty: {found}"
        return self.writes

    def differs(self, config):
        """A plan's verdict. What is computed and no longer configured stays as it is; labels and
        annotations that were ours and are configured no more go."""
        gone = any(set(self.map_of(self.config or {}, kind)) - set(self.map_of(config, kind))
                   for kind in ("labels", "annotations"))
        return gone or any(self.rules.drifts(config, self.state))

    def settle(self):
        """Another plan finds nothing, and another apply only reads."""
        assert self.apply(self.config) == [], self.writes

    def imported(self):
        """`terraform import` knows the name alone; what it reads is what the state was."""
        other = type(self)(self.name, self.homerun)
        other.refresh()
        assert other.state == self.state, (other.state, self.state)
        other.config = self.config
        found = list(self.rules.drifts(self.config, other.state))
        assert found == [], found
        return other

    def destroy(self):
        self.writes = []
        self.delete()
        self.state = self.config = None
        assert request("GET", self.path, homerun=self.homerun).status == 404

    def effective(self, kind, config, added=None):
        """Labels or annotations as they are sent: ours, and those that others have put there."""
        before = self.config or {}
        theirs = dict(self.map_of(self.state, kind)) if self.state else {}
        for key in self.map_of(before, kind):
            theirs.pop(key, None)
        return {**theirs, **self.map_of(config, kind), **(added or {})}


class V2Service(Resource):
    rules = V2

    @property
    def path(self):
        return f"{SERVICES}/{self.name}"

    @staticmethod
    def map_of(body, kind):
        return body.get(kind, {})

    def wait(self, operation):
        self.operations = [operation]
        while not operation["done"]:
            operation = wait_until(
                lambda: next((o for o in [self.send("GET", f"/v2/{operation['name']}")]
                              if o["done"]), None), "operation done")
            self.operations.append(operation)
        assert operation["name"] and operation["metadata"]["@type"].endswith(".v2.Service")
        if "error" in operation:
            raise Failed(operation["error"])

    def body(self, config, planned):
        return {**planned, "labels": self.effective("labels", config, MARK),
                "annotations": self.effective("annotations", config)}

    def create(self, config):
        body = without_zeros(self.body(config, without_zeros(config)))
        operation = self.send("POST", f"{SERVICES}?serviceId={self.name}", body)
        self.tainted = True
        self.wait(operation)
        self.tainted = False

    def update(self, config):
        body = self.body(config, V2.planned(config, self.state))
        self.wait(self.send("PATCH", self.path, without_zeros(body)))

    def refresh(self):
        """Neither a number for an enum nor a number where text is expected."""
        state = super().refresh()
        if state is not None:
            assert isinstance(state["generation"], str) and state["generation"].isdigit()
            assert isinstance(state.get("ingress"), str), state
            assert all(isinstance(c.get("state"), str) for c in state["conditions"])
        return state

    def apply(self, config):
        writes = super().apply(config)
        assert not self.state.get("reconciling"), self.state
        assert self.state["observedGeneration"] == self.state["generation"], self.state
        assert self.state["terminalCondition"]["state"] == "CONDITION_SUCCEEDED", self.state
        return writes

    def delete(self):
        self.wait(self.send("DELETE", self.path))

    def at_once(self):
        """The last change was done in its first answer: no poll, which is 10 s of waiting."""
        return len(self.operations) == 1

    def revisions(self):
        return len(call("GET", f"{self.path}/revisions", homerun=self.homerun)["revisions"])


class Failed(Exception):
    """An operation, or a v1 service, that ended badly: the apply's error."""

    def __init__(self, error):
        self.error = error
        super().__init__(f"{error}")


# ---- google_cloud_run_service ----

KNATIVE = f"/apis/serving.knative.dev/v1/namespaces/{PROJECT}/services"
_SPEC, _CONTAINER = "spec.template.spec", "spec.template.spec.containers"
_META = "spec.template.metadata"
V1 = Rules(
    output={"apiVersion", "kind", "status", "metadata.name", "metadata.namespace", "metadata.uid",
            "metadata.generation", "metadata.resourceVersion", "metadata.selfLink",
            "metadata.creationTimestamp", "spec.traffic.url"},
    computed={
        "": {"metadata"},
        "spec": {"traffic", "template"},
        "spec.traffic": {"percent"},
        "spec.template": {"metadata"},
        _META: {"annotations", "labels", "name", "namespace"},
        _SPEC: {"containerConcurrency", "timeoutSeconds", "serviceAccountName", "containers"},
        _CONTAINER: {"name", "ports", "resources", "startupProbe"},
        f"{_CONTAINER}.ports": {"containerPort", "name"},
        f"{_CONTAINER}.resources": {"limits"},
        f"{_CONTAINER}.livenessProbe.httpGet": {"port"},
        f"{_CONTAINER}.livenessProbe.grpc": {"port"},
        f"{_CONTAINER}.startupProbe.httpGet": {"port"},
        f"{_CONTAINER}.startupProbe.tcpSocket": {"port"},
        f"{_CONTAINER}.startupProbe.grpc": {"port"},
        f"{_CONTAINER}.readinessProbe": {"timeoutSeconds", "periodSeconds", "failureThreshold",
                                         "successThreshold"},
        f"{_CONTAINER}.readinessProbe.httpGet": {"port", "path"},
        f"{_CONTAINER}.readinessProbe.grpc": {"port", "service"},
        f"{_SPEC}.volumes.secret": {"defaultMode"},
    },
    free_maps={"metadata.labels", "metadata.annotations"},
    sets={f"{_CONTAINER}.env"},
    suppressed={
        f"{_META}.annotations": {"autoscaling.knative.dev/maxScale"},
        f"{_META}.labels": {"run.googleapis.com/startupProbeType"},
        f"{_CONTAINER}.resources.limits": set(), f"{_CONTAINER}.resources.requests": set()})


class V1Service(Resource):
    rules = V1

    def __init__(self, name, homerun=None, region=REGION):
        super().__init__(name, homerun)
        self.region = region

    @property
    def path(self):
        return f"/{self.region}{KNATIVE}/{self.name}"

    @staticmethod
    def map_of(body, kind):
        return body.get("metadata", {}).get(kind, {})

    def metadata(self, config):
        """On create what is configured; later all of the state, the server's additions as well."""
        kept = {} if self.state is None else {
            name: self.state["metadata"][name] for name in (
                "namespace", "generation", "resourceVersion", "selfLink", "uid")}
        return {**kept, "name": self.name,
                "labels": self.effective("labels", config, MARK),
                "annotations": self.effective("annotations", config)}

    def put(self, method, path, config, spec):
        body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
                "metadata": self.metadata(config), "spec": spec}
        answer = self.send(method, path, without_zeros(body))
        generation = answer["metadata"]["generation"]
        assert type(generation) is int, answer
        self.tainted = self.state is None
        wait_until(lambda: self.is_ready(generation), f"{self.name} Ready")
        self.tainted = False

    def is_ready(self, generation):
        now = self.refresh()
        conditions = {c["type"]: c for c in now["status"].get("conditions", [])}
        ready = conditions.get("Ready", {})
        if ready.get("status") == "False":
            raise Failed(ready)
        return now["status"]["observedGeneration"] >= generation and ready.get("status") == "True"

    def refresh(self):
        state = super().refresh()
        if state is not None:
            assert type(state["metadata"]["generation"]) is int, state
            assert type(state["status"]["observedGeneration"]) is int, state
            assert state["spec"] and state["status"], state
        return state

    def create(self, config):
        self.put("POST", f"/{self.region}{KNATIVE}", config, config["spec"])

    def update(self, config):
        spec = V1.planned(config, self.state)["spec"]
        self.put("PUT", self.path, config, spec)

    def delete(self):
        self.send("DELETE", self.path)

    def imported(self):
        other = V1Service(self.name, self.homerun, self.region)
        other.refresh()
        assert other.state == self.state, (other.state, self.state)
        return other

    def revisions(self):
        place = f"/v2/projects/{PROJECT}/locations/{self.region}/services/{self.name}/revisions"
        return len(call("GET", place, homerun=self.homerun)["revisions"])


# ---- many at a time ----

def at_once(*deeds):
    """Runs DEEDS in threads of their own, as Terraform walks its graph; their results in order."""
    results, faults = [None] * len(deeds), []

    def run(number, deed):
        try:
            results[number] = deed()
        except BaseException as why:  # told to the caller below
            faults.append(why)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results


def leaves_nothing():
    """No service, in either form, in any region."""
    assert call("GET", f"/v2/projects/{PROJECT}/locations/-/services").get("services", []) == []
    assert call("GET", KNATIVE)["items"] == []
