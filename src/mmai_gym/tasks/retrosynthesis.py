"""Single-step retrosynthesis: from the product to the whole set of reactants.

A prediction counts when its canonical set of reactants equals the recorded one, order ignored (Liu et al. 2017; Dai et
al. 2019); the reaction class is not given. Atom maps never reach a question: their order alone betrays the reaction
centre. `MaxFrag` (Tetko et al. 2020) asks for the largest reactant only, which forgives the reagents that records
leave out or spell differently.
"""

from __future__ import annotations

import functools
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmai_gym.contracts import (
    SPLITS,
    DataError,
    Estimate,
    Example,
    InvalidMolecule,
    Molecule,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
    row_id,
)
from mmai_gym.molecules import (
    MappedReaction,
    aligned_to_canonical,
    canonical_set,
    heavy_atoms,
    parse,
    preferred_cut,
    root_aligned,
)
from mmai_gym.sources import embedded, kept, mapped, uspto50k
from mmai_gym.stats import proportion
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.derived import derived_column
from mmai_gym.tasks.scoring import decided, exact_rate, structure_metrics


class Retrosynthesis(BaseTask):
    """Question, verifier and metrics; the sets below say where the reactions come from."""

    headline = "top_1"

    @abstractmethod
    def _rows(self, split: Split) -> Sequence[tuple[str, str, str]]:
        """(id, product, reactants) per example; the reactants as they should be written."""

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self._rows(split)

        def make(i: int) -> Example:
            id_, product, reactants = rows[i]
            return Example(id_, self.name, split, {"smiles": product}, reactants)

        return LazyExamples(len(rows), make)

    def question(self, example: Example) -> Question:
        return (
            Words("Which reactants give this product in one step?", "retrosynthesis"),
            Molecule(example.inputs["smiles"]),
            Structure("reactants"),
        )

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        given = canonical_set(answer)
        try:
            gold = canonical_set(str(example.gold))
        except InvalidMolecule as error:  # not the answer's fault: no verdict, and never a zero
            raise DataError(f"the gold answer of {example.id} cannot be read: {error}") from error
        largest = float(_largest(given) == _largest(gold))
        components = {"max_fragment": largest}
        if given == gold:
            return Verdict(1.0, Reason.CORRECT, answer, components)
        if given == canonical_set(example.inputs["smiles"]):
            return Verdict(0.0, Reason.COPIED_INPUT, answer, components)
        return Verdict(0.0, Reason.WRONG, answer, components)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        width = max((len(result.verdicts) for result in results), default=1)
        metrics = {f"top_{k}": exact_rate(results, k) for k in (1, 3, 5, 10) if k == 1 or k <= width}
        largest = [bool(result.first.components.get("max_fragment", 0.0)) for result in decided(results)]
        return metrics | {"max_fragment_top_1": proportion(largest)} | structure_metrics(results)


@functools.lru_cache(maxsize=100_000)
def _largest(reactants: str) -> str:
    return max(reactants.split("."), key=lambda smiles: (heavy_atoms(parse(smiles)), smiles))


class EmbeddedRetrosynthesis(Retrosynthesis):
    """Reactions that documented templates make out of the embedded molecules, cut at the preferred bond.

    Every molecule has at most one preferred cut, so the answer is a function of the product. A molecule and its
    reaction share the molecule's split.
    """

    name = "retrosynthesis/embedded"
    sources = ("embedded",)

    def _rows(self, split: Split) -> Sequence[tuple[str, str, str]]:
        return _embedded_rows(split)

    def augment(self, example: Example, seed: int) -> Example:
        product, reactants = root_aligned(_embedded_reactions(example.split)[example.id], seed)
        return replace(example, inputs={"smiles": product}, gold=reactants)


@functools.cache
def _embedded_reactions(split: Split) -> Mapping[str, MappedReaction]:
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
def _embedded_rows(split: Split) -> tuple[tuple[str, str, str], ...]:
    return tuple((id_, *aligned_to_canonical(reaction)) for id_, reaction in _embedded_reactions(split).items())


class Uspto50k(Retrosynthesis):
    """USPTO-50k with the Dai validation and test sets; train is reconstructed (see docs/data.md), not the official file.

    Where `mmai-gym data map uspto-50k` has been run, the reactants of train and validation are written along the product,
    and training sees the product from any atom with the reactants following. Questions are the same with it and without.
    """

    name = "retrosynthesis/uspto-50k"
    sources = ("uspto-50k",)

    def _rows(self, split: Split) -> Sequence[tuple[str, str, str]]:
        return _uspto_rows(split)

    def sizes(self) -> dict[str, int]:
        return {split: uspto50k.SIZES[split] for split in SPLITS}

    def written_with(self, split: Split) -> Mapping[str, Any]:
        if not mapped.usable(split):
            return {"reactants": "canonical"}
        counts = mapped.summary(split)
        return {"reactants": "aligned", **{key: counts[key] for key in ("maps", "reactions", "usable")}}

    def augment(self, example: Example, seed: int) -> Example:
        maps = mapped.usable(example.split)
        if not maps:
            warnings.warn(
                f"{self.name} is trained on in one written form; for more run: {mapped.COMMAND}", stacklevel=2
            )
        # A random product with reactants that do not follow its order teaches nothing (published: 0.9 % top-1), so a
        # reaction without a map has one written form.
        reaction = maps[example.id].reaction if example.id in maps else None
        if reaction is None:
            return example
        product, reactants = root_aligned(reaction, seed)
        return replace(example, inputs={"smiles": product}, gold=reactants)


@kept("uspto-50k")
def _uspto_rows(split: Split) -> tuple[tuple[str, str, str], ...]:
    maps = mapped.usable(split)
    return tuple(
        (row.id, row.product, maps[row.id].aligned if row.id in maps else row.reactants)
        for row in uspto50k.reactions(split)
    )


TASKS: tuple[Callable[[], BaseTask], ...] = (EmbeddedRetrosynthesis, Uspto50k)
