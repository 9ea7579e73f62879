"""Worked examples that stand in a prompt before the question (few-shot), the same for every question of a task."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from mmai_gym.contracts import Choice, Question, UsageError, answer_form, item_seed

Shot = tuple[Question, str]
"""A question and its answer."""

_DRAWN = 50
"""Examples looked at for each one that is wanted, so that rare options are met."""


class Shots:
    """So many examples of the training split of each task; the options of a choice take turns.

    Raises:
        UsageError: the number is negative.
    """

    def __init__(self, count: int) -> None:
        if count < 0:
            raise UsageError(f"{count} examples cannot stand in a prompt; give 0 or more")
        self.count = count
        self._of: dict[str, tuple[Shot, ...]] = {}

    def before(self, task: Any, question: Question) -> tuple[Shot, ...]:
        """The examples to show before `question`, which is never one of them.

        Raises:
            UsageError: the task has too few training examples.
        """
        if self.count == 0:
            return ()
        if task.name not in self._of:
            self._of[task.name] = tuple(_turns(_drawn(task, self.count + 1)))  # one to spare
        shots = [shot for shot in self._of[task.name] if shot[0] != question][: self.count]
        if len(shots) < self.count:
            raise UsageError(f"{task.name} has no {self.count} training examples to show; ask for fewer --shots")
        return tuple(shots)


def _drawn(task: Any, count: int) -> list[Shot]:
    """Answered training examples in random order, drawn by the task's own seed."""
    examples = task.examples("train")
    rng = random.Random(item_seed(task.name, task.version, "train", 0, 1))
    chosen = rng.sample(range(len(examples)), min(len(examples), _DRAWN * count))
    drawn = ((task.question(examples[i]), task.answer(examples[i])) for i in chosen)
    return [(question, answer) for question, answer in drawn if answer is not None]


def _turns(shots: Sequence[Shot]) -> Iterator[Shot]:
    """Examples whose answers take turns where the answer is one of a few options; else in their order."""
    if not shots or not isinstance(answer_form(shots[0][0]), Choice):
        yield from shots
        return
    piles: dict[str, list[Shot]] = {}
    for shot in shots:
        piles.setdefault(shot[1], []).append(shot)
    for round_ in range(max(map(len, piles.values()))):
        yield from (pile[round_] for pile in piles.values() if round_ < len(pile))
