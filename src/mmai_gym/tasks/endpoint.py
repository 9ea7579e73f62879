"""Tasks on public tables of labelled molecules: one task per endpoint, whatever set it comes from.

The words, the unit and the metric stand in the `Endpoint` of the loader; a family of tasks says only where the rows of
a split come from and which rows give no example. A molecule is shown in RDKit's canonical writing unless the family
has a reason to show what the file holds: files mix several writings, and in some the writing alone gives labels away
(all toxic aromatic molecules of ClinTox, and no others, have alternating double bonds), so that a model that reads
text would score by spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from mmai_gym.contracts import Example, InvalidMolecule, Split
from mmai_gym.molecules import canonical
from mmai_gym.sources import kept
from mmai_gym.sources.derived import derived_column
from mmai_gym.sources.endpoints import Endpoint, Kind
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.measurement import Classification, Measurement, Row, SingleMolecule, covering_grid


class _EndpointTask(SingleMolecule):
    """What classes and values share.

    Args:
        source: name of the data set.
        read: the rows of a split.
        as_filed: whether examples show SMILES as the file has them.
        grid_of: makes the steps of a value's compact answer from the training labels.
        left_out: rows of the source that give no example, by reason.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        source: str,
        read: Callable[[Split], Sequence[Row]],
        as_filed: bool,
        grid_of: Callable[[Sequence[float]], tuple[float, ...]],
        left_out: Callable[[], Mapping[str, int]],
    ) -> None:
        self.name = name
        self.sources = (source,)
        self.property_name = endpoint.name
        self.headline: str = endpoint.metric
        self.asks = endpoint.question
        self.unit = endpoint.unit
        self.readout: Literal["mean", "median"] = "median" if endpoint.metric == "mae" else "mean"
        self._sizes = endpoint.sizes
        self._read = read
        self._as_filed = as_filed
        self.grid_of = grid_of
        self._left_out = left_out

    def rows(self, split: Split) -> Sequence[Row]:
        return self._read(split)

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self.rows(split)
        filed = tuple(row.smiles for row in rows)
        shown: Sequence[str] = filed if self._as_filed else ()

        def make(i: int) -> Example:
            nonlocal shown
            shown = shown or _written(self.sources[0], filed)
            return Example(rows[i].id, self.name, split, {"smiles": shown[i]}, rows[i].label)

        return LazyExamples(len(rows), make)

    def sizes(self) -> dict[str, int]:
        return dict(self._sizes)

    def omitted(self) -> Mapping[str, int]:
        return self._left_out()

    def augment(self, example: Example, seed: int) -> Example:
        try:
            return super().augment(example, seed)
        except InvalidMolecule:
            return example  # official tables hold a few SMILES that RDKit rejects


class EndpointClass(_EndpointTask, Classification):
    """A binary endpoint, answered yes or no, with a probability."""


class EndpointValue(_EndpointTask, Measurement):
    """A regression endpoint, answered in the unit of the file."""


def endpoint_task(
    name: str,
    endpoint: Endpoint,
    source: str,
    read: Callable[[Split], Sequence[Row]],
    as_filed: bool = False,
    grid_of: Callable[[Sequence[float]], tuple[float, ...]] = covering_grid,
    left_out: Callable[[], Mapping[str, int]] = dict,
) -> BaseTask:
    """The task of an endpoint; arguments as in `_EndpointTask`."""
    made = EndpointClass if endpoint.kind == "binary" else EndpointValue
    return made(name, endpoint, source, read, as_filed, grid_of, left_out)


@kept(lambda source, smiles: source)
def _written(source: str, smiles: tuple[str, ...]) -> list[str]:
    """Canonical SMILES of the molecules of a table."""
    return derived_column(f"{source}-written", "1", smiles, canonical)


def labelled_row(id_: str, smiles: str, label: float, kind: Kind) -> Row:
    """A row with the label as an answer has it: 0 and 1 of a binary endpoint become no and yes."""
    return Row(id_, smiles, ("yes" if label else "no") if kind == "binary" else label)
