#!/usr/bin/env python3
"""CONNECT on the API's listener: it stands in for Google's hosts, and for nothing else.

Raw sockets for what must not work, curl, gcloud and Python's standard library for what must.
"""
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.parse

from homerun import Homerun, clean_environment, finally_do, main, need, test, wait_until

SERVICES = "/v2/projects/demo/locations/us-central1/services"
HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
_stand = None


def stand():
    global _stand
    if _stand is None:
        _stand = Homerun("--connect").start()
        finally_do(_stand.close)
    return _stand


def variables(homerun):
    return json.loads(homerun.cli("env", "--connect", "--format=json").stdout)


def dial(homerun):
    api = urllib.parse.urlsplit(homerun.api_url)
    return socket.create_connection(("127.0.0.1", api.port), timeout=20)


def ask(homerun, request):
    """The connection, and the head that answers REQUEST, with whatever body has come with it."""
    connection = dial(homerun)
    connection.sendall(request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(4096)
        if not more:
            break
        answer += more
    return connection, answer.decode()


def connect_to(homerun, target):
    return ask(homerun, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")


def refused(homerun, target, status):
    connection, answer = connect_to(homerun, target)
    with connection:
        while True:
            more = connection.recv(4096)
            if not more:
                break
            answer += more.decode()
    assert answer.startswith(f"HTTP/1.1 {status} "), (target, answer)
    return json.loads(answer.split("\r\n\r\n", 1)[1])["error"]["message"]


def tunnel(homerun, host, protocols=("http/1.1",)):
    """TLS to HOST through CONNECT, verified by the local CA alone."""
    connection, answer = connect_to(homerun, f"{host}:443")
    assert answer == "HTTP/1.1 200 Connection established\r\n\r\n", answer
    context = ssl.create_default_context(cafile=homerun.ca)
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(connection, server_hostname=host)


def curl(homerun, *arguments):
    done = subprocess.run([need("curl"), "-sS", "--max-time", "30", *arguments],
                          env={**clean_environment(), **variables(homerun)},
                          capture_output=True, text=True)
    return done


@test
def curl_lists_services_at_googles_own_address_by_both_versions_of_http():
    homerun = stand()
    for version in ("--http1.1", "--http2"):
        done = curl(homerun, version, "-w", " %{http_code} %{ssl_verify_result}",
                    "-H", f"Authorization: Bearer {homerun.token()}",
                    f"https://run.googleapis.com{SERVICES}")
        assert done.stdout == "{} 200 0" or done.stdout.endswith(" 200 0"), (done.stdout, done.stderr)


@test
def a_caller_without_a_token_is_no_more_inside_than_outside():
    done = curl(stand(), "-w", "\n%{http_code}", f"https://run.googleapis.com{SERVICES}")
    assert done.stdout.endswith("\n401"), done.stdout


@test
def the_region_in_the_host_is_the_region_of_the_call():
    homerun = stand()
    homerun.cli("deploy", "eastern", f"--image={HELLO}", "--region=us-east1")
    path = "/apis/serving.knative.dev/v1/namespaces/demo/services/eastern"
    for region, status in (("us-east1", "200"), ("europe-west1", "404")):
        done = curl(homerun, "-o", "/dev/null", "-w", "%{http_code}", "-H",
                    f"Authorization: Bearer {homerun.token()}",
                    f"https://{region}-run.googleapis.com{path}")
        assert done.stdout == status, (region, done.stdout, done.stderr)


@test
def a_library_whose_addresses_are_fixed_reaches_every_api():
    """Python's own HTTP client, told nothing but the environment."""
    homerun = stand()
    account = homerun.ready["owner"]["email"]
    program = """
import json, os, sys, urllib.request
def get(url, body=None):
    request = urllib.request.Request(url, body, {"Authorization": "Bearer " + os.environ["TOKEN"],
                                                 "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
print(get("https://run.googleapis.com/v1/projects/demo/locations")["locations"][0]["locationId"])
print(get("https://openidconnect.googleapis.com/v1/userinfo")["email"])
print(get("https://cloudresourcemanager.googleapis.com/v1/projects/demo")["projectId"])
print("token" in get("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
      + sys.argv[1] + ":generateIdToken", b'{"audience": "https://a.example"}'))
"""
    done = subprocess.run([sys.executable, "-c", program, account], capture_output=True, text=True,
                          env={**clean_environment(), **variables(homerun),
                               "TOKEN": homerun.token()})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split()
    assert lines[1:] == [account, "demo", "True"] and "-" in lines[0], lines


@test
def gcloud_works_with_no_endpoint_told():
    homerun = stand()
    own = {name: value for name, value in homerun.client_environment().items()
           if not name.startswith("CLOUDSDK_API_ENDPOINT_OVERRIDES_")}
    env = {**own, **variables(homerun)}
    assert "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN" not in env

    def gcloud(*words):
        done = subprocess.run([need("gcloud"), *words, "--quiet"], capture_output=True, text=True,
                              env=env, stdin=subprocess.DEVNULL, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    gcloud("run", "deploy", "fixed", f"--image={HELLO}", "--no-invoker-iam-check")
    assert homerun.get(homerun.url("fixed")).status == 200
    gcloud("run", "services", "update", "fixed", "--invoker-iam-check")
    assert homerun.get(homerun.url("fixed")).status == 403
    assert "fixed" in gcloud("run", "services", "list", "--format=value(metadata.name)")


@test
def it_is_off_unless_it_is_asked_for():
    with Homerun() as homerun:
        said = refused(homerun, "run.googleapis.com:443", 403)
        assert "homerun up --connect" in said, said
        assert "connect" not in homerun.ready
        done = homerun.cli("env", "--connect", status=None)
        assert done.returncode != 0 and "homerun up --connect" in done.stderr, done.stderr


@test
def it_is_turned_on_and_off_while_it_runs_and_leaves_no_key():
    folder = tempfile.mkdtemp(prefix="homerun-connect-")
    finally_do(lambda: shutil.rmtree(folder, ignore_errors=True))
    config = pathlib.Path(folder, "config.yaml")
    config.write_text("connect: false\n", encoding="utf-8")
    with Homerun(f"--config={config}") as homerun:
        key = pathlib.Path(homerun.data, "tls", "google.key")
        for on in (True, False):
            config.write_text(f"connect: {str(on).lower()}\n", encoding="utf-8")
            homerun.process.send_signal(signal.SIGHUP)
            wait_until(lambda: ("connect" in (homerun.read_ready() or {})) == on and
                       key.exists() == on, "the reload")
            connection, answer = connect_to(homerun, "run.googleapis.com:443")
            connection.close()
            assert answer.split(" ")[1] == ("200" if on else "403"), answer


@test
def no_other_host_and_no_other_port_is_taken():
    homerun = stand()
    api = urllib.parse.urlsplit(homerun.api_url).port
    for target in ("example.com:443", "run.googleapis.com:80", "run.googleapis.com:8443",
                   f"127.0.0.1:{api}", "127.0.0.1:443", "[::1]:443", "localhost:443",
                   "googleapis.com:443", ".googleapis.com:443", "a.b.googleapis.com:443",
                   "rungoogleapis.com:443", "run.googleapis.com.evil.example:443",
                   "metadata.google.internal:443", "accounts.google.com.example:443"):
        connection, answer = connect_to(homerun, target)
        connection.close()
        assert answer.split(" ")[1] in ("400", "403"), (target, answer)
    assert "NO_PROXY" in refused(homerun, "example.com:443", 403)


@test
def what_is_said_in_the_clear_gets_no_answer_inside():
    """A request behind the CONNECT, in one packet with it, must not be the first one of the tunnel."""
    homerun = stand()
    connection, answer = ask(homerun, "CONNECT run.googleapis.com:443 HTTP/1.1\r\n"
                             "Host: run.googleapis.com:443\r\n\r\n"
                             f"GET {SERVICES} HTTP/1.1\r\nHost: localhost\r\n"
                             f"Authorization: Bearer {homerun.token()}\r\n\r\n")
    assert answer in ("", "HTTP/1.1 200 Connection established\r\n\r\n"), answer
    context = ssl.create_default_context(cafile=homerun.ca)
    try:
        with context.wrap_socket(connection, server_hostname="run.googleapis.com") as inside:
            inside.sendall(b"\r\n")
            raise AssertionError(f"the tunnel is there: {inside.recv(4096)}")
    except (ConnectionError, ssl.SSLError):
        pass


@test
def behind_the_answer_there_is_tls_or_nothing():
    homerun = stand()
    connection, answer = connect_to(homerun, "run.googleapis.com:443")
    assert answer.startswith("HTTP/1.1 200 "), answer
    with connection:
        connection.sendall(f"GET {SERVICES} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        came = b""
        try:
            while True:
                more = connection.recv(4096)
                if not more:
                    break
                came += more
        except ConnectionResetError:
            pass
    assert b"HTTP/" not in came, came


@test
def a_tunnel_leads_into_no_second_one():
    homerun = stand()
    with tunnel(homerun, "run.googleapis.com") as inside:
        inside.sendall(b"CONNECT iam.googleapis.com:443 HTTP/1.1\r\n"
                       b"Host: iam.googleapis.com:443\r\n\r\n")
        answer = inside.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 400 "), answer


@test
def a_connect_with_content_is_refused():
    homerun = stand()
    for field in ("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"):
        connection, answer = ask(homerun, "CONNECT run.googleapis.com:443 HTTP/1.1\r\n"
                                 f"Host: run.googleapis.com:443\r\n{field}\r\n")
        connection.close()
        assert answer.split(" ")[1] == "400", (field, answer)


@test
def the_certificate_is_for_googles_names_alone():
    homerun = stand()
    for host in ("run.googleapis.com", "accounts.google.com"):
        tunnel(homerun, host).close()
    connection, _ = connect_to(homerun, "run.googleapis.com:443")
    context = ssl.create_default_context(cafile=homerun.ca)
    try:
        context.wrap_socket(connection, server_hostname="example.com")
        raise AssertionError("a certificate for example.com")
    except ssl.SSLCertVerificationError:
        connection.close()


@test
def many_requests_go_through_one_tunnel():
    homerun = stand()
    with tunnel(homerun, "run.googleapis.com") as inside:
        for _ in range(50):
            inside.sendall(f"GET {SERVICES} HTTP/1.1\r\nHost: run.googleapis.com\r\n\r\n".encode())
            answer = inside.recv(65536)
            assert answer.startswith(b"HTTP/1.1 401 "), answer


@test
def tunnels_that_are_left_half_open_keep_nobody_out():
    homerun = stand()
    left = [connect_to(homerun, "run.googleapis.com:443") for _ in range(300)]
    for connection, answer in left:
        assert answer.startswith("HTTP/1.1 200 "), answer
    assert homerun.api("GET", SERVICES).status == 200
    for connection, _ in left:
        connection.close()
    with tunnel(homerun, "run.googleapis.com"):
        assert homerun.api("GET", SERVICES).status == 200


if __name__ == "__main__":
    main()
