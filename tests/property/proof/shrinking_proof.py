#!/usr/bin/env python3
"""Shows by machine that a child constraint never accepts what its parent refuses.

The rows come from the binary (`mandated receipt rules`): the table that the verifier itself asks. For each row an
SMT query looks for a child and a parent between which the row's rule holds, and an argument that passes the child and
fails the parent; there must be none. Each query is asked again without its rule, and must then find one, so that
no row is proven because its model is empty. `all` and `any` are shown for four clauses each, whatever these are: that
clauses within one another are sound is the hypothesis, which makes it a proof for any nesting.

What each type accepts and what each rule compares is modelled here; model_test.py compares the models with the C++, and
tests/property/receipt draws nested constraints.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("MANDATED_BINARY") or str(ROOT / "build" / "release" / "mandated")
CACHE = pathlib.Path(os.environ.get("MANDATED_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mandated")
PINNED = pathlib.Path(__file__).with_name("requirements.txt")
sys.path.insert(0, str(CACHE / f"z3-{hashlib.sha256(PINNED.read_bytes()).hexdigest()[:16]}"))

from z3 import (And, Array, BitVec, BitVecVal, Bool, BoolSort, Concat, Const, DeclareSort, ForAll, Function,  # noqa: E402
                Implies, Int, Length, Not, Or, PrefixOf, Real, Solver, String, StringSort, StringVal, SuffixOf, UGE,
                ULE, sat, unsat)

Value = DeclareSort("Value")  # any JSON value, equal as RFC 8785 prints it
Text = StringSort()
CLAUSES = 4


def subset(smaller, larger, sort):
    each = Const("each", sort)
    return ForAll([each], Implies(smaller[each], larger[each]))


def listed(name, sort=Value):
    """A set of values, as a map from each to whether it is in."""
    return Array(name, sort, BoolSort())


# Each model gives: the rule between child and parent, what the child accepts, what the parent accepts.


def values_pass(parent_type):
    """`exact` is a list of one. The parent is any predicate, so one proof serves every type of parent."""
    values, argument, each = listed("values"), Const("argument", Value), Const("each", Value)
    passes = Function(f"passes_{parent_type}", Value, BoolSort())
    return ForAll([each], Implies(values[each], passes(each))), values[argument], passes(argument)


def anything():
    accepted = Bool("accepted")
    return And(True), accepted, And(True)


class Bound:
    def __init__(self, name):
        self.given, self.value, self.inclusive = Bool(f"{name}_given"), Real(name), Bool(f"{name}_inclusive")


def inner_bounds():
    number, is_number = Real("number"), Bool("is_number")
    child = Bound("child_min"), Bound("child_max")
    parent = Bound("parent_min"), Bound("parent_max")

    def accepts(bounds):
        low, high = bounds
        above = Or(Not(low.given), number > low.value, And(low.inclusive, number == low.value))
        below = Or(Not(high.given), number < high.value, And(high.inclusive, number == high.value))
        return And(is_number, above, below)

    def tighter(mine, theirs, sign):
        no_wider = And(mine.given, sign * mine.value >= sign * theirs.value,
                       Or(mine.value != theirs.value, theirs.inclusive, Not(mine.inclusive)))
        return Or(Not(theirs.given), no_wider)

    rule = And(tighter(child[0], parent[0], 1), tighter(child[1], parent[1], -1))
    return rule, accepts(child), accepts(parent)


def more_excluded():
    child, parent, argument = listed("child"), listed("parent"), Const("argument", Value)
    return subset(parent, child, Value), Not(child[argument]), Not(parent[argument])


def more_required():
    child, parent, elements, is_array = listed("child"), listed("parent"), listed("elements"), Bool("is_array")
    return (subset(parent, child, Value), And(is_array, subset(child, elements, Value)),
            And(is_array, subset(parent, elements, Value)))


def lists_less():
    child, parent, elements, is_array = listed("child"), listed("parent"), listed("elements"), Bool("is_array")
    return (subset(child, parent, Value), And(is_array, subset(elements, child, Value)),
            And(is_array, subset(elements, parent, Value)))


def clauses():
    """Clauses of child and parent, each there or not, and whether one is within another."""
    value = Const("value", Value)
    child = [Function(f"child_{n}", Value, BoolSort()) for n in range(CLAUSES)]
    parent = [Function(f"parent_{n}", Value, BoolSort()) for n in range(CLAUSES)]
    child_has, parent_has = ([Bool(f"{side}_has_{n}") for n in range(CLAUSES)] for side in ("child", "parent"))
    within = [[Bool(f"within_{c}_{p}") for p in range(CLAUSES)] for c in range(CLAUSES)]
    sound = And([Implies(within[c][p], ForAll([value], Implies(child[c](value), parent[p](value))))
                 for c in range(CLAUSES) for p in range(CLAUSES)])
    return child, parent, child_has, parent_has, within, sound


def clauses_matched():
    child, parent, child_has, parent_has, within, sound = clauses()
    argument = Const("argument", Value)
    owner = [Int(f"owner_{p}") for p in range(CLAUSES)]  # each parent clause has a child clause of its own
    matched = And([Implies(parent_has[p], Or([And(owner[p] == c, child_has[c], within[c][p]) for c in range(CLAUSES)]))
                   for p in range(CLAUSES)])
    apart = And([Implies(And(parent_has[p], parent_has[q]), owner[p] != owner[q])
                 for p in range(CLAUSES) for q in range(p)])
    return (And(matched, apart), And(sound, *(Implies(child_has[n], child[n](argument)) for n in range(CLAUSES))),
            And([Implies(parent_has[n], parent[n](argument)) for n in range(CLAUSES)]))


def clauses_each_within_one():
    child, parent, child_has, parent_has, within, sound = clauses()
    argument = Const("argument", Value)
    rule = And(Or(child_has), *(Implies(child_has[c], Or([And(parent_has[p], within[c][p]) for p in range(CLAUSES)]))
                                for c in range(CLAUSES)))
    return (rule, And(sound, Or([And(child_has[n], child[n](argument)) for n in range(CLAUSES)])),
            Or([And(parent_has[n], parent[n](argument)) for n in range(CLAUSES)]))


def below(path, root):
    """Both normal: "/", or segments that each begin with a slash."""
    return Or(root == StringVal("/"), path == root, PrefixOf(Concat(root, StringVal("/")), path))


def path_below():
    path, child, parent = String("path"), String("child"), String("parent")
    normal = And([PrefixOf(StringVal("/"), each) for each in (path, child, parent)])
    return And(normal, below(child, parent)), And(normal, below(path, child)), below(path, parent)


def covers_host(name, wildcard, host):
    return Or(And(Not(wildcard), host == name), And(wildcard, SuffixOf(Concat(StringVal("."), name), host),
                                                    Length(host) > Length(name) + 1))


def url_parts_narrower():
    url = {part: String(f"url_{part}") for part in ("scheme", "host", "path")}
    child = {part: String(f"child_{part}") for part in url}
    parent = {part: String(f"parent_{part}") for part in url}
    port, child_port, parent_port = Int("port"), Int("child_port"), Int("parent_port")
    child_wild, parent_wild = Bool("child_wildcard"), Bool("parent_wildcard")
    normal = And([PrefixOf(StringVal("/"), each["path"]) for each in (url, child, parent)])

    def accepts(mine, wild, mine_port):
        return And(normal, url["scheme"] == mine["scheme"], covers_host(mine["host"], wild, url["host"]),
                   port == mine_port, below(url["path"], mine["path"]))

    same_name = And(child_wild, child["host"] == parent["host"])
    rule = And(normal, Or(Not(child_wild), parent_wild), child["scheme"] == parent["scheme"],
               Or(same_name, covers_host(parent["host"], parent_wild, child["host"])), child_port == parent_port,
               below(child["path"], parent["path"]))
    return rule, accepts(child, child_wild, child_port), accepts(parent, parent_wild, parent_port)


def prefix_longer():
    text, child, parent = String("text"), String("child"), String("parent")
    return PrefixOf(parent, child), PrefixOf(child, text), PrefixOf(parent, text)


def block_inside():
    """IPv4 blocks stand in the first 32 bits; the families never mix."""
    address, child, parent = BitVec("address", 128), BitVec("child", 128), BitVec("parent", 128)
    child_bits, parent_bits = BitVec("child_bits", 128), BitVec("parent_bits", 128)
    six, child_six, parent_six = Bool("six"), Bool("child_six"), Bool("parent_six")
    whole = BitVecVal(128, 128)

    def inside(what, net, bits):
        mask = BitVecVal(-1, 128) << (whole - bits)
        return (what & mask) == net

    bounded = And(ULE(child_bits, whole), ULE(parent_bits, whole))
    rule = And(bounded, child_six == parent_six, UGE(child_bits, parent_bits), inside(child, parent, parent_bits))
    return (rule, And(bounded, six == child_six, inside(address, child, child_bits)),
            And(six == parent_six, inside(address, parent, parent_bits)))


def max_lower():
    length, child, parent, has_length = Int("length"), Int("child"), Int("parent"), Bool("has_length")
    return child <= parent, And(has_length, length <= child), And(has_length, length <= parent)


def pattern_same():
    child, parent, text = String("child"), String("parent"), String("text")
    matches = Function("matches", Text, Text, BoolSort())
    return child == parent, matches(child, text), matches(parent, text)


def words_fewer():
    programs, parent_programs = listed("programs", Text), listed("parent_programs", Text)
    flags, parent_flags, used = listed("flags", Text), listed("parent_flags", Text), listed("used", Text)
    has_flags, parent_has_flags, plain = Bool("has_flags"), Bool("parent_has_flags"), Bool("plain")
    first = String("first")

    def accepts(mine, has, listed_flags):
        return And(plain, mine[first], Or(Not(has), subset(used, listed_flags, Text)))

    rule = And(subset(programs, parent_programs, Text),
               Or(Not(parent_has_flags), And(has_flags, subset(flags, parent_flags, Text))))
    return rule, accepts(programs, has_flags, flags), accepts(parent_programs, parent_has_flags, parent_flags)


MODELS = {
    ("range", "range", "inner_bounds"): inner_bounds,
    ("not_one_of", "not_one_of", "lists_more"): more_excluded,
    ("contains", "contains", "lists_more"): more_required,
    ("subset", "subset", "lists_less"): lists_less,
    ("all", "all", "clauses_matched"): clauses_matched,
    ("any", "any", "clauses_each_within_one"): clauses_each_within_one,
    ("path_containment", "path_containment", "path_below"): path_below,
    ("url_containment", "url_containment", "url_parts_narrower"): url_parts_narrower,
    ("string_prefix", "string_prefix", "prefix_longer"): prefix_longer,
    ("cidr", "cidr", "block_inside"): block_inside,
    ("length", "length", "max_lower"): max_lower,
    ("glob", "glob", "pattern_same"): pattern_same,
    ("shell_command", "shell_command", "words_fewer"): words_fewer,
}


def model_of(row):
    child, parent, rule = row["child"], row["parent"], row["rule"]
    if rule == "anything" and parent == "wildcard":
        return anything()
    if rule == "values_pass" and child in ("exact", "one_of"):
        return values_pass(parent)
    return MODELS[child, parent, rule]()


def ask(*claims):
    solver = Solver()
    solver.set("timeout", 60000)
    solver.add(*claims)
    return solver.check()


class Shrinking(unittest.TestCase):
    rows = [json.loads(line) for line in
            subprocess.run([BINARY, "receipt", "rules"], check=True, capture_output=True, text=True).stdout.splitlines()]

    def test_the_table_is_whole(self):
        pairs = [(row["child"], row["parent"]) for row in self.rows]
        self.assertEqual(len(pairs), len(set(pairs)))
        self.assertGreaterEqual(len(pairs), 47)
        rules = {(row["child"], row["parent"], row["rule"]) for row in self.rows}
        self.assertEqual(set(MODELS) - rules, set(), "a model of a rule that is not there")

    def test_no_argument_passes_a_child_and_fails_its_parent(self):
        for row in self.rows:
            with self.subTest(**row):
                rule, child, parent = model_of(row)
                self.assertEqual(ask(rule, child, Not(parent)), unsat)

    def test_each_rule_is_what_makes_it_so(self):
        for row in self.rows:
            if row["rule"] == "anything":
                continue
            with self.subTest(**row):
                rule, child, parent = model_of(row)
                self.assertEqual(ask(child, Not(parent)), sat, "without the rule there must be one")
                self.assertEqual(ask(rule, child, parent), sat, "the rule must hold for something")


if __name__ == "__main__":
    unittest.main(verbosity=2)
