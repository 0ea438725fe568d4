#!/usr/bin/env python3
"""A call that people must approve: held by a real proxy, approved by keys that the receipt names, let through once."""

import base64
import hashlib
import json
import sys
import time

from consent_service import ConsentService
from support import AGENT, Client, World, code_of, main, python_packages

sys.path.insert(0, str(python_packages()))
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Approver:
    """A person with an Ed25519 key."""

    def __init__(self, jwk):
        self.key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(jwk["d"] + "=="))
        members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": jwk["x"]}, separators=(",", ":"))
        self.thumbprint = base64url(hashlib.sha256(members.encode()).digest())

    def approve(self, asked):
        now = int(time.time())
        payload = {"args": asked["args"], "exp": now + 300, "iat": now, "jti": asked["ticket"],
                   **{name: asked[name] for name in ("holder", "intent", "receipt", "server", "tool", "user") if name in asked}}
        header = {"alg": "EdDSA", "typ": "delegation-approval+jwt"}
        signing_input = ".".join(
            base64url(json.dumps(part, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())
            for part in (header, payload))
        return f"{signing_input}.{base64url(self.key.sign(signing_input.encode()))}"


class Approvals(World):
    def begin(self, people=1):
        self.make_people(people)
        self.receipts = self.receipt("echo", {"n": {"constraint_type": "wildcard"}})
        self.fake = self.server()
        config = self.inbound({"url": self.fake.url})
        config["receipts"] = self.trust
        self.config = config
        self.proxy = self.start(config)
        self.secure = self.tls(self.svid(AGENT))
        self.client = self.connect()

    def make_people(self, people):
        self.keygen("maria")
        self.keygen("x")
        names = [f"approver{number}" for number in range(people)]
        for name in names:
            self.keygen(name)
        self.people = [Approver(json.loads((self.folder / f"{name}.jwk").read_text())) for name in names]
        self.given = {}  # approvals, by request
        self.consent = ConsentService(self.decide)
        self.addCleanup(self.consent.close)
        self.trust = {
            "anchors": self.anchors + [{"file": str(self.folder / f"{name}.pub.jwk"), "use": "approvals"} for name in names],
            "consent": {"url": self.consent.origin}}

    def decide(self, name, request):
        """Whoever opens a page is answered by all."""
        if name in self.consent.opened and name not in self.given:
            self.given[name] = [each.approve(request) for each in self.people]
        given = self.given.get(name, [])
        return given if len(given) >= request["approvers"]["min"] else None

    def receipt(self, tool, constraints):
        """One for a tool whose every call all of the people must approve."""
        return self.issue({tool: constraints}, mandate={
            "user": "mailto:maria@acme.example", "intent": "Pay what is owed \u2013 \"all\" of it",
            "require": {tool: "approval"},
            "approvers": {"keys": [each.thumbprint for each in self.people], "min": len(self.people)}})

    def connect(self):
        client = Client(self.proxy.port, self.secure, self.receipts)
        self.addCleanup(client.close)
        return client

    def ask(self, arguments):
        """Calls, and gives the refusal's members."""
        answer = self.client.call(arguments=arguments)
        self.assertEqual(code_of(answer), "approval_required", answer)
        self.assertEqual(answer["error"]["code"], -32010)
        return answer["error"]["data"]

    def approve(self, *people):
        name = max(self.consent.requests)
        self.given[name] = [each.approve(self.consent.requests[name]) for each in people]

    def test_a_call_is_held_until_it_is_approved_and_passes_once(self):
        self.begin()
        refusal = self.ask({"n": 1})
        self.assertEqual(refusal["url"], self.consent.page("r0"))
        self.assertEqual(refusal["ticket"], self.consent.requests["r0"]["ticket"])
        self.assertEqual(refusal["tool"], "echo")
        self.assertEqual(self.ask({"n": 1})["ticket"], refusal["ticket"])
        self.assertEqual(self.fake.calls, [])
        asked = self.consent.requests["r0"]
        self.assertEqual((asked["kind"], asked["tool"], asked["args"], asked["holder"], asked["user"]),
                         ("approval", "echo", {"n": 1}, AGENT, "mailto:maria@acme.example"))
        self.approve(*self.people)
        self.assertEqual(code_of(self.client.call(arguments={"n": 1.0})), "allowed")
        self.assertEqual([call["arguments"] for call in self.fake.calls], [{"n": 1.0}])
        again = self.ask({"n": 1})
        self.assertNotEqual(again["ticket"], refusal["ticket"])
        self.ask({"n": 2})
        self.assertEqual(len(self.fake.calls), 1)
        permitted = [record for record in self.records() if record["phase"] == "decision" and record["verdict"] == "permit"]
        self.assertEqual([(record["ticket"], record["approved_by"]) for record in permitted],
                         [(refusal["ticket"], [self.people[0].thumbprint])])
        self.assert_verifies()

    def test_two_people_or_none(self):
        self.begin(people=2)
        self.ask({"n": 1})
        self.approve(self.people[0])
        self.ask({"n": 1})
        self.consent.requests["r0"]["approvers"]["min"] = 1  # a service that says so all the same
        self.assertIn("1 of 2", self.ask({"n": 1})["sentence"])
        self.ask({"n": 1})  # that ended the question; this is the next
        self.approve(*self.people)
        self.assertEqual(code_of(self.client.call(arguments={"n": 1})), "allowed")
        self.assertEqual(len(self.fake.calls), 1)

    def test_a_restart_does_not_make_an_approval_good_again(self):
        self.begin()
        self.ask({"n": 1})
        self.approve(*self.people)
        self.assertEqual(code_of(self.client.call(arguments={"n": 1})), "allowed")
        self.proxy.kill()
        self.proxy = self.start(self.config)
        self.client = self.connect()
        # Everything a hostile service could say: the old question under the new one's name.
        self.ask({"n": 1})
        self.given[max(self.consent.requests)] = self.given["r0"]
        self.assertIn("another call", self.ask({"n": 1})["sentence"])
        self.assertEqual(len(self.fake.calls), 1)

    def test_without_the_service_nothing_hangs_and_nothing_passes(self):
        self.begin()
        self.consent.close()
        began = time.monotonic()
        refusal = self.ask({"n": 1})
        self.assertLess(time.monotonic() - began, 4)
        self.assertNotIn("url", refusal)
        self.assertIn("cannot be reached", refusal["sentence"])
        self.assertEqual(self.fake.calls, [])

    def test_the_official_client_opens_the_page(self):
        """Without sessions the SDK repeats the call by itself; in a session it is told by an error of its own."""
        self.make_people(1)
        wallet = self.wallet(self.receipt("read_report", {"name": {"constraint_type": "wildcard"}}))
        near = self.start(self.outbound(self.sdk_server(), {**self.trust, "wallet": wallet}), "outbound")

        def run(mode, *words):
            return self.sdk_client(f"http://127.0.0.1:{near.port}/mcp", mode, [["read_report", {"name": "q3"}]], *words)

        seen = run("2026-07-28", "pages")
        self.assertEqual(seen["pages"], [self.consent.page("r0")])
        self.assertEqual(seen["answers"][0].get("text"), "report q3", seen)

        error = run("legacy", "pages")["answers"][0]["error"]
        self.assertEqual(error["code"], -32042)
        self.assertEqual(error["data"]["elicitations"][0]["url"], error["data"]["url"])
        self.assertEqual(error["data"]["elicitations"][0]["elicitationId"], error["data"]["ticket"])
        for mode in ("legacy", "2026-07-28"):
            with self.subTest(mode):
                error = run(mode)["answers"][0]["error"]
                self.assertEqual((error["code"], error["data"]["code"]), (-32010, "approval_required"))


if __name__ == "__main__":
    main()
