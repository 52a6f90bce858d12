"""`terraform apply` of a hundred services: by the real provider where HOMERUN_TERRAFORM_PROVIDER
names it, else by its part played (tests/e2e/terraform_provider.py), ten at a time as Terraform does it."""
import pathlib
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import homerun as e2e  # noqa: E402
import terraform as real  # noqa: E402
import terraform_provider as replay  # noqa: E402

SERVICES, AT_A_TIME = 100, 10
HELLO = {"template": {"containers": [{"image": replay.IMAGE}]}}


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def server_seconds(homerun):
    """CPU time of all processes of the instance so far."""
    total = 0
    for process in homerun.read_ready()["processes"]:
        fields = pathlib.Path(f"/proc/{process['pid']}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / 100


def bench_real(provider):
    """Wall time of each command, and the CPU time of ours in it."""
    with e2e.Homerun() as homerun, real.Folder(provider, "hundred", homerun) as folder:
        for name, deed in (("apply", folder.apply), ("apply again", folder.apply),
                           ("destroy", folder.destroy)):
            started, before = time.monotonic(), server_seconds(homerun)
            deed()
            print(f"  {name:12} {time.monotonic() - started:6.1f} s, of it Homerun's CPU time "
                  f"{server_seconds(homerun) - before:.2f} s")


class Timed(e2e.Homerun):
    """Counts, and times from the request to the whole answer, as the client sees it."""

    def __enter__(self):
        self.times, self.lock = [], threading.Lock()
        plain = replay.fetch

        def timed(*arguments, **named):
            started = time.perf_counter()
            answer = plain(*arguments, **named)
            with self.lock:
                self.times.append((time.perf_counter() - started) * 1000)
            return answer

        replay.fetch = timed
        return super().__enter__()


def in_parallel(items, deed):
    """AT_A_TIME of them: Terraform's default parallelism."""
    waiting, lock = list(reversed(items)), threading.Lock()

    def work():
        while True:
            with lock:
                if not waiting:
                    return
                item = waiting.pop()
            deed(item)

    replay.at_once(*[work] * AT_A_TIME)


def bench_replayed():
    with Timed() as homerun:
        homerun.token()
        made = [replay.V2Service(f"many-{n}", homerun) for n in range(SERVICES)]
        for name, deed in (("apply", lambda one: one.apply(HELLO)),
                           ("apply again", lambda one: one.settle()),
                           ("destroy", lambda one: one.destroy())):
            homerun.times.clear()
            started, before = time.monotonic(), server_seconds(homerun)
            in_parallel(made, deed)
            print(f"  {name:12} {time.monotonic() - started:6.2f} s; {len(homerun.times)} responses: "
                  f"sum {sum(homerun.times) / 1000:.2f} s in {AT_A_TIME} threads, "
                  f"p50 {percentile(homerun.times, .5):.1f} ms, p99 {percentile(homerun.times, .99):.1f} ms; "
                  f"Homerun's CPU time {server_seconds(homerun) - before:.2f} s")


def bench_terraform():
    programs = real.providers()
    print(f"\nterraform apply, {SERVICES} services, {AT_A_TIME} at a time:")
    for program in programs:
        print(f" real provider {pathlib.Path(program).parent.name}:")
        bench_real(program)
    if not programs:
        print(" real provider: left out, for HOMERUN_TERRAFORM_PROVIDER names none")
    print(" replayed (the provider's requests and comparison, played by Python; each service starts once):")
    bench_replayed()
