"""Translation of a molecule into a similar, better one: the benchmarks of Jin et al. (2019), one property each.

Twenty translations per input. For QED and DRD2 a success reaches a level at a Tanimoto similarity of at least 0.4; for
penalised logP the best improvement at a similarity of at least 0.4 or 0.6 is averaged over all inputs, 0 where there is
none. A similarity of 1 is a copy and never counts. These numbers are kept to the letter under names that begin with
`protocol_`; the headline excludes tricks besides (see `tricks`): penalised logP above all rewards them.

Test inputs have no answer. Training pairs are public here for DRD2 only, so QED and logP have no training split, and
baselines that learn from one cannot answer them. The inputs that the authors validated on have no answer either and are
left out. A benchmark is a task when its property has an oracle.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmai_gym import stats
from mmai_gym.contracts import (
    Estimate,
    Example,
    Molecule,
    Oracle,
    Property,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.molecules import canonical, connectivity, morgan, tanimoto, tanimoto_to_all
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import dataset, jin, kept
from mmai_gym.sources.derived import derived_column
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.scoring import distinct_answers, structure_metrics
from mmai_gym.tasks.tricks import JUDGE_VERSION, trick, worthless

TRANSLATIONS = 20
"""Answers per input that the protocol looks at."""

NO_ANSWER = "validation inputs without an answer"
OVERLAP = "training pairs that share a molecule (connectivity) with the test or validation inputs"
TRICK = "training pairs whose target is a trick"


@dataclass(frozen=True)
class Benchmark:
    """What one benchmark is made of.

    Attributes:
        oracle: its property, which shall rise.
        floor: least similarity.
        level: the value that a success reaches; unused where the improvement is averaged.
        test: list of the test inputs, and how many there are.
        train: number of training pairs that are used.
        omitted: rows of the public files that are not, by reason.
        recorded: teachers behind the training pairs.
    """

    name: str
    oracle: str
    floor: float
    test: tuple[jin.JinList, int]
    level: float = math.inf
    train: int = 0
    omitted: Mapping[str, int] = field(default_factory=dict)
    recorded: tuple[str, ...] = ()


class Translation(BaseTask):
    """Examples, question and verdict; the two kinds of benchmark below say what counts."""

    sources = ("jin",)
    judge_version = JUDGE_VERSION
    decode = "sample"

    def __init__(self, benchmark: Benchmark, oracles: Mapping[str, Oracle] = ORACLES) -> None:
        self.benchmark = benchmark
        self.oracle = oracles[benchmark.oracle]
        self.name = f"optimization/jin/{benchmark.name}"
        self.properties = (benchmark.oracle,)
        self.judged_with = (self.oracle,)
        self.teachers = (self.oracle.teacher, *benchmark.recorded)

    @abstractmethod
    def _amount(self) -> str:
        """How the question says by how much the property shall rise."""

    @abstractmethod
    def _grade(self, before: float, after: float) -> tuple[float, Reason]:
        """Score and reason of a similar answer that is no trick."""

    def sizes(self) -> dict[str, int]:
        return {"train": self.benchmark.train, "valid": 0, "test": self.benchmark.test[1]}

    def omitted(self) -> Mapping[str, int]:
        return self.benchmark.omitted

    def examples(self, split: Split) -> Sequence[Example]:
        if split == "test":
            inputs = jin.inputs(self.benchmark.test[0])
            return LazyExamples(
                len(inputs),
                lambda i: Example(inputs[i].id, self.name, split, {"smiles": inputs[i].smiles}, None),
            )
        pairs = _training_pairs() if split == "train" and self.benchmark.train else ()
        return LazyExamples(
            len(pairs),
            lambda i: Example(pairs[i].id, self.name, split, {"smiles": pairs[i].source}, pairs[i].target),
        )

    def augment(self, example: Example, seed: int) -> Example:
        # The answer does not follow another writing of its input, and unaligned pairs teach little.
        return super().augment(example, seed) if example.gold is None else example

    def question(self, example: Example) -> Question:
        floor = f"{self.benchmark.floor:g}"
        return (
            Words(f"Change the molecule slightly (Tanimoto similarity at least {floor}) to", "optimize"),
            Property(self.benchmark.oracle, "up"),
            Words(self._amount()),
            Molecule(example.inputs["smiles"]),
            Structure("molecule"),
        )

    def answer(self, example: Example) -> str | None:
        return None if example.gold is None else str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        source, target = canonical(example.inputs["smiles"]), canonical(answer)
        if worthless(found := trick(source, target), target):
            return Verdict(0.0, Reason.WRONG, answer, detail=found)
        similarity = tanimoto(source, target)
        if example.gold is not None and target == canonical(str(example.gold)):
            # A recorded pair is right by the word of its source, whose oracle need not be ours.
            return Verdict(1.0, Reason.CORRECT, answer, {"similarity": similarity})
        before, after = (float(value) for value in self.oracle.predict([source, target]))
        if math.isnan(before + after):
            if found:
                return Verdict(0.0, Reason.WRONG, answer, detail=found)
            why = self.oracle.reason(target) or self.oracle.reason(source)
            return Verdict(None, Reason.MISSING_ORACLE, answer, detail=f"no value of {self.oracle.name}: {why}")
        carried = {"similarity": similarity, "before": before, "after": after}
        if found:
            return Verdict(0.0, Reason.WRONG, answer, carried, detail=found)
        if target == source:
            return Verdict(0.0, Reason.COPIED_INPUT, answer, carried)
        if not self._near(similarity):
            return Verdict(0.0, Reason.NOT_SIMILAR, answer, carried, detail=f"similarity {similarity:.2f}")
        score, reason = self._grade(before, after)
        return Verdict(score, reason, answer, carried, detail=f"{self.oracle.name} {before:.2f} -> {after:.2f}")

    def _near(self, similarity: float) -> bool:
        """Similar and not a copy, by the protocol."""
        return self.benchmark.floor <= similarity < 1.0

    def _near_verdicts(self, result: Result) -> list[Verdict]:
        """The answers that the protocol compares: readable and near, tricks among them."""
        return [
            verdict
            for verdict in result.verdicts[:TRANSLATIONS]
            if "before" in verdict.components and self._near(verdict.components["similarity"])
        ]


class LevelTranslation(Translation):
    """A success reaches the level of the benchmark."""

    headline = "success"

    def _amount(self) -> str:
        return f"to at least {self.benchmark.level:g}."

    def _grade(self, before: float, after: float) -> tuple[float, Reason]:
        if after >= self.benchmark.level:
            return 1.0, Reason.CORRECT
        if after <= before:
            return 0.0, Reason.WRONG
        return 0.5 * (after - before) / (self.benchmark.level - before), Reason.PARTIAL

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        counted = _counted(results)
        reached = [
            [v for v in self._near_verdicts(result) if v.components["after"] >= self.benchmark.level]
            for result in counted
        ]
        fair = [[v for v in verdicts if v.reason is Reason.CORRECT] for verdicts in reached]
        first = [result.verdicts[:1] for result in counted if _first_is_known(result)]
        closest = [max(v.components["similarity"] for v in verdicts) for verdicts in fair if verdicts]
        spread = [_spread([str(v.answer) for v in verdicts]) for verdicts in reached if verdicts]
        return {
            "success": stats.proportion([bool(verdicts) for verdicts in fair]),
            "success_first": stats.proportion([any(v.reason is Reason.CORRECT for v in vs) for vs in first]),
            "protocol_success": stats.proportion([bool(verdicts) for verdicts in reached]),
            "similarity": stats.mean(closest),
            "diversity": stats.mean(spread),
            "distinct": distinct_answers(results),
        } | structure_metrics(results)


class GainTranslation(Translation):
    """The improvement itself counts, in units of the property."""

    headline = "improvement"

    def _amount(self) -> str:
        return "as far as you can."

    def _grade(self, before: float, after: float) -> tuple[float, Reason]:
        gain = after - before
        # Half of the way to 1 for each unit gained: more is always better and nothing is enough.
        return (1.0 - 0.5**gain, Reason.PARTIAL) if gain > 0.0 else (0.0, Reason.WRONG)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        counted = _counted(results)
        near = [self._near_verdicts(result) for result in counted]
        fair = [[v for v in verdicts if v.reason is Reason.PARTIAL] for verdicts in near]
        first = [
            [v for v in self._near_verdicts(result) if v is result.first and v.reason is Reason.PARTIAL]
            for result in counted
            if _first_is_known(result)
        ]
        closest = [max(v.components["similarity"] for v in verdicts) for verdicts in fair if verdicts]
        units = self.oracle.units
        return {
            "improvement": stats.mean([_best_gain(verdicts) for verdicts in fair], unit=units),
            "improvement_first": stats.mean([_best_gain(verdicts) for verdicts in first], unit=units),
            "protocol_improvement": stats.mean([_best_gain(verdicts) for verdicts in near], unit=units),
            "improved": stats.proportion([bool(verdicts) for verdicts in fair]),
            "similarity": stats.mean(closest),
            "distinct": distinct_answers(results),
        } | structure_metrics(results)


def _counted(results: Sequence[Result]) -> list[Result]:
    """Results with a verdict on some answer, or without any answer, which is a failure."""
    return [r for r in results if not r.verdicts or any(v.score is not None for v in r.verdicts)]


def _first_is_known(result: Result) -> bool:
    return not result.verdicts or result.first.score is not None


def _best_gain(verdicts: Sequence[Verdict]) -> float:
    """The largest improvement, 0 where there is none."""
    return max([0.0, *(v.components["after"] - v.components["before"] for v in verdicts)])


def _spread(smiles: Sequence[str]) -> float:
    """Mean pairwise distance of the distinct successful translations of one input, 0 for a single one."""
    prints = [morgan(text) for text in dict.fromkeys(map(canonical, smiles))]
    distances = [
        1.0 - similarity for i, one in enumerate(prints) for similarity in tanimoto_to_all(one, prints[:i])
    ]
    return float(np.mean(distances)) if distances else 0.0


# --------------------------------------------------------------------------------------------------- training pairs


@kept("jin")
def _training_pairs() -> tuple[jin.TranslationPair, ...]:
    """The DRD2 pairs, without those that share a molecule with the test or validation inputs and without tricks."""
    pairs = jin.drd2_pairs()
    checksum = dataset("jin").file("drd2-train").sha256
    texts = [f"{pair.source} {pair.target}" for pair in pairs]
    faults = derived_column(f"jin-drd2-{checksum[:8]}", JUDGE_VERSION, texts, pair_fault)
    return tuple(pair for pair, fault in zip(pairs, faults, strict=True) if not fault)


def pair_fault(pair: str) -> str:
    """Why a training pair (two SMILES, a blank between) is left out, or ''; for a worker to compute."""
    source, target = pair.split(" ")
    if {connectivity(source), connectivity(target)} & _held_out():
        return OVERLAP
    return TRICK if trick(canonical(source), canonical(target)) else ""


@functools.cache
def _held_out() -> frozenset[str]:
    lists: tuple[jin.JinList, ...] = ("drd2-test", "drd2-valid")
    return frozenset(connectivity(molecule.smiles) for name in lists for molecule in jin.inputs(name))


LEVELS = (
    Benchmark("qed", "qed", 0.4, ("qed-test", 800), level=0.9, omitted={NO_ANSWER: 360}),
    Benchmark(
        "drd2",
        "drd2",
        0.4,
        ("drd2-test", 1000),
        level=0.5,
        train=31_445,
        omitted={NO_ANSWER: 500, OVERLAP: 29, TRICK: 2_930},
        recorded=("drd2-svm",),
    ),
)
GAINS = (
    Benchmark("logp04", "plogp", 0.4, ("logp04-test", 800)),
    Benchmark("logp06", "plogp", 0.6, ("logp06-test", 800)),
)


def tasks_for(oracles: Mapping[str, Oracle]) -> tuple[Callable[[], BaseTask], ...]:
    """What makes each task whose property has an oracle among those given."""
    return (
        *(functools.partial(LevelTranslation, one, oracles) for one in LEVELS if one.oracle in oracles),
        *(functools.partial(GainTranslation, one, oracles) for one in GAINS if one.oracle in oracles),
    )


TASKS: tuple[Callable[[], BaseTask], ...] = tasks_for(ORACLES)
