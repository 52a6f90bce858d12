"""A Homerun of its own for a test, and the little that tests need around it. Standard library only.

    from homerun import Homerun, main, test

    @test
    def a_private_service_refuses_strangers():
        with Homerun() as homerun:
            homerun.cli("deploy", "hello", "--image=hello")
            assert homerun.get(homerun.url("hello")).status == 403

    if __name__ == "__main__":
        main()

Each test prints "ok NAME", "not ok NAME: why" or "skip NAME: why".
"""
import atexit
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("HOMERUN", str(ROOT / "build" / "homerun"))
START_SECONDS = 60
CALL_SECONDS = 60
# Instances are users of their own: what tests write for them has to be readable, whatever the umask
# of whoever runs the tests. The folders that it is written to are as private as the test makes them.
os.umask(0o022)
GCLOUD_CLIENT_ID = "32555940559.apps.googleusercontent.com"


# ---- tests ----

class Skip(Exception):
    """Raise it where the machine lacks what a test needs."""


_tests = []
_cleanups = []


def test(function):
    """A test of the file that is run. A file whose helpers it uses has its own tests for itself."""
    if function.__module__ == "__main__":
        _tests.append(function)
    return function


def finally_do(function):
    """Runs when all tests of the file have ended: to stop what they shared."""
    _cleanups.append(function)
    return function


def main():
    """Runs the tests of the file; with words, those whose names hold one of them."""
    wanted = sys.argv[1:]
    failed = 0
    try:
        for function in _tests:
            if wanted and not any(word in function.__name__ for word in wanted):
                continue
            failed += not run_one(function)
    finally:
        for cleanup in _cleanups:
            cleanup()
    sys.exit(1 if failed else 0)


def run_one(function):
    try:
        function()
    except Skip as why:
        print(f"skip {function.__name__}: {why}", flush=True)
    except Exception as why:  # one test's fault must not hide the next one's
        traceback.print_exc(file=sys.stdout)
        print(f"not ok {function.__name__}: {first_line(why)}", flush=True)
        return False
    else:
        print(f"ok {function.__name__}", flush=True)
    return True


def first_line(why):
    text = str(why) or type(why).__name__
    if isinstance(why, AssertionError) and not str(why):
        frame = traceback.extract_tb(why.__traceback__)[-1]
        text = f"line {frame.lineno}: {frame.line}"
    return text.splitlines()[0][:300]


_stand = None


def stand():
    """One instance for all tests of a file, which leave nothing behind; it ends with the file."""
    global _stand
    if _stand is None:
        _stand = Homerun().start()
        finally_do(_stand.close)
    return _stand


def wait_until(ask, what, seconds=30):
    """The first true answer of ASK; asks again until SECONDS have passed."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def need(program):
    """The path of PROGRAM, or the test is skipped."""
    path = shutil.which(program)
    if path is None:
        raise Skip(f"{program} is not installed")
    return path


# A python that instances can start too: started by root, they are users of their own.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
_programs = None


def program_folder():
    """A copy of the programs that tests use as containers, where every user can read it."""
    global _programs
    if _programs is None:
        _programs = tempfile.mkdtemp(prefix="homerun-programs-")
        os.chmod(_programs, 0o755)
        atexit.register(shutil.rmtree, _programs, ignore_errors=True)
        for path in pathlib.Path(__file__).resolve().parent.glob("*container.py"):
            shutil.copy(path, _programs)
            os.chmod(os.path.join(_programs, path.name), 0o755)
    return _programs


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- HTTP ----

class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # http.client's: get(), any case
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    def __repr__(self):
        return f"<{self.status} {self.text[:300]!r}>"


def fetch(url, method="GET", headers=None, body=None, ca=None, connect="127.0.0.1",
          seconds=CALL_SECONDS):
    """One request on a connection of its own, to CONNECT whatever the host in URL resolves to."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    raw = socket.create_connection((connect, port), timeout=seconds)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca)
        raw = context.wrap_socket(raw, server_hostname=parts.hostname)
    client = http.client.HTTPConnection(parts.hostname, port, timeout=seconds)
    client.sock = raw
    try:
        target = parts.path or "/"
        try:
            client.request(method, target + (f"?{parts.query}" if parts.query else ""), body=body,
                           headers={"Host": parts.netloc, **(headers or {})})
        except BrokenPipeError:
            pass  # refused before all of the body was there: the answer is on its way
        got = client.getresponse()
        return Answer(got.status, got.headers, got.read())
    finally:
        client.close()


# ---- the instance ----

class Homerun:
    """`homerun up` on free ports, with a data folder of its own, which goes with it."""

    def __init__(self, *flags, data=None, user=None):
        """USER: the number of another user to run as, if we are root. Without --engine instances
        are plain programs, which start anywhere; HOMERUN_TEST_ENGINE says otherwise."""
        self.flags = flags
        if not any(flag.startswith("--engine") for flag in flags):
            self.flags = (*flags, f"--engine={os.environ.get('HOMERUN_TEST_ENGINE', 'process')}")
        self.folder = tempfile.mkdtemp(prefix="homerun-e2e-")
        self.user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.binary = BINARY
        if user is not None:
            os.chown(self.folder, user, user)
            self.binary = self._copy_program()
        self.data = data or os.path.join(self.folder, "data")
        self.ready_file = os.path.join(self.folder, "ready.json")
        self.process = None
        self.wrap = ()  # a program, and its arguments, that starts it
        self.ready = None
        self._env = None
        self._tokens = {}
        atexit.register(self.close)

    def __enter__(self):
        return self.start()

    def __exit__(self, *ignored):
        self.close()

    def _copy_program(self):
        """The program where another user can start it: the checkout may be private."""
        built = os.path.dirname(os.path.realpath(BINARY))
        for path in (os.path.realpath(BINARY), f"{built}/engine/hello/homerun-hello",
                     f"{built}/homerun-hello", f"{built}/fetcher/homerun-fetcher", f"{built}/homerun-fetcher"):
            if os.path.exists(path):
                os.chmod(shutil.copy(path, self.folder), 0o755)
        return os.path.join(self.folder, os.path.basename(os.path.realpath(BINARY)))

    def command(self):
        named = " ".join(self.flags)
        ports = [part for name in ("api", "https", "http", "metadata") if f"--{name}=" not in named
                 for part in (f"--{name}=127.0.0.1:0",)]
        return [*self.wrap, self.binary, "up", f"--data={self.data}", f"--ready-file={self.ready_file}", *ports,
                *self.flags]

    def spawn(self):
        """Starts it without waiting."""
        self.output = open(os.path.join(self.folder, "output"), "a+b")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output,
                                        env=clean_environment(), start_new_session=True,
                                        **self.user)
        return self

    def start(self):
        self.spawn()
        try:
            self.ready = wait_until(self._look, "ready", START_SECONDS)
        except AssertionError as why:
            self.close()
            raise AssertionError(f"{why}\n{self.last_output}") from None
        return self

    def _look(self):
        if self.process.poll() is not None:
            raise AssertionError(f"`homerun up` ended with status {self.process.returncode}")
        return self.read_ready()

    def read_ready(self):
        """The ready file as it is now, or None."""
        try:
            with open(self.ready_file, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def printed(self):
        """All that it and its processes have printed."""
        self.output.flush()
        with open(os.path.join(self.folder, "output"), "rb") as file:
            return file.read().decode("utf-8", "replace")

    def stop(self, number=signal.SIGTERM, seconds=60):
        """Ends it with a signal (None: waits only); its status."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def restart(self):
        """Ends it and starts it anew on the same data, and the same ports."""
        ready = self.ready
        assert self.stop() == 0
        ports = [f"--{name}=127.0.0.1:{urllib.parse.urlsplit(ready[name]).port}"
                 for name in ("api", "https", "http", "metadata") if name in ready]
        kept = [f for f in self.flags
                if not any(f.startswith(port.split("=")[0] + "=") for port in ports)]
        self.flags = (*kept, *ports)
        self._env = None
        return self.start()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop(seconds=45)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process is not None and not self.output.closed:
            self.last_output = self.printed()
            self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- processes --

    def pids(self, role):
        return [p["pid"] for p in (self.read_ready() or {"processes": []})["processes"]
                if p["role"] == role]

    # -- clients --

    @property
    def api_url(self):
        return self.ready["api"]

    @property
    def ca(self):
        return self.ready["ca"]

    @property
    def env(self):
        """What `homerun env` prints, as a dictionary."""
        if self._env is None:
            self._env = json.loads(self.cli("env", "--format=json").stdout)
        return self._env

    def client_environment(self, **more):
        """An environment for clients that nothing of the caller's own configuration leaks into."""
        config = os.path.join(self.folder, "gcloud")
        return {
            **clean_environment(),
            **self.env,
            "CLOUDSDK_CONFIG": config,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "HOME": self.folder,
            **more,
        }

    def cli(self, *arguments, status=0, input=None, env=None):
        """Runs `homerun ARGUMENTS` against this instance."""
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, input=input,
                              stdin=None if input is not None else subprocess.DEVNULL,
                              timeout=CALL_SECONDS * 3,
                              env={**clean_environment(), "HOMERUN_DATA": self.data, **(env or {})})
        expect(done, status)
        return done

    def gcloud(self, *arguments, status=0, env=None):
        """Runs the real gcloud against this instance. STATUS None: any."""
        done = subprocess.run([need("gcloud"), *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=CALL_SECONDS * 5,
                              env=self.client_environment(**(env or {})))
        expect(done, status)
        return done

    def token(self, kind="access", member=None, audience=None):
        """`homerun token KIND`, kept for the life of the instance."""
        key = (kind, member, audience)
        if key not in self._tokens:
            flags = ([f"--as={member}"] if member else []) + \
                    ([f"--audience={audience}"] if audience else [])
            self._tokens[key] = self.cli("token", kind, *flags).stdout.strip()
        return self._tokens[key]

    def api(self, method, path, body=None, token=None, headers=None):
        """One API call as the owner (or with TOKEN; "" for none). BODY: an object or bytes."""
        send = dict(headers or {})
        token = self.token() if token is None else token
        if token:
            send.setdefault("Authorization", f"Bearer {token}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            send.setdefault("Content-Type", "application/json")
        return fetch(self.api_url + path, method, send, body)

    def url(self, service, tag=None, region=None):
        """The URL of a service of the first project."""
        port = urllib.parse.urlsplit(self.ready["https"]).port
        host = f"{service}-{self.ready['projectNumber']}.{region or self.ready['region']}" \
               f".{self.ready['domain']}"
        return f"https://{tag + '---' if tag else ''}{host}:{port}"

    def get(self, url, token=None, headers=None, method="GET", body=None):
        """A request to a service, over TLS checked by the local CA."""
        send = dict(headers or {})
        if token:
            send["Authorization"] = f"Bearer {token}"
        return fetch(url, method, send, body, ca=self.ca)


def expect(done, status):
    if status is not None and done.returncode != status:
        words = " ".join(str(word) for word in done.args)
        raise AssertionError(f"status {done.returncode}, not {status}: {words}\n"
                             f"{done.stdout[-3000:]}{done.stderr[-3000:]}")


def clean_environment():
    """Ours, without what points clients somewhere else."""
    prefixes = ("CLOUDSDK_", "GOOGLE_", "GCLOUD_", "HOMERUN_", "GCE_")
    names = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle",
             "curl_ca_bundle", "ssl_cert_file"}
    return {name: value for name, value in os.environ.items()
            if not name.startswith(prefixes) and name.lower() not in names}


if os.environ.get("HOMERUN_TEST_BALANCED"):
    # Any test file, with three nodes behind a balancer in the place of each Homerun.
    from balancer_stand import Balanced as Homerun  # pylint: disable=wrong-import-position
