#!/usr/bin/env python3
"""`access at`: what the audit log says of a moment is what a snapshot said then, at a thousand random moments."""
import datetime
import random

from gate_stand import REGION, add_mirror
from homerun import main, stand, test

SERVICE = f"{REGION}/services/then"
MEMBERS = ["allUsers", "allAuthenticatedUsers", "user:ada@example.com", "user:bob@example.com", "domain:example.com",
           "group:team@example.com"]
ROLES = ["roles/run.invoker", "roles/run.viewer", "roles/run.admin"]
CHANGES, MOMENTS = 250, 1000


def ready():
    homerun = stand()
    if not hasattr(homerun, "then"):
        add_mirror(homerun)
        homerun.cli("deploy", "then", "--image=mirror")
        homerun.then = True
    return homerun


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def at(homerun, moment, status=200):
    answer = homerun.api("GET", f"/homerun/v1/access:at?resource={SERVICE}&time={text_of(moment)}")
    assert answer.status == status, answer
    return answer.json


def shape(bindings):
    return sorted((row["member"], row["role"], row["on"], row.get("condition", "")) for row in bindings)


def random_policy(choose):
    bindings = []
    for role in ROLES:
        members = choose.sample(MEMBERS, choose.randrange(4))
        if members:
            condition = choose.choice([None, None, "request.path.startsWith('/a')"])
            bindings.append({"role": role, "members": members,
                             **({"condition": {"title": "c", "expression": condition}} if condition else {})})
    return {"version": 3, "bindings": bindings}


def change(homerun, choose, project):
    """One random change of what decides access."""
    kind = choose.randrange(4)
    if kind <= 1:
        answer = homerun.api("POST", f"/v2/{SERVICE}:setIamPolicy", {"policy": random_policy(choose)})
    elif kind == 2:
        member = choose.choice(MEMBERS[2:])
        policy = {**project, "bindings": project["bindings"] + [{"role": "roles/run.invoker", "members": [member]}]}
        policy.pop("etag", None)
        answer = homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": policy})
    else:
        answer = homerun.api("PATCH", f"/v2/{SERVICE}?updateMask=invokerIamDisabled,ingress",
                             {"invokerIamDisabled": choose.random() < 0.5,
                              "ingress": choose.choice(["INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY"])})
    assert answer.status == 200, answer


def snapshot(homerun):
    answer = homerun.api("GET", f"/homerun/v1/access:who?resource={SERVICE}")
    assert answer.status == 200, answer
    return answer.json


@test
def a_moment_of_the_past_is_as_a_snapshot_was_then():
    homerun = ready()
    choose = random.Random(12)
    project = homerun.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    taken = []
    for _ in range(CHANGES):
        change(homerun, choose, project)
        start = now()
        seen = snapshot(homerun)
        taken.append((start, now(), seen))
    for _ in range(MOMENTS):
        start, end, seen = choose.choice(taken)
        moment = start + (end - start) * choose.random()
        found = at(homerun, moment)
        assert shape(found["bindings"]) == shape(seen["bindings"]), (text_of(moment), found, seen)
        assert found["service"]["invokerIamDisabled"] == seen["invokerIamDisabled"], (found, seen)
        assert found["service"]["ingress"] == seen["ingress"], (found, seen)
        opened = any(row["member"] == "allUsers" and "condition" not in row for row in seen["bindings"])
        assert found["public"] == (opened or seen["invokerIamDisabled"]), (found, seen)
    project.pop("etag", None)
    assert homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": project}).status == 200


@test
def an_account_that_is_deleted_changes_policies_and_that_is_told():
    homerun = ready()
    made = homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "passing"})
    assert made.status == 200, made
    member = f"serviceAccount:{made.json['email']}"
    policy = {"version": 3, "bindings": [{"role": "roles/run.invoker", "members": [member]}]}
    assert homerun.api("POST", f"/v2/{SERVICE}:setIamPolicy", {"policy": policy}).status == 200
    before = now()
    assert homerun.api("DELETE", f"/v1/projects/demo/serviceAccounts/{made.json['email']}").status == 200
    after = now()
    assert [row["member"] for row in at(homerun, before)["bindings"] if "passing" in row["member"]] == [member]
    gone = [row["member"] for row in at(homerun, after)["bindings"] if "passing" in row["member"]]
    assert gone == [f"deleted:{member}?uid={made.json['uniqueId']}"], gone


@test
def before_it_was_made_and_after_it_was_deleted_there_was_none():
    homerun = ready()
    early = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    assert not at(homerun, early)["exists"]
    there = now()
    shown = homerun.cli("access", "at", text_of(there), "then").stdout
    assert "MEMBER" in shown or "rivate" in shown, shown
    homerun.cli("services", "delete", "then", "--quiet")
    assert at(homerun, there)["exists"] and not at(homerun, now())["exists"]
    assert at(homerun, now())["bindings"] == []
    future = now() + datetime.timedelta(days=1)
    assert "future" in str(at(homerun, future, status=400))
    homerun.then = False


if __name__ == "__main__":
    main()
