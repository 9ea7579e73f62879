"""Internal coordinates: a geometry as bond lengths, angles and torsions, free of the frame it lies in.

Each atom is placed by up to three earlier ones: a length to the first, an angle over the second, a torsion about the
third (a Z-matrix). The first is an atom it is bonded to, where there is one; the others are those nearest along the
bonds, passed over where three atoms stand in a line, because a torsion about a line means nothing. Separate parts of a
salt are placed by atoms of the part before. The way back is that of Parsons et al. (2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.conformer import Conformer, to_mol
from mmai_gym.molecules.toolkit import shown

NO_ATOM = -1
"""In `references`: nothing to refer to, and the coordinate beside it is 0."""

_STRAIGHT = np.sin(np.radians(5.0))
"""A torsion about three atoms within 5° of a line is ill-conditioned: others are looked for."""

_COLLINEAR = 1e-5
"""Below this sine there is no plane at all."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class InternalCoordinates:
    """A geometry of n atoms up to rigid motion.

    smiles, symbols: as in `Conformer`, same order. references: (n, 3) int64, the atoms that the length, the angle and
    the torsion of each atom refer to, all placed before it, or NO_ATOM. lengths: (n,) float64 in Å. angles, torsions:
    (n,) float64 in degrees, torsions in (-180, 180]. order: (n,) int64, the atoms as they are placed.
    """

    smiles: str
    symbols: tuple[str, ...]
    order: npt.NDArray[np.int64]
    references: npt.NDArray[np.int64]
    lengths: Vector
    angles: Vector
    torsions: Vector


def to_internal(conformer: Conformer) -> InternalCoordinates:
    """The internal coordinates of a conformer, atoms placed along the bonds from atom 0.

    Raises:
        InvalidMolecule: the atoms do not fit the SMILES, or two atoms lie on one point.
    """
    mol = to_mol(conformer)
    points = conformer.coordinates
    steps = Chem.GetDistanceMatrix(mol)
    order, parents = _walk(mol)
    count = len(order)
    references = np.full((count, 3), NO_ATOM, dtype=np.int64)
    values = np.zeros((count, 3))
    for place, atom in enumerate(order):
        references[atom] = _references(atom, parents[atom], order[:place], steps, points)
        values[atom] = _measure(points, atom, references[atom])
    if not np.isfinite(values).all() or (values[order[1:], 0] < 1e-6).any():
        raise InvalidMolecule(f"two atoms of {shown(conformer.smiles)} lie on one point")
    return InternalCoordinates(
        conformer.smiles, conformer.symbols, np.array(order, dtype=np.int64), references, *values.T.copy()
    )


def from_internal(internal: InternalCoordinates) -> Conformer:
    """The conformer again: the first atom at the origin, the second on the x axis, the third in the xy plane.

    Raises:
        InvalidMolecule: arrays that do not fit each other, an atom placed by one that comes later, or a value that is
            not a number.
    """
    _check(internal)
    points = np.zeros((len(internal.symbols), 3))
    lengths = internal.lengths
    angles, torsions = np.radians(internal.angles), np.radians(internal.torsions)
    for place, atom in enumerate(internal.order.tolist()):
        if place:
            references = internal.references[atom].tolist()
            points[atom] = _placed(points, references, lengths[atom], angles[atom], torsions[atom])
    return Conformer(internal.symbols, points, internal.smiles)


def _walk(mol: Chem.Mol) -> tuple[list[int], list[int]]:
    """Atoms in the order of placing, breadth first from the lowest of each part; the bonded atom each comes from."""
    order: list[int] = []
    parents = [NO_ATOM] * mol.GetNumAtoms()
    for part in Chem.GetMolFrags(mol):
        queue = [min(part)]
        seen = set(queue)
        for atom in queue:
            order.append(atom)
            for other in sorted(near.GetIdx() for near in mol.GetAtomWithIdx(atom).GetNeighbors()):
                if other not in seen:
                    seen.add(other)
                    parents[other] = atom
                    queue.append(other)
    return order, parents


def _references(atom: int, parent: int, placed: Sequence[int], steps: Vector, points: Vector) -> list[int]:
    """The atoms that place this one: its parent, then the nearest along the bonds that fix a plane."""
    if not placed:
        return [NO_ATOM] * 3
    first = parent if parent != NO_ATOM else placed[0]
    others = sorted((other for other in placed if other != first), key=lambda other: (steps[first, other], other))
    if not others:
        return [first, NO_ATOM, NO_ATOM]
    # The first pair that clearly spans a plane; in a straight molecule the one that does so best.
    best, most_bent = [first, others[0], NO_ATOM], _COLLINEAR
    for second, third in permutations(others, 2):
        bend = _bend(points[first], points[second], points[third])
        if bend > most_bent:
            best, most_bent = [first, second, third], bend
        if bend > _STRAIGHT:
            break
    return best


def _bend(a: Vector, b: Vector, c: Vector) -> float:
    """Sine of the angle at b."""
    u, v = b - a, c - b
    lengths = float(np.linalg.norm(u) * np.linalg.norm(v))
    return float(np.linalg.norm(np.cross(u, v))) / lengths if lengths else 0.0


def _measure(points: Vector, atom: int, references: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    first, second, third = references.tolist()
    length = angle = torsion = 0.0
    if first != NO_ATOM:
        length = float(np.linalg.norm(points[atom] - points[first]))
    if second != NO_ATOM:
        angle = _angle(points[atom] - points[first], points[second] - points[first])
    if third != NO_ATOM:
        torsion = _torsion(points[atom], points[first], points[second], points[third])
    return length, angle, torsion


def _angle(u: Vector, v: Vector) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))


def _torsion(a: Vector, b: Vector, c: Vector, d: Vector) -> float:
    """Of a-b-c-d in degrees, positive where d is turned clockwise as seen along b-c (IUPAC)."""
    u, v, w = b - a, c - b, d - c
    normal = np.cross(v, w)
    return float(np.degrees(np.arctan2(np.linalg.norm(v) * (u @ normal), np.cross(u, v) @ normal)))


def _placed(points: Vector, references: list[int], length: float, angle: float, torsion: float) -> Vector:
    first, second, third = references
    if second == NO_ATOM:
        return points[first] + np.array([length, 0.0, 0.0])
    axis = _unit(points[first] - points[second])
    if third == NO_ATOM:
        # All so far stand in a line, so that any plane is as good: the one with the y axis.
        normal, torsion = np.array([0.0, 0.0, 1.0]), 0.0
    else:
        normal = _unit(np.cross(points[second] - points[third], axis))
    in_plane = np.cross(normal, axis)
    return points[first] + length * (
        -np.cos(angle) * axis
        + np.sin(angle) * np.cos(torsion) * in_plane
        + np.sin(angle) * np.sin(torsion) * normal
    )


def _unit(vector: Vector) -> Vector:
    return vector / np.linalg.norm(vector)


def _check(internal: InternalCoordinates) -> None:
    count = len(internal.symbols)
    values = internal.lengths, internal.angles, internal.torsions
    if any(array.shape != (count,) for array in (internal.order, *values)) or internal.references.shape != (
        count,
        3,
    ):
        raise InvalidMolecule(f"the arrays of {count} atoms must have {count} rows each, references three columns")
    if not all(np.isfinite(array).all() for array in values):
        raise InvalidMolecule("a length, angle or torsion is not a number")
    if sorted(internal.order.tolist()) != list(range(count)):
        raise InvalidMolecule("the order does not name each atom once")
    place = {atom: number for number, atom in enumerate(internal.order.tolist())} | {NO_ATOM: NO_ATOM}
    for atom, references in enumerate(internal.references.tolist()):
        if any(place.get(other, count) >= place[atom] for other in references):
            raise InvalidMolecule(f"atom {atom} is placed by {references}, which are not all placed before it")
        if place[atom] and references[0] == NO_ATOM:
            raise InvalidMolecule(f"atom {atom} has no atom that it is placed by")
