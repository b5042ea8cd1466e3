"""A run that outpace drives, seen from the script's own loop."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, List, NoReturn, Optional, Type, TypeVar

from . import _tensors
from ._endless import endless
from ._link import Link, ProtocolError, Start, described
from ._predict import Predict, Predictor
from ._tensors import Model

T = TypeVar("T")

GRACE_S = 0.5
"""Time between the end of a loop and its report, in which an exception reaches the top."""

NO_MODEL = (
    "steps() was given no model to save: say steps(..., model=model), "
    "or start(..., with_model=False) to compare losses alone"
)
NOT_A_MODEL = "the model is a {} and has no state_dict(), which a torch.nn.Module has"
STARTED_TWICE = "a flat script trains once in a process and cannot start again; serve() can"
NO_LOSS = "step {} called no outpace_step.loss(...)"
ENDED = (
    "the training loop ended at step {}, outpace asked for more: "
    "raise max_iters, or whatever ends the loop"
)
NEVER_REACHED = "the script ended before it reached the loop over outpace_step.steps()"
OUTPACE_GONE = "outpace closed the connection"


class Driven:
    """A run that outpace drives."""

    def __init__(self, with_model: bool, predict: Optional[Predict] = None) -> None:
        self.losses: List[Any] = []  # of the step in progress
        self._finished = False  # outpace said stop, or was told of an error
        self._step = 0  # the one in progress, or the last one
        self._looping = False
        self._with_model = with_model
        self._predictor = None if predict is None else Predictor(predict)
        self._perturb_ulps = 0
        self._checkpoint: Optional[str] = None  # whose model is to be asked
        self._process = os.getpid()
        self._link = Link()
        self._shown_before = sys.excepthook
        sys.excepthook = self._on_exception
        atexit.register(self._on_exit)

    def begin(self, tokens: Optional[int], flops: Optional[float], size: Optional[int]) -> Start:
        """Says hello and waits for the seeds."""
        can = ["save", "perturb"] if self._with_model else []
        can += ["predict"] if self._predictor else []
        can += ["resume"] if self._predictor and self._with_model else []
        self._link.hello(can, tokens_per_step=tokens, flops_per_token=flops, parameters=size)
        ask = self._hear()
        if ask.get("type") != "start":
            self.fail(f"`{ask.get('type')}` before `start`")
        start = Start.of(ask)
        self._perturb_ulps = start.perturb_ulps
        self._checkpoint = ask.get("checkpoint")
        return start

    def steps(self, items: Iterable[T], model: Optional[Model]) -> Iterator[T]:
        """Yields the items of the steps that outpace asks for."""
        self._get_ready(model)
        goes_on = endless(items)
        while True:
            turn = []
            for _ in range(self._next_turn(model)):
                self.losses.clear()
                self._step += 1
                try:
                    yield next(goes_on)
                except GeneratorExit:
                    self._left()
                    raise
                turn.append(self._reported())
            self._finish_turn(turn)

    def _get_ready(self, model: Optional[Model]) -> None:
        if self._looping:
            self.ended()
        self._looping = True
        if model is None and self._with_model:
            self.fail(NO_MODEL)
        if model is not None and not hasattr(model, "state_dict"):
            self.fail(NOT_A_MODEL.format(type(model).__name__))
        if model is not None and self._perturb_ulps:
            _tensors.perturb(model, self._perturb_ulps)
        if model is not None and self._checkpoint is not None:
            _tensors.load(model, self._checkpoint)
        _tensors.synchronize()
        self._link.say({"type": "ready"})

    def _next_turn(self, model: Optional[Model]) -> int:
        """Answers what is asked between two turns; returns the steps of the next one."""
        while True:
            ask = self._hear()
            kind = ask.get("type")
            if kind == "step":
                return int(ask["n"])
            if kind == "start":
                self.fail(STARTED_TWICE)
            if kind == "save" and model is not None:
                _tensors.save(model, ask["path"])
                self._link.say({"type": "saved"})
            elif kind == "predict" and self._predictor is not None:
                self._predictor.answer(ask, model)
                self._link.say({"type": "predicted"})
            else:
                self.fail(f"unknown request `{kind}`")

    def _left(self) -> None:
        """The script left its loop: by `break`, or by an exception, which is a better message. It
        can neither be seen nor stopped from here, so it gets a moment to be told first."""
        timer = threading.Timer(GRACE_S, self.tell, [ENDED.format(self._step)])
        timer.daemon = True
        timer.start()

    def _reported(self) -> List[Any]:
        if not self.losses:
            self.fail(NO_LOSS.format(self._step))
        return self.losses.copy()

    def _finish_turn(self, turn: List[List[Any]]) -> None:
        _tensors.synchronize()
        # Read after the last step: reading a tensor waits for its device.
        losses = [sum(map(float, step)) / len(step) for step in turn]
        self._link.done(self._step, losses)

    def _hear(self) -> Dict[str, Any]:
        """The next request. Exits where there is none, or where it is to stop."""
        ask = self._link.hear()
        if ask is not None and ask.get("type") != "stop":
            return ask
        self._finished = True
        # Exits from inside the loop, so that nothing behind it runs: a long evaluation, say.
        raise SystemExit(OUTPACE_GONE if ask is None else 0)

    def ended(self) -> NoReturn:
        """Fails because the script left its loop."""
        self.fail(ENDED.format(self._step))

    def fail(self, message: str) -> NoReturn:
        """Tells outpace and ends the script."""
        self.tell(f"{ProtocolError.__name__}: {message}")
        raise ProtocolError(message)

    def tell(self, message: str) -> None:
        """Tells outpace of an error, the first one only. A forked child has nothing to tell."""
        if self._finished or os.getpid() != self._process:
            return
        self._finished = True
        try:
            self._link.error(message)
        except OSError:
            pass  # outpace has gone; the traceback is shown all the same

    def _on_exception(
        self, kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]
    ) -> None:
        self.tell(described(error))
        self._shown_before(kind, error, trace)

    def _on_exit(self) -> None:
        self.tell(ENDED.format(self._step) if self._step else NEVER_REACHED)
        self._link.close()
