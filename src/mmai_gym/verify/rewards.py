"""Rewards for training, built from verdicts: a weighted mean of what an answer and its reasoning are worth.

Every part is in [0, 1] and monotone: a false claim added to a completion (a wrong atom, a molecule too many, an untrue
sentence) never raises it, and weights are not negative, so it never raises the reward. What a verdict merely tells, such
as a similarity, is no part, for it would pay for a copy. Where no verdict could be reached there is no reward: None and
never 0, since a zero would teach the model that whatever it wrote was wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from mmai_gym import tasks
from mmai_gym.contracts import Example, Molecule, Question, Reason, UsageError, Verdict
from mmai_gym.reasoning import Context, check_text
from mmai_gym.tasks.answers import THINK_CLOSE, THINK_OPEN
from mmai_gym.verify.service import VerificationService

_UNREADABLE = frozenset({Reason.NO_ANSWER, Reason.UNPARSABLE, Reason.INVALID_MOLECULE, Reason.TOO_LONG})


def _score(verdict: Verdict, completion: str, question: Question) -> float:
    """The verdict's own score, partial credit included."""
    return verdict.score or 0.0


def _correct(verdict: Verdict, completion: str, question: Question) -> float:
    """1 for an answer that is right, without partial credit."""
    return float(verdict.reason is Reason.CORRECT)


def _readable(verdict: Verdict, completion: str, question: Question) -> float:
    """1 for an answer of the form asked for, whatever it says. Early in training nothing else can be earned."""
    return float(verdict.reason not in _UNREADABLE)


def _overlap(verdict: Verdict, completion: str, question: Question) -> float:
    """Of a set of molecules asked for, the share that is right: Jaccard overlap with the recorded set."""
    return verdict.components.get("overlap", 0.0)


def _reasoning(verdict: Verdict, completion: str, question: Question) -> float:
    """The share of the different sentences of reasoning that are true, times the score: it counts as far as the answer."""
    if not verdict.score:
        return 0.0
    thoughts = completion.partition(THINK_OPEN)[2].partition(THINK_CLOSE)[0]
    molecules = tuple(span.text for span in question if isinstance(span, Molecule))
    found = dict(check_text(thoughts, Context(molecules)))
    return verdict.score * fmean(truth is True for truth in found.values()) if found else 0.0


PARTS: Mapping[str, Callable[[Verdict, str, Question], float]] = {
    "score": _score,
    "correct": _correct,
    "readable": _readable,
    "overlap": _overlap,
    "reasoning": _reasoning,
}
"""What can be paid for, by name."""


def reward(weights: Mapping[str, float], verdict: Verdict, completion: str, question: Question) -> float | None:
    """The weighted mean of the parts, in [0, 1]; None where the verdict is undecided.

    Args:
        weights: part -> weight, not negative; at least one above 0.

    Raises:
        UsageError: a part does not exist, or the weights are not as described.
    """
    _check(weights)
    if verdict.score is None:
        return None
    earned = sum(weight * PARTS[part](verdict, completion, question) for part, weight in weights.items() if weight)
    return earned / sum(weights.values())


def _check(weights: Mapping[str, float]) -> None:
    if unknown := [part for part in weights if part not in PARTS]:
        raise UsageError(f"no part of a reward is called {unknown[0]!r}; there are: {', '.join(PARTS)}")
    if not all(math.isfinite(weight) and weight >= 0.0 for weight in weights.values()) or not any(
        weights.values()
    ):
        raise UsageError(f"weights must be 0 or more and not all 0, got {dict(weights)}")


class RewardFunction:
    """A reward function as TRL's `GRPOTrainer` calls it, over a verification service.

    The rows of the training set name their examples by the columns `task`, `split`, `index` and `seed`: the example is
    `get(task).examples(split)[index]`, written anew by `augment` with `seed` where that is not None.

    Args:
        service: judges; stays the caller's to close.
        weights: part -> weight, see `reward`.

    Raises:
        UsageError: the weights do not fit.
    """

    __name__ = "verdict"  # TRL names its metrics by it

    def __init__(self, service: VerificationService, weights: Mapping[str, float] | None = None) -> None:
        self.weights = dict({"score": 1.0} if weights is None else weights)
        _check(self.weights)
        self._service = service

    def __call__(
        self,
        completions: Sequence[str | Sequence[Mapping[str, str]]],
        task: Sequence[str],
        split: Sequence[Any],
        index: Sequence[int],
        seed: Sequence[int | None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """One reward per completion, in order; None where there is no verdict.

        A completion is text, or a conversation whose last message is the model's. With `log_metric`, the mean score and
        the share without a verdict are logged.

        Raises:
            UsageError: a task does not exist.
        """
        seeds = [None] * len(task) if seed is None else seed
        examples = [_example(*place) for place in zip(task, split, index, seeds, strict=True)]
        texts = [text if isinstance(text, str) else text[-1]["content"] for text in completions]
        verdicts = self._service.verify(zip(task, examples, texts, strict=True))
        if log_metric is not None and verdicts:
            scores = [verdict.score for verdict in verdicts if verdict.score is not None]
            log_metric("verdict/undecided", 1.0 - len(scores) / len(verdicts))
            log_metric("verdict/score", fmean(scores) if scores else math.nan)
        return [
            reward(self.weights, verdict, text, tasks.get(name).question(example))
            for name, example, text, verdict in zip(task, examples, texts, verdicts, strict=True)
        ]


def _example(name: str, split: Any, index: int, seed: int | None) -> Example:
    task = tasks.get(name)
    example = task.examples(split)[index]
    return example if seed is None else task.augment(example, seed)
