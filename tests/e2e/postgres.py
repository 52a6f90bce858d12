#!/usr/bin/env python3
"""The record on PostgreSQL: the same Homerun, and what happens when the server does not play along."""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.parse

from by_api import SERVICES, deploy, put_service, service_body, set_policy
from faults_stand import ask, is_up, kill, members_of, wait_successor
from homerun import BINARY, Homerun, Skip, finally_do, free_port, main, test, wait_until
from postgres_stand import SCRIPT, Server, homerun_on, make_tls, run

_server = None


def server():
    global _server
    if _server is None:
        _server = Server()
    return _server


@finally_do
def stop_server():
    if _server is not None:
        _server.close()


def start_fails(homerun, *words):
    """It ends at once, with one line that has all of WORDS."""
    homerun.spawn()
    assert homerun.stop(None, 60) != 0
    printed = homerun.printed()
    homerun.close()
    lines = [line for line in printed.splitlines() if all(word in line for word in words)]
    assert lines, f"{words}: {printed}"
    assert "secret" not in printed, printed


def gate_agrees(homerun, name, host):
    wanted = 200 if "allUsers" in members_of(homerun, name) else 403
    got = ask(homerun, host)[0]
    assert got == wanted, f"{name}: {got}, not {wanted}"


@test
def all_is_as_with_a_file_and_a_lost_copy_is_made_anew():
    database = server().database()
    with homerun_on(server(), database) as homerun:
        host = deploy(homerun, "a", public=False)
        assert ask(homerun, host)[0] == 403
        assert set_policy(homerun, "a", "allUsers").status == 200
        assert ask(homerun, host)[0] == 200
        assert set_policy(homerun, "a").status == 200
        assert ask(homerun, host)[0] == 403
        assert homerun.api("DELETE", f"{SERVICES}/nothing").status == 404
        homerun.restart()
        assert ask(homerun, host)[0] == 403
        assert set_policy(homerun, "a", "allUsers").status == 200
        listed = homerun.api("GET", SERVICES).json
        assert homerun.stop() == 0
        for name in os.listdir(homerun.data):
            if name.startswith("copy.db"):
                os.unlink(f"{homerun.data}/{name}")
        homerun.start()
        assert homerun.api("GET", SERVICES).json == listed
        assert ask(homerun, f"{host.split(':')[0]}:{urllib.parse.urlsplit(homerun.url('a')).port}")[0] == 200
        assert not os.path.exists(f"{homerun.data}/homerun.db")
    numbers = server().sql("SELECT count(*) = max(number) AND min(number) = 1 FROM homerun.change", database)
    assert numbers == "t", "the changes have gaps"


def change_policies(homerun, stop, done):
    """Opens and closes one service after another; DONE: what was acknowledged, what was tried last."""
    number = 0
    while not stop.is_set():
        number += 1
        members = ["allUsers"] if number % 2 else []
        done["tried"] = set(members)
        try:
            status = set_policy(homerun, "a", *members).status
        except (OSError, http.client.HTTPException, AssertionError):
            status = 0
        if status == 200:
            done["count"] += 1
            done["known"] = set(members)
        elif status in (0, 409, 412):
            done["known"] = None  # nobody knows
        else:
            assert status == 503, status


@contextlib.contextmanager
def changes_going_on(homerun):
    stop, done = threading.Event(), {"count": 0, "known": None}
    thread = threading.Thread(target=change_policies, args=(homerun, stop, done))
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def some_more(done):
    had = done["count"]
    wait_until(lambda: done["count"] > had + 1, "changes are acknowledged", 60)


@test
def nothing_acknowledged_is_lost_when_control_or_its_session_is_killed():
    database = server().database()
    with homerun_on(server(), database) as homerun:
        host = deploy(homerun, "a", public=False)
        with changes_going_on(homerun) as done:
            for _ in range(5):
                some_more(done)
                server().sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             f" WHERE application_name = 'homerun' AND datname = '{database}'")
            for _ in range(2):
                some_more(done)
                wait_successor(homerun, "control", kill(homerun, "control"))
            some_more(done)
        wait_until(lambda: is_up(homerun), "control answers")
        members = members_of(homerun, "a")
        assert done["known"] is None or members == done["known"], (members, done)
        gate_agrees(homerun, "a", host)
        numbers = server().sql("SELECT count(*) = max(number) FROM homerun.change", database)
        assert numbers == "t", "the changes have gaps"


@test
def while_the_server_is_away_services_serve_and_what_only_reads_is_answered():
    database = server().database()
    with homerun_on(server(), database) as homerun:
        host = deploy(homerun, "a")
        other = deploy(homerun, "b", public=False)
        server().stop()
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(set_policy(homerun, "b", "allUsers")))
        waiting.start()
        for _ in range(5):
            assert ask(homerun, host)[0] == 200
            assert homerun.api("GET", f"{SERVICES}/a").status == 200
            assert homerun.api("GET", "/homerun/v1/health", token="").status == 200
        server().start()
        waiting.join()
        assert answers[0].status in (200, 503), answers
        assert ask(homerun, other)[0] == (200 if answers[0].status == 200 else 403)
        wait_until(lambda: set_policy(homerun, "b", "allUsers").status == 200, "changes are taken again")
        assert ask(homerun, other)[0] == 200
        server().stop()
        refused = set_policy(homerun, "b")
        assert refused.status == 503 and "nothing was changed" in refused.text, refused
        assert ask(homerun, other)[0] == 200
        server().start()
        wait_until(lambda: set_policy(homerun, "b").status == 200, "changes are taken again")
        assert ask(homerun, other)[0] == 403


@test
def a_standby_that_takes_over_has_all_that_was_acknowledged():
    one, two = Server(), Server(make=False)
    try:
        one.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        as_user = [SCRIPT, "as"]
        if os.geteuid() == 0:
            os.chown(two.folder, 65534, 65534)
        run(*as_user, f"{one.bin}/pg_basebackup", "-h", one.folder, "-U", "postgres", "-D", f"{two.folder}/data",
            "-R", "-C", "-S", "two", "--checkpoint=fast", "--no-sync")
        two.start()
        one.sql("SELECT pg_reload_conf()")
        url = f"postgresql:///postgres?host={one.folder},{two.folder}&user=postgres"
        with Homerun("--plain", "--workers=1", f"--store={url}") as homerun:
            host = deploy(homerun, "a", public=False)
            with changes_going_on(homerun) as done:
                some_more(done)
                one.stop("immediate")
                two.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
                two.sql("SELECT pg_reload_conf()")
                run(*as_user, f"{two.bin}/pg_ctl", "-D", f"{two.folder}/data", "-w", "promote")
                some_more(done)
            members = members_of(homerun, "a")
            assert done["known"] is None or members == done["known"], (members, done)
            gate_agrees(homerun, "a", host)
            # The old primary comes back as one, and stands first in the URL: its record is an old one.
            one.start()
            two.sql("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'homerun'")
            refused = set_policy(homerun, "a", *{"allUsers"} - members)
            assert refused.status == 503 and "end the old primary" in refused.text, refused
            gate_agrees(homerun, "a", host)
            one.stop("immediate")
            wait_until(lambda: set_policy(homerun, "a", *{"allUsers"} - members).status == 200, "changes are taken again")
            gate_agrees(homerun, "a", host)
    finally:
        one.close()
        two.close()


class Lock:
    """What every change takes on the server, held until it is let go."""

    def __init__(self, database):
        self.holder = subprocess.Popen(
            [f"{server().bin}/psql", "-qAtX", server().url(database)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.holder.stdin.write("BEGIN; SELECT pg_advisory_xact_lock(7810779105126347); SELECT 'held';\n")
        self.holder.stdin.flush()
        while self.holder.stdout.readline().strip() != "held":
            assert self.holder.poll() is None

    def waiters(self, database):
        return int(server().sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
                                f" AND datname = '{database}'"))

    def release(self):
        self.holder.communicate("COMMIT;\n", timeout=30)


def send_and_leave(homerun, database, lock, method, path, body, waits):
    """A request whose client is gone before the change that it asked for is made."""
    port = urllib.parse.urlsplit(homerun.api_url).port
    data = json.dumps(body).encode()
    head = (f"{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {homerun.token()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
            f"Origin: http://localhost:{port}\r\nX-Homerun-Console: 1\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head.encode() + data)
        if waits:
            wait_until(lambda: lock.waiters(database) == 1, "the change waits for the lock")


@test
def a_client_that_leaves_while_its_change_waits_harms_nobody():
    database = server().database()
    with homerun_on(server(), database) as homerun:
        deploy(homerun, "a", public=False)
        control = homerun.pids("control")
        link = homerun.cli("console", "--print").stdout.strip()
        code = urllib.parse.urlsplit(link).fragment.split("=")[-1]
        policy = f"/v1/projects/demo/locations/{homerun.ready['region']}/services/a:setIamPolicy"
        binding = {"role": "roles/run.invoker", "members": ["allUsers"]}
        for method, path, body in (
                ("POST", policy, {"policy": {"bindings": [binding]}}),
                ("POST", "/console/session", {"code": code}),
                ("DELETE", f"{SERVICES}/a", {})):
            lock = Lock(database)
            send_and_leave(homerun, database, lock, method, path, body, True)
            # Behind it in line: begun by nobody, since its client has left before its turn.
            send_and_leave(homerun, database, lock, "POST", policy, {"policy": {"bindings": []}}, False)
            assert homerun.api("GET", "/homerun/v1/health", token="").status == 200
            lock.release()
            wait_until(lambda: lock.waiters(database) == 0, "the change is made")
            assert is_up(homerun)
        # On a slow machine a change may have waited for too long and been refused: that is no harm.
        wait_until(lambda: homerun.api("DELETE", f"{SERVICES}/a").status in (200, 404), "changes are taken")
        assert homerun.pids("control") == control


@test
def a_server_that_refuses_is_quoted_and_nothing_has_changed():
    database = server().database()
    with homerun_on(server(), database) as homerun:
        host = deploy(homerun, "a", public=False)
        server().sql("CREATE FUNCTION homerun.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                     " RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';"
                     " END $$; CREATE TRIGGER no_room BEFORE INSERT ON homerun.audit"
                     " EXECUTE FUNCTION homerun.no_room()", database)
        refused = set_policy(homerun, "a", "allUsers")
        assert refused.status == 429 and "disk is full" in refused.text, refused
        assert members_of(homerun, "a") == set()
        assert ask(homerun, host)[0] == 403
        server().sql("DROP TRIGGER no_room ON homerun.audit", database)
        assert set_policy(homerun, "a", "allUsers").status == 200
        assert ask(homerun, host)[0] == 200


@test
def what_cannot_be_used_is_refused_at_the_start_in_one_line():
    database = server().database()
    with homerun_on(server(), database) as homerun:
        pass
    start_fails(homerun_on(server(), database), "belongs to another installation")
    server().sql("UPDATE homerun.meta SET value = '99' WHERE name IN ('schema', 'readable_from')", database)
    start_fails(homerun_on(server(), database), "newer Homerun", "schema 99")
    start_fails(homerun_on(server(), "nowhere"), 'database "nowhere" does not exist')
    start_fails(Homerun(f"--store=postgresql://u@127.0.0.1:{free_port()}/db"), "refused")
    start_fails(Homerun("--store=postgresql://db.example/d?sslmode=require"), "verify-full")
    for url in ("mysql://u@db.example/d", "postgresql://u:secret@db.example/d",
                "postgresql://u@db.example/d?password=secret"):
        done = subprocess.run([BINARY, "up", f"--store={url}"], capture_output=True, text=True, check=False,
                              timeout=60)
        assert done.returncode == 2, done
        assert "passfile" in done.stderr and "secret" not in done.stderr, done.stderr


@test
def a_password_is_read_from_a_file_that_nobody_else_may_read():
    database = server().database()
    server().sql("CREATE ROLE owner LOGIN PASSWORD 'secret'")
    server().sql(f"ALTER DATABASE {database} OWNER TO owner")
    hba = f"{server().folder}/data/pg_hba.conf"
    with open(hba, encoding="utf-8") as file:
        before = file.read()
    with open(hba, "w", encoding="utf-8") as file:
        file.write(f"local {database} owner scram-sha-256\n{before}")
    server().reload()
    folder = tempfile.mkdtemp(prefix="homerun-pass-")
    path = f"{folder}/pass"

    def write(password, mode=0o600):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"*:*:*:owner:{password}\n")
        os.chmod(path, mode)

    url = server().url(database, "owner") + f"&passfile={path}"
    try:
        write("wrong-one")
        start_fails(Homerun(f"--store={url}"), "password authentication failed", path)
        for mode in (0o644, 0o604, 0o660):
            write("secret", mode)
            start_fails(Homerun(f"--store={url}"), "chmod 600")
        # A Secret that is mounted into a pod is root's, and its group may read it. libpq itself would pass it over.
        write("secret", 0o440 if os.geteuid() == 0 else 0o600)
        with Homerun("--plain", "--workers=1", f"--store={url}") as homerun:
            assert put_service(homerun, "a").status == 200
            assert "secret" not in homerun.printed()
            # What is taken away while it runs is said by whoever wants a change, and nothing is lost.
            sessions = "FROM pg_stat_activity WHERE usename = 'owner' AND application_name = 'homerun'"
            for take, words, give in (
                    ("ALTER TABLE homerun.audit OWNER TO postgres", "permission denied for table audit",
                     "ALTER TABLE homerun.audit OWNER TO owner"),
                    ("ALTER ROLE owner PASSWORD 'another'", "password authentication failed",
                     "ALTER ROLE owner PASSWORD 'secret'")):
                server().sql(take, database)
                if "PASSWORD" in take:  # asked for with the next session
                    server().sql(f"SELECT pg_terminate_backend(pid, 30000) {sessions}")
                refused = homerun.api("POST", SERVICES, service_body("b", "homerun.test/hello"))
                assert refused.status in (400, 503) and words in refused.text, refused
                assert "nothing was changed" in refused.text and "secret" not in refused.text, refused
                assert homerun.api("GET", f"{SERVICES}/a").status == 200
                server().sql(give, database)
            wait_until(lambda: put_service(homerun, "b").status == 200, "changes are taken again")
    finally:
        shutil.rmtree(folder)


@test
def a_server_has_to_show_a_certificate_for_its_name():
    """By TCP and TLS, at an address of the loopback network that is nobody else's."""
    address = f"127.{os.getpid() % 200 + 50}.{os.getpid() // 200 % 250}.7"
    right, wrong = make_tls(("db.test",)), make_tls(("db.test",))
    other = Server(address=address)
    try:
        other.allow(f"host all all {address}/32 trust")

        def url(name, authority):
            return f"postgresql:///postgres?host={name}&hostaddr={address}&user=postgres&sslrootcert={authority}"
        start_fails(Homerun(f"--store={url('db.test', f'{right}/ca.pem')}"), "server does not support SSL")
        other.speak_tls(right)
        for name, authority, words in (("db.test", f"{wrong}/ca.pem", "certificate verify failed"),
                                       ("evil.test", f"{right}/ca.pem", 'does not match host name "evil.test"'),
                                       ("db.test", f"{right}/none.pem", "none.pem")):
            start_fails(Homerun(f"--store={url(name, authority)}"), words)
        with Homerun("--plain", "--workers=1", f"--store={url('db.test', f'{right}/ca.pem')}") as homerun:
            assert put_service(homerun, "a").status == 200
            encrypted = other.sql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                                  " WHERE application_name = 'homerun'")
            assert encrypted == "t", "the record goes over the network in the clear"
    finally:
        other.close()


@test
def a_service_file_names_the_server():
    database = server().database()
    folder = tempfile.mkdtemp(prefix="homerun-service-")
    path = f"{folder}/services"
    with open(path, "w", encoding="ascii") as file:
        file.write(f"[record]\nhost={server().folder}\ndbname={database}\nuser=postgres\n")
    os.environ["PGSERVICEFILE"] = path
    try:
        with Homerun("--plain", "--workers=1", "--store=postgresql://?service=record") as homerun:
            assert put_service(homerun, "a").status == 200
        assert server().sql("SELECT count(*) > 0 FROM homerun.change", database) == "t"
        start_fails(Homerun("--store=postgresql://?service=nobody"), 'service "nobody" not found')
    finally:
        del os.environ["PGSERVICEFILE"]
        shutil.rmtree(folder)


@test
def a_server_that_control_could_not_reach_again_is_refused_at_once():
    if os.geteuid() != 0:
        raise Skip("only root has rights that control gives up")
    other = Server()
    try:
        os.chmod(other.folder, 0o700)
        start_fails(homerun_on(other, "postgres"), "Permission denied")
    finally:
        other.close()


@test
def a_record_in_a_file_is_not_passed_over_nor_a_copy_taken_for_one():
    database = server().database()
    with Homerun() as homerun:
        kept = tempfile.mkdtemp(prefix="homerun-kept-")
        homerun.stop()
        shutil.copytree(homerun.data, f"{kept}/data", symlinks=True)
    try:
        start_fails(homerun_on(server(), database, data=f"{kept}/data"), "homerun.db", "store migrate")
    finally:
        shutil.rmtree(kept)
    with homerun_on(server(), database) as homerun:
        assert homerun.stop(signal.SIGTERM) == 0
        start_fails(Homerun("--store=sqlite", data=homerun.data), "copy", "PostgreSQL")


def move(homerun, source, target, status=0):
    return homerun.cli("store", "migrate", f"--from={source}", f"--to={target}", f"--data={homerun.data}",
                       status=status)


SPOIL = """
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.body := replace(NEW.body, 'allUsers', 'someUser'); RETURN NEW; END $$;
CREATE FUNCTION lay() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF to_regclass('homerun.document') IS NOT NULL THEN
        CREATE OR REPLACE TRIGGER spoil BEFORE INSERT ON homerun.document FOR EACH ROW EXECUTE FUNCTION public.spoil();
    END IF; END $$;
CREATE EVENT TRIGGER lay ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION lay()"""


@test
def a_record_is_moved_to_a_server_and_back_and_every_row_arrives():
    url = server().url(server().database())
    with Homerun("--plain", "--workers=1", "--store=sqlite") as homerun:
        deploy(homerun, "a", public=False)
        assert set_policy(homerun, "a", "allUsers").status == 200
        listed = homerun.api("GET", f"{SERVICES}/a").json
        assert "serves the data folder" in move(homerun, "sqlite", url, status=1).stderr
        assert homerun.stop() == 0
        spoilt = server().database()
        server().sql(SPOIL, spoilt)
        assert "is not what was sent" in move(homerun, "sqlite", server().url(spoilt), status=1).stderr
        there = re.search(r"sha256:[0-9a-f]{64}", move(homerun, "sqlite", url).stdout)
        assert there, "no digest of what arrived"
        # As a move leaves it that is killed when the server has all: the next one finds that, and ends the work.
        os.rename(f"{homerun.data}/homerun.db.moved", f"{homerun.data}/homerun.db")
        assert there[0] in move(homerun, "sqlite", url).stdout
        assert os.path.exists(f"{homerun.data}/homerun.db.moved") and not os.path.exists(f"{homerun.data}/homerun.db")
        homerun.flags = tuple(f"--store={url}" if f.startswith("--store") else f for f in homerun.flags)
        homerun.start()
        assert homerun.api("GET", f"{SERVICES}/a").json["metadata"]["resourceVersion"] == listed["metadata"]["resourceVersion"]
        assert members_of(homerun, "a") == {"allUsers"}
        deploy(homerun, "b")
        assert homerun.stop() == 0
        other = server().url(server().database())
        refused = move(homerun, "sqlite", other, status=1)
        assert "homerun.db" in refused.stderr, refused.stderr
        back = re.search(r"sha256:[0-9a-f]{64}", move(homerun, url, "sqlite").stdout)
        assert back and back[0] != there[0], "b is in it now"
        homerun.flags = tuple("--store=sqlite" if f.startswith("--store") else f for f in homerun.flags)
        homerun.start()
        assert homerun.api("GET", f"{SERVICES}/a").json["metadata"]["resourceVersion"] == listed["metadata"]["resourceVersion"]
        assert homerun.api("GET", f"{SERVICES}/b").status == 200
        assert set_policy(homerun, "b", "allUsers").status == 200
        assert homerun.stop() == 0
        refused = move(homerun, "sqlite", url, status=1)
        assert "has a record already" in refused.stderr, refused.stderr
        assert move(homerun, "sqlite", "sqlite", status=2).stderr


if __name__ == "__main__":
    main()
