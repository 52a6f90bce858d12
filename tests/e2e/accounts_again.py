#!/usr/bin/env python3
"""Accounts that end and come again under the same name: by no spelling does one reach the other."""
import urllib.parse

from homerun import main, stand, test

IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"


def api(*arguments, **more):
    return stand().api(*arguments, **more)


def good(answer):
    assert answer.status == 200, answer
    return answer.json


def project():
    return stand().ready["project"]


def accounts(rest="", of=None):
    return f"/v1/projects/{of or project()}/serviceAccounts{rest}"


def new_account(name, of=None):
    return good(api("POST", accounts(of=of), {"accountId": name}))


def policy_of(path):
    return good(api("POST", path + ":getIamPolicy", {})).get("bindings", [])


def add_binding(path, role, member):
    policy = good(api("POST", path + ":getIamPolicy", {}))
    policy.setdefault("bindings", []).append({"role": role, "members": [member]})
    good(api("POST", path + ":setIamPolicy", {"policy": policy}))


def members_of(path, role):
    return {m for b in policy_of(path) if b["role"] == role for m in b["members"]}


def twice(name):
    """The first account of a name, deleted, and its successor."""
    first = new_account(name)
    good(api("DELETE", accounts(f"/{first['email']}")))
    return first, new_account(name)


def spellings(account):
    """Names of a deleted account, as a path may write them."""
    email, uid = account["email"], account["uniqueId"]
    for name in (f"{email}?uid={uid}", f"{email}#uid={uid}", f"{email}?UID={uid}",
                 f"deleted:serviceAccount:{email}?uid={uid}", f"{email}?uid={uid}/",
                 f"{email}%3Fuid%3D{uid}", f"x/../{email}?uid={uid}", f"{email}\\?uid={uid}",
                 f"{email}%23{uid}", f"{email}/?uid={uid}", f"{email} ?uid={uid}", uid):
        yield urllib.parse.quote(name, safe="@.")
    yield f"{email.replace('@', '%40')}%3fuid%3d{uid}"


METHODS = [("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", ":disable"), ("POST", ":enable"),
           ("POST", ":getIamPolicy"), ("POST", ":setIamPolicy"), ("GET", "/keys"),
           ("POST", "/keys"), ("POST", "/keys:upload"), ("POST", ":generateAccessToken"),
           ("POST", ":generateIdToken"), ("POST", ":signJwt"), ("POST", ":signBlob")]
BODIES = {"": {"serviceAccount": {"displayName": "x"}, "updateMask": "displayName"},
          ":setIamPolicy": {"policy": {"bindings": []}}, "/keys:upload": {"publicKeyData": "YQ=="},
          ":generateAccessToken": {"scope": ["https://www.googleapis.com/auth/cloud-platform"]},
          ":generateIdToken": {"audience": "a"}, ":signJwt": {"payload": "{}"},
          ":signBlob": {"payload": "YQ=="}}


@test
def no_spelling_of_a_deleted_account_reaches_anything():
    role, path = "roles/run.viewer", f"/v1/projects/{project()}"
    first = new_account("spelt-oddly")
    add_binding(path, role, f"serviceAccount:{first['email']}")
    good(api("DELETE", accounts(f"/{first['email']}")))
    second = new_account("spelt-oddly")
    add_binding(path, role, f"serviceAccount:{second['email']}")
    before = members_of(path, role)
    assert before == {f"serviceAccount:{second['email']}",
                      f"deleted:serviceAccount:{first['email']}?uid={first['uniqueId']}"}, before
    for name in spellings(first):
        for place in (project(), "-"):
            for verb, rest in METHODS:
                body = BODIES.get(rest, {}) if verb in ("POST", "PATCH") else None
                got = api(verb, accounts(f"/{name}{rest}", of=place), body)
                assert got.status in (400, 403, 404), (verb, name, rest, got)
    assert members_of(path, role) == before
    assert good(api("GET", accounts(f"/{second['email']}"))).get("disabled") is None


@test
def bindings_and_memberships_stay_with_the_one_that_had_them():
    path, group = f"/v1/projects/{project()}", "again@example.com"
    first = new_account("comes-again")
    member = f"serviceAccount:{first['email']}"
    gone = f"deleted:{member}?uid={first['uniqueId']}"
    add_binding(path, "roles/run.viewer", member)
    add_binding(accounts(f"/{first['email']}"), "roles/iam.serviceAccountUser",
                "user:friend@example.com")
    good(api("POST", "/homerun/v1/groups", {"email": group, "members": [member]}))
    add_binding(path, "roles/run.developer", f"group:{group}")
    services = f"/v2/projects/{project()}/locations/{stand().ready['region']}/services"

    def sees():
        token = good(api("POST", "/homerun/v1/tokens",
                         {"kind": "access", "member": member}))["token"]
        got = good(api("POST", path + ":testIamPermissions",
                       {"permissions": ["run.services.list", "run.services.create"]},
                       token=token)).get("permissions", [])
        return set(got), api("GET", services, token=token).status

    both = {"run.services.list", "run.services.create"}
    assert sees() == (both, 200)
    good(api("DELETE", accounts(f"/{first['email']}")))
    second = new_account("comes-again")
    assert sees() == (set(), 403), "the successor has what its predecessor had"
    assert good(api("GET", f"/homerun/v1/groups/{group}"))["members"] == [gone]
    assert "user:friend@example.com" not in members_of(accounts(f"/{second['email']}"),
                                                       "roles/iam.serviceAccountUser")
    # A group keeps the deleted one when it is written back, and takes none that it did not have.
    good(api("PUT", f"/homerun/v1/groups/{group}", {"members": [gone, "user:a@example.com"]}))
    other = f"deleted:serviceAccount:{second['email']}?uid={second['uniqueId']}"
    assert api("PUT", f"/homerun/v1/groups/{group}", {"members": [gone, other]}).status == 400
    # The second has grants of its own; they go with it, and the first comes back with its own.
    add_binding(path, "roles/run.invoker", member)
    good(api("DELETE", accounts(f"/{second['email']}")))
    good(api("POST", accounts(f"/{first['uniqueId']}:undelete"), {}))
    assert sees() == (both, 200)
    assert member not in members_of(path, "roles/run.invoker")
    assert good(api("GET", f"/homerun/v1/groups/{group}"))["members"] == [member,
                                                                          "user:a@example.com"]
    assert "user:friend@example.com" in members_of(accounts(f"/{first['email']}"),
                                                   "roles/iam.serviceAccountUser")


@test
def a_deleted_account_comes_back_by_its_own_project_alone():
    other = good(api("POST", "/v1/projects", {"projectId": "another-home", "name": "other"}))
    assert other is not None
    first = new_account("is-not-yours")
    good(api("DELETE", accounts(f"/{first['email']}")))
    thief = new_account("thief-of-names", of="another-home")["email"]
    add_binding("/v1/projects/another-home", "roles/iam.serviceAccountAdmin",
                f"serviceAccount:{thief}")
    token = good(api("POST", "/homerun/v1/tokens",
                     {"kind": "access", "member": f"serviceAccount:{thief}"}))["token"]
    undelete = f"/{first['uniqueId']}:undelete"
    for place in ("another-home", project(), "-"):
        got = api("POST", accounts(undelete, of=place), {}, token=token)
        assert got.status in (403, 404), (place, got)
    assert api("POST", accounts(undelete, of="another-home"), {}).status == 404
    good(api("POST", accounts(undelete, of="-"), {}))
    assert api("POST", accounts(undelete), {}).status == 404


@test
def a_deleted_account_runs_nothing_and_is_bound_nowhere():
    first, second = twice("runs-nothing")
    services = f"/v2/projects/{project()}/locations/{stand().ready['region']}/services"
    odd = f"{first['email']}?uid={first['uniqueId']}"
    body = {"template": {"serviceAccount": odd, "containers": [{"image": IMAGE}]}}
    got = api("POST", services + "?serviceId=by-the-dead&validateOnly=true", body)
    assert got.status in (400, 403), got
    for member in (f"serviceAccount:{odd}", f"deleted:serviceAccount:{odd}",
                   f"serviceAccount:{second['email']}?uid={first['uniqueId']}"):
        got = api("POST", f"/v1/projects/{project()}:setIamPolicy", {"policy": {
            "bindings": [{"role": "roles/run.viewer", "members": [member]}]}})
        assert got.status == 400, (member, got)
    for verb in (":generateIdToken", ":generateAccessToken"):
        delegates = {"delegates": [f"projects/-/serviceAccounts/{odd}"], **BODIES[verb]}
        got = api("POST", accounts(f"/{second['email']}{verb}", of="-"), delegates)
        assert got.status in (400, 403), got
    got = api("POST", "/homerun/v1/tokens", {"kind": "access", "member": f"serviceAccount:{odd}"})
    assert got.status == 400, got


@test
def an_account_that_is_not_there_is_refused_in_cloud_runs_words_to_owners_too():
    services = f"/v2/projects/{project()}/locations/{stand().ready['region']}/services"
    gone = new_account("not-there-any-more")["email"]
    good(api("DELETE", accounts(f"/{gone}")))
    for email in (f"nobody@{project()}.iam.gserviceaccount.com", gone,
                  "nobody@no-such-project.iam.gserviceaccount.com", "someone@example.com"):
        body = {"template": {"serviceAccount": email, "containers": [{"image": IMAGE}]}}
        got = api("POST", services + "?serviceId=as-nobody", body)
        assert got.status == 403 and got.json["error"]["message"] == (
            f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it may "
            "not exist)."), got
    assert api("GET", services + "/as-nobody").status == 404


if __name__ == "__main__":
    main()
