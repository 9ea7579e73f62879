"""The two baselines that know no chemistry: always the same answer, and the input given back.

Whatever cannot beat these has learned nothing, however high its accuracy reads: a rare class makes a constant look
good, and a lenient optimization metric pays for copying.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mmai_gym.contracts import AnswerForm, Choice, Molecule, Number, Question, Structure, answer_form
from mmai_gym.models.baselines.base import (
    Baseline,
    Fitted,
    Reply,
    TrainingSet,
    distribution,
    number_text,
    ranked,
)


class ConstantBaseline(Baseline):
    """One answer per task: the majority option, mean or median, or the most frequent training answers."""

    name = "baseline:constant"

    def supports(self, form: AnswerForm) -> bool:
        return True

    def fit(self, training: TrainingSet) -> Fitted:
        if isinstance(answer_form(training.questions[0]), Number):
            values = [float(answer) for answer in training.answers]
            centre = statistics.median(values) if training.readout == "median" else statistics.fmean(values)
            return ConstantNumber(centre, statistics.pstdev(values))
        return Frequencies(dict(Counter(training.answers).most_common()))


@dataclass(frozen=True, slots=True)
class ConstantNumber:
    """The same number, with the standard deviation of the training labels, for every question."""

    value: float
    spread: float

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        return [Reply((number_text(self.value),), value=self.value, spread=self.spread) for _ in questions]


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Training answers and how often each occurred, most frequent first."""

    counts: dict[str, float]

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        return [self._reply(answer_form(question), n) for question in questions]

    def _reply(self, form: AnswerForm, n: int) -> Reply:
        if not isinstance(form, Choice):
            return Reply(tuple(list(self.counts)[:n]))
        probabilities = distribution(form.options, self.counts)
        return Reply(tuple(ranked(probabilities)[:n]), probabilities)


class CopyBaseline(Baseline):
    """The first molecule of the question as the answer, for tasks that ask for a structure."""

    name = "baseline:copy"
    most = 0

    def supports(self, form: AnswerForm) -> bool:
        return isinstance(form, Structure)

    def fit(self, training: TrainingSet) -> Fitted:
        return _Copier()


class _Copier:
    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        shown = ([span.text for span in question if isinstance(span, Molecule)] for question in questions)
        return [Reply((molecules[0] if molecules else "",)) for molecules in shown]
