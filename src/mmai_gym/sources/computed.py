"""Values of single texts that are dear to compute: features of a molecule, the template of a reaction.

Each is computed once, by killable workers on all cores, and kept in one SQLite file a function. What is done is written
every few seconds, so a run that was stopped goes on where it was, and another set that shares molecules with the first pays
for the others only. The file's name holds the function's version and RDKit's release; deleting it costs only time.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rdkit import rdBase

from mmai_gym.contracts import DataError, Progress
from mmai_gym.sources.files import cache_dir, writing_to
from mmai_gym.workers import WorkerPool, cores

_SCHEMA = "CREATE TABLE IF NOT EXISTS value (text TEXT PRIMARY KEY, value BLOB, failure TEXT) WITHOUT ROWID"
_COMMIT_SECONDS = 2.0
_PER_WORKER = 100
"""Texts that are worth the start of a worker."""
_PER_QUERY = 500
_BUSY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Computed:
    """The values of `function`, by text.

    Attributes:
        name: file name stem. version: raise it when the function changes meaning.
        function: importable; gives bytes, or None for a text that has no value.
        seconds: the longest that one text may take. A text that takes longer, or brings its process down, has no value; that
            is remembered, too.
    """

    name: str
    version: str
    function: Callable[[str], bytes | None]
    seconds: float = 60.0

    @property
    def path(self) -> Path:
        """The file, which need not be there."""
        key = "\n".join([self.name, self.version, rdBase.rdkitVersion])
        return cache_dir() / "derived" / f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.sqlite"

    def of(self, texts: Sequence[str], progress: Progress | None = None) -> dict[str, bytes | None]:
        """The value of each distinct text; None for one that has none.

        Args:
            progress: called with texts computed, texts to compute, and the name.

        Raises:
            DataError: the function raised something for a text, which is named; or the file is damaged or cannot be written.
        """
        wanted = list(dict.fromkeys(texts))
        with self._open() as database:
            found = dict(_stored(database, wanted))
            missing = [text for text in wanted if text not in found]
            found |= self._compute(database, missing, progress)
        return {text: found[text] for text in wanted}

    def _compute(
        self, database: sqlite3.Connection, missing: Sequence[str], progress: Progress | None
    ) -> Mapping[str, bytes | None]:
        made: dict[str, bytes | None] = {}
        if not missing:
            return made
        written = time.monotonic()
        workers = min(cores(), -(-len(missing) // _PER_WORKER))
        try:
            with WorkerPool(self.function, workers=workers, seconds=self.seconds) as pool:
                for text, outcome in zip(missing, pool.map(missing), strict=True):
                    if outcome.error == "error":  # a mistake of ours, not to be stored as a property of the text
                        raise DataError(f"cannot compute {self.name} of {text!r}: {outcome.detail}")
                    made[text] = outcome.value
                    row = (text, outcome.value, outcome.error)
                    database.execute("INSERT OR REPLACE INTO value VALUES (?, ?, ?)", row)
                    if time.monotonic() - written > _COMMIT_SECONDS:
                        database.commit()
                        written = time.monotonic()
                        if progress is not None:
                            progress(len(made), len(missing), self.name)
        finally:
            database.commit()
        return made

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with writing_to(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as database:
                database.execute(_SCHEMA)
                yield database
        except sqlite3.Error as error:
            raise DataError(
                f"cannot use {self.path}: {error}. Delete it, and its values are computed again; or make room there, or "
                "point MMAI_GYM_CACHE elsewhere"
            ) from error


def _stored(database: sqlite3.Connection, texts: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    for start in range(0, len(texts), _PER_QUERY):
        some = texts[start : start + _PER_QUERY]
        marks = ",".join("?" * len(some))
        yield from database.execute(f"SELECT text, value FROM value WHERE text IN ({marks})", some)
