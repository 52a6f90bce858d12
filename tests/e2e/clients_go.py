#!/usr/bin/env python3
"""cloud.google.com/go/run and idtoken for Go: open, call, close, and the door is shut."""
import client_cache
from homerun import Homerun, main, test


@test
def go_opens_calls_and_closes_a_service():
    client_cache.need_wish("go", "Go's libraries")
    program, environment = client_cache.go()
    with Homerun() as homerun:
        client_cache.run(homerun, program, **environment)


if __name__ == "__main__":
    main()
