"""Metrics of predictions against truth.

A metric that is undefined on its input (one class only, a constant vector, no items, a NaN among the values) is NaN,
never an exception and never a convenient 0.5. numpy is enough for all of it, and keeps scipy and scikit-learn out of
the core.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mmai_gym.stats.arrays import (
    NAN,
    FloatArray,
    binary,
    has_missing,
    has_nan,
    is_constant,
    labels,
    mean_or_nan,
    numbers,
)
from mmai_gym.stats.concordance import Concordance
from mmai_gym.stats.counted import AveragePrecision, ClassRecall, Counted, Mean, RankCorrelation, RocArea

Metric = Callable[..., float]


def mae(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean absolute error, in the unit of the values. Shapes (n,), (n,)."""
    return _once(mae, truth, prediction)


def mse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean squared error, in the squared unit of the values. Shapes (n,), (n,)."""
    return _once(mse, truth, prediction)


def rmse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Root of the mean squared error, in the unit of the values. Shapes (n,), (n,)."""
    return _once(rmse, truth, prediction)


def r2(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Coefficient of determination, 1 - SS_residual / SS_total; NaN where the truth is constant."""
    y, p = numbers("r2", truth, prediction)
    if is_constant(y) or has_nan(y, p):
        return NAN
    return float(1.0 - np.sum((y - p) ** 2) / np.sum((y - y.mean()) ** 2))


def pearson(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Product-moment correlation (Pearson, 1895); NaN where either side is constant."""
    y, p = numbers("pearson", truth, prediction)
    # Exact equality, not a zero norm: a constant 0.1 leaves a norm of 1e-17 behind and with it a made-up number.
    if is_constant(y) or is_constant(p) or has_nan(y, p):
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
    y, p = numbers("rm2", truth, prediction)
    r = pearson(y, p)
    if math.isnan(r):
        return NAN
    spread = np.sum((p - p.mean()) ** 2)
    intercept = y.mean() - np.sum((y - y.mean()) * (p - p.mean())) / spread * p.mean()
    # r² - r0² is what an intercept explains beyond a line through the origin. Written so it cannot cancel: the root would
    # make an error of 1e-8 of one of 1e-16.
    fall = intercept**2 * len(y) * spread / (np.sum(p * p) * np.sum((y - y.mean()) ** 2))
    return float(r**2 * (1.0 - np.sqrt(abs(fall * (2.0 * r**2 - fall)))))


def spearman(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Rank correlation with average ranks for ties (Spearman, 1904); NaN where either side is constant."""
    return _once(spearman, truth, prediction)


def concordance_index(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """The share of pairs with different truths that the prediction orders alike; its ties count one half.

    Harrell et al., JAMA 247, 2543 (1982), without censoring. NaN where no two truths differ. Time O(n log² n).
    """
    return _once(concordance_index, truth, prediction)


def accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """The share of equal labels. Labels may be numbers, booleans or strings; a missing (NaN) one makes it NaN."""
    return _once(accuracy, truth, prediction)


def balanced_accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Recall averaged over the classes of the truth (Brodersen et al., ICPR 2010).

    NaN where the truth has fewer than two classes: there the one constant answer would score 1.
    """
    return _once(balanced_accuracy, truth, prediction)


def auroc(truth: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Area under the ROC curve, from midranks (Hanley and McNeil, 1982; Mann and Whitney, 1947).

    `truth` is 0/1 or boolean, a higher `score` means class 1; shapes (n,), (n,). NaN where one class is absent.

    Raises:
        DataError: the truth holds something other than 0 and 1, or the shapes differ.
    """
    return _once(auroc, truth, score)


def auprc(truth: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Average precision: the sum over thresholds of (recall gained) x precision, without interpolation.

    The step-wise estimator that Davis and Goadrich (ICML 2006) recommend over the trapezoid; tied scores form one
    threshold. NaN where one class is absent.

    Raises:
        DataError: the truth holds something other than 0 and 1, or the shapes differ.
    """
    return _once(auprc, truth, score)


def _absolute(name: str, truth: npt.ArrayLike, prediction: npt.ArrayLike) -> FloatArray:
    y, p = numbers(name, truth, prediction)
    return np.abs(y - p)


def _equal(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> FloatArray:
    y, p = labels("accuracy", truth, prediction)
    return np.where(has_missing(y, p), NAN, y == p)


COUNTED: dict[Metric, Callable[..., Counted]] = {
    mean_or_nan: Mean,
    mae: lambda truth, prediction: Mean(_absolute("mae", truth, prediction)),
    mse: lambda truth, prediction: Mean(_absolute("mse", truth, prediction) ** 2),
    rmse: lambda truth, prediction: Mean(_absolute("rmse", truth, prediction) ** 2, root=True),
    accuracy: lambda truth, prediction: Mean(_equal(truth, prediction)),
    spearman: lambda truth, prediction: RankCorrelation(*numbers("spearman", truth, prediction)),
    concordance_index: lambda truth, prediction: Concordance(*numbers("concordance_index", truth, prediction)),
    balanced_accuracy: lambda truth, prediction: ClassRecall(*labels("balanced_accuracy", truth, prediction)),
    auroc: lambda truth, score: RocArea(*binary("auroc", truth, score)),
    auprc: lambda truth, score: AveragePrecision(*binary("auprc", truth, score)),
}
"""Those that take many resamples at a time, of (truth, prediction) or of the values."""


def _once(metric: Metric, truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    counted = COUNTED[metric](truth, prediction)
    return float(counted.of(np.ones((1, len(np.asarray(truth))), dtype=np.int64))[0])


HIGHER_IS_BETTER: dict[Metric, bool] = {
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
