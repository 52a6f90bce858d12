#!/usr/bin/env python3
"""The door of a service, by rows of the truth table of identity-aware access: tokens, headers, cookies."""
from door_stand import NAVIGATION, SESSION, SSO, decode, door, host_of
from gate_stand import bearer, special, strip
from homerun import main, test

EMPTY = "Invalid IAP credentials: empty token"


@test
def rows_1_to_3_without_a_door_nothing_is_different():
    s = door()
    person = s.invite("p")
    cookie = s.by_cookie(person)
    for headers in (NAVIGATION, (*NAVIGATION, cookie)):
        answer = s.ask("plain", *headers)
        assert answer.status == 403 and "x-goog-iap-generated-response" not in answer.headers, answer
        assert "location" not in answer.headers and "set-cookie" not in answer.headers
    seen = s.passed("public", cookie, ("X-Goog-IAP-JWT-Assertion", "forged"), ("X-Goog-Anything", "kept"))
    assert seen["x-goog-iap-jwt-assertion"] is None and seen["cookie"] is None
    assert seen["x-goog-anything"] == "kept"
    s.passed("public", path="/_homerun/auth/x")
    s.passed("public", path="/?gcp-iap-mode=IDENTITY")


@test
def rows_4_to_8_the_check_behind_the_door_judges_its_agent():
    s = door()
    token = s.token("p", "shut")
    answer = s.ask("shut", bearer(token))
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
    answer = s.ask("shut", *NAVIGATION)
    assert answer.status == 302, answer
    s.allow("shut", [])


if __name__ == "__main__":
    main()
