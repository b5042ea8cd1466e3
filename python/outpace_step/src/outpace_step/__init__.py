"""Lets outpace drive a training script over the Unix socket in OUTPACE_SOCKET (the step protocol, version 1).

    class Run:
        def __init__(self, ask: outpace_step.Start): ...   # a fresh model and fresh data from the seeds in `ask`
        def step(self): ...                                # trains one step, returns its loss in nats a token

    if outpace_step.driven():
        outpace_step.serve(Run, tokens_per_step=4096)
"""

from __future__ import annotations

import json
import math
import os
import socket
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Protocol, SupportsFloat

__all__ = ["PROTOCOL", "SOCKET_VARIABLE", "ProtocolError", "Run", "Start", "driven", "serve"]

PROTOCOL = 1
"""The version of the protocol that this module speaks."""

SOCKET_VARIABLE = "OUTPACE_SOCKET"
"""The variable that holds the path of the socket."""


class ProtocolError(Exception):
    """The other side asked for something that is not in the protocol, or not yet possible."""


@dataclass(frozen=True)
class Start:
    """What a run begins from. Equal values must give equal losses."""

    model_seed: int
    """Seed of the initial weights, 0 to 2**53 - 1."""
    data_seed: int
    """Seed of the training data, 0 to 2**53 - 1."""
    perturb_ulps: int = 0
    """Move every initial weight by so many units in the last place; 0 unless the run declares `perturbs`."""


class Run(Protocol):
    """A run in progress. It may also have `save(path: str)`, `finish()`, and on its class `perturbs = True`."""

    def step(self) -> SupportsFloat:
        """Trains one step and returns its loss in nats a token, before the update."""


def driven() -> bool:
    """Whether outpace started this process."""
    return bool(os.environ.get(SOCKET_VARIABLE))


def serve(
    start: Callable[[Start], Run],
    *,
    tokens_per_step: Optional[int] = None,
    flops_per_token: Optional[float] = None,
    parameters: Optional[int] = None,
) -> None:
    """Does what outpace asks until it says stop.

    `start` makes a run; a class serves as well as a function. Raises `ProtocolError` where the protocol is broken, `OSError` where
    the socket fails, and whatever `start` and the run raise, after outpace was told.
    """
    can = [
        ability
        for ability, there in (
            ("save", hasattr(start, "save")),
            ("perturb", bool(getattr(start, "perturbs", False))),
        )
        if there
    ]
    hello: Dict[str, Any] = {"type": "hello", "protocol": PROTOCOL, "can": can}
    stated = {"tokens_per_step": tokens_per_step, "flops_per_token": flops_per_token, "parameters": parameters}
    hello.update({name: value for name, value in stated.items() if value is not None})

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(os.environ[SOCKET_VARIABLE])
        with link.makefile("rw", encoding="utf-8", newline="\n") as lines:

            def say(message: Dict[str, Any]) -> None:
                lines.write(json.dumps(message, allow_nan=False) + "\n")
                lines.flush()

            say(hello)
            try:
                _answer(start, lines, say)
            except Exception as error:
                say({"type": "error", "message": f"{type(error).__name__}: {error}"[:400]})
                raise


def _answer(start: Callable[[Start], Run], lines: Any, say: Callable[[Dict[str, Any]], None]) -> None:
    run: Optional[Run] = None
    steps = 0
    for line in lines:
        ask = json.loads(line)
        kind = ask.get("type")
        if kind == "start":
            run, steps = None, 0  # the old one is freed before the new one is made
            run = start(Start(ask["model_seed"], ask["data_seed"], ask.get("perturb_ulps") or 0))
            say({"type": "ready"})
        elif kind == "stop":
            return
        elif kind not in ("step", "save"):
            raise ProtocolError(f"unknown request `{kind}`")
        elif run is None:
            raise ProtocolError(f"`{kind}` before `start`")
        elif kind == "step":
            losses = _turn(run, ask["n"])
            steps += ask["n"]
            say({"type": "done", "step": steps, "losses": losses})
        else:
            run.save(ask["path"])  # type: ignore[attr-defined]
            say({"type": "saved"})


def _turn(run: Run, n: int) -> List[Optional[float]]:
    losses = [run.step() for _ in range(n)]
    finish = getattr(run, "finish", None)
    if finish is not None:
        finish()
    # Read after the last step: reading a tensor waits for its device.
    values = [float(loss) for loss in losses]
    return [value if math.isfinite(value) else None for value in values]
