#!/usr/bin/env python3
"""What callers can do to Homerun: broken tokens; requests that are too large, odd or too many."""
import base64
import contextlib
import json
import os
import pathlib
import subprocess
import time

from by_api import SERVICES, Raw, deploy, make_account, set_policy
from faults_stand import ask, one
from homerun import Homerun, main, need, test

MIB = 1 << 20


# ---- tokens ----

def part(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(homerun, claims, head=None, key=None):
    """A token by the issuer's own key: what no caller could make, to see that its claims count."""
    signer = pathlib.Path(homerun.data) / "signer"
    kid = (signer / "issuers").read_text(encoding="utf-8").split()[-1]
    text = part(head or {"alg": "RS256", "typ": "JWT", "kid": kid}) + b"." + part(claims)
    signature = subprocess.run(
        [need("openssl"), "dgst", "-sha256", "-sign", key or signer / f"issuer-{kid}.pem"],
        input=text, capture_output=True, check=True).stdout
    return (text + b"." + part(signature)).decode()


def claims_of(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def broken_tokens(homerun, good, folder):
    """(what is wrong, the header's value) for GOOD, a token that works."""
    claims, now = claims_of(good), int(time.time())
    head, body, signature = good.split(".")
    foreign = os.path.join(folder, "foreign.pem")
    subprocess.run([need("openssl"), "genrsa", "-out", foreign, "2048"], check=True,
                   capture_output=True)
    flipped = ("A" if signature[9] != "A" else "B").join((signature[:9], signature[10:]))
    without_exp = {name: value for name, value in claims.items() if name != "exp"}
    yield from (
        ("cut short", f"{head}.{body}"),
        ("nothing signed", f"{head}.{body}."),
        ("four parts", f"{good}.{signature}"),
        ("a flipped bit", f"{head}.{body}.{flipped}"),
        ("another body", f"{head}.{part({**claims, 'sub': '1'}).decode()}.{signature}"),
        ("alg none", f"{part({'alg': 'none'}).decode()}.{body}."),
        ("alg HS256", f"{part({'alg': 'HS256'}).decode()}.{body}.{signature}"),
        ("no JSON", f"{head}.{part(b'no json').decode()}.{signature}"),
        ("deep JSON", f"{head}.{part(b'[' * 9000).decode()}.{signature}"),
        ("padding", f"{head}.{body}.{signature}=="),
        ("bytes that are no base64", f"{head}.{body}.%%%"),
        ("20 KB", "e" * 20000),
        ("another key", sign(homerun, claims, key=foreign)),
        ("an unknown key", sign(homerun, claims, {"alg": "RS256", "kid": "x" * 40})),
        ("a critical extension", sign(homerun, claims, {
            **json.loads(base64.urlsafe_b64decode(head + "==")), "crit": ["x"], "x": 1})),
        ("expired", sign(homerun, {**claims, "iat": now - 7200, "exp": now - 3600})),
        ("from the future", sign(homerun, {**claims, "iat": now + 3600, "exp": now + 7200})),
        ("not yet valid", sign(homerun, {**claims, "nbf": now + 3600})),
        ("for ever", sign(homerun, {**claims, "exp": now + 10 ** 9})),
        ("without an end", sign(homerun, without_exp)),
        ("an end that is text", sign(homerun, {**claims, "exp": "tomorrow"})),
        ("another issuer", sign(homerun, {**claims, "iss": "https://issuer.example"})),
        ("another subject", sign(homerun, {**claims, "sub": "999999999999999999999"})),
        ("no subject", sign(homerun, {**claims, "sub": ""})),
    )


@test
def no_broken_token_opens_the_gate():
    caller = make_account(one(), "gate-caller")
    host = deploy(one(), "private", public=False)
    set_policy(one(), "private", f"serviceAccount:{caller}")
    good = one().token("identity", f"serviceAccount:{caller}", one().url("private"))
    assert ask(one(), host, token=good)[0] == 200
    assert ask(one(), host, token=sign(one(), claims_of(good)))[0] == 200, "our way of signing"
    for what, token in [*broken_tokens(one(), good, one().folder),
                        ("an access token", one().token()),
                        ("another audience", sign(one(), {**claims_of(good), "aud": "x"}))]:
        status, headers, _ = ask(one(), host, token=token)
        assert status == 401 and "www-authenticate" in headers, (what, status)
    assert ask(one(), host)[0] == 403
    assert ask(one(), host, token=good)[0] == 200


@test
def no_broken_token_opens_the_api():
    path = f"{SERVICES}?limit=1"
    good = one().token()
    assert one().api("GET", path, token=sign(one(), claims_of(good))).status == 200
    identity = one().token("identity")
    for what, token in [*broken_tokens(one(), good, one().folder), ("an ID token", identity),
                        ("another use", sign(one(), {**claims_of(good), "homerun_use": "id"}))]:
        if what == "another issuer":
            continue  # our key makes it ours: a token outlives a move to another port
        got = one().api("GET", path, token=token)
        assert got.status == 401, (what, got)
        assert token not in got.text
    assert one().api("GET", path, token="").status == 401
    assert good not in one().printed()


# ---- requests that are too much ----

@test
def what_is_too_large_is_refused_at_both_doors():
    host = deploy(one(), "limits")
    for where, name in (("http", host), ("https", host), ("api", "localhost")):
        for lines in (["X-Large: " + "x" * 70000], [f"X-{n}: {'y' * 500}" for n in range(200)]):
            with Raw(one(), where, host) as raw:
                raw.ask(name, headers=lines)
                assert raw.head()[0] == 431, where
        with Raw(one(), where, host) as raw:
            raw.ask(name, path="/" + "p" * 20000)
            assert raw.head()[0] in (414, 431), where
    token = f"Authorization: Bearer {one().token()}"
    with Raw(one(), "api") as raw:
        raw.ask("localhost", SERVICES, "POST", [token, f"Content-Length: {5 * MIB}"])
        assert raw.head()[0] == 413
    with Raw(one(), "api") as raw:
        raw.ask("localhost", SERVICES, "POST", [token, "Transfer-Encoding: chunked"])
        with contextlib.suppress(OSError):
            for _ in range(6):
                raw.send(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB))
        assert raw.head()[0] == 413


@test
def wrong_methods_are_405_at_both_doors():
    host = deploy(one(), "limits")
    for method in ("TRACE",):
        with Raw(one(), "http") as raw:
            raw.ask(host, method=method)
            assert raw.head()[0] == 405, method
    for method, path in (("DELETE", SERVICES), ("PATCH", "/token"), ("PUT", "/homerun/v1/groups")):
        got = one().api(method, path, {})
        assert got.status == 405, (method, path, got)
        assert got.headers["allow"], path
    with Raw(one(), "api") as raw:
        raw.ask("localhost", "/token", "BREW")
        assert raw.head()[0] in (405, 501)


# ---- file descriptors ----

class Poor(Homerun):
    """With so few descriptors for each process that a crowd uses them up."""

    def command(self):
        return ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh", *super().command()]


def crowd_of(homerun, where, name, path, headers, size=120):
    """The statuses that SIZE connections get that all ask before one of them reads."""
    statuses = []
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(Raw(homerun, where, name)) for _ in range(size)]
        for raw in crowd:
            raw.ask(name, path, headers=headers)
        for raw in crowd:
            statuses.append(raw.answer()[0])
            raw.sock.close()
    return statuses


@test
def without_descriptors_everybody_is_answered_and_service_goes_on_when_there_are_some():
    """Who is accepted with the last one has none left for the way to the container: 503."""
    with Poor("--plain", "--workers=1") as homerun:
        host = deploy(homerun, "public")
        for _ in range(2):
            statuses = crowd_of(homerun, "http", host, "/", [])
            assert set(statuses) <= {200, 503} and 200 in statuses, statuses
            assert ask(homerun, host)[0] == 200
        token = f"Authorization: Bearer {homerun.token()}"
        statuses = crowd_of(homerun, "api", "localhost", f"{SERVICES}?limit=1", [token])
        assert set(statuses) == {200}, statuses


if __name__ == "__main__":
    main()
