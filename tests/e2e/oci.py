#!/usr/bin/env python3
"""Containers (--engine=oci): an image of one's own is deployed, guarded by the gate, sleeps and
wakes, and what runs in it sees nothing of this machine. Everything is made here, from busybox."""
import concurrent.futures
import contextlib
import glob
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time

from by_api import SCALE, SERVICES, deploy, put_service, wait_settled
from homerun import Homerun, Skip, finally_do, free_port, main, need, test, wait_until

folder = tempfile.mkdtemp(prefix="homerun-oci-")
os.chmod(folder, 0o755)
stand = Homerun("--engine=oci", "--idle=1", "--plain")
LAYOUT = os.path.join(folder, "layout")
ROOTLESS = os.geteuid() != 0
OWNER = f"-{os.geteuid()}" if ROOTLESS else ""
STATES = ("/run", f"/run/user/{os.geteuid()}", "/dev/shm")
REVISIONS = "/apis/serving.knative.dev/v1/namespaces/demo/revisions"
# What the page /cgi-bin/run is sent, it does: we are the attacker that has got in.
RUN = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\neval \"$(cat)\" 2>&1\n"
APPLETS = ("tr sh httpd cat ls id ps mount umount unshare chroot mknod nc wget sleep echo dd touch env "
           "dmesg ifconfig kill printf grep wc ln mkdir rm true nslookup setsid head hostname pwd "
           "nsenter ping trap seq hexdump timeout").split()


@finally_do
def close():
    stand.close()
    shutil.rmtree(folder, ignore_errors=True)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def why_not():
    """Why no container can start on this machine; None if one can."""
    rootless = () if os.geteuid() == 0 else ("newuidmap", "newgidmap")
    for program in ("crun", "skopeo", "umoci", "busybox", *rootless):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    probe = subprocess.run(["unshare", "--user", "--net", "--mount", "true"], capture_output=True)
    return "this kernel forbids namespaces" if probe.returncode != 0 else None


def make_image(tag, *config, serves="/bin/httpd -f -p 0.0.0.0:$PORT -h /www"):
    """An image in the layout, with busybox and our page."""
    base = os.path.join(folder, "base")
    if not os.path.exists(base):
        for name in ("bin", "www/cgi-bin", "tmp", "etc"):
            os.makedirs(os.path.join(base, name))
        os.chmod(os.path.join(base, "tmp"), 0o1777)
        shutil.copy(shutil.which("busybox"), os.path.join(base, "bin", "busybox"))
        for name in APPLETS:
            os.symlink("busybox", os.path.join(base, "bin", name))
        for name, text in (("www/page", "a page\n"), ("www/cgi-bin/run", RUN),
                           ("etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n")):
            with open(os.path.join(base, name), "w", encoding="utf-8") as file:
                file.write(text)
        os.chmod(os.path.join(base, "www/cgi-bin/run"), 0o755)
        run("umoci", "init", "--layout", LAYOUT)
    image = f"{LAYOUT}:{tag}"
    run("umoci", "new", "--image", image)
    run("umoci", "insert", *(["--rootless"] if ROOTLESS else []), "--image", image, base, "/")
    command = ["--config.cmd=/bin/sh", "--config.cmd=-c", f"--config.cmd=exec {serves}"]
    run("umoci", "config", "--image", image, *(config or command))
    return f"oci:{image}"


def homerun():
    if stand.process is None:
        reason = why_not()
        if reason is not None:
            raise Skip(reason)
        stand.start()
        stand.cli("images", "import", "web:1", make_image("web"))
    return stand


def service(name, image="web:1", **how):
    homerun()
    deploy(stand, name, image, **how)
    return name


def ask(name, path="/page", **how):
    return homerun().get(homerun().url(name) + path, **how)


def inside(name, script):
    """What SCRIPT says when it runs in the container."""
    got = ask(name, "/cgi-bin/run", method="POST", body=script.encode())
    assert got.status == 200, got
    return got.text


def instances(service_name):
    """The first processes of the containers of a service, as this machine numbers them."""
    if ROOTLESS:
        return rootless_instances(service_name)
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                names = file.read().split(b"\0")
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                status = file.read()
        except OSError:
            continue
        own = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if f"K_SERVICE={service_name}".encode() in names and own[-1] == "1" and len(own) > 2:
            found.append(int(pid))
    return found


def rootless_instances(service_name):
    """The same by what crun knows: the environment of another user's process is not ours to read."""
    found = []
    for place in STATES:
        for container in glob.glob(f"{place}/homerun-crun-*/*"):
            told = read(f"{container}/status")
            config = read(f"{container}/config.json") or ""
            if told and f"K_SERVICE={service_name}\"" in config \
                    and not os.path.exists(f"{container}/exec.fifo"):
                pid = json.loads(told)["pid"]
                if "State:\tZ" not in (read(f"/proc/{pid}/status") or "State:\tZ"):
                    found.append(pid)
    return found


def need_limits():
    """Skips what control groups do, where we have none: without root, and version 2 alone."""
    if homerun().ready["limits"] != "held":
        raise Skip(f"no control groups: {stand.ready['limits']}")


def outside_number(pid):
    """Whom the process PID runs as, as this machine numbers users."""
    return int(read(f"/proc/{pid}/status").split("Uid:")[1].split()[0])


def is_nobody(user):
    """Whether the number is of no account of this machine: of a container's users."""
    return 65536 <= user != os.geteuid() if ROOTLESS else user >= 1 << 31


# ---- what a user sees ----

@test
def an_imported_image_is_private_then_answers_then_sleeps_and_wakes():
    service("first", public=False)
    assert ask("first").status == 403
    token = homerun().token("identity")
    assert ask("first", token=token).text == "a page\n"
    wait_until(lambda: not instances("first"), "asleep", 20)
    assert ask("first").status == 403
    assert not instances("first"), "a refused request woke it"
    assert ask("first", token=token).text == "a page\n"
    rows = homerun().cli("images", "list").stdout
    assert re.search(r"^web:1 +container +sha256:[0-9a-f]{12} .* first-00001-", rows, re.M), rows


@test
def gcloud_deploys_it():
    need("gcloud")
    homerun().gcloud("run", "deploy", "by-gcloud", "--image=web:1", "--no-allow-unauthenticated")
    assert ask("by-gcloud").status == 403
    assert ask("by-gcloud", token=homerun().token("identity")).text == "a page\n"


@test
def an_image_of_a_registry_is_resolved_to_a_digest_and_stays_what_it_was():
    registry = need("docker-registry")
    port = free_port()
    config = os.path.join(folder, "registry.yml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
                   f"http: {{addr: '127.0.0.1:{port}'}}\n")
    server = subprocess.Popen([registry, "serve", config], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(answers, "the registry answers")
        homerun()
        image = f"127.0.0.1:{port}/team/web:1"
        push = ["skopeo", "copy", "--dest-tls-verify=false"]
        run(*push, f"oci:{LAYOUT}:web", f"docker://{image}")
        service("pulled", image)
        assert ask("pulled").text == "a page\n"
        shown = homerun().api("GET", REVISIONS).text
        assert f"127.0.0.1:{port}/team/web@sha256:" in shown, shown
        other = make_image("other", serves="/bin/httpd -f -p 0.0.0.0:$PORT -h /etc")
        run(*push, other, f"docker://{image}")
        wait_until(lambda: not instances("pulled"), "asleep", 20)
        assert ask("pulled").text == "a page\n", "the tag has moved, the revision has not"
        got = put_service(stand, "missing", f"127.0.0.1:{port}/team/none:1")
        assert got.status == 200, got
        message = wait_settled(stand, "missing")["message"]
        assert "cannot be found in its registry" in message, message
    finally:
        server.kill()
        server.wait()
    wait_until(lambda: not instances("pulled"), "asleep", 20)
    assert ask("pulled").text == "a page\n", "what was pulled once needs no registry"


@contextlib.contextmanager
def registry_that(answer):
    """A registry of its own making on the loopback: ANSWER(handler) serves a GET or HEAD; its host."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer(self)

        do_HEAD = do_GET

        def log_message(self, *ignored):
            pass

        def say(self, status, body=b"", kind="application/json", **headers):
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": len(body), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(kind, data):
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def an_image(*layers):
    """Manifest, and all blobs by digest, of an image with these layers (tar, not compressed)."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        "config": {"Cmd": ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]}}).encode()
    oci = "application/vnd.oci.image."
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
        "config": blob(oci + "config.v1+json", config),
        "layers": [blob(oci + "layer.v1.tar", layer) for layer in layers]}).encode()
    return manifest, {digest_of(data): data for data in (manifest, config, *layers)}


def serving(manifest, blobs):
    def answer(request):
        name = request.path.rsplit("/", 1)[1]
        if "/manifests/" in request.path:
            request.say(200, manifest, "application/vnd.oci.image.manifest.v1+json")
        elif name in blobs:
            request.say(200, blobs[name], "application/octet-stream")
        else:
            request.say(200, b"{}")
    return answer


def a_layer(*members):
    """A tar: each member is a TarInfo and its content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def member(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    for field, value in {"mode": 0o755, **fields}.items():
        setattr(info, field, value)
    return info, data


def busybox_layer(*more):
    with open(shutil.which("busybox"), "rb") as file:
        program = file.read()
    links = [member(f"bin/{name}", type=tarfile.SYMTYPE, linkname="busybox") for name in APPLETS]
    return a_layer(member("bin", type=tarfile.DIRTYPE), member("bin/busybox", program), *links,
                   member("www", type=tarfile.DIRTYPE), member("www/page", b"a page\n"),
                   member("www/cgi-bin", type=tarfile.DIRTYPE),
                   member("www/cgi-bin/run", RUN.encode()), *more)


@test
def registries_that_stall_lie_or_send_elsewhere_are_told_of_and_hurt_nobody():
    homerun()
    manifest, blobs = an_image(busybox_layer())
    layer = next(d for d in blobs if len(blobs[d]) > 100000)

    def stall(request):
        time.sleep(40)

    def other_bytes(request):
        good = serving(manifest, {**blobs, layer: blobs[layer][:-1] + b"x"})
        good(request)

    def other_manifest(request, seen=[]):
        if "/manifests/sha256" in request.path:
            serving(manifest + b" ", blobs)(request)
        else:
            serving(manifest, blobs)(request)

    def elsewhere(request):
        request.say(307, b"", Location=f"http://{request.headers['Host']}{request.path}x")

    with contextlib.ExitStack() as all_of_them:
        hosts = {what.__name__: all_of_them.enter_context(registry_that(what))
                 for what in (stall, other_bytes, other_manifest, elsewhere)}
        for name, host in hosts.items():
            got = put_service(stand, "from-" + name.replace("_", "-"), f"{host}/team/app:1")
            assert got.status == 200, got
        for name in hosts:
            settled = wait_settled(stand, "from-" + name.replace("_", "-"), 60)
            assert settled["status"] == "False", (name, settled)
            assert "cannot be" in settled["message"], (name, settled["message"])
        service("walls")
        assert ask("walls").status == 200
    left = os.listdir(os.path.join(stand.data, "images", "layouts"))
    assert not [name for name in left if name.startswith(".")], left


@test
def an_image_that_is_not_there_for_this_platform_says_which_ones_there_are():
    homerun()
    manifest, blobs = an_image(busybox_layer())
    oci_type = "application/vnd.oci.image."

    def platform(os_name, architecture, **more):
        return {**blob(oci_type + "manifest.v1+json", manifest),
                "platform": {"os": os_name, "architecture": architecture, **more}}
    index = json.dumps({"schemaVersion": 2, "mediaType": oci_type + "index.v1+json", "manifests": [
        platform("linux", "s390x"), platform("windows", "amd64"), platform("linux", "arm", variant="v6"),
        platform("unknown", "unknown")]}).encode()

    def answer(request):
        if "/manifests/" in request.path and digest_of(manifest) not in request.path:
            request.say(200, index, oci_type + "index.v1+json")
        else:
            serving(manifest, blobs)(request)
    with registry_that(answer) as host:
        assert put_service(stand, "elsewhere", f"{host}/team/app:1").status == 200
        told = wait_settled(stand, "elsewhere", 60)["message"]
    assert "there are: linux/s390x, windows/amd64, linux/arm/v6" in told and "it needs linux/" in told, told
    config = json.loads(next(data for data in blobs.values() if b"rootfs" in data))
    config["architecture"] = "s390x"
    changed = json.dumps(config).encode()
    other = json.loads(manifest)
    other["config"] = blob(oci_type + "config.v1+json", changed)
    other = json.dumps(other).encode()
    blobs.update({digest_of(changed): changed, digest_of(other): other})
    with registry_that(serving(other, blobs)) as host:
        assert put_service(stand, "foreign-one", f"{host}/team/app:1").status == 200
        told = wait_settled(stand, "foreign-one", 60)["message"]
    assert "it is for linux/s390x, and this machine is linux/" in told, told
    roots = os.path.join(stand.data, "images", "roots")
    wait_until(lambda: not [name for name in os.listdir(roots) if name.startswith(".platforms")], "nothing is left")


@test
def two_services_that_ask_for_one_image_at_once_share_its_pull():
    homerun()
    pulls = []
    manifest, blobs = an_image(busybox_layer(member("only", b"of this test")))
    layer = next(d for d in blobs if len(blobs[d]) > 100000)
    plain = serving(manifest, blobs)

    def count(request):
        pulls.extend([1] if layer in request.path and request.command == "GET" else [])
        plain(request)
    with registry_that(count) as host:
        names = [f"shared{n}" for n in range(4)]
        for name in names:
            assert put_service(stand, name, f"{host}/team/app:{name[-1]}").status == 200
        for name in names:
            assert wait_settled(stand, name, 60)["status"] == "True", name
            assert ask(name).text == "a page\n"
    assert len(pulls) == 1, pulls


@test
def what_no_revision_uses_any_more_leaves_the_disk():
    homerun()
    manifest, blobs = an_image(busybox_layer(member("of", b"the registry")))
    with Homerun("--engine=oci", "--idle=1", "--plain") as other, \
            registry_that(serving(manifest, blobs)) as host:
        def on_disk(name):
            return os.listdir(os.path.join(other.data, "images", name))
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        deploy(other, "pulled", f"{host}/team/app:1")
        deploy(other, "imported", "web:1")
        assert len(on_disk("roots")) == 2 and len(on_disk("layouts")) == 1
        other.cli("images", "remove", "web:1", status=1)
        assert other.api("DELETE", f"{SERVICES}/pulled").status == 200
        pulled = digest_of(manifest)[7:]
        wait_until(lambda: pulled not in on_disk("roots"), "what was pulled has gone", 30)
        assert on_disk("pins") == []
        assert other.get(other.url("imported") + "/page").text == "a page\n"
        assert other.api("DELETE", f"{SERVICES}/imported").status == 200
        other.cli("images", "remove", "web:1")
        assert on_disk("layouts") == []
        deploy(other, "pulled", f"{host}/team/app:1")
        assert other.get(other.url("pulled") + "/page").text == "a page\n", "it is pulled again"


@test
def a_hostile_layer_gets_nothing_out_of_its_folder_and_no_rights_in_the_container():
    homerun()
    mark = os.path.join(folder, "out-of-the-image")
    up = "../" * 40
    block = {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0}
    memory = {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 1}
    layers = [
        busybox_layer(member("bin/own-id", b"#!/bin/sh\nid\n", mode=0o6755),
                      member("dev-disk", **block), member("dev-mem", **memory),
                      member("leads-out", type=tarfile.SYMTYPE, linkname=folder),
                      member("to-shadow", type=tarfile.SYMTYPE, linkname="/etc/shadow")),
        a_layer(member("leads-out/out-of-the-image", b"through a link")),
    ]
    for number, more in enumerate((
            [member(up + mark, b"by its name")],
            [member(mark, b"by an absolute name")],
            [member("x", type=tarfile.LNKTYPE, linkname=up + "etc/shadow")],
            [member("y", type=tarfile.SYMTYPE, linkname=up + folder),
             member("y/out-of-the-image", b"through another link")])):
        manifest, blobs = an_image(*layers, a_layer(*more))
        with registry_that(serving(manifest, blobs)) as host:
            name = f"hostile{number}"
            assert put_service(stand, name, f"{host}/team/app:1").status == 200
            settled = wait_settled(stand, name, 60)
        assert not os.path.exists(mark), (number, "something was written outside")
        if settled["status"] != "True":
            assert "cannot be unpacked" in settled["message"], settled
            continue
        told = inside(name, "head -c 1 /dev-mem | grep -c . ; head -c 1 /dev-disk | grep -c .; "
                      "cat /to-shadow /x; /bin/own-id; grep -E 'Cap(Eff|Prm)' /proc/self/status")
        assert told.splitlines().count("0") == 2 and "root:" not in told, told  # no device, or a file
        assert told.count("0000000000000000") == 2, told


@test
def a_program_of_this_machine_runs_in_a_container_too():
    site = os.path.join(folder, "site")
    os.makedirs(site)
    with open(os.path.join(site, "page"), "w", encoding="utf-8") as file:
        file.write("of this machine\n")
    homerun().cli("images", "add", "site:1", f"--dir={site}", "--", "sh", "-c",
                  'exec /usr/bin/python3 -m http.server "$PORT"')
    service("site", "site:1")
    assert ask("site").text == "of this machine\n"
    service("builtin", "homerun.test/hello")
    assert ask("builtin", "/").status == 200


@test
def command_arguments_variables_folder_and_user_are_the_deployments():
    make_image("user", "--config.user=web", "--config.env=COLOUR=red", "--config.env=SIZE=big",
               "--config.workingdir=/www", "--config.entrypoint=/bin/httpd", "--config.cmd=-f",
               "--config.cmd=-p", "--config.cmd=0.0.0.0:8080")
    homerun().cli("images", "import", "user:1", f"oci:{LAYOUT}:user")
    service("user", "user:1", container={"env": [{"name": "SIZE", "value": "small"}]})
    told = inside("user", "id; env; pwd")
    assert "uid=1000(web)" in told and "COLOUR=red" in told and "SIZE=small" in told, told
    assert "K_SERVICE=user" in told and "PORT=8080" in told, told
    service("args", "user:1", container={"args": ["-f", "-p", "8080", "-h", "/etc"]})
    assert "root:x:0" in ask("args", "/passwd").text
    service("command", "user:1", container={
        "command": ["/bin/sh", "-c", "exec httpd -f -p $PORT -h /etc"],
        "ports": [{"containerPort": 9000}]})
    assert "root:x:0" in ask("command", "/passwd").text
    make_image("nothing", "--config.env=A=b")
    homerun().cli("images", "import", "nothing:1", f"oci:{LAYOUT}:nothing")
    assert put_service(stand, "nothing", "nothing:1").status == 200
    assert "says nothing of what to run" in wait_settled(stand, "nothing")["message"]


@test
def what_it_writes_goes_to_the_log_line_by_line():
    service("talks", container={"command": ["/bin/sh", "-c",
                                            "echo one line; echo another >&2; "
                                            "exec httpd -f -p $PORT -h /www"]})
    wait_until(lambda: all(text in homerun().cli("services", "logs", "talks").stdout
                           for text in ("one line", "another")), "both lines")


@test
def sidecars_share_the_network_and_names():
    homerun()
    body = {"template": {"containers": [
        {"name": "web", "image": "web:1", "ports": [{"containerPort": 8080}], "dependsOn": ["side"]},
        {"name": "side", "image": "web:1", "command": ["/bin/httpd"],
         "args": ["-f", "-p", "9000", "-h", "/etc"],
         "startupProbe": {"tcpSocket": {"port": 9000}, "periodSeconds": 1}}]},
        "invokerIamDisabled": True}
    got = stand.api("POST", "/v2/projects/demo/locations/us-central1/services?serviceId=pair", body)
    assert got.status == 200, got
    assert wait_settled(stand, "pair")["status"] == "True"
    assert "root:x:0" in inside("pair", "wget -q -O - http://side:9000/passwd")


@test
def sigterm_is_heard_and_who_does_not_hear_it_is_killed():
    service("polite", container={"command": ["/bin/sh", "-c",
                                             "trap 'echo goodbye; exit 0' TERM; "
                                             "httpd -p $PORT -h /www; while :; do sleep 0.1; done"]})
    assert homerun().api("DELETE", f"{SERVICES}/polite").status == 200
    wait_until(lambda: "goodbye" in open(os.path.join(stand.data, "log", "instances.jsonl"),
                                         encoding="utf-8").read(), "it said goodbye", 10)


# ---- the walls ----

@test
def root_inside_is_nobody_outside_and_has_no_capability():
    service("walls")
    service("walls-too")
    told = inside("walls", "cat /proc/self/uid_map; grep Cap /proc/self/status; "
                  "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; id")
    first, other = (outside_number(instances(name)[0]) for name in ("walls", "walls-too"))
    assert is_nobody(first) and is_nobody(other), (first, other)
    assert ROOTLESS or abs(first - other) >= 65536, (first, other)
    assert told.count("0000000000000000") == 5, told
    assert "NoNewPrivs:\t1" in told and "Seccomp:\t2" in told and "uid=0" in told, told


@test
def nothing_of_this_machine_is_seen():
    service("walls")
    data = os.path.abspath(stand.data)
    told = inside("walls", f"ls {data}; ls {folder}; ls /root /home; ps; ls /proc; hostname")
    assert "owner.json" not in told and "layout" not in told, told
    assert socket.gethostname() not in told.split(), told
    numbers = [word for word in told.split() if word.isdigit()]
    assert all(int(number) < 100 for number in numbers), told
    host = open("/proc/sys/kernel/random/boot_id", encoding="utf-8").read()
    assert host  # the machine's, which is no secret
    for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list"):
        assert not inside("walls", f"head -c 100 {path}").startswith("\x7f"), path
    site = inside_program("ls /root /home /etc; cat /etc/shadow; ls /proc; cat " +
                          os.path.join(data, "owner.json"))
    assert "private_key" not in site and "root:" not in site, site


def inside_program(script):
    """The same of a program of this machine, by a page of python's."""
    homerun()
    site = os.path.join(folder, "cgi", "cgi-bin")
    if not os.path.exists(site):
        os.makedirs(site)
        with open(os.path.join(site, "run"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
                       'eval "$(head -c $CONTENT_LENGTH)" 2>&1\n')
        os.chmod(os.path.join(site, "run"), 0o755)
        stand.cli("images", "add", "cgi:1", f"--dir={folder}/cgi", "--", "sh", "-c",
                  'exec /usr/bin/python3 -m http.server --cgi "$PORT"')
        service("cgi", "cgi:1")
    got = ask("cgi", "/cgi-bin/run", method="POST", body=script.encode())
    assert got.status == 200, got
    return got.text


@test
def the_ways_out_that_are_tried_lead_nowhere():
    service("walls")
    for script in ("mount -t tmpfs none /tmp && echo OUT", "mount -o remount,rw /proc/sys && echo OUT",
                   "umount /proc && echo OUT", "unshare -m true && echo OUT",
                   "unshare -U true && echo OUT", "unshare -n true && echo OUT",
                   "unshare -p true && echo OUT",
                   "chroot / true && echo OUT", "mknod /tmp/d b 8 0 && echo OUT",
                   "mknod /tmp/m c 1 1 && echo OUT", "nsenter -t 1 -n true && echo OUT",
                   "dmesg && echo OUT", "hostname other && echo OUT",
                   "echo 1 > /proc/sys/kernel/panic && echo OUT",
                   "echo b > /proc/sysrq-trigger && echo OUT",
                   "echo /tmp/x > /proc/sys/kernel/core_pattern && echo OUT",
                   "echo x > /sys/kernel/uevent_helper && echo OUT",
                   "echo 1 > /sys/fs/cgroup/memory.max && echo OUT",
                   "mkdir /sys/fs/cgroup/x && echo OUT",
                   "kill -9 -1; ls /proc/1/root/etc/shadow && echo OUT",
                   "cat /proc/1/environ | grep HOMERUN && echo OUT"):
        got = ask("walls", "/cgi-bin/run", method="POST", body=script.encode())
        assert "OUT" not in got.text, (script, got)


# Calls that lead out of a container, or into the kernel's less trodden parts: what is not refused is
# printed. A refusal is EPERM, EACCES or ENOSYS; EFAULT or EINVAL would mean that the kernel looked.
ATTACKER = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
static void show(const char *name, long got)
{
    if (got >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS)) {
        printf("OUT %s (%ld, %d)\n", name, got, errno);
    }
}
#define TRY(name, ...) (errno = 0, show(#name, syscall(SYS_##name, ##__VA_ARGS__)))
int main(void)
{
    static char zero[4096];
    TRY(bpf, 0, zero, 64); TRY(keyctl, 0, -3, 1); TRY(add_key, "user", "x", "y", 1, -3);
    TRY(request_key, "user", "x", 0, -3); TRY(userfaultfd, 0); TRY(io_uring_setup, 4, zero);
    TRY(io_uring_enter, 0, 0, 0, 0, 0); TRY(io_uring_register, 0, 0, 0, 0);
    TRY(perf_event_open, zero, 0, -1, -1, 0); TRY(ptrace, PTRACE_ATTACH, 1, 0, 0);
    TRY(ptrace, PTRACE_TRACEME, 0, 0, 0); TRY(process_vm_readv, 1, zero, 1, zero, 1, 0);
    TRY(process_vm_writev, 1, zero, 1, zero, 1, 0); TRY(kcmp, 1, 1, 0, 0, 0);
    TRY(mount, "none", "/tmp", "tmpfs", 0, 0); TRY(umount2, "/proc", 2);
    TRY(pivot_root, "/", "/tmp"); TRY(chroot, "/"); TRY(fsopen, "tmpfs", 0);
    TRY(open_tree, -100, "/", 1); TRY(move_mount, -100, "", -100, "/tmp", 0);
    TRY(mount_setattr, -100, "/", 0, zero, 32); TRY(unshare, CLONE_NEWUSER);
    TRY(unshare, CLONE_NEWNS); TRY(unshare, CLONE_NEWNET); TRY(unshare, CLONE_NEWPID);
    TRY(setns, 0, 0); TRY(clone3, zero, 88);
    TRY(clone, CLONE_NEWUSER | 17, 0, 0, 0, 0); TRY(clone, CLONE_NEWNET | 17, 0, 0, 0, 0);
    TRY(open_by_handle_at, -100, zero, 0); TRY(init_module, zero, 1, "");
    TRY(finit_module, 0, "", 0); TRY(delete_module, "x", 0); TRY(kexec_load, 0, 0, 0, 0);
    TRY(kexec_file_load, 0, 0, 0, "", 0); TRY(reboot, 0xfee1dead, 672274793, 0, 0);
    TRY(swapon, "/x", 0); TRY(swapoff, "/x"); TRY(acct, "/x"); TRY(quotactl, 0, "", 0, 0);
    TRY(syslog, 3, zero, 100); TRY(settimeofday, zero, 0); TRY(clock_settime, 0, zero);
    TRY(adjtimex, (int[64]){1}); TRY(sethostname, "x", 1); TRY(setdomainname, "x", 1);
    TRY(iopl, 3); TRY(ioperm, 0, 1, 1); TRY(fanotify_init, 0, 0); TRY(vhangup);
    TRY(lookup_dcookie, 0, zero, 1); TRY(pidfd_getfd, 0, 0, 0); TRY(personality, 0x0008000);
    TRY(mknod, "/tmp/d", 0060600, 0x800); TRY(socket, 38, 5, 0); /* AF_ALG */
    TRY(socket, 40, 1, 0); /* AF_VSOCK */ TRY(socket, 17, 3, 768); /* AF_PACKET */
    TRY(socket, AF_INET, SOCK_RAW, 1); TRY(socket, AF_NETLINK, SOCK_RAW, 12); /* netfilter */
    TRY(socket, 31, 3, 1); /* AF_BLUETOOTH */ TRY(socket, 29, 3, 1); /* AF_CAN */
    TRY(socket, AF_NETLINK, SOCK_RAW, 4); /* sock_diag */ TRY(capset, (int[]){0x20080522, 0}, (int[]){-1, -1, -1, -1, -1, -1});
    puts("tried");
    return 0;
}
"""


@test
def a_program_that_tries_the_kernels_doors_finds_them_closed():
    need("gcc")
    source, program = os.path.join(folder, "attacker.c"), os.path.join(folder, "attacker")
    with open(source, "w", encoding="utf-8") as file:
        file.write(ATTACKER)
    run("gcc", "-static", "-w", "-o", program, source)
    with open(program, "rb") as file:
        data = file.read()
    homerun()
    manifest, blobs = an_image(busybox_layer(member("attacker", data)))
    with registry_that(serving(manifest, blobs)) as host:
        service("attacks", f"{host}/team/attacker:1")
    told = inside("attacks", "/attacker")
    assert "tried" in told and "OUT" not in told, told


# What public check lists for escapes look for, in words of our own: prints what is found. It runs as root of a container.
LIST = r"""
import glob, os, re, socket, stat
def out(name, found):
    if found:
        print("OUT", name, found)
def text(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""
def opens(path, flags):
    try:
        os.close(os.open(path, flags))
        return path
    except OSError:
        return None
def every(top, wanted):
    for folder, names, files in os.walk(top):
        names[:] = [one for one in names if os.path.join(folder, one) not in ("/proc", "/usr")]
        for name in files + names:
            path = os.path.join(folder, name)
            try:
                if wanted(path, os.lstat(path)):
                    yield path
            except OSError:
                pass
status = text("/proc/self/status")
out("capabilities", [line for line in status.splitlines() if line.startswith("Cap") and int(line.split()[1], 16)])
out("privileges to be had", "NoNewPrivs:\t1" not in status)
out("no filter of calls", "Seccomp:\t2" not in status)
for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"):
    out("namespace of the machine", os.readlink("/proc/self/ns/" + kind) == MACHINE[kind] and kind)
out("groups of the machine", [line for line in text("/proc/1/cgroup").splitlines() if not line.endswith(":/") and "/.." not in line])
out("device", [path for path in every("/dev", lambda path, info: stat.S_ISBLK(info.st_mode))])
out("memory", [path for path in ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/proc/kcore")
               if opens(path, os.O_RDONLY) and os.path.getsize(path)])
out("socket of a daemon", [path for path in every("/", lambda path, info: stat.S_ISSOCK(info.st_mode))])
out("abstract socket", text("/proc/net/unix").splitlines()[1:])
out("control group", [path for path in every("/", lambda path, info: os.path.basename(path) in (
    "release_agent", "notify_on_release", "devices.allow", "cgroup.procs"))])
out("mount that can be written", [line for line in text("/proc/self/mounts").splitlines() if line.split()[2] not in (
    "tmpfs", "overlay", "proc", "devpts", "devtmpfs") and "ro" not in line.split()[3].split(",")])
out("mount of set-user-ID", [line for line in text("/proc/self/mounts").splitlines()
                             if line.split()[2] not in ("tmpfs", "devtmpfs") and "nosuid" not in line.split()[3].split(",")
                             and line.split()[1].split("/")[1] not in ("proc", "sys")])
writable = [path for top in ("/proc/sys", "/sys", "/proc/irq", "/proc/bus", "/proc/fs") for path in every(
    top, lambda path, info: stat.S_ISREG(info.st_mode) and os.access(path, os.W_OK))]
out("switch of the kernel", writable)
out("switch of the kernel", [path for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe", "/proc/sys/fs/binfmt_misc/register", "/sys/kernel/uevent_helper",
    "/sys/power/state", "/proc/sys/vm/drop_caches", "/proc/acpi/wakeup") if opens(path, os.O_WRONLY)])
out("route to loopbacks", text("/proc/sys/net/ipv4/conf/all/route_localnet").strip() not in ("0", ""))
out("kernel log", [path for path in ("/proc/kmsg", "/dev/kmsg") if opens(path, os.O_RDONLY | os.O_NONBLOCK)])
out("addresses of the kernel", re.findall(r"(?m)^0*[1-9a-f][0-9a-f]* ", text("/proc/kallsyms"))[:3])
out("keys", text("/proc/keys").strip())
out("program from outside", [path for path in glob.glob("/proc/[0-9]*/exe") if "crun" in os.path.realpath(path)])
out("program can be replaced", opens("/proc/1/exe", os.O_WRONLY))
out("files from outside", [path for path in glob.glob("/proc/[0-9]*/fd/*") if os.path.exists(path) and not stat.S_ISFIFO(
    os.stat(path).st_mode) and re.search("^/run/homerun|crun|cgroup|^" + DATA, os.path.realpath(path))])
out("account of a cluster", os.path.exists("/var/run/secrets/kubernetes.io"))
out("secrets of the environment", re.findall("(?:HOMERUN|DOCKER|KUBE|AWS)[A-Z_]*=", text("/proc/1/environ").replace("\0", "\n")))
for host in ("127.0.0.1", "10.0.2.2", "10.0.2.3", "169.254.169.253", "169.254.169.254"):
    for port in (22, 2375, 2376, 2379, 4243, 5000, 6443, 8001, 9323, 10250, 10255, 10256):
        with socket.socket() as other:
            other.settimeout(0.5)
            out("port of a daemon", other.connect_ex((host, port)) == 0 and (host, port))
print("looked")
"""


@test
def what_public_check_lists_look_for_is_not_there():
    own = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")}
    told = inside_program(f"python3 - <<'END'\nMACHINE = {own!r}\nDATA = {stand.data!r}\n{LIST}\nEND")
    assert told.strip().endswith("looked") and "OUT" not in told, told


@test
def the_files_of_homerun_and_of_others_are_out_of_reach_from_inside():
    service("walls")
    service("walls-too")
    assert ask("walls-too").status == 200  # it is awake now
    other = instances("walls-too")[0]
    data = os.path.abspath(stand.data)
    told = inside("walls", f"""
        for f in {data}/owner.json {data}/homerun.db {data}/index/front {data}/signer \
                 /proc/1/root{data}/owner.json /run/homerun /proc/{other}/root \
                 /proc/1/cwd/../../../../..{data}/owner.json /proc/self/root/../..{data}/signer \
                 /sys/fs/cgroup/memory /sys/kernel/debug /proc/kcore /proc/sys/kernel/modprobe; do
            [ "$(head -c 1 $f 2>/dev/null | wc -c)" = 1 ] && echo OUT $f
        done
        for n in $(seq 3 40); do [ -e /proc/1/fd/$n ] && ls -l /proc/1/fd/$n; done
        grep -v ' / ' /proc/self/mountinfo | grep -E '{folder}|{data}'
        cat /proc/1/environ | tr '\\0' '\\n' | grep -E 'HOMERUN|CREDENTIALS'
        ls /dev""")
    assert "OUT" not in told and data not in told and "HOMERUN" not in told, told
    devices = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm",
               "mqueue", "fd", "stdin", "stdout", "stderr", "core"}
    seen = set(told.splitlines()[-20:])
    assert {name for name in seen if "/" not in name and " " not in name} <= devices, seen


def own_address():
    """An address of this machine that is no loopback."""
    told = subprocess.run(["ip", "-4", "-o", "addr", "show", "scope", "global"],
                          capture_output=True, text=True).stdout.split()
    if "inet" not in told:
        raise Skip("this machine has no address but its loopback")
    return told[told.index("inet") + 1].split("/")[0]


def call(name, host, port):
    """What comes of connecting to HOST from inside: what the other end says, or why not."""
    return inside(name, f"timeout 4 nc -w 2 {host} {port} </dev/null || echo failed: $?")


@contextlib.contextmanager
def greeter():
    """A server on all addresses of this machine that greets and closes; its port."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    other = server.accept()[0]
                    with other:
                        other.sendall(b"HELLO")
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@test
def the_way_out_leads_to_the_network_and_to_no_loopback_nor_neighbour():
    need("slirp4netns")
    service("walls")
    service("neighbour")
    stays_within(homerun(), "slirp4netns")


@test
def pasta_leads_to_the_network_and_to_no_loopback_nor_neighbour_either():
    need("pasta")
    homerun()
    with Homerun("--engine=oci", "--egress=pasta", "--plain") as other:
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        for name in ("walls", "neighbour"):
            deploy(other, name, "web:1")
        stays_within(other, "pasta")


def stays_within(homerun_stand, program):
    """What the way out of the service "walls" leads to, and to what it does not."""
    api = homerun_stand.api_url.rsplit(":", 1)[1]

    def inside(name, script):
        got = homerun_stand.get(homerun_stand.url(name) + "/cgi-bin/run", method="POST",
                                body=script.encode())
        assert got.status == 200, got
        return got.text

    def call(name, host, port):
        return inside(name, f"timeout 4 nc -w 2 {host} {port} </dev/null || echo failed: $?")
    with greeter() as port:
        told = call("walls", own_address(), port)
        assert told.startswith("HELLO"), told  # pasta is late to say that it was closed
        for host in ("127.0.0.1", "10.0.2.2", "10.0.2.3", "0.0.0.0"):
            told = call("walls", host, port)
            assert "HELLO" not in told and "failed" in told, (host, told)
            assert "failed" in call("walls", host, api), host
    told = call("walls", own_address(), api)
    assert "failed" in told and "HTTP" not in told, (told, "what listens on the loopback alone")
    assert "refused" in call("walls", "10.0.2.100", 9999), "each has this address, and for itself"
    assert "No route" in inside("walls", "nc -w 2 169.254.170.2 80 </dev/null"), \
        "a cloud's servers by link"
    process = ways_out(homerun_stand)
    assert process
    for pid in process:
        status = read(f"/proc/{pid}/status")
        assert is_nobody(outside_number(pid)) and "Seccomp:\t2" in status, status
        assert read(f"/proc/{pid}/comm").startswith(program[:3]), "pasta is passt.avx2 there"


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


@test
def without_a_way_out_there_is_a_loopback_and_nothing_else():
    homerun()
    with Homerun("--engine=oci", "--egress=none", "--plain") as other:
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        deploy(other, "alone", "web:1")
        got = other.get(other.url("alone") + "/cgi-bin/run", method="POST",
                        body=b"ifconfig -a; nc -w 2 192.0.2.1 80 </dev/null")
        assert "127.0.0.1" in got.text and "eth" not in got.text, got
        assert "unreachable" in got.text, got


@test
def no_port_of_an_instance_is_open_on_this_machine():
    service("walls")
    api = homerun().api_url.rsplit(":", 1)[1]
    engine_ports = [line.split()[1] for line in open("/proc/net/tcp", encoding="utf-8")
                    if line.split()[3] == "0A"]
    assert not [port for port in engine_ports if port.endswith(":1F90")
                and port.startswith("0100007F") and int(api) != 8080], \
        "an instance's port is open on this machine"


@test
def what_one_instance_writes_is_gone_with_it_and_never_in_the_image():
    service("writes")
    assert inside("writes", "echo mine > /www/page; cat /www/page") == "mine\n"
    wait_until(lambda: not instances("writes"), "asleep", 20)
    assert ask("writes").text == "a page\n"


# ---- limits ----

@test
def a_fork_bomb_ends_at_its_limit_and_nobody_else_feels_it():
    service("bomb")
    service("walls")
    told = inside("bomb", "n=0; for i in $(seq 1 1500); do sleep 20 & done; ls /proc | grep -c '^[0-9]'")
    assert ask("walls").status == 200
    numbers = [int(word) for word in told.split() if word.isdigit()]
    assert not numbers or numbers[-1] <= 1024, told[-300:]


@test
def memory_is_held_to_its_limit():
    need_limits()
    service("eats", container={"resources": {"limits": {"memory": "64Mi", "cpu": "1"}}},
            spec={"containerConcurrency": 1})
    got = ask("eats", "/cgi-bin/run", method="POST",
              body=b"dd if=/dev/zero of=/tmp/big bs=1M count=300; echo; ls -s /tmp/big")
    written = [int(word) for word in got.text.split() if word.isdigit()]
    assert got.status in (200, 503) and all(size < 70000 or size > 10**7 for size in written), got
    wait_until(lambda: ask("eats").status == 200, "it serves again", 20)
    service("hungry", container={"resources": {"limits": {"memory": "64Mi", "cpu": "1"}},
                                 "command": ["/bin/sh", "-c", "httpd -p $PORT -h /www; sleep 0.5; "
                                             "x=0123456789; while :; do x=$x$x; done"]},
            template_notes={SCALE + "minScale": "1"})  # else it may go to sleep before
    wait_until(lambda: "the memory limit was reached" in
               homerun().cli("services", "logs", "hungry").stdout, "the log says so", 30)
    assert stand.api("DELETE", f"{SERVICES}/hungry").status == 200


@test
def concurrency_is_strict_and_many_wake_at_once():
    for number in range(6):
        service(f"many{number}", spec={"containerConcurrency": 1}, template_notes={
            SCALE + "maxScale": "2"})
    wait_until(lambda: not any(instances(f"many{n}") for n in range(6)), "asleep", 30)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        got = list(pool.map(lambda n: ask(f"many{n % 6}").status, range(24)))
    assert got == [200] * 24, got


# ---- the runtime contract ----

@test
def a_volume_in_memory_is_shared_by_the_containers_of_an_instance_and_goes_with_it():
    homerun()
    mount = {"name": "shared", "mountPath": "/shared"}
    body = {"template": {
        "volumes": [{"name": "shared", "emptyDir": {"medium": "MEMORY", "sizeLimit": "4Mi"}}],
        "containers": [
            {"name": "web", "image": "web:1", "ports": [{"containerPort": 8080}],
             "volumeMounts": [mount]},
            {"name": "side", "image": "web:1", "volumeMounts": [{**mount, "mountPath": "/deep/er"}],
             "command": ["/bin/sh", "-c", "echo by the side > /deep/er/note; exec sleep 1000"]}]},
        "invokerIamDisabled": True}
    got = stand.api("POST", "/v2/projects/demo/locations/us-central1/services?serviceId=volumes",
                    body)
    assert got.status == 200, got
    assert wait_settled(stand, "volumes")["status"] == "True"
    wait_until(lambda: inside("volumes", "cat /shared/note") == "by the side\n", "the note is there")
    told = inside("volumes", "dd if=/dev/zero of=/shared/big bs=1M count=8; ls -s /shared/big")
    assert "No space" in told, told
    shown = stand.api("GET", f"{SERVICES}/volumes").text
    assert "has no effect here" not in shown, shown
    ids = containers_of(stand, "volumes")
    wait_until(lambda: not instances("volumes"), "asleep", 20)
    wait_until(lambda: not containers_of(stand, "volumes") & ids, "they are gone", 20)
    assert inside("volumes", "ls /shared/big") != "/shared/big\n", "of the instance before"


@test
def an_instance_whose_readiness_fails_gets_no_requests_until_it_passes_again():
    if ROOTLESS:
        raise Skip("only root can write a file into a container from outside")
    page = {"httpGet": {"path": "/ready"}, "periodSeconds": 1, "failureThreshold": 1,
            "successThreshold": 1}
    service("ready", container={"readinessProbe": page,
                                "command": ["/bin/sh", "-c", "echo yes > /www/ready; "
                                            "exec httpd -f -p $PORT -h /www"]},
            template_notes={SCALE + "minScale": "1", SCALE + "maxScale": "1"})
    assert ask("ready").status == 200
    first = instances("ready")
    inside("ready", "rm /www/ready")
    log = lambda: homerun().cli("services", "logs", "ready").stdout
    wait_until(lambda: "READINESS HTTP probe" in log(), "it is found not ready", 20)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, "ready")
        open(f"/proc/{first[0]}/root/www/ready", "w", encoding="utf-8").close()
        wait_until(lambda: "passed again" in log(), "it is ready again", 20)
        assert waiting.result().status == 200
    assert instances("ready") == first, "it has stayed"
    assert stand.api("DELETE", f"{SERVICES}/ready").status == 200


@test
def a_start_has_more_cpu_and_an_instance_that_serves_has_what_was_asked_for():
    need_limits()
    notes = {"run.googleapis.com/startup-cpu-boost": "true"}
    service("boost", template_notes=notes,
            container={"resources": {"limits": {"memory": "64Mi", "cpu": "1"}}})

    def quotas(names):
        paths = [json.loads(read(os.path.join(crun_state(stand.data), name, "status")) or "{}")
                 .get("cgroup-path", "") for name in names]
        return [(read(f"/sys/fs/cgroup/cpu{path}/cpu.cfs_quota_us") or
                 read(f"/sys/fs/cgroup{path}/cpu.max") or "none").split()[0] for path in paths]
    wait_until(lambda: quotas(containers_of(stand, "boost")) == ["100000"], "it serves with one CPU")
    wait_until(lambda: quotas(waits_prepared(stand, "boost")) == ["200000"], "the next starts with two")


@test
def what_a_container_uses_of_memory_and_cpu_is_in_the_metrics():
    need_limits()
    service("uses", template_notes={SCALE + "minScale": "1"},
            container={"command": ["/bin/sh", "-c", "httpd -p $PORT -h /www; "
                                   "x=$(head -c 20000000 /dev/zero | tr '\\0' a); "
                                   "while :; do :; done"]})

    def figures():
        text = homerun().api("GET", "/metrics").text
        return {line.split("{")[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                if 'service="uses"' in line and ("memory" in line or "cpu" in line)}
    wait_until(lambda: any("memory" in name and 10**7 < value < 6 * 10**8
                           for name, value in figures().items()) and
               any("cpu" in name and value > 0.5 for name, value in figures().items()),
               "its memory and its CPU are there", 40)
    assert stand.api("DELETE", f"{SERVICES}/uses").status == 200


# ---- the metadata server ----

METADATA = "http://169.254.169.254/computeMetadata/v1/"


def metadata(name, path, host="169.254.169.254"):
    """What the metadata server of an instance answers from inside."""
    return inside(name, f"wget -q -O - --header 'Metadata-Flavor: Google' "
                  f"http://{host}/computeMetadata/v1/{path}")


@test
def each_instance_has_a_metadata_server_that_knows_its_account():
    homerun()
    runner = stand.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "runner"}).json
    spec = {"containerConcurrency": 5, "serviceAccountName": runner["email"]}
    service("plain-account")
    service("own-account", spec=spec)
    default = f"{stand.ready['projectNumber']}-compute@developer.gserviceaccount.com"
    at = "instance/service-accounts/default/"
    assert metadata("plain-account", at + "email") == default
    assert metadata("own-account", at + "email", "metadata.google.internal") == runner["email"]
    assert metadata("own-account", "project/project-id") == "demo"
    ids = {metadata(name, "instance/id") for name in ("plain-account", "own-account")}
    assert len(ids) == 2, ids
    token = json.loads(metadata("own-account", at + "token"))["access_token"]
    told = stand.api("GET", f"/tokeninfo?access_token={token}", token=None)
    assert told.status == 200 and told.json["email"] == runner["email"], told
    other = metadata("own-account", f"instance/service-accounts/{default}/token")
    assert "access_token" not in other and "404" in other, other
    refused = inside("own-account", f"wget -q -O - {METADATA}project/project-id")
    assert "demo" not in refused and "403" in refused, refused


@test
def a_disabled_account_gets_no_token_and_a_restarted_metadata_server_answers_again():
    homerun()
    email = stand.api("POST", "/v1/projects/demo/serviceAccounts",
                      {"accountId": "closing"}).json["email"]
    service("closing", spec={"containerConcurrency": 5, "serviceAccountName": email},
            template_notes={SCALE + "minScale": "1"})
    at = "instance/service-accounts/default/token"
    assert "access_token" in metadata("closing", at)
    before = stand.pids("metadata")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: stand.pids("metadata") not in ([], before), "another metadata server", 20)
    wait_until(lambda: "access_token" in metadata("closing", at), "it answers again", 20)
    stand.api("POST", f"/v1/projects/demo/serviceAccounts/{email}:disable", {})
    assert "access_token" not in metadata("closing", at)
    assert stand.api("DELETE", f"{SERVICES}/closing").status == 200


@test
def port_80_is_the_containers_and_the_metadata_server_answers_beside_it():
    if ROOTLESS:
        raise Skip("the kernel takes the program that this needs (BPF) from root alone")
    service("eighty", container={"ports": [{"containerPort": 80}]})
    assert ask("eighty").text == "a page\n"
    assert metadata("eighty", "project/project-id") == "demo"
    assert inside("eighty", "wget -q -O - http://127.0.0.1/page") == "a page\n"


# ---- waiting prepared ----

def crun_state(data):
    """Where crun keeps what it knows of the containers of a data folder: in memory."""
    folder_of_it = os.stat(data)
    name = f"homerun-crun-{folder_of_it.st_dev:x}-{folder_of_it.st_ino:x}{OWNER}"
    return next(path for path in (os.path.join(place, name) for place in STATES)
                if os.path.isdir(path))


def containers_of(homerun_stand, name):
    """The IDs of the containers of a service that crun knows, whether they run or wait."""
    state = crun_state(homerun_stand.data)
    return {entry for entry in os.listdir(state)
            if f"K_SERVICE={name}" in (read(os.path.join(state, entry, "config.json")) or "")}


def waits_prepared(homerun_stand, name):
    """Those that are made and not started: crun keeps the pipe by which it will be told to."""
    state = crun_state(homerun_stand.data)
    return {entry for entry in containers_of(homerun_stand, name)
            if os.path.exists(os.path.join(state, entry, "exec.fifo"))} if not instances(name) else set()


@test
def a_service_that_has_gone_to_sleep_waits_prepared_and_wakes_from_there():
    service("waits")
    waiting = wait_until(lambda: waits_prepared(stand, "waits"), "one is prepared", 30)
    assert metadata("waits", "instance/id") == next(iter(waiting)).rsplit("-", 1)[0]
    assert ask("waits").text == "a page\n"
    wait_until(lambda: waits_prepared(stand, "waits") - waiting, "the next is prepared", 30)
    assert stand.api("DELETE", f"{SERVICES}/waits").status == 200
    wait_until(lambda: not containers_of(stand, "waits"), "none waits for a service that has gone")


@test
def so_many_wait_as_may_and_the_one_that_waits_longest_goes():
    homerun()
    with Homerun("--engine=oci", "--idle=1", "--plain", "--prepared=1") as other:
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        for name in ("older", "newer"):
            deploy(other, name, "web:1")
            wait_until(lambda: waits_prepared(other, name), f"{name} is prepared", 30)
        wait_until(lambda: not containers_of(other, "older"), "the older one goes")
        assert waits_prepared(other, "newer")
        assert other.get(other.url("older") + "/page").text == "a page\n", "it wakes all the same"


def states(homerun_stand, name):
    told = json.loads(homerun_stand.cli("instances", name, "--format=json").stdout)
    return [one["state"] for one in told]


@test
def a_frozen_instance_goes_on_where_it_was_and_the_oldest_one_ends():
    need_limits()
    with Homerun("--engine=oci", "--idle=1", "--plain", "--frozen=1") as other:
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        for name in ("stiff", "stiffer"):
            deploy(other, name, "web:1")
            wait_until(lambda: states(other, name) == ["FROZEN"], f"{name} is frozen", 30)
        wait_until(lambda: "FROZEN" not in states(other, "stiff"), "there is room for one", 30)
        same = instances("stiffer")
        assert len(same) == 1
        assert other.get(other.url("stiffer") + "/page").text == "a page\n"
        assert instances("stiffer") == same, "another one was started"
        wait_until(lambda: states(other, "stiffer") == ["FROZEN"], "frozen again", 30)
        before = other.pids("engine")
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: other.pids("engine") not in ([], before), "another engine", 20)
        assert other.get(other.url("stiffer") + "/page").text == "a page\n"
        assert instances("stiffer") == same, "the next engine did not adopt it"
        wait_until(lambda: states(other, "stiffer") == ["FROZEN"], "frozen by the next engine", 30)
        assert other.api("DELETE", f"{SERVICES}/stiffer").status == 200
        wait_until(lambda: not instances("stiffer"), "a frozen one ends like any other", 30)


@test
def one_request_at_a_time_means_never_two_whoever_calls():
    service("single", spec={"containerConcurrency": 1}, template_notes={SCALE + "maxScale": "2"})
    script = "mkdir /tmp/one || echo TWICE; sleep 0.01; rmdir /tmp/one; echo done"
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        told = list(pool.map(lambda _: inside("single", script), range(300)))
    assert set(told) == {"done\n"}, set(told)


@test
def a_container_that_dies_between_requests_fails_none():
    service("dies", "homerun.test/hello")
    for _ in range(3):
        assert ask("dies").status == 200  # and a connection to it is kept
        os.kill(instances("dies")[0], signal.SIGKILL)
        assert ask("dies").status == 200


@test
def roll_outs_under_load_lose_no_request():
    def roll_out(version):
        service("rolls", container={"env": [{"name": "V", "value": str(version)}]})
    roll_out(0)
    statuses, over = [], threading.Event()

    def ask_on():
        while not over.is_set():
            statuses.append(ask("rolls").status)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_on) for _ in range(4)]
        try:
            for version in range(1, 6):
                roll_out(version)
        finally:
            over.set()
        for one in asking:
            one.result()
    assert len(statuses) > 20 and set(statuses) == {200}, statuses
    assert "V=5" in inside("rolls", "env")


# Answers an upgrade, and then sends back what it gets.
TUNNEL = """printf '%s\n' 'while read -r line; do [ "$line" = "$(printf "\\\\r")" ] && break; done' \\
'printf "HTTP/1.1 101 Switching Protocols\\\\r\\\\nUpgrade: websocket\\\\r\\\\nConnection: Upgrade\\\\r\\\\n\\\\r\\\\n"' \\
'exec cat' > /tmp/tunnel; exec nc -ll -p $PORT -e /bin/sh /tmp/tunnel"""


def opened(name, head, body=""):
    """A connection to a service on which a request has been answered, and the answer goes on."""
    host = homerun().url(name).split("//", 1)[1]
    raw = socket.create_connection(("127.0.0.1", int(homerun().ready["http"].rsplit(":", 1)[1])), timeout=30)
    raw.sendall((head + f"\r\nHost: {host}\r\n\r\n{body}").encode())
    return raw, raw.recv(4096)


@test
def what_streams_keeps_its_instance_awake():
    service("streams")
    service("tunnels", container={"command": ["/bin/sh", "-c", TUNNEL]})
    service("sleeper")
    body = "while echo data; do sleep 0.1; done"
    stream, answer = opened("streams", f"POST /cgi-bin/run HTTP/1.1\r\nContent-Length: {len(body)}", body)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    tunnel, answer = opened("tunnels", "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    assert answer.startswith(b"HTTP/1.1 101"), answer
    same = instances("streams"), instances("tunnels")
    for _ in range(2):  # as long as it takes another one to go to sleep
        assert ask("sleeper").status == 200
        wait_until(lambda: not instances("sleeper"), "another one sleeps", 30)
    assert (instances("streams"), instances("tunnels")) == same, "it was put to sleep"
    tunnel.sendall(b"still here")
    assert tunnel.recv(100) == b"still here"
    assert stream.recv(100)
    stream.close()
    tunnel.close()
    wait_until(lambda: not instances("streams") + instances("tunnels"), "they sleep then", 30)


@test
def services_wake_grow_and_sleep_while_control_is_away():
    service("alone", spec={"containerConcurrency": 1}, template_notes={SCALE + "maxScale": "2"})
    wait_until(lambda: not instances("alone"), "asleep", 30)
    control = homerun().pids("control")[0]
    os.kill(control, signal.SIGSTOP)
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(inside, "alone", "while [ ! -e /tmp/go ]; do sleep 0.1; done; echo done")
                      for _ in range(2)]
            both = wait_until(lambda: len(instances("alone")) == 2 and instances("alone"), "one for each", 30)
            for pid in both:
                wait_until(lambda: os.path.exists(f"/proc/{pid}/root/tmp"), "it runs")
                with open(f"/proc/{pid}/root/tmp/go", "w", encoding="utf-8"):
                    pass
            assert [one.result() for one in asking] == ["done\n"] * 2
        wait_until(lambda: not instances("alone"), "asleep again", 30)
        assert ask("alone").text == "a page\n"
    finally:
        os.kill(control, signal.SIGCONT)


# ---- faults ----

def is_noted(name):
    """Whether another engine would find the instance of a service."""
    notes = os.path.join(stand.data, "run", "instances")
    return any(f'service\\":\\"{name}\\"' in (read(os.path.join(notes, note)) or "").replace(" ", "")
               for note in os.listdir(notes))


def kill_engine():
    before = homerun().pids("engine")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: homerun().pids("engine") not in ([], before), "another engine", 20)


def ways_out(homerun_stand):
    """The processes that lead out of the networks of its instances."""
    notes = os.path.join(homerun_stand.data, "run", "egress")
    return [read(os.path.join(notes, name)).split()[0] for name in os.listdir(notes)]


@test
def containers_go_on_serving_while_the_engine_is_killed_and_the_next_adopts_them():
    service("lives", template_notes={SCALE + "minScale": "1", SCALE + "maxScale": "1"})
    service("prepared")
    wait_until(lambda: waits_prepared(stand, "prepared"), "one is prepared", 30)
    wait_until(lambda: is_noted("lives"), "it is noted")
    first = instances("lives")
    assert len(first) == 1
    before = metadata("lives", "instance/id")
    statuses, over = [], threading.Event()

    def ask_on():
        while not over.is_set():
            statuses.append(ask("lives").status)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask_on) for _ in range(2)]
        kill_engine()
        kill_engine()
        over.set()
        for one in asking:
            one.result()
    assert statuses and set(statuses) == {200}, statuses
    assert instances("lives") == first, "it was not the same any more"
    assert metadata("lives", "instance/id") == before
    inside("lives", "echo after the engine > /proc/1/fd/1")
    wait_until(lambda: "after the engine" in homerun().cli("services", "logs", "lives").stdout,
               "what it writes is read on", 20)
    assert ask("prepared").text == "a page\n"
    assert stand.api("DELETE", f"{SERVICES}/lives").status == 200
    wait_until(lambda: not instances("lives"), "an adopted one ends like any other", 30)


@test
def an_adopted_container_that_exits_or_is_killed_is_replaced():
    service("falls", template_notes={SCALE + "minScale": "1", SCALE + "maxScale": "1"})
    wait_until(lambda: is_noted("falls"), "it is noted")
    kill_engine()
    first = instances("falls")
    assert len(first) == 1
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: instances("falls") not in ([], first), "another one", 30)
    wait_until(lambda: ask("falls").status == 200, "it serves again", 20)
    assert stand.api("DELETE", f"{SERVICES}/falls").status == 200


def cruns_of(homerun_stand):
    """Processes of crun for the containers of a stand, also those that wait to become a program."""
    state = crun_state(homerun_stand.data)
    return [pid for pid in filter(str.isdigit, os.listdir("/proc"))
            if f"crun\0--root\0{state}\0" in (read(f"/proc/{pid}/cmdline") or "")]


@test
def an_engine_killed_while_crun_works_leaves_no_half_of_a_container():
    homerun()
    with Homerun("--engine=oci", "--idle=1", "--plain", "--prepared=8") as other:
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        for number in range(4):
            deploy(other, f"half{number}", "web:1")
        for _ in range(3):  # they go to sleep and are prepared anew while this happens
            for number in range(4):
                other.get(other.url(f"half{number}") + "/page")
            wait_until(lambda: cruns_of(other), "crun is at work", 30)
            before = other.pids("engine")
            os.kill(before[0], signal.SIGKILL)
            wait_until(lambda: other.pids("engine") not in ([], before), "another engine", 20)
        assert other.get(other.url("half0") + "/page").status == 200
        state = crun_state(other.data)
    left = [pid for pid in filter(str.isdigit, os.listdir("/proc"))
            if state in (read(f"/proc/{pid}/cmdline") or "")]
    assert not left, left


@test
def after_a_kill_of_all_nothing_of_it_is_left_once_it_starts_again():
    homerun()
    other = Homerun("--engine=oci", "--plain", "--idle=2", "--frozen=4")
    try:
        other.start()
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        deploy(other, "stiff", "web:1")
        if other.ready["limits"] == "held":
            wait_until(lambda: states(other, "stiff") == ["FROZEN"], "one is frozen", 30)
        else: # nothing can be frozen: what waits is prepared
            wait_until(lambda: waits_prepared(other, "stiff"), "one waits", 30)
        deploy(other, "orphan", "web:1")
        assert len(instances("orphan")) == 1
        out = ways_out(other)
        assert len(out) == 2 * (shutil.which("slirp4netns") is not None)
        everybody = [p["pid"] for p in other.read_ready()["processes"]]
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        other.process.wait(10)
        os.remove(other.ready_file)
        other.start()
        wait_until(lambda: not instances("orphan") + instances("stiff"), "they have ended", 20)
        assert not containers_of(other, "orphan") | containers_of(other, "stiff")
        wait_until(lambda: not [pid for pid in out if (read(f"/proc/{pid}/comm") or "")
                                .startswith("slirp")], "its way out has ended", 10)
        for place in ("out", "egress", "instances"):
            assert os.listdir(os.path.join(other.data, "run", place)) == [], place
        assert other.get(other.url("orphan") + "/page").status == 200
    finally:
        other.close()


@test
def the_end_of_all_leaves_no_process_mount_or_group():
    service("last")
    data = stand.data
    known = os.listdir(crun_state(data))
    assert known
    stand.stop()
    assert not instances("last")
    mounts = open("/proc/self/mounts", encoding="utf-8").read()
    assert "/run/homerun" not in mounts and data not in mounts
    place = os.stat(data)
    name = f"homerun-crun-{place.st_dev:x}-{place.st_ino:x}{OWNER}"
    assert not [one for one in STATES if os.path.exists(os.path.join(one, name))]
    assert not os.path.exists(os.path.join(data, "run", "crun")), "what crun knows is in memory"
    groups = {name for _, folders, _ in os.walk("/sys/fs/cgroup") for name in folders}
    assert not [name for name in known if name in groups]


@test
def who_has_neither_root_nor_users_of_their_own_is_told_at_once():
    if os.geteuid() != 0:
        raise Skip("only root can be somebody else")
    plain = Homerun("--engine=auto", user=65534) # no range of /etc/subuid is of that one
    try:
        plain.spawn()
        assert plain.process.wait(30) == 1
        told = plain.printed()
        assert "without root" in told and "--engine=process" in told, told
        assert "/etc/subuid has no 65536 numbers" in told or "apt-get install uidmap" in told, told
    finally:
        plain.close()


@test
def without_a_flag_it_is_containers_and_where_none_can_start_it_says_so_and_ends():
    homerun()
    with Homerun("--engine=auto") as chosen:
        assert chosen.ready["walls"] == "containers", chosen.ready
    if ROOTLESS:
        return
    forbidden = Homerun("--engine=auto")
    forbidden.wrap = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro none '
                      '/sys/fs/cgroup; exec "$@"', "sh")
    try:
        forbidden.spawn()
        assert forbidden.process.wait(60) == 1
        told = forbidden.printed()
        assert "no container can start" in told and "--engine=process" in told, told
    finally:
        forbidden.close()


if __name__ == "__main__":
    main()
