#!/usr/bin/env python3
"""What homerun's own commands say of a service: how a change went, who may invoke it, what it is."""
import json

from gcloud_stand import FALL, LOOK, revisions, stand, status_of
from homerun import main, test


def cli(*words, status=0, **more):
    done = stand().cli(*words, status=status, **more)
    return done.stdout + done.stderr


def has(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in:\n{text}"


@test
def a_deploy_says_readiness_traffic_url_and_access():
    has(cli("deploy", "told", f"--image={LOOK}"), "Service told revision told-00001-",
        "is ready and serves 100 percent of traffic.", f"Service URL: {stand().url('told')}",
        "access: private (2 members may invoke)")
    told = cli("deploy", "told", f"--image={LOOK}", "--no-traffic", "--tag=next",
               "--set-env-vars=KEY=secret-value")
    has(told, "serves 0 percent of traffic", "Traffic: told-00001-", "100%",
        f"Tag URL: {stand().url('told', tag='next')} (next: told-", "changed: env +KEY, traffic")
    assert "secret-value" not in told, "values are not shown"


@test
def every_way_into_the_open_is_loud_and_the_way_back_is_told():
    cli("deploy", "door", f"--image={LOOK}")
    has(cli("services", "update", "door", "--no-invoker-iam-check"),
        "access: PUBLIC: the Invoker IAM check is off (before: private (2 members may invoke))",
        "changed: Invoker IAM check on -> off")
    assert status_of("door") == 200
    cli("services", "add-iam-policy-binding", "door", "--member=allUsers",
        "--role=roles/run.invoker")
    has(cli("services", "update", "door", "--description=x"),
        "access: PUBLIC: the Invoker IAM check is off, and allUsers has roles/run.invoker",
        "changed: description default -> x")
    has(cli("services", "update", "door", "--invoker-iam-check"),
        "access: PUBLIC: allUsers has roles/run.invoker (before: PUBLIC: the Invoker")
    has(cli("deploy", "door", "--no-allow-unauthenticated"),
        "access: private (2 members may invoke) (before: PUBLIC: allUsers")
    cli("services", "add-iam-policy-binding", "door", "--member=allAuthenticatedUsers",
        "--role=roles/run.invoker")
    has(cli("services", "describe", "door"), "access: OPEN to everybody who is signed in")
    has(cli("services", "update", "door", "--ingress=internal"),
        "; from internal networks only", "changed: ingress INGRESS_TRAFFIC_ALL -> ")
    assert "changed: nothing\n" in cli("services", "update", "door", "--ingress=internal")


@test
def a_failed_deploy_can_be_repeated():
    for count in (1, 2):
        has(cli("deploy", "fallen", f"--image={FALL}", status=1), f"'fallen-0000{count}-",
            "exited with status 3", "No revision of it is ready")
    assert len(revisions("fallen")) == 2
    has(cli("services", "update", "fallen", "--set-env-vars=A=1", status=1), "'fallen-00003-")
    has(cli("services", "update", "fallen", "--set-env-vars=A=1", status=1), "'fallen-00004-")
    has(cli("deploy", "fallen", f"--image={LOOK}"), "is ready and serves 100 percent")
    has(cli("deploy", "fallen", f"--image={LOOK}"), "nothing but the revision, which is new")


@test
def a_change_that_takes_effect_beside_an_old_fault_says_so_and_ends_well():
    cli("deploy", "half", f"--image={LOOK}")
    has(cli("deploy", "half", f"--image={FALL}", status=1), "Revision half-00001-",
        "serves 100 percent of traffic", "changed: image")
    has(cli("services", "update", "half", "--no-invoker-iam-check"),
        "is changed, and the change is in force", "half-00002-", "not ready", "as before",
        "exited with status 3", "access: PUBLIC")
    assert status_of("half") == 200, "it is in force, and the old revision serves"
    answer = json.loads(stand().cli("services", "update", "half", "--invoker-iam-check",
                                    "--format=json").stdout)
    assert "invokerIamDisabled" not in answer and status_of("half") == 403


@test
def lists_and_descriptions_show_readiness_traffic_scaling_env_names_and_port():
    cli("deploy", "shown", f"--image={LOOK}", "--port=9090", "--set-env-vars=ONE=1,TWO=2",
        "--min-instances=1", "--max-instances=7", "--concurrency=3")
    cli("services", "update-traffic", "shown", "--set-tags=blue=LATEST")
    rows = {line.split()[0]: line.split()[1] for line in cli("services", "list").splitlines()}
    assert rows["SERVICE"] == "READY" and rows["shown"] == "yes", rows
    cli("deploy", "unready", f"--image={FALL}", status=1)
    assert [line.split()[1] for line in cli("services", "list").splitlines()
            if line.startswith("unready")] == ["no"]
    told = cli("services", "describe", "shown")
    has(told, "Ready              yes", "100% shown-00001-", "(latest)", "blue: shown-00001-",
        "1 to 7 instances, 3 requests at a time in each", "Port               9090",
        "Env                ONE, TWO", "access: private (2 members may invoke)")


if __name__ == "__main__":
    main()
