"""Verification of many completions at once, in processes that can be killed.

A completion is text from outside. One of 142 characters (a necklace of spiro-fused four-membered rings) makes ring
perception in RDKit take seconds and gigabytes, and each further ring doubles both. In-process that would stop a
benchmark or a reinforcement run; here it costs its own verdict, which is then None and never 0, because nobody
knows what the answer was worth. The one exception is length: a completion beyond the limit is known to be no
answer, and scores 0 without being parsed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from mmai_gym import tasks
from mmai_gym.contracts import Example, Reason, Verdict
from mmai_gym.tasks.answers import wrap
from mmai_gym.workers import Failure, Outcome, WorkerPool

Item = tuple[str, Example, str]
"""(task name, example, completion text)"""

_REASONS: dict[Failure, Reason] = {
    "timeout": Reason.TIMEOUT,
    "memory": Reason.MEMORY,
    "crash": Reason.CRASH,
    "error": Reason.VERIFIER_ERROR,
}


class VerificationService:
    """`Task.verify` for batches of any tasks, under limits.

    Args:
        workers: number of processes; they start at the first batch.
        seconds: wall-clock limit per completion.
        memory_mb: memory (MiB) a worker may take beyond its start-up size.
        max_chars: longer completions score 0 (`Reason.TOO_LONG`) unread.

    Use it as a context manager. Any thread may call it; batches of several threads follow one another. Workers
    know the tasks that the package itself registers.
    """

    def __init__(
        self, workers: int = 2, seconds: float = 5.0, memory_mb: int = 2048, max_chars: int = 20_000
    ) -> None:
        self.max_chars = max_chars
        self._pool = WorkerPool(
            _verify, _load, workers=workers, seconds=seconds, memory_mb=memory_mb, prepare=_warm_up
        )
        self._lock = threading.Lock()
        self._timings: dict[str, tuple[int, float]] = {}

    def __enter__(self) -> VerificationService:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers."""
        self._pool.close()

    def verify(self, items: Iterable[Item]) -> list[Verdict]:
        """One Verdict per item, in order; equal items are computed once.

        An item that ran out of time or memory, crashed its worker or raised has score None, the reason, and the
        detail.

        Raises:
            UsageError: a task name is unknown.
            GymError: the workers cannot start.
        """
        keys: list[tuple[str, str, str]] = []
        jobs: dict[tuple[str, str, str], Item] = {}
        verdicts: dict[tuple[str, str, str], Verdict] = {}
        for name, example, text in items:
            key = (name, example.id, text)
            keys.append(key)
            if len(text) > self.max_chars:
                verdicts[key] = _too_long(name, len(text), self.max_chars)
            else:
                jobs.setdefault(key, (name, example, text))
        versions = {name: tasks.get(name).version for name in {key[0] for key in keys}}
        with self._lock:
            for key, outcome in zip(jobs, self._pool.map(jobs.values()), strict=True):
                verdicts[key] = _verdict(outcome, versions[key[0]])
                count, seconds = self._timings.get(key[0], (0, 0.0))
                self._timings[key[0]] = (count + 1, seconds + outcome.seconds)
        return [verdicts[key] for key in keys]

    def timings(self) -> dict[str, tuple[int, float]]:
        """Task name -> (completions computed, milliseconds each on average), failures included."""
        return {name: (n, 1000.0 * seconds / n) for name, (n, seconds) in self._timings.items()}


def _load() -> None:
    """Build the registry before the limits apply, so that no item pays for importing the toolkits."""
    tasks.names()


_WARM: set[str] = set()
"""Tasks that this worker has judged with before."""


def _warm_up(item: Item) -> None:
    """Judge an answer whose text we trust, so that a task's tables are loaded before the first limit applies."""
    name, example, _ = item
    if name not in _WARM:
        _WARM.add(name)
        task = tasks.get(name)
        task.verify(example, wrap(task.answer(example) or "C"))


def _verify(item: Item) -> Verdict:
    name, example, text = item
    return tasks.get(name).verify(example, text)


def _verdict(outcome: Outcome, version: str) -> Verdict:
    if outcome.error is None:
        value: Any = outcome.value
        return value
    return Verdict(None, _REASONS[outcome.error], verifier_version=version, detail=outcome.detail)


def _too_long(name: str, length: int, limit: int) -> Verdict:
    detail = f"{length} characters, at most {limit} are read"
    return Verdict(0.0, Reason.TOO_LONG, verifier_version=tasks.get(name).version, detail=detail)
