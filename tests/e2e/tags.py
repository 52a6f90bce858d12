#!/usr/bin/env python3
"""Tags in the conditions of grants, at the door of a service: own and inherited ones, by name and by
number. Each change is in force when the call that made it has returned, and access:explain, which
asks the record, always says what the gate, which asks the index, does."""
import contextlib
import os
import urllib.parse

from gcloud_stand import account, deploy, stand, status_of
from homerun import main, test

INVOKER = "roles/run.invoker"
PLACE = "projects/demo/locations/us-central1/services"
TREE = "//cloudresourcemanager.googleapis.com/"

_world = None


def api(method, path, body=None, status=200):
    answer = stand().api(method, path, body)
    assert answer.status == status, f"{method} {path}: {answer}"
    return answer.json


def done(operation):
    return operation["response"]


class World:
    """A service for each kind of condition (docs/access.md, K5), for a caller of its own; a key with two values."""

    def __init__(self):
        self.organization = api("GET", "/v3/organizations:search")["organizations"][0]["name"]
        self.key = done(api("POST", "/v3/tagKeys",
                            {"parent": self.organization, "shortName": "env"}))
        self.prod, self.test = (
            done(api("POST", "/v3/tagValues", {"parent": self.key["name"], "shortName": name}))
            for name in ("prod", "test"))
        self.folder = done(api("POST", "/v3/folders",
                               {"parent": self.organization, "displayName": "tagged"}))["name"]
        self.caller = "serviceAccount:" + account("tag-caller")
        key, number = self.key["namespacedName"], self.key["name"]
        self.conditions = {
            "match": f"resource.matchTag('{key}', 'prod')",
            "match-id": f"resource.matchTagId('{number}', '{self.prod['name']}')",
            "has": f"resource.hasTagKey('{key}')",
            "has-id": f"resource.hasTagKeyId('{number}')",
            "not-match": f"!resource.matchTag('{key}', 'prod')",
            "either": f"resource.matchTag('{key}', 'test') || request.path == '/other'",
        }
        for name, condition in self.conditions.items():
            deploy(name)
            allow(name, self.caller, condition)

    @staticmethod
    def expected(value):
        """The services that VALUE ("prod", "test" or None) opens to the caller."""
        return {"match": value == "prod", "match-id": value == "prod", "has": value is not None,
                "has-id": value is not None, "not-match": value != "prod",
                "either": value == "test"}


def world():
    global _world
    if _world is None:
        _world = World()
    return _world


def allow(name, member, condition):
    binding = {"role": INVOKER, "members": [member],
               "condition": {"title": "t", "expression": condition}}
    api("POST", f"/v1/{PLACE}/{name}:setIamPolicy",
        {"policy": {"version": 3, "bindings": [binding]}})


def full(name):
    return f"//run.googleapis.com/projects/{stand().ready['projectNumber']}" \
           f"/locations/us-central1/services/{name}"


def project():
    return TREE + "projects/" + stand().ready["projectNumber"]


def bind(parent, value, query=""):
    return done(api("POST", "/v3/tagBindings" + query,
                    {"parent": parent, "tagValue": value["name"]}))


def unbind(name):
    api("DELETE", "/v3/" + name)


@contextlib.contextmanager
def bound(parent, value):
    name = bind(parent, value)["name"]
    try:
        yield
    finally:
        unbind(name)


def move(parent):
    api("POST", "/v3/projects/demo:move", {"destinationParent": parent})


def explained(name, member):
    query = urllib.parse.urlencode({"resource": f"{PLACE}/{name}", "member": member})
    return api("GET", f"/homerun/v1/access:explain?{query}")


def check(value, *names):
    """The caller is let in as VALUE says: by the gate at once, and by the explanation."""
    for name, is_open in world().expected(value).items():
        if names and name not in names:
            continue
        status = status_of(name, member=world().caller)
        assert status == (200 if is_open else 403), f"{name} with {value}: {status}"
        found = explained(name, world().caller)
        assert (found["allowed"], found["status"]) == (is_open, status), f"{name}: {found}"
        if is_open:
            assert found["because"]["condition"] == world().conditions[name], found


@test
def without_tags_only_what_asks_for_none_is_granted():
    check(None)


@test
def a_tag_of_a_service_opens_that_service_alone():
    for name in world().conditions:
        with bound(full(name), world().prod):
            check("prod", name)
            check(None, *(set(world().conditions) - {name}))
    check(None)


@test
def a_tag_comes_down_from_project_folder_and_organization():
    move(world().folder)
    for node in (project(), TREE + world().folder, TREE + world().organization):
        with bound(node, world().prod):
            check("prod")
        check(None)
    move(world().organization)


@test
def the_nearest_value_of_a_key_wins():
    with bound(TREE + world().organization, world().prod):
        with bound(project(), world().test):
            check("test")
            with bound(full("match"), world().prod), bound(full("has-id"), world().prod):
                check("prod", "match", "has-id")
                check("test", "match-id", "has", "not-match", "either")
            check("test")
        check("prod")
    check(None)


@test
def a_project_that_moves_has_the_tags_of_where_it_is():
    home = world().organization
    with bound(TREE + world().folder, world().prod), bound(TREE + home, world().test):
        for _ in range(2):
            move(world().folder)
            check("prod")
            move(home)
            check("test")


@test
def a_folder_that_moves_hands_down_the_tags_of_where_it_is():
    upper = done(api("POST", "/v3/folders", {"parent": world().organization,
                                             "displayName": "upper"}))["name"]
    move(world().folder)
    with bound(TREE + upper, world().prod):
        check(None)
        api("POST", f"/v3/{world().folder}:move", {"destinationParent": upper})
        check("prod")
        api("POST", f"/v3/{world().folder}:move", {"destinationParent": world().organization})
        check(None)
    move(world().organization)
    api("DELETE", "/v3/" + upper)


@test
def a_key_of_the_project_is_named_by_the_project():
    key = done(api("POST", "/v3/tagKeys", {"parent": "projects/demo", "shortName": "team"}))
    value = done(api("POST", "/v3/tagValues", {"parent": key["name"], "shortName": "web"}))
    assert key["namespacedName"] == "demo/team", key
    deploy("of-team")
    allow("of-team", world().caller, "resource.matchTag('demo/team', 'web')")
    assert status_of("of-team", member=world().caller) == 403
    with bound(full("of-team"), value):
        assert status_of("of-team", member=world().caller) == 200
        # What is bound stays: no tag goes while a decision may hang on it.
        api("DELETE", "/v3/" + value["name"], status=400)
        api("DELETE", "/v3/" + key["name"], status=400)
        api("PATCH", f"/v3/{value['name']}?updateMask=description", {"description": "the team"})
        assert status_of("of-team", member=world().caller) == 200
    api("DELETE", "/v3/" + value["name"])
    api("DELETE", "/v3/" + key["name"])
    assert status_of("of-team", member=world().caller) == 403


@test
def a_binding_that_is_only_asked_for_opens_nothing():
    bind(full("match"), world().prod, "?validateOnly=true")
    check(None, "match")
    check(None)


@test
def a_service_made_anew_under_an_old_name_has_none_of_its_tags():
    deploy("again")
    allow("again", world().caller, world().conditions["match"])
    bind(full("again"), world().prod)
    assert status_of("again", member=world().caller) == 200
    api("DELETE", f"/v1/{PLACE}/again")
    deploy("again")
    allow("again", world().caller, world().conditions["match"])
    assert status_of("again", member=world().caller) == 403
    assert not explained("again", world().caller)["allowed"]


@test
def a_project_that_is_brought_back_has_its_tags():
    with bound(full("match"), world().prod), bound(project(), world().test):
        api("DELETE", "/v3/projects/demo")
        assert status_of("match", member=world().caller) == 404
        api("POST", "/v3/projects/demo:undelete", {})
        check("prod", "match")
        check("test", "has-id", "not-match")
    check(None)


@test
def a_grant_on_the_project_opens_the_services_that_are_tagged():
    member = "serviceAccount:" + account("tag-project")
    got = api("POST", "/v1/projects/demo:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    got["version"] = 3
    got["bindings"].append({"role": INVOKER, "members": [member], "condition": {
        "title": "prod", "expression": world().conditions["match"]}})
    api("POST", "/v1/projects/demo:setIamPolicy", {"policy": got})
    with bound(full("match"), world().prod):
        assert (status_of("match", member=member), status_of("has", member=member)) == (200, 403)
        with bound(project(), world().prod):
            assert status_of("has", member=member) == 200
    assert (status_of("match", member=member), status_of("has", member=member)) == (403, 403)


@test
def everybody_may_be_let_in_by_a_tag():
    deploy("door")
    allow("door", "allUsers", world().conditions["match"])
    assert status_of("door") == 403
    with bound(full("door"), world().prod):
        assert status_of("door") == 200
        assert explained("door", "allUsers")["rung"] == "all_users"
    assert status_of("door") == 403


@test
def an_index_that_is_made_anew_holds_the_tags():
    with bound(project(), world().test), bound(full("match"), world().prod):
        # As after a start of the machine, when all of the index is thrown away.
        boot = os.path.join(stand().data, "index", "boot")
        assert os.path.exists(boot), boot
        with open(boot, "w", encoding="utf-8") as file:
            file.write("another")
        stand().restart()
        check("prod", "match")
        check("test", "match-id", "has", "has-id", "not-match", "either")
    check(None)


# ---- all tags of a resource together ----

def collection(name, kind="tagBindingCollections", location="us-central1"):
    return f"/v3/locations/{location}/{kind}/{urllib.parse.quote(full(name), safe='')}"


@test
def a_collection_holds_all_tags_of_a_resource_and_puts_them_at_once():
    w = world()
    key = w.key["namespacedName"]
    place = collection("match")
    found = api("GET", place)
    assert found["tags"] == {} and found["fullResourceName"].endswith("/services/match"), found
    for value in ("prod", "test", "prod"):
        etag = api("GET", place)["etag"]
        changed = done(api("PATCH", place, {"tags": {key: value}, "etag": etag}))
        assert changed["tags"] == {key: value} and changed["etag"] != etag, changed
        assert {"@type": changed["@type"], **api("GET", place)} == changed and changed["name"] == found["name"], changed
        assert status_of("match", member=w.caller) == (200 if value == "prod" else 403), value
        assert api("GET", collection("match", "effectiveTagBindingCollections"))["effectiveTags"] == {key: value}
        api("PATCH", place, {"tags": {}, "etag": etag}, status=409)
    bindings = api("GET", "/v3/tagBindings?parent=" + urllib.parse.quote(full("match"), safe=""))["tagBindings"]
    assert [one["tagValue"] for one in bindings] == [w.prod["name"]], bindings
    done(api("PATCH", place, {"tags": {}}))
    assert api("GET", place)["tags"] == {} and status_of("match", member=w.caller) == 403


@test
def a_collection_that_is_wrong_changes_nothing():
    w = world()
    key = w.key["namespacedName"]
    place = collection("has")
    done(api("PATCH", place, {"tags": {key: "test"}}))
    for path, body, status in ((place, {"tags": {key: "none"}}, 404), (place, {"tags": {f"{key}x": "prod"}}, 404),
                               (place + "?updateMask=name", {"tags": {}}, 400), (place, {"tags": {key: 1}}, 400),
                               (collection("has", location="global"), {"tags": {}}, 400),
                               (collection("nowhere"), {"tags": {}}, 404),
                               ("/v3/locations/global/tagBindingCollections/x", {"tags": {}}, 400)):
        api("PATCH", path, body, status=status)
        assert api("GET", place)["tags"] == {key: "test"}, (path, body)
    stranger = stand().token("access", member="user:stranger@example.com")
    for method, body in (("GET", None), ("PATCH", {"tags": {}})):
        assert stand().api(method, place, body, token=stranger).status == 403, method
    done(api("PATCH", place, {"tags": {}}))


if __name__ == "__main__":
    main()
