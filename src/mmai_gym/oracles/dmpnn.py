"""Directed message passing (Yang et al. 2019; the network of chemprop 2), forward only, in numpy.

A message that runs along a bond at step t depends on nothing but the surroundings of the bond's start within t bonds, and
few of these differ. So each step asks which messages are equal, over all molecules of a batch, and multiplies matrices
for one of each. What is equal is told by 64-bit sums of random numbers, one per kind of incoming message, as in Weisfeiler
and Leman's colouring. Several networks of the same shape (an ensemble) share all of that and run side by side.

The features of atoms and bonds are those of chemprop's `MultiHotAtomFeaturizer.v2` and `MultiHotBondFeaturizer`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import HybridizationType

from mmai_gym.molecules import Mol

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

BATCH_ATOMS = 4_000
"""Molecules of about so many atoms are worked on together: of more of them more messages are equal, and they take more
memory (some 30 kB an atom for five networks)."""

_ELEMENTS = (*range(1, 37), 53)
_CHARGES = (-1, -2, 1, 2, 0)
_HYBRIDIZATIONS = tuple(
    getattr(HybridizationType, name) for name in ("S", "SP", "SP2", "SP2D", "SP3", "SP3D", "SP3D2")
)
_BOND_TYPES = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC)

# --------------------------------------------------------------------------------------------------- features


def _one_hot(value: Hashable, choices: Sequence[Hashable]) -> list[float]:
    """One place per choice and a last one for every other value."""
    places = [0.0] * (len(choices) + 1)
    places[choices.index(value) if value in choices else len(choices)] = 1.0
    return places


def _atom_features(kind: tuple[object, ...]) -> list[float]:
    """72 numbers from what `_atom_kind` says of an atom."""
    element, degree, charge, chirality, hydrogens, hybridization, aromatic, mass = kind
    return [
        *_one_hot(element, _ELEMENTS),
        *_one_hot(degree, range(6)),
        *_one_hot(charge, _CHARGES),
        *_one_hot(chirality, range(4)),
        *_one_hot(hydrogens, range(5)),
        *_one_hot(hybridization, _HYBRIDIZATIONS),
        float(bool(aromatic)),
        0.01 * float(mass),  # type: ignore[arg-type]
    ]


def _bond_features(kind: tuple[object, ...]) -> list[float]:
    """14 numbers; a type of bond that is none of the four has no place of its own."""
    bond_type, conjugated, in_ring, stereo = kind
    return [
        0.0,
        *_one_hot(bond_type, _BOND_TYPES)[:-1],
        float(bool(conjugated)),
        float(bool(in_ring)),
        *_one_hot(stereo, range(6)),
    ]


ATOM_FEATURES, BOND_FEATURES = 72, 14


class _Kinds:
    """Numbers the different kinds of atoms or bonds that have been met, and keeps the features of each."""

    def __init__(self, features: Callable[[tuple[object, ...]], list[float]], width: int) -> None:
        self._features = features
        self._numbers: dict[tuple[object, ...], int] = {}
        self._rows: list[list[float]] = []
        self._table = np.empty((0, width), np.float32)

    def number(self, kind: tuple[object, ...]) -> int:
        found = self._numbers.get(kind)
        if found is None:
            found = self._numbers[kind] = len(self._rows)
            self._rows.append(self._features(kind))
        return found

    def table(self) -> Floats:
        """The features of every kind, shape (kinds, features)."""
        if len(self._table) < len(self._rows):
            self._table = np.array(self._rows, np.float32)
        return self._table


_atoms, _bonds = _Kinds(_atom_features, ATOM_FEATURES), _Kinds(_bond_features, BOND_FEATURES)


class Graphs(NamedTuple):
    """A batch of molecules as one graph with an edge in each direction of a bond; edges 2i and 2i + 1 are one bond's.

    Attributes:
        atoms: kind of each atom, shape (atoms,).
        bonds: kind of each edge's bond, shape (edges,).
        source, target: the atoms that each edge leads from and to, shape (edges,).
        starts: the first atom of each molecule and the number of all atoms, shape (molecules + 1,).
    """

    atoms: Indices
    bonds: Indices
    source: Indices
    target: Indices
    starts: Indices


def _batches(mols: Sequence[Mol]) -> Iterator[Sequence[Mol]]:
    """Neighbours that have BATCH_ATOMS atoms together, but at least one molecule."""
    first = atoms = 0
    for place, mol in enumerate(mols):
        if place > first and atoms + mol.GetNumAtoms() > BATCH_ATOMS:
            yield mols[first:place]
            first, atoms = place, 0
        atoms += mol.GetNumAtoms()
    yield mols[first:]


def graphs(mols: Sequence[Mol]) -> Graphs:
    """The molecules as one graph."""
    atoms: list[int] = []
    bonds: list[int] = []
    ends: list[int] = []
    starts = [0]
    for mol in mols:
        first = len(atoms)
        atoms += [
            _atoms.number(
                (
                    atom.GetAtomicNum(),
                    atom.GetTotalDegree(),
                    atom.GetFormalCharge(),
                    atom.GetChiralTag(),
                    atom.GetTotalNumHs(),
                    atom.GetHybridization(),
                    atom.GetIsAromatic(),
                    atom.GetMass(),
                )
            )
            for atom in map(mol.GetAtomWithIdx, range(mol.GetNumAtoms()))
        ]
        for bond in map(mol.GetBondWithIdx, range(mol.GetNumBonds())):
            kind = (bond.GetBondType(), bond.GetIsConjugated(), bond.IsInRing(), bond.GetStereo())
            bonds.append(_bonds.number(kind))
            ends += (first + bond.GetBeginAtomIdx(), first + bond.GetEndAtomIdx())
        starts.append(len(atoms))
    pairs = np.array(ends, np.intp).reshape(-1, 2)
    return Graphs(
        np.array(atoms, np.intp),
        np.repeat(np.array(bonds, np.intp), 2),
        pairs.ravel(),
        pairs[:, ::-1].ravel(),
        np.array(starts, np.intp),
    )


# --------------------------------------------------------------------------------------------------- network


@dataclass(frozen=True)
class Ensemble:
    """Weights of networks of one shape; the first axis counts the networks, matrices are applied from the right.

    Attributes:
        atom_input, bond_input: shape (networks, features, width).
        hidden: shape (networks, width, width).
        atom_output, message_output: shape (networks, features or width, width).
        output_bias: shape (networks, 1, width).
        readout: matrix and bias of each layer after the molecule's vector, shapes (networks, in, out), (networks, 1, out).
        steps: how often messages are passed on.
        norm: what a molecule's summed atom vectors are divided by.
    """

    atom_input: Floats
    bond_input: Floats
    hidden: Floats
    atom_output: Floats
    message_output: Floats
    output_bias: Floats
    readout: tuple[tuple[Floats, Floats], ...]
    steps: int
    norm: float

    def outputs(self, mols: Sequence[Mol]) -> Floats:
        """What the last layer gives for each molecule, shape (networks, len(mols), outputs)."""
        return np.concatenate([self._outputs(graphs(batch)) for batch in _batches(mols)], axis=1)

    def _outputs(self, batch: Graphs) -> Floats:
        kinds, vectors = self._atom_vectors(batch)
        # Atom by atom in single precision, as chemprop adds them: in a chain of 150 equal atoms the rounding goes one way
        # all along, and a sum that lost nothing would give other numbers than those that are to be reproduced.
        found = np.stack(
            [
                vectors[:, kinds[first:after]].sum(axis=1)
                for first, after in zip(batch.starts[:-1], batch.starts[1:], strict=True)
            ],
            axis=1,
        )
        found /= self.norm
        for number, (matrix, bias) in enumerate(self.readout):
            found = (np.maximum(found, 0.0) if number else found) @ matrix + bias
        return found

    def _atom_vectors(self, batch: Graphs) -> tuple[Indices, Floats]:
        """The different vectors of the atoms, shape (networks, vectors, width), and which of them each atom has."""
        inflow = _Inflow(batch)
        kinds, first = _distinct(batch.bonds * len(_atoms.table()) + batch.atoms[batch.source])
        start = (_atoms.table() @ self.atom_input)[:, batch.atoms[batch.source[first]]]
        start += (_bonds.table() @ self.bond_input)[:, batch.bonds[first]]
        numbers, states = kinds, np.maximum(start, 0.0)
        for _ in range(self.steps):
            messages, first = _distinct(inflow.of_edges(numbers))
            update = inflow.sums(states, numbers, batch.source[first], first ^ 1) @ self.hidden
            numbers, first = _distinct(messages * start.shape[1] + kinds)
            states = start[:, kinds[first]]
            states += update[:, messages[first]]
            np.maximum(states, 0.0, out=states)
        messages, first = _distinct(inflow.of_atoms(numbers))
        update = inflow.sums(states, numbers, first, None) @ self.message_output
        numbers, first = _distinct(messages * len(_atoms.table()) + batch.atoms)
        vectors = (_atoms.table() @ self.atom_output)[:, batch.atoms[first]]
        vectors += update[:, messages[first]]
        vectors += self.output_bias
        return numbers, np.maximum(vectors, 0.0, out=vectors)


def _distinct(keys: npt.NDArray[np.generic]) -> tuple[Indices, Indices]:
    """The number of each key among the different ones, and where each of these stands first."""
    _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
    return numbers, first


class _Inflow:
    """What arrives at the atoms of a batch along its edges."""

    def __init__(self, batch: Graphs) -> None:
        self._batch = batch
        self._arriving = np.argsort(batch.target, kind="stable")
        self._count = np.bincount(batch.target, minlength=len(batch.atoms))
        self._begin = np.concatenate([[0], np.cumsum(self._count)])[:-1]

    def of_atoms(self, numbers: Indices) -> npt.NDArray[np.uint64]:
        """A key per atom for the states, by their numbers, that arrive there: equal where these are, and else not."""
        keys = np.zeros(len(self._batch.atoms), np.uint64)
        np.add.at(keys, self._batch.target, _random(numbers))
        return keys

    def of_edges(self, numbers: Indices) -> npt.NDArray[np.uint64]:
        """A key per edge for what arrives at its source, but for the edge that runs back."""
        random = _random(numbers)
        return self.of_atoms(numbers)[self._batch.source] - random.reshape(-1, 2)[:, ::-1].ravel()

    def sums(self, states: Floats, numbers: Indices, atoms: Indices, without: Indices | None) -> Floats:
        """Summed states that arrive at each of some atoms, shape (networks, len(atoms), width).

        Args:
            numbers: which of the states each edge has.
            without: for each of the atoms an edge to it that does not count. It is added and taken away again, for that is
                how chemprop rounds.
        """
        networks, _, width = states.shape
        total = np.zeros((networks, len(atoms), width), states.dtype)
        count = self._count[atoms]
        for place in range(int(count.max(initial=0))):
            rows = np.flatnonzero(count > place)
            total[:, rows] += states[:, numbers[self._arriving[self._begin[atoms[rows]] + place]]]
        if without is not None:
            total -= states[:, numbers[without]]
        return total


def _random(numbers: Indices) -> npt.NDArray[np.uint64]:
    """A fixed random 64-bit number for each number.

    Sums of them tell multisets apart: that those of two of a million different ones agree has a probability of 3e-8. A
    mixing function of the number would not do: for one that shifts and multiplies, that of 2x is often twice that of x.
    """
    return _randoms(int(numbers.max(initial=0)).bit_length())[numbers]


@functools.cache
def _randoms(bits: int) -> npt.NDArray[np.uint64]:
    """The first 2^bits; more of them begin with the same ones."""
    return np.random.default_rng(0).integers(1 << 64, size=1 << bits, dtype=np.uint64)
