"""ADMET prediction: the 22 endpoints of the TDC benchmark group, official scaffold split (Huang et al. 2021).

The metric of each endpoint is the one of the public board. All rows are kept as they are in the files, repeated and
unparsable SMILES included, since that is what published numbers were computed on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal

from mmai_gym.contracts import Example, InvalidMolecule, Split
from mmai_gym.sources import kept, tdc
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.measurement import Classification, Measurement, Row, SingleMolecule


@kept("tdc-admet")
def _rows(endpoint: str, split: Split) -> tuple[Row, ...]:
    binary = tdc.ENDPOINTS[endpoint].kind == "binary"
    return tuple(
        Row(row.id, row.smiles, ("yes" if row.label else "no") if binary else row.label)
        for row in tdc.molecules(endpoint, split)
    )


class _Endpoint(SingleMolecule):
    """What the two kinds of endpoint share."""

    sources: tuple[str, ...] = ("tdc-admet",)

    def __init__(self, endpoint: str) -> None:
        entry = tdc.ENDPOINTS[endpoint]
        self.name = f"admet/{endpoint}"
        self.property_name = endpoint
        self.headline: str = entry.metric
        self.asks = entry.question
        self.unit = entry.unit
        self.readout: Literal["mean", "median"] = "median" if entry.metric == "mae" else "mean"

    def rows(self, split: Split) -> Sequence[Row]:
        return _rows(self.property_name, split)

    def sizes(self) -> dict[str, int]:
        return tdc.sizes(self.property_name)

    def augment(self, example: Example, seed: int) -> Example:
        try:
            return super().augment(example, seed)
        except InvalidMolecule:
            return example  # the files hold a few SMILES that RDKit rejects


class AdmetClass(_Endpoint, Classification):
    """A binary endpoint, answered yes or no, with a probability."""


class AdmetValue(_Endpoint, Measurement):
    """A regression endpoint, answered in the unit of the file."""


def _make(endpoint: str) -> BaseTask:
    return AdmetClass(endpoint) if tdc.ENDPOINTS[endpoint].kind == "binary" else AdmetValue(endpoint)


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(functools.partial(_make, endpoint) for endpoint in tdc.ENDPOINTS)
