#!/usr/bin/env python3
"""Before a change of access is made: who would gain, who would lose. Then it is made, and they do."""
import json
import os

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
def a_dry_run_of_a_whole_policy_changes_nothing():
    s = stand()
    s.allow("switch", [s.member("p")])
    assert s.ask("switch", bearer(s.token("p", "switch")), path="/whole").status == 200
    recorded(1)
    path = os.path.join(s.homerun.folder, "policy.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"bindings:\n- role: roles/run.invoker\n  members: [\"{s.member('q')}\"]\n")
    before = s.homerun.cli("services", "get-iam-policy", "switch", "--format=json").stdout
    shown = json.loads(s.homerun.cli("services", "set-iam-policy", "switch", path, "--dry-run", "--format=json").stdout)
    assert s.member("p") in who(shown["loses"]), shown
    shown = s.homerun.cli("services", "set-iam-policy", "switch", path, "--dry-run").stdout
    assert "Would be refused, and are let in now" in shown and "Nothing was changed." in shown, shown
    assert s.homerun.cli("services", "get-iam-policy", "switch", "--format=json").stdout == before


DOOR = "/v1/projects/demo/iap_web/cloud_run-us-central1/services/switch"


@test
def a_door_is_planned_as_it_then_is():
    """Turned on, its policy, and turned off again: who gains and loses is told before, by API and command line."""
    s = stand()
    s.set_check("switch", True)
    s.allow("switch", [s.member("p")])
    callers = {s.member(name): s.token(name, "switch") for name in ("p", "q")}
    ask = lambda: {name for name, token in callers.items() if s.ask("switch", bearer(token), path="/door").status == 200}
    number = s.homerun.ready["projectNumber"]
    agent = f"serviceAccount:service-{number}@gcp-sa-iap.iam.gserviceaccount.com"
    policy = {"version": 3, "bindings": [{"role": "roles/run.invoker", "members": [s.member("p"), agent]}]}
    guests = {"bindings": [{"role": "roles/iap.httpsResourceAccessor", "members": [s.member("q")]}]}
    assert ask() == {s.member("p")}
    recorded(2)
    on = plan(iapEnabled=True, policy=policy)
    assert s.member("p") in who(on["loses"]) and s.member("q") not in who(on["gains"]), on
    shown = json.loads(s.homerun.cli("services", "update", "switch", "--iap", "--dry-run", "--format=json").stdout)
    assert who(shown["loses"]) == who(on["loses"]) and who(shown["gains"]) == who(on["gains"]), (shown, on)
    both = plan(iapEnabled=True, policy=policy, iapPolicy=guests)
    assert s.member("p") in who(both["loses"]) and s.member("q") in who(both["gains"]), both
    assert ask() == {s.member("p")}, "a plan changes nothing"
    try:
        s.homerun.cli("services", "update", "switch", "--iap")
        assert ask() == set()
        words = ("services", "add-iam-policy-binding", "switch", "--iap", f"--member={s.member('q')}")
        shown = json.loads(s.homerun.cli(*words, "--dry-run", "--format=json").stdout)
        assert s.member("q") in who(shown["gains"]) and not shown["loses"], shown
        assert ask() == set()
        s.homerun.cli(*words)
        assert ask() == {s.member("q")}
        taken = json.loads(s.homerun.cli("services", "remove-iam-policy-binding", *words[2:], "--dry-run",
                                         "--format=json").stdout)
        assert s.member("q") in who(taken["loses"]), taken
        off = plan(iapEnabled=False)
        assert s.member("p") in who(off["gains"]) and s.member("q") in who(off["loses"]), off
    finally:
        s.homerun.cli("services", "update", "switch", "--no-iap")
    assert ask() == {s.member("p")}
    assert s.homerun.api("POST", f"{DOOR}:setIamPolicy", {"policy": {}}).status == 200


@test
def a_plan_of_a_door_takes_the_right_to_read_its_policy():
    s = stand()
    policy = s.homerun.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    auditor = "user:plan-auditor@example.com"
    more = [{"role": role, "members": [auditor]} for role in ("roles/run.viewer", "roles/logging.viewer")]
    answer = s.homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": {"bindings": policy["bindings"] + more}})
    assert answer.status == 200, answer
    for question, status in (({"iapEnabled": True}, 200), ({"iapPolicy": {"bindings": []}}, 403)):
        answer = s.homerun.api("POST", "/homerun/v1/access:plan", {"resource": SERVICE, **question},
                               token=s.homerun.token(member=auditor))
        assert answer.status == status, (question, answer)
    assert s.homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": {"bindings": policy["bindings"]}}).status == 200


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
