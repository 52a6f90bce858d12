#!/usr/bin/env python3
"""Concurrency holds for a pod that three nodes send requests to, while nodes, links, clocks and servers are struck.

The nodes are on hosts of their own (hosts_stand.py), with `--engine=kubernetes`: the API server is kube_fake.py's, and a
pod is a process at an address of the network, that writes down when each request began and ended. Clients at each node ask
four services without pause, of which one pod may have 1, 2 or 10 requests at once, or 1 in each of up to three pods.

What is asserted, of every single request: no pod ever had more under way than its concurrency, and nothing failed but at a
node that was struck, until it served again. The exceptions are those of docs/cluster.md ("One pod, several nodes"):

- Requests here take a third of a second at most. So those that outlast their node's lease are no excuse, but for LATE ones:
  a process that was stopped between its last look at the clock and its bytes, or bytes that a cut link kept.
- An engine that stands still gives nothing away: who wants its places may wait in vain (stop_engine may fail everywhere).

`make test-cluster` runs it; PLACES_STRIKES (words of their names) and CLUSTER_SEED say otherwise.
"""
import collections
import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import hosts_stand  # noqa: E402
from by_api import SCALE  # noqa: E402
from homerun import PYTHON, Skip, fetch, main, test, wait_until  # noqa: E402
from kube_fake import FakeCluster  # noqa: E402

import cluster_load as whole  # noqa: E402
from cluster_load import FULL, LEASE, STILL, WRONG, Strike, in_window  # noqa: E402
from hosts_stand import HTTP, HostedCluster, signal_all  # noqa: E402

POD = pathlib.Path(__file__).resolve().parent / "places_pod.py"
PODS = "10.88.0.64/26"  # where they are
TAKES = (0.01, 0.02, 0.05, 0.3)  # seconds
SERVICES = {  # name: (concurrency, most pods, clients at each node)
    "one": (1, 1, 2), "two": (2, 1, 2), "ten": (10, 1, 5), "more": (1, 3, 2)}
OPEN = "ten"  # has a place for who only asks whether a node serves
Asked = collections.namedtuple("Asked", "sent answered status node service")
Done = collections.namedtuple("Done", "began ended id")


class BridgedCluster(FakeCluster):
    """At the bridge, with its pods beside it."""
    host = "10.88.0.254"

    def address(self, number):
        address = f"10.88.0.{64 + number % 62}"
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "br0"], capture_output=True, check=False)
        return address


class Stand:
    def __init__(self, lease):
        self.stack = contextlib.ExitStack()
        self.folder = tempfile.mkdtemp(prefix="homerun-places-")
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.cluster = self.own(HostedCluster(lease=lease, flags=self.flags))
        self.nodes = self.cluster.nodes
        self.hosts = {name: self.deploy(name, *how) for name, how in SERVICES.items()}

    def flags(self):
        """Of each node; called once there is a network."""
        self.kube = self.own(BridgedCluster())
        return ("--engine=kubernetes", f"--kubeconfig={self.kube.kubeconfig}", "--kubernetes-owner=places")

    def own(self, thing):
        self.stack.callback(thing.close)
        return thing

    def close(self):
        self.stack.close()

    def deploy(self, name, concurrency, most, _):
        image = f"registry.example/{name}:1"
        os.mkdir(f"{self.folder}/{name}")
        self.kube.programs[image] = [PYTHON, str(POD), "{address}", "{port}", f"{self.folder}/{name}"]
        host = self.cluster.deploy(name, image=image, spec={"containerConcurrency": concurrency},
                                   template_notes={SCALE + "maxScale": str(most), SCALE + "minScale": "1"})
        for node in self.nodes:
            wait_until(lambda node=node: whole.serves(node, host), f"{name} is served", 60)
        return host

    def done(self, name):
        """For each pod, its requests."""
        for file in pathlib.Path(self.folder, name).iterdir():
            lines = (line.split() for line in file.read_text(encoding="ascii").splitlines())
            yield [Done(int(began), int(ended), mark) for began, ended, mark in lines]


class Load:
    """Clients at each node, until the end of the block; what they asked, by its id."""

    def __init__(self, stand):
        self.asked = {}
        self.ends = False
        self.threads = [threading.Thread(target=self.ask, args=(number, node, name, stand.hosts[name], client), daemon=True)
                        for number, node in enumerate(stand.nodes) for name, (_, _, clients) in SERVICES.items()
                        for client in range(clients)]

    def ask(self, number, node, name, host, client):
        chance = random.Random(f"{number} {name} {client}")
        turn = 0
        while not self.ends:
            turn += 1
            mark = f"{number}.{name}.{client}.{turn}"
            path = f"/?id={mark}&seconds={chance.choice(TAKES)}"
            sent = time.monotonic_ns()
            try:
                status = fetch(f"http://{host}:{HTTP}{path}", connect=node.host.address, seconds=90).status
            except WRONG as why:
                status = type(why).__name__
            self.asked[mark] = Asked(sent, time.monotonic_ns(), status, number, name)
            if status != 200:
                time.sleep(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *ignored):
        self.ends = True
        for thread in self.threads:
            thread.join(100)

    def served(self, number):
        return sum(one.status == 200 for one in list(self.asked.values()) if one.node == number)

    def wait_served(self, number, more):
        wanted = self.served(number) + more
        wait_until(lambda: self.served(number) >= wanted, f"node {number + 1} serves again", 120)


# ---- strikes ----

def stop_engine(stand, node):
    whole.stand_still(node.pids("engine"), STILL)


def kill_engine(stand, node):
    signal_all(node.pids("engine"), whole.signal.SIGKILL)


def cut_pods(*ways):
    """From the pods and from PostgreSQL, but not from its clients."""
    def cut_them(cluster, node):
        rules = {"in": ("INPUT", "-s"), "out": ("OUTPUT", "-d")}
        node.host.cut(*ways)
        for way in ways:
            chain, side = rules[way]
            node.host.run("iptables", "-w", "-A", chain, side, PODS, "-j", "DROP")
        time.sleep(cluster.lease * 3)
        node.host.mend()
    cut_them.__name__ = f"cut_pods_{'_and_'.join(ways)}"
    return cut_them


def stop_api_server(stand, node):
    """It is of all nodes; what they have, they go on with."""
    stand.kube.stop()
    time.sleep(10)
    stand.kube.start()


STRIKES = [
    Strike(whole.stop_control, "node"), Strike(stop_engine, "all"), Strike(whole.kill_control, "none"),
    Strike(whole.stop_node, "node"), Strike(kill_engine, "none"), Strike(whole.kill_node, "node"),
    Strike(whole.cut("out"), "node"), Strike(whole.cut("in"), "node"), Strike(whole.step_clock_of_node, "none"),
    Strike(cut_pods("out"), "node"), Strike(cut_pods("in"), "node"), Strike(cut_pods("in", "out"), "node"),
    Strike(whole.cut("link"), "node"), Strike(whole.restart_postgresql, "all"),
    Strike(whole.step_clock_of_postgresql, "none"), Strike(stop_api_server, "none"), Strike(whole.fail_over, "all")]
OF_PODS = (stop_engine, kill_engine, stop_api_server)  # these take the stand


def wanted_strikes():
    words = os.environ.get("PLACES_STRIKES", "").split()
    return [one for one in STRIKES if not words or any(word in one.name for word in words)]


def strike(stand, load, blow, number, windows):
    """WINDOWS: for each node, when its requests may have failed."""
    began = time.monotonic_ns()
    blow.what(stand if blow.what in OF_PODS else stand.cluster, stand.nodes[number])
    for one, node in enumerate(stand.nodes):
        wait_until(lambda node=node: whole.serves(node, stand.hosts[OPEN]), f"node {one + 1} serves after {blow.name}", 90)
        load.wait_served(one, 20)
        if one in blow.struck(number):
            windows[one].append((began, time.monotonic_ns()))
    print(f"{blow.name}: node {number + 1}, {(time.monotonic_ns() - began) / 1e9:.0f} s, {len(load.asked)} requests so far",
          flush=True)


# ---- judging ----

def crowds(done, limit):
    """Each time that more than LIMIT were under way: all of them."""
    under_way, steps = set(), []
    for one in done:
        steps += [(one.began, 1, one), (one.ended, 0, one)]  # an end comes before a beginning of the same moment
    for _, begins, one in sorted(steps, key=lambda step: step[:2]):
        if begins:
            under_way.add(one)
            if len(under_way) > limit:
                yield frozenset(under_way)
        else:
            under_way.discard(one)


def is_late(one, asked, windows, lease):
    """It was sent before its node was struck, and came to the pod so late that the lease may have run out meanwhile."""
    known = asked.get(one.id)
    if known is None or one.began - known.sent < lease * 0.9e9:
        return False
    return any(known.sent < end and one.began > began for began, end in windows[known.node])


def judge(stand, load, windows, lease):
    """(the most at once by service, crowds without an excuse, late ones that were one too many, failed requests)"""
    most, wrong, late = {}, [], set()
    for name, (limit, _, _) in SERVICES.items():
        most[name] = 0
        for done in stand.done(name):
            most[name] = max([most[name], *map(len, crowds(done, 0))])
            for crowd in crowds(done, limit):
                excused = {one for one in crowd if is_late(one, load.asked, windows, lease)}
                late |= excused
                if len(crowd) - len(excused) > limit:
                    wrong.append((name, crowd))
    failed = [one for one in load.asked.values() if one.status != 200 and not in_window(one, windows[one.node])]
    return most, wrong, late, failed


def say_crowd(name, crowd, asked):
    print(f"wrong: {name} had {len(crowd)} under way:")
    for one in sorted(crowd):
        sent = asked[one.id].sent / 1e9 if one.id in asked else float("nan")
        print(f"    {one.id}: sent {sent:.3f}, in the pod {one.began / 1e9:.3f} to {one.ended / 1e9:.3f}")


def hold(stand, load, windows, seed, lease=LEASE):
    most, wrong, late, failed = judge(stand, load, windows, lease)
    for name, crowd in wrong[:5]:
        say_crowd(name, crowd, load.asked)
    for one in failed[:10]:
        print(f"failed: {one}")
    print(f"{len(load.asked)} requests, {sum(one.status == 200 for one in load.asked.values())} served; the most at once {most}; "
          f"{len(late)} came late, {len(wrong)} crowds, {len(failed)} failed at nodes that were not struck, seed {seed}")
    return wrong, late, failed


def need_all():
    if not FULL:
        raise Skip("a run of minutes: make test-cluster")


@test
def no_pod_has_more_requests_than_its_concurrency_whatever_is_struck():
    need_all()
    seed = int(os.environ.get("CLUSTER_SEED", time.time_ns() % 1000000))
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    with contextlib.closing(Stand(LEASE)) as stand:
        windows = [[] for _ in stand.nodes]
        with Load(stand) as load:
            for blow in wanted_strikes():
                time.sleep(1)
                strike(stand, load, blow, chance.randrange(3), windows)
        wrong, late, failed = hold(stand, load, windows, seed)
        assert not wrong, f"{len(wrong)} times too many at once, seed {seed}"
        assert not failed, f"{len(failed)} failed requests at nodes that were not struck, seed {seed}"
        assert len(late) <= sum(len(one) for one in windows), f"{len(late)} late ones, seed {seed}"


@test
def an_engine_that_takes_over_gives_nothing_away_that_is_under_way():
    need_all()
    with contextlib.closing(Stand(LEASE)) as stand:
        windows = [[] for _ in stand.nodes]
        with Load(stand) as load:
            for turn in range(15):
                strike(stand, load, Strike(kill_engine, "all"), turn % 3, windows)
        wrong, _, _ = hold(stand, load, windows, 0)
        assert not wrong, f"{len(wrong)} times too many at once"


@test
def nothing_fails_while_postgresql_is_away_for_less_than_a_lease():
    need_all()
    lease = 15
    with contextlib.closing(Stand(lease)) as stand:
        windows = [[] for _ in stand.nodes]
        with Load(stand) as load:
            for number in range(3):
                load.wait_served(number, 50)
            stopped = time.monotonic()
            stand.cluster.pair.primary.stop()
            time.sleep(max(0, stopped + 9 - time.monotonic()))
            stand.cluster.pair.primary.start()
            print(f"PostgreSQL was away for {time.monotonic() - stopped:.1f} s")
            for number in range(3):
                load.wait_served(number, 50)
        wrong, _, failed = hold(stand, load, windows, 0, lease)
        assert (wrong, failed) == ([], []), (len(wrong), len(failed))


@test
def a_node_that_is_passed_over_too_early_is_found_out():
    """The database says of a node that lives that it is passed over: until it hears of that, it uses places that others have
    by then. The same judge has to find it."""
    need_all()
    with contextlib.closing(Stand(LEASE)) as stand:
        windows = [[] for _ in stand.nodes]
        with Load(stand) as load:
            for turn in range(12):
                name = f"n{turn % 3 + 1}"
                load.wait_served(turn % 3, 10)
                stand.cluster.pair.sql(f"UPDATE homerun.node SET serves = false, epoch = epoch + 1 WHERE name = '{name}'")
                time.sleep(1.5)
        wrong, _, _ = hold(stand, load, windows, 0)
        assert wrong, "nobody used a place that was another's by then"


if __name__ == "__main__":
    if FULL:
        hosts_stand.begin()
    main()
