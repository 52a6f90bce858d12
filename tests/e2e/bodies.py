#!/usr/bin/env python3
"""What clients can make the API hold for them: heads and bodies that never end, by the hundred.

The memory that is measured is that of the process `control`, from before the first connection.
"""
import http.client
import json
import select
import socket
import struct
import urllib.parse

from homerun import Homerun, main, test, wait_until

KIB, MIB = 1 << 10, 1 << 20
CONNECTIONS = 400
GROWTH_MAX = 32 * MIB
SERVICES = "/v2/projects/demo/locations/us-central1/services"
SERVICE = f"{SERVICES}/strange"


def memory(homerun):
    """Bytes that control holds."""
    with open(f"/proc/{homerun.pids('control')[0]}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("RssAnon:"))
    return int(line.split()[1]) * KIB


class Crowd:
    """Connections of clients who send until they are answered, and stay."""

    def __init__(self, homerun):
        self.homerun = homerun
        self.before = memory(homerun)
        self.port = urllib.parse.urlsplit(homerun.api_url).port
        self.sockets = {}

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        for connection in self.sockets.values():
            connection.close()

    def send(self, count, data):
        """DATA on COUNT new connections, until each is answered or takes no more."""
        left = {}
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
            connection.setblocking(False)
            self.sockets[connection.fileno()] = connection
            left[connection.fileno()] = memoryview(data)
        poll = select.poll()
        for number in left:
            poll.register(number, select.POLLIN | select.POLLOUT)
        while left:
            for number, events in poll.poll(1500) or [(number, 0) for number in list(left)]:
                answered = events & ~select.POLLOUT or not events
                sent = 0 if answered else self.sockets[number].send(left[number])
                left[number] = left[number][sent:]
                if sent == 0 or not left[number]:
                    poll.unregister(number)
                    del left[number]

    def answers(self):
        """How many connections have got which status, of those that have got one."""
        told = {}
        for connection in self.sockets.values():
            try:
                line = connection.recv(16, socket.MSG_PEEK).decode()
            except BlockingIOError:
                continue
            if line.startswith("HTTP/1.1 "):
                told[int(line[9:12])] = told.get(int(line[9:12]), 0) + 1
        return told

    def check(self):
        """After a call that has seen all of it arrive, as it came last."""
        assert self.homerun.api("GET", f"{SERVICES}?pageSize=1").status == 200
        growth = memory(self.homerun) - self.before
        assert growth < GROWTH_MAX, f"control has grown by {growth / MIB:.1f} MiB"


def request(method, path, length, body=b"", token=None):
    fields = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}",
              "Content-Type: application/json" if path.startswith("/v") else
              "Content-Type: application/x-www-form-urlencoded"]
    if token:
        fields.append(f"Authorization: Bearer {token}")
    return "\r\n".join((*fields, "", "")).encode() + body


# ---- HTTP/2, by hand ----

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A field that enters no table (RFC 7541 section 6.2.2)."""
    def text(value):
        size = len(value)
        if size < 127:
            return bytes([size]) + value
        size, out = size - 127, bytearray([127])
        while size >= 128:
            out.append(size % 128 + 128)
            size //= 128
        return bytes(out) + bytes([size]) + value
    return b"\0" + text(name.encode()) + text(value.encode())


def http2_streams(count, method, path, extra=(), body=b""):
    """A connection's first bytes, with COUNT streams that all stay open."""
    fields = [(":method", method), (":scheme", "http"), (":authority", "localhost"),
              (":path", path), *extra]
    head = b"".join(literal(name, value) for name, value in fields)
    out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    for stream in range(1, 2 * count, 2):
        parts = [head[i:i + 16000] for i in range(0, len(head), 16000)]
        for i, part in enumerate(parts):
            last = 4 if i + 1 == len(parts) else 0
            out += frame(1 if i == 0 else 9, last, stream, part)
        for i in range(0, len(body), 16000):
            out += frame(0, 0, stream, body[i:i + 16000])
    return out


# ---- strangers ----

@test
def bodies_of_strangers_are_not_asked_for():
    with Homerun() as homerun, Crowd(homerun) as crowd:
        crowd.send(CONNECTIONS, request("PATCH", SERVICE, 4 * MIB, b" " * (4 * MIB - 1)))
        crowd.check()
        assert crowd.answers() == {401: CONNECTIONS}, crowd.answers()


@test
def nor_are_those_of_many_streams():
    with Homerun() as homerun, Crowd(homerun) as crowd:
        crowd.send(40, http2_streams(80, "PATCH", SERVICE, body=b" " * 15 * KIB))
        crowd.check()


@test
def nor_are_those_of_callers_without_the_permission():
    with Homerun() as homerun:
        token = homerun.token(member="user:nobody@example.com")
        with Crowd(homerun) as crowd:
            crowd.send(60, request("PATCH", SERVICE, 4 * MIB, b" " * (4 * MIB - 1), token))
            crowd.check()
            assert crowd.answers() == {403: 60}, crowd.answers()


@test
def the_token_endpoint_holds_little_and_goes_on():
    with Homerun() as homerun, Crowd(homerun) as crowd:
        crowd.send(CONNECTIONS, request("POST", "/token", 64 * KIB, b"a" * (64 * KIB - 1)))
        crowd.check()
        assert homerun.api("POST", "/token", b"grant_type=x", token="").status == 400
        told = crowd.answers()
        assert set(told) == {503} and told[503] > CONNECTIONS / 2, told
        crowd.send(1, request("POST", "/token", 64 * KIB + 1))
        wait_until(lambda: crowd.answers().get(400), "a larger form is refused at its head")


@test
def a_refusal_for_want_of_room_says_when_to_come_again():
    with Homerun() as homerun, Crowd(homerun) as crowd:
        crowd.send(1, request("POST", "/token", 64 * KIB, b"a" * (64 * KIB - 1)))
        first = next(iter(crowd.sockets.values()))
        crowd.send(CONNECTIONS, request("POST", "/token", 64 * KIB, b"a" * (64 * KIB - 1)))
        first.setblocking(True)
        answer = http.client.HTTPResponse(first)
        answer.begin()
        assert answer.status == 503 and int(answer.headers["Retry-After"]) >= 1
        assert json.loads(answer.read())["error"] == "temporarily_unavailable"


@test
def heads_that_never_end_are_held_within_bounds():
    with Homerun() as homerun, Crowd(homerun) as crowd:
        crowd.send(CONNECTIONS, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 31 * KIB)
        crowd.check()


@test
def so_are_heads_of_streams_that_wait_for_bodies():
    with Homerun() as homerun, Crowd(homerun) as crowd:
        crowd.send(40, http2_streams(90, "POST", "/token", [("x-large", "a" * 30 * KIB)]))
        crowd.check()


# ---- callers ----

def set_policy(homerun, resource, bindings):
    answer = homerun.api("POST", f"{resource}:setIamPolicy", {"policy": {"bindings": bindings}})
    assert answer.status == 200, answer


@test
def callers_together_have_a_bound_and_others_are_served():
    with Homerun() as homerun:
        token = homerun.token()
        with Crowd(homerun) as crowd:
            crowd.send(60, request("PATCH", SERVICE, 4 * MIB, b" " * (4 * MIB - 1), token))
            crowd.check()
            told = crowd.answers()
            assert set(told) == {503} and told[503] > 40, told
            answer = homerun.api("POST", f"{SERVICES}?serviceId=x", b" " * MIB + b"{}")
            assert answer.status == 400, answer  # read in full, and then found to lack a template


@test
def a_body_of_more_values_than_any_call_means_is_not_read():
    with Homerun() as homerun:
        template = {"template": {"containers": [{"image": "hello"}]}}
        path = f"{SERVICES}?serviceId=many"
        for parts in ({"labels": {f"k{i}": "v" for i in range(20000)}}, {"labels": [[]] * 20000},
                      {"annotations": {"a": [{"b": i} for i in range(10000)]}}):
            answer = homerun.api("POST", path, template | parts)
            assert answer.status == 400 and "more than 20000 values" in answer.text, answer
        fewer = homerun.api("POST", path, template | {"labels": {f"k{i}": "v" for i in range(19990)}})
        assert fewer.status == 400 and "values" not in fewer.text and "labels" in fewer.text, fewer


@test
def a_permission_that_ends_before_the_body_does_is_no_permission():
    with Homerun() as homerun:
        caller = "user:late@example.com"
        path = "/v1/projects/demo"
        role = {"role": "roles/run.admin", "members": [caller]}
        policy = homerun.api("POST", f"{path}:getIamPolicy", {}).json
        set_policy(homerun, path, [*policy["bindings"], role])
        body = json.dumps({"template": {"containers": [{"image": "hello"}]}}).encode()
        head = request("POST", f"{SERVICES}?serviceId=late", len(body),
                       token=homerun.token(member=caller))
        with Crowd(homerun) as crowd:
            crowd.send(1, head + body[:-1])
            connection = next(iter(crowd.sockets.values()))
            connection.setblocking(True)
            crowd.check()
            set_policy(homerun, path, policy["bindings"])
            connection.sendall(body[-1:])
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 403, answer.read()


@test
def nobody_is_told_to_go_on_before_they_may():
    with Homerun() as homerun, Crowd(homerun) as crowd:
        head = request("PATCH", SERVICE, 4 * MIB)[:-2] + b"Expect: 100-continue\r\n\r\n"
        crowd.send(1, head)
        wait_until(lambda: crowd.answers() == {401: 1}, "the answer comes without the body")


if __name__ == "__main__":
    main()
