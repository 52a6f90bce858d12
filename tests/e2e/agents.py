#!/usr/bin/env python3
"""Agents at private services: discovery, registration, consent, tokens, and the end of all that.

Numbers are rows of the truth table of identity-aware access; C12 and S10 are rules of docs/access.md.
"""
from agents_stand import Agent, b64, claims_of, house
from homerun import main, test
from signin_stand import Browser, next_url, parts_of


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


if __name__ == "__main__":
    main()
