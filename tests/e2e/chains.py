#!/usr/bin/env python3
"""Nobody ends with more than their roles give, and the accounts that these let them act as.

A search: for each predefined role an account of its own, in another project, holds it on the project
that is attacked, or on one account of it alone. It makes every call of the route table that could
give something, on every account and node; after each that succeeded, every call that gives a
credential; and each credential is asked what it may. Who may deploy also tries to make of a program
what its image does not allow, and what that hands out is a credential like any other.
HOMERUN_CHAINS=all takes all roles; else those that can change anything of accounts, policies or
roles, and a few others.
"""
import base64
import json
import os
import time
import urllib.parse

from api_world import Client
from chains_programs import Programs, assertion
from homerun import Homerun, finally_do, main, test

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ALL = os.environ.get("HOMERUN_CHAINS") == "all"

# With one of these on an account one is that account, or can make oneself it: Google's words for
# "act as" (docs/access.md). setIamPolicy gives itself the others.
BECOMES = {"iam.serviceAccounts." + verb for verb in
           ("actAs", "getAccessToken", "getOpenIdToken", "implicitDelegation", "setIamPolicy",
            "signBlob", "signJwt")} | {"iam.serviceAccountKeys.create"}
WATCHED = ["resourcemanager.projects.get", "resourcemanager.projects.setIamPolicy",
           "resourcemanager.projects.delete", "resourcemanager.organizations.setIamPolicy",
           "resourcemanager.folders.create", "resourcemanager.projects.create", "run.services.get",
           "run.services.create", "run.services.setIamPolicy", "iam.roles.create",
           "iam.serviceAccounts.actAs", "iam.serviceAccounts.setIamPolicy",
           "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.signJwt",
           "iam.serviceAccounts.disable", "iam.serviceAccounts.delete",
           "iam.serviceAccountKeys.create", "orgpolicy.policy.set", "logging.logEntries.list",
           "secretmanager.versions.access", "secretmanager.versions.destroy",
           "secretmanager.secrets.setIamPolicy"]
SECRET = b"what nobody may read by a detour"


class Attack:
    """The world: a project with accounts of several ranks, and who else holds more than it."""

    def __init__(self):
        # A plain user's: there a program could read the owner's key (chains_programs.py).
        self.homerun = Homerun(user=65534 if os.geteuid() == 0 else None).start()
        finally_do(self.homerun.close)
        self.client = Client(self.homerun)
        self.owner = self.homerun.token()
        self.project = self.homerun.ready["project"]
        self.org = self.ok("GET", "/v3/organizations:search")["organizations"][0]["name"]
        for name in ("callers-home", "others-home"):
            self.ok("POST", "/v1/projects", {"projectId": name, "name": name})
        demo = f"projects/{self.project}"
        self.accounts = {"owner": self.homerun.ready["owner"]["email"],
                         "editor": self.homerun.ready["projectNumber"]
                         + "-compute@developer.gserviceaccount.com"}
        for name, role in (("has-everything", "roles/owner"), ("has-little", "roles/run.viewer")):
            self.accounts[name] = self.new(self.project, name)
            self.grant(demo, role, f"serviceAccount:{self.accounts[name]}")
        # Somebody, and a group, that hold what no project gives.
        self.grant(self.org, "roles/resourcemanager.organizationAdmin", "user:boss@example.com")
        self.ok("POST", "/homerun/v1/groups", {"email": "bosses@example.com", "members": []})
        self.grant(self.org, "roles/resourcemanager.organizationAdmin", "group:bosses@example.com")
        self.programs = Programs(self.homerun)
        self.policy = {"bindings": self.ok("POST", f"/v1/{demo}:getIamPolicy", {})["bindings"]}
        self.nodes = {"project": f"/v1/{demo}", "organization": f"/v3/{self.org}",
                      "other": "/v1/projects/others-home",
                      "secret": f"/v1/{demo}/secrets/kept",
                      **{name: f"/v1/{demo}/serviceAccounts/{email}"
                         for name, email in self.accounts.items()}}
        self.ok("POST", f"/v1/{demo}/secrets?secretId=kept", {"replication": {"automatic": {}}})
        self.ok("POST", f"/v1/{demo}/secrets/kept:addVersion",
                {"payload": {"data": base64.b64encode(SECRET).decode()}})

    # -- calls --

    def ask(self, verb, path, body=None, token=None):
        text = None if body is None else json.dumps(body).encode()
        return self.client.call(verb, path, self.owner if token is None else token, text)

    def ok(self, verb, path, body=None, token=None):
        got = self.ask(verb, path, body, token)
        assert got.status == 200, (verb, path, got.status, got.text)
        return got.json

    def new(self, project, name):
        return self.ok("POST", f"/v1/projects/{project}/serviceAccounts",
                       {"accountId": name})["email"]

    def grant(self, node, role, member):
        version = "v3" if node.startswith("organizations") else "v1"
        self.ok("POST", f"/{version}/{node}:setIamPolicy",
                {"policy": self.with_binding(f"/{version}/{node}", role, member)})

    def with_binding(self, path, role, member):
        policy = self.ok("POST", path + ":getIamPolicy", {})
        policy.setdefault("bindings", []).append({"role": role, "members": [member]})
        return policy

    def token_of(self, member):
        return self.ok("POST", "/homerun/v1/tokens", {"kind": "access", "member": member})["token"]

    def may(self, token):
        """(node, permission) of all that a credential has."""
        return {(name, one) for name, path in self.nodes.items()
                for one in (self.ask("POST", path + ":testIamPermissions",
                                     {"permissions": WATCHED}, token).json or {})
                .get("permissions", [])}

    # -- what may be had --

    def perms(self, role):
        return set(self.ok("GET", f"/v1/{role}").get("includedPermissions", []))

    def allowed_on_one(self, role, own, name):
        """What ROLE on the account NAME alone gives: that account, and nobody else's."""
        got = set(own)
        if self.perms(role) & BECOMES:
            got |= self.may(self.token_of(f"serviceAccount:{self.accounts[name]}"))
        if "iam.serviceAccounts.setIamPolicy" in self.perms(role):
            got |= {(name, one) for one in WATCHED}
        return got

    def allowed(self, role, own):
        """What the roles of the caller, and those of the accounts that it may act as, give."""
        perms = self.perms(role)
        got = set(own)
        within = {"project", "secret", *self.accounts} - {"owner"}
        if "secretmanager.secrets.setIamPolicy" in perms:
            got |= {("secret", one) for one in WATCHED}
        if perms & BECOMES or "resourcemanager.projects.setIamPolicy" in perms:
            # has-everything may set the project's policy, and so give itself any role there is.
            got |= {(node, one) for node in within for one in WATCHED}
        return got

    # -- what is tried --

    def firsts(self, member):
        """(name, verb, path, body): calls that could change who may what."""
        binds = {"policy": {"bindings": [{"role": role, "members": [member]} for role in (
            "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountKeyAdmin",
            "roles/iam.serviceAccountUser", "roles/iam.serviceAccountAdmin")]}}
        for name, email in self.accounts.items():
            at = f"/v1/projects/{self.project}/serviceAccounts/{email}"
            for verb, rest, body in (
                    ("POST", ":setIamPolicy", binds), ("POST", ":disable", {}),
                    ("POST", ":enable", {}), ("POST", ":undelete", {}),
                    ("PATCH", "", {"serviceAccount": {"displayName": "x"},
                                   "updateMask": "displayName"})):
                yield f"{name}{rest or ':patch'}", verb, at + rest, body
        at = self.nodes["secret"]
        yield "secret:setIamPolicy", "POST", at + ":setIamPolicy", {"policy": {"bindings": [
            {"role": "roles/secretmanager.secretAccessor", "members": [member]}]}}
        yield "secret:patch", "PATCH", at + "?updateMask=labels", {"labels": {"a": "b"}}
        yield "secret:add", "POST", at + ":addVersion", {
            "payload": {"data": base64.b64encode(SECRET).decode()}}
        yield "project:setIamPolicy", "POST", self.nodes["project"] + ":setIamPolicy", {
            "policy": self.with_binding(self.nodes["project"], "roles/iam.roleAdmin", member)}
        for node in ("organization", "other"):
            yield node + ":setIamPolicy", "POST", self.nodes[node] + ":setIamPolicy", {
                "policy": {"bindings": [{"role": "roles/resourcemanager.organizationAdmin",
                                         "members": [member]}]}}
        yield "groups", "PUT", "/homerun/v1/groups/bosses@example.com", {"members": [member]}
        yield "issuers", "POST", "/homerun/v1/issuers", {
            "name": "mine", "issuer": "https://mine.example", "jwks": {"keys": []},
            "domains": ["example.com"]}
        yield "images", "POST", "/homerun/v1/images", {"name": "mine:1", "dir": "/",
                                                       "program": ["/bin/true"]}
        yield "rotate", "POST", "/homerun/v1/keys:rotate", {}
        yield "move", "POST", f"/v3/projects/{self.project}:move", {"destinationParent": self.org}
        yield "role", "POST", f"/v1/projects/{self.project}/roles", {
            "roleId": "mine", "role": {"title": "x", "includedPermissions": sorted(
                BECOMES | {"secretmanager.versions.access"})}}

    def credentials(self, token):
        """(how, token): everything that gives one, on every account and person."""
        for name, email in self.accounts.items():
            at = f"/v1/projects/{self.project}/serviceAccounts/{email}"
            for how, got in self.of_account(at, email, token):
                yield f"{name}: {how}", got
            for through in self.accounts.values():
                got = self.ask("POST", at + ":generateAccessToken", {
                    "scope": [SCOPE], "delegates": [f"projects/-/serviceAccounts/{through}"]}, token)
                if got.status == 200:
                    yield f"{name} through {through}", got.json["accessToken"]
        for member in ("user:boss@example.com", f"serviceAccount:{self.accounts['owner']}"):
            for path, kind in (("tokens", "access"), ("tokens", "refresh"), ("links", None)):
                body = {"member": member, **({"kind": kind} if kind else {})}
                got = self.ask("POST", f"/homerun/v1/{path}", body, token)
                if got.status == 200:
                    yield f"{path} {kind} of {member}", self.token_of(member)

    def of_account(self, at, email, token):
        got = self.ask("POST", at + ":generateAccessToken", {"scope": [SCOPE]}, token)
        if got.status == 200:
            yield "generateAccessToken", got.json["accessToken"]
        now = int(time.time())
        claims = {"iss": email, "sub": email, "aud": "https://oauth2.googleapis.com/token",
                  "scope": SCOPE, "iat": now, "exp": now + 600}
        got = self.ask("POST", at + ":signJwt", {"payload": json.dumps(claims)}, token)
        if got.status == 200:
            yield "signJwt", self.exchange(got.json["signedJwt"])
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
                        for part in ({"alg": "RS256"}, claims))
        got = self.ask("POST", at + ":signBlob",
                       {"payload": base64.b64encode(text.encode()).decode()}, token)
        if got.status == 200:
            signature = base64.b64decode(got.json["signedBlob"])
            yield "signBlob", self.exchange(
                text + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode())
        got = self.ask("POST", at + "/keys", {}, token)
        if got.status == 200:
            # The key is its account; that it was given is what matters, so it goes at once.
            self.ok("DELETE", "/v1/" + got.json["name"])
            yield "keys.create", self.token_of(f"serviceAccount:{email}")

    def reads(self, token):
        """Whether a credential is given the secret, whatever it is said to have."""
        got = self.ask("GET", self.nodes["secret"] + "/versions/latest:access", token=token)
        assert (got.status == 200) == (base64.b64encode(SECRET).decode() in got.text), got.text
        return got.status == 200

    def exchange(self, text):
        form = urllib.parse.urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                       "assertion": text}).encode()
        got = self.client.call("POST", "/token", "", form,
                               ["Content-Type: application/x-www-form-urlencoded"])
        return (got.json or {}).get("access_token", "")

    def mend(self):
        """What an attack may break, as it was."""
        self.ok("POST", self.nodes["project"] + ":setIamPolicy", {"policy": self.policy})
        for name, email in self.accounts.items():
            at = f"/v1/projects/{self.project}/serviceAccounts/{email}"
            if name != "owner":
                self.ok("POST", at + ":enable", {})
            self.ok("POST", at + ":setIamPolicy", {"policy": {"bindings": []}})
        self.ask("DELETE", f"/v1/projects/{self.project}/roles/mine")
        self.ok("POST", self.nodes["secret"] + ":setIamPolicy", {"policy": {"bindings": []}})


world = []


def attack():
    if not world:
        world.append(Attack())
    return world[0]


def roles_to_try(here, all_of_them=ALL):
    names, page = [], ""
    while page is not None:
        got = here.ok("GET", f"/v1/roles?view=FULL&pageSize=1000&pageToken={page}")
        names += [(one["name"], set(one.get("includedPermissions", []))) for one in got["roles"]]
        page = got.get("nextPageToken")
    strong = [name for name, held in names if held & BECOMES
              or any(one.endswith((".setIamPolicy", "iam.roles.update", "serviceAccounts.delete",
                                   "serviceAccounts.undelete")) for one in held)]
    rest = [name for name, _ in names if name not in strong]
    return strong + (rest if all_of_them else rest[::6])


def search(here, member, token, allowed):
    """(how many calls, chains): all credentials, then all firsts, then all credentials again."""
    opened, tried = [], 0
    for again in (False, True):
        if again:
            for name, verb, path, body in here.firsts(member):
                tried += 1
                if here.ask(verb, path, body, token).status == 200:
                    opened.append(name)
                    if name.endswith(":disable"):
                        here.ok("POST", path.replace(":disable", ":enable"), {})
            if not opened:
                break
        gains = [("", token), *here.credentials(token)]
        tried += len(gains)
        found = []
        for how, gained in gains:
            more = here.may(gained) - allowed if gained else set()
            if gained and here.reads(gained) and ("secret", "secretmanager.versions.access") not in allowed:
                more.add(("secret", "its value"))
            if more:
                found.append(f"after {opened}, {how}: {sorted(more)[:3]}")
        if found:
            return tried, found  # who has it could shut us out
    return tried, []


@test
def no_pair_of_calls_gives_more_than_roles_and_accounts_do():
    here = attack()
    total, number = 0, 0
    for number, role in enumerate(roles_to_try(here)):
        member = f"serviceAccount:{here.new('callers-home', f'caller-{number:03}')}"
        try:
            here.grant(f"projects/{here.project}", role, member)
        except AssertionError:
            continue  # a role of organizations alone
        token = here.token_of(member)
        tried, found = search(here, member, token, here.allowed(role, here.may(token)))
        assert not found, f"{role}: {len(found)} chains:\n" + "\n".join(found[:40])
        here.mend()
        total += tried
    print(f"{total} calls of {here.client.calls}, {number + 1} roles")


@test
def a_role_on_one_account_gives_that_account_alone():
    here = attack()
    total, number = 0, 0
    node = f"projects/{here.project}/serviceAccounts/{here.accounts['has-little']}"
    for number, role in enumerate(roles_to_try(here)):
        member = f"serviceAccount:{here.new('callers-home', f'one-{number:03}')}"
        try:
            here.grant(node, role, member)
        except AssertionError:
            continue
        token = here.token_of(member)
        allowed = here.allowed_on_one(role, here.may(token), "has-little")
        tried, found = search(here, member, token, allowed)
        assert not found, f"{role}: {len(found)} chains:\n" + "\n".join(found[:40])
        here.mend()
        total += tried
    print(f"{total} calls, {number + 1} roles")


@test
def no_deployment_hands_out_more():
    here = attack()
    services = f"/v2/projects/{here.project}/locations/{here.homerun.ready['region']}/services"
    deployers = [role for role in roles_to_try(here, all_of_them=True)
                 if "run.services.create" in here.perms(role)]
    assert "roles/run.developer" in deployers, deployers
    tried, may_deploy = 0, 0
    for number, role in enumerate(deployers):
        member = f"serviceAccount:{here.new('callers-home', f'deploys-{number:03}')}"
        here.grant(f"projects/{here.project}", role, member)
        here.grant(f"projects/{here.project}/serviceAccounts/{here.accounts['has-little']}",
                   "roles/iam.serviceAccountUser", member)
        token = here.token_of(member)
        allowed = here.allowed(role, here.may(token)) | here.may(
            here.token_of(f"serviceAccount:{here.accounts['has-little']}"))
        name = f"program-{number}"
        template = {"serviceAccount": here.accounts["has-little"],
                    "containers": [{"image": "site:1"}]}
        got = here.ask("POST", f"{services}?serviceId={name}", {"template": template}, token)
        assert got.status == 200, (role, got.status, got.text)
        assert here.programs.handed_out(name) == ["a page", None], role
        may_deploy += 1
        for at, (how, container) in enumerate(here.programs.ways()):
            template["containers"] = [container]
            for verb, path, which in (("POST", f"{services}?serviceId={name}-{at}", f"{name}-{at}"),
                                      ("PATCH", f"{services}/{name}", name)):
                tried += 1
                if here.ask(verb, path, {"template": template}, token).status != 200:
                    continue
                key = here.programs.handed_out(which)[1]
                more = here.may(here.exchange(assertion(key, SCOPE))) - allowed if key else set()
                assert not more, f"{role}: {verb} with {how}: {sorted(more)[:3]}"
        here.mend()
    print(f"{tried} deployments by {may_deploy} roles")


@test
def grants_on_the_project_do_not_reach_the_owner():
    here = attack()
    at = f"/v1/projects/{here.project}/serviceAccounts/{here.accounts['owner']}"
    key = here.ok("GET", at + "/keys")["keys"][0]["name"]
    everything = sorted(BECOMES | {"iam.serviceAccounts.disable", "iam.serviceAccounts.enable",
                                   "iam.serviceAccounts.delete", "iam.serviceAccounts.undelete",
                                   "iam.serviceAccounts.update", "iam.serviceAccountKeys.delete",
                                   "iam.serviceAccountKeys.disable",
                                   "iam.serviceAccountKeys.enable"})
    here.ok("POST", f"/v1/projects/{here.project}/roles", {"roleId": "allOfIt", "role": {
        "title": "x", "includedPermissions": everything}})
    caller = here.new("callers-home", "wants-the-owner")
    member = f"serviceAccount:{caller}"
    for role in (f"projects/{here.project}/roles/allOfIt", "roles/owner", "roles/editor"):
        here.grant(f"projects/{here.project}", role, member)
    here.grant(here.org, "roles/iam.serviceAccountTokenCreator", member)
    token = here.token_of(member)
    calls = [("POST", "/keys", {}), ("POST", "/keys:upload", {"publicKeyData": "YQ=="}),
             ("POST", ":generateAccessToken", {"scope": [SCOPE]}), ("DELETE", "", None),
             ("POST", ":generateIdToken", {"audience": "a"}), ("POST", ":signJwt", {"payload": "{}"}),
             ("POST", ":signBlob", {"payload": "YQ=="}), ("POST", ":disable", {}),
             ("POST", ":enable", {}), ("PATCH", "", {"serviceAccount": {"displayName": "x"},
                                                     "updateMask": "displayName"}),
             ("POST", ":setIamPolicy", {"policy": {"bindings": []}})]
    little = here.accounts["has-little"]
    for verb, rest, body in calls:
        got = here.ask(verb, at + rest, body, token)
        assert got.status == 403, (verb, rest, got.status, got.text)
    for verb, rest in (("DELETE", ""), ("POST", ":disable"), ("POST", ":enable")):
        assert here.ask(verb, f"/v1/{key}{rest}", {} if rest else None, token).status == 403
    services = f"/v2/projects/{here.project}/locations/{here.homerun.ready['region']}/services"
    body = {"template": {"serviceAccount": here.accounts["owner"],
                         "containers": [{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]}}
    assert here.ask("POST", services + "?serviceId=a&validateOnly=true", body, token).status == 403
    assert here.ok("POST", at + ":testIamPermissions", {"permissions": everything},
                   token).get("permissions", []) == []
    # It is shown, the others are within reach as on Google's, and its own policy counts.
    here.ok("GET", at, token=token)
    here.ok("POST", at.replace(here.accounts["owner"], little) + ":generateAccessToken",
            {"scope": [SCOPE]}, token)
    here.ok("POST", at + ":setIamPolicy", {"policy": {"bindings": [
        {"role": "roles/iam.serviceAccountTokenCreator", "members": [member]}]}})
    here.ok("POST", at + ":generateAccessToken", {"scope": [SCOPE]}, token)
    assert here.ask("POST", at + "/keys", {}, token).status == 403
    here.ok("POST", at + ":setIamPolicy", {"policy": {"bindings": []}})
    assert here.ask("POST", at + ":generateAccessToken", {"scope": [SCOPE]}, token).status == 403
    here.ok("POST", at + "/keys", {})


if __name__ == "__main__":
    main()
