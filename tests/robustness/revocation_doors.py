"""The doors of the revocation test: services behind Identity-Aware Proxy, and browsers that have signed in.

What can be given back (a grant, a group, an account, what a provider says of a group, the door's agent and settings,
the door itself) is a target like any other. What ends for good (a session, by each way that it can end) is one that is
closed once. Agents (MCP clients) come with tokens that people have let them have, and lose them in the same ways.
"""
import http.client
import time

from agents_stand import Agent, Desk
from idp_stand import LyingProvider
from signin_stand import Browser

ACCESSOR = "roles/iap.httpsResourceAccessor"
SESSION = "__Host-homerun_session"
EVENT = {"http://schemas.openid.net/event/backchannel-logout": {}}


class Doors:
    def __init__(self, stand, accounts):
        self.stand = stand
        self.accounts = accounts
        self.homerun = stand.homerun
        self.api = stand.api
        self.number = stand.homerun.ready["projectNumber"]
        self.region = stand.homerun.ready["region"]
        self.agent = f"serviceAccount:service-{self.number}@gcp-sa-iap.iam.gserviceaccount.com"
        self.providers = {}
        self.desk = Desk(stand.homerun)

    # -- services --

    def service(self, name, *members):
        self.stand.service(name, iap_enabled="true")
        self.stand.bind(name, self.agent)
        self.let_in(name, *members)

    def resource(self, name):
        return f"/v1/projects/{self.number}/iap_web/cloud_run-{self.region}/services/{name}"

    def let_in(self, name, *members):
        bindings = [{"role": ACCESSOR, "members": list(members)}] if members else []
        self.api.call("POST", self.resource(name) + ":setIamPolicy", {"policy": {"version": 3, "bindings": bindings}})

    # -- browsers --

    def enter(self, browser, name):
        """The credential that a browser has for a service: its cookie."""
        answer = browser.enter(self.homerun.url(name) + "/")
        assert answer.status in (200, 403), answer
        return f"cookie:{SESSION}={browser.cookies(self.homerun.url(name))[SESSION]}"

    def invited(self, name):
        browser = Browser(self.homerun)
        browser.sign_in(self.homerun.cli("invite", f"{name}@example.com", "--print").stdout.strip())
        return browser

    def provider(self, name):
        if name not in self.providers:
            one = self.providers[name] = LyingProvider()
            one.add_to(self.homerun, name)
            one.sids = 0
        return self.providers[name]

    def by_provider(self, name, subject):
        """Somebody's browser, and the session's name at the provider."""
        one = self.provider(name)
        one.sids += 1
        one.id_claims = {"sub": subject, "sid": f"s{one.sids}"}
        one.userinfo = {"sub": subject, "email": f"{subject}@corp.example", "email_verified": True, "groups": ["staff"]}
        one.token_answer = {"refresh_token": f"{subject}"}
        browser = Browser(self.homerun)
        start = browser.ask(self.homerun.ready["auth"] + f"/_homerun/auth/provider/{name}").headers["location"]
        answer = browser.ask(one.authorize(start))
        assert answer.status == 200, answer
        one.token_answer = {"id_token": None}
        return browser, f"s{one.sids}"

    # -- targets --

    def add(self, name, service, credential, closed, turn, once=False):
        self.stand.add(name, self.stand.host(service), credential, closed, turn)
        self.stand.targets[-1].once = once

    def ends(self, name, browser, end):
        """A session in "door" that END ends for good. It is asked for until it has been done."""
        self.add(name, "door", self.enter(browser, "door"), 401, lambda on: until_done(end), once=True)

    # -- agents --

    def let_agent_in(self, browser, service):
        """An agent that BROWSER's person has let in, its tokens, and its credential."""
        agent = Agent(at=self.desk)
        tokens = agent.tokens(browser, service)
        return agent, tokens, tokens["access_token"]

    def agent_ends(self, name, browser, end):
        """An agent in "door" that END ends for good, by itself and its tokens."""
        agent, tokens, credential = self.let_agent_in(browser, "door")
        self.add(name, "door", credential, 401, lambda on: until_done(lambda: end(agent, tokens)), once=True)


def until_done(act):
    """While processes are killed, an answer may be lost, or be that the door cannot answer now."""
    deadline = time.monotonic() + 60
    while True:
        try:
            if act():
                return
        except (OSError, http.client.HTTPException):
            pass
        assert time.monotonic() < deadline, "the door does not answer"


def stand_up_doors(stand, accounts):
    doors = Doors(stand, accounts)
    what_can_be_given_back(doors)
    what_ends_for_good(doors)
    agents_that_come_and_go(doors)  # last: their tokens live for ten minutes
    agents_that_end(doors)
    return doors


def what_can_be_given_back(doors):
    api, stand = doors.api, doors.stand
    visitor = doors.invited("visitor")
    doors.service("door-grant", "user:visitor@example.com")
    doors.add("door-grant", "door-grant", doors.enter(visitor, "door-grant"), 403,
              lambda on: doors.let_in("door-grant", *(["user:visitor@example.com"] if on else [])))
    doors.service("door-agent", "user:visitor@example.com")
    doors.add("door-agent", "door-agent", doors.enter(visitor, "door-agent"), 403,
              lambda on: stand.bind("door-agent", *([doors.agent] if on else [])))
    doors.service("door-domains", "user:visitor@example.com")
    doors.add("door-domains", "door-domains", doors.enter(visitor, "door-domains"), 403, lambda on: api.call(
        "PATCH", doors.resource("door-domains") + ":iapSettings", {"accessSettings": {"allowedDomainsSettings": {
            "enable": True, "domains": ["example.com" if on else "corp.example"]}}}))
    stand.service("door-switch", invoker_iam_disabled="true")
    doors.add("door-switch", "door-switch", None, 401, lambda on: stand.replace(
        "door-switch", invoker_iam_disabled="true", **({} if on else {"iap_enabled": "true"})))

    api.call("POST", "/homerun/v1/groups", {"email": "crew@example.com", "members": ["user:sailor@example.com"]})
    email = stand.account("door-caller")
    doors.service("door", "group:crew@example.com", f"serviceAccount:{email}", "domain:corp.example", "domain:example.com")
    doors.service("door-group", "group:crew@example.com")
    doors.add("door-group", "door-group", doors.enter(doors.invited("sailor"), "door-group"), 403, lambda on: api.call(
        "PUT", "/homerun/v1/groups/crew@example.com", {"members": ["user:sailor@example.com"] if on else []}))
    robot = Browser(doors.homerun)
    robot.login(f"--as=serviceAccount:{email}")
    doors.add("door-account", "door", doors.enter(robot, "door"), 401, lambda on: api.call(
        "POST", f"{doors.accounts}/{email}:{'enable' if on else 'disable'}", {}))

    pool = "iam.googleapis.com/locations/global/workforcePools/renewed"
    doors.service("door-claim", f"principalSet://{pool}/group/staff")
    member, _ = doors.by_provider("renewed", "member")
    one = doors.provider("renewed")

    def says(on):
        one.userinfo = {**one.userinfo, "groups": ["staff"] if on else []}
        api.call("POST", "/homerun/v1/issuers/renewed:renew", {})
    doors.add("door-claim", "door-claim", doors.enter(member, "door-claim"), 403, says)


def what_ends_for_good(doors):
    api, homerun = doors.api, doors.homerun
    for number in range(2):
        browser = doors.invited(f"sender{number}")
        doors.ends(f"signed-out-{number}", browser, lambda browser=browser: browser.ask(
            homerun.url("door") + "/_homerun/auth/signout", form={}).status == 200)
    browser = doors.invited("cleaner")
    doors.ends("cleared", browser, lambda browser=browser: browser.ask(
        homerun.url("door") + "/_gcp_iap/clear_login_cookie").status == 302)
    browser = doors.invited("above")
    doors.ends("signed-out-above", browser, lambda browser=browser: browser.ask(
        homerun.ready["auth"] + "/_homerun/auth/signout", form={}).status == 200)
    for number in range(2):
        doors.ends(f"by-the-owner-{number}", doors.invited(f"guest{number}"), lambda number=number: api.call(
            "POST", "/homerun/v1/sessions:signOut", {"email": f"guest{number}@example.com"}) is not None)
    email = doors.stand.account("door-leaver")
    leaver = Browser(homerun)
    leaver.login(f"--as=serviceAccount:{email}")
    doors.let_in("door", "group:crew@example.com", f"serviceAccount:{email}", "domain:corp.example", "domain:example.com",
                 *[f"serviceAccount:door-caller@{email.split('@')[1]}"])
    doors.ends("account-deleted", leaver, lambda: api.call("DELETE", f"{doors.accounts}/{email}", accept=(404,)) is not None)

    for number in range(2):
        by_sid, sid = doors.by_provider("corp", f"sid{number}")
        doors.ends(f"logout-by-sid-{number}", by_sid, lambda sid=sid: logout(doors, sid=sid, sub=None))
        by_sub, _ = doors.by_provider("corp", f"sub{number}")
        doors.ends(f"logout-by-sub-{number}", by_sub, lambda number=number: logout(doors, sub=f"sub{number}"))
    refused, _ = doors.by_provider("refusing", "refused")
    doors.ends("refresh-refused", refused, lambda: refuse(doors))
    removed, _ = doors.by_provider("removed", "orphan")
    doors.ends("issuer-removed", removed, lambda: api.call(
        "DELETE", "/homerun/v1/issuers/removed", accept=(404,)) is not None)


def agents_that_come_and_go(doors):
    api, stand = doors.api, doors.stand
    friend = doors.invited("friend")
    doors.service("agent-grant", "user:friend@example.com")
    doors.add("agent-grant", "agent-grant", doors.let_agent_in(friend, "agent-grant")[2], 403,
              lambda on: doors.let_in("agent-grant", *(["user:friend@example.com"] if on else [])))
    email = stand.account("agent-of")
    robot = Browser(doors.homerun)
    robot.login(f"--as=serviceAccount:{email}")
    doors.service("agent-account", "allAuthenticatedUsers")
    doors.add("agent-account", "agent-account", doors.let_agent_in(robot, "agent-account")[2], 401, lambda on: api.call(
        "POST", f"{doors.accounts}/{email}:{'enable' if on else 'disable'}", {}))
    pool = "iam.googleapis.com/locations/global/workforcePools/agents"
    doors.service("agent-claim", f"principalSet://{pool}/group/staff")
    member, _ = doors.by_provider("agents", "member")
    one = doors.provider("agents")

    def says(on):
        one.userinfo = {**one.userinfo, "groups": ["staff"] if on else []}
        api.call("POST", "/homerun/v1/issuers/agents:renew", {})
    doors.add("agent-claim", "agent-claim", doors.let_agent_in(member, "agent-claim")[2], 403, says)


def agents_that_end(doors):
    auth = doors.homerun.ready["auth"]

    def is_unknown(answer):
        return answer.status == 400 and answer.json["error"] == "invalid_grant"

    def used_twice(agent, tokens):
        """Its family turns, and then the token that it had before comes once more."""
        agent.refresh(tokens["refresh_token"])
        return is_unknown(agent.refresh(tokens["refresh_token"]))

    doors.agent_ends("agent-revoked", doors.invited("agent0"),
                     lambda agent, tokens: agent.revoke(tokens["refresh_token"]).status == 200)
    doors.agent_ends("agent-revoked-by-access", doors.invited("agent1"),
                     lambda agent, tokens: agent.revoke(tokens["access_token"]).status == 200)
    doors.agent_ends("agent-used-twice", doors.invited("agent2"), used_twice)
    browser = doors.invited("agent3")
    doors.agent_ends("agent-signed-out", browser, lambda agent, tokens, browser=browser: browser.ask(
        auth + "/_homerun/auth/signout", form={}).status == 200)
    doors.agent_ends("agent-by-the-owner", doors.invited("agent4"), lambda agent, tokens: doors.api.call(
        "POST", "/homerun/v1/sessions:signOut", {"email": "agent4@example.com"}) is not None)
    by_sub, _ = doors.by_provider("corp", "agent5")
    doors.agent_ends("agent-by-its-provider", by_sub, lambda agent, tokens: logout(doors, sub="agent5"))


def logout(doors, **changed):
    """A logout token of the provider "corp", a fresh one each time."""
    one = doors.provider("corp")
    now = int(time.time())
    claims = {"iss": one.issuer, "aud": "homerun", "iat": now, "exp": now + 120, "jti": f"j{time.monotonic_ns()}",
              "events": EVENT, **changed}
    token = one.keys[-1].sign({name: value for name, value in claims.items() if value is not None}, typ="logout+jwt")
    answer = Browser(doors.homerun).ask(doors.homerun.ready["auth"] + "/_homerun/auth/backchannel",
                                        form={"logout_token": token}, Origin=None, Sec_Fetch_Site=None)
    assert answer.status in (200, 503), answer
    return answer.status == 200


def refuse(doors):
    doors.provider("refusing").status = {"/token": (400, {"error": "invalid_grant"})}
    doors.api.call("POST", "/homerun/v1/issuers/refusing:renew", {})
    return True
