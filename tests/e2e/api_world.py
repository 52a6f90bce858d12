"""One thing of every kind for calls to aim at, a body that each method would take, and a client that
asks thousands of times: for api_generated.py."""
import base64
import contextlib
import json
import re
import sqlite3
import subprocess

from by_api import Raw
from homerun import BINARY, ROOT

CALL_SECONDS = 5
FACTS = json.loads((ROOT / "tests" / "data" / "discovery.json").read_text(encoding="utf-8"))
PROJECT = "attacked"
BILLING = "01AB23-45CD67-89EF00"
PARAMETER = re.compile(r"\{(\w+)(=\*\*)?\}")

# Homerun's own API and older versions of Google's, in the words of discovery.json.
OWN_SCHEMAS = {
    "own.Group": {"email": "string", "members": "list:string"},
    "own.Issuer": {"name": "string", "issuer": "string", "jwks": "any", "jwksUri": "string",
                   "domains": "list:string", "pool": "string", "googleLike": "bool"},
    "own.Token": {"kind": "string", "member": "string", "audience": "string"},
    "own.Image": {"name": "string", "dir": "string", "program": "list:string"},
    "own.Tail": {"resourceNames": "list:string", "filter": "string", "bufferWindow": "string"},
    "own.Entries": {"resourceNames": "list:string", "filter": "string", "orderBy": "string",
                    "pageSize": "int32", "pageToken": "string"},
    "own.Enable": {"serviceIds": "list:string"},
    "own.Pool": {"displayName": "string", "description": "string", "disabled": "bool"},
    "own.Link": {"member": "string", "purpose": "string", "days": "int32"},
    "own.SignOut": {"email": "string", "passkeys": "bool"},
    "own.SignIn": {"code": "string"},
    "own.Disable": {"disableDependentServices": "bool", "checkIfServiceHasUsage": "string"},
    "own.BillingInfo": {"billingAccountName": "string"},
    "own.BillingAccount": {"displayName": "string", "masterBillingAccount": "string"},
    "own.Permissions": {"permissions": "list:string"},
    "own.Empty": {},
    "own.Explain": {"resource": "string", "method": "string", "host": "string", "path": "string",
                    "network": "string", "internal": "bool", "time": "string", "member": "string",
                    "authorization": "list:string", "serverlessAuthorization": "list:string", "headers": "list:string"},
    "own.GetIamPolicy": {"options": "ref:cloudresourcemanager.v1.GetPolicyOptions"},
    "own.Testable": {"fullResourceName": "string", "pageSize": "int32", "pageToken": "string"},
    "own.Replication": {"automatic": "any", "userManaged": "any"},
    "own.Secret": {"replication": "ref:own.Replication", "labels": "map:string", "annotations": "map:string",
                   "expireTime": "time", "ttl": "duration"},
    "own.Payload": {"data": "bytes", "dataCrc32c": "int64"},
    "own.AddVersion": {"payload": "ref:own.Payload"},
    "own.Etag": {"etag": "string"},
    "own.Plan": {"resource": "string", "policy": "ref:cloudresourcemanager.v1.Policy", "invokerIamDisabled": "bool",
                 "ingress": "string"},
    "own.IapSettings": {"name": "string", "accessSettings": "ref:own.IapAccess", "applicationSettings": "ref:own.IapApplication"},
    "own.IapAccess": {"oauthSettings": "ref:own.IapOauth", "reauthSettings": "ref:own.IapReauth", "corsSettings": "ref:own.IapCors",
                      "allowedDomainsSettings": "ref:own.IapDomains"},
    "own.IapOauth": {"loginHint": "string", "programmaticClients": "list:string"},
    "own.IapReauth": {"method": "string", "maxAge": "duration", "policyType": "string"},
    "own.IapCors": {"allowHttpOptions": "bool"},
    "own.IapDomains": {"enable": "bool", "domains": "list:string"},
    "own.IapApplication": {"accessDeniedPageSettings": "ref:own.IapDenied"},
    "own.IapDenied": {"accessDeniedPageUri": "string"},
    "own.Extension": {"containingType": "string", "extensionNumber": "int32"},
    "own.Question": {"host": "string", "fileByFilename": "string", "fileContainingSymbol": "string",
                     "fileContainingExtension": "ref:own.Extension", "allExtensionNumbersOfType": "string",
                     "listServices": "string"},
    "own.Volume": {"name": "string", "dir": "string", "readOnly": "bool", "serviceAccounts": "list:string"},
    "own.SearchFolders": {"query": "string", "pageSize": "int32", "pageToken": "string"},
}
OWN_METHODS = {
    "POST /v1/projects/{}/locations/global/workloadIdentityPools": "own.Pool",
    "PATCH /v1/projects/{}/locations/global/workloadIdentityPools/{}": "own.Pool",
    "POST /v1/projects/{}/locations/global/workloadIdentityPools/{}/providers": "own.Pool",
    "PATCH /v1/projects/{}/locations/global/workloadIdentityPools/{}/providers/{}": "own.Pool",
    "POST /v1/projects/{}/secrets": "own.Secret", "PATCH /v1/projects/{}/secrets/{}": "own.Secret",
    "POST /v1/projects/{}/secrets/{}:addVersion": "own.AddVersion",
    "POST /v1/projects/{}/secrets/{}/versions/{}:enable": "own.Etag",
    "POST /v1/projects/{}/secrets/{}/versions/{}:disable": "own.Etag",
    "POST /v1/projects/{}/secrets/{}/versions/{}:destroy": "own.Etag",
    "POST /v1/projects/{}/secrets/{}:testIamPermissions": "own.Permissions",
    "POST /v1/projects/{}/secrets/{}:setIamPolicy": "run.v2.GoogleIamV1SetIamPolicyRequest",
    "POST /homerun/v1/groups": "own.Group", "PUT /homerun/v1/groups/{}": "own.Group",
    "POST /homerun/v1/issuers": "own.Issuer", "POST /homerun/v1/tokens": "own.Token",
    "POST /homerun/v1/links": "own.Link", "POST /homerun/v1/sessions:signOut": "own.SignOut",
    "POST /console/session": "own.SignIn",
    "POST /homerun/v1/images": "own.Image", "POST /v2/entries:list": "own.Entries",
    "POST /v2/entries:tail": "own.Tail",
    "POST /v1/projects/{}/services:batchEnable": "own.Enable",
    "POST /v2/folders:search": "own.SearchFolders",
    "POST /v1/projects/{}/locations/{}/services/{}:getIamPolicy": "own.GetIamPolicy",
    "POST /v1/projects/{}/serviceAccounts/{}:getIamPolicy": "own.GetIamPolicy",
    "POST /v1/projects/{}/services/{}:enable": "own.Empty",
    "POST /v1/projects/{}/services/{}:disable": "own.Disable",
    "PUT /v1/projects/{}/billingInfo": "own.BillingInfo",
    "POST /v1/billingAccounts": "own.BillingAccount",
    "PATCH /v1/billingAccounts/{}": "own.BillingAccount",
    "POST /v1/billingAccounts/{}:testIamPermissions": "own.Permissions",
    "POST /v1/permissions:queryTestablePermissions": "own.Testable",
    "POST /homerun/v1/keys:rotate": "own.Empty",
    "POST /homerun/v1/nodes/{}:drain": "own.Empty", "POST /homerun/v1/nodes/{}:undrain": "own.Empty",
    "POST /homerun/v1/projects/{}/volumes": "own.Volume",
    "POST /homerun/v1/reflection": "own.Question", "POST /homerun/v1alpha/reflection": "own.Question",
    "POST /homerun/v1/issuers/{}:renew": "own.Empty",
    "POST /homerun/v1/access:explain": "own.Explain",
    "POST /homerun/v1/access:plan": "own.Plan",
    "PATCH /v1/projects/{}:iapSettings": "own.IapSettings",
    **{f"{verb} /v1/projects/{{}}/iap_web{level}:{method}": schema
       for level in ("", "/{}", "/{}/services/{}")
       for verb, method, schema in (("POST", "getIamPolicy", "own.GetIamPolicy"),
                                    ("POST", "setIamPolicy", "run.v2.GoogleIamV1SetIamPolicyRequest"),
                                    ("POST", "testIamPermissions", "own.Permissions"),
                                    ("PATCH", "iapSettings", "own.IapSettings"))},
}
SCHEMAS = {**FACTS["schemas"], **OWN_SCHEMAS}


def routes():
    """The rows of the table, those that could end an owner's rights last."""
    printed = subprocess.run([BINARY, "routes"], capture_output=True, check=True, timeout=30).stdout
    # What stands only on the services' listener has tests of its own (signin.py).
    elsewhere = {"on-auth-host", "on-service-hosts", "by-ingress"}
    rows = [row for row in json.loads(printed) if not elsewhere & set(row["flags"])]
    for row in rows:
        row["label"] = f"{row['verb']} {row['path']}"
        shape = f"{row['verb']} {PARAMETER.sub('{}', row['path'])}"
        facts = FACTS["methods"].get(shape) or \
            FACTS["methods"].get(shape.replace(" /v2/folders", " /v3/folders")) or {}
        request = facts.get("request", "")
        row["schema"] = OWN_METHODS.get(shape) or request.removeprefix("ref:")
        row["query"] = facts.get("query", {})
        row["takes_body"] = row["verb"] in ("POST", "PUT", "PATCH")
        row["oauth"] = row["method"].startswith(("oauth2.Token", "sts.v1."))
    return sorted(rows, key=lambda row: row["method"].endswith("SetIamPolicy")
                  + row["method"].endswith("SetIamPolicy") * ("organization" in row["path"]))


# ---- the client ----

class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("utf-8", "replace")

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def error(self):
        """Google's error object, or None."""
        error = self.json.get("error") if isinstance(self.json, dict) else None
        return error if isinstance(error, dict) else None

    @property
    def named(self):
        """The message and all fields that the error names, as one text."""
        error = self.error or {}
        fields = [one.get("field", "") for part in error.get("details", [])
                  for one in part.get("fieldViolations", [])]
        return " ".join([str(error.get("message", "")), *fields])


class Client:
    """Calls on one connection that is kept, each with a limit of time."""

    def __init__(self, homerun):
        self.homerun = homerun
        self.raw = None
        self.calls = 0

    def call(self, verb, target, token="", body=None, headers=()):
        lines = list(headers)
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
            if not any(line.lower().startswith("content-type:") for line in lines):
                lines.append("Content-Type: application/json")
        self.calls += 1
        for fresh in (False, True):
            if self.raw is None:
                fresh = True
                self.raw = Raw(self.homerun, "api", seconds=CALL_SECONDS)
            try:
                self.raw.ask("localhost", target, verb, lines, body or b"")
                status, got, text = self.raw.answer()
            except (EOFError, BrokenPipeError, ConnectionResetError):
                self.close()  # an idle connection may have been closed meanwhile; a new one not
                if fresh:
                    raise
                continue
            except OSError:
                self.close()
                raise
            if got.get("connection", "").lower() == "close":
                self.close()
            return Reply(status, got, text)
        raise AssertionError("not reached")

    def close(self):
        if self.raw is not None:
            self.raw.sock.close()
            self.raw = None


# ---- the world ----

class World:
    """A project of its own below the organization, with one of everything in it."""

    def __init__(self, homerun):
        self.homerun = homerun
        self.organization = self.make("GET", "/v3/organizations:search")["organizations"][0][
            "name"].split("/")[1]
        self.region = homerun.ready["region"]
        above = f"organizations/{self.organization}"
        folder = self.make("POST", "/v3/folders", {"parent": above, "displayName": "attacked"})
        self.folder = folder["response"]["name"].split("/")[1]
        self.organization_policy = self.make("POST", f"/v3/{above}:getIamPolicy", {})
        self.make("POST", "/v3/projects", {"projectId": PROJECT, "parent": above})
        self.make("POST", f"/v1/projects/{PROJECT}:setIamPolicy",
                  {"policy": {"bindings": self.bindings({"path": ""})}})
        accounts = f"/v1/projects/{PROJECT}/serviceAccounts"
        self.account = self.make("POST", accounts, {"accountId": "attacked"})["email"]
        key = self.make("POST", f"{accounts}/{self.account}/keys", {})
        self.key = key["name"].split("/")[-1]
        self.make("POST", f"/v1/projects/{PROJECT}/roles", {"roleId": "attacked", "role": {
            "title": "Attacked", "includedPermissions": ["run.services.get"]}})
        self.make("POST", f"/v1/{above}/roles", {"roleId": "attacked", "role": {
            "title": "Attacked", "includedPermissions": ["run.services.get"]}})
        self.make("POST", "/homerun/v1/groups", {"email": "attacked@example.com", "members": []})
        self.make("POST", f"/v1/projects/{PROJECT}/secrets?secretId=attacked", self.secret())
        self.make("POST", f"/v1/projects/{PROJECT}/secrets/attacked:addVersion", self.secret_version())
        self.make("PATCH", f"/v1/projects/{PROJECT}/secrets/attacked?updateMask=versionAliases",
                  {"versionAliases": {"attacked": 1}})
        operation = self.make("POST", self.services("?serviceId=attacked"), self.service_v2())
        self.operation = operation["name"].split("/")[-1]
        self.revision = "attacked-00001-abc"
        self.policy = "run.allowedIngress"
        tag = self.make("POST", "/v3/tagKeys", {"parent": above, "shortName": "attacked"})
        self.tag_key = tag["response"]["name"].split("/")[1]
        value = self.make("POST", "/v3/tagValues", {"parent": f"tagKeys/{self.tag_key}",
                                                    "shortName": "attacked"})
        self.tag_value = value["response"]["name"].split("/")[1]

    def make(self, verb, path, body=None):
        got = self.homerun.api(verb, path, body)
        assert got.status == 200, f"{verb} {path}: {got}"
        return got.json

    def services(self, rest=""):
        return f"/v2/projects/{PROJECT}/locations/{self.region}/services{rest}"

    def change_number(self):
        """How often the record has changed."""
        with contextlib.closing(sqlite3.connect(f"file:{self.homerun.data}/homerun.db?mode=ro",
                                                uri=True)) as record:
            return record.execute("SELECT value FROM meta WHERE name = 'change'").fetchone()[0]

    # -- paths --

    def parameters(self, row):
        """What each parameter of the row's path is called here."""
        path = row["path"]
        return {
            "project": PROJECT, "region": self.region, "service": "attacked",
            "configuration": "attacked", "route": "attacked", "revision": self.revision,
            "account": self.account, "folder": self.folder, "organization": self.organization,
            "key": "0123456789abcdef" if path.startswith("/homerun/") else self.key,
            "role": "run.invoker" if path.startswith("/v1/roles") else "attacked",
            "group": "attacked@example.com", "operation": self.operation,
            "policy": self.policy, "constraint": "custom.attacked", "api": "pubsub.googleapis.com", "billing": BILLING,
            "issuer": "issuer.example", "image": "registry.example/attacked",
            "tag": self.tag_value if path.startswith("/v3/tagValues") else self.tag_key,
            "resource": f"%2F%2Fcloudresourcemanager.googleapis.com%2Fprojects%2F{PROJECT}",
            "value": self.tag_value, "type": f"cloud_run-{self.region}",
        }

    def path(self, row, **instead):
        """The row's path; INSTEAD: raw text for some of its parameters."""
        values = {**self.parameters(row), **instead}
        if "{image}" in row["path"]:
            values["image"] = instead.get("image", "attacked")
        return PARAMETER.sub(lambda found: values.get(found.group(1), "attacked"), row["path"])

    def harmless_path(self, row):
        """The same, but what would be deleted is not there."""
        names = [name for name, _ in PARAMETER.findall(row["path"])]
        if row["verb"] == "DELETE" and names:
            ghost = "ghost%40example.com" if names[-1] in ("account", "group") else "ghost"
            return self.path(row, **{names[-1]: ghost})
        return self.path(row)

    # -- bodies --

    @staticmethod
    def service_v1():
        return {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
                "metadata": {"name": "attacked"},
                "spec": {"template": {"spec": {"containers": [{"image": "homerun.test/hello"}]}}}}

    @staticmethod
    def service_v2():
        return {"template": {"containers": [{"image": "homerun.test/hello"}]}}

    @staticmethod
    def secret():
        return {"replication": {"automatic": {}}}

    @staticmethod
    def secret_version():
        return {"payload": {"data": base64.b64encode(b"attacked").decode()}}

    def body(self, row):
        """An object that the method takes, or nearly."""
        name = row["method"].split(".")[-1]
        if name == "CreateService" or name == "ReplaceService" or name == "UpdateService":
            return self.service_v1() if row["path"].startswith(("/apis/", "/v1/")) \
                else self.service_v2()
        if name == "SetIamPolicy":
            return {"policy": {"bindings": self.bindings(row)}}
        parts = {**self.access_bodies(), **self.tree_bodies(row), **self.policy_bodies(row)}
        return parts.get(name, {})

    def bindings(self, row):
        """Such that the owner stays one."""
        viewer = {"role": "roles/viewer", "members": ["user:a@example.com"]}
        if "{organization}" in row["path"]:
            return [viewer, *self.organization_policy["bindings"]]
        owner = [f"serviceAccount:{self.homerun.ready['owner']['email']}"]
        creator = {"role": "roles/iam.serviceAccountTokenCreator", "members": owner}
        return [viewer, {"role": "roles/owner", "members": owner},
                *([] if "/services/" in row["path"] or "iap_web" in row["path"] else [creator])]

    def access_bodies(self):
        return {
            "TestIamPermissions": {"permissions": ["run.services.get"]},
            "CreateServiceAccount": {"accountId": "another"},
            "PatchServiceAccount": {"serviceAccount": {"displayName": "a"},
                                    "updateMask": "displayName"},
            "GenerateAccessToken": {"scope": ["https://www.googleapis.com/auth/cloud-platform"]},
            "GenerateIdToken": {"audience": "https://a.example"},
            "SignJwt": {"payload": json.dumps({"iss": "a"})},
            "SignBlob": {"payload": base64.b64encode(b"a").decode()},
            "CreateSecret": self.secret(), "AddSecretVersion": self.secret_version(),
            "UpdateSecret": {"labels": {"a": "b"}},
            "CreateRole": {"roleId": "another", "role": {"title": "a"}},
            "UpdateRole": {"title": "a"},
            "Plan": {"resource": f"projects/{PROJECT}/locations/{self.region}/services/attacked", "invokerIamDisabled": True},
            "CreateGroup": {"email": "another@example.com", "members": ["user:a@example.com"]},
            "UpdateGroup": {"members": ["user:a@example.com"]},
            "CreateToken": {"kind": "access", "member": "user:a@example.com"},
            "ListLogEntries": {"resourceNames": [f"projects/{PROJECT}"]},
            "TailLogEntries": {"resourceNames": [f"projects/{PROJECT}"]},
            "BatchEnableServices": {"serviceIds": ["run.googleapis.com"]},
            "CreateBillingAccount": {"displayName": "a",
                                     "masterBillingAccount": f"billingAccounts/{BILLING}"},
            "UpdateBillingAccount": {"displayName": "a"},
            "UpdateProjectBillingInfo": {"billingAccountName": f"billingAccounts/{BILLING}"},
        }

    def tree_bodies(self, row):
        above = f"organizations/{self.organization}"
        old = {"type": "organization", "id": self.organization}
        return {
            "CreateProject": {"projectId": "another-one",
                              "parent": old if row["path"].startswith("/v1/") else above},
            "UpdateProject": {"name": "a"} if row["path"].startswith("/v1/")
                             else {"displayName": "attacked"},
            "CreateFolder": {"parent": above, "displayName": "another"},
            "UpdateFolder": {"displayName": "renamed"},
            "MoveFolder": {"destinationParent": above}, "MoveProject": {"destinationParent": above},
            "Create": {"parent": above if "tagKeys" in row["path"] else f"tagKeys/{self.tag_key}",
                       "shortName": "another"},
            "Update": {"description": "a"},
            "CreateLien": {"parent": f"projects/{PROJECT}",
                           "restrictions": ["resourcemanager.projects.delete"]},
            "CreateTagBinding": {
                "parent": f"//cloudresourcemanager.googleapis.com/projects/{PROJECT}",
                "tagValue": f"tagValues/{self.tag_value}"},
        }

    def policy_bodies(self, row):
        on = self.path(row).split("/policies")[0].removeprefix("/v2/")
        policy = {"name": f"{on}/policies/{self.policy}",
                  "spec": {"rules": [{"values": {"allowedValues": ["all"]}}]}}
        constraint = f"constraints/{self.policy}"
        return {
            "CreatePolicy": policy, "UpdatePolicy": policy,
            "CreateCustomConstraint": {
                "name": f"organizations/{self.organization}/customConstraints/custom.another",
                "resourceTypes": ["run.googleapis.com/Service"], "methodTypes": ["CREATE"],
                "condition": "resource.metadata.name == 'never'", "actionType": "DENY"},
            "SetOrgPolicy": {"policy": {"constraint": constraint,
                                        "listPolicy": {"allowedValues": ["all"]}}},
            "ClearOrgPolicy": {"constraint": constraint},
            "GetOrgPolicy": {"constraint": constraint},
            "GetEffectiveOrgPolicy": {"constraint": constraint},
        }


# ---- wrong values ----

# What the server writes and drops when it comes back, though the documents do not say so.
WRITTEN_BY_US = {"name", "etag", "kind", "uniqueId", "oauth2ClientId", "email", "createTime",
                 "updateTime", "projectNumber", "lifecycleState", "namespacedName", "purpose",
                 "purposeData", "status", "digest", "builtIn", "bindingId", "generation",
                 "observedGeneration", "reconciling", "uri", "deleted"}
# Taken for the sake of Kubernetes clients, and dropped.
KUBERNETES_ONLY = {"status", "ownerReferences", "generation", "creationTimestamp", "selfLink",
                   "deletionTimestamp", "resourceVersion", "uid", "clusterName", "finalizers",
                   "generateName", "deletionGracePeriodSeconds"}

WRONG = {
    "string": [7, True, {}, ["x"]],
    "bool": ["yes", 1, []],
    "int32": ["many", 1.5, 1 << 40, {}],
    "int64": ["many", 1.5, []],
    "double": ["half", {}],
    "enum": ["NO_SUCH_NAME", {}, 1.5],
    "ref": ["x", 7, [[]]],
    "list": [{"0": 1}, "x", 7],
    "map": [[1], "x", 7],
    "time": ["yesterday", 7, "2026-13-45T99:00:00Z"],
    "duration": ["5 minutes", 7, "99999999999999999999s"],
    "bytes": ["!!!", 7, {}],
    "mask": [7, {}],
    "any": [],
}


def fields_of(schema, depth=5, seen=()):
    """(path, type) of each field that can be reached: path of names, and 0 for "a list's first"."""
    for name, kind in SCHEMAS.get(schema, {}).items():
        if kind == "out" or (name in WRITTEN_BY_US and len(seen) < 2) or name in KUBERNETES_ONLY:
            continue
        yield (name,), kind
        head, _, rest = kind.partition(":")
        inner, step = (rest, (0,)) if head == "list" else (kind, ())
        if step and inner.partition(":")[0] not in ("ref", "any"):
            yield (name, 0), inner
        if inner.startswith("ref:") and depth > 0 and inner[4:] not in seen:
            for path, more in fields_of(inner[4:], depth - 1, (*seen, schema)):
                yield (name, *step, *path), more


def put_at(body, path, value):
    """A copy of BODY in which VALUE stands at PATH."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if step == 0:
        items = list(body) if isinstance(body, list) else []
        return [put_at(items[0] if items else {}, rest, value), *items[1:]]
    old = body if isinstance(body, dict) else {}
    return {**old, step: put_at(old.get(step, {}), rest, value)}


def deep(levels, opening=b"[", closing=b"]"):
    return opening * levels + closing * levels


# Name, bytes, and whether it is no JSON object at all.
RAW_BODIES = [
    ("an open object", b'{"a":', True),
    ("a list", b"[]", True),
    ("null", b"null", True),
    ("a number", b"1", True),
    ("a text", b'"x"', True),
    ("two objects", b"{}{}", True),
    ("an object and a word", b"{} x", True),
    ("a name twice", b'{"a":1,"a":2}', True),
    ("bytes that are no UTF-8", b'{"a":"\xff\xfe"}', True),
    ("a lone half of a pair", b'{"a":"\\ud800"}', True),
    ("a NUL", b'{"a":"\\u0000"}', True),
    ("bare NULs", b"\0\0\0", True),
    ("UTF-16", '{"a":1}'.encode("utf-16"), True),
    ("100 levels", b'{"a":' + deep(100) + b"}", True),
    ("100000 levels", b'{"a":' + deep(100000) + b"}", True),
    ("100000 open brackets", b"[" * 100000, True),
    ("a number beyond all", b'{"a":1e999}', True),
    ("an integer beyond all", b'{"a":' + b"9" * 400 + b"}", True),
    ("single quotes", b"{'a':1}", True),
    ("a comment", b"{/* */}", True),
    ("spaces only", b"  \n ", True),
    ("an unknown field", b'{"noSuchField":1}', False),
    ("a field without a name", b'{"":1}', False),
    ("a huge text", b'{"noSuchField":"' + b"x" * 300000 + b'"}', False),
    ("a huge name", b'{"' + b"x" * 300000 + b'":1}', False),
    ("a huge list", b'{"noSuchField":[' + b",".join([b"1"] * 50000) + b"]}", False),
    ("many names", b"{" + b",".join(b'"f%d":1' % i for i in range(20000)) + b"}", False),
]

# Texts in the place of a path's parameter, as they stand in the request line.
BAD_SEGMENTS = [
    "%2F", "..", "%2e%2e", "%2e%2e%2f%2e%2e", ".", "a%2Fb", "%00", "a%00b", "%", "%zz", "%2", "%ff",
    "%c0%af", "%ed%a0%80", "x" * 300, "x" * 3000, "A_B", "-", "*", "~", "%20", "%0d%0aSet-Cookie:a",
    "a:b", ":", "a@b", "%C3%A9", "é", "'%20OR%201=1--", "$(id)", "%25s%25n", "{x}", "0",
    "99999999999999999999", "-1", "a,b", "a;b", "a=b", "\"", "<b>", "\\", "a%5Cb", "%e2%80%ae",
]
# Of which these may not stand in a request at all: the answer is HTTP's, not the API's.
NO_HTTP = {"é", "\"", "<b>", "\\"}
