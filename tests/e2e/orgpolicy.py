#!/usr/bin/env python3
"""Organization policy from gcloud and the API: what it refuses, in which words, and from when."""
import json
import os
import urllib.parse

from gcloud_stand import (LOOK, account, deploy, gcloud, gcloud_json, grant, owner, policy, stand,
                          status_of)
from homerun import main, test

INVOKER = "roles/run.invoker"
REQUIRE = "run.managed.requireInvokerIam"
DOMAINS = "iam.allowedPolicyMemberDomains"
MEMBERS = "iam.managed.allowedPolicyMembers"
PLACE = "projects/demo/locations/us-central1"


# ---- helpers ----

def api(method, path, body=None, status=200, token=None):
    answer = stand().api(method, path, body, token=token)
    assert answer.status == status, f"{method} {path}: {answer}"
    return answer.json


def organization():
    """The document of the installation's organization."""
    return api("GET", "/v3/organizations:search")["organizations"][0]


def number():
    return stand().ready["projectNumber"]


def key(name):
    return f"{PLACE}/services/{name}"


def full(name):
    return f"//run.googleapis.com/projects/{number()}/locations/us-central1/services/{name}"


def rules(*each, node="projects/demo", constraint, **more):
    """Sets a policy through v2; it is taken away by policy_set.__exit__."""
    return policy_set(node, constraint, {"rules": list(each), **more})


class policy_set:
    """A policy for the time of a `with`."""

    def __init__(self, node, constraint, spec, dry=None):
        self.path = f"/v2/{node}/policies/{constraint}"
        self.body = {"name": f"{node}/policies/{constraint}", "spec": spec}
        if dry is not None:
            self.body["dryRunSpec"] = dry
        if spec is None:
            del self.body["spec"]
        self.parent = f"/v2/{node}/policies"

    def __enter__(self):
        self.answer = api("POST", self.parent, self.body)
        return self.answer

    def __exit__(self, *ignored):
        stand().api("DELETE", self.path)


def details(answer, kind):
    return [d for d in answer["error"].get("details", []) if d["@type"].endswith("." + kind)]


def replace(name, status=200, image=LOOK, **notes):
    """PUT of the service with these annotations beside its own."""
    service = api("GET", f"/v1/{key(name)}")
    service["metadata"]["annotations"].update(notes)
    service["spec"]["template"]["spec"]["containers"][0]["image"] = image
    service["spec"]["template"]["metadata"].pop("name", None)
    return api("PUT", f"/apis/serving.knative.dev/v1/namespaces/demo/services/{name}", service,
               status)


def set_open(name, value, status=200):
    return replace(name, status, **{"run.googleapis.com/invoker-iam-disabled": value})


def bind(member, resource, role=INVOKER, status=200):
    got = api("GET" if "/services/" in resource else "POST", f"/v1/{resource}:getIamPolicy")
    got.setdefault("bindings", []).append({"role": role, "members": [member]})
    return api("POST", f"/v1/{resource}:setIamPolicy", {"policy": got}, status)


def written(name, value):
    path = os.path.join(stand().folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))
    return path


# ---- policies and their forms ----

@test
def a_policy_is_absent_set_changed_and_deleted_by_gcloud():
    gcloud("org-policies", "describe", REQUIRE, "--project=demo", status=1).has("NOT_FOUND")
    path = written("policy.yaml", f"name: projects/demo/policies/{REQUIRE}\n"
                                  "spec:\n  rules:\n  - enforce: true\n")
    gcloud("org-policies", "set-policy", path).has("Created policy [projects/demo/policies/")
    found = gcloud_json("org-policies", "describe", REQUIRE, "--project=demo")
    assert found["name"] == f"projects/{number()}/policies/{REQUIRE}", found
    assert found["spec"]["rules"] == [{"enforce": True}], found
    gcloud("org-policies list --project=demo").has(REQUIRE, "SET")
    gcloud("org-policies list --project=demo --show-unset").has("run.allowedIngress", DOMAINS)
    gcloud("org-policies", "reset", REQUIRE, "--project=demo").has("Updated policy")
    found = gcloud_json("org-policies", "describe", REQUIRE, "--project=demo")
    assert found["spec"]["reset"] is True and "rules" not in found["spec"], found
    gcloud("org-policies", "delete", REQUIRE, "--project=demo").has("Deleted policy")
    gcloud("org-policies", "describe", REQUIRE, "--project=demo", status=1).has("NOT_FOUND")
    found = gcloud_json("org-policies", "describe", REQUIRE, "--project=demo", "--effective")
    assert found["spec"]["rules"] == [{"enforce": False}], found


@test
def the_older_command_group_writes_the_same_policies():
    group = "resource-manager org-policies "
    gcloud(group + "enable-enforce iam.disableServiceAccountCreation --project=demo").has(
        "enforced: true")
    found = api("GET", "/v2/projects/demo/policies/iam.disableServiceAccountCreation")
    assert found["spec"]["rules"] == [{"enforce": True}], found
    gcloud(group + "describe iam.disableServiceAccountCreation --project=demo").has(
        "enforced: true", "etag")
    gcloud(group + "list --project=demo").has("constraints/iam.disableServiceAccountCreation")
    gcloud(group + "disable-enforce iam.disableServiceAccountCreation --project=demo")
    gcloud(group + "delete iam.disableServiceAccountCreation --project=demo")
    gcloud(group + "allow run.allowedIngress internal --project=demo").has("internal")
    found = api("GET", "/v2/projects/demo/policies/run.allowedIngress")
    assert found["spec"]["rules"] == [{"values": {"allowedValues": ["internal"]}}], found
    gcloud(group + "delete run.allowedIngress --project=demo")
    unset = api("POST", "/v1/projects/demo:getOrgPolicy",
                {"constraint": "constraints/run.allowedIngress"})
    assert unset == {"constraint": "constraints/run.allowedIngress"}, "200, though it is unset"


@test
def a_stale_etag_changes_nothing():
    with rules({"enforce": True}, constraint=REQUIRE) as made:
        path = f"/v2/projects/demo/policies/{REQUIRE}"
        old = made["spec"]["etag"]
        body = {"spec": {"rules": [{"enforce": False}], "etag": old}}
        new = api("PATCH", path + "?updateMask=policy.spec", body)["spec"]["etag"]
        assert new != old
        assert api("PATCH", path, body, 409)["error"]["status"] == "ABORTED"
        assert api("DELETE", path + f"?etag={urllib.parse.quote(old)}", None, 409)
        stale = {"policy": {"constraint": "constraints/" + REQUIRE, "etag": old,
                            "booleanPolicy": {"enforced": True}}}
        assert api("POST", "/v1/projects/demo:setOrgPolicy", stale, 409)


@test
def snake_case_nulls_and_numbers_of_projects_are_understood():
    body = {"name": f"projects/{number()}/policies/run.allowedIngress",
            "spec": {"inherit_from_parent": True,
                     "rules": [{"values": {"allowed_values": ["is:internal"]}, "enforce": None,
                                "allowAll": None}]}}
    made = api("POST", f"/v2/projects/{number()}/policies", body)
    try:
        assert made["spec"]["rules"] == [{"values": {"allowedValues": ["is:internal"]}}], made
        assert made["spec"]["inheritFromParent"] is True
        assert api("POST", "/v2/projects/demo/policies", body, 409)
    finally:
        api("DELETE", "/v2/projects/demo/policies/run.allowedIngress")


@test
def what_makes_no_sense_is_refused_by_name():
    def refused(spec, field, constraint=REQUIRE):
        body = {"name": f"projects/demo/policies/{constraint}", "spec": spec}
        answer = api("POST", "/v2/projects/demo/policies", body, 400)
        violation = details(answer, "BadRequest")[0]["fieldViolations"][0]
        assert violation["field"] == field, violation

    refused({"rules": [{"enforce": True}]}, "name", "run.unknown")
    refused({"rules": []}, "spec.rules")
    refused({"rules": [{"enforce": True}, {"enforce": False}]}, "spec.rules")
    refused({"rules": [{"enforce": True}], "inheritFromParent": True}, "spec.inheritFromParent")
    refused({"rules": [{"allowAll": True}]}, "spec.rules[0].values")
    refused({"rules": [{"enforce": True, "condition": {"expression": "true"}},
                       {"enforce": False}]}, "spec.rules[0].condition")
    refused({"rules": [{"enforce": True, "parameters": {"allowedMemberSubjects": ["allUsers"]}}]},
            "spec.rules[0].parameters", MEMBERS)
    refused({"rules": [{"values": {"allowedValues": ["under:folders/1"]}}]},
            "spec.rules[0].values", "run.allowedIngress")
    api("GET", "/v2/projects/demo/policies/run.unknown", None, 404)
    assert api("GET", "/v2/projects/demo/policies") == {"policies": []}


@test
def only_a_policy_administrator_sets_policies():
    member = "user:dev@example.com"
    grant(member, "roles/editor")
    token = stand().token("access", member=member)
    body = {"name": f"projects/demo/policies/{REQUIRE}", "spec": {"rules": [{"enforce": True}]}}
    answer = api("POST", "/v2/projects/demo/policies", body, 403, token)
    assert "orgpolicy.policies.create" in answer["error"]["message"], answer


# ---- services ----

@test
def the_check_cannot_be_turned_off_while_it_is_required():
    deploy("kept")
    with rules({"enforce": True}, constraint=REQUIRE):
        done = gcloud("run services update kept --no-invoker-iam-check", status=1)
        done.has("FAILED_PRECONDITION: Operation denied by org policy on resource "
                 f"'{key('kept')}': [\"constraints/{REQUIRE}\": \"When enforced, this constraint "
                 "requires the IAM invoker check to be enabled on Cloud Run services.\"].",
                 f"The policy is set on projects/{number()}", "CUSTOM_ORG_POLICY_VIOLATION")
        assert status_of("kept") == 403
        answer = set_open("kept", "true", 400)
        info = details(answer, "ErrorInfo")[0]
        assert info["reason"] == "CUSTOM_ORG_POLICY_VIOLATION", info
        assert info["metadata"]["customConstraints"] == "constraints/" + REQUIRE, info
        assert answer["error"]["details"][-1]["@type"].endswith("google.rpc.Help")
        dry = stand().api("POST", "/apis/serving.knative.dev/v1/namespaces/demo/services?dryRun=all",
                          {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
                           "metadata": {"name": "new", "annotations": {
                               "run.googleapis.com/invoker-iam-disabled": "true"}},
                           "spec": {"template": {"spec": {"containers": [{"image": LOOK}]}}}})
        assert dry.status == 400, dry
    set_open("kept", "true")
    assert status_of("kept") == 200, "the call that took the policy away has returned"
    set_open("kept", "false")


@test
def an_open_service_stays_open_but_changes_only_to_close():
    deploy("early", open="true")
    assert status_of("early") == 200
    with rules({"enforce": True}, constraint=REQUIRE):
        assert status_of("early") == 200, "not retroactive"
        rows = api("GET", "/homerun/v1/orgpolicy:violations")["violations"]
        assert [(row["resource"], row["constraint"]) for row in rows] == \
            [(key("early"), "constraints/" + REQUIRE)], rows
        replace("early", 400, **{"team": "web"})
        set_open("early", "false")
        assert status_of("early") == 403
        assert api("GET", "/homerun/v1/orgpolicy:violations")["violations"] == []


@test
def every_api_and_form_of_update_meets_the_same_door():
    deploy("doors")
    path = f"/v2/{key('doors')}"
    with rules({"enforce": True}, constraint=REQUIRE):
        body = {"invokerIamDisabled": True,
                "template": {"containers": [{"image": LOOK}]}}
        assert "denied by org policy" in api("PATCH", path, body, 400)["error"]["message"]
        assert api("PATCH", path + "?validateOnly=true", body, 400)
        made = stand().api("POST", f"/v2/{PLACE}/services?serviceId=fresh", body)
        assert made.status == 400, made
    with rules({"values": {"allowedValues": ["internal"]}}, constraint="run.allowedIngress"):
        answer = replace("doors", 400)
        assert answer["error"]["message"] == (
            "Constraint constraints/run.allowedIngress violated for attempting ReplaceService with "
            'annotation "run.googleapis.com/ingress" set to all.'), answer
        gcloud("run services update-traffic doors --to-latest", status=1).has(
            "constraints/run.allowedIngress")
        gcloud("run", "deploy", "fresh", f"--image={LOOK}", "--no-allow-unauthenticated",
               status=1).has("violated for attempting CreateService", "the default value all")
        replace("doors", **{"run.googleapis.com/ingress": "internal"})


@test
def all_violations_are_told_at_once():
    deploy("worst")
    with rules({"enforce": True}, constraint=REQUIRE), \
            rules({"values": {"deniedValues": ["is:all"]}}, constraint="run.allowedIngress"), \
            rules({"values": {"allowedValues": ["all-traffic"]}},
                  constraint="run.allowedVPCEgress"):
        message = set_open("worst", "true", 400)["error"]["message"]
        for text in ("run.allowedIngress", '"run.googleapis.com/vpc-access-egress" set to null',
                     REQUIRE):
            assert text in message, message


@test
def policies_come_down_the_tree_and_the_nearest_wins():
    node = organization()["name"]
    folder = api("POST", "/v3/folders", {"parent": node, "displayName": "Team"})["response"]["name"]
    assert api("POST", "/v3/projects/demo:move", {"destinationParent": folder})["done"]
    deploy("leaf")
    try:
        with rules({"enforce": True}, node=node, constraint=REQUIRE):
            assert set_open("leaf", "true", 400)
            with rules({"enforce": False}, node=folder, constraint=REQUIRE):
                set_open("leaf", "true")
                set_open("leaf", "false")
                with policy_set("projects/demo", REQUIRE, {"rules": [{"enforce": True}]}):
                    answer = set_open("leaf", "true", 400)
                    link = details(answer, "Help")[0]["links"][0]["description"]
                    assert f"set on projects/{number()}" in link, link
                with policy_set("projects/demo", REQUIRE, {"reset": True}):
                    set_open("leaf", "true")
                    set_open("leaf", "false")
    finally:
        api("POST", "/v3/projects/demo:move", {"destinationParent": node})
        api("DELETE", "/v3/" + folder)


@test
def grants_follow_a_project_that_moves():
    node = organization()["name"]
    deploy("moved")
    folder = api("POST", "/v3/folders", {"parent": node, "displayName": "Open"})["response"]["name"]
    member = "user:folder@example.com"
    api("POST", f"/v3/{folder}:setIamPolicy",
        {"policy": {"bindings": [{"role": INVOKER, "members": [member]}]}})
    assert status_of("moved", member=member) == 403
    api("POST", "/v3/projects/demo:move", {"destinationParent": folder})
    assert status_of("moved", member=member) == 200
    api("POST", "/v3/projects/demo:move", {"destinationParent": node})
    assert status_of("moved", member=member) == 403
    api("DELETE", "/v3/" + folder)


@test
def lists_inherit_when_they_say_so():
    node = organization()["name"]
    deploy("list")
    with rules({"values": {"allowedValues": ["internal"]}}, node=node,
               constraint="run.allowedIngress"):
        assert replace("list", 400)
        with rules({"values": {"allowedValues": ["all"]}}, constraint="run.allowedIngress",
                   inheritFromParent=True):
            replace("list", **{"run.googleapis.com/ingress": "all"})
            replace("list", **{"run.googleapis.com/ingress": "internal"})
            replace("list", 400, **{"run.googleapis.com/ingress":
                                    "internal-and-cloud-load-balancing"})
            found = api("GET",
                        "/v2/projects/demo/policies/run.allowedIngress:getEffectivePolicy")
            values = [rule["values"]["allowedValues"][0] for rule in found["spec"]["rules"]]
            assert values == ["all", "internal"] and "etag" not in found["spec"], found
            old = api("POST", "/v1/projects/demo:getEffectiveOrgPolicy",
                      {"constraint": "constraints/run.allowedIngress"})
            assert old["listPolicy"]["allowedValues"] == ["all", "internal"], old


# ---- members ----

@test
def domain_restricted_sharing_keeps_strangers_and_everybody_out():
    deploy("drs")
    customer = organization()["directoryCustomerId"]
    ours = "serviceAccount:" + account("inside")
    with rules({"values": {"allowedValues": ["is:" + customer]}},
               node=organization()["name"], constraint=DOMAINS):
        gcloud("run", "services", "add-iam-policy-binding", "drs", "--member=allUsers",
               f"--role={INVOKER}", status=1).has(
                   "One or more users named in the policy do not belong to a permitted customer,  "
                   "perhaps due to an organization policy.")
        assert policy("drs") == {} and status_of("drs") == 403
        answer = bind("user:x@elsewhere.example", "projects/demo", "roles/viewer", 400)
        assert answer["error"]["message"] == \
            "One or more users named in the policy do not belong to a permitted customer."
        violation = details(answer, "PreconditionFailure")[0]["violations"][0]
        assert violation["type"] == "constraints/" + DOMAINS
        assert violation["subject"] == "orgpolicy:projects/demo?configvalue=x%40elsewhere.example"
        assert "elsewhere" in violation["description"]
        bind(ours, key("drs"))
        assert status_of("drs", member=ours) == 200
        set_open("drs", "true")
        assert status_of("drs") == 200, "the other way to be public is not a binding"


@test
def what_is_bound_already_stays_and_stands_in_nobodys_way():
    deploy("before")
    bind("allUsers", key("before"))
    with rules({"values": {"allowedValues": [organization()["directoryCustomerId"]]}},
               constraint=DOMAINS):
        assert status_of("before") == 200
        bind("serviceAccount:" + owner(), key("before"), "roles/run.viewer")
        bind("allUsers", key("before"), "roles/run.viewer", 400)
        gcloud("run", "services", "remove-iam-policy-binding", "before", "--member=allUsers",
               f"--role={INVOKER}")
        assert status_of("before") == 403
        bind("allUsers", key("before"), status=400)


@test
def a_tag_on_one_service_exempts_it():
    deploy("tagged")
    deploy("plain")
    node = organization()
    identifier = node["name"].split("/")[1]
    gcloud("resource-manager", "tags", "keys", "create", "allUsersIngress",
           f"--parent={node['name']}")
    gcloud("resource-manager", "tags", "values", "create", "True",
           f"--parent={identifier}/allUsersIngress")
    value = f"{identifier}/allUsersIngress/True"
    exempt = {"allowAll": True, "condition": {
        "expression": f"resource.matchTag('{identifier}/allUsersIngress', 'True')"}}
    with rules({"values": {"allowedValues": [node["directoryCustomerId"]]}}, exempt,
               node=node["name"], constraint=DOMAINS):
        bind("allUsers", key("tagged"), status=400)
        gcloud("resource-manager", "tags", "bindings", "create", f"--tag-value={value}",
               f"--parent={full('tagged')}", "--location=us-central1")
        gcloud("resource-manager", "tags", "bindings", "list", f"--parent={full('tagged')}",
               "--location=us-central1").has(value)
        bind("allUsers", key("tagged"))
        assert status_of("tagged") == 200
        bind("allUsers", key("plain"), status=400)
        assert api("DELETE", f"/v1/{key('tagged')}") is not None
        deploy("tagged")
        bind("allUsers", key("tagged"), status=400)  # another service of the same name
    found = api("GET", f"/v3/tagValues/namespaced?name={urllib.parse.quote(value, safe='')}")
    api("DELETE", "/v3/" + found["name"])
    api("DELETE", "/v3/" + found["parent"])


@test
def inherited_tags_count_and_the_nearest_value_of_a_key_wins():
    node = organization()["name"]
    deploy("below")
    tag = api("POST", "/v3/tagKeys", {"parent": node, "shortName": "env"})["response"]["name"]
    one, two = (api("POST", "/v3/tagValues", {"parent": tag, "shortName": name})["response"]["name"]
                for name in ("prod", "test"))
    tree = f"//cloudresourcemanager.googleapis.com/projects/{number()}"
    api("POST", "/v3/tagBindings", {"parent": tree, "tagValue": one})
    effective = "/v3/effectiveTags?parent=" + urllib.parse.quote(full("below"), safe="")
    found = api("GET", effective)["effectiveTags"]
    assert [(t["tagValue"], t["inherited"]) for t in found] == [(one, True)], found
    made = api("POST", "/v3/tagBindings", {"parent": full("below"), "tagValue": two})["response"]
    found = api("GET", effective)["effectiveTags"]
    assert [(t["tagValue"], t["inherited"]) for t in found] == [(two, False)], found
    api("POST", "/v3/tagBindings", {"parent": full("below"), "tagValue": one}, 400)
    api("DELETE", "/v3/" + two, None, 400)
    for name in (made["name"], f"tagBindings/{urllib.parse.quote(tree, safe='')}/{one}"):
        api("DELETE", "/v3/" + name)
    for name in (one, two, tag):
        api("DELETE", "/v3/" + name)


@test
def conditions_of_grants_see_tags_too():
    node = organization()["name"]
    deploy("judged")
    tag = api("POST", "/v3/tagKeys", {"parent": node, "shortName": "team"})["response"]
    value = api("POST", "/v3/tagValues", {"parent": tag["name"], "shortName": "web"})["response"]
    member = "user:web@example.com"
    expression = f"resource.matchTag('{tag['namespacedName']}', 'web')"
    got = api("POST", "/v1/projects/demo:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    got["version"] = 3
    got["bindings"].append({"role": "roles/run.viewer", "members": [member],
                            "condition": {"title": "web", "expression": expression}})
    api("POST", "/v1/projects/demo:setIamPolicy", {"policy": got})
    token = stand().token("access", member=member)
    api("GET", f"/v1/{key('judged')}", None, 403, token)
    made = api("POST", "/v3/tagBindings",
               {"parent": full("judged"), "tagValueNamespacedName": value["namespacedName"]})
    api("GET", f"/v1/{key('judged')}", None, 200, token)
    api("DELETE", "/v3/" + made["response"]["name"])
    api("GET", f"/v1/{key('judged')}", None, 403, token)


@test
def a_managed_list_of_members_lets_in_those_it_names():
    deploy("managed")
    node = organization()["name"]
    parameters = {"allowedMemberSubjects": ["user:guest@elsewhere.example"],
                  "allowedPrincipalSets": [f"//cloudresourcemanager.googleapis.com/{node}"]}
    with rules({"enforce": True, "parameters": parameters}, constraint=MEMBERS) as made:
        assert made["spec"]["rules"][0]["parameters"] == parameters
        bind("user:guest@elsewhere.example", key("managed"))
        bind("serviceAccount:" + owner(), key("managed"), "roles/run.viewer")
        answer = bind("allUsers", key("managed"), status=400)
        assert answer["error"]["message"].startswith(
            f"Operation denied by org policy on resource '{key('managed')}': "
            f'["constraints/{MEMBERS}":'), answer
        assert status_of("managed") == 403


@test
def default_accounts_get_no_basic_roles_where_that_is_forbidden():
    name = "iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts"
    compute = f"serviceAccount:{number()}-compute@developer.gserviceaccount.com"
    with rules({"enforce": True}, constraint=name):
        answer = bind(compute, "projects/demo", "roles/owner", 400)
        assert name in answer["error"]["message"], answer
        bind(compute, "projects/demo", "roles/run.viewer")
    node = organization()["name"]
    with rules({"enforce": True}, node=node,
               constraint="iam.automaticIamGrantsForDefaultServiceAccounts"):
        api("POST", "/v1/projects", {"projectId": "without-editor"})
    found = api("POST", "/v1/projects/without-editor:getIamPolicy", {})
    assert [b["role"] for b in found["bindings"]] == ["roles/owner"], found


# ---- accounts, keys, tokens ----

@test
def accounts_and_keys_are_not_made_where_that_is_forbidden():
    email = account("keyless")
    path = f"/v1/projects/demo/serviceAccounts/{email}/keys"
    for name in ("iam.disableServiceAccountKeyCreation",
                 "iam.managed.disableServiceAccountKeyCreation"):
        with rules({"enforce": True}, constraint=name):
            answer = api("POST", path, {}, 400)
            legacy = "managed" not in name
            assert (answer["error"]["message"] ==
                    "Key creation is not allowed on this service account.") == legacy, answer
            assert name in answer["error"]["message"] or legacy
            if legacy:
                violation = details(answer, "PreconditionFailure")[0]["violations"][0]
                assert violation["subject"].endswith(
                    f"{email}?configvalue={urllib.parse.quote(email, safe='')}"), violation
    api("POST", path, {})
    with rules({"enforce": True}, constraint="iam.disableServiceAccountCreation"):
        gcloud("iam service-accounts create never-made", status=1).has(
            "Service account creation is not allowed on this project.")


@test
def tokens_live_longer_only_for_listed_accounts():
    email = account("longlived")
    path = f"/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
    body = {"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "7200s"}
    assert "lifetime" in api("POST", path, body, 400)["error"]["message"]
    with rules({"values": {"allowedValues": [email]}},
               constraint="iam.allowServiceAccountCredentialLifetimeExtension"):
        assert api("POST", path, body)["accessToken"]
        api("POST", path, {**body, "lifetime": "43201s"}, 400)
    api("POST", path, body, 400)


# ---- custom constraints, dry runs ----

@test
def a_custom_constraint_judges_the_service_as_yaml_shows_it():
    node = organization()["name"]
    path = written("custom.yaml", f"""
name: {node}/customConstraints/custom.knownImages
resourceTypes: [run.googleapis.com/Service]
methodTypes: [CREATE, UPDATE]
condition: >-
  resource.spec.template.spec.containers.all(c, c.image.matches('^registry[.]example/'))
  && (!('team' in resource.metadata.annotations) || resource.metadata.annotations['team'] == 'web')
actionType: ALLOW
displayName: Known images
description: Images come from our registry.
""")
    gcloud("org-policies", "set-custom-constraint", path).has("Created custom constraint")
    gcloud("org-policies", "list-custom-constraints",
           f"--organization={node.split('/')[1]}").has("custom.knownImages")
    deploy("custom")
    replace("custom", image="us-docker.pkg.dev/cloudrun/container/hello")  # nothing enforces it yet
    replace("custom")
    with rules({"enforce": True}, node=node, constraint="custom.knownImages"):
        answer = replace("custom", 400, image="us-docker.pkg.dev/cloudrun/container/hello")
        assert answer["error"]["message"] == (
            f"Operation denied by org policy on resource '{key('custom')}': "
            '["customConstraints/custom.knownImages": "Images come from our registry."].'), answer
        replace("custom", 400, team="data")
        replace("custom", team="web")
        body = {"template": {"containers": [{"image": "elsewhere.example/x"}]}}
        assert stand().api("PATCH", f"/v2/{key('custom')}", body).status == 400
    gcloud("org-policies", "delete-custom-constraint", "custom.knownImages",
           f"--organization={node.split('/')[1]}")


@test
def a_condition_that_makes_no_sense_is_refused_with_its_place():
    node = organization()["name"]
    body = {"name": f"{node}/customConstraints/custom.wrong",
            "resourceTypes": ["run.googleapis.com/Service"], "methodTypes": ["CREATE"],
            "actionType": "DENY", "condition": "resource.metadata.name.matches('(')"}
    answer = api("POST", f"/v2/{node}/customConstraints", body, 400)
    assert "1:32: regular expression: a group does not end" in answer["error"]["message"], answer
    for change in ({"condition": "request.time == 1"}, {"methodTypes": ["UPDATE"]},
                   {"resourceTypes": ["compute.googleapis.com/Instance"]},
                   {"name": f"{node}/customConstraints/custom.a-b"}):
        api("POST", f"/v2/{node}/customConstraints",
            {**body, "condition": "true", **change}, 400)


@test
def a_dry_run_refuses_nothing_and_is_told_in_the_audit_log():
    deploy("dry")
    with policy_set("projects/demo", REQUIRE, None, dry={"rules": [{"enforce": True}]}) as made:
        assert made["dryRunSpec"]["rules"] == [{"enforce": True}] and "spec" not in made, made
        set_open("dry", "true")
        assert status_of("dry") == 200
        history = api("GET", f"/homerun/v1/access:history?resource={key('dry')}")
        assert REQUIRE in json.dumps(history), history
    body = {"name": "projects/demo/policies/run.allowedIngress",
            "dryRunSpec": {"rules": [{"allowAll": True}]}}
    api("POST", "/v2/projects/demo/policies", body, 400)


# ---- roles ----

@test
def a_custom_role_opens_and_its_change_is_in_force_at_once():
    deploy("role")
    gcloud("iam roles create opener --project=demo --title=Opener "
           "--permissions=run.services.get,run.routes.invoke")
    member = "user:custom@example.com"
    bind(member, key("role"), "projects/demo/roles/opener")
    assert status_of("role", member=member) == 200
    gcloud("iam roles update opener --project=demo --remove-permissions=run.routes.invoke")
    assert status_of("role", member=member) == 403
    gcloud("iam roles update opener --project=demo --add-permissions=run.routes.invoke")
    assert status_of("role", member=member) == 200
    gcloud("iam roles delete opener --project=demo")
    assert status_of("role", member=member) == 403
    gcloud("iam roles undelete opener --project=demo")
    assert status_of("role", member=member) == 200
    api("POST", "/v1/projects/demo/roles",
        {"roleId": "wrong", "role": {"includedPermissions": ["no.such.thing"]}}, 400)


@test
def a_custom_role_is_good_where_it_was_made_and_below():
    deploy("scope")
    api("POST", "/v1/projects", {"projectId": "other-world"})
    role = {"roleId": "opener2", "role": {"includedPermissions": ["run.routes.invoke"]}}
    api("POST", "/v1/projects/other-world/roles", role)
    bind("user:s@example.com", key("scope"), "projects/other-world/roles/opener2", 400)
    node = organization()["name"]
    api("POST", f"/v1/{node}/roles", role)
    bind("user:s@example.com", key("scope"), f"{node}/roles/opener2")
    assert status_of("scope", member="user:s@example.com") == 200


@test
def the_organization_keeps_an_administrator():
    node = organization()["name"]
    got = api("POST", f"/v1/{node}:getIamPolicy", {})
    left = [b for b in got["bindings"] if "organizationAdmin" not in b["role"]]
    api("POST", f"/v1/{node}:setIamPolicy", {"policy": {"bindings": left}}, 400)
    api("POST", f"/v3/{node}:setIamPolicy", {"policy": {}}, 400)


@test
def the_page_that_refusals_link_to_is_there():
    answer = stand().api("GET", "/docs/organization-policy", token="")
    assert answer.status == 200 and f'id="{REQUIRE}"' in answer.text, answer


if __name__ == "__main__":
    main()
