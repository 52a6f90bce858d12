#!/usr/bin/env python3
"""Turns src/grpc/schema.txt into the C tables of src/grpc/schema.h.

usage: schema_to_c.py schema.txt out.c
"""
import sys

SCALARS = {name: "PROTO_" + name.upper()
           for name in "string bytes bool int32 int64 double".split()}
FORMS = {
    "Timestamp": "PROTO_TIMESTAMP", "Duration": "PROTO_DURATION", "FieldMask": "PROTO_FIELD_MASK", "Any": "PROTO_ANY",
    "Struct": "PROTO_STRUCT", "Value": "PROTO_VALUE", "ListValue": "PROTO_LIST_VALUE",
}


def read(path):
    """{kind of block: {name: (words, lines)}}, in the file's order."""
    blocks = {"message": {}, "enum": {}, "method": {}}
    for line in open(path, encoding="ascii"):
        words = line.split()
        if not words or words[0] == "#":
            continue
        if line.startswith("  "):
            lines.append(words)
        else:
            lines = []
            blocks[words[0]][words[1]] = words[2:], lines
    return blocks


def form_of(message):
    package, _, name = message.rpartition(".")
    return FORMS.get(name, "PROTO_PLAIN") if package == "google.protobuf" else "PROTO_PLAIN"


def field_row(words, oneofs, index):
    number, name, kind, *flags = words
    is_map = kind.startswith("map:")
    if is_map:
        _, key, kind = kind.split(":", 2)
        assert key == "string", words
    if kind in SCALARS:
        code, kind_type = SCALARS[kind], 0
    elif kind.startswith("enum:"):
        code, kind_type = "PROTO_ENUM", index["enum"][kind[5:]]
    else:
        code, kind_type = "PROTO_MESSAGE", index["message"][kind]
    oneof = next((flag[6:] for flag in flags if flag.startswith("oneof=")), None)
    assert not any(flag.startswith("proto=") for flag in flags), words
    if oneof is not None:
        oneof = oneofs.setdefault(oneof, len(oneofs) + 1)
    presence = int("optional" in flags or oneof is not None)
    return (f'{{{number}, {code}, {int("repeated" in flags)}, {int(is_map)}, {presence}, {oneof or 0}, '
            f'{kind_type}, "{name}"}},')


def main():
    blocks = read(sys.argv[1])
    index = {kind: {name: at for at, name in enumerate(sorted(blocks[kind]))} for kind in blocks}
    out = ['#include "grpc/schema.h"', "", "static const struct proto_field fields[] = {"]
    start, first = 0, {}
    for name in sorted(blocks["message"]):
        first[name], oneofs = start, {}
        for words in blocks["message"][name][1]:
            out.append("    " + field_row(words, oneofs, index))
            start += 1
    out += ["};", "", "const struct proto_message proto_messages[] = {"]
    for name in sorted(blocks["message"]):
        count = len(blocks["message"][name][1])
        out.append(f'    {{"{name}", fields + {first[name]}, {count}, {form_of(name)}}},')
    out += ["};", f'const size_t proto_message_count = {len(blocks["message"])};', "",
            "static const struct proto_enum_value values[] = {"]
    start = 0
    for name in sorted(blocks["enum"]):
        first[name] = start
        for number, value in blocks["enum"][name][1]:
            out.append(f'    {{{number}, "{value}"}},')
            start += 1
    out += ["};", "", "const struct proto_enum proto_enums[] = {"]
    for name in sorted(blocks["enum"]):
        out.append(f'    {{"{name}", values + {first[name]}, {len(blocks["enum"][name][1])}}},')
    out += ["};", "", "static const struct proto_rule rules[] = {"]
    start = 0
    for name in sorted(blocks["method"]):
        first[name] = start
        for verb, path, *body in blocks["method"][name][1]:
            out.append(f'    {{"{verb}", "{path}", "{body[0] if body else ""}"}},')
            start += 1
    out += ["};", "", "const struct proto_method proto_methods[] = {"]
    for name in sorted(blocks["method"]):
        (taken, given, *flags), lines = blocks["method"][name]
        messages = ", ".join(f'&proto_messages[{index["message"][one]}]' for one in (taken, given))
        streams = f'{int("client-stream" in flags)}'
        out.append(f'    {{"{name}", {messages}, {streams}, rules + {first[name]}, {len(lines)}}},')
    out += ["};", f'const size_t proto_method_count = {len(blocks["method"])};', ""]
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write("\n".join(out))


if __name__ == "__main__":
    main()
