#!/usr/bin/env python3
"""Three nodes send requests to the same pods: an instance never has more under way than its concurrency."""
import collections
import contextlib
import os
import signal
import tempfile
import threading
import time
import urllib.parse

from by_api import RUN, SCALE, deploy
from cluster_stand import LEASE, Cluster, ask_all
from homerun import PYTHON, Skip, fetch, finally_do, main, program_folder, test, wait_until
from kube_fake import FakeCluster
from kube_real import RealCluster

_stand = None


class Stand:
    def __init__(self, *flags):
        programs = os.environ.get("HOMERUN_TEST_CLUSTER")  # make test-kubernetes
        self.kube = RealCluster(programs) if programs else FakeCluster()
        finally_do(self.kube.close)
        self.folder = tempfile.mkdtemp(prefix="homerun-places-")
        flags = ("--engine=kubernetes", f"--kubeconfig={self.kube.kubeconfig}", "--kubernetes-owner=places",
                 "--workers=2", *flags)
        self.cluster = Cluster(flags=(flags, flags, flags))
        finally_do(self.cluster.__exit__)
        self.nodes = self.cluster.nodes

    def deploy(self, name, concurrency, most):
        """The service's host, once all nodes serve it."""
        image = f"registry.example/{name}:1"
        self.kube.programs[image] = [PYTHON, f"{program_folder()}/counting_container.py", "{address}", "{port}",
                                     f"{self.folder}/{name}"]
        host = deploy(self.nodes[0], name, image, spec={"containerConcurrency": concurrency},
                      template_notes={SCALE + "maxScale": str(most), SCALE + "minScale": "1"})
        host = host.split(":")[0]
        wait_until(lambda: ask_all(self.nodes, host) == [200] * 3, "each node knows it")
        return host

    def pods(self, name):
        return [pod for pod in self.kube.objects("pods") if pod["metadata"]["name"].startswith(f"{name}-")]

    def replicas(self, name):
        return next((one["spec"]["replicas"] for one in self.kube.objects("deployments")
                     if one["metadata"]["name"].startswith(f"{name}-")), 0)

    def counted(self, name):
        """The most that an instance of it had under way at once."""
        with open(f"{self.folder}/{name}", encoding="ascii") as file:
            return max(int(line) for line in file)


def stand():
    global _stand
    if _stand is None:
        _stand = Stand()
    return _stand


def ask(node, host, path):
    port = urllib.parse.urlsplit(node.ready["http"]).port
    return fetch(f"http://127.0.0.1:{port}{path}", headers={"Host": host}, seconds=60).status


class Load:
    """So many clients at each node, until the end of the block; statuses and times by node."""

    def __init__(self, nodes, host, clients, path="/", pause=0.0):
        self.statuses = [collections.Counter() for _ in nodes]
        self.longest = [0.0] * len(nodes)
        self.ends = False
        self.threads = [threading.Thread(target=self.ask, args=(i, node, host, path, pause), daemon=True)
                        for i, node in enumerate(nodes) for _ in range(clients)]

    def ask(self, number, node, host, path, pause):
        while not self.ends:
            began = time.monotonic()
            try:
                status = ask(node, host, path)
            except OSError as why:
                status = type(why).__name__
            self.statuses[number][status] += 1
            self.longest[number] = max(self.longest[number], time.monotonic() - began)
            time.sleep(pause if status == 200 else 0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *ignored):
        self.ends = True
        for thread in self.threads:
            thread.join(90)

    def served(self, number):
        return self.statuses[number][200]

    def wait_served(self, number, more, seconds=60):
        """MORE than now, at that node."""
        wanted = self.served(number) + more
        wait_until(lambda: self.served(number) >= wanted, f"node {number + 1} serves", seconds)


def everybody(node):
    return [node.process.pid] + [one["pid"] for one in node.read_ready()["processes"]]


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@test
def one_place_goes_round_among_all_nodes():
    host = stand().deploy("one", concurrency=1, most=1)
    with Load(stand().nodes, host, clients=2) as load:
        for number in range(3):
            load.wait_served(number, 8)
    assert stand().counted("one") == 1, (stand().counted("one"), load.statuses)
    assert len(stand().pods("one")) == 1, stand().pods("one")  # the most of all nodes together
    assert all(set(one) == {200} for one in load.statuses), load.statuses


@test
def many_places_are_divided():
    host = stand().deploy("many", concurrency=7, most=1)
    with Load(stand().nodes, host, clients=5, path="/?seconds=0.03") as load:
        for number in range(3):
            load.wait_served(number, 40)
    assert 3 <= stand().counted("many") <= 7, (stand().counted("many"), load.statuses)
    assert all(set(one) == {200} for one in load.statuses), load.statuses


@test
def who_finds_all_places_in_use_asks_for_another_instance():
    host = stand().deploy("more", concurrency=1, most=3)
    with Load(stand().nodes[:2], host, clients=1, path="/?seconds=1") as load:
        wait_until(lambda: len(stand().pods("more")) >= 2, "a second pod")
        for number in range(2):
            load.wait_served(number, 1)
    assert stand().counted("more") == 1, (stand().counted("more"), load.statuses)


def ask_places(what):
    cluster = stand().cluster
    return cluster.server.sql(f"SELECT {what} FROM homerun.place", cluster.database).strip()


def lacks(name):
    """Others have all places, and a request waits at this node."""
    return ask_places(rf"count(*) FILTER (WHERE division ~ '\nn \d+ [1-9]\d* \d+ {name}\n')") != "0"


def say_again(times):
    """Who lacks a place says so each second, and the others hear it."""
    wanted = int(ask_places("max(version)")) + times
    wait_until(lambda: int(ask_places("max(version)")) >= wanted, "it was said again")


@test
def who_takes_over_an_engine_keeps_what_is_under_way():
    """What others said while it stood still was for the engine before: the next one hears it first."""
    host = stand().deploy("kept", concurrency=1, most=1)
    one, two = stand().nodes[:2]
    answers = []
    long = threading.Thread(target=lambda: answers.append(ask(one, host, "/?seconds=6")), daemon=True)
    long.start()
    with Load([two], host, clients=1) as other:
        wait_until(lambda: lacks("n2"), "the request at the first node has the place")
        engine = one.pids("engine")
        send(engine, signal.SIGSTOP)
        say_again(2)
        send(engine, signal.SIGKILL)
        long.join(60)
        other.wait_served(0, 2)
    assert stand().counted("kept") == 1, (stand().counted("kept"), answers, other.statuses)
    assert answers == [200] and set(other.statuses[0]) == {200}, (answers, other.statuses)


def asked_for(kube, name):
    """The replicas that the Deployment of the service has had, one number after the other."""
    seen = []
    with kube.store.lock:
        for _, kind, plural, _, value in kube.store.history:
            if plural == "deployments" and value["metadata"]["name"].startswith(f"{name}-"):
                number = None if kind == "DELETED" else value["spec"]["replicas"]
                seen += [number] if seen[-1:] != [number] else []
    return seen


def turning_points(numbers):
    """Without those on the way from one to another: what is ended is ended one after the other."""
    return [one for i, one in enumerate(numbers)
            if i in (0, len(numbers) - 1) or not min(numbers[i - 1], numbers[i + 1]) < one < max(numbers[i - 1], numbers[i + 1])]


def set_manual(node, name, number):
    answer = node.api("PATCH", f"/v2/projects/demo/locations/us-central1/services/{name}?updateMask=scaling",
                      {"scaling": {"scalingMode": "MANUAL", "manualInstanceCount": number}})
    assert answer.status == 200, answer


@test
def a_manual_number_is_what_was_asked_for_last_at_any_node():
    kube, nodes = stand().kube, stand().nodes
    if not hasattr(kube, "store"):
        raise Skip("the history of a real server is not kept")
    slow = f"{stand().folder}/slow"
    image = "registry.example/manual:1"
    kube.programs[image] = ["sh", "-c", f"test ! -e {slow} || exec sleep 600; exec {PYTHON} {program_folder()}/counting_container.py"
                            f" {{address}} {{port}} {stand().folder}/manual"]
    deploy(nodes[0], "manual", image, notes={RUN + "scalingMode": "manual", RUN + "manualInstanceCount": "1"})
    wait_until(lambda: stand().replicas("manual") == 1, "one is asked for")
    numbers = [1]
    for node, number in zip(nodes * 2, (4, 1, 3, 2)):
        set_manual(node, "manual", number)
        wait_until(lambda number=number: stand().replicas("manual") == number, f"{number} are asked for")
        wait_until(lambda number=number: len(stand().pods("manual")) == number, f"{number} are there")
        numbers.append(number)
    # Those that serve no more, and those that have not come and never will, count as well.
    open(slow, "w", encoding="ascii").close()
    for pod in stand().pods("manual"):
        kube.processes[pod["metadata"]["name"]].kill()
    wait_until(lambda: not any(pod["status"]["containerStatuses"][0]["ready"] for pod in stand().pods("manual")), "none serves")
    for node, number in zip(nodes, (1, 5, 3)):
        set_manual(node, "manual", number)
        wait_until(lambda number=number: stand().replicas("manual") == number, f"{number} are asked for")
        numbers.append(number)
    seen = asked_for(kube, "manual")
    assert turning_points(seen) == turning_points([0, *numbers]), (seen, numbers)


def passed_over(name):
    return lambda: name in stand().cluster.rows("name", "NOT serves")


@test
def a_node_that_stands_still_or_dies_leaves_its_places_to_the_others():
    host = stand().deploy("still", concurrency=1, most=1)
    two, three = stand().nodes[1:]
    with Load(stand().nodes, host, clients=2) as load:
        for number in range(3):
            load.wait_served(number, 3)
        stopped = everybody(two)
        send(stopped, signal.SIGSTOP)
        try:
            send(everybody(three), signal.SIGKILL)
            three.process.wait()
            os.unlink(three.ready_file)
            wait_until(passed_over("n2"), "the one that stands still is passed over", 30 * LEASE)
            wait_until(passed_over("n3"), "the one that died is passed over", 30 * LEASE)
            load.wait_served(0, 8)
        finally:
            send(stopped, signal.SIGCONT)
        load.wait_served(1, 5)
        three.start()
        with Load([three], host, clients=2) as again:
            again.wait_served(0, 5)
            assert three.stop() == 0  # in the midst of it: it has said that it is gone
            assert stand().cluster.rows() == ["n1", "n2"], stand().cluster.rows()
            load.wait_served(0, 5)
    assert stand().counted("still") == 1, (stand().counted("still"), load.statuses)
    assert set(load.statuses[0]) == {200}, load.statuses


if __name__ == "__main__":
    main()
