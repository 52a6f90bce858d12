"""Identity providers for the tests: one that lies on order, and a certified one (npm's oidc-provider)."""
import base64
import hashlib
import html
import http.cookiejar
import http.server
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import client_cache
from homerun import need

OIDC_PROVIDER = ["oidc-provider@9.13.3"]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An RSA key, made by openssl."""

    def __init__(self, folder, kid):
        self.kid = kid
        self.path = f"{folder}/{kid}.pem"
        subprocess.run([need("openssl"), "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                        "-out", self.path], check=True, capture_output=True)
        shown = subprocess.run(["openssl", "rsa", "-in", self.path, "-modulus", "-noout"], check=True,
                               capture_output=True, text=True).stdout
        modulus = bytes.fromhex(shown.strip().partition("=")[2])
        self.jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": b64(modulus), "e": "AQAB"}

    def sign(self, claims, **head):
        text = b64(json.dumps({"alg": "RS256", "kid": self.kid, **head}).encode()) + "." + \
            b64(json.dumps(claims).encode())
        if head.get("alg", "RS256") == "none":
            return text + "."
        if head.get("alg", "RS256") == "HS256":
            return text + "." + b64(hashlib.sha256(text.encode()).digest())
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=text.encode(),
                                capture_output=True, check=True).stdout
        return f"{text}.{b64(signed)}"


class LyingProvider:
    """
    A provider that does right, but for what a test changes: `description`, `id_claims`, `id_head`, `userinfo`,
    `answer` (of the authorization), `status` by path, `hang`.
    """

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="homerun-idp-")
        self.keys = [Key(self.folder.name, "k1")]
        self.release = threading.Event()
        self.reset()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.serve(self, b"")

            def do_POST(self):
                provider.serve(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def log_message(self, *ignored):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.issuer = f"http://localhost:{self.server.server_port}"

    def reset(self):
        self.release.set()
        self.release.clear()
        self.description, self.id_claims, self.id_head, self.token_answer = {}, {}, {}, {}
        self.userinfo = {"sub": "42", "email": "ann@corp.example", "email_verified": True, "groups": ["staff"]}
        self.answer, self.status, self.hang = {}, {}, set()
        self.asked = []
        self.without_userinfo = False

    def about(self):
        known = {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/keys",
            "userinfo_endpoint": self.issuer + "/userinfo",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        if self.without_userinfo:
            del known["userinfo_endpoint"]
        return {**known, **self.description}

    def id_token(self, key=None, **changed):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "homerun", "sub": "42", "iat": now, "exp": now + 300,
                  **self.id_claims, **changed}
        claims = {name: value for name, value in claims.items() if value is not None}
        return (key or self.keys[-1]).sign(claims, **self.id_head)

    def serve(self, handler, body):
        path = urllib.parse.urlsplit(handler.path).path
        form = dict(urllib.parse.parse_qsl(body.decode()))
        self.asked.append((path, dict(handler.headers), form))
        if path in self.hang:
            self.release.wait(20)
        answers = {
            "/.well-known/openid-configuration": self.about,
            "/keys": lambda: {"keys": [key.jwk for key in self.keys]},
            "/userinfo": lambda: self.userinfo,
            "/token": lambda: {"access_token": "at", "token_type": "Bearer",
                               "id_token": self.id_token(nonce=self.nonce), **self.token_answer},
        }
        status = self.status.get(path, 200)
        shown = answers.get(path, dict)()
        if isinstance(status, tuple):
            status, shown = status
        shown = {name: value for name, value in shown.items() if value is not None}
        data = json.dumps(shown).encode()
        handler.send_response(status)
        if status == 302:
            handler.send_header("Location", self.issuer + "/elsewhere")
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        try:
            handler.end_headers()
            handler.wfile.write(data)
        except BrokenPipeError:
            pass  # who asked has waited long enough

    def authorize(self, location):
        """What the provider's page would lead back to, for the request LOCATION."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        self.nonce = asked["nonce"]
        back = {"code": "c0de", "state": asked["state"], "iss": self.issuer, **self.answer}
        back = {name: value for name, value in back.items() if value is not None}
        return asked["redirect_uri"] + "?" + urllib.parse.urlencode(back)

    def add_to(self, homerun, name="corp", status=0, **more):
        secret = os.path.join(self.folder.name, "secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("a secret: with %signs\n")
        return homerun.cli("issuers", "add", name, f"--issuer={self.issuer}", "--sign-in", "--client-id=homerun",
                           f"--client-secret-file={secret}", "--domains=corp.example",
                           *[f"--{key}={value}" for key, value in more.items()], status=status)


class CertifiedProvider:
    """npm's oidc-provider, in a process of its own."""

    def __init__(self, homerun):
        program = need("node")
        folder = client_cache.install("npm's oidc-provider", "oidc-provider", OIDC_PROVIDER,
                                      [need("npm"), "install", "--no-audit", "--no-fund", "--fetch-retries=1",
                                       "--fetch-timeout=20000", "--prefix", ".", *OIDC_PROVIDER])
        auth = homerun.ready["auth"]
        plan = {"redirect": auth + "/_homerun/auth/callback", "after": auth + "/",
                "backchannel": auth + "/_homerun/auth/backchannel"}
        self.homerun = homerun
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [program, str(client_cache.CLIENTS / "oidc_provider.mjs"), json.dumps(plan)], stdout=subprocess.PIPE,
            stderr=self.errors, text=True,
            env={**os.environ, "NODE_PATH": str(folder / "node_modules"), "NODE_EXTRA_CA_CERTS": homerun.ca})
        self.issuer = self.process.stdout.readline().strip()
        assert self.issuer, self.said()

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode()[-2000:]

    def close(self):
        self.process.kill()
        self.process.wait()

    def add_to(self, homerun, name="oidc"):
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write("a secret: with %signs\n")
            secret.flush()
            return homerun.cli("issuers", "add", name, f"--issuer={self.issuer}", "--sign-in", "--client-id=homerun",
                               f"--client-secret-file={secret.name}", "--domains=corp.example",
                               "--scopes=openid profile email groups")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *ignored):
        return None


class Person:
    """Somebody at the provider's own pages: signs in, agrees, signs out."""

    def __init__(self, name):
        self.name = name
        self.opener = urllib.request.build_opener(
            NoRedirect, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def ask(self, url, form=None):
        data = None if form is None else urllib.parse.urlencode(form).encode()
        try:
            return self.opener.open(url, data, timeout=20)
        except urllib.error.HTTPError as answer:
            return answer

    def authorize(self, location, back):
        """Follows the provider's pages from LOCATION until it leads to BACK; that URL."""
        url, form = location, None
        for _ in range(12):
            answer = self.ask(url, form)
            text = answer.read().decode()
            form = None
            if answer.status in (302, 303):
                url = urllib.parse.urljoin(url, answer.headers["location"])
                if url.startswith(back):
                    return url
                continue
            action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', text).group(1))
            form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))
            if 'name="login"' in text:
                form.update({"login": self.name, "password": "any"})
            url = urllib.parse.urljoin(url, action)
        raise AssertionError(f"no way back: {url}\n{text[:500]}")

