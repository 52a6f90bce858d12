#!/usr/bin/env python3
"""The real Terraform `google` provider against a Homerun of its own.

The provider is not ours to ship and is not fetched: HOMERUN_TERRAFORM_PROVIDER names the program
(`make test-terraform PROVIDER=/path/to/terraform-provider-google`); without it every test is
skipped, and terraform_wire.py plays the provider's part instead. Per configuration of
tests/e2e/terraform/: apply, a plan that finds nothing, a second apply that writes nothing,
import, destroy, and nothing left.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from homerun import Homerun, Skip, finally_do, main, need, test

HERE = pathlib.Path(__file__).resolve().parent / "terraform"
PROVIDER = os.environ.get("HOMERUN_TERRAFORM_PROVIDER", "")
REQUESTS = re.compile(r"(?:^|\s)(GET|POST|PUT|PATCH|DELETE) (/\S+) HTTP/", re.M)
READS_BY_POST = (":getIamPolicy", ":testIamPermissions", "/token")
SERVICES = "/v2/projects/demo/locations/us-central1/services"

_stand = None


def stand():
    """One Homerun for all configurations: each leaves nothing behind."""
    global _stand
    if _stand is None:
        _stand = Homerun().start()
        finally_do(_stand.close)
    return _stand


class Folder:
    """A folder with one configuration, its state, and the provider."""

    def __init__(self, name, homerun):
        if not PROVIDER:
            raise Skip("no google provider: HOMERUN_TERRAFORM_PROVIDER names none")
        self.terraform = need("terraform")
        self.homerun = homerun
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="homerun-tf-"))
        plugins = self.path / "plugins"
        plugins.mkdir()
        (plugins / "terraform-provider-google").symlink_to(os.path.abspath(PROVIDER))
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


@test
def a_public_service_by_a_binding():
    homerun = stand()
    with Folder("public_binding", homerun) as folder:
        folder.apply()
        assert is_public(homerun, "public-service")
        folder.settle()
        folder.import_again("google_cloud_run_v2_service.public",
                            "projects/demo/locations/us-central1/services/public-service")
        folder.destroy()


@test
def a_public_service_with_the_check_off_toggled_ten_times():
    homerun = stand()
    with Folder("check_off", homerun) as folder:
        folder.apply()
        folder.settle()
        revisions = homerun.api("GET", f"{SERVICES}/public-service/revisions").json["revisions"]
        for turn in range(10):
            off = turn % 2 == 1
            folder.apply(f"-var=check_off={'true' if off else 'false'}")
            assert is_public(homerun, "public-service") == off
        folder.settle()
        after = homerun.api("GET", f"{SERVICES}/public-service/revisions").json["revisions"]
        assert len(after) == len(revisions) == 1
        folder.destroy()


@test
def a_service_with_many_settings():
    homerun = stand()
    with Folder("many_settings", homerun) as folder:
        folder.apply()
        folder.settle()
        folder.import_again("google_cloud_run_v2_service.many",
                            "projects/demo/locations/us-central1/services/many-settings")
        folder.destroy()


@test
def a_service_of_the_older_resource():
    homerun = stand()
    with Folder("knative", homerun) as folder:
        folder.apply()
        folder.settle()
        folder.apply("-var=check_off=false")
        folder.settle("-var=check_off=false")
        folder.destroy()


@test
def accounts_keys_and_the_project_policy():
    with Folder("identity", stand()) as folder:
        folder.apply()
        folder.settle()
        folder.destroy()


@test
def an_organization_policy_refuses_an_open_check():
    homerun = stand()
    with Folder("org_policy", homerun) as folder:
        folder.apply()
        folder.settle()
        refused = homerun.api("POST", f"{SERVICES}?serviceId=open", {
            "invokerIamDisabled": True,
            "template": {"containers": [{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]}})
        assert refused.status == 400 and "requireInvokerIam" in refused.text, refused
        folder.destroy()


@test
def the_configurations_are_well_formed():
    done = subprocess.run([need("terraform"), "fmt", "-check", "-diff", str(HERE)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, "CHECKPOINT_DISABLE": "1"})
    assert done.returncode == 0, done.stdout


if __name__ == "__main__":
    main()
