#!/usr/bin/env python3
"""Promises P1 and P3 of docs/access.md under load: access changes are linearizable, and the front door stays up.

Four connections (two plain HTTP/1.1, one TLS HTTP/1.1, one HTTP/2) ask as fast as they can, of
forty targets that are opened and closed all the while, each by another kind of change, and of a
public service that nobody touches. Half of them stand behind a door (Identity-Aware Proxy), with the
cookie of a browser that has signed in (revocation_doors.py); what ends a session closes its target once. Meanwhile control and workers are killed (SIGKILL), at moments
drawn at random around an API call, and exchanged by a reload (SIGHUP).

What is asserted, of every single request (see history.py for the rule):
- no decision is stale: none was made by a state that had ended before the request was sent;
- nothing fails: each answer is the container's, or the refusal that fits the state.

What is not hidden: the connections of a worker die with it. A request that was under way on one is
counted as cut, and asked again at once on a new connection, where it must be answered; a request
that is cut twice is a failure. Killing control cuts nothing. A reload ends connections that are
kept between two requests, as any server may: a request that crosses such an end counts as cut too.

The short form runs with all other tests. The full one (REVOCATION=full, `make test-revocation`)
has 10^6 requests, 10^3 changes and 18 kills and reloads at least.
"""
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from homerun import Homerun, Skip, main, test, wait_until  # noqa: E402

import history  # noqa: E402
from history import Change, Request, Target  # noqa: E402
from load_stand import Load, need_load  # noqa: E402
from revocation_doors import stand_up_doors  # noqa: E402

FULL = os.environ.get("REVOCATION") == "full"
REQUESTS, CHANGES = (1000000, 1000) if FULL else (100000, 150)
KILLS = ["control", "ingress", "control"] * 4 + ["reload", "control", "ingress"] * 2 \
    if FULL else ["control", "ingress", "reload"]
INDEX_BYTES_MAX = 8 << 20  # a reader that died and was not missed would keep every old page

SERVICES = "/apis/serving.knative.dev/v1/namespaces/demo/services"
ACCOUNTS = "/v1/projects/demo/serviceAccounts"
INVOKER = "roles/run.invoker"


# ---- the API, which may be dead for a moment ----

class Api:
    """The owner's calls, over a connection that is kept; tried again while control is away."""

    def __init__(self, homerun):
        self.address = urllib.parse.urlsplit(homerun.api_url)
        self.headers = {"Authorization": f"Bearer {homerun.token()}",
                        "Content-Type": "application/json"}
        self.client = None
        self.again = 0

    def call(self, method, path, body=None, accept=()):
        """ACCEPT: statuses that mean that an earlier try, whose answer was lost, has worked."""
        deadline = time.monotonic() + 60
        tried = False
        while True:
            try:
                return self.once(method, path, body, accept if tried else ())
            except (OSError, http.client.HTTPException):
                self.client = None
                self.again += 1
                tried = True
                assert time.monotonic() < deadline, f"control does not come back: {method} {path}"

    def once(self, method, path, body, accept):
        if self.client is None:
            self.client = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=30)
        self.client.request(method, path, None if body is None else json.dumps(body).encode(),
                            self.headers)
        got = self.client.getresponse()
        text = got.read()
        assert got.status == 200 or got.status in accept, \
            f"{method} {path}: {got.status} {text[:500]}"
        return json.loads(text or b"{}")


# ---- targets ----

class Stand:
    """One instance, its services and accounts, and what turns each of them over."""

    def __init__(self, homerun):
        self.homerun = homerun
        self.api = Api(homerun)
        self.targets = []   # history.Target
        self.hosts = []     # host, token or None
        self.turns = []     # function(open)

    def account(self, name):
        email = f"{name}@demo.iam.gserviceaccount.com"
        self.api.call("POST", ACCOUNTS, {"accountId": name})
        return email

    def host(self, service, tag=None):
        return urllib.parse.urlsplit(self.homerun.url(service, tag)).netloc

    def identity(self, email, audience):
        return self.api.call("POST", "/homerun/v1/tokens", {
            "kind": "identity", "member": f"serviceAccount:{email}",
            "audience": audience})["token"]

    def service(self, name, ready=True, traffic=None, **notes):
        """Creates the service; NOTES are annotations of run.googleapis.com."""
        body = self.body(name, traffic, notes)
        self.api.call("POST", SERVICES, body, accept=(409,))
        if ready:
            self.wait_ready(name)

    def replace(self, name, traffic=None, **notes):
        self.api.call("PUT", f"{SERVICES}/{name}", self.body(name, traffic, notes))

    @staticmethod
    def body(name, traffic, notes):
        return {
            "apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": name, "annotations": {
                f"run.googleapis.com/{key.replace('_', '-')}": value
                for key, value in notes.items()}},
            "spec": {"template": {
                "metadata": {"annotations": {"autoscaling.knative.dev/minScale": "1"}},
                "spec": {"containerConcurrency": 250,
                         "containers": [{"image": "homerun.test/hello"}]}},
                "traffic": traffic or [{"percent": 100, "latestRevision": True}]}}

    def wait_ready(self, name):
        def ready():
            status = self.api.call("GET", f"{SERVICES}/{name}")["status"]
            return any(one["type"] == "Ready" and one["status"] == "True"
                       for one in status["conditions"])
        wait_until(ready, f"{name} ready")

    def bind(self, name, *members, condition=None):
        binding = {"role": INVOKER, "members": list(members)}
        if condition is not None:
            binding["condition"] = {"title": "t", "expression": condition}
        self.api.call("POST", f"/v1/projects/demo/locations/{self.homerun.ready['region']}"
                      f"/services/{name}:setIamPolicy",
                      {"policy": {"version": 3, "bindings": [binding] if members else []}})

    def add(self, name, host, token, closed, turn, while_changing=()):
        self.targets.append(Target(name, True, closed, while_changing=while_changing))
        self.targets[-1].once = False  # it can be opened again
        self.hosts.append((host, token))
        self.turns.append(turn)

    def simple(self, name, closed, turn, email=None, audience=None, **service):
        """A target with a service of its own, open to begin with."""
        self.service(name, **service)
        turn(True)
        token = email and self.identity(email, audience or self.homerun.url(name))
        self.add(name, self.host(name), token, closed, turn)


def stand_up_services(stand):
    """What a service says of itself, and whom it names."""
    stand.simple("check", 403, lambda on: stand.replace(
        "check", invoker_iam_disabled="true" if on else "false"))
    stand.simple("everybody", 403, lambda on: stand.bind(
        "everybody", *(["allUsers"] if on else [])))

    one = stand.account("caller-one")
    stand.simple("principal", 403, lambda on: stand.bind(
        "principal", *([f"serviceAccount:{one}"] if on else [])), email=one)
    stand.simple("anybody", 403, lambda on: stand.bind(
        "anybody", *(["allAuthenticatedUsers"] if on else [])), email=one)
    stand.simple("condition", 403, lambda on: stand.bind(
        "condition", f"serviceAccount:{one}",
        condition=f"request.time < timestamp('{2100 if on else 2001}-01-01T00:00:00Z')"), email=one)
    stand.simple("audience", 401, lambda on: stand.replace(
        "audience", custom_audiences='["mine"]' if on else '["theirs"]',
        invoker_iam_disabled="false"), email=one, audience="mine")
    stand.bind("audience", f"serviceAccount:{one}")
    stand.simple("ingress", 404, lambda on: stand.replace(
        "ingress", invoker_iam_disabled="true", ingress="all" if on else "internal"),
        invoker_iam_disabled="true")


def stand_up_callers(stand):
    """What becomes of a caller: their group, account, key and rights on the project."""
    stand.api.call("POST", "/homerun/v1/groups", {"email": "outer@example.com", "members": []})
    stand.api.call("POST", "/homerun/v1/groups", {"email": "inner@example.com", "members": []})
    stand.api.call("PUT", "/homerun/v1/groups/outer@example.com",
                   {"members": ["group:inner@example.com"]})
    two = stand.account("caller-two")
    stand.simple("group", 403, lambda on: stand.api.call(
        "PUT", "/homerun/v1/groups/inner@example.com",
        {"members": [f"serviceAccount:{two}"] if on else []}), email=two)
    stand.bind("group", "group:outer@example.com")

    three = stand.account("caller-three")
    stand.simple("disabled", 401, lambda on: stand.api.call(
        "POST", f"{ACCOUNTS}/{three}:{'enable' if on else 'disable'}", {}), email=three)
    stand.bind("disabled", f"serviceAccount:{three}")

    four = stand.account("caller-four")
    key = stand.api.call("POST", f"{ACCOUNTS}/{four}/keys", {})
    stand.service("key")
    stand.bind("key", f"serviceAccount:{four}")
    stand.add("key", stand.host("key"),
              token_by_key(stand.homerun, key["privateKeyData"], stand.homerun.url("key")), 401,
              lambda on: stand.api.call(
                  "POST", f"/v1/{key['name']}:{'enable' if on else 'disable'}", {}))

    five = stand.account("caller-five")
    stand.simple("project", 403, lambda on: set_project_invoker(stand, five, on), email=five)

    six = stand.account("caller-six")
    stand.service("account")
    stand.bind("account", f"serviceAccount:{six}")
    unique = stand.api.call("GET", f"{ACCOUNTS}/{six}")["uniqueId"]
    stand.add("account", stand.host("account"), stand.identity(six, stand.homerun.url("account")),
              401, lambda on: stand.api.call("POST", f"{ACCOUNTS}/{unique}:undelete", {},
                                             accept=(400, 404, 409))
              if on else stand.api.call("DELETE", f"{ACCOUNTS}/{six}", accept=(404,)))


def stand_up_tags(stand):
    """A tag of the service, one of its project, and one of a folder that the project moves into
    and out of: a condition asks for each."""
    api, number = stand.api, stand.homerun.ready["projectNumber"]
    tree = "//cloudresourcemanager.googleapis.com/"
    above = api.call("GET", "/v3/organizations:search")["organizations"][0]["name"]
    folder = api.call("POST", "/v3/folders", {
        "parent": above, "displayName": "tagged"})["response"]["name"]
    service = f"//run.googleapis.com/projects/{number}/locations/" \
              f"{stand.homerun.ready['region']}/services/own-tag"
    caller = stand.account("caller-tags")
    parents = {"own-tag": service, "project-tag": f"{tree}projects/{number}",
               "folder-tag": tree + folder}
    for name, parent in parents.items():
        key = api.call("POST", "/v3/tagKeys", {"parent": above, "shortName": name})["response"]
        value = api.call("POST", "/v3/tagValues", {
            "parent": key["name"], "shortName": "yes"})["response"]["name"]
        stand.service(name)
        if name == "folder-tag":
            api.call("POST", "/v3/tagBindings", {"parent": parent, "tagValue": value})
            turn = move_turn(api, folder, above)
        else:
            turn = binding_turn(api, parent, value)
        stand.bind(name, f"serviceAccount:{caller}",
                   condition=f"resource.matchTag('{key['namespacedName']}', 'yes')")
        turn(True)
        stand.add(name, stand.host(name), stand.identity(caller, stand.homerun.url(name)), 403, turn)


def stand_up(stand):
    """The public service first; then the others."""
    stand.service("public", invoker_iam_disabled="true")
    stand.add("public", stand.host("public"), None, 403, None)
    stand_up_services(stand)
    stand_up_callers(stand)
    stand_up_tags(stand)

    stand.service("tagged", invoker_iam_disabled="true")
    turn_tag = tag_turn(stand)
    turn_tag(True)
    stand.add("tagged", stand.host("tagged", tag="next"), None, 404, turn_tag)

    stand.service("whole", invoker_iam_disabled="true")
    stand.add("whole", stand.host("whole"), None, 404, lambda on: stand.service(
        "whole", invoker_iam_disabled="true") if on else stand.api.call(
            "DELETE", f"{SERVICES}/whole", accept=(404,)), while_changing=(503,))
    stand_up_doors(stand, ACCOUNTS)


def binding_turn(api, parent, value):
    path = f"/v3/tagBindings/{urllib.parse.quote(parent, safe='')}/{value}"
    return lambda on: api.call("POST", "/v3/tagBindings", {"parent": parent, "tagValue": value},
                               accept=(409,)) if on else api.call("DELETE", path, accept=(404,))


def move_turn(api, folder, above):
    return lambda on: api.call("POST", "/v3/projects/demo:move",
                               {"destinationParent": folder if on else above})


def set_project_invoker(stand, email, on):
    policy = stand.api.call("POST", "/v1/projects/demo:getIamPolicy", {})
    bindings = [one for one in policy.get("bindings", []) if one["role"] != INVOKER]
    if on:
        bindings.append({"role": INVOKER, "members": [f"serviceAccount:{email}"]})
    stand.api.call("POST", "/v1/projects/demo:setIamPolicy", {"policy": {"bindings": bindings}})


def tag_turn(stand):
    name = stand.api.call("GET", f"{SERVICES}/tagged")["status"]["latestReadyRevisionName"]
    latest = {"percent": 100, "latestRevision": True}
    tagged = {"revisionName": name, "tag": "next"}
    return lambda on: stand.replace("tagged", traffic=[latest] + ([tagged] if on else []),
                                    invoker_iam_disabled="true")


def token_by_key(homerun, encoded, audience):
    """An identity token got with a key of the account, as client libraries do: RFC 7523."""
    import base64
    if shutil.which("openssl") is None:
        raise Skip("openssl is not installed")
    key = json.loads(base64.b64decode(encoded))

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    now = int(time.time())
    text = b".".join(part(json.dumps(one).encode()) for one in (
        {"alg": "RS256", "typ": "JWT", "kid": key["private_key_id"]},
        {"iss": key["client_email"], "aud": key["token_uri"], "iat": now, "exp": now + 3600,
         "target_audience": audience}))
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(key["private_key"].encode())
        pem.flush()
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", pem.name], input=text,
                                   capture_output=True, check=True).stdout
    form = urllib.parse.urlencode({
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": (text + b"." + part(signature)).decode()}).encode()
    got = homerun.api("POST", "/token", form, token="",
                      headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert got.status == 200, got
    return got.json["id_token"]


# ---- the run ----

def start_load(homerun, stand):
    """Two connections in the clear, one over TLS, one of HTTP/2."""
    ports = {name: urllib.parse.urlsplit(homerun.ready[name]).port for name in ("http", "https")}
    plain = f"plain 127.0.0.1 {ports['http']}"
    return Load(REQUESTS, [plain, plain, f"tls 127.0.0.1 {ports['https']} {homerun.ca}",
                           f"http2 127.0.0.1 {ports['https']} {homerun.ca}"], stand.hosts)


def under_way(load):
    """Whether each target has been asked while it was open: one of them gets every 80th request or so."""
    return load.written() > 2500


def turn_over(stand, number):
    """One change of target NUMBER, noted with its times."""
    target = stand.targets[number]
    now_open = target.changes[-1].open if target.changes else target.first_open
    started = time.monotonic_ns()
    stand.turns[number](not now_open)
    target.changes.append(Change(started, time.monotonic_ns(), not now_open))


def strike_soon(homerun, role, chance):
    """SIGKILL for one process of ROLE, or a reload, within some milliseconds: often in the midst of
    a change. The timer, and how to tell that those who were there have successors."""
    if role == "reload":
        pid, number, gone = homerun.process.pid, signal.SIGHUP, homerun.pids("ingress")
    else:
        pid, number = chance.choice(homerun.pids(role)), signal.SIGKILL
        gone = [pid]
    timer = threading.Timer(chance.random() * 0.008, os.kill, (pid, number))
    timer.start()
    wanted = "ingress" if role == "reload" else role
    return timer, lambda: has_successors(homerun, wanted, gone)


def change_and_kill(homerun, stand, load, chance):
    """Changes until there are enough, and the load has had enough; the kills spread over them."""
    kills = list(KILLS)
    changes = 0
    targets = stand.targets
    fresh = [number for number in range(1, len(targets)) if targets[number].once]
    many = [number for number in range(1, len(targets)) if not targets[number].once]
    chance.shuffle(fresh)
    every = CHANGES // (len(fresh) + 2)
    wait_until(lambda: under_way(load) or not load.alive(), "the load is under way", 60)
    while changes < CHANGES or kills or not load.enough.is_set():
        assert load.alive(), "the load gave up"
        number = fresh.pop() if fresh and changes % every == every - 1 else chance.choice(many)
        timer = None
        if kills and changes >= (len(KILLS) - len(kills) + 1) * CHANGES // (len(KILLS) + 1):
            timer, is_over = strike_soon(homerun, kills.pop(0), chance)
        turn_over(stand, number)
        changes += 1
        if timer is not None:
            timer.join()
            wait_until(is_over, "successors")
    return changes


def has_successors(homerun, role, gone):
    pids = homerun.pids(role)
    return not set(gone) & set(pids) and len(pids) == (2 if role == "ingress" else 1)


@test
def no_decision_is_stale_and_nothing_fails_while_processes_are_killed():
    need_load()
    seed = int(os.environ.get("REVOCATION_SEED", time.time_ns() % 1000000))
    chance = random.Random(seed)
    with Homerun("--plain", "--workers=2") as homerun:
        stand = Stand(homerun)
        stand_up(stand)
        began = time.monotonic()
        with contextlib.closing(start_load(homerun, stand)) as load:
            changes = change_and_kill(homerun, stand, load, chance)
            load.end()
            took = time.monotonic() - began
            verdict = history.judge(stand.targets, load.requests())
        tell(verdict, changes, took, seed)
        for name, request in (verdict.stale + verdict.failed)[:20]:
            print("wrong:", name, request)
        assert not verdict.stale, f"{len(verdict.stale)} stale decisions, seed {seed}"
        assert not verdict.failed, f"{len(verdict.failed)} failed requests, seed {seed}"
        assert verdict.requests >= REQUESTS and changes >= CHANGES
        size = os.stat(os.path.join(homerun.data, "index", "front", "data.mdb")).st_size
        assert size < INDEX_BYTES_MAX, f"the index has grown to {size} bytes"
        for target in stand.targets[1:]:
            for state in (True, False):
                assert verdict.by_state[target.name, state] > 0, \
                    f"{target.name} was never seen {'open' if state else 'closed'}"


def tell(verdict, changes, took, seed):
    print(f"{verdict}; {changes} changes, {len(KILLS)} kills and reloads, {took:.0f} s, seed {seed}")


# ---- the judge itself ----

def seen(sent, answered, status, outcome=history.ANSWERED):
    return Request(sent, answered, 0, status, 0, outcome, 0)


def judged(*requests):
    """Against a target that is closed between 100 and 110, and opened between 200 and 210."""
    target = Target("t", True, 403, [Change(100, 110, False), Change(200, 210, True)])
    return history.judge([target], requests)


@test
def the_judge_takes_what_fits():
    verdict = judged(seen(10, 20, 200), seen(90, 105, 200), seen(90, 105, 403),
                     seen(111, 199, 403), seen(150, 205, 403), seen(150, 205, 200),
                     seen(90, 230, 403), seen(211, 220, 200))
    assert (verdict.stale, verdict.failed, verdict.settled) == ([], [], 3), verdict


@test
def the_judge_finds_a_decision_by_the_old_state():
    assert len(judged(seen(111, 120, 200)).stale) == 1
    assert len(judged(seen(211, 220, 403)).stale) == 1
    assert len(judged(seen(10, 20, 403)).stale) == 1


@test
def the_judge_finds_an_old_answer_after_a_new_one_within_a_change():
    assert len(judged(seen(99, 103, 403), seen(104, 108, 200)).stale) == 1
    assert not judged(seen(99, 105, 403), seen(104, 108, 200)).stale


def can_be_ordered(deeds, states, at=0):
    """By trial of every order: DEEDS are (began, ended, number of the change or None, what it shows)."""
    if not deeds:
        return True
    first_end = min(ended for _, ended, _, _ in deeds)
    return any(
        can_be_ordered(deeds[:i] + deeds[i + 1:], states, at if change is None else change)
        for i, (began, _, change, shows) in enumerate(deeds)
        if began <= first_end and (shows == states[at] if change is None else change == at + 1))


@test
def the_judge_finds_what_no_order_explains_and_nothing_else():
    chance = random.Random(15)
    wrong = 0
    for _ in range(3000):
        times = sorted(chance.sample(range(60), 6))
        changes = [Change(times[2 * i], times[2 * i + 1], i % 2 == 1) for i in range(3)]
        reads = []
        for _ in range(4):
            sent = chance.randrange(60)
            reads.append(seen(sent, sent + chance.randrange(1, 25), chance.choice((200, 403))))
        deeds = [(one.started, one.ended, i + 1, None) for i, one in enumerate(changes)]
        deeds += [(one.sent, one.answered, None, one.status == 200) for one in reads]
        stale = history.judge([Target("t", True, 403, changes)], reads).stale
        assert bool(stale) != can_be_ordered(deeds, [True, False, True, False]), (changes, reads, stale)
        wrong += bool(stale)
    assert 300 < wrong < 2700, wrong


@test
def the_judge_finds_what_failed_and_what_was_lost():
    assert len(judged(seen(10, 20, 503)).failed) == 1
    assert len(judged(seen(10, 20, 0, history.LOST)).failed) == 1
    cut = judged(seen(10, 20, 0, history.CUT), seen(20, 30, 200, history.RETRIED))
    assert (cut.cut, cut.failed) == (1, [])


if __name__ == "__main__":
    main()
