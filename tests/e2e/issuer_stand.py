"""An OpenID issuer on the loopback, whose keys and tokens the tests make."""
import base64
import http.server
import json
import subprocess
import tempfile
import threading
import time

from homerun import need

ISSUER = "https://idp.example"
AUDIENCE = "https://service.example"


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
