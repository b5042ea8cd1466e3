"""GitHub's expressions: `${{ }}` in text, and the bare text of an `if:`.

Text is searched for expressions once. What an expression gives is data and is never searched
again, whatever it looks like. Unknown functions and contexts are errors, never an empty string.
"""

import re
from dataclasses import dataclass, field
from typing import Callable

from functions import FUNCTIONS
from values import ExpressionError, Value, equals, less, member, parse_number, to_string, truthy

TOKEN = re.compile(r"""
    \s*(?:
      (?P<number>0x[0-9a-fA-F]+|0o[0-7]+|[-+]Infinity\b
                 |[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
    | (?P<string>'(?:[^']|'')*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    | (?P<sign>==|!=|<=|>=|&&|\|\||[<>!()\[\],.*])
    )""", re.X)
WORDS: dict[str, Value] = {
    "true": True, "false": False, "null": None, "NaN": float("nan"), "Infinity": float("inf"),
}
COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "==": equals,
    "!=": lambda left, right: not equals(left, right),
    "<": less,
    ">": lambda left, right: less(right, left),
    "<=": lambda left, right: equals(left, right) or less(left, right),
    ">=": lambda left, right: equals(left, right) or less(right, left),
}
STATUS_FUNCTIONS = ("success", "failure", "always", "cancelled")

Node = tuple


@dataclass
class Scope:
    """What an expression may name: the contexts of its place, and functions that know the run."""

    contexts: dict[str, Value]
    functions: dict[str, Callable[..., Value]] = field(default_factory=dict)


class Filtered(list):
    """What `*` gives: an index applies to each of its items."""


def tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"unexpected {text[at:].strip()[:20]!r} in {text.strip()!r}")
        group = match.lastgroup or ""
        found.append((group, match[group]))
        at = match.end()
    return found


class Parser:
    """Recursive descent over the tokens of one expression. It gives tuples, and runs nothing."""

    def __init__(self, text: str):
        self.text, self.tokens, self.at = text, tokens(text), 0

    def parse(self) -> Node:
        node = self.either()
        if self.at < len(self.tokens):
            raise self.unexpected()
        return node

    def unexpected(self) -> ExpressionError:
        what = repr(self.tokens[self.at][1]) if self.at < len(self.tokens) else "end"
        return ExpressionError(f"unexpected {what} in {self.text.strip()!r}")

    def peek(self) -> str | None:
        """The next sign, or None where the next token is something else."""
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "sign":
            return self.tokens[self.at][1]
        return None

    def take(self, *signs: str) -> str | None:
        if (sign := self.peek()) in signs:
            self.at += 1
            return sign
        return None

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.unexpected()

    def either(self) -> Node:
        node = self.both()
        while self.take("||"):
            node = ("or", node, self.both())
        return node

    def both(self) -> Node:
        node = self.equality()
        while self.take("&&"):
            node = ("and", node, self.equality())
        return node

    def equality(self) -> Node:
        node = self.relation()
        while sign := self.take("==", "!="):
            node = ("compare", sign, node, self.relation())
        return node

    def relation(self) -> Node:
        node = self.unary()
        while sign := self.take("<", "<=", ">", ">="):
            node = ("compare", sign, node, self.unary())
        return node

    def unary(self) -> Node:
        return ("not", self.unary()) if self.take("!") else self.postfix()

    def postfix(self) -> Node:
        node = self.primary()
        while sign := self.take(".", "["):
            if self.take("*"):
                node = ("every", node)
            elif sign == ".":
                node = ("member", node, ("value", self.name()))
            else:
                node = ("member", node, self.either())
            if sign == "[":
                self.expect("]")
        return node

    def name(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "name":
            self.at += 1
            return self.tokens[self.at - 1][1]
        raise self.unexpected()

    def primary(self) -> Node:
        if self.take("("):
            node = self.either()
            self.expect(")")
            return node
        if self.at >= len(self.tokens) or self.tokens[self.at][0] == "sign":
            raise self.unexpected()
        group, text = self.tokens[self.at]
        self.at += 1
        if group == "string":
            return ("value", text[1:-1].replace("''", "'"))
        if group == "number":
            return ("value", parse_number(text.removeprefix("+")))
        if self.take("("):
            return ("call", text, self.arguments())
        return ("value", WORDS[text]) if text in WORDS else ("context", text)

    def arguments(self) -> list[Node]:
        found: list[Node] = []
        if self.take(")"):
            return found
        while True:
            found.append(self.either())
            if self.take(")"):
                return found
            self.expect(",")


def evaluate(text: str, scope: Scope) -> Value:
    """The value of one expression, given without its `${{ }}`."""
    return evaluate_node(Parser(text).parse(), scope)


def evaluate_node(node: Node, scope: Scope) -> Value:
    """Names are checked first, also where `&&` would never come to them."""
    check_names(node, scope)
    return value_of(node, scope)


def check_names(node: Node, scope: Scope) -> None:
    if node[0] == "context":
        context(node[1], scope)
    elif node[0] == "call":
        function_of(node[1], scope)
    for part in node[1:]:
        for inner in part if isinstance(part, list) else [part]:
            if isinstance(inner, tuple):
                check_names(inner, scope)


def value_of(node: Node, scope: Scope) -> Value:
    match node:
        case ("value", value):
            return value
        case ("context", name):
            return context(name, scope)
        case ("call", name, arguments):
            return call(name, arguments, scope)
        case ("not", inner):
            return not truthy(value_of(inner, scope))
        case ("and", left, right):
            first = value_of(left, scope)
            return value_of(right, scope) if truthy(first) else first
        case ("or", left, right):
            first = value_of(left, scope)
            return first if truthy(first) else value_of(right, scope)
        case ("compare", sign, left, right):
            return COMPARE[sign](value_of(left, scope), value_of(right, scope))
        case ("every", inner):
            return every(value_of(inner, scope))
        case ("member", inner, name):
            return item(value_of(inner, scope), value_of(name, scope))
    raise AssertionError(f"no such node: {node}")


def context(name: str, scope: Scope) -> Value:
    for known, value in scope.contexts.items():
        if known.lower() == name.lower():
            return value
    raise ExpressionError(f"the context {name} is unknown, or not available in this place")


def function_of(name: str, scope: Scope) -> Callable[..., Value]:
    for known, function in {**FUNCTIONS, **scope.functions}.items():
        if known.lower() == name.lower():
            return function
    raise ExpressionError(f"the function {name} is unknown, or not available in this place")


def call(name: str, arguments: list[Node], scope: Scope) -> Value:
    function = function_of(name, scope)
    try:
        return function(*[value_of(argument, scope) for argument in arguments])
    except TypeError as error:
        raise ExpressionError(f"{name}: {error}") from error


def every(value: Value) -> Filtered:
    def items(inner: Value) -> list[Value]:
        return list(inner.values() if isinstance(inner, dict) else
                    inner if isinstance(inner, list) else [])

    if isinstance(value, Filtered):
        return Filtered(nested for inner in value for nested in items(inner))
    return Filtered(items(value))


def item(value: Value, name: Value) -> Value:
    if not isinstance(value, Filtered):
        return member(value, name)
    # GitHub leaves out items without that member; one that is null does not matter to any use.
    return Filtered(found for inner in value if (found := member(inner, name)) is not None)


def pieces(text: str) -> list[tuple[bool, str]]:
    """The text in parts: (True, expression) or (False, text as it stands)."""
    parts, at = [], 0
    while (start := text.find("${{", at)) >= 0:
        end = closing(text, start + 3)
        parts += [(False, text[at:start]), (True, text[start + 3:end])]
        at = end + 2
    return [part for part in [*parts, (False, text[at:])] if part[0] or part[1]]


def closing(text: str, at: int) -> int:
    """Where the `}}` of an expression is: not inside a string of it."""
    quoted = False
    for index in range(at, len(text)):
        if text[index] == "'":
            quoted = not quoted
        elif not quoted and text.startswith("}}", index):
            return index
    raise ExpressionError(f"no end of the expression in {text[at - 3:at + 40]!r}")


def interpolate(text: Value, scope: Scope) -> str:
    """A scalar of YAML as text, with the value of each expression in its place."""
    if not isinstance(text, str):
        return to_string(text)
    return "".join(to_string(evaluate(part, scope)) if is_expression else part
                   for is_expression, part in pieces(text))


def resolve(data: Value, scope: Scope) -> Value:
    """Any piece of YAML with its expressions evaluated. One alone keeps the kind of its value."""
    if isinstance(data, dict):
        return {interpolate(key, scope): resolve(value, scope) for key, value in data.items()}
    if isinstance(data, list):
        return [resolve(entry, scope) for entry in data]
    if isinstance(data, str):
        parts = pieces(data)
        if len(parts) == 1 and parts[0][0]:
            return evaluate(parts[0][1], scope)
        return interpolate(data, scope)
    return data
