#!/usr/bin/env python3
"""google_project, google_folder, google_project_service and google_tags_*: what the provider sends
for them, and what it has to find when it reads them again."""
import contextlib
import urllib.parse

from homerun import Homerun, main, test
from terraform_provider import IMAGE, SERVICES, call, organization, refuses, request, stand

BILLING = "01AB23-45CD67-89EF00"
HELLO = {"template": {"containers": [{"image": IMAGE}]}}


@contextlib.contextmanager
def project(project_id, **more):
    operation = call("POST", "/v1/projects", {"projectId": project_id, "name": project_id, **more})
    assert operation["done"], operation
    try:
        yield call("GET", f"/v1/projects/{project_id}")
    finally:
        call("DELETE", f"/v1/projects/{project_id}")


@contextlib.contextmanager
def tag(name, *values, parent=None, **more):
    """A key and its values, as their names."""
    key = call("POST", "/v3/tagKeys", {"parent": parent or organization(), "shortName": name,
                                       **more})["response"]
    made = [call("POST", "/v3/tagValues", {"parent": key["name"], "shortName": value})
            ["response"]["name"] for value in values]
    try:
        yield key, *made
    finally:
        for value in made:
            call("DELETE", f"/v3/{value}")
        call("DELETE", f"/v3/{key['name']}")


def bindings(full_name):
    """As the provider reads them: with a slash behind the collection."""
    parent = urllib.parse.quote(full_name, safe="")
    found = call("GET", f"/v3/tagBindings/?pageSize=300&parent={parent}").get("tagBindings", [])
    return sorted(binding["tagValue"] for binding in found)


# ---- projects ----

@test
def a_project_without_a_parent_shows_none_and_is_governed_all_the_same():
    with project("no-parent-1") as read:
        assert "parent" not in read, read
        assert "parent" not in call("GET", "/v3/projects/no-parent-1")
        updated = call("PUT", "/v1/projects/no-parent-1", {**read, "name": "other"})
        assert "parent" not in updated and updated["name"] == "other", updated
        # What the organization allows and forbids holds there.
        found = call("POST", "/v1/projects/no-parent-1:getAncestry", {})["ancestor"]
        assert found[-1]["resourceId"]["type"] == "organization", found
        # Once a parent is asked for, it is shown.
        parent = {"type": "organization", "id": organization().split("/")[1]}
        assert call("PUT", "/v1/projects/no-parent-1", {**read, "parent": parent})["parent"] == parent
        assert call("GET", "/v1/projects/no-parent-1")["parent"] == parent
    with project("with-parent-1", parent=parent) as read:
        assert read["parent"] == parent, read


@test
def a_project_is_linked_to_a_billing_account():
    account = f"/v1/billingAccounts/{BILLING}"
    wanted = ["billing.resourceAssociations.create"]
    tested = call("POST", f"{account}:testIamPermissions", {"permissions": wanted})
    assert tested["permissions"] == wanted, tested
    with project("billed-1"):
        info = "/v1/projects/billed-1/billingInfo"
        assert call("GET", info)["billingAccountName"] == ""
        call("PUT", info, {"billingAccountName": f"billingAccounts/{BILLING}"})
        read = call("GET", info)
        assert read["billingAccountName"] == f"billingAccounts/{BILLING}", read
        assert read["billingEnabled"] is True and read["projectId"] == "billed-1", read
        assert call("GET", account)["open"] is True
        listed = call("GET", "/v1/billingAccounts")["billingAccounts"]
        assert f"billingAccounts/{BILLING}" in [one["name"] for one in listed], listed
        linked = call("GET", f"{account}/projects")["projectBillingInfo"]
        assert [one["projectId"] for one in linked] == ["billed-1"], linked
        with refuses(400, "billingAccounts/nonsense"):
            call("PUT", info, {"billingAccountName": "billingAccounts/nonsense"})
        call("PUT", info, {})  # an empty one takes the link away
        assert call("GET", info) == {"name": "projects/billed-1/billingInfo", "projectId":
                                     "billed-1", "billingAccountName": "", "billingEnabled": False}


@test
def a_stranger_links_no_project_and_sees_no_billing_account():
    stranger = stand().token(member="user:stranger@example.com")
    account = f"/v1/billingAccounts/{BILLING}"
    held = call("POST", f"{account}:testIamPermissions",
                {"permissions": ["billing.resourceAssociations.create"]}, token=stranger)
    assert held == {}, held
    assert request("GET", account, token=stranger).status == 403
    assert call("GET", "/v1/billingAccounts", token=stranger)["billingAccounts"] == []
    body = {"billingAccountName": f"billingAccounts/{BILLING}"}
    assert request("PUT", "/v1/projects/demo/billingInfo", body, token=stranger).status == 403
    assert request("POST", "/v1/billingAccounts", {"masterBillingAccount":
                   f"billingAccounts/{BILLING}"}, token=stranger).status == 403


@test
def an_account_below_a_billing_account_is_made_and_renamed():
    made = call("POST", "/v1/billingAccounts", {"displayName": "Team", "masterBillingAccount":
                                                f"billingAccounts/{BILLING}"})
    assert made["displayName"] == "Team" and made["open"] is True, made
    path = f"/v1/{made['name']}"
    assert call("GET", path)["masterBillingAccount"] == f"billingAccounts/{BILLING}"
    call("PATCH", f"{path}?updateMask=display_name", {"displayName": "Other"})
    assert call("GET", path)["displayName"] == "Other"


@test
def a_project_has_no_default_network():
    base = "/compute/v1/projects/demo/global"
    with refuses(404, "networks/default"):
        call("GET", f"{base}/networks/default")
    assert call("GET", f"{base}/firewalls?filter=network+eq+x")["items"] == []
    with refuses(501, "UNIMPLEMENTED"):
        call("POST", f"{base}/networks", {"name": "own"})
    with refuses(501, "UNIMPLEMENTED", "compute"):
        call("GET", "/compute/v1/projects/demo/regions/us-central1/subnetworks/own")


@test
def a_project_whose_policy_was_emptied_is_deleted_by_who_holds_the_organization():
    with project("emptied-1"):
        call("POST", "/v1/projects/emptied-1:setIamPolicy",
             {"policy": {"bindings": [{"role": "roles/viewer", "members": []}]}})
    with refuses(400, "being deleted"):
        call("DELETE", "/v1/projects/emptied-1")


@test
def a_project_with_a_lien_is_not_deleted():
    with project("held-back-1") as read:
        parent = f"projects/{read['projectNumber']}"
        lien = {"parent": parent, "restrictions": ["resourcemanager.projects.delete"],
                "origin": "machine-readable", "reason": "It is important"}
        made = call("POST", "/v1/liens", lien)
        assert {name: made[name] for name in lien} == lien and made["createTime"], made
        listed = call("GET", f"/v1/liens?parent={parent}")["liens"]
        assert listed == [made] == call("GET", "/v3/liens?parent=projects/held-back-1")["liens"]
        assert call("GET", f"/v3/{made['name']}") == made
        stranger = stand().token(member="user:stranger@example.com")
        assert request("DELETE", f"/v1/{made['name']}", token=stranger).status == 403
        assert request("POST", "/v1/liens", lien, token=stranger).status == 403
        with refuses(400, "A lien to prevent deletion", "machine-readable", "It is important"):
            call("DELETE", "/v1/projects/held-back-1")
        with refuses(400, "restrictions"):
            call("POST", "/v1/liens", {**lien, "restrictions": ["run.services.delete"]})
        with refuses(400, "restrictions"):
            call("POST", "/v3/liens", {**lien, "restrictions": []})
        call("DELETE", f"/v1/{made['name']}")
        with refuses(404):
            call("GET", f"/v1/{made['name']}")


# ---- APIs ----

def enabled(project_id="demo"):
    names, token = [], ""
    while True:
        page = call("GET", f"/v1/projects/{project_id}/services?fields=services%2Fname%2C"
                    f"nextPageToken&filter=state%3AENABLED&pageSize=3&pageToken={token}")
        names += [one["name"].rsplit("/", 1)[1] for one in page["services"]]
        token = page.get("nextPageToken")
        if not token:
            return names


def finished(operation, what):
    """Done at once, and to be read again by its name."""
    assert operation["done"] and operation["response"]["@type"].endswith(what), operation
    assert call("GET", f"/v1/{operation['name']}")["done"] is True
    return operation["response"]


@test
def any_api_is_enabled_and_disabled_and_that_is_kept():
    some = ["artifactregistry.googleapis.com", "pubsub.googleapis.com",
            "example.endpoints.demo.cloud.goog", "compute.googleapis.com", "a1.googleapis.com"]
    base = "/v1/projects/demo/services"
    before = enabled()
    assert "run.googleapis.com" in before and not set(some) & set(before), before
    one = finished(call("POST", f"{base}/{some[0]}:enable", {}), "EnableServiceResponse")
    assert one["service"]["state"] == "ENABLED", one
    finished(call("POST", f"{base}:batchEnable", {"serviceIds": some[1:]}),
             "BatchEnableServicesResponse")
    assert enabled() == sorted([*before, *some]), enabled()
    assert call("GET", f"{base}/{some[1]}")["state"] == "ENABLED"
    for name in some:
        one = finished(call("POST", f"{base}/{name}:disable", {"disableDependentServices": True}),
                       "DisableServiceResponse")
        assert one["service"]["state"] == "DISABLED", one
        call("POST", f"{base}/{name}:disable", {})  # once more is no fault
    assert enabled() == before
    assert call("GET", f"{base}/never.googleapis.com")["state"] == "DISABLED"
    off = call("GET", f"{base}?filter=state%3ADISABLED")["services"]
    assert sorted(one["config"]["name"] for one in off) == sorted(some), off
    for bad in ("nodots", "Upper.googleapis.com", "-x.googleapis.com"):
        with refuses(400, bad):
            call("POST", f"{base}/{bad}:enable", {})
    with refuses(400, "nodots"):  # all or none
        call("POST", f"{base}:batchEnable", {"serviceIds": ["fine.googleapis.com", "nodots"]})
    assert enabled() == before


@test
def where_cloud_run_is_switched_off_its_admin_api_refuses_and_services_go_on():
    url = stand().url("goes-on")
    call("POST", f"{SERVICES}?serviceId=goes-on", {**HELLO, "invokerIamDisabled": True})
    api = "/v1/projects/demo/services/run.googleapis.com"
    call("POST", f"{api}:disable", {})
    old = "/us-central1/apis/serving.knative.dev/v1/namespaces/demo/services"
    for method, path, body in (("GET", SERVICES, None), ("GET", f"{SERVICES}/goes-on", None),
                               ("POST", f"{SERVICES}?serviceId=more", HELLO), ("GET", old, None),
                               ("GET", f"{old}/goes-on", None)):
        with refuses(403, "SERVICE_DISABLED", "gcloud services enable run.googleapis.com"):
            call(method, path, body)
    assert stand().get(url).status == 200
    call("POST", f"{api}:enable", {})
    call("DELETE", f"{SERVICES}/goes-on")


@test
def apis_are_a_projects_own_and_outlive_a_restart():
    with Homerun() as homerun:
        for name in ("first-apis", "second-apis"):
            call("POST", "/v1/projects", {"projectId": name}, homerun=homerun)
        path = "/v1/projects/{}/services/pubsub.googleapis.com"
        call("POST", path.format("first-apis") + ":enable", {}, homerun=homerun)
        homerun.restart()
        states = [call("GET", path.format(name), homerun=homerun)["state"]
                  for name in ("first-apis", "second-apis")]
        assert states == ["ENABLED", "DISABLED"], states


@test
def only_who_may_switches_apis():
    stranger = stand().token(member="user:stranger@example.com")
    for verb in ("enable", "disable"):
        answer = request("POST", f"/v1/projects/demo/services/kms.googleapis.com:{verb}", {},
                         token=stranger)
        assert answer.status == 403, answer


# ---- folders, accounts ----

@test
def a_new_folders_policy_names_its_maker_and_a_new_accounts_is_empty():
    owner = f"serviceAccount:{stand().ready['owner']['email']}"
    made = call("POST", "/v3/folders", {"parent": organization(), "displayName": "Made"})
    folder = made["response"]["name"]
    policy = call("POST", f"/v3/{folder}:getIamPolicy", {})
    roles = {binding["role"]: binding["members"] for binding in policy["bindings"]}
    assert roles == {"roles/resourcemanager.folderAdmin": [owner],
                     "roles/resourcemanager.folderEditor": [owner]}, policy
    call("DELETE", f"/v3/{folder}")
    account = call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "emptypolicy"})
    policy = call("POST", f"/v1/{account['name']}:getIamPolicy", {})
    assert "bindings" not in policy, policy
    call("DELETE", f"/v1/{account['name']}")


# ---- tags ----

@test
def tags_are_bound_and_read_as_the_provider_does():
    number = stand().ready["projectNumber"]
    full = f"//cloudresourcemanager.googleapis.com/projects/{number}"
    with tag("bound", "prod") as (_, value):
        made = call("POST", "/v3/tagBindings", {"parent": full, "tagValue": value})["response"]
        assert bindings(full) == [value]
        call("DELETE", f"/v3/{made['name']}")
        assert bindings(full) == []


@test
def a_service_a_folder_and_a_project_are_made_with_tags():
    number = stand().ready["projectNumber"]
    org = organization().split("/")[1]
    with tag("envk", "prod", "test") as (key, prod, _), tag("tier", "gold") as (tier, gold):
        by_number = {key["name"]: prod}
        by_name = {f"{org}/envk": "prod", f"{org}/tier": f"{org}/tier/gold"}
        for name, tags, found in (("tags-a", by_number, [prod]), ("tags-b", by_name, [prod, gold]),
                                  ("tags-c", {tier["name"]: "gold"}, [gold]), ("tags-d", {}, [])):
            call("POST", f"{SERVICES}?serviceId={name}", {**HELLO, "tags": tags})
            full = f"//run.googleapis.com/projects/{number}/locations/us-central1/services/{name}"
            assert bindings(full) == sorted(found), (name, bindings(full))
            assert "tags" not in call("GET", f"{SERVICES}/{name}")
            call("DELETE", f"{SERVICES}/{name}")
        made = call("POST", "/v3/folders", {"parent": organization(), "displayName": "Tagged",
                                            "tags": by_number})
        folder = made["response"]["name"]
        assert bindings(f"//cloudresourcemanager.googleapis.com/{folder}") == [prod]
        with refuses(400, "tags"):
            call("PATCH", f"/v3/{folder}?updateMask=displayName",
                 {"displayName": "Other", "tags": {tier["name"]: gold}})
        call("DELETE", f"/v3/{folder}")
        with project("tagged-1", tags=by_name) as read:
            name = f"//cloudresourcemanager.googleapis.com/projects/{read['projectNumber']}"
            assert bindings(name) == sorted([prod, gold]) and "tags" not in read, read
            with refuses(400, "still bound"):
                call("DELETE", f"/v3/{gold}")
        # What is being deleted holds no tag: one `terraform destroy` takes both.


@test
def tags_that_are_not_there_or_not_the_callers_make_nothing():
    creator = "user:creator@example.com"
    policy = call("POST", "/v1/projects/demo:getIamPolicy", {})
    call("POST", "/v1/projects/demo:setIamPolicy", {"policy": {
        "bindings": [*policy["bindings"], {"role": "roles/run.admin", "members": [creator]},
                     {"role": "roles/iam.serviceAccountUser", "members": [creator]}]}})
    with tag("guarded", "open") as (key, value):
        for tags, status in (({key["name"]: "tagValues/1"}, 403), ({"tagKeys/1": value}, 403),
                             ({key["name"]: "closed"}, 403), ({"nobody/none": "x"}, 403),
                             ({key["name"]: 1}, 400), ([], 400), ("x", 400)):
            answer = request("POST", f"{SERVICES}?serviceId=never", {**HELLO, "tags": tags})
            assert answer.status == status, (tags, answer)
        # run.admin may bind tags to services, but not this value of the organization's.
        answer = request("POST", f"{SERVICES}?serviceId=never",
                         {**HELLO, "tags": {key["name"]: value}},
                         token=stand().token(member=creator))
        assert answer.status == 403 and "tagValueBindings" in answer.text, answer
        assert request("GET", f"{SERVICES}/never").status == 404
    call("POST", "/v1/projects/demo:setIamPolicy", {"policy": {"bindings": policy["bindings"]}})


@test
def policies_see_the_tags_that_a_service_is_made_with():
    """A policy that spares what has a tag spares it from the first moment, and no other."""
    org = organization().split("/")[1]
    path = "/v2/projects/demo/policies/run.managed.requireInvokerIam"
    with tag("spared", "yes") as (key, yes):
        condition = {"expression": f"resource.matchTag('{org}/spared', 'yes')"}
        call("POST", "/v2/projects/demo/policies", {
            "name": path[4:], "spec": {"rules": [{"enforce": False, "condition": condition},
                                                 {"enforce": True}]}})
        open_to_all = {**HELLO, "invokerIamDisabled": True}
        with refuses(400, "requireInvokerIam"):
            call("POST", f"{SERVICES}?serviceId=spared", open_to_all)
        call("POST", f"{SERVICES}?serviceId=spared", {**open_to_all, "tags": {key["name"]: yes}})
        call("DELETE", path)
        call("DELETE", f"{SERVICES}/spared")


@test
def a_keys_expression_is_kept_and_holds():
    with tag("lower", "abc", allowedValuesRegex="^[a-z]+$") as (key, _):
        assert call("GET", f"/v3/{key['name']}")["allowedValuesRegex"] == "^[a-z]+$"
        with refuses(400, "^[a-z]+$"):
            call("POST", "/v3/tagValues", {"parent": key["name"], "shortName": "A1"})
        call("PATCH", f"/v3/{key['name']}?updateMask=allowedValuesRegex",
             {"allowedValuesRegex": "^[A-Z0-9]+$"})
        made = call("POST", "/v3/tagValues", {"parent": key["name"], "shortName": "A1"})
        call("DELETE", f"/v3/{made['response']['name']}")
        call("PATCH", f"/v3/{key['name']}?updateMask=description", {"description": "d"})
        assert call("GET", f"/v3/{key['name']}")["allowedValuesRegex"] == "^[A-Z0-9]+$"
        call("PATCH", f"/v3/{key['name']}?updateMask=allowedValuesRegex", {})
        assert "allowedValuesRegex" not in call("GET", f"/v3/{key['name']}")
        for bad in ("(", "[z-a]", "a" * 600):
            with refuses(400, "allowedValuesRegex"):
                call("PATCH", f"/v3/{key['name']}?updateMask=allowedValuesRegex",
                     {"allowedValuesRegex": bad})


@test
def a_tag_by_a_name_that_nothing_has_is_refused_like_one_that_is_hidden():
    org = organization().split("/")[1]
    for path in (f"/v3/tagKeys/namespaced?name={org}/absent",
                 f"/v3/tagValues/namespaced?name={org}/absent/x"):
        with refuses(403, "PERMISSION_DENIED", "may not exist"):
            call("GET", path)


if __name__ == "__main__":
    main()
