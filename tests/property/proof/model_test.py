#!/usr/bin/env python3
"""The models of shrinking_proof.py say what the C++ does: for random constraints and arguments of each modelled type,
the model's verdicts on child, parent and rule, with everything in it set to that example, are the verifier's own.

Each type has an encoder: it draws an example as the verifier reads it and says what the model's variables are then. How
an argument is read (a path, a URL, an address, a command) is done here by Python's own libraries, not by ours.
"""

import ipaddress
import json
import os
import posixpath
import random
import re
import shlex
import subprocess
import unittest
import urllib.parse

import shrinking_proof as proof
from z3 import (BitVec, BitVecVal, Bool, BoolVal, Const, Function, Int, IntVal, K, Real, RealVal, Solver, Store,
                String, StringVal, is_false, is_true, sat, simplify, substitute, unsat)

ORACLE = os.environ["CONSTRAINT_ORACLE"]
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "120"))


def oracle(questions):
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    ran = subprocess.run([ORACLE], input=lines, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def constraint(kind, **members):
    return {"constraint_type": kind, **members}


class Example:
    """One question, and what the model's variables are in it; `free` are those that may be anything."""

    def __init__(self, question, pairs, facts=()):
        self.question, self.pairs, self.facts = question, pairs, list(facts)

    def verdict(self, formula):
        """Whether the formula holds with everything set; what is left open may be chosen."""
        ground = simplify(substitute(formula, *self.pairs))
        if not self.facts and (is_true(ground) or is_false(ground)):
            return is_true(ground)
        solver = Solver()
        solver.set("timeout", 60000)
        solver.add(*self.facts, ground)
        answer = solver.check()
        if answer not in (sat, unsat):
            raise AssertionError(f"no answer: {formula}")
        return answer == sat


class Values:
    """JSON values as distinct elements of the model's sort, and sets of them."""

    def __init__(self):
        self.known = {}

    def one(self, value):
        # Equal as RFC 8785 prints them: 1 and 1.0 are one value, true is another.
        key = json.dumps(value if isinstance(value, bool) or not isinstance(value, float) or not value.is_integer()
                         else int(value), sort_keys=True)
        return self.known.setdefault(key, Const(f"value_{len(self.known)}", proof.Value))

    def set(self, values, sort=None):
        made = K(proof.Value if sort is None else sort, BoolVal(False))
        for value in values:
            made = Store(made, self.one(value) if sort is None else StringVal(value), BoolVal(True))
        return made

    def distinct(self):
        known = list(self.known.values())
        return [known[a] != known[b] for a in range(len(known)) for b in range(a)]


def some(dice, pool, most):
    return [dice.choice(pool) for _ in range(dice.randrange(most + 1))]


POOL = [0, 1, 2.0, 2, "a", "b", "A", "", True, False, None]


def listed(kind, member, array):
    """`not_one_of`, `contains`, `subset`: two lists, and an argument that is a value or an array."""
    def draw(dice):
        values = Values()
        child, parent = some(dice, POOL, 3), some(dice, POOL, 3)
        if dice.random() < 0.6:
            child, parent = (child + parent, parent) if kind != "subset" else (child, child + parent)
        argument = some(dice, POOL, 3) if array and dice.random() < 0.8 else dice.choice(POOL)
        pairs = [(proof.listed("child"), values.set(child)), (proof.listed("parent"), values.set(parent))]
        if array:
            is_array = isinstance(argument, list)
            pairs += [(Bool("is_array"), BoolVal(is_array)),
                      (proof.listed("elements"), values.set(argument if is_array else []))]
        else:
            pairs.append((Const("argument", proof.Value), values.one(argument)))
        question = {"child": constraint(kind, **{member: child}), "parent": constraint(kind, **{member: parent}),
                    "argument": argument}
        return Example(question, pairs, values.distinct())
    return draw


def bounds(dice):
    made, pairs = constraint("range"), {}
    for end in ("min", "max"):
        given, value, inclusive = dice.random() < 0.8, dice.choice([0, 1, 2, 2.5, 3, 4]), dice.random() < 0.6
        if given:
            made[end] = value
            made[f"{end}_inclusive"] = inclusive
        pairs[end] = (given, value, inclusive)
    return made, pairs


def draw_range(dice):
    (child, child_ends), (parent, parent_ends) = bounds(dice), bounds(dice)
    argument = dice.choice([0, 1, 2, 2.0, 2.5, 3, 4, -1, "2", None, True, [2]])
    is_number = isinstance(argument, (int, float)) and not isinstance(argument, bool)
    pairs = [(Real("number"), RealVal(argument if is_number else 0)), (Bool("is_number"), BoolVal(is_number))]
    for side, ends in (("child", child_ends), ("parent", parent_ends)):
        for end, (given, value, inclusive) in ends.items():
            name = f"{side}_{end}"
            pairs += [(Bool(f"{name}_given"), BoolVal(given)), (Real(name), RealVal(value)),
                      (Bool(f"{name}_inclusive"), BoolVal(inclusive))]
    return Example({"child": child, "parent": parent, "argument": argument}, pairs)


def normal(path):
    return re.sub("^//", "/", posixpath.normpath(path))


ROOTS = ["/", "/a", "/a/b", "/ab", "/a/b/c", "/b"]
PATHS = ROOTS + ["/a/../b", "/a/./b/c", "//a//b", "/a/b/../../ab", "/a/", "/a/b/..", "/..", "/a/bc"]


def draw_path(dice):
    child, parent, path = dice.choice(ROOTS), dice.choice(ROOTS), dice.choice(PATHS)
    pairs = [(String("path"), StringVal(normal(path))), (String("child"), StringVal(child)),
             (String("parent"), StringVal(parent))]
    return Example({"child": constraint("path_containment", root=child),
                    "parent": constraint("path_containment", root=parent), "argument": path}, pairs)


PORTS = {"https": 443, "http": 80}
HOSTS = ["a.example.com", "b.a.example.com", "example.com", "aa.example.com", "a.example.org"]


def draw_url(dice):
    def side():
        made = constraint("url_containment", scheme=dice.choice(["https", "https", "http"]),
                          host=dice.choice(["a.example.com", "*.example.com", "*.a.example.com", "example.com"]))
        if dice.random() < 0.4:
            made["port"] = dice.choice([443, 8443])
        if dice.random() < 0.6:
            made["path"] = dice.choice(["/", "/v1", "/v1/x"])
        return made

    child = side()
    wider = dict(child, **dice.choice([{}, {"host": "*.example.com"}, {"path": "/"}]))
    parent = wider if dice.random() < 0.5 else side()
    port = dice.choice(["", "", ":443", ":8443"])
    url = (dice.choice(["https", "https", "http"]) + "://" + dice.choice(HOSTS) + port +
           dice.choice(["/", "/v1", "/v1/x", "/v1/x/y", "/v10", "/v1?q#f"]))
    read = urllib.parse.urlsplit(url)
    pairs = [(String("url_scheme"), StringVal(read.scheme)), (String("url_host"), StringVal(read.hostname)),
             (String("url_path"), StringVal(read.path)), (Int("port"), IntVal(read.port or PORTS[read.scheme]))]
    for name, made in (("child", child), ("parent", parent)):
        wild = made["host"].startswith("*.")
        pairs += [(String(f"{name}_scheme"), StringVal(made["scheme"])),
                  (String(f"{name}_host"), StringVal(made["host"].removeprefix("*."))),
                  (String(f"{name}_path"), StringVal(made.get("path", "/"))), (Bool(f"{name}_wildcard"), BoolVal(wild)),
                  (Int(f"{name}_port"), IntVal(made.get("port", PORTS[made["scheme"]])))]
    return Example({"child": child, "parent": parent, "argument": url}, pairs)


def draw_prefix(dice):
    texts = ["", "a", "ab", "abc", "b", "A", "a b", "caf\u00e9", "cafe", "caf"]
    child, parent, text = dice.choice(texts), dice.choice(texts), dice.choice(texts) + dice.choice(["", "c", "x"])
    pairs = [(String("text"), StringVal(text)), (String("child"), StringVal(child)),
             (String("parent"), StringVal(parent))]
    return Example({"child": constraint("string_prefix", prefix=child),
                    "parent": constraint("string_prefix", prefix=parent), "argument": text}, pairs)


NETS = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.128.0.0/9", "::/0", "2001:db8::/32",
        "2001:db8:1::/48", "a00::/8"]
ADDRESSES = ["10.0.0.0", "10.1.2.3", "10.1.255.255", "10.200.0.1", "11.0.0.0", "0.0.0.0", "255.255.255.255", "::",
             "2001:db8::1", "2001:db8:1::9", "2001:db9::", "a00::1"]


def draw_block(dice):
    def bits(address):
        whole = int(address) << (128 - address.max_prefixlen)  # IPv4 stands in the first 32 bits
        return BitVecVal(whole, 128), BoolVal(address.version == 6)

    child, parent, address = dice.choice(NETS), dice.choice(NETS), dice.choice(ADDRESSES)
    value, six = bits(ipaddress.ip_address(address))
    pairs = [(BitVec("address", 128), value), (Bool("six"), six)]
    for name, net in (("child", child), ("parent", parent)):
        network = ipaddress.ip_network(net)
        value, six = bits(network.network_address)
        pairs += [(BitVec(name, 128), value), (Bool(f"{name}_six"), six),
                  (BitVec(f"{name}_bits", 128), BitVecVal(network.prefixlen, 128))]
    return Example({"child": constraint("cidr", net=child), "parent": constraint("cidr", net=parent),
                    "argument": address}, pairs)


def draw_length(dice):
    child, parent = dice.randrange(6), dice.randrange(6)
    argument = dice.choice(
        ["", "abc", "caf\u00e9", "\U0001F600" * 4, [], [1, 2, 3], [[1, 2, 3, 4, 5]], 3, None, {"a": 1}])
    has_length = isinstance(argument, (str, list))
    pairs = [(Int("length"), IntVal(len(argument) if has_length else 0)), (Int("child"), IntVal(child)),
             (Int("parent"), IntVal(parent)), (Bool("has_length"), BoolVal(has_length))]
    return Example({"child": constraint("length", max=child), "parent": constraint("length", max=parent),
                    "argument": argument}, pairs)


def draw_glob(dice):
    """What matches what is open in the model, so that it is told: the verifier's own word for each pattern."""
    patterns = ["*", "**", "a*", "?", "a/*", ""]
    child, parent, text = dice.choice(patterns), dice.choice(patterns), dice.choice(["a", "b", "a/b", "", "ab"])
    question = {"child": constraint("glob", pattern=child), "parent": constraint("glob", pattern=parent),
                "argument": text}
    matches = Function("matches", proof.Text, proof.Text, proof.BoolSort())
    told = oracle([question])[0]
    facts = [matches(StringVal(child), StringVal(text)) == told["child"],
             matches(StringVal(parent), StringVal(text)) == told["parent"]]
    pairs = [(String("child"), StringVal(child)), (String("parent"), StringVal(parent)),
             (String("text"), StringVal(text))]
    return Example(question, pairs, facts)


PLAIN = re.compile(r"""(?:[A-Za-z0-9+,\-./:@_]|'[^'\x00-\x1f\x7f]*'|"[^"\x00-\x1f\x7f$`\\!]*"|[ \t])*""")


def draw_command(dice):
    def side():
        made = constraint("shell_command", programs=some(dice, ["ls", "git", "-l"], 3))
        if dice.random() < 0.7:
            made["flags"] = some(dice, ["-l", "-a", "--", "-"], 3)
        return made

    child, parent = side(), side()
    if dice.random() < 0.5:
        parent = constraint("shell_command", programs=child["programs"] + ["git"], **(
            {"flags": child["flags"] + ["-l"]} if "flags" in child and dice.random() < 0.6 else {}))
    words = [dice.choice(["ls", "git", "rm", "'ls'", "\"git\""])] + some(
        dice, ["x", "-l", "-a", "'-l'", "\"-\"a", "--", "a'b'", "$x", "a;b", "a\\ b", "'a b'", "!x"], 3)
    command = " ".join(words)
    plain = PLAIN.fullmatch(command) is not None
    read = shlex.split(command) if plain else ["?"]
    values = Values()
    used = [word for word in read[1:] if word.startswith("-")]
    pairs = [(Bool("plain"), BoolVal(plain)), (String("first"), StringVal(read[0])),
             (proof.listed("used", proof.Text), values.set(used, proof.Text))]
    for prefix, made in (("", child), ("parent_", parent)):
        pairs += [(proof.listed(f"{prefix}programs", proof.Text), values.set(made["programs"], proof.Text)),
                  (proof.listed(f"{prefix}flags", proof.Text), values.set(made.get("flags", []), proof.Text)),
                  (Bool(f"{prefix}has_flags"), BoolVal("flags" in made))]
    return Example({"child": child, "parent": parent, "argument": command}, pairs)


def leaf(dice):
    return dice.choice([constraint("range", min=dice.randrange(4), max=dice.randrange(6)),
                        constraint("exact", value=dice.randrange(5)),
                        constraint("one_of", values=some(dice, range(5), 3)), constraint("wildcard")])


def composite(kind):
    """Clauses are open in the model, so that it is told of each: what it accepts, and what it is within."""
    def draw(dice):
        parents = [leaf(dice) for _ in range(dice.randrange(4))]
        children = [leaf(dice) for _ in range(dice.randrange(5))]
        if dice.random() < 0.6:
            children = (parents + children)[:proof.CLAUSES]
            dice.shuffle(children)
        argument = dice.randrange(6)
        told = oracle([{"child": child, "parent": parent, "argument": argument}
                       for child in children for parent in parents + [constraint("wildcard")]])
        value = Const("argument", proof.Value)
        facts, pairs, at = [], [], 0
        for number in range(proof.CLAUSES):
            for side, clauses in (("child", children), ("parent", parents)):
                pairs.append((Bool(f"{side}_has_{number}"), BoolVal(number < len(clauses))))
        for c, _ in enumerate(children):
            for p, _ in enumerate(parents):
                facts += [Bool(f"within_{c}_{p}") == told[at]["within"],
                          Function(f"parent_{p}", proof.Value, proof.BoolSort())(value) == told[at]["parent"]]
                at += 1
            facts.append(Function(f"child_{c}", proof.Value, proof.BoolSort())(value) == told[at]["child"])
            at += 1
        if not children:
            for p, answer in enumerate(oracle([{"child": parent, "parent": parent, "argument": argument}
                                               for parent in parents])):
                facts.append(Function(f"parent_{p}", proof.Value, proof.BoolSort())(value) == answer["parent"])
        # What is not there is within nothing.
        facts += [Bool(f"within_{c}_{p}") == BoolVal(False) for c in range(proof.CLAUSES)
                  for p in range(proof.CLAUSES) if c >= len(children) or p >= len(parents)]
        return Example({"child": constraint(kind, constraints=children),
                        "parent": constraint(kind, constraints=parents), "argument": argument}, pairs, facts)
    return draw


ENCODERS = {
    ("range", "range", "inner_bounds"): draw_range,
    ("not_one_of", "not_one_of", "lists_more"): listed("not_one_of", "excluded", False),
    ("contains", "contains", "lists_more"): listed("contains", "required", True),
    ("subset", "subset", "lists_less"): listed("subset", "allowed", True),
    ("all", "all", "clauses_matched"): composite("all"),
    ("any", "any", "clauses_each_within_one"): composite("any"),
    ("path_containment", "path_containment", "path_below"): draw_path,
    ("url_containment", "url_containment", "url_parts_narrower"): draw_url,
    ("string_prefix", "string_prefix", "prefix_longer"): draw_prefix,
    ("cidr", "cidr", "block_inside"): draw_block,
    ("length", "length", "max_lower"): draw_length,
    ("glob", "glob", "pattern_same"): draw_glob,
    ("shell_command", "shell_command", "words_fewer"): draw_command,
}

# Parents of `exact` and `one_of`, which the model takes to be any predicate.
PARENTS = [constraint("exact", value="a"), constraint("one_of", values=["a", 1]), constraint("range", min=0, max=2),
           constraint("path_containment", root="/a"), constraint("string_prefix", prefix="a"),
           constraint("cidr", net="10.0.0.0/8"), constraint("length", max=2), constraint("glob", pattern="a*"),
           constraint("shell_command", programs=["a"]),
           constraint("url_containment", scheme="https", host="a.example.com")]
NEAR = ["a", "ab", "A", 1, 1.0, 2, 3, "/a", "/a/b", "10.1.2.3", "https://a.example.com/", "a x", None]


def draw_values(dice):
    parent, values = dice.choice(PARENTS), Values()
    mine = some(dice, NEAR, 3) or ["a"]
    exact = dice.random() < 0.4 and parent["constraint_type"] in ("exact", "one_of", "range", "string_prefix")
    child = constraint("exact", value=mine[0]) if exact else constraint("one_of", values=mine)
    mine = mine[:1] if exact else mine
    argument = dice.choice(NEAR + mine)
    told = oracle([{"child": child, "parent": parent, "argument": each} for each in mine + [argument]])
    passes = Function(f"passes_{parent['constraint_type']}", proof.Value, proof.BoolSort())
    facts = [passes(values.one(each)) == answer["parent"] for each, answer in zip(mine + [argument], told)]
    pairs = [(proof.listed("values"), values.set(mine)), (Const("argument", proof.Value), values.one(argument))]
    return Example({"child": child, "parent": parent, "argument": argument}, pairs, facts + values.distinct())


class Models(unittest.TestCase):
    def compare(self, dice, draw, model):
        seen = {"child": set(), "parent": set(), "within": set()}
        examples = [draw(dice) for _ in range(EXAMPLES)]
        for example, answer in zip(examples, oracle([each.question for each in examples]), strict=True):
            rule, child, parent = model(example.question)
            for name, formula in (("within", rule), ("child", child), ("parent", parent)):
                self.assertEqual(example.verdict(formula), answer[name], (name, example.question))
                seen[name].add(answer[name])
        for name, answers in seen.items():
            self.assertEqual(answers, {True, False}, f"the examples show one answer only for {name}")

    def test_each_model_is_compared(self):
        self.assertEqual(set(ENCODERS), set(proof.MODELS))

    def test_models_say_what_the_verifier_says(self):
        for at, (row, draw) in enumerate(ENCODERS.items()):
            with self.subTest(row=row):
                self.compare(random.Random(20260728 + at), draw, lambda _, row=row: proof.MODELS[row]())

    def test_values_that_pass(self):
        # one_of under exact is in no rule, so that the table refuses what the model would take.
        rows = {(row["child"], row["parent"]) for row in proof.Shrinking.rows if row["rule"] == "values_pass"}

        def draw(dice):
            while True:
                example = draw_values(dice)
                pair = (example.question["child"]["constraint_type"], example.question["parent"]["constraint_type"])
                if pair in rows:
                    return example

        self.compare(random.Random(7), draw, lambda question: proof.values_pass(question["parent"]["constraint_type"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
