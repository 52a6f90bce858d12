#!/usr/bin/env python3
"""The real Terraform `google` provider against a Homerun of its own.

HOMERUN_TERRAFORM_PROVIDER names the programs, with spaces between. Without any, every test is skipped,
and terraform_wire.py and its neighbours play the provider's part instead. Per configuration of
tests/e2e/terraform/: apply, a plan that finds nothing, a second apply that writes nothing, import,
destroy, and nothing left.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from homerun import Skip, main, need, stand, test

HERE = pathlib.Path(__file__).resolve().parent / "terraform"
RUN_SERVICES = "projects/demo/locations/us-central1/services"
REQUESTS = re.compile(r"(?:^|\s)(GET|POST|PUT|PATCH|DELETE) (/\S+) HTTP/", re.M)
READS_BY_POST = (":getIamPolicy", ":testIamPermissions", "/token", ":generateIdToken",
                 ":generateAccessToken", ":signJwt")
SERVICES = "/v2/projects/demo/locations/us-central1/services"



def providers():
    """The programs to test."""
    named = os.environ.get("HOMERUN_TERRAFORM_PROVIDER", "").split()
    return [os.path.abspath(name) for name in named]


def with_each_provider(function):
    """The test, once for each program; once, to be skipped, without any."""
    for number, provider in enumerate(providers() or [None]):
        def one(provider=provider):
            function(provider)
        one.__name__ = function.__name__ + (f"_{number + 1}" if number else "")
        test(one)


class Folder:
    """A folder with one configuration (None: whoever made it writes main.tf), its state, and the provider."""

    def __init__(self, provider, name, homerun):
        if not provider:
            raise Skip("HOMERUN_TERRAFORM_PROVIDER names no google provider")
        self.terraform = need("terraform")
        self.homerun = homerun
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="homerun-tf-"))
        plugins = self.path / "plugins"
        plugins.mkdir()
        (plugins / "terraform-provider-google").symlink_to(provider)
        if name is not None:
            shutil.copy(HERE / f"{name}.tf", self.path / "main.tf")
        (self.path / "rc").write_text(
            f'provider_installation {{\n  dev_overrides {{\n    "hashicorp/google" = "{plugins}"\n'
            "  }\n}\n")

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        shutil.rmtree(self.path, ignore_errors=True)

    def run(self, *words, status=0):
        """Runs terraform; what it printed. The log of its HTTP exchanges is in self.log."""
        log = self.path / "debug.log"
        log.unlink(missing_ok=True)
        done = subprocess.run(
            [self.terraform, *words], cwd=self.path, capture_output=True, text=True, timeout=900,
            stdin=subprocess.DEVNULL,
            env=self.homerun.client_environment(
                TF_CLI_CONFIG_FILE=str(self.path / "rc"), TF_IN_AUTOMATION="1", TF_LOG="DEBUG",
                TF_LOG_PATH=str(log), CHECKPOINT_DISABLE="1",
                # Nothing outside is asked: the few calls with fixed hosts are refused at once.
                HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1,localhost"))
        self.log = log.read_text(errors="replace") if log.exists() else ""
        if done.returncode != status:
            raise AssertionError(f"terraform {' '.join(words)}: status {done.returncode}, not "
                                 f"{status}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def apply(self, *words):
        return self.run("apply", "-auto-approve", "-input=false", "-no-color", *words)

    def writes(self):
        """The requests of the last run that could change something, by its log."""
        requests = REQUESTS.findall(self.log)
        assert requests, "the provider's log shows no request at all"
        return [(verb, path) for verb, path in requests
                if verb != "GET" and not any(word in path for word in READS_BY_POST)]

    def settle(self, *words):
        """The criterion: a plan finds nothing, and another apply writes nothing."""
        self.run("plan", "-detailed-exitcode", "-input=false", "-no-color", *words)
        self.apply(*words)
        assert self.writes() == [], self.writes()

    def destroy(self, *words):
        self.run("apply", "-destroy", "-auto-approve", "-input=false", "-no-color", *words)
        assert self.homerun.api("GET", SERVICES).json.get("services", []) == []

    def import_again(self, address, name, *words):
        """Forgets ADDRESS and imports it. What an import cannot know (deletion_protection is on by
        default and not on the wire) is set by the apply that follows, which changes nothing."""
        before = self.homerun.api("GET", f"/v2/{name}").json
        self.run("state", "rm", address)
        self.run("import", "-input=false", "-no-color", *words, address, name)
        self.apply(*words)
        self.run("plan", "-detailed-exitcode", "-input=false", "-no-color", *words)
        assert self.homerun.api("GET", f"/v2/{name}").json == before


def is_public(homerun, service):
    return homerun.get(homerun.url(service)).status == 200


def revisions(homerun, service):
    return len(homerun.api("GET", f"{SERVICES}/{service}/revisions").json["revisions"])


@with_each_provider
def a_public_service_by_a_binding(provider):
    homerun = stand()
    with Folder(provider, "public_binding", homerun) as folder:
        folder.apply()
        assert is_public(homerun, "public-service")
        folder.settle()
        folder.import_again("google_cloud_run_v2_service.public", f"{RUN_SERVICES}/public-service")
        folder.destroy()


@with_each_provider
def a_public_service_with_the_check_off_toggled_ten_times(provider):
    homerun = stand()
    with Folder(provider, "check_off", homerun) as folder:
        folder.apply()
        folder.settle()
        for turn in range(10):
            off = turn % 2 == 1
            folder.apply(f"-var=check_off={'true' if off else 'false'}")
            assert is_public(homerun, "public-service") == off
        folder.settle()
        assert revisions(homerun, "public-service") == 1
        folder.destroy()


@with_each_provider
def a_service_with_many_settings(provider):
    homerun = stand()
    with Folder(provider, "many_settings", homerun) as folder:
        folder.apply()
        folder.settle()
        folder.import_again("google_cloud_run_v2_service.many", f"{RUN_SERVICES}/many-settings")
        folder.destroy()


@with_each_provider
def a_service_of_the_older_resource(provider):
    homerun = stand()
    with Folder(provider, "knative", homerun) as folder:
        folder.apply()
        folder.settle()
        assert is_public(homerun, "old-service")
        folder.apply("-var=check_off=false")
        folder.settle("-var=check_off=false")
        assert not is_public(homerun, "old-service") and revisions(homerun, "old-service") == 1
        folder.destroy("-var=check_off=false")


@with_each_provider
def each_kind_of_iam_resource(provider):
    homerun = stand()
    with Folder(provider, "iam", homerun) as folder:
        folder.apply()
        folder.settle()
        for name in ("iam-members", "iam-bindings", "iam-policy", "iam-old"):
            assert is_public(homerun, name), name
        place = f"{RUN_SERVICES}/iam-bindings"
        for address, name in (
                ("google_cloud_run_v2_service_iam_binding.new", f"{place} roles/run.invoker"),
                ("google_cloud_run_v2_service_iam_binding.until",
                 f"{place} roles/run.viewer for-a-while"),
                ("google_cloud_run_service_iam_binding.old", f"{place} roles/run.viewer")):
            folder.run("state", "rm", address)
            folder.run("import", "-input=false", "-no-color", address, name)
        folder.settle()
        folder.destroy()
        policy = homerun.api("POST", "/v1/projects/demo:getIamPolicy", {}).json
        assert "roles/run" not in str(policy) and "auditConfigs" not in policy, policy


@with_each_provider
def accounts_and_keys(provider):
    with Folder(provider, "identity", stand()) as folder:
        folder.apply()
        folder.settle()
        assert "BEGIN CERTIFICATE" in folder.run("output", "-no-color", "certificate")
        # One after the other: 7.45 waits in vain where both change at once.
        folder.apply("-var=display_name=Other")
        words = ("-var=display_name=Other", "-var=disabled=true")
        folder.apply(*words)
        folder.settle(*words)
        folder.destroy(*words)


@with_each_provider
def tokens_of_an_account(provider):
    with Folder(provider, "tokens", stand()) as folder:
        folder.apply()
        folder.settle()
        folder.destroy()


@with_each_provider
def a_pool_of_workload_identities(provider):
    with Folder(provider, "pool", stand()) as folder:
        folder.apply()
        folder.settle()
        folder.apply("-var=owner=other")
        folder.settle("-var=owner=other")
        folder.destroy("-var=owner=other")


@with_each_provider
def secrets_and_a_service_that_reads_one(provider):
    homerun = stand()
    with Folder(provider, "secrets", homerun) as folder:
        assert 'value = "a value by Terraform"' in folder.apply()
        folder.settle()
        other = ["-var=value=another value", "-var=labels={}"]
        assert 'value = "another value"' in folder.apply(*other)
        folder.settle(*other)
        folder.run("state", "rm", "google_secret_manager_secret.password")
        folder.run("import", "-input=false", "-no-color", *other, "google_secret_manager_secret.password",
                   "projects/demo/secrets/tf-password")
        folder.apply(*other)
        folder.run("plan", "-detailed-exitcode", "-input=false", "-no-color", *other)
        folder.destroy(*other)
        assert homerun.api("GET", "/v1/projects/demo/secrets").json == {}


@with_each_provider
def organization_policies_of_each_shape(provider):
    homerun = stand()
    with Folder(provider, "org_policy", homerun) as folder:
        folder.apply()
        folder.settle()
        refused = homerun.api("POST", f"{SERVICES}?serviceId=open", {
            "invokerIamDisabled": True,
            "template": {"containers": [{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]}})
        assert refused.status == 400 and "requireInvokerIam" in refused.text, refused
        folder.apply("-var=enforce=FALSE")
        folder.settle("-var=enforce=FALSE")
        folder.destroy("-var=enforce=FALSE")


@with_each_provider
def a_sign_in_before_services_and_who_may_come_in(provider):
    homerun = stand()
    door = "/v1/projects/demo/iap_web/cloud_run-us-central1/services/door"
    with Folder(provider, "door", homerun) as folder:
        folder.apply()
        assert homerun.api("GET", f"{SERVICES}/door").json["iapEnabled"] is True
        assert homerun.api("GET", f"{SERVICES}/old-door").json["iapEnabled"] is True
        found = homerun.api("POST", f"{door}:getIamPolicy", {}).json["bindings"]
        assert [(b["members"], b["condition"]["title"]) for b in found] == [
            (["user:ann@example.com"], "apart")], found
        assert "domain:example.com" in folder.run("output", "-raw", "read")
        folder.settle()
        words = ("-var=guest=user:bob@example.com", "-var=options=false")
        folder.apply(*words)
        folder.settle(*words)
        off = (*words, "-var=iap=false")
        folder.apply(*off)
        folder.settle(*off)
        assert "iapEnabled" not in homerun.api("GET", f"{SERVICES}/door").json
        for address, name in [
                ("google_iap_web_cloud_run_service_iam_binding.guests",
                 "projects/demo/iap_web/cloud_run-us-central1/services/old-door "
                 "roles/iap.httpsResourceAccessor"),
                ("google_iap_settings.door", door[4:] + "/iapSettings")]:
            folder.run("state", "rm", address)
            folder.run("import", "-input=false", "-no-color",
                       *(f"{word}" for word in off), address, name)
        folder.settle(*off)
        folder.destroy(*off)
        left = homerun.api("POST", "/v1/projects/demo/iap_web:getIamPolicy", {}).json
        assert "bindings" not in left, left


@with_each_provider
def a_violation_ends_the_apply_with_the_constraints_name(provider):
    with Folder(provider, "violation", stand()) as folder:
        try:
            folder.apply()
        except AssertionError as why:
            assert "requireInvokerIam" in str(why), why
        else:
            raise AssertionError("the apply was not refused")
        folder.destroy()


@with_each_provider
def each_endpoint_that_the_provider_can_be_given_is_given(provider):
    homerun = stand()
    with Folder(provider, "public_binding", homerun) as folder:
        schemas = json.loads(folder.run("providers", "schema", "-json"))["provider_schemas"]
        (schema,) = schemas.values()
        wanted = [name for name in schema["provider"]["block"]["attributes"]
                  if name.endswith("_custom_endpoint")]
        missing = [name for name in wanted if f"GOOGLE_{name.upper()}" not in homerun.env]
        assert len(wanted) > 100 and missing == [], missing


@test
def the_configurations_are_well_formed():
    done = subprocess.run([need("terraform"), "fmt", "-check", "-diff", str(HERE)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, "CHECKPOINT_DISABLE": "1"})
    assert done.returncode == 0, done.stdout


if __name__ == "__main__":
    main()
