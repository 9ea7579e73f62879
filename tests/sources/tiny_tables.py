"""Small made-up files in the place of those of a data set, with a manifest that fits what was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from mmai_gym.sources import memory, tables
from mmai_gym.sources.manifest import Dataset, File


def place(
    loader: ModuleType, texts: Mapping[str, str | bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let `loader` read the given texts, by key of the file; nothing that was read before is remembered."""
    files = []
    for key, text in texts.items():
        data = text if isinstance(text, bytes) else text.encode()
        path = folder / f"{key}.csv"
        path.write_bytes(data)
        files.append(
            File(
                dataset="tiny",
                key=key,
                repository="owner/repo",
                commit="0" * 40,
                path=path.name,
                sha256="0" * 64,
                bytes=len(data) or 1,
                rows=data.count(b"\n") - 1,
                licence="MIT",
            )
        )
    described = Dataset(name="tiny", title="t", citation="c", terms="t", files=tuple(files))
    monkeypatch.setattr(loader, "dataset", lambda name: described)
    monkeypatch.setattr(tables, "path_of", lambda file: folder / file.path)
    memory.turn_to("")
