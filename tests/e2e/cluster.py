#!/usr/bin/env python3
"""Several nodes with one record: a change that is answered is in force on each of them, or they decide nothing."""
import contextlib
import os
import signal
import time

from by_api import SERVICES, set_policy
from cluster_stand import LEASE, Cluster, ask, ask_all, node
from homerun import finally_do, main, test, wait_until
from postgres_stand import homerun_on

_cluster = None


def cluster():
    global _cluster
    if _cluster is None:
        _cluster = Cluster()
        _cluster.host = _cluster.deploy("a", public=False)
    return _cluster


@finally_do
def stop_cluster():
    if _cluster is not None:
        _cluster.__exit__()


@contextlib.contextmanager
def stopped(homerun, *roles):
    """Its processes stand still, as those of a machine that sleeps."""
    pids = [pid for role in roles for pid in homerun.pids(role)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@test
def a_change_that_is_answered_is_in_force_on_every_node():
    nodes = cluster().nodes
    for i in range(12):
        opens = i % 2 == 0
        got = set_policy(nodes[i % 3], "a", *(["allUsers"] if opens else []))
        assert got.status == 200, got
        seen = ask_all(nodes, cluster().host)
        assert seen == [200 if opens else 403] * 3, (i, seen)


@test
def a_node_that_cannot_renew_decides_nothing_and_is_not_waited_for_twice():
    one, two, _ = cluster().nodes
    host = cluster().host
    assert set_policy(one, "a", "allUsers").status == 200
    with stopped(two, "control"):
        assert set_policy(one, "a").status == 200
        # It was answered: from now on nobody may be let in by what was.
        assert ask(two, host) == 503
        assert ask(one, host) == 403
        began = time.monotonic()
        assert set_policy(one, "a", "allUsers").status == 200
        assert time.monotonic() - began < LEASE, "the dead node was waited for again"
        assert ask(two, host) == 503
    wait_until(lambda: ask(two, host) == 200, "the node has caught up")


@test
def without_postgresql_no_node_decides_and_the_api_says_so():
    nodes = cluster().nodes
    host = cluster().host
    assert set_policy(nodes[0], "a", "allUsers").status == 200
    cluster().server.stop()
    try:
        wait_until(lambda: ask_all(nodes, host) == [503] * 3, "the leases have run out")
        got = nodes[1].api("GET", SERVICES)
        assert got.status == 503 and "cut off" in got.text, got
        assert nodes[1].api("GET", "/homerun/v1/health", token="").status == 200
    finally:
        cluster().server.start()
    wait_until(lambda: ask_all(nodes, host) == [200] * 3, "all serve again")


@test
def who_is_not_of_the_cluster_is_refused():
    server, database = cluster().server, cluster().database
    for other, words in ((homerun_on(server, database), "belongs to another installation"),
                         (node(server, database, "stranger"), "belongs to another installation")):
        with contextlib.closing(other):
            other.spawn()
            assert other.stop(None) != 0
            assert words in other.printed(), other.printed()
    alone = node(server, database, "n9", cluster().nodes[0])
    with contextlib.closing(alone):
        alone.flags = tuple(flag for flag in alone.flags if flag != "--cluster")
        alone.spawn()
        assert alone.stop(None) != 0
        assert "works by the record of" in alone.printed(), alone.printed()


@test
def a_node_that_ends_is_not_waited_for():
    three = cluster().nodes[2]
    assert three.stop() == 0
    assert cluster().rows() == ["n1", "n2"]
    assert set_policy(cluster().nodes[0], "a", "allUsers").status == 200
    three.start()
    assert cluster().rows() == ["n1", "n2", "n3"]
    assert ask(three, cluster().host) == 200


if __name__ == "__main__":
    main()
