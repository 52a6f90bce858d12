#!/usr/bin/env python3
"""The door of a service, by rows of the truth table of identity-aware access: tokens, headers, cookies."""
import base64
import json
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

from door_stand import AGENT, NAVIGATION, SESSION, SSO, decode, door, host_of
from gate_stand import bearer, special, strip
from homerun import fetch, main, test, wait_until

EMPTY = "Invalid IAP credentials: empty token"
EVENT_STREAM = ("Accept", "text/event-stream")


def cors(site="same-site"):
    return (("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"), ("Accept", "*/*"))


# ---- without a door, and behind it ----

@test
def rows_1_to_3_without_a_door_nothing_is_different():
    s = door()
    cookie = s.by_cookie(s.invite("p"))
    for headers in (NAVIGATION, (*NAVIGATION, cookie)):
        answer = s.ask("plain", *headers)
        assert answer.status == 403 and "x-goog-iap-generated-response" not in answer.headers, answer
        assert "location" not in answer.headers and "set-cookie" not in answer.headers
    seen = s.passed("public", cookie, ("X-Goog-IAP-JWT-Assertion", "forged"), ("X-Goog-Anything", "kept"))
    assert seen["x-goog-iap-jwt-assertion"] is None and seen["cookie"] is None
    assert seen["x-goog-anything"] == "kept"
    s.passed("public", path="/_homerun/auth/x")
    s.passed("public", path="/?gcp-iap-mode=IDENTITY")
    # Self-signed JWTs open doors alone (docs/access.md, C3).
    assert s.ask("plain", bearer(s.self_signed("p", s.url("plain") + "/*"))).status == 401


@test
def rows_4_to_8_the_check_behind_the_door_judges_its_agent():
    s = door()
    answer = s.ask("shut", bearer(s.token("p", "shut")))
    assert answer.status == 403 and answer.headers["homerun-denial"].startswith("d-"), answer
    said = s.homerun.cli("access", "explain", answer.headers["homerun-denial"]).stdout
    assert "IAP service agent" in said and "run.invoker" in said, said
    for service in ("door", "open"):
        seen = s.passed(service, bearer(s.token("p", service)))
        head, claims = s.identity_of(seen)
        assert head["alg"] == "ES256" and head["typ"] == "JWT" and len(head["kid"]) == 6, head
        assert claims["iss"] == "https://cloud.google.com/iap", claims
        assert claims["aud"] == claims["azp"] == f"/projects/123456789012/locations/us-central1/services/{service}"
        assert claims["email"] == s.email("p") and claims["sub"] == "accounts.google.com:" + s.subs["p"], claims
        assert claims["exp"] == claims["iat"] + 600 and claims["identity_source"] == "GOOGLE", claims
        assert seen["x-goog-authenticated-user-email"] == "accounts.google.com:" + s.email("p")
        assert seen["x-goog-authenticated-user-id"] == claims["sub"]
    s.to_sign_in("open", *NAVIGATION)
    s.turned_away(401, "open", method="POST", text=EMPTY)
    s.allow("shut", ["allUsers"])
    assert s.ask("shut", *NAVIGATION).status == 302
    assert s.ask("shut", method="POST").status == 401
    s.allow("shut", [])


def unbound_agent_is_refused(s):
    """10: everybody may pass the door, its agent may not call: refused, explained, and the container is not reached."""
    said = []
    for headers in (NAVIGATION, (bearer(s.token("p", "shut")),), (EVENT_STREAM,), (("Sec-Fetch-Mode", "cors"),)):
        answer = s.ask("shut", *headers)
        assert answer.status == 403 and "location" not in answer.headers, answer
        assert "x-goog-iap-generated-response" not in answer.headers, "it is the check that refuses"
        said.append(answer.headers["homerun-denial"])
    for denial in said:
        text = s.homerun.cli("access", "explain", denial).stdout
        assert "IAP service agent" in text and "run.invoker" in text, text
    s.allow("shut", [AGENT])
    try:
        assert s.passed("shut", *NAVIGATION).document["hits"] == 1, "the container was reached"
    finally:
        s.allow("shut", [])


@test
def rows_9_to_12_everybody_may_pass_and_who_is_signed_in_is_named():
    s = door()
    person = s.invite("p")
    cookie = s.by_cookie(person, "other")
    s.let_in(["allUsers"], "other")
    s.let_in(["allUsers"], "shut")
    try:
        seen = s.passed("other", *NAVIGATION)
        for name in ("x-goog-iap-jwt-assertion", "x-goog-authenticated-user-email", "x-goog-authenticated-user-id"):
            assert seen[name] is None, name
        unbound_agent_is_refused(s)
        forced = s.to_sign_in("other", *NAVIGATION, path="/a?x=y&gcp-iap-mode=FORCE_LOGIN&z=1")
        assert "a?x" not in forced
        back = s.ask("other", *NAVIGATION, cookie, path="/a?x=y&gcp-iap-mode=FORCE_LOGIN&z=1")
        assert back.status == 302 and back.headers["location"] == s.url("other") + "/a?x=y&z=1", back.headers
        for path, clean in (("/?gcp-iap-mode=FORCE_LOGIN", "/"), ("/gcp-iap-mode=FORCE_LOGIN?gcp-iap-mode=FORCE_LOGIN",
                             "/gcp-iap-mode=FORCE_LOGIN"), ("/?xgcp-iap-mode=FORCE_LOGIN&gcp-iap-mode=FORCE_LOGIN", "/?xgcp-iap-mode=FORCE_LOGIN"),
                            ("//evil.example/?gcp-iap-mode=FORCE_LOGIN", "//evil.example/")):
            back = s.ask("other", *NAVIGATION, cookie, path=path)
            assert back.status == 302 and back.headers["location"] == s.url("other") + clean, (path, back.headers)
        assert s.passed("other", *NAVIGATION, cookie)["x-goog-authenticated-user-email"] == "accounts.google.com:p@example.com"
        for bad in (f"{SESSION}=forged", f"{cookie[1]}; {SESSION}=x", f"{SESSION}={'A' * 43}"):
            assert s.passed("other", *NAVIGATION, ("Cookie", bad))["x-goog-iap-jwt-assertion"] is None, bad
        # Another site makes the browser send it: the container is not told who that is.
        seen = s.passed("other", cookie, *cors(), method="POST", body=b"")
        assert seen["x-goog-iap-jwt-assertion"] is None
        assert s.passed("other", ("Authorization", "Basic YTpi"))["authorization"] == "Basic YTpi"
    finally:
        s.let_in([s.member("p"), s.people["p"]], "other")
        s.let_in([s.member("p"), s.people["p"]], "shut")


# ---- nobody is known ----

@test
def rows_15_to_23_a_page_for_people_and_words_for_programs():
    s = door()
    s.to_sign_in("door", *NAVIGATION, path="/deep?x=1")
    s.to_sign_in("door")
    s.to_sign_in("door", ("Accept", "*/*"), ("User-Agent", "GoogleHC/1.0"), ("X-Forwarded-Uri", "/public"))
    s.to_sign_in("door", method="HEAD")
    for headers in ((("X-Requested-With", "XMLHttpRequest"),), (("Sec-Fetch-Mode", "cors"),), (EVENT_STREAM,),
                    (("Accept", "application/json"),), (("Upgrade", "websocket"), ("Connection", "upgrade"))):
        s.turned_away(401, "door", *headers, text=EMPTY)
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = s.turned_away(401, "door", method=method, text=EMPTY)
        assert answer.headers["content-type"].startswith("text/html"), answer.headers
        assert "error=" not in answer.headers["www-authenticate"]
    s.turned_away(401, "door", ("Content-Type", "application/grpc"), ("Te", "trailers"), method="POST", body=b"\0" * 5)
    answer = s.turned_away(401, "door", method="POST", path="/mcp")
    assert f'resource_metadata="{s.url("door")}/.well-known/oauth-protected-resource/mcp"' in answer.headers["www-authenticate"]


@test
def row_20_a_large_body_is_refused_unread():
    s = door()
    url = urllib.parse.urlsplit(s.url("door"))
    context = ssl.create_default_context(cafile=s.homerun.ca)
    with socket.create_connection(("127.0.0.1", url.port), timeout=30) as raw:
        with context.wrap_socket(raw, server_hostname=url.hostname) as client:
            client.sendall(f"POST / HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {1 << 30}\r\n\r\n".encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 401 ")


@test
def row_22_a_preflight_passes_where_the_settings_let_it():
    s = door()
    preflight = (("Origin", "https://elsewhere.example"), ("Access-Control-Request-Method", "PUT"))
    s.turned_away(401, "door", *preflight, method="OPTIONS")
    s.set_settings({"accessSettings": {"corsSettings": {"allowHttpOptions": True}}})
    try:
        seen = s.passed("door", *preflight, ("X-Goog-IAP-JWT-Assertion", "forged"), method="OPTIONS")
        assert seen["x-goog-iap-jwt-assertion"] is None
        s.turned_away(401, "door", preflight[0], method="OPTIONS")
        s.turned_away(401, "door", *preflight, method="POST")
    finally:
        s.set_settings({})


@test
def what_the_door_says_of_itself():
    """66, and the keys: without a credential, whatever the container would say."""
    s = door()
    for path in ("", "/mcp", "/a/b"):
        answer = s.ask("door", path="/.well-known/oauth-protected-resource" + path)
        assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "*", answer
        assert answer.json == {"resource": s.url("door") + path, "authorization_servers": [s.homerun.ready["auth"]],
                               "bearer_methods_supported": ["header"], "scopes_supported": ["openid", "email"]}, answer.json
    keys = s.ask("door", path="/_homerun/iap/verify/public_key").json
    jwks = s.ask("door", path="/_homerun/iap/verify/public_key-jwk").json
    assert keys == fetch(s.homerun.api_url + "/iap/verify/public_key").json
    assert jwks == fetch(s.homerun.api_url + "/iap/verify/public_key-jwk").json
    assert [key["kid"] for key in jwks["keys"]] == list(keys), (keys, jwks)
    for key in jwks["keys"]:
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig"), key
    token = s.passed("door", bearer(s.token("p", "door")))["x-goog-iap-jwt-assertion"]
    assert verified(token, keys[decode(token.split(".")[0])["kid"]])
    assert s.ask("door", path="/_gcp_iap/nothing").status == 404


def verified(token, pem):
    """Whether the signature of TOKEN (ES256) is that of the key."""
    text, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")

    def number(part):
        part = part.lstrip(b"\0")
        part = b"\0" + part if part[:1] >= b"\x80" else part
        return b"\x02" + bytes([len(part)]) + part

    body = number(raw[:32]) + number(raw[32:])
    with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as der:
        key.write(pem.encode())
        der.write(b"\x30" + bytes([len(body)]) + body)
        key.flush()
        der.flush()
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", key.name, "-signature", der.name],
                              input=text.encode(), capture_output=True)
    return done.returncode == 0


# ---- cookies ----

@test
def rows_24_and_25_a_websocket_says_where_it_comes_from():
    s = door()
    cookie = s.by_cookie(s.invite("p"))
    upgrade = (("Connection", "upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
               ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
    seen = s.passed("door", cookie, *upgrade, ("Origin", s.url("door")))  # the mirror does not switch
    assert s.identity_of(seen)[1]["email"] == "p@example.com"
    for origin in ((), (("Origin", s.url("other")),), (("Origin", "null"),)):
        s.turned_away(403, "door", cookie, *upgrade, *origin)


@test
def rows_26_to_28_a_cookie_counts_for_the_hosts_own_pages():
    s = door()
    cookie = s.by_cookie(s.invite("p"))
    for site in ("same-site", "cross-site", "", "same-origin, cross-site"):
        s.turned_away(403, "door", cookie, ("Sec-Fetch-Site", site), method="POST", body=b"")
        s.turned_away(403, "door", cookie, ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "cors"))
        s.turned_away(403, "door", cookie, ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate"),
                      ("Sec-Fetch-Dest", "iframe"))
    for origin in (s.url("other"), "null", s.url("door").replace("https", "http"), s.url("door") + ".evil.example"):
        s.turned_away(403, "door", cookie, ("Origin", origin), method="POST", body=b"")
    s.passed("door", cookie, ("Sec-Fetch-Site", "same-origin"), method="POST", body=b"x")
    s.passed("door", cookie, ("Origin", s.url("door")), method="POST", body=b"x")
    s.passed("door", cookie, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"),
             ("Sec-Fetch-Dest", "document"))


@test
def rows_31_to_33_a_cookie_is_of_one_host():
    s = door()
    person = s.invite("p")
    cookie = s.by_cookie(person)
    s.to_sign_in("other", *NAVIGATION, cookie)
    sso = person.cookies(s.homerun.ready["auth"])[SSO]
    s.to_sign_in("door", *NAVIGATION, ("Cookie", f"{SSO}={sso}"))
    s.to_sign_in("door", *NAVIGATION, ("Cookie", f"{SESSION}={sso}"))
    s.turned_away(400, "door", *NAVIGATION, ("Cookie", f"{cookie[1]}; {SESSION}=x"))
    s.turned_away(400, "door", *NAVIGATION, cookie, cookie)
    seen = s.passed("door", ("Cookie", f"a=b; {cookie[1]}; {SSO}={sso}; c=d"))
    assert seen["cookie"] == "a=b; c=d"


@test
def row_34_who_may_not_sees_a_page_that_says_who_they_are():
    s = door()
    cookie = s.by_cookie(s.invite("q"))
    page = s.turned_away(403, "door", *NAVIGATION, cookie)
    for words in ("q@example.com", "You don't have access", "Use another account", page.headers["homerun-denial"]):
        assert words in page.text, page.text
    policy = page.headers["content-security-policy"]  # docs/access.md, S8
    assert policy == "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'", policy
    assert "<script" not in page.text and s.ask("door", path="/_homerun/auth/style.css").status == 200
    assert "insufficient_scope" not in str(page.headers) and "location" not in page.headers
    plain = s.turned_away(403, "door", cookie, ("Accept", "application/json"))
    assert plain.headers["content-type"].startswith("text/plain") and "<" not in plain.text, plain
    said = s.homerun.cli("access", "explain", page.headers["homerun-denial"]).stdout
    assert "iap" in said.lower() and "q@example.com" in said, said


@test
def rows_35_to_37_what_is_taken_away_is_gone_at_the_next_request():
    s = door()
    person = s.invite("leaver")
    cookie = s.by_cookie(person)
    page = (*NAVIGATION, cookie)
    s.let_in([s.member("p"), "user:leaver@example.com"])
    s.passed("door", *page)
    s.let_in([s.member("p")])
    s.turned_away(403, "door", *page)
    s.homerun.api("POST", "/homerun/v1/groups", {"email": "crew@example.com", "members": ["user:leaver@example.com"]})
    s.let_in([s.member("p"), "group:crew@example.com"])
    s.passed("door", *page)
    s.homerun.api("PUT", "/homerun/v1/groups/crew@example.com", {"email": "crew@example.com", "members": []})
    s.turned_away(403, "door", *page)
    s.let_in([s.member("p"), "user:leaver@example.com"])
    s.passed("door", *page)
    s.homerun.cli("signout", "leaver@example.com")
    s.to_sign_in("door", *page)
    s.let_in([s.member("p"), s.people["p"]])


@test
def row_38_a_condition_on_the_path():
    s = door()
    cookie = s.by_cookie(s.invite("p"))
    s.let_in([s.people["p"]], condition='request.path.startsWith("/a")')
    s.allow("door", [])  # so that a look at the container is not by way of the door
    s.set_check("door", False)
    try:
        assert s.ask("door", *NAVIGATION, cookie, path="/a/x").status == 200
        assert s.ask("door", *NAVIGATION, cookie, path="/b").status == 403
        assert s.ask("door", *NAVIGATION, cookie, path="/a/../b").status == 400
    finally:
        s.let_in([s.member("p"), s.people["p"]])
        s.set_check("door", True)
        s.allow("door", ["serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"])


@test
def rows_39_to_41_grants_above_the_service_and_the_owner():
    s = door()
    cookie = s.by_cookie(s.invite("q"))
    for path in (s.door_of(), s.door_of(region=None), "project"):
        if path == "project":
            before = s.allow_on_project("roles/iap.httpsResourceAccessor", [s.people["q"]])
        else:
            s.set_door_policy(path, [{"role": "roles/iap.httpsResourceAccessor", "members": [s.people["q"]]}])
        s.passed("door", *NAVIGATION, cookie)
        if path == "project":
            s.set_project_policy(before)
        else:
            s.set_door_policy(path, [])
        s.turned_away(403, "door", *NAVIGATION, cookie)
    before = s.allow_on_project("roles/owner", [s.people["q"]])
    s.turned_away(403, "door", *NAVIGATION, cookie)
    s.set_project_policy(before)
    s.let_in([s.member("p"), "allAuthenticatedUsers"])
    s.passed("door", *NAVIGATION, cookie)
    s.let_in([s.member("p"), "domain:example.com"])
    s.passed("door", *NAVIGATION, cookie)
    s.set_settings({"accessSettings": {"allowedDomainsSettings": {"enable": True, "domains": ["corp.example"]}}})
    assert s.ask("door", *NAVIGATION, cookie).status == 403
    assert s.ask("door", bearer(s.token("p", "door"))).status == 403
    s.set_settings({})
    s.let_in([s.member("p"), s.people["p"]])


@test
def row_13_what_the_ingress_setting_hides_has_no_door():
    s = door()
    person = s.invite("p")
    back = person.go_on(person.ask(s.url("other"))).headers["location"]  # a code that would be good
    s.homerun.cli("services", "update", "other", "--ingress=internal")
    try:
        for method, path in (("POST", "/_homerun/auth/signout"), ("OPTIONS", "/.well-known/oauth-protected-resource"),
                             ("GET", back[len(s.url("other")):])):
            answer = s.ask("other", ("Cookie", "; ".join(f"{k}={v}" for k, v in person.cookies(s.url("other")).items())),
                           method=method, path=path)
            assert answer.status == 404 and "x-goog-iap-generated-response" not in answer.headers, (path, answer)
            assert "set-cookie" not in answer.headers and "location" not in answer.headers, answer.headers
            assert "A5" in s.homerun.cli("access", "explain", answer.headers["homerun-denial"]).stdout
        for path in ("/", "/.well-known/oauth-protected-resource", "/_homerun/auth/done?c=x&l=y", "/_gcp_iap/clear_login_cookie",
                     "/_homerun/iap/verify/public_key", "/?gcp-iap-mode=IDENTITY"):
            answer = s.ask("other", *NAVIGATION, path=path)
            assert answer.status == 404 and "x-goog-iap-generated-response" not in answer.headers, (path, answer)
    finally:
        s.homerun.cli("services", "update", "other", "--ingress=all")


@test
def row_14_plain_http_leads_to_https_first():
    s = door()
    answer = fetch(s.homerun.ready["http"] + "/x?y=1", headers={"Host": urllib.parse.urlsplit(s.url("door")).hostname})
    assert answer.status == 302 and answer.headers["location"] == s.url("door") + "/x?y=1", answer.headers
    assert "set-cookie" not in answer.headers


@test
def row_65_a_container_sets_no_cookie_of_ours():
    s = door()
    for service, headers in (("door", [bearer(s.token("p", "door"))]), ("public", [])):
        answer = s.ask(service, *headers, path="/cookies")
        assert answer.status == 200 and answer.headers.get_all("set-cookie") == ["app=kept"], answer.headers


# ---- programs ----

@test
def rows_54_and_61_identity_tokens_open_and_access_tokens_do_not():
    s = door()
    now = int(time.time())
    token = s.token("p", "door")
    assert s.passed("door", bearer(token))["authorization"] == f"Bearer {strip(token)}"
    s.turned_away(403, "door", bearer(s.token("q", "door")))
    for bad, text in ((s.token("p", "door", aud="https://other.example"), "Invalid JWT audience"),
                      (s.token("p", "other"), "Invalid JWT audience"),
                      (s.token("p", "door", iat=now - 3600, exp=now - 60), "expired"),
                      (s.homerun.token("access", member=s.member("p")), "Invalid bearer token"),
                      ("garbage", "Unable to parse JWT"), ("a.b.c", "Unable to parse JWT")):
        answer = s.turned_away(401, "door", bearer(bad), text=text)
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], answer.headers
        s.turned_away(401, "door", bearer(bad), *NAVIGATION, text=text)  # a token is never led to a page
    s.turned_away(401, "door", bearer(token), bearer(token))
    s.turned_away(401, "door", ("Authorization", "Basic YTpi"), text="Unable to parse JWT")


@test
def row_55_a_service_account_signs_for_a_url_itself():
    s = door()
    url = s.url("door")
    now = int(time.time())
    for audience, path in ((url + "/*", "/any/thing?x"), (url + "/a", "/a"), (url + "/a", "/a?x=y"), (url, "/"), (url + "/", "/")):
        seen = s.passed("door", bearer(s.self_signed("p", audience)), path=path)
        assert s.identity_of(seen)[1]["email"] == s.email("p")
    text = "Audience specified does not match requested endpoint"
    for audience, path in ((url, "/a"), (url + "/a", "/b"), (url + "/a", "/a/b"), (s.url("other") + "/*", "/"), (url + "/a*", "/ab"),
                           (url + "*", "/"), ("/*", "/")):
        s.turned_away(401, "door", bearer(s.self_signed("p", audience)), path=path, text=text)
    s.turned_away(401, "door", bearer(s.self_signed("p", url + "/*", iat=now, exp=now + 7200)))
    s.turned_away(403, "door", bearer(s.self_signed("q", url + "/*")))
    s.turned_away(401, "door", bearer(s.self_signed("q", url + "/*", iss=s.email("p"), sub=s.email("p"))))


@test
def row_55_a_key_that_is_disabled_opens_nothing():
    s = door()
    from gate_stand import sign
    account = f"/v1/projects/demo/serviceAccounts/{s.email('p')}"
    made = s.homerun.api("POST", account + "/keys", {})
    assert made.status == 200, made
    file = json.loads(base64.b64decode(made.json["privateKeyData"]))
    now = int(time.time())
    claims = {"iss": file["client_email"], "sub": file["client_email"], "aud": s.url("door") + "/*", "iat": now, "exp": now + 3600}
    with tempfile.NamedTemporaryFile("w") as key:
        key.write(file["private_key"])
        key.flush()
        token = sign(claims, key.name, file["private_key_id"])
        nameless = sign(claims, key.name, "")
    s.passed("door", bearer(token))
    s.turned_away(401, "door", bearer(nameless))
    name = f"{account}/keys/{file['private_key_id']}"
    assert s.homerun.api("POST", name + ":disable", {}).status == 200
    s.turned_away(401, "door", bearer(token))
    assert s.homerun.api("POST", name + ":enable", {}).status == 200
    s.passed("door", bearer(token))
    assert s.homerun.api("DELETE", name).status == 200
    s.turned_away(401, "door", bearer(token))


@test
def rows_56_to_60_which_credential_counts():
    s = door()
    token, url = s.token("p", "door"), s.url("door")
    cookie_q = s.by_cookie(s.invite("q"))
    cookie_p = s.by_cookie(s.invite("p"))
    seen = s.passed("door", bearer(token, "Proxy-Authorization"), ("Authorization", "Bearer app-token"))
    assert seen["authorization"] == "Bearer app-token" and seen["proxy-authorization"] is None
    seen = s.passed("door", ("Proxy-Authorization", "Bearer garbage"), bearer(token))
    assert seen["proxy-authorization"] is None
    s.to_sign_in("door", *NAVIGATION, special(token))
    s.turned_away(401, "door", special(token), method="POST")
    assert s.passed("door", bearer(token), special(token))["x-serverless-authorization"] is None
    assert s.identity_of(s.passed("door", bearer(token), cookie_q))[1]["email"] == s.email("p")
    seen = s.passed("door", cookie_p, ("Authorization", "Basic YTpi"))
    assert seen["authorization"] == "Basic YTpi" and seen["cookie"] is None
    assert s.passed("door", cookie_p, ("Authorization", "Bearer app.opaque.token"))["authorization"] == "Bearer app.opaque.token"
    s.turned_away(401, "door", cookie_p, bearer(s.token("q", "other")))  # ours, and not to be believed
    assert s.identity_of(s.passed("door", bearer(token), path="/x?u=" + url))[1]["sub"].endswith(s.subs["p"])


@test
def a_client_of_the_settings_may_be_the_audience():
    s = door()
    token = s.token("p", "door", aud="my-client", email=s.email("p"), email_verified=True)
    s.turned_away(401, "door", bearer(token), text="Invalid JWT audience")
    s.set_settings({"accessSettings": {"oauthSettings": {"programmaticClients": ["my-client"]}}})
    try:
        s.passed("door", bearer(token))
        s.turned_away(401, "door", bearer(s.token("p", "door", aud="my-client")), text="JWT 'email' claim isn't a string")
    finally:
        s.set_settings({})


@test
def row_64_no_spelling_of_a_claim_arrives():
    s = door()
    forged = [(name, "forged") for name in (
        "X-Goog-IAP-JWT-Assertion", "x_goog_iap_jwt_assertion", "X-Goog_Iap_Jwt_Assertion", "X-Goog-Authenticated-User-Email",
        "x_goog_authenticated_user_email", "X_Goog-Authenticated_User-Id", "X-Goog-Anything", "x_goog_anything")]
    seen = s.passed("door", *forged, bearer(s.token("p", "door")))
    assert "forged" not in json.dumps(seen.document), seen.document
    names = [name for name, _ in seen.document["headers"] if "goog" in name]
    assert sorted(names) == ["x-goog-authenticated-user-email", "x-goog-authenticated-user-id", "x-goog-iap-jwt-assertion"], names


# ---- modes ----

@test
def row_67_assertions_that_are_wrong_on_purpose():
    s = door()
    keys = s.ask("door", path="/_homerun/iap/verify/public_key").json
    cookie = s.by_cookie(s.invite("p"))

    def told(kind):
        path = f"/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type={kind}"
        token = s.passed("door", cookie, path=path)["x-goog-iap-jwt-assertion"]
        head, payload = (decode(part) for part in token.split(".")[:2])
        return payload, verified(token, keys[head["kid"]])

    now = time.time()
    right = "/projects/123456789012/locations/us-central1/services/door"
    for kind in ("NOT_SET", "", "SOMETHING"):
        claims, good = told(kind)
        assert good and claims["aud"] == right and abs(claims["iat"] - now) < 120
    claims, good = told("FUTURE_ISSUE")
    assert good and claims["iat"] > now + 3600
    claims, good = told("PAST_EXPIRATION")
    assert good and claims["exp"] < now
    claims, good = told("ISSUER")
    assert good and claims["iss"] != "https://cloud.google.com/iap"
    claims, good = told("AUDIENCE")
    assert good and claims["aud"] != right
    claims, good = told("SIGNATURE")
    assert not good and claims["aud"] == right
    # Nobody gets a bad assertion who is not known, or may not come in; and the next one is good again.
    cookie_q = s.by_cookie(s.invite("q"))
    for kind in ("NOT_SET", "FUTURE_ISSUE", "PAST_EXPIRATION", "ISSUER", "AUDIENCE", "SIGNATURE"):
        path = f"/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type={kind}"
        s.to_sign_in("door", *NAVIGATION, path=path)
        s.turned_away(401, "door", EVENT_STREAM, path=path)
        s.turned_away(403, "door", *NAVIGATION, cookie_q, path=path)
        token = s.passed("door", bearer(s.token("p", "door")), path=path)["x-goog-iap-jwt-assertion"]
        assert verified(token, keys[decode(token.split(".")[0])["kid"]]) == (kind != "SIGNATURE"), kind
    claims, good = told("NOT_SET")
    assert good and claims["aud"] == right and claims["iat"] <= time.time() < claims["exp"], claims


@test
def row_68_identity_of_anyone_who_is_signed_in():
    s = door()
    for name in ("p", "q"):
        answer = s.ask("door", s.by_cookie(s.invite(name)), path="/anything?gcp-iap-mode=IDENTITY")
        assert answer.status == 200 and answer.headers["content-type"].startswith("application/json"), answer
        assert answer.headers["x-goog-iap-generated-response"] == "true"
        assert answer.json["email"] == f"accounts.google.com:{name}@example.com", answer.json
        assert answer.json["sub"].startswith("accounts.google.com:") and answer.json["sub"][20:].isdigit()
    s.turned_away(401, "door", ("X-Requested-With", "XMLHttpRequest"), path="/?gcp-iap-mode=IDENTITY")
    s.to_sign_in("door", *NAVIGATION, path="/?gcp-iap-mode=IDENTITY")


@test
def refreshing_pages():
    s = door()
    cookie = s.by_cookie(s.invite("p"))
    for path in ("/?gcp-iap-mode=DO_SESSION_REFRESH", "/_gcp_iap/do_session_refresh"):
        answer = s.ask("door", *NAVIGATION, cookie, path=path)
        assert answer.status == 200 and "signed in" in answer.text, answer
        s.to_sign_in("door", *NAVIGATION, path=path)
    for path in ("/?gcp-iap-mode=SESSION_REFRESHER", "/_gcp_iap/session_refresher"):
        page = s.ask("door", *NAVIGATION, cookie, path=path)
        assert 'http-equiv="refresh"' in page.text and "frame-ancestors 'self'" in page.headers["content-security-policy"], page


@test
def row_69_clearing_the_cookie_ends_the_session():
    s = door()
    for path in ("/x?gcp-iap-mode=CLEAR_LOGIN_COOKIE", "/_gcp_iap/clear_login_cookie"):
        person = s.invite("p")
        cookie = s.by_cookie(person)
        other = s.by_cookie(person, "other")
        s.turned_away(403, "door", cookie, ("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "no-cors"), path=path)
        s.passed("door", cookie)
        answer = s.ask("door", *NAVIGATION, cookie, path=path)
        assert answer.status == 302 and answer.headers["location"] == s.url("door") + "/", answer.headers
        assert f"{SESSION}=" in answer.headers["set-cookie"] and "Max-Age=0" in answer.headers["set-cookie"]
        s.to_sign_in("door", *NAVIGATION, cookie)
        s.to_sign_in("other", *NAVIGATION, other)


@test
def row_30_what_runs_is_not_cut_by_a_sign_out():
    s = door()
    cookie = s.by_cookie(s.invite("runner"))
    s.let_in([s.member("p"), s.people["p"], "user:runner@example.com"])
    got = []
    running = threading.Thread(target=lambda: got.append(s.ask("door", *NAVIGATION, cookie, path="/slow")))
    looks = [s.seen_by("door")]  # each look is one more that the container has seen
    running.start()

    def has_come():
        looks.append(s.seen_by("door"))
        return looks[-1] - looks[0] == len(looks)

    wait_until(has_come, "the slow request has come", 10)
    s.homerun.cli("signout", "runner@example.com")
    s.to_sign_in("door", *NAVIGATION, cookie)
    running.join(20)
    assert got and got[0].status == 200, got
    s.let_in([s.member("p"), s.people["p"]])


@test
def row_43_signing_out_at_one_service_ends_it_at_the_other():
    s = door()
    person = s.invite("p")
    here, there = s.by_cookie(person), s.by_cookie(person, "other")
    s.passed("other", *NAVIGATION, there)
    out = person.ask(s.url("door") + "/_homerun/auth/signout", form={})
    assert out.status == 200, out
    s.to_sign_in("other", *NAVIGATION, there)
    s.to_sign_in("door", *NAVIGATION, here)


# ---- explained ----

@test
def each_rung_is_explained():
    s = door()

    def says(*flags):
        return s.homerun.cli("access", "explain", "door", *flags).stdout

    assert "led to sign-in" in says(), says()
    assert "goes on as " + "serviceAccount:service-" in says(f"--member={s.member('p')}")
    url = s.url("door")
    preflight = f"curl -X OPTIONS -H 'Origin: https://x.example' -H 'Access-Control-Request-Method: PUT' {url}/"

    def rungs(command):
        shown = json.loads(s.homerun.cli("access", "explain", command, "--format=json").stdout)
        return {row["rule"]: row["fact"] for row in shown["rungs"] if "fact" in row}

    assert "no CORS preflight, or allowHttpOptions is off" in rungs(preflight)["D2"]
    assert "the door answers this itself" in rungs(f"curl {url}/.well-known/oauth-protected-resource")["D1"]
    s.set_settings({"accessSettings": {"corsSettings": {"allowHttpOptions": True}}})
    assert "pass without an identity" in rungs(preflight)["D2"]
    s.set_settings({})
    s.let_in(["allUsers"])
    assert "allUsers has" in rungs(f"curl {url}/")["D3"]
    s.let_in([s.member("p"), s.people["p"]])
    assert "the IAP service agent" in rungs(f"curl -H 'Cookie: {s.by_cookie(s.invite('p'))[1]}' {url}/")["D9"]
    refused = says(f"--member={s.people['q']}")
    assert "accessViaIAP" in refused and "roles/iap.httpsResourceAccessor" in refused, refused


@test
def every_refusal_of_the_door_is_explained_by_its_id():
    """D4 to D8 and K2, in the words of the person: why, and what to do. What the log does not keep is not made up."""
    s = door()
    cookie, cookie_q = s.by_cookie(s.invite("p")), s.by_cookie(s.invite("q"))

    def told(rule, why, to_do, *headers, status, **how):
        answer = s.ask("door", *headers, **how)
        assert answer.status == status, (rule, answer)
        said = s.homerun.cli("access", "explain", answer.headers["homerun-denial"]).stdout
        first = said.splitlines()[0]
        assert first.startswith("No: ") and why in first and f"HTTP {status}" in first and to_do in said, (rule, said)
        told_json = json.loads(s.homerun.cli("access", "explain", answer.headers["homerun-denial"], "--format=json").stdout)
        assert told_json["rule"] == rule and cookie[1] not in said and cookie_q[1] not in said, told_json

    told("D4", "could not be believed", "send an identity token", bearer("a.b.c"), status=401)
    told("D4", "another audience", "send an identity token", bearer(s.token("p", "other")), status=401)
    told("D5", "two cookies", "delete the cookies", *NAVIGATION, ("Cookie", f"{cookie[1]}; {SESSION}=x"), status=400)
    told("D6", "a browser is led to sign-in", "homerun login", *NAVIGATION, status=302)
    told("D6", "a program is told to bring one", "homerun token identity", status=401, method="POST")
    told("D6", "nobody is signed in", "sign in", *NAVIGATION, ("Cookie", f"{SESSION}={'A' * 43}"), status=302)
    told("D7", "another site", "open the service itself", cookie, ("Sec-Fetch-Site", "same-site"), status=403, method="POST", body=b"")
    told("D8", "accessViaIAP", "roles/iap.httpsResourceAccessor", *NAVIGATION, cookie_q, status=403)
    s.let_in([s.people["p"]], condition='request.path.startsWith("/a")')
    try:
        told("K2", "segment of dots", "plain spelling", *NAVIGATION, cookie, path="/a/../b", status=400)
    finally:
        s.let_in([s.member("p"), s.people["p"]])


@test
def a_pasted_request_of_a_browser_is_judged_with_its_cookies():
    s = door()
    url = s.url("door")
    cookie = {name: f"{SESSION}={s.cookie(s.invite(name))}" for name in ("p", "q")}

    def says(*fields, more=""):
        lines = " ".join(f"-H '{name}: {value}'" for name, value in fields)
        done = s.homerun.cli("access", "explain", f"curl {lines} {more} {url}/", "--format=json")
        return json.loads(done.stdout)

    for answer, rung in ((says(("Cookie", cookie["p"])), "binding"), (says(more=f"-b '{cookie['p']}'"), "binding"),
                         (says(("Cookie", cookie["q"])), "door_no_grant"), (says(("Cookie", f"{cookie['p']}; {SESSION}=x")), "door_cookies"),
                         (says(("Cookie", cookie["p"]), ("Sec-Fetch-Site", "same-site")), "door_cross_site"),
                         (says(("Cookie", f"{SESSION}={'A' * 43}")), "door_nobody")):
        assert answer["rung"] == rung, (rung, answer)
        assert cookie["p"] not in json.dumps(answer) and cookie["q"] not in json.dumps(answer)
    assert says()["status"] == 302 and says(("X-Requested-With", "XMLHttpRequest"))["status"] == 401
    asked = {"resource": "projects/demo/locations/us-central1/services/door", "headers": [f"Cookie: {cookie['q']}"]}
    assert s.homerun.api("POST", "/homerun/v1/access:explain", asked).json["rung"] == "door_no_grant"
    for wrong in (["no colon"], [": x"], ["a: b"] * 65):
        assert s.homerun.api("POST", "/homerun/v1/access:explain", {**asked, "headers": wrong}).status == 400, wrong[:1]


# ---- and without control ----

@test
def row_79_the_door_stays_without_control():
    import os
    import signal
    s = door()
    person = s.invite("p")
    cookie = s.by_cookie(person)
    gone = s.by_cookie(s.invite("gone"))
    s.homerun.cli("signout", "gone@example.com")
    url = s.url("door")
    pid = s.homerun.pid("control") if hasattr(s.homerun, "pid") else None
    if pid is None:
        ready = json.load(open(os.path.join(s.homerun.data, "ready.json")))
        pid = next(one["pid"] for one in ready["processes"] if one["role"] == "control")
    os.kill(pid, signal.SIGSTOP)
    try:
        seen = s.passed("door", *NAVIGATION, cookie)
        assert s.identity_of(seen)[1]["email"] == "p@example.com"
        answer = s.ask("door", *NAVIGATION)
        assert answer.status == 503 and answer.headers["retry-after"], answer
        assert answer.headers["x-goog-iap-generated-response"] == "true", answer
        assert s.ask("door", gone, method="POST", body=b"").status == 401
        assert host_of(url) in s.ask("door", path="/.well-known/oauth-protected-resource").text
    finally:
        os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
