#!/usr/bin/env python3
"""How many instances there are on Kubernetes, with three nodes of which one scales: the numbers hold while that one is struck.

Three nodes see the same pods (kube_fake.py). A service with a manual number, one with a minimum and a maximum, and load at all
nodes; meanwhile the engine that scales is killed or stands still, its node is killed, drained, or cut off from the record, and
during and after each of these somebody changes a number, at a node drawn at random. What is read is the history of the API
server: which numbers a Deployment had, one after the other, and how many pods.

- A manual number is what was asked for last, and nothing else but what lies on the way: two engines never pull in two directions.
- Never more pods than the maximum, and never fewer asked for than the minimum.
- A node that is cut off deletes nothing that was deployed since.
- No request fails but at a node that was struck, and none at all while one revision follows the other.

`make test-cluster` runs it; CLUSTER_SEED draws otherwise, NUMBERS_STRIKES (their names) and CLUSTER_ROLL_OUTS (how many) say which.
"""
import contextlib
import os
import pathlib
import random
import re
import signal
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from by_api import SCALE, deploy, put_service  # noqa: E402
from cluster_places import Load, Stand, asked_for, everybody, send, set_manual, turning_points  # noqa: E402
from cluster_stand import LEASE  # noqa: E402
from homerun import PYTHON, Skip, main, program_folder, test, wait_until  # noqa: E402

SILENT = 12  # seconds, after which the Lease of who says nothing is taken
MOST = 4
IMAGE = "registry.example/rolled:1"
ROLL_OUTS = int(os.environ.get("CLUSTER_ROLL_OUTS", "30"))


def numbers(kube, name):
    """What was asked for (cluster_places.asked_for()), and the most pods that were alive at once."""
    alive, most = set(), 0
    with kube.store.lock:
        for _, kind, plural, _, value in kube.store.history:
            meta = value["metadata"]
            if plural == "pods" and meta["name"].startswith(f"{name}-"):
                (alive.discard if kind == "DELETED" or "deletionTimestamp" in meta else alive.add)(meta["name"])
                most = max(most, len(alive))
    return asked_for(kube, name), most


class Scene:
    def __init__(self):
        self.stand = Stand()
        self.nodes = self.stand.nodes
        self.kube = self.stand.kube
        self.chance = random.Random(os.environ.get("CLUSTER_SEED", "1"))
        self.asked = [3]
        self.deploy("manual", self.nodes[0], notes={"run.googleapis.com/scalingMode": "manual",
                                                    "run.googleapis.com/manualInstanceCount": "3"})
        wait_until(lambda: self.stand.replicas("manual") == 3, "three are asked for")
        self.host = self.deploy("least", self.nodes[1], template_notes={SCALE + "minScale": "2", SCALE + "maxScale": str(MOST)},
                                spec={"containerConcurrency": 2})
        wait_until(lambda: self.stand.replicas("least") >= 2, "two are asked for")

    def deploy(self, name, node, **how):
        image = f"registry.example/{name}:1"
        self.kube.programs[image] = [PYTHON, f"{program_folder()}/counting_container.py", "{address}", "{port}",
                                     f"{self.stand.folder}/{name}"]
        answer = put_service(node, name, image, **how)
        assert answer.status == 200, answer
        return urllib.parse.urlsplit(node.url(name)).netloc.split(":")[0]

    def leader(self):
        """The node whose engine holds the Lease."""
        holders = [lease["spec"]["holderIdentity"] for lease in self.kube.objects("leases")]
        return next((node for node in self.nodes if node.process.poll() is None and holders
                     and re.findall(r"this engine is (\S+)", node.printed())[-1] == holders[0]), None)

    def others(self, node):
        return [one for one in self.nodes if one is not node]

    def change(self, nodes, seconds):
        """Another manual number, at one of NODES: within SECONDS it is asked for."""
        number = self.chance.choice([n for n in range(1, 6) if n != self.asked[-1]])
        set_manual(self.chance.choice(nodes), "manual", number)
        self.asked.append(number)
        wait_until(lambda: self.stand.replicas("manual") == number, f"{number} are asked for", seconds)


# ---- strikes: at NODE, which scales ----

def kill_engine(scene, node):
    send(node.pids("engine"), signal.SIGKILL)
    scene.change(scene.others(node), SILENT + 30)


def stop_engine(scene, node):
    pids = node.pids("engine")
    send(pids, signal.SIGSTOP)
    try:
        scene.change(scene.others(node), SILENT + 30)
        scene.change(scene.nodes, 30)
    finally:
        send(pids, signal.SIGCONT)


def kill_node(scene, node):
    send(everybody(node), signal.SIGKILL)
    node.process.wait()
    os.unlink(node.ready_file)
    scene.change(scene.others(node), SILENT + LEASE + 30)
    node.start()


def drain_node(scene, node):
    node.cli("nodes", "drain", f"n{scene.nodes.index(node) + 1}")
    scene.change(scene.others(node), 30)
    node.cli("nodes", "drain", f"n{scene.nodes.index(node) + 1}", "--undo")


def end_node(scene, node):
    assert node.stop() == 0
    scene.change(scene.others(node), 30)
    node.start()


def cut_off(scene, node):
    """Its control stands still, and with it the node's lease; its engine reaches the API server."""
    pids = node.pids("control")
    send(pids, signal.SIGSTOP)
    try:
        wait_until(lambda: f"n{scene.nodes.index(node) + 1}" in scene.stand.cluster.rows("name", "NOT serves"), "it is passed over", 30 * LEASE)
        others = scene.others(node)
        scene.change(others, 30)
        scene.change(others, 30)
        scene.deploy("new", others[0], template_notes={SCALE + "minScale": "1"})
        uid = wait_until(lambda: [d["metadata"]["uid"] for d in scene.kube.objects("deployments")
                                  if d["metadata"]["name"].startswith("new-")], "it is deployed")
        time.sleep(25)  # what no revision is there for goes after twenty
        assert uid == [d["metadata"]["uid"] for d in scene.kube.objects("deployments")
                       if d["metadata"]["name"].startswith("new-")], numbers(scene.kube, "new")
        assert None not in numbers(scene.kube, "new")[0], numbers(scene.kube, "new")
        scene.change(others, 30)
    finally:
        send(pids, signal.SIGCONT)


STRIKES = (kill_engine, stop_engine, drain_node, end_node, cut_off, kill_node)


@test
def numbers_of_instances_hold_whatever_befalls_the_node_that_scales():
    if not os.environ.get("CLUSTER"):
        raise Skip("make test-cluster")
    scene = Scene()
    wanted = os.environ.get("NUMBERS_STRIKES", "").split()
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(Load([node], scene.host, clients=2, path="/?seconds=0.05", pause=0.05))
                 for node in scene.nodes]
        for strike in STRIKES:
            if wanted and strike.__name__ not in wanted:
                continue
            node = wait_until(scene.leader, "one scales", 60)
            began, number = time.monotonic(), scene.nodes.index(node)
            before = [dict(load.statuses[0]) for load in loads]
            strike(scene, node)
            scene.change(scene.nodes, 30)
            loads[number].wait_served(0, 20)
            print(f"   {strike.__name__} at n{number + 1}: {time.monotonic() - began:.1f} s,"
                  f" manual {numbers(scene.kube, 'manual')[0]} of {scene.asked}, least {numbers(scene.kube, 'least')}", flush=True)
            for i, load in enumerate(loads):
                bad = {k: n - before[i].get(k, 0) for k, n in load.statuses[0].items() if k != 200 and n > before[i].get(k, 0)}
                assert i == number or not bad, (strike.__name__, i, bad)
    seen, _ = numbers(scene.kube, "manual")
    assert turning_points(seen) == turning_points([0, *scene.asked]), (seen, scene.asked)
    seen, most = numbers(scene.kube, "least")
    assert most <= MOST and max(seen) <= MOST, (most, seen)
    assert min(seen[seen.index(2):]) >= 2, seen
    scales = [call for call in scene.kube.calls_of("PATCH") if "/manual-" in call[1] and "/scale?" in call[1]]
    print(f"   {len(scene.asked)} manual numbers, {len(scales)} calls to scale; {sum(one.served(0) for one in loads)} requests")


@test
def no_request_fails_while_revisions_follow_each_other_at_any_node():
    """Each is deployed at a node drawn at random, and the one before it sleeps two seconds later."""
    if not os.environ.get("CLUSTER"):
        raise Skip("make test-cluster")
    stand, chance = Stand("--idle=2"), random.Random(os.environ.get("CLUSTER_SEED", "1"))
    stand.kube.programs[IMAGE] = [PYTHON, f"{program_folder()}/counting_container.py", "{address}", "{port}", f"{stand.folder}/rolled"]

    def roll(number):
        deploy(chance.choice(stand.nodes), "rolled", IMAGE, container={"env": [{"name": "NUMBER", "value": str(number)}]},
               spec={"containerConcurrency": 4}, template_notes={SCALE + "minScale": "1", SCALE + "maxScale": str(MOST)})

    roll(0)
    host = urllib.parse.urlsplit(stand.nodes[0].url("rolled")).hostname
    with Load(stand.nodes, host, clients=3, path="/?seconds=0.03", pause=0.01) as load:
        for number in range(ROLL_OUTS):
            roll(number + 1)
            for node in range(3):
                load.wait_served(node, 20)
        wait_until(lambda: len({pod["metadata"]["name"].rsplit("-", 2)[0] for pod in stand.pods("rolled")}) == 1,
                   "those before it sleep", 60)
    print(f"   {ROLL_OUTS} roll-outs, {sum(map(load.served, range(3)))} requests, the longest {max(load.longest):.1f} s")
    assert all(set(one) == {200} for one in load.statuses), load.statuses


if __name__ == "__main__":
    main()
