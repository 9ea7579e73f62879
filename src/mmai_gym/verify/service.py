"""Verification of many completions at once, in processes that can be killed.

A completion is text from outside. One of 142 characters (a necklace of spiro-fused four-membered rings) makes ring
perception in RDKit take seconds and gigabytes, and each further ring doubles both. In-process that would stop a
benchmark or a reinforcement run; here it costs its own verdict, which is then None and never 0, because nobody
knows what the answer was worth. The one exception is length: a completion beyond the limit is known to be no
answer, and scores 0 without being parsed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from mmai_gym import tasks
from mmai_gym.contracts import Example, Reason, Verdict
from mmai_gym.tasks.answers import wrap
from mmai_gym.workers import Failure, Outcome, WorkerPool

Item = tuple[str, Example, str]
"""(task name, example, completion text)"""
Key = tuple[str, str, str]
"""(task name, example id, completion text)"""

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
        self._lock = threading.RLock()  # a second stream inside the first is refused, not waited for
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
        return list(self.stream(items))

    def stream(self, items: Iterable[Item]) -> Iterator[Verdict]:
        """`verify`, each verdict handed on once it and those before it are reached.

        Items are taken a few hundred ahead of the consumer. The service serves this stream alone until it ends or is
        closed.
        """
        waiting: deque[Key] = deque()
        at_work: deque[Key] = deque()
        verdicts: dict[Key, Verdict | None] = {}

        def jobs() -> Iterator[Item]:
            for item in items:
                name, example, text = item
                key = (name, example.id, text)
                waiting.append(key)
                if key in verdicts:
                    continue
                version = tasks.get(name).verifier_version
                if len(text) > self.max_chars:
                    verdicts[key] = _too_long(version, len(text), self.max_chars)
                else:
                    verdicts[key] = None
                    at_work.append(key)
                    yield item

        with self._lock:
            for outcome in self._pool.map(jobs()):
                key = at_work.popleft()
                verdicts[key] = _verdict(outcome, tasks.get(key[0]).verifier_version)
                self._count(key[0], outcome.seconds)
                while waiting and (verdict := verdicts[waiting[0]]) is not None:
                    waiting.popleft()
                    yield verdict
            yield from (verdict for key in waiting if (verdict := verdicts[key]) is not None)

    def _count(self, name: str, seconds: float) -> None:
        count, total = self._timings.get(name, (0, 0.0))
        self._timings[name] = (count + 1, total + seconds)

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


def _verify(item: Item) -> tuple[Any, ...]:
    """The fields of a Verdict. A frozen dataclass takes three times as long to travel."""
    name, example, text = item
    verdict = tasks.get(name).verify(example, text)
    components = dict(verdict.components)
    return (
        verdict.score,
        verdict.reason.value,
        verdict.answer,
        components,
        verdict.verifier_version,
        verdict.detail,
    )


def _verdict(outcome: Outcome, version: str) -> Verdict:
    if outcome.error is None:
        score, reason, *others = outcome.value
        return Verdict(score, Reason(reason), *others)
    return Verdict(None, _REASONS[outcome.error], verifier_version=version, detail=outcome.detail)


def _too_long(version: str, length: int, limit: int) -> Verdict:
    detail = f"{length} characters, at most {limit} are read"
    return Verdict(0.0, Reason.TOO_LONG, verifier_version=version, detail=detail)
