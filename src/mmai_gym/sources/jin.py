"""The translation benchmarks of Jin et al. (2019): inputs for QED, penalised logP and DRD2, and DRD2 training pairs.

The two logP tasks have the same test inputs, byte for byte; they differ in the similarity they ask for (0.4 and 0.6).
Training pairs exist for DRD2 only; the files for QED and logP are too large for the mirror.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import DataError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept
from mmai_gym.sources.molecule_lists import ListedMolecule, distinct

JinList = Literal["qed-test", "qed-valid", "logp04-test", "logp06-test", "drd2-test", "drd2-valid", "drd2-targets"]


@dataclass(frozen=True, slots=True)
class TranslationPair:
    """A molecule that the DRD2 model scores low, and a similar one that it scores high."""

    id: str
    source: str
    target: str


@kept("jin")
def inputs(name: JinList) -> tuple[ListedMolecule, ...]:
    """The molecules of one list, in the order of the file, all distinct.

    Raises:
        DataError: the file is missing or damaged, or a line is not one SMILES.
    """
    return distinct("jin", dataset("jin").file(name))


@kept("jin")
def drd2_pairs() -> tuple[TranslationPair, ...]:
    """The 34,404 training pairs of DRD2.

    Raises:
        DataError: the file is missing or damaged, or a line is not two SMILES.
    """
    file = dataset("jin").file("drd2-train")
    pairs = []
    for position, line in enumerate(tables.lines(file)):
        parts = line.split(" ")
        if len(parts) != 2 or not all(parts):
            raise DataError(f"{file.path}, line {position + 1}: {line[:80]!r} is not two SMILES")
        pairs.append(TranslationPair(row_id("jin", file.key, position), *parts))
    return tuple(pairs)
