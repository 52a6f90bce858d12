"""A PostgreSQL server for a test file (tests/postgres.sh), and Homerun with its record there."""
import atexit
import os
import shutil
import subprocess
import tempfile

from homerun import ROOT, Homerun, Skip, need, wait_until

SCRIPT = ROOT / "tests" / "postgres.sh"


def run(*words):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def programs():
    """Where PostgreSQL's programs are; the test is skipped if they are nowhere."""
    try:
        return run(SCRIPT, "find")
    except AssertionError as why:
        raise Skip("PostgreSQL's server is not installed (postgresql)") from why


def make_tls(names):
    """A folder with an authority (ca.pem), and a certificate for NAMES that the server may read (server.pem, .key)."""
    need("openssl")
    folder = tempfile.mkdtemp(prefix="homerun-pg-tls-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    run("openssl", "req", "-x509", *new_key, "-subj", "/CN=authority", "-keyout", f"{folder}/ca.key", "-out",
        f"{folder}/ca.pem")
    run("openssl", "req", "-x509", *new_key, "-subj", "/CN=server", "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key",
        "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names), "-addext",
        "basicConstraints=critical,CA:FALSE", "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.pem")
    os.chmod(f"{folder}/server.key", 0o600)
    if os.geteuid() == 0:
        os.chown(f"{folder}/server.key", 65534, 65534)
    return folder


class Server:
    """On a socket in its folder; at port 5432 of ADDRESS besides."""

    def __init__(self, make=True, address=""):
        self.bin = programs()
        self.address = address
        self.folder = tempfile.mkdtemp(prefix="homerun-pg-", dir="/tmp")
        os.chmod(self.folder, 0o711)  # control gives up root's power over the files of others
        self.names = 0
        atexit.register(self.close)
        if make:
            self.script("make")

    def script(self, *words):
        run("env", f"POSTGRES_ADDRESS={self.address}", SCRIPT, words[0], self.folder, *words[1:])

    def url(self, database="postgres", user="postgres"):
        return f"postgresql:///{database}?host={self.folder}&user={user}"

    def sql(self, text, database="postgres"):
        return run(f"{self.bin}/psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.url(database), "-c", text)

    def database(self):
        """A new, empty one."""
        self.names += 1
        name = f"record{self.names}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def set(self, **settings):
        """What needs no restart."""
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.reload()

    def allow(self, line):
        """One more line of pg_hba.conf, behind the others."""
        with open(f"{self.folder}/data/pg_hba.conf", "a", encoding="ascii") as file:
            file.write(line + "\n")
        self.reload()

    def reload(self):
        """Sessions that begin from now on go by the files as they are."""
        before = self.sql("SELECT pg_conf_load_time()")
        self.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.sql("SELECT pg_conf_load_time()") != before, "the server has read its files")

    def speak_tls(self, folder):
        """With a certificate of make_tls()."""
        self.set(ssl_cert_file=f"{folder}/server.pem", ssl_key_file=f"{folder}/server.key", ssl="on")

    def start(self):
        self.script("start")

    def stop(self, mode="fast"):
        self.script("stop", mode)

    def close(self):
        if os.path.exists(self.folder):
            subprocess.run([SCRIPT, "stop", self.folder, "immediate"], stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=120, check=False)
            shutil.rmtree(self.folder, ignore_errors=True)


def homerun_on(server, database, *flags, **how):
    return Homerun("--plain", "--workers=1", f"--store={server.url(database)}", *flags, **how)
