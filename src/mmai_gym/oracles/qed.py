"""QED (Bickerton et al., Nature Chemistry 2012): RDKit's number to the last digit, in less than two thirds of its time.

Nearly half of RDKit's time goes into 94 structural alerts and eleven acceptor patterns, of which a molecule has a handful.
Whether it can have one at all is seen from the environments of its atoms and the number of its rings: a pattern is
searched only where each of its atoms finds one that fits with all of its bonds, and there are rings enough. Patterns,
counts and the formula stay RDKit's own, so nothing here can drift from it; what the screen reads of a pattern is a necessary
condition, and whatever it cannot read it takes for fulfilled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import QED, rdMolDescriptors

from mmai_gym.oracles.crippen import crippen_logp
from mmai_gym.oracles.environments import (
    AROMATIC,
    DOUBLE,
    ORDERS,
    SINGLE,
    TRIPLE,
    Environment,
    Kind,
    Surroundings,
    bond,
    kind,
    surroundings,
)
from mmai_gym.oracles.rotors import rotatable_bonds


def drug_likeness(mol: Chem.Mol) -> float:
    """The quantitative estimate of drug-likeness of a parsed molecule, in [0, 1], with the published mean weights."""
    if mol.GetNumHeavyAtoms() != mol.GetNumAtoms():
        mol = Chem.RemoveHs(mol)  # of a molecule without atoms of hydrogen this is a copy that only costs
    seen = surroundings(mol)
    acceptors, alerts = _screen().possible(mol, seen)
    values = QED.QEDproperties(
        MW=rdMolDescriptors._CalcMolWt(mol),
        ALOGP=crippen_logp(mol),
        HBA=sum(len(mol.GetSubstructMatches(pattern)) for pattern in acceptors),
        HBD=rdMolDescriptors.CalcNumHBD(mol),
        PSA=rdMolDescriptors.CalcTPSA(mol),
        ROTB=rotatable_bonds(mol, seen),
        AROM=_aromatic_rings(mol, seen),
        ALERTS=sum(map(mol.HasSubstructMatch, alerts)),
    )
    return QED.qed(mol, qedProperties=values)


def _aromatic_rings(mol: Chem.Mol, seen: Surroundings | None) -> int:
    """Rings that are left without the aliphatic ones, as QED counts them; not the same as RDKit's aromatic rings."""
    if mol.GetRingInfo().NumRings() == 0:
        return 0
    if seen is None:
        return len(Chem.GetSSSR(Chem.DeleteSubstructs(mol, QED.AliphaticRings)))
    kept = [kind(own[0]).in_ring and not _aliphatic_ring(own) for own in seen.environments]
    return _cycles(
        (one, other)
        for one, others in enumerate(seen.neighbours)
        if kept[one]
        for other in others
        if one < other and kept[other]
    )


@functools.lru_cache(maxsize=65_536)
def _aliphatic_ring(own: Environment) -> bool:
    """Whether an atom of a ring is deleted with the aliphatic rings: one that is bound to another that is not aromatic."""
    number, *codes = own
    return not kind(number).aromatic and any(
        one.order <= AROMATIC and not one.other.aromatic for one in map(bond, codes)
    )


def _cycles(bonds: Iterable[tuple[int, int]]) -> int:
    """Bonds beyond those of a forest: as many as there are smallest rings."""
    above: dict[int, int] = {}

    def root(atom: int) -> int:
        while (parent := above.get(atom, atom)) != atom:
            atom = parent
        return atom

    closing = 0
    for one, other in bonds:
        first, second = root(one), root(other)
        closing += first == second
        above[first] = second
    return closing


# --------------------------------------------------------------------------------------------------- the screen

Test = Callable[[Kind], bool | None]
"""Whether an atom of a kind fits a query atom; None where the kind does not tell."""


class Need(NamedTuple):
    """A bond of a pattern, seen from one of its atoms; a bond type that cannot be read fits every bond.

    Attributes:
        one, other: places of the tests of its atoms.
    """

    one: int
    orders: frozenset[int] | None
    in_ring: bool
    other: int


Patterns = tuple[Chem.Mol, ...]


class _Screen:
    """Knows which of two lists of patterns a molecule may have.

    An atom of a pattern wants an atom that passes its test and has each bond that it needs, of which the environment of an
    atom tells. Tests, needs and wants, many of which patterns have in common, are bits of numbers.
    """

    def __init__(self, *lists: Iterable[Chem.Mol]) -> None:
        self._tests: list[Test] = []
        self._test_places: dict[tuple[str, str], int] = {}
        self._needs: dict[Need, int] = {}
        self._wants: dict[tuple[int, int], int] = {}
        self._lists = [
            (tuple(patterns), [(self._bits(one), _independent_rings(one), one) for one in patterns])
            for patterns in lists
        ]
        # Few kinds of atoms and bonds, and few combinations of them, make up most molecules.
        self._passed = functools.lru_cache(maxsize=65_536)(self._passed_by)
        self._met = functools.lru_cache(maxsize=65_536)(self._met_by)
        self._satisfied = functools.lru_cache(maxsize=65_536)(self._satisfied_by)

    def possible(self, mol: Chem.Mol, seen: Surroundings | None) -> tuple[Patterns, ...]:
        """Of each list the patterns each of whose atoms finds what it wants, and for which the molecule has rings enough."""
        if seen is None:
            return tuple(patterns for patterns, _ in self._lists)
        there = 0
        for own in set(seen.environments):
            there |= self._satisfied(own)
        rings = _independent_rings(mol)
        return tuple(
            tuple([one for wants, least, one in screened if wants & there == wants and least <= rings])
            for _, screened in self._lists
        )

    def _bits(self, pattern: Chem.Mol) -> int:
        """The wants of a pattern."""
        pattern = Chem.Mol(pattern)  # rings are looked for in a copy: the patterns belong to RDKit
        Chem.FastFindRings(pattern)
        places = list(map(self._test_place, pattern.GetAtoms()))
        wants = 0
        for atom, test in zip(pattern.GetAtoms(), places, strict=True):
            needs = 0
            for line in atom.GetBonds():
                orders = _BOND_ORDERS.get(line.DescribeQuery().strip()) if line.HasQuery() else None
                need = Need(test, orders, line.IsInRing(), places[line.GetOtherAtomIdx(atom.GetIdx())])
                needs |= 1 << self._needs.setdefault(need, len(self._needs))
            wants |= 1 << self._wants.setdefault((1 << test, needs), len(self._wants))
        return wants

    def _test_place(self, atom: Chem.Atom) -> int:
        asked = atom.DescribeQuery(), atom.GetSmarts()
        if asked not in self._test_places:
            self._test_places[asked] = len(self._tests)
            self._tests.append(_atom_test(atom))
        return self._test_places[asked]

    def _passed_by(self, number: int) -> int:
        """The tests that a kind of atom passes, or may pass for all that it tells."""
        return sum(1 << i for i, test in enumerate(self._tests) if test(kind(number)) is not False)

    def _met_by(self, center: int, code: int) -> int:
        """The needs that a bond of an atom may meet."""
        order, in_ring, _ = bond(code)
        one, other = self._passed(center), self._passed(code // ORDERS)
        return sum(
            1 << i
            for i, need in enumerate(self._needs)
            if (need.orders is None or order in need.orders)
            and (in_ring or not need.in_ring)
            and one >> need.one & other >> need.other & 1
        )

    def _satisfied_by(self, own: Environment) -> int:
        """The wants that an environment may satisfy."""
        center, *codes = own
        passed, met = self._passed(center), 0
        for code in set(codes):
            met |= self._met(center, code)
        return sum(1 << i for i, (test, needs) in enumerate(self._wants) if test & passed and needs & met == needs)


def _independent_rings(graph: Chem.Mol) -> int:
    """Bonds beyond those of a tree; a part of a graph never has more of them than the whole."""
    return graph.GetNumBonds() - graph.GetNumAtoms() + len(Chem.GetMolFrags(graph))


@functools.cache
def _screen() -> _Screen:
    return _Screen(QED.Acceptors, QED.StructuralAlerts)


# --------------------------------------------------------------------------------------------------- reading patterns


def _in_rings(kind: Kind, count: int) -> bool | None:
    """0 stands for no ring, -1 for any; of a number above 0 a kind knows only whether there can be so many."""
    return kind.in_ring == (count != 0) if count <= 0 or not kind.in_ring else None


_LEAVES: dict[str, Callable[[Kind, int], bool | None]] = {
    "AtomAtomicNum": lambda kind, value: kind.element == value,
    "AtomType": lambda kind, value: (kind.element, kind.aromatic) == (value % 1000, value >= 1000),
    "AtomIsAromatic": lambda kind, value: kind.aromatic == bool(value),
    "AtomIsAliphatic": lambda kind, value: kind.aromatic != bool(value),
    "AtomFormalCharge": lambda kind, value: kind.charge == value,
    "AtomInRing": lambda kind, value: kind.in_ring == bool(value),
    "AtomHCount": lambda kind, value: kind.hydrogens == value,
    "AtomExplicitDegree": lambda kind, value: kind.neighbours == value,
    "AtomTotalDegree": lambda kind, value: kind.neighbours + kind.hydrogens == value,
    "AtomInNRings": _in_rings,
}
"""How RDKit describes the leaves of a query atom, and what a kind says about each."""

_BOND_ORDERS: dict[str, frozenset[int]] = {
    "SingleOrAromaticBond 1 = val": frozenset({SINGLE, AROMATIC}),
    "BondOrder 2 = val": frozenset({DOUBLE}),
    "BondOrder 3 = val": frozenset({TRIPLE}),
}


def _atom_test(atom: Chem.Atom) -> Test:
    """Reads RDKit's description of a query atom: one node a line, below its parent and indented further."""
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in atom.DescribeQuery().splitlines()]
    return _node(lines, _environments(atom.GetSmarts()))[0]


def _node(lines: list[tuple[int, str]], environments: Iterator[str]) -> tuple[Test, list[tuple[int, str]]]:
    """The test of the first node, and the lines that are not below it."""
    (depth, text), rest = lines[0], lines[1:]
    parts: list[Test] = []
    while rest and rest[0][0] > depth:
        part, rest = _node(rest, environments)
        parts.append(part)
    if text == "AtomAnd":
        return (lambda kind: _all([part(kind) for part in parts])), rest
    if text == "AtomOr":
        return (lambda kind: _any([part(kind) for part in parts])), rest
    if text == "RecursiveStructure val in ()":
        first = _atom_test(Chem.MolFromSmarts(next(environments)).GetAtomWithIdx(0))
        return (lambda kind: None if first(kind) else first(kind)), rest
    return _leaf(text), rest


def _environments(smarts: str) -> Iterator[str]:
    """The environments `$(...)` of a query atom, outermost ones, in the order written; the description leaves them out."""
    depth = start = 0
    for place, letter in enumerate(smarts):
        if letter == "(":
            depth += 1
            start = place + 1 if depth == 1 else start
        elif letter == ")":
            depth -= 1
            if depth == 0:
                yield smarts[start:place]


def _leaf(text: str) -> Test:
    """The test of, say, `AtomFormalCharge -1 = val`."""
    name, *words = text.split()
    if name not in _LEAVES:
        return lambda kind: None
    value, negated, says = int(words[0]), words[1] == "!=", _LEAVES[name]

    def test(kind: Kind) -> bool | None:
        found = says(kind, value)
        return None if found is None else found != negated

    return test


def _all(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def _any(found: list[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False
