#!/usr/bin/env python3
"""gcloud on services, revisions and traffic that are there: update, describe, list, delete."""
import os
import threading

from gcloud_stand import (FALL, LOOK, Proxy, deploy, gcloud, gcloud_json, grant, look, revisions,
                          service, stand, status_of)
from homerun import main, test, wait_until

OWNER = "serviceAccount:owner@demo.iam.gserviceaccount.com"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/demo/services"


def traffic(name):
    """What serves: a row (percent, revision, tag, url) for each entry of the status."""
    return [(t.get("percent"), t["revisionName"], t.get("tag"), t.get("url"))
            for t in service(name)["status"]["traffic"]]


# ---- update ----

@test
def the_check_changes_in_one_round_trip_and_without_a_revision():
    deploy("door")
    before = service("door")
    with Proxy() as proxy:
        gcloud("run services update door --no-invoker-iam-check", env=proxy.env).has(
            "Updating...", "Done.", "Service [door] has been updated.")
        assert proxy.count("PUT") == 1
        assert proxy.count("POST", ":wait") == 0, proxy.seen
    assert status_of("door") == 200
    found = gcloud_json("run services update door --invoker-iam-check")
    assert found["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] == "false"
    assert status_of("door") == 403
    after = service("door")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 2
    assert after["spec"]["template"] == before["spec"]["template"]
    assert after["status"]["latestCreatedRevisionName"] == \
        before["status"]["latestCreatedRevisionName"]
    assert len(revisions("door")) == 1


@test
def of_two_changes_that_race_one_wins_and_the_other_is_told_both_versions():
    deploy("race")
    version = service("race")["metadata"]["resourceVersion"]

    def turn_off_first(method, path):
        if method == "PUT":
            body = service("race")
            body["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] = "true"
            assert stand().api("PUT", f"{SERVICES}/race", body).status == 200

    with Proxy(turn_off_first) as proxy:
        done = gcloud("run services update race --invoker-iam-check --update-labels=late=yes",
                      status=1, env=proxy.env)
        assert proxy.count("PUT") == 1, "a conflict is not tried again"
    now = service("race")["metadata"]["resourceVersion"]
    assert now != version
    done.has(f"Conflict for resource 'race': version '{version}' was specified but current "
             f"version is '{now}'.")
    assert "late" not in service("race")["metadata"]["labels"]
    assert status_of("race") == 200, "the first one's change holds"


@test
def of_many_at_once_with_the_same_version_exactly_one_wins():
    deploy("crowd")
    body = service("crowd")
    answers = []

    def change(number):
        mine = {**body, "metadata": {**body["metadata"], "labels": {"who": f"n{number}"}}}
        answers.append((number, stand().api("PUT", f"{SERVICES}/crowd", mine).status))

    threads = [threading.Thread(target=change, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number, status in answers if status == 200]
    assert len(winners) == 1, answers
    assert sorted({status for _, status in answers}) == [200, 409], answers
    assert service("crowd")["metadata"]["labels"]["who"] == f"n{winners[0]}"


@test
def an_update_of_the_template_makes_a_revision_that_serves():
    deploy("grow", container={"env": [{"name": "OLD", "value": "kept"}]})
    gcloud("run services update grow --update-env-vars=NEW=1 --concurrency=3").has(
        "Service [grow] revision [grow-00002-", "serving 100 percent of traffic")
    inside = look("grow")["env"]
    assert (inside["OLD"], inside["NEW"]) == ("kept", "1"), inside
    assert service("grow")["spec"]["template"]["spec"]["containerConcurrency"] == 3
    assert len(revisions("grow")) == 2


@test
def a_service_that_is_not_there_is_said_so():
    gcloud("run services describe nowhere", status=1).has("Cannot find service [nowhere]")
    gcloud("run services delete nowhere", status=1).has("Service [nowhere] could not be found.")


@test
def beta_works_alike_and_leaves_its_mark():
    deploy("stage")
    gcloud("beta run services update stage --no-invoker-iam-check").has("has been updated")
    assert status_of("stage") == 200
    assert service("stage")["metadata"]["annotations"]["run.googleapis.com/launch-stage"] == "BETA"
    gcloud("beta", "run", "deploy", "wide", f"--image={LOOK}",
           "--regions=us-central1,europe-west1", status=1).has("deploy to each region by itself")


@test
def what_is_not_here_is_said_at_once():
    with Proxy() as proxy:
        gcloud("run jobs list", status=1, env=proxy.env).has(
            "UNIMPLEMENTED", "Jobs.ListJobs is not implemented by Homerun")
        assert len(proxy.seen) == 1, proxy.seen


@test
def a_local_proxy_gets_a_token_that_opens_the_service():
    deploy("near")
    folder = os.path.join(stand().folder, "bin")
    os.makedirs(folder, exist_ok=True)
    program = os.path.join(folder, "cloud-run-proxy")
    with open(program, "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\necho "$@" > "$0.words"\nexit 1\n')
    os.chmod(program, 0o755)
    gcloud("run services proxy near --port=9999", status=None,
           env={"PATH": folder + ":" + os.environ["PATH"]})
    with open(program + ".words", encoding="utf-8") as file:
        given = file.read().split()
    assert given[given.index("-host") + 1] == stand().url("near"), given[:2]
    assert status_of("near", token=given[given.index("-token") + 1]) == 200


# ---- describe, list, regions ----

@test
def describe_tells_a_person_and_a_program():
    deploy("told")
    gcloud("run services describe told").has(
        "Service told in region us-central1", "URL:     " + stand().url("told"), "Ingress: all",
        "100% LATEST (currently told-00001-", "Last updated on",
        "by owner@demo.iam.gserviceaccount.com", f"Image:           {LOOK}",
        "Port:            8080", "Memory:          512Mi", "CPU:             1000m",
        "Concurrency:       80", "Timeout:           300s")
    assert gcloud_json("run services describe told") == service("told")


@test
def list_shows_all_regions_and_a_failed_one_by_its_mark():
    deploy("here")
    deploy("there", region="asia-northeast1")
    answer = stand().api("POST", SERVICES, {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "broken"},
        "spec": {"template": {"spec": {"containers": [{"image": FALL}]}}}})
    assert answer.status == 200
    lines = gcloud("run services list").out.splitlines()
    for words in (("here", "us-central1", stand().url("here")),
                  ("there", "asia-northeast1", stand().url("there", region="asia-northeast1"))):
        line = [line for line in lines if f" {words[0]} " in line][0]
        assert all(word in line for word in words) and "owner@demo" in line, line
    assert "LAST DEPLOYED BY" in lines[0]
    listed = gcloud_json("run services list --region=asia-northeast1")
    assert listed[0]["metadata"]["labels"]["cloud.googleapis.com/location"] == "asia-northeast1"
    assert len(listed) == 1


@test
def regions_are_listed():
    names = gcloud("run regions list --format=value(locationId)").out.split()
    assert "us-central1" in names and "europe-west1" in names, names


# ---- revisions ----

@test
def revisions_are_listed_described_and_deleted_but_not_the_one_in_use():
    deploy("past")
    first = revisions("past")[0]
    body = service("past")
    body["spec"]["template"].setdefault("metadata", {})["name"] = "past-new"
    assert stand().api("PUT", f"{SERVICES}/past", body).status == 200
    wait_until(lambda: service("past")["status"]["latestReadyRevisionName"] == "past-new",
               "the second revision")
    lines = gcloud("run revisions list --service=past").out.splitlines()
    assert "REVISION" in lines[0] and "ACTIVE" in lines[0]
    assert len(lines) == 3, lines
    row = {words.split()[1]: words.split() for words in lines[1:]}
    assert "yes" in row["past-new"] and "yes" not in row[first], row
    found = gcloud_json("run revisions describe past-new")
    assert found["kind"] == "Revision"
    assert found["metadata"]["labels"]["serving.knative.dev/service"] == "past"
    kinds = {c["type"]: c["status"] for c in found["status"]["conditions"]}
    assert kinds["Ready"] == "True" and kinds["Active"] == "True", kinds
    gcloud("run revisions delete past-new", status=1).has("past-new")
    gcloud("run", "revisions", "delete", first).has(f"Deleted revision [{first}]")
    assert revisions("past") == ["past-new"]
    assert look("past")["env"]["K_REVISION"] == "past-new"


# ---- traffic ----

@test
def traffic_moves_by_percent_by_tag_and_back_to_the_latest():
    deploy("way", open="true")
    first = revisions("way")[0]
    gcloud("run", "deploy", "way", f"--image={LOOK}", "--revision-suffix=v2", "--no-traffic")
    assert traffic("way") == [(100, first, None, None)], traffic("way")
    done = gcloud("run", "services", "update-traffic", "way", "--to-revisions=way-v2=100",
                  f"--update-tags=old={first},new=way-v2")
    done.has("Updating traffic...", "Done.", "URL: " + stand().url("way"), "100% way-v2",
             stand().url("way", tag="old"))
    assert look("way")["env"]["K_REVISION"] == "way-v2"
    assert look("way", tag="old")["env"]["K_REVISION"] == first
    assert len(revisions("way")) == 2, "traffic makes no revision"
    gcloud("run services update-traffic way --to-tags=old=100 --remove-tags=new")
    assert look("way")["env"]["K_REVISION"] == first
    assert status_of("way", tag="new") == 404
    gcloud("run services update-traffic way --to-revisions=LATEST=25 --set-tags=blue=LATEST")
    assert sorted(t[0] or 0 for t in traffic("way")) == [0, 25, 75], traffic("way")
    assert look("way", tag="blue")["env"]["K_REVISION"] == "way-v2"
    assert status_of("way", tag="old") == 404
    found = gcloud_json("run services update-traffic way --to-latest --clear-tags")
    assert traffic("way") == [(100, "way-v2", None, None)], traffic("way")
    assert found, "the table as JSON"


# ---- delete ----

@test
def a_deleted_service_is_gone_and_its_name_is_free_without_its_old_policy():
    deploy("brief", open="true")
    assert status_of("brief") == 200
    grant("allUsers", "roles/run.invoker", "projects/demo/locations/us-central1/services/brief")
    gcloud("run services delete brief").has("Deleting [brief]", "Deleted service [brief].")
    assert status_of("brief") == 404
    assert revisions("brief") == []
    deploy("brief")
    assert status_of("brief") == 403, "neither the check nor allUsers comes back"


if __name__ == "__main__":
    main()
