"""Lets outpace drive a training script over the Unix socket in OUTPACE_SOCKET (the step protocol,
version 1).

    seeds = outpace_step.start(tokens_per_step=4096)         # before model and data are made
    torch.manual_seed(seeds.model_seed)
    for step in outpace_step.steps(range(1000), model=model):
        ...                                                  # trains one step, as before
        outpace_step.loss(loss)                              # in nats a token

A script that nobody drives does what it did without these lines. `python3 -m outpace_step train.py`
drives a script that has none of them. For a trainer that is a class there is `serve`.
"""

from ._link import PROTOCOL, SOCKET_VARIABLE, ProtocolError, Start, driven
from ._pull import loss, start, steps
from ._push import Run, serve

__all__ = [
    "PROTOCOL",
    "SOCKET_VARIABLE",
    "ProtocolError",
    "Run",
    "Start",
    "driven",
    "loss",
    "serve",
    "start",
    "steps",
]
