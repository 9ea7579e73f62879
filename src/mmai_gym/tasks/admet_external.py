"""ADMET outside the TDC group: PharmaBench, Biogen ADME and the ion channels of CardioGenAI, as their authors split them.

A model trained on the TDC endpoints meets here other laboratories' measurements of the same quantities: out of its
distribution in the numbers, and partly known to it in the molecules (all 1,457 test rows of TDC's `ames` are in
PharmaBench), so overlaps must be taken out of one side before a comparison. Test parts are official. PharmaBench
and Biogen have no validation part; as in the TDC group, training rows are set aside for it by a hash of their
scaffold. No row is dropped for an odd value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from mmai_gym.contracts import Split
from mmai_gym.sources import biogen, cardiogenai, kept, pharmabench
from mmai_gym.sources.derived import derived_column
from mmai_gym.sources.scaffolds import VALID_FROM, scaffold_fraction
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.endpoint import endpoint_task, labelled_row
from mmai_gym.tasks.measurement import Row


@kept("pharmabench")
def _pharmabench(name: str, split: Split) -> tuple[Row, ...]:
    rows = pharmabench.molecules(name)
    kind = pharmabench.ENDPOINTS[name].kind
    part = "test" if split == "test" else "train"
    official = [labelled_row(row.id, row.smiles, row.label, kind) for row in rows if row.scaffold_part == part]
    return _of_split(f"pharmabench-{name}", official, split)


@kept("biogen-adme")
def _biogen(name: str, split: Split) -> tuple[Row, ...]:
    rows = biogen.molecules(name, "test" if split == "test" else "train")
    return _of_split(f"biogen-{name}", [Row(row.id, row.smiles, row.label) for row in rows], split)


def _of_split(table: str, official: Sequence[Row], split: Split) -> tuple[Row, ...]:
    """The rows of an official part: all where it is the test part, else those that validate, or those that train."""
    if split == "test":
        return tuple(official)
    fractions = derived_column(f"{table}-scaffolds", "1", [row.smiles for row in official], scaffold_fraction)
    return tuple(
        row
        for row, fraction in zip(official, fractions, strict=True)
        if (fraction >= VALID_FROM) is (split == "valid")
    )


@kept("cardiogenai")
def _channel(name: str, split: Split) -> tuple[Row, ...]:
    return tuple(Row(row.id, row.smiles, row.label) for row in cardiogenai.molecules(name) if row.part == split)


def _unmarked(name: str) -> Mapping[str, int]:
    count = sum(row.part is None for row in cardiogenai.molecules(name))
    return {"marked neither as training nor as validation": count} if count else {}


def _make_pharmabench(name: str) -> BaseTask:
    read = functools.partial(_pharmabench, name)
    return endpoint_task(f"admet-external/pharmabench/{name}", pharmabench.ENDPOINTS[name], "pharmabench", read)


def _make_biogen(name: str) -> BaseTask:
    read = functools.partial(_biogen, name)
    return endpoint_task(f"admet-external/biogen/{name}", biogen.ENDPOINTS[name], "biogen-adme", read)


def _make_channel(name: str) -> BaseTask:
    return endpoint_task(
        f"admet-external/ion-channels/{name}",
        cardiogenai.ENDPOINTS[name],
        "cardiogenai",
        functools.partial(_channel, name),
        left_out=functools.partial(_unmarked, name),
    )


TASKS: tuple[Callable[[], BaseTask], ...] = (
    *(functools.partial(_make_pharmabench, name) for name in pharmabench.ENDPOINTS),
    *(functools.partial(_make_biogen, name) for name in biogen.ENDPOINTS),
    *(functools.partial(_make_channel, name) for name in cardiogenai.ENDPOINTS),
)
