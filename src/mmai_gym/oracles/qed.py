"""QED (Bickerton et al., Nature Chemistry 2012): RDKit's number to the last digit, in two thirds of its time.

Nearly half of RDKit's time goes into 94 structural alerts and eleven acceptor patterns, of which a molecule has a handful.
Whether it can have one at all is seen from the kinds of its atoms and bonds and the number of its rings: a pattern is
searched only where each of its bonds has a counterpart of fitting kind, and there are rings enough. Patterns, counts and
the formula stay RDKit's own, so nothing here can drift from it; what the screen reads of a pattern is a necessary
condition, and whatever it cannot read it takes for fulfilled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import QED, rdMolDescriptors


def drug_likeness(mol: Chem.Mol) -> float:
    """The quantitative estimate of drug-likeness of a parsed molecule, in [0, 1], with the published mean weights."""
    if mol.GetNumHeavyAtoms() != mol.GetNumAtoms():
        mol = Chem.RemoveHs(mol)  # of a molecule without atoms of hydrogen this is a copy that only costs
    acceptors, alerts = _screen().possible(mol)
    values = QED.QEDproperties(
        MW=rdMolDescriptors._CalcMolWt(mol),
        ALOGP=rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
        HBA=sum(len(mol.GetSubstructMatches(pattern)) for pattern in acceptors),
        HBD=rdMolDescriptors.CalcNumHBD(mol),
        PSA=rdMolDescriptors.CalcTPSA(mol),
        ROTB=rdMolDescriptors.CalcNumRotatableBonds(mol, rdMolDescriptors.NumRotatableBondsOptions.Strict),
        AROM=_aromatic_rings(mol),
        ALERTS=sum(map(mol.HasSubstructMatch, alerts)),
    )
    return QED.qed(mol, qedProperties=values)


def _aromatic_rings(mol: Chem.Mol) -> int:
    """Rings that are left without the aliphatic ones, as QED counts them; not the same as RDKit's aromatic rings."""
    if mol.GetRingInfo().NumRings() == 0:
        return 0
    return len(Chem.GetSSSR(Chem.DeleteSubstructs(mol, QED.AliphaticRings)))


# --------------------------------------------------------------------------------------------------- the screen


class Kind(NamedTuple):
    """What the screen knows of an atom."""

    element: int
    aromatic: bool
    in_ring: bool
    charge: int
    isotope: int


class Link(NamedTuple):
    """What it knows of a bond, and the kinds of its atoms. An atom by itself is a link to itself without a bond type."""

    one: Kind
    bond: Chem.BondType | None
    in_ring: bool
    other: Kind


Fields = tuple[tuple[int, bool, bool, int, int], Chem.BondType | None, bool, tuple[int, bool, bool, int, int]]
"""Those of a Link, as plain tuples."""
Need = Callable[[Link], bool]
"""Something in a pattern that has to have a counterpart in the molecule."""
Patterns = tuple[Chem.Mol, ...]


class _Screen:
    """Knows which of two lists of patterns a molecule may have; the needs of each pattern are bits of a number."""

    def __init__(self, *lists: Iterable[Chem.Mol]) -> None:
        self._needs: list[Need] = []
        self._lists = [[(self._bits(one), _independent_rings(one), one) for one in patterns] for patterns in lists]
        # Few kinds of links and few combinations of them make up most molecules.
        self._met = functools.lru_cache(maxsize=65_536)(self._met_by)
        self._patterns = functools.lru_cache(maxsize=65_536)(self._with_needs)

    def possible(self, mol: Chem.Mol) -> tuple[Patterns, ...]:
        """Of each list the patterns whose every need is met by some link of the molecule."""
        # Plain tuples and numbers: a named tuple per atom would cost as much as half of the searches that it saves.
        numbers: dict[tuple[int, bool, bool, int, int], int] = {}
        kinds = [
            numbers.setdefault(
                (a.GetAtomicNum(), a.GetIsAromatic(), a.IsInRing(), a.GetFormalCharge(), a.GetIsotope()),
                len(numbers),
            )
            for a in map(mol.GetAtomWithIdx, range(mol.GetNumAtoms()))
        ]
        links = {
            (kinds[b.GetBeginAtomIdx()], b.GetBondType(), b.IsInRing(), kinds[b.GetEndAtomIdx()])
            for b in map(mol.GetBondWithIdx, range(mol.GetNumBonds()))
        }
        seen = list(numbers)
        met = 0
        for kind in seen:
            met |= self._met((kind, None, False, kind))
        for one, bond, in_ring, other in links:
            met |= self._met((seen[one], bond, in_ring, seen[other]))
        return self._patterns(met, _independent_rings(mol))

    def _bits(self, pattern: Chem.Mol) -> int:
        """Takes up the needs of a pattern."""
        first = len(self._needs)
        self._needs += _needs(pattern)
        return (1 << len(self._needs)) - (1 << first)

    def _met_by(self, fields: Fields) -> int:
        """The needs that a link meets in either direction."""
        one, bond, in_ring, other = fields
        link = Link(Kind(*one), bond, in_ring, Kind(*other))
        turned = link._replace(one=link.other, other=link.one)
        return sum(1 << i for i, need in enumerate(self._needs) if need(link) or need(turned))

    def _with_needs(self, met: int, rings: int) -> tuple[Patterns, ...]:
        return tuple(
            tuple(pattern for bits, least, pattern in patterns if bits & met == bits and least <= rings)
            for patterns in self._lists
        )


def _independent_rings(graph: Chem.Mol) -> int:
    """Bonds beyond those of a tree; a part of a graph never has more of them than the whole."""
    return graph.GetNumBonds() - graph.GetNumAtoms() + len(Chem.GetMolFrags(graph))


@functools.cache
def _screen() -> _Screen:
    return _Screen(QED.Acceptors, QED.StructuralAlerts)


# --------------------------------------------------------------------------------------------------- reading patterns

Test = Callable[[Kind], bool | None]
"""Whether an atom of a kind fits a query atom; None where the kind does not tell."""


def _in_rings(kind: Kind, count: int) -> bool | None:
    """0 stands for no ring, -1 for any; of a number above 0 a kind knows only whether there can be so many."""
    return kind.in_ring == (count != 0) if count <= 0 or not kind.in_ring else None


_LEAVES: dict[str, Callable[[Kind, int], bool | None]] = {
    "AtomAtomicNum": lambda kind, value: kind.element == value,
    "AtomType": lambda kind, value: (kind.element, kind.aromatic) == (value % 1000, value >= 1000),
    "AtomIsAromatic": lambda kind, value: kind.aromatic == bool(value),
    "AtomIsAliphatic": lambda kind, value: kind.aromatic != bool(value),
    "AtomFormalCharge": lambda kind, value: kind.charge == value,
    "AtomIsotope": lambda kind, value: kind.isotope == value,
    "AtomInRing": lambda kind, value: kind.in_ring == bool(value),
    "AtomInNRings": _in_rings,
}
"""How RDKit describes the leaves of a query atom, and what a kind says about each."""

_BOND_TYPES: dict[str, frozenset[Chem.BondType]] = {
    "SingleOrAromaticBond 1 = val": frozenset({Chem.BondType.SINGLE, Chem.BondType.AROMATIC}),
    "BondOrder 2 = val": frozenset({Chem.BondType.DOUBLE}),
    "BondOrder 3 = val": frozenset({Chem.BondType.TRIPLE}),
}


def _needs(pattern: Chem.Mol) -> list[Need]:
    """One need per bond of a pattern, and one per atom without a bond."""
    pattern = Chem.Mol(pattern)  # rings are looked for in a copy: the patterns belong to RDKit
    Chem.FastFindRings(pattern)
    tests = [_atom_test(atom) for atom in pattern.GetAtoms()]
    alone = [
        _atom_need(test) for atom, test in zip(pattern.GetAtoms(), tests, strict=True) if atom.GetDegree() == 0
    ]
    return alone + [
        _bond_need(tests[b.GetBeginAtomIdx()], b, tests[b.GetEndAtomIdx()]) for b in pattern.GetBonds()
    ]


def _atom_need(test: Test) -> Need:
    return lambda link: link.bond is None and test(link.one) is not False


def _bond_need(one: Test, bond: Chem.Bond, other: Test) -> Need:
    """A bond in a ring of the pattern has to be in a ring of the molecule; a type that cannot be read fits every bond."""
    types = _BOND_TYPES.get(bond.DescribeQuery().strip()) if bond.HasQuery() else None
    in_ring = bond.IsInRing()

    def met(link: Link) -> bool:
        if link.bond is None or (in_ring and not link.in_ring) or (types is not None and link.bond not in types):
            return False
        return one(link.one) is not False and other(link.other) is not False

    return met


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
