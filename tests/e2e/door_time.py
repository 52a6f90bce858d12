#!/usr/bin/env python3
"""The door while time passes: what is too old, too late or away. The clocks of the whole instance are moved.

Numbers are rows of the truth table of identity-aware access.
"""
import time

import clock_stand
from clock_stand import HOUR, Clock, Movable
from agents_stand import Agent, Desk
from door_stand import AGENT
from gate_stand import REGION, add_mirror
from homerun import finally_do, main, test
from idp_stand import LyingProvider
from signin_stand import Browser, parts_of

MINUTE = 60
_made = {}


def house():
    """A Homerun with the service "one", whose door is open to people of corp.example."""
    if "house" not in _made:
        one = Movable(Clock(), "--workers=1", "--idle=86400")
        finally_do(one.close)
        one.start()
        add_mirror(one)
        one.cli("deploy", "one", "--image=mirror")
        path = f"/v2/{REGION}/services/one"
        assert one.api("PATCH", path + "?updateMask=iapEnabled", {"iapEnabled": True}).status == 200
        put_policy(one, path, "roles/run.invoker", [AGENT])
        put_policy(one, door_path(), "roles/iap.httpsResourceAccessor", ["domain:corp.example", "user:ann@example.com"])
        _made["house"] = one
    return _made["house"]


def door_path():
    return "/v1/projects/123456789012/iap_web/cloud_run-us-central1/services/one"


def put_policy(homerun, path, role, members):
    done = homerun.api("POST", path + ":setIamPolicy", {"policy": {"bindings": [{"role": role, "members": members}], "version": 3}})
    assert done.status == 200, done


def provider():
    if "provider" not in _made:
        _made["provider"] = LyingProvider()
        _made["provider"].add_to(house())
    _made["provider"].reset()
    return _made["provider"]


def url(path="/"):
    return house().url("one") + path


def auth(path=""):
    return house().ready["auth"] + path


class Later:
    """So many seconds later, by all clocks; put right afterwards."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        house().clock.move(wall=self.seconds, mono=self.seconds)
        house()._tokens.clear()

    def __exit__(self, *ignored):
        house().clock.reset()  # the monotonic clock never goes back
        house()._tokens.clear()


def by_provider(one):
    browser = Browser(house())
    browser.ask(one.authorize(browser.ask(auth("/_homerun/auth/provider/corp")).headers["location"]))
    assert browser.enter(url()).status == 200
    return browser


def by_link():
    browser = Browser(house())
    browser.sign_in(house().cli("invite", "ann@example.com").stdout.strip())
    assert browser.enter(url()).status == 200
    return browser


@test
def row_77_a_link_ends_after_its_time():
    for command, life in (("login", 10 * MINUTE), ("invite ann@example.com", 24 * HOUR)):
        address, secret = house().cli(*command.split(), "--print").stdout.strip().split("#")
        for seconds, wanted in ((life - MINUTE, 200), (life + 1, 400)):
            with Later(seconds):
                answer = Browser(house()).ask(address, form={"t": secret})
                assert answer.status == wanted, (command, seconds, answer)
                answer = Browser(house()).ask(address, form={"t": secret, "go": "1"}) if wanted == 400 else answer
                assert answer.status == wanted and (wanted == 200 or "set-cookie" not in answer.headers), answer


@test
def row_51_a_code_and_a_record_of_a_login_end_after_their_time():
    browser = by_link()
    browser.cookies(url()).clear()
    back = browser.go_on(browser.ask(url())).headers["location"]
    with Later(61):
        assert browser.ask(back).status == 400
    start = browser.ask(url()).headers["location"]
    with Later(10 * MINUTE + 1):
        answer = browser.ask(start)
        assert answer.status == 400 and "location" not in answer.headers, answer


@test
def row_63_an_agents_token_lives_for_ten_minutes():
    desk = Desk(house())
    agent = Agent(at=desk)
    tokens = agent.tokens(by_link())
    with Later(9 * MINUTE):
        assert desk.call(tokens["access_token"]).status == 200
    with Later(10 * MINUTE + 11):
        answer = desk.call(tokens["access_token"])
        assert answer.status == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"], answer
        tokens = agent.refresh(tokens["refresh_token"]).json
        assert desk.call(tokens["access_token"]).status == 200


def assertions(browser, count):
    """The assertions that the container gets with COUNT requests of BROWSER."""
    seen = set()
    for _ in range(count):
        seen.add(dict(browser.ask(url()).json["headers"])["x-goog-iap-jwt-assertion"])
    return seen


@test
def one_assertion_is_signed_a_minute_and_session():
    """What the hot path may sign: a request more is no signature more."""
    browser = by_link()
    first = assertions(browser, 20)
    assert len(first) <= 2, "signed once; twice where a minute passes meanwhile"
    with Later(MINUTE + 1):
        later = assertions(browser, 20)
        assert len(later) <= 2 and not later & first, later


@test
def row_42_a_sign_in_that_is_too_old_is_asked_for_anew():
    one = provider()
    people = {"link": by_link(), "provider": by_provider(one)}
    set_max_age("600s")
    try:
        with Later(9 * MINUTE):
            for browser in people.values():
                assert browser.ask(url()).status == 200
        with Later(11 * MINUTE):
            one.id_claims = {"auth_time": int(time.time())}  # it signs them in now
            for name, browser in people.items():
                assert browser.ask(url(), "POST").status == 401, name
                page = browser.go_on(browser.ask(url("/wanted")))
                assert page.status == 200 and "Sign in again" in page.text, (name, page)
            browser = people["provider"]
            button = page.text.split('href="/_homerun/auth/provider/')[1].split('"')[0]
            asked = parts_of(browser.ask(auth("/_homerun/auth/provider/" + button)).headers["location"])
            assert asked["prompt"] == "login" and asked["max_age"] == "0", asked
            # A provider that signs nobody in anew is not believed; one that does is.
            for claims, wanted in (({"auth_time": int(time.time()) - HOUR}, 400), ({}, 400), ({"auth_time": int(time.time())}, 200)):
                one.id_claims = claims
                page = browser.ask(one.authorize(browser.ask(auth("/_homerun/auth/provider/" + button)).headers["location"]))
                assert page.status == wanted, (claims, page)
            done = browser.go_on(page)
            assert done.headers["location"] == url("/wanted"), done
            assert browser.ask(url()).status == 200
            # By a link: the same.
            browser = people["link"]
            browser.sign_in(house().cli("invite", "ann@example.com").stdout.strip())
            assert browser.enter(url()).status == 200
    finally:
        set_max_age(None)


def set_max_age(text):
    settings = {"accessSettings": {"reauthSettings": {"method": "LOGIN", "maxAge": text, "policyType": "DEFAULT"}}} if text else {}
    answer = house().api("PATCH", door_path() + ":iapSettings", settings)
    assert answer.status == 200, answer


@test
def row_46_without_its_provider_who_is_in_stays_in_and_nobody_is_led_into_the_void():
    one = LyingProvider()
    one.add_to(house(), "away")
    browser = Browser(house())
    browser.ask(one.authorize(browser.ask(auth("/_homerun/auth/provider/away")).headers["location"]))
    assert browser.enter(url()).status == 200
    one.server.shutdown()
    one.server.server_close()
    for seconds in (2 * MINUTE, 50 * MINUTE):
        with Later(seconds):
            assert browser.ask(url()).status == 200, "the living session"
            page = Browser(house()).ask(auth("/_homerun/auth/provider/away"))
            assert page.status == 503 and page.headers["retry-after"], page
            assert "away cannot be reached" in page.text and "set-cookie" not in page.headers, page
    house().cli("issuers", "remove", "away")
    # One that answers with faults of its own may still sign people in: what is known of it stays good.
    one = provider()
    one.status = {"/.well-known/openid-configuration": 500}
    with Later(2 * HOUR):
        assert Browser(house()).ask(auth("/_homerun/auth/provider/corp")).status == 302


def renew():
    house().cli("issuers", "renew", "corp")


@test
def row_47_a_provider_that_cannot_be_asked_is_borne_for_half_an_hour():
    one = provider()
    one.token_answer = {"refresh_token": "r1"}
    browser = by_provider(one)
    one.token_answer = {"id_token": None}
    for fault in ({"/token": 500}, {"/userinfo": 503}):
        one.status = fault
        with Later(29 * MINUTE):
            renew()
            assert browser.ask(url()).status == 200, fault
    one.status = {}
    with Later(29 * MINUTE):
        renew()  # it answers again: half an hour more from here
        one.status = {"/token": 500}
        house().clock.move(wall=29 * MINUTE, mono=29 * MINUTE)
        renew()
        assert browser.ask(url()).status == 200
        house().clock.move(wall=2 * MINUTE, mono=2 * MINUTE)
        renew()
        assert browser.ask(url()).status == 302
        assert "You are signed in" not in browser.ask(auth("/")).text


@test
def row_47_a_refresh_token_that_is_refused_ends_it_at_once():
    one = provider()
    one.token_answer = {"refresh_token": "r1"}
    browser = by_provider(one)
    one.status = {"/token": (400, {"error": "invalid_grant"})}
    renew()
    assert browser.ask(url()).status == 302


@test
def row_29_without_a_refresh_token_a_session_lasts_an_hour():
    browser = by_provider(provider())
    with Later(HOUR - MINUTE):
        assert browser.ask(url()).status == 200
    with Later(HOUR + MINUTE):
        assert browser.ask(url()).status == 302
        assert browser.ask(url(), "POST").status == 401


def silently(browser):
    """The request that the auth host makes of the provider for a browser whose session is over; None if it makes none."""
    answer = browser.go_on(browser.ask(url("/wanted")))
    if answer.status == 200:
        assert "Sign in with" in answer.text, answer
        return None
    assert answer.status == 302 and parts_of(answer.headers["location"])["prompt"] == "none", answer.headers
    return answer.headers["location"]


@test
def a_session_without_a_refresh_token_goes_on_without_a_word():
    """3.1, renewal: prompt=none, of the same person, who has not signed in anew by that."""
    one = provider()
    browser = by_provider(one)
    with Later(HOUR + MINUTE):
        asked = silently(browser)
        assert parts_of(asked)["id_token_hint"].count(".") == 2, asked
        one.userinfo = {**one.userinfo, "groups": ["others"]}
        done = browser.go_on(browser.ask(one.authorize(asked)))
        assert done.headers["location"] == url("/wanted"), done
        assert browser.go_on(done).status == 200
        set_max_age("3600s")
        try:
            page = browser.go_on(browser.ask(url()))
            assert page.status == 200 and "Sign in again" in page.text, "a renewal is no sign-in"
        finally:
            set_max_age(None)


@test
def who_has_signed_out_or_is_somebody_else_has_to_click():
    one = provider()
    browsers = [by_provider(one) for _ in range(5)]
    one.token_answer = {"refresh_token": "r"}
    renewable = by_provider(one)
    browsers[0].ask(auth("/_homerun/auth/signout"), form={})
    over = browsers[4].cookies(auth())["__Host-homerun_sso"]
    with Later(HOUR + MINUTE):
        one.token_answer = {}
        assert silently(browsers[0]) is None
        assert renewable.ask(url()).status in (200, 302)  # it is the refresh token that renews this one
        for answer in ({"code": None, "error": "login_required"}, {"code": None, "error": "interaction_required"}):
            one.answer = answer
            page = browsers[1].ask(one.authorize(silently(browsers[1])))
            assert page.status == 200 and "Sign in with" in page.text and "one-" in page.text, page
        one.answer = {}
        for change in ({"id_claims": {"sub": "43"}}, {"token_answer": {"id_token": None}}, {"id_claims": {"aud": "other"}}):
            for name, value in change.items():
                setattr(one, name, value)
            page = browsers[2].ask(one.authorize(silently(browsers[2])))
            assert page.status == 200 and "Sign in with" in page.text, (change, page)
            one.id_claims, one.token_answer = {}, {}
        back = one.authorize(silently(browsers[3]))
        assert Browser(house()).ask(back).status == 400, "of another browser"
        house().cli("signout", "ann@corp.example")
        for browser in browsers[1:]:
            assert silently(browser) is None, "the owner has signed them out"
        stranger = Browser(house())
        stranger.cookies(auth())["__Host-homerun_sso"] = over
        assert silently(stranger) is None


@test
def a_session_that_is_over_is_kept_for_a_week_and_no_longer():
    one = provider()
    browser = by_provider(one)
    with Later(6 * 24 * HOUR):
        assert silently(browser) is not None
        by_provider(one)  # takes away what is over for good
        assert silently(browser) is not None
    with Later(8 * 24 * HOUR):
        assert silently(browser) is None


clock_stand.begin()
if __name__ == "__main__":
    main()
