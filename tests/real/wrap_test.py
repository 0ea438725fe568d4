#!/usr/bin/env python3
"""`mandated wrap` as an MCP client starts it, and `mandated mcp` as a person does: the official SDK on one side, the
official SDK's own stdio server on the other, under receipts that a person signed with the key that setup made.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from support import BINARY, PYTHON, World, main, python_environment, python_packages

STDIO = (PYTHON / "sdk_server.py").read_text().replace(
    'server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))', 'server.run(transport="stdio")')
ECHO_ENVIRONMENT = STDIO.replace('return f"report {name}"', 'import os; return os.environ.get(name, "not set")')
READ = {"mcp://reports/read_report": {"name": {"constraint_type": "one_of", "values": ["q2", "q3"]}}}
CALLS = [["read_report", {"name": "q3"}], ["read_report", {"name": "q4"}], ["delete_report", {"name": "q3"}]]


class Wrap(World):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.own = self.home / ".config" / "mandated"
        self.home.mkdir()
        self.environment = {**python_environment(), "HOME": str(self.home)}
        self.environment.pop("XDG_CONFIG_HOME", None)

    def mandated(self, *words, check=True):
        return subprocess.run([BINARY, *map(str, words)], env=self.environment, capture_output=True, text=True,
                              timeout=30, check=check)

    def grant(self, tools, name="today", mandate=None):
        self.mandated("receipt", "issue", "--key", self.own / "me.jwk", "--issuer", "urn:me", "--holder",
                      self.own / "agent.pub.jwk", "--tools", json.dumps(tools), "--for", "1h", "--out",
                      self.own / "wallet" / f"{name}.json", *(["--mandate", json.dumps(mandate)] if mandate else []))

    @staticmethod
    def wrapped(source=STDIO, name="reports", *words):
        return [BINARY, "wrap", "--name", name, *words, "--", sys.executable, "-c", source]

    def client(self, command, mode, calls):
        done = subprocess.run([sys.executable, PYTHON / "sdk_client.py", json.dumps(command), mode], text=True,
                              input=json.dumps(calls), env=self.environment, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        return json.loads(done.stdout)

    def begin(self, command):
        """A wrapped server with nothing in between: lines in, lines out."""
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        for last in (process.wait, process.stdout.close, process.stdin.close, process.kill):
            self.addCleanup(last)
        return process

    @staticmethod
    def say(process, message):
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline()) if "id" in message else None

    def test_the_official_sdk_is_held_to_a_receipt(self):
        self.mandated("mcp", "setup")
        self.grant(READ)
        for mode in ("legacy", "auto", "2026-07-28"):
            with self.subTest(mode):
                seen = self.client(self.wrapped(), mode, CALLS)
                self.assertEqual(seen["tools"], ["read_report"])
                allowed, other, deleted = seen["answers"]
                self.assertEqual((allowed["text"], allowed["is_error"]), ("report q3", False))
                for refusal, code in ((other, "argument_denied"), (deleted, "tool_not_granted")):
                    self.assertEqual((refusal["error"]["code"], refusal["error"]["data"]["code"]), (-32010, code))
        verified = self.mandated("audit", "verify", self.own / "audit-reports.jsonl")
        self.assertIn("ok", verified.stdout)

    def test_a_receipt_for_one_server_is_none_for_another(self):
        self.mandated("mcp", "setup")
        self.grant(READ)
        seen = self.client(self.wrapped(STDIO, "other"), "legacy", CALLS[:1])
        self.assertEqual(seen["tools"], [])
        self.assertEqual(seen["answers"][0]["error"]["data"]["code"], "tool_not_granted")
        seen = self.client(self.wrapped(STDIO, "other", "--tool-names", "plain"), "legacy", CALLS[:1])
        self.assertEqual(seen["answers"][0]["error"]["data"]["code"], "tool_not_granted")

    def test_the_server_has_the_environment_and_the_folder_of_its_client(self):
        self.mandated("mcp", "setup")
        self.grant({"mcp://reports/read_report": {"name": {"constraint_type": "wildcard"}}})
        self.environment["OF_THE_CLIENT"] = "seen"
        calls = [["read_report", {"name": "OF_THE_CLIENT"}]]
        self.assertEqual(self.client(self.wrapped(ECHO_ENVIRONMENT), "legacy", calls)["answers"][0]["text"], "seen")
        where = STDIO.replace('return f"report {name}"', "import os; return os.getcwd()")
        self.assertEqual(self.client(self.wrapped(where), "legacy", calls)["answers"][0]["text"], os.getcwd())

    def test_two_at_once_share_a_budget_and_keep_a_trail_each(self):
        self.mandated("mcp", "setup")
        self.grant(READ, mandate={"budget": {"calls": 3}})
        first, second = self.begin(self.wrapped()), self.begin(self.wrapped())
        codes = []
        for process in (first, second):
            self.say(process, {"id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
            self.say(process, {"method": "notifications/initialized"})
        for number in range(3):
            for process in (first, second):
                answer = self.say(process, {"id": number + 1, "method": "tools/call", "params": {
                    "name": "read_report", "arguments": {"name": "q3"}}})
                codes.append(answer["error"]["data"]["code"] if "error" in answer else "allowed")
        self.assertEqual((codes.count("allowed"), codes.count("budget_spent")), (3, 3), codes)
        for name in ("audit-reports.jsonl", "audit-reports-2.jsonl"):
            self.assertIn("ok", self.mandated("audit", "verify", self.own / name).stdout)

    def test_it_ends_with_its_client_and_takes_its_server_along(self):
        self.mandated("mcp", "setup")
        pid_file = self.folder / "pid"
        server = f"import os; open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n" + STDIO
        for how in ("close", "sigterm", "sigkill"):
            with self.subTest(how):
                process = self.begin(self.wrapped(server))
                self.say(process, {"id": 0, "method": "initialize", "params": {
                    "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
                pid = int(pid_file.read_text())
                if how == "close":
                    process.stdin.close()
                else:
                    process.send_signal(signal.SIGTERM if how == "sigterm" else signal.SIGKILL)
                code = process.wait(10)
                self.assertEqual(code, -signal.SIGKILL if how == "sigkill" else 0)
                deadline = time.monotonic() + 5
                while alive(pid) and time.monotonic() < deadline:
                    time.sleep(0.02)
                self.assertFalse(alive(pid))

    def test_what_cannot_start_says_why(self):
        done = self.mandated("wrap", "--name", "x", "--", "cat", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("mandated mcp setup", done.stderr)
        self.mandated("mcp", "setup")
        done = self.mandated("wrap", "--name", "x", "--", "no-such-program-anywhere", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no program no-such-program-anywhere", done.stderr)
        with (self.own / "wrap.yaml").open("a") as file:
            file.write("routes: []\n")
        done = self.mandated("wrap", "--name", "x", "--", "cat", check=False)
        self.assertIn("/routes: does not belong here", done.stderr)

    def test_install_and_remove_edit_the_clients_file(self):
        file = self.home / ".cursor" / "mcp.json"
        file.parent.mkdir()
        before = json.dumps({"mcpServers": {"reports": {"command": sys.executable, "args": ["-c", STDIO], "env": {
            "PYTHONPATH": str(python_packages())}}, "far": {"url": "https://example.org/mcp"}}, "theme": "dark"}, indent=2)
        file.write_text(before + "\n")
        file.chmod(0o640)
        self.assertIn("mandated mcp setup", self.mandated("mcp", "install", "cursor", check=False).stderr)
        self.mandated("mcp", "setup")
        self.grant(READ)

        dry = self.mandated("mcp", "install", "cursor", "--dry-run")
        self.assertIn("would be changed", dry.stdout)
        self.assertEqual(file.read_text(), before + "\n")

        self.mandated("mcp", "install", "cursor")
        server = json.loads(file.read_text())["mcpServers"]["reports"]
        self.environment.update(server["env"])
        seen = self.client([server["command"], *server["args"]], "legacy", CALLS)
        self.assertEqual([a.get("text") for a in seen["answers"]], ["report q3", None, None])
        self.assertEqual(file.stat().st_mode & 0o777, 0o640)
        self.assertEqual((self.home / ".cursor" / "mcp.json.before-mandated").read_text(), before + "\n")

        self.mandated("mcp", "remove", "cursor")
        self.assertEqual(file.read_text(), before + "\n")
        unknown = self.mandated("mcp", "install", "nobody", check=False)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("claude-desktop", unknown.stderr)

    def test_setup_is_not_undone_by_another(self):
        self.mandated("mcp", "setup")
        key = (self.own / "me.jwk").read_text()
        self.assertEqual(self.mandated("mcp", "setup", check=False).returncode, 1)
        self.assertEqual((self.own / "me.jwk").read_text(), key)
        self.assertEqual({path.stat().st_mode & 0o77 for path in self.own.rglob("*")}, {0})


def alive(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


if __name__ == "__main__":
    main()
