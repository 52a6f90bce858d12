#!/usr/bin/env python3
"""What packaging/kubernetes has for Homerun itself in a cluster: the chart says what the plain manifests say, and the image has
each library that the programs ask for. A server's own judgement of them is in kube.py and in tests/kubernetes."""
import json
import os
import pathlib
import re
import shutil
import subprocess

from homerun import BINARY, ROOT, Skip, main, need, test

FOLDER = ROOT / "packaging/kubernetes"
# The plain manifest, and what the chart is told for the same.
SHAPES = {"homerun.yaml": [], "homerun-nodes.yaml": ["nodes=3", "store.secret=homerun-store"]}


def yaml():
    try:
        import yaml as found
    except ImportError:
        raise Skip("python3-yaml is not installed") from None
    return found


def plain(name):
    return list(yaml().safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def template(*values):
    helm = os.environ.get("HELM") or shutil.which("helm")
    if helm is None:
        raise Skip("helm is not installed")
    words = [word for value in values for word in ("--set", value)]
    return subprocess.run([helm, "template", "homerun", str(FOLDER / "chart"), "--namespace=homerun", "--kube-version=1.34.0",
                           *words], capture_output=True, text=True, timeout=60, check=False)


def by_name(values):
    return {(value["kind"], value["metadata"]["name"]): value for value in values}


@test
def the_chart_says_what_the_plain_manifests_say():
    rights = json.loads((FOLDER / "chart/files/rights.json").read_text(encoding="utf-8"))["items"]
    for name, values in SHAPES.items():
        done = template(*values)
        assert done.returncode == 0, done.stderr
        made = by_name(value for value in yaml().safe_load_all(done.stdout) if value)
        assert made == by_name(plain(name) + [right for right in rights if right["kind"] != "Namespace"]), name


@test
def the_chart_refuses_nodes_without_a_record_that_they_share():
    done = template("nodes=2")
    assert done.returncode != 0 and "set store.secret" in done.stderr, done


@test
def nodes_differ_from_one_pod_in_what_nodes_need_and_in_nothing_else():
    one, several = by_name(plain("homerun.yaml")), by_name(plain("homerun-nodes.yaml"))
    assert several.keys() - one.keys() == {("PodDisruptionBudget", "homerun")} and not one.keys() - several.keys()
    sets = one.pop(("StatefulSet", "homerun"))["spec"], several.pop(("StatefulSet", "homerun"))["spec"]
    assert one.items() <= several.items()
    assert (sets[0].pop("replicas"), sets[1].pop("replicas")) == (1, 3)
    assert sets[0].pop("volumeClaimTemplates") and sets[1].pop("podManagementPolicy") == "Parallel"
    pods = [each.pop("template")["spec"] for each in sets]
    assert sets[0] == sets[1]
    grace = [pod.pop("terminationGracePeriodSeconds") for pod in pods]
    boxes = [pod.pop("containers")[0] for pod in pods]
    stop = boxes[1].pop("lifecycle")["preStop"]["sleep"]["seconds"]
    assert grace[1] >= grace[0] + stop, (grace, stop)
    volumes = [{each["name"]: each for each in pod.pop("volumes")} for pod in pods]
    assert volumes[1].keys() - volumes[0].keys() == {"data", "store"}
    assert volumes[1]["store"]["secret"]["defaultMode"] == 0o440
    assert len(pods[1].pop("topologySpreadConstraints")) == 2 and pods[0] == pods[1]
    assert boxes[1]["args"][:len(boxes[0]["args"])] == boxes[0]["args"]
    assert {each["name"] for each in boxes[1].pop("env")} == set(re.findall(r"\$\((\w+)\)", " ".join(boxes[1]["args"])))
    mounts = [{each["mountPath"] for each in box.pop("volumeMounts")} for box in boxes]
    assert mounts[1] - mounts[0] == {"/etc/homerun"}
    for box in boxes:
        box.pop("args")
    assert boxes[0] == boxes[1]


def packages_of(files):
    """The packages that FILES are of, by any of the names that they have where /lib is a link."""
    names = {name for file in files for name in (file, os.path.realpath(file), re.sub("^/usr", "", os.path.realpath(file)))}
    out = subprocess.run(["dpkg-query", "-S", *sorted(names)], capture_output=True, text=True, check=False).stdout
    return {line.split(":")[0] for line in out.splitlines()}


@test
def the_image_has_every_library_that_the_programs_load():
    for program in ("readelf", "dpkg-query"):
        need(program)
    folder = pathlib.Path(BINARY).resolve().parent
    programs = [BINARY, str(folder / "fetcher/homerun-fetcher")]
    # What they link to, and what is loaded by name when it is needed; these packages bring along what they need themselves.
    names = {name for program in programs for name in re.findall(
        r"\(NEEDED\).*\[(\S+)\]", subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout)}
    opened = {name for file in (ROOT / "src").rglob("*.c")
              for name in re.findall(r'dlopen\("(lib[^"]+)"', file.read_text(encoding="utf-8"))}
    assert len(opened) >= 2 and len(names) > 8, (opened, names)
    found = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    paths = dict(reversed(re.findall(r"^\s*(\S+) .*=> (/\S+)$", found, re.M)))  # the loader's choice comes first
    linked = {paths[name] for name in names | opened if name in paths}
    wanted = packages_of(linked) - {"libc6", "libgcc-s1"}
    if not wanted:
        raise Skip("the libraries here are no Debian packages")
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    listed = set(re.search(r"--no-install-recommends (.*?)&&", text, re.S).group(1).replace("\\\n", " ").split())
    assert wanted - listed == set(), f"packaging/kubernetes/Dockerfile lacks {sorted(wanted - listed)}"
    assert listed - wanted == {"ca-certificates", "tzdata"}, f"nobody needs {sorted(listed - wanted - {'ca-certificates', 'tzdata'})}"


if __name__ == "__main__":
    main()
