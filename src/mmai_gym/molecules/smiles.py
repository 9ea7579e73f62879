"""SMILES: one molecule has many, and the gym needs each kind for a different job.

The *canonical* one decides equality, a *randomized* one augments training (a model that has seen one spelling per
molecule has learned spelling), a *rooted* one starts where the reaction happens, and the *canonical set* compares
the reactants of a reaction. Atom maps must be gone before two texts are compared or shown: in published corpora
their numbering alone gives the reaction centre away.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache

from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.toolkit import Mol, as_mol, atoms, check_text, parse

_MAP = re.compile(r":\d+(?=\])")  # the last part of a bracket atom


@lru_cache(maxsize=65_536)
def canonical(smiles: str) -> str:
    """RDKit's canonical isomeric SMILES. Atom maps stay; see `canonical_set` for comparison without them.

    Raises:
        InvalidMolecule: `smiles` cannot be read.
    """
    return write(parse(smiles))


def write(mol: Mol) -> str:
    """Canonical isomeric SMILES of a molecule object."""
    return Chem.MolToSmiles(mol)


def output_order(mol: Mol) -> list[int]:
    """Atom indices in the order of the SMILES last written from `mol`."""
    return [int(index) for index in re.findall(r"\d+", mol.GetProp("_smilesAtomOutputOrder"))]


def is_valid(smiles: str) -> bool:
    """True when `smiles` can be read as at least one molecule. Never raises."""
    try:
        parse(smiles)
    except InvalidMolecule:
        return False
    return True


@lru_cache(maxsize=4096)
def randomized(smiles: str, seed: int) -> str:
    """The same molecule written from a random atom in a random order; the same seed gives the same text.

    The atoms are renumbered by a random permutation and written in that order, which reaches spellings that a
    random root with canonical branches never does (Arús-Pous et al., 2019).
    """
    return randomized_places(smiles, seed)[0]


def randomized_places(smiles: str, seed: int) -> tuple[str, tuple[int, ...]]:
    """`randomized`, and for each atom of `smiles` its position in the new text.

    Raises:
        InvalidMolecule: `smiles` cannot be read.
    """
    order, renumbered = _shuffled(parse(smiles), seed)
    text = Chem.MolToSmiles(renumbered, canonical=False)
    places = {order[atom]: place for place, atom in enumerate(output_order(renumbered))}
    return text, tuple(places[atom] for atom in range(len(order)))


def write_randomized(mol: Mol, seed: int) -> str:
    """The text of `randomized`, from a molecule object."""
    return Chem.MolToSmiles(_shuffled(mol, seed)[1], canonical=False)


def _shuffled(mol: Mol, seed: int) -> tuple[list[int], Mol]:
    order = list(range(mol.GetNumAtoms()))
    random.Random(seed).shuffle(order)
    return order, Chem.RenumberAtoms(mol, order)


def rooted(molecule: str | Mol, atom_index: int) -> str:
    """The molecule written from one atom, with canonical branches; the parts of a set keep their own order.

    Raises:
        InvalidMolecule: a SMILES that cannot be read, or no atom of this index (0-based, order of the text).
    """
    mol = as_mol(molecule)
    if not 0 <= atom_index < mol.GetNumAtoms():
        raise InvalidMolecule(f"{write(mol)} has atoms 0 to {mol.GetNumAtoms() - 1}, not {atom_index}")
    return Chem.MolToSmiles(mol, rootedAtAtom=atom_index)


def kekulized(molecule: str | Mol) -> str:
    """SMILES with alternating single and double bonds in place of aromatic atoms.

    Raises:
        InvalidMolecule: a SMILES that cannot be read.
    """
    return Chem.MolToSmiles(as_mol(molecule), kekuleSmiles=True)


def flat(molecule: str | Mol) -> str:
    """Canonical SMILES of the constitution: stereo left out, isotopes and charges kept.

    Raises:
        InvalidMolecule: a SMILES that cannot be read.
    """
    mol = Chem.Mol(as_mol(molecule))
    Chem.RemoveStereochemistry(mol)
    return Chem.MolToSmiles(mol)


def unmapped(mol: Mol) -> Mol:
    """A copy without atom map numbers."""
    copy = Chem.Mol(mol)
    for atom in atoms(copy):
        atom.SetAtomMapNum(0)
    return copy


def without_maps(smiles: str) -> str:
    """The text without its atom map numbers.

    They are taken out before the text is read: RDKit's ranks of ring stereocentres would see them, and
    cis-1,4-disubstituted rings be written otherwise than the unmapped molecule is (1.4 % of the USPTO-50k test products).
    """
    return _MAP.sub("", smiles) if ":" in smiles else smiles


def strip_maps(smiles: str) -> str:
    """Canonical SMILES without atom map numbers.

    Raises:
        InvalidMolecule: `smiles` cannot be read.
    """
    return canonical(without_maps(smiles))


@lru_cache(maxsize=65_536)
def canonical_set(smiles: str) -> str:
    """The one text by which two sets of molecules are compared.

    Take the atom map numbers out, split at the dots, write each part canonically, sort, join with dots. A salt's ions are
    thus members of the set like any other, and multiplicity counts. What was a part lately is remembered: sets that are
    compared have many in common.

    Raises:
        InvalidMolecule: `smiles` cannot be read.
    """
    text = check_text(without_maps(smiles), "SMILES")
    try:
        return ".".join(sorted(map(canonical, text.split("."))))
    except InvalidMolecule:  # either wrong, or a ring closed across a dot
        return write_set(parse(text))


def write_set(mol: Mol) -> str:
    """The `canonical_set` of molecules that are read already and have no atom maps."""
    return ".".join(sorted(write(mol).split(".")))
