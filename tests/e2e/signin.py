#!/usr/bin/env python3
"""Sign-in for people: hosts that are ours, one-time links, sessions, and their handing over between hosts.

Numbers are rows of the truth table of identity-aware access.
"""
import json
import os
import signal

from homerun import Homerun, fetch, main, stand, test, wait_until
from signin_stand import Browser, next_url, run_in_browser

SSO, SESSION = "__Host-homerun_sso", "__Host-homerun_session"


def auth(path=""):
    return stand().ready["auth"] + path


def console(path="/console/"):
    return stand().ready["console"] + path


# ---- hosts that are ours ----

@test
def the_auth_host_is_ours_and_its_certificate_is_good():
    page = Browser().ask(auth("/"))
    assert page.status == 200 and "homerun login" in page.text, page
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"):
        assert part in policy, policy
    assert "script" not in policy and "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    sheet = Browser().ask(auth("/_homerun/auth/style.css"))
    assert sheet.status == 200 and sheet.headers["content-type"].startswith("text/css"), sheet


@test
def only_its_own_paths_are_there():
    for path in ("/v2/projects/demo/locations/us-central1/services", "/console/", "/homerun/v1/links",
                 "/_homerun/errand/login", "/_homerun/auth/done", "/_homerun/auth/nothing", "/.well-known/nothing"):
        answer = Browser().ask(auth(path))
        assert answer.status == 404 and "There is no such page" in answer.text, (path, answer)
    for path in ("/token", "/v1/token", "/.well-known/openid-configuration", "/_homerun/auth/start", "/_homerun/errand/login"):
        answer = stand().get(console(path), method="POST" if "token" in path else "GET")
        assert answer.status in (401, 404, 405, 501), (path, answer)


@test
def the_api_listener_has_no_door_and_takes_no_cookie_of_it():
    """S7: cookies do not know ports."""
    homerun = stand()
    browser = Browser()
    browser.login()
    browser.enter(console())
    port = homerun.api_url.rsplit(":", 1)[1]
    cookie = f"{SESSION}={browser.cookies(console())[SESSION]}"
    for host in ("console", "auth"):
        there = {"Host": f"{host}.run.localhost:{port}", "Cookie": cookie}
        for path in ("/_homerun/auth/start", "/_homerun/auth/link", "/_homerun/auth/signout", "/_homerun/auth/done"):
            assert fetch(homerun.api_url + path, headers=there).status == 404, (host, path)
        assert fetch(homerun.api_url + "/console/session", headers=there).status == 401
        for name in ("homerun", "__Host-homerun"):
            renamed = {**there, "Cookie": f"{name}={browser.cookies(console())[SESSION]}"}
            assert fetch(homerun.api_url + "/console/session", headers=renamed).status == 401, name


@test
def what_ingress_says_cannot_be_said_by_a_client():
    for name in ("Homerun-Door-Errand", "homerun_door_errand", "Homerun-Door-Peer"):
        answer = stand().get(auth("/"), headers={name: "login"})
        assert answer.status == 200 and "set-cookie" not in answer.headers, (name, answer)


@test
def a_large_body_is_refused_at_the_door():
    answer = stand().get(auth("/_homerun/auth/link"), method="POST", body="t=" + "x" * (65 << 10))
    assert answer.status == 413, answer


@test
def plain_http_leads_to_https_first():
    """14, for hosts of ours: no cookie goes over plain HTTP."""
    homerun = stand()
    answer = fetch(homerun.ready["http"] + "/x?y=1",
                   headers={"Host": "auth.run.localhost", "Cookie": f"{SSO}=x"})
    assert answer.status == 302 and answer.headers["location"] == auth("/x?y=1"), answer.headers
    assert "set-cookie" not in answer.headers


# ---- links ----

@test
def a_link_is_unspent_until_it_is_clicked_and_then_counts_once():
    """77: fetched by GET; used a second time."""
    link = stand().cli("login", "--print").stdout.strip()
    address, secret = link.split("#")
    assert address == auth("/_homerun/auth/link") and len(secret) == 43, link
    for _ in range(3):
        assert Browser().ask(link.split("#")[0]).status == 200
        assert Browser().ask(address, form={"t": secret}).status == 200  # who is it for?
        assert Browser().ask(f"{address}?t={secret}&go=1").status == 200
    browser = Browser()
    assert "You are signed in" in browser.sign_in(link).text
    assert SSO in browser.cookies(auth())
    second = Browser()
    answer = second.ask(address, form={"t": secret, "go": "1"})
    assert answer.status == 400 and "used already" in answer.text, answer
    assert second.jar[next(iter(second.jar))] == {}


@test
def a_link_says_whom_it_signs_in_and_hostile_names_are_text():
    homerun = stand()
    address, secret = homerun.cli("invite", "o'brien@example.com", "--print").stdout.strip().split("#")
    shown = Browser().ask(address, form={"t": secret})
    assert "o&#39;brien@<wbr>example.com" in shown.text and "o'brien" not in shown.text, shown.text
    again = Browser().ask(address, form={"t": "\"><script>alert(1)</script>"})
    assert again.status == 400 and "<script>alert" not in again.text, again


@test
def a_link_is_taken_from_a_page_of_ours_alone():
    address, secret = stand().cli("login", "--print").stdout.strip().split("#")
    form = {"t": secret, "go": "1"}
    for lacking in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
                    {"Sec_Fetch_Site": None, "Origin": "https://evil.example"},
                    {"Sec_Fetch_Site": None, "Origin": "null"}, {"Sec_Fetch_Site": None, "Origin": None},
                    {"Sec_Fetch_Site": None, "Origin": auth().replace("auth.", "hello.")}):
        assert Browser().ask(address, form=form, **lacking).status == 403, lacking
    assert Browser().ask(address, form=form, Sec_Fetch_Site=None).status == 200


@test
def links_of_one_kind_do_not_open_the_other():
    homerun = stand()
    code = homerun.cli("console", "--print").stdout.strip().split("#code=")[1]
    assert Browser().ask(auth("/_homerun/auth/link"), form={"t": code, "go": "1"}).status == 400
    secret = homerun.cli("login", "--print").stdout.strip().split("#")[1]
    taken = fetch(homerun.api_url + "/console/session", "POST",
                  {"Origin": homerun.api_url, "X-Homerun-Console": "1", "Content-Type": "application/json"},
                  json.dumps({"code": secret}))
    assert taken.status == 401, taken


@test
def who_guesses_links_has_to_wait():
    # The tests share the socket's address, so the limit is met from one that a trusted proxy tells of.
    guess = {"t": "A" * 43, "go": "1"}
    with Homerun("--trusted-proxy=127.0.0.0/8") as other:
        browser = Browser(other)
        link = other.ready["auth"] + "/_homerun/auth/link"
        for _ in range(10):
            assert browser.ask(link, form=guess, X_Forwarded_For="192.0.2.9").status == 400
        answer = browser.ask(link, form=guess, X_Forwarded_For="192.0.2.9")
        assert answer.status == 429, answer
        address, secret = other.cli("login", "--print").stdout.strip().split("#")
        assert browser.ask(address, form={"t": secret}, X_Forwarded_For="192.0.2.9").status == 429
        assert browser.ask(address, form={"t": secret}, X_Forwarded_For="192.0.2.10").status == 200


@test
def links_are_made_by_the_owner_alone():
    homerun = stand()
    token = homerun.token(member="user:nobody@example.com")
    for body in ({"purpose": "SIGN_IN"}, {"purpose": "INVITE", "member": "user:nobody@example.com"}):
        assert homerun.api("POST", "/homerun/v1/links", body, token=token).status == 403
    assert homerun.api("POST", "/homerun/v1/sessions:signOut", {"email": "a@example.com"}, token=token).status == 403
    assert homerun.api("POST", "/homerun/v1/links", {"purpose": "INVITE", "days": 91}).status == 400


@test
def an_invitation_puts_a_person_into_a_group():
    homerun = stand()
    homerun.cli("groups", "create", "friends@example.com")
    browser = Browser()
    browser.sign_in(homerun.cli("invite", "guest@example.com", "--days=7", "--group=friends@example.com").stdout.strip())
    assert "guest@<wbr>example.com" in browser.ask(auth("/")).text
    group = homerun.api("GET", "/homerun/v1/groups/friends@example.com").json
    assert group["members"] == ["user:guest@example.com"], group
    homerun.cli("invite", "guest@example.com", "--group=friends@example.com")  # once more is no fault


# ---- handing over ----

@test
def one_sign_in_opens_the_console():
    browser = Browser()
    page = browser.login()
    assert next_url(page) == auth("/"), page
    last = browser.enter(console("/console/services?project=demo"))
    assert last.status == 200 and last.headers["content-type"].startswith("text/html"), last
    who = browser.ask(console("/console/session")).json
    assert who["member"].startswith("serviceAccount:owner@"), who
    # The sign-on cookie stays at its host, and the new session is another secret.
    assert set(browser.cookies(auth())) == {SSO}
    assert set(browser.cookies(console())) == {SESSION}
    assert browser.cookies(auth())[SSO] != browser.cookies(console())[SESSION]


@test
def a_person_who_was_going_somewhere_gets_there_with_one_click():
    browser = Browser()
    first = browser.ask(console("/console/policies?x=1"))
    assert first.status == 302 and "policies" not in first.headers["location"], first.headers
    assert first.headers["referrer-policy"] == "no-referrer" and first.headers["cache-control"] == "no-store"
    page = browser.go_on(first)
    assert page.status == 200 and "console.run.localhost" in page.text, page
    signed = browser.login()
    done = browser.go_on(signed)
    assert done.status == 303 and done.headers["location"] == console("/console/policies?x=1"), done.headers
    assert browser.go_on(done).status == 200


def code_for(browser, url=None):
    """The URL of a hand-over that BROWSER, signed in, has not followed yet."""
    second = browser.go_on(browser.ask(url or console()))
    assert second.status == 302, second
    return second.headers["location"]


@test
def a_code_counts_once_in_one_browser():
    """51, 52: twice; on another host; without the nonce, or with another browser's."""
    browser = Browser()
    browser.login()
    url = code_for(browser)
    nonce = dict(browser.cookies(console()))
    assert browser.ask(url).status == 303
    browser.jar[console().split("/")[2].split(":")[0]] = nonce
    assert browser.ask(url).status == 400
    without, with_own_nonce = Browser(), Browser()
    with_own_nonce.ask(console())
    for strange in (without, with_own_nonce):
        url = code_for(browser)
        assert strange.ask(url).status == 400
        assert SESSION not in strange.cookies(console())
        assert browser.ask(url).status == 400, "not burnt"
    url = code_for(browser)
    assert browser.ask(url.replace("console.", "auth.", 1)).status == 404
    assert browser.ask(url).status == 303, "another path burns nothing"


@test
def a_start_without_a_record_leads_nowhere():
    """53"""
    browser = Browser()
    browser.login()
    for query in ("", "?l=", "?l=" + "A" * 43, "?l=x", "?l=%00", "?redirect=//evil&rd=//evil"):
        answer = browser.ask(auth("/_homerun/auth/start" + query))
        assert answer.status == 400 and "location" not in answer.headers, (query, answer)
        assert browser.ask(console("/_homerun/auth/done") + query.replace("l=", "c=")).status in (400, 404)


# ---- sessions ----

@test
def two_cookies_of_our_name_are_believed_by_nobody():
    """33, at the auth host and at the console's."""
    browser = Browser()
    browser.login()
    browser.enter(console())
    sso, session = browser.cookies(auth())[SSO], browser.cookies(console())[SESSION]
    assert Browser().ask(auth("/"), Cookie=f"{SSO}={sso}; {SSO}=x").status == 400
    assert Browser().ask(console("/console/session"), Cookie=f"{SESSION}={session}; {SESSION}=x").status == 401
    # A cookie of another host, or of another kind, is none.
    assert Browser().ask(console("/console/session"), Cookie=f"{SESSION}={sso}").status == 401
    assert "homerun login" in Browser().ask(auth("/"), Cookie=f"{SSO}={session}").text


@test
def each_sign_in_has_a_new_id_and_ends_the_one_before():
    browser = Browser()
    browser.login()
    before = browser.cookies(auth())[SSO]
    browser.enter(console())
    inside = browser.cookies(console())[SESSION]
    browser.login()
    assert browser.cookies(auth())[SSO] != before
    assert "homerun login" in Browser().ask(auth("/"), Cookie=f"{SSO}={before}").text
    assert Browser().ask(console("/console/session"), Cookie=f"{SESSION}={inside}").status == 401


@test
def a_session_chosen_by_somebody_else_is_not_taken_over():
    """Fixation: a value that we did not make means nothing, and is replaced."""
    browser = Browser()
    browser.cookies(auth())[SSO] = "A" * 43
    browser.login()
    assert browser.cookies(auth())[SSO] != "A" * 43


@test
def signing_out_at_one_host_ends_it_on_all():
    """43"""
    browser = Browser()
    browser.login()
    browser.enter(console())
    page = browser.ask(console("/_homerun/auth/signout"))
    assert page.status == 200 and "Sign out?" in page.text, page
    assert browser.ask(auth("/_homerun/auth/signout"), form={}, Sec_Fetch_Site="cross-site").status == 403
    assert browser.ask(console("/console/session")).status == 200
    kept = dict(browser.cookies(auth()))
    out = browser.ask(auth("/_homerun/auth/signout"), form={})
    assert out.status == 200 and "You are signed out" in out.text, out
    assert SSO not in browser.cookies(auth())
    assert browser.ask(console("/console/session")).status == 401
    browser.cookies(auth()).update(kept)
    assert "homerun login" in browser.ask(auth("/")).text, "the cookie went, the session stayed"


@test
def signing_out_of_the_console_is_the_same():
    browser = Browser()
    browser.login()
    browser.enter(console())
    out = browser.ask(console("/console/session"), "DELETE", Origin=console(""), X_Homerun_Console="1",
                      Content_Type="application/json")
    assert out.status == 200, out
    assert "homerun login" in browser.ask(auth("/")).text


@test
def the_owner_ends_what_a_person_has():
    homerun = stand()
    phone, laptop = Browser(), Browser()
    for browser in (phone, laptop):
        browser.sign_in(homerun.cli("invite", "two@example.com").stdout.strip())
    other = Browser()
    other.sign_in(homerun.cli("invite", "three@example.com").stdout.strip())
    said = homerun.cli("signout", "two@example.com").stdout
    assert "2 sessions" in said, said
    for browser in (phone, laptop):
        assert "homerun login" in browser.ask(auth("/")).text
    assert "three@<wbr>example.com" in other.ask(auth("/")).text


@test
def a_session_ends_with_its_account_and_a_successor_inherits_none():
    """36, 37"""
    homerun = stand()
    email = "briefly@demo.iam.gserviceaccount.com"
    account = f"/v1/projects/demo/serviceAccounts/{email}"
    homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "briefly"})
    browser = Browser()
    browser.login(f"--as=serviceAccount:{email}")
    assert email.replace("@", "@<wbr>") in browser.ask(auth("/")).text
    homerun.api("POST", account + ":disable", {})
    assert "homerun login" in browser.ask(auth("/")).text
    homerun.api("POST", account + ":enable", {})
    assert email.replace("@", "@<wbr>") in browser.ask(auth("/")).text
    homerun.api("DELETE", account)
    homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "briefly"})
    assert "homerun login" in browser.ask(auth("/")).text


@test
def a_restart_keeps_who_is_signed_in():
    homerun = stand()
    browser = Browser()
    browser.login()
    browser.enter(console())
    homerun.restart()
    assert browser.ask(console("/console/session")).status == 200
    assert "owner@" in browser.ask(auth("/")).text


@test
def without_control_the_door_says_so():
    """79: a new sign-in; 46 in kind. Control is held still, so that nobody takes its place."""
    homerun = stand()
    control = homerun.pids("control")[0]
    os.kill(control, signal.SIGSTOP)
    try:
        answer = Browser().ask(auth("/"))
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer
        assert "not available right now" in answer.text
    finally:
        os.kill(control, signal.SIGCONT)
    wait_until(lambda: Browser().ask(auth("/")).status == 200, "control answers again")


@test
def control_may_fall_and_the_door_opens_again():
    homerun = stand()
    browser = Browser()
    browser.login()
    for _ in range(3):
        before = homerun.pids("control")[0]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: homerun.pids("control") not in ([], [before]), "a successor")
        wait_until(lambda: browser.ask(auth("/")).status == 200, "an answer")
        assert "owner@" in browser.ask(auth("/")).text


@test
def what_happens_is_written_down_without_secrets():
    homerun = stand()
    browser = Browser()
    link = homerun.cli("invite", "noted@example.com").stdout.strip()
    browser.sign_in(link)
    browser.ask(auth("/_homerun/auth/signout"), form={})
    organization = homerun.api("GET", "/v3/organizations:search").json["organizations"][0]["name"]
    rows = homerun.cli("access", "history", f"--organization={organization.split('/')[1]}", "--format=json").stdout
    for word in ("sign-in", "sign-out", "TestBrowser/1", "127.0.0.1"):
        assert word in rows, word
    secret = link.split("#")[1]
    assert secret not in rows and secret not in homerun.printed()
    for root, _, files in os.walk(homerun.data):
        for name in files:
            if name.endswith((".db", ".db-wal", ".jsonl", ".mdb")):
                with open(os.path.join(root, name), "rb") as file:
                    assert secret.encode() not in file.read(), name


@test
def in_a_browser():
    run_in_browser("signin.mjs", stand())


if __name__ == "__main__":
    main()
