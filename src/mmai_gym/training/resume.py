"""Which of a stage's saved states can be trusted after a kill.

A state is a folder of several files, so there is a moment at which some are written and some are not. The last
file to be written is a seal with the size of all the others. A folder without it, or whose files have other
sizes, is what a killed process left: it is ignored and removed, and training goes on from the state before.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

SEAL = "sealed.json"


def seal(folder: Path, meter: dict[str, float]) -> None:
    """Declare the state in `folder` complete. `meter` is kept with it."""
    # Sharded weights and optimizer states lie in folders of their own.
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    for name in sizes:
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
    partial = folder / f".{SEAL}.partial"
    with partial.open("w", encoding="utf-8") as stream:
        json.dump({"files": sizes, "meter": meter}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / SEAL)


def latest(folder: Path) -> Path | None:
    """The sealed state with the most steps, or None."""
    return max(filter(_is_sealed, folder.glob("checkpoint-*")), key=step_of, default=None)


def remove_unsealed(folder: Path) -> None:
    """Delete what a killed process left half written."""
    for state in folder.glob("checkpoint-*"):
        if not _is_sealed(state):
            shutil.rmtree(state)


def step_of(state: Path) -> int:
    """The number of steps after which a state was saved."""
    return int(state.name.rpartition("-")[2])


def meter_of(state: Path) -> dict[str, float]:
    """What `seal` was given."""
    return _read(state)["meter"]


def _is_sealed(state: Path) -> bool:
    sizes = _read(state).get("files")
    if not sizes:
        return False
    return all((state / name).is_file() and (state / name).stat().st_size == size for name, size in sizes.items())


def _read(state: Path) -> dict[str, Any]:
    try:
        return json.loads((state / SEAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
