"""ADMET prediction: the 22 endpoints of the TDC benchmark group, official scaffold split (Huang et al. 2021).

The metric of each endpoint is the one of the public board. All rows are kept as they are in the files, repeated and
unparsable SMILES included, since that is what published numbers were computed on. SMILES are shown as the files have
them, and answers have the steps that checkpoints were trained with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from mmai_gym.contracts import Split
from mmai_gym.sources import kept, tdc
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.endpoint import endpoint_task, labelled_row
from mmai_gym.tasks.measurement import Row, number_grid


@kept("tdc-admet")
def _rows(endpoint: str, split: Split) -> tuple[Row, ...]:
    kind = tdc.ENDPOINTS[endpoint].kind
    return tuple(labelled_row(row.id, row.smiles, row.label, kind) for row in tdc.molecules(endpoint, split))


def _make(endpoint: str) -> BaseTask:
    read = functools.partial(_rows, endpoint)
    return endpoint_task(
        f"admet/{endpoint}", tdc.ENDPOINTS[endpoint], "tdc-admet", read, as_filed=True, grid_of=number_grid
    )


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(functools.partial(_make, endpoint) for endpoint in tdc.ENDPOINTS)
