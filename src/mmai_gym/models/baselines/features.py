"""Arrays made from a question's spans: what the learning baselines see.

The descriptors leave out logP, TPSA, molecular weight, QED and synthetic accessibility on purpose. Those are
labels of the computed-property tasks, and a baseline that is handed the label measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rdkit.Chem import Descriptors, rdMolDescriptors

from mmai_gym.contracts import InvalidMolecule, Molecule, Property, Question
from mmai_gym.molecules import Mol, morgan_array, parse

Topic = tuple[tuple[str, str | None], ...]
"""The properties a question names, with their goals, and the proteins it shows."""


def _refractivity(mol: Mol) -> float:
    """Molar refractivity (Wildman and Crippen, 1999)."""
    return float(rdMolDescriptors.CalcCrippenDescriptors(mol)[1])


_DESCRIPTORS = (
    rdMolDescriptors.CalcNumHeavyAtoms,
    rdMolDescriptors.CalcNumHeteroatoms,
    rdMolDescriptors.CalcNumHBD,
    rdMolDescriptors.CalcNumHBA,
    rdMolDescriptors.CalcNumRotatableBonds,
    rdMolDescriptors.CalcNumRings,
    rdMolDescriptors.CalcNumAromaticRings,
    rdMolDescriptors.CalcFractionCSP3,
    rdMolDescriptors.CalcLabuteASA,
    _refractivity,
    Descriptors.NumValenceElectrons,
)


def topic(question: Question) -> Topic:
    """What the question asks of its molecules: neighbours count within it, trees see it as a column of its own."""
    named = ((span.name, span.goal) for span in question if isinstance(span, Property))
    proteins = ((span.text, None) for span in question if isinstance(span, Molecule) and span.view == "protein")
    return (*named, *proteins)


def molecules_of(question: Question) -> tuple[str, ...]:
    """The SMILES of the question, in order. Molecules in other views are left out."""
    return tuple(span.text for span in question if isinstance(span, Molecule) and span.view == "smiles")


def molecule_columns(questions: Sequence[Question], width: int) -> list[list[str]]:
    """`width` columns of SMILES, one row per question; '' where a question shows fewer molecules."""
    rows = [molecules_of(question) for question in questions]
    return [[row[i] if i < len(row) else "" for row in rows] for i in range(width)]


def count_fingerprints(smiles: Sequence[str]) -> npt.NDArray[np.int32]:
    """Morgan counts of radius 2, shape (len(smiles), 2048); zeros for text that is no molecule.

    Public data sets hold a few SMILES that RDKit rejects, and their rows are scored all the same.
    """
    distinct, places = np.unique(np.asarray(smiles, dtype=object), return_inverse=True)
    rows = [_count_fingerprint(text) for text in distinct]
    return np.stack(rows)[places]


def _count_fingerprint(smiles: str) -> npt.NDArray[np.int32]:
    try:
        return morgan_array([smiles])[0]
    except InvalidMolecule:
        return np.zeros(morgan_array([]).shape[1], dtype=np.int32)


def descriptors(smiles: Sequence[str]) -> npt.NDArray[np.float32]:
    """Eleven whole-molecule descriptors, shape (len(smiles), 11); NaN for text that is no molecule."""
    distinct, places = np.unique(np.asarray(smiles, dtype=object), return_inverse=True)
    rows = [_describe(text) for text in distinct]
    return np.array(rows, dtype=np.float32)[places]


def _describe(smiles: str) -> list[float]:
    try:
        mol: Mol = parse(smiles)
    except InvalidMolecule:
        return [float("nan")] * len(_DESCRIPTORS)
    return [float(describe(mol)) for describe in _DESCRIPTORS]
