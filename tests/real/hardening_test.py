#!/usr/bin/env python3
"""The release binary as it ships: position-independent, read-only after relocation, stack-protected,
fortified, no executable stack, and no OpenSSL anywhere near it.
"""

import re
import subprocess
import unittest

from support import BINARY, mandated, main


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Hardening(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.header = output("readelf", "-hW", BINARY)
        cls.segments = output("readelf", "-lW", BINARY)
        cls.dynamic = output("readelf", "-dW", BINARY)
        cls.imports = output("readelf", "--dyn-syms", "-W", BINARY)
        cls.symbols = output("nm", "-C", "--defined-only", BINARY)

    def test_position_independent(self):
        self.assertRegex(self.header, r"Type:\s+DYN")
        self.assertRegex(self.dynamic, r"FLAGS_1\).*\bPIE\b")

    def test_relocations_are_read_only_and_bound_at_start(self):
        self.assertIn("GNU_RELRO", self.segments)
        self.assertRegex(self.dynamic, r"BIND_NOW|FLAGS_1\).*\bNOW\b")

    def test_stack_is_not_executable(self):
        flags = re.search(r"GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+(\S+)", self.segments).group(1)
        self.assertEqual(flags, "RW")

    def test_no_segment_is_writable_and_executable(self):
        loads = re.findall(r"LOAD\s+(?:0x\S+\s+){5}(.{3})", self.segments)
        self.assertGreater(len(loads), 1)
        self.assertEqual([flags for flags in loads if "W" in flags and "E" in flags], [])

    def test_stack_protector(self):
        self.assertIn("__stack_chk_fail", self.imports)

    def test_fortified(self):
        self.assertRegex(self.imports, r"\b__\w+_chk\b")

    def test_no_openssl_is_linked_even_transitively(self):
        libraries = output("ldd", BINARY)
        self.assertIn("libc.so", libraries)
        self.assertEqual(re.findall(r"lib(?:ssl|crypto|gnutls|nss3)\S*", libraries), [])

    def test_boringssl_goes_by_its_own_names(self):
        # BORINGSSL_PREFIX: no OpenSSL that another library drags in can clash with it.
        self.assertRegex(self.symbols, r"\bmandate_SSL_do_handshake\b")
        self.assertNotRegex(self.symbols, r"(?m)^\S+ [TtWw] (SSL_do_handshake|EVP_DigestSign|RSA_new|BN_new)$")

    def test_no_path_of_the_machine_that_built_it(self):
        strings = output("strings", "-n", "8", BINARY)
        source = BINARY.rsplit("/build/", 1)[0] + "/"
        self.assertEqual([line for line in strings.splitlines() if source in line][:5], [])

    def test_version_names_what_is_inside(self):
        text = mandated("--version").stdout
        for part in (r"mandated \d+\.\d+\.\d+", r"(?i)boringssl", r"(?i)nghttp2 \d+\.\d+", r"(?i)boost \d+\.\d+"):
            self.assertRegex(text, part)


if __name__ == "__main__":
    main()
