"""What the gate's rows need: services, callers, tokens by hand, requests header by header."""
import base64
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import time
import urllib.parse

from homerun import PYTHON, Answer, Homerun, finally_do, program_folder

REGION = "projects/demo/locations/us-central1"
BAD_TOKEN = 'Bearer error="invalid_token" ' \
            'error_description="The access token could not be verified"'
STRIPPED = ".SIGNATURE_REMOVED_BY_GOOGLE"
INVOKER = "roles/run.invoker"

_stand = None


class Stand:
    """One Homerun with the services, callers and keys that the rows need."""

    def __init__(self):
        self.homerun = Homerun("--workers=2").start()
        add_mirror(self.homerun)
        for service in ("private", "switch"):
            self.homerun.cli("deploy", service, "--image=mirror")
        self.homerun.cli("deploy", "inside", "--image=mirror", "--ingress=internal",
                         "--no-invoker-iam-check")
        self.subs = {name: self.account(name) for name in ("p", "q")}
        self.allow("private", [self.member("p")])

    # -- callers --

    def email(self, name):
        return f"caller-{name}@demo.iam.gserviceaccount.com"

    def member(self, name):
        return "serviceAccount:" + self.email(name)

    def account(self, name):
        answer = self.homerun.api("POST", "/v1/projects/demo/serviceAccounts",
                                  {"accountId": f"caller-{name}"})
        assert answer.status == 200, answer
        return answer.json["uniqueId"]

    def token(self, name, service="private", **claims):
        """An ID token of that caller, as the issuer makes it; CLAIMS replace some."""
        if not claims:
            return self.homerun.token("identity", member=self.member(name),
                                      audience=self.url(service))
        return self.mint({"iss": self.homerun.api_url, "sub": self.subs[name],
                          "aud": self.url(service), **claims})

    # -- tokens by hand --

    def issuer_key(self):
        folder = pathlib.Path(self.homerun.data) / "signer"
        kid = (folder / "issuers").read_text().split()[-1]
        return kid, str(folder / f"issuer-{kid}.pem")

    def mint(self, claims, key=None, kid=None):
        now = int(time.time())
        known, file = self.issuer_key()
        return sign({"iat": now, "exp": now + 600, **claims}, key or file, kid or known)

    def new_key(self, name):
        """A key pair of a stranger: its file, and its JWK set."""
        path = os.path.join(self.homerun.folder, f"{name}.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
                        "rsa_keygen_bits:2048", "-out", path], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", path, "-modulus", "-noout"], check=True,
                                 capture_output=True, text=True).stdout.strip().split("=")[1]
        return path, {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name,
                                "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}]}

    # -- services --

    def url(self, service, tag=None):
        return self.homerun.url(service, tag)

    def set_policy(self, service, bindings):
        answer = self.homerun.api("POST", f"/v2/{REGION}/services/{service}:setIamPolicy",
                                  {"policy": {"version": 3, "bindings": bindings}})
        assert answer.status == 200, answer

    def allow(self, service, members, condition=None):
        binding = {"role": INVOKER, "members": members}
        if condition:
            binding["condition"] = {"title": "when", "expression": condition}
        self.set_policy(service, [binding] if members else [])

    def allow_on_project(self, role, members):
        """Adds a binding to the project's policy; what it was before."""
        answer = self.homerun.api("POST", "/v1/projects/demo:getIamPolicy", {})
        assert answer.status == 200, answer
        before = answer.json
        after = dict(before)
        after["bindings"] = before.get("bindings", []) + [{"role": role, "members": members}]
        self.set_project_policy(after)
        return before

    def set_project_policy(self, policy):
        policy = {name: value for name, value in policy.items() if name != "etag"}
        answer = self.homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": policy})
        assert answer.status == 200, answer

    def set_check(self, service, on):
        answer = self.homerun.api(
            "PATCH", f"/v2/{REGION}/services/{service}?updateMask=invokerIamDisabled",
            {"invokerIamDisabled": not on})
        assert answer.status == 200, answer

    # -- requests --

    def ask(self, service, *headers, path="/", method="GET", tag=None, host=None, body=None):
        """HEADERS: pairs, in that order, repeated as they are."""
        url = urllib.parse.urlsplit(self.url(service, tag))
        context = ssl.create_default_context(cafile=self.homerun.ca)
        raw = socket.create_connection(("127.0.0.1", url.port), timeout=60)
        raw = context.wrap_socket(raw, server_hostname=url.hostname)
        client = http.client.HTTPConnection(url.hostname, url.port)
        client.sock = raw
        try:
            client.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            client.putheader("Host", host or url.netloc)
            for name, value in headers:
                client.putheader(name, value)
            if body is not None:
                client.putheader("Content-Length", str(len(body)))
            client.endheaders(body)
            got = client.getresponse()
            return Answer(got.status, got.headers, got.read())
        finally:
            client.close()

    def hits(self, service="private"):
        """How many requests its container has seen, this one not counted."""
        token = self.token("p", service)
        answer = self.ask(service, bearer(token))
        assert answer.status == 200, answer
        return answer.json["hits"] - 1

    def refused(self, status, service, *headers, **how):
        """The request is refused with STATUS and does not reach the container."""
        counted = service == "private"
        before = self.hits() if counted else 0
        answer = self.ask(service, *headers, **how)
        assert answer.status == status, answer
        assert answer.headers["Homerun-Denial"].startswith("d-"), answer.headers
        if counted:
            assert self.hits() == before + 1, "it reached the container"
        if status == 401:
            assert answer.headers["WWW-Authenticate"] == BAD_TOKEN, answer.headers
        else:
            assert "WWW-Authenticate" not in answer.headers
        if status in (401, 403):
            assert answer.headers["Cache-Control"] == "no-store"
        return answer

    def passed(self, service, *headers, **how):
        """The request reaches the container; what it was sent, each name once."""
        answer = self.ask(service, *headers, **how)
        assert answer.status == 200, answer
        return Seen(answer.json)


class Seen:
    """The headers of a request as its container had them."""

    def __init__(self, document):
        self.document = document

    def __getitem__(self, name):
        values = [value for key, value in self.document["headers"] if key == name]
        assert len(values) <= 1, values
        return values[0] if values else None


def add_mirror(homerun):
    """The image of a container that answers with the request that it has got."""
    homerun.cli("images", "add", "mirror", f"--dir={program_folder()}", "--allow-env=safe", "--",
                PYTHON, f"{program_folder()}/gate_container.py")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims, key, kid, alg="RS256"):
    head = b64(json.dumps({"alg": alg, "typ": "JWT", "kid": kid}).encode())
    text = f"{head}.{b64(json.dumps(claims).encode())}"
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(),
                          check=True, capture_output=True)
    return f"{text}.{b64(done.stdout)}"


def bearer(token, name="Authorization"):
    return (name, f"Bearer {token}")


def special(token):
    return bearer(token, "X-Serverless-Authorization")


def strip(token):
    return token.rsplit(".", 1)[0] + STRIPPED


def tamper(token):
    head, payload, signature = token.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{head}.{payload}.{signature[:middle]}{other}{signature[middle + 1:]}"


def stand():
    """The one that all rows share; it ends with the file."""
    global _stand
    if _stand is None:
        _stand = Stand()
    return _stand


@finally_do
def stop_stand():
    if _stand is not None:
        _stand.homerun.close()
