"""USPTO-15K: reactions from patents with their reagents, for forward prediction (Coley et al. 2017; Jin et al. 2017).

A line is `reactants>>product edits`. The left side holds reactants and reagents together, in the order of the file's own
canonical text, with atom maps; the product has none. Nothing tells reactants from reagents except that reagents lend the
product no atom, which is the answer and not part of the question. The edits (atoms that lose and gain hydrogens, bonds
broken and formed, by map number) give the reaction away as well; they are for programs that need the reaction centre.

The set is without stereo. In 85 lines (64, 5 and 16) the product stands among the reactants: only a salt was freed, the
edits are empty, or the product was listed as a reactant. They are part of the published sets and stay. The reactions of 9
training lines occur in validation (3) or test (6) as well; `HELD_OUT` names them. The archive also has
`connor_original.tsv`: the same reactions in the same order, with another model's predictions; it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmai_gym.contracts import DataError, InvalidMolecule, Split, row_id
from mmai_gym.molecules import canonical_set
from mmai_gym.sources import tables
from mmai_gym.sources.lazy import LazySequence
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept

SIZES: Mapping[Split, int] = {"train": 10_500, "valid": 1_500, "test": 3_000}

HELD_OUT: frozenset[int] = frozenset({2089, 3142, 4778, 5931, 7473, 8784, 9001, 9299, 9524})
"""Positions of the training lines whose reaction, both sides canonical, is in validation or test."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One line.

    Attributes:
        reactants: canonical SMILES without atom maps of reactants and reagents, a sorted, dot-separated set.
        product: canonical SMILES without atom maps.
        mapped: the line's `reactants>>product`; the reactants have map numbers, the product has none.
        edits: as in the file, `lost H;gained H;bonds broken;bonds formed` by map number. No model may see either.
    """

    id: str
    reactants: str
    product: str
    mapped: str
    edits: str


def reactions(split: Split) -> Sequence[Reaction]:
    """The reactions of a split in the order of the file, canonicalised when asked for (about 0.4 ms each).

    Raises:
        DataError: the archive is missing or damaged; on access, a line is not a reaction, naming it.
    """
    lines = _lines(split)
    return LazySequence(len(lines), lambda position: _reaction(split, position, lines[position]))


@kept("uspto-15k")
def _lines(split: Split) -> list[str]:
    file = dataset("uspto-15k").file("data")
    return tables.lines(file, file.member(f"data/{split}.txt"))


def written(split: Split) -> Sequence[tuple[str, str]]:
    """Reactants and product of each reaction, with the atom maps and in the writing of the file.

    Raises:
        DataError: as `reactions`, of lines that are not a reaction with its edits.
    """
    lines = _lines(split)

    def sides(position: int) -> tuple[str, str]:
        left, right, _ = _split(split, position, lines[position])
        return left, right

    return LazySequence(len(lines), sides)


def _reaction(split: Split, position: int, line: str) -> Reaction:
    left, right, edits = _split(split, position, line)
    try:
        reactants, product = canonical_set(left), canonical_set(right)
    except InvalidMolecule as error:
        raise _not_a_reaction(split, position, error) from error
    return Reaction(row_id("uspto-15k", split, position), reactants, product, f"{left}>>{right}", edits)


def _split(split: Split, position: int, line: str) -> tuple[str, str, str]:
    """Reactants, product and edits of a line."""
    try:
        mapped, edits = line.split(" ")
        left, right = mapped.split(">>")
        if edits.count(";") != 3:
            raise ValueError(f"{edits!r} does not have four parts")
    except ValueError as error:
        raise _not_a_reaction(split, position, error) from error
    return left, right, edits


def _not_a_reaction(split: Split, position: int, error: ValueError) -> DataError:
    return DataError(f"USPTO-15K, data/{split}.txt, line {position + 1}: not a reaction with its edits: {error}")
