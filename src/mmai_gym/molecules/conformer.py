"""A molecule in three dimensions: one reproducible conformer, and the order that its atoms stand in.

The conformer comes from distance geometry with experimental torsion knowledge (ETKDGv3; Wang et al., 2020) and is
relaxed with MMFF94 where that force field has parameters. It is one low-energy geometry, not the bioactive one.
Every file and text of a geometry goes through the small value `Conformer`: coordinates alone do not say bond orders,
so it carries the SMILES, and its atoms stand in that text's order with the hydrogens behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.fidelity import plain, read_smiles
from mmai_gym.molecules.smiles import canonical, output_order, write
from mmai_gym.molecules.toolkit import Mol, parse, shown

MAX_LIGAND_ATOMS = 1_000
"""Most atoms, hydrogens included, of a molecule in 3D. A protein handed over as a ligand is refused, not embedded."""

EMBED_SECONDS = 10
"""Each of the two tries to embed a molecule is given up after this long."""

_EMBED_ATTEMPTS = 20
_GAP = 3.0
"""Å between the parts of a mixture, before a force field draws them together."""
_MMFF_STEPS = 500
_KEY = "key"
_FACES = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
"""The faces of a tetrahedron, each with the same side out."""


@dataclass(frozen=True, slots=True, eq=False)
class Conformer:
    """Atoms in space.

    symbols: n element symbols, hydrogens included; coordinates: (n, 3) float64 in Å, same order; smiles: the
    molecule, whose heavy atoms come first and in this order, each atom's hydrogens after them as RDKit adds them.

    Raises:
        InvalidMolecule: coordinates of another shape, or that are not finite.
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
        if not np.isfinite(self.coordinates).all():
            atom = int(np.flatnonzero(~np.isfinite(self.coordinates).all(axis=1))[0])
            raise InvalidMolecule(f"atom {atom} of {shown(self.smiles)} has a coordinate that is not a number")

    def _repr_html_(self) -> str:
        from mmai_gym.molecules.picture_3d import conformer_html  # it draws what is defined here

        return conformer_html(self)


def embed(molecule: str | Mol, seed: int = 0) -> Conformer:
    """One conformer with hydrogens; the same molecule, spelling and seed (32 bits) give the same coordinates.

    Raises:
        InvalidMolecule: the SMILES cannot be read, there are more than MAX_LIGAND_ATOMS atoms, or no geometry was
            found in two tries of at most EMBED_SECONDS each.
    """
    return embed_many(molecule, 1, seed)[0]


def embed_many(molecule: str | Mol, count: int, seed: int = 0) -> tuple[Conformer, ...]:
    """An ensemble of at most `count` conformers, each relaxed; fewer where embeddings fail. See `embed`.

    Raises:
        InvalidMolecule: as `embed`.
    """
    smiles = molecule if isinstance(molecule, str) else write(molecule)
    mol = with_hydrogens(smiles)
    # Starting from random coordinates is slower and rescues crowded molecules.
    if not any(_embedded(mol, count, seed, random_start) for random_start in (False, True)):
        raise InvalidMolecule(f"no conformer for {shown(smiles)}: distance geometry found no embedding in time")
    for geometry in mol.GetConformers():
        _set_apart(mol, geometry)
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, maxIters=_MMFF_STEPS)
    symbols = symbols_of(mol)
    return tuple(Conformer(symbols, np.array(each.GetPositions()), smiles) for each in mol.GetConformers())


def _embedded(mol: Mol, count: int, seed: int, random_start: bool) -> bool:
    """Gives `mol` conformers in place; False when none was found."""
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed & 0x7FFF_FFFF
    parameters.maxIterations = _EMBED_ATTEMPTS
    parameters.timeout = EMBED_SECONDS
    parameters.useRandomCoords = random_start
    try:
        return len(rdDistGeom.EmbedMultipleConfs(mol, count, parameters)) > 0
    except (RuntimeError, ValueError):  # a precondition of RDKit's: atoms that have no distance bounds
        return False


def _set_apart(mol: Mol, geometry: Chem.Conformer) -> None:
    """Move the parts of a salt or mixture along x until they do not overlap; distance geometry embeds each about 0."""
    parts = Chem.GetMolFrags(mol)
    if len(parts) < 2:
        return
    positions = np.array(geometry.GetPositions())
    edge = 0.0
    for part in map(list, parts):
        centred = positions[part] - positions[part].mean(axis=0)
        radius = float(np.linalg.norm(centred, axis=1).max())
        positions[part] = centred + np.array([edge + radius, 0.0, 0.0])
        edge += 2 * radius + _GAP
    geometry.SetPositions(positions)


def with_hydrogens(smiles: str) -> Mol:
    """The molecule with all hydrogens as atoms, in the order that a `Conformer` of this text has.

    Raises:
        InvalidMolecule: an unreadable SMILES, or more than MAX_LIGAND_ATOMS atoms.
    """
    mol = Chem.AddHs(read_smiles(smiles))
    if mol.GetNumAtoms() > MAX_LIGAND_ATOMS:
        raise InvalidMolecule(
            f"{shown(smiles)} has {mol.GetNumAtoms():,} atoms with hydrogens, more than the {MAX_LIGAND_ATOMS:,} of a "
            "small molecule in 3D; a protein is read by `read_structure`"
        )
    return mol


def symbols_of(mol: Mol) -> tuple[str, ...]:
    """Element symbols in the molecule's order."""
    return tuple(atom.GetSymbol() for atom in mol.GetAtoms())


# ---------------------------------------------------------------------------------------------- Conformer <-> Mol


def to_mol(conformer: Conformer) -> Mol:
    """RDKit's molecule with one 3D conformer, atoms in the conformer's order.

    Raises:
        InvalidMolecule: the SMILES cannot be read, or its atoms are not those of the conformer.
    """
    mol = with_hydrogens(conformer.smiles)
    if symbols_of(mol) != conformer.symbols:
        raise InvalidMolecule(
            f"the {len(conformer.symbols)} atoms are not those of the SMILES {shown(conformer.smiles)}, "
            f"which has {mol.GetNumAtoms()} with hydrogens"
        )
    geometry = Chem.Conformer(mol.GetNumAtoms())
    geometry.SetPositions(np.ascontiguousarray(conformer.coordinates))
    mol.AddConformer(geometry, assignId=True)
    return mol


def from_mol(mol: Mol) -> Conformer:
    """The conformer that RDKit's molecule has, its SMILES with the stereo that the coordinates show.

    Raises:
        InvalidMolecule: no 3D conformer, hydrogens that have no coordinates, coordinates that are not numbers, more than
            MAX_LIGAND_ATOMS atoms, or stereo that the coordinates do not tell.
    """
    if mol.GetNumConformers() == 0 or not mol.GetConformer().Is3D():
        raise InvalidMolecule("the molecule has no coordinates in 3D")
    if mol.GetNumAtoms() > MAX_LIGAND_ATOMS:
        raise InvalidMolecule(f"{mol.GetNumAtoms():,} atoms are more than the {MAX_LIGAND_ATOMS:,} of a ligand")
    positions = np.array(mol.GetConformer().GetPositions(), dtype=np.float64)
    if not np.isfinite(positions).all():
        raise InvalidMolecule("a coordinate is not a number")
    missing = sum(atom.GetNumImplicitHs() + atom.GetNumExplicitHs() for atom in mol.GetAtoms())
    if missing:
        raise InvalidMolecule(
            f"{missing} hydrogens have no coordinates; add them with Chem.AddHs(mol, addCoords=True) first"
        )
    seen = Chem.Mol(mol)
    Chem.AssignStereochemistryFrom3D(seen)
    found = _ordered(seen, positions)
    if not _has_open_centre(seen, positions) or shows_its_stereo(found):
        return found
    # In another order of the atoms the centre has another hand. The one in the order of its SMILES can be read again.
    seen = to_mol(found)
    Chem.AssignStereochemistryFrom3D(seen)
    found = _ordered(seen, found.coordinates)
    if not shows_its_stereo(found):
        raise InvalidMolecule(f"the coordinates do not tell the stereo of {shown(found.smiles)}")
    return found


def _has_open_centre(mol: Mol, positions: npt.NDArray[np.float64]) -> bool:
    """Whether the four neighbours of a stereo centre lie on one side of it, as in a strained cage: its hand, which RDKit
    tells from three of them, then depends on which three."""
    centres = [
        (atom.GetIdx(), *(other.GetIdx() for other in atom.GetNeighbors()))
        for atom in mol.GetAtoms()
        if atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED and atom.GetDegree() == 4
    ]
    if not centres:
        return False
    corners = positions[centres]
    legs = corners[:, 1:] - corners[:, :1]
    volumes = np.linalg.det(legs[:, _FACES])
    return bool((np.sign(volumes) != np.sign(volumes[:, :1])).any())


def _ordered(seen: Mol, positions: npt.NDArray[np.float64]) -> Conformer:
    """The conformer of a molecule with all its hydrogens, whose stereo is known, in the order of its SMILES."""
    smiles, order = _order(seen)
    return Conformer(symbols_of(with_hydrogens(smiles)), positions[order], smiles)


def _order(seen: Mol) -> tuple[str, list[int]]:
    """The SMILES of a molecule with all its hydrogens, and its atoms in the order of a Conformer of that text."""
    for atom in seen.GetAtoms():
        atom.SetIntProp(_KEY, atom.GetIdx())
        atom.SetAtomMapNum(0)
    bare = plain(seen)
    smiles = write(bare)
    heavy = [bare.GetAtomWithIdx(index).GetIntProp(_KEY) for index in output_order(bare)]
    kept = set(heavy)
    hydrogens = [
        [other.GetIdx() for other in seen.GetAtomWithIdx(index).GetNeighbors() if other.GetIdx() not in kept]
        for index in heavy
    ]
    # RDKit adds them atom by atom, which is the order of the text.
    order = heavy + [index for group in hydrogens for index in group]
    if sorted(order) != list(range(seen.GetNumAtoms())):
        raise InvalidMolecule(f"the hydrogens of {shown(smiles)} cannot be told apart from its other atoms")
    return smiles, order


# --------------------------------------------------------------------------------------------------- rigid motion


def rmsd(first: Conformer, second: Conformer) -> float:
    """Root mean square deviation of all atoms in Å after the best superposition (Kabsch, 1976), atom by atom.

    A mirror image is no superposition. Equivalent atoms are not exchanged.

    Raises:
        InvalidMolecule: the two do not have the same atoms.
    """
    if first.symbols != second.symbols:
        raise InvalidMolecule("conformers with different atoms have no RMSD")
    a, b = (each.coordinates - each.coordinates.mean(axis=0) for each in (first, second))
    u, singular, vt = np.linalg.svd(a.T @ b)
    singular[-1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))
    squared = (a**2).sum() + (b**2).sum() - 2.0 * singular.sum()
    return float(np.sqrt(max(squared, 0.0) / len(a)))


def posed(conformer: Conformer) -> Conformer:
    """The same geometry about its centroid, its longest axis along x and its thinnest along z.

    Of the four rotations that do so, the one is taken in which the atoms far out lie on the positive side. A text
    of it does not depend on how the molecule happened to lie.
    """
    centred = conformer.coordinates - conformer.coordinates.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    turned = centred @ axes[:, ::-1]
    signs = np.where((turned**3).sum(axis=0) < 0, -1.0, 1.0)
    signs[2] = signs[0] * signs[1] * np.sign(np.linalg.det(axes[:, ::-1]))
    return Conformer(conformer.symbols, turned * signs, conformer.smiles)


def perceived_smiles(conformer: Conformer) -> str:
    """Canonical SMILES with the stereo that the coordinates show, whatever the conformer's own SMILES says.

    Raises:
        InvalidMolecule: as `to_mol`.
    """
    mol = to_mol(conformer)
    Chem.AssignStereochemistryFrom3D(mol)
    return write(Chem.RemoveHs(mol))


def shows_its_stereo(conformer: Conformer) -> bool:
    """Whether the coordinates show all stereo that the SMILES names. What it leaves open may be either way.

    Raises:
        InvalidMolecule: as `to_mol`.
    """
    mol = to_mol(conformer)
    Chem.AssignStereochemistryFrom3D(mol)
    seen = Chem.RemoveHs(mol)
    if seen.HasSubstructMatch(parse(conformer.smiles), useChirality=True):
        return True
    # In a symmetric cage RDKit may find no match, though it is the same molecule. Read as texts the two are alike.
    return canonical(write(seen)) == canonical(conformer.smiles)


def as_coordinates(rows: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """Rows of x, y, z as an (n, 3) array."""
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
