#!/usr/bin/env python3
"""Where private keys are after a full run: in the files that the operator asked for, with mode 0600, and nowhere else. Not
in logs, audit trails, metrics or answers; of the texts that they were read from, nothing is left in memory either.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import ssl
import stat
import time

from support import AGENT, TOOL, Client, World, code_of, main

TOOLS = {"echo": {}}
READ_AT_ONCE = 1 << 20


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Secrets(World):
    def setUp(self):
        super().setUp()
        wallet = {"wallet": self.wallet(self.issue(TOOLS))}
        self.fake = self.server()
        short = {"svid_ttl": "4s"}
        self.inbound_proxy = self.start(self.inbound(
            {"url": self.fake.url}, identity=self.identity(TOOL, **short), log={"level": "debug"}), "inbound")
        self.outbound_proxy = self.start(self.outbound(
            self.far_side(self.inbound_proxy), wallet, identity=self.identity(AGENT, **short), log={"level": "debug"}),
            "outbound")
        self.answers = []

    def full_run(self):
        """Calls that are allowed and refused, over rotations, and handshakes that fail for each reason we can give."""
        client = Client(self.outbound_proxy.port)
        self.addCleanup(client.close)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            self.answers.append(client.call(arguments={"a": 1}))
            self.answers.append(client.call(tool="other"))
            time.sleep(0.2)
        self.assertIn("allowed", {code_of(answer) for answer in self.answers})
        self.assertGreater(len({code_of(answer) for answer in self.answers}), 1)
        agent = self.svid(AGENT)
        for context in (self.tls(None, agent / "bundle.pem"), self.tls(self.svid(AGENT, state=self.folder / "other"), agent / "bundle.pem")):
            stranger = Client(self.inbound_proxy.port, context, self.issue(TOOLS))
            with contextlib.suppress(ssl.SSLError, OSError):
                stranger.call()
            stranger.close()
        self.assertGreater(self.inbound_proxy.metric("mandated_svid_rotations_total"), 1)
        self.assertGreater(self.inbound_proxy.metric("mandated_handshake_failures_total", reason="no_certificate"), 0)
        self.assertGreater(self.inbound_proxy.metric("mandated_handshake_failures_total", reason="unknown_authority"), 0)
        return agent

    def secrets(self, *folders):
        """Every spelling of every private key on the disk, by the name of its file."""
        found = {}
        for path in self.folder.rglob("*"):
            if not path.is_file():
                continue
            text = path.read_bytes()
            for body in re.findall(rb"-----BEGIN PRIVATE KEY-----\n(.*?)-----END", text, re.DOTALL):
                der = base64.b64decode(body)
                scalar = der[der.index(b"\x02\x01\x01\x04\x20") + 5:][:32]
                found[path] = {body.split(b"\n")[0], body.replace(b"\n", b"")[:64], der[:64], scalar.hex().encode(),
                               base64.b64encode(scalar)[:42], base64url(scalar)}
            if path.suffix == ".jwk" and b'"d"' in text:
                secret = json.loads(text)["d"].encode()
                found[path] = {secret, base64.urlsafe_b64decode(secret + b"=").hex().encode()}
        self.assertGreaterEqual(len(found), 4)  # the authority's, an issued SVID's, the wallet's holder, the issuer's
        return found

    def assert_nowhere(self, secrets, what, data):
        for path, spellings in secrets.items():
            for spelling in spellings:
                self.assertNotIn(spelling, data, f"the key of {path.name} in {what}")

    def test_no_key_where_none_belongs(self):
        self.full_run()
        secrets = self.secrets()
        for path in secrets:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in secrets:
                data = path.read_bytes()
                self.assert_nowhere(secrets, path.name, data)
                self.assertNotIn(b"PRIVATE KEY", data, path)
        self.assert_nowhere(secrets, "answers", json.dumps(self.answers).encode())
        for proxy in (self.inbound_proxy, self.outbound_proxy):
            self.assertGreater(proxy.log.stat().st_size, 0)
            for page in ("/metrics", "/ready", "/live", "/nothing"):
                self.assert_nowhere(secrets, page, proxy.get(page)[1].encode())
        # An error that is about a key file names the file, not what is in it.
        config = self.outbound({"url": self.fake.url}, {"wallet": {"folder": str(self.folder), "holder_key": str(self.folder / "x.jwk")}},
                               audit={"file": str(self.folder / "refused.jsonl")})
        (self.folder / "x.jwk").chmod(0o644)
        with self.assertRaises(AssertionError) as refused:
            self.start(config, "refused")
        self.assertIn("0600", str(refused.exception))
        self.assert_nowhere(secrets, "an error", str(refused.exception).encode())

    def test_memory_that_held_a_key_is_wiped(self):
        self.full_run()
        secrets = self.secrets()
        control = {pathlib.Path("control"): {self.folder.name.encode()}}
        for proxy in (self.inbound_proxy, self.outbound_proxy):
            memory = self.memory(proxy.process.pid)
            with self.assertRaises(AssertionError):
                self.assert_nowhere(control, "memory", memory)  # the search finds what is there
            self.assert_nowhere(secrets, f"the memory of the {proxy.name} proxy", memory)

    def test_no_core_dump(self):
        for proxy in (self.inbound_proxy, self.outbound_proxy):
            limits = pathlib.Path(f"/proc/{proxy.process.pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size\s+1\s+1\s")

    @staticmethod
    def memory(pid):
        parts = []
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as source:
            for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
                place, rights, *_ = line.split()
                if not rights.startswith("rw"):
                    continue
                at, end = (int(part, 16) for part in place.split("-"))
                while at < end:
                    with contextlib.suppress(OSError):
                        parts.append(os.pread(source.fileno(), min(READ_AT_ONCE, end - at), at))
                    at += READ_AT_ONCE
        return b"".join(parts)


if __name__ == "__main__":
    main()
