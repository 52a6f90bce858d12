#!/usr/bin/env python3
"""Runs the tests and counts: the last line is "N passed, N failed".

Kinds, in this order: the layers of the source, the unit tests (meson), a few seconds of each fuzz
target, and the programs of tests/e2e and tests/robustness. Such a program prints
"ok NAME", "not ok NAME: why" or "skip NAME: why" for each test.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
FUZZ_SECONDS = 2
PROGRAM_SECONDS = 1200

# Programs that wait for what a busy machine does late: containers, a browser, a whole start. What fails there
# is tried once more, alone, and is named at the end as UNSTABLE if it passes then: a fault of the test or of
# ours, to be mended. None of them judges who may enter, and what fails too often is no bad luck.
SECOND_TRY = {f"e2e/{name}.py" for name in ("cluster_places", "console", "containers", "images", "instances", "kube", "metrics",
                                            "oci", "oci_calls", "oci_egress", "oci_faults", "rootless", "secrets_oci",
                                            "start", "volumes")}
MOST_UNSTABLE = 3
AGAIN_SECONDS = 120

# Programs that run beside each other, two at a time: nearly all of their time goes into starting gcloud, and each has
# a Homerun, ports and a configuration of its own.
BESIDE = "e2e/gcloud_"

LINE = re.compile(r"^(ok|not ok|skip) (.+)$")
CMOCKA_GOOD = re.compile(r"^\[ +OK \] (\S+)", re.M)
CMOCKA_BAD = re.compile(r"^\[ +FAILED +\] (\w+)\s*$", re.M)


class Count:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.unstable = []
        self.skips = []

    def add(self, other):
        self.passed += other.passed
        self.failures += other.failures
        self.unstable += other.unstable
        self.skips += other.skips

    def good(self, number=1):
        self.passed += number

    def bad(self, what, details=""):
        self.failures.append(what)
        print(f"FAILED {what}", flush=True)
        if details:
            print("\n".join("    " + line for line in details.rstrip().splitlines()[-60:]), flush=True)

    def skip(self, what):
        self.skips.append(what)
        print(f"skip   {what}", flush=True)


def heading(text, started, count):
    print(f"-- {text} ({time.monotonic() - started:.0f} s, {count.passed} passed so far)", flush=True)


def run_layers(count):
    run_program(count, TESTS / "layers.py", {})
    run_program(count, TESTS / "rules.py", {})
    run_program(count, TESTS / "door_rows.py", {})
    run_program(count, TESTS / "format.py", {})


def run_unit(count, build, only):
    names = []
    if only:
        listed = subprocess.run(["meson", "test", "-C", build, "--list", "--no-rebuild"],
                                capture_output=True, text=True).stdout
        names = [line.split(" / ")[-1].strip() for line in listed.splitlines() if only in line]
        if not names:
            return
    log = pathlib.Path(build) / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    ran = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *names],
                         capture_output=True, text=True)
    if not log.exists():
        count.bad("unit tests did not run", ran.stdout + ran.stderr)
        return
    for line in log.read_text().splitlines():
        test = json.loads(line)
        text = test.get("stdout", "") + test.get("stderr", "")
        good, bad = set(CMOCKA_GOOD.findall(text)), set(CMOCKA_BAD.findall(text))
        name = test["name"].split(" / ")[-1]
        count.good(len(good - bad) or (test["result"] == "OK"))
        for one in sorted(bad):
            count.bad(f"unit {name}: {one}", text)
        if test["result"] == "SKIP":
            count.skip(f"unit {name}")
        elif test["result"] != "OK" and not bad:
            count.bad(f"unit {name}: {test['result']}", text)


def run_fuzz(count, names, seconds):
    script = TESTS / "fuzz" / "run.sh"
    if not script.exists():
        return
    if shutil.which("clang") is None:
        count.skip("fuzz: clang is not installed")
        return
    ran = subprocess.run([script, str(seconds), *names], capture_output=True, text=True)
    for line in ran.stdout.splitlines():
        name, _, rest = line.partition(": ")
        if rest.startswith("ok"):
            count.good()
        else:
            count.bad(f"fuzz {name}: {rest}")
    if ran.returncode != 0 and not ran.stdout:
        count.bad("fuzz", ran.stderr)


def run_program(count, path, environment):
    """One program of tests, in a process group of its own so that nothing outlives it."""
    name = str(path.relative_to(TESTS))
    process = subprocess.Popen([path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", cwd=ROOT, env={**os.environ, **environment},
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=PROGRAM_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        count.bad(f"{name}: not done after {PROGRAM_SECONDS} s", output)
        return
    told = 0
    bad = 0
    for line in output.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        told += 1
        what, text = found.groups()
        if what == "ok":
            count.good()
        elif what == "skip":
            count.skip(f"{name}: {text}")
        elif passes_alone(count, path, text, environment):
            bad += 1
            count.good()
            count.unstable.append(f"{name}: {text}")
        else:
            bad += 1
            count.bad(f"{name}: {text}")
    if (process.returncode != 0 and bad == 0) or told == 0:
        count.bad(f"{name}: status {process.returncode} after {told} tests", output)
    elif bad:
        print("\n".join("    " + line for line in output.splitlines()
                        if not LINE.match(line))[-8000:], flush=True)


def passes_alone(count, path, text, environment):
    """Whether the test that TEXT names passes now, if its program may try again."""
    if str(path.relative_to(TESTS)) not in SECOND_TRY or len(count.unstable) == MOST_UNSTABLE:
        return False
    test = text.split(":", 1)[0]
    try:
        ran = subprocess.run([path, test], capture_output=True, text=True, errors="replace", cwd=ROOT,
                             env={**os.environ, **environment}, timeout=AGAIN_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return ran.returncode == 0 and f"ok {test}" in ran.stdout.splitlines()


def run_beside(count, paths, environment, started):
    """Each with a count of its own, which is added when it is done."""
    def run_one(path):
        own = Count()
        run_program(own, path, environment)
        return path, own
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for path, own in pool.map(run_one, paths):
            count.add(own)
            heading(str(path.relative_to(TESTS)), started, count)


def programs(only):
    for folder in ("e2e", "robustness"):
        for path in sorted((TESTS / folder).glob("*.py")):
            if os.access(path, os.X_OK) and (not only or only in str(path.relative_to(TESTS))):
                yield path


def main():
    # What tests make is of this run alone and goes with it, also where a test was killed; instances,
    # users of their own, can come to it whatever our umask.
    os.umask(0o022)
    folder = tempfile.TemporaryDirectory(prefix="homerun-test-")
    os.chmod(folder.name, 0o755)
    os.environ["TMPDIR"] = folder.name
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--build", default="build")
    options.add_argument("--only", default="", help="only what has this in its name")
    options.add_argument("--count-skips", action="store_true", help="in the last line as well")
    choice = options.parse_args()
    build = str((ROOT / choice.build).resolve())
    started = time.monotonic()
    count = Count()

    if not choice.only or choice.only in "layers":
        run_layers(count)
        heading("layers", started, count)
    run_unit(count, build, choice.only)
    heading("unit", started, count)
    if not choice.only or choice.only == "fuzz":
        run_fuzz(count, [], FUZZ_SECONDS)
        heading("fuzz", started, count)
    environment = {"HOMERUN": f"{build}/homerun"}
    for beside, group in itertools.groupby(programs(choice.only),
                                           lambda path: str(path.relative_to(TESTS)).startswith(BESIDE)):
        if beside:
            run_beside(count, list(group), environment, started)
            continue
        for path in group:
            run_program(count, path, environment)
            heading(str(path.relative_to(TESTS)), started, count)

    if count.failures:
        print("\nFailed:")
        for failure in count.failures:
            print(f"  {failure}")
    if count.unstable:
        print("\nUNSTABLE, passed when tried again alone:")
        for test in count.unstable:
            print(f"  {test}")
    if count.skips:
        print(f"\n{len(count.skips)} skipped.")
    if count.passed == 0 and not count.failures:
        count.failures.append("nothing ran")
        print("Nothing ran.")
    skips = f", {len(count.skips)} skipped" if choice.count_skips else ""
    print(f"{count.passed} passed, {len(count.failures)} failed{skips}")
    return 1 if count.failures else 0


if __name__ == "__main__":
    sys.exit(main())
