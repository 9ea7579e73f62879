"""A conformer as text: the XYZ format that every viewer reads, and a compact form for language models.

XYZ keeps the coordinates where they are; its comment line holds the SMILES, because coordinates alone do not say bond
orders. The compact form is one line, in a frame of its own (see `posed`), with two decimals: rounding moves an atom
by 0.005 Å on average, a twentieth of what two force fields disagree about. Ethane's six coordinates begin so::

    CC | C 0.75 0.00 0.00, C -0.75 0.00 0.00, H 1.16 0.94 -0.39, ...
"""

from __future__ import annotations

import re

from rdkit import Chem
from rdkit.Chem import rdDetermineBonds

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.conformer import (
    MAX_LIGAND_ATOMS,
    Conformer,
    as_coordinates,
    from_mol,
    posed,
    symbols_of,
    with_hydrogens,
)
from mmai_gym.molecules.toolkit import MAX_SMILES_LENGTH, shown

XYZ_DECIMALS = 3
"""0.001 Å: a hundredth of a crystal structure's uncertainty."""

CONFORMER_DECIMALS = 2
"""0.01 Å: the RMSD to the geometry that was written stays under 0.01 Å."""

_SYMBOLS = frozenset(Chem.GetPeriodicTable().GetElementSymbol(number) for number in range(1, 119)) | {"*"}
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,12})?", re.ASCII)
_MAX_TEXT = MAX_SMILES_LENGTH + 40 * MAX_LIGAND_ATOMS


# ------------------------------------------------------------------------------------------------------------ XYZ


def to_xyz(conformer: Conformer) -> str:
    """XYZ text: number of atoms, the SMILES as comment, then `element x y z` in Å with XYZ_DECIMALS decimals."""
    atoms = "\n".join(_atom_lines(conformer, XYZ_DECIMALS))
    return f"{len(conformer.symbols)}\n{conformer.smiles}\n{atoms}\n"


def from_xyz(text: str) -> Conformer:
    """The conformer that an XYZ text describes.

    The comment line must be the SMILES of a molecule with these elements, heavy atoms in the same order.

    Raises:
        InvalidMolecule: a line out of form, the wrong number of atoms, or atoms that do not fit the SMILES.
    """
    lines = _checked(text, "XYZ text").splitlines()
    if len(lines) < 3:
        raise InvalidMolecule(f"{shown(text)} is not an XYZ text (count, SMILES, then one line per atom)")
    if lines[0].strip() != str(len(lines) - 2):
        raise InvalidMolecule(f"the XYZ text announces {shown(lines[0])} atoms and lists {len(lines) - 2}")
    return _conformer(lines[1].strip(), lines[2:])


def from_plain_xyz(text: str, charge: int = 0) -> Conformer:
    """The conformer of an XYZ text from elsewhere, whose comment says nothing: bonds are perceived from distances and
    valences (Kim and Kim, 2015), so the molecule is RDKit's best guess.

    Args:
        text: all atoms of one molecule, hydrogens included.
        charge: of the whole molecule.

    Raises:
        InvalidMolecule: a line out of form, too many atoms, or no bonds that give this charge.
    """
    lines = _checked(text, "XYZ text").rstrip().splitlines()
    if len(lines) < 3 or lines[0].strip() != str(len(lines) - 2):
        raise InvalidMolecule(f"{shown(text)} is not an XYZ text (count, comment, then one line per atom)")
    atoms = [_parse_line(line) for line in lines[2:]]
    if len(atoms) > MAX_LIGAND_ATOMS:
        raise InvalidMolecule(
            f"{len(atoms):,} atoms are more than the {MAX_LIGAND_ATOMS:,} of a small molecule in 3D"
        )
    mol = Chem.RWMol()
    for symbol, _ in atoms:
        mol.AddAtom(Chem.Atom(symbol))
    geometry = Chem.Conformer(len(atoms))
    geometry.SetPositions(as_coordinates([position for _, position in atoms]))
    mol.AddConformer(geometry, assignId=True)
    try:
        rdDetermineBonds.DetermineBonds(mol, charge=charge)
    except (ValueError, RuntimeError) as error:
        raise InvalidMolecule(f"no bonds of charge {charge} fit the coordinates: {shown(str(error))}") from error
    return from_mol(mol)


# --------------------------------------------------------------------------------------------------- compact form


def to_conformer_text(conformer: Conformer) -> str:
    """The compact form, `SMILES | element x y z, ...` in Å with CONFORMER_DECIMALS decimals, posed."""
    return f"{conformer.smiles} | {', '.join(_atom_lines(posed(conformer), CONFORMER_DECIMALS))}"


def from_conformer_text(text: str) -> Conformer:
    """The conformer that a compact text describes.

    Raises:
        InvalidMolecule: text out of form, or atoms that do not fit the SMILES.
    """
    smiles, bar, atoms = _checked(text, "conformer text").partition("|")
    if not bar:
        raise InvalidMolecule(f"{shown(text)} is not of the form 'SMILES | C 0.00 1.40 -0.01, ...'")
    return _conformer(smiles.strip(), atoms.split(","))


# ---------------------------------------------------------------------------------------------------------- shared


def _atom_lines(conformer: Conformer, decimals: int) -> list[str]:
    rounded = conformer.coordinates.round(decimals) + 0.0  # one spelling of zero
    return [
        f"{symbol} {x:.{decimals}f} {y:.{decimals}f} {z:.{decimals}f}"
        for symbol, (x, y, z) in zip(conformer.symbols, rounded.tolist(), strict=True)
    ]


def _checked(text: object, view: str) -> str:
    if not isinstance(text, str):
        raise InvalidMolecule(f"a {view} must be a string, this is a {type(text).__name__}")
    if len(text) > _MAX_TEXT:
        raise InvalidMolecule(f"the {view} has {len(text):,} characters, more than {_MAX_TEXT:,} allowed")
    return text


def _conformer(smiles: str, lines: list[str]) -> Conformer:
    atoms = [_parse_line(line) for line in lines]
    symbols = tuple(symbol for symbol, _ in atoms)
    if symbols != symbols_of(with_hydrogens(smiles)):
        raise InvalidMolecule(f"the atoms listed are not those of the SMILES {shown(smiles)} with its hydrogens")
    return Conformer(symbols, as_coordinates([position for _, position in atoms]), smiles)


def _parse_line(line: str) -> tuple[str, tuple[float, ...]]:
    symbol, *numbers = line.split() or [""]
    if symbol not in _SYMBOLS or len(numbers) != 3 or not all(map(_NUMBER.fullmatch, numbers)):
        raise InvalidMolecule(f"{shown(line)} is not an atom such as 'C 0.000 1.402 -0.013'")
    return symbol, tuple(float(number) for number in numbers)
