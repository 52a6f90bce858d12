"""Services with a door (Identity-Aware Proxy), and who comes to it: programs with tokens, people with browsers."""
import base64
import json
import urllib.parse

from gate_stand import REGION, Stand, add_mirror, bearer
from homerun import Homerun, finally_do
from signin_stand import Browser

AGENT = "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"
ACCESSOR = "roles/iap.httpsResourceAccessor"
SESSION = "__Host-homerun_session"
SSO = "__Host-homerun_sso"
NAVIGATION = (("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "none"),
              ("Sec-Fetch-Dest", "document"))

_stand = None


class Door(Stand):
    """"door" and "other" have a door and an agent that may call them; "shut" an agent that may not; "open" has no
    check; "plain" has no door, and neither has "public", which everybody may call. P may come in by the first four."""

    def __init__(self):
        self.homerun = Homerun("--workers=2").start()
        add_mirror(self.homerun)
        for name in ("door", "other", "shut", "open", "plain", "public"):
            self.homerun.cli("deploy", name, "--image=mirror")
        self.subs = {name: self.account(name) for name in ("p", "q")}
        self.people = {"p": "user:p@example.com", "q": "user:q@example.com"}
        self.set_check("open", False)
        self.set_check("public", False)
        self.allow("plain", [self.member("p")])
        for name in ("door", "other", "shut", "open"):
            self.set_door(name, True)
            self.let_in([self.member("p"), self.people["p"]], name)
        for name in ("door", "other"):
            self.allow(name, [AGENT])

    # -- the door --

    def set_door(self, service, on):
        answer = self.homerun.api("PATCH", f"/v2/{REGION}/services/{service}?updateMask=iapEnabled", {"iapEnabled": on})
        assert answer.status == 200, answer

    def door_of(self, service=None, region="us-central1", project="demo"):
        return (f"/v1/projects/{project}/iap_web" + (f"/cloud_run-{region}" if region else "")
                + (f"/services/{service}" if service else ""))

    def set_door_policy(self, path, bindings):
        answer = self.homerun.api("POST", f"{path}:setIamPolicy", {"policy": {"version": 3, "bindings": bindings}})
        assert answer.status == 200, answer

    def let_in(self, members, service="door", condition=None):
        binding = {"role": ACCESSOR, "members": members}
        if condition:
            binding["condition"] = {"title": "when", "expression": condition}
        self.set_door_policy(self.door_of(service), [binding] if members else [])

    def set_settings(self, settings, service="door"):
        answer = self.homerun.api("PATCH", f"{self.door_of(service)}:iapSettings", settings)
        assert answer.status == 200, answer

    # -- who comes --

    def invite(self, name):
        """A browser that NAME has signed in, which has been to no service yet."""
        browser = Browser(self.homerun)
        browser.sign_in(self.homerun.cli("invite", f"{name}@example.com", "--print").stdout.strip())
        return browser

    def cookie(self, browser, service="door"):
        url = self.url(service)
        if SESSION not in browser.cookies(url):
            browser.enter(url + "/")
        return browser.cookies(url)[SESSION]

    def by_cookie(self, browser, service="door"):
        return ("Cookie", f"{SESSION}={self.cookie(browser, service)}")

    def self_signed(self, name, audience, key=None, **claims):
        """A JWT that the service account signs with its own key, by the API."""
        import time
        now = int(time.time())
        email = self.email(name)
        body = {"iss": email, "sub": email, "aud": audience, "iat": now, "exp": now + 3600, **claims}
        answer = self.homerun.api("POST", f"/v1/projects/-/serviceAccounts/{email}:signJwt", {"payload": json.dumps(body)})
        assert answer.status == 200, answer
        return answer.json["signedJwt"]

    # -- what is answered --

    def turned_away(self, status, service, *headers, text=None, **how):
        """The door refuses with STATUS, says that it is the door, and the container is not reached."""
        before = self.seen_by(service)
        answer = self.ask(service, *headers, **how)
        assert answer.status == status, (answer, headers)
        assert answer.headers["x-goog-iap-generated-response"] == "true", answer.headers
        assert answer.headers["cache-control"] == "no-store", answer.headers
        assert answer.headers["homerun-denial"].startswith("d-"), answer.headers
        if status == 401:
            challenge = answer.headers["www-authenticate"]
            assert challenge.startswith("Bearer ") and "/.well-known/oauth-protected-resource" in challenge, challenge
            assert 'scope="openid email"' in challenge, challenge
        if text is not None:
            assert text in answer.text, answer.text
        assert self.seen_by(service) == before + 1, "the container was reached"
        return answer

    def to_sign_in(self, service, *headers, **how):
        """The door leads to sign-in; where to."""
        answer = self.turned_away(302, service, *headers, **how)
        target = answer.headers["location"]
        assert target.startswith(self.homerun.ready["auth"] + "/_homerun/auth/start?l="), target
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-homerun_nonce_") and "HttpOnly" in cookie, cookie
        return target

    def seen_by(self, service):
        """How many requests its container has seen, this one counted; through a way that is always open."""
        if service in ("shut",):
            return self._nothing()
        answer = self.ask(service, bearer(self.token("p", service)), path="/count")
        assert answer.status == 200, answer
        return answer.json["hits"]

    _count = 0

    def _nothing(self):
        self._count += 1
        return self._count

    def identity_of(self, seen):
        """The claims of the assertion that the container has got, its signature checked by openssl's user: PyJWT's
        algorithm is in tests/e2e/door.py."""
        token = seen["x-goog-iap-jwt-assertion"]
        head, payload, _ = token.split(".")
        return decode(head), decode(payload)


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def door():
    global _stand
    if _stand is None:
        _stand = Door()
    return _stand


@finally_do
def stop_door():
    if _stand is not None:
        _stand.homerun.close()


def host_of(url):
    return urllib.parse.urlsplit(url).netloc
