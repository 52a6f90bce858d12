#!/usr/bin/env python3
"""`gcloud secrets`, and `gcloud run deploy --set-secrets`, with the real gcloud."""
import os

from gcloud_stand import LOOK, account, gcloud, gcloud_json, look, stand
from homerun import main, test


def write(name, text):
    path = os.path.join(stand().folder, name)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


def number():
    return stand().ready["projectNumber"]


@test
def a_secret_is_made_with_its_first_version_and_read():
    made = gcloud("secrets create first --replication-policy=automatic --labels=team=a "
                  f"--set-annotations=owner=me --data-file={write('value', 'hello gcloud')}")
    made.has("Created version [1] of the secret [first]")
    assert gcloud("secrets versions access latest --secret=first").out == "hello gcloud"
    shown = gcloud_json("secrets describe first")
    assert shown["name"] == f"projects/{number()}/secrets/first" and shown["labels"] == {"team": "a"}, shown
    assert shown["annotations"] == {"owner": "me"}, shown
    listed = gcloud("secrets list")
    listed.has("first", "automatic")
    assert [one["name"].rsplit("/", 1)[1] for one in gcloud_json("secrets", "list", "--filter=name:first")] == ["first"]
    assert gcloud_json("secrets", "list", "--filter=labels.team=b") == []


@test
def bytes_come_back_as_they_went():
    whole = bytes(range(256)) * 200
    gcloud(f"secrets create bytes --data-file={write('bytes', whole)}")
    out = os.path.join(stand().folder, "out")
    gcloud(f"secrets versions access 1 --secret=bytes --out-file={out}")
    with open(out, "rb") as file:
        assert file.read() == whole


@test
def versions_are_added_listed_disabled_enabled_and_destroyed():
    gcloud(f"secrets create versions --data-file={write('v', 'one')}")
    gcloud(f"secrets versions add versions --data-file={write('v', 'two')}").has("Created version [2]")
    gcloud("secrets versions disable 1 --secret=versions").has("Disabled version [1]")
    gcloud("secrets versions access 1 --secret=versions", status=1).has("is in DISABLED state")
    gcloud("secrets versions enable 1 --secret=versions").has("Enabled version [1]")
    assert gcloud("secrets versions access 1 --secret=versions").out == "one"
    gcloud("secrets versions destroy 1 --secret=versions").has("Destroyed version [1]")
    states = {one["name"].rsplit("/", 1)[1]: one["state"]
              for one in gcloud_json("secrets versions list versions")}
    assert states == {"1": "DESTROYED", "2": "ENABLED"}, states
    enabled = gcloud_json("secrets", "versions", "list", "versions", "--filter=state=ENABLED")
    assert [one["name"].rsplit("/", 1)[1] for one in enabled] == ["2"], enabled
    assert gcloud_json("secrets versions describe 2 --secret=versions")["state"] == "ENABLED"


@test
def a_secret_is_updated_in_all_the_ways_that_gcloud_has():
    gcloud(f"secrets create updated --data-file={write('u', 'one')}")
    gcloud("secrets update updated --update-labels=a=b,c=d --update-annotations=x=y "
           "--update-version-aliases=stable=1")
    assert gcloud("secrets versions access stable --secret=updated").out == "one"
    gcloud("secrets update updated --remove-labels=a")
    shown = gcloud_json("secrets describe updated")
    assert shown["labels"] == {"c": "d"} and shown["versionAliases"] == {"stable": "1"}, shown
    gcloud("secrets update updated --clear-labels --clear-annotations --remove-version-aliases=stable")
    shown = gcloud_json("secrets describe updated")
    assert not {"labels", "annotations", "versionAliases"} & set(shown), shown
    gcloud("secrets update updated --ttl=3600s")
    assert gcloud_json("secrets describe updated")["expireTime"]
    gcloud("secrets update updated --remove-expiration")
    assert "expireTime" not in gcloud_json("secrets describe updated")
    etag = gcloud_json("secrets describe updated")["etag"]
    gcloud("secrets", "delete", "updated", "--etag=\"000000000000\"", status=1).has("etag")
    gcloud("secrets", "delete", "updated", f"--etag={etag}")
    gcloud("secrets describe updated", status=1).has("NOT_FOUND", "not found")


@test
def policies_are_read_and_changed():
    gcloud("secrets create shared")
    member = "serviceAccount:" + account("by-gcloud")
    gcloud("secrets", "add-iam-policy-binding", "shared", f"--member={member}",
           "--role=roles/secretmanager.secretAccessor")
    policy = gcloud_json("secrets get-iam-policy shared")
    assert policy["bindings"] == [{"role": "roles/secretmanager.secretAccessor", "members": [member]}], policy
    gcloud("secrets", "remove-iam-policy-binding", "shared", f"--member={member}",
           "--role=roles/secretmanager.secretAccessor")
    assert "bindings" not in gcloud_json("secrets get-iam-policy shared")


@test
def what_is_wrong_or_not_here_is_said_in_words():
    gcloud("secrets describe nowhere", status=1).has(f"Secret [projects/{number()}/secrets/nowhere] not found")
    gcloud("secrets create a.b", status=1)
    gcloud("secrets create timed --topics=projects/demo/topics/t", status=1).has("Pub/Sub")
    gcloud("secrets create regional --location=us-central1", status=1).lacks("crashed", "Traceback")
    gcloud("secrets create placed --replication-policy=user-managed --locations=us-east1,us-west1")
    assert gcloud_json("secrets replication get placed")["userManaged"]["replicas"] == [
        {"location": "us-east1"}, {"location": "us-west1"}]


@test
def a_service_is_deployed_with_secrets():
    gcloud(f"secrets create deployed --data-file={write('d', 'a secret by gcloud')}")
    email = account("gcloud-deployed")
    flags = ["run", "deploy", "with-secret", f"--image={LOOK}", f"--service-account={email}",
             "--set-secrets=PASSWORD=deployed:latest,FIRST=deployed:1", "--no-allow-unauthenticated"]
    gcloud(*flags, status=1).has(
        f"Permission denied on secret: projects/{number()}/secrets/deployed/versions/latest",
        "Secret Manager Secret Accessor")
    gcloud("secrets", "add-iam-policy-binding", "deployed", f"--member=serviceAccount:{email}",
           "--role=roles/secretmanager.secretAccessor")
    gcloud(*flags)
    env = look("with-secret")["env"]
    assert env["PASSWORD"] == env["FIRST"] == "a secret by gcloud", env
    gcloud(f"run services update with-secret --update-secrets=OTHER=projects/{number()}/secrets/deployed:latest")
    assert look("with-secret")["env"]["OTHER"] == "a secret by gcloud"
    gcloud("run services update with-secret --remove-secrets=PASSWORD,FIRST")
    env = look("with-secret")["env"]
    assert "PASSWORD" not in env and env["OTHER"] == "a secret by gcloud", env
    gcloud("run services update with-secret --clear-secrets")
    assert "OTHER" not in look("with-secret")["env"]


main()
