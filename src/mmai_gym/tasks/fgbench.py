"""Functional-group reasoning on measured properties: FGBench (Liu et al. 2025), rebuilt from its inputs.

A molecule and its label are given, and what is done to it: which groups go, which come, and at which atoms. Does the
property change (a class), rise, or by how much (a value)? The *single* kind changes one group and *interaction* several;
*comparison* shows both molecules instead of the change. As published, the label given is the target's where a change is
told, and the reference's where two molecules are compared.

Each kind exists twice: `fgbench` has the published pairs of train and test, `fgbench-clean` no molecule of one part in
another and no label that was never measured (see `fgbench_split`, docs/data.md). Sets with several labels are one task,
the label is a property of the question. A label rarely changes between similar molecules, so a model that always says no
looks good: the balanced accuracy, averaged over the labels, is the headline, and what the more frequent answer would
score stands beside it. A kind of a set with fewer than ten test pairs is no task: `interaction` of FreeSolv under both
rules and of ESOL under the clean one.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmai_gym import stats
from mmai_gym.contracts import (
    SPLITS,
    AnswerForm,
    Choice,
    Estimate,
    Example,
    Molecule,
    Number,
    Property,
    Question,
    Reason,
    Result,
    Split,
    Trace,
    Verdict,
    Words,
    row_id,
)
from mmai_gym.molecules import FUNCTIONAL_GROUPS, find_groups, randomized, randomized_places
from mmai_gym.reasoning import GROUP_COUNT, trace
from mmai_gym.sources import fgbench, kept
from mmai_gym.sources.fgbench import Pair
from mmai_gym.tasks.base import BaseTask, LazyExamples, judge_choice, judge_number
from mmai_gym.tasks.fgbench_split import PROTOCOLS, Kind, Protocol, places
from mmai_gym.tasks.measurement import Scales, spanning_grid
from mmai_gym.tasks.scoring import decided, value_metrics

QuestionKind = Literal["single", "interaction", "comparison"]
Sizes = tuple[int, int, int]

SIZES: Mapping[Protocol, Mapping[str, Mapping[Kind, Sizes]]] = {
    "fgbench": {
        "esol": {"single": (223, 23, 25), "interaction": (19, 2, 21)},
        "freesolv": {"single": (100, 7, 25), "interaction": (4, 1, 4)},
        "lipo": {"single": (803, 86, 25), "interaction": (2474, 293, 25)},
        "bace": {"single": (765, 67, 25), "interaction": (4042, 433, 25)},
        "bbbp": {"single": (134, 8, 25), "interaction": (244, 36, 25)},
        "clintox": {"single": (31, 8, 25), "interaction": (84, 6, 25)},
        "tox21": {"single": (13932, 1608, 300), "interaction": (13272, 1356, 300)},
        "sider": {"single": (540, 108, 648), "interaction": (2376, 216, 675)},
    },
    "fgbench-clean": {
        "esol": {"single": (108, 4, 35), "interaction": (26, 3, 8)},
        "freesolv": {"single": (31, 1, 22), "interaction": (4, 0, 1)},
        "lipo": {"single": (637, 77, 104), "interaction": (1741, 165, 237)},
        "bace": {"single": (508, 26, 242), "interaction": (2368, 49, 721)},
        "bbbp": {"single": (96, 29, 34), "interaction": (159, 51, 39)},
        "clintox": {"single": (33, 6, 22), "interaction": (57, 10, 26)},
        "tox21": {"single": (6658, 222, 1515), "interaction": (5538, 265, 1422)},
        "sider": {"single": (648, 135, 432), "interaction": (1107, 432, 810)},
    },
}
"""Questions in train, valid and test. A comparison is asked about each pair of both kinds."""

_NOT_MEASURED = "a label that was never measured (questions)"
_READING = "Atoms count from 0 as written, [*:n] is atom n; where a group between two atoms goes, they bond."


@kept("fgbench")
def _asked(name: str, protocol: Protocol, kind: QuestionKind, split: Split) -> tuple[tuple[int, int], ...]:
    """(pair, property) of each question, in the order of the file."""
    pairs = fgbench.pairs(name)
    return tuple(
        (i, number)
        for i, place in enumerate(places(name))
        if kind in (place.kind, "comparison") and place.part(protocol) == split
        for number, measured in enumerate(pairs[i].measured)
        if measured or protocol == "fgbench"
    )


class PairQuestion(BaseTask):
    """One kind of question about the pairs of one set."""

    sources = ("fgbench",)
    form_name: str

    def __init__(self, protocol: Protocol, set_name: str, kind: QuestionKind) -> None:
        self.protocol = protocol
        self.kind = kind
        self.set = fgbench.SETS[set_name]
        self.name = f"functional-groups/{protocol}/{set_name}/{kind}/{self.form_name}"
        self.properties = self.set.properties

    @property
    def compares(self) -> bool:
        """Whether both molecules are shown, and not the change."""
        return self.kind == "comparison"

    def sizes(self) -> dict[str, int]:
        return sizes(self.protocol, self.set.name, self.kind)

    def clusters(self, results: Sequence[Result]) -> list[int]:
        return linked(results)

    def omitted(self) -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        pairs = fgbench.pairs(self.set.name)
        for pair, place in zip(pairs, places(self.set.name), strict=True):
            if self.kind not in (place.kind, "comparison"):
                continue
            if reason := place.reason(self.protocol):
                counts[reason] += 1
            elif self.protocol != "fgbench" and not all(pair.measured):
                counts[_NOT_MEASURED] += pair.measured.count(False)
        return dict(counts)

    def examples(self, split: Split) -> Sequence[Example]:
        asked = _asked(self.set.name, self.protocol, self.kind, split)

        def make(i: int) -> Example:
            position, number = asked[i]
            pair, place = fgbench.pairs(self.set.name)[position], places(self.set.name)[position]
            before, after = self.labels(pair, number)
            inputs = {
                "smiles": pair.target,
                "other": pair.reference,
                "property": self.set.properties[number],
                "known": self._known(before),
                "edit": None if self.compares else place.edit,
            }
            id_ = row_id("fgbench-question", pair.id, number)
            return Example(id_, self.name, split, inputs, self.gold(before, after))

        return LazyExamples(len(asked), make)

    def labels(self, pair: Pair, number: int) -> tuple[float, float]:
        """The label that is given and the one asked about.

        Where a change is told, the target becomes the reference; compared, the target is held against the reference.
        """
        target, reference = pair.target_labels[number], pair.reference_labels[number]
        return (reference, target) if self.compares else (target, reference)

    def _known(self, label: float) -> str:
        if self.set.kind == "class":
            return "yes" if label else "no"
        return f"{label:g} {self.set.unit}"

    @abstractmethod
    def gold(self, before: float, after: float) -> str | float:
        """The answer, from the label that is given and the one that is asked about."""

    @abstractmethod
    def asks(self) -> str:
        """Words before the property."""

    @property
    @abstractmethod
    def form(self) -> AnswerForm:
        """The form of the answer."""

    def question(self, example: Example) -> Question:
        inputs = example.inputs
        opening = (Words(self.asks(), "compare" if self.compares else "difference"), Property(inputs["property"]))
        shown = Molecule(inputs["smiles"])
        if self.compares:
            given = Molecule(f"the second is labelled {inputs['known']}", "text")
            return (*opening, shown, Molecule(inputs["other"]), given, self.form)
        given = Molecule(f"labelled {inputs['known']}; {inputs['edit'].text()}", "text")
        return (*opening, shown, given, Words(_READING), self.form)

    def augment(self, example: Example, seed: int) -> Example:
        """Both molecules written anew where both are shown; else the first, and the atoms of the change with it."""
        inputs = dict(example.inputs)
        inputs["smiles"], written = randomized_places(inputs["smiles"], seed)
        if self.compares:
            inputs["other"] = randomized(inputs["other"], seed + 1)
        else:
            inputs["edit"] = inputs["edit"].renumbered(written)
        return replace(example, inputs=inputs)

    def reason(self, example: Example, context: object = None) -> Trace | None:
        """Of two molecules shown: how often each has the groups in which they differ, as the gym defines groups.

        None where a change is told, since the changed molecule is not there to be checked against.
        """
        if not self.compares:
            return None
        found = [find_groups(example.inputs[key]) for key in ("smiles", "other")]
        counts = {name: [len(groups.get(name, ())) for groups in found] for name in FUNCTIONAL_GROUPS}
        steps = [
            GROUP_COUNT.step(molecule=molecule, group=name, count=both[molecule])
            for name, both in counts.items()
            if both[0] != both[1]
            for molecule in (0, 1)
        ]
        return trace(*steps) if steps else None


class ChangeChoice(PairQuestion):
    """Does the class change; does the value rise? Yes or no."""

    form_name = "bool"
    headline = "balanced_accuracy"
    form = Choice(("yes", "no"))

    @functools.cached_property
    def _rates(self) -> dict[str, float]:
        """By property, the share of training questions that are answered with yes."""
        pairs = fgbench.pairs(self.set.name)
        answers: dict[str, list[bool]] = defaultdict(list)
        for i, number in _asked(self.set.name, self.protocol, self.kind, "train"):
            answers[self.set.properties[number]].append(self.gold(*self.labels(pairs[i], number)) == "yes")
        return {name: sum(of) / len(of) for name, of in answers.items()}

    def base_rates(self, example: Example) -> Mapping[str, float] | None:
        """Of the questions about the same property; None where training has but one answer to them."""
        rate = self._rates.get(example.inputs["property"], 0.0)
        return {"yes": rate, "no": 1.0 - rate} if 0.0 < rate < 1.0 else None

    def gold(self, before: float, after: float) -> str:
        return "yes" if (before != after if self.set.kind == "class" else after > before) else "no"

    def asks(self) -> str:
        if self.set.kind == "class":
            if self.compares:
                return f"Do the two molecules differ in whether each {self.set.verb}"
            return f"The molecule is modified as described. Does that change whether it {self.set.verb}"
        if self.compares:
            return "Is the first of the two molecules higher in"
        return "The molecule is modified as described. Does that raise its"

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.form, str(example.gold), answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        """Intervals draw groups of pairs that share molecules."""
        kept = decided(results)
        clusters = self.clusters(kept)
        gold = [str(result.example.gold) for result in kept]
        usual = Counter(gold).most_common(1)[0][0] if gold else ""
        right = [result.first.reason is Reason.CORRECT for result in kept]
        return {
            "balanced_accuracy": _macro_balanced_accuracy(kept, clusters),
            "accuracy": stats.proportion(np.array(right, dtype=bool), clusters),
            "majority": stats.proportion(np.array([answer == usual for answer in gold], dtype=bool), clusters),
        }


class ChangeValue(PairQuestion):
    """By how much does the value change? A number in the unit of the set."""

    form_name = "value"
    headline = "rmse"
    readout: Literal["mean", "median"] = "mean"

    @functools.cached_property
    def _train_labels(self) -> npt.NDArray[np.float64]:
        """Labels given and asked about in training, shape (n, 2)."""
        pairs = fgbench.pairs(self.set.name)
        asked = _asked(self.set.name, self.protocol, self.kind, "train")
        return np.array([self.labels(pairs[i], number) for i, number in asked])

    @functools.cached_property
    def _scales(self) -> Scales:
        """The grid reaches as far as two labels can differ: most similar molecules differ little and a few by much, where
        the changes of training pairs alone would leave nothing to answer with."""
        span = float(np.ptp(self._train_labels))
        changes = np.diff(self._train_labels, axis=1)[:, 0].tolist()
        return Scales.of(changes, lambda labels: spanning_grid(labels, -span, span, 128))

    @property
    def form(self) -> Number:
        return Number(self.set.unit, self._scales.grid)

    def gold(self, before: float, after: float) -> float:
        return round(after - before, 6)

    def asks(self) -> str:
        if self.compares:
            return "By how much is the first of the two molecules above (or, negative, below) the second in"
        return "The molecule is modified as described. By how much does that change its"

    def answer(self, example: Example) -> str:
        return f"{example.gold:.10g}"

    def judge(self, example: Example, answer: str) -> Verdict:
        scale = self._scales.deviation
        return judge_number(float(example.gold), scale, answer, tolerance=0.05 * scale)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        """Intervals draw groups of pairs that share molecules; `constant_rmse` is that of the training median."""
        kept = decided(results)
        gold = np.array([float(result.example.gold) for result in kept])
        constant = np.full(len(gold), self._scales.middle)
        floor = stats.bootstrap(stats.rmse, gold, constant, clusters=self.clusters(kept), unit=self.set.unit)
        return value_metrics(results, self.set.unit, self._scales.middle, clusters=self.clusters) | {
            "constant_rmse": floor
        }


# --------------------------------------------------------------------------------------------------- metrics


def linked(results: Sequence[Result]) -> list[int]:
    """For each result a number that it shares with all results whose pairs are linked to its own by common molecules."""
    root: dict[str, str] = {}

    def find(smiles: str) -> str:
        while root.setdefault(smiles, smiles) != smiles:
            root[smiles] = smiles = root[root[smiles]]
        return smiles

    for result in results:
        root[find(result.example.inputs["smiles"])] = find(result.example.inputs["other"])
    numbers: dict[str, int] = {}
    found = [find(result.example.inputs["smiles"]) for result in results]
    return [numbers.setdefault(name, len(numbers)) for name in found]


def _macro_balanced_accuracy(results: Sequence[Result], clusters: Sequence[int]) -> Estimate:
    """The mean over properties of the balanced accuracy; one whose gold answers are all alike says nothing and is left
    out, as is any that a resample leaves with one answer."""
    names = sorted({str(result.example.inputs["property"]) for result in results})
    numbers = {name: number for number, name in enumerate(names)}
    cells = np.array(
        [2 * numbers[result.example.inputs["property"]] + (result.example.gold == "yes") for result in results],
        dtype=np.float64,
    )
    right = np.array([result.first.reason is Reason.CORRECT for result in results], dtype=np.float64)

    def macro(cells: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
        balanced = _balanced(cells, right, len(names))
        return float(np.nanmean(balanced)) if np.isfinite(balanced).any() else float("nan")

    estimate = stats.bootstrap(macro, cells, right, clusters=clusters, higher_is_better=True)
    alike = int(np.isnan(_balanced(cells, right, len(names))).sum())
    if not alike or len(names) == 1:
        return estimate
    note = f"; {alike} of {len(names)} properties left out, whose gold answers are all alike"
    return replace(estimate, method=estimate.method + note)


def _balanced(
    cells: npt.NDArray[np.float64], right: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.float64]:
    """Balanced accuracy of each of `count` properties, NaN where one of the two gold answers is missing."""
    index = cells.astype(np.intp)
    totals = np.bincount(index, minlength=2 * count).reshape(count, 2)
    hits = np.bincount(index, weights=right, minlength=2 * count).reshape(count, 2)
    return np.where(totals.min(axis=1) > 0, (hits / np.maximum(totals, 1)).mean(axis=1), np.nan)


# --------------------------------------------------------------------------------------------------- registry


def sizes(protocol: Protocol, set_name: str, kind: QuestionKind) -> dict[str, int]:
    """Questions per part, without reading data."""
    counts = SIZES[protocol][set_name]
    of_kind = [counts[each] for each in counts if kind in (each, "comparison")]
    return {split: sum(parts[i] for parts in of_kind) for i, split in enumerate(SPLITS)}


_LEAST_TEST_PAIRS = 10


def _tasks() -> list[Callable[[], BaseTask]]:
    made: list[Callable[[], BaseTask]] = []
    for protocol in PROTOCOLS:
        for name, entry in fgbench.SETS.items():
            for kind in ("single", "interaction", "comparison"):
                if sizes(protocol, name, kind)["test"] < _LEAST_TEST_PAIRS * len(entry.properties):
                    continue
                made.append(functools.partial(ChangeChoice, protocol, name, kind))
                if entry.kind == "value":
                    made.append(functools.partial(ChangeValue, protocol, name, kind))
    return made


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(_tasks())
