#!/usr/bin/env python3
"""SIGKILL of every process, at moments that nobody has chosen. FAULTS=full kills more often.

Not covered here: steps of the clock. There is no way to give one process another wall clock without
a preloaded library; the rules of time are tested where time is an argument (tests/unit/trust,
tests/unit/policy, tests/unit/ingress), and waits all run on CLOCK_MONOTONIC. A loss of power is not
covered either: SIGKILL keeps what the kernel has, so that what fsync() is for is not proved here.
"""
import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
import urllib.parse

from by_api import SCALE, Raw, deploy, make_account, put_service, ready_condition, set_policy
from faults_stand import ask, is_up, kill, members_of, wait_successor
from homerun import Homerun, main, test, wait_until

FULL = os.environ.get("FAULTS") == "full"


# ---- one process, or all ----

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
