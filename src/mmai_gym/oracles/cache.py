"""What a model has computed before: in memory, and on disk for several processes at once.

Both are caches and nothing else: the file is named after the model's name, version and checksum, so that a row is never
read for another model than the one that computed it, and deleting the folder costs only time. A damaged, locked or full
disk costs time too, and never a run.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmai_gym.sources.files import cache_dir

REMEMBERED = 50_000
"""Molecules that a model keeps in memory: some 20 MB where it has thirty properties."""

_AT_ONCE = 500
"""Texts in one question to the file; SQLite of old allowed 999."""
_PATIENCE = 1.0
"""Seconds that a process waits for another one that writes; then it goes on without the file."""


class Row(NamedTuple):
    """What a model says of one molecule: a value per property, NaN for none, and why there is none."""

    values: tuple[float, ...]
    reason: str = ""


class Memory:
    """The rows asked for last."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._rows: OrderedDict[str, Row] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, smiles: Sequence[str]) -> dict[str, Row]:
        """The rows that are here, by SMILES."""
        found = {}
        with self._lock:
            for text in smiles:
                if (row := self._rows.get(text)) is not None:
                    found[text] = row
                    self._rows.move_to_end(text)
        return found

    def keep(self, rows: Mapping[str, Row]) -> None:
        """Take rows in; those not asked for the longest go."""
        with self._lock:
            self._rows.update(rows)
            while len(self._rows) > self._size:
                self._rows.popitem(last=False)


class Disk:
    """The rows of one model in the cache folder, in a file that several processes may read and write at once.

    Worth it for models that take longer than the file does (about 0.02 ms a molecule).

    Args:
        name: file name stem; holds the model's name, version and checksum.
        width: number of properties. A row of another length is none.
    """

    def __init__(self, name: str, width: int) -> None:
        self._name = name
        self._width = width
        self._lock = threading.Lock()
        self._opened: tuple[str, int, sqlite3.Connection] | None = None

    def find(self, smiles: Sequence[str]) -> dict[str, Row]:
        """The rows that are in the file, by SMILES."""
        found: dict[str, Row] = {}
        with self._lock, contextlib.suppress(sqlite3.Error, OSError):
            connection = self._connection()
            for start in range(0, len(smiles), _AT_ONCE):
                texts = smiles[start : start + _AT_ONCE]
                marks = ",".join("?" * len(texts))
                query = f"SELECT smiles, row_values, reason FROM computed WHERE smiles IN ({marks})"
                for text, values, reason in connection.execute(query, texts):
                    if len(values) == 8 * self._width:
                        found[text] = Row(tuple(np.frombuffer(values, "<f8").tolist()), reason)
        return found

    def keep(self, rows: Mapping[str, Row]) -> None:
        """Write rows in one transaction."""
        entries = [(text, np.array(row.values, "<f8").tobytes(), row.reason) for text, row in rows.items()]
        with self._lock, contextlib.suppress(sqlite3.Error, OSError):
            connection = self._connection()
            with connection:
                connection.executemany("INSERT OR IGNORE INTO computed VALUES (?, ?, ?)", entries)

    def _connection(self) -> sqlite3.Connection:
        """Of this process (a fork may not use its parent's) and of the cache folder that is set now."""
        path = cache_dir() / "oracles" / f"{self._name}.sqlite"
        if self._opened is not None and self._opened[:2] == (str(path), os.getpid()):
            return self._opened[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
        # Readers and a writer do not wait for each other, no row waits for the disk, and a power cut leaves the file whole.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS computed (smiles TEXT PRIMARY KEY, row_values BLOB, reason TEXT) WITHOUT ROWID"
        )
        self._opened = (str(path), os.getpid(), connection)
        return connection
