"""Derived tables (see `sources.derived`) whose rows are computed one by one, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mmai_gym.contracts import DataError
from mmai_gym.sources.derived import derived_table
from mmai_gym.workers import WorkerPool

_SECONDS_PER_ITEM = 60.0


def derived_column(name: str, version: str, inputs: Sequence[str], function: Callable[[str], Any]) -> list[Any]:
    """`function` of each input, computed on all cores where the table is not on disk yet.

    Args:
        function: importable, returns what JSON can hold.

    Raises:
        DataError: an input could not be computed; the message names it.
    """
    return derived_table(name, version, inputs, lambda: list(_computed(name, inputs, function)))


def _computed(name: str, inputs: Sequence[str], function: Callable[[str], Any]) -> Iterator[Any]:
    with WorkerPool(function, workers=os.cpu_count() or 1, seconds=_SECONDS_PER_ITEM) as pool:
        for item, outcome in zip(inputs, pool.map(inputs), strict=True):
            if outcome.error is not None:
                raise DataError(f"cannot compute {name} of {item!r}: {outcome.error} {outcome.detail}".rstrip())
            yield outcome.value
