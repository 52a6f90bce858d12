#!/usr/bin/env python3
"""Bad input at every door: calls made from the route table and from Google's schemas.

    tests/e2e/api_generated.py [--seed=N] [--long] [WORDS]

Whatever comes, the answer comes within 5 s, is never a 5xx but 501, is an error in Google's shape
that names the field where there is one, and changes nothing unless the caller may. The short form
takes a sample of the fields; --long takes all.
"""
import inspect
import json
import os
import random
import sys
import time

from api_world import (BAD_SEGMENTS, NO_HTTP, PARAMETER, PROJECT, RAW_BODIES, WRONG, Client, World,
                       fields_of, put_at, routes)
from by_api import Raw
from homerun import Homerun, finally_do, main, test

LONG = "--long" in sys.argv
SEED = next((int(word[7:]) for word in sys.argv if word.startswith("--seed=")),
            int(os.environ.get("SEED", "1")))
sys.argv = [word for word in sys.argv if not word.startswith("--")]
FIELDS_OF_ONE_METHOD = 10**9 if LONG else 30
SEGMENTS_OF_ONE_PATH = 10**9 if LONG else 5
BODIES_OF_ONE_METHOD = 10**9 if LONG else 5

CODES = {"INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "UNAUTHENTICATED",
         "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"}
GARBAGE_TOKENS = ["x", "a.b.c", "ya29." + "x" * 200, "null", "x" * 6000, "eyJhbGciOiJub25lIn0."
                  "eyJpc3MiOiJodHRwOi8vbG9jYWxob3N0In0.", "..", "%00", "="]
# Anybody who is somebody may ask these, and is told of no one but themselves.
OPEN_TO_ALL = ("ListRoles", "GetRole", "QueryGrantableRoles", "QueryTestablePermissions",
               "UserInfo", "TestIamPermissions", "ListConstraints", "Public")

# What may be missed before a field that is too much is seen.
REQUIRED = ("serviceId", "parent", "metadata", "name", "policy")

stand = {}
visited = {}  # label of a row → names of the tests that have asked it


def world():
    if not stand:
        stand["broken"] = "the stand could not be made: see the first test"
        homerun = Homerun("--workers=1").start()
        finally_do(homerun.close)
        stand["world"] = World(homerun)
        stand["broken"] = None
        stand["client"] = Client(homerun)
        stand["pids"] = {one["pid"] for one in homerun.ready["processes"]}
        stand["routes"] = routes()
        print(f"seed {SEED}", flush=True)
    assert not stand["broken"], stand["broken"]
    return stand["world"]


class Faults:
    """What was wrong, all of it, so that one run tells everything."""

    def __init__(self):
        self.told = []
        self.started = time.monotonic()
        self.calls = stand["client"].calls

    def add(self, row, what, why, reply=None):
        self.told.append(f"{row['label']} [{row['method']}] with {what}: {why}"
                         + (f": {reply.status} {reply.text[:200]}" if reply else ""))

    def end(self):
        spent = time.monotonic() - self.started
        print(f"{stand['client'].calls - self.calls} calls in {spent:.1f} s")
        print("\n".join(self.told[:1000 if LONG else 60]))
        alive = {one["pid"] for one in world().homerun.read_ready()["processes"]}
        assert alive == stand["pids"], "a process ended and was started anew"
        assert not self.told, f"{len(self.told)} faults; the first: {self.told[0][:200]}"


def ask(faults, row, what, verb, target, token="", body=None, headers=()):
    """One call, and what must hold of every answer. None if there was none."""
    visited.setdefault(row["label"], set()).add(inspect.stack()[1].function)
    try:
        got = stand["client"].call(verb, target, token, body, headers)
    except (OSError, EOFError, ValueError) as why:
        faults.add(row, what, f"no answer: {type(why).__name__} {why}")
        return None
    if got.status >= 500 and got.status != 501:
        faults.add(row, what, "a fault of ours", got)
    elif got.status >= 400 and not has_shape(row, got):
        faults.add(row, what, "not the shape of an error", got)
    return got


def has_shape(row, got):
    if "application/json" not in got.headers.get("content-type", ""):
        return False
    if row["oauth"] and isinstance(got.json, dict) and isinstance(got.json.get("error"), str):
        return True
    error = got.error
    return error is not None and error.get("code") == got.status and \
        isinstance(error.get("message"), str) and error["message"] != "" and \
        error.get("status") in CODES


def sample(choice, things, count):
    things = list(things)
    return things if len(things) <= count else choice.sample(things, count)


def chance(what):
    """The same for a seed, whatever ran before."""
    return random.Random(f"{SEED} {what}")


# ---- who asks ----

@test
def no_token_or_a_false_one_opens_nothing():
    place, faults = world(), Faults()
    before = place.change_number()
    choice = chance("tokens")
    for row in stand["routes"]:
        if "anonymous" in row["flags"]:
            continue
        body = json.dumps(place.body(row)).encode() if row["takes_body"] else None
        for token in ["", *sample(choice, GARBAGE_TOKENS, 99 if LONG else 2)]:
            got = ask(faults, row, f"token {token[:20]!r}", row["verb"], place.path(row), token, body)
            if got and (got.status != 401 or "www-authenticate" not in got.headers):
                faults.add(row, f"token {token[:20]!r}", "not 401 with a challenge", got)
    assert place.change_number() == before, "the record has changed"
    faults.end()


@test
def who_has_no_role_changes_nothing_and_learns_nothing():
    place, faults = world(), Faults()
    token = place.homerun.token(member="user:nobody@example.com")
    before = place.change_number()
    for row in stand["routes"]:
        if "anonymous" in row["flags"]:
            continue
        body = json.dumps(place.body(row)).encode() if row["takes_body"] else None
        target = place.path(row)
        got = ask(faults, row, "no role", row["verb"], target, token, body)
        if got is None:
            continue
        name = row["method"].split(".")[-1]
        if row["state"] == "501":  # what is not there is so for everybody, and asks for nothing
            if got.status != 501:
                faults.add(row, "no role", "not 501", got)
        elif row["permission"] and "self-checked" not in row["flags"]:
            if got.status != 403:
                faults.add(row, "no role", "not 403", got)
        elif got.status == 200 and name not in OPEN_TO_ALL:
            told = [word for word in secrets(place) if word in got.text and word not in target
                    and word not in (body or b"").decode()]
            if told or row["verb"] in ("PUT", "PATCH", "DELETE"):
                faults.add(row, "no role", f"tells {told}", got)
        now = place.change_number()
        if now != before:
            faults.add(row, "no role", "the record has changed", got)
            before = now
    faults.end()


def secrets(place):
    return [PROJECT, place.account, place.tag_key, place.tag_value, place.folder, "owner@"]


@test
def every_body_of_this_test_would_be_taken_from_who_may():
    """Else the calls without a role prove nothing: a body that is refused anyway stands for none."""
    place, faults = world(), Faults()
    token = place.homerun.token()
    good = {"CreateService": (200, 409), "ReplaceService": (200,), "UpdateService": (200,),
            "SetIamPolicy": (200,), "CreateServiceAccount": (200, 409), "CreateRole": (200, 409),
            "CreateGroup": (200, 409), "CreateToken": (200,), "CreateFolder": (200, 400, 409),
            "CreateProject": (200, 409), "CreatePolicy": (200, 409), "GenerateIdToken": (200,),
            "GenerateAccessToken": (200,), "SignBlob": (200,), "SignJwt": (200,)}
    for row in stand["routes"]:
        name = row["method"].split(".")[-1]
        if row["state"] != "done" or name not in good or "{organization}" in row["path"]:
            continue
        body = json.dumps(place.body(row)).encode()
        target = place.path(row)
        if name == "CreateService" and row["path"].startswith("/v2/"):
            target += "?serviceId=attacked"
        got = ask(faults, row, "a good body", row["verb"], target, token, body)
        if got and got.status not in good[name]:
            faults.add(row, "a good body", "refused", got)
    faults.end()


# ---- where to ----

@test
def a_verb_that_a_path_does_not_have_is_405_with_those_it_has():
    place, faults = world(), Faults()
    token = place.homerun.token()
    by_path = {}
    for row in stand["routes"]:
        by_path.setdefault(PARAMETER.sub("{}", row["path"]), []).append(row)
    for rows in by_path.values():
        row, have = rows[0], {one["verb"] for one in rows}
        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
            if verb in have:
                continue
            got = ask(faults, row, verb, verb, place.path(row), token)
            if got is None or got.status == 404:
                faults.add(row, verb, "not 405", got)
            elif got.status == 405:
                allow = {word.strip() for word in got.headers.get("allow", "").split(",")}
                if not have <= allow or verb in allow:
                    faults.add(row, verb, f"Allow is {sorted(allow)}", got)
            elif got.status < 400:
                faults.add(row, verb, "taken", got)
    faults.end()


@test
def odd_texts_in_paths_lead_nowhere():
    place, faults = world(), Faults()
    token = place.homerun.token()
    choice = chance("paths")
    for row in stand["routes"]:
        if row["state"] != "done":
            continue
        for name, _ in PARAMETER.findall(row["path"]):
            for text in sample(choice, BAD_SEGMENTS, SEGMENTS_OF_ONE_PATH):
                target = place.path(row, **{name: text})
                body = b"{}" if row["takes_body"] else None
                if text == "-" and name == "project" and row["verb"] == "DELETE":
                    continue  # any project: the account of this name would be gone
                if text in NO_HTTP:
                    if stand["client"].call(row["verb"], target, token, body).status != 400:
                        faults.add(row, f"{name} {text!r}", "not 400")
                    continue
                got = ask(faults, row, f"{name} {text[:40]!r}", row["verb"], target, token, body)
                if got and "set-cookie" in got.headers:
                    faults.add(row, f"{name} {text!r}", "a header came in by the path", got)
                if got and got.status == 200 and row["verb"] == "DELETE":
                    faults.add(row, f"{name} {text[:40]!r}", "something was deleted", got)
    faults.end()


@test
def names_of_nothing_are_not_found():
    place, faults = world(), Faults()
    token = place.homerun.token()
    ghosts = {"project": "ghost-project", "region": "mars-west1", "service": "ghost",
              "revision": "ghost-00001-abc", "account": f"ghost@{PROJECT}.iam.gserviceaccount.com",
              "role": "ghost", "folder": "999999999999", "group": "ghost@example.com",
              "operation": "ghost", "tag": "999999999999", "image": "registry.example/ghost"}
    for row in stand["routes"]:
        if row["state"] != "done" or "SetIamPolicy" in row["method"]:
            continue
        for name, _ in PARAMETER.findall(row["path"]):
            if name not in ghosts or (row["verb"] == "PUT" and name == "service"):
                continue
            target = place.path(row, **{name: ghosts[name]})
            body = json.dumps(place.body(row)).encode() if row["takes_body"] else None
            got = ask(faults, row, f"no such {name}", row["verb"], target, token, body)
            if got and got.status >= 400 and got.status not in (400, 403, 404, 409):
                faults.add(row, f"no such {name}", "neither 400, 403 nor 404", got)
            if got and got.status == 200 and row["verb"] != "GET" and \
                    "TestIamPermissions" not in row["method"] and \
                    not (name == "project" and "iam.credentials" in row["method"]):
                faults.add(row, f"no such {name}", "taken", got)
    faults.end()


@test
def odd_queries_are_refused_or_have_no_effect():
    place, faults = world(), Faults()
    token = place.homerun.token()
    for row in stand["routes"]:
        if row["state"] != "done":
            continue
        target = place.harmless_path(row)
        body = json.dumps(place.body(row)).encode() if row["takes_body"] else None
        odd = ["%", "%ff=%ff", "a=%00", "=", "&&&", "x=" + "y" * 5000, "fields=a(b", "alt=proto",
               "prettyPrint=%zz", "$.xgafv=3", "access_token=x", "updateMask=no.such.field"]
        for name, kind in row["query"].items():
            odd += [f"{name}={text}" for text in odd_values(kind)]
            got = ask(faults, row, f"{name}=", row["verb"], f"{target}?{name}=", token, body)
            if got and b"Cannot bind" in got.body:
                faults.add(row, f"?{name}=", "a parameter of the method is not known", got)
        for query in odd if LONG else sample(chance(target), odd, 6):
            got = ask(faults, row, f"?{query[:60]}", row["verb"], f"{target}?{query}", token, body)
            if got and got.status == 200 and query.startswith("updateMask=no"):
                if "updateMask" in row["query"]:
                    faults.add(row, f"?{query}", "a mask of no such field is taken", got)
        if row["verb"] == "GET" and "pageSize" in row["query"]:
            for size in ("-1", "many", "99999999999999999999"):
                got = ask(faults, row, f"pageSize={size}", "GET", f"{target}?pageSize={size}", token)
                if got and got.status == 200:
                    faults.add(row, f"pageSize={size}", "taken", got)
            ask(faults, row, "pageToken", "GET", f"{target}?pageToken=%2e%2e", token)
    faults.end()


def odd_values(kind):
    if kind in ("int32", "int64"):
        return ["-1", "many", "99999999999999999999", "1.5", ""]
    return ["%00", "%ff", "x" * 3000, "%F0%9F%98%80", "", "'%22%3B--", "99999999999999999999"]


# ---- what is sent ----

@test
def bytes_that_are_no_object_are_refused():
    place, faults = world(), Faults()
    token = place.homerun.token()
    choice = chance("bodies")
    for row in stand["routes"]:
        if row["state"] != "done" or not row["takes_body"] or "form" in row["flags"] or \
                "no-body" in row["flags"]:
            continue
        for name, body, malformed in sample(choice, RAW_BODIES, BODIES_OF_ONE_METHOD):
            got = ask(faults, row, name, row["verb"], place.path(row), token, body)
            # What strangers may send is cut shorter than some of these are.
            small = "anonymous" in row["flags"] and len(body) > 65536
            if got and malformed and got.status != (413 if small else 400):
                faults.add(row, name, "not 400", got)
            if got and not malformed and got.status == 200:
                faults.add(row, name, "an unknown field is taken", got)
            if got and got.status == 400 and name == "an unknown field" and \
                    not names_one_of(got, ("noSuchField", *REQUIRED)):
                faults.add(row, name, "the field is not named", got)
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded",
                     "multipart/form-data; boundary=x", "application/yaml", "x" * 200, ""):
            ask(faults, row, f"content type {kind[:40]!r}", row["verb"], place.harmless_path(row),
                token, b"<a>&b: [", [f"Content-Type: {kind}"])
    faults.end()


def names_one_of(got, path):
    """The error names the field, or one on the way to it (which may be at fault itself)."""
    return got.error["status"] != "INVALID_ARGUMENT" or \
        any(step in got.named for step in path if isinstance(step, str))


@test
def every_field_of_the_wrong_type_is_refused_by_name():
    place, faults = world(), Faults()
    token = place.homerun.token()
    for row in stand["routes"]:
        if row["state"] != "done" or not row["schema"]:
            continue
        base = place.body(row)
        target = place.path(row)
        if row["method"].endswith("v2.Services.CreateService"):
            target += "?serviceId=wrong"
        choice = chance(row["label"])
        for path, kind in sample(choice, fields_of(row["schema"]), FIELDS_OF_ONE_METHOD):
            for value in sample(choice, WRONG[kind.partition(":")[0]], 99 if LONG else 1):
                what = ".".join(map(str, path)) + f" = {json.dumps(value)}"
                body = json.dumps(put_at(base, path, value)).encode()
                got = ask(faults, row, what, row["verb"], target, token, body)
                if got and got.status < 400:
                    faults.add(row, what, f"a {kind[:30]} may be anything", got)
                elif got and got.status == 400 and not names_one_of(got, path):
                    faults.add(row, what, "the field is not named", got)
    faults.end()


@test
def unknown_fields_are_refused_by_name_wherever_they_stand():
    place, faults = world(), Faults()
    token = place.homerun.token()
    for row in stand["routes"]:
        if row["state"] != "done" or not row["schema"]:
            continue
        base = place.body(row)
        target = place.path(row)
        if row["method"].endswith("v2.Services.CreateService"):
            target += "?serviceId=wrong"
        objects = [()] + [path if kind.startswith("ref:") else (*path, 0)
                          for path, kind in fields_of(row["schema"])
                          if kind.startswith(("ref:", "list:ref:"))]
        for path in sample(chance(row["label"]), objects, 10**9 if LONG else 4):
            body = json.dumps(put_at(base, (*path, "noSuchField"), 1)).encode()
            what = ".".join(map(str, (*path, "noSuchField")))
            got = ask(faults, row, what, row["verb"], target, token, body)
            if got and got.status < 400:
                faults.add(row, what, "taken", got)
            elif got and got.status == 400 and not names_one_of(got, (*path, "noSuchField")):
                faults.add(row, what, "the field is not named", got)
    faults.end()


@test
def forms_of_the_token_endpoint_are_refused_in_its_own_words():
    place, faults = world(), Faults()
    forms = [b"", b"grant_type=", b"grant_type=password&username=a&password=b", b"a" * 100000,
             b"grant_type=refresh_token", b"grant_type=refresh_token&refresh_token=",
             b"grant_type=refresh_token&refresh_token=%00", b"grant_type=%ff", b"%zz=%zz", b"&&&=",
             b"grant_type=refresh_token&grant_type=password&refresh_token=x", b'{"grant_type":"x"}',
             b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer",
             b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c",
             b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
             + b"x." * 30000, b"\xff\xfe\0", b"grant_type=" + b"x" * 200000,
             b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
             b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
             b"&subject_token=x&subject_token_type=y&audience=z"]
    for row in (one for one in stand["routes"] if "form" in one["flags"]):
        path = row["path"]
        for form in forms:
            got = ask(faults, row, repr(form[:60]), "POST", path, "", form,
                      ["Content-Type: application/x-www-form-urlencoded"])
            told = got.json if got else None
            if got and (got.status not in (400, 401) or not isinstance(told, dict)
                        or not isinstance(told.get("error"), str)):
                faults.add(row, repr(form[:60]), f"{path}: not an error of RFC 6749", got)
    faults.end()


@test
def what_is_too_large_is_refused_before_it_is_read():
    place, faults = world(), Faults()
    token = place.homerun.token()
    row = next(one for one in stand["routes"] if one["method"].endswith("CreateServiceAccount"))
    target = place.path(row)
    authority = [f"Authorization: Bearer {token}", "Content-Type: application/json"]

    def raw(headers, body=b""):
        with Raw(place.homerun, "api", seconds=5) as one:
            try:
                one.ask("localhost", target, "POST", [*authority, *headers], body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it may answer and close before all is sent
            return one.answer()[0]

    assert raw([f"Content-Length: {5 << 20}"]) == 413
    assert raw(["Content-Length: 99999999999999999999"]) in (400, 413)
    assert raw(["Content-Length: -1"]) == 400
    assert raw(["Content-Length: 2", "Content-Length: 3"], b"{}") == 400
    chunks = b"10000\r\n" + b" " * 65536 + b"\r\n"
    assert raw(["Transfer-Encoding: chunked"], chunks * 80 + b"0\r\n\r\n") == 413
    assert raw(["Transfer-Encoding: chunked"], b"zz\r\n") == 400
    assert raw(["X-Big: " + "x" * 200000]) == 431
    assert raw([f"X-{i}: y" for i in range(400)]) == 431
    got = ask(faults, row, "a long target", "GET", "/" + "x" * 7000, token)
    assert got.status in (404, 414), got
    with Raw(place.homerun, "api", seconds=5) as one:
        one.ask("localhost", "/" + "x" * 200000, "GET")
        assert one.answer()[0] in (414, 431)
    faults.end()


# ---- and nothing was left out ----

# Every row that is claimed was asked in each of these ways; the second part says which have it.
WAYS = (
    (no_token_or_a_false_one_opens_nothing, lambda row: "anonymous" not in row["flags"]),
    (who_has_no_role_changes_nothing_and_learns_nothing,
     lambda row: "anonymous" not in row["flags"]),
    (odd_texts_in_paths_lead_nowhere, lambda row: "{" in row["path"]),
    (odd_queries_are_refused_or_have_no_effect, lambda row: True),
    (bytes_that_are_no_object_are_refused, lambda row: takes_object(row)),
    (every_field_of_the_wrong_type_is_refused_by_name,
     lambda row: takes_object(row) and any(fields_of(row["schema"]))),
    (unknown_fields_are_refused_by_name_wherever_they_stand, lambda row: takes_object(row)),
    (forms_of_the_token_endpoint_are_refused_in_its_own_words, lambda row: "form" in row["flags"]),
)


def takes_object(row):
    return row["takes_body"] and "form" not in row["flags"] and "no-body" not in row["flags"]


@test
def every_row_that_is_claimed_was_asked_in_every_way():
    world()
    if len(sys.argv) > 1:
        return  # only some of the tests were run
    left_out = [f"{row['label']} [{row['method']}]: {way.__name__}" for row in stand["routes"]
                for way, concerns in WAYS if row["state"] == "done" and concerns(row)
                and way.__name__ not in visited.get(row["label"], ())]
    print("\n".join(left_out))
    assert not left_out, f"{len(left_out)} ways not gone; the first: {left_out[0]}"


@test
def all_is_as_well_as_before():
    place, faults = world(), Faults()
    got = place.homerun.api("GET", "/v1/projects")
    assert got.status == 200 and PROJECT in got.text, got
    printed = place.homerun.printed()
    for word in ("AddressSanitizer", "runtime error:", "LeakSanitizer", "assertion"):
        assert word not in printed, printed[printed.index(word) - 200:][:3000]
    faults.end()


if __name__ == "__main__":
    main()
