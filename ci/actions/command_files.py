"""The files that a step writes to: GITHUB_ENV, GITHUB_OUTPUT, GITHUB_PATH, GITHUB_STEP_SUMMARY.

After the runner's FileCommandManager: `NAME=VALUE`, or `NAME<<DELIMITER` up to a line that is the
delimiter. A value that holds the delimiter ends there: that is how foreign text sets other names.
"""

from dataclasses import dataclass
from pathlib import Path

NAMES = ("env", "output", "path", "step_summary", "state")
# The runner refuses these from GITHUB_ENV.
BLOCKED = {"NODE_OPTIONS"}
MAX_SUMMARY_BYTES = 1024 * 1024


class CommandFileError(Exception):
    """A file that the runner cannot read; the step fails."""


@dataclass
class Files:
    """The fresh files of one step."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Files":
        folder.mkdir(parents=True)
        for name in NAMES:
            (folder / name).touch()
        return cls(folder)

    def path(self, name: str) -> Path:
        return self.folder / name

    def environment(self) -> dict[str, str]:
        return {f"GITHUB_{name.upper()}": str(self.path(name)) for name in NAMES}

    def text(self, name: str) -> str:
        try:
            # Not as text: Python would turn the \r of a value into the end of a line.
            return self.path(name).read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""  # a step may delete them

    def pairs(self, name: str) -> dict[str, str]:
        return parse_pairs(self.text(name))

    def prepended(self) -> list[str]:
        return [line for line in self.text("path").splitlines() if line]


def parse_pairs(text: str) -> dict[str, str]:
    pairs = {}
    lines = text.split("\n")
    # What follows the last newline is a line only if there is something.
    ended = lines.pop() if text.endswith("\n") or not text else None
    at = 0
    while at < len(lines):
        line, at = lines[at], at + 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            if not name or not delimiter:
                raise CommandFileError(f"Invalid format '{line}'. Name and delimiter are needed")
            value, at = until(lines, at, delimiter, ended is not None)
        else:
            raise CommandFileError(f"Invalid format '{line}'")
        pairs[name] = value
    return pairs


def until(lines: list[str], at: int, delimiter: str, ended: bool) -> tuple[str, int]:
    """The value that begins at a line, and the line after its delimiter."""
    for index in range(at, len(lines)):
        if lines[index] == delimiter:
            return "\n".join(lines[at:index]), index + 1
    what = "Matching delimiter not found" if ended else "EOF marker missing new line"
    raise CommandFileError(f"Invalid value. {what} '{delimiter}'")
