#!/usr/bin/env python3
"""The clock of the machine jumps while Homerun runs, forwards and back: what has an end by date goes
by the clock of now, what waits goes by time that has passed, and certificates are made anew."""
import datetime
import http.client
import os
import re
import signal
import socket
import ssl
import time
import urllib.parse

import clock_stand
from clock_stand import DAY, HOUR, YEAR, Clock, Movable
from homerun import PYTHON, finally_do, main, program_folder, test, wait_until

WRITE = {"X-Homerun-Console": "1", "Content-Type": "application/json"}
_stand = []


def stand():
    if not _stand:
        one = Movable(Clock(), "--idle=86400", "--api-tls=127.0.0.1:0", "--connect", "--workers=2")
        finally_do(one.close)
        one.start()
        one.cli("images", "add", "mirror", f"--dir={program_folder()}", "--", PYTHON,
                f"{program_folder()}/gate_container.py")
        one.cli("deploy", "private", "--image=mirror")
        _stand.append(one)
    _stand[0]._tokens.clear()
    return _stand[0]


class At:
    """The clock is so many seconds from now, and is put right afterwards. A minute later there are
    certificates that are good then; without MINUTE nothing but the wall clock moves."""

    def __init__(self, seconds, minute=True):
        self.seconds = seconds
        self.minute = minute

    def __enter__(self):
        stand().clock.move(wall=self.seconds)
        self.settle()

    def __exit__(self, *ignored):
        stand().clock.reset()
        self.settle()

    def settle(self):
        if self.minute:
            stand().pass_minutes()
            everywhere(stand())
        stand()


def service(token, path="/"):
    return stand().get(stand().url("private") + path, token=token)


def userinfo(token):
    return stand().api("GET", "/oauth2/v3/userinfo", token=token).status


def policy(bindings):
    at = f"/v2/projects/demo/locations/{stand().ready['region']}/services/private"
    got = stand().api("POST", at + ":setIamPolicy", {"policy": {"version": 3, "bindings": bindings}})
    assert got.status == 200, got


def tokens():
    one = stand()
    return one.cli("token", "access").stdout.strip(), \
        one.cli("token", "identity", f"--audience={one.url('private')}").stdout.strip()


# ---- what has an end by date ----

@test
def a_token_ends_when_the_clock_passes_its_end():
    access, identity = tokens()
    for _ in range(2):  # the second time it is remembered
        assert userinfo(access) == 200 and service(identity).status == 200
    with At(DAY):
        assert userinfo(access) == 401
        assert service(identity).status == 401
        fresh = tokens()
        assert userinfo(fresh[0]) == 200 and service(fresh[1]).status == 200
    # Back again: those of the future are refused, those of now are good as they were.
    assert userinfo(fresh[0]) == 401
    assert service(fresh[1]).status == 401
    assert userinfo(access) == 200 and service(identity).status == 200


@test
def a_token_of_now_is_one_of_the_future_when_the_clock_is_set_back():
    access, identity = tokens()
    assert userinfo(access) == 200 and service(identity).status == 200
    with At(-DAY):
        assert userinfo(access) == 401
        assert service(identity).status == 401
        fresh = tokens()
        assert userinfo(fresh[0]) == 200
        assert stand().api("GET", "/v1/projects/demo", token=fresh[0]).status == 200


@test
def what_was_taken_away_stays_away_whatever_the_clock_says():
    one = stand()
    member = "user:was-bound@example.com"
    policy([{"role": "roles/run.invoker", "members": [member]}])
    token = one.cli("token", "identity", f"--as={member}",
                    f"--audience={one.url('private')}").stdout.strip()
    assert service(token).status == 200
    policy([])
    account = one.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "was-here"}).json
    access = one.cli("token", "access", f"--as=serviceAccount:{account['email']}").stdout.strip()
    assert userinfo(access) == 200
    assert one.api("POST", f"/v1/projects/demo/serviceAccounts/{account['email']}:disable",
                   {}).status == 200
    for jump in (0, -600, 600, -HOUR, HOUR, -DAY):
        with At(jump):
            assert service(token).status in (401, 403), jump
            assert userinfo(access) == 401, jump


@test
def a_condition_goes_by_the_clock_of_each_request():
    one = stand()
    member = "user:a-while@example.com"

    def ask():  # a token of then
        return service(one.cli("token", "identity", f"--as={member}",
                               f"--audience={one.url('private')}").stdout.strip()).status
    policy([{"role": "roles/run.invoker", "members": [member], "condition": {
        "title": "a while", "expression": "request.time.getFullYear() < 2100"}}])
    assert ask() == 200
    with At(100 * YEAR):
        assert ask() == 403
    assert ask() == 200
    policy([])


@test
def a_session_and_its_link_end_by_the_clock():
    one = stand()

    def take(code):
        return one.api("POST", "/console/session", {"code": code}, token="",
                       headers={**WRITE, "Origin": one.api_url})

    def code():
        return re.search(r"#code=([\w-]+)$", one.cli("console", "--print").stdout.strip()).group(1)

    def me():
        return one.api("GET", "/v1/projects/demo", token="", headers={"Cookie": cookie, **WRITE,
                                                                     "Origin": one.api_url}).status
    cookie = take(code()).headers["set-cookie"].split(";")[0]
    late = code()
    assert me() == 200
    with At(11 * HOUR):
        assert me() == 200
        assert take(late).status == 401
    with At(DAY):
        assert me() == 401
    with At(-DAY):
        assert me() == 200  # twelve hours from its begin, by a clock that was put right


# ---- what waits ----

def instances(one):
    engine = one.pids("engine")[0]
    with open(f"/proc/{engine}/task/{engine}/children", encoding="utf-8") as file:
        return file.read().split()


def slow_begun(one):
    """How many slow requests have come to the container."""
    with open(f"{one.data}/log/instances.jsonl", encoding="utf-8") as log:
        return log.read().count("slow begins")


@test
def a_jump_cuts_no_request_and_ends_no_instance():
    one = stand()
    _, identity = tokens()
    begun = slow_begun(one)
    before = service(identity).json["hits"]
    before_pids = instances(one)
    for jump in (DAY, -DAY):
        url = urllib.parse.urlsplit(one.url("private"))
        context = ssl.create_default_context(cafile=one.ca)
        raw = context.wrap_socket(socket.create_connection(("127.0.0.1", url.port), timeout=60),
                                  server_hostname=url.hostname)
        client = http.client.HTTPConnection(url.hostname, url.port)
        client.sock = raw
        client.request("GET", "/slow", headers={"Authorization": f"Bearer {identity}"})
        begun += 1
        wait_until(lambda: slow_begun(one) == begun, "the container has the request")
        with At(jump, minute=False):
            answer = client.getresponse()
            assert answer.status == 200, (jump, answer.status)
            answer.read()
            # The same connection: judged by the clock of now, and not closed.
            client.request("GET", "/", headers={"Authorization": f"Bearer {identity}"})
            assert client.getresponse().status == 401
        client.close()
        # All places were given back, by the instance that there was.
        assert service(identity).json["hits"] == before + (2 if jump == DAY else 4)
    assert instances(one) == before_pids
    assert not re.search(r"ended \(|did not", one.printed()), one.printed()[-2000:]


@test
def an_idle_instance_ends_by_time_that_has_passed():
    one = stand()
    access, identity = tokens()
    hits = service(identity).json["hits"]
    pids = instances(one)
    with At(2 * DAY, minute=False):
        userinfo(access)
    assert service(identity).json["hits"] == hits + 1
    one.pass_minutes(25 * 60)
    wait_until(lambda: not set(instances(one)) & set(pids), "it ended")
    assert service(tokens()[1]).json["hits"] == 1


@test
def a_process_that_is_started_again_after_a_jump_serves():
    one = stand()
    for jump in (DAY, -DAY, 3 * YEAR):
        with At(jump):
            for role in ("control", "signer", "ingress"):
                pid = one.pids(role)[0]
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: one.pids(role) and pid not in one.pids(role), f"a new {role}")
            access = wait_until(lambda: one.cli("token", "access", status=None).stdout.strip(), "up")
            assert userinfo(access) == 200, jump
            everywhere(one)


# ---- certificates ----

def verified(one, url=None):
    """Why a client with the CA file of now does not believe the certificate; None: it does."""
    parts = urllib.parse.urlsplit(url or one.url("private"))
    try:
        context = ssl.create_default_context(cafile=one.ca)
        raw = socket.create_connection(("127.0.0.1", parts.port), timeout=30)
        context.wrap_socket(raw, server_hostname=parts.hostname).close()
    except ssl.SSLError as why:
        return str(why)
    return None


def leaf_of(one, url=None):
    parts = urllib.parse.urlsplit(url or one.url("private"))
    return ssl.get_server_certificate(("127.0.0.1", parts.port))


def connect_leaf(one):
    """What a client that came by CONNECT is shown, as bytes."""
    port = urllib.parse.urlsplit(one.api_url).port
    raw = socket.create_connection(("127.0.0.1", port), timeout=30)
    raw.sendall(b"CONNECT run.googleapis.com:443 HTTP/1.1\r\nHost: run.googleapis.com:443\r\n\r\n")
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += raw.recv(1)
    context = ssl.create_default_context(cafile=one.ca)
    with context.wrap_socket(raw, server_hostname="run.googleapis.com") as tls:
        return tls.getpeercert(True)


def doctor(one):
    """Without the clients that it would ask for their versions: they take seconds."""
    return one.cli("doctor", status=None, env={"PATH": "/nonexistent"}).stdout


def everywhere(one):
    """Both workers, the API over TLS, and CONNECT show certificates that are believed."""
    def good():
        for _ in range(8):
            if verified(one) is not None:
                return False
        if verified(one, one.ready["apiTls"]) is not None:
            return False
        try:
            return bool(connect_leaf(one))
        except ssl.SSLError:
            return False
    wait_until(good, "certificates that are believed")


@test
def certificates_are_renewed_while_it_runs():
    one = stand()
    pids = {role: one.pids(role) for role in ("signer", "control", "ingress", "engine")}
    ca = open(one.ca, encoding="utf-8").read()
    assert "Homerun renews it by itself" in doctor(one)
    everywhere(one)
    seen = {leaf_of(one)}
    # (the clock, whether the CA is another then, whether a client with the old CA file believes it)
    for jump, renews_ca, old_is_good in ((380 * DAY, False, True), (10 * YEAR - 400 * DAY, True, True),
                                         (10 * YEAR - 400 * DAY + 390 * DAY, False, True),
                                         (12 * YEAR, False, False), (0, True, True),
                                         (-5 * YEAR, True, False),
                                         (0, False, True)):
        before = open(one.ca, encoding="utf-8").read()
        one.clock.reset()
        one.clock.move(wall=jump)
        one.pass_minutes()
        everywhere(one)
        leaf = leaf_of(one)
        assert leaf not in seen, jump
        seen.add(leaf)
        assert (open(one.ca, encoding="utf-8").read() != before) == renews_ca, jump
        told = doctor(one)
        assert re.search(r"good\S*  *local CA .*Homerun renews it by itself", told), (jump, told)
        old = ssl.create_default_context(cadata=ca)
        raw = socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(one.url("private")).port))
        try:
            old.wrap_socket(raw, server_hostname=urllib.parse.urlsplit(one.url("private")).hostname)
            believed = True
        except ssl.SSLError:
            believed = False
        raw.close()
        assert believed == old_is_good, (jump, believed)
    # The same processes: nobody was drained for it.
    assert {role: one.pids(role) for role in pids} == pids


@test
def doctor_says_how_the_ca_is_while_nobody_renews_it():
    one = stand()
    text = re.search(r"local CA .* is good until (\d+-\d+-\d+)", doctor(one)).group(1)
    left = datetime.datetime.fromisoformat(text + "T00:00Z").timestamp() - time.time()
    for jump, says in ((left - 100 * DAY, "has not been renewed"), (left + DAY, "ended on"),
                       (-10 * YEAR, "one of the future")):
        with At(jump, minute=False):
            line = next(line for line in doctor(one).splitlines() if "local CA" in line)
            assert says in line, (jump, line)
            assert line.startswith("odd" if says.startswith("has") else "broken"), line
    assert re.search(r"^good .*local CA", doctor(one), re.M)


clock_stand.begin()
if __name__ == "__main__":
    main()
