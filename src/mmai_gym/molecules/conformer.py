"""A molecule in three dimensions: one reproducible conformer, as arrays and as XYZ text.

The conformer comes from distance geometry with experimental torsion knowledge (ETKDGv3; Wang et al., 2020) and is
relaxed with MMFF94 where that force field has parameters. It is one low-energy geometry, not the bioactive one.
The text form is the XYZ format that every viewer reads; its comment line holds the SMILES, because coordinates
alone do not say bond orders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.toolkit import MAX_SMILES_LENGTH, Mol, parse, shown

XYZ_DECIMALS = 3
"""0.001 Å: a hundredth of a crystal structure's uncertainty, and short enough for a language model."""

_EMBED_TIMEOUT_S = 10
_EMBED_ATTEMPTS = 20
_MMFF_STEPS = 500
_MAX_XYZ_LINES = 2 * MAX_SMILES_LENGTH
_SYMBOLS = frozenset(Chem.GetPeriodicTable().GetElementSymbol(number) for number in range(1, 119)) | {"*"}
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,12})?")


@dataclass(frozen=True, slots=True, eq=False)
class Conformer:
    """Atoms in space.

    symbols: n element symbols, hydrogens included; coordinates: (n, 3) float64 in Å, same order; smiles: the
    molecule, whose heavy atoms come first and in this order.
    """

    symbols: tuple[str, ...]
    coordinates: npt.NDArray[np.float64]
    smiles: str

    def __post_init__(self) -> None:
        if self.coordinates.shape != (len(self.symbols), 3):
            raise InvalidMolecule(
                f"{len(self.symbols)} atoms need coordinates of shape ({len(self.symbols)}, 3), "
                f"not {self.coordinates.shape}"
            )


def embed(smiles: str, seed: int = 0) -> Conformer:
    """One conformer with hydrogens; the same SMILES and seed (32 bits) give the same coordinates.

    Raises:
        InvalidMolecule: the SMILES cannot be read, or no geometry was found in two tries of at most 10 s.
    """
    mol = Chem.AddHs(parse(smiles))
    # Starting from random coordinates is slower and rescues crowded molecules.
    if not any(_embedded(mol, seed, random_start) for random_start in (False, True)):
        raise InvalidMolecule(f"no conformer for {shown(smiles)}: distance geometry found no embedding")
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=_MMFF_STEPS)
    coordinates = np.array(mol.GetConformer().GetPositions(), dtype=np.float64)
    if not np.isfinite(coordinates).all():
        raise InvalidMolecule(f"no conformer for {shown(smiles)}: the geometry diverged")
    return Conformer(tuple(atom.GetSymbol() for atom in mol.GetAtoms()), coordinates, smiles)


def _embedded(mol: Mol, seed: int, random_start: bool) -> bool:
    """Gives `mol` a conformer in place; False when none was found."""
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed & 0x7FFF_FFFF
    parameters.maxIterations = _EMBED_ATTEMPTS
    parameters.timeout = _EMBED_TIMEOUT_S
    parameters.useRandomCoords = random_start
    try:
        return rdDistGeom.EmbedMolecule(mol, parameters) >= 0
    except (RuntimeError, ValueError):  # a precondition of RDKit's: atoms that have no distance bounds
        return False


def to_xyz(conformer: Conformer) -> str:
    """XYZ text: number of atoms, the SMILES as comment, then `element x y z` in Å with XYZ_DECIMALS decimals."""
    lines = [str(len(conformer.symbols)), conformer.smiles]
    for symbol, position in zip(conformer.symbols, conformer.coordinates.tolist(), strict=True):
        lines.append(" ".join((symbol, *(_fixed(value) for value in position))))
    return "\n".join(lines) + "\n"


def _fixed(value: float) -> str:
    text = f"{value:.{XYZ_DECIMALS}f}"
    return text.removeprefix("-") if float(text) == 0 else text  # one spelling of zero


def from_xyz(text: str) -> Conformer:
    """The conformer that an XYZ text describes.

    The comment line must be the SMILES of a molecule with these elements, heavy atoms in the same order.

    Raises:
        InvalidMolecule: a line out of form, the wrong number of atoms, or atoms that do not fit the SMILES.
    """
    lines = text.splitlines() if isinstance(text, str) else []
    if not 3 <= len(lines) <= _MAX_XYZ_LINES:
        raise InvalidMolecule(f"{shown(text)} is not an XYZ text (count, SMILES, then one line per atom)")
    if lines[0].strip() != str(len(lines) - 2):
        raise InvalidMolecule(f"the XYZ text announces {shown(lines[0])} atoms and lists {len(lines) - 2}")
    smiles = lines[1].strip()
    atoms = [_parse_line(line) for line in lines[2:]]
    symbols = tuple(symbol for symbol, _ in atoms)
    if symbols != tuple(atom.GetSymbol() for atom in Chem.AddHs(parse(smiles)).GetAtoms()):
        raise InvalidMolecule(f"the atoms of the XYZ text are not those of its SMILES {shown(smiles)}")
    return Conformer(symbols, np.array([position for _, position in atoms], dtype=np.float64), smiles)


def _parse_line(line: str) -> tuple[str, tuple[float, ...]]:
    symbol, *numbers = line.split() or [""]
    if symbol not in _SYMBOLS or len(numbers) != 3 or not all(map(_NUMBER.fullmatch, numbers)):
        raise InvalidMolecule(f"{shown(line)} is not an XYZ line such as 'C 0.000 1.402 -0.013'")
    return symbol, tuple(float(number) for number in numbers)
