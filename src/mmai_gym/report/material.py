"""What a report is made of: tables and results out of run records, and the training log of the run folder.

Everything is read here once; the room's other files only turn it into markup. The records are what a report is about,
so a damaged one stops it; a damaged training log costs only the curve, and the page says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmai_gym import bench, tasks
from mmai_gym.bench.table import run_name
from mmai_gym.contracts import CheckpointError, DataError, Estimate, Result, Task
from mmai_gym.lfm.checkpoint import IN_RUN, read_card
from mmai_gym.records import RunRecord, file_sha256
from mmai_gym.training import read_log

LOG = "log.jsonl"


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
        """The model's results by task, in the order of the suite; of several fits the first one's."""
        names = [contest.task for contest in family.contests]
        found = (
            (name, self.results.get((model, name), self.results.get((run_name(model, 1), name)))) for name in names
        )
        return {name: results for name, results in found if results is not None}

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
class TrainingCurve:
    """A training log as curves over the tokens seen in the whole run."""

    loss: Sequence[tuple[float, float]]
    """(tokens, nats per supervised token)"""
    validation: Sequence[tuple[float, float]]
    stages: Sequence[tuple[float, str]]
    """Where each stage begins; empty for a single stage."""
    speeds: Sequence[float]
    """Tokens per second."""
    wall_seconds: float | None


@dataclass(frozen=True, slots=True)
class Training:
    """What a run folder tells about the training; `card` is the checkpoint's own, {} where it has none."""

    curve: TrainingCurve | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()

    @property
    def parameters(self) -> int | None:
        """Of the network, tied weights counted once."""
        found = self.card.get("parameters")
        return found if isinstance(found, int) else None

    @property
    def recipe(self) -> str:
        """The recipe's name, '' where it is unknown."""
        recipe = self.card.get("recipe")
        return str(recipe.get("name", "")) if isinstance(recipe, dict) else ""


def read_training(run_folder: Path | None) -> Training:
    """The curve and the card of a run folder; what cannot be read is left out and complained of."""
    if run_folder is None:
        return Training()
    complaints: list[str] = []
    curve: TrainingCurve | None = None
    card: Mapping[str, Any] = {}
    try:
        curve = read_curve(run_folder)
    except DataError as error:
        complaints.append(str(error))
    try:
        card = read_card(run_folder / IN_RUN)
    except CheckpointError as error:
        complaints.append(str(error))
    return Training(curve, card, tuple(complaints))


def read_curve(run_folder: Path) -> TrainingCurve | None:
    """The training curve of a run folder, None where it has no log (a baseline, or somebody else's checkpoint).

    Raises:
        DataError: a line of the log is damaged.
    """
    lines = read_log(run_folder / LOG)
    if not lines:
        return None
    tokens = _tokens_by_step(lines)
    stages: list[tuple[float, str]] = []
    for before, line in zip([None, *lines], lines, strict=False):
        stage = str(line.get("stage", ""))
        if before is None or stage != str(before.get("stage", "")):
            stages.append((tokens(before["step"]) if before else 0.0, stage))

    def curve(name: str) -> list[tuple[float, float]]:
        pairs = ((tokens(line["step"]), _number(line.get(name))) for line in lines)
        return [(x, y) for x, y in pairs if math.isfinite(y)]

    return TrainingCurve(
        loss=curve("loss"),
        validation=curve("validation_loss"),
        stages=stages if len(stages) > 1 else [],
        speeds=[speed for _, speed in curve("tokens_per_second")],
        wall_seconds=max((seconds for _, seconds in curve("wall_seconds")), default=None),
    )


def _tokens_by_step(lines: Sequence[Mapping[str, Any]]) -> Callable[[float], float]:
    """Tokens seen at a step of the run. Validation lines log none, so they are read off the training lines."""
    known = [(line["step"], _number(line.get("tokens"))) for line in lines]
    known = [(0, 0.0), *((step, seen) for step, seen in known if math.isfinite(seen))]
    steps, seen = zip(*known, strict=True)
    return lambda step: float(np.interp(step, steps, seen))


def _number(value: Any) -> float:
    """A logged value as a float, NaN for anything that is not a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
