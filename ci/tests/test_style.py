"""Tests of ci/style.py: which lines and subjects are too long, and which base is chosen."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import style  # noqa: E402

WORDS = "word " * 25  # 125 columns that can be broken
URL = "https://example.org/" + "x" * 100


class Lines(unittest.TestCase):
    def check(self, path, text, expected):
        self.assertEqual([number for number, _ in style.long_lines(path, text, None)], expected)

    def test_comments_are_held_to_the_width_and_code_is_not(self):
        for path, text, expected in [
            ("a.rs", f"// {WORDS}\n/// {WORDS}\n    //! {WORDS}\n", [1, 2, 3]),
            ("a.rs", f"let a = \"{WORDS}\";\n", []),
            ("a.cu", f"// {WORDS}\n", [1]),
            ("a.sh", f"#!/bin/sh {WORDS}\n# {WORDS}\necho {WORDS}\n", [2]),
            ("run", f"#!/bin/sh\n# {WORDS}\n", [2]),
            ("run", f"# {WORDS}\n", []),
            ("a.toml", f"# {WORDS}\nkey = \"{WORDS}\"\n", [1]),
            ("a.py", f'"""Short.\n\n{WORDS}\n"""\n# {WORDS}\nA = "{WORDS}"\n', [3, 5]),
            ("a.json", f"# {WORDS}\n", []),
            ("reports/sample/report.md", f"{WORDS}\n", []),
        ]:
            with self.subTest(path=path, text=text):
                self.check(path, text, expected)

    def test_of_markdown_all_but_code_tables_and_links_that_cannot_be_broken(self):
        for text, expected in [
            (f"{WORDS}\n\n- {WORDS}\n", [1, 3]),
            (f"```\n{WORDS}\n```\n{WORDS}\n", [4]),
            (f"| {WORDS} |\n", []),
            (f"{URL}\n- [{URL}]({URL})\n[name]: {URL}\n", []),
            (f"see {URL}\n", [1]),
        ]:
            with self.subTest(text=text):
                self.check("a.md", text, expected)
                prefixed = "".join(f"/// {line}\n" for line in text.splitlines())
                self.check("a.rs", prefixed, expected)

    def test_the_last_column_counts(self):
        fits = "ab " * 32 + "abcd"
        self.assertEqual(list(style.long_lines("a.md", fits, None)), [])
        self.assertEqual(list(style.long_lines("a.md", fits + "e", None)), [(1, 1)])


class Repository(unittest.TestCase):
    """A repository in a folder of its own, which is the current folder of the test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        self.folder = pathlib.Path(folder.name)
        (self.folder / "work").mkdir()
        os.chdir(self.folder / "work")
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments):
        settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *settings, *arguments], check=True, capture_output=True)

    def commit(self, subject, path, text):
        pathlib.Path(path).parent.mkdir(exist_ok=True)
        pathlib.Path(path).write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)

    def check(self, expected, base=None, since_added=False):
        """How the base was found, after the number of faults and their texts were compared."""
        chosen, how = style.choose_base(argparse.Namespace(base=base, since_added=since_added))
        faults = list(style.check(chosen))
        self.assertEqual(len(faults), len(expected), faults)
        for fault, text in zip(faults, expected):
            self.assertIn(text, fault)
        return how

    def test_what_a_change_adds_is_held_and_what_was_there_is_not(self):
        before = f"{WORDS}\n" + "short\n\n" * 20
        self.commit("s" * 80, "a.md", before)
        self.commit("b: short", "a.md", before + "short\n")
        self.check([])
        pathlib.Path("a.md").write_text(f"{before}{WORDS}\n", encoding="utf-8")
        pathlib.Path("new.md").write_text(f"{WORDS}\n", encoding="utf-8")
        self.check(["a.md:42: ", "new.md:1: "])
        self.git("mv", "a.md", "b.md")
        self.check(["b.md:42: ", "new.md:1: "])

    def test_subjects_since_the_base(self):
        self.commit("first", "a.md", "a\n")
        self.git("branch", "old")
        self.commit("s" * 73, "a.md", "b\n")
        self.commit("s" * 72, "a.md", "c\n")
        self.check(["1 characters too long"], base="old")
        with self.assertRaises(style.GitError):
            self.check([], base="nowhere")

    def test_since_the_rule_was_added_in_whole_and_in_shallow_clones(self):
        self.commit("s" * 80, "a.md", f"{WORDS}\n")
        self.commit("ci: check the style", "ci/style.py", "# here\n")
        self.commit("t" * 80, "b.md", f"{WORDS}\n")
        self.commit("short", "c.md", f"{WORDS}\n")
        origin = pathlib.Path.cwd().as_uri()
        for depth, how, expected in [
            (9, "since ci/style.py was added", ["subject is 8 ", "b.md:1: ", "c.md:1: "]),
            (2, "the last commit only: no base was found", ["c.md:1: "]),
            (1, "the last subject only: the clone has no earlier commit", []),
        ]:
            with self.subTest(depth=depth):
                clone = f"../clone-{depth}"
                self.git("clone", "--quiet", f"--depth={depth}", origin, clone)
                os.chdir(clone)
                self.assertEqual(self.check(expected, since_added=True), how)

    def test_a_branch_is_held_from_where_it_left_origin_main(self):
        self.commit("s" * 80, "a.md", f"{WORDS}\n")
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.commit("t" * 80, "b.md", f"{WORDS}\n")
        self.commit("short", "c.md", "c\n")
        self.assertEqual(self.check(["subject is 8 ", "b.md:1: "]), "since origin/main")

    def test_the_command_says_what_it_found_from_any_folder(self):
        self.commit("first", "a.md", "a\n")
        self.commit("second", "sub/b.md", f"{WORDS}\n")
        command = [sys.executable, style.__file__]
        for folder in [".", "sub"]:
            with self.subTest(folder=folder):
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("sub/b.md:1: 25 columns too long (at most 100)\n", done.stdout)
        done = subprocess.run([*command, "nowhere"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere is not a commit", done.stderr)


if __name__ == "__main__":
    unittest.main()
