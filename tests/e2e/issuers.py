#!/usr/bin/env python3
"""Another OpenID provider: its keys are fetched, kept, changed with its own, and never believed beyond their limits."""
import http.server
import json
import threading

from homerun import Homerun, finally_do, main, test, wait_until
from issuer_stand import AUDIENCE, ISSUER, Provider

_shared = {}


def stand():
    if not _shared:
        _shared["homerun"] = Homerun().start()
        _shared["provider"] = Provider()
        homerun = _shared["homerun"]
        homerun.cli("deploy", "service", "--image=homerun.test/hello:1", f"--add-custom-audiences={AUDIENCE}")
        homerun.api("POST", "/v1/projects/demo/locations/us-central1/services/service:setIamPolicy", {
            "policy": {"bindings": [{"role": "roles/run.invoker", "members": ["user:ann@corp.example"]}]}})
    return _shared["homerun"], _shared["provider"]


@finally_do
def end():
    if _shared:
        _shared["homerun"].close()
        _shared["provider"].server.shutdown()
    if "hostile" in _shared:
        _shared["hostile"].gone.set()
        _shared["hostile"].server.shutdown()


def add(homerun, provider, **changed):
    return homerun.api("POST", "/homerun/v1/issuers", {
        "name": "corp", "issuer": ISSUER, "jwksUri": provider.url, "domains": ["corp.example"], **changed})


def status(homerun, token):
    return homerun.get(homerun.url("service"), token=token).status


@test
def a_key_set_that_cannot_be_had_is_refused_with_the_reason():
    homerun, provider = stand()
    cases = [
        ((404, {}, b""), "404"),
        ((302, {"Location": provider.url}, b""), "302"),
        ((200, {}, b"x" * 70000), "65536"),
        ((200, {}, b"no json"), "JSON"),
    ]
    for answer, words in cases:
        provider.answer = answer
        refused = add(homerun, provider)
        assert refused.status == 400, (words, refused)
        assert words in refused.json["error"]["message"], (words, refused)
    assert add(homerun, provider, jwksUri="http://elsewhere.example/keys").status == 400
    assert add(homerun, provider, jwksUri="file:///etc/passwd").status == 400
    assert homerun.api("GET", "/homerun/v1/issuers").json["issuers"] == []


@test
def keys_are_fetched_once_and_again_when_an_unknown_one_signs():
    homerun, provider = stand()
    first = provider.new_key("first")
    assert status(homerun, provider.token(first, "first")) == 401
    assert add(homerun, provider).status == 200
    asked = provider.asked
    old = provider.token(first, "first")
    for _ in range(5):
        assert status(homerun, old) == 200
    assert provider.asked == asked, "a known key must not be asked for"
    second = provider.new_key("second")
    assert status(homerun, provider.token(second, "second")) == 200, "the request waits for the new keys"
    assert provider.asked == asked + 1
    assert status(homerun, old) == 401, "a key that its issuer has taken back opens nothing"
    for number in range(3):
        assert status(homerun, provider.token(second, f"made-up-{number}")) == 401
    assert provider.asked <= asked + 2, "made-up key ids must not make us hammer the provider"


@test
def an_issuer_speaks_for_its_domains_and_for_nobody_else():
    # docs/access.md: C7
    homerun, provider = stand()
    key = provider.folder.name + "/second.pem"
    assert status(homerun, provider.token(key, "second")) == 200
    assert status(homerun, provider.token(key, "second", email_verified=False)) == 403
    owner = homerun.ready["owner"]["email"]
    assert status(homerun, provider.token(key, "second", email=owner)) == 403
    assert status(homerun, provider.token(key, "second", iss=homerun.api_url)) == 401
    assert status(homerun, provider.token(key, "second", aud="https://other.example")) == 401


@test
def a_removed_issuer_is_forgotten_at_once():
    homerun, provider = stand()
    token = provider.token(provider.folder.name + "/second.pem", "second")
    assert status(homerun, token) == 200
    assert homerun.api("DELETE", "/homerun/v1/issuers/corp").status == 200
    assert status(homerun, token) == 401


# ---- servers that mean harm, or are broken ----

LETTERS = [b"k" * 1000] * 200


class Hostile(Provider):
    """Answers with bytes as they are, in pieces, for as long as the client reads."""

    def __init__(self):
        super().__init__()
        self.pieces = []
        self.gone = threading.Event()
        provider = self
        plain = self.server.RequestHandlerClass.do_GET

        def do_GET(handler):
            if not provider.pieces:
                plain(handler)
                return
            provider.asked += 1
            try:
                for piece in provider.pieces:
                    if isinstance(piece, (int, float)):
                        provider.gone.wait(piece)
                    else:
                        handler.wfile.write(piece)
            except OSError:
                pass  # the client has had enough

        self.server.RequestHandlerClass.do_GET = do_GET


def hostile():
    homerun, _ = stand()
    if "hostile" not in _shared:
        _shared["hostile"] = Hostile()
    return homerun, _shared["hostile"]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@test
def whatever_a_server_answers_the_add_ends_with_a_reason():
    homerun, provider = hostile()
    endless = [HEAD + b"\r\n"] + LETTERS
    chunks = [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"] + [b"3e8\r\n" + b"k" * 1000 + b"\r\n"] * 200
    for name, pieces in (
            ("endless", endless), ("chunks without end", chunks),
            ("a promise that is not kept", [HEAD + b"Content-Length: 1000\r\n\r\n{"]),
            ("more than it says it is", [HEAD + b"Content-Length: 99999999999\r\n\r\n"] + LETTERS),
            ("no HTTP", [b"\x00\xff" * 1000]), ("nothing", [b""]),
            ("a head without end", [HEAD] + [b"X-A: " + b"a" * 1000 + b"\r\n"] * 2000),
            ("a list", [HEAD + b"Content-Length: 2\r\n\r\n[]"]),
            ("no keys", [HEAD + b"Content-Length: 2\r\n\r\n{}"]),
            ("keys that are none", [HEAD + b"Content-Length: 10\r\n\r\n{\"keys\":1}"])):
        provider.pieces = pieces
        got = add(homerun, provider)
        assert got.status == 400, (name, got)
    provider.pieces = []
    for name, body in (("deep", b'{"keys":' + b"[" * 30000 + b"]" * 30000 + b"}"),
                       ("deep objects", b'{"a":' * 10000 + b"1" + b"}" * 10000),
                       ("no UTF-8", b'{"keys":[{"kid":"\xff"}]}'), ("twice", b'{"keys":[],"keys":[]}'),
                       ("redirects", None)):
        provider.answer = (302, {"Location": "file:///etc/passwd"}, b"") if body is None \
            else (200, {}, body)
        got = add(homerun, provider)
        assert got.status == 400, (name, got)
    listed = homerun.api("GET", "/homerun/v1/issuers").json["issuers"]
    assert listed == [], listed


@test
def a_slow_server_holds_up_nobody_else():
    homerun, provider = hostile()
    provider.pieces = [HEAD + b"Content-Length: 60000\r\n\r\n"] + [b" ", 1.0] * 60
    asked, got = provider.asked, []
    slow = threading.Thread(target=lambda: got.append(add(homerun, provider)))
    slow.start()
    wait_until(lambda: provider.asked > asked, "the slow server is asked")
    for _ in range(20):
        assert homerun.api("GET", "/homerun/v1/issuers").status == 200
    assert not got, "it had ended before the others were asked"
    slow.join(60)
    assert got[0].status == 400, got
    provider.pieces = []


@test
def many_keys_are_bounded_and_the_first_ones_count():
    homerun, provider = hostile()
    path = provider.new_key("first")
    key = json.loads(provider.answer[2])["keys"][0]
    odd = [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": f"weak{i}"} for i in range(100)]
    many = {"keys": [{**key, "d": "AQAB", "kid": "private"}, *odd, 1, None, [], {}, key,
                     {**key, "kid": "x" * 2000}, {**key, "kid": 7}, {**key, "alg": "none"}]
            + [{**key, "kid": f"k{i}"} for i in range(100)]}
    provider.answer = (200, {}, json.dumps(many).encode())
    assert len(provider.answer[2]) < 65536
    assert add(homerun, provider).status == 200
    try:
        assert status(homerun, provider.token(path, "first")) == 200
        for kid in ("private", "weak1", "k99", ""):
            assert status(homerun, provider.token(path, kid)) == 401, kid
    finally:
        assert homerun.api("DELETE", "/homerun/v1/issuers/corp").status == 200


@test
def a_set_that_turns_bad_leaves_the_known_keys():
    homerun, provider = hostile()
    path = provider.new_key("good")
    assert add(homerun, provider, name="turned").status == 200
    try:
        provider.answer = (200, {}, b'{"keys":' + b"[" * 30000)
        asked = provider.asked
        assert status(homerun, provider.token(path, "unknown")) == 401
        wait_until(lambda: provider.asked > asked, "the keys are asked for again")
        assert status(homerun, provider.token(path, "good")) == 200
        assert homerun.printed().count("the known keys stay") <= 2
    finally:
        assert homerun.api("DELETE", "/homerun/v1/issuers/turned").status == 200


@test
def an_address_that_only_looks_like_this_machine_is_refused():
    homerun, provider = hostile()
    for uri in ("http://localhost:80@elsewhere.example/keys", "http://127.0.0.1:1@elsewhere.example/",
                "http://127.0.0.1:x@[2001:db8::1]/keys", "https://user:secret@elsewhere.example/",
                "http://localhost:80\\@elsewhere.example/", "http://localhost:", "https://",
                "http://127.0.0.1:99999/", "http://localhost:8o/", "HTTP://localhost:80/",
                "http://localhost:80 /", "https://elsewhere.example\n/"):
        got = add(homerun, provider, jwksUri=uri)
        assert got.status == 400 and "jwksUri" in got.text, (uri, got)


if __name__ == "__main__":
    main()
