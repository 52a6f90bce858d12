"""An API server of Kubernetes, as far as Homerun speaks with one: what the real one was seen to answer, over TLS, with
its controllers and a kubelet whose pods are local processes. Standard library only.

    with FakeCluster() as cluster:
        Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}")

A pod runs the program that its image names in `cluster.programs`, at an address 127.1XX.0.N of its own, which stands
for the pod's: the real server refuses loopback addresses in slices.
"""
import base64
import contextlib
import copy
import functools
import http.server
import itertools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid

FIELDS = {  # of a pod and a container: what an apply may name
    "pod": {"automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds", "containers",
            "initContainers", "volumes", "securityContext", "nodeName", "hostUsers"},
    "container": {"name", "image", "env", "resources", "volumeMounts", "securityContext", "lifecycle", "command",
                  "args", "workingDir", "ports", "startupProbe", "livenessProbe", "readinessProbe", "restartPolicy",
                  "imagePullPolicy"},
}
KINDS = {  # plural: (group, kind, namespaced)
    "namespaces": ("", "Namespace", False), "pods": ("", "Pod", True), "services": ("", "Service", True),
    "secrets": ("", "Secret", True), "events": ("", "Event", True),
    "deployments": ("apps", "Deployment", True), "endpointslices": ("discovery.k8s.io", "EndpointSlice", True),
    "networkpolicies": ("networking.k8s.io", "NetworkPolicy", True), "leases": ("coordination.k8s.io", "Lease", True),
    "rolebindings": ("rbac.authorization.k8s.io", "RoleBinding", True),
}
PATH = re.compile(r"^/(?:api/v1|apis/(?P<group>[^/]+)/v1)(?:/namespaces/(?P<space>[^/]+)(?=/))?/(?P<plural>[a-z]+)"
                  r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?$")
TOKEN = "a-token-of-the-test"
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
           "conditions": [{"type": "Ready", "status": "False"}]}
# Of a service account, so that rights are bound to it.
ACCOUNT_TOKEN = "e30." + base64.urlsafe_b64encode(
    b'{"sub":"system:serviceaccount:homerun:homerun"}').decode().rstrip("=") + ".x"


class Refusal(Exception):
    def __init__(self, code, reason, message, causes=None):
        super().__init__(message)
        self.code, self.reason, self.message, self.causes = code, reason, message, causes

    def status(self):
        out = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
               "code": self.code}
        if self.reason:
            out["reason"] = self.reason
        if self.causes:
            out["details"] = {"causes": self.causes}
        return out


def certificates(folder, addresses=("127.0.0.1",)):
    """A CA, and a certificate for ADDRESSES; by openssl, which every machine here has."""
    def run(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
        "ca.crt", "-days", "2", "-subj", "/CN=cluster-ca")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tls.key", "-out",
        "tls.csr", "-subj", "/CN=apiserver")
    with open(os.path.join(folder, "ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=" + ",".join(f"IP:{address}" for address in addresses))
    run("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "tls.crt",
        "-days", "2", "-extfile", "ext")


@functools.cache
def own_network():
    """The first half of the addresses of this process's pods: no other process that runs has the same."""
    for i in range(100):
        number = 100 + (os.getpid() + i) % 100
        with contextlib.suppress(OSError):
            own_network.mark = socket.socket(socket.AF_UNIX)
            own_network.mark.bind(f"\0kube-fake-{number}")
            return f"127.{number}"
    raise AssertionError("a hundred tests with clusters run already")


class Store:
    """All objects, and all that has ever happened to them since `oldest`."""

    def __init__(self):
        self.lock = threading.Condition(threading.RLock())
        self.version = 100
        self.oldest = 0
        self.objects = {}  # (plural, namespace, name)
        self.history = []  # (version, type, plural, namespace, object)

    def note(self, kind, plural, space, value):
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        self.history.append((self.version, kind, plural, space, copy.deepcopy(value)))
        self.lock.notify_all()

    def put(self, plural, space, value):
        name = value["metadata"]["name"]
        known = (plural, space, name) in self.objects
        self.objects[plural, space, name] = value
        self.note("MODIFIED" if known else "ADDED", plural, space, value)

    def remove(self, plural, space, name):
        value = self.objects.pop((plural, space, name), None)
        if value is not None:
            self.note("DELETED", plural, space, value)
            uid = value["metadata"]["uid"]
            # Pods take their time to end: see deployments().
            owned = [key for key, other in self.objects.items()
                     if key[0] != "pods" and any(o["uid"] == uid for o in other["metadata"].get("ownerReferences", []))]
            for key in owned:
                self.remove(*key)
        return value

    def list(self, plural, space, selector=""):
        return [value for (p, s, _), value in sorted(self.objects.items())
                if p == plural and (space is None or s == space) and selected(value, selector)]


def selected(value, selector):
    labels = value["metadata"].get("labels", {})
    return all(labels.get(part.partition("=")[0]) == part.partition("=")[2] for part in selector.split(",") if part)


def born(value, space):
    meta = value.setdefault("metadata", {})
    meta.setdefault("labels", {})
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    meta["generation"] = 1
    if space:
        meta["namespace"] = space
    return value


def unknown_field(value):
    """The first field of a Deployment's pods that there is not, as a path; None."""
    spec = value.get("spec", {}).get("template", {}).get("spec", {})
    for name in spec:
        if name not in FIELDS["pod"]:
            return f".spec.template.spec.{name}"
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind, []):
            for name in container:
                if name not in FIELDS["container"]:
                    return f".spec.template.spec.{kind}[name=\"{container.get('name')}\"].{name}"
    return None


class FakeCluster:
    has_logs = True
    host = "127.0.0.1"
    numbers = itertools.count(1)  # of pods, in all clusters of a test: their addresses are of one machine
    minor = "34"

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kube-fake-")
        self.network = own_network()
        certificates(self.folder, (self.host,))
        self.store = Store()
        self.calls = []       # (method, path with its query) of each request that was answered
        self.programs = {}    # image: argv, "{address}" and "{port}" filled in
        self.refused = set()  # (verb, resource): rights that are missing
        self.token = TOKEN
        self.late = self.late_left = 0  # so many refusals, before a new RoleBinding counts
        self.quota = None     # pods in all
        self.addresses = {}   # image: where its pods are, if not at an address of their own
        self.pull_errors = {}  # image: (reason, message)
        self.admission = {}   # see set_admission()
        self.processes = {}
        self.closing = False
        self.server = None
        self.port = 0
        self.bookmark_s = 5
        self.page_most = 0    # a list of more objects at a time is cut in its midst; 0: none is
        self.add_namespace("homerun", {})
        self.start()
        threading.Thread(target=self.control, daemon=True).start()
        self.kubeconfig = self.write_kubeconfig()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    def close(self):
        self.closing = True
        self.stop()
        for process in list(self.processes.values()):
            end(process)

    def write_kubeconfig(self, user=None, cluster=None, name="kubeconfig"):
        path = os.path.join(self.folder, name)
        with open(os.path.join(self.folder, "ca.crt"), "rb") as file:
            ca = base64.b64encode(file.read()).decode()
        whole = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "fake", "user": "homerun", "namespace": "homerun"}}],
            "clusters": [{"name": "fake", "cluster": {"server": f"https://{self.host}:{self.port}",
                                                      "certificate-authority-data": ca, **(cluster or {})}}],
            "users": [{"name": "homerun", "user": user if user is not None else {"token": TOKEN}}],
        }
        with open(path, "w", encoding="utf-8") as file:
            json.dump(whole, file)
        return path

    # -- the server comes and goes, its record stays --

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(self.folder, "tls.crt"), os.path.join(self.folder, "tls.key"))
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *ignored):
                pass

            def handle(self):
                try:
                    super().handle()
                except (OSError, ssl.SSLError):
                    pass

            def serve(self):
                cluster.serve(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def finish_request(self, request, address):  # in the thread of the connection
                try:
                    super().finish_request(context.wrap_socket(request, server_side=True), address)
                except (OSError, ssl.SSLError):
                    pass

            def handle_error(self, *ignored):
                pass

        self.up = object()
        self.server = Server((self.host, self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Watches end, and nobody listens."""
        if self.server is not None:
            self.up = None
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            with self.store.lock:
                self.store.lock.notify_all()

    def forget(self):
        """As a restarted server does: who comes with an old number hears 410."""
        with self.store.lock:
            self.store.version += 1
            self.store.oldest = self.store.version
            self.store.history.clear()
            self.store.lock.notify_all()

    # -- requests --

    def serve(self, handler):
        up = self.up
        parts = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length) if length else b""
        with self.store.lock:
            self.calls.append((handler.command, handler.path))
        try:
            self.judge(handler)
            if parts.path.endswith("/log"):
                self.follow(handler, parts.path, query)
                return
            if query.get("watch") == "1":
                self.watch(handler, parts.path, query, up)
                return
            code, answer, warning = self.answer(handler, parts.path, query, body)
        except Refusal as refusal:
            code, answer, warning = refusal.code, refusal.status(), None
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        if warning:
            handler.send_header("Warning", f'299 - "{warning}"')
        if up is not self.up:
            handler.send_header("Connection", "close")
            handler.close_connection = True
        handler.end_headers()
        handler.wfile.write(text)

    def judge(self, handler):
        given = handler.headers.get("Authorization", "")
        if given and given not in (f"Bearer {TOKEN}", f"Bearer {ACCOUNT_TOKEN}"):
            raise Refusal(401, "Unauthorized", "Unauthorized")

    def may(self, verb, plural, sub, space, name=""):
        resource = plural + (f"/{sub}" if sub else "")
        late = self.late_left > 0 and bool(space) and plural != "rolebindings"
        self.late_left -= late
        if late or (verb, resource) in self.refused:
            group = KINDS.get(plural, ("", "", True))[0]
            what = qualified(plural) + (f' "{name}"' if name else "")
            raise Refusal(403, "Forbidden", f'{what} is forbidden: User '
                          f'"system:serviceaccount:homerun:homerun" cannot {verb} resource "{resource}" in API group '
                          f'"{group}"' + (f' in the namespace "{space}"' if space else " at the cluster scope"))

    def parse(self, path):
        found = PATH.match(path)
        if not found or found["plural"] not in KINDS:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        return found["plural"], found["space"], found["name"], found["sub"]

    def answer(self, handler, path, query, body):
        method = handler.command
        if path == "/version":
            return 200, {"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.3"}, None
        if path.endswith("/selfsubjectaccessreviews"):
            return self.review(json.loads(body))
        plural, space, name, sub = self.parse(path)
        verb = {"GET": "get" if name else "list", "POST": "create", "PATCH": "patch", "PUT": "update",
                "DELETE": "delete"}[method]
        with self.store.lock:
            self.may(verb, plural, sub, space, name or "")
            if method == "GET":
                return self.get(plural, space, name, sub, query)
            value = json.loads(body) if body else {}
            if method == "DELETE":
                return self.delete(plural, space, name)
            self.space_lives(plural, space)
            self.admit(plural + (f"/{sub}" if sub else ""), value)
            if method == "POST":
                return self.create(plural, space, value)
            if method == "PUT":
                return self.replace(plural, space, name, value)
            kind = handler.headers.get("Content-Type", "")
            if sub == "scale" or kind == "application/merge-patch+json":
                return self.merge(plural, space, name, sub, value, query)
            if kind != "application/apply-patch+yaml":
                raise Refusal(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind}")
            made = self.apply(plural, space, name, value, query)
            if plural == "rolebindings" and made[0] == 201:
                self.late_left = self.late
            return made

    def review(self, value):
        asked = value["spec"]["resourceAttributes"]
        resource = asked["resource"] + (f"/{asked['subresource']}" if asked.get("subresource") else "")
        allowed = (asked["verb"], resource) not in self.refused
        return 201, {**value, "status": {"allowed": allowed, "reason": "" if allowed else "no RBAC policy matched"}}, None

    def not_found(self, plural, name):
        return Refusal(404, "NotFound", f'{qualified(plural)} "{name}" not found')

    def modified(self, plural, name):
        return Refusal(409, "Conflict", f'Operation cannot be fulfilled on {qualified(plural)} "{name}": the object has '
                       "been modified; please apply your changes to the latest version and try again")

    def space_lives(self, plural, space):
        if plural == "namespaces" or space is None:
            return
        found = self.store.objects.get(("namespaces", None, space))
        if found is None:
            raise Refusal(404, "NotFound", f'namespaces "{space}" not found')
        if found.get("status", {}).get("phase") == "Terminating":
            raise Refusal(403, "Forbidden", f"unable to create new content in namespace {space} because it is being "
                          "terminated", [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}])

    def delete(self, plural, space, name):
        """A namespace goes when it is empty, and until then nothing new comes into it."""
        found = self.store.objects.get((plural, space, name))
        if found is None:
            raise self.not_found(plural, name)
        if plural != "namespaces":
            self.store.remove(plural, space, name)
            return 200, {"kind": "Status", "status": "Success"}, None
        after = copy.deepcopy(found)
        after["status"]["phase"] = "Terminating"
        self.store.put(plural, None, after)
        for key in [key for key in self.store.objects if key[1] == name and key[0] not in ("pods", "endpointslices")]:
            self.store.remove(*key)
        return 200, after, None

    def admit(self, resource, value):
        """What an admission webhook does with a change."""
        what = self.admission.get(resource)
        if what is None:
            return
        if what == "hang":
            raise Refusal(500, "InternalError", 'Internal error occurred: failed calling webhook "policy.example.com": failed to '
                          'call webhook: Post "https://127.0.0.1:1/?timeout=1s": context deadline exceeded')
        if isinstance(what, str):
            raise Refusal(400, "", f'admission webhook "policy.example.com" denied the request: {what}')
        what(value)

    def get(self, plural, space, name, sub, query):
        if name is None:
            items = self.store.list(plural, space, query.get("labelSelector", ""))
            start, limit = int(query.get("continue") or 0), int(query.get("limit") or 0)
            if 0 < self.page_most < limit:
                return 200, b'{"kind":"List","items":[{', None
            meta = {"resourceVersion": str(self.store.version)}
            if limit and len(items) > start + limit:
                meta["continue"] = str(start + limit)
            return 200, {"kind": "List", "metadata": meta, "items": items[start:start + limit] if limit else items}, None
        value = self.store.objects.get((plural, space, name))
        if value is None:
            raise self.not_found(plural, name)
        return 200, value, None

    def create(self, plural, space, value):
        name = value["metadata"].get("name", "")
        if (plural, space, name) in self.store.objects:
            raise Refusal(409, "AlreadyExists", f'{qualified(plural)} "{name}" already exists')
        if plural == "leases":
            for field in ("renewTime", "acquireTime"):
                text = value.get("spec", {}).get(field)
                if text and not re.search(r"\.\d{6}Z$", text):
                    raise Refusal(400, "BadRequest", f'Lease in version "v1" cannot be handled as a Lease: parsing time '
                                  f'"{text}" as "2006-01-02T15:04:05.000000Z07:00"')
        if plural == "namespaces":
            value.setdefault("metadata", {}).setdefault("labels", {})["kubernetes.io/metadata.name"] = name
            value["status"] = {"phase": "Active"}
        self.store.put(plural, space, born(value, space))
        return 201, value, None

    def replace(self, plural, space, name, value):
        found = self.store.objects.get((plural, space, name))
        if found is None:
            raise self.not_found(plural, name)
        version = value["metadata"].get("resourceVersion")
        if not version:
            raise Refusal(422, "Invalid", f'{plural} "{name}" is invalid: metadata.resourceVersion: Invalid value: 0: '
                          "must be specified for an update")
        if version != found["metadata"]["resourceVersion"]:
            raise self.modified(plural, name)
        value["metadata"] = {**found["metadata"], **value["metadata"]}
        self.store.put(plural, space, value)
        return 200, value, None

    def apply(self, plural, space, name, value, query):
        manager = query.get("fieldManager")
        if not manager:
            raise Refusal(422, "Invalid", "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is "
                          "required for apply patch")
        wrong = unknown_field(value) if plural == "deployments" else None
        if wrong:
            raise Refusal(500, "", f"failed to create typed patch object ({space}/{name}; apps/v1, Kind=Deployment): "
                          f"{wrong}: field not declared in schema")
        found = self.store.objects.get((plural, space, name))
        warning = self.restricted(space, value) if plural == "deployments" else None
        if found is None:
            value = born(copy.deepcopy(value), space)
            self.owners_of(value)[manager] = sorted(leaves(value.get("spec", {})))
            if plural == "deployments":
                value["spec"].setdefault("replicas", 1)
                value["status"] = {}
            self.store.put(plural, space, value)
            return 201, value, warning
        return 200, self.merge_applied(plural, space, found, value, manager, query), warning

    @staticmethod
    def owners_of(value):
        return value["metadata"].setdefault("x-owners", {})

    def merge_applied(self, plural, space, found, value, manager, query):
        """Who leaves out what it alone owned has it removed; a Deployment without replicas has one."""
        after = copy.deepcopy(found)
        named = value.get("spec", {})
        if plural == "deployments":
            others = [m for m, fields in self.owners_of(after).items() if m != manager and "replicas" in fields]
            if "replicas" in named and others and named["replicas"] != after["spec"]["replicas"]:
                if query.get("force") != "true":
                    raise Refusal(409, "Conflict", f'Apply failed with 1 conflict: conflict with "{others[0]}": '
                                  ".spec.replicas", [{"reason": "FieldManagerConflict", "field": ".spec.replicas"}])
                for other in others:
                    self.owners_of(after)[other].remove("replicas")
            replicas = named.get("replicas", after["spec"]["replicas"] if others else 1)
            after["spec"] = {**copy.deepcopy(named), "replicas": replicas}
        elif "spec" in value:
            after["spec"] = copy.deepcopy(named)
        for part in ("data", "roleRef", "subjects"):
            if part in value:
                after[part] = value[part]
        after["metadata"]["labels"] = {**after["metadata"]["labels"], **value["metadata"].get("labels", {})}
        self.owners_of(after)[manager] = sorted(leaves(named))
        if after != found:
            if after.get("spec") != found.get("spec"):
                after["metadata"]["generation"] += 1
            self.store.put(plural, space, after)
        return after

    def merge(self, plural, space, name, sub, value, query):
        found = self.store.objects.get((plural, space, name))
        if found is None:
            raise self.not_found(plural, name)
        version = value.get("metadata", {}).get("resourceVersion")
        if version and version != found["metadata"]["resourceVersion"]:
            raise self.modified(plural, name)
        if sub == "scale":
            replicas = value["spec"]["replicas"]
            if found["spec"]["replicas"] != replicas:
                after = copy.deepcopy(found)
                after["spec"]["replicas"] = replicas
                after["metadata"]["generation"] += 1
                for fields in self.owners_of(after).values():
                    if "replicas" in fields:
                        fields.remove("replicas")
                self.owners_of(after).setdefault(query.get("fieldManager", "unknown"), []).append("replicas")
                self.store.put(plural, space, after)
                found = after
            return 200, {"kind": "Scale", "apiVersion": "autoscaling/v1",
                         "metadata": {k: found["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion")},
                         "spec": {"replicas": replicas}, "status": {"replicas": 0}}, None
        after = copy.deepcopy(found)
        merge_into(after, value)
        self.store.put(plural, space, after)
        return 200, after, None

    def restricted(self, space, value):
        """What Pod Security would say; None if all is well."""
        level = self.store.objects.get(("namespaces", None, space), {"metadata": {}})["metadata"].get("labels", {})
        if level.get("pod-security.kubernetes.io/enforce") != "restricted":
            return None
        spec = value["spec"]["template"]["spec"]
        pod = spec.get("securityContext", {})
        faults = []
        for container in spec.get("containers", []) + spec.get("initContainers", []):
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False:
                faults.append(f'allowPrivilegeEscalation != false (container "{container["name"]}")')
            if own.get("capabilities", {}).get("drop") != ["ALL"]:
                faults.append(f'unrestricted capabilities (container "{container["name"]}")')
        if pod.get("runAsNonRoot") is not True:
            faults.append("runAsNonRoot != true")
        if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            faults.append("seccompProfile")
        return f'would violate PodSecurity "restricted:latest": {", ".join(faults)}' if faults else None

    # -- watching --

    def watch(self, handler, path, query, up):
        plural, space, _, _ = self.parse(path)
        self.may("watch", plural, None, space)
        selector, at = query.get("labelSelector", ""), int(query.get("resourceVersion") or 0)
        until = time.monotonic() + int(query.get("timeoutSeconds") or 300)
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()

        def write(value):
            line = json.dumps(value).encode() + b"\n"
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            handler.wfile.flush()

        bookmark = time.monotonic() + self.bookmark_s
        while self.up is up and up is not None and time.monotonic() < until:
            with self.store.lock:
                if at < self.store.oldest:
                    write({"type": "ERROR", "object": {
                        "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
                        "message": f"too old resource version: {at} ({self.store.oldest})"}})
                    break
                found = [entry for entry in self.store.history if entry[0] > at and entry[2] == plural
                         and entry[3] == space and selected(entry[4], selector)]
                last = self.store.version
                if not found:
                    self.store.lock.wait(0.5)
            for version, kind, _, _, value in found:
                write({"type": kind, "object": value})
                at = version
            if time.monotonic() > bookmark:
                bookmark = time.monotonic() + self.bookmark_s
                if not found:
                    at = max(at, last) if at >= self.store.oldest else at
                write({"type": "BOOKMARK", "object": {"kind": KINDS[plural][1], "metadata": {"resourceVersion": str(at)}}})
        handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = self.up is not up

    def follow(self, handler, path, query):
        """The log of a pod, until its process has ended."""
        plural, space, name, _ = self.parse(path)
        self.may("get", plural, "log", space, name)
        process = self.processes.get(name)
        if process is None:
            raise Refusal(400, "BadRequest", f'container "{query.get("container")}" in pod "{name}" is waiting to start')
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        number = 0
        with open(process.log, encoding="utf-8", errors="replace") as file:
            while not self.closing:
                ended = process.poll() is not None
                for line in file.readlines():
                    number += 1
                    text = f"2026-01-01T00:00:00.{number * 1000:09d}Z {line}".encode()
                    handler.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                handler.wfile.flush()
                if ended:
                    break
                time.sleep(0.05)
        handler.wfile.write(b"0\r\n\r\n")

    # -- controllers and kubelet --

    def control(self):
        while not self.closing:
            with self.store.lock:
                try:
                    self.deployments()
                    self.slices()
                except Exception as why:  # it has to go on, and the test has to see it
                    print(f"kube_fake: {why!r}", flush=True)
                self.store.lock.wait(0.03)

    def pods_of(self, deployment):
        meta = deployment["metadata"]
        return [pod for pod in self.store.list("pods", meta["namespace"])
                if pod["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]]

    def deployments(self):
        for deployment in self.store.list("deployments", None):
            alive = [pod for pod in self.pods_of(deployment)
                     if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") != "Failed"]
            wanted = deployment["spec"]["replicas"]
            for _ in range(wanted - len(alive)):
                if not self.make_pod(deployment):
                    break
            # The newest go first.
            for pod in sorted(alive, key=lambda p: -p["x-number"])[:max(0, len(alive) - wanted)]:
                self.end_pod(pod)
        owners = {d["metadata"]["uid"] for d in self.store.list("deployments", None)}
        for pod in self.store.list("pods", None):
            if pod["metadata"]["ownerReferences"][0]["uid"] not in owners and "deletionTimestamp" not in pod["metadata"]:
                self.end_pod(pod)
            else:
                self.step_pod(pod)
        for space in self.store.list("namespaces", None):
            if space["status"]["phase"] == "Terminating":
                name = space["metadata"]["name"]
                if not self.store.list("pods", name):
                    self.store.remove("namespaces", None, name)

    def fail(self, deployment, message):
        conditions = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]
        if deployment["status"].get("conditions") != conditions:
            after = copy.deepcopy(deployment)
            after["status"]["conditions"] = conditions
            self.store.put("deployments", deployment["metadata"]["namespace"], after)
        return False

    def make_pod(self, deployment):
        space, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
        wrong = self.restricted(space, deployment)
        if wrong:
            return self.fail(deployment, f'pods "{name}-x" is forbidden: {wrong.replace("would violate", "violates")}')
        try:
            self.admit("pods", {})
        except Refusal as refusal:
            return self.fail(deployment, refusal.message)
        if self.quota is not None and len(self.store.list("pods", space)) >= self.quota:
            return self.fail(deployment, f'pods "{name}-x" is forbidden: exceeded quota: pods, requested: pods=1, used: '
                             f"pods={self.quota}, limited: pods={self.quota}")
        if deployment["status"].get("conditions"):
            after = copy.deepcopy(deployment)
            after["status"].pop("conditions")
            self.store.put("deployments", space, after)
        number = next(self.numbers)
        template = deployment["spec"]["template"]
        pod = born({"apiVersion": "v1", "kind": "Pod", "x-number": number,
                    "metadata": {"name": f"{name}-7d9c5bf6b4-{number:05d}", "labels": dict(template["metadata"]["labels"]),
                                 "ownerReferences": [{"kind": "ReplicaSet", "uid": deployment["metadata"]["uid"],
                                                      "name": name}]},
                    "spec": copy.deepcopy(template["spec"]), "status": {"phase": "Pending"}}, space)
        self.store.put("pods", space, pod)
        return True

    def end_pod(self, pod):
        after = copy.deepcopy(pod)
        after["metadata"]["deletionTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        after["x-ends"] = time.monotonic() + self.grace_s(pod)
        self.store.put("pods", pod["metadata"]["namespace"], after)

    grace = 0.3  # seconds that stand for the preStop sleep

    def grace_s(self, pod):
        return self.grace

    def step_pod(self, pod):
        name, space = pod["metadata"]["name"], pod["metadata"]["namespace"]
        process = self.processes.get(name)
        if "deletionTimestamp" in pod["metadata"]:
            if time.monotonic() > pod["x-ends"]:
                if process is not None:
                    end(process)
                    self.processes.pop(name)
                self.store.remove("pods", space, name)
            return
        if pod["status"].get("phase") == "Failed":
            return
        if process is None:
            self.run_pod(pod)
            return
        ended = process.poll()
        after = copy.deepcopy(pod)
        if ended is not None and pod["status"]["containerStatuses"][0]["ready"] is not None:
            self.set_status(after, ready=None, state={"waiting": {
                "reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}},
                last={"terminated": {"exitCode": ended if ended >= 0 else 128 - ended, "reason": "Error"}})
            self.store.put("pods", space, after)
        elif ended is None and not pod["status"]["containerStatuses"][0]["ready"] and listens(process.address, process.port):
            self.set_status(after, ready=True, state={"running": {}})
            self.store.put("pods", space, after)

    def set_status(self, pod, ready, state, last=None):
        image = pod["spec"]["containers"][0]["image"]
        status = {"name": pod["spec"]["containers"][0]["name"], "image": image, "ready": ready, "restartCount": 0,
                  "imageID": f"{image.split('@')[0]}@sha256:{'ab' * 32}", "state": state}
        if last:
            status["lastState"] = last
        pod["status"]["containerStatuses"] = [status]
        pod["status"]["phase"] = "Running"

    def run_pod(self, pod):
        spec = pod["spec"]["containers"][0]
        after = copy.deepcopy(pod)
        image = spec["image"]
        if image in self.pull_errors or image not in self.programs:
            reason, message = self.pull_errors.get(image, ("ErrImagePull", f"failed to pull image \"{image}\": not found"))
            if not pod["status"].get("containerStatuses"):
                self.set_status(after, ready=False, state={"waiting": {"reason": reason, "message": message}})
                after["status"]["phase"] = "Pending"
                self.store.put("pods", pod["metadata"]["namespace"], after)
            return
        missing = self.missing_secret(pod, spec)
        if missing:
            if not pod["status"].get("containerStatuses"):
                self.set_status(after, ready=False, state={"waiting": {
                    "reason": "CreateContainerConfigError", "message": f'secret "{missing}" not found'}})
                after["status"]["phase"] = "Pending"
                self.store.put("pods", pod["metadata"]["namespace"], after)
            return
        port = str(spec["ports"][0]["containerPort"])
        address = self.addresses.get(image) or self.address(pod["x-number"])
        environment = {**os.environ, **self.environment(pod, spec)}
        log = os.path.join(self.folder, pod["metadata"]["name"] + ".log")
        words = [word.replace("{address}", address).replace("{port}", port) for word in self.programs[image]]
        with open(log, "wb") as file:
            process = subprocess.Popen(words + [unescaped(word) for word in spec.get("args", [])], env=environment,
                                       stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
        process.address, process.port, process.log = address, int(port), log
        self.processes[pod["metadata"]["name"]] = process
        after["status"]["podIP"] = address
        self.set_status(after, ready=False, state={"running": {}})
        self.store.put("pods", pod["metadata"]["namespace"], after)

    def address(self, number):
        return f"{self.network}.{number // 250}.{number % 250 + 1}"

    def missing_secret(self, pod, spec):
        for entry in spec.get("env", []):
            source = entry.get("valueFrom", {}).get("secretKeyRef")
            if source and ("secrets", pod["metadata"]["namespace"], source["name"]) not in self.store.objects:
                return source["name"]
        return None

    def environment(self, pod, spec):
        out = {}
        for entry in spec.get("env", []):
            source = entry.get("valueFrom", {}).get("secretKeyRef")
            if source is None:
                out[entry["name"]] = unescaped(entry["value"])
            else:
                secret = self.store.objects[("secrets", pod["metadata"]["namespace"], source["name"])]
                out[entry["name"]] = base64.b64decode(secret["data"][source["key"]]).decode()
        return out

    def slices(self):
        for service in self.store.list("services", None):
            meta = service["metadata"]
            endpoints = []
            for pod in self.store.list("pods", meta["namespace"]):
                if not all(pod["metadata"]["labels"].get(k) == v for k, v in service["spec"]["selector"].items()):
                    continue
                if not pod["status"].get("podIP") or pod["status"].get("phase") == "Failed":
                    continue
                ending = "deletionTimestamp" in pod["metadata"]
                ready = bool(pod["status"]["containerStatuses"][0]["ready"])
                endpoints.append({"addresses": [pod["status"]["podIP"]],
                                  "conditions": {"ready": ready and not ending, "serving": ready, "terminating": ending},
                                  "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"],
                                                "uid": pod["metadata"]["uid"]}})
            name = meta["name"] + "-slice"
            found = self.store.objects.get(("endpointslices", meta["namespace"], name))
            if found is None or found["endpoints"] != endpoints:
                value = born({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                              "addressType": "IPv6" if any(":" in e["addresses"][0] for e in endpoints) else "IPv4",
                              "metadata": {"name": name, "ownerReferences": [{"uid": meta["uid"]}],
                                           "labels": {**meta["labels"], "kubernetes.io/service-name": meta["name"]}},
                              "endpoints": endpoints,
                              "ports": [{"name": "http", "port": service["spec"]["ports"][0]["targetPort"]}]},
                             meta["namespace"])
                self.store.put("endpointslices", meta["namespace"], value)

    # -- for tests --

    def objects(self, plural):
        with self.store.lock:
            return copy.deepcopy(self.store.list(plural, None))

    def add_namespace(self, name, labels):
        with self.store.lock:
            self.create("namespaces", None, {"metadata": {"name": name, "labels": labels}})

    def add_copy(self, deployment, name, number):
        """Another Deployment, of a revision with another NUMBER, without replicas."""
        with self.store.lock:
            value = copy.deepcopy(deployment)
            value["metadata"]["name"] = name
            value["metadata"]["labels"].update({"homerun.internal/revision-id": number, "homerun.internal/service": name})
            value["spec"]["replicas"] = 0
            self.create("deployments", value["metadata"]["namespace"], value)

    def evict(self, name):
        with self.store.lock:
            pod, = [p for p in self.store.list("pods", None) if p["metadata"]["name"] == name]
            self.end_pod(pod)

    def throw_out(self, name):
        """As a kubelet does whose node has no memory left: the pod stays, and says so."""
        with self.store.lock:
            pod, = [p for p in self.store.list("pods", None) if p["metadata"]["name"] == name]
            end(self.processes[name])
            after = copy.deepcopy(pod)
            after["status"].update(EVICTED)
            self.store.put("pods", pod["metadata"]["namespace"], after)

    def set_quota(self, pods):
        self.quota = pods

    def set_admission(self, rules):
        """{resource: what a webhook does with its changes}: refuses them in these words, is silent ("hang"), or is a
        function that changes the object."""
        with self.store.lock:
            self.admission = rules

    def remove(self, plural, space, name):
        """By hand."""
        with self.store.lock:
            if (plural, space, name) in self.store.objects:
                self.delete(plural, space, name)

    def scale(self, space, name, replicas):
        """By hand."""
        with self.store.lock:
            self.merge("deployments", space, name, "scale", {"spec": {"replicas": replicas}}, {"fieldManager": "kubectl"})

    def refuse(self, verb, resource):
        self.refused.add((verb, resource))

    def allow_all(self):
        self.refused.clear()

    def calls_of(self, *methods):
        with self.store.lock:
            return [call for call in self.calls if call[0] in methods]


def qualified(plural):
    group = KINDS[plural][0]
    return f"{plural}.{group}" if group else plural


def leaves(value):
    return [name for name in value]


def merge_into(value, patch):
    for name, part in patch.items():
        if part is None:
            value.pop(name, None)
        elif isinstance(part, dict) and isinstance(value.get(name), dict):
            merge_into(value[name], part)
        else:
            value[name] = part


def unescaped(text):
    """$$ is a dollar, as a cluster expands it; no test refers to a variable."""
    return text.replace("$$", "$")


def listens(address, port):
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
