"""The one typed façade over RDKit's basics: text in, molecule out, or one clear error.

Everything the gym grades was written by a language model, so a molecule's text is untrusted until `parse` has
accepted it. RDKit reports a bad molecule by returning None and printing to stderr; a caller that forgets the None
scores garbage, and a reward run that parses a million wrong answers buries its own log. Therefore the log is
switched off for the whole process when this package is imported, and `parse` puts what RDKit would have printed
into the `InvalidMolecule` that it raises. RDKit also accepts more than a molecule: `CC name` is read as ethane
with a title, and the empty string as a molecule without atoms. Both are refused here, because an answer with
trailing words is not that molecule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Scaffolds import MurckoScaffold

from mmai_gym.contracts import InvalidMolecule

Mol: TypeAlias = Chem.Mol
Fingerprint: TypeAlias = DataStructs.ExplicitBitVect

MAX_SMILES_LENGTH = 5_000
"""Longer text is refused unread: canonical ranking grows faster than linearly, and no drug is that large."""

FINGERPRINT_RADIUS = 2
FINGERPRINT_BITS = 2048

rdBase.DisableLog("rdApp.*")

_MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=FINGERPRINT_RADIUS, fpSize=FINGERPRINT_BITS)

_AS_WRITTEN = Chem.SmilesParserParams()
_AS_WRITTEN.sanitize = False  # type: ignore[assignment]
_AS_WRITTEN.removeHs = False  # type: ignore[assignment]
_HYDROGEN_ATOM = re.compile(r"\[\d*H")
_LOG_TIME = re.compile(r"^\[\d\d:\d\d:\d\d\] ")
_SHOWN_LENGTH = 80


def shown(text: object) -> str:
    """`text` quoted and shortened for an error message; safe for any object, on one line."""
    quoted = ascii(text)
    return quoted if len(quoted) <= _SHOWN_LENGTH else quoted[: _SHOWN_LENGTH - 3] + "..."


def check_text(text: object, view: str) -> str:
    """The text itself, if it could be a molecule in a one-word view (SMILES, SELFIES, InChI).

    Raises:
        InvalidMolecule: not a string, empty, longer than MAX_SMILES_LENGTH, or holding blanks, control or
            non-ASCII characters.
    """
    if not isinstance(text, str):
        raise InvalidMolecule(f"a {view} must be a string, this is a {type(text).__name__}")
    if not text or text.isspace():
        raise InvalidMolecule(f"the {view} is empty")
    if len(text) > MAX_SMILES_LENGTH:
        raise InvalidMolecule(f"the {view} has {len(text):,} characters, more than {MAX_SMILES_LENGTH:,} allowed")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidMolecule(f"the {view} {shown(text)} holds a blank, control or non-ASCII character")
    return text


def parse(smiles: str) -> Mol:
    """The sanitized molecule, or dot-separated set of molecules, that a SMILES describes.

    Atom indices are in the order of the text (explicit hydrogens that RDKit folds into their atom do not count).

    Raises:
        InvalidMolecule: anything but one readable SMILES with at least one atom; the message holds RDKit's reason.
        MemoryError: RDKit had no room for the molecule.
    """
    text = check_text(smiles, "SMILES")
    mol = Chem.MolFromSmiles(text)
    if mol is None:
        return _refused(text)
    if mol.GetNumAtoms() == 0:
        raise InvalidMolecule(f"the SMILES {shown(text)} holds no atoms")
    return mol


def _refused(text: str) -> Mol:
    """Read once more with the log open, for the reason: listening costs every readable molecule a tenth of its time."""
    with rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromSmiles(text)
    # RDKit swallows an allocation that is refused, and logs nothing; what is wrong with a text it always says.
    if mol is None and not log.messages.strip():
        raise MemoryError(f"no room for the SMILES {shown(text)}")
    if mol is None:
        raise InvalidMolecule(f"cannot read the SMILES {shown(text)}: {first_reason(log.messages)}")
    return mol


def parse_partly(smiles: str, steps: Chem.SanitizeFlags) -> Mol:
    """The molecule as it is written, atoms of hydrogen included, after some steps of a sanitization.

    Without the search for stereo at the end, all of them take six tenths of the time of `parse`.

    Raises:
        InvalidMolecule, MemoryError: as `parse`, which is asked where a step fails.
    """
    mol = Chem.MolFromSmiles(check_text(smiles, "SMILES"), _AS_WRITTEN)
    if mol is None or not mol.GetNumAtoms() or Chem.SanitizeMol(mol, steps, catchErrors=True):
        return parse(smiles)
    return mol


@functools.lru_cache(maxsize=1024)
def shared(smiles: str) -> Mol:
    """`parse`, of one molecule only once for all who ask about it in a row: rules, fingerprints and oracles of one answer.

    Everybody gets the same object, so nobody may change it.

    Raises:
        InvalidMolecule, MemoryError: as `parse`.
    """
    return parse(smiles)


def first_reason(log: str) -> str:
    """The first line RDKit logged, without its clock and without the text it repeats; '' if it logged nothing."""
    line = _LOG_TIME.sub("", next(iter(log.splitlines()), ""))
    return line.removeprefix("SMILES Parse Error: ").split(" for input:")[0].split(" while parsing:")[0]


def as_mol(molecule: str | Mol) -> Mol:
    """`molecule` itself, or what its SMILES describes.

    Raises:
        InvalidMolecule: a SMILES that `parse` refuses.
    """
    return molecule if isinstance(molecule, Chem.Mol) else parse(molecule)


def atoms(mol: Mol) -> Iterator[Chem.Atom]:
    """The atoms by index; twice as quick as RDKit's `GetAtoms`, whose iterator asks for the length at each step."""
    return map(mol.GetAtomWithIdx, range(mol.GetNumAtoms()))


def heavy_atoms(molecule: str | Mol) -> int:
    """Number of atoms other than hydrogen (any isotope of it)."""
    return as_mol(molecule).GetNumHeavyAtoms()


def fragments(molecule: str | Mol) -> tuple[Mol, ...]:
    """The connected parts of a molecule, each as a molecule of its own, in order of their first atom."""
    return Chem.GetMolFrags(as_mol(molecule), asMols=True)


def morgan(molecule: str | Mol) -> Fingerprint:
    """Morgan fingerprint of radius 2 folded to 2,048 bits (the ECFP4 of Rogers and Hahn, 2010)."""
    return _MORGAN.GetFingerprint(as_mol(molecule))


def morgan_bytes(smiles: str) -> bytes:
    """The bits of `morgan`, eight to a byte, the lowest first.

    Raises:
        InvalidMolecule: the SMILES cannot be read.
    """
    # Stereo does not count, and is not looked for; but atoms of hydrogen have to go.
    written = not _HYDROGEN_ATOM.search(smiles)
    mol = parse_partly(smiles, Chem.SanitizeFlags.SANITIZE_ALL) if written else parse(smiles)
    return DataStructs.BitVectToBinaryText(_MORGAN.GetFingerprint(mol))


def morgan_array(smiles: Sequence[str]) -> npt.NDArray[np.int32]:
    """Morgan *counts* of radius 2, shape (len(smiles), 2048): what a tree or linear model learns from.

    Raises:
        InvalidMolecule: one of the SMILES cannot be read.
    """
    counts = np.zeros((len(smiles), FINGERPRINT_BITS), dtype=np.int32)
    for row, text in enumerate(smiles):
        counts[row] = _MORGAN.GetCountFingerprintAsNumPy(parse(text))
    return counts


def tanimoto(a: str | Mol, b: str | Mol) -> float:
    """Tanimoto similarity of two molecules' Morgan fingerprints, in [0, 1]."""
    return DataStructs.TanimotoSimilarity(_print(a), _print(b))


def _print(molecule: str | Mol) -> Fingerprint:
    return _print_of(molecule) if isinstance(molecule, str) else morgan(molecule)


# One input is held against each of its answers.
@functools.lru_cache(maxsize=4096)
def _print_of(smiles: str) -> Fingerprint:
    return morgan(shared(smiles))


def tanimoto_to_all(query: Fingerprint, references: Sequence[Fingerprint]) -> npt.NDArray[np.float64]:
    """Tanimoto similarity of one fingerprint to each of many, shape (len(references),)."""
    return np.array(DataStructs.BulkTanimotoSimilarity(query, list(references)), dtype=np.float64)


def murcko_scaffold(molecule: str | Mol) -> str:
    """Canonical SMILES of the ring systems and the linkers between them (Bemis and Murcko, 1996).

    Stereo is left out, as the field's scaffold splits do; '' for a molecule without rings.
    """
    return MurckoScaffold.MurckoScaffoldSmiles(mol=as_mol(molecule), includeChirality=False)
