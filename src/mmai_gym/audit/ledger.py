"""Who holds which molecules: every task and molecule list, split by split, as numbers that intersect quickly.

Molecules are compared by connectivity (the first block of the InChIKey of the SMILES as given, no salt removed), which
sees through stereo and spelling but not through tautomers; reactions by the canonical SMILES of their sides without
atom maps, and with other reactions only. A ledger keeps integers only, so that all data sets fit beside each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmai_gym.audit.reading import Row
from mmai_gym.audit.skeletons import Skeletons
from mmai_gym.contracts import SPLITS, Split

Part = Literal["train", "train+valid", "whole"]
PARTS: dict[Part, tuple[Split, ...]] = {
    "train": ("train",),
    "train+valid": ("train", "valid"),
    "whole": SPLITS,
}

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Made = tuple[int, tuple[int, ...]]
"""A reaction: the number of its product, and those of its reactants."""


@dataclass(frozen=True, slots=True)
class Rows:
    """One split of a set: the molecule `ids[i]` stands in row `owners[i]`, ascending.

    Attributes:
        reactions: those whose both sides can be read, in the order of the rows.
        unparsable: molecules and reactions that have no key and cannot be compared.
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
    """Holdings by name, over one numbering of skeletons and one of the molecules in reactions."""

    def __init__(self) -> None:
        self.holdings: dict[str, Holding] = {}
        self._skeletons = Skeletons()
        self._molecules: dict[str, int] = {}

    def enter(self, name: str, dataset: str, rows: Mapping[Split, Sequence[Row]]) -> Holding:
        """Take down a task's (or a list's) rows by split; those of one data set should follow each other."""
        labelled = [row for part in rows.values() for row in part if not row.made]
        numbers = iter(self._skeletons.of(dataset, [text for row in labelled for text in row.molecules]))
        self.holdings[name] = Holding(
            name, dataset, {split: self._rows(part, numbers) for split, part in rows.items()}
        )
        return self.holdings[name]

    def _rows(self, rows: Sequence[Row], numbers: Iterator[int | None]) -> Rows:
        owners = [place for place, row in enumerate(rows) if not row.made for _ in row.molecules]
        found = [(number, owner) for owner in owners if (number := next(numbers)) is not None]
        reactions = [row.made for row in rows if row.made]
        made = tuple(self._made(*sides) for sides in reactions if None not in sides)
        return Rows(
            len(rows),
            np.array([number for number, _ in found], dtype=np.int64),
            np.array([owner for _, owner in found], dtype=np.int64),
            made,
            len(owners) - len(found) + len(reactions) - len(made),
        )

    def _made(self, product: str | None, reactants: str | None) -> Made:
        return self._number(product or ""), tuple(map(self._number, (reactants or "").split(".")))

    def _number(self, molecule: str) -> int:
        return self._molecules.setdefault(molecule, len(self._molecules))

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

    def makings(self, source: str, part: Part) -> dict[int, list[frozenset[int]]]:
        """By product, the sets of reactants from which a part of the source makes it."""
        found = defaultdict(list)
        for rows in self._part(source, part):
            for product, reactants in rows.reactions:
                found[product].append(frozenset(reactants))
        return dict(found)

    def _part(self, source: str, part: Part) -> Iterator[Rows]:
        splits = self.holdings[source].splits
        return (splits[split] for split in PARTS[part] if split in splits)


def shared_reactions(rows: Rows, makings: Mapping[int, Sequence[frozenset[int]]]) -> tuple[int, int]:
    """Rows whose product is among the makings, and those of them made there from the same reactants.

    One of the two may list reagents among its reactants, so that it is enough if one side holds all of the other.
    """
    same = [
        (frozenset(reactants), makings[product]) for product, reactants in rows.reactions if product in makings
    ]
    return len(same), sum(any(mine <= theirs or mine >= theirs for theirs in others) for mine, others in same)
