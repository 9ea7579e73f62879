"""Multi-property optimization: the sets of MuMO and C-MuMO (Dey, Hu and Ning 2025).

One molecule is given, several properties shall change at once. The protocol's success (the best of up to 20 answers,
no similarity floor) is reported to the letter, but the headline is the gym's: a success besides keeps a Tanimoto
similarity of at least 0.4 and is no trick (see `tricks`). Values before and after come from the same oracles.

A set is a task when all its properties have an oracle, which the registry of oracles decides. Inputs of `mumo/bdq` and
`mumo/bdpq` are the public ones. Those of the other sets are not public: molecules of ZINC250k (of two sets, of ChEMBL too)
were drawn by the published rule for inputs (see `resampling`), once and for all, so that another release of an oracle
changes no input; results on them must say so. Nobody knows an answer to any input, so there is no training split and
`answer` is None.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmai_gym.contracts import (
    Estimate,
    Example,
    Molecule,
    Oracle,
    Property,
    Question,
    Reason,
    Result,
    Span,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.molecules import canonical, tanimoto
from mmai_gym.oracles import ORACLES, stamp
from mmai_gym.sources import mumo
from mmai_gym.sources.derived import derived_table
from mmai_gym.tasks import candidates
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.multi_property_sets import (
    C_MUMO,
    DECIMALS,
    MUMO,
    Aim,
    OptimizationSet,
    Values,
    with_oracles,
)
from mmai_gym.tasks.resampling import drawn_inputs, origin_of, positions, values_of
from mmai_gym.tasks.tricks import JUDGE_VERSION, SIMILARITY_FLOOR, trick, worthless

INPUTS = 500
"""Test inputs of the public sets."""

PUBLIC_ORIGIN = "public test set"


class MultiProperty(BaseTask):
    """One set.

    An example's inputs are the molecule, its `origin` (public, or drawn from where), and the oracles of the properties to
    `improve`; the set's other properties are to be kept.
    """

    judge_version = JUDGE_VERSION
    headline = "success"
    decode = "sample"

    def __init__(self, definition: OptimizationSet, oracles: Mapping[str, Oracle] = ORACLES) -> None:
        self.definition = definition
        self.oracles = oracles
        self.name = definition.task
        self.properties = definition.oracles
        self.judged_with = tuple(oracles[name] for name in definition.oracles)
        self.teachers = tuple(dict.fromkeys(oracle.teacher for oracle in self.judged_with))
        self.sources = ("mumo",) if definition.public else definition.drawn_from

    def sizes(self) -> dict[str, int]:
        inputs = INPUTS if self.definition.public else len(positions(self.definition))
        return {"train": 0, "valid": 0, "test": inputs}

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self._inputs() if split == "test" else ()
        return LazyExamples(len(rows), lambda i: Example(rows[i][0], self.name, split, rows[i][1], None))

    def _inputs(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        if self.definition.public:
            return [
                (row.id, self._fields(row.smiles, PUBLIC_ORIGIN, row.values))
                for row in _public(self.definition.letters)
            ]
        origin = origin_of(self.definition)
        return [(id_, self._fields(smiles, origin, values)) for id_, smiles, values in self._drawn]

    @functools.cached_property
    def _drawn(self) -> Sequence[tuple[str, str, Values]]:
        rows = drawn_inputs(self.definition)
        texts = [f"{row.id} {row.smiles}" for row in rows]
        values = derived_table(
            self.name.replace("/", "-"),
            "2",
            [*texts, *map(stamp, self.judged_with)],
            lambda: values_of([row.smiles for row in rows], self.definition.oracles, self.oracles),
        )
        return [(row.id, row.smiles, found) for row, found in zip(rows, values, strict=True)]

    def _fields(self, smiles: str, origin: str, values: Values) -> Mapping[str, Any]:
        improve = tuple(aim.oracle for aim in self.definition.to_improve(values))
        return {"smiles": smiles, "origin": origin, "improve": improve}

    def question(self, example: Example) -> Question:
        improve = [aim for aim in self.definition.aims if aim.oracle in example.inputs["improve"]]
        keep = [aim for aim in self.definition.aims if aim not in improve]
        spans: list[Span] = [
            Words("Change the molecule slightly (Tanimoto similarity at least 0.4) so as to", "optimize")
        ]
        for aim in improve:
            spans += self._asked(aim, joined=len(spans) > 1)
        for number, aim in enumerate(keep):
            spans += [Words("and" if number else "and keep"), Property(aim.oracle)]
        return (*spans, Words("of the molecule"), Molecule(example.inputs["smiles"]), Structure("molecule"))

    def _asked(self, aim: Aim, *, joined: bool) -> list[Span]:
        amount = self.definition.amount(aim)
        spans: list[Span] = [Words("and")] if joined else []
        return [*spans, Property(aim.oracle, aim.goal), *([Words(amount)] if amount else [])]

    def answer(self, example: Example) -> None:
        return None

    def judge(self, example: Example, answer: str) -> Verdict:
        source, target = canonical(example.inputs["smiles"]), canonical(answer)
        if worthless(found := trick(source, target), target):
            return Verdict(0.0, Reason.WRONG, answer, detail=found)
        before, after = values_of([source, target], self.definition.oracles, self.oracles)
        return self.grade(example, answer, before, after)

    def grade(self, example: Example, answer: str, before: Values, after: Values) -> Verdict:
        """The verdict on an answer whose property values are known, wherever they come from.

        Args:
            before: values of the input by oracle; rounded to two decimals here.
            after: values of the answer.

        Raises:
            InvalidMolecule: the answer cannot be read.
        """
        source, target = canonical(example.inputs["smiles"]), canonical(answer)
        found = trick(source, target)
        before, after = _rounded(before), _rounded(after)
        if missing := [name for name in self.definition.oracles if math.isnan(before[name] + after[name])]:
            if found:
                return Verdict(0.0, Reason.WRONG, answer, detail=found)
            return Verdict(None, Reason.MISSING_ORACLE, answer, detail=self._without(missing, source, target))
        similarity = tanimoto(source, target)
        carried = candidates.components(before, after, similarity)
        progress = self.definition.progress(before, after)
        if found:
            return Verdict(0.0, Reason.WRONG, answer, carried, detail=found)
        if target == source:
            return Verdict(0.0, Reason.COPIED_INPUT, answer, carried)
        if similarity < SIMILARITY_FLOOR:
            return Verdict(0.0, Reason.NOT_SIMILAR, answer, carried, detail=f"similarity {similarity:.2f}")
        if progress == 1.0:
            return Verdict(1.0, Reason.CORRECT, answer, carried)
        reason = Reason.PARTIAL if progress else Reason.WRONG
        return Verdict(0.5 * progress, reason, answer, carried)

    def _without(self, missing: Sequence[str], source: str, target: str) -> str:
        oracles = [self.oracles[name] for name in missing]
        reasons = [oracle.reason(target) or oracle.reason(source) for oracle in oracles]
        return "; ".join(f"no value of {name}: {why}" for name, why in zip(missing, reasons, strict=True))

    def clusters(self, results: Sequence[Result]) -> list[str] | None:
        return candidates.molecule_clusters([str(result.example.inputs["smiles"]) for result in results])

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return candidates.metrics(results, self.definition)


def _rounded(values: Values) -> Values:
    return {name: round(value, DECIMALS) for name, value in values.items()}


def _public(letters: str) -> Sequence[mumo.MumoInput]:
    return mumo.inputs("bdq" if letters == "BDQ" else "bdpq")


def tasks_for(oracles: Mapping[str, Oracle]) -> tuple[Callable[[], BaseTask], ...]:
    """What makes each task whose properties all have an oracle among those given."""
    return tuple(
        functools.partial(MultiProperty, definition, oracles)
        for definition in with_oracles((*MUMO, *C_MUMO), oracles)
    )


TASKS: tuple[Callable[[], BaseTask], ...] = tasks_for(ORACLES)
