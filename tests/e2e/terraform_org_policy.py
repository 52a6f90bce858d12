#!/usr/bin/env python3
"""google_org_policy_policy: each shape of its rules, and what its policies do to services."""
import copy

from homerun import main, test
from terraform_provider import (IMAGE, Refused, V1Service, V2Service, at_once, call,
                                leaves_nothing, organization, refuses, request, stand)

HELLO = {"template": {"containers": [{"image": IMAGE}]}}
OPEN = {**HELLO, "invokerIamDisabled": True}
OLD_HELLO = {"spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}}}
RUN = "run.googleapis.com/"
INGRESS, EGRESS = "run.allowedIngress", "run.allowedVPCEgress"
REQUIRE, MEMBERS = "run.managed.requireInvokerIam", "iam.managed.allowedPolicyMembers"
NO_KEYS = "iam.disableServiceAccountKeyCreation"
WORDS = {"TRUE": True, "FALSE": False, None: None}


class Policy:
    """The resource. A rule: {"enforce"|"allow_all"|"deny_all": "TRUE"|"FALSE"}, or values;
    parameters and condition beside it."""

    def __init__(self, constraint, parent="projects/demo", short=False):
        self.constraint, self.parent = constraint, parent
        self.name = constraint if short else f"{parent}/policies/{constraint}"
        self.path = f"/v2/{parent}/policies/{constraint}"
        self.state = self.config = None

    @staticmethod
    def rule_sent(rule):
        """Nulls for the flags that were not written; the rest only when it was."""
        sent = {"enforce": WORDS[rule.get("enforce")], "allowAll": WORDS[rule.get("allow_all")],
                "denyAll": WORDS[rule.get("deny_all")]}
        return {**sent, **{name: rule[name] for name in ("values", "parameters", "condition")
                           if name in rule}}

    @staticmethod
    def rule_read(rule):
        """Into the configuration's words: a flag is there only if it was set, as a boolean."""
        assert rule != {}, "a rule without a member is dropped on reading"
        out = {}
        for name, word in (("enforce", "enforce"), ("allowAll", "allow_all"),
                           ("denyAll", "deny_all")):
            if name in rule:
                assert type(rule[name]) is bool, rule
                out[word] = "TRUE" if rule[name] else "FALSE"
        return {**out, **{name: rule[name] for name in ("values", "parameters", "condition")
                          if rule.get(name)}}

    def spec_sent(self, spec, old):
        rules = [self.rule_sent(rule) for rule in spec.get("rules", [])]
        sent = {"rules": rules or None, "inheritFromParent": spec.get("inherit", False),
                "reset": spec.get("reset", False)}
        return {**{name: old[name] for name in ("etag", "updateTime") if name in old}, **sent}

    def spec_read(self, spec):
        out = {"rules": [self.rule_read(rule) for rule in spec.get("rules", [])]}
        return {**out, "inherit": spec.get("inheritFromParent", False),
                "reset": spec.get("reset", False)}

    @staticmethod
    def as_set(spec):
        """Rules have no order."""
        return {"rules": sorted(map(repr, spec.get("rules", []))),
                "inherit": spec.get("inherit", False), "reset": spec.get("reset", False)}

    def body(self, spec, dry):
        old = self.state or {}
        body = {}
        if spec is not None:
            body["spec"] = self.spec_sent(spec, old.get("spec", {}))
        if dry is not None:
            body["dryRunSpec"] = self.spec_sent(dry, old.get("dryRunSpec", {}))
        return body

    def apply(self, spec, dry=None):
        if self.state is None:
            call("POST", f"/v2/{self.parent}/policies", {"name": self.name, **self.body(spec, dry)})
        else:
            before = self.config
            mask = [path for path, now, then in (("policy.spec", spec, before[0]),
                                                 ("policy.dryRunSpec", dry, before[1]))
                    if now != then or now is not None]
            call("PATCH", f"{self.path}?updateMask={'%2C'.join(mask)}", self.body(spec, dry))
        self.config = copy.deepcopy((spec, dry))
        self.settle()
        return self

    def settle(self):
        self.state = call("GET", self.path)
        for name, mine in zip(("spec", "dryRunSpec"), self.config):
            theirs = self.state.get(name)
            assert (mine is None) == (theirs is None), (name, self.state)
            if mine is not None:
                read = self.spec_read(theirs)
                assert self.as_set(read) == self.as_set(mine), (read, mine)
        assert self.state["etag"], self.state
        assert self.state.get("spec", {"etag": "-"})["etag"]

    def destroy(self):
        assert call("DELETE", self.path) == {}
        assert request("GET", self.path).status == 404
        self.state = None

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        request("DELETE", self.path)


def only(*rules, **more):
    return {"rules": list(rules), **more}


def values(allowed=(), denied=()):
    both = {"allowedValues": list(allowed), "deniedValues": list(denied)}
    return {"values": {name: part for name, part in both.items() if part}}


YES, NO = {"enforce": "TRUE"}, {"enforce": "FALSE"}
ALL, NONE = {"allow_all": "TRUE"}, {"deny_all": "TRUE"}
MINE = {"parameters": {"allowedMemberSubjects": ["user:b@example.com", "user:a@example.com"]}}
TAGGED = {"condition": {"expression": "resource.matchTagId('tagKeys/1', 'tagValues/2')",
                        "title": "t", "description": "d"}}
SHAPES = [  # name, constraint, spec, then, dry run spec, then
    ("enforce", NO_KEYS, only(YES), only(NO), None, None),
    ("enforce_of_a_managed_one", REQUIRE, only(NO), only(YES), None, None),
    ("allow_all", INGRESS, only(ALL), only(NONE), None, None),
    ("allowed_values", INGRESS, only(values(["internal", "all"])), only(values(["all"])),
     None, None),
    ("denied_values", EGRESS, only(values(denied=["all-traffic"])),
     only(values(denied=["private-ranges-only", "all-traffic"])), None, None),
    ("both_values", INGRESS, only(values(["all", "internal"], ["internal"])),
     only(values(["internal"])), None, None),
    ("inherit", INGRESS, only(values(["internal"]), inherit=True), only(values(["internal"])),
     None, None),
    ("reset", INGRESS, {"reset": True}, only(ALL), None, None),
    ("reset_later", REQUIRE, only(YES), {"reset": True}, None, None),
    ("parameters", MEMBERS, only({**YES, **MINE}),
     only({**YES, "parameters": {"allowedMemberSubjects": ["user:c@example.com"]}}), None, None),
    ("condition", REQUIRE, only({**YES, **TAGGED}, NO), only(YES), None, None),
    ("condition_on_values", INGRESS, only({**values(["internal"]), **TAGGED}, ALL),
     only(ALL), None, None),
    ("dry_run_alone", REQUIRE, None, None, only(YES), only(NO)),
    ("dry_run_beside", REQUIRE, only(NO), only(NO), only(YES), None),
    ("dry_run_later", REQUIRE, only(NO), only(YES), None, only(NO)),
    ("dry_run_becomes_real", REQUIRE, None, only(YES), only(YES), None),
    ("dry_run_of_parameters", MEMBERS, None, None, only({**YES, **MINE}), only(NO)),
]


def shape_test(name, constraint, first, second, dry_first, dry_second):
    def one():
        with Policy(constraint) as policy:
            policy.apply(first, dry_first)
            etag = policy.state["etag"]
            policy.settle()
            assert policy.state["etag"] == etag, "an etag changes with the policy alone"
            policy.apply(second, dry_second)
            assert policy.state["etag"] != etag
            imported = Policy(constraint)
            imported.config = policy.config
            imported.settle()
            assert imported.state == policy.state
            policy.destroy()
    one.__name__ = f"shape_{name}"
    test(one)


for _row in SHAPES:
    shape_test(*_row)


@test
def a_policy_may_be_named_by_its_constraint_alone():
    with Policy(NO_KEYS, short=True) as policy:
        policy.apply(only(YES))
        policy.destroy()


@test
def a_policy_lives_on_folders_and_organizations_as_well():
    root = call("GET", "/v3/organizations:search")["organizations"][0]["name"]
    with Policy(INGRESS, parent=root) as policy:
        policy.apply(only(values(["internal"])))
        with refuses(400, "FAILED_PRECONDITION", INGRESS):
            V2Service("from-above").apply(HELLO)
        with Policy(INGRESS) as nearer:
            nearer.apply(only(ALL))
            one = V2Service("from-above")
            one.apply(HELLO)
            one.destroy()
        policy.destroy()
    folder = call("POST", "/v3/folders", {"parent": root, "displayName": "policies"})
    name = folder.get("response", folder)["name"]
    with Policy(NO_KEYS, parent=name) as policy:
        policy.apply(only(YES))
        policy.destroy()
    call("DELETE", f"/v3/{name}")


@test
def a_stale_etag_of_the_state_is_a_conflict():
    with Policy(INGRESS) as policy:
        policy.apply(only(ALL))
        other = Policy(INGRESS)
        other.config, other.state = policy.config, policy.state
        other.apply(only(NONE))
        with refuses(409, "ABORTED"):
            policy.apply(only(values(["all"])))
        policy.state = call("GET", policy.path)
        policy.apply(only(values(["all"])))
        policy.destroy()


@test
def two_members_of_the_oneof_are_refused_and_nulls_are_none():
    with Policy(INGRESS) as policy:
        for rule in ({**ALL, **NONE}, {**ALL, **values(["all"])}, {**YES, **ALL}):
            with refuses(400, "INVALID_ARGUMENT"):
                policy.apply(only(rule))
        with refuses(400, "INVALID_ARGUMENT"):
            policy.apply(only(YES))  # of a list
        with refuses(404):
            call("GET", policy.path)


# ---- what they do ----

OLD_EGRESS = {"spec": {"template": {
    "metadata": {"annotations": {f"{RUN}vpc-access-connector": "c",
                                 f"{RUN}vpc-access-egress": "all"}},
    "spec": OLD_HELLO["spec"]["template"]["spec"]}}}
VIOLATIONS = [  # constraint, rules, what v2 may not say, what v1 may not say
    (REQUIRE, YES, {"invokerIamDisabled": True}, {f"{RUN}invoker-iam-disabled": "true"}),
    (INGRESS, values(["internal"]), {"ingress": "INGRESS_TRAFFIC_ALL"}, {f"{RUN}ingress": "all"}),
    (INGRESS, NONE, {"ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY"}, {f"{RUN}ingress": "internal"}),
    (EGRESS, values(["private-ranges-only"]), {"template": {**HELLO["template"], "vpcAccess": {
        "connector": "projects/demo/locations/us-central1/connectors/c",
        "egress": "ALL_TRAFFIC"}}}, None),
    ("run.allowedBinaryAuthorizationPolicies", values(["default"]),
     {"binaryAuthorization": {"policy": "projects/demo/platforms/x/policies/y"}},
     {f"{RUN}binary-authorization": "projects/demo/platforms/x/policies/y"}),
]


@test
def a_violation_ends_an_apply_at_once_and_names_the_constraint():
    for constraint, rule, new, old in VIOLATIONS:
        with Policy(constraint) as policy:
            policy.apply(only(rule))
            with refuses(400, "FAILED_PRECONDITION", constraint):
                V2Service("violates").apply({**HELLO, **new})
            old_config = {**OLD_HELLO, "metadata": {"annotations": old}} if old else OLD_EGRESS
            with refuses(400, "FAILED_PRECONDITION", constraint):
                V1Service("violates").apply(old_config)
            policy.destroy()
        one = V2Service("violates")
        one.apply({**HELLO, **new})
        one.destroy()
    leaves_nothing()


@test
def a_violation_of_an_update_changes_nothing():
    one, old = V2Service("guarded"), V1Service("guarded-old")
    one.apply(HELLO)
    old.apply(OLD_HELLO)
    open_old = {**OLD_HELLO, "metadata": {"annotations": {f"{RUN}invoker-iam-disabled": "true"}}}
    with Policy(REQUIRE) as policy:
        policy.apply(only(YES))
        with refuses(400, "FAILED_PRECONDITION", REQUIRE):
            one.apply(OPEN)
        with refuses(400, "FAILED_PRECONDITION", REQUIRE):
            old.apply(open_old)
        assert stand().get(stand().url("guarded")).status == 403
        assert stand().get(stand().url("guarded-old")).status == 403
        policy.apply(only(NO))  # it binds, or does no more, from the moment that its call returned
        one.apply(OPEN)
        old.apply(open_old)
        assert stand().get(stand().url("guarded")).status == 200
        assert stand().get(stand().url("guarded-old")).status == 200
        policy.apply(only(YES))  # what is open stays open; it can be closed, and not opened again
        one.settle()
        one.apply(HELLO)
        assert stand().get(stand().url("guarded")).status == 403
        with refuses(400, REQUIRE):
            one.apply(OPEN)
        policy.destroy()
    one.destroy()
    old.destroy()
    leaves_nothing()


@test
def a_dry_run_refuses_nothing():
    one = V2Service("rehearsed")
    with Policy(REQUIRE) as policy:
        policy.apply(None, only(YES))
        one.apply(OPEN)
        assert stand().get(stand().url("rehearsed")).status == 200
        policy.apply(only(YES), only(NO))
        one.apply(HELLO)
        with refuses(400, REQUIRE):
            one.apply(OPEN)
        policy.destroy()
    one.destroy()


@test
def policies_and_services_at_once_end_in_one_of_two_orders():
    """Without depends_on: the service is made before the policy binds, or refused by it."""
    one = V2Service("raced")
    with Policy(REQUIRE) as policy:
        def make():
            try:
                one.apply(OPEN)
                return True
            except Refused as why:
                assert why.answer.status == 400 and REQUIRE in why.answer.text, why
                return False
        made, _ = at_once(make, lambda: policy.apply(only(YES)))
        assert (request("GET", one.path).status == 200) == made
        policy.destroy()
    if made:
        one.destroy()


@test
def a_real_denial_is_not_worded_as_one_that_is_tried_again():
    """"Permission 'orgpolicy.policy.get' denied on resource '//…" is repeated for 20 minutes."""
    account = call("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "no-rights"})
    token = call("POST", f"/v1/projects/-/serviceAccounts/{account['email']}:generateAccessToken",
                 {"scope": ["https://www.googleapis.com/auth/cloud-platform"]})["accessToken"]
    for method, path in (("GET", f"/v2/projects/demo/policies/{INGRESS}"),
                         ("DELETE", f"/v2/projects/demo/policies/{INGRESS}")):
        answer = request(method, path, token=token)
        assert answer.status == 403, answer
        message = answer.json["error"]["message"]
        assert "denied on resource '//" not in message, message
        assert "orgpolicy.polic" in message, message
    call("DELETE", f"/v1/{account['name']}")


@test
def a_custom_constraint_is_made_changed_and_obeyed():
    """google_org_policy_custom_constraint: its update has no mask."""
    root = call("GET", "/v3/organizations:search")["organizations"][0]["name"]
    path = f"/v2/{root}/customConstraints"
    name = "custom.noPublicAnnotation"
    body = {"name": f"{root}/customConstraints/{name}", "displayName": "No note",
            "condition": "'example.com/public' in resource.metadata.annotations",
            "actionType": "DENY", "methodTypes": ["CREATE", "UPDATE"],
            "resourceTypes": ["run.googleapis.com/Service"]}
    call("POST", path, body)
    read = call("GET", f"{path}/{name}")
    assert {key: read[key] for key in body} == body, read
    changed = {**body, "description": "Why"}
    call("PATCH", f"{path}/{name}", changed)
    read = call("GET", f"{path}/{name}")
    assert {key: read[key] for key in changed} == changed, read
    with Policy(name) as policy:
        policy.apply(only(YES))
        with refuses(400, name):
            V2Service("noted").apply({**HELLO, "annotations": {"example.com/public": "1"}})
        one = V2Service("noted")
        one.apply(HELLO)
        one.destroy()
        policy.destroy()
    assert call("DELETE", f"{path}/{name}") == {}
    leaves_nothing()


# ---- what a landing zone sets ----

def at(region, name):
    return f"/v2/projects/demo/locations/{region}/services?serviceId={name}"


def gone(region, name):
    call("DELETE", at(region, name).replace("?serviceId=", "/"))


@test
def a_service_is_made_where_resources_may_be():
    """By region and by group, allowed and denied; what is there stays and can be changed."""
    locations = Policy("gcp.resourceLocations")
    call("POST", at("europe-west2", "before"), HELLO)
    for rule, good, bad in (
            ({"allowedValues": ["in:us-locations"]}, "us-east4", "europe-west1"),
            ({"allowedValues": ["in:eu-locations"]}, "europe-west10", "europe-west2"),
            ({"allowedValues": ["in:europe-locations"]}, "europe-west2", "asia-east1"),
            ({"allowedValues": ["in:germany-locations", "us-west1"]}, "europe-west3", "us-west2"),
            ({"allowedValues": ["is:us-west1", "in:northamerica-locations"]}, "us-west1",
             "southamerica-east1"),
            ({"allowedValues": ["in:europe-west1-locations"]}, "europe-west1", "europe-west10"),
            ({"deniedValues": ["in:asia-locations"]}, "us-central1", "asia-northeast1")):
        locations.apply({"rules": [{"values": rule}]})
        with refuses(400, bad, "constraints/gcp.resourceLocations"):
            call("POST", at(bad, "placed"), HELLO)
        call("POST", at(good, "placed"), HELLO)
        gone(good, "placed")
    changed = {**HELLO, "description": "changed"}
    call("PATCH", at("europe-west2", "before").replace("?serviceId=", "/"), changed)
    locations.apply({"rules": [{"values": {"allowedValues": ["in:us-locations"]}}]})
    with refuses(400, "gcp.resourceLocations"):
        call("POST", "/europe-west2/apis/serving.knative.dev/v1/namespaces/demo/services",
             {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
              "metadata": {"name": "placed", "namespace": "demo"}, **OLD_HELLO})
    for unknown in ("in:atlantis-locations", "in:us", "under:folders/1"):
        with refuses(400, "values"):
            call("PATCH", f"{locations.path}?updateMask=policy.spec", {"spec": {"rules": [
                {"values": {"allowedValues": [unknown]}}]}})
    locations.destroy()
    gone("europe-west2", "before")


@test
def a_project_that_may_not_use_cloud_run_takes_no_services():
    for constraint, rule in (
            ("gcp.restrictServiceUsage", {"allowedValues": ["is:storage.googleapis.com"]}),
            ("gcp.restrictServiceUsage", {"deniedValues": ["run.googleapis.com"]}),
            ("gcp.restrictNonCmekServices", {"deniedValues": ["is:run.googleapis.com"]})):
        one = Policy(constraint)
        one.apply({"rules": [{"values": rule}]})
        with refuses(400, f"constraints/{constraint}"):
            call("POST", at("us-central1", "unused"), HELLO)
        one.destroy()
    call("POST", at("us-central1", "unused"), HELLO)
    gone("us-central1", "unused")


@test
def a_condition_by_the_old_name_of_a_tag_is_one_of_today():
    """resource.matchLabels is what resource.matchTagId was called; and constants are conditions."""
    old = "resource.matchLabels('labelKeys/1', 'labelValues/2')"
    now = "resource.matchTagId('tagKeys/1', 'tagValues/2')"
    one = Policy(REQUIRE)
    for given, shown in ((old, now), (f"!{old}", f"!{now}"), (now, now), ("false", "false")):
        rules = [{"enforce": True, "condition": {"expression": given}}, {"enforce": False}]
        call("POST", "/v2/projects/demo/policies", {"name": one.name, "spec": {"rules": rules},
                                                    "dryRunSpec": {"rules": rules}})
        read = call("GET", one.path)
        for spec in (read["spec"], read["dryRunSpec"]):
            assert spec["rules"][0]["condition"]["expression"] == shown, spec
        call("DELETE", one.path)


@test
def only_listed_apis_are_enabled():
    one = Policy("serviceuser.services")
    one.apply({"rules": [{"values": {"deniedValues": ["doubleclicksearch.googleapis.com"]}}]})
    base = "/v1/projects/demo/services"
    with refuses(400, "constraints/serviceuser.services"):
        call("POST", f"{base}/doubleclicksearch.googleapis.com:enable", {})
    with refuses(400, "constraints/serviceuser.services"):
        call("POST", f"{base}:batchEnable", {"serviceIds": [
            "pubsub.googleapis.com", "doubleclicksearch.googleapis.com"]})
    assert call("GET", f"{base}/pubsub.googleapis.com")["state"] == "DISABLED"
    call("POST", f"{base}/pubsub.googleapis.com:enable", {})
    call("POST", f"{base}/doubleclicksearch.googleapis.com:disable", {})
    one.destroy()


@test
def an_account_stays_in_its_project_where_it_must():
    call("POST", "/v1/projects", {"projectId": "lends-accounts"})
    account = call("POST", "/v1/projects/lends-accounts/serviceAccounts", {"accountId": "lent-one"})
    one = Policy("iam.disableCrossProjectServiceAccountUsage", "projects/lends-accounts")
    lent = copy.deepcopy(HELLO)
    lent["template"]["serviceAccount"] = account["email"]
    one.apply({"rules": [{"enforce": "TRUE"}]})
    with refuses(400, "iam.disableCrossProjectServiceAccountUsage"):
        call("POST", at("us-central1", "lent"), lent)
    one.destroy()
    call("POST", at("us-central1", "lent"), lent)
    gone("us-central1", "lent")
    call("DELETE", "/v1/projects/lends-accounts")


@test
def constraints_about_what_is_not_here_are_known_by_name_and_kept():
    for constraint, rule in (
            ("compute.requireOsLogin", {"enforce": "TRUE"}),
            ("storage.uniformBucketLevelAccess", {"enforce": "TRUE"}),
            ("sql.restrictPublicIp", {"enforce": "TRUE"}),
            ("compute.skipDefaultNetworkCreation", {"enforce": "TRUE"}),
            ("compute.vmExternalIpAccess", {"deny_all": "TRUE"}),
            ("compute.trustedImageProjects", {"values": {"allowedValues": [
                "projects/debian-cloud", "under:folders/1"]}}),
            ("essentialcontacts.allowedContactDomains", {"values": {"allowedValues": [
                "@example.com"]}}),
            ("essentialcontacts.managed.allowedContactDomains", {
                "enforce": "TRUE", "parameters": {"allowedDomains": ["@example.com"]}})):
        one = Policy(constraint)
        one.apply({"rules": [rule]})
        one.destroy()
    with refuses(400, "compute.noSuchConstraint"):
        Policy("compute.noSuchConstraint").apply({"rules": [{"enforce": "TRUE"}]})
    listed = [item["name"].rsplit("/", 1)[1] for item in
              call("GET", "/v2/projects/demo/constraints")["constraints"]]
    assert listed == sorted(listed) and "compute.requireOsLogin" in listed
    org = organization()
    name = "custom.noAutoUpgrade"
    made = call("POST", f"/v2/{org}/customConstraints", {
        "name": f"{org}/customConstraints/{name}", "resourceTypes":
            ["container.googleapis.com/NodePool"], "methodTypes": ["UPDATE"],
        "condition": "resource.management.autoUpgrade == false", "actionType": "ALLOW"})
    assert made["resourceTypes"] == ["container.googleapis.com/NodePool"], made
    one = Policy(name)
    one.apply({"rules": [{"enforce": "TRUE"}]})
    call("POST", at("us-central1", "unasked"), HELLO)
    gone("us-central1", "unasked")
    one.destroy()
    call("DELETE", f"/v2/{org}/customConstraints/{name}")


if __name__ == "__main__":
    main()
