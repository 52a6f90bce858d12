#!/usr/bin/env python3
"""google_cloud_run_v2_service, attribute by attribute.

Per row: a service with the first value is applied, found as it was written, applied again without a
write, imported; the second value makes a revision exactly if it stands in the template; the value
taken away leaves none behind; and nothing is left of all that.
"""
import copy

from homerun import main, test
from terraform_provider import (IMAGE, Failed, V2Service, call, leaves_nothing, refuses, request)

HELLO = {"template": {"containers": [{"image": IMAGE}]}}
LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
HTTP, TCP, GRPC = {"httpGet": {"path": "/"}}, {"tcpSocket": {"port": 8080}}, {"grpc": {}}
BEAT = {"timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 3}  # always sent
MOUNTED = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}


def secret_env(secret, version):
    return [{"name": "S", "valueSource": {"secretKeyRef": {"secret": secret, "version": version}}}]


def interface(**more):
    return [{"network": "default", "subnetwork": "default", **more}]


def pair(**front):
    """Two containers; the first takes the requests."""
    return [{"name": "front", "image": IMAGE, "ports": [{"containerPort": 8080}], **front},
            {"name": "side", "image": IMAGE}]


def volume(**source):
    return [{"name": "v", **source}]


SERVICE = [  # attribute, first value, second value
    ("description", "first", "second <&> \"and\" ünicode"),
    ("client", "terraform", "other"),
    ("clientVersion", "1", "2"),
    ("ingress", "INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"),
    ("launchStage", "BETA", "ALPHA"),
    ("invokerIamDisabled", True, False),
    ("defaultUriDisabled", True, False),
    ("iapEnabled", True, False),
    ("customAudiences", ["https://b.example", "a"], ["a", "https://b.example"]),
    ("binaryAuthorization", {"useDefault": True},
     {"policy": "projects/demo/platforms/x/policies/y"}),
    ("binaryAuthorization", {"useDefault": True, "breakglassJustification": "night"},
     {"useDefault": True, "breakglassJustification": "day"}),
    ("labels", {"team": "a", "tier": "b"}, {"team": "c"}),
    ("annotations", {"example.com/owner": "A b"}, {"example.com/owner": "c", "note": "{}"}),
    ("scaling", {"minInstanceCount": 1}, {"minInstanceCount": 2, "maxInstanceCount": 3}),
    ("scaling", {"maxInstanceCount": 3}, {"maxInstanceCount": 4}),
    ("scaling", {"scalingMode": "MANUAL", "manualInstanceCount": 1}, {"scalingMode": "AUTOMATIC"}),
    ("traffic", [{"type": LATEST, "percent": 100, "tag": "t"}],
     [{"type": LATEST, "tag": "u", "percent": 100}]),
    ("traffic", [{"type": LATEST, "percent": 60}, {"type": LATEST, "percent": 40, "tag": "t"}],
     [{"type": LATEST, "percent": 40, "tag": "t"}, {"type": LATEST, "percent": 60}]),
    ("buildConfig", {"functionTarget": "f", "imageUri": "i", "baseImage": "b"},
     {"functionTarget": "g", "enableAutomaticUpdates": True,
      "environmentVariables": {"K": "v"}, "workerPool": "projects/demo/locations/l/workerPools/w",
      "serviceAccount": "projects/demo/serviceAccounts/x"}),
]
TEMPLATE = [
    ("labels", {"tier": "front"}, {"tier": "back", "more": ""}),
    ("annotations", {"example.com/a": "b"}, {"example.com/a": "c"}),
    ("executionEnvironment", "EXECUTION_ENVIRONMENT_GEN2", "EXECUTION_ENVIRONMENT_GEN1"),
    ("encryptionKey", "projects/demo/locations/us/keyRings/k/cryptoKeys/a",
     "projects/demo/locations/us/keyRings/k/cryptoKeys/b"),
    ("sessionAffinity", True, False),
    ("healthCheckDisabled", True, False),
    ("gpuZonalRedundancyDisabled", True, False),
    ("nodeSelector", {"accelerator": "nvidia-l4"}, {"accelerator": "nvidia-t4"}),
    ("vpcAccess", {"connector": "projects/demo/locations/us-central1/connectors/c"},
     {"connector": "projects/demo/locations/us-central1/connectors/d", "egress": "ALL_TRAFFIC"}),
    ("vpcAccess", {"networkInterfaces": interface()},
     {"networkInterfaces": interface(tags=["b", "a"]), "egress": "PRIVATE_RANGES_ONLY"}),
    ("timeout", "60s", "3600s"),
    ("maxInstanceRequestConcurrency", 7, 1000),
    ("serviceAccount", "runner-a@demo.iam.gserviceaccount.com",
     "runner-b@demo.iam.gserviceaccount.com"),
    ("scaling", {"maxInstanceCount": 3}, {"minInstanceCount": 1, "maxInstanceCount": 4}),
    ("scaling", {"minInstanceCount": 1}, {"minInstanceCount": 2}),
    ("revision", "{name}-chosen", "{name}-other"),
    ("containers", pair(dependsOn=["side"]), pair()),
    ("sandboxes", {"templates": [{"name": "box", "image": IMAGE, "command": ["/bin/sh"],
                                  "args": ["-c", "date"], "workingDir": "/srv",
                                  "env": [{"name": "PORT", "value": "9000"}]}]},
     {"templates": [{"name": "box", "image": IMAGE},
                    {"name": "more", "image": IMAGE, "env": [{"name": "A", "value": "1"}]}]}),
]
CONTAINER = [
    ("name", "front", "back"),
    ("args", ["b", "a", "b"], ["a"]),
    ("workingDir", "/tmp", "/"),
    ("baseImageUri", "us-central1-docker.pkg.dev/x/y", "us-central1-docker.pkg.dev/x/z"),
    ("env", [{"name": "Z", "value": "<&>"}, {"name": "A", "value": "1"}, {"name": "EMPTY"}],
     [{"name": "A", "value": "1"}, {"name": "Z", "value": "\n ü"}]),
    ("ports", [{"containerPort": 9090}], [{"containerPort": 9091, "name": "http1"}]),
    ("ports", [{"name": "http1", "containerPort": 8080}], [{"name": "h2c", "containerPort": 8080}]),
    ("resources", {"limits": {"cpu": "2"}}, {"limits": {"cpu": "2000m", "memory": "1024Mi"}}),
    ("resources", {"limits": {"memory": "1Gi"}, "cpuIdle": True},
     {"limits": {"memory": "1Gi"}, "cpuIdle": True, "startupCpuBoost": True}),
    ("resources", {"limits": {"cpu": "1", "memory": "512Mi"}}, {"startupCpuBoost": True}),
    ("startupProbe", {**BEAT, **TCP}, {**BEAT, "initialDelaySeconds": 1, **HTTP}),
    ("startupProbe", {**BEAT, "httpGet": {"path": "/x", "port": 8080, "httpHeaders": [
        {"name": "B", "value": "1"}, {"name": "A"}]}}, {**BEAT, "failureThreshold": 4, **TCP}),
    ("livenessProbe", {**BEAT, **HTTP}, {**BEAT, "periodSeconds": 20, "httpGet": {
        "path": "/x", "port": 8080, "httpHeaders": [{"name": "A", "value": "1"}]}}),
    ("livenessProbe", {**BEAT, **GRPC}, {**BEAT, "grpc": {"port": 8080, "service": "s"}}),
    ("livenessProbe", {**BEAT, "tcpSocket": {}}, {**BEAT, "timeoutSeconds": 2, **TCP}),
    ("readinessProbe", HTTP, {"timeoutSeconds": 2, "periodSeconds": 5, "failureThreshold": 2,
                              "successThreshold": 2, "httpGet": {"path": "/x", "port": 8080}}),
    ("readinessProbe", GRPC, {"grpc": {"service": "s"}}),
    ("sandboxLauncher", True, False),
]
VOLUMES = [
    ("emptyDir", volume(emptyDir={"medium": "MEMORY"}),
     volume(emptyDir={"medium": "MEMORY", "sizeLimit": "16Mi"})),
    ("cloudSqlInstance", volume(cloudSqlInstance={"instances": ["demo:r:b", "demo:r:a"]}),
     volume(cloudSqlInstance={"instances": ["demo:r:a"]})),
]
# What is taken and shown again, but has a revision that does not become ready.
NEVER_READY = [
    ("container", "env", secret_env("token", "latest"),
     secret_env("projects/1/secrets/token", "3")),
    ("template", "volumes", volume(secret={"secret": "s"}), volume(secret={
        "secret": "s", "defaultMode": 292, "items": [{"path": "p", "version": "1", "mode": 256}]})),
]
# What Homerun cannot do, and says so by name.
REFUSED = [
    ("command", {"template": {"containers": [{"image": IMAGE, "command": ["/other", "--x"]}]}}),
    ("multiRegionSettings", {"multiRegionSettings": {"regions": ["us-central1", "us-east1"]}}),
    ("sourceCode", {"template": {"containers": [{"image": IMAGE, "sourceCode": {
        "cloudStorageSource": {"bucket": "b", "object": "o"}}}]}}),
    ("nfs", {"template": {"containers": [{"image": IMAGE, **MOUNTED}],
                          "volumes": volume(nfs={"server": "10.0.0.1", "path": "/"})}}),
    ("gcs", {"template": {"containers": [{"image": IMAGE, **MOUNTED}],
                          "volumes": volume(gcs={"bucket": "b"})}}),
]


# Filled in by the server, or kept from the state where the configuration says nothing.
SHOWN_ALWAYS = {"ingress", "launchStage", "traffic", "labels", "scaling"}


def with_value(place, attribute, value, name):
    """HELLO with one more VALUE; False is none, as in a configuration."""
    config = copy.deepcopy(HELLO)
    part = {"service": config, "template": config["template"],
            "container": config["template"]["containers"][0]}[place]
    if isinstance(value, str):
        value = value.replace("{name}", name)
    if value is not False:
        part[attribute] = copy.deepcopy(value)
    if attribute == "volumes":
        config["template"]["containers"][0].update(copy.deepcopy(MOUNTED))
    if attribute == "nodeSelector" and value:
        config["template"]["containers"][0]["resources"] = {
            "limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}}
    return config


def attribute_test(place, attribute, first, second):
    def lives_as_it_was_written(name):
        one = V2Service(name)
        one.apply(with_value(place, attribute, first, name))
        one.settle()
        one.imported()
        changed = one.apply(with_value(place, attribute, second, name))
        assert [verb for verb, _ in changed] == ["PATCH"], changed
        assert one.revisions() == (1 if place == "service" else 2), one.revisions()
        one.settle()
        one.apply(HELLO)
        if place == "service":
            assert one.at_once() and one.revisions() == 1, one.operations
            assert attribute in SHOWN_ALWAYS or attribute not in one.state, one.state
        one.settle()
        one.destroy()
    return lives_as_it_was_written


def never_ready_test(place, attribute, first, second):
    def is_shown_though_it_fails(name):
        one = V2Service(name)
        for value in (first, second):
            config = with_value(place, attribute, value, name)
            try:
                one.apply(config)
                raise AssertionError("it is ready")
            except Failed as why:
                assert why.error["code"] and why.error["message"], why
            one.tainted = False
            one.refresh()
            found = list(one.rules.drifts(config, one.state))
            assert found == [], found
        one.destroy()
    return is_shown_though_it_fails


def refused_test(attribute, config):
    def is_refused_by_name(name):
        with refuses(400, attribute):
            V2Service(name).apply(config)
        assert request("GET", V2Service(name).path).status == 404
    return is_refused_by_name


def accounts_make():
    for name in ("runner-a", "runner-b"):
        call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": name})


def add(place, number, attribute, run):
    def one():
        name = f"f-{place}-{number}".replace("_", "-")
        try:
            if attribute.startswith("serviceAccount"):
                accounts_make()
            run(name)
            leaves_nothing()
        finally:  # what one row leaves after a fault is not the next one's
            request("DELETE", V2Service(name).path)
    one.__name__ = f"v2_{place}_{attribute}_{number}".replace(" ", "_")
    test(one)


for _place, _rows in (("service", SERVICE), ("template", TEMPLATE), ("container", CONTAINER)):
    for _number, (_attribute, _first, _second) in enumerate(_rows):
        add(_place, _number, _attribute, attribute_test(_place, _attribute, _first, _second))
for _number, (_attribute, _first, _second) in enumerate(VOLUMES):
    add("volume", _number, _attribute, attribute_test("template", "volumes", _first, _second))
for _number, (_place, _attribute, _first, _second) in enumerate(NEVER_READY):
    add("never_ready", _number, _attribute, never_ready_test(_place, _attribute, _first, _second))
for _number, (_attribute, _config) in enumerate(REFUSED):
    add("refused", _number, _attribute, refused_test(_attribute, _config))


if __name__ == "__main__":
    main()
