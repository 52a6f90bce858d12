#!/usr/bin/env python3
"""Homerun beside HAProxy and nginx, in one run on one machine: CPU time per request, as ratios; and what else was promised.

Each contestant is pinned to core 0, load and upstream to core 1. Rounds of the contestants alternate, so that what
the machine does meanwhile falls on all of them. Only loopback addresses are ever a target.

    python3 bench/run.py [--build DIR] [--seconds N] [--rounds N] [--services N] [--only load|rate|calls|wake|memory|scale|terraform|containers]
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import homerun as e2e  # noqa: E402
import cluster_bench  # noqa: E402
import memory_bench  # noqa: E402
import container_bench  # noqa: E402
from applies import bench_terraform  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
ISSUER = "https://issuer.bench.test"
DOMAIN = "bench.test"
TOKENS = 1000
CONNECTIONS = 64
RATE = 20000  # requests a second, of the times at a given rate
LOAD, PROXY = ["taskset", "-c", "1"], ["taskset", "-c", "0"]


def cpu_us(pids):
    """User and system time of the processes so far, in microseconds."""
    total = 0
    for pid in pids:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total * 1_000_000 / TICK


def cores_busy_us():
    """What cores 0 and 1 have worked so far, each, in microseconds."""
    rows = [line.split() for line in open("/proc/stat") if re.match(r"cpu[01] ", line)]
    return [(sum(map(int, row[1:9])) - int(row[4]) - int(row[5])) * 1_000_000 / TICK for row in rows]


def children_us():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1_000_000


def pss_kb(pids):
    total = 0
    for pid in pids:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def tree(pid):
    """PID and all that came of it."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in open(f"/proc/{pid}/task/{task}/children").read().split():
            found += tree(int(child))
    return found


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


# ---- load ----

def wrk(url, host, seconds, tokens=""):
    done = subprocess.run(
        [*LOAD, "wrk", "--latency", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(ROOT / "bench/tokens.lua"), url],
        env={**os.environ, "TOKENS": tokens, "BENCH_HOST": host}, capture_output=True, text=True, check=True,
        start_new_session=True)
    count = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    bad = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", done.stdout))
    p50, p99 = (milliseconds(re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", done.stdout)) for part in (50, 99))
    return count, bad, p50, p99


def milliseconds(found):
    return float(found.group(1)) * {"us": 0.001, "ms": 1, "s": 1000}[found.group(2)]


def h2load(url, host, seconds, token=""):
    header = ["-H", f"authorization: Bearer {token}"] if token else []
    done = subprocess.run([*LOAD, "h2load", "-t1", "-c8", f"-m{CONNECTIONS // 8}", "-D", str(seconds),
                           "--warm-up-time=0", "-H", f":authority: {host}", *header, url],
                          capture_output=True, text=True, check=True, start_new_session=True)
    line = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    return int(line.group(1)), sum(int(line.group(i)) for i in (2, 3, 4)), None, None


def h2load_at_rate(url, host, seconds, token, log):
    """The same by HTTP/2: h2load keeps the rate, but counts each time from the moment that it sent."""
    pathlib.Path(log).unlink(missing_ok=True)
    subprocess.run([*LOAD, "h2load", "-t1", "-c8", f"-m{CONNECTIONS // 8}", "-D", str(seconds), "--warm-up-time=0",
                    f"--rps={RATE // 8}", f"--log-file={log}", "-H", f":authority: {host}",
                    "-H", f"authorization: Bearer {token}", url],
                   capture_output=True, check=True, start_new_session=True, timeout=seconds + 30)
    rows = [tuple(map(int, line.split())) for line in open(log)]
    times = sorted(row[2] / 1000 for row in rows)
    bad = sum(row[1] != 200 for row in rows)
    wall = (max(row[0] + row[2] for row in rows) - min(row[0] for row in rows)) / 1_000_000
    return bad, len(rows) / wall, [percentile(times, part) for part in (0.5, 0.95, 0.99, 1)]


def open_loop(build, port, transport, host, seconds, tokens=None):
    """Times in milliseconds at RATE, each from the moment that its request was due; and how many were not answered."""
    done = subprocess.run([*LOAD, f"{build}/bench/bench-rate", str(port), transport, host, str(CONNECTIONS), str(RATE),
                           str(seconds), *([tokens] if tokens else [])],
                          capture_output=True, text=True, start_new_session=True, timeout=seconds + 30)
    found = re.search(r"with 200, (\d+) not, (\d+) a second: p50 (\d+) p95 (\d+) p99 (\d+) max (\d+)", done.stdout)
    assert found, done.stderr
    bad, rate, *times = map(int, found.groups())
    return bad, rate, [time_us / 1000 for time_us in times]


# ---- contestants ----

class Rivals:
    """HAProxy and nginx, in front of the very process that is Homerun's instance: UPSTREAM, its address."""

    def __init__(self, folder, audience, upstream):
        self.folder, self.processes = folder, []
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "30", "-subj", "/CN=bench.test", "-keyout", f"{folder}/server.key",
                        "-out", f"{folder}/server.crt"], check=True, capture_output=True)
        pem = open(f"{folder}/server.crt").read() + open(f"{folder}/server.key").read()
        pathlib.Path(f"{folder}/server.pem").write_text(pem)
        environment = {**os.environ, "RUN": folder, "UPSTREAM": upstream, "ISS": ISSUER, "AUD": audience}
        self.haproxy = self.start([*PROXY, "haproxy", "-db", "-f", str(ROOT / "bench/haproxy.cfg")], environment)
        conf = (ROOT / "bench/nginx.conf").read_text().replace("@RUN@", folder).replace("@UPSTREAM@", upstream)
        pathlib.Path(f"{folder}/nginx.conf").write_text(conf)
        self.nginx = self.start([*PROXY, "nginx", "-c", f"{folder}/nginx.conf", "-p", folder])
        for port in (8111, 8101):
            e2e.wait_until(lambda p=port: self.listens(p), f"port {port}")

    def start(self, command, environment=None):
        # A session of its own is a scheduling group of its own (autogroup), as Homerun and its instances have: who
        # shares the load's group keeps the core where others want it too, and who does not waits for it at each hop.
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        self.processes.append(process)
        return process

    @staticmethod
    def listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


def prepare(stand, folder, build, services):
    """One private and one public service on the upstream program, an issuer for the tokens, and company in the index."""
    upstream = ["taskset", "-c", "1", f"{build}/bench/bench-upstream"]
    os.chmod(folder, 0o755)  # instances are users of their own
    stand.cli("images", "add", "bench/upstream:1", "--dir", folder, "--", *upstream)
    audience = "https://bench.example"
    subprocess.run([f"{build}/bench/bench-tokens", folder, str(TOKENS), ISSUER, audience, DOMAIN], check=True)
    stand.api("POST", "/homerun/v1/issuers", {
        "name": "bench", "issuer": ISSUER, "domains": [DOMAIN],
        "jwks": json.load(open(f"{folder}/jwks.json"))})
    for name, off in (("private", False), ("public", True)):
        deploy(stand, name, image="bench/upstream:1", check_off=off, audience=audience, wait=True)
    set_policy(stand, "private", [f"domain:{DOMAIN}"])
    started = time.monotonic()
    for number in range(services):
        deploy(stand, f"company-{number}")
        set_policy(stand, f"company-{number}", [f"user:someone-{number}@elsewhere.test"])
    return audience, time.monotonic() - started


def deploy(stand, name, image="homerun.test/hello:1", check_off=False, audience=None, wait=False):
    annotations = {"run.googleapis.com/invoker-iam-disabled": "true" if check_off else "false"}
    if audience:
        annotations["run.googleapis.com/custom-audiences"] = json.dumps([audience])
    asleep = {} if wait else {"annotations": {"run.googleapis.com/health-check-disabled": "true"}}
    answer = stand.api("POST", "/apis/serving.knative.dev/v1/namespaces/demo/services", {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "demo", "annotations": annotations},
        "spec": {"template": {"metadata": asleep, "spec": {"containerConcurrency": 1000, "containers": [{"image": image}]}}}})
    assert answer.status == 200, answer
    if wait:
        e2e.wait_until(lambda: ready(stand, name), f"{name} is ready")


def ready(stand, name):
    path = f"/apis/serving.knative.dev/v1/namespaces/demo/services/{name}"
    conditions = stand.api("GET", path).json["status"]["conditions"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def set_policy(stand, name, members):
    answer = stand.api("POST", f"/v1/projects/demo/locations/us-central1/services/{name}:setIamPolicy", {
        "policy": {"bindings": [{"role": "roles/run.invoker", "members": members}]}})
    assert answer.status == 200, answer


# ---- what is measured ----

def bench_load(stand, rivals, folder, options):
    tokens = f"{folder}/tokens"
    first = open(tokens).readline().strip()
    private = urllib.parse.urlsplit(stand.url("private")).netloc
    public = urllib.parse.urlsplit(stand.url("public")).netloc
    https = f"https://127.0.0.1:{urllib.parse.urlsplit(stand.ready['https']).port}/"
    plain = f"http://127.0.0.1:{urllib.parse.urlsplit(stand.ready['http']).port}/"
    own = stand.pids("ingress")
    haproxy, nginx = [rivals.haproxy.pid], tree(rivals.nginx.pid)
    for pid in own:
        subprocess.run(["taskset", "-apc", "0", str(pid)], check=True, capture_output=True)
    upstreams = instances(stand)
    rest = [pid for pid in tree(stand.process.pid) if pid not in own + upstreams]
    everyone = own + rest + upstreams + haproxy + nginx
    own = own + rest  # whatever works for a request is counted, the turning of logs included
    n = options.seconds
    cases = {
        "private, TLS, HTTP/1.1": {
            "homerun": (own, lambda: wrk(https, private, n, tokens)),
            "haproxy, no check": (haproxy, lambda: wrk("https://127.0.0.1:8112/", private, n, tokens)),
            "haproxy, RS256": (haproxy, lambda: wrk("https://127.0.0.1:8122/", private, n, tokens)),
            "nginx, no check": (nginx, lambda: wrk("https://127.0.0.1:8102/", private, n, tokens)),
        },
        "public, plain HTTP/1.1": {
            "homerun": (own, lambda: wrk(plain, public, n)),
            "haproxy, no check": (haproxy, lambda: wrk("http://127.0.0.1:8111/", public, n)),
            "nginx, no check": (nginx, lambda: wrk("http://127.0.0.1:8101/", public, n)),
        },
        "private, TLS, HTTP/2": {
            "homerun": (own, lambda: h2load(https, private, n, first)),
            "haproxy, no check": (haproxy, lambda: h2load("https://127.0.0.1:8112/", private, n, first)),
            "nginx, no check": (nginx, lambda: h2load("https://127.0.0.1:8102/", private, n, first)),
        },
    }
    for name, contestants in cases.items():
        rows = {who: [] for who in contestants}
        for _ in range(options.rounds):
            for who, (pids, run) in contestants.items():
                rows[who].append(measure(who, pids, everyone, run))
        report_load(name, rows)


def bench_rate(stand, rivals, folder, build, options):
    """p99 at a rate that all can serve, with new connections for each turn; the contestants take turns."""
    private = urllib.parse.urlsplit(stand.url("private")).netloc
    public = urllib.parse.urlsplit(stand.url("public")).netloc
    https, plain = (urllib.parse.urlsplit(stand.ready[name]).port for name in ("https", "http"))
    for pid in stand.pids("ingress"):
        subprocess.run(["taskset", "-apc", "0", str(pid)], check=True, capture_output=True)
    known = tree(stand.process.pid) + tree(rivals.haproxy.pid) + tree(rivals.nginx.pid)
    cases = {
        "private, TLS, HTTP/1.1, RS256 tokens": ("tls", private, f"{folder}/tokens", {
            "homerun": https, "haproxy, no check": 8112, "haproxy, RS256": 8122, "nginx, no check": 8102}),
        "public, plain HTTP/1.1": ("plain", public, None, {
            "homerun": plain, "haproxy, no check": 8111, "nginx, no check": 8101}),
        "private, TLS, HTTP/2, RS256 tokens": ("h2", private, f"{folder}/tokens", {
            "homerun": https, "haproxy, no check": 8112, "nginx, no check": 8102}),
    }
    first = open(f"{folder}/tokens").readline().strip()
    for name, (transport, host, tokens, ports) in cases.items():
        rows = {who: [] for who in ports}
        for _ in range(options.rounds):
            for who, port in ports.items():
                ours, children, busy = cpu_us(known), children_us(), cores_busy_us()
                started = time.monotonic()
                bad, rate, times = (
                    h2load_at_rate(f"https://127.0.0.1:{port}/", host, options.seconds, first, f"{folder}/h2.log")
                    if transport == "h2" else
                    open_loop(build, port, transport, host, options.seconds, tokens))
                wall = (time.monotonic() - started) * 1_000_000
                busy = sum(now - then for now, then in zip(cores_busy_us(), busy))
                others = (busy - (cpu_us(known) - ours) - (children_us() - children)) / wall
                rows[who].append((bad, rate, others, *times))
        report_rate(name, rows, "was sent, over 8 connections" if transport == "h2" else f"was due, over {CONNECTIONS} connections")


def report_rate(name, rows, since):
    print(f"\n{name}: times at {RATE} requests a second, from the moment that each {since}")
    for who, values in rows.items():
        bad, rate, others, p50, p95, p99, most = (statistics.median(column) for column in zip(*values))
        worst = max(value[2] for value in values)
        print(f"  {who:18} p50 {p50:.2f}  p95 {p95:.2f}  p99 {p99:.2f}  longest {most:.1f} ms, {rate:.0f} answered a second"
              f"  others {others:4.0%} (worst {worst:4.0%})" +
              (f"  {bad:.0f} NOT ANSWERED WITH 200" if bad else "") +
              ("" if rate > RATE * 0.98 and worst < 0.25 else "  TIMES VOID: the machine was not at rest, or too slow"))


def instances(stand):
    """The processes of Homerun's instances: all of them are the upstream program."""
    return [pid for pid in tree(stand.process.pid) if "bench-upstream" in open(f"/proc/{pid}/cmdline").read()]


def address_of(pid):
    """Where the process listens."""
    inodes = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    for line in open(f"/proc/{pid}/net/tcp").read().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            return f"127.0.0.1:{int(fields[1].split(':')[1], 16)}"
    raise AssertionError(f"process {pid} does not listen")


class Row:
    """One turn of one contestant: per request, and what the two cores did meanwhile (in parts of one core)."""

    def __init__(self, count, wall, spent, busy, others, p50, p99):
        self.p50, self.p99 = p50, p99
        self.count, self.rate, self.cpu = count, count / wall, spent / max(count, 1)
        self.core, self.busy, self.others = spent / wall / 1e6, [b / wall / 1e6 for b in busy], others / wall / 1e6


def measure(who, pids, everyone, run):
    before, known, children, busy = cpu_us(pids), cpu_us(everyone), children_us(), cores_busy_us()
    started = time.monotonic()
    count, bad, p50, p99 = run()
    wall, spent = time.monotonic() - started, cpu_us(pids) - before
    busy = [now - then for now, then in zip(cores_busy_us(), busy)]
    others = sum(busy) - (cpu_us(everyone) - known) - (children_us() - children)
    if bad or not count:
        print(f"  {who}: {bad} of {count + bad} answers were not 2xx: this row is void")
    return Row(count, wall, spent, busy, others, p50, p99)


def report_load(name, rows):
    own = statistics.median(row.cpu for row in rows["homerun"])
    print(f"\n{name}: CPU time per request (median of {len(rows['homerun'])}), and ours as a ratio to it")
    for who, values in rows.items():
        cpu, rate, core, others = (statistics.median(getattr(v, part) for v in values)
                                   for part in ("cpu", "rate", "core", "others"))
        busy = [statistics.median(v.busy[at] for v in values) for at in (0, 1)]
        worst = max(v.others for v in values)
        times = "" if values[0].p50 is None else "p50 {:.2f} p99 {:.2f} ms  ".format(
            *(statistics.median(getattr(v, part) for v in values) for part in ("p50", "p99")))
        print(f"  {who:18} {cpu:6.2f} µs  {rate:7.0f} requests/s  own share of core 0 {core:4.0%}  "
              f"busy {busy[0]:4.0%} {busy[1]:4.0%}  others {others:4.0%} (worst {worst:4.0%})  {times}" +
              ("" if who == "homerun" else f"homerun / this = {own / cpu:.2f}") +
              ("" if core > 0.85 and worst < 0.25 else "  RATE VOID: the machine was not at rest"))


class Caller:
    """API calls over one connection, each awaited before the next."""

    def __init__(self, stand):
        self.client = http.client.HTTPConnection("127.0.0.1", urllib.parse.urlsplit(stand.api_url).port)
        self.headers = {"Authorization": f"Bearer {stand.token()}", "Content-Type": "application/json"}

    def call(self, method, path, body):
        """Milliseconds until the answer was read."""
        started = time.perf_counter()
        self.client.request(method, path, json.dumps(body), self.headers)
        answer = self.client.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:500]
        return (time.perf_counter() - started) * 1000


def bench_calls(stand, count=500, prefix="made"):
    """Latency and rate of the calls that change something, of which each is in force when it returns."""
    caller, places = Caller(stand), "projects/demo/locations/us-central1"
    policy = "projects/demo/policies/run.allowedIngress"
    template = {"healthCheckDisabled": True, "containers": [{"image": "homerun.test/hello:1"}]}
    deeds = {
        "create a service": lambda n: caller.call("POST", f"/v2/{places}/services?serviceId={prefix}-{n}",
                                                  {"template": template}),
        "toggle the check": lambda n: caller.call(
            "PATCH", f"/v2/{places}/services/{prefix}-{n}?updateMask=invokerIamDisabled", {"invokerIamDisabled": True}),
        "setIamPolicy": lambda n: caller.call("POST", f"/v2/{places}/services/private:setIamPolicy", {
            "policy": {"bindings": [{"role": "roles/run.invoker",
                                     "members": [f"domain:{DOMAIN}", f"user:u{n}@x.test"]}]}}),
        "set an organization policy": lambda n: caller.call("PATCH", f"/v2/{policy}", {
            "name": policy, "spec": {"rules": [{"values": {"allowedValues": ["all", "internal"][:1 + n % 2]}}]}}),
    }
    caller.call("POST", "/v2/projects/demo/policies", {"name": policy, "spec": {"rules": [{"allowAll": True}]}})
    print(f"\ncalls, {count} of each in a row:")
    for name, deed in deeds.items():
        times = [deed(number) for number in range(count)]
        print(f"  {name:28} {1000 / statistics.mean(times):6.0f}/s  "
              f"p50 {percentile(times, .5):.2f} ms, p99 {percentile(times, .99):.2f} ms")
    caller.client.request("DELETE", f"/v2/{policy}", headers=caller.headers)
    caller.client.getresponse().read()


def bench_wake(stand, count=200):
    """First byte of services that sleep: each is another one, and none has run before."""
    for number in range(count):
        deploy(stand, f"sleeper-{number}", check_off=True)
    context = ssl.create_default_context(cafile=stand.ca)
    https = urllib.parse.urlsplit(stand.ready["https"]).port
    times = []
    for number in range(count):
        host = urllib.parse.urlsplit(stand.url(f"sleeper-{number}"))
        with socket.create_connection(("127.0.0.1", https)) as raw, \
                context.wrap_socket(raw, server_hostname=host.hostname) as tls:
            request = f"GET / HTTP/1.1\r\nHost: {host.netloc}\r\nConnection: close\r\n\r\n".encode()
            started = time.perf_counter()
            tls.sendall(request)
            first = tls.recv(12)
            times.append((time.perf_counter() - started) * 1000)
            assert first.endswith(b"200"), first
    print(f"\nwake of a sleeping process service, request to first byte, {count} services: "
          f"p50 {percentile(times, .5):.2f} ms, p95 {percentile(times, .95):.2f} ms")


def bench_memory(stand, folder, build):
    pids = [p["pid"] for p in stand.read_ready()["processes"]] + [stand.process.pid]
    print(f"\nmemory of all processes, PSS: {pss_kb(set(pids)) / 1024:.1f} MB")
    ingress = stand.pids("ingress")
    https = urllib.parse.urlsplit(stand.ready["https"]).port
    host = urllib.parse.urlsplit(stand.url("public")).netloc
    before, number = pss_kb(ingress), 2000
    idle = subprocess.Popen([f"{build}/bench/bench-idle", "127.0.0.1", str(https), str(number), "tls", "6", "", host],
                            stdout=subprocess.PIPE, text=True)
    opened = idle.stdout.readline().strip()
    time.sleep(2)  # what is idle for a second gives its buffers back
    after = pss_kb(ingress)
    idle.wait()
    print(f"idle TLS connections: {opened}, {(after - before) / number:.1f} kB each")


def bench_scale(stand, count):
    """Deploying at 10 services and at COUNT, and what a sleeping service costs."""
    pids = [p["pid"] for p in stand.read_ready()["processes"]]
    times = []

    def make(start, end):
        for number in range(start, end):
            started = time.perf_counter()
            deploy(stand, f"many-{number}")
            times.append((time.perf_counter() - started) * 1000)

    before = pss_kb(pids)
    make(0, 200)
    make(200, count)
    few, many = statistics.median(times[:200]), statistics.median(times[-200:])
    print(f"\n{count} services: deploy call at the start {few:.2f} ms, at the end {many:.2f} ms (ratio {many / few:.2f}); "
          f"{(pss_kb(pids) - before) / count:.2f} KiB of memory per sleeping service")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--scale", type=int, default=int(os.environ.get("BENCH_SCALE", "0")))
    parser.add_argument("--only", default="load,rate,calls,wake,memory,decision,terraform,containers,cluster")
    options = parser.parse_args()
    build = str((ROOT / options.build).resolve())
    only = options.only.split(",")
    if "terraform" in only:
        bench_terraform()
        if only == ["terraform"]:
            return
    if "containers" in only:
        container_bench.bench_containers()
        if only == ["containers"]:
            return
    if "cluster" in only:
        cluster_bench.bench_cluster(build)
    if "cluster" in only or "node-memory" in only:
        memory_bench.bench_node_memory(options.scale or 2000)
        if only in (["cluster"], ["node-memory"]):
            return
    folder = tempfile.mkdtemp(prefix="homerun-bench-")
    os.chmod(folder, 0o755)
    rivals = None
    stand = e2e.Homerun("--workers=1", "--plain")
    try:
        stand.start()
        audience, _ = prepare(stand, folder, build, options.services)
        print(f"{options.services} services, {TOKENS} tokens, {CONNECTIONS} connections")
        if "decision" in only:
            print()
            for how in ("check", "token", "session"):
                print(f"decision, {how}: one service of 1,000 each; a door by token or by session cookie", flush=True)
                subprocess.run([f"{build}/src/ingress/bench-decision", "RS256", how], check=True)
            print("the gRPC codec, a Service:", flush=True)
            subprocess.run([f"{build}/bench/bench-codec"], check=True)
        if "memory" in only:
            bench_memory(stand, folder, build)
        if "calls" in only:
            bench_calls(stand)
        if "wake" in only:
            bench_wake(stand)
        if "load" in only or "rate" in only:
            rivals = Rivals(folder, audience, address_of(instances(stand)[0]))
        if "load" in only:
            bench_load(stand, rivals, folder, options)
        if "rate" in only:
            bench_rate(stand, rivals, folder, build, options)
        if options.scale:
            bench_scale(stand, options.scale)
            bench_calls(stand, prefix="late")
    finally:
        if rivals:
            rivals.close()
        stand.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
