#!/usr/bin/env python3
"""What people ask when they are refused, as files (tests/scenarios/): the first line of `access explain` names the true
cause, and the commands that it proposes, typed as they stand, make the request succeed wherever policy allows.

A file is TOML:

    asks    what somebody wants to know, in a sentence
    given   commands that make the situation, each a line of a shell; {…} are the stand's values
    request what is sent: service, method, path, host, headers, and a token (see Stand.token)
    status  what it is refused with
    code    the word for the cause, and
    says    what the first line has to say
    policy  the constraint that refuses the change, where one does
    stuck   true where nothing can let this very request in, and
    instead what is told then
    curl    the request as a pasted command, which has to be explained alike
    fixed   how the request succeeds: "again" (the same one, after the commands) or "command" (the last command is
            the request)
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import tomllib

from gate_stand import add_mirror, b64, sign
from homerun import BINARY, ROOT, Homerun, clean_environment, finally_do, main, test, wait_until

FILES = sorted((ROOT / "tests" / "scenarios").glob("*.toml"))
REGION = "projects/demo/locations/us-central1"
SERVICES = ("shop", "stock")
ACCOUNTS = ("worker", "nightly", "gone", "again")

_stand = None


class Stand:
    def __init__(self):
        self.homerun = Homerun("--workers=1").start()
        self.bin = os.path.join(self.homerun.folder, "bin")
        os.mkdir(self.bin)
        os.symlink(BINARY, os.path.join(self.bin, "homerun"))
        add_mirror(self.homerun)
        for service in SERVICES:
            self.homerun.cli("deploy", service, "--image=mirror")
        self.subs = {name: self.account(name) for name in ACCOUNTS}
        self.values = {
            **{service: self.homerun.url(service) for service in SERVICES},
            **{f"{service}_host": self.homerun.url(service).removeprefix("https://") for service in SERVICES},
            **{name: self.email(name) for name in ACCOUNTS},
            "api": self.homerun.api_url, "ca": self.homerun.ca, "region": REGION,
            "plain_shop": f"http://{self.homerun.url('shop').removeprefix('https://').split(':')[0]}:"
                          f"{self.homerun.ready['http'].rsplit(':', 1)[1]}",
            "port": self.homerun.url("shop").rsplit(":", 1)[1],
            "folder": self.homerun.folder, "jwks": self.jwks(),
            "organization": self.homerun.api("GET", "/v1/projects/demo").json["parent"]["id"],
        }

    def jwks(self):
        """A key set of somebody else's."""
        path = os.path.join(self.homerun.folder, "jwks.json")
        shutil.copy(ROOT / "tests" / "scenarios" / "jwks.json", path)
        return path

    def email(self, name):
        return f"{name}-acct@demo.iam.gserviceaccount.com"

    def account(self, name):
        answer = self.homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": f"{name}-acct"})
        assert answer.status == 200, answer
        return answer.json["uniqueId"]

    def fill(self, text):
        return re.sub(r"\{([a-z_]+)\}", lambda found: self.values.get(found[1], found[0]), text)

    def shell(self, command, status=0):
        environment = {**clean_environment(), "HOMERUN_DATA": self.homerun.data,
                       "PATH": f"{self.bin}:{os.environ['PATH']}", "BASH_ENV": ""}
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=environment)
        if status is not None:
            assert done.returncode == status, (command, done.stdout[-800:], done.stderr[-800:])
        return done

    def reset(self):
        """Two private services that nobody may invoke, and accounts in good order."""
        for service in SERVICES:
            answer = self.homerun.api("POST", f"/v2/{REGION}/services/{service}:setIamPolicy", {"policy": {"version": 3}})
            assert answer.status == 200, answer
            answer = self.homerun.api(
                "PATCH", f"/v2/{REGION}/services/{service}?updateMask=ingress,invokerIamDisabled,customAudiences,"
                "defaultUriDisabled",
                {"ingress": "INGRESS_TRAFFIC_ALL"})
            assert answer.status == 200, answer

    # -- tokens --

    def token(self, spec):
        """{as = "worker", audience = "{shop}"} from the issuer; claims beside `as` replace some of what it says.
        {access = true}: an access token. {text = "…"}: as it is. {self = "worker"}: signed by the account's own key."""
        spec = {name: self.fill(value) if isinstance(value, str) else value for name, value in spec.items()}
        if "text" in spec:
            return spec["text"]
        if spec.get("access"):
            return self.homerun.token("access")
        member = spec.pop("as", None)
        change = spec.pop("change", None)
        claims = {name: value for name, value in spec.items() if name != "audience"}
        audience = spec.get("audience", self.values["shop"])
        if claims:
            token = self.mint(member, audience, claims)
        else:
            named = f"serviceAccount:{self.email(member)}" if member in self.subs else member
            token = self.homerun.cli("token", "identity", f"--as={named}", f"--audience={audience}").stdout.strip()
        return token if change is None else self.changed(token, change)

    def mint(self, member, audience, claims):
        now = int(time.time())
        folder = pathlib.Path(self.homerun.data) / "signer"
        kid = claims.pop("kid", (folder / "issuers").read_text().split()[-1])
        key = folder / f"issuer-{(folder / 'issuers').read_text().split()[-1]}.pem"
        late = claims.pop("late", 0)
        life = claims.pop("life", 600)
        whole = {"iss": self.homerun.api_url, "sub": self.subs.get(member, "1"), "aud": audience,
                 "iat": now - late, "exp": now - late + life, **claims}
        return sign({name: value for name, value in whole.items() if value != ""}, str(key), kid)

    def changed(self, token, change):
        head, payload, signature = token.split(".")
        symmetric = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        return {
            "signature": f"{head}.{payload}.{b64(b'x' * 256)}",
            "stripped": f"{head}.{payload}.SIGNATURE_REMOVED_BY_GOOGLE",
            "cut": token[:len(head) + 40],
            "hs256": f"{symmetric}.{payload}.{signature}",
        }[change]

    # -- requests --

    def send(self, request):
        """The status, and the denial."""
        service = request.get("service", "shop")
        url = self.values.get(service) or f"https://{self.fill(service)}"
        headers = [self.fill(header) for header in request.get("headers", [])]
        if "token" in request:
            name = request.get("header", "Authorization")
            prefix = request.get("prefix", "Bearer ")
            headers.append(f"{name}: {prefix}{self.token(dict(request['token']))}{request.get('suffix', '')}")
        command = ["curl", "-sS", "--cacert", self.homerun.ca, "--path-as-is", "-o", "/dev/null", "-D", "-",
                   "-X", request.get("method", "GET")]
        for header in headers:
            command += ["-H", header]
        if request.get("http1"):  # a value that ends in a blank is no HTTP/2
            command.append("--http1.1")
        if "host" in request:
            command += ["-H", f"Host: {self.fill(request['host'])}"]
        done = subprocess.run([*command, self.fill(request.get("url", url + request.get("path", "/")))],
                              capture_output=True, text=True, timeout=60, check=True)
        status = int(done.stdout.split()[1])
        found = re.search(r"(?im)^homerun-denial: (\S+)", done.stdout)
        return status, found and found[1]

    def explain(self, *arguments, input=None):
        """The first line that people read, and the whole as JSON."""
        first = self.homerun.cli("access", "explain", *arguments, input=input).stdout.splitlines()[0]
        shown = self.homerun.cli("access", "explain", *arguments, "--format=json", input=input).stdout
        return first, json.loads(shown)


def stand():
    global _stand
    if _stand is None:
        _stand = Stand()
        finally_do(_stand.homerun.close)
    return _stand


# ---- one scenario ----

def check_cause(s, scenario, first, answer):
    assert answer["code"] == scenario["code"], (answer["code"], first)
    for words in scenario["says"]:
        assert s.fill(words) in first, (s.fill(words), first)
    assert first.startswith("No: "), first


def check_stuck(scenario, answer):
    assert not answer["changes"], answer["changes"]
    text = " ".join(answer["instead"])
    assert scenario["instead"] in text, answer["instead"]


def check_refused_by_policy(s, scenario, answer):
    change = answer["changes"][0]
    assert not change["organizationPolicy"]["allowed"], change
    refused = s.shell(change["homerun"], status=None)
    assert refused.returncode != 0, change
    said = change["organizationPolicy"]["text"]
    assert said.splitlines()[0][:60] in refused.stderr + refused.stdout, (said, refused.stderr)
    assert any(scenario["instead"] in text for text in answer["instead"]), answer["instead"]


def check_change(s, scenario, answer):
    """Types what is proposed; the request then reaches the container."""
    assert answer["changes"], answer
    for change in answer["changes"]:
        assert change["organizationPolicy"]["allowed"], change
        done = s.shell(change["homerun"])
        if change["kind"] == "REQUEST":
            head = scenario["request"].get("method") == "HEAD"
            assert ("HTTP/2 200" if head else '"hits"') in done.stdout, (change["homerun"], done.stdout[-500:])
    sends = answer["changes"][-1]["kind"] == "REQUEST"
    assert sends == (scenario.get("fixed", "again") == "command"), answer["changes"]
    if not sends:
        status, _ = s.send(scenario["request"])
        assert status == 200, (status, answer["changes"])


def run(s, scenario):
    s.reset()
    for command in scenario.get("given", []):
        s.shell(s.fill(command))
    try:
        status, denial = s.send(scenario["request"])
        assert status == scenario["status"], status
        if denial is None:  # what leads elsewhere is no refusal
            first, answer = s.explain("--curl=-", input=s.fill(scenario["curl"]))
        else:
            wait_until(lambda: s.homerun.api("GET", f"/homerun/v1/access:explain?denial={denial}").status == 200,
                       "the refusal is in the log")
            first, answer = s.explain(denial)
        check_cause(s, scenario, first, answer)
        if "curl" in scenario:
            check_cause(s, scenario, *s.explain("--curl=-", input=s.fill(scenario["curl"])))
        if scenario.get("stuck"):
            check_stuck(scenario, answer)
        elif "policy" in scenario:
            check_refused_by_policy(s, scenario, answer)
        else:
            check_change(s, scenario, answer)
    finally:
        for command in scenario.get("after", []):
            s.shell(s.fill(command))


def scenario_test(path):
    def check():
        run(stand(), tomllib.loads(path.read_text(encoding="utf-8")))
    check.__name__ = re.sub(r"\W", "_", path.stem)
    return test(check)


for file in FILES:
    scenario_test(file)


@test
def a_scenario_that_is_wrong_is_noticed():
    """Each part of a file that is checked fails where it is not so."""
    right = tomllib.loads((ROOT / "tests/scenarios/role-missing.toml").read_text(encoding="utf-8"))
    for wrong in ({"status": 401}, {"code": "expired"}, {"says": ["another cause"]}, {"fixed": "command"},
                  {"stuck": True, "instead": "x"}, {"policy": "x", "instead": "x"}):
        try:
            run(stand(), {**right, **wrong})
        except AssertionError:
            continue
        raise AssertionError(f"not noticed: {wrong}")


@test
def the_scenarios_are_there():
    assert len(FILES) >= 40, len(FILES)
    assert shutil.which("curl"), "the scenarios are asked with curl"


if __name__ == "__main__":
    main()
