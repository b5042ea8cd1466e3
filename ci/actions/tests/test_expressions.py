"""Expressions: a table of what GitHub documents, and that a value is never taken for one."""

import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conditions import holds  # noqa: E402
from expressions import Scope, evaluate, interpolate, resolve  # noqa: E402
from values import CaseSensitive, Documented, EvaluationError, ExpressionError  # noqa: E402

EVENT = {"number": 7, "title": "${{ secrets.KEY }}", "labels": [{"name": "gpu"}, {"name": "Bug"}],
         "fork": True, "nothing": None, "list": [1, "two"]}
SCOPE = Scope({"github": Documented("github", {"event": EVENT, "ref": "refs/heads/Main"}),
               "env": CaseSensitive({"Name": "x"}), "steps": {"a": {"outputs": {"n": "5"}}}},
              {"success": lambda: True, "failure": lambda: False, "always": lambda: True,
               "cancelled": lambda: False})

VALUES = [
    # Literals
    ("true", True), ("null", None), ("1", 1.0), ("0o17", 15.0), ("0xff", 255.0), ("1.5e2", 150.0),
    ("'it''s'", "it's"), ("''", ""),
    # Comparison, with its coercions
    ("'a' == 'A'", True), ("'1' == 1", True), ("null == 0", True), ("null == ''", True),
    ("true == 1", True), ("true == 'true'", False), ("'x' == 0", False), ("'' == 0", True),
    ("1 < 2", True), ("'b' > 'A'", True), ("'abc' < 1", False), ("NaN == NaN", False),
    ("'10' >= 9", True), ("github.event.list == github.event.list", True),
    ("github.event.list == 'Array'", False), ("1 != '1'", False),
    # Logic gives the value, not a boolean
    ("'a' && 'b'", "b"), ("'' || 'b'", "b"), ("0 && 'b'", 0.0), ("!''", True), ("!'a'", False),
    ("1 == 1 && 2 == 3 || 'else'", "else"), ("!(1 == 2)", True), ("false || null", None),
    # Indexing
    ("github.event.number", 7), ("github['event']['number']", 7), ("GITHUB.Event.NUMBER", 7),
    ("github.event.labels[1].name", "Bug"), ("github.event.labels[9].name", None),
    ("github.event.absent.deeper", None), ("github.event.labels.*.name", ["gpu", "Bug"]),
    ("github.event.labels[*].name", ["gpu", "Bug"]), ("env.Name", "x"), ("env.NAME", None),
    ("steps.a.outputs.n == 5", True), ("steps.none.outputs.n", None),
    # Functions
    ("contains('Hello', 'ELL')", True), ("contains(github.event.labels.*.name, 'bug')", True),
    ("contains(github.event.list, '1')", True), ("contains(github.event, 'x')", False),
    ("startsWith(github.ref, 'refs/heads/')", True), ("endsWith(github.ref, 'main')", True),
    ("format('{0}-{1}-{{{0}}}', 'a', 2)", "a-2-{a}"), ("format('{0}', '{1}')", "{1}"),
    ("join(github.event.list)", "1,two"), ("join(github.event.list, '; ')", "1; two"),
    ("join('a')", "a"), ("toJSON(github.event.list)", '[\n  1,\n  "two"\n]'),
    ("fromJSON('{\"a\": [true, 1.5]}').a[1]", 1.5), ("fromjson('3')", 3),
    ("case(1 == 2, 'a', true, 'b', 'c')", "b"),
]
TEXTS = [
    ("plain", "plain"), ("${{ 1 }}${{ 2 }}", "12"), ("a ${{ '}}' }} b", "a }} b"),
    ("${{ github.event.fork }}", "true"), ("${{ github.event.nothing }}", ""),
    ("${{ github.event }}", "Object"), ("${{ github.event.list }}", "Array"),
    ("${{ 1e21 }}", "1E+21"),
    ("${{ 0.1 }}", "0.1"), ("${{ 100 }}", "100"), ("$ {{ 1 }} ${ 2 }", "$ {{ 1 }} ${ 2 }"),
]
REFUSED = ["secrets.KEY", "false && secrets.KEY", "true || nope()", "-0xFF", "1a", "nope",
           "nope()", "github.no_such", "1 +1 2", "\"a\"", "a ==", "(1", "'a",
           "", "github.", "hashFiles('x')", "contains('a')", "1 = 1"]


class Expressions(unittest.TestCase):
    def test_values(self):
        for text, expected in VALUES:
            with self.subTest(text):
                self.assertEqual(evaluate(text, SCOPE), expected)

    def test_not_a_number(self):
        self.assertTrue(math.isnan(evaluate("fromJSON('\"x\"') && NaN", SCOPE)))

    def test_text(self):
        for text, expected in TEXTS:
            with self.subTest(text):
                self.assertEqual(interpolate(text, SCOPE), expected)

    def test_what_github_refuses_is_an_error_and_never_empty(self):
        for text in REFUSED:
            with self.subTest(text), self.assertRaises(ExpressionError):
                evaluate(text, SCOPE)
        for text in ("fromJSON('{')", "format('{0}')", "format('{')", "fromJSON('NaN')"):
            with self.subTest(text), self.assertRaises(EvaluationError):
                evaluate(text, SCOPE)

    def test_a_value_is_data_and_never_evaluated_again(self):
        hostile = "${{ secrets.KEY }}"
        self.assertEqual(interpolate("${{ github.event.title }}", SCOPE), hostile)
        self.assertEqual(interpolate("a ${{ github.event.title }}", SCOPE), f"a {hostile}")
        self.assertEqual(evaluate("format('{0}', github.event.title)", SCOPE), hostile)
        self.assertEqual(resolve({"a": ["${{ github.event.title }}"]}, SCOPE), {"a": [hostile]})
        self.assertEqual(resolve("${{ fromJSON(toJSON(github.event.title)) }}", SCOPE), hostile)

    def test_one_expression_alone_keeps_its_kind(self):
        self.assertIs(resolve("${{ github.event.fork }}", SCOPE), True)
        self.assertEqual(resolve("${{ github.event.list }}", SCOPE), [1, "two"])

    def test_conditions(self):
        failed = Scope(SCOPE.contexts, {**SCOPE.functions, "success": lambda: False,
                                        "failure": lambda: True})
        for text, well, after_failure in [
            (None, True, False), ("true", True, False), (True, True, False), (False, False, False),
            ("${{ github.event.fork }}", True, False), ("github.event.fork", True, False),
            ("always()", True, True), ("failure()", False, True), ("!cancelled()", True, True),
            ("contains('a', 'a') && (1 == 1 || Failure())", True, True),
            ("steps.a.outputs.n == '5'", True, False), ("'failure()' == 'x'", False, False),
        ]:
            with self.subTest(text):
                self.assertEqual((holds(text, SCOPE), holds(text, failed)), (well, after_failure))

    def test_a_condition_with_text_around_an_expression_is_refused(self):
        for text in ("${{ 1 }} == 2", "!${{ true }}"):
            with self.subTest(text), self.assertRaises(ExpressionError):
                holds(text, SCOPE)


if __name__ == "__main__":
    unittest.main()
