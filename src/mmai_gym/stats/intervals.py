"""Intervals of metrics: every number comes out as an `Estimate`.

An interval must not be narrower than what the data can tell: a success rate of 0 in 200 has a Wilson interval, not a
bootstrap interval of zero width, and items that share a cluster (a scaffold, a target, a source molecule) are resampled
together.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import Estimate, UsageError
from mmai_gym.stats.arrays import (
    NAN,
    FloatArray,
    as_columns,
    cluster_labels,
    is_constant,
    mean_or_nan,
    zero_one,
)
from mmai_gym.stats.counted import Weights
from mmai_gym.stats.metrics import COUNTED, HIGHER_IS_BETTER, Metric

_Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """How a bootstrap draws: `count` resamples, the same ones for the same `seed`."""

    count: int = 1000
    seed: int = 0


_USUAL = Resampling()
_AT_ONCE = 2**14
"""Items times resamples that are counted together, so that a core's nearest cache holds them."""


_VALUES_ALONE: ContextVar[bool] = ContextVar("values_alone", default=False)


@contextlib.contextmanager
def without_intervals() -> Iterator[None]:
    """Within it nothing is resampled: the intervals of bootstraps are NaN, and a metric costs what its value does."""
    token = _VALUES_ALONE.set(True)
    try:
        yield
    finally:
        _VALUES_ALONE.reset(token)


def proportion(
    successes: npt.ArrayLike, clusters: npt.ArrayLike | None = None, resampling: Resampling = _USUAL
) -> Estimate:
    """A success rate with its 95 % interval; `successes` holds booleans (or 0/1), shape (n,).

    Independent items get the score interval of Wilson, JASA 22, 209 (1927), which keeps its width at 0 and at 1.
    With `clusters` (one label per item) whole clusters are bootstrapped; where that is degenerate because every
    item agrees, the Wilson interval over the number of clusters stands in. `n` counts the independent units.
    """
    hits = zero_one(successes)
    labels = None if clusters is None else cluster_labels(clusters, len(hits))
    n = len(hits) if labels is None else len(np.unique(labels))
    if n == 0:
        return _undefined(0, "no items", "", better=True)
    if labels is None:
        return _wilson(float(hits.mean()), n, "Wilson score 95 %")
    if is_constant(hits):
        return _wilson(float(hits[0]), n, f"Wilson score 95 % over {n} clusters of {len(hits)} items")
    return bootstrap(mean_or_nan, hits, clusters=labels, higher_is_better=True, resampling=resampling)


def mean(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    unit: str = "",
    resampling: Resampling = _USUAL,
) -> Estimate:
    """The mean of `values`, shape (n,), of which more is better, with a 95 % percentile bootstrap interval (Efron and
    Tibshirani, 1993).

    Values that are all 0 or 1 are a proportion and get its interval. A NaN among the values makes the mean NaN.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) and bool(np.isin(x, (0.0, 1.0)).all()):
        return replace(proportion(x, clusters, resampling), unit=unit)
    return bootstrap(mean_or_nan, x, clusters=clusters, unit=unit, higher_is_better=True, resampling=resampling)


def bootstrap(
    metric: Metric,
    *arrays: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    unit: str = "",
    higher_is_better: bool | None = None,
    resampling: Resampling = _USUAL,
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
    columns = as_columns(arrays)
    size = len(columns[0])
    labels = None if clusters is None else cluster_labels(clusters, size)
    n = size if labels is None else len(np.unique(labels))
    value = float(metric(*columns)) if size else NAN
    if math.isnan(value):
        return _undefined(n, "no items" if size == 0 else "the metric is undefined on these items", unit, better)
    if _VALUES_ALONE.get():
        return Estimate(value, NAN, NAN, n, "not resampled", unit, better)
    (draws,) = _draws(metric, [columns], labels, resampling)
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
    clusters: npt.ArrayLike | None = None,
    unit: str = "",
    higher_is_better: bool | None = None,
    resampling: Resampling = _USUAL,
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
    columns = as_columns((truth, a, b))
    sides = [columns[:2], [columns[0], columns[2]]]
    size = len(columns[0])
    labels = None if clusters is None else cluster_labels(clusters, size)
    n = size if labels is None else len(np.unique(labels))
    value = float(metric(*sides[0])) - float(metric(*sides[1])) if size else NAN
    if math.isnan(value):
        return Difference(_undefined(n, "the difference is undefined on these items", unit, better), NAN)
    first, second = _draws(metric, sides, labels, resampling)
    draws = first - second
    low, high, method = _percentiles(draws, n, size, clustered=labels is not None)
    estimate = Estimate(value, low, high, n, f"paired {method}", unit, better)
    if math.isnan(low):
        return Difference(estimate, NAN)
    kept = draws[~np.isnan(draws)]
    below, above = int(np.sum(kept <= 0.0)), int(np.sum(kept >= 0.0))
    return Difference(estimate, min(1.0, 2.0 * (min(below, above) + 1) / (len(kept) + 1)))


def _wilson(rate: float, n: int, method: str) -> Estimate:
    z2 = _Z95**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # At rates of 0 and 1 the bound equals the rate; rounding must not push it past.
    low = 0.0 if rate == 0.0 else max(0.0, centre - half)
    high = 1.0 if rate == 1.0 else min(1.0, centre + half)
    return Estimate(rate, low, high, n, method)


def _draws(
    metric: Metric,
    sides: Sequence[list[npt.NDArray[Any]]],
    labels: npt.NDArray[Any] | None,
    resampling: Resampling,
) -> FloatArray:
    """The metric of each side on each resample, the same items for all; shape (sides, count)."""
    size = len(sides[0][0])
    weights = _weights(size, labels, resampling)
    if metric in COUNTED:
        counted = [COUNTED[metric](*side) for side in sides]
        return np.concatenate([[one.of(some) for one in counted] for some in weights], axis=1)
    resamples = (np.repeat(np.arange(size), often) for some in weights for often in some)
    return np.array([[metric(*(column[i] for column in side)) for side in sides] for i in resamples]).T


def _weights(size: int, labels: npt.NDArray[Any] | None, resampling: Resampling) -> Iterator[Weights]:
    """How often each item was drawn with replacement, alone or with its cluster, in `count` resamples; some at a time."""
    rng = np.random.default_rng(resampling.seed)
    cluster = np.arange(size) if labels is None else np.unique(labels, return_inverse=True)[1]
    units, some = int(cluster.max()) + 1, max(1, _AT_ONCE // size)
    for start in range(0, resampling.count, some):
        rows = np.arange(min(some, resampling.count - start))[:, None]
        drawn = rng.integers(0, units, (len(rows), units)) + units * rows
        often = np.bincount(drawn.ravel(), minlength=len(rows) * units).reshape(len(rows), units)
        yield often if labels is None else often.take(cluster, axis=1)


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
    if metric in HIGHER_IS_BETTER:
        return HIGHER_IS_BETTER[metric]
    raise UsageError(
        f"metric {metric!r} is not one of mmai_gym.stats; pass higher_is_better=True or False with it"
    )
