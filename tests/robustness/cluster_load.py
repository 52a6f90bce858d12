#!/usr/bin/env python3
"""Promise P1 of docs/access.md on three nodes, under load, while nodes, controls and PostgreSQL are struck.

Connections to all three nodes ask as fast as they can, of services that are opened and closed all the while
at a node drawn at random. Meanwhile a whole node is killed (SIGKILL) and started again, a control or a whole
node stands still (SIGSTOP) for two leases, a control is killed, PostgreSQL is restarted, and a node's way to
it is cut in one direction or both.

What is asserted, of every single request (history.py has the rule, held here for each node by itself): none
was decided by a state that had ended, by an answered change, before the request was sent; and nothing fails
but at a node that was struck, until it serves again. While a change is under way, one node may show it before
another does.

`make test-cluster` runs it, with 10^6 requests; CLUSTER_REQUESTS and CLUSTER_ROUNDS say otherwise.
"""
import contextlib
import http.client
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from by_api import set_policy  # noqa: E402
from cluster_stand import LEASE, Cluster, ask  # noqa: E402
from homerun import BINARY, Skip, main, test, wait_until  # noqa: E402

import history  # noqa: E402
from history import Change, Target  # noqa: E402

FULL = os.environ.get("CLUSTER") == "full"
REQUESTS = int(os.environ.get("CLUSTER_REQUESTS", "1000000"))
ROUNDS = int(os.environ.get("CLUSTER_ROUNDS", "4"))
SERVICES, EACH = 8, 2  # services that change; connections to a node
LOAD = pathlib.Path(BINARY).parent / "tests/robustness/revocation-load"


class Load:
    """revocation-load, with EACH connections to each node. Its input is closed to end it."""

    def __init__(self, cluster, hosts):
        self.folder = tempfile.mkdtemp(prefix="cluster-load-")
        plan = os.path.join(self.folder, "plan")
        with open(plan, "w", encoding="utf-8") as file:
            print("requests", REQUESTS, file=file)
            print("patient", file=file)
            for one in cluster.nodes:
                port = urllib.parse.urlsplit(one.ready["http"]).port
                for _ in range(EACH):
                    print("connection plain 127.0.0.1", port, file=file)
            for host in hosts:
                print("target", host, "-", file=file)
        self.history = os.path.join(self.folder, "history")
        self.process = subprocess.Popen([LOAD, plan, self.history], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.enough = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        if self.process.stdout.readline() == "done\n":
            self.enough.set()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(120) == 0, "the load gave up"

    def requests(self, node):
        for number in range(node * EACH, (node + 1) * EACH):
            yield from history.read(f"{self.history}.{number}")

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- changes ----

class Changes:
    """One after another, each at a node drawn at random, until it is told to stop."""

    def __init__(self, cluster, names, chance):
        self.cluster, self.names, self.chance = cluster, names, chance
        self.done = [[] for _ in names]
        self.again = 0
        self.longest = 0
        self.stop = threading.Event()
        self.fault = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.stop.is_set():
                self.turn_over(self.chance.randrange(1, len(self.names)))
        except Exception as why:  # the test has it
            self.fault = why

    def turn_over(self, number):
        done = self.done[number]
        opens = not (done[-1].open if done else True)
        started = time.monotonic_ns()
        deadline = time.monotonic() + 90
        while not self.once(self.chance.choice(self.cluster.nodes), self.names[number], opens):
            self.again += 1  # not known how it ended, or not taken there: asked for again, until it is
            assert time.monotonic() < deadline, f"no node takes the change of {self.names[number]}"
            time.sleep(0.02)
        ended = time.monotonic_ns()
        self.longest = max(self.longest, ended - started)
        done.append(Change(started, ended, opens))

    @staticmethod
    def once(node, name, opens):
        try:
            return set_policy(node, name, *(["allUsers"] if opens else [])).status == 200
        except (OSError, http.client.HTTPException, AssertionError):
            return False

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.stop.set()
        self.thread.join()


# ---- strikes ----

def pids_of(node, *roles):
    return [one["pid"] for one in node.read_ready()["processes"] if not roles or one["role"] in roles]


def stand_still(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(LEASE * 2)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def stop_control(cluster, node):
    stand_still(pids_of(node, "control"))


def stop_node(cluster, node):
    stand_still(pids_of(node))


def kill_control(cluster, node):
    for pid in pids_of(node, "control"):
        os.kill(pid, signal.SIGKILL)


def kill_node(cluster, node):
    """All of it at once; started again on the same ports after its lease."""
    ports = [f"--{name}=127.0.0.1:{urllib.parse.urlsplit(node.ready[name]).port}"
             for name in ("api", "https", "http", "metadata")]
    for pid in pids_of(node):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    node.process.wait()
    time.sleep(LEASE + 1)
    node.flags = (*[flag for flag in node.flags if not flag.startswith(("--api=", "--http", "--metadata="))], *ports)
    node.start()


def restart_postgresql(cluster, node):
    cluster.server.stop()
    time.sleep(LEASE + 1)
    cluster.server.start()


def cut_link(*ways):
    def cut(cluster, node):
        link = cluster.links[cluster.nodes.index(node)]
        link.cut = set(ways)
        time.sleep(LEASE * 2)
        link.cut = set()
    cut.__name__ = f"cut_{'_and_'.join(ways)}"
    return cut


STRIKES = [stop_control, kill_control, restart_postgresql, stop_node, kill_node, cut_link("up"), cut_link("down"),
           cut_link("up", "down")]


def strike(cluster, how, number, hosts, windows):
    """WINDOWS: for each node, when it may have failed to answer."""
    struck = range(3) if how is restart_postgresql else [number]
    began = time.monotonic_ns()
    how(cluster, cluster.nodes[number])

    def serves(one):
        try:
            return ask(one, hosts[0]) == 200
        except (OSError, http.client.HTTPException):
            return False
    for one in struck:
        wait_until(lambda one=one: serves(cluster.nodes[one]), f"node {one} serves after {how.__name__}", 90)
        windows[one].append((began, time.monotonic_ns()))


def in_window(request, windows):
    return any(request.sent <= end and request.answered >= began for began, end in windows)


@test
def no_node_decides_by_a_state_that_an_answered_change_has_ended():
    if not FULL:
        raise Skip("a run of minutes: make test-cluster")
    if not LOAD.exists():
        raise Skip("revocation-load is not built")
    seed = int(os.environ.get("CLUSTER_SEED", time.time_ns() % 1000000))
    chance = random.Random(seed)
    with Cluster(links=True) as cluster:
        names = [f"s{i}" for i in range(SERVICES + 1)]
        hosts = [cluster.deploy(name, public=i == 0, template_notes={"autoscaling.knative.dev/minScale": "1"})
                 for i, name in enumerate(names)]
        for name in names[1:]:
            assert set_policy(cluster.nodes[0], name, "allUsers").status == 200
        for host in hosts:
            for one in cluster.nodes:
                wait_until(lambda one=one, host=host: ask(one, host) == 200, f"{host} serves")
        windows = [[] for _ in cluster.nodes]
        with contextlib.closing(Load(cluster, hosts)) as load:
            with Changes(cluster, names, chance) as changes:
                for _ in range(ROUNDS):
                    for how in STRIKES:
                        time.sleep(1)
                        strike(cluster, how, chance.randrange(3), hosts, windows)
                while not load.enough.is_set():
                    assert load.process.poll() is None, "the load gave up"
                    time.sleep(0.1)
            assert changes.fault is None, changes.fault
            load.end()
            stale, failed = 0, 0
            for number in range(3):
                targets = [Target(name, True, 403, done) for name, done in zip(names, changes.done)]
                seen = (one for one in load.requests(number)
                        if one.status not in (0, 503) or not in_window(one, windows[number]))
                verdict = history.judge(targets, seen)
                print(f"node {number + 1}: {verdict}")
                for name, request in (verdict.stale + verdict.failed)[:10]:
                    print("wrong:", name, request)
                stale += len(verdict.stale)
                failed += len(verdict.failed) + verdict.cut
        count = sum(len(done) for done in changes.done)
        print(f"{count} changes, {changes.again} asked for again, the longest {changes.longest / 1e9:.1f} s, "
              f"{ROUNDS * len(STRIKES)} strikes, seed {seed}")
        assert stale == 0, f"{stale} stale decisions, seed {seed}"
        assert failed == 0, f"{failed} failed requests at nodes that were not struck, seed {seed}"


if __name__ == "__main__":
    main()
