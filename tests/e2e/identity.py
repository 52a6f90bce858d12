#!/usr/bin/env python3
"""Who is who, and for how long: uploaded keys, accounts that end and come again, actAs.

Each revocation is followed by the very next request.
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
stand = Homerun()
finally_do(stand.close)
folder = tempfile.TemporaryDirectory(prefix="homerun-identity-")
finally_do(folder.cleanup)


def homerun():
    if stand.process is None:
        stand.start()
        stand.cli("deploy", "hello", f"--image={IMAGE}", "--no-allow-unauthenticated")
    return stand


def api(*arguments, **more):
    return homerun().api(*arguments, **more)


def good(answer):
    assert answer.status == 200, answer
    return answer.json


def url():
    return homerun().url("hello")


def service(verb=""):
    ready = homerun().ready
    return f"/v2/projects/{ready['project']}/locations/{ready['region']}/services/hello{verb}"


def accounts(rest=""):
    return f"/v1/projects/{homerun().ready['project']}/serviceAccounts{rest}"


def new_account(name):
    return good(api("POST", accounts(), {"accountId": name}))


def set_policy(path, bindings):
    good(api("POST", f"{path}:setIamPolicy", {"policy": {"bindings": bindings}}))


def may_invoke(*members):
    set_policy(service(), [{"role": "roles/run.invoker", "members": list(members)}])


def identity_of(email):
    """By impersonation, as the owner; the account's state is asked for at that moment."""
    return good(api("POST", accounts(f"/{email}:generateIdToken").replace("projects/demo",
                                                                          "projects/-"),
                    {"audience": url(), "includeEmail": True}))["token"]


# ---- keys made elsewhere ----

def openssl(*arguments):
    done = subprocess.run([need("openssl"), *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def path(name):
    return os.path.join(folder.name, name)


def read(name):
    with open(path(name), "rb") as file:
        return file.read()


def make_key(name, *kind):
    openssl("genpkey", *(kind or ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")),
            "-out", path(name))
    openssl("pkey", "-in", path(name), "-pubout", "-out", path(name + ".pub"))
    return path(name)


def make_certificate(name, days):
    openssl("req", "-x509", "-new", "-key", path(name), "-subj", "/CN=test", "-days", str(days),
            "-out", path(name + ".crt"))
    return read(name + ".crt")


def upload(email, pem):
    return api("POST", accounts(f"/{email}/keys:upload"),
               {"publicKeyData": base64.b64encode(pem).decode()})


def b64(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assertion(name, kid, email, **more):
    now = int(time.time())
    claims = {"iss": email, "sub": email, "aud": "https://oauth2.googleapis.com/token",
              "iat": now, "exp": now + 3600, **more}
    head = {"alg": "RS256", "typ": "JWT", **({} if kid is None else {"kid": kid})}
    text = f"{b64(head)}.{b64(claims)}"
    with open(path("text"), "w", encoding="ascii") as file:
        file.write(text)
    return f"{text}.{b64(openssl('dgst', '-sha256', '-sign', path(name), path('text')))}"


def exchange(text):
    form = urllib.parse.urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                   "assertion": text}).encode()
    return api("POST", "/token", form, token="",
               headers={"Content-Type": "application/x-www-form-urlencoded"})


@test
def a_key_made_elsewhere_works_as_one_made_here_until_it_is_disabled_or_deleted():
    email = new_account("brings-a-key")["email"]
    may_invoke(f"serviceAccount:{email}")
    make_key("own")
    for pem in (make_certificate("own", 10), read("own.pub")):
        key = good(upload(email, pem))
        assert key["keyOrigin"] == "USER_PROVIDED" and "privateKeyData" not in key, key
        kid = key["name"].split("/")[-1]
        token = good(exchange(assertion("own", kid, email, target_audience=url())))["id_token"]
        access = good(exchange(assertion("own", kid, email, scope=SCOPE)))["access_token"]
        assert homerun().get(url(), token=token).status == 200
        assert api("GET", "/oauth2/v3/userinfo", token=access).json["email"] == email
        for deed, status in ((":disable", 401), (":enable", 200)):
            good(api("POST", "/v1/" + key["name"] + deed, {}))
            assert homerun().get(url(), token=token).status == status
            assert api("GET", "/oauth2/v3/userinfo", token=access).status == status
        good(api("DELETE", "/v1/" + key["name"]))
        assert homerun().get(url(), token=token).status == 401
        assert api("GET", "/oauth2/v3/userinfo", token=access).status == 401
        assert exchange(assertion("own", kid, email, scope=SCOPE)).status == 400
        # The same key again is another key: what was revoked stays so.
        again = good(upload(email, pem))
        assert again["name"] != key["name"]
        assert homerun().get(url(), token=token).status == 401
        good(api("DELETE", "/v1/" + again["name"]))


@test
def an_assertion_that_names_no_key_is_tried_with_each_enabled_one():
    # docs/access.md: C11
    email = new_account("names-no-key")["email"]
    may_invoke(f"serviceAccount:{email}")
    kids = {}
    for name in ("first", "second", "third"):
        make_key(name)
        kids[name] = good(upload(email, read(name + ".pub")))["name"].split("/")[-1]
    make_key("nobodys")
    for kid in (None, ""):
        for name in kids:
            got = good(exchange(assertion(name, kid, email, target_audience=url())))["id_token"]
            assert homerun().get(url(), token=got).status == 200, name
            bearer = assertion(name, kid, email, scope=SCOPE, aud="https://run.googleapis.com/")
            assert api("GET", "/oauth2/v3/userinfo", token=bearer).json["email"] == email
        for text in (assertion("nobodys", kid, email, scope=SCOPE),
                     assertion("first", kid, stand.ready["owner"]["email"], scope=SCOPE)):
            assert exchange(text).status == 400
            assert api("GET", "/oauth2/v3/userinfo", token=text).status == 401
    # What came through a key dies with that key, though none was named; the others live on.
    token = good(exchange(assertion("second", None, email, target_audience=url())))["id_token"]
    key = f"/v1{accounts(f'/{email}')[3:]}/keys/{kids['second']}"
    for deed, status in ((":disable", 401), (":enable", 200)):
        good(api("POST", key + deed, {}))
        assert homerun().get(url(), token=token).status == status
        assert exchange(assertion("second", None, email)).status == (200 if status == 200 else 400)
        assert exchange(assertion("third", None, email)).status == 200
    good(api("DELETE", key))
    assert homerun().get(url(), token=token).status == 401
    assert exchange(assertion("second", None, email)).status == 400
    # A key that is named is the one that counts.
    assert exchange(assertion("first", kids["third"], email)).status == 400
    assert exchange(assertion("first", "x" * 40, email)).status == 400


@test
def the_public_half_is_given_back_as_it_came():
    email = new_account("shows-its-key")["email"]
    make_key("shown")
    certificate = make_certificate("shown", 10)
    name = good(upload(email, certificate))["name"]
    for kind, wanted in (("TYPE_X509_PEM_FILE", certificate),
                         ("TYPE_RAW_PUBLIC_KEY", read("shown.pub"))):
        got = good(api("GET", f"/v1/{name}?publicKeyType={kind}"))
        assert base64.b64decode(got["publicKeyData"]) == wanted, kind
    assert "publicKeyData" not in good(api("GET", f"/v1/{name}"))
    made = good(api("POST", accounts(f"/{email}/keys"), {}))["name"]
    pem = base64.b64decode(good(api("GET", f"/v1/{made}?publicKeyType=TYPE_X509_PEM_FILE"))
                           ["publicKeyData"])
    with open(path("made.crt"), "wb") as file:
        file.write(pem)
    assert b"BEGIN PUBLIC KEY" in openssl("x509", "-in", path("made.crt"), "-pubkey", "-noout")
    assert api("GET", f"/v1/{name}?publicKeyType=TYPE_OTHER").status == 400


@test
def what_an_account_signs_lasts_an_hour_at_most_and_speaks_for_itself_alone():
    email = new_account("signs-for-long")["email"]
    make_key("long")
    kid = good(upload(email, make_certificate("long", 10)))["name"].split("/")[-1]
    now = int(time.time())
    for exp, grant, bearer in ((now + 3600, 200, 200), (now + 3720, 400, 401),
                               (now + 20 * 3600, 400, 401)):
        text = assertion("long", kid, email, scope=SCOPE, exp=exp)
        assert exchange(text).status == grant, exp
        assert api("GET", "/oauth2/v3/userinfo", token=text).status == bearer, exp
    late = assertion("long", kid, email, scope=SCOPE, iat=now - 3000, exp=now + 3000)
    assert exchange(late).status == 400
    for sub, status in ((email, 200), ("", 200), ("user@example.com", 400),
                        (f"owner@{homerun().ready['project']}.iam.gserviceaccount.com", 400)):
        got = exchange(assertion("long", kid, email, scope=SCOPE, sub=sub))
        assert got.status == status, (sub, got)
        assert status == 200 or got.json["error"] == "unauthorized_client", got


@test
def keys_are_listed_by_who_looks_after_them():
    email = new_account("has-both-kinds")["email"]
    mine = good(api("POST", accounts(f"/{email}/keys"), {}))["name"]
    target = f"/v1/projects/-/serviceAccounts/{email}"
    own = good(api("POST", target + ":signBlob", {"payload": "YQ=="}))["keyId"]

    def listed(query):
        keys = good(api("GET", accounts(f"/{email}/keys{query}")))["keys"]
        return {key["name"].split("/")[-1] for key in keys}

    mine = mine.split("/")[-1]
    assert listed("") == listed("?keyTypes=USER_MANAGED&keyTypes=SYSTEM_MANAGED") == {mine, own}
    assert listed("?keyTypes=USER_MANAGED") == listed("?keyTypes=1") == {mine}
    assert listed("?keyTypes=SYSTEM_MANAGED") == {own}
    assert api("GET", accounts(f"/{email}/keys?keyTypes=ODD")).status == 400


@test
def a_certificate_that_has_ended_lets_nobody_in():
    email = new_account("has-an-end")["email"]
    make_key("ended")
    openssl("req", "-new", "-key", path("ended"), "-subj", "/CN=test", "-out", path("ended.csr"))
    openssl("x509", "-req", "-in", path("ended.csr"), "-signkey", path("ended"), "-days", "-1",
            "-out", path("ended.crt"))
    kid = good(upload(email, read("ended.crt")))["name"].split("/")[-1]
    assert exchange(assertion("ended", kid, email, scope=SCOPE)).status == 400


@test
def what_is_no_public_rsa_key_is_not_uploaded():
    email = new_account("takes-no-trash")["email"]
    make_key("curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    make_key("short", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    make_key("secret")
    certificate = make_certificate("secret", 1)
    for pem in (b"", b"trash", read("curve.pub"), read("short.pub"), read("secret"),
                certificate[:-60], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                read("secret.pub") + b"x" * 40000):
        got = upload(email, pem)
        assert got.status == 400 and "publicKeyData" in got.text, (pem[:40], got)
    body = {"publicKeyData": "***"}
    assert api("POST", accounts(f"/{email}/keys:upload"), body).status == 400
    assert good(api("GET", accounts(f"/{email}/keys")))["keys"] == []


# ---- signing on behalf ----

@test
def only_who_may_sign_for_an_account_signs_and_never_as_the_issuer():
    email = new_account("signs-things")["email"]
    stranger = new_account("may-not-sign")["email"]
    target = f"/v1/projects/-/serviceAccounts/{email}"
    signed = good(api("POST", target + ":signJwt", {"payload": json.dumps({"iss": email})}))
    head = json.loads(base64.urlsafe_b64decode(signed["signedJwt"].split(".")[0] + "=="))
    assert head == {"alg": "RS256", "kid": signed["keyId"], "typ": "JWT"}, head
    blob = base64.b64encode(b"some bytes").decode()
    both = [good(api("POST", target + ":signBlob", {"payload": blob})) for _ in range(2)]
    assert both[0] == both[1] and both[0]["keyId"] == signed["keyId"]
    # The account's own key is listed, given out in its public half, and cannot be taken away.
    key = f"{accounts(f'/{email}')}/keys/{signed['keyId']}"
    got = good(api("GET", key + "?publicKeyType=TYPE_RAW_PUBLIC_KEY"))
    assert got["keyType"] == "SYSTEM_MANAGED", got
    for name, data in (("own.pem", base64.b64decode(got["publicKeyData"])), ("bytes", b"some bytes"),
                       ("signature", base64.b64decode(both[0]["signedBlob"]))):
        with open(path(name), "wb") as file:
            file.write(data)
    openssl("dgst", "-sha256", "-verify", path("own.pem"), "-signature", path("signature"),
            path("bytes"))
    assert api("DELETE", key).status == 400 and api("POST", key + ":disable", {}).status == 400
    for verb, payload in ((":signJwt", json.dumps({"iss": email})), (":signBlob", blob)):
        token = homerun().token("access", member=f"serviceAccount:{stranger}")
        assert api("POST", target + verb, {"payload": payload}, token=token).status == 403
    issuer = good(api("GET", "/.well-known/openid-configuration", token=""))["issuer"]
    forged = {"iss": issuer, "sub": email, "aud": url(), "exp": int(time.time()) + 600}
    assert api("POST", target + ":signJwt", {"payload": json.dumps(forged)}).status == 400
    for payload in ("", "[]", "{", '{"iss":1,"iss":2}'):
        assert api("POST", target + ":signJwt", {"payload": payload}).status == 400, payload
    # What an account signs itself is no identity token, whatever its audience.
    own = good(api("POST", target + ":signJwt", {"payload": json.dumps(
        {"iss": email, "sub": email, "aud": url(), "exp": int(time.time()) + 600})}))["signedJwt"]
    assert homerun().get(url(), token=own).status == 401


@test
def what_an_account_signed_for_the_token_endpoint_is_believed_while_it_lives():
    email = new_account("signs-for-itself")["email"]
    may_invoke(f"serviceAccount:{email}")
    now = int(time.time())
    claims = {"iss": email, "sub": email, "aud": "https://oauth2.googleapis.com/token",
              "iat": now, "exp": now + 3600, "target_audience": url()}
    target = f"/v1/projects/-/serviceAccounts/{email}"
    signed = good(api("POST", target + ":signJwt", {"payload": json.dumps(claims)}))["signedJwt"]
    token = good(exchange(signed))["id_token"]
    assert homerun().get(url(), token=token).status == 200
    good(api("POST", accounts(f"/{email}:disable"), {}))
    assert homerun().get(url(), token=token).status == 401
    assert exchange(signed).status == 400
    good(api("POST", accounts(f"/{email}:enable"), {}))
    assert homerun().get(url(), token=token).status == 200
    good(api("DELETE", accounts(f"/{email}")))
    assert homerun().get(url(), token=token).status == 401
    assert exchange(signed).status == 400


@test
def the_paths_own_parameter_may_stand_in_the_body_too_as_go_sends_it():
    email = new_account("is-named-twice")["email"]
    name = f"projects/-/serviceAccounts/{email}"
    resource = service().removeprefix("/v2/")
    good(api("POST", service(":setIamPolicy"), {"resource": resource, "policy": {"bindings": []}}))
    good(api("POST", service(":testIamPermissions"), {"resource": resource, "permissions": []}))
    good(api("POST", f"/v1/{name}:generateIdToken", {"name": name, "audience": url()}))
    good(api("POST", f"/v1/{name}:disable", {"name": name}))
    key = good(api("POST", f"/v1/{name}/keys", {"name": name}))["name"]
    good(api("POST", f"/v1/{key}:disable", {"name": key}))


# ---- the life of an account ----

@test
def a_disabled_account_is_nobody_from_the_answer_on():
    email = new_account("comes-and-goes")["email"]
    member = f"serviceAccount:{email}"
    may_invoke(member)
    token = identity_of(email)
    access = homerun().token("access", member=member)
    for _ in range(10):
        assert homerun().get(url(), token=token).status == 200
        good(api("POST", accounts(f"/{email}:disable"), {}))
        assert homerun().get(url(), token=token).status == 401
        assert api("GET", "/oauth2/v3/userinfo", token=access).status == 401
        assert api("POST", f"/v1/projects/-/serviceAccounts/{email}:generateIdToken",
                   {"audience": url()}).status == 400
        good(api("POST", accounts(f"/{email}:enable"), {}))


@test
def an_account_made_again_under_the_same_name_inherits_nothing():
    first = new_account("same-name")
    email = first["email"]
    member = f"serviceAccount:{email}"
    may_invoke(member)
    old = identity_of(email)
    assert homerun().get(url(), token=old).status == 200
    good(api("DELETE", accounts(f"/{email}")))
    assert homerun().get(url(), token=old).status == 401
    bound = good(api("GET", service(":getIamPolicy")))["bindings"][0]["members"]
    assert bound == [f"deleted:{member}?uid={first['uniqueId']}"], bound
    second = new_account("same-name")
    assert second["uniqueId"] != first["uniqueId"]
    new = identity_of(email)
    assert homerun().get(url(), token=new).status == 403
    assert homerun().get(url(), token=old).status == 401
    # The first one's return is refused while the second has its name; then it brings its binding.
    undelete = accounts(f"/{first['uniqueId']}:undelete")
    assert api("POST", undelete, {}).status == 400
    good(api("DELETE", accounts(f"/{email}")))
    restored = good(api("POST", undelete, {}))["restoredAccount"]
    assert restored["uniqueId"] == first["uniqueId"]
    assert homerun().get(url(), token=old).status == 200
    assert homerun().get(url(), token=new).status == 401


# ---- questions about tokens ----

@test
def tokeninfo_and_userinfo_know_tokens_only_while_they_are_good():
    email = new_account("is-asked-about")["email"]
    access = homerun().token("access", member=f"serviceAccount:{email}")
    info = good(api("GET", f"/tokeninfo?access_token={access}", token=""))
    assert info["email"] == email and int(info["expires_in"]) > 3000, info
    for path in ("/oauth2/v3/userinfo", "/v1/userinfo"):
        for verb, body in (("GET", None), ("POST", b"")):
            assert api(verb, path, body, token=access).json["email"] == email, (verb, path)
    good(api("POST", accounts(f"/{email}:disable"), {}))
    assert api("GET", f"/tokeninfo?access_token={access}", token="").status == 400
    assert api("GET", "/oauth2/v3/userinfo", token=access).status == 401
    for trash in ("", "x", "a.b.c", homerun().token("identity", audience=url())):
        assert api("GET", f"/tokeninfo?access_token={trash}", token="").status == 400, trash


@test
def id_tokens_are_explained_too_and_leave_no_doubt_about_trash():
    token = homerun().token("identity", audience=url())
    info = good(api("GET", f"/tokeninfo?id_token={token}", token=""))
    assert info["aud"] == url() and info["email_verified"] == "true", info
    assert api("GET", f"/tokeninfo?id_token={token[:-8]}AAAAAAAA", token="").status == 400


# ---- the issuer's own keys ----

@test
def a_rotation_ends_no_token_and_a_forgotten_key_ends_all_of_its_own():
    def kid_of(token):
        return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]

    email = new_account("outlives-a-key")["email"]
    may_invoke(f"serviceAccount:{email}")
    old = identity_of(email)
    kids = [key["kid"] for key in good(api("POST", "/homerun/v1/keys:rotate", {}))["keys"]]
    new = identity_of(email)
    assert kid_of(old) in kids and kid_of(new) == kids[0] != kid_of(old)
    for token in (old, new):
        assert homerun().get(url(), token=token).status == 200
    # The owner's access token is of the old key too: one of the new key ends it.
    access = good(api("POST", "/homerun/v1/tokens", {
        "kind": "access", "member": f"serviceAccount:{homerun().ready['owner']['email']}"}))["token"]
    good(api("DELETE", f"/homerun/v1/keys/{kid_of(old)}", token=access))
    assert homerun().get(url(), token=old).status == 401
    assert homerun().get(url(), token=new).status == 200
    assert api("GET", "/oauth2/v3/userinfo").status == 401
    assert api("DELETE", f"/homerun/v1/keys/{kid_of(new)}", token=access).status == 400
    homerun()._tokens.clear()
    certs = good(api("GET", "/oauth2/v3/certs", token=""))["keys"]
    assert [key["kid"] for key in certs] == [kid_of(new)], certs


# ---- what a token is for ----

AUTH = "https://www.googleapis.com/auth/"


@test
def a_token_of_a_narrow_scope_does_no_more_than_that_whatever_its_account_may():
    email = new_account("has-many-rights")["email"]
    member = f"serviceAccount:{email}"
    project = f"/v1/projects/{homerun().ready['project']}"
    policy = good(api("POST", f"{project}:getIamPolicy", {}))
    policy["bindings"].append({"role": "roles/owner", "members": [member]})
    good(api("POST", f"{project}:setIamPolicy", {"policy": policy}))
    make_key("narrow")
    kid = good(upload(email, make_certificate("narrow", 10)))["name"].split("/")[-1]
    target = f"/v1/projects/-/serviceAccounts/{email}"

    def ways(scope):
        yield good(api("POST", target + ":generateAccessToken",
                       {"scope": scope.split(" ")}))["accessToken"]
        yield good(exchange(assertion("narrow", kid, email, scope=scope)))["access_token"]
        yield assertion("narrow", kid, email, scope=scope, aud="https://run.googleapis.com/")

    describe = {"description": "by a narrow token"}
    # scope → may it read a service, change one, read the project, make tokens
    table = {
        "cloud-platform": (200, 200, 200, 200), "run": (200, 200, 403, 403),
        "run.readonly": (200, 403, 403, 403), "cloud-platform.read-only": (403, 403, 200, 403),
        "userinfo.email": (403, 403, 403, 403), "devstorage.full_control": (403, 403, 403, 403),
        "userinfo.email run": (200, 200, 403, 403), "iam": (403, 403, 403, 200),
        "cloud-platformx": (403, 403, 403, 403)}
    good(api("POST", accounts(f"/{email}:setIamPolicy"), {"policy": {"bindings": [
        {"role": "roles/iam.serviceAccountTokenCreator", "members": [member]}]}}))
    for names, wanted in table.items():
        for token in ways(" ".join(AUTH + name for name in names.split(" "))):
            got = [api("GET", service(), token=token),
                   api("PATCH", service() + "?updateMask=description", describe, token=token),
                   api("GET", project, token=token),
                   api("POST", target + ":generateIdToken", {"audience": "a"}, token=token)]
            assert tuple(one.status for one in got) == wanted, (names, got)
            for one in got:
                if one.status == 403:
                    reasons = [part.get("reason") for part in one.json["error"]["details"]]
                    assert reasons == ["ACCESS_TOKEN_SCOPE_INSUFFICIENT"], one
            assert api("GET", "/oauth2/v3/userinfo", token=token).json["email"] == email


@test
def tokens_are_not_made_for_nothing_or_for_ever():
    email = new_account("is-asked-for-much")["email"]
    target = f"/v1/projects/-/serviceAccounts/{email}"
    for verb, body, field in (
            (":generateAccessToken", {"scope": []}, "scope"),
            (":generateAccessToken", {"scope": [""]}, "scope"),
            (":generateAccessToken", {"scope": [f"{AUTH}run {SCOPE}"]}, "scope"),
            (":generateIdToken", {"audience": ""}, "audience"),
            (":signJwt", {"payload": json.dumps({"exp": int(time.time()) + 13 * 3600})}, "payload"),
            (":signJwt", {"payload": json.dumps({"exp": int(time.time()) - 60})}, "payload"),
            (":signJwt", {"payload": json.dumps({"exp": "soon"})}, "payload")):
        got = api("POST", target + verb, body)
        assert got.status == 400 and field in got.text, (verb, body, got)


# ---- custom roles ----

@test
def a_deleted_role_is_changed_only_after_its_return_and_stages_have_googles_numbers():
    roles = f"/v1/projects/{homerun().ready['project']}/roles"
    good(api("POST", roles, {"roleId": "comes.back", "role": {"title": "a", "stage": 5}}))
    assert good(api("GET", f"{roles}/comes.back"))["stage"] == "DISABLED"
    for number, name in ((0, "ALPHA"), (2, "GA"), (4, "DEPRECATED"), (6, "EAP")):
        path = f"{roles}/comes.back?updateMask=stage"
        assert good(api("PATCH", path, {"stage": number}))["stage"] == name
    for stage in (3, "", 7):
        assert api("PATCH", f"{roles}/comes.back", {"stage": stage}).status == 400, stage
    good(api("DELETE", f"{roles}/comes.back"))
    got = api("PATCH", f"{roles}/comes.back?updateMask=title", {"title": "b"})
    assert got.status == 400 and "undelete" in got.text, got
    assert good(api("POST", f"{roles}/comes.back:undelete", {}))["title"] == "a"
    assert good(api("PATCH", f"{roles}/comes.back", {"title": "b"}))["title"] == "b"


# ---- acting as an account ----

@test
def deploying_as_an_account_needs_act_as_at_that_moment():
    runtime = new_account("runs-the-service")["email"]
    deployer = new_account("deploys-it")["email"]
    member = f"serviceAccount:{deployer}"
    project = homerun().ready["project"]
    policy = good(api("POST", f"/v1/projects/{project}:getIamPolicy", {}))
    policy["bindings"].append({"role": "roles/run.developer", "members": [member]})
    good(api("POST", f"/v1/projects/{project}:setIamPolicy", {"policy": policy}))
    token = homerun().token("access", member=member)
    body = {"template": {"serviceAccount": runtime, "containers": [{"image": IMAGE}]}}
    path = service().rsplit("/", 1)[0] + "?serviceId=acting"

    def deploy(status):
        got = api("POST", path + "&validateOnly=true", body, token=token)
        assert got.status == status, got
        return got

    assert "iam.serviceaccounts.actAs" in deploy(403).text
    user = [{"role": "roles/iam.serviceAccountUser", "members": [member]}]
    for _ in range(3):
        set_policy(accounts(f"/{runtime}"), user)
        deploy(200)
        set_policy(accounts(f"/{runtime}"), [])
        deploy(403)


if __name__ == "__main__":
    main()
