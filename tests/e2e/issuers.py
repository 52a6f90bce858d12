#!/usr/bin/env python3
"""Another OpenID provider: its keys are fetched, kept, changed with its own, and never believed beyond their limits."""
import base64
import http.server
import json
import subprocess
import tempfile
import threading
import time

from homerun import Homerun, finally_do, main, need, test

ISSUER = "https://idp.example"
AUDIENCE = "https://service.example"
_shared = {}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """A key set on the loopback, which changes when the test says so."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="homerun-idp-")
        self.answer = (200, {}, b'{"keys":[]}')
        self.asked = 0
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked += 1
                status, headers, body = provider.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *ignored):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def new_key(self, kid):
        """Makes a key and serves it, alone."""
        path = f"{self.folder.name}/{kid}.pem"
        subprocess.run([need("openssl"), "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                        "-out", path], check=True, capture_output=True)
        shown = subprocess.run(["openssl", "rsa", "-in", path, "-modulus", "-noout"], check=True,
                               capture_output=True, text=True).stdout
        modulus = bytes.fromhex(shown.strip().partition("=")[2])
        jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": b64(modulus), "e": "AQAB"}
        self.answer = (200, {}, json.dumps({"keys": [jwk]}).encode())
        return path

    def token(self, path, kid, **changed):
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "42", "email": "ann@corp.example", "email_verified": True,
                  "iat": now, "exp": now + 600, **changed}
        text = b64(json.dumps({"alg": "RS256", "kid": kid}).encode()) + "." + b64(json.dumps(claims).encode())
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", path], input=text.encode(),
                                capture_output=True, check=True).stdout
        return f"{text}.{b64(signed)}"


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


if __name__ == "__main__":
    main()
