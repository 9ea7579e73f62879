"""Identities of molecules, computed once and kept on disk: one file per data set and kind of identity.

An InChIKey takes about half a millisecond, and an audit asks for most of a million, many of them again and again: the
22 ADMET endpoints share molecules, and so do all questions about one. A file maps SMILES to identity. It holds for one
release of RDKit, grows with what is asked, and may be deleted at any time.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rdkit import rdBase

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import canonical_set, connectivity, sketch
from mmai_gym.sources import cache_dir, write_atomically
from mmai_gym.tasks import BaseTask
from mmai_gym.workers import WorkerPool, cores

_CHUNK = 200
_WORTH_A_POOL = 1_000  # starting workers costs as much as this many molecules
_SECONDS_PER_CHUNK = 120.0

Identify = Callable[[list[str]], list[str | None]]


def skeletons(smiles: list[str]) -> list[str | None]:
    """First block of the InChIKey of each; None where a structure has none."""
    return [_or_none(connectivity, text) for text in smiles]


def sketches(smiles: list[str]) -> list[str | None]:
    """What molecules of one skeleton share, of each; None where a structure has no skeleton."""
    return [_or_none(sketch, text) for text in smiles]


def sides(smiles: list[str]) -> list[str | None]:
    """Canonical SMILES of each side of a reaction, parts sorted, atom maps removed; None where it cannot be read."""
    return [_or_none(canonical_set, text) for text in smiles]


def _or_none(function: Callable[[str], str], text: str) -> str | None:
    try:
        return function(text)
    except InvalidMolecule:
        return None


def datasets_of(task: BaseTask) -> frozenset[str]:
    """The data sets that a task's rows come from; where it names none, its family stands for one."""
    return frozenset(task.sources or (task.family,))


def dataset_name(task: BaseTask) -> str:
    """The name under which the molecules of a task are kept: that of its data sets."""
    return "+".join(sorted(datasets_of(task)))


class Keys:
    """Identities of one kind, of one data set at a time: asking for another drops what is held of the last.

    Args:
        identify: importable, pure; `skeletons`, `sketches` or `sides`.
        version: raised when `identify` gives something else for the same text.
    """

    def __init__(self, identify: Identify, version: str = "1") -> None:
        self._identify = identify
        self._stem = f"{identify.__name__}-{version}"
        self._pool = WorkerPool(identify, workers=cores(), seconds=_SECONDS_PER_CHUNK)
        self._path = Path()
        self._known: dict[str, str | None] = {}

    def of(self, dataset: str, smiles: Sequence[str]) -> list[str | None]:
        """The identity of each, in order; what is new is computed on all cores and stored."""
        path = cache_dir() / "derived" / f"{self._stem}-{dataset}-rdkit-{rdBase.rdkitVersion}.json.gz"
        if path != self._path:
            self._path, self._known = path, _stored(path)
        new = [text for text in dict.fromkeys(smiles) if text not in self._known]
        if new:
            self._known |= zip(new, self._computed(new), strict=True)
            write_atomically(path, gzip.compress(json.dumps(self._known).encode(), 1, mtime=0))
        return [self._known[text] for text in smiles]

    def _computed(self, smiles: list[str]) -> Iterable[str | None]:
        return self._identify(smiles) if len(smiles) < _WORTH_A_POOL else self._pooled(smiles)

    def _pooled(self, smiles: list[str]) -> Iterator[str | None]:
        chunks = [smiles[start : start + _CHUNK] for start in range(0, len(smiles), _CHUNK)]
        for chunk, outcome in zip(chunks, list(self._pool.map(chunks)), strict=True):
            if outcome.error is None:
                yield from outcome.value
            else:  # one molecule took the worker down: the others of its chunk are not to blame
                for single in self._pool.map([text] for text in chunk):
                    yield single.value[0] if single.error is None else None


def _stored(path: Path) -> dict[str, str | None]:
    try:
        found = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error):
        return {}  # absent or damaged: worth one computation, not an error
    return found if isinstance(found, dict) else {}
