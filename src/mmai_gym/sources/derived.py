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
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rdkit import rdBase

from mmai_gym.sources.files import cache_dir, one_at_a_time, write_atomically


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


def _stored(path: Path) -> list[Any] | None:
    try:
        return json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error):
        return None  # absent, or damaged: worth one recomputation, not an error
