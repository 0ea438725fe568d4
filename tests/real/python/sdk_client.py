#!/usr/bin/env python3
"""A client of the official Python SDK: sdk_client.py SERVER MODE [pages], SERVER being a URL or a command and its
arguments as a JSON array; then calls as JSON on standard input,
[[tool, arguments], …]; prints {"tools": […], "answers": […], "pages": […]}. With `pages` it opens pages that it is asked
to open (elicitation in URL mode): it fetches them, as a person's browser would.
"""

import json
import os
import sys
import urllib.request

import anyio
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError


async def ask(client, tool, arguments):
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message, "data": error.error.data}}
    return {"text": result.content[0].text, "is_error": bool(result.is_error)}


PAGES = []


async def open_page(_, params):
    PAGES.append(params.url)
    await anyio.to_thread.run_sync(lambda: urllib.request.urlopen(params.url).read())
    return types.ElicitResult(action="accept")


async def main():
    server, mode, *pages = sys.argv[1:]
    if server.startswith("["):
        command, *arguments = json.loads(server)
        server = stdio_client(StdioServerParameters(command=command, args=arguments, env=dict(os.environ)))
    async with Client(server, mode=mode, elicitation_callback=open_page if pages else None) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        answers = [await ask(client, *call) for call in json.load(sys.stdin)]
    print(json.dumps({"tools": tools, "answers": answers, "pages": PAGES}))


anyio.run(main)
