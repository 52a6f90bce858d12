"""What the tests of gcloud share: one Homerun for each file, an image to look into, a proxy to watch.

The proxy stands between gcloud and the API. It counts what gcloud asks, and can do something of its
own just before a request goes on, which makes a race come out the same way every time.
"""
import http.client
import http.server
import json
import os
import re
import socketserver
import subprocess
import threading
import urllib.parse

from homerun import CALL_SECONDS, PYTHON, Homerun, expect, finally_do, need, program_folder

HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
LOOK = "registry.example/look"  # answers with its environment and what it was sent
FALL = "registry.example/fall"  # ends before it listens
DEAF = "registry.example/deaf"  # never listens
STYLES = re.compile(r"\x1b\[[0-9;]*m")

_shared = None


def stand():
    """The Homerun of the file, with the images above."""
    global _shared
    if _shared is None:
        _shared = Homerun("--workers=1").start()
        add_images(_shared)
    return _shared


@finally_do
def stop_stand():
    if _shared is None:
        return
    _shared.close()
    for sign in ("ERROR: AddressSanitizer", "runtime error:", "Assertion"):
        assert sign not in _shared.last_output, _shared.last_output[-5000:]


def add_images(homerun):
    for name, words in ((LOOK, []), (FALL, ["--fall"]), (DEAF, ["--deaf"])):
        homerun.cli("images", "add", name, f"--dir={program_folder()}", "--allow-args",
                    "--allow-env=safe", "--", PYTHON, f"{program_folder()}/container.py", *words)


# ---- gcloud ----

class Done:
    """What gcloud said, without the bold and the colours that it writes even into a file."""

    def __init__(self, done):
        self.status = done.returncode
        self.out = STYLES.sub("", done.stdout)
        self.err = STYLES.sub("", done.stderr)

    @property
    def json(self):
        return json.loads(self.out)

    def has(self, *texts):
        """All of TEXTS stand in what was said."""
        for text in texts:
            assert text in self.out + self.err, f"no {text!r} in:\n{self.out}{self.err}"
        return self

    def lacks(self, *texts):
        for text in texts:
            assert text not in self.out + self.err, f"{text!r} in:\n{self.out}{self.err}"
        return self


def gcloud(*arguments, status=0, env=None):
    """gcloud as the owner, or as ENV says. A string is split at its spaces."""
    return Done(stand().gcloud(*words(arguments), status=status, env=env))


def gcloud_json(*arguments, env=None):
    return gcloud(*arguments, "--format=json", env=env).json


def words(arguments):
    if len(arguments) >= 1 and " " in arguments[0]:
        return (*arguments[0].split(), *arguments[1:])
    return arguments


def acting_as(member):
    """An environment in which gcloud acts as MEMBER, by a file that holds an access token."""
    path = os.path.join(stand().folder, "token-" + re.sub(r"\W", "_", member))
    with open(path, "w", encoding="utf-8") as file:
        file.write(stand().token("access", member=member))
    return {"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": path}


def own_login(name):
    """An environment with a folder for credentials of its own and none from `homerun env`."""
    return {"CLOUDSDK_CONFIG": os.path.join(stand().folder, "login-" + name),
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": "", "GOOGLE_APPLICATION_CREDENTIALS": ""}


def plain_gcloud(*arguments, env, status=0):
    """gcloud with ENV over that of a client, where empty values are taken away."""
    whole = stand().client_environment(**env)
    whole = {name: value for name, value in whole.items() if value != ""}
    done = subprocess.run([need("gcloud"), *words(arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=CALL_SECONDS * 5, env=whole)
    expect(done, status)
    return Done(done)


# ---- services as their callers see them ----

def status_of(service, **more):
    """The status that a stranger gets; with token= or member= someone else."""
    return call(service, **more).status


def call(service, path="/", tag=None, region=None, token=None, member=None, headers=None,
         method="GET"):
    base = stand().url(service, region=region)
    if member is not None:
        token = stand().token("identity", member=member, audience=base)
    return stand().get(stand().url(service, tag=tag, region=region) + path, token=token,
                       headers=headers, method=method)


def look(service, **more):
    """What the image LOOK says of itself and of the request."""
    answer = call(service, member="serviceAccount:" + owner(), **more)
    assert answer.status == 200, answer
    return answer.json


def owner():
    return stand().ready["owner"]["email"]


def service(name, region=None):
    """The service in Knative's form, straight from the API."""
    region = region or stand().ready["region"]
    answer = stand().api("GET", f"/v1/projects/demo/locations/{region}/services/{name}")
    assert answer.status == 200, answer
    return answer.json


def annotations(name):
    return service(name)["metadata"]["annotations"]


def revisions(name):
    answer = stand().api("GET", "/apis/serving.knative.dev/v1/namespaces/demo/revisions"
                                f"?labelSelector=serving.knative.dev/service%3D{name}")
    return [item["metadata"]["name"] for item in answer.json["items"]]


def policy(name):
    """Role -> members of the service's own policy."""
    region = stand().ready["region"]
    answer = stand().api("GET", f"/v1/projects/demo/locations/{region}/services/{name}:getIamPolicy")
    return {b["role"]: sorted(b["members"]) for b in answer.json.get("bindings", [])}


def deploy(name, **changes):
    """A service without gcloud: quick, for tests that are about something else."""
    region = changes.pop("region", stand().ready["region"])
    container = {"image": changes.pop("image", LOOK), **changes.pop("container", {})}
    notes = {"run.googleapis.com/invoker-iam-disabled": changes.pop("open", "false")}
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "demo", "annotations": notes},
            "spec": {"template": {"spec": {"containers": [container], **changes}}}}
    path = f"/v1/projects/demo/locations/{region}"
    answer = stand().api("POST", f"{path}/services", body)
    assert answer.status == 200, answer
    operation = answer.json["metadata"]["annotations"]["run.googleapis.com/operation-id"]
    answer = stand().api("POST", f"{path}/operations/{operation}:wait", {"timeout": "60s"})
    ready = answer.json["response"]["status"]["conditions"][0]
    assert ready["status"] == "True", ready
    return answer.json["response"]


def grant(member, role, resource="projects/demo"):
    """Adds a binding without gcloud."""
    got = stand().api("POST", f"/v1/{resource}:getIamPolicy", {}).json
    got.setdefault("bindings", []).append({"role": role, "members": [member]})
    answer = stand().api("POST", f"/v1/{resource}:setIamPolicy", {"policy": got})
    assert answer.status == 200, answer


def account(name):
    """A service account; its address."""
    answer = stand().api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": name})
    assert answer.status == 200, answer
    return answer.json["email"]


# ---- the watching proxy ----

class Watch(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        self.server.before(self.command, self.path)
        client = http.client.HTTPConnection("127.0.0.1", self.server.api_port,
                                            timeout=CALL_SECONDS)
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in ("connection", "content-length", "proxy-connection")}
        client.request(self.command, self.path, body=body, headers=headers)
        got = client.getresponse()
        text = got.read()
        client.close()
        self.server.seen.append((self.command, urllib.parse.urlsplit(self.path).path, got.status))
        self.send_response_only(got.status)
        for name, value in got.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def log_message(self, *ignored):
        pass


class Proxy(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Use it with `with`. SEEN: (method, path, status) of what went through."""
    daemon_threads = True

    def __init__(self, before=lambda method, path: None):
        super().__init__(("127.0.0.1", 0), Watch)
        self.seen = []
        self.before = before
        self.api_port = urllib.parse.urlsplit(stand().api_url).port

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()

    @property
    def env(self):
        return {"CLOUDSDK_PROXY_PORT": str(self.server_port)}

    def count(self, method, ending=""):
        return sum(1 for m, path, _ in self.seen if m == method and path.endswith(ending))
