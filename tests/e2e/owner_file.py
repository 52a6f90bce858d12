#!/usr/bin/env python3
"""The owner's key file after a start at another address: it names the server of now."""
import json
import os
import stat

from homerun import Homerun, free_port, main, test


def path_of(homerun):
    return os.path.join(homerun.data, "owner.json")


def read(homerun):
    with open(path_of(homerun), encoding="utf-8") as file:
        return json.load(file)


def elsewhere(homerun):
    """Started anew on the same data, on another port of the API."""
    assert homerun.stop() == 0
    homerun.flags = (*[f for f in homerun.flags if not f.startswith("--api=")],
                     f"--api=127.0.0.1:{free_port()}")
    homerun._env = None
    homerun._tokens.clear()
    return homerun.start()


@test
def a_start_on_another_port_leaves_the_owner_in():
    with Homerun() as homerun:
        before = read(homerun)
        for _ in range(2):
            elsewhere(homerun)
            now = read(homerun)
            port = homerun.api_url.rsplit(":", 1)[1]
            assert now["token_uri"] == f"http://localhost:{port}/token", now["token_uri"]
            assert {name for name in now if now[name] != before[name]} == {
                "auth_uri", "token_uri", "auth_provider_x509_cert_url"}
            assert stat.S_IMODE(os.stat(path_of(homerun)).st_mode) == 0o600
            assert homerun.api("GET", "/oauth2/v3/userinfo").status == 200
            homerun.cli("token", "identity", "--audience=https://a.example")


@test
def a_file_of_an_older_run_is_good_for_the_command_line():
    with Homerun() as homerun:
        old = open(path_of(homerun), encoding="utf-8").read()
        elsewhere(homerun)
        with open(path_of(homerun), "w", encoding="utf-8") as file:
            file.write(old)
        homerun.cli("token", "access")


@test
def what_is_not_the_owners_own_file_is_left_as_it_is():
    with Homerun() as homerun:
        kept = read(homerun)
        other = os.path.join(homerun.folder, "kept.json")
        for write in (lambda path: (os.rename(path, other), os.symlink(other, path)),
                      lambda path: os.unlink(path),
                      lambda path: open(path, "w", encoding="utf-8").write("{"),
                      lambda path: open(path, "w", encoding="utf-8").write(
                          json.dumps({**kept, "client_email": "someone@example.com"}))):
            write(path_of(homerun))
            text = open(path_of(homerun), "rb").read() if os.path.exists(path_of(homerun)) else None
            elsewhere(homerun)
            assert (open(path_of(homerun), "rb").read()
                    if os.path.exists(path_of(homerun)) else None) == text
        assert json.load(open(other, encoding="utf-8"))["token_uri"] == kept["token_uri"]


if __name__ == "__main__":
    main()
