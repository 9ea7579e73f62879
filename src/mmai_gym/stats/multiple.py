"""Many tests at once: with twenty endpoints, one p-value below 0.05 is what chance alone gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import DataError
from mmai_gym.stats.arrays import FloatArray


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Adjusted p-values by the step-down rule of Holm (Scand. J. Statist. 6, 65, 1979), shape (m,).

    Rejecting where they are at most alpha keeps the chance of a single false rejection among all m below alpha, however the
    tests depend on each other. NaN (no test could be made) stays NaN and is not counted in m.

    Raises:
        DataError: a p-value lies outside [0, 1], or `p_values` is no vector.
    """
    p = np.asarray(p_values, dtype=np.float64)
    made = ~np.isnan(p)
    if p.ndim != 1 or bool(((p[made] < 0.0) | (p[made] > 1.0)).any()):
        raise DataError(f"holm: needs a vector of p-values in [0, 1], got {p_values!r}")
    adjusted = np.full(len(p), np.nan)
    order = np.flatnonzero(made)[np.argsort(p[made], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted
