"""The tables of docs/flagship.md, out of the stored records."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flagship_reranking import CHOICES
from flagship_runs import (
    AUGMENTED,
    BDQ,
    CHECKPOINT,
    COLD,
    COLD_REWRITTEN,
    FIRST,
    FORKS,
    FORMS,
    MAKER,
    RESULTS,
    RETRO,
    ROOT,
    TRUNK,
    TWIN,
    clean_booleans,
    records,
    suites_of,
)
from mmai_gym import bench, stats, tasks
from mmai_gym.bench.compare import headline_value
from mmai_gym.contracts import Estimate
from mmai_gym.records import RunRecord
from mmai_gym.tasks.reactions import RERANKING_WEIGHTS, reranked

PAGE = ROOT / "docs" / "flagship.md"
LOGS = *(RESULTS / f"flagship-log-{done}.jsonl" for done in (1, 2, 3)), CHECKPOINT / "log.jsonl"
"""Of the rounds of training; the checkpoint is what the last one left."""
TWIN_LOG = RESULTS / f"{TWIN}-log.jsonl"
RIVAL = "TxGemma-27B"
PAIR_RECORDS = {
    "activity/davis/random": "random-pairs",
    "activity/kiba/random": "random-pairs",
    "activity/davis/cold-drug": "cold-drug",
    "activity/kiba/cold-drug": "kiba-cold-drug",
}
"""Where the specialists' answers to the pairs of a split are stored, less the name of the specialist."""
PAIR_MODELS = "pair-boosting", "kronrls"


@dataclass(frozen=True)
class Figures:
    """What the stored records say."""

    estimates: Mapping[tuple[str, str, str], Estimate]
    """By task, metric and model."""
    blend: Mapping[str, Any]
    """What `blend.py` found."""
    taught: Mapping[str, Any]
    """What `taught.py` found."""
    reranking: Mapping[str, Any]
    """What re-ranking is worth on validation products (`flagship_reranking.py`)."""
    reranked: Mapping[tuple[str, str], Estimate]
    """By model and what re-ranks its answers: the change of top-1 on the same test products."""
    untaught: Mapping[str, float]
    """Balanced accuracy of FGBench's yes-or-no tasks on the questions that show no molecule of TDC's training part, where
    these have both answers."""
    twins: Mapping[str, bench.Comparison]
    """By task: the trunk after its first round against its twin."""
    contests: Mapping[str, Sequence[Sequence[bench.Comparison]]]
    """By job: the LFM against each specialist that was run on the same questions, by task."""

    @classmethod
    def read(cls) -> Figures:
        """Of the records that are there."""
        paths = [path for model in (TRUNK, MAKER, *FORKS) for path in records(model)]
        found: dict[tuple[str, str, str], Estimate] = {}
        for path in paths:
            for row in bench.table(path).rows if path.is_file() else ():
                found.setdefault((row.task, row.metric, row.model), row.estimate)
        blend, taught, reranking = (
            json.loads((RESULTS / f"{name}.json").read_text("utf-8")) for name in ("blend", "taught", "re-ranking")
        )
        # One family at a time: p-values are adjusted within it.
        pairs = zip(records(FIRST), records(TWIN), strict=True)
        compared = [bench.compare(*(bench.contestant([path]) for path in pair)) for pair in pairs]
        twins = {row.task: row for rows in compared for row in rows}
        strict = dict(untaught(taught["questions_with_a_molecule_of_tdc"]))
        return cls(found, blend, taught, reranking, dict(changes()), strict, twins, contests())

    def estimate(self, task: str, metric: str, model: str) -> Estimate | None:
        """One number with its interval; None where it was not measured."""
        return self.estimates.get((task, metric, model))

    def mean(self, of: Sequence[str], metric: str, model: str) -> float | None:
        """The mean of a metric over tasks."""
        found = [self.estimate(task, metric, model) for task in of]
        known = [one.value for one in found if one is not None]
        return statistics.mean(known) if len(known) == len(found) and found else None


def contests() -> dict[str, list[list[bench.Comparison]]]:
    """For `Figures.contests`: each job's best way of asking that was fixed in advance, against its specialists."""
    fields: list[tuple[str, Path, str, list[tuple[str, str]]]] = [
        (RETRO, RESULTS / f"{TRUNK}-retrosynthesis.jsonl.gz", AUGMENTED, [("templates", "templates")]),
        ("admet", RESULTS / f"{TRUNK}-admet.jsonl.gz", AUGMENTED, [("maplight", "maplight")]),
    ]
    for fork, asked in FORKS.items():
        for task, path in zip(asked, records(fork), strict=True):
            pairs = [(f"{PAIR_RECORDS[task]}-{name}", name) for name in PAIR_MODELS]
            fields.append((task, path, COLD_REWRITTEN if fork == COLD else fork, pairs))
    found = {}
    for job, path, mine, others in fields:
        first = bench.contestant([path], mine)
        found[job] = [
            bench.compare(first, bench.contestant([RESULTS / f"{name}.jsonl.gz"], f"baseline:{model}"))
            for name, model in others
        ]
    return found


def untaught(shown: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, float]]:
    """For `Figures.untaught`: `shown` has the questions to leave out."""
    record = RunRecord.read(RESULTS / f"{TRUNK}-functional-groups-clean.jsonl.gz")
    for (model, name), results in record.results(tasks.get).items():
        if model == TRUNK and name in clean_booleans():
            left = [one for one in results if one.example.id not in shown.get(name, ())]
            value = headline_value(tasks.get(name), left) if left else math.nan
            if not math.isnan(value):
                yield name, value


def changes() -> Iterator[tuple[tuple[str, str], Estimate]]:
    """For `Figures.reranked`."""
    record = RunRecord.read(RESULTS / f"{TRUNK}-retrosynthesis.jsonl.gz")
    for (model, _), results in record.results(tasks.get).items():
        if model in (TRUNK, AUGMENTED):
            first = [float(result.first.score == 1.0) for result in results]
            for name, columns in CHOICES.items():
                weights = [one if column in columns else 0.0 for column, one in enumerate(RERANKING_WEIGHTS)]
                again = [float(reranked(result, weights).first.score == 1.0) for result in results]
                yield (model, name), stats.mean([now - then for now, then in zip(again, first, strict=True)])


def rivals(figures: Figures, model: str) -> list[tuple[str, Estimate, float]]:
    """Of each endpoint that the rival has published and the model has answered: the task, and the values of both."""
    found = []
    for task in tasks.match("admet"):
        mine = figures.estimate(task, tasks.get(task).headline, model)
        theirs = [one for one in bench.published_for(task, {}) if one.model == RIVAL]
        if mine is not None and theirs:
            found.append((task, mine, theirs[0].value))
    return found


def won(mine: Estimate, theirs: float) -> bool:
    """Whether the value alone is better; intervals are not looked at, as on a board."""
    return mine.value > theirs if mine.higher_is_better else mine.value < theirs


# --------------------------------------------------------------------------------------------------- tables


def cell(estimate: Estimate | None, scale: float = 1.0) -> str:
    """Value and interval; a dash for what was not measured, or is not defined."""
    if estimate is None or math.isnan(estimate.value):
        return "–"
    places = 1 if scale > 1.0 else 3
    value, low, high = (f"{scale * x:.{places}f}" for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def rows_of(*rows: Sequence[str]) -> str:
    """A Markdown table, the first row its head; a bar within a cell would end it, and is escaped."""
    escaped = [[text.replace("|", r"\|") for text in row] for row in rows]
    head, *body = [f"| {' | '.join(row)} |" for row in escaped]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


@dataclass(frozen=True)
class Aim:
    """A line of the table of aims: what was measured, as a number that is better the higher it is."""

    what: str
    floor: float
    target: float
    moonshot: float
    value: Callable[[Figures], float | None]
    places: int = 2


def _of(task: str, metric: str, model: str, scale: float = 1.0) -> Callable[[Figures], float | None]:
    def read(figures: Figures) -> float | None:
        found = figures.estimate(task, metric, model)
        return None if found is None else scale * found.value

    return read


def _gain(model: str) -> Callable[[Figures], float | None]:
    """Points of top-1 that re-ranking gains."""

    def read(figures: Figures) -> float | None:
        found = [figures.estimate(RETRO, f"{prefix}top_1", model) for prefix in ("reranked_", "")]
        return None if found[0] is None or found[1] is None else 100 * (found[0].value - found[1].value)

    return read


def _groups(figures: Figures) -> float | None:
    found = figures.mean(
        ["functional-groups/embedded/detect", "functional-groups/embedded/count"], "accuracy", TRUNK
    )
    return None if found is None else 100 * found


def _beaten(model: str) -> Callable[[Figures], float | None]:
    def read(figures: Figures) -> float | None:
        found = rivals(figures, model)
        return float(sum(won(mine, theirs) for _, mine, theirs in found)) if found else None

    return read


AIMS = (
    Aim("USPTO-50k, top-1 %, no test augmentation", 35, 45, 50, _of(RETRO, "top_1", TRUNK, 100), 1),
    Aim("USPTO-50k, top-1 %, 20 written forms", 40, 50, 56, _of(RETRO, "top_1", AUGMENTED, 100), 1),
    Aim("the same, re-ranked by round trips and known reactants: points gained", 1, 2, 3, _gain(AUGMENTED), 1),
    Aim(f"TDC endpoints better than {RIVAL}, of 18", 3, 6, 13, _beaten(TRUNK), 0),
    Aim("the same, 20 written forms", 3, 6, 13, _beaten(AUGMENTED), 0),
    Aim(
        f"with boosting, better than {RIVAL}, of 18",
        13,
        15,
        17,
        lambda figures: figures.blend["better_than_rival"]["blend"],
        0,
    ),
    Aim(
        "with boosting, better than boosting alone, of 22",
        2,
        4,
        8,
        lambda figures: figures.blend["blend_better_than_boosting"],
        0,
    ),
    Aim("MuMO BDQ, 20 samples, success at similarity ≥ .4", 0.40, 0.65, 0.90, _of(BDQ, "success", TRUNK)),
    Aim("MuMO BDQ, first answer", 0.12, 0.25, 0.40, _of(BDQ, "success_first", TRUNK)),
    *(
        Aim(f"{what}, CI", *steps, _of(task, "concordance_index", model), 3)
        for what, task, model, steps in (
            ("Davis, random", "activity/davis/random", "flagship-davis-random", (0.85, 0.88, 0.91)),
            ("KIBA, random", "activity/kiba/random", "flagship-kiba-random", (0.80, 0.85, 0.90)),
            ("Davis, cold drug", "activity/davis/cold-drug", COLD, (0.68, 0.71, 0.75)),
            (f"the same, {FORMS} written forms", "activity/davis/cold-drug", COLD_REWRITTEN, (0.68, 0.71, 0.75)),
            ("KIBA, cold drug", "activity/kiba/cold-drug", COLD, (0.70, 0.73, 0.77)),
            (f"the same, {FORMS} written forms", "activity/kiba/cold-drug", COLD_REWRITTEN, (0.70, 0.73, 0.77)),
        )
    ),
    Aim(
        "FGBench, mean balanced accuracy on clean pairs",
        0.55,
        0.65,
        0.75,
        lambda figures: figures.mean(clean_booleans(), "balanced_accuracy", TRUNK),
    ),
    Aim(
        "the same, on pairs without a molecule of TDC's training part",
        0.55,
        0.65,
        0.75,
        lambda figures: statistics.mean(figures.untaught.values()),
    ),
    Aim("functional groups, detection and counting, exact %", 80, 95, 99, _groups, 1),
)


def aims(figures: Figures) -> str:
    """What was aimed at and what was reached."""
    rows = []
    for aim in AIMS:
        value = aim.value(figures)
        steps = {"moonshot": aim.moonshot, "target": aim.target, "floor": aim.floor}
        reached = (
            "not measured"
            if value is None
            else next((name for name, least in steps.items() if value >= least), "missed")
        )
        written = "–" if value is None else f"{value:.{aim.places}f}"
        rows.append((aim.what, written, f"{aim.floor:g}", f"{aim.target:g}", f"{aim.moonshot:g}", reached))
    return rows_of(("", "measured", "floor", "target", "moonshot", "reached"), *rows)


def retrosynthesis(figures: Figures) -> str:
    """Plain, by round trips, and in 20 written forms."""
    ranks = (1, 3, 5, 10)
    rows = []
    for what, model, prefix in (
        ("LFM", TRUNK, ""),
        ("LFM, re-ranked", TRUNK, "reranked_"),
        ("LFM, 20 written forms", AUGMENTED, ""),
        ("LFM, 20 written forms, re-ranked", AUGMENTED, "reranked_"),
        ("a copy of the product", "baseline:copy", ""),
        ("five nearest products' reactants", "baseline:nearest", ""),
    ):
        found = [figures.estimate(RETRO, f"{prefix}top_{k}", model) for k in ranks]
        rows.append((what, *(cell(one, 100) for one in found)))
    return rows_of(("", *(f"top-{k} %" for k in ranks)), *rows)


def reranking(figures: Figures) -> str:
    """What re-ranking gains: fitted to other validation products, with the weights then; and as shipped."""
    found = figures.reranking
    head = "", "re-ranked by", *(f"weight of {term}" for term in found["terms"]), "validation", "shipped, test"
    rows = []
    for row in found["rows"]:
        for name, choice in row["choices"].items():
            weights = (choice["weights"].get(term) for term in found["terms"])
            test = figures.reranked[row["model"], name]
            gained = [choice["gained_across_folds"], [100 * x for x in (test.value, test.low, test.high)]]
            rows.append((row["model"], name, *map(weight, weights), *map(points, gained)))
    return rows_of(head, *rows)


def weight(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def points(estimate: Sequence[float]) -> str:
    value, low, high = estimate
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def admet(figures: Figures) -> str:
    """Each endpoint, beside the rival."""
    theirs = {task: value for task, _, value in rivals(figures, TRUNK)}
    rows = []
    for task in tasks.match("admet"):
        metric = tasks.get(task).headline
        mine = [
            figures.estimate(task, metric, model)
            for model in (TRUNK, AUGMENTED, "baseline:constant", "baseline:nearest")
        ]
        rival = theirs.get(task)
        ours = [f"{cell(one)}{' *' if rival is not None and one and won(one, rival) else ''}" for one in mine[:2]]
        written = "–" if rival is None else f"{rival:g}"
        rows.append((task.removeprefix("admet/"), metric, *ours, *map(cell, mine[2:]), written))
    return rows_of(("endpoint", "metric", "LFM", "LFM, 20 written forms", "constant", "nearest", RIVAL), *rows)


def blend(figures: Figures) -> str:
    """Boosting alone and with the LFM, beside the rival."""
    rows = []
    for row in figures.blend["rows"]:
        alone, together = (f"{row[who]['mean']:.3f} ± {row[who]['sd']:.3f}" for who in ("boosting", "blend"))
        change = row["difference"]
        gained = f"{change['value']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
        better = {"": "–", "blend": "together", "boosting": "alone"}[row["better"]]
        name, rival = row["task"].removeprefix("admet/"), row.get("rival")
        rows.append((name, row["metric"], alone, together, gained, better, "–" if rival is None else f"{rival:g}"))
    head = ("endpoint", "metric", "boosting, 5 fits", "with the LFM", "difference, first fit", "better", RIVAL)
    return rows_of(head, *rows)


def optimization(figures: Figures) -> str:
    """Best of 20, beside what needs no chemistry."""
    metrics = ("success", "success_at_0.6", "success_first", "protocol_success", "validity")
    rows = [
        (what, *(cell(figures.estimate(BDQ, metric, model)) for metric in metrics))
        for what, model in (
            ("LFM", TRUNK),
            ("one good molecule for every input", "baseline:good-constant"),
            ("the most similar of 200 good molecules", "baseline:nearest-good"),
            ("a copy of the input", "baseline:copy"),
        )
    ]
    head = (
        "",
        "success, similarity ≥ .4",
        "≥ .6",
        "first answer, ≥ .4",
        "the publication's success, no floor",
        "valid",
    )
    return rows_of(head, *rows)


def activity(figures: Figures) -> str:
    """The forks, beside means."""
    rows = []
    for fork, task in ((fork, task) for fork, asked in FORKS.items() for task in asked):
        found = [
            figures.estimate(task, metric, model)
            for model in (fork, f"{fork} x{FORMS}", "baseline:mean-by-partner")
            for metric in ("concordance_index", "mse")
        ]
        rows.append((task.removeprefix("activity/"), *map(cell, found)))
    head = (
        "split",
        "LFM, CI",
        "LFM, MSE",
        f"in {FORMS} written forms, CI",
        "its MSE",
        "mean of the partner, CI",
        "its MSE",
    )
    return rows_of(head, *rows)


def groups(figures: Figures) -> str:
    """The gym's groups, and FGBench by data set."""
    rows = [
        (name.removeprefix("functional-groups/"), metric, cell(mine), cell(constant))
        for name in [*tasks.match("functional-groups/embedded"), *tasks.match("functional-groups/fgbench-clean")]
        for metric in [tasks.get(name).headline]
        for mine, constant in [
            (
                figures.estimate(name, metric, TRUNK),
                figures.estimate(name, metric, "baseline:constant"),
            )
        ]
    ]
    return rows_of(("task", "metric", "LFM", "constant"), *rows)


def specialists(figures: Figures) -> str:
    """The LFM against what was run here on the same questions: a task in a row, or a family of many."""
    rows = []
    for job, against in figures.contests.items():
        for found in against:
            one, many = found[0], len(found) > 1
            better = [sum(row.better == who for row in found) for who in (one.first_model, one.second_model)]
            numbers = ("–", "–", "–") if many else difference(one)
            rows.append(
                (
                    job,
                    "" if many else one.metric,
                    one.first_model,
                    one.second_model.removeprefix("baseline:"),
                    *numbers,
                    str(len(found)),
                    *map(str, better),
                )
            )
    head = ("", "metric", "LFM", "specialist", "LFM's", "specialist's", "difference", "tasks")
    return rows_of((*head, "LFM better", "specialist better"), *rows)


def difference(one: bench.Comparison) -> tuple[str, str, str]:
    """Both values, and the paired difference with its interval."""
    change = one.difference
    return (
        f"{one.first:.3f}",
        f"{one.second:.3f}",
        f"{change.value:+.3f} [{change.low:+.3f}, {change.high:+.3f}]",
    )


def published(columns: Mapping[str, str], asked: Mapping[str, Sequence[str]]) -> Callable[[Figures], str]:
    """A writer of the published figures of some tasks beside the LFM's own.

    Args:
        columns: heads by metric.
        asked: the LFM's rows by task.
    """

    def write(figures: Figures) -> str:
        rows = []
        for task, models in asked.items():
            name = task.split("/", 1)[1]
            for model in models:
                own = [figures.estimate(task, metric, model) for metric in columns]
                rows.append((name, f"**{model}**", *map(plain, own), "", "measured here"))
            by_model: dict[str, dict[str, bench.PublishedFigure]] = {}
            for figure in bench.published_for(task, setting_of(task)):
                if figure.metric in columns:
                    by_model.setdefault(figure.model, {})[figure.metric] = figure
            for model, told in by_model.items():
                values = [bench.published_value(told[metric]) if metric in told else "–" for metric in columns]
                of_any = next(iter(told.values()))
                rows.append((name, model, *values, "; ".join(of_any.differs), of_any.source))
        head = ("task", "model", *columns.values(), "differs in", "source")
        alone = len(asked) == 1  # then its name says nothing
        return rows_of(*(row[1:] if alone else row for row in (head, *rows)))

    return write


def plain(estimate: Estimate | None) -> str:
    """A value without its interval, which another table has."""
    return "–" if estimate is None or math.isnan(estimate.value) else f"{estimate.value:.3f}"


def setting_of(task: str) -> Mapping[str, bool | int | str]:
    """The protocol by which the task was asked."""
    families = [suite.families[0] for model in (TRUNK, *FORKS) for suite in suites_of(model).values()]
    return next(one.setting for one in families if any(task in tasks.match(prefix) for prefix in one.tasks))


def published_admet(figures: Figures) -> str:
    """By published model: on how many of its endpoints the LFM's value is better, alone and with boosting."""
    names = tasks.match("admet")
    told: dict[str, dict[str, bench.PublishedFigure]] = {}
    for task in names:
        for figure in bench.published_for(task, setting_of(task)):
            if figure.metric == tasks.get(task).headline:
                told.setdefault(figure.model, {})[task] = figure
    blended = {row["task"]: row["blend"]["mean"] for row in figures.blend["rows"]}
    rows = []
    for model, by_task in told.items():
        better = [0, 0, 0]
        for task, figure in by_task.items():
            alone, augmented = (figures.estimate(task, figure.metric, who) for who in (TRUNK, AUGMENTED))
            if alone is not None and augmented is not None:
                for i, mine in enumerate((alone, augmented, replace(alone, value=blended[task]))):
                    better[i] += won(mine, figure.value)
        of_any = next(iter(by_task.values()))
        rows.append((model, str(len(by_task)), *map(str, better), "; ".join(of_any.differs), of_any.source))
    head = ("model", "endpoints", "LFM better", "in 20 forms", "with boosting", "differs in", "source")
    return rows_of(head, *rows)


def taught(figures: Figures) -> str:
    """Rows that the corpora of each run hold of the test sets, by why they may."""
    runs = figures.taught["runs"]
    reasons = list(dict.fromkeys(why for run in runs for found in run["tests"].values() for why in found["rows"]))
    reasons = [*(why for why in reasons if why != "elsewhere"), "elsewhere"]
    rows = [
        (run["run"], f"{run['rows']:,}", test, *(f"{found['rows'].get(why, 0):,}" for why in reasons))
        for run in runs
        for test, found in run["tests"].items()
    ]
    return rows_of(("run", "rows", "test set", *reasons), *rows)


# Columns of the learning curve: the tasks whose validation losses are averaged.
CURVES: dict[str, Callable[[str], bool]] = {
    "retrosynthesis": lambda name: name == RETRO,
    "ADMET": lambda name: name.startswith("admet/"),
    "optimization": lambda name: name.startswith("optimization/edits/"),
    "groups": lambda name: name.startswith("functional-groups/embedded/"),
    "FGBench": lambda name: name.startswith("functional-groups/fgbench-clean/"),
}


def curve(log: Path) -> Iterator[tuple[float, list[float]]]:
    """Of a round of training: millions of tokens seen, and the mean validation loss of each group of tasks."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    tokens = {line["step"]: line["tokens"] for line in lines if "tokens" in line}
    for line in lines:
        losses = line.get("validation_by_task", {})
        if RETRO in losses:  # not in the stage before the jobs
            means = [statistics.mean(loss for name, loss in losses.items() if of(name)) for of in CURVES.values()]
            yield tokens[line["step"]] / 1e6, means


def learning(figures: Figures) -> str:
    """What each round had learned after so many tokens, by its log."""
    rows, before = [], 0.0
    for number, log in enumerate(LOGS, 1):
        found = list(curve(log))
        rows += [
            (f"{number}", f"{before + seen:.1f}", *(f"{mean:.3f}" for mean in means)) for seen, means in found
        ]
        before += found[-1][0]
    return rows_of(("round", "tokens, M", *CURVES), *rows)


def twin_learning(figures: Figures) -> str:
    """The first round beside its twin, after the same tokens."""
    rows = []
    for (seen, mine), (as_many, theirs) in zip(curve(LOGS[0]), curve(TWIN_LOG), strict=True):
        # Not to the token: atom maps of a few reactions were computed anew between the two.
        assert math.isclose(seen, as_many, rel_tol=1e-4), "the twin was not shown the same tokens"
        pairs = zip(mine, theirs, strict=True)
        rows.append((f"{seen:.1f}", *(f"{one:.3f} / {other:.3f}" for one, other in pairs)))
    return rows_of(("tokens, M", *CURVES), *rows)


def twin(figures: Figures) -> str:
    """The first round against its twin on the test questions: a task in a row, or a family of many."""
    rows = []
    for what, names in (
        ("retrosynthesis", [RETRO]),
        ("optimization, MuMO BDQ", [BDQ]),
        *((name, [name]) for name in tasks.match("functional-groups/embedded")),
        ("FGBench, yes or no", clean_booleans()),
        ("FGBench, values", sorted({*tasks.match("functional-groups/fgbench-clean")} - {*clean_booleans()})),
        ("ADMET", tasks.match("admet")),
    ):
        found = [figures.twins[name] for name in names]
        better = [sum(one.better == who for one in found) for who in (FIRST, TWIN)]
        numbers = ("–", "–", "–")
        if len(found) == 1:
            numbers = difference(found[0])
        rows.append(
            (what, found[0].metric if len(found) == 1 else "", *numbers, str(len(found)), *map(str, better))
        )
    head = ("", "metric", "LFM", "twin", "difference", "tasks", "LFM better", "twin better")
    return rows_of(head, *rows)


TABLES = {
    "aims": aims,
    "learning": learning,
    "retrosynthesis": retrosynthesis,
    "re-ranking": reranking,
    "admet": admet,
    "blend": blend,
    "optimization": optimization,
    "activity": activity,
    "groups": groups,
    "taught": taught,
    "specialists": specialists,
    "published-retrosynthesis": published(
        {f"top_{k}": f"top-{k}" for k in (1, 3, 5, 10)}, {RETRO: (TRUNK, AUGMENTED)}
    ),
    "published-admet": published_admet,
    "published-optimization": published(
        {
            "protocol_success": "success by the publication, no floor",
            "protocol_success_first": "the same, first answer",
            "protocol_similarity": "similarity",
            "valid_inputs": "inputs with a valid answer",
        },
        {BDQ: (TRUNK,)},
    ),
    "published-activity": published(
        {"concordance_index": "CI", "mse": "MSE"},
        {
            task: (fork, COLD_REWRITTEN) if fork == COLD else (fork,)
            for fork, asked in FORKS.items()
            for task in asked
        },
    ),
    "twin": twin,
    "twin-learning": twin_learning,
}


def filled(text: str, figures: Figures) -> str:
    """The page with every table written anew.

    Raises:
        ValueError: the page has no place for a table.
    """
    for name, write in TABLES.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if (found := place.search(text)) is None:
            raise ValueError(f"{PAGE} has no place for the table {name!r}")
        text = f"{text[: found.end(1)]}{write(figures)}\n{text[found.start(2) :]}"
    return text
