#!/usr/bin/env python3
"""`gcloud run services logs read`: what a container wrote, and what was asked of it or refused."""
import urllib.parse

from gcloud_stand import (FALL, acting_as, call, deploy, gcloud, grant, stand)
from homerun import main, test, wait_until

OWNER = "serviceAccount:owner@demo.iam.gserviceaccount.com"


def entries(service, more=""):
    body = {"resourceNames": ["projects/demo"], "pageSize": 1000, "orderBy": "timestamp desc",
            "filter": "resource.type = cloud_run_revision \n AND resource.labels.service_name = "
                      f"{service} \n AND resource.labels.location = us-central1 \n AND "
                      f"severity >= DEFAULT{more}"}
    answer = stand().api("POST", "/v2/entries:list", body)
    assert answer.status == 200, answer
    return answer.json.get("entries", [])


def say(service, **words):
    answer = call(service, path="/say?" + urllib.parse.urlencode(words), member=OWNER)
    assert answer.status == 200, answer


def wait_for(service, text):
    return wait_until(lambda: [e for e in entries(service) if text in str(e)], f"{text} in the log")


@test
def lines_and_requests_are_read_in_the_order_they_came():
    deploy("speaks")
    say("speaks", out="first words", err="second words")
    wait_for("speaks", "second words")
    wait_for("speaks", "'status': 200")
    lines = gcloud("run services logs read speaks").out.splitlines()
    first = [i for i, line in enumerate(lines) if "first words" in line and "GET" not in line]
    second = [i for i, line in enumerate(lines) if "second words" in line and "GET" not in line]
    assert first and second and first[0] < second[0], lines
    asked = [line for line in lines if "GET 200 " + stand().url("speaks") in line]
    assert asked, lines
    assert len(gcloud("run services logs read speaks --limit=1").out.splitlines()) == 1


@test
def only_the_service_that_is_asked_for_is_shown():
    deploy("mine")
    deploy("yours")
    say("mine", out="my secret")
    say("yours", out="your words")
    wait_for("mine", "my secret")
    wait_for("yours", "your words")
    gcloud("run services logs read yours").has("your words").lacks("my secret")


@test
def a_refused_caller_is_in_the_log_with_the_words_that_people_search_for():
    deploy("closed")
    assert call("closed").status == 403
    assert call("closed", token="rubbish").status == 401
    assert call("closed", member="user:stranger@example.com").status == 403
    wait_for("closed", "'status': 401")
    found = wait_for("closed", "'status': 403")
    assert all(entry["severity"] == "WARNING" for entry in found), found
    text = str(entries("closed"))
    for words in ("Empty Authorization header value.",
                  "The IAM principal lacks {run.routes.invoke} permission.",
                  "The access token could not be verified."):
        assert words in text, words
    gcloud("run", "services", "logs", "read", "closed",
           "--log-filter=severity>=WARNING").has("GET 403", "GET 401")


@test
def json_lines_keep_their_fields_and_their_severity():
    deploy("shaped")
    say("shaped", out='{"severity": "error", "message": "it broke", "order": 7, '
                      '"logging.googleapis.com/trace": "projects/demo/traces/t1", '
                      '"logging.googleapis.com/labels": {"shard": "9"}}')
    say("shaped", out='{"severity": "LOUD", "httpRequest": "nonsense", "message": "odd one"}')
    wait_for("shaped", "odd one")
    written = {e["jsonPayload"]["message"]: e for e in entries("shaped") if "jsonPayload" in e}
    entry = written["it broke"]
    assert entry["severity"] == "ERROR", entry
    assert entry["jsonPayload"] == {"message": "it broke", "order": 7}
    assert entry["trace"] == "projects/demo/traces/t1" and entry["labels"]["shard"] == "9"
    assert entry["labels"]["instanceId"]
    found = entries("shaped", " AND severity >= error")
    assert found == [entry], found
    assert written["odd one"]["severity"] == "DEFAULT" and "httpRequest" not in written["odd one"]
    gcloud("run services logs read shaped").has("it broke", "odd one")


@test
def the_last_words_of_a_container_that_would_not_start_are_there():
    answer = stand().api("POST", "/apis/serving.knative.dev/v1/namespaces/demo/services", {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "falls"},
        "spec": {"template": {"spec": {"containers": [{"image": FALL}]}}}})
    assert answer.status == 200
    wait_for("falls", "falling")
    gcloud("run services logs read falls").has("falling")


@test
def who_may_not_read_logs_is_refused():
    deploy("quiet")
    grant("user:invoker@example.com", "roles/run.invoker")
    gcloud("run services logs read quiet", status=1,
           env=acting_as("user:invoker@example.com")).has("logging.logEntries.list")


if __name__ == "__main__":
    main()
