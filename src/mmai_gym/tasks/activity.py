"""Drug-target activity: affinities of pairs (Davis, KIBA, Metz), activity cliffs (MoleculeACE), and the embedded series.

A pair shows the molecule and the whole amino acid sequence. The published protocol of the kinase sets (Ozturk et al. 2018)
asks for the mean squared error, the concordance index and r_m²; rows share drugs and proteins, so the intervals resample
whole drugs, or whole sequences where new sequences are tested. MoleculeACE (van Tilborg et al. 2022) asks for the root
mean squared error over all molecules and over cliff molecules alone; which those are, the model is not told.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmai_gym.contracts import Estimate, Example, Molecule, Number, Property, Question, Result, Split, Words
from mmai_gym.sources import affinity, embedded, kept, moleculeace
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.measurement import Measurement, Row, covering_grid
from mmai_gym.tasks.scoring import mean_score, value_metrics

# --------------------------------------------------------------------------------------------------- affinity


@dataclass(frozen=True, slots=True)
class Assay:
    """What the values of an affinity data set are: the name of the property, and the words that ask for it."""

    property_name: str
    asks: str


ASSAYS: Mapping[str, Assay] = {
    "davis": Assay(
        "davis-pkd",
        "Predict the affinity (pKd, the negative decimal logarithm of the dissociation constant in mol/L; "
        "5 stands for no binding seen) in the series",
    ),
    "kiba": Assay(
        "kiba-score",
        "Predict the affinity (KIBA score, from Ki, Kd and IC50; 0 to 17.2, higher binds more strongly) in the series",
    ),
    "metz": Assay(
        "metz-pki",
        "Predict the affinity (pKi, the negative decimal logarithm of the inhibition constant in mol/L) in the series",
    ),
}


@dataclass(frozen=True, slots=True)
class PairRow(Row):
    """A labelled pair; `drug` is the skeleton that all rows of a drug share."""

    sequence: str
    drug: str

    def inputs(self) -> dict[str, Any]:
        return {"smiles": self.smiles, "sequence": self.sequence, "drug": self.drug}


@kept(lambda name, rule, split, seed: name)
def _pair_rows(name: str, rule: affinity.Rule, split: Split, seed: int) -> tuple[PairRow, ...]:
    return tuple(
        PairRow(pair.id, pair.smiles, pair.value, pair.sequence, pair.drug)
        for pair in affinity.part(name, rule, split, seed)
    )


class Affinity(Measurement):
    """The affinity of a molecule to a protein, under one way to split the pairs; `seed` draws a cold split anew."""

    category = "drug-gene"
    headline = "concordance_index"
    readout = "mean"
    grid_of = staticmethod(covering_grid)

    def __init__(self, name: str, rule: affinity.Rule, seed: int = 0) -> None:
        self.name = f"activity/{name}/{rule}" + (f"@{seed}" if seed else "")
        self.sources: tuple[str, ...] = (name,)
        self.property_name = ASSAYS[name].property_name
        self.asks = ASSAYS[name].asks
        self.data_set = name
        self.rule = rule
        self.seed = seed

    def drawn_again(self, seed: int) -> BaseTask:
        if self.rule == "random":
            return super().drawn_again(seed)
        return Affinity(self.data_set, self.rule, seed)

    def rows(self, split: Split) -> Sequence[PairRow]:
        return _pair_rows(self.data_set, self.rule, split, self.seed)

    def sizes(self) -> dict[str, int]:
        return affinity.sizes(self.data_set, self.rule, self.seed)

    def proteins(self) -> list[str]:
        return sorted({row.sequence for row in self.rows("train")})

    def rewritten(self, example: Example, count: int, seed: int) -> list[Example]:
        # Drawn by the molecule and not by the pair, so that a model reads each writing once for all proteins.
        drawn = super().rewritten(replace(example, id=example.inputs["smiles"]), count, seed)
        return [replace(one, id=example.id) for one in drawn]

    def question(self, example: Example) -> Question:
        return (
            Words(self.asks, "affinity"),
            Property(self.property_name),
            Words("of the molecule"),
            Molecule(example.inputs["smiles"]),
            Words("and the protein"),
            Molecule(example.inputs["sequence"], view="protein"),
            Number(self.unit, self.grid),
        )

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        names = ("concordance_index", "mse", "rm2", "pearson", "rmse")
        metrics = value_metrics(results, self.unit, self.middle, names, self.clusters)
        return metrics | {"score": mean_score(results, self.clusters)}

    def clusters(self, results: Sequence[Result]) -> list[str]:
        shared = "sequence" if self.rule == "cold-target" else "drug"
        return [str(result.example.inputs[shared]) for result in results]


# --------------------------------------------------------------------------------------------------- cliffs


@dataclass(frozen=True, slots=True)
class CliffRow(Row):
    """A labelled molecule, and whether it is part of an activity cliff."""

    cliff: bool

    def inputs(self) -> dict[str, Any]:
        return {"smiles": self.smiles, "cliff": self.cliff}


@kept("moleculeace")
def _cliff_rows(target: str, split: Split) -> tuple[CliffRow, ...]:
    return tuple(
        CliffRow(row.id, row.smiles, row.activity, row.cliff) for row in moleculeace.molecules(target, split)
    )


class ActivityCliffs(Measurement):
    """The potency of a molecule at one target of MoleculeACE."""

    category = "drug-gene"
    sources = ("moleculeace",)
    headline = "rmse"
    readout = "mean"
    grid_of = staticmethod(covering_grid)

    def __init__(self, target: str) -> None:
        entry = moleculeace.TARGETS[target]
        self.name = f"activity/moleculeace/{target}"
        self.property_name = target
        self.asks = (
            f"Predict the activity at {entry.protein} ({entry.measure}, the negative decimal logarithm of a "
            "concentration in mol/L) in the data set"
        )

    def rows(self, split: Split) -> Sequence[CliffRow]:
        return _cliff_rows(self.property_name, split)

    def sizes(self) -> dict[str, int]:
        return moleculeace.sizes(self.property_name)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        on_cliffs = [result for result in results if result.example.inputs["cliff"]]
        return {
            "rmse": value_metrics(results, self.unit, self.middle, ["rmse"])["rmse"],
            "rmse_cliff": value_metrics(on_cliffs, self.unit, self.middle, ["rmse"])["rmse"],
            "score": mean_score(results),
        }


# --------------------------------------------------------------------------------------------------- embedded


@functools.cache
def _rows(split: Split) -> tuple[Row, ...]:
    return tuple(Row(row.id, row.smiles, row.activity) for row in embedded.activity(split))


class EmbeddedActivity(Measurement):
    """The measured activity of each compound of ChEMBL document CHEMBL2321810, on the file's logarithmic scale."""

    name = "activity/embedded"
    category = "drug-gene"
    sources = ("embedded",)
    property_name = "chembl2321810"
    asks = "Predict the activity (logarithmic, higher is more potent) in the assay series"

    def rows(self, split: Split) -> Sequence[Row]:
        return _rows(split)


TASKS: tuple[Callable[[], BaseTask], ...] = (
    *(functools.partial(Affinity, name, rule) for name in ASSAYS for rule in affinity.RULES),
    *(functools.partial(ActivityCliffs, target) for target in moleculeace.TARGETS),
    EmbeddedActivity,
)
