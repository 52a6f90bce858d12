#!/usr/bin/env python3
"""Agents at private services: discovery, registration, consent, tokens, and the end of all that.

Numbers are rows of the truth table of identity-aware access; C12 and S10 are rules of docs/access.md.
"""
import base64
import json
import tempfile

from agents_stand import CALLBACK, Agent, b64, claims_of, house
from homerun import main, test
from idp_stand import LyingProvider
from signin_stand import Browser, next_url, parts_of, run_in_browser


@test
def what_there_is_says_itself_and_the_issuer_is_one_text_everywhere():
    h = house()
    refused = h.ask(h.url("one", "/mcp"), "POST", "{}")
    where = refused.headers["www-authenticate"].split('resource_metadata="')[1].split('"')[0]
    assert refused.status == 401 and where == h.url("one", "/.well-known/oauth-protected-resource/mcp"), refused.headers
    resource = h.ask(where).json
    assert resource["resource"] == h.url("one", "/mcp") and resource["authorization_servers"] == [h.auth], resource
    assert "offline_access" not in resource["scopes_supported"]
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        answer = h.ask(h.auth + path, mcp_protocol_version="2025-11-25")
        assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "*", answer
        told = answer.json
        assert told["issuer"] == h.auth and not told["issuer"].endswith("/")
        assert told["code_challenge_methods_supported"] == ["S256"] and told["response_types_supported"] == ["code"]
        assert told["token_endpoint_auth_methods_supported"] == ["none"]
        assert told["authorization_response_iss_parameter_supported"] is True
        assert all(told[name].startswith(h.auth + "/") for name in told if name.endswith("_endpoint") or name == "jwks_uri")
        assert h.ask(told["jwks_uri"]).json["keys"]
    for path in ("/register", "/token", "/revoke"):
        asked = h.ask(h.auth + path, "OPTIONS", Origin="https://inspector.example", Access_Control_Request_Method="POST")
        assert asked.status == 204 and asked.headers["access-control-allow-origin"] == "*", asked


@test
def a_person_lets_an_agent_in_and_it_comes_in_their_name():
    """62: at that host, and nowhere else."""
    h, ann, agent = house(), house().browser(), Agent()
    answer = agent.redeem(agent.consent(ann, path="/mcp"), resource=h.url("one", "/mcp"))
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store", answer
    tokens = answer.json
    assert tokens["token_type"] == "Bearer" and tokens["expires_in"] == 600 and tokens["scope"] == "openid email"
    head, claims = claims_of(tokens["access_token"])
    assert head["typ"] == "at+jwt" and claims["iss"] == h.auth and claims["aud"] == [h.url("one", "/mcp")], claims
    assert claims["client_id"] == agent.client and claims["exp"] - claims["iat"] == 600 and claims["sid"], claims
    seen = h.call(tokens["access_token"], path="/mcp", method="POST")
    assert seen.status == 200, seen
    got = {name.lower(): value for name, value in seen.json["headers"]}
    assert got["x-goog-authenticated-user-email"] == "accounts.google.com:ann@example.com", got
    assert "authorization" not in got, got
    _, person = claims_of(got["x-goog-iap-jwt-assertion"])
    assert person["email"] == "ann@example.com", person
    other = h.call(tokens["access_token"], "two")
    assert other.status == 401 and 'error="invalid_token"' in other.headers["www-authenticate"], other
    assert h.call(tokens["access_token"], "three").status == 401
    assert h.homerun.api("GET", "/v2/projects/demo/locations/us-central1/services", token=tokens["access_token"]).status == 401


@test
def who_is_not_signed_in_signs_in_first_and_comes_back_to_the_question():
    h, agent, ann = house(), Agent(), Browser(house().homerun)
    page = ann.ask(agent.authorize_url())
    assert page.status == 200 and "homerun login" in page.text and h.url("one").split("//")[1].split(":")[0] in page.text, page
    lead = ann.sign_in(h.homerun.cli("invite", "ann@example.com").stdout.strip())
    question = ann.ask(next_url(lead))
    assert "Let this program in?" in question.text and "ann@" in question.text, question
    code = parts_of(agent.answer(ann, question).headers["location"])["code"]
    assert agent.redeem(code).status == 200


@test
def a_no_goes_back_as_a_no():
    h, agent = house(), Agent()
    ann = h.browser()
    page = ann.ask(agent.authorize_url())
    back = agent.answer(ann, page, "deny").headers["location"]
    assert parts_of(back) == {"error": "access_denied", "state": agent.state, "iss": h.auth}, back
    assert agent.answer(ann, page).status == 400  # and the question is over


# ---- what is registered ----

@test
def a_browser_is_sent_to_no_other_kind_of_place():
    """75"""
    h = house()
    for uri in ("http://evil/cb", "javascript:alert(1)", "com.example.app:/cb", "https://user@app.example/cb", "http://127.0.0.1.evil.example/cb",
                "https://app.example/cb#x", h.auth + "/authorize", "", None, 5):
        answer = h.register(redirect_uris=[uri])
        assert answer.status in (400, 429), (uri, answer)
        if answer.status == 429:
            h.forget_rates()
            answer = h.register(redirect_uris=[uri])
        assert answer.status == 400 and answer.json["error"] == "invalid_redirect_uri", (uri, answer)
    h.forget_rates()
    for uris in ([], "http://127.0.0.1/cb", [CALLBACK] * 11, ["https://app.example/" + "x" * 2000]):
        assert h.register(redirect_uris=uris).json["error"] == "invalid_redirect_uri", uris
    assert h.register(grant_types=["client_credentials"]).json["error"] == "invalid_client_metadata"
    huge = h.register(client_name="x" * 100_000)
    assert huge.status in (400, 413), huge
    h.forget_rates()


@test
def the_eleventh_registration_of_a_minute_waits():
    """75"""
    h = house()
    h.forget_rates()
    answers = [h.register().status for _ in range(11)]
    assert answers == [201] * 10 + [429], answers
    assert h.register().json["error"] == "temporarily_unavailable"
    h.forget_rates()


@test
def a_name_is_shown_as_text_and_as_unverified():
    h, ann = house(), house().browser()
    for name, shown in (("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"), ('"><img src=x onerror=y>', "&gt;&lt;img src=x"),
                        ("A" * 500, "A" * 64 + "”"), ("Homerun\u202e\u200b admin", "“Homerun admin”")):
        agent = Agent(client_name=name)
        page = ann.ask(agent.authorize_url())
        assert page.status == 200 and shown in page.text and "Nobody has checked that name" in page.text, page.text
        assert "<script" not in page.text and "<img" not in page.text, page.text
    page = ann.ask(Agent(client_name="x", redirect_uris=["https://app.example/cb"]).authorize_url())
    assert "app.example" in page.text and h.url("one") in page.text and "ann@" in page.text, page.text


# ---- what is asked for ----

@test
def nobody_is_sent_to_an_address_that_was_not_registered():
    """71"""
    ann, agent = house().browser(), Agent()
    for uri in ("https://evil.example/cb", "http://127.0.0.1:9/other", "http://localhost:9/callback", "http://127.0.0.1:9@evil.example/callback",
                "http://127.0.0.1:9/callback?x=y", "//evil.example", "", None, ["http://127.0.0.1:9/callback", "https://evil.example/cb"]):
        for browser in (ann, Browser(house().homerun)):
            answer = browser.ask(agent.authorize_url(redirect_uri=uri))
            assert answer.status == 400 and "location" not in answer.headers and "refresh" not in answer.text, (uri, answer)
            assert "another address" in answer.text
    for client in ("nobody", "", None, "x" * 43, [agent.client, agent.client]):
        answer = ann.ask(agent.authorize_url(client_id=client))
        assert answer.status == 400 and "location" not in answer.headers and "not registered" in answer.text, (client, answer)
    other_port = agent.consent(ann, redirect_uri="http://127.0.0.1:51234/callback")
    assert agent.redeem(other_port, redirect_uri="http://127.0.0.1:51234/callback").status == 200


@test
def what_is_asked_for_wrongly_is_told_to_a_program_here_and_to_the_person_else():
    """72"""
    h, ann, agent, far = house(), house().browser(), Agent(), Agent(redirect_uris=["https://app.example/cb?a=b"])
    one = h.url("one")
    port = one.rsplit(":", 1)[1]
    for error, changes in (
            ("invalid_target", {"resource": None}), ("invalid_target", {"resource": "https://elsewhere.example"}),
            ("invalid_target", {"resource": h.url("three")}), ("invalid_target", {"resource": h.auth}),
            ("invalid_target", {"resource": one + "?x=y"}), ("invalid_target", {"resource": one + "#x"}),
            ("invalid_target", {"resource": one.replace("https", "http")}), ("invalid_target", {"resource": one.replace(port, "1")}),
            ("invalid_target", {"resource": one.replace("//", "//user@")}), ("invalid_target", {"resource": [one, h.url("two")]}),
            ("invalid_request", {"code_challenge": None}), ("invalid_request", {"code_challenge": "short"}),
            ("invalid_request", {"code_challenge_method": "plain"}), ("invalid_request", {"code_challenge_method": None}),
            ("invalid_request", {"code_challenge": [b64(b"x" * 32), b64(b"y" * 32)]}), ("invalid_request", {"state": "x" * 3000}),
            ("invalid_request", {"request": "eyJ"}), ("unsupported_response_type", {"response_type": "token"}),
            ("unsupported_response_type", {"response_type": None}), ("unsupported_response_type", {"response_mode": "form_post"}),
            ("consent_required", {"prompt": "none"})):
        answer = ann.ask(agent.authorize_url(**changes))
        assert answer.status == 302 and answer.headers["location"].startswith(CALLBACK + "?"), (changes, answer)
        told = parts_of(answer.headers["location"])
        assert told["error"] == error and told["iss"] == h.auth and told.get("state", agent.state) == agent.state, (changes, told)
        page = ann.ask(far.authorize_url(**changes))
        assert page.status == 400 and "location" not in page.headers and "http-equiv" not in page.text, (changes, page)
        assert error in page.text and "https://app.example/cb?a=b&amp;error=" + error in page.text, page.text


@test
def a_stranger_is_not_told_which_hosts_have_a_door():
    h, agent = house(), Agent()
    port = h.url("one").rsplit(":", 1)[1]

    def shown(url):
        page = Browser(h.homerun).ask(agent.authorize_url(resource=url))
        host = url.split("//")[1].split("/")[0].rsplit(":", 1)[0]
        return page.status, sorted(page.headers.keys()), page.text.replace(host, "HOST")

    behind_a_door = shown(h.url("one"))
    assert behind_a_door[0] == 200 and "homerun login" in behind_a_door[2], behind_a_door
    for url in (h.url("three"), h.url("one").replace("one-", "none-"), f"https://elsewhere.example:{port}", h.url("two", "/mcp")):
        assert shown(url) == behind_a_door, url
    # Who has signed in is told.
    told = parts_of(next_url(h.browser().ask(agent.authorize_url("three"))))
    assert told["error"] == "invalid_target", told


@test
def only_the_person_who_is_asked_answers():
    """76"""
    h, ann, quin, agent = house(), house().browser(), house().browser("quin"), Agent()
    page = ann.ask(agent.authorize_url())
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and page.headers["x-frame-options"] == "DENY", page.headers
    assert "form-action 'self' http://127.0.0.1:9;" in policy and "script" not in policy, policy
    for lacking in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "none"},
                    {"Sec_Fetch_Site": None, "Origin": h.url("one")}, {"Sec_Fetch_Site": None, "Origin": "null"},
                    {"Sec_Fetch_Site": None, "Origin": None}):
        answer = agent.answer(ann, page, **lacking)
        assert answer.status == 403 and "location" not in answer.headers, (lacking, answer)
    # Another person's browser, and nobody's. Of those who were asked, the first answer counts.
    for browser in (quin, Browser(h.homerun)):
        answer = agent.answer(browser, page)
        assert answer.status == 400 and "location" not in answer.headers, answer
    shown = quin.ask(h.auth + "/authorize?r=" + page.text.split('name="r" value="')[1].split('"')[0])
    assert "quin@" in shown.text
    assert agent.answer(quin, page).status == 303
    assert agent.answer(ann, page).status == 400
    assert ann.ask(h.auth + "/authorize?r=" + page.text.split('name="r" value="')[1].split('"')[0]).status == 400


# ---- codes ----

@test
def a_code_is_of_one_client_one_address_and_one_verifier():
    """73"""
    h, ann, agent, other = house(), house().browser(), Agent(), Agent(new=True)
    for changes in ({"client_id": other.client}, {"code_verifier": b64(b"x" * 48)}, {"code_verifier": None}, {"code_verifier": "short"},
                    {"redirect_uri": "http://127.0.0.1:10/callback"}, {"redirect_uri": None}, {"code": "x" * 43}, {"code": None}):
        code = agent.consent(ann)
        answer = agent.redeem(**{"code": code, **changes})
        assert answer.status == 400 and answer.json["error"] == "invalid_grant", (changes, answer)
        if "code" not in changes:
            assert agent.redeem(code).status == 400, "a code that was shown once is burnt"
    for changes, error in (({"client_id": "x" * 43}, "invalid_client"), ({"client_id": None}, "invalid_request"),
                           ({"grant_type": None}, "invalid_request"), ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
                           ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type")):
        assert agent.redeem("x" * 43, **changes).json["error"] == error, changes
    answer = agent.redeem(agent.consent(ann), resource=h.url("two"))
    assert answer.status == 400 and answer.json["error"] == "invalid_target", answer


@test
def a_code_that_comes_twice_ends_what_it_gave():
    """73, S10"""
    h, ann, agent = house(), house().browser(), Agent()
    code = agent.consent(ann)
    tokens = agent.redeem(code).json
    assert h.call(tokens["access_token"]).status == 200
    assert agent.redeem(code).json["error"] == "invalid_grant"
    assert h.call(tokens["access_token"]).status == 401
    assert agent.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


# ---- tokens ----

@test
def a_refresh_token_counts_once_and_a_second_use_ends_the_family():
    """74, S10"""
    h, ann, agent = house(), house().browser(), Agent()
    first = agent.tokens(ann)
    assert agent.refresh(first["refresh_token"], resource=h.url("two")).json["error"] == "invalid_target"
    assert agent.refresh(first["refresh_token"], client_id=Agent(new=True).client).json["error"] == "invalid_grant"
    second = agent.refresh(first["refresh_token"], resource=h.url("one")).json
    assert second["refresh_token"] != first["refresh_token"]
    assert h.call(first["access_token"]).status == h.call(second["access_token"]).status == 200
    assert agent.refresh(first["refresh_token"]).json["error"] == "invalid_grant"
    assert agent.refresh(second["refresh_token"]).json["error"] == "invalid_grant"
    for tokens in (first, second):
        assert h.call(tokens["access_token"]).status == 401
    for text in ("", "x", "x" * 87, first["refresh_token"] * 100, first["access_token"]):
        assert agent.refresh(text).json["error"] == "invalid_grant", text


@test
def every_end_is_one_at_the_next_request():
    """63, S10, P1"""
    h = house()
    agent = Agent()

    def ended_by(what, person="ann"):
        browser = h.browser(person)
        tokens = agent.tokens(browser)
        assert h.call(tokens["access_token"]).status == 200
        what(browser, tokens)
        answer = h.call(tokens["access_token"])
        assert answer.status == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"], answer
        assert "x-goog-iap-generated-response" in answer.headers, answer.headers
        assert agent.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"

    def by_the_home_page(browser, tokens):
        page = browser.ask(h.auth + "/")
        assert "Programs that you have let in" in page.text and h.url("one") in page.text, page.text
        digits = base64.urlsafe_b64decode(claims_of(tokens["access_token"])[1]["sid"] + "=").hex()
        assert f'name="agent" value="{digits}"' in page.text, page.text
        quin = h.browser("quin")
        assert digits not in quin.ask(h.auth + "/").text
        quin.ask(h.auth + "/_homerun/auth/agents", form={"agent": digits})
        browser.ask(h.auth + "/_homerun/auth/agents", form={"agent": digits}, Sec_Fetch_Site="cross-site")
        assert h.call(tokens["access_token"]).status == 200, "not theirs to end"
        assert browser.ask(h.auth + "/_homerun/auth/agents", form={"agent": digits}).status == 303
        assert digits not in browser.ask(h.auth + "/").text

    def by_itself(browser, tokens):
        assert agent.revoke(tokens["refresh_token"], client_id=Agent(new=True).client).status == 200
        assert agent.revoke("x").status == 200
        assert h.call(tokens["access_token"]).status == 200, "not theirs to end"
        assert agent.revoke(tokens["refresh_token"]).status == 200

    ended_by(by_the_home_page)
    ended_by(by_itself)
    ended_by(lambda browser, tokens: agent.revoke(tokens["access_token"]))
    ended_by(lambda browser, tokens: browser.ask(h.auth + "/_homerun/auth/signout", form={}))
    ended_by(lambda browser, tokens: h.homerun.cli("signout", "ann@example.com"))
    # A grant at the door that is gone: 403 as for the person, and nothing that sends clients in circles.
    tokens = agent.tokens(h.browser())
    h.let_in("one", ["user:quin@example.com"])
    try:
        answer = h.call(tokens["access_token"])
        assert answer.status == 403 and "www-authenticate" not in answer.headers, answer
    finally:
        h.let_in("one", ["user:ann@example.com"])
    assert h.call(tokens["access_token"]).status == 200
    # And with a door that is gone there is nobody to believe the token.
    path = "/v2/projects/demo/locations/us-central1/services/one?updateMask=iapEnabled"
    assert h.homerun.api("PATCH", path, {"iapEnabled": False}).status == 200
    try:
        assert h.call(tokens["access_token"]).status == 401
    finally:
        assert h.homerun.api("PATCH", path, {"iapEnabled": True}).status == 200


@test
def people_of_a_provider_let_agents_in_and_lose_them_with_what_it_says():
    h, agent = house(), Agent()
    provider = LyingProvider()
    provider.add_to(h.homerun)
    provider.token_answer = {"refresh_token": "r1"}
    browser = Browser(h.homerun)
    browser.ask(provider.authorize(browser.ask(h.auth + "/_homerun/auth/provider/corp").headers["location"]))
    h.let_in("one", ["user:ann@example.com", "principalSet://iam.googleapis.com/locations/global/workforcePools/corp/group/staff"])
    tokens = agent.tokens(browser)
    assert h.call(tokens["access_token"]).status == 200
    seen = {name: value for name, value in h.call(tokens["access_token"]).json["headers"]}
    assert seen["x-goog-authenticated-user-id"].endswith(":42"), seen
    provider.token_answer = {"id_token": None}
    provider.userinfo = {**provider.userinfo, "groups": ["others"]}
    h.homerun.cli("issuers", "renew", "corp")
    assert h.call(tokens["access_token"]).status == 403
    provider.userinfo = {**provider.userinfo, "groups": ["staff"]}
    h.homerun.cli("issuers", "renew", "corp")
    assert h.call(tokens["access_token"]).status == 200
    tokens = agent.refresh(tokens["refresh_token"]).json
    assert h.call(tokens["access_token"]).status == 200
    h.homerun.cli("issuers", "remove", "corp")
    assert h.call(tokens["access_token"]).status == 401
    assert agent.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    h.let_in("one", ["user:ann@example.com"])


@test
def whoever_renews_in_a_loop_waits_and_loses_nothing():
    h, ann, agent = house(), house().browser(), Agent()
    tokens = agent.tokens(ann)
    for _ in range(10):
        tokens = agent.refresh(tokens["refresh_token"]).json
    before = h.changes()
    for _ in range(20):
        answer = agent.refresh(tokens["refresh_token"])
        assert answer.status == 429 and answer.json["error"] == "temporarily_unavailable", answer
        assert answer.headers["retry-after"] == "60", answer.headers
    assert h.changes() == before, "nothing is written"
    assert h.call(tokens["access_token"]).status == 200
    h.edit_record("UPDATE document SET body = json_set(body, '$.agent.minuteUs', json_extract(body, '$.agent.minuteUs') - 60000000) "
                  "WHERE kind = 'session' AND json_extract(body, '$.agent.minuteUs') IS NOT NULL")
    assert agent.refresh(tokens["refresh_token"]).status == 200
    assert agent.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant", "used twice is noticed as ever"


@test
def where_a_provider_gives_no_refresh_token_an_agent_has_an_hour_and_is_told_to_ask_again():
    h, agent = house(), Agent()
    provider = LyingProvider()
    provider.add_to(h.homerun, "hourly")
    browser = Browser(h.homerun)
    browser.ask(provider.authorize(browser.ask(h.auth + "/_homerun/auth/provider/hourly").headers["location"]))
    h.let_in("one", ["user:ann@example.com", "domain:corp.example"])
    tokens = agent.tokens(browser)
    assert h.call(tokens["access_token"]).status == 200
    assert agent.refresh(tokens["refresh_token"]).json["refresh_token"]
    # As if the hour were over.
    h.edit_record("UPDATE document SET body = json_set(body, '$.expireUs', json_extract(body, '$.signedInUs') - 1) "
                  "WHERE kind = 'session' AND json_extract(body, '$.provider') = 'issuers/hourly'")
    answer = h.call(tokens["access_token"])
    assert answer.status == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"], answer
    answer = agent.refresh(tokens["refresh_token"])
    assert answer.json["error"] == "invalid_grant" and "lasts an hour" in answer.text and "Begin again" in answer.text, answer
    # It asks again, and its person is not even asked to sign in: their provider still knows them.
    silent = browser.ask(agent.authorize_url())
    assert silent.status == 302 and "prompt=none" in silent.headers["location"], silent
    back = browser.ask(provider.authorize(silent.headers["location"]))
    page = browser.go_on(back)
    assert "Let this program in?" in page.text, page
    tokens = agent.redeem(parts_of(agent.answer(browser, page).headers["location"])["code"]).json
    assert h.call(tokens["access_token"]).status == 200
    h.homerun.cli("issuers", "remove", "hourly")
    h.let_in("one", ["user:ann@example.com"])


@test
def nothing_else_passes_for_an_agents_token():
    """C12: only what the auth host has signed of that kind; and no cookie is one."""
    h, ann, agent = house(), house().browser(), Agent()
    tokens = agent.tokens(ann)
    _, claims = claims_of(tokens["access_token"])
    # A token that its session would have as a cookie.
    family, ticket = tokens["refresh_token"].split(".")
    for value in (claims["sid"], family, ticket, "agent " + family, tokens["refresh_token"]):
        answer = h.ask(h.url("one"), Cookie=f"__Host-homerun_session={value}", Accept="text/html")
        assert answer.status == 302, (value, answer)
        answer = h.ask(h.auth + "/", Cookie=f"__Host-homerun_sso={value}", Accept="text/html")
        assert "You are signed in" not in answer.text
    # A service account that signs what the auth host would.
    email = "signer@demo.iam.gserviceaccount.com"
    h.homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "signer"})
    for claim in ({"iss": email, "sub": email}, {"iss": h.auth, "sub": claims["sub"]}, {"iss": email, "sub": email, "homerun_use": "agent"}):
        forged = {**claims, "aud": [h.url("one") + "/"], **claim}
        signed = h.homerun.api("POST", f"/v1/projects/-/serviceAccounts/{email}:signJwt", {"payload": json.dumps(forged)})
        if signed.status == 200:
            answer = h.call(signed.json["signedJwt"])
            assert answer.status in (401, 403), (claim, answer)
    # One character of the signature, and none at all.
    head, payload, signature = tokens["access_token"].split(".")
    for text in (f"{head}.{payload}.{signature[:-8]}AAAAAAAA", f"{head}.{payload}.", tokens["access_token"] + "x"):
        assert h.call(text).status == 401, text
    assert h.call(tokens["access_token"]).status == 200


@test
def signing_in_anew_keeps_what_one_has_given_and_another_person_does_not():
    h, ann, agent = house(), house().browser(), Agent()
    tokens = agent.tokens(ann)
    ann.sign_in(h.homerun.cli("invite", "ann@example.com").stdout.strip())
    assert h.call(tokens["access_token"]).status == 200
    tokens = agent.refresh(tokens["refresh_token"]).json
    assert h.call(tokens["access_token"]).status == 200
    assert "Programs that you have let in" in ann.ask(h.auth + "/").text
    ann.sign_in(h.homerun.cli("invite", "quin@example.com").stdout.strip())
    assert h.call(tokens["access_token"]).status == 401
    assert "Programs that you have let in" not in ann.ask(h.auth + "/").text
    ann.sign_in(h.homerun.cli("invite", "ann@example.com").stdout.strip())
    tokens = agent.tokens(ann)
    ann.sign_in(h.homerun.cli("invite", "ann@example.com").stdout.strip())
    assert h.call(tokens["access_token"]).status == 200
    ann.ask(h.auth + "/_homerun/auth/signout", form={})
    assert h.call(tokens["access_token"]).status == 401


@test
def who_is_not_let_in_is_forgotten_after_a_day_and_makes_room():
    h, ann, used, unused = house(), house().browser(), Agent(new=True), Agent(new=True)
    tokens = used.tokens(ann)
    h.forget_rates()
    day = "json_extract(body, '$.madeUs') - 90000000000"
    house().edit_record(f"UPDATE document SET body = json_set(body, '$.madeUs', {day}) WHERE kind = 'agent-client'")
    page = ann.ask(unused.authorize_url())
    assert page.status == 400 and "not registered" in page.text, page.text
    assert ann.ask(used.authorize_url()).status == 200
    assert used.refresh(tokens["refresh_token"]).status == 200
    # A thousand that have registered just now: who comes next waits, until those had ten minutes.
    now = "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
    many = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO document (kind, key, version, body) "
            f"SELECT 'agent-client', 'clients/' || printf('%043d', i), 1, json_object('name', 'x', 'redirects', json_array(), 'madeUs', {now}) FROM n")
    house().edit_record(many)
    full = h.register()
    assert full.status == 429 and full.json["error"] == "temporarily_unavailable" and "most that are kept" in full.text, full
    assert ann.ask(used.authorize_url()).status == 200
    house().edit_record("UPDATE document SET body = json_set(body, '$.madeUs', json_extract(body, '$.madeUs') - 660000000) "
                "WHERE kind = 'agent-client' AND json_extract(body, '$.name') = 'x'")
    assert h.register().status == 201
    house().edit_record("DELETE FROM document WHERE kind = 'agent-client' AND json_extract(body, '$.name') = 'x'")


@test
def a_door_that_wants_a_fresh_sign_in_wants_it_of_agents_too():
    h, ann, agent = house(), house().browser(), Agent()
    tokens = agent.tokens(ann, "two")
    settings = h.door_of("two") + ":iapSettings"
    assert h.homerun.api("PATCH", settings, {"accessSettings": {"reauthSettings": {"method": "LOGIN", "maxAge": "300s"}}}).status == 200
    try:
        assert h.call(tokens["access_token"], "two").status == 200
        # As if the sign-in had been an hour ago.
        house().edit_record("UPDATE document SET body = json_set(body, '$.signedInUs', json_extract(body, '$.signedInUs') - 3600000000) "
                    "WHERE kind = 'session'")
        answer = h.call(tokens["access_token"], "two")
        assert answer.status == 401 and "sign in anew" in answer.text, answer
        assert "agent of ann@example.com" in explained(tokens["access_token"], "two") and "fresh sign-in" in explained(tokens["access_token"], "two")
        page = ann.ask(agent.authorize_url("two"))
        assert page.status == 200 and "It was too long ago" in page.text, page.text
        lead = ann.sign_in(h.homerun.cli("invite", "ann@example.com").stdout.strip())
        code = parts_of(agent.answer(ann, ann.ask(next_url(lead))).headers["location"])["code"]
        assert h.call(agent.redeem(code).json["access_token"], "two").status == 200
        assert h.call(tokens["access_token"], "two").status == 200, "the sign-in is fresh, for what hangs on it too"
    finally:
        h.homerun.api("PATCH", settings, {})


def explained(token, service="one"):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(token)
        file.flush()
        return house().homerun.cli("access", "explain", service, f"--token-file={file.name}").stdout


@test
def an_agent_is_explained():
    h, ann = house(), house().browser()
    agent = Agent(client_name="Explained")
    tokens = agent.tokens(ann)
    assert f"agent of ann@example.com by “Explained” (client {agent.client}), for {h.url('one')}" in explained(tokens["access_token"])
    assert "it counts at that host alone" in explained(tokens["access_token"], "two")
    assert "services with a door (IAP) alone" in explained(tokens["access_token"], "three")
    agent.revoke(tokens["access_token"])
    assert "has ended what the agent may" in explained(tokens["access_token"]), explained(tokens["access_token"])
    # What was refused is explained from what the log has of it.
    head, payload, signature = tokens["access_token"].split(".")
    for token, words in ((tokens["access_token"], "has ended what the agent may"), (f"{head}.{payload}.{signature[:-8]}AAAAAAAA", "cannot be believed")):
        said = h.homerun.cli("access", "explain", h.call(token).headers["homerun-denial"]).stdout
        assert "“Explained”" in said and words in said and "would be let in now" not in said, said


@test
def what_was_done_is_in_the_history():
    h, agent = house(), Agent()
    tokens = agent.tokens(h.browser("olga"))
    h.let_in("one", ["user:ann@example.com"])
    agent.revoke(tokens["access_token"])
    organization = h.homerun.api("GET", "/v1/projects/demo").json["parent"]["id"]
    rows = h.homerun.cli("access", "history", f"--organization={organization}", "--format=json").stdout
    assert "let-agent-in" in rows and "end-agent-by-itself" in rows and "register-agent" in rows, rows[:2000]
    for secret in tokens["refresh_token"].split("."):
        assert secret not in rows


@test
def in_a_browser():
    near, far = Agent(redirect_uris=["http://127.0.0.1/callback"]), Agent(redirect_uris=["https://app.example/cb"])
    near.state = far.state = "s1"
    run_in_browser("agents.mjs", house().homerun, AGENT_URL=near.authorize_url(redirect_uri="http://127.0.0.1:PORT/callback"),
                   AGENT_FAR_URL=far.authorize_url())


if __name__ == "__main__":
    main()
