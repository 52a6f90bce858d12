#!/usr/bin/env python3
"""Secrets in the environment of services: whose account may read them, which version counts, and what
a revision says that does not get one."""
import base64
import os
import signal

from gcloud_stand import LOOK, account, grant, look, stand
from homerun import main, test, wait_until

SECRETS = "/v1/projects/demo/secrets"
PLACE = "/v2/projects/demo/locations/us-central1"
ACCESSOR = "roles/secretmanager.secretAccessor"


def api(method, path, body=None, status=200, token=None):
    answer = stand().api(method, path, body, token=token)
    assert answer.status == status, f"{method} {path}: {answer}"
    return answer.json


def add(name, value, project="demo"):
    data = base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
    return api("POST", f"/v1/projects/{project}/secrets/{name}:addVersion", {"payload": {"data": data}})


def secret(name, *values, project="demo"):
    api("POST", f"/v1/projects/{project}/secrets?secretId={name}", {"replication": {"automatic": {}}})
    for value in values:
        add(name, value, project)


def let_read(name, *emails, project="demo"):
    binding = {"role": ACCESSOR, "members": ["serviceAccount:" + email for email in emails]}
    api("POST", f"/v1/projects/{project}/secrets/{name}:setIamPolicy",
        {"policy": {"bindings": [binding] if emails else []}})


def from_secret(variable, name, version="latest"):
    return {"name": variable, "valueSource": {"secretKeyRef": {"secret": name, "version": version}}}


def deploy(name, *env, email=None, fresh=True, **more):
    """The service, once it has come to rest."""
    template = {"containers": [{"image": LOOK, "env": list(env), **more.pop("container", {})}], **more}
    if email:
        template["serviceAccount"] = email
    if fresh:
        operation = api("POST", f"{PLACE}/services?serviceId={name}", {"template": template})
    else:
        operation = api("PATCH", f"{PLACE}/services/{name}", {"template": template})
    done = api("POST", f"/v2/{operation['name']}:wait", {"timeout": "60s"})
    assert done["done"], done
    return api("GET", f"{PLACE}/services/{name}")


def why_not(service):
    ready = service["terminalCondition"]
    assert ready["state"] == "CONDITION_FAILED", ready
    return ready["message"]


def number():
    return stand().ready["projectNumber"]


def renew(service):
    """No instance of SERVICE lives on: the next one starts anew."""
    for pid in instances(service):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not instances(service), what=f"the end of the instances of {service}")
    # The processes have gone; a request that comes before the engine knows is lost with them.
    wait_until(lambda: not counted(service), what=f"the engine to know that {service} has no instance")


def counted(service):
    """How many instances of SERVICE the engine counts."""
    rows = api("GET", "/homerun/v1/projects/demo:metrics")["services"]
    return sum(sum(row["instances"].values()) for row in rows if row["service"].endswith(f"/{service}"))


def instances(service):
    """Processes of this machine that have K_SERVICE in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"K_SERVICE={service}".encode() in file.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


@test
def a_secret_is_a_variable_for_the_account_that_may_read_it():
    secret("password", "first", "s3cret ä\nline")
    email = account("env-reader")
    let_read("password", email)
    deploy("has-it", from_secret("PASSWORD", "password"), from_secret("OLD", "password", "1"),
           {"name": "PLAIN", "value": "x"}, email=email)
    env = look("has-it")["env"]
    assert env["PASSWORD"] == "s3cret ä\nline" and env["OLD"] == "first" and env["PLAIN"] == "x", env
    shown = str(api("GET", f"{PLACE}/services/has-it"))
    assert "s3cret" not in shown and "password" in shown


@test
def v1_says_the_same_with_other_words():
    secret("knative", "by v1")
    email = account("env-v1")
    let_read("knative", email)
    env = [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "knative", "key": "latest"}}}]
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": "by-v1", "namespace": "demo"},
            "spec": {"template": {"spec": {"serviceAccountName": email,
                                           "containers": [{"image": LOOK, "env": env}]}}}}
    api("POST", "/apis/serving.knative.dev/v1/namespaces/demo/services", body)
    wait_until(lambda: api("GET", f"{PLACE}/services/by-v1")["terminalCondition"]["state"]
               == "CONDITION_SUCCEEDED", what="by-v1 is ready")
    assert look("by-v1")["env"]["K"] == "by v1"


@test
def the_default_account_has_to_be_let_in_as_well():
    """roles/editor, which it holds on the project, reads no secret."""
    secret("for-default", "value")
    email = f"{number()}-compute@developer.gserviceaccount.com"
    message = why_not(deploy("by-default", from_secret("A", "for-default")))
    assert (f"Permission denied on secret: projects/{number()}/secrets/for-default/versions/latest for "
            f"Revision service account {email}. The service account used must be granted the 'Secret "
            "Manager Secret Accessor' role (roles/secretmanager.secretAccessor) at the secret, project "
            "or higher level.") in message, message
    reasons = str(api("GET", f"{PLACE}/services/by-default"))
    assert "SECRETS_ACCESS_CHECK_FAILED" in reasons, reasons
    let_read("for-default", email)
    deploy("by-default", from_secret("A", "for-default"), {"name": "AGAIN", "value": "1"}, fresh=False)
    assert look("by-default")["env"]["A"] == "value"


@test
def what_is_absent_disabled_destroyed_or_no_text_is_said():
    email = account("env-misses")
    grant("serviceAccount:" + email, ACCESSOR)
    secret("sleeping", "one", "two")
    secret("binary", b"\xff\xfe")
    secret("with-nul", b"a\0b")
    secret("without-versions")
    api("POST", f"{SECRETS}/sleeping/versions/1:disable", {})
    api("POST", f"{SECRETS}/sleeping/versions/2:destroy", {})
    for at, (name, version, words) in enumerate((
            ("nowhere", "latest", f"Secret projects/{number()}/secrets/nowhere/versions/latest was not found"),
            ("without-versions", "latest", "was not found"), ("sleeping", "9", "was not found"),
            ("sleeping", "1", "is in DISABLED state"), ("sleeping", "2", "is in DESTROYED state"),
            ("binary", "1", "not UTF-8 text"), ("with-nul", "1", "not UTF-8 text"),
            ("../secrets/sleeping", "1", "is the name of no secret"),
            ("projects/demo/secrets/nowhere", "1", "was not found"))):
        message = why_not(deploy(f"misses-{at}", from_secret("A", name, version), email=email))
        assert words in message, (name, message)


@test
def an_account_that_may_read_nothing_does_not_learn_what_there_is():
    secret("there", "value")
    email = account("env-blind")
    messages = [why_not(deploy("blind-" + name, from_secret("A", name), email=email))
                for name in ("there", "absent")]
    assert all("Permission denied on secret" in message for message in messages), messages


@test
def latest_is_looked_up_when_an_instance_starts_and_so_is_the_right():
    secret("moving", "one")
    email = account("env-moving")
    let_read("moving", email)
    deploy("moves", from_secret("A", "moving"), email=email)
    assert look("moves")["env"]["A"] == "one"
    add("moving", "two")
    assert look("moves")["env"]["A"] == "one", "a running instance keeps what it has"
    renew("moves")
    assert look("moves")["env"]["A"] == "two"
    let_read("moving")
    renew("moves")
    answer = stand().get(stand().url("moves"), token=stand().token("identity", audience=stand().url("moves")))
    assert answer.status >= 500 and "two" not in answer.text, answer


@test
def a_secret_of_another_project_is_named_in_full():
    api("POST", "/v1/projects", {"projectId": "vault-home", "name": "vault"})
    vault = api("GET", "/v1/projects/vault-home")["projectNumber"]
    secret("shared", "from afar", project="vault-home")
    email = account("env-afar")
    message = why_not(deploy("afar-0", from_secret("A", "projects/vault-home/secrets/shared"), email=email))
    assert f"projects/{vault}/secrets/shared/versions/latest" in message, message
    let_read("shared", email, project="vault-home")
    deploy("afar", from_secret("A", f"projects/{vault}/secrets/shared"),
           from_secret("B", "projects/vault-home/secrets/shared", "1"), email=email)
    env = look("afar")["env"]
    assert env["A"] == env["B"] == "from afar", env


@test
def v1_names_it_by_an_alias():
    secret("aliased", "by another name")
    email = account("env-alias")
    let_read("aliased", email)
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "nick", "key": "1"}}}]
    notes = {"run.googleapis.com/secrets": f"other:projects/1/secrets/x, nick:projects/{number()}/secrets/aliased"}
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": "by-alias", "namespace": "demo"},
            "spec": {"template": {"metadata": {"annotations": notes},
                                  "spec": {"serviceAccountName": email,
                                           "containers": [{"image": LOOK, "env": env}]}}}}
    api("POST", "/apis/serving.knative.dev/v1/namespaces/demo/services", body)
    wait_until(lambda: api("GET", f"{PLACE}/services/by-alias")["terminalCondition"]["state"]
               == "CONDITION_SUCCEEDED", what="by-alias is ready")
    assert look("by-alias")["env"]["A"] == "by another name"


@test
def who_deploys_gains_what_their_account_may_read_and_no_more():
    """A developer who may act as one account: no secret of another account comes out by any service of theirs."""
    secret("crown", "the jewels")
    rich, poor, developer = account("env-rich"), account("env-poor"), account("env-developer")
    let_read("crown", rich)
    grant("serviceAccount:" + developer, "roles/run.developer")
    grant("serviceAccount:" + developer, "roles/iam.serviceAccountUser", f"projects/demo/serviceAccounts/{poor}")
    token = stand().token("access", member="serviceAccount:" + developer)
    read = f"{SECRETS}/crown/versions/latest:access"
    api("GET", read, status=403, token=token)
    api("POST", f"{SECRETS}/crown:setIamPolicy", {"policy": {"bindings": []}}, status=403, token=token)
    template = {"serviceAccount": rich, "containers": [{"image": LOOK, "env": [from_secret("A", "crown")]}]}
    api("POST", f"{PLACE}/services?serviceId=as-rich", {"template": template}, status=403, token=token)
    template["serviceAccount"] = poor
    operation = api("POST", f"{PLACE}/services?serviceId=as-poor", {"template": template}, token=token)
    api("POST", f"/v2/{operation['name']}:wait", {"timeout": "60s"}, token=token)
    service = api("GET", f"{PLACE}/services/as-poor", token=token)
    assert "Permission denied on secret" in why_not(service), service
    # The account was let in at the deploy, and is not any more when an instance starts.
    let_read("crown", rich, poor)
    deploy("as-poor", from_secret("A", "crown"), {"name": "AGAIN", "value": "1"}, email=poor, fresh=False)
    assert look("as-poor")["env"]["A"] == "the jewels"
    let_read("crown", rich)
    renew("as-poor")
    url = stand().url("as-poor")
    answer = stand().get(url, token=stand().token("identity", audience=url))
    assert answer.status >= 500 and "jewels" not in answer.text, answer
    # An account that is disabled reads nothing, whatever it was granted.
    let_read("crown", poor)
    api("POST", f"/v1/projects/demo/serviceAccounts/{poor}:disable", {})
    message = why_not(deploy("as-disabled", from_secret("A", "crown"), email=poor))
    assert "does not exist or is disabled" in message or "disabled" in message, message


@test
def a_variable_that_an_image_does_not_let_a_deployer_set_is_no_secret_either():
    secret("preload", "/tmp/evil.so")
    template = {"containers": [{"image": LOOK, "env": [from_secret("LD_PRELOAD", "preload")]}]}
    why = api("POST", f"{PLACE}/services?serviceId=preloads", {"template": template}, status=400)["error"]
    assert "LD_PRELOAD" in why["message"], why


@test
def files_take_containers_and_that_is_said():
    secret("as-file", "value")
    email = account("env-file")
    let_read("as-file", email)
    service = deploy("with-file", email=email, container={"volumeMounts": [{"name": "v", "mountPath": "/secrets"}]},
                     volumes=[{"name": "v", "secret": {"secret": "as-file"}}])
    assert "--engine process" in why_not(service), service


@test
def an_instance_starts_as_soon_as_control_is_back():
    secret("patient", "value")
    email = account("env-patient")
    let_read("patient", email)
    deploy("waits", from_secret("A", "patient"), email=email)
    url = stand().url("waits")
    token = stand().token("identity", audience=url)
    renew("waits")
    control, = stand().pids("control")
    os.kill(control, signal.SIGKILL)
    assert stand().get(url, token=token).json["env"]["A"] == "value"


@test
def no_value_is_in_a_file_of_the_data_folder():
    value = b"nowhere-on-this-disk-0815"
    secret("unseen", value)
    email = account("env-unseen")
    let_read("unseen", email)
    deploy("unseen", from_secret("A", "unseen"), email=email)
    assert look("unseen")["env"]["A"] == value.decode()
    for folder, _, names in os.walk(stand().data):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    assert value not in file.read(), path


main()
