"""MoleculeNet: eleven files of labelled molecules, 60 labels (Wu et al. 2018). No split is stored with them.

`bbbp` and `lipo` are the measurements of TDC's `bbb_martins` and `lipophilicity_astrazeneca`; `bace` comes without the
potencies of the original; `qm7` has 6,830 molecules as SMILES, not the 7,101 geometries of the set's other form. RDKit
rejects 7 SMILES of `hiv` and 8 of `tox21`. In `tox21` 16,026 cells are empty: not measured. The oscillator strengths
of `qm8` include a few below zero, which no spectrum has; they are kept. The files write molecules in many ways, those
of `qm7` and `qm8` with explicit hydrogens, and in `clintox` and `bbbp` the writing betrays the label: of the molecules
with an aromatic ring, `clintox` writes all that failed in trials, and no other, with alternating double bonds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmai_gym.contracts import row_id
from mmai_gym.sources import tables
from mmai_gym.sources.endpoints import Kind, read_label
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept
from mmai_gym.sources.moleculenet_labels import LABELS, Label

__all__ = ["LABELS", "Label", "Table", "table"]

# An empty cell is a missing measurement here, and a fault of the file anywhere else.
_WITH_MISSING = frozenset({"tox21"})


@dataclass(frozen=True, slots=True)
class Table:
    """A file by columns, all of the same length and in its order.

    Attributes:
        ids: from file and position.
        smiles: as the file has them, never rewritten.
        labels: by name of the label; None where nothing was measured.
    """

    ids: tuple[str, ...]
    smiles: tuple[str, ...]
    labels: Mapping[str, tuple[float | None, ...]]


@kept("moleculenet")
def table(name: str) -> Table:
    """All rows of one file.

    Raises:
        DataError: the file is missing, damaged or not what the manifest says; a label is not a number, or is missing
            in a file that has no missing ones.
    """
    file = dataset("moleculenet").file(name)
    labels = {key: label for key, label in LABELS.items() if label.table == name}
    rows = list(tables.table(file, ("smiles", *(label.column for label in labels.values()))))
    return Table(
        tuple(row_id("moleculenet", name, position) for position in range(len(rows))),
        tuple(row["smiles"] for row in rows),
        {
            key: tuple(
                _label(
                    row[label.column], name, label.endpoint.kind, f"{file.path}, row {position}, {label.column}"
                )
                for position, row in enumerate(rows)
            )
            for key, label in labels.items()
        },
    )


def _label(field: str, table: str, kind: Kind, where: str) -> float | None:
    return None if not field and table in _WITH_MISSING else read_label(field, kind, where)
