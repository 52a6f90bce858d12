#!/usr/bin/env python3
"""What a person looks with: status, ps, top, open, resolve, logs that follow, history of any node."""
import json
import os
import signal
import subprocess
import tempfile
import threading

from gcloud_stand import LOOK, call, stand
from homerun import BINARY, Homerun, Skip, clean_environment, main, test, wait_until


def cli(*words, status=0):
    done = stand().cli(*words, status=status)
    return done.stdout + done.stderr


def has(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in:\n{text}"


def deploy(name, *flags):
    return cli("deploy", name, f"--image={LOOK}", *flags)


@test
def status_says_what_runs_and_what_is_public():
    deploy("seen", "--no-invoker-iam-check")
    deploy("kept")
    told = cli("status")
    has(told, "is up", stand().api_url, "answers", "PUBLIC: the Invoker IAM check is off",
        "private (2 members may invoke)", "1 open to others than named members")
    assert "\033[" not in told, "plain in a pipe"
    whole = json.loads(stand().cli("status", "--format=json").stdout)
    assert whole["apiAnswers"] and whole["httpsAccepts"], whole
    assert whole["processes"] == whole["processesWanted"] >= 5, whole
    assert whole["public"] == ["projects/demo/locations/us-central1/services/seen"], whole
    cli("services", "delete", "seen", "--quiet")


@test
def ps_and_top_list_processes_and_instances():
    deploy("busy", "--min-instances=1")
    rows = wait_until(lambda: [r for r in json.loads(stand().cli("ps", "--format=json").stdout)
                               if r.get("service") == "busy"], "an instance of busy")
    assert rows[0]["revision"].startswith("busy-00001-") and rows[0]["memoryKib"] > 0, rows
    has(cli("ps"), "supervisor", "control", "ingress", "instance of busy")
    has(cli("top"), "instance of busy", "%")


@test
def open_and_resolve_give_addresses():
    deploy("place")
    cli("services", "update-traffic", "place", "--set-tags=blue=LATEST")
    assert cli("open", "place").strip() == stand().url("place")
    assert cli("open", "place", "--tag=blue").strip() == stand().url("place", tag="blue")
    has(cli("open", "place", "--tag=red", status=1), "no tag red")
    has(cli("open", "nobody", status=1), "nobody")
    host = stand().url("place").split("/")[2]
    name, port = host.split(":")
    assert cli("resolve", "place").splitlines()[0] == f"127.0.0.1 {name}"
    has(cli("resolve"), f"127.0.0.1 blue---{name}")
    option = cli("resolve", "place", "--for=curl").splitlines()[0]
    assert option == f"--resolve {name}:{port}:127.0.0.1"
    code = subprocess.run(["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--cacert",
                           stand().ca, *option.split(), f"https://{host}"], capture_output=True,
                          text=True, env=clean_environment())
    assert code.stdout == "403", code


@test
def env_and_doctor_say_what_to_do_about_names():
    told = cli("doctor", status=None)
    line = [row for row in told.splitlines() if " names " in row][0]
    printed = stand().cli("env").stdout
    if line.startswith("good"):
        assert "does not resolve" not in printed
    else:
        has(line, "does not resolve", "homerun resolve")
        has(printed, "# hello-", "does not resolve here", "homerun resolve")
    done = subprocess.run(["bash", "-euc", 'eval "$1"; echo "$HOMERUN_API"', "-", printed],
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == stand().api_url


@test
def doctor_really_tries_whether_a_container_can_start():
    """In a chroot the kernel makes no user namespace, whoever asks."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/root")
        done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --rbind / "$1/root" && exec chroot "$1/root" "$2" doctor '
                               '--data "$1/none"', "-", folder, BINARY], capture_output=True, text=True, env=clean_environment())
    if " walls " not in done.stdout:
        raise Skip(f"no chroot can be made here: {done.stderr.strip()}")
    line = [row for row in done.stdout.splitlines() if " walls " in row][0]
    assert line.startswith("odd"), line
    has(line, "no container can start here", "Operation not permitted", "--engine=process")


@test
def logs_of_nobody_are_an_error():
    has(cli("logs", "nobody", status=1), "no service nobody", "services list")
    has(cli("services", "logs", "read", "nobody", status=1), "no service nobody")
    has(cli("logs", "one", "two", status=2), "one service at a time")
    deploy("quiet")
    has(cli("logs", "quiet"), "A new instance was started")
    cli("services", "delete", "quiet", "--quiet")
    has(cli("logs", "quiet"), "A new instance was started")


class Follower:
    """`homerun logs -f`, whose lines are gathered while it runs."""

    def __init__(self, homerun, name):
        self.lines = []
        self.process = subprocess.Popen(
            [BINARY, "logs", "-f", name, "--limit=1"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
            env={**clean_environment(), "HOMERUN_DATA": homerun.data})
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_for(self, text):
        wait_until(lambda: any(text in line for line in self.lines), f"a line with {text}")

    def close(self):
        self.process.terminate()
        self.process.wait()


@test
def logs_follow_through_a_restart_of_control():
    deploy("followed", "--no-invoker-iam-check")
    follower = Follower(stand(), "followed")
    try:
        assert call("followed", path="/first").status == 200
        follower.wait_for("/first")
        control = stand().pids("control")[0]
        os.kill(control, signal.SIGKILL)
        assert call("followed", path="/second").status == 200
        wait_until(lambda: stand().pids("control")[0] != control, "another control")
        assert call("followed", path="/third").status == 200
        follower.wait_for("/second")
        follower.wait_for("/third")
        for path in ("/first", "/second", "/third"):
            assert sum(path in line for line in follower.lines) == 1, follower.lines
    finally:
        follower.close()


@test
def logs_follow_a_homerun_that_is_started_again():
    with Homerun("--workers=1") as homerun:
        homerun.cli("deploy", "hello", "--image=us-docker.pkg.dev/cloudrun/container/hello",
                    "--no-invoker-iam-check")
        follower = Follower(homerun, "hello")
        try:
            homerun.get(homerun.url("hello") + "/before")
            follower.wait_for("/before")
            homerun.restart()
            homerun.get(homerun.url("hello") + "/after")
            follower.wait_for("/after")
        finally:
            follower.close()


@test
def history_is_there_for_every_node():
    deploy("told", "--allow-unauthenticated")
    has(cli("access", "history", "told"), "services/told")
    for words in ((), ("projects/demo",), (f"projects/{stand().ready['projectNumber']}",),
                  ("--project=demo",)):
        has(cli("access", "history", *words), "services/told")
    folder = json.loads(stand().cli("folders", "create", "Team", "--format=json").stdout)["name"]
    for kind, node in (("folder", folder),):
        stand().api("POST", f"/v3/{node}:setIamPolicy", {"policy": {"bindings": [
            {"role": "roles/viewer", "members": ["user:ann@example.com"]}]}})
        has(cli("access", "history", node), node)
        has(cli("access", "history", f"--{kind}={node.split('/')[1]}"), node)
    top = json.loads(stand().cli("access", "history", f"--organization=100000000001",
                                 "--format=json").stdout)
    assert all(row["resource"].startswith("organizations/100000000001")
               for row in top["history"]), top
    stranger = stand().token("access", member="user:stranger@example.com")
    for node in ("projects/demo", folder, "organizations/100000000001"):
        path = f"/homerun/v1/access:history?resource={node}"
        assert stand().api("GET", path, token=stranger).status == 403, node


@test
def a_homerun_that_has_ended_is_named():
    with Homerun("--workers=1") as homerun:
        homerun.process.kill()
        homerun.process.wait()
        for command in (("status",), ("ps",), ("services", "list")):
            done = homerun.cli(*command, status=1)
            assert "homerun up --data" in done.stderr, done


if __name__ == "__main__":
    main()
