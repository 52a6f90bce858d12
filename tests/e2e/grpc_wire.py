#!/usr/bin/env python3
"""gRPC on the wire, sent by hand: what is broken, too large or too late gets a status, and never a silence.

gRPC wants HTTP/2; the same frames and trailers by HTTP/1.1 are as good for looking at them.
"""
import base64
import gzip
import socket
import subprocess
import tempfile
import urllib.parse

from grpc_stand import SERVICES, begin, call, end, frame, text
from homerun import main, need, stand, test, wait_until

PARENT = "projects/demo/locations/us-central1"
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED = 0, 3, 4, 5, 7
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAUTHENTICATED = 8, 12, 13, 16


def get(name, **more):
    return call("GetService", frame(text(1, name)), **more)


def is_refused(answer, status, words=""):
    assert answer[0] == status and words in answer[1] and answer[3] == b"", answer


@test
def a_call_is_answered_with_a_message_and_a_status():
    status, message, _, messages = call("ListServices", frame(text(1, PARENT)))
    assert (status, message, messages[:5]) == (OK, "", b"\0\0\0\0\0"), (status, message, messages)


@test
def who_does_not_say_who_they_are_is_refused_before_the_body_is_read():
    is_refused(get(f"{PARENT}/services/x", token=""), UNAUTHENTICATED, "credential")
    is_refused(get(f"{PARENT}/services/x", token="nonsense"), UNAUTHENTICATED)
    is_refused(call("GetService", b"", token="", length=4 << 20), UNAUTHENTICATED)


@test
def a_permission_is_asked_and_the_refusal_has_its_details():
    token = stand().token(member="user:nobody@example.com")
    answer = get(f"{PARENT}/services/x", token=token)
    is_refused(answer, PERMISSION_DENIED, "run.services.get")
    details = base64.b64decode(answer[2]["grpc-status-details-bin"] + "==")
    for part in (b"type.googleapis.com/google.rpc.ErrorInfo", b"IAM_PERMISSION_DENIED", b"run.services.get"):
        assert part in details, details
    by_rest = stand().api("GET", f"/v2/{PARENT}/services/x", token=token).json["error"]
    assert by_rest["message"] == answer[1], (by_rest, answer)


@test
def what_does_not_exist_says_so():
    is_refused(get(f"{PARENT}/services/x"), NOT_FOUND, "does not exist")
    is_refused(call("NoSuchMethod", frame(b"")), UNIMPLEMENTED, "NoSuchMethod")
    is_refused(call("GetService", frame(b""), service="no.such.Service"), UNIMPLEMENTED)
    is_refused(call("ListJobs", frame(text(1, PARENT)), service="google.cloud.run.v2.Jobs"), UNIMPLEMENTED, "ListJobs")
    is_refused(call("ListWorkerPools", frame(text(1, PARENT)), service="google.cloud.run.v2.WorkerPools"),
               UNIMPLEMENTED, "ListWorkerPools")


@test
def whoever_asks_hears_that_it_serves():
    def check(service):
        return call("Check", frame(text(1, service)), token="", service="grpc.health.v1.Health")

    for service in ("", SERVICES):
        assert check(service)[::3] == (OK, frame(b"\x08\x01")), check(service)
    is_refused(check("no.such.Service"), NOT_FOUND, "no.such.Service")
    assert stand().api("GET", "/homerun/v1/health", token="").json == {"status": "SERVING"}


@test
def broken_frames_and_messages_are_refused():
    whole = frame(text(1, f"{PARENT}/services/x"))
    is_refused(call("GetService", b""), INTERNAL)
    is_refused(call("GetService", whole[:-1]), INTERNAL)
    is_refused(call("GetService", whole + whole), INTERNAL)
    is_refused(call("GetService", frame(b"", flag=7)), INTERNAL)
    is_refused(call("GetService", b"\0\xff\xff\xff\xff"), RESOURCE_EXHAUSTED)
    is_refused(call("GetService", frame(b"\x0a\x50abc")), INVALID_ARGUMENT)
    is_refused(call("GetService", frame(b"\x0a\x02\xff\xfe")), INVALID_ARGUMENT)
    is_refused(get("projects/demo"), INVALID_ARGUMENT, "projects/*/locations/*/services/*")
    is_refused(get(""), INVALID_ARGUMENT)
    is_refused(get(f"{PARENT}/services/x?y=z"), NOT_FOUND)
    is_refused(get(f"{PARENT}/services/../services/x"), INVALID_ARGUMENT)


@test
def gzip_is_read_and_a_bomb_is_not():
    whole = text(1, f"{PARENT}/services/x")
    packed = (("grpc-encoding", "gzip"),)
    is_refused(call("GetService", frame(gzip.compress(whole), flag=1), packed), NOT_FOUND)
    is_refused(call("GetService", frame(gzip.compress(whole), flag=1)), INTERNAL)
    is_refused(call("GetService", frame(whole, flag=1), packed), INVALID_ARGUMENT)
    is_refused(call("GetService", frame(whole, flag=1), (("grpc-encoding", "br"),)), UNIMPLEMENTED)
    bomb = gzip.compress(bytes(500 << 20), 9)
    assert len(bomb) < 1 << 20
    is_refused(call("GetService", frame(bomb, flag=1), packed), RESOURCE_EXHAUSTED)
    many = frame(gzip.compress(text(1, b"") * 1_000_000), flag=1)
    is_refused(call("CreateService", frame(text(2, text(11, text(10, b"") * 500_000)))), INVALID_ARGUMENT)
    is_refused(call("GetService", many, packed), INVALID_ARGUMENT)


@test
def a_body_over_the_limit_is_refused():
    is_refused(call("GetService", frame(bytes(5 << 20))), RESOURCE_EXHAUSTED, "larger than")


@test
def a_deadline_holds():
    name = text(1, f"{PARENT}/services/x")
    is_refused(call("GetService", frame(name), (("grpc-timeout", "0n"),)), DEADLINE_EXCEEDED)
    is_refused(call("GetService", frame(name), (("grpc-timeout", "soon"),)), INVALID_ARGUMENT)
    is_refused(call("GetService", frame(name), (("grpc-timeout", "20S"),)), NOT_FOUND)
    # The body never comes.
    is_refused(call("GetService", b"", (("grpc-timeout", "50m"),), length=100), DEADLINE_EXCEEDED)


@test
def other_content_types_are_not_grpc():
    port = urllib.parse.urlsplit(stand().api_url).port
    for kind in ("application/grpc-web", "application/grpcx", "application/json"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(f"POST /{SERVICES}/GetService HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
                           "Connection: close\r\nContent-Length: 0\r\n\r\n".encode())
            assert client.makefile("rb").readline().startswith(b"HTTP/1.1 404 "), kind


@test
def ten_thousand_streams_get_their_answers():
    h2load = need("h2load")
    with tempfile.NamedTemporaryFile() as body:
        body.write(frame(text(1, f"{PARENT}/services/x")))
        body.flush()
        done = subprocess.run([h2load, "-n10000", "-c4", "-m100", "-d", body.name, "-H", "content-type: application/grpc",
                               "-H", "te: trailers", "-H", f"authorization: Bearer {stand().token()}",
                               f"{stand().api_url}/{SERVICES}/GetService"], capture_output=True, text=True, timeout=120)
    assert "10000 succeeded, 0 failed" in done.stdout, done.stdout[-800:]
    status, _, _, _ = call("ListServices", frame(text(1, PARENT)))
    assert status == OK


REFLECTION = "grpc.reflection.v1.ServerReflection"
ASK_SERVICES, ASK_RUN = frame(text(7, b"")), frame(text(4, "google.cloud.run.v2.Service"))


def ask(body, headers=(), **more):
    return begin("ServerReflectionInfo", body, headers, token="", service=REFLECTION, **more)


def cut(messages):
    out = []
    while messages:
        size = int.from_bytes(messages[1:5], "big")
        out, messages = [*out, messages[5:5 + size]], messages[5 + size:]
    return out


@test
def a_conversation_ends_with_what_is_broken_in_it():
    """What was asked before is answered, and the call has one status, also where the breach comes later."""
    bomb = frame(gzip.compress(bytes(64 << 20), 9), flag=1)
    for broken, status in ((b"\0\xff\xff\xff\xff", RESOURCE_EXHAUSTED), (frame(b"", flag=7), INTERNAL),
                           (frame(b"\x22\x50abc"), INVALID_ARGUMENT), (frame(b"\x22\x02\xff\xfe"), INVALID_ARGUMENT),
                           (frame(bytes(3)), INVALID_ARGUMENT), (ASK_RUN[:-1], INTERNAL), (b"\0\0", INTERNAL),
                           (frame(text(4, "x" * (300 << 10))), RESOURCE_EXHAUSTED), (bomb, RESOURCE_EXHAUSTED)):
        got, message, _, messages = end(ask(ASK_SERVICES + broken, (("grpc-encoding", "gzip"),)))
        assert got == status and message and len(cut(messages)) in (0, 1), (broken[:20], got, message)
        is_refused(end(ask(broken, (("grpc-encoding", "gzip"),))), got)
    is_refused(end(ask(b"")), INTERNAL)


@test
def who_reads_late_gets_all_answers():
    """Answers of 15 MB to a client that first says all: what it does not take, nobody writes."""
    questions = 200
    status, _, _, messages = end(ask(ASK_RUN * questions))
    got = cut(messages)
    assert status == OK and len(got) == questions and len(set(got)) == 1 and len(got[0]) > 10000, (status, len(got))


@test
def conversations_are_bounded_and_end():
    is_refused(end(ask(ASK_SERVICES[:3], (("grpc-timeout", "50m"),), length=1000)), DEADLINE_EXCEEDED)
    late = end(ask(ASK_SERVICES, (("grpc-timeout", "200m"),), length=1000))
    assert late[0] == DEADLINE_EXCEEDED and len(cut(late[3])) <= 1, late[:3]
    held = []
    try:
        for _ in range(64):
            held.append(ask(ASK_SERVICES, length=1000))
            assert held[-1].recv(4, socket.MSG_WAITALL) == b"HTTP"
        is_refused(end(ask(ASK_SERVICES, length=1000)), RESOURCE_EXHAUSTED, "64 clients")
    finally:
        for client in held:
            client.close()
    wait_until(lambda: end(ask(ASK_SERVICES))[0] == OK, "those who left make room for others")


@test
def reflection_by_rest_says_the_same():
    found = stand().api("POST", "/homerun/v1/reflection", {"listServices": ""}, token="").json
    assert {"name": SERVICES} in found["listServicesResponse"]["service"], found
    file = stand().api("POST", "/homerun/v1alpha/reflection", {"fileContainingSymbol": SERVICES}, token="").json
    data = base64.b64decode(file["fileDescriptorResponse"]["fileDescriptorProto"][0])
    assert b"ListServicesRequest" in data and len(cut(end(ask(frame(text(4, SERVICES))))[3])[0]) > len(data)
    for body in ({"listServices": 3}, {"no": "x"}, {"fileContainingExtension": "x"}):
        assert stand().api("POST", "/homerun/v1/reflection", body, token="").status == 400, body


@test
def a_log_is_followed_no_further_than_its_caller_may():
    """What was allowed when the call began is judged again: the account, its token, its permission."""
    homerun = stand()
    homerun.cli("deploy", "followed", "--image=us-docker.pkg.dev/cloudrun/container/hello", "--allow-unauthenticated")
    reader = homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "log-reader"}).json["email"]
    account = f"/v1/projects/demo/serviceAccounts/{reader}"

    def grant(members):
        policy = homerun.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
        bindings = [b for b in policy["bindings"] if b["role"] != "roles/logging.viewer"]
        bindings += [{"role": "roles/logging.viewer", "members": members}] if members else []
        changed = homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": {**policy, "bindings": bindings}})
        assert changed.status == 200, changed.text

    for take, give, status in (
            (lambda: homerun.api("POST", account + ":disable", {}), lambda: homerun.api("POST", account + ":enable", {}),
             UNAUTHENTICATED),
            (lambda: grant([]), lambda: grant([f"serviceAccount:{reader}"]), PERMISSION_DENIED)):
        grant([f"serviceAccount:{reader}"])
        token = homerun.token(member=f"serviceAccount:{reader}")
        followed = begin("TailLogEntries", frame(text(1, "projects/demo")), token=token,
                         service="google.logging.v2.LoggingServiceV2")
        head = followed.recv(4, socket.MSG_WAITALL)
        assert head == b"HTTP", head
        take()
        assert homerun.get(homerun.url("followed") + "/after").status == 200
        ended, _, _, messages = end(followed, head)
        assert ended == status and b"/after" not in messages, (ended, messages)
        give()


@test
def a_change_leaves_the_same_audit_rows_as_by_rest():
    name, image = f"{PARENT}/services/audited", "us-docker.pkg.dev/cloudrun/container/hello"

    def rows():
        history = stand().api("GET", f"/homerun/v1/access:history?resource={name}").json
        return [{key: value for key, value in row.items() if key != "time"}
                for row in next(value for value in history.values() if isinstance(value, list)) if "peer" in row]

    service = text(18, text(10, text(2, image)))
    status, why, _, _ = call("CreateService", frame(text(1, PARENT) + text(2, service) + text(3, "audited")))
    assert status == OK, (status, why)
    by_grpc = rows()
    status, why, _, _ = call("DeleteService", frame(text(1, name)))
    assert status == OK, (status, why)
    body = {"template": {"containers": [{"image": image}]}}
    assert stand().api("POST", f"/v2/{PARENT}/services?serviceId=audited", body).status == 200
    by_rest = rows()
    assert stand().api("DELETE", f"/v2/{name}").status == 200
    assert by_grpc and by_grpc == by_rest[-len(by_grpc):], (by_grpc, by_rest)


if __name__ == "__main__":
    main()
