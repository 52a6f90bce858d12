#!/usr/bin/env python3
"""Projects and folders: their life, their place, and what lists say of them."""
import json
import urllib.parse

from gcloud_stand import LOOK, deploy, gcloud, gcloud_json, stand, status_of
from homerun import main, test
from policy_stand import INVOKER, api, full, organization, pages


# ---- helpers ----

def folder(name, parent=None):
    body = {"parent": parent or organization()["name"], "displayName": name}
    return api("POST", "/v3/folders", body)["response"]["name"]


def project(name, **more):
    return api("POST", "/v3/projects", {"projectId": name, **more})["response"]


def listed(query, kind="projects", version="v3"):
    name = "filter" if version == "v1" else "query"
    path = "" if version == "v1" else ":search"
    found = api("GET", f"/{version}/{kind}{path}?{name}={urllib.parse.quote(query)}")[kind]
    return sorted(one.get("projectId") or one["name"] for one in found)


# ---- deleting and bringing back ----

@test
def a_deleted_project_serves_nobody_from_the_answer_on_and_all_again_when_undeleted():
    deploy("front", open="true")
    deploy("bound")
    policy = {"bindings": [{"role": INVOKER, "members": ["user:ann@example.com"]}]}
    path = "/v1/projects/demo/locations/us-central1/services/bound"
    api("POST", path + ":setIamPolicy", {"policy": policy})
    assert status_of("front") == 200
    assert status_of("bound", member="user:ann@example.com") == 200
    for version, answer in (("v1", {}), ("v3", None)):
        got = api("DELETE", f"/{version}/projects/demo")
        assert answer is None or got == answer, got
        assert status_of("front") == 404
        assert status_of("bound", member="user:ann@example.com") == 404
        assert api("GET", "/v3/projects/demo")["state"] == "DELETE_REQUESTED"
        assert "deleteTime" in api("GET", "/v3/projects/demo")
        api("POST", f"/{version}/projects/demo:undelete", {})
        assert status_of("front") == 200
        assert status_of("bound") == 403
        assert status_of("bound", member="user:ann@example.com") == 200
    assert api("GET", "/v1/projects/demo")["lifecycleState"] == "ACTIVE"
    assert "deleteTime" not in api("GET", "/v3/projects/demo")


@test
def a_deleted_project_stays_shut_over_a_restart():
    deploy("front2", open="true")
    api("DELETE", "/v1/projects/demo")
    stand().restart()
    assert status_of("front2") == 404
    api("POST", "/v1/projects/demo:undelete")
    assert status_of("front2") == 200
    stand().restart()
    assert status_of("front2") == 200


@test
def nothing_in_a_project_that_is_being_deleted_can_be_changed():
    deploy("still", open="true")
    service = "/v2/projects/demo/locations/us-central1/services"
    body = {"template": {"containers": [{"image": LOOK}]}}
    robot = api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "still-robot"})
    parent = {"parent": organization()["name"], "shortName": "still"}
    tag = {"shortName": "one", "parent": api("POST", "/v3/tagKeys", parent)["response"]["name"]}
    tag = api("POST", "/v3/tagValues", tag)["response"]["name"]
    api("DELETE", "/v3/projects/demo")
    try:
        for method, path, sent in (
                ("POST", service + "?serviceId=late", body),
                ("PATCH", service + "/still", body),
                ("DELETE", service + "/still", None),
                ("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "late-one"}),
                ("POST", f"/v1/projects/-/serviceAccounts/{robot['email']}/keys", {}),
                ("DELETE", f"/v1/projects/-/serviceAccounts/{robot['uniqueId']}", None),
                ("POST", "/v3/tagBindings", {"parent": full("still"), "tagValue": tag}),
                ("PATCH", "/v3/projects/demo?updateMask=displayName", {"displayName": "Late"}),
                ("POST", "/v3/projects/demo:move", {"destinationParent": organization()["name"]}),
                ("DELETE", "/v3/projects/demo", None)):
            fault = api(method, path, sent, 400)["error"]
            assert fault["status"] == "FAILED_PRECONDITION" and "being deleted" in fault["message"]
        for project in ("demo", "-"):  # its accounts go on working elsewhere
            token = f"/v1/projects/{project}/serviceAccounts/{robot['email']}:generateIdToken"
            api("POST", token, {"audience": "https://elsewhere.example"})
        assert "services" in api("GET", service), "it can still be looked at"
        public = json.dumps(api("GET", "/homerun/v1/access:public"))
        assert "services/still" not in public, "what answers nobody is not public"
        found = api("GET", "/homerun/v1/access:explain?resource=still")
        assert (found["status"], found["rung"]) == (404, "unknown_host"), found
        assert "answer nobody" in found["note"], found
        fault = api("GET", "/homerun/v1/access:who?resource=still", None, 400)["error"]
        assert "answer nobody" in fault["message"], fault
    finally:
        api("POST", "/v3/projects/demo:undelete")
    fault = api("POST", "/v3/projects/demo:undelete", {}, 400)["error"]
    assert "not being deleted" in fault["message"], fault


@test
def whoever_may_not_delete_a_project_does_not():
    token = stand().token("access", member="user:nobody@example.com")
    api("DELETE", "/v1/projects/demo", None, 403, token)
    api("POST", "/v3/projects/demo:undelete", {}, 403, token)


@test
def projects_are_deleted_and_brought_back_by_gcloud():
    gcloud("projects create gone-and-back --name=Gone --labels=team=web")
    found = gcloud_json("projects", "describe", "gone-and-back")
    assert found["name"] == "Gone" and found["labels"] == {"team": "web"}, found
    gcloud("projects", "delete", "gone-and-back").has("Deleted")
    gcloud("projects list").lacks("gone-and-back").has("demo")
    gcloud("projects", "list", "--filter=lifecycleState:DELETE_REQUESTED").has("gone-and-back")
    gcloud("projects", "delete", "gone-and-back", status=1).has("being deleted already")
    gcloud("projects create gone-and-back", status=1).has("in use")
    gcloud("projects", "undelete", "gone-and-back")
    gcloud("projects list").has("gone-and-back")
    gcloud("projects update gone-and-back --name=Back")
    gcloud("projects", "list", "--filter=name:Back").has("gone-and-back").lacks("demo")
    gcloud("projects list --filter=labels.team:web").has("gone-and-back").lacks("demo")


@test
def a_project_changes_its_labels_and_its_name():
    project("named-thing", displayName="One", labels={"a": "1"})
    path = "/v3/projects/named-thing"
    got = api("PATCH", path + "?updateMask=labels", {"labels": {"b": "2"}})["response"]
    assert got["labels"] == {"b": "2"} and got["displayName"] == "One", got
    got = api("PATCH", path + "?updateMask=displayName", {"displayName": "Two"})["response"]
    assert got["labels"] == {"b": "2"} and got["displayName"] == "Two", got
    assert api("GET", "/v1/projects/named-thing")["labels"] == {"b": "2"}
    got = api("PATCH", path + "?updateMask=display_name", {"displayName": "Three"})["response"]
    assert got["displayName"] == "Three", got
    for wrong in ({"Upper": "x"}, {"a": "x y"}, {"1": "x"}, {"a": "x" * 64}):
        api("PATCH", path + "?updateMask=labels", {"labels": wrong}, 400)
        api("POST", "/v1/projects", {"projectId": "never-made", "labels": wrong}, 400)
    assert api("GET", path)["labels"] == {"b": "2"}


# ---- folders ----

@test
def a_folder_is_deleted_and_undeleted_where_there_is_room():
    parent = folder("Upper")
    child = folder("Lower", parent)
    fault = api("DELETE", "/v3/" + parent, None, 400)["error"]
    assert "not empty" in fault["message"], fault
    got = api("DELETE", "/v3/" + child)["response"]
    assert got["state"] == "DELETE_REQUESTED" and "deleteTime" in got, got
    assert api("DELETE", "/v3/" + child)["response"]["state"] == "DELETE_REQUESTED", "a no-op"
    assert api("GET", f"/v3/folders?parent={parent}")["folders"] == []
    shown = api("GET", f"/v3/folders?parent={parent}&showDeleted=true")["folders"]
    assert [one["name"] for one in shown] == [child], shown
    api("PATCH", "/v3/" + child, {"displayName": "Later"}, 400)
    api("POST", "/v3/projects", {"projectId": "in-a-grave", "parent": child}, 400)
    other = folder("Lower", parent)
    assert api("POST", f"/v3/{child}:undelete", {}, 409), "the name is taken meanwhile"
    api("DELETE", "/v3/" + other)
    api("DELETE", "/v3/" + parent)
    assert api("POST", f"/v3/{child}:undelete", {}, 400), "its parent is being deleted"
    api("POST", f"/v3/{parent}:undelete")
    assert api("POST", f"/v3/{child}:undelete")["response"]["state"] == "ACTIVE"
    assert api("POST", f"/v3/{child}:undelete")["response"]["state"] == "ACTIVE", "a no-op"


@test
def a_folder_with_a_live_project_stays_and_one_with_a_dead_project_goes():
    parent = folder("Holder")
    project("held-thing", parent=parent)
    api("DELETE", "/v3/" + parent, None, 400)
    api("DELETE", "/v3/projects/held-thing")
    api("DELETE", "/v3/" + parent)
    fault = api("POST", "/v3/projects/held-thing:undelete", {}, 400)["error"]
    assert parent in fault["message"], fault
    api("POST", f"/v3/{parent}:undelete")
    api("POST", "/v3/projects/held-thing:undelete")


@test
def folders_are_made_moved_and_deleted_by_gcloud():
    top = organization()["name"].split("/")[1]
    group = ("resource-manager", "folders")
    made = gcloud_json(*group, "create", "--display-name=By hand", f"--organization={top}")
    number = made["name"].split("/")[1]
    below = gcloud_json(*group, "create", "--display-name=Inner", f"--organization={top}")
    inner = below["name"].split("/")[1]
    gcloud(*group, "move", inner, f"--folder={number}")
    gcloud(*group, "list", f"--folder={number}").has("Inner")
    gcloud(*group, "update", inner, "--display-name=Renamed")
    gcloud(*group, "describe", inner).has("Renamed", f"folders/{number}")
    gcloud(*group, "delete", number, status=1).has("not empty")
    gcloud(*group, "delete", inner)
    gcloud(*group, "list", f"--folder={number}").lacks("Renamed")
    gcloud(*group, "undelete", inner)
    gcloud(*group, "list", f"--folder={number}").has("Renamed")
    gcloud(*group, "move", inner, f"--folder={inner}", status=1).has("below itself")


# ---- lists ----

@test
def filters_mean_what_they_say():
    parent = folder("Filtered")
    for number, colour in enumerate(("red", "blue", "red")):
        project(f"filter-{number}", displayName=f"Thing {number}", labels={"colour": colour},
                parent=parent)
    api("DELETE", "/v3/projects/filter-2")
    for version in ("v1", "v3"):
        def found(query):
            return listed(query, version=version)
        assert found("labels.colour:red") == ["filter-0", "filter-2"]
        assert found("labels.colour:red lifecycleState:ACTIVE") == ["filter-0"]
        assert found("labels.colour:red AND NOT lifecycleState:ACTIVE") == ["filter-2"]
        assert found("id:filter-0 OR id:filter-1") == ["filter-0", "filter-1"]
        assert found("lifecycleState:ACTIVE AND (id=filter-* -labels.colour=red)") == ["filter-1"]
        assert found('NAME:"thing 1"') == ["filter-1"]
        assert found(f"parent.type:folder parent.id:{parent.split('/')[1]}") == [
            "filter-0", "filter-1", "filter-2"]
        assert found(f"parent:{parent} state!=active") == ["filter-2"]
    found = api("POST", "/v1/organizations:search", {"filter": "parent.type:* OR parent.id:*"})
    assert found["organizations"] == [], "nothing stands above it"
    for wrong in ("(id:x", "id:x)", "id:", "x", 'id:"x', "no.such:x", "(" * 50 + "id:x"):
        fault = api("GET", "/v1/projects?filter=" + urllib.parse.quote(wrong), None, 400)["error"]
        assert fault["status"] == "INVALID_ARGUMENT", fault
    assert listed("displayName=Filter* AND state=ACTIVE", "folders") == [parent]


@test
def every_list_of_the_tree_has_pages():
    parent = folder("Paged")
    for number in range(5):
        project(f"paged-{number}", parent=parent)
        folder(f"Paged {number}", parent)
    items, count = pages(f"/v3/projects?parent={parent}", "projects", 2)
    assert [p["projectId"] for p in items] == [f"paged-{n}" for n in range(5)] and count == 3
    items, count = pages("/v1/projects?filter=id:paged-*", "projects", 2)
    assert len(items) == 5 and count == 3
    items, count = pages(f"/v3/folders?parent={parent}", "folders", 2)
    assert len(items) == len({f["name"] for f in items}) == 5 and count == 3
    items, count = pages("/v2/folders:search", "folders", 2, {"query": f"parent={parent}"})
    assert len(items) == 5 and count == 3
    items, count = pages("/v1/projects?filter=id:paged-*", "projects", 5)
    assert count == 1, "no token for a page that is not there"
    api("GET", "/v1/projects?pageToken=AA", None, 400)
    api("GET", "/v1/projects?pageSize=x", None, 400)


@test
def a_list_shows_only_what_its_reader_may_see():
    token = stand().token("access", member="user:stranger@example.com")
    assert api("GET", "/v1/projects", token=token)["projects"] == []
    assert api("GET", "/v3/folders:search", token=token)["folders"] == []


@test
def what_stays_unimplemented_says_so():
    for path in (f"/v3/{folder('Able')}/capabilities/x",):
        assert api("GET", path, None, 501)["error"]["status"] == "UNIMPLEMENTED"


if __name__ == "__main__":
    main()
