"""What the tasks about reactions share: one side is shown, the other is the answer, and sets of molecules are compared.

An answer counts when its canonical set of molecules equals the recorded one (Liu et al. 2017; Dai et al. 2019): the
order of the molecules means nothing, their number, charges and stereo do. Atom maps never reach a question: their order
alone betrays the reaction centre.

Ranks are counted as given. In `top_k` an invalid candidate or a repeat of an earlier one keeps its rank and so costs a
place; published evaluations usually take both out before they rank, and a model that wants to be compared with them
does the same before it answers. The first rank is affected by invalid candidates only.

The class of a reaction is unknown to the model. Where a source knows it, it stands in the example's `reaction_class`,
which no question shows, and `top_1_class_N` is the accuracy within that class.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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
)
from mmai_gym.molecules import canonical_set
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.scoring import exact_rate, structure_metrics

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

    headline = "top_1"
    asks: Words
    form: Structure

    @abstractmethod
    def _rows(self, split: Split) -> Sequence[ReactionRow]:
        """The reactions of a split, in the order of their source."""

    def canonical(self, split: Split) -> bool:
        """Whether both sides are canonical sets as they stand, so that nobody need compute those again."""
        return False

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self._rows(split)

        def make(i: int) -> Example:
            row = rows[i]
            known = {"reaction_class": row.reaction_class} if row.reaction_class else {}
            return Example(row.id, self.name, split, {"smiles": row.shown, **known}, row.wanted)

        return LazyExamples(len(rows), make)

    def question(self, example: Example) -> Question:
        return (self.asks, Molecule(example.inputs["smiles"]), self.form)

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        gold = _side(example, str(example.gold))
        given = gold if answer == example.gold else canonical_set(answer)
        if given == gold:
            return Verdict(1.0, Reason.CORRECT, answer, self._components(given, gold))
        shown = _side(example, example.inputs["smiles"])
        copied = given == shown or given in shown.split(".")
        reason = Reason.COPIED_INPUT if copied else Reason.WRONG
        return Verdict(0.0, reason, answer, self._components(given, gold))

    def _components(self, given: str, gold: str) -> dict[str, float]:
        """What a verdict tells beside its score, from the canonical sets of the answer and of the gold answer.

        `overlap`: molecules that both have, by those that either has (Jaccard overlap, counting repeats).
        """
        return {"overlap": 1.0 if given == gold else _overlap(Counter(given.split(".")), Counter(gold.split(".")))}

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        metrics = {f"top_{k}": exact_rate(results, k) for k in ranks(results)}
        return metrics | structure_metrics(results) | _by_class(results)


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
