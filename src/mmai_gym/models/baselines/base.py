"""What every baseline shares: fitting on the training split when first asked, and answering from questions alone.

A baseline sees what a language model sees: the spans of a question, and the gold *text* of training examples. It
never touches `inputs`, `gold` or the verifier of the example it answers, so none of them can win by accident of
code. It works for any task that states its question and answer, today's or tomorrow's, because it knows answer
forms and not families.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from mmai_gym import tasks
from mmai_gym.contracts import (
    AnswerForm,
    Completion,
    DataError,
    Example,
    Prediction,
    Question,
    Split,
    Task,
    UsageError,
    answer_form,
    item_seed,
)
from mmai_gym.tasks.answers import wrap

MAX_TRAIN = 10_000
"""Training examples a baseline learns from unless it says otherwise, so that a fit stays a matter of seconds."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Questions that may be learned from and the gold text of each."""

    questions: tuple[Question, ...]
    answers: tuple[str, ...]
    readout: str
    """"mean" or "median": the summary of a number's distribution that the task's metric rewards."""
    seed: int = 0
    """Of what is drawn while learning."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a fitted baseline says to one question: distinct answers, best first, and what belongs to its form."""

    answers: tuple[str, ...]
    probabilities: Mapping[str, float] | None = None
    value: float | None = None
    spread: float | None = None


class Fitted(Protocol):
    """A baseline that has learned one task."""

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        """One Reply per question, in order, with at most `n` answers."""


class Baseline(ABC):
    """A Model that learns each task from its training split the first time it is asked about it.

    Attributes:
        most: training examples it learns from; a larger split is sampled. With 0 it learns nothing, and can answer
            tasks that have no training split.
        parts: the splits it learns from. Who chooses nothing on the validation part trains on it, too.
        seeded: what it learns depends on a seed.
    """

    name: str
    most: int = MAX_TRAIN
    parts: tuple[Split, ...] = ("train",)
    seeded: bool = False

    def __init__(self, training: TrainingSets | None = None) -> None:
        """`training`: shared with other baselines, where several answer the same tasks."""
        self._training = TrainingSets() if training is None else training
        self._fitted: dict[tuple[str, int], Fitted] = {}

    @abstractmethod
    def supports(self, form: AnswerForm) -> bool:
        """Whether this baseline can give an answer of that form."""

    def suits(self, question: Question) -> bool:
        """Whether it can answer such a question; by default those whose form of answer it can give."""
        return self.supports(answer_form(question))

    def can_answer(self, task: Task, example: Example) -> bool:
        """Whether the question of an example suits it, and it has what to learn from where it learns."""
        learnt = self.most == 0 or len(task.examples("train")) > 0
        return learnt and self.suits(task.question(example))

    @abstractmethod
    def fit(self, training: TrainingSet) -> Fitted:
        """Learn one task."""

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        """One Prediction per example, in order. `seed` is that of the fit, where it depends on one.

        Raises:
            UsageError: an example asks a question that does not suit this baseline.
            DataError: the training split of a task is missing or empty.
        """
        predictions: list[Prediction | None] = [None] * len(examples)
        for name in dict.fromkeys(example.task for example in examples):
            places = [i for i, example in enumerate(examples) if example.task == name]
            questions = [tasks.get(name).question(examples[i]) for i in places]
            if not self.suits(questions[0]):
                asked = type(answer_form(questions[0])).__name__.lower()
                raise UsageError(
                    f"{self.name} cannot answer questions such as those of {name}, which ask for a {asked}"
                )
            for i, reply in zip(places, self._learned(name, seed).reply(questions, n), strict=True):
                # Who has nothing to say has not answered; without a completion the example would go uncounted.
                completions = tuple(Completion(wrap(answer)) for answer in reply.answers) or (Completion(""),)
                predictions[i] = Prediction(
                    examples[i].id, completions, reply.probabilities, reply.value, reply.spread
                )
        return [prediction for prediction in predictions if prediction is not None]

    def _learned(self, name: str, seed: int) -> Fitted:
        key = (name, seed if self.seeded else 0)
        if key not in self._fitted:
            self._fitted[key] = self.fit(replace(self._training.of(name, self.most, self.parts), seed=key[1]))
        return self._fitted[key]


class TrainingSets:
    """Training sets by task name, made once and kept."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, tuple[Split, ...]], TrainingSet] = {}

    def of(self, name: str, most: int, parts: tuple[Split, ...] = ("train",)) -> TrainingSet:
        """The training set of the task called `name`, at most `most` examples of these parts of it.

        Raises:
            UsageError: there is no such task.
            DataError: its training split is missing or empty.
        """
        key = (name, most, parts)
        if key not in self._made:
            self._made[key] = training_set(tasks.get(name), most, parts)
        return self._made[key]


def training_set(task: Any, most: int = MAX_TRAIN, parts: tuple[Split, ...] = ("train",)) -> TrainingSet:
    """The training split as questions and gold text; at most `most` examples, drawn by the task's own seed.

    Raises:
        DataError: the split is empty.
    """
    if most == 0:
        return TrainingSet((), (), "")
    sequences = [task.examples(part) for part in parts]
    places = [
        (sequence, i) for sequence in sequences for i in range(len(sequence))
    ]  # examples are made when drawn
    size = len(places)
    if size == 0:
        raise DataError(
            f"{task.name} has no training examples for a baseline to learn from; choose another baseline"
        )
    rng = np.random.default_rng(item_seed(task.name, task.version, "train", 0, 0))
    chosen = range(size) if size <= most else np.sort(rng.choice(size, most, replace=False)).tolist()
    drawn = [sequence[i] for sequence, i in (places[place] for place in chosen)]
    return TrainingSet(
        tuple(task.question(example) for example in drawn),
        tuple(task.answer(example) for example in drawn),
        getattr(task, "readout", "mean"),
    )


def ranked(weights: Mapping[str, float]) -> list[str]:
    """Keys by falling weight; ties in the order of the mapping."""
    return sorted(weights, key=lambda key: -weights[key])


def distribution(options: Sequence[str], weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of the options scaled to sum 1; uniform where all of them are 0. Shape: one entry per option."""
    found = {option: float(weights.get(option, 0.0)) for option in options}
    total = sum(found.values())
    return {option: w / total if total > 0 else 1 / len(found) for option, w in found.items()}


def number_text(value: float) -> str:
    """A number as an answer writes it."""
    return f"{value:.6g}"
