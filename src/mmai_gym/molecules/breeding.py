"""Crossover and mutation of molecular graphs (after Jensen, Chemical Science 10, 3567, 2019).

A crossover cuts two molecules in two, at one bond outside rings or at two bonds of a ring, and joins a piece of each. A
mutation adds, inserts, deletes or changes one atom, changes the order of a bond, or opens or closes a ring. Both work on
the Kekulé structure; what comes out is a molecule that RDKit accepts, without rings of more than seven atoms or double bonds
and triple bonds that a small ring cannot hold, or None.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from rdkit import Chem

from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol

_ATTEMPTS = 10
_LARGEST_RING = 7
_ELEMENTS = {"C": 12, "N": 4, "O": 4, "F": 2, "S": 1, "Cl": 1}
"""Elements that a mutation brings in, by how often."""
_ORDERS = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
_STRAINED = Chem.MolFromSmarts("[$([R]=[R]=[R]),$([R]#[R]),$([r3]=[r3]),$([r4]=[r4])]")

Edit = Callable[[Chem.RWMol, random.Random], bool]
"""Changes a molecule in place; False where it found nothing to change."""


def crossover(first: Mol, second: Mol, rng: random.Random) -> str | None:
    """Canonical SMILES of a piece of `first` joined to a piece of `second`; None where no attempt gave a molecule."""
    parents = [_kekulized(first), _kekulized(second)]
    for _ in range(_ATTEMPTS):
        cut = rng.choice((_outside_rings, _across_a_ring))
        halves = [_pieces(parent, cut(parent, rng)) for parent in parents]
        if all(len(pieces) == 2 for pieces in halves):
            here, there = (rng.choice(pieces) for pieces in halves)
            child = _checked(_joined(here, there, rng))
            if child is not None:
                return child
    return None


def mutated(mol: Mol, rng: random.Random) -> str | None:
    """Canonical SMILES of a molecule that differs in one place; None where no attempt gave one."""
    for _ in range(_ATTEMPTS):
        child = _kekulized(mol)
        if rng.choice(_EDITS)(child, rng) and (text := _checked(child)) is not None:
            return text
    return None


def _kekulized(mol: Mol) -> Chem.RWMol:
    copy = Chem.RWMol(mol)
    Chem.Kekulize(copy, clearAromaticFlags=True)
    for atom in copy.GetAtoms():
        if not atom.GetIsAromatic() and not atom.GetFormalCharge() and not atom.GetNumRadicalElectrons():
            atom.SetNoImplicit(False)  # so that hydrogens follow the bonds
            atom.SetNumExplicitHs(0)
    return copy


def _checked(mol: Chem.RWMol | None) -> str | None:
    """The canonical SMILES of one sound molecule, else None."""
    if mol is None or mol.GetNumAtoms() == 0:
        return None
    if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return None
    if any(len(ring) > _LARGEST_RING for ring in mol.GetRingInfo().AtomRings()) or mol.HasSubstructMatch(
        _STRAINED
    ):
        return None
    text = write(mol.GetMol())
    again = Chem.MolFromSmiles(text)
    return None if "." in text or again is None else write(again)


# --------------------------------------------------------------------------------------------------- crossover


def _outside_rings(mol: Chem.RWMol, rng: random.Random) -> list[int]:
    """A single bond between heavy atoms that is in no ring; none where there is none."""
    single = [b.GetIdx() for b in mol.GetBonds() if not b.IsInRing() and b.GetBondType() == _ORDERS[0]]
    return [rng.choice(single)] if single else []


def _across_a_ring(mol: Chem.RWMol, rng: random.Random) -> list[int]:
    """Two bonds of a ring that share no atom; none where there is no ring."""
    rings = mol.GetRingInfo().BondRings()
    if not rings:
        return []
    ring = rng.choice(rings)
    pairs = [(i, j) for i in range(len(ring)) for j in range(i + 2, len(ring)) if j - i != len(ring) - 1]
    return [ring[place] for place in rng.choice(pairs)] if pairs else []


def _pieces(mol: Chem.RWMol, bonds: Sequence[int]) -> tuple[Mol, ...]:
    """What is left when bonds are cut; a dummy atom stands where each was."""
    if not bonds:
        return ()
    cut = Chem.FragmentOnBonds(mol, list(bonds), dummyLabels=[(0, 0)] * len(bonds))
    return Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False)


def _joined(first: Mol, second: Mol, rng: random.Random) -> Chem.RWMol | None:
    """Two pieces with bonds in place of their dummies; None where they have not equally many."""
    both = Chem.RWMol(Chem.CombineMols(first, second))
    ends = [a.GetIdx() for a in both.GetAtoms() if a.GetAtomicNum() == 0]
    here = [end for end in ends if end < first.GetNumAtoms()]
    there = [end for end in ends if end >= first.GetNumAtoms()]
    if len(here) != len(there):
        return None
    rng.shuffle(there)
    for left, right in zip(here, there, strict=True):
        (one,), (other,) = (both.GetAtomWithIdx(end).GetBonds() for end in (left, right))
        atoms = one.GetOtherAtomIdx(left), other.GetOtherAtomIdx(right)
        if both.GetBondBetweenAtoms(*atoms) is not None:
            return None
        both.AddBond(*atoms, one.GetBondType() if one.GetBondType() == other.GetBondType() else _ORDERS[0])
    for end in sorted(ends, reverse=True):
        both.RemoveAtom(end)
    return both


# --------------------------------------------------------------------------------------------------- mutation


def _element(rng: random.Random) -> Chem.Atom:
    return Chem.Atom(rng.choices(list(_ELEMENTS), list(_ELEMENTS.values()))[0])


def _append(mol: Chem.RWMol, rng: random.Random) -> bool:
    place = rng.randrange(mol.GetNumAtoms())
    mol.AddBond(place, mol.AddAtom(_element(rng)), rng.choices(_ORDERS, (6, 2, 1))[0])
    return True


def _insert(mol: Chem.RWMol, rng: random.Random) -> bool:
    bonds = [bond for bond in mol.GetBonds() if bond.GetBondType() == _ORDERS[0]]
    if not bonds:
        return False
    bond = rng.choice(bonds)
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    mol.RemoveBond(begin, end)
    middle = mol.AddAtom(_element(rng))
    mol.AddBond(begin, middle, _ORDERS[0])
    mol.AddBond(middle, end, _ORDERS[0])
    return True


def _delete(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Take out an end, or an atom between two others, which are joined then."""
    atoms = [atom for atom in mol.GetAtoms() if atom.GetDegree() in (1, 2)]
    if not atoms or mol.GetNumAtoms() < 3:
        return False
    atom = rng.choice(atoms)
    neighbours = [other.GetIdx() for other in atom.GetNeighbors()]
    if len(neighbours) == 2:
        if mol.GetBondBetweenAtoms(neighbours[0], neighbours[1]) is not None:
            return False
        mol.AddBond(neighbours[0], neighbours[1], _ORDERS[0])
    mol.RemoveAtom(atom.GetIdx())
    return True


def _exchange(mol: Chem.RWMol, rng: random.Random) -> bool:
    atom, new = rng.choice(list(mol.GetAtoms())), _element(rng)
    if atom.GetFormalCharge() or atom.GetAtomicNum() == new.GetAtomicNum():
        return False
    mol.ReplaceAtom(atom.GetIdx(), new)
    return True


def _reorder(mol: Chem.RWMol, rng: random.Random) -> bool:
    if not mol.GetNumBonds():
        return False
    bond = rng.choice(list(mol.GetBonds()))
    bond.SetBondType(rng.choice([order for order in _ORDERS if order != bond.GetBondType()]))
    return True


def _open_ring(mol: Chem.RWMol, rng: random.Random) -> bool:
    bonds = [bond for bond in mol.GetBonds() if bond.IsInRing()]
    if not bonds:
        return False
    bond = rng.choice(bonds)
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return True


def _close_ring(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Bond two atoms that are two to six bonds apart: rings of three to seven atoms."""
    distances = Chem.GetDistanceMatrix(mol)
    begin = rng.randrange(mol.GetNumAtoms())
    ends = [end for end, distance in enumerate(distances[begin]) if 2 <= distance < _LARGEST_RING]
    if not ends:
        return False
    mol.AddBond(
        begin, rng.choices(ends, [3.0 if distances[begin][e] in (4, 5) else 1.0 for e in ends])[0], _ORDERS[0]
    )
    return True


_EDITS: tuple[Edit, ...] = (
    _append,
    _append,
    _insert,
    _delete,
    _delete,
    _exchange,
    _reorder,
    _open_ring,
    _close_ring,
)
