"""Services by plain API calls, and raw connections to them: for tests of what goes wrong."""
import os
import socket
import ssl
import urllib.parse

from homerun import PYTHON, Homerun, program_folder, wait_until

SERVICES = "/apis/serving.knative.dev/v1/namespaces/demo/services"
RUN = "run.googleapis.com/"
SCALE = "autoscaling.knative.dev/"


def service_body(name, image, public=True, notes=None, template_notes=None, spec=None,
                 container=None):
    """A Knative service. NOTES, TEMPLATE_NOTES: annotations; SPEC, CONTAINER: more fields."""
    annotations = {RUN + "invoker-iam-disabled": "true" if public else "false", **(notes or {})}
    return {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"template": {
            "metadata": {"annotations": template_notes or {}},
            "spec": {**(spec or {}), "containers": [{"image": image, **(container or {})}]}}}}


def put_service(homerun, name, image="homerun.test/hello", **how):
    """Creates or replaces it; the answer."""
    body = service_body(name, image, **how)
    got = homerun.api("POST", SERVICES, body)
    if got.status == 409:
        got = homerun.api("PUT", f"{SERVICES}/{name}", body)
    return got


def ready_condition(homerun, name):
    got = homerun.api("GET", f"{SERVICES}/{name}")
    assert got.status == 200, got
    return next(one for one in got.json["status"]["conditions"] if one["type"] == "Ready")


def wait_settled(homerun, name, seconds=30):
    """The Ready condition, once it is no longer Unknown."""
    def settled():
        one = ready_condition(homerun, name)
        return one if one["status"] != "Unknown" else None
    return wait_until(settled, f"{name} settled", seconds)


def deploy(homerun, name, image="homerun.test/hello", **how):
    """A service that is ready; its host."""
    got = put_service(homerun, name, image, **how)
    assert got.status == 200, got
    condition = wait_settled(homerun, name)
    assert condition["status"] == "True", condition
    return urllib.parse.urlsplit(homerun.url(name)).netloc


def set_policy(homerun, name, *members):
    return homerun.api(
        "POST", f"/v1/projects/demo/locations/{homerun.ready['region']}/services/{name}"
        ":setIamPolicy",
        {"policy": {"bindings": [{"role": "roles/run.invoker", "members": list(members)}]
                    if members else []}})


def make_account(homerun, name):
    got = homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": name})
    assert got.status == 200, got
    return got.json["email"]


def add_odd_image(homerun, kind, *words):
    """odd_container.py as an image; its name."""
    name = f"registry.example/{kind}"
    homerun.cli("images", "add", name, f"--dir={program_folder()}", "--allow-args",
                "--allow-env=safe", "--", PYTHON, f"{program_folder()}/odd_container.py", kind,
                *words)
    return name


class Raw:
    """One connection, byte by byte. WHERE: "http", "https" or "api"."""

    def __init__(self, homerun, where="http", host="localhost", seconds=30):
        port = urllib.parse.urlsplit(homerun.ready[where]).port
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if where == "https":
            context = ssl.create_default_context(cafile=homerun.ca)
            context.set_alpn_protocols(["http/1.1"])
            self.sock = context.wrap_socket(self.sock, server_hostname=host.split(":")[0])
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def ask(self, host, path="/", method="GET", headers=(), body=b"", version="HTTP/1.1"):
        lines = [f"{method} {path} {version}", f"Host: {host}", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def more(self):
        try:
            got = self.sock.recv(65536)
        except ConnectionResetError:
            got = b""
        self.data += got
        return got

    def until(self, mark):
        """What comes up to MARK, and MARK."""
        while mark not in self.data:
            if not self.more():
                raise EOFError(f"the connection ended; had {self.data[:300]!r}")
        at = self.data.index(mark) + len(mark)
        taken, self.data = self.data[:at], self.data[at:]
        return taken

    def take(self, size):
        while len(self.data) < size:
            if not self.more():
                raise EOFError(f"{len(self.data)} of {size} bytes came")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def head(self):
        """Status, and the headers in lower case."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(lines[0].split(" ")[1]), headers

    def chunk(self):
        size = int(self.until(b"\r\n"), 16)
        data = self.take(size)
        if size > 0:
            assert self.take(2) == b"\r\n"
        return data

    def answer(self):
        """Status, headers and body; the body by its length, in chunks, or to the end."""
        status, headers = self.head()
        if status in (204, 304):
            return status, headers, b""
        if "content-length" in headers:
            return status, headers, self.take(int(headers["content-length"]))
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while piece := self.chunk():
                body += piece
            self.until(b"\r\n")
            return status, headers, body
        while self.more():
            pass
        body, self.data = self.data, b""
        return status, headers, body

    def is_over(self):
        """Waits for the end; whether nothing but the end came."""
        while self.more():
            pass
        return self.data == b""


def notes_of(path):
    """What a "good" odd container has noted."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


def most_noted(path):
    return max((int(line.split()[1]) for line in notes_of(path) if line.startswith("most")),
               default=0)


def shared_stand(*flags):
    return Homerun("--plain", "--workers=2", *flags).start()
