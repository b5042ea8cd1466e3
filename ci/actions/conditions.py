"""What an `if:` says. Its text is an expression even without `${{ }}`."""

from expressions import STATUS_FUNCTIONS, Node, Parser, Scope, evaluate_node, pieces
from values import ExpressionError, Value, truthy


def holds(condition: Value, scope: Scope) -> bool:
    """Whether a job or step runs. Without a status function it needs success() as well."""
    node = Parser(expression_of(condition)).parse()
    if not calls_status(node):
        node = ("and", ("call", "success", []), node)
    return truthy(evaluate_node(node, scope))


def expression_of(condition: Value) -> str:
    if condition is None or condition == "":
        return "success()"
    if isinstance(condition, bool):
        return "true" if condition else "false"
    if not isinstance(condition, str):
        raise ExpressionError(f"if: {condition!r} is not an expression")
    parts = pieces(condition.strip())
    if not any(is_expression for is_expression, _ in parts):
        return condition
    if len(parts) > 1:
        # GitHub makes this a text, which is always true: never what its author meant.
        raise ExpressionError(f"if: text around an expression is always true: {condition!r}")
    return parts[0][1]


def calls_status(node: Node) -> bool:
    if node[0] == "call" and node[1].lower() in STATUS_FUNCTIONS:
        return True
    return any(calls_status(part) for part in node[1:] if isinstance(part, tuple)) or any(
        calls_status(part) for parts in node[1:] if isinstance(parts, list) for part in parts)
