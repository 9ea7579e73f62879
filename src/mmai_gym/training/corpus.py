"""The frozen corpus: what a stage learns from, as four flat files and a manifest (format version 1).

Tokenising is done once and apart from training, so that the bytes a model saw can be named by a checksum, read
by any tool with `numpy.memmap`, and used again.

    tokens.bin    uint16  token ids of all rows, one after the other
    mask.bin      uint8   1 where the token is supervised, same length
    offsets.bin   int64   row i is tokens[offsets[i]:offsets[i + 1]]; n_rows + 1 numbers
    tasks.bin     uint16  per row, the index of its task in the manifest
    corpus.json           what the rows were made from, counts per task, size and sha256 of each file

Numbers are little-endian. `Corpus` reads; `building` writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from mmai_gym.contracts import DataError
from mmai_gym.records import file_sha256

FORMAT_VERSION = 1
MANIFEST = "corpus.json"
DTYPES = {"tokens.bin": "<u2", "mask.bin": "u1", "offsets.bin": "<i8", "tasks.bin": "<u2"}


class TaskCount(BaseModel):
    """What one task gave to a corpus."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str
    rows: int = 0
    """Rows that open with a question of this task; a row may ask more than one."""
    questions: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    too_long: int = 0
    """Rows left out because they have more than `max_length` tokens."""


class FileCheck(BaseModel):
    """Size in bytes and sha256 of one file."""

    model_config = ConfigDict(extra="forbid")

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """`corpus.json`. `made_from` holds all that decides the bytes: two corpora made from the same are the same."""

    model_config = ConfigDict(extra="forbid")

    version: int
    split: str
    made_from: dict[str, Any]
    libraries: dict[str, str]
    tasks: list[TaskCount]
    files: dict[str, FileCheck]

    @property
    def counts(self) -> dict[str, int]:
        """Rows, tokens, supervised tokens and left-out rows over all tasks."""
        return {
            key: sum(getattr(task, key) for task in self.tasks)
            for key in ("rows", "tokens", "supervised_tokens", "too_long")
        }


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk, memory-mapped. `tokens` and `mask` have shape (n_tokens,), `tasks` (n_rows,)."""

    folder: Path
    manifest: Manifest
    tokens: npt.NDArray[np.uint16]
    mask: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.uint16]

    @staticmethod
    def open(folder: str | Path) -> Corpus:
        """Map the files of a corpus after comparing their sizes with the manifest.

        Raises:
            DataError: no corpus is there, it is of another format version, or a file is missing or cut short.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        for name in DTYPES:
            check, path = manifest.files.get(name), folder / name
            found = path.stat().st_size if path.is_file() else None
            if check is None or found is None:
                raise damaged(folder, f"{name} is missing")
            if found != check.bytes:
                raise damaged(folder, f"{name} has {found} bytes instead of {check.bytes}")
        tokens, mask, offsets, tasks = (_map(folder / name, dtype) for name, dtype in DTYPES.items())
        corpus = Corpus(folder, manifest, tokens, mask, offsets, tasks)
        if not len(tokens) == len(mask) == offsets[-1] or len(offsets) != len(tasks) + 1:
            raise damaged(folder, "its files do not fit together")
        return corpus

    def verify(self) -> None:
        """Compare every file with its sha256. Raises DataError naming the first that differs."""
        for name, check in self.manifest.files.items():
            if file_sha256(self.folder / name) != check.sha256:
                raise damaged(self.folder, f"{name} does not have the sha256 of its manifest")

    def __len__(self) -> int:
        return len(self.tasks)

    def row(self, index: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """Token ids and loss mask of one row."""
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return self.tokens[part], self.mask[part]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens per row, shape (n_rows,)."""
        return np.diff(self.offsets)

    @property
    def supervised(self) -> npt.NDArray[np.int64]:
        """Supervised tokens per row, shape (n_rows,)."""
        if not len(self):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.mask, self.offsets[:-1], dtype=np.int64)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{folder} holds no corpus ({MANIFEST} is missing); build it with `mmai-gym data build RECIPE`"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.get("version") if isinstance(data, dict) else None
        if version != FORMAT_VERSION:
            raise DataError(
                f"{folder} has corpus format {version!r}, this gym reads {FORMAT_VERSION}; "
                "delete it and build it again"
            )
        return Manifest.model_validate(data)
    except (ValueError, ValidationError) as error:
        raise damaged(folder, f"{MANIFEST} cannot be read ({error})") from error


def damaged(folder: Path, fault: str) -> DataError:
    """The error for a corpus that cannot be used as it is."""
    return DataError(f"the corpus in {folder} is damaged: {fault}; delete the folder and run the command again")


def _map(path: Path, dtype: str) -> npt.NDArray[Any]:
    # An empty file cannot be mapped.
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)
