"""Paths as the actions of GitHub take them: one pattern a line, `!` to leave out, `**`, `*`, `?`.

After @actions/glob: a folder that matches brings all that is below it, links are followed, and a
hidden file or folder is left out unless asked for, even where it is the start of the search.
"""

import hashlib
import os
import re
from pathlib import Path

WILD = re.compile(r"[*?\[]")


def translate(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression over whole paths and all that is below them."""
    out, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out, at = out + "(?:[^/]+/)*", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif pattern[at] == "*":
            out, at = out + "[^/]*", at + 1
        elif pattern[at] == "?":
            out, at = out + "[^/]", at + 1
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            inside = pattern[at + 1:end].replace("\\", "\\\\")
            out, at = out + "[" + re.sub("^!", "^", inside) + "]", end + 1
        else:
            out, at = out + re.escape(pattern[at]), at + 1
    return re.compile(out.rstrip("/") + "(?:/.*)?", re.S)


def search_path(pattern: str) -> Path:
    """The folder (or file) before the first wildcard."""
    plain = []
    for part in Path(pattern).parts:
        if WILD.search(part):
            break
        plain.append(part)
    return Path(*plain)


def absolute(patterns: str, base: Path) -> list[tuple[bool, str]]:
    """(wanted, absolute pattern) for each line that is not a comment."""
    found = []
    for line in patterns.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        wanted, line = not line.startswith("!"), line.removeprefix("!").strip()
        found.append((wanted, os.path.normpath(base / os.path.expanduser(line))))
    return found


def walk(start: Path, hidden: bool) -> list[Path]:
    if not start.exists() or (not hidden and start.name.startswith(".")):
        return []
    if not start.is_dir():
        return [start]
    if start.is_symlink() and start.absolute().parent.is_relative_to(start.resolve()):
        return []  # a link to a folder above itself has no end
    return [path for child in sorted(start.iterdir()) for path in walk(child, hidden)]


def find(patterns: str, base: Path, hidden: bool = True) -> tuple[list[Path], list[Path]]:
    """The files that match, in order, and where the search began."""
    lines = absolute(patterns, base)
    starts = list(dict.fromkeys(search_path(line) for wanted, line in lines if wanted))
    files: dict[Path, None] = {}
    for path in [path for start in starts for path in walk(start, hidden)]:
        included = False
        for wanted, line in lines:
            if translate(line).fullmatch(str(path)):
                included = wanted
        if included:
            files[path] = None
    return list(files), starts


def root_of(files: list[Path], starts: list[Path]) -> Path:
    """What the names in an archive are relative to."""
    if len(starts) > 1:
        return Path(os.path.commonpath(starts))
    if len(files) == 1 and starts[0] == files[0]:
        return files[0].parent
    return starts[0]


def hash_files(base: Path, *patterns: str) -> str:
    """`hashFiles`: the digest of the digests, empty where nothing matches.

    Files outside of the workspace do not count, and those of an action are outside of it.
    """
    files = [path for path in find("\n".join(patterns), base)[0] if path.is_relative_to(base)]
    if not files:
        return ""
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
