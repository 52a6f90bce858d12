#!/usr/bin/env python3
"""What an operator can do to a record on PostgreSQL under running nodes, and ten nodes that come at once (part of `make test-cluster`).

Each time: who cannot renew answers 503 and says in its log why, nothing that was answered is lost, nobody is let in by what was
before, and all go on by themselves when it has been mended.
"""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from by_api import deploy, set_policy  # noqa: E402
from cluster_stand import LEASE, ask, ask_all, node  # noqa: E402
from homerun import Homerun, Skip, finally_do, main, test, wait_until  # noqa: E402
from postgres_stand import SCRIPT, Server  # noqa: E402

NODES = 10
_server = None


def server():
    global _server
    if os.environ.get("CLUSTER") != "full":
        raise Skip("make test-cluster runs it")
    if _server is None:
        _server = Server()
    return _server


@finally_do
def stop_server():
    if _server is not None:
        _server.close()


class AsOwner:
    """The server, to who connects by a role that owns its database and has no other right."""

    def __init__(self):
        self.database = server().database()
        server().sql(f"CREATE ROLE owner LOGIN; ALTER DATABASE {self.database} OWNER TO owner")

    def url(self, database):
        return server().url(database, "owner")


def end_sessions(database):
    server().sql("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
                 f" WHERE datname = '{database}' AND pid <> pg_backend_pid()")


@test
def rights_that_are_taken_and_given_again_cost_nothing_but_the_time():
    role = AsOwner()
    name = role.database
    first = node(role, name, "n1").start()
    nodes = (first, node(role, name, "n2", first).start())
    host = deploy(first, "a", public=False).split(":")[0]
    inside, outside = name, "postgres"
    for where, take, give, words in (
            (outside, f"ALTER DATABASE {name} CONNECTION LIMIT 0", f"ALTER DATABASE {name} CONNECTION LIMIT -1",
             "too many connections"),
            (inside, "ALTER SCHEMA homerun OWNER TO postgres; REVOKE ALL ON SCHEMA homerun FROM owner",
             "ALTER SCHEMA homerun OWNER TO owner", "permission denied for schema homerun"),
            (inside, "ALTER TABLE homerun.node OWNER TO postgres; GRANT SELECT ON homerun.node TO owner",
             "ALTER TABLE homerun.node OWNER TO owner", "permission denied for table node"),
            (outside, "ALTER ROLE owner SET default_transaction_read_only = on",
             "ALTER ROLE owner RESET default_transaction_read_only", "session is read-only"),
            (outside, "ALTER ROLE owner NOLOGIN", "ALTER ROLE owner LOGIN", "not permitted to log in")):
        server().sql(take, where)
        end_sessions(name)
        wait_until(lambda: ask_all(nodes, host) == [503, 503], f"nobody decides: {take}")
        refused = set_policy(first, "a", "allUsers")
        assert refused.status == 503 and "its log says why" in refused.text, refused
        assert words in first.printed(), f"{words}: {first.printed()}"
        server().sql(give, where)
        wait_until(lambda: ask_all(nodes, host) == [403, 403], f"they serve again: {give}")
        wait_until(lambda: set_policy(first, "a").status == 200, "changes are taken again")
    for one in nodes:
        one.close()


@test
def a_real_pooler_is_refused_in_both_of_its_modes():
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise Skip("pgbouncer is not installed")
    database = server().database()
    folder = tempfile.mkdtemp(prefix="homerun-pooler-", dir="/tmp")
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    os.chmod(folder, 0o711)
    for mode in ("session", "transaction"):
        for ignored in ("", "ignore_startup_parameters = options\n"):
            with open(f"{folder}/ini", "w", encoding="ascii") as file:
                file.write(f"[databases]\n{database} = host={server().folder} user=postgres\n[pgbouncer]\nlisten_addr =\n"
                           f"unix_socket_dir = {folder}\nlisten_port = 5432\nauth_type = any\npool_mode = {mode}\n{ignored}")
            pooler = subprocess.Popen([SCRIPT, "as", program, "-q", f"{folder}/ini"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)
            wait_until(lambda: os.path.exists(f"{folder}/.s.PGSQL.5432"), "the pooler listens")
            homerun = Homerun("--plain", "--workers=1", f"--store=postgresql:///{database}?host={folder}&user=postgres")
            homerun.spawn()
            assert homerun.stop(None, 60) != 0
            assert "name the server itself" in homerun.printed(), homerun.printed()
            homerun.close()
            os.killpg(pooler.pid, signal.SIGTERM)  # it, and what has started it as another user
            pooler.wait(30)
            wait_until(lambda: not os.path.exists(f"{folder}/.s.PGSQL.5432"), "the pooler has ended")
    shutil.rmtree(folder)


class Storm:
    """Changes at any node of STAYS; after each, all that are up are asked."""

    def __init__(self, stays, up, host):
        self.stays, self.up, self.host = stays, up, host
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.changes, self.asked, self.stale = 0, 0, []

    def run(self):
        while not self.ended.is_set():
            with self.lock:
                up = list(self.up)
            opens = self.changes % 2 == 0
            answer = set_policy(random.choice(self.stays), "a", *(["allUsers"] if opens else []))
            assert answer.status == 200, answer
            self.changes += 1
            for one in up:
                with self.lock:  # who is to end is not asked any more
                    status = ask(one, self.host) if one in self.up else None
                self.asked += status is not None
                if status not in (None, 503, 200 if opens else 403):
                    self.stale.append((one.flags, status))

    def again(self, one, cruelly):
        with self.lock:
            self.up.remove(one)
        if cruelly:
            for process in one.read_ready()["processes"]:
                os.kill(process["pid"], signal.SIGKILL)
            one.process.wait()
            os.unlink(one.ready_file)
        else:
            assert one.stop() == 0
        one.start()
        with self.lock:
            self.up.append(one)


def together(work, *lists):
    threads = [threading.Thread(target=work, args=arguments) for arguments in zip(*lists)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@test
def ten_nodes_come_at_once_and_again_and_two_of_one_name_are_one():
    database = server().database()
    folder = tempfile.mkdtemp(prefix="homerun-key-")
    with open(f"{folder}/key", "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=\n")
    names = [f"n{i}" for i in range(NODES)] + ["n3"]
    nodes = [node(server(), database, name, None, f"--cluster-key={folder}/key") for name in names]
    refused = []

    def start(one):
        try:
            one.start()
        except AssertionError as why:
            refused.append((one, str(why)))
    together(start, nodes)
    assert len(refused) == 1 and "the name n3" in refused[0][1], refused
    nodes.remove(refused[0][0])
    host = deploy(nodes[0], "a", public=False).split(":")[0]
    storm = Storm(nodes[:NODES // 2], list(nodes), host)
    thread = threading.Thread(target=storm.run)
    thread.start()
    try:
        while storm.changes < 20 and thread.is_alive():
            those = nodes[NODES // 2:]
            together(storm.again, those, [i % 2 == 0 for i in range(len(those))])
            for words in (("drain", "n1"), ("drain", "n1", "--undo")):
                nodes[0].cli("nodes", *words)
            assert "has a lease" in nodes[0].cli("nodes", "remove", "n9", status=1).stderr
    finally:
        storm.ended.set()
        thread.join()
    print(f"# {storm.changes} changes, {storm.asked} answers, {len(storm.stale)} stale")
    assert storm.changes >= 20 and not storm.stale, storm.stale
    wait_until(lambda: set_policy(nodes[0], "a", "allUsers").status == 200, "changes are taken")
    wait_until(lambda: ask_all(nodes, host) == [200] * NODES, "all serve", 4 * LEASE + 30)
    for one in nodes:
        one.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
