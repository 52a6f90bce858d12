#!/usr/bin/env python3
"""Three nodes are exchanged one after another for another release, over a step of the record's schema, under load.

`make test-upgrade` goes from this tree to what comes next: the same with one more step, which only adds (a table, a column of
the nodes' rows), built beside it. So it asks of this release what the next one will need: that it goes on, and starts again,
where there is more than it knows. `make test-upgrade OLD=FILE` goes from an older release's program to this tree.

No request may fail at a node that is up, each change, made at an old node or at a new one, is in force on all of them
when it is answered, and in the end all is as the last one left it.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from by_api import deploy, set_policy  # noqa: E402
from cluster_stand import ask, ask_all, node  # noqa: E402
from homerun import BINARY, ROOT, Skip, finally_do, main, test, wait_until  # noqa: E402
from postgres_stand import Server, programs  # noqa: E402

OLD = os.environ.get("UPGRADE_OLD", "")
STEP = '''    {
        "ALTER TABLE homerun.node ADD COLUMN of_the_next_release text NOT NULL DEFAULT 'x'",
        "CREATE TABLE homerun.next_release (name text PRIMARY KEY, note text NOT NULL)",
    },
'''
WORDS = ("homerun_change", "homerun_node", "homerun_place", "homerun_next")  # channels; the last is of the next release


def compile_one(build, copy):
    """What BUILD says of the file, of the library that it is in, and of the program, done in COPY."""
    said = subprocess.run(["ninja", "-C", str(build), "-t", "commands", "src/homerun"], capture_output=True, text=True, check=True)
    ours = [line for line in said.stdout.splitlines()
            if "postgres_schema.c.o -c" in line or "csrDT src/store/libstore.a" in line or " -o src/homerun " in line]
    assert len(ours) == 3, ours
    for line in ours:
        subprocess.run(line, shell=True, cwd=copy, check=True)


def next_release():
    """The program of this tree with one more step of the schema: what it is built of is copied, and so is made in seconds."""
    folder = tempfile.mkdtemp(prefix="homerun-next-")
    finally_do(lambda: shutil.rmtree(folder, ignore_errors=True))
    build = pathlib.Path(BINARY).resolve().parent.parent
    for one in ("src", "build"):
        source = build if one == "build" else ROOT / one
        subprocess.run(["cp", "-a", str(source), f"{folder}/{one}"], check=True)
    path = pathlib.Path(folder, "src/store/postgres_schema.c")
    before = path.read_text(encoding="utf-8")
    after = before.replace("};\nenum { SCHEMA", STEP + "};\nenum { SCHEMA", 1)
    assert after != before, "the end of the table of steps was not found"
    path.write_text(after, encoding="utf-8")
    compile_one(build, f"{folder}/build")
    return f"{folder}/build/src/homerun"


class Stand:
    def __init__(self, old):
        self.server = Server()
        self.database = self.server.database()
        self.nodes = []
        for i in range(3):
            one = node(self.server, self.database, f"n{i + 1}", self.nodes[0] if i else None)
            one.binary = old
            self.nodes.append(one.start())
        self.hosts = [deploy(self.nodes[0], name, public=public).split(":")[0] for name, public in (("open", True), ("turns", False))]
        for host, status in zip(self.hosts, (200, 403)):
            wait_until(lambda host=host, status=status: ask_all(self.nodes, host) == [status] * 3, "all serve")
        self.up, self.takes_changes = [True] * 3, [True] * 3
        self.asked, self.failed, self.changes = 0, [], 0
        self.ends = False
        self.opens = False
        self.threads = [threading.Thread(target=self.load, args=(i,), daemon=True) for i in range(3)]

    def close(self):
        for one in self.nodes:
            one.close()
        self.server.close()

    @contextlib.contextmanager
    def under_load(self):
        for thread in self.threads:
            thread.start()
        try:
            yield
        finally:
            self.ends = True
            for thread in self.threads:
                thread.join()

    def load(self, number):
        while not self.ends:
            if not self.up[number]:
                time.sleep(0.02)
                continue
            try:
                status = ask(self.nodes[number], self.hosts[0])
            except OSError as why:
                status = str(why)
            if self.up[number]:
                self.asked += 1
                if status != 200:
                    self.failed.append((number, status))

    def change_everywhere(self):
        """One change at each node that takes some: answered, it is in force on all that are up."""
        for number, one in enumerate(self.nodes):
            if not self.takes_changes[number]:
                continue
            self.opens = not self.opens
            got = set_policy(one, "turns", *(["allUsers"] if self.opens else []))
            assert got.status == 200, (number, got)
            seen = ask_all([other for other, up in zip(self.nodes, self.up) if up], self.hosts[1])
            assert set(seen) == {200 if self.opens else 403}, (number, self.opens, seen)
            self.changes += 1

    def drain(self, number, *more):
        other = (number + 1) % 3
        self.nodes[other].cli("nodes", "drain", f"n{number + 1}", *more)

    def restart(self, number, binary):
        """As an operator does: drained, ended, started, taken in again."""
        one = self.nodes[number]
        self.drain(number)
        wait_until(lambda: one.api("GET", "/homerun/v1/health", token="").status == 503, "it is drained")
        self.up[number] = self.takes_changes[number] = False
        time.sleep(0.1)  # requests that were sent before
        assert one.stop() == 0
        self.change_everywhere()
        one.binary = binary
        one.start()
        self.drain(number, "--undo")
        self.up[number] = self.takes_changes[number] = True
        self.change_everywhere()

    def kill_control(self, number):
        one = self.nodes[number]
        before = one.pids("control")
        self.takes_changes[number] = False
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: one.pids("control") not in ([], before), "its successor is there", 60)
        wait_until(lambda: one.api("GET", "/homerun/v1/health", token="").status == 200, "it has a lease", 60)
        self.takes_changes[number] = True

    def say_what_nobody_knows(self):
        for channel in WORDS:
            for words in ("", "?", "1 2 3 4 5 6", "x" * 7000):
                self.server.sql(f"SELECT pg_notify('{channel}', '{words}')", self.database)


@test
def nodes_are_exchanged_one_after_another_over_a_step_of_the_schema():
    if "UPGRADE" not in os.environ:
        raise Skip("a run of a minute: make test-upgrade")
    programs()
    old, new = (OLD, BINARY) if OLD else (BINARY, next_release())
    stand = Stand(str(old))
    finally_do(stand.close)
    schema = stand.server.sql("SELECT value FROM homerun.meta WHERE name = 'schema'", stand.database)
    with stand.under_load():
        stand.change_everywhere()
        for number in range(3):
            stand.restart(number, str(new))
            stand.say_what_nobody_knows()
            stand.change_everywhere()
            if number < 2 and not OLD:  # halfway: an old node's process, and a whole one, start again
                stand.kill_control(2)
                stand.change_everywhere()
                stand.restart(2, str(old))
    risen = stand.server.sql("SELECT value FROM homerun.meta WHERE name = 'schema'", stand.database)
    print(f"schema {schema} to {risen}: {stand.asked} requests, {len(stand.failed)} failed, {stand.changes} changes, each in force "
          "on all nodes")
    assert stand.failed == [], stand.failed[:5]
    assert int(risen) > int(schema) or OLD, (schema, risen)


if __name__ == "__main__":
    main()
