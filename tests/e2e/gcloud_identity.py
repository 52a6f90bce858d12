#!/usr/bin/env python3
"""Who gcloud is: key files, refresh tokens, token files, impersonation, and the tokens it prints."""
import base64
import json
import os

from gcloud_stand import (Proxy, account, acting_as, deploy, gcloud, grant, own_login,
                          plain_gcloud, stand, status_of)
from homerun import GCLOUD_CLIENT_ID, main, test

CREATOR = "roles/iam.serviceAccountTokenCreator"


def claims(token):
    part = token.strip().split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def key_file(email):
    answer = stand().api("POST", f"/v1/projects/-/serviceAccounts/{email}/keys",
                         {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
    path = os.path.join(stand().folder, email.split("@")[0] + ".json")
    with open(path, "wb") as file:
        file.write(base64.b64decode(answer.json["privateKeyData"]))
    return path


@test
def a_key_file_signs_in_and_its_tokens_open_what_the_account_may():
    email = account("signs-in")
    deploy("one")
    deploy("two")
    grant(f"serviceAccount:{email}", "roles/run.invoker",
          "projects/demo/locations/us-central1/services/one")
    env = own_login("signs-in")
    plain_gcloud("auth", "activate-service-account", f"--key-file={key_file(email)}",
                 env=env).has(f"Activated service account credentials for: [{email}]")
    token = plain_gcloud("auth print-identity-token", env=env).out.strip()
    assert claims(token)["aud"] == GCLOUD_CLIENT_ID, claims(token)
    assert status_of("one", token=token) == 200, "gcloud's own audience is good for any service"
    assert status_of("two", token=token) == 403
    token = plain_gcloud("auth", "print-identity-token", f"--audiences={stand().url('one')}",
                         env=env).out.strip()
    assert claims(token)["aud"] == stand().url("one")
    assert status_of("one", token=token) == 200
    assert status_of("two", token=token) == 401, "a token for one service is none for another"
    access = plain_gcloud("auth print-access-token", env=env).out.strip()
    assert status_of("one", token=access) == 401, "an access token is for the API"
    assert stand().api("GET", "/v1/projects/demo", token=access).status == 403
    assert stand().api("GET", "/v1/projects/demo", token=token).status == 401
    plain_gcloud("run services list", env=env, status=1).has("run.services.list")


@test
def a_broken_key_file_says_what_is_wrong_with_it():
    email = account("key-swap")
    with open(key_file(email), encoding="utf-8") as file:
        key = json.load(file)
    with open(stand().ready["owner"]["keyFile"], encoding="utf-8") as file:
        key["private_key"] = json.load(file)["private_key"]
    path = os.path.join(stand().folder, "swapped.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(key, file)
    plain_gcloud("auth", "activate-service-account", f"--key-file={path}", env=own_login("swap"),
                 status=1).has("invalid_grant", "Invalid JWT Signature.")


@test
def impersonation_acts_as_the_account_and_needs_token_creator_even_for_owners():
    email = account("worn-mask")
    deploy("masked")
    flag = f"--impersonate-service-account={email}"
    grant("user:boss@example.com", "roles/owner")
    gcloud("run", "services", "list", flag, status=1, env=acting_as("user:boss@example.com")).has(
        "iam.serviceAccounts.getAccessToken", CREATOR)
    grant(f"serviceAccount:{email}", "roles/run.viewer")
    gcloud("run", "services", "list", flag).has("masked", "impersonation")
    gcloud("run", "services", "update", "masked", "--no-invoker-iam-check", flag, status=1).has(
        "run.services.update")
    assert status_of("masked") == 403

    audience = stand().url("masked")
    with_email = gcloud("auth", "print-identity-token", f"--audiences={audience}",
                        "--include-email", flag).out.strip()
    assert claims(with_email)["email"] == email
    bare = gcloud("auth", "print-identity-token", f"--audiences={audience}", flag).out.strip()
    assert "email" not in claims(bare) and claims(bare)["aud"] == audience
    assert status_of("masked", token=bare) == 403
    grant(f"serviceAccount:{email}", "roles/run.invoker",
          "projects/demo/locations/us-central1/services/masked")
    assert status_of("masked", token=bare) == 200, "the subject is the key, not the address"
    assert status_of("masked", token=with_email) == 200


@test
def a_token_file_is_enough_but_has_no_identity():
    deploy("seen")
    grant("user:file@example.com", "roles/run.viewer")
    env = acting_as("user:file@example.com")
    gcloud("run services describe seen", env=env).has("Service seen in region us-central1")
    gcloud("auth print-identity-token", env=env, status=1).has("No identity token can be obtained")


@test
def a_refresh_token_signs_a_user_in_with_both_kinds_of_token():
    deploy("fresh")
    member = "user:lasting@example.com"
    grant(member, "roles/run.viewer")
    grant(member, "roles/run.invoker")
    answer = stand().api("POST", "/homerun/v1/tokens", {"kind": "refresh", "member": member})
    assert answer.status == 200, answer
    env = own_login("refresh")
    plain_gcloud("auth", "activate-refresh-token", "lasting@example.com", answer.json["token"],
                 env=env)
    plain_gcloud("run services list", env=env).has("fresh")
    token = plain_gcloud("auth print-identity-token", env=env).out.strip()
    assert claims(token)["email"] == "lasting@example.com"
    assert claims(token)["aud"] == GCLOUD_CLIENT_ID
    assert status_of("fresh", token=token) == 200
    assert status_of("fresh", token=answer.json["token"]) == 401


@test
def the_universe_of_self_signed_tokens_works_too():
    email = account("self-signed")
    grant(f"serviceAccount:{email}", "roles/run.viewer")
    deploy("plain")
    env = {**own_login("self"), "CLOUDSDK_AUTH_SERVICE_ACCOUNT_USE_SELF_SIGNED_JWT": "true"}
    plain_gcloud("auth", "activate-service-account", f"--key-file={key_file(email)}", env=env)
    with Proxy() as proxy:
        plain_gcloud("run services list", env={**env, **proxy.env}).has("plain")
        assert [path for _, path, _ in proxy.seen] == ["/v1/projects/demo/locations/-/services"]


@test
def tokens_outlive_a_restart():
    deploy("stays")
    gcloud("run services describe stays")
    token = gcloud("auth print-identity-token").out.strip()
    assert status_of("stays", token=token) == 200
    stand().restart()
    gcloud("run services describe stays")
    assert status_of("stays", token=token) == 200


if __name__ == "__main__":
    main()
