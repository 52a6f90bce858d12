#!/usr/bin/env python3
"""docs/clients.md, from top to bottom: its blocks are run as they stand there."""
import os
import pathlib
import re
import shutil
import subprocess
import textwrap

import client_cache
import page
from homerun import BINARY, ROOT, Homerun, clean_environment, finally_do, main, need, test

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
# What the page leaves to the machine: names below .localhost are this machine (RFC 6761).
RESOLVER = {
    "sitecustomize.py": """
        import socket
        asked = socket.getaddrinfo
        socket.getaddrinfo = lambda host, *rest, **more: asked(
            "127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more)
        """,
    "resolver.js": """
        const dns = require('node:dns');
        const asked = dns.lookup;
        dns.lookup = (host, ...rest) =>
          asked(host.endsWith('.localhost') ? '127.0.0.1' : host, ...rest);
        """,
}
# What the page's Go stands in.
GO = """
package main

import (
	"context"
	"fmt"
	"os"

	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"
	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func main() {
	ctx := context.Background()
	name := os.Args[1]
%s
	fmt.Println(answer, err)
}
"""
# And its Java.
JAVA = """
import com.google.auth.oauth2.GoogleCredentials;
import com.google.auth.oauth2.IdTokenCredentials;
import com.google.auth.oauth2.IdTokenProvider;
import com.google.cloud.run.v2.ServicesClient;
import com.google.cloud.run.v2.ServicesSettings;

class Page {
  static void page(String name) throws Exception {
%s
  }
}
"""

_stand = None


def blocks(heading, language):
    """The blocks of LANGUAGE below HEADING."""
    part = re.split(r"^##+ ", PAGE.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    found = [block.text for block in page.blocks(part) if block.language == language]
    assert found, f"no {language} below {heading}"
    return found


def stand():
    global _stand
    if _stand is None:
        _stand = Homerun().start()
        finally_do(_stand.close)
        bin_folder = folder("bin")
        os.symlink(os.path.abspath(BINARY), bin_folder / "homerun")
        for name, text in RESOLVER.items():
            (folder("help") / name).write_text(textwrap.dedent(text), encoding="utf-8")
        # "Before all", less its first line, which says what the stand has done already.
        before = blocks("Before all", "sh")[0].splitlines()
        assert before[0].startswith("homerun up"), before
        (bin_folder / "before").write_text("\n".join(before[1:]) + "\n", encoding="utf-8")
    return _stand


def folder(name):
    path = pathlib.Path(stand().folder) / name
    path.mkdir(exist_ok=True)
    return path


def shell(script, **environment):
    """SCRIPT in a shell where "before all" was said; what it printed."""
    homerun = stand()
    done = subprocess.run(
        ["bash", "-euc", f". {folder('bin')}/before\n{script}"], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=180,
        env={**clean_environment(), "HOMERUN_DATA": homerun.data,
             "HOME": homerun.folder, **environment,
             "PATH": f"{folder('bin')}:{os.environ['PATH']}"})
    assert done.returncode == 0, f"{done.stdout[-1500:]}{done.stderr[-1500:]}"
    return done.stdout


def said(heading):
    """The `export …` that a section asks for in its first sentence."""
    part = PAGE.split(f"## {heading}\n", 1)[1]
    return re.search(r"`(export [^`]+)`", part).group(1)


@test
def curl_goes_as_written():
    script = blocks("curl", "sh")[0].replace("curl ", "curl -s -o /dev/null -w '%{http_code}\\n' ")
    assert shell(script).split() == ["403", "200", "200"]


@test
def python_goes_as_written():
    program, _ = client_cache.python()
    (folder("python") / "page.py").write_text(blocks("Python", "python")[0], encoding="utf-8")
    printed = shell(f"{said('Python')}\n{program[0]} {folder('python')}/page.py",
                    PYTHONPATH=str(folder("help")))
    assert printed.split() == ["200", "403", "200"], printed


@test
def node_goes_as_written():
    program, environment = client_cache.node()
    script, static = blocks("Node", "js")
    (folder("node") / "page.js").write_text(script, encoding="utf-8")
    # Without NODE_PATH, as in a project of one's own.
    os.symlink(environment["NODE_PATH"], folder("node") / "node_modules")
    call = f"{program[0]} --require {folder('help')}/resolver.js {folder('node')}"
    assert shell(f"{said('Node')}\n{call}/page.js").split() == ["200"]
    (folder("node") / "static.js").write_text(
        "const {execSync} = require('node:child_process');\n"
        "const {OAuth2Client} = require('google-auth-library');\n"
        "const {run} = require('@googleapis/run');\n" + static +
        "run({version: 'v2', rootUrl: process.env.HOMERUN_API + '/', auth})\n"
        "  .projects.locations.services.list({parent: `projects/${process.env.GOOGLE_PROJECT}"
        "/locations/${process.env.GOOGLE_REGION}`})\n"
        "  .then((got) => console.log(got.data.services.length));\n", encoding="utf-8")
    assert shell(f"{call}/static.js").split() == ["1"]


@test
def go_compiles_as_written():
    client_cache.need_wish("go", "Go's libraries")
    client_cache.go()
    source = folder("go")
    for name in ("go.mod", "go.sum"):
        shutil.copy(client_cache.CACHE / "go" / name, source)
    lines = blocks("Go", "go")[0].splitlines()
    # Each call's error is looked at by whoever copies the lines: here, by the next line.
    looked = [line + "\nif err != nil { panic(err) }" if re.search(r"\berr :?= .*[^{,]$", line)
              and not line.endswith(("{", ",")) else line for line in lines]
    (source / "main.go").write_text(GO % "\n".join(looked), encoding="utf-8")
    done = subprocess.run(["go", "vet", "."], cwd=source, capture_output=True, text=True,
                          env={**os.environ, "GOFLAGS": "-mod=mod"}, timeout=300)
    assert done.returncode == 0, done.stderr[-1500:]


@test
def java_compiles_as_written():
    client_cache.need_wish("java", "Java's libraries")
    program, _ = client_cache.java()
    source = folder("java") / "Page.java"
    source.write_text(JAVA % blocks("Java", "java")[0], encoding="utf-8")
    done = subprocess.run([need("javac"), "-d", str(source.parent), *program[1:], str(source)],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-1500:]


@test
def the_metadata_server_goes_as_written():
    token = shell(blocks("The metadata server", "sh")[0].replace("curl ", "curl -s "))
    assert token.count(".") == 2, token
    assert stand().get(stand().url("hello"), token=token.strip()).status == 200


@test
def what_is_said_of_grpc_and_enums_holds():
    homerun = stand()
    shell("")
    path = f"/v2/projects/{homerun.ready['project']}/locations/{homerun.ready['region']}/services"
    number = homerun.api("GET", f"{path}/hello?$alt=json;enum-encoding=int").json["ingress"]
    name = homerun.api("GET", f"{path}/hello").json["ingress"]
    assert (number, name) == (1, "INGRESS_TRAFFIC_ALL")
    assert homerun.api("GET", path.replace("us-central1", "-")).json["services"]
    assert homerun.api("GET", f"{path}/-/revisions").json["revisions"]
    assert homerun.api("GET", f"{path}?pageSize=2000").status == 200


if __name__ == "__main__":
    main()
