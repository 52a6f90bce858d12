"""The official Python client of MCP, as it is: finds out how to come in, and calls a tool for each line that it is given.

mcp_agent.py URL CA [DOCUMENT]: DOCUMENT is the URL that it is described at, its client ID. Prints a JSON object a line, {"open": URL} for the person's browser, who answers with the URL that
it was sent back to, or {"said": TEXT} of the tool.
"""
import asyncio
import json
import socket
import ssl
import sys
import urllib.parse

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

URL, CA, DOCUMENT = (*sys.argv[1:], None)[:3]
CALLBACK = "http://127.0.0.1:8765/callback"

# Names below .localhost mean this machine (RFC 6761), which not every resolver knows.
system_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    return system_getaddrinfo("127.0.0.1" if str(name).endswith(".localhost") else host, *rest, **more)


socket.getaddrinfo = getaddrinfo


class Storage:
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def tell(**what):
    print(json.dumps(what), flush=True)


async def hear():
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


async def open_browser(url):
    tell(open=url)


async def came_back():
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(await hear()).query))
    return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))


async def main():
    metadata = OAuthClientMetadata(client_name="Python agent", redirect_uris=[CALLBACK],
                                   grant_types=["authorization_code", "refresh_token"], response_types=["code"])
    provider = OAuthClientProvider(URL, metadata, Storage(), open_browser, came_back,
                                   client_metadata_url=DOCUMENT)
    while await hear():
        async with httpx2.AsyncClient(auth=provider, verify=ssl.create_default_context(cafile=CA), timeout=60) as http:
            async with Client(streamable_http_client(URL, http_client=http)) as client:
                result = await client.call_tool("whoami", {})
                tell(said=result.content[0].text)


asyncio.run(main())
