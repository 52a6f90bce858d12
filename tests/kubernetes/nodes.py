#!/usr/bin/env python3
"""Three nodes of Homerun in real pods, by packaging/kubernetes/homerun-nodes.yaml, with their record on a PostgreSQL that is
reached by TLS: from nothing to a first service, and what their clients see while pods are exchanged, deleted and killed.

    tests/kubernetes/run.py FOLDER --nodes [WORD…]

HOMERUN_TEST_IMAGE: the image of packaging/kubernetes/Dockerfile as `docker save` writes it. Without, one is made of the build.
"""
import contextlib
import glob
import http.client
import json
import os
import re
import shutil
import threading
import time

import pods as stand
from homerun import ROOT, fetch, finally_do, main, test, wait_until
from kube_real import path_of
from page import Shell, blocks, section, steps
from pods import ADDRESS, APP, BRIDGE, kubectl
from postgres_stand import Server, make_tls

NEXT = "registry.example/homerun:0.2.0"
NAMES = [f"homerun-{number}" for number in range(3)]
SPACE = "homerun"
PASSWORD = "open-sesame"
HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
LITTLE = ("--cpu=0.1", "--min-instances=1", "--max-instances=1")  # of the two processors that the stand's one machine has
ALL = {"role": "roles/run.invoker", "members": ["allUsers"]}


class Typed:
    """A shell that types what docs/cluster.md has below a heading, with the names that things have here."""

    def __init__(self, pods, server, authority):
        self.text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
        folder = f"{pods.folder}/typed"
        os.makedirs(folder)
        shutil.copy(authority, f"{folder}/ca.pem")
        os.symlink(ROOT / "packaging", f"{folder}/packaging")
        self.shell = Shell(folder, {**os.environ, "PATH": f"{server.bin}:{pods.bin}:{os.environ['PATH']}", "PGHOST": server.folder,
                                    "PGUSER": "postgres", "KUBECONFIG": f"{pods.folder}/admin"})
        finally_do(self.shell.close)

    def type(self, title, only="", since="", until=None):
        """Of each block that has ONLY in it: from the command that begins with SINCE up to the one that begins with UNTIL."""
        count = 0
        for block in blocks(section(self.text, title)):
            commands = [command for command, _ in steps(block)] if only in block.text else []
            first = next((i for i, command in enumerate(commands) if command.startswith(since)), len(commands))
            last = next((i for i, command in enumerate(commands) if until and command.startswith(until)), len(commands))
            for command in commands[first:last]:
                for word, real in (("PASSWORD'", f"{PASSWORD}'"), ("db.example.com", ADDRESS), ("--image=" + HELLO, " ".join((f"--image={APP}", *LITTLE)))):
                    command = command.replace(word, real)
                status, printed = self.shell.type(command)
                assert status == 0, f"{title}, {command}: {printed}"
                count += 1
        assert count > 0, f"{title}: nothing to type"


def pod_of(pods, name):
    status, pod = pods.call("GET", path_of("pods", SPACE, name))
    return pod if status == 200 else None


def restarts(pods, name):
    return sum(each["restartCount"] for each in pod_of(pods, name)["status"]["containerStatuses"])


def is_ready(pods, name, but=None):
    """Whether the pod of this name, that is not the one with the uid BUT, is ready."""
    pod = pod_of(pods, name)
    return pod is not None and pod["metadata"]["uid"] != but and "deletionTimestamp" not in pod["metadata"] and any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def in_pod(pods, name, *words):
    return kubectl(pods, "-n", SPACE, "exec", name, "--", "homerun", *words, "--data", "/data/homerun")


def ready_addresses(pods):
    """Of Homerun's Service: what a balancer would use."""
    status, answer = pods.call("GET", path_of("endpointslices", SPACE) + "?labelSelector=kubernetes.io/service-name%3Dhomerun")
    assert status == 200, answer
    return sorted(address for each in answer["items"] for endpoint in each["endpoints"] or []
                  if endpoint["conditions"].get("ready") for address in endpoint["addresses"])


class Nodes:
    """The cluster's pods, database, and what a client knows. They come by what docs/cluster.md has below the heading TITLE."""

    def __init__(self, title="Three nodes in pods", only=""):
        self.pods = pods = stand.cluster()
        self.server = server = Server(address=ADDRESS)
        finally_do(server.close)
        tls = make_tls([f"db.example.com,IP:{ADDRESS}"])
        server.speak_tls(tls)
        server.allow(f"hostssl homerun homerun {BRIDGE}.0/24 scram-sha-256")
        self.page = Typed(pods, server, f"{tls}/ca.pem")
        self.page.type("From nothing to three nodes", "createdb")
        begun = time.monotonic()
        self.page.type(title, only)
        print(f"# from nothing to the first service: {time.monotonic() - begun:.1f} s", flush=True)
        in_pod(pods, "homerun-0", "deploy", "gated", f"--image={APP}", *LITTLE)
        self.url = json.loads(in_pod(pods, "homerun-0", "services", "describe", "hello", "--format=json"))["uri"]
        uid = pod_of(pods, "homerun-0")["metadata"]["uid"]
        self.ca, = glob.glob(f"{pods.folder}/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/data/homerun/ca.pem")
        self.ca = self.keep(self.ca)
        in_pod(pods, "homerun-0", "services", "add-iam-policy-binding", "hello", "--member=allUsers", "--role=roles/run.invoker")
        wait_until(lambda: len(ready_addresses(pods)) == 3, "the Service has three")

    def keep(self, path):
        """A pod's folder goes with the pod."""
        with open(path, "rb") as file, open(f"{self.pods.folder}/homerun-ca.pem", "wb") as out:
            out.write(file.read())
        return out.name

    def get(self, address, url=None):
        return fetch(url or self.url, connect=address, ca=self.ca)

    def api(self, name, method, path, body=None):
        """The API of a node, from Homerun's namespace."""
        token = in_pod(self.pods, name, "token", "access").strip()
        return fetch(f"http://{pod_of(self.pods, name)['status']['podIP']}:8080{path}", method=method, connect=pod_of(self.pods, name)["status"]["podIP"],
                     headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                     body=None if body is None else json.dumps(body).encode())


_nodes = None


def nodes():
    global _nodes
    if _nodes is None:
        _nodes = Nodes()
    return _nodes


class Ready(threading.Thread):
    """The addresses that are ready, as a balancer learns them: a little late."""

    def __init__(self, pods):
        super().__init__(daemon=True)
        self.pods, self.addresses, self.ended = pods, ready_addresses(pods), threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.5):
            with contextlib.suppress(OSError, http.client.HTTPException):  # the API server is away: what was known holds
                self.addresses = ready_addresses(self.pods)


class Load(threading.Thread):
    """Asks the service again and again, at each ready node in turn, on a connection of its own each time."""

    def __init__(self, nodes, ready):
        super().__init__(daemon=True)
        self.nodes, self.ready, self.ended, self.answers, self.wrong = nodes, ready, threading.Event(), 0, []
        self.start()

    def run(self):
        while not self.ended.is_set():
            addresses = self.ready.addresses
            address = addresses[self.answers % len(addresses)] if addresses else "nowhere"
            try:
                answer = self.nodes.get(address)
                if answer.status != 200:
                    self.wrong.append((address, answer.status, answer.text[:200]))
            except (OSError, http.client.HTTPException) as why:
                self.wrong.append((address, repr(why)))
            self.answers += 1

    def stop(self):
        self.ended.set()
        self.join(90)
        assert not self.is_alive()


class Changes(threading.Thread):
    """Opens and closes a service at one ready node after the other; when the answer is there, each ready node has to go by it."""

    def __init__(self, nodes, ready):
        super().__init__(daemon=True)
        self.nodes, self.ready, self.ended, self.made, self.wrong = nodes, ready, threading.Event(), 0, []
        self.url = json.loads(in_pod(nodes.pods, "homerun-0", "services", "describe", "gated", "--format=json"))["uri"]
        self.token = in_pod(nodes.pods, "homerun-0", "token", "access").strip()
        self.path = "/v2/projects/demo/locations/us-central1/services/gated:setIamPolicy"
        self.start()

    def run(self):
        while not self.ended.is_set():
            public = self.made % 2 == 0
            addresses = self.ready.addresses
            at = addresses[self.made % len(addresses)]
            try:
                done = fetch(f"http://{at}:8080{self.path}", method="POST", connect=at, headers={
                    "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
                    body=json.dumps({"policy": {"bindings": [ALL] if public else []}}).encode(), seconds=60)
                if done.status != 200:
                    self.wrong.append((at, done.status, done.text[:300]))
                    continue
                for address in self.ready.addresses:
                    status = self.nodes.get(address, self.url).status
                    if status != (200 if public else 403):
                        self.wrong.append((address, public, status))
            except (OSError, http.client.HTTPException) as why:
                self.wrong.append((at, repr(why)))
            self.made += 1

    stop = Load.stop


class Watched:
    """Load and changes while something is done."""

    def __init__(self, all_nodes):
        self.ready = Ready(all_nodes.pods)
        self.loads = [Load(all_nodes, self.ready) for _ in range(2)]
        self.changes = Changes(all_nodes, self.ready)

    def __enter__(self):
        wait_until(lambda: self.changes.made >= 2 and all(each.answers > 5 for each in self.loads), "the load is under way", 90)
        return self

    def __exit__(self, *failed):
        for each in (*self.loads, self.changes):
            each.stop()
        self.ready.ended.set()
        self.ready.join()

    @property
    def answers(self):
        return sum(each.answers for each in self.loads)

    @property
    def wrong(self):
        return [fault for each in (*self.loads, self.changes) for fault in each.wrong]

    def say(self, what):
        print(f"# {what}: {self.answers} requests and {self.changes.made} changes of access, {len(self.wrong)} went wrong; "
              f"{len(self.loads[0].nodes.pods.objects('pods'))} pods in the end", flush=True)


@test
def three_nodes_come_from_nothing_by_the_manifest_and_serve():
    all_nodes = nodes()
    wait_until(lambda: len(re.findall(r"^homerun-[012]\s.*SERVING", in_pod(all_nodes.pods, "homerun-2", "nodes", "list"), re.M)) == 3,
               "the third node knows all three")
    addresses = ready_addresses(all_nodes.pods)
    assert len(addresses) == 3, addresses
    for address in addresses:
        answer = all_nodes.get(address)
        assert answer.status == 200 and answer.json["env"]["K_SERVICE"] == "hello", answer
    for name in NAMES:
        said = kubectl(all_nodes.pods, "-n", SPACE, "logs", name)
        assert PASSWORD not in said and "not complete" not in said, said
        assert restarts(all_nodes.pods, name) == 0, said


@test
def what_is_changed_at_one_node_is_in_force_at_all():
    with Watched(nodes()) as watched:
        wait_until(lambda: watched.changes.made >= 12, "some changes", 120)
    watched.say("at rest")
    assert watched.wrong == [], watched.wrong[:3]


@test
def nodes_are_exchanged_one_after_the_other_and_no_request_fails():
    all_nodes = nodes()
    pods = all_nodes.pods
    before = {name: pod_of(pods, name)["metadata"]["uid"] for name in NAMES}
    begun = time.monotonic()
    assert pods.ctr("image", "tag", stand.SELF, NEXT).returncode == 0
    with Watched(all_nodes) as watched:
        kubectl(pods, "-n", SPACE, "set", "image", "statefulset/homerun", f"homerun={NEXT}")
        wait_until(lambda: all(is_ready(pods, name, before[name]) for name in NAMES), "each pod is a new one", 400)
        took = time.monotonic() - begun
    watched.say(f"rolling update of three nodes, {took:.0f} s")
    assert watched.wrong == [], (len(watched.wrong), watched.wrong[:3])
    assert [restarts(pods, name) for name in NAMES] == [0, 0, 0]


@test
def a_node_that_is_deleted_is_made_anew_and_no_request_fails():
    all_nodes = nodes()
    pods = all_nodes.pods
    before = pod_of(pods, "homerun-1")["metadata"]["uid"]
    with Watched(all_nodes) as watched:
        kubectl(pods, "-n", SPACE, "delete", "pod", "homerun-1", "--wait=false")
        wait_until(lambda: is_ready(pods, "homerun-1", before), "it is there again", 180)
    watched.say("a pod is deleted")
    assert watched.wrong == [], (len(watched.wrong), watched.wrong[:3])


@test
def a_node_that_is_killed_takes_its_own_requests_with_it_and_no_others():
    """No time to end: what it had fails, and a change waits for the rest of its lease. Its successor has the same name."""
    all_nodes = nodes()
    pods = all_nodes.pods
    killed = pod_of(pods, "homerun-2")
    address, before = killed["status"]["podIP"], killed["metadata"]["uid"]
    with Watched(all_nodes) as watched:
        begun = time.monotonic()
        kubectl(pods, "-n", SPACE, "delete", "pod", "homerun-2", "--grace-period=0", "--force", "--wait=false")
        wait_until(lambda: is_ready(pods, "homerun-2", before), "it is there again", 180)
        took = time.monotonic() - begun
    watched.say(f"a pod is killed, and ready again after {took:.0f} s")
    elsewhere = [fault for fault in watched.wrong if fault[0] != address]
    assert elsewhere == [], (len(elsewhere), elsewhere[:3])


@test
def a_password_is_exchanged_without_a_restart():
    all_nodes = nodes()
    pods, server = all_nodes.pods, all_nodes.server
    before = {name: pod_of(pods, name)["metadata"]["uid"] for name in NAMES}
    secret = json.dumps({"stringData": {"pass": "*:*:*:*:another\n"}})
    kubectl(pods, "-n", SPACE, "patch", "secret", "homerun-store", "-p", secret)
    folders = [f"{pods.folder}/kubelet/pods/{uid}/volumes/kubernetes.io~secret/store/pass" for uid in before.values()]
    wait_until(lambda: all("another" in open(path, encoding="ascii").read() for path in folders), "each pod has the new file", 180)
    server.sql("ALTER ROLE homerun PASSWORD 'another'")
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'homerun'")
    wait_until(lambda: len(ready_addresses(pods)) == 3, "all are ready", 60)
    with Watched(all_nodes) as watched:
        wait_until(lambda: watched.changes.made >= 4, "some changes", 60)
    assert watched.wrong == [], watched.wrong[:3]
    assert {name: pod_of(pods, name)["metadata"]["uid"] for name in NAMES} == before
    assert [restarts(pods, name) for name in NAMES] == [0, 0, 0]


@test
def a_backup_is_gone_back_to():
    """What was opened since then is closed again."""
    all_nodes = nodes()
    pods = all_nodes.pods
    path = "/v2/projects/demo/locations/us-central1/services/gated:setIamPolicy"
    url = json.loads(in_pod(pods, "homerun-0", "services", "describe", "gated", "--format=json"))["uri"]
    assert all_nodes.api("homerun-0", "POST", path, {"policy": {"bindings": []}}).status == 200
    all_nodes.page.type("Backup", "pg_dump")
    assert all_nodes.api("homerun-0", "POST", path, {"policy": {"bindings": [ALL]}}).status == 200
    scale = lambda number: kubectl(pods, "-n", SPACE, "scale", "statefulset/homerun", f"--replicas={number}")
    scale(0)
    wait_until(lambda: all(pod_of(pods, name) is None for name in NAMES), "no node is there", 180)
    all_nodes.page.type("Backup", "pg_restore")
    scale(3)
    wait_until(lambda: all(is_ready(pods, name) for name in NAMES), "three nodes are ready", 180)
    for name in NAMES:
        address = pod_of(pods, name)["status"]["podIP"]
        assert all_nodes.get(address).status == 200
        assert all_nodes.get(address, url).status == 403


@test
def the_cluster_itself_ends_no_second_node_while_one_is_away():
    """What `kubectl drain` asks for."""
    pods = nodes().pods
    def evict(name):
        return pods.call("POST", path_of("pods", SPACE, name) + "/eviction",
                         {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name, "namespace": SPACE}})[0]
    wait_until(lambda: all(is_ready(pods, name) for name in NAMES), "all are ready", 180)
    budget = path_of("poddisruptionbudgets", SPACE, "homerun")
    wait_until(lambda: pods.call("GET", budget)[1].get("status", {}).get("disruptionsAllowed") == 1, "one may go", 60)
    before = pod_of(pods, "homerun-0")["metadata"]["uid"]
    assert evict("homerun-0") == 201
    assert evict("homerun-1") == 429
    wait_until(lambda: is_ready(pods, "homerun-0", before), "it is there again", 180)


if __name__ == "__main__":
    main()
