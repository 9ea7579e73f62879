"""CardioGenAI: how strongly molecules block three ion channels of the heart (Kyro et al. 2024).

pIC50 (minus the decimal logarithm of mol/L) on hERG, NaV1.5 and CaV1.2, with the authors' training, validation and test
parts. The values were collected from many places and some cannot be right: 23 of hERG and one of CaV1.2 lie below 2
(a half-maximal effect above 10 mmol/L; the lowest is 0.02), one of hERG is 12 and 22 of CaV1.2 lie above 10. They
are kept, as published numbers were computed with them. Two training rows of NaV1.5 are marked neither as training nor
as validation. 45 of the 472 distinct hERG test skeletons stand in the training file too, and 949 of the 4,303
validation skeletons in its training part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mmai_gym.contracts import DataError, Split, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.endpoints import Endpoint, read_label, value_endpoint
from mmai_gym.sources.manifest import File, dataset
from mmai_gym.sources.memory import kept

# "InChl" with a small L is how the files spell it.
_COLUMNS = ("InChl Key", "SMILES", "pIC50")
_MARKS: Mapping[str, Split | None] = {"Train": "train", "Validation": "valid", "": None}


@dataclass(frozen=True, slots=True)
class ChannelMolecule:
    """One row: `label` is the pIC50, `part` None where the file gives none, `inchikey` the file's own."""

    id: str
    inchikey: str
    smiles: str
    label: float
    part: Split | None


def _channel(name: str, channel: str, why: str, rows: tuple[int, int, int]) -> Endpoint:
    return value_endpoint(
        f"cardiogenai-{name}",
        "rmse",
        "pIC50",
        f"pIC50 (minus the decimal logarithm of mol/L) on the {channel} channel",
        f"Concentration that halves the current of the {channel} channel; {why}.",
        "Kyro et al. 2024, from ChEMBL, PubChem, BindingDB, patents and papers",
        rows,
    )


ENDPOINTS: Mapping[str, Endpoint] = {
    "herg": _channel("herg", "hERG potassium", "blocking it lengthens the QT interval", (17_796, 4_450, 473)),
    "nav1.5": _channel("nav1.5", "NaV1.5 sodium", "blocking it slows conduction", (1_653, 414, 142)),
    "cav1.2": _channel("cav1.2", "CaV1.2 calcium", "blocking it weakens contraction", (641, 161, 81)),
}
"""By channel; all three parts are official."""


@kept("cardiogenai")
def molecules(name: str) -> tuple[ChannelMolecule, ...]:
    """All rows of a channel: the training and validation file, then the test file.

    Raises:
        DataError: a file is missing, damaged or not what the manifest says; a value is not a finite number, an
            identifier is repeated in a file, or a mark is unknown.
    """
    source = dataset("cardiogenai")
    marked = _read(source.file(f"{name}-train-val"), (*_COLUMNS, "USED_AS"), _marked)
    return marked + _read(source.file(f"{name}-test"), _COLUMNS, lambda row, where: "test")


def _read(
    file: File, columns: Sequence[str], part: Callable[[Mapping[str, str], str], Split | None]
) -> tuple[ChannelMolecule, ...]:
    rows = list(tables.table(file, columns))
    tables.distinct((row["InChl Key"] for row in rows), file.path)
    found = []
    for position, row in enumerate(rows):
        where = f"{file.path}, row {position}"
        label = read_label(row["pIC50"], "regression", where)
        found.append(
            ChannelMolecule(
                row_id("cardiogenai", file.key, position), row["InChl Key"], row["SMILES"], label, part(row, where)
            )
        )
    return tuple(found)


def _marked(row: Mapping[str, str], where: str) -> Split | None:
    if row["USED_AS"] not in _MARKS:
        raise DataError(f"{where}: the mark {row['USED_AS']!r} is none of {', '.join(map(repr, _MARKS))}")
    return _MARKS[row["USED_AS"]]
