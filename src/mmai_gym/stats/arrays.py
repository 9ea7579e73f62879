"""Numbers as arrays, checked: the types and small helpers that metrics and intervals share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import DataError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]
NAN = float("nan")


def numbers(name: str, *arrays: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Two vectors of floats, of one length. Raises DataError, named by the metric, where they are none."""
    first, second = (np.asarray(a, dtype=np.float64) for a in arrays)
    _same_shape(name, first, second)
    return first, second


def labels(name: str, *arrays: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Two vectors of any labels, of one length. Raises DataError, named by the metric, where they are none."""
    first, second = (np.asarray(a) for a in arrays)
    _same_shape(name, first, second)
    return first, second


def binary(name: str, truth: npt.ArrayLike, score: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """A truth of 0 and 1 (or NaN), and scores. Raises DataError where the truth is anything else."""
    y, s = numbers(name, truth, score)
    strange = y[~np.isin(y, (0.0, 1.0)) & ~np.isnan(y)]
    if len(strange):
        raise DataError(f"{name}: the truth must be 0 or 1, found {strange[0]:g}; map the labels before scoring")
    return y, s


def _same_shape(name: str, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"{name}: needs two vectors of the same length, got shapes {first.shape} and {second.shape}"
        )


def as_columns(arrays: tuple[npt.ArrayLike, ...]) -> list[npt.NDArray[Any]]:
    """Arrays of one length. Raises DataError where they differ."""
    columns = [np.asarray(a) for a in arrays]
    if len({len(c) for c in columns}) != 1:
        raise DataError(f"arrays resampled together need one length, got {[len(c) for c in columns]}")
    return columns


def cluster_labels(clusters: npt.ArrayLike, size: int) -> npt.NDArray[Any]:
    """A label per item. Raises DataError where there are more or fewer."""
    labels = np.asarray(clusters)
    if labels.shape != (size,):
        raise DataError(f"clusters need one label for each of {size} items, got shape {labels.shape}")
    return labels


def zero_one(successes: npt.ArrayLike) -> FloatArray:
    """Successes as 0.0 and 1.0. Raises DataError for other values."""
    hits = np.asarray(successes, dtype=np.float64)
    if hits.ndim != 1 or not np.isin(hits, (0.0, 1.0)).all():
        raise DataError("proportion: successes must be a vector of booleans (or 0 and 1)")
    return hits


def mean_or_nan(x: FloatArray) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(x)) if len(x) else NAN


def has_nan(*arrays: FloatArray) -> bool:
    """Whether any value is NaN."""
    return any(bool(np.isnan(a).any()) for a in arrays)


def has_missing(*arrays: npt.NDArray[Any]) -> bool:
    """Whether any label is missing."""
    return any(a.dtype.kind == "f" and bool(np.isnan(a).any()) for a in arrays)


def is_constant(x: FloatArray) -> bool:
    """Whether all values are equal."""
    return len(x) < 2 or bool((x == x[0]).all())
