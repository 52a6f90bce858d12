#!/usr/bin/env python3
"""Images on their way here: built from a Dockerfile within walls, imported from other stores, listed with who uses
them, and each revision staying with what its tag meant."""
import contextlib
import fcntl
import http.server
import json
import os
import re
import shutil
import socketserver
import subprocess
import threading

import oci
from homerun import BINARY, Skip, finally_do, main, need, test, wait_until

HOSTILE = "for f in %(data)s/owner.json %(data)s/homerun.db /etc/shadow /root /home /proc/1/root%(data)s; do " \
          "[ -e $f ] && echo OUT $f; done; nc -w 2 127.0.0.1 %(api)s </dev/null && echo OUT api; " \
          "nc -w 2 %(address)s %(api)s </dev/null && echo OUT network; mknod /d b 8 0 && echo OUT device; " \
          "cat /proc/self/uid_map; true"


@finally_do
def close():
    oci.close()


def stand():
    need("buildah")
    return oci.homerun()


def source(name, dockerfile, **files):
    """A folder with a Dockerfile; a file for each further argument."""
    folder = os.path.join(oci.folder, name)
    os.makedirs(folder, exist_ok=True)
    for file, text in {"Dockerfile": dockerfile, **files}.items():
        with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
            out.write(text)
    return folder


def rows():
    return {row["name"]: row for row in json.loads(stand().cli("images", "list", "--format=json").stdout)}


def as_old_as_the_base(folder):
    """A page as long as the one of the base, "a page\\n", and of the same second: a build that compares finds none."""
    stand()
    time = os.stat(os.path.join(oci.folder, "base", "www", "page")).st_mtime
    os.utime(os.path.join(folder, "page"), (round(time), round(time)))


@test
def a_two_line_dockerfile_is_built_and_deployed_and_again():
    folder = source("site", "FROM web:1\nCOPY page /www/page\n", page="first\n")
    told = stand().cli("deploy", "built", f"--source={folder}", "--no-invoker-iam-check").stdout
    assert "Base web:1: a local image" in told and "STEP 2/2" in told and "serves 100 percent" in told, told
    got = oci.ask("built")
    assert got.text == "first\n", got
    source("site", "FROM web:1\nCOPY page /www/page\n", page="second\n")
    as_old_as_the_base(folder)
    stand().cli("deploy", "built", f"--source={folder}")
    got = oci.ask("built")
    assert got.text == "second\n", got
    builds = os.path.join(stand().data, "images", "builds")
    assert os.listdir(builds) == [], "what a build needed has gone"
    names = [name for name in rows() if name.startswith("cloud-run-source-deploy/built:")]
    assert len(names) == 2, "each revision has its own"


@test
def what_replaces_a_file_is_in_the_image_though_it_is_as_long_and_as_old():
    folder = source("alike", "FROM web:1\nCOPY page /www/page\n"
                    "RUN cp -p /www/page /www/other && printf 'SECOND\\n' >/www/page && touch -r /www/other /www/page\n",
                    page="second\n")
    as_old_as_the_base(folder)
    lower, upper, work = under = [os.path.join(oci.folder, name) for name in ("lower", "upper", "work")]
    for path in under:
        os.makedirs(path)
    cache = os.path.join(stand().data, "images", "cache")
    os.makedirs(cache, exist_ok=True)
    over = f"mount -t overlay none -o lowerdir={lower},upperdir={upper},workdir={work} {cache} && "
    for wall in "", over:  # on an overlay file system no other can be mounted
        told = subprocess.run(["unshare", "--mount", "sh", "-c", f"{wall}exec {BINARY} images build alike:1 {folder}"],
                              env={**os.environ, "HOMERUN_DATA": stand().data}, capture_output=True, text=True)
        assert told.returncode == 0, told
        oci.service("alike", "alike:1")
        got = oci.ask("alike"), oci.ask("alike", "/other")
        assert [one.text for one in got] == ["SECOND\n", "second\n"], got
        if "one layer" in told.stdout:
            return
    raise AssertionError(told.stdout)


def built(name, folder, *flags):
    """What a build says, how many of its steps it had from earlier ones, and the digest."""
    told = stand().cli("images", "build", name, folder, *flags).stdout
    return told, told.count("Using cache"), re.search(r"sha256:\w+", told)[0]


def other_layers(root, mine):
    """As if every place were taken. Those used longest ago: the first, and the second, which is too large."""
    others = [str(number) for number in range(16) if str(number) != mine]
    for number, name in enumerate(others):
        place = os.path.join(root, name)
        os.makedirs(os.path.join(place, "store", "layer"), exist_ok=True)
        for file, text in ("for", f"demo {name}"), ("seal", f"{1 << (50 if number == 1 else 10)} 0"):
            with open(os.path.join(place, file), "w", encoding="utf-8") as out:
                out.write(text)
        os.utime(os.path.join(place, "for"), (1000 + number,) * 2)
    return others


@test
def a_build_runs_only_what_has_changed_since_the_last_one_of_its_image():
    dockerfile = "FROM web:1\nRUN head -c 9 /dev/urandom >/www/drawn\nCOPY page /www/page\n"
    folder = source("layers", dockerfile, page="one\n")
    root = os.path.join(stand().data, "images", "cache")
    told, cached, first = built("layers:1", folder)
    if "one layer" in told:
        raise Skip("no overlay file system can be mounted here, so no layers are kept")
    assert cached == 0
    assert built("layers:2", folder)[1:] == (2, first), "a number was drawn again"
    source("layers", dockerfile, page="two\n")
    mine = next(name for name in os.listdir(root) if oci.read(os.path.join(root, name, "for")) == "demo layers")
    with open(os.path.join(root, mine, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told, cached, _ = built("layers:2", folder)
        assert "Another build of this image runs" in told and cached == 0, told
    _, cached, second = built("layers:2", folder)
    assert cached == 1 and second != first, "what had not changed was done again"
    os.truncate(os.path.join(root, mine, "store", "overlay", "overlay-images", "images.json"), 9)
    told, cached, third = built("layers:2", folder)
    assert "are damaged" in told and cached == 0 and third != second, told
    assert built("layers:2", folder, "--no-cache")[1] == 0
    others = other_layers(root, mine)
    assert built("other:1", folder)[1] == 0, "layers of another image were taken"
    assert oci.read(os.path.join(root, others[0], "for")) == "demo other"
    kept = {name for name in os.listdir(root) if os.path.exists(os.path.join(root, name, "store"))}
    assert kept == {mine, *others} - {others[1]}, kept


@test
def what_a_build_runs_sees_nothing_of_this_machine():
    folder = source("hostile", "FROM web:1\nRUN (" + HOSTILE % {
        "data": os.path.abspath(stand().data), "api": stand().api_url.rsplit(":", 1)[1],
        "address": "10.0.2.2"} + ") >/www/told 2>&1\n")
    stand().cli("images", "build", "hostile:1", folder)
    oci.service("hostile", "hostile:1")
    told = oci.ask("hostile", "/told").text
    assert "OUT" not in told, told
    inside, outside, count = map(int, told.strip().splitlines()[-1].split())
    assert inside == 0 and outside >= 3 << 30 and count == 65536, told


@test
def the_data_folder_is_never_a_part_of_an_image():
    data = stand().data
    parent = os.path.dirname(os.path.abspath(data))
    assert not os.path.exists(os.path.join(parent, "Dockerfile"))
    try:
        with open(os.path.join(parent, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write("FROM web:1\nCOPY . /www/all\nRUN ls -R /www/all >/www/listed\n")
        with open(os.path.join(parent, ".dockerignore"), "w", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in os.listdir(parent)
                               if os.path.join(parent, name) != os.path.abspath(data)))
        stand().cli("images", "build", "whole:1", parent)
    finally:
        for name in ("Dockerfile", ".dockerignore"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(parent, name))
    oci.service("whole", "whole:1")
    assert "owner.json" not in oci.ask("whole", "/listed").text
    told = stand().cli("images", "build", "data:1", data, status=1).stderr
    assert "no Dockerfile" in told, told


@test
def a_build_reaches_the_network_when_it_is_told_to_and_no_loopback_of_this_machine():
    need("slirp4netns")
    stand()
    with oci.greeter() as port:
        address = oci.own_address()
        folder = source("net", f"FROM web:1\nRUN nc -w 3 {address} {port} </dev/null >/heard; "
                               f"nc -w 3 127.0.0.1 {port} </dev/null >/own; nc -w 3 10.0.2.2 {port} </dev/null >>/own; "
                               "nc -w 2 169.254.170.2 80 </dev/null 2>&1 | tee /metadata; "
                               "nc -w 2 100.100.100.200 80 </dev/null 2>&1 | tee -a /metadata; "
                               "test \"$(cat /heard)\" = HELLO && test ! -s /own && "
                               "test \"$(grep -c 'No route' /metadata)\" = 2\n")
        told = stand().cli("images", "build", "net:1", folder, status=1).stderr
        assert "--build-network" in told, told
        stand().cli("images", "build", "net:1", folder, "--build-network")
    assert "net:1" in rows()
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and
                f"{stand().data}/images/builds" in (oci.read(f"/proc/{pid}/cmdline") or "")]
    wait_until(lambda: os.listdir(os.path.join(stand().data, "images", "builds")) == [], "nothing is left")


@test
def a_build_that_fails_says_why_and_leaves_nothing():
    for dockerfile, word in (("FROM web:1\nRUN exit 3\n", "the build failed"),
                             ("RUN true\n", "no FROM"),
                             ("FROM 127.0.0.1:1/none:1\n", "no local image"),
                             ("FROM homerun.test/hello:1\n", "a program of this machine"),
                             ("FROM web:1\nCOPY missing /\n", "the build failed")):
        told = stand().cli("images", "build", "fails:1", source("fails", dockerfile), status=1).stderr
        assert word in told, (dockerfile, told)
    empty = os.path.join(oci.folder, "empty")
    os.makedirs(empty)
    assert "no Dockerfile" in stand().cli("images", "build", "fails:1", empty, status=1).stderr
    assert "fails:1" not in rows()
    assert os.listdir(os.path.join(stand().data, "images", "builds")) == []


@test
def an_image_of_podmans_and_buildahs_store_is_imported():
    stand()
    root = os.path.join(oci.folder, "containers")
    store = f"[vfs@{root}/root+{root}/run]"
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{oci.LAYOUT}:web", f"containers-storage:{store}localhost/mine:1"],
                   check=True, capture_output=True)
    stand().cli("images", "import", "mine:1", f"containers-storage:{store}localhost/mine:1")
    oci.service("mine", "mine:1")
    assert oci.ask("mine").text == "a page\n"


class Daemon(http.server.BaseHTTPRequestHandler):
    """As much of Docker's daemon as an export needs."""
    protocol_version = "HTTP/1.1"
    archive = ""

    def do_GET(self):
        if self.path.endswith("/_ping"):
            body = b"OK"
        elif "/images/get" in self.path:
            with open(self.archive, "rb") as file:
                body = file.read()
        else:
            body = json.dumps({"Id": "sha256:" + "0" * 64}).encode()
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def address_string(self):
        return "local"

    def log_message(self, *ignored):
        pass


@test
def an_image_of_a_docker_daemon_is_imported():
    stand()
    Daemon.archive = os.path.join(oci.folder, "docker.tar")
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{oci.LAYOUT}:web",
                    f"docker-archive:{Daemon.archive}:localhost/theirs:1"], check=True, capture_output=True)
    path = os.path.join(oci.folder, "docker.sock")
    with socketserver.ThreadingUnixStreamServer(path, Daemon) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stand().cli("images", "import", "theirs:1", "docker-daemon:localhost/theirs:1",
                    env={"DOCKER_HOST": f"unix://{path}"})
        server.shutdown()
    oci.service("theirs", "theirs:1")
    assert oci.ask("theirs").text == "a page\n"


@test
def the_list_says_how_large_and_who_uses_it():
    oci.service("listed")
    row = rows()["web:1"]
    assert row["manifest"].startswith("sha256:") and row["sizeBytes"] > 10**6, row
    assert any("/services/listed/revisions/listed-" in user for user in row["usedBy"]), row
    told = stand().cli("images", "list").stdout.splitlines()
    assert told[0].split() == ["IMAGE", "WHAT", "DIGEST", "SIZE", "USED", "BY"], told
    line = next(line for line in told if line.startswith("web:1 "))
    assert "container" in line and " MB " in line and row["manifest"][:19] in line, line


@test
def a_revision_stays_what_its_tag_meant_when_something_else_is_imported():
    oci.make_image("one")
    stand().cli("images", "import", "moves:1", f"oci:{oci.LAYOUT}:one")
    oci.service("moves", "moves:1")
    old = rows()["moves:1"]["manifest"]
    oci.make_image("two", serves="/bin/httpd -f -p 0.0.0.0:$PORT -h /etc")
    stand().cli("images", "import", "moves:1", f"oci:{oci.LAYOUT}:two")
    new = rows()
    assert new["moves:1"]["manifest"] != old and "usedBy" not in new["moves:1"], new["moves:1"]
    assert "/moves-00001-" in new[f"moves:1@{old}"]["usedBy"][0], "what the revision runs is still listed"
    wait_until(lambda: not oci.instances("moves"), "asleep", 60)
    assert oci.ask("moves").text == "a page\n", "it wakes as what it was"
    stand().cli("deploy", "moves", "--image=moves:1")
    wait_until(lambda: oci.ask("moves", "/passwd").status == 200, "the new revision is the new image", 30)


if __name__ == "__main__":
    main()
