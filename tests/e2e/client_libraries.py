#!/usr/bin/env python3
"""The official client libraries against a Homerun of their own: what they can do with the v2 API."""
import urllib.parse

import client_cache
from client_cache import CLIENTS
from homerun import main, stand, test

def port():
    return str(urllib.parse.urlsplit(stand().api_url).port)


def key_file():
    return stand().ready["owner"]["keyFile"]


def node(part):
    program, environment = client_cache.node()
    client_cache.run(stand(), [*program, str(CLIENTS / "node.js"), port(), key_file(),
                               stand().token(), part], **environment)


@test
def node_by_rest():
    node("byRest")


@test
def node_by_discovery():
    node("byDiscovery")


@test
def python_by_rest():
    program, environment = client_cache.python()
    client_cache.run(stand(), [*program, str(CLIENTS / "python.py"), port(), key_file()],
                     **environment)


if __name__ == "__main__":
    main()
