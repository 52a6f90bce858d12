#!/usr/bin/env python3
"""Cloud Run v2 over HTTP: what only the listener does (gRPC, regions), and the words of answers."""
import socket
import urllib.parse

from homerun import Homerun, finally_do, main, test

SERVICES = "/v2/projects/demo/locations/us-central1/services"
KNATIVE = "/apis/serving.knative.dev/v1/namespaces/demo/services"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"
HELLO = {"template": {"containers": [{"image": IMAGE}]}}

_stand = None


def stand():
    global _stand
    if _stand is None:
        _stand = Homerun().start()
        finally_do(_stand.close)
    return _stand


@test
def grpc_is_refused_in_grpcs_own_words():
    port = urllib.parse.urlsplit(stand().api_url).port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"POST /google.cloud.run.v2.Services/GetService HTTP/1.1\r\n"
                       b"Host: localhost\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
                       b"Connection: close\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0")
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"application/grpc" in head, head
    assert b"grpc-status: 12" in rest and b"fallback: true" in rest, rest


@test
def a_region_comes_from_the_path_in_front_or_the_routing_header():
    homerun = stand()
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": "far"},
            "spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}}}
    made = homerun.api("POST", f"/europe-west1{KNATIVE}", body)
    assert made.status == 200, made
    label = made.json["metadata"]["labels"]["cloud.googleapis.com/location"]
    assert label == "europe-west1", label
    asia = homerun.api("POST", KNATIVE, body,
                       headers={"X-Goog-Request-Params": "location=asia-east1"})
    assert asia.json["metadata"]["labels"]["cloud.googleapis.com/location"] == "asia-east1", asia
    everywhere = homerun.api("GET", SERVICES.replace("us-central1", "-")).json["services"]
    assert {one["name"].split("/")[3] for one in everywhere} == {"europe-west1", "asia-east1"}
    for region in ("europe-west1", "asia-east1"):
        path = f"{SERVICES.replace('us-central1', region)}/far"
        assert homerun.api("DELETE", path).status == 200
    assert homerun.api("GET", f"/nowhere{KNATIVE}").status == 404


@test
def jobs_and_other_resources_are_refused_by_name():
    for path in ("jobs", "workerPools", "instances/i"):
        answer = stand().api("GET", SERVICES.replace("services", path))
        assert answer.status == 501, answer
        assert answer.json["error"]["status"] == "UNIMPLEMENTED", answer
        assert "google.cloud.run.v2." in answer.json["error"]["message"], answer


@test
def a_wait_ends_with_the_revision_and_a_poll_may_end_in_a_question_mark():
    homerun = stand()
    made = homerun.api("POST", f"{SERVICES}?serviceId=waited", HELLO).json
    done = homerun.api("POST", f"/v2/{made['name']}:wait", {"timeout": "20s"}).json
    assert done["done"] and done["response"]["latestReadyRevision"], done
    assert homerun.api("GET", f"/v2/{made['name']}?").json["done"] is True
    assert homerun.api("DELETE", f"{SERVICES}/waited").json["response"]["deleteTime"]


@test
def faults_are_in_googles_shape_and_name_the_field():
    answer = stand().api("POST", f"{SERVICES}?serviceId=x", {"template": {"containers": [
        {"image": IMAGE, "prots": []}]}})
    assert answer.status == 400, answer
    error = answer.json["error"]
    assert error["status"] == "INVALID_ARGUMENT", error
    fields = [violation["field"] for detail in error["details"]
              for violation in detail.get("fieldViolations", [])]
    assert fields == ["template.containers[0].prots"], error


if __name__ == "__main__":
    main()
