"""PharmaBench: eleven ADMET sets mined from assay descriptions, each with a scaffold and a random split (Niu et al. 2024).

The files and the paper's table of units disagree twice, and the files decide: CYP inhibition is called log10 uM but is
plain uM (0.000045 to 100), plasma protein binding is called a percentage but is a fraction of 0 to 1. Water solubility
is log10 nM as announced (log10 mol/L is 9 less), with 118 values below 0, under one nanomole per litre, that no assay
can see; they are kept. The scaffold split parts SMILES, not molecules: stereoisomers of 486 skeletons stand on both
sides of `bbb`, 120 of `ames`, 84 of `water_sol`, 73 of `logd`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import DataError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.endpoints import Endpoint, class_endpoint, read_label, value_endpoint
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept

Part = Literal["train", "test"]

_COLUMNS = ("Smiles_unify", "value", "property", "scaffold_train_test_label", "random_train_test_label")
_SOURCE = "Niu et al. 2024, from ChEMBL and public sets"


@dataclass(frozen=True, slots=True)
class PharmaMolecule:
    """One row of a table: `label` in the endpoint's unit, and its part in each of the two official splits."""

    id: str
    smiles: str
    label: float
    scaffold_part: Part
    random_part: Part


def _clearance(animal: str, adjective: str, rows: tuple[int, int, int]) -> Endpoint:
    return value_endpoint(
        f"pb-{animal}-mic-cl",
        "rmse",
        "log10 mL/min/g",
        f"intrinsic clearance by {adjective} liver microsomes, as the decimal logarithm of mL per minute and gram",
        f"Intrinsic clearance in {adjective} liver microsomes.",
        _SOURCE,
        rows,
    )


def _cyp(number: str, rows: tuple[int, int, int]) -> Endpoint:
    # Plain concentrations over six orders of magnitude: an absolute error would be that of the weakest inhibitors.
    return value_endpoint(
        f"pb-cyp-{number}",
        "spearman",
        "uM",
        f"half-maximal inhibitory concentration on cytochrome P450 {number.upper()}, in uM",
        f"Concentration that halves the activity of the enzyme CYP{number.upper()}.",
        _SOURCE,
        rows,
    )


ENDPOINTS: Mapping[str, Endpoint] = {
    "logd": value_endpoint(
        "pb-logd",
        "rmse",
        "log10 D",
        "octanol-water distribution coefficient at pH 7.4, as its decimal logarithm",
        "Distribution between octanol and water at pH 7.4 (logD).",
        _SOURCE,
        (9067, 1388, 2613),
    ),
    "water_sol": value_endpoint(
        "pb-water-sol",
        "rmse",
        "log10 nM",
        "solubility in water, as the decimal logarithm of nmol/L",
        "Solubility in water.",
        _SOURCE,
        (8242, 1119, 2340),
    ),
    "bbb": class_endpoint(
        "pb-bbb",
        "auroc",
        "Does the molecule cross the blood-brain barrier?",
        "Crosses the blood-brain barrier.",
        _SOURCE,
        (5880, 761, 1660),
    ),
    "ppb": value_endpoint(
        "pb-ppb",
        "rmse",
        "fraction bound",
        "fraction bound to plasma proteins, between 0 and 1",
        "Share of the compound bound to plasma proteins, 1 is all of it.",
        _SOURCE,
        (874, 136, 252),
    ),
    "cyp_2c9": _cyp("2c9", (685, 115, 199)),
    "cyp_2d6": _cyp("2d6", (838, 134, 242)),
    "cyp_3a4": _cyp("3a4", (1373, 211, 396)),
    "hum_mic_cl": _clearance("hum", "human", (1543, 286, 457)),
    "rat_mic_cl": _clearance("rat", "rat", (758, 146, 225)),
    "mou_mic_cl": _clearance("mou", "mouse", (949, 174, 280)),
    "ames": class_endpoint(
        "pb-ames",
        "auroc",
        "Is the molecule mutagenic in the Ames test?",
        "Mutagenic in the Ames test with bacteria.",
        _SOURCE,
        (6537, 775, 1827),
    ),
}
"""By the name of the file; test is the official scaffold test part, train and valid divide the official rest."""

# What the column `property` of each file must say: two files of the same columns cannot be taken for each other.
_PROPERTY = {name: name for name in ENDPOINTS} | {
    "water_sol": "solubility",
    "hum_mic_cl": "human_mic_cl",
    "mou_mic_cl": "mouse_mic_cl",
}


@kept("pharmabench")
def molecules(name: str) -> tuple[PharmaMolecule, ...]:
    """All rows of an endpoint, in the order of its file.

    Raises:
        DataError: the file is missing, damaged or not what the manifest says; a label or a part is none.
    """
    file = dataset("pharmabench").file(name)
    found = []
    for position, row in enumerate(tables.table(file, _COLUMNS)):
        where = f"{file.path}, row {position}"
        if row["property"] != _PROPERTY[name]:
            raise DataError(f"{where}: the property is {row['property']!r}, not {_PROPERTY[name]!r}")
        found.append(
            PharmaMolecule(
                row_id("pharmabench", name, position),
                row["Smiles_unify"],
                read_label(row["value"], ENDPOINTS[name].kind, where),
                _part(row["scaffold_train_test_label"], where),
                _part(row["random_train_test_label"], where),
            )
        )
    return tuple(found)


def _part(field: str, where: str) -> Part:
    if field == "train":
        return "train"
    if field == "test":
        return "test"
    raise DataError(f"{where}: the part {field!r} is neither train nor test")
