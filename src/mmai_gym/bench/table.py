"""From a record to the table: every metric with its interval, and for each family a plain statement.

Nothing here runs a model or a verifier; a table can be computed again years later from the record and the public
data. A family is called beaten only when the model is better than the best trivial baseline with separated 95 %
intervals on more than half of *all* its tasks, those without an answer yet included.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmai_gym import tasks
from mmai_gym.bench.published import Average, PublishedFigure, PublishedModel, averages_of, published_for
from mmai_gym.contracts import Estimate, Result, Structure, UsageError, answer_form
from mmai_gym.records import RunHeader, RunRecord
from mmai_gym.tasks.scoring import structure_metrics

_KNOWS_NOTHING = {"spearman": 0.0, "pearson": 0.0, "r2": 0.0}
"""What a constant answer is worth where the metric itself is undefined on it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one model on one task.

    Attributes:
        undecided: completions that no verdict could be reached on.
        runs: fits that the estimate is the mean of; 1 for a model that was run once.
        spread: standard deviation over the runs, NaN of one.
    """

    family: str
    task: str
    metric: str
    model: str
    estimate: Estimate
    undecided: int
    is_headline: bool
    runs: int = 1
    spread: float = math.nan

    @property
    def unit(self) -> str:
        """'' for a dimensionless metric."""
        return self.estimate.unit

    @property
    def n(self) -> int:
        """Independent items behind the estimate."""
        return self.estimate.n


@dataclass(frozen=True, slots=True)
class Contest:
    """The model against the best trivial baseline on the headline metric of one task."""

    task: str
    metric: str
    model: Estimate | None
    trivial: Estimate | None
    trivial_name: str
    separated: bool


@dataclass(frozen=True, slots=True)
class FamilySummary:
    """Whether the model beats the trivial baselines of a family."""

    family: str
    contests: tuple[Contest, ...]
    note: str
    protocol: str = ""
    """Authors and year; '' in a record that was made before suites named them."""

    @property
    def n_separated(self) -> int:
        """Tasks on which the model is better and the intervals do not touch."""
        return sum(contest.separated for contest in self.contests)

    @property
    def beaten(self) -> bool:
        """Whether those are more than half."""
        return 2 * self.n_separated > len(self.contests)


@dataclass(frozen=True, slots=True)
class Table:
    """All numbers of a record. `models` holds the model first, then the baselines."""

    header: RunHeader
    models: tuple[str, ...]
    rows: tuple[Row, ...]
    families: tuple[FamilySummary, ...]
    validity: Mapping[str, Estimate]
    """By model: the share of generated structures that are readable molecules."""
    published: tuple[PublishedFigure, ...]
    """Figures of others on the same tasks and metrics."""
    averages: tuple[tuple[PublishedModel, Average], ...]
    """Figures of others over several tasks."""
    faults: tuple[str, ...]
    """What is wrong with the record; the rows that are good are in the table."""

    @property
    def suite(self) -> str:
        return str(self.header.config["suite"])

    @property
    def model(self) -> str:
        return str(self.header.config["model"])

    def headline(self, task: str, model: str) -> Row | None:
        """The headline row of a model on a task, None where it has no answers to it."""
        return next((r for r in self.rows if r.is_headline and (r.task, r.model) == (task, model)), None)


def table(record: str | Path) -> Table:
    """Compute the table of a record; no inference, no verification.

    Raises:
        DataError: the record cannot be read, or the data it answers are not here.
    """
    opened = RunRecord.read(record)
    config = opened.header.config
    results, faults = opened.joined(tasks.get)
    families = [family | {"tasks": _known(family["tasks"])} for family in config["families"]]
    models = tuple(dict.fromkeys([config["model"], *config.get("variants", []), *config["baselines"]]))
    models = tuple(model for model in models if any(model_of(who) == model for who, _ in results))
    rows = tuple(
        row
        for family in families
        for name in family["tasks"]
        for model in models
        if (runs := [found for (who, task), found in results.items() if (model_of(who), task) == (model, name)])
        for row in _rows(family["name"], name, model, runs)
    )
    summaries = tuple(_summary(family, config["model"], rows) for family in families)
    validity = {model: found for model in models if (found := _validity(results, model)) is not None}
    metrics = {(row.task, row.metric) for row in rows}
    published = tuple(
        figure
        for family in families
        for name in family["tasks"]
        for figure in published_for(name, family.get("setting", {}))
        if (name, figure.metric) in metrics
    )
    averages = tuple(entry for family in families for entry in averages_of(family["name"]))
    return Table(opened.header, models, rows, summaries, validity, published, averages, tuple(faults))


def run_name(model: str, seed: int) -> str:
    """How a record calls one fit of a model that is fitted with several seeds."""
    return f"{model}#{seed}"


def model_of(name: str) -> str:
    """The model that a name in a record belongs to."""
    return name.partition("#")[0] if name.startswith("baseline:") else name


def _known(names: Sequence[str]) -> list[str]:
    """Those names that are tasks of this gym; the others stand in the record's faults."""
    found = []
    for name in names:
        with contextlib.suppress(UsageError):
            found.append(tasks.get(name).name)
    return found


def _rows(family: str, name: str, model: str, runs: Sequence[Sequence[Result]]) -> list[Row]:
    task = tasks.get(name)
    undecided = sum(verdict.score is None for run in runs for result in run for verdict in result.verdicts)
    scored = [task.score(run) for run in runs]
    return [
        Row(
            family,
            name,
            metric,
            model,
            _mean([run[metric] for run in scored]),
            undecided,
            metric == task.headline,
            len(runs),
            float(np.std([run[metric].value for run in scored])) if len(runs) > 1 else math.nan,
        )
        for metric in scored[0]
        if all(metric in run for run in scored)
    ]


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over fits on the same test examples.

    Its interval is the mean of theirs, which is a little wide: it is about another draw of test examples, and the fits are
    resampled on the same ones.
    """
    if len(estimates) == 1:
        return estimates[0]
    value, low, high = np.mean([(e.value, e.low, e.high) for e in estimates], axis=0)
    method = f"mean of {len(estimates)} seeds, and of their intervals: {estimates[0].method}"
    return replace(estimates[0], value=float(value), low=float(low), high=float(high), method=method)


def _summary(family: Mapping[str, Any], model: str, rows: Sequence[Row]) -> FamilySummary:
    headlines = {(row.task, row.model): row for row in rows if row.is_headline}
    contests = tuple(_contest(name, model, family["trivial"], headlines) for name in family["tasks"])
    return FamilySummary(family["name"], contests, family["note"], family.get("protocol", ""))


def _contest(name: str, model: str, trivial: Sequence[str], headlines: Mapping[tuple[str, str], Row]) -> Contest:
    mine = headlines.get((name, model))
    rivals = {who: headlines[name, who] for who in trivial if (name, who) in headlines and who != model}
    metric = tasks.get(name).headline
    if mine is None or not rivals:
        return Contest(name, metric, mine.estimate if mine else None, None, "", False)
    estimates = {who: _defined(row) for who, row in rivals.items()}
    best = max(estimates, key=lambda who: _goodness(estimates[who]))
    separated = mine.estimate.separated_from(estimates[best])
    return Contest(name, metric, mine.estimate, estimates[best], best, separated)


def _defined(row: Row) -> Estimate:
    """The estimate, or what knowing nothing is worth where a constant answer leaves the metric undefined."""
    estimate = row.estimate
    if not math.isnan(estimate.value) or row.metric not in _KNOWS_NOTHING:
        return estimate
    value = _KNOWS_NOTHING[row.metric]
    return replace(estimate, value=value, low=value, high=value, method="a constant answer")


def _goodness(estimate: Estimate) -> float:
    if math.isnan(estimate.value):
        return -math.inf
    return estimate.value if estimate.higher_is_better else -estimate.value


def _validity(results: Mapping[tuple[str, str], Sequence[Result]], model: str) -> Estimate | None:
    """Over all completions of all tasks that ask for a structure, clustered by example."""
    generated = [
        result
        for (who, name), found in results.items()
        if model_of(who) == model and found and _asks_structure(name, found[0])
        for result in found
    ]
    return structure_metrics(generated)["validity"] if generated else None


def _asks_structure(name: str, result: Result) -> bool:
    return isinstance(answer_form(tasks.get(name).question(result.example)), Structure)
