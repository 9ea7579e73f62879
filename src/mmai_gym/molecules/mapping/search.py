"""The search for maps: cut the product, and look for its pieces in the reactants.

The product is cut at no bond, at one bond, at two bonds of a ring, or at any two. Every atom away from the cut must be of
the same kind on both sides, which makes the matches quick and few. Where nothing plainly right is found, the atoms around
the cut are freed as well, one bond and then two bonds away, for reactions that move electrons (an enol ether that attacks,
a ring that becomes aromatic). The work is limited by a number of matches and not by time, so that the answer does not
depend on how busy the machine is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations, islice, product

from mmai_gym.molecules.mapping.cost import cost
from mmai_gym.molecules.mapping.side import Bond, Origins, Side
from mmai_gym.molecules.toolkit import Mol

MAX_TRIALS = 2_000
"""Cuts that are matched; after these the best map so far stands."""

_GOOD_ENOUGH = 5.0
"""A map of this cost is one clean bond formation or one changed group: nothing looser needs to be tried."""
_PLAUSIBLE = 10.0
"""Above this, any two bonds of the product are tried together."""
_MATCHES = 2000
"""Matches of one piece in one reactant that are looked at; a piece with many tert-butyl groups has millions in one place."""
_PLACES = 16
"""Places of one piece in one reactant."""
_COMBINATIONS = 24
"""Ways to put the pieces of one cut together."""

Cut = tuple[Bond, ...]


class Search:
    """Collects the maps of one reaction with their costs.

    Attributes:
        complete: whether the reactants have every atom of the product, by element.
        costs: the maps found so far.
    """

    def __init__(self, left: Side, right: Side) -> None:
        self.left, self.right = left, right
        self.complete = not Counter(right.elements) - Counter(left.elements)
        self.costs: dict[Origins, float] = {}
        self._trials = 0
        have = Counter(left.kinds)
        # Kinds of atom that the reactants have too few of: so many of each must be at the cut.
        self._excess = {kind: n - have[kind] for kind, n in Counter(right.kinds).items() if n > have[kind]}

    @property
    def best(self) -> float:
        """The lowest cost so far."""
        return min(self.costs.values(), default=math.inf)

    def run(self) -> dict[Origins, float]:
        """All maps found; none where the reactants lack an atom, or nothing fits within the limits."""
        if self.complete:
            for cuts, depth in self._passes():
                self._try(cuts, depth)
                if self.best <= _GOOD_ENOUGH:
                    break
        return self.costs

    def _passes(self) -> Iterator[tuple[Iterable[Cut], int]]:
        """Cuts, and how many bonds around them are freed: the most likely and the cheapest to try first."""
        single: list[Cut] = [(bond,) for bond in self.right.orders] or [()]
        in_ring: list[Cut] = [pair for ring in self.right.rings for pair in combinations(ring, 2)]
        yield single, 0
        yield in_ring, 0
        yield single, 1
        yield in_ring, 1
        yield single, 2
        if self.best > _PLAUSIBLE:
            yield combinations(self.right.orders, 2), 0

    def _try(self, cuts: Iterable[Cut], depth: int) -> None:
        """Free the ends of each cut and the atoms within `depth` bonds; remove all, some or none of its bonds."""
        for cut in cuts:
            free = frozenset(index for bond in cut for index in bond)
            for _ in range(depth):
                free |= {other for index in free for other in self.right.neighbours[index]}
            if not self._explains(free):
                continue
            for number in range(len(cut) + 1):
                for removed in combinations(cut, number):
                    if self._trials >= MAX_TRIALS:
                        return
                    self._trials += 1
                    self._match(removed, free)

    def _explains(self, free: frozenset[int]) -> bool:
        """Whether the free atoms cover every kind that the reactants lack."""
        if len(free) < sum(self._excess.values()):
            return False
        counted = Counter(self.right.kinds[index] for index in free)
        return all(counted[kind] >= n for kind, n in self._excess.items())

    def _match(self, removed: Cut, free: frozenset[int]) -> None:
        """Look for each piece of the product in each reactant, and weigh the ways to put them together."""
        choices = []
        for piece in self.right.pieces(removed):
            places = self._places(piece, free, removed)
            if not places:
                return
            choices.append([dict(zip(piece, place, strict=True)) for place in places])
        for chosen in islice(product(*choices), _COMBINATIONS):
            merged = {index: origin for part in chosen for index, origin in part.items()}
            if len(set(merged.values())) == self.right.size:
                self._add(tuple(merged[index] for index in range(self.right.size)))

    def _places(self, piece: tuple[int, ...], free: frozenset[int], removed: Cut) -> list[tuple[int, ...]]:
        """Where the reactants hold a piece: the reactant atom of each of its atoms."""
        kinds = Counter(self.right.kinds[index] for index in piece if index not in free)
        graph: Mol | None = None
        found: list[tuple[int, ...]] = []
        for atoms, counted, target in self.left.targets:
            if len(atoms) < len(piece) or any(counted[kind] < n for kind, n in kinds.items()):
                continue
            graph = graph or self.right.graph(piece, free, removed)
            matches = target.GetSubstructMatches(graph, uniquify=False, maxMatches=_MATCHES)
            ends = [position for position, index in enumerate(piece) if index in free]
            distinct: dict[tuple[frozenset[int], tuple[int, ...]], tuple[int, ...]] = {}
            for match in matches:
                distinct.setdefault((frozenset(match), tuple(match[end] for end in ends)), match)
            found += [tuple(atoms[index] for index in match) for match in islice(distinct.values(), _PLACES)]
        return found

    def _add(self, origins: Origins) -> None:
        if origins not in self.costs:
            self.costs[origins] = cost(self.left, self.right, origins)
