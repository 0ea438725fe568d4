#!/usr/bin/env python3
"""Bad input from both sides: each gets a clear error, nothing crashes or hangs, nothing is let out
unrecorded, and the proxy serves the next call as if nothing had been.
"""

import json
import pathlib
import re
import socket
import ssl
import sys
import time

from support import AGENT, ROOT, Client, World, code_of, main

TOOLS = {"echo": {}, "die": {}, "babble": {}, "slow": {}}
STDIO_SERVER = [sys.executable, str(ROOT / "tests" / "real" / "stdio_server.py")]


class Hostile(World):
    behaviour = None

    def setUp(self):
        super().setUp()
        self.receipts = self.issue(TOOLS)
        self.fake = self.server(self.behaviour)
        self.proxy = self.start(self.inbound({"url": self.fake.url}))
        self.secure = self.tls(self.svid(AGENT))

    def client(self):
        client = Client(self.proxy.port, self.secure, self.receipts)
        self.addCleanup(client.close)
        return client

    def tearDown(self):
        """Whatever a test did: the proxy lives, serves, and its trail verifies with an outcome for every decision."""
        self.assertTrue(self.proxy.alive(), self.proxy.log.read_text()[-4000:])
        # The fake's misbehaviour is over when its test is.
        self.fake.calls.clear()
        records = self.wait_records(lambda found: self.unfinished(found) == set())
        self.assertTrue(records is not None)
        self.assert_verifies()
        super().tearDown()

    @staticmethod
    def unfinished(records):
        decided = {record["exchange"] for record in records if record["phase"] == "decision"}
        ended = {record["exchange"] for record in records if record["phase"] == "outcome"}
        return decided - ended

    def raw(self):
        """A TLS stream straight to the proxy."""
        plain = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=20)
        stream = self.secure.wrap_socket(plain)
        self.addCleanup(stream.close)
        return stream


class Requests(Hostile):
    def refused(self, body, status, headers=None):
        client = self.client()
        got, text = client.post(body, {**client.headers("tools/call", "echo"), **(headers or {})})
        self.assertEqual(got, status, text)
        self.assertEqual(self.fake.calls, [])
        self.assertEqual(code_of(self.client().call()), "allowed")
        return text

    def message(self, **members):
        return {**self.client().message("tools/call", {"name": "echo", "arguments": {}}), **members}

    def test_deep_json(self):
        deep = "[" * 100000 + "]" * 100000
        body = json.dumps(self.message()).replace('"arguments": {}', f'"arguments": {{"a": {deep}}}')
        self.refused(body, 400)

    def test_duplicate_members(self):
        body = json.dumps(self.message()).replace('"name": "echo"', '"name": "echo", "name": "shout"')
        self.refused(body, 400)

    def test_duplicate_member_behind_an_escape(self):
        body = json.dumps(self.message()).replace('"name": "echo"', '"name": "echo", "n\\u0061me": "shout"')
        self.refused(body, 400)

    def test_invalid_utf8(self):
        body = json.dumps(self.message()).encode().replace(b'"arguments": {}', b'"arguments": {"a": "\xc3\x28"}')
        self.refused(body, 400)

    def test_half_a_message(self):
        body = json.dumps(self.message())
        self.refused(body[:len(body) // 2], 400)

    def test_no_json_at_all(self):
        self.refused(b"\x00\xff\x00\xff", 400)

    def test_a_batch(self):
        self.refused(json.dumps([self.message(), self.message()]), 400)

    def test_name_header_says_another_tool(self):
        text = self.refused(json.dumps(self.message()), 400, {"mcp-name": "shout"})
        self.assertIn("Mcp-Name", text)

    def test_method_header_says_another_method(self):
        self.refused(json.dumps(self.message()), 400, {"mcp-method": "tools/list"})

    def test_compressed_body(self):
        self.refused(json.dumps(self.message()), 415, {"content-encoding": "gzip"})

    def test_receipts_that_disagree(self):
        message = self.message()
        message["params"]["_meta"]["io.mandated/receipt"] = ["a.b.c"]
        client = self.client()
        _, text = client.post(json.dumps(message), client.headers("tools/call", "echo"))
        self.assertEqual(code_of(json.loads(text)), "malformed")
        self.assertEqual(self.fake.calls, [])

    def test_length_and_chunks_at_once(self):
        # RFC 9112 section 6.3: the classic of request smuggling.
        stream = self.raw()
        stream.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assertIn(b" 400 ", stream.recv(4096))

    def test_two_lengths(self):
        stream = self.raw()
        stream.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\n12345")
        self.assertIn(b" 400 ", stream.recv(4096))

    def test_headers_without_end(self):
        stream = self.raw()
        stream.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\n")
        with self.assertRaises(OSError):
            for _ in range(100000):
                stream.sendall(b"x-filler: " + b"y" * 1000 + b"\r\n")
        self.assertEqual(code_of(self.client().call()), "allowed")

    def test_half_a_request(self):
        stream = self.raw()
        stream.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"js")
        try:
            stream.unwrap()  # a clean end of TLS; the proxy may have said 400 by then
        except ssl.SSLError:
            pass
        self.assertEqual(code_of(self.client().call()), "allowed")

    def test_truncated_tls(self):
        """Garbage, half a ClientHello, and a record cut in the middle of an established connection."""
        hello = ssl.MemoryBIO()
        half = self.secure.wrap_bio(ssl.MemoryBIO(), hello)
        try:
            half.do_handshake()
        except ssl.SSLWantReadError:
            pass
        for bytes_ in (b"\x16\x03\x01\x00\x05hello", hello.read()[:100], b"\x00" * 300):
            with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10) as plain:
                plain.sendall(bytes_)
        stream = self.raw()
        stream.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")
        with socket.socket(fileno=stream.detach()) as plain:
            plain.sendall(b"\x17\x03\x03\x40\x00" + b"z" * 100)  # announces 16 KiB, brings 100 bytes
        self.assertEqual(code_of(self.client().call()), "allowed")

    def test_a_gibibyte_where_4_mebibytes_is_the_limit(self):
        """Refused by its length before a byte of it is read; and, where no length is given, as soon as the limit is
        passed. Either way the sender cannot go on, and the proxy's memory does not grow with what is sent."""
        before = self.resident()
        for framing in (b"content-length: 1073741824\r\n", b"transfer-encoding: chunked\r\n"):
            stream = self.raw()
            stream.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                           b"accept: application/json, text/event-stream\r\n" + framing + b"\r\n")
            piece = b"x" * 65536
            framed = piece if b"length" in framing else b"10000\r\n" + piece + b"\r\n"
            sent = 0
            try:
                while sent < 1 << 30:
                    stream.sendall(framed)
                    sent += len(piece)
            except OSError:
                pass
            self.assertLess(sent, 64 << 20)
        self.assertLess(self.resident() - before, 32 << 20)
        self.assertEqual(self.fake.calls, [])
        self.assertEqual(code_of(self.client().call()), "allowed")

    def test_the_answer_to_a_body_too_large_is_413(self):
        client = self.client()
        body = json.dumps(client.message("tools/call", {"name": "echo", "arguments": {"a": "x" * (5 << 20)}}))
        try:
            status, _ = client.post(body, client.headers("tools/call", "echo"))
            self.assertEqual(status, 413)
        except (ConnectionError, ssl.SSLError):
            # The proxy may close before the client has sent all: then the client must read first.
            stream = self.raw()
            stream.sendall(b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                           b"accept: application/json, text/event-stream\r\ncontent-length: 5242880\r\n\r\n")
            self.assertIn(b" 413 ", stream.recv(4096))
        self.assertEqual(self.fake.calls, [])

    def resident(self):
        status = pathlib.Path(f"/proc/{self.proxy.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE).group(1)) * 1024


class Answers(Hostile):
    """The server behind the proxy misbehaves."""

    def behaviour(self, handler, message):
        kind = message["params"]["arguments"].get("kind")
        whole = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}).encode()
        if kind == "dies in the middle":
            handler.send_response(200)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(whole)))
            handler.end_headers()
            handler.wfile.write(whole[:10])
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif kind == "dies in an event":
            handler.send_response(200)
            handler.send_header("content-type", "text/event-stream")
            handler.send_header("transfer-encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"20\r\nevent: message\ndata: {\"jsonrpc\":\r\n")
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif kind == "no HTTP":
            handler.wfile.write(b"hello?\r\n\r\n")
            handler.close_connection = True
        elif kind == "closes":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        else:
            self.fake.default(handler, message)

    def outcome(self, kind):
        """Status (None: the connection was cut) and body of a call that the server spoils."""
        client = self.client()
        message = client.message("tools/call", {"name": "echo", "arguments": {"kind": kind}})
        try:
            return client.post(json.dumps(message), client.headers("tools/call", "echo"))
        except Exception as error:  # http.client has many names for it
            return None, repr(error)

    def assert_spoilt(self, kind):
        status, text = self.outcome(kind)
        self.assertNotIn('"result"', text)
        records = self.wait_records(lambda found: any(r.get("error") for r in found))
        error = next(r["error"] for r in records if r.get("error"))
        self.assertIn(error, ("end", "reset", "malformed", "protocol", "unavailable"), (status, text))
        self.assertEqual(code_of(self.client().call()), "allowed")
        return status, text

    def test_dies_in_the_middle_of_an_answer(self):
        self.assert_spoilt("dies in the middle")

    def test_dies_in_the_middle_of_an_event(self):
        self.assert_spoilt("dies in an event")

    def test_speaks_no_http(self):
        status, _ = self.assert_spoilt("no HTTP")
        self.assertEqual(status, 502)

    def test_closes_without_an_answer(self):
        status, _ = self.assert_spoilt("closes")
        self.assertEqual(status, 502)


class StdioServer(World):
    """The same from a server that is a command."""

    def setUp(self):
        super().setUp()
        self.receipts = self.issue(TOOLS)
        self.proxy = self.start(self.inbound({"command": STDIO_SERVER}))
        self.secure = self.tls(self.svid(AGENT))

    def call(self, tool, **arguments):
        client = Client(self.proxy.port, self.secure, self.receipts)
        self.addCleanup(client.close)
        return client.call(tool, arguments)

    def test_dies_in_the_middle_of_an_answer_and_is_started_again(self):
        first = json.loads(self.call("echo")["result"]["content"][0]["text"])["pid"]
        self.assertNotEqual(code_of(self.call("die")), "allowed")
        deadline = time.monotonic() + 10
        while True:
            answer = self.call("echo")
            if code_of(answer) == "allowed" or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        self.assertEqual(code_of(answer), "allowed", answer)
        self.assertNotEqual(json.loads(answer["result"]["content"][0]["text"])["pid"], first)
        self.assert_verifies()

    def test_a_line_that_is_no_json_is_dropped(self):
        self.assertEqual(code_of(self.call("babble")), "allowed")

    def test_no_process_outlives_the_proxy(self):
        pid = json.loads(self.call("echo")["result"]["content"][0]["text"])["pid"]
        self.assertEqual(self.proxy.terminate(), 0)
        deadline = time.monotonic() + 5
        while self.runs(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertFalse(self.runs(pid))

    @staticmethod
    def runs(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False


if __name__ == "__main__":
    main()
