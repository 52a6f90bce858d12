#!/usr/bin/env python3
"""A stranger's probe: what is declared, held against what a request without identity gets."""
import json
import os
import sqlite3

from gate_stand import add_mirror
from homerun import main, stand, test


def ready():
    homerun = stand()
    if not hasattr(homerun, "probed"):
        add_mirror(homerun)
        homerun.cli("deploy", "shut", "--image=mirror")
        homerun.cli("deploy", "switched", "--image=mirror", "--no-invoker-iam-check")
        homerun.cli("deploy", "granted", "--image=mirror", "--allow-unauthenticated")
        homerun.cli("deploy", "inside", "--image=mirror", "--no-invoker-iam-check", "--ingress=internal")
        homerun.cli("deploy", "part", "--image=mirror")
        homerun.cli("services", "add-iam-policy-binding", "part", "--member=allUsers", "--role=roles/run.invoker",
                    "--condition=expression=request.path.startsWith('/open'),title=open")
        homerun.cli("deploy", "hidden", "--image=mirror", "--no-default-url")
        homerun.probed = True
    return homerun


def probe(homerun, status):
    rows = json.loads(homerun.cli("access", "probe", "--format=json", status=status).stdout)
    return {row["service"]: (row["declared"], row["real"], row["differs"]) for row in rows}


@test
def declared_and_real_are_one():
    homerun = ready()
    assert probe(homerun, 0) == {
        "shut": ("closed", "closed", False), "switched": ("public", "public", False),
        "granted": ("public", "public", False), "inside": ("closed", "closed", False),
        "part": ("public in part", "closed", False)}
    shown = homerun.cli("access", "probe").stdout
    assert "FOR A STRANGER" in shown and "DIFFERS" not in shown, shown
    assert "stranger" in homerun.cli("doctor", "--probe", status=None).stdout
    assert "stranger" not in homerun.cli("doctor", status=None).stdout, "it is asked for"


@test
def a_difference_is_seen():
    """The record is changed behind Homerun's back: the gate does not know."""
    homerun = ready()
    record = sqlite3.connect(os.path.join(homerun.data, "homerun.db"), timeout=20)
    table, column = find_body(record)
    changed = record.execute(
        f"UPDATE {table} SET {column} = json_set({column}, '$.invokerIamDisabled', json('true')) "
        "WHERE kind = 'service' AND key LIKE '%/services/shut'").rowcount
    record.commit()
    assert changed == 1
    assert probe(homerun, 1)["shut"] == ("public", "closed", True)
    assert "DIFFERS" in homerun.cli("access", "probe", status=1).stdout
    broken = homerun.cli("doctor", "--probe", status=1).stdout
    assert "shut" in broken and "stranger" in broken, broken
    record.close()


def find_body(record):
    for (table,) in record.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = [row[1] for row in record.execute(f"PRAGMA table_info({table})")]
        if "kind" in columns and "body" in columns:
            return table, "body"
    raise AssertionError("the record has no table of documents")


if __name__ == "__main__":
    main()
