"""MoleculeACE: 30 bioactivity sets in which activity cliffs are marked.

Van Tilborg et al., J. Chem. Inf. Model. 62, 5938 (2022). A cliff is a pair of similar molecules of which one is at least
ten times as potent; a model that only interpolates between similar molecules fails there, which an error over all
molecules hides. The official split into training and test part clusters the molecules and keeps the share of cliff
molecules equal. It names no validation part: here it is the molecules of about a tenth of the molecular formulas of the
training part, by a hash that is the same for all targets. Stereoisomers have one formula and are never parted: in these
sets it is a coarser unit than the connectivity of the InChIKey, and it is had in a quarter of the time.

The tables give the activity as `y` = -log10 of nM, which published errors were computed on, and as
`y [pEC50/pKi]` = y + 9, which chemists write. The second is read; errors are the same.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import SPLITS, DataError, InvalidMolecule, Split, UsageError, row_id
from mmai_gym.molecules import formula
from mmai_gym.sources import tables
from mmai_gym.sources.hashing import hash_fraction
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept

SEED = 0
_VALID_FROM = 0.9
_ACTIVITY = "y [pEC50/pKi]"
_COLUMNS = ["smiles", _ACTIVITY, "cliff_mol", "split"]


@dataclass(frozen=True, slots=True)
class Target:
    """One of the 30 sets.

    Attributes:
        name: the ChEMBL target and the measurement, e.g. "chembl204_ki".
        protein: its common name.
        measure: "pKi", or "pEC50" of agonists.
        train, valid, test: rows; the first two divide the official training part.
    """

    name: str
    protein: str
    measure: str
    train: int
    valid: int
    test: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One molecule of a set.

    Attributes:
        id: from target and position in the table.
        activity: pKi or pEC50: -log10 of mol/L.
        cliff: whether it is part of an activity cliff.
    """

    id: str
    smiles: str
    activity: float
    cliff: bool


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("chembl204_ki", "thrombin", "pKi", 2015, 186, 553),
        Target("chembl214_ki", "serotonin receptor 5-HT1A", "pKi", 2412, 239, 666),
        Target("chembl218_ec50", "cannabinoid receptor CB1", "pEC50", 733, 90, 208),
        Target("chembl219_ki", "dopamine receptor D4", "pKi", 1331, 160, 374),
        Target("chembl228_ki", "serotonin transporter", "pKi", 1232, 130, 342),
        Target("chembl231_ki", "histamine receptor H1", "pKi", 708, 68, 197),
        Target("chembl233_ki", "mu opioid receptor", "pKi", 2222, 290, 630),
        Target("chembl234_ki", "dopamine receptor D3", "pKi", 2601, 323, 733),
        Target("chembl235_ec50", "peroxisome proliferator-activated receptor gamma", "pEC50", 1675, 202, 472),
        Target("chembl236_ki", "delta opioid receptor", "pKi", 1854, 223, 521),
        Target("chembl237_ec50", "kappa opioid receptor", "pEC50", 661, 101, 193),
        Target("chembl237_ki", "kappa opioid receptor", "pKi", 1847, 234, 522),
        Target("chembl238_ki", "dopamine transporter", "pKi", 748, 91, 213),
        Target("chembl239_ec50", "peroxisome proliferator-activated receptor alpha", "pEC50", 1233, 141, 347),
        Target("chembl244_ki", "coagulation factor X", "pKi", 2252, 224, 621),
        Target("chembl262_ki", "glycogen synthase kinase-3 beta", "pKi", 596, 87, 173),
        Target("chembl264_ki", "histamine receptor H3", "pKi", 2128, 160, 574),
        Target("chembl287_ki", "sigma non-opioid receptor 1", "pKi", 945, 116, 267),
        Target("chembl1862_ki", "tyrosine-protein kinase ABL1", "pKi", 565, 68, 161),
        Target("chembl1871_ki", "androgen receptor", "pKi", 479, 46, 134),
        Target("chembl2034_ki", "glucocorticoid receptor", "pKi", 546, 52, 152),
        Target("chembl2047_ec50", "farnesoid X receptor", "pEC50", 458, 45, 128),
        Target("chembl2147_ki", "serine/threonine-protein kinase PIM1", "pKi", 1042, 120, 294),
        Target("chembl2835_ki", "Janus kinase 1", "pKi", 439, 50, 126),
        Target("chembl2971_ki", "Janus kinase 2", "pKi", 692, 87, 197),
        Target("chembl3979_ec50", "peroxisome proliferator-activated receptor delta", "pEC50", 799, 100, 226),
        Target("chembl4005_ki", "PI3-kinase p110-alpha subunit", "pKi", 694, 73, 193),
        Target("chembl4203_ki", "dual specificity protein kinase CLK4", "pKi", 519, 63, 149),
        Target("chembl4616_ec50", "ghrelin receptor", "pEC50", 493, 50, 139),
        Target("chembl4792_ki", "orexin receptor 2", "pKi", 1030, 144, 297),
    )
}


def target(name: str) -> Target:
    """The target of this name.

    Raises:
        UsageError: there is none; the message suggests the closest one.
    """
    if name not in TARGETS:
        close = difflib.get_close_matches(name, TARGETS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"Known: {', '.join(TARGETS)}."
        raise UsageError(f"unknown MoleculeACE target {name!r}; {hint}")
    return TARGETS[name]


def molecules(name: str, split: Split) -> tuple[Measured, ...]:
    """The molecules of one split, in the order of the table.

    Raises:
        UsageError: unknown target or split.
        DataError: the table is missing or damaged, or is not what the manifest says.
    """
    known = target(name)
    if split not in SPLITS:
        raise UsageError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    return _parts(known.name)[split]


def sizes(name: str) -> dict[str, int]:
    """Rows per split without reading the data.

    Raises:
        UsageError: unknown target.
    """
    known = target(name)
    return {"train": known.train, "valid": known.valid, "test": known.test}


@kept("moleculeace")
def _parts(name: str) -> dict[str, tuple[Measured, ...]]:
    parts: dict[str, list[Measured]] = {"train": [], "valid": [], "test": []}
    held_back = _held_back(name)
    for position, (row, official) in enumerate(_table(name)):
        parts["valid" if position in held_back else official].append(row)
    return {split: tuple(rows) for split, rows in parts.items()}


@functools.cache
def _held_back(name: str) -> frozenset[int]:
    """Positions that validate; small, and kept for good, since reading all molecules is most of the work."""
    file = dataset("moleculeace").file(name)
    found: set[int] = set()
    for position, (row, official) in enumerate(_table(name)):
        try:
            fraction = hash_fraction("formula", SEED, formula(row.smiles))
        except InvalidMolecule as error:
            raise DataError(f"{file.path}, row {position}: {error}") from error
        if official == "train" and fraction >= _VALID_FROM:
            found.add(position)
    return frozenset(found)


@kept("moleculeace")
def _table(name: str) -> tuple[tuple[Measured, Literal["train", "test"]], ...]:
    """Every row and its official part."""
    file = dataset("moleculeace").file(name)
    rows: list[tuple[Measured, Literal["train", "test"]]] = []
    seen: set[str] = set()
    for position, row in enumerate(tables.table(file, _COLUMNS)):
        where = f"{file.path}, row {position}"
        if row["smiles"] in seen:
            raise DataError(f"{where}: {row['smiles']} stands in the table twice")
        seen.add(row["smiles"])
        if row["split"] not in ("train", "test"):
            raise DataError(f"{where}: the split {row['split']!r} is not train or test")
        if row["cliff_mol"] not in ("0", "1"):
            raise DataError(f"{where}: cliff_mol is {row['cliff_mol']!r}, not 0 or 1")
        identity = row_id("moleculeace", name, position)
        measured = Measured(identity, row["smiles"], tables.finite(row[_ACTIVITY], where), row["cliff_mol"] == "1")
        rows.append((measured, "train" if row["split"] == "train" else "test"))
    return tuple(rows)
