#!/usr/bin/env python3
"""Start and set-up: what `homerun up` promises before the first service is there."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import urllib.parse

from homerun import (BINARY, Homerun, Skip, clean_environment, fetch, finally_do, free_port, main,
                     need, test, wait_until)

ROLES = ("control", "ingress", "engine", "signer")
shared = None


def one():
    """One instance for the tests that only look, or mend what they break."""
    global shared
    if shared is None:
        shared = Homerun("--workers=2").start()
    return shared


@finally_do
def stop_shared():
    if shared is not None:
        shared.close()


def up_again(homerun, *flags):
    """A second `homerun up`, which is expected to end by itself."""
    return subprocess.run([BINARY, "up", *flags], capture_output=True, text=True, timeout=60,
                          env=clean_environment(), cwd=homerun.folder)


def any_ports():
    return [f"--{name}=127.0.0.1:0" for name in ("api", "https", "http")]


def listens(url):
    parts = urllib.parse.urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def one_line(text):
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("homerun: "), text
    return lines[0]


# ---- ready ----

@test
def the_ready_file_says_where_everything_is():
    homerun = one()
    ready = homerun.ready
    assert ready["pid"] == homerun.process.pid
    assert ready["data"] == homerun.data
    assert (ready["project"], ready["region"]) == ("demo", "us-central1")
    assert ready["owner"]["email"] == "owner@demo.iam.gserviceaccount.com"
    for name, scheme in (("api", "http"), ("https", "https"), ("http", "http")):
        parts = urllib.parse.urlsplit(ready[name])
        assert parts.scheme == scheme and parts.port > 0, ready[name]
    roles = [process["role"] for process in ready["processes"]]
    for role in ROLES:
        assert role in roles, roles
    assert roles.count("ingress") == 2
    for process in ready["processes"]:
        os.kill(process["pid"], 0)
    with open(os.path.join(homerun.data, "ready.json"), encoding="utf-8") as file:
        assert json.load(file) == ready


@test
def the_owner_key_file_is_as_gcloud_reads_it_and_nobody_elses():
    path = one().ready["owner"]["keyFile"]
    with open(path, encoding="utf-8") as file:
        key = json.load(file)
    assert key["type"] == "service_account"
    assert key["client_email"] == one().ready["owner"]["email"]
    assert key["token_uri"].startswith(one().api_url)
    assert key["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert os.stat(path).st_mode & 0o077 == 0, oct(os.stat(path).st_mode)


@test
def every_listener_accepts_once_the_ready_file_is_there():
    with Homerun() as homerun:
        for name in ("api", "https", "http"):
            port = urllib.parse.urlsplit(homerun.ready[name]).port
            socket.create_connection(("127.0.0.1", port), timeout=10).close()


@test
def each_process_shows_its_role_in_its_command_line():
    for process in one().read_ready()["processes"]:
        words = pathlib.Path(f"/proc/{process['pid']}/cmdline").read_bytes().split(b"\0")
        if process["role"] != "supervisor":
            assert words[:2] == [b"homerun", process["role"].encode()], words


@test
def the_local_ca_signs_what_services_show():
    answer = fetch(one().ready["https"], ca=one().ca)
    assert answer.status == 404, answer


@test
def it_prints_where_things_are_and_what_to_type_next():
    text = one().printed()
    assert one().api_url in text
    assert "owner@demo.iam.gserviceaccount.com" in text
    assert 'eval "$(homerun env' in text
    assert "gcloud run deploy" in text
    assert "\033" not in text, "colours in a pipe"


# ---- refusals ----

@test
def a_second_up_on_the_same_data_is_told_which_process_has_it():
    homerun = one()
    done = up_again(homerun, f"--data={homerun.data}", *any_ports())
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert str(homerun.process.pid) in line and homerun.data in line, line
    assert homerun.read_ready() == json.loads(
        pathlib.Path(homerun.data, "ready.json").read_text(encoding="utf-8"))


@test
def a_port_in_use_is_named_and_nothing_is_left_behind():
    homerun = one()
    port = urllib.parse.urlsplit(homerun.api_url).port
    other = os.path.join(homerun.folder, "other")
    done = up_again(homerun, f"--data={other}", f"--api=127.0.0.1:{port}",
                    "--https=127.0.0.1:0", "--http=127.0.0.1:0")
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert f"127.0.0.1:{port}" in line and "--api" in line, line
    assert not os.path.exists(other)


@test
def data_that_cannot_be_written_is_refused():
    if os.geteuid() == 0:
        blocked = "/proc/homerun-data"  # where not even root may make a folder
    else:
        blocked = "/homerun-data"
    done = up_again(one(), f"--data={blocked}", *any_ports())
    assert done.returncode == 1
    assert blocked in one_line(done.stderr), done.stderr


@test
def a_file_in_place_of_the_data_folder_is_refused():
    with tempfile.NamedTemporaryFile() as file:
        done = up_again(one(), f"--data={file.name}", *any_ports())
        assert done.returncode == 1
        assert file.name in one_line(done.stderr), done.stderr


@test
def a_wrong_flag_or_value_names_what_is_near():
    for flags, words in ((["--dta=x"], "--data"), (["--engine=xen"], "process"),
                         (["--api=nowhere"], "ADDR:PORT"), (["--internal=10.0.0.0/40"], "10.0.0.0"),
                         (["--project=UPPER"], "--project"), (["--workers=100"], "--workers"),
                         (["--config=/none.yaml"], "/none.yaml")):
        done = up_again(one(), *flags)
        assert done.returncode in (1, 2), done
        assert words in one_line(done.stderr), done.stderr


@test
def a_configuration_file_has_the_names_of_the_flags_and_flags_win():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "homerun.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("project: from-file\nregion: europe-west1\nworkers: 1\n"
                       "internal: [10.0.0.0/8, 'fd00::/8']\n")
        with Homerun(f"--config={path}", "--region=us-east1") as homerun:
            assert homerun.ready["project"] == "from-file"
            assert homerun.ready["region"] == "us-east1"
            assert len(homerun.pids("ingress")) == 1
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"porject": "x"}')
        done = up_again(one(), f"--config={path}")
        assert done.returncode == 2
        assert "porject" in done.stderr and "project" in done.stderr, done.stderr


# ---- signals ----

@test
def sigterm_drains_and_ends_with_status_0():
    with Homerun() as homerun:
        pids = [process["pid"] for process in homerun.ready["processes"]]
        assert homerun.stop(signal.SIGTERM) == 0
        assert homerun.read_ready() is None
        assert not os.path.exists(os.path.join(homerun.data, "ready.json"))
        for pid in pids:
            assert not os.path.exists(f"/proc/{pid}"), pid


@test
def sigint_does_the_same():
    with Homerun() as homerun:
        assert homerun.stop(signal.SIGINT) == 0


@test
def it_starts_again_on_the_same_data_and_the_old_tokens_hold():
    with Homerun() as homerun:
        token = homerun.token()
        assert homerun.api("GET", "/v1/projects/demo", token=token).status == 200
        homerun.restart()
        assert homerun.api("GET", "/v1/projects/demo", token=token).status == 200


@test
def sighup_exchanges_the_processes_and_keeps_the_instances():
    homerun = one()
    before = {role: set(homerun.pids(role)) for role in ROLES}
    homerun.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(homerun.pids("ingress")) == 2
               and not before["ingress"] & set(homerun.pids("ingress"))
               and len(homerun.pids("control")) == 1
               and not before["control"] & set(homerun.pids("control")), "others serve")
    assert set(homerun.pids("engine")) == before["engine"]
    assert fetch(homerun.ready["https"], ca=homerun.ca).status == 404
    assert homerun.api("GET", "/v1/projects/demo").status == 200


@test
def requests_are_answered_all_through_sighup():
    homerun = one()
    before = set(homerun.pids("ingress"))
    homerun.process.send_signal(signal.SIGHUP)
    asked = 0

    def exchanged():
        nonlocal asked
        assert fetch(homerun.ready["https"], ca=homerun.ca).status == 404
        asked += 1
        return not before & set(homerun.pids("ingress")) and len(homerun.pids("ingress")) == 2

    wait_until(exchanged, "workers exchanged")
    assert asked > 0


@test
def whatever_is_killed_comes_back():
    homerun = one()
    for role in ROLES:
        victim = homerun.pids(role)[0]
        number = len(homerun.pids(role))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in homerun.pids(role)
                   and len(homerun.pids(role)) == number, f"another {role}")
    assert homerun.api("GET", "/v1/projects/demo").status == 200
    assert fetch(homerun.ready["https"], ca=homerun.ca).status == 404


@test
def nothing_outlives_a_supervisor_that_is_killed():
    with Homerun() as homerun:
        pids = [process["pid"] for process in homerun.ready["processes"]]
        homerun.stop(signal.SIGKILL)
        wait_until(lambda: not any(is_running(pid) for pid in pids), "all gone")
        homerun.start()  # and the data folder is free


def is_running(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"  # where nobody reaps orphans


# ---- env ----

@test
def env_can_be_evaluated_by_a_shell():
    homerun = one()
    script = f'eval "$({BINARY} env --data {homerun.data})" && env'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60,
                          env=clean_environment())
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    for name, value in homerun.env.items():
        assert found.get(name) == value, name


@test
def env_points_every_client_here():
    env = one().env
    port = str(urllib.parse.urlsplit(one().api_url).port)
    assert env["CLOUDSDK_PROXY_TYPE"] == "http"
    assert (env["CLOUDSDK_PROXY_ADDRESS"], env["CLOUDSDK_PROXY_PORT"]) == ("127.0.0.1", port)
    assert env["CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN"] == f"http://run.localhost:{port}/"
    for name in ("IAM", "IAMCREDENTIALS", "ORGPOLICY", "LOGGING", "SERVICEUSAGE",
                 "CLOUDRESOURCEMANAGER"):
        assert env[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}"] == f"http://localhost:{port}/"
    assert env["GOOGLE_CLOUD_RUN_V2_CUSTOM_ENDPOINT"].endswith("/v2/")
    assert env["GOOGLE_CLOUD_RUN_CUSTOM_ENDPOINT"].endswith("/{{location}}/")
    assert env["HOMERUN_CA"] == one().ca
    for name in ("HOMERUN_CA", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
                 "GOOGLE_APPLICATION_CREDENTIALS"):
        assert os.path.exists(env[name]), name


@test
def env_without_an_instance_says_how_to_start_one():
    done = subprocess.run([BINARY, "env", "--data", "/nowhere/at/all"], capture_output=True,
                          text=True, timeout=60, env=clean_environment())
    assert done.returncode == 1 and done.stdout == ""
    assert "homerun up" in one_line(done.stderr)


@test
def gcloud_needs_nothing_but_env():
    need("gcloud")
    done = one().gcloud("projects", "describe", "demo", "--format=value(projectId)")
    assert done.stdout.strip() == "demo", done.stdout


@test
def a_homerun_that_was_killed_is_to_be_started_again():
    with Homerun("--workers=1") as homerun:
        homerun.stop(signal.SIGKILL)
        wait_until(lambda: not listens(homerun.api_url), "its processes have followed it")
        done = homerun.cli("services", "list", status=1)
        assert f"nobody answers at {homerun.api_url}" in one_line(done.stderr), done.stderr
        assert f"homerun up --data {homerun.data}" in done.stderr, done.stderr


@test
def a_key_file_that_opens_nothing_is_named():
    file = pathlib.Path(one().data, "owner.json")
    good = file.read_text(encoding="utf-8")
    try:
        for text in ("garbage", json.dumps({**json.loads(good), "private_key": "x"})):
            file.write_text(text, encoding="utf-8")
            done = one().cli("services", "list", status=1)
            assert str(file) in one_line(done.stderr), done.stderr
    finally:
        file.write_text(good, encoding="utf-8")


# ---- tokens ----

@test
def tokens_of_the_owner_and_of_anyone_by_the_local_root_of_trust():
    homerun = one()
    assert homerun.token("access").count(".") == 2
    assert homerun.token("identity", audience="https://a.example").count(".") == 2
    token = homerun.token("access", member="user:dev@example.com")
    assert homerun.api("GET", "/v1/projects/demo", token=token).status == 403
    done = homerun.cli("token", "access", "--as=group:g@example.com", status=1)
    assert one_line(done.stderr)


# ---- help ----

@test
def every_command_has_help_and_completion_knows_it():
    overview = one().cli("help").stdout
    names = re.findall(r"^  ([a-z][a-z -]*?)(?: |\n ) +[A-Z]", overview, re.M)
    assert len(names) > 30, names
    script = one().cli("completion", "bash").stdout
    for name in names:
        assert f"homerun {name}" in one().cli(*name.split(), "--help").stdout
        assert f"\n{name}:" in script.replace("='", "='\n"), name
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@test
def a_group_of_commands_has_help_and_what_is_wrong_is_2():
    for words in (("help", "services"), ("services", "--help"), ("services", "-h")):
        assert "  services list " in one().cli(*words).stdout, words
    for words in (("help", "servces"), ("services",), ("completion", "tcsh"), ("access", "explain"),
                  ("groups", "add-member", "g@example.com"), ("images", "add", "x")):
        assert one_line(one().cli(*words, status=2).stderr), words


@test
def doctor_finds_nothing_broken_where_all_is_well():
    text = one().cli("doctor").stdout
    assert "broken" not in text and "takes the owner's key" in text, text


if __name__ == "__main__":
    main()
