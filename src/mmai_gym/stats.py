"""Metrics and their intervals.

A benchmark number without an interval invites the reader to see a difference where there is noise, so every
metric here comes out as an `Estimate`. Two rules hold throughout. A metric that is undefined on its input (one
class only, a constant vector, no items, a NaN among the values) is NaN, never an exception and never a convenient
0.5. And an interval must not be narrower than what the data can tell: a success rate of 0 in 200 has a Wilson
interval, not a bootstrap interval of zero width, and items that share a cluster (a scaffold, a target, a source
molecule) are resampled together. numpy is enough for all of it, and keeps scipy and scikit-learn out of the core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import DataError, Estimate, UsageError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]
Metric = Callable[..., float]

NAN = float("nan")
_Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


# --------------------------------------------------------------------------------------------------- regression


def mae(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean absolute error, in the unit of the values. Shapes (n,), (n,)."""
    y, p = _numbers("mae", truth, prediction)
    return float(np.mean(np.abs(y - p))) if len(y) else NAN


def mse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean squared error, in the squared unit of the values. Shapes (n,), (n,)."""
    y, p = _numbers("mse", truth, prediction)
    return float(np.mean((y - p) ** 2)) if len(y) else NAN


def rmse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Root of the mean squared error, in the unit of the values. Shapes (n,), (n,)."""
    y, p = _numbers("rmse", truth, prediction)
    return float(np.sqrt(np.mean((y - p) ** 2))) if len(y) else NAN


def r2(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Coefficient of determination, 1 - SS_residual / SS_total; NaN where the truth is constant."""
    y, p = _numbers("r2", truth, prediction)
    if _is_constant(y) or _has_nan(y, p):
        return NAN
    return float(1.0 - np.sum((y - p) ** 2) / np.sum((y - y.mean()) ** 2))


def pearson(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Product-moment correlation (Pearson, 1895); NaN where either side is constant."""
    y, p = _numbers("pearson", truth, prediction)
    # Exact equality, not a zero norm: a constant 0.1 leaves a norm of 1e-17 behind and with it a made-up number.
    if _is_constant(y) or _is_constant(p) or _has_nan(y, p):
        return NAN
    y, p = y - y.mean(), p - p.mean()
    # Plain sums: a threaded BLAS takes longer to start than 20,000 products take, a thousand times in a bootstrap.
    y, p = y / np.sqrt(np.sum(y * y)), p / np.sqrt(np.sum(p * p))
    return float(np.clip(np.sum(y * p), -1.0, 1.0))


def rm2(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """The modified squared correlation r_m² (Roy and Roy, QSAR Comb. Sci. 27, 302, 2008) of drug-target affinity.

    r² (1 - sqrt|r⁴ - r0⁴|), where r0² is the coefficient of determination of the regression of the truth on the
    prediction through the origin. Papers print r² - r0² under the root; the program of DeepDTA (Ozturk et al., 2018), by
    which the field's numbers were computed, squares both once more, and so does this. Shapes (n,), (n,); NaN where either
    side is constant.
    """
    y, p = _numbers("rm2", truth, prediction)
    r = pearson(y, p)
    if math.isnan(r):
        return NAN
    slope = np.sum(y * p) / np.sum(p * p)
    through_origin = 1.0 - np.sum((y - slope * p) ** 2) / np.sum((y - y.mean()) ** 2)
    return float(r**2 * (1.0 - np.sqrt(abs(r**4 - through_origin**2))))


def spearman(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Rank correlation with average ranks for ties (Spearman, 1904); NaN where either side is constant."""
    y, p = _numbers("spearman", truth, prediction)
    return NAN if _has_nan(y, p) else pearson(_midranks(y), _midranks(p))


def concordance_index(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """The share of pairs with different truths that the prediction orders alike; its ties count one half.

    Harrell et al., JAMA 247, 2543 (1982), without censoring. NaN where no two truths differ. Time O(n log² n).
    """
    y, p = _numbers("concordance_index", truth, prediction)
    return _Concordance(y, p).of(np.ones(len(y), dtype=np.int64))


# ------------------------------------------------------------------------------------------- classification


def accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """The share of equal labels. Labels may be numbers, booleans or strings; a missing (NaN) one makes it NaN."""
    y, p = _labels("accuracy", truth, prediction)
    return NAN if _has_missing(y, p) or not len(y) else float(np.mean(y == p))


def balanced_accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Recall averaged over the classes of the truth (Brodersen et al., ICPR 2010).

    NaN where the truth has fewer than two classes: there the one constant answer would score 1.
    """
    y, p = _labels("balanced_accuracy", truth, prediction)
    if _has_missing(y, p):
        return NAN
    classes, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        return NAN
    hits = np.bincount(index, weights=(y == p), minlength=len(classes))
    return float(np.mean(hits / counts))


def auroc(truth: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Area under the ROC curve, from midranks (Hanley and McNeil, 1982; Mann and Whitney, 1947).

    `truth` is 0/1 or boolean, a higher `score` means class 1; shapes (n,), (n,). NaN where one class is absent.

    Raises:
        DataError: the truth holds something other than 0 and 1, or the shapes differ.
    """
    y, s = _binary("auroc", truth, score)
    positives = int(np.sum(y == 1.0))
    negatives = len(y) - positives
    if not positives or not negatives or _has_nan(y, s):
        return NAN
    rank_sum = float(np.sum(_midranks(s)[y == 1.0]))
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def auprc(truth: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Average precision: the sum over thresholds of (recall gained) x precision, without interpolation.

    The step-wise estimator that Davis and Goadrich (ICML 2006) recommend over the trapezoid; tied scores form one
    threshold. NaN where one class is absent.

    Raises:
        DataError: the truth holds something other than 0 and 1, or the shapes differ.
    """
    y, s = _binary("auprc", truth, score)
    positives = float(np.sum(y == 1.0))
    if positives in (0.0, float(len(y))) or _has_nan(y, s):
        return NAN
    order = np.argsort(-s, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(s[order])), len(s) - 1)
    found = np.cumsum(y[order])[last_of_tie]
    gained = np.diff(found, prepend=0.0) / positives
    return float(np.sum(gained * found / (last_of_tie + 1)))


_HIGHER_IS_BETTER: dict[Metric, bool] = {
    mae: False,
    mse: False,
    rmse: False,
    r2: True,
    rm2: True,
    pearson: True,
    spearman: True,
    concordance_index: True,
    accuracy: True,
    balanced_accuracy: True,
    auroc: True,
    auprc: True,
}


# --------------------------------------------------------------------------------------------------- intervals


def proportion(
    successes: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    unit: str = "",
    higher_is_better: bool = True,
) -> Estimate:
    """A success rate with its 95 % interval; `successes` holds booleans (or 0/1), shape (n,).

    Independent items get the score interval of Wilson, JASA 22, 209 (1927), which keeps its width at 0 and at 1.
    With `clusters` (one label per item) whole clusters are bootstrapped; where that is degenerate because every
    item agrees, the Wilson interval over the number of clusters stands in. `n` counts the independent units.
    """
    hits = _zero_one(successes)
    labels = None if clusters is None else _cluster_labels(clusters, len(hits))
    n = len(hits) if labels is None else len(np.unique(labels))
    if n == 0:
        return _undefined(0, "no items", unit, higher_is_better)
    if labels is None:
        return _wilson(float(hits.mean()), n, "Wilson score 95 %", unit, higher_is_better)
    if _is_constant(hits):
        method = f"Wilson score 95 % over {n} clusters of {len(hits)} items"
        return _wilson(float(hits[0]), n, method, unit, higher_is_better)
    return bootstrap(
        lambda x: float(np.mean(x)),
        hits,
        n_resamples=n_resamples,
        seed=seed,
        clusters=labels,
        unit=unit,
        higher_is_better=higher_is_better,
    )


def mean(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    unit: str = "",
    higher_is_better: bool = True,
) -> Estimate:
    """The mean of `values`, shape (n,), with a 95 % percentile bootstrap interval (Efron and Tibshirani, 1993).

    Values that are all 0 or 1 are a proportion and get its interval. A NaN among the values makes the mean NaN.
    """
    x = np.asarray(values, dtype=np.float64)
    interval = {"n_resamples": n_resamples, "seed": seed, "unit": unit, "higher_is_better": higher_is_better}
    if len(x) and bool(np.isin(x, (0.0, 1.0)).all()):
        return proportion(x, clusters, **interval)  # type: ignore[arg-type]
    return bootstrap(_mean_or_nan, x, clusters=clusters, **interval)  # type: ignore[arg-type]


def bootstrap(
    metric: Metric,
    *arrays: npt.ArrayLike,
    n_resamples: int = 1000,
    seed: int = 0,
    clusters: npt.ArrayLike | None = None,
    unit: str = "",
    higher_is_better: bool | None = None,
) -> Estimate:
    """`metric(*arrays)` with a 95 % percentile bootstrap interval (Efron and Tibshirani, 1993, chapter 13).

    Items (the first axis of every array), or whole `clusters` of them, are drawn with replacement. Resamples on
    which the metric is NaN are dropped and counted in `method`. The interval is NaN, and `method` says why, where
    fewer than two independent units or fewer than half of the resamples are left to judge from.

    Args:
        metric: a function of resampled arrays; one of this module's, or the caller's own.
        arrays: shapes (n, ...), resampled together.
        clusters: one label per item, shape (n,).
        higher_is_better: known for the metrics of this module; a caller's own metric must say.

    Raises:
        DataError: the arrays differ in length.
        UsageError: a caller's own metric comes without `higher_is_better`.
    """
    better = _direction(metric, higher_is_better)
    columns = _columns(arrays)
    size = len(columns[0])
    labels = None if clusters is None else _cluster_labels(clusters, size)
    n = size if labels is None else len(np.unique(labels))
    value = float(metric(*columns)) if size else NAN
    if math.isnan(value):
        return _undefined(n, "no items" if size == 0 else "the metric is undefined on these items", unit, better)
    draws = _draws(metric, columns, labels, n_resamples, seed)
    low, high, method = _percentiles(draws, n, size, clustered=labels is not None)
    return Estimate(value, low, high, n, method, unit, better)


@dataclass(frozen=True, slots=True)
class Difference:
    """metric(a) - metric(b) on the same items, with its interval and the two-sided p-value of no difference."""

    estimate: Estimate
    p_value: float


def paired_difference(
    metric: Metric,
    truth: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    clusters: npt.ArrayLike | None = None,
    unit: str = "",
    higher_is_better: bool | None = None,
) -> Difference:
    """metric(truth, a) - metric(truth, b) by the paired bootstrap (Efron and Tibshirani, 1993, chapters 13, 16).

    Both models are resampled on the same items, so the difficulty they share cancels. The two-sided p-value is
    twice the smaller share of resampled differences on either side of zero, each share counted as
    (k + 1) / (B + 1) (Davison and Hinkley, 1997) because a finite number of resamples cannot show p = 0. NaN where
    the difference is.

    Raises:
        DataError: the arrays differ in length.
        UsageError: a caller's own metric comes without `higher_is_better`.
    """
    better = _direction(metric, higher_is_better)
    columns = _columns((truth, a, b))
    sides = columns[:2], [columns[0], columns[2]]
    size = len(columns[0])
    labels = None if clusters is None else _cluster_labels(clusters, size)
    n = size if labels is None else len(np.unique(labels))
    value = float(metric(*sides[0])) - float(metric(*sides[1])) if size else NAN
    if math.isnan(value):
        return Difference(_undefined(n, "the difference is undefined on these items", unit, better), NAN)
    first, second = (_draws(metric, side, labels, n_resamples, seed) for side in sides)
    draws = first - second
    low, high, method = _percentiles(draws, n, size, clustered=labels is not None)
    estimate = Estimate(value, low, high, n, f"paired {method}", unit, better)
    if math.isnan(low):
        return Difference(estimate, NAN)
    kept = draws[~np.isnan(draws)]
    below, above = int(np.sum(kept <= 0.0)), int(np.sum(kept >= 0.0))
    return Difference(estimate, min(1.0, 2.0 * (min(below, above) + 1) / (len(kept) + 1)))


def _wilson(rate: float, n: int, method: str, unit: str, better: bool) -> Estimate:
    z2 = _Z95**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # At rates of 0 and 1 the bound equals the rate; rounding must not push it past.
    low = 0.0 if rate == 0.0 else max(0.0, centre - half)
    high = 1.0 if rate == 1.0 else min(1.0, centre + half)
    return Estimate(rate, low, high, n, method, unit, better)


def _draws(
    metric: Metric, columns: list[npt.NDArray[Any]], labels: npt.NDArray[Any] | None, count: int, seed: int
) -> FloatArray:
    """The metric on each resample, shape (count,); the same seed draws the same items."""
    size = len(columns[0])
    resamples = _resamples(size, labels, count, seed)
    if metric is concordance_index:
        concordance = _Concordance(*_numbers("concordance_index", *columns))
        return np.array([concordance.of(np.bincount(i, minlength=size)) for i in resamples])
    return np.array([metric(*(c[i] for c in columns)) for i in resamples])


def _resamples(size: int, labels: npt.NDArray[Any] | None, count: int, seed: int) -> Iterator[IndexArray]:
    """`count` arrays of item positions, drawn with replacement by item or by cluster."""
    rng = np.random.default_rng(seed)
    if labels is None:
        for _ in range(count):
            yield rng.integers(0, size, size)
        return
    order = np.argsort(labels, kind="stable")
    sizes = np.unique(labels, return_counts=True)[1]
    starts = np.cumsum(sizes) - sizes
    for _ in range(count):
        drawn = rng.integers(0, len(sizes), len(sizes))
        lengths = sizes[drawn]
        # Position within the drawn cluster: a running index minus where that cluster begins in the resample.
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield order[np.repeat(starts[drawn], lengths) + within]


def _percentiles(draws: FloatArray, n: int, size: int, *, clustered: bool) -> tuple[float, float, str]:
    kept = draws[~np.isnan(draws)]
    method = f"percentile bootstrap 95 %, {len(draws)} resamples"
    if clustered:
        method += f" of {n} clusters of {size} items"
    if len(kept) < len(draws):
        method += f", {len(draws) - len(kept)} undefined ones dropped"
    if n < 2:
        return NAN, NAN, method + "; no interval from a single independent unit"
    if 2 * len(kept) < len(draws) or not len(kept):
        return NAN, NAN, method + "; no interval, too few resamples are defined"
    low, high = np.quantile(kept, (0.025, 0.975))
    return float(low), float(high), method


def _undefined(n: int, why: str, unit: str, better: bool) -> Estimate:
    return Estimate(NAN, NAN, NAN, n, f"undefined: {why}", unit, better)


def _direction(metric: Metric, stated: bool | None) -> bool:
    if stated is not None:
        return stated
    if metric in _HIGHER_IS_BETTER:
        return _HIGHER_IS_BETTER[metric]
    raise UsageError(
        f"metric {metric!r} is not one of mmai_gym.stats; pass higher_is_better=True or False with it"
    )


# --------------------------------------------------------------------------------------------------- helpers


def _numbers(name: str, *arrays: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = (np.asarray(a, dtype=np.float64) for a in arrays)
    _same_shape(name, first, second)
    return first, second


def _labels(name: str, *arrays: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    first, second = (np.asarray(a) for a in arrays)
    _same_shape(name, first, second)
    return first, second


def _binary(name: str, truth: npt.ArrayLike, score: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    y, s = _numbers(name, truth, score)
    strange = y[~np.isin(y, (0.0, 1.0)) & ~np.isnan(y)]
    if len(strange):
        raise DataError(f"{name}: the truth must be 0 or 1, found {strange[0]:g}; map the labels before scoring")
    return y, s


def _same_shape(name: str, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"{name}: needs two vectors of the same length, got shapes {first.shape} and {second.shape}"
        )


def _columns(arrays: tuple[npt.ArrayLike, ...]) -> list[npt.NDArray[Any]]:
    columns = [np.asarray(a) for a in arrays]
    if len({len(c) for c in columns}) != 1:
        raise DataError(f"arrays resampled together need one length, got {[len(c) for c in columns]}")
    return columns


def _cluster_labels(clusters: npt.ArrayLike, size: int) -> npt.NDArray[Any]:
    labels = np.asarray(clusters)
    if labels.shape != (size,):
        raise DataError(f"clusters need one label for each of {size} items, got shape {labels.shape}")
    return labels


def _zero_one(successes: npt.ArrayLike) -> FloatArray:
    hits = np.asarray(successes, dtype=np.float64)
    if hits.ndim != 1 or not np.isin(hits, (0.0, 1.0)).all():
        raise DataError("proportion: successes must be a vector of booleans (or 0 and 1)")
    return hits


def _mean_or_nan(x: FloatArray) -> float:
    return float(np.mean(x)) if len(x) else NAN


def _has_nan(*arrays: FloatArray) -> bool:
    return any(bool(np.isnan(a).any()) for a in arrays)


def _has_missing(*arrays: npt.NDArray[Any]) -> bool:
    return any(a.dtype.kind == "f" and bool(np.isnan(a).any()) for a in arrays)


def _is_constant(x: FloatArray) -> bool:
    return len(x) < 2 or bool((x == x[0]).all())


def _midranks(x: FloatArray) -> FloatArray:
    """Ranks from 1, the average of their ranks for tied values."""
    _, index, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2.0)[index]


class _Concordance:
    """The concordance index of any resample of fixed items, given how often each was drawn.

    Sorting is nearly all the work of a concordance index, and the order of the items is the same in every resample. With
    the sorting done once, a bootstrap over 20,000 items takes seconds, and its counts are exactly those of the resamples.

    Discordant pairs are inversions of the predicted ranks, with the items in the order of truth. They are counted one bit of
    the ranks at a time: two ranks first differ at one bit. With the items grouped by the bits above it, and in their
    original order within a group, a pair is inverted there when a set bit stands before an unset one.
    """

    def __init__(self, truth: FloatArray, prediction: FloatArray) -> None:
        self._undefined = _has_nan(truth, prediction)
        ranks = np.unique(prediction, return_inverse=True)[1]
        levels = np.unique(truth, return_inverse=True)[1]
        both = np.unique(levels * (len(ranks) + 1) + ranks, return_inverse=True)[1]
        self._levels, self._ranks, self._both = levels, ranks, both
        in_order = np.lexsort((prediction, truth))
        self._bits = [
            self._bit(in_order, ranks, bit) for bit in range(int(ranks.max(initial=0)).bit_length() - 1, -1, -1)
        ]

    @staticmethod
    def _bit(in_order: IndexArray, ranks: IndexArray, bit: int) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Items with the bit set, then items without it and how many set ones stand before them: from where to where.

        The set items come group by group; `start` and `stop` bound those of an unset item's own group before it.
        """
        group = ranks[in_order] >> (bit + 1)
        order = in_order[np.argsort(group, kind="stable")]
        group, is_set = ranks[order] >> (bit + 1), ((ranks[order] >> bit) & 1).astype(bool)
        before = np.cumsum(is_set) - is_set
        first_of_group = np.flatnonzero(np.diff(group, prepend=-1))
        sizes = np.diff(np.append(first_of_group, len(group)))
        start = np.repeat(before[first_of_group], sizes)
        inverted = ~is_set & (before > start)
        return order[is_set], order[inverted], np.stack([start[inverted], before[inverted]])

    def of(self, weights: npt.NDArray[np.int64]) -> float:
        """NaN where no two items with different truths were drawn. Shape (n,): draws of each item."""
        if self._undefined:
            return NAN
        total = int(weights.sum())
        comparable = (total**2 - _squares(self._levels, weights)) // 2
        if comparable == 0:
            return NAN
        tied = (_squares(self._ranks, weights) - _squares(self._both, weights)) // 2
        discordant = 0
        for set_items, unset_items, (start, stop) in self._bits:
            drawn = np.concatenate(([0], np.cumsum(weights[set_items])))
            discordant += int(np.dot(drawn[stop] - drawn[start], weights[unset_items]))
        return float((comparable - discordant - 0.5 * tied) / comparable)


def _squares(groups: IndexArray, weights: npt.NDArray[np.int64]) -> int:
    """Sum over groups of their squared weight: what ties among `total` weighted items subtract from its square."""
    sums = np.bincount(groups, weights=weights).astype(np.int64)
    return int(np.dot(sums, sums))
