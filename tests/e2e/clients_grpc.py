#!/usr/bin/env python3
"""Google's libraries with their default transport, gRPC: nothing but the environment is changed."""
import client_cache
from client_cache import CLIENTS
from homerun import Homerun, main, test


@test
def python_does_everything_by_grpc():
    program, environment = client_cache.python()
    with Homerun("--connect") as homerun:
        client_cache.run(homerun, [*program, str(CLIENTS / "by_grpc.py")], connect=True, **environment)


if __name__ == "__main__":
    main()
