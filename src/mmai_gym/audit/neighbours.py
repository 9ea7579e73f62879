"""How near is the test set to the training set? Tanimoto similarity of each test molecule to its nearest neighbour.

A scaffold split may still hold test molecules that differ from a training molecule by one methyl group; the median
says how much of a result may be memory. Morgan fingerprints, radius 2, 2,048 bits.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import morgan_bytes
from mmai_gym.sources.derived import derived_table

MAX_TEST = 500
MAX_TRAIN = 10_000
NEAR = 0.7
FINGERPRINT_BYTES = 2048 // 8


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Similarities in [0, 1] of `n_test` test molecules to the nearest of `n_train` training molecules.

    Attributes:
        low, median, high: quartiles.
        near: share of them at or above 0.7.
        sampled: True where a set was larger than the bounds and an even sample of it was compared; a sample of the
            training set makes the similarities too low.
    """

    task: str
    n_test: int
    n_train: int
    low: float
    median: float
    high: float
    near: float
    sampled: bool


def neighbours(task: str, train: Sequence[str], test: Sequence[str]) -> Neighbours | None:
    """Quartiles of the similarity of two sets of different SMILES, kept on disk; None where one of them is empty."""
    known, asked = _even(train, MAX_TRAIN), _even(test, MAX_TEST)
    # An empty line, which is no SMILES, stands between the two.
    rows = derived_table("neighbours", "1", [*known, "", *asked], lambda: _similarities(known, asked))
    sampled = len(train) > MAX_TRAIN or len(test) > MAX_TEST
    if not rows:
        return None
    n_test, n_train, low, median, high, near = rows[0]
    return Neighbours(task, n_test, n_train, low, median, high, near, sampled)


def _similarities(train: Sequence[str], test: Sequence[str]) -> list[tuple[int, int, float, float, float, float]]:
    """One row of the middle fields of `Neighbours`, or none."""
    known, asked = _fingerprints(train), _fingerprints(test)
    if known is None or asked is None:
        return []
    common = asked @ known.T
    union = asked.sum(axis=1)[:, None] + known.sum(axis=1)[None, :] - common
    # Only a lone hydrogen has no bit; it resembles nothing.
    nearest = (common / np.maximum(union, 1)).max(axis=1)
    low, median, high = (round(float(value), 3) for value in np.quantile(nearest, (0.25, 0.5, 0.75)))
    return [(len(asked), len(known), low, median, high, round(float(np.mean(nearest >= NEAR)), 3))]


def _even(smiles: Sequence[str], limit: int) -> Sequence[str]:
    """At most `limit`, evenly spaced."""
    if len(smiles) <= limit:
        return smiles
    return [smiles[i * len(smiles) // limit] for i in range(limit)]


def _fingerprints(smiles: Sequence[str]) -> npt.NDArray[np.float32] | None:
    """Shape (n, 2048), of those that can be read; floats, since their product is what numpy computes fast."""
    found = b"".join(filter(None, map(_packed, smiles)))
    if not found:
        return None
    bits = np.unpackbits(np.frombuffer(found, dtype=np.uint8).reshape(-1, FINGERPRINT_BYTES), axis=1)
    return bits.astype(np.float32)


@functools.lru_cache(maxsize=1 << 16)
def _packed(smiles: str) -> bytes | None:
    """A fingerprint, remembered since many tasks ask about the same molecules; None for what cannot be read."""
    try:
        return morgan_bytes(smiles)
    except InvalidMolecule:
        return None  # counted as unparsable where keys are made
