"""Tasks that ask one thing about one molecule: a value with a unit, or a class with a probability.

Computed properties, ADMET endpoints and activities differ in where the rows come from and in the metric their field
uses; everything else is the same and lives here. All scales (the number grid, the error scale, the middle) come from
training labels only.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mmai_gym.contracts import (
    Choice,
    Estimate,
    Example,
    Molecule,
    Number,
    Property,
    Question,
    Result,
    Split,
    Verdict,
    Words,
)
from mmai_gym.tasks.base import BaseTask, LazyExamples, judge_choice, judge_number
from mmai_gym.tasks.scoring import choice_metrics, mean_score, ranking_metrics, value_metrics


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled molecule; `label` is a number, or the text of an option."""

    id: str
    smiles: str
    label: float | str

    def inputs(self) -> dict[str, Any]:
        """What an example of this row carries besides its label."""
        return {"smiles": self.smiles}


def number_grid(labels: Sequence[float]) -> tuple[float, ...]:
    """Ascending centres of equally filled bins, at most 128, about 20 labels each (at least 16 bins if values allow).

    Rounded to six digits, since that is how an answer is written.
    """
    return _rounded(_equally_filled(labels, _steps(labels)))


def covering_grid(labels: Sequence[float]) -> tuple[float, ...]:
    """As many steps as in `number_grid`, half of them equally filled, half evenly spaced from the least label to the most.

    A long tail holds few labels and gets no centre of equally filled bins; its values could then not be answered at all
    (hERG potencies of 0.02 to 12 would end at 3.3 and 8.8). Here no training label is farther from a step than half
    of one even step.
    """
    return spanning_grid(labels, min(labels), max(labels), _steps(labels))


def spanning_grid(labels: Sequence[float], low: float, high: float, steps: int) -> tuple[float, ...]:
    """At most `steps` ascending steps: half equally filled by the labels, half evenly spaced from `low` to `high`."""
    filled = steps // 2
    return _rounded([*_equally_filled(labels, filled), *np.linspace(low, high, steps - filled)])


def _steps(labels: Sequence[float]) -> int:
    return min(128, max(16, len(labels) // 20))


def _equally_filled(labels: Sequence[float], count: int) -> list[float]:
    return list(np.quantile(np.asarray(labels, dtype=np.float64), (np.arange(count) + 0.5) / count))


def _rounded(steps: Sequence[float]) -> tuple[float, ...]:
    return tuple(sorted({float(f"{step:.6g}") for step in steps}))


@dataclass(frozen=True, slots=True)
class Scales:
    """What a task keeps of its training labels: grid of the answers, median, mean absolute deviation from it."""

    grid: tuple[float, ...]
    middle: float
    deviation: float

    @staticmethod
    def of(labels: Sequence[float], grid: Callable[[Sequence[float]], tuple[float, ...]] = number_grid) -> Scales:
        """The scales of training labels, the grid of the answers made from them by `grid`."""
        values = np.asarray(labels, dtype=np.float64)
        middle = float(np.median(values))
        return Scales(grid(labels), middle, float(np.mean(np.abs(values - middle))))


class SingleMolecule(BaseTask):
    """One molecule, one property name, one label."""

    property_name: str
    asks: str

    @abstractmethod
    def rows(self, split: Split) -> Sequence[Row]:
        """The labelled molecules of a split, in the order of their source."""

    @property
    def properties(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.property_name,)

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self.rows(split)
        return LazyExamples(
            len(rows), lambda i: Example(rows[i].id, self.name, split, rows[i].inputs(), rows[i].label)
        )

    def clusters(self, results: Sequence[Result]) -> list[Any] | None:
        """The molecule of each result where some rows repeat one: a source may hold several measurements of it."""
        labels = [result.example.inputs["smiles"] for result in results]
        return labels if len(set(labels)) < len(labels) else None


class Measurement(SingleMolecule):
    """A value in a unit.

    Attributes:
        unit: '' for a dimensionless quantity.
        readout: "median" where the metric is an absolute error, "mean" where it is a correlation: the summary of
            a predicted distribution that is optimal for it.
        grid_of: makes the steps of an answer from the training labels.
    """

    unit: str = ""
    headline = "mae"
    readout: Literal["mean", "median"] = "median"
    grid_of: Callable[[Sequence[float]], tuple[float, ...]] = staticmethod(number_grid)
    asks = "Predict"

    @functools.cached_property
    def _scales(self) -> Scales:
        return Scales.of([float(row.label) for row in self.rows("train")], self.grid_of)

    @property
    def grid(self) -> tuple[float, ...]:
        """Bin centres of the compact number rendering."""
        return self._scales.grid

    @property
    def middle(self) -> float:
        """Median of the training labels."""
        return self._scales.middle

    @property
    def scale(self) -> float:
        """Mean absolute deviation of the training labels from their median."""
        return self._scales.deviation

    def question(self, example: Example) -> Question:
        return (
            Words(self.asks, "measure"),
            Property(self.property_name),
            Words("of the molecule"),
            Molecule(example.inputs["smiles"]),
            Number(self.unit, self.grid),
        )

    def answer(self, example: Example) -> str:
        return f"{example.gold:.10g}"

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_number(float(example.gold), self.scale, answer, tolerance=0.05 * self.scale)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        metrics = value_metrics(results, self.unit, self.middle, clusters=self.clusters)
        return metrics | {"score": mean_score(results, self.clusters)}


class Classification(SingleMolecule):
    """One of a few options. With the options yes and no, `yes` is the positive class."""

    form = Choice(("yes", "no"))
    headline = "auroc"
    asks = "Does the molecule have the property"

    def question(self, example: Example) -> Question:
        return (
            Words(self.asks, "classify"),
            Property(self.property_name),
            Molecule(example.inputs["smiles"]),
            self.form,
        )

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.form, example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        ranking = ranking_metrics(results, "yes", self.clusters) if "yes" in self.form.options else {}
        return ranking | choice_metrics(results, self.clusters)
