"""Two records on the examples they share: the paired difference of each task's headline.

Two models that answered the same examples share their difficulty, so the difference is far better known than the
two intervals suggest. A headline is resampled through the columns it is made of (labels and values, or hits);
before it is trusted, those columns must reproduce the task's own number on both records. Where they do not, the
mean score of the first answer is compared instead, and the row says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym import stats, tasks
from mmai_gym.bench.rendering import estimate_as_json, number
from mmai_gym.contracts import Estimate, Reason, Result, Task, UsageError
from mmai_gym.records import RunRecord

Floats = npt.NDArray[np.float64]
SCORE = "score of the first answer"
_ERRORS = ("mae", "mse", "rmse")
_VALUE_METRICS = (*_ERRORS, "pearson", "spearman", "concordance_index", "rm2")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first` minus `second` on `metric`, over the examples that both have decided."""

    task: str
    metric: str
    first_model: str
    second_model: str
    first: float
    second: float
    difference: Estimate
    p_value: float

    @property
    def better(self) -> str:
        """The model that is better with a 95 % interval that excludes zero; '' where neither is."""
        d = self.difference
        if math.isnan(d.low) or d.low <= 0.0 <= d.high:
            return ""
        return self.first_model if (d.low > 0.0) == d.higher_is_better else self.second_model

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; an undefined number is null."""
        return {
            "task": self.task,
            "metric": self.metric,
            "first": {"model": self.first_model, "value": _finite(self.first)},
            "second": {"model": self.second_model, "value": _finite(self.second)},
            "difference": estimate_as_json(self.difference),
            "p_value": _finite(self.p_value),
            "better": self.better,
        }


def compare(first: str | Path, second: str | Path) -> list[Comparison]:
    """Compare the models of two records (not their baselines), task by task in the order of the first.

    Raises:
        DataError: a record cannot be read, or the data it answers are not here.
        UsageError: the records have no example in common.
    """
    a, b = RunRecord.read(first), RunRecord.read(second)
    names = [str(record.header.config["model"]) for record in (a, b)]
    if names[0] == names[1]:
        names = [f"{name} ({Path(path).stem})" for name, path in zip(names, (first, second), strict=True)]
    mine, others = (
        {task: results for (who, task), results in record.results(tasks.get).items() if who == model}
        for record, model in ((a, str(a.header.config["model"])), (b, str(b.header.config["model"])))
    )
    found: list[Comparison] = []
    for name in mine:
        pairs = _shared(mine[name], others.get(name, []))
        if pairs:
            found.append(_compare(tasks.get(name), [p[0] for p in pairs], [p[1] for p in pairs], names))
    if not found:
        raise UsageError(f"{first} and {second} have no example in common; compare records of the same suite")
    return found


def render_comparison(rows: Sequence[Comparison]) -> str:
    """One line per task, as plain text."""
    lines = [f"first: {rows[0].first_model}", f"second: {rows[0].second_model}", ""]
    width = max(len(row.task) for row in rows)
    for row in rows:
        d = row.difference
        verdict = f"{row.better} is better" if row.better else "no difference shown"
        lines.append(
            f"{row.task:{width}}  {row.metric}: {number(row.first)} - {number(row.second)} = {number(d.value)} "
            f"({number(d.low)}..{number(d.high)}), p {number(row.p_value)}, n {d.n}: {verdict}"
        )
    return "\n".join(lines)


def _shared(mine: Sequence[Result], others: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Pairs of results on the same example, where both first answers have a verdict."""
    by_id = {result.example.id: result for result in others}
    pairs = [(result, by_id[result.example.id]) for result in mine if result.example.id in by_id]
    return [pair for pair in pairs if all(side.verdicts and side.first.score is not None for side in pair)]


def _compare(task: Task, first: list[Result], second: list[Result], names: Sequence[str]) -> Comparison:
    for metric, statistic, columns in (*_candidates(task.headline), (SCORE, _mean, _scores)):
        try:
            (truth, a), (_, b) = columns(first), columns(second)
        except (TypeError, ValueError):
            continue
        values = float(statistic(truth, a)), float(statistic(truth, b))
        if metric != SCORE and not _reproduces(task, metric, (first, second), values):
            continue
        better = metric not in _ERRORS
        shared = task.clusters(first)
        difference = stats.paired_difference(statistic, truth, a, b, clusters=shared, higher_is_better=better)
        return Comparison(task.name, metric, names[0], names[1], *values, difference.estimate, difference.p_value)
    raise UsageError(f"{task.name} has no results to compare")


Columns = Callable[[Sequence[Result]], tuple[Floats, Floats]]
"""From results to (truth, prediction), two arrays of shape (n,)."""


def _candidates(headline: str) -> list[tuple[str, stats.Metric, Columns]]:
    """Ways in which a headline of that name may come out of single results; the right one reproduces its value."""
    metric = getattr(stats, headline, None)
    if headline in _VALUE_METRICS and metric is not None:
        return [(headline, metric, _values)]
    if headline in ("auroc", "auprc") and metric is not None:
        return [(headline, metric, _beliefs)]
    return [(headline, _mean, _first_hits), (headline, _mean, _any_hits), (headline, _mean, _scores)]


def _reproduces(
    task: Task, metric: str, sides: tuple[list[Result], list[Result]], values: tuple[float, float]
) -> bool:
    official = [task.score(side)[metric].value for side in sides]
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(official, values, strict=True))


def _mean(truth: Floats, prediction: Floats) -> float:
    return float(np.mean(prediction)) if len(prediction) else math.nan


def _values(results: Sequence[Result]) -> tuple[Floats, Floats]:
    gold = np.array([float(result.example.gold) for result in results])
    return gold, np.array([result.prediction.value for result in results], dtype=np.float64)


def _beliefs(results: Sequence[Result]) -> tuple[Floats, Floats]:
    gold = np.array([float(result.example.gold == "yes") for result in results])
    return gold, np.array([(result.prediction.probabilities or {}).get("yes", math.nan) for result in results])


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
