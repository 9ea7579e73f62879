"""Rows of tasks as an audit needs them, read in several processes.

Some tasks write a molecule canonically when an example is asked for, or compute scaffolds to split; one process would spend
more time on that than on all comparisons. A task of ordinary size is read by one worker as a whole, so that what its splits
share is computed once; a large one in pieces.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from mmai_gym import tasks
from mmai_gym.audit.content import Content, content
from mmai_gym.contracts import SPLITS, Choice, Count, DataError, Molecule, Number, Question, Split, answer_form
from mmai_gym.tasks import BaseTask
from mmai_gym.tasks.reactions import ReactionTask
from mmai_gym.workers import Outcome, WorkerPool, cores

_PIECE = 20_000  # rows
_PIECES_AHEAD = 32
_WORTH_A_WORKER = 1_000
_SECONDS_PER_PIECE = 1_800.0
_MEMORY_MB = 4_096


class Row(NamedTuple):
    """One row, small enough to travel between processes a million times.

    Attributes:
        molecules, proteins: as in `Content`.
        made: of a reaction the product and the reactants, as they are written; None for other rows.
        asked: digest of all that the question says beside the molecules; '' where answers cannot contradict each other.
        answer: the gold answer.
    """

    molecules: tuple[str, ...] = ()
    proteins: tuple[str, ...] = ()
    made: tuple[str, str] | None = None
    asked: str = ""
    answer: str = ""

    @staticmethod
    def of(found: Content) -> Row:
        """A row that asks nothing."""
        if found.reactants is None:
            return Row(found.molecules, found.proteins)
        return Row.of_reaction(".".join(found.molecules), found.reactants, found.proteins)

    @staticmethod
    def of_reaction(product: str, reactants: str, proteins: tuple[str, ...] = ()) -> Row:
        """A reaction, both sides as written."""
        return Row((product,), proteins, (product, reactants))


Piece = tuple[str, Split, int, int | None]
"""Task, split, and the positions of the first row and of the one after the last; None for the end of the split."""


def read(names: Sequence[str]) -> Iterator[tuple[str, Mapping[Split, Sequence[Row]] | DataError]]:
    """The rows of each task by split, in the order of the names, or why its data cannot be read."""
    jobs = [(name, job) for name in names for job in _jobs(tasks.get(name))]
    with WorkerPool(rows, _stand_back, cores(), _SECONDS_PER_PIECE, _MEMORY_MB) as pool:
        outcomes = _ahead(pool.map(job for _, job in jobs if _is_large(job)))
        parts: dict[Split, list[Row]] = {split: [] for split in SPLITS}
        fault: DataError | None = None
        for number, (name, job) in enumerate(jobs):
            found: list[list[Row]] | str
            if _is_large(job):
                outcome = next(outcomes)
                found = outcome.value if outcome.error is None else f"{outcome.error}: {outcome.detail}"
            else:
                found = rows(job)
            if isinstance(found, str):
                fault = DataError(found)
            else:
                for (_, split, _, _), piece in zip(job, found, strict=True):
                    parts[split] += piece
            if number + 1 == len(jobs) or jobs[number + 1][0] != name:
                yield name, fault or parts
                parts, fault = {split: [] for split in SPLITS}, None


def _ahead(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """The outcomes, those to come awaited by a thread, so that workers get new jobs while this process compares.

    The thread must not touch RDKit, which crashes when two threads capture its log.
    """
    thread = ThreadPoolExecutor(1)
    try:
        coming = deque(thread.submit(next, outcomes, None) for _ in range(_PIECES_AHEAD))
        while (outcome := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, outcomes, None))
            yield outcome
    finally:
        thread.shutdown(cancel_futures=True)


def _stand_back() -> None:
    """Read while the process that compares, and those that compute identities for it, leave a core idle."""
    os.nice(10)


def rows(job: Sequence[Piece]) -> list[list[Row]] | str:
    """The rows of each piece, or the message of the DataError that one of them met; for a worker to compute."""
    try:
        return [_piece(*piece) for piece in job]
    except DataError as error:
        return str(error)


def _jobs(task: BaseTask) -> Iterator[list[Piece]]:
    """Pieces of a task, those that one worker takes together."""
    # To count the rows is to make them: for a worker to do.
    if type(task).sizes is BaseTask.sizes or "embedded" in task.sources:
        yield [(task.name, split, 0, None) for split in SPLITS]
        return
    try:
        sizes = task.sizes()
    except DataError:
        sizes = {"train": 1}  # the reason shows when it is read
    if sum(sizes.values()) <= _PIECE:
        yield [(task.name, split, 0, sizes.get(split, 0)) for split in SPLITS]
        return
    for split in SPLITS:
        end = sizes.get(split, 0)
        for start in range(0, end, _PIECE):
            yield [(task.name, split, start, min(start + _PIECE, end))]


def _is_large(job: Sequence[Piece]) -> bool:
    sizes = [_WORTH_A_WORKER if end is None else end - start for _, _, start, end in job]
    return sum(sizes) >= _WORTH_A_WORKER


def _piece(name: str, split: Split, start: int, end: int | None) -> list[Row]:
    task = tasks.get(name)
    if isinstance(task, ReactionTask):
        return _reactions(task, split, start, end)
    found: list[Row] = []
    for example in task.examples(split)[start:end]:
        question, answer = task.question(example), task.answer(example)
        row = Row.of(content(example, question, answer))
        found.append(row._replace(asked=_asked(question), answer=answer) if answer is not None else row)
    return found


def _reactions(task: ReactionTask, split: Split, start: int, end: int | None) -> list[Row]:
    """Rows without questions, whose sides some sources would have to canonicalise."""
    forward = task.asks.control == "forward"
    return [
        Row.of_reaction(wanted if forward else shown, shown if forward else wanted)
        for shown, wanted in task.written(split)[start:end]
    ]


def _asked(question: Question) -> str:
    # Of a structure there may be many right ones.
    if not isinstance(answer_form(question), Choice | Count | Number):
        return ""
    return _digest(tuple(span for span in question if not isinstance(span, Molecule) or span.view == "text"))


@functools.lru_cache(maxsize=4096)
def _digest(request: Question) -> str:
    return hashlib.sha256(repr(request).encode()).hexdigest()[:16]
