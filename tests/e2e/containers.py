#!/usr/bin/env python3
"""Containers, good and bad, behind the front door: what a request gets when its container exits,
hangs, lies or dies, and everything HTTP that has to pass through unharmed."""
import concurrent.futures
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from by_api import (SCALE, Raw, add_odd_image, deploy, most_noted, notes_of, put_service,
                    ready_condition, shared_stand, wait_settled)
from homerun import finally_do, main, need, test, wait_until

MIB = 1 << 20
shared = None
folder = tempfile.mkdtemp(prefix="homerun-containers-")
os.chmod(folder, 0o777)  # instances are users of their own, and write their notes here
hosts = {}


def one():
    """One instance for all, with instances that sleep after a second."""
    global shared
    if shared is None:
        shared = shared_stand("--idle=1")
    return shared


@finally_do
def stop_shared():
    if shared is not None:
        shared.close()
    shutil.rmtree(folder, ignore_errors=True)


def notes(name):
    return os.path.join(folder, name)


def odd(kind, **how):
    """The host of a service whose container is of KIND; deployed once."""
    if kind not in hosts:
        hosts[kind] = deploy(one(), f"odd-{kind}", add_odd_image(one(), kind), **how)
    return hosts[kind]


def good():
    return odd("good")


def ask(host, path="/", method="GET", headers=(), body=b"", where="http"):
    with Raw(one(), where, host) as raw:
        raw.ask(host, path, method, headers, body)
        return raw.answer()


# ---- containers that never come up ----

@test
def a_container_that_exits_fails_its_revision_and_says_so():
    image = add_odd_image(one(), "exit")
    assert put_service(one(), "exits", image).status == 200
    condition = wait_settled(one(), "exits")
    assert condition["status"] == "False", condition
    assert "exits-00001" in condition["message"], condition
    host = urllib.parse.urlsplit(one().url("exits")).netloc
    assert ask(host)[0] == 503
    assert "no such table" in one().cli("services", "logs", "exits").stdout
    assert deploy(one(), "exits") == host
    assert ask(host)[0] == 200


@test
def a_bad_revision_leaves_the_good_one_serving():
    host = deploy(one(), "mixed")
    assert put_service(one(), "mixed", add_odd_image(one(), "exit")).status == 200
    assert wait_settled(one(), "mixed")["status"] == "False"
    for _ in range(5):
        assert ask(host)[0] == 200


@test
def a_container_that_never_listens_is_given_up_when_its_probe_says_so():
    image = add_odd_image(one(), "deaf")
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 2,
             "timeoutSeconds": 1}
    assert put_service(one(), "deaf", image, container={"startupProbe": probe}).status == 200
    assert ready_condition(one(), "deaf")["status"] == "Unknown"
    condition = wait_settled(one(), "deaf")
    assert condition["status"] == "False" and "PORT" in condition["message"], condition


# ---- containers that break their word ----

@test
def a_container_that_hangs_is_504_at_the_timeout():
    host = odd("hang", spec={"timeoutSeconds": 1, "containerConcurrency": 1},
               template_notes={SCALE + "maxScale": "1"})
    for _ in range(2):  # the second one needs the place of the first
        status, _, body = ask(host)
        assert (status, body) == (504, b"upstream request timeout"), (status, body)


@test
def what_is_no_http_is_503():
    for kind in ("garbage", "silent", "flood", "smuggle"):
        status, _, body = ask(odd(kind))
        assert status == 503, (kind, status, body)
        assert b"evil" not in body


@test
def an_answer_cut_short_is_seen_to_be_cut():
    with Raw(one(), "http") as raw:
        raw.ask(odd("early"))
        status, headers = raw.head()
        assert (status, headers["content-length"]) == (200, "100")
        assert raw.take(10) == b"ten bytes."
        assert raw.is_over()


@test
def a_container_that_dies_in_an_answer_cuts_that_one_and_the_next_wakes_another():
    host = good()
    with Raw(one(), "http") as raw:
        raw.ask(host, "/die")
        assert raw.head()[0] == 200
        assert raw.chunk() == b"half of it"
        assert raw.is_over(), "no end of chunks may be made up"
    assert ask(host)[0] == 200, "who comes next waits for another instance"


# ---- what passes through ----

@test
def a_websocket_carries_bytes_both_ways_over_tls():
    with Raw(one(), "https", good()) as raw:
        raw.ask(good(), "/tunnel", headers=["Connection: Upgrade", "Upgrade: websocket",
                                            "Sec-WebSocket-Version: 13",
                                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        status, headers = raw.head()
        assert status == 101, status
        assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        frame = b"\x82\x85abcd" + bytes(byte ^ key for byte, key in zip(b"hello", b"abcda"))
        raw.send(frame)
        assert raw.take(len(frame)) == frame
        large = os.urandom(MIB)
        for at in range(0, MIB, 65536):
            raw.send(large[at:at + 65536])
            assert raw.take(65536) == large[at:at + 65536]


@test
def any_other_protocol_may_be_switched_to_but_another_http():
    with Raw(one(), "https", good()) as raw:
        raw.ask(good(), "/tunnel", headers=["Connection: Upgrade", "Upgrade: wire/1"])
        status, headers = raw.head()
        assert (status, headers["upgrade"]) == (101, "wire/1"), (status, headers)
        raw.send(b"\0raw bytes\xff")
        assert raw.take(11) == b"\0raw bytes\xff"
    with Raw(one(), "https", good()) as raw:
        raw.ask(good(), "/head", headers=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                                          "HTTP2-Settings: AAMAAABkAAQAAP__"])
        assert raw.head()[0] == 200, "asked as if nothing had been said of it"


@test
def grpc_passes_with_its_trailers():
    server = need("nghttpd")
    client = need("nghttp")
    one().cli("images", "add", "registry.example/h2c", f"--dir={folder}", "--", "/bin/sh", "-c",
              f"exec {server} -a 127.0.0.1 --no-tls --echo-upload --trailer 'grpc-status: 0' -d . $PORT")
    host = deploy(one(), "h2c", "registry.example/h2c", container={
        "ports": [{"name": "h2c", "containerPort": 8080}]})
    with open(notes("message"), "wb") as file:
        file.write(b"\0\0\0\0\5hello" * 20000)
    port = urllib.parse.urlsplit(one().ready["https"]).port
    call = [client, "--no-dep", f"-H:authority: {host}", "-Hte: trailers",
            "-Hcontent-type: application/grpc", "-d", notes("message"),
            f"https://127.0.0.1:{port}/echo.Echo/Say"]
    told = subprocess.run([*call, "-v"], capture_output=True, timeout=60).stdout
    assert b":status: 200" in told and b"grpc-status: 0" in told, told[-2000:]
    came = subprocess.run(call, capture_output=True, timeout=60).stdout
    assert came == b"\0\0\0\0\5hello" * 20000, len(came)


@test
def trailers_come_through_for_those_who_want_them():
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/trailers", headers=["TE: trailers"])
        status, headers = raw.head()
        assert status == 200 and headers["trailer"].lower() == "grade", headers
        assert raw.chunk() == b"work" and raw.chunk() == b""
        assert raw.until(b"\r\n\r\n").lower() == b"grade: a\r\n\r\n"


@test
def an_upload_in_chunks_arrives_with_its_trailers():
    body = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (1, 70000, 3))
    status, _, text = ask(good(), "/size", "POST", ["Transfer-Encoding: chunked"],
                          body + b"0\r\nDigest: abc\r\n\r\n")
    assert status == 200 and text.startswith(b"70004 "), text
    assert b"abc" in text, text


@test
def expect_continue_is_answered_when_the_container_reads():
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/size", "POST", ["Content-Length: 5", "Expect: 100-continue"])
        assert raw.head()[0] == 100
        raw.send(b"12345")
        assert raw.answer()[2] == b"5 "


@test
def who_may_not_send_is_told_before_the_upload():
    deploy(one(), "closed", public=False)
    host = urllib.parse.urlsplit(one().url("closed")).netloc
    with Raw(one(), "http") as raw:
        raw.ask(host, "/", "POST", ["Content-Length: 5000000", "Expect: 100-continue"])
        assert raw.head()[0] == 403


@test
def a_container_that_refuses_an_upload_is_heard():
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/refuse", "POST", [f"Content-Length: {4 * MIB}"])
        try:
            for _ in range(64):
                raw.send(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError):
            pass  # once the answer is on its way nobody has to read on
        assert raw.head()[0] == 403


@test
def bytes_stream_both_ways_at_once():
    with Raw(one(), "https", good()) as raw:
        raw.ask(good(), "/echo", "POST", ["Transfer-Encoding: chunked"])
        raw.send(b"3\r\none\r\n")
        assert raw.head()[0] == 200
        assert raw.chunk() == b"one"
        raw.send(b"3\r\ntwo\r\n")
        assert raw.chunk() == b"two"
        raw.send(b"0\r\n\r\n")
        assert raw.chunk() == b""


@test
def early_hints_come_before_the_page():
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/hint")
        assert raw.head()[0] == 103
        assert raw.answer()[::2] == (200, b"page")


@test
def a_slow_client_gets_every_byte_of_a_large_answer():
    """Over 32 MiB if it declares no length; what declares more is refused, as on Cloud Run."""
    with Raw(one(), "http") as raw:
        raw.ask(good(), f"/big?bytes={33 * MIB}&how=length")
        assert raw.head()[0] == 500
    for how, count in (("length", 31 * MIB), ("chunked", 40 * MIB)):
        with Raw(one(), "http") as raw:
            raw.ask(good(), f"/big?bytes={count}&how={how}")
            status, headers = raw.head()
            assert status == 200
            time.sleep(0.2)  # the answer has to wait for us, somewhere outside of Homerun
            size = 0
            if how == "length":
                assert headers["content-length"] == str(count)
                while size < count:
                    size += len(raw.take(min(MIB, count - size)))
            while how == "chunked" and (piece := raw.chunk()):
                size += len(piece)
            assert size == count


@test
def a_request_over_32_mib_is_413():
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/size", "POST", [f"Content-Length: {32 * MIB + 1}"])
        assert raw.head()[0] == 413
    assert send_size(32 * MIB) == (200, b"%d " % (32 * MIB))
    assert send_size(33 * MIB)[0] == 413


def send_size(size):
    """An upload in chunks, without a length that would tell."""
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/size", "POST", ["Transfer-Encoding: chunked"])
        try:
            for _ in range(size // MIB):
                raw.send(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB))
            raw.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        return raw.answer()[::2]


@test
def head_and_204_have_no_body_and_the_connection_goes_on():
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/", "HEAD")
        status, headers = raw.head()
        assert (status, headers["content-length"]) == (200, "5")
        raw.ask(good(), "/empty")
        assert raw.answer()[0] == 204
        raw.ask(good(), "/")
        assert raw.answer()[::2] == (200, b"here\n")


@test
def http_1_0_gets_an_answer_that_it_can_read():
    with Raw(one(), "http") as raw:
        raw.ask(good(), "/trailers", version="HTTP/1.0")
        status, headers, body = raw.answer()
        assert status == 200 and "transfer-encoding" not in headers, headers
        assert body == b"work" and raw.is_over()


@test
def pipelined_requests_are_answered_in_their_order():
    with Raw(one(), "http") as raw:
        for path in ("/wait?s=0.1", "/wait?s=0", "/"):
            raw.ask(good(), path)
        first, second, third = (raw.answer() for _ in range(3))
        assert first[0] == second[0] == 200 and third[2] == b"here\n"


@test
def the_head_reaches_the_container_as_documented():
    text = ask(good(), "/head?a=%2F", headers=["X-Mine: 1", "Connection: close, X-Hop", "X-Hop: 2",
                                               "X-Forwarded-For: 1.2.3.4"])[2].decode()
    lines = [line.lower() for line in text.split("\r\n")]
    assert lines[0] == "get /head?a=%2f http/1.1"
    assert "x-mine: 1" in lines and not any(line.startswith("x-hop") for line in lines), text
    assert f"host: {good()}" in lines
    assert any(line.startswith("x-forwarded-for:") and "127.0.0.1" in line for line in lines)


# ---- instances ----

@test
def a_sleeping_service_wakes_for_each_of_many_that_come_at_once():
    path = notes("wake")
    host = deploy(one(), "wake", add_odd_image(one(), "good", path),
                  template_notes={SCALE + "maxScale": "1"})
    wait_until(lambda: "stop" in notes_of(path), "asleep")
    starts = notes_of(path).count("start")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: ask(host)[0], range(20)))
    assert got == [200] * 20
    assert notes_of(path).count("start") == starts + 1


@test
def concurrency_is_strict_across_workers_and_who_does_not_fit_waits():
    path = notes("strict")
    host = deploy(one(), "strict", add_odd_image(one(), "good", path),
                  spec={"containerConcurrency": 3}, template_notes={SCALE + "maxScale": "2"})
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        got = list(pool.map(lambda _: ask(host, "/wait?s=0.02")[0], range(240)))
    assert got == [200] * 240
    assert most_noted(path) == 3, f"{most_noted(path)} in one instance at one time"


@test
def more_load_than_one_can_take_starts_more_up_to_the_maximum():
    host = deploy(one(), "wide", add_odd_image(one(), "good", notes("wide")),
                  spec={"containerConcurrency": 1}, template_notes={SCALE + "maxScale": "3"})
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        got = list(pool.map(lambda _: ask(host, "/wait?s=0.2")[::2], range(24)))
    assert {status for status, _ in got} == {200}
    assert len({pid for _, pid in got}) == 3, got


@test
def who_waits_too_long_at_the_maximum_is_429():
    host = deploy(one(), "narrow", add_odd_image(one(), "good", notes("narrow")),
                  spec={"containerConcurrency": 1}, template_notes={SCALE + "maxScale": "1"})
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        long = pool.submit(ask, host, "/wait?s=12")
        wait_until(lambda: most_noted(notes("narrow")) == 1, "the place is taken")
        late = [pool.submit(ask, host) for _ in range(5)]
        got = [one_late.result() for one_late in late]
        assert [status for status, _, _ in got] == [429] * 5, got
        assert got[0][2] == b"Rate exceeded."
        assert long.result()[0] == 200


@test
def a_request_under_way_ends_before_its_instance_does():
    path = notes("grace")
    image = add_odd_image(one(), "good", path)
    host = deploy(one(), "grace", image)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        long = pool.submit(ask, host, "/wait?s=2")
        wait_until(lambda: most_noted(path) == 1, "it is under way")
        assert one().api("DELETE", "/apis/serving.knative.dev/v1/namespaces/demo/services/grace"
                         ).status == 200
        assert ask(host)[0] == 404
        assert long.result()[0] == 200
    wait_until(lambda: "stop" in notes_of(path), "told to stop")


if __name__ == "__main__":
    main()
