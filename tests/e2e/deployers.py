#!/usr/bin/env python3
"""Who may deploy gains nothing but that: a program of this machine runs as whoever registered it
said, as a user of its own, where nobody can reach it past the gate, and probes ask it alone."""
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.parse

from by_api import SERVICES, deploy, put_service, ready_condition, service_body, wait_settled
from homerun import PYTHON, Homerun, Skip, finally_do, main, test, wait_until

folder = tempfile.mkdtemp(prefix="homerun-deployers-")
os.chmod(folder, 0o755)
stand = Homerun("--idle=30")
DEVELOPER = "user:dev@example.com"
SITE = f'exec {PYTHON} -m http.server --bind 127.0.0.1 "$PORT"'
V2 = "/v2/projects/demo/locations/us-central1/services"


@finally_do
def close():
    stand.close()
    shutil.rmtree(folder, ignore_errors=True)


def homerun():
    if stand.process is None:
        stand.start()
        os.makedirs(os.path.join(folder, "site", "sub"))
        for name, text in (("site/page", "a page"), ("site/sub/page", "below"),
                           ("secret", "not for deployers")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        os.symlink(folder, os.path.join(folder, "site", "out"))
        os.symlink(os.path.abspath(stand.data), os.path.join(folder, "site", "data"))
        stand.cli("images", "add", "site:1", f"--dir={folder}/site", "--env=GREETING=hello,NAME",
                  "--", "sh", "-c", SITE)
        policy = stand.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
        for role in ("roles/run.developer", "roles/iam.serviceAccountUser"):
            policy["bindings"].append({"role": role, "members": [DEVELOPER]})
        assert stand.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": policy}).status == 200
    return stand


def developer():
    return homerun().token("access", member=DEVELOPER)


def v1(name, image="site:1", **container):
    """Deploys as the developer, in the words of v1."""
    body = service_body(name, image, public=False, container=container)
    del body["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"]
    return homerun().api("POST", SERVICES, body, token=developer())


def v2(name, image="site:1", **container):
    body = {"template": {"containers": [{"image": image, **container}]}}
    return homerun().api("POST", f"{V2}?serviceId={name}", body, token=developer())


def refused(field, says, **container):
    """The same is refused in v1, in v2, and for a service that is there already."""
    names = {"v1": "spec.template.spec.containers[0].", "v2": "template.containers[0]."}
    for version, call in (("v1", v1), ("v2", v2)):
        got = call("attack", **container)
        assert got.status == 400, (version, container, got)
        assert says in got.text, (version, says, got.text)
        assert names[version] + field in got.text, (version, got.text)
    assert homerun().api("GET", f"{SERVICES}/attack").status == 404


def ask(name, path="/"):
    token = homerun().token("identity")
    return homerun().get(homerun().url(name) + path, token=token)


# ---- the chain from roles/run.developer to owner ----

@test
def a_developer_deploys_a_program_as_it_was_registered():
    got = v1("plain")
    assert got.status == 200, got
    assert wait_settled(homerun(), "plain")["status"] == "True"
    assert ask("plain", "/page").text == "a page"


@test
def a_working_folder_lies_inside_of_the_images_folder():
    data = os.path.abspath(homerun().data)
    for where in (data, "/", "..", "../", "sub/../..", "sub/../../..", "out", "out/", "data",
                  "./data", "sub/../out", folder, f"{folder}/site/..", f"{folder}/site/out",
                  f"{folder}/site2", "/proc/self/root", "/tmp", "/root", f"/{data}",
                  f"{folder}/site/../site/../../..{data}"):
        refused("workingDir", "folder", workingDir=where)
    for number, where in enumerate(("sub", "./sub", "sub/", f"{folder}/site/sub", "sub/../sub")):
        got = v1(f"inside{number}", workingDir=where)
        assert got.status == 200, (where, got)
        assert wait_settled(homerun(), f"inside{number}")["status"] == "True", where
        assert ask(f"inside{number}", "/page").text == "below", where


@test
def variables_that_were_not_declared_are_refused_whatever_reads_them():
    for name in ("PATH", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "NODE_OPTIONS", "PERL5LIB",
                 "PERL5OPT", "RUBYOPT", "RUBYLIB", "BASH_ENV", "ENV", "IFS", "LD_PRELOAD",
                 "LD_LIBRARY_PATH", "LD_AUDIT", "GCONV_PATH", "LOCPATH", "MALLOC_CONF",
                 "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "GIT_SSH_COMMAND", "HOME",
                 "SSL_CERT_FILE", "OPENSSL_CONF", "BASH_FUNC_exec%%", "SHELLOPTS", "PS4",
                 "GLIBC_TUNABLES", "XDG_CONFIG_HOME", "COLOUR", "path", "Path"):
        refused("env", name, env=[{"name": name, "value": "/tmp/x"}])
    got = v2("source", env=[{"name": "PYTHONPATH", "valueSource": {
        "secretKeyRef": {"secret": "s", "version": "1"}}}])
    assert got.status == 400 and "PYTHONPATH" in got.text, got
    got = v1("declared", env=[{"name": "GREETING", "value": "hi"}, {"name": "NAME", "value": "n"}])
    assert got.status == 200, got


@test
def neither_command_nor_arguments_are_a_deployers():
    for command in (["sh"], ["/bin/sh"], ["python3"], ["sh", "-c"], ["env"],
                    ["sh", "-c", "cat $OWNER"]):
        refused("command", "cannot replace the program", command=command)
        refused("command", "cannot replace the program", command=command, args=["-c", "id"])
    refused("args", "--allow-args", args=["-c", "id"])
    refused("args", "--allow-args", args=[""])
    assert v1("same", command=["sh", "-c", SITE]).status == 200


@test
def sidecars_are_held_to_the_same():
    body = {"template": {"containers": [
        {"name": "web", "image": "homerun.test/hello", "ports": [{"containerPort": 8080}]},
        {"name": "side", "image": "site:1", "env": [{"name": "PATH", "value": "/tmp/x"}]}]}}
    got = homerun().api("POST", f"{V2}?serviceId=attack", body, token=developer())
    assert got.status == 400 and "template.containers[1].env" in got.text, got
    got = homerun().api("POST", f"{V2}?serviceId=attack&validateOnly=true", body, token=developer())
    assert got.status == 400, got


@test
def an_update_is_held_to_the_same():
    assert v1("later").status == 200
    body = service_body("later", "site:1", public=False,
                        container={"env": [{"name": "BASH_ENV", "value": "/tmp/x"}]})
    del body["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"]
    got = homerun().api("PUT", f"{SERVICES}/later", body, token=developer())
    assert got.status == 400 and "BASH_ENV" in got.text, got
    got = homerun().api("PATCH", f"{V2}/later", {"template": {"containers": [
        {"image": "site:1", "args": ["x"]}]}}, token=developer())
    assert got.status == 400 and "--allow-args" in got.text, got
    done = homerun().cli("services", "update", "later", "--set-env-vars=PYTHONPATH=/tmp", status=1)
    assert "PYTHONPATH" in done.stderr and "--allow-env" in done.stderr, done.stderr


@test
def an_image_that_allows_less_than_it_did_runs_no_revision_that_asks_for_more():
    homerun().cli("images", "add", "shrinks", f"--dir={folder}/site", "--allow-args",
                  "--allow-env=safe", "--", "sh", "-c", SITE)
    got = v1("shrinks", "shrinks", args=["one"])
    assert got.status == 200, got
    assert wait_settled(homerun(), "shrinks")["status"] == "True"
    homerun().cli("images", "add", "shrinks", f"--dir={folder}/site", "--", "sh", "-c", SITE)
    got = v1("shrinks-again", "shrinks", args=["one"])
    assert got.status == 400, got


# ---- what a registrant may allow ----

ENV_OF = "import os,sys,json,http.server as h\n" \
         "class H(h.BaseHTTPRequestHandler):\n" \
         "  def do_GET(self):\n" \
         "    t=json.dumps({'env':dict(os.environ),'args':sys.argv[1:],'uid':os.getuid(),\n" \
         "      'gids':os.getgroups(),'data':os.access(os.environ['DATA'],os.R_OK)}).encode()\n" \
         "    self.send_response(200);self.send_header('Content-Length',str(len(t)))\n" \
         "    self.end_headers();self.wfile.write(t)\n" \
         "h.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()\n"


def add_mirror(name, *flags):
    homerun().cli("images", "add", name, f"--dir={folder}/site",
                  f"--env=DATA={os.path.abspath(homerun().data)}", *flags, "--", PYTHON, "-I",
                  "-c", ENV_OF)


@test
def declared_names_safe_ones_and_arguments_can_be_allowed():
    add_mirror("open", "--allow-env=safe", "--allow-env=RUBYOPT", "--allow-args", "--env=MINE=own")
    env = [{"name": "COLOUR", "value": "red"}, {"name": "RUBYOPT", "value": "-w"},
           {"name": "NODE_ENV", "value": "production"}]
    assert v1("open", "open", env=env, args=["one", "two"]).status == 200
    assert wait_settled(homerun(), "open")["status"] == "True"
    inside = ask("open").json
    assert inside["args"] == ["one", "two"], inside
    assert {n: inside["env"].get(n) for n in ("COLOUR", "RUBYOPT", "MINE", "NODE_ENV")} == {
        "COLOUR": "red", "RUBYOPT": "-w", "MINE": "own", "NODE_ENV": "production"}
    for name in ("PATH", "LD_PRELOAD", "PYTHONPATH", "BASH_ENV", "NODE_OPTIONS", "GEM_HOME"):
        got = v1("attack", "open", env=[{"name": name, "value": "x"}])
        assert got.status == 400 and name in got.text, (name, got)


@test
def a_registrant_is_told_what_is_dangerous_and_what_is_wrong():
    one = homerun()
    done = one.cli("images", "add", "risky", f"--dir={folder}/site", "--allow-env=NODE_OPTIONS",
                   "--allow-args", "--", "python3")
    assert "NODE_OPTIONS is read by Node" in done.stderr, done.stderr
    assert "python3 runs whatever its arguments say" in done.stderr, done.stderr
    done = one.cli("images", "add", "x", f"--dir={folder}/site", "--allow-env=all", "--", "true",
                   status=2)
    assert "safe" in done.stderr, done.stderr
    done = one.cli("images", "add", "x", f"--dir={folder}/site", "--env=PORT", "--", "true",
                   status=1)
    assert "PORT" in done.stderr, done.stderr
    data = os.path.abspath(one.data)
    for where in (data, os.path.dirname(data), f"{data}/log", "/"):
        done = one.cli("images", "add", "x", f"--dir={where}", "--", "true", status=1)
        assert "data folder" in done.stderr, (where, done.stderr)


@test
def the_built_in_image_takes_arguments_and_variables():
    got = v1("builtin", "homerun.test/hello", args=["x"], workingDir="/tmp", env=[
        {"name": "PATH", "value": "/tmp/x"}, {"name": "COLOUR", "value": "red"}])
    assert got.status == 200, got
    assert wait_settled(homerun(), "builtin")["status"] == "True"
    assert v1("attack", "homerun.test/hello",
              env=[{"name": "LD_PRELOAD", "value": "/tmp/x"}]).status == 400


# ---- users ----

def uids_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("Uid:"):
                return set(line.split()[1:])
    raise AssertionError(f"{pid} has no user")


def instances():
    """The users of all programs that the engine has started."""
    engine = homerun().pids("engine")[0]
    with open(f"/proc/{engine}/task/{engine}/children", encoding="utf-8") as file:
        return [uids_of(pid) for pid in file.read().split()]


@test
def each_instance_and_each_process_is_a_user_of_its_own():
    if os.geteuid() != 0:
        raise Skip("only root can start programs as other users")
    add_mirror("who")
    for name in ("who-a", "who-b"):
        assert v1(name, "who").status == 200
        assert wait_settled(homerun(), name)["status"] == "True"
    a, b = ask("who-a").json, ask("who-b").json
    assert a["uid"] != b["uid"] and 0 not in (a["uid"], b["uid"]), (a, b)
    assert a["gids"] == [] and a["data"] is False, a
    deploy(homerun(), "who-c")
    ours = [uids_of(pid) for role in ("ingress", "metadata") for pid in homerun().pids(role)]
    everybody = ours + instances()
    assert len(everybody) >= 5 and all(len(uids) == 1 for uids in everybody), everybody
    flat = [next(iter(uids)) for uids in everybody]
    assert len(set(flat)) == len(flat) and "0" not in flat, flat


@test
def what_an_instance_leaves_behind_ends_with_it():
    if os.geteuid() != 0:
        raise Skip("only root can start programs as other users")
    script = f"setsid setsid sleep 4321 & exec {PYTHON} -m http.server --bind 127.0.0.1 $PORT"
    homerun().cli("images", "add", "litter", f"--dir={folder}/site", "--", "sh", "-c", script)
    assert v1("litter", "litter").status == 200
    assert wait_settled(homerun(), "litter")["status"] == "True"
    find = ["pgrep", "-f", "^sleep 4321"]
    wait_until(lambda: subprocess.run(find, capture_output=True).stdout, "it sleeps")
    assert homerun().api("DELETE", f"{SERVICES}/litter").status == 200
    wait_until(lambda: not subprocess.run(find, capture_output=True).stdout, "it ended", 20)


@test
def a_user_who_is_not_root_is_told_what_that_means():
    if os.geteuid() != 0:
        raise Skip("only root can start programs as other users")
    assert "each instance is a user of its own" in homerun().cli("doctor").stdout
    with Homerun(user=65534) as plain:
        done = plain.cli("images", "add", "site", f"--dir={folder}/site", "--", "sh", "-c", SITE)
        assert "can read its data folder and keys" in done.stderr, done.stderr
        assert "can read the data folder" in plain.cli("doctor").stdout
        assert "instances run as you do, and can read the data folder" in plain.printed()
        deploy(plain, "site", "site")
        plain.cli("images", "add", "wide", f"--dir={folder}/site", "--", "sh", "-c",
                  f'{PYTHON} -m http.server --bind 0.0.0.0 0 & sleep 1; {SITE}')
        assert put_service(plain, "wide", "wide").status == 200
        assert "--listens-wide" in wait_settled(plain, "wide")["message"]


# ---- past the gate ----

def listening(port_range=(20000, 32500)):
    """(address, port) of what listens on ports that instances get."""
    found = []
    for name, wide in (("/proc/net/tcp", "00000000"), ("/proc/net/tcp6", "0" * 32)):
        with open(name, encoding="utf-8") as file:
            for line in file.readlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                address, port = local.split(":")
                if state == "0A" and port_range[0] <= int(port, 16) <= port_range[1]:
                    found.append((address == wide, int(port, 16)))
    return found


@test
def the_built_in_image_is_not_reached_past_the_gate():
    deploy(homerun(), "narrow", public=False)
    engine = homerun().pids("engine")[0]
    children = open(f"/proc/{engine}/task/{engine}/children", encoding="utf-8").read().split()
    ports = {int(text.split(b"=")[1]) for pid in children
             for text in open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
             if text.startswith(b"PORT=")}
    assert ports
    assert not [port for wide, port in listening() if wide and port in ports]


@test
def a_program_that_listens_wider_is_refused_unless_it_was_registered_so():
    for number, bind in enumerate(("0.0.0.0", "::", "0.0.0.0 & sleep 0.2; exec python3 -m "
                                   "http.server --bind 127.0.0.1")):
        script = f'exec {PYTHON} -m http.server --bind {bind} "$PORT"'
        if "&" in bind:  # on its own port it is as it should be; on another it is not
            script = f'{PYTHON} -m http.server --bind 0.0.0.0 0 & sleep 1; {SITE}'
        homerun().cli("images", "add", f"wide{number}", f"--dir={folder}/site", "--", "sh", "-c",
                      script)
        got = v1(f"wide{number}", f"wide{number}")
        assert got.status == 200, got
        condition = wait_settled(homerun(), f"wide{number}")
        assert condition["status"] == "False", condition
        assert "--listens-wide" in condition["message"], condition
        assert ask(f"wide{number}").status in (403, 404, 503)
    homerun().cli("images", "add", "wide0", f"--dir={folder}/site", "--listens-wide", "--", "sh",
                  "-c", f'exec {PYTHON} -m http.server --bind 0.0.0.0 "$PORT"')
    assert v1("wide-allowed", "wide0").status == 200
    assert wait_settled(homerun(), "wide-allowed")["status"] == "True"
    assert ask("wide-allowed", "/page").text == "a page"


UDP = "import http.server as h, os, socket, sys\n" \
      "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind((sys.argv[1],int(sys.argv[2])))\n" \
      "h.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),h.SimpleHTTPRequestHandler).serve_forever()\n"


def free_udp_port():
    """One below those that the kernel gives to clients."""
    for port in range(19000, 20000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


@test
def a_program_that_serves_udp_wider_is_refused_and_a_client_is_not():
    served = free_udp_port()
    for name, address, port, allowed in (("wide", "0.0.0.0", served, False),
                                         ("narrow", "127.0.0.1", served, True),
                                         ("client", "0.0.0.0", 0, True)):
        homerun().cli("images", "add", f"udp-{name}", f"--dir={folder}/site", "--", PYTHON, "-I", "-c",
                      UDP, address, str(port))
        assert v1(f"udp-{name}", f"udp-{name}").status == 200
        condition = wait_settled(homerun(), f"udp-{name}")
        assert condition["status"] == str(allowed), condition
        if not allowed:
            assert f"UDP port {served}" in condition["message"], condition
            assert "--listens-wide" in condition["message"], condition
            assert ask(f"udp-{name}").status in (403, 404, 503)
        else:
            assert homerun().api("DELETE", f"{SERVICES}/udp-{name}").status == 200
    homerun().cli("images", "add", "udp-wide", f"--dir={folder}/site", "--listens-wide", "--", PYTHON,
                  "-I", "-c", UDP, "0.0.0.0", str(served))
    assert v1("udp-allowed", "udp-wide").status == 200
    assert wait_settled(homerun(), "udp-allowed")["status"] == "True"


LATER = "import http.server as h, os, socket, threading\n" \
        "def wide():\n" \
        "  s=socket.create_server(('0.0.0.0',0)); s.listen(); threading.Event().wait()\n" \
        "class H(h.BaseHTTPRequestHandler):\n" \
        "  def do_GET(self):\n" \
        "    threading.Thread(target=wide,daemon=True).start()\n" \
        "    self.send_response(200);self.send_header('Content-Length','0');self.end_headers()\n" \
        "h.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()\n"


@test
def one_that_begins_to_listen_wider_ends():
    homerun().cli("images", "add", "later", f"--dir={folder}/site", "--", PYTHON, "-I", "-c", LATER)
    assert v1("turns", "later").status == 200
    assert wait_settled(homerun(), "turns")["status"] == "True"
    assert ask("turns").status == 200
    wait_until(lambda: "--listens-wide" in homerun().cli("services", "logs", "turns").stdout,
               "the log says why it ended", 20)


# ---- probes ----

class Listener:
    """A server of this machine that no instance may make us ask; counts who comes."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.came = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.came += 1
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.close()


@test
def probes_ask_the_instance_alone():
    listener = Listener()
    quick = {"periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 1}
    for number, action in enumerate(({"httpGet": {"path": "/", "port": listener.port}},
                                     {"tcpSocket": {"port": listener.port}},
                                     {"grpc": {"port": listener.port}})):
        name = f"probe{number}"
        assert put_service(homerun(), name, container={"startupProbe": {**action, **quick}}
                           ).status == 200
        condition = wait_settled(homerun(), name)
        assert condition["status"] == "False", condition
        assert "no program of this instance listens there" in condition["message"], condition
    deploy(homerun(), "lively", container={"livenessProbe": {
        "httpGet": {"path": "/", "port": listener.port}, **quick}})
    wait_until(lambda: "LIVENESS HTTP probe failed" in
               homerun().cli("services", "logs", "lively").stdout, "it was found unwell", 20)
    assert listener.came == 0
    listener.socket.close()


TWO = "import http.server as h, os, threading, sys\n" \
      "H=h.SimpleHTTPRequestHandler\n" \
      "other=h.ThreadingHTTPServer(('127.0.0.1',int(sys.argv[1])),H)\n" \
      "threading.Thread(target=other.serve_forever,daemon=True).start()\n" \
      "h.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()\n"


@test
def a_second_port_of_the_instance_can_be_probed():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    homerun().cli("images", "add", "two", f"--dir={folder}/site", "--", PYTHON, "-c", TWO, str(port))
    deploy(homerun(), "two", "two", container={"startupProbe": {
        "httpGet": {"path": "/page", "port": port}, "periodSeconds": 1, "timeoutSeconds": 1,
        "failureThreshold": 10}})


if __name__ == "__main__":
    main()
