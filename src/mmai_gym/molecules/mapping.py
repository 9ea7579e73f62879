"""Atom maps for reactions that have none: which atom of the reactants became which atom of the product.

Patent reactions arrive as text without maps, but templates, reaction centres and root-aligned SMILES need them. A chemist
finds the map by looking for the bonds that were made: cut them, and what is left of the product are pieces of the
reactants. `map_reaction` does the same. It cuts the product at no bond, at one bond, or at two bonds of a ring, and looks
for each piece in the reactants. Every atom away from the cut must look the same on both sides (element, charge,
hydrogens, neighbours, aromaticity), which makes the search quick and its matches few; when nothing fits, the atoms around
the cut are freed, then all of them. The maps that Indigo proposes compete with these where no cut is plainly right. The
map that needs the least chemistry wins: few bonds broken and formed, few orders changed, no atom out of nowhere, no
reactant left aside.

Both sides are read from their canonical text, so neither the order of the input nor map numbers in it can leak into the
answer. The search has a limit of pieces, of matches and of time. Nothing here was trained.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, islice, product
from typing import Any, Literal

from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.extras import require
from mmai_gym.molecules.reactions import MappedReaction
from mmai_gym.molecules.smiles import canonical_set, strip_maps, write
from mmai_gym.molecules.toolkit import Mol, parse

MAX_ATOMS = 200
"""Heavy atoms of a side; a larger reaction is not mapped."""
SECONDS = 0.5
"""After this long no new piece is looked for; the best map so far stands."""

Failure = Literal["unreadable", "too-large", "no-map", "atoms-without-origin"]
Bond = tuple[int, int]
Origins = tuple[int, ...]
"""For each product atom the index of its reactant atom, or -1."""

_GOOD_ENOUGH = 5.0
"""A map of this cost is one clean bond formation or one changed group: nothing looser needs to be tried."""
_PLAUSIBLE = 10.0
"""Above this, any two bonds of the product are tried together."""
_MATCHES = 8
_COMBINATIONS = 24
_TEMPERATURE = 1.0
_INDIGO_MODES = ("discard ignore_charges ignore_valence", "discard")


@dataclass(frozen=True, slots=True)
class AtomMapping:
    """What `map_reaction` found.

    Attributes:
        reaction: both sides with shared map numbers, or None where there is no map.
        confidence: between 0 and 1; the weight of the winning reaction centre among all that were considered.
            Half means that two centres ask for the same chemistry, such as which oxygen an ester keeps.
        failure: why there is no map. "atoms-without-origin": the best map leaves product atoms that no reactant
            brings, because one is missing or is needed twice.
    """

    reaction: MappedReaction | None
    confidence: float = 0.0
    failure: Failure | None = None


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
    """Atom maps of one reaction; maps in the input are ignored.

    The map costs about 3 ms where a cut explains the reaction, 100 ms or more where Indigo has to be asked.

    Args:
        reactants: dot-separated SMILES; reagents may be among them.
        product: SMILES.

    Raises:
        MissingExtra: Indigo is not installed.
    """
    require("indigo", extra="train")
    try:
        texts = canonical_set(strip_maps(reactants)), canonical_set(strip_maps(product))
        left, right = _Side(parse(texts[0])), _Side(parse(texts[1]))
    except InvalidMolecule:
        return AtomMapping(None, failure="unreadable")
    if max(left.size, right.size) > MAX_ATOMS:
        return AtomMapping(None, failure="too-large")
    costs = _Search(left, right, ">>".join(texts)).run()
    if not costs:
        return AtomMapping(None, failure="no-map")
    best = min(costs, key=lambda found: (costs[found], found))
    if -1 in best:
        return AtomMapping(None, failure="atoms-without-origin")
    return AtomMapping(_write(left, right, best), _confidence(left, right, costs, best))


def reaction_centre(reaction: MappedReaction) -> ReactionCentre:
    """The centre that a mapped reaction describes.

    Raises:
        InvalidMolecule: a side cannot be read.
    """
    left, right = parse(reaction.reactants), parse(reaction.product)
    origin = {atom.GetAtomMapNum(): atom.GetIdx() for atom in left.GetAtoms() if atom.GetAtomMapNum()}
    mapping = tuple(origin.get(atom.GetAtomMapNum(), -1) for atom in right.GetAtoms())
    return _centre(_Side(left), _Side(right), mapping)


# --------------------------------------------------------------------------------------------------- one side


class _Side:
    """A set of molecules as plain numbers, and as graphs whose atoms carry only a label."""

    def __init__(self, mol: Mol) -> None:
        self.mol = mol
        self.size = mol.GetNumAtoms()
        self.orders: dict[Bond, float] = {}
        self.neighbours: list[list[int]] = [[] for _ in range(self.size)]
        for bond in mol.GetBonds():
            a, b = sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
            self.orders[a, b] = bond.GetBondTypeAsDouble()
            self.neighbours[a].append(b)
            self.neighbours[b].append(a)
        self.elements = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
        self.charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
        self.hydrogens = [atom.GetTotalNumHs() for atom in mol.GetAtoms()]
        self.aromatic = [atom.GetIsAromatic() for atom in mol.GetAtoms()]
        self.labels = [
            _label(*parts)
            for parts in zip(
                self.elements, self.charges, self.hydrogens, map(len, self.neighbours), self.aromatic, strict=True
            )
        ]
        self.parts: tuple[tuple[int, ...], ...] = Chem.GetMolFrags(mol)

    @cached_property
    def ring_bonds(self) -> frozenset[Bond]:
        return frozenset(bond for ring in self.rings for bond in ring)

    @cached_property
    def rings(self) -> tuple[tuple[Bond, ...], ...]:
        """The bonds of each smallest ring."""
        rings = self.mol.GetRingInfo().AtomRings()
        return tuple(tuple(_bond(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)) for ring in rings)

    @cached_property
    def ranks(self) -> list[int]:
        """Canonical rank per atom; equivalent atoms share one, map numbers are not looked at."""
        return list(Chem.CanonicalRankAtoms(self.mol, breakTies=False, includeAtomMaps=False))

    @cached_property
    def targets(self) -> list[tuple[tuple[int, ...], Counter[int], Mol]]:
        """Per molecule: its atoms, its labels counted, its graph."""
        return [
            (part, Counter(self.labels[i] for i in part), self.graph(part, frozenset())) for part in self.parts
        ]

    def graph(self, atoms: Sequence[int], free: frozenset[int], without: Sequence[Bond] = ()) -> Mol:
        """These atoms and the bonds among them, all bonds alike; the label stands as isotope, a free atom has none."""
        place = {index: position for position, index in enumerate(atoms)}
        graph = Chem.RWMol()
        for index in atoms:
            atom = Chem.Atom(self.elements[index])
            if index not in free:
                atom.SetIsotope(self.labels[index])
            graph.AddAtom(atom)
        for index in atoms:
            for other in self.neighbours[index]:
                if index < other and other in place and (index, other) not in without:
                    graph.AddBond(place[index], place[other], Chem.BondType.SINGLE)
        return graph

    def pieces(self, without: Sequence[Bond]) -> list[tuple[int, ...]]:
        """Connected sets of atoms once some bonds are gone, the largest first."""
        seen: set[int] = set()
        found = []
        for start in range(self.size):
            if start in seen:
                continue
            piece, stack = [], [start]
            seen.add(start)
            while stack:
                index = stack.pop()
                piece.append(index)
                for other in self.neighbours[index]:
                    if other not in seen and _bond(index, other) not in without:
                        seen.add(other)
                        stack.append(other)
            found.append(tuple(sorted(piece)))
        return sorted(found, key=len, reverse=True)


def _bond(a: int, b: int) -> Bond:
    return (a, b) if a < b else (b, a)


def _label(element: int, charge: int, hydrogens: int, degree: int, aromatic: bool) -> int:
    """One number, 1 to 65,535, per kind of atom (RDKit keeps isotopes in 16 bits)."""
    return 1 + (element * 1009 + (charge + 4) * 131 + hydrogens * 29 + degree * 3 + aromatic) % 65_521


# --------------------------------------------------------------------------------------------------- the search


class _Search:
    """Collects maps of one reaction with their costs."""

    def __init__(self, left: _Side, right: _Side, text: str) -> None:
        self.left, self.right, self.text = left, right, text
        self.costs: dict[Origins, float] = {}
        self.deadline = time.monotonic() + SECONDS
        have = Counter(left.labels)
        # Kinds of atom that the reactants have too few of: some of these must be at the cut.
        self.excess = {label: n - have[label] for label, n in Counter(right.labels).items() if n > have[label]}
        self.complete = not Counter(right.elements) - Counter(left.elements)

    @property
    def best(self) -> float:
        return min(self.costs.values(), default=math.inf)

    def run(self) -> dict[Origins, float]:
        if self.complete:
            single: list[tuple[Bond, ...]] = [(bond,) for bond in self.right.orders] or [()]
            in_ring: list[tuple[Bond, ...]] = [pair for ring in self.right.rings for pair in combinations(ring, 2)]
            for depth, cuts in ((0, single), (0, in_ring), (1, single), (1, in_ring)):
                self.try_cuts(cuts, depth)
                if self.best <= _GOOD_ENOUGH:
                    return self.costs
            if self.best > _PLAUSIBLE:
                self.try_cuts(combinations(self.right.orders, 2), 0)
        for mapping in _indigo_maps(self.left, self.right, self.text):
            self.add(mapping)
        return self.costs

    def try_cuts(self, cuts: Iterable[tuple[Bond, ...]], depth: int) -> None:
        """Free the ends of some bonds, and the atoms within `depth` bonds; remove all, some or none of the bonds."""
        for cut in cuts:
            free = frozenset(index for bond in cut for index in bond)
            for _ in range(depth):
                free |= {other for index in free for other in self.right.neighbours[index]}
            if not self.explains(free):
                continue
            if time.monotonic() > self.deadline:
                return
            for number in range(len(cut) + 1):
                for removed in combinations(cut, number):
                    self.match(removed, free)

    def explains(self, free: frozenset[int]) -> bool:
        """Whether the free atoms cover every label that the reactants lack."""
        if not self.excess:
            return True
        if len(free) < sum(self.excess.values()):
            return False
        counted = Counter(self.right.labels[index] for index in free)
        return all(counted[label] >= n for label, n in self.excess.items())

    def match(self, cut: tuple[Bond, ...], free: frozenset[int]) -> None:
        """Look for each piece of the product in each reactant, and weigh the ways to put them together."""
        choices = []
        for piece in self.right.pieces(cut):
            places = self.places(piece, free, cut)
            if not places:
                return
            choices.append([dict(zip(piece, place, strict=True)) for place in places])
        for chosen in islice(product(*choices), _COMBINATIONS):
            merged = {index: origin for part in chosen for index, origin in part.items()}
            if len(set(merged.values())) == self.right.size:
                self.add(tuple(merged[index] for index in range(self.right.size)))

    def places(self, piece: tuple[int, ...], free: frozenset[int], cut: tuple[Bond, ...]) -> list[tuple[int, ...]]:
        labels = Counter(self.right.labels[index] for index in piece if index not in free)
        graph: Mol | None = None
        found: list[tuple[int, ...]] = []
        for atoms, counted, target in self.left.targets:
            if len(atoms) < len(piece) or any(counted[label] < n for label, n in labels.items()):
                continue
            graph = graph or self.right.graph(piece, free, cut)
            for match in target.GetSubstructMatches(graph, uniquify=True, maxMatches=_MATCHES):
                found.append(tuple(atoms[index] for index in match))
        return found

    def add(self, mapping: Origins) -> None:
        if mapping not in self.costs:
            self.costs[mapping] = _cost(self.left, self.right, mapping)


def _cost(left: _Side, right: _Side, mapping: Origins) -> float:
    """How much chemistry a map asks for; an ordinary bond formation costs about 4."""
    back = {origin: index for index, origin in enumerate(mapping) if origin >= 0}
    cost = 10.0 * (right.size - len(back))
    for (a, b), order in right.orders.items():
        x, y = mapping[a], mapping[b]
        if x < 0 or y < 0:
            cost += 2.0
            continue
        before = left.orders.get(_bond(x, y))
        if before is None:
            cost += 2.0 + _disfavour(right, a, b)
        elif before != order:
            cost += 0.5 if 1.5 in (before, order) else 1.0
    for x, y in left.orders:
        here, there = back.get(x, -1), back.get(y, -1)
        if here >= 0 and there >= 0:
            if _bond(here, there) not in right.orders:
                cost += 2.0
        elif here >= 0 or there >= 0:
            cost += 0.6 + 0.4 * left.orders[x, y] + 0.5 * (left.elements[x] == left.elements[y] == 6)
    cost += sum(left.charges[x] != right.charges[a] for x, a in back.items())
    return cost + sum(1.5 for part in left.parts if not any(index in back for index in part))


def _disfavour(side: _Side, a: int, b: int) -> float:
    """How unlikely a bond is to be the one that was made."""
    if side.elements[a] == side.elements[b] == 6:
        extra = 1.0
    elif _acyl(side, a, b) or _acyl(side, b, a):
        extra = -0.5
    else:
        extra = 0.2 * _phenolic(side, a, b)  # a phenol keeps its oxygen
    return extra + (0.5 if (a, b) in side.ring_bonds else 0.0)


def _phenolic(side: _Side, a: int, b: int) -> bool:
    return {side.elements[a], side.elements[b]} == {6, 8} and (side.aromatic[a] != side.aromatic[b])


def _acyl(side: _Side, centre: int, other: int) -> bool:
    """Whether `centre` is C=O, S=O or P=O and `other` a nitrogen, oxygen or sulphur on it."""
    return (
        side.elements[centre] in (6, 15, 16)
        and side.elements[other] in (7, 8, 16)
        and side.orders[_bond(centre, other)] == 1.0
        and any(
            index != other and side.elements[index] in (8, 16) and side.orders[_bond(centre, index)] == 2.0
            for index in side.neighbours[centre]
        )
    )


# --------------------------------------------------------------------------------------------------- Indigo


@lru_cache(maxsize=1)
def _indigo() -> Any:
    from indigo import Indigo

    toolkit = Indigo()
    toolkit.setOption("aam-timeout", 200)
    return toolkit


def _indigo_maps(left: _Side, right: _Side, text: str) -> Iterator[Origins]:
    """The maps that Indigo proposes; none where it reads a side in another way than RDKit."""
    from indigo import IndigoException

    for mode in _INDIGO_MODES:
        try:
            reaction = _indigo().loadReaction(text)
            reaction.automap(mode)
            sides = [
                [
                    (atom.atomicNumber(), reaction.atomMappingNumber(atom))
                    for molecule in molecules
                    for atom in molecule.iterateAtoms()
                ]
                for molecules in (reaction.iterateReactants(), reaction.iterateProducts())
            ]
        except IndigoException:
            continue
        if any([z for z, _ in atoms] != side.elements for atoms, side in zip(sides, (left, right), strict=True)):
            continue
        place = {number: index for index, (_, number) in enumerate(sides[0]) if number}
        mapping = tuple(place.get(number, -1) for _, number in sides[1])
        kept = [origin for origin in mapping if origin >= 0]
        if len(kept) == len(set(kept)):
            yield mapping


# --------------------------------------------------------------------------------------------------- the answer


def _centre(left: _Side, right: _Side, mapping: Origins) -> ReactionCentre:
    broken: list[Bond] = []
    changed: list[Bond] = []
    for (a, b), order in right.orders.items():
        before = left.orders.get(_bond(mapping[a], mapping[b]))
        if before != order:
            (broken if before is None else changed).append(_bond(right.ranks[a], right.ranks[b]))
    back = {origin: index for index, origin in enumerate(mapping) if origin >= 0}
    lost = [
        right.ranks[index]
        for origin, index in back.items()
        for other in left.neighbours[origin]
        if _bond(index, back.get(other, -1)) not in right.orders
    ]
    return ReactionCentre(tuple(sorted(broken)), tuple(sorted(changed)), tuple(sorted(lost)))


def _confidence(left: _Side, right: _Side, costs: dict[Origins, float], best: Origins) -> float:
    """The winner's share of the weight exp(-cost) of all reaction centres found, each at its cheapest map."""
    cheapest: dict[ReactionCentre, float] = {}
    for mapping, cost in costs.items():
        centre = _centre(left, right, mapping)
        cheapest[centre] = min(cost, cheapest.get(centre, math.inf))
    total = sum(math.exp((costs[best] - cost) / _TEMPERATURE) for cost in cheapest.values())
    return 1.0 / total


def _write(left: _Side, right: _Side, mapping: Origins) -> MappedReaction:
    """Product atoms are numbered 1, 2, 3, ... in canonical order, and their reactant atoms with them."""
    reactants, made = Chem.Mol(left.mol), Chem.Mol(right.mol)
    for index, origin in enumerate(mapping):
        made.GetAtomWithIdx(index).SetAtomMapNum(index + 1)
        reactants.GetAtomWithIdx(origin).SetAtomMapNum(index + 1)
    return MappedReaction("mapped", write(reactants), write(made))
