"""Single-step retrosynthesis: from the product to the whole set of reactants.

What counts as right stands in `reactions`. `max_fragment_top_k` (MaxFrag; Tetko et al. 2020) asks for the largest
reactant only, by heavy atoms, among the first k answers; that forgives the reagents that records leave out or spell
differently.
"""

from __future__ import annotations

import functools
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmai_gym.contracts import SPLITS, DataError, Estimate, Example, Result, Split, Structure, Words, row_id
from mmai_gym.molecules import (
    MappedReaction,
    aligned_to_canonical,
    follow,
    preferred_cut,
    root_aligned,
)
from mmai_gym.sources import LazySequence, embedded, kept, mapped, uspto50k, usptofull
from mmai_gym.sources.derived import derived_column
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.reactions import ReactionRow, ReactionTask


class Retrosynthesis(ReactionTask):
    """The product is shown, the reactants are asked for."""

    asks = Words("Which reactants give this product in one step?", "retrosynthesis")
    form = Structure("reactants")

    def _components(self, given: str, gold: str) -> dict[str, float]:
        return super()._components(given, gold) | {"max_fragment": float(_same_largest(given, gold))}

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return super().score(results) | self.component_rates(results, "max_fragment", "max_fragment_top_{k}")


def _same_largest(given: str, gold: str) -> bool:
    """Whether two canonical sets have the same largest member; most have not even a member of that text."""
    return given == gold or (_largest(gold) in given.split(".") and _largest(given) == _largest(gold))


@functools.lru_cache(maxsize=100_000)
def _largest(reactants: str) -> str:
    return max(reactants.split("."), key=lambda smiles: (len(HEAVY_ATOM.findall(smiles)), smiles))


# Of canonical SMILES, which have any hydrogen in brackets; to read the molecule would take twenty times as long.
HEAVY_ATOM = re.compile(r"\[(?!\d*(?:H[\]+-]|\*))[^\]]*\]|Br|Cl|[BCNOPSFIbcnops]")


class EmbeddedRetrosynthesis(Retrosynthesis):
    """Reactions that documented templates make out of the embedded molecules, cut at the preferred bond.

    Every molecule has at most one preferred cut, so the answer is a function of the product. A molecule and its
    reaction share the molecule's split.
    """

    name = "retrosynthesis/embedded"
    sources = ("embedded",)
    teachers = ("templates",)

    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        return _embedded_rows(split)

    def augment(self, example: Example, seed: int) -> Example:
        product, reactants = root_aligned(embedded_reactions(example.split)[example.id], seed)
        return replace(example, inputs={"smiles": product}, gold=reactants)


@functools.cache
def embedded_reactions(split: Split) -> Mapping[str, MappedReaction]:
    """The preferred cut of each embedded molecule that has one, by id."""
    molecules = embedded.molecules(split)

    rows = derived_column(f"embedded-reactions-{split}", "1", [m.smiles for m in molecules], preferred_cut_fields)
    return {
        row_id("embedded-reaction", molecule.id): MappedReaction(*row)
        for molecule, row in zip(molecules, rows, strict=True)
        if row is not None
    }


def preferred_cut_fields(product: str) -> list[str] | None:
    """[template, mapped reactants, mapped product] of the preferred cut, for a worker to compute."""
    cut = preferred_cut(product)
    return None if cut is None else [cut.template, cut.reactants, cut.product]


@functools.cache
def _embedded_rows(split: Split) -> tuple[ReactionRow, ...]:
    return tuple(
        ReactionRow(id_, *aligned_to_canonical(found)) for id_, found in embedded_reactions(split).items()
    )


class AlignedByMaps(ReactionTask):
    """A task about the reactions of USPTO-50k, whose answers follow the side shown, atom by atom, where
    `mmai-gym data map uspto-50k` has been run; training sees that side from any atom."""

    sources = ("uspto-50k",)

    @abstractmethod
    def leading(self, reaction: MappedReaction) -> tuple[str, str]:
        """The mapped sides: that which is shown, and that which follows it."""

    def written_with(self, split: Split) -> Mapping[str, Any]:
        if not mapped.usable(split):
            return {"answers": "canonical"}
        counts = mapped.summary(split)
        return {"answers": "aligned", **{key: counts[key] for key in ("maps", "reactions", "usable")}}

    def check_training(self, split: Split) -> None:
        if not mapped.usable(split):
            raise DataError(
                f"{self.name} is not trained on before its reactions have atom maps, by which an answer follows the "
                f"order of what is shown; run: {mapped.COMMAND}"
            )

    def augment(self, example: Example, seed: int) -> Example:
        maps = mapped.usable(example.split)
        # A side in random order with an answer that does not follow it teaches nothing (published: 0.9 % top-1 of
        # retrosynthesis), so a reaction without a map has one written form.
        reaction = maps[example.id].reaction if example.id in maps else None
        if reaction is None:
            return example
        shown, wanted = follow(*self.leading(reaction), seed)
        return replace(example, inputs={"smiles": shown}, gold=wanted)


class Uspto50k(AlignedByMaps, Retrosynthesis):
    """USPTO-50k with the Dai validation and test sets; train is reconstructed (see docs/data.md), not the official file.

    The reactants are written along the product. Questions are the same with maps and without.
    """

    name = "retrosynthesis/uspto-50k"

    def leading(self, reaction: MappedReaction) -> tuple[str, str]:
        return reaction.product, reaction.reactants

    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        return _uspto_rows(split)

    def sizes(self) -> dict[str, int]:
        return {split: uspto50k.SIZES[split] for split in SPLITS}


@kept("uspto-50k")
def _uspto_rows(split: Split) -> tuple[ReactionRow, ...]:
    maps = mapped.usable(split)
    return tuple(
        ReactionRow(
            row.id, row.product, maps[row.id].aligned if row.id in maps else row.reactants, row.reaction_class
        )
        for row in uspto50k.reactions(split)
    )


class UsptoFull(Retrosynthesis):
    """USPTO-full after the cleaning of Tetko et al. (2020): validation and test only, and no classes.

    The training file is too large for the mirror. Models whose training data hold other parts of USPTO have seen many
    of these reactions.
    """

    name = "retrosynthesis/uspto-full"
    sources = ("uspto-full",)

    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        if split == "train":
            return ()
        found = usptofull.reactions(split)
        return LazySequence(
            len(found), lambda i: ReactionRow((row := found[i]).id, shown=row.product, wanted=row.reactants)
        )

    def written(self, split: Split) -> Sequence[tuple[str, str]]:
        return () if split == "train" else usptofull.written(split)

    def sizes(self) -> dict[str, int]:
        return {"train": 0, "valid": usptofull.SIZES["valid"], "test": usptofull.SIZES["test"]}

    def omitted(self) -> Mapping[str, int]:
        return {"not readable": sum(map(len, usptofull.UNREADABLE.values()))}

    def augment(self, example: Example, seed: int) -> Example:
        return example  # nothing trains on it


TASKS: tuple[Callable[[], BaseTask], ...] = (EmbeddedRetrosynthesis, Uspto50k, UsptoFull)
