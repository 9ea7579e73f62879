"""ChEBI-20: molecules and what ChEBI says about them, validation and test set (Edwards et al. 2021; 2022).

The training file is too large for the mirror. In 484 rows of the test and 502 of the validation set the backslashes of
double bonds are doubled, as if escaped twice; they are single here, so that a SMILES can be compared as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import UsageError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept


@dataclass(frozen=True, slots=True)
class DescribedMolecule:
    """One row.

    Attributes:
        cid: PubChem's number of the compound.
        smiles: as the file has it, but for doubled backslashes.
        description: sentences in English, beginning with "The molecule is".
    """

    id: str
    cid: str
    smiles: str
    description: str


@kept("chebi-20")
def molecules(split: Literal["valid", "test"]) -> tuple[DescribedMolecule, ...]:
    """The rows of a split, in the order of the file.

    Raises:
        UsageError: there is no such split.
        DataError: the file is missing or malformed.
    """
    if split not in ("valid", "test"):
        raise UsageError(f"ChEBI-20 has no split {split!r} here; it has valid and test")
    rows = tables.table(dataset("chebi-20").file(split), ["CID", "SMILES", "description"], delimiter="\t")
    return tuple(
        DescribedMolecule(
            row_id("chebi-20", split, position),
            row["CID"],
            row["SMILES"].replace("\\\\", "\\"),
            row["description"],
        )
        for position, row in enumerate(rows)
    )
