"""Two runs on the examples they share: the paired difference of each task's headline.

Two models that answered the same examples share their difficulty, so the difference is far better known than the two
intervals suggest. A headline is resampled through the columns it is made of (labels and values, or hits); before it is
trusted, those columns must reproduce the task's own number on both runs. Where they do not, the mean score of the first
answer is compared instead, and the row says so.

Who is better is decided by p-values that are adjusted for the number of tasks (Holm 1979): of 22 endpoints on which two
models are equally good, one is expected to look different at the 5 % level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym import stats, tasks
from mmai_gym.bench.rendering import estimate_as_json, number
from mmai_gym.bench.table import run_name
from mmai_gym.contracts import Estimate, Reason, Result, Task, UsageError
from mmai_gym.records import RunRecord
from mmai_gym.tasks.scoring import belief, predicted_values

Floats = npt.NDArray[np.float64]
SCORE = "score of the first answer"
LEVEL = 0.05
"""Chance of naming a better model on any task although all are equally good."""
_ERRORS = ("mae", "mse", "rmse")
_VALUE_METRICS = (*_ERRORS, "pearson", "spearman", "concordance_index", "rm2", "r2")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first` minus `second` on `metric`, over the examples that both have decided.

    The interval of `difference` and `p_value` are this task's own; `adjusted_p` allows for all tasks compared with it.
    """

    task: str
    metric: str
    first_model: str
    second_model: str
    first: float
    second: float
    difference: Estimate
    p_value: float
    adjusted_p: float

    @property
    def better(self) -> str:
        """The model that is better at the adjusted 5 % level; '' where neither is shown to be."""
        if not self.adjusted_p <= LEVEL:
            return ""
        return (
            self.first_model
            if (self.difference.value > 0.0) == self.difference.higher_is_better
            else self.second_model
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; an undefined number is null."""
        return {
            "task": self.task,
            "metric": self.metric,
            "first": {"model": self.first_model, "value": _finite(self.first)},
            "second": {"model": self.second_model, "value": _finite(self.second)},
            "difference": estimate_as_json(self.difference),
            "p_value": _finite(self.p_value),
            "adjusted_p": _finite(self.adjusted_p),
            "better": self.better,
        }


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model and its results by task, out of the records of one run."""

    name: str
    results: dict[str, list[Result]]


def contestant(records: Sequence[str | Path], model: str = "") -> Contestant:
    """What a model answered in the records of a run; the model that the run is about where none is named.

    Of a baseline that was fitted with several seeds it is the first fit, unless another is named ("baseline:boosting#3").
    A task that several records answer counts as in the first of them.

    Raises:
        DataError: a record cannot be read, or the data it answers are not here.
        UsageError: no record holds answers of that model.
    """
    found: dict[str, list[Result]] = {}
    others: dict[str, None] = {}
    for path in records:
        record = RunRecord.read(path)
        wanted = model or str(record.header.config["model"])
        for (who, task), results in record.results(tasks.get).items():
            others[who] = None
            if who in (wanted, run_name(wanted, 1)):
                found.setdefault(task, results)
    if not found:
        raise UsageError(
            f"{' and '.join(map(str, records))} {'holds' if len(records) == 1 else 'hold'} no answers of "
            f"{model or 'the model it is about'}; there are answers of: {', '.join(others) or 'nobody'}"
        )
    return Contestant(wanted, found)


def compare(first: Contestant, second: Contestant) -> list[Comparison]:
    """Compare two contestants, task by task in the order of the first.

    Raises:
        UsageError: they have no example in common.
    """
    names = [first.name, second.name]
    if names[0] == names[1]:
        names = [f"{names[0]} (first)", f"{names[1]} (second)"]
    pairs = {name: _shared(mine, second.results.get(name, [])) for name, mine in first.results.items()}
    shared = {name: found for name, found in pairs.items() if found}
    if not shared:
        raise UsageError(
            f"{names[0]} and {names[1]} have no example in common; compare runs of the same suite and limit"
        )
    # The smallest p-value that B resamples can show is 2 / (B + 1); times the number of tasks it must be below the level.
    resampling = stats.Resampling(max(1000, 100 * len(shared)))
    found = [
        _compare(tasks.get(name), [a for a, _ in rows], [b for _, b in rows], names, resampling)
        for name, rows in shared.items()
    ]
    adjusted = stats.holm([row.p_value for row in found])
    return [replace(row, adjusted_p=float(p)) for row, p in zip(found, adjusted, strict=True)]


def render_comparison(rows: Sequence[Comparison]) -> str:
    """One line per task and a summary, as plain text."""
    first, second = rows[0].first_model, rows[0].second_model
    lines = [f"first: {first}", f"second: {second}", ""]
    width = max(len(row.task) for row in rows)
    for row in rows:
        d = row.difference
        verdict = f"{row.better} is better" if row.better else "no difference shown"
        lines.append(
            f"{row.task:{width}}  {row.metric}: {number(row.first)} - {number(row.second)} = {number(d.value)} "
            f"({number(d.low)}..{number(d.high)}), p {number(row.p_value)}, adjusted {number(row.adjusted_p)}, "
            f"n {d.n}: {verdict}"
        )
    better = [sum(row.better == name for row in rows) for name in (first, second)]
    return "\n".join(
        [
            *lines,
            "",
            f"{first} is better on {better[0]} and {second} on {better[1]} of {len(rows)} tasks "
            f"(paired bootstrap, p adjusted over the tasks by Holm, {LEVEL:.0%} level)",
        ]
    )


def _shared(mine: Sequence[Result], others: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Pairs of results on the same example, where both first answers have a verdict."""
    by_id = {result.example.id: result for result in others}
    pairs = [(result, by_id[result.example.id]) for result in mine if result.example.id in by_id]
    return [pair for pair in pairs if all(side.verdicts and side.first.score is not None for side in pair)]


def _compare(
    task: Task, first: list[Result], second: list[Result], names: Sequence[str], resampling: stats.Resampling
) -> Comparison:
    for metric, statistic, columns in (*_candidates(task), (SCORE, _mean, _scores)):
        (truth, a), (_, b) = columns(first), columns(second)
        values = float(statistic(truth, a)), float(statistic(truth, b))
        if metric != SCORE and not _reproduces(task, (first, second), values):
            continue
        found = stats.paired_difference(
            statistic,
            truth,
            a,
            b,
            clusters=task.clusters(first),
            higher_is_better=metric not in _ERRORS,
            resampling=resampling,
        )
        return Comparison(task.name, metric, names[0], names[1], *values, found.estimate, found.p_value, math.nan)
    raise UsageError(f"{task.name} has no results to compare")


def headline_value(task: Task, results: Sequence[Result]) -> float:
    """The value that `task.score` gives for the headline, without the resampling behind its interval."""
    with stats.without_intervals():
        return task.score(results)[task.headline].value


Columns = Callable[[Sequence[Result]], tuple[Floats, Floats]]
"""From results to (truth, prediction), two arrays of shape (n,)."""


def _candidates(task: Task) -> list[tuple[str, stats.Metric, Columns]]:
    """Ways in which the headline may come out of single results; the right one reproduces its value."""
    headline = task.headline
    if headline in _VALUE_METRICS:
        return [(headline, getattr(stats, headline), lambda results: _values(results, task))]
    if headline in ("auroc", "auprc"):
        return [(headline, getattr(stats, headline), _beliefs)]
    return [(headline, _mean, _first_hits), (headline, _mean, _any_hits), (headline, _mean, _scores)]


def _reproduces(task: Task, sides: tuple[list[Result], list[Result]], values: tuple[float, float]) -> bool:
    official = [headline_value(task, side) for side in sides]
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(official, values, strict=True))


def _mean(truth: Floats, prediction: Floats) -> float:
    return float(np.mean(prediction)) if len(prediction) else math.nan


def _values(results: Sequence[Result], task: Task) -> tuple[Floats, Floats]:
    gold = np.array([float(result.example.gold) for result in results])
    return gold, predicted_values(results, getattr(task, "middle", math.nan))


def _beliefs(results: Sequence[Result]) -> tuple[Floats, Floats]:
    gold = np.array([float(result.example.gold == "yes") for result in results])
    return gold, np.array([belief(result, "yes") for result in results])


def _first_hits(results: Sequence[Result]) -> tuple[Floats, Floats]:
    return _alone([float(result.first.reason is Reason.CORRECT) for result in results])


def _any_hits(results: Sequence[Result]) -> tuple[Floats, Floats]:
    return _alone([float(any(v.reason is Reason.CORRECT for v in result.verdicts)) for result in results])


def _scores(results: Sequence[Result]) -> tuple[Floats, Floats]:
    return _alone([math.nan if result.first.score is None else result.first.score for result in results])


def _alone(values: list[float]) -> tuple[Floats, Floats]:
    """Per-example values that need no truth beside them."""
    return np.zeros(len(values)), np.array(values, dtype=np.float64)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
