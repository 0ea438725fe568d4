#!/usr/bin/env python3
"""mandated and OAAF's two implementations of the AAT draft, written by others, agree (interop/README.md)."""

import hashlib
import json
import unittest

from batch_test import FOLDER, verify

# What mandated refuses and they permit: the profile, or a stricter reading of the draft.
STRICTER = {
    "typ and other members of the header": [
        "token/typ-of-a-proof", "token/typ-unknown", "token/header-crit", "token/header-b64", "token/header-jwk",
        "token/header-jku", "token/header-x5u", "token/header-x5c", "proof/typ-of-a-receipt"],
    "JSON with two readings": [
        "token/header-twice-alg", "token/payload-twice-exp", "token/payload-number-not-a-double",
        "token/payload-with-bom", "token/payload-not-utf8"],
    "base64url with two readings": [
        "chain/token-padded", "chain/token-with-blank", "chain/signature-non-canonical"],
    "the profile's mandate": ["token/nbf-later", "token/mandate-member-unknown"],
    "the proof's form, audience and window": [
        "proof/not-canonical", "proof/for-elsewhere", "proof/for-nobody", "proof/audience-list", "proof/too-old",
        "proof/from-the-future"],
    "numbers by value: 0.0 is 0": ["constraint/not_one_of/refused-3"],
}
# What they refuse and mandated permits: their greatest depth is 8, and the one in Python takes 7.0 for another value
# than 7.
NARROWER = {f"honest/depth-{depth}" for depth in range(9, 17)} | {
    "constraint/one_of/accepted-2", "constraint/one_of/accepted-3"}


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def digest(vector):
    asked = {member: vector.get(member) for member in ("anchors", "chain", "tool", "args", "pop", "aud", "now")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class Interop(unittest.TestCase):
    def test_their_chains_here(self):
        path = FOLDER / "interop" / "made-by-oaaf.jsonl"
        vectors = read(path)
        permitted = sum(vector["expect"]["permit"] for vector in vectors)
        self.assertEqual((len(vectors), permitted), (175, 55))
        for vector, answer in zip(vectors, verify(path.read_text(encoding="utf-8").splitlines()), strict=True):
            with self.subTest(vector["id"]):
                self.assertEqual(answer["id"], vector["id"])
                self.assertEqual(answer["permit"], vector["expect"]["permit"], answer)

    def test_our_chains_there(self):
        ours = {vector["id"]: vector for vector in read(FOLDER / "receipts-ed25519.jsonl")}
        stricter = {each for group in STRICTER.values() for each in group}
        answers = read(FOLDER / "interop" / "answers-of-oaaf.jsonl")
        self.assertGreater(len(answers), 230)
        for theirs in answers:
            with self.subTest(theirs["id"]):
                vector = ours[theirs["id"]]
                self.assertEqual(digest(vector), theirs["question"], "they were asked something else: ask again")
                permit = vector["expect"]["permit"]
                for implementation in ("typescript", "python"):
                    if theirs[implementation] and not permit:
                        self.assertIn(theirs["id"], stricter)
                    if permit and not theirs[implementation]:
                        self.assertIn(theirs["id"], NARROWER)
        asked = {theirs["id"] for theirs in answers}
        self.assertEqual((stricter | NARROWER) - asked, set(), "an exception that is none")


if __name__ == "__main__":
    unittest.main(verbosity=2)
