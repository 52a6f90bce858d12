"""Memory of a node of a cluster beside that of one machine, each after the same work: services were made through it, it
has joined with an empty folder, it was started again. What is counted is memory of the processes' own (anonymous)."""
import pathlib
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from homerun import Homerun  # noqa: E402
from postgres_stand import Server, run  # noqa: E402

CALLERS = 4
SETTLE_S = 3  # what is idle for a second gives its buffers back
SERVICES = "/v2/projects/demo/locations/us-central1/services"
BODY = {"template": {"containers": [{"image": "homerun.test/hello"}], "healthCheckDisabled": True}}


def own_kb(homerun):
    """Of all processes together; of control."""
    found = {}
    for process in homerun.read_ready()["processes"]:
        with open(f"/proc/{process['pid']}/smaps_rollup", encoding="ascii") as file:
            found[process["role"]] = next(int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))
    return sum(found.values()), found["control"]


def make(homerun, names):
    for name in names:
        got = homerun.api("POST", f"{SERVICES}?serviceId={name}", BODY)
        while got.status == 409 and "try again" in got.text:  # other nodes were faster for five seconds
            got = homerun.api("POST", f"{SERVICES}?serviceId={name}", BODY)
        assert got.status == 200, got


def make_all(nodes, count):
    for node in nodes:
        node.token()
    callers = [threading.Thread(target=make, args=(nodes[i % len(nodes)], [f"s{k}" for k in range(i, count, CALLERS)]))
               for i in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def row(name, homerun, against=None):
    time.sleep(SETTLE_S)
    whole, control = own_kb(homerun)
    ratio = "" if against is None else f"  {whole / against:.2f} of one machine's"
    print(f"  {name:44} {whole / 1000:5.1f} MB, of it control {control / 1000:4.1f}{ratio}", flush=True)
    return whole


def bench_one(count):
    with Homerun("--plain", "--workers=1") as one:
        make_all([one], count)
        made = row("one machine, that made them", one)
        one.stop()
        one.start()
        return made, row("one machine, started again", one)


def bench_nodes(count, key, made, restarted):
    server = Server()
    database = server.database()
    nodes = [Homerun("--plain", "--workers=1", f"--store={server.url(database)}", "--cluster", f"--node=n{i + 1}",
                     f"--cluster-key={key}") for i in range(3)]
    try:
        nodes[0].start()
        nodes[1].start()
        make_all(nodes[:2], count)
        started = time.perf_counter()
        nodes[2].start()
        print(f"  a node with an empty folder is ready in {time.perf_counter() - started:.2f} s", flush=True)
        row("a node that made half of them", nodes[0], made)
        row("the other node that made half of them", nodes[1], made)
        row("a node that has just joined", nodes[2], made)
        nodes[0].stop()
        nodes[0].start()
        row("a node, started again", nodes[0], restarted)
    finally:
        for node in nodes:
            node.close()
        server.close()


def bench_node_memory(count):
    print(f"\nmemory of all processes' own, {count} services:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run("sh", "-c", f"umask 077; openssl rand -base64 32 > {folder}/key")
        bench_nodes(count, f"{folder}/key", *bench_one(count))
