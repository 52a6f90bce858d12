#!/usr/bin/env python3
"""Tag keys and values: what may be made of them, by whom, and what a call that only asks does."""
import urllib.parse

from gcloud_stand import deploy, gcloud, gcloud_json, stand
from homerun import main, test
from policy_stand import api, full, organization, pages


def key(name, **more):
    return api("POST", "/v3/tagKeys", {"parent": organization()["name"], "shortName": name, **more}
               )["response"]["name"]


def value(name, of):
    return api("POST", "/v3/tagValues", {"parent": of, "shortName": name})["response"]["name"]


@test
def a_call_that_only_asks_changes_nothing_and_refuses_the_same():
    node = organization()["name"]
    ask = "?validateOnly=true"
    got = api("POST", "/v3/tagKeys" + ask, {"parent": node, "shortName": "asked"})
    assert got["done"] and got["response"]["shortName"] == "asked", got
    assert "asked" not in [k["shortName"] for k in api("GET", f"/v3/tagKeys?parent={node}")["tagKeys"]]
    name = key("held")
    api("POST", "/v3/tagKeys" + ask, {"parent": node, "shortName": "held"}, 409)
    api("POST", "/v3/tagKeys" + ask, {"parent": node, "shortName": "-"}, 400)
    got = api("PATCH", f"/v3/{name}{ask}&updateMask=description", {"description": "new"})
    assert got["response"]["description"] == "new", got
    assert "description" not in api("GET", f"/v3/{name}")
    one = value("one", name)
    api("DELETE", f"/v3/{name}{ask}", None, 400)
    api("DELETE", f"/v3/{one}{ask}")
    assert api("GET", f"/v3/{one}")["shortName"] == "one"
    deploy("asked")
    api("POST", "/v3/tagBindings" + ask, {"parent": full("asked"), "tagValue": one})
    bound = "/v3/tagBindings?parent=" + urllib.parse.quote(full("asked"), safe="")
    assert api("GET", bound)["tagBindings"] == []
    api("POST", "/v3/tagBindings", {"parent": full("asked"), "tagValue": one})
    api("POST", "/v3/tagBindings" + ask, {"parent": full("asked"), "tagValue": one}, 409)


@test
def what_is_bound_is_a_value_that_exists():
    """Whoever may use the values of a project could bind anything else below it, for good."""
    name = key("no-value")
    one = value("one", name)
    deploy("no-value")
    for other in ("projects/demo", name, one + "/x", one + "/tagValues/1"):
        fault = api("POST", "/v3/tagBindings", {"parent": full("no-value"), "tagValue": other}, 404)
        assert "no tag value" in fault["error"]["message"], fault
    bound = "/v3/tagBindings?parent=" + urllib.parse.quote(full("no-value"), safe="")
    assert api("GET", bound)["tagBindings"] == []
    fault = api("POST", "/v3/tagBindings", {"parent": full("no-value")}, 400)
    assert "tagValueNamespacedName" in fault["error"]["message"], fault
    body = {"parent": full("no-value"), "tagValueNamespacedName": "projects/no/value"}
    fault = api("POST", "/v3/tagBindings", body, 403)
    assert "'projects/no/value'" in fault["error"]["message"], fault
    api("POST", "/v3/tagBindings", {**body, "tagValueNamespacedName": "projects/demo"}, 404)
    for kind, parent in (("tagKeys", "organizations/N"), ("tagValues", "tagKeys/N")):
        assert parent in api("GET", f"/v3/{kind}", None, 400)["error"]["message"]


@test
def a_value_is_used_by_those_whom_its_own_policy_names():
    name = key("own-policy")
    one, two = value("one", name), value("two", name)
    member = "user:tagger@example.com"
    token = stand().token("access", member=member)
    deploy("own-policy")
    path = "/v1/projects/demo/locations/us-central1/services/own-policy"
    api("POST", path + ":setIamPolicy", {"policy": {"bindings": [
        {"role": "roles/run.admin", "members": [member]}]}})
    body = {"parent": full("own-policy"), "tagValue": one}
    assert api("POST", f"/v3/{one}:getIamPolicy", {})["etag"] == "ACAB"
    api("POST", "/v3/tagBindings", body, 403, token)
    api("GET", f"/v3/{one}", None, 403, token)
    policy = {"bindings": [{"role": "roles/resourcemanager.tagUser", "members": [member]}]}
    etag = api("POST", f"/v3/{one}:setIamPolicy", {"policy": policy})["etag"]
    fault = api("POST", f"/v3/{one}:setIamPolicy", {"policy": {**policy, "etag": "AAAA"}}, 409)
    assert fault["error"]["status"] == "ABORTED"
    assert api("POST", f"/v3/{one}:getIamPolicy", {})["etag"] == etag
    asked = {"permissions": ["resourcemanager.tagValueBindings.create",
                             "resourcemanager.tagValues.delete"]}
    held = api("POST", f"/v3/{one}:testIamPermissions", asked, token=token)
    assert held == {"permissions": ["resourcemanager.tagValueBindings.create"]}, held
    assert api("POST", f"/v3/{two}:testIamPermissions", asked, token=token) == {}
    api("POST", "/v3/tagBindings", {**body, "tagValue": two}, 403, token)
    api("POST", "/v3/tagBindings", body, token=token)
    api("POST", f"/v3/{one}:setIamPolicy", {"policy": policy}, 403, token)
    api("POST", f"/v3/{name}:setIamPolicy", {"policy": policy})  # the key's holds for its values
    assert api("POST", f"/v3/{two}:testIamPermissions", asked, token=token) == held
    api("POST", f"/v3/{one}:setIamPolicy", {"policy": {"bindings": [
        {"role": "roles/resourcemanager.tagUser", "members": ["allUsers"]}]}}, 400)
    api("POST", "/v3/tagKeys/1:getIamPolicy", {}, 403)


@test
def tags_have_policies_in_gcloud_too():
    name = key("by-gcloud")
    group = ("resource-manager", "tags", "keys")
    gcloud(*group, "add-iam-policy-binding", name, "--member=user:t@example.com",
           "--role=roles/resourcemanager.tagViewer")
    got = gcloud_json(*group, "get-iam-policy", name)
    assert got["bindings"] == [{"role": "roles/resourcemanager.tagViewer",
                                "members": ["user:t@example.com"]}], got
    gcloud(*group, "update", name, "--description=Words")
    gcloud(*group, "describe", name).has("Words")
    gcloud(*group, "delete", name)
    gcloud(*group, "describe", name, status=1)


@test
def lists_of_tags_have_pages():
    name = key("pages")
    names = [value(f"v{n}", name) for n in range(5)]
    items, count = pages(f"/v3/tagValues?parent={name}", "tagValues", 2)
    assert sorted(v["name"] for v in items) == sorted(names) and count == 3
    items, count = pages(f"/v3/tagKeys?parent={organization()['name']}", "tagKeys", 1)
    assert len({k["name"] for k in items}) == len(items) == count
    deploy("pages")
    for tag in (name, key("pages2"), key("pages3")):
        api("POST", "/v3/tagBindings", {"parent": full("pages"), "tagValue": value("x", tag)})
    parent = urllib.parse.quote(full("pages"), safe="")
    items, count = pages(f"/v3/tagBindings?parent={parent}", "tagBindings", 2)
    assert len({b["name"] for b in items}) == 3 and count == 2, items
    items, count = pages(f"/v3/effectiveTags?parent={parent}", "effectiveTags", 2)
    assert len({t["tagKey"] for t in items}) == 3 and count == 2, items


@test
def holds_on_tags_stay_unimplemented():
    api("GET", f"/v3/{value('kept', key('holds'))}/tagHolds", None, 501)


if __name__ == "__main__":
    main()
