#!/usr/bin/env python3
"""One numbering of the access rules: docs/access.md has each number once; code and tests cite no other.

A rule is a letter and a number at the beginning of a table's row. It is cited by that name, in a comment or in a
text. Each rule is cited by the code that keeps it and by a test that would miss it.

Prints "ok NAME" or "not ok NAME: why".
"""
import collections
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/access.md"

ROW = re.compile(r"^\| ([ACDKPS]\d+) \|", re.M)
# Not a part of a longer word, of a percent-encoded byte or of a path.
NAME = re.compile(r"(?<![\w%+/=.-])([ACDKPS][1-9]\d?)(?![\w%=-])")
RANGE = re.compile(r"(?<![\w%+/=.-])([ACDKPS])([1-9]\d?)(?: to |–)\1([1-9]\d?)(?![\w%])")
# What of a file is said to people: comments and texts.
SPOKEN = {
    ".c": re.compile(r"/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"", re.S),
    ".h": re.compile(r"/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"", re.S),
    ".py": re.compile(r"\"\"\".*?\"\"\"|#[^\n]*|\"[^\"\n]*\"", re.S),
}


def cited(text):
    found = set(NAME.findall(text))
    for letter, first, last in RANGE.findall(text):
        found |= {f"{letter}{number}" for number in range(int(first), int(last) + 1)}
    return found


def sayings(path):
    """(text, True if its names can only be meant as rules) of each comment and text of a file."""
    for text in SPOKEN[path.suffix].findall(path.read_text(errors="replace")):
        yield text, "access.md" in text or NAME.fullmatch(text.strip('"')) is not None


def files(*patterns):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / path for path in listed if (ROOT / path).is_file()]


def told(name, faults):
    print(f"not ok {name}: {'; '.join(sorted(faults))}" if faults else f"ok {name}", flush=True)


def main():
    page = (ROOT / PAGE).read_text()
    count = collections.Counter(ROW.findall(page))
    rules = set(count)
    told("each access rule has a number of its own",
         [f"{rule} names {number} rules" for rule, number in count.items() if number > 1]
         or ([] if len(rules) > 20 else [f"{PAGE} has {len(rules)} rules: its tables are not understood"]))

    where = {"src": set(), "tests": set()}
    unknown = set()
    for area, found in where.items():
        for path in files(*(f"{area}/*{suffix}" for suffix in SPOKEN)):
            if path == pathlib.Path(__file__).resolve():
                continue
            for text, meant in sayings(path):
                names = cited(text)
                found |= names
                unknown |= {f"{path.relative_to(ROOT)} cites {name}" for name in names - rules if meant}
    told("no access rule is cited that docs/access.md does not have", unknown)
    told("the code says which access rule it keeps", rules - where["src"])
    told("each access rule is cited by a test", rules - where["tests"])


if __name__ == "__main__":
    main()
