#!/usr/bin/env python3
"""Sign-in with an identity provider: against npm's oidc-provider, and against one that lies on order.

Numbers are rows of the truth table of identity-aware access.
"""
import base64
import hashlib
import os
import threading
import time
import urllib.parse

from homerun import finally_do, main, stand, test, wait_until
from idp_stand import CertifiedProvider, Key, LyingProvider, Person
from signin_stand import Browser, next_url, parts_of

SSO, SESSION = "__Host-homerun_sso", "__Host-homerun_session"
_made = {}


def auth(path=""):
    return stand().ready["auth"] + path


def console(path="/console/"):
    return stand().ready["console"] + path


def certified():
    if "certified" not in _made:
        _made["certified"] = CertifiedProvider(stand())
        finally_do(_made["certified"].close)
        _made["certified"].add_to(stand())
    return _made["certified"]


def lying():
    """The lying provider, honest again, added as "corp"."""
    if "lying" not in _made:
        _made["lying"] = LyingProvider()
        _made["lying"].add_to(stand())
    _made["lying"].reset()
    return _made["lying"]


def begin(browser, name="corp", query=""):
    """The redirect to the provider."""
    answer = browser.ask(auth(f"/_homerun/auth/provider/{name}{query}"))
    assert answer.status == 302, answer
    return answer.headers["location"]


def sign_in(browser, provider, name="corp"):
    """The page behind a sign-in at the lying provider."""
    return browser.ask(provider.authorize(begin(browser, name)))


def shown(browser):
    """Whom the auth host shows as signed in, "" for nobody."""
    page = browser.ask(auth("/")).text
    return "" if "homerun login" in page else page.split('<span class="who">')[1].split("</span>")[0].replace("<wbr>", "")


# ---- a certified provider ----

@test
def a_person_signs_in_with_a_certified_provider():
    provider = certified()
    browser, ann = Browser(), Person("ann")
    first = browser.ask(console("/console/services"))
    start = browser.go_on(first)
    assert "Sign in with oidc" in start.text, start.text
    button = auth(start.text.split('class="button" href="')[1].split('"')[0].replace("&amp;", "&"))
    location = browser.ask(button).headers["location"]
    asked = parts_of(location)
    assert location.startswith(provider.issuer + "/auth?"), location
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256", asked
    assert len(asked["state"]) == 43 and len(asked["nonce"]) == 43 and asked["state"] != asked["nonce"], asked
    assert asked["redirect_uri"] == auth("/_homerun/auth/callback"), asked
    callback = ann.authorize(location, auth("/_homerun/auth/callback"))
    page = browser.ask(callback)
    assert page.status == 200 and "ann@" in page.text, page
    assert next_url(page).startswith(console("/_homerun/auth/done")), page.text
    assert browser.go_on(page).status == 303
    assert shown(browser) == "ann@corp.example"
    # The same answer once more is worth nothing.
    assert browser.ask(callback).status == 400


@test
def signing_out_goes_on_to_the_provider():
    provider = certified()
    browser = Browser()
    browser.ask(Person("ann").authorize(begin(browser, "oidc"), auth("/_homerun/auth/callback")))
    out = browser.ask(auth("/_homerun/auth/signout"), form={})
    url = next_url(out)
    asked = parts_of(url)
    assert url.startswith(provider.issuer + "/session/end?"), url
    assert asked["client_id"] == "homerun" and asked["post_logout_redirect_uri"] == auth("/"), asked
    assert asked["id_token_hint"].count(".") == 2, asked
    assert shown(browser) == ""


@test
def a_sign_out_at_the_provider_ends_it_here():
    """44, by a real logout token."""
    provider = certified()
    browser, ann = Browser(), Person("ann")
    browser.ask(ann.authorize(begin(browser, "oidc"), auth("/_homerun/auth/callback")))
    assert shown(browser) == "ann@corp.example"
    page = ann.ask(provider.issuer + "/session/end")
    text = page.read().decode()
    secret = text.split('name="xsrf" value="')[1].split('"')[0]
    ann.ask(provider.issuer + "/session/end/confirm", {"xsrf": secret, "logout": "yes"})
    wait_until(lambda: shown(browser) == "", f"signed out by the provider\n{provider.said()}", seconds=10)


@test
def a_group_that_a_person_leaves_is_gone_after_the_next_renewal():
    provider = certified()
    browser, ann = Browser(), Person("ann")
    browser.ask(ann.authorize(begin(browser, "oidc"), auth("/_homerun/auth/callback")))
    stand().cli("issuers", "renew", "oidc")
    assert shown(browser) == "ann@corp.example", provider.said()
    stand().cli("issuers", "renew", "oidc")  # by the rotated refresh token
    assert shown(browser) == "ann@corp.example", provider.said()


@test
def who_may_not_be_known_by_e_mail_is_told_why():
    """48"""
    certified()
    for name, word in (("eve", "may not speak for the domain"), ("una", "does not say that the e-mail address is verified")):
        browser = Browser()
        page = browser.ask(Person(name).authorize(begin(browser, "oidc"), auth("/_homerun/auth/callback")))
        assert page.status == 200 and word in page.text, page.text
        assert 'http-equiv="refresh"' not in page.text, "nobody could read it"
        assert shown(browser) == f"{name} (oidc)"


# ---- what an answer must be ----

@test
def the_lying_provider_can_be_honest():
    provider = lying()
    browser = Browser()
    page = sign_in(browser, provider)
    assert page.status == 200, page
    assert shown(browser) == "ann@corp.example"
    asked = next(one for one in provider.asked if one[0] == "/token")
    assert asked[2]["grant_type"] == "authorization_code" and asked[2]["code"] == "c0de", asked
    assert len(asked[2]["code_verifier"]) == 43 and "client_secret" not in asked[2], asked
    user, secret = base64.b64decode(asked[1]["Authorization"].split()[1]).decode().split(":", 1)
    assert (user, urllib.parse.unquote(secret)) == ("homerun", "a secret: with %signs"), (user, secret)
    bearer = next(one for one in provider.asked if one[0] == "/userinfo")
    assert bearer[1]["Authorization"] == "Bearer at", bearer


@test
def an_answer_belongs_to_one_browser_and_one_sign_in():
    """49: state missing, foreign, twice."""
    provider = lying()
    browser = Browser()
    url = provider.authorize(begin(browser))
    for wrong in (url.replace("state=", "s="), url.split("?")[0], url.replace("state=", "state=A")):
        assert browser.ask(wrong).status == 400, wrong
    assert Browser().ask(url).status == 400, "another browser's"
    assert browser.ask(url).status == 400, "burnt"
    assert shown(browser) == ""
    assert sign_in(browser, provider).status == 200


@test
def an_answer_comes_from_whom_was_asked():
    """49: iss wrong or missing (RFC 9207), also where it is an error."""
    for answer in ({"iss": None}, {"iss": "http://localhost:1"}, {"iss": ""},
                   {"iss": None, "code": None, "error": "access_denied"}):
        provider = lying()
        provider.answer = answer
        browser = Browser()
        page = sign_in(browser, provider)
        assert page.status == 400 and "that was asked" in page.text, (answer, page)
        assert shown(browser) == "" and not any(one[0] == "/token" for one in provider.asked), answer


@test
def an_error_of_the_provider_is_shown_as_a_code():
    for code, text in (("access_denied", "(access_denied)"), ("<script>alert(1)</script>", "(unknown)"), ("A" * 300, "(unknown)")):
        provider = lying()
        provider.answer = {"code": None, "error": code, "error_description": "<b>hostile</b>"}
        page = sign_in(Browser(), provider)
        assert page.status == 400 and text in page.text, page
        assert "<script>" not in page.text and "hostile" not in page.text


@test
def an_id_token_is_checked_in_full():
    """50"""
    now = int(time.time())
    stranger = Key(lying().folder.name, "k1x")
    stranger.kid = "k1"
    for what, claims, head in (
            ("nonce", {"nonce": "another"}, {}), ("no nonce", {"nonce": None}, {}),
            ("aud", {"aud": "other"}, {}), ("aud list without azp", {"aud": ["homerun", "other"]}, {}),
            ("azp", {"aud": ["homerun", "other"], "azp": "other"}, {}), ("azp of one", {"azp": "other"}, {}),
            ("iss", {"iss": "https://evil.example"}, {}), ("issuer with a slash", {"iss": lying().issuer + "/"}, {}),
            ("expired", {"iat": now - 700, "exp": now - 300}, {}), ("no exp", {"exp": None}, {}),
            ("no iat", {"iat": None}, {}), ("of the future", {"iat": now + 300, "exp": now + 600}, {}),
            ("no sub", {"sub": None}, {}), ("empty sub", {"sub": ""}, {}), ("sub with a slash", {"sub": "a/b"}, {}),
            ("at_hash", {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, {}), ("at_hash of another type", {"at_hash": 1}, {}),
            ("none", {}, {"alg": "none"}), ("HS256", {}, {"alg": "HS256"}), ("ES256", {}, {"alg": "ES256"}),
            ("access token", {}, {"typ": "at+jwt"}), ("logout token", {}, {"typ": "logout+jwt"}),
            ("crit", {}, {"crit": ["x"]})):
        provider = lying()
        browser = Browser()
        url = provider.authorize(begin(browser))
        provider.id_claims, provider.id_head = claims, head
        if "nonce" in claims:
            provider.nonce = claims["nonce"]
        page = browser.ask(url)
        assert page.status == 400, (what, page)
        assert shown(browser) == "", what
    provider = lying()
    browser = Browser()
    url = provider.authorize(begin(browser))
    provider.token_answer = {"id_token": provider.id_token(key=stranger, nonce=provider.nonce)}
    assert browser.ask(url).status == 400, "another's signature"
    for answer in ({"token_type": "mac"}, {"id_token": None}, {"id_token": "x.y.z"}, {"id_token": ["a"]}):
        provider = lying()
        provider.token_answer = answer
        assert sign_in(Browser(), provider).status == 400, answer


@test
def good_tokens_of_other_shapes_are_taken():
    at_hash = base64.urlsafe_b64encode(hashlib.sha256(b"at").digest()[:16]).rstrip(b"=").decode()
    now = int(time.time())
    for claims in ({"aud": ["homerun"]}, {"aud": ["homerun", "other"], "azp": "homerun"}, {"azp": "homerun"},
                   {"at_hash": at_hash}, {"iat": now + 45, "exp": now + 300}):
        provider = lying()
        provider.id_claims = claims
        browser = Browser()
        assert sign_in(browser, provider).status == 200, claims
        assert shown(browser) == "ann@corp.example"


@test
def the_person_is_whom_userinfo_says_and_of_the_same_sub():
    provider = lying()
    provider.userinfo = {**provider.userinfo, "sub": "43"}
    browser = Browser()
    assert sign_in(browser, provider).status == 400
    for wrong in ([], "text", {"email": "ann@corp.example", "email_verified": True}):
        provider = lying()
        provider.userinfo = wrong if isinstance(wrong, dict) else {"sub": 42}
        assert sign_in(Browser(), provider).status == 400, wrong
    assert shown(browser) == ""


@test
def an_e_mail_address_counts_only_if_all_is_well():
    """48"""
    for email, verified, counts in (
            ("ann@corp.example", True, True), ("Ann@CORP.example", True, True),
            ("ann@corp.example", "true", False), ("ann@corp.example", 1, False), ("ann@corp.example", None, False),
            ("ann@corp.example", False, False), ("ann@evil.corp.example", True, False),
            ("ann@evilcorp.example", True, False), ("ann@evil.example@corp.example", True, False),
            ("ann@corp.example.evil", True, False), ("\u0430nn@corp.example", True, False), ("@corp.example", True, False),
            ("ann@", True, False), ("a nn@corp.example", True, False), ("ann@corp.example ", True, False),
            ("user:ann@corp.example", True, False), ("", True, False), (["ann@corp.example"], True, False)):
        provider = lying()
        provider.userinfo = {**provider.userinfo, "email": email, "email_verified": verified}
        browser = Browser()
        assert sign_in(browser, provider).status == 200
        assert (shown(browser) == "ann@corp.example") == counts, (email, verified, shown(browser))


@test
def claims_may_come_in_the_id_token_alone():
    provider = LyingProvider()
    provider.without_userinfo = True
    provider.add_to(stand(), "plain")
    provider.id_claims = {"email": "ann@corp.example", "email_verified": True, "groups": ["staff"]}
    browser = Browser()
    assert sign_in(browser, provider, "plain").status == 200
    assert shown(browser) == "ann@corp.example"
    stand().cli("issuers", "remove", "plain")


@test
def hostile_groups_harm_nobody():
    for groups in ("staff", ["a"] * 500, [1, None, {"x": 1}], {"role": {"id": "x"}}, ["x" * 5000, "a\nb", "\u202e"], 7, None):
        provider = lying()
        provider.userinfo = {**provider.userinfo, "groups": groups}
        browser = Browser()
        assert sign_in(browser, provider).status == 200, groups
        assert shown(browser) == "ann@corp.example"


@test
def keys_may_turn_between_two_sign_ins():
    provider = LyingProvider()
    provider.add_to(stand(), "turning")
    provider.keys = [Key(provider.folder.name, "k2")]
    browser = Browser()
    assert sign_in(browser, provider, "turning").status == 200
    assert shown(browser) == "ann@corp.example"
    stand().cli("issuers", "remove", "turning")


@test
def a_provider_that_is_down_or_wrong_is_a_page_and_no_session():
    """46: a new sign-in; what lives, lives on."""
    alive = Browser()
    assert sign_in(alive, lying()).status == 200
    for path, status, wanted in (("/token", 500, 503), ("/token", 429, 503), ("/token", (200, {}), 400), ("/token", 302, 400),
                                 ("/token", (400, {"error": "invalid_client"}), 400), ("/token", (400, {"error": "invalid_grant"}), 400),
                                 ("/userinfo", 500, 503), ("/userinfo", 401, 400), ("/userinfo", 302, 400)):
        provider = lying()
        provider.status = {path: status}
        browser = Browser()
        page = sign_in(browser, provider)
        assert page.status == wanted, (path, status, page)
        assert (page.headers["retry-after"] is not None) == (wanted == 503)
        assert shown(browser) == ""
    assert shown(alive) == "ann@corp.example"


@test
def a_provider_with_a_wrong_clock_is_named():
    now = int(time.time())
    for claims in ({"iat": now - 700, "exp": now - 300}, {"iat": now + 300, "exp": now + 600}):
        provider = lying()
        provider.id_claims = claims
        browser = Browser()
        page = sign_in(browser, provider)
        assert page.status == 400 and "is not valid at this time" in page.text and "clock" in page.text, page.text
        assert shown(browser) == "" and "set-cookie" not in page.headers


@test
def two_providers_that_speak_for_one_domain():
    """Whoever either signs in under an address is that user; all else is each one's own, and ends with it alone."""
    first, second = lying(), LyingProvider()
    second.add_to(stand(), "second")
    browsers = {}
    for name, provider in (("corp", first), ("second", second)):
        provider.userinfo = {**provider.userinfo, "groups": [name]}
        browsers[name] = Browser()
        page = sign_in(browsers[name], provider, name)
        assert page.status == 200 and shown(browsers[name]) == "ann@corp.example", (name, page)
    # An answer of the one, in the name of the other, is nobody's.
    stranger = Browser()
    lead = begin(stranger)
    answer = second.authorize(lead)
    refused = stranger.ask(answer)
    assert refused.status == 400 and "does not come from the identity provider" in refused.text and shown(stranger) == "", refused
    # The one signs its own Ann out, who has the same subject there, and the other's stays.
    now = int(time.time())
    token = second.keys[-1].sign({"iss": second.issuer, "aud": "homerun", "iat": now, "exp": now + 120, "jti": "two", "sub": "42",
                                  "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, typ="logout+jwt")
    done = Browser().ask(auth("/_homerun/auth/backchannel"), form={"logout_token": token}, Origin=None, Sec_Fetch_Site=None)
    assert done.status == 200 and shown(browsers["second"]) == "" and shown(browsers["corp"]) == "ann@corp.example", done
    assert sign_in(browsers["second"], second, "second").status == 200
    stand().cli("issuers", "remove", "second")
    assert shown(browsers["second"]) == "" and shown(browsers["corp"]) == "ann@corp.example"


@test
def a_provider_that_does_not_answer_keeps_nobody_else_waiting():
    provider = lying()
    provider.hang = {"/token"}
    browser = Browser()
    url = provider.authorize(begin(browser))
    pages = []
    waits = threading.Thread(target=lambda: pages.append(browser.ask(url)))
    waits.start()
    for _ in range(20):
        assert Browser().ask(auth("/")).status == 200
        assert stand().api("GET", "/homerun/v1/issuers").status == 200
    waits.join()
    provider.release.set()
    assert pages[0].status == 503, pages


# ---- what is added ----

@test
def a_provider_is_added_only_if_it_is_what_it_says():
    for what, change, word in (
            ("another issuer", {"issuer": "https://other.example"}, "byte for byte"),
            ("plain http", {"token_endpoint": "http://idp.example/token"}, "token_endpoint"),
            ("no endpoint", {"authorization_endpoint": None}, "authorization_endpoint"),
            ("user info in front", {"jwks_uri": "http://localhost:1@idp.example/"}, "jwks_uri"),
            ("no S256", {"code_challenge_methods_supported": ["plain"]}, "S256"),
            ("no code flow", {"response_types_supported": ["id_token"]}, "code flow")):
        provider = LyingProvider()
        provider.description = change
        said = provider.add_to(stand(), "wrong", status=1).stderr
        assert word in said, (what, said)
    provider = LyingProvider()
    provider.status = {"/.well-known/openid-configuration": 302}
    assert "302" in provider.add_to(stand(), "wrong", status=1).stderr
    provider.status = {"/keys": 500}
    assert "key set" in provider.add_to(stand(), "wrong", status=1).stderr
    said = stand().cli("issuers", "add", "wrong", "--issuer=http://idp.example", "--sign-in", "--client-id=x", status=1).stderr
    assert "https" in said, said
    assert "client-id" in stand().cli("issuers", "add", "wrong", "--issuer=https://idp.example", "--sign-in", status=1).stderr
    assert "wrong" not in stand().cli("issuers", "list").stdout


@test
def the_client_secret_is_shown_to_nobody():
    lying()
    homerun = stand()
    listed = homerun.api("GET", "/homerun/v1/issuers").text
    assert "homerun" in listed and "secret" not in listed.lower(), listed
    for root, _, files in os.walk(homerun.data):
        for name in files:
            with open(os.path.join(root, name), "rb") as file:
                assert b"with %signs" not in file.read(), name
    assert "with %signs" not in homerun.printed()


@test
def who_is_signed_in_by_a_provider_goes_with_it():
    """36: issuer removed; and one of the same name inherits nobody."""
    provider = LyingProvider()
    provider.add_to(stand(), "brief")
    browser = Browser()
    sign_in(browser, provider, "brief")
    assert shown(browser) == "ann@corp.example"
    stand().cli("issuers", "remove", "brief")
    assert shown(browser) == ""
    provider.add_to(stand(), "brief")
    assert shown(browser) == ""
    stand().cli("issuers", "remove", "brief")


# ---- the console ----

def grant_on_project(role, *members):
    """Adds bindings to the project's policy; the policy before."""
    before = stand().api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    before.pop("etag", None)
    bindings = before.get("bindings", []) + [{"role": role, "members": list(members)}] * bool(members)
    assert stand().api("POST", "/v1/projects/demo:setIamPolicy", {"policy": {**before, "bindings": bindings}}).status == 200
    return before


def take_back(policy):
    assert stand().api("POST", "/v1/projects/demo:setIamPolicy", {"policy": policy}).status == 200


SERVICES = "/v2/projects/demo/locations/us-central1/services"


@test
def a_person_of_a_provider_uses_the_console_by_what_policies_give_them():
    provider = lying()
    browser = Browser()
    sign_in(browser, provider)
    last = browser.enter(console("/console/services?project=demo"))
    assert last.status == 200, last
    who = browser.ask(console("/console/session")).json
    assert who["member"] == "user:ann@corp.example", who
    assert browser.ask(console(SERVICES)).status == 403
    stand().cli("groups", "create", "readers@example.com")
    pool = "iam.googleapis.com/locations/global/workforcePools/corp"
    for member in ("user:ann@corp.example", "domain:corp.example", f"principal://{pool}/subject/42", f"principalSet://{pool}/group/staff",
                   f"principalSet://{pool}/*", "group:readers@example.com"):
        if member.startswith("group:"):
            put = stand().api("PUT", "/homerun/v1/groups/readers@example.com", {"members": ["user:ann@corp.example"]})
            assert put.status == 200, put
        before = grant_on_project("roles/run.viewer", member)
        assert browser.ask(console(SERVICES)).status == 200, member
        assert browser.ask(console("/console/session"), "POST", Origin=console(""), X_Homerun_Console="1").status == 400
        take_back(before)
        assert browser.ask(console(SERVICES)).status == 403, member
    for member in ("user:eve@corp.example", f"principal://{pool}/subject/43", f"principalSet://{pool}/group/staf", "domain:example.com",
                   "group:staff@corp.example"):
        before = grant_on_project("roles/run.viewer", member)
        assert browser.ask(console(SERVICES)).status == 403, member
        take_back(before)
    # They are no account of ours: they make no tokens and no links, whatever they hold.
    before = grant_on_project("roles/owner", "user:ann@corp.example")
    change = {"Origin": console(""), "X_Homerun_Console": "1", "Content_Type": "application/json"}
    for path, body in (("/homerun/v1/tokens", {"kind": "access"}), ("/homerun/v1/links", {"purpose": "SIGN_IN"}),
                       ("/homerun/v1/links", {"purpose": "CONSOLE"})):
        answer = browser.ask_json(console(path), body, **change)
        assert answer.status == 403, (path, answer)
    made = browser.ask_json(console("/v1/projects/demo/serviceAccounts"), {"accountId": "by-ann"}, **change)
    assert made.status == 200, made
    for lacking in ("Origin", "X_Homerun_Console", "Content_Type"):
        kept = {name: value for name, value in change.items() if name != lacking}
        assert browser.ask_json(console("/v1/projects/demo/serviceAccounts"), {"accountId": "by-eve"}, **kept).status == 403, lacking
    rows = stand().cli("access", "history", "--project=demo", "--format=json").stdout
    assert "user:ann@corp.example" in rows, rows[-500:]
    take_back(before)


@test
def a_person_of_a_provider_loses_the_console_with_what_the_provider_says():
    provider = lying()
    provider.token_answer = {"refresh_token": "r1"}
    browser = Browser()
    sign_in(browser, provider)
    browser.enter(console())
    pool = "iam.googleapis.com/locations/global/workforcePools/corp"
    before = grant_on_project("roles/run.viewer", f"principalSet://{pool}/group/staff")
    assert browser.ask(console(SERVICES)).status == 200
    provider.token_answer = {"id_token": None}
    provider.userinfo = {**provider.userinfo, "groups": ["others"]}
    stand().cli("issuers", "renew", "corp")
    assert browser.ask(console(SERVICES)).status == 403
    provider.userinfo = {**provider.userinfo, "groups": ["staff"], "email_verified": False}
    stand().cli("issuers", "renew", "corp")
    assert browser.ask(console(SERVICES)).status == 200
    assert browser.ask(console("/console/session")).json["member"] == f"principal://{pool}/subject/42"
    assert logout(provider)[1].status == 200
    assert browser.ask(console(SERVICES)).status == 401
    take_back(before)


# ---- back-channel sign-out ----

EVENT = {"http://schemas.openid.net/event/backchannel-logout": {}}


def logout(provider, key=None, head=None, **changed):
    now = int(time.time())
    claims = {"iss": provider.issuer, "aud": "homerun", "sub": "42", "iat": now, "exp": now + 120,
              "jti": f"j{time.monotonic_ns()}", "events": EVENT, **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    token = (key or provider.keys[-1]).sign(claims, **{"typ": "logout+jwt", **(head or {})})
    return token, Browser().ask(auth("/_homerun/auth/backchannel"), form={"logout_token": token},
                                Origin=None, Sec_Fetch_Site=None)


@test
def a_logout_token_ends_by_sub_and_by_sid():
    """44"""
    provider = lying()
    provider.id_claims = {"sid": "s1"}
    one, two = Browser(), Browser()
    sign_in(one, provider)
    provider.id_claims = {"sid": "s2"}
    sign_in(two, provider)
    _, answer = logout(provider, sub=None, sid="s1")
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store", answer
    assert shown(one) == "" and shown(two) == "ann@corp.example"
    assert logout(provider, sub="43")[1].status == 200
    assert shown(two) == "ann@corp.example"
    assert logout(provider)[1].status == 200
    assert shown(two) == ""


@test
def a_logout_token_that_is_none_ends_nothing():
    """45"""
    provider = lying()
    browser = Browser()
    sign_in(browser, provider)
    now = int(time.time())
    for what, changed, head in (
            ("nonce", {"nonce": "n"}, {}), ("empty nonce", {"nonce": ""}, {}), ("aud", {"aud": "other"}, {}), ("no event", {"events": None}, {}),
            ("event of another kind", {"events": {"x": {}}}, {}), ("event no object", {"events": {next(iter(EVENT)): True}}, {}),
            ("no jti", {"jti": None}, {}), ("nobody", {"sub": None}, {}), ("old", {"iat": now - 600}, {}),
            ("over", {"iat": now - 100, "exp": now - 60}, {}), ("iss", {"iss": "https://evil.example"}, {}),
            ("alg none", {}, {"alg": "none"}), ("HS256", {}, {"alg": "HS256"}), ("typ", {}, {"typ": "at+jwt"}), ("no exp", {"exp": None}, {})):
        _, answer = logout(provider, head=head, **changed)
        assert answer.status == 400 and answer.json["error"] == "invalid_request", (what, answer)
        assert shown(browser) == "ann@corp.example", what
    stranger = Key(provider.folder.name, "s")
    stranger.kid = provider.keys[-1].kid
    assert logout(provider, key=stranger)[1].status == 400
    # An ID token is no logout token, nor is one that was used.
    used, answer = logout(provider, sub="somebody-else")
    assert answer.status == 200
    for token in (used, provider.id_token(nonce="n"), "", "x"):
        answer = Browser().ask(auth("/_homerun/auth/backchannel"), form={"logout_token": token})
        assert answer.status == 400, (token, answer)
    assert shown(browser) == "ann@corp.example"


# ---- renewal ----

@test
def a_refresh_that_is_refused_ends_it_and_one_that_fails_does_not():
    """47"""
    provider = lying()
    provider.token_answer = {"refresh_token": "r1"}
    browser = Browser()
    sign_in(browser, provider)
    provider.asked.clear()
    provider.token_answer = {"id_token": None}
    stand().cli("issuers", "renew", "corp")
    asked = [one[2] for one in provider.asked if one[0] == "/token"]
    assert {"grant_type": "refresh_token", "refresh_token": "r1"} in asked, asked
    assert shown(browser) == "ann@corp.example"
    for status in (500, (400, {"error": "temporarily_unavailable"})):
        provider.status = {"/token": status}
        stand().cli("issuers", "renew", "corp")
        assert shown(browser) == "ann@corp.example", status
    provider.status = {"/token": (400, {"error": "invalid_grant"})}
    stand().cli("issuers", "renew", "corp")
    assert shown(browser) == ""


@test
def a_renewal_brings_what_the_provider_says_now_and_of_nobody_else():
    provider = lying()
    provider.token_answer = {"refresh_token": "r1"}
    browser = Browser()
    sign_in(browser, provider)
    provider.token_answer = {"id_token": None, "refresh_token": "r2"}
    provider.userinfo = {**provider.userinfo, "email_verified": False}
    stand().cli("issuers", "renew", "corp")
    assert shown(browser) == "42 (corp)"
    provider.userinfo = {**provider.userinfo, "email_verified": True, "sub": "43"}
    stand().cli("issuers", "renew", "corp")
    assert shown(browser) == "42 (corp)", "somebody else's UserInfo was taken"
    asked = [one[2].get("refresh_token") for one in provider.asked if one[0] == "/token"]
    assert asked[-1] == "r2", asked


@test
def a_restart_keeps_who_is_signed_in_by_a_provider():
    provider = lying()
    provider.token_answer = {"refresh_token": "r1"}
    browser = Browser()
    sign_in(browser, provider)
    stand().restart()
    assert shown(browser) == "ann@corp.example"
    provider.token_answer = {"id_token": None}
    stand().cli("issuers", "renew", "corp")
    assert shown(browser) == "ann@corp.example"


if __name__ == "__main__":
    main()
