#!/usr/bin/env python3
"""Three nodes behind a balancer that keeps nobody at one of them: sign-in and agents go on whichever node is asked."""
import concurrent.futures
import hashlib
import itertools
import json
import os
import re
import urllib.parse

from agents_stand import Agent, Desk, b64
from by_api import deploy
from cluster_stand import node
from homerun import fetch, finally_do, main, test
from idp_stand import LyingProvider
from passkey_stand import Device
from postgres_stand import Server
from signin_stand import Browser, parts_of

COUNT = 3
GCLOUD = "32555940559.apps.googleusercontent.com"
SSO, SESSION = "__Host-homerun_sso", "__Host-homerun_session"
_made = None


class House:
    """Nodes at the same ports of addresses of their own, as behind one Service; "one" has a door, which Ann may pass."""

    def __init__(self):
        self.server = Server()
        finally_do(self.close)
        self.nodes = []
        database = self.server.database()
        ports = ()
        for i in range(COUNT):
            first = self.nodes[0] if i else None
            self.nodes.append(node(self.server, database, f"n{i + 1}", first, *[f"--{name}={place(i)}:{port}" for name, port in ports]).start())
            ports = ports or [(name, urllib.parse.urlsplit(self.nodes[0].ready[name]).port) for name in ("api", "https", "http")]
        one = self.nodes[0]
        self.url = deploy(one, "one", public=False)
        number = one.ready["projectNumber"]
        path = "/v2/projects/demo/locations/us-central1/services/one"
        assert one.api("PATCH", path + "?updateMask=iapEnabled", {"iapEnabled": True}).status == 200
        self.policy(path, "roles/run.invoker", f"serviceAccount:service-{number}@gcp-sa-iap.iam.gserviceaccount.com")
        self.policy(f"/v1/projects/{number}/iap_web/cloud_run-us-central1/services/one", "roles/iap.httpsResourceAccessor",
                    "user:ann@corp.example")
        self.provider = LyingProvider()
        self.provider.add_to(one)

    def policy(self, path, role, member):
        done = self.nodes[0].api("POST", path + ":setIamPolicy", {"policy": {"bindings": [{"role": role, "members": [member]}], "version": 3}})
        assert done.status == 200, done

    def close(self):
        for one in self.nodes:
            one.close()
        self.server.close()


def place(i):
    return f"127.0.0.{i % COUNT + 1}"


def house():
    global _made
    _made = _made or House()
    return _made


def auth(path=""):
    return house().nodes[0].ready["auth"] + path


class Roams:
    """Each request of it comes to another node."""

    def __init__(self, start=0):
        super().__init__(house().nodes[0])
        self.turns = itertools.count(start)

    def place(self):
        return place(next(self.turns))


class Roaming(Roams, Browser):
    pass


class RoamingDesk(Roams, Desk):
    pass


def browser_at(i, url=None, cookies=()):
    """A browser that comes to one node alone, with COOKIES for URL."""
    browser = Browser(house().nodes[0])
    browser.place = lambda: place(i)
    if url is not None:
        browser.cookies(url).update(cookies)
    return browser


def at_once(*asks):
    """Answers of requests that are sent at the same moment."""
    with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
        return [one.result() for one in [pool.submit(ask) for ask in asks]]


def to_provider(browser):
    """The URL that leads back from the provider, for who was going to the service."""
    page = browser.go_on(browser.ask(service("/wanted?a=b")))
    button = re.search(r'href="(/_homerun/auth/provider/corp[^"]*)"', page.text)
    assert page.status == 200 and button, page
    led = browser.ask(auth(button.group(1).replace("&amp;", "&")))
    assert led.status == 302, led
    return house().provider.authorize(led.headers["location"])


def service(path="/"):
    port = urllib.parse.urlsplit(auth()).port
    return f"https://{house().url.split(':')[0]}:{port}{path}"


def signed_in_by_link(name="ann@corp.example"):
    browser = Roaming()
    browser.sign_in(house().nodes[0].cli("invite", name).stdout.strip())
    return browser


@test
def a_person_signs_in_by_a_provider_and_comes_to_the_service_and_the_console():
    for start in range(COUNT):
        browser = Roaming(start)
        done = browser.go_on(browser.ask(to_provider(browser)))
        assert done.status == 303 and done.headers["location"].endswith("/wanted?a=b"), done
        assert browser.go_on(done).status == 200
    console = house().nodes[0].ready["console"] + "/console/"
    browser.enter(console)
    assert SESSION in browser.cookies(console)


@test
def a_provider_that_takes_each_refresh_token_once_is_asked_by_any_node():
    provider = house().provider
    provider.token_answer = {"refresh_token": "r0"}
    browser = Roaming()
    browser.ask(to_provider(browser))
    for i in range(COUNT):
        provider.token_answer = {"refresh_token": f"r{i + 1}"}
        house().nodes[i].cli("issuers", "renew", "corp")
        asked = [form["refresh_token"] for path, _, form in provider.asked if path == "/token" and "refresh_token" in form]
        assert asked[-1] == f"r{i}", asked
    assert "ann@" in browser.ask(auth("/")).text
    provider.reset()


@test
def an_answer_counts_once_in_one_browser_at_whichever_node():
    browser, thief = Roaming(), Roaming()
    back = to_provider(browser)
    kept = dict(browser.cookies(auth()))
    thief.ask(auth("/_homerun/auth/provider/corp"))
    state = parts_of(back)["state"]
    for i in range(COUNT):
        assert thief.ask(back).status == 400, "another browser's"
        assert SSO not in thief.cookies(auth())
    # The right cookie under the name of another state, and a cookie that was changed.
    name = next(name for name in kept if name.endswith("state_" + state[:8]))
    for wrong in ({name.replace(state[:8], "A" * 8): kept[name]}, {name: kept[name][:-1] + ("A" if kept[name][-1] != "A" else "B")}):
        stranger = Roaming()
        stranger.cookies(auth()).update(wrong)
        assert stranger.ask(back).status == 400
    # Wrong shows have burnt it where they came; a new one is answered at all nodes at the same moment.
    back = to_provider(browser)
    kept = dict(browser.cookies(auth()))

    def answer(i):
        return browser_at(i, auth(), kept).ask(back).status

    assert sorted(at_once(*[lambda i=i: answer(i) for i in range(COUNT)])) == [200, 400, 400]
    assert answer(0) == answer(1) == answer(2) == 400


@test
def a_passkey_signs_in_at_any_node_and_its_answer_counts_once():
    device = Device("roams", lambda: urllib.parse.urlsplit(auth()).hostname)
    owner, browser = signed_in_by_link(), Roaming()

    def begin(one, path):
        page = one.ask(auth(path)).text
        return dict(re.findall(r'name="(challenge|user)" value="([^"]*)"', page))

    def said(kind, challenge):
        return json.dumps({"type": f"webauthn.{kind}", "challenge": challenge, "origin": auth(), "crossOrigin": False}).encode()

    asked = begin(owner, "/_homerun/auth/passkeys/new")
    form = {"challenge": asked["challenge"], "name": "Key", "client": b64(said("create", asked["challenge"])),
            "auth": b64(device.auth(True)), "key": b64(device.spki), "alg": "-7"}
    assert owner.ask(auth("/_homerun/auth/passkeys"), form=form).status == 303
    challenge = begin(browser, "/_homerun/auth/passkey")["challenge"]
    kept = dict(browser.cookies(auth()))
    device.counter += 1
    data, client = device.auth(False), said("get", challenge)
    form = {"challenge": challenge, "id": b64(device.id), "client": b64(client), "auth": b64(data), "user": asked["user"],
            "sig": b64(device.sign(data + hashlib.sha256(client).digest()))}

    def answer(i, cookies):
        return browser_at(i, auth(), cookies).ask(auth("/_homerun/auth/passkey"), form=form).status

    assert sorted(at_once(*[lambda i=i: answer(i, kept) for i in range(COUNT)])) == [200, 400, 400]
    assert [answer(i, kept) for i in range(COUNT)] == [400] * COUNT
    assert answer(0, {}) == 400, "another browser's"


@test
def a_code_of_the_handing_over_counts_once():
    browser = signed_in_by_link()
    back = browser.go_on(browser.ask(service())).headers["location"]
    kept = dict(browser.cookies(service()))

    def follow(i):
        return browser_at(i, service(), kept).ask(back).status

    assert sorted(at_once(*[lambda i=i: follow(i) for i in range(COUNT)])) == [303, 400, 400]
    # Shown to a node without its nonce it is burnt at all.
    browser.cookies(service()).clear()
    back = browser.go_on(browser.ask(service())).headers["location"]
    assert Roaming().ask(back).status == 400
    assert browser.ask(back).status == browser.ask(back).status == 400


@test
def a_one_time_link_counts_once():
    for _ in range(3):
        address, secret = house().nodes[0].cli("invite", "ann@corp.example").stdout.strip().split("#")

        def click(i):
            return browser_at(i).ask(address, form={"t": secret, "go": "1"}).status

        assert sorted(at_once(*[lambda i=i: click(i) for i in range(COUNT)])) == [200, 400, 400]


@test
def an_agent_is_let_in_and_comes_back_at_whichever_node():
    desk = RoamingDesk()
    desk.url = lambda name="one", path="": service(path)
    agent = Agent(new=True, at=desk)
    agent.state = "s" * 2048  # the longest: where the browser is going takes two cookies then
    browser = Roaming()
    # Who is not signed in signs in first, and is led back to the question: by a link, or at the provider.
    page = browser.ask(agent.authorize_url())
    assert "Sign in" in page.text and len(browser.cookies(auth())) == 2, page
    button = re.search(r'href="(/_homerun/auth/provider/corp[^"]*)"', page.text).group(1)
    other = Roaming()
    other.cookies(auth()).update(browser.cookies(auth()))
    led = other.ask(house().provider.authorize(other.ask(auth(button)).headers["location"]))
    assert "Let this program in?" in other.go_on(led).text
    page = browser.sign_in(house().nodes[0].cli("invite", "ann@corp.example").stdout.strip())
    question = browser.go_on(page)
    tokens = agent.redeem(parts_of(agent.answer(browser, question).headers["location"])["code"]).json
    for i in range(COUNT):
        assert desk.call(tokens["access_token"]).status == 200
    for i in range(COUNT):
        last, tokens = tokens, agent.refresh(tokens["refresh_token"]).json
        assert desk.call(tokens["access_token"]).status == 200
    assert agent.refresh(last["refresh_token"]).json["error"] == "invalid_grant"
    assert agent.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant", "the family has ended"
    assert desk.call(tokens["access_token"]).status == 401
    # A question is answered once, and a code is redeemed once; its second use ends what it gave.
    question = browser.ask(agent.authorize_url())
    answers = [agent.answer(browser, question) for i in range(COUNT)]
    assert [answer.status for answer in answers] == [303, 400, 400]
    code = parts_of(answers[0].headers["location"])["code"]
    got = at_once(*[lambda: agent.redeem(code)] * COUNT)
    assert sorted(answer.status for answer in got) == [200, 400, 400], got
    winner = next(answer.json for answer in got if answer.status == 200)
    assert [desk.call(winner["access_token"]).status for i in range(COUNT)] == [401] * COUNT
    # The page of one person is no answer of another.
    page = browser.ask(agent.authorize_url())
    assert agent.answer(signed_in_by_link("quin@corp.example"), page).status == 400


@test
def gcloud_is_let_in_by_one_node_and_gets_its_tokens_from_another():
    browser, verifier = signed_in_by_link(), b64(os.urandom(48))
    asked = {"response_type": "code", "client_id": GCLOUD, "redirect_uri": "http://localhost:8085/", "state": "s",
             "code_challenge": b64(hashlib.sha256(verifier.encode()).digest()), "code_challenge_method": "S256"}
    page = browser.ask(auth("/o/oauth2/auth?" + urllib.parse.urlencode(asked)))
    answer = browser.ask(auth("/o/oauth2/auth"), form={"r": re.search(r'name="r" value="([^"]+)"', page.text).group(1), "answer": "allow"})
    assert answer.status == 303, answer
    form = urllib.parse.urlencode({"grant_type": "authorization_code", "code": parts_of(answer.headers["location"])["code"],
                                   "client_id": GCLOUD, "redirect_uri": asked["redirect_uri"], "code_verifier": verifier})
    port = urllib.parse.urlsplit(house().nodes[0].ready["api"]).port

    def redeem(i):
        return fetch(f"http://127.0.0.1:{port}/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, form, connect=place(i))

    got = redeem(1)
    assert got.status == 200 and got.json["refresh_token"], got
    assert redeem(2).status == 400


main()
