#!/usr/bin/env python3
"""google_cloud_run{,_v2}_service_iam_*, google_project_iam_*, google_service_account_iam_*: the
read-modify-write of the provider, alone and several at once."""
import base64
import contextlib
import threading

from homerun import Homerun, main, test
from terraform_iam_resources import (AuditConfig, Binding, Conflict, Member, Policy, binding_of,
                                     comparable, condition_of, of_account, of_project, of_v1, of_v2,
                                     set_once)
from terraform_provider import (IMAGE, SERVICES, V1Service, V2Service, at_once, call,
                                leaves_nothing, organization, refuses, request, stand)

HELLO = {"template": {"containers": [{"image": IMAGE}]}}
OLD_HELLO = {"spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}}}
INVOKER, VIEWER = "roles/run.invoker", "roles/run.viewer"
LATER = condition_of("for a while", 'request.time < timestamp("2100-01-01T00:00:00Z")')
NIGHT = condition_of("for a while", 'request.time < timestamp("2090-01-01T00:00:00Z")', "said")
EVERYONE, SIGNED = "allUsers", "allAuthenticatedUsers"


@contextlib.contextmanager
def service(name):
    one = V2Service(name)
    one.apply(HELLO)
    try:
        yield one
        one.settle()  # access is no part of the service: its plan stays empty
        one.destroy()
        leaves_nothing()
    finally:
        request("DELETE", one.path)


def is_public(name):
    return stand().get(stand().url(name)).status == 200


def both_families(run):
    """The test RUN(family, name), once for each path to the same policy."""
    for version, family in (("v1", of_v1), ("v2", of_v2)):
        def one(version=version, family=family):
            name = f"iam-{version}-{run.__name__.replace('_', '-')}"[:40].rstrip("-")
            with service(name):
                run(family(name), name)
        one.__name__ = f"{version}_{run.__name__}"
        test(one)
    return run


@both_families
def a_binding_opens_and_its_end_closes(family, name):
    assert not is_public(name)
    everyone = Binding(family, INVOKER)
    everyone.apply([EVERYONE])
    assert is_public(name)
    everyone.destroy()
    assert not is_public(name)


@both_families
def a_binding_preserves_what_is_not_its_own(family, name):
    Binding(family, VIEWER).apply(["user:Ann@Example.com", "group:staff@example.com"])
    Binding(family, INVOKER, LATER).apply(["user:bob@example.com"])
    Binding(family, INVOKER, NIGHT).apply([SIGNED])
    Binding(family, INVOKER).apply(["user:CARL@example.com", "domain:example.com"])
    policy = family.read()
    assert len(policy["bindings"]) == 4 and policy["version"] == 3, policy
    invokers = [b.get("condition", {}) for b in policy["bindings"] if b["role"] == INVOKER]
    assert all(c in invokers for c in ({}, LATER, NIGHT)), policy
    # Another value of one pair, then its end: the other three are as they were.
    Binding(family, INVOKER, LATER).apply(["user:bob@example.com", "user:dora@example.com"])
    before = comparable(family.read())[0]
    Binding(family, INVOKER, LATER).destroy()
    after = comparable(family.read())[0]
    assert after == [pair for pair in before if pair[0][3] != LATER["expression"]], after


@both_families
def a_member_joins_and_leaves_and_the_last_takes_the_binding_along(family, name):
    ann = Member(family, INVOKER, "user:Ann@Example.com")
    everyone = Member(family, INVOKER, EVERYONE)
    ann.apply()
    everyone.apply()
    assert is_public(name) and len(family.read()["bindings"]) == 1
    everyone.destroy()
    assert not is_public(name) and ann.found() == {"user:ann@example.com"}
    ann.apply()  # again: the same in another case
    assert ann.found() == {"user:ann@example.com"}
    ann.destroy()
    assert "bindings" not in family.read()


@both_families
def a_binding_without_members_grants_nothing_and_is_not_kept(family, name):
    Binding(family, VIEWER).apply([SIGNED])
    Binding(family, INVOKER).apply([EVERYONE])
    Binding(family, INVOKER).apply([])
    assert family.read()["bindings"] == [binding_of(VIEWER, [SIGNED])] and not is_public(name)
    Binding(family, INVOKER, NIGHT).apply([])
    Policy(family).apply([])
    assert set_once(family, {"bindings": [{"role": INVOKER, "members": []}]}).status == 200
    assert set_once(family, {"bindings": [{"role": VIEWER}, {"role": INVOKER}]}).status == 200
    assert "bindings" not in family.read()
    assert set_once(family, {"bindings": [{"role": "roles/run.nobody"}]}).status == 400


@both_families
def a_member_with_a_condition_is_another_member(family, name):
    plain, until = Member(family, INVOKER, SIGNED), Member(family, INVOKER, SIGNED, LATER)
    plain.apply()
    until.apply()
    read = family.read()
    assert len(read["bindings"]) == 2 and read["version"] == 3, read
    plain.destroy()
    assert until.found() == {SIGNED} and plain.found() == set()
    assert family.read()["bindings"] == [binding_of(INVOKER, [SIGNED], LATER)], family.read()
    until.destroy()
    assert family.read().get("bindings", []) == []


@both_families
def a_policy_owns_everything(family, name):
    Binding(family, VIEWER).apply([SIGNED])
    own = Policy(family)
    own.apply([binding_of(INVOKER, [EVERYONE, "user:a@example.com"]),
               binding_of(VIEWER, ["user:a@example.com"], LATER)])
    assert is_public(name)
    own.apply([binding_of(INVOKER, ["user:b@example.com", "user:a@example.com"])])
    assert not is_public(name)
    own.destroy()
    assert "bindings" not in family.read()


@both_families
def a_policy_is_not_destroyed_over_somebodys_change(family, name):
    own = Policy(family)
    own.apply([binding_of(VIEWER, [SIGNED])])
    Member(family, INVOKER, EVERYONE).apply()
    with refuses(family.conflict, "concurrent policy changes"):
        own.destroy()
    assert is_public(name)
    own.apply([])  # no etag: whatever is there is replaced
    assert "bindings" not in family.read() and not is_public(name)


@both_families
def an_etag_changes_with_the_policy_and_only_then(family, name):
    first = family.read()["etag"]
    assert base64.b64decode(first, validate=True) and family.read()["etag"] == first
    Member(family, VIEWER, SIGNED).apply()
    second = family.read()["etag"]
    one = V2Service(name)
    one.refresh()
    one.config = HELLO
    one.apply({**HELLO, "description": "changed"})
    one.apply(HELLO)
    assert first != second and family.read()["etag"] == second
    stale = set_once(family, {"bindings": [], "etag": first, "version": 1})
    assert stale.status == family.conflict, stale
    assert stale.json["error"]["status"] == "ABORTED", stale
    assert family.read()["etag"] == second
    assert set_once(family, {"etag": second, "version": 1}).status == 200  # that is "no bindings"
    assert "bindings" not in family.read()


@both_families
def two_applies_at_once_leave_both_members(family, name):
    """Both have read before either writes: one conflict, one more round, both there."""
    meet = threading.Barrier(2)
    ann, bob = (Member(family, INVOKER, f"user:{who}@example.com") for who in ("ann", "bob"))
    rounds = at_once(lambda: ann.apply(between=meet.wait), lambda: bob.apply(between=meet.wait))
    assert sorted(rounds) == [1, 2], rounds
    assert ann.found() == {"user:ann@example.com", "user:bob@example.com"}
    meet = threading.Barrier(2)
    rounds = at_once(lambda: ann.destroy(between=meet.wait), lambda: bob.destroy(between=meet.wait))
    assert sorted(rounds) == [1, 2], rounds
    assert "bindings" not in family.read()


@both_families
def ten_applies_at_once_lose_nobody(family, name):
    def join(number):
        while True:
            try:
                return Member(family, INVOKER, f"user:u{number}@example.com").apply()
            except (Conflict, AssertionError):
                continue  # the user's next `apply`

    at_once(*(lambda n=n: join(n) for n in range(10)))
    found = Binding(family, INVOKER).found()
    assert found == {f"user:u{n}@example.com" for n in range(10)}, found
    Binding(family, INVOKER).destroy()


@both_families
def members_are_taken_in_any_case_and_kept_in_theirs(family, name):
    odd = ["user:Ann.Lee@Example.COM", "group:Staff@example.com",
           "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
           "subject/CaSe"]
    one = Binding(family, INVOKER)
    one.apply(odd)
    # Another binding sends them back in lower case, which is no change of theirs.
    Binding(family, VIEWER).apply([SIGNED])
    assert one.found() == {"user:ann.lee@example.com", "group:staff@example.com", odd[2]}
    one.destroy()
    Binding(family, VIEWER).destroy()


@both_families
def a_deleted_account_survives_the_changes_of_others(family, name):
    made = call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "leaving"})
    member = f"serviceAccount:{made['email']}"
    Binding(family, INVOKER).apply([member])
    call("DELETE", f"/v1/projects/demo/serviceAccounts/{made['email']}")
    ghosts = [m for b in family.read()["bindings"] for m in b["members"]]
    Binding(family, VIEWER).apply([SIGNED])
    kept = [m for b in family.read()["bindings"] if b["role"] == INVOKER for m in b["members"]]
    assert kept == ghosts, (kept, ghosts)
    Policy(family).apply([])


@both_families
def an_import_finds_what_was_applied_by_the_other_path(family, name):
    other = of_v2(name) if family.base == of_v1(name).base else of_v1(name)
    Binding(family, INVOKER, NIGHT).apply([SIGNED, "user:a@example.com"])
    Member(family, VIEWER, "user:a@example.com").apply()
    assert other.read() == family.read()  # one policy, one etag
    # Of the condition an import names only the title; the rest is what is read.
    titles = [b["condition"] for b in other.read()["bindings"] if "condition" in b]
    assert titles == [NIGHT], titles
    assert Binding(other, INVOKER, NIGHT).found() == {SIGNED, "user:a@example.com"}
    assert Member(other, VIEWER, "user:a@example.com").found() == {"user:a@example.com"}
    Binding(other, INVOKER, NIGHT).destroy()
    Member(other, VIEWER, "user:a@example.com").destroy()
    assert "bindings" not in family.read()


@test
def a_binding_of_a_service_that_is_gone_is_gone():
    """404 on the read: a destroy has nothing left to do, a refresh drops it from the state."""
    for family in (of_v1("never-there"), of_v2("never-there")):
        with refuses(404):
            Binding(family, INVOKER).destroy()
        assert set_once(family, {"bindings": []}).status == 404


@test
def a_service_of_the_older_resource_in_another_region_has_a_policy_there():
    one = V1Service("elsewhere", region="europe-west1")
    one.apply(OLD_HELLO)
    family = of_v1("elsewhere", "europe-west1")
    Binding(family, INVOKER).apply([EVERYONE])
    assert stand().get(stand().url("elsewhere", region="europe-west1")).status == 200
    assert request("GET", f"{SERVICES}/elsewhere:getIamPolicy").status == 404
    one.settle()
    Binding(family, INVOKER).destroy()
    one.destroy()
    leaves_nothing()


@test
def a_members_domain_that_policy_does_not_allow_is_refused_by_the_constraints_name():
    name = "iam.allowedPolicyMemberDomains"
    with service("restricted"):
        call("POST", "/v2/projects/demo/policies", {
            "name": f"projects/demo/policies/{name}", "spec": {
                "rules": [{"values": {"allowedValues": ["is:example.com"]}, "allowAll": None,
                           "denyAll": None, "enforce": None}],
                "inheritFromParent": False, "reset": False}})
        try:
            for family in (of_v1("restricted"), of_v2("restricted")):
                with refuses(400, "FAILED_PRECONDITION", name):
                    Binding(family, INVOKER).apply([EVERYONE])
                with refuses(400, "FAILED_PRECONDITION", name):
                    Policy(family).apply([binding_of(INVOKER, [EVERYONE])])
            assert not is_public("restricted")
        finally:
            call("DELETE", f"/v2/projects/demo/policies/{name}")
        Binding(of_v2("restricted"), INVOKER).apply([EVERYONE])
        assert is_public("restricted")


# ---- projects, accounts ----

@test
def a_projects_members_and_bindings_leave_the_rest_alone():
    project = of_project()
    before = comparable(project.read())
    Member(project, INVOKER, "user:ann@example.com").apply()
    Member(project, INVOKER, "user:bob@example.com", LATER).apply()
    Binding(project, VIEWER).apply(["group:staff@example.com", "user:ann@example.com"])
    Binding(project, VIEWER, NIGHT).apply(["user:ann@example.com"])
    assert Member(project, INVOKER, "user:ann@example.com").found() == {"user:ann@example.com"}
    Binding(project, VIEWER, NIGHT).destroy()
    Binding(project, VIEWER).destroy()
    Member(project, INVOKER, "user:bob@example.com", LATER).destroy()
    Member(project, INVOKER, "user:ann@example.com").destroy()
    assert comparable(project.read()) == before


@test
def a_projects_member_calls_all_of_its_services():
    project = of_project()
    account = call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "calls-all"})
    with service("of-a-project"):
        url = stand().url("of-a-project")
        token = call("POST", f"/v1/projects/-/serviceAccounts/{account['email']}:generateIdToken",
                     {"audience": url, "includeEmail": True, "delegates": None})["token"]
        member = Member(project, INVOKER, f"serviceAccount:{account['email']}")
        assert stand().get(url, token=token).status == 403
        member.apply()
        assert stand().get(url, token=token).status == 200
        member.destroy()
        assert stand().get(url, token=token).status == 403
    call("DELETE", f"/v1/{account['name']}")


@test
def a_projects_default_accounts_lose_their_role_with_its_last_member():
    with Homerun() as homerun:
        project = of_project(homerun)
        editors = Binding(project, "roles/editor")
        assert editors.found()
        editors.apply([])
        assert not any(b["role"] == "roles/editor" for b in project.read()["bindings"])


@test
def no_resource_of_any_kind_keeps_a_binding_without_members():
    folder = call("POST", "/v3/folders", {"parent": organization(), "displayName": "Nobody"})
    key = call("POST", "/v3/tagKeys", {"parent": organization(), "shortName": "nobody"})
    account = call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "nobodys"})
    folder, key = folder["response"]["name"], key["response"]["name"]
    for base in (f"/v1/{account['name']}", "/v1/projects/demo", "/v3/projects/demo",
                 f"/v2/{folder}", f"/v3/{folder}", f"/v1/{organization()}", f"/v3/{organization()}",
                 f"/v3/{key}"):
        policy = call("POST", f"{base}:getIamPolicy", {})
        bindings = policy.get("bindings", [])
        for empty in ({"role": "roles/viewer"}, {"role": "roles/editor", "members": []},
                      {"role": "roles/browser", "members": None}):
            body = {**policy, "bindings": [empty, *(b for b in bindings
                                                    if b["role"] != empty["role"])]}
            policy = call("POST", f"{base}:setIamPolicy", {"policy": body})
            assert empty["role"] not in [b["role"] for b in policy.get("bindings", [])], policy
        call("POST", f"{base}:setIamPolicy", {"policy": {**policy, "bindings": bindings}})
    call("DELETE", f"/v1/{account['name']}")
    call("DELETE", f"/v3/{key}")
    call("DELETE", f"/v3/{folder}")


@test
def two_applies_at_once_on_a_project_leave_both_members():
    project, meet = of_project(), threading.Barrier(2)
    ann, bob = (Member(project, INVOKER, f"user:{who}@example.com") for who in ("ann", "bob"))
    rounds = at_once(lambda: ann.apply(between=meet.wait), lambda: bob.apply(between=meet.wait))
    assert sorted(rounds) == [1, 2], rounds
    assert ann.found() == {"user:ann@example.com", "user:bob@example.com"}
    ann.destroy()
    bob.destroy()


@test
def a_projects_audit_configuration_comes_and_goes():
    project = of_project()
    before = comparable(project.read())
    run, every = AuditConfig(project, "run.googleapis.com"), AuditConfig(project, "allServices")
    run.apply([{"logType": "DATA_READ", "exemptedMembers": ["user:ann@example.com"]}])
    every.apply([{"logType": "ADMIN_READ"}, {"logType": "DATA_WRITE"}])
    Member(project, VIEWER, "user:ann@example.com").apply()  # sends them back as they were read
    assert len(project.read()["auditConfigs"]) == 2
    Member(project, VIEWER, "user:ann@example.com").destroy()
    run.apply([])
    every.apply([])
    assert comparable(project.read()) == before and "auditConfigs" not in project.read()


@test
def a_projects_policy_owns_everything():
    with Homerun() as homerun:
        project = of_project(homerun)
        start = project.read()["bindings"]
        own = Policy(project)
        own.apply([*start, binding_of(VIEWER, ["user:ann@example.com"], LATER)],
                  [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}])
        own.apply(start)
        assert comparable(project.read()) == comparable({"bindings": start})
        own.destroy()  # the owner's role goes as well, but not what the organization gives
        assert request("GET", SERVICES, homerun=homerun).status == 403
        project.write({"bindings": start})
        assert request("GET", SERVICES, homerun=homerun).status == 200


@test
def an_account_has_members_bindings_and_a_policy():
    account = call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "borrowed"})
    family = of_account(account["email"])
    before = comparable(family.read())
    role = "roles/iam.serviceAccountTokenCreator"
    Member(family, role, "user:ann@example.com").apply()
    Member(family, role, "user:bob@example.com", LATER).apply()
    Binding(family, "roles/iam.serviceAccountUser", NIGHT).apply(["group:staff@example.com"])
    Binding(family, "roles/iam.serviceAccountUser", NIGHT).destroy()
    Member(family, role, "user:bob@example.com", LATER).destroy()
    Member(family, role, "user:ann@example.com").destroy()
    assert comparable(family.read()) == before
    own = Policy(family)
    own.apply([binding_of(role, ["user:ann@example.com"])])
    own.destroy()
    assert "bindings" not in family.read()
    call("DELETE", f"/v1/{account['name']}")


@test
def a_role_that_nobody_knows_is_kept_but_not_added():
    with service("roles"):
        with refuses(400, "INVALID_ARGUMENT"):
            Binding(of_v2("roles"), "roles/run.nobody").apply([SIGNED])
        with refuses(400, "INVALID_ARGUMENT"):
            Binding(of_v1("roles"), INVOKER).apply(["user:not an address"])


if __name__ == "__main__":
    main()
