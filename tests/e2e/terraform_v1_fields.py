#!/usr/bin/env python3
"""google_cloud_run_service, the older resource, attribute by attribute: as terraform_v2_fields.py
does it. Its update is a PUT of everything that was ever read, below a path that begins with the
region."""
import copy

from homerun import main, test
from terraform_provider import (IMAGE, Failed, V1Service, call, leaves_nothing, refuses, request)

HELLO = {"spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}}}
RUN, SCALE = "run.googleapis.com/", "autoscaling.knative.dev/"
DEPENDENCIES = f"{RUN}container-dependencies"
BEAT = {"timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 3}  # always sent
HTTP = {"httpGet": {"path": "/"}}
MOUNTED = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}


def volume(**source):
    return [{"name": "v", **source}]


def secret_env(name, key):
    return [{"name": "S", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]


def pair(**front):
    """Two containers; the first takes the requests."""
    return [{"name": "front", "image": IMAGE, "ports": [{"containerPort": 8080}], **front},
            {"name": "side", "image": IMAGE}]


def notes(word, first, second):
    return ({word: first}, {word: second})


NOTES = [  # annotations of the service: first value, second value
    notes(f"{RUN}ingress", "internal", "internal-and-cloud-load-balancing"),
    notes(f"{RUN}ingress", "internal", "all"),
    notes(f"{RUN}invoker-iam-disabled", "true", "false"),
    notes(f"{RUN}custom-audiences", '["https://b.example", "a"]', '["a","https://b.example"]'),
    notes(f"{RUN}custom-audiences", '[ "a" ]', "[\"a\"]\n"),
    notes(f"{RUN}default-url-disabled", "true", "false"),
    notes(f"{RUN}iap-enabled", "true", "false"),
    notes(f"{RUN}description", "first", "second <&>"),
    notes(f"{RUN}description", "", "second"),
    notes(f"{RUN}launch-stage", "BETA", "ALPHA"),
    notes(f"{RUN}client-name", "terraform", "gcloud"),
    notes(f"{RUN}client-version", "1", "2"),
    notes(f"{RUN}minScale", "1", "2"),
    notes(f"{RUN}maxScale", "03", "4"),
    ({f"{RUN}scalingMode": "manual", f"{RUN}manualInstanceCount": "1"},
     {f"{RUN}scalingMode": "automatic"}),
    notes(f"{RUN}binary-authorization", "default", "projects/demo/platforms/x/policies/y"),
    ({f"{RUN}binary-authorization": "default", f"{RUN}binary-authorization-breakglass": "night"},
     {f"{RUN}binary-authorization": "default"}),
    notes("example.com/owner", "A b", "c"),
    notes("run.googleapis.example/x", "1", "2"),
]
TEMPLATE_NOTES = [
    notes(f"{SCALE}maxScale", "3", "4"),
    ({f"{SCALE}minScale": "0", f"{SCALE}maxScale": "3"}, {f"{SCALE}minScale": "1"}),
    notes(f"{RUN}execution-environment", "gen2", "gen1"),
    notes(f"{RUN}startup-cpu-boost", "true", "false"),
    notes(f"{RUN}cpu-throttling", "false", "true"),
    notes(f"{RUN}sessionAffinity", "true", "false"),
    notes(DEPENDENCIES, "{ }", "{}"),
    notes(f"{RUN}health-check-disabled", "true", "false"),
    notes(f"{RUN}client-name", "terraform", "gcloud"),
    ({f"{RUN}vpc-access-connector": "projects/demo/locations/us-central1/connectors/c"},
     {f"{RUN}vpc-access-connector": "projects/demo/locations/us-central1/connectors/c",
      f"{RUN}vpc-access-egress": "all-traffic"}),
    ({f"{RUN}vpc-access-connector": "c", f"{RUN}vpc-access-egress": "private-ranges-only"},
     {f"{RUN}vpc-access-connector": "c", f"{RUN}vpc-access-egress": "all"}),
    notes(f"{RUN}network-interfaces", '[{"network": "default", "subnetwork": "default"}]',
          '[{"tags": ["b", "a"], "network":"default","subnetwork":"s"}]'),
    notes(f"{RUN}cloudsql-instances", "demo:r:b, demo:r:a", "demo:r:a"),
    notes(f"{RUN}encryption-key", "projects/demo/locations/us/keyRings/k/cryptoKeys/a",
          "projects/demo/locations/us/keyRings/k/cryptoKeys/b"),
    ({f"{RUN}encryption-key": "projects/demo/locations/us/keyRings/k/cryptoKeys/a",
      f"{RUN}post-key-revocation-action-type": "shut-down",
      f"{RUN}encryption-key-shutdown-hours": "24"},
     {f"{RUN}encryption-key": "projects/demo/locations/us/keyRings/k/cryptoKeys/a",
      f"{RUN}post-key-revocation-action-type": "prevent-new"}),
    notes("example.com/a", "b", "c"),
]
SPEC = [  # attribute, first value, second value
    ("containerConcurrency", 7, 1000),
    ("timeoutSeconds", 60, 3600),
    ("serviceAccountName", "runner-a@demo.iam.gserviceaccount.com",
     "runner-b@demo.iam.gserviceaccount.com"),
    ("nodeSelector", {f"{RUN}accelerator": "nvidia-l4"}, {f"{RUN}accelerator": "nvidia-t4"}),
    ("volumes", volume(emptyDir={"medium": "Memory"}),
     volume(emptyDir={"medium": "Memory", "sizeLimit": "16Mi"})),
]
CONTAINER = [
    ("name", "front", "back"),
    ("args", ["b", "a", "b"], ["a"]),
    ("workingDir", "/tmp", "/"),
    ("env", [{"name": "Z", "value": "<&>"}, {"name": "A", "value": "1"}, {"name": "EMPTY"}],
     [{"name": "A", "value": "1"}, {"name": "Z", "value": "\n ü"}]),
    ("ports", [{"containerPort": 9090}], [{"containerPort": 9091, "name": "http1"}]),
    ("ports", [{"name": "http1", "containerPort": 8080}], [{"name": "h2c", "containerPort": 8080}]),
    ("ports", [{"name": "http1", "containerPort": 8080, "protocol": "TCP"}],
     [{"name": "http1", "containerPort": 8080}]),
    ("resources", {"limits": {"cpu": "2"}}, {"limits": {"cpu": "2000m", "memory": "1024Mi"}}),
    ("resources", {"requests": {"cpu": "1"}},
     {"limits": {"memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "512Mi"}}),
    ("startupProbe", {**BEAT, "tcpSocket": {"port": 8080}},
     {**BEAT, "initialDelaySeconds": 1, **HTTP}),
    ("startupProbe", {**BEAT, "httpGet": {"path": "/x", "port": 8080, "httpHeaders": [
        {"name": "B", "value": "1"}, {"name": "A"}]}},
     {**BEAT, "failureThreshold": 4, "tcpSocket": {"port": 8080}}),
    ("livenessProbe", {**BEAT, **HTTP}, {**BEAT, "periodSeconds": 20, "httpGet": {
        "path": "/x", "port": 8080, "httpHeaders": [{"name": "A", "value": "1"}]}}),
    ("livenessProbe", {**BEAT, "grpc": {}}, {**BEAT, "grpc": {"port": 8080, "service": "s"}}),
    ("readinessProbe", HTTP, {"timeoutSeconds": 2, "periodSeconds": 5, "failureThreshold": 2,
                              "successThreshold": 2, "httpGet": {"path": "/x", "port": 8080}}),
    ("readinessProbe", {"grpc": {}}, {"grpc": {"service": "s"}}),
    ("sandboxLauncher", True, False),
]
TWO = [  # annotations of the template, with two containers
    ({DEPENDENCIES: '{"front": [ "side" ]}'}, {DEPENDENCIES: '{"side":["front"]}'}),
]
TRAFFIC = [
    ([{"percent": 100, "latestRevision": True, "tag": "t"}],
     [{"percent": 100, "latestRevision": True, "tag": "u"}]),
    ([{"percent": 60, "latestRevision": True}, {"percent": 40, "latestRevision": True, "tag": "t"}],
     [{"percent": 40, "latestRevision": True, "tag": "t"},
      {"percent": 60, "latestRevision": True}]),
]
NEVER_READY = [
    ("container", "env", secret_env("token", "latest"), secret_env("token", "3")),
    ("spec", "volumes", volume(secret={"secretName": "s"}), volume(secret={
        "secretName": "s", "defaultMode": 292, "items": [{"key": "1", "path": "p", "mode": 256}]})),
]
REFUSED = [  # attribute, where, value, what the refusal names
    ("command", "container", ["/other", "--x"]),
    ("envFrom", "container", [{"configMapRef": {"name": "x"}}]),
    ("csi", "spec", volume(csi={"driver": "gcsfuse.run.googleapis.com"})),
    ("nfs", "spec", volume(nfs={"server": "10.0.0.1", "path": "/"})),
    (f"{RUN}regions", "notes", {f"{RUN}regions": "us-central1,us-east1"}),
]


def with_value(place, attribute, value):
    config = copy.deepcopy(HELLO)
    template = config["spec"]["template"]
    if place in ("notes", "labels"):
        config["metadata"] = {"annotations" if place == "notes" else "labels": value}
    elif place == "two":
        template["metadata"] = {"annotations": value}
        template["spec"]["containers"] = pair()
    elif place in ("template_notes", "template_labels"):
        template["metadata"] = {"annotations" if place == "template_notes" else "labels": value}
    elif place == "name":
        template["metadata"] = {"name": value}
    elif place == "traffic":
        config["spec"]["traffic"] = copy.deepcopy(value)
    else:
        spec = template["spec"]
        part = spec if place == "spec" else spec["containers"][0]
        part[attribute] = copy.deepcopy(value)
        if attribute == "volumes":
            spec["containers"][0].update(copy.deepcopy(MOUNTED))
        if attribute == "nodeSelector":
            spec["containers"][0]["resources"] = {
                "limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}}
    return config


# What makes no revision: the service's own, and who a client says that it is.
OUTSIDE = ("notes", "labels", "traffic")


def attribute_test(place, attribute, first, second, same=False):
    def lives_as_it_was_written(name):
        one = V1Service(name)
        one.apply(with_value(place, attribute, first))
        one.settle()
        one.imported()
        changed = one.apply(with_value(place, attribute, second))
        assert [verb for verb, _ in changed] == ["PUT"], changed
        assert one.revisions() == (1 if place in OUTSIDE or same else 2), one.revisions()
        one.settle()
        if place != "two":  # the annotation is computed: it would stay, and name what is gone
            one.apply(HELLO)
            one.settle()
        kept = one.state["metadata"]["annotations"]
        assert place != "notes" or not set(kept) & (set(second) - {f"{RUN}ingress"}), kept
        one.destroy()
    return lives_as_it_was_written


def never_ready_test(place, attribute, first, second):
    def is_shown_though_it_fails(name):
        one = V1Service(name)
        for value in (first, second):
            config = with_value(place, attribute, value)
            try:
                one.apply(config)
                raise AssertionError("it is ready")
            except Failed as why:
                assert why.error["message"], why
            one.tainted = False
            one.refresh()
            found = list(one.rules.drifts(config, one.state))
            assert found == [], found
        one.destroy()
    return is_shown_though_it_fails


def refused_test(attribute, place, value):
    def is_refused_by_name(name):
        with refuses(400, attribute):
            V1Service(name).apply(with_value(place, "volumes" if place == "spec" else attribute,
                                             value))
        assert request("GET", V1Service(name).path).status == 404
    return is_refused_by_name


def accounts_make():
    for name in ("runner-a", "runner-b"):
        call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": name})


def add(place, number, attribute, run):
    def one():
        name = f"k-{place}-{number}".replace("_", "-")
        try:
            if attribute.startswith("serviceAccount"):
                accounts_make()
            run(name)
            leaves_nothing()
        finally:  # what one row leaves after a fault is not the next one's
            request("DELETE", V1Service(name).path)
    word = attribute.rsplit("/", 1)[-1].replace("-", "_").replace(" ", "_")
    one.__name__ = f"v1_{place}_{word}_{number}"
    test(one)


for _place, _rows in (("notes", NOTES), ("template_notes", TEMPLATE_NOTES),
                      ("traffic", TRAFFIC), ("two", TWO),
                      ("labels", [({"team": "a", "x": ""}, {"team": "b"})]),
                      ("template_labels", [({"tier": "a"}, {"tier": "b", "more": "c"})])):
    for _number, (_first, _second) in enumerate(_rows):
        _word = next(iter(_first)) if isinstance(_first, dict) else "list"
        # What is no wish, or the same one in other words, is not worth a revision.
        _same = _place == "template_notes" and _word in (f"{RUN}client-name", DEPENDENCIES)
        add(_place, _number, _word, attribute_test(_place, "", _first, _second, _same))
for _place, _rows in (("spec", SPEC), ("container", CONTAINER)):
    for _number, (_attribute, _first, _second) in enumerate(_rows):
        add(_place, _number, _attribute, attribute_test(_place, _attribute, _first, _second))
add("name", 0, "revision", lambda name: attribute_test("name", "", f"{name}-a", f"{name}-b")(name))
for _number, (_place, _attribute, _first, _second) in enumerate(NEVER_READY):
    add("never_ready", _number, _attribute, never_ready_test(_place, _attribute, _first, _second))
for _number, (_attribute, _place, _value) in enumerate(REFUSED):
    add("refused", _number, _attribute, refused_test(_attribute, _place, _value))


if __name__ == "__main__":
    main()
