#!/usr/bin/env python3
"""Every method that comes by gRPC and by REST says the same by both: answers, refusals, details, messages."""
import base64
import contextlib
import json
import pathlib
import random
import re
import sqlite3
import subprocess
import urllib.parse

from grpc_stand import call, frame
import grpc_stand
from homerun import BINARY, Homerun, Skip, finally_do, main, stand, test

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


# ---- the generated bodies, by REST to one installation and by gRPC to its twin ----

# What would end the test's own rights, or is long-winded to undo.
NOT_TWICE = re.compile("SetIamPolicy|DeleteProject|MoveProject|UpdateProject|SubmitBuild|WaitOperation|Sign(Blob|Jwt)|Generate")
VALUES = {
    "string": ["", "x", "a-b", "us-central1", "A B", "../x", "ü", "x" * 300, "projects/demo", "-"],
    "bool": [True, False], "int32": [0, 1, -1, 1001, 2 ** 31 - 1], "int64": ["0", "-5", str(2 ** 53)],
    "double": [0.5], "bytes": ["", "AAAA"],
}
SPECIAL = {"google.protobuf.FieldMask": ["", "labels", "no.such.field", "*", "template,labels"],
           "google.protobuf.Duration": ["0s", "-1s", "300.5s"], "google.protobuf.Timestamp": ["2026-01-01T00:00:00Z"],
           "google.protobuf.Empty": [{}]}
_schema = {}


def schema():
    """{message: [(name, kind, flags)]} and {enum: [name]}."""
    if not _schema:
        for line in (ROOT / "src" / "grpc" / "schema.txt").read_text().splitlines():
            words = line.split()
            if line.startswith(("message ", "enum ")):
                block = _schema.setdefault(words[1], [])
            elif line.startswith("  ") and words[0].isdigit():
                block.append(words[1:])
    return _schema


def value(chance, kind, depth):
    if kind.startswith("enum:"):
        return chance.choice(schema()[kind[5:]])[0]  # the lines of an enum are (name)
    if kind in SPECIAL or kind in VALUES:
        return chance.choice((SPECIAL.get(kind) or VALUES[kind]))
    return message(chance, kind, depth - 1)


def message(chance, kind, depth):
    """A document of that message, as a client might write it by accident."""
    out, taken = {}, set()
    if depth == 0 or kind.startswith(("google.protobuf.", "google.iam.v1.Policy")):
        return out
    fields = schema()[kind]
    # One field of each message: of two that are wrong, either may be named.
    for name, field, *flags in chance.sample(fields, min(1, len(fields))):
        one = next((flag for flag in flags if flag.startswith("oneof=")), None)
        if one in taken:
            continue
        taken.update([one] if one else [])
        if field.startswith("map:"):
            out[name] = {chance.choice(["a", "B", "team"]): value(chance, field.split(":", 2)[2], depth)}
        elif "repeated" in flags:
            out[name] = [value(chance, field, depth) for _ in range(chance.randrange(3))]
        else:
            out[name] = value(chance, field, depth)
        # What is not told from absence is not sent by gRPC.
        if not one and "optional" not in flags and is_default(field, out[name]):
            del out[name]
    return out


def is_default(kind, one):
    return one in ([], {}) and kind not in schema() or kind in VALUES and one in ("", 0, "0", False) or \
        kind.startswith("enum:") and one == schema()[kind[5:]][0][0] or isinstance(one, list) and not one


def plain(answer, homerun):
    """ANSWER without what two installations made at two moments cannot have in common."""
    said = json.dumps(answer, sort_keys=True, ensure_ascii=False)
    for port in re.findall(r":(\d{4,5})\b", homerun.api_url + " " + homerun.ready["https"]):
        said = said.replace(port, "PORT")
    said = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", said)
    said = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "UUID", said)
    said = re.sub(r'(\\?"etag\\?": \\?")[^,}]*', r"\1ETAG", said)
    said = re.sub(r"-0000\d-[a-z0-9]{3}\b", "-REVISION", said)
    said = re.sub(r'"C0[0-9a-z]{7}"', '"CUSTOMER"', said)
    return re.sub(r"\b\d{10,25}\b", "NUMBER", said)


def audit(homerun):
    """Who did what to what, of the record itself."""
    with contextlib.closing(sqlite3.connect(f"file:{homerun.data}/homerun.db?mode=ro", uri=True)) as record:
        rows = [json.loads(body) for (body,) in record.execute("SELECT body FROM audit ORDER BY number")]
    kept = [{key: row.get(key) for key in ("method", "resource", "deed", "caller", "peer", "before", "after")} for row in rows]
    return [plain(row, homerun) for row in kept]


@test
def generated_requests_do_the_same_in_twin_installations():
    """Code, message, details, what is answered, and the audit log that is left."""
    chance, asked, done = random.Random(11), 0, 0
    with contextlib.ExitStack() as stack:
        rest_one, grpc_one = (stack.enter_context(contextlib.closing(Homerun().start())) for _ in range(2))
        tokens = {one: {member: one.token(member=member) if member else one.token()
                        for member in (None, "user:nobody@example.com")} for one in (rest_one, grpc_one)}
        stack.callback(setattr, grpc_stand, "stand", grpc_stand.stand)
        grpc_stand.stand = lambda: grpc_one
        for name, taken, given, verb, template, body in methods():
            if name in APART or NOT_TWICE.search(name) or name.startswith("grpc."):
                continue
            for turn in range(5):
                member = "user:nobody@example.com" if turn == 4 else None
                path, document = filled(template)
                if body == "*":
                    extra = message(chance, taken, 4)
                    document = {**extra, **document}
                    named = [camel(field.split(".")[0]) for field in re.findall(r"\{([\w.]+)", template)]
                    sent, query = {key: part for key, part in document.items() if key not in named}, {}
                else:
                    if body:
                        kind = next(field for key, field, *_ in schema()[taken] if key == camel(body))
                        document[camel(body)] = {**message(chance, kind, 4), **document.get(camel(body), {})}
                    sent = document.get(camel(body)) if body else None
                    query = {key: chance.choice(SPECIAL.get(kind) or VALUES[kind]) for key, kind, *flags in schema()[taken]
                             if key not in document and "repeated" not in flags and (kind in VALUES or kind in SPECIAL)
                             and kind not in ("google.protobuf.Empty", "bytes") and chance.random() < 0.5}
                    query = {key: part for key, part in query.items() if part not in ("", 0, "0", False)}
                    document.update(query)
                target = urllib.parse.quote(path, safe="/:@")
                if query:
                    target += "?" + urllib.parse.urlencode({key: str(part).lower() if isinstance(part, bool) else part
                                                            for key, part in query.items()})
                answer = rest_one.api(verb, target, sent, token=tokens[rest_one][member])
                grpc = by_grpc(name, taken, given, document, tokens[grpc_one][member])
                asked += 1
                if answer.status == 200:
                    done += 1
                    rest = "OK", read(given, write(given, answer.json))
                else:
                    error = answer.json["error"]
                    rest = error["status"], {"message": error["message"], "details": error.get("details", [])}
                if grpc[0] == "UNIMPLEMENTED" or rest[1].get("message", "").startswith("The path "):
                    assert grpc[0] == "UNIMPLEMENTED", (name, rest, grpc)
                    continue
                assert plain(rest, rest_one) == plain(grpc, grpc_one), (name, target, sent, document, rest, grpc)
        assert audit(rest_one) == audit(grpc_one)
    print(f"{asked} requests, {done} of them done")
    assert asked > 250 and done > 20, (asked, done)


if __name__ == "__main__":
    main()
