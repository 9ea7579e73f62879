"""MapLight (Notwell and Wood, arXiv 2310.00174, 2023): the boosting that holds its places on the TDC board.

Default CatBoost (1,000 trees of depth 6) on three fingerprints and 200 descriptors, trained on training and validation part
together, since nothing is chosen on either. What a copy easily gets wrong is regression: the trees minimise the *absolute*
error of standardised labels, on the scale log(1 + y) where the labels trail off to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import (
    AnswerForm,
    Choice,
    Example,
    Molecule,
    Number,
    Question,
    Split,
    Task,
    answer_form,
)
from mmai_gym.extras import require
from mmai_gym.models.baselines.base import (
    Baseline,
    Fitted,
    Reply,
    TrainingSet,
    TrainingSets,
    distribution,
    number_text,
    ranked,
)
from mmai_gym.models.baselines.features import maplight_features
from mmai_gym.models.baselines.trivial import ConstantBaseline
from mmai_gym.workers import cores

TREES = 1000
_SKEWED = 1.0
"""Skewness of labels from which they are learned on a logarithmic scale. It chooses the four endpoints of TDC (volume of
distribution, half-life, both clearances) that the authors chose by name."""

Floats = npt.NDArray[np.float64]


class MapLightBaseline(Baseline):
    """Boosted trees on everything that is quickly computed of one molecule, for labels that were measured.

    Raises:
        MissingExtra: catboost is not installed.
    """

    name = "baseline:maplight"
    most = 1_000_000
    parts: tuple[Split, ...] = ("train", "valid")
    seeded = True

    def __init__(self, training: TrainingSets | None = None) -> None:
        require("catboost", extra="bench")
        super().__init__(training)

    def supports(self, form: AnswerForm) -> bool:
        return isinstance(form, Choice | Number)

    def suits(self, question: Question) -> bool:
        """Besides the form, a question must be about one molecule."""
        shown = [span for span in question if isinstance(span, Molecule)]
        return len(shown) == 1 and shown[0].view == "smiles" and super().suits(question)

    def can_answer(self, task: Task, example: Example) -> bool:
        """Besides what `suits` asks, no program may have made the labels: it could be one of the columns."""
        return not getattr(task, "teachers", ()) and super().can_answer(task, example)

    def fit(self, training: TrainingSet) -> Fitted:
        x = _features(training.questions)
        if len(set(training.answers)) < 2 or not (x != x[0]).any():
            return ConstantBaseline().fit(training)
        if isinstance(answer_form(training.questions[0]), Choice):
            return _Classes(x, training.answers, training.seed)
        return _Values(x, np.array(training.answers, dtype=np.float64), training.seed)


def _features(questions: Sequence[Question]) -> npt.NDArray[np.float32]:
    """Shape (len(questions), 2563)."""
    shown = [next(span.text for span in question if isinstance(span, Molecule)) for question in questions]
    return maplight_features(shown)


def _settings(seed: int) -> dict[str, Any]:
    return {
        "iterations": TREES,
        "random_strength": 2,
        "random_seed": seed,
        "thread_count": cores(),
        "verbose": False,
        "allow_writing_files": False,
    }


class _Classes:
    def __init__(self, x: npt.NDArray[np.float32], labels: Sequence[str], seed: int) -> None:
        from catboost import CatBoostClassifier

        loss = "Logloss" if len(set(labels)) == 2 else "MultiClass"
        model = CatBoostClassifier(loss_function=loss, **_settings(seed))
        self.model = model.fit(x, np.array(labels, dtype=object))

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        table = self.model.predict_proba(_features(questions))
        classes = [str(label) for label in self.model.classes_]
        return [
            _chosen(question, dict(zip(classes, line, strict=True)), n)
            for question, line in zip(questions, table, strict=True)
        ]


def _chosen(question: Question, weights: dict[str, float], n: int) -> Reply:
    form = answer_form(question)
    probabilities = distribution(form.options if isinstance(form, Choice) else tuple(weights), weights)
    return Reply(tuple(ranked(probabilities)[:n]), probabilities)


class _Values:
    def __init__(self, x: npt.NDArray[np.float32], y: Floats, seed: int) -> None:
        from catboost import CatBoostRegressor

        self.scale = Scale.of(y)
        model = CatBoostRegressor(loss_function="MAE", **_settings(seed))
        self.model = model.fit(x, self.scale.forward(y))

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        values = self.scale.back(np.asarray(self.model.predict(_features(questions)), dtype=np.float64))
        return [Reply((number_text(value),), value=value) for value in values.tolist()]


@dataclass(frozen=True, slots=True)
class Scale:
    """Labels moved to 0 or above, put on a logarithmic scale where they are skewed, and standardised."""

    offset: float
    logarithmic: bool
    mean: float
    deviation: float

    @classmethod
    def of(cls, y: Floats) -> Scale:
        """The scale of training labels, which must not all be equal."""
        offset = min(float(y.min()), 0.0)
        standardised = (y - y.mean()) / y.std()
        logarithmic = float(np.mean(standardised**3)) > _SKEWED
        shown = _bent(y - offset, logarithmic)
        return cls(offset, logarithmic, float(shown.mean()), float(shown.std()))

    def forward(self, y: Floats) -> Floats:
        """What the trees learn, of labels."""
        return (_bent(y - self.offset, self.logarithmic) - self.mean) / self.deviation

    def back(self, z: Floats) -> Floats:
        """Labels, of what the trees say."""
        bent = z * self.deviation + self.mean
        return (np.power(10.0, bent) - 1.0 if self.logarithmic else bent) + self.offset


def _bent(y: Floats, logarithmic: bool) -> Floats:
    return np.log10(y + 1.0) if logarithmic else y
