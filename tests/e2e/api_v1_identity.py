#!/usr/bin/env python3
"""Policies, accounts, keys and tokens on the wire: what is believed, for how long, and from whom."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
import urllib.parse

from gcloud_stand import account, deploy, grant, policy, stand, status_of
from homerun import GCLOUD_CLIENT_ID, main, need, test

PLACE = "/v1/projects/demo/locations/us-central1"
INVOKER = "roles/run.invoker"
OWNER = "serviceAccount:owner@demo.iam.gserviceaccount.com"
GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def api(*arguments, **more):
    return stand().api(*arguments, **more)


def fault(answer, status, name):
    assert answer.status == status, answer
    error = answer.json["error"]
    assert (error["code"], error["status"]) == (status, name), error
    return error


def token_of(member):
    return stand().token("access", member=member)


# ---- policies ----

def set_policy(name, bindings=None, mask=None, **fields):
    body = {"policy": {**fields, **({} if bindings is None else {"bindings": bindings})}}
    if mask is not None:
        body["updateMask"] = mask
    return api("POST", f"{PLACE}/services/{name}:setIamPolicy", body)


def bound(*members, role=INVOKER, condition=None):
    return {"role": role, "members": list(members),
            **({"condition": condition} if condition else {})}


@test
def a_policy_is_read_in_three_forms_and_always_has_an_etag():
    deploy("read")
    path = f"{PLACE}/services/read:getIamPolicy"
    first = api("GET", path).json
    assert first == {"version": 1, "etag": "ACAB"}, first
    assert api("GET", path + "?options.requestedPolicyVersion=3").json == first
    assert api("POST", path, {"options": {"requestedPolicyVersion": 3}}).json == first
    assert api("POST", path + "?options.requestedPolicyVersion=3").json == first
    fault(api("GET", path + "?options.requestedPolicyVersion=2"), 400, "INVALID_ARGUMENT")
    for path in ("/v1/projects/demo:getIamPolicy",
                 "/v1/projects/demo/serviceAccounts/owner@demo.iam.gserviceaccount.com"
                 ":getIamPolicy?options.requestedPolicyVersion=3"):
        assert base64.b64decode(api("POST", path).json["etag"], validate=True), path
    fault(api("GET", f"{PLACE}/services/none:getIamPolicy"), 404, "NOT_FOUND")


@test
def etags_are_compared_as_bytes_in_either_alphabet():
    deploy("bytes")
    seen = set()
    for number in range(70):
        old = api("GET", f"{PLACE}/services/bytes:getIamPolicy").json["etag"]
        assert len(old) % 4 == 0 and base64.b64decode(old, validate=True), old
        assert old not in seen
        seen.add(old)
        web = old.replace("+", "-").replace("/", "_")
        answer = set_policy("bytes", [bound(f"user:n{number}@example.com")], etag=web)
        assert answer.status == 200, (old, answer)
        fault(set_policy("bytes", [], etag=old), 412, "ABORTED")
    stale = {"policy": {"bindings": [], "etag": old}}
    fault(api("POST", "/v2/projects/demo/locations/us-central1/services/bytes:setIamPolicy", stale),
          409, "ABORTED")
    for bad in ("abc", "AAAA", "!!!!", "BwYAAAAAAAA=" * 40):
        answer = set_policy("bytes", [], etag=bad)
        assert answer.status in (400, 412), (bad, answer)
    assert policy("bytes") == {INVOKER: ["user:n69@example.com"]}


@test
def a_mask_says_what_of_the_policy_is_meant():
    deploy("mask")
    condition = {"expression": 'request.path.startsWith("/a")', "title": "a"}
    assert set_policy("mask", [bound("allUsers", condition=condition)], version=3).status == 200
    assert status_of("mask", path="/a") == 200 and status_of("mask") == 403
    before = policy("mask")
    assert set_policy("mask", mask="etag").status == 200
    assert policy("mask") == before, "bindings were not in the mask"
    answer = set_policy("mask", [bound("allUsers")], mask="bindings", etag="AAAA")
    assert answer.status == 200, "the etag was not in the mask"
    assert status_of("mask") == 200
    fault(set_policy("mask", [], mask="bindings,etag", etag="AAAA"), 412, "ABORTED")
    answer = set_policy("mask", None)
    assert answer.status == 200 and "bindings" not in answer.json, "no bindings key: none"
    assert status_of("mask") == 403


@test
def members_and_roles_are_checked_and_merged():
    deploy("merge")
    answer = set_policy("merge", [bound("user:Ann@Example.com", "user:ann@example.com"),
                                  bound("user:bob@example.com")])
    assert [sorted(b["members"]) for b in answer.json["bindings"]] == \
        [["user:ann@example.com", "user:bob@example.com"]], answer
    assert status_of("merge", member="user:ann@example.com") == 200
    before = policy("merge")
    for wrong in (bound("ann@example.com"), bound("user:"), bound("everyone"),
                  bound("user:a@example.com", role=""), bound("user:a@example.com", role="invoker"),
                  bound("user:a@example.com", role="roles/run.none"), bound("allusers"),
                  bound("user:a@example.com", condition={"title": "x", "expression": "1 +"}),
                  {"role": INVOKER, "members": "allUsers"}, {"role": INVOKER, "members": [1]}):
        fault(set_policy("merge", [wrong], version=3), 400, "INVALID_ARGUMENT")
    condition = {"expression": "true", "title": "always"}
    fault(set_policy("merge", [bound("allUsers", condition=condition)], version=1), 400,
          "INVALID_ARGUMENT")
    fault(set_policy("merge", [], version=2), 400, "INVALID_ARGUMENT")
    fault(api("POST", f"{PLACE}/services/merge:setIamPolicy", {}), 400, "INVALID_ARGUMENT")
    assert policy("merge") == before
    fault(set_policy("none", []), 404, "NOT_FOUND")
    body = {"policy": {"bindings": [bound("allAuthenticatedUsers")]}}
    fault(api("POST", "/v1/projects/demo:setIamPolicy", body), 400, "INVALID_ARGUMENT")


@test
def the_etag_of_a_project_guards_it_too():
    read = api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    grant("user:between@example.com", "roles/browser")
    read["bindings"].append(bound("user:late@example.com", role="roles/viewer"))
    fault(api("POST", "/v1/projects/demo:setIamPolicy", {"policy": read}), 409, "ABORTED")
    now = api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    assert "late@" not in json.dumps(now) and "between@" in json.dumps(now)


# ---- roles ----

@test
def roles_come_in_pages():
    names, page = [], ""
    while True:
        got = api("GET", f"/v1/roles?pageSize=20&showDeleted=False{page}").json
        names += [role["name"] for role in got["roles"]]
        assert all(base64.b64decode(role["etag"], validate=True) is not None
                   for role in got["roles"])
        if "nextPageToken" not in got:
            break
        page = "&pageToken=" + urllib.parse.quote(got["nextPageToken"])
    assert len(names) == len(set(names)) > 50, len(names)
    assert "includedPermissions" in api("GET", f"/v1/{INVOKER}").json
    fault(api("GET", "/v1/roles/none"), 404, "NOT_FOUND")


# ---- accounts and keys ----

ACCOUNTS = "/v1/projects/demo/serviceAccounts"


def new_key(email):
    answer = api("POST", f"/v1/projects/-/serviceAccounts/{email}/keys",
                 {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
    assert answer.status == 200, answer
    assert answer.json["validBeforeTime"].startswith("9999")
    assert answer.json["keyAlgorithm"] == "KEY_ALG_RSA_2048"
    return json.loads(base64.b64decode(answer.json["privateKeyData"]))


@test
def an_account_is_made_changed_disabled_deleted_and_brought_back():
    deploy("life")
    answer = api("POST", ACCOUNTS, {"accountId": "life-cycle",
                                    "serviceAccount": {"displayName": "One"}})
    email = answer.json["email"]
    member = f"serviceAccount:{email}"
    assert answer.json["projectId"] == "demo" and answer.json["uniqueId"].isdigit()
    fault(api("POST", ACCOUNTS, {"accountId": "life-cycle"}), 409, "ALREADY_EXISTS")
    for bad in ("", "short", "Upper-Case", "x" * 31, "ends-with-", "0digits", "with.dots"):
        fault(api("POST", ACCOUNTS, {"accountId": bad}), 400, "INVALID_ARGUMENT")
    for path in (f"{ACCOUNTS}/{email}", f"/v1/projects/-/serviceAccounts/{email}",
                 f"/v1/projects/-/serviceAccounts/{answer.json['uniqueId']}"):
        assert api("GET", path).json["email"] == email, path
    got = api("PATCH", f"{ACCOUNTS}/{email}", {"serviceAccount": {"displayName": "Two"},
                                               "updateMask": "displayName"})
    assert got.status == 200 and got.json["displayName"] == "Two", got
    assert email in [a["email"] for a in api("GET", ACCOUNTS + "?pageSize=100").json["accounts"]]
    grant(member, INVOKER, "projects/demo/locations/us-central1/services/life")
    token = stand().token("identity", member=member, audience=stand().url("life"))
    assert status_of("life", token=token) == 200
    assert api("POST", f"{ACCOUNTS}/{email}:disable", {}).status == 200
    assert status_of("life", token=token) == 401
    assert api("POST", f"{ACCOUNTS}/{email}:enable", {}).status == 200
    assert status_of("life", token=token) == 200
    assert api("DELETE", f"{ACCOUNTS}/{email}").status == 200
    assert status_of("life", token=token) == 401
    fault(api("GET", f"{ACCOUNTS}/{email}"), 404, "NOT_FOUND")
    back = api("POST", f"{ACCOUNTS}/{answer.json['uniqueId']}:undelete", {})
    assert back.status == 200, back
    assert status_of("life", token=token) == 200, "the same account again"


@test
def keys_are_listed_without_their_secret():
    email = account("has-keys")
    key = new_key(email)
    path = f"{ACCOUNTS}/{email}/keys"
    rows = [row for row in api("GET", path).json["keys"] if key["private_key_id"] in row["name"]]
    assert len(rows) == 1 and "privateKeyData" not in rows[0]
    assert rows[0]["keyType"] == "USER_MANAGED"
    assert api("GET", f"{path}/{key['private_key_id']}").json["name"] == rows[0]["name"]
    assert api("DELETE", f"{path}/{key['private_key_id']}").json == {}
    fault(api("GET", f"{path}/{key['private_key_id']}"), 404, "NOT_FOUND")
    grant("user:key-admin@example.com", "roles/iam.serviceAccountAdmin")
    fault(api("POST", path, {}, token=token_of("user:key-admin@example.com")), 403,
          "PERMISSION_DENIED")


# ---- the token endpoint ----

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(key, claims, header=None, secret=None):
    """A JWT by the key of a key file; with SECRET by HMAC; "" for no signature."""
    head = {"typ": "JWT", "alg": "RS256", "kid": key["private_key_id"], **(header or {})}
    text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
    if secret is not None:
        mac = hmac.new(secret, text.encode(), hashlib.sha256).digest() if secret else b""
        return f"{text}.{b64(mac)}"
    path = os.path.join(stand().folder, "signing.pem")
    with open(path, "w", encoding="utf-8") as file:
        file.write(key["private_key"])
    made = subprocess.run([need("openssl"), "dgst", "-sha256", "-sign", path], check=True,
                          input=text.encode(), capture_output=True)
    return f"{text}.{b64(made.stdout)}"


def public_pem(key):
    path = os.path.join(stand().folder, "public.pem")
    with open(path, "w", encoding="utf-8") as file:
        file.write(key["private_key"])
    return subprocess.run([need("openssl"), "pkey", "-in", path, "-pubout"], check=True,
                          capture_output=True).stdout


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def bearer(email, **changes):
    now = int(time.time())
    claims = {"iss": email, "iat": now, "exp": now + 3600, "aud": GOOGLE_TOKEN_URL, "scope": SCOPE}
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


def ask_token(**form):
    return api("POST", "/token", urllib.parse.urlencode(form).encode(), token="",
               headers={"Content-Type": "application/x-www-form-urlencoded"})


def exchange(assertion):
    return ask_token(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=assertion)


def refused(answer, code="invalid_grant"):
    assert answer.status == 400 and answer.json["error"] == code, answer
    assert answer.json["error_description"]


@test
def a_signed_assertion_buys_the_kind_of_token_that_it_asks_for():
    email = account("asserts")
    grant(f"serviceAccount:{email}", "roles/viewer")
    key = new_key(email)
    deploy("bought")
    answer = exchange(sign(key, bearer(email)))
    assert answer.status == 200 and set(answer.json) == {"access_token", "expires_in",
                                                         "token_type"}, answer
    assert answer.json["expires_in"] == 3599 and answer.json["token_type"] == "Bearer"
    assert api("GET", "/v1/projects/demo", token=answer.json["access_token"]).status == 200
    url = stand().url("bought")
    answer = exchange(sign(key, bearer(email, scope=None, target_audience=url)))
    assert set(answer.json) == {"id_token"}, answer
    claims = claims_of(answer.json["id_token"])
    assert claims["aud"] == url and claims["email"] == email and claims["email_verified"] is True
    assert claims["sub"].isdigit() and claims["exp"] - claims["iat"] == 3600
    assert status_of("bought", token=answer.json["id_token"]) == 403
    grant(f"serviceAccount:{email}", INVOKER)
    assert status_of("bought", token=answer.json["id_token"]) == 200
    assert exchange(sign(key, bearer(email, aud=stand().api_url + "/token"))).status == 200


@test
def an_assertion_that_is_not_right_in_every_part_buys_nothing():
    email, other = account("careful"), account("another")
    key, foreign = new_key(email), new_key(other)
    now = int(time.time())
    refused(exchange("rubbish"))
    refused(exchange("a.b.c"))
    refused(exchange(sign(key, bearer("nobody@demo.iam.gserviceaccount.com"))))
    refused(exchange(sign({**key, "private_key": foreign["private_key"]}, bearer(email))))
    refused(exchange(sign(foreign, bearer(email))))
    refused(exchange(sign(key, bearer(other))))
    refused(exchange(sign(key, bearer(email), {"alg": "none"}, secret=b"")))
    refused(exchange(sign(key, bearer(email), {"alg": "HS256"}, secret=public_pem(key))))
    refused(exchange(sign(key, bearer(email), {"alg": "RS512"})))
    refused(exchange(sign(key, bearer(email), {"kid": "0" * 40})))
    refused(exchange(sign(key, bearer(email, iat=now - 7200, exp=now - 3600))))
    refused(exchange(sign(key, bearer(email, exp=None))))
    refused(exchange(sign(key, bearer(email, exp="later"))))
    refused(exchange(sign(key, bearer(email, iat=now + 3600, exp=now + 7200))))
    refused(exchange(sign(key, bearer(email, exp=now + 48 * 3600))))
    refused(exchange(sign(key, bearer(email, aud="https://evil.example/token"))))
    refused(exchange(sign(key, bearer(email, aud=None))))
    good = sign(key, bearer(email))
    refused(exchange(good[:-8] + "AAAAAAAA"))
    refused(exchange(good + "."))
    assert exchange(good).status == 200
    assert api("POST", f"{ACCOUNTS}/{email}/keys/{key['private_key_id']}:disable", {}).status == 200
    refused(exchange(good))
    refused(ask_token(grant_type="password"), "unsupported_grant_type")
    refused(ask_token(assertion=good), "invalid_request")
    refused(ask_token(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer"), "invalid_request")
    assert api("GET", "/token", token="").status == 405


@test
def a_refresh_token_lives_as_long_as_its_account():
    email = account("renewed")
    made = api("POST", "/homerun/v1/tokens", {"kind": "refresh",
                                              "member": f"serviceAccount:{email}"}).json["token"]
    answer = ask_token(grant_type="refresh_token", refresh_token=made,
                       client_id=GCLOUD_CLIENT_ID, client_secret="any")
    assert answer.status == 200 and answer.json["expires_in"] == 3599, answer
    assert claims_of(answer.json["id_token"])["aud"] == GCLOUD_CLIENT_ID
    assert "scope" not in answer.json
    refused(ask_token(grant_type="refresh_token", refresh_token=answer.json["access_token"]))
    refused(ask_token(grant_type="refresh_token", refresh_token=answer.json["id_token"]))
    refused(ask_token(grant_type="refresh_token", refresh_token="rubbish"))
    refused(ask_token(grant_type="refresh_token"), "invalid_request")
    fault(api("GET", "/v1/projects/demo", token=made), 401, "UNAUTHENTICATED")
    assert api("POST", f"{ACCOUNTS}/{email}:disable", {}).status == 200
    refused(ask_token(grant_type="refresh_token", refresh_token=made))
    fault(api("GET", "/v1/projects/demo", token=answer.json["access_token"]), 401,
          "UNAUTHENTICATED")


@test
def a_self_signed_token_is_a_bearer_for_the_api_alone():
    email = account("by-itself")
    key = new_key(email)
    grant(f"serviceAccount:{email}", "roles/viewer")
    grant(f"serviceAccount:{email}", INVOKER)
    deploy("selfish")

    def status(**changes):
        claims = bearer(email, **{"sub": email, "aud": None, **changes})
        return api("GET", "/v1/projects/demo", token=sign(key, claims)).status

    now = int(time.time())
    assert status() == 200, "scope and no audience"
    assert status(scope=None, aud=stand().api_url + "/") == 200
    assert status(scope=None, aud="https://run.googleapis.com/") == 200
    port = urllib.parse.urlsplit(stand().api_url).port
    assert status(scope=None, aud=f"http://us-central1-run.localhost:{port}/") == 200
    for foreign in ("https://evil.example/", "https://evil-googleapis.com/", "googleapis.com",
                    f"http://localhost:{port + 1}/", "https://a.googleapis.com.evil.example/"):
        assert status(scope=None, aud=foreign) == 401, foreign
        assert status(aud=foreign) == 401, foreign
    assert status(scope=None) == 401, "neither scope nor audience"
    assert status(aud="") == 200, "Go's library says so beside a scope"
    assert status(aud="", scope=None) == 401, "an audience that names nobody, and no scope"
    assert status(aud=["", "https://evil.example/"]) == 401, "one that names somebody else"
    assert status(iat=now - 7200, exp=now - 3600) == 401
    assert status(exp=now + 48 * 3600) == 401
    assert status(sub="owner@demo.iam.gserviceaccount.com") == 401
    assert status(iss="owner@demo.iam.gserviceaccount.com") == 401
    claims = bearer(email, sub=email, aud=stand().url("selfish"), scope=None)
    assert status_of("selfish", token=sign(key, claims)) == 401, "no identity token"
    claims["aud"] = GCLOUD_CLIENT_ID
    assert status_of("selfish", token=sign(key, claims)) == 401


@test
def no_kind_of_token_passes_for_another():
    deploy("kinds")
    body = api("GET", f"{PLACE}/services/kinds").json
    body["metadata"]["annotations"]["run.googleapis.com/custom-audiences"] = \
        json.dumps([stand().api_url, "https://own.example"])
    assert api("PUT", f"{PLACE}/services/kinds", body).status == 200
    access = stand().token()
    assert claims_of(access)["aud"] == stand().api_url
    assert status_of("kinds", token=access) == 401, "whatever its audience, it is for the API"
    identity = stand().token("identity", member=OWNER, audience=stand().api_url)
    assert status_of("kinds", token=identity) == 200
    fault(api("GET", "/v1/projects/demo", token=identity), 401, "UNAUTHENTICATED")


# ---- on behalf of accounts ----

@test
def tokens_on_behalf_of_an_account_need_the_right_to_make_them():
    email = account("on-behalf")
    deploy("behalf")
    url = stand().url("behalf")
    grant("user:owner2@example.com", "roles/owner")
    grant("user:openid@example.com", "roles/iam.serviceAccountOpenIdTokenCreator",
          f"projects/demo/serviceAccounts/{email}")
    base = f"/v1/projects/-/serviceAccounts/{email}"
    error = fault(api("POST", base + ":generateAccessToken", {"scope": [SCOPE]},
                      token=token_of("user:owner2@example.com")), 403, "PERMISSION_DENIED")
    assert "roles/iam.serviceAccountTokenCreator" in error["message"]
    openid = token_of("user:openid@example.com")
    fault(api("POST", base + ":generateAccessToken", {"scope": [SCOPE]}, token=openid), 403,
          "PERMISSION_DENIED")
    answer = api("POST", base + ":generateIdToken",
                 {"audience": url, "delegates": None, "includeEmail": True}, token=openid)
    assert claims_of(answer.json["token"])["email"] == email
    answer = api("POST", base + ":generateIdToken", {"audience": url}, token=openid)
    assert "email" not in claims_of(answer.json["token"])
    assert status_of("behalf", token=answer.json["token"]) == 403
    grant(f"serviceAccount:{email}", INVOKER)
    assert status_of("behalf", token=answer.json["token"]) == 200
    fault(api("POST", base + ":generateIdToken", {}), 400, "INVALID_ARGUMENT")


@test
def access_tokens_on_behalf_have_the_lifetime_asked_for_within_bounds():
    email = account("short-lived")
    grant(f"serviceAccount:{email}", "roles/viewer")
    path = f"/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
    answer = api("POST", path, {"scope": [SCOPE], "delegates": None, "lifetime": "300s"})
    claims = claims_of(answer.json["accessToken"])
    assert claims["exp"] - claims["iat"] == 300 and answer.json["expireTime"].endswith("Z")
    assert api("GET", "/v1/projects/demo", token=answer.json["accessToken"]).status == 200
    for bad in ("0s", "-1s", "3601s", "x", 5):
        fault(api("POST", path, {"scope": [SCOPE], "lifetime": bad}), 400, "INVALID_ARGUMENT")
    fault(api("POST", path, {"lifetime": "300s"}), 400, "INVALID_ARGUMENT")
    fault(api("POST", path.replace(email, "none@demo.iam.gserviceaccount.com"),
              {"scope": [SCOPE]}), 403, "PERMISSION_DENIED")
    assert api("POST", f"{ACCOUNTS}/{email}:disable", {}).status == 200
    fault(api("GET", "/v1/projects/demo", token=answer.json["accessToken"]), 401,
          "UNAUTHENTICATED")


@test
def delegates_are_a_chain_and_each_link_must_hold():
    first, second, last = (account(f"link-{n}") for n in ("one", "two", "end"))
    creator = "roles/iam.serviceAccountTokenCreator"
    grant("user:starts@example.com", creator, f"projects/demo/serviceAccounts/{first}")
    grant(f"serviceAccount:{first}", creator, f"projects/demo/serviceAccounts/{second}")
    grant(f"serviceAccount:{second}", creator, f"projects/demo/serviceAccounts/{last}")
    path = f"/v1/projects/-/serviceAccounts/{last}:generateIdToken"
    names = [f"projects/-/serviceAccounts/{e}" for e in (first, second)]
    token = token_of("user:starts@example.com")
    ask = {"audience": "https://a.example"}
    assert api("POST", path, {**ask, "delegates": names}, token=token).status == 200
    for broken in ([], names[:1], names[1:], names[::-1]):
        fault(api("POST", path, {**ask, "delegates": broken}, token=token), 403,
              "PERMISSION_DENIED")
    fault(api("POST", path, {**ask, "delegates": names * 9}, token=token), 400, "INVALID_ARGUMENT")


# ---- what verifiers read ----

@test
def discovery_leads_to_keys_that_verify():
    found = api("GET", "/.well-known/openid-configuration", token="").json
    assert found["issuer"] == stand().api_url
    assert claims_of(stand().token("identity"))["iss"] == found["issuer"]
    keys = api("GET", urllib.parse.urlsplit(found["jwks_uri"]).path, token="").json["keys"]
    head = stand().token("identity").split(".")[0]
    head = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    assert head["kid"] in [key["kid"] for key in keys]
    assert all("d" not in key for key in keys)


if __name__ == "__main__":
    main()
