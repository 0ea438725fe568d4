#!/usr/bin/env python3
"""`mandated receipt verify --batch` answers every vector as it is written down, and the Ed25519 file is what
make_vectors writes (UPDATE_GOLDEN=1 writes it)."""

import json
import os
import pathlib
import subprocess
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent
BINARY = os.environ["MANDATED_BINARY"]
MAKE_VECTORS = os.environ["MAKE_VECTORS"]


def verify(lines):
    """What the binary answers to these lines."""
    ran = subprocess.run([BINARY, "receipt", "verify", "--batch"], input="\n".join(lines) + "\n", check=True,
                         capture_output=True, text=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


class Batch(unittest.TestCase):
    def test_every_vector_gets_its_answer(self):
        for name, least in (("receipts-ed25519.jsonl", 400), ("receipts-p256.jsonl", 25)):
            lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
            answers = verify(lines)
            self.assertGreater(len(lines), least)
            self.assertEqual(len(answers), len(lines))
            for line, answer in zip(lines, answers):
                vector = json.loads(line)
                with self.subTest(vector["id"]):
                    self.assertEqual(answer, {"id": vector["id"], **vector["expect"]})

    def test_the_ed25519_file_is_what_is_made(self):
        made = subprocess.run([MAKE_VECTORS, "ed25519"], check=True, capture_output=True, text=True).stdout
        file = FOLDER / "receipts-ed25519.jsonl"
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(made, encoding="utf-8")
        self.assertEqual(file.read_text(encoding="utf-8"), made)


if __name__ == "__main__":
    unittest.main(verbosity=2)
