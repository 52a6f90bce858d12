"""Agents (MCP clients) at private services: a client of a few lines, to be good or bad as a test wants, and the house."""
import base64
import hashlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import urllib.parse

from gate_stand import add_mirror
from homerun import Homerun, fetch, finally_do, wait_until
from signin_stand import FORM, Browser, parts_of

CALLBACK = "http://127.0.0.1:9/callback"
_made = None


class Desk:
    """Where agents register and ask, at HOMERUN."""

    def __init__(self, homerun):
        self.homerun = homerun
        self.auth = homerun.ready["auth"]
        self.shared = None  # the ID of a client that tests share

    def url(self, name="one", path=""):
        return self.homerun.url(name) + path

    def ask(self, url, method="GET", body=None, **headers):
        send = {name.replace("_", "-"): value for name, value in headers.items()}
        return fetch(url, method, send, body, ca=self.homerun.ca, connect=self.place())

    def place(self):
        """Where the next request goes, whatever its host."""
        return "127.0.0.1"

    def form(self, path, fields, **headers):
        return self.ask(self.auth + path, "POST", urllib.parse.urlencode(fields), Content_Type=FORM, **headers)

    def register(self, **metadata):
        body = {"client_name": "Test agent", "redirect_uris": [CALLBACK], **metadata}
        return self.ask(self.auth + "/register", "POST", json.dumps(body), Content_Type="application/json")

    def call(self, token, service="one", path="/", method="GET", **headers):
        return self.ask(self.url(service, path), method, Authorization=f"Bearer {token}", **headers)

    def forget_rates(self):
        """Registrations are counted in memory, by address: a test of other things begins with none."""
        before = self.homerun.pids("control")[0]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.homerun.pids("control") not in ([], [before]), "control is back")
        wait_until(lambda: self.ask(self.auth + "/").status == 200, "control answers")


class House(Desk):
    """Services "one", "two" and "three" (without a door), which Ann and the owner may use; Quin signs in and may not."""

    def __init__(self):
        # "private": the tests' descriptions of agents are on this machine.
        super().__init__(Homerun("--client-documents=private").start())
        finally_do(self.homerun.close)
        self.number = self.homerun.ready["projectNumber"]
        add_mirror(self.homerun)
        agent = f"serviceAccount:service-{self.number}@gcp-sa-iap.iam.gserviceaccount.com"
        for name in ("one", "two", "three"):
            self.homerun.cli("deploy", name, "--image=mirror")
        for name in ("one", "two"):
            path = f"/v2/projects/demo/locations/us-central1/services/{name}"
            assert self.homerun.api("PATCH", path + "?updateMask=iapEnabled", {"iapEnabled": True}).status == 200
            self.policy(path, [{"role": "roles/run.invoker", "members": [agent]}])
            self.let_in(name, ["user:ann@example.com"])

    def policy(self, path, bindings):
        done = self.homerun.api("POST", path + ":setIamPolicy", {"policy": {"bindings": bindings, "version": 3}})
        assert done.status == 200, done

    def door_of(self, name):
        return f"/v1/projects/{self.number}/iap_web/cloud_run-us-central1/services/{name}"

    def let_in(self, name, members):
        self.policy(self.door_of(name), [{"role": "roles/iap.httpsResourceAccessor", "members": members}])

    def browser(self, name="ann"):
        browser = Browser(self.homerun)
        browser.sign_in(self.homerun.cli("invite", f"{name}@example.com").stdout.strip())
        return browser

    def changes(self):
        """The number of the last change of the record."""
        with sqlite3.connect(f"file:{self.homerun.data}/homerun.db?mode=ro", uri=True) as record:
            return record.execute("SELECT value FROM meta WHERE name = 'change'").fetchone()[0]

    def edit_record(self, *changes):
        """Changes the record while nobody serves; the index is made anew from it."""
        homerun = self.homerun
        assert homerun.stop() == 0
        with sqlite3.connect(pathlib.Path(homerun.data) / "homerun.db") as record:
            for change in (*changes, "UPDATE meta SET value = value + 1 WHERE name = 'change'"):
                record.execute(change)
        self.keep_ports()
        homerun.start()

    def keep_ports(self):
        """A later start is where this one was."""
        ports = [f"--{name}=127.0.0.1:{self.homerun.ready[name].rsplit(':', 1)[1]}" for name in ("api", "https", "http")]
        self.homerun.flags = (*(flag for flag in self.homerun.flags if flag not in ports), *ports)


def house():
    global _made
    _made = _made or House()
    return _made


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token):
    head, payload, _ = token.split(".")
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, payload)]


class Agent:
    """A registered client in the middle of asking for consent."""

    def __init__(self, new=False, at=None, **metadata):
        """AT: a Desk; else the house's."""
        self.house = at or house()
        if new or metadata or self.house.shared is None:
            made = self.house.register(**metadata)
            if made.status == 429:  # other tests have registered ten within the minute
                self.house.forget_rates()
                made = self.house.register(**metadata)
            if made.status == 429:
                self.house.forget_rates()
                made = self.house.register(**metadata)
            assert made.status == 201, made
            self.client = made.json["client_id"]
            if not new and not metadata:
                self.house.shared = self.client
        else:
            self.client = self.house.shared
        self.redirect = metadata.get("redirect_uris", [CALLBACK])[0]
        self.verifier = b64(os.urandom(48))
        self.state = b64(os.urandom(8))

    def authorize_url(self, service="one", path="", **changes):
        """The URL that opens in the browser; a change to None leaves the parameter out."""
        fields = {
            "response_type": "code", "client_id": self.client, "redirect_uri": self.redirect, "state": self.state,
            "code_challenge": b64(hashlib.sha256(self.verifier.encode()).digest()), "code_challenge_method": "S256",
            "resource": self.house.url(service, path), "scope": "openid email", **changes,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        return self.house.auth + "/authorize?" + urllib.parse.urlencode(fields, doseq=True)

    def answer(self, browser, page, answer="allow", **headers):
        found = re.search(r'name="r" value="([^"]+)"', page.text)
        assert page.status == 200 and found, page
        return browser.ask(self.house.auth + "/authorize", form={"r": found.group(1), "answer": answer}, **headers)

    def consent(self, browser, service="one", **changes):
        """The code that BROWSER's person gives."""
        done = self.answer(browser, browser.ask(self.authorize_url(service, **changes)))
        assert done.status == 303, done
        back = done.headers["location"]
        assert back.startswith(changes.get("redirect_uri", self.redirect)), back
        got = parts_of(back)
        assert got["state"] == self.state and got["iss"] == self.house.auth, got
        return got["code"]

    def redeem(self, code, **changes):
        fields = {"grant_type": "authorization_code", "code": code, "client_id": self.client,
                  "redirect_uri": self.redirect, "code_verifier": self.verifier, **changes}
        return self.house.form("/token", {name: value for name, value in fields.items() if value is not None})

    def tokens(self, browser, service="one", **changes):
        answer = self.redeem(self.consent(browser, service, **changes))
        assert answer.status == 200, answer
        return answer.json

    def refresh(self, token, **changes):
        fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client, **changes}
        return self.house.form("/token", fields)

    def revoke(self, token, **changes):
        return self.house.form("/revoke", {"token": token, "client_id": self.client, **changes})
