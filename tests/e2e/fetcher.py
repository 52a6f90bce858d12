#!/usr/bin/env python3
"""The process that asks other servers: when it is there, what it holds, and what happens when it is killed."""
import http.client
import http.server
import os
import signal
import ssl
import subprocess
import threading

from homerun import Homerun, finally_do, main, need, test, wait_until
from rights import confined, facts

KEYS = b'{"keys":[]}'
_shared = []


class Keys:
    """A key set on this machine, over TLS if there is a CERTIFICATE; it can keep who asks waiting."""

    def __init__(self, certificate=None):
        self.asked, self.hang, self.release = 0, False, threading.Event()
        keys = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                keys.asked += 1
                if keys.hang:
                    keys.release.wait(60)
                try:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(KEYS)
                except OSError:
                    pass  # who asked has gone

            def log_message(self, *ignored):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *ignored: None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/keys"


def one():
    if not _shared:
        os.environ["PGPASSWORD"] = "of-the-record"  # what a process that starts Homerun may have
        _shared.append(Homerun("--plain", "--workers=1").start())
        del os.environ["PGPASSWORD"]
    return _shared[0]


@finally_do
def end():
    for homerun in _shared:
        homerun.close()


def add(homerun, name, url):
    return homerun.api("POST", "/homerun/v1/issuers", {
        "name": name, "issuer": f"https://{name}.example", "jwksUri": url, "domains": [f"{name}.example"]})


class Added(threading.Thread):
    """An issuer that is being added, beside the test."""

    def __init__(self, homerun, name, url):
        super().__init__()
        self.homerun, self.name_of, self.url, self.answer = homerun, name, url, None
        self.start()

    def run(self):
        try:
            self.answer = add(self.homerun, self.name_of, self.url)
        except (OSError, http.client.HTTPException) as error:
            self.answer = error


@test
def who_asks_nobody_has_no_such_process():
    homerun = one()
    assert {process["role"] for process in homerun.read_ready()["processes"]} == {
        "supervisor", "signer", "control", "engine", "ingress", "metadata"}
    with open(f"/proc/{homerun.pids('control')[0]}/maps", encoding="utf-8") as file:
        assert "libcurl" not in file.read()


@test
def it_comes_with_the_first_question_and_holds_nothing():
    homerun = one()
    assert add(homerun, "first", Keys().url).status == 200
    wait_until(lambda: homerun.pids("fetcher"), "the ready file names it")
    pid = homerun.pids("fetcher")[0]
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        assert file.read().split(b"\0")[:2] == [b"homerun", b"fetcher"]
    with open(f"/proc/{homerun.pids('control')[0]}/maps", encoding="utf-8") as file:
        assert "libcurl" not in file.read(), "control parses nothing of what came"
    if os.geteuid() != 0:
        return
    with open(f"/proc/{pid}/environ", "rb") as file:
        names = {entry.split(b"=")[0] for entry in file.read().split(b"\0") if entry}
    assert names <= {b"HOMERUN_FDS", b"HOMERUN_USER", b"LD_LIBRARY_PATH", b"RES_OPTIONS"}, names
    held = {os.readlink(f"/proc/{pid}/fd/{number}").split(":")[0] for number in os.listdir(f"/proc/{pid}/fd")}
    assert not [path for path in held if path.startswith(homerun.folder)], held
    fact = facts(pid)
    if "a sanitizer runs" not in homerun.printed():
        others = {uid for role in ("control", "engine", "ingress", "metadata") for uid in facts(homerun.pids(role)[0])["uid"]}
        assert not fact["uid"] & others and fact["caps"] == 0 and not fact["gains"] and fact["calls"], fact
    assert "the sandbox is not complete" not in confined(homerun).printed()


@test
def a_certificate_that_nobody_vouches_for_is_refused():
    homerun = one()
    path = os.path.join(homerun.folder, "own.pem")
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", path + ".crt",
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    with open(path, "a", encoding="utf-8") as out, open(path + ".crt", encoding="utf-8") as certificate:
        out.write(certificate.read())
    keys = Keys(path)
    refused = add(homerun, "tls", keys.url)
    # Not "Problem with the SSL CA cert": the sandbox lets it read the ones that this machine trusts.
    assert refused.status == 400 and "SSL peer certificate" in refused.json["error"]["message"], refused
    assert keys.asked == 0


@test
def killed_in_the_middle_it_is_said_and_the_next_question_is_answered():
    homerun, slow, quick = one(), Keys(), Keys()
    slow.hang = True
    waiting = [Added(homerun, f"slow-{number}", slow.url) for number in range(3)]
    wait_until(lambda: slow.asked == 3, "all are asked")
    wait_until(lambda: homerun.pids("fetcher"), "the ready file names it")
    os.kill(homerun.pids("fetcher")[0], signal.SIGKILL)
    for one_of in waiting:
        one_of.join()
        assert one_of.answer.status == 400 and "ended in the middle: try again" in one_of.answer.json["error"]["message"], one_of.answer
    assert add(homerun, "after", quick.url).status == 200 and quick.asked == 1
    slow.release.set()


@test
def more_questions_than_places_wait_for_each_other():
    homerun, keys = one(), Keys()
    keys.hang = True
    waiting = [Added(homerun, f"many-{number}", keys.url) for number in range(12)]
    wait_until(lambda: keys.asked == 8, "so many at once")
    keys.hang = False
    keys.release.set()
    for one_of in waiting:
        one_of.join()
        assert one_of.answer.status == 200, one_of.answer
    assert keys.asked == 12


@test
def control_killed_in_the_middle_leaves_no_question_behind():
    homerun, slow, quick = one(), Keys(), Keys()
    slow.hang = True
    waiting = Added(homerun, "lost", slow.url)
    wait_until(lambda: slow.asked == 1, "it is asked")
    wait_until(lambda: homerun.pids("fetcher"), "the ready file names it")
    fetcher, control = homerun.pids("fetcher")[0], homerun.pids("control")[0]
    os.kill(control, signal.SIGKILL)
    waiting.join()
    assert isinstance(waiting.answer, Exception), waiting.answer
    wait_until(lambda: homerun.pids("control") not in ([], [control]), "control is back")
    wait_until(lambda: not os.path.exists(f"/proc/{fetcher}"), "whoever worked for it is gone")
    wait_until(lambda: add(homerun, "again", quick.url).status in (200, 409), "the next one asks")
    assert quick.asked == 1
    slow.release.set()


@test
def it_ends_when_nobody_has_asked_for_a_while():
    homerun = one()
    assert add(homerun, "last", Keys().url).status == 200
    wait_until(lambda: homerun.pids("fetcher"), "the ready file names it")
    wait_until(lambda: not homerun.pids("fetcher"), "it has ended")
    assert "did not finish" not in homerun.printed()
    assert add(homerun, "later", Keys().url).status == 200


if __name__ == "__main__":
    main()
