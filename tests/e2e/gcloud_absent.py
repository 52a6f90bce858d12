#!/usr/bin/env python3
"""Google's APIs that are not here say so: by host and by path, to gcloud in its own words, at once."""
import json

from gcloud_stand import gcloud, stand
from homerun import Homerun, fetch, finally_do, main, test

_connect = None


def connect():
    global _connect
    if _connect is None:
        _connect = Homerun("--workers=1", "--connect").start()
        finally_do(_connect.close)
    return _connect


def ask(path, host="localhost", method="GET", **headers):
    return fetch(stand().api_url + path, method, {"Host": host, **headers})


def absent(answer, *parts, status=501):
    assert (answer.status, answer.json["error"]["status"]) == (status, "UNIMPLEMENTED"), answer
    for part in parts:
        assert part in answer.json["error"]["message"], answer


@test
def a_host_of_another_api_answers_by_name_whatever_the_path():
    for host in ("pubsub.googleapis.com", "pubsub.localhost:8080",
                 "europe-west1-pubsub.googleapis.com"):
        absent(ask("/v1/projects/demo/topics", host), "Pub/Sub (pubsub.goo")
        absent(ask("/v1/projects/demo/locations", host), "Pub/Sub")
        absent(ask("/", host, "POST"), "Pub/Sub")
    absent(ask("/nobody/knows", "brandnew.googleapis.com"), "brandnew.googleapis.com")
    absent(ask("/v1/x", "pubsub.localhost", **{"User-Agent": "x gcloud/528.0.0"}), "Pub/Sub",
           status=400)


@test
def a_path_of_another_api_answers_by_name_on_our_own_host():
    for path, title in (("/compute/v1/projects/demo/zones", "Compute Engine"),
                        ("/v1/projects/demo/topics/t", "Pub/Sub"),
                        ("/v1/projects/demo/locations/l/queues", "Cloud Tasks"),
                        ("/storage/v1/b?project=demo", "Cloud Storage"),
                        ("/v3/projects/demo/alertPolicies", "Cloud Monitoring")):
        absent(ask(path), title)
    absent(ask("/v1/projects/storage/locations/secrets/x/y"), "is no method of Homerun's")
    absent(ask("/v9/anything", method="DELETE"), "DELETE /v9/anything")


@test
def what_is_here_and_what_is_nobodys_stay_as_they_were():
    assert ask("/v1/projects", "cloudresourcemanager.googleapis.com").status == 401
    assert ask("/v1/projects", "us-central1-run.localhost").status == 401
    assert ask("/favicon.ico").status == 404
    assert ask("/homerun/v1/nothing").status == 404
    assert ask("/v1/projects", "example.com").status == 421


@test
def env_gives_each_api_of_gclouds_an_address_of_ours():
    env = stand().env
    for name in ("COMPUTE", "SECRETMANAGER", "SQL", "AI", "STORAGE", "CLOUDBILLING", "PUBSUB"):
        value = env["CLOUDSDK_API_ENDPOINT_OVERRIDES_" + name]
        assert "localhost:" in value and value.endswith("/"), value
    done = gcloud("config", "list", "--all", "--format=json").json["api_endpoint_overrides"]
    lost = [name for name, value in done.items() if "localhost:" not in (value or "")]
    assert not lost, f"gcloud would go elsewhere for {lost}"


COMMANDS = (
    ("beta run worker-pools list", "WorkerPools.ListWorkerPools"),
    ("beta run worker-pools deploy pool --image=x", "Worker pools are not part of Homerun"),
    ("run jobs list", "Jobs.ListJobs"),
    ("beta run domain-mappings list", "DomainMappings.ListDomainMappings"),
    ("pubsub topics list", "Pub/Sub"),
    ("compute regions list", "Compute Engine"),
    ("storage ls", "Cloud Storage"),
)


@test
def gcloud_says_it_in_words_and_at_once():
    for command, words in COMMANDS:
        gcloud(command, status=1).has(words).lacks("crashed", "Traceback", "Max retries")


@test
def so_it_does_under_connect():
    env = json.loads(connect().cli("env", "--connect", "--format=json").stdout)
    assert not any("PUBSUB" in name for name in env)
    connect()._env = env
    for command, words in COMMANDS[1:2] + COMMANDS[4:7]:
        done = connect().gcloud(*command.split(), status=1)
        assert words in done.stderr and "crashed" not in done.stderr, done.stderr


if __name__ == "__main__":
    main()
