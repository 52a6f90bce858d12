#!/usr/bin/env python3
"""The metadata server: its values, whom it answers, and tokens that die with their account."""
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.parse

from homerun import PYTHON, Homerun, Skip, fetch, finally_do, main, test, wait_until

FLAVOR = {"Metadata-Flavor": "Google"}
V1 = "/computeMetadata/v1/"
ACCOUNT = V1 + "instance/service-accounts/default/"

stand = Homerun()
finally_do(stand.close)


def homerun():
    if stand.process is None:
        stand.start()
        stand.cli("deploy", "hello", "--image=us-docker.pkg.dev/cloudrun/container/hello",
                  "--no-allow-unauthenticated")
    return stand


def ask(path, headers=FLAVOR, method="GET"):
    return fetch(homerun().ready["metadata"] + path, method, headers)


def compute():
    return f"{homerun().ready['projectNumber']}-compute@developer.gserviceaccount.com"


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def set_account(deed):
    project = homerun().ready["project"]
    done = homerun().api("POST", f"/v1/projects/{project}/serviceAccounts/{compute()}:{deed}", {})
    assert done.status == 200, done


@test
def the_values_of_the_project_and_the_instance_are_as_on_cloud_run():
    ready = homerun().ready
    number, region = ready["projectNumber"], ready["region"]
    for path, wanted in (("project/project-id", ready["project"]),
                         ("project/numeric-project-id", number),
                         ("instance/region", f"projects/{number}/regions/{region}"),
                         ("instance/zone", f"projects/{number}/zones/{region}-1"),
                         ("universe/universe-domain", "googleapis.com"),
                         ("instance/service-accounts/default/email", compute()),
                         (f"instance/service-accounts/{compute()}/email", compute()),
                         ("instance/service-accounts/default/aliases", "default\n"),
                         ("instance/service-accounts/default/scopes",
                          "https://www.googleapis.com/auth/cloud-platform\n")):
        got = ask(V1 + path)
        assert (got.status, got.text) == (200, wanted), (path, got)
        assert got.headers["Metadata-Flavor"] == "Google"
    assert ask(V1 + "instance/id").text.isdigit()


@test
def folders_are_listed_and_their_json_has_everything_but_tokens():
    assert ask("/").status == 200
    assert ask(V1).text == "instance/\nproject/\nuniverse/\n"
    assert ask(V1 + "instance/service-accounts/").text == f"{compute()}/\ndefault/\n"
    moved = ask(V1 + "instance/service-accounts")
    assert moved.status == 301 and moved.headers["Location"].endswith("/service-accounts/"), moved
    account = {"aliases": ["default"], "email": compute(),
               "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
    assert ask(ACCOUNT + "?recursive=true").json == account
    everything = ask(V1 + "?recursive=true").json
    assert everything["instance"]["serviceAccounts"] == {"default": account, compute(): account}
    assert everything["project"]["projectId"] == homerun().ready["project"]
    assert everything["project"]["numericProjectId"] == int(homerun().ready["projectNumber"])


@test
def what_is_not_there_is_404_and_what_cannot_be_asked_for_is_400_or_405():
    for path in ("/computeMetadata/v2/", V1 + "instance/attributes/", V1 + "project/project-id/x",
                 V1 + "instance/service-accounts/nobody@example.com/email",
                 V1 + "instance/service-accounts/nobody@example.com/?recursive=true"):
        assert ask(path).status == 404, path
    assert ask(ACCOUNT + "identity").status == 400
    assert ask(ACCOUNT + "identity?audience=").status == 400
    assert ask(ACCOUNT + "identity?audience=" + "a" * 5000).status == 400
    assert ask(V1 + "%zz").status == 400
    assert ask(V1 + "project/project-id", method="POST").status == 405


@test
def pages_proxies_and_rebound_names_get_nothing():
    path = ACCOUNT + "token"
    for headers in ({}, {"Metadata-Flavor": "Yahoo"}, {**FLAVOR, "X-Forwarded-For": "10.0.0.1"},
                    {**FLAVOR, "Host": "evil.example.com"}):
        got = ask(path, headers)
        assert got.status == 403 and "access_token" not in got.text, (headers, got)
    for host in ("metadata.google.internal", "169.254.169.254", "localhost:1"):
        assert ask(path, {**FLAVOR, "Host": host}).status == 200, host


@test
def programs_of_other_users_get_nothing():
    if os.geteuid() != 0:
        raise Skip("only root can be somebody else")
    program = "import sys,urllib.request as u\n" \
              "r=u.Request(sys.argv[1],headers={'Metadata-Flavor':'Google'})\n" \
              "try: print(u.urlopen(r).status)\n" \
              "except u.HTTPError as e: print(e.code)\n"
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        raise Skip("no python3 that another user can run")
    url = homerun().ready["metadata"] + ACCOUNT + "token"
    ran = subprocess.run([python, "-I", "-c", program, url], capture_output=True, text=True,
                         user=65534, group=65534, env={}, cwd="/")
    assert ran.stdout.strip() == "403", ran
    ran = subprocess.run([python, "-I", "-c", program, url], capture_output=True, text=True,
                         env={}, cwd="/")
    assert ran.stdout.strip() == "200", ran


# A program of this machine that passes on what its own metadata server says of a path.
PASSES_ON = """
import http.server, os, urllib.error, urllib.request
class Pass(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = urllib.request.Request("http://" + os.environ["GCE_METADATA_HOST"] + self.path,
                                       headers={"Metadata-Flavor": "Google"})
        try:
            got = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked)
        except urllib.error.HTTPError as why:
            got = why
        body = got.read()
        self.send_response(got.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *ignored):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Pass).serve_forever()
"""


@test
def a_program_of_a_revision_gets_tokens_of_the_account_that_it_runs_as():
    if os.geteuid() != 0:
        raise Skip("without users of their own, programs are the operator's")
    one = homerun()
    at = "/v1/projects/" + one.ready["project"] + "/serviceAccounts"
    one.cli("images", "add", "passes-on", "--dir=/usr", "--", PYTHON, "-I", "-c", PASSES_ON)
    accounts = {}
    for name in ("first", "second"):
        made = one.api("POST", at, {"accountId": f"runs-{name}"})
        assert made.status == 200, made
        accounts[name] = made.json
        one.cli("deploy", name, "--image=passes-on", f"--service-account={made.json['email']}",
                "--no-invoker-iam-check")

    def inside(name, path):
        return one.get(one.url(name) + path)
    for name, account in accounts.items():
        assert inside(name, ACCOUNT + "email").text == account["email"], name
        token = inside(name, ACCOUNT + "token").json["access_token"]
        who = one.api("GET", "/oauth2/v3/userinfo", token=token).json
        assert who["sub"] == account["uniqueId"], who
        identity = inside(name, ACCOUNT + "identity?audience=a").text
        assert claims_of(identity)["sub"] == account["uniqueId"], name
        # Its own alone, by no other name.
        for other in (compute(), *(a["email"] for a in accounts.values() if a is not account)):
            path = ACCOUNT.replace("default", other)
            for leaf in ("token", "email", "identity?audience=a"):
                assert inside(name, path + leaf).status == 404, (name, other, leaf)
    assert ask(ACCOUNT + "email").text == compute()
    # A successor of the server is told of them, and a disabled account has no more tokens.
    pid = one.pids("metadata")[0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: one.pids("metadata") and pid not in one.pids("metadata"), "a new one")
    wait_until(lambda: inside("first", ACCOUNT + "email").text == accounts["first"]["email"],
               "it knows the instance")
    assert one.api("POST", f"{at}/{accounts['second']['email']}:disable", {}).status == 200
    assert inside("second", ACCOUNT + "token").status == 403
    assert inside("first", ACCOUNT + "token").status == 200
    for name in accounts:
        assert one.api("DELETE", f"/v2/projects/{one.ready['project']}/locations/"
                       f"{one.ready['region']}/services/{name}").status == 200


# From each of the local ports that follow, asks the metadata server at ARGV[1]; prints the answers.
SHARES_PORTS = """
import http.client, socket, struct, sys, urllib.parse
parts = urllib.parse.urlsplit(sys.argv[1])
IP_LOCAL_PORT_RANGE = 51
for port in map(int, sys.argv[2:]):
    raw = socket.socket()
    try:
        raw.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=I", port << 16 | port))
        raw.connect((parts.hostname, parts.port))
    except OSError:
        continue  # an older kernel, or an earlier connection with these ends
    assert raw.getsockname()[1] == port
    client = http.client.HTTPConnection(parts.hostname)
    client.sock = raw
    client.request("GET", parts.path, headers={"Metadata-Flavor": "Google"})
    print(client.getresponse().status)
"""


@test
def a_local_port_shared_with_the_operator_makes_nobody_the_operator():
    if os.geteuid() != 0:
        raise Skip("only root can be somebody else")
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        raise Skip("no python3 that another user can run")
    url = homerun().ready["metadata"] + ACCOUNT + "token"
    nobody = {"user": 65534, "group": 65534}
    with contextlib.ExitStack() as open_ones:
        ports = []
        for _ in range(16):  # which of two connections stands first in the kernel depends on these
            elsewhere = open_ones.enter_context(socket.create_server(("127.0.0.1", 0), backlog=20))
            for _ in range(5):
                own = socket.create_connection(elsewhere.getsockname())
                ports.append(str(open_ones.enter_context(own).getsockname()[1]))
        for who, shared, status in ((nobody, ports[5:], "403"), ({}, ports[:5], "200")):
            ran = subprocess.run([python, "-I", "-c", SHARES_PORTS, url, *shared], text=True,
                                 capture_output=True, env={}, cwd="/", **who)
            assert ran.returncode == 0, ran
            if not ran.stdout:
                raise Skip("this kernel lets nobody choose a local port that is shared")
            assert set(ran.stdout.split()) == {status}, (who, ran)


@test
def an_access_token_opens_the_api_and_an_identity_token_a_service():
    got = ask(ACCOUNT + "token").json
    assert got["token_type"] == "Bearer" and 0 < got["expires_in"] <= 3600, got
    ready = homerun().ready
    services = f"/v2/projects/{ready['project']}/locations/{ready['region']}/services/hello"
    assert homerun().api("GET", services, token=got["access_token"]).status == 200
    url = homerun().url("hello")
    assert homerun().get(url).status == 403
    token = ask(ACCOUNT + "identity?format=full&audience=" + urllib.parse.quote(url, "")).text
    claims = claims_of(token)
    assert claims["aud"] == url and claims["email"] == compute(), claims
    assert homerun().get(url, token=token).status == 200
    other = ask(ACCOUNT + "identity?audience=https://example.com").text
    assert homerun().get(url, token=other).status == 401


@test
def scopes_of_the_query_are_those_of_the_token():
    asked = "https://www.googleapis.com/auth/run,https://www.googleapis.com/auth/userinfo.email"
    token = ask(ACCOUNT + "token?scopes=" + urllib.parse.quote(asked, "")).json["access_token"]
    assert claims_of(token)["scope"] == asked.replace(",", " ")


@test
def tokens_are_of_the_account_that_is_named_or_there_are_none():
    owner = homerun().ready["owner"]["email"]
    accounts = V1 + "instance/service-accounts/"
    for name in ("ANY", owner, "nobody@example.com", compute().upper(), f"{compute()}x", "Default",
                 f"{compute()}?uid=1", f"ANY@{homerun().ready['project']}", "de fault", "%c3%bc"):
        for leaf in ("token", "identity?audience=https://a.example", "email", "aliases", "scopes"):
            got = ask(accounts + urllib.parse.quote(name, safe="@%") + "/" + leaf)
            assert got.status == 404 and "ey" not in got.text[:2], (name, leaf, got)
    for name in ("default", compute(), compute().replace("@", "%40")):
        token = ask(f"{accounts}{name}/token").json["access_token"]
        assert claims_of(token)["email"] == compute(), name
        assert claims_of(ask(f"{accounts}{name}/identity?audience=a").text)["aud"] == "a", name


@test
def what_is_no_text_becomes_no_claim_and_no_token():
    for bad in ("%ff%fe", "a%c3", "%c0%80", "%ed%a0%80", "a%00b", "a%0ab", "%7f", "%f4%90%80%80",
                "https://a.example/%80"):
        for path in ("identity?audience=" + bad, "token?scopes=" + bad, "token?scopes=a," + bad):
            got = ask(ACCOUNT + path)
            assert got.status == 400, (path, got)
        assert ask(f"{V1}instance/service-accounts/{bad}/token").status in (400, 404), bad
    token = ask(ACCOUNT + "identity?audience=" + urllib.parse.quote("https://ü.example/日本")).text
    assert claims_of(token)["aud"] == "https://ü.example/日本"


@test
def a_proxy_between_is_seen_however_it_spells_its_headers():
    for name in ("X_Forwarded_For", "x-forwarded_for", "X-FORWARDED-FOR", "X_FORWARDED-HOST",
                 "Forwarded", "Via", "X-Forwarded-Proto"):
        got = ask(ACCOUNT + "token", {**FLAVOR, name: "10.0.0.1"})
        assert got.status == 403 and "access_token" not in got.text, (name, got)


@test
def a_disabled_account_gets_no_token_and_those_it_has_are_dead_when_the_call_returns():
    url = homerun().url("hello")
    identity = ask(ACCOUNT + "identity?audience=" + url).text
    access = ask(ACCOUNT + "token").json["access_token"]
    services = f"/v2/projects/{homerun().ready['project']}/locations/-/services"
    assert homerun().get(url, token=identity).status == 200
    set_account("disable")
    try:
        assert homerun().get(url, token=identity).status == 401
        assert homerun().api("GET", services, token=access).status == 401
        for path in ("token", "identity?audience=" + url, "email"):
            got = ask(ACCOUNT + path)
            assert got.status == 403 and "disabled" in got.text, got
    finally:
        set_account("enable")
    assert homerun().get(url, token=identity).status == 200
    assert ask(ACCOUNT + "token").status == 200


@test
def a_question_that_control_is_not_there_for_waits_for_its_successor():
    before = homerun().pids("control")
    os.kill(before[0], 9)
    got = ask(ACCOUNT + "email")
    assert (got.status, got.text) in ((200, compute()), (503, got.text)), got
    wait_until(lambda: homerun().pids("control") not in (before, []), "a new control")
    assert ask(ACCOUNT + "token").status == 200


@test
def it_is_followed_by_another_when_it_dies_and_exchanged_by_sighup():
    for end in (lambda pid: os.kill(pid, 9), lambda _: os.kill(stand.process.pid, 1)):
        before = homerun().pids("metadata")
        end(before[0])
        wait_until(lambda: homerun().pids("metadata") not in (before, []), "another one")
        assert ask(ACCOUNT + "token").status == 200


@test
def clients_that_leave_or_send_garbage_harm_nobody():
    port = urllib.parse.urlsplit(homerun().ready["metadata"]).port
    for text in (b"GET " + b"/" * 70000, b"\x00\xff\r\n\r\n", b"",
                 f"GET {ACCOUNT}token HTTP/1.1\r\nHost: localhost\r\nMetadata-Flavor: Google\r\n\r\n"
                 .encode()):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as raw:
                raw.sendall(text)
    assert ask(ACCOUNT + "token").status == 200


@test
def env_names_it_and_off_means_off():
    authority = urllib.parse.urlsplit(homerun().ready["metadata"]).netloc
    assert homerun().env["GCE_METADATA_HOST"] == authority
    assert "metadata" in {p["role"] for p in homerun().ready["processes"]}
    with Homerun("--metadata=off") as other:
        assert "metadata" not in other.ready
        assert "metadata" not in {p["role"] for p in other.ready["processes"]}
        assert "GCE_METADATA_HOST" not in other.env


if __name__ == "__main__":
    sys.exit(main())
