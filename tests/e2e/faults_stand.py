"""What the tests of faults share: an instance, a request, the members of a policy, and SIGKILL."""
import contextlib
import http.client
import os
import signal

from by_api import SERVICES, Raw, shared_stand
from homerun import finally_do, wait_until

shared = None


def one():
    """One instance for the tests that break nothing for long."""
    global shared
    if shared is None:
        shared = shared_stand()
    return shared


@finally_do
def stop_shared():
    if shared is not None:
        shared.close()


def ask(homerun, host, path="/", token=None, where="http"):
    with Raw(homerun, where, host) as raw:
        raw.ask(host, path, headers=[f"Authorization: Bearer {token}"] if token else [])
        return raw.answer()


def members_of(homerun, name):
    got = homerun.api("GET", f"/v1/projects/demo/locations/{homerun.ready['region']}/services/"
                      f"{name}:getIamPolicy")
    assert got.status == 200, got
    return {member for binding in got.json.get("bindings", []) for member in binding["members"]}


def is_up(homerun):
    try:
        return homerun.api("GET", f"{SERVICES}?limit=1").status == 200
    except (OSError, http.client.HTTPException):
        return False


def kill(homerun, role):
    """SIGKILL for one process of ROLE; its pid."""
    pid = homerun.pids(role)[0]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


def wait_successor(homerun, role, pid):
    wait_until(lambda: pid not in homerun.pids(role) and homerun.pids(role), f"another {role}")
    wait_until(lambda: is_up(homerun), "control answers")
