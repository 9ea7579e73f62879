"""One public data set in memory at a time.

Loaders and tasks keep the rows they have read, since the same rows are asked for again and again while one task is
worked on. But an audit, a listing or a large suite walks over fifty data sets, and all of them together do not fit into
a laptop. Work goes data set by data set, so a process keeps what it has read of the last one and drops it when another
is asked for. The embedded set, which is small and everywhere, is not kept here.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_lock = threading.RLock()
_kept: dict[tuple[Any, ...], Any] = {}
_current = ""


def kept(dataset: str | Callable[..., str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep what a function returns, by its (hashable) arguments, for as long as its data set is the one last asked for.

    Args:
        dataset: its name, or what tells the name from the arguments.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def reader(*args: P.args, **kwargs: P.kwargs) -> R:
            key = (function.__module__, function.__qualname__, args, tuple(sorted(kwargs.items())))
            name = dataset if isinstance(dataset, str) else dataset(*args, **kwargs)
            with _lock:
                turn_to(name)
                if key not in _kept:
                    found = function(*args, **kwargs)
                    turn_to(name)  # what was read from other sets on the way goes
                    _kept[key] = found
                return _kept[key]

        return reader

    return decorate


def turn_to(dataset: str) -> None:
    """Drop what is kept of any other data set; an empty name drops everything."""
    global _current
    with _lock:
        if dataset != _current:
            _kept.clear()
            _current = dataset


def kept_data_set() -> str:
    """The data set whose rows are in memory, or ''."""
    return _current
