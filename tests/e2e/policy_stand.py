"""What the tests of policies and of the tree share: the API by one call, policies for the time
of a `with`, services that are changed and opened."""
import json
import os
import urllib.parse

from gcloud_stand import LOOK, stand


INVOKER = "roles/run.invoker"
REQUIRE = "run.managed.requireInvokerIam"
DOMAINS = "iam.allowedPolicyMemberDomains"
MEMBERS = "iam.managed.allowedPolicyMembers"
PLACE = "projects/demo/locations/us-central1"


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

def pages(path, kind, size, body=None):
    """The items of all pages, and how many pages there were. With BODY, the list is asked by POST."""
    items, token, count = [], "", 0
    while count == 0 or token:
        more = {"pageSize": size, **({"pageToken": token} if token else {})}
        if body is None:
            got = api("GET", f"{path}{'&' if '?' in path else '?'}{urllib.parse.urlencode(more)}")
        else:
            got = api("POST", path, {**body, **more})
        assert len(got.get(kind, [])) <= size, got
        items += got.get(kind, [])
        count += 1
        token = got.get("nextPageToken")
    return items, count
