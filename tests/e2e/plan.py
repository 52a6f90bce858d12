#!/usr/bin/env python3
"""Before a change of access is made: who would gain, who would lose. Then it is made, and they do."""
import json
import os
import random

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


def organization():
    return "organizations/" + stand().homerun.api("GET", "/v1/projects/demo").json["parent"]["id"]


def plan_policy(name, spec, status=200, token=None):
    answer = stand().homerun.api("POST", "/homerun/v1/access:plan",
                                 {"organizationPolicy": {"name": name, "spec": spec}}, token=token)
    assert answer.status == status, answer
    return answer.json


def set_state(check_off, ingress, members):
    s = stand()
    s.set_policy("switch", [{"role": "roles/run.invoker", "members": members}] if members else [])
    answer = s.homerun.api("PATCH", f"/v2/{SERVICE}?updateMask=invokerIamDisabled,ingress",
                           {"invokerIamDisabled": check_off, "ingress": ingress})
    assert answer.status == 200, answer


POLICIES = (
    ("run.managed.requireInvokerIam", [{"enforce": True}]),
    ("run.managed.requireInvokerIam", [{"enforce": False}]),
    ("run.allowedIngress", [{"values": {"allowedValues": ["internal", "internal-and-cloud-load-balancing"]}}]),
    ("run.allowedIngress", [{"values": {"deniedValues": ["internal"]}}]),
    ("iam.allowedPolicyMemberDomains", [{"denyAll": True}]),
    ("iam.managed.allowedPolicyMembers", [{"enforce": True, "parameters": {"allowedMemberSubjects": ["MEMBER"]}}]),
)
INGRESS = {"all": "INGRESS_TRAFFIC_ALL", "internal": "INGRESS_TRAFFIC_INTERNAL_ONLY",
           "internal-and-cloud-load-balancing": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"}


@test
def a_plan_of_an_organization_policy_is_what_then_happens():
    """Pairs by chance of a policy and a service. Setting it refuses no request; what the plan names cannot be set again, and
    all else can; and by the change that it tells exactly those lose whom it names."""
    s = stand()
    chance = random.Random(12)
    callers = {s.member(name): s.token(name, "switch") for name in ("p", "q")}
    ask = lambda: {name for name, token in callers.items() if s.ask("switch", bearer(token)).status == 200}
    set_state(False, "INGRESS_TRAFFIC_ALL", [s.member("p")])
    ask()  # from here on the log knows both by name
    recorded(2)
    seen = set()
    for turn in range(24):
        constraint, rules = POLICIES[turn % len(POLICIES)]
        rules = json.loads(json.dumps(rules).replace("MEMBER", s.member("q")))
        name = f"{organization()}/policies/{constraint}"
        members = [one for one in ("allUsers", s.member("p"), s.member("q")) if chance.random() < 0.6]
        state = (chance.random() < 0.5, chance.choice(("INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY")), members)
        set_state(*state)
        before = ask()
        found = plan_policy(name, {"rules": rules})
        assert found["gains"] == found["loses"] == [], found
        row = next((one for one in found["services"] if one["resource"] == SERVICE), None)
        assert row is None or not any(one["now"] for one in row["violations"]), row
        named = {one["what"].split(" has ")[0] for one in row["violations"]} & {*members} if row else set()
        answer = s.homerun.api("POST", f"/v2/{name.split('/policies/')[0]}/policies", {"name": name, "spec": {"rules": rules}})
        assert answer.status == 200, answer
        try:
            assert ask() == before, (turn, "a policy refuses no request")
            again = s.homerun.api("PATCH", f"/v2/{SERVICE}?updateMask=invokerIamDisabled", {"invokerIamDisabled": state[0]})
            settings = bool(row) and len(row["violations"]) > len(named)
            assert (again.status != 200) == settings, (turn, constraint, state, row, again)
            if row:
                seen.add((constraint, bool(named)))
                mended = row["mended"]
                loses = {one["who"] for one in mended["loses"]} & set(callers)
                assert s.homerun.api("DELETE", f"/v2/{name}").status == 200  # so that each part can be set by itself
                set_state(mended.get("invokerIamDisabled", state[0]), INGRESS.get(mended.get("ingress"), state[1]),
                          [one for one in members if one not in named])
                assert before - ask() == loses, (turn, constraint, state, mended)
                assert s.homerun.api("POST", f"/v2/{name.split('/policies/')[0]}/policies",
                                     {"name": name, "spec": {"rules": rules}}).status == 200
                again = s.homerun.api("PATCH", f"/v2/{SERVICE}?updateMask=invokerIamDisabled",
                                      {"invokerIamDisabled": mended.get("invokerIamDisabled", state[0])})
                assert again.status == 200, (turn, "what was mended is refused", again)
            s.set_policy("switch", [])
            for member in members:
                answer = s.homerun.api("POST", f"/v2/{SERVICE}:setIamPolicy", {"policy": {"bindings": [
                    {"role": "roles/run.invoker", "members": [member]}]}})
                assert (answer.status != 200) == (member in named), (turn, constraint, member, named, answer)
                s.set_policy("switch", [])
        finally:
            assert s.homerun.api("DELETE", f"/v2/{name}").status == 200
    assert len(seen) == 4, seen  # each kind of policy has found something
    set_state(False, "INGRESS_TRAFFIC_ALL", [])


@test
def the_command_line_plans_an_organization_policy_and_sets_nothing():
    s = stand()
    set_state(True, "INGRESS_TRAFFIC_ALL", [])
    assert s.ask("switch").status == 200
    wait_until(lambda: plan(invokerIamDisabled=False)["requestsLost"] > 0, "the request is recorded")
    path = os.path.join(s.homerun.folder, "org-policy.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("name: projects/demo/policies/run.managed.requireInvokerIam\nspec:\n  rules:\n  - enforce: true\n")
    shown = s.homerun.cli("access", "plan", f"--org-policy={path}").stdout
    for words in ("refuses no request at once", SERVICE, "It ends with: --invoker-iam-check", "Would then be refused",
                  "Nothing was changed."):
        assert words in shown, (words, shown)
    assert s.homerun.api("GET", "/v2/projects/demo/policies/run.managed.requireInvokerIam").status == 404
    set_state(True, "INGRESS_TRAFFIC_ALL", [])
    for words in ((), ("switch", f"--org-policy={path}")):
        done = s.homerun.cli("access", "plan", *words, status=None)
        assert done.returncode != 0 and "--org-policy=FILE" in done.stderr, done
    set_state(False, "INGRESS_TRAFFIC_ALL", [])


@test
def who_may_not_read_a_policy_plans_none_and_a_wrong_one_is_named():
    right = {"rules": [{"enforce": True}]}
    name = "projects/demo/policies/run.managed.requireInvokerIam"
    plan_policy(name, right, status=403, token=stand().homerun.token(member="user:nobody@example.com"))
    for wrong, spec in ((name, {"rules": [{"enforce": "perhaps"}]}), (name, {}), ("run.managed.requireInvokerIam", right),
                        ("projects/demo/policies/run.no.such", right), ("projects/none/policies/run.allowedIngress", right)):
        answer = stand().homerun.api("POST", "/homerun/v1/access:plan", {"organizationPolicy": {"name": wrong, "spec": spec}})
        assert answer.status in (400, 403, 404) and answer.json["error"]["message"], (wrong, spec, answer)
    answer = stand().homerun.api("POST", "/homerun/v1/access:plan",
                                 {"resource": SERVICE, "organizationPolicy": {"name": name, "spec": right}})
    assert answer.status == 400, answer


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
