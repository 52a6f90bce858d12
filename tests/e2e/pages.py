#!/usr/bin/env python3
"""The pages of the docs that show commands, typed from top to bottom."""
from homerun import main, test
from page import Page, blocks, pattern_of, steps


def typed(name, **more):
    page = Page(name, **more)
    try:
        count = page.run()
    finally:
        page.close()
    assert count > 3, f"{name}: only {count} commands"


@test
def the_readmes_tour_goes_as_written():
    typed("README.md")


@test
def the_page_on_gcloud_goes_as_written():
    typed("docs/gcloud.md")


@test
def the_page_on_organization_policy_goes_as_written():
    typed("docs/organization-policy.md")


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
