#!/usr/bin/env python3
"""Several nodes with one record: a change that is answered is in force on each of them, or they decide nothing."""
import base64
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

from by_api import SERVICES, add_odd_image, make_account, put_service, set_policy
from cluster_stand import LEASE, Cluster, ask, ask_all, node
from faults_stand import kill, wait_successor
from grpc_stand import begin, end, frame, text
from homerun import PYTHON, fetch, finally_do, main, program_folder, test, wait_until
from postgres_stand import homerun_on, run

ACCOUNTS = "/v1/projects/demo/serviceAccounts"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
NODE_FLAGS = ("--store", "--cluster", "--node", "--lease")
_cluster = None


def cluster():
    global _cluster
    if _cluster is None:
        _cluster = Cluster(flags=((), (), ("--when-cut-off=serve-stale",)))
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


def kill_all(homerun):
    """As if the machine had lost its power."""
    for one in homerun.read_ready()["processes"]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one["pid"], signal.SIGKILL)
    homerun.process.wait()
    os.unlink(homerun.ready_file)


def make_account_status(homerun, name):
    return homerun.api("POST", ACCOUNTS, {"accountId": name}).status


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
    one, two, three = cluster().nodes
    host = cluster().host
    assert set_policy(one, "a", "allUsers").status == 200
    kill_all(three)
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
    assert cluster().rows(where="NOT serves") == ["n3"]
    two.cli("nodes", "remove", "n3")
    assert cluster().rows() == ["n1", "n2"]
    three.start()
    assert cluster().rows() == ["n1", "n2", "n3"]
    assert ask(three, host) == 200


def by_grpc(homerun):
    """(grpc-status, its words, the head of the answer in small letters) of a list of services."""
    client = begin("ListServices", frame(text(1, f"projects/demo/locations/{homerun.ready['region']}")), homerun=homerun)
    answer = b""
    while chunk := client.recv(65536):
        answer += chunk
    status, words, _, _ = end(client, answer)
    return status, words, answer.partition(b"\r\n\r\n")[0].decode().lower()


class Stream:
    """A call by gRPC whose answer goes on."""

    def __init__(self, homerun, service, method, message=b"", **more):
        self.client = begin(method, frame(message), homerun=homerun, service=service, **more)
        self.seen = b""

    def read_until(self, wanted):
        """WANTED has come, behind what was waited for before."""
        while wanted not in self.seen:
            chunk = self.client.recv(65536)
            assert chunk, f"{wanted} never came: {self.seen}"
            self.seen += chunk
        self.seen = self.seen.partition(wanted)[2]


def grpc_of_service(homerun, host):
    """The answer to a call by gRPC of a service, at this node."""
    port = urllib.parse.urlsplit(homerun.ready["http"]).port
    return fetch(f"http://127.0.0.1:{port}/a.B/C", "POST", {"Host": host, "Content-Type": "application/grpc", "TE": "trailers"}, frame(b""))


@test
def without_postgresql_no_node_decides_but_who_was_told_to_go_on():
    one, two, three = cluster().nodes
    host = cluster().host
    private = cluster().deploy("private", public=False)
    assert set_policy(one, "a", "allUsers").status == 200
    serving, not_serving = b"2\r\n\x08\x01\r\n", b"2\r\n\x08\x02\r\n"
    health = Stream(two, "grpc.health.v1.Health", "Watch", token="")
    health.read_until(serving)
    logs = Stream(two, "google.logging.v2.LoggingServiceV2", "TailLogEntries", text(1, "projects/demo"))
    logs.read_until(frame(b""))
    cluster().server.stop()
    try:
        wait_until(lambda: ask_all((one, two), host) == [503] * 2, "the leases have run out")
        assert "is cut off from the record" in one.cli("nodes", "list", status=1).stderr
        got = two.api("GET", SERVICES)
        assert got.status == 503 and "cut off" in got.text, got
        assert two.api("GET", "/homerun/v1/health", token="").json == {"status": "NOT_SERVING"}
        wait_until(lambda: three.api("GET", SERVICES).headers.get("homerun-cut-off") == "true", "it says so")
        assert ask(three, host) == 200
        status, words, head = by_grpc(two)
        assert status == 14 and "cut off" in words and "homerun-cut-off" not in head, (status, words, head)
        status, words, head = by_grpc(three)
        assert status == 0 and "homerun-cut-off: true" in head and "warning: 110 " in head, (status, words, head)
        health.read_until(not_serving)
        logs.read_until(b"grpc-status: 14\r\n")
        for path in ("/token", "/console/session", "/v1/projects/none"):  # whatever it is, and by whichever way it is said
            assert three.api("GET", path).headers.get("homerun-cut-off") == "true", path
        for service in (host, private):
            got = grpc_of_service(one, service)
            assert got.status == 503 and got.headers["retry-after"], (service, got)
    finally:
        cluster().server.start()
    wait_until(lambda: ask_all((one, two, three), host) == [200] * 3, "all serve again")
    health.read_until(serving)
    health.client.close()
    wait_until(lambda: three.api("GET", SERVICES).headers.get("homerun-cut-off") is None, "it has caught up")


def exchange(server, name, other):
    """The database gets another name, without anybody in it meanwhile."""
    server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.sql(f"SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = '{name}'")
    server.sql(f"ALTER DATABASE {name} RENAME TO {other}")


@test
def a_backup_that_is_put_back_under_running_nodes_ends_their_decisions():
    server, database, host = cluster().server, cluster().database, cluster().host
    nodes = cluster().nodes[:2]  # the third was told to go on
    assert set_policy(nodes[0], "a", "allUsers").status == 200
    dump = f"{server.folder}/dump"
    run(f"{server.bin}/pg_dump", "--format=custom", f"--file={dump}", server.url(database))
    assert set_policy(nodes[0], "a").status == 200
    assert ask_all(nodes, host) == [403, 403]
    exchange(server, database, "kept")
    server.sql(f"CREATE DATABASE {database}")
    run(f"{server.bin}/pg_restore", f"--dbname={server.url(database)}", dump)
    wait_until(lambda: ask_all(nodes, host) == [503, 503], "nobody decides by a record that is no more")
    refused = set_policy(nodes[0], "a", "allUsers")
    assert refused.status == 503 and "older state" in refused.text, refused
    assert "does not know change" in nodes[0].printed()
    exchange(server, database, "older")
    exchange(server, "kept", database)
    server.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    wait_until(lambda: ask_all(nodes, host) == [403, 403], "the nodes go on by the record that they know")
    wait_until(lambda: set_policy(nodes[1], "a").status == 200, "changes are taken again")


@test
def who_is_not_of_the_cluster_is_refused():
    server, database, first = cluster().server, cluster().database, cluster().nodes[0]
    other_keys = node(server, database, "n8", first)
    os.unlink(f"{other_keys.data}/signer/secrets.key")
    alone = node(server, database, "n9", first)
    alone.flags = tuple(flag for flag in alone.flags if flag != "--cluster")
    refused = [(homerun_on(server, database), "belongs to another installation"),
               (node(server, database, "n7", first, "--project=other"),
                "the nodes of this cluster have --project=demo, and this one has --project=other"),
               (node(server, database, "stranger"), "belongs to another installation"),
               (other_keys, "has another key of secrets than the cluster"),
               (node(server, database, "n2", first), "another node of this cluster has the name n2"),
               (alone, "as a node of a cluster")]
    with contextlib.ExitStack() as stack:
        for homerun, _ in refused:
            stack.callback(homerun.close)
            homerun.spawn()
        for homerun, words in refused:
            assert homerun.stop(None) != 0
            assert words in homerun.printed(), homerun.printed()


@test
def a_node_whose_flags_are_others_says_which_and_how_they_differ():
    server, database, first = cluster().server, cluster().database, cluster().nodes[0]
    with contextlib.ExitStack() as stack:
        for name, ours, theirs in (("n6", "other.test", "run.localhost"), ("n5", "run.localhost", "other.test")):
            other = node(server, database, name, first, f"--domain={ours}")
            stack.callback(other.close)
            other.start()
            assert f"--domain={ours}, and the one that started before it --domain={theirs}" in other.printed()
            assert "--region" not in other.printed() and other.stop() == 0


@test
def a_fresh_folder_that_was_refused_starts_elsewhere_as_if_nothing_had_been():
    server, database = cluster().server, cluster().database
    newer = server.database()
    server.sql("CREATE SCHEMA homerun; CREATE TABLE homerun.meta (name text PRIMARY KEY, value text);"
               " INSERT INTO homerun.meta VALUES ('schema', '99')", newer)
    with contextlib.ExitStack() as stack:
        nowhere = node(server, "record", "n1")
        nowhere.flags = tuple(flag.replace(server.folder, "/nowhere/at/all") for flag in nowhere.flags)
        refused = [(node(server, newer, "n1"), "newer Homerun"),
                   (node(server, database, "n9"), "belongs to another installation"),
                   (homerun_on(server, database), "belongs to another installation"),
                   (nowhere, "/nowhere/at/all")]
        for homerun, _ in refused:
            stack.callback(homerun.close)
            homerun.spawn()
        for homerun, words in refused:
            assert homerun.stop(None) != 0
            assert words in homerun.printed(), homerun.printed()
            left = set(os.listdir(homerun.data))
            assert left <= {"lock", "log"}, (words, left)
        nowhere.flags = tuple(flag for flag in nowhere.flags if flag.split("=")[0] not in NODE_FLAGS)
        assert nowhere.start().api("GET", SERVICES).status == 200


@test
def what_other_nodes_change_is_in_the_index_as_if_it_had_been_made_anew():
    one, two, three = cluster().nodes
    caller = make_account(one, "caller")
    host = cluster().host
    audience = f"https://{host}"
    tokens = [node.token("identity", f"serviceAccount:{caller}", audience) for node in (one, two)]
    assert one.api("POST", "/homerun/v1/groups",
                   {"email": "team@example.com", "members": [f"serviceAccount:{caller}"]}).status == 200
    assert set_policy(two, "a", "group:team@example.com").status == 200
    members = {"members": [f"serviceAccount:{caller}"]}
    turns = [
        (200, lambda: three.api("PUT", "/homerun/v1/groups/team@example.com", members)),
        (403, lambda: three.api("PUT", "/homerun/v1/groups/team@example.com", {"members": []})),
        (200, lambda: one.api("PUT", "/homerun/v1/groups/team@example.com", members)),
        (401, lambda: two.api("POST", f"{ACCOUNTS}/{caller}:disable", {})),
        (200, lambda: three.api("POST", f"{ACCOUNTS}/{caller}:enable", {})),
        (401, lambda: one.api("DELETE", f"{ACCOUNTS}/{caller}")),
    ]
    for wanted, turn in turns:
        assert turn().status == 200
        for token in tokens:
            seen = ask_all((one, two, three), host, token)
            assert seen == [wanted] * 3, (wanted, seen)
    # A name that is deleted and made again is another service: nothing of the old one is left.
    assert put_service(one, "b").status == 200
    wait_until(lambda: ask_all((one, two, three), host.replace("a-", "b-", 1)) == [200] * 3, "b serves")
    assert two.api("DELETE", f"{SERVICES}/b").status == 200
    assert ask_all((one, two, three), host.replace("a-", "b-", 1)) == [404] * 3
    assert put_service(three, "b", public=False).status == 200
    assert ask_all((one, two, three), host.replace("a-", "b-", 1)) == [403] * 3


@test
def what_two_nodes_change_at_once_is_done_one_after_the_other():
    nodes = cluster().nodes
    answers = [[] for _ in nodes]

    def change(number):
        for i in range(8):
            answers[number].append(make_account_status(nodes[number], f"at-once-{number}-{i}"))
            answers[number].append(set_policy(nodes[number], "a", *(["allUsers"] if i % 2 else [])).status)
    threads = [threading.Thread(target=change, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[200] * 16] * 3, answers
    lists = [one.api("GET", f"{ACCOUNTS}?pageSize=100").json["accounts"] for one in nodes]
    assert lists[0] == lists[1] == lists[2]
    assert sum("at-once" in account["email"] for account in lists[0]) == 24


def refused_at(homerun, host):
    """The id of a refusal at that node."""
    got = fetch(f"http://127.0.0.1:{urllib.parse.urlsplit(homerun.ready['http']).port}/", headers={"Host": host})
    assert got.status == 403, got
    return got.headers["homerun-denial"]


def entries(homerun, size=50):
    return homerun.api("POST", "/v2/entries:list", {
        "resourceNames": ["projects/demo"], "pageSize": size, "orderBy": "timestamp desc",
        "filter": "resource.labels.service_name = asked AND logName = projects/demo/logs/run.googleapis.com%2Frequests"})


@test
def what_one_node_knows_is_asked_for_at_any():
    one, two, three = cluster().nodes
    host = cluster().deploy("asked", public=False)
    denials = [refused_at(at, host) for at in (one, two, three, two)]
    for at in (one, three):
        for denial in denials:
            told = json.loads(at.cli("access", "explain", denial, "--format=json").stdout)
            assert told["denial"] == denial and told["rung"] == "no_credential", told
    assert "No denial d-" in one.cli("access", "explain", "d-" + "a" * 20, status=1).stderr

    def labels(at, size):
        return [entry["labels"]["denial"] for entry in entries(at, size).json.get("entries", [])]
    for at in (one, two, three):
        wait_until(lambda: labels(at, 50) == denials[::-1], "all requests are in the log, the last first")
        assert labels(at, 2) == denials[:1:-1]
    ids = [entry["insertId"] for entry in entries(two).json["entries"]]
    assert len(set(ids)) == 4, ids
    # Instances are of the node that started them.
    assert set_policy(one, "asked", "allUsers").status == 200
    assert ask(two, host) == ask(three, host) == 200
    wait_until(lambda: {row["node"] for row in one.api("GET", "/homerun/v1/projects/demo/instances").json["instances"]
                        if row["service"] == "asked"} >= {"n2", "n3"}, "instances of all nodes", 30)


def metric(text, **labels):
    """The numbers of homerun_requests_total by node, of the lines with LABELS."""
    lines = [line for line in text.splitlines() if line.startswith("homerun_requests_total{")
             and all(f'{name}="{value}"' in line for name, value in labels.items())]
    return {line.split('node="')[1].split('"')[0]: int(line.split()[-1]) for line in lines}


@test
def what_services_did_is_counted_over_all_nodes():
    one, two, three = cluster().nodes
    host = cluster().deploy("counted", public=False)
    assert ask_all([one, two, two, three, three, three], host) == [403] * 6
    labels = {"service": "counted", "class": "4xx"}
    for at in (one, three):
        wait_until(lambda: metric(at.api("GET", "/metrics").body.decode(), **labels) == {"n1": 1, "n2": 2, "n3": 3},
                   "each node's requests")
    own = two.api("GET", "/metrics?node=self")
    assert metric(own.body.decode(), **labels) == {"n2": 2}, own
    assert two.api("GET", "/metrics?node=n1").status == 400

    def points(at):
        path = f"/homerun/v1/projects/demo/locations/{at.ready['region']}/services/counted:metrics"
        return at.api("GET", path).json["points"]
    for at in (one, three):
        wait_until(lambda: sum(point["requests"].get("4xx", 0) for point in points(at)) == 6, "all are in the history", 60)
        times = [point["time"] for point in points(at)]
        assert times == sorted(set(times)), times
    rows = [row for row in two.api("GET", "/homerun/v1/projects/demo:metrics").json["services"]
            if row["service"].endswith("/counted")]
    assert len(rows) == 1 and rows[0]["instances"]["ready"] >= 1, rows


@test
def a_node_that_does_not_answer_is_named():
    one, two, three = cluster().nodes
    denial = refused_at(three, cluster().deploy("silent", public=False))
    with stopped(two, "control"):
        got = entries(one)
        assert got.headers["homerun-unreachable"] == "n2" and got.json["unreachable"][0].startswith("n2: "), got
        assert json.loads(one.cli("access", "explain", denial, "--format=json").stdout)["denial"] == denial
        missing = one.cli("access", "explain", "d-" + "a" * 20, status=1).stderr
        assert "not asked: n2" in missing, missing
    wait_until(lambda: "unreachable" not in entries(one).json, "it answers again", 30)
    wait_until(lambda: cluster().server.sql("SELECT count(*) FROM homerun.answer", cluster().database).strip() == "0", "nothing is left")


@test
def an_operation_is_waited_for_and_ended_at_other_nodes_than_the_one_that_began_it():
    one, two, three = cluster().nodes
    operations = f"/v2/projects/demo/locations/{one.ready['region']}/operations"
    assert put_service(one, "waited", add_odd_image(one, "deaf")).status == 200
    open_ones = [each["name"] for each in two.api("GET", operations).json["operations"] if not each.get("done")]
    assert len(open_ones) == 1, open_ones
    waits = threading.Thread(target=two.api, args=("POST", f"/v2/{open_ones[0]}:wait", {"timeout": "30s"}))
    waits.start()
    assert three.api("DELETE", f"{SERVICES}/waited").status == 200
    wait_until(lambda: two.api("GET", f"/v2/{open_ones[0]}").json.get("done"), "it has ended")
    waits.join(20)
    assert not waits.is_alive(), "it was waited for until the end"


@test
def an_operation_is_done_once_every_node_says_so():
    one, two, three = cluster().nodes
    operations = f"/v2/projects/demo/locations/{one.ready['region']}/operations"
    assert put_service(one, "unfinished", add_odd_image(one, "deaf")).status == 200
    begun, = [each["name"] for each in two.api("GET", operations).json["operations"] if not each.get("done")]

    def done(at):
        return bool(at.api("GET", f"/v2/{begun}").json.get("done"))
    with stopped(two, "control"):
        end = threading.Thread(target=one.api, args=("DELETE", f"{SERVICES}/unfinished"))
        end.start()
        wait_until(lambda: three.api("GET", f"{SERVICES}/unfinished").status == 404, "it is gone at another node")
        early = [done(at) for at in (one, three)]
        assert not any(early) or "n2" not in cluster().rows(where="serves"), early
    end.join(30)
    assert not end.is_alive()
    assert two.api("GET", f"{SERVICES}/unfinished").status == 404
    wait_until(lambda: done(one) and done(three), "it is done everywhere")


@test
def what_is_deleted_at_three_nodes_at_once_is_deleted_once():
    nodes = cluster().nodes
    place = f"/v2/projects/demo/locations/{nodes[0].ready['region']}/services"
    answers = []

    def come_and_go(number):
        for turn in range(2):
            at = [nodes[(number + turn + step) % 3] for step in range(2)]
            name = f"brief-{number}-{turn}"
            answers.append(at[0].api("POST", f"{place}?serviceId={name}", {"template": {"containers": [{"image": "homerun.test/hello"}]}}))
            answers.append(at[1].api("DELETE", f"{place}/{name}"))
            answers.append(at[0].api("GET", f"/v2/{answers[-1].json['name']}"))
    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 36
    assert [answer for answer in answers if answer.status != 200] == []


@test
def who_takes_up_the_work_of_a_dead_process_of_its_node_waits_for_no_lease():
    _, two, _ = cluster().nodes
    wait_successor(two, "control", kill(two, "control"))
    wait_until(lambda: two.printed().count("n2 joined") >= 2, "the successor has joined")
    kill_all(two)
    two.start()
    assert ask(two, cluster().host) in (200, 403)
    assert "another data folder" not in two.printed()


@test
def who_hears_that_a_revision_is_ready_finds_it_on_every_node():
    one, two, _ = cluster().nodes
    one.cli("images", "add", "registry.example/slow", f"--dir={program_folder()}", "--", "/bin/sh", "-c",
            f"sleep 1; exec {PYTHON} {program_folder()}/odd_container.py good")
    assert put_service(one, "slow", "registry.example/slow").status == 200

    def status():
        return one.api("GET", f"{SERVICES}/slow").json["status"]

    def ready(seen):
        return next(condition["status"] for condition in seen["conditions"] if condition["type"] == "Ready")
    with stopped(two, "control"):
        seen = wait_until(lambda: status().get("traffic") and status(), "the revision serves at the first node", 30)
        told = ready(seen) == "True"
        assert not told or "n2" not in cluster().rows(where="serves"), seen
    wait_until(lambda: ready(status()) == "True", "it is ready", 60)
    assert ask(two, urllib.parse.urlsplit(two.url("slow")).netloc.split(":")[0]) == 200


@test
def nodes_are_listed_and_drained():
    one, two, _ = cluster().nodes
    listed = json.loads(one.cli("nodes", "list", "--format=json").stdout)
    assert [(node["name"], node["state"]) for node in listed] == \
        [("n1", "SERVING"), ("n2", "SERVING"), ("n3", "SERVING")], listed
    one.cli("nodes", "drain", "n2")
    wait_until(lambda: two.api("GET", "/homerun/v1/health", token="").status == 503, "it says so")
    assert ask(two, cluster().host) != 503
    two.restart()
    wait_until(lambda: two.api("GET", "/homerun/v1/health", token="").status == 503, "it still says so")
    one.cli("nodes", "drain", "n2", "--undo")
    wait_until(lambda: two.api("GET", "/homerun/v1/health", token="").status == 200, "it is healthy")
    assert "has a lease" in one.cli("nodes", "remove", "n2", status=1).stderr
    assert "no node nobody" in one.cli("nodes", "remove", "nobody", status=1).stderr


@test
def a_node_that_ends_is_not_waited_for():
    three = cluster().nodes[2]
    assert three.stop() == 0
    assert cluster().rows() == ["n1", "n2"]
    assert set_policy(cluster().nodes[0], "a", "allUsers").status == 200
    three.start()
    assert cluster().rows() == ["n1", "n2", "n3"]
    assert ask(three, cluster().host) == 200


def assertion(key, **claims):
    """Signed by a key file of a service account."""
    def b64(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    now = int(time.time())
    head = {"alg": "RS256", "typ": "JWT", "kid": key["private_key_id"]}
    claims = {"iss": key["client_email"], "sub": key["client_email"], "iat": now, "exp": now + 3600, **claims}
    text = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(key["private_key"])
        file.flush()
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", file.name], input=text.encode(), check=True,
                                capture_output=True).stdout
    return f"{text}.{b64(signed)}"


@test
def a_key_file_of_one_node_is_good_at_the_others():
    _, two, three = cluster().nodes
    email = make_account(three, "keyholder")
    made = three.api("POST", f"{ACCOUNTS}/{email}/keys", {})
    key = json.loads(base64.b64decode(made.json["privateKeyData"]))

    def bought(audience):
        form = urllib.parse.urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                       "assertion": assertion(key, aud=audience, scope=SCOPE)})
        return fetch(f"{two.ready['api']}/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, form)
    assert three.ready["api"] != two.ready["api"]
    # Others know the address of a node that was started again a second later.
    wait_until(lambda: bought(key["token_uri"]).status == 200, "its token endpoint is known")
    elsewhere = key["token_uri"].replace("/token", "/other")
    for wrong in (elsewhere, key["token_uri"] + "x", "http://node.example/token"):
        assert bought(wrong).status == 400, wrong
    # The assertion as the token itself, for the API that it was made for.
    assert two.api("GET", "/homerun/v1/nodes", token=assertion(key, aud=three.ready["api"] + "/")).status == 403
    assert two.api("GET", "/homerun/v1/nodes", token=assertion(key, aud="http://node.example/")).status == 401


def key_file(homerun, *keys):
    """In its place, as an operator puts it on each node."""
    path = f"{homerun.data}.key"
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(base64.b64encode(key).decode() + "\n" for key in keys))
    os.chmod(path, 0o600)
    return path


def kid_of(homerun):
    token = homerun.cli("token", "access").stdout
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]


@test
def a_node_gets_the_keys_by_the_record_and_follows_when_they_are_rotated():
    server = cluster().server
    database = server.database()
    old, new = b"k" * 32, b"n" * 32
    with contextlib.ExitStack() as stack:
        def made(name, *keys):
            one = node(server, database, name)
            one.flags += (f"--cluster-key={key_file(one, *keys)}",) if keys else ()
            stack.callback(one.close)
            stack.callback(lambda: keys and os.unlink(f"{one.data}.key"))
            return one
        one, two = made("n1", old), made("n2", old)  # with an empty folder, and the key alone, at once
        for homerun in (one, two):
            homerun.spawn()
        for homerun in (one, two):
            homerun.ready = wait_until(homerun._look, "ready", 60)
        one.cli("secrets", "create", "word", input="open sesame")
        assert two.api("GET", SERVICES, token=one.token("access")).status == 200
        assert one.api("GET", SERVICES, token=two.token("access")).status == 200
        assert two.cli("secrets", "access", "word").stdout.strip() == "open sesame"
        with open(one.ca, "rb") as ours, open(two.ca, "rb") as theirs:
            assert ours.read() == theirs.read()
        # Rotation on a running cluster: each node signs with the new key when the call returns.
        before = kid_of(two)
        assert before == kid_of(one)
        assert one.api("POST", "/homerun/v1/keys:rotate", {}).status == 200
        after = kid_of(one)
        assert after != before and kid_of(two) == after
        gone = two.api("DELETE", f"/homerun/v1/keys/{before}")
        assert gone.status == 200, gone
        assert not os.path.exists(f"{one.data}/signer/issuer-{before}.pem")
        # The key itself is exchanged: known everywhere first, then used.
        assert two.stop() == 0
        key_file(two, new, old)
        two.start()
        # One with another key, one with a key that is no longer used, and one with none.
        refused = [(made("n7", b"x" * 32), "wrapped by another key"), (made("n8", old), "wrapped by another key"),
                   (made("n9"), "belongs to another installation")]
        for homerun, words in refused:
            homerun.spawn()
        for homerun, words in refused:
            assert homerun.stop(None) != 0
            assert words in homerun.printed(), homerun.printed()
        seven = refused[0][0]
        key_file(seven, new)
        assert kid_of(seven.start()) == after  # as if it had never had the wrong one
        assert seven.stop() == 0
        assert one.stop() == 0
        three = made("n3", new).start()
        assert kid_of(three) == after
        assert three.cli("secrets", "access", "word").stdout.strip() == "open sesame"
        stored = server.sql("SELECT string_agg(body, ' ') FROM homerun.document", database)
        assert "PRIVATE KEY" not in stored and base64.b64encode(b"PRIVATE").decode() not in stored


def warning_of(node, name):
    """The same in v1 and in v2; None."""
    old = node.api("GET", f"{SERVICES}/{name}").json["status"]["conditions"]
    new = node.api("GET", f"/v2/projects/demo/locations/us-central1/services/{name}").json["conditions"]
    found = [next((c for c in conditions if c["type"] == "SettingsApplied"), None) for conditions in (old, new)]
    assert [c and c["severity"] for c in found] in ([None, None], ["Warning", "WARNING"]), found
    return found[1] and found[1]["message"]


@test
def numbers_that_count_for_each_node_are_said_to():
    one, two, _ = cluster().nodes
    cluster().deploy("plain")
    assert warning_of(two, "plain") is None
    told = two.cli("deploy", "plain", "--image=homerun.test/hello", "--min-instances=1").stderr
    assert "warning: template.scaling.minInstanceCount has not all of its effect here: it counts for each node" in told, told
    assert wait_until(lambda: warning_of(one, "plain"), "the first node has seen the others") in told, told


# The last one at these nodes: afterwards two of them have a key that nobody believes.
@test
def a_key_that_one_node_makes_or_forgets_counts_for_all():
    one, two, three = cluster().nodes
    host = cluster().host
    member = f"serviceAccount:{make_account(one, 'signer')}"
    assert set_policy(one, "a", member).status == 200
    old = two.cli("token", "identity", f"--as={member}", f"--audience=https://{host}").stdout.strip()
    assert one.api("POST", "/homerun/v1/keys:rotate", {}).status == 200
    new = one.cli("token", "identity", f"--as={member}", f"--audience=https://{host}").stdout.strip()
    assert ask_all((one, two, three), host, new) == ask_all((one, two, three), host, old) == [200] * 3
    assert three.api("GET", SERVICES, token=one.cli("token", "access").stdout.strip()).status == 200
    kid = json.loads(base64.urlsafe_b64decode(old.split(".")[0] + "=="))["kid"]
    assert one.api("DELETE", f"/homerun/v1/keys/{kid}").status == 200
    assert ask_all((one, two, three), host, new) == [200] * 3
    assert ask_all((one, two, three), host, old) == [401] * 3


if __name__ == "__main__":
    main()
