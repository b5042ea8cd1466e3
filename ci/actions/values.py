"""Values of GitHub's expressions and how one kind becomes another.

Follows the documented coercions ("Evaluate expressions in workflows and actions") and, where they
are silent, the runner's EvaluationResult. It never evaluates text.
"""

import json
import math
from typing import Any

# None, bool, int or float, str, list, dict: what YAML and JSON give.
Value = Any

# Where .NET's "G15" changes to an exponent.
DIGITS = 15


class ExpressionError(Exception):
    """An expression that GitHub refuses with its whole workflow, or that this driver cannot do."""


class EvaluationError(ExpressionError):
    """An expression whose values do not fit, which fails its step only."""


class CaseSensitive(dict):
    """A context whose names are told apart by case: `env` on Linux."""


class Documented(dict):
    """A context with a fixed set of names: any other one is a mistake, not an empty string."""

    def __init__(self, name: str, values: dict[str, Value]):
        super().__init__(values)
        self.name = name


def kind(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    if isinstance(value, dict):
        return "object"
    raise ExpressionError(f"a value of type {type(value).__name__} has no place in an expression")


def is_primitive(value: Value) -> bool:
    return kind(value) not in ("array", "object")


def truthy(value: Value) -> bool:
    if kind(value) == "number":
        return not (value == 0 or math.isnan(value))
    return value not in (None, False, "") if is_primitive(value) else True


def to_number(value: Value) -> float:
    match kind(value):
        case "null":
            return 0.0
        case "boolean" | "number":
            return float(value)
        case "string":
            return parse_number(value)
    return math.nan


def parse_number(text: str) -> float:
    """As the runner does: like JavaScript's Number(), with 0x and 0o, and NaN for all the rest."""
    text = text.strip()
    if not text:
        return 0.0
    if text in ("Infinity", "-Infinity"):
        return float(text)
    for prefix, base in (("0x", 16), ("0o", 8)):
        if text.startswith(prefix):
            try:
                return float(int(text[2:], base))
            except ValueError:
                return math.nan
    # float() would also take "nan", "inf" and "1_000".
    if text.lower().strip("+-0123456789.e"):
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def number_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return format(number + 0.0, f".{DIGITS}g").upper()  # -0 + 0 is 0


def to_string(value: Value) -> str:
    match kind(value):
        case "null":
            return ""
        case "boolean":
            return "true" if value else "false"
        case "number":
            return number_text(value)
        case "string":
            return value
        case "array":
            return "Array"
    return "Object"


def fold(text: str) -> str:
    """Upper case one by one, as an ordinal comparison does."""
    return "".join(fold_letter(letter) for letter in text)


def fold_letter(letter: str) -> str:
    """No letter becomes two, and no other letter becomes one of ASCII, as `ı` would."""
    upper = letter.upper()
    return letter if len(upper) > 1 or (upper.isascii() and not letter.isascii()) else upper


def coerced(left: Value, right: Value) -> tuple[Value, Value]:
    """Both sides of a comparison made one kind, where GitHub does so."""
    kinds = kind(left), kind(right)
    if kinds[0] == kinds[1]:
        return left, right
    if kinds in (("number", "string"), ("string", "number")):
        return to_number(left), to_number(right)
    if kinds[0] in ("boolean", "null"):
        return coerced(to_number(left), right)
    if kinds[1] in ("boolean", "null"):
        return coerced(left, to_number(right))
    return left, right


def equals(left: Value, right: Value) -> bool:
    left, right = coerced(left, right)
    if kind(left) != kind(right):
        return False
    if kind(left) == "string":
        return fold(left) == fold(right)
    if not is_primitive(left):
        return left is right
    return left == right


def less(left: Value, right: Value) -> bool:
    left, right = coerced(left, right)
    if kind(left) != kind(right):
        return False
    if kind(left) == "string":
        return fold(left) < fold(right)
    return kind(left) in ("number", "boolean") and left < right


def member(container: Value, name: Value) -> Value:
    """`container[name]`: null where there is none, as on GitHub."""
    if isinstance(container, dict) and is_primitive(name):
        return dict_member(container, to_string(name))
    if isinstance(container, list) and kind(name) in ("number", "boolean", "null", "string"):
        index = to_number(name)
        if 0 <= index < len(container):
            return container[int(index)]
    return None


def dict_member(container: dict, name: str) -> Value:
    if name in container:
        return container[name]
    if not isinstance(container, CaseSensitive):
        for key, value in container.items():
            if fold(str(key)) == fold(name):
                return value
    if isinstance(container, Documented):
        raise ExpressionError(f"the context {container.name} has no {name}")
    return None


def to_json(value: Value) -> str:
    return json.dumps(whole_numbers(value), indent=2, ensure_ascii=False)


def whole_numbers(value: Value) -> Value:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {str(key): whole_numbers(item) for key, item in value.items()}
    return value


def from_json(text: str) -> Value:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise EvaluationError(f"fromJSON: {error}: {text[:200]!r}") from error
