#!/usr/bin/env python3
"""The gate's truth table, row by row, against the real thing. The rules: docs/access.md."""
import base64
import json
import os
import socket
import ssl
import threading
import time
import urllib.parse

from gate_stand import add_mirror, b64, bearer, sign, special, stand, strip, tamper
from homerun import GCLOUD_CLIENT_ID, Homerun, fetch, main, test


# ---- the rows ----

@test
def row_1_an_unknown_host_is_404():
    # docs/access.md: A2
    s = stand()
    for host in ("nothing-123.us-central1.run.localhost", "localhost", "127.0.0.1:8443"):
        s.refused(404, "private", bearer(s.token("p")), host=host)


@test
def row_2_an_internal_service_does_not_exist_outside():
    # docs/access.md: A6
    s = stand()
    s.refused(404, "inside")
    s.refused(404, "inside", ("X-Forwarded-For", "10.0.0.1"))


@test
def row_3_no_header_is_403():
    # docs/access.md: A9
    page = stand().refused(403, "private", path="/a?b=c").text
    assert page == (
        "<html><head>\n"
        '<meta http-equiv="content-type" content="text/html;charset=utf-8">\n'
        "<title>403 Forbidden</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n"
        "<h1>Error: Forbidden</h1>\n<h2>Your client does not have permission to get URL "
        "<code>/a</code> from this server.</h2>\n<h2></h2>\n</body></html>\n"), page


@test
def row_4_an_empty_header_is_403():
    # docs/access.md: C2
    stand().refused(403, "private", ("Authorization", ""))
    stand().refused(403, "private", ("Authorization", "  "))


@test
def row_5_another_scheme_is_401():
    stand().refused(401, "private", ("Authorization", "Basic dXNlcjpwYXNz"))


@test
def row_6_an_access_token_is_401():
    # docs/access.md: A10, C3
    s = stand()
    s.refused(401, "private", bearer(s.homerun.token("access", member=s.member("p"))))
    s.refused(401, "private", bearer(s.homerun.token("access")))


@test
def row_7_a_token_that_cannot_be_believed_is_401():
    # docs/access.md: C4, C5
    s = stand()
    now = int(time.time())
    foreign, _ = s.new_key("foreign")
    claims = {"iss": s.homerun.api_url, "sub": s.subs["p"], "aud": s.url("private")}
    bad = {
        "expired": s.token("p", iat=now - 3600, exp=now - 60),
        "not yet": s.token("p", nbf=now + 600),
        "too long": s.token("p", exp=now + 2 * 86400),
        "tampered": tamper(s.token("p")),
        "foreign key": s.mint(claims, key=foreign),
        "foreign issuer": s.mint({**claims, "iss": "https://issuer.example"}, key=foreign),
        "wrong audience": s.token("p", aud="https://other.example"),
        "other service": s.token("p", service="switch"),
        "audience with a query": s.token("p", aud=s.url("private") + "/x?y"),
        "audience with a fragment": s.token("p", aud=s.url("private") + "/x#y"),
        "path at another host": s.token("p", aud=s.url("switch") + "/x"),
        "unknown subject": s.token("p", sub="1"),
        "garbage": "garbage",
        "three parts of garbage": "a.b.c",
    }
    for what, token in bad.items():
        page = s.refused(401, "private", bearer(token), path="/x").text
        assert "permission to the requested URL <code>/x</code>." in page, what
    head, payload, _ = s.token("p").split(".")
    unsigned = b64(b'{"alg":"none","typ":"JWT"}')
    s.refused(401, "private", bearer(f"{unsigned}.{payload}."))
    s.refused(401, "private", bearer(f"{head}.{payload}."))


@test
def row_8_a_caller_who_is_not_on_the_list_is_403():
    # docs/access.md: A12
    s = stand()
    s.refused(403, "private", bearer(s.token("q")))


@test
def row_9_a_caller_who_may_invoke_passes():
    # docs/access.md: A11
    s = stand()
    token = s.token("p")
    seen = s.passed("private", bearer(token), ("Cookie", "a=b"), path="/a%41?b=c%2f")
    assert seen["authorization"] == f"Bearer {token}"
    assert seen["cookie"] == "a=b"
    assert seen.document["path"] == "/a%41?b=c%2f"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["forwarded"] == 'for="127.0.0.1";proto=https'
    assert seen["host"] == urllib.parse.urlsplit(s.url("private")).netloc
    assert seen["x-cloud-trace-context"].endswith(";o=1")
    for audience in (s.url("private") + "/", s.url("private").rsplit(":", 1)[0]):
        s.passed("private", bearer(s.token("p", aud=audience)))
    s.passed("private", bearer(s.token("p", aud=["x", s.url("private")])))


@test
def an_audience_may_be_the_url_with_a_path():
    """What Cloud Tasks, Scheduler and Pub/Sub push send where no audience is set."""
    s = stand()
    for path in ("/", "/x", "/tasks/run", "/a/b/"):
        s.passed("private", bearer(s.token("p", aud=s.url("private") + path)), path="/other")


@test
def both_urls_lead_to_the_service_and_through_the_same_gate():
    s = stand()
    path = "/v2/projects/demo/locations/us-central1/services/private"
    urls = s.homerun.api("GET", path).json["urls"]
    assert len(urls) == 2 and urls[0] == s.url("private"), urls
    host = urllib.parse.urlsplit(urls[1]).netloc
    assert host.startswith("private-") and "-uc.a.run.localhost" in host, host
    s.refused(403, "private", host=host)
    s.refused(401, "private", bearer(s.token("p", service="switch")), host=host)
    for audience in urls:
        for asked in urls:
            token = s.token("p", aud=audience)
            s.passed("private", bearer(token), host=urllib.parse.urlsplit(asked).netloc)
    context = ssl.create_default_context(cafile=s.homerun.ca)
    port = urllib.parse.urlsplit(urls[1]).port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        context.wrap_socket(raw, server_hostname=host.split(":")[0]).close()


@test
def row_10_gclouds_audience_passes_and_the_signature_is_replaced():
    # docs/access.md: C5, C8
    s = stand()
    token = s.token("p", aud=GCLOUD_CLIENT_ID)
    assert s.passed("private", bearer(token))["authorization"] == f"Bearer {strip(token)}"


@test
def row_11_the_serverless_header_decides_and_is_stripped():
    # docs/access.md: C1, C8
    s = stand()
    token = s.token("p")
    seen = s.passed("private", special(token), ("Authorization", "Bearer app"))
    assert seen["authorization"] == "Bearer app"
    assert seen["x-serverless-authorization"] == f"Bearer {strip(token)}"


@test
def row_12_the_serverless_header_decides_also_against_a_good_authorization():
    s = stand()
    s.refused(403, "private", special(s.token("q")), bearer(s.token("p")))


@test
def row_13_garbage_in_the_serverless_header_is_401():
    s = stand()
    s.refused(401, "private", special("garbage"), bearer(s.token("p")))


@test
def row_14_two_authorization_lines_are_401():
    s = stand()
    s.refused(401, "private", bearer(s.token("p")), bearer(s.token("p")))


@test
def row_15_a_preflight_is_403():
    stand().refused(403, "private", ("Origin", "https://app.example"),
                    ("Access-Control-Request-Method", "GET"), method="OPTIONS")


@test
def rows_16_and_17_a_tag_takes_tokens_for_the_service_alone():
    s = stand()
    s.homerun.cli("deploy", "private", "--image=mirror", "--tag=blue", "--no-traffic")
    seen = s.passed("private", bearer(s.token("p")), tag="blue")
    plain = s.passed("private", bearer(s.token("p")))
    assert seen.document["revision"] != plain.document["revision"]
    s.refused(401, "private", bearer(s.token("p", aud=s.url("private", "blue"))), tag="blue")
    s.refused(403, "private", tag="blue")


@test
def row_18_with_the_check_off_no_token_is_looked_at():
    # docs/access.md: A7
    s = stand()
    s.set_policy("switch", [])
    s.set_check("switch", False)
    old = s.token("p", exp=int(time.time()) - 60, iat=int(time.time()) - 600)
    assert s.passed("switch")["authorization"] is None
    for value in ("Bearer garbage", f"Bearer {old}", "Basic  x", "bearer  " + old):
        assert s.passed("switch", ("Authorization", value))["authorization"] == value
    s.set_check("switch", True)


@test
def rows_19_and_20_all_users_means_no_token_is_looked_at():
    # docs/access.md: A8
    s = stand()
    s.allow("switch", ["allUsers"])
    assert s.passed("switch", ("Authorization", "Bearer garbage"))["authorization"] == \
        "Bearer garbage"
    token = s.token("q")
    seen = s.passed("switch", special(token), bearer(token))
    assert seen["x-serverless-authorization"] == f"Bearer {strip(token)}"
    assert seen["authorization"] == f"Bearer {token}"
    s.allow("switch", [])


@test
def rows_21_to_23_all_authenticated_users():
    s = stand()
    key, jwks = s.new_key("federated")
    pool = "iam.googleapis.com/locations/global/workforcePools/pool"
    made = s.homerun.api("POST", "/homerun/v1/issuers", {
        "name": "federated", "issuer": "https://idp.example", "jwks": jwks, "pool": pool})
    assert made.status == 200, made
    s.allow("switch", ["allAuthenticatedUsers"])
    s.refused(403, "switch")
    s.passed("switch", bearer(s.token("q", "switch")))
    token = s.mint({"iss": "https://idp.example", "sub": "bob", "aud": s.url("switch")}, key,
                   "federated")
    s.refused(403, "switch", bearer(token))
    s.allow("switch", [f"principal://{pool}/subject/bob"])
    s.passed("switch", bearer(token))
    assert s.homerun.api("DELETE", "/homerun/v1/issuers/federated").status == 200
    s.refused(401, "switch", bearer(token))
    s.allow("switch", [])


@test
def rows_24_to_26_the_check_and_the_policy_are_two_switches():
    s = stand()
    s.set_policy("switch", [])
    s.set_check("switch", False)
    s.passed("switch")
    s.allow("switch", ["allUsers"])
    s.set_check("switch", True)
    s.passed("switch")
    s.set_policy("switch", [])
    s.refused(403, "switch")


@test
def row_27_a_condition_on_the_path_decides_by_the_path():
    # docs/access.md: K2
    s = stand()
    s.allow("switch", [s.member("p")], 'request.path.startsWith("/a")')
    caller = bearer(s.token("p", "switch"))
    s.passed("switch", caller, path="/a/x")
    s.passed("switch", caller, path="/%61/x?y")
    s.refused(403, "switch", caller, path="/b")
    s.refused(403, "switch", caller, path="/?/a")
    s.refused(400, "switch", caller, path="/a/..%2fb")
    s.refused(400, "switch", caller, path="/a/%2e%2e/b")
    s.allow("switch", [])


@test
def row_28_what_was_taken_away_after_minting_is_401():
    # docs/access.md: C6, P1
    s = stand()
    path = "/v1/projects/demo/serviceAccounts/" + s.email("gone")
    s.subs["gone"] = s.account("gone")
    s.allow("switch", [s.member("gone"), s.member("p")])
    caller = bearer(s.token("gone", "switch"))
    s.passed("switch", caller)
    for deed, status in (("disable", 401), ("enable", 200)):
        assert s.homerun.api("POST", f"{path}:{deed}", {}).status == 200
        assert s.ask("switch", caller).status == status, deed
    made = s.homerun.api("POST", f"{path}/keys", {})
    assert made.status == 200, made
    file = json.loads(base64.b64decode(made.json["privateKeyData"]))
    keyed = bearer(token_by_key(s, file))
    name = "/v1/" + made.json["name"]
    s.passed("switch", keyed)
    for deed, status in (("disable", 401), ("enable", 200)):
        assert s.homerun.api("POST", f"{name}:{deed}", {}).status == 200
        assert s.ask("switch", keyed).status == status, deed
    assert s.homerun.api("DELETE", name).status == 200
    s.refused(401, "switch", keyed)
    s.passed("switch", caller)
    assert s.homerun.api("DELETE", path).status == 200
    s.refused(401, "switch", caller)
    s.allow("switch", [])


def token_by_key(s, file):
    """An ID token minted through a key file, as Google's libraries do it."""
    path = os.path.join(s.homerun.folder, "user-key.pem")
    with open(path, "w", encoding="utf-8") as out:
        out.write(file["private_key"])
    now = int(time.time())
    assertion = sign({"iss": file["client_email"], "sub": file["client_email"], "iat": now,
                      "exp": now + 600, "aud": file["token_uri"],
                      "target_audience": s.url("switch")}, path, file["private_key_id"])
    form = urllib.parse.urlencode({
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion})
    answer = fetch(s.homerun.api_url + "/token", "POST",
                   {"Content-Type": "application/x-www-form-urlencoded"}, form.encode())
    assert answer.status == 200, answer
    return answer.json["id_token"]


@test
def row_28_an_issuer_key_that_was_removed_ends_its_tokens():
    s = stand()
    s.allow("switch", [s.member("p")])
    kid, file = s.issuer_key()
    with open(file, encoding="utf-8") as source:
        kept = os.path.join(s.homerun.folder, "old-issuer.pem")
        with open(kept, "w", encoding="utf-8") as out:
            out.write(source.read())
    claims = {"iss": s.homerun.api_url, "sub": s.subs["p"], "aud": s.url("switch")}
    old = bearer(s.mint(claims))
    s.passed("switch", old)
    answer = s.homerun.api("POST", "/homerun/v1/keys:rotate", {})
    assert answer.status == 200, answer
    s.passed("switch", old)
    answer = s.homerun.api("DELETE", f"/homerun/v1/keys/{kid}")
    assert answer.status == 200, answer
    s.homerun._tokens.clear()  # the owner's access token was signed by that key too
    s.refused(401, "switch", old)
    s.refused(401, "switch", bearer(s.mint(claims, key=kept, kid=kid)))
    s.passed("switch", bearer(s.token("p", "switch")))
    s.allow("switch", [])


@test
def rows_29_and_30_roles_of_the_project_reach_down_if_they_may_invoke():
    s = stand()
    caller = bearer(s.token("q"))
    for role, status in (("roles/editor", 200), ("roles/run.developer", 200),
                         ("roles/viewer", 403), ("roles/run.viewer", 403)):
        before = s.allow_on_project(role, [s.member("q")])
        answer = s.ask("private", caller)
        s.set_project_policy(before)
        assert answer.status == status, (role, answer)
        assert s.ask("private", caller).status == 403


# ---- beside the table ----

@test
def plain_http_leads_to_https():
    # docs/access.md: A1
    s = stand()
    host = urllib.parse.urlsplit(s.url("private")).hostname
    port = urllib.parse.urlsplit(s.homerun.ready["http"]).port
    answer = fetch(f"http://{host}:{port}/a?b=c")
    assert answer.status == 302, answer
    assert answer.headers["Location"] == s.url("private") + "/a?b=c"


@test
def plain_http_sends_nobody_to_a_host_that_is_not_ours():
    s = stand()
    port = urllib.parse.urlsplit(s.homerun.ready["http"]).port
    for host in ("elsewhere.example.com", "127.0.0.1", f"localhost:{port}", "run.localhost",
                 "nothing-1.us-central1.run.localhost", "[::1]", ""):
        answer = fetch(f"http://127.0.0.1:{port}/a?b=c", headers={"Host": host})
        assert answer.status in (400, 404), (host, answer)
        assert (answer.status == 404 or host == "") and "Location" not in answer.headers, answer


@test
def trace_and_connect_never_reach_a_container():
    # docs/access.md: A4
    s = stand()
    s.refused(405, "private", bearer(s.token("p")), method="TRACE")


@test
def what_a_client_may_not_claim_is_taken_away():
    # docs/access.md: C9
    s = stand()
    seen = s.passed("private", bearer(s.token("p")),
                    ("X-Goog-IAP-JWT-Assertion", "x"),
                    ("X-Goog-Authenticated-User-Email", "root"),
                    ("X_Goog_Authenticated_User_Email", "root"),
                    ("X-Appengine-User-Email", "root"),
                    ("X-Forwarded-For", "203.0.113.7"),
                    ("X-Forwarded-Proto", "http"))
    for name in ("x-goog-iap-jwt-assertion", "x-goog-authenticated-user-email",
                 "x_goog_authenticated_user_email", "x-appengine-user-email"):
        assert seen[name] is None, name
    assert seen["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"


@test
def a_denial_can_be_explained_by_its_id():
    s = stand()
    denial = s.refused(403, "private", bearer(s.token("q")))
    name = denial.headers["Homerun-Denial"]
    answer = s.homerun.api("GET", f"/homerun/v1/access:explain?denial={name}")
    assert answer.status == 200, answer
    assert answer.json["rung"] == "no_binding", answer
    assert answer.json["principal"] == s.member("q"), answer
    assert "lacks {run.routes.invoke} permission" in answer.json["text"]


def told(answer):
    """All that a stranger is told: what differs from one request to the next by design is left out."""
    names = [(name.lower(), value) for name, value in answer.headers.items()]
    assert sum(name == "homerun-denial" for name, _ in names) == 1, names
    return answer.status, answer.body, sorted(one for one in names if one[0] not in ("homerun-denial", "date"))


def all_alike(answers):
    """ANSWERS, by what was asked, are identical to the byte."""
    first, *rest = answers
    for what in rest:
        assert told(answers[what]) == told(answers[first]), f"{what} is told apart from {first}: {answers}"


@test
def who_exists_is_not_told_to_strangers():
    """Refusals of a kind are identical: who is known here, or was, cannot be found out."""
    # docs/access.md: A9, A10, A12
    s = stand()
    key, keys = s.new_key("corp")
    stranger, _ = s.new_key("stranger")
    answer = s.homerun.api("POST", "/homerun/v1/issuers", {
        "name": "corp", "issuer": "https://corp.example", "googleLike": True, "domains": ["corp.example"], "jwks": keys})
    assert answer.status == 200, answer
    for name in ("bygone", "asleep"):
        s.subs[name] = s.account(name)
    s.allow("switch", ["user:known@corp.example", s.member("p")])
    own = {"iss": s.homerun.api_url, "aud": s.url("private")}
    gone, asleep = s.token("bygone"), s.token("asleep")
    account = "/v1/projects/demo/serviceAccounts/" + s.email("asleep")
    assert s.homerun.api("POST", f"{account}:disable", {}).status == 200
    assert s.homerun.api("DELETE", "/v1/projects/demo/serviceAccounts/" + s.email("bygone")).status == 200

    def of_corp(name, domain="corp.example"):
        return s.mint({"iss": "https://corp.example", "sub": name, "aud": s.url("private"),
                       "email": f"{name}@{domain}", "email_verified": True}, key=key, kid="corp")

    def asked(method, headers):
        return {what: s.refused(status, "private", *([bearer(token)] if token else []), path="/a/b?c=d", method=method)
                for what, (status, token) in headers.items()}

    known, never = of_corp("known"), of_corp("never")
    for method in ("GET", "POST", "HEAD"):
        all_alike(asked(method, {
            "no credential": (403, None),
            "an account that may not": (403, s.token("q")),
            "somebody who may call another service": (403, known),
            "somebody of whom nothing is known": (403, never),
            "an address of a domain that the issuer does not speak for": (403, of_corp("known", "other.example"))}))
        all_alike(asked(method, {
            "an account that was deleted": (401, gone),
            "an account that is disabled": (401, asleep),
            "an account that never was": (401, s.mint({**own, "sub": "1"})),
            "an issuer that is not known": (401, s.mint({**own, "iss": "https://nobody.example"}, key=stranger, kid="x")),
            "the key of another": (401, s.mint({**own, "sub": s.subs["p"]}, key=stranger)),
            "another service's token": (401, s.token("p", "switch")),
            "garbage": (401, "garbage")}))
        hidden = {f"{who} to {what}": s.refused(404, "inside", *headers, path="/a/b?c=d", method=method, host=host)
                  for what, host in (("an internal service", None),
                                     ("no service", urllib.parse.urlsplit(s.url("inside")).netloc.replace("inside", "nothing")))
                  for who, headers in (("nobody", []), ("p", [bearer(s.token("p", "inside"))]), ("garbage", [bearer("garbage")]))}
        all_alike(hidden)
    assert s.homerun.api("DELETE", "/homerun/v1/issuers/corp").status == 200
    s.allow("switch", [])


@test
def what_exists_is_not_told_by_the_api():
    """An account without any role: a service that is there and one that is not are refused in the same words."""
    s = stand()
    token = s.homerun.token("access", member=s.member("q"))
    service = "/v2/projects/demo/locations/us-central1/services/{}"
    for method, path, body in (("GET", service, None), ("DELETE", service, None), ("PATCH", service, {}),
                               ("GET", service + ":getIamPolicy", None), ("POST", service + ":setIamPolicy", {"policy": {}}),
                               ("GET", "/v1/projects/demo/locations/us-central1/services/{}", None),
                               ("GET", service + "/revisions", None)):
        there, not_there = ((answer.status, answer.text.replace(name, "NAME")) for name in ("private", "nothing")
                            for answer in [s.homerun.api(method, path.format(name), body, token=token)])
        assert there == not_there and there[0] == 403, (method, path, there, not_there)


@test
def the_log_holds_no_token_and_no_query():
    s = stand()
    token = s.token("p")
    s.passed("private", bearer(token), ("Cookie", "session=hidden"), path="/x?secret=hidden")
    s.refused(401, "private", bearer("hidden.hidden.hidden"))
    time.sleep(0.3)  # lines are written at most a tenth of a second late
    with open(os.path.join(s.homerun.data, "log", "requests.jsonl"), encoding="utf-8") as file:
        text = file.read()
    assert "hidden" not in text
    assert token.split(".")[2] not in text and token.split(".")[1] not in text
    for line in text.splitlines():
        json.loads(line)


@test
def no_change_of_access_is_late():
    """The first promise: what was decided before the call returned decides what comes after."""
    s = stand()
    caller = bearer(s.token("p", "switch"))
    for _ in range(15):
        s.set_check("switch", False)
        assert s.ask("switch").status == 200
        s.set_check("switch", True)
        assert s.ask("switch").status == 403
        s.allow("switch", [s.member("p")])
        assert s.ask("switch", caller).status == 200
        s.allow("switch", [])
        assert s.ask("switch", caller).status == 403


@test
def no_change_of_access_is_late_under_load():
    s = stand()
    stop = threading.Event()
    faults = []

    def press():
        while not stop.is_set():
            try:
                s.ask("private", bearer(s.token("p")))
            except OSError as why:
                faults.append(why)

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            s.allow("switch", ["allUsers"])
            assert all(s.ask("switch").status == 200 for _ in range(4))
            s.allow("switch", [])
            assert all(s.ask("switch").status == 403 for _ in range(4))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, faults


@test
def a_large_upload_that_is_refused_is_answered_at_once():
    s = stand()
    answer = s.ask("private", method="POST", body=b"x" * 300000)
    assert answer.status == 403, answer


@test
def a_request_that_is_open_at_the_end_is_finished():
    # docs/access.md: P2
    with Homerun("--workers=1") as homerun:
        add_mirror(homerun)
        homerun.cli("deploy", "open", "--image=mirror", "--no-invoker-iam-check")
        assert homerun.get(homerun.url("open")).status == 200
        answers = []
        slow = threading.Thread(
            target=lambda: answers.append(homerun.get(homerun.url("open") + "/slow")))
        slow.start()
        time.sleep(0.5)  # the request is on its way
        assert homerun.stop() == 0
        slow.join()
        assert [answer.status for answer in answers] == [200], answers


if __name__ == "__main__":
    main()
