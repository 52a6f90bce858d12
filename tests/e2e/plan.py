#!/usr/bin/env python3
"""Before a change of access is made: who would gain, who would lose. Then it is made, and they do."""
from gate_stand import REGION, bearer, stand
from homerun import main, test, wait_until

SERVICE = f"{REGION}/services/switch"


def plan(**question):
    answer = stand().homerun.api("POST", "/homerun/v1/access:plan", {"resource": SERVICE, **question})
    assert answer.status == 200, answer
    return answer.json


def who(rows):
    return {row["who"] for row in rows}


def recorded(count):
    wait_until(lambda: plan(ingress="INGRESS_TRAFFIC_ALL")["requestsRead"] >= count, f"{count} requests are recorded")


@test
def a_plan_says_who_gains_and_loses_and_then_they_do():
    s = stand()
    s.allow("switch", [s.member("p")])
    callers = {s.member("p"): s.token("p", "switch"), s.member("q"): s.token("q", "switch")}
    ask = lambda: {name: s.ask("switch", bearer(token)).status for name, token in callers.items()}
    before = ask()
    assert s.ask("switch").status == 403
    recorded(3)
    policy = {"version": 3, "bindings": [{"role": "roles/run.invoker", "members": [s.member("q")]}]}
    found = plan(policy=policy)
    assert who(found["gains"]) == {s.member("q")} and who(found["loses"]) == {s.member("p")}, found
    assert not found["publicBefore"] and not found["publicAfter"] and found["organizationPolicy"]["allowed"]
    assert ask() == before, "a plan changes nothing"
    s.set_policy("switch", policy["bindings"])
    after = ask()
    assert {name for name in callers if after[name] == 200 and before[name] != 200} == who(found["gains"])
    assert {name for name in callers if after[name] != 200 and before[name] == 200} == who(found["loses"])


@test
def a_plan_of_the_switch_says_that_it_opens_to_everybody():
    s = stand()
    s.allow("switch", [])
    found = plan(invokerIamDisabled=True)
    assert found["publicAfter"] and not found["publicBefore"], found
    assert "(no identity was looked at)" in who(found["gains"]), found
    s.set_check("switch", False)
    assert s.ask("switch", path="/open").status == 200
    wait_until(lambda: plan(invokerIamDisabled=False)["requestsLost"] > 0, "it is recorded")
    assert not plan(invokerIamDisabled=False)["publicAfter"]
    s.set_check("switch", True)
    assert "check_off" in [row["after"] for row in plan(invokerIamDisabled=True)["gains"]]


@test
def a_condition_on_the_path_tells_paths_apart():
    s = stand()
    s.allow("switch", [])
    token = s.token("q", "switch")
    for path in ("/a/x", "/b/y"):
        assert s.ask("switch", bearer(token), path=path).status == 403
    binding = {"role": "roles/run.invoker", "members": [s.member("q")],
               "condition": {"title": "a", "expression": "request.path.startsWith('/a/')"}}
    found = wait_until(lambda: (lambda f: f if f["gains"] else None)(plan(policy={"version": 3, "bindings": [binding]})),
                       "the requests are recorded")
    assert {row["path"] for row in found["gains"]} == {"/a/x"}, found


@test
def ingress_and_organization_policy_are_part_of_it():
    s = stand()
    s.allow("switch", [s.member("p")])
    assert s.ask("switch", bearer(s.token("p", "switch"))).status == 200
    found = wait_until(lambda: (lambda f: f if f["loses"] else None)(plan(ingress="INGRESS_TRAFFIC_INTERNAL_ONLY")),
                       "the request is recorded")
    assert [row["after"] for row in found["loses"] if row["who"] == s.member("p")] == ["ingress"], found
    organization = s.homerun.api("GET", "/v1/projects/demo").json["parent"]["id"]
    name = f"organizations/{organization}/policies/run.managed.requireInvokerIam"
    answer = s.homerun.api("POST", f"/v2/organizations/{organization}/policies",
                           {"name": name, "spec": {"rules": [{"enforce": True}]}})
    assert answer.status == 200, answer
    says = plan(invokerIamDisabled=True)["organizationPolicy"]
    assert not says["allowed"] and "requireInvokerIam" in says["text"], says
    assert s.homerun.api("DELETE", f"/v2/{name}").status == 200


@test
def dry_run_shows_the_plan_and_changes_nothing():
    s = stand()
    s.allow("switch", [])
    for words in (["services", "update", "switch", "--no-invoker-iam-check"],
                  ["services", "update", "switch", "--allow-unauthenticated"],
                  ["deploy", "switch", "--image=mirror", "--no-invoker-iam-check"],
                  ["services", "add-iam-policy-binding", "switch", "--member=allUsers", "--role=roles/run.invoker"]):
        shown = s.homerun.cli(*words, "--dry-run").stdout
        assert "makes the service public" in shown and "Nothing was changed." in shown, (words, shown)
        assert s.ask("switch").status == 403, words
    shown = s.homerun.cli("access", "plan", "switch", "--no-invoker-iam-check").stdout
    assert "makes the service public" in shown, shown


@test
def what_is_no_change_is_refused():
    s = stand()
    for question in ({}, {"ingress": "somewhere"}, {"policy": {"bindings": [{"role": "roles/run.invoker",
                                                                             "members": ["ada"]}]}},
                     {"policy": {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"],
                                               "condition": {"title": "t", "expression": "1 +"}}]}}):
        answer = s.homerun.api("POST", "/homerun/v1/access:plan", {"resource": SERVICE, **question})
        assert answer.status == 400, (question, answer)


if __name__ == "__main__":
    main()
