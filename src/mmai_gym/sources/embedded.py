"""The embedded set: molecules, measured activities and conformers that ship inside the RDKit wheel.

It lets everything in the gym run without a byte from the network: a first look, a test suite, a machine behind a
firewall. Nothing of it is stored in this project; it is read from where the RDKit installation keeps its own
examples. Three files are used. `NCI/first_5K.smi` has the first 5,000 or so structures of a list of the National
Cancer Institute, without labels. `FreeWilson/data/CHEMBL2321810*` has 1,017 compounds of one ChEMBL document with
one measured activity each; RDKit's notes do not name the target, and say only that such scores should be on a
logarithmic scale, as pIC50 is. `PBF/testData/egfr.sdf` has 365 EGFR ligands from DUD, each with one computed
conformer. Rows are known by the identifiers in these files, and split by scaffold, the same way in all three.
"""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rdkit import Chem, RDConfig, rdBase

from mmai_gym.contracts import DataError, InvalidMolecule, Split, row_id
from mmai_gym.molecules import Mol, canonical, connectivity, from_mol, parse
from mmai_gym.sources.scaffolds import scaffold_fraction

ELEMENTS = frozenset({"B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I"})
MIN_HEAVY_ATOMS, MAX_HEAVY_ATOMS = 4, 40
# Since a lone benzene ring always trains, these bounds leave about 80, 10 and 10 % of the NCI molecules in the
# parts.
_TRAIN_UP_TO, _VALID_UP_TO = 0.74, 0.87


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file of the RDKit installation, and what it was when this module was written.

    Attributes:
        name: path below RDKit's folder.
        rows: rows it must have at least.
        sha256: its bytes in RDKit 2026.09.1. Another release may differ; `checksums` says what is there.
    """

    name: str
    folder: str
    rows: int
    sha256: str

    @property
    def path(self) -> Path:
        """Where this installation of RDKit keeps it."""
        return Path(self.folder, self.name)


NCI = WheelFile(
    "NCI/first_5K.smi",
    RDConfig.RDDataDir,
    4999,
    "91e71c015f14939837f2943dcc904f7c87e5a3a0124d82b05c28ad2f23004def",
)
SERIES = WheelFile(
    "FreeWilson/data/CHEMBL2321810.smi",
    RDConfig.RDContribDir,
    1017,
    "3feff3aa19f16c7a3aa8695acddd442d1fb3d582485bb7fe8754e7b36dc1894f",
)
SERIES_ACTIVITY = WheelFile(
    "FreeWilson/data/CHEMBL2321810_act.csv",
    RDConfig.RDContribDir,
    1017,
    "e74db717fa4704befa07eb41ad4845fa437bf3c12eb2b6a854576dbd2e8819fa",
)
EGFR = WheelFile(
    "PBF/testData/egfr.sdf",
    RDConfig.RDContribDir,
    365,
    "e57dfc5bd9bfd456cd435b165cfc4f86a992a059859b926ea32579986d1ef236",
)
FILES = (NCI, SERIES, SERIES_ACTIVITY, EGFR)


@dataclass(frozen=True, slots=True)
class EmbeddedMolecule:
    """A molecule of the NCI list: id, canonical SMILES, and the split its scaffold puts it in."""

    id: str
    smiles: str
    split: Split


@dataclass(frozen=True, slots=True)
class EmbeddedActivity:
    """A compound of the CHEMBL2321810 series: canonical SMILES and measured activity (logarithmic, higher is more
    potent)."""

    id: str
    smiles: str
    activity: float
    split: Split


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedConformer:
    """An EGFR ligand in 3D.

    Attributes:
        smiles: canonical, without hydrogens, with the stereo that the coordinates show.
        symbols: element of each of the n atoms, hydrogens included, in the order of `molecules.Conformer`.
        coordinates: in Å, shape (n, 3).
    """

    id: str
    smiles: str
    symbols: tuple[str, ...]
    coordinates: npt.NDArray[np.float64]
    split: Split


def molecules(split: Split | None = None) -> tuple[EmbeddedMolecule, ...]:
    """The NCI molecules that are one fragment of 4 to 40 heavy atoms of the common organic elements.

    Radicals are left out, and of several molecules with the same connectivity all but the first. None means all
    splits, in the order of the file.

    Raises:
        DataError: the file is missing from the RDKit installation, or shorter than it should be.
    """
    return _all_molecules() if split is None else _of_split(_all_molecules(), split)


def activity(split: Split | None = None) -> tuple[EmbeddedActivity, ...]:
    """The measured series of ChEMBL document CHEMBL2321810; None means all splits, in the order of the file.

    Raises:
        DataError: a file is missing from the RDKit installation, shorter than it should be, or the two do not
            join.
    """
    return _all_activity() if split is None else _of_split(_all_activity(), split)


def conformers(split: Split | None = None) -> tuple[EmbeddedConformer, ...]:
    """The EGFR ligands with their computed conformers; None means all splits, in the order of the file.

    Raises:
        DataError: the file is missing from the RDKit installation, shorter than it should be, or not in 3D.
    """
    return _all_conformers() if split is None else _of_split(_all_conformers(), split)


def checksums() -> dict[str, str]:
    """sha256 by name of the files as this RDKit installation has them, for a run record.

    Raises:
        DataError: a file is missing.
    """
    return {file.name: hashlib.sha256(_bytes(file)).hexdigest() for file in FILES}


@functools.cache
def _all_molecules() -> tuple[EmbeddedMolecule, ...]:
    kept: dict[str, EmbeddedMolecule] = {}
    for text, number in _pairs(NCI):
        try:
            mol = parse(text)
            if not _is_plain_organic(mol):
                continue
            skeleton = connectivity(mol)
        except InvalidMolecule:
            continue  # eight SMILES of the list are older than today's valence rules, one has no InChI
        if skeleton not in kept:
            smiles = Chem.MolToSmiles(mol)
            kept[skeleton] = EmbeddedMolecule(row_id("rdkit-nci", number), smiles, _split_of(smiles))
    return tuple(kept.values())


def _is_plain_organic(mol: Mol) -> bool:
    return (
        MIN_HEAVY_ATOMS <= mol.GetNumHeavyAtoms() <= MAX_HEAVY_ATOMS
        and len(Chem.GetMolFrags(mol)) == 1
        and all(atom.GetSymbol() in ELEMENTS and not atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    )


@functools.cache
def _all_activity() -> tuple[EmbeddedActivity, ...]:
    values = dict(_activity_values())
    rows = []
    for text, name in _pairs(SERIES):
        if name not in values:
            raise DataError(
                f"{SERIES_ACTIVITY.path} has no activity for the compound {name} of {SERIES.path}. {_fix()}"
            )
        smiles = canonical(text)
        rows.append(EmbeddedActivity(row_id("rdkit-chembl2321810", name), smiles, values[name], _split_of(smiles)))
    return tuple(rows)


def _activity_values() -> Iterable[tuple[str, float]]:
    lines = _lines(SERIES_ACTIVITY, header=1)
    for number, row in enumerate(csv.reader(lines), start=2):
        try:
            name, value = row
            yield name, float(value)
        except ValueError as error:
            raise DataError(f"{SERIES_ACTIVITY.path}, line {number}: not a name and a number: {row}") from error


@functools.cache
def _all_conformers() -> tuple[EmbeddedConformer, ...]:
    supplier = Chem.SDMolSupplier()
    supplier.SetData(_bytes(EGFR).decode(), removeHs=False)
    rows = []
    for number, mol in enumerate(supplier):
        if mol is None or not mol.GetNumConformers() or not mol.GetConformer().Is3D():
            raise DataError(f"{EGFR.path}: record {number + 1} is not a molecule in 3D. {_fix()}")
        placed = from_mol(mol)
        id_ = row_id("rdkit-egfr", mol.GetProp("_Name"))
        split = _split_of(placed.smiles)
        rows.append(EmbeddedConformer(id_, placed.smiles, placed.symbols, placed.coordinates, split))
    _require_rows(EGFR, len(rows))
    return tuple(rows)


def _of_split(rows: tuple, split: Split) -> tuple:
    return tuple(row for row in rows if row.split == split)


def _split_of(smiles: str) -> Split:
    fraction = scaffold_fraction(smiles)
    if fraction < _TRAIN_UP_TO:
        return "train"
    return "valid" if fraction < _VALID_UP_TO else "test"


def _pairs(file: WheelFile) -> list[tuple[str, str]]:
    """(SMILES, name) of each line."""
    pairs = []
    for number, line in enumerate(_lines(file), start=1):
        parts = line.split()
        if len(parts) != 2:
            raise DataError(f"{file.path}, line {number}: not a SMILES and a name: {line[:80]!r}. {_fix()}")
        pairs.append((parts[0], parts[1]))
    return pairs


def _lines(file: WheelFile, header: int = 0) -> list[str]:
    lines = _bytes(file).decode().splitlines()[header:]
    _require_rows(file, len(lines))
    return lines


def _require_rows(file: WheelFile, found: int) -> None:
    if found < file.rows:
        raise DataError(f"{file.path} has {found:,} rows, fewer than the {file.rows:,} it should have. {_fix()}")


def _bytes(file: WheelFile) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {file.path}: {error.strerror or error}. {_fix()}") from error


def _fix() -> str:
    return (
        f"It should be part of the installed RDKit ({rdBase.rdkitVersion}). The wheels from PyPI have it; "
        f"some other builds do not: pip install --force-reinstall rdkit"
    )
