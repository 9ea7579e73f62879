"""What is next to each atom, in numbers that answers can be remembered by.

Molecules differ, their atoms rarely do: those of a thousand drug-like molecules have a few hundred kinds of neighbourhood.
What an atom and its neighbours decide alone can thus be looked up. The numbers are no hashes: two atoms have the same ones
if and only if all that they say is equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from rdkit import Chem

ORDERS, IN_RING = 32, 16
SINGLE, AROMATIC, DOUBLE, TRIPLE = 2, 3, 4, 6
"""Twice the order of a bond."""
_DATIVE = Chem.MolFromSmarts("*->*")

_SEEN = "_surroundings"

_MOST_KINDS = 50_000
"""Kinds that get a number, some 20 MB; drugs have a few hundred."""


class Kind(NamedTuple):
    """An atom by itself; `neighbours` are those that are no hydrogens."""

    element: int
    aromatic: bool
    in_ring: bool
    charge: int
    hydrogens: int
    neighbours: int
    isotope: int


class Bond(NamedTuple):
    """A bond as one of its atoms sees it: twice the order, and the kind of the other atom."""

    order: int
    in_ring: bool
    other: Kind


Environment: TypeAlias = tuple[int, ...]
"""The number of an atom's kind, and the codes of its bonds, sorted."""


class Surroundings(NamedTuple):
    """Of each atom of a molecule the number of its kind, the codes of its bonds, the atoms beyond them, and its environment.

    A code is `ORDERS` times the number of the other atom's kind, plus twice the bond order, plus `IN_RING` for a bond of a
    ring.
    """

    kinds: list[int]
    bonds: list[list[int]]
    neighbours: list[list[int]]
    environments: list[Environment]


_Fields = tuple[int, bool, bool, int, int, int, int]
"""Those of a Kind; a named tuple for each atom would cost as much as all the rest."""
_numbers: dict[_Fields, int] = {}
_kinds: list[Kind] = []


def kind(number: int) -> Kind:
    """The kind that has a number."""
    return _kinds[number]


def bond(code: int) -> Bond:
    """The bond that has a code."""
    other, rest = divmod(code, ORDERS)
    return Bond(rest & ~IN_RING, bool(rest & IN_RING), _kinds[other])


def surroundings(mol: Chem.Mol) -> Surroundings | None:
    """What is next to each atom of a parsed molecule, looked for once until the molecule is changed.

    None where the numbers would not tell all: of molecules with atoms of hydrogen, with bonds that have no order or the same
    one as others have, and with atoms of a new kind after very many others.
    """
    # The mark is one of the computed properties, which go when a molecule is changed, as RDKit's own do.
    kept: dict[str, Surroundings | None] = mol.__dict__
    if _SEEN not in kept or not mol.HasProp(_SEEN):
        mol.SetBoolProp(_SEEN, True, computed=True)
        kept[_SEEN] = _surroundings(mol)
    return kept[_SEEN]


def _surroundings(mol: Chem.Mol) -> Surroundings | None:
    # One call for all bonds: to ask each for its ends and its type takes three times as long.
    orders = Chem.GetAdjacencyMatrix(mol, useBO=True)
    ones, others = np.nonzero(orders)
    if len(ones) != 2 * mol.GetNumBonds() or mol.HasSubstructMatch(_DATIVE):
        return None
    aromatic = (orders == AROMATIC / 2).any(axis=1).tolist()
    degrees = np.bincount(ones, minlength=len(orders)).tolist()
    rings = mol.GetRingInfo().AtomRings()
    in_rings = set(chain.from_iterable(rings))
    kinds: list[int] = []
    for index, (flag, degree) in enumerate(zip(aromatic, degrees, strict=True)):
        atom = mol.GetAtomWithIdx(index)
        fields = (
            atom.GetAtomicNum(),
            flag,
            index in in_rings,
            atom.GetFormalCharge(),
            atom.GetTotalNumHs(),
            degree,
            atom.GetIsotope(),
        )
        number = _numbers.get(fields)
        if number is None:
            if fields[0] == 1 or len(_kinds) >= _MOST_KINDS:
                return None
            number = _numbers[fields] = len(_kinds)
            _kinds.append(Kind(*fields))
        kinds.append(number)
    codes = np.array(kinds, dtype=np.int64)[others] * ORDERS + (2 * orders[ones, others]).astype(np.int64)
    codes += IN_RING * _are_in_rings(ones * len(orders) + others, rings, len(orders))
    bonds: list[list[int]] = [[] for _ in kinds]
    neighbours: list[list[int]] = [[] for _ in kinds]
    for one, other, code in zip(ones.tolist(), others.tolist(), codes.tolist(), strict=True):
        bonds[one].append(code)
        neighbours[one].append(other)
    environments = [(number, *sorted(codes)) for number, codes in zip(kinds, bonds, strict=True)]
    return Surroundings(kinds, bonds, neighbours, environments)


def _are_in_rings(
    places: npt.NDArray[np.int64], rings: Iterable[Sequence[int]], size: int
) -> npt.NDArray[np.bool_]:
    """Whether bonds, at these places of the flattened matrix of bonds, are bonds of one of the rings."""
    around = set()
    for ring in rings:
        before = ring[-1]
        for atom in ring:
            around.add(before * size + atom)
            around.add(atom * size + before)
            before = atom
    return np.array([place in around for place in places.tolist()], dtype=bool)
