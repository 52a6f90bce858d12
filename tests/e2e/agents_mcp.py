#!/usr/bin/env python3
"""Unmodified MCP clients of Python and Node call a tool of a private service whose app has no word about who may come.

Number 70 of the truth table of identity-aware access.
"""
import json
import os
import re
import subprocess
import tempfile

import client_cache
from agents_stand import house
from homerun import PYTHON, main, program_folder, test
from signin_stand import next_url, parts_of

_deployed = []


def service():
    h = house()
    if not _deployed:
        folder = program_folder()
        h.homerun.cli("images", "add", "mcp", f"--dir={folder}", "--", PYTHON, f"{folder}/mcp_container.py")
        h.homerun.cli("deploy", "tools", "--image=mcp", "--iap")
        _deployed.append(h.url("tools", "/mcp"))
    h.let_in("tools", ["user:ann@example.com"])
    return _deployed[0]


class Client:
    """One of the two, in a process of its own."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        env={**os.environ, **environment})

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.kill()
        self.process.wait()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        self.errors.seek(0)
        assert line, self.errors.read()[-3000:]
        return json.loads(line)

    def call(self):
        self.say("call")
        return self.hear()


def consent(browser, url):
    """What the person's browser does with the URL that the client opens; where it is sent back to."""
    page = browser.ask(url)
    assert "Let this program in?" in page.text, page
    ticket = re.search(r'name="r" value="([^"]+)"', page.text).group(1)
    done = browser.ask(house().auth + "/authorize", form={"r": ticket, "answer": "allow"})
    assert done.status == 303, done
    return next_url(done)


def comes_in_and_out(make, name):
    h, url = house(), service()
    ann = h.browser()
    with Client(*make(h.homerun, url)) as client:
        opened = client.call()
        assert opened["open"].startswith(h.auth + "/authorize?"), opened
        assert name in ann.ask(opened["open"]).text
        client.say(consent(ann, opened["open"]))
        assert client.hear() == {"said": "accounts.google.com:ann@example.com"}
        assert client.call() == {"said": "accounts.google.com:ann@example.com"}  # unasked
        h.homerun.cli("signout", "ann@example.com")
        again = client.call()
        assert "open" in again, again
        client.say(consent(h.browser(), again["open"]))
        assert client.hear() == {"said": "accounts.google.com:ann@example.com"}


def comes_in_by_its_description(make):
    """Without a registration: the client's ID is a URL, which Homerun reads."""
    h, url = house(), service()
    h.homerun.cli("deploy", "papers", "--image=mcp", "--no-invoker-iam-check")
    document = h.url("papers", "/agent.json")
    ann = h.browser()
    with Client(*make(h.homerun, url, document)) as client:
        opened = client.call()
        assert parts_of(opened["open"])["client_id"] == document, opened
        page = ann.ask(opened["open"]).text
        assert "Described agent" in page and "what this site says of it" in page and "papers-" in page, page
        client.say(consent(ann, opened["open"]))
        assert client.hear() == {"said": "accounts.google.com:ann@example.com"}
        assert client.call() == {"said": "accounts.google.com:ann@example.com"}


@test
def the_python_client_comes_in():
    comes_in_and_out(client_cache.mcp_python, "Python agent")


@test
def the_node_client_comes_in():
    comes_in_and_out(client_cache.mcp_node, "Node agent")


@test
def the_python_client_comes_in_by_its_description():
    comes_in_by_its_description(client_cache.mcp_python)


@test
def the_node_client_comes_in_by_its_description():
    comes_in_by_its_description(client_cache.mcp_node)


if __name__ == "__main__":
    main()
