"""The connection to outpace: messages out, requests in. It knows no model and no loop."""

from __future__ import annotations

import json
import math
import os
import socket
from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence

PROTOCOL = 1
"""The version of the protocol that this module speaks."""

SOCKET_VARIABLE = "OUTPACE_SOCKET"
"""The variable that holds the path of the socket."""

MAX_MESSAGE = 400
"""Characters of an error that outpace shows."""


class ProtocolError(Exception):
    """The other side asked for something that is not in the protocol, or not yet possible, or the
    script uses this module in a way that cannot work."""


@dataclass(frozen=True)
class Start:
    """What a run begins from. Equal values must give equal losses."""

    model_seed: int
    """Seed of the initial weights, 0 to 2**53 - 1."""
    data_seed: int
    """Seed of the training data, 0 to 2**53 - 1."""
    perturb_ulps: int = 0
    """Move every initial weight by so many units in the last place; `steps` does that itself, and
    `serve` asks for it only if the run declares `perturbs`."""

    @classmethod
    def of(cls, request: Dict[str, Any]) -> Start:
        """What a `start` request holds."""
        ulps = request.get("perturb_ulps") or 0
        return cls(request["model_seed"], request["data_seed"], ulps)


def driven() -> bool:
    """Whether outpace started this process."""
    return bool(os.environ.get(SOCKET_VARIABLE))


class Link:
    """The socket that outpace named."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(os.environ[SOCKET_VARIABLE])
        self._lines = self._socket.makefile("rw", encoding="utf-8", newline="\n")

    def hello(self, can: Sequence[str], **stated: Optional[float]) -> None:
        """Says which abilities there are, and those figures that are known."""
        known = {name: value for name, value in stated.items() if value is not None}
        self.say({"type": "hello", "protocol": PROTOCOL, "can": list(can), **known})

    def say(self, message: Dict[str, Any]) -> None:
        """Sends one message."""
        self._lines.write(json.dumps(message, allow_nan=False) + "\n")
        self._lines.flush()

    def done(self, step: int, losses: Sequence[float]) -> None:
        """Answers a `step` request. JSON has no NaN: such a loss is sent as null."""
        values = [loss if math.isfinite(loss) else None for loss in losses]
        self.say({"type": "done", "step": step, "losses": values})

    def error(self, message: str) -> None:
        """Says that the run failed."""
        self.say({"type": "error", "message": message[:MAX_MESSAGE]})

    def hear(self) -> Optional[Dict[str, Any]]:
        """The next request, or None where outpace has gone."""
        line = self._lines.readline()
        return json.loads(line) if line else None

    def close(self) -> None:
        """Ends the connection."""
        self._lines.close()
        self._socket.close()


def described(error: BaseException) -> str:
    """An exception as outpace is told of it."""
    return f"{type(error).__name__}: {error}"
