#!/usr/bin/env python3
"""Three nodes of Homerun in real pods, by the Helm chart and docs/cluster.md: from nothing to a first service, another image under
load, and the end of it.

    tests/kubernetes/run.py FOLDER --chart [WORD…]
"""
import os
import shutil

import nodes as by_manifest
import pods as stand
from homerun import ROOT, Skip, main, test, wait_until
from nodes import NAMES, SPACE, Watched, pod_of, ready_addresses, restarts
from pods import kubectl

TITLE = "Three nodes by Helm"
_nodes = None


def nodes():
    global _nodes
    if _nodes is None:
        pods = stand.cluster()
        if shutil.which("helm", path=f"{pods.bin}:{os.environ['PATH']}") is None:
            raise Skip("helm is missing")
        # Of the stand itself; Helm takes nothing over that others have made.
        kubectl(pods, "delete", "--wait", "-f", str(ROOT / "packaging/kubernetes/chart/files/rights.json"))
        _nodes = by_manifest.Nodes(TITLE, "helm install")
    return _nodes


@test
def the_chart_brings_three_nodes_that_serve():
    all_nodes = nodes()
    addresses = ready_addresses(all_nodes.pods)
    assert len(addresses) == 3, addresses
    for address in addresses:
        answer = all_nodes.get(address)
        assert answer.status == 200 and answer.json["env"]["K_SERVICE"] == "hello", answer
    assert [restarts(all_nodes.pods, name) for name in NAMES] == [0, 0, 0]


@test
def the_chart_exchanges_the_image_without_a_failed_request_and_ends_no_service():
    all_nodes = nodes()
    pods = all_nodes.pods
    before = {name: pod_of(pods, name)["metadata"]["uid"] for name in NAMES}
    assert pods.ctr("image", "tag", stand.SELF, by_manifest.NEXT).returncode == 0
    with Watched(all_nodes) as watched:
        all_nodes.page.type(TITLE, "helm upgrade", until="helm uninstall")
        assert all(pod_of(pods, name)["metadata"]["uid"] != before[name] for name in NAMES)
    watched.say("helm upgrade")
    assert watched.wrong == [], (len(watched.wrong), watched.wrong[:3])


@test
def what_was_deployed_outlives_the_chart():
    all_nodes = nodes()
    pods = all_nodes.pods
    instances = {pod["metadata"]["name"] for pod in pods.objects("pods") if pod["metadata"]["namespace"] == f"{SPACE}-demo"}
    assert instances, "no instance runs"
    all_nodes.page.type(TITLE, "helm uninstall", since="helm uninstall")
    wait_until(lambda: all(pod_of(pods, name) is None for name in NAMES), "no node is there", 180)
    left = {pod["metadata"]["name"] for pod in pods.objects("pods") if pod["metadata"]["namespace"] == f"{SPACE}-demo"}
    assert left == instances, (left, instances)
    assert all_nodes.server.sql("SELECT count(*) FROM homerun.node", "homerun").strip() == "0"  # each has said that it goes


if __name__ == "__main__":
    main()
