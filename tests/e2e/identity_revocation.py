#!/usr/bin/env python3
"""Each kind of credential against each way to take it back: allowed, then the call, then refused by
the very next request; and what undoes it allows it again.

A row of CREDENTIALS says how an account comes by a token and where it is shown: to the API or to
the gate of a service. A row of REVOCATIONS says what is called, what undoes it, and what the token
is worth in between. The test is their product, less what has no meaning.
"""
import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.parse

from homerun import Homerun, finally_do, main, need, test

IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PERMISSIONS = ["run.services.get", "run.services.update", "run.routes.invoke"]
PROBES = 3  # each on a connection of its own: more than one worker answers
OK, WHO, NO = 200, 401, 403

stand = Homerun("--workers=2")
finally_do(stand.close)
folder = tempfile.TemporaryDirectory(prefix="homerun-revocation-")
finally_do(folder.cleanup)
names = iter(range(100, 10000))


def homerun():
    if stand.process is None:
        stand.start()
        stand.cli("deploy", "hello", f"--image={IMAGE}", "--no-allow-unauthenticated")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                path("key"))
        openssl("pkey", "-in", path("key"), "-pubout", "-out", path("key.pub"))
        bind({"role": "roles/iam.serviceAccountTokenCreator", "members": [owner()]})
    return stand


def api(verb, target, body=None, token=None, good=True):
    got = homerun().api(verb, target, body, token=token)
    assert not good or got.status == OK, f"{verb} {target}: {got}"
    return got.json if good else got


def path(name):
    return os.path.join(folder.name, name)


def openssl(*arguments):
    done = subprocess.run([need("openssl"), *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def owner():
    return f"serviceAccount:{stand.ready['owner']['email']}"


def project(rest=""):
    return f"/v1/projects/{stand.ready['project']}{rest}"


def url():
    return homerun().url("hello")


def service():
    return f"/v2/projects/{stand.ready['project']}/locations/{stand.ready['region']}/services/hello"


# ---- policies ----

def change_policy(resource, change):
    policy = stand.api("POST", f"{resource}:getIamPolicy", {}).json
    policy["bindings"] = change(policy.get("bindings", []))
    got = stand.api("POST", f"{resource}:setIamPolicy", {"policy": policy})
    assert got.status == OK, got


def bind(binding, resource=None):
    change_policy(resource or project(), lambda bindings: [*bindings, binding])


def unbind(role, member, resource=None):
    def less(bindings):
        for one in bindings:
            if one["role"] == role:
                one["members"] = [m for m in one["members"] if m != member]
        return [one for one in bindings if one["members"]]
    change_policy(resource or project(), less)


# ---- accounts: one for each case ----

class Subject:
    """An account whose only right is a custom role of its own, bound on the project."""

    def __init__(self, email=None):
        number = next(names)
        if email is None:
            made = api("POST", project("/serviceAccounts"), {"accountId": f"subject-{number}"})
            email = made["email"]
        self.email = email
        self.member = f"serviceAccount:{email}"
        self.account = project(f"/serviceAccounts/{email}")
        self.unique = api("GET", self.account)["uniqueId"]
        self.target = f"/v1/projects/-/serviceAccounts/{email}"
        self.role = f"projects/{stand.ready['project']}/roles/role{number}"
        api("POST", project("/roles"), {"roleId": f"role{number}", "role": {
            "title": "t", "stage": "GA", "includedPermissions": PERMISSIONS}})
        bind({"role": self.role, "members": [self.member]})
        self.key = None

    def with_key(self):
        """A key made elsewhere, its public half uploaded."""
        with open(path("key.pub"), "rb") as file:
            pem = base64.b64encode(file.read()).decode()
        self.key = api("POST", f"{self.account}/keys:upload", {"publicKeyData": pem})["name"]
        return self

    def signed(self, **claims):
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": self.key.split("/")[-1]}
        body = {"iss": self.email, "sub": self.email, "iat": now, "exp": now + 3600, **claims}
        text = f"{b64(head)}.{b64(body)}"
        with open(path("text"), "w", encoding="ascii") as file:
            file.write(text)
        return f"{text}.{b64(openssl('dgst', '-sha256', '-sign', path('key'), path('text')))}"


def b64(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def exchange(text):
    form = urllib.parse.urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                   "assertion": text}).encode()
    got = stand.api("POST", "/token", form, token="",
                    headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert got.status == OK, got
    return got.json


TOKEN_URI = "https://oauth2.googleapis.com/token"


# ---- credentials: (name, where it is shown, what it hangs on, how it is come by) ----

def access_by_key(subject):
    return exchange(subject.signed(aud=TOKEN_URI, scope=SCOPE))["access_token"]


def access_by_google_key_file(subject):
    """A key that Homerun made, in a key file."""
    made = api("POST", f"{subject.account}/keys", {})
    with open(path("made.pem"), "w", encoding="ascii") as file:
        file.write(json.loads(base64.b64decode(made["privateKeyData"]))["private_key"])
    os.rename(path("key"), path("key.own"))
    os.rename(path("made.pem"), path("key"))
    try:
        subject.key = made["name"]
        return access_by_key(subject)
    finally:
        os.rename(path("key.own"), path("key"))


def self_signed_scope(subject):
    return subject.signed(scope=SCOPE)


def self_signed_audience(subject):
    return subject.signed(aud="https://run.googleapis.com/")


def identity_by_key(subject):
    return exchange(subject.signed(aud=TOKEN_URI, target_audience=url()))["id_token"]


def access_by_impersonation(subject):
    return api("POST", f"{subject.target}:generateAccessToken", {"scope": [SCOPE]})["accessToken"]


def identity_by_impersonation(subject):
    return api("POST", f"{subject.target}:generateIdToken",
               {"audience": url(), "includeEmail": True})["token"]


def access_by_delegation(subject):
    """The owner by way of another account, which may itself do nothing else."""
    between = api("POST", project("/serviceAccounts"), {"accountId": f"between-{next(names)}"})
    creator = "roles/iam.serviceAccountTokenCreator"
    bind({"role": creator, "members": [f"serviceAccount:{between['email']}"]}, subject.account)
    return api("POST", f"{subject.target}:generateAccessToken", {
        "scope": [SCOPE], "lifetime": "600s",
        "delegates": [f"projects/-/serviceAccounts/{between['email']}"]})["accessToken"]


def access_by_signed_jwt(subject):
    now = int(time.time())
    payload = {"iss": subject.email, "sub": subject.email, "aud": TOKEN_URI, "scope": SCOPE,
               "iat": now, "exp": now + 3600}
    signed = api("POST", f"{subject.target}:signJwt", {"payload": json.dumps(payload)})
    return exchange(signed["signedJwt"])["access_token"]


def identity_by_signed_blob(subject):
    """A JWT put together by the caller, signed bytes for bytes."""
    kid = api("POST", f"{subject.target}:signBlob", {"payload": b64(b"a") + "=="})["keyId"]
    now = int(time.time())
    text = f"{b64({'alg': 'RS256', 'typ': 'JWT', 'kid': kid})}." + b64(
        {"iss": subject.email, "sub": subject.email, "aud": TOKEN_URI, "iat": now,
         "exp": now + 3600, "target_audience": url()})
    blob = api("POST", f"{subject.target}:signBlob",
               {"payload": base64.b64encode(text.encode()).decode()})["signedBlob"]
    return exchange(f"{text}.{b64(base64.b64decode(blob))}")["id_token"]


def access_by_owner(subject):
    return api("POST", "/homerun/v1/tokens", {"kind": "access", "member": subject.member})["token"]


def identity_by_owner(subject):
    return api("POST", "/homerun/v1/tokens", {"kind": "identity", "member": subject.member,
                                              "audience": url()})["token"]


def metadata(rest):
    base = "/computeMetadata/v1/instance/service-accounts/default/"
    got = stand.get(stand.ready["metadata"] + base + rest, headers={"Metadata-Flavor": "Google"})
    assert got.status == OK, got
    return got


def access_by_metadata(_):
    return metadata("token").json["access_token"]


def identity_by_metadata(_):
    return metadata("identity?format=full&audience=" + urllib.parse.quote(url(), "")).text


KEY, SELF, OWN = "a key", "a key, at each request", "a key that never leaves Homerun"
NONE, METADATA = "no key", "the metadata server"
CREDENTIALS = [
    ("access token by a key's JWT", "api", KEY, access_by_key),
    ("access token by a key file", "api", KEY, access_by_google_key_file),
    ("ID token by a key's JWT", "gate", KEY, identity_by_key),
    ("self-signed JWT with scope", "api", SELF, self_signed_scope),
    ("self-signed JWT with audience", "api", SELF, self_signed_audience),
    ("access token by impersonation", "api", NONE, access_by_impersonation),
    ("access token by delegation", "api", NONE, access_by_delegation),
    ("ID token by impersonation", "gate", NONE, identity_by_impersonation),
    ("access token by signJwt", "api", OWN, access_by_signed_jwt),
    ("ID token by signBlob", "gate", OWN, identity_by_signed_blob),
    ("access token by the owner", "api", NONE, access_by_owner),
    ("ID token by the owner", "gate", NONE, identity_by_owner),
    ("access token by metadata", "api", METADATA, access_by_metadata),
    ("ID token by metadata", "gate", METADATA, identity_by_metadata),
]


# ---- revocations: (name, what credentials, deed, undoing or None, the answer in between) ----

def call(verb, target, body=None):
    return lambda s: api(verb, target.format(s=s), body)


ROLE = "/v1/{s.role}"
DELETION = call("DELETE", "{s.account}")
EVERYBODY = (KEY, SELF, OWN, NONE, METADATA)
REVOCATIONS = [
    ("the key is disabled", (KEY, SELF), call("POST", "/v1/{s.key}:disable", {}),
     call("POST", "/v1/{s.key}:enable", {}), WHO),
    ("the key is deleted", (KEY, SELF), call("DELETE", "/v1/{s.key}"), None, WHO),
    ("the account is disabled", EVERYBODY, call("POST", "{s.account}:disable", {}),
     call("POST", "{s.account}:enable", {}), WHO),
    ("the account is deleted", EVERYBODY, DELETION,
     call("POST", "/v1/projects/-/serviceAccounts/{s.unique}:undelete", {}),
     WHO),
    ("the binding is removed", EVERYBODY, lambda s: unbind(s.role, s.member),
     lambda s: bind({"role": s.role, "members": [s.member]}), NO),
    ("the role loses its permissions", EVERYBODY,
     call("PATCH", ROLE + "?updateMask=includedPermissions",
          {"includedPermissions": ["run.locations.list"]}),
     call("PATCH", ROLE + "?updateMask=includedPermissions", {"includedPermissions": PERMISSIONS}),
     NO),
    ("the role is disabled", EVERYBODY,
     call("PATCH", ROLE + "?updateMask=stage", {"stage": "DISABLED"}),
     call("PATCH", ROLE + "?updateMask=stage", {"stage": "GA"}), NO),
    ("the role is deleted", EVERYBODY, call("DELETE", ROLE),
     call("POST", ROLE + ":undelete", {}), NO),
]


def expect(subject, where, token, wanted, when):
    for _ in range(PROBES):
        if where == "gate":
            got = stand.get(url(), token=token)
        else:
            got = stand.api("GET", service(), token=token)
        assert got.status == wanted, f"{subject.email}, {when}: {got.status}, not {wanted}"
        if where == "api" and wanted == WHO:
            told = stand.api("GET", "/oauth2/v3/userinfo", token=token)
            assert told.status == WHO, f"{when}: userinfo still answers {told}"


def metadata_subject():
    """The account that the metadata server speaks for, less all that it had."""
    email = f"{stand.ready['projectNumber']}-compute@developer.gserviceaccount.com"
    for role in {one["role"] for one in api("POST", project(":getIamPolicy"), {})["bindings"]}:
        unbind(role, f"serviceAccount:{email}")
    return Subject(email)


def try_one(credential, revocation):
    name, where, hangs_on, mint = credential
    what, _, deed, undo, between = revocation
    homerun()
    subject = metadata_subject() if hangs_on == METADATA else Subject()
    if hangs_on in (KEY, SELF):
        subject.with_key()
    token = mint(subject)
    expect(subject, where, token, OK, f"{name}, before {what}")
    deed(subject)
    expect(subject, where, token, between, f"{name}, after {what}")
    if undo is not None:
        undo(subject)
        ended = deed is DELETION and hangs_on in (KEY, SELF, OWN)  # keys end with their account
        expect(subject, where, token, WHO if ended else OK, f"{name}, after the undoing: {what}")
        if ended:
            subject.with_key()
            expect(subject, where, mint(subject), OK, f"{name}, with a new key")
    elif hangs_on in (KEY, SELF):
        subject.with_key()  # the same key again is another key
        expect(subject, where, token, between, f"{name}, with the key uploaded again")


def test_of(revocation):
    def one():
        for credential in CREDENTIALS:
            if credential[2] in revocation[1]:
                try_one(credential, revocation)
    one.__name__ = "when_" + revocation[0].replace(" ", "_") + "_no_credential_is_good_any_more"
    return one


for row in REVOCATIONS:
    test(test_of(row))


# ---- what ends the making of tokens, and not the tokens ----

CREATIONS = [
    ("generateAccessToken", lambda: {"scope": [SCOPE]}),
    ("generateIdToken", lambda: {"audience": url()}),
    ("signJwt", lambda: {"payload": json.dumps({"iss": "a"})}),
    ("signBlob", lambda: {"payload": "YQ=="}),
]


@test
def without_token_creator_there_are_no_new_tokens_and_the_old_ones_stay():
    homerun()
    subject, caller = Subject(), Subject()
    creator = "roles/iam.serviceAccountTokenCreator"
    mine = access_by_owner(caller)

    def make(verb, body):
        return stand.api("POST", f"{subject.target}:{verb}", body, token=mine)

    for verb, body in CREATIONS:
        assert make(verb, body()).status == NO, verb
    for _ in range(3):
        bind({"role": creator, "members": [caller.member]}, subject.account)
        for verb, body in CREATIONS:
            assert make(verb, body()).status == OK, verb
        access = make("generateAccessToken", {"scope": [SCOPE]}).json["accessToken"]
        identity = make("generateIdToken", {"audience": url(), "includeEmail": True}).json["token"]
        unbind(creator, caller.member, subject.account)
        for verb, body in CREATIONS:
            assert make(verb, body()).status == NO, verb
        expect(subject, "api", access, OK, "an old access token")
        expect(subject, "gate", identity, OK, "an old ID token")


@test
def each_link_of_a_chain_of_delegates_counts_at_that_moment():
    homerun()
    subject, between, caller = Subject(), Subject(), Subject()
    creator = "roles/iam.serviceAccountTokenCreator"
    mine = access_by_owner(caller)
    links = [(between.account, caller.member), (subject.account, between.member)]

    def make():
        return stand.api("POST", f"{subject.target}:generateAccessToken", {
            "scope": [SCOPE], "delegates": [between.target.removeprefix("/v1/")]},
            token=mine).status

    assert make() == NO
    for account, member in links:
        bind({"role": creator, "members": [member]}, account)
    assert make() == OK
    for account, member in links:
        unbind(creator, member, account)
        assert make() == NO
        bind({"role": creator, "members": [member]}, account)
        assert make() == OK
    api("POST", f"{between.account}:disable", {})
    assert make() in (400, NO)
    api("POST", f"{between.account}:enable", {})
    assert make() == OK


# ---- acting as another account ----

@test
def without_act_as_nobody_changes_what_runs_as_the_account():
    homerun()
    runtime = Subject()
    for kind in (access_by_key, self_signed_scope, access_by_impersonation):
        caller = Subject().with_key()
        token = kind(caller)
        body = {"template": {"serviceAccount": runtime.email, "containers": [{"image": IMAGE}]}}

        def deploy():
            return stand.api("PATCH", service() + "?validateOnly=true", body, token=token)

        got = deploy()
        assert got.status == NO and "iam.serviceaccounts.actAs" in got.text, got
        user = "roles/iam.serviceAccountUser"
        for _ in range(2):
            bind({"role": user, "members": [caller.member]}, runtime.account)
            assert deploy().status == OK
            unbind(user, caller.member, runtime.account)
            assert deploy().status == NO


@test
def who_leaves_a_group_has_its_rights_no_longer():
    homerun()
    for name, where, hangs_on, mint in CREDENTIALS:
        if hangs_on == METADATA:
            continue
        subject = Subject()
        if hangs_on in (KEY, SELF):
            subject.with_key()
        group = f"g{next(names)}@example.com"
        api("POST", "/homerun/v1/groups", {"email": group, "members": [subject.member]})
        unbind(subject.role, subject.member)
        bind({"role": subject.role, "members": [f"group:{group}"]})
        token = mint(subject)
        expect(subject, where, token, OK, f"{name}, in the group")
        api("PUT", f"/homerun/v1/groups/{group}", {"members": []})
        expect(subject, where, token, NO, f"{name}, out of the group")
        api("PUT", f"/homerun/v1/groups/{group}", {"members": [subject.member]})
        expect(subject, where, token, OK, f"{name}, in the group again")


if __name__ == "__main__":
    main()
