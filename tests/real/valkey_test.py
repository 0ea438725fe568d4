#!/usr/bin/env python3
"""Two replicas of an inbound proxy that share their budgets and used proofs through a real server: together
they never let more through than a receipt grants, whatever is cut, killed or started again.
"""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

from list_server import make_certificate
from support import AGENT, DOMAIN, TOOL, Client, World, code_of, free_port, main

TOOLS = {"echo": {"a": {"constraint_type": "wildcard"}}}
VALKEY = f"spiffe://{DOMAIN}/valkey"


class Server:
    """redis-server, whose program Debian's redis-tools has under another name. What it is told is on the disk before it
    answers."""

    def __init__(self, folder, *words):
        self.socket = folder / "valkey.sock"
        self.words = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder), "--save", "",
                      "--appendonly", "yes", "--appendfsync", "always", "--logfile", str(folder / "valkey.log"),
                      *map(str, words)]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.words, executable="/usr/bin/redis-check-rdb", stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.ask("PING") == "+PONG":
                    return
            time.sleep(0.02)
        raise AssertionError("the server did not start")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        """The first line of the answer, or the second where the first says how long that is."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            connection.sendall(encoded(words))
            with connection.makefile("rb") as lines:
                line = lines.readline()
                return (lines.readline() if line.startswith(b"$") else line).decode().strip()


def encoded(words):
    parts = [f"*{len(words)}\r\n"]
    for word in words:
        parts.append(f"${len(word)}\r\n{word}\r\n")
    return "".join(parts).encode()


class LossyRelay:
    """Stands between a proxy and the server, and cuts the connection in place of passing on every other answer to a
    script, once the server has acted."""

    def __init__(self, target):
        self.target = target
        self.lost = 0
        self.scripts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.relay, args=(connection,), daemon=True).start()

    def relay(self, connection):
        with contextlib.suppress(OSError), connection, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self.target))
            while True:
                asked = connection.recv(65536)
                if not asked:
                    return
                server.sendall(asked)
                answer = server.recv(65536)
                if b"EVALSHA" in asked:
                    self.scripts += 1
                    if self.scripts % 2 == 0:
                        self.lost += 1
                        return
                connection.sendall(answer)

    def close(self):
        self.listener.close()


class TwoReplicas(World):
    def begin(self, mandate=None, shared=None, rule=None):
        self.receipts = self.issue(TOOLS, mandate=mandate)
        self.free = self.issue(TOOLS)
        self.fake = self.server()
        self.configs = {name: self.inbound({"url": self.fake.url}, rule, audit={"file": str(self.folder / f"{name}.jsonl")})
                        for name in ("one", "other")}
        for config in self.configs.values():
            config["receipts"]["valkey"] = shared or {"address": f"unix:{self.valkey.socket}"}
        self.proxies = [self.start(config, name) for name, config in self.configs.items()]
        self.secure = self.tls(self.svid(AGENT))

    def call(self, proxy, receipts=None, **headers):
        client = Client(proxy.port, self.secure, receipts or self.receipts)
        with contextlib.closing(client):
            return code_of(client.call(arguments={"a": 1}, **headers))

    def wait_for_server(self, proxy, **headers):
        """The first code that comes once the proxy has found the server."""
        deadline = time.monotonic() + 10
        while (code := self.call(proxy, **headers)) == "internal":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        return code

    def call_many(self, count):
        """`count` calls at once, through both replicas in turn."""
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda at: self.call(self.proxies[at % 2]), range(count)))


class Replicas(TwoReplicas):
    def setUp(self):
        super().setUp()
        self.valkey = Server(self.folder)
        self.addCleanup(self.valkey.kill)
        self.valkey.start()

    def test_calls_at_once_through_both_do_not_overspend(self):
        self.begin({"budget": {"calls": 7}})
        codes = self.call_many(40)
        self.assertEqual((codes.count("allowed"), codes.count("budget_spent")), (7, 33))
        self.assertEqual(len(self.fake.calls), 7)

    def test_a_sum_is_kept_by_both_together(self):
        self.begin({"budget": {"sum": {"echo.a": 3.5}}})
        codes = self.call_many(10)
        self.assertEqual((codes.count("allowed"), codes.count("budget_spent")), (3, 7))

    def test_lost_answers_let_nothing_more_through_and_charge_nothing_twice(self):
        relay = LossyRelay(self.valkey.socket)
        self.addCleanup(relay.close)
        self.begin({"budget": {"calls": 7}}, {"address": f"127.0.0.1:{relay.port}"})
        codes = self.call_many(40)
        self.assertGreater(relay.lost, 3)
        self.assertEqual(len(self.fake.calls), codes.count("allowed"))
        self.assertLessEqual(codes.count("allowed"), 7)
        self.assertGreater(codes.count("budget_spent"), 0)
        self.assertLessEqual(set(codes), {"allowed", "budget_spent", "internal"})
        amount = "return redis.call('GET', redis.call('KEYS', '{mandated}:b:*')[1])"
        self.assertEqual(self.valkey.ask("EVAL", amount, "0"), "7")

    def test_a_proof_is_used_once_by_both(self):
        self.begin(rule={"mode": "enforce", "proof": "required"})
        proof = self.proof()
        self.assertEqual(self.call(self.proxies[0], self.free, delegation_proof=proof), "allowed")
        self.assertEqual(self.call(self.proxies[1], self.free, delegation_proof=proof), "replayed")
        self.assertEqual(self.call(self.proxies[0], self.free, delegation_proof=proof), "replayed")
        # Neither a restart of the proxy forgets it, nor the server's.
        self.proxies[0].kill()
        proxy = self.start(self.configs["one"], "one")
        self.assertEqual(self.call(proxy, self.free, delegation_proof=proof), "replayed")
        self.valkey.kill()
        self.assertEqual(self.call(proxy, self.free, delegation_proof=proof), "internal")
        self.valkey.start()
        self.assertEqual(self.wait_for_server(proxy, receipts=self.free, delegation_proof=proof), "replayed")
        self.assertEqual(len(self.fake.calls), 1)

    def proof(self):
        """As the agent's own proxy signs it, for the call that call() makes."""
        proofs = []

        def take(handler, message):
            proofs.append(handler.headers["delegation-proof"])
            far.default(handler, message)

        far = self.server(take)
        self.call_through_agent({"url": far.url, "receipts": "pass"}, self.free)
        return proofs[0]

    def call_through_agent(self, upstream, receipts, shared=None, **more):
        """A call that the agent's own proxy lets out, under the receipts of its wallet."""
        agent = self.start(self.outbound(upstream, {"wallet": self.wallet(receipts), **(shared or {})},
                                         {"audiences": [TOOL]}, **more), "agent")
        client = Client(agent.port)
        with contextlib.closing(client):
            self.assertEqual(code_of(client.call(arguments={"a": 1})), "allowed")

    def test_the_agent_sees_what_all_replicas_spent(self):
        self.begin({"budget": {"calls": 5}})
        self.assertEqual([self.call(proxy) for proxy in self.proxies], ["allowed"] * 2)
        local = self.folder / "local.sock"
        self.call_through_agent({"url": self.fake.url}, self.receipts,
                                {"valkey": {"address": f"unix:{self.valkey.socket}"}}, local_api={"socket": str(local)})
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(local))
            connection.sendall(b"GET /receipts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            with connection.makefile() as answer:
                body = json.loads(answer.read().split("\n\n", 1)[1])
        self.assertEqual(body["receipts"][0]["budget"]["calls"]["left"], 2)

    def test_without_the_server_only_calls_that_need_it_are_refused(self):
        self.begin({"budget": {"calls": 2}})
        self.assertEqual(self.call(self.proxies[0]), "allowed")
        self.valkey.kill()
        for proxy in self.proxies:
            began = time.monotonic()
            self.assertEqual([self.call(proxy) for _ in range(3)], ["internal"] * 3)
            self.assertLess(time.monotonic() - began, 2)
            self.assertEqual(self.call(proxy, self.free), "allowed")
            self.assertEqual(proxy.status("/ready"), 200)
        self.valkey.start()
        self.assertEqual(self.wait_for_server(self.proxies[1]), "allowed")
        self.assertEqual([self.call(proxy) for proxy in self.proxies].count("allowed"), 0, "nothing was refilled")

    def test_a_server_that_hangs_is_given_up(self):
        self.begin({"budget": {"calls": 2}})
        self.valkey.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.valkey.process.send_signal, signal.SIGCONT)
        began = time.monotonic()
        self.assertEqual(self.call(self.proxies[0]), "internal")
        self.assertLess(time.monotonic() - began, 3)
        self.assertEqual(self.call(self.proxies[0], self.free), "allowed")

    def test_a_restart_of_the_proxies_refills_nothing(self):
        self.begin({"budget": {"calls": 3}})
        self.assertEqual([self.call(proxy) for proxy in self.proxies], ["allowed"] * 2)
        for proxy in self.proxies:
            proxy.kill()
        again = [self.start(config, name) for name, config in self.configs.items()]
        self.assertEqual([self.call(again[at]) for at in (0, 1, 0)], ["allowed", "budget_spent", "budget_spent"])
        self.assertEqual(again[0].terminate(), 0)

    def test_a_proxy_starts_without_the_server(self):
        self.valkey.kill()
        self.begin({"budget": {"calls": 1}})
        self.assertEqual(self.call(self.proxies[0]), "internal")
        self.valkey.start()
        self.assertEqual(self.wait_for_server(self.proxies[0]), "allowed")

    def test_a_server_that_may_evict_is_not_used(self):
        self.begin({"budget": {"calls": 9}})
        self.assertEqual(self.call(self.proxies[0]), "allowed")
        self.assertEqual(self.valkey.ask("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"), "+OK")
        self.valkey.ask("CLIENT", "KILL", "TYPE", "normal")
        self.assertEqual(self.call(self.proxies[0]), "internal")
        self.assertIn("allkeys-lru", self.proxies[0].log.read_text())


class Protected(TwoReplicas):
    """A server with a password, reached by mutual TLS."""

    def begin_tls(self, certificate, key, authorities, clients):
        self.port = free_port()
        self.valkey = Server(self.folder, "--tls-port", self.port, "--bind", "127.0.0.1", "--tls-cert-file", certificate,
                             "--tls-key-file", key, "--tls-ca-cert-file", authorities, "--tls-auth-clients", clients)
        self.addCleanup(self.valkey.kill)
        self.valkey.start()

    def begin_server(self, spiffe_id=VALKEY):
        svid = self.svid(spiffe_id)
        self.begin_tls(svid / "svid.pem", svid / "key.pem", svid / "bundle.pem", "yes")
        self.assertEqual(self.valkey.ask("CONFIG", "SET", "requirepass", "swordfish"), "+OK")

    def shared(self):
        secret = self.folder / "valkey.password"
        secret.touch(0o600)
        secret.write_text("swordfish\n")
        return {"address": f"127.0.0.1:{self.port}", "spiffe_ids": [VALKEY], "password_file": str(secret)}

    def test_mutual_tls_and_a_password(self):
        self.begin_server()
        self.begin({"budget": {"calls": 3}}, self.shared())
        self.assertEqual([self.call(self.proxies[at % 2]) for at in range(4)], ["allowed"] * 3 + ["budget_spent"])
        for proxy in self.proxies:
            self.assertNotIn("swordfish", proxy.log.read_text())

    def test_somebody_else_with_a_good_certificate_is_not_asked(self):
        self.begin_server(AGENT)
        self.begin({"budget": {"calls": 3}}, self.shared())
        self.assertEqual(self.call(self.proxies[0]), "internal")
        self.assertEqual(self.call(self.proxies[0], self.free), "allowed")
        self.assertIn("peer_identity", self.proxies[0].log.read_text())

    def begin_named_server(self, name):
        """One that anybody may reach who checks it by a certificate of the name."""
        authority = make_certificate(self.folder, name)
        self.begin_tls(self.folder / "server.pem", self.folder / "server.key", authority, "no")
        return {"address": f"localhost:{self.port}", "ca_file": str(authority)}

    def test_a_server_known_by_its_name(self):
        self.begin({"budget": {"calls": 3}}, self.begin_named_server("localhost"))
        self.assertEqual([self.call(self.proxies[at % 2]) for at in range(4)], ["allowed"] * 3 + ["budget_spent"])

    def test_a_server_of_another_name_is_not_asked(self):
        self.begin({"budget": {"calls": 3}}, self.begin_named_server("valkey.example"))
        self.assertEqual(self.call(self.proxies[0]), "internal")
        self.assertIn("peer_identity", self.proxies[0].log.read_text())

    def test_a_password_that_others_can_read_is_not_used(self):
        self.begin_server()
        shared = self.shared()
        os.chmod(shared["password_file"], 0o640)
        with self.assertRaisesRegex(AssertionError, "mode 0600"):
            self.begin({"budget": {"calls": 3}}, shared)


if __name__ == "__main__":
    main()
