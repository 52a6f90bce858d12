"""Google's libraries for the tests: installed once, below the build directory, from the registries.

Where that cannot be done (no network, no toolchain), a test that needs them is skipped.
HOMERUN_CLIENTS names another folder than BUILD/clients-cache.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

from homerun import BINARY, Skip, need

CLIENTS = pathlib.Path(__file__).resolve().parent / "clients"
CACHE = pathlib.Path(os.environ.get("HOMERUN_CLIENTS") or
                     pathlib.Path(BINARY).absolute().parent / "clients-cache")
NODE = ["@google-cloud/run@3.3.0", "@googleapis/run@34.0.0", "google-auth-library@10.9.1"]
PYTHON = ["google-cloud-run==0.16.2", "google-cloud-logging==3.12.1", "google-cloud-secret-manager==2.32.0", "google-auth[requests]",
          "grpcio-health-checking", "grpcio-reflection"]
MCP_PYTHON = ["mcp==2.3.0"]
MCP_NODE = ["@modelcontextprotocol/sdk@1.32.2"]
INSTALL_SECONDS = 300


def install(what, name, pins, *commands, env=None):
    """CACHE/NAME, after COMMANDS have put PINS there; once for each set of pins."""
    folder = CACHE / name
    made = folder / ("made-" + hashlib.sha256(repr(pins).encode()).hexdigest()[:12])
    if made.exists():
        return folder
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder,
                                  stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS,
                                  env={**os.environ, **(env or {})})
            if done.returncode != 0:
                raise Skip(f"{what} cannot be installed: {(done.stdout + done.stderr)[-300:]!r}")
        made.touch()
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Skip(f"{what} cannot be installed: {why}") from None
    return folder


def is_cached(name):
    """Whether the libraries of NAME have been installed at some time."""
    return any((CACHE / name).glob("made-*"))


def node():
    """The program, and the environment in which it finds the libraries."""
    program = need("node")
    folder = install("Node's libraries", "node", NODE,
                     [need("npm"), "install", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000", "--prefix", ".", *NODE])
    return [program], {"NODE_PATH": str(folder / "node_modules")}


def python():
    folder = CACHE / "python"
    install("Python's libraries", "python", PYTHON,
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", "--retries=1", "--timeout=20", *PYTHON])
    return [str(folder / "bin" / "python")], {}


def mcp_python(homerun, url, *document):
    """The command of an MCP client at URL, and its environment. DOCUMENT: the URL that it is described at."""
    folder = CACHE / "mcp-python"
    install("Python's MCP client", "mcp-python", MCP_PYTHON,
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", "--retries=1", "--timeout=20", *MCP_PYTHON])
    # -I: beside the program lies a secrets.py, which is not Python's.
    return [str(folder / "bin" / "python"), "-I", str(CLIENTS / "mcp_agent.py"), url, homerun.ca, *document], {}


def mcp_node(homerun, url, *document):
    program = need("node")
    folder = install("Node's MCP client", "mcp-node", MCP_NODE,
                     [need("npm"), "install", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000", "--prefix", ".", *MCP_NODE])
    return [program, str(CLIENTS / "mcp_agent.mjs"), url, *document], {"NODE_PATH": str(folder / "node_modules"), "NODE_EXTRA_CA_CERTS": homerun.ca}


def go():
    """The Go program, built: that is what takes the time, not the download."""
    program = need("go")
    sources = [CLIENTS / "go" / name for name in ("go.mod", "main.go", "grpc.go")]
    folder = install("Go's libraries", "go", [path.read_text() for path in sources],
                     ["cp", *map(str, sources), "."], [program, "mod", "tidy"],
                     [program, "build", "-o", "access", "."])
    return [str(folder / "access")], {}


def java():
    """The Java program, compiled, and the path of its classes."""
    program = need("java")
    sources = [CLIENTS / "java" / name for name in ("pom.xml", "Access.java", "ByGrpc.java")]
    folder = install("Java's libraries", "java", [path.read_text() for path in sources],
                     ["mkdir", "source"], ["cp", str(sources[0]), "."],
                     ["cp", *map(str, sources[1:]), "source"],
                     [need("mvn"), "--batch-mode", "--quiet", "compile",
                      "dependency:build-classpath", "-Dmdep.outputFile=classpath"])
    classes = (folder / "classpath").read_text().strip()
    return [program, "-cp", f"{folder / 'target' / 'classes'}:{classes}"], {}


def need_wish(name, what):
    """Large libraries are for `make test-clients`; where they are there already, for every run."""
    if not os.environ.get("HOMERUN_TEST_CLIENTS") and not is_cached(name):
        raise Skip(f"{what} are fetched by `make test-clients` alone")


def run(homerun, command, connect=False, **environment):
    """Runs a client with the environment of HOMERUN, the one with CONNECT if so; what it printed."""
    variables = homerun.client_environment()
    if connect:
        shown = homerun.cli("env", "--connect", "--format=json").stdout
        variables = {name: value for name, value in variables.items() if name not in homerun.env}
        variables.update(json.loads(shown))
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=180, env={**variables, **environment})
    assert done.returncode == 0, f"{done.stdout[-1500:]}{done.stderr[-1500:]}"
    return done.stdout
