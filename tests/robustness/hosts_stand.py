"""Hosts in network namespaces on this machine: nodes of a cluster, and two PostgreSQL servers, one the synchronous
standby of the other, reached over TCP with TLS.

The program that uses it runs in a namespace of its own (begin()), which has the bridge: nothing of the machine's own
network is touched, and all of it goes with the processes. A host's links are cut in one direction by iptables, or in
both at the bridge. Each host has a wall clock of its own (tests/clock/shift.c).
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from clock_stand import LIBRARY  # noqa: E402
from cluster_stand import SHARED  # noqa: E402
from by_api import deploy  # noqa: E402
from homerun import Homerun, Skip, fetch, need, wait_until  # noqa: E402
from postgres_stand import SCRIPT, Server, make_tls, run  # noqa: E402

OF_ITS_OWN = "CLUSTER_NAMESPACE"
HTTP, API, METADATA, HTTPS = 8080, 8081, 8082, 8443
_libc = ctypes.CDLL(None, use_errno=True)


def begin():
    """Starts this program again in a namespace of its own, of the network and of mounts; to be called first."""
    if os.geteuid() == 0 and OF_ITS_OWN not in os.environ and shutil.which("unshare"):
        os.environ[OF_ITS_OWN] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])


def set_namespace(fd):
    if _libc.setns(fd, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


class Switch:
    """The bridge that all hosts are at, in our own namespace."""

    def __init__(self):
        if OF_ITS_OWN not in os.environ:
            raise Skip("network namespaces need root")
        for program in ("ip", "iptables", "nsenter", "setpriv"):
            need(program)
        self.hosts = []
        self.own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.folder = tempfile.mkdtemp(prefix="homerun-hosts-")
        os.chmod(self.folder, 0o755)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "address", "add", "10.88.0.254/24", "dev", "br0")
        run("ip", "link", "set", "br0", "up")

    def host(self):
        self.hosts.append(Host(self, len(self.hosts) + 1))
        return self.hosts[-1]

    def close(self):
        for host in self.hosts:
            host.close()
        run("ip", "link", "delete", "br0")
        os.close(self.own)
        shutil.rmtree(self.folder, ignore_errors=True)


class Host:
    """`with host:` puts the calling thread, and what it starts, into its namespace."""

    def __init__(self, switch, number):
        self.switch, self.address, self.link = switch, f"10.88.0.{number}", f"v{number}"
        self.holder = subprocess.Popen(
            ["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sh", "-c", "echo; exec sleep infinity"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.namespace = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.depth = threading.local()
        self.clock = os.path.join(switch.folder, f"clock{number}")
        self.step(0)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.holder.pid)
        run("ip", "link", "set", self.link, "master", "br0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def __enter__(self):
        set_namespace(self.namespace)

    def __exit__(self, *ignored):
        set_namespace(self.switch.own)

    def run(self, *words):
        with self:
            return run(*words)

    def clock_words(self):
        """Words in front of a command: its wall clock is this host's."""
        return ("env", f"LD_PRELOAD={LIBRARY}", f"CLOCK_SHIFT={self.clock}") if LIBRARY.exists() else ()

    def step(self, seconds):
        """Sets the wall clock so far from the machine's; the monotonic ones go on."""
        with open(self.clock, "r+b" if os.path.exists(self.clock) else "wb") as file:
            file.write(struct.pack("qq", int(seconds * 1e6), 0))

    def cut(self, *ways):
        """To and from all other hosts but ours: "in", "out"; "link": the cable."""
        peers = ",".join(host.address for host in self.switch.hosts if host is not self)
        if "in" in ways:
            self.run("iptables", "-w", "-A", "INPUT", "-s", peers, "-j", "DROP")
        if "out" in ways:
            self.run("iptables", "-w", "-A", "OUTPUT", "-d", peers, "-j", "DROP")
        if "link" in ways:
            run("ip", "link", "set", self.link, "down")

    def mend(self):
        self.run("iptables", "-w", "-F")
        run("ip", "link", "set", self.link, "up")

    def close(self):
        run("ip", "link", "delete", self.link)  # now: the kernel ends a namespace when it has time, and the next host has this name
        os.close(self.namespace)
        self.holder.kill()
        self.holder.wait()


# ---- processes ----

def tree(pid):
    """The process and all that it has started."""
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            number, rest = entry.parent.name, entry.read_text().rsplit(")", 1)[1]
            children.setdefault(int(rest.split()[1]), []).append(int(number))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


# ---- PostgreSQL ----

class HostedServer(Server):
    """One that listens at its host's address, by that host's clock."""

    def __init__(self, host, make, disk_mb=None):
        """DISK_MB: it has a disk of its own, of that size."""
        self.host, self.disk_mb = host, disk_mb
        super().__init__(make and disk_mb is None, host.address)
        if disk_mb is not None:
            run("mount", "-t", "tmpfs", "-o", f"size={disk_mb}M,mode=711", "none", self.folder)
            self.script("make")

    def fill_disk(self):
        """To the last block; what empties it again."""
        path = f"{self.folder}/filler"
        with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        return lambda: os.unlink(path)

    def runs(self):
        """Whether its first process, which ends it when a crash cannot be mended, is there."""
        try:
            return bool(self.pids()) and os.path.exists(f"/proc/{self.pids()[0]}/exe")
        except OSError:
            return False

    def script(self, *words):
        with self.host:
            run("env", f"POSTGRES_ADDRESS={self.address}", *self.host.clock_words(), SCRIPT, words[0], self.folder, *words[1:])

    def pids(self):
        with open(f"{self.folder}/data/postmaster.pid", encoding="ascii") as file:
            return tree(int(file.readline()))

    def kill(self):
        pids = self.pids()
        signal_all(pids, signal.SIGKILL)
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids), "PostgreSQL is dead")


class Pair:
    """A primary, and its synchronous standby, which takes over when it is told."""

    def __init__(self, switch, disk_mb=None):
        """DISK_MB: of the primary."""
        self.names = ("one.db.test", "two.db.test")
        self.tls = make_tls(self.names)
        hosts = [switch.host(), switch.host()]
        self.servers = [HostedServer(hosts[0], True, disk_mb), HostedServer(hosts[1], False)]
        self.primary, self.standby = self.servers
        self.primary.allow("hostssl record homerun 10.88.0.0/24 scram-sha-256")
        self.primary.allow("hostssl replication postgres 10.88.0.0/24 trust")
        self.primary.speak_tls(self.tls)
        # Else nothing is committed for five seconds after a restart of the primary (docs/cluster.md).
        self.primary.set(wal_retrieve_retry_interval="500ms", wal_sender_timeout="5s", wal_receiver_timeout="5s")
        self.primary.sql("CREATE ROLE homerun LOGIN PASSWORD 'secret'")
        self.primary.sql("CREATE DATABASE record OWNER homerun")
        self.password = f"{self.tls}/pass"
        with open(self.password, "w", encoding="ascii") as file:
            file.write("*:*:record:homerun:secret\n")
        os.chmod(self.password, 0o600)
        self.follow()

    def url(self):
        return (f"postgresql:///record?host={','.join(self.names)}"
                f"&hostaddr={','.join(server.address for server in self.servers)}"
                f"&user=homerun&passfile={self.password}&sslrootcert={self.tls}/ca.pem")

    def sql(self, text):
        return self.primary.sql(text, "record")

    def follow(self):
        """Makes the standby anew; from then on nothing is acknowledged that it does not have."""
        run(SCRIPT, "as", "rm", "-rf", f"{self.standby.folder}/data")
        os.chown(self.standby.folder, 65534, 65534)
        self.primary.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        self.standby.host.run(SCRIPT, "as", f"{self.primary.bin}/pg_basebackup", "-d",
                              f"host={self.primary.address} user=postgres sslmode=require", "-D",
                              f"{self.standby.folder}/data", "-R", "-C", "-S", "standby", "--checkpoint=fast", "--no-sync")
        self.standby.start()
        wait_until(lambda: self.primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1",
                   "the standby follows")
        self.primary.set(synchronous_standby_names="*")

    def fail_over(self):
        """The primary dies with its machine; the standby takes over, and has no standby until follow()."""
        self.primary.kill()
        self.primary, self.standby = self.standby, self.primary
        self.primary.set(synchronous_standby_names="")
        run(SCRIPT, "as", f"{self.primary.bin}/pg_ctl", "-D", f"{self.primary.folder}/data", "-w", "promote")

    def close(self):
        for server in self.servers:
            server.close()
        for server in self.servers:
            if server.disk_mb is not None:
                run("umount", "-l", server.folder)
                os.rmdir(server.folder)
        shutil.rmtree(self.tls, ignore_errors=True)


# ---- nodes ----

class Node(Homerun):
    """A node on a host of its own: whoever asks it does so there, but for ask(), which goes by the network."""

    def __init__(self, host, url, name, lease, first=None, flags=()):
        self.host = host
        super().__init__("--plain", "--workers=1", f"--store={url}", "--cluster", f"--node={name}", f"--lease={lease}",
                         f"--http=0.0.0.0:{HTTP}", f"--api=127.0.0.1:{API}", f"--metadata=127.0.0.1:{METADATA}",
                         f"--https=127.0.0.1:{HTTPS}", *flags)
        self.wrap = host.clock_words()
        if first is not None:
            os.mkdir(self.data, 0o700)
            for file in SHARED:
                shutil.copy(f"{first.data}/{file}", self.data)
            shutil.copytree(f"{first.data}/signer", f"{self.data}/signer")

    def spawn(self):
        with self.host:
            return super().spawn()

    def api(self, *arguments, **named):
        token = named.pop("token", None)
        token = self.token() if token is None else token
        with self.host:
            return super().api(*arguments, token=token, **named)

    def cli(self, *arguments, **named):
        words = dict(word.split("=", 1) for word in self.host.clock_words()[1:])
        with self.host:
            return super().cli(*arguments, env={**words, **(named.pop("env", None) or {})}, **named)

    def step_clock(self, seconds):
        self.host.step(seconds)
        self._tokens.clear()

    def everything(self):
        return tree(self.process.pid)

    def ask(self, name):
        return fetch(f"http://{name}:{HTTP}/", connect=self.host.address, seconds=10).status


class HostedCluster:
    def __init__(self, count=3, lease=4, disk_mb=None, flags=tuple):
        """FLAGS: called once there is a network; more flags of each node."""
        self.lease = lease
        self.stack = contextlib.ExitStack()
        try:
            self.switch = self.own(Switch())
            self.hosts = [self.switch.host() for _ in range(count)]
            self.pair = self.own(Pair(self.switch, disk_mb))
            self.nodes, more = [], flags()
            for i, host in enumerate(self.hosts):
                first = self.nodes[0] if i else None
                self.nodes.append(self.own(Node(host, self.pair.url(), f"n{i + 1}", lease, first, more)))
                self.nodes[-1].start()
                self.nodes[-1].token()
        except BaseException:
            self.stack.close()
            raise

    def own(self, thing):
        self.stack.callback(thing.close)
        return thing

    def __enter__(self):
        return self

    def close(self):
        self.stack.close()

    def __exit__(self, *ignored):
        self.close()

    def deploy(self, name, **how):
        """Its host, without a port."""
        return deploy(self.nodes[0], name, **how).split(":")[0]
