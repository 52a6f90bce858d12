#!/usr/bin/env python3
"""Workload identity federation: tokens of another issuer exchanged for short ones of ours, and nothing more."""
import json
import os
import subprocess
import tempfile
import time
import urllib.parse

import client_cache
from homerun import Homerun, finally_do, main, test
from issuer_stand import ISSUER, Provider, b64

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPE = "urn:ietf:params:oauth:token-type:"
CLOUD = "https://www.googleapis.com/auth/cloud-platform"
_shared = {}


class World:
    """A pool with one provider made by the API, whose issuer is on the loopback, and one issuer of
    the installation with a pool of its own."""

    def __init__(self):
        self.homerun = Homerun().start()
        self.number = self.homerun.api("GET", "/v1/projects/demo").json["projectNumber"]
        self.base = f"projects/{self.number}/locations/global/workloadIdentityPools"
        self.idp = Provider()
        self.key = self.idp.new_key("one")
        self.jwks = json.loads(self.idp.answer[2])
        self.account = self.make("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "deployer"})["email"]
        self.make("POST", f"/v1/{self.base}?workloadIdentityPoolId=builds", {"displayName": "Builds"})
        self.provider()

    def make(self, verb, path, body=None):
        got = self.homerun.api(verb, path, body)
        assert got.status == 200, (verb, path, got)
        return got.json

    def provider(self, name="ci-jobs", pool="builds", **changed):
        body = {"oidc": {"issuerUri": ISSUER, "jwksJson": json.dumps(self.jwks)},
                "attributeMapping": {"google.subject": "assertion.sub"}, **changed}
        return self.make("POST", f"/v1/{self.base}/{pool}/providers?workloadIdentityPoolProviderId={name}", body)

    def audience(self, pool="builds", provider="ci-jobs"):
        return f"//iam.googleapis.com/{self.base}/{pool}/providers/{provider}"

    def token(self, kid="one", **changed):
        return self.idp.token(self.key, kid, **{"aud": "https:" + self.audience(), **changed})

    def exchange(self, subject, **changed):
        form = {"grant_type": EXCHANGE, "audience": self.audience(), "scope": CLOUD,
                "requested_token_type": TYPE + "access_token", "subject_token": subject,
                "subject_token_type": TYPE + "jwt", **changed}
        text = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None})
        return self.post("/v1/token", text)

    def post(self, path, text, kind="application/x-www-form-urlencoded"):
        return self.homerun.api("POST", path, text.encode(), token="", headers={"Content-Type": kind})

    def access(self, **changed):
        got = self.exchange(self.token(**changed))
        assert got.status == 200, got
        return got.json["access_token"]

    def member(self, subject="42", pool="builds"):
        return f"principal://iam.googleapis.com/{self.base}/{pool}/subject/{subject}"

    def bind(self, *members, role="roles/iam.workloadIdentityUser"):
        self.make("POST", f"/v1/projects/demo/serviceAccounts/{self.account}:setIamPolicy",
                  {"policy": {"bindings": [{"role": role, "members": list(members)}]}})

    def impersonate(self, token):
        return self.homerun.api(
            "POST", f"/v1/projects/-/serviceAccounts/{self.account}:generateAccessToken",
            {"scope": [CLOUD]}, token=token)


def world():
    if not _shared:
        _shared["world"] = World()
    return _shared["world"]


@finally_do
def end():
    if _shared:
        _shared["world"].homerun.close()
        _shared["world"].idp.server.shutdown()


def refused(got, code, words):
    assert got.status == 400, got
    assert got.json["error"] == code, got.json
    assert words in got.json["error_description"], got.json


@test
def a_token_is_exchanged_and_impersonates_only_what_a_binding_names():
    w = world()
    got = w.exchange(w.token() + "\n")
    assert got.status == 200, got
    assert got.json["token_type"] == "Bearer" and 0 < got.json["expires_in"] <= 3600, got.json
    assert got.json["issued_token_type"] == TYPE + "access_token", got.json
    token = got.json["access_token"]
    assert w.impersonate(token).status == 403
    for members, status in [((w.member(),), 200), ((w.member("43"),), 403), (
            (f"principalSet://iam.googleapis.com/{w.base}/builds/*",), 200), (
            (f"principalSet://iam.googleapis.com/{w.base}/others/*",), 403)]:
        w.bind(*members)
        assert w.impersonate(token).status == status, (members, w.impersonate(token))
    w.bind(w.member())
    theirs = w.impersonate(token).json["accessToken"]
    assert w.homerun.api("GET", "/v1/userinfo", token=theirs).json["email"] == w.account
    assert w.homerun.api("GET", "/v1/projects/demo", token=token).status == 403


@test
def the_json_of_googles_description_is_taken_too():
    w = world()
    got = w.post("/v1/token", json.dumps({
        "grantType": EXCHANGE, "audience": w.audience(), "scope": CLOUD, "subjectToken": w.token(),
        "requestedTokenType": TYPE + "access_token", "subjectTokenType": TYPE + "id_token"}), "application/json")
    assert got.status == 200, got


@test
def what_is_wrong_with_a_token_is_refused_by_name():
    w = world()
    now = int(time.time())
    header = b64(json.dumps({"alg": "none", "kid": "one"}).encode())
    payload = w.token().split(".")[1]
    keyed = b64(json.dumps({"alg": "HS256", "kid": "one"}).encode())
    cases = [
        (w.token(iss="https://other.example"), "issuer"),
        (w.token(iss=ISSUER + "/"), "issuer"),
        (w.token(aud="https:" + w.audience(provider="other")), "audience"),
        (w.token(aud=["https://service.example"]), "audience"),
        (w.token(aud=w.audience() + "/"), "audience"),
        (w.token(exp=now - 60), "expired"),
        (w.token(nbf=now + 600), "not valid yet"),
        (w.token(exp=now + 90000), "24 hours"),
        (w.token(kid="two"), "kid"),
        (w.token(sub=""), "assertion.sub"),
        (w.token(sub="x" * 128), "assertion.sub"),
        (w.token(sub="a b"), "member"),
        (f"{header}.{payload}.", "JWT"),
        (f"{keyed}.{payload}.{b64(b'x' * 32)}", ""),
        (".".join(w.token().split(".")[:2] + [b64(b"x" * 256)]), "Signature"),
        ("no token", "JWT"),
    ]
    for subject, words in cases:
        refused(w.exchange(subject), "invalid_grant", words)
    assert w.exchange(w.token(aud=w.audience())).status == 200
    assert w.exchange(w.token(aud=["x", "https:" + w.audience()])).status == 200


@test
def what_is_wrong_with_the_form_is_refused_by_name():
    w = world()
    good = w.token()
    cases = [
        ({"grant_type": None}, "invalid_request", "grant_type"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type", "token-exchange"),
        ({"subject_token": None}, "invalid_request", "subject_token"),
        ({"subject_token_type": TYPE + "saml2"}, "invalid_request", "SAML"),
        ({"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request"}, "invalid_request", "AWS"),
        ({"requested_token_type": TYPE + "refresh_token"}, "invalid_request", "access_token"),
        ({"scope": None}, "invalid_scope", "scope"),
        ({"actor_token": good}, "invalid_request", "actor_token"),
        ({"options": json.dumps({"accessBoundary": {}})}, "invalid_request", "options"),
        ({"audience": None}, "invalid_target", "audience"),
        ({"audience": w.audience(pool="other")}, "invalid_target", "audience"),
        ({"audience": w.audience(provider="other")}, "invalid_target", "audience"),
        ({"audience": w.audience().replace(w.number, "demo")}, "invalid_target", "audience"),
        ({"audience": w.audience().replace(w.number, "0" + w.number)}, "invalid_target", "audience"),
        ({"audience": w.audience()[2:]}, "invalid_target", "audience"),
    ]
    for changed, code, words in cases:
        refused(w.exchange(good, **changed), code, words)
    refused(w.post("/v1/token", f"grant_type={EXCHANGE}&grant_type={EXCHANGE}"), "invalid_request", "twice")
    refused(w.post("/v1/token", "x" * 70000), "invalid_request", "64 KiB")


@test
def the_token_dies_with_its_provider_and_its_pool():
    w = world()
    w.make("POST", f"/v1/{w.base}?workloadIdentityPoolId=short", {})
    w.provider(pool="short")
    w.bind(w.member(pool="short"))
    where = w.audience(pool="short")
    token = w.exchange(w.token(aud="https:" + where), audience=where).json["access_token"]
    assert w.impersonate(token).status == 200
    provider = f"/v1/{w.base}/short/providers/ci-jobs"
    for path in (provider, f"/v1/{w.base}/short"):
        w.make("PATCH", f"{path}?updateMask=disabled", {"disabled": True})
        assert w.impersonate(token).status == 401, path
        refused(w.exchange(w.token(aud="https:" + where), audience=where), "invalid_target", "disabled")
        w.make("PATCH", f"{path}?updateMask=disabled", {"disabled": False})
        assert w.impersonate(token).status == 200, path
    w.make("DELETE", provider)
    assert w.impersonate(token).status == 401
    w.provider(pool="short")
    assert w.impersonate(token).status == 401, "another provider of the same name"
    token = w.exchange(w.token(aud="https:" + where), audience=where).json["access_token"]
    assert w.impersonate(token).status == 200
    w.make("DELETE", f"/v1/{w.base}/short")
    assert w.impersonate(token).status == 401
    w.make("POST", f"/v1/{w.base}?workloadIdentityPoolId=short", {})
    assert w.make("GET", f"/v1/{w.base}/short/providers").get("workloadIdentityPoolProviders") == []


@test
def an_issuer_with_a_pool_is_a_provider_and_its_keys_are_fetched():
    w = world()
    pool = f"iam.googleapis.com/{w.base}/corp-pool"
    w.make("POST", "/homerun/v1/issuers",
           {"name": "corp", "issuer": "https://corp.example", "jwksUri": w.idp.url, "pool": pool})
    where = f"//{pool}/providers/corp"
    old = w.key
    newer = w.idp.new_key("newer")
    subject = w.idp.token(newer, "newer", iss="https://corp.example", aud="https:" + where)
    got = w.exchange(subject, audience=where)
    assert got.status == 200, got
    token = got.json["access_token"]
    w.bind(w.member(pool="corp-pool"))
    assert w.impersonate(token).status == 200
    asked = w.idp.asked
    for kid in ("made-up", "made-up-too"):
        refused(w.exchange(w.idp.token(old, kid, iss="https://corp.example", aud="https:" + where), audience=where),
                "invalid_grant", "kid")
    assert w.idp.asked == asked, "strangers must not make us hammer an issuer"
    made = w.homerun.api("POST", f"/v1/{w.base}?workloadIdentityPoolId=corp-pool", {})
    assert made.status == 409 and "issuer" in made.json["error"]["message"], made
    w.make("DELETE", "/homerun/v1/issuers/corp")
    assert w.impersonate(token).status == 401
    refused(w.exchange(subject, audience=where), "invalid_target", "audience")


@test
def an_issuer_is_asked_where_its_keys_are():
    w = world()
    issuer = w.idp.url.removesuffix("/keys")
    key = w.idp.new_key("found")
    keys = w.idp.answer
    w.idp.answer = (200, {}, json.dumps({**json.loads(keys[2]), "issuer": issuer, "jwks_uri": w.idp.url}).encode())
    w.provider("finds", oidc={"issuerUri": issuer})
    where = w.audience(provider="finds")
    subject = w.idp.token(key, "found", iss=issuer, aud="https:" + where)
    got = w.exchange(subject, audience=where)
    assert got.status == 200, got
    w.idp.answer = (200, {}, json.dumps({"issuer": issuer + "/other", "jwks_uri": w.idp.url}).encode())
    w.provider("strange", oidc={"issuerUri": issuer})
    where = w.audience(provider="strange")
    refused(w.exchange(w.idp.token(key, "found", iss=issuer, aud="https:" + where), audience=where),
            "invalid_grant", "kid")


@test
def a_federated_identity_makes_no_links_and_no_tokens_whatever_it_holds():
    w = world()
    organization = w.make("GET", "/v3/organizations:search")["organizations"][0]["name"]
    before = w.make("POST", f"/v3/{organization}:getIamPolicy", {})
    token = w.access()
    w.make("POST", f"/v3/{organization}:setIamPolicy", {"policy": {"bindings": before["bindings"] + [
        {"role": "roles/resourcemanager.organizationAdmin", "members": [w.member()]}]}})
    assert w.homerun.api("GET", "/homerun/v1/issuers", token=token).status == 200
    assert w.homerun.api("POST", "/homerun/v1/links", {}, token=token).status == 403
    assert w.homerun.api("POST", "/homerun/v1/links", {"member": "user:a@example.com"}, token=token).status == 403
    for kind in ("refresh", "access", "identity"):
        assert w.homerun.api("POST", "/homerun/v1/tokens", {"kind": kind, "member": "user:a@example.com"},
                             token=token).status == 403
    w.make("POST", f"/v3/{organization}:setIamPolicy", {"policy": {"bindings": before["bindings"]}})
    again = w.post("/token", urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": token}))
    refused(again, "invalid_grant", "")
    asked = w.post("/v1/introspect", urllib.parse.urlencode({"token": token})).json
    assert asked["active"] is True and asked["username"] == w.member(), asked
    assert w.post("/v1/introspect", "token=x").json == {"active": False}


@test
def attributes_are_names_that_bindings_know():
    w = world()
    w.provider("mapped", attributeMapping={"google.subject": "assertion.sub",
                                           "attribute.repository": "assertion.repository"})
    where = w.audience(provider="mapped")
    got = w.exchange(w.token(aud="https:" + where, repository="corp/site"), audience=where)
    w.bind(f"principalSet://iam.googleapis.com/{w.base}/builds/attribute.repository/corp/site")
    assert w.impersonate(got.json["access_token"]).status == 200
    assert w.impersonate(w.access(repository="corp/site")).status == 403, "its provider maps no attribute"
    w.bind(f"principalSet://iam.googleapis.com/{w.base}/builds/attribute.repository/corp/other")
    assert w.impersonate(got.json["access_token"]).status == 403
    refused(w.exchange(w.token(aud="https:" + where), audience=where), "invalid_grant", "assertion.repository")
    refused(w.exchange(w.token(aud="https:" + where, repository=["corp/site"]), audience=where),
            "invalid_grant", "assertion.repository")


@test
def a_pool_has_no_attestation_rules_which_terraform_asks_for():
    w = world()
    assert w.make("GET", f"/v1/{w.base}/builds:listAttestationRules") == {"attestationRules": []}
    assert w.homerun.api("GET", f"/v1/{w.base}/absent:listAttestationRules").status == 404
    assert w.homerun.api("POST", f"/v1/{w.base}/builds:setAttestationRules", {}).status == 501


@test
def why_a_pools_identity_opens_no_service_is_explained():
    w = world()
    w.make("POST", "/v2/projects/demo/locations/us-central1/services?serviceId=pooled", {
        "template": {"containers": [{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]}})
    said = w.homerun.cli("access", "explain", "pooled", f"--member={w.member()}").stdout
    assert "exchanged" in said and "roles/iam.workloadIdentityUser" in said and "issuers add" not in said, said
    other = w.homerun.cli("access", "explain", "pooled", f"--member={w.member(pool='absent')}").stdout
    assert "exchanged" not in other and "issuers add" in other, other


@test
def a_condition_lets_in_only_whom_it_is_true_of():
    w = world()
    name, here = "conditioned", "assertion.repository_owner == 'corp' && attribute.ref.startsWith('refs/heads/')"
    w.provider(name, attributeCondition=here, attributeMapping={
        "google.subject": "'ci::' + assertion.sub", "attribute.ref": "assertion.ref"})
    where = w.audience(provider=name)

    def ask_for(**claims):
        return w.exchange(w.token(aud="https:" + where, **claims), audience=where)

    got = ask_for(repository_owner="corp", ref="refs/heads/main")
    assert got.status == 200, got
    w.bind(w.member("ci::42"))
    assert w.impersonate(got.json["access_token"]).status == 200
    for claims in ({"repository_owner": "other", "ref": "refs/heads/main"},
                   {"repository_owner": "corp", "ref": "refs/tags/1"}, {"ref": "refs/heads/main"}):
        refused(ask_for(**claims), "unauthorized_client", "rejected by the attribute condition")
    path = f"/v1/{w.base}/builds/providers/{name}"
    assert w.make("GET", path)["attributeCondition"] == here
    w.make("PATCH", f"{path}?updateMask=attributeCondition", {"attributeCondition": "assertion.sub == '43'"})
    refused(ask_for(repository_owner="corp", ref="refs/heads/main"), "unauthorized_client", "condition")
    w.make("PATCH", f"{path}?updateMask=attributeCondition", {})
    assert ask_for(repository_owner="other", ref="refs/tags/1").status == 200
    assert "attributeCondition" not in w.make("GET", path)


@test
def what_providers_cannot_say_here_is_refused_by_name():
    w = world()
    good = {"oidc": {"issuerUri": ISSUER}, "attributeMapping": {"google.subject": "assertion.sub"}}
    cases = [
        ({"attributeCondition": "assertion.x = 'y'"}, "attributeCondition"),
        ({"attributeCondition": "resource.name == 'y'"}, "attributeCondition"),
        ({"attributeMapping": {"google.subject": "assertion.sub.extract('{x}')"}}, "extract"),
        ({"attributeMapping": {"google.subject": "sub"}}, "sub"),
        ({"attributeMapping": {"google.groups": "assertion.groups"}}, "google.groups"),
        ({"attributeMapping": {}}, "google.subject"),
        ({"aws": {"accountId": "1"}}, "aws"),
        ({"saml": {"idpMetadataXml": "<x/>"}}, "saml"),
        ({"oidc": {"issuerUri": "http://idp.example"}}, "oidc.issuerUri"),
        ({"oidc": {"issuerUri": w.homerun.api_url}}, "oidc.issuerUri"),
        ({"oidc": {"issuerUri": ISSUER, "jwksJson": "{}"}}, "oidc.jwksJson"),
        ({"oidc": None}, "oidc.issuerUri"),
    ]
    for changed, words in cases:
        body = {name: value for name, value in {**good, **changed}.items() if value is not None}
        got = w.homerun.api("POST", f"/v1/{w.base}/builds/providers?workloadIdentityPoolProviderId=refused", body)
        assert got.status == 400 and words in json.dumps(got.json), (changed, got)
    for pool in ("x", "Upper", "gcp-mine", "-builds", ""):
        assert w.homerun.api("POST", f"/v1/{w.base}?workloadIdentityPoolId={pool}", {}).status == 400, pool


def external_account(w, folder, impersonates=True, **source):
    path = os.path.join(folder, "external.json")
    subject = os.path.join(folder, "subject")
    with open(subject, "w", encoding="utf-8") as file:
        file.write(w.token() + "\n")
    document = {"type": "external_account", "audience": w.audience(), "subject_token_type": TYPE + "jwt",
                "token_url": f"{w.homerun.api_url}/v1/token", "token_info_url": f"{w.homerun.api_url}/v1/introspect",
                "credential_source": {"file": subject, **source}}
    if impersonates:
        document["service_account_impersonation_url"] = \
            f"{w.homerun.api_url}/v1/projects/-/serviceAccounts/{w.account}:generateAccessToken"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return path


def ask(command, environment, *arguments):
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


@test
def python_takes_the_external_account_file_unchanged():
    w = world()
    command, environment = client_cache.python()
    w.bind(w.member())
    program = (
        "import sys, google.auth.transport.requests\n"
        "from google.auth import identity_pool\n"
        "made = identity_pool.Credentials.from_file(sys.argv[1]).with_scopes([sys.argv[2]])\n"
        "made.refresh(google.auth.transport.requests.Request())\n"
        "print(made.token)\n")
    for impersonates in (True, False):
        with tempfile.TemporaryDirectory(prefix="homerun-federation-") as folder:
            token = ask(command, environment, "-c", program, external_account(w, folder, impersonates), CLOUD)
        about = w.homerun.api("GET", "/v1/userinfo", token=token).json
        assert about == {"sub": w.member()} or about["email"] == w.account and impersonates, about


@test
def python_finds_the_file_and_the_project_by_itself():
    """google.auth.default, with what `homerun env` sets and no way out of the machine."""
    w = world()
    command, environment = client_cache.python()
    w.bind(w.member())
    program = (
        "import sys, google.auth, google.auth.transport.requests\n"
        "made, project = google.auth.default()\n"
        "made = made.with_scopes([sys.argv[1]])\n"
        "made.refresh(google.auth.transport.requests.Request())\n"
        "print(project, made.token)\n")
    with tempfile.TemporaryDirectory(prefix="homerun-federation-") as folder:
        ours = json.loads(w.homerun.cli("env", "--format=json").stdout)
        environment = {**environment, **{name: ours[name] for name in ("GOOGLE_CLOUD_PROJECT", "GCE_METADATA_HOST")},
                       "GOOGLE_APPLICATION_CREDENTIALS": external_account(w, folder),
                       "HTTPS_PROXY": "http://127.0.0.1:9"}
        project, token = ask(command, environment, "-c", program, CLOUD).split()
    assert project == "demo", project
    assert w.homerun.api("GET", "/v1/userinfo", token=token).json["email"] == w.account


@test
def node_takes_the_external_account_file_unchanged():
    w = world()
    command, environment = client_cache.node()
    w.bind(w.member())
    program = (
        "const {GoogleAuth} = require('google-auth-library');\n"
        "new GoogleAuth({keyFile: process.argv[1], scopes: process.argv[2]}).getAccessToken()\n"
        ".then((token) => console.log(token), (why) => { console.error(why); process.exit(1); });\n")
    with tempfile.TemporaryDirectory(prefix="homerun-federation-") as folder:
        token = ask(command, environment, "-e", program, external_account(w, folder), CLOUD)
    assert w.homerun.api("GET", "/v1/userinfo", token=token).json["email"] == w.account


if __name__ == "__main__":
    main()
