#!/usr/bin/env python3
"""Who may knock: the inbound proxy's mTLS listener against good and bad certificates, rotation under
load, and a session that somebody else tries to take over.
"""

import http.client
import json
import socket
import ssl
import sys
import threading
import time

from support import AGENT, OTHER_AGENT, ROOT, TOOL, Client, World, code_of, main

TOOLS = {"echo": {}}


class Certificates(World):
    def setUp(self):
        super().setUp()
        self.receipts = self.issue(TOOLS)
        self.fake = self.server()
        self.proxy = self.start(self.inbound({"url": self.fake.url}))

    def call(self, tls):
        client = Client(self.proxy.port, tls, self.receipts)
        self.addCleanup(client.close)
        return client.call(arguments={"a": 1})

    def assert_turned_away(self, tls, failures):
        """No answer comes, the server saw nothing, and the refusal was counted."""
        with self.assertRaises((ssl.SSLError, ConnectionError, OSError)):
            self.call(tls)
        self.assertEqual(self.fake.calls, [])
        deadline = time.monotonic() + 5
        while self.failures() < failures and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.failures(), failures)
        self.assertTrue(self.proxy.alive())

    def failures(self):
        return sum(self.proxy.metric("mandated_handshake_failures_total", code=code)
                   for code in ("handshake", "peer_identity", "end", "reset"))

    def test_good_certificate(self):
        answer = self.call(self.tls(self.svid(AGENT)))
        self.assertEqual(code_of(answer), "allowed", answer)
        self.assertEqual(json.loads(answer["result"]["content"][0]["text"]), {"a": 1})

    def test_no_certificate(self):
        bundle = self.svid(AGENT) / "bundle.pem"
        self.assert_turned_away(self.tls(None, bundle), 1)

    def test_certificate_of_another_ca_for_the_same_name(self):
        impostor = self.svid(AGENT, state=self.folder / "other-state")
        self.assert_turned_away(self.tls(impostor, self.svid(AGENT) / "bundle.pem"), 1)

    def test_certificate_of_another_trust_domain(self):
        stranger = self.svid("spiffe://other.example/agent/x", state=self.folder / "other", domain="other.example")
        self.assert_turned_away(self.tls(stranger, self.svid(AGENT) / "bundle.pem"), 1)

    def test_expired_certificate(self):
        short = self.svid(AGENT, words=("--ttl", "1s"))
        time.sleep(2.1)
        self.assert_turned_away(self.tls(short), 1)

    def test_a_connection_does_not_outlive_the_certificate_that_opened_it(self):
        client = Client(self.proxy.port, self.tls(self.svid(AGENT, words=("--ttl", "3s"))), self.receipts)
        self.addCleanup(client.close)
        self.assertEqual(code_of(client.call(arguments={"a": 1})), "allowed")
        time.sleep(4)
        with self.assertRaises((http.client.HTTPException, OSError)):  # it has been closed
            client.post(json.dumps(client.message("tools/call", {"name": "echo", "arguments": {}})),
                        client.headers("tools/call", "echo"))
        self.assertEqual(len(self.fake.calls), 1)

    def test_known_workload_that_the_route_does_not_name(self):
        # A good certificate, so there is a connection; the route's allowed_peers turn the call away.
        client = Client(self.proxy.port, self.tls(self.svid("spiffe://acme.example/elsewhere/x")), self.receipts)
        try:
            status, text = client.post(json.dumps(client.message("tools/call", {"name": "echo", "arguments": {}})),
                                       client.headers("tools/call", "echo"))
            self.assertNotEqual(status, 200, text)
        except (ssl.SSLError, OSError):
            pass  # turned away in the handshake already, which is as good
        finally:
            client.close()
        self.assertEqual(self.fake.calls, [])

    def test_server_shows_its_own_svid(self):
        svid = self.svid(AGENT)
        with socket.create_connection(("127.0.0.1", self.proxy.port)) as raw:
            with self.tls(svid).wrap_socket(raw) as stream:
                self.assertEqual(stream.getpeercert()["subjectAltName"], (("URI", TOOL),))
                self.assertEqual(stream.version(), "TLSv1.3")

    def test_tls_1_2_is_off(self):
        context = self.tls(self.svid(AGENT))
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises((ssl.SSLError, OSError)):
            self.call(context)

    def test_plaintext_on_the_mtls_port(self):
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10) as raw:
            raw.sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            self.assertNotIn(b"200", raw.recv(4096))
        self.assertEqual(code_of(self.call(self.tls(self.svid(AGENT)))), "allowed")


class Rotation(World):
    def test_no_call_fails_while_certificates_change(self):
        """SVIDs of 4 s, renewed every 2 s, for 7 s: old connections stay, new ones get the new SVID."""
        receipts = self.issue(TOOLS)
        fake = self.server()
        config = self.inbound({"url": fake.url})
        config["identity"] = self.identity(TOOL, svid_ttl="4s")
        proxy = self.start(config)
        tls, end, failures, done = self.tls(self.svid(AGENT)), time.monotonic() + 7, [], []

        def caller(keep):
            client = Client(proxy.port, tls, receipts)
            while time.monotonic() < end:
                try:
                    answer = client.call(arguments={"n": len(done)})
                    if code_of(answer) != "allowed":
                        failures.append(answer)
                    done.append(1)
                    if not keep:
                        client.close()
                        client = Client(proxy.port, tls, receipts)
                except OSError as error:
                    failures.append(repr(error))
                    client = Client(proxy.port, tls, receipts)
                time.sleep(0.01)
            client.close()

        threads = [threading.Thread(target=caller, args=(keep,)) for keep in (True, True, False, False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures[:3], [])
        self.assertGreater(len(done), 100)
        self.assertGreaterEqual(proxy.metric("mandated_svid_rotations_total"), 2)
        self.assert_verifies()


class Sessions(World):
    def test_a_session_belongs_to_the_peer_that_opened_it(self):
        mine, others = self.issue(TOOLS), self.issue(TOOLS, holder=OTHER_AGENT)
        command = [sys.executable, str(ROOT / "tests" / "real" / "stdio_server.py")]
        proxy = self.start(self.inbound({"command": command}))
        owner = Client(proxy.port, self.tls(self.svid(AGENT)), mine)
        thief = Client(proxy.port, self.tls(self.svid(OTHER_AGENT)), others)
        self.addCleanup(owner.close)
        self.addCleanup(thief.close)
        session, own = self.open_session(owner), self.open_session(thief)
        self.assertEqual(self.call_in(owner, session), (200, "allowed"))
        self.assertEqual(self.call_in(thief, own), (200, "allowed"))
        status, code = self.call_in(thief, session)
        self.assertEqual(status, 404, code)  # as if there were no such session

    def open_session(self, client):
        fields = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
        client.connection.request("POST", "/mcp", body=json.dumps(hello), headers=fields)
        answer = client.connection.getresponse()
        self.assertEqual(answer.status, 200, answer.read())
        answer.read()
        return answer.headers["mcp-session-id"]

    def call_in(self, client, session):
        fields = {"content-type": "application/json", "accept": "application/json, text/event-stream",
                  "mcp-protocol-version": "2025-11-25", "mcp-session-id": session,
                  "delegation-receipt": ", ".join(client.receipts)}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}
        status, text = client.post(json.dumps(call), fields)
        try:
            return status, code_of(json.loads(text))
        except (ValueError, AttributeError):
            return status, text


if __name__ == "__main__":
    main()
