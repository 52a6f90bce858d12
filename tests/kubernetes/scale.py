#!/usr/bin/env python3
"""Ten thousand services on Kubernetes, at a real API server with its controllers: what each costs in calls, what the engine's
memory is, and how long an engine that is started again takes until it wakes one. Figures, and no more than a few assertions.

    SERVICES=10000 tests/kubernetes/run.py FOLDER --scale

Pods are made by the cluster, and are ready at once: all their addresses are one program's. Needs 4 GB of memory.
"""
import collections
import concurrent.futures
import http.client
import http.server
import json
import os
import pathlib
import signal
import ssl
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from homerun import Homerun, finally_do, main, test, wait_until  # noqa: E402
from kube import IMAGE  # noqa: E402
from kube_real import ADMIN, RealCluster, path_of  # noqa: E402

COUNT = int(os.environ.get("SERVICES", "10000"))
WOKEN = min(COUNT, 100)
CALLERS, NODES, PORT = 8, 4, 8080
PLACE = "/v2/projects/demo/locations/us-central1/services"
BODY = {"template": {"containers": [{"image": IMAGE}], "healthCheckDisabled": True}, "invokerIamDisabled": True}


class Answers(http.server.BaseHTTPRequestHandler):
    def log_message(self, *ignored):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


class ManyPods(RealCluster):
    rate = ("--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-replicaset-syncs=10",
            "--concurrent-service-endpoint-syncs=10", "--concurrent-gc-syncs=10")
    local = threading.local()

    def child(self, *words):
        return super().child(*words, *(self.rate if "controller-manager" in words[0] else ()))

    def call(self, method, path, body=None, kind="application/json"):
        """On a connection that each thread keeps."""
        for _ in range(2):
            client = getattr(self.local, "client", None)
            if client is None:
                context = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.crt"))
                client = self.local.client = http.client.HTTPSConnection(self.host, self.port, context=context, timeout=60)
            try:
                client.request(method, path, None if body is None else json.dumps(body),
                               {"Authorization": f"Bearer {ADMIN}", "Content-Type": kind})
                answer = client.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text[:1] == b"{" else text
            except (OSError, http.client.HTTPException):
                self.local.client = None
        raise OSError("the API server is away")

    def kubelet(self):
        server = http.server.ThreadingHTTPServer(("0.0.0.0", PORT), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = {}
        with concurrent.futures.ThreadPoolExecutor(NODES) as pool:
            while not self.closing:
                try:
                    pods = self.objects("pods")
                    ends = {pod["metadata"]["uid"]: "deletionTimestamp" in pod["metadata"] for pod in pods}
                    steps = [pod for pod in pods if done.get(pod["metadata"]["uid"]) != ends[pod["metadata"]["uid"]]]
                    done = ends
                    list(pool.map(self.step, steps))
                    time.sleep(0.02)
                except (OSError, ValueError, KeyError, TypeError):
                    time.sleep(0.2)

    def step(self, pod):
        meta = pod["metadata"]
        path = path_of("pods", meta["namespace"], meta["name"])
        if "deletionTimestamp" in meta:
            self.call("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
            return
        self.call("POST", path + "/binding", {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": meta["name"]},
                                              "target": {"kind": "Node", "name": "node"}})
        number = next(self.numbers)
        address = f"10.88.{number // 250 % 250}.{number % 250 + 1}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        spec = pod["spec"]["containers"][0]
        self.call("PATCH", path + "/status", {"status": {
            "phase": "Running", "startTime": now, "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")],
            "containerStatuses": [{"name": spec["name"], "image": spec["image"], "imageID": "", "restartCount": 0, "ready": True,
                                   "started": True, "state": {"running": {"startedAt": now}}}]}}, "application/merge-patch+json")


def in_parallel(work, items):
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(work, items))
    return time.monotonic() - started


def kinds_of(calls):
    """How many there were of each kind; of a watch, its begin counts."""
    found = collections.Counter()
    for method, path in calls:
        parts = path.split("?")[0].split("/")
        what = parts[parts.index("namespaces") + 2:] if "namespaces" in parts[:-2] else parts[-1:]
        sub = f"/{what[2]}" if len(what) > 2 else ""
        found[f"{method}{' watch' if 'watch=' in path else ''} {what[0] if what else path}{sub}"] += 1
    return ", ".join(f"{number} {kind}" for kind, number in found.most_common())


def engine_mb(homerun):
    engine, = homerun.pids("engine")
    with open(f"/proc/{engine}/smaps_rollup", encoding="ascii") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    return f"{sizes['Pss_Anon'] / 1000:.1f} MB of its own, {sizes['Rss'] / 1000:.1f} MB resident"


def wake(homerun, name):
    started = time.monotonic()
    wait_until(lambda: homerun.get(homerun.url(name)).status == 200, f"{name} answers", 300)
    return time.monotonic() - started


def say(words):
    print(f"  {words}", file=sys.stderr, flush=True)


def revisions(homerun):
    """(service, revision, number) of each, in the order in which they were made, and so were numbered."""
    found, page = [], ""
    while True:
        answer = homerun.api("GET", f"{PLACE}?pageSize=500&pageToken={page}").json
        found += [(one["name"].split("/")[-1], one["latestCreatedRevision"].split("/")[-1]) for one in answer["services"]]
        page = answer.get("nextPageToken", "")
        if not page:
            break
    found.sort(key=lambda pair: int(pair[0][1:]))
    return found


def like(value, before, after):
    """A copy of VALUE as another revision's; BEFORE, AFTER: (service, revision, number)."""
    texts = {str(number): str(other) for number, other in ((before[2], after[2]),)}
    texts.update({f"{before[1]}-{before[2]:x}": f"{after[1]}-{after[2]:x}", before[1]: after[1], before[0]: after[0]})

    def walk(part):
        if isinstance(part, dict):
            return {key: walk(inner) for key, inner in part.items() if key != "managedFields"}
        if isinstance(part, list):
            return [walk(inner) for inner in part]
        return texts.get(part, part)
    out = walk(value)
    out["metadata"] = {key: out["metadata"][key] for key in ("name", "namespace", "labels")}
    out.pop("status", None)
    return out


def count(cluster, plural):
    answer = cluster.call("GET", path_of(plural, "homerun-demo") + "?limit=1")[1]
    return len(answer["items"]) + answer["metadata"].get("remainingItemCount", 0)


def fill(cluster, made, first, step):
    """The Deployments and Services of all but the first few, as the first one's are: waking each takes an hour."""
    deployment, = [d for d in cluster.objects("deployments") if d["metadata"]["labels"]["homerun.internal/service"] == "s0"]
    service, = [s for s in cluster.objects("services") if s["metadata"]["name"] == deployment["metadata"]["name"]]
    before = (*made[0], first)

    def add(place):
        after = (*made[place], first + step * place)
        value = like(deployment, before, after)
        name, space = value["metadata"]["name"], value["metadata"]["namespace"]
        value["spec"]["replicas"] = 0
        uid = cluster.make("deployments", space, value)["metadata"]["uid"]
        value = like(service, before, after)
        value["metadata"]["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": uid}]
        for own in ("clusterIPs", "internalTrafficPolicy"):
            value["spec"].pop(own, None)
        cluster.make("services", space, value)
        # One that was scaled before has moved on.
        cluster.call("PATCH", path_of("deployments", space, name), {"spec": {"progressDeadlineSeconds": 601}},
                     "application/merge-patch+json")
    seconds = in_parallel(add, range(WOKEN, len(made)))
    # Its controllers have their own work with so many; a wake is measured when they are done.
    for plural in ("replicasets", "endpointslices"):
        wait_until(lambda p=plural: count(cluster, p) >= len(made), f"the cluster has made its {plural}", 3600)
    return seconds


@test
def many_services_are_started_and_taken_over():
    cluster = ManyPods(os.environ["HOMERUN_TEST_CLUSTER"])
    finally_do(cluster.close)
    homerun = Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}", "--idle=2")
    finally_do(homerun.close)
    homerun.start()
    started = time.monotonic()
    for number in range(COUNT):
        answer = homerun.api("POST", f"{PLACE}?serviceId=s{number}", BODY)
        assert answer.status == 200, answer
    say(f"{COUNT} services made in {time.monotonic() - started:.0f} s; the engine has {engine_mb(homerun)}")
    before = len(cluster.calls)
    seconds = in_parallel(lambda number: wake(homerun, f"s{number}"), range(WOKEN))
    wait_until(lambda: not cluster.objects("pods"), "all sleep", 600)
    calls = cluster.calls[before:]
    say(f"{WOKEN} were woken for the first time, and slept, in {seconds:.0f} s; "
        f"{len(calls) / WOKEN:.2f} calls a service: {kinds_of(calls)}")
    assert len([call for call in calls if "/scale?" in call[1]]) == 2 * WOKEN
    numbers = {d["metadata"]["labels"]["homerun.internal/service"]: int(d["metadata"]["labels"]["homerun.internal/revision-id"])
               for d in cluster.objects("deployments")}
    seconds = fill(cluster, revisions(homerun), numbers["s0"], numbers["s1"] - numbers["s0"])
    say(f"the cluster has those of the others after {seconds:.0f} s; the engine has {engine_mb(homerun)}")

    for how in ("the engine is killed", "Homerun is restarted"):
        before, started = len(cluster.calls), time.monotonic()
        if how == "the engine is killed":
            engine, = homerun.pids("engine")
            os.kill(engine, signal.SIGKILL)
            wait_until(lambda e=engine: homerun.pids("engine") not in ([e], []), "another engine")
        else:
            homerun.stop()
            started = time.monotonic()
            homerun.start()
        wake(homerun, f"s{COUNT - 1}")
        seconds = time.monotonic() - started
        calls = cluster.calls[before:]
        say(f"{how}: a service that slept answers {seconds:.2f} s later, after {len(calls)} calls: {kinds_of(calls)}")
        time.sleep(3)
        say(f"the engine has {engine_mb(homerun)}")
        wait_until(lambda: not cluster.objects("pods"), "all sleep", 60)
    assert count(cluster, "deployments") == COUNT  # each was known, and none was taken for a stranger's
    before = len(cluster.calls)
    seconds = wake(homerun, "s0")
    say(f"a wake of one of them took {seconds:.2f} s: {kinds_of([c for c in cluster.calls[before:] if '/leases' not in c[1]])}")


if __name__ == "__main__":
    main()
