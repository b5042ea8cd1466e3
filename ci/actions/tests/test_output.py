"""Workflow commands in what a step prints, and the files that it writes to."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from command_files import CommandFileError, parse_pairs  # noqa: E402
from commands import Listener  # noqa: E402


def heard(*lines: str) -> list[tuple]:
    listener = Listener()
    found = [listener.hear(line) for line in lines]
    return [(command.name, command.properties, command.data) for command in found if command]


class Commands(unittest.TestCase):
    def test_lines(self):
        for line, expected in [
            ("::set-output name=a::b", ("set-output", {"name": "a"}, "b")),
            ("  ::warning file=x%2Cy,line=3::a%0Ab%25", ("warning", {"file": "x,y", "line": "3"},
                                                      "a\nb%")),
            ("::error::", ("error", {}, "")),
            ("::ADD-MASK::x", ("add-mask", {}, "x")),
            ("##[group]a", ("group", {}, "a")),
            ("deep in a line ##[set-output name=a;x=1]b", ("set-output", {"name": "a", "x": "1"},
                                                          "b")),
            ("::set-env name=PATH::x", ("set-env", {"name": "PATH"}, "x")),
            ("x ::set-output name=a::b", None),
            ("::unknown::x", None),
            ("::set-output name=a:b", None),
            (": :error::x", None),
            ("##[unknown]x", None),
            ("", None),
        ]:
            with self.subTest(line):
                self.assertEqual(heard(line), [expected] if expected else [])

    def test_stop_commands_holds_until_its_token(self):
        names = [name for name, *_ in heard(
            "::error::1", "::stop-commands::T0KEN", "::error::2", "##[error]3", "::other::",
            "::stop-commands::error", "::T0KEN::", "::error::4")]
        self.assertEqual(names, ["error", "stop-commands", "resume-commands", "error"])

    def test_refused_commands(self):
        for line in ("::set-env name=a::b", "::add-path::/x", "::set-output::x",
                     "::stop-commands::error", "::stop-commands::"):
            with self.subTest(line):
                self.assertTrue(Listener().hear(line).refused)


class Files(unittest.TestCase):
    def test_pairs(self):
        for text, expected in [
            ("", {}), ("a=1\n", {"a": "1"}), ("a=1", {"a": "1"}), ("a=b=c\n\nd=\n",
                                                                  {"a": "b=c", "d": ""}),
            ("a<<E\nx\ny\nE\nb=2\n", {"a": "x\ny", "b": "2"}), ("a<<E\nE\n", {"a": ""}),
            ("a<<E\nx\nE", {"a": "x"}), ("a=x<<E\n", {"a": "x<<E"}), ("a=1\na=2\n", {"a": "2"}),
            ("a<<E\r\nx\r\nE\r\n", {"a": "x\r"}), (" a = b \n", {" a ": " b "}),
        ]:
            with self.subTest(text):
                self.assertEqual(parse_pairs(text), expected)

    def test_a_value_that_holds_the_delimiter_sets_other_names(self):
        # Why a delimiter must be random where the value is foreign.
        hostile = "x\nE\nadmin=true\nrest<<E\ny"
        self.assertEqual(parse_pairs(f"a<<E\n{hostile}\nE\n"),
                         {"a": "x", "admin": "true", "rest": "y"})

    def test_what_the_runner_refuses(self):
        for text in ("no sign\n", "a<<E\nx\n", "a<<\nx\n", "<<E\nE\n", "a<<E\nx"):
            with self.subTest(text), self.assertRaises(CommandFileError):
                parse_pairs(text)


if __name__ == "__main__":
    unittest.main()
