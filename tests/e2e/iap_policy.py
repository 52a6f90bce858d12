#!/usr/bin/env python3
"""Identity-Aware Proxy's switch, policies and settings, by gcloud, homerun and HTTP.

What the door then does with a request is in door.py.
"""
import json
import os

from gcloud_stand import (HELLO, Proxy, acting_as, annotations, deploy, gcloud, gcloud_json, policy,
                          stand, words)
from homerun import main, test

ACCESSOR = "roles/iap.httpsResourceAccessor"
NOTE = "run.googleapis.com/iap-enabled"
REGION = "us-central1"
PLACE = f"/v2/projects/demo/locations/{REGION}/services"
OF = f"--resource-type=cloud-run --region={REGION}"
ANN = "user:ann@example.com"


def number():
    return stand().api("GET", "/v1/projects/demo").json["projectNumber"]


def agent():
    return f"serviceAccount:service-{number()}@gcp-sa-iap.iam.gserviceaccount.com"


def door(service=None, project="demo"):
    above = f"/v1/projects/{project}/iap_web/cloud_run-{REGION}"
    return above if service is None else f"{above}/services/{service}"


def iap(verb, resource, body=None, status=200, token=None):
    method = "PATCH" if verb == "iapSettings" and body is not None else (
        "GET" if verb == "iapSettings" else "POST")
    answer = stand().api(method, f"{resource}:{verb}", None if method == "GET" else body or {},
                         token=token)
    assert answer.status == status, answer
    return answer.json


def let_in(service, member, role=ACCESSOR):
    iap("setIamPolicy", door(service), {"policy": {"bindings": [
        {"role": role, "members": [member]}]}})


def written(name, value):
    path = os.path.join(stand().folder, name)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)
    return path


def cli(*arguments, status=0):
    done = stand().cli(*words(arguments), status=status)
    return done.stdout + done.stderr


# ---- the switch ----

@test
def gcloud_turns_it_on_and_binds_the_agent_at_once():
    with Proxy() as proxy:
        gcloud(f"beta run deploy by-gcloud --image={HELLO} --iap --no-allow-unauthenticated",
               env=proxy.env).lacks("WARNING", "Setting IAM policy failed", "not been successfully")
        assert proxy.count("POST", "by-gcloud:setIamPolicy") == 1, proxy.seen
    assert annotations("by-gcloud")[NOTE] == "true"
    assert policy("by-gcloud") == {"roles/run.invoker": [agent()]}
    shown = gcloud_json("run services describe by-gcloud")
    assert shown["metadata"]["namespace"] == number(), "gcloud names the agent by it"
    gcloud("run services describe by-gcloud").has("Iap Enabled:", "true")
    exported = gcloud("run services describe by-gcloud --format=export").out
    assert f"{NOTE}: 'true'" in exported, exported


@test
def gcloud_turns_it_off_and_the_annotation_goes():
    deploy("off-again")
    gcloud("beta run services update off-again --iap").lacks("WARNING")
    let_in("off-again", ANN)
    gcloud("beta run services update off-again --no-iap").lacks("WARNING")
    assert NOTE not in annotations("off-again")
    assert policy("off-again") == {}, "the agent is taken out again"
    assert iap("getIamPolicy", door("off-again"))["bindings"] == [
        {"role": ACCESSOR, "members": [ANN]}], "the policy of the door waits"


@test
def v2_by_json_and_v1_by_annotation_are_one_switch():
    deploy("one")
    path = f"{PLACE}/one"
    assert "iapEnabled" not in stand().api("GET", path).json
    assert stand().api("PATCH", path + "?updateMask=iapEnabled", {"iapEnabled": True}).status == 200
    assert annotations("one")[NOTE] == "true"
    assert stand().api("GET", path).json["iapEnabled"] is True
    tried = stand().api("PATCH", path + "?updateMask=iapEnabled&validateOnly=true",
                        {"iapEnabled": False})
    assert tried.status == 200 and "iapEnabled" not in tried.json["response"], tried
    assert stand().api("GET", path).json["iapEnabled"] is True, "it was only tried"
    old = stand().api("GET", f"/v1/projects/demo/locations/{REGION}/services/one").json
    del old["metadata"]["annotations"][NOTE]
    assert stand().api("PUT", f"/v1/projects/demo/locations/{REGION}/services/one", old).status == 200
    assert "iapEnabled" not in stand().api("GET", path).json


@test
def homerun_deploy_says_who_gets_in_in_every_combination():
    said = cli(f"deploy ours --image={HELLO} --iap")
    assert "access: sign-in (IAP), and nobody may come in yet" in said, said
    assert policy("ours") == {"roles/run.invoker": [agent()]}
    let_in("ours", ANN)
    for change, line in [
            ("--no-invoker-iam-check", "access: sign-in (IAP) (1 member may come in)"),
            ("--invoker-iam-check --allow-unauthenticated",
             "access: sign-in (IAP) (1 member may come in)"),
            ("--no-allow-unauthenticated --ingress=internal",
             "access: sign-in (IAP) (1 member may come in); from internal networks only")]:
        said = cli(f"services update ours {change}") if "--no-allow" not in change and \
            "--allow" not in change else cli(f"deploy ours {change}")
        assert line in said, said
        assert "PUBLIC" not in said.split("(before")[0], said
    cli(f"services remove-iam-policy-binding ours --member={agent()} --role=roles/run.invoker")
    assert "nobody gets in: " + agent() in cli("services describe ours")
    cli("services update ours --ingress=all")
    let_in("ours", "allUsers")
    assert "nobody gets in" in cli("services describe ours"), "the agent is refused all the same"
    cli(f"services add-iam-policy-binding ours --member={agent()} --role=roles/run.invoker")
    assert "access: PUBLIC: sign-in (IAP) asks nobody: allUsers" in cli("services describe ours")
    let_in("ours", "allAuthenticatedUsers")
    assert "OPEN to everybody who signs in" in cli("services describe ours")
    said = cli("services update ours --no-iap")
    assert "changed: Identity-Aware Proxy on -> off" in said, said
    assert "access: private" in said and policy("ours") == {}, said


# ---- policies ----

@test
def gcloud_iap_web_changes_the_policy_of_a_service():
    deploy("web")
    gcloud("beta", "iap", "web", "add-iam-policy-binding", *OF.split(), "--service=web",
           f"--member={ANN}", f"--role={ACCESSOR}",
           '--condition=title=a,expression=request.path.startsWith("/a")').has(
        f"Updated IAM policy for cloud run [projects/{number()}/iap_web/cloud_run-{REGION}"
        "/services/web].")
    found = iap("getIamPolicy", door("web"), {"options": {"requestedPolicyVersion": 3}})
    assert found["version"] == 3 and found["bindings"][0]["condition"]["title"] == "a", found
    shown = gcloud(f"beta iap web get-iam-policy {OF} --service=web --format=json").json
    assert shown == found, "by number and by ID it is one resource"
    shown["bindings"] = [{"role": ACCESSOR, "members": [ANN, "user:bob@example.com"]}]
    gcloud(f"beta iap web set-iam-policy {written('web.json', shown)} {OF} --service=web")
    gcloud(f"beta iap web remove-iam-policy-binding {OF} --service=web --member={ANN} "
           f"--role={ACCESSOR}")
    assert iap("getIamPolicy", door("web"))["bindings"] == [
        {"role": ACCESSOR, "members": ["user:bob@example.com"]}]
    gcloud(f"beta iap web set-iam-policy {written('web.json', shown)} {OF} --service=web",
           status=1).has("concurrent policy changes")


@test
def gcloud_iap_web_has_the_levels_above_too():
    gcloud(f"beta iap web add-iam-policy-binding {OF} --member=domain:example.com "
           f"--role={ACCESSOR}").has(f"iap_web/cloud_run-{REGION}")
    assert iap("getIamPolicy", door())["bindings"][0]["members"] == ["domain:example.com"]
    gcloud(f"beta iap web add-iam-policy-binding --member={ANN} --role={ACCESSOR}")
    assert iap("getIamPolicy", "/v1/projects/demo/iap_web")["bindings"][0]["members"] == [ANN]
    for resource in (door(), "/v1/projects/demo/iap_web"):
        iap("setIamPolicy", resource, {"policy": {}})
    gcloud(f"beta iap web get-iam-policy {OF} --service=nowhere", status=1).has("NOT_FOUND")
    gcloud("iap web get-iam-policy --resource-type=app-engine", status=1).has("cloud_run-REGION")


@test
def homerun_changes_it_with_a_flag():
    deploy("flag")
    said = cli(f"services add-iam-policy-binding flag --iap --member={ANN}")
    assert "Identity-Aware Proxy of flag" in said and ACCESSOR in said, said
    assert ANN in cli("services get-iam-policy flag --iap")
    assert policy("flag") == {}, "it is another policy"
    cli("services update flag --iap")
    who = cli("access who flag")
    assert "comes first" in who and ANN in who and agent() in who, who
    cli(f"services remove-iam-policy-binding flag --iap --member={ANN}")
    assert ANN not in cli("services get-iam-policy flag --iap")


@test
def who_may_set_the_run_policy_may_not_set_the_doors():
    deploy("split")
    answer = stand().api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    answer["bindings"].append({"role": "roles/run.admin", "members": ["user:run@example.com"]})
    stand().api("POST", "/v1/projects/demo:setIamPolicy", {"policy": answer})
    token = stand().token("access", member="user:run@example.com")
    refused = iap("setIamPolicy", door("split"), {"policy": {}}, status=403, token=token)
    assert "iap.webServices.setIamPolicy" in refused["error"]["message"], refused
    held = iap("testIamPermissions", door("split"), {"permissions": [
        "iap.webServices.getIamPolicy", "iap.webServiceVersions.accessViaIAP"]}, token=token)
    assert held == {}, held
    assert iap("testIamPermissions", door("split"), {"permissions": [
        "iap.webServices.getIamPolicy", "iap.webServiceVersions.accessViaIAP"]})["permissions"] == [
        "iap.webServices.getIamPolicy"], "an owner does not come in by being one"
    env = acting_as("user:run@example.com")
    gcloud("beta run services update split --iap", env=env).lacks("WARNING")
    gcloud(f"beta iap web get-iam-policy {OF} --service=split", env=env, status=1).has(
        "PERMISSION_DENIED")


@test
def organization_policy_holds_at_the_door():
    deploy("held")
    name = "projects/demo/policies/iam.allowedPolicyMemberDomains"
    made = stand().api("POST", "/v2/projects/demo/policies", {
        "name": name, "spec": {"rules": [{"denyAll": True}]}})
    assert made.status == 200, made
    try:
        refused = iap("setIamPolicy", door("held"), {"policy": {"bindings": [
            {"role": ACCESSOR, "members": ["allUsers"]}]}}, status=400)
        assert "permitted customer" in refused["error"]["message"], refused
    finally:
        assert stand().api("DELETE", f"/v2/{name}").status == 200
    let_in("held", "allUsers")


@test
def nobody_can_be_the_agent_nor_make_its_project():
    email = agent().split(":", 1)[1]
    made = stand().api("POST", "/v1/projects", {"projectId": "gcp-sa-iap"})
    assert made.status == 400 and "gcp-sa-" in made.json["error"]["message"], made
    for verb, body in [("generateAccessToken", {"scope": ["https://www.googleapis.com/auth/run"]}),
                       ("generateIdToken", {"audience": "x"}), ("signJwt", {"payload": "{}"})]:
        answer = stand().api("POST", f"/v1/projects/-/serviceAccounts/{email}:{verb}", body)
        assert answer.status in (403, 404), answer
    done = stand().cli("token", "access", f"--as=serviceAccount:{email}", status=1)
    assert email in done.stdout + done.stderr, done
    answer = stand().api("POST", "/v1/projects/demo/serviceAccounts",
                         {"accountId": f"service-{number()}"})
    assert answer.status != 200 or "gcp-sa-iap" not in answer.json["email"], answer


# ---- settings ----

@test
def gcloud_iap_settings_are_set_and_read():
    deploy("set")
    wish = {"accessSettings": {"corsSettings": {"allowHttpOptions": True},
                               "oauthSettings": {"programmaticClients": ["tool"]},
                               "reauthSettings": {"method": "LOGIN", "maxAge": "3600s",
                                                  "policyType": "DEFAULT"}}}
    at = f"--project=demo --resource-type=cloud-run --region={REGION} --service=set"
    gcloud(f"beta iap settings set {written('set.json', wish)} {at}")
    shown = gcloud(f"beta iap settings get {at} --format=json").json
    assert shown["name"] == f"projects/demo/iap_web/cloud_run-{REGION}/services/set", shown
    assert shown["accessSettings"] == wish["accessSettings"], shown
    wish["applicationSettings"] = {"cookieDomain": "x.example"}
    gcloud(f"beta iap settings set {written('set.json', wish)} {at}", status=1).has("cookieDomain", "every service's")
    gcloud("iap settings get --project=demo --format=json").has("projects/demo")
    gcloud("iap settings get --organization=1", status=1).has("GetIapSettings")


# ---- what is told ----

@test
def public_and_history_tell_of_the_door():
    deploy("told", open="true")
    assert "services/told " in cli("access public")
    cli("services update told --iap")
    assert "services/told " not in cli("access public"), "a stranger is asked to sign in"
    let_in("told", "allUsers")
    said = cli("access public --format=json")
    row = [one for one in json.loads(said)["services"] if one["resource"].endswith("/told")][0]
    assert any("Identity-Aware Proxy asks nobody" in why for why in row["reasons"]), row
    history = cli("access history told")
    for deed in ("iap-on", "set-iap-policy", "set-iam-policy"):
        assert deed in history, history


@test
def turning_it_off_before_an_open_service_needs_the_policys_permission():
    deploy("shut", open="true")
    cli("services update shut --iap")
    answer = stand().api("POST", f"{PLACE}/shut:setIamPolicy", {"policy": {"bindings": [
        {"role": "roles/run.developer", "members": ["user:dev@example.com"]},
        {"role": "roles/run.invoker", "members": [agent()]}]}})
    assert answer.status == 200, answer
    token = stand().token("access", member="user:dev@example.com")
    refused = stand().api("PATCH", f"{PLACE}/shut?updateMask=iapEnabled", {"iapEnabled": False},
                          token=token)
    assert refused.status == 403, refused
    assert "run.services.setIamPolicy" in refused.json["error"]["message"], refused


@test
def homerun_env_leads_gcloud_and_terraform_here():
    api = stand().api_url
    assert stand().env["CLOUDSDK_API_ENDPOINT_OVERRIDES_IAP"] == f"{api}/"
    assert stand().env["GOOGLE_IAP_CUSTOM_ENDPOINT"] == f"{api}/v1/"


if __name__ == "__main__":
    main()
