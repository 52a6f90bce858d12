#!/usr/bin/env python3
"""The official client libraries against a Homerun of their own.

They are installed once, from the package registries, below ~/.cache/homerun-clients (or
HOMERUN_CLIENTS); where that cannot be done, their tests are skipped.
"""
import os
import pathlib
import subprocess
import sys
import urllib.parse

from homerun import Homerun, Skip, finally_do, main, need, test

HERE = pathlib.Path(__file__).resolve().parent / "clients"
CACHE = pathlib.Path(os.environ.get("HOMERUN_CLIENTS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "homerun-clients"))
NODE = ["@google-cloud/run@3.3.0", "@googleapis/run@34.0.0", "google-auth-library@10.9.1"]
PYTHON = ["google-cloud-run==0.16.2"]
INSTALL_SECONDS = 300

_stand = None


def stand():
    global _stand
    if _stand is None:
        _stand = Homerun().start()
        finally_do(_stand.close)
    return _stand


def install(what, made, *commands):
    """Runs COMMANDS unless MADE is there; a test that cannot have WHAT is skipped."""
    if made.exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                  timeout=INSTALL_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as why:
            raise Skip(f"{what} cannot be installed: {why}") from None
        if done.returncode != 0:
            raise Skip(f"{what} cannot be installed: {(done.stderr or done.stdout)[-200:]!r}")
    made.touch()


def call(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=180, env={**stand().client_environment(), **environment})
    assert done.returncode == 0, f"{done.stdout[-1500:]}{done.stderr[-1500:]}"


def port():
    return str(urllib.parse.urlsplit(stand().api_url).port)


def key_file():
    return stand().ready["owner"]["keyFile"]


def node(part):
    program = need("node")
    install("Node's libraries", CACHE / "node.made",
            [need("npm"), "install", "--no-audit", "--no-fund", "--prefix", str(CACHE / "node"),
             *NODE])
    call([program, str(HERE / "node.js"), port(), key_file(), stand().token(), part],
         NODE_PATH=str(CACHE / "node" / "node_modules"))


@test
def node_by_rest():
    node("byRest")


@test
def node_by_grpc_is_told_to_take_rest():
    node("byGrpc")


@test
def node_by_discovery():
    node("byDiscovery")


@test
def python_by_rest():
    folder = CACHE / "python"
    install("Python's library", CACHE / "python.made",
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", *PYTHON])
    call([str(folder / "bin" / "python"), str(HERE / "python.py"), port(), key_file()])


if __name__ == "__main__":
    main()
