"""Workflow commands in what a step prints, found as GitHub's runner finds them.

After the runner's ActionCommand and ActionCommandManager: `::name key=value::data` at the start of
a line, and the older `##[name key=value]data` anywhere in it. Lines end at \\r too. Foreign text
that a step prints can be such a command; a test asks for the list of what was found.
"""

from dataclasses import dataclass, field

KNOWN = {
    "set-env", "set-output", "save-state", "add-mask", "add-path", "add-matcher", "remove-matcher",
    "debug", "warning", "error", "notice", "group", "endgroup", "echo", "stop-commands",
}
DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
OLD = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%"))


@dataclass
class Command:
    name: str
    properties: dict[str, str]
    data: str
    refused: str | None = None  # why the runner does not obey it, and fails the step


def unescape(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for escaped, plain in escapes:
        text = text.replace(escaped, plain)
    return text


def properties_of(text: str, separator: str, escapes: tuple) -> dict[str, str]:
    found = {}
    for pair in text.split(separator):
        key, _, value = pair.partition("=")
        if key and value:
            found[key.lower()] = unescape(value, escapes)
    return found


def new_form(line: str, known: set[str]) -> Command | None:
    line = line.lstrip()
    if not line.startswith("::") or (end := line.find("::", 2)) < 0:
        return None
    name, _, properties = line[2:end].partition(" ")
    if name.lower() not in known:
        return None
    return Command(name.lower(), properties_of(properties.strip(), ",", PROPERTY),
                   unescape(line[end + 2:], DATA))


def old_form(line: str, known: set[str]) -> Command | None:
    if (start := line.find("##[")) < 0 or (end := line.find("]", start)) < 0:
        return None
    name, _, properties = line[start + 3:end].partition(" ")
    if name.lower() not in known:
        return None
    return Command(name.lower(), properties_of(properties, ";", OLD), unescape(line[end + 1:], OLD))


@dataclass
class Listener:
    """Reads the lines of one job, one after the other; `::stop-commands::` lasts over them."""

    token: str | None = None
    known: set[str] = field(default_factory=lambda: set(KNOWN))

    def hear(self, line: str) -> Command | None:
        """The command that a line is, or None."""
        command = new_form(line, self.known) or old_form(line, self.known)
        if command is None:
            return None
        if self.token is not None:
            if command.name != self.token.lower():
                return None
            self.known.discard(self.token.lower())
            self.token = None
            return Command("resume-commands", {}, "")
        command.refused = self.refusal(command)
        if command.name == "stop-commands" and not command.refused:
            self.token = command.data
            self.known.add(command.data.lower())
        return command

    def refusal(self, command: Command) -> str | None:
        if command.name in ("set-env", "add-path"):
            return f"The `{command.name}` command is disabled"
        if command.name in ("set-output", "save-state") and not command.properties.get("name"):
            return f"Required field 'name' is missing in ##[{command.name}] command"
        if command.name == "stop-commands" and not self.may_stop(command.data):
            return f"The token {command.data!r} cannot stop commands"
        return None

    def may_stop(self, token: str) -> bool:
        return bool(token) and token.lower() not in self.known | {"pause-logging"}
