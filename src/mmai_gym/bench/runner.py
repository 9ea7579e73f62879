"""Running a suite: the model and the baselines answer the same examples, and every answer is judged and written
down.

The unit of work is a chunk of examples of one task. A chunk is predicted, judged and appended before the next
begins, so a kill costs at most one chunk, and the same call goes on where the record ends. Which examples a
limit keeps is decided by a hash of their ids: not by their order (sources are often sorted), and alike for every
model.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmai_gym import sources, tasks
from mmai_gym.bench.readout import read_out
from mmai_gym.bench.round_trip import with_round_trips
from mmai_gym.bench.suite import Family, Suite
from mmai_gym.bench.table import run_name
from mmai_gym.contracts import (
    DataError,
    Example,
    Model,
    Prediction,
    Progress,
    Result,
    Split,
    Verdict,
)
from mmai_gym.models import Augmented, Baseline, TrainingSets, baseline
from mmai_gym.oracles import stamp
from mmai_gym.records import RunHeader, RunRecord
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.rendering import template_hash

SEQUENCES_PER_CHUNK = 512
"""Completions asked for between two writes to the record."""
FORWARD = "forward/"
"""Before the checksums of the model that makes round trips."""


class Verifier(Protocol):
    """What `mmai_gym.verify.VerificationService` does."""

    def verify(self, items: Sequence[tuple[str, Example, str]]) -> list[Verdict]:
        """One Verdict per (task name, example, completion), in order."""


def run(
    model: Model,
    suite: Suite,
    record_path: Path,
    *,
    split: Split = "test",
    limit: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    verifier: Verifier | None = None,
    forward: Model | None = None,
) -> Path:
    """Run `suite` on `model` and on its baselines, into the record at `record_path`; returns that path.

    Args:
        limit: at most so many examples per task; None for as many as the suite asks for.
        seed: of the samples. Part of the record's header, like the limit and the checksum of the weights: a record
            that was begun with other settings is refused.
        forward: answers the forward task of a family that names one, for round trips.
        verifier: a pool of verification workers is started, and stopped again, where none is given.

    Raises:
        UsageError: a task of the suite does not exist, or the record belongs to a different run.
        DataError: the data of a task are missing or hold an id twice.
        MissingExtra: a baseline needs a library that is not installed.
    """
    # Missing libraries and data shall show before the first hour of inference, not after it.
    training = TrainingSets()
    models: list[Model] = [model, *(baseline(name, training) for name in suite.baselines if name != model.name)]
    # Last, since it takes as long as all others together: a run that is stopped in it has all other rows.
    copies = dict.fromkeys(family.augmented for family in suite.families if family.augmented)
    models += [Augmented(model, count) for count in copies]
    work = [
        Work(family, task, subset(task.examples(split), family.least(limit)))
        for family in suite.families
        for task in map(tasks.get, family.task_names())
    ]
    total = sum(
        len(job.examples) * len(fits(who, job, seed)) for who in models for job in work if answers(who, job)
    )
    done = 0
    with contextlib.ExitStack() as stack:
        record = stack.enter_context(
            RunRecord.open(record_path, _header(model, suite, work, split, limit, seed, forward))
        )
        known = record.done()
        judge = verifier or stack.enter_context(service())
        for who in models:
            for job in work:
                if not answers(who, job):
                    continue
                for name, fit_seed in fits(who, job, seed):
                    pending = [e for e in job.examples if (name, job.task.name, e.id) not in known]
                    done += len(job.examples) - len(pending)
                    for chunk in _chunks(_together(who, pending), chunk_size(who, job.family)):
                        if progress is not None:
                            progress(done, total, f"benchmark · {name} · {job.task.name}")
                        results, seconds = _answered(who, job, chunk, fit_seed, judge)
                        if forward is not None and job.family.forward:
                            results = with_round_trips(results, forward, job.family.forward, seed)
                        for result in results:
                            record.append(name, result, seconds)
                        done += len(chunk)
    if progress is not None:
        progress(done, total, "benchmark · done")
    return record_path


@dataclass(frozen=True, slots=True)
class Work:
    """The examples of one task that every model answers."""

    family: Family
    task: BaseTask
    examples: list[Example]


def subset(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """The `limit` examples whose ids hash lowest, in their original order; a smaller limit gives a part of it.

    Raises:
        DataError: two examples have the same id.
    """
    found = list(examples)
    if len({example.id for example in found}) < len(found):
        raise DataError(
            f"{found[0].task} holds two {found[0].split} examples with the same id; give each row its own"
        )
    if limit is None or limit >= len(found):
        return found
    order = sorted(range(len(found)), key=lambda i: hashlib.sha256(found[i].id.encode()).digest())
    return [found[i] for i in sorted(order[:limit])]


def _together(model: Model, examples: Sequence[Example]) -> list[Example]:
    """The examples, those side by side whose common beginning the model reads once for all that are in a chunk."""
    opening: Callable[[Example], str] | None = getattr(model, "opening", None)
    return sorted(examples, key=opening) if opening else list(examples)


def answers(model: Model, job: Work) -> bool:
    """Whether the model can answer this task at all; only baselines cannot answer everything."""
    if not job.examples:
        return False
    if isinstance(model, Augmented):
        return job.family.augmented == model.copies and answers(model.model, job)
    return not isinstance(model, Baseline) or model.can_answer(job.task, job.examples[0])


def fits(model: Model, job: Work, seed: int) -> list[tuple[str, int]]:
    """The names under which a record holds a model's answers to a task, and the seed of each.

    A baseline whose fit depends on a seed is fitted as often as the family asks, with seeds from 1; all others run once.
    """
    if job.family.seeds > 1 and getattr(model, "seeded", False):
        return [(run_name(model.name, one), one) for one in range(1, job.family.seeds + 1)]
    return [(model.name, seed)]


def chunk_size(model: Model, family: Family) -> int:
    """Examples that are answered between two writes to the record."""
    return max(1, SEQUENCES_PER_CHUNK // (family.n * getattr(model, "copies", 1)))


def _answered(
    model: Model, job: Work, chunk: Sequence[Example], seed: int, judge: Verifier
) -> tuple[list[Result], float]:
    """The judged answers to one chunk, and the seconds that the prediction of one example took."""
    started = time.perf_counter()
    given = model.predict(chunk, job.family.n, seed)
    seconds = round((time.perf_counter() - started) / len(chunk), 6)
    predictions = [read_out(job.task, *both) for both in zip(chunk, given, strict=True)]
    verdicts = iter(judge.verify(_items(job.task.name, chunk, predictions)))
    results = [
        Result(example, prediction, tuple(next(verdicts) for _ in prediction.completions))
        for example, prediction in zip(chunk, predictions, strict=True)
    ]
    return results, seconds


def _items(
    name: str, chunk: Sequence[Example], predictions: Sequence[Prediction]
) -> list[tuple[str, Example, str]]:
    return [
        (name, example, completion.text)
        for example, prediction in zip(chunk, predictions, strict=True)
        for completion in prediction.completions
    ]


def _chunks(examples: Sequence[Example], size: int) -> Iterator[Sequence[Example]]:
    return (examples[start : start + size] for start in range(0, len(examples), size))


@contextlib.contextmanager
def service() -> Iterator[Verifier]:
    """A pool of verification workers, stopped on leaving."""
    from mmai_gym.verify import VerificationService

    with VerificationService() as service:
        yield service


def _header(
    model: Model,
    suite: Suite,
    work: Sequence[Work],
    split: Split,
    limit: int | None,
    seed: int,
    forward: Model | None,
) -> RunHeader:
    families = [
        {**family.model_dump(mode="json"), "tasks": list(family.task_names())} for family in suite.families
    ]
    weighed = [job.task.name for job in work if any(job.task.base_rates(one) for one in job.examples)]
    return RunHeader(
        kind="bench",
        config={
            "suite": suite.name,
            "model": model.name,
            "variants": [
                f"{model.name} x{count}"
                for count in dict.fromkeys(f.augmented for f in suite.families if f.augmented)
            ],
            "baselines": list(suite.baselines),
            "families": families,
            "split": split,
            "limit": limit,
            "omitted": {job.task.name: dict(left) for job in work if (left := job.task.omitted())},
            **({"over_base_rates": weighed} if weighed else {}),
            **({"forward": forward.name} if forward is not None else {}),
            **({"exclusions": excluded} if (excluded := getattr(model, "exclusions", {})) else {}),
        },
        tasks={job.task.name: job.task.version for job in work},
        checksums=_checksums(model, work) | forward_checksums(forward),
        prompts={"template": template_hash(), **getattr(model, "prompts", {})},
        seeds={"bench": seed},
    )


def forward_checksums(forward: Model | None) -> dict[str, str]:
    """SHA-256 of the weights that make the round trips, as a record names them."""
    return {f"{FORWARD}{name}": sha for name, sha in getattr(forward, "checksums", {}).items()}


def _checksums(model: Model, work: Sequence[Work]) -> dict[str, str]:
    """SHA-256 of the weights and of every data file behind the tasks, and the stamps of the oracles that judge."""
    known = {"embedded", *sources.list_datasets()}
    names = sorted({name for job in work for name in job.task.sources if name in known})
    data = {f"{name}/{file}": sha for name in names for file, sha in sources.checksums(name).items()}
    judges = {f"oracle/{one.name}": stamp(one) for job in work for one in job.task.judged_with}
    return {**getattr(model, "checksums", {}), **data, **judges}
