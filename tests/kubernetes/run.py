#!/usr/bin/env python3
"""Runs kube.py and cluster_places.py of tests/e2e against a real API server, and pods.py or nodes.py against a real kubelet:
`make test-kubernetes`.

    tests/kubernetes/run.py FOLDER [--pods|--nodes] [WORD…]      FOLDER: of kube-apiserver and the others (build.sh)

In a network namespace of its own, where pods may have addresses: without root it takes user namespaces.
"""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    folder, words = os.path.abspath(sys.argv[1]), sys.argv[2:]
    if os.environ.get("KUBE_INSIDE") != "1":
        flags = ["-nm"] if os.geteuid() == 0 else ["-Urn"]
        os.execvpe("unshare", ["unshare", *flags, sys.executable, __file__, folder, *words],
                   {**os.environ, "KUBE_INSIDE": "1"})
    ip = lambda *arguments: subprocess.run(["ip", *arguments], check=True)
    ip("link", "set", "lo", "up")
    ip("route", "add", "local", "10.88.0.0/16", "dev", "lo")
    ip("addr", "add", "10.88.255.1/32", "dev", "lo")
    stand = words[0] if words[:1] in (["--pods"], ["--nodes"]) else None
    tests = [f"tests/kubernetes/{stand[2:]}.py"] if stand else ["tests/e2e/kube.py", "tests/e2e/cluster_places.py"]
    done = [subprocess.run([str(ROOT / test), *words[stand is not None:]], env={**os.environ, "HOMERUN_TEST_CLUSTER": folder},
                           check=False) for test in tests]
    sys.exit(max(one.returncode for one in done))


if __name__ == "__main__":
    main()
