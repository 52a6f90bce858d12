#!/usr/bin/env python3
"""No two rooms define a function or variable of the same name: linked into one program, the first would serve both.

(It has happened: a process once entered another one's sandbox.)
"""
import collections
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from homerun import BINARY, Skip, main, test  # noqa: E402

ROOMS = pathlib.Path(os.path.realpath(BINARY)).parent


@test
def each_name_is_defined_once():
    if shutil.which("nm") is None:
        raise Skip("nm is not installed")
    places = collections.defaultdict(set)
    libraries = sorted(ROOMS.glob("*/lib*.a"))
    assert len(libraries) > 10, f"no rooms under {ROOMS}"
    for library in libraries:
        # Thin archives name their objects; nm reads both kinds.
        listed = subprocess.run(["nm", "--defined-only", "--extern-only", "--format=posix", str(library)],
                                capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            parts = line.split()
            if len(parts) >= 2 and parts[1] in "TDBRVW":
                places[parts[0]].add(library.parent.name)
    twice = {name: sorted(rooms) for name, rooms in places.items() if len(rooms) > 1}
    assert not twice, f"defined in several rooms: {twice}"


if __name__ == "__main__":
    main()
