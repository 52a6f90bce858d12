#!/usr/bin/env python3
"""Containers that go wrong: each is told of in words, and another service answers meanwhile."""
import concurrent.futures
import contextlib
import json
import os
import subprocess
import threading

import oci
from by_api import SCALE, SERVICES, put_service, wait_settled
from homerun import Homerun, finally_do, main, test, wait_until


@finally_do
def close():
    oci.close()


@contextlib.contextmanager
def meanwhile():
    """Another service is asked all the time; each of its answers has to be a good one."""
    oci.service("other", template_notes={SCALE + "minScale": "1"})
    statuses, over = [], threading.Event()

    def ask_on():
        while not over.is_set() or not statuses:
            statuses.append(oci.ask("other").status)
            over.wait(0.05)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_on)
        try:
            yield
        finally:
            over.set()
            asking.result()
    assert set(statuses) == {200}, statuses


def fails(name, image="web:1", seconds=60, **how):
    """Why the service does not become ready."""
    got = put_service(oci.homerun(), name, image, **how)
    assert got.status == 200, got
    settled = wait_settled(oci.stand, name, seconds)
    assert settled["status"] == "False", settled
    assert oci.stand.api("DELETE", f"{SERVICES}/{name}").status == 200
    return settled["message"]


def shell(script):
    return {"command": ["/bin/sh", "-c", script]}


@test
def an_image_of_another_architecture_says_so():
    oci.make_image("foreign")
    program = os.path.join(oci.folder, "foreign")
    with open(oci.shutil.which("busybox"), "rb") as file:
        data = bytearray(file.read())
    data[18:20] = (0xf3, 0)  # the machine of an ELF file: RISC-V
    with open(program, "wb") as file:
        file.write(data)
    os.chmod(program, 0o755)
    oci.run("umoci", "insert", "--image", f"{oci.LAYOUT}:foreign", program, "/foreign")
    oci.homerun().cli("images", "import", "foreign:1", f"oci:{oci.LAYOUT}:foreign")
    with meanwhile():
        told = fails("foreign", "foreign:1", container={"command": ["/foreign"]})
        assert "ready" in told and "foreign" in told, told


@test
def an_image_without_a_command_says_so():
    oci.make_image("silent", "--config.env=A=b")
    oci.homerun().cli("images", "import", "silent:1", f"oci:{oci.LAYOUT}:silent")
    with meanwhile():
        assert "says nothing of what to run" in fails("silent", "silent:1")


@test
def a_port_that_is_never_opened_says_so_and_one_that_is_opened_late_serves():
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 3}
    with meanwhile():
        told = fails("deaf", container={**shell("sleep 1000"), "startupProbe": probe})
        assert "startup probe" in told and "Connection refused" in told, told
        oci.service("late", container={
            **shell("sleep 3; exec httpd -f -p $PORT -h /www"),
            "startupProbe": {**probe, "failureThreshold": 60}})
        assert oci.ask("late").text == "a page\n"


@test
def a_disk_that_is_almost_full_ends_a_pull_and_leaves_nothing():
    oci.homerun()
    place = os.path.join(oci.folder, "small")
    os.makedirs(place)
    oci.run("mount", "-t", "tmpfs", "-o", "size=64m", "none", place)
    try:
        big = oci.busybox_layer(oci.member("big", os.urandom(70 << 20)))
        manifest, blobs = oci.an_image(big)
        with Homerun("--engine=oci", "--plain", data=os.path.join(place, "data")) as small, \
                oci.registry_that(oci.serving(manifest, blobs)) as host, meanwhile():
            small.cli("images", "import", "web:1", f"oci:{oci.LAYOUT}:web")
            oci.deploy(small, "there", "web:1")
            got = put_service(small, "big", f"{host}/team/big:1")
            assert got.status == 200, got
            told = wait_settled(small, "big", 120)["message"]
            assert "the disk of the data folder is" in told and "full" in told, told
            assert small.get(small.url("there") + "/page").text == "a page\n", "what is there goes on"
            layouts = os.path.join(small.data, "images", "layouts")
            wait_until(lambda: not [n for n in os.listdir(layouts) if n.startswith(".")], "what came has gone", 60)
    finally:
        subprocess.run(["umount", "-l", place], check=False)


@test
def memory_that_is_eaten_while_requests_run_ends_that_instance_alone():
    limits = {"resources": {"limits": {"memory": "64Mi", "cpu": "1"}}}
    oci.service("eater", container=limits)
    with meanwhile():
        got = oci.ask("eater", "/cgi-bin/run", method="POST", body=b"x=0123456789; while :; do x=$x$x; done")
        assert got.status in (200, 500, 502, 503), got
        wait_until(lambda: oci.ask("eater").status == 200, "it serves again", 60)


@test
def each_connection_closed_is_a_503_of_that_service_alone():
    oci.service("hangs-up", container=shell(
        "httpd -p 9000 -h /www; while :; do nc -l -p $PORT -e /bin/true; done"))
    with meanwhile():
        for _ in range(3):
            assert oci.ask("hangs-up").status in (502, 503), "no answer is no 200"


@test
def a_gigabyte_answered_comes_whole():
    oci.service("flood", container={"resources": {"limits": {"memory": "64Mi", "cpu": "1"}}})
    with meanwhile():
        url = oci.homerun().url("flood") + "/cgi-bin/run"
        done = subprocess.run(
            ["curl", "-sS", "--cacert", oci.stand.ca, "--resolve",
             f"{url.split('/')[2]}:127.0.0.1", "-o", "/dev/null", "-w", "%{size_download}", "-d",
             "head -c 1073741824 /dev/zero", url], capture_output=True, text=True, timeout=300)
        assert int(done.stdout) == 1 << 30, done


@test
def who_ignores_sigterm_is_killed_ten_seconds_later():
    oci.service("stubborn", container=shell("trap '' TERM; httpd -p $PORT -h /www; "
                                            "while :; do sleep 0.1; done"))
    assert oci.ask("stubborn").status == 200
    assert oci.instances("stubborn")
    with meanwhile():
        assert oci.homerun().api("DELETE", f"{SERVICES}/stubborn").status == 200
        wait_until(lambda: not oci.instances("stubborn"), "it is killed", 90)


@test
def what_a_killed_crun_left_in_tmp_goes_with_the_next_start_and_nothing_else():
    oci.homerun()
    old, young, other = (f"/tmp/crun.{name}" for name in ("oldEST", "youngR", "longer-name"))
    kept = "/tmp/crun.withIN"
    try:
        for path in (old, young, other, kept):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o000))
        with open(kept, "w", encoding="utf-8") as file:
            file.write("somebody's")
        for path in (old, other, kept):
            os.utime(path, (1, 1))
        with Homerun("--engine=oci", "--plain"):
            wait_until(lambda: not os.path.exists(old), "what is old has gone", 30)
            assert all(os.path.exists(path) for path in (young, other, kept))
    finally:
        for path in (old, young, other, kept):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)


@test
def traffic_moves_by_percent_and_back_without_a_failed_request_and_the_old_revision_drains():
    oci.service("moves", container={"env": [{"name": "V", "value": "one"}]})
    first = oci.stand.api("GET", f"{SERVICES}/moves").json["status"]["latestReadyRevisionName"]
    statuses, over = [], threading.Event()

    def ask_on():
        while not over.is_set():
            statuses.append(oci.ask("moves").status)

    def move(*parts):
        oci.homerun().cli("services", "update-traffic", "moves", "--to-revisions=" + ",".join(parts))
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        asking = [pool.submit(ask_on) for _ in range(4)]
        try:
            slow = pool.submit(oci.inside, "moves", "while [ ! -e /tmp/go ]; do sleep 0.1; done; echo $V")
            oci.service("moves", container={"env": [{"name": "V", "value": "two"}]})
            second = oci.stand.api("GET", f"{SERVICES}/moves").json["status"]["latestReadyRevisionName"]
            move(f"{first}=70", f"{second}=30")
            move(f"{first}=30", f"{second}=70")
            move(f"{second}=100")
            for pid in oci.instances("moves"):
                with contextlib.suppress(OSError):
                    open(f"/proc/{pid}/root/tmp/go", "w", encoding="utf-8").close()
            assert slow.result() == "one\n", "what the old revision had begun was finished"
            move(f"{first}=100")
        finally:
            over.set()
        for one in asking:
            one.result()
    assert len(statuses) > 20 and set(statuses) == {200}, statuses
    assert oci.inside("moves", "echo $V") == "one\n", "rolled back"


@test
def minimum_maximum_and_manual_scaling_of_service_and_revision_are_kept():
    def rows(state="READY"):
        told = json.loads(oci.homerun().cli("instances", "scaled", "--format=json").stdout)
        return [row for row in told if row["state"] == state]
    oci.service("scaled", spec={"containerConcurrency": 1},
                template_notes={SCALE + "minScale": "2", SCALE + "maxScale": "3"})
    wait_until(lambda: len(rows()) == 2, "the revision's minimum", 60)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(oci.inside, "scaled", "sleep 1; echo done") for _ in range(12)]
        most = 0
        while not all(one.done() for one in asking):
            most = max(most, len(rows()) + len(rows("STARTING")))
        assert {one.result() for one in asking} == {"done\n"}
    assert most <= 3, most
    got = oci.stand.api("PATCH", "/v2/projects/demo/locations/us-central1/services/scaled?updateMask=scaling",
                        {"scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 1}})
    assert got.status == 200, got
    wait_until(lambda: len(rows()) == 1, "as many as were asked for by hand", 90)
    got = oci.stand.api("PATCH", "/v2/projects/demo/locations/us-central1/services/scaled?updateMask=scaling",
                        {"scaling": {"scalingMode": "AUTOMATIC", "minInstanceCount": 3}})
    assert got.status == 200, got
    wait_until(lambda: len(rows()) == 3, "the service's own minimum", 90)


if __name__ == "__main__":
    main()
