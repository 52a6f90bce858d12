#!/usr/bin/env python3
"""`describe --format=export`, edit, `replace`: the way of those who keep services in files."""
import os
import re

from gcloud_stand import (HELLO, LOOK, Proxy, acting_as, annotations, deploy, gcloud, grant, look,
                          policy, revisions, service, stand, status_of)
from homerun import main, test

CHECK = "run.googleapis.com/invoker-iam-disabled"


def export(name):
    return gcloud(f"run services describe {name} --format=export").out


def with_check(text, value):
    """The exported file with the annotation as VALUE is written; None: without it."""
    text = re.sub(rf"^    {re.escape(CHECK)}:.*\n", "", text, flags=re.M)
    if value is None:
        return text
    assert "  annotations:\n" in text, text
    return text.replace("  annotations:\n", f"  annotations:\n    {CHECK}: {value}\n", 1)


def replace(text, *flags, status=0, env=None):
    path = os.path.join(stand().folder, "service.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return gcloud("run", "services", "replace", path, *flags, status=status, env=env)


@test
def the_check_goes_off_and_on_by_the_annotation_in_the_file():
    deploy("file", open="true")
    text = export("file")
    assert f"{CHECK}: 'true'" in text, text
    assert f"namespace: '{stand().ready['projectNumber']}'" in text, text
    assert "\nstatus:" not in text and "resourceVersion" not in text, text
    version = service("file")["metadata"]["resourceVersion"]

    replace(with_check(text, None)).has(
        "Applying new configuration to Cloud Run service [file] in project [",
        "New configuration has been applied to service [file].", "URL: " + stand().url("file"))
    assert status_of("file") == 403, "absent means that the check is on"
    assert annotations("file").get(CHECK, "false") == "false"

    with Proxy() as proxy:
        replace(with_check(text, '"TRUE"'), env=proxy.env)
        assert proxy.count("PUT") == 1 and proxy.count("POST") == 0, proxy.seen
    assert status_of("file") == 200
    assert annotations("file")[CHECK] == "true", "whatever the case it was written in"

    assert len(revisions("file")) == 1, "none of it makes a revision"
    assert service("file")["metadata"]["resourceVersion"] != version


@test
def a_bad_value_changes_nothing_and_names_the_annotation():
    deploy("bad", open="true")
    text = export("bad")
    before = service("bad")
    replace(with_check(text, "'maybe'"), status=1).has(CHECK)
    replace(with_check(text, "true"), status=1).has("Expected type <class 'str'>")
    assert service("bad") == before
    assert status_of("bad") == 200


@test
def a_dry_run_checks_everything_and_stores_nothing():
    deploy("dry", open="true")
    text = export("dry")
    before = service("dry")
    replace(with_check(text, None), "--dry-run").has(
        "New configuration has been validated for service [dry].")
    replace(with_check(text, "'maybe'"), "--dry-run", status=1).has(CHECK)
    replace(text.replace("dry", "dried"), "--dry-run").has("validated for service [dried]")
    assert service("dry") == before
    assert status_of("dry") == 200
    assert status_of("dried") == 404


@test
def a_small_file_makes_a_new_service_and_a_larger_one_changes_it():
    small = f"""apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: small
spec:
  template:
    spec:
      containers:
      - image: {LOOK}
"""
    replace(small).has("service [small]", stand().url("small"))
    assert status_of("small") == 403
    large = small.replace("  name: small\n", f"""  name: small
  annotations:
    {CHECK}: "true"
    run.googleapis.com/ingress: all
  labels: {{team: blue}}
""") + "        env: [{name: FROM, value: a file}]\n"
    found = replace(large, "--format=json").json
    assert found["metadata"]["labels"]["team"] == "blue"
    assert status_of("small") == 200
    assert look("small")["env"]["FROM"] == "a file"
    assert len(revisions("small")) == 2


def with_annotation(place, name, value):
    """A file of the service "noted" with one annotation on PLACE: service or template."""
    on_service = f"  annotations: {{{name}: '{value}'}}\n" if place == "service" else ""
    on_template = f"      annotations: {{{name}: '{value}'}}\n" if place == "template" else ""
    return f"""apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: noted
{on_service}spec:
  template:
    metadata:
      labels: {{team: blue}}
{on_template}    spec:
      containers:
      - image: {HELLO}
"""


@test
def an_annotation_in_the_wrong_place_or_misspelt_changes_nothing_and_says_what_was_meant():
    run = "run.googleapis.com/"
    for place, name, value, said in (
            ("template", run + "ingress", "internal", "Supported kinds are: Service"),
            ("service", "autoscaling.knative.dev/maxScale", "3", "Supported kinds are: Revision"),
            ("service", run + "invoker-iam-disable", "true", run + "invoker-iam-disabled"),
            ("template", run + "memory", "512Mi", "resources.limits")):
        replace(with_annotation(place, name, value), status=1).has(name, said)
    gcloud("run services describe noted", status=1)
    replace(with_annotation("service", run + "ingress", "internal"))
    assert status_of("noted", member="serviceAccount:owner@demo.iam.gserviceaccount.com") == 404


PAIR = f"""apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: pair
spec:
  template:
    metadata:
      annotations:
        run.googleapis.com/container-dependencies: "{{front: [back]}}"
    spec:
      containers:
      - name: front
        image: {HELLO}
        ports: [{{containerPort: 8080}}]
      - name: back
        image: {HELLO}
        env: [{{name: PORT, value: "18881"}}]
        startupProbe: {{tcpSocket: {{port: 18881}}, periodSeconds: 1, timeoutSeconds: 2}}
"""


@test
def a_sidecar_listens_on_a_port_of_its_own_and_the_file_may_leave_quotes_out():
    replace(PAIR).has("New configuration has been applied to service [pair].")
    notes = service("pair")["spec"]["template"]["metadata"]["annotations"]
    depends = notes["run.googleapis.com/container-dependencies"]
    assert depends == '{"front":["back"]}', depends
    replace(export("pair"))
    assert len(revisions("pair")) == 1, "what was exported asks for nothing new"


@test
def a_file_leaves_the_iam_policy_alone():
    deploy("both")
    grant("allUsers", "roles/run.invoker", "projects/demo/locations/us-central1/services/both")
    replace(with_check(export("both"), None))
    assert policy("both") == {"roles/run.invoker": ["allUsers"]}
    assert status_of("both") == 200


@test
def a_change_in_between_is_a_conflict_with_both_versions_and_not_lost():
    deploy("late", open="true")
    text = export("late")

    def close_first(method, path):
        if method == "PUT":
            body = service("late")
            body["metadata"]["annotations"][CHECK] = "false"
            answer = stand().api("PUT", "/apis/serving.knative.dev/v1/namespaces/demo/services/late",
                                 body)
            assert answer.status == 200, answer

    version = service("late")["metadata"]["resourceVersion"]
    with Proxy(close_first) as proxy:
        done = replace(text, status=1, env=proxy.env)
    done.has(f"version '{version}' was specified but current version is "
             f"'{service('late')['metadata']['resourceVersion']}'")
    assert status_of("late") == 403, "the earlier change holds"


@test
def without_set_iam_policy_a_file_that_leaves_the_annotation_out_is_refused():
    member = "user:files@example.com"
    for role in ("roles/run.developer", "roles/iam.serviceAccountUser", "roles/browser"):
        grant(member, role)
    deploy("open", open="true")
    text = export("open")
    env = acting_as(member)
    replace(with_check(text, None), status=1, env=env).has(
        "Permission 'run.services.setIamPolicy' denied")
    assert status_of("open") == 200
    replace(text, env=env).has("New configuration has been applied")
    assert status_of("open") == 200


if __name__ == "__main__":
    main()
