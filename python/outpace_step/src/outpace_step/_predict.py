"""Answers `predict`: ln p of the tokens of a text, from logits that a function of the script gives.

Nothing is learnt from the text, and the model stays as it is.
"""

from __future__ import annotations

import array
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Dict, List, Optional

from . import _safetensors, _tensors
from ._link import ProtocolError

Predict = Callable[[Any], Any]
"""Gets token ids, (passages, length), and returns logits, (passages, length, symbols)."""

TOKENS_AT_ONCE = 4096
"""Tokens of one call, or one passage if that is longer: logits of 50,000 symbols are 0.8 GB in f32.

All calls have the same shape, filled up with passages of zeros. outpace asks for the same passage
among few others again, and on a GPU another shape may be computed by another kernel, with other
rounding; a compiled model would be compiled again."""

UNSIGNED = "I"
"""An array of unsigned numbers of 32 bits."""

NO_PACKAGE = "predict needs PyTorch or numpy, and neither is installed"
NO_PASSAGE = "predict: {} passages of {} tokens: there must be at least 1 of each"
WRONG_SIZE = "predict: {}: {} bytes instead of {}, which are {} passages of {} + 1 tokens"
WRONG_PLACES = "predict: `at` has to be one position below {} for each of the {} passages"
UNKNOWN_TOKEN = "predict: the text has token {}, and the model's symbols are 0 to {}"
NOT_LOGITS = (
    "predict returned a {}, not logits: a tensor or an array of shape (passages, length, symbols)"
)
WRONG_SHAPE = (
    "predict returned logits of shape {} for tokens of shape {}: it has to be ({}, {}, {}), "
    "one value for every symbol at every position"
)


class Predictor:
    """Answers with what a function of the script returns."""

    def __init__(self, function: Predict) -> None:
        self._function = function
        self._symbols: Optional[int] = None  # known from the first logits on

    def answer(self, request: Dict[str, Any], model: Any) -> None:
        """Does what a `predict` request asks for. A `model` that is a torch.nn.Module is in
        evaluation mode meanwhile, and the tokens are where it is."""
        text = Text.of(request)
        at_once = max(1, TOKENS_AT_ONCE // text.length)
        with _tensors.evaluating(model):
            # A GPU would not name the token that it does not know, and end the process.
            self._check_tokens(text, at_once, model)
            with open(request["out"], "wb") as out:
                for first in range(0, text.passages, at_once):
                    last = min(first + at_once, text.passages)
                    logits = self._logits(text.inputs(first, last), at_once, text.length, model)
                    _write(out, logits[: last - first], text, first, last)

    def _check_tokens(self, text: Text, at_once: int, model: Any) -> None:
        """The first logits are of zeros, a token that every model knows."""
        if self._symbols is None:
            zeros = array.array(UNSIGNED)
            self._symbols = int(self._logits(zeros, at_once, text.length, model).shape[-1])
        greatest = max(text.ids)
        if greatest >= self._symbols:
            raise ProtocolError(UNKNOWN_TOKEN.format(greatest, self._symbols - 1))

    def _logits(self, ids: array.array[int], passages: int, length: int, model: Any) -> Any:
        """Of some passages, and of zeros behind them."""
        ids.frombytes(bytes(4 * (passages * length - len(ids))))
        logits = self._function(_tokens(ids, passages, model))
        if not hasattr(logits, "shape"):
            raise ProtocolError(NOT_LOGITS.format(type(logits).__name__))
        shape = tuple(logits.shape)
        symbols = self._symbols or (shape[-1] if shape else 0)
        if symbols < 1 or shape != (passages, length, symbols):
            expected = (passages, length, self._symbols or "symbols")
            raise ProtocolError(WRONG_SHAPE.format(shape, (passages, length), *expected))
        return logits


@dataclass(frozen=True)
class Text:
    """Passages of a text."""

    ids: array.array[int]
    """`length` + 1 tokens each, one passage after the other."""
    passages: int
    length: int
    at: Optional[List[int]]
    """The position in each passage after which all symbols are asked for."""

    @classmethod
    def of(cls, request: Dict[str, Any]) -> Text:
        """What a `predict` request names. Raises `ProtocolError` where it does not fit together."""
        path, passages, length = request["text"], request["passages"], request["length"]
        if passages < 1 or length < 1:
            raise ProtocolError(NO_PASSAGE.format(passages, length))
        at = request.get("at")
        if at is not None:
            if len(at) != passages or not all(0 <= place < length for place in at):
                raise ProtocolError(WRONG_PLACES.format(length, passages))
        with open(path, "rb") as file:
            data = file.read()
        expected = 4 * passages * (length + 1)
        if len(data) != expected:
            message = WRONG_SIZE.format(path, len(data), expected, passages, length)
            raise ProtocolError(message)
        return cls(array.array(UNSIGNED, data), passages, length, at)

    def inputs(self, first: int, last: int) -> array.array[int]:
        """The tokens of some passages that something follows."""
        return self._shifted(first, last, 0)

    def targets(self, first: int, last: int) -> array.array[int]:
        """What follows them."""
        return self._shifted(first, last, 1)

    def _shifted(self, first: int, last: int, by: int) -> array.array[int]:
        joined = array.array(UNSIGNED)
        for passage in range(first, last):
            begin = passage * (self.length + 1) + by
            joined.extend(self.ids[begin : begin + self.length])
        return joined


def _tokens(ids: array.array[int], passages: int, model: Any) -> Any:
    """The same as a tensor of PyTorch, if the script uses that, or an array of numpy; int64."""
    torch = sys.modules.get("torch")
    if torch is not None:
        tokens = torch.frombuffer(ids, dtype=torch.int32).to(torch.int64)
        return tokens.view(passages, -1).to(_tensors.device(model))
    try:
        import numpy  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ProtocolError(NO_PACKAGE) from None
    return numpy.frombuffer(ids, numpy.uint32).astype(numpy.int64).reshape(passages, -1)


def _write(out: BinaryIO, logits: Any, text: Text, first: int, last: int) -> None:
    at = None if text.at is None else text.at[first:last]
    write = _write_torch if hasattr(logits, "detach") else _write_numpy
    write(out, logits, text.targets(first, last), at)


def _write_torch(
    out: BinaryIO, logits: Any, targets: array.array[int], at: Optional[List[int]]
) -> None:
    """ln p of the targets, or of all symbols at one position a passage."""
    if at is not None:
        logits = logits[list(range(len(at))), at]
    log_p = logits.detach().float().log_softmax(-1)
    if at is None:
        chosen = _tokens(targets, len(logits), None).to(log_p.device)
        log_p = log_p.gather(-1, chosen[..., None])
    _safetensors.write_bytes(out, log_p)


def _write_numpy(
    out: BinaryIO, logits: Any, targets: array.array[int], at: Optional[List[int]]
) -> None:
    """The same for what numpy can read."""
    import numpy

    logits = numpy.asarray(logits).astype(numpy.float32)
    if at is not None:
        logits = logits[list(range(len(at))), at]
    logits -= logits.max(-1, keepdims=True)
    total = numpy.exp(logits).sum(-1, keepdims=True, dtype=numpy.float64)
    log_p = logits - numpy.log(total).astype(numpy.float32)
    if at is None:
        chosen = numpy.frombuffer(targets, numpy.uint32).astype(numpy.int64)
        log_p = numpy.take_along_axis(log_p, chosen.reshape(*log_p.shape[:-1], 1), -1)
    out.write(log_p.astype("<f4").tobytes())
