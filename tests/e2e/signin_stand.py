"""A browser of a few lines: cookies by host and by the rules of "__Host-", redirects only when asked."""
import json
import os
import re
import subprocess
import urllib.parse

from homerun import BINARY, ROOT, Skip, fetch, need, stand

FORM = "application/x-www-form-urlencoded"


class Browser:
    """One browser: what it keeps, it sends again, to the host that set it."""

    def place(self):
        """Where the next request goes, whatever its host: a balancer may choose."""
        return "127.0.0.1"

    def __init__(self, homerun=None):
        self.homerun = homerun or stand()
        self.jar = {}

    def cookies(self, url):
        return self.jar.setdefault(urllib.parse.urlsplit(url).hostname, {})

    def ask(self, url, method="GET", form=None, **headers):
        """One request. HEADERS: a name with _ for -; None leaves one out."""
        kept = self.cookies(url)
        send = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "User-Agent": "TestBrowser/1"}
        if kept:
            send["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        body = None
        if form is not None:
            parts = urllib.parse.urlsplit(url)
            body = urllib.parse.urlencode(form)
            send.update({"Content-Type": FORM, "Origin": f"{parts.scheme}://{parts.netloc}",
                         "Sec-Fetch-Site": "same-origin"})
        send.update({name.replace("_", "-"): value for name, value in headers.items()})
        send = {name: value for name, value in send.items() if value is not None}
        answer = fetch(url, method if form is None else "POST", send, body, ca=self.homerun.ca, connect=self.place())
        for line in answer.headers.get_all("set-cookie") or []:
            self.keep(kept, line)
        return answer

    def ask_json(self, url, body, **headers):
        """A POST of a page's script."""
        kept = self.cookies(url)
        send = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items()),
                **{name.replace("_", "-"): value for name, value in headers.items()}}
        return fetch(url, "POST", send, json.dumps(body), ca=self.homerun.ca)

    def keep(self, kept, line):
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        assert name.startswith("__Host-"), line
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(attributes), line
        assert not any(one.lower().startswith("domain") for one in attributes), line
        if "Max-Age=0" in attributes:
            kept.pop(name, None)
        else:
            kept[name] = value

    # -- the way of a person --

    def sign_in(self, link):
        """Opens a one-time link and clicks; the page that follows."""
        address, secret = link.split("#")
        page = self.ask(address)
        assert page.status == 200 and secret not in page.text, page
        shown = self.ask(address, form={"t": secret})
        assert shown.status == 200 and "Sign in on this browser?" in shown.text, shown
        return self.ask(address, form={"t": secret, "go": "1"})

    def login(self, *flags):
        return self.sign_in(self.homerun.cli("login", "--print", *flags).stdout.strip())

    def go_on(self, answer):
        """Follows a redirect, or a page that leads on by itself."""
        return self.ask(next_url(answer))

    def enter(self, url):
        """From a host's page through the auth host back; the last answer, at the host."""
        first = self.ask(url)
        assert first.status == 302, first
        second = self.go_on(first)
        assert second.status == 302, second
        third = self.go_on(second)
        assert third.status == 303, third
        return self.go_on(third)


def next_url(answer):
    if answer.status in (302, 303):
        return answer.headers["location"]
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.text)
    assert found, answer
    return found.group(1).replace("&amp;", "&")


def parts_of(url):
    """The query of URL as a dictionary."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def run_in_browser(name, homerun, **more):
    """Runs tests/console/NAME at HOMERUN and passes on what it prints."""
    need("node")
    chromium = need("chromium")
    folder = ROOT / "console"
    if not (folder / "node_modules" / "playwright-core").exists():
        raise Skip("the console's packages are not there: npm ci --prefix console")
    done = subprocess.run(
        ["node", str(ROOT / "tests" / "console" / name)], text=True, capture_output=True, timeout=300,
        env={**os.environ, "HOMERUN": BINARY,
             "HOMERUN_DATA": homerun.data, "HOMERUN_CA": homerun.ca, "HOMERUN_CONSOLE": str(folder),
             "CHROMIUM": chromium, "HOMERUN_SHOTS": os.environ.get("HOMERUN_SHOTS", ""), **more})
    print(done.stdout, end="", flush=True)
    assert "ok " in done.stdout and "not ok" not in done.stdout and done.returncode == 0, \
        f"{name}: {(done.stdout + done.stderr)[-400:]}"
