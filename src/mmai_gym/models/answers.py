"""What an endpoint has answered, kept by a hash of the request: nothing is asked, or paid for, twice."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmai_gym.contracts import DataError
from mmai_gym.sources import cache_dir

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answer (request TEXT PRIMARY KEY, text TEXT NOT NULL, read INTEGER, written INTEGER, "
    "at TEXT DEFAULT CURRENT_TIMESTAMP) WITHOUT ROWID"
)
_BUSY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What all answers of an endpoint took: their number, and the tokens that the server says it read and wrote."""

    answers: int
    read: int
    written: int

    def dollars(self, price: tuple[float, float]) -> float:
        """The cost at a price per million tokens read and written."""
        return (self.read * price[0] + self.written * price[1]) / 1e6


class Answers:
    """The answers of one model at one address, in a file of the cache; for any number of threads.

    The file holds neither questions nor keys: a request is there as its SHA-256.
    """

    def __init__(self, model: str, url: str) -> None:
        digest = hashlib.sha256(f"{model}\n{url}".encode()).hexdigest()[:12]
        stem = re.sub(r"[^\w.-]+", "-", model)[:60]
        self.path: Path = cache_dir() / "endpoints" / f"{stem}-{digest}.sqlite"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, request: Mapping[str, Any]) -> str | None:
        """The text that answered a request before, or None."""
        with self._database() as database:
            row = database.execute("SELECT text FROM answer WHERE request = ?", (_key(request),)).fetchone()
        return None if row is None else str(row[0])

    def put(self, request: Mapping[str, Any], text: str, usage: Mapping[str, Any]) -> None:
        """Keep the text that answers a request, and what the server says of its length."""
        # A lone surrogate, which JSON can hold and a file cannot, is no part of any answer.
        text = text.encode("utf-8", "replace").decode()
        row = _key(request), text, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        with self._database() as database:
            database.execute(
                "INSERT OR REPLACE INTO answer (request, text, read, written) VALUES (?, ?, ?, ?)", row
            )
            database.commit()

    def spent(self) -> Spent:
        """Over all answers that are kept."""
        totals = "SELECT count(*), coalesce(sum(read), 0), coalesce(sum(written), 0) FROM answer"
        with self._database() as database:
            return Spent(*database.execute(totals).fetchone())

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                if self._connection is None:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
                    self._connection.execute(_SCHEMA)
                yield self._connection
        except (sqlite3.Error, OSError) as error:
            raise DataError(
                f"cannot use {self.path}: {error}. Make room there, or point MMAI_GYM_CACHE elsewhere; deleting the file "
                "means asking again"
            ) from error


def _key(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
