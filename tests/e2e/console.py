#!/usr/bin/env python3
"""The console: its sign-in by hand, and its pages in a real browser (tests/console/*.mjs)."""
import json
import os
import pty
import re
import select
import subprocess

from homerun import BINARY, ROOT, Homerun, Skip, clean_environment, fetch, main, need, stand, test

CONSOLE = ROOT / "console"
WRITE = {"X-Homerun-Console": "1", "Content-Type": "application/json"}
HELLO = "us-docker.pkg.dev/cloudrun/container/hello"


def sign_in(**more):
    """A session's cookie by a link of its own."""
    homerun = stand()
    link = homerun.cli("console", "--print").stdout.strip()
    code = re.search(r"#code=([\w-]+)$", link).group(1)
    answer = take(code, **more)
    assert answer.status == 200, answer
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie, cookie
    return code, cookie.split(";")[0]


def take(code, **headers):
    homerun = stand()
    send = {**WRITE, "Origin": homerun.api_url, **headers}
    return homerun.api("POST", "/console/session", {"code": code}, token="",
                       headers={k: v for k, v in send.items() if v is not None})


def as_session(cookie, method, path, body=None, **headers):
    homerun = stand()
    send = {"Cookie": cookie, **WRITE, "Origin": homerun.api_url, **headers}
    return homerun.api(method, path, body, token="",
                       headers={k: v for k, v in send.items() if v is not None})


@test
def the_root_leads_to_the_console_and_its_files_are_guarded():
    homerun = stand()
    root = homerun.api("GET", "/", token="")
    assert root.status == 302 and root.headers["location"] == "/console/", root
    page = homerun.api("GET", "/console/", token="")
    if page.status == 501:
        raise Skip("built without the console")
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "script-src 'self'", "base-uri 'none'"):
        assert part in policy, policy
    assert page.headers["x-content-type-options"] == "nosniff"
    script = homerun.api("GET", "/console/app.js", token="")
    again = homerun.api("GET", "/console/app.js", token="",
                        headers={"If-None-Match": script.headers["etag"]})
    assert again.status == 304 and again.body == b"", again
    weight = sum(len(homerun.api("GET", f"/console/{name}", token="",
                                 headers={"Accept-Encoding": "br"}).body)
                 for name in ("", "app.js", "app.css", "icon.svg"))
    assert weight <= 100_000, weight


@test
def its_types_are_those_of_the_api():
    """api/model.ts is what the program's own table of fields makes, and the console is right by it."""
    need("node")
    if not (CONSOLE / "node_modules" / "typescript").exists():
        raise Skip("the console's packages are not there: npm ci --prefix console")
    done = subprocess.run(["npm", "run", "--silent", "check", "--prefix", str(CONSOLE)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@test
def a_link_is_good_once():
    code, cookie = sign_in()
    assert as_session(cookie, "GET", "/console/session").status == 200
    assert take(code).status == 401
    assert take("A" * 22).status == 401
    assert take("").status == 401


@test
def a_cookie_alone_never_writes():
    homerun = stand()
    _, cookie = sign_in()
    body = {"role": "roles/run.invoker"}
    path = f"/v1/projects/{homerun.ready['project']}:setIamPolicy"
    for lacking in ({"X-Homerun-Console": None}, {"Origin": None}, {"Origin": "http://evil.example"},
                    {"Origin": "null"}, {"Origin": homerun.api_url + ".evil.example"},
                    {"Origin": homerun.api_url.replace("http", "https", 1)},
                    {"Content-Type": "text/plain"}, {"Content-Type": ""},
                    {"Content-Type": "application/x-www-form-urlencoded"},
                    {"Content-Type": "text/plain; application/json"},
                    {"X-Homerun-Console": "0"}):
        answer = as_session(cookie, "POST", path, body, **lacking)
        assert answer.status == 403, (lacking, answer)
    service = "projects/demo/locations/us-central1/services/none"
    for method, version in (("PUT", "v1"), ("PATCH", "v2"), ("DELETE", "v2")):
        answer = as_session(cookie, method, f"/{version}/{service}",
                            {} if method != "DELETE" else None, Origin="http://evil.example")
        assert answer.status == 403, (method, answer)


@test
def signing_in_takes_a_page_of_ours():
    code = stand().cli("console", "--print").stdout.strip().split("#code=")[1]
    for lacking in ({"Origin": "http://evil.example"}, {"X-Homerun-Console": None}, {"Origin": None}):
        assert take(code, **lacking).status == 403, lacking
    assert take(code).status == 200


@test
def nobody_is_believed_by_two_cookies_or_a_wrong_one():
    _, cookie = sign_in()
    assert as_session(f"{cookie}; homerun=x", "GET", "/console/session").status == 401
    assert as_session(cookie[:-1] + ("A" if cookie[-1] != "A" else "B"), "GET",
                      "/console/session").status == 401
    assert as_session("homerun=", "GET", "/console/session").status == 401
    assert as_session(f"other=1; {cookie}", "GET", "/console/session").status == 200


@test
def a_session_is_its_principal_and_ends_with_the_account():
    homerun = stand()
    homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "short-lived"})
    email = "short-lived@demo.iam.gserviceaccount.com"
    code = homerun.cli("console", "--print", f"--as=serviceAccount:{email}").stdout.strip().split("#code=")[1]
    cookie = take(code).headers["set-cookie"].split(";")[0]
    who = as_session(cookie, "GET", "/console/session")
    assert who.json["member"] == f"serviceAccount:{email}", who
    refused = as_session(cookie, "POST", "/v1/projects/demo:getIamPolicy", {})
    assert refused.status == 403, refused
    assert as_session(cookie, "POST", "/homerun/v1/links", {}).status == 403
    assert homerun.api("DELETE", f"/v1/projects/demo/serviceAccounts/{email}").status == 200
    assert as_session(cookie, "GET", "/console/session").status == 401
    homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": "short-lived"})
    assert as_session(cookie, "GET", "/console/session").status == 401, "a successor's session"


@test
def signing_out_ends_it():
    _, cookie = sign_in()
    assert as_session(cookie, "DELETE", "/console/session", {}).status == 200
    assert as_session(cookie, "GET", "/console/session").status == 401


@test
def a_terminal_is_shown_a_link_that_signs_in_and_a_pipe_the_address_alone():
    printed = stand().printed()
    assert "/console/" in printed and "#code=" not in printed, printed
    ours, theirs = pty.openpty()
    own = Homerun("--workers=1")
    own.output = open(os.path.join(own.folder, "output"), "a+b")
    own.process = subprocess.Popen(own.command(), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                                   env=clean_environment(), start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        while b"Ctrl-C drains" not in shown:
            assert select.select([ours], [], [], 60)[0], shown
            shown += os.read(ours, 65536)
        found = re.search(rb"signed in +(http://[^/\s]+)/console/#code=([\w-]+)", shown)
        assert found, shown
        api, code = found[1].decode(), found[2].decode()
        statuses = [fetch(f"{api}/console/session", "POST", {**WRITE, "Origin": api}, json.dumps({"code": code}).encode()).status
                    for _ in range(2)]
        assert statuses == [200, 401], statuses
    finally:
        own.ready = own.read_ready()
        own.close()
        os.close(ours)


@test
def links_are_made_by_the_owner_alone():
    homerun = stand()
    token = homerun.token(member="user:nobody@example.com")
    assert homerun.api("POST", "/homerun/v1/links", {}, token=token).status == 403
    assert homerun.api("POST", "/homerun/v1/links", {"member": "group:g@example.com"}).status == 400


def grant(member, role):
    homerun = stand()
    policy = homerun.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
    policy["bindings"].append({"role": role, "members": [member]})
    done = homerun.api("POST", "/v1/projects/demo:setIamPolicy", {"policy": policy})
    assert done.status == 200, done


def run_in_browser(name):
    """Runs tests/console/NAME and passes on what it prints."""
    need("node")
    chromium = need("chromium")
    if not (CONSOLE / "node_modules" / "playwright-core").exists():
        raise Skip("the console's packages are not there: npm ci --prefix console")
    homerun = stand()
    if homerun.api("GET", "/console/", token="").status == 501:
        raise Skip("built without the console")
    for service in ("one", "two"):
        homerun.cli("deploy", service, f"--image={HELLO}")
    grant("user:viewer@example.com", "roles/run.viewer")
    grant("user:developer@example.com", "roles/run.developer")
    done = subprocess.run(
        ["node", str(ROOT / "tests" / "console" / name)], text=True, capture_output=True, timeout=600,
        env={**os.environ, "HOMERUN": BINARY, "HOMERUN_DATA": homerun.data, "HOMERUN_CA": homerun.ca,
             "HOMERUN_CONSOLE": str(CONSOLE), "CHROMIUM": chromium,
             "HOMERUN_SHOTS": os.environ.get("HOMERUN_SHOTS", "")})
    print(done.stdout, end="", flush=True)
    assert "ok " in done.stdout and "not ok" not in done.stdout and done.returncode == 0, \
        f"{name}: {(done.stdout + done.stderr)[-400:]}"


@test
def access_in_a_browser():
    run_in_browser("access.mjs")


@test
def every_page_in_a_browser():
    run_in_browser("pages.mjs")


@test
def other_sites_in_a_browser():
    run_in_browser("trust.mjs")


@test
def the_guide_is_shown():
    run_in_browser("guide.mjs")


@test
def what_services_did_is_plotted():
    run_in_browser("metrics.mjs")


if __name__ == "__main__":
    main()
