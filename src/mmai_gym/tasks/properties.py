"""Computed properties of the embedded molecules: values and classes that an exact oracle gives.

They are called properties and never ADMET: nothing here was measured. Their use is that a small model can learn them
in minutes, without any data from the network, and that the answers have no noise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from mmai_gym.contracts import Choice, Split
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import embedded
from mmai_gym.sources.derived import derived_column
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.measurement import Classification, Measurement, Row

# Crippen logP below 1 is called low and above 3 high: about a third of the embedded molecules each.
LOGP_LOW, LOGP_HIGH = 1.0, 3.0
_ORACLES = ("tpsa", "qed", "molecular-weight", "sa", "logp")


@functools.cache
def embedded_values() -> Mapping[str, Mapping[str, float]]:
    """The value of every oracle for every embedded molecule, by canonical SMILES."""
    smiles = [molecule.smiles for molecule in embedded.molecules()]
    return dict(zip(smiles, derived_column("embedded-properties", "1", smiles, oracle_values), strict=True))


def oracle_values(smiles: str) -> dict[str, float]:
    """The value of every oracle asked about, for a worker to compute."""
    return {name: round(ORACLES[name].one(smiles), 6) for name in _ORACLES}


class EmbeddedProperty(Measurement):
    """The value of one oracle."""

    sources = ("embedded",)

    def __init__(self, oracle: str) -> None:
        self.name = f"properties/embedded/{oracle}"
        self.property_name = oracle
        self.teachers = (oracle,)
        self.unit = ORACLES[oracle].units

    def rows(self, split: Split) -> Sequence[Row]:
        return _measured(self.property_name, split)


@functools.cache
def _measured(oracle: str, split: Split) -> tuple[Row, ...]:
    values = embedded_values()
    return tuple(Row(row.id, row.smiles, values[row.smiles][oracle]) for row in embedded.molecules(split))


class LogPClass(Classification):
    """Low, medium or high lipophilicity by Crippen logP."""

    name = "properties/embedded/logp-class"
    sources = ("embedded",)
    teachers = ("logp",)
    headline = "accuracy"
    property_name = "logp"
    asks = f"Below {LOGP_LOW:g} is low and above {LOGP_HIGH:g} is high: which class is the"
    form = Choice(("low", "medium", "high"))

    def rows(self, split: Split) -> Sequence[Row]:
        return _classed(split)


@functools.cache
def _classed(split: Split) -> tuple[Row, ...]:
    return tuple(Row(row.id, row.smiles, logp_class(float(row.label))) for row in _measured("logp", split))


def logp_class(logp: float) -> str:
    """The class of a Crippen logP."""
    return "low" if logp < LOGP_LOW else "high" if logp > LOGP_HIGH else "medium"


TASKS: tuple[Callable[[], BaseTask], ...] = (
    LogPClass,
    *(functools.partial(EmbeddedProperty, oracle) for oracle in ("tpsa", "qed", "molecular-weight", "sa")),
)
