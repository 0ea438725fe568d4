#!/usr/bin/env python3
"""The house's walls: fails on an include that points up or sideways, on a library's header outside
its room, and on the few calls that would let real time, real randomness or an unowned coroutine in.

The layering is the list of folders in the top CMakeLists.txt; README.md ("How it is built") explains
it.
"""

import os
import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]

# Low to high. A room may include itself and every room of a lower row, never one of its own row.
ROWS = [
    ["proxy/base", "proxy/json"],
    ["filters/receipt", "config"],
    ["filters/status"],
    ["proxy/net"],
    ["proxy/identity"],
    ["proxy/attest"],
    ["proxy/tls"],
    ["proxy/http"],
    ["proxy/fetch", "proxy/valkey", "proxy/wimse", "proxy/workload_api"],
    ["proxy/protocol"],
    ["proxy/route", "proxy/stdio", "proxy/audit", "proxy/admin", "proxy/consent"],
    ["proxy/upstream"],
    ["filters"],
    ["proxy/local"],
    ["proxy/server"],
    ["proxy/main"],
]
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}

# These stand by themselves: the whole list of what they may include.
ONLY = {
    "proxy/base": set(),
    "proxy/json": set(),
    "filters/receipt": {"proxy/json"},
    "filters/status": {"filters/receipt", "proxy/json"},
    "config": {"proxy/base", "proxy/json"},
}

# A third party's header and the places that may know it.
HOMES = {
    r"openssl/": ["proxy/tls/", "proxy/identity/", "proxy/attest/", "filters/receipt/", "proxy/base/random.cc",
                  "proxy/upstream/session_seal.cc", "proxy/audit/"],
    r"nghttp2/": ["proxy/http/"],
    r"(workloadapi\.pb\.h|google/protobuf/)": ["proxy/workload_api/"],
    r"sqlite3": ["filters/budget/"],
    r"hiredis/": ["proxy/valkey/"],
    r"cbor/": ["proxy/attest/"],
    r"yaml-cpp/": ["config/"],
    r"valijson/": ["config/"],
    r"prometheus/": ["proxy/admin/"],
    r"CLI/": ["proxy/main/"],
    r"simdjson": ["proxy/json/"],
    r"zlib": ["filters/status/"],
    r"boost/beast/": ["proxy/http/"],
    r"ada\.h": ["filters/receipt/url.cc"],
}

# What nothing outside proxy/base says, and why.
BANNED = {
    r"\b(steady_clock|system_clock|high_resolution_clock)::now\b|\bclock_gettime\s*\(|\bgettimeofday\s*\(":
        "asks the operating system for the time: use Clock, so that the simulator can move it",
    r"\brandom_device\b|\bstd::rand\b|\bsrand\s*\(|\bmt19937":
        "is randomness that the simulator cannot seed: use Rng",
    r"\bdetached\b":
        "is a coroutine that nobody waits for: spawn it through a Gate",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def without_comments(text):
    """C++ comments blanked out, lines kept; strings are left alone, being rare and harmless here."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.DOTALL)


def room_of(path):
    """The room a root-relative path belongs to: the longest listed folder above it, or None."""
    for parent in pathlib.PurePosixPath(path).parents:
        if str(parent) in RANK:
            return str(parent)
    return None


def room_complaint(room, target):
    if target == room or room is None:
        return None  # a room that is not listed is another test's complaint
    if room in ONLY:
        return None if target in ONLY[room] else f"{room} may include only {sorted(ONLY[room]) or 'itself'}"
    if RANK[target] < RANK[room]:
        return None
    return f"{target} is not below {room}"


def complaints_of(root, path):
    """Everything wrong with one source file, as `file:line: what`."""
    text = without_comments((root / path).read_text(encoding="utf-8"))
    room = room_of(path)

    def at(position, what):
        return f"{path}:{text.count(chr(10), 0, position) + 1}: {what}"

    for match in INCLUDE.finditer(text):
        quote, header = match.groups()
        if quote == '"':
            target = room_of(header)
            if target is None or not (root / header).exists():
                yield at(match.start(1), f'"{header}" is no root-based include of a room')
                continue
            complaint = room_complaint(room, target)
            if complaint:
                yield at(match.start(1), f'"{header}": {complaint}')
        for pattern, homes in HOMES.items():
            if re.match(pattern, header) and not any(path.startswith(home) for home in homes):
                yield at(match.start(1), f"<{header}> belongs to {', '.join(homes)}")
    if room == "proxy/base":
        return
    for pattern, why in BANNED.items():
        for match in re.finditer(pattern, text):
            yield at(match.start(), f"{match.group(0)!r} {why}")


def sources(root):
    for top in ("proxy", "filters", "config"):
        for folder, _, files in os.walk(root / top):
            for name in sorted(files):
                if name.endswith((".h", ".cc")):
                    yield (pathlib.Path(folder) / name).relative_to(root).as_posix()


class Layering(unittest.TestCase):
    def test_every_source_keeps_to_its_room(self):
        paths = list(sources(ROOT))
        self.assertGreater(len(paths), 20, "the sources were not found")
        found = [line for path in paths for line in complaints_of(ROOT, path)]
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_every_folder_with_sources_is_a_listed_room(self):
        strangers = sorted({path for path in sources(ROOT) if room_of(path) is None})
        self.assertEqual(strangers, [])

    def test_cmake_adds_the_rooms_in_this_order(self):
        cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        listed = re.search(r"foreach\(folder(.*?)\)", cmake, re.DOTALL).group(1).split()
        ranks = [RANK[room] for room in listed]
        self.assertEqual(sorted(listed), sorted(RANK))
        self.assertEqual(ranks, sorted(ranks), "a room is added before one that it may link")


class TheCheckItself(unittest.TestCase):
    """Each rule finds what it is there for."""

    def complaints(self, path, text, others=()):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in (path, *others):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text if name == path else "", encoding="utf-8")
            return list(complaints_of(root, path))

    def test_up(self):
        found = self.complaints("proxy/net/a.h", '#include "proxy/tls/tls.h"\n', ["proxy/tls/tls.h"])
        self.assertEqual(found, ['proxy/net/a.h:1: "proxy/tls/tls.h": proxy/tls is not below proxy/net'])

    def test_sideways(self):
        found = self.complaints("proxy/audit/a.cc", '\n#include "proxy/admin/b.h"\n', ["proxy/admin/b.h"])
        self.assertEqual(found, ['proxy/audit/a.cc:2: "proxy/admin/b.h": proxy/admin is not below proxy/audit'])

    def test_down_and_own_room_are_fine(self):
        text = '#include "proxy/server/b.h"\n#include "filters/filter.h"\n#include "proxy/base/clock.h"\n'
        others = ["proxy/server/b.h", "filters/filter.h", "proxy/base/clock.h"]
        self.assertEqual(self.complaints("proxy/server/a.cc", text, others), [])

    def test_the_engine_knows_json_only(self):
        found = self.complaints("filters/receipt/a.cc", '#include "proxy/base/clock.h"\n', ["proxy/base/clock.h"])
        self.assertEqual(len(found), 1)

    def test_a_filter_may_use_the_engine(self):
        found = self.complaints("filters/mandate/a.cc", '#include "filters/receipt/chain.h"\n',
                                ["filters/receipt/chain.h"])
        self.assertEqual(found, [])

    def test_relative_include(self):
        self.assertEqual(len(self.complaints("proxy/net/a.cc", '#include "stream.h"\n')), 1)

    def test_third_party_outside_its_room(self):
        self.assertEqual(len(self.complaints("proxy/http/a.cc", "#include <openssl/ssl.h>\n")), 1)
        self.assertEqual(self.complaints("proxy/tls/a.cc", "#include <openssl/ssl.h>\n"), [])

    def test_real_time_and_chance(self):
        text = "auto t = std::chrono::steady_clock::now();\nstd::random_device d;\n// system_clock::now\n"
        self.assertEqual(len(self.complaints("proxy/http/a.cc", text)), 2)
        self.assertEqual(self.complaints("proxy/base/clock.cc", text), [])

    def test_a_coroutine_nobody_waits_for(self):
        text = "boost::asio::co_spawn(e, f(), boost::asio::detached);\n"
        self.assertEqual(len(self.complaints("proxy/server/a.cc", text)), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
