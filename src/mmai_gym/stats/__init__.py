"""Metrics and their intervals.

A benchmark number without an interval invites the reader to see a difference where there is noise, so every metric here
comes out as an `Estimate`.
"""

from __future__ import annotations

from mmai_gym.stats.intervals import (
    Difference,
    Resampling,
    bootstrap,
    mean,
    paired_difference,
    proportion,
    without_intervals,
)
from mmai_gym.stats.metrics import (
    HIGHER_IS_BETTER,
    Metric,
    accuracy,
    auprc,
    auroc,
    balanced_accuracy,
    concordance_index,
    mae,
    mse,
    pearson,
    r2,
    rm2,
    rmse,
    spearman,
)
from mmai_gym.stats.multiple import holm

__all__ = [
    "HIGHER_IS_BETTER",
    "Difference",
    "Metric",
    "Resampling",
    "accuracy",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "bootstrap",
    "concordance_index",
    "holm",
    "mae",
    "mean",
    "mse",
    "paired_difference",
    "pearson",
    "proportion",
    "r2",
    "rm2",
    "rmse",
    "spearman",
    "without_intervals",
]
