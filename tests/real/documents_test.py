#!/usr/bin/env python3
"""What we tell people is so: the README's snippets run as they stand, every example configuration and the
chart's are accepted, and a wrong one is refused with the place where it is wrong.
"""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys

from support import BINARY, ROOT, Client, World, code_of, free_port, mandated, main, wait_for_port

BLOCK = re.compile(r"<!-- (run|file: \S+|start) -->\n```\w+\n(.*?)```", re.DOTALL)


class Readme(World):
    """The 60-second start, word for word, for a server over stdio and one over HTTP. Only the ports change."""

    def setUp(self):
        super().setUp()
        self.steps = BLOCK.findall((ROOT / "README.md").read_text())
        self.assertGreaterEqual(len(self.steps), 6)
        commands = self.folder / "bin"
        commands.mkdir()
        (commands / "mandated").symlink_to(BINARY)
        server = commands / "your-mcp-server"
        server.write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT}/tests/real/stdio_server.py\n")
        server.chmod(server.stat().st_mode | stat.S_IXUSR)
        self.environment = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"}
        self.here = self.folder / "start"
        self.here.mkdir()
        self.fake = self.server()
        self.port = free_port()

    def shell(self, text):
        return subprocess.run(["sh", "-ec", text], cwd=self.here, env=self.environment, capture_output=True, text=True,
                              timeout=30)

    def with_ports(self, text):
        return text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}").replace("127.0.0.1:3000", f"127.0.0.1:{self.fake.port}")

    def follow(self, config):
        """Every step in order, with `config` where the README starts stdio.yaml; the proxy runs during the rest."""
        for kind, text in self.steps:
            if kind.startswith("file: "):
                (self.here / kind.removeprefix("file: ")).write_text(self.with_ports(text))
            elif kind == "run":
                done = self.shell(text)
                self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}{done.stderr}")
            else:
                self.start_proxy(text.replace("stdio.yaml", config))
                self.use()

    def start_proxy(self, text):
        process = subprocess.Popen(shlex.split(text), cwd=self.here, env=self.environment, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, process)
        if not wait_for_port(self.port, process):
            process.kill()
            self.fail(f"it did not start: {process.stderr.read()}")

    @staticmethod
    def stop(process):
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)

    def use(self):
        client = Client(self.port)
        self.addCleanup(client.close)
        self.assertEqual(code_of(client.call("read_file", {"path": "/srv/reports/q3.txt"})), "allowed")
        self.assertEqual(code_of(client.call("search", {"query": "q3", "limit": 10})), "allowed")
        self.assertEqual(code_of(client.call("read_file", {"path": "/srv/other.txt"})), "argument_denied")
        self.assertEqual(code_of(client.call("search", {"query": "q3", "limit": 101})), "argument_denied")
        self.assertEqual(code_of(client.call("delete_file", {"path": "/srv/reports/q3.txt"})), "tool_not_granted")

    def test_stdio(self):
        self.follow("stdio.yaml")

    def test_http(self):
        self.follow("http.yaml")
        self.assertEqual([call["name"] for call in self.fake.calls], ["read_file", "search"])


class Configurations(World):
    def assert_accepted(self, file):
        done = mandated("config", "check", file, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_example(self):
        examples = sorted((ROOT / "config" / "examples").glob("*.yaml"))
        self.assertGreaterEqual(len(examples), 4)
        for example in examples:
            with self.subTest(example.name):
                self.assert_accepted(example)

    def test_the_schema_is_json_and_knows_itself(self):
        schema = json.loads(mandated("config", "schema").stdout)
        self.assertIn("listeners", schema["properties"])

    def test_problems_are_named_by_place(self):
        file = self.folder / "wrong.yaml"
        file.write_text("version: 1\nrole: sideways\nlisteners:\n  - name: a\n    adress: 127.0.0.1:1\n")
        done = mandated("config", "check", file, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"wrong\.yaml:2:\d+: /role: ")
        self.assertRegex(done.stderr, r"wrong\.yaml:5:\d+: /listeners/0")


class Chart(World):
    """Without a renderer: the parts of the chart that a person must get right together."""

    chart = ROOT / "helm" / "mandated"

    def test_the_configuration_in_its_values_is_accepted(self):
        values = (self.chart / "values.yaml").read_text()
        block = values.split("\nconfig:\n", 1)[1]
        file = self.folder / "chart.yaml"
        file.write_text("".join(line[2:] for line in block.splitlines(keepends=True)))
        done = mandated("config", "check", file, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        port = re.search(r"^port: (\d+)$", values, re.MULTILINE).group(1)
        self.assertIn(f"address: 0.0.0.0:{port}\n", block)

    def test_templates_use_only_values_that_exist(self):
        values = (self.chart / "values.yaml").read_text()
        names = set(re.findall(r"^(\w+):", values, re.MULTILINE))
        used = set()
        for template in (self.chart / "templates").iterdir():
            text = template.read_text()
            self.assertEqual(text.count("{{"), text.count("}}"), template.name)
            used |= set(re.findall(r"\.Values\.(\w+)", text))
        self.assertEqual(used - names, set())
        self.assertEqual(names - used, set())

    def test_version_is_that_of_the_project(self):
        cmake = re.search(r"project\(mandated VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
        self.assertIn(f"appVersion: {cmake}\n", (self.chart / "Chart.yaml").read_text())
        self.assertIn(f"tag: {cmake}\n", (self.chart / "values.yaml").read_text())
        self.assertIn(f"mandated {cmake}", mandated("--version").stdout)


if __name__ == "__main__":
    main()
