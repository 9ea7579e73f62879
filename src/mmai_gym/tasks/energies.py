"""Energies of small molecules, from their geometry or their SMILES.

QM9 (Ramakrishnan et al. 2014): atomization energies at B3LYP/6-31G(2df,p) in eV, of the 2,959 molecules of at most 14 atoms
in the smaller two parts of Tsubaki and Mizoguchi (2020). Shown is the DFT geometry, atoms with coordinates and nothing else,
or the SMILES. QM7 (Rupp et al. 2012): atomization energies at PBE0 in kcal/mol, of the 6,830 molecules that MoleculeNet has
as SMILES; split at random they are `moleculenet/qm7`.

Splits are by a hash with seed 0, 80 / 10 / 10 %: at random by connectivity, or by scaffold. Molecules without rings have no
scaffold and are placed by connectivity, too. The metric is the MAE. Atom counts alone explain most of an atomization energy,
so that to beat the constant says little.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mmai_gym.contracts import SPLITS, Example, Molecule, Number, Property, Question, Split, Words
from mmai_gym.molecules import Conformer, canonical, to_conformer_text
from mmai_gym.sources import kept, moleculenet, qm9
from mmai_gym.sources.derived import derived_column
from mmai_gym.sources.scaffolds import molecule_fraction, scaffold_fraction
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.measurement import Measurement, Row, covering_grid

Way = Literal["random", "scaffold"]
_FRACTIONS: Mapping[Way, Callable[[str], float]] = {"random": molecule_fraction, "scaffold": scaffold_fraction}
_VALID_FROM, _TEST_FROM = 0.8, 0.9


@dataclass(frozen=True, slots=True)
class EnergyRow(Row):
    """A molecule, its energy, and where they are known its atoms in space, `element x y z` in angstrom, with commas."""

    atoms: str = ""

    def inputs(self) -> dict[str, Any]:
        return {"smiles": canonical(self.smiles), "atoms": self.atoms}


@kept(qm9.DATASET)
def _qm9_rows() -> tuple[EnergyRow, ...]:
    return tuple(EnergyRow(m.id, m.smiles, m.energy, _atoms(m)) for m in qm9.molecules())


def _atoms(molecule: qm9.QuantumMolecule) -> str:
    """The part of the conformer text behind the SMILES, whose atoms need not be in the order of the file."""
    conformer = Conformer(molecule.symbols, molecule.coordinates, molecule.smiles)
    return to_conformer_text(conformer).partition("|")[2].strip()


@kept("moleculenet")
def _qm7_rows() -> tuple[EnergyRow, ...]:
    table = moleculenet.table("qm7")
    energies = table.labels["qm7"]
    return tuple(
        EnergyRow(id_, smiles, energy)
        for id_, smiles, energy in zip(table.ids, table.smiles, energies, strict=True)
        if energy is not None
    )


@dataclass(frozen=True, slots=True)
class EnergySet:
    """Where energies come from, in which unit, and how many rows each split has."""

    name: str
    source: str
    unit: str
    rows: Callable[[], Sequence[EnergyRow]]
    sizes: Mapping[Way, Mapping[Split, int]]


QM9 = EnergySet(
    "qm9",
    qm9.DATASET,
    "eV",
    _qm9_rows,
    {
        "random": {"train": 2_365, "valid": 313, "test": 281},
        "scaffold": {"train": 2_508, "valid": 261, "test": 190},
    },
)
QM7 = EnergySet(
    "qm7",
    "moleculenet",
    "kcal/mol",
    _qm7_rows,
    {"scaffold": {"train": 5_087, "valid": 760, "test": 983}},
)
SETS = {energies.name: energies for energies in (QM9, QM7)}


@kept(lambda name, way, split: SETS[name].source)
def split_rows(name: str, way: Way, split: Split) -> tuple[EnergyRow, ...]:
    """The rows of one part of a set."""
    rows = SETS[name].rows()
    smiles = [row.smiles for row in rows]
    fractions = derived_column(f"{name}-{way}", "1", smiles, _FRACTIONS[way])
    parts = ("train" if x < _VALID_FROM else "valid" if x < _TEST_FROM else "test" for x in fractions)
    return tuple(row for row, part in zip(rows, parts, strict=True) if part == split)


class Energy(Measurement):
    """The atomization energy from the SMILES."""

    category = "2d-molecules"
    property_name = "atomization-energy"
    asks = "Predict at equilibrium the"
    shown = "smiles"
    grid_of = staticmethod(covering_grid)

    def __init__(self, energies: EnergySet, way: Way) -> None:
        self.energies = energies
        self.way = way
        self.name = f"energies/{energies.name}-{self.shown}/{way}"
        self.sources = (energies.source,)
        self.unit = energies.unit

    def sizes(self) -> dict[str, int]:
        return {split: self.energies.sizes[self.way][split] for split in SPLITS}

    def rows(self, split: Split) -> Sequence[Row]:
        return split_rows(self.energies.name, self.way, split)


class EnergyInSpace(Energy):
    """The same from the geometry: elements and coordinates, in the frame of the conformer view."""

    category = "3d-molecules"
    shown = "geometry"

    def question(self, example: Example) -> Question:
        return (
            Words(self.asks, "measure"),
            Property(self.property_name),
            Words("of the molecule with these atoms"),
            Molecule(example.inputs["atoms"], "conformer"),
            Number(self.unit, self.grid),
        )

    def augment(self, example: Example, seed: int) -> Example:
        """The atoms in another order."""
        atoms = example.inputs["atoms"].split(", ")
        shuffled = ", ".join(random.Random(seed).sample(atoms, len(atoms)))
        return replace(example, inputs=dict(example.inputs) | {"atoms": shuffled})


TASKS: tuple[Callable[[], BaseTask], ...] = (
    *(functools.partial(task, QM9, way) for task in (EnergyInSpace, Energy) for way in QM9.sizes),
    *(functools.partial(Energy, QM7, way) for way in QM7.sizes),
)
