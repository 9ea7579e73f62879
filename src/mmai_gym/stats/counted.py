"""Metrics of any resample of fixed items, given how often each was drawn.

Sorting is nearly all the work of a metric of ranks, and the order of the items is the same in every resample: with the
sorting done once, a bootstrap takes sums over levels of equal values only.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmai_gym.stats.arrays import NAN, FloatArray, IndexArray, has_missing, has_nan

Weights = npt.NDArray[np.int64]
"""Draws of each item, shape (n,)."""


class Counted(Protocol):
    """A metric with its items fixed."""

    def of(self, weights: Weights) -> float:
        """Its value where item `i` was drawn `weights[i]` times; NaN where it is undefined."""
        ...


class RocArea:
    """See `metrics.auroc`."""

    def __init__(self, truth: FloatArray, score: FloatArray) -> None:
        self._undefined = has_nan(truth, score)
        self._positive = truth == 1.0
        self._level = _levels(score)

    def of(self, weights: Weights) -> float:
        """NaN where one class was not drawn."""
        drawn, found = _per_level(self._level, weights), _per_level(self._level, weights * self._positive)
        rest = drawn - found
        positives, negatives = found.sum(), rest.sum()
        if self._undefined or not positives or not negatives:
            return NAN
        below = np.cumsum(rest) - rest
        return float(np.sum(found * (below + rest / 2.0)) / (positives * negatives))


class AveragePrecision:
    """See `metrics.auprc`."""

    def __init__(self, truth: FloatArray, score: FloatArray) -> None:
        self._undefined = has_nan(truth, score)
        self._positive = truth == 1.0
        self._level = _levels(-score)

    def of(self, weights: Weights) -> float:
        """NaN where one class was not drawn."""
        drawn, found = _per_level(self._level, weights), _per_level(self._level, weights * self._positive)
        positives = found.sum()
        if self._undefined or not positives or positives == drawn.sum():
            return NAN
        gains = found > 0
        precision = np.cumsum(found)[gains] / np.cumsum(drawn)[gains]
        return float(np.sum(found[gains] / positives * precision))


class RankCorrelation:
    """See `metrics.spearman`."""

    def __init__(self, truth: FloatArray, prediction: FloatArray) -> None:
        self._undefined = has_nan(truth, prediction)
        self._levels = _levels(truth), _levels(prediction)

    def of(self, weights: Weights) -> float:
        """NaN where all that were drawn are equal on one side."""
        per_level = [_per_level(level, weights) for level in self._levels]
        if self._undefined or any(np.count_nonzero(drawn) < 2 for drawn in per_level):
            return NAN
        middle = (weights.sum() + 1) / 2.0
        # The average rank of a level: of those drawn up to it, less half of its own.
        y, p = (
            (np.cumsum(drawn) - (drawn - 1) / 2.0 - middle)[level]
            for level, drawn in zip(self._levels, per_level, strict=True)
        )
        # Plain sums: a threaded BLAS takes longer to start than 20,000 products take, a thousand times in a bootstrap.
        products = np.sum(weights * y * p) / np.sqrt(np.sum(weights * y * y) * np.sum(weights * p * p))
        return float(np.clip(products, -1.0, 1.0))


class ClassRecall:
    """See `metrics.balanced_accuracy`."""

    def __init__(self, truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> None:
        self._undefined = has_missing(truth, prediction)
        self._right = truth == prediction
        self._class = _levels(truth)

    def of(self, weights: Weights) -> float:
        """NaN where fewer than two classes were drawn."""
        drawn = _per_level(self._class, weights)
        present = drawn > 0
        if self._undefined or np.count_nonzero(present) < 2:
            return NAN
        return float(np.mean(_per_level(self._class, weights * self._right)[present] / drawn[present]))


def _levels(values: npt.NDArray[Any]) -> IndexArray:
    """The number of each value among the distinct ones, from the lowest."""
    return np.unique(values, return_inverse=True)[1]


def _per_level(level: IndexArray, weights: npt.NDArray[Any]) -> FloatArray:
    return np.asarray(np.bincount(level, weights=weights), dtype=np.float64)
