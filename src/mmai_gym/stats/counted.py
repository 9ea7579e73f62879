"""Metrics of any resamples of fixed items, given how often each item was drawn.

Sorting is nearly all the work of a metric of ranks, and the order of the items is the same in every resample: with the
sorting done once, a bootstrap takes sums over levels of equal values only, of many resamples at a time.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmai_gym.stats.arrays import NAN, FloatArray, has_missing, has_nan

Weights = npt.NDArray[np.int64]
"""Draws of each item in each resample, shape (resamples, n)."""


class Counted(Protocol):
    """A metric with its items fixed."""

    def of(self, weights: Weights) -> FloatArray:
        """Its value on each resample, shape (resamples,); NaN where it is undefined."""
        ...


class Levels:
    """The distinct ones among fixed values, from the lowest."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.of_item = np.unique(values, return_inverse=True)[1]
        """The number of each item's level, shape (n,)."""
        self._count = int(self.of_item.max(initial=-1)) + 1

    def draws(self, weights: Weights) -> FloatArray:
        """Of each level, shape (resamples, levels)."""
        shape = len(weights), self._count
        places = self.of_item + self._count * np.arange(len(weights))[:, None]
        found = np.bincount(places.ravel(), weights=weights.ravel(), minlength=shape[0] * shape[1])
        return np.asarray(found, dtype=np.float64).reshape(shape)


class Mean:
    """The mean of a number per item, or its root."""

    def __init__(self, values: npt.NDArray[Any], *, root: bool = False) -> None:
        self._values, self._root = values, root

    def of(self, weights: Weights) -> FloatArray:
        """NaN where any value is, or there are none."""
        found = ratio(np.sum(weights * self._values, axis=1), weights.sum(axis=1))
        return np.sqrt(found) if self._root else found


class RocArea:
    """See `metrics.auroc`."""

    def __init__(self, truth: FloatArray, score: FloatArray) -> None:
        self._undefined = has_nan(truth, score)
        self._positive = truth == 1.0
        self._scores = Levels(score)

    def of(self, weights: Weights) -> FloatArray:
        """NaN where one class was not drawn."""
        found = self._scores.draws(weights * self._positive)
        rest = self._scores.draws(weights) - found
        below = np.cumsum(rest, axis=1) - rest
        pairs = found.sum(axis=1) * rest.sum(axis=1)
        return ratio(np.sum(found * (below + rest / 2.0), axis=1), pairs, undefined=self._undefined)


class AveragePrecision:
    """See `metrics.auprc`."""

    def __init__(self, truth: FloatArray, score: FloatArray) -> None:
        self._undefined = has_nan(truth, score)
        self._positive = truth == 1.0
        self._scores = Levels(-score)

    def of(self, weights: Weights) -> FloatArray:
        """NaN where one class was not drawn."""
        drawn = self._scores.draws(weights)
        found = self._scores.draws(weights * self._positive)
        positives = found.sum(axis=1)
        # Before the first draw both counts are 0, and nothing is gained there.
        precision = np.cumsum(found, axis=1) / np.maximum(np.cumsum(drawn, axis=1), 1)
        undefined = self._undefined | (positives == drawn.sum(axis=1))
        return ratio(np.sum(found * precision, axis=1), positives, undefined=undefined)


class RankCorrelation:
    """See `metrics.spearman`."""

    def __init__(self, truth: FloatArray, prediction: FloatArray) -> None:
        self._undefined = has_nan(truth, prediction)
        self._sides = Levels(truth), Levels(prediction)

    def of(self, weights: Weights) -> FloatArray:
        """NaN where all that were drawn are equal on one side."""
        y, p = (self._ranks(side, weights) for side in self._sides)
        products, squares, others = (np.einsum("bi,bi,bi->b", weights, *of) for of in ((y, p), (y, y), (p, p)))
        return np.clip(ratio(products, np.sqrt(squares * others), undefined=self._undefined), -1.0, 1.0)

    @staticmethod
    def _ranks(side: Levels, weights: Weights) -> FloatArray:
        """Less the middle one; of a level the average, which is of those drawn up to it, less half of its own."""
        drawn = side.draws(weights)
        middle = (weights.sum(axis=1, keepdims=True) + 1) / 2.0
        ranks: FloatArray = np.cumsum(drawn, axis=1) - (drawn - 1) / 2.0 - middle
        return ranks.take(side.of_item, axis=1)


class ClassRecall:
    """See `metrics.balanced_accuracy`."""

    def __init__(self, truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> None:
        self._undefined = has_missing(truth, prediction)
        self._right = truth == prediction
        self._classes = Levels(truth)

    def of(self, weights: Weights) -> FloatArray:
        """NaN where fewer than two classes were drawn."""
        drawn = self._classes.draws(weights)
        present = np.count_nonzero(drawn, axis=1)
        recall = self._classes.draws(weights * self._right) / np.maximum(drawn, 1)
        return ratio(recall.sum(axis=1), present, undefined=self._undefined | (present < 2))


def ratio(
    above: npt.NDArray[Any], below: npt.NDArray[Any], *, undefined: bool | npt.NDArray[np.bool_] = False
) -> FloatArray:
    """Of two numbers per resample; NaN where it is undefined, or by zero."""
    return np.where(undefined | (below == 0), NAN, above / np.where(below == 0, 1, below))
