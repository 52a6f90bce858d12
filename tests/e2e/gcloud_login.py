#!/usr/bin/env python3
"""`gcloud auth login`: a person's gcloud, signed in by a browser, manages the installation in their name.

Number 78 is a row of the truth table of identity-aware access.
"""
import os
import re
import subprocess
import tempfile
import urllib.parse

from agents_stand import Agent, b64, house
from homerun import fetch, main, need, test, wait_until
from signin_stand import Browser

CLIENT = "32555940559.apps.googleusercontent.com"
ADC = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com"
FAR = "https://sdk.cloud.google.com/authcode.html"


class Gcloud:
    """gcloud as it is installed anew, with the two properties that name this Homerun."""

    def __init__(self):
        h = house().homerun
        self.program = need("gcloud")
        self.folder = tempfile.TemporaryDirectory(prefix="homerun-gcloud-")
        self.opened = os.path.join(self.folder.name, "opened")
        browser = os.path.join(self.folder.name, "browser")
        with open(browser, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nprintf "%s" "$1" > {self.opened}.part && mv {self.opened}.part {self.opened}\n')
        os.chmod(browser, 0o755)
        self.env = {name: value for name, value in h.client_environment().items()
                    if name not in ("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CORE_DISABLE_PROMPTS")}
        self.env.update(CLOUDSDK_CONFIG=os.path.join(self.folder.name, "config"), HOME=self.folder.name, DISPLAY=":0", BROWSER=f"{browser} %s",
                        CLOUDSDK_AUTH_AUTH_HOST=h.ready["auth"] + "/o/oauth2/auth", CLOUDSDK_AUTH_TOKEN_HOST=h.api_url + "/token",
                        OAUTHLIB_INSECURE_TRANSPORT="1")

    def start(self, *arguments):
        return subprocess.Popen([self.program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, env=self.env)

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=150, env=self.env)
        return done.returncode, done.stdout.strip(), done.stderr

    def url(self):
        wait_until(lambda: os.path.exists(self.opened), "gcloud opens a browser", seconds=90)
        with open(self.opened, encoding="utf-8") as file:
            return file.read()


def answer(browser, page, what="allow", **headers):
    ticket = re.search(r'name="r" value="([^"]+)"', page.text)
    assert page.status == 200 and ticket, page
    return browser.ask(house().auth + "/o/oauth2/auth", form={"r": ticket.group(1), "answer": what}, **headers)


@test
def a_person_signs_gcloud_in_by_their_browser_and_out_by_signing_out():
    h, gcloud, owner = house(), Gcloud(), Browser(house().homerun)
    login = gcloud.start("auth", "login")
    try:
        page = owner.ask(gcloud.url())
        assert "homerun login" in page.text, page
        owner.login()
        page = owner.ask(gcloud.url())
        assert "Let gcloud manage this installation?" in page.text and "everything here that you may" in page.text, page.text
        back = answer(owner, page)
        assert back.status == 303 and back.headers["location"].startswith("http://localhost:"), back.headers
        fetch(back.headers["location"])
        said, _ = login.communicate(timeout=120)
    finally:
        login.kill()
    email = h.homerun.ready["owner"]["email"]
    assert login.returncode == 0 and f"logged in as [{email}]" in said, said
    status, listed, why = gcloud.run("run", "services", "list", "--format=value(metadata.name)", "--region=us-central1", "--project=demo")
    assert status == 0 and "one" in listed.split(), (listed, why)
    status, access, why = gcloud.run("auth", "print-access-token")
    assert status == 0, why
    status, identity, why = gcloud.run("auth", "print-identity-token")
    assert status == 0, why
    h.policy("/v2/projects/demo/locations/us-central1/services/three",
             [{"role": "roles/run.invoker", "members": ["serviceAccount:" + email]}])
    assert h.call(identity, "three").status == 200
    services = "/v2/projects/demo/locations/us-central1/services"
    assert h.homerun.api("GET", services, token=access).status == 200
    assert "gcloud" in owner.ask(h.auth + "/").text
    owner.ask(h.auth + "/_homerun/auth/signout", form={})
    assert h.homerun.api("GET", services, token=access).status == 401
    assert h.call(identity, "three").status == 401
    status, _, why = gcloud.run("auth", "print-identity-token")
    assert status != 0 and "revoked" in why, why


@test
def without_a_browser_the_code_is_on_our_page():
    h, gcloud, owner = house(), Gcloud(), Browser(house().homerun)
    owner.login()
    login = gcloud.start("auth", "login", "--no-launch-browser")
    try:
        said = ""
        while not (found := re.search(r"https://auth\.\S+", said)):
            line = login.stdout.readline()
            assert line, said
            said += line
        page = answer(owner, owner.ask(found.group()))
        assert page.status == 200 and "location" not in page.headers, page
        code = re.search(r'class="command">([\w-]{43})<', page.text).group(1)
        rest, _ = login.communicate(code + "\n", timeout=120)
    finally:
        login.kill()
    assert login.returncode == 0 and h.homerun.ready["owner"]["email"] in rest, said + rest


def ask(browser, **changes):
    fields = {"response_type": "code", "client_id": CLIENT, "redirect_uri": "http://localhost:8085/", "scope": "openid", "state": "s",
              "access_type": "offline", "code_challenge": b64(b"x" * 32), "code_challenge_method": "S256", **changes}
    fields = {name: value for name, value in fields.items() if value is not None}
    return browser.ask(house().auth + "/o/oauth2/auth?" + urllib.parse.urlencode(fields, doseq=True))


@test
def application_default_credentials_are_explained_and_not_made():
    """78"""
    owner = Browser(house().homerun)
    owner.login()
    for browser in (owner, Browser(house().homerun)):
        page = ask(browser, client_id=ADC)
        assert page.status == 400 and "homerun env" in page.text and "code=" not in page.text and "location" not in page.headers, page.text


@test
def nothing_else_gets_a_code_for_the_api():
    h, owner = house(), Browser(house().homerun)
    owner.login()
    for changes in ({"client_id": "x"}, {"client_id": None}, {"client_id": Agent().client}, {"redirect_uri": "https://evil.example/"},
                    {"redirect_uri": "http://localhost:8085/x"}, {"redirect_uri": "http://localhost:1@evil.example/"}, {"redirect_uri": FAR + "?x=y"},
                    {"redirect_uri": "http://127.0.0.1:8085/"}, {"redirect_uri": None}, {"redirect_uri": [FAR, "https://evil.example/"]},
                    {"code_challenge": None}, {"code_challenge_method": "plain"}, {"response_type": "token"}, {"state": "x" * 3000}):
        page = ask(owner, **changes)
        assert page.status == 400 and "location" not in page.headers and 'name="r"' not in page.text, (changes, page)
    page = ask(owner)
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "form-action 'self' http://localhost:*;" in policy, policy
    for lacking in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": None, "Origin": h.url("one")}):
        assert answer(owner, page, **lacking).status == 403
    assert answer(h.browser(), page).status == 400  # another person
    # A yes to one question is none to the other.
    ticket = re.search(r'name="r" value="([^"]+)"', page.text).group(1)
    assert owner.ask(h.auth + "/authorize", form={"r": ticket, "answer": "allow"}).status == 400
    agent = Agent()
    asked = owner.ask(agent.authorize_url())
    assert answer(owner, asked).status == 400
    code = re.search(r"code=([\w-]{43})", answer(owner, page).headers["location"]).group(1)
    # The code is gcloud's, and of the API's endpoint, and of who has the verifier.
    assert agent.redeem(code).json["error"] == "invalid_grant"
    form = urllib.parse.urlencode({"grant_type": "authorization_code", "client_id": CLIENT, "client_secret": "any", "code": code,
                                   "redirect_uri": "http://localhost:8085/", "code_verifier": "y" * 43})
    got = fetch(h.homerun.api_url + "/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, form)
    assert got.status == 400 and got.json["error"] == "invalid_grant", got
    # An agent's code opens no API.
    code = agent.consent(h.browser())
    form = urllib.parse.urlencode({"grant_type": "authorization_code", "client_id": agent.client, "code": code, "redirect_uri": agent.redirect,
                                   "code_verifier": agent.verifier})
    got = fetch(h.homerun.api_url + "/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, form)
    assert got.status == 400 and got.json["error"] == "unauthorized_client", got


if __name__ == "__main__":
    main()
