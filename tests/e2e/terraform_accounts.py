#!/usr/bin/env python3
"""google_service_account, google_service_account_key, the data sources, and the credentials that
the provider itself may come with."""
import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.parse

from homerun import fetch, main, need, test
from terraform_iam_resources import Binding, of_v1, of_v2
from terraform_provider import (IMAGE, PARENT, SERVICES, Refused, V1Service, V2Service, call,
                                refuses, request, stand)

ACCOUNTS = "/v1/projects/demo/serviceAccounts"
HELLO = {"template": {"containers": [{"image": IMAGE}]}}
OLD_HELLO = {"spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}}}


def certificate_of(data):
    """The PEM certificate that publicKeyData is, by openssl's word: its subject and key."""
    pem = base64.b64decode(data)
    assert pem.startswith(b"-----BEGIN CERTIFICATE-----"), pem[:60]
    return subprocess.run([need("openssl"), "x509", "-noout", "-pubkey"], input=pem, check=True,
                          capture_output=True).stdout


def public_of(private_key):
    return subprocess.run([need("openssl"), "pkey", "-pubout"], input=private_key.encode(),
                          check=True, capture_output=True).stdout


class Account:
    """google_service_account."""

    def __init__(self, account_id):
        self.email = f"{account_id}@demo.iam.gserviceaccount.com"
        self.account_id, self.path = account_id, f"{ACCOUNTS}/{self.email}"

    def steady(self):
        """Three good reads in a row."""
        reads = [call("GET", self.path) for _ in range(3)]
        assert reads[0] == reads[1] == reads[2], reads
        self.state = reads[0]
        assert self.state["email"] == self.email and self.state["uniqueId"].isdigit()
        assert self.state["name"] == self.path[len("/v1/"):] and self.state["projectId"] == "demo"
        return self.state

    def create(self, display="", description=""):
        call("POST", ACCOUNTS, {"accountId": self.account_id, "serviceAccount": {
            "displayName": display, "description": description}})
        return self.check(display, description)

    def update(self, display="", description="", disabled=False):
        before = call("GET", self.path)
        if before.get("disabled", False) != disabled:
            deed = "disable" if disabled else "enable"
            call("POST", f"{self.path}:{deed}", {})
        call("PATCH", self.path, {"serviceAccount": {
            "displayName": display, "description": description, "etag": before["etag"]},
            "updateMask": "display_name,description"})
        return self.check(display, description, disabled)

    def check(self, display, description, disabled=False):
        state = self.steady()
        found = (state.get("displayName", ""), state.get("description", ""),
                 state.get("disabled", False))
        assert found == (display, description, disabled), found
        return state

    def destroy(self):
        assert call("DELETE", self.path) == {}
        assert request("GET", self.path).status == 404


@test
def an_account_lives_as_it_was_written():
    one = Account("a-life")
    first = one.create("Calls <services>", "first")
    with refuses(409, "already exists"):  # create_ignore_already_exists: then it reads
        one.create()
    second = one.update("Other", "second")
    assert first["uniqueId"] == second["uniqueId"]
    one.update("Other", "")
    one.update("", "", disabled=True)
    one.update("", "", disabled=False)
    one.destroy()
    assert request("DELETE", one.path).status == 404  # which is success


@test
def an_account_is_imported_by_its_name_alone_and_found_as_data():
    one = Account("imported")
    made = one.create("Name")
    for path in (one.path, f"/v1/projects/-/serviceAccounts/{one.email}",
                 f"{ACCOUNTS}/{made['uniqueId']}"):
        assert call("GET", path) == made
    assert made in call("GET", ACCOUNTS)["accounts"]
    one.destroy()


@test
def a_name_that_is_none_is_refused_at_once():
    for account_id in ("ab", "Upper-case", "ends-with-"):
        with refuses(400, "INVALID_ARGUMENT"):
            Account(account_id).create()


@test
def a_key_holds_the_private_half_and_shows_a_certificate_of_the_other():
    one = Account("with-keys")
    one.create()
    key = call("POST", f"{one.path}/keys", {
        "keyAlgorithm": "KEY_ALG_RSA_2048", "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
    file = json.loads(base64.b64decode(key["privateKeyData"]))
    assert file["type"] == "service_account" and file["client_email"] == one.email, file.keys()
    assert file["token_uri"] == f"{stand().api_url}/token", file["token_uri"]
    assert key["name"].endswith(file["private_key_id"]), key["name"]
    shown = call("GET", f"/v1/{key['name']}?publicKeyType=TYPE_X509_PEM_FILE")
    assert shown["name"] == key["name"] and shown["keyAlgorithm"] == "KEY_ALG_RSA_2048", shown
    assert shown["validAfterTime"] < shown["validBeforeTime"], shown
    assert certificate_of(shown["publicKeyData"]) == public_of(file["private_key"])
    raw = call("GET", f"/v1/{key['name']}?publicKeyType=TYPE_RAW_PUBLIC_KEY")
    assert base64.b64decode(raw["publicKeyData"]) == public_of(file["private_key"])
    assert "publicKeyData" not in call("GET", f"/v1/{key['name']}?publicKeyType=TYPE_NONE")
    assert call("DELETE", f"/v1/{key['name']}") == {}
    assert request("GET", f"/v1/{key['name']}").status == 404
    one.destroy()


@test
def a_key_of_the_users_own_is_uploaded():
    one = Account("own-keys")
    one.create()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "key.pem")
        pem = subprocess.run(
            [need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
             "-subj", "/CN=own", "-keyout", path], check=True, capture_output=True).stdout
        key = call("POST", f"{one.path}/keys:upload",
                   {"publicKeyData": base64.b64encode(pem).decode()})
        shown = call("GET", f"/v1/{key['name']}?publicKeyType=TYPE_X509_PEM_FILE")
        assert base64.b64decode(shown["publicKeyData"]).strip() == pem.strip(), shown
        assert "privateKeyData" not in key
        # What it signs is a bearer token, without any exchange: as in another universe.
        token = signed(path, key["name"].rsplit("/", 1)[-1], one.email, scope=SCOPES)
        assert request("GET", SERVICES, token=token).status == 403  # known, and without a role
        call("DELETE", f"/v1/{key['name']}")
        assert request("GET", SERVICES, token=token).status == 401
    one.destroy()


@test
def keys_are_refused_by_the_constraints_name():
    name = "iam.disableServiceAccountKeyCreation"
    one = Account("keyless")
    one.create()
    call("POST", "/v2/projects/demo/policies", {
        "name": f"projects/demo/policies/{name}", "spec": {
            "rules": [{"enforce": True, "allowAll": None, "denyAll": None}],
            "inheritFromParent": False, "reset": False}})
    with refuses(400, "FAILED_PRECONDITION", name):
        call("POST", f"{one.path}/keys", {"keyAlgorithm": "KEY_ALG_RSA_2048",
                                          "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
    call("DELETE", f"/v2/projects/demo/policies/{name}")
    one.destroy()


# ---- data sources ----

@test
def data_google_project_reads_the_project_and_its_bill():
    here = call("GET", "/v1/projects/demo")
    assert here["projectId"] == "demo" and here["lifecycleState"] == "ACTIVE", here
    assert here["projectNumber"] == stand().ready["projectNumber"], here
    assert set(here["parent"]) == {"type", "id"} and here["createTime"].endswith("Z"), here
    bill = call("GET", "/v1/projects/demo/billingInfo")
    assert bill["projectId"] == "demo" and bill["name"] == "projects/demo/billingInfo", bill
    assert bill.get("billingEnabled", False) is False and not bill.get("billingAccountName")
    assert call("GET", f"/v1/projects/{here['projectNumber']}") == here


@test
def data_of_services_and_their_policies_are_one_read_each():
    new, old = V2Service("data-new"), V1Service("data-old")
    new.apply(HELLO)
    old.apply(OLD_HELLO)
    assert call("GET", new.path) == new.state and call("GET", old.path) == old.state
    assert new.state["uri"] == stand().url("data-new") and old.state["status"]["url"]
    for family in (of_v2("data-new"), of_v1("data-old")):
        Binding(family, "roles/run.invoker").apply(["allUsers"])
        assert family.read()["bindings"][0]["members"] == ["allUsers"]
    new.destroy()
    old.destroy()
    for path in (new.path, old.path):
        with refuses(404):  # an error of a data source
            call("GET", path)


@test
def data_google_cloud_run_locations_is_an_array():
    found = call("GET", "/v1/projects/demo/locations")["locations"]
    assert "us-central1" in [place["locationId"] for place in found], found


@test
def data_of_tokens_are_minted_for_the_account_that_is_named():
    one, service = Account("minted"), V2Service("minted-for")
    one.create()
    service.apply(HELLO)
    Binding(of_v1("minted-for"), "roles/run.invoker").apply([f"serviceAccount:{one.email}"])
    path = f"/v1/projects/-/serviceAccounts/{one.email}"
    url = stand().url("minted-for")
    identity = call("POST", f"{path}:generateIdToken", {"audience": url, "includeEmail": True})
    assert stand().get(url, token=identity["token"]).status == 200
    access = call("POST", f"{path}:generateAccessToken", {
        "scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "300s",
        "delegates": []})
    assert access["accessToken"] and access["expireTime"].endswith("Z"), access.keys()
    assert call("GET", "/v1/userinfo", token=access["accessToken"])["email"] == one.email
    jwt = call("POST", f"{path}:signJwt", {"payload": json.dumps({"sub": "x"}), "delegates": []})
    assert jwt["signedJwt"].count(".") == 2 and jwt["keyId"], jwt.keys()
    service.destroy()
    one.destroy()


# ---- what the provider comes with ----

SCOPES = "https://www.googleapis.com/auth/cloud-platform " \
         "https://www.googleapis.com/auth/userinfo.email"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(path, key_id, email, **claims):
    now = int(time.time())
    head = {"alg": "RS256", "typ": "JWT", "kid": key_id}
    body = {"iss": email, "sub": email, "iat": now, "exp": now + 3600, **claims}
    text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}"
    done = subprocess.run([need("openssl"), "dgst", "-sha256", "-sign", path], check=True,
                          input=text.encode(), capture_output=True)
    return f"{text}.{b64(done.stdout)}"


def owners_key(run):
    """RUN(path of the PEM, the key file) with the file that `homerun env` names."""
    with open(stand().env["GOOGLE_APPLICATION_CREDENTIALS"], encoding="utf-8") as file:
        key = json.load(file)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(key["private_key"])
        pem.flush()
        return run(pem.name, key)


@test
def a_key_file_is_exchanged_for_a_token_at_its_own_address():
    def run(pem, key):
        assertion = signed(pem, key["private_key_id"], key["client_email"], scope=SCOPES,
                           aud=key["token_uri"])
        form = urllib.parse.urlencode({
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion})
        return fetch(key["token_uri"], "POST",
                     {"Content-Type": "application/x-www-form-urlencoded"}, form.encode()), key
    answer, key = owners_key(run)
    assert answer.status == 200 and answer.json["token_type"] == "Bearer", answer.status
    assert type(answer.json["expires_in"]) is int, "a JSON number"
    token = answer.json["access_token"]
    assert call("GET", "/v1/userinfo", token=token)["email"] == key["client_email"]
    assert call("GET", "/v1/projects/demo", token=token)["projectId"] == "demo"


@test
def a_signed_token_with_a_scope_is_a_bearer_token_as_in_another_universe():
    def run(pem, key):
        return signed(pem, key["private_key_id"], key["client_email"], scope=SCOPES)
    token = owners_key(run)
    assert call("GET", SERVICES, token=token) is not None
    one = V2Service("by-signature")
    one.apply(HELLO)
    answer = stand().get(stand().url("by-signature"), token=token)
    assert answer.status in (401, 403), answer  # it is no identity token
    one.destroy()


@test
def headers_of_quota_and_reason_are_accepted_and_mean_nothing():
    extra = {"X-Goog-User-Project": "some-other-project", "X-Goog-Request-Reason": "because",
             "X-Goog-Api-Client": "gl-go/1.26.0 gdcl/0.200.0",
             "X-Goog-Request-Params": "location=us-central1"}
    for path in (SERVICES, "/v1/projects/demo", ACCOUNTS):
        assert request("GET", path, headers=extra).status == 200


@test
def each_refusal_is_an_error_as_google_words_them():
    rows = [
        ("GET", f"{SERVICES}/none", None, 404, "NOT_FOUND"),
        ("POST", f"{SERVICES}?serviceId=Upper", HELLO, 400, "INVALID_ARGUMENT"),
        ("POST", f"{SERVICES}?serviceId=x", {"template": {"nonsense": 1}}, 400, "INVALID_ARGUMENT"),
        ("GET", f"/v2/{PARENT}/operations/none", None, 404, "NOT_FOUND"),
        ("DELETE", f"{SERVICES}/none", None, 404, "NOT_FOUND"),
    ]
    for method, path, body, status, word in rows:
        try:
            call(method, path, body)
            raise AssertionError(path)
        except Refused as why:
            assert (why.answer.status, why.error["status"]) == (status, word), why


if __name__ == "__main__":
    main()
