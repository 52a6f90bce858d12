"""The provider's IAM resources, played: `_member`, `_binding`, `_policy` and `_audit_config`, for
services by v2 and v1, for projects and for service accounts.

The first two read, change, and write with the etag that they read; on a conflict they start over.
A `_policy` writes without reading and without an etag.
"""
import copy

from terraform_provider import PARENT, PROJECT, REGION, Refused, call, request

CASE_COUNTS = ("principal:", "principalSet:", "principalHierarchy:", "allUsers",
               "allAuthenticatedUsers")
CONFLICTS = 6  # after 1, 2, 4, 8, 16 s it gives up: "Too many conflicts"; nothing is slept here


class Family:
    """Where a policy is read and written, and with which words."""

    def __init__(self, base, get="GET", mask=None, conflict=409, homerun=None):
        self.base, self.get, self.mask, self.conflict = base, get, mask, conflict
        self.homerun = homerun

    def read(self, token=None):
        body = None
        if self.get == "POST":
            body = {"options": {"requestedPolicyVersion": 3}}
        policy = call(self.get, f"{self.base}:getIamPolicy", body, homerun=self.homerun,
                      token=token)
        assert isinstance(policy["etag"], str) and policy["etag"], policy
        assert all(b["members"] for b in policy.get("bindings", [])), policy
        assert not any("_withcond_" in b["role"] for b in policy.get("bindings", [])), policy
        has_condition = any("condition" in b for b in policy.get("bindings", []))
        assert not has_condition or policy["version"] == 3, policy
        return policy

    def write(self, policy, token=None):
        body = {"policy": {name: part for name, part in policy.items() if part not in ([], None)}}
        if "bindings" in body["policy"]:  # Go's encoder leaves an empty list of members out
            body["policy"]["bindings"] = [
                {name: part for name, part in binding.items() if part != []}
                for binding in policy["bindings"]]
        if self.mask:
            body["updateMask"] = self.mask
        return call("POST", f"{self.base}:setIamPolicy", body, homerun=self.homerun, token=token)


def of_v2(name):
    return Family(f"/v2/{PARENT}/services/{name}")


def of_v1(name, region=REGION):
    """412 where v2 has 409: the provider repeats a 409 of v1, unchanged, for 20 minutes."""
    return Family(f"/{region}/v1/projects/{PROJECT}/locations/{region}/services/{name}",
                  conflict=412)


def of_project(homerun=None):
    return Family(f"/v1/projects/{PROJECT}", get="POST", mask="bindings,etag,auditConfigs",
                  homerun=homerun)


def of_account(email):
    return Family(f"/v1/projects/{PROJECT}/serviceAccounts/{email}", get="POST",
                  mask="bindings,etag,auditConfigs")


# ---- what it does to a policy ----

def key_of(binding):
    condition = binding.get("condition", {})
    return (binding["role"], condition.get("title", ""), condition.get("description", ""),
            condition.get("expression", ""))


def plain(member):
    """As it is compared and sent back: lower case after the kind, where case says nothing."""
    if member.startswith(CASE_COUNTS):
        return member
    kind, colon, rest = member.partition(":")
    return kind + colon + rest.lower()


def merged(bindings):
    """One binding per role and condition, sorted, as everything is sent back."""
    found = {}
    for binding in bindings:
        one = found.setdefault(key_of(binding), {**binding, "members": []})
        one["members"] += [m for m in map(plain, binding["members"]) if m not in one["members"]]
    return [found[key] for key in sorted(found)]


def condition_of(title, expression, description=""):
    condition = {"title": title, "expression": expression}
    return {**condition, "description": description} if description else condition


def binding_of(role, members, condition=None):
    binding = {"role": role, "members": list(members)}
    return {**binding, "condition": condition} if condition else binding


class Conflict(Exception):
    pass


def modify(family, change, between=None, token=None):
    """Read, CHANGE the bindings, write; anew after a conflict. BETWEEN runs once after the first
    read. The number of rounds that it took."""
    for round_number in range(1, CONFLICTS + 1):
        policy = family.read(token)
        if between is not None:
            between()
            between = None
        removed = not change(policy)
        if not removed:
            policy["version"] = 3
        try:
            family.write(policy, token)
        except Refused as why:
            if why.answer.status == family.conflict:
                continue
            raise
        reads = [family.read(token) for _ in range(4)]  # three until it is the same, one for state
        assert all(read == reads[0] for read in reads) or between is None
        return round_number
    raise Conflict("Too many conflicts")


class Binding:
    """_iam_binding: all members of one role under one condition; everything else is preserved."""

    def __init__(self, family, role, condition=None):
        self.family, self.role, self.condition = family, role, condition
        self.key = key_of(binding_of(role, [], condition))

    def apply(self, members, **how):
        def change(policy):
            others = [b for b in policy.get("bindings", []) if key_of(b) != self.key]
            policy["bindings"] = merged(others)
            if members is not None:
                policy["bindings"].append(binding_of(self.role, members, self.condition))
            return members is not None
        rounds = modify(self.family, change, **how)
        self.members = members = members or []
        assert self.found() == {plain(m) for m in members}, (self.found(), members)
        return rounds

    def destroy(self, **how):
        return self.apply(None, **how)

    def found(self):
        """What an import or a refresh reads: members of the pair; none: planned anew."""
        return {plain(m) for b in self.family.read().get("bindings", []) if key_of(b) == self.key
                for m in b["members"]}


class Member(Binding):
    """_iam_member: one member of one role under one condition."""

    def __init__(self, family, role, member, condition=None):
        super().__init__(family, role, condition)
        self.member = member

    def change(self, add):
        def change(policy):
            bindings = merged(policy.get("bindings", []))
            mine = [b for b in bindings if key_of(b) == self.key]
            if add and not mine:
                mine = [binding_of(self.role, [], self.condition)]
                bindings += mine
            for binding in mine:
                binding["members"] = [m for m in binding["members"] if m != plain(self.member)]
                binding["members"] += [self.member] if add else []
            policy["bindings"] = bindings  # with the one that has no members any more
            return add
        return change

    def apply(self, **how):
        rounds = modify(self.family, self.change(True), **how)
        assert plain(self.member) in self.found(), self.found()
        return rounds

    def destroy(self, **how):
        rounds = modify(self.family, self.change(False), **how)
        assert plain(self.member) not in self.found(), self.found()
        return rounds


class Policy:
    """_iam_policy: all of it. What `data google_iam_policy` says is sent as it stands."""

    def __init__(self, family):
        self.family = family

    def apply(self, bindings, audit=()):
        self.family.write({"bindings": copy.deepcopy(bindings), "version": 3,
                           "auditConfigs": list(audit)})
        self.state = self.family.read()
        assert comparable(self.state) == comparable({"bindings": bindings,
                                                     "auditConfigs": list(audit)}), self.state

    def destroy(self):
        """With the etag of the state; a conflict is not tried again."""
        self.family.write({"etag": self.state["etag"], "version": 3})


def comparable(policy):
    """policy_data: bindings and audit configurations, as sets."""
    bindings = sorted((key_of(b), sorted(b["members"])) for b in merged(policy.get("bindings", [])))
    audit = sorted((a["service"], sorted(
        (c["logType"], sorted(c.get("exemptedMembers", []))) for c in a["auditLogConfigs"]))
        for a in policy.get("auditConfigs", []))
    return bindings, audit


class AuditConfig:
    """google_project_iam_audit_config: one service's log types."""

    def __init__(self, family, service):
        self.family, self.service = family, service

    def apply(self, configs):
        def change(policy):
            kept = [a for a in policy.get("auditConfigs", []) if a["service"] != self.service]
            mine = [{"service": self.service, "auditLogConfigs": configs}] if configs else []
            policy["auditConfigs"] = kept + mine
            return configs
        modify(self.family, change)
        found = [a["auditLogConfigs"] for a in self.family.read().get("auditConfigs", [])
                 if a["service"] == self.service]
        assert found == ([configs] if configs else []), found


def set_once(family, policy):
    """One write, without the provider's patience; its answer."""
    return request("POST", f"{family.base}:setIamPolicy", {"policy": policy})
