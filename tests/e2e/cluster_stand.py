"""Several nodes of one cluster on this machine: data folders and ports of their own, one PostgreSQL."""
import os
import shutil
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


class Cluster:
    def __init__(self, count=3, flags=()):
        """FLAGS: for each node, more flags."""
        self.server = Server()
        self.database = self.server.database()
        self.nodes = []
        for i in range(count):
            more = flags[i] if flags else ()
            one = node(self.server, self.database, f"n{i + 1}", self.nodes[0] if i else None, *more)
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
