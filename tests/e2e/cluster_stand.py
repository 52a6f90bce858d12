"""Several nodes of one cluster on this machine: data folders and ports of their own, one PostgreSQL."""
import os
import select
import shutil
import socket
import threading
import urllib.parse

from by_api import deploy
from homerun import Homerun, fetch
from postgres_stand import Server

LEASE = 4  # seconds
SHARED = ("installation", "owner.json")


def node(server, database, name, first=None, *flags):
    """A node that is not started yet; with the keys of FIRST, as an operator copies them."""
    homerun = Homerun("--plain", "--workers=1", f"--store={server.url(database)}", "--cluster", f"--node={name}",
                      f"--lease={LEASE}", *flags)
    if first is not None:
        os.mkdir(homerun.data, 0o700)
        for file in SHARED:
            shutil.copy(f"{first.data}/{file}", homerun.data)
        shutil.copytree(f"{first.data}/signer", f"{homerun.data}/signer")
    return homerun


class Link:
    """A node's way to the server, which can be cut in either direction: what comes is kept, and nobody hears of it."""

    def __init__(self, server, number):
        self.server = server
        self.folder = f"{server.folder}/link{number}"
        os.mkdir(self.folder, 0o711)
        self.cut = set()  # "up": to the server; "down": from it
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.folder}/.s.PGSQL.5432")
        os.chmod(f"{self.folder}/.s.PGSQL.5432", 0o777)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, database):
        return self.server.url(database).replace(self.server.folder, self.folder)

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(f"{self.server.folder}/.s.PGSQL.5432")
            ways = {near: (far, "up"), far: (near, "down")}
            while True:
                wanted = [end for end, (_, way) in ways.items() if way not in self.cut]
                for end in select.select(wanted, [], [], 0.05)[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ways[end][0].sendall(data)
        except OSError:
            pass
        finally:
            near.close()
            far.close()


class Cluster:
    def __init__(self, count=3, flags=(), links=False):
        """FLAGS: for each node, more flags. LINKS: nodes reach the server by a Link each."""
        self.server = Server()
        self.database = self.server.database()
        self.links = [Link(self.server, i) for i in range(count if links else 0)]
        self.nodes = []
        for i in range(count):
            way = self.links[i] if links else self.server
            more = flags[i] if flags else ()
            one = node(way, self.database, f"n{i + 1}", self.nodes[0] if i else None, *more)
            self.nodes.append(one.start())

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        for one in self.nodes:
            one.close()
        self.server.close()

    def deploy(self, name, **how):
        """Its host, without a port: nodes have ports of their own."""
        return deploy(self.nodes[0], name, **how).split(":")[0]

    def rows(self, what="name", where="true"):
        return self.server.sql(f"SELECT {what} FROM homerun.node WHERE {where} ORDER BY name", self.database).split()


def ask(homerun, host, token=None):
    """The status that this node's ingress answers with."""
    port = urllib.parse.urlsplit(homerun.ready["http"]).port
    headers = {"Host": host, **({"Authorization": f"Bearer {token}"} if token else {})}
    return fetch(f"http://127.0.0.1:{port}/", headers=headers).status


def ask_all(nodes, host, token=None):
    return [ask(one, host, token) for one in nodes]
