"""What is next to each atom, in numbers that answers can be remembered by.

Molecules differ, their atoms rarely do: those of a thousand drug-like molecules have a few hundred kinds of neighbourhood.
What an atom and its neighbours decide alone can thus be looked up. The numbers are no hashes: two atoms have the same ones
if and only if all that they say is equal.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np
from rdkit import Chem

ORDERS = 16
SINGLE, AROMATIC, DOUBLE, TRIPLE = 2, 3, 4, 6
"""Twice the order of a bond."""
_DATIVE = Chem.MolFromSmarts("*->*")

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


class Surroundings(NamedTuple):
    """Of each atom of a molecule the number of its kind, its bonds, and the indices of the atoms beyond them.

    A bond is `ORDERS` times the number of the other atom's kind, plus twice the bond order.
    """

    kinds: list[int]
    bonds: list[list[int]]
    neighbours: list[list[int]]


_Fields = tuple[int, bool, bool, int, int, int]
"""Those of a Kind; a named tuple for each atom would cost as much as all the rest."""
_numbers: dict[_Fields, int] = {}
_kinds: list[Kind] = []


def kind(number: int) -> Kind:
    """The kind that has a number."""
    return _kinds[number]


def surroundings(mol: Chem.Mol) -> Surroundings | None:
    """What is next to each atom of a parsed molecule.

    None where the numbers would not tell all: of molecules with atoms of hydrogen, with bonds that have no order or the same
    one as others have, and with atoms of a new kind after very many others.
    """
    # One call for all bonds: to ask each for its ends and its type takes three times as long.
    orders = Chem.GetAdjacencyMatrix(mol, useBO=True)
    ones, others = np.nonzero(orders)
    if len(ones) != 2 * mol.GetNumBonds() or mol.HasSubstructMatch(_DATIVE):
        return None
    aromatic = (orders == AROMATIC / 2).any(axis=1).tolist()
    degrees = np.bincount(ones, minlength=len(orders)).tolist()
    in_rings = set(chain.from_iterable(mol.GetRingInfo().AtomRings()))
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
        )
        number = _numbers.get(fields)
        if number is None:
            if fields[0] == 1 or len(_kinds) >= _MOST_KINDS:
                return None
            number = _numbers[fields] = len(_kinds)
            _kinds.append(Kind(*fields))
        kinds.append(number)
    codes = np.array(kinds, dtype=np.int64)[others] * ORDERS + (2 * orders[ones, others]).astype(np.int64)
    bonds: list[list[int]] = [[] for _ in kinds]
    neighbours: list[list[int]] = [[] for _ in kinds]
    for one, other, code in zip(ones.tolist(), others.tolist(), codes.tolist(), strict=True):
        bonds[one].append(code)
        neighbours[one].append(other)
    return Surroundings(kinds, bonds, neighbours)
