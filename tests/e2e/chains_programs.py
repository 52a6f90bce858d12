"""Programs of this machine in the search of chains.py: what a deployer may try to make of one, and
what it then hands out. Homerun runs as a plain user here, so that a program could read its keys:
what stands in the way is what whoever registered the image allowed, and nothing else."""
import json
import os
import shutil
import subprocess
import tempfile
import time

from homerun import PYTHON, finally_do, need, wait_until
from issuer_stand import b64

SERVE = f'{PYTHON} -m http.server --bind 127.0.0.1 "$PORT"'


class Programs:
    """An image that serves a folder of this machine, and what its deployer has in a folder."""

    def __init__(self, homerun):
        self.homerun = homerun
        self.data = os.path.abspath(homerun.data)
        self.folder = tempfile.mkdtemp(prefix="homerun-chains-")
        finally_do(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        self.theirs = os.path.join(self.folder, "theirs")
        site = os.path.join(self.folder, "site")
        for name in (self.theirs, site):
            os.makedirs(name)
        os.symlink(self.data, os.path.join(site, "link"))
        files = {f"{site}/page": "a page", f"{self.theirs}/sh": f"#!/bin/sh\n{self.inside()}\n",
                 f"{self.theirs}/sitecustomize.py": f"import os\nos.chdir({self.data!r})\n"}
        for path, text in files.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, 0o755)
        os.chmod(self.folder, 0o755)
        homerun.cli("images", "add", "site:1", f"--dir={site}", "--", "sh", "-c", "exec " + SERVE)
        # One whose program would take arguments, if a deployer could give any.
        homerun.cli("images", "add", "words:1", f"--dir={site}", "--", "sh", "-c",
                    f'exec {PYTHON} -m http.server --bind 127.0.0.1 "$@" "$PORT"', "words")

    def inside(self):
        return f"cd {self.data}; exec {SERVE}"

    def ways(self):
        """(name, the container): none of its fields was declared when the image was registered.
        Of these, `command` would do nothing even if it were taken: the engine starts the program
        that was registered, and no other."""
        yield "args", {"image": "words:1", "args": ["--directory", self.data]}
        for name, fields in self.ways_of_site():
            yield name, {"image": "site:1", **fields}

    def ways_of_site(self):
        for where in (self.data, "link", "../../.." + self.data, "/proc/self/root" + self.data):
            yield f"workingDir={where}", {"workingDir": where}
        for name, value in (("PATH", f"{self.theirs}:/usr/bin:/bin"), ("PYTHONPATH", self.theirs)):
            yield name, {"env": [{"name": name, "value": value}]}
        yield "command", {"command": ["sh", "-c", self.inside()]}
        yield "command and args", {"command": ["sh"], "args": ["-c", self.inside()]}
        yield "a program of theirs", {"command": [f"{self.theirs}/sh"]}

    def handed_out(self, name):
        """The page, and the owner's key if the program gives it: None for what it does not."""
        at = f"/v2/projects/demo/locations/{self.homerun.ready['region']}/services/{name}"

        def settled():
            state = self.homerun.api("GET", at).json["terminalCondition"]["state"]
            return state if state in ("CONDITION_SUCCEEDED", "CONDITION_FAILED") else None
        wait_until(settled, f"{name} settled")
        token = self.homerun.token("identity")
        got = [self.homerun.get(f"{self.homerun.url(name)}/{file}", token=token)
               for file in ("page", "owner.json")]
        return [one.text if one.status == 200 else None for one in got]


def assertion(key_file, scope):
    """What whoever holds a key file sends to the token endpoint."""
    key = json.loads(key_file)
    now = int(time.time())
    text = b64(json.dumps({"alg": "RS256", "kid": key["private_key_id"]}).encode()) + "." + b64(
        json.dumps({"iss": key["client_email"], "aud": "https://oauth2.googleapis.com/token",
                    "scope": scope, "iat": now, "exp": now + 600}).encode())
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(key["private_key"])
        file.flush()
        signature = subprocess.run([need("openssl"), "dgst", "-sha256", "-sign", file.name],
                                   input=text.encode(), capture_output=True, check=True).stdout
    return f"{text}.{b64(signature)}"
