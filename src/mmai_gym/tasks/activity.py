"""Drug-target activity on the embedded set: the measured series of ChEMBL document CHEMBL2321810."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from mmai_gym.contracts import Split
from mmai_gym.sources import embedded
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.measurement import Measurement, Row


@functools.cache
def _rows(split: Split) -> tuple[Row, ...]:
    return tuple(Row(row.id, row.smiles, row.activity) for row in embedded.activity(split))


class EmbeddedActivity(Measurement):
    """The measured activity of each compound of the series, on the file's logarithmic scale."""

    name = "activity/embedded"
    category = "drug-gene"
    sources = ("embedded",)
    property_name = "chembl2321810"
    asks = "Predict the activity (logarithmic, higher is more potent) in the assay series"

    def rows(self, split: Split) -> Sequence[Row]:
        return _rows(split)


TASKS: tuple[Callable[[], BaseTask], ...] = (EmbeddedActivity,)
