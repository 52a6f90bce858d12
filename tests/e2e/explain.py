#!/usr/bin/env python3
"""`access explain` says what the gate says: the same ladder, the same facts, the same binding."""
import subprocess
import time

from gate_stand import REGION, bearer, stand
from homerun import main, test


def explain(service, **question):
    answer = stand().homerun.api("POST", "/homerun/v1/access:explain",
                                 {"resource": f"{REGION}/services/{service}", **question})
    assert answer.status == 200, answer
    return answer.json


def agrees(service, token=None, path="/", method="GET", **question):
    """Asks the gate and its explanation: the verdict."""
    s = stand()
    headers = [bearer(token)] if token else []
    status = s.ask(service, *headers, path=path, method=method).status
    if token:
        question["authorization"] = [f"Bearer {token}"]
    found = explain(service, path=path, method=method, **question)
    assert found["status"] == status, (status, found)
    return found


@test
def each_rung_is_told_in_order_with_the_fact_that_decided():
    found = agrees("private")
    results = [row["result"] for row in found["rungs"]]
    assert results == ["PASSED"] * 9 + ["DECIDED"] + ["NOT_REACHED"] * 3, found
    assert (found["rung"], found["rule"]) == ("no_credential", "A9"), found
    assert all(row["fact"] for row in found["rungs"][:10]), found
    assert "Authorization" in found["fact"], found
    names = [row["rung"] for row in found["rungs"]]
    assert names[:3] == ["unknown_host", "reserved_path", "method"], names


@test
def a_token_is_judged_as_the_gate_judges_it():
    s = stand()
    found = agrees("private", s.token("p"))
    assert found["allowed"] and found["because"]["member"] == s.member("p"), found
    assert found["because"]["role"] == "roles/run.invoker", found
    assert found["because"]["on"] == f"{REGION}/services/private", found
    now = int(time.time())
    for text, token in (("another audience", s.token("p", aud="https://other.example")),
                        ("expired", s.token("p", iat=now - 3600, exp=now - 60)),
                        ("no such account", s.token("p", sub="1")),
                        ("cannot be believed", "a.b.c")):
        found = agrees("private", token)
        assert found["rung"] == "bad_credential" and text in found["fact"], found
    found = agrees("private", s.token("q"))
    assert found["rung"] == "no_binding" and s.email("q") in found["fact"], found


@test
def two_lines_and_two_headers_are_judged_as_the_gate_judges_them():
    s = stand()
    good = f"Bearer {s.token('p')}"
    found = explain("private", authorization=[good, good])
    assert found["rung"] == "bad_credential", found
    found = explain("private", authorization=[good], serverlessAuthorization=["Bearer x"])
    assert found["rung"] == "bad_credential", found
    found = explain("private", authorization=["Bearer app"], serverlessAuthorization=[good])
    assert found["rung"] == "binding", found


@test
def the_spelling_of_a_path_is_read_as_the_gate_reads_it():
    s = stand()
    s.allow("switch", ["allUsers"], "!request.path.startsWith('/secret/')")
    for path, rung in (("/page", "all_users"), ("/secret/f", "no_credential"),
                       ("/%73ecret/f", "no_credential"), ("//secret/f", "path_unclear"),
                       ("/a;/secret/f", "path_unclear"), ("/a%2f../secret", "path_unclear")):
        found = agrees("switch", path=path)
        assert found["rung"] == rung, (path, found)
    assert "empty segment" in agrees("switch", path="//secret/f")["fact"]
    s.allow("switch", [])


@test
def an_account_that_is_disabled_may_not_whatever_is_bound():
    s = stand()
    s.account("off")
    s.allow("switch", [s.member("off")])
    assert explain("switch", member=s.member("off"))["allowed"]
    account = f"/v1/projects/demo/serviceAccounts/{s.email('off')}"
    assert s.homerun.api("POST", f"{account}:disable", {}).status == 200
    found = explain("switch", member=s.member("off"))
    assert (found["status"], found["rung"]) == (401, "bad_credential"), found
    assert "disabled" in found["fact"], found
    s.allow("switch", [])


@test
def a_domain_counts_only_where_an_issuer_has_the_authority():
    s = stand()
    _, keys = s.new_key("half")
    answer = s.homerun.api("POST", "/homerun/v1/issuers", {
        "name": "half", "issuer": "https://half.example", "googleLike": True,
        "domains": ["own.example"], "jwks": keys})
    assert answer.status == 200, answer
    s.allow("switch", ["domain:own.example", "domain:other.example"])
    assert explain("switch", member="user:ada@own.example")["allowed"]
    found = explain("switch", member="user:ada@other.example")
    assert found["rung"] == "no_binding", found
    assert s.homerun.api("DELETE", "/homerun/v1/issuers/half").status == 200
    s.allow("switch", [])


@test
def time_network_method_and_host_are_part_of_the_question():
    s = stand()
    s.allow("switch", [s.member("p")], "request.time < timestamp('2040-01-01T00:00:00Z')")
    assert explain("switch", member=s.member("p"))["allowed"]
    assert not explain("switch", member=s.member("p"), time="2041-01-01T00:00:00Z")["allowed"]
    s.allow("switch", [])
    assert explain("inside")["rung"] == "ingress"
    assert explain("inside", network="internal")["rung"] == "check_off"
    assert explain("private", method="TRACE")["status"] == 405
    assert explain("private", host="nowhere.example")["rung"] == "unknown_host"


@test
def what_cannot_be_a_question_is_said():
    s = stand()
    for question in ({"time": "soon"}, {"network": "lan"}, {"member": "ada"},
                     {"member": s.member("p"), "authorization": ["x"]}, {"nonsense": 1},
                     {"host": s.url("inside").removeprefix("https://")}):
        answer = s.homerun.api("POST", "/homerun/v1/access:explain",
                               {"resource": f"{REGION}/services/private", **question})
        assert answer.status == 400, (question, answer)


@test
def what_a_stranger_chose_is_no_command_of_a_terminal_or_a_shell():
    s = stand()
    for name, claims in (("iss", {"iss": "https://x.example/\x1b[2J\u009b1m"}),
                         ("email", {"iss": "https://accounts.google.com", "email": "a'`id`$(id)@example.com"})):
        token = s.token("p", **claims)
        found = explain("private", authorization=[f"Bearer {token}"])
        texts = [found["cause"], *found["near"], *(text for change in found["changes"] for text in change.values()
                                                   if isinstance(text, str))]
        assert not any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for text in texts for c in text), (name, texts)
    path = "/a';echo${IFS}broken;'$(echo broken)`echo broken`"
    found = explain("private", path=path)
    command = found["changes"][-1]["homerun"]
    done = subprocess.run(["bash", "-c", command.replace("curl ", "printf '%s\\n' ", 1).replace("$(homerun", "$(true")],
                          capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].endswith(path), done.stdout


@test
def long_questions_cost_no_more_than_their_length():
    found = explain("private", path="/" + "'" * 8000)
    assert len(found["changes"][-1]["homerun"]) > 8000 * 4, "each quote is written in four bytes"
    s = stand()
    answer = s.homerun.api("POST", "/homerun/v1/access:explain",
                           {"curl": "curl '" + s.url("private") + "/" + "a" * 60000 + "'"})
    assert answer.status == 200 and answer.json["rung"] == "no_credential", answer.status


@test
def what_a_member_may_call_is_what_the_gate_lets_them_call():
    s = stand()
    names = [one["name"] for one in s.homerun.api("GET", f"/v2/{REGION}/services").json["services"]]
    seen = set()
    for who, member in (("p", s.member("p")), ("q", s.member("q")), (None, "allUsers")):
        answer = s.homerun.api("GET", f"/homerun/v1/access:what?member={member}")
        assert answer.status == 200 and answer.json["servicesOmitted"] == 0, answer
        rows = {row["resource"]: row for row in answer.json["services"]}
        assert sorted(rows) == sorted(names), (sorted(rows), names)
        for name, row in rows.items():
            short = name.rsplit("/", 1)[-1]
            status = s.ask(short, *([bearer(s.token(who, short))] if who else [])).status
            assert row["allowed"] == (status == 200), (member, status, row)
            assert row["fact"] and row["rung"], row
            seen.add(row["allowed"])
    assert seen == {True, False}, seen
    nobody = s.homerun.token(member="user:nobody@example.com")
    assert s.homerun.api("GET", "/homerun/v1/access:what?member=allUsers", token=nobody).json["services"] == []
    for wrong in ("", "?member=ada"):
        assert s.homerun.api("GET", f"/homerun/v1/access:what{wrong}").status == 400, wrong
    shown = s.homerun.cli("access", "what", s.member("p")).stdout
    assert "MAY CALL" in shown and f"{REGION}/services/private" in shown, shown


@test
def the_command_line_shows_the_ladder():
    s = stand()
    shown = s.homerun.cli("access", "explain", "private", f"--member={s.member('q')}").stdout
    assert shown.startswith("No: "), shown
    assert "> A12  no_binding" in shown and "A6   ingress" in shown, shown
    shown = s.homerun.cli("access", "explain", "inside", "--network=internal", "--path=/a").stdout
    assert shown.startswith("Yes: ") and "> A7   check_off" in shown, shown


if __name__ == "__main__":
    main()
