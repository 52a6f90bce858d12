#!/usr/bin/env python3
"""gcloud on policies, projects, roles, service accounts and their keys."""
import json
import os

from gcloud_stand import (Proxy, account, acting_as, deploy, gcloud, gcloud_json, grant,
                          own_login, plain_gcloud, policy, stand, status_of)
from homerun import main, test

INVOKER = "roles/run.invoker"
PLACE = "projects/demo/locations/us-central1"


def service_policy(name):
    path = f"/v1/projects/demo/locations/us-central1/services/{name}:getIamPolicy"
    return stand().api("GET", path).json


def written(name, value):
    path = os.path.join(stand().folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))
    return path


# ---- the policy of a service ----

@test
def a_binding_opens_for_whom_it_names_and_its_removal_closes():
    deploy("bind")
    member = "user:ann@example.com"
    assert status_of("bind", member=member) == 403
    done = gcloud("run", "services", "add-iam-policy-binding", "bind", f"--member={member}",
                  f"--role={INVOKER}", "--format=json")
    done.has("Updated IAM policy for service [bind].")
    assert done.json["bindings"] == [{"members": [member], "role": INVOKER}]
    assert done.json["etag"]
    assert status_of("bind", member=member) == 200
    assert status_of("bind", member="user:bob@example.com") == 403
    assert status_of("bind") == 403
    gcloud("run", "services", "remove-iam-policy-binding", "bind", f"--member={member}",
           f"--role={INVOKER}").has("Updated IAM policy for service [bind].")
    assert status_of("bind", member=member) == 403
    gcloud("run services get-iam-policy bind").has("etag:")


@test
def all_authenticated_users_needs_a_name_but_not_a_binding():
    deploy("any")
    grant("allAuthenticatedUsers", INVOKER, PLACE + "/services/any")
    assert status_of("any") == 403
    assert status_of("any", member="user:whoever@example.com") == 200


@test
def a_condition_opens_a_path_and_no_more():
    deploy("paths")
    done = gcloud("run", "services", "add-iam-policy-binding", "paths", "--member=allUsers",
                  f"--role={INVOKER}",
                  '--condition=expression=request.path.startsWith("/public/"),title=public')
    done.has("title: public")
    assert status_of("paths", path="/public/page") == 200
    assert status_of("paths") == 403
    assert service_policy("paths")["version"] == 3 or stand().api(
        "GET", "/v1/projects/demo/locations/us-central1/services/paths:getIamPolicy"
        "?options.requestedPolicyVersion=3").json["version"] == 3
    gcloud("run", "services", "remove-iam-policy-binding", "paths", "--member=allUsers",
           f"--role={INVOKER}", "--all")
    assert status_of("paths", path="/public/page") == 403


@test
def a_policy_from_a_file_replaces_the_one_there_unless_its_etag_is_old():
    deploy("whole")
    binding = {"role": INVOKER, "members": ["allUsers"]}
    gcloud("run", "services", "set-iam-policy", "whole",
           written("policy.json", {"bindings": [binding]})).has("allUsers")
    assert status_of("whole") == 200
    old = service_policy("whole")
    path = written("policy.yaml", f"bindings: []\netag: {old['etag']}\n")
    gcloud("run", "services", "set-iam-policy", "whole", path)
    assert policy("whole") == {}
    assert status_of("whole") == 403
    stale = written("policy.json", {"bindings": [binding], "etag": old["etag"]})
    gcloud("run", "services", "set-iam-policy", "whole", stale, status=1).has(
        "concurrent policy changes")
    assert status_of("whole") == 403


@test
def of_two_grants_that_race_none_is_lost_without_a_word():
    deploy("rush")

    def grant_first(method, path):
        if ":setIamPolicy" in path:
            body = {"policy": {"bindings": [{"role": INVOKER, "members": ["user:a@example.com"]}]}}
            path = "/v1/projects/demo/locations/us-central1/services/rush:setIamPolicy"
            assert stand().api("POST", path, body).status == 200

    with Proxy(grant_first) as proxy:
        gcloud("run", "services", "add-iam-policy-binding", "rush", "--member=user:b@example.com",
               f"--role={INVOKER}", status=1, env=proxy.env).has("concurrent policy changes")
    assert policy("rush") == {INVOKER: ["user:a@example.com"]}
    assert status_of("rush", member="user:a@example.com") == 200
    assert status_of("rush", member="user:b@example.com") == 403


@test
def who_may_not_grant_is_refused_and_told_why():
    deploy("mine")
    grant("user:viewer@example.com", "roles/viewer")
    gcloud("run", "services", "add-iam-policy-binding", "mine", "--member=allUsers",
           f"--role={INVOKER}", status=1, env=acting_as("user:viewer@example.com")).has(
               "Permission 'run.services.setIamPolicy' denied on resource")
    assert status_of("mine") == 403


# ---- projects ----

@test
def the_project_is_described_listed_and_has_its_ancestors():
    found = gcloud_json("projects describe demo")
    assert found["projectId"] == "demo" and found["lifecycleState"] == "ACTIVE", found
    assert found["projectNumber"] == stand().ready["projectNumber"]
    assert found["parent"]["type"] == "organization", found
    lines = gcloud("projects list").out.splitlines()
    assert lines[0].split()[0] == "PROJECT_ID" and lines[1].startswith("demo "), lines
    rows = gcloud_json("projects get-ancestors demo")
    assert [row["type"] for row in rows] == ["project", "organization"], rows


@test
def a_role_on_the_project_reaches_every_service_at_once():
    deploy("below")
    deploy("afar", region="europe-west1")
    member = "user:wide@example.com"
    gcloud("projects", "add-iam-policy-binding", "demo", f"--member={member}",
           f"--role={INVOKER}").has("Updated IAM policy for project [demo].", member)
    assert status_of("below", member=member) == 200
    assert status_of("afar", region="europe-west1", member=member) == 200
    rows = gcloud_json("projects get-iam-policy demo")["bindings"]
    assert {"members": [member], "role": INVOKER} in rows, rows
    gcloud("projects", "remove-iam-policy-binding", "demo", f"--member={member}",
           f"--role={INVOKER}").has("Updated IAM policy for project [demo].")
    assert status_of("below", member=member) == 403


@test
def a_second_project_is_made_and_is_another_world():
    gcloud("projects create second-world --name=Second").has("Create in progress")
    gcloud("projects list --format=value(projectId)").has("demo", "second-world")
    deploy("ours")
    gcloud("run services list --project=second-world").lacks("ours")
    enabled = gcloud("services list --enabled --format=value(config.name,config.title)").out
    assert "run.googleapis.com" in enabled and "Run Admin" in enabled, enabled


# ---- roles ----

@test
def roles_are_listed_and_described():
    names = gcloud("iam roles list --format=value(name)").out.split()
    assert INVOKER in names and "roles/owner" in names and len(names) > 50, len(names)
    found = gcloud_json("iam", "roles", "describe", INVOKER)
    assert "run.routes.invoke" in found["includedPermissions"], found


# ---- service accounts and keys ----

@test
def a_service_account_lives_and_dies_with_what_it_may():
    deploy("serves")
    email = "caller@demo.iam.gserviceaccount.com"
    member = f"serviceAccount:{email}"
    gcloud("iam service-accounts create caller --display-name=Caller").has(
        "Created service account [caller].")
    found = gcloud_json("iam", "service-accounts", "describe", email)
    assert (found["email"], found["displayName"]) == (email, "Caller"), found
    assert found["name"] == f"projects/demo/serviceAccounts/{email}"
    assert found["uniqueId"].isdigit()
    lines = gcloud("iam service-accounts list").out.splitlines()
    assert any("Caller" in line and email in line for line in lines), lines
    grant(member, INVOKER, PLACE + "/services/serves")
    assert status_of("serves", member=member) == 200
    token = stand().token("identity", member=member, audience=stand().url("serves"))
    gcloud("iam", "service-accounts", "delete", email).has(f"deleted service account [{email}]")
    assert status_of("serves", token=token) == 401, "its tokens end with it"
    account("caller")
    stand()._tokens.clear()
    assert status_of("serves", member=member) == 403, "another account of the same name"
    assert status_of("serves", token=token) == 401
    bound = policy("serves")[INVOKER]
    assert bound == [f"deleted:serviceAccount:{email}?uid={found['uniqueId']}"], bound


@test
def a_key_is_good_until_it_is_disabled_or_deleted():
    email = account("key-holder")
    grant(f"serviceAccount:{email}", "roles/run.viewer")
    grant(f"serviceAccount:{email}", INVOKER)
    deploy("locked")
    path = os.path.join(stand().folder, "keyed.json")
    gcloud("iam", "service-accounts", "keys", "create", path, f"--iam-account={email}").has(
        "created key [", f"for [{email}]")
    with open(path, encoding="utf-8") as file:
        key = json.load(file)
    assert key["type"] == "service_account" and key["client_email"] == email
    assert key["token_uri"].startswith(stand().api_url), key["token_uri"]
    name = key["private_key_id"]
    env = own_login("keyed")
    plain_gcloud("auth", "activate-service-account", f"--key-file={path}", env=env).has(
        f"Activated service account credentials for: [{email}]")
    token = plain_gcloud("auth", "print-identity-token",
                         f"--audiences={stand().url('locked')}", env=env).out.strip()
    assert status_of("locked", token=token) == 200

    rows = gcloud_json("iam", "service-accounts", "keys", "list", f"--iam-account={email}")
    assert any(row["name"].endswith(f"/keys/{name}") for row in rows), rows
    gcloud("iam", "service-accounts", "keys", "disable", name, f"--iam-account={email}").has(
        f"Disabled key [{name}]")
    assert status_of("locked", token=token) == 401
    plain_gcloud("run services list", env=env, status=1).has("auth")
    gcloud("iam", "service-accounts", "keys", "enable", name, f"--iam-account={email}").has(
        f"Enabled key [{name}]")
    assert status_of("locked", token=token) == 200
    gcloud("iam", "service-accounts", "keys", "delete", name, f"--iam-account={email}").has(
        f"deleted key [{name}]")
    assert status_of("locked", token=token) == 401


@test
def grants_on_an_account_say_who_may_act_as_it():
    email = account("borrowed")
    role = "roles/iam.serviceAccountTokenCreator"
    member = "user:ann@example.com"
    gcloud("iam", "service-accounts", "add-iam-policy-binding", email, f"--member={member}",
           f"--role={role}").has(f"Updated IAM policy for serviceAccount [{email}].")
    rows = gcloud_json("iam", "service-accounts", "get-iam-policy", email)["bindings"]
    assert {"members": [member], "role": role} in rows, rows
    path = f"/v1/projects/-/serviceAccounts/{email}:generateIdToken"
    body = {"audience": "https://a.example"}
    as_ann = stand().token("access", member=member)
    assert stand().api("POST", path, body, token=as_ann).status == 200
    gcloud("iam", "service-accounts", "remove-iam-policy-binding", email, f"--member={member}",
           f"--role={role}")
    assert stand().api("POST", path, body, token=as_ann).status == 403


if __name__ == "__main__":
    main()
