#!/usr/bin/env python3
"""Many writers at once: of those who read the same etag exactly one wins, and nobody's change is lost.

All requests of a round lie ready on connections of their own, whole but for the last byte; then all
last bytes are sent, so that they meet where they can meet.
"""
import base64
import json
import threading

from by_api import Raw
from homerun import main, stand, test

WRITERS = 8
ROUNDS = 6
_made = []


def api(verb, path, body=None, status=200):
    got = stand().api(verb, path, body)
    assert status is None or got.status == status, (verb, path, got)
    return got.json


def nodes():
    """(name, path, how the policy is read) of a node of each kind, in each version of its API."""
    one = stand()
    if not _made:
        one.cli("deploy", "raced", "--image=homerun.test/hello")
        account = api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "raced-one"})["email"]
        org = api("GET", "/v3/organizations:search")["organizations"][0]["name"]
        folder = api("POST", "/v3/folders", {"displayName": "raced", "parent": org})
        at = f"projects/demo/locations/{one.ready['region']}/services/raced"
        _made.extend([
            ("service v1", f"/v1/{at}", "GET"), ("service v2", f"/v2/{at}", "GET"),
            ("project v1", "/v1/projects/demo", "POST"), ("project v3", "/v3/projects/demo", "POST"),
            ("account", f"/v1/projects/demo/serviceAccounts/{account}", "POST"),
            ("organization v3", f"/v3/{org}", "POST"), ("folder", "/v3/" + folder_name(folder), "POST")])
    return _made


def folder_name(operation):
    found = api("GET", "/v3/folders:search?query=displayName%3Draced")["folders"]
    assert found, operation
    return found[0]["name"]


def read(path, verb):
    return api(verb, path + ":getIamPolicy", {} if verb == "POST" else None)


def meet(requests):
    """Sends (verb, path, body) all at once; the (status, document) of each."""
    token = stand().token()
    waiting = []
    for verb, path, body in requests:
        text = json.dumps(body).encode()
        raw = Raw(stand(), "api")
        raw.send((f"{verb} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                  f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n").encode()
                 + text[:-1])
        waiting.append((raw, text[-1:]))
    gate = threading.Barrier(len(waiting))
    answers = [None] * len(waiting)

    def finish(number, raw, last):
        gate.wait()
        raw.send(last)
        status, _, text = raw.answer()
        answers[number] = (status, json.loads(text))
        raw.sock.close()
    threads = [threading.Thread(target=finish, args=(number, *one))
               for number, one in enumerate(waiting)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def with_member(policy, role, member):
    """POLICY as it would be set, with one more binding."""
    return {**policy, "bindings": [*policy.get("bindings", []), {"role": role, "members": [member]}]}


def members_of(policy):
    return {member for one in policy.get("bindings", []) for member in one["members"]}


ROLE = {"service v1": "roles/run.invoker", "service v2": "roles/run.invoker",
        "account": "roles/iam.serviceAccountUser"}


@test
def of_writers_with_one_etag_exactly_one_wins():
    for name, path, verb in nodes():
        for number in range(ROUNDS):
            before = read(path, verb)
            names = [f"user:{number}-{writer}@example.com" for writer in range(WRITERS)]
            answers = meet([("POST", path + ":setIamPolicy", {"policy": with_member(
                before, ROLE.get(name, "roles/viewer"), member)}) for member in names])
            won = [at for at, (status, _) in enumerate(answers) if status == 200]
            assert len(won) == 1, (name, [status for status, _ in answers])
            for status, body in answers:
                assert status == 200 or (status in (409, 412)
                                         and body["error"]["status"] == "ABORTED"), (name, body)
            after = read(path, verb)
            assert members_of(after) == members_of(before) | {names[won[0]]}, (name, won)
            assert after["etag"] == answers[won[0]][1]["etag"] != before["etag"], name
            # Who comes late with the old one has lost as well.
            late = stand().api("POST", path + ":setIamPolicy", {"policy": before})
            assert late.status in (409, 412), (name, late)


@test
def an_etag_is_one_of_its_node_alone():
    policies = {name: (path, read(path, verb)) for name, path, verb in nodes()}
    for name, (path, mine) in policies.items():
        for other, (_, theirs) in policies.items():
            if theirs["etag"] != mine["etag"]:
                got = stand().api("POST", path + ":setIamPolicy",
                                  {"policy": {**mine, "etag": theirs["etag"]}})
                assert got.status in (409, 412), (name, other, got)


@test
def nobodys_change_is_lost_when_all_try_again():
    for name, path, verb in nodes():
        before = read(path, verb)
        role = ROLE.get(name, "roles/viewer")
        left = {f"user:again-{writer}@example.com" for writer in range(WRITERS)}
        wanted, rounds = set(left), 0
        while left:
            rounds += 1
            now = read(path, verb)
            order = sorted(left)
            answers = meet([("POST", path + ":setIamPolicy", {"policy": with_member(now, role, member)})
                            for member in order])
            left -= {member for member, (status, _) in zip(order, answers) if status == 200}
        assert rounds == WRITERS, (name, rounds)  # one each round: never two, never none
        assert members_of(read(path, verb)) == members_of(before) | wanted, name


@test
def without_an_etag_the_last_one_stands_whole():
    name, path, verb = nodes()[1]
    etags = set()
    for number in range(ROUNDS):
        lists = [[f"user:w{writer}-{member}@example.com" for member in range(20)]
                 for writer in range(WRITERS)]
        answers = meet([("POST", path + ":setIamPolicy",
                         {"policy": {"bindings": [{"role": ROLE[name], "members": one}]}})
                        for one in lists])
        assert [status for status, _ in answers] == [200] * WRITERS, answers
        after = read(path, verb)
        assert members_of(after) in [set(one) for one in lists], "two writers are mixed"
        assert after["etag"] in {body["etag"] for _, body in answers}
        etags.add(after["etag"])
        assert all(base64.b64decode(one) for one in etags)
    assert len(etags) == ROUNDS


@test
def readers_see_one_policy_or_the_other():
    name, path, verb = nodes()[1]
    whole = [sorted(f"user:{letter}{number}@example.com" for number in range(30)) for letter in "ab"]
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            seen.append(sorted(members_of(read(path, verb))))
    api("POST", path + ":setIamPolicy", {"policy": {"bindings": [{"role": ROLE[name],
                                                                  "members": whole[0]}]}})
    reader = threading.Thread(target=look)
    reader.start()
    for number in range(40):
        api("POST", path + ":setIamPolicy", {"policy": {"bindings": [
            {"role": ROLE[name], "members": whole[number % 2]}]}})
    stop.set()
    reader.join()
    assert seen and all(one in whole for one in seen)


@test
def a_service_is_written_by_one_of_those_who_read_the_same():
    one = stand()
    v1 = "/apis/serving.knative.dev/v1/namespaces/demo/services/raced"
    v2 = f"/v2/projects/demo/locations/{one.ready['region']}/services/raced"
    for number in range(ROUNDS):
        service = api("GET", v1)
        bodies = []
        for writer in range(WRITERS):
            body = json.loads(json.dumps(service))
            body.pop("status")
            body["metadata"].setdefault("labels", {})["who"] = f"w{writer}"
            bodies.append(("PUT", v1, body))
        answers = meet(bodies)
        won = [at for at, (status, _) in enumerate(answers) if status == 200]
        assert len(won) == 1, [(status, body.get("message")) for status, body in answers]
        assert all(status in (200, 409) for status, _ in answers), answers
        assert api("GET", v1)["metadata"]["labels"]["who"] == f"w{won[0]}"
        etag = api("GET", v2)["etag"]
        answers = meet([("PATCH", v2 + "?updateMask=labels", {"labels": {"who": f"x{writer}"},
                                                             "etag": etag})
                        for writer in range(WRITERS)])
        won = [at for at, (status, _) in enumerate(answers) if status == 200]
        assert len(won) == 1, [(status, body) for status, body in answers]
        assert api("GET", v2)["labels"]["who"] == f"x{won[0]}"


if __name__ == "__main__":
    main()
