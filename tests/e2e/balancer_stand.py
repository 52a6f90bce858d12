"""Three nodes behind HAProxy, which sends each request of a connection to the next node: to a client one Homerun.

The nodes have the same ports at addresses of their own, and the balancer has those ports at 127.0.0.1, as where each is a
machine. Requests to the API are spread one by one, HTTP/1.1 and HTTP/2 (gRPC), connections to services one by one.
HOMERUN_TEST_BALANCED=1 puts this in the place of each Homerun of a test file.
"""
import contextlib
import json
import os
import subprocess
import urllib.parse

from cluster_stand import node
from homerun import Homerun, fetch, free_port, need, wait_until
from postgres_stand import Server, make_tls

COUNT = 3
EVERYWHERE = (("images", "add"), ("images", "remove"))  # commands about what each node has for itself
PORTS = ("api", "https", "http", "metadata")

CONFIG = """global
    nbthread 1
defaults
    mode http
    balance roundrobin
    retries 3
    option redispatch
    http-reuse always
    timeout connect 5s
    timeout check 5s
    timeout client 10m
    timeout server 10m
    timeout tunnel 10m
frontend api
    bind 127.0.0.1:{api}
    bind 127.0.0.1:{tls} ssl crt {folder}/server.both alpn h2,http/1.1
    use_backend grpc if {{ req.hdr(content-type) -m beg application/grpc }}
    default_backend rest
backend rest
    option httpchk GET /homerun/v1/health
    default-server check inter 500ms fall 2 rise 1
{rest}
backend grpc
{grpc}
"""
SERVICES = """listen {name}
    mode tcp
    bind 127.0.0.1:{port}
{servers}
"""


def place(i):
    return f"127.0.0.{i + 2}"


def port_of(url):
    return urllib.parse.urlsplit(url).port


class Balanced(Homerun):
    """Itself the first node; `nodes` has all."""

    def __init__(self, *flags, **how):
        super().__init__(*flags, **how)
        self.given = self.flags
        self.proxy = self.server = None
        self.nodes = []

    def start(self):
        if self.nodes:
            raise AssertionError("a balanced Homerun is started once")
        need("haproxy")
        self.server = Server()
        database = self.server.database()
        ports = {"api": free_port()}
        self.flags = (*self.given, f"--store={self.server.url(database)}", "--cluster", "--node=n1", "--lease=4", *self.places(0, ports))
        super().start()
        self.nodes = [self]
        ports = {name: port_of(self.ready[name]) for name in PORTS if name in self.ready}
        for i in range(1, COUNT):
            more = [flag for flag in self.given if not flag.startswith(tuple(f"--{name}=" for name in PORTS))]
            one = node(self.server, database, f"n{i + 1}", self, *self.places(i, ports))
            one.flags = (*[flag for flag in one.flags if not flag.startswith("--workers")], *more)
            self.nodes.append(one.start())
        self.balance(ports)
        return self

    def places(self, i, ports):
        """Each port of the first node is free; the others have the same."""
        return [f"--api-url=http://localhost:{ports['api']}",
                *(f"--{name}={place(i)}:{ports.get(name, 0)}" for name in PORTS if name != "metadata")]

    def balance(self, ports):
        tls = make_tls(["localhost", "*.googleapis.com"])
        with open(f"{tls}/server.both", "w", encoding="ascii") as both:
            for part in ("server.pem", "server.key"):
                with open(f"{tls}/{part}", encoding="ascii") as file:
                    both.write(file.read())
        self.tls_ca = f"{tls}/ca.pem"
        self.tls_port = free_port()

        def servers(name, more=lambda number: ""):
            return "\n".join(f"    server n{i + 1} {place(i)}:{ports[name]}{more(i + 1)}" for i in range(COUNT))
        text = CONFIG.format(api=ports["api"], tls=self.tls_port, folder=tls, rest=servers("api"),
                             grpc=servers("api", lambda number: f" proto h2 track rest/n{number}"))
        text += "".join(SERVICES.format(name=name, port=ports[name], servers=servers(name)) for name in ("https", "http"))
        config = os.path.join(self.folder, "haproxy.cfg")
        with open(config, "w", encoding="ascii") as file:
            file.write(text)
        with open(os.path.join(self.folder, "haproxy.log"), "ab") as log:
            self.proxy = subprocess.Popen([need("haproxy"), "-db", "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.hand_out()
        wait_until(self.answers, "the balancer has found the nodes")

    def hand_out(self):
        """From now on `data` is a folder for clients, whose files name the balancer; `own` is what the first node says."""
        self.own = {**self.ready, "data": self.data}
        folder = os.path.join(self.folder, "client")
        os.mkdir(folder)
        for name in os.listdir(self.data):
            if name in ("ready.json", "owner.json"):
                with open(f"{self.data}/{name}", encoding="utf-8") as file:
                    text = file.read().replace(place(0), "localhost").replace(f'"{self.data}', f'"{folder}')
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
            else:
                os.symlink(f"{self.data}/{name}", f"{folder}/{name}")
        self.data = folder
        with open(f"{folder}/ready.json", encoding="utf-8") as file:
            self.ready = json.load(file)
        self._env = None

    def answers(self):
        with contextlib.suppress(OSError):
            return self.proxy.poll() is None and fetch(f"{self.api_url}/homerun/v1/health").status == 200
        return False

    def cli(self, *arguments, **how):
        if tuple(arguments[:2]) in EVERYWHERE:
            for one in self.nodes[1:]:
                one.cli(*arguments, **how)
        return super().cli(*arguments, **how)

    def close(self):
        if self.proxy is not None:
            self.proxy.kill()
            self.proxy.wait()
            self.proxy = None
        for one in self.nodes[1:]:
            one.close()
        super().close()
        if self.server is not None:
            self.server.close()
