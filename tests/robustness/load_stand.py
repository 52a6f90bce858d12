"""revocation-load beside a test: what it is told, and the history that it leaves."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from homerun import BINARY, Skip  # noqa: E402

import history  # noqa: E402

PROGRAM = pathlib.Path(BINARY).parent / "tests/robustness/revocation-load"


def need_load():
    if not PROGRAM.exists():
        raise Skip("revocation-load is not built")


class Load:
    """CONNECTIONS: "plain ADDRESS PORT", "tls ADDRESS PORT CA" and so on; TARGETS: (host, credential or None).

    PATIENT: who does not listen is tried again. It says once REQUESTS are answered, and goes on until it is ended.
    """

    def __init__(self, requests, connections, targets, patient=False):
        self.connections = len(connections)
        self.folder = tempfile.mkdtemp(prefix="homerun-load-")
        plan = os.path.join(self.folder, "plan")
        with open(plan, "w", encoding="utf-8") as file:
            print("requests", requests, file=file)
            if patient:
                print("patient", file=file)
            for one in connections:
                print("connection", one, file=file)
            for host, credential in targets:
                print("target", host, credential or "-", file=file)
        self.history = os.path.join(self.folder, "history")
        self.process = subprocess.Popen([PROGRAM, plan, self.history], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.enough = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        if self.process.stdout.readline() == "done\n":
            self.enough.set()

    def alive(self):
        return self.process.poll() is None

    def written(self):
        """How many requests the history has so far, or a few less."""
        names = [f"{self.history}.{number}" for number in range(self.connections)]
        return sum(os.path.getsize(name) for name in names if os.path.exists(name)) // history.RECORD.size

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(120) == 0, "the load gave up"

    def requests(self, connections=None):
        """Those of some connections, by number; of all without."""
        for number in range(self.connections) if connections is None else connections:
            yield from history.read(f"{self.history}.{number}")

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
