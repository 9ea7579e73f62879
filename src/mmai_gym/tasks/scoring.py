"""From Results to the metrics of each kind of answer, every one an Estimate.

Undecided verdicts (None) never count as wrong: they are left out here and counted in the table. A model that gives no
usable number is not let off: the middle of the training labels stands in, and `method` says how often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym import stats
from mmai_gym.contracts import Estimate, Reason, Result

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats, Floats], float]
Clusters = Callable[[Sequence[Result]], Sequence[Any] | None]
"""`Task.clusters`."""

# The metric, and the power of the unit that its value is in.
_VALUE_METRICS: dict[str, tuple[Metric, int]] = {
    "mae": (stats.mae, 1),
    "mse": (stats.mse, 2),
    "rmse": (stats.rmse, 1),
    "r2": (stats.r2, 0),
    "pearson": (stats.pearson, 0),
    "spearman": (stats.spearman, 0),
    "concordance_index": (stats.concordance_index, 0),
    "rm2": (stats.rm2, 0),
}


def decided(results: Sequence[Result]) -> list[Result]:
    """The results whose first completion has a verdict."""
    return [result for result in results if result.verdicts and result.first.score is not None]


def independent(results: Sequence[Result]) -> None:
    """`Clusters` of results that share nothing."""


def exact_rate(results: Sequence[Result], k: int = 1, clusters: Clusters = independent) -> Estimate:
    """Share of examples with a correct answer among the first `k` completions (Wilson interval)."""
    kept = decided(results)
    hits = [any(verdict.reason is Reason.CORRECT for verdict in result.verdicts[:k]) for result in kept]
    return stats.proportion(np.array(hits, dtype=bool), clusters(kept))


def mean_score(results: Sequence[Result], clusters: Clusters = independent) -> Estimate:
    """Mean score of the first completion's verdict (bootstrap interval)."""
    kept = decided(results)
    scores = np.array([result.first.score for result in kept], dtype=np.float64)
    return stats.mean(scores, clusters(kept))


def choice_metrics(results: Sequence[Result], clusters: Clusters = independent) -> dict[str, Estimate]:
    """Accuracy and macro-averaged balanced accuracy of the first answer."""
    kept = decided(results)
    labels = sorted({str(result.example.gold) for result in kept})
    codes = {label: float(i) for i, label in enumerate(labels)}
    gold = np.array([codes[str(result.example.gold)] for result in kept])
    given = np.array([codes.get(str(result.first.answer), -1.0) for result in kept])
    return {
        "accuracy": exact_rate(results, clusters=clusters),
        "balanced_accuracy": stats.bootstrap(stats.balanced_accuracy, gold, given, clusters=clusters(kept)),
    }


def ranking_metrics(
    results: Sequence[Result], positive: str, clusters: Clusters = independent
) -> dict[str, Estimate]:
    """AUROC and average precision of the probability of `positive`.

    A model without probabilities is ranked by its answer: 1 for `positive`, 0 for another option, 0.5 for none.
    """
    kept = decided(results)
    gold = np.array([float(result.example.gold == positive) for result in kept])
    beliefs = np.array([belief(result, positive) for result in kept])
    groups = clusters(kept)
    return {
        "auroc": stats.bootstrap(stats.auroc, gold, beliefs, clusters=groups),
        "auprc": stats.bootstrap(stats.auprc, gold, beliefs, clusters=groups),
    }


def belief(result: Result, positive: str) -> float:
    """How sure a model is of `positive`, in [0, 1]; without probabilities by its answer, as in `ranking_metrics`."""
    if result.prediction.probabilities is not None:
        return float(result.prediction.probabilities.get(positive, 0.0))
    if result.first.reason in (Reason.CORRECT, Reason.WRONG):
        return float(result.first.answer == positive)
    return 0.5


def value_metrics(
    results: Sequence[Result],
    unit: str,
    middle: float,
    names: Sequence[str] = ("mae", "rmse", "r2", "pearson", "spearman"),
    clusters: Clusters = independent,
) -> dict[str, Estimate]:
    """Metrics of predicted and measured values, by the names of functions in `stats`.

    `middle` (the median of the training labels) stands in for answers without a number. With `clusters`, results of one
    cluster are resampled together.
    """
    kept = decided(results)
    groups = clusters(kept)
    gold = np.array([float(result.example.gold) for result in kept])
    missing = int(np.isnan([_value(result) for result in kept]).sum())
    values = predicted_values(kept, middle)
    note = f"; {missing} answers without a number replaced by the training median" if missing else ""
    metrics: dict[str, Estimate] = {}
    for name in names:
        metric, power = _VALUE_METRICS[name]
        estimate = stats.bootstrap(metric, gold, values, clusters=groups, unit=_power(unit, power))
        metrics[name] = replace(estimate, method=estimate.method + note)
    return metrics


def _power(unit: str, power: int) -> str:
    if not unit or power == 0:
        return ""
    return unit if power == 1 else f"({unit})^{power}"


def predicted_values(results: Sequence[Result], middle: float) -> Floats:
    """The number that each result gives, shape (len(results),); `middle` where it gives none."""
    values = np.array([_value(result) for result in results], dtype=np.float64)
    return np.where(np.isnan(values), middle, values)


def _value(result: Result) -> float:
    if result.prediction.value is not None:
        return float(result.prediction.value)
    if "error" in result.first.components:
        return float(result.example.gold) + result.first.components["error"]
    return math.nan


def structure_metrics(results: Sequence[Result]) -> dict[str, Estimate]:
    """Share of all completions that are readable as the structure asked for, clustered by example."""
    invalid = {Reason.INVALID_MOLECULE, Reason.UNPARSABLE, Reason.NO_ANSWER, Reason.TOO_LONG}
    flags: list[bool] = []
    owners: list[int] = []
    for i, result in enumerate(results):
        for verdict in result.verdicts:
            if verdict.score is not None:
                flags.append(verdict.reason not in invalid)
                owners.append(i)
    return {"validity": stats.proportion(np.array(flags, dtype=bool), clusters=np.array(owners))}


def distinct_answers(results: Sequence[Result]) -> Estimate:
    """Share of different answers among those given to one input, averaged over the inputs (bootstrap interval)."""
    shares = [
        len({verdict.answer for verdict in result.verdicts}) / len(result.verdicts)
        for result in results
        if result.verdicts
    ]
    return stats.mean(np.array(shares))
