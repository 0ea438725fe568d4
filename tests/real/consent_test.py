#!/usr/bin/env python3
"""The consent service under those who reach it and have no business there. People and their passkeys: tests/browser."""

import http.client
import socket

from support import World, main


class Consent(World):
    def setUp(self):
        super().setUp()
        self.port, _ = self.consent_service()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def status_of(self, path):
        client = http.client.HTTPConnection("localhost", self.port, timeout=5)
        try:
            client.request("GET", path)
            return client.getresponse().status
        finally:
            client.close()

    def test_who_holds_connections_open_shuts_nobody_out(self):
        held = [self.connect() for _ in range(300)]
        self.addCleanup(lambda: [each.close() for each in held])
        for _ in range(3):
            self.assertEqual(self.status_of("/register"), 200)
        for each in held[260:]:  # the oldest have made room
            each.sendall(f"GET /register HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n".encode())
            self.assertTrue(each.recv(100).startswith(b"HTTP/1.1 200 "))

    def test_a_connection_carries_one_request_at_a_time(self):
        """Else 256 of them could hold the bodies of thousands."""
        with self.connect() as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 505 "))


if __name__ == "__main__":
    main()
