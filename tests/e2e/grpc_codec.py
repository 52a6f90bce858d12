#!/usr/bin/env python3
"""The protobuf codec beside Google's: random messages of every type of the schema, both ways.

GRPC_CODEC_MESSAGES says how many (4000). Google's side is PyPI's protobuf, with descriptors made from the same schema.
"""
import base64
import json
import os
import pathlib
import random
import subprocess
import sys

import client_cache
from homerun import BINARY, Skip, main, test

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LINES = pathlib.Path(BINARY).absolute().parent / "tests" / "unit" / "grpc" / "grpc-codec-lines"
MESSAGES = int(os.environ.get("GRPC_CODEC_MESSAGES", "4000"))
KNOWN = ["any", "duration", "empty", "field_mask", "struct", "timestamp"]


# ---- run by the Python that has protobuf ----

def blocks():
    out, lines = [], None
    for line in (ROOT / "src" / "grpc" / "schema.txt").read_text().splitlines():
        if line.startswith("  "):
            lines.append(line.split())
        elif line and not line.startswith("#"):
            words, lines = line.split(), []
            out.append((words[0], words[1], lines))
    return out


def package_of(name):
    return ".".join(part for part in name.split(".")[:-1] if part[0].islower())


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


def describe():
    """A pool with every message of the schema, by Google's own library."""
    import importlib
    from google.protobuf import descriptor_pb2, descriptor_pool
    F = descriptor_pb2.FieldDescriptorProto
    kinds = {name: getattr(F, "TYPE_" + name.upper()) for name in "string bytes bool int32 int64 double".split()}
    pool, files, holders = descriptor_pool.DescriptorPool(), {}, {}
    for name in KNOWN:
        file = importlib.import_module(f"google.protobuf.{name}_pb2").DESCRIPTOR
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        pool.Add(proto)
    # One file for all: their packages become the outermost names of nested messages' full names.
    everything = [(kind, name, lines) for kind, name, lines in blocks()
                  if kind in ("message", "enum") and not name.startswith("google.protobuf.")]
    for kind, name, lines in everything:
        package = package_of(name)
        file = files.setdefault(package, descriptor_pb2.FileDescriptorProto(
            name=package + ".proto", package=package, syntax="proto3"))
    full = {name for _, name, _ in everything}
    def holder(name):
        outer = name.rpartition(".")[0]
        return holders[outer] if outer in full else files[package_of(name)]
    for kind, name, lines in sorted(everything, key=lambda item: item[1]):
        outer = name.rpartition(".")[0]
        if outer in full or outer == package_of(name):
            at = holder(name)
        else:  # a message whose outer one no method uses
            at = files[package_of(name)].message_type.add(name=outer.rpartition(".")[2])
            holders[outer] = at
            full.add(outer)
        short = name.rpartition(".")[2]
        if kind == "enum":
            enum = at.enum_type.add(name=short)
            enum.options.allow_alias = False
            for number, value in lines:
                enum.value.add(name=value, number=int(number))
            continue
        message = (at.message_type if isinstance(at, descriptor_pb2.FileDescriptorProto) else at.nested_type).add(name=short)
        holders[name] = message
        fill(message, name, lines, kinds, F)
    need = {package: set() for package in files}
    for _, name, lines in everything:
        for words in lines:
            for part in words[2:3]:
                for one in part.split(":"):
                    if "." in one:
                        need[package_of(name)].add(package_of(one))
    done = set()
    def add(package):
        if package in done or package not in files:
            return
        done.add(package)
        for other in sorted(need[package] - {package}):
            if other == "google.protobuf":
                files[package].dependency.extend(f"google/protobuf/{known}.proto" for known in KNOWN)
            else:
                add(other)
                files[package].dependency.append(other + ".proto")
        pool.Add(files[package])
    for package in sorted(files):
        add(package)
    return pool


def fill(message, name, lines, kinds, F):
    oneofs = {}
    for number, json_name, kind, *flags in lines:
        field = message.field.add(name=snake(json_name), number=int(number), json_name=json_name,
                                  label=F.LABEL_REPEATED if "repeated" in flags else F.LABEL_OPTIONAL)
        target = field
        if kind.startswith("map:"):
            kind = kind.split(":", 2)[2]
            entry = message.nested_type.add(name="".join(w.title() for w in snake(json_name).split("_")) + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
            target = entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL)
            field.label, field.type, field.type_name = F.LABEL_REPEATED, F.TYPE_MESSAGE, f".{name}.{entry.name}"
        if kind in kinds:
            target.type = kinds[kind]
        elif kind.startswith("enum:"):
            target.type, target.type_name = F.TYPE_ENUM, "." + kind[5:]
        else:
            target.type, target.type_name = F.TYPE_MESSAGE, "." + kind
        for flag in flags:
            if flag.startswith("oneof="):
                if flag not in oneofs:
                    oneofs[flag] = len(message.oneof_decl)
                    message.oneof_decl.add(name=flag[6:])
                field.oneof_index = oneofs[flag]
    for number, json_name, kind, *flags in lines:
        if "optional" in flags:
            field = next(one for one in message.field if one.json_name == json_name)
            field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name="_" + field.name)


TEXTS = ["", "a", "projects/p/locations/us-central1", "ä€𝄞", "x" * 300, "\x01\n\"\\"]
INTS = [0, 1, -1, 127, 128, 2**31 - 1, -2**31, 300]
LONGS = INTS + [2**53, -2**63, 2**63 - 1]
DOUBLES = [0.0, -0.0, 1.5, -2.25, 1e300, float("inf"), float("nan")]


def scalar(rng, field):
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        return rng.choice([b"", b"\0\xff", b"abc"]) if field.type == field.TYPE_BYTES else rng.choice(TEXTS)
    if kind == field.CPPTYPE_BOOL:
        return rng.random() < .5
    if kind == field.CPPTYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values] + [77])
    if kind == field.CPPTYPE_DOUBLE:
        return rng.choice(DOUBLES)
    return rng.choice(LONGS if kind == field.CPPTYPE_INT64 else INTS)


def randomise(rng, message, pool, depth=0):
    """Fills some of the fields; the special messages within their range."""
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        message.seconds, message.nanos = rng.choice([0, 1, -62135596800, 253402300799, 1700000000]), \
            rng.choice([0, 1, 500000000, 123456789, 999999999, 1000, 120])
    elif name == "google.protobuf.Duration":
        sign = rng.choice([1, -1])
        message.seconds, message.nanos = sign * rng.choice([0, 1, 315576000000, 60]), sign * rng.choice([0, 1, 500000000, 123456789])
        if abs(message.seconds) == 315576000000:
            message.nanos = 0
    elif name == "google.protobuf.FieldMask":
        message.paths.extend(rng.sample(["a", "template.max_instance_request_concurrency", "labels"], rng.randint(0, 3)))
    elif name == "google.protobuf.Any":
        inner = pool_class(pool, rng.choice(["google.rpc.ErrorInfo", "google.protobuf.Duration", "google.cloud.run.v2.TrafficTarget"]))()
        randomise(rng, inner, pool, depth + 1)
        message.Pack(inner)
    elif name in ("google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"):
        from google.protobuf import json_format
        value = rng.choice([{"a": 1.5, "b": [None, "x", True, {}]}, {}, {"c": {"d": []}}])
        json_format.ParseDict(value if name.endswith("Struct") else rng.choice([None, 3.0, "t", [1.0, {}], value])
                              if not name.endswith("ListValue") else [1.0, None], message)
    else:
        for field in message.DESCRIPTOR.fields:
            if rng.random() < (.5 if depth < 3 else .15):
                fill_field(rng, message, field, pool, depth)
    return message


def fill_field(rng, message, field, pool, depth):
    if field.message_type and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        for key in rng.sample(["", "k", "a.b/c"], rng.randint(0, 2)):
            if value.message_type:
                randomise(rng, getattr(message, field.name)[key], pool, depth + 1)
                if not getattr(message, field.name)[key].ListFields() and value.message_type.name == "Value":
                    getattr(message, field.name)[key].bool_value = False
            else:
                getattr(message, field.name)[key] = scalar(rng, value)
    elif field.message_type:
        if depth > 6:
            return
        if field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED:
            for _ in range(rng.randint(0, 2)):
                randomise(rng, getattr(message, field.name).add(), pool, depth + 1)
        else:
            inner = getattr(message, field.name)
            inner.SetInParent()
            randomise(rng, inner, pool, depth + 1)
    elif field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED:
        getattr(message, field.name).extend(scalar(rng, field) for _ in range(rng.randint(0, 3)))
    else:
        setattr(message, field.name, scalar(rng, field))


def pool_class(pool, name):
    from google.protobuf import message_factory
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def compare(count, seed):
    from google.protobuf import json_format
    pool = describe()
    names = [name for kind, name, _ in blocks() if kind == "message"]
    rng = random.Random(seed)
    lines = subprocess.Popen([LINES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    def ask(text):
        lines.stdin.write(text + "\n")
        lines.stdin.flush()
        return lines.stdout.readline().rstrip("\n")
    checked, types = 0, set()
    while checked < count:
        name = names[checked % len(names)]
        message = randomise(rng, pool_class(pool, name)(), pool)
        wire = message.SerializeToString()
        try:
            wanted = json_format.MessageToDict(message, descriptor_pool=pool)
        except (json_format.SerializeToJsonError, ValueError, TypeError) as why:
            wanted = why
        answer = ask(f"read {name} {wire.hex()}")
        if isinstance(wanted, Exception):
            assert answer.startswith("!"), (name, wire.hex(), wanted, answer)
        else:
            assert not answer.startswith("!"), (name, wire.hex(), wanted, answer)
            got = json.loads(answer)[0]
            assert same(got, wanted), (name, wire.hex(), got, wanted)
            back = ask(f"write {name} {json.dumps([wanted])}")
            assert not back.startswith("!"), (name, wanted, back)
            again = pool_class(pool, name).FromString(bytes.fromhex(back))
            assert json_format.MessageToDict(again, descriptor_pool=pool) == wanted, (name, back, wire.hex())
            types.add(name)
        # Two messages behind each other are one, merged.
        other = randomise(rng, pool_class(pool, name)(), pool).SerializeToString()
        merged = pool_class(pool, name).FromString(wire + other)
        try:
            wanted = json_format.MessageToDict(merged, descriptor_pool=pool)
        except (json_format.SerializeToJsonError, ValueError, TypeError):
            wanted = None
        if wanted is not None and "google.protobuf.Any" not in str(type(merged)):
            answer = ask(f"read {name} {(wire + other).hex()}")
            assert not answer.startswith("!") and same(json.loads(answer)[0], wanted), (name, (wire + other).hex(), answer, wanted)
        checked += 1
    lines.stdin.close()
    print(f"{checked} messages of {len(types)} types")


# ---- run by the tests ----

def google(*arguments):
    if not LINES.exists():
        raise Skip(f"{LINES} was not built")
    program, environment = client_cache.python()
    done = subprocess.run([*program, __file__, *arguments], capture_output=True, text=True, timeout=1200,
                          env={**os.environ, **environment})
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@test
def every_type_is_read_and_written_as_google_does():
    print(google("compare", str(MESSAGES), "1").strip())


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        compare(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
