"""A subset of QM9 (Ramakrishnan et al. 2014): molecules of at most 14 atoms, hydrogens counted, with DFT geometries.

The files are those of Tsubaki and Mizoguchi (2020): blocks of a name, one line per atom and the atomization energy,
computed at B3LYP/6-31G(2df,p), in eV. Of their three parts the mirror has the validation and the test one, 2,959 molecules;
the training part is too large for it. SMILES stand in a file of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import DataError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import File, dataset
from mmai_gym.sources.memory import kept

DATASET = "qm9-small"


@dataclass(frozen=True, slots=True, eq=False)
class QuantumMolecule:
    """A molecule with its equilibrium geometry.

    Attributes:
        name: as in QM9, such as "dsgdb9nsd_000014".
        smiles: of the source, where it has one.
        symbols: element of each of the n atoms, hydrogens included.
        coordinates: in angstrom, shape (n, 3).
        energy: atomization energy in eV, negative.
    """

    id: str
    name: str
    smiles: str
    symbols: tuple[str, ...]
    coordinates: npt.NDArray[np.float64]
    energy: float


@kept(DATASET)
def molecules() -> tuple[QuantumMolecule, ...]:
    """The 2,959 molecules of the validation and the test file, in this order.

    Raises:
        DataError: a file is missing or damaged, a block is not what it should be, or a molecule has no SMILES.
    """
    return (*_part("valid"), *_part("test"))


def _part(key: Literal["valid", "test"]) -> list[QuantumMolecule]:
    file, smiles = dataset(DATASET).file(key), _smiles()
    blocks = [block.splitlines() for block in tables.text(file).split("\n\n") if block.strip()]
    if len(blocks) != file.rows:
        raise DataError(f"{file.path} has {len(blocks):,} molecules instead of {file.rows:,}")
    return [_molecule(file, lines, smiles) for lines in blocks]


def _molecule(file: File, lines: list[str], smiles: dict[str, str]) -> QuantumMolecule:
    name, *atoms, energy = lines
    where = f"{file.path}, {name}"
    fields = [line.split() for line in atoms]
    if not fields or any(len(row) != 4 for row in fields):
        raise DataError(f"{where}: not an element and three coordinates in every line")
    if name not in smiles:
        raise DataError(f"{where}: the file of SMILES has no such molecule")
    coordinates = [[tables.finite(number, where) for number in row[1:]] for row in fields]
    return QuantumMolecule(
        row_id(DATASET, name),
        name,
        smiles[name],
        tuple(row[0] for row in fields),
        np.array(coordinates, dtype=np.float64),
        tables.finite(energy, where),
    )


def _smiles() -> dict[str, str]:
    file = dataset(DATASET).file("smiles")
    rows = [line.split("\t") for line in tables.lines(file)]
    if any(len(row) != 2 for row in rows):
        raise DataError(f"{file.path} has a line that is not a name and a SMILES")
    tables.distinct((name for name, _ in rows), file.path)
    return dict(rows)
