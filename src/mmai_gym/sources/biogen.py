"""Biogen ADME: six in vitro endpoints of one laboratory, with the authors' training and test files (Fang et al. 2023).

All values are decimal logarithms. The pairs of files are kept as they are, with what is odd in them: three compounds
carry the value 0 in the pairs of both microsomal assays, the efflux ratio and solubility, where the main table has
measurements; a SMILES may repeat with another value inside a training file (11 rows of hPPB, 5 of rPPB, 1 of HLM, RLM
and Sol); hPPB, rPPB and MDR1-ER share 3, 5 and 1 SMILES between training and test, and 12, 11 and 1 skeletons. The
plasma protein binding files are about ten times as long as the columns of the main table: most of their rows come
from elsewhere, 412 of the 559 test molecules of TDC's `ppbr_az` among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import row_id
from mmai_gym.sources import tables
from mmai_gym.sources.endpoints import Endpoint, LabelledMolecule, read_label, value_endpoint
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept


def _value(name: str, unit: str, quantity: str, meaning: str, rows: tuple[int, int, int]) -> Endpoint:
    return value_endpoint(f"biogen-{name}", "pearson", unit, quantity, meaning, "Fang et al. 2023", rows)


def _clearance(name: str, animal: str, rows: tuple[int, int, int]) -> Endpoint:
    return _value(
        name,
        "log10 mL/min/kg",
        f"intrinsic clearance by {animal} liver microsomes, as the decimal logarithm of mL per minute and kilogram",
        f"Intrinsic clearance in {animal} liver microsomes.",
        rows,
    )


def _unbound(name: str, animal: str, rows: tuple[int, int, int]) -> Endpoint:
    return _value(
        name,
        "log10 % unbound",
        f"share not bound to {animal} plasma proteins, as the decimal logarithm of a percentage",
        f"Share of the compound that is free in {animal} plasma.",
        rows,
    )


ENDPOINTS: Mapping[str, Endpoint] = {
    "hlm": _clearance("hlm", "human", (2105, 364, 618)),
    "rlm": _clearance("rlm", "rat", (2090, 353, 611)),
    "mdr1-er": _value(
        "mdr1-er",
        "log10 ratio",
        "efflux ratio (B-A/A-B) in MDR1-MDCK cells, as its decimal logarithm",
        "How much faster P-glycoprotein cells carry the compound out than in.",
        (1810, 303, 529),
    ),
    "sol": _value(
        "sol",
        "log10 ug/mL",
        "solubility in water at pH 6.8, as the decimal logarithm of ug/mL",
        "Solubility in water at pH 6.8.",
        (1487, 251, 435),
    ),
    "hppb": _unbound("hppb", "human", (1270, 176, 362)),
    "rppb": _unbound("rppb", "rat", (621, 87, 177)),
}
"""By the name of the pair; test is the official test file, train and valid divide the official training file."""

_MAIN_COLUMNS = {
    "hlm": "LOG HLM_CLint (mL/min/kg)",
    "rlm": "LOG RLM_CLint (mL/min/kg)",
    "mdr1-er": "LOG MDR1-MDCK ER (B-A/A-B)",
    "sol": "LOG SOLUBILITY PH 6.8 (ug/mL)",
    "hppb": "LOG PLASMA PROTEIN BINDING (HUMAN) (% unbound)",
    "rppb": "LOG PLASMA PROTEIN BINDING (RAT) (% unbound)",
}


@dataclass(frozen=True, slots=True)
class Compound:
    """One compound of the main table; `values` holds the endpoints that were measured on it, by name."""

    id: str
    smiles: str
    values: Mapping[str, float]


@kept("biogen-adme")
def molecules(name: str, part: Literal["train", "test"]) -> tuple[LabelledMolecule, ...]:
    """The rows of an official file of an endpoint, in its order.

    Raises:
        DataError: the file is missing, damaged or not what the manifest says; a value is not a finite number.
    """
    file = dataset("biogen-adme").file(f"{name}-{part}")
    return tuple(
        LabelledMolecule(
            row_id("biogen-adme", name, part, position),
            row["smiles"],
            read_label(row["activity"], "regression", f"{file.path}, row {position}"),
        )
        for position, row in enumerate(tables.table(file, ("smiles", "activity")))
    )


@kept("biogen-adme")
def compounds() -> tuple[Compound, ...]:
    """The main table, 3,521 compounds; the tasks use the pairs, which an audit compares with it.

    Raises:
        DataError: as `molecules`, or an identifier is repeated.
    """
    file = dataset("biogen-adme").file("main")
    rows = list(tables.table(file, ("Internal ID", "SMILES", *_MAIN_COLUMNS.values())))
    tables.distinct((row["Internal ID"] for row in rows), file.path)
    return tuple(
        Compound(
            row_id("biogen-adme", "main", row["Internal ID"]),
            row["SMILES"],
            {
                name: read_label(row[column], "regression", f"{file.path}, {row['Internal ID']}, {column}")
                for name, column in _MAIN_COLUMNS.items()
                if row[column]
            },
        )
        for row in rows
    )
