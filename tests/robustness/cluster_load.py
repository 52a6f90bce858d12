#!/usr/bin/env python3
"""Promise P1 of docs/access.md on three nodes, each on a host of its own, under load, while all of it is struck.

Connections to all three nodes ask as fast as they can, of services that are opened and closed all the while at nodes
drawn at random, by three that change at once. Meanwhile a whole node is killed (SIGKILL) and started again, a control
or a whole node stands still (SIGSTOP) for thirty seconds, a control is killed, links are cut in one direction or both,
clocks are set by an hour, of nodes and of the database, and PostgreSQL is restarted, stopped, or dies and its standby
takes over.

What is asserted, of every single request: for each service, what each node has answered is the history of a register
(history.py): no answer shows a state that had ended, by an answered change, before the request was sent. And nothing
fails but at a node that was struck, until it serves again. While a change is under way, one node may show it before
another does (docs/cluster.md says why): how often that was seen is counted. In the end every change that was answered
stands in the record's audit log, in its order, and each node, its gate and the database have what the last one left.

`make test-cluster` runs it, with 10^6 requests; CLUSTER_REQUESTS, CLUSTER_ROUNDS, CLUSTER_STRIKES (words of their names)
and CLUSTER_SEED say otherwise.
"""
import contextlib
import email.utils
import http.client
import json
import os
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import hosts_stand  # noqa: E402
from by_api import set_policy  # noqa: E402
from faults_stand import members_of  # noqa: E402
from homerun import Skip, main, test, wait_until  # noqa: E402

import history  # noqa: E402
from history import Change, Target  # noqa: E402
from hosts_stand import HTTP, HostedCluster, signal_all  # noqa: E402
from load_stand import Load, need_load  # noqa: E402

FULL = os.environ.get("CLUSTER") == "full"
REQUESTS = int(os.environ.get("CLUSTER_REQUESTS", "1000000"))
CHANGES = REQUESTS // 1000
ROUNDS = int(os.environ.get("CLUSTER_ROUNDS", "2"))
SERVICES, CHANGERS, EACH = 9, 3, 2  # services that change; who changes them; connections to a node
LEASE, STILL, HOUR = 4, 30, 3600    # seconds
WRONG = (OSError, http.client.HTTPException)


def need_all():
    if not FULL:
        raise Skip("a run of minutes: make test-cluster")
    need_load()


def load_on(cluster, hosts, requests):
    connections = [f"plain {node.host.address} {HTTP}" for node in cluster.nodes for _ in range(EACH)]
    return Load(requests, connections, [(host, None) for host in hosts], patient=True)


def requests_of(load, number):
    return load.requests(range(number * EACH, (number + 1) * EACH))


def serves(node, host):
    try:
        return node.ask(host) == 200
    except WRONG:
        return False


def deploy_all(cluster, count):
    """Names and hosts of so many services that are open; the first is open for good."""
    names = [f"s{i}" for i in range(count)]
    hosts = [cluster.deploy(name, public=i == 0, template_notes={"autoscaling.knative.dev/minScale": "1"})
             for i, name in enumerate(names)]
    for name in names[1:]:
        assert set_policy(cluster.nodes[0], name, "allUsers").status == 200
    for host in hosts:
        for one in cluster.nodes:
            wait_until(lambda one=one, host=host: serves(one, host), f"{host} serves", 60)
    return names, hosts


# ---- changes ----

class Changer:
    """Opens and closes services of its own, one after another, each at a node drawn at random, until it is told to stop."""

    def __init__(self, cluster, names, seed, careful):
        """CAREFUL: it leaves nodes alone that are being struck, so that somebody goes on."""
        self.cluster, self.names, self.careful = cluster, names, careful
        self.chance = random.Random(seed)
        self.done = {name: [] for name in names}
        self.struck = set()
        self.node = None  # that it asks now
        self.again = self.longest = 0
        self.stop = threading.Event()
        self.fault = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.stop.is_set():
                self.turn_over(self.chance.choice(self.names))
        except Exception as why:  # the test has it
            self.fault = why

    def choose(self):
        free = [i for i in range(len(self.cluster.nodes)) if i not in self.struck]
        self.node = self.chance.choice(free if self.careful and free else range(len(self.cluster.nodes)))
        return self.cluster.nodes[self.node]

    def stay_away(self, struck):
        self.struck = struck
        if self.careful and len(struck) < len(self.cluster.nodes):
            wait_until(lambda: self.node not in struck, "the careful one is elsewhere")

    def turn_over(self, name):
        done = self.done[name]
        opens = not (done[-1].open if done else True)
        started = time.monotonic_ns()
        deadline = time.monotonic() + 150
        while not self.once(self.choose(), name, opens):
            self.again += 1  # not known how it ended, or not taken there: asked for again, until it is
            assert time.monotonic() < deadline, f"no node takes the change of {name}"
            time.sleep(0.02)
        ended = time.monotonic_ns()
        self.longest = max(self.longest, ended - started)
        done.append(Change(started, ended, opens))

    @staticmethod
    def once(node, name, opens):
        try:
            return set_policy(node, name, *(["allUsers"] if opens else [])).status == 200
        except (*WRONG, AssertionError):
            return False


@contextlib.contextmanager
def changers(cluster, names, seed):
    """The first service is nobody's to change."""
    shares = [names[1 + i::CHANGERS] for i in range(CHANGERS)]
    all_of_them = [Changer(cluster, share, seed + i, i == 0) for i, share in enumerate(shares) if share]
    for one in all_of_them:
        one.thread.start()
    try:
        yield all_of_them
    finally:
        for one in all_of_them:
            one.stop.set()
        for one in all_of_them:
            one.thread.join()
    for one in all_of_them:
        assert one.fault is None, one.fault


# ---- strikes ----

class Strike:
    """One blow, at a node drawn at random. MAY_FAIL: which nodes may fail to answer until they serve again."""

    def __init__(self, what, may_fail):
        self.what, self.may_fail, self.name = what, may_fail, what.__name__

    def struck(self, number):
        return {"node": {number}, "all": {0, 1, 2}, "none": set()}[self.may_fail]


def stand_still(pids, seconds):
    signal_all(pids, signal.SIGSTOP)
    time.sleep(seconds)
    signal_all(pids, signal.SIGCONT)


def stop_control(cluster, node):
    stand_still(node.pids("control"), STILL)


def stop_node(cluster, node):
    stand_still(node.everything(), STILL)


def kill_control(cluster, node):
    signal_all(node.pids("control"), signal.SIGKILL)


def kill_node(cluster, node):
    """All of it at once; started again after its lease."""
    signal_all(node.everything(), signal.SIGKILL)
    node.process.wait()
    os.unlink(node.ready_file)
    time.sleep(cluster.lease + 1)
    node.start()


def cut(*ways):
    def cut_them(cluster, node):
        node.host.cut(*ways)
        time.sleep(cluster.lease * 3)
        node.host.mend()
    cut_them.__name__ = f"cut_{'_and_'.join(ways)}"
    return cut_them


def steps(cluster, step, read_clock):
    for seconds in (HOUR, -HOUR, 0):
        step(seconds)
        wait_until(lambda seconds=seconds: abs(read_clock() - time.time() - seconds) < 60, "the clock was set")
        time.sleep(cluster.lease + 1)


def step_clock_of_node(cluster, node):
    def read_clock():
        date = node.api("GET", "/homerun/v1/health", token="").headers["Date"]
        return email.utils.parsedate_to_datetime(date).timestamp()
    steps(cluster, node.step_clock, read_clock)


def step_clock_of_postgresql(cluster, node):
    steps(cluster, cluster.pair.primary.host.step,
          lambda: float(cluster.pair.sql("SELECT extract(epoch FROM clock_timestamp())")))


def restart_postgresql(cluster, node):
    cluster.pair.primary.stop()
    time.sleep(cluster.lease + 1)
    cluster.pair.primary.start()


def stop_postgresql(cluster, node):
    stand_still(cluster.pair.primary.pids(), cluster.lease * 2)


def stop_standby(cluster, node):
    """Nothing can be committed meanwhile, nor any lease renewed."""
    stand_still(cluster.pair.standby.pids(), cluster.lease * 2)


def fail_over(cluster, node):
    cluster.pair.fail_over()
    time.sleep(cluster.lease + 1)
    cluster.pair.follow()


STRIKES = [Strike(stop_control, "node"), Strike(kill_control, "none"), Strike(fail_over, "all"), Strike(stop_node, "node"),
           Strike(step_clock_of_node, "none"), Strike(kill_node, "node"), Strike(cut("out"), "node"),
           Strike(restart_postgresql, "all"), Strike(cut("in"), "node"), Strike(step_clock_of_postgresql, "none"),
           Strike(cut("in", "out"), "node"), Strike(stop_postgresql, "all"), Strike(cut("link"), "node"),
           Strike(stop_standby, "all"), Strike(fail_over, "all")]


def wanted_strikes():
    words = os.environ.get("CLUSTER_STRIKES", "").split()
    return [one for one in STRIKES if not words or any(word in one.name for word in words)]


def strike(cluster, blow, number, host, windows, crew):
    """WINDOWS: for each node, when it may have failed to answer."""
    began = time.monotonic_ns()
    for one in crew:
        one.stay_away(blow.struck(number))
    blow.what(cluster, cluster.nodes[number])
    for one in range(len(cluster.nodes)):
        wait_until(lambda one=one: serves(cluster.nodes[one], host), f"node {one + 1} serves after {blow.name}", 90)
        if one in blow.struck(number):
            windows[one].append((began, time.monotonic_ns()))
    for one in crew:
        one.struck = set()
    print(f"{blow.name}: node {number + 1}, {(time.monotonic_ns() - began) / 1e9:.0f} s, "
          f"{sum(len(done) for one in crew for done in one.done.values())} changes so far", flush=True)


def in_window(request, windows):
    return any(request.sent <= end and request.answered >= began for began, end in windows)


# ---- judging ----

def targets_of(names, crew):
    done = {name: changes for one in crew for name, changes in one.done.items()}
    return [Target(name, True, 403, done.get(name, [])) for name in names]


def judge_all(cluster, load, names, crew, windows):
    """Stale and failed requests, each node's by itself; how many requests there were."""
    stale = failed = count = 0
    for number in range(len(cluster.nodes)):
        seen = (one for one in requests_of(load, number)
                if one.status not in (0, 503) or not in_window(one, windows[number]))
        verdict = history.judge(targets_of(names, crew), seen)
        print(f"node {number + 1}: {verdict}")
        for name, request in (verdict.stale + verdict.failed)[:10]:
            print(f"wrong: {name}, {request.status} sent at {request.sent / 1e9:.3f}, answered at {request.answered / 1e9:.3f}")
        stale += len(verdict.stale)
        failed += len(verdict.failed) + verdict.cut
        count += verdict.requests
    return stale, failed, count


def count_between(load, names, crew):
    """Answers that show the state before a change that is under way, after another node has shown the one after it."""
    seen = (one for one in load.requests() if one.status in (200, 403))
    return len(history.judge(targets_of(names, crew), seen).stale)


def look_at_the_end(cluster, hosts, names, crew):
    """What was answered is never undone."""
    wanted = {name: done for one in crew for name, done in one.done.items()}
    for name, host in zip(names[1:], hosts[1:]):
        last = wanted[name][-1].open if wanted[name] else True
        for node in cluster.nodes:
            assert members_of(node, name) == ({"allUsers"} if last else set()), (name, node.flags)
            assert node.ask(host) == (200 if last else 403), (name, node.flags)
        states = audited_states(cluster, name)
        answered = [True] + [change.open for change in wanted[name]]
        assert states == answered, f"{name}: {len(states)} changes stand in the audit log, {len(answered)} were answered"
    assert cluster.pair.sql("SELECT count(*) = max(number) - min(number) + 1 FROM homerun.change") == "t"


def audited_states(cluster, name):
    """What the policies of the service were, one after another, by the database's own rows; the same twice counts once."""
    rows = cluster.pair.sql("SELECT body FROM homerun.audit ORDER BY number").splitlines()
    policies = [row for row in map(json.loads, rows)
                if row["deed"] == "set-iam-policy" and row["resource"].endswith(f"/services/{name}")]
    states = []
    for row in policies:
        opens = "allUsers" in json.dumps(row["after"])
        if not states or states[-1] != opens:
            states.append(opens)
    return states


@test
def no_node_decides_by_a_state_that_an_answered_change_has_ended():
    need_all()
    seed = int(os.environ.get("CLUSTER_SEED", time.time_ns() % 1000000))
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    with HostedCluster(lease=LEASE) as cluster:
        names, hosts = deploy_all(cluster, SERVICES + 1)
        windows = [[] for _ in cluster.nodes]
        with contextlib.closing(load_on(cluster, hosts, REQUESTS)) as load:
            with changers(cluster, names, seed) as crew:
                for _ in range(ROUNDS):
                    for blow in wanted_strikes():
                        time.sleep(1)
                        strike(cluster, blow, chance.randrange(3), hosts[0], windows, crew)
                while not load.enough.is_set() or sum(len(d) for one in crew for d in one.done.values()) < CHANGES:
                    assert load.alive(), "the load gave up"
                    time.sleep(0.1)
            load.end()
            stale, failed, count = judge_all(cluster, load, names, crew, windows)
            between = count_between(load, names, crew)
        look_at_the_end(cluster, hosts, names, crew)
        changes = sum(len(done) for one in crew for done in one.done.values())
        print(f"{count} requests, {changes} changes, {sum(one.again for one in crew)} asked for again, the longest "
              f"{max(one.longest for one in crew) / 1e9:.1f} s, {ROUNDS * len(wanted_strikes())} strikes, seed {seed}; "
              f"{between} answers showed a change later than another node had, while it was under way")
        assert stale == 0, f"{stale} stale decisions, seed {seed}"
        assert failed == 0, f"{failed} failed requests at nodes that were not struck, seed {seed}"


LIE = """
CREATE FUNCTION homerun.lie() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE homerun.node SET applied = NEW.number;
    PERFORM pg_notify('homerun_node', epoch || ' ' || NEW.number || ' ' || name) FROM homerun.node;
    RETURN NEW;
END $$;
CREATE TRIGGER lie AFTER INSERT ON homerun.change FOR EACH ROW EXECUTE FUNCTION homerun.lie()"""


@test
def a_cluster_that_does_not_wait_for_its_nodes_is_found_out():
    """The database says of every node, as soon as a change is made, that it has applied it: so nobody waits. The same
    judge, of the same history as above, has to find stale answers, or it would prove nothing."""
    need_all()
    with HostedCluster(lease=LEASE) as cluster:
        names, hosts = deploy_all(cluster, 4)
        cluster.pair.sql(LIE)
        with contextlib.closing(load_on(cluster, hosts, 1000)) as load:
            with changers(cluster, names, 1) as crew:
                stop_for_a_moment(cluster.nodes[2])
                load.enough.wait(60)
            load.end()
            stale, _, count = judge_all(cluster, load, names, crew, [[] for _ in cluster.nodes])
        assert stale > 0, f"none of {count} answers was stale, although nobody waited"


def stop_for_a_moment(node):
    """Less than its lease: it decides on, and does not hear of changes."""
    for _ in range(3):
        time.sleep(1)
        stand_still(node.pids("control"), 1)


@test
def no_request_fails_at_a_node_that_has_a_lease():
    """With the lease that is the default: a node is killed, and PostgreSQL is away for ten seconds."""
    need_all()
    with HostedCluster(lease=15) as cluster:
        names, hosts = deploy_all(cluster, 3)
        node, windows = cluster.nodes[2], [[] for _ in cluster.nodes]
        with contextlib.closing(load_on(cluster, hosts, 1000)) as load:
            with changers(cluster, names, 1) as crew:
                began = time.monotonic_ns()
                kill_node(cluster, node)
                wait_until(lambda: serves(node, hosts[0]), "the node serves again", 60)
                windows[2].append((began, time.monotonic_ns()))
                stopped = time.monotonic()
                cluster.pair.primary.stop()
                time.sleep(max(0, stopped + 10 - time.monotonic()))
                cluster.pair.primary.start()
                print(f"PostgreSQL was away for {time.monotonic() - stopped:.1f} s")
                made = sum(len(done) for one in crew for done in one.done.values())
                wait_until(lambda: sum(len(done) for one in crew for done in one.done.values()) > made + 10,
                           "changes are made again", 60)
            load.end()
            stale, failed, count = judge_all(cluster, load, names, crew, windows)
        look_at_the_end(cluster, hosts, names, crew)
        print(f"{count} requests, {failed} failed, the longest change {max(one.longest for one in crew) / 1e9:.1f} s")
        assert (stale, failed) == (0, 0), (stale, failed)


@test
def a_full_disk_of_the_server_loses_nothing():
    """Changes are refused in words or not known while it is full, and those that were answered are there afterwards."""
    need_all()
    with HostedCluster(lease=LEASE, disk_mb=160) as cluster:
        names, hosts = deploy_all(cluster, 3)
        server, windows = cluster.pair.primary, [[] for _ in cluster.nodes]
        with contextlib.closing(load_on(cluster, hosts, 1000)) as load:
            with changers(cluster, names, 1) as crew:
                load.enough.wait(60)
                began = time.monotonic_ns()
                empty = server.fill_disk()
                said = wait_until(lambda: refusal_of(cluster.nodes[0], names[0]), "the full disk is noticed", 120)
                print("said:", said)
                time.sleep(LEASE * 2)
                empty()
                if not server.runs():
                    server.start()
                for number, node in enumerate(cluster.nodes):
                    wait_until(lambda node=node: serves(node, hosts[0]), "the node serves again", 90)
                    windows[number].append((began, time.monotonic_ns()))
                made = sum(len(done) for one in crew for done in one.done.values())
                wait_until(lambda: sum(len(done) for one in crew for done in one.done.values()) > made + 10,
                           "changes are made again", 60)
            load.end()
            stale, failed, _ = judge_all(cluster, load, names, crew, windows)
        look_at_the_end(cluster, hosts, names, crew)
        assert (stale, failed) == (0, 0), (stale, failed)


def refusal_of(node, name):
    """What a change of nothing is refused with; None if it is not. Its service is nobody else's."""
    try:
        got = set_policy(node, name, "allUsers")
    except WRONG as why:
        return str(why)
    return None if got.status == 200 else f"{got.status} {got.text}"


if __name__ == "__main__":
    if FULL:
        hosts_stand.begin()
    main()
