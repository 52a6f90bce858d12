#!/usr/bin/env python3
"""The running product agrees with its own explanation, over worlds by chance.

Each world is made through the API: bindings with and without conditions, on the service and above
it, groups in groups, tags, accounts that are disabled or deleted, the check, ingress, audiences, a
project that is being deleted; and in half of the worlds a door (Identity-Aware Proxy), with settings and
bindings of its own, to which browsers bring cookies, programs tokens, and agents (MCP clients) theirs. Each request is sent to the services' port, from outside, inside and
behind a trusted proxy, and the same question is put to access:explain. Status and rung have to be
the same; the rung of what was served is in the request log.

The short form runs with all other tests; AGREEMENT=full (`make test-agreement`) has 10^4 requests.
The seed is fixed: a failure names its world.
"""
import http.client
import json
import os
import pathlib
import random
import shlex
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from agents_stand import Agent, Desk  # noqa: E402
from gate_stand import REGION, Stand  # noqa: E402
from homerun import Homerun, main, test, wait_until  # noqa: E402
from idp_stand import LyingProvider  # noqa: E402
from signin_stand import Browser  # noqa: E402

FULL = os.environ.get("AGREEMENT") == "full"
WORLDS, REQUESTS = (500, 20) if FULL else (16, 20)
SEED = int(os.environ.get("AGREEMENT_SEED", "1"))

HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
GCLOUD = "32555940559.apps.googleusercontent.com"
CUSTOM = "my-audience"
PEERS = {"127.0.0.1": "outside", "127.0.0.2": "internal", "127.0.0.3": "load-balancer"}
CONDITIONS = [
    None, None, None,
    "request.path.startsWith('/a')",
    "!request.path.startsWith('/secret/')",
    "request.time < timestamp('2020-01-01T00:00:00Z')",
    "request.time > timestamp('2020-01-01T00:00:00Z')",
    "request.host.endsWith('run.localhost')",
    "resource.matchTag('{org}/env', 'prod')",
    "!resource.matchTag('{org}/env', 'prod')",
    "resource.hasTagKey('{org}/env') && request.path.startsWith('/a')",
    "resource.type == 'run.googleapis.com/Service'",
]
PATHS = ["/", "/a/x", "/%61/x?q=//", "/secret/f", "/%73ecret/f", "//secret/f", "/a;v/x",
         "/a/./x", "/a/%2e%2e/secret", "/a%2fx", "/a%252fx", "/a%c0%afx", "/a%5cx"]
DOOR = f"/v1/{REGION.replace('locations/', 'iap_web/cloud_run-')}"
AGENT = "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"
SESSION = "__Host-homerun_session"
POOL = "iam.googleapis.com/locations/global/workforcePools/corp"
DOOR_PATHS = ["/.well-known/oauth-protected-resource", "/?gcp-iap-mode=IDENTITY", "/a/x?gcp-iap-mode=NOTHING",
              "/_homerun/iap/verify/public_key"]
# What a browser, or a program, says of a request besides.
FIELDS = {"Accept": ["text/html", "*/*", "application/json", "text/html;q=0.9, */*;q=0.1", ""],
          "Sec-Fetch-Mode": ["navigate", "cors", "no-cors"], "Sec-Fetch-Dest": ["document", "iframe", "empty"],
          "Sec-Fetch-Site": ["same-origin", "none", "same-site", "cross-site"], "X-Requested-With": ["XMLHttpRequest", "x"],
          "Access-Control-Request-Method": ["PUT"]}
INGRESS = ["ALL", "ALL", "ALL", "ALL", "INTERNAL_LOAD_BALANCER", "INTERNAL_ONLY"]


class Place(Stand):
    """One instance with one service, its callers, and connections from three addresses."""

    def __init__(self):
        self.homerun = Homerun("--workers=1", "--plain", "--internal=127.0.0.2",
                               "--trusted-proxy=127.0.0.3").start()
        self.homerun.cli("deploy", "one", f"--image={HELLO}")
        self.port = urllib.parse.urlsplit(self.homerun.ready["http"]).port
        self.host = urllib.parse.urlsplit(self.url("one")).netloc
        self.clients = {}
        self.subs = {name: self.account(name) for name in ("p", "q", "gone")}
        self.member_of = {name: self.member(name) for name in self.subs}
        self.token("gone")  # before its account goes
        self.api("PUT", "/homerun/v1/groups/outer@example.com", {
            "email": "outer@example.com", "members": ["group:inner@example.com"]}, make=True)
        foreign, jwks = self.new_key("partner")
        self.api("POST", "/homerun/v1/issuers", {
            "name": "partner", "issuer": "https://partner.example", "jwks": jwks,
            "googleLike": True, "domains": ["partner.example"]})
        self.organization = self.api("POST", "/v3/organizations:search", {}, "GET")[
            "organizations"][0]["name"]
        self.tags = self.make_tags()
        self.tokens = self.make_tokens(foreign)
        self.enter_all()
        self.bound = None
        self.asked = []  # (user agent, status, explained rung)

    def token(self, name, service="one", **claims):
        return super().token(name, service, **claims)

    def api(self, verb, path, body=None, as_verb=None, make=False):
        answer = self.homerun.api(as_verb or verb, path, body if as_verb != "GET" else None)
        if make and answer.status == 404:
            answer = self.homerun.api("POST", "/homerun/v1/groups", body)
        assert answer.status == 200, (verb, path, answer)
        return answer.json

    def make_tags(self):
        key = self.api("POST", "/v3/tagKeys",
                       {"parent": self.organization, "shortName": "env"})["response"]["name"]
        return [self.api("POST", "/v3/tagValues",
                         {"parent": key, "shortName": name})["response"]["name"]
                for name in ("prod", "test")]

    def make_tokens(self, foreign):
        url, now = self.url("one"), int(time.time())
        partner = {"iss": "https://partner.example", "sub": "77", "aud": url}

        def of_partner(**more):
            return self.mint({**partner, **more}, key=foreign, kid="partner")

        lasting = {"exp": now + 7200}
        return [
            *(self.token(name, **lasting) for name in self.subs for _ in range(2)),
            self.token("p", aud=url + "/tasks/run", **lasting),
            self.token("p", aud=url + "/x?y", **lasting),
            self.token("p", aud=CUSTOM, **lasting),
            self.token("p", aud=GCLOUD, **lasting),
            self.token("q", aud="https://other.example", **lasting),
            self.token("p", iat=now - 7200, exp=now - 3600),
            self.token("p", sub="1", **lasting),
            self.mint({"iss": self.homerun.api_url, "sub": self.subs["p"], "aud": url, **lasting},
                      key=foreign),
            of_partner(email="ada@partner.example", email_verified=True, **lasting),
            of_partner(email="bob@elsewhere.example", email_verified=True, **lasting),
            of_partner(email="bob@elsewhere.example", email_verified=False, **lasting),
            of_partner(hd="partner.example", aud=CUSTOM, **lasting),
            self.homerun.token("access"),
            "a.b.c",
        ]

    # -- the door --

    def enter_all(self):
        """Browsers that have signed in: local people, one of a provider; and one whose session is over."""
        self.set_door(True)
        self.provider = LyingProvider()
        self.provider.add_to(self.homerun)
        self.set_door_policy([{"role": "roles/iap.httpsResourceAccessor", "members": ["allAuthenticatedUsers"]}])
        browsers = {}
        for name in ("ann", "bob", "over"):
            browsers[name] = Browser(self.homerun)
            browsers[name].sign_in(self.homerun.cli("invite", f"{name}@example.com", "--print").stdout.strip())
        browsers["corp"] = Browser(self.homerun)
        start = browsers["corp"].ask(self.homerun.ready["auth"] + "/_homerun/auth/provider/corp").headers["location"]
        browsers["corp"].ask(self.provider.authorize(start))
        https = self.https_url()
        for browser in browsers.values():
            browser.enter(https + "/")
        self.cookies = [browser.cookies(https)[SESSION] for browser in browsers.values()] + ["A" * 43, ""]
        self.browsers = browsers
        self.api("POST", "/homerun/v1/sessions:signOut", {"email": "over@example.com"})
        self.homerun.cli("deploy", "two", f"--image={HELLO}", "--iap")
        self.agents, self.agent_tokens = [], []
        self.turn_agents()

    def turn_agents(self):
        """What agents have (their tokens live for ten minutes, so now and then anew): of three people, by refresh tokens;
        of one for another service; and one that has been ended. Who has lost a sign-in meanwhile lets nobody in."""
        desk = Desk(self.homerun)
        self.turned = time.monotonic()
        if not self.agents:
            self.set_door(True)
            for name, service in (("ann", "one"), ("bob", "one"), ("corp", "one"), ("ann", "two")):
                agent = Agent(at=desk)
                agent.kept = agent.tokens(self.browsers[name], service)
                self.agents.append(agent)
        else:
            for agent in self.agents:
                renewed = agent.refresh(agent.kept["refresh_token"])
                assert renewed.status == 200, renewed
                agent.kept = renewed.json
        self.set_door(True)
        ended = Agent(at=desk)
        ended.client = self.agents[0].client
        tokens = ended.tokens(self.browsers["ann"])
        assert ended.revoke(tokens["refresh_token"]).status == 200
        self.agent_tokens = [agent.kept["access_token"] for agent in self.agents] + [tokens["access_token"]]

    def https_url(self):
        host = urllib.parse.urlsplit(self.url("one")).hostname
        return f"https://{host}:{urllib.parse.urlsplit(self.homerun.ready['https']).port}"

    def set_door(self, on):
        self.api("PATCH", f"/v2/{REGION}/services/one?updateMask=iapEnabled", {"iapEnabled": on})

    def set_door_policy(self, bindings, above=False):
        self.api("POST", f"{DOOR}{'' if above else '/services/one'}:setIamPolicy",
                 {"policy": {"version": 3, "bindings": bindings}})

    def settle_door(self, chance):
        """Whether there is a door, whom it lets in, and whether its agent may go on."""
        self.set_door(chance.random() < 0.6)
        people = ["user:ann@example.com", "user:bob@example.com", "user:ann@corp.example", "domain:corp.example",
                  "domain:example.com", f"principal://{POOL}/subject/42", f"principalSet://{POOL}/group/staff"]
        for above in (False, True):
            rows = self.bindings(chance, chance.random() < 0.4, "roles/iap.httpsResourceAccessor", people)
            self.set_door_policy(rows, above)
        self.api("PATCH", f"{DOOR}/services/one:iapSettings", {"accessSettings": chance.choice([
            {}, {}, {"corsSettings": {"allowHttpOptions": True}}, {"oauthSettings": {"programmaticClients": [CUSTOM]}},
            {"allowedDomainsSettings": {"enable": True, "domains": ["example.com"]}}])})

    # -- worlds --

    def bindings(self, chance, service, role="roles/run.invoker", more=()):
        members = [*more, *more, *self.member_of.values(), "group:inner@example.com", "group:outer@example.com",
                   "user:ada@partner.example", "user:bob@elsewhere.example",
                   "domain:partner.example", "domain:elsewhere.example"]
        if service:
            members += ["allUsers", "allAuthenticatedUsers"]
        out = []
        for number in range(chance.randrange(4)):
            condition = chance.choice(CONDITIONS)
            row = {"role": role,
                   "members": chance.sample(members, chance.randrange(1, 3))}
            if condition:
                text = condition.format(org=self.organization.split("/")[1])
                row["condition"] = {"title": f"when {number}", "expression": text}
            out.append(row)
        return out

    def settle(self, chance):
        """One world; what has to be undone after it."""
        rows = self.bindings(chance, True)
        self.set_policy("one", rows + [{"role": "roles/run.invoker", "members": [AGENT]}] * (chance.random() < 0.7))
        self.settle_door(chance)
        policy = self.api("POST", "/v1/projects/demo:getIamPolicy",
                          {"options": {"requestedPolicyVersion": 3}})
        kept = [row for row in policy.get("bindings", []) if row["role"] != "roles/run.invoker"]
        self.api("POST", "/v1/projects/demo:setIamPolicy", {
            "policy": {"version": 3, "bindings": kept + self.bindings(chance, False)}})
        self.api("PATCH", f"/v2/{REGION}/services/one?updateMask=invokerIamDisabled,ingress,"
                          "customAudiences,defaultUriDisabled", {
            "invokerIamDisabled": chance.random() < 0.08,
            "ingress": "INGRESS_TRAFFIC_" + chance.choice(INGRESS),
            "customAudiences": chance.choice([[], [CUSTOM]]),
            "defaultUriDisabled": chance.random() < 0.06})
        inner = {"email": "inner@example.com", "members": chance.sample(
            [*self.member_of.values(), "user:ada@partner.example"], chance.randrange(3))}
        self.api("PUT", "/homerun/v1/groups/inner@example.com", inner, make=True)
        self.api("POST", f"/v1/projects/demo/serviceAccounts/{self.email('q')}:"
                 + chance.choice(["enable", "enable", "disable"]), {})
        if self.bound:
            self.api("DELETE", "/v3/" + self.bound)
        self.bound = None
        value = chance.choice([None, *self.tags])
        if value:
            parent = chance.choice([f"//run.googleapis.com/{REGION}/services/one",
                                    "//cloudresourcemanager.googleapis.com/projects/demo"])
            parent = parent.replace("projects/demo", "projects/123456789012")
            self.bound = self.api("POST", "/v3/tagBindings",
                                  {"parent": parent, "tagValue": value})["response"]["name"]

    # -- requests --

    def send(self, peer, host, path, method, headers):
        client = self.clients.get(peer)
        if client is None:
            client = self.clients[peer] = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=60, source_address=(peer, 0))
        client.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        client.putheader("Host", host)
        for name, value in headers:
            client.putheader(name, value)
        client.endheaders()
        answer = client.getresponse()
        answer.read()
        if answer.will_close:
            client.close()
        return answer.status

    def ask_both(self, chance, world):
        peer = chance.choice([*PEERS, "127.0.0.1", "127.0.0.1"])
        host = chance.choice([self.host] * 6 + ["nothing-1.us-central1.run.localhost"])
        path = chance.choice(PATHS + DOOR_PATHS)
        method = chance.choice(["GET"] * 12 + ["OPTIONS", "TRACE", "POST"])
        lines = {"Authorization": [], "X-Serverless-Authorization": []}
        for name, share in (("Authorization", 0.85), ("X-Serverless-Authorization", 0.1)):
            if chance.random() < share:
                value = chance.choice([f"Bearer {chance.choice(self.tokens + self.agent_tokens * 2)}"] * 9 + ["", "Basic x"])
                lines[name] = [value] * chance.choice([1] * 12 + [2])
        fields = [(name, chance.choice(values)) for name, values in FIELDS.items() if chance.random() < 0.2]
        if chance.random() < 0.5:
            cookies = [f"{SESSION}={chance.choice(self.cookies)}" for _ in range(chance.choice([1] * 8 + [2]))]
            fields.append(("Cookie", "; ".join(["a=b", *cookies])))
        if chance.random() < 0.1:
            fields.append(("Origin", chance.choice([f"http://{self.host}", self.https_url(), "null", "https://evil.example"])))
        if chance.random() < 0.1:
            fields.append(("Proxy-Authorization", f"Bearer {chance.choice(self.tokens + self.agent_tokens)}"))
        agent = f"world-{world}-{len(self.asked)}"
        status = self.send(peer, host, path, method, [
            ("User-Agent", agent), *fields, *((name, value) for name in lines for value in lines[name])])
        answer = self.api("POST", "/homerun/v1/access:explain", {
            "resource": f"{REGION}/services/one", "network": PEERS[peer], "curl": curl_line(
                method, f"http://{host}{path}", [*fields, *((name, value) for name in lines for value in lines[name])])})
        # What the door answers itself is an errand: 200, or 204 to a preflight of it.
        same = status in (200, 204) if answer["rung"] == "door_errand" else status == answer["status"]
        assert same, (agent, status, path, peer, answer)
        self.asked.append((agent, status, answer["rung"]))

    def rungs_of_the_log(self):
        path = os.path.join(self.homerun.data, "log", "requests.jsonl")
        found = {}
        for file in (path + ".1", path):
            if os.path.exists(file):
                with open(file, encoding="utf-8") as lines:
                    for line in lines:
                        row = json.loads(line)
                        agent = row.get("userAgent", row.get("httpRequest", {}).get("userAgent"))
                        found[agent] = row.get("rung")
        return found


def curl_line(method, url, fields):
    """The command that makes this request; "Name;" sends a field without a value."""
    words = ["curl", "-X", method, url]
    for name, value in fields:
        words += ["-H", f"{name}: {value}" if value else f"{name};"]
    return " ".join(shlex.quote(word) for word in words)


@test
def the_gate_does_what_access_explain_says():
    place = Place()
    try:
        for world in range(WORLDS):
            chance = random.Random(SEED * 1000003 + world)
            if world == WORLDS // 4 or time.monotonic() - place.turned > 120:
                place.turn_agents()
            place.settle(chance)
            if world == WORLDS // 2:
                email = place.email("gone")
                place.api("DELETE", f"/v1/projects/demo/serviceAccounts/{email}")
                place.member_of.pop("gone")
            deleted = world % 16 == 7
            if deleted:
                place.api("DELETE", "/v3/projects/demo")
            for _ in range(REQUESTS):
                place.ask_both(chance, world)
            if deleted:
                place.api("POST", "/v3/projects/demo:undelete", {})
        told = wait_until(
            lambda: (lambda found: found if place.asked[-1][0] in found else None)(
                place.rungs_of_the_log()), "the last line of the log", 30)
        rungs = {}
        for agent, status, rung in place.asked:
            if agent in told:  # the oldest lines may have been rotated away
                assert told[agent] == rung, (agent, status, told[agent], rung)
            rungs[rung] = rungs.get(rung, 0) + 1
        print(f"{len(place.asked)} requests, {sum(a in told for a, _, _ in place.asked)} in the "
              f"log: {rungs}")
        assert len(rungs) >= 16, rungs
    finally:
        place.homerun.close()


if __name__ == "__main__":
    main()
