"""What the tasks about reactions share: one side is shown, the other is the answer, and sets of molecules are compared.

An answer counts when its canonical set of molecules equals the recorded one (Liu et al. 2017; Dai et al. 2019): the
order of the molecules means nothing, their number, charges and stereo do. Atom maps never reach a question: their order
alone betrays the reaction centre.

Ranks are counted as given. In `top_k` an invalid candidate or a repeat of an earlier one keeps its rank and so costs a
place; published evaluations usually take both out before they rank, and a model that wants to be compared with them
does the same before it answers. The first rank is affected by invalid candidates only.

`top_k_stereo_blind` forgives stereo: both sets are compared without it. Where verdicts carry `round_trip` (whether a model
of the forward reaction makes the product of the answer again; Schwaller et al. 2020), `round_trip_top_k` is the share of
examples with such an answer among the first k, and `reranked_top_k` is `top_k` with the answers in the order of `reranked`.

The class of a reaction is unknown to the model. Where a source knows it, it stands in the example's `reaction_class`,
which no question shows, and `top_1_class_N` is the accuracy within that class.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmai_gym.contracts import (
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
    item_seed,
)
from mmai_gym.molecules import canonical_set, flat, parse, rooted
from mmai_gym.sources.lazy import LazySequence
from mmai_gym.stats import proportion
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.scoring import decided, exact_rate, structure_metrics

RANKS = (1, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """One reaction as a task asks about it.

    Attributes:
        shown: SMILES of the side in the question, a dot-separated set.
        wanted: the other side, as it should be written.
        reaction_class: 1 to 10 (Schneider et al. 2016), 0 where the source names none.
    """

    id: str
    shown: str
    wanted: str
    reaction_class: int = 0


class ReactionTask(BaseTask):
    """Question, verifier and metrics; the families say which side is asked for, their sets where reactions come from."""

    judge_version = "2"
    headline = "top_1"
    asks: Words
    form: Structure

    @abstractmethod
    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        """The reactions of a split, in the order of their source."""

    def written(self, split: Split) -> Sequence[tuple[str, str]]:
        """The side shown and the side wanted of each row, as the source has them, where writing them anew takes time."""
        rows = self._rows(split)
        return LazySequence(len(rows), lambda i: (rows[i].shown, rows[i].wanted))

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self._rows(split)

        def make(i: int) -> Example:
            row = rows[i]
            known = {"reaction_class": row.reaction_class} if row.reaction_class else {}
            return Example(row.id, self.name, split, {"smiles": row.shown, **known}, row.wanted)

        return LazyExamples(len(rows), make)

    def question(self, example: Example) -> Question:
        return (self.asks, Molecule(example.inputs["smiles"]), self.form)

    def rewritten(self, example: Example, count: int, seed: int) -> list[Example]:
        """From atoms drawn without replacement, as training writes what is shown (`root_aligned`)."""
        smiles = str(example.inputs["smiles"])
        atoms = list(range(parse(smiles).GetNumAtoms()))
        random.Random(item_seed(example.task, example.id, example.split, seed, 0)).shuffle(atoms)
        roots = itertools.islice(itertools.cycle(atoms), count)
        return [replace(example, inputs={**example.inputs, "smiles": rooted(smiles, atom)}) for atom in roots]

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        gold = _side(example, str(example.gold))
        given = gold if answer == example.gold else canonical_set(answer)
        if given == gold:
            return Verdict(1.0, Reason.CORRECT, answer, self._components(given, gold))
        reason = Reason.COPIED_INPUT if _copied(given, example) else Reason.WRONG
        return Verdict(0.0, reason, answer, self._components(given, gold))

    def _components(self, given: str, gold: str) -> dict[str, float]:
        """What a verdict tells beside its score, from the canonical sets of the answer and of the gold answer.

        `overlap`: molecules that both have, by those that either has (Jaccard overlap, counting repeats). `stereo_blind`:
        whether both are equal without stereo.
        """
        same = given == gold
        return {
            "overlap": 1.0 if same else _overlap(Counter(given.split(".")), Counter(gold.split("."))),
            "stereo_blind": float(
                same or (_letters(given) == _letters(gold) and flat_set(given) == flat_set(gold))
            ),
        }

    def clusters(self, results: Sequence[Result]) -> list[str] | None:
        """The side shown: a set may hold a reaction twice, or a product that is made in two ways."""
        labels = [str(result.example.inputs["smiles"]) for result in results]
        return labels if len(set(labels)) < len(labels) else None

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        metrics = {f"top_{k}": exact_rate(results, k, self.clusters) for k in ranks(results)}
        for component, name in COMPONENT_RATES.items():
            metrics |= self.component_rates(results, component, name)
        if any(name.startswith("round_trip") for name in metrics):
            again = [reranked(result) for result in results]
            metrics |= {f"reranked_top_{k}": exact_rate(again, k, self.clusters) for k in ranks(results)}
        return metrics | structure_metrics(results) | _by_class(results)

    def component_rates(self, results: Sequence[Result], component: str, name: str) -> dict[str, Estimate]:
        """`name` filled with k: the share of examples with an answer among the first k whose verdict has `component` at 1.

        Nothing where no readable answer carries it: a rate of zero would be made up.
        """
        kept = decided(results)
        if not any(component in verdict.components for result in kept for verdict in result.verdicts):
            return {}
        hits = [[verdict.components.get(component) == 1.0 for verdict in result.verdicts] for result in kept]
        groups = self.clusters(kept)
        return {
            name.format(k=k): proportion(np.array([any(row[:k]) for row in hits], dtype=bool), groups)
            for k in ranks(results)
        }


RERANKING_WEIGHTS = (1.0, 0.25, 1.0)
"""Of `reranking_terms`: between those that fit validation products of USPTO-50k asked once and in 20 written forms, whose
shares of the votes lie closer together than probabilities (docs/results/re-ranking.json). A forward model is wrong too
often for its word to weigh as much as the first one's."""
RETURN_FLOOR = 0.01
"""A beam cannot tell the probabilities below it."""


def reranking_terms(
    rank: int, logprob: float | None, components: Mapping[str, float]
) -> tuple[float, float, float]:
    """log p(answer), log(p(product | answer) + RETURN_FLOOR), and minus the number of molecules that no training reaction
    starts from; the latter two by the `return_probability` and the `new_reactants` of a verdict.

    An answer without a log-probability counts by its rank, from 0, as 1 / (1 + rank) in votes.
    """
    return (
        -math.log1p(rank) if logprob is None else logprob,
        math.log(components.get("return_probability", 0.0) + RETURN_FLOOR),
        -components.get("new_reactants", 0.0),
    )


def reranking_score(terms: Sequence[float], weights: Sequence[float] = RERANKING_WEIGHTS) -> float:
    """The sum of the terms, weighted: the higher it is, the earlier an answer comes."""
    return sum(weight * term for weight, term in zip(weights, terms, strict=True))


def reranked(result: Result, weights: Sequence[float] = RERANKING_WEIGHTS) -> Result:
    """The result with its answers ordered by how likely they are, how likely they are to give the product, and how many of
    their molecules no training reaction starts from (`reranking_score`)."""
    pairs = enumerate(zip(result.prediction.completions, result.verdicts, strict=True))
    scores = [
        reranking_score(reranking_terms(rank, completion.logprob, verdict.components), weights)
        for rank, (completion, verdict) in pairs
    ]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    completions = tuple(result.prediction.completions[i] for i in order)
    verdicts = tuple(result.verdicts[i] for i in order)
    return replace(result, prediction=replace(result.prediction, completions=completions), verdicts=verdicts)


COMPONENT_RATES = {"stereo_blind": "top_{k}_stereo_blind", "round_trip": "round_trip_top_{k}"}
"""Components of a verdict that are counted up to each rank, and the metric's name."""


@functools.lru_cache(maxsize=100_000)
def flat_set(smiles: str) -> str:
    """A canonical set of molecules without stereo, as a canonical set."""
    return canonical_set(flat(smiles)) if any(mark in smiles for mark in "@/\\") else smiles


def _copied(given: str, example: Example) -> bool:
    """Whether a canonical set is the side shown, or a molecule of it."""
    smiles = str(example.inputs["smiles"])
    wanted = _letters(given)
    if wanted not in (_letters(smiles), *map(_letters, smiles.split("."))):
        return False
    shown = _side(example, smiles)
    return given == shown or given in shown.split(".")


def _letters(smiles: str) -> list[str]:
    """The letters of the atoms other than hydrogen, which all texts of a molecule share, with stereo and without.

    Most wrong answers have others, and need not be read again.
    """
    return sorted(re.sub(r"[^A-Za-z]|H", "", smiles).lower())


def _overlap(given: Counter[str], gold: Counter[str]) -> float:
    return (given & gold).total() / (given | gold).total()


def _side(example: Example, smiles: str) -> str:
    """The canonical set of one side of the reaction; a broken one is not the answer's fault and no reason for a zero."""
    try:
        return canonical_set(smiles)
    except InvalidMolecule as error:
        raise DataError(f"a side of the reaction {example.id} cannot be read: {error}") from error


def ranks(results: Sequence[Result]) -> list[int]:
    """The ranks to report: the first, and those that some result has answers for."""
    width = max((len(result.verdicts) for result in results), default=1)
    return [k for k in RANKS if k == 1 or k <= width]


def _by_class(results: Sequence[Result]) -> dict[str, Estimate]:
    classes: dict[int, list[Result]] = {}
    for result in results:
        if number := result.example.inputs.get("reaction_class", 0):
            classes.setdefault(number, []).append(result)
    return {f"top_1_class_{number}": exact_rate(found) for number, found in sorted(classes.items())}
