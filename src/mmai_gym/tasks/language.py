"""What the language tasks share: one molecule of a list, one question that its structure answers.

A model learns to read and to write before it reasons. These tasks ask what any chemist can check by looking: write the
molecule in another view, name its formula, mend a broken text. Their molecules come from the embedded set, and from the
ZINC250k and ChEMBL lists where a mirror or the network has them. Every gold answer is computed, so a label can betray no
test set; the *molecules* still can, and a corpus leaves those of its test sets out by the same rules as everywhere.

A list is split by the letters of its texts alone: bonds, charges, hydrogens and stereo are left out before hashing, so
that the isomers and charge states of one molecule, which a list writes alike, stay on one side, and a quarter of a
million molecules are placed in a second. Each task then draws its own examples from a split by a hash of (task, version,
split, seed, index), so that all tasks together show many more molecules than any one of them.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import SPLITS, DataError, Estimate, Example, Result, Split, item_seed
from mmai_gym.molecules import canonical
from mmai_gym.sources import embedded, kept
from mmai_gym.sources.hashing import hash_fraction
from mmai_gym.sources.molecule_lists import ListedMolecule, chembl, zinc
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.scoring import exact_rate, structure_metrics

_VALID_FROM, _TEST_FROM = 0.9, 0.95
_NOT_LETTERS = re.compile(r"[^A-Za-z]|H")


class Listed(Protocol):
    """A molecule of a list."""

    @property
    def id(self) -> str:
        """The identity of its row."""

    @property
    def smiles(self) -> str:
        """As its source writes it."""


@dataclass(frozen=True, slots=True)
class MoleculeList:
    """Where a language task takes its molecules from.

    Attributes:
        name: in the names of the tasks.
        source: data set of the manifest, or "embedded".
        rows: the molecules of a split whose texts contain a mark ("" for all; the embedded ones have no marks).
        sizes: examples that a task draws from each split. Of a large list far fewer than there are molecules, since not
            every molecule can be asked everything, and which can is found out example by example; a small list is
            searched as a whole.
        small: see `sizes`.
        stereo: whether its texts say it; of a list that does not, only molecules of the embedded set get a configuration.
    """

    name: str
    source: str
    rows: Callable[[Split, str], Sequence[Listed]]
    sizes: Mapping[Split, int]
    small: bool = False
    stereo: bool = True


def list_split(smiles: str) -> Split:
    """The part of a line of a list; see the module."""
    fraction = hash_fraction("letters", 0, _NOT_LETTERS.sub("", smiles).lower())
    return "train" if fraction < _VALID_FROM else "valid" if fraction < _TEST_FROM else "test"


@kept("zinc")
def _zinc(split: Split, mark: str) -> tuple[ListedMolecule, ...]:
    return tuple(row for row in zinc() if mark in row.smiles and list_split(row.smiles) == split)


@kept("chembl-smiles")
def _chembl(split: Split, mark: str) -> tuple[ListedMolecule, ...]:
    return tuple(row for row in chembl() if mark in row.smiles and list_split(row.smiles) == split)


EMBEDDED = MoleculeList(
    "embedded",
    "embedded",
    lambda split, mark: embedded.molecules(split),
    {"train": 1_000, "valid": 150, "test": 200},
    small=True,
)
LISTS = (
    EMBEDDED,
    MoleculeList("zinc", "zinc", _zinc, {"train": 10_000, "valid": 300, "test": 600}),
    MoleculeList("chembl", "chembl-smiles", _chembl, {"train": 5_000, "valid": 200, "test": 300}, stereo=False),
)


class LanguageTask(BaseTask):
    """One molecule in, one answer out; a family says what it asks (`draw`), how, and what is right.

    Args:
        molecules: the list to ask about.

    Attributes:
        prefix, asks_for: first and last part of the name.
        share: of the examples drawn from a large list, below 1 where few of its molecules can be asked about.
        scarce: whether fewer molecules of the small list fit than are wanted.
        mark: what the text of a molecule of a large list must contain to be asked about.
    """

    prefix = "language"
    asks_for: str
    share = 1.0
    scarce = False
    mark = ""
    headline = "accuracy"
    teachers: tuple[str, ...] = ("structure",)

    def __init__(self, molecules: MoleculeList) -> None:
        self.molecules = molecules
        self.name = f"{self.prefix}/{molecules.name}/{self.asks_for}"
        self.sources = (molecules.source,)
        self._found: dict[Split, Sequence[Listed]] = {}

    @abstractmethod
    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        """Inputs (beside `smiles`) and gold of a question about a molecule, which is canonical SMILES.

        None where nothing can be asked about it.
        """

    def fits(self, smiles: str) -> bool:
        """Whether `draw` finds something to ask about a molecule, whatever the random numbers."""
        return True

    def sizes(self) -> dict[str, int]:
        return {split: self._size(split) for split in SPLITS}

    def examples(self, split: Split) -> Sequence[Example]:
        return LazyExamples(self._size(split), functools.partial(self._example, split))

    def _size(self, split: Split) -> int:
        wanted = self.molecules.sizes[split]
        if not self.molecules.small:
            return int(self.share * wanted)
        return len(self._fitting(split)) if self.scarce else wanted

    def _fitting(self, split: Split) -> Sequence[Listed]:
        """Of a small list: as many molecules as are wanted, or as fit."""
        if split not in self._found:
            fitting = (row for row in self._shuffled(split) if self.fits(row.smiles))
            self._found[split] = tuple(itertools.islice(fitting, self.molecules.sizes[split]))
        return self._found[split]

    def _shuffled(self, split: Split, start: int = 0, step: int = 1) -> Iterator[Listed]:
        """Every `step`-th molecule, from the one at `start` on, in the order in which this task draws them."""
        rows = self.molecules.rows(split, self.mark)
        order = _order(item_seed(self.name, self.version, split, 0, 0), len(rows))
        return (rows[place] for place in order[start::step])

    def _candidates(self, split: Split, index: int) -> Iterator[Listed]:
        """The molecules that example `index` may be about, no other example's among them."""
        if self.molecules.small:
            return itertools.islice(self._fitting(split), index, index + 1)
        return self._shuffled(split, index, self._size(split))

    def _example(self, split: Split, index: int) -> Example:
        rng = random.Random(item_seed(self.name, self.version, split, 0, index))
        for row in self._candidates(split, index):
            smiles = canonical(row.smiles)
            if (drawn := self.draw(smiles, split, rng)) is not None:
                return Example(row.id, self.name, split, {"smiles": smiles, **drawn[0]}, drawn[1])
        raise DataError(f"{self.name}: no molecule can be asked about in example {index} of {split}; draw fewer")

    def augment(self, example: Example, seed: int) -> Example:
        """Another question of the same kind about the same molecule."""
        smiles = example.inputs["smiles"]
        drawn = self.draw(smiles, example.split, random.Random(seed))
        if drawn is None:
            return example
        return replace(example, inputs={"smiles": smiles, **drawn[0]}, gold=drawn[1])

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {"accuracy": exact_rate(results)} | structure_metrics(results)


# A task is walked over example by example, and two or three tasks at a time.
@functools.lru_cache(maxsize=4)
def _order(seed: int, count: int) -> npt.NDArray[np.int64]:
    """The order in which a task draws the rows of a list."""
    return np.random.default_rng(seed).permutation(count)
