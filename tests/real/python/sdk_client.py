#!/usr/bin/env python3
"""A client of the official Python SDK: sdk_client.py URL MODE, then calls as JSON on standard input,
[[tool, arguments], …]; prints {"tools": […], "answers": […]}.
"""

import json
import sys

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError


async def ask(client, tool, arguments):
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message, "data": error.error.data}}
    return {"text": result.content[0].text, "is_error": bool(result.is_error)}


async def main():
    url, mode = sys.argv[1:]
    async with Client(url, mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        answers = [await ask(client, *call) for call in json.load(sys.stdin)]
    print(json.dumps({"tools": tools, "answers": answers}))


anyio.run(main)
