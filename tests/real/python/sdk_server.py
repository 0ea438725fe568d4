#!/usr/bin/env python3
"""A server of the official Python SDK over Streamable HTTP: sdk_server.py PORT."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("reports")


@server.tool()
def read_report(name: str) -> str:
    return f"report {name}"


@server.tool()
def delete_report(name: str) -> str:
    return f"deleted {name}"


server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
