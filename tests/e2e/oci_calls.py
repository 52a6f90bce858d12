#!/usr/bin/env python3
"""From service to service (--engine=oci): a program in an instance calls another service by its URL, with a
token of its metadata server, as on Cloud Run. Without an outgoing network, and behind proxies that are
believed: an instance is neither of them."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from by_api import RUN, SCALE, SERVICES, deploy, make_account, put_service, service_body, set_policy, wait_settled
from homerun import Homerun, Skip, finally_do, main, need, test, wait_until

folder = tempfile.mkdtemp(prefix="homerun-calls-")
os.chmod(folder, 0o755)
stand = Homerun("--engine=oci", "--egress=none", "--internal=10.9.9.9/32,169.254.0.0/16",
                "--trusted-proxy=127.0.0.0/8,169.254.0.0/16")

# Does what it is sent; its own answers are how it is asked.
PROGRAM = r"""
import contextlib, http.server, io, json, os, socket, ssl, subprocess, time, traceback, urllib.error, urllib.request
def metadata(path):
    return urllib.request.urlopen(urllib.request.Request(
        "http://metadata.google.internal/computeMetadata/v1/" + path,
        headers={"Metadata-Flavor": "Google"})).read().decode()
def ask(url, audience=None, path="/page", **headers):
    if audience != "":
        headers["Authorization"] = "Bearer " + metadata(
            "instance/service-accounts/default/identity?audience=" + (audience or url))
    try:
        got = urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=20)
        return got.status, got.read().decode()
    except urllib.error.HTTPError as why:
        return why.code, ""
class Handler(http.server.BaseHTTPRequestHandler):
    def say(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())
    def do_GET(self):
        self.say(json.dumps({"service": os.environ["K_SERVICE"], **dict(self.headers)}))
    def do_POST(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            try:
                exec(self.rfile.read(int(self.headers["Content-Length"])).decode(), globals())
            except Exception:
                traceback.print_exc(file=out)
        self.say(out.getvalue())
    def log_message(self, *ignored):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""

# Listens where $AT says: "ADDRESS" at $PORT, "ADDRESS=PORT" elsewhere; ports from 9000 on answer a gRPC health check.
# An address of IPv6 alone is never one of IPv4 too.
BINDS = r"""
import http.server, os, socket, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["AT"].encode())
    def log_message(self, *ignored):
        pass
def page(connection, peer):
    with connection:
        Handler(connection, peer, None)
def frame(kind, flags, stream, data=b""):
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data
def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
def health(connection):
    data = connection.makefile("rb")
    data.read(24)  # the preface
    connection.sendall(frame(4, 0, 0))
    while head := data.read(9):
        data.read(int.from_bytes(head[:3], "big"))
        stream = int.from_bytes(head[5:], "big")
        if stream > 0 and head[4] & 1:  # the request has ended
            connection.sendall(
                frame(1, 4, stream, b"\x88" + literal(b"content-type", b"application/grpc")) +
                frame(0, 0, stream, b"\0\0\0\0\2\x08\1") +
                frame(1, 5, stream, literal(b"grpc-status", b"0")))
def serve(at):
    address, _, port = at.partition("=")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, int(port or os.environ["PORT"])))
    listener.listen()
    grpc = listener.getsockname()[1] >= 9000
    while True:
        connection, peer = listener.accept()
        if grpc:
            threading.Thread(target=health, args=(connection,), daemon=True).start()
        else:
            threading.Thread(target=page, args=(connection, peer), daemon=True).start()
for at in os.environ["AT"].split():
    threading.Thread(target=serve, args=(at,)).start()
"""


@finally_do
def close():
    stand.close()
    shutil.rmtree(folder, ignore_errors=True)


def homerun():
    if stand.process is None:
        rootless = () if os.geteuid() == 0 else ("newuidmap", "newgidmap")
        for program in ("crun", "skopeo", "umoci", *rootless):
            need(program)
        if subprocess.run(["unshare", "--user", "--net", "--mount", "true"], check=False,
                          capture_output=True).returncode != 0:
            raise Skip("this kernel forbids namespaces")
        stand.start()
        with open(f"{folder}/site.py", "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        with open(f"{folder}/binds.py", "w", encoding="utf-8") as file:
            file.write(BINDS)
        stand.cli("images", "add", "site:1", f"--dir={folder}", "--", "python3", "site.py")
        stand.cli("images", "add", "binds:1", f"--dir={folder}", "--allow-env=AT", "--", "python3", "binds.py")
        stand.cli("images", "add", "sleeps:1", "--allow-env=AT", "--", "sleep", "1000")
        account = make_account(stand, "caller")
        deploy(stand, "caller", "site:1", spec={"serviceAccountName": account},
               template_notes={SCALE + "minScale": "1"})
        deploy(stand, "callee", "site:1", public=False)
        set_policy(stand, "callee", f"serviceAccount:{account}")
    return stand


def does(script, name="caller"):
    """What SCRIPT, in Python, prints in an instance."""
    got = homerun().get(homerun().url(name), method="POST", body=script.encode())
    assert got.status == 200, got
    return got.text


def called(name, *more):
    """The status that another service's URL answers with."""
    return does(f"print(ask({homerun().url(name)!r}{''.join(', ' + word for word in more)})[0])").strip()


@test
def a_private_service_is_called_by_its_url_with_a_token_of_the_metadata_server():
    url = homerun().url("callee")
    told = does(f"print(*ask({url!r}))")
    assert told.startswith("200 ") and '"service": "callee"' in told, told
    assert called("callee", "audience=''") == "403", "without a token"
    assert called("callee", "audience='https://other.example'") == "401", "by a token for somebody else"
    set_policy(stand, "callee")
    try:
        assert called("callee") == "403", "its account may not any more"
    finally:
        set_policy(stand, "callee", f"serviceAccount:caller@{'demo'}.iam.gserviceaccount.com")
    assert called("callee") == "200"
    other = [one for one in homerun().api("GET", "/v2/projects/demo/locations/us-central1/services/callee")
             .json["urls"] if one != url]
    assert len(other) == 1
    assert does(f"print(ask({other[0]!r}, audience={url!r})[0])").strip() == "200", other


@test
def clients_that_take_localhost_for_the_loopback_or_check_by_a_file_get_there_too():
    need("curl")
    url = homerun().url("callee")
    told = does(f"print(subprocess.run(['curl', '-sS', '-o', '/dev/null', '-w', '%{{http_code}}', {url!r}], "
                "capture_output=True, text=True))")
    assert "stdout='403'" in told, told
    told = does("print(ssl.create_default_context(cafile=os.environ['NODE_EXTRA_CA_CERTS']).cert_store_stats())")
    assert "'x509_ca': 1" in told, told


@test
def who_is_inside_is_known_by_the_instance_and_never_by_what_it_says():
    homerun()
    inside = {RUN + "ingress": "internal"}
    deploy(stand, "hidden", "site:1", notes=inside)
    assert stand.get(stand.url("hidden")).status == 404, "from outside"
    assert called("hidden", "audience=''") == "200", "a sibling of the project is inside"
    made = stand.api("POST", "/v3/projects", {"projectId": "other-one"}).json["response"]
    number = made["name"].split("/")[1]
    services = SERVICES.replace("demo", "other-one")
    got = stand.api("POST", services, service_body("hidden", "homerun.test/hello", notes=inside))
    assert got.status == 200, got
    url = wait_until(lambda: stand.api("GET", f"{services}/hidden").json["status"].get("url"), "its URL")
    assert number in url
    wait_until(lambda: any(one["type"] == "Ready" and one["status"] == "True" for one in stand.api(
        "GET", f"{services}/hidden").json["status"]["conditions"]), "it is ready")
    assert stand.get(url, headers={"X-Forwarded-For": "10.9.9.9"}).status == 200, "by a trusted proxy's word"
    for lies in ("", ", **{'X-Forwarded-For': '10.9.9.9'}", ", **{'X-Forwarded-Proto': 'http', "
                 "'X-Forwarded-For': '10.9.9.9, 127.0.0.1'}"):
        told = does(f"print(ask({url!r}, audience=''{lies})[0])").strip()
        assert told == "404", (lies, told)


@test
def nothing_but_services_is_behind_that_door():
    homerun()
    domain, port = stand.ready["domain"], stand.url("callee").rsplit(":", 1)[1]
    for host in ("auth", "console", "api"):
        for path in ("/", "/v1/projects", "/.well-known/openid-configuration"):
            told = does(f"""
context = ssl.create_default_context()
context.check_hostname = False
try:
    print(urllib.request.urlopen(urllib.request.Request('https://169.254.169.253:{port}{path}',
          headers={{'Host': '{host}.{domain}'}}), context=context, timeout=20).status)
except urllib.error.HTTPError as why:
    print(why.code)
""")
            assert told.strip() == "404", (host, path, told)
    ports = [one.rsplit(":", 1)[1].rstrip("/") for one in
             (stand.api_url, stand.ready["http"], f"x:{int(port) + 1}", "x:22")]
    told = does(f"""
for host in ('127.0.0.1', '169.254.169.253', '169.254.169.254'):
    for port in {ports}:
        try:
            socket.create_connection((host, int(port)), 3)
            print('OUT', host, port)
        except OSError:
            pass
print(sorted(name for name in os.listdir('/sys/class/net')))
""")
    assert told.strip() == "['lo']", told


@test
def names_of_services_are_known_and_no_others():
    homerun()
    told = does(f"""
for name in ('{stand.url('callee').split('/')[2].rsplit(':', 1)[0]}', 'CALLEE-1.US-CENTRAL1.{stand.ready['domain']}',
             'a-b-uc.a.{stand.ready['domain']}', '{stand.ready['domain']}', 'auth.{stand.ready['domain']}',
             'a.b.c.{stand.ready['domain']}', 'us-central1.{stand.ready['domain']}.example', 'example.com'):
    try:
        print(sorted(set(found[4][0] for found in socket.getaddrinfo(name, 443))))
    except OSError as why:
        print('none')
""")
    assert told.split("\n")[:-1] == ["['169.254.169.253']"] * 3 + ["none"] * 5, told


def binds(at, **container):
    return {"spec": {"containerConcurrency": 5}, "template_notes": {SCALE + "minScale": "1"},
            "container": {"env": [{"name": "AT", "value": at}], **container}}


@test
def who_listens_at_either_loopback_is_reached_and_probed_there():
    homerun()
    page = {"httpGet": {"path": "/"}, "periodSeconds": 1}
    health = {"grpc": {"port": 9000}, "periodSeconds": 1, "failureThreshold": 30}
    cases = {
        "v4-own": ("127.0.0.1", "127.0.0.1", {}),
        "v6-own": ("::1", "[::1]", {"livenessProbe": page, "readinessProbe": page}),
        "v6-all": ("::", "[::1]", {"startupProbe": {**page, "failureThreshold": 30}}),
        # Its start-up probe says nothing of where requests go to.
        "v6-grpc": ("::1 ::1=9000", "[::1]", {"startupProbe": health}),
        "v4-grpc": ("0.0.0.0 ::=9000", "127.0.0.1", {"startupProbe": health}),
    }
    for name, (at, _, container) in cases.items():
        deploy(stand, name, "binds:1", **binds(at, **container))

    def all_answer():
        for name, (at, _, _) in cases.items():
            got = stand.get(stand.url(name))
            assert got.status == 200 and got.text == at, (name, got)
    all_answer()
    rows = wait_until(lambda: (told := {one["service"]: one.get("address") for one in json.loads(
        stand.cli("instances", "--format=json").stdout)}) and all(told.get(name) for name in cases) and told,
        "all are listed")
    assert {name: rows[name] for name in cases} == {
        name: f"{address}:8080" for name, (_, address, _) in cases.items()}
    before = stand.pids("engine")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: stand.pids("engine") not in ([], before), "another engine", 30)
    all_answer()
    log = stand.cli("services", "logs", "v6-own").stdout
    assert "failed" not in log, log
    for name in cases:
        assert stand.api("DELETE", f"{SERVICES}/{name}").status == 200


@test
def who_listens_elsewhere_is_told_where_that_was_seen():
    homerun()
    soon = {"startupProbe": {"tcpSocket": {}, "periodSeconds": 2, "timeoutSeconds": 1, "failureThreshold": 1}}
    cases = {"elsewhere-v6": ("::1=3000 127.0.0.1=3001", "[::1]:3000, and not on port 8080"),
             "elsewhere-v4": ("0.0.0.0=3000", "it listens on 0.0.0.0:3000, and not on port 8080"),
             "loopback-2": ("127.0.0.2", "it listens on 127.0.0.2:8080, and not on port 8080 of its loopback"),
             "nowhere": ("0.0.0.0", "it listens on no port")}
    for name, (at, _) in cases.items():
        image = "sleeps:1" if name == "nowhere" else "binds:1"
        assert put_service(stand, name, image, **binds(at, **soon)).status == 200
    for name, (_, seen) in cases.items():
        told = wait_settled(stand, name)
        assert told["status"] == "False" and seen in told["message"], (name, told)
        assert stand.api("DELETE", f"{SERVICES}/{name}").status == 200


@test
def it_goes_on_when_a_worker_or_the_engine_is_killed():
    homerun()
    for role in ("ingress", "engine"):
        before = stand.pids(role)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(stand.pids(role)) == len(before) and before[0] not in stand.pids(role),
                   f"another {role}", 30)
        for _ in range(4):  # each worker takes its part
            wait_until(lambda: called("callee") == "200", f"after the {role}'s end", 30)


@test
def a_service_at_the_port_of_the_urls_serves_there_and_calls_others_all_the_same():
    if os.geteuid() != 0:
        raise Skip("the kernel takes the program that this needs (BPF) from root alone")
    homerun()
    port = int(stand.url("callee").rsplit(":", 1)[1])
    deploy(stand, "same-port", "site:1", container={"ports": [{"containerPort": port}]})
    assert stand.get(stand.url("same-port") + "/page").status == 200
    assert does(f"print(ask({stand.url('callee')!r}, audience='')[0])", "same-port").strip() == "403"


if __name__ == "__main__":
    main()
