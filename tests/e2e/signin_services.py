#!/usr/bin/env python3
"""Sign-in at services with IAP: from a person's first request to the end of what they have.

Numbers are rows of the truth table of identity-aware access.
"""
import os
import pathlib
import signal
import sqlite3
import threading
import time

from gate_stand import add_mirror
from homerun import Homerun, finally_do, main, test, wait_until
from idp_stand import LyingProvider
from signin_stand import Browser, run_in_browser

SSO, SESSION = "__Host-homerun_sso", "__Host-homerun_session"
PEOPLE = "user:ann@example.com"
_made = None


def house():
    """A Homerun with the services "one" and "two", whose doors are open to Ann and to the owner."""
    global _made
    if _made is None:
        _made = Homerun().start()
        finally_do(_made.close)
        add_mirror(_made)
        number = _made.ready["projectNumber"]
        agent = f"serviceAccount:service-{number}@gcp-sa-iap.iam.gserviceaccount.com"
        owner = f"serviceAccount:{_made.ready['owner']['email']}"
        for name in ("one", "two"):
            _made.cli("deploy", name, "--image=mirror")
            path = f"/v2/projects/demo/locations/us-central1/services/{name}"
            assert _made.api("PATCH", path + "?updateMask=iapEnabled", {"iapEnabled": True}).status == 200
            put_policy(path, [{"role": "roles/run.invoker", "members": [agent]}])
            put_policy(f"/v1/projects/{number}/iap_web/cloud_run-us-central1/services/{name}",
                       [{"role": "roles/iap.httpsResourceAccessor", "members": [owner, PEOPLE]}])
    return _made


def put_policy(path, bindings):
    done = _made.api("POST", path + ":setIamPolicy", {"policy": {"bindings": bindings, "version": 3}})
    assert done.status == 200, done


def url(service="one", path="/"):
    return house().url(service) + path


def auth(path=""):
    return house().ready["auth"] + path


def ann(*services):
    """Ann's browser, inside SERVICES already."""
    browser = Browser(house())
    browser.sign_in(house().cli("invite", "ann@example.com").stdout.strip())
    for service in services:
        assert browser.enter(url(service)).status == 200
    return browser


def cookie(browser, service="one"):
    return browser.cookies(url(service))[SESSION]


@test
def a_person_gets_to_the_page_that_they_wanted():
    """15, 16: the nonce's cookie, nothing of the target in the address; and there with one click."""
    browser = Browser(house())
    for method in ("GET", "HEAD"):
        first = browser.ask(url(path="/a/b?c=d"), method)
        assert first.status == 302 and "/a/b" not in first.headers["location"], first.headers
        assert first.headers["x-goog-iap-generated-response"] == "true"
        assert first.headers["cache-control"] == "no-store"
    page = browser.go_on(first)
    assert "one-" in page.text and "homerun login" in page.text, page
    browser = Browser(house())
    browser.go_on(browser.ask(url(path="/a/b?c=d")))
    done = browser.go_on(browser.login())
    assert done.status == 303 and done.headers["location"] == url(path="/a/b?c=d"), done.headers
    seen = browser.go_on(done)
    assert seen.status == 200 and seen.json["path"] == "/a/b?c=d", seen
    # The container sees none of our cookies.
    assert "__Host-homerun" not in seen.text, seen


@test
def who_is_signed_in_enters_other_services_unasked():
    browser = ann("one")
    assert browser.enter(url("two")).status == 200
    assert cookie(browser, "one") != cookie(browser, "two")


@test
def a_cookie_counts_on_its_own_host_alone():
    """31, 32, 33"""
    browser = ann("one", "two")
    stranger = Browser(house())
    assert stranger.ask(url("two"), Cookie=f"{SESSION}={cookie(browser, 'one')}").status == 302
    assert stranger.ask(url("one"), Cookie=f"{SSO}={browser.cookies(auth())[SSO]}").status == 302
    assert stranger.ask(url("one"), Cookie=f"{SESSION}={browser.cookies(auth())[SSO]}").status == 302
    assert stranger.ask(url("one"), Cookie=f"{SESSION}={cookie(browser)}; {SESSION}=x").status == 400
    assert stranger.ask(url("one"), Cookie=f"{SESSION}={cookie(browser)}").status == 200


@test
def a_code_of_one_service_opens_no_other():
    """51, 52 at services."""
    browser = ann("one")
    for strange, host in ((browser, "two"), (Browser(house()), "one"), (ann(), "one")):
        browser.cookies(url("one")).clear()
        back = browser.go_on(browser.ask(url("one"))).headers["location"]
        wrong = back.replace(house().url("one"), house().url(host))
        assert strange.ask(wrong).status == 400, wrong
        assert browser.ask(back).status == 400, "not burnt"
    assert browser.enter(url("one")).status == 200


@test
def signing_out_at_one_service_ends_it_at_all():
    """43; and the session is gone, not only the cookie."""
    browser = ann("one", "two")
    kept = {service: cookie(browser, service) for service in ("one", "two")}
    page = browser.ask(url("one", "/_homerun/auth/signout"))
    assert "Sign out?" in page.text and "ann@" in page.text, page
    for lacking in ({"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": None, "Origin": house().url("two")}):
        assert browser.ask(url("one", "/_homerun/auth/signout"), form={}, **lacking).status == 403, lacking
    assert browser.ask(url("one")).status == 200
    out = browser.ask(url("one", "/_homerun/auth/signout"), form={})
    assert out.status == 200 and "You are signed out" in out.text, out
    for service, value in kept.items():
        assert Browser(house()).ask(url(service), Cookie=f"{SESSION}={value}").status == 302, service
    assert "homerun login" in browser.ask(auth("/")).text


@test
def what_runs_when_a_session_ends_runs_on():
    """30"""
    browser, other = ann("one"), ann("one")
    before = other.ask(url("one")).json["hits"]
    answers = []
    slow = threading.Thread(target=lambda: answers.append(browser.ask(url("one", "/slow"))))
    slow.start()
    asked = [before]

    def has_come():
        asked.append(other.ask(url("one")).json["hits"])
        return asked[-1] > asked[-2] + 1  # one more than ours

    wait_until(has_come, "the slow request")
    house().cli("signout", "ann@example.com")
    assert other.ask(url("one")).status == 302
    slow.join()
    assert answers[0].status == 200, answers
    assert browser.ask(url("one")).status == 302


@test
def a_person_who_is_no_more_is_nobody_at_the_next_request():
    """36, 37"""
    email = "leaving@demo.iam.gserviceaccount.com"
    account = f"/v1/projects/demo/serviceAccounts/{email}"
    house().api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "leaving"})
    browser = Browser(house())
    browser.login(f"--as=serviceAccount:{email}")
    refused = browser.enter(url("one"))
    assert refused.status == 403, refused  # signed in, and not granted
    house().api("POST", account + ":disable", {})
    assert browser.ask(url("one")).status == 302
    house().api("POST", account + ":enable", {})
    assert browser.ask(url("one")).status == 403
    house().api("DELETE", account)
    assert browser.ask(url("one")).status == 302
    house().api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "leaving"})
    assert browser.ask(url("one")).status == 302


def edit_sessions(change):
    """Changes the sessions of the record while nobody serves, and has the index made anew."""
    homerun = house()
    assert homerun.stop() == 0
    with sqlite3.connect(pathlib.Path(homerun.data) / "homerun.db") as record:
        rows = record.execute("SELECT id FROM document WHERE kind = 'session'").fetchall()
        assert rows, "no sessions"
        record.execute(f"UPDATE document SET body = {change} WHERE kind = 'session'")
        record.execute("UPDATE meta SET value = value + 1 WHERE name = 'change'")
    ports = [f"--{name}=127.0.0.1:{homerun.ready[name].rsplit(':', 1)[1]}" for name in ("api", "https", "http")]
    homerun.flags = tuple(ports)
    homerun.start()


@test
def a_session_is_over_by_either_clock():
    """29; and a wall clock that is set back prolongs nothing."""
    browser = ann("one")
    house().restart()
    assert browser.ask(url("one")).status == 200
    now = int(time.time() * 1e6)
    # As if the wall clock had been set back by a day: by it there is much time left.
    edit_sessions(f"json_set(body, '$.expireUs', {now + 86400 * 10**6}, '$.expireBootUs', 1)")
    answer = browser.ask(url("one"))
    assert answer.status == 302, answer
    assert browser.ask(url("one"), "POST").status == 401
    browser = ann("one")
    edit_sessions(f"json_set(body, '$.expireUs', {now})")
    assert browser.ask(url("one")).status == 302
    assert "homerun login" in browser.ask(auth("/")).text


@test
def without_control_who_is_in_stays_in_and_nobody_new_comes():
    """79"""
    homerun = house()
    inside, out = ann("one"), ann("one")
    out.ask(auth("/_homerun/auth/signout"), form={})
    control = homerun.pids("control")[0]
    os.kill(control, signal.SIGSTOP)
    try:
        assert inside.ask(url("one")).status == 200
        for browser in (Browser(homerun), out):
            answer = browser.ask(url("one"))
            assert answer.status == 503 and answer.headers["retry-after"], answer
    finally:
        os.kill(control, signal.SIGCONT)
    wait_until(lambda: out.ask(url("one")).status == 302, "control answers again")
    assert inside.ask(url("one")).status == 200


@test
def a_browser_without_cookies_is_told_and_not_led_in_circles():
    browser = Browser(house())
    browser.login()
    back = browser.go_on(browser.ask(url("one"))).headers["location"]
    browser.cookies(url("one")).clear()
    answer = browser.ask(back)
    assert answer.status == 400 and "does not keep cookies" in answer.text, answer


@test
def a_browser_that_loses_each_session_is_led_twice_and_then_told():
    browser = Browser(house())
    browser.login()
    for _ in range(2):
        start = browser.ask(url("one", "/wanted"))
        assert start.status == 302, start
        done = browser.go_on(start)
        assert done.status == 302, done
        assert browser.go_on(done).status == 303
        browser.cookies(url("one")).clear()
    told = browser.go_on(browser.ask(url("one", "/wanted")))
    assert told.status == 400 and "goes in a circle" in told.text and "one-" in told.text, told
    assert "location" not in told.headers and "refresh" not in told.text
    assert browser.enter(url("two")).status == 200, "other services are open to it"
    # Pages that are opened at once are no circle, however many they are.
    other = Browser(house())
    other.login()
    starts = [other.ask(url("one")) for _ in range(6)]
    for start in starts:
        done = other.go_on(start)
        assert done.status == 302 and other.go_on(done).status == 303, done
    assert other.ask(url("one")).status == 200


@test
def a_person_whose_session_ended_in_a_form_is_told_before_the_body_is_gone():
    browser = ann("one")
    fields = {"Sec_Fetch_Dest": "document", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert browser.ask(url("one", "/save"), form={"text": "x" * 1000}, **fields).json["bytes"] == 1005
    house().cli("signout", "ann@example.com")
    page = browser.ask(url("one", "/save"), form={"text": "x" * 1000}, **fields)
    assert page.status == 401 and "Your sign-in has ended" in page.text and "did not reach the service" in page.text, page
    assert "empty token" in page.text and "<script" not in page.text and "www-authenticate" in page.headers, page
    assert page.headers["content-security-policy"].startswith("default-src 'none'"), page.headers
    for more in ({"Sec_Fetch_Mode": "cors"}, {"Sec_Fetch_Mode": None}, {"Accept": "application/json"}, {"X_Requested_With": "XMLHttpRequest"},
                 {"Authorization": "Basic YTpi"}):
        plain = browser.ask(url("one", "/save"), form={"text": "x"}, **{**fields, **more})
        assert plain.status == 401 and plain.text.startswith("Invalid IAP credentials: ") and "<" not in plain.text, (more, plain)


@test
def clearing_the_cookie_as_with_google_ends_the_session():
    """69"""
    for path in ("/?gcp-iap-mode=CLEAR_LOGIN_COOKIE", "/_gcp_iap/clear_login_cookie"):
        browser = ann("one", "two")
        kept = cookie(browser, "two")
        answer = browser.ask(url("one", path))
        assert answer.status == 302 and answer.headers["location"] == url("one"), (path, answer.headers)
        assert SESSION not in browser.cookies(url("one"))
        assert Browser(house()).ask(url("two"), Cookie=f"{SESSION}={kept}").status == 302


def grant_at_the_door(members):
    number = house().ready["projectNumber"]
    put_policy(f"/v1/projects/{number}/iap_web/cloud_run-us-central1/services/two",
               [{"role": "roles/iap.httpsResourceAccessor", "members": members}])


@test
def people_of_a_provider_enter_by_address_subject_or_group_and_lose_it_there():
    """35, 36 in kind, 41: what the provider says no longer ends at the next request."""
    homerun = house()
    provider = LyingProvider()
    provider.add_to(homerun)
    provider.token_answer = {"refresh_token": "r1"}
    pool = "iam.googleapis.com/locations/global/workforcePools/corp"
    browser = Browser(homerun)
    browser.ask(provider.authorize(browser.ask(auth("/_homerun/auth/provider/corp")).headers["location"]))
    grant_at_the_door([PEOPLE])
    assert browser.enter(url("two")).status == 403
    for member in ("user:ann@corp.example", "domain:corp.example", f"principal://{pool}/subject/42",
                   f"principalSet://{pool}/group/staff"):
        grant_at_the_door([member])
        assert browser.ask(url("two")).status == 200, member
    for member in ("allAuthenticatedUsers", f"principal://{pool}/subject/43", f"principalSet://{pool}/group/staf", "user:eve@corp.example",
                   "group:staff@corp.example"):
        grant_at_the_door([member])
        assert browser.ask(url("two")).status == 403, member
    grant_at_the_door([f"principalSet://{pool}/group/staff"])
    provider.token_answer = {"id_token": None}
    provider.userinfo = {**provider.userinfo, "groups": ["others"]}
    homerun.cli("issuers", "renew", "corp")
    assert browser.ask(url("two")).status == 403
    provider.userinfo = {**provider.userinfo, "groups": ["staff"]}
    homerun.cli("issuers", "renew", "corp")
    assert browser.ask(url("two")).status == 200
    homerun.cli("issuers", "remove", "corp")
    assert browser.ask(url("two")).status == 302


@test
def in_a_browser():
    run_in_browser("signin_service.mjs", house(), HOMERUN_SERVICE=url("one"))


if __name__ == "__main__":
    main()
