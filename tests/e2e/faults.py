#!/usr/bin/env python3
"""What the machine and the callers can do to Homerun: broken tokens, oversized and odd requests, a
full disk, a locked or damaged database, no file descriptors, and SIGKILL of every process.

Not covered here: steps of the clock. There is no way to give one process another wall clock without
a preloaded library; the rules of time are tested where time is an argument (tests/unit/trust,
tests/unit/policy, tests/unit/ingress), and waits all run on CLOCK_MONOTONIC. A loss of power is not
covered either: SIGKILL keeps what the kernel has, so that what fsync() is for is not proved here.

FAULTS=full kills more often.
"""
import base64
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.parse

from by_api import (SCALE, SERVICES, Raw, deploy, make_account, put_service, ready_condition,
                    set_policy, shared_stand)
from homerun import Homerun, Skip, finally_do, main, need, test, wait_until

FULL = os.environ.get("FAULTS") == "full"
MIB = 1 << 20
shared = None


def one():
    """One instance for the tests that break nothing for long."""
    global shared
    if shared is None:
        shared = shared_stand()
    return shared


@finally_do
def stop_shared():
    if shared is not None:
        shared.close()


def ask(homerun, host, path="/", token=None, where="http"):
    with Raw(homerun, where, host) as raw:
        raw.ask(host, path, headers=[f"Authorization: Bearer {token}"] if token else [])
        return raw.answer()


# ---- tokens ----

def part(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(homerun, claims, head=None, key=None):
    """A token by the issuer's own key: what no caller could make, to see that its claims count."""
    signer = pathlib.Path(homerun.data) / "signer"
    kid = (signer / "issuers").read_text(encoding="utf-8").split()[-1]
    text = part(head or {"alg": "RS256", "typ": "JWT", "kid": kid}) + b"." + part(claims)
    signature = subprocess.run(
        [need("openssl"), "dgst", "-sha256", "-sign", key or signer / f"issuer-{kid}.pem"],
        input=text, capture_output=True, check=True).stdout
    return (text + b"." + part(signature)).decode()


def claims_of(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def broken_tokens(homerun, good, folder):
    """(what is wrong, the header's value) for GOOD, a token that works."""
    claims, now = claims_of(good), int(time.time())
    head, body, signature = good.split(".")
    foreign = os.path.join(folder, "foreign.pem")
    subprocess.run([need("openssl"), "genrsa", "-out", foreign, "2048"], check=True,
                   capture_output=True)
    flipped = ("A" if signature[9] != "A" else "B").join((signature[:9], signature[10:]))
    without_exp = {name: value for name, value in claims.items() if name != "exp"}
    yield from (
        ("cut short", f"{head}.{body}"),
        ("nothing signed", f"{head}.{body}."),
        ("four parts", f"{good}.{signature}"),
        ("a flipped bit", f"{head}.{body}.{flipped}"),
        ("another body", f"{head}.{part({**claims, 'sub': '1'}).decode()}.{signature}"),
        ("alg none", f"{part({'alg': 'none'}).decode()}.{body}."),
        ("alg HS256", f"{part({'alg': 'HS256'}).decode()}.{body}.{signature}"),
        ("no JSON", f"{head}.{part(b'no json').decode()}.{signature}"),
        ("deep JSON", f"{head}.{part(b'[' * 9000).decode()}.{signature}"),
        ("padding", f"{head}.{body}.{signature}=="),
        ("bytes that are no base64", f"{head}.{body}.%%%"),
        ("20 KB", "e" * 20000),
        ("another key", sign(homerun, claims, key=foreign)),
        ("an unknown key", sign(homerun, claims, {"alg": "RS256", "kid": "x" * 40})),
        ("a critical extension", sign(homerun, claims, {
            **json.loads(base64.urlsafe_b64decode(head + "==")), "crit": ["x"], "x": 1})),
        ("expired", sign(homerun, {**claims, "iat": now - 7200, "exp": now - 3600})),
        ("from the future", sign(homerun, {**claims, "iat": now + 3600, "exp": now + 7200})),
        ("not yet valid", sign(homerun, {**claims, "nbf": now + 3600})),
        ("for ever", sign(homerun, {**claims, "exp": now + 10 ** 9})),
        ("without an end", sign(homerun, without_exp)),
        ("an end that is text", sign(homerun, {**claims, "exp": "tomorrow"})),
        ("another issuer", sign(homerun, {**claims, "iss": "https://issuer.example"})),
        ("another subject", sign(homerun, {**claims, "sub": "999999999999999999999"})),
        ("no subject", sign(homerun, {**claims, "sub": ""})),
    )


@test
def no_broken_token_opens_the_gate():
    caller = make_account(one(), "gate-caller")
    host = deploy(one(), "private", public=False)
    set_policy(one(), "private", f"serviceAccount:{caller}")
    good = one().token("identity", f"serviceAccount:{caller}", one().url("private"))
    assert ask(one(), host, token=good)[0] == 200
    assert ask(one(), host, token=sign(one(), claims_of(good)))[0] == 200, "our way of signing"
    for what, token in [*broken_tokens(one(), good, one().folder),
                        ("an access token", one().token()),
                        ("another audience", sign(one(), {**claims_of(good), "aud": "x"}))]:
        status, headers, _ = ask(one(), host, token=token)
        assert status == 401 and "www-authenticate" in headers, (what, status)
    assert ask(one(), host)[0] == 403
    assert ask(one(), host, token=good)[0] == 200


@test
def no_broken_token_opens_the_api():
    path = f"{SERVICES}?limit=1"
    good = one().token()
    assert one().api("GET", path, token=sign(one(), claims_of(good))).status == 200
    identity = one().token("identity")
    for what, token in [*broken_tokens(one(), good, one().folder), ("an ID token", identity),
                        ("another use", sign(one(), {**claims_of(good), "homerun_use": "id"}))]:
        if what == "another issuer":
            continue  # our key makes it ours: a token outlives a move to another port
        got = one().api("GET", path, token=token)
        assert got.status == 401, (what, got)
        assert token not in got.text
    assert one().api("GET", path, token="").status == 401
    assert good not in one().printed()


# ---- requests that are too much ----

@test
def what_is_too_large_is_refused_at_both_doors():
    host = deploy(one(), "limits")
    for where, name in (("http", host), ("https", host), ("api", "localhost")):
        for lines in (["X-Large: " + "x" * 70000], [f"X-{n}: {'y' * 500}" for n in range(200)]):
            with Raw(one(), where, host) as raw:
                raw.ask(name, headers=lines)
                assert raw.head()[0] == 431, where
        with Raw(one(), where, host) as raw:
            raw.ask(name, path="/" + "p" * 20000)
            assert raw.head()[0] in (414, 431), where
    token = f"Authorization: Bearer {one().token()}"
    with Raw(one(), "api") as raw:
        raw.ask("localhost", SERVICES, "POST", [token, f"Content-Length: {5 * MIB}"])
        assert raw.head()[0] == 413
    with Raw(one(), "api") as raw:
        raw.ask("localhost", SERVICES, "POST", [token, "Transfer-Encoding: chunked"])
        with contextlib.suppress(OSError):
            for _ in range(6):
                raw.send(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB))
        assert raw.head()[0] == 413


@test
def wrong_methods_are_405_at_both_doors():
    host = deploy(one(), "limits")
    for method in ("TRACE",):
        with Raw(one(), "http") as raw:
            raw.ask(host, method=method)
            assert raw.head()[0] == 405, method
    for method, path in (("DELETE", SERVICES), ("PATCH", "/token"), ("PUT", "/homerun/v1/groups")):
        got = one().api(method, path, {})
        assert got.status == 405, (method, path, got)
        assert got.headers["allow"], path
    with Raw(one(), "api") as raw:
        raw.ask("localhost", "/token", "BREW")
        assert raw.head()[0] in (405, 501)


# ---- the disk ----

@contextlib.contextmanager
def small_disk(mib):
    folder = tempfile.mkdtemp(prefix="homerun-disk-")
    try:
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", folder],
                capture_output=True).returncode != 0:
            raise Skip("a small disk cannot be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(path):
    """A file that takes what is left."""
    with open(path, "wb") as file:
        for size in (MIB, 4096):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), b"\0" * size)


def change_until_it_fails(homerun, name, tries):
    """Turns a binding over and over; the last answer, and the members as last acknowledged."""
    known = ()
    for number in range(tries):
        members = (f"user:someone{number}@example.com",
                   *(f"user:{'filler' * 8}{n}@example.com" for n in range(150)))
        got = set_policy(homerun, name, *members)
        if got.status != 200:
            return got, known
        known = members
    raise AssertionError("the disk never ran full")


def members_of(homerun, name):
    got = homerun.api("GET", f"/v1/projects/demo/locations/{homerun.ready['region']}/services/"
                      f"{name}:getIamPolicy")
    assert got.status == 200, got
    return {member for binding in got.json.get("bindings", []) for member in binding["members"]}


@test
def a_full_disk_refuses_changes_loses_nothing_and_is_over_when_there_is_room():
    with small_disk(24) as disk:
        with Homerun("--plain", "--workers=1", data=os.path.join(disk, "data")) as homerun:
            host = deploy(homerun, "public")
            deploy(homerun, "full", public=False)
            ballast = os.path.join(disk, "ballast")
            fill(ballast)
            got, known = change_until_it_fails(homerun, "full", 400)
            assert got.status in (429, 507, 503, 500) and "disk" in got.text, got
            assert members_of(homerun, "full") == set(known)
            for _ in range(20):
                assert ask(homerun, host)[0] == 200
                assert set_policy(homerun, "full").status != 200 or members_of(
                    homerun, "full") == set()
            known = members_of(homerun, "full")
            os.unlink(ballast)
            assert members_of(homerun, "full") == known
            assert set_policy(homerun, "full", "allUsers").status == 200
            assert ask(homerun, urllib.parse.urlsplit(homerun.url("full")).netloc)[0] == 200
            homerun.restart()
            assert members_of(homerun, "full") == {"allUsers"}
            assert ask(homerun, urllib.parse.urlsplit(homerun.url("full")).netloc)[0] == 200


@test
def on_a_full_disk_the_front_door_stays_open_even_when_control_dies():
    with small_disk(24) as disk:
        with Homerun("--plain", "--workers=1", data=os.path.join(disk, "data")) as homerun:
            host = deploy(homerun, "public")
            deploy(homerun, "full", public=False)
            ballast = os.path.join(disk, "ballast")
            fill(ballast)
            _, known = change_until_it_fails(homerun, "full", 400)
            kill(homerun, "control")
            for _ in range(20):
                assert ask(homerun, host)[0] == 200
                time.sleep(0.05)
            os.unlink(ballast)
            wait_until(lambda: is_up(homerun), "control is back")
            assert members_of(homerun, "full") == set(known)
            assert set_policy(homerun, "full", "allUsers").status == 200


# ---- the database ----

@test
def a_locked_database_is_503_within_its_limit_and_no_request_waits_for_it():
    host = deploy(one(), "locked", public=False)
    set_policy(one(), "locked", "allUsers")
    path = os.path.join(one().data, "homerun.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            change = pool.submit(set_policy, one(), "locked")
            while not change.done():
                assert ask(one(), host)[0] == 200
            got = change.result()
        assert got.status == 503 and got.json["error"]["status"] == "UNAVAILABLE", got
        assert "database" in got.text, got
        other.execute("ROLLBACK")
    assert members_of(one(), "locked") == {"allUsers"}
    assert ask(one(), host)[0] == 200
    assert set_policy(one(), "locked").status == 200
    assert ask(one(), host)[0] == 403


@test
def a_control_that_cannot_start_again_does_not_close_the_front_door():
    with Homerun("--plain", "--workers=1") as homerun:
        host = deploy(homerun, "public")
        path = os.path.join(homerun.data, "homerun.db")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            kill(homerun, "control")
            wait_until(lambda: "database is locked" in homerun.printed() or
                       ask(homerun, host)[0] != 200, "control has given up once")
            wait_until(lambda: "exit status" in homerun.printed(), "the supervisor has noticed")
            assert ask(homerun, host)[0] == 200
            other.execute("ROLLBACK")
        wait_until(lambda: is_up(homerun), "control is back")
        assert ask(homerun, host)[0] == 200


def digest_of(folder):
    """Of everything but the logs, the lock and what SQLite's readers share."""
    digest = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith("log/") and name != "lock" and \
                not name.endswith("-shm"):
            digest[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digest


def damage(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "head":
        data[:100] = os.urandom(100)
    elif kind == "pages":
        for at in range(4096, len(data), 4096):
            data[at:at + 64] = os.urandom(64)
    elif kind == "cut":
        data = data[:len(data) // 2 + 100]
    elif kind == "text":
        data = bytearray(b"this was once a database\n" * 100)
    path.write_bytes(data)


@test
def a_damaged_database_is_named_at_the_start_and_left_as_it_is():
    with Homerun("--workers=1") as homerun:
        deploy(homerun, "kept")
        assert homerun.stop() == 0
        path = pathlib.Path(homerun.data, "homerun.db")
        whole = path.read_bytes()
        for kind in ("head", "pages", "cut", "text"):
            path.write_bytes(whole)
            damage(path, kind)
            before = digest_of(homerun.data)
            at = len(homerun.printed())
            homerun.spawn()
            assert homerun.process.wait(60) == 1, kind
            lines = [line for line in homerun.printed()[at:].splitlines() if str(path) in line]
            assert len(lines) == 1 and "damaged" in lines[0], (kind, homerun.printed()[at:])
            assert digest_of(homerun.data)["homerun.db"] == before["homerun.db"], kind
            assert homerun.read_ready() is None
        path.write_bytes(whole)
        homerun.start()
        assert ready_condition(homerun, "kept")["status"] == "True"


@test
def a_damaged_index_is_made_anew():
    with Homerun("--plain", "--workers=1") as homerun:
        deploy(homerun, "open", public=False)
        assert set_policy(homerun, "open", "allUsers").status == 200
        for number, name in enumerate(("front/data.mdb", "run/data.mdb", "front/lock.mdb", "boot")):
            assert homerun.stop() == 0
            path = pathlib.Path(homerun.data, "index", name)
            data = bytearray(path.read_bytes())
            path.write_bytes(os.urandom(len(data)) if number % 2 == 0 else data[:len(data) // 3])
            homerun.start()
            host = urllib.parse.urlsplit(homerun.url("open")).netloc
            assert ask(homerun, host)[0] == 200, name
            assert set_policy(homerun, "open").status == 200
            assert ask(homerun, host)[0] == 403, name
            assert set_policy(homerun, "open", "allUsers").status == 200


# ---- file descriptors ----

class Poor(Homerun):
    """With so few descriptors for each process that a crowd uses them up."""

    def command(self):
        return ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh", *super().command()]


def crowd_of(homerun, where, name, path, headers, size=120):
    """The statuses that SIZE connections get that all ask before one of them reads."""
    statuses = []
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(Raw(homerun, where, name)) for _ in range(size)]
        for raw in crowd:
            raw.ask(name, path, headers=headers)
        for raw in crowd:
            statuses.append(raw.answer()[0])
            raw.sock.close()
    return statuses


@test
def without_descriptors_everybody_is_answered_and_service_goes_on_when_there_are_some():
    """Who is accepted with the last one has none left for the way to the container: 503."""
    with Poor("--plain", "--workers=1") as homerun:
        host = deploy(homerun, "public")
        for _ in range(2):
            statuses = crowd_of(homerun, "http", host, "/", [])
            assert set(statuses) <= {200, 503} and 200 in statuses, statuses
            assert ask(homerun, host)[0] == 200
        token = f"Authorization: Bearer {homerun.token()}"
        statuses = crowd_of(homerun, "api", "localhost", f"{SERVICES}?limit=1", [token])
        assert set(statuses) == {200}, statuses


# ---- SIGKILL ----

def is_up(homerun):
    try:
        return homerun.api("GET", f"{SERVICES}?limit=1").status == 200
    except (OSError, http.client.HTTPException):
        return False


def kill(homerun, role):
    """SIGKILL for one process of ROLE; its pid."""
    pid = homerun.pids(role)[0]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


def wait_successor(homerun, role, pid):
    wait_until(lambda: pid not in homerun.pids(role) and homerun.pids(role), f"another {role}")
    wait_until(lambda: is_up(homerun), "control answers")


def deploy_all(homerun, stop, acknowledged):
    """Deploys one service after another; notes those that were acknowledged."""
    for number in range(1000):
        if stop.is_set():
            return
        name = f"storm-{number}"
        with contextlib.suppress(OSError, http.client.HTTPException):
            if put_service(homerun, name).status == 200:
                acknowledged.append(name)


@test
def an_acknowledged_deploy_is_there_and_gets_ready_whoever_is_killed():
    chance = random.Random(7)
    with Homerun("--plain", "--workers=2") as homerun:
        roles = [role for role in ("control", "engine", "ingress", "signer", "metadata")
                 if homerun.pids(role)]
        acknowledged, stop = [], threading.Event()
        thread = threading.Thread(target=deploy_all, args=(homerun, stop, acknowledged))
        thread.start()
        try:
            for role in roles * (4 if FULL else 1):
                had = len(acknowledged)
                wait_until(lambda had=had: len(acknowledged) > had + 1, "deploys go on")
                time.sleep(chance.random() * 0.01)  # to a moment that nobody has chosen
                wait_successor(homerun, role, kill(homerun, role))
        finally:
            stop.set()
            thread.join()
        assert len(acknowledged) >= 2 * len(roles)
        for name in acknowledged:
            wait_until(lambda name=name: ready_condition(homerun, name)["status"] == "True",
                       f"{name} ready")
            host = urllib.parse.urlsplit(homerun.url(name)).netloc
            assert ask(homerun, host)[0] == 200, name


def descendants(homerun):
    return [process["pid"] for process in homerun.ready["processes"]
            if process["role"] != "supervisor"]


@test
def a_killed_supervisor_takes_all_along_and_the_next_start_has_everything():
    with Homerun("--plain", "--workers=1") as homerun:
        hosts = [deploy(homerun, name, template_notes={SCALE + "minScale": "1"})
                 for name in ("a", "b")]
        pids = descendants(homerun)
        engine = homerun.pids("engine")[0]
        with open(f"/proc/{engine}/task/{engine}/children", encoding="utf-8") as file:
            pids += [int(pid) for pid in file.read().split()]
        assert set_policy(homerun, "a", "allUsers").status == 200
        homerun.stop(signal.SIGKILL)
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "all gone")
        os.unlink(homerun.ready_file)
        homerun.start()
        assert members_of(homerun, "a") == {"allUsers"}
        for host in hosts:
            name = host.split(":")[0]
            assert ask(homerun, f"{name}:{urllib.parse.urlsplit(homerun.url('a')).port}")[0] == 200


# ---- the two commits of a change ----

class Doors:
    """Services and callers, and what the gate does with each pair against what the API says."""

    def __init__(self, homerun):
        self.homerun = homerun
        self.hosts = {name: deploy(homerun, name, public=False) for name in ("a", "b")}
        self.callers = {}
        for number in range(3):
            member = "serviceAccount:" + make_account(homerun, f"caller-{number}")
            self.callers[member] = {
                name: homerun.token("identity", member, homerun.url(name)) for name in self.hosts}

    def check(self, name):
        """The members, after the gate has been seen to agree with them."""
        members = members_of(self.homerun, name)
        for member, tokens in self.callers.items():
            for token, who in ((tokens[name], {member, "allUsers"}), (None, {"allUsers"})):
                wanted = 200 if members & who else 403
                got = ask(self.homerun, self.hosts[name], token=token)[0]
                assert got == wanted, f"{name}: {got} for {member if token else 'nobody'}, " \
                                      f"the API says {members}"
        return members

    def choose(self, chance, before):
        every = [*self.callers, "allUsers"]
        while True:
            members = {member for member in every if chance.random() < 0.5}
            if members != before:
                return members


def send_change(homerun, name, members):
    """A setIamPolicy whose answer is not waited for yet."""
    body = json.dumps({"policy": {"bindings": [
        {"role": "roles/run.invoker", "members": sorted(members)}] if members else []}}).encode()
    raw = Raw(homerun, "api")
    raw.ask("localhost", f"/v1/projects/demo/locations/{homerun.ready['region']}/services/{name}"
            ":setIamPolicy", "POST",
            [f"Authorization: Bearer {homerun.token()}", f"Content-Length: {len(body)}"], body)
    return raw


def was_acknowledged(raw):
    with raw:
        try:
            return raw.answer()[0] == 200
        except (EOFError, OSError):
            return False


def wait_write(path, seconds):
    """Until the write-ahead log has grown: the record has, or is about to have, a new commit."""
    size = os.stat(path).st_size
    deadline = time.monotonic() + seconds
    while os.stat(path).st_size == size and time.monotonic() < deadline:
        pass


@test
def the_gate_and_the_record_agree_wherever_control_was_killed():
    chance = random.Random(11)
    with Homerun("--plain", "--workers=2") as homerun:
        doors = Doors(homerun)
        log = os.path.join(homerun.data, "homerun.db-wal")
        for number in range(40 if FULL else 6):
            name = chance.choice(list(doors.hosts))
            before = doors.check(name)
            asked = doors.choose(chance, before)
            raw = send_change(homerun, name, asked)
            if number % 2 == 0:
                wait_write(log, 0.5)
            else:
                time.sleep(chance.random() * 0.006)
            pid = kill(homerun, "control")
            acknowledged = was_acknowledged(raw)
            wait_successor(homerun, "control", pid)
            after = doors.check(name)
            assert after in ([asked] if acknowledged else [asked, before]), \
                f"{after} is neither {asked} nor {before}"
        anew = homerun.printed().count("making it anew")
        print(f"the record was ahead of the index {anew} times")


@test
def what_was_acknowledged_in_a_storm_of_changes_is_there_after_a_kill():
    with Homerun("--plain", "--workers=2") as homerun:
        doors = Doors(homerun)
        for _ in range(8 if FULL else 2):
            stop = threading.Event()
            last, threads = {}, []
            for name in doors.hosts:
                threads.append(threading.Thread(target=storm,
                                                args=(doors, name, stop, last)))
                threads[-1].start()
            wait_until(lambda: all(len(last.get(name, ())) > 20 for name in doors.hosts), "a storm")
            pid = kill(homerun, "control")
            stop.set()
            for thread in threads:
                thread.join()
            wait_successor(homerun, "control", pid)
            for name in doors.hosts:
                after = doors.check(name)
                acknowledged, under_way = last[name][-1]
                assert after in (acknowledged, under_way), (name, after, last[name][-1])


def storm(doors, name, stop, last):
    """Change after change until one fails. LAST: pairs, what is acknowledged and what is asked."""
    chance = random.Random(name)
    known = members_of(doors.homerun, name)
    last[name] = []
    while not stop.is_set():
        asked = doors.choose(chance, known)
        last[name].append((known, asked))
        try:
            if set_policy(doors.homerun, name, *asked).status != 200:
                return
        except (OSError, http.client.HTTPException):
            return
        known = asked
        last[name].append((known, known))


if __name__ == "__main__":
    main()
