"""How much chemistry a map asks for.

Weights are rules of thumb of organic synthesis in coarse steps, chosen with the USPTO-50k validation reactions in view and
never the test reactions: a reaction makes and breaks few bonds, most of them between carbon and a heteroatom; acylations are
the most common of all; an aromatic ring is neither opened nor left by an oxygen; what is in the flask takes part. Only their
order matters where one map is plainly simpler than the rest.
"""

from __future__ import annotations

from mmai_gym.molecules.mapping.side import Origins, Side, bond_between

_FORMED = 2.0
_LOST = 2.0
"""A bond between two atoms of the product that the reactants have and the product has not."""
_ORDER = 1.0
_AROMATIC_ORDER = 0.5
"""Rings that become aromatic change many orders at once."""
_CHARGE = 1.0
_HYDROGEN_SHIFT = 3.0
"""A hydrogen that one carbon loses and another gains: two C-H bonds take part. It tells a Diels-Alder reaction, where none
does, from an insertion that changes fewer bond orders."""
_IDLE = 1.5
"""A reactant of which nothing is found in the product."""
_LEAVING, _PER_ORDER, _LEAVING_CARBON = 0.6, 0.4, 0.5
"""A bond to a group that leaves: cheaper than one between atoms that stay, dearer if it is multiple, or C-C."""

_CARBON_CARBON = 1.0
_RING = 0.5
_ACYL = -0.5
_ARYL_OXYGEN = 0.2
"""A phenol keeps its oxygen when it is alkylated: of the two bonds of an aryl ether the other one was made."""


def cost(left: Side, right: Side, origins: Origins) -> float:
    """The cost of a map; an ordinary coupling of two molecules costs about 4, a change of one group 1 to 3."""
    back = {origin: index for index, origin in enumerate(origins)}
    total = sum(_CHARGE for origin, index in back.items() if left.charges[origin] != right.charges[index])
    total += _HYDROGEN_SHIFT * _hydrogen_shifts(left, right, back)
    total += sum(_IDLE for part in left.parts if not any(index in back for index in part))
    for (a, b), order in right.orders.items():
        before = left.orders.get(bond_between(origins[a], origins[b]))
        if before is None:
            total += _FORMED + _disfavour(right, a, b)
        elif before != order:
            total += _AROMATIC_ORDER if 1.5 in (before, order) else _ORDER
    for (x, y), order in left.orders.items():
        if x in back and y in back:
            total += _LOST * (bond_between(back[x], back[y]) not in right.orders)
        elif x in back or y in back:
            total += _LEAVING + _PER_ORDER * order + _LEAVING_CARBON * (left.elements[x] == left.elements[y] == 6)
    return total


def _hydrogen_shifts(left: Side, right: Side, back: dict[int, int]) -> int:
    gains = [
        right.hydrogens[index] - left.hydrogens[origin]
        for origin, index in back.items()
        if left.elements[origin] == 6
    ]
    return min(sum(gain for gain in gains if gain > 0), -sum(gain for gain in gains if gain < 0))


def _disfavour(side: Side, a: int, b: int) -> float:
    """How unlikely a bond of the product is to be the one that was made."""
    if side.elements[a] == side.elements[b] == 6:
        extra = _CARBON_CARBON
    elif _is_acyl(side, a, b) or _is_acyl(side, b, a):
        extra = _ACYL
    else:
        extra = _ARYL_OXYGEN * _is_aryl_oxygen(side, a, b)
    return extra + _RING * ((a, b) in side.ring_bonds)


def _is_aryl_oxygen(side: Side, a: int, b: int) -> bool:
    return {side.elements[a], side.elements[b]} == {6, 8} and side.aromatic[a] != side.aromatic[b]


def _is_acyl(side: Side, centre: int, other: int) -> bool:
    """Whether `centre` is that of C=O, C=S, S=O or P=O, and `other` a nitrogen, oxygen or sulphur on it."""
    return (
        side.elements[centre] in (6, 15, 16)
        and side.elements[other] in (7, 8, 16)
        and side.orders[bond_between(centre, other)] == 1.0
        and any(
            index != other and side.elements[index] in (8, 16) and side.orders[bond_between(centre, index)] == 2.0
            for index in side.neighbours[centre]
        )
    )
