#!/usr/bin/env python3
"""The cure of a refusal, made in each form that the explanation shows: by gcloud, as a file of YAML, by Terraform, and in
the console. After each, the same request reaches the container.

scenarios.py types the homerun form of every scenario; here are those that together hold each kind of change. Terraform's
provider is the real one where HOMERUN_TERRAFORM_PROVIDER names it, and played elsewhere.
"""
import json
import os
import pathlib
import re
import subprocess
import tomllib

from homerun import BINARY, ROOT, Skip, expect, main, need, test, wait_until
from scenarios import stand
from terraform import Folder, providers
from terraform_iam_resources import Family, Member
from terraform_provider import IMAGE as HELLO
from terraform_provider import PARENT, V2Service, without_zeros

# One for each kind of change that explain.h has, and one with two changes of the same service.
GRANT, INGRESS, DEFAULT_URL, AUDIENCE = "role-missing", "ingress-internal", "default-url-off", "audience-of-our-domain"
ENABLE, UNDELETE, STRANGER, SIBLING = "disabled-account", "deleted-account", "no-token", "audience-of-the-sibling"
TWO = {
    "given": ["homerun services update shop --ingress=internal --no-default-url",
              "homerun services add-iam-policy-binding shop --member=serviceAccount:{worker} --role=roles/run.invoker"],
    "request": {"token": {"as": "worker"}},
}


def scenario(name):
    if name == "two":
        return TWO
    return tomllib.loads((ROOT / "tests" / "scenarios" / f"{name}.toml").read_text(encoding="utf-8"))


def refused(s, of):
    """The situation of a scenario, and the changes that its refusal is explained with."""
    s.reset()
    for command in of.get("given", []):
        s.shell(s.fill(command))
    status, denial = s.send(of["request"])
    assert status != 200 and denial, status
    wait_until(lambda: s.homerun.api("GET", f"/homerun/v1/access:explain?denial={denial}").status == 200,
               "the refusal is in the log")
    return s.explain(denial)[1]["changes"]


def cured_by(form, apply, names):
    """Each scenario of NAMES, cured by APPLY(change) of every change that it takes."""
    s = stand()
    for name in names:
        of = scenario(name)
        try:
            changes = refused(s, of)
            assert changes and all(form in change for change in changes), (name, form, changes)
            for change in changes:
                apply(change)
            status, _ = s.send(of["request"])
            assert status == 200, (name, form, status, changes)
        finally:
            for command in of.get("after", []):
                s.shell(s.fill(command))


def typed(command):
    """COMMAND in a shell of its own, with gcloud set up as `homerun env` says."""
    s = stand()
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**s.homerun.client_environment(), "PATH": f"{s.bin}:{os.environ['PATH']}", "BASH_ENV": ""})
    expect(done, 0)
    return done


# ---- gcloud ----

@test
def by_gcloud_as_it_stands():
    need("gcloud")
    cured_by("gcloud", lambda change: typed(change["gcloud"]), [GRANT, INGRESS, DEFAULT_URL, AUDIENCE, ENABLE, UNDELETE])


@test
def a_request_that_is_another_by_gcloud():
    """Where no setting is in the way: the caller sends another token."""
    need("gcloud")
    s = stand()
    for name in (STRANGER, SIBLING):
        changes = refused(s, scenario(name))
        assert [change["kind"] for change in changes][-1] == "REQUEST", changes
        for change in changes:
            done = typed(change["gcloud"])
        assert '"hits"' in done.stdout, (name, changes[-1]["gcloud"], done.stdout[-500:])


# ---- YAML ----

@test
def by_a_file_of_yaml():
    """The first line says which command takes the file."""
    need("gcloud")
    path = os.path.join(stand().homerun.folder, "cure.yaml")

    def apply(change):
        first = change["yaml"].splitlines()[0]
        found = re.fullmatch(r"# (gcloud run services (?:replace|set-iam-policy) .*)", first)
        assert found, first
        pathlib.Path(path).write_text(change["yaml"], encoding="utf-8")
        typed(found[1].replace("FILE", path))

    cured_by("yaml", apply, [GRANT, AUDIENCE, "two"])


@test
def a_file_of_yaml_keeps_what_else_is_there():
    """Variables, other audiences and other members; and it is no new revision."""
    s = stand()
    s.reset()
    s.shell("homerun services update shop --update-env-vars='A=$x ${y} \"z\"' --add-custom-audiences=https://first.example")
    s.shell("homerun services add-iam-policy-binding shop --member=user:ada@example.com --role=roles/run.invoker")
    s.shell("homerun services add-iam-policy-binding shop --member=user:bob@example.com --role=roles/run.viewer")
    before = s.homerun.api("GET", f"/v2/{PARENT}/services/shop").json
    asked = lambda **question: s.homerun.api("POST", "/homerun/v1/access:explain",
                                             {"resource": f"{PARENT}/services/shop", **question}).json["changes"]
    token = s.token({"as": "worker", "audience": "https://second.example"})
    changes = asked(authorization=[f"Bearer {token}"])
    assert [change["kind"] for change in changes] == ["AUDIENCE", "GRANT"], changes
    path = os.path.join(s.homerun.folder, "keeps.yaml")
    for change, command in zip(changes, ("replace", "set-iam-policy shop")):
        pathlib.Path(path).write_text(change["yaml"], encoding="utf-8")
        s.shell(f"homerun services {command} {path}")
    after = s.homerun.api("GET", f"/v2/{PARENT}/services/shop").json
    assert after["customAudiences"] == ["https://first.example", "https://second.example"], after
    assert after["template"] == before["template"] and after["latestCreatedRevision"] == before["latestCreatedRevision"]
    bindings = s.homerun.api("GET", f"/v2/{PARENT}/services/shop:getIamPolicy").json["bindings"]
    assert {binding["role"]: sorted(binding["members"]) for binding in bindings} == {
        "roles/run.invoker": [f"serviceAccount:{s.email('worker')}", "user:ada@example.com"],
        "roles/run.viewer": ["user:bob@example.com"]}, bindings


@test
def who_may_not_read_the_service_is_shown_none_of_it():
    s = stand()
    s.reset()
    s.shell("homerun services update shop --ingress=internal --update-env-vars=KEY=hush-hush")
    grants = {"roles/iam.securityReviewer": "user:auditor@example.com", "roles/run.viewer": "user:auditor@example.com"}
    policy = s.homerun.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    keep = policy["bindings"]
    for roles, shown in ((["roles/iam.securityReviewer"], False), (list(grants), True)):
        bindings = keep + [{"role": role, "members": [grants[role]]} for role in roles]
        answer = s.homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": {"bindings": bindings}})
        assert answer.status == 200, answer
        answer = s.homerun.api("POST", "/homerun/v1/access:explain", {"resource": f"{PARENT}/services/shop"},
                               token=s.homerun.token(member="user:auditor@example.com"))
        assert answer.status == 200 and answer.json["changes"], answer
        assert ("hush-hush" in answer.text) == shown, (roles, answer.text)
    assert s.homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": {"bindings": keep}}).status == 200
    s.shell("homerun services update shop --clear-env-vars")


# ---- Terraform ----

LISTS = {"containers", "env", "ports", "volumes", "volumeMounts", "traffic", "networkInterfaces", "httpHeaders", "items"}


def camel(name):
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def text_of(value):
    """What HCL reads in quotes: JSON's escapes, and the two templates."""
    return json.loads(value.replace("$${", "${").replace("%%{", "%{"))


def block(lines):
    """The arguments and blocks up to the end of one block, in the API's words."""
    out = {}
    for line in lines:
        line = line.strip()
        if line == "}":
            return out
        if found := re.fullmatch(r"(\w+) \{", line):
            name, inner = camel(found[1]), block(lines)
            if name in LISTS:
                out.setdefault(name, []).append(inner)
            else:
                out[name] = inner
        elif found := re.fullmatch(r"(\w+) += \{", line):
            out[camel(found[1])] = dict(map_rows(lines))
        elif found := re.fullmatch(r"(\w+) += (.*)", line):
            out[camel(found[1])] = text_of(found[2])
        else:
            raise AssertionError(line)
    return out


def map_rows(lines):
    for line in lines:
        if line.strip() == "}":
            return
        key, value = re.fullmatch(r'("(?:[^"\\]|\\.)*") = (.*)', line.strip()).groups()
        yield text_of(key), text_of(value)


def resource_of(text):
    """The type and the arguments of the one resource."""
    lines = iter(text.splitlines())
    for line in lines:
        if found := re.fullmatch(r'resource "(\w+)" "[\w-]+" \{', line):
            return found[1], block(lines)
    raise AssertionError(text)


def by_played_provider(text):
    homerun = stand().homerun
    kind, config = resource_of(text)
    if kind == "google_cloud_run_v2_service_iam_member":
        Member(Family(f"/v2/{PARENT}/services/{config['name']}", homerun=homerun), config["role"], config["member"]).apply()
    elif kind == "google_service_account":
        name = f"/v1/projects/{config['project']}/serviceAccounts/" \
               f"{config['accountId']}@{config['project']}.iam.gserviceaccount.com"
        there = homerun.api("GET", name).json
        for field in ("displayName", "description"):
            assert there.get(field, "") == config[field], (there, config)
        assert homerun.api("POST", f"{name}:enable", {}).status == 200
    else:
        for field in ("project", "location"):
            del config[field]
        one = V2Service(config.pop("name"), homerun)
        one.refresh()
        one.apply(without_zeros(config))


def by_real_provider(text):
    with Folder(providers()[0], None, stand().homerun) as folder:
        (folder.path / "main.tf").write_text(text)
        folder.apply()
        folder.run("plan", "-detailed-exitcode", "-input=false", "-no-color")


@test
def by_terraform():
    apply = by_real_provider if providers() else by_played_provider
    cured_by("terraform", lambda change: apply(change["terraform"]), [GRANT, AUDIENCE, ENABLE, "two"])


@test
def terraform_changes_nothing_else():
    """A service with much in it, and texts that Terraform would take for templates: the plan after it is empty."""
    s = stand()
    s.reset()
    body = {"template": {
        "containers": [{"image": HELLO, "args": ["--a", "%{if}"], "env": [{"name": "A", "value": '${x} "y" \\ %{z}\n\tü'}],
                        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "startupCpuBoost": True},
                        "ports": [{"containerPort": 8080}], "volumeMounts": [{"name": "tmp", "mountPath": "/tmp/x"}],
                        "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 5, "timeoutSeconds": 2,
                                         "failureThreshold": 3}}],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "MEMORY", "sizeLimit": "1Mi"}}],
        "scaling": {"minInstanceCount": 0, "maxInstanceCount": 3}, "timeout": "17s", "maxInstanceRequestConcurrency": 7,
        "labels": {"a": "b"}, "sessionAffinity": True},
        "labels": {"team": "one"}, "annotations": {"example.com/a": 'x "y"'}, "description": "d", "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
        "customAudiences": ["https://first.example"], "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100, "tag": "now"}]}
    answer = s.homerun.api("POST", f"/v2/{PARENT}/services?serviceId=much", body)
    assert answer.status == 200, answer
    before = s.homerun.api("GET", f"/v2/{PARENT}/services/much").json
    changes = s.homerun.api("POST", "/homerun/v1/access:explain", {"resource": f"{PARENT}/services/much"}).json["changes"]
    assert changes[0]["kind"] == "INGRESS", changes
    (by_real_provider if providers() else by_played_provider)(changes[0]["terraform"])
    after = s.homerun.api("GET", f"/v2/{PARENT}/services/much").json
    assert after["ingress"] == "INGRESS_TRAFFIC_ALL", after
    for field in ("template", "customAudiences", "annotations", "description", "latestCreatedRevision", "traffic"):
        assert after[field] == before[field], (field, before[field], after[field])
    assert s.homerun.api("DELETE", f"/v2/{PARENT}/services/much").status == 200


# ---- the console ----

def by_console(rows):
    """Opens each link in Chromium and presses the button that the page has ready."""
    s = stand()
    console = ROOT / "console"
    done = subprocess.run(
        ["node", str(ROOT / "tests" / "console" / "cure.mjs"), json.dumps(rows)], text=True, capture_output=True, timeout=300,
        env={**os.environ, "HOMERUN": BINARY, "HOMERUN_DATA": s.homerun.data, "HOMERUN_CA": s.homerun.ca,
             "HOMERUN_CONSOLE": str(console), "CHROMIUM": need("chromium"), "HOMERUN_SHOTS": ""})
    assert done.returncode == 0, (rows, done.stdout[-600:], done.stderr[-600:])


@test
def by_the_link_to_the_console():
    need("node")
    need("chromium")
    if not (ROOT / "console" / "node_modules" / "playwright-core").exists():
        raise Skip("the console's packages are not there: npm ci --prefix console")
    if stand().homerun.api("GET", "/console/", token="").status == 501:
        raise Skip("built without the console")
    apply = lambda change: by_console([{"link": change["console"], "kind": change["kind"], "what": change["what"]}])
    cured_by("console", apply, [GRANT, AUDIENCE, ENABLE, "two"])


if __name__ == "__main__":
    main()
