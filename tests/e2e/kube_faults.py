#!/usr/bin/env python3
"""What goes wrong in a cluster: changes that are refused, altered or undone by others. Each is told in the cluster's words,
costs few calls, and is over when its cause is. Against the fake, or a real API server (make test-kubernetes)."""
import os
import pathlib
import threading

from homerun import Homerun, Skip, finally_do, main, test, wait_until
from kube import IMAGE, deploy, keep, new_cluster, one_deployment, pods_of, program, replicas, secrets_of

SPACE = "homerun-demo"
REAL = bool(os.environ.get("HOMERUN_TEST_CLUSTER"))
SECRETS = "--set-secrets=WORD=word:latest"
_stand = None


def stand(*flags):
    global _stand
    if _stand is None:
        cluster = new_cluster()
        cluster.programs[IMAGE] = program()
        homerun = Homerun("--engine=kubernetes", f"--kubeconfig={cluster.kubeconfig}", "--idle=1", *flags)
        finally_do(homerun.close)
        homerun.start()
        homerun.cli("secrets", "create", "word", input="open sesame")
        account = f"{homerun.ready['projectNumber']}-compute@developer.gserviceaccount.com"
        homerun.cli("secrets", "allow", "word", f"serviceAccount:{account}")
        _stand = cluster, homerun
    return _stand


def answers(homerun, service):
    wait_until(lambda: homerun.get(homerun.url(service)).status == 200, f"{service} answers", 60)


def calls_for(cluster, what, before=0):
    """Those that had to do with WHAT, but for watches."""
    return [call for call in cluster.calls[before:] if what in call[1] and "watch=1" not in call[1]]


@test
def what_a_webhook_refuses_is_told_in_its_words_and_passes():
    """First of all tests, so that there is no namespace yet."""
    cluster, homerun = stand()
    for resource in ("namespaces", "deployments", "secrets", "services", "deployments/scale", "pods"):
        service = "hook-" + resource.replace("/", "-")
        before = len(cluster.calls)
        cluster.set_admission({resource: f"no {resource} of yours"})
        said = deploy(homerun, service, SECRETS, status=None)
        made = [call for call in cluster.calls[before:] if service in call[1] or "accessreviews" in call[1]]
        cluster.set_admission({})
        assert said.returncode != 0 and f"denied the request: no {resource} of yours" in said.stderr, said.stderr
        assert resource != "namespaces" or f"The namespace {SPACE} cannot be made: " in said.stderr, said.stderr
        assert len(made) <= 8, made
        deploy(homerun, service, SECRETS)
        answers(homerun, service)


@test
def a_webhook_that_is_silent_delays_a_deployment():
    cluster, homerun = stand()
    cluster.set_admission({"deployments": "hang"})
    done = []
    thread = threading.Thread(target=lambda: done.append(deploy(homerun, "hang", status=None)))
    thread.start()
    wait_until(lambda: "failed calling webhook" in homerun.printed(), "the log has the server's sentence")
    cluster.set_admission({})
    thread.join(120)
    assert done and done[0].returncode == 0, done


@test
def what_is_deleted_by_hand_comes_again():
    cluster, homerun = stand()
    deploy(homerun, "hand", SECRETS)
    keep(homerun, "hand", 1)
    name = lambda: one_deployment(cluster, "hand")["metadata"]["name"]
    uid = lambda plural, which: [o["metadata"]["uid"] for o in cluster.objects(plural) if o["metadata"]["name"] == which]
    for plural, space, which in (("deployments", SPACE, name()), ("services", SPACE, name()), ("namespaces", None, SPACE)):
        before = uid(plural, which)
        pods = pods_of(cluster, "hand")
        gone = set(pods) if plural != "services" else set()
        cluster.remove(plural, space, which)
        wait_until(lambda p=plural, w=which, b=before: uid(p, w) not in ([], b), f"{plural} {which} is there again", 60)
        wait_until(lambda g=gone: not g & set(pods_of(cluster, "hand")), "its former pods have ended", 60)
        assert homerun.get(homerun.url("hand")).json["env"]["WORD"] == "open sesame"
        assert plural != "services" or pods_of(cluster, "hand") == pods  # they serve on
    # A Secret is made for the next pod, since no pod takes up another.
    for secret in secrets_of(cluster, "hand"):
        cluster.remove("secrets", SPACE, secret["metadata"]["name"])
    before = set(pods_of(cluster, "hand"))
    for pod in before:
        cluster.evict(pod)
    wait_until(lambda: not before & set(pods_of(cluster, "hand")), "its pod has ended", 60)
    answers(homerun, "hand")
    assert homerun.get(homerun.url("hand")).json["env"]["WORD"] == "open sesame"
    cluster.scale(SPACE, name(), 3)
    wait_until(lambda: replicas(cluster, "hand") == 1, "as many as are wanted", 60)


@test
def a_namespace_that_has_become_anothers_is_left_alone():
    """Whoever deletes one may make it again, without our label and what is meant to hold there."""
    cluster, homerun = stand()
    if REAL:
        raise Skip("it takes a moment in which nothing else happens")
    deploy(homerun, "lent")
    keep(homerun, "lent", 1)
    space = cluster.store.objects["namespaces", None, SPACE]
    with cluster.store.lock:
        before = len(cluster.calls)
        labels, space["metadata"]["labels"] = space["metadata"]["labels"], {}
        cluster.store.remove("deployments", SPACE, one_deployment(cluster, "lent")["metadata"]["name"])
    wait_until(lambda: "exists and is not ours" in homerun.printed(), "it is refused", 60)
    said = deploy(homerun, "lent", status=None)
    assert said.returncode != 0 and "exists and is not ours" in said.stderr, said.stderr
    assert not [call for call in calls_for(cluster, "/lent-", before) if call[0] != "GET"], cluster.calls[before:]
    space["metadata"]["labels"] = labels
    deploy(homerun, "lent")
    answers(homerun, "lent")


@test
def a_pod_that_a_node_throws_out_is_followed_by_another():
    """It stays, as one that has failed: that is nothing that the next one could be refused for."""
    cluster, homerun = stand()
    deploy(homerun, "thrown")
    keep(homerun, "thrown", 1)
    for _ in range(3):
        before = pods_of(cluster, "thrown")
        living = homerun.get(homerun.url("thrown")).json["address"]
        pod, = [p["metadata"]["name"] for p in cluster.objects("pods") if p["status"].get("podIP") == living]
        cluster.throw_out(pod)
        wait_until(lambda b=before: set(pods_of(cluster, "thrown")) - set(b), "another pod", 60)
        answers(homerun, "thrown")
    assert "Evicted" not in homerun.printed(), homerun.printed()[-3000:]


@test
def who_alters_what_we_ask_for_is_not_fought_without_end():
    cluster, homerun = stand()

    def two(value):
        value["spec"]["replicas"] = 2

    cluster.set_admission({"deployments": two})
    deploy(homerun, "alters")  # made with two, and scaled to one
    cluster.set_admission({"deployments/scale": two})
    before = len(cluster.calls)
    deploy(homerun, "fights")
    wait_until(lambda: "something else in the cluster scales it" in homerun.printed(), "it is said")
    assert len(calls_for(cluster, "/fights-", before)) < 20, calls_for(cluster, "/fights-", before)
    cluster.set_admission({})
    wait_until(lambda: replicas(cluster, "fights") == 0, "it sleeps after all", 90)


@test
def lists_that_are_too_large_are_asked_for_in_smaller_parts():
    """Of objects as large as a deployer may make them, a page of 250 cannot be read."""
    cluster, homerun = stand()
    if REAL:
        raise Skip("a real API server cuts no list")
    deploy(homerun, "parts")
    keep(homerun, "parts", 1)
    before = len(cluster.calls)
    cluster.page_most = 3
    cluster.forget()
    for plural in ("deployments", "endpointslices", "pods"):
        wait_until(lambda p=plural: any(f"/{p}?limit=3&" in path for _, path in cluster.calls[before:]), f"few {plural}")
    deploy(homerun, "pieces")
    answers(homerun, "pieces")
    cluster.page_most = 0


@test
def credentials_that_are_not_taken_are_told_at_once():
    cluster, _ = stand()
    token = os.path.join(cluster.folder, "token")
    pathlib.Path(token).write_text("wrong", encoding="ascii")
    cases = [({"tokenFile": token}, {}, "Unauthorized"),
             ({"token": cluster.token}, {"server": f"https://localhost:{cluster.port}"}, "names another host")]
    for user, elsewhere, words in cases if REAL else cases[:1]:
        config = cluster.write_kubeconfig(user, elsewhere, name="wrong")
        with Homerun("--engine=kubernetes", f"--kubeconfig={config}", "--project=strange") as homerun:
            said = deploy(homerun, "first", status=None)
            assert said.returncode != 0 and words in said.stderr, said.stderr
            if "tokenFile" in user:  # a file is read again
                pathlib.Path(token).write_text(cluster.token, encoding="ascii")
                deploy(homerun, "second")


if __name__ == "__main__":
    main()
