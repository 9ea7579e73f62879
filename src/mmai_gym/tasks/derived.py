"""Derived tables (see `sources.derived`) whose rows are computed one by one, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from mmai_gym.contracts import DataError
from mmai_gym.sources.derived import derived_table
from mmai_gym.workers import Outcome, WorkerPool

_SECONDS_PER_ITEM = 60.0
_WORTH_A_POOL = 3_000  # starting workers costs as much as this many molecules


def derived_column(name: str, version: str, inputs: Sequence[str], function: Callable[[str], Any]) -> list[Any]:
    """`function` of each input, computed where the table is not on disk yet; of many inputs on all cores.

    Args:
        function: importable, returns what JSON can hold.

    Raises:
        DataError: an input could not be computed; the message names it.
    """
    return derived_table(name, version, inputs, lambda: list(_computed(name, inputs, function)))


def _computed(name: str, inputs: Sequence[str], function: Callable[[str], Any]) -> Iterator[Any]:
    with ExitStack() as held:
        if len(inputs) < _WORTH_A_POOL:
            outcomes: Iterator[Outcome] = map(partial(_outcome, function), inputs)
        else:
            pool = WorkerPool(function, workers=os.cpu_count() or 1, seconds=_SECONDS_PER_ITEM)
            outcomes = held.enter_context(pool).map(inputs)
        for item, outcome in zip(inputs, outcomes, strict=True):
            if outcome.error is not None:
                raise DataError(f"cannot compute {name} of {item!r}: {outcome.error} {outcome.detail}".rstrip())
            yield outcome.value


def _outcome(function: Callable[[str], Any], item: str) -> Outcome:
    try:
        return Outcome(function(item))
    except Exception as error:
        return Outcome(error="error", detail=f"{type(error).__name__}: {error}")
