"""The functions of GitHub's expressions that need nothing but their arguments."""

import re
from typing import Callable

from values import (EvaluationError, Value, equals, fold, from_json, is_primitive, to_json,
                    to_string)

PLACE = re.compile(r"\{\{|\}\}|\{(\d+)\}|[{}]")


def contains(where: Value, what: Value) -> bool:
    if isinstance(where, list):
        return any(equals(what, item) for item in where)
    if is_primitive(where) and is_primitive(what):
        return fold(to_string(what)) in fold(to_string(where))
    return False


def starts_with(text: Value, start: Value) -> bool:
    return is_primitive(text) and is_primitive(start) and fold(to_string(text)).startswith(
        fold(to_string(start)))


def ends_with(text: Value, end: Value) -> bool:
    return is_primitive(text) and is_primitive(end) and fold(to_string(text)).endswith(
        fold(to_string(end)))


def format_text(template: Value, *arguments: Value) -> str:
    """`{0}` is replaced in one pass: braces in an argument mean nothing."""
    def replaced(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None or int(match[1]) >= len(arguments):
            raise EvaluationError(f"format: no argument for {match[0]!r} in {template!r}")
        return to_string(arguments[int(match[1])])

    return PLACE.sub(replaced, to_string(template))


def join(items: Value, separator: Value = ",") -> str:
    if isinstance(items, list):
        between = to_string(separator) if is_primitive(separator) else ","
        return between.join(to_string(item) for item in items)
    return to_string(items) if is_primitive(items) else ""


def parsed(text: Value) -> Value:
    return from_json(to_string(text))


def case(*arguments: Value) -> Value:
    """case(condition, value, ..., otherwise)"""
    if len(arguments) < 3 or len(arguments) % 2 == 0:
        raise EvaluationError("case: pairs of condition and value, then a default")
    for condition, value in zip(arguments[:-1:2], arguments[1::2]):
        if not isinstance(condition, bool):
            raise EvaluationError("case: a condition must be a boolean")
        if condition:
            return value
    return arguments[-1]


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "contains": contains, "startsWith": starts_with, "endsWith": ends_with, "format": format_text,
    "join": join, "toJSON": to_json, "fromJSON": parsed, "case": case,
}
