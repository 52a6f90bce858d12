#!/usr/bin/env python3
"""Organization policy from gcloud and the API: its forms, what it refuses of services, in which
words, and from when."""
import urllib.parse

from gcloud_stand import LOOK, deploy, gcloud, gcloud_json, grant, stand, status_of
from homerun import main, test
from policy_stand import (DOMAINS, INVOKER, MEMBERS, PLACE, REQUIRE, api, details, key, number,
                          organization, pages, policy_set, replace, rules, set_open, written)


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
        assert violation["field"] == field and violation["description"], violation

    refused({"rules": [{"enforce": True}]}, "name", "run.unknown")
    refused({"rules": []}, "spec.rules")
    refused({"rules": [{"enforce": True}, {"enforce": False}]}, "spec.rules")
    refused({"rules": [{"enforce": True}], "inheritFromParent": True}, "spec.inheritFromParent")
    refused({"rules": [{"allowAll": True}]}, "spec.rules[0].values")
    refused({"rules": [{"enforce": True, "condition": {"expression": "request.path == '/a'"}},
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


@test
def lists_of_policies_and_constraints_have_pages():
    with rules({"enforce": True}, constraint=REQUIRE), \
            rules({"allowAll": True}, constraint="run.allowedIngress"), \
            rules({"allowAll": True}, constraint="run.allowedVPCEgress"):
        items, count = pages("/v2/projects/demo/policies", "policies", 2)
        assert len({p["name"] for p in items}) == 3 and count == 2, items
        items, count = pages("/v1/projects/demo:listOrgPolicies", "policies", 2, {})
        assert len({p["constraint"] for p in items}) == 3 and count == 2, items
    whole = api("GET", "/v2/projects/demo/constraints")["constraints"]
    items, count = pages("/v2/projects/demo/constraints", "constraints", 3)
    assert items == whole and count == -(-len(whole) // 3), items
    items, count = pages("/v1/projects/demo:listAvailableOrgPolicyConstraints", "constraints", 3, {})
    assert len(items) == len(whole), items


@test
def the_page_that_refusals_link_to_is_there():
    answer = stand().api("GET", "/docs/organization-policy", token="")
    assert answer.status == 200 and f'id="{REQUIRE}"' in answer.text, answer


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
            'annotation "run.googleapis.com/ingress" set to the default value all.'), answer
        balanced = "internal-and-cloud-load-balancing"
        answer = replace("doors", 400, **{"run.googleapis.com/ingress": balanced})
        assert answer["error"]["message"].endswith(f'ingress" set to {balanced}.'), answer
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


if __name__ == "__main__":
    main()
