"""What it costs that a change is in force on every node: setIamPolicy with the record on PostgreSQL, of one Homerun, of
three nodes, and after one of them was killed; and the instructions of a request with and without a lease to ask."""
import http.client
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from applies import percentile  # noqa: E402
from by_api import put_service, set_policy  # noqa: E402
from cluster_stand import LEASE, Cluster  # noqa: E402
from homerun import fetch, free_port, wait_until  # noqa: E402
from postgres_stand import Server, homerun_on  # noqa: E402

CALLS, REQUESTS = 400, 3000


def syncs_of(server):
    """How often it has waited for its disk."""
    time.sleep(1.5)  # each session says it once a second
    return int(server.sql("SELECT wal_sync FROM pg_stat_wal"))


def change(node, number):
    """Milliseconds until it is answered."""
    started = time.perf_counter()
    got = set_policy(node, "a", *(["allUsers"] if number % 2 else []))
    assert got.status == 200, got
    return (time.perf_counter() - started) * 1000


def row(name, node, server, against=None):
    before = syncs_of(server)
    times = [change(node, number) for number in range(CALLS)]
    syncs = syncs_of(server) - before
    p50, p99 = percentile(times, .5), percentile(times, .99)
    ratio = "" if against is None else f"  {p50 / against[0]:.2f} and {p99 / against[1]:.2f} of one node's"
    print(f"  {name:32} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  {syncs / CALLS:.1f} syncs of the server each"
          f"{ratio}", flush=True)
    return p50, p99


def bench_changes():
    server = Server()
    database = server.database()
    with homerun_on(server, database) as alone:
        assert put_service(alone, "a", public=False).status == 200
        one = row("one Homerun", alone, server)
    server.close()
    with Cluster() as cluster:
        first, last = cluster.nodes[0], cluster.nodes[2]
        assert put_service(first, "a", public=False).status == 200
        row("three nodes", first, cluster.server, one)
        for process in last.read_ready()["processes"]:
            os.kill(process["pid"], signal.SIGKILL)
        last.process.wait()
        print(f"  a node is killed; the first change after that: {change(first, 1) / 1000:.2f} s, with a lease of {LEASE} s",
              flush=True)
        row("three nodes, of which one is dead", first, cluster.server, one)


# ---- a request ----

def instructions(build, cluster):
    """Of one request, public, plain HTTP/1.1, on a connection that is kept."""
    with tempfile.TemporaryDirectory() as folder:
        ports = [free_port() for _ in range(3)]
        upstream = subprocess.Popen([f"{build}/bench/bench-upstream", str(ports[2])], stdout=subprocess.DEVNULL)
        worker = subprocess.Popen(
            ["valgrind", "--quiet", "--tool=callgrind", "--toggle-collect=uv_run",
             f"--callgrind-out-file={folder}/out", f"{build}/src/ingress/bench-ingress", *map(str, ports), "public"],
            env={**os.environ, "BENCH_NO_SANDBOX": "1", **({"BENCH_LEASE": "1"} if cluster else {})},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://hello.bench.local:{ports[1]}/"

            def answers():
                try:
                    return fetch(url).status == 200
                except OSError:
                    return False
            wait_until(answers, "the worker serves", 60)
            client = http.client.HTTPConnection("127.0.0.1", ports[1])
            for _ in range(REQUESTS):
                client.request("GET", "/", headers={"Host": urllib.parse.urlsplit(url).netloc})
                got = client.getresponse()
                assert got.read() is not None and got.status == 200
            client.close()
        finally:
            worker.terminate()
            worker.wait()
            upstream.kill()
            upstream.wait()
        with open(f"{folder}/out", encoding="ascii") as file:
            return int(re.search(r"^(?:summary|totals): (\d+)", file.read(), re.M)[1]) / REQUESTS


def bench_requests(build):
    without, with_lease = instructions(build, False), instructions(build, True)
    print(f"  a request: {without:.0f} instructions in user space, {with_lease:.0f} with a lease "
          f"({(with_lease / without - 1) * 100:+.2f} %; the vDSO's own of one clock_gettime() are not counted)", flush=True)


def bench_cluster(build):
    print(f"\nchanges of access with the record on PostgreSQL, {CALLS} in a row:", flush=True)
    bench_changes()
    bench_requests(build)
