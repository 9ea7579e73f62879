"""Human drug-target interactions of Liu et al. (2015): does a molecule bind to a protein, yes or no?

The negatives are not measured: they were inferred from dissimilarity. No task asks for them; the molecules are here for
audits, because some of them are test molecules of other sets. The three parts are those of the random split of DrugBAN (Bai
et al. 2023); its cold split draws on the same pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmai_gym.contracts import SPLITS, Split, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.endpoints import read_label
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept

_COLUMNS = ["SMILES", "Protein", "Y"]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One pair: SMILES as the file has it (lone ions among them), amino acid sequence, and whether they interact."""

    id: str
    smiles: str
    sequence: str
    binds: bool
    part: Split


@kept("drugban-human")
def interactions() -> tuple[Interaction, ...]:
    """All 5,997 pairs in the order train, valid, test.

    Raises:
        DataError: a file is missing or damaged, or is not what the manifest says.
    """
    found: list[Interaction] = []
    for part in SPLITS:
        file = dataset("drugban-human").file(part)
        for position, row in enumerate(tables.table(file, _COLUMNS)):
            label = read_label(row["Y"], "binary", f"{file.path}, row {position}")
            found.append(
                Interaction(
                    row_id("drugban-human", part, position), row["SMILES"], row["Protein"], bool(label), part
                )
            )
    return tuple(found)
