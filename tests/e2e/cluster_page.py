#!/usr/bin/env python3
"""docs/cluster.md for machines, typed: from nothing to three nodes, an upgrade, and a backup that is gone back to."""
import os
import pathlib
import re
import shutil
import signal
import tempfile
import urllib.parse

from homerun import BINARY, ROOT, Homerun, clean_environment, finally_do, main, test, wait_until
from page import Shell, blocks, section, steps
from postgres_stand import Server

IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"


class Typed:
    """The page, a shell for its commands, a server of PostgreSQL and three nodes."""

    def __init__(self):
        self.text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
        self.server = Server()
        finally_do(self.server.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homerun-page-"))
        finally_do(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        (self.folder / "homerun").symlink_to(os.path.abspath(BINARY))
        self.config = self.folder / "homerun.yaml"
        self.nodes = [Homerun(f"--config={self.config}", f"--node=web{number}", "--workers=1") for number in (1, 2, 3)]
        for one in self.nodes:
            finally_do(one.close)
        self.shell = Shell(self.folder, {
            **clean_environment(), "PATH": f"{self.folder}:{self.server.bin}:{os.environ['PATH']}", "HOMERUN_DATA": self.nodes[0].data,
            "PGHOST": self.server.folder, "PGUSER": "postgres"})
        finally_do(self.shell.close)

    def here(self, text):
        for word, real in (("/etc/homerun", f"{self.folder}/etc"), ("db.example.com", urllib.parse.quote(self.server.folder, safe="")),
                           ("NODE", "web3")):
            text = text.replace(word, real)
        return re.sub(r"\b0\.0\.0\.0:\d+", "127.0.0.1:0", text)

    def type(self, title, only=""):
        """The blocks below the heading TITLE whose commands have the word ONLY."""
        count = 0
        for block in blocks(section(self.text, title)):
            if only not in block.text:
                continue
            for command, _ in steps(block):
                status, printed = self.shell.type(self.here(command))
                assert status == 0, f"{title}, {command}: {printed}"
                count += 1
        assert count > 0, f"{title}: nothing to type"

    def start(self):
        for one in self.nodes:
            one.spawn()
        for one in self.nodes:
            one.ready = wait_until(lambda one=one: one.process.poll() is not None or one.read_ready(), "a node is ready", 60)
            assert one.process.poll() is None, one.printed()

    def stop(self):
        for one in self.nodes:
            one.process.send_signal(signal.SIGTERM)
        for one in self.nodes:
            assert one.stop(None) == 0


_typed = None


def typed():
    global _typed
    if _typed is None:
        _typed = Typed()
    return _typed


def serve(nodes, service, status=200):
    for one in nodes:
        answer = one.get(one.url(service))
        assert answer.status == status, (one.flags, answer)


@test
def three_nodes_come_from_nothing():
    page = typed()
    nothing = "From nothing to three nodes"
    page.type(nothing, "createdb")
    page.type(nothing, "openssl")
    configuration, = [block.text for block in blocks(section(page.text, nothing)) if block.language == "yaml"]
    page.config.write_text(page.here(configuration), encoding="utf-8")
    page.start()
    page.type(nothing, "homerun deploy")
    # A node lists what it has last read, a second ago or so.
    wait_until(lambda: len(re.findall(r"^web[123]\s.*SERVING", page.nodes[1].cli("nodes", "list").stdout, re.M)) == 3,
               "the second node knows all three")
    serve(page.nodes, "hello")


@test
def a_node_is_exchanged():
    page = typed()
    health = lambda: page.nodes[2].api("GET", "/homerun/v1/health", token="").status
    page.type("Upgrade", "drain NODE\n")
    wait_until(lambda: health() == 503, "it has heard that the balancer is to leave it")
    page.nodes[2].restart()
    page.type("Upgrade", "--undo")
    wait_until(lambda: health() == 200, "it is back")
    serve(page.nodes, "hello")


@test
def a_backup_is_gone_back_to():
    page = typed()
    page.type("Backup", "pg_dump")
    page.nodes[0].cli("deploy", "later", f"--image={IMAGE}", "--allow-unauthenticated")
    page.stop()
    page.type("Backup", "pg_restore")
    kept, emptied, fresh = page.nodes
    for one in (kept, emptied):
        for path in pathlib.Path(one.data).glob("copy.db*"):
            path.unlink()
        shutil.rmtree(f"{one.data}/index")
    shutil.rmtree(fresh.data)
    page.start()
    serve(page.nodes, "hello")
    assert page.nodes[0].api("GET", "/v2/projects/demo/locations/us-central1/services/later").status == 404
    page.nodes[2].cli("deploy", "later", f"--image={IMAGE}", "--allow-unauthenticated")
    serve(page.nodes, "later")


if __name__ == "__main__":
    main()
