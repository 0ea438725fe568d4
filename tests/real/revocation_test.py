#!/usr/bin/env python3
"""Receipts that are taken back: a list made by `mandated status`, served as a static file over TLS, and a
proxy that refuses what it names.
"""

import json
import socket
import time

from list_server import ListServer, make_certificate
from support import AGENT, Client, World, code_of, mandated, main

TOOLS = {"echo": {}}


class Revocation(World):
    def setUp(self):
        super().setUp()
        self.web = self.folder / "web"
        self.web.mkdir()
        self.ca = make_certificate(self.folder / "certificates")
        self.lists = self.serve(self.folder / "certificates")
        self.uri = self.lists.url("list.jwt")

    def serve(self, certificates):
        lists = ListServer(self.web, certificates)
        self.addCleanup(lambda: lists.stop())
        return lists

    def receipt(self, index, uri=None):
        return self.issue(TOOLS, mandate={"status": {"uri": uri or self.uri, "idx": index}})

    def publish(self):
        mandated("status", "publish", "--key", self.folder / "maria.jwk", "--uri", self.uri, "--size", 1000, "--ttl", "1s",
                 "--for", "1h", "--out", self.web / "list.jwt")

    def revoke(self, *indices):
        words = [word for index in indices for word in ("--idx", index)]
        mandated("status", "revoke", "--key", self.folder / "maria.jwk", "--list", self.web / "list.jwt", *words)

    def begin(self, grace="4s", ca=None, lists=None):
        config = self.inbound({"url": self.server().url}, fetch={"ca_file": str(ca or self.ca)})
        config["receipts"]["status"] = {"lists": [lists or self.lists.url()], "ttl_min": "1s", "ttl_max": "2s", "grace": grace,
                                        "timeout": "2s"}
        self.proxy = self.start(config)
        self.secure = self.tls(self.svid(AGENT))

    def call(self, receipts):
        client = Client(self.proxy.port, self.secure, receipts)
        try:
            return client.call()
        finally:
            client.close()

    def until(self, receipts, code, seconds):
        """Calls until that is the outcome; gives how long it took."""
        began = time.monotonic()
        while (seen := code_of(self.call(receipts))) != code:
            self.assertLess(time.monotonic() - began, seconds, f"still {seen}\n{self.proxy.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return time.monotonic() - began

    def test_a_revoked_receipt_is_refused_and_others_are_not(self):
        good, bad = self.receipt(1), self.receipt(2)
        self.publish()
        self.begin()
        self.assertEqual(code_of(self.call(good)), "allowed")
        self.assertEqual(code_of(self.call(bad)), "allowed")
        self.revoke(2, 7)
        self.until(bad, "revoked", 4)
        self.assertEqual(code_of(self.call(good)), "allowed")
        answer = self.call(bad)["error"]
        self.assertEqual((answer["data"]["hop"], answer["data"]["tool"]), (0, "echo"))
        self.assertIn("invalid", answer["message"] + json.dumps(answer["data"]))
        deny = self.wait_records(lambda found: len(found) >= 3)
        self.assertTrue([record for record in deny if record.get("refusal", {}).get("code") == "revoked"])
        self.assertEqual(self.lists.requests[0], ("/list.jwt", "application/statuslist+jwt"))
        deadline = time.monotonic() + 5
        while self.proxy.metric("mandated_status_lists") != 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.proxy.metric("mandated_status_lists"), 1)
        self.assertLess(self.proxy.metric("mandated_status_oldest_seconds"), 5)
        self.assertGreaterEqual(self.proxy.metric("mandated_refusals_total", route="tool", code="revoked"), 1)

    def test_a_server_that_is_down_is_forgiven_for_the_grace(self):
        good = self.receipt(1)
        self.publish()
        self.begin()
        self.assertEqual(code_of(self.call(good)), "allowed")
        self.lists.stop()
        began = time.monotonic()
        while time.monotonic() - began < 3.5:  # the grace alone is longer
            self.assertEqual(code_of(self.call(good)), "allowed")
            time.sleep(0.2)
        self.until(good, "status_unknown", 6)
        self.assertGreaterEqual(self.proxy.metric("mandated_status_fetch_failures_total"), 1)
        self.lists.start()
        self.until(good, "allowed", 20)

    def test_what_was_never_fetched_is_unknown(self):
        self.receipt(1)
        self.publish()
        elsewhere = self.receipt(1, self.uri.replace("localhost", "127.0.0.1"))
        missing = self.receipt(1, self.lists.url("other.jwt"))
        self.begin()
        self.assertEqual(code_of(self.call(elsewhere)), "status_unknown")
        self.assertIn("at none of the places", self.call(elsewhere)["error"]["data"]["sentence"])
        self.assertEqual(self.lists.requests, [])
        self.assertEqual(code_of(self.call(missing)), "status_unknown")
        self.assertIn("answers 404", self.call(missing)["error"]["data"]["sentence"])

    def test_a_server_that_another_authority_vouches_for_is_not_believed(self):
        good = self.receipt(1)
        self.publish()
        self.begin(ca=make_certificate(self.folder / "others"))
        self.assertEqual(code_of(self.call(good)), "status_unknown")
        self.assertEqual(self.lists.requests, [])

    def test_a_server_of_another_name_is_not_believed(self):
        good = self.receipt(1)
        self.publish()
        ca = make_certificate(self.folder / "others", "lists.example")
        self.lists.stop()
        self.lists = ListServer(self.web, self.folder / "others", self.lists.port)
        self.begin(ca=ca)
        self.assertEqual(code_of(self.call(good)), "status_unknown")
        self.assertIn("ostname mismatch", self.call(good)["error"]["data"]["sentence"])

    def test_a_call_waits_for_a_silent_server_no_longer_than_the_timeout_and_a_drain_neither(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            uri = f"https://localhost:{silent.getsockname()[1]}/list.jwt"
            receipts = self.receipt(1, uri)
            self.begin(lists=uri)
            began = time.monotonic()
            self.assertEqual(code_of(self.call(receipts)), "status_unknown")
            self.assertLess(time.monotonic() - began, 6)
            time.sleep(1.5)
            self.call(receipts)  # makes it fetch again
            began = time.monotonic()
            self.assertEqual(self.proxy.terminate(), 0)
            self.assertLess(time.monotonic() - began, 8)


if __name__ == "__main__":
    main()
