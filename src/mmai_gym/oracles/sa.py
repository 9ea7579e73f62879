"""Synthetic accessibility (Ertl & Schuffenhauer, J. Cheminform. 2009), 1 (easy) to 10 (hard).

The fragment contributions come from the RDKit wheel, where they are a pickle. It is read by an unpickler that can
build nothing but lists and numbers, after its sha256 has been checked, and is turned into two arrays at once.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import math
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from rdkit import Chem, RDConfig, rdBase
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from mmai_gym.contracts import DataError
from mmai_gym.oracles.environments import Environment, bond, kind, surroundings

_SHA256 = "10dcef9340c873e7b987924461b0af5365eb8dd96be607203debe8ddf80c1e73"
CHECKSUM = _SHA256[:12]
_UNSEEN_FRAGMENT = -4.0
_generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)


class _NumbersOnly(pickle.Unpickler):
    """Refuses every class and function, so that a pickle can yield plain containers and numbers only."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise DataError(f"the SA fragment table asks for {module}.{name}; it should hold numbers only")


@functools.cache
def _fragments() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64]]:
    """Sorted Morgan environment ids, shape (n,), and the contribution of each, shape (n,)."""
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "fpscores.pkl.gz"
    if not path.is_file():
        raise DataError(f"{path} is missing; reinstall RDKit from its wheel (found version {rdBase.rdkitVersion})")
    raw = path.read_bytes()
    if hashlib.sha256(raw).hexdigest() != _SHA256:
        raise DataError(
            f"{path} is not the fragment table this gym was checked with; install rdkit 2026.9.1 "
            f"(found version {rdBase.rdkitVersion})"
        )
    with gzip.open(path) as file:
        groups: list[list[Any]] = _NumbersOnly(file).load()
    ids = np.concatenate([np.asarray(group[1:], dtype=np.uint32) for group in groups])
    scores = np.repeat([float(group[0]) for group in groups], [len(group) - 1 for group in groups])
    # A later group overrides an earlier one for a repeated id, as a dictionary filled in this order would.
    ids, last = np.unique(ids[::-1], return_index=True)
    return ids, scores[::-1][last]


# Most environments are met again and again: remembered, they need no search in a table of hundreds of thousands.
@functools.lru_cache(maxsize=65_536)
def _contribution(environment: int) -> float:
    """The score of a fragment."""
    ids, scores = _fragments()
    # Of the table's own type: else numpy would convert the whole table.
    slot = min(int(np.searchsorted(ids, np.uint32(environment))), len(ids) - 1)
    return float(scores[slot]) if ids[slot] == environment else _UNSEEN_FRAGMENT


def synthetic_accessibility(mol: Chem.Mol) -> float:
    """The SA score of a molecule with at least one atom; agrees with RDKit's contributed script to rounding.

    Raises:
        DataError: RDKit's fragment table is missing or is another one.
    """
    environments = _generator.GetSparseCountFingerprint(mol).GetNonzeroElements()
    counts = np.array(list(environments.values()), dtype=np.float64)
    contributions = np.array(list(map(_contribution, environments)))
    fragment_score = float(contributions @ counts / counts.sum())

    n_atoms = mol.GetNumAtoms()
    macrocycle = any(len(ring) > 8 for ring in mol.GetRingInfo().AtomRings())
    complexity = (
        n_atoms**1.005
        - n_atoms
        + math.log10(_stereocentres(mol) + 1)
        + math.log10(rdMolDescriptors.CalcNumSpiroAtoms(mol) + 1)
        + math.log10(rdMolDescriptors.CalcNumBridgeheadAtoms(mol) + 1)
        + (math.log10(2) if macrocycle else 0.0)
    )
    # Few distinct environments for many atoms means a symmetric molecule, which is easier to make.
    symmetry = 0.5 * math.log(n_atoms / len(environments)) if n_atoms > len(environments) else 0.0

    lowest, highest = -4.0, 2.5
    score = 11.0 - (fragment_score - complexity + symmetry - lowest + 1.0) / (highest - lowest) * 9.0
    if score > 8.0:
        score = 8.0 + math.log(score - 8.0)
    return min(max(score, 1.0), 10.0)


def _stereocentres(mol: Chem.Mol) -> int:
    """What Chem.FindMolChiralCenters counts, in a third of its time, most of which goes into lists of atoms."""
    seen = surroundings(mol)
    if seen is not None and not any(map(_may_be_stereocentre, set(seen.environments))):
        return 0
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True, flagPossibleStereoCenters=True)
    return rdMolDescriptors.CalcNumAtomStereoCenters(mol)


@functools.lru_cache(maxsize=65_536)
def _may_be_stereocentre(own: Environment) -> bool:
    """Whether an atom has three neighbours or more, no two of which are ends of chains, and alike."""
    number, *codes = own
    atom = kind(number)
    if atom.neighbours < 3 or atom.hydrogens > 1 or (atom.element == 6 and atom.neighbours + atom.hydrogens != 4):
        return False
    ends = [code for code in codes if bond(code).other.neighbours == 1]
    return len(set(ends)) == len(ends)
