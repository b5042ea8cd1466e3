"""`strategy.matrix`: which runs one job is, with include and exclude as GitHub documents them."""

import itertools
from typing import Any

from values import equals
from workflow_file import WorkflowError

Combination = dict[str, Any]


def combinations(matrix: Any) -> list[Combination]:
    """One entry a run of the job; a job without a matrix is one run with nothing in it."""
    if matrix is None:
        return [{}]
    if not isinstance(matrix, dict):
        raise WorkflowError(f"strategy.matrix is not a mapping: {matrix!r}")
    axes = {name: values for name, values in matrix.items() if name not in ("include", "exclude")}
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise WorkflowError(f"strategy.matrix.{name} is not a list with values")
    product = [dict(zip(axes, picked)) for picked in itertools.product(*axes.values())]
    runs = [run for run in (product if axes else [])
            if not any(matches(run, out) for out in matrix.get("exclude") or [])]
    include(runs, matrix.get("include") or [], axes)
    if not runs:
        raise WorkflowError("strategy.matrix has no combination")
    return runs


def matches(run: Combination, wanted: Combination) -> bool:
    return all(name in run and same(run[name], value) for name, value in wanted.items())


def same(left: Any, right: Any) -> bool:
    return left == right or equals(left, right)


def include(runs: list[Combination], extra: list[Combination], axes: dict[str, Any]) -> None:
    """Each entry is added to the runs that it does not contradict; if there is none, as a run."""
    originals = [dict(run) for run in runs]
    for entry in extra:
        fitting = [run for run, original in zip(runs, originals)
                   if all(same(original[name], entry[name]) for name in entry if name in axes)]
        for run in fitting:
            run.update(entry)
        if not fitting:
            runs.append(dict(entry))


def title(name: str, run: Combination) -> str:
    values = [str(value) for value in run.values() if not isinstance(value, (dict, list))]
    return f"{name} ({', '.join(values)})" if values else name
