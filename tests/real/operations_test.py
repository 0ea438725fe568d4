#!/usr/bin/env python3
"""What an operator relies on: drain, errors of the far side, a full disk, readiness, metrics, and an audit
trail that shows when somebody touched it.
"""

import concurrent.futures
import contextlib
import json
import os
import subprocess
import threading
import time

from support import AGENT, Client, FakeServer, World, code_of, free_port, mandated, main

TOOLS = {"echo": {}}


class Operations(World):
    def begin(self, upstream, **more):
        self.receipts = self.issue(TOOLS)
        self.proxy = self.start(self.inbound(upstream, **more))
        self.secure = self.tls(self.svid(AGENT))

    def client(self):
        client = Client(self.proxy.port, self.secure, self.receipts)
        self.addCleanup(client.close)
        return client

    # ---- drain ----------------------------------------------------------------------------------

    def test_sigterm_lets_a_call_in_flight_finish(self):
        entered, go = threading.Event(), threading.Event()

        def slow(handler, message):
            entered.set()
            go.wait(10)
            fake.default(handler, message)

        fake = self.server(slow)
        self.begin({"url": fake.url})
        answers = []
        caller = threading.Thread(target=lambda: answers.append(self.client().call(arguments={"a": 1})))
        caller.start()
        self.assertTrue(entered.wait(10))
        self.proxy.process.terminate()
        deadline = time.monotonic() + 5
        while self.proxy.status("/ready") == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        with self.assertRaises(OSError):  # takes nothing new
            Client(self.proxy.port, self.secure, self.receipts, timeout=3).call()
        go.set()
        caller.join(10)
        self.assertEqual([code_of(answer) for answer in answers], ["allowed"])
        self.assertEqual(self.proxy.process.wait(10), 0)
        self.assert_verifies()

    def test_sigterm_with_an_idle_connection_ends_at_once(self):
        self.begin({"url": self.server().url})
        client = self.client()
        self.assertEqual(code_of(client.call()), "allowed")
        began = time.monotonic()
        self.assertEqual(self.proxy.terminate(), 0)
        self.assertLess(time.monotonic() - began, 3)

    # ---- the far side ---------------------------------------------------------------------------

    def test_upstream_that_is_not_there(self):
        self.begin({"url": f"http://127.0.0.1:{free_port()}/mcp"})
        client = self.client()
        message = client.message("tools/call", {"name": "echo", "arguments": {}})
        status, text = client.post(json.dumps(message), client.headers("tools/call", "echo"))
        self.assertEqual(status, 502, text)
        self.assertEqual(json.loads(text)["id"], message["id"])
        decision, outcome = self.wait_records(lambda found: len(found) >= 3)[-2:]
        self.assertEqual((decision["phase"], decision["verdict"]), ("decision", "permit"))
        self.assertEqual((outcome["phase"], outcome["exchange"]), ("outcome", decision["exchange"]))
        self.assertIn(outcome["error"], ("refused", "unavailable"))
        self.assertEqual(self.proxy.metric("mandated_requests_total", route="tool", verdict="error"), 1)
        self.assert_verifies()

    def test_upstream_that_does_not_answer(self):
        go = threading.Event()
        self.addCleanup(go.set)
        fake = self.server(lambda handler, message: go.wait(20))
        self.begin({"url": fake.url}, timeouts={"call": "1s"})
        client = self.client()
        began = time.monotonic()
        message = client.message("tools/call", {"name": "echo", "arguments": {}})
        status, text = client.post(json.dumps(message), client.headers("tools/call", "echo"))
        self.assertEqual(status, 504, text)
        self.assertLess(time.monotonic() - began, 4)
        records = self.wait_records(lambda found: len(found) >= 3)
        self.assertEqual(records[-1]["error"], "timeout")

    # ---- endpoints ------------------------------------------------------------------------------

    def test_endpoints_and_metrics(self):
        self.begin({"url": self.server().url})
        self.assertEqual(self.proxy.get("/ready")[0], 200)
        self.assertEqual(self.proxy.get("/live")[0], 200)
        self.assertEqual(self.proxy.get("/nothing")[0], 404)
        client = self.client()
        client.call()
        self.assertEqual(code_of(client.call("shout")), "tool_not_granted")
        self.assertEqual(self.proxy.metric("mandated_requests_total", route="tool", verdict="permit"), 1)
        self.assertEqual(self.proxy.metric("mandated_requests_total", route="tool", verdict="deny"), 1)
        self.assertEqual(self.proxy.metric("mandated_refusals_total", route="tool", code="tool_not_granted"), 1)
        self.assertGreater(self.proxy.metric("mandated_svid_expiry_seconds"), time.time())

    # ---- the record -----------------------------------------------------------------------------

    def test_every_decision_is_recorded_with_its_words(self):
        self.begin({"url": self.server().url})
        client = self.client()
        client.call(arguments={"secret": "swordfish"})
        client.call("shout")
        records = self.wait_records(lambda found: len(found) >= 5)
        permit, deny = [record for record in records if record["phase"] == "decision"]
        self.assertEqual((permit["verdict"], permit["tool"], permit["caller"]), ("permit", "echo", AGENT))
        self.assertEqual((deny["verdict"], deny["refusal"]["code"]), ("deny", "tool_not_granted"))
        self.assertNotIn("swordfish", (self.folder / "inbound.jsonl").read_text())
        self.assertNotIn("swordfish", self.proxy.log.read_text())
        self.assertEqual(os.stat(self.folder / "inbound.jsonl").st_mode & 0o777, 0o600)

    def test_a_touched_trail_is_found_out(self):
        self.begin({"url": self.server().url})
        client = self.client()
        for number in range(5):
            client.call(arguments={"n": number})
        self.wait_records(lambda found: len(found) >= 11)
        self.assertEqual(self.proxy.terminate(), 0)
        self.assert_verifies()
        lines = (self.folder / "inbound.jsonl").read_text().splitlines(keepends=True)
        changed = [line.replace('"permit"', '"deny"') if n == 4 else line for n, line in enumerate(lines)]
        self.assertTrue(changed != lines)
        swapped = lines[:2] + [lines[3], lines[2]] + lines[4:]
        for name, touched, at in (("changed", changed, (5, 6)), ("dropped", lines[:3] + lines[4:], (4,)),
                                  ("swapped", swapped, (3,))):
            with self.subTest(name):
                file = self.folder / f"{name}.jsonl"
                file.write_text("".join(touched))
                done = mandated("audit", "verify", file, check=False)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertRegex(done.stdout + done.stderr, "|".join(rf"\b{line}\b" for line in at))


class Budgets(World):
    def begin(self, url, mandate):
        self.receipts = self.issue(TOOLS, mandate=mandate)
        self.config = self.inbound({"url": url})
        self.proxy = self.start(self.config)
        self.secure = self.tls(self.svid(AGENT))

    def call(self, arguments=None):
        client = Client(self.proxy.port, self.secure, self.receipts)
        with contextlib.closing(client):
            return code_of(client.call(arguments=arguments))

    def test_neither_a_crash_nor_a_restart_refills_a_budget(self):
        fake = self.server()
        self.begin(fake.url, {"budget": {"calls": 4}})
        self.assertEqual(self.call(), "allowed")
        self.proxy.kill()
        self.proxy = self.start(self.config)
        self.assertEqual(self.call(), "allowed")
        self.assertEqual(self.proxy.terminate(), 0)
        self.proxy = self.start(self.config)
        self.assertEqual([self.call() for _ in range(3)], ["allowed", "allowed", "budget_spent"])
        self.assertEqual(len(fake.calls), 4)
        self.assertEqual(self.proxy.metric("mandated_refusals_total", route="tool", code="budget_spent"), 1)

    def test_calls_at_once_do_not_overspend(self):
        fake = self.server()
        self.begin(fake.url, {"budget": {"calls": 7}})
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            codes = list(threads.map(lambda _: self.call(), range(40)))
        self.assertEqual((codes.count("allowed"), codes.count("budget_spent")), (7, 33))
        self.assertEqual(len(fake.calls), 7)

    def test_a_sum_is_kept_to_the_cent(self):
        self.begin(self.server().url, {"budget": {"sum": {"echo.amount": 0.3}}})
        self.assertEqual([self.call({"amount": 0.1}) for _ in range(4)], ["allowed"] * 3 + ["budget_spent"])
        self.assertEqual(self.call({"amount": 0}), "allowed")
        self.assertEqual(self.call({}), "argument_missing")
        self.assertEqual(self.call({"amount": "0"}), "argument_denied")

    def test_a_call_that_did_not_leave_is_not_counted(self):
        port = free_port()
        self.begin(f"http://127.0.0.1:{port}/mcp", {"budget": {"calls": 1}})
        self.assertEqual([self.call() for _ in range(3)], ["refused"] * 3)
        self.addCleanup(FakeServer(port=port).close)
        self.assertEqual([self.call() for _ in range(2)], ["allowed", "budget_spent"])


class FullDisk(World):
    def test_a_call_that_cannot_be_recorded_is_refused(self):
        small = self.folder / "small"
        small.mkdir()
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        owner = f"size=64k,uid={os.geteuid()},gid={os.getegid()},mode=0700"
        subprocess.run([*as_root, "mount", "-t", "tmpfs", "-o", owner, "tmpfs", small], check=True)
        self.addCleanup(subprocess.run, [*as_root, "umount", "-l", small], check=True)
        receipts = self.issue(TOOLS)
        fake = self.server()
        audit = {"file": str(small / "audit.jsonl"), "mode": "before"}
        proxy = self.start(self.inbound({"url": fake.url}, audit=audit))
        client = Client(proxy.port, self.tls(self.svid(AGENT)), receipts)
        self.addCleanup(client.close)
        self.assertEqual(code_of(client.call()), "allowed")

        ballast = small / "ballast"
        with ballast.open("wb", buffering=0) as file:  # what is left of 64 KiB, and none for the trail
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                pass
        served, refused = 1, 0
        for _ in range(60):  # the last page of the trail may still have room for some lines
            message = client.message("tools/call", {"name": "echo", "arguments": {}})
            status, text = client.post(json.dumps(message), client.headers("tools/call", "echo"))
            if status == 200 and "result" in json.loads(text):
                served += 1
            else:
                refused += 1
                self.assertEqual(status, 503, text)
        self.assertGreater(refused, 20)
        self.assertLessEqual(len(fake.calls), served)
        self.assertEqual(proxy.get("/ready")[0], 503)
        self.assertTrue(proxy.alive())

        ballast.unlink()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and proxy.get("/ready")[0] != 200:
            time.sleep(0.1)
        self.assertEqual(code_of(client.call()), "allowed")
        self.assertEqual(proxy.terminate(), 0)
        done = mandated("audit", "verify", small / "audit.jsonl", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    main()
