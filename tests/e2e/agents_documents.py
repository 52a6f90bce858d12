#!/usr/bin/env python3
"""Agents that are described by a URL (client ID metadata documents), and what a description may not do.

The one of a test is a server on this machine, which `--client-documents=private` allows.
"""
import http.server
import json
import os
import signal
import threading

from agents_stand import CALLBACK, Agent, house
from homerun import main, test, wait_until
from signin_stand import Browser, parts_of


class Site:
    """An agent's site: answers with what a test says."""

    def __init__(self):
        self.asked, self.release = [], threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.serve(self)

            def log_message(self, *ignored):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.reset()

    def reset(self):
        self.status, self.headers, self.body, self.hang = 200, {"Content-Type": "application/json"}, None, False

    def document(self, path, **changes):
        made = {"client_id": self.origin + path, "client_name": "Described", "redirect_uris": [CALLBACK],
                "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none", **changes}
        return json.dumps({name: value for name, value in made.items() if value is not None}).encode()

    def serve(self, handler):
        self.asked.append(handler.path)
        if self.hang:
            self.release.wait(30)
        body = self.document(handler.path) if self.body is None else self.body
        try:
            handler.send_response(self.status)
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass  # who asked has waited, or read, enough


_site = Site()
_numbers = iter(range(10_000))


def fresh_url():
    """Each document is kept for a while: a test takes one of its own."""
    return f"{_site.origin}/agent-{next(_numbers)}"


def described(url):
    agent = Agent()
    agent.client = url
    return agent


def refused(browser, url, words, status=400, **changes):
    answer = browser.ask(described(url).authorize_url(**changes))
    if answer.status == 429:  # ten a minute: other cases have asked for theirs
        house().forget_rates()
        answer = browser.ask(described(url).authorize_url(**changes))
    assert answer.status == status and words in answer.text and "location" not in answer.headers, (url, words, answer, answer.text[-900:])
    assert "http-equiv" not in answer.text and "Let it in" not in answer.text


@test
def a_described_agent_comes_in_and_is_shown_by_the_host_that_describes_it():
    h, ann = house(), house().browser()
    _site.reset()
    told = h.ask(h.auth + "/.well-known/oauth-authorization-server").json
    assert told["client_id_metadata_document_supported"] is True, told
    agent = described(fresh_url())
    page = ann.ask(agent.authorize_url())
    assert "“Described”" in page.text and "That is what this site says of it" in page.text and "127.0.0.1" in page.text, page.text
    assert "Nobody has checked that the program is that site" in page.text, page.text
    code = parts_of(agent.answer(ann, page).headers["location"])["code"]
    tokens = agent.redeem(code).json
    assert h.call(tokens["access_token"]).status == 200
    tokens = agent.refresh(tokens["refresh_token"]).json
    assert h.call(tokens["access_token"]).status == 200
    asked = len(_site.asked)
    again = agent.tokens(ann)
    assert len(_site.asked) == asked, "it is kept for ten minutes"
    assert agent.revoke(again["refresh_token"]).status == 200
    assert h.call(again["access_token"]).status == 401
    # Nobody comes by what the record keeps it under, nor by another spelling.
    for other in (agent.client + "/", agent.client.upper(), agent.client.replace("http", "https", 1)):
        assert agent.redeem("x" * 43, client_id=other).json["error"] == "invalid_client", other


@test
def for_a_stranger_nobody_is_asked():
    h, agent, stranger = house(), described(fresh_url()), Browser(house().homerun)
    _site.reset()
    _site.asked.clear()
    page = stranger.ask(agent.authorize_url())
    assert page.status == 200 and "homerun login" in page.text, page.text
    assert _site.asked == []
    lead = stranger.sign_in(h.homerun.cli("invite", "ann@example.com").stdout.strip())
    question = stranger.go_on(lead)
    assert "“Described”" in question.text and len(_site.asked) == 1, question.text


@test
def a_document_that_is_not_the_agents_own_lets_nobody_in():
    h, ann = house(), house().browser()
    for changes, words in (
            ({"client_id": "https://app.example/agent"}, "is not the URL"), ({"client_id": None}, "is not the URL"),
            ({"client_id": ["x"]}, "is not the URL"),
            ({"client_secret": "s"}, "has a client_secret"), ({"client_secret_expires_at": 0}, "has a client_secret"),
            ({"token_endpoint_auth_method": "client_secret_basic"}, "is not none"),
            ({"token_endpoint_auth_method": "client_secret_post"}, "is not none"),
            ({"token_endpoint_auth_method": "client_secret_jwt"}, "is not none"),
            ({"token_endpoint_auth_method": "private_key_jwt"}, "is not none"), ({"token_endpoint_auth_method": 5}, "is not none"),
            ({"redirect_uris": None}, "redirect_uris"), ({"redirect_uris": []}, "redirect_uris"),
            ({"redirect_uris": ["http://evil.example/cb"]}, "redirect_uris[0]"), ({"redirect_uris": [CALLBACK, "javascript:x"]}, "redirect_uris[1]"),
            ({"redirect_uris": ["https://app.example/cb"]}, "asks for another address"),
            ({"grant_types": ["client_credentials"]}, "authorization_code")):
        _site.reset()
        url = fresh_url()
        _site.body = _site.document(url[len(_site.origin):], **changes)
        refused(ann, url, words)
    for body, words in ((b"[]", "no JSON object"), (b"{", "no JSON"), (b"", "no JSON"), (b"\xff\xfe", "no JSON"), (b'"x"', "no JSON")):
        _site.reset()
        _site.body = body
        refused(ann, fresh_url(), words)


@test
def a_site_that_answers_badly_lets_nobody_in():
    ann = house().browser()
    for headers in ({"Content-Type": "text/html"}, {"Content-Type": "text/plain; x=application/json"}, {}):
        _site.reset()
        _site.headers = headers
        refused(ann, fresh_url(), "no JSON by its content type")
    _site.reset()
    _site.headers = {"Content-Type": "application/oauth-client+json; charset=utf-8"}
    assert "“Described”" in ann.ask(described(fresh_url()).authorize_url()).text
    other = fresh_url()
    for status in (301, 302, 303, 307, 308, 201, 204, 404, 500):
        _site.reset()
        _site.asked.clear()
        _site.status, _site.headers = status, {"Content-Type": "application/json", "Location": other}
        url = fresh_url()
        refused(ann, url, f"status {status}")
        assert _site.asked == [url[len(_site.origin):]], "a redirect is not followed"
    _site.reset()
    url = fresh_url()
    _site.body = _site.document(url[len(_site.origin):], padding="x" * 5200)
    refused(ann, url, "larger than 5120 bytes")
    refused(ann, "http://127.0.0.1:1/agent", "connect")


@test
def a_slow_site_is_left_after_five_seconds_and_two_at_once_are_waited_for():
    h, ann = house(), house().browser()
    h.forget_rates()
    _site.reset()
    _site.asked.clear()
    _site.hang = True
    try:
        slow = [threading.Thread(target=refused, args=(ann, fresh_url(), "imeout")) for _ in range(2)]
        for one in slow:
            one.start()
        wait_until(lambda: len(_site.asked) == 2, "both wait")
        refused(ann, fresh_url(), "others are being fetched", status=503)
        assert h.ask(h.auth + "/.well-known/oauth-authorization-server").status == 200, "nobody else waits"
        for one in slow:
            one.join()
    finally:
        _site.release.set()
        _site.reset()


@test
def a_url_that_can_be_read_in_two_ways_is_none():
    ann = house().browser()
    _site.reset()
    _site.asked.clear()
    port = _site.origin.rsplit(":", 1)[1]
    for url in (_site.origin, _site.origin + "/", _site.origin + "/a/../b", _site.origin + "/./a", _site.origin + "/a/%2e%2E/b", _site.origin + "/.%2e",
                _site.origin + "/a#b", f"http://user@127.0.0.1:{port}/a", f"http://user:x@127.0.0.1:{port}/a", f"http://127.0.0.1:{port}\\a",
                f"http://127.1:{port}/a", f"http://2130706433:{port}/a", f"http://0.0.0.0:{port}/a", "http://169.254.169.254/a", "https:///a", "https://",
                _site.origin + "/" + "x" * 500, _site.origin + "/a b", "http://app.example/a"):
        refused(ann, url, "description cannot be used")
    for client in ("ftp://app.example/a", "HTTPS://app.example/a", "file:///etc/passwd", "//app.example/a"):
        refused(ann, client, "not registered")
    assert _site.asked == []


@test
def ten_documents_a_minute_and_what_changes_counts_at_the_next_look():
    h, ann = house(), house().browser()
    _site.reset()
    h.forget_rates()
    answers = [ann.ask(described(fresh_url()).authorize_url()).status for _ in range(11)]
    assert answers == [200] * 10 + [429], answers
    h.forget_rates()
    agent = described(fresh_url())
    tokens = agent.tokens(ann)
    path = agent.client[len(_site.origin):]
    h.edit_record("UPDATE document SET body = json_set(body, '$.fetchedUs', json_extract(body, '$.fetchedUs') - 600000000) "
                          "WHERE kind = 'agent-client' AND json_extract(body, '$.url') IS NOT NULL")
    _site.body = _site.document(path, redirect_uris=["https://app.example/cb"])
    refused(ann, agent.client, "asks for another address")
    assert h.call(tokens["access_token"]).status == 200, "what the person has given is theirs to end"
    rows = h.homerun.cli("access", "history", f"--organization={h.homerun.api('GET', '/v1/projects/demo').json['parent']['id']}", "--format=json").stdout
    assert "describe-agent" in rows


@test
def without_the_switch_no_address_of_this_machine_or_of_a_private_network_is_asked():
    h, ann = house(), house().browser()
    _site.reset()
    _site.asked.clear()
    port = _site.origin.rsplit(":", 1)[1]
    config = os.path.join(h.homerun.folder, "homerun.yaml")

    def switch(kind):
        """As an operator does: another line in the file, and SIGHUP."""
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"client-documents: {kind}\n")
        before = h.homerun.pids("control")
        h.homerun.process.send_signal(signal.SIGHUP)
        wait_until(lambda: h.homerun.pids("control") not in ([], before), "control is another one")
        wait_until(lambda: h.ask(h.auth + "/").status == 200, "control answers")

    h.homerun.stop()
    h.keep_ports()
    h.homerun.flags = (*(flag for flag in h.homerun.flags if not flag.startswith("--client-documents")), f"--config={config}")
    with open(config, "w", encoding="utf-8") as file:
        file.write("client-documents: auto\n")
    h.homerun.start()
    if h.ask(h.auth + "/.well-known/oauth-authorization-server").json["client_id_metadata_document_supported"]:
        refused(ann, fresh_url(), "is not https://")
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "10.0.0.1", "192.168.0.1", "169.254.169.254", "[::ffff:127.0.0.1]",
                     h.auth.split("//")[1]):
            refused(ann, f"https://{host}/agent", "no public address")
    else:
        refused(ann, "https://app.example/agent", "takes no descriptions by URL")
    switch("off")
    assert h.ask(h.auth + "/.well-known/oauth-authorization-server").json["client_id_metadata_document_supported"] is False
    refused(ann, "https://app.example/agent", "takes no descriptions by URL")
    refused(ann, fresh_url(), "takes no descriptions by URL")
    assert _site.asked == []


if __name__ == "__main__":
    main()
