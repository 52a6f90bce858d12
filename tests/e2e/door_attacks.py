#!/usr/bin/env python3
"""Attacks across the door: sibling services, trailers, requests inside of requests, upgrades.

Numbers are rows of the truth table of identity-aware access.
"""
from by_api import Raw, add_odd_image
from door_stand import AGENT, NAVIGATION, SESSION, SSO, door, host_of
from gate_stand import bearer
from homerun import main, test, wait_until
from signin_stand import Browser, run_in_browser

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
_made = []


def stand():
    """The door's services, and "raw" behind a door of its own: a container that shows and switches as it is told."""
    s = door()
    if not _made:
        image = add_odd_image(s.homerun, "good")
        s.homerun.cli("deploy", "raw", f"--image={image}")
        s.set_door("raw", True)
        s.let_in([s.member("p"), s.people["p"]], "raw")
        s.allow("raw", [AGENT])
        _made.append(image)
    return s


def host(service):
    return host_of(stand().url(service))


def raw(service):
    return Raw(stand().homerun, "https", host(service))


def cookie_line(cookie):
    return f"Cookie: {cookie[1]}"


def token_line(service):
    return "Authorization: " + bearer(stand().token("p", service))[1]


# ---- WebSockets ----

@test
def rows_23_to_25_a_websocket_opens_for_the_own_page_alone():
    s = stand()
    cookie = s.by_cookie(s.invite("p"), "raw")
    own = f"Origin: {s.url('raw')}"
    with raw("raw") as one:
        one.ask(host("raw"), "/tunnel", headers=[*UPGRADE, cookie_line(cookie), own])
        status, headers = one.head()
        assert status == 101 and headers["sec-websocket-accept"], (status, headers)
        one.send(b"\x82\x01x")
        assert one.take(3) == b"\x82\x01x"
    with raw("raw") as one:  # what the container gets with it
        one.ask(host("raw"), "/head", headers=[*UPGRADE, cookie_line(cookie), own])
        seen = one.answer()[2].lower()
        assert b"x-goog-iap-jwt-assertion: " in seen and b"homerun" not in seen.split(b"cookie")[-1][:60], seen
    for line in (None, "Origin: null", f"Origin: {s.url('other')}", f"Origin: {s.url('raw')}.evil.example",
                 f"Origin: {s.url('raw').replace('https', 'http')}"):
        with raw("raw") as one:
            one.ask(host("raw"), "/tunnel", headers=[*UPGRADE, cookie_line(cookie), *([line] if line else [])])
            status, headers, _ = one.answer()
            assert status == 403 and headers["x-goog-iap-generated-response"] == "true", (line, status, headers)
    for lines in ([], [own], ["Cookie: a=b"], [f"Cookie: {SESSION}={'A' * 43}", own]):
        with raw("raw") as one:
            one.ask(host("raw"), "/tunnel", headers=[*UPGRADE, *lines])
            status, headers, _ = one.answer()
            assert status == 401 and "resource_metadata" in headers["www-authenticate"], (lines, status, headers)
    with raw("raw") as one:  # a program needs no Origin
        one.ask(host("raw"), "/tunnel", headers=[*UPGRADE, token_line("raw")])
        assert one.head()[0] == 101


# ---- trailers ----

@test
def row_64_no_trailer_poses_as_the_door():
    forged = ("X-Goog-IAP-JWT-Assertion", "x_goog_iap_jwt_assertion", "X-Goog-Authenticated-User-Email", "x-goog-authenticated_user-id",
              "X-Goog-Anything", "X-Serverless-Authorization", "Authorization", "Proxy-Authorization", "Cookie", "Host",
              "Content-Length", "Transfer-Encoding", "X-Forwarded-For", "Forwarded", "Homerun-Denial")
    trailers = "".join(f"{name}: forged\r\n" for name in forged).encode()
    with raw("raw") as one:
        one.ask(host("raw"), "/size", "POST", [token_line("raw"), "Transfer-Encoding: chunked"],
                b"4\r\nbody\r\n0\r\n" + trailers + b"Grade: A\r\n\r\n")
        status, _, body = one.answer()
        assert status == 200 and body.startswith(b"4 ") and b"forged" not in body, body
        assert b"grade: a" in body.lower(), body


@test
def no_trailer_speaks_for_ingress_to_control():
    home = host_of(door().homerun.ready["auth"])
    with Raw(door().homerun, "https", home) as one:
        one.ask(home, "/_homerun/auth/link", "POST",
                ["Transfer-Encoding: chunked", "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: cross-site"],
                b"3\r\nt=x\r\n0\r\nHomerun-Door-Errand: login\r\nSec-Fetch-Site: same-origin\r\n\r\n")
        status, headers, _ = one.answer()
        assert status == 403 and "set-cookie" not in headers, (status, headers)


# ---- requests inside of requests ----

def ask_twice(service, first, then):
    """The statuses of FIRST and of what is sent behind it on the same connection; 0 where it ended."""
    seen = []
    with raw(service) as one:
        one.send(first)
        for more in (b"", then):
            try:
                one.send(more)
                seen.append(one.answer()[0])
            except (EOFError, OSError):
                seen.append(0)
    return seen


def inner(service, *lines):
    return "\r\n".join([f"GET /smuggled HTTP/1.1", f"Host: {host(service)}", *lines, "", ""]).encode()


@test
def each_request_of_a_connection_is_judged_by_what_it_brings_itself():
    """Who was let in before on the same connection, or in whose body one hides, is none of its credentials."""
    s = stand()
    cookie = s.by_cookie(s.invite("p"), "raw")
    for line in (token_line("raw"), cookie_line(cookie)):
        good = f"GET /head HTTP/1.1\r\nHost: {host('raw')}\r\n{line}\r\n\r\n".encode()
        assert ask_twice("raw", good, inner("raw", "Accept: text/event-stream")) == [200, 401], line
        assert ask_twice("raw", good + inner("raw", "Accept: text/event-stream"), b"") == [200, 401], line
        assert ask_twice("raw", inner("raw", "Accept: text/event-stream"), good) == [401, 200], line
    # Another host on the same connection is judged as that host.
    good = f"GET /head HTTP/1.1\r\nHost: {host('raw')}\r\n{token_line('raw')}\r\n\r\n".encode()
    assert ask_twice("raw", good, inner("door", token_line("raw"))) in ([200, 401], [200, 421]), "another service took it"


@test
def what_hides_in_the_body_of_a_refused_request_is_a_body():
    """The refusal comes before the body: its bytes are never read as a request of their own."""
    s = stand()
    hidden = inner("raw", token_line("raw"))
    before = s.ask("raw", bearer(s.token("p", "raw")), path="/head").status
    assert before == 200
    for how, body in ((f"Content-Length: {len(hidden)}", hidden),
                      ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden))):
        for lines in ([], ["Sec-Fetch-Site: cross-site", cookie_line(s.by_cookie(s.invite("p"), "raw"))]):
            first = "\r\n".join([f"POST / HTTP/1.1", f"Host: {host('raw')}", how, *lines, "", ""]).encode() + body
            seen = ask_twice("raw", first, inner("raw"))
            assert seen[0] in (401, 403) and seen[1] in (0, 302), (how, lines, seen)


@test
def a_request_of_two_lengths_goes_nowhere():
    s = stand()
    hidden = inner("raw")
    good = [token_line("raw")]
    shapes = (
        ["Content-Length: 4", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 4"],
        ["Content-Length: 4", "Content-Length: 5"], ["Content-Length: 4, 5"], ["Content-Length: +4"], ["Content-Length: 0x4"],
        ["Transfer-Encoding: xchunked"], ["Transfer-Encoding: chunked, identity"], ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding : chunked"], ["Transfer-Encoding:\x0bchunked"], ["Transfer_Encoding: chunked", "Content-Length: 4, 4x"],
        [" Transfer-Encoding: chunked"], ["X: y\n Transfer-Encoding: chunked", "Content-Length: 5x"],
    )
    for lines in shapes:
        first = "\r\n".join([f"POST / HTTP/1.1", f"Host: {host('raw')}", *good, *lines, "", ""]).encode()
        seen = ask_twice("raw", first + b"0\r\n\r\n" + hidden, b"")
        assert seen[0] in (400, 501) and seen[1] == 0, (lines, seen)
    # To hosts that are ours the same is said, before control hears of it.
    home = host_of(s.homerun.ready["auth"])
    for lines in shapes[:4]:
        with Raw(s.homerun, "https", home) as one:
            one.ask(home, "/", "POST", lines, b"0\r\n\r\n" + hidden)
            assert one.answer()[0] in (400, 501), lines
            assert one.is_over(), lines


@test
def a_body_sent_to_an_errand_is_read_as_a_body():
    """The door's own answers, and what control answers through the relay: a connection that is kept has them in order."""
    s = stand()
    hidden = inner("raw", token_line("raw"))
    home = host_of(s.homerun.ready["auth"])
    for where, path, wanted in (("raw", "/_homerun/auth/style.css", 200), ("raw", "/.well-known/oauth-protected-resource", 200),
                                ("raw", "/_gcp_iap/clear_login_cookie", 302), ("raw", "/_homerun/iap/verify/public_key", 200),
                                (None, "/", 200), (None, "/_homerun/auth/link", 200)):
        name = host(where) if where else home
        with Raw(s.homerun, "https", name) as one:
            one.ask(name, path, "GET", [f"Content-Length: {len(hidden)}"], hidden)
            status = one.answer()[0]
            assert status in (wanted, 400, 413), (path, status)
            try:
                one.ask(name, "/_homerun/auth/nothing")
                seen = one.answer()[0]
            except (EOFError, OSError):
                continue  # it was closed: good
            assert seen == 404, (path, seen)


# ---- what a container answers ----

@test
def row_65_no_answer_of_a_container_reaches_sibling_hosts():
    s = stand()
    ours = f"{SESSION}=evil; Path=/; Secure"
    for service, headers in (("door", [bearer(s.token("p", "door"))]), ("public", [])):
        answer = s.ask(service, *headers, path="/says?clear-site-data=%22cookies%22&clear-site-data=%22*%22")
        assert answer.headers.get_all("clear-site-data") == ['"cache", "storage", "executionContexts"'], answer.headers
        answer = s.ask(service, *headers, path="/says?Clear-Site-Data=%22cookies%22,%20%22cache%22&Set-Cookie=" + ours.replace(" ", "%20"))
        assert answer.headers.get_all("clear-site-data") == ['"cache"'] and "set-cookie" not in answer.headers, answer.headers
        answer = s.ask(service, *headers, path="/says?x-goog-iap-generated-response=true&homerun-denial=d-x")
        assert "x-goog-iap-generated-response" not in answer.headers and "homerun-denial" not in answer.headers


@test
def siblings_and_websockets_in_a_browser():
    s = stand()
    s.set_check("public", False)
    run_in_browser("door_siblings.mjs", s.homerun, HOMERUN_SERVICE=s.url("raw"), HOMERUN_MIRROR=s.url("door"),
                   HOMERUN_EVIL=s.url("public"))


if __name__ == "__main__":
    main()
