"""Tables that the gym computes once from a source and keeps on disk: canonical texts, labels, reactions, matched pairs.

They are a cache and nothing else: the key is a hash of the inputs, of the table's own version and of RDKit's release,
so a table is never read for other molecules or another toolkit than those it was made with, and deleting the folder
costs only time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from rdkit import rdBase

from mmai_gym.contracts import DataError
from mmai_gym.sources.files import cache_dir, one_at_a_time, write_atomically
from mmai_gym.workers import Outcome, WorkerPool, cores

_SECONDS_PER_ITEM = 60.0
_WORTH_A_POOL = 3_000  # starting workers costs as much as this many molecules


def derived_table(
    name: str, version: str, inputs: Iterable[str], compute: Callable[[], Sequence[Any]]
) -> list[Any]:
    """The rows of `compute()`, from disk where they were computed before; another process that wants them waits.

    Args:
        name: file name stem.
        version: raise it when `compute` changes meaning.
        inputs: every text the rows depend on.
        compute: returns rows that JSON can hold.
    """
    digest = hashlib.sha256("\n".join([name, version, rdBase.rdkitVersion, *inputs]).encode()).hexdigest()[:16]
    path = cache_dir() / "derived" / f"{name}-{digest}.json.gz"
    if (rows := _stored(path)) is None:
        with one_at_a_time(path):
            if (rows := _stored(path)) is None:
                rows = list(compute())
                write_atomically(path, gzip.compress(json.dumps(rows).encode(), mtime=0))
    return rows


def derived_column(name: str, version: str, inputs: Sequence[str], function: Callable[[str], Any]) -> list[Any]:
    """`function` of each input, computed where the table is not on disk yet; of many inputs on all cores there are.

    Args:
        function: importable, returns what JSON can hold.

    Raises:
        DataError: an input could not be computed; the message names it.
    """
    return derived_table(name, version, inputs, lambda: list(_computed(name, inputs, function)))


def _stored(path: Path) -> list[Any] | None:
    try:
        return json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error):
        return None  # absent, or damaged: worth one recomputation, not an error


def _computed(name: str, inputs: Sequence[str], function: Callable[[str], Any]) -> Iterator[Any]:
    with ExitStack() as held:
        if len(inputs) < _WORTH_A_POOL or cores() == 1:
            outcomes: Iterator[Outcome] = map(partial(_outcome, function), inputs)
        else:
            pool = WorkerPool(function, workers=cores(), seconds=_SECONDS_PER_ITEM)
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
