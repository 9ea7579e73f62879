"""Molecules of PubChem and their IUPAC names, in the split of TOMG-Bench (Li et al. 2024).

Rows are kept as they are in the files. Two compounds are twice in train, and two others are in both train and test. By
connectivity the overlap is larger, for a name tells stereoisomers apart and a skeleton does not: train shares 291 skeletons
with the test set and 159 with the validation set. A training corpus has to leave the two compounds out at least.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmai_gym.contracts import SPLITS, Split, UsageError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept


@dataclass(frozen=True, slots=True)
class NamedMolecule:
    """One row: PubChem's number of the compound, SMILES as the file has it, IUPAC name."""

    id: str
    cid: str
    smiles: str
    name: str


@kept("tomg-iupac")
def molecules(split: Split) -> tuple[NamedMolecule, ...]:
    """The rows of a split, in the order of the file.

    Raises:
        UsageError: there is no such split.
        DataError: the file is missing or malformed.
    """
    if split not in SPLITS:
        raise UsageError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    rows = tables.table(dataset("tomg-iupac").file(split), ["cid", "SMILES", "description"], delimiter="\t")
    return tuple(
        NamedMolecule(row_id("tomg-iupac", split, position), row["cid"], row["SMILES"], row["description"])
        for position, row in enumerate(rows)
    )
