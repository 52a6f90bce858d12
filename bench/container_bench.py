"""Containers, row by row with what is to be reached: what a wake costs, prepared, not prepared and frozen, beside
`podman run` of the same image; many sleeping services called at once; what Homerun adds to a warm request; one request
at a time in each instance; what sleeping services take of memory; a step of the load from nothing; roll-outs under load.

    make bench ARGS="--only containers"          all of it: some seven minutes on two cores at rest
    bench/container_bench.py [--build DIR] [--wakes N] [--many N] [--requests N] [--sleepers N] [--step RATE]
                             [--rolls SECONDS] [--only wakes|many|warm|single|sleepers|step|rolls]

Needs what tests/e2e/oci.py needs (root, crun, skopeo, umoci, busybox); says so where it is not there.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
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

# One caller, COUNT requests one after the other, by HTTP/1.1 in the clear: on one connection that is kept, or on a
# connection of its own for each, and then to connect counts on whatever side it is. Prints p50 and p99 in µs.
WARM = r"""
import socket, sys, time
host, port, name, count, kept = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5] == "kept"
request = f"GET /page HTTP/1.1\r\nHost: {name}\r\n{'' if kept else 'Connection: close' + chr(13) + chr(10)}\r\n".encode()
def connect():
    raw = socket.create_connection((host, port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw
def whole(raw):
    got = b""
    while kept and not (b"\r\n\r\n" in got and len(got) >= got.index(b"\r\n\r\n") + 4 + length(got)):
        got += raw.recv(65536) or sys.exit("the connection was closed")
    while not kept and raw.recv(65536):
        pass
def length(got):
    return int(got.lower().split(b"content-length:")[1].split(b"\r\n")[0])
times, raw = [], connect() if kept else None
for number in range(count + 200):
    started = time.perf_counter()
    raw = raw if kept else connect()
    raw.sendall(request)
    whole(raw)
    if not kept:
        raw.close()
    if number >= 200:
        times.append((time.perf_counter() - started) * 1e6)
times.sort()
print(times[len(times) // 2], times[len(times) * 99 // 100])
"""


def row(what, measured, aim=None, reached=None):
    """A line of the table: AIM is what is to be reached, REACHED whether it is."""
    word = "" if aim is None else f"   (to reach: {aim}: {'yes' if reached else 'NO'})"
    print(f"  {what:<38} {measured}{word}", flush=True)


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


def frozen(stand, names):
    rows = json.loads(stand.cli("instances", "--format=json").stdout)
    return all(any(row["state"] == "FROZEN" and f"/services/{name}/" in row["revision"] for row in rows) for name in names)


def frozen_wakes(stand, count):
    names = [f"wake{n}" for n in range(10)]
    hosts = [deploy(stand, name, "web:1") for name in names]
    times = []
    while len(times) < count:
        wait_until(lambda: frozen(stand, names), "all frozen", 120)
        for host in hosts:
            time.sleep(0.06)
            times.append(first_byte(stand, host))
    return times


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


def show(what, times, beside=None, aim=None):
    """AIM: p50 and p95 in ms."""
    p50, p95 = percentile(times, 50), percentile(times, 95)
    ratio = f", 1/{percentile(beside, 50) / p50:.0f} of podman run" if beside else ""
    row(what, f"p50 {p50:.1f} ms, p95 {p95:.1f} ms{ratio}", aim and f"{aim[0]} / {aim[1]} ms",
        aim and p50 <= aim[0] and p95 <= aim[1])


def many_at_once(stand, count):
    names = [f"many{n}" for n in range(count)]
    hosts = [deploy(stand, name, "web:1") for name in names]
    asleep(stand, names, False)
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda host: first_byte(stand, host), hosts))
    took = time.perf_counter() - started
    row(f"{count} sleeping services called at once", f"all answered in {took:.2f} s, no error", "within 2 s", took <= 2)


def warm_share(stand, name, image, way, count, what, aim):
    """What Homerun adds to a request to IMAGE, beside the same caller in the container's own network. AIM: p50 and p99 in µs."""
    host = deploy(stand, name, image, template_notes={SCALE + "minScale": "1"})
    pid = oci.instances(name)[0]
    def measure(prefix, address, port):
        done = subprocess.run([*prefix, sys.executable, "-c", WARM, address, str(port), host, str(count), way],
                              capture_output=True, text=True, check=True)
        return [float(word) for word in done.stdout.split()]
    rounds = [(measure([], *plain(stand)), measure(["nsenter", "-t", str(pid), "-n"], "127.0.0.1", 8080))
              for _ in range(3)]
    through, direct = ([min(one[side][part] for one in rounds) for part in (0, 1)] for side in (0, 1))
    share = [through[part] - direct[part] for part in (0, 1)]
    row(what, f"p50 {through[0]:.0f} µs, p99 {through[1]:.0f}; directly {direct[0]:.0f}, {direct[1]:.0f}; "
        f"Homerun's share {share[0]:.0f}, {share[1]:.0f}", aim and f"{aim[0]} / {aim[1]} µs",
        aim and share[0] <= aim[0] and share[1] <= aim[1])


def warm(stand, count):
    """All in the clear (TLS would be on one side alone), one caller; the best of three rounds, taken in turns."""
    for name, image, way, what, aim in (
            ("kept", "kept:1", "kept", "a warm request, connections kept", (60, 150)),
            ("each", "kept:1", "each", "the same, a connection for each", None),
            ("closed", "web:1", "each", "the same, busybox forks for each", None)):
        warm_share(stand, name, image, way, count, what, aim)


def import_images(stand, source, build):
    """web:1, which ends each connection, and kept:1, which keeps them."""
    shutil.copy(f"{build}/src/engine/hello/homerun-hello", os.path.join(oci.folder, "base", "bin", "homerun-hello"))
    stand.cli("images", "import", "web:1", source)
    stand.cli("images", "import", "kept:1", oci.make_image("kept", serves="/bin/homerun-hello"))


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
    row(f"concurrency 1, {callers} callers", f"{requests} requests: {twice} times two at once in one instance, {failed} failed",
        "never two, none failed", twice + failed == 0)


def own_memory_kib(stand):
    """By process, what Homerun has of memory: shared pages by their share (PSS); and what of it are cached pages of files,
    such as the index, which the kernel takes back at will."""
    found = {}
    for process in stand.read_ready()["processes"]:
        lines = (line.split() for line in (oci.read(f"/proc/{process['pid']}/smaps_rollup") or "").splitlines())
        own = {line[0]: int(line[1]) for line in lines if line[0] in ("Pss:", "Pss_File:")}
        before = found.get(process["role"], (0, 0))
        found[process["role"]] = before[0] + own.get("Pss:", 0), before[1] + own.get("Pss_File:", 0)
    return found


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
    time.sleep(2)  # until the engine's next look finds nothing more to do
    now = own_memory_kib(stand)
    more = {role: [(of[i] - before.get(role, (0, 0))[i]) * 1.024e-3 for i in (0, 1)] for role, of in now.items()}
    whole, files = (sum(of[i] for of in more.values()) for i in (0, 1))
    row(f"{count} sleeping services", f"{whole:.1f} MB more of Homerun's own memory, {files:.1f} of it cached pages of files",
        "under 10 MB", whole < 10)
    row("  by process", ", ".join(f"{role} {of[0]:.1f}" for role, of in sorted(more.items())) + " MB")
    part = max(1, count // 10)
    first, last = percentile(times[:part], 95), percentile(times[-part:], 95)
    row("deploy, p95", f"the first {part} {first:.0f} ms, the last {last:.0f} ms", "unchanged, by a fifth", last <= first * 1.2)


def at_rate(stand, build, host, rate, seconds):
    """bench-rate at work: an open loop, so that what comes during a stop is counted."""
    return subprocess.Popen([f"{build}/bench/bench-rate", str(plain(stand)[1]), "plain", host, "200", str(rate),
                             str(seconds)], stdout=subprocess.PIPE, text=True)


def step(stand, build, rate):
    """From no instance to RATE requests a second at once, and 3 s later."""
    host = deploy(stand, "steps", "homerun.test/hello", spec={"containerConcurrency": 80})
    wait_until(lambda: not oci.instances("steps"), "asleep", 120)
    for what, seconds, most in (("the first 3 s", 3, None), ("then", 5, 20000)):
        told = at_rate(stand, build, host, rate, seconds).communicate()[0].strip()
        good = ", 0 not," in told and (most is None or int(re.search(r"p95 (\d+)", told)[1]) < most)
        row(f"from nothing to {rate}/s, {what}", f"{told} ({len(oci.instances('steps'))} instances)",
            "no error" + (f", p95 under {most // 1000} ms" if most else ""), good)


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
    told = run.communicate()[0].strip()
    row(f"{count} roll-outs in {seconds} s at {rate}/s", told, "none failed", ", 0 not," in told)


def compare_podman():
    beside = podman(oci.LAYOUT, 10)
    if beside is None:
        print("  podman run: not measured (it is not installed, or cannot run here)")
    else:
        show("podman run, to the first byte", beside)
    return beside


def part_wakes(start, options):
    beside = compare_podman()
    for what, prepared, more, aim in (("wake, not prepared", False, ("--prepared=0",), (30, 50)),
                                      ("wake, prepared", True, (), (8, 12))):
        with start(*more) as stand:
            import_images(stand, options.source, options.build)
            show(what, wakes(stand, prepared, options.wakes), beside, aim)
    with start("--frozen=64") as stand:
        import_images(stand, options.source, options.build)
        show("wake, frozen", frozen_wakes(stand, options.wakes), beside, (1, 2))


def part_of(measure, *more):
    def part(start, options):
        with start(*more) as stand:
            import_images(stand, options.source, options.build)
            measure(stand, options)
    return part


def under_load(measure):
    """A part that bench-rate is needed for."""
    def part(stand, options):
        if os.path.exists(f"{options.build}/bench/bench-rate"):
            measure(stand, options)
        else:
            print(f"  not measured: {options.build}/bench/bench-rate is not built (ninja -C build bench/bench-rate)")
    return part_of(part)


PARTS = {
    "wakes": part_wakes,
    "many": part_of(lambda stand, options: many_at_once(stand, options.many)),
    "warm": part_of(lambda stand, options: warm(stand, 3000)),
    "single": part_of(lambda stand, options: one_at_a_time(stand, 50, options.requests)),
    "sleepers": part_of(lambda stand, options: sleepers(stand, options.sleepers), "--prepared=0"),
    "step": under_load(lambda stand, options: step(stand, options.build, options.step)),
    "rolls": under_load(lambda stand, options: roll_outs(stand, options.build, options.rolls)),
}


def bench_containers(words=()):
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--wakes", type=int, default=30)
    parser.add_argument("--many", type=int, default=100)
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--sleepers", type=int, default=1000)
    parser.add_argument("--step", type=int, default=3000, help="requests a second")
    parser.add_argument("--rolls", type=int, default=60, help="seconds")
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    options = parser.parse_args(words)
    reason = oci.why_not()
    print("\nContainers")
    if reason is not None:
        print(f"  not measured: {reason}")
        return
    options.source = oci.make_image("web")
    try:
        for name, part in PARTS.items():
            if options.only in (None, name):
                part(lambda *more: Homerun("--engine=oci", "--idle=1", "--plain", *more), options)
                sys.stdout.flush()
    finally:
        oci.close()


if __name__ == "__main__":
    bench_containers(sys.argv[1:])
