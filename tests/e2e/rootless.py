#!/usr/bin/env python3
"""Containers without root: a part of oci.py, run by an account that exists for this test alone. Its
line in /etc/passwd and its numbers in /etc/subuid are in mounts that nobody else sees."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from homerun import BINARY

HERE = pathlib.Path(__file__).resolve().parent
USER, FIRST = 54321, 200_000_000
NAMES = ("an_imported_image", "root_inside", "out_of_reach", "without_a_way_out", "containers_go_on",
         "the_end_of_all")
# What the account needs: file, and the line to add.
LINES = (("passwd", f"homerun-test:x:{USER}:{USER}::/tmp:/bin/sh"), ("group", f"homerun-test:x:{USER}:"),
         ("subuid", f"homerun-test:{FIRST}:65536"), ("subgid", f"homerun-test:{FIRST}:65536"))


def why_not():
    if os.geteuid() != 0:
        return "only root can be somebody else (tests/e2e/oci.py runs as you, too)"
    for program in ("newuidmap", "newgidmap", "setpriv", "unshare"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    probe = subprocess.run(["unshare", "--mount", "setpriv", f"--reuid={USER}", f"--regid={USER}",
                            "--clear-groups", "unshare", "--user", "--net", "true"],
                           capture_output=True)
    return "this kernel forbids namespaces to users" if probe.returncode != 0 else None


def account(folder):
    """The command that makes the account's files seen, and becomes it."""
    steps = []
    for name, line in LINES:
        path = f"/etc/{name}"
        text = pathlib.Path(path).read_text(encoding="utf-8") if os.path.exists(path) else ""
        own = os.path.join(folder, name)
        pathlib.Path(own).write_text(f"{text.rstrip()}\n{line}\n".lstrip(), encoding="utf-8")
        steps.append(f"{{ [ -e {path} ] || touch {path}; }} && mount --bind {own} {path}")
    become = f"exec setpriv --reuid={USER} --regid={USER} --clear-groups \"$@\""
    return ["unshare", "--mount", "sh", "-ec", " && ".join([*steps, become]), "sh"]


def run(folder):
    """A copy of all that the account has to read, and the tests from there."""
    os.chmod(folder, 0o755)
    tests, build, home = (os.path.join(folder, name) for name in ("tests/e2e", "build", "home"))
    shutil.copytree(HERE, tests, ignore=lambda _, names: [n for n in names if not n.endswith(".py")])
    for path in (build, home):
        os.mkdir(path)
    os.chown(home, USER, USER)
    binary = pathlib.Path(BINARY).resolve()
    hello = [path for path in (binary.parent / "homerun-hello", binary.parent / "engine/hello/homerun-hello",
                               binary.parent / "src/engine/hello/homerun-hello") if path.exists()]
    for path in (binary, *hello[:1]):
        shutil.copy(path, build)
    subprocess.run(["chmod", "-R", "a+rX", tests, build], check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": home, "TMPDIR": home,
                   "HOMERUN": os.path.join(build, binary.name)}
    return subprocess.run([*account(folder), "/usr/bin/python3", os.path.join(tests, "oci.py"),
                           *(sys.argv[1:] or NAMES)], env=environment, cwd=folder, check=False).returncode


if __name__ == "__main__":
    reason = why_not()
    if reason is not None:
        print(f"skip containers_without_root: {reason}")
        sys.exit(0)
    scratch = tempfile.mkdtemp(prefix="homerun-rootless-")
    try:
        sys.exit(run(scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
