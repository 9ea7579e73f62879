"""The tasks: one file per family, and the registry that finds them by name.

`get("retrosynthesis/uspto-50k")` gives one task, `match("admet")` the names at or below a prefix. Names are known
without touching any data; a task reads its files when its examples are asked for.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator
from types import ModuleType

from mmai_gym.contracts import SPLITS, DataError, Progress, UsageError
from mmai_gym.tasks.base import BaseTask


def _families() -> tuple[ModuleType, ...]:
    from mmai_gym.tasks import (
        activity,
        admet,
        admet_external,
        counting,
        edits,
        energies,
        fgbench,
        forward,
        functional_groups,
        geometry,
        linkers,
        moleculenet,
        multi_property,
        optimization,
        properties,
        retrosynthesis,
        similarity,
        spelling,
        stereo,
        substructures,
        translation,
        view_translation,
    )

    return (
        view_translation,
        spelling,
        counting,
        stereo,
        substructures,
        similarity,
        geometry,
        energies,
        functional_groups,
        fgbench,
        properties,
        admet,
        admet_external,
        moleculenet,
        retrosynthesis,
        forward,
        optimization,
        multi_property,
        edits,
        translation,
        linkers,
        activity,
    )


@functools.cache
def _registry() -> dict[str, BaseTask]:
    return {task.name: task for family in _families() for task in (make() for make in family.TASKS)}


def names() -> list[str]:
    """The names of all tasks, in the order of the families."""
    return list(_registry())


def get(name: str) -> BaseTask:
    """The task called `name`; NAME@SEED is the task NAME with its split drawn by another seed.

    Raises:
        UsageError: there is none, and the message names the closest ones; or its split is a published one.
    """
    tasks = _registry()
    if name in tasks:
        return tasks[name]
    base, _, seed = name.partition("@")
    if base in tasks and seed.isascii() and seed.isdigit() and not seed.startswith("0"):
        return _drawn_again(base, int(seed))
    raise UsageError(f"unknown task {name!r}{_hint(name)}; `mmai-gym tasks` lists all")


@functools.cache
def _drawn_again(name: str, seed: int) -> BaseTask:
    return _registry()[name].drawn_again(seed)


def match(prefix: str) -> list[str]:
    """Names equal to `prefix` or below it: "admet" gives the 22 endpoints. NAME@SEED gives itself, and nothing else does:
    who trains on all tasks below a prefix must not meet the test set of one in the training set of its other draw.

    Raises:
        UsageError: nothing matches.
    """
    if "@" in prefix:
        return [get(prefix).name]
    found = [name for name in names() if name == prefix or name.startswith(prefix.rstrip("/") + "/")]
    if not found:
        raise UsageError(
            f"no task is named {prefix!r} or stands below it{_hint(prefix)}; `mmai-gym tasks` lists all"
        )
    return found


def prepare(dataset: str, progress: Progress) -> None:
    """Read the first examples of each task of a data set, so that what all of them are derived from is in the cache:
    canonical texts, scaffolds, matched pairs. They would do it themselves when they are first asked.

    Raises:
        DataError: a file of the data set is missing or damaged.
    """
    users = [task for task in _registry().values() if dataset in task.sources]
    for done, task in enumerate(users):
        progress(done, len(users), f"preparing · {task.name}")
        try:
            for split in SPLITS:
                next(iter(task.examples(split)), None)
        except DataError:
            if len(task.sources) == 1:
                raise
            # Another of its data sets is not there yet, and will prepare it when it comes.
    progress(len(users), len(users), "preparing")


def _hint(name: str) -> str:
    known = names()
    prefixes = {part for task in known for part in _prefixes(task)}
    close = difflib.get_close_matches(name, sorted(prefixes), n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[: i + 1]) for i in range(len(parts)))


__all__ = ["BaseTask", "get", "match", "names", "prepare"]
