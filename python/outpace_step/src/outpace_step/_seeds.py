"""Gives outpace's seeds to a script that seeds its random numbers itself, or not at all."""

from __future__ import annotations

import importlib
import numbers
import sys
from dataclasses import dataclass
from typing import Any, Callable, Iterable, List

from ._link import Start


@dataclass(frozen=True)
class Seeding:
    """A function that seeds."""

    module: str
    name: str
    limit: int
    """Seeds are below it."""

    def given(self, start: Start) -> int:
        """outpace's seed: PyTorch gets that of the model, the others that of the data."""
        return start.model_seed if self.module.startswith("torch") else start.data_seed

    def moved(self, own: Any, start: Start) -> int:
        """outpace's seed plus the script's own: equal ones stay equal, others differ."""
        number = int(own) if isinstance(own, numbers.Integral) else 0
        return (self.given(start) + number) % self.limit


SEEDINGS = (
    Seeding("random", "seed", 2**63),
    Seeding("numpy.random", "seed", 2**32),
    Seeding("torch", "manual_seed", 2**63),
    Seeding("torch.cuda", "manual_seed", 2**63),
    Seeding("torch.cuda", "manual_seed_all", 2**63),
)

KEYWORDS = ("seed", "a")
"""How these functions name their argument."""


def import_early(names: Iterable[str]) -> None:
    """Imports the packages whose seeding functions are to be replaced."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # the script says so itself, with its own traceback


class Seeds:
    """Stands in front of the seeding functions and asks `begin` for the seeds at the first call."""

    def __init__(self, begin: Callable[[], Start]) -> None:
        self._begin = begin
        self._inside = False
        self._seed_all: List[Callable[[], Any]] = []
        for seeding in SEEDINGS:
            module = sys.modules.get(seeding.module)
            if module is not None and hasattr(module, seeding.name):
                replaced = self._replaced(seeding, getattr(module, seeding.name))
                setattr(module, seeding.name, replaced)
                self._seed_all.append(replaced)

    def seed_all(self) -> None:
        """Seeds everything, for a script that does not do that itself."""
        for seed in self._seed_all:
            seed()

    def _replaced(self, seeding: Seeding, original: Callable[..., Any]) -> Callable[..., Any]:
        def seed(own: Any = None, *more: Any, **named: Any) -> Any:
            for keyword in KEYWORDS:
                own = named.pop(keyword, own)
            if self._inside:  # torch.manual_seed calls torch.cuda.manual_seed_all
                return original(own, *more, **named)
            start = self._begin()
            self._inside = True
            try:
                return original(seeding.moved(own, start), *more, **named)
            finally:
                self._inside = False

        return seed
