#!/usr/bin/env python3
"""Which process calls: on a Unix socket the kernel says, and receipts and listeners can ask for one program
and no other. Two real programs of the same user call: this interpreter, and curl.
"""

import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

from support import AGENT, TOOL, Client, World, code_of, free_port, main

TOOLS = {"echo": {}}
CURL = pathlib.Path(shutil.which("curl")).resolve()
PYTHON = pathlib.Path("/proc/self/exe").resolve()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class UnixClient(Client):
    """The same over a Unix socket, from this process."""

    def __init__(self, path, receipts=None):
        super().__init__(0, None, receipts)
        self.connection.sock = socket.socket(socket.AF_UNIX)
        self.connection.sock.settimeout(15)
        self.connection.sock.connect(str(path))


class Instances(World):
    def setUp(self):
        super().setUp()
        self.socket = self.folder / "agent.sock"
        self.fake = self.server()

    def start_unix(self, mandate, listener=None, **more):
        """An outbound proxy on a Unix socket (and one on loopback), with one receipt in its wallet."""
        receipts = {"wallet": self.wallet(self.issue(TOOLS, mandate=mandate))}
        config = self.outbound({"url": self.fake.url}, receipts, {"audiences": [TOOL]}, **more)
        unix = {"name": "unix", "address": f"unix:{self.socket}", "tls": "none", **(listener or {})}
        config["listeners"].append(unix)
        return self.start(config)

    def call(self):
        """From this process."""
        client = UnixClient(self.socket)
        self.addCleanup(client.close)
        return code_of(client.call())

    def curl(self, *words):
        """What curl gets for the same call."""
        client = Client(0)
        message = client.message("tools/call", {"name": "echo", "arguments": {}})
        headers = client.headers("tools/call", "echo")
        fields = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        return code_of(self.run_curl("--unix-socket", self.socket, *fields, "-d", json.dumps(message), *words,
                                     "http://localhost/mcp"))

    @staticmethod
    def run_curl(*words):
        done = subprocess.run([CURL, "-s", *words], capture_output=True, text=True, timeout=30, check=True)
        return json.loads(done.stdout)

    def test_a_receipt_for_one_program(self):
        self.start_unix({"instance": {"unix:sha256": sha256(CURL), "unix:uid": str(os.geteuid())}})
        self.assertEqual(self.curl(), "allowed")
        self.assertEqual(self.call(), "wrong_instance")
        self.assertEqual(len(self.fake.calls), 1)

    def test_over_loopback_no_process_is_known(self):
        proxy = self.start_unix({"instance": {"unix:uid": str(os.geteuid())}})
        client = Client(proxy.port)
        self.addCleanup(client.close)
        self.assertEqual(code_of(client.call()), "wrong_instance")
        self.assertEqual(self.call(), "allowed")

    def test_listed_callers_only(self):
        ours = {"path": str(PYTHON), "sha256": sha256(PYTHON)}
        self.start_unix({}, {"allowed_callers": [{"uid": os.geteuid() + 1}, ours]})
        self.assertEqual(self.call(), "allowed")
        self.assertEqual(self.curl(), "wrong_instance")
        self.assertEqual(len(self.fake.calls), 1)

    def test_the_audit_trail_names_the_program_and_nothing_of_what_it_was_given(self):
        self.start_unix({})
        self.assertEqual(self.curl("-H", "x-note: argument-of-curl"), "allowed")
        found = self.wait_records(lambda records: sum(one["phase"] == "decision" for one in records) == 1, "outbound")
        decision = [one for one in found if one["phase"] == "decision"][0]
        self.assertEqual(decision["caller_executable"], str(CURL))
        self.assertEqual(decision["caller_sha256"], sha256(CURL))
        self.assertGreater(decision["caller_pid"], 0)
        self.assertNotIn("argument-of-curl", json.dumps(found))
        self.assert_verifies("outbound")

    def test_a_connection_that_is_handed_to_another_process_proves_nothing(self):
        self.start_unix({"instance": {"unix:sha256": sha256(PYTHON)}})
        client = UnixClient(self.socket)
        self.addCleanup(client.close)
        self.assertEqual(code_of(client.call()), "allowed")
        message = json.dumps(client.message("tools/call", {"name": "echo", "arguments": {}}))
        fields = "".join(f"{name}: {value}\r\n" for name, value in client.headers("tools/call", "echo").items())
        request = f"POST /mcp HTTP/1.1\r\nhost: localhost\r\n{fields}content-length: {len(message)}\r\n\r\n{message}"
        # The same program, the same user, another process.
        end = client.connection.sock.fileno()
        send = "import socket, sys\nsocket.socket(fileno=int(sys.argv[1])).sendall(sys.argv[2].encode())"
        subprocess.run([sys.executable, "-c", send, str(end), request], pass_fds=[end], check=True)
        answer = http.client.HTTPResponse(client.connection.sock)
        answer.begin()
        self.assertEqual(code_of(json.loads(answer.read())), "wrong_instance")
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(len(self.fake.calls), 1)

    def test_the_local_api_asks_the_same(self):
        api = self.folder / "local.sock"
        self.start_unix({"instance": {"unix:sha256": sha256(PYTHON)}}, local_api={"socket": str(api)})
        connection = UnixClient(api).connection
        self.addCleanup(connection.close)

        def ask(method, path, body=None):
            connection.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        instance = ask("GET", "/instance")[1]["instance"]
        self.assertEqual(instance["unix:sha256"], sha256(PYTHON))
        self.assertEqual(instance["unix:pid"], str(os.getpid()))
        wanted = {"tool": "echo", "args": {}, "aud": TOOL}
        self.assertEqual(ask("POST", "/attachments", wanted)[0], 201)
        done = self.run_curl("--unix-socket", api, "-H", "content-type: application/json", "-d", json.dumps(wanted),
                             "http://localhost/attachments")
        self.assertEqual(done["code"], "no_receipt")

    def test_the_local_api_for_listed_callers_only(self):
        api = self.folder / "local.sock"
        self.start_unix({}, local_api={"socket": str(api), "allowed_callers": [{"sha256": sha256(CURL)}]})
        connection = UnixClient(api).connection
        self.addCleanup(connection.close)
        connection.request("GET", "/receipts")
        answer = connection.getresponse()
        self.assertEqual((answer.status, json.loads(answer.read())["code"]), (403, "wrong_instance"))
        answer = self.run_curl("--unix-socket", api, "http://localhost/receipts")
        self.assertEqual(len(answer["receipts"]), 1)

    def test_a_receipt_that_two_processes_use_raises_an_alert_with_both(self):
        proxy = self.start_unix({})
        ours = UnixClient(self.socket)
        self.addCleanup(ours.close)
        script = ("import sys\nfrom instance_test import UnixClient, code_of\n"
                  "print(code_of(UnixClient(sys.argv[1]).call()), flush=True)\ninput()")
        other = subprocess.Popen([sys.executable, "-c", script, self.socket], stdin=subprocess.PIPE, text=True,
                                 stdout=subprocess.PIPE, cwd=pathlib.Path(__file__).parent)
        self.addCleanup(other.communicate, "\n")
        self.assertEqual(code_of(ours.call()), "allowed")
        self.assertEqual(other.stdout.readline().strip(), "allowed")
        self.assertEqual(proxy.metric("mandated_receipt_clones_total"), 0)
        self.assertEqual(code_of(ours.call()), "allowed")  # a suspicion refuses nothing
        found = self.wait_records(lambda records: any(one["phase"] == "alert" for one in records), "outbound")
        alert = [one for one in found if one["phase"] == "alert"][0]
        self.assertEqual([name.split(" (")[0] for name in alert["instances"]],
                         [f"process {os.getpid()}", f"process {other.pid}"])
        self.assertEqual(alert["receipt"], [one["receipt"] for one in found if one["phase"] == "decision"][0])
        self.assertEqual(proxy.metric("mandated_receipt_clones_total"), 1)
        self.assert_verifies("outbound")

    def test_from_afar_a_named_proxy_vouches(self):
        mandate = {"instance": {"unix:sha256": sha256(PYTHON)}}
        for vouchers, expected in ((None, "wrong_instance"), ([AGENT], "allowed")):
            with self.subTest(expected):
                shutil.rmtree(self.folder / "wallet-x", ignore_errors=True)
                receipts = {"wallet": self.wallet(self.issue(TOOLS, mandate=mandate))}
                rule = {"mode": "enforce", **({"instance_vouchers": vouchers} if vouchers else {})}
                config = self.inbound({"url": self.fake.url}, rule)
                config["audit"]["file"] += expected
                far = self.start(config, f"far-{expected}")
                self.socket = self.folder / f"{expected}.sock"
                near = self.outbound(self.far_side(far), receipts)
                near["audit"]["file"] += expected
                near["listeners"] = [{"name": "agent", "address": f"127.0.0.1:{free_port()}", "tls": "none"},
                                     {"name": "unix", "address": f"unix:{self.socket}", "tls": "none"}]
                self.start(near, f"near-{expected}")
                self.assertEqual(self.call(), expected)
                self.assertEqual(self.curl(), "wrong_instance")  # the near one sees to that


if __name__ == "__main__":
    main()
