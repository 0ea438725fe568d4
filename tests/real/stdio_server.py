#!/usr/bin/env python3
"""An MCP server over stdio, as small as one can be: echo, and tools that misbehave as the tests need."""

import json
import os
import sys
import time


def respond(message, result):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}) + "\n")
    sys.stdout.flush()


def call(message):
    name, arguments = message["params"]["name"], message["params"].get("arguments", {})
    if name == "die":
        sys.stdout.write('{"jsonrpc":"2.0","id":')  # half a message, then gone
        sys.stdout.flush()
        os._exit(3)
    if name == "babble":
        sys.stdout.write("this is no JSON\n")
    if name == "slow":
        time.sleep(float(arguments.get("seconds", 1)))
    respond(message, {"content": [{"type": "text", "text": json.dumps({"pid": os.getpid(), **arguments})}]})


def main():
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method")
        if method == "initialize":
            respond(message, {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                              "serverInfo": {"name": "small", "version": "1"}})
        elif method == "tools/list":
            respond(message, {"tools": [{"name": name, "inputSchema": {"type": "object"}}
                                        for name in ("echo", "slow", "die", "babble")]})
        elif method == "tools/call":
            call(message)
        elif method == "ping":
            respond(message, {})
        elif "id" in message and method:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"],
                                         "error": {"code": -32601, "message": "Method not found"}}) + "\n")
            sys.stdout.flush()


main()
