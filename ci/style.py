#!/usr/bin/env python3
"""Checks the width of comments and documents, and of commit subjects, in what a change touches.

    ci/style.py                  # the change since the merge base with origin/main, or since HEAD~1
    ci/style.py BASE             # since the merge base with BASE
    ci/style.py --since-added    # since this file was added, as .ci/run calls it

Lines are those that the working tree adds to the base; older lines are left alone. Exits with 1 and
prints `file:line` and the excess where a line or a subject is too long. It writes nothing.
"""

import argparse
import ast
import os
import pathlib
import re
import subprocess
import sys

MAX_COLUMNS = 100
MAX_SUBJECT = 72

SLASHES = re.compile(r"\s*//[/!]?")
HASH = re.compile(r"\s*#(?!!)")
# What may stand before the first word of a line and cannot be a place to break it.
LEAD = re.compile(r"[\s>]*(?:(?:[-*+]|\d+\.)\s+)?")
HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
BY_SUFFIX = {
    ".rs": SLASHES, ".cu": SLASHES, ".cuh": SLASHES, ".c": SLASHES, ".cpp": SLASHES, ".h": SLASHES,
    ".py": HASH, ".sh": HASH, ".toml": HASH, ".md": re.compile(""),
}
# Reports are written by programs, which cannot break the lines of a table or of a log.
GENERATED = re.compile(r"reports/[^/]+/")


class GitError(Exception):
    """What git said."""


def git(*arguments):
    """What a git command prints."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise GitError(done.stderr.strip())
    return done.stdout


def resolve(revision):
    """The id of a commit, or None where there is no such commit."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except GitError:
        return None


def merge_base(revision):
    """Where HEAD left a revision, or None where that is HEAD itself or not known."""
    try:
        found = git("merge-base", revision, "HEAD").strip()
    except GitError:
        return None
    return found if found != resolve("HEAD") else None


def before_added():
    """The parent of the commit that added this file, or None where it is not in the clone."""
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        return None  # the oldest commit of a shallow clone seems to add every file
    added = git("log", "--diff-filter=A", "--format=%H", "--", "ci/style.py").split()
    return resolve(f"{added[-1]}~1") if added else None


def choose_base(arguments):
    """The base, and how it was found."""
    if arguments.base:
        if resolve(arguments.base) is None:
            raise GitError(f"{arguments.base} is not a commit of this clone")
        return merge_base(arguments.base) or resolve(arguments.base), f"since {arguments.base}"
    if arguments.since_added:
        base, how = before_added(), "since ci/style.py was added"
    else:
        base, how = merge_base("origin/main"), "since origin/main"
    if base:
        return base, how
    if base := resolve("HEAD~1"):
        return base, "the last commit only: no base was found"
    return None, "the last subject only: the clone has no earlier commit"


def long_subjects(base):
    """A message for each commit since the base whose subject is too long."""
    commits = git("log", "--format=%h %s", f"{base}..HEAD" if base else "-1").splitlines()
    for commit in commits:
        name, _, subject = commit.partition(" ")
        if (excess := len(subject) - MAX_SUBJECT) > 0:
            yield f"commit {name}: subject is {excess} characters too long (at most {MAX_SUBJECT})"


def added_lines(base):
    """The numbers of the lines that the working tree adds, by path."""
    options = ["--unified=0", "--no-color", "--no-ext-diff", "--dst-prefix=b/", "-M"]
    added, path = {}, None
    for line in git("-c", "core.quotePath=false", "diff", *options, base or "HEAD").splitlines():
        if line.startswith("+++ "):
            path = line[6:].rstrip("\t") if line.startswith("+++ b/") else None
        elif path and (hunk := HUNK.match(line)):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            added.setdefault(path, set()).update(range(first, first + count))
    for path in git("ls-files", "-z", "--others", "--exclude-standard").split("\0"):
        if path:
            added[path] = None  # all of it
    return added


def marker(path, text):
    """The pattern that a line of comment or prose of this file begins with, or None."""
    if GENERATED.match(path):
        return None
    if not (suffix := pathlib.PurePath(path).suffix) and text.startswith("#!"):
        return HASH  # a script without a suffix
    return BY_SUFFIX.get(suffix)


def docstrings(text):
    """The numbers of the lines of all docstrings in a Python source."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set()
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                lines.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def can_be_broken(line, prose):
    """Whether a line that is too long has a blank to break it at. Rows of tables have none."""
    if prose.lstrip().startswith("|") or re.match(r"\s*\[[^\]]+\]: ", prose):
        return False
    start = len(line) - len(prose) + LEAD.match(prose).end()
    return any(character.isspace() for character in line[start:MAX_COLUMNS + 1])


def long_lines(path, text, numbers):
    """The line number and the excess of each line of comment or prose that is too long."""
    begins = marker(path, text)
    if begins is None:
        return
    documented = docstrings(text) if path.endswith(".py") else set()
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        found = begins.match(line)
        if found is None and number not in documented:
            fenced = False
            continue
        prose = line[found.end():] if found else line
        if prose.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        excess = len(line) - MAX_COLUMNS
        touched = numbers is None or number in numbers
        if touched and not fenced and excess > 0 and can_be_broken(line, prose):
            yield number, excess


def check(base):
    """A message for each fault of the change since the base."""
    yield from long_subjects(base)
    for path, numbers in sorted(added_lines(base).items()):
        try:
            text = pathlib.Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # a link to nowhere, or not text
        for number, excess in long_lines(path, text, numbers):
            yield f"{path}:{number}: {excess} columns too long (at most {MAX_COLUMNS})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", nargs="?", help="a revision; default: origin/main, else HEAD~1")
    parser.add_argument("--since-added", action="store_true", help="since this file was added")
    arguments = parser.parse_args()
    try:
        os.chdir(git("rev-parse", "--show-toplevel").rstrip("\n"))  # paths of a diff begin there
        base, how = choose_base(arguments)
        faults = list(check(base))
    except GitError as error:
        print(f"style: {error}", file=sys.stderr)
        return 2
    print(*faults, f"style: {how}, {len(faults)} too long", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
