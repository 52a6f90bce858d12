#!/usr/bin/env python3
"""Every method that comes by gRPC and by REST says the same by both: answers, refusals, details, messages."""
import base64
import json
import pathlib
import re
import subprocess
import urllib.parse

from grpc_stand import call, frame
from homerun import BINARY, Skip, finally_do, main, stand, test

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LINES = pathlib.Path(BINARY).absolute().parent / "tests" / "unit" / "grpc" / "grpc-codec-lines"
NAMES = "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED " \
        "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS " \
        "UNAUTHENTICATED".split()
KNOWN = {"projects": "demo", "locations": "us-central1", "services": "same", "organizations": "100000000001",
         "policies": "run.allowedIngress", "customConstraints": "custom.none", "roles": "none", "folders": "1"}
# What another answer is right for: it depends on the moment, or names the method's path.
APART = {"google.logging.v2.LoggingServiceV2/ListLogEntries", "google.logging.v2.LoggingServiceV2/TailLogEntries"}
_codec = None


def codec(verb, kind, value):
    global _codec
    if not LINES.exists():
        raise Skip(f"{LINES} was not built")
    if _codec is None:
        _codec = subprocess.Popen([LINES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        finally_do(lambda: (_codec.stdin.close(), _codec.wait(20)))
    _codec.stdin.write(f"{verb} {kind} {value}\n")
    _codec.stdin.flush()
    answer = _codec.stdout.readline().strip()
    assert not answer.startswith("!"), (verb, kind, value, answer)
    return answer


def write(kind, document):
    return bytes.fromhex(codec("write", kind, json.dumps([document])))


def read(kind, message):
    return json.loads(codec("read", kind, message.hex()))[0]


def methods():
    """(name, request type, answer type, verb, path template) of each rule."""
    for line in (ROOT / "src" / "grpc" / "schema.txt").read_text().splitlines():
        if line.startswith("method "):
            _, name, taken, given, *flags = line.split()
        elif line.startswith("  ") and line.split()[0] in ("GET", "POST", "PATCH", "DELETE", "PUT"):
            if not flags:
                verb, path, *body = line.split()
                yield name, taken, given, verb, path, body[0] if body else ""
        elif not line.startswith("  "):
            name = None


def camel(name):
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


def filled(template):
    """(path, document with the fields of the path)."""
    document, path = {}, template
    for whole, field, pattern in re.findall(r"(\{([\w.]+)(?:=([^}]*))?\})", template):
        before, value = "", []
        for part in (pattern or "*").split("/"):
            value.append(KNOWN.get(before, "none1") if "*" in part else part)
            before = part
        value = "/".join(value)
        path = path.replace(whole, value)
        at = document
        *outer, last = field.split(".")
        for one in outer:
            at = at.setdefault(camel(one), {})
        at[camel(last)] = value
    return path, document


def by_grpc(name, taken, given, document, token):
    service, method = name.split("/")
    status, message, trailers, messages = call(method, frame(write(taken, document)), token=token, service=service)
    if status == 0:
        return "OK", read(given, messages[5:])
    details = read("google.rpc.Status", base64.b64decode(trailers["grpc-status-details-bin"] + "=="))
    return NAMES[status], {"message": message, "details": details.get("details", [])}


def by_rest(verb, path, given, body, token):
    answer = stand().api(verb, urllib.parse.quote(path, safe="/:@"), body, token=token)
    if answer.status == 200:
        return "OK", read(given, write(given, answer.json))
    error = answer.json["error"]
    return error["status"], {"message": error["message"], "details": error.get("details", [])}


def compare(token, verbs):
    asked = 0
    for name, taken, given, verb, template, body in methods():
        if verb not in verbs or name in APART:
            continue
        path, document = filled(template)
        sent = None if body == "" else {} if body == "*" else document.get(camel(body), {})
        rest = by_rest(verb, path, given, sent, token)
        grpc = by_grpc(name, taken, given, document, token)
        if grpc[0] == "UNIMPLEMENTED" or rest[1].get("message", "").startswith("The path "):
            assert grpc[0] == "UNIMPLEMENTED", (name, rest, grpc)
            continue
        assert rest == grpc, (name, path, rest, grpc)
        asked += 1
    return asked


@test
def what_is_read_is_the_same():
    image = {"template": {"containers": [{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]}}
    made = stand().api("POST", "/v2/projects/demo/locations/us-central1/services?serviceId=same", image)
    assert made.status == 200, made
    asked = compare(stand().token(), ("GET",))
    print(f"{asked} ways")
    assert asked > 40, asked


@test
def strangers_are_refused_in_the_same_words():
    asked = compare(stand().token(member="user:nobody@example.com"), ("GET", "POST", "PATCH", "DELETE"))
    print(f"{asked} ways")
    assert asked > 90, asked


if __name__ == "__main__":
    main()
