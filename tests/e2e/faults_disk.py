#!/usr/bin/env python3
"""What the disk can do to Homerun: it is full, the database locked or damaged, the index damaged."""
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse

from by_api import deploy, ready_condition, set_policy
from faults_stand import ask, is_up, kill, members_of, one
from homerun import Homerun, Skip, main, test, wait_until

MIB = 1 << 20


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
def a_damaged_document_is_named_and_not_taken_for_an_absent_one():
    """Whatever is asked about it, and by whom: 500 and its name, where "not found" or "denied" would be a guess."""
    with contextlib.closing(Homerun().start()) as homerun:
        deploy(homerun, "hurt")
        assert set_policy(homerun, "hurt", "allAuthenticatedUsers").status == 200
        path = "/v2/projects/demo/locations/us-central1/services/hurt"
        with contextlib.closing(sqlite3.connect(pathlib.Path(homerun.data, "homerun.db"), isolation_level=None)) as record:
            for kind, calls in (
                    ("policy", (("GET", path + ":getIamPolicy", None, None), ("GET", path, None, "user:nobody@example.com"),
                                ("POST", path + ":setIamPolicy", {"policy": {"bindings": []}}, None),
                                ("POST", path + ":testIamPermissions", {"permissions": ["run.services.get"]},
                                 "user:guest@example.com"))),
                    ("service", (("GET", path, None, None), ("GET", "/v2/projects/demo/locations/-/services", None, None),
                                 ("PATCH", path + "?updateMask=labels", {"labels": {"a": "b"}}, None),
                                 ("GET", path + "/revisions", None, None)))):
                where = "kind = ? AND key LIKE '%/services/hurt'"
                (good,), = record.execute(f"SELECT body FROM document WHERE {where}", (kind,))
                record.execute(f"UPDATE document SET body = ? WHERE {where}", (good[:-2], kind))
                for verb, target, body, member in calls:
                    token = homerun.token(member=member) if member else homerun.token()
                    answer = homerun.api(verb, target, body, token=token)
                    error = answer.json.get("error", {})
                    assert (answer.status, error.get("status")) == (500, "DATA_LOSS"), (verb, target, answer.text)
                    assert f"the {kind} projects/demo/locations/us-central1/services/hurt" in error["message"], error
                    assert "errno" not in answer.text and good[:20] not in answer.text, answer.text
                record.execute(f"UPDATE document SET body = ? WHERE {where}", (good, kind))
                for verb, target, body, member in calls:
                    if verb == "GET" and member is None:
                        assert homerun.api(verb, target).status == 200, target


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


if __name__ == "__main__":
    main()
