#!/usr/bin/env python3
"""Delegation between agents, by way of the local APIs of their proxies and the helper libraries: a person signs for
agent x, x hands a part of it to agent y, and both are held to exactly what they were given, through the proxy and past
it. The README's examples run as they stand.
"""

import importlib.metadata
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time

from agents import TypeScriptAgent, install_python, node, node_project
from consent_service import ConsentService
from support import AGENT, OTHER_AGENT, ROOT, TOOL, Client, World, code_of, mandated, main

install_python()
from mandated import NotSigned, Refused, Sidecar  # noqa: E402

NOBODY = 65534
ALICE = "mailto:alice@example.org"


def reports(*names):
    return {"read_report": {"name": {"constraint_type": "one_of", "values": list(names)}}}


class Delegation(World):
    def setUp(self):
        super().setUp()
        for name in ("alice", "x", "y"):
            self.keygen(name)
        self.signs = None  # what Alice does with each request
        self.alice = [{"file": str(self.folder / "alice.pub.jwk"), "user": ALICE}]

    @property
    def anchors(self):
        return self.alice

    def sign(self, request):
        """A root for what was asked, as the consent service's page makes one."""
        holder = self.folder / "asked.jwk"
        holder.write_text(json.dumps(request["holder_key"]))
        mandate = {**request.get("mandate", {}), **{name: request[name] for name in ("holder", "user", "intent")}}
        done = mandated("receipt", "issue", "--key", self.folder / "alice.jwk", "--issuer", "https://acme.example",
                        "--holder", holder, "--tools", json.dumps(request["tools"]), "--for",
                        f"{request['lifetime']}s", "--max-depth", request.get("depth", 0), "--mandate",
                        json.dumps(mandate))
        return json.loads(done.stdout)

    def begin_far_side(self):
        """A real MCP server behind a proxy that enforces receipts and counts."""
        rules = {"mode": "enforce", "proof": "required"}
        self.far = self.start(self.inbound(self.sdk_server(), rules, receipts=self.receipts()), "inbound")

    def receipts(self, **more):
        """The three proxies stand on one machine and share what they count."""
        return {"anchors": self.anchors, "ledger": str(self.folder / "ledger"), **more}

    def begin_agent(self, name, spiffe_id, group=None, consent=None, **local):
        """An agent's proxy; its socket stands in a folder of its own."""
        sockets = self.folder / f"sockets-{name}"
        sockets.mkdir()
        if group is not None:
            os.chown(sockets, -1, group)
            sockets.chmod(0o2755)
        if consent is None:
            service = ConsentService(lambda _, request: self.signs and self.signs(request))
            self.addCleanup(service.close)
            consent = service.origin
        proxy = self.start(self.outbound(
            self.far_side(self.far), self.receipts(wallet=self.wallet(holder=name), consent={"url": consent}),
            identity=self.identity(spiffe_id), audit={"file": str(self.folder / f"{name}.jsonl")},
            local_api={"socket": str(sockets / "local.sock"), **local}), name)
        proxy.socket = sockets / "local.sock"
        return proxy

    def caller(self, proxy):
        client = Client(proxy.port)
        self.addCleanup(client.close)
        return client

    def typescript_agent(self, proxy):
        agent = TypeScriptAgent(proxy.socket)
        self.addCleanup(agent.close)
        return agent

    def outcomes(self, client, *names):
        return [code_of(client.call("read_report", {"name": name})) for name in names]

    def test_the_whole_story_by_both_libraries(self):
        self.begin_far_side()
        x, y = self.begin_agent("x", AGENT), self.begin_agent("y", OTHER_AGENT)
        agent_x, agent_y = Sidecar(x.socket), self.typescript_agent(y)
        call_x, call_y = self.caller(x), self.caller(y)
        self.assertEqual(self.outcomes(call_x, "q1"), ["no_receipt"])

        # Agent x asks; Alice takes her time, and nobody's thread waits for her.
        asked = agent_x.ask(user=ALICE, tools=reports("q1", "q2", "q3"), lifetime=3600, depth=2,
                            intent="read the reports", mandate={"budget": {"calls": 6}})
        self.assertRegex(asked.url, r"^http://localhost:\d+/requests/r0/page$")
        with self.assertRaises(TimeoutError):
            asked.wait(timeout=0.5)
        threading.Timer(1.0, lambda: setattr(self, "signs", self.sign)).start()
        receipt = asked.wait(timeout=20)
        self.assertEqual(self.outcomes(call_x, "q1", "q4"), ["allowed", "argument_denied"], "the very next call")
        self.assertEqual((receipt.holder, receipt.depth_left), (AGENT, 2))
        self.assertEqual(receipt.mandate["intent"], "read the reports")
        self.assertEqual(receipt.id, agent_x.receipts()[0].id)
        self.assertEqual(agent_x.receipts()[0].left, {"calls": 5})

        # x makes a narrower one for y, who takes it and passes exactly what it grants.
        identity = agent_y.tell("identity")
        self.assertEqual(identity["holder"], OTHER_AGENT)
        made = agent_x.delegate(**identity, tools=reports("q2"), lifetime=600, task="the second quarter",
                                mandate={"budget": {"calls": 2}})
        self.assertEqual((made.receipt, len(made.chain), made.depth_left), (receipt.id, 2, 0))
        taken = agent_y.tell("take", chain=made.chain)
        self.assertEqual((taken["id"], taken["holder"]), (made.id, OTHER_AGENT))
        self.assertEqual(self.outcomes(call_y, "q2", "q1"), ["allowed", "argument_denied"])
        self.assertEqual(code_of(call_y.call("delete_report", {"name": "q2"})), "tool_not_granted")

        # Neither makes more of it than it has.
        more = {"tools": reports("q2", "q9"), "lifetime": 600}
        self.assert_refused("escalation", agent_x, identity, **more)
        self.assert_refused("lifetime", agent_x, identity, tools=reports("q2"), lifetime=7200)
        self.assert_refused("escalation", agent_x, identity, tools=reports("q2"), mandate={"budget": {"calls": 7}})
        back = agent_x.identity()
        refused = agent_y.tell("delegate", delegated={"holder": back.holder, "holder_key": back.holder_key,
                                                      "tools": reports("q2")})
        self.assertEqual(refused["refused"], "depth")

        # Both spend from the same root: four calls are left of six, and one of y's two.
        budget = agent_y.tell("receipts")[0]["budget"]["calls"]
        self.assertEqual([hop["spent"] for hop in budget["hops"]], [2, 1])
        self.assertEqual((budget["left"], agent_x.receipts()[0].left), (1, {"calls": 4}))
        self.assertEqual(self.outcomes(call_y, "q2", "q2"), ["allowed", "budget_spent"])
        self.assertEqual(self.outcomes(call_x, "q1", "q2", "q3", "q1"), ["allowed"] * 3 + ["budget_spent"])
        self.assertEqual(agent_x.receipts()[0].left, {"calls": 0})
        for name in ("x", "y", "inbound"):
            self.assert_verifies(name)
        methods = [(r["method"], r["verdict"]) for r in self.records("x") if r.get("protocol") == "local"]
        self.assertEqual(methods, [("POST /delegations", verdict) for verdict in ("permit", "deny", "deny", "deny")])

    def assert_refused(self, code, agent, identity, **more):
        with self.assertRaises(Refused) as caught:
            agent.delegate(**identity, **more)
        self.assertEqual(caught.exception.code, code)
        self.assertTrue(str(caught.exception).endswith("."))

    def test_an_agent_that_calls_an_enforcing_proxy_itself(self):
        self.begin_far_side()
        x = self.begin_agent("x", AGENT)
        self.signs = self.sign
        agent, typescript = Sidecar(x.socket), self.typescript_agent(x)
        agent.ask(user=ALICE, tools=reports("q1", "q2"), lifetime=3600, intent="read").wait(timeout=20)
        client = Client(self.far.port, self.tls(self.svid(AGENT)))
        self.addCleanup(client.close)

        attached = agent.attach("read_report", {"name": "q1"}, aud=TOOL)
        fields = {name.lower().replace("-", "_"): value for name, value in attached.headers.items()}
        answers = [code_of(client.call("read_report", {"name": name}, **fields)) for name in ("q2", "q1", "q1")]
        self.assertEqual(answers, ["bad_proof", "allowed", "replayed"], "for this call, once")

        attached = typescript.tell("attach", attached={"tool": "read_report", "args": {"name": "q2"}, "aud": TOOL})
        message = client.message("tools/call", {"name": "read_report", "arguments": {"name": "q2"}})
        message["params"]["_meta"].update(attached["meta"])
        _, text = client.post(json.dumps(message), client.headers("tools/call", "read_report"))
        self.assertEqual(code_of(json.loads(text)), "allowed")

        elsewhere = agent.attach("read_report", {"name": "q1"}, aud="https://elsewhere.example")
        fields = {name.lower().replace("-", "_"): value for name, value in elsewhere.headers.items()}
        self.assertEqual(code_of(client.call("read_report", {"name": "q1"}, **fields)), "wrong_audience")
        with self.assertRaises(Refused) as caught:
            agent.attach("read_report", {"name": "q3"}, aud=TOOL)
        self.assertEqual((caught.exception.code, caught.exception.argument), ("argument_denied", "name"))
        refused = typescript.tell("attach", attached={"tool": "read_report", "args": {"name": "q3"}, "aud": TOOL})
        self.assertEqual((refused["refused"], refused["argument"]), ("argument_denied", "name"))

    def test_people_may_say_no_and_a_drain_does_not_wait_for_them(self):
        self.begin_far_side()
        x = self.begin_agent("x", AGENT)
        agent, typescript = Sidecar(x.socket), self.typescript_agent(x)
        asked = {"user": ALICE, "tools": reports("q1"), "lifetime": 60, "intent": "read"}
        self.signs = lambda request: "refused"
        with self.assertRaises(NotSigned) as caught:
            agent.ask(**asked).wait()
        self.assertEqual(caught.exception.status, "refused")
        self.assertRegex(typescript.tell("ask", asked=asked)["url"], r"/requests/r1/page$")
        self.assertEqual(typescript.tell("wait"), {"not_signed": "refused"})
        with self.assertRaises(Refused) as caught:
            agent.ask(**{**asked, "user": "alice"})
        self.assertEqual((caught.exception.code, str(caught.exception)),
                         ("consent_declined", "This is no request for a receipt."))
        self.assertEqual(agent.receipts(), [])

        self.signs = None
        waiting = threading.Thread(target=lambda: self.ends(agent.ask(**asked)))
        waiting.start()
        time.sleep(0.5)
        began = time.monotonic()
        self.assertEqual(x.terminate(10), 0)
        self.assertLess(time.monotonic() - began, 6)
        waiting.join(5)
        self.assertFalse(x.socket.exists())

    @staticmethod
    def ends(request):
        try:
            request.wait(timeout=30)
        except OSError:
            pass

    # ---- with the real consent service ----------------------------------------------------------

    def person(self, *words):
        script = ROOT / "tests" / "real" / "agents" / "person.mjs"
        done = subprocess.run([node()[0], script, *words], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)

    def begin_consent_service(self):
        """The real one, on which Alice has registered a passkey; gives its origin and her anchor."""
        folder = self.folder / "consent"
        _, origin = self.consent_service()
        link = mandated("consent", "invite", "--folder", folder, "--user", ALICE, "--origin", origin).stdout
        self.person("register", re.search(r"\S+#\S+", link).group(), self.folder / "passkey.json")
        anchor, = (folder / "anchors").glob("*.json")
        return origin, {"file": str(anchor)}

    def test_a_person_signs_with_a_passkey(self):
        origin, anchor = self.begin_consent_service()
        self.alice = [anchor]
        self.begin_far_side()
        x = self.begin_agent("x", AGENT, consent=origin)
        agent, client = Sidecar(x.socket), self.caller(x)
        asked = {"user": ALICE, "tools": reports("q1"), "lifetime": 600, "intent": "read the first quarter"}
        request = agent.ask(**asked, mandate={"budget": {"calls": 1}})
        self.assertTrue(request.url.startswith(f"{origin}/requests/"), request.url)
        threading.Timer(1.0, self.person, ("sign", request.url, self.folder / "passkey.json")).start()
        receipt = request.wait(timeout=20)
        self.assertEqual((receipt.holder, receipt.mandate["user"]), (AGENT, ALICE))
        self.assertEqual(self.outcomes(client, "q2", "q1", "q1"), ["argument_denied", "allowed", "budget_spent"])

        refused = agent.ask(**asked)
        self.person("refuse", refused.url)
        with self.assertRaises(NotSigned):
            refused.wait(timeout=20)
        with self.assertRaises(Refused) as caught:
            agent.ask(**{**asked, "user": "mailto:mallory@example.org"})
        self.assertEqual(caught.exception.code, "consent_declined")
        self.assertEqual([one.id for one in agent.receipts()], [receipt.id])

    # ---- who may use it -------------------------------------------------------------------------

    def test_only_users_that_are_named_may_use_it(self):
        self.begin_far_side()
        own = os.geteuid()
        x = self.begin_agent("x", AGENT)
        self.assertEqual(stat.S_IMODE(x.socket.stat().st_mode), 0o600)
        self.assertEqual(Sidecar(x.socket).identity().holder, AGENT)
        y = self.begin_agent("y", OTHER_AGENT, allowed_uids=[own + 1])
        self.assertEqual(stat.S_IMODE(y.socket.stat().st_mode), 0o660)
        with self.assertRaises(Refused) as caught:  # not even the proxy's own user, nor root
            Sidecar(y.socket).receipts()
        self.assertEqual((caught.exception.code, caught.exception.status), ("peer_not_allowed", 403))

    def as_nobody(self, socket):
        """What another user of the machine gets: the identity, a refusal's code, or an error of the system."""
        script = ("import sys; from mandated import Refused, Sidecar\n"
                  "try: print(Sidecar(sys.argv[1]).identity().holder)\n"
                  "except Refused as refused: print(refused.code)\n"
                  "except OSError as error: print(type(error).__name__)\n")
        done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable,
                               "-c", script, socket], env={**os.environ, "PYTHONPATH": str(install_python())},
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_another_user_of_the_machine(self):
        if os.geteuid() != 0:
            print("This needs root to become another user; above, the own user was the one who is not named.")
            return
        self.begin_far_side()
        self.folder.chmod(0o711)
        x = self.begin_agent("x", AGENT)
        self.assertEqual(self.as_nobody(x.socket), "PermissionError")
        x.socket.chmod(0o666)  # whatever becomes of the file's mode
        self.assertEqual(self.as_nobody(x.socket), "peer_not_allowed")
        self.assertEqual(Sidecar(x.socket).identity().holder, AGENT)

        y = self.begin_agent("y", OTHER_AGENT, group=NOBODY, allowed_uids=[NOBODY])
        self.assertEqual((y.socket.stat().st_gid, stat.S_IMODE(y.socket.stat().st_mode)), (NOBODY, 0o660))
        self.assertEqual(self.as_nobody(y.socket), OTHER_AGENT)
        with self.assertRaises(Refused):
            Sidecar(y.socket).identity()


    # ---- what the README says -------------------------------------------------------------------

    def test_the_libraries_are_of_the_project_s_version(self):
        cmake = re.search(r"project\(mandated VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
        self.assertEqual(importlib.metadata.version("mandated"), cmake)
        package = json.loads((ROOT / "helpers" / "typescript" / "package.json").read_text())
        self.assertEqual(package["version"], cmake)

    def test_the_examples_of_the_readme(self):
        text = (ROOT / "README.md").read_text()
        self.begin_far_side()
        x = self.begin_agent("x", AGENT)
        self.signs = self.sign
        (self.folder / "other.json").write_text(json.dumps(
            {"holder": OTHER_AGENT, "holder_key": json.loads((self.folder / "y.pub.jwk").read_text())}))
        shown = {}
        for language, start in (("python", [sys.executable]), ("typescript", [node()[0]])):
            example, = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
            example = example.replace("/run/mandated/local.sock", str(x.socket))
            file = node_project() / f"{self.id()}.{language}.mjs"
            file.write_text(example)
            done = subprocess.run([*start, file], cwd=self.folder, capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "PYTHONPATH": str(install_python())})
            self.assertEqual(done.returncode, 0, done.stderr)
            shown[language] = done.stdout
        self.assertRegex(shown["python"], r"(?s)Please sign: http://.*/r0/page\n\{'Delegation-Receipt': .*Proof")
        self.assertRegex(shown["typescript"], r"(?s)seconds_left: 3\d\d\d,.*'Delegation-Proof':")
        chain = self.folder / "for-other.json"
        checked = mandated("receipt", "check", "--chain", chain, "--anchor", self.folder / "alice.pub.jwk", "--tool",
                           "read_file", "--args", json.dumps({"path": "/srv/reports/q3.txt"}), "--peer", OTHER_AGENT)
        self.assertIn("granted by 2 receipts", checked.stdout)


if __name__ == "__main__":
    main()
