#!/usr/bin/env python3
"""Public until a time: in force to the second by what the gate reads, shown wherever openness is shown."""
import os
import signal
import time

from gate_stand import REGION, add_mirror
from homerun import main, stand, test, wait_until

SERVICE = f"/v2/{REGION}/services/open"


def ready():
    homerun = stand()
    if not hasattr(homerun, "opened"):
        add_mirror(homerun)
        homerun.cli("deploy", "open", "--image=mirror")
        homerun.opened = True
    return homerun


def time_in(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def seconds_of(text):
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone


def watch_the_end(homerun, until):
    """Each answer says 200 before the time, and 403 from then on."""
    end = seconds_of(until)
    seen = set()
    while 403 not in seen:
        before = time.time()
        status = homerun.get(homerun.url("open")).status
        after = time.time()
        assert status == 200 or after >= end, (status, after - end)
        assert status == 403 or before < end, (status, before - end)
        assert before < end + 10, "it is still public"
        seen.add(status)
        time.sleep(0.02)
    assert seen == {200, 403}, seen


def public(homerun):
    return {row["resource"].rsplit("/", 1)[1]: row
            for row in homerun.api("GET", "/homerun/v1/access:public").json["services"]}


def check_shown(homerun, until, reason):
    row = public(homerun)["open"]
    assert row["publicUntil"].startswith(until[:-1]) and row["publicReason"] == reason, row
    shown = homerun.cli("access", "public").stdout
    assert until[:-1] in shown and reason in shown, shown


@test
def the_switch_turns_back_at_the_time_even_without_control():
    homerun = ready()
    until = time_in(4)
    homerun.cli("services", "update", "open", "--no-invoker-iam-check", f"--public-until={until}",
                "--reason=a demonstration")
    check_shown(homerun, until, "a demonstration")
    assert until in homerun.cli("services", "describe", "open").stdout
    assert until in homerun.cli("services", "list").stdout
    v1 = homerun.api("GET", "/apis/serving.knative.dev/v1/namespaces/demo/services/open").json
    assert v1["metadata"]["annotations"]["homerun.dev/public-until"] == until, v1["metadata"]
    row = homerun.api("GET", f"/homerun/v1/access:history?resource={REGION}/services/open").json["history"][0]
    assert row["after"]["publicUntil"] == until and row["after"]["publicReason"] == "a demonstration", row
    control = homerun.pids("control")[0]
    os.kill(control, signal.SIGSTOP)
    try:
        watch_the_end(homerun, until)
    finally:
        os.kill(control, signal.SIGCONT)
    assert "open" not in public(homerun)
    found = homerun.api("POST", "/homerun/v1/access:explain", {"resource": f"{REGION}/services/open"}).json
    assert "was public until" in found["cause"], found
    homerun.cli("services", "update", "open", "--invoker-iam-check")
    service = homerun.api("GET", SERVICE).json
    assert "homerun.dev/public-until" not in service.get("annotations", {}), service["annotations"]


@test
def the_grant_ends_at_the_time_too():
    homerun = ready()
    until = time_in(3)
    homerun.cli("services", "update", "open", "--allow-unauthenticated", f"--public-until={until}",
                "--reason=a review")
    check_shown(homerun, until, "a review")
    watch_the_end(homerun, until)
    assert "open" not in public(homerun)
    homerun.cli("services", "update", "open", "--no-allow-unauthenticated")
    policy = homerun.api("GET", f"{SERVICE}:getIamPolicy?options.requestedPolicyVersion=3").json
    assert "bindings" not in policy, policy


@test
def a_grant_until_a_time_takes_the_place_of_one_without_end():
    homerun = ready()
    homerun.cli("services", "update", "open", "--allow-unauthenticated")
    until = time_in(3600)
    homerun.cli("services", "update", "open", "--allow-unauthenticated", "--public-until=1h", "--reason=x")
    found = public(homerun)["open"]["publicUntil"]
    assert abs(seconds_of(found.split(".")[0] + "Z") - seconds_of(until)) < 60, found
    homerun.cli("services", "update", "open", "--allow-unauthenticated")
    assert "publicUntil" not in public(homerun)["open"], "one way without end is open"
    homerun.cli("services", "update", "open", "--no-allow-unauthenticated")
    assert "open" not in public(homerun)


@test
def to_set_the_time_takes_what_the_switch_takes():
    homerun = ready()
    member = "user:developer@example.com"
    policy = homerun.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    policy["bindings"].append({"role": "roles/run.developer", "members": [member]})
    policy["bindings"].append({"role": "roles/iam.serviceAccountUser", "members": [member]})
    assert homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": policy}).status == 200
    token = homerun.token("access", member=member)
    homerun.cli("services", "update", "open", "--no-invoker-iam-check", "--public-until=1h", "--reason=x")
    body = {"annotations": {"homerun.dev/public-until": time_in(86400)}}
    for change in (body, {"annotations": {}}):
        answer = homerun.api("PATCH", f"{SERVICE}?updateMask=annotations", change, token=token)
        assert answer.status == 403 and "setIamPolicy" in answer.text, answer
    more = {"annotations": {**homerun.api("GET", SERVICE).json["annotations"], "team": "web"}}
    assert homerun.api("PATCH", f"{SERVICE}?updateMask=annotations", more, token=token).status == 200
    answer = homerun.api("PATCH", f"{SERVICE}?updateMask=annotations",
                         {"annotations": {"homerun.dev/public-until": "soon"}})
    assert answer.status == 400 and "public-until" in answer.text, answer
    homerun.cli("services", "update", "open", "--invoker-iam-check")


@test
def the_command_line_says_what_is_missing():
    homerun = ready()
    for flags, words in ((["--public-until=1h", "--no-invoker-iam-check"], "--reason"),
                         (["--public-until=1h", "--reason=x"], "a way to open"),
                         (["--public-until=never", "--reason=x", "--no-invoker-iam-check"], "2030-01-31"),
                         (["--public-until=2020-01-01T00:00:00Z", "--reason=x", "--no-invoker-iam-check"], "over"),
                         (["--reason=x", "--no-invoker-iam-check"], "--public-until")):
        done = homerun.cli("services", "update", "open", *flags, status=None)
        assert done.returncode != 0 and words in done.stderr, (flags, done.stderr)
    wait_until(lambda: homerun.get(homerun.url("open")).status == 403, "nothing was opened")


if __name__ == "__main__":
    main()
