"""Configurations of both services that several tests apply: the smallest, the open, the large."""
from terraform_provider import IMAGE

LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
HELLO = {"template": {"containers": [{"image": IMAGE}]}}
OPEN = {**HELLO, "invokerIamDisabled": True}
OLD_HELLO = {"spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}}}
OLD_OPEN = {**OLD_HELLO,
            "metadata": {"annotations": {"run.googleapis.com/invoker-iam-disabled": "true"}}}

MANY = {
    "description": "d", "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY", "labels": {"team": "a"},
    "annotations": {"example.com/owner": "b"}, "customAudiences": ["https://b.example", "a"],
    "scaling": {"minInstanceCount": 1},
    "template": {
        "labels": {"tier": "front"}, "timeout": "60s", "sessionAffinity": True,
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2", "maxInstanceRequestConcurrency": 7,
        "scaling": {"minInstanceCount": 0, "maxInstanceCount": 3},
        "containers": [{
            "name": "front", "image": IMAGE, "ports": [{"containerPort": 8080}],
            "env": [{"name": "Z", "value": "<&>"}, {"name": "EMPTY", "value": ""}],
            "resources": {"limits": {"cpu": "2"}, "startupCpuBoost": True},
            "startupProbe": {"timeoutSeconds": 2, "periodSeconds": 3, "failureThreshold": 5,
                             "tcpSocket": {"port": 8080}},
            "livenessProbe": {"timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 3,
                              "httpGet": {"path": "/"}},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}],
        "volumes": [{"name": "scratch", "emptyDir": {"medium": "MEMORY", "sizeLimit": "16Mi"}}]},
    "traffic": [{"type": LATEST, "percent": 100, "tag": "t"}],
}

OLD_MANY = {
    "metadata": {"labels": {"team": "a"}, "annotations": {
        "run.googleapis.com/ingress": "internal", "example.com/owner": "b",
        "run.googleapis.com/custom-audiences": '["https://b.example", "a"]'}},
    "spec": {
        "template": {
            "metadata": {"labels": {"tier": "front"}, "annotations": {
                "autoscaling.knative.dev/minScale": "0", "autoscaling.knative.dev/maxScale": "3",
                "run.googleapis.com/execution-environment": "gen2",
                "run.googleapis.com/startup-cpu-boost": "true"}},
            "spec": {
                "containerConcurrency": 7, "timeoutSeconds": 60,
                "containers": [{
                    "image": IMAGE, "ports": [{"containerPort": 8080, "name": "http1"}],
                    "env": [{"name": "Z", "value": "1"}],
                    "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
                    "livenessProbe": {"timeoutSeconds": 1, "periodSeconds": 10,
                                      "failureThreshold": 3, "httpGet": {"path": "/"}},
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}],
                "volumes": [{"name": "scratch", "emptyDir": {
                    "medium": "Memory", "sizeLimit": "16Mi"}}]}},
        "traffic": [{"percent": 100, "latestRevision": True, "tag": "t"}]},
}
