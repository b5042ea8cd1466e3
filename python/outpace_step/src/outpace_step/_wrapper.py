"""Runs a script that knows nothing of outpace, its training loop rewritten."""

from __future__ import annotations

import ast
import builtins
import itertools
import os
import sys
import types
from dataclasses import dataclass, replace
from typing import Any, Callable, Iterable, Iterator, List, Optional

from . import _find, _pull, _rewrite
from ._link import ProtocolError, Start, driven
from ._predict import Predict
from ._seeds import Seeds, import_early

USUAL_MODEL = "model"
"""The variable that is saved if it is there and no other is named."""

OWN_PACKAGE = "outpace_step"

SEEDED = {"numpy", "torch"}
"""Packages with seeding functions, imported early if the script imports them anyway."""

NO_VALUE = "{} `{}` has no value here: {}"

Read = Callable[[], Any]
"""Reads a variable of the script."""


@dataclass(frozen=True)
class Options:
    """What the command line says; expressions are Python, with the script's variables."""

    script: str
    arguments: List[str]
    tokens_per_step: Optional[str] = None
    loss: Optional[str] = None
    model: Optional[str] = None
    """Empty for no model."""
    predict: Optional[str] = None
    """With `tokens` as a variable. None or empty for no predictions."""
    loop: Optional[str] = None


def run(options: Options, tree: ast.Module) -> None:
    """Runs the script of this tree as `__main__`. Raises `NotFound` where it is not clear what its
    loop or its loss is, and whatever the script raises."""
    sys.argv = [options.script, *options.arguments]
    path = os.path.abspath(options.script)
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(path)
    module = types.ModuleType("__main__")
    vars(module).update(__file__=path, __builtins__=builtins)
    # A revision that calls start() and steps() itself is left alone.
    if OWN_PACKAGE not in _find.imported(tree):
        vars(module)[_rewrite.RUNTIME] = _rewritten(options, tree, path)
    code = compile(tree, path, "exec", dont_inherit=True)
    # Pickle and multiprocessing look for the script's classes there.
    sys.modules["__main__"] = module
    exec(code, vars(module))


def _rewritten(options: Options, tree: ast.Module, path: str) -> Runtime:
    """Rewrites the tree; returns what it then calls."""
    loop = _find.find_loop(tree, options.loop)
    loss = options.loss or _find.find_loss(loop)
    model = options.model
    if model is None and _find.assigns(tree, loop, USUAL_MODEL):
        model = USUAL_MODEL
    if not driven():
        found = f"loop in line {loop.node.lineno}, loss `{loss}`, model `{model or ''}`"
        print(f"outpace_step: {found}", file=sys.stderr)
    packages = _find.imported(tree) & SEEDED
    _rewrite.rewrite(tree, loop.node, loss, model, options.predict)
    return Runtime(replace(options, script=path, loss=loss, model=model), sorted(packages))


class Runtime:
    """What the rewritten script calls. Does nothing where outpace does not drive."""

    def __init__(self, options: Options, packages: Iterable[str]) -> None:
        self._options = options
        self._start: Optional[Start] = None
        self._turns: Optional[Iterator[int]] = None
        self._logits: Optional[Predict] = None  # known once the loop is reached
        if driven():
            import_early(["random", *packages])
            self._seeds = Seeds(self._begin)
            if not self._needs_variables():
                self._begin()

    def _needs_variables(self) -> bool:
        tree = ast.parse(self._options.tokens_per_step or "0", mode="eval")
        return any(isinstance(node, ast.Name) for node in ast.walk(tree))

    def _begin(self) -> Start:
        """The seeds. Asked for at the start, or by the script's first seeding, because then its
        variables can say how many tokens a step has."""
        if self._start is None:
            tokens = self._options.tokens_per_step
            self._start = _pull.start(
                tokens_per_step=self._count(tokens) if tokens else None,
                with_model=bool(self._options.model),
                predict=self._predict if self._options.predict else None,
            )
            self._seeds.seed_all()
        return self._start

    def _count(self, expression: str) -> int:
        """An expression with the variables of the script where it is now."""
        frame: Optional[types.FrameType] = sys._getframe()
        while frame is not None and frame.f_code.co_filename != self._options.script:
            frame = frame.f_back
        names = (frame.f_globals, frame.f_locals) if frame else ({}, {})
        return int(_read(lambda: eval(expression, *names), "--tokens-per-step", expression))

    def steps(
        self, items: Iterable[Any], loss: Read, model: Read, logits: Optional[Predict] = None
    ) -> Iterable[Any]:
        """What a `for` loop runs over."""
        return self._steps(items, loss, model, logits) if driven() else items

    def again(self, loss: Read, model: Read, logits: Optional[Predict] = None) -> bool:
        """Whether a `while` loop may take another step. True, or the process exits."""
        if driven():
            self._turns = self._turns or self._steps(itertools.count(), loss, model, logits)
            next(self._turns)
        return True

    def _steps(
        self, items: Iterable[Any], loss: Read, model: Read, logits: Optional[Predict]
    ) -> Iterator[Any]:
        self._begin()
        self._logits = logits
        trained = _read(model, "--model", self._options.model)
        for item in _pull.steps(items, model=trained):
            yield item
            _pull.loss(_read(loss, "--loss", self._options.loss))

    def _predict(self, tokens: Any) -> Any:
        assert self._logits is not None, "outpace asks inside the loop only"
        try:
            return self._logits(tokens)
        except NameError as error:
            message = NO_VALUE.format("--predict", self._options.predict, error)
            raise ProtocolError(message) from error

    def ended(self) -> None:
        """The script left its loop."""
        _pull.ended()


def _read(read: Read, option: str, expression: Optional[str]) -> Any:
    try:
        return read()
    except (NameError, AttributeError) as error:
        raise ProtocolError(NO_VALUE.format(option, expression, error)) from None
