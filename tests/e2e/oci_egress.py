#!/usr/bin/env python3
"""The way out of containers, by VPC egress settings and where its process fails. The test lives in a network of its own,
whose addresses are the internet and the private networks that a container could reach."""
import ctypes
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
PUBLIC = ["198.51.100.7"]
METADATA = ["169.254.170.2", "168.63.129.16", "100.100.100.200", "100.96.0.96", "192.0.0.192"]
PRIVATE = ["10.77.0.7", "172.20.0.7", "192.168.77.7", "100.64.0.7", "199.36.153.9"]


def own_network():
    """Whether this process has one now."""
    if os.geteuid() != 0 or shutil.which("ip") is None or ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        return False
    commands = ["link set lo up"] + [f"addr add {address}/32 dev lo" for address in PUBLIC + PRIVATE + METADATA]
    return all(subprocess.run(["ip", *words.split()], check=False).returncode == 0 for words in commands)


ISOLATED = __name__ == "__main__" and own_network()

# Only now: what they start is to be in that network.
import oci  # noqa: E402
from by_api import RUN, deploy, put_service, wait_settled  # noqa: E402
from homerun import Homerun, Skip, finally_do, main, need, test, wait_until  # noqa: E402

CONNECTOR = {RUN + "vpc-access-connector": "projects/demo/locations/us-central1/connectors/c"}
NETWORK = {RUN + "network-interfaces": '[{"network":"default","subnetwork":"default"}]'}
ALL = {RUN + "vpc-access-egress": "all-traffic"}
RANGES = {RUN + "vpc-access-egress": "private-ranges-only"}


@finally_do
def close():
    oci.close()


def ready():
    need("slirp4netns")
    if not ISOLATED:
        raise Skip("it takes root, and ip of iproute2, to make a network")
    return oci.homerun()


def reached(name, port):
    """Which of the addresses a container of the service reaches: kinds of them, or what is left of a kind."""
    hosts = " ".join(PUBLIC + PRIVATE)
    told = oci.inside(name, f"for h in {hosts}; do timeout 12 nc -w 10 $h {port} </dev/null 2>/dev/null | grep -q HELLO && echo $h; done")
    return told.split()


@test
def what_is_routed_into_a_vpc_reaches_nobody():
    ready()
    cases = {"no-vpc": ({}, PUBLIC + PRIVATE), "only-words": (ALL, PUBLIC + PRIVATE),
             "by-default": (CONNECTOR, PUBLIC), "ranges": ({**NETWORK, **RANGES}, PUBLIC),
             "all-traffic": ({**NETWORK, **ALL}, []), "all-by-connector": ({**CONNECTOR, **ALL}, [])}
    for name, (notes, _) in cases.items():
        oci.service(name, template_notes=notes)
    with oci.greeter() as port:
        for name, (_, reach) in cases.items():
            assert reached(name, port) == reach, name
        told = oci.inside("no-vpc", f"for h in {' '.join(METADATA)}; do nc -w 2 $h {port} </dev/null; done")
        assert told.count("No route") == len(METADATA), "metadata servers of clouds: " + told
        told = oci.inside("ranges", f"nc -w 2 10.77.0.7 {port} </dev/null; nc -w 2 10.0.2.2 {port} </dev/null")
        assert told.count("unreachable") == 2, told
        assert "10.0.2.3" in oci.inside("ranges", "cat /etc/resolv.conf; nslookup name.invalid 10.0.2.3")
        # As it is woken from being prepared, and after the engine's end.
        for name in ("ranges", "all-traffic"):
            wait_until(lambda n=name: oci.waits_prepared(oci.stand, n), f"{name} is prepared", 30)
            assert reached(name, port) == cases[name][1], name
        oci.kill_engine()
        for name in ("ranges", "all-traffic", "no-vpc"):
            assert reached(name, port) == cases[name][1], name
    # Other services are this installation's own.
    services = oci.stand.url("ranges").rsplit(":", 1)[1].rstrip("/")
    assert "OPEN" in oci.inside("all-traffic", f"nc -w 2 169.254.169.253 {services} </dev/null && echo OPEN")
    assert oci.metadata("all-traffic", "project/project-id") == "demo"
    shown = oci.stand.api("GET", f"{oci.SERVICES}/all-traffic").json["status"]["conditions"]
    warning = next(one for one in shown if one["type"] == "SettingsApplied")
    assert "network-interfaces has not all of its effect here: there is no VPC" in warning["message"], warning
    assert "egress has" not in warning["message"], warning


@test
def each_revision_has_its_own_way_out():
    ready()
    v2 = "/v2/projects/demo/locations/us-central1/services/moves"

    def roll_out(vpc, **traffic):
        body = {"invokerIamDisabled": True, "template": {"vpcAccess": vpc, "containers": [{"image": "web:1"}]}, **traffic}
        got = oci.stand.api("PATCH", f"{v2}?allowMissing=true", body)
        assert got.status == 200, got
        assert wait_settled(oci.stand, "moves")["status"] == "True"

    interfaces = [{"network": "default"}]
    with oci.greeter() as port:
        roll_out(None)
        assert reached("moves", port) == PUBLIC + PRIVATE
        first = oci.stand.api("GET", v2).json["latestReadyRevision"].rsplit("/", 1)[1]
        roll_out({"networkInterfaces": interfaces, "egress": "ALL_TRAFFIC"}, traffic=[
            {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100},
            {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": first, "tag": "old"}])
        assert (got := reached("moves", port)) == [], got
        url = next(one["uri"] for one in oci.stand.api("GET", v2).json["trafficStatuses"] if one.get("tag") == "old")
        script = f"nc -w 10 {PUBLIC[0]} {port} </dev/null".encode()
        assert oci.stand.get(url + "/cgi-bin/run", method="POST", body=script).text == "HELLO"
        roll_out({"networkInterfaces": interfaces, "egress": "PRIVATE_RANGES_ONLY"})
        assert reached("moves", port) == PUBLIC
        roll_out(None)
        assert reached("moves", port) == PUBLIC + PRIVATE


# In the place of slirp4netns: does what the file "mode" says, then, or else, what the real one does.
FAKE = """#!/bin/sh
case "$(cat {0}/mode)" in
ends) sleep 0.3; echo 'tap: no such luck' >&2; exit 1;;
hangs) sleep 1000;;
hangs-once) mkdir {0}/marks/hung 2>/dev/null && exec sleep 1000;;
esac
exec {0}/real "$@"
"""


@test
def a_way_out_that_fails_is_told_of_and_leaves_nothing_behind():
    ready()
    real = shutil.which("slirp4netns")
    place = os.path.join(oci.folder, "fake")
    os.makedirs(os.path.join(place, "marks"))
    os.chmod(os.path.join(place, "marks"), 0o777)
    shutil.copy(real, os.path.join(place, "real"))
    with open(os.path.join(place, "fake"), "w", encoding="utf-8") as file:
        file.write(FAKE.format(place))
    os.chmod(os.path.join(place, "fake"), 0o755)

    def mode(word):
        with open(os.path.join(place, "mode"), "w", encoding="utf-8") as file:
            file.write(word)

    mode("works")
    other = Homerun("--engine=oci", "--idle=1", "--plain")
    other.wrap = ("unshare", "--mount", "sh", "-c", f'mount --bind {place}/fake {real}; exec "$@"', "sh")
    with other, oci.greeter() as port:
        other.cli("images", "import", "web:1", f"oci:{oci.LAYOUT}:web")

        def left():
            """What there is of instances: crun's containers, their groups, processes, notes."""
            notes = [os.listdir(os.path.join(other.data, "run", one)) for one in ("egress", "instances", "out")]
            return [os.listdir(oci.crun_state(other.data)), oci.cruns_of(other), *notes]

        mode("hangs-once")
        assert put_service(other, "later", "web:1").status == 200
        wait_until(lambda: os.path.exists(os.path.join(place, "marks", "hung")), "the first one hangs", 30)
        mode("ends")
        assert put_service(other, "unlucky", "web:1").status == 200
        told = wait_settled(other, "unlucky")
        assert told["status"] == "False", told
        seen = ("its outgoing network could not be set up (slirp4netns has ended: tap: no such luck): "
                "`homerun up --egress none` does without")
        assert seen in told["message"], told["message"]
        deploy(other, "alone", "web:1", template_notes={**NETWORK, **ALL})  # one without a way out does not care
        mode("works")
        assert wait_settled(other, "later")["status"] == "True"
        deploy(other, "unlucky", "web:1", container={"env": [{"name": "TRY", "value": "2"}]})
        for name in ("later", "unlucky"):
            got = other.get(other.url(name) + "/cgi-bin/run", method="POST",
                            body=f"nc -w 10 {PUBLIC[0]} {port} </dev/null".encode())
            assert got.text == "HELLO", (name, got)
        for name in ("later", "unlucky", "alone"):
            assert other.api("DELETE", f"{oci.SERVICES}/{name}").status == 200
        wait_until(lambda: not any(left()), "nothing is left", 30)


if __name__ == "__main__":
    main()
