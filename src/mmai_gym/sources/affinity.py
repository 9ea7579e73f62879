"""Affinities of drugs to kinases: Davis (Kd), KIBA (KIBA score) and Metz (Ki), with three ways to split each.

Davis et al. (Nature Biotechnology 29, 1046, 2011) measured a full matrix; where no binding was seen up to 10,000 nM the
matrix has 10,000, so two thirds of its pKd are exactly 5. KIBA scores (Tang et al., J. Chem. Inf. Model. 54, 735, 2014)
join Ki, Kd and IC50 of a pair; the table is the filtered and turned one of He et al. (J. Cheminformatics 9, 24, 2017),
in which more means a stronger binder and every molecule and protein has at least 11 values. Metz et al. (Nature
Chemical Biology 7, 200, 2011) is read from the table of Feng et al. (2018).

`random` of Davis and KIBA is setting 1 of DeepDTA (Ozturk et al., Bioinformatics 34, i821, 2018): its test fold, and of
its five training folds, which take turns as validation part there, the first (index 0) here. It is an easy split: Davis
gives mutants and states of a kinase the wild-type sequence, so that the same question may stand in training and test
with different answers. Metz, which has no split, is divided by a hash of the pair.

`cold-drug` and `cold-target` put all pairs of a drug, or of a protein, on one side, by a hash of the drug's skeleton or of
the amino acid sequence: about 70 % train, 10 % valid, 20 % test. The hash looks at nothing else. So a drug or a
sequence is on the same side in all three data sets, and a model may be trained on the train parts of all three at
once without meeting what another one tests. A sequence that differs in one residue is another sequence.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import SPLITS, DataError, InvalidMolecule, Split, UsageError, row_id
from mmai_gym.molecules import connectivity, fragments, heavy_atoms
from mmai_gym.sources import tables
from mmai_gym.sources.hashing import hash_fraction
from mmai_gym.sources.manifest import Dataset, dataset
from mmai_gym.sources.memory import kept

Rule = Literal["random", "cold-drug", "cold-target"]
RULES: tuple[Rule, ...] = get_args(Rule)

_VALID_FROM, _TEST_FROM = 0.7, 0.8
_VALID_FOLD, _TEST_FOLD = 0, 5

Floats = npt.NDArray[np.float64]

_SIZES: Mapping[str, Mapping[Rule, dict[str, int]]] = {
    "davis": {
        "random": {"train": 20_036, "valid": 5_010, "test": 5_010},
        "cold-drug": {"train": 19_890, "valid": 3_536, "test": 6_630},
        "cold-target": {"train": 20_264, "valid": 2_992, "test": 6_800},
    },
    "kiba": {
        "random": {"train": 78_836, "valid": 19_709, "test": 19_709},
        "cold-drug": {"train": 81_359, "valid": 13_010, "test": 23_885},
        "cold-target": {"train": 80_917, "valid": 15_062, "test": 22_275},
    },
    "metz": {
        "random": {"train": 24_763, "valid": 3_514, "test": 7_030},
        "cold-drug": {"train": 23_864, "valid": 3_949, "test": 7_494},
        "cold-target": {"train": 24_524, "valid": 4_506, "test": 6_277},
    },
}


@dataclass(frozen=True, slots=True)
class Pair:
    """One measured pair of a drug and a protein.

    Attributes:
        id: from data set and position: in the row-major order of the measured cells of a matrix (that of DeepDTA's
            folds), or in the table.
        smiles: as the file has it, with stereo.
        sequence: amino acids, one letter each.
        drug: the skeleton (first block of the InChIKey) of the largest part of the molecule, so that a salt and its
            free base are one drug.
        value: pKd, KIBA score or pKi; higher is a stronger binder.
        fold: 0 to 4 for DeepDTA's training folds, 5 for its test fold; None in Metz.
    """

    id: str
    smiles: str
    sequence: str
    drug: str
    value: float
    fold: int | None = None


def pairs(name: str) -> tuple[Pair, ...]:
    """All pairs of "davis", "kiba" or "metz".

    Raises:
        UsageError: there is no such data set.
        DataError: a file is missing or damaged, or is not what the manifest and its companions say.
    """
    _require_known(name, "random")
    return _READERS[name]()


def part(name: str, rule: Rule, split: Split, seed: int = 0) -> tuple[Pair, ...]:
    """The pairs of one split, in the order of the source.

    Args:
        seed: another division by the same rule. The tasks that one trains on have 0; the others say how much a number
            depends on which drugs were drawn.

    Raises:
        UsageError: there is no such data set or rule, or the split is a published one and has no others.
        DataError: as `pairs`.
    """
    _require_known(name, rule, seed)
    return tuple(pair for pair in pairs(name) if side(pair, rule, seed) == split)


def sizes(name: str, rule: Rule, seed: int = 0) -> dict[str, int]:
    """Pairs per split; with seed 0 without reading the data.

    Raises:
        UsageError: as `part`.
        DataError: as `pairs`, with another seed.
    """
    _require_known(name, rule, seed)
    if seed:
        counts = Counter(side(pair, rule, seed) for pair in pairs(name))
        return {split: counts[split] for split in SPLITS}
    return dict(_SIZES[name][rule])


def _require_known(name: str, rule: Rule, seed: int = 0) -> None:
    if name not in _SIZES:
        raise UsageError(f"unknown affinity data set {name!r}; known: {', '.join(_SIZES)}")
    if rule not in RULES:
        raise UsageError(f"unknown rule {rule!r} to split affinities; known: {', '.join(RULES)}")
    if seed and rule == "random":
        raise UsageError(f"the random split of {name} is fixed; only cold-drug and cold-target can be drawn again")


def side(pair: Pair, rule: Rule, seed: int = 0) -> Split:
    """The split of a pair under a rule."""
    if rule == "cold-drug":
        return _hashed("drug", seed, pair.drug)
    if rule == "cold-target":
        return _hashed("target", seed, pair.sequence)
    if pair.fold is None:
        return _hashed("pair", seed, f"{pair.drug}\x1f{pair.sequence}")
    return "test" if pair.fold == _TEST_FOLD else "valid" if pair.fold == _VALID_FOLD else "train"


def _hashed(unit: str, seed: int, key: str) -> Split:
    fraction = hash_fraction(unit, seed, key)
    return "train" if fraction < _VALID_FROM else "valid" if fraction < _TEST_FROM else "test"


# --------------------------------------------------------------------------------------------------- matrices


@kept("davis")
def _davis() -> tuple[Pair, ...]:
    return _from_matrix("davis", _pkd)


@kept("kiba")
def _kiba() -> tuple[Pair, ...]:
    return _from_matrix("kiba", lambda scores: scores)


def _pkd(kd: Floats) -> Floats:
    """-log10 of a dissociation constant given in nM (and counted in mol/L)."""
    if (kd <= 0.0).any():
        raise DataError(f"a dissociation constant of {kd.min():g} nM has no logarithm")
    return 9.0 - np.log10(kd)


def _from_matrix(name: str, scale: Callable[[Floats], Floats]) -> tuple[Pair, ...]:
    """A matrix of drugs by proteins, beside it both as JSON objects in its order, and the folds over measured cells."""
    source = dataset(name)
    drugs, targets = _texts(source, "drugs"), _texts(source, "targets")
    matrix = _matrix(source, len(drugs), len(targets))
    rows, columns = np.nonzero(~np.isnan(matrix))
    values = scale(matrix[rows, columns])
    smiles, sequences = list(drugs.values()), list(targets.values())
    skeletons = [_skeleton(text, f"{name}, drug {key}") for key, text in drugs.items()]
    for key, sequence in targets.items():
        _require_sequence(sequence, f"{name}, protein {key}")
    return tuple(
        Pair(row_id(name, "affinities", i), smiles[drug], sequences[target], skeletons[drug], value, fold)
        for i, (drug, target, value, fold) in enumerate(
            zip(rows.tolist(), columns.tolist(), values.tolist(), _folds(source, len(values)), strict=True)
        )
    )


def _texts(source: Dataset, key: str) -> dict[str, str]:
    file = source.file(key)
    found = tables.document(file)
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise DataError(f"{file.path} (data set {source.name}) is not a JSON object of names and texts")
    return found


def _matrix(source: Dataset, n_drugs: int, n_targets: int) -> Floats:
    """Shape (n_drugs, n_targets); NaN where nothing was measured."""
    file = source.file("affinities")
    rows: list[Floats] = []
    for number, line in enumerate(tables.lines(file), 1):
        try:
            row = np.array(line.split(), dtype=np.float64)
        except ValueError as error:
            raise DataError(f"{file.path}, line {number}: {error}") from error
        if len(row) != n_targets:
            raise DataError(f"{file.path}, line {number}: {len(row)} values for {n_targets} proteins")
        if np.isinf(row).any():
            raise DataError(f"{file.path}, line {number}: an infinite value")
        rows.append(row)
    if len(rows) != n_drugs:
        raise DataError(f"{file.path} has {len(rows)} lines for {n_drugs} drugs")
    return np.array(rows)


def _folds(source: Dataset, size: int) -> list[int]:
    """The fold of each measured cell; training folds first, the test fold last."""
    train, test = (source.file(key) for key in ("train-folds", "test-fold"))
    lists = [*tables.document(train), tables.document(test)]
    if len(lists) != _TEST_FOLD + 1:
        raise DataError(f"{train.path} has {len(lists) - 1} training folds instead of {_TEST_FOLD}")
    folds = [-1] * size
    for number, positions in enumerate(lists):
        where = test.path if number == _TEST_FOLD else f"{train.path}, fold {number}"
        for position in positions:
            if not isinstance(position, int) or not 0 <= position < size:
                raise DataError(f"{where}: {position!r} is not one of the {size:,} measured cells")
            if folds[position] >= 0:
                raise DataError(f"{where}: the measured cell {position} is in two folds")
            folds[position] = number
    if -1 in folds:
        raise DataError(f"{train.path} and {test.path}: the measured cell {folds.index(-1)} is in no fold")
    return folds


# --------------------------------------------------------------------------------------------------- table


@kept("metz")
def _metz() -> tuple[Pair, ...]:
    source = dataset("metz")
    sequences: dict[str, str] = {}
    for row in tables.table(source.file("targets"), ["name", "sequence"]):
        if row["name"] in sequences:
            raise DataError(f"metz: two sequences for the protein {row['name']}")
        sequences[row["name"]] = _require_sequence(row["sequence"], f"metz, protein {row['name']}")
    return tuple(_metz_pairs(source, sequences))


def _metz_pairs(source: Dataset, sequences: Mapping[str, str]) -> Iterator[Pair]:
    file = source.file("affinities")
    skeletons: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for position, row in enumerate(tables.table(file, ["metz", "smiles", "proteinName"])):
        where = f"{file.path}, row {position}"
        smiles, protein = row["smiles"], row["proteinName"]
        if protein not in sequences:
            raise DataError(f"{where}: no sequence is known for the protein {protein!r}")
        if (smiles, protein) in seen:
            raise DataError(f"{where}: the pair of {smiles} and {protein} stands there twice")
        seen.add((smiles, protein))
        if smiles not in skeletons:
            skeletons[smiles] = _skeleton(smiles, where)
        value = tables.finite(row["metz"], where)
        yield Pair(row_id("metz", "affinities", position), smiles, sequences[protein], skeletons[smiles], value)


# --------------------------------------------------------------------------------------------------- identities


def _skeleton(smiles: str, where: str) -> str:
    try:
        return _parent_skeleton(smiles)
    except InvalidMolecule as error:
        raise DataError(f"{where}: {error}") from error


# The InChIKeys are most of the work of reading a set, and there are 3,650 molecules in the three of them together.
@functools.lru_cache(maxsize=4096)
def _parent_skeleton(smiles: str) -> str:
    """First block of the InChIKey of the largest part of a molecule."""
    return max((heavy_atoms(part), connectivity(part)) for part in fragments(smiles))[1]


def _require_sequence(sequence: str, where: str) -> str:
    if not (sequence.isascii() and sequence.isalpha() and sequence.isupper()):
        raise DataError(f"{where}: {sequence[:20]!r} is not a sequence of amino acids in one-letter code")
    return sequence


_READERS: Mapping[str, Callable[[], tuple[Pair, ...]]] = {"davis": _davis, "kiba": _kiba, "metz": _metz}
