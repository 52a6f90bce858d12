#!/usr/bin/env python3
"""A checkout that other users cannot read, built with a umask of 077: instances run all the same."""
import os
import shutil

from homerun import BINARY, Homerun, Skip, main, test


@test
def the_built_in_image_runs_out_of_a_private_folder():
    if os.geteuid() != 0:
        raise Skip("instances are users of their own only under root")
    built = os.path.dirname(os.path.realpath(BINARY))
    homerun = Homerun("--workers=1")
    private = os.path.join(homerun.folder, "private")
    os.makedirs(os.path.join(private, "engine/hello"))
    for name in (os.path.basename(os.path.realpath(BINARY)), "engine/hello/homerun-hello"):
        os.chmod(shutil.copy(os.path.join(built, name), os.path.join(private, name)), 0o700)
    os.chmod(private, 0o700)
    homerun.binary = os.path.join(private, os.path.basename(os.path.realpath(BINARY)))
    with homerun:
        homerun.cli("deploy", "hello", "--image=us-docker.pkg.dev/cloudrun/container/hello",
                    "--no-invoker-iam-check")
        answer = homerun.get(homerun.url("hello"), headers={"Accept": "text/plain"})
        assert answer.status == 200 and "It is running." in answer.text, answer
        # The program that asks other servers has been left out.
        refused = homerun.api("POST", "/homerun/v1/issuers", {
            "name": "a", "issuer": "https://a.example", "jwksUri": "http://127.0.0.1:9/keys", "domains": ["a.example"]})
        assert refused.status == 400 and "homerun-fetcher" in refused.json["error"]["message"], refused


if __name__ == "__main__":
    main()
