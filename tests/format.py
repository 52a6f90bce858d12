#!/usr/bin/env python3
"""The C files are as clang-format writes them (.clang-format), but for tables that are laid out by hand.

Prints "ok NAME", "not ok NAME: why" or "skip NAME: why". `make format` (--write) puts right what this finds.
"""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Rows that are read as columns: one method, flag or field a line, however long.
TABLES = {
    "src/cli/env_terraform.c",
    "src/control/api/crm_liens.c",
    "src/control/api/crm_v3.c",
    "src/control/api/crm_v3_tags.c",
    "src/control/front/tables.c",
    "src/policy/orgpolicy_kept.c",
}


def files():
    listed = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True,
                            check=True).stdout.split()
    return [path for path in listed if path not in TABLES and (ROOT / path).is_file()]


def main():
    name = "the C files are formatted"
    if shutil.which("clang-format") is None:
        print(f"skip {name}: clang-format is not installed")
        return
    paths = files()
    if "--write" in sys.argv[1:]:
        subprocess.run(["clang-format", "-i", *paths], cwd=ROOT, check=True)
        return
    ran = subprocess.run(["clang-format", "--dry-run", *paths], cwd=ROOT, capture_output=True, text=True)
    bad = sorted({line.split(":")[0] for line in ran.stderr.splitlines() if "warning:" in line})
    lost = sorted(TABLES - set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()))
    if len(paths) < 300 or ran.returncode != 0:
        print(f"not ok {name}: {len(paths)} files were looked at, and clang-format ended {ran.returncode}")
    elif bad or lost:
        told = [f"{len(bad)} are not: {', '.join(bad[:10])}; `make format`"] if bad else []
        told += [f"in the list of tables, but not there: {', '.join(lost)}"] if lost else []
        print(f"not ok {name}: {'; '.join(told)}")
    else:
        print(f"ok {name}")


if __name__ == "__main__":
    main()
