#!/usr/bin/env python3
"""A log that has grown too long is turned over while requests flow: no line is lost or late."""
import json
import os

from homerun import main, stand, test, wait_until

HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
LOG_BYTES_MAX = 64 << 20


def paths(homerun, path):
    with open(path, encoding="utf-8") as file:
        return [line["url"].rsplit("/", 1)[1] for line in map(json.loads, file) if "url" in line]


@test
def writers_are_handed_the_fresh_file():
    homerun = stand()
    log = os.path.join(homerun.data, "log", "requests.jsonl")
    homerun.cli("deploy", "hello", f"--image={HELLO}")
    url = homerun.url("hello")
    with open(log, "a", encoding="utf-8") as file:  # as if it had grown so far
        filler = json.dumps({"filler": "x" * 1000}) + "\n"
        file.write(filler * (LOG_BYTES_MAX // len(filler) + 1))
    asked = []

    def turned():
        asked.append(str(len(asked)))
        homerun.get(f"{url}/{asked[-1]}")
        return os.path.exists(log + ".1") and os.path.getsize(log) > 0

    wait_until(turned, "the log is turned over, and the fresh file has lines")
    for _ in range(20):
        asked.append(str(len(asked)))
        homerun.get(f"{url}/{asked[-1]}")
    wait_until(lambda: asked[-1] in paths(homerun, log), "the last line is written")
    seen = paths(homerun, log + ".1") + paths(homerun, log)
    assert sorted(seen, key=int) == asked, (len(seen), len(asked))
    assert os.path.getsize(log) < LOG_BYTES_MAX
    assert homerun.cli("services", "list").returncode == 0


@test
def a_refusal_is_explained_however_long_the_logs_are():
    homerun = stand()
    log = os.path.join(homerun.data, "log", "requests.jsonl")

    def refused():
        answer = homerun.get(homerun.url("hello"), headers={"User-Agent": "me"})
        assert answer.status == 403, answer
        return answer.headers["Homerun-Denial"]

    def explained(denial):
        answer = homerun.api("GET", f"/homerun/v1/access:explain?denial={denial}")
        return answer.status == 200 and answer.json["denial"] == denial

    first = refused()
    wait_until(lambda: explained(first), "the refusal is explained")
    for turn in range(2, 3):  # as if there had been many more since
        with open(log, "a", encoding="utf-8") as file:
            file.write("x" * LOG_BYTES_MAX + "\n")
        wait_until(lambda: os.path.exists(f"{log}.{turn}"), "the log is turned over")
        middle = refused()
        wait_until(lambda: explained(middle), "one from the fresh file is explained")
    assert explained(first)
    answer = homerun.api("GET", "/homerun/v1/access:explain?denial=d-" + "a" * 20)
    assert answer.status == 404, answer
    for wrong in ("d-", "d-A", "d-" + "a" * 21, "x" * 22, "d-../../../../../../.."):
        answer = homerun.api("GET", f"/homerun/v1/access:explain?denial={wrong}")
        assert answer.status == 400, (wrong, answer)


if __name__ == "__main__":
    main()
