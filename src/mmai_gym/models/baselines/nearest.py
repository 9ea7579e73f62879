"""Nearest neighbours: what similar molecules of the training split were labelled.

The baseline that a medicinal chemist applies by eye, and the one that exposes a test set whose molecules have
twins in the training data. Similarity is Tanimoto on Morgan bits of radius 2; neighbours answer the same
property. All similarities of a block of questions come out of one matrix product, whose sums of zeros and ones
are exact in single precision, so the neighbours do not depend on the linear algebra library.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import AnswerForm, Choice, Indices, Number, Question, Structure, answer_form
from mmai_gym.models.baselines.base import (
    Baseline,
    Fitted,
    Reply,
    TrainingSet,
    distribution,
    number_text,
    ranked,
)
from mmai_gym.models.baselines.features import count_fingerprints, molecule_columns, molecules_of, topic

NEIGHBOURS = 5
_BLOCK = 256

Bits = npt.NDArray[np.float32]
Found = tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]
"""Training rows, nearest first, and their similarity."""


class NearestNeighbourBaseline(Baseline):
    """The five nearest training molecules vote, by similarity; for a structure their answers are handed on in
    turn.

    Atom positions are not supported: those of another molecule mean nothing.
    """

    name = "baseline:nearest"

    def supports(self, form: AnswerForm) -> bool:
        return not isinstance(form, Indices)

    def fit(self, training: TrainingSet) -> Fitted:
        return _Neighbours(training)


class _Neighbours:
    def __init__(self, training: TrainingSet) -> None:
        self.answers = training.answers
        self.width = max(len(molecules_of(question)) for question in training.questions)
        self.bits = _bits(training.questions, self.width)
        topics = [topic(question) for question in training.questions]
        self.rows_of = {
            name: np.array([i for i, other in enumerate(topics) if other == name], dtype=np.intp)
            for name in dict.fromkeys(topics)
        }
        self.all_rows = np.arange(len(topics))

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        replies: list[Reply | None] = [None] * len(questions)
        topics = [topic(question) for question in questions]
        for name in dict.fromkeys(topics):
            places = [i for i, other in enumerate(topics) if other == name]
            # A property never seen in training leaves all training molecules to choose from.
            rows = self.rows_of.get(name, self.all_rows)
            for start in range(0, len(places), _BLOCK):
                block = places[start : start + _BLOCK]
                similarity = self._similarity([questions[i] for i in block], rows)
                for i, line in zip(block, similarity, strict=True):
                    replies[i] = self._reply(answer_form(questions[i]), rows, line, n)
        return [reply for reply in replies if reply is not None]

    def _similarity(self, questions: Sequence[Question], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Tanimoto similarity, averaged over the molecules of a question; shape (len(questions), len(rows))."""
        total = np.zeros((len(questions), len(rows)))
        for query, known in zip(_bits(questions, self.width), self.bits, strict=True):
            candidates = known[rows]
            common = query @ candidates.T
            union = query.sum(1)[:, None] + candidates.sum(1)[None, :] - common
            total += common / np.maximum(union, 1.0)
        return total / max(self.width, 1)

    def _reply(
        self, form: AnswerForm, rows: npt.NDArray[np.intp], similarity: npt.NDArray[np.float64], n: int
    ) -> Reply:
        order = np.argsort(-similarity, kind="stable")
        if isinstance(form, Structure):
            nearest = dict.fromkeys(self.answers[rows[i]] for i in order[: 4 * n])
            return Reply(tuple(nearest)[:n])
        order = order[:NEIGHBOURS]
        answers = [self.answers[rows[i]] for i in order]
        # A neighbour without a common bit still counts for something, or strangers would leave no vote at all.
        weights = similarity[order] + 1e-3
        if isinstance(form, Number):
            return _weighted_mean(np.array(answers, dtype=np.float64), weights)
        votes: dict[str, float] = {}
        for answer, weight in zip(answers, weights, strict=True):
            votes[answer] = votes.get(answer, 0.0) + float(weight)
        if isinstance(form, Choice):
            probabilities = distribution(form.options, votes)
            return Reply(tuple(ranked(probabilities)[:n]), probabilities)
        return Reply(tuple(ranked(votes)[:n]))


def _weighted_mean(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> Reply:
    mean = float(np.average(values, weights=weights))
    spread = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    return Reply((number_text(mean),), value=mean, spread=spread)


def _bits(questions: Sequence[Question], width: int) -> list[Bits]:
    """Morgan bits as zeros and ones, one array of shape (len(questions), 2048) per molecule of a question."""
    return [(count_fingerprints(column) > 0).astype(np.float32) for column in molecule_columns(questions, width)]
