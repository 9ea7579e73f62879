"""The TDC ADMET benchmark group: 22 small tables with a fixed scaffold split (Huang et al. 2021).

Numbers of the public leaderboard were computed on these files as they are, so every row is kept: repeated SMILES
with different labels, and two SMILES that RDKit cannot read. The loader therefore never parses a molecule, except
to divide the official train_val table, where the protocol leaves the choice of a validation part to its user: here
about an eighth, by a hash of the scaffold that is the same in all endpoints. The tables are read out of the
group's archive, each checked by its own sha256, size and row count.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import Split, UsageError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.derived import derived_column
from mmai_gym.sources.endpoints import Endpoint, read_label
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept
from mmai_gym.sources.scaffolds import VALID_FROM, series, series_fraction
from mmai_gym.sources.tdc_endpoints import ENDPOINTS

__all__ = ["ENDPOINTS", "AdmetMolecule", "Endpoint", "clintox", "endpoint", "molecules", "sizes"]

_COLUMNS = ["Drug_ID", "Drug", "Y"]


@dataclass(frozen=True, slots=True)
class AdmetMolecule:
    """One row of a table.

    Attributes:
        id: from endpoint, table and position; unique also where a SMILES is repeated.
        name: the identifier that the source gives the compound.
        smiles: as the file has it, never rewritten.
        label: in the endpoint's unit; 0.0 or 1.0 for a binary endpoint.
    """

    id: str
    name: str
    smiles: str
    label: float


def endpoint(name: str) -> Endpoint:
    """The endpoint of this name.

    Raises:
        UsageError: there is none; the message suggests the closest one.
    """
    if name not in ENDPOINTS:
        close = difflib.get_close_matches(name, ENDPOINTS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"Known: {', '.join(ENDPOINTS)}."
        raise UsageError(f"unknown TDC ADMET endpoint {name!r}; {hint}")
    return ENDPOINTS[name]


def molecules(name: str, split: Split | Literal["train_val"], seed: int = 0) -> tuple[AdmetMolecule, ...]:
    """The rows of one part of an endpoint, in the order of the official table.

    `test` and `train_val` are official; `valid` is about an eighth of train_val, by scaffold, that `seed` chooses,
    and `train` the rest. The protocol asks for at least five runs, each with another validation part.

    Raises:
        UsageError: unknown endpoint or split.
        DataError: the archive is missing or damaged, or a table in it is not what the manifest says.
    """
    if split == "test" or split == "train_val":
        return _table(endpoint(name).name, split)
    if split == "train" or split == "valid":
        return _part(endpoint(name).name, split == "valid", seed)
    raise UsageError(f"unknown split {split!r}; known: train, valid, test, train_val")


def sizes(name: str) -> dict[str, int]:
    """Rows per split (seed 0) without reading the data.

    Raises:
        UsageError: unknown endpoint.
    """
    return endpoint(name).sizes


@kept("tdc-admet")
def _part(name: str, valid: bool, seed: int) -> tuple[AdmetMolecule, ...]:
    rows = _table(name, "train_val")
    return tuple(row for row, in_valid in zip(rows, _in_valid(name, seed), strict=True) if in_valid is valid)


@kept("tdc-admet")
def _in_valid(name: str, seed: int) -> tuple[bool, ...]:
    texts = [row.smiles for row in _table(name, "train_val")]
    keys = derived_column(f"tdc-admet-{name}-series", "1", texts, series)
    # The top of the hash, since a molecule that cannot be read gets 0 and then trains.
    return tuple(series_fraction(key, seed) >= VALID_FROM for key in keys)


@kept("tdc-admet")
def _table(name: str, table: Literal["train_val", "test"]) -> tuple[AdmetMolecule, ...]:
    file = dataset("tdc-admet").file("group")
    member = file.member(f"admet_group/{name}/{table}.csv")
    kind = ENDPOINTS[name].kind
    return tuple(
        AdmetMolecule(
            row_id("tdc-admet", name, table, position),
            row["Drug_ID"],
            row["Drug"],
            read_label(row["Y"], kind, f"{file.path}, {member.path}, row {position}"),
        )
        for position, row in enumerate(tables.table(file, _COLUMNS, member))
    )


@kept("tdc-clintox")
def clintox() -> tuple[AdmetMolecule, ...]:
    """The TDC copy of ClinTox (Gayvert et al. 2016): 1 says that a compound failed in trials for toxicity.

    It has no split, and no task asks for it: row by row it holds the molecules and the `CT_TOX` labels of MoleculeNet
    ClinTox, in canonical SMILES. It is here for audits, since it repeats that set under another name.

    Raises:
        DataError: the file is missing or damaged, or is not what the manifest says.
    """
    file = dataset("tdc-clintox").file("clintox")
    rows = list(tables.table(file, _COLUMNS, delimiter="\t"))
    tables.distinct((row["Drug_ID"] for row in rows), file.path)
    return tuple(
        AdmetMolecule(
            row_id("tdc-clintox", position),
            row["Drug_ID"],
            row["Drug"],
            read_label(row["Y"], "binary", f"{file.path}, row {position}"),
        )
        for position, row in enumerate(rows)
    )
