"""Forward prediction: from reactants, and where a source records them reagents, to the product.

What counts as right stands in `reactions`; exact match includes stereo, as published. The answer is one function of the
question only where training and test agree about it, so reactions whose reactants give another product in a held-out set
are left out of training, and every set says how many.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mmai_gym.contracts import SPLITS, Example, Split, Structure, Words
from mmai_gym.molecules import MappedReaction, follow, possible_products
from mmai_gym.sources import LazySequence, kept, mapped, uspto15k, uspto50k
from mmai_gym.sources.derived import derived_column
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.reactions import ReactionRow, ReactionTask
from mmai_gym.tasks.retrosynthesis import AlignedByMaps, embedded_reactions


class Forward(ReactionTask):
    """Reactants are shown, the product is asked for. In training the reactants are written from any atom."""

    asks = Words("Which product does this reaction give?", "forward")
    form = Structure()


class EmbeddedForward(Forward):
    """The reactions of retrosynthesis/embedded read forwards, where the reactants determine the product.

    Reactants that two templates, or one template at two places, would turn into different products are left out. The
    product is written in the order of the reactants; a reaction keeps its molecule's split.
    """

    name = "forward/embedded"
    sources = ("embedded",)
    teachers = ("templates",)

    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        return _embedded_rows(split)

    def sizes(self) -> dict[str, int]:
        return {split: len(_determined(split)) for split in SPLITS}

    def omitted(self) -> Mapping[str, int]:
        left = sum(len(embedded_reactions(split)) - len(_determined(split)) for split in SPLITS)
        return {"the reactants give several products": left}

    def augment(self, example: Example, seed: int) -> Example:
        reaction = embedded_reactions(example.split)[example.id]
        reactants, product = follow(reaction.reactants, reaction.product, seed)
        return replace(example, inputs={"smiles": reactants}, gold=product)


@functools.cache
def _embedded_rows(split: Split) -> tuple[ReactionRow, ...]:
    found = embedded_reactions(split)
    return tuple(ReactionRow(id_, *follow(found[id_].reactants, found[id_].product)) for id_ in _determined(split))


@functools.cache
def _determined(split: Split) -> tuple[str, ...]:
    """Ids of the reactions whose reactants give one product."""
    found = embedded_reactions(split)
    sides = [reaction.reactants for reaction in found.values()]
    counts = derived_column(f"embedded-products-{split}", "2", sides, number_of_products)
    return tuple(id_ for id_, count in zip(found, counts, strict=True) if count == 1)


def number_of_products(reactants: str) -> int:
    """How many products the templates together make of a set of reactants, for a worker to compute."""
    return len(possible_products(reactants))


class Uspto50kForward(AlignedByMaps, Forward):
    """USPTO-50k read forwards, without reagents: Dai validation and test sets, reconstructed train (see docs/data.md).

    The product is written along the reactants. Training leaves out the rows whose reactants are those of a validation or
    test reaction with another product.
    """

    name = "forward/uspto-50k"

    def leading(self, reaction: MappedReaction) -> tuple[str, str]:
        return reaction.reactants, reaction.product

    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        return _uspto50k_rows(split)

    def sizes(self) -> dict[str, int]:
        return {split: uspto50k.SIZES[split] - (AMBIGUOUS if split == "train" else 0) for split in SPLITS}

    def omitted(self) -> Mapping[str, int]:
        return {"held-out reactants with another product": AMBIGUOUS}


AMBIGUOUS = 81
"""Rows that USPTO-50k loses for forward training."""


@kept("uspto-50k")
def _uspto50k_rows(split: Split) -> tuple[ReactionRow, ...]:
    rows = uspto50k.reactions(split)
    if split == "train":
        held_out = {row.reactants for part in ("valid", "test") for row in uspto50k.reactions(part)}
        rows = tuple(row for row in rows if row.reactants not in held_out)
    along = _along_reactants(split)
    return tuple(
        ReactionRow(row.id, row.reactants, along.get(row.id, row.product), row.reaction_class) for row in rows
    )


def _along_reactants(split: Split) -> dict[str, str]:
    """By row, the product in the order of the canonical reactants; of the reactions that have a map."""
    found = {id_: stored.reaction for id_, stored in mapped.usable(split).items() if stored.reaction is not None}
    sides = [f"{reaction.reactants}>>{reaction.product}" for reaction in found.values()]
    products = derived_column(f"uspto-50k-forward-{split}", "1", sides, product_along_reactants)
    return dict(zip(found, products, strict=True))


def product_along_reactants(reaction: str) -> str:
    """The product of a mapped reaction `reactants>>product` in the order of its reactants, for a worker to compute."""
    reactants, product = reaction.split(">>")
    return follow(reactants, product)[1]


class Uspto15kForward(Forward):
    """USPTO-15K (Coley et al. 2017; Jin et al. 2017): reagents stand among the reactants, and nothing marks them.

    Training leaves out the reactions that are also in validation or test.
    """

    name = "forward/uspto-15k"
    sources = ("uspto-15k",)

    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        found, positions = uspto15k.reactions(split), _positions(split)

        def make(i: int) -> ReactionRow:
            row = found[positions[i]]
            return ReactionRow(row.id, row.reactants, row.product)

        return LazySequence(len(positions), make)

    def written(self, split: Split) -> Sequence[tuple[str, str]]:
        sides, positions = uspto15k.written(split), _positions(split)
        return LazySequence(len(positions), lambda i: sides[positions[i]])

    def sizes(self) -> dict[str, int]:
        return {split: uspto15k.SIZES[split] - len(_left_out(split)) for split in SPLITS}

    def omitted(self) -> Mapping[str, int]:
        return {"reaction is in validation or test": len(_left_out("train"))}


def _left_out(split: Split) -> frozenset[int]:
    return uspto15k.HELD_OUT if split == "train" else frozenset()


def _positions(split: Split) -> list[int]:
    """Those of the lines that are kept."""
    return [position for position in range(uspto15k.SIZES[split]) if position not in _left_out(split)]


TASKS: tuple[Callable[[], BaseTask], ...] = (EmbeddedForward, Uspto50kForward, Uspto15kForward)
