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
from dataclasses import dataclass
from typing import Any

from mmai_gym import tasks
from mmai_gym.contracts import Example, Reason, Verdict
from mmai_gym.tasks.answers import wrap
from mmai_gym.workers import Failure, Outcome, WorkerPool

Item = tuple[str, Example, str]
"""(task name, example, completion text)"""
REMEMBERED = 50_000
"""Answers of a stream whose verdicts are kept for equal ones to come; equal answers usually follow each other closely."""

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
        """One Verdict per item, in order; equal items are computed once. Examples are equal when all of their fields are:
        one that `augment` has written anew shares its id with others that have another gold answer.

        An item that ran out of time or memory, crashed its worker or raised has score None, the reason, and the
        detail.

        Raises:
            UsageError: a task name is unknown.
            GymError: the workers cannot start.
        """
        known = list(items)
        # All of them ahead: while one hangs the other workers judge whatever comes behind it.
        return list(self._stream(known, max(1, len(known))))

    def stream(self, items: Iterable[Item]) -> Iterator[Verdict]:
        """`verify`, each verdict handed on once it and those before it are reached.

        Items are taken a few hundred ahead of the consumer, and of those before only the latest (REMEMBERED) verdicts are
        kept, so that a stream may be endless. The service serves this stream alone until it ends or is closed.
        """
        return self._stream(items, None)

    def _stream(self, items: Iterable[Item], ahead: int | None) -> Iterator[Verdict]:
        waiting: deque[_Place] = deque()
        at_work: deque[_Place] = deque()
        known = _Known()

        def jobs() -> Iterator[Item]:
            for item in items:
                name, _, text = item
                version = tasks.get(name).verifier_version
                place, new = known.place(item)
                waiting.append(place)
                if not new:
                    continue
                if len(text) > self.max_chars:
                    place.verdict = _too_long(version, len(text), self.max_chars)
                else:
                    at_work.append(place)
                    yield item

        with self._lock:
            for outcome in self._pool.map(jobs(), ahead):
                place = at_work.popleft()
                place.verdict = _verdict(outcome, tasks.get(place.task).verifier_version)
                self._count(place.task, outcome.seconds)
                while waiting and (verdict := waiting[0].verdict) is not None:
                    waiting.popleft()
                    yield verdict
            yield from (place.verdict for place in waiting if place.verdict is not None)

    def _count(self, name: str, seconds: float) -> None:
        count, total = self._timings.get(name, (0, 0.0))
        self._timings[name] = (count + 1, total + seconds)

    def timings(self) -> dict[str, tuple[int, float]]:
        """Task name -> (completions computed, milliseconds each on average), failures included."""
        return {name: (n, 1000.0 * seconds / n) for name, (n, seconds) in self._timings.items()}


@dataclass(slots=True)
class _Place:
    """Where the verdict on an answer will stand, for all that ask about it."""

    task: str
    verdict: Verdict | None = None


class _Known:
    """The places of the latest different items of a stream."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str], list[tuple[Example, _Place]]] = {}

    def place(self, item: Item) -> tuple[_Place, bool]:
        """The place of an item, and whether it is new."""
        name, example, text = item
        found = self._places.setdefault((name, example.id, text), [])
        for other, place in found:
            if other is example or other == example:
                return place, False
        found.append((example, _Place(name)))
        if len(self._places) > REMEMBERED:
            del self._places[next(iter(self._places))]  # the oldest; whoever waits for it holds its place
        return found[-1][1], True


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
