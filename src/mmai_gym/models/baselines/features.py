"""Arrays made from a question's spans: what the learning baselines see.

The eleven quick descriptors leave out logP, TPSA, molecular weight, QED and synthetic accessibility on purpose. Those are
labels of the computed-property tasks, and a baseline that is handed the label measures nothing. The large set of
`maplight_features` holds them all, and is for labels that were measured.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from rdkit.Avalon import pyAvalonTools
from rdkit.Chem import Descriptors, rdFingerprintGenerator, rdMolDescriptors, rdReducedGraphs

from mmai_gym.contracts import InvalidMolecule, Molecule, Progress, Property, Question
from mmai_gym.molecules import Mol, morgan_array, parse
from mmai_gym.sources.computed import Computed

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


# --------------------------------------------------------------------------------------------------- MapLight

_COUNTS = 1024
_MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=_COUNTS)
_AVALON = pyAvalonTools.GetAvalonCountFP
_ERG_LENGTH = 315


def _numbered(family: str, last: int) -> tuple[str, ...]:
    return tuple(f"{family}{number}" for number in range(1, last + 1))


MAPLIGHT_DESCRIPTORS: tuple[str, ...] = (
    *(
        "BalabanJ",
        "BertzCT",
        "Chi0",
        "Chi0n",
        "Chi0v",
        "Chi1",
        "Chi1n",
        "Chi1v",
        "Chi2n",
        "Chi2v",
        "Chi3n",
        "Chi3v",
    ),
    *(
        "Chi4n",
        "Chi4v",
        *_numbered("EState_VSA", 11),
        "ExactMolWt",
        *_numbered("FpDensityMorgan", 3),
        "FractionCSP3",
    ),
    *("HallKierAlpha", "HeavyAtomCount", "HeavyAtomMolWt", "Ipc", *_numbered("Kappa", 3), "LabuteASA"),
    *("MaxAbsEStateIndex", "MaxAbsPartialCharge", "MaxEStateIndex", "MaxPartialCharge", "MinAbsEStateIndex"),
    *(
        "MinAbsPartialCharge",
        "MinEStateIndex",
        "MinPartialCharge",
        "MolLogP",
        "MolMR",
        "MolWt",
        "NHOHCount",
        "NOCount",
    ),
    *("NumAliphaticCarbocycles", "NumAliphaticHeterocycles", "NumAliphaticRings", "NumAromaticCarbocycles"),
    *("NumAromaticHeterocycles", "NumAromaticRings", "NumHAcceptors", "NumHDonors", "NumHeteroatoms"),
    *("NumRadicalElectrons", "NumRotatableBonds", "NumSaturatedCarbocycles", "NumSaturatedHeterocycles"),
    *(
        "NumSaturatedRings",
        "NumValenceElectrons",
        *_numbered("PEOE_VSA", 14),
        "RingCount",
        *_numbered("SMR_VSA", 10),
    ),
    *(*_numbered("SlogP_VSA", 12), "TPSA", *_numbered("VSA_EState", 10)),
    *(name for name, _ in Descriptors.descList if name.startswith("fr_")),
    "qed",
)
"""The 200 descriptors of RDKit that there were in 2022. Those that came later (BCUT2D, SPS, ...) are not among them."""

_FUNCTIONS: dict[str, Callable[[Mol], float]] = dict(Descriptors.descList)
_FLOATS = _ERG_LENGTH + len(MAPLIGHT_DESCRIPTORS)
MAPLIGHT_COLUMNS = 2 * _COUNTS + _FLOATS


def maplight_features(smiles: Sequence[str], progress: Progress | None = None) -> npt.NDArray[np.float32]:
    """Features of MapLight (Notwell and Wood 2023), shape (len(smiles), 2563): Morgan counts of radius 2 and Avalon counts,
    1,024 each, the 315 values of the extended reduced graph (Stiefel et al. 2006), and 200 descriptors.

    They cost about 12 ms a molecule and are kept on disk, in 0.9 kB each. Text that is no molecule has zeros and NaN.

    Raises:
        DataError: the file that keeps them cannot be used.
    """
    stored = MAPLIGHT.of(smiles, progress)
    rows = {text: _unpacked(packed) for text, packed in stored.items()}
    return (
        np.stack([rows[text] for text in smiles]) if len(smiles) else np.empty((0, MAPLIGHT_COLUMNS), np.float32)
    )


def packed_features(smiles: str) -> bytes | None:
    """The features of one molecule, for a worker to compute: counts as bytes, the others as float32."""
    try:
        mol = parse(smiles)
    except InvalidMolecule:
        return None
    counts = np.zeros((2, _COUNTS), dtype=np.uint8)
    counts[0] = np.minimum(_MORGAN.GetCountFingerprintAsNumPy(mol), 255)
    for bit, count in _AVALON(mol, nBits=_COUNTS).GetNonzeroElements().items():
        counts[1, bit] = min(count, 255)
    floats = np.empty(_FLOATS, dtype=np.float32)
    floats[:_ERG_LENGTH] = rdReducedGraphs.GetErGFingerprint(mol)
    with np.errstate(over="ignore"):  # Ipc of a large molecule is beyond float32, and infinite to trees
        floats[_ERG_LENGTH:] = [_described(_FUNCTIONS[name], mol) for name in MAPLIGHT_DESCRIPTORS]
    return zlib.compress(counts.tobytes() + floats.tobytes(), 1)


def _described(function: Callable[[Mol], float], mol: Mol) -> float:
    try:
        return float(function(mol))
    except (ValueError, ZeroDivisionError, OverflowError, RuntimeError):  # not defined for every molecule
        return float("nan")


def _unpacked(packed: bytes | None) -> npt.NDArray[np.float32]:
    row = np.zeros(MAPLIGHT_COLUMNS, dtype=np.float32)
    if packed is None:
        row[2 * _COUNTS :] = np.nan
        return row
    content = zlib.decompress(packed)
    row[: 2 * _COUNTS] = np.frombuffer(content, dtype=np.uint8, count=2 * _COUNTS)
    row[2 * _COUNTS :] = np.frombuffer(content, dtype=np.float32, offset=2 * _COUNTS)
    return row


MAPLIGHT = Computed("maplight-features", "1", packed_features)
