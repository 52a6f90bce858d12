#!/usr/bin/env python3
"""What each process can still do once it serves: of root's power nothing stays but what it works with."""
import os

from homerun import Homerun, Skip, main, test

FILES = 1 << 0 | 1 << 1 | 1 << 3  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER
MAY_GAIN = {"supervisor", "engine"}  # it starts instances as other users, or containers


def facts(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        rows = dict(line.split(":", 1) for line in file)
    return {"caps": int(rows["CapPrm"], 16) | int(rows["CapEff"], 16) | int(rows["CapAmb"], 16),
            "bound": int(rows["CapBnd"], 16), "gains": rows["NoNewPrivs"].strip() == "0",
            "calls": rows["Seccomp"].strip() == "2", "uid": set(rows["Uid"].split())}


def everybody(homerun):
    return [(one["role"], facts(one["pid"])) for one in homerun.read_ready()["processes"]]


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root has something to give up")
    with open("/proc/self/status", encoding="utf-8") as file:
        if "CapEff:\t0000000000000000" in file.read():
            raise Skip("this root has no capabilities")


def confined(homerun):
    if "a sanitizer runs" in homerun.printed():
        raise Skip("a sanitizer runs, which needs what else would be given up")
    return homerun


@test
def of_roots_power_nothing_stays_where_the_folder_is_roots():
    need_root()
    with Homerun() as homerun:
        seen = everybody(confined(homerun))
        assert {role for role, _ in seen} == {"supervisor", "signer", "control", "engine", "ingress",
                                              "metadata"}
        for role, fact in seen:
            if role in MAY_GAIN:
                continue
            assert fact["caps"] == 0, (role, fact)
            assert not fact["gains"] and fact["calls"], (role, fact)
            assert fact["bound"] & ~(FILES | 0x1c0 | 1 << 14) == 0, (role, hex(fact["bound"]))
            assert (fact["uid"] == {"0"}) == (role in ("signer", "control")), (role, fact)
        assert "no sandbox" not in homerun.printed(), homerun.printed()
        work(homerun)


@test
def where_it_is_another_users_the_power_over_files_stays_and_no_other():
    need_root()
    with Homerun(user=None) as first:
        owner = 65534
        data = os.path.join(first.folder, "others")
        os.mkdir(data, 0o700)
        os.chown(data, owner, owner)
        os.chmod(first.folder, 0o755)
        with Homerun(data=data) as homerun:
            for role, fact in everybody(confined(homerun)):
                if role in ("signer", "control"):
                    assert fact["caps"] == FILES, (role, hex(fact["caps"]))
                elif role not in MAY_GAIN:
                    assert fact["caps"] == 0, (role, hex(fact["caps"]))
            work(homerun)
            homerun.restart()
            work(homerun)


def work(homerun):
    """What needs files: keys, the record, certificates, programs."""
    homerun.cli("token", "access")
    assert homerun.api("POST", "/homerun/v1/keys:rotate", {}).status == 200
    made = homerun.api("POST", "/v1/projects/demo/serviceAccounts", {"accountId": f"made-{os.urandom(4).hex()}"})
    assert made.status == 200, made
    at = f"/v1/projects/demo/serviceAccounts/{made.json['email']}"
    assert homerun.api("POST", at + ":signBlob", {"payload": "YQ=="}).status == 200
    assert homerun.api("POST", at + "/keys", {}).status == 200
    homerun.cli("deploy", "works", "--image=homerun.test/hello", "--no-invoker-iam-check")
    assert homerun.get(homerun.url("works")).status == 200


if __name__ == "__main__":
    main()
