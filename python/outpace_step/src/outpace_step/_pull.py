"""The pull API: a flat script keeps its loop, and the loop asks outpace whether to go on.

At most one run a process, because a flat script cannot begin again.
"""

from __future__ import annotations

import itertools
from typing import Any, Iterable, Optional, SupportsFloat, TypeVar, overload

from . import _tensors
from ._driven import Driven
from ._link import ProtocolError, Start, driven
from ._predict import Predict

T = TypeVar("T")

DEFAULT_SEED = 1337

NO_START = "outpace_step.start() must be called before steps(): it has the seeds"


def start(
    *,
    tokens_per_step: Optional[int] = None,
    flops_per_token: Optional[float] = None,
    parameters: Optional[int] = None,
    model_seed: int = DEFAULT_SEED,
    data_seed: int = DEFAULT_SEED,
    with_model: bool = True,
    predict: Optional[Predict] = None,
) -> Start:
    """Returns the seeds to begin from: those given here, or outpace's own where it drives.

    Call it once, before the model and the data are made. `with_model=False` says that `steps` will
    get no model: outpace then compares losses alone. `predict` says what the model as it is now
    expects of a text: it gets token ids of shape (passages, length) and returns logits of shape
    (passages, length, symbols). It is called inside the loop only, so that it may name a model that
    is made later.
    """
    global _run
    if not driven():
        return Start(model_seed, data_seed)
    if _run is not None:
        _run.fail("outpace_step.start() was called a second time")
    _run = Driven(with_model, predict)
    return _run.begin(tokens_per_step, flops_per_token, parameters)


@overload
def steps(*, model: Optional[_tensors.Model] = None) -> Iterable[int]: ...
@overload
def steps(iterable: Iterable[T], *, model: Optional[_tensors.Model] = None) -> Iterable[T]: ...
def steps(
    iterable: Optional[Iterable[Any]] = None, *, model: Optional[_tensors.Model] = None
) -> Iterable[Any]:
    """What the training loop runs over: `iterable`, or without one the numbers from 0 on.

    Where outpace drives, the loop goes on for as long as outpace asks, and the process then exits
    from inside it. A `range` in steps of one counts on beyond its end, and anything else that can
    be iterated again begins again.
    """
    items = itertools.count() if iterable is None else iterable
    if not driven():
        return items
    if _run is None:
        raise ProtocolError(NO_START)
    return _run.steps(items, model)


def loss(value: SupportsFloat) -> None:
    """Reports the loss of this step, in nats a token: a number, or a tensor that may still be on a
    device. It is read after the last step of the turn. Several of one step are averaged."""
    if _run is not None:
        _run.losses.append(_tensors.kept(value))


def ended() -> None:
    """Fails where outpace drives: the script has left its loop. For the wrapper, which knows."""
    if _run is not None:
        _run.ended()


_run: Optional[Driven] = None
