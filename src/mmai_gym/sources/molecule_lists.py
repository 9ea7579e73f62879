"""Large lists of molecules without labels: ZINC250k and a part of ChEMBL.

They teach the language, and inputs of optimization benchmarks are drawn from them. The text is kept as the files have
it and is not parsed here: a quarter of a million molecules take RDKit half a minute, which only a reader who needs
the molecules should spend.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmai_gym.contracts import DataError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import File, Member, dataset
from mmai_gym.sources.memory import kept


@dataclass(frozen=True, slots=True)
class ListedMolecule:
    """One line of a list: its id, from the list and the position, and the SMILES as it stands there."""

    id: str
    smiles: str


@kept("zinc")
def zinc() -> tuple[ListedMolecule, ...]:
    """ZINC250k (Irwin et al. 2012; Gómez-Bombarelli et al. 2018): 249,455 distinct SMILES.

    The file is called `.txt.gz` and is a tar archive with the member `zinc.txt`.

    Raises:
        DataError: the archive is missing or damaged, or a line is blank or repeated.
    """
    file = dataset("zinc").file("molecules")
    return distinct("zinc", file, file.member("zinc.txt"))


@kept("chembl-smiles")
def chembl() -> tuple[ListedMolecule, ...]:
    """The validation part of the ChEMBL set of Arús-Pous et al. (2019): 78,102 distinct SMILES.

    Raises:
        DataError: the file is missing or damaged, or a line is blank or repeated.
    """
    return distinct("chembl-smiles", dataset("chembl-smiles").file("molecules"))


def distinct(source: str, file: File, member: Member | None = None) -> tuple[ListedMolecule, ...]:
    """The lines of a file that holds one SMILES in each, every one another.

    Raises:
        DataError: as `tables.lines`, or a line is not one word, or stands there twice.
    """
    first: dict[str, int] = {}
    for position, line in enumerate(tables.lines(file, member)):
        if len(line.split()) != 1 or line != line.strip():
            raise DataError(f"{file.path}, line {position + 1}: {line[:80]!r} is not one SMILES")
        if line in first:
            raise DataError(f"{file.path}, line {position + 1} repeats line {first[line] + 1}: {line[:80]}")
        first[line] = position
    return tuple(ListedMolecule(row_id(source, file.key, position), smiles) for smiles, position in first.items())
