#!/usr/bin/env python3
"""The official Python SDK on both ends, through an outbound and an inbound proxy with mTLS between them, in
every way that the SDK speaks: with sessions (2025-11-25), without (2026-07-28), and finding out which.
"""

import sys

from support import PYTHON, World, main, python_packages

CALLS = [["read_report", {"name": "q3"}], ["read_report", {"name": "q4"}], ["delete_report", {"name": "q3"}]]


class Sdk(World):
    def begin(self, upstream):
        chain = self.issue({"read_report": {"name": {"constraint_type": "one_of", "values": ["q2", "q3"]}}})
        far = self.start(self.inbound(upstream, {"mode": "enforce", "proof": "required"}), "inbound")
        near = self.start(self.outbound(self.far_side(far), {"wallet": self.wallet(chain)}), "outbound")
        self.url = f"http://127.0.0.1:{near.port}/mcp"

    def assert_held_to_the_receipt(self, mode, tools, allowed_text):
        seen = self.sdk_client(self.url, mode, CALLS)
        self.assertEqual(seen["tools"], tools)
        allowed, other, deleted = seen["answers"]
        self.assertEqual((allowed["text"], allowed["is_error"]), (allowed_text, False))
        for refusal, code in ((other, "argument_denied"), (deleted, "tool_not_granted")):
            self.assertEqual((refusal["error"]["code"], refusal["error"]["data"]["code"]), (-32010, code))
            self.assertTrue(refusal["error"]["message"].endswith("."), refusal)

    def test_a_server_over_http(self):
        self.begin(self.sdk_server())
        for mode in ("legacy", "auto", "2026-07-28"):
            with self.subTest(mode):
                self.assert_held_to_the_receipt(mode, ["read_report"], "report q3")
        self.assert_verifies("inbound")
        self.assert_verifies("outbound")

    def test_a_server_over_stdio(self):
        self.begin({"command": [sys.executable, "-c", STDIO], "env": {"PYTHONPATH": str(python_packages())}})
        for mode in ("legacy", "auto", "2026-07-28"):
            with self.subTest(mode):
                self.assert_held_to_the_receipt(mode, ["read_report"], "report q3")
        self.assert_verifies("inbound")
        self.assert_verifies("outbound")


# The same server, over stdio.
STDIO = (PYTHON / "sdk_server.py").read_text().replace(
    'server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))', 'server.run(transport="stdio")')


if __name__ == "__main__":
    main()
