#!/usr/bin/env python3
"""Each row of door_rows.txt has a test, and each test that it names is there.

Prints "ok NAME" or "not ok NAME: why".
"""
import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parent
PLAN = TESTS / "door_rows.txt"
ROWS = 80


def places(name):
    """The files that a row may mean by NAME."""
    if name.endswith(".mjs"):
        return [TESTS / "console" / name]
    if name.endswith(".c"):
        return list((TESTS / "unit").rglob(name))
    return [folder / f"{name}.py" for folder in (TESTS / "e2e", TESTS / "robustness")]


def has_test(path, name):
    if not path.is_file():
        return False
    forms = {".py": rf"^@test\ndef {name}\(", ".mjs": rf"^test\(\"{name}\"", ".c": rf"cmocka_unit_test\({name}\)"}
    return re.search(forms[path.suffix], path.read_text(), re.M) is not None


def faults():
    seen = []
    for line in PLAN.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 4 or not parts[3]:
            yield f"{parts[0]}: not NAME | request | answer | tests"
            continue
        seen.append(parts[0])
        for named in parts[3].split(", "):
            file, _, name = named.partition(":")
            if not any(has_test(path, name) for path in places(file)):
                yield f"{parts[0]}: there is no test {named}"
    numbers = [int(name) for name in seen if name.isdigit()]
    if numbers != list(range(1, ROWS + 1)):
        yield f"the rows 1 to {ROWS} are not there once each, in order"
    if len(seen) != len(set(seen)):
        yield "a row is there twice"


def main():
    found = list(faults())
    print(f"not ok each row of the door has a test: {'; '.join(found)}" if found else "ok each row of the door has a test", flush=True)


if __name__ == "__main__":
    main()
