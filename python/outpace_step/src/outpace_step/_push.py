"""The push API: outpace calls functions of the script."""

from __future__ import annotations

from typing import Callable, List, Optional, Protocol, SupportsFloat

from ._link import Link, ProtocolError, Start, described
from ._predict import Predictor


class Run(Protocol):
    """A run in progress. It may also have `save(path: str)`, `load(path: str)`, which takes the
    model of such a file, `predict(tokens)`, which returns logits, `finish()`, and on its class
    `perturbs = True`."""

    def step(self) -> SupportsFloat:
        """Trains one step and returns its loss in nats a token, before the update."""


def serve(
    start: Callable[[Start], Run],
    *,
    tokens_per_step: Optional[int] = None,
    flops_per_token: Optional[float] = None,
    parameters: Optional[int] = None,
) -> None:
    """Does what outpace asks until it says stop.

    `start` makes a run; a class serves as well as a function. Raises `ProtocolError` where the
    protocol is broken, `OSError` where the socket fails, and whatever `start` and the run raise,
    after outpace was told.
    """
    link = Link()
    try:
        link.hello(
            _abilities(start),
            tokens_per_step=tokens_per_step,
            flops_per_token=flops_per_token,
            parameters=parameters,
        )
        try:
            _answer(start, link)
        except Exception as error:
            link.error(described(error))
            raise
    finally:
        link.close()


def _abilities(start: Callable[[Start], Run]) -> List[str]:
    can = ["save"] if hasattr(start, "save") else []
    can += ["perturb"] if getattr(start, "perturbs", False) else []
    can += ["predict"] if hasattr(start, "predict") else []
    return can + (["resume"] if hasattr(start, "load") else [])


def _answer(start: Callable[[Start], Run], link: Link) -> None:
    run: Optional[Run] = None
    predictor = Predictor(lambda tokens: run.predict(tokens))  # type: ignore[union-attr]
    answered = {"step"} | ({"save", "predict"} & set(_abilities(start)))
    steps = 0
    while (ask := link.hear()) is not None:
        kind = ask.get("type")
        if kind == "start":
            run, steps = None, 0  # the old one is freed before the new one is made
            run = start(Start.of(ask))
            if "checkpoint" in ask:
                run.load(ask["checkpoint"])  # type: ignore[attr-defined]
            link.say({"type": "ready"})
        elif kind == "stop":
            return
        elif kind not in answered:
            raise ProtocolError(f"unknown request `{kind}`")
        elif run is None:
            raise ProtocolError(f"`{kind}` before `start`")
        elif kind == "step":
            losses = _turn(run, ask["n"])
            steps += ask["n"]
            link.done(steps, losses)
        elif kind == "save":
            run.save(ask["path"])  # type: ignore[attr-defined]
            link.say({"type": "saved"})
        else:
            predictor.answer(ask, getattr(run, "model", None))
            link.say({"type": "predicted"})


def _turn(run: Run, n: int) -> List[float]:
    losses = [run.step() for _ in range(n)]
    finish = getattr(run, "finish", None)
    if finish is not None:
        finish()
    # Read after the last step: reading a tensor waits for its device.
    return [float(loss) for loss in losses]
