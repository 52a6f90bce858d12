#!/usr/bin/env python3
"""What questions about many requests cost: 10^6 refusals are made by a load generator (h2load), then some of them are
explained, and a change is planned by all of them. Prints wall time, and CPU of control; asserts nothing about time.

    python3 bench/explain.py [--build DIR] [--requests N]
"""
import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
SERVICE = "projects/demo/locations/us-central1/services/shut"


def cpu_ms(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def refuse(homerun, count):
    where = urllib.parse.urlsplit(json.loads(homerun.cli("services", "describe", "shut", "--format=json").stdout)["uri"])
    port = urllib.parse.urlsplit(homerun.ready["http"]).port
    done = subprocess.run(["h2load", "--h1", "-n", str(count), "-c", "32", f"--connect-to=127.0.0.1:{port}",
                           f"http://{where.hostname}:{port}/"], check=True, capture_output=True, text=True)
    refused = re.search(r"(\d+) 4xx", done.stdout)
    assert refused and int(refused[1]) == count, done.stdout


def denials(folder, count):
    """Ids from all over the log."""
    files = sorted(folder.glob("requests.jsonl*"))
    found = []
    choose = random.Random(7)
    for path in choose.choices(files, weights=[path.stat().st_size for path in files], k=count):
        with open(path, "rb") as file:
            file.seek(choose.randrange(max(1, path.stat().st_size - 4096)))
            match = re.search(rb'"denial":"(d-[a-z0-9]+)"', file.read(4096))
            if match:
                found.append(match[1].decode())
    return found


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", default=str(ROOT / "build"))
    arguments.add_argument("--requests", type=int, default=1000000)
    asked = arguments.parse_args()
    os.environ["HOMERUN"] = f"{asked.build}/homerun"
    from homerun import Homerun  # reads HOMERUN
    with Homerun("--workers=1", "--plain") as homerun:
        homerun.cli("deploy", "shut", f"--image={HELLO}")
        begun = time.monotonic()
        refuse(homerun, asked.requests)
        print(f"{asked.requests} refusals in {time.monotonic() - begun:.1f} s")
        control = next(one["pid"] for one in homerun.ready["processes"] if one["role"] == "control")
        homerun.api("GET", "/homerun/v1/health")
        took, before = [], cpu_ms(control)
        ids = denials(pathlib.Path(homerun.data) / "log", 1000)
        missed = 0
        for one in ids:
            begun = time.perf_counter()
            missed += homerun.api("GET", f"/homerun/v1/access:explain?denial={one}").status != 200
            took.append((time.perf_counter() - begun) * 1000)
        took.sort()
        print(f"explain: {len(ids)} of them, {missed} not found; wall p50 {statistics.median(took):.2f} ms, "
              f"p99 {took[int(len(took) * 0.99)]:.2f} ms, CPU of control {(cpu_ms(control) - before) / len(ids):.2f} ms each")
        slowest, done = [0.0], threading.Event()

        def look():
            while not done.is_set():
                begun = time.perf_counter()
                homerun.api("GET", "/homerun/v1/health")
                slowest[0] = max(slowest[0], (time.perf_counter() - begun) * 1000)

        looker = threading.Thread(target=look)
        before, begun = cpu_ms(control), time.perf_counter()
        looker.start()
        answer = homerun.api("POST", "/homerun/v1/access:plan", {"resource": SERVICE, "invokerIamDisabled": True})
        wall = time.perf_counter() - begun
        done.set()
        looker.join()
        print(f"plan: {answer.json['requestsRead']} requests read, {answer.json['requestsGained']} gain; wall {wall:.2f} s, "
              f"CPU of control {(cpu_ms(control) - before) / 1000:.2f} s; the slowest other call meanwhile {slowest[0]:.0f} ms")


if __name__ == "__main__":
    main()
