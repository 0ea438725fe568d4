"""What the real tests share: the program under test as a process, an MCP server that behaves as each test
needs, and an MCP client with nothing in between. Sockets are real, on loopback, and everything ends with
the test.
"""

import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKERS = int(os.environ.get("MANDATED_WORKERS") or 1)
BINARY = os.environ.get("MANDATED_BINARY") or str(ROOT / "build" / "release" / "mandated")

CACHE = pathlib.Path(os.environ.get("MANDATED_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mandated")

PYTHON = ROOT / "tests" / "real" / "python"

DOMAIN = "acme.example"
AGENT = f"spiffe://{DOMAIN}/agent/x"
OTHER_AGENT = f"spiffe://{DOMAIN}/agent/y"
TOOL = f"spiffe://{DOMAIN}/tool/t"
STATELESS = "2026-07-28"


def key_of(path):
    """How tools/setup names what it made from a pinned list."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def python_packages():
    """Where tools/setup put the official Python SDK and what it needs."""
    return CACHE / f"mcp-{key_of(PYTHON / 'requirements.txt')}"


def python_environment():
    return {**os.environ, "PYTHONPATH": str(python_packages()), "PYTHONDONTWRITEBYTECODE": "1"}


def free_port():
    """Below those that the system gives to outgoing connections, which would take it before we listen."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for_port(port, process, seconds=20):
    """Whether somebody listens there, before the time is over or the process ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def mandated(*words, check=True, **options):
    """One command of the program under test."""
    return subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=30, check=check, **options)


class World(unittest.TestCase):
    """A temporary folder, and processes and servers that end with the test."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mandated-real-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = self.folder / "state"

    # ---- identity -------------------------------------------------------------------------------

    def svid(self, spiffe_id=AGENT, state=None, domain=DOMAIN, words=()):
        """A folder with svid.pem, key.pem and bundle.pem of a fresh SVID."""
        out = pathlib.Path(tempfile.mkdtemp(dir=self.folder, prefix="svid-"))
        mandated("trust", "issue", "--state", state or self.state, "--trust-domain", domain, "--spiffe-id", spiffe_id,
                 "--out", out, *words)
        return out

    def tls(self, svid=None, bundle=None):
        """A client context; `svid` None: without a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # SPIFFE IDs are no host names
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(bundle or (svid / "bundle.pem"))
        if svid:
            context.load_cert_chain(svid / "svid.pem", svid / "key.pem")
        return context

    # ---- receipts -------------------------------------------------------------------------------

    def keygen(self, name):
        done = mandated("receipt", "keygen", "--out", self.folder / f"{name}.jwk")
        (self.folder / f"{name}.pub.jwk").write_text(done.stdout)

    def issue(self, tools, holder=AGENT, mandate=None):
        """A root receipt for an hour, signed by the person that `anchors` names, bound to the key of agent x."""
        if not (self.folder / "maria.jwk").exists():
            self.keygen("maria")
            self.keygen("x")
        done = mandated("receipt", "issue", "--key", self.folder / "maria.jwk", "--issuer", "https://acme.example/maria",
                        "--holder", self.folder / "x.pub.jwk", "--tools", json.dumps(tools), "--holder-id", holder,
                        "--for", "1h", *(["--mandate", json.dumps(mandate)] if mandate else []))
        return json.loads(done.stdout)

    @property
    def anchors(self):
        return [{"file": str(self.folder / "maria.pub.jwk")}]

    # ---- proxies --------------------------------------------------------------------------------

    def identity(self, spiffe_id, **more):
        return {"embedded": {"state": str(self.state), "trust_domain": DOMAIN, "spiffe_id": spiffe_id, **more}}

    def inbound(self, upstream, mandate=None, **more):
        """A configuration: mTLS in, one route to `upstream`. Agents need no proof but their certificate."""
        return {
            "version": 1, "role": "inbound", "workers": WORKERS, "identity": self.identity(TOOL),
            "listeners": [{"name": "agents", "address": f"127.0.0.1:{free_port()}", "tls": "mtls"}],
            "routes": [{"name": "tool", "path": "/mcp", "upstream": "server",
                        "allowed_peers": [f"spiffe://{DOMAIN}/agent/**"],
                        "mandate": mandate or {"mode": "enforce", "proof": "mtls"}}],
            "upstreams": [{"name": "server", **upstream}],
            "receipts": {"anchors": self.anchors},
            "audit": {"file": str(self.folder / "inbound.jsonl"), "mode": "before"},
            **more,
        }

    def wallet(self, *chains, holder="x"):
        """The member `receipts.wallet`: a folder that holds these chains."""
        folder = self.folder / f"wallet-{holder}"
        folder.mkdir()
        for number, chain in enumerate(chains):
            (folder / f"{number}.json").write_text(json.dumps(chain))
        return {"folder": str(folder), "holder_key": str(self.folder / f"{holder}.jwk")}

    def outbound(self, upstream, receipts, mandate=None, **more):
        """A configuration: an agent's calls in plaintext, out to `upstream` under the wallet in `receipts`."""
        return {
            "version": 1, "role": "outbound", "workers": WORKERS, "identity": self.identity(AGENT),
            "listeners": [{"name": "agent", "address": f"127.0.0.1:{free_port()}", "tls": "none"}],
            "routes": [{"name": "far", "path": "/mcp", "upstream": "far", "mandate": {"mode": "attach", **(mandate or {})}}],
            "upstreams": [{"name": "far", **upstream}],
            "receipts": {"anchors": self.anchors, **receipts},
            "audit": {"file": str(self.folder / "outbound.jsonl")},
            **more,
        }

    @staticmethod
    def far_side(proxy):
        """An inbound proxy as the upstream of an outbound one."""
        return {"url": f"https://127.0.0.1:{proxy.port}/mcp", "spiffe_ids": [TOOL], "receipts": "pass"}

    def start(self, config, name="proxy", words=()):
        proxy = Proxy(self.folder, name, config, words)
        self.addCleanup(proxy.kill)
        proxy.wait_ready()
        return proxy

    def server(self, behaviour=None):
        fake = FakeServer(behaviour)
        self.addCleanup(fake.close)
        return fake

    def consent_service(self):
        """The real one, as a process: its port and its origin."""
        port = free_port()
        origin = f"http://localhost:{port}"
        service = subprocess.Popen([BINARY, "consent", "serve", "--folder", self.folder / "consent", "--address",
                                    f"127.0.0.1:{port}", "--origin", origin], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(service.wait)
        self.addCleanup(service.terminate)
        self.assertTrue(wait_for_port(port, service))
        return port, origin

    def sdk_server(self):
        """A server of the official Python SDK over HTTP, as an upstream: tools read_report and delete_report."""
        port = free_port()
        with (self.folder / "server.log").open("wb") as log:
            server = subprocess.Popen([sys.executable, PYTHON / "sdk_server.py", str(port)], env=python_environment(),
                                      stdout=log, stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.assertTrue(wait_for_port(port, server), (self.folder / "server.log").read_text())
        return {"url": f"http://127.0.0.1:{port}/mcp"}

    def sdk_client(self, url, mode, calls, *words):
        """What a client of the official Python SDK got for these calls; see python/sdk_client.py."""
        done = subprocess.run([sys.executable, PYTHON / "sdk_client.py", url, mode, *words], input=json.dumps(calls),
                              env=python_environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        return json.loads(done.stdout)

    # ---- what was recorded ----------------------------------------------------------------------

    def records(self, name="inbound"):
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_records(self, condition, name="inbound", seconds=5):
        """The records, once `condition` holds of them."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.records(name)
            if condition(found):
                return found
            if time.monotonic() > deadline:
                self.fail(f"the audit trail never came to that: {json.dumps(found, indent=1)}")
            time.sleep(0.02)

    def assert_verifies(self, name="inbound"):
        done = mandated("audit", "verify", self.folder / f"{name}.jsonl", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Proxy:
    def __init__(self, folder, name, config, words=()):
        self.name = name
        self.admin = free_port()
        self.port = int(config["listeners"][0]["address"].rsplit(":", 1)[1])
        self.log = folder / f"{name}.log"
        file = folder / f"{name}.yaml"
        file.write_text(json.dumps({**config, "admin": {"address": f"127.0.0.1:{self.admin}"}}))  # YAML takes JSON
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([BINARY, "run", "--config", str(file), *words], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def status(self, path):
        """None when nobody answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get(path)[0]
        return None

    def wait_ready(self, seconds=10):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.status("/ready") == 200:
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.name} did not become ready:\n{self.log.read_text()[-4000:]}")

    def metric(self, name, **labels):
        """The value of one series; 0 when it is not there."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith((name + "{", name + " ")) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def terminate(self, seconds=15):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def read(self):
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def answer(self, status, body, content_type="application/json", **headers):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, status, value, **headers):
        self.answer(status, json.dumps(value).encode(), **headers)


class Loopback:
    """An HTTP server on a port of loopback."""

    def __init__(self, handler, port=0):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class FakeServer(Loopback):
    """An MCP server over plain HTTP on loopback that answers as `behaviour(handler, message)` does, and keeps
    every tool call it saw. By default a tool answers with its own arguments."""

    def __init__(self, behaviour=None, port=0):
        self.calls = []
        owner = self

        class Handler(Answering):
            def do_GET(self):
                self.answer(405, b"{}")

            do_DELETE = do_GET

            def do_POST(self):
                message = self.read()
                if message.get("method") == "tools/call":
                    owner.calls.append(message["params"])
                    if behaviour:
                        behaviour(self, message)
                        return
                owner.default(self, message)

            def result(self, message, result, **headers):
                self.json(200, {"jsonrpc": "2.0", "id": message["id"], "result": result}, **headers)

        super().__init__(Handler, port)
        self.url = f"http://127.0.0.1:{self.port}/mcp"

    @staticmethod
    def default(handler, message):
        method = message.get("method", "")
        if "id" not in message:
            handler.answer(202, b"")
        elif method == "initialize":
            handler.result(message, {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                                     "serverInfo": {"name": "fake", "version": "1"}}, mcp_session_id="upstream-session-1")
        elif method == "tools/list":
            names = ["echo", "shout"]
            handler.result(message, {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]})
        else:
            text = json.dumps(message.get("params", {}).get("arguments"))
            handler.result(message, {"content": [{"type": "text", "text": text}]})


class Client:
    """MCP over one keep-alive connection."""

    def __init__(self, port, tls=None, receipts=None, timeout=15):
        if tls:
            self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=timeout)
        else:
            self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.receipts = receipts
        self.id = 0

    def headers(self, method, name=None, **more):
        fields = {"content-type": "application/json", "accept": "application/json, text/event-stream",
                  "mcp-protocol-version": STATELESS, "mcp-method": method}
        if name is not None:
            fields["mcp-name"] = name
        if self.receipts:
            fields["delegation-receipt"] = ", ".join(self.receipts)
        fields.update({key.replace("_", "-"): value for key, value in more.items()})
        return fields

    def message(self, method, params):
        self.id += 1
        meta = {"io.modelcontextprotocol/protocolVersion": STATELESS, "io.modelcontextprotocol/clientCapabilities": {}}
        return {"jsonrpc": "2.0", "id": self.id, "method": method, "params": {**params, "_meta": meta}}

    def post(self, body, headers):
        """(status, text) of one POST of these bytes."""
        self.connection.request("POST", "/mcp", body=body, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")

    def call(self, tool="echo", arguments=None, **headers):
        """The JSON-RPC answer to one stateless tools/call."""
        message = self.message("tools/call", {"name": tool, "arguments": arguments or {}})
        _, text = self.post(json.dumps(message), self.headers("tools/call", tool, **headers))
        return json.loads(text)

    def close(self):
        self.connection.close()


def code_of(answer):
    """"allowed", or the stable code of a refusal."""
    if "error" not in answer:
        return "allowed"
    data = answer["error"].get("data")
    return data["code"] if isinstance(data, dict) and "code" in data else f"error {answer['error']['code']}"


def main():
    sys.stdout.reconfigure(line_buffering=True)
    unittest.main(verbosity=2)
