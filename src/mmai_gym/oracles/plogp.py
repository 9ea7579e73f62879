"""Penalised logP as the optimization benchmarks use it: lipophilicity less what makes a molecule hard to make.

Crippen logP, minus the SA score, minus the atoms by which the largest cycle exceeds six, each standardised by its mean
and deviation over ZINC250k (Kusner et al. 2017; You et al. 2018; the code of Jin et al. 2019 and of MuMO). "Cycle" is
to be taken by the letter: not the smallest rings of the molecule but a cycle basis of its graph from a spanning tree
(Paton 1969), as networkx up to release 2 gave it. In fused and bridged systems such a basis can hold a cycle around two
rings, and which one depends on the order of the atoms; the order is that of the canonical SMILES here, so that the
value belongs to the molecule, but for rounding, and not to the way in which it was written.
"""

from __future__ import annotations

from rdkit import Chem

from mmai_gym.molecules import shared
from mmai_gym.oracles.crippen import crippen_logp
from mmai_gym.oracles.sa import synthetic_accessibility

DEFINITION = "1"
"""Part of the oracle's version; raised when the definition below changes."""

_LOGP = (2.4570953396190123, 1.434324401111988)
_SA = (3.0525811293166134, 0.8335207024513095)
_EXCESS = (0.0485696876403053, 0.2860212110245455)
_LARGEST_FREE_CYCLE = 6


def penalised_logp(mol: Chem.Mol) -> float:
    """The dimensionless score of a molecule; about 0 on average over ZINC250k, higher is better."""
    excess = max(0, _canonical_cycle(mol) - _LARGEST_FREE_CYCLE)
    return (
        _standard(crippen_logp(mol), _LOGP)
        - _standard(synthetic_accessibility(mol), _SA)
        - _standard(float(excess), _EXCESS)
    )


def _canonical_cycle(mol: Chem.Mol) -> int:
    """The size of the largest cycle by the order of the canonical SMILES, which matters where rings share bonds."""
    rings = mol.GetRingInfo()
    if not any(map(rings.IsRingFused, range(rings.NumRings()))):  # the only basis
        return max(map(len, rings.AtomRings()), default=0)
    return largest_cycle(shared(Chem.MolToSmiles(mol)))


def _standard(value: float, scale: tuple[float, float]) -> float:
    mean, deviation = scale
    return (value - mean) / deviation


def largest_cycle(mol: Chem.Mol) -> int:
    """Atoms in the largest cycle of the basis that starts at the first atom of each part; 0 without a cycle."""
    neighbours: list[list[int]] = [[] for _ in range(mol.GetNumAtoms())]
    for bond in map(mol.GetBondWithIdx, range(mol.GetNumBonds())):
        one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        neighbours[one].append(other)
        neighbours[other].append(one)
    for row in neighbours:
        row.sort()
    largest = 0
    unseen = set(range(len(neighbours)))
    while unseen:
        found, reached = _cycles_from(min(unseen), neighbours)
        largest = max([largest, *found])
        unseen -= reached
    return largest


def _cycles_from(root: int, neighbours: list[list[int]]) -> tuple[list[int], set[int]]:
    """Sizes of the fundamental cycles of one connected part, and its atoms (Paton, Comm. ACM 12, 514, 1969)."""
    sizes: list[int] = []
    parent = {root: root}
    used: dict[int, set[int]] = {root: set()}
    stack = [root]
    while stack:
        atom = stack.pop()
        for other in neighbours[atom]:
            if other not in used:
                parent[other] = atom
                used[other] = {atom}
                stack.append(other)
            elif other not in used[atom]:
                size, step = 2, parent[atom]
                while step not in used[other]:
                    size, step = size + 1, parent[step]
                sizes.append(size + 1)
                used[other].add(atom)
    return sizes, set(parent)
