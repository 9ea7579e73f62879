"""Maps in and out: reading a reaction, choosing a map, saying how sure it is, and comparing reaction centres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.mapping.search import Search
from mmai_gym.molecules.mapping.side import Bond, Origins, Side, bond_between
from mmai_gym.molecules.reactions import MappedReaction
from mmai_gym.molecules.smiles import canonical_set, write
from mmai_gym.molecules.toolkit import parse

MAPPER_VERSION = "1"
"""Raised when the same reaction may get another map; stored maps carry it."""
MAX_ATOMS = 200
"""Heavy atoms of a side; a larger reaction is not mapped."""

MappingFailure = Literal["unreadable", "too-large", "atoms-without-origin", "no-map"]

_UNEXPLAINED = 12.0
"""Cost at which "this record is no single reaction" is as likely as the map."""


@dataclass(frozen=True, slots=True)
class AtomMapping:
    """What `map_reaction` found.

    Attributes:
        reaction: both sides with shared map numbers, or None where there is no map.
        confidence: between 0 and 1; the weight of the winning reaction centre among all that were found and the
            possibility that none is right. About a half means that two centres ask for the same chemistry, such as
            which end of an azide made which bond of a tetrazole; about nothing, that only an absurd map was found.
        failure: why there is no map. "atoms-without-origin": the reactants lack atoms of the product, because one of
            them is missing or is needed twice. "no-map": no cut that was tried explains the product.
    """

    reaction: MappedReaction | None
    confidence: float = 0.0
    failure: MappingFailure | None = None


@dataclass(frozen=True)
class ReactionCentre:
    """A reaction centre, up to symmetry: product atoms stand as canonical ranks, equivalent atoms share one.

    Attributes:
        broken: product bonds that the reactants lack (what retrosynthesis breaks), as sorted pairs of ranks.
        changed: product bonds of another order in the reactants.
        left: atoms that lose a neighbour on the way to the product, once per neighbour.
    """

    broken: tuple[Bond, ...]
    changed: tuple[Bond, ...]
    left: tuple[int, ...]


def map_reaction(reactants: str, product: str) -> AtomMapping:
    """Atom maps of one reaction; maps in the input and its order are ignored.

    Both sides are read from their canonical text, so that nothing but the molecules can decide. Stereo is not looked at.

    Args:
        reactants: dot-separated SMILES; reagents may be among them.
        product: SMILES.
    """
    try:
        left, right = (Side(parse(canonical_set(text))) for text in (reactants, product))
    except InvalidMolecule:
        return AtomMapping(None, failure="unreadable")
    if max(left.size, right.size) > MAX_ATOMS:
        return AtomMapping(None, failure="too-large")
    search = Search(left, right)
    costs = search.run()
    if not costs:
        return AtomMapping(None, failure="no-map" if search.complete else "atoms-without-origin")
    best = min(costs, key=lambda found: (costs[found], found))
    return AtomMapping(_write(left, right, best), _confidence(left, right, costs, best))


def reaction_centre(reaction: MappedReaction) -> ReactionCentre:
    """The centre that a mapped reaction describes.

    Raises:
        InvalidMolecule: a side cannot be read.
    """
    left, right = parse(reaction.reactants), parse(reaction.product)
    origin = {atom.GetAtomMapNum(): atom.GetIdx() for atom in left.GetAtoms() if atom.GetAtomMapNum()}
    origins = tuple(origin.get(atom.GetAtomMapNum(), -1) for atom in right.GetAtoms())
    return _centre(Side(left), Side(right), origins)


def _centre(left: Side, right: Side, origins: Origins) -> ReactionCentre:
    broken: list[Bond] = []
    changed: list[Bond] = []
    for (a, b), order in right.orders.items():
        before = left.orders.get(bond_between(origins[a], origins[b]))
        if before != order:
            (broken if before is None else changed).append(bond_between(right.ranks[a], right.ranks[b]))
    back = {origin: index for index, origin in enumerate(origins) if origin >= 0}
    lost = [
        right.ranks[index]
        for origin, index in back.items()
        for other in left.neighbours[origin]
        if bond_between(index, back.get(other, -1)) not in right.orders
    ]
    return ReactionCentre(tuple(sorted(broken)), tuple(sorted(changed)), tuple(sorted(lost)))


def _confidence(left: Side, right: Side, costs: dict[Origins, float], best: Origins) -> float:
    """The winner's share of the weight exp(-cost) of all centres, each at its cheapest map, and of none of them."""
    cheapest: dict[ReactionCentre, float] = {}
    for origins, cost in costs.items():
        centre = _centre(left, right, origins)
        cheapest[centre] = min(cost, cheapest.get(centre, math.inf))
    return 1.0 / sum(math.exp(costs[best] - cost) for cost in (*cheapest.values(), _UNEXPLAINED))


def _write(left: Side, right: Side, origins: Origins) -> MappedReaction:
    """Product atoms are numbered 1, 2, 3, ... in canonical order, and their reactant atoms with them."""
    reactants, made = Chem.Mol(left.mol), Chem.Mol(right.mol)
    for index, origin in enumerate(origins):
        made.GetAtomWithIdx(index).SetAtomMapNum(index + 1)
        reactants.GetAtomWithIdx(origin).SetAtomMapNum(index + 1)
    return MappedReaction("mapped", write(reactants), write(made))
