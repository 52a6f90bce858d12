#!/usr/bin/env python3
"""What services did: their own history, the overview of a project, and /metrics for Prometheus.

Control looks every ten seconds; /metrics reads what workers have counted at that moment.
"""
import re
import time

from faults_stand import kill, wait_successor
from homerun import main, stand, test

HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
SERVICE = "/homerun/v1/projects/demo/locations/us-central1/services/"


def metric(text, name, **labels):
    """The value of one line; None if there is none."""
    for line in text.splitlines():
        found = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
        if found and found[1] == name and dict(re.findall(r'(\w+)="([^"]*)"', found[2])).items() >= labels.items():
            return float(found[3])
    return None


def wait_for(look, what):
    """The first true answer; control looks every ten seconds."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if answer := look():
            return answer
        time.sleep(0.2)
    raise AssertionError(what)


def deploy(name, *flags):
    stand().cli("deploy", name, f"--image={HELLO}", *flags)
    return stand().url(name)


@test
def what_was_served_and_refused_is_counted_at_once():
    url = deploy("counted", "--allow-unauthenticated")
    private = deploy("counted-private")
    for path in ("/", "/a", "/b"):
        assert stand().get(url + path).status == 200
    for _ in range(2):
        assert stand().get(private + "/").status == 403
    assert stand().get(private + "/", headers={"Authorization": "Bearer nonsense"}).status == 401
    text = wait_for(lambda: next((t for t in [stand().api("GET", "/metrics").text] if
                                  metric(t, "homerun_refused_total", service="counted-private", rung="bad_credential")), None),
                    "the refusals are not counted")
    ours = {"project": "demo", "region": "us-central1", "service": "counted"}
    assert metric(text, "homerun_requests_total", **{"class": "2xx"}, **ours) == 3, text
    assert metric(text, "homerun_request_duration_seconds_count", **ours) == 3, text
    assert metric(text, "homerun_request_duration_seconds_bucket", le="+Inf", **ours) == 3, text
    assert 0 < metric(text, "homerun_request_duration_seconds_sum", **ours) < 60, text
    theirs = {**ours, "service": "counted-private"}
    assert metric(text, "homerun_requests_total", **{"class": "4xx"}, **theirs) == 3, text
    assert metric(text, "homerun_refused_total", rung="no_credential", **theirs) == 2, text
    assert metric(text, "homerun_request_duration_seconds_count", **theirs) == 0, text


@test
def buckets_rise_to_the_count_and_each_metric_has_its_type():
    text = stand().api("GET", "/metrics").text
    values = [float(v) for v in re.findall(r'homerun_request_duration_seconds_bucket\{[^}]*service="counted",[^}]*\} (\S+)', text)]
    bounds = [b for b in re.findall(r'service="counted",le="([^"]+)"', text)]
    assert len(values) > 10 and values == sorted(values) and values[-1] == 3, values
    assert [float(b) for b in bounds] == sorted(float(b) for b in bounds) and bounds[-1] == "+Inf", bounds
    for line in text.splitlines():
        name = re.match(r"(?:# (?:HELP|TYPE) )?(\w+)", line)[1]
        base = re.sub(r"_(bucket|sum|count)$", "", name) if "duration" in name else name
        assert f"# TYPE {base} " in text, line


@test
def a_services_history_has_what_it_did():
    url = stand().url("counted")

    def look():
        assert stand().get(url + "/again").status == 200
        points = stand().api("GET", SERVICE + "counted:metrics?period=600s").json["points"]
        served = sum(point["requests"].get("2xx", 0) for point in points)
        runs = any(point["instances"]["ready"] and int(point["memoryBytes"]) > 0 for point in points)
        return points if served >= 3 and runs else None

    points = wait_for(look, "the history stays empty")
    assert [p["time"] for p in points] == sorted(p["time"] for p in points)
    timed = [p["latency"] for p in points if p["latency"]]
    assert timed and all(0 < one["p50"] <= one["p95"] <= one["p99"] < 60 for one in timed), timed
    answer = stand().api("GET", SERVICE + "counted:metrics").json
    assert (answer["period"], answer["interval"]) == ("3600s", "10s"), answer
    assert stand().api("GET", SERVICE + "counted:metrics?period=86400s").json["interval"] == "60s"
    assert stand().api("GET", SERVICE + "counted:metrics?period=604800s").json["interval"] == "600s"
    refused = stand().api("GET", SERVICE + "counted-private:metrics").json["points"]
    assert sum(p["refused"].get("no_credential", 0) for p in refused) == 2, refused


@test
def a_history_outlives_control():
    before = stand().api("GET", SERVICE + "counted:metrics").json["points"]
    assert before
    wait_successor(stand(), "control", kill(stand(), "control"))
    after = stand().api("GET", SERVICE + "counted:metrics").json["points"]
    assert after[:len(before)] == before, (before, after)
    assert stand().get(stand().url("counted") + "/later").status == 200
    text = stand().api("GET", "/metrics").text
    assert metric(text, "homerun_requests_total", service="counted", **{"class": "2xx"}) >= 4, text


@test
def an_overview_shows_what_runs_and_only_to_those_who_may_list():
    def look():
        stand().get(stand().url("counted") + "/more")
        rows = {row["service"]: row for row in stand().api("GET", "/homerun/v1/projects/demo:metrics").json["services"]}
        row = rows.get("projects/demo/locations/us-central1/services/counted")
        return row if row and row["requestsPerSecond"] > 0 and row["instances"]["ready"] > 0 else None

    wait_for(look, "the overview stays empty")
    nobody = stand().token(member="user:nobody@example.com")
    assert stand().api("GET", "/homerun/v1/projects/demo:metrics", token=nobody).status == 403
    assert stand().api("GET", SERVICE + "counted:metrics", token=nobody).status == 403
    text = stand().api("GET", "/metrics", token=nobody).text
    assert "counted" not in text and "# TYPE homerun_requests_total counter" in text, text
    assert stand().api("GET", "/metrics", token="").status == 401


@test
def what_cannot_be_asked_is_said():
    for period in ("1s", "700000s", "yesterday", "-60s", "60"):
        answer = stand().api("GET", SERVICE + f"counted:metrics?period={period}")
        assert answer.status == 400 and "60s to 604800s" in answer.text, answer.text
    assert stand().api("GET", SERVICE + "absent:metrics").status == 404
    answer = stand().api("GET", SERVICE + "counted:metrics?since=now")
    assert answer.status == 400 and "since" in answer.text, answer.text


@test
def a_service_that_is_made_again_begins_anew():
    stand().cli("services", "delete", "counted", "--quiet")
    deploy("counted", "--allow-unauthenticated")
    assert stand().api("GET", SERVICE + "counted:metrics").json["points"] == []
    text = stand().api("GET", "/metrics").text
    assert not metric(text, "homerun_requests_total", service="counted", **{"class": "2xx"}), text


if __name__ == "__main__":
    main()
