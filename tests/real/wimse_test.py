#!/usr/bin/env python3
"""An outbound and an inbound proxy with something between them that ends TLS: the caller is still known, by
its Workload Identity Token, and what the middle changes, drops, repeats or makes up is refused.
"""

import http.client
import json
import ssl

from support import AGENT, DOMAIN, TOOL, Answering, Client, Loopback, World, code_of, main

GATEWAY = f"spiffe://{DOMAIN}/gateway"
ORIGIN = "https://tools.acme.example"
SENDER = ("workload-identity-token", "workload-proof-token", "signature", "signature-input", "content-digest")


class Gateway:
    """Ends mutual TLS under an SVID of its own and sends each request on, as `change(headers, body)` makes it."""

    def __init__(self, world, forward):
        self.seen = []
        self.change = lambda headers, body: (headers, body)
        self.copies = 1
        owner = self

        class Handler(Answering):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers, body = owner.change([(k.lower(), v) for k, v in self.headers.items()], body)
                owner.seen.append((headers, body))
                for _ in range(owner.copies):
                    status, text = forward(headers, body)
                self.answer(status, text)

        svid = world.svid(GATEWAY)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(svid / "svid.pem", svid / "key.pem")
        context.load_verify_locations(svid / "bundle.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["http/1.1"])
        self.loopback = Loopback(Handler)
        server = self.loopback.server
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = self.loopback.port
        world.addCleanup(self.loopback.close)


def send(port, headers, body, tls=None):
    """(status, bytes) of one POST with exactly these fields."""
    connection = (http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=10) if tls
                  else http.client.HTTPConnection("127.0.0.1", port, timeout=10))
    try:
        connection.putrequest("POST", "/mcp", skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value if name != "content-length" else str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class ThroughAGateway(World):
    def setUp(self):
        super().setUp()
        self.receipts = self.issue({"echo": {}})
        self.reached = []

        def behaviour(handler, message):
            self.reached.append({name.lower(): value for name, value in handler.headers.items()})
            handler.result(message, {"content": [{"type": "text", "text": "done"}]})

        self.fake = self.server(behaviour)

    def world(self, method, tls="none", taken="any", mode="require", carriers=(), direct=False, workers=1):
        """Agent, outbound proxy, gateway (unless `direct`), inbound proxy, tool."""
        inbound = self.inbound({"url": self.fake.url}, mandate={"mode": "enforce"}, workers=workers)
        inbound["listeners"][0].update(tls=tls, wimse={"mode": mode, "method": taken, "audiences": [ORIGIN],
                                                       "carriers": list(carriers)})
        self.near = self.start(inbound, "inbound")
        client_tls = None
        if tls == "mtls":
            client_tls = self.tls(self.svid(GATEWAY))
        self.gateway = Gateway(self, lambda headers, body: send(self.near.port, headers, body, client_tls))
        far = {"url": f"https://127.0.0.1:{self.near.port if direct else self.gateway.port}/mcp",
               "spiffe_ids": [TOOL if direct else GATEWAY], "receipts": "pass", "http_version": "1.1"}
        if method:
            far["wimse"] = {"method": method, "audience": ORIGIN}
        outbound = self.outbound(far, {"wallet": self.wallet(self.receipts)}, mandate={"audiences": [TOOL]})
        self.out = self.start(outbound, "outbound")
        self.agent = Client(self.out.port)
        self.addCleanup(self.agent.close)

    def post(self):
        message = self.agent.message("tools/call", {"name": "echo", "arguments": {}})
        return self.agent.post(json.dumps(message), self.agent.headers("tools/call", "echo"))

    def post_list(self):
        """Needs no receipt: nothing of it is good only once but what says who calls."""
        return self.agent.post(json.dumps(self.agent.message("tools/list", {})), self.agent.headers("tools/list"))

    def assert_unproven(self, answer, reached=0):
        status, text = answer
        text = text.decode() if isinstance(text, bytes) else text
        self.assertEqual((status, json.loads(text)["code"]), (400, "peer_identity"), text)
        self.assertEqual(len(self.reached), reached)

    def assert_caller(self, proof):
        records = self.wait_records(lambda found: any(one["phase"] == "outcome" for one in found))
        decision = next(one for one in records if one["phase"] == "decision")
        self.assertEqual((decision["caller"], decision["caller_proof"]), (AGENT, proof), decision)
        self.assert_verifies()

    def assert_nothing_leaks(self):
        tokens = [value for headers, _ in self.gateway.seen for name, value in headers if name in SENDER[:2]]
        self.assertTrue(tokens)
        for file in [*self.folder.glob("*.log"), *self.folder.glob("*.jsonl")]:
            text = file.read_text()
            for token in tokens:
                self.assertNotIn(token, text, file.name)
                self.assertNotIn(token.rsplit(".", 1)[1], text, file.name)

    def test_the_caller_is_known_behind_the_gateway(self):
        for method, proof in (("token", "workload_token"), ("signature", "http_signature")):
            with self.subTest(method):
                (self.folder / "inbound.jsonl").unlink(missing_ok=True)
                self.reached.clear()
                self.world(method)
                self.assertEqual(code_of(self.agent.call()), "allowed")
                self.assert_caller(proof)
                self.assertEqual([name for name in SENDER if name in self.reached[0]], [])
                sent = dict(self.gateway.seen[0][0])
                self.assertIn("workload-identity-token", sent)
                self.assertIn("delegation-receipt", sent)
                self.assert_nothing_leaks()
                self.tear_down_proxies()

    def tear_down_proxies(self):
        self.near.terminate()
        self.out.terminate()
        for entry in (self.folder / "wallet-x").iterdir():
            entry.unlink()
        (self.folder / "wallet-x").rmdir()

    def test_a_repeated_request_is_refused_by_every_worker(self):
        for method in ("token", "signature"):
            with self.subTest(method):
                self.reached.clear()
                self.world(method, workers=2)
                self.gateway.copies = 6
                self.assert_unproven(self.post_list())
                self.gateway.copies = 1
                self.assertEqual(self.post_list()[0], 200)
                headers, body = self.gateway.seen[0]
                self.assert_unproven(send(self.near.port, headers, body))
                self.near.terminate()
                self.near = self.start(json.loads((self.folder / "inbound.yaml").read_text()), "inbound")
                self.assert_unproven(send(self.near.port, headers, body))
                self.tear_down_proxies()

    def test_what_the_gateway_changes_is_refused(self):
        def drop(name):
            return lambda headers, body: ([one for one in headers if one[0] != name], body)

        def twice(name):
            return lambda headers, body: (headers + [one for one in headers if one[0] == name], body)

        def elsewhere(headers, body):
            return headers, body.replace(b'"echo"', b'"shout"')

        changes = {
            "token": [drop("workload-identity-token"), drop("workload-proof-token"), drop("delegation-receipt"),
                      drop("delegation-proof"), twice("workload-identity-token"), twice("workload-proof-token"),
                      lambda headers, body: (headers + [("authorization", "Bearer stolen")], body),
                      lambda headers, body: (headers + [("txn-token", "stolen")], body)],
            "signature": [drop("signature"), drop("signature-input"), drop("content-digest"), drop("content-type"),
                          drop("delegation-receipt"), twice("signature"), elsewhere,
                          lambda headers, body: (headers + [("authorization", "Bearer stolen")], body),
                          lambda headers, body: (headers + [("mcp-session-id", "another")], body)],
        }
        for method, each in changes.items():
            self.world(method)
            for number, change in enumerate(each):
                with self.subTest(method=method, number=number):
                    self.gateway.change = change
                    self.assert_unproven(self.post())
            self.gateway.change = lambda headers, body: (headers, body)
            self.assertEqual(code_of(self.agent.call()), "allowed")
            self.reached.clear()
            self.tear_down_proxies()

    def test_nobody_calls_without_a_token(self):
        self.world(None)
        self.assert_unproven(self.post())
        headers, body = self.gateway.seen[0]
        forged = [("workload-identity-token", "e30.e30.AA"), ("workload-proof-token", "e30.e30.AA")]
        self.assert_unproven(send(self.near.port, headers + forged, body))

    def test_another_kind_of_proof_than_the_listener_takes(self):
        self.world("token", taken="signature")
        self.assert_unproven(self.post())

    def test_a_gateway_that_comes_over_mtls_must_be_known(self):
        self.world("token", tls="mtls")
        self.assert_unproven(self.post())
        self.tear_down_proxies()
        self.world("token", tls="mtls", carriers=[GATEWAY])
        self.assertEqual(code_of(self.agent.call()), "allowed")

    def test_mtls_and_token_of_the_same_workload(self):
        self.world("signature", tls="mtls", mode="accept", direct=True)
        self.assertEqual(code_of(self.agent.call()), "allowed")
        self.assert_caller("x509_svid")
        # The gateway itself, without a token, is only itself: this route does not know it.
        message = self.agent.message("tools/call", {"name": "echo", "arguments": {}})
        body = json.dumps(message).encode()
        headers = [("host", "x"), ("content-length", ""), *self.agent.headers("tools/call", "echo").items()]
        status, text = send(self.near.port, headers, body, self.tls(self.svid(GATEWAY)))
        self.assertEqual((status, json.loads(text)["code"]), (403, "denied"), text)

    def test_a_carrier_brings_no_call_without_a_token(self):
        self.world(None, tls="mtls", mode="accept", carriers=[GATEWAY])
        self.assert_unproven(self.post())

    def test_a_token_of_another_trust_domain_or_authority(self):
        other = self.folder / "other-state"
        self.state, own = other, self.state  # the same names, another authority
        self.svid(GATEWAY)
        self.state = own
        self.world("token")
        impostor = self.outbound({"url": f"http://127.0.0.1:{self.near.port}/mcp", "receipts": "pass",
                                  "wimse": {"method": "token", "audience": ORIGIN}},
                                 {"wallet": {"folder": str(self.folder / "wallet-x"),
                                             "holder_key": str(self.folder / "x.jwk")}},
                                 mandate={"audiences": [TOOL]})
        impostor["identity"]["embedded"]["state"] = str(other)
        impostor["audit"]["file"] = str(self.folder / "impostor.jsonl")
        proxy = self.start(impostor, "impostor")
        client = Client(proxy.port)
        self.addCleanup(client.close)
        message = client.message("tools/call", {"name": "echo", "arguments": {}})
        self.assert_unproven(client.post(json.dumps(message), client.headers("tools/call", "echo")))


if __name__ == "__main__":
    main()
