"""Edits: a molecule with one part exchanged, as a chemist would try it, atoms of the rest traced.

Each cut of `pairs` opens the molecule at one place; hydrogen or another substituent closes it again. The atoms that stay
keep their map numbers, so that both texts can be written along each other (`follow`), and edits can follow on edits.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.pairs import CUT, HYDROGEN
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol, atoms, heavy_atoms, parse

LARGEST_CHANGE = 15
"""Heavy atoms that an edit may take away."""

SUBSTITUENTS: tuple[str, ...] = (
    HYDROGEN, "*C", "*CC", "*C(C)C", "*C1CC1", "*CO", "*CCO", "*C(F)(F)F", "*F", "*Cl", "*O", "*OC", "*OCC", "*C#N", "*N",
    "*NC", "*N(C)C", "*C(N)=O", "*C(C)=O", "*NC(C)=O", "*S(C)(=O)=O", "*c1ccccc1", "*c1ccc(F)cc1", "*c1ccncc1",
    "*Cc1ccccc1", "*CCc1ccccc1", "*CN(C)C", "*CCN(C)C", "*CCCN(C)C", "*N1CCOCC1", "*N1CCCC1", "*N1CCCCC1", "*N1CCN(C)CC1",
    "*C1CCN(C)CC1", "*CN1CCCC1", "*CCN1CCCCC1", "*CCN1CCN(c2ccccc2)CC1", "*CCCN1CCN(c2ccccc2)CC1",
    "*CCN1CCC(c2ccccc2)CC1", "*CCCCN1CCN(c2ccccc2OC)CC1",
)  # fmt: skip
"""What closes an open place: small groups that syntheses often attach, and amines that dopamine ligands are made of."""

_OPEN = 1  # isotope of the dummy atoms on both sides of a cut


def mapped(smiles: str) -> str:
    """The molecule with map numbers from 1 on its atoms, in the order of the text.

    Raises:
        InvalidMolecule: it cannot be read.
    """
    mol = parse(smiles)
    for number, atom in enumerate(mol.GetAtoms(), start=1):
        atom.SetAtomMapNum(number)
    return write(mol)


def opened(mapped_smiles: str) -> list[Mol]:
    """The larger side of each cut that takes at most LARGEST_CHANGE heavy atoms away, open where the other was.

    Raises:
        InvalidMolecule: the molecule cannot be read.
    """
    mol = parse(mapped_smiles)
    return [_larger_side(mol, cut) for cut in _cuts(mol)]


def _cuts(mol: Mol) -> list[tuple[int, int]]:
    """The ends of each bond that can be cut and has at most LARGEST_CHANGE heavy atoms on one side; none in a mixture."""
    if len(Chem.GetMolFrags(mol)) > 1:
        return []
    distances = Chem.GetDistanceMatrix(mol)
    heavy = np.array([atom.GetAtomicNum() > 1 for atom in atoms(mol)])
    found = []
    for begin, end in sorted({(min(match), max(match)) for match in mol.GetSubstructMatches(CUT)}):
        # No ring holds the bond: what is nearer to one end is on its side.
        side = int(heavy[distances[begin] < distances[end]].sum())
        if min(side, int(heavy.sum()) - side) <= LARGEST_CHANGE:
            found.append((begin, end))
    return found


def _larger_side(mol: Mol, cut: tuple[int, int]) -> Mol:
    bond = mol.GetBondBetweenAtoms(*cut).GetIdx()
    parts = Chem.GetMolFrags(Chem.FragmentOnBonds(mol, [bond], dummyLabels=[(_OPEN, _OPEN)]), asMols=True)
    _, large = sorted(parts, key=heavy_atoms)
    return large


def closed(core: Mol, substituent: str) -> str | None:
    """Mapped SMILES of an opened molecule with a substituent in its open place; None where that is no sound molecule.

    At atoms other than carbon only hydrogen and substituents that begin with a carbon are attached.
    """
    dummy = next(atom for atom in core.GetAtoms() if not atom.GetAtomicNum())
    if substituent == HYDROGEN:
        joined = _with_hydrogen(core, dummy.GetIdx())
    elif 6 not in (dummy.GetNeighbors()[0].GetAtomicNum(), _attached(substituent)):
        return None
    else:
        options = Chem.MolzipParams()
        options.label = Chem.MolzipLabel.Isotope
        joined = Chem.molzip(Chem.CombineMols(core, _part(substituent)), options)
    try:
        text = write(joined)
        parse(text)
    except (InvalidMolecule, RuntimeError):
        return None
    return text


def _with_hydrogen(core: Mol, dummy: int) -> Mol:
    """A hydrogen atom in the place of the dummy keeps the hand of its neighbour, until it is folded into it."""
    bare = Chem.RWMol(core)
    atom = bare.GetAtomWithIdx(dummy)
    atom.SetAtomicNum(1)
    atom.SetIsotope(0)
    return Chem.RemoveHs(bare)


@functools.cache
def _part(substituent: str) -> Mol:
    return parse(substituent.replace("*", f"[{_OPEN}*]", 1))


@functools.cache
def _attached(substituent: str) -> int:
    """Atomic number of the atom by which a substituent is attached."""
    return next(
        int(atom.GetNeighbors()[0].GetAtomicNum())
        for atom in _part(substituent).GetAtoms()
        if not atom.GetAtomicNum()
    )


def edited(smiles: str, steps: Sequence[tuple[int, int]]) -> tuple[str, str] | None:
    """A molecule before and after a row of edits, as mapped SMILES.

    Args:
        steps: for each edit the number of the cut in `opened`, and of the substituent in SUBSTITUENTS.

    Returns:
        None where there is no such cut, or a step gives no sound molecule.

    Raises:
        InvalidMolecule: the molecule cannot be read.
    """
    before = now = mapped(smiles)
    for cut, substituent in steps:
        mol = parse(now)
        cuts = _cuts(mol)
        made = closed(_larger_side(mol, cuts[cut]), SUBSTITUENTS[substituent]) if cut < len(cuts) else None
        if made is None:
            return None
        now = made
    return before, now
