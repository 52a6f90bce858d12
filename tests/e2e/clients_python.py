#!/usr/bin/env python3
"""google-cloud-run and google-auth for Python: open, call, close, and the door is shut."""
import client_cache
from client_cache import CLIENTS
from homerun import Homerun, main, test


@test
def python_opens_calls_and_closes_a_service():
    program, environment = client_cache.python()
    with Homerun() as homerun:
        client_cache.run(homerun, [*program, str(CLIENTS / "access.py")], **environment)


if __name__ == "__main__":
    main()
