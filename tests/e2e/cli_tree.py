#!/usr/bin/env python3
"""Projects, folders and organization policies from homerun's own command line."""
import json

from gcloud_stand import deploy, stand, status_of
from homerun import main, test
from policy_stand import REQUIRE, api, organization, set_open


def cli(*words, status=0):
    done = stand().cli(*words, status=status)
    return done.stdout + done.stderr


def cli_json(*words):
    return json.loads(stand().cli(*words, "--format=json").stdout)


@test
def a_project_is_made_shown_deleted_brought_back_and_moved():
    folder = cli_json("folders", "create", "Team")["name"]
    number = folder.split("/")[1]
    assert "is created" in cli("projects", "create", "from-cli", "--name=From CLI",
                               "--labels=team=web,env=prod", f"--folder={number}")
    found = cli_json("projects", "describe", "from-cli")
    assert (found["displayName"], found["parent"]) == ("From CLI", folder), found
    assert found["labels"] == {"team": "web", "env": "prod"}, found
    rows = [line.split() for line in cli("projects", "list").splitlines()]
    assert rows[0] == ["PROJECT", "NAME", "NUMBER", "PARENT", "STATE"], rows
    assert ["from-cli", "From", "CLI", found["name"].split("/")[1], folder, "ACTIVE"] in rows, rows
    assert [p["projectId"] for p in cli_json("projects", "list", "--filter=labels.team:web")] == [
        "from-cli"]
    assert "undelete from-cli" in cli("projects", "delete", "from-cli")
    assert "from-cli" not in cli("projects", "list")
    assert "DELETE_REQUESTED" in cli("projects", "list", "--deleted")
    assert "being deleted" in cli("projects", "delete", "from-cli", status=1)
    assert "is back" in cli("projects", "undelete", "from-cli")
    assert "where to?" in cli("projects", "move", "from-cli", status=2)
    top = organization()["name"]
    cli("projects", "move", "from-cli", f"--organization={top.split('/')[1]}")
    assert cli_json("projects", "describe", "from-cli")["parent"] == top
    assert "KEY=VALUE" in cli("projects", "create", "from-cli2", "--labels=team", status=1)


@test
def a_folder_is_made_listed_deleted_and_brought_back():
    upper = cli_json("folders", "create", "Upper")["name"]
    lower = cli_json("folders", "create", "Lower", f"--folder={upper}")["name"]
    assert [f["name"] for f in cli_json("folders", "list", f"--folder={upper}")] == [lower]
    assert "Upper" in cli("folders", "list")
    assert "not empty" in cli("folders", "delete", upper, status=1)
    cli("folders", "delete", lower.split("/")[1])
    assert cli_json("folders", "list", f"--folder={upper}") == []
    assert "Lower" in cli("folders", "list", f"--folder={upper}", "--deleted")
    cli("folders", "undelete", lower)
    assert "state: ACTIVE" in cli("folders", "describe", lower)
    assert "only one of" in cli("folders", "list", "--folder=1", "--organization=2", status=1)


@test
def policies_are_read_and_written_on_any_node():
    top = organization()["name"]
    at = f"--organization={top.split('/')[1]}"
    body = json.dumps({"name": f"{top}/policies/{REQUIRE}", "spec": {"rules": [{"enforce": True}]}})
    done = stand().cli("org-policies", "set-policy", "-", input=body)
    assert "enforce: true" in done.stdout, done
    assert REQUIRE in cli("org-policies", "list", at) and REQUIRE not in cli("org-policies", "list")
    found = cli_json("org-policies", "describe", REQUIRE, "--effective")
    assert found["spec"]["rules"] == [{"enforce": True}], found
    assert cli_json("org-policies", "reset", f"constraints/{REQUIRE}")["spec"]["reset"] is True
    assert cli_json("org-policies", "reset", REQUIRE)["spec"]["reset"] is True, "once more"
    found = cli_json("org-policies", "describe", REQUIRE, "--effective")
    assert found["spec"]["rules"] == [{"enforce": False}], found
    cli("org-policies", "delete", REQUIRE)
    assert "No policy" in cli("org-policies", "describe", REQUIRE, status=1)
    cli("org-policies", "delete", REQUIRE, at)


@test
def a_tag_is_made_given_to_a_service_and_taken_away():
    number = organization()["name"].split("/")[1]
    deploy("tagged")
    assert "is there" in cli("tags", "create", "level/high")
    assert "is there" in cli("tags", "create", "level/high"), "once more"
    cli("tags", "create", f"{number}/level/low")
    assert [t["shortName"] for t in cli_json("tags", "list")
            if "/level/" in t["namespacedName"]] and f"{number}/level/low" in cli("tags", "list")
    cli("tags", "bind", "tagged", "level/high")
    assert f"{number}/level/high" in cli("tags", "list", "--service=tagged")
    assert "another value" in cli("tags", "bind", "tagged", "level/low", status=1)
    assert "no tag" in cli("tags", "unbind", "tagged", "level/low", status=1)
    cli("tags", "unbind", "tagged", f"{number}/level/high")
    assert cli_json("tags", "list", "--service=tagged") == []
    assert "KEY/VALUE" in cli("tags", "bind", "tagged", "level", status=1)


@test
def the_baseline_keeps_what_is_set_and_tells_what_stands_open():
    top = organization()["name"]
    at = f"--organization={top.split('/')[1]}"
    upload = "iam.disableServiceAccountKeyUpload"
    deploy("open", open="true")
    api("POST", f"/v2/{top}/policies", {"name": f"{top}/policies/{upload}",
                                        "spec": {"rules": [{"enforce": False}]}})
    told = cli("org-policies", "baseline", "--dry-run")
    assert told.count("would be set") == 4 and "kept: set before" in told, told
    assert "services/open: The Invoker IAM check is off." in told, told
    assert len(api("GET", f"/v2/{top}/policies")["policies"]) == 1, "it only told"
    assert "no such constraint" in cli("org-policies", "baseline", "--except=x", status=1)
    told = cli_json("org-policies", "baseline", "--except=iam.disableServiceAccountKeyCreation")
    done = {row["constraint"]: row["policy"] for row in told["policies"]}
    assert done.pop(upload) == "kept: set before", done
    assert done.pop("iam.disableServiceAccountKeyCreation") == "left out", done
    assert set(done.values()) == {"set"} and len(done) == 3, done
    assert [row["constraint"] for row in told["violations"]] == ["constraints/" + REQUIRE], told
    assert status_of("open") == 200, "nothing that serves is stopped"
    set_open("open", "true", 400)
    told = cli("org-policies", "baseline")
    assert told.count("kept: set before") == 4 and "every change is refused" in told, told
    set_open("open", "false")
    assert "No service is public now." in cli("org-policies", "baseline")
    kept = {p["name"].split("/")[-1]: p for p in api("GET", f"/v2/{top}/policies")["policies"]}
    assert len(kept) == 5 and kept[upload]["spec"]["rules"] == [{"enforce": False}], kept
    customer = organization()["directoryCustomerId"]
    assert kept["iam.allowedPolicyMemberDomains"]["spec"]["rules"] == [
        {"values": {"allowedValues": ["is:" + customer]}}], kept
    for name in kept:
        cli("org-policies", "delete", name, at)


if __name__ == "__main__":
    main()
