#!/usr/bin/env python3
"""Identity from a real SPIRE: who gets an SVID and who does not, two trust domains, an agent that dies, an entry that
is deleted, SVIDs of 30 seconds under load, and peers that know only SPIFFE's own library, curl or openssl.

MANDATED_SPIRE_SECONDS: how long the load of the rotation test lasts (70).
"""

import hashlib
import json
import os
import subprocess
import threading
import time

from spire_support import PEER, SpireWorld, program_copy
from support import AGENT, BINARY, DOMAIN, TOOL, Client, code_of, free_port, main, wait_for_port

TOOLS = {"echo": {"n": {"constraint_type": "wildcard"}}}
SECONDS = float(os.environ.get("MANDATED_SPIRE_SECONDS") or 70)


class Entries(SpireWorld):
    """What SPIRE's unix attestor sees of our process decides."""

    def test_selectors(self):
        domain = self.domain()
        program = program_copy(BINARY, self.folder)
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        uid = os.getuid()

        refused = self.ask(program, domain, "check", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("PERMISSION_DENIED", refused.stdout)
        for selector in (f"unix:uid:{uid}", f"unix:path:{program}", f"unix:sha256:{digest}"):
            self.assertIn(f"selector      {selector}\n", refused.stdout)

        rows = [([f"unix:uid:{uid}"], True), ([f"unix:path:{program}"], True),
                ([f"unix:path:{program}", f"unix:sha256:{digest}"], True), ([f"unix:uid:{uid + 1}"], False),
                ([f"unix:path:{program}x"], False), ([f"unix:uid:{uid}", "unix:sha256:" + "0" * 64], False)]
        for number, (selectors, allowed) in enumerate(rows):
            with self.subTest(selectors=selectors):
                name = f"spiffe://{DOMAIN}/row/{number}"
                # A second entry, which always fits another program, says when the agent has heard of the first.
                entry = domain.entry(name, *selectors)
                told = domain.entry(f"{name}/told", f"unix:path:{PEER}")
                self.wait_for(lambda: self.shown(program, domain, name) or
                              (not allowed and self.known_to_peer(domain, f"{name}/told")))
                self.assertEqual(self.shown(program, domain, name), allowed)
                domain.delete(entry)
                domain.delete(told)
                self.wait_for(lambda: self.ask(program, domain, "show", check=False).returncode == 1)

    def test_a_changed_binary_gets_no_svid(self):
        domain = self.domain()
        program = program_copy(BINARY, self.folder)
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        domain.entry(TOOL, f"unix:path:{program}", f"unix:sha256:{digest}")
        self.wait_for(lambda: self.shown(program, domain, TOOL))
        sound = program.read_bytes()
        program.write_bytes(sound + b"\0")
        changed = self.ask(program, domain, "show", check=False)
        self.assertEqual((changed.returncode, changed.stdout), (1, ""))
        self.assertIn("PERMISSION_DENIED", changed.stderr)
        self.assertIn("registration entry", changed.stderr)
        config = self.folder / "changed.yaml"
        config.write_text(json.dumps({
            **self.inbound({"url": "http://127.0.0.1:9/mcp"}), "receipts": {},
            "routes": [{"name": "r", "upstream": "server", "mandate": "off", "allowed_peers": [AGENT]}],
            "identity": self.identity_of(domain, TOOL, startup_timeout="2s")}))
        run = subprocess.run([program, "run", "--config", config], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("process.not_started", run.stderr)
        program.write_bytes(sound)
        self.assertTrue(self.shown(program, domain, TOOL))

    def test_hints_and_everything_else_that_there_is(self):
        domain = self.domain()
        domain.entry(f"spiffe://{DOMAIN}/in", words=("-hint", "internal"))
        domain.entry(f"spiffe://{DOMAIN}/out", words=("-hint", "external"))
        for hint, path in (("internal", "in"), ("external", "out")):
            self.wait_for(lambda: f"identity      spiffe://{DOMAIN}/{path} " in
                          self.ask(BINARY, domain, "show", "--hint", hint, check=False).stdout)
        wrong = self.ask(BINARY, domain, "show", "--hint", "neither", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("it has: spiffe://", wrong.stderr)
        done = self.ask(BINARY, domain, "check", "--audience", "https://them.example")
        for line in ("X.509-SVID    ok: ", f"X.509 bundles ok: of {DOMAIN}\n", f"JWT bundles   ok: {DOMAIN}, 1 key\n",
                     "JWT-SVID      ok: "):
            self.assertIn(line, done.stdout)

    def test_watch_tells_each_svid(self):
        domain = self.domain()
        domain.entry(AGENT, ttl=4)
        self.wait_for(lambda: self.shown(BINARY, domain, AGENT))
        watch = subprocess.Popen([BINARY, "identity", "watch", "--endpoint", domain.endpoint], stdout=subprocess.PIPE,
                                 text=True)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        for _ in range(3):
            self.assertIn(AGENT, watch.stdout.readline())

    @staticmethod
    def shown(program, domain, name):
        return f"identity      {name}\n" in SpireWorld.ask(program, domain, "show", check=False).stdout

    @staticmethod
    def known_to_peer(domain, name):
        """Whether the agent knows that entry: the other program, whom it fits, gets as far as the network."""
        environment = {**os.environ, "SPIFFE_ENDPOINT_SOCKET": domain.endpoint}
        done = subprocess.run([PEER, "call", "https://127.0.0.1:9/", name], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, env=environment, timeout=60)
        return "connection refused" in done.stderr


class Pair(SpireWorld):
    """An agent's proxy and a tool's, each with an SVID from SPIRE."""

    def pair(self, domain, there=None, **entry):
        """Gives the id of the near side's entry. `there`: the far side's trust domain, if it is another."""
        federated = there is not None
        there = there or domain
        tool = TOOL.replace(DOMAIN, there.name)
        sides = [(domain, AGENT, there), (there, tool, domain)]
        entries = [here.entry(name, words=["-federatesWith", f"spiffe://{other.name}"] if federated else [], **entry)
                   for here, name, other in sides]
        receipts = self.issue(TOOLS)
        self.fake = self.server()
        self.far = self.start({**self.inbound({"url": self.fake.url}), "identity": self.identity_of(there, tool)},
                              name="inbound")
        upstream = {"url": f"https://127.0.0.1:{self.far.port}/mcp", "spiffe_ids": [tool], "receipts": "pass"}
        self.near = self.start({**self.outbound(upstream, {"wallet": self.wallet(receipts)}),
                                "identity": self.identity_of(domain, AGENT)}, name="outbound")
        return entries[0]

    def call(self, n=0):
        client = Client(self.near.port)
        try:
            return code_of(client.call(arguments={"n": n}))
        finally:
            client.close()

    def load(self, seconds, threads=4):
        """Calls all the time, by connections that stay and by new ones; gives (calls, what failed)."""
        end, failures, done = time.monotonic() + seconds, [], []

        def caller(keep):
            client = Client(self.near.port)
            while time.monotonic() < end:
                try:
                    answer = client.call(arguments={"n": len(done)})
                    done.append(1)
                    if code_of(answer) != "allowed":
                        failures.append((time.monotonic(), answer))
                except OSError as error:
                    failures.append((time.monotonic(), repr(error)))
                    client.close()
                    client = Client(self.near.port)
                if not keep:
                    client.close()
                    client = Client(self.near.port)
                time.sleep(0.005)
            client.close()

        workers = [threading.Thread(target=caller, args=(number % 2 == 0,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return len(done), failures

    def rotations(self):
        return [proxy.metric("mandated_svid_rotations_total") for proxy in (self.near, self.far)]


class Life(Pair):
    def test_no_call_fails_while_svids_of_30_s_rotate(self):
        self.pair(self.domain(), ttl=30)
        began = time.monotonic()
        calls, failures = self.load(SECONDS)
        rotations = self.rotations()
        print(f"\n{calls} calls in {time.monotonic() - began:.0f} s, {len(failures)} failed; rotations: outbound "
              f"{rotations[0]:.0f}, inbound {rotations[1]:.0f}")
        self.assertEqual(failures[:3], [])
        self.assertGreater(calls, 500)
        self.assertGreaterEqual(min(rotations), int(SECONDS / 25))
        self.assertEqual(len(self.fake.calls), calls)
        self.assert_verifies("inbound")
        self.assert_verifies("outbound")

    def test_the_agent_is_killed_and_restarted_under_load(self):
        domain = self.domain()
        self.pair(domain, ttl=30)
        before = self.rotations()
        seen = []

        def accident():
            time.sleep(2)
            domain.kill_agent()
            self.wait_for(lambda: self.near.metric("mandated_workload_api_connected") == 0)
            seen.append(self.near.status("/ready"))
            domain.start_agent()

        thread = threading.Thread(target=accident)
        thread.start()
        calls, failures = self.load(30)
        thread.join()
        self.assertEqual(failures[:3], [])
        self.assertGreater(calls, 200)
        self.assertEqual(seen, [200])  # it goes on with what it has
        self.wait_for(lambda: self.near.metric("mandated_workload_api_connected") == 1)
        self.assertGreater(min(after - b for after, b in zip(self.rotations(), before)), 0)

    def test_a_deleted_entry_stops_working_when_its_svid_ends(self):
        domain = self.domain()
        entry = self.pair(domain, ttl=8)
        self.assertEqual(self.call(), "allowed")
        domain.delete(entry)
        deadline = time.monotonic() + 25
        while self.near.status("/ready") == 200:
            self.assertLess(time.monotonic(), deadline, "it never expired")
            time.sleep(0.1)
        expires = self.near.metric("mandated_svid_expiry_seconds")
        self.assertLess(abs(time.time() - expires), 2.5)
        status, words = self.near.get("/ready")
        self.assertEqual((status, words), (503, "our SVID has expired and was not renewed\n"))
        calls = len(self.fake.calls)
        self.assertNotEqual(self.call(), "allowed")
        self.assertEqual(len(self.fake.calls), calls)
        self.assertEqual(self.far.status("/ready"), 200)  # whose entry stands
        # The entry is made anew: so is the identity, without a restart.
        domain.entry(AGENT, ttl=30)
        self.wait_for(lambda: self.near.status("/ready") == 200)
        self.assertEqual(self.call(), "allowed")


class Federation(Pair):
    def test_two_trust_domains_talk_and_only_as_long_as_they_believe_each_other(self):
        acme, tools = self.domain(), self.domain("tools.example")
        acme.believes(tools)
        tools.believes(acme)
        agent = self.pair(acme, tools)
        self.assertEqual(self.call(), "allowed")
        self.assertEqual(self.far.metric("mandated_peers_total", trust_domain=DOMAIN), 1)
        # An entry that does not federate: its bundle is taken back, and with it the trust.
        acme.command("entry", "update", "-entryID", agent, "-parentID", f"spiffe://{DOMAIN}/node", "-spiffeID", AGENT,
                     "-selector", f"unix:uid:{os.getuid()}")
        self.wait_for(lambda: self.call() != "allowed")
        calls = len(self.fake.calls)
        self.assertNotEqual(self.call(), "allowed")
        self.assertEqual(len(self.fake.calls), calls)


class OthersClients(SpireWorld):
    """Our listener and our upstreams against what is not ours."""

    def setUp(self):
        super().setUp()
        self.spire = self.domain()
        self.environment = {**os.environ, "SPIFFE_ENDPOINT_SOCKET": self.spire.endpoint}

    def inbound_proxy(self):
        self.spire.entry(TOOL, f"unix:path:{os.path.realpath(BINARY)}", words=("-dns", "localhost"))
        self.receipts = self.issue(TOOLS)
        self.fake = self.server()
        return self.start({**self.inbound({"url": self.fake.url}), "identity": self.identity_of(self.spire, TOOL)})

    def request(self):
        client = Client(0, receipts=self.receipts)
        body = json.dumps(client.message("tools/call", {"name": "echo", "arguments": {"n": 1}}))
        return body, client.headers("tools/call", "echo")

    def test_go_spiffe_calls_us(self):
        proxy = self.inbound_proxy()
        self.spire.entry(AGENT, f"unix:path:{PEER}")
        body, headers = self.request()
        words = [f"{name}={value}" for name, value in headers.items()]
        url = f"https://127.0.0.1:{proxy.port}/mcp"
        self.wait_for(lambda: "200 HTTP/2.0 " in self.peer_call(url, TOOL, words, body).stdout)
        self.assertEqual(self.fake.calls[-1]["arguments"], {"n": 1})
        # It would talk to nobody but the one it means.
        self.assertIn("unexpected ID", self.peer_call(url, AGENT, words, body).stderr)

    def peer_call(self, url, spiffe_id, words, body):
        return subprocess.run([PEER, "call", url, spiffe_id, *words], input=body, capture_output=True, text=True,
                              env=self.environment, timeout=60)

    def test_we_call_go_spiffe(self):
        self.spire.entry(AGENT, f"unix:path:{os.path.realpath(BINARY)}")
        self.spire.entry(TOOL, f"unix:path:{PEER}")
        port = free_port()
        with (self.folder / "peer.log").open("wb") as log:
            while True:
                peer = subprocess.Popen([PEER, "serve", f"127.0.0.1:{port}", AGENT], env=self.environment, stdout=log,
                                        stderr=log)
                self.addCleanup(peer.wait)
                self.addCleanup(peer.kill)
                if wait_for_port(port, peer):
                    break
        receipts = self.issue(TOOLS)
        wallet = {"wallet": self.wallet(receipts)}
        for version in ("1.1", "2"):
            upstream = {"url": f"https://127.0.0.1:{port}/mcp", "spiffe_ids": [TOOL], "http_version": version}
            proxy = self.start({**self.outbound(upstream, wallet), "identity": self.identity_of(self.spire, AGENT)},
                               name=f"outbound-{version}")
            client = Client(proxy.port)
            answer = client.call(arguments={"n": 2})
            client.close()
            self.assertEqual(proxy.terminate(), 0)
            self.assertEqual(code_of(answer), "allowed", answer)
            said = json.loads(answer["result"]["content"][0]["text"])
            self.assertEqual(said, {"caller": AGENT, "arguments": {"n": 2}})

    def test_curl_and_openssl_with_an_svid_on_disk(self):
        proxy = self.inbound_proxy()
        self.spire.entry(AGENT)
        svid = self.spire.svid(self.folder / "svid", AGENT)
        body, headers = self.request()
        words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        curl = ["curl", "-sS", "--cacert", svid / "bundle.pem", "-w", " %{http_code} %{http_version}", *words,
                "-d", body, f"https://localhost:{proxy.port}/mcp"]
        own = ["--cert", svid / "svid.pem", "--key", svid / "key.pem"]
        done = subprocess.run([*curl, *own], capture_output=True, text=True, timeout=30)
        self.assertTrue(done.stdout.endswith(" 200 2"), done)
        self.assertEqual(self.fake.calls[-1]["arguments"], {"n": 1})
        stranger = subprocess.run(curl, capture_output=True, text=True, timeout=30)
        self.assertNotEqual(stranger.returncode, 0, stranger)
        self.assertEqual(len(self.fake.calls), 1)
        seen = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-CAfile",
                               svid / "bundle.pem", "-verify_return_error", "-cert", svid / "svid.pem", "-key",
                               svid / "key.pem", "-tls1_3", "-brief"], input="", capture_output=True, text=True,
                              timeout=30)
        self.assertIn("Verification: OK", seen.stderr, seen)
        self.assertIn("TLSv1.3", seen.stderr)


if __name__ == "__main__":
    main()
