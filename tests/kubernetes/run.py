#!/usr/bin/env python3
"""Runs kube.py, kube_faults.py and cluster_places.py of tests/e2e, or rights.py, against a real API server, and pods.py,
nodes.py or chart.py against a real kubelet: `make test-kubernetes`; scale.py is for who wants its figures.

    tests/kubernetes/run.py FOLDER [--rights|--pods|--nodes|--chart|--scale] [WORD…]

FOLDER: of kube-apiserver and the others (build.sh)

In a network namespace of its own, where pods may have addresses: without root it takes user namespaces.
"""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STANDS = {"--pods": "tests/kubernetes/pods.py", "--nodes": "tests/kubernetes/nodes.py", "--rights": "tests/kubernetes/rights.py",
          "--chart": "tests/kubernetes/chart.py", "--scale": "tests/kubernetes/scale.py"}


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
    stand = words[0] if words and words[0] in STANDS else None
    tests = [STANDS[stand]] if stand else [f"tests/e2e/{name}.py" for name in ("kube", "kube_faults", "cluster_places")]
    done = [subprocess.run([str(ROOT / test), *words[stand is not None:]], env={**os.environ, "HOMERUN_TEST_CLUSTER": folder},
                           check=False) for test in tests]
    sys.exit(max(one.returncode for one in done))


if __name__ == "__main__":
    main()
