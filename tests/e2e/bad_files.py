#!/usr/bin/env python3
"""Files that are not what they should be: `homerun up --config`, and services in YAML. Each error
says where: the line, or the name of what is at fault."""
import os
import subprocess
import tempfile

from by_api import SERVICES
from homerun import BINARY, ROOT, Homerun, clean_environment, test, main

CONFIGS = [
    # contents, what the error must name
    ("prot: 1\n", ["prot"]),
    ("apii: 127.0.0.1:1\n", ["apii", "api"]),
    ("config: other.yaml\n", ["config"]),
    ("idle: 5\nproject: [demo\nregion: x\n", ["line 4"]),
    ("idle: 5\n\tproject: x\n", ["line "]),
    ("idle: 5\n  project: demo\n", ["line "]),
    ('project: "demo\n', ["line 1"]),
    ("project: demo\nproject: other\n", ["line 2", "project"]),
    ("project: *nothing\n", ["line 1"]),
    ("project: !!binary aGk=\n", ["line 1"]),
    ("a: &a {b: c}\n<<: *a\n", ["line 2"]),
    ("project: demo\n---\nproject: other\n", ["line 2"]),
    ("a: " + "[" * 5000 + "]" * 5000, ["line 1", "deep"]),
    ("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
     "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
     "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", ["line 4"]),
    (bytes(range(256)), ["line 1"]),
    ("project: demo\n".encode("utf-16"), ["line 1"]),
    ('project: "a\\0b"\n', ["line 1", "NUL"]),
    ("hello\n", ["names and values"]),
    ("- project\n", ["names and values"]),
    ("project: [a, b]\n", ["project"]),
    ("project: {a: b}\n", ["project"]),
    ('project: ""\n', ["project"]),
    ("project: UPPER\n", ["project", "UPPER"]),
    ("region: Mars\n", ["region", "Mars"]),
    ("domain: ..\n", ["domain"]),
    ("organization: abc\n", ["organization"]),
    ("store: mysql://x\n", ["store"]),
    ("engine: rocket\n", ["engine", "rocket"]),
    ("log-level: loud\n", ["log-level", "loud"]),
    ("idle: many\n", ["idle", "many"]),
    ("idle: -5\n", ["idle", "-5"]),
    ("idle: 1.5\n", ["idle"]),
    ("idle: 9999999999\n", ["idle"]),
    ("idle: 99999999999999999999\n", ["line 1"]),
    ("plain: yes please\n", ["plain"]),
    ("plain: 1\n", ["plain"]),
    ("internal: [10.0.0.0/99]\n", ["internal", "10.0.0.0/99"]),
    ("internal: [{a: b}]\n", ["internal"]),
    ("metadata: nowhere\n", ["metadata", "nowhere"]),
    ("tls-certificate: nothing\n", ["tls-certificate"]),
    ("workers: 0\n", ["workers"]),
    ("workers: 100000\n", ["workers"]),
    ('a: "' + "x" * (2 << 20) + '"\n', ["larger than"]),
    ("x" * 100000 + ": 1\n", ["xxxx"]),
]


def up(folder, *flags):
    return subprocess.run(
        [BINARY, "up", f"--data={folder}/data", "--api=127.0.0.1:0", "--https=127.0.0.1:0",
         "--http=127.0.0.1:0", *flags], capture_output=True, stdin=subprocess.DEVNULL, timeout=20,
        env=clean_environment())


@test
def a_configuration_that_is_wrong_starts_nothing_and_says_where():
    with tempfile.TemporaryDirectory(prefix="homerun-e2e-") as folder:
        path = os.path.join(folder, "homerun.yaml")
        for contents, named in CONFIGS:
            with open(path, "wb") as file:
                file.write(contents if isinstance(contents, bytes) else contents.encode())
            done = up(folder, f"--config={path}")
            told = done.stderr.decode("utf-8", "replace")
            assert done.returncode in (1, 2), f"{contents[:60]!r}: {done}"
            assert all(word in told for word in named), f"{contents[:60]!r}: {told[:300]}"
            assert len(told) < 2000 and told.count("\n") == 1, f"{contents[:60]!r}: {told[:3000]}"
        assert not os.path.exists(f"{folder}/data/homerun.db"), "a record was made"


@test
def a_configuration_that_cannot_be_read_is_named():
    with tempfile.TemporaryDirectory(prefix="homerun-e2e-") as folder:
        for path in (f"{folder}/none.yaml", folder, "/dev/full/x", ""):
            done = up(folder, f"--config={path}")
            assert done.returncode == 2 and b"config" in done.stderr, f"{path!r}: {done}"


@test
def the_configuration_that_is_installed_sets_nothing_and_starts():
    """All its lines are comments."""
    for text in ((ROOT / "packaging" / "homerun.yaml").read_text(), "", "\n\n", "# nothing\n"):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            with Homerun(f"--config={file.name}", "--workers=1") as homerun:
                assert homerun.ready["project"] == "demo"


GOOD = """apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    spec:
      containers:
      - image: homerun.test/hello
"""
YAMLS = [
    (GOOD + "      - image: [\n", ["line"]),
    (GOOD.replace("kind: Service\n", "kind: Service\nkind: Service\n"), ["line 3", "kind"]),
    (GOOD.replace("metadata: {name: hello}", "metadata: {name: hello"), ["line"]),
    (GOOD.replace("image:", "imag:"), ["imag"]),
    (GOOD.replace("homerun.test/hello", "[homerun.test/hello]"), ["containers[0].image"]),
    (GOOD.replace("homerun.test/hello", "7"), ["containers[0].image"]),
    (GOOD.replace("{name: hello}", "{name: 7}"), ["metadata.name"]),
    (GOOD.replace("{name: hello}", "{name: hello, labels: {a: {b: c}}}"), ["labels"]),
    (GOOD.replace("{name: hello}", "{name: hello, annotations: {a: true}}"), ["annotations"]),
    (GOOD.replace("      containers:", "      containerConcurrency: many\n      containers:"),
     ["containerConcurrency"]),
    (GOOD.replace("      containers:", "      timeoutSeconds: 1e9\n      containers:"),
     ["timeoutSeconds"]),
    (GOOD + "        ports: {containerPort: 8080}\n", ["ports"]),
    (GOOD + "        ports:\n        - containerPort: 99999\n", ["containerPort"]),
    (GOOD + "        env:\n        - {name: A, value: 7}\n", ["env[0].value"]),
    (GOOD + "        livenessProbe: {httpGet: {scheme: HTTPS}}\n", ["livenessProbe", "HTTPS"]),
    (GOOD + "      volumes:\n      - {name: v, emptyDir: {medium: Tmpfs}}\n", ["medium", "Memory"]),
    (GOOD + "      volumes:\n      - {name: v, emptyDir: {}}\n      - {name: v, emptyDir: {}}\n", ["volumes[1].name"]),
    (GOOD + "        name: Web_1\n", ["containers[0].name"]),
    (GOOD + "        resources: {limits: {memory: 512MB}}\n", ["limits.memory"]),
    (GOOD + "        resources: {limits: {disk: 1Gi}}\n", ["resources.limits"]),
    (GOOD.replace("kind: Service", "kind: Job").replace("serving.knative.dev", "run.googleapis.com"), ["Job"]),
    (GOOD + "---\n" + GOOD, ["document"]),
    (GOOD + "traffic: &a [*a]\n", ["line"]),
    ("- a\n", ["object"]), ("hello\n", ["object"]), ("%YAML 9.9\n---\na: b\n", []),
    (b"\xff\xfe\0", ["line 1"]), ("a: !ruby/object:X {}\n", ["line 1"]), ("\t\n", ["line"]),
]


@test
def a_service_in_broken_yaml_is_refused_with_its_place():
    kind = {"Content-Type": "application/yaml"}

    def refused(homerun, verb, path):
        for contents, named in YAMLS:
            body = contents if isinstance(contents, bytes) else contents.encode()
            got = homerun.api(verb, path, body, headers=kind)
            assert got.status == 400, f"{contents[-60:]!r}: {got}"
            error = got.json["error"]
            assert error["status"] == "INVALID_ARGUMENT", got
            told = error["message"] + str(error.get("details", ""))
            assert all(word in told for word in named), f"{contents[-80:]!r}: {got}"
            # Most clients show the message alone: where it is no sentence of its own, it names the field.
            fields = [one["field"] for detail in error.get("details", []) for one in detail.get("fieldViolations", [])]
            assert error["message"][0].isupper() or all(field in error["message"] for field in fields), f"{contents[-80:]!r}: {got}"

    with Homerun("--workers=1") as homerun:
        refused(homerun, "POST", SERVICES)
        assert homerun.api("GET", SERVICES).json.get("items", []) == []
        good = homerun.api("POST", SERVICES, GOOD.encode(), headers=kind)
        assert good.status == 200, good
        refused(homerun, "PUT", f"{SERVICES}/hello")
        after = homerun.api("GET", f"{SERVICES}/hello").json
        assert after["metadata"]["generation"] == 1, after


if __name__ == "__main__":
    main()
