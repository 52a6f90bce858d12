#!/usr/bin/env python3
"""Turns src/grpc/schema.txt into the file descriptors of src/grpc/descriptors.h: what reflection hands out.

The schema knows packages, not files, so that each package is one file here, named for it; the well-known types stand
in the files that every client has already.

usage: schema_to_descriptors.py schema.txt out.c
"""
import re
import sys

from schema_to_c import read

WELL_KNOWN = {"Any": "any", "Duration": "duration", "Empty": "empty", "FieldMask": "field_mask", "Struct": "struct",
              "Value": "struct", "ListValue": "struct", "NullValue": "struct", "Timestamp": "timestamp"}
TYPES = {"double": 1, "int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12}
OPTIONAL, REPEATED, TYPE_MESSAGE, TYPE_ENUM = 1, 3, 11, 14


# ---- protobuf on the wire ----

def varint(number):
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7f | 0x80]), number >> 7
    return out + bytes([number])


def number_field(number, value):
    return varint(number << 3) + varint(value & (1 << 64) - 1)


def field(number, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


# ---- where a name stands ----

def package_of(name):
    return ".".join(word for word in re.match(r"(?:[a-z][a-z0-9_]*\.)+", name)[0].rstrip(".").split("."))


def file_of(name):
    package = package_of(name)
    if package == "google.protobuf":
        return f"google/protobuf/{WELL_KNOWN[name.split('.')[2]]}.proto"
    return package.replace(".", "/") + "/all.proto"


def snake(name):
    return re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)


# ---- descriptors ----

class File:
    def __init__(self, name, package):
        self.name, self.package = name, package
        self.needs, self.messages, self.enums, self.services = set(), {}, {}, {}

    def uses(self, name):
        if file_of(name) != self.name:
            self.needs.add(file_of(name))
        return "." + name

    def kind(self, kind):
        """The type of a field, and its type's name, as fields of its descriptor."""
        if kind in TYPES:
            return number_field(5, TYPES[kind])
        is_enum = kind.startswith("enum:")
        name = self.uses(kind[5:] if is_enum else kind)
        return number_field(5, TYPE_ENUM if is_enum else TYPE_MESSAGE) + field(6, name)

    def message(self, name, lines):
        """A DescriptorProto, without what stands inside it."""
        out, oneofs, synthetic, entries = field(1, name.rpartition(".")[2]), [], [], b""
        for words in lines:
            oneofs += [flag[6:] for flag in words[3:] if flag.startswith("oneof=") and flag[6:] not in oneofs]
        for number, json_name, kind, *flags in lines:
            own = snake(json_name)
            label = REPEATED if "repeated" in flags or kind.startswith("map:") else OPTIONAL
            one = field(1, own) + number_field(3, int(number)) + number_field(4, label)
            if kind.startswith("map:"):
                _, key, value = kind.split(":", 2)
                entry = "".join(word.capitalize() for word in own.split("_")) + "Entry"
                inner = field(1, entry)
                for place, (part, of) in enumerate((("key", key), ("value", value)), 1):
                    inner += field(2, field(1, part) + number_field(3, place) + number_field(4, OPTIONAL) +
                                   self.kind(of) + field(10, part))
                entries += field(3, inner + field(7, number_field(7, 1)))
                one += number_field(5, TYPE_MESSAGE) + field(6, f".{name}.{entry}")
            else:
                one += self.kind(kind)
            if "optional" in flags:
                synthetic.append("_" + own)
                one += number_field(9, len(oneofs) + len(synthetic) - 1)
            for flag in flags:
                if flag.startswith("oneof="):
                    one += number_field(9, oneofs.index(flag[6:]))
            one += field(10, json_name) + (number_field(17, 1) if "optional" in flags else b"")
            out += field(2, one)
        return out + entries + b"".join(field(8, field(1, oneof)) for oneof in oneofs + synthetic)

    def enum(self, name, lines):
        values = b"".join(field(2, field(1, value) + number_field(2, int(number))) for number, value in lines)
        alias = len({number for number, _ in lines}) < len(lines)
        return field(1, name.rpartition(".")[2]) + values + (field(3, number_field(2, 1)) if alias else b"")

    def whole(self, name):
        """MESSAGE with what stands inside it."""
        out = self.messages[name]
        for inner in sorted(self.messages):
            if inner.rpartition(".")[0] == name:
                out += field(3, self.whole(inner))
        for inner in sorted(self.enums):
            if inner.rpartition(".")[0] == name:
                out += field(4, self.enums[inner])
        return out

    def write(self):
        top = len(self.package.split(".")) + 1
        out = field(1, self.name) + field(2, self.package)
        out += b"".join(field(3, need) for need in sorted(self.needs))
        out += b"".join(field(4, self.whole(name)) for name in sorted(self.messages) if len(name.split(".")) == top)
        out += b"".join(field(5, self.enums[name]) for name in sorted(self.enums) if len(name.split(".")) == top)
        for name in sorted(self.services):
            methods = b"".join(field(2, method) for method in self.services[name])
            out += field(6, field(1, name.rpartition(".")[2]) + methods)
        return out + field(12, "proto3")


def describe(blocks):
    files = {}

    def place(name):
        return files.setdefault(file_of(name), File(file_of(name), package_of(name)))

    for name, (_, lines) in blocks["message"].items():
        place(name).messages[name] = place(name).message(name, lines)
    for name, (_, lines) in blocks["enum"].items():
        place(name).enums[name] = place(name).enum(name, lines)
    # What only holds other things is in no method, and so not in the schema.
    for file in files.values():
        for name in [*file.messages, *file.enums]:
            outer = name.rpartition(".")[0]
            while outer != file.package and outer not in file.messages:
                file.messages[outer] = field(1, outer.rpartition(".")[2])
                outer = outer.rpartition(".")[0]
    for name, ((taken, given, *flags), _) in blocks["method"].items():
        service, method = name.split("/")
        file = place(service)
        file.services.setdefault(service, []).append(
            field(1, method) + field(2, file.uses(taken)) + field(3, file.uses(given)) +
            (number_field(5, 1) if "client-stream" in flags else b"") +
            (number_field(6, 1) if "server-stream" in flags else b""))
    check_order(files)
    return files


def check_order(files):
    """No file may need itself, however far around."""
    done = set()
    while len(done) < len(files):
        ready = [name for name, file in files.items() if name not in done and file.needs <= done]
        assert ready, f"a circle in {sorted(set(files) - done)}"
        done.update(ready)


def main():
    files = describe(read(sys.argv[1]))
    names = sorted(files)
    out = ['#include "grpc/descriptors.h"', ""]
    for at, name in enumerate(names):
        out.append(f"static const unsigned char file_{at}[] = {{")
        data = files[name].write()
        out += ["    " + ",".join(map(str, data[start:start + 32])) + "," for start in range(0, len(data), 32)]
        out.append("};")
    out += ["", "const struct proto_file proto_files[] = {"]
    for at, name in enumerate(names):
        out.append(f'    {{"{name}", {{(const char *)file_{at}, sizeof(file_{at})}}}},')
    out += ["};", f"const size_t proto_file_count = {len(names)};", "", "const struct proto_symbol proto_symbols[] = {"]
    symbols = {name: at for at, file in enumerate(names)
               for name in [*files[file].messages, *files[file].enums, *files[file].services]}
    out += [f'    {{"{name}", {symbols[name]}}},' for name in sorted(symbols)]
    out += ["};", f"const size_t proto_symbol_count = {len(symbols)};", ""]
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write("\n".join(out))


if __name__ == "__main__":
    main()
