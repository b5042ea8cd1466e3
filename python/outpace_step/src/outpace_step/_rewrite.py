"""Lets the training loop of a script ask outpace whether to go on.

Works on the syntax tree: line numbers stay what they are in the file.
"""

from __future__ import annotations

import ast
from typing import Optional

from ._find import AnyLoop, last_name

RUNTIME = "__outpace_step__"
"""The name under which the rewritten script finds what it calls."""

TOKENS = "tokens"
"""The name under which an expression for predictions finds the token ids."""

PASS_THROUGH = ("enumerate", "tqdm")
"""Calls that can be iterated once, over an argument that can be iterated again."""


def rewrite(
    tree: ast.Module,
    loop: AnyLoop,
    loss: str,
    model: Optional[str],
    predict: Optional[str] = None,
) -> None:
    """Changes the tree so that the loop runs over what `RUNTIME` gives it.

        for batch in LOADER:    becomes    for batch in RUNTIME.steps(LOADER, loss, model):
        while CONDITION:        becomes    while CONDITION and RUNTIME.again(loss, model):

    and RUNTIME.ended() stands behind it. `loss` and `model` are expressions, passed as functions,
    and so is `predict`, as a function of `tokens`, if there is one.
    """
    head = loop.test if isinstance(loop, ast.While) else loop.iter
    read = f"lambda: ({loss}), lambda: ({model or None})"
    if predict:
        read += f", lambda {TOKENS}: ({predict})"
    if isinstance(loop, ast.While):
        both = ast.BoolOp(ast.And(), [loop.test, _call(f"again({read})", head)])
        loop.test = ast.copy_location(both, head)
    else:
        _wrap_iterable(loop, _call(f"steps({read})", head))
    ended = ast.copy_location(ast.Expr(_call("ended()", head)), head)
    _put_behind(tree, loop, ended)


def _call(text: str, place: ast.expr) -> ast.Call:
    """A call of the runtime, in the line of the loop."""
    call = ast.parse(f"{RUNTIME}.{text}", mode="eval").body
    assert isinstance(call, ast.Call)
    for node in ast.walk(call):
        ast.copy_location(node, place)
    return call


def _wrap_iterable(loop: ast.For, steps: ast.Call) -> None:
    around: Optional[ast.Call] = None
    inner = loop.iter
    while isinstance(inner, ast.Call) and inner.args and last_name(inner.func) in PASS_THROUGH:
        around, inner = inner, inner.args[0]
    steps.args.insert(0, inner)
    if around is None:
        loop.iter = steps
    else:
        around.args[0] = steps


def _put_behind(tree: ast.Module, loop: AnyLoop, statement: ast.stmt) -> None:
    for parent in ast.walk(tree):
        for _, body in ast.iter_fields(parent):
            if isinstance(body, list) and loop in body:
                body.insert(body.index(loop) + 1, statement)
                return
