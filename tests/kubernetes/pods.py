#!/usr/bin/env python3
"""Real pods: a kubelet and containerd beside the real API server, and Homerun itself in a pod of its manifests.

    tests/kubernetes/run.py FOLDER --pods [WORD…]      FOLDER: of kube-apiserver, kube-controller-manager and kubelet (build.sh)

It takes root, since a kubelet does, and a network namespace of its own (run.py). All that it starts ends with it.
"""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

import image  # noqa: E402
import kube_fake  # noqa: E402
import kube_real  # noqa: E402
from homerun import BINARY, Homerun, Skip, fetch, finally_do, main, test, wait_until  # noqa: E402

ADDRESS = "10.88.255.1"  # of this machine in the namespace
GROUPS = pathlib.Path("/sys/fs/cgroup")
SERVICES = "10.96.0.1"  # where pods find the API server
BRIDGE = "10.77.0"  # the pods' network
APP, PAUSE, SELF = "registry.example/app:1", "registry.example/pause:1", "registry.example/homerun:0.1.0"
PROGRAM = str(pathlib.Path(BINARY).resolve())
HELLO = str(pathlib.Path(PROGRAM).parent / "engine/hello/homerun-hello")
PAUSE_SOURCE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"
CONTAINERD = """version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "failCgroupV1": False,
    "cgroupDriver": "cgroupfs", "address": ADDRESS, "readOnlyPort": 0, "cgroupsPerQOS": True, "enforceNodeAllocatable": [],
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"}, "failSwapOn": False, "syncFrequency": "2s", "resolvConf": "",
    "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "memory.available": "1Mi"},
    "imageGCHighThresholdPercent": 100, "localStorageCapacityIsolation": False, "registerNode": True,
}


class PodCluster(kube_real.RealCluster):
    has_logs = True
    controllers = kube_real.CONTROLLERS + ",statefulset-controller,persistentvolume-binder-controller,disruption-controller"
    addresses = ("127.0.0.1", ADDRESS, SERVICES)

    def flags(self):
        return [f"--bind-address={ADDRESS}", f"--advertise-address={ADDRESS}", "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-client-certificate={self.folder}/tls.crt", f"--kubelet-client-key={self.folder}/tls.key",
                "--allow-privileged=false"]

    host = ADDRESS

    def start_nodes(self):
        """A node that is one: pods are containers, in a network of theirs."""
        subprocess.run(["iptables", "-t", "nat", "-A", "OUTPUT", "-d", SERVICES, "-p", "tcp", "--dport", "443", "-j", "DNAT",
                        "--to", f"{ADDRESS}:{self.port}"], check=True)
        subprocess.run(["iptables", "-t", "nat", "-A", "PREROUTING", "-d", SERVICES, "-p", "tcp", "--dport", "443", "-j", "DNAT",
                        "--to", f"{ADDRESS}:{self.port}"], check=True)
        os.makedirs(f"{self.folder}/cni")
        with open(f"{self.folder}/cni/10-pods.conflist", "w", encoding="ascii") as file:
            json.dump({"cniVersion": "0.4.0", "name": "pods", "plugins": [
                {"type": "bridge", "bridge": "pods0", "isGateway": True, "hairpinMode": True,
                 "ipam": {"type": "host-local", "dataDir": f"{self.folder}/ipam", "routes": [{"dst": "0.0.0.0/0"}],
                          "ranges": [[{"subnet": f"{BRIDGE}.0/24"}]]}}]}, file)
        with open(f"{self.folder}/containerd.toml", "w", encoding="ascii") as file:
            file.write(CONTAINERD.format(folder=self.folder, pause=PAUSE))
        self.child("containerd", "--config", f"{self.folder}/containerd.toml")
        self.socket = f"{self.folder}/containerd.sock"
        wait_until(lambda: os.path.exists(self.socket) and self.ctr("version").returncode == 0, "containerd answers", 60)
        self.add_images()
        self.make_groups()
        settings = {**KUBELET, "cgroupRoot": self.group, "podLogsDir": f"{self.folder}/logs", "authentication": {**KUBELET["authentication"], "x509": {"clientCAFile": f"{self.folder}/ca.crt"}},
                    "containerRuntimeEndpoint": f"unix://{self.socket}", "staticPodPath": ""}
        with open(f"{self.folder}/kubelet.yaml", "w", encoding="ascii") as file:
            json.dump(settings, file)
        self.child(f"{self.bin}/kubelet", f"--config={self.folder}/kubelet.yaml", f"--kubeconfig={self.folder}/admin",
                   f"--root-dir={self.folder}/kubelet", f"--cert-dir={self.folder}/kubelet-pki", "--hostname-override=node",
                   f"--node-ip={ADDRESS}")
        threading.Thread(target=self.bind, daemon=True).start()
        wait_until(lambda: self.condition("Ready") == "True", "the node is ready", 90)

    def make_groups(self):
        """Control groups of our own, so that another stand on this machine keeps its pods when this one ends."""
        self.group = f"/homerun-test-{os.getpid()}"
        for controller in GROUPS.iterdir():
            if controller.is_dir() and not controller.is_symlink():
                (controller / self.group[1:]).mkdir(exist_ok=True)

    def ctr(self, *words):
        return subprocess.run(["ctr", "-a", self.socket, "-n", "k8s.io", *words], capture_output=True, text=True, check=False)

    def add_images(self):
        pause = f"{self.folder}/pause"
        with open(f"{pause}.c", "w", encoding="ascii") as file:
            file.write(PAUSE_SOURCE)
        subprocess.run(["gcc", "-O1", "-static", "-o", pause, f"{pause}.c"], check=True)
        image.write(f"{pause}.tar", PAUSE, ["/pause"], {pause: "/pause"})
        subprocess.run(["go", "build", "-o", f"{self.folder}/app", str(ROOT / "tests/kubernetes/app/main.go")], check=True,
                       env={**os.environ, "CGO_ENABLED": "0"})
        image.write(f"{self.folder}/app.tar", APP, ["/app"], {f"{self.folder}/app": "/app"})
        opened = [f"/usr/lib/x86_64-linux-gnu/{name}" for name in ("libcurl.so.4", "libpq.so.5")]
        if os.environ.get("HOMERUN_TEST_IMAGE"):
            os.symlink(os.path.abspath(os.environ["HOMERUN_TEST_IMAGE"]), f"{self.folder}/self.tar")
        else:
            image.of_program(f"{self.folder}/self.tar", SELF, PROGRAM, [], [
                HELLO, *opened, *sorted({each for one in opened for each in image.libraries(one)}), "/etc/ssl/certs/ca-certificates.crt"])
        for name in ("pause", "app", "self"):
            got = self.ctr("image", "import", f"{self.folder}/{name}.tar")
            assert got.returncode == 0, got.stderr

    def condition(self, kind, path="/api/v1/nodes/node"):
        status, node = self.call("GET", path)
        for each in node["status"].get("conditions", []) if status == 200 else []:
            if each["type"] == kind:
                return each["status"]
        return None

    def bind(self):
        """What a scheduler does where there is one node."""
        while not self.closing:
            try:
                for pod in self.objects("pods"):
                    meta = pod["metadata"]
                    if not pod["spec"].get("nodeName") and "deletionTimestamp" not in meta:
                        self.call("POST", kube_real.path_of("pods", meta["namespace"], meta["name"]) + "/binding",
                                  {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": meta["name"]},
                                   "target": {"kind": "Node", "name": "node"}})
                time.sleep(0.03)
            except (OSError, ValueError, http.client.HTTPException, KeyError, TypeError):
                time.sleep(0.2)  # the server is away

    def close(self):
        """A kubelet leaves what runs: its pods are ended here, by the groups that it made for them."""
        self.closing = True
        for process in reversed(self.children):
            process.kill()
            process.wait()
        groups = sorted(GROUPS.glob(f"*{self.group}/**/"), key=lambda group: -len(group.parts))
        for process in {line for group in groups for line in (group / "cgroup.procs").read_text(encoding="ascii").split()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        subprocess.run(["pkill", "-9", "-f", f"containerd-shim.*{self.folder}"], check=False)
        for group in groups:
            wait_until(lambda group=group: not group.exists() or removed(group), f"{group} is gone")
        mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="ascii").splitlines()
        for at in reversed([line.split()[1] for line in mounts]):
            if at.startswith(self.folder):
                subprocess.run(["umount", "-l", at], check=False)
        super().close()


def removed(folder):
    try:
        folder.rmdir()
        return True
    except OSError:
        return False


_cluster = None


def cluster():
    global _cluster
    if _cluster is None:
        programs = os.environ["HOMERUN_TEST_CLUSTER"]
        for needed in (f"{programs}/kubelet", "containerd", "ctr", "/usr/lib/cni/bridge", "iptables", "runc"):
            if shutil.which(needed) is None:
                raise Skip(f"{needed} is missing")
        if os.geteuid() != 0:
            raise Skip("a kubelet takes root")
        _cluster = PodCluster.__new__(PodCluster)
        finally_do(_cluster.close)
        _cluster.__init__(programs)
    return _cluster


_stand = None


def stand():
    global _stand
    if _stand is None:
        pods = cluster()
        homerun = Homerun("--engine=kubernetes", f"--kubeconfig={pods.kubeconfig}", "--idle=3")
        finally_do(homerun.close)
        homerun.start()
        _stand = pods, homerun
    return _stand


def deploy(homerun, name, *more, status=0):
    """With little of the two processors that the node has: what a limit is in Homerun, the scheduler sets aside for a pod."""
    return homerun.cli("deploy", name, f"--image={APP}", "--allow-unauthenticated", "--cpu=0.1", "--concurrency=1",
                       "--memory=128Mi", *more, status=status)


def pods_of(pods, service):
    return [p for p in pods.objects("pods") if p["metadata"]["labels"].get("homerun.internal/service") == service]


def replicas(pods, service):
    newest = max((d for d in pods.objects("deployments") if d["metadata"]["labels"].get("homerun.internal/service") == service),
                 key=lambda d: int(d["metadata"]["labels"]["homerun.internal/revision-id"]))
    return newest["spec"]["replicas"]


class Load(threading.Thread):
    """Asks URL again and again until stop(); keeps how many answers came and what was wrong with the others."""

    def __init__(self, homerun, url):
        super().__init__(daemon=True)
        self.homerun, self.url, self.ended, self.answers, self.wrong = homerun, url, threading.Event(), 0, []
        self.start()

    def run(self):
        while not self.ended.is_set():
            try:
                answer = self.homerun.get(self.url)
                if answer.status != 200:
                    self.wrong.append((answer.status, answer.text[:200]))
            except OSError as why:
                self.wrong.append(str(why))
            self.answers += 1

    def stop(self):
        self.ended.set()
        self.join(60)
        assert not self.is_alive()
        return self


@test
def a_service_is_answered_by_a_real_pod_that_sleeps_and_wakes():
    pods, homerun = stand()
    deploy(homerun, "first", "--set-env-vars=COLOUR=blue")
    answer = homerun.get(homerun.url("first"))
    assert answer.status == 200 and answer.json["env"]["COLOUR"] == "blue", answer
    assert answer.json["uid"] == 1000, answer.json
    pod, = pods_of(pods, "first")
    assert pod["status"]["podIP"].startswith(BRIDGE) and pod["status"]["phase"] == "Running", pod["status"]
    wait_until(lambda: "app: begins" in homerun.cli("logs", "first").stdout, "its line in the log")
    wait_until(lambda: replicas(pods, "first") == 0 and not pods_of(pods, "first"), "asleep", 60)
    before = len(pods.calls_of("POST", "PATCH", "PUT", "DELETE"))
    assert homerun.get(homerun.url("first")).status == 200
    made = [call for call in pods.calls_of("POST", "PATCH", "PUT", "DELETE")[before:] if "/first-" in call[1]]
    assert len(made) == 1 and made[0][0] == "PATCH" and "/scale?" in made[0][1], made


@test
def secrets_and_folders_come_into_the_pod():
    pods, homerun = stand()
    homerun.cli("secrets", "create", "word", input="open sesame")
    homerun.cli("secrets", "allow", "word", "serviceAccount:123456789012-compute@developer.gserviceaccount.com")
    deploy(homerun, "keeps", "--set-secrets=WORD=word:latest,/keys/word=word:1", "--args=one,$(PORT)")
    answer = homerun.get(homerun.url("keeps") + "/?file=/keys/word").json
    assert answer["env"]["WORD"] == "open sesame" and answer["file"] == "open sesame", answer
    assert answer["args"] == ["one", "$(PORT)"], answer["args"]


@test
def what_fails_in_a_pod_is_told_by_name():
    _, homerun = stand()
    said = homerun.cli("deploy", "nowhere", "--image=registry.invalid/none:1", status=None)
    assert said.returncode != 0 and "registry.invalid/none:1" in said.stderr, said.stderr
    said = deploy(homerun, "fails", "--args=fail", status=None)
    assert said.returncode != 0 and ("exit" in said.stderr or "CrashLoop" in said.stderr), said.stderr


@test
def a_pod_that_a_node_has_no_room_for_is_told_of():
    _, homerun = stand()
    if os.cpu_count() >= 8:
        raise Skip("a pod may have eight processors, and this node has them")
    said = deploy(homerun, "large", "--cpu=8", "--memory=4Gi", status=None)
    assert said.returncode != 0 and "OutOfcpu" in said.stderr, said.stderr


@test
def a_rollout_fails_no_request():
    pods, homerun = stand()
    deploy(homerun, "rolls", "--min-instances=1", "--set-env-vars=N=0")
    load = Load(homerun, homerun.url("rolls"))
    for number in range(1, 4):
        deploy(homerun, "rolls", "--min-instances=1", f"--set-env-vars=N={number}")
        assert homerun.get(homerun.url("rolls")).json["env"]["N"] == str(number)
    load.stop()
    assert load.answers > 50 and load.wrong == [], (load.answers, load.wrong[:3])


@test
def pods_serve_while_the_api_server_is_away_for_a_minute():
    pods, homerun = stand()
    deploy(homerun, "away", "--min-instances=1")
    assert homerun.get(homerun.url("away")).status == 200
    load = Load(homerun, homerun.url("away"))
    pods.stop()
    time.sleep(60)  # what is measured, not what is waited for
    load.stop()
    pods.start()
    assert load.answers > 1000 and load.wrong == [], (load.answers, load.wrong[:3])
    print(f"# {load.answers} requests while the API server was away for 60 s, all answered", flush=True)
    deploy(homerun, "after")
    assert homerun.get(homerun.url("after")).status == 200


def kubectl(pods, *words, input=None):
    done = subprocess.run(["kubectl", f"--kubeconfig={pods.folder}/admin", *words], capture_output=True, text=True, input=input,
                          timeout=180, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@test
def homerun_itself_runs_in_a_pod_by_its_manifests():
    """Two commands, as docs/cluster.md has them, from nothing to a first service."""
    pods = cluster()
    os.makedirs(f"{pods.folder}/volume", mode=0o777)
    os.chmod(f"{pods.folder}/volume", 0o777)
    kubectl(pods, "apply", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"},
        "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": f"{pods.folder}/volume"}}}))
    folder = ROOT / "packaging/kubernetes"
    kubectl(pods, "apply", "-f", str(folder / "chart/files/rights.json"))
    # A project of its own: the namespace of another installation's would be refused.
    manifest = (folder / "homerun.yaml").read_text(encoding="utf-8").replace("--project=demo", "--project=inside")
    kubectl(pods, "apply", "-f", "-", input=manifest)
    in_pod = lambda *words: kubectl(pods, "-n", "homerun", "exec", "homerun-0", "--", *words)
    wait_until(lambda: pods.condition("Ready", kube_real.path_of("pods", "homerun", "homerun-0")) == "True", "its pod is ready", 120)
    in_pod("homerun", "deploy", "inside", "--data", "/data/homerun", f"--image={APP}", "--no-invoker-iam-check", "--cpu=0.1", "--concurrency=1")
    pod = pods.call("GET", kube_real.path_of("pods", "homerun", "homerun-0"))[1]
    url = json.loads(in_pod("homerun", "services", "describe", "inside", "--data", "/data/homerun", "--format=json"))["uri"]
    authority = f"{pods.folder}/volume/homerun/ca.pem"
    answer = fetch(url, connect=pod["status"]["podIP"], ca=authority)
    assert answer.status == 200 and answer.json["env"]["K_SERVICE"] == "inside", answer


if __name__ == "__main__":
    main()
