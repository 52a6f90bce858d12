"""A real API server, with etcd and the controllers that make pods and slices, and a kubelet of our own whose pods are local
processes: the same face as kube_fake.FakeCluster. Homerun reaches it as a service account that has the rights of
packaging/kubernetes and no more.

It takes a network namespace of its own, with addresses 10.88.0.N on its loopback: slices take no others there are here
(tests/kubernetes/run.py makes it).
"""
import base64
import copy
import http.client
import http.server
import itertools
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from urllib.parse import quote, unquote

import kube_fake
from homerun import free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADMIN = "token-of-the-administrator"
CONTROLLERS = ("deployment-controller,replicaset-controller,endpointslice-controller,garbage-collector-controller,"
               "namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller,"
               "resourcequota-controller")
GROUPS = {"deployments": "/apis/apps/v1", "statefulsets": "/apis/apps/v1", "endpointslices": "/apis/discovery.k8s.io/v1",
          "networkpolicies": "/apis/networking.k8s.io/v1", "leases": "/apis/coordination.k8s.io/v1",
          "rolebindings": "/apis/rbac.authorization.k8s.io/v1", "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
          "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1", "roles": "/apis/rbac.authorization.k8s.io/v1",
          "replicasets": "/apis/apps/v1", "poddisruptionbudgets": "/apis/policy/v1", "serviceaccounts": "/api/v1",
          "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1"}


def path_of(plural, space=None, name=None):
    return GROUPS.get(plural, "/api/v1") + (f"/namespaces/{space}" if space else "") + f"/{plural}" + (f"/{name}" if name else "")


def webhook(cluster):
    """Serves the admission of CLUSTER; the port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *ignored):
            pass

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            resource = asked["resource"]["resource"] + (f"/{asked['subResource']}" if asked.get("subResource") else "")
            what = cluster.admission.get(resource)
            answer = {"uid": asked["uid"], "allowed": True}
            if resource == "configmaps":
                answer.update(allowed=False, status={"message": unquote(self.path)})
            elif what == "hang":
                time.sleep(3)
            elif isinstance(what, str):
                answer.update(allowed=False, status={"message": what})
            elif what is not None:
                value = copy.deepcopy(asked["object"])
                what(value)
                patch = [{"op": "replace", "path": f"/{name}", "value": part} for name, part in value.items()]
                answer.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(patch).encode()).decode())
            text = json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *ignored: None  # the API server has stopped waiting
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(cluster.folder, "tls.crt"), os.path.join(cluster.folder, "tls.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


INSTANCES = ("clusterroles", None, "homerun-instances")


class RealCluster:
    webhook_port = None
    admission = {}
    has_logs = False  # its kubelet serves none
    controllers = CONTROLLERS
    addresses = ("127.0.0.1",)
    host = "127.0.0.1"

    def __init__(self, programs):
        """PROGRAMS: the folder of kube-apiserver and kube-controller-manager."""
        self.bin = programs
        self.folder = tempfile.mkdtemp(prefix="kube-real-")
        self.programs, self.pull_errors, self.processes = {}, {}, {}
        self.numbers = itertools.count(1)
        self.closing = False
        self.children = []
        kube_fake.certificates(self.folder, self.addresses)
        subprocess.run(["openssl", "genrsa", "-out", "sa.key", "2048"], check=True, capture_output=True, cwd=self.folder)
        self.port, self.etcd_port, self.peer_port = free_port(), free_port(), free_port()
        self.write_files()
        self.child("etcd", "--data-dir", "etcd", "--listen-client-urls", f"http://127.0.0.1:{self.etcd_port}",
                   "--advertise-client-urls", f"http://127.0.0.1:{self.etcd_port}", "--listen-peer-urls",
                   f"http://127.0.0.1:{self.peer_port}", "--unsafe-no-fsync=true")
        self.server = None
        self.start()
        self.child(f"{self.bin}/kube-controller-manager", f"--kubeconfig={self.folder}/admin",
                   f"--controllers={self.controllers}", "--leader-elect=false", "--secure-port=0",
                   f"--service-account-private-key-file={self.folder}/sa.key", f"--root-ca-file={self.folder}/ca.crt",
                   "--concurrent-deployment-syncs=2")
        self.start_nodes()
        self.kubeconfig = self.make_account()

    def start_nodes(self):
        self.call("POST", path_of("nodes"), {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "node"}})
        threading.Thread(target=self.kubelet, daemon=True).start()

    def flags(self):
        """How the API server is reached."""
        return ["--bind-address=127.0.0.1", "--advertise-address=10.88.255.1"]

    def write_files(self):
        def put(name, text):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        put("tokens.csv", f"{ADMIN},admin,1,system:masters\n")
        put("audit.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\n"
            "rules:\n- level: Metadata\n  userGroups: ['system:serviceaccounts:homerun']\n- level: None\n")
        self.write_kubeconfig({"token": ADMIN}, name="admin")

    write_kubeconfig = kube_fake.FakeCluster.write_kubeconfig
    def child(self, *words):
        log = open(os.path.join(self.folder, os.path.basename(words[0]) + ".log"), "ab")
        process = subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.children.append(process)
        return process

    def start(self):
        self.server = self.child(
            f"{self.bin}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}", f"--secure-port={self.port}",
            *self.flags(), "--tls-cert-file=tls.crt",
            "--tls-private-key-file=tls.key", "--token-auth-file=tokens.csv", "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=sa.key",
            "--service-account-signing-key-file=sa.key", "--service-cluster-ip-range=10.96.0.0/16",
            "--audit-policy-file=audit.yaml", "--audit-log-path=audit.log", "--endpoint-reconciler-type=none",
            "--shutdown-delay-duration=0s")
        wait_until(self.is_ready, "the API server is ready", 90)

    def is_ready(self):
        try:
            return self.call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self):
        self.server.kill()
        self.server.wait()

    def forget(self):
        """A restarted server has forgotten by itself."""

    def close(self):
        self.closing = True
        for process in reversed(self.children):
            if process.poll() is None:
                process.kill()
                process.wait()
        for process in list(self.processes.values()):
            kube_fake.end(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, path, body=None, kind="application/json"):
        context = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.crt"))
        client = http.client.HTTPSConnection(self.host, self.port, context=context, timeout=20)
        try:
            client.request(method, path, None if body is None else json.dumps(body),
                           {"Authorization": f"Bearer {ADMIN}", "Content-Type": kind})
            answer = client.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text[:1] == b"{" else text
        finally:
            client.close()

    def make(self, plural, space, value):
        status, answer = self.call("POST", path_of(plural, space), value)
        assert status in (201, 409), answer
        return answer

    def would_make(self, value):
        """All that a server does with VALUE but keeping it; an unknown field is refused."""
        plurals = {"NetworkPolicy": "networkpolicies", "PodDisruptionBudget": "poddisruptionbudgets"}
        plural = plurals.get(value["kind"], value["kind"].lower() + "s")
        status, answer = self.call("POST", path_of(plural, value["metadata"].get("namespace"))
                                   + "?dryRun=All&fieldValidation=Strict", value)
        assert status in (201, 409), answer

    def make_account(self):
        """What `kubectl apply` of our manifests would make, as far as rights go."""
        rights = json.loads((ROOT / "packaging/kubernetes/chart/files/rights.json").read_text())
        for value in rights["items"]:
            plural = value["kind"].lower() + "s"
            self.make(plural, value["metadata"].get("namespace"), value)
        status, answer = self.call("POST", path_of("serviceaccounts", "homerun", "homerun") + "/token",
                                   {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                                    "spec": {"expirationSeconds": 7200}})
        assert status == 201, answer
        self.token = answer["status"]["token"]
        return self.write_kubeconfig({"token": self.token})

    # -- for tests --

    def objects(self, plural):
        return self.call("GET", path_of(plural))[1]["items"]

    @property
    def calls(self):
        path = os.path.join(self.folder, "audit.log")
        verbs = {"create": "POST", "patch": "PATCH", "update": "PUT", "delete": "DELETE"}
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            entries = [json.loads(line) for line in file if line.endswith("\n")]
        return [(verbs.get(entry["verb"], "GET"), entry["requestURI"]) for entry in entries]

    def calls_of(self, *methods):
        return [call for call in self.calls if call[0] in methods]

    def add_namespace(self, name, labels):
        self.make("namespaces", None, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}})

    def add_copy(self, deployment, name, number):
        meta = deployment["metadata"]
        labels = {**meta["labels"], "homerun.internal/revision-id": number,
                  "homerun.internal/service": name}
        value = {"kind": "Deployment", "apiVersion": "apps/v1",
                 "metadata": {"name": name, "namespace": meta["namespace"], "labels": labels},
                 "spec": {**deployment["spec"], "replicas": 0}}
        self.make("deployments", meta["namespace"], value)

    def remove(self, plural, space, name):
        """By hand."""
        status, answer = self.call("DELETE", path_of(plural, space, name))
        assert status in (200, 202, 404), answer

    def scale(self, space, name, replicas):
        """By hand."""
        status, answer = self.call("PATCH", path_of("deployments", space, name) + "/scale", {"spec": {"replicas": replicas}},
                                   "application/merge-patch+json")
        assert status == 200, answer

    def evict(self, name):
        pod, = [p for p in self.objects("pods") if p["metadata"]["name"] == name]
        assert self.call("DELETE", path_of("pods", pod["metadata"]["namespace"], name))[0] in (200, 202)

    def throw_out(self, name):
        """As a kubelet does whose node has no memory left: the pod stays, and says so."""
        pod, = [p for p in self.objects("pods") if p["metadata"]["name"] == name]
        self.processes[name].told = True
        kube_fake.end(self.processes[name])
        status, answer = self.call("PATCH", path_of("pods", pod["metadata"]["namespace"], name) + "/status",
                                   {"status": kube_fake.EVICTED}, "application/merge-patch+json")
        assert status == 200, answer

    def set_quota(self, pods):
        path = path_of("resourcequotas", "homerun-demo")
        if pods is None:
            self.call("DELETE", f"{path}/pods")
            return
        self.make("resourcequotas", "homerun-demo", {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "pods"},
                                                     "spec": {"hard": {"pods": str(pods)}}})
        wait_until(lambda: self.call("GET", f"{path}/pods")[1].get("status", {}).get("hard"), "the quota counts")

    def set_admission(self, rules):
        """As the fake's: a webhook of this process, at an https URL."""
        self.admission = rules
        configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        if self.webhook_port is None:
            self.webhook_port = webhook(self)
        if not rules:
            self.call("DELETE", f"{configurations}/policy")
            wait_until(lambda: self.probe() == "", "no webhook is in force")
            return
        number = f"probe {next(self.numbers)}"
        groups = {"deployments": "apps", "deployments/scale": "apps"}
        with open(os.path.join(self.folder, "ca.crt"), "rb") as file:
            ca = base64.b64encode(file.read()).decode()
        value = {"kind": "MutatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1",
                 "metadata": {"name": "policy"},
                 "webhooks": [{"name": "policy.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                               "failurePolicy": "Fail", "timeoutSeconds": 1,
                               "clientConfig": {"url": f"https://127.0.0.1:{self.webhook_port}/{quote(number)}", "caBundle": ca},
                               "rules": [{"apiGroups": [groups.get(resource, "")], "apiVersions": ["v1"], "resources": [resource],
                                          "operations": ["CREATE", "UPDATE"]} for resource in [*rules, "configmaps"]]}]}
        self.call("DELETE", f"{configurations}/policy")
        self.make("mutatingwebhookconfigurations", None, value)
        wait_until(lambda: number in self.probe(), "the webhook is in force")

    def probe(self):
        """What the webhook says to a change that is for it alone; "" without one."""
        return self.call("POST", path_of("configmaps", "default") + "?dryRun=All",
                         {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "probe"}})[1].get("message", "")

    def refuse(self, verb, resource, role=INSTANCES):
        found = self.call("GET", path_of(*role))[1]
        self.kept = role, copy.deepcopy(found["rules"]), verb, resource
        for rule in list(found["rules"]):
            if resource in rule["resources"]:
                rule["resources"] = [r for r in rule["resources"] if r != resource] or ["none"]
                found["rules"].append({**rule, "resources": [resource], "verbs": [v for v in rule["verbs"] if v != verb] or ["none"]})
        assert self.call("PUT", path_of(*role), found)[0] == 200
        wait_until(lambda: not self.may(verb, resource, role), "the right is missing")

    def allow_all(self):
        role, rules, verb, resource = self.kept
        found = self.call("GET", path_of(*role))[1]
        assert self.call("PUT", path_of(*role), {**found, "rules": rules})[0] == 200
        wait_until(lambda: self.may(verb, resource, role), "the right is there again")

    def may(self, verb, resource, role):
        """What ROLE gives to Homerun's account, where it is bound."""
        plural, _, sub = resource.partition("/")
        group = GROUPS.get(plural, "/api/v1").split("/")[2:-1]
        asked = {"verb": verb, "resource": plural, "subresource": sub, "group": "".join(group),
                 "name": {"clusterroles": "homerun-instances", "leases": "homerun-autoscaler"}.get(plural, ""),
                 "namespace": "homerun-demo" if role == INSTANCES else role[1] or ""}
        return self.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {"user": "system:serviceaccount:homerun:homerun", "resourceAttributes": asked}})[1]["status"]["allowed"]

    # -- the kubelet --

    def kubelet(self):
        while not self.closing:
            try:
                for pod in self.objects("pods"):
                    self.step(pod)
                time.sleep(0.03)
            except (OSError, ValueError, http.client.HTTPException, KeyError, TypeError):
                time.sleep(0.2)  # the server is away

    def step(self, pod):
        meta = pod["metadata"]
        path = path_of("pods", meta["namespace"], meta["name"])
        process = self.processes.get(meta["name"])
        if "deletionTimestamp" in meta:
            if process is not None and not hasattr(process, "ends"):
                process.ends = time.monotonic() + 0.3
            if process is None or time.monotonic() > process.ends:
                if process is not None:
                    kube_fake.end(process)
                self.call("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                                           "preconditions": {"uid": meta["uid"]}})
                self.processes.pop(meta["name"], None)
            return
        if not pod["spec"].get("nodeName"):
            self.call("POST", path + "/binding", {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": meta["name"]},
                                                  "target": {"kind": "Node", "name": "node"}})
            return
        if pod["status"].get("phase") == "Failed":
            return
        if process is None:
            self.run(pod, path)
        elif process.poll() is not None and not getattr(process, "told", False):
            process.told = True
            self.report(pod, path, process, False, {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                        {"terminated": {"exitCode": process.returncode if process.returncode >= 0 else 128 - process.returncode,
                                        "reason": "Error"}})
        elif process.poll() is None and not getattr(process, "ready", False) and kube_fake.listens(process.address, process.port):
            process.ready = True
            self.report(pod, path, process, True, {"running": {}})

    def run(self, pod, path):
        spec = pod["spec"]["containers"][0]
        image = spec["image"]
        if image in self.pull_errors or image not in self.programs:
            reason, message = self.pull_errors.get(image, ("ErrImagePull", f'failed to pull image "{image}": not found'))
            if not pod["status"].get("containerStatuses"):
                self.report(pod, path, None, False, {"waiting": {"reason": reason, "message": message}})
            return
        try:
            environment = {**os.environ, **self.environment(pod, spec)}
        except KeyError as missing:
            if not pod["status"].get("containerStatuses"):
                self.report(pod, path, None, False, {"waiting": {
                    "reason": "CreateContainerConfigError", "message": f'secret "{missing.args[0]}" not found'}})
            return
        port = str(spec["ports"][0]["containerPort"])
        number = next(self.numbers)
        address = f"10.88.{number // 250}.{number % 250 + 1}"
        log = os.path.join(self.folder, pod["metadata"]["name"] + ".log")
        words = [word.replace("{address}", address).replace("{port}", port) for word in self.programs[image]]
        with open(log, "wb") as file:
            process = subprocess.Popen(words + [kube_fake.unescaped(word) for word in spec.get("args", [])], env=environment,
                                       stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
        process.address, process.port, process.log = address, int(port), log
        self.processes[pod["metadata"]["name"]] = process
        self.report(pod, path, process, False, {"running": {}})

    def environment(self, pod, spec):
        out = {}
        for entry in spec.get("env", []):
            source = entry.get("valueFrom", {}).get("secretKeyRef")
            if source is None:
                out[entry["name"]] = kube_fake.unescaped(entry.get("value", ""))
            else:
                status, secret = self.call("GET", path_of("secrets", pod["metadata"]["namespace"], source["name"]))
                if status == 404:
                    raise KeyError(source["name"])
                out[entry["name"]] = base64.b64decode(secret["data"][source["key"]]).decode()
        return out

    def report(self, pod, path, process, ready, state, last=None):
        spec = pod["spec"]["containers"][0]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if "running" in state:
            state = {"running": {"startedAt": now}}
        words = "True" if ready else "False"
        status = {"phase": "Running" if process is not None else "Pending", "startTime": now,
                  "conditions": [{"type": kind, "status": value} for kind, value in (
                      ("PodScheduled", "True"), ("Initialized", "True"), ("ContainersReady", words), ("Ready", words))],
                  "containerStatuses": [{"name": spec["name"], "image": spec["image"], "restartCount": 0, "ready": ready,
                                         "imageID": f"{spec['image'].split('@')[0]}@sha256:{'ab' * 32}",
                                         "started": process is not None, "state": state, "lastState": last or {}}]}
        if process is not None:
            status.update(podIP=process.address, podIPs=[{"ip": process.address}], hostIP="10.88.255.1")
        self.call("PATCH", path + "/status", {"status": status}, "application/merge-patch+json")
