"""Containers: what a wake costs, prepared and not, beside `podman run` of the same image; many sleeping
services called at once; what Homerun adds to a warm request; one request at a time in each instance; what sleeping
services take of memory; a step of the load from nothing; roll-outs under load.

    bench/container_bench.py [--build DIR] [--wakes N] [--many N] [--requests N] [--sleepers N] [--step RATE]
                             [--rolls SECONDS] [--only wakes|sleepers|step|rolls]

Needs what tests/e2e/oci.py needs (root, crun, skopeo, umoci, busybox); says so where it is not there.
"""
import argparse
import concurrent.futures
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import oci  # noqa: E402
from by_api import SCALE, deploy  # noqa: E402
from homerun import Homerun, wait_until  # noqa: E402

WARM = r"""
import socket, sys, time
host, port, name, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
times = []
for _ in range(count):
    with socket.create_connection((host, port)) as raw:
        started = time.perf_counter()
        raw.sendall(f"GET /page HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        while raw.recv(65536):
            pass
        times.append((time.perf_counter() - started) * 1e6)
times.sort()
print(times[len(times) // 2], times[len(times) * 99 // 100])
"""


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part / 100))]


def plain(stand):
    """Where services are served in the clear."""
    address = urllib.parse.urlsplit(stand.ready["http"])
    return "127.0.0.1", address.port


def first_byte(stand, host, path="/page"):
    """From a request on an open connection to the first byte of its answer, in ms."""
    with socket.create_connection(plain(stand), timeout=60) as raw:
        started = time.perf_counter()
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = raw.recv(4096)
        took = (time.perf_counter() - started) * 1000
    assert head.startswith(b"HTTP/1.1 200"), head[:100]
    return took


def asleep(stand, names, prepared):
    def all_asleep():
        running = [name for name in names if oci.instances(name)]
        return not running and (not prepared or all(oci.containers_of(stand, n) for n in names))
    wait_until(all_asleep, "all asleep", 120)


def wakes(stand, prepared, count):
    names = [f"wake{n}" for n in range(10)]
    hosts = [deploy(stand, name, "web:1") for name in names]
    times = []
    while len(times) < count:
        asleep(stand, names, prepared)
        for host in hosts:
            time.sleep(0.06)
            times.append(first_byte(stand, host))
    return times


def podman(image_folder, count):
    """`podman run` of the same image, from its start to the first byte; None where it cannot."""
    if shutil.which("podman") is None:
        return None
    # crun refuses hybrid control groups; a mount namespace without the second kind helps podman, too.
    inside = ("umount /sys/fs/cgroup/unified 2>/dev/null; "
              f"podman pull -q oci:{image_folder}:web >/dev/null && podman images -q | head -n 1")
    image = subprocess.run(["unshare", "-m", "sh", "-c", inside], capture_output=True, text=True)
    name = image.stdout.split()
    if image.returncode != 0 or not name:
        return None
    times = []
    for number in range(count):
        port = oci.free_port()
        started = time.perf_counter()
        run = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", "umount /sys/fs/cgroup/unified 2>/dev/null; exec podman "
             f"--cgroup-manager=cgroupfs run --rm --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 --network=host --env PORT={port} --name b{number} "
             f"{name[0]}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port)) as raw:
                    raw.sendall(b"GET /page HTTP/1.0\r\n\r\n")
                    raw.recv(100)
                    break
            except OSError:
                time.sleep(0.001)
        if run.poll() is not None:
            return None
        times.append((time.perf_counter() - started) * 1000)
        subprocess.run(["podman", "rm", "-f", "-t", "0", f"b{number}"], capture_output=True)
        run.wait()
    return times


def show(what, times, beside=None):
    p50, p95 = percentile(times, 50), percentile(times, 95)
    ratio = f"; 1/{percentile(beside, 50) / p50:.0f} of podman run" if beside else ""
    print(f"  {what:<38} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms{ratio}")


def many_at_once(stand, count):
    names = [f"many{n}" for n in range(count)]
    hosts = [deploy(stand, name, "web:1") for name in names]
    asleep(stand, names, False)
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda host: first_byte(stand, host), hosts))
    print(f"  {count} sleeping services called at once: all answered in "
          f"{time.perf_counter() - started:.2f} s, no error")


def warm(stand, count):
    host = deploy(stand, "warm", "web:1", template_notes={SCALE + "minScale": "1"})
    pid = oci.instances("warm")[0]
    first_byte(stand, host)
    through = subprocess.run([sys.executable, "-c", WARM, *map(str, plain(stand)), host, str(count)],
                             capture_output=True, text=True, check=True).stdout.split()
    direct = subprocess.run(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", WARM, "127.0.0.1",
                             "8080", host, str(count)], capture_output=True, text=True,
                            check=True).stdout.split()
    print(f"  a warm request on a connection of its own: p50 {float(through[0]):.0f} µs, "
          f"p99 {float(through[1]):.0f} µs; the container asked directly: {float(direct[0]):.0f}, "
          f"{float(direct[1]):.0f}")


def one_at_a_time(stand, callers, requests):
    script = "mkdir /tmp/one || echo TWICE; rmdir /tmp/one; echo done"
    name = "single"
    deploy(stand, name, "web:1", spec={"containerConcurrency": 1},
           template_notes={SCALE + "maxScale": "4"})
    url = stand.url(name) + "/cgi-bin/run"

    def call(_):
        got = stand.get(url, method="POST", body=script.encode())
        return got.status, got.text
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(call, range(requests)))
    failed = sum(status != 200 for status, _ in answers)
    twice = sum("TWICE" in text for _, text in answers)
    print(f"  concurrency 1, {callers} callers, {requests} requests: {twice} times two at once, "
          f"{failed} failed")


def own_memory_kib(stand):
    """What Homerun's own processes have of memory: shared pages by their share (PSS)."""
    total = 0
    for process in stand.read_ready()["processes"]:
        text = oci.read(f"/proc/{process['pid']}/smaps_rollup") or ""
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total


def sleepers(stand, count):
    """What COUNT deployed services that sleep take of memory, and whether the last deploys are slower."""
    def deploy_one(number):
        started = time.perf_counter()
        deploy(stand, f"sleeper{number}", "web:1")
        return (time.perf_counter() - started) * 1000
    deploy_one(0)
    wait_until(lambda: not oci.instances("sleeper0"), "asleep", 120)
    before = own_memory_kib(stand)
    times = [deploy_one(number + 1) for number in range(count)]
    wait_until(lambda: not any(oci.instances(f"sleeper{n}") for n in range(max(0, count - 20), count + 1)),
               "asleep", 300)
    part = max(1, count // 10)
    first, last = percentile(times[:part], 95), percentile(times[-part:], 95)
    print(f"  {count} sleeping services: {(own_memory_kib(stand) - before) / 1024:.1f} MiB more memory of Homerun's own "
          f"(without what waits prepared); deploy p95 of the last tenth {last / first:.2f} of the first's")


def at_rate(stand, build, host, rate, seconds):
    """bench-rate at work: an open loop, so that what comes during a stop is counted."""
    return subprocess.Popen([f"{build}/bench/bench-rate", str(plain(stand)[1]), "plain", host, "200", str(rate),
                             str(seconds)], stdout=subprocess.PIPE, text=True)


def step(stand, build, rate):
    """From no instance to RATE requests a second at once, and 3 s later."""
    host = deploy(stand, "steps", "homerun.test/hello", spec={"containerConcurrency": 80})
    wait_until(lambda: not oci.instances("steps"), "asleep", 120)
    for what, seconds in (("from nothing, the first 3 s", 3), ("then", 5)):
        run = at_rate(stand, build, host, rate, seconds)
        print(f"  {rate} requests a second, {what}: {run.communicate()[0].strip()} "
              f"({len(oci.instances('steps'))} instances)")


def roll_outs(stand, build, seconds, rate=1000):
    """A roll-out every 2 s while RATE requests a second come: how many fail."""
    def roll_out(version):
        deploy(stand, "rolls", "homerun.test/hello", container={"env": [{"name": "V", "value": str(version)}]})
    roll_out(0)
    run, count = at_rate(stand, build, urllib.parse.urlsplit(stand.url("rolls")).netloc, rate, seconds), 0
    while run.poll() is None:
        started = time.perf_counter()
        count += 1
        roll_out(count)
        time.sleep(max(0.0, 2 - (time.perf_counter() - started)))
    print(f"  {count} roll-outs in {seconds} s at {rate} requests a second: {run.communicate()[0].strip()}")


def under_load(source, flags, build, sleeping, rate, seconds, only):
    if only in (None, "sleepers"):
        with Homerun(*flags, "--prepared=0") as stand:
            stand.cli("images", "import", "web:1", source)
            sleepers(stand, sleeping)
    if not os.path.exists(f"{build}/bench/bench-rate"):
        print(f"  a step, roll-outs: not measured: {build}/bench/bench-rate is not built")
        return
    with Homerun(*flags) as stand:
        if only in (None, "step"):
            step(stand, build, rate)
        if only in (None, "rolls"):
            roll_outs(stand, build, seconds)


def bench_containers(wake_count=30, many=100, requests=2000, build="build", sleeping=1000, rate=3000, seconds=60,
                     only=None):
    reason = oci.why_not()
    print("\nContainers")
    if reason is not None:
        print(f"  not measured: {reason}")
        return
    source = oci.make_image("web")
    flags = ("--engine=oci", "--idle=1", "--plain")
    try:
        if only != "wakes":
            under_load(source, flags, build, sleeping, rate, seconds, only)
        if only not in (None, "wakes"):
            return
        beside = podman(oci.LAYOUT, 10)
        if beside is None:
            print("  podman run: not measured (it is not installed, or cannot run here)")
        else:
            show("podman run, start to first byte", beside)
        for what, more in (("wake, not prepared", ("--prepared=0",)), ("wake, prepared", ())):
            with Homerun(*flags, *more) as stand:
                stand.cli("images", "import", "web:1", source)
                show(what, wakes(stand, not more, wake_count), beside)
                if not more:
                    many_at_once(stand, many)
                    warm(stand, 2000)
                    one_at_a_time(stand, 50, requests)
    finally:
        oci.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--wakes", type=int, default=30)
    parser.add_argument("--many", type=int, default=100)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--build", default="build")
    parser.add_argument("--sleepers", type=int, default=1000)
    parser.add_argument("--step", type=int, default=3000)
    parser.add_argument("--rolls", type=int, default=60)
    parser.add_argument("--only", choices=("wakes", "sleepers", "step", "rolls"))
    options = parser.parse_args()
    bench_containers(options.wakes, options.many, options.requests, options.build, options.sleepers, options.step,
                     options.rolls, options.only)
