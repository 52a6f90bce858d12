#!/usr/bin/env python3
"""The rights of rights.json at a real API server: each is needed, its lack is told in the server's words, and is over when it
is granted. So Homerun works with what is written there, and with no less.

    tests/kubernetes/run.py FOLDER --rights [WORD…]
"""
import json
import os
import pathlib
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

import kube  # noqa: E402
import kube_faults  # noqa: E402
from homerun import main, test, wait_until  # noqa: E402
from kube_faults import SECRETS, SPACE, answers  # noqa: E402
from kube_real import path_of  # noqa: E402

# What is there already need not be made.
IN_THE_WAY = {
    ("create", "namespaces"): ("namespaces", None, SPACE),
    ("create", "rolebindings"): ("rolebindings", SPACE, "homerun-instances"),
    ("bind", "clusterroles"): ("rolebindings", SPACE, "homerun-instances"),
    ("create", "networkpolicies"): ("networkpolicies", SPACE, "homerun-only"),
    ("create", "leases"): ("leases", "homerun", "homerun-autoscaler"),
}


def another_value(homerun, service, _):
    """A service that sleeps, and wakes with another value, drops the Secret that it had."""
    cluster, _ = kube_faults.stand()
    wait_until(lambda: kube.replicas(cluster, service) == 0, f"{service} sleeps", 60)
    homerun.cli("secrets", "add", "word", input="something else")
    answers(homerun, service)


ACTS = {("delete", "secrets"): another_value,
        ("delete", "deployments"): lambda homerun, _, former: homerun.cli("services", "delete", former, "--quiet")}


def rights():
    values = json.loads((ROOT / "packaging/kubernetes/chart/files/rights.json").read_text())["items"]
    for value in values:
        role = value["kind"].lower() + "s", value["metadata"].get("namespace"), value["metadata"]["name"]
        for rule in value.get("rules", []):
            yield from ((role, verb, resource) for resource in rule["resources"] for verb in rule["verbs"])


@test
def our_own_binding_of_rights_is_bound_again():
    cluster, homerun = kube_faults.stand("--kubernetes-source=10.88.0.0/16")
    kube.deploy(homerun, "first", SECRETS)
    cluster.remove("rolebindings", SPACE, "homerun-instances")
    kube.deploy(homerun, "bound", SECRETS)


@test
def each_missing_right_is_named_and_over_when_it_is_granted():
    cluster, homerun = kube_faults.stand()
    former = "bound"
    for number, (role, verb, resource) in enumerate(rights()):
        service = f"right-{number}"
        cluster.refuse(verb, resource, role)
        in_the_way = IN_THE_WAY.get((verb, resource))
        if in_the_way:
            cluster.remove(*in_the_way)
            wait_until(lambda o=in_the_way: cluster.call("GET", path_of(*o))[0] == 404, f"{in_the_way} is gone", 60)
        engine, = homerun.pids("engine")
        os.kill(engine, signal.SIGKILL)  # the next one lists and watches everything
        kube.deploy(homerun, service, SECRETS, status=None)
        ACTS.get((verb, resource), lambda *_: None)(homerun, service, former)
        words = "is attempting to grant" if verb == "bind" else f'cannot {verb} resource "{resource}"'
        wait_until(lambda w=words: w in homerun.printed(), words, 60)
        cluster.allow_all()
        wait_until(lambda s=service: kube.deploy(homerun, s, SECRETS, status=None).returncode == 0, f"{service} is deployed", 90)
        answers(homerun, service)
        if verb == "delete" and resource == "deployments":
            wait_until(lambda f=former: not [d for d in cluster.objects("deployments")
                                             if d["metadata"]["name"].startswith(f"{f}-")], f"{former} is gone", 60)
        former = service


if __name__ == "__main__":
    main()
