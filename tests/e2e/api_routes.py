#!/usr/bin/env python3
"""docs/api.md is what the route table says, and `homerun routes` says it."""
import difflib
import json
import subprocess

from homerun import BINARY, ROOT, main, test

DOCUMENT = ROOT / "docs" / "api.md"


def routes(*arguments):
    return subprocess.run([BINARY, "routes", *arguments], capture_output=True, text=True,
                          timeout=30)


@test
def the_document_is_up_to_date():
    printed = routes("--format=markdown").stdout
    kept = DOCUMENT.read_text(encoding="utf-8")
    difference = list(difflib.unified_diff(kept.splitlines(), printed.splitlines(), lineterm="",
                                           fromfile="docs/api.md", tofile="homerun routes", n=0))
    print("\n".join(difference[:40]))
    assert not difference, \
        "docs/api.md is old: `build/homerun routes --format=markdown > docs/api.md` makes it anew"


@test
def every_row_is_told_to_machines_too():
    rows = json.loads(routes("--format=json").stdout)
    assert rows == json.loads(routes().stdout), "JSON is the default"
    assert len(rows) > 100
    text = DOCUMENT.read_text(encoding="utf-8")
    for row in rows:
        assert row["state"] in ("done", "501"), row
        assert f"`{row['verb']} {row['path']}`" in text, row


@test
def another_format_is_refused_with_usage():
    for arguments in (["--format=xml"], ["json"], ["--format=json", "more"]):
        done = routes(*arguments)
        assert done.returncode == 2 and "usage" in done.stderr, done


if __name__ == "__main__":
    main()
