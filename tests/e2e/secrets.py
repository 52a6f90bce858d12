#!/usr/bin/env python3
"""Secret Manager's API: what it answers, who may read what, and where a value is not to be found."""
import base64
import os
import sqlite3
import time
import urllib.parse

from gcloud_stand import account, grant, stand
from homerun import main, test

SECRETS = "/v1/projects/demo/secrets"
VALUE = "correct-horse-battery-staple"

_crc = None


def crc32c(data):
    """CRC-32C by the table, to compare with."""
    global _crc
    if _crc is None:
        _crc = []
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            _crc.append(byte)
    total = 0xFFFFFFFF
    for byte in data:
        total = total >> 8 ^ _crc[(total ^ byte) & 0xFF]
    return total ^ 0xFFFFFFFF


def api(method, path, body=None, status=200, token=None):
    answer = stand().api(method, path, body, token=token)
    assert answer.status == status, f"{method} {path}: {answer}"
    return answer.json


def number():
    return stand().ready["projectNumber"]


def secret(name, *values, **more):
    made = api("POST", f"{SECRETS}?secretId={name}", {"replication": {"automatic": {}}, **more})
    for value in values:
        add(name, value)
    return made


def add(name, value, status=200, **more):
    data = value if isinstance(value, bytes) else value.encode()
    payload = {"data": base64.b64encode(data).decode(), **more}
    return api("POST", f"{SECRETS}/{name}:addVersion", {"payload": payload}, status=status)


def read(name, version="latest", status=200, token=None):
    answer = api("GET", f"{SECRETS}/{name}/versions/{version}:access", status=status, token=token)
    return base64.b64decode(answer["payload"]["data"]) if status == 200 else answer["error"]


def grant_on(name, email):
    binding = {"role": "roles/secretmanager.secretAccessor", "members": ["serviceAccount:" + email]}
    api("POST", f"{SECRETS}/{name}:setIamPolicy", {"policy": {"bindings": [binding]}})


def token_of(name):
    return stand().token("access", member="serviceAccount:" + name)


# ---- what is answered ----

@test
def a_value_comes_back_with_its_sum_and_its_name():
    made = secret("plain", VALUE, labels={"team": "a"}, annotations={"Owner.x": "somebody"})
    assert made["name"] == f"projects/{number()}/secrets/plain", made
    assert made["replication"] == {"automatic": {}} and made["labels"] == {"team": "a"}, made
    assert made["annotations"] == {"Owner.x": "somebody"} and made["etag"].startswith('"'), made
    assert "nextVersion" not in made, made
    got = api("GET", f"{SECRETS}/plain/versions/latest:access")
    assert got["name"] == f"projects/{number()}/secrets/plain/versions/1", got
    assert base64.b64decode(got["payload"]["data"]) == VALUE.encode()
    assert got["payload"]["dataCrc32c"] == str(crc32c(VALUE.encode())), got
    by_number = api("GET", f"/v1/projects/{number()}/secrets/plain/versions/1:access")
    assert by_number == got, by_number


@test
def a_value_may_have_any_bytes_up_to_64_kib():
    secret("large")
    whole = bytes(range(256)) * 256
    added = add("large", whole, dataCrc32c=str(crc32c(whole)))
    assert added["clientSpecifiedPayloadChecksum"] is True, added
    assert read("large") == whole
    assert "65536" in add("large", whole + b"x", status=400)["error"]["message"]
    add("large", "", status=400)
    assert read("large", "latest") == whole


@test
def a_sum_that_is_not_the_values_is_refused():
    secret("summed")
    why = add("summed", VALUE, status=400, dataCrc32c="1")["error"]
    assert "CRC32C" in why["message"], why
    api("GET", f"{SECRETS}/summed/versions/1", status=404)


@test
def versions_are_listed_from_the_newest_and_by_pages():
    secret("many", *(f"value {i}" for i in range(12)))
    got, token = [], ""
    while True:
        page = api("GET", f"{SECRETS}/many/versions?pageSize=5&pageToken={token}")
        got += [int(v["name"].rsplit("/", 1)[1]) for v in page["versions"]]
        token = page.get("nextPageToken")
        if not token:
            break
    assert got == list(range(12, 0, -1)), got
    assert page["totalSize"] == 12 and "sealed" not in str(page), page


@test
def a_version_is_disabled_enabled_and_destroyed_for_good():
    secret("states", "one", "two")
    assert api("POST", f"{SECRETS}/states/versions/2:disable", {})["state"] == "DISABLED"
    why = read("states", status=400)
    shown = f"projects/{number()}/secrets/states/versions/2"
    assert why["status"] == "FAILED_PRECONDITION", why
    assert why["message"] == f"Secret Version [{shown}] is in DISABLED state.", why
    assert read("states", "1") == b"one"
    assert api("POST", f"{SECRETS}/states/versions/2:enable", {})["state"] == "ENABLED"
    assert read("states") == b"two"
    gone = api("POST", f"{SECRETS}/states/versions/2:destroy", {})
    assert gone["state"] == "DESTROYED" and gone["destroyTime"], gone
    for verb in ("enable", "disable", "destroy"):
        why = api("POST", f"{SECRETS}/states/versions/2:{verb}", {}, status=400)["error"]
        assert why["message"] == f"Secret Version [{shown}] is in DESTROYED state.", why
    assert "DESTROYED" in read("states", status=400)["message"]


@test
def lists_are_filtered_by_what_they_show():
    secret("filter-a", "one", "two", labels={"env": "prod"})
    secret("filter-b", labels={"env": "test"}, annotations={"by": "me"})
    api("POST", f"{SECRETS}/filter-a/versions/1:disable", {})
    def names(text):
        got = api("GET", f"{SECRETS}?filter={urllib.parse.quote(text)}")
        return [one["name"].rsplit("/", 1)[1] for one in got.get("secrets", [])]
    for text, wanted in (("name:filter-", ["filter-a", "filter-b"]), ("labels.env=prod", ["filter-a"]),
                         ("name:filter AND NOT labels.env:prod", ["filter-b"]), ("annotations.by:me", ["filter-b"]),
                         ("labels.env=prod OR annotations.by=me", ["filter-a", "filter-b"]),
                         ("labels.env:*", ["filter-a", "filter-b"]), ("labels.none=x", [])):
        assert names(text) == wanted, (text, names(text))
    got = api("GET", f"{SECRETS}/filter-a/versions?filter=state=ENABLED")
    assert [one["name"].rsplit("/", 1)[1] for one in got["versions"]] == ["2"] and got["totalSize"] == 1, got
    for wrong in ("value:x", "name", "(name:a", "name:a)", "payload.data:b"):
        api("GET", f"{SECRETS}?filter={urllib.parse.quote(wrong)}", status=400)


@test
def an_alias_is_another_name_of_a_version():
    secret("aliased", "one", "two")
    mask = f"{SECRETS}/aliased?updateMask=versionAliases"
    got = api("PATCH", mask, {"versionAliases": {"stable": "1", "next": 2}})
    assert got["versionAliases"] == {"stable": "1", "next": "2"}, got
    assert read("aliased", "stable") == b"one" and read("aliased", "next") == b"two"
    for wrong in ({"latest": 1}, {"0x": 1}, {"a": 3}, {"a": 0}, {"a b": 1}):
        api("PATCH", mask, {"versionAliases": wrong}, status=400)
    read("aliased", "unstable", status=404)
    assert "versionAliases" not in api("PATCH", mask, {})


@test
def a_change_that_knows_an_older_state_is_refused():
    made = secret("tagged", "one")
    mask = f"{SECRETS}/tagged?updateMask=labels"
    fresh = api("PATCH", mask, {"labels": {"a": "b"}})
    assert fresh["etag"] != made["etag"]
    why = api("PATCH", mask, {"labels": {"a": "c"}, "etag": '"000000000000"'}, status=400)["error"]
    assert why["status"] == "FAILED_PRECONDITION" and "etag" in why["message"], why
    api("PATCH", mask, {"labels": {"a": "c"}, "etag": api("GET", f"{SECRETS}/tagged")["etag"]})
    version = api("GET", f"{SECRETS}/tagged/versions/1")
    api("POST", f"{SECRETS}/tagged/versions/1:disable", {"etag": '"1"'}, status=400)
    api("POST", f"{SECRETS}/tagged/versions/1:disable", {"etag": version["etag"]})
    api("DELETE", f"{SECRETS}/tagged?etag=%221%22", status=400)


@test
def names_and_what_a_secret_may_have_are_checked():
    for name in ("", "a.b", "a%20b", "x" * 256, "%C3%A4"):
        api("POST", f"{SECRETS}?secretId={name}", {"replication": {"automatic": {}}}, status=400)
    api("POST", SECRETS, {"replication": {"automatic": {}}}, status=400)
    for body in ({}, {"replication": {}},
                 {"replication": {"automatic": {}, "userManaged": {"replicas": [{"location": "x"}]}}},
                 {"replication": {"userManaged": {"replicas": []}}},
                 {"replication": {"automatic": {}}, "labels": {"A": "b"}},
                 {"replication": {"automatic": {}}, "labels": {f"a{i}": "b" for i in range(65)}},
                 {"replication": {"automatic": {}}, "annotations": {"a": "b" * 16384}},
                 {"replication": {"automatic": {}}, "ttl": "0s"},
                 {"replication": {"automatic": {}}, "expireTime": "2020-01-01T00:00:00Z"},
                 {"replication": {"automatic": {}}, "unknown": 1}):
        api("POST", f"{SECRETS}?secretId=checked", body, status=400)
    for body, word in (({"topics": [{"name": "projects/p/topics/t"}]}, "Pub/Sub"),
                       ({"rotation": {"rotationPeriod": "3600s"}}, "Pub/Sub"),
                       ({"versionDestroyTtl": "86400s"}, "versionDestroyTtl")):
        why = api("POST", f"{SECRETS}?secretId=checked", {"replication": {"automatic": {}}, **body},
                  status=400)["error"]
        assert word in why["message"], why
    api("GET", f"{SECRETS}/checked", status=404)
    secret("x" * 255, "longest")
    assert read("x" * 255) == b"longest"


@test
def what_is_not_there_is_said_in_googles_words():
    why = api("GET", f"{SECRETS}/nowhere", status=404)["error"]
    assert why["message"] == f"Secret [projects/{number()}/secrets/nowhere] not found.", why
    secret("empty")
    why = read("empty", status=404)
    assert why["message"] == \
        f"Secret [projects/{number()}/secrets/empty] not found or has no versions.", why
    why = read("empty", "7", status=404)
    assert why["message"] == \
        f"Secret Version [projects/{number()}/secrets/empty/versions/7] not found.", why
    why = api("POST", f"{SECRETS}?secretId=empty", {"replication": {"automatic": {}}},
              status=409)["error"]
    assert why["message"] == f"Secret [projects/{number()}/secrets/empty] already exists.", why
    for wrong in ("0", "-1", "01", "1e0", "latests", "99999999999999999999"):
        read("empty", wrong, status=404)


@test
def a_secret_whose_time_is_over_is_gone_and_its_name_free():
    made = secret("short", "one", ttl="0.3s")
    assert made["expireTime"] > made["createTime"] and "ttl" not in made, made
    deadline = time.monotonic() + 20
    while stand().api("GET", f"{SECRETS}/short").status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    read("short", status=404)
    assert "secrets/short" not in str(api("GET", SECRETS))
    secret("short", "two")
    assert read("short", "1") == b"two"


@test
def what_has_expired_is_deleted_with_its_ciphertext():
    secret("brief", VALUE * 50, ttl="1s")
    needle = sealed("brief", 1)
    assert holding([needle[:64]])
    deadline = time.monotonic() + 20
    while stand().api("GET", f"{SECRETS}/brief").status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stand().stop()
    stand().start()  # else it is done within a minute
    assert sealed("brief", 1) is None and holding([needle[:64], needle[-64:]]) == []


# ---- by homerun's own command line ----

@test
def the_command_line_makes_reads_and_ends_secrets():
    cli = stand().cli
    path = os.path.join(stand().folder, "value")
    with open(path, "wb") as file:
        file.write(b"from a file\0\xff")
    assert "version 1" in cli("secrets", "create", "typed", f"--file={path}").stdout
    assert read("typed") == b"from a file\0\xff"
    assert "version 2" in cli("secrets", "add", "typed", input="typed in").stdout
    assert cli("secrets", "access", "typed").stdout == "typed in"
    cli("secrets", "disable", "typed", "2")
    assert "DISABLED" in cli("secrets", "access", "typed", status=1).stderr
    cli("secrets", "enable", "typed", "2")
    assert cli("secrets", "access", "typed", "2").stdout == "typed in"
    cli("secrets", "destroy", "typed", "1")
    rows = [row.split()[:2] for row in cli("secrets", "versions", "typed").stdout.splitlines()]
    assert rows[1:] == [["2", "ENABLED"], ["1", "DESTROYED"]], rows
    cli("secrets", "create", "bare", "--empty")
    assert "no versions" in cli("secrets", "access", "bare", status=1).stderr
    names = cli("secrets", "list").stdout
    assert "typed" in names and "bare" in names
    email = account("typed-reader")
    cli("secrets", "allow", "typed", "serviceAccount:" + email)
    assert read("typed", token=token_of(email)) == b"typed in"
    cli("secrets", "forbid", "typed", "serviceAccount:" + email)
    read("typed", status=403, token=token_of(email))
    cli("secrets", "delete", "typed", "--quiet")
    assert "not found" in cli("secrets", "access", "typed", status=1).stderr
    cli("secrets", "access", status=2)


# ---- where a value is not ----

def spellings(value):
    return [value.encode(), base64.b64encode(value.encode()).rstrip(b"=")[:-1], value.encode().hex().encode()]


def holding(needles):
    """Files of the data folder that hold one of NEEDLES."""
    found = []
    for folder, _, names in os.walk(stand().data):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
                found += [path for needle in needles if needle in content]
    return found


@test
def no_file_log_or_audit_row_holds_a_value():
    value = "never-to-be-found-4711-anywhere"
    secret("hidden", value)
    assert read("hidden") == value.encode()
    add("hidden", value, status=400, dataCrc32c="1")
    api("POST", f"{SECRETS}/hidden:addVersion",
        {"payload": {"data": base64.b64encode(value.encode()).decode(), "x": value}}, status=400)
    api("POST", f"{SECRETS}/hidden/versions/1:disable", {})
    assert holding(spellings(value)) == []
    rows = stand().api("GET", "/homerun/v1/projects/demo/access:history").text
    assert value not in rows


def sealed(name, version):
    record = sqlite3.connect(f"file:{stand().data}/homerun.db?mode=ro", uri=True)
    try:
        row = record.execute("SELECT body FROM document WHERE kind = 'secret-value' AND key = ?",
                             (f"projects/demo/secrets/{name}/versions/{version}",)).fetchone()
    finally:
        record.close()
    return row and row[0].split('"')[3].encode()


@test
def what_was_destroyed_or_deleted_is_encrypted_nowhere_any_more():
    for name, end in (("burnt", ("POST", "/versions/1:destroy", {})), ("torn", ("DELETE", "", None))):
        secret(name, VALUE * 100)
        needle = sealed(name, 1)
        assert len(needle) > 2800 and holding([needle[:64], needle[-64:]]), name
        api(end[0], f"{SECRETS}/{name}{end[1]}", end[2])
        assert sealed(name, 1) is None
        assert holding([needle[:64], needle[-64:], needle[1400:1464]]) == [], name


@test
def what_has_values_in_its_memory_dumps_no_core():
    for role in ("control", "engine"):
        pid, = stand().pids(role)
        with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
            row = next(line for line in file if line.startswith("Max core file size"))
        assert row.split()[4:6] == ["1", "1"], (role, row)


@test
def a_value_that_was_moved_in_the_record_is_not_given_out():
    secret("mine", "public knowledge")
    secret("theirs", VALUE)
    stand().stop()
    record = sqlite3.connect(f"{stand().data}/homerun.db")
    record.execute("UPDATE document SET body = (SELECT body FROM document WHERE kind = 'secret-value' AND key ="
                   " 'projects/demo/secrets/theirs/versions/1') WHERE kind = 'secret-value' AND key ="
                   " 'projects/demo/secrets/mine/versions/1'")
    record.commit()
    record.close()
    stand().start()
    answer = stand().api("GET", f"{SECRETS}/mine/versions/1:access")
    assert answer.status >= 400 and VALUE not in answer.text, answer
    assert read("theirs") == VALUE.encode()


# ---- who may ----

@test
def reading_takes_the_accessor_role_and_no_basic_one_but_owner():
    secret("guarded", VALUE)
    for role, may in (("roles/owner", True), ("roles/editor", False), ("roles/viewer", False),
                      ("roles/run.admin", False), ("roles/secretmanager.admin", True),
                      ("roles/secretmanager.viewer", False),
                      ("roles/secretmanager.secretVersionAdder", False),
                      ("roles/secretmanager.secretVersionManager", False),
                      ("roles/secretmanager.secretAccessor", True)):
        email = account("g-" + role.split("/")[1].replace(".", "-").lower()[-26:])
        grant("serviceAccount:" + email, role)
        answer = stand().api("GET", f"{SECRETS}/guarded/versions/latest:access",
                             token=token_of(email))
        assert answer.status == (200 if may else 403), (role, answer)
        assert may or "secretmanager.versions.access" in answer.json["error"]["message"], answer
        assert may == (base64.b64encode(VALUE.encode()).decode() in answer.text), role


@test
def a_grant_on_one_secret_opens_no_other_and_ends_with_it():
    secret("first", "one")
    secret("second", "two")
    email = account("one-secret")
    token = token_of(email)
    read("first", status=403, token=token)
    grant_on("first", email)
    assert read("first", token=token) == b"one"
    read("second", status=403, token=token)
    api("GET", f"{SECRETS}/first", status=403, token=token)
    assert api("POST", f"{SECRETS}/first:testIamPermissions",
               {"permissions": ["secretmanager.versions.access", "secretmanager.versions.add"]},
               token=token) == {"permissions": ["secretmanager.versions.access"]}
    api("DELETE", f"{SECRETS}/first")
    secret("first", "another")
    read("first", status=403, token=token)


@test
def no_secret_is_for_everybody():
    secret("public", VALUE)
    for member in ("allUsers", "allAuthenticatedUsers"):
        binding = {"role": "roles/secretmanager.secretAccessor", "members": [member]}
        why = api("POST", f"{SECRETS}/public:setIamPolicy", {"policy": {"bindings": [binding]}}, status=400)
        assert "is not supported for this resource" in why["error"]["message"], why
    read("public", status=401, token="")


@test
def nobody_learns_which_secrets_there_are():
    secret("known", "one")
    token = token_of(account("knows-nothing"))
    there, absent = (stand().api("GET", f"{SECRETS}/{name}/versions/1:access", token=token)
                     for name in ("known", "unknown"))
    assert there.status == absent.status == 403
    assert there.text.replace("unknown", "known") == absent.text.replace("unknown", "known")


@test
def a_condition_can_name_a_version():
    secret("partly", "one", "two")
    email = account("one-version")
    name = f"projects/{number()}/secrets/partly/versions/1"
    policy = {"version": 3, "bindings": [{
        "role": "roles/secretmanager.secretAccessor", "members": ["serviceAccount:" + email],
        "condition": {"title": "the first", "expression":
                      f"resource.name == '{name}' && resource.type == "
                      "'secretmanager.googleapis.com/SecretVersion'"}}]}
    api("POST", f"{SECRETS}/partly:setIamPolicy", {"policy": policy})
    assert read("partly", "1", token=token_of(email)) == b"one"
    read("partly", "2", status=403, token=token_of(email))
    read("partly", "latest", status=403, token=token_of(email))


@test
def the_api_can_be_switched_off_for_a_project():
    secret("off", "one")
    path = "/v1/projects/demo/services/secretmanager.googleapis.com"
    api("POST", path + ":disable", {})
    try:
        why = read("off", status=403)
        assert "secretmanager.googleapis.com" in str(why), why
    finally:
        api("POST", path + ":enable", {})
    assert read("off") == b"one"


main()
