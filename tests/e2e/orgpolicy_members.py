#!/usr/bin/env python3
"""Organization policy over allow policies and accounts: who may be bound, which tags exempt, what
keys and tokens are made."""
import urllib.parse

from gcloud_stand import account, deploy, gcloud, owner, policy, stand, status_of
from homerun import main, test
from policy_stand import (DOMAINS, INVOKER, MEMBERS, api, bind, details, full, key, number,
                          organization, rules, set_open)


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


if __name__ == "__main__":
    main()
