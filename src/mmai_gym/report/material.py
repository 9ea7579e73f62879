"""What a report is made of: tables and results out of run records, and the training log of the run folder.

Everything is read here once; the rooms' other files only turn it into markup. A training log may have been cut by
a kill or hold a NaN loss: such lines are counted and named on the page, they do not stop the report.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmai_gym import bench, tasks
from mmai_gym.contracts import Estimate, Result, Task
from mmai_gym.records import RunRecord, file_sha256

LOG = "log.jsonl"
_WEIGHTS = Path("checkpoint") / "model.safetensors"
_MAX_WEIGHTS_HEADER = 100_000_000  # the limit of the safetensors format itself


@dataclass(frozen=True, slots=True)
class Chapter:
    """One run record: its table, its results, and how long each model took to answer."""

    key: str
    """Unique on the page; every id of the chapter begins with it."""
    file: str
    sha256: str
    table: bench.Table
    results: Mapping[tuple[str, str], Sequence[Result]]
    seconds: Mapping[str, float]
    tasks: Mapping[str, Task]

    def anchor(self, family: int) -> str:
        """The id of a family's table. By position, because a name may hold anything."""
        return f"{self.key}-family-{family + 1}"

    def of_family(self, family: bench.FamilySummary, model: str) -> dict[str, Sequence[Result]]:
        """The model's results by task, in the order of the suite."""
        names = [contest.task for contest in family.contests]
        return {name: self.results[model, name] for name in names if (model, name) in self.results}

    def estimate(self, task: str, model: str, metric: str) -> Estimate | None:
        """One number of the table, None where the table does not have it."""
        found = (r.estimate for r in self.table.rows if (r.task, r.model, r.metric) == (task, model, metric))
        return next(found, None)


def read_chapter(record: Path, key: str) -> Chapter:
    """Everything the report says about one record.

    Raises:
        DataError: the record cannot be read, or the data it answers are not here.
        UsageError: it answers a task that this gym does not have.
    """
    opened = RunRecord.read(record)
    seconds: dict[str, float] = {}
    for row in opened.rows():
        seconds[row.model] = seconds.get(row.model, 0.0) + (row.seconds or 0.0)
    results = opened.results(tasks.get)
    named = {name: tasks.get(name) for _, name in results}
    return Chapter(key, record.name, file_sha256(record), bench.table(record), results, seconds, named)


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """The readable lines of a training log, and how many were not."""

    lines: Sequence[Mapping[str, Any]]
    unreadable: int

    @property
    def axis(self) -> str:
        """What progress is measured in: tokens where they are logged, steps elsewhere."""
        return "tokens" if any("tokens" in line for line in self.lines) else "step"

    def curve(self, name: str) -> list[tuple[float, float]]:
        """(progress, value) of every line that has both as finite numbers."""
        pairs = ((_number(line.get(self.axis)), _number(line.get(name))) for line in self.lines)
        return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]

    def stages(self) -> list[tuple[float, str]]:
        """Where each stage begins; empty for a single stage."""
        found: list[tuple[float, str]] = []
        for line in self.lines:
            at, name = _number(line.get(self.axis)), line.get("stage")
            if name is not None and math.isfinite(at) and (not found or found[-1][1] != str(name)):
                found.append((at, str(name)))
        return found if len(found) > 1 else []


def read_log(run_folder: Path) -> TrainingLog | None:
    """The training log of a run folder, None where it has none (a baseline, or somebody else's checkpoint)."""
    path = run_folder / LOG
    if not path.is_file():
        return None
    lines: list[Mapping[str, Any]] = []
    unreadable = 0
    with path.open(encoding="utf-8", errors="replace") as stream:
        for text in stream:
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict):
                lines.append(line)
            else:
                unreadable += 1
    return TrainingLog(lines, unreadable)


def parameter_count(run_folder: Path) -> int | None:
    """Parameters of the run's checkpoint, from the header of its weights file; None where that cannot be read.

    A safetensors file begins with a little-endian 64-bit length and a JSON object of tensor names and shapes, so
    the count needs neither torch nor the weights. Tied embeddings are stored, and counted, once.
    """
    try:
        with (run_folder / _WEIGHTS).open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _MAX_WEIGHTS_HEADER:
                return None
            header = json.loads(stream.read(length))
            return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError):
        return None


def _number(value: Any) -> float:
    """A logged value as a float, NaN for anything that is not a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
