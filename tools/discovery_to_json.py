#!/usr/bin/env python3
"""Makes tests/data/discovery.json out of Google's discovery documents: names and types, no prose.

    tools/discovery_to_json.py --homerun build/homerun FOLDER > tests/data/discovery.json

FOLDER holds the documents as `https://$API/$discovery/rest?version=…` answers them, one a file.
Only methods with a row in the route table are kept, under their own request: "POST /v1/a/{}/b".
A type is a word ("string", "bool", "int32", "int64", "double", "time", "duration", "bytes", "mask",
"any"), "enum:A|B", "ref:SCHEMA", "list:TYPE" or "map:TYPE"; "out" is what only the server writes.
"""
import argparse
import json
import pathlib
import re
import subprocess

FORMATS = {
    "int32": "int32", "uint32": "int32", "int64": "int64", "uint64": "int64", "double": "double",
    "float": "double", "byte": "bytes", "google-datetime": "time", "google-duration": "duration",
    "google-fieldmask": "mask",
}
WORDS = {"string": "string", "boolean": "bool", "integer": "int32", "number": "double",
         "any": "any"}


def shape(path):
    return re.sub(r"\{[^}]*\}", "{}", path)


def type_of(api, field):
    if field.get("readOnly"):
        return "out"
    if "$ref" in field:
        return f"ref:{api}.{field['$ref']}"
    if "enum" in field:
        return "enum:" + "|".join(field["enum"])
    if field["type"] == "array":
        return "list:" + type_of(api, field["items"])
    if field["type"] == "object":
        inner = field.get("additionalProperties")
        return "map:" + type_of(api, inner) if inner else "any"
    return FORMATS.get(field.get("format")) or WORDS[field["type"]]


def methods_of(resource):
    yield from resource.get("methods", {}).values()
    for part in resource.get("resources", {}).values():
        yield from methods_of(part)


def method_facts(api, method):
    query = {name: type_of(api, one) for name, one in method.get("parameters", {}).items()
             if one["location"] == "query"}
    facts = {"id": method["id"]}
    if query:
        facts["query"] = query
    if "request" in method:
        facts["request"] = type_of(api, method["request"])
    return facts


def names_in(type_text):
    found = re.search(r"ref:(.+)$", type_text)
    return [found.group(1)] if found else []


def keep_schemas(all_schemas, methods):
    """The schemas that requests reach."""
    wanted = [name for one in methods.values() for name in names_in(one.get("request", ""))]
    kept = {}
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept[name] = all_schemas[name]
            wanted += [more for field in kept[name].values() for more in names_in(field)]
    return dict(sorted(kept.items()))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--homerun", default="build/homerun")
    options.add_argument("folder", type=pathlib.Path)
    choice = options.parse_args()
    rows = json.loads(subprocess.run([choice.homerun, "routes"], check=True, text=True,
                                     capture_output=True).stdout)
    ours = {f"{row['verb']} {shape(row['path'])}" for row in rows}
    methods, schemas = {}, {}
    for path in sorted(choice.folder.glob("*.json")):
        document = json.loads(path.read_text())
        if "schemas" not in document:
            continue
        api = f"{document['name']}.{document['version']}"
        for name, schema in document["schemas"].items():
            schemas[f"{api}.{name}"] = {field: type_of(api, one) for field, one
                                        in schema.get("properties", {}).items()}
        for method in methods_of(document):
            request = f"{method['httpMethod']} /{shape(method.get('flatPath') or method['path'])}"
            if request in ours:
                methods.setdefault(request, method_facts(api, method))
    facts = {"methods": dict(sorted(methods.items())), "schemas": keep_schemas(schemas, methods)}
    text = json.dumps(facts, separators=(",", ":"))
    # A line for each method and schema, so that a difference can be read.
    print(re.sub(r'((?:\{|,)(?="(?:(?:GET|POST|PUT|PATCH|DELETE) /|\w+\.v\d+\.\w+":\{|schemas")))',
                 r"\1\n", text))


if __name__ == "__main__":
    main()
