#!/usr/bin/env python3
"""Turns src/policy/roles.json into the C tables of src/policy/roles_table.h.

Roles and permissions come out in the order of their names, so that the tables can be searched by
halving and the same input always gives the same bytes.

usage: roles_to_c.py roles.json out.c
"""

import json
import sys


def quote(text):
    """A C string literal; the data is ASCII, and we refuse anything that would need care."""
    if not all(" " <= char <= "~" for char in text):
        raise SystemExit(f"roles: not printable ASCII: {text!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def wrap(words, indent="    ", width=100):
    lines, line = [], indent
    for word in words:
        piece = word + ","
        if len(line) + len(piece) + 1 > width and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += piece + " "
    lines.append(line.rstrip())
    return "\n".join(lines)


def tables(roles):
    permissions = sorted({name for role in roles.values() for name in role["permissions"]})
    number = {name: index for index, name in enumerate(permissions)}
    out = ["/* Made from src/policy/roles.json by tools/roles_to_c.py. */", '#include "policy/roles_table.h"', ""]
    for index, name in enumerate(sorted(roles)):
        held = sorted({number[permission] for permission in roles[name]["permissions"]})
        if not held:
            raise SystemExit(f"roles: {name} holds nothing")
        out.append(f"static const uint16_t held_{index}[] = {{ /* {name} */")
        out.append(wrap([str(value) for value in held]))
        out.append("};")
    out += ["", "const struct role roles_table[] = {"]
    for index, name in enumerate(sorted(roles)):
        role = roles[name]
        out.append(
            f"    {{.name = {quote(name)}, .title = {quote(role['title'])}, "
            f".stage = {quote(role['stage'])}, .permissions = held_{index}, "
            f".permission_count = sizeof(held_{index}) / sizeof(held_{index}[0])}},"
        )
    out += ["};", f"const size_t roles_table_count = {len(roles)};", ""]
    out += ["const char *const permissions_table[] = {"]
    out += [f"    {quote(name)}," for name in permissions]
    out += ["};", f"const size_t permissions_table_count = {len(permissions)};", ""]
    return "\n".join(out)


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        roles = json.load(file)
    with open(target, "w", encoding="utf-8") as file:
        file.write(tables(roles))


main()
