#!/usr/bin/env python3
"""api.DOMAIN, beside the services: the API for whoever has a token, if `--api-host` says so; no cookie counts there. And the
API by the name of a balancer in front, which `--api-url` says."""
import base64
import json
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse

from homerun import Homerun, fetch, finally_do, main, stand, test
from signin_stand import Browser

SERVICES = "/v2/projects/demo/locations/us-central1/services"
BALANCER = "https://homerun.example.com:8444"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_made = []


def house():
    if not _made:
        _made.append(Homerun("--api-host", f"--api-url={BALANCER}").start())
        finally_do(_made[0].close)
    return _made[0]


def ask(path, method="GET", body=None, url=None, token="owner", **headers):
    """A request at the API's host; TOKEN "owner": with the owner's, None: without."""
    homerun = house()
    send = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        send["Authorization"] = "Bearer " + (homerun.token() if token == "owner" else token)
    if body is not None:
        send["Content-Type"] = send.get("Content-Type", "application/json")
    return fetch((url or homerun.ready["apiHost"]) + path, method, send, body, ca=homerun.ca)


@test
def without_the_switch_there_is_no_such_host():
    port = stand().ready["https"].rsplit(":", 1)[1]
    assert "apiHost" not in stand().ready
    for host in ("api.run.localhost", "us-central1-api.run.localhost"):
        answer = fetch(f"https://{host}:{port}{SERVICES}", "GET", {"Authorization": f"Bearer {stand().token()}"}, ca=stand().ca)
        assert answer.status == 404 and "application/json" not in answer.headers["content-type"], answer


@test
def with_a_token_it_is_the_api():
    url = house().ready["apiHost"]
    assert url.startswith("https://api.run.localhost:"), url
    house().cli("deploy", "one", "--image=us-docker.pkg.dev/cloudrun/container/hello")
    listed = ask(SERVICES)
    assert listed.status == 200 and [one["name"].rsplit("/", 1)[1] for one in listed.json["services"]] == ["one"], listed
    assert listed.text == house().api("GET", SERVICES).text
    for other in (url.replace("//api.", "//us-central1-api."), url.replace("//api.", "//API.")):
        assert ask(SERVICES, url=other).status == 200, other
    knative = ask("/us-central1/apis/serving.knative.dev/v1/namespaces/demo/services")
    assert knative.status == 200 and len(knative.json["items"]) == 1, knative
    changed = ask(SERVICES + "/one?updateMask=labels", "PATCH", json.dumps({"labels": {"by": "host"}}))
    assert changed.status == 200, changed
    assert house().api("GET", SERVICES + "/one").json["labels"] == {"by": "host"}


@test
def without_one_it_is_nothing_and_no_cookie_is_one():
    browser = Browser(house())
    browser.login()
    console = house().ready["console"]
    browser.enter(console + "/console/")
    kept = {**browser.cookies(console), **browser.cookies(house().ready["auth"])}
    assert browser.ask(console + SERVICES, Accept="application/json").status == 200, "at the console it counts"
    for cookie in (None, "; ".join(f"{name}={value}" for name, value in kept.items()),
                   *(f"{name}={value}" for value in kept.values() for name in ("homerun", "__Host-homerun", "__Host-homerun_session"))):
        more = {} if cookie is None else {"Cookie": cookie, "X-Homerun-Console": "1", "Origin": house().ready["apiHost"], "Sec-Fetch-Site": "same-origin"}
        for method, path, body in (("GET", SERVICES, None), ("DELETE", SERVICES + "/one", None), ("POST", SERVICES + "?serviceId=x", "{}")):
            answer = ask(path, method, body, token=None, **more)
            assert answer.status == 401 and answer.json["error"]["status"] == "UNAUTHENTICATED", (cookie, answer)
            assert "set-cookie" not in answer.headers
    identity = house().cli("token", "identity", "--as=user:ann@example.com").stdout.strip()
    for token in ("x", identity, house().token()[:-4] + "AAAA"):
        assert ask(SERVICES, token=token).status == 401, token


@test
def what_is_not_the_api_is_not_there():
    for path in ("/", "/console/", "/console/session", "/console/events", "/_homerun/auth/start", "/_homerun/auth/link", "/_homerun/errand/login",
                 "/authorize", "/register"):
        assert ask(path).status == 404, path
    for host in ("nowhere-api.run.localhost", "xus-central1-api.run.localhost"):
        port = house().ready["https"].rsplit(":", 1)[1]
        answer = ask(SERVICES, url=f"https://{host}:{port}")
        assert answer.status == 421, (host, answer)
    said = ask("/google.cloud.run.v2.Services/GetService", "POST", "\0\0\0\0\0", Content_Type="application/grpc")
    assert said.status == 200 and said.headers["grpc-status"] == "12" and "no gRPC" in said.headers["grpc-message"], said
    large = ask(SERVICES + "?serviceId=x", "POST", "{" + " " * (5 << 20))
    assert large.status == 413, large
    claimed = ask(SERVICES, token=None, Homerun_Door_Errand="host", Homerun_Door_Peer="127.0.0.1")
    assert claimed.status == 401, claimed


def named(path, host, method="GET", body=None, token="owner", **headers):
    """A request at the API's own address that calls it by the name HOST, as a balancer passes it on."""
    return ask(path, method, body, house().api_url, token, Host=host, **headers)


def signed(key, **claims):
    def b64(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    head = {"alg": "RS256", "typ": "JWT", "kid": key["private_key_id"]}
    now = int(time.time())
    claims = {"iss": key["client_email"], "sub": key["client_email"], "iat": now, "exp": now + 3600, **claims}
    text = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(key["private_key"])
        file.flush()
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", file.name], input=text.encode(), check=True,
                                   capture_output=True).stdout
    return f"{text}.{b64(signature)}"


@test
def by_the_name_of_a_balancer_it_is_the_same():
    own = urllib.parse.urlsplit(BALANCER).netloc
    assert named(SERVICES, own).status == 200
    for other in ("homerun.example.org", "xhomerun.example.com", "example.com", "homerun.example.com.evil.example"):
        assert named(SERVICES, other).status == 421, other
    with open(house().ready["owner"]["keyFile"], encoding="utf-8") as file:
        key = json.load(file)
    assert key["token_uri"] == f"{BALANCER}/token", key["token_uri"]

    def bought(audience):
        form = urllib.parse.urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                       "assertion": signed(key, aud=audience, scope=SCOPE)})
        return named("/token", own, "POST", form, None, Content_Type="application/x-www-form-urlencoded")
    assert bought(f"{BALANCER}/token").status == 200
    assert named(SERVICES, own, token=signed(key, aud=f"{BALANCER}/")).status == 200
    for wrong in ("https://homerun.example.org:8444", "https://homerun.example.com:8445", "https://example.com"):
        assert bought(f"{wrong}/token").status == 400, wrong
        assert named(SERVICES, own, token=signed(key, aud=f"{wrong}/")).status == 401, wrong
    found = named("/.well-known/openid-configuration", own, token=None).json
    assert found["token_endpoint"] == f"{BALANCER}/token" and found["jwks_uri"].startswith(BALANCER), found


@test
def its_console_takes_pages_of_that_name_alone():
    own = urllib.parse.urlsplit(BALANCER).netloc
    link = house().cli("console", "--print").stdout.strip()
    assert link.startswith(f"{BALANCER}/console/#code="), link

    def take(origin, host):
        code = re.search(r"#code=([\w-]+)$", house().cli("console", "--print").stdout.strip()).group(1)
        return named("/console/session", host, "POST", json.dumps({"code": code}), None, X_Homerun_Console="1", Origin=origin).status
    assert take(BALANCER, own) == 200
    assert take(f"http://{own}", own) == 200, "the scheme that the request came by"
    for origin, host in ((f"https://localhost:{house().api_url.rsplit(':', 1)[1]}", own), ("https://homerun.example.com", own), ("null", own),
                         (BALANCER + ".evil.example", own), ("https://evil.example", own), (BALANCER, "localhost"), ("", own)):
        assert take(origin, host) == 403, (origin, host)


@test
def whoever_asks_for_the_health_needs_no_name():
    port = urllib.parse.urlsplit(house().api_url).port

    def raw(text):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(text.encode())
            return client.recv(4096).decode()
    assert raw("GET /homerun/v1/health HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 200 ")
    assert raw("GET /homerun/v1/health HTTP/1.1\r\nHost: web1.internal:8080\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 200 ")
    assert raw("GET /homerun/v1/nodes HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 400 ")
    assert raw("GET /homerun/v1/health/x HTTP/1.1\r\nHost: web1.internal\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 421 ")


if __name__ == "__main__":
    main()
