#!/usr/bin/env python3
"""Zero values that are sent instead of left out: which of them the provider sends has changed from
version to version, and must not matter (absent and zero are equal)."""
import copy

from homerun import main, test
from terraform_configurations import HELLO, MANY, OLD_HELLO, OLD_MANY
from terraform_provider import (SERVICES, V1, V2, V1Service, V2Service, call, leaves_nothing,
                                refuses, request)

ZEROS = {
    "description": "", "client": "", "clientVersion": "", "labels": {}, "annotations": {},
    "invokerIamDisabled": False, "defaultUriDisabled": False,
    "iapEnabled": False, "customAudiences": [], "traffic": [], "multiRegionSettings": None,
    "binaryAuthorization": None, "buildConfig": None,
    "scaling": {"minInstanceCount": 0, "maxInstanceCount": 0},
    "template": {
        "revision": "", "labels": {}, "annotations": {}, "serviceAccount": "", "encryptionKey": "",
        "maxInstanceRequestConcurrency": 0,
        "sessionAffinity": False, "healthCheckDisabled": False, "nodeSelector": None,
        "gpuZonalRedundancyDisabled": False, "vpcAccess": None, "volumes": [], "serviceMesh": None,
        "scaling": None,
        "containers": [{
            "name": "", "command": [], "args": [], "env": [], "workingDir": "", "dependsOn": [],
            "baseImageUri": "", "volumeMounts": [], "ports": [], "livenessProbe": None,
            "readinessProbe": None, "startupProbe": None, "resources": None, "sourceCode": None}]},
}
OLD_ZEROS = {
    "metadata": {"labels": {}, "annotations": {}},
    "spec": {"traffic": [], "template": {
        "metadata": {"name": "", "namespace": "", "labels": {}, "annotations": {},
                     "generation": 0, "resourceVersion": "", "selfLink": "", "uid": ""},
        "spec": {"containerConcurrency": 0, "timeoutSeconds": 0, "serviceAccountName": "",
                 "volumes": [], "nodeSelector": {},
                 "containers": [{
                     "name": "", "command": [], "args": [], "env": [], "envFrom": [],
                     "workingDir": "", "ports": [], "volumeMounts": [], "resources": None,
                     "livenessProbe": None, "readinessProbe": None, "startupProbe": None}]}}},
}


def over(zeros, body):
    """BODY, and ZEROS where it says nothing."""
    if isinstance(zeros, dict) and isinstance(body, dict):
        return {name: over(zeros.get(name), body[name]) if name in body else zeros[name]
                for name in {**zeros, **body}}
    if isinstance(zeros, list) and isinstance(body, list) and zeros and body:
        return [over(zeros[0], item) for item in body]
    return copy.deepcopy(body)


def send_zeros(one, config, zeros):
    """As `update`, but nothing is left out."""
    if isinstance(one, V2Service):
        body = over(zeros, one.body(config, V2.planned(config, one.state)))
        one.wait(call("PATCH", one.path, body))
        return
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": one.metadata(config), "spec": V1.planned(config, one.state)["spec"]}
    call("PUT", one.path, over(zeros, body))


ROWS = [
    ("a_small_v2_service", V2Service, HELLO, ZEROS), ("a_large_v2_service", V2Service, MANY, ZEROS),
    ("a_small_v1_service", V1Service, OLD_HELLO, OLD_ZEROS),
    ("a_large_v1_service", V1Service, OLD_MANY, OLD_ZEROS),
]


def row_test(name, kind, config, zeros):
    def one():
        service = kind(name.replace("_", "-"))
        try:
            service.apply(config)
            before = copy.deepcopy(service.state)
            send_zeros(service, config, zeros)
            assert service.refresh() == before, (before, service.state)
            service.settle()
            assert service.revisions() == 1
            service.destroy()
            if kind is V2Service:
                body = over(zeros, copy.deepcopy(config))
                service.wait(call("POST", f"{SERVICES}?serviceId={service.name}", body))
            else:
                body = over(zeros, {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
                                    **copy.deepcopy(config)})
                body["metadata"]["name"] = service.name
                call("POST", service.path.rsplit("/", 1)[0], body)
            found = list(service.rules.drifts(config, service.refresh()))
            assert found == [], found
            call("DELETE", service.path)
            leaves_nothing()
        finally:
            request("DELETE", service.path)
    one.__name__ = f"{name}_with_all_zeros_is_the_same"
    test(one)


for _row in ROWS:
    row_test(*_row)


@test
def numbers_may_be_text_where_the_api_says_so_and_nothing_else():
    with refuses(400, "INVALID_ARGUMENT"):
        V2Service("typed").apply({**HELLO, "invokerIamDisabled": "yes"})
    with refuses(400, "INVALID_ARGUMENT"):
        V2Service("typed").apply({**HELLO, "customAudiences": "a"})
    leaves_nothing()


if __name__ == "__main__":
    main()
