"""Finds the training loop of a script and the loss of its steps, in the syntax tree."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Iterator, List, Optional, Set, Tuple, Union

USUAL_FUNCTIONS = ("main", "train")
"""Functions whose loop is preferred over that of others."""

MAX_LISTED = 10

SEVERAL_LOOPS = "several loops look like the training loop; choose one with --loop LINE:"
NO_LOOP = "no loop looks like the training loop; choose one with --loop LINE --loss NAME:"

AnyLoop = Union[ast.For, ast.While]


class NotFound(Exception):
    """What was looked for is not there, or there more than once. The message says what to do."""


@dataclass(frozen=True)
class Loop:
    """A loop, and the function that it is in; None at the level of the module."""

    node: AnyLoop
    function: Optional[str]

    def describe(self) -> str:
        """One line, as in a list of loops."""
        node = self.node
        if isinstance(node, ast.While):
            head = f"while {ast.unparse(node.test)}"
        else:
            head = f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
        place = f", in {self.function}()" if self.function else ""
        return f"  line {node.lineno}{place}: {head}"


def find_loop(tree: ast.Module, where: Optional[str] = None) -> Loop:
    """The training loop: the innermost one that steps an optimizer. `where` is its line, or the
    name of the function that it is in. Raises `NotFound`."""
    nodes = _with_function(tree)
    loops = [Loop(node, place) for node, place in nodes if isinstance(node, (ast.For, ast.While))]
    if where is not None:
        return _only(_at(where, loops), loops, f"there is no loop at {where}:")
    training = _training(loops)
    for is_preferred in (
        lambda loop: loop.function is None,
        lambda loop: loop.function in USUAL_FUNCTIONS,
        lambda loop: True,
    ):
        if preferred := list(filter(is_preferred, training)):
            return _only(preferred, loops, NO_LOOP)
    return _only([], loops, NO_LOOP)


def _at(where: str, loops: List[Loop]) -> List[Loop]:
    if where.isdigit():
        return [loop for loop in loops if loop.node.lineno == int(where)]
    inside = [loop for loop in loops if loop.function == where]
    return _training(inside) or inside


def _only(found: List[Loop], loops: List[Loop], none: str) -> Loop:
    if len(found) == 1:
        return found[0]
    shown = found or loops
    lines = [loop.describe() for loop in shown[:MAX_LISTED]]
    if len(shown) > MAX_LISTED:
        lines.append(f"  and {len(shown) - MAX_LISTED} more")
    what = SEVERAL_LOOPS if found else none if loops else "there is no loop"
    raise NotFound("\n".join([what, *lines]))


def _with_function(
    node: ast.AST, function: Optional[str] = None
) -> Iterator[Tuple[ast.AST, Optional[str]]]:
    """All nodes, each with the name of the function that it is in."""
    for child in ast.iter_child_nodes(node):
        yield child, function
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _with_function(child, child.name)
        else:
            yield from _with_function(child, function)


def _training(loops: List[Loop]) -> List[Loop]:
    """Loops with `.step()` in their own body and `.backward()` anywhere in it; without such, those
    with one of both in their own body. Of nested ones the innermost: the outer counts epochs."""
    found = [
        loop
        for loop in loops
        if _calls(_own(loop.node), "step") and _calls(ast.walk(loop.node), "backward")
    ]
    found = found or [
        loop
        for loop in loops
        if _calls(_own(loop.node), "step") or _calls(_own(loop.node), "backward")
    ]
    nodes = {loop.node for loop in found}
    return [loop for loop in found if not nodes & set(list(ast.walk(loop.node))[1:])]


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node but what is in a loop of its own."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (ast.For, ast.While)):
            yield from _own(child)


def _calls(nodes: Iterator[ast.AST], method: str) -> List[ast.Call]:
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    ]


def find_loss(loop: Loop) -> str:
    """What the loop calls `.backward()` on. Raises `NotFound`."""
    traced = [_traced_loss(call) for call in _calls(ast.walk(loop.node), "backward")]
    names = sorted({name for name in traced if name is not None})
    if len(names) == 1:
        return names[0]
    several = f": backward() is called on {', '.join(names)}" if names else ""
    line = loop.node.lineno
    raise NotFound(f"the loop in line {line} has no single loss{several}; name it with --loss NAME")


def _traced_loss(call: ast.Call) -> Optional[str]:
    """`loss` of loss.backward(), scaler.scale(loss).backward(), accelerator.backward(loss)."""
    assert isinstance(call.func, ast.Attribute)
    names = [_traced(node) for node in (call.func.value, *call.args)]
    known = [name for name in names if name is not None]
    return next((name for name in known if "loss" in name), known[0] if known else None)


def _traced(node: ast.expr) -> Optional[str]:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return ast.unparse(node)
    if isinstance(node, ast.BinOp):  # (loss / micro_batches).backward()
        return _traced(node.left)
    if isinstance(node, ast.Call) and node.args and last_name(node.func) == "scale":
        return _traced(node.args[0])
    return None


def assigns(tree: ast.Module, loop: Loop, name: str) -> bool:
    """Whether a variable of this name gets its value in the function of the loop or outside of
    all functions."""
    return any(
        name == (node.arg if isinstance(node, ast.arg) else node.id)
        for node, function in _with_function(tree)
        if isinstance(node, ast.arg)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        if function in (None, loop.function)
    )


def imported(tree: ast.Module) -> Set[str]:
    """The packages that a script imports."""
    names: Set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def last_name(function: ast.expr) -> str:
    """`tqdm` of tqdm.auto.tqdm."""
    return ast.unparse(function).rpartition(".")[2]
