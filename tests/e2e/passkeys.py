#!/usr/bin/env python3
"""Passkeys of local people: in a real browser, and what hostile browsers and authenticators say."""
import base64
import hashlib
import json
import re
import subprocess
import urllib.parse

import passkey_stand
from door_stand import door
from homerun import main, need, stand, test
from idp_stand import LyingProvider, b64
from signin_stand import Browser, run_in_browser

def auth(path=""):
    return stand().ready["auth"] + path


def rp():
    return urllib.parse.urlsplit(auth()).hostname


class Device(passkey_stand.Device):
    def __init__(self, name):
        super().__init__(name, rp)


def client(kind, asked, **changed):
    said = {"type": f"webauthn.{kind}", "challenge": asked, "origin": auth(), "crossOrigin": False, **changed}
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()


def person(name):
    browser = Browser()
    browser.sign_in(stand().cli("invite", f"{name}@example.com", "--print").stdout.strip())
    return browser


def hidden(page, name):
    return re.search(f'name="{name}" value="([^"]*)"', page.text).group(1)


def begin_add(browser):
    page = browser.ask(auth("/_homerun/auth/passkeys/new"))
    assert page.status == 200 and "Add a passkey" in page.text, page
    return hidden(page, "challenge"), base64.urlsafe_b64decode(hidden(page, "user") + "==")


def add(browser, device, name="Key", challenge=None, data=None, said=None, how=None, **form):
    """Registers DEVICE; the answer."""
    fresh, device.user = begin_add(browser) if challenge is None else (challenge, device.user)
    sent = {"challenge": fresh, "name": name, "client": b64(said or client("create", fresh)),
            "auth": b64(data if data is not None else device.auth(True)), "key": b64(device.spki), "alg": "-7", **form}
    return browser.ask(auth("/_homerun/auth/passkeys"), form={key: value for key, value in sent.items() if value is not None}, **(how or {}))


def added(name, device):
    browser = person(name)
    answer = add(browser, device)
    assert answer.status == 303, answer
    return browser


def begin_use(browser):
    page = browser.ask(auth("/_homerun/auth/passkey"))
    assert page.status == 200, page
    return hidden(page, "challenge")


def use(browser, device, challenge=None, data=None, said=None, how=None, **form):
    """Signs in by DEVICE; the answer. It counts on by itself, but where DATA is given."""
    challenge = challenge or begin_use(browser)
    if data is None:
        device.counter += 1
        data = device.auth(False)
    said = said or client("get", challenge)
    sent = {"challenge": challenge, "id": b64(device.id), "client": b64(said), "auth": b64(data), "user": b64(device.user),
            "sig": b64(device.sign(data + hashlib.sha256(said).digest())), **form}
    return browser.ask(auth("/_homerun/auth/passkey"), form={key: value for key, value in sent.items() if value is not None}, **(how or {}))


def shown(browser):
    found = re.search(r'<span class="who">(.*?)</span>', browser.ask(auth("/")).text)
    return found.group(1).replace("<wbr>", "") if found else ""


# ---- what works ----

@test
def a_passkey_signs_in_whom_it_was_added_for():
    device = Device("works")
    owner = added("works", device)
    assert "Key" in owner.ask(auth("/")).text
    browser = Browser()
    page = use(browser, device)
    assert page.status == 200 and "You are signed in" in page.text, page
    assert shown(browser) == "works@example.com"
    stand().restart()
    assert use(Browser(), device).status == 200
    organization = stand().api("GET", "/v3/organizations:search").json["organizations"][0]["name"].split("/")[1]
    rows = stand().cli("access", "history", f"--organization={organization}", "--format=json").stdout
    assert "add-passkey" in rows and "sign-in-by-passkey" in rows, rows[-800:]


@test
def a_page_of_it_has_one_script_and_no_way_to_be_framed():
    for browser, path in ((Browser(), "/_homerun/auth/passkey"), (person("pages"), "/_homerun/auth/passkeys/new")):
        page = browser.ask(auth(path))
        policy = page.headers["content-security-policy"]
        script = re.search(r"<script>(.*?)</script>", page.text, re.S).group(1)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy and "frame-ancestors 'none'" in policy, policy
        assert page.headers["cache-control"] == "no-store"


@test
def the_owner_of_the_installation_may_have_one():
    device = Device("owner")
    browser = Browser()
    browser.login()
    assert add(browser, device).status == 303
    other = Browser()
    assert use(other, device).status == 200
    assert other.enter(stand().ready["console"] + "/console/").status == 200


# ---- registration: what is refused ----

@test
def a_registration_is_checked_in_full():
    browser = person("adder")
    device = Device("adder")
    challenge = [None]

    def fresh():
        challenge[0], device.user = begin_add(browser)
        return challenge[0]

    other = Device("other").spki
    for what, build in {
            "another origin": lambda c: {"said": client("create", c, origin="https://evil.example")},
            "a sibling's origin": lambda c: {"said": client("create", c, origin=auth().replace("auth.", "one."))},
            "plain http": lambda c: {"said": client("create", c, origin=auth().replace("https", "http"))},
            "a longer origin": lambda c: {"said": client("create", c, origin=auth() + ".evil.example")},
            "type": lambda c: {"said": client("get", c)}, "no type": lambda c: {"said": client("create", c, type=None)},
            "another challenge": lambda c: {"said": client("create", "A" * 43)},
            "challenge no text": lambda c: {"said": client("create", c, challenge=[c])},
            "crossOrigin": lambda c: {"said": client("create", c, crossOrigin=True)},
            "crossOrigin text": lambda c: {"said": client("create", c, crossOrigin="false")},
            "topOrigin": lambda c: {"said": client("create", c, topOrigin="https://evil.example")},
            "no JSON": lambda c: {"said": b"\xff\xfe"}, "a list": lambda c: {"said": b"[]"},
            "twice a name": lambda c: {"said": client("create", c)[:-1] + b', "origin": "' + auth().encode() + b'"}'},
            "huge JSON": lambda c: {"said": client("create", c, padding="x" * 5000)},
            "deep JSON": lambda c: {"said": b'{"a":' * 1500 + b"1" + b"}" * 1500},
            "another rpId": lambda c: {"data": device.auth(True, rp_id="evil.example")},
            "the parent's rpId": lambda c: {"data": device.auth(True, rp_id=rp().partition(".")[2])},
            "nobody there": lambda c: {"data": device.auth(True, flags=0x04)},
            "nobody verified": lambda c: {"data": device.auth(True, flags=0x01)},
            "backed up without being able to": lambda c: {"data": device.auth(True, flags=0x15)},
            "no credential": lambda c: {"data": device.auth(False)},
            "short": lambda c: {"data": device.auth(True)[:36]}, "empty": lambda c: {"data": b""},
            "no ID": lambda c: {"data": device.auth(True, rest=bytes(16) + b"\0\0" + device.cose())},
            "an ID that is longer than all": lambda c: {"data": device.auth(True, rest=bytes(16) + b"\xff\xff" + device.id)},
            "an ID and no key": lambda c: {"data": device.auth(True, rest=bytes(16) + b"\0\x20" + device.id)},
            "huge CBOR": lambda c: {"data": device.auth(True) + b"\xbb" + b"\xff" * 5000},
            "a key that is not the authenticator's": lambda c: {"key": b64(other)},
            "a key of another kind": lambda c: {"alg": "-257"}, "an unknown kind": lambda c: {"alg": "-65535"},
            "no kind": lambda c: {"alg": None}, "a kind that is none": lambda c: {"alg": "-99999999999999999999"}, "HMAC": lambda c: {"alg": "5"},
            "no key": lambda c: {"key": None}, "a key of zeros": lambda c: {"key": b64(bytes(91))}, "no base64": lambda c: {"key": "!!!"},
            "padding": lambda c: {"client": b64(client("create", c)) + "="},
            "no name": lambda c: {"name": ""}, "a long name": lambda c: {"name": "x" * 65}, "a name with a bell": lambda c: {"name": "a\x07"},
    }.items():
        answer = add(browser, device, challenge=fresh(), **build(challenge[0]))
        assert answer.status == 400, (what, answer)
    assert "Key" not in browser.ask(auth("/")).text
    assert add(browser, device, challenge=fresh(), name="<script>alert(1)</script>").status == 303
    assert "<script>" not in browser.ask(auth("/")).text
    assert add(browser, device).status == 409, "the same once more"


@test
def a_challenge_counts_once_in_its_session():
    one, two, device = person("once"), person("twice"), Device("once")
    challenge, device.user = begin_add(one)
    assert add(two, device, challenge=challenge).status == 400
    assert add(one, device, challenge=challenge).status == 400, "not burnt"
    challenge, _ = begin_add(one)
    assert add(one, device, challenge=challenge).status == 303
    assert add(one, Device("again"), challenge=challenge).status == 400
    for_use = begin_use(one)
    assert add(one, Device("use"), challenge=for_use, said=client("create", for_use)).status == 400


@test
def only_a_page_of_ours_and_who_has_just_signed_in_adds_one():
    device = Device("foreign")
    browser = person("foreign")
    for lacking in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": None, "Origin": "https://evil.example"}):
        assert add(browser, device, how=lacking).status == 403, lacking
    stranger = Browser()
    page = stranger.ask(auth("/_homerun/auth/passkeys/new"))
    assert 'name="challenge"' not in page.text and "homerun login" in page.text
    assert "homerun login" in stranger.ask(auth("/_homerun/auth/passkeys"), form={"challenge": "x"}).text


@test
def people_of_a_provider_add_theirs_there():
    provider = LyingProvider()
    provider.add_to(stand(), "elsewhere")
    browser = Browser()
    browser.ask(provider.authorize(browser.ask(auth("/_homerun/auth/provider/elsewhere")).headers["location"]))
    assert "Add a passkey" not in browser.ask(auth("/")).text
    assert browser.ask(auth("/_homerun/auth/passkeys/new")).status == 403
    stand().cli("issuers", "remove", "elsewhere")


@test
def a_person_has_so_many_and_no_more():
    browser = person("many")
    first = Device("many")
    for number in range(20):
        first.id = hashlib.sha256(f"many{number}".encode()).digest()
        assert add(browser, first, name=f"k{number}").status == 303, number
    first.id = hashlib.sha256(b"one too many").digest()
    assert add(browser, first).status == 429


# ---- signing in: what is refused ----

@test
def an_assertion_is_checked_in_full():
    device, stranger = Device("signer"), Device("stranger")
    added("signer", device)
    eve = Device("eve")
    added("eve", eve)
    device.counter = 7
    good = lambda: device.auth(False)  # noqa: E731
    for what, build in {
            "another origin": lambda c: {"said": client("get", c, origin="https://evil.example")},
            "type": lambda c: {"said": client("create", c)}, "another challenge": lambda c: {"said": client("get", "A" * 43)},
            "crossOrigin": lambda c: {"said": client("get", c, crossOrigin=True)},
            "another rpId": lambda c: {"data": device.auth(False, rp_id="evil.example")},
            "nobody there": lambda c: {"data": device.auth(False, flags=0x04)}, "nobody verified": lambda c: {"data": device.auth(False, flags=0x01)},
            "with a credential": lambda c: {"data": device.auth(True)}, "too long": lambda c: {"data": good() + b"\0"},
            "huge CBOR": lambda c: {"data": device.auth(False, flags=0x85) + b"\xbb" * 5000},
            "a signature of nothing": lambda c: {"data": good(), "sig": b64(b"")}, "no signature": lambda c: {"data": good(), "sig": None},
            "another key's signature": lambda c: {"data": good(), "sig": b64(stranger.sign(good() + hashlib.sha256(client("get", c)).digest()))},
            "a signature of something else": lambda c: {"data": good(), "sig": b64(device.sign(good()))},
            "a signature with more behind it": lambda c: {"data": good(), "sig": b64(device.sign(good() + hashlib.sha256(client("get", c)).digest()) + b"\0")},
    }.items():
        browser = Browser()
        challenge = begin_use(browser)
        answer = use(browser, device, challenge=challenge, **build(challenge))
        assert answer.status == 400 and shown(browser) == "", (what, answer)
    stand().restart()  # who guesses has to wait: the next ones are no guesses of those
    for what, more in {
            "another person's handle": {"user": b64(eve.user)}, "no handle": {"user": None}, "a handle that leads elsewhere": {"user": b64(b"../" + device.user)},
            "an unknown credential": {"id": b64(stranger.id)}, "another person's credential": {"id": b64(eve.id)}, "no credential": {"id": None},
    }.items():
        browser = Browser()
        answer = use(browser, device, data=good(), **more)
        assert answer.status == 400 and shown(browser) == "", (what, answer)
    browser = Browser()
    assert use(browser, device).status == 200 and shown(browser) == "signer@example.com"


@test
def a_challenge_to_sign_in_counts_once_in_one_browser():
    device = Device("replay")
    added("replay", device)
    browser, thief = Browser(), Browser()
    challenge = begin_use(browser)
    kept = dict(browser.cookies(auth()))
    assert use(thief, device, challenge=challenge).status == 400, "another browser's"
    assert use(browser, device, challenge=challenge).status == 400, "not burnt"
    challenge = begin_use(browser)
    kept = dict(browser.cookies(auth()))
    data = device.auth(False)[:33] + (99).to_bytes(4, "big")
    assert use(browser, device, challenge=challenge, data=data).status == 200
    again = Browser()
    again.cookies(auth()).update({name: value for name, value in kept.items() if "state" in name})
    assert use(again, device, challenge=challenge, data=data).status == 400, "replayed"
    challenge, user = begin_add(browser)
    assert use(browser, device, challenge=challenge).status == 400, "a challenge to add one"
    for lacking in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": None, "Origin": "null"}):
        assert use(Browser(), device, how=lacking).status == 403, lacking


@test
def a_counter_that_does_not_rise_is_a_copy():
    device = Device("counts")
    device.counter = 5
    added("counts", device)
    for counter, status in ((6, 200), (6, 403), (5, 403), (0, 403), (7, 200), (0xffffffff, 200), (0, 403)):
        device.counter = counter
        answer = use(Browser(), device, data=device.auth(False))
        assert answer.status == status, (counter, answer)
    assert "refuse-passkey" in stand().cli("access", "history", "--format=json", "--organization=" + stand().api(
        "GET", "/v3/organizations:search").json["organizations"][0]["name"].split("/")[1]).stdout
    silent = Device("silent")
    added("silent", silent)
    for _ in range(2):  # one that does not count at all
        assert use(Browser(), silent, data=silent.auth(False)).status == 200


@test
def what_is_removed_opens_nothing():
    stand().restart()  # ten wrong ones within a minute, and the address has to wait
    device, kept = Device("gone"), Device("kept")
    browser = added("gone", device)
    assert add(browser, kept, name="Kept").status == 303
    other = person("other-person")
    page = browser.ask(auth("/"))
    key = re.findall(r'name="id" value="([0-9a-f]{64})"', page.text)
    gone = hashlib.sha256(device.id).hexdigest()
    assert gone in key and len(key) == 2, key
    other.ask(auth("/_homerun/auth/passkeys/remove"), form={"id": gone})
    assert use(Browser(), device).status == 200, "removed by somebody else"
    assert browser.ask(auth("/_homerun/auth/passkeys/remove"), form={"id": gone}, Sec_Fetch_Site="cross-site").status == 403
    assert browser.ask(auth("/_homerun/auth/passkeys/remove"), form={"id": gone}).status == 303
    assert use(Browser(), device).status == 400
    assert use(Browser(), kept).status == 200


@test
def the_owner_ends_what_a_person_has_and_their_passkeys_too():
    device, other = Device("lost"), Device("not-lost")
    browser = added("lost", device)
    added("not-lost", other)
    assert "signed out everywhere" in stand().cli("signout", "lost@example.com").stdout
    assert shown(browser) == "" and use(browser, device).status == 200, "signing out leaves passkeys"
    assert "1 passkey was removed" in stand().cli("signout", "lost@example.com", "--passkeys").stdout
    assert shown(browser) == "" and use(browser, device).status == 400
    assert use(Browser(), other).status == 200
    assert "0 passkeys were removed" in stand().cli("signout", "nobody-at-all@example.com", "--passkeys").stdout


@test
def who_is_disabled_or_gone_has_none():
    homerun = stand()
    email = "briefly@demo.iam.gserviceaccount.com"
    account = f"/v1/projects/demo/serviceAccounts/{email}"
    homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "briefly"})
    device, browser = Device("briefly"), Browser()
    browser.login(f"--as=serviceAccount:{email}")
    assert add(browser, device).status == 303
    homerun.api("POST", account + ":disable", {})
    assert use(Browser(), device).status == 400
    homerun.api("POST", account + ":enable", {})
    assert use(Browser(), device).status == 200
    homerun.api("DELETE", account)
    assert use(Browser(), device).status == 400
    homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "briefly"})
    assert use(Browser(), device).status == 400


# ---- in a browser ----

def pin(homerun):
    """The hash of the local CA's key, as Chromium takes it."""
    key = subprocess.run([need("openssl"), "x509", "-in", homerun.ca, "-pubkey", "-noout"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@test
def in_a_browser():
    s = door()
    s.let_in(["domain:example.com"])
    run_in_browser("passkeys.mjs", s.homerun, HOMERUN_SERVICE=s.url("door"), HOMERUN_PINS=pin(s.homerun))


if __name__ == "__main__":
    main()
