"""ADMET outside the TDC group: PharmaBench, Biogen ADME and the ion channels of CardioGenAI, as their authors split them.

A model trained on the TDC endpoints meets here other laboratories' measurements of the same quantities: out of its
distribution in the numbers, and partly known to it in the molecules (all 1,457 test rows of TDC's `ames` are in
PharmaBench), so overlaps must be taken out of one side before a comparison. Test parts are official. PharmaBench
and Biogen have no validation part; as in the TDC group, training rows are set aside for it by a hash of their
scaffold. No row is dropped for an odd value. Molecules are shown in RDKit's canonical writing, so that one molecule
looks the same in every set.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from mmai_gym.contracts import Split
from mmai_gym.molecules import canonical
from mmai_gym.sources import biogen, cardiogenai, kept, pharmabench
from mmai_gym.sources.endpoints import Endpoint, LabelledMolecule
from mmai_gym.sources.pharmabench import PharmaMolecule
from mmai_gym.sources.scaffolds import VALID_FROM, scaffold_fraction
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.derived import derived_column
from mmai_gym.tasks.endpoint import endpoint_task, labelled_row
from mmai_gym.tasks.measurement import Row


def writing_and_fraction(smiles: str) -> tuple[str, float]:
    """The canonical SMILES, and where the scaffold lies in the hash range; for a worker to compute."""
    return canonical(smiles), scaffold_fraction(smiles)


def writing(smiles: str) -> str:
    """The canonical SMILES, for a worker to compute."""
    return canonical(smiles)


def _tested(table: str, endpoint: Endpoint, rows: Sequence[LabelledMolecule | PharmaMolecule]) -> tuple[Row, ...]:
    texts = derived_column(f"{table}-test", "1", [row.smiles for row in rows], writing)
    return tuple(
        labelled_row(row.id, text, row.label, endpoint.kind) for row, text in zip(rows, texts, strict=True)
    )


def _divided(
    table: str, endpoint: Endpoint, rows: Sequence[LabelledMolecule | PharmaMolecule], valid: bool
) -> tuple[Row, ...]:
    """The rows of an official training part that validate, or those that train."""
    columns = derived_column(f"{table}-train", "1", [row.smiles for row in rows], writing_and_fraction)
    return tuple(
        labelled_row(row.id, text, row.label, endpoint.kind)
        for row, (text, fraction) in zip(rows, columns, strict=True)
        if (fraction >= VALID_FROM) is valid
    )


@kept("pharmabench")
def _pharmabench(name: str, split: Split) -> tuple[Row, ...]:
    part = "test" if split == "test" else "train"
    rows = [row for row in pharmabench.molecules(name) if row.scaffold_part == part]
    table, endpoint = f"pharmabench-{name}", pharmabench.ENDPOINTS[name]
    return _tested(table, endpoint, rows) if split == "test" else _divided(table, endpoint, rows, split == "valid")


@kept("biogen-adme")
def _biogen(name: str, split: Split) -> tuple[Row, ...]:
    table, endpoint = f"biogen-{name}", biogen.ENDPOINTS[name]
    if split == "test":
        return _tested(table, endpoint, biogen.molecules(name, "test"))
    return _divided(table, endpoint, biogen.molecules(name, "train"), split == "valid")


@kept("cardiogenai")
def _channel(name: str, split: Split) -> tuple[Row, ...]:
    rows = cardiogenai.molecules(name)
    texts = derived_column(f"cardiogenai-{name}", "1", [row.smiles for row in rows], writing)
    return tuple(Row(row.id, text, row.label) for row, text in zip(rows, texts, strict=True) if row.part == split)


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
        functools.partial(_unmarked, name),
    )


TASKS: tuple[Callable[[], BaseTask], ...] = (
    *(functools.partial(_make_pharmabench, name) for name in pharmabench.ENDPOINTS),
    *(functools.partial(_make_biogen, name) for name in biogen.ENDPOINTS),
    *(functools.partial(_make_channel, name) for name in cardiogenai.ENDPOINTS),
)
