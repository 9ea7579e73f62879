"""How near is the test set to the training set? Tanimoto similarity of each test molecule to its nearest neighbour.

A scaffold split may still hold test molecules that differ from a training molecule by one methyl group; the median
says how much of a result may be memory. Morgan fingerprints, radius 2, 2,048 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import Fingerprint, morgan, tanimoto_to_all

MAX_TEST = 1_000
MAX_TRAIN = 10_000
NEAR = 0.7


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Similarities in [0, 1] of `n_test` test molecules to the nearest of `n_train` training molecules.

    Attributes:
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
    """Quartiles of the similarity of two sets of different SMILES; None where one of them is empty."""
    known, asked = _fingerprints(_even(train, MAX_TRAIN)), _fingerprints(_even(test, MAX_TEST))
    if not known or not asked:
        return None
    nearest = np.array([tanimoto_to_all(fingerprint, known).max() for fingerprint in asked])
    low, median, high = (round(float(value), 3) for value in np.quantile(nearest, (0.25, 0.5, 0.75)))
    sampled = len(train) > MAX_TRAIN or len(test) > MAX_TEST
    near = round(float(np.mean(nearest >= NEAR)), 3)
    return Neighbours(task, len(asked), len(known), low, median, high, near, sampled)


def _even(smiles: Sequence[str], limit: int) -> Sequence[str]:
    """At most `limit`, evenly spaced."""
    if len(smiles) <= limit:
        return smiles
    return [smiles[i * len(smiles) // limit] for i in range(limit)]


def _fingerprints(smiles: Sequence[str]) -> list[Fingerprint]:
    found: list[Fingerprint] = []
    for text in smiles:
        try:
            found.append(morgan(text))
        except InvalidMolecule:
            continue  # counted as unparsable where keys are made
    return found
