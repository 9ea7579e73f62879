"""Crippen's logP (Wildman and Crippen 1999): RDKit's number to the last digit, in less than two thirds of its time.

RDKit adds hydrogens and searches for 110 patterns to tell the types of atoms. A pattern names element, charge, aromaticity,
hydrogens and neighbours of its atom, and the first three of a neighbour; those of oxygen, and of a hydrogen on oxygen, ask
the neighbour for all of it. So what RDKit has said of an atom and its hydrogens once is remembered by that, and added up
in RDKit's order.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Hashable

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from mmai_gym.oracles.environments import Surroundings, bond, kind, surroundings

_OXYGEN = 8
_REMEMBERED = 100_000
_KEPT = "_crippenLogPByEnvironment"

_contributions: dict[Hashable, tuple[float, tuple[float, ...]]] = {}
"""Of an atom, and of each of its hydrogens."""


def crippen_logp(mol: Chem.Mol) -> float:
    """The logarithm of the partition coefficient between octanol and water of a parsed molecule."""
    if mol.HasProp(_KEPT):
        return mol.GetDoubleProp(_KEPT)
    seen = surroundings(mol)
    value = rdMolDescriptors.CalcCrippenDescriptors(mol)[0] if seen is None else _sum(mol, seen)
    mol.SetDoubleProp(_KEPT, value, computed=True)  # which goes when the molecule is changed, as RDKit's own do
    return value


def _sum(mol: Chem.Mol, seen: Surroundings) -> float:
    own = [
        (_centers[number], *sorted([_beyond[bond] for bond in bonds]))
        for number, bonds in zip(seen.kinds, seen.bonds, strict=True)
    ]
    keys: list[Hashable] = [
        (key, tuple(sorted([own[other] for other in others]))) if key[0][0] == _OXYGEN else key
        for key, others in zip(own, seen.neighbours, strict=True)
    ]
    try:
        found = [_contributions[key] for key in keys]
    except KeyError:
        found = _learn(mol, keys)
    # Not `sum`, which rounds more carefully in newer Pythons than RDKit does.
    heavy = functools.reduce(operator.add, [value for value, _ in found], 0.0)
    return functools.reduce(operator.add, [value for _, each in found for value in each], heavy)


class _Centers(dict[int, tuple[int, bool, int, int]]):
    """What is asked of an atom, by the number of its kind: element, aromaticity, charge and hydrogens."""

    def __missing__(self, number: int) -> tuple[int, bool, int, int]:
        found = kind(number)
        self[number] = found.element, found.aromatic, found.charge, found.hydrogens
        return self[number]


class _Beyond(dict[int, tuple[int, int, bool, int]]):
    """What is asked of a bond, and of the atom beyond it: the order, element, aromaticity and charge."""

    def __missing__(self, code: int) -> tuple[int, int, bool, int]:
        order, _, found = bond(code)
        self[code] = order, found.element, found.aromatic, found.charge
        return self[code]


_centers, _beyond = _Centers(), _Beyond()


def _learn(mol: Chem.Mol, keys: list[Hashable]) -> list[tuple[float, tuple[float, ...]]]:
    """What RDKit says of each atom, remembered."""
    whole = Chem.AddHs(mol)
    values = [value for value, _ in rdMolDescriptors._CalcCrippenContribs(whole)]
    hydrogens: list[list[float]] = [[] for _ in keys]
    for index in range(len(keys), whole.GetNumAtoms()):
        (bond,) = whole.GetAtomWithIdx(index).GetBonds()
        hydrogens[bond.GetOtherAtomIdx(index)].append(values[index])
    found = [(value, tuple(own)) for value, own in zip(values, hydrogens, strict=False)]
    if len(_contributions) > _REMEMBERED:
        _contributions.clear()
    _contributions.update(zip(keys, found, strict=True))
    return found
