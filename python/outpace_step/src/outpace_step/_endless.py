"""What a driven loop runs over: an iterable that goes on for as long as outpace asks."""

from __future__ import annotations

import itertools
from typing import Any, Iterable, Iterator

from ._link import ProtocolError

ONE_PASS = (
    "the iterable of steps() ended after {} items and cannot begin again: give steps() the data "
    "loader itself, as in enumerate(steps(loader)), or let the iterable be longer"
)


def endless(iterable: Iterable[Any]) -> Iterator[Any]:
    """Counts on where a range ends, and begins again with anything else, as the next epoch does.

    Raises `ProtocolError` where neither is possible.
    """
    # Ranges in steps of one count steps. Others are places in the data, which has an end.
    if isinstance(iterable, range) and iterable.step == 1:
        return itertools.count(iterable.start)
    return _again_and_again(iterable)


def _again_and_again(iterable: Iterable[Any]) -> Iterator[Any]:
    count = 0
    while True:
        before = count
        items = iter(iterable)
        for item in items:
            yield item
            count += 1
        # An iterator is its own iterator, and would be empty from now on.
        if count == before or items is iterable:
            raise ProtocolError(ONE_PASS.format(count))
