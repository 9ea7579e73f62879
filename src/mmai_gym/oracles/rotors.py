"""Rotatable bonds by RDKit's strict definition, which leaves out amides and their like: RDKit's number, quicker.

RDKit searches for a pattern that names, for both ends, what hangs on them. Here the environment of an atom says what it
may be, once for all molecules, and only the bonds of chains are looked at.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from mmai_gym.oracles.environments import (
    AROMATIC,
    DOUBLE,
    ORDERS,
    SINGLE,
    TRIPLE,
    Bond,
    Environment,
    Kind,
    Surroundings,
    bond,
    kind,
)

_CARBON, _NITROGEN, _OXYGEN, _SULFUR = 6, 7, 8, 16
_HALOGENS = (9, 17, 35)


def rotatable_bonds(mol: Chem.Mol, seen: Surroundings | None) -> int:
    """Of a parsed molecule with these surroundings; what they would not tell is left to RDKit."""
    if seen is None:
        return rdMolDescriptors.CalcNumRotatableBonds(mol, rdMolDescriptors.NumRotatableBondsOptions.Strict)
    ends = [_end(own) for own in seen.environments]
    found = 0
    for one, (codes, others) in enumerate(zip(seen.bonds, seen.neighbours, strict=True)):
        if not ends[one].turns:
            continue
        for code, other in zip(codes, others, strict=True):
            turns = one < other and ends[other].turns and code % ORDERS in (SINGLE, AROMATIC)
            found += turns and not (_of_amide(one, ends, seen) and _of_amide(other, ends, seen))
    return found


class _End(NamedTuple):
    """What an atom may be of a bond.

    Attributes:
        turns: an end of a rotatable one, as far as what hangs on it decides.
        holds: the carbon of an amide or its like, on the side of which the nitrogen, oxygen or sulfur is there.
        acyl: a carbon of three neighbours with a double bond to nitrogen, oxygen or sulfur.
        iminium: the same, to a nitrogen with a charge of +1.
        hetero: what makes an amide of an acyl next to it: nitrogen, oxygen, or sulfur with another neighbour.
        amine: what does so with an iminium: nitrogen with another neighbour.
    """

    turns: bool
    holds: bool
    acyl: bool
    iminium: bool
    hetero: bool
    amine: bool


def _of_amide(atom: int, ends: list[_End], seen: Surroundings) -> bool:
    """Whether an end is left out for the amide, or its like, that it is an atom of."""
    end = ends[atom]
    if end.holds or not (end.hetero or end.amine):
        return end.holds
    return any(
        code % ORDERS == SINGLE and ((end.hetero and ends[other].acyl) or (end.amine and ends[other].iminium))
        for code, other in zip(seen.bonds[atom], seen.neighbours[atom], strict=True)
    )


@functools.lru_cache(maxsize=65_536)
def _end(own: Environment) -> _End:
    number, *codes = own
    atom, bonds = kind(number), [bond(code) for code in codes]
    aliphatic_carbon = atom.element == _CARBON and not atom.aromatic
    stays = (
        atom.neighbours == 1
        or any(one.order == TRIPLE for one in bonds)
        or (aliphatic_carbon and (atom.hydrogens == 3 or _full(bonds)))
    )
    doubled = (
        [one.other for one in bonds if one.order == DOUBLE and not one.other.aromatic]
        if aliphatic_carbon and atom.neighbours == 3
        else []
    )
    acyl = any(other.element in (_NITROGEN, _OXYGEN, _SULFUR) for other in doubled)
    iminium = any(other.element == _NITROGEN and other.charge == 1 for other in doubled)
    turned = [one.other for one in bonds if one.order == SINGLE and not one.in_ring]
    holds = (acyl and any(map(_hetero, turned))) or (iminium and any(map(_amine, turned)))
    return _End(not stays, holds, acyl, iminium, _hetero(atom), _amine(atom))


def _full(bonds: list[Bond]) -> bool:
    """Whether three halogens of an element, or three methyl groups, hang on a carbon."""
    others = [one.other for one in bonds if one.order <= AROMATIC and not one.other.aromatic]
    halogens = [sum(other.element == halogen for other in others) for halogen in _HALOGENS]
    methyls = sum(other.element == _CARBON and other.hydrogens == 3 for other in others)
    return max(*halogens, methyls) >= 3


def _hetero(atom: Kind) -> bool:
    if atom.element == _NITROGEN:
        return True
    return not atom.aromatic and (atom.element == _OXYGEN or (atom.element == _SULFUR and atom.neighbours != 1))


def _amine(atom: Kind) -> bool:
    return atom.element == _NITROGEN and atom.neighbours != 1
