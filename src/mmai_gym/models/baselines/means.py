"""Means by what a question shows: what a drug, or a protein, was measured at elsewhere.

Of a pair whose drug is new the protein has still been seen, and the mean over its other drugs says much: some proteins bind
nearly everything. A model of pairs that does not beat this has learned nothing about how the two fit each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from mmai_gym.contracts import AnswerForm, Molecule, Number, Property, Question
from mmai_gym.models.baselines.base import Baseline, Fitted, Reply, TrainingSet, number_text

Shown = Molecule | Property


class PartnerMeanBaseline(Baseline):
    """The mean of all training labels, moved by how far the labels of each thing shown lie from it on average.

    Things shown are molecules, proteins and named properties, each as it is written. One that training never showed moves
    nothing, so a pair with a new drug gets the mean of its protein.
    """

    name = "baseline:mean-by-partner"
    most = 1_000_000  # means cost next to nothing, and a drug's own few values are easily lost in a sample

    def supports(self, form: AnswerForm) -> bool:
        return isinstance(form, Number)

    def fit(self, training: TrainingSet) -> Fitted:
        values = [float(answer) for answer in training.answers]
        centre = fmean(values)
        deviations: dict[Shown, list[float]] = defaultdict(list)
        for question, value in zip(training.questions, values, strict=True):
            for span in _shown(question):
                deviations[span].append(value - centre)
        return _Means(centre, {span: fmean(found) for span, found in deviations.items()})


class _Means:
    def __init__(self, centre: float, moves: dict[Shown, float]) -> None:
        self.centre = centre
        self.moves = moves

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        values = [
            self.centre + sum(self.moves.get(span, 0.0) for span in _shown(question)) for question in questions
        ]
        return [Reply((number_text(value),), value=value) for value in values]


def _shown(question: Question) -> set[Shown]:
    return {span for span in question if isinstance(span, Shown)}
