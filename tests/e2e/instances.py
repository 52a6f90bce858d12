#!/usr/bin/env python3
"""Instances of containers: what is told of them, and how their number follows what is asked for."""
import concurrent.futures
import json
import os
import signal
import threading

import oci
from by_api import SCALE, SERVICES, make_account, wait_settled
from homerun import finally_do, main, test, wait_until


@finally_do
def close():
    oci.close()


def told(name=None):
    """What `homerun instances` says, of a service or of all."""
    return json.loads(oci.homerun().cli("instances", *([name] if name else []), "--format=json").stdout)


def ready(name):
    return [one for one in told(name) if one["state"] == "READY"]


# ---- what is told ----

@test
def each_instance_is_told_with_its_state_address_load_and_age():
    oci.service("told", template_notes={SCALE + "minScale": "1"}, spec={"containerConcurrency": 5})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(oci.inside, "told", "while [ ! -e /tmp/go ]; do sleep 0.1; done")
        one = wait_until(lambda: next((one for one in ready("told") if one["requestsInFlight"] == 1), None),
                         "a request in flight is told of", 30)
        assert one["maxRequests"] == 5 and one["address"] == "127.0.0.1:8080" and one["ownNetwork"], one
        assert one["revision"].startswith("projects/demo/locations/us-central1/services/told/revisions/told-00001-")
        wait_until(lambda: ready("told")[0]["memoryBytes"] > 10**5, "its memory is told", 30)
        for command in (("instances", "told"), ("instances",), ("top",)):
            text = oci.homerun().cli(*command).stdout
            assert "READY" in text and "1 of 5" in text and "127.0.0.1:8080 inside" in text, text
        oci.inside("told", "touch /tmp/go")
        slow.result()
    wait_until(lambda: ready("told")[0]["requestsInFlight"] == 0, "it is not in flight any more", 30)
    assert oci.homerun().api("DELETE", f"{SERVICES}/told").status == 200
    wait_until(lambda: not told("told"), "what has ended is not told of", 60)


@test
def one_that_waits_prepared_and_one_that_is_not_ready_are_told_so():
    oci.service("waits")
    wait_until(lambda: [one["state"] for one in told("waits")] == ["PREPARED"], "it waits prepared", 60)
    oci.service("unready", container={"readinessProbe": {
        "httpGet": {"path": "/none"}, "periodSeconds": 1, "failureThreshold": 1}},
        template_notes={SCALE + "minScale": "1"})
    wait_until(lambda: [one["state"] for one in told("unready")] == ["NOT_READY"], "it is not ready", 60)
    assert oci.homerun().api("DELETE", f"{SERVICES}/unready").status == 200


@test
def instances_are_shown_to_who_may_list_the_projects_revisions():
    oci.service("shown")
    email = make_account(oci.homerun(), "looks-on")
    token = oci.homerun().token("access", member=f"serviceAccount:{email}")
    whole = "/homerun/v1/projects/demo/instances"
    one = "/homerun/v1/projects/demo/locations/us-central1/services/shown/instances"
    assert oci.homerun().api("GET", whole, token=token).status == 403
    assert oci.homerun().api("GET", one, token=token).status == 403
    bound = {"bindings": [{"role": "roles/run.viewer", "members": [f"serviceAccount:{email}"]}]}
    service = "/v1/projects/demo/locations/us-central1/services/shown"
    assert oci.homerun().api("POST", f"{service}:setIamPolicy", {"policy": bound}).status == 200
    assert oci.homerun().api("GET", whole, token=token).status == 403
    got = oci.homerun().api("GET", one, token=token)
    assert got.status == 200 and all(row["service"] == "shown" for row in got.json["instances"]), got


@test
def there_is_another_instance_when_the_first_is_as_full_as_its_target():
    oci.homerun()
    where = "/v2/projects/demo/locations/us-central1/services"
    got = oci.homerun().api("POST", where + "?serviceId=aimed", {"invokerIamDisabled": True, "template": {
        "scaling": {"maxInstanceCount": 2, "concurrencyUtilization": 0.1}, "maxInstanceRequestConcurrency": 10,
        "containers": [{"image": "web:1"}]}})
    assert got.status == 200, got
    assert wait_settled(oci.homerun(), "aimed")["status"] == "True"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(oci.ask, "aimed", "/cgi-bin/run", method="POST", body=b"sleep 100") for _ in range(2)]
        try:
            wait_until(lambda: len(ready("aimed")) == 2, "two requests are more than a tenth of ten places", 60)
        finally:
            for pid in oci.instances("aimed"):
                os.kill(pid, signal.SIGKILL)
            concurrent.futures.wait(asking)
    assert oci.homerun().api("DELETE", f"{where}/aimed").status == 200


if __name__ == "__main__":
    main()
