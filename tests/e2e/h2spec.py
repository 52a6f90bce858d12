#!/usr/bin/env python3
"""h2spec, the conformance test of HTTP/2 and HPACK, against a public service over TLS.

It is built by Go into the build directory, where Go and its module proxy can be had. What fails
must be exactly what the list below refuses on purpose: a case that begins to pass is news as well.
"""
import os
import pathlib
import shutil
import subprocess
import urllib.parse
import xml.etree.ElementTree

from by_api import SCALE, add_odd_image, deploy
from homerun import BINARY, Homerun, Skip, main, need, test

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
CACHE = pathlib.Path(BINARY).absolute().parent / "h2spec"
CASES = 145  # of that version
# Some cases say what else must not come on a stream while its answer is on its way: so it is, for a
# while. An answer that was faster than the next frame would make it a frame for a closed stream.
PATH = "/late?s=0.1"

# The two ways of PRIORITY: RFC 9113 section 5.3.2 takes the priorities of RFC 7540 back, and we say
# in SETTINGS that we have none (RFC 9218 section 2.1), so such a frame is read and means nothing.
NO_PRIORITIES = "PRIORITY means nothing here: RFC 9113 section 5.3.2, RFC 9218 section 2.1"
# A tree of priorities is also what nghttp2 would remember closed streams in. Without it, a frame
# for a closed stream is counted against the windows and the limits of floods, and dropped: RFC 9113
# section 5.1 wants the connection ended, which only punishes a client for what is on its way.
FORGOTTEN = "streams that are closed are forgotten, and frames for them dropped"

REFUSED = {
    ("http2/5.1", "closed: Sends a DATA frame after sending RST_STREAM frame"): FORGOTTEN,
    ("http2/5.1", "closed: Sends a HEADERS frame after sending RST_STREAM frame"): FORGOTTEN,
    ("http2/5.1", "closed: Sends a DATA frame"): FORGOTTEN,
    ("http2/5.1", "closed: Sends a HEADERS frame"): FORGOTTEN,
    ("http2/5.1.1", "Sends stream identifier that is numerically smaller than previous"): FORGOTTEN,
    ("http2/5.3.1", "Sends PRIORITY frame that depend on itself"): NO_PRIORITIES,
    ("http2/6.3", "Sends a PRIORITY frame with 0x0 stream identifier"): NO_PRIORITIES,
}


def program():
    """h2spec, built if need be."""
    path = CACHE / "h2spec"
    if not path.exists():
        try:
            built = subprocess.run([need("go"), "install", MODULE], capture_output=True, text=True,
                                   timeout=300, env={**os.environ, "GOBIN": str(CACHE)})
        except subprocess.TimeoutExpired:
            raise Skip("h2spec could not be built within five minutes") from None
        if built.returncode != 0:
            raise Skip(f"h2spec could not be built: {built.stderr.strip().splitlines()[-1]}")
    return path


def run(homerun, host):
    """Its report. It connects to the name that it asks for: a hosts file of its own says where."""
    if shutil.which("unshare") is None:
        raise Skip("unshare is not installed")
    name, _, port = host.partition(":")
    hosts = os.path.join(homerun.folder, "hosts")
    report = os.path.join(homerun.folder, "h2spec.xml")
    with open(hosts, "w", encoding="utf-8") as file:
        file.write(f"127.0.0.1 localhost {name}\n")
    done = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c",
                           'mount --bind "$0" /etc/hosts || exit 77; exec "$@"', hosts,
                           program(), "-t", "-k", "-h", name, "-p", port, "-P", PATH, "-j", report],
                          capture_output=True, text=True, timeout=300)
    if done.returncode == 77 or not os.path.exists(report):
        why = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        if done.returncode == 77 or "unshare" in done.stderr:
            raise Skip(f"no mount namespace to be had: {why}")
        raise AssertionError(f"h2spec broke off: {why}")
    return xml.etree.ElementTree.parse(report).getroot()


@test
def h2spec_finds_nothing_but_what_is_refused_on_purpose():
    program()
    with Homerun("--workers=1") as homerun:
        image = add_odd_image(homerun, "good")
        host = deploy(homerun, "public", image, template_notes={SCALE + "minScale": "1"})
        cases = list(run(homerun, urllib.parse.urlsplit(f"//{host}").netloc).iter("testcase"))
    failed = {(case.get("package"), case.get("classname")) for case in cases if len(case) > 0}
    for case in cases:
        key = (case.get("package"), case.get("classname"))
        if key in failed and key not in REFUSED:
            print(*key, case[0].text or "", sep="\n    ")
    assert len(cases) == CASES, f"{len(cases)} cases were run"
    assert failed == set(REFUSED), f"not as listed: {sorted(failed ^ set(REFUSED))}"


if __name__ == "__main__":
    main()
