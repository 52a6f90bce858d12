#!/usr/bin/env python3
"""Instances in a cluster (--engine=kubernetes), against an API server that answers as the real one was seen to."""
import base64
import concurrent.futures
import json
import os
import shutil
import signal
import time

import kube_fake
from homerun import PYTHON, ROOT, Homerun, Skip, finally_do, free_port, main, program_folder, test, wait_until
from kube_fake import FakeCluster
from kube_real import RealCluster

LEADS = "this node scales now"
IMAGE = "registry.example/app:1"
_stand = None


def new_cluster():
    """HOMERUN_TEST_CLUSTER: a folder with the programs of a real one (make test-kubernetes)."""
    programs = os.environ.get("HOMERUN_TEST_CLUSTER")
    cluster = RealCluster(programs) if programs else FakeCluster()
    finally_do(cluster.close)
    return cluster


def program():
    return [PYTHON, f"{program_folder()}/kube_container.py", "{address}", "{port}"]


def stand():
    """A cluster and a Homerun that runs its instances there."""
    global _stand
    if _stand is None:
        cluster = new_cluster()
        cluster.programs[IMAGE] = program()
        homerun = Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}", "--idle=2")
        finally_do(homerun.close)
        homerun.start()
        _stand = cluster, homerun
    return _stand


def deploy(homerun, name, *more, image=IMAGE, status=0):
    return homerun.cli("deploy", name, f"--image={image}", "--allow-unauthenticated", *more, status=status)


@test
def a_service_is_answered_by_a_pod():
    cluster, homerun = stand()
    deploy(homerun, "first")
    answer = homerun.get(homerun.url("first"))
    assert answer.status == 200 and answer.json["address"].startswith(("127.1", "10.88.")), answer
    assert answer.json["env"]["K_SERVICE"] == "first"


def one_deployment(cluster, service):
    """Of the newest revision of SERVICE."""
    found = [d for d in cluster.objects("deployments")
             if d["metadata"]["labels"]["homerun.internal/service"] == service]
    return max(found, key=lambda d: int(d["metadata"]["labels"]["homerun.internal/revision-id"]))


def replicas(cluster, service):
    return one_deployment(cluster, service)["spec"]["replicas"]


def pods_of(cluster, service):
    return [p["metadata"]["name"] for p in cluster.objects("pods")
            if p["metadata"]["labels"]["homerun.internal/service"] == service]


def of_service(cluster, service):
    """The calls that have changed something of it."""
    return [call for call in cluster.calls_of("POST", "PATCH", "PUT", "DELETE") if f"/{service}-" in call[1]]


def keep(homerun, service, number):
    """The service's own minimum, which takes no new revision."""
    path = f"/v2/projects/demo/locations/us-central1/services/{service}?updateMask=scaling.minInstanceCount"
    answer = homerun.api("PATCH", path, {"scaling": {"minInstanceCount": number}})
    assert answer.status == 200, answer


@test
def the_deployment_is_as_restricted_as_can_be():
    cluster, homerun = stand()
    deploy(homerun, "shape", "--memory=256Mi", "--cpu=1", "--set-env-vars=MONEY=$(HOME) $$5", "--args=--a,$(PORT)")
    deployment = one_deployment(cluster, "shape")
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"] in (  # as it was written, and as a server writes it
        {"cpu": "1000m", "memory": str(256 << 20)}, {"cpu": "1", "memory": str(256 << 20)}), container["resources"]
    assert container["startupProbe"]["periodSeconds"] == 1 and container["startupProbe"]["failureThreshold"] == 240
    assert deployment["metadata"]["namespace"] == "homerun-demo"
    owner = deployment["metadata"]["labels"]["homerun.internal/owner"]
    space, = [s for s in cluster.objects("namespaces") if s["metadata"]["name"] == "homerun-demo"]
    assert space["metadata"]["labels"]["homerun.internal/owner"] == owner
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    service, = [s for s in cluster.objects("services") if s["metadata"]["name"] == deployment["metadata"]["name"]]
    assert service["spec"]["clusterIP"] == "None"
    assert service["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
    # What a cluster would expand comes to the program as it was written.
    answer = homerun.get(homerun.url("shape")).json
    assert answer["env"]["MONEY"] == "$(HOME) $$5", answer["env"]["MONEY"]
    assert answer["args"] == ["--a", "$(PORT)"], answer["args"]


@test
def a_deploy_takes_few_calls_and_a_wake_takes_one():
    cluster, homerun = stand()
    deploy(homerun, "few")
    assert homerun.get(homerun.url("few")).status == 200
    made = of_service(cluster, "few")
    assert 0 < len(made) <= 4, made
    wait_until(lambda: replicas(cluster, "few") == 0, "asleep")
    wait_until(lambda: not [p for p in cluster.objects("pods") if "few-" in p["metadata"]["name"]], "no pod")
    before = len(of_service(cluster, "few"))
    assert homerun.get(homerun.url("few")).status == 200
    made = of_service(cluster, "few")[before:]
    assert len(made) == 1 and made[0][0] == "PATCH" and "/scale?" in made[0][1], made
    for _ in range(20):
        assert homerun.get(homerun.url("few")).status == 200
    assert of_service(cluster, "few")[before + 1:] == []


@test
def what_has_gone_to_sleep_stays_asleep():
    """Also while its pod is still told of."""
    cluster, homerun = stand()
    names = [f"sleeps{number}" for number in range(8)]
    for name in names:
        make_service(homerun, name, {"containers": [{"image": IMAGE}], "healthCheckDisabled": True})
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        assert [answer.status for answer in pool.map(lambda name: homerun.get(homerun.url(name)), names)] == [200] * len(names)
    wait_until(lambda: not [p for p in cluster.objects("pods") if "sleeps" in p["metadata"]["name"]], "no pod")
    made = {name: [call for call in of_service(cluster, name) if "/scale?" in call[1]] for name in names}
    # Up and down, and once more where the server had changed it in between; a start that nobody asked for takes two.
    assert all(2 <= len(calls) <= 3 for calls in made.values()), made


@test
def what_pods_write_is_in_the_log():
    cluster, homerun = stand()
    if not cluster.has_logs:
        raise Skip("the kubelet of this cluster serves no logs")
    deploy(homerun, "talks")
    pod, = pods_of(cluster, "talks")
    wait_until(lambda: "kube_container: begins" in homerun.cli("logs", "talks").stdout, "its line")
    assert f"pod {pod}" in homerun.cli("logs", "talks").stdout


@test
def a_pod_that_ends_itself_is_not_kept():
    cluster, homerun = stand()
    deploy(homerun, "ends")
    try:
        homerun.get(homerun.url("ends") + "/exit")
    except OSError:
        pass  # it was cut off
    wait_until(lambda: replicas(cluster, "ends") == 0, "it sleeps")
    assert homerun.get(homerun.url("ends")).status == 200


@test
def a_pod_that_is_evicted_is_followed_by_another():
    cluster, homerun = stand()
    deploy(homerun, "evicted")
    keep(homerun, "evicted", 1)
    before = set(pods_of(cluster, "evicted"))
    cluster.evict(*before)
    wait_until(lambda: not before & set(pods_of(cluster, "evicted")) and pods_of(cluster, "evicted"), "another pod")
    wait_until(lambda: homerun.get(homerun.url("evicted")).status == 200, "it answers")
    assert replicas(cluster, "evicted") == 1


@test
def a_pod_may_have_an_ipv6_address():
    cluster, homerun = stand()
    if os.environ.get("HOMERUN_TEST_CLUSTER") or not kube_fake.has_ipv6():
        raise Skip("there are no IPv6 addresses here")
    image = "registry.example/six:1"
    cluster.programs[image], cluster.addresses[image] = program(), "::1"
    deploy(homerun, "six", f"--port={free_port()}", image=image)
    answer = homerun.get(homerun.url("six"))
    assert answer.status == 200 and answer.json["address"] == "::1", answer


PLACE = "/v2/projects/demo/locations/us-central1"


def api(homerun, method, path, body=None):
    answer = homerun.api(method, path, body)
    assert answer.status == 200, f"{method} {path}: {answer}"
    return answer.json


def add_secret_value(homerun, value):
    api(homerun, "POST", "/v1/projects/demo/secrets/word:addVersion",
        {"payload": {"data": base64.b64encode(value.encode()).decode()}})


def make_service(homerun, name, template):
    operation = api(homerun, "POST", f"{PLACE}/services?serviceId={name}",
                    {"template": template, "invokerIamDisabled": True})
    api(homerun, "POST", f"/v2/{operation['name']}:wait", {"timeout": "60s"})
    condition = api(homerun, "GET", f"{PLACE}/services/{name}")["terminalCondition"]
    assert condition["state"] == "CONDITION_SUCCEEDED", condition


@test
def a_secret_is_as_it_is_when_a_service_wakes():
    cluster, homerun = stand()
    number = homerun.ready["projectNumber"]
    api(homerun, "POST", "/v1/projects/demo/secrets?secretId=word", {"replication": {"automatic": {}}})
    add_secret_value(homerun, "first value")
    api(homerun, "POST", "/v1/projects/demo/secrets/word:setIamPolicy", {"policy": {"bindings": [
        {"role": "roles/secretmanager.secretAccessor",
         "members": [f"serviceAccount:{number}-compute@developer.gserviceaccount.com"]}]}})
    source = {"secretKeyRef": {"secret": "word", "version": "latest"}}
    make_service(homerun, "secret", {
        "containers": [{"image": IMAGE, "env": [{"name": "WORD", "valueSource": source}],
                        "volumeMounts": [{"name": "files", "mountPath": "/secrets/word"}]}],
        "volumes": [{"name": "files", "secret": {"secret": "word", "items": [{"path": "now", "version": "latest"}]}}]})
    assert homerun.get(homerun.url("secret")).json["env"]["WORD"] == "first value"
    kept, = secrets_of(cluster, "secret")
    assert kept["immutable"] is True
    assert kept["metadata"]["ownerReferences"][0]["uid"] == one_deployment(cluster, "secret")["metadata"]["uid"]
    assert "first value" not in json.dumps(cluster.objects("deployments"))
    volume, = one_deployment(cluster, "secret")["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"]["secretName"] == kept["metadata"]["name"] and volume["secret"]["items"][0]["path"] == "now"
    wait_until(lambda: not pods_of(cluster, "secret"), "no pod")
    before = len(of_service(cluster, "secret"))
    assert homerun.get(homerun.url("secret")).json["env"]["WORD"] == "first value"
    made = of_service(cluster, "secret")[before:]
    assert len(made) == 1, made  # what has not changed is not sent again
    wait_until(lambda: not pods_of(cluster, "secret"), "no pod")
    add_secret_value(homerun, "second value")
    assert homerun.get(homerun.url("secret")).json["env"]["WORD"] == "second value"
    wait_until(lambda: len(secrets_of(cluster, "secret")) == 1, "the former Secret goes")


def secrets_of(cluster, service):
    return [s for s in cluster.objects("secrets")
            if s["metadata"].get("labels", {}).get("homerun.internal/service") == service]


@test
def sidecars_volumes_and_probes_are_taken():
    """By a real server too, which knows every field."""
    cluster, homerun = stand()
    make_service(homerun, "parts", {
        "containers": [
            {"name": "front", "image": IMAGE, "ports": [{"containerPort": 8080}], "dependsOn": ["side"],
             "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
             "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 2, "failureThreshold": 30},
             "livenessProbe": {"httpGet": {"path": "/live", "httpHeaders": [{"name": "A", "value": "b"}]}}},
            {"name": "side", "image": IMAGE, "startupProbe": {"grpc": {"port": 9000, "service": "s"}}},
        ],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "8Mi"}}]})
    assert homerun.get(homerun.url("parts")).status == 200
    spec = one_deployment(cluster, "parts")["spec"]["template"]["spec"]
    side, = spec["initContainers"]
    assert side["name"] == "side" and side["restartPolicy"] == "Always"
    assert side["startupProbe"]["grpc"] == {"port": 9000, "service": "s"}
    assert side["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    front, = spec["containers"]
    assert front["livenessProbe"]["httpGet"]["path"] == "/live"
    assert front["startupProbe"]["failureThreshold"] == 60 and front["startupProbe"]["periodSeconds"] == 1
    assert spec["volumes"][0]["emptyDir"]["medium"] == "Memory"


@test
def a_deleted_service_leaves_nothing():
    cluster, homerun = stand()
    deploy(homerun, "gone")
    name = one_deployment(cluster, "gone")["metadata"]["name"]
    homerun.cli("services", "delete", "gone", "--quiet")
    wait_until(lambda: not [o for kind in ("deployments", "services", "secrets", "pods")
                            for o in cluster.objects(kind) if o["metadata"]["name"].startswith(name)], "all gone")


@test
def what_fails_in_the_cluster_is_told_by_name():
    cluster, homerun = stand()
    cases = []
    cluster.pull_errors["registry.example/never:1"] = (
        "ErrImageNeverPull", 'Container image "registry.example/never:1" is not present with pull policy of Never')
    cases.append(("never", {"image": "registry.example/never:1"}, "ErrImageNeverPull"))
    cases.append(("absent", {"image": "registry.example/absent:1"}, "ErrImagePull"))
    cases.append(("crash", {"more": ["--args=fail"]}, "exited with status 3"))
    for name, how, words in cases:
        said = deploy(homerun, name, *how.get("more", []), image=how.get("image", IMAGE), status=None)
        assert said.returncode != 0 and words in said.stderr + said.stdout, (name, said.stderr)
        if name == "crash" and cluster.has_logs:
            assert "a wrong setting" in said.stderr, said.stderr
    cluster.set_quota(0)
    said = deploy(homerun, "quota", status=None)
    cluster.set_quota(None)
    assert said.returncode != 0 and "exceeded quota" in said.stderr, said.stderr
    # And nothing of it is left running.
    for name in ("never", "absent", "crash", "quota"):
        wait_until(lambda n=name: replicas(cluster, n) == 0, f"{name} sleeps")


@test
def what_a_cluster_does_not_have_is_refused_by_name():
    _, homerun = stand()
    homerun.cli("images", "add", "mine", "--dir=/usr/bin", "--", "/bin/true")
    said = deploy(homerun, "program", image="mine", status=None)
    assert said.returncode != 0 and "is a program of this machine" in said.stderr, said.stderr


@test
def a_missing_right_is_named():
    cluster, homerun = stand()
    cluster.refuse("patch", "deployments/scale")
    said = deploy(homerun, "noright", status=None)
    cluster.allow_all()
    assert said.returncode != 0, said.stdout
    assert 'cannot patch resource "deployments/scale"' in said.stderr, said.stderr
    assert "Missing there in all: patch deployments/scale" in said.stderr, said.stderr


@test
def an_engine_that_is_restarted_takes_over_what_runs():
    cluster, homerun = stand()
    deploy(homerun, "over")
    keep(homerun, "over", 1)
    assert homerun.get(homerun.url("over")).status == 200
    pods = pods_of(cluster, "over")
    before, = homerun.pids("engine")
    os.kill(before, signal.SIGKILL)
    for _ in range(50):
        assert homerun.get(homerun.url("over")).status == 200
    wait_until(lambda: homerun.pids("engine") not in ([], [before]), "another engine")
    keep(homerun, "over", 2)
    wait_until(lambda: replicas(cluster, "over") == 2, "it scales")
    wait_until(lambda: len(pods_of(cluster, "over")) == 2, "another pod")
    assert set(pods) < set(pods_of(cluster, "over")), pods


@test
def instances_serve_while_the_api_server_is_away():
    cluster, homerun = stand()
    deploy(homerun, "away")
    keep(homerun, "away", 1)
    assert homerun.get(homerun.url("away")).status == 200
    cluster.stop()
    for _ in range(50):
        assert homerun.get(homerun.url("away")).status == 200
    cluster.forget()
    cluster.start()
    # It is watched again, though the server has forgotten the place.
    keep(homerun, "away", 2)
    wait_until(lambda: replicas(cluster, "away") == 2, "it scales again")
    deploy(homerun, "later")
    assert homerun.get(homerun.url("later")).status == 200


@test
def one_of_two_engines_scales_down_and_the_other_takes_over():
    cluster = new_cluster()
    cluster.programs[IMAGE] = program()
    first = Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}", "--idle=2")
    finally_do(first.close)
    first.start()
    deploy(first, "shared")
    first.stop()
    # The same record on another node.
    second = Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}", "--idle=2")
    finally_do(second.close)
    shutil.copytree(first.data, second.data, ignore=lambda *_: ["ready.json", "run", "index"])
    first.start()
    wait_until(lambda: LEADS in first.printed(), "the first leads")
    second.start()
    assert second.get(second.url("shared")).status == 200
    assert first.get(first.url("shared")).status == 200
    leases = [lease["spec"]["holderIdentity"] for lease in cluster.objects("leases")
              if lease["metadata"]["name"] == "homerun-autoscaler"]
    assert len(leases) == 1 and leases[0], leases
    assert LEADS not in second.printed()
    # A revision that was deleted while nobody could tell the cluster leaves a Deployment behind.
    cluster.add_copy(one_deployment(cluster, "shared"), "left-over", "999999")
    # What only the other uses is not taken from it: the one who leads hears of it.
    before = set(pods_of(cluster, "shared"))
    until = time.monotonic() + 6
    while time.monotonic() < until:
        assert second.get(second.url("shared")).status == 200
        time.sleep(0.1)
    assert before <= set(pods_of(cluster, "shared")), (before, pods_of(cluster, "shared"))
    # One of them dies without a word: what runs goes on serving, and the other scales down in time.
    keep(first, "shared", 1)
    keep(second, "shared", 1)
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    for _ in range(20):
        assert second.get(second.url("shared")).status == 200
    keep(second, "shared", 0)
    wait_until(lambda: LEADS in second.printed(), "the second leads", 60)
    wait_until(lambda: replicas(cluster, "shared") == 0, "it sleeps", 60)
    if os.environ.get("HOMERUN_TEST_CLUSTER"):  # where there is time
        os.unlink(first.ready_file)
        first.start()
        for _ in range(4):  # one wakes it, and the other lets it sleep, which is no contest with somebody else
            assert first.get(first.url("shared")).status == 200
            wait_until(lambda: replicas(cluster, "shared") == 0, "it sleeps", 60)
        assert "something else in the cluster" not in first.printed() + second.printed()
    wait_until(lambda: "left-over" not in [d["metadata"]["name"] for d in cluster.objects("deployments")],
               "what is left over goes", 60)


@test
def our_manifests_are_taken_by_a_server():
    """Each object of the plain manifests, by a server that knows every field; the chart says the same (manifests.py)."""
    cluster, _ = stand()
    if not hasattr(cluster, "make_account"):
        raise Skip("it takes a real API server (make test-kubernetes)")
    try:
        import yaml
    except ImportError:
        raise Skip("python3-yaml is not installed") from None
    for name, count in (("homerun.yaml", 4), ("homerun-nodes.yaml", 5)):
        plain = list(yaml.safe_load_all((ROOT / "packaging/kubernetes" / name).read_text()))
        assert len(plain) == count, plain
        for value in plain:
            cluster.would_make(value)


@test
def an_old_api_server_is_refused_by_name():
    if os.environ.get("HOMERUN_TEST_CLUSTER"):
        raise Skip("this one is new")
    cluster = new_cluster()
    cluster.minor = "27+"
    with Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}") as homerun:
        said = deploy(homerun, "first", status=None)
        assert said.returncode != 0 and "Homerun needs 1.30 or later" in said.stderr, said.stderr


@test
def a_strangers_namespace_is_refused():
    cluster = new_cluster()
    cluster.programs[IMAGE] = ["/bin/true"]
    cluster.add_namespace("homerun-demo", {"team": "other"})
    with Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}") as homerun:
        said = deploy(homerun, "first", status=None)
        assert said.returncode != 0 and "exists and is not ours" in said.stderr, said.stderr
        assert cluster.objects("deployments") == []


@test
def rights_that_count_a_moment_after_they_were_bound_are_waited_for():
    cluster = FakeCluster()  # a real one is late when it likes
    finally_do(cluster.close)
    cluster.programs[IMAGE] = program()
    cluster.late = 2
    config = cluster.write_kubeconfig({"token": kube_fake.ACCOUNT_TOKEN}, name="account")
    with Homerun("--engine=kubernetes", f"--kubeconfig={config}", "--kubernetes-source=10.88.0.0/16") as homerun:
        deploy(homerun, "late")
        assert homerun.get(homerun.url("late")).status == 200
        assert cluster.late_left == 0 and len(cluster.objects("rolebindings")) == 1


if __name__ == "__main__":
    main()
