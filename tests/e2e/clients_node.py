#!/usr/bin/env python3
"""@google-cloud/run, @googleapis/run and google-auth-library: open, call, close, and the door is
shut."""
import client_cache
from client_cache import CLIENTS
from homerun import Homerun, main, test


@test
def node_opens_calls_and_closes_a_service():
    program, environment = client_cache.node()
    with Homerun() as homerun:
        client_cache.run(homerun, [*program, str(CLIENTS / "access.js")],
                         NODE_EXTRA_CA_CERTS=homerun.ca, **environment)


if __name__ == "__main__":
    main()
