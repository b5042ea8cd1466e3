"""A language of 32 symbols, in which each one depends on the one before."""

import bisect
import itertools
import math
import random

SYMBOLS = 32


def _table():
    draw = random.Random("the language")
    rows = [[draw.random() ** 4 for _ in range(SYMBOLS)] for _ in range(SYMBOLS)]
    return [[weight / sum(row) for weight in row] for row in rows]


TABLE = _table()


def _stationary():
    share = [1 / SYMBOLS] * SYMBOLS
    for _ in range(64):
        share = [sum(s * row[j] for s, row in zip(share, TABLE)) for j in range(SYMBOLS)]
    return share


STATIONARY = _stationary()
ENTROPY = -sum(s * p * math.log(p) for s, row in zip(STATIONARY, TABLE) for p in row)

_SUMS = [list(itertools.accumulate(row)) for row in TABLE]
_FIRST = list(itertools.accumulate(STATIONARY))


def text(seed, length):
    """`length` symbols. Equal seeds give equal texts."""
    draw = random.Random(seed).random
    sums, symbols = _FIRST, []
    for _ in range(length):
        symbol = min(bisect.bisect(sums, draw()), SYMBOLS - 1)
        symbols.append(symbol)
        sums = _SUMS[symbol]
    return symbols
