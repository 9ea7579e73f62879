"""Who holds which molecules: every task and molecule list, split by split, as numbers that intersect quickly.

Molecules are compared by connectivity (the first block of the InChIKey of the SMILES as given, no salt removed), which
sees through stereo and spelling but not through tautomers; reactions by the canonical SMILES of their sides without
atom maps. A ledger keeps integers only, so that all data sets fit beside each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmai_gym.audit.content import Content
from mmai_gym.audit.keys import Keys, sides, skeletons
from mmai_gym.contracts import SPLITS

Part = Literal["train", "train+valid", "whole"]
PARTS: dict[Part, tuple[str, ...]] = {
    "train": ("train",),
    "train+valid": ("train", "valid"),
    "whole": SPLITS,
}

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """One split of a set: molecule `ids[i]` stands in row `owners[i]`; `reactions` by row, (product, reactants).

    Attributes:
        unparsable: molecules that have no key and cannot be compared.
    """

    n: int
    ids: Ints
    owners: Ints
    reactions: tuple[tuple[int, frozenset[int]], ...] = ()
    unparsable: int = 0

    def __len__(self) -> int:
        return self.n


@dataclass(frozen=True, slots=True)
class Holding:
    """A task, or a list of molecules, and what each of its splits holds."""

    name: str
    dataset: str
    splits: Mapping[str, Rows]

    @property
    def has_reactions(self) -> bool:
        return any(rows.reactions for rows in self.splits.values())


class Ledger:
    """Holdings by name, over one numbering of skeletons and one of the molecules in reactions."""

    def __init__(self) -> None:
        self.holdings: dict[str, Holding] = {}
        self._skeletons: dict[str, int] = {}
        self._molecules: dict[str, int] = {}
        self._dataset = ""

    def enter(self, name: str, dataset: str, contents: Mapping[str, Sequence[Content]]) -> None:
        """Take down a task's (or a list's) contents per split; those of one data set should follow each other."""
        if dataset != self._dataset:
            self._dataset, self._keys, self._sides = dataset, Keys(dataset, skeletons), Keys(dataset, sides)
        self.holdings[name] = Holding(name, dataset, {split: self._rows(rows) for split, rows in contents.items()})

    def _rows(self, contents: Sequence[Content]) -> Rows:
        owners = [row for row, content in enumerate(contents) for _ in content.molecules]
        keys = self._keys.of([smiles for content in contents for smiles in content.molecules])
        found = [
            (self._skeletons.setdefault(key, len(self._skeletons)), owner)
            for key, owner in zip(keys, owners, strict=True)
            if key is not None
        ]
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        reactions = tuple(self._reactions(contents))
        return Rows(len(contents), pairs[:, 0], pairs[:, 1], reactions, len(keys) - len(found))

    def _reactions(self, contents: Sequence[Content]) -> Iterable[tuple[int, frozenset[int]]]:
        found = [content.reaction for content in contents if content.reaction is not None]
        products = self._sides.of([reaction.product for reaction in found])
        reactants = self._sides.of([reaction.reactants for reaction in found])
        for product, left in zip(products, reactants, strict=True):
            if product is not None and left is not None:
                yield self._number(product), frozenset(map(self._number, left.split(".")))

    def _number(self, molecule: str) -> int:
        return self._molecules.setdefault(molecule, len(self._molecules))

    # ------------------------------------------------------------------------------------------- questions

    def shared(self, test: str, sources: Iterable[str], part: Part = "whole", split: str = "test") -> int:
        """Rows in a split of `test` with a molecule that occurs in some part of any of the sources."""
        rows = self.holdings[test].splits[split]
        return int(np.count_nonzero(self.seen(rows, self.known(sources, part))))

    def known(self, sources: Iterable[str], part: Part) -> npt.NDArray[np.bool_]:
        """For each skeleton of the ledger, whether the sources hold it."""
        known = np.zeros(len(self._skeletons), dtype=np.bool_)
        for source in sources:
            for split in PARTS[part]:
                if split in self.holdings[source].splits:
                    known[self.holdings[source].splits[split].ids] = True
        return known

    @staticmethod
    def seen(rows: Rows, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """For each row, whether one of its molecules is known."""
        return np.bincount(rows.owners[known[rows.ids]], minlength=rows.n) > 0

    def shared_reactions(self, test: str, source: str, part: Part = "whole") -> tuple[int, int]:
        """Test rows whose product is made in the source, and those of them made there from the same reactants.

        A source may list reagents among its reactants, so the second number asks for the test's reactants among them.
        """
        makings = defaultdict(list)
        for split in PARTS[part]:
            for product, reactants in self._of(source, split):
                makings[product].append(reactants)
        same = [
            (reactants, makings[product]) for product, reactants in self._of(test, "test") if product in makings
        ]
        return len(same), sum(any(mine <= theirs for theirs in others) for mine, others in same)

    def _of(self, name: str, split: str) -> tuple[tuple[int, frozenset[int]], ...]:
        splits = self.holdings[name].splits
        return splits[split].reactions if split in splits else ()
