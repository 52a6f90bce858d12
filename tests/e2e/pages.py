#!/usr/bin/env python3
"""The pages of the docs that show commands, typed from top to bottom."""
import os
import pathlib
import subprocess

import oci
from homerun import ROOT, Homerun, Skip, main, need, test
from page import Page, blocks, pattern_of, steps


def typed(name, least=4, only=lambda text: True, **more):
    page = Page(name, **more)
    try:
        count = page.run(only)
    finally:
        page.close()
    assert count >= least, f"{name}: only {count} commands"


@test
def the_readmes_tour_goes_as_written():
    typed("README.md", only=lambda text: "--source" not in text)


@test
def the_readmes_image_is_built_and_deployed_as_written():
    reason = oci.why_not()
    if reason is not None:
        raise Skip(reason)
    need("buildah")
    stand = Homerun("--workers=1", "--engine=oci").start()
    typed("README.md", homerun=stand, wants=("curl",), environment=stand.env, only=lambda text: "--source" in text)


@test
def the_page_on_gcloud_goes_as_written():
    typed("docs/gcloud.md")


@test
def the_page_on_explanations_goes_as_written():
    typed("docs/explain.md")


@test
def the_page_on_agents_goes_as_written():
    typed("docs/agents.md", wants=("curl",))


@test
def the_page_on_organization_policy_goes_as_written():
    typed("docs/organization-policy.md")


@test
def the_page_on_the_console_goes_as_written():
    typed("docs/console.md", least=1, wants=())


def configurations(text):
    """The blocks of a page that are whole configurations; a block of a provider alone is none."""
    return [block.text for block in blocks(text) if block.language == "hcl" and block.text.startswith("resource ")]


@test
def the_configurations_of_the_page_on_terraform_are_well_formed():
    need("terraform")
    text = (ROOT / "docs/terraform.md").read_text(encoding="utf-8")
    for block in blocks(text):
        if block.language == "hcl":
            done = subprocess.run(["terraform", "fmt", "-check", "-diff", "-"], input=block.text, text=True,
                                  capture_output=True, timeout=60, env={**os.environ, "CHECKPOINT_DISABLE": "1"})
            assert done.returncode == 0, f"line {block.line}:\n{done.stdout}{done.stderr}"
    assert len(configurations(text)) == 2, configurations(text)


@test
def the_page_on_terraform_goes_as_written():
    """With the provider that is named, from a mirror of its own: nothing is fetched."""
    provider = os.environ.get("HOMERUN_TERRAFORM_PROVIDER", "").split()
    if not provider:
        raise Skip("HOMERUN_TERRAFORM_PROVIDER names no google provider")
    need("terraform")
    first, second = configurations((ROOT / "docs/terraform.md").read_text(encoding="utf-8"))
    second = second.replace("  # template as above\n", first[first.index("  template {"):first.index("\n}\n")] + "\n")
    for configuration in (first, second):
        with Homerun("--workers=1") as homerun:
            mirror = pathlib.Path(homerun.folder) / "mirror"
            place = mirror / "registry.terraform.io/hashicorp/google/99.0.0/linux_amd64"
            place.mkdir(parents=True)
            (place / "terraform-provider-google_v99.0.0").symlink_to(os.path.abspath(provider[0]))
            rc = mirror / "rc"
            rc.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
            page = Page("docs/terraform.md", homerun=homerun, wants=(), environment={
                "TF_CLI_CONFIG_FILE": str(rc), "TF_CLI_ARGS_apply": "-auto-approve", "TF_IN_AUTOMATION": "1",
                "CHECKPOINT_DISABLE": "1", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"})
            (page.folder / "main.tf").write_text(configuration)
            try:
                assert page.run() == 4
                assert homerun.get(homerun.url("public-service")).status == 200
            finally:
                page.close()


@test
def the_page_on_secrets_goes_as_written():
    typed("docs/secrets.md")


@test
def the_harness_sees_a_difference():
    text = "```\n$ echo a \\\n  b\na b\n$ false\nERROR: x\n```\n\n```sh\ncat > f <<END\n1\nEND\nls\n```\n"
    found = [step for block in blocks(text) for step in steps(block)]
    assert found == [("echo a \\\n  b", "a b"), ("false", "ERROR: x"),
                     ("cat > f <<END\n1\nEND", None), ("ls", None)], found
    pattern, words = pattern_of("x-00001-abc  at 2026-11-25T03:09:07Z…\n  ...\nend")
    assert words == ["x-00001-abc", "2026-11-25T03:09:07Z"], words
    import re
    assert re.search(pattern, "y-00002-xyz at 2027-01-01T00:00:00.5Z, and\nmore\nend", re.S)
    assert not re.search(pattern, "y-00002-xyz at noon end", re.S)


if __name__ == "__main__":
    main()
