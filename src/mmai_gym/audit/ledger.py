"""Who holds which molecules: every task and molecule list, split by split, as numbers that intersect quickly.

Molecules are compared by connectivity (the first block of the InChIKey of the SMILES as given, no salt removed), which
sees through stereo and spelling but not through tautomers; reactions by the canonical SMILES of their sides without
atom maps, and with other reactions only. A ledger keeps integers and the texts of reactants, so that all data sets fit
beside each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmai_gym.audit.keys import Keys, sides, skeletons, sketches
from mmai_gym.audit.numbering import Numbering
from mmai_gym.audit.reading import Row
from mmai_gym.contracts import SPLITS, Split

Part = Literal["train", "train+valid", "whole"]
PARTS: dict[Part, tuple[Split, ...]] = {
    "train": ("train",),
    "train+valid": ("train", "valid"),
    "whole": SPLITS,
}

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Made = tuple[int, str]
"""A reaction: the number of its product, and its reactants as they are written."""


@dataclass(frozen=True, slots=True)
class Rows:
    """One split of a set: the molecule `ids[i]` stands in row `owners[i]`, ascending.

    Attributes:
        reactions: those whose product can be read, in the order of the rows.
        unparsable: molecules and products that have no key and cannot be compared.
    """

    n: int
    ids: Ints
    owners: Ints
    reactions: tuple[Made, ...] = ()
    unparsable: int = 0

    def __len__(self) -> int:
        return self.n

    def skeletons(self) -> list[tuple[int, ...]]:
        """The molecules of each row."""
        found: list[tuple[int, ...]] = [()] * self.n
        for skeleton, owner in zip(self.ids.tolist(), self.owners.tolist(), strict=True):
            found[owner] += (skeleton,)
        return found

    def holding(self, known: Bools) -> int:
        """How many rows have a molecule that is known; `known` has an entry for every skeleton of the ledger."""
        owners = self.owners[known[self.ids]]
        return int(np.count_nonzero(np.diff(owners, prepend=-1)))


@dataclass(frozen=True, slots=True)
class Holding:
    """A task, or a list of molecules, and what each of its splits holds."""

    name: str
    dataset: str
    splits: Mapping[Split, Rows]

    @property
    def has_reactions(self) -> bool:
        """Whether reactions are among its rows."""
        return any(rows.reactions for rows in self.splits.values())


class Ledger:
    """Holdings by name, over one numbering of skeletons and one of the products of reactions."""

    def __init__(self) -> None:
        self.holdings: dict[str, Holding] = {}
        sketched, self._sides = Keys(sketches, "3"), Keys(sides)
        self._skeletons, self._products = Numbering(sketched, Keys(skeletons)), Numbering(sketched, self._sides)
        self._reactants: dict[str, frozenset[str]] = {}

    def enter(self, name: str, dataset: str, rows: Mapping[Split, Sequence[Row]]) -> Holding:
        """Take down a task's (or a list's) rows by split; those of one data set should follow each other."""
        every = [row for part in rows.values() for row in part]
        numbers = iter(
            self._skeletons.of(dataset, [text for row in every if not row.made for text in row.molecules])
        )
        products = iter(self._products.of(dataset, [row.made[0] for row in every if row.made]))
        self.holdings[name] = Holding(
            name, dataset, {split: _rows(part, numbers, products) for split, part in rows.items()}
        )
        return self.holdings[name]

    # ------------------------------------------------------------------------------------------- questions

    def known(self, sources: Iterable[str], part: Part) -> Bools:
        """For each skeleton of the ledger, whether a part of the sources holds it."""
        known = np.zeros(len(self._skeletons), dtype=np.bool_)
        for source in sources:
            for rows in self._part(source, part):
                known[rows.ids] = True
        return known

    def shared(self, test: str, sources: Iterable[str], part: Part = "whole") -> int:
        """Test rows with a molecule that a part of one of the sources holds."""
        return self.holdings[test].splits["test"].holding(self.known(sources, part))

    def shared_reactions(self, test: str, source: str, part: Part) -> tuple[int, int]:
        """Test rows whose product a part of the source makes, and those of them made there from the same reactants.

        One of the two may list reagents among its reactants, so that it is enough if one side holds all of the other.
        """
        mine = self.holdings[test].splits["test"].reactions
        asked = {product for product, _ in mine}
        makings: dict[int, list[str]] = defaultdict(list)
        for rows in self._part(source, part):
            for product, reactants in rows.reactions:
                if product in asked:
                    makings[product].append(reactants)
        same = [(reactants, makings[product]) for product, reactants in mine if product in makings]
        self._read(text for reactants, others in same for text in (reactants, *others))
        return len(same), sum(any(self._contained(text, other) for other in others) for text, others in same)

    def _read(self, sides: Iterable[str]) -> None:
        new = [text for text in dict.fromkeys(sides) if text not in self._reactants]
        for text, canonical in zip(new, self._sides.of("reactants", new), strict=True):
            self._reactants[text] = frozenset(canonical.split(".") if canonical else ())

    def _contained(self, one: str, other: str) -> bool:
        """Whether one set of reactants holds all of the other; never where one of them cannot be read."""
        mine, theirs = self._reactants[one], self._reactants[other]
        return bool(mine and theirs) and (mine <= theirs or mine >= theirs)

    def _part(self, source: str, part: Part) -> Iterator[Rows]:
        splits = self.holdings[source].splits
        return (splits[split] for split in PARTS[part] if split in splits)


def _rows(rows: Sequence[Row], numbers: Iterator[int | None], products: Iterator[int | None]) -> Rows:
    """One split; the numbers are those of its molecules and of its products, in the order of the rows."""
    owners = [place for place, row in enumerate(rows) if not row.made for _ in row.molecules]
    found = [(number, owner) for owner in owners if (number := next(numbers)) is not None]
    reactions = [row.made[1] for row in rows if row.made]
    made = tuple((product, left) for left in reactions if (product := next(products)) is not None)
    return Rows(
        len(rows),
        np.array([number for number, _ in found], dtype=np.int64),
        np.array([owner for _, owner in found], dtype=np.int64),
        made,
        len(owners) - len(found) + len(reactions) - len(made),
    )
