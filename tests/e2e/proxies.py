#!/usr/bin/env python3
"""--trusted-proxy: only the peer that is one says who the caller is, whatever a stranger writes.

127.0.0.1 and fd99::/16 are trusted, 10.0.0.0/8, fd11::/16 and 127.0.0.9 are internal, everybody else is
a stranger. TLS is served on IPv4, and without it on IPv6.
"""
import re
import socket
import ssl
import subprocess
import urllib.parse

from homerun import PYTHON, Homerun, Skip, finally_do, main, need, program_folder, test

PROXY, STRANGER, INSIDE = "127.0.0.1", "127.0.0.2", "127.0.0.9"
_stand = []


def stand():
    if not _stand:
        one = Homerun("--http=[::1]:0", "--plain", f"--trusted-proxy={PROXY}",
                      "--trusted-proxy=fd99::/16", "--internal=10.0.0.0/8", "--internal=fd11::/16",
                      f"--internal={INSIDE}")
        finally_do(one.close)
        one.start()
        one.cli("images", "add", "mirror", f"--dir={program_folder()}", "--", PYTHON,
                f"{program_folder()}/gate_container.py")
        for name, ingress in (("inside", "internal"), ("open", "all"),
                              ("balanced", "internal-and-cloud-load-balancing")):
            one.cli("deploy", name, "--image=mirror", f"--ingress={ingress}", "--no-invoker-iam-check")
        _stand.append(one)
    return _stand[0]


def ask(name, peer, *lines, to="127.0.0.1"):
    """One request with these header lines as they are; (status, the answer's text)."""
    url = urllib.parse.urlsplit(stand().url(name))
    port = url.port if to == "127.0.0.1" else urllib.parse.urlsplit(stand().ready["http"]).port
    raw = socket.create_connection((to, port), timeout=30, source_address=(peer, 0))
    if port == url.port:
        context = ssl.create_default_context(cafile=stand().ca)
        raw = context.wrap_socket(raw, server_hostname=url.hostname)
    with raw:
        raw.sendall("\r\n".join(["GET / HTTP/1.1", f"Host: {url.netloc}", "Connection: close",
                                 *lines, "", ""]).encode("latin-1"))
        got = b""
        while piece := raw.recv(65536):
            got += piece
    return int(got.split(b" ", 2)[1]), got.decode("latin-1")


def forms(address):
    """All ways to say "I come from ADDRESS" that some server somewhere believes."""
    yield (f"X-Forwarded-For: {address}",)
    yield (f"x-forwarded-for: {address}, {PROXY}",)
    yield (f"X-Forwarded-For: {PROXY}, {address}",)
    yield (f"X-Forwarded-For: {address}", f"X-Forwarded-For: {PROXY}")
    yield (f"X-Forwarded-For: {address}, fd99::1",)
    yield (f"X_Forwarded_For: {address}",)
    yield (f"X-Forwarded_For: {address}",)
    yield (f"Forwarded: for={address};proto=https;by={PROXY}",)
    yield (f'Forwarded: for="[{address}]"',)
    for name in ("X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "Client-IP",
                 "X-Cluster-Client-IP", "X-Original-Forwarded-For", "X-Envoy-External-Address",
                 "X-Appengine-User-IP", "Fastly-Client-IP", "Via", "X-ProxyUser-Ip"):
        yield (f"{name}: {address}",)
    yield tuple(f"X-Forwarded-For: {address}" for _ in range(60))
    yield (f"X-Forwarded-For: {','.join([address] * 400)}",)


@test
def a_stranger_is_itself_whatever_it_writes():
    asked = 0
    for peer, to in ((STRANGER, "127.0.0.1"), ("::1", "::1")):
        assert ask("open", peer, to=to)[0] == 200
        for claimed in ("10.1.1.1", "fd11::1", INSIDE, PROXY, "::ffff:10.1.1.1", "localhost"):
            for lines in forms(claimed):
                asked += 1
                for name in ("inside", "balanced"):
                    status, text = ask(name, peer, *lines, to=to)
                    assert status == 404, (peer, lines[:2], name, text[:300])
    print(f"{asked} claims, each at two services")


@test
def the_right_most_stranger_is_the_caller_behind_a_proxy():
    rows = (
        # internal
        ("10.1.1.1", True), ("203.0.113.4, 10.1.1.1", True), ("203.0.113.4,10.1.1.1,fd99::7", True),
        ("fd11::1", True), ("[fd11::1]:80", True), ("10.1.1.1:4321", True), (" 10.1.1.1 ", True),
        ("::ffff:10.1.1.1", True), (f"10.1.1.1, {PROXY}, fd99::1, {PROXY}", True), (INSIDE, True),
        # not
        ("203.0.113.4", False), ("10.1.1.1, 203.0.113.4", False), ("fd11::1, 2001:db8::1", False),
        ("fd12::1", False), ("11.0.0.1", False), (PROXY, False), ("fd99::1", False),
        (STRANGER, False), ("10.1.1.1, ::1", False), ("::10.1.1.1", False), ("::", False),
        # nothing that can be read
        ("", False), (",", False), ("10.1.1.1,", False), ("10.1.1.1, unknown", False),
        ("10.1.1.1, _hidden", False), ("10.1.1.1 203.0.113.4", False), ("10.1.1.1;", False),
        ("10.1.1.1:x", False), ("10.1.1.1:99999", False), ("10.1.1.1:80:80", False),
        ("[10.1.1.1", False), ("10.1.1.1]", False), ("[fd11::1]x", False), ("010.1.1.1", False),
        ("10.1.1", False), ("10.1.1.256", False), ("0x0a.1.1.1", False), ("167837953", False),
        ("10.1.1.1/8", False), ("fd11::1%lo", False), ("fd11:::1", False), ('"10.1.1.1"', False),
        ("for=10.1.1.1", False), ("10.1.1.1\t203.0.113.4", False), ("１０.1.1.1", False),
        ("10.1.1.1,%31%30.1.1.1", False), ("localhost", False), ("10.1.1.1" + " " * 500 + "x", False),
    )
    for said, is_inside in rows:
        said = said.encode("utf-8").decode("latin-1")
        status, text = ask("inside", PROXY, f"X-Forwarded-For: {said}")
        assert status in ((200,) if is_inside else (404, 400)), (said, text[:300])
    # The lines are one list, in their order.
    for lines, is_inside in ((("10.1.1.1", "203.0.113.4"), False), (("203.0.113.4", "10.1.1.1"), True),
                             (("10.1.1.1", "x"), False), (("10.1.1.1", ""), True),
                             (("10.1.1.1", PROXY, "fd99::1"), True)):
        status, text = ask("inside", PROXY, *(f"X-Forwarded-For: {one}" for one in lines))
        assert (status == 200) == is_inside, (lines, text[:300])
    # Only that field is believed of a proxy, in no other spelling.
    for lines in list(forms("10.1.1.1"))[5:-2]:
        assert ask("inside", PROXY, *lines)[0] == 404, lines
    assert ask("inside", INSIDE)[0] == 200
    assert ask("balanced", PROXY, "X-Forwarded-For: 203.0.113.4")[0] == 200
    assert ask("inside", INSIDE, "X-Forwarded-For: 203.0.113.4")[0] == 200


@test
def the_container_sees_the_chain_with_the_peer_that_we_saw():
    for peer, claimed in ((STRANGER, "10.1.1.1"), (PROXY, "203.0.113.4"), (STRANGER, "x, y")):
        status, text = ask("open", peer, f"X-Forwarded-For: {claimed}", "X_Forwarded_For: 10.9.9.9",
                           f"Forwarded: for={claimed.split(',')[0]}", "X-Forwarded-Proto: http")
        assert status == 200, text[:300]
        seen = re.findall(r'\["(x[-_]forwarded[-_]for|forwarded|x-forwarded-proto)", "((?:[^"\\]|\\.)*)"\]',
                          text)
        assert [value for name, value in seen if name == "x-forwarded-for"] == [f"{claimed}, {peer}"]
        assert not [name for name, _ in seen if "_" in name], seen
        proto = "http" if peer == PROXY else "https"
        assert ("x-forwarded-proto", proto) in seen, seen
        assert f'for=\\"{peer}\\";proto={proto}' in dict(seen)["forwarded"], seen


@test
def by_http2_it_is_the_same():
    curl = need("curl")
    if "HTTP2" not in subprocess.run([curl, "--version"], capture_output=True, text=True).stdout:
        raise Skip("this curl speaks no HTTP/2")
    url = urllib.parse.urlsplit(stand().url("inside"))
    for peer, lines, status in (
            (STRANGER, ("X-Forwarded-For: 10.1.1.1",), "404"),
            (STRANGER, (f"X-Forwarded-For: 10.1.1.1, {PROXY}", "Forwarded: for=10.1.1.1"), "404"),
            (STRANGER, ("X_Forwarded_For: 10.1.1.1",), "404"), (PROXY, ("X_Forwarded_For: 10.1.1.1",), "404"),
            (PROXY, ("X-Forwarded-For: 10.1.1.1",), "200"), (INSIDE, (), "200"),
            (PROXY, ("X-Forwarded-For: 10.1.1.1", "X-Forwarded-For: 203.0.113.4"), "404"),
            (PROXY, ("X-Forwarded-For: 203.0.113.4", "X-Forwarded-For: fd11::1"), "200")):
        done = subprocess.run(
            [curl, "-s", "--http2", "--noproxy", "*", "--interface", peer, "--cacert", stand().ca,
             "--resolve", f"{url.hostname}:{url.port}:127.0.0.1", "-o", "/dev/null",
             "-w", "%{http_version} %{http_code}", *[part for line in lines for part in ("-H", line)],
             stand().url("inside")], capture_output=True, text=True)
        assert done.stdout == f"2 {status}", (peer, lines, done)


if __name__ == "__main__":
    main()
