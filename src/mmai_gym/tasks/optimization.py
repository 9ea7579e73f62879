"""Molecular optimization on the embedded set: improve one property and stay similar.

A success improves the property by a stated amount at a Tanimoto similarity of at least 0.4 (Morgan radius 2, 2048 bits)
to the input; success at 0.6 stands beside it. Without the floor one constant molecule could win every input. What
disqualifies an answer besides is in `tricks`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mmai_gym.contracts import (
    Estimate,
    Example,
    Molecule,
    Property,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
    row_id,
)
from mmai_gym.molecules import canonical, canonical_set, follow, matched_pairs, tanimoto
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import embedded
from mmai_gym.sources.derived import derived_table
from mmai_gym.stats import mean, proportion
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.properties import embedded_values
from mmai_gym.tasks.scoring import distinct_answers, structure_metrics
from mmai_gym.tasks.tricks import JUDGE_VERSION, SIMILARITY_FLOOR, SIMILARITY_HIGH, trick

_PAIRS_PER_SOURCE = 5


@dataclass(frozen=True, slots=True)
class Goal:
    """Move `oracle` up or down by at least `step` (in the oracle's units)."""

    oracle: str
    direction: Literal["up", "down"]
    step: float

    def gain(self, before: float, after: float) -> float:
        """The change in the wanted direction; NaN where a value is missing."""
        return after - before if self.direction == "up" else before - after


GOALS = (Goal("qed", "up", 0.1), Goal("logp", "up", 0.5), Goal("sa", "down", 0.3), Goal("tpsa", "up", 15.0))


class EmbeddedOptimization(BaseTask):
    """One goal over the embedded molecules.

    Training pairs are matched molecular pairs inside the training split. A test input is a test molecule for which a
    matched partner that meets the goal is known to exist, so that every question can be answered; any other molecule
    that meets it is as good.
    """

    sources = ("embedded",)
    judge_version = JUDGE_VERSION
    headline = "success"
    decode = "sample"

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self.name = f"optimization/embedded/{goal.oracle}"
        self.properties = (goal.oracle,)
        self.judged_with = (ORACLES[goal.oracle],)
        self.teachers = (ORACLES[goal.oracle].teacher,)

    def examples(self, split: Split) -> Sequence[Example]:
        pairs = _goal_pairs(self.goal, split)

        def make(i: int) -> Example:
            id_, pair = pairs[i]
            source, target = follow(pair.mapped_source, pair.mapped_target)
            return Example(id_, self.name, split, {"smiles": source}, target)

        return LazyExamples(len(pairs), make)

    def augment(self, example: Example, seed: int) -> Example:
        pair = _by_id(self.goal, example.split)[example.id]
        source, target = follow(pair.mapped_source, pair.mapped_target, seed)
        return replace(example, inputs={"smiles": source}, gold=target)

    def question(self, example: Example) -> Question:
        oracle = ORACLES[self.goal.oracle]
        step = f"{self.goal.step:g} {oracle.units}".strip()
        return (
            Words("Change the molecule slightly (Tanimoto similarity at least 0.4) to", "optimize"),
            Property(self.goal.oracle, self.goal.direction),
            Words(f"by at least {step}."),
            Molecule(example.inputs["smiles"]),
            Structure("molecule"),
        )

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        source = canonical(example.inputs["smiles"])
        target = canonical(answer)
        if found := trick(source, target):
            return Verdict(0.0, Reason.WRONG, answer, detail=found)
        if target == source:
            return Verdict(0.0, Reason.COPIED_INPUT, answer)
        oracle = ORACLES[self.goal.oracle]
        before, after = oracle.one(source), oracle.one(target)
        gain = self.goal.gain(before, after)
        if math.isnan(gain):
            why = oracle.reason(target) or oracle.reason(source)
            return Verdict(None, Reason.MISSING_ORACLE, answer, detail=f"no value of {oracle.name}: {why}")
        similarity = tanimoto(source, target)
        components = {"gain": gain, "similarity": similarity, "before": before, "after": after}
        if similarity < SIMILARITY_FLOOR:
            return Verdict(0.0, Reason.NOT_SIMILAR, answer, components, detail=f"similarity {similarity:.2f}")
        # Rounding forgives the last digit of a printed goal, nothing more.
        if round(gain, 6) >= self.goal.step:
            return Verdict(1.0, Reason.CORRECT, answer, components)
        detail = f"{oracle.name} {before:.2f} -> {after:.2f}"
        if gain <= 0.0:
            return Verdict(0.0, Reason.WRONG, answer, components, detail=detail)
        return Verdict(0.5 * gain / self.goal.step, Reason.PARTIAL, answer, components, detail=detail)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        best = [_successes(result) for result in results if any(v.score is not None for v in result.verdicts)]
        first = [result.first.reason is Reason.CORRECT for result in results if result.first.score is not None]
        high = [any(v.components["similarity"] >= SIMILARITY_HIGH for v in successes) for successes in best]
        similarities = [max(v.components["similarity"] for v in successes) for successes in best if successes]
        gains = [max(v.components["gain"] for v in successes) for successes in best if successes]
        return {
            "success": proportion([bool(successes) for successes in best]),
            "success_at_0.6": proportion(high),
            "success_first": proportion(first),
            "similarity": mean(np.array(similarities)),
            "gain": mean(np.array(gains), unit=ORACLES[self.goal.oracle].units),
            "distinct": distinct_answers(results),
        } | structure_metrics(results)


def _successes(result: Result) -> list[Verdict]:
    return [verdict for verdict in result.verdicts if verdict.reason is Reason.CORRECT]


# --------------------------------------------------------------------------------------------------- pairs


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two embedded molecules with a common core: canonical SMILES, and SMILES whose map numbers say which atoms match."""

    source: str
    target: str
    mapped_source: str
    mapped_target: str


@functools.cache
def _pairs() -> tuple[_Pair, ...]:
    """All matched pairs of the embedded molecules, in both directions."""
    smiles = [molecule.smiles for molecule in embedded.molecules()]

    def compute() -> list[list[str]]:
        pairs = [(pair.source, pair.target) for pair in matched_pairs(smiles)]
        return [[canonical_set(first), canonical_set(second), first, second] for first, second in pairs]

    rows = derived_table("embedded-pairs", "1", smiles, compute)
    forward = [_Pair(*row) for row in rows]
    backward = [_Pair(pair.target, pair.source, pair.mapped_target, pair.mapped_source) for pair in forward]
    return (*forward, *backward)


@functools.cache
def _goal_pairs(goal: Goal, split: Split) -> tuple[tuple[str, _Pair], ...]:
    """(id, pair) for a goal, most similar pairs first per source; five per source in train, one elsewhere."""
    ids = {molecule.smiles: molecule.id for molecule in embedded.molecules(split)}
    values = embedded_values()
    by_source: dict[str, list[tuple[float, str, _Pair]]] = {}
    for pair in _pairs():
        # A training pair may show no molecule of another split, not even as the answer.
        if pair.source not in ids or (split == "train" and pair.target not in ids):
            continue
        gain = goal.gain(values[pair.source][goal.oracle], values[pair.target][goal.oracle])
        if round(gain, 6) < goal.step or trick(pair.source, pair.target):
            continue
        similarity = tanimoto(pair.source, pair.target)
        if similarity >= SIMILARITY_FLOOR:
            by_source.setdefault(pair.source, []).append((-similarity, pair.target, pair))
    keep = _PAIRS_PER_SOURCE if split == "train" else 1
    return tuple(
        (row_id("embedded-pair", goal.oracle, ids[source], rank), pair)
        for source in ids
        for rank, (_, _, pair) in enumerate(sorted(by_source.get(source, []), key=lambda entry: entry[:2])[:keep])
    )


@functools.cache
def _by_id(goal: Goal, split: Split) -> Mapping[str, _Pair]:
    return dict(_goal_pairs(goal, split))


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(functools.partial(EmbeddedOptimization, goal) for goal in GOALS)
