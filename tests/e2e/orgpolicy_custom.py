#!/usr/bin/env python3
"""What an organization writes itself: custom constraints, dry runs, custom roles."""
import json

from gcloud_stand import deploy, gcloud, stand, status_of
from homerun import main, test
from policy_stand import (REQUIRE, api, bind, key, organization, pages, policy_set, replace, rules,
                          set_open, written)


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
    assert api("GET", f"/v2/{node}/customConstraints")["customConstraints"] == []
    for name in "abc":
        api("POST", f"/v2/{node}/customConstraints",
            {**body, "name": f"{node}/customConstraints/custom.{name}", "condition": "true"})
    items, count = pages(f"/v2/{node}/customConstraints", "customConstraints", 2)
    assert len({c["name"] for c in items}) == 3 and count == 2, items
    for name in "abc":
        api("DELETE", f"/v2/{node}/customConstraints/custom.{name}")
    for change in ({"condition": "request.time == 1"}, {"methodTypes": ["UPDATE"]},
                   {"resourceTypes": ["Instance"]}, {"resourceTypes": []},
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


if __name__ == "__main__":
    main()
