#!/usr/bin/env python3
"""google-cloud-run and google-auth-library for Java: open, call, close, and the door is shut."""
import os
import urllib.parse

import client_cache
from homerun import Homerun, main, test


@test
def java_opens_calls_and_closes_a_service():
    client_cache.need_wish("java", "Java's libraries")
    program, environment = client_cache.java()
    with Homerun() as homerun:
        # Java has no hook for single names, but takes a file for all of them.
        hosts = os.path.join(homerun.folder, "hosts")
        with open(hosts, "w", encoding="utf-8") as file:
            host = urllib.parse.urlsplit(homerun.url("java-access")).hostname
            file.write(f"127.0.0.1 localhost {host}\n")
        client_cache.run(homerun, [program[0], f"-Djdk.net.hosts.file={hosts}", *program[1:],
                                   "Access"], **environment)


if __name__ == "__main__":
    main()
