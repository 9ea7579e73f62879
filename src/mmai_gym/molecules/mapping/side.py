"""One side of a reaction as plain numbers, and as graphs whose atoms are matched by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property

from rdkit import Chem

from mmai_gym.molecules.toolkit import Mol

Bond = tuple[int, int]
"""Two atom indices, the smaller first."""
Origins = tuple[int, ...]
"""For each product atom the index of its reactant atom."""

_KIND_BITS = 13


class Side:
    """A set of molecules.

    Attributes:
        size: heavy atoms. orders: bond order (1, 1.5 where aromatic, 2, 3) by bond.
        kinds: one number per atom for element, charge, hydrogens, number of neighbours and aromaticity. An atom that
            takes no part in a reaction has the same kind on both sides.
        parts: atom indices of each molecule.
    """

    def __init__(self, mol: Mol) -> None:
        self.mol = mol
        self.size = mol.GetNumAtoms()
        self.orders: dict[Bond, float] = {}
        self.neighbours: list[list[int]] = [[] for _ in range(self.size)]
        for bond in mol.GetBonds():
            a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            self.orders[bond_between(a, b)] = bond.GetBondTypeAsDouble()
            self.neighbours[a].append(b)
            self.neighbours[b].append(a)
        atoms = list(mol.GetAtoms())
        self.elements = [atom.GetAtomicNum() for atom in atoms]
        self.charges = [atom.GetFormalCharge() for atom in atoms]
        self.hydrogens = [atom.GetTotalNumHs() for atom in atoms]
        self.aromatic = [atom.GetIsAromatic() for atom in atoms]
        self.kinds = [
            element << _KIND_BITS | _surroundings(charge, hydrogens, len(near), aromatic)
            for element, charge, hydrogens, near, aromatic in zip(
                self.elements, self.charges, self.hydrogens, self.neighbours, self.aromatic, strict=True
            )
        ]
        self.parts: tuple[tuple[int, ...], ...] = Chem.GetMolFrags(mol)

    @cached_property
    def rings(self) -> tuple[tuple[Bond, ...], ...]:
        """The bonds of each smallest ring."""
        rings = self.mol.GetRingInfo().AtomRings()
        return tuple(
            tuple(bond_between(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)) for ring in rings
        )

    @cached_property
    def ring_bonds(self) -> frozenset[Bond]:
        """Every bond that is in a ring."""
        return frozenset(bond for ring in self.rings for bond in ring)

    @cached_property
    def ranks(self) -> list[int]:
        """Canonical rank per atom; equivalent atoms share one, map numbers are not looked at."""
        return list(Chem.CanonicalRankAtoms(self.mol, breakTies=False, includeAtomMaps=False))

    @cached_property
    def targets(self) -> list[tuple[tuple[int, ...], Counter[int], Mol]]:
        """Per molecule: its atoms, its kinds counted, its graph."""
        return [(part, Counter(self.kinds[i] for i in part), self.graph(part)) for part in self.parts]

    def graph(
        self, atoms: Sequence[int], free: Collection[int] = frozenset(), without: Collection[Bond] = ()
    ) -> Mol:
        """These atoms and the bonds among them. A free atom matches any of its element, others only their kind.

        All bonds are alike: their orders follow from the kinds, but for the Kekulé form, which must not matter. The
        kind stands as an isotope, which RDKit compares where the pattern has one.
        """
        place = {index: position for position, index in enumerate(atoms)}
        graph = Chem.RWMol()
        for index in atoms:
            atom = Chem.Atom(self.elements[index])
            if index not in free:
                atom.SetIsotope(self.kinds[index] & (1 << _KIND_BITS) - 1)
            graph.AddAtom(atom)
        for index in atoms:
            for other in self.neighbours[index]:
                if index < other and other in place and (index, other) not in without:
                    graph.AddBond(place[index], place[other], Chem.BondType.SINGLE)
        return graph

    def pieces(self, without: Collection[Bond]) -> list[tuple[int, ...]]:
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
                    if other not in seen and bond_between(index, other) not in without:
                        seen.add(other)
                        stack.append(other)
            found.append(tuple(sorted(piece)))
        return sorted(found, key=len, reverse=True)


def bond_between(a: int, b: int) -> Bond:
    """The key of a bond between two atoms."""
    return (a, b) if a < b else (b, a)


def _surroundings(charge: int, hydrogens: int, degree: int, aromatic: bool) -> int:
    """1 to 8,192: what makes a kind of an atom beside its element (RDKit keeps isotopes in 16 bits)."""
    charge, hydrogens, degree = max(-8, min(charge, 7)), min(hydrogens, 15), min(degree, 15)
    return (((charge + 8) * 16 + hydrogens) * 16 + degree) * 2 + aromatic
