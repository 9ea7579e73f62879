"""The flagship measured: the runs behind docs/flagship.md, the page itself, and a second look at it.

    python benchmarks/flagship.py measure flagship            # or a fork (flagship-davis-random, ...), or a twin, into runs/
    python benchmarks/flagship.py page                        # every table of docs/flagship.md, from docs/results
    python benchmarks/flagship.py again --items 200           # asks the shipped checkpoint again and compares
    python benchmarks/flagship.py base-rates                  # a rule of the read-out, on validation questions

- measure: the trunk answers the suite `flagship`, a record for each family, with the fork that reads reactions forwards for
  the round trips; that fork answers the forward task, and another one the test sets of its own splits, beside the baselines
  that the suite `activity` calls trivial; the weights of the first round and their twin answer what the trunk does, each
  question once and by themselves.
  Stopped, it goes on; two families can be measured at the same time, each on a core of its own.
- page: no inference; what stands between the marks of a table is written anew.
- again: the same test questions, at most so many of each task and each in one written form, to the checkpoints that are
  shipped. A headline agrees if it lies in the 95 % interval of the stored answers to those very questions.
  Exits with 1 if one does not.
- base-rates: FGBench's yes-or-no questions of the validation parts, answered by the likelier class and by the one that
  lies further above its base rate (`bench/readout.py`), into docs/results/base-rates.json.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmai_gym import bench, tasks
from mmai_gym.contracts import Completion, Estimate, Model, Result
from mmai_gym.models import load_model
from mmai_gym.records import RunRecord
from mmai_gym.tasks.answers import wrap

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "flagship.md"
SHIPPED = ROOT / "checkpoints"
CHECKPOINT = SHIPPED / "flagship"
LOGS = RESULTS / "flagship-log-1.jsonl", RESULTS / "flagship-log-2.jsonl", CHECKPOINT / "log.jsonl"
"""Of the rounds of training; the checkpoint is what the last one left."""
TRUNK = "flagship"
AUGMENTED = f"{TRUNK} x20"
COLD, FORMS = "flagship-cold-drug", 5
"""The fork that learned molecules in many written forms, and in how many it is asked in a second row."""
COLD_REWRITTEN = f"{COLD} x{FORMS}"
FORKS = {
    "flagship-davis-random": ("activity/davis/random",),
    "flagship-kiba-random": ("activity/kiba/random",),
    COLD: ("activity/davis/cold-drug", "activity/kiba/cold-drug"),
}
"""What each is asked. A drug lies on the same side of the cold split in both sets; the random ones would tell each other."""
MAKER, FORWARD = "flagship-forward", "forward/uspto-50k"
"""The fork that reads reactions forwards, for round trips, and what it is asked."""
FIRST, TWIN = "flagship-first", "flagship-twin"
"""The trunk after its first round, and the transformer that was shown the same tokens in the same order."""
TWIN_LOG = RESULTS / f"{TWIN}-log.jsonl"
PAIR_MODELS = "pair-boosting", "kronrls"
RETRO, BDQ = "retrosynthesis/uspto-50k", "optimization/mumo/bdq"
RIVAL = "TxGemma-27B"


# --------------------------------------------------------------------------------------------------- runs


def suites_of(model: str) -> dict[str, bench.Suite]:
    """What a run is asked, by the name of the record: one family, or one task of a fork, in each."""
    if model in FORKS:
        families, found = bench.load_suite("activity").families, {}
        for task in FORKS[model]:
            name = model if len(FORKS[model]) == 1 else f"{model}-{task.split('/')[1]}"
            family = next(one for one in families if task in one.tasks)
            update = {"tasks": (task,), "seeds": 1, "augmented": FORMS if model == COLD else 0}
            alone = family.model_copy(update=update)
            found[name] = bench.Suite(name=name, baselines=family.trivial, family=(alone,))
        return found
    if model == MAKER:
        family = bench.Family(name="forward", tasks=(FORWARD,), n=5, limit=500, trivial=("baseline:copy",))
        return {MAKER: bench.Suite(name=MAKER, baselines=family.trivial, family=(family,))}
    whole = bench.load_suite("flagship")
    named = {f"{model}-{family.name.replace('/', '-')}": family for family in whole.families}
    found = {
        name: whole.model_copy(update={"name": name, "families": (family,)}) for name, family in named.items()
    }
    return found if model == TRUNK else {name: once(suite) for name, suite in found.items()}


def measure(
    suites: Mapping[str, bench.Suite], model: Model, folder: Path, wanted: Sequence[str], limit: int | None
) -> list[Path]:
    """The records of one run, finished; of some of its families only, where `wanted` names any."""

    def progress(done: int, total: int, what: str) -> None:
        print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)

    return [
        bench.run(
            model,
            suite,
            folder / f"bench-{record}.jsonl",
            limit=limit,
            progress=progress,
            forward=load_model(str(SHIPPED / MAKER)) if suite.families[0].forward else None,
        )
        for record, suite in suites.items()
        if not wanted or suite.families[0].name in wanted
    ]


def once(suite: bench.Suite) -> bench.Suite:
    """The suite without baselines, round trips and further written forms: what its headlines need."""
    families = tuple(family.model_copy(update={"augmented": 0, "forward": ""}) for family in suite.families)
    return suite.model_copy(update={"baselines": (), "families": families})


# --------------------------------------------------------------------------------------------------- figures


@dataclass(frozen=True)
class Figures:
    """What the stored records say."""

    estimates: Mapping[tuple[str, str, str], Estimate]
    """By task, metric and model."""
    blend: Mapping[str, Any]
    """What `blend.py` found."""
    taught: Mapping[str, Any]
    """What `taught.py` found."""
    untaught: Mapping[str, float]
    """Balanced accuracy of FGBench's yes-or-no tasks on the questions that show no molecule of TDC's training part, where
    these have both answers."""
    twins: Mapping[str, bench.Comparison]
    """By task: the trunk after its first round against its twin."""

    @classmethod
    def read(cls) -> Figures:
        """Of the records that are there."""
        specialists = [
            "templates",
            *(
                f"{which}-{model}"
                for which in ("cold-drug", "random-pairs", "kiba-cold-drug")
                for model in PAIR_MODELS
            ),
        ]
        paths = [path for model in (TRUNK, MAKER, *FORKS) for path in records(model)]
        paths += [RESULTS / f"{name}.jsonl.gz" for name in specialists]
        found: dict[tuple[str, str, str], Estimate] = {}
        for path in paths:
            for row in bench.table(path).rows if path.is_file() else ():
                found.setdefault((row.task, row.metric, row.model), row.estimate)
        blend, taught = (json.loads((RESULTS / f"{name}.json").read_text("utf-8")) for name in ("blend", "taught"))
        # One family at a time: p-values are adjusted within it.
        pairs = zip(records(FIRST), records(TWIN), strict=True)
        compared = [bench.compare(*(bench.contestant([path]) for path in pair)) for pair in pairs]
        twins = {row.task: row for rows in compared for row in rows}
        return cls(found, blend, taught, dict(untaught(taught["questions_with_a_molecule_of_tdc"])), twins)

    def estimate(self, task: str, metric: str, model: str) -> Estimate | None:
        """One number with its interval; None where it was not measured."""
        return self.estimates.get((task, metric, model))

    def mean(self, of: Sequence[str], metric: str, model: str) -> float | None:
        """The mean of a metric over tasks."""
        found = [self.estimate(task, metric, model) for task in of]
        known = [one.value for one in found if one is not None]
        return statistics.mean(known) if len(known) == len(found) and found else None


def records(model: str) -> list[Path]:
    """Where the answers of a run are stored."""
    return [RESULTS / f"{name}.jsonl.gz" for name in suites_of(model)]


def untaught(shown: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, float]]:
    """For `Figures.untaught`: `shown` has the questions to leave out."""
    record = RunRecord.read(RESULTS / f"{TRUNK}-functional-groups-clean.jsonl.gz")
    for (model, name), results in record.results(tasks.get).items():
        if model == TRUNK and name in clean_booleans():
            left = [one for one in results if one.example.id not in shown.get(name, ())]
            value = tasks.get(name).score(left)["balanced_accuracy"].value if left else math.nan
            if not math.isnan(value):
                yield name, value


def clean_booleans() -> list[str]:
    """The yes-or-no tasks of FGBench, split by molecule."""
    return [name for name in tasks.match("functional-groups/fgbench-clean") if name.endswith("/bool")]


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
    """A Markdown table, the first row its head."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
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
    Aim("the same, re-ranked: points gained", 1, 2, 3, _gain(AUGMENTED), 1),
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
    """Plain, by round trips, and in 20 written forms, beside the templates on the same products."""
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
    templates = [figures.estimate(RETRO, f"top_{k}", "baseline:templates") for k in ranks]
    rows.append(("templates of similar reactions, all 5,007 products", *(cell(one, 100) for one in templates)))
    return rows_of(("", *(f"top-{k} %" for k in ranks)), *rows)


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
        difference = f"{change['value']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
        better = {"": "–", "blend": "together", "boosting": "alone"}[row["better"]]
        name, rival = row["task"].removeprefix("admet/"), row.get("rival")
        rows.append(
            (name, row["metric"], alone, together, difference, better, "–" if rival is None else f"{rival:g}")
        )
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
    """The forks, beside means and the specialists that were run here."""
    rows = []
    for fork, task in ((fork, task) for fork, asked in FORKS.items() for task in asked):
        found = [
            figures.estimate(task, metric, model)
            for model in (fork, f"{fork} x{FORMS}", "baseline:mean-by-partner")
            for metric in ("concordance_index", "mse")
        ]
        special = [figures.estimate(task, "concordance_index", f"baseline:{model}") for model in PAIR_MODELS]
        rows.append((task.removeprefix("activity/"), *map(cell, (*found, *special))))
    head = (
        "split",
        "LFM, CI",
        "LFM, MSE",
        f"in {FORMS} written forms, CI",
        "its MSE",
        "mean of the partner, CI",
        "its MSE",
        "boosting on pairs, CI",
        "KronRLS, CI",
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
            change = found[0].difference
            difference = f"{change.value:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
            numbers = (f"{found[0].first:.3f}", f"{found[0].second:.3f}", difference)
        rows.append(
            (what, found[0].metric if len(found) == 1 else "", *numbers, str(len(found)), *map(str, better))
        )
    head = ("", "metric", "LFM", "twin", "difference", "tasks", "LFM better", "twin better")
    return rows_of(head, *rows)


TABLES = {
    "aims": aims,
    "learning": learning,
    "retrosynthesis": retrosynthesis,
    "admet": admet,
    "blend": blend,
    "optimization": optimization,
    "activity": activity,
    "groups": groups,
    "taught": taught,
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


# --------------------------------------------------------------------------------------------------- again


def disagreements(stored: Path, fresh: Path) -> Iterator[str]:
    """The tasks whose headlines in `fresh` lie outside the interval of the stored answers to the same questions."""
    old, new = RunRecord.read(stored).results(tasks.get), RunRecord.read(fresh).results(tasks.get)
    for (model, name), found in new.items():
        task, ids = tasks.get(name), {result.example.id for result in found}
        before = task.score([result for result in old[model, name] if result.example.id in ids])[task.headline]
        after = task.score(found)[task.headline]
        undefined = math.isnan(before.value) and math.isnan(after.value)  # one class alone among these questions
        agrees = undefined or before.low <= after.value <= before.high
        print(
            f"{'agrees' if agrees else 'DIFFERS'}  {model}  {name}  {task.headline}  {cell(before)}  now {after.value:.3f}"
        )
        if not agrees:
            yield name


# --------------------------------------------------------------------------------------------------- base rates


def by_both_rules(items: int) -> dict[str, object]:
    """Balanced accuracy of the shipped checkpoint on validation questions, by the rule of the read-out and without it."""
    (clean,) = (family for family in bench.load_suite(TRUNK).families if family.name == "functional-groups/clean")
    alone = clean.model_copy(update={"tasks": tuple(clean_booleans()), "trivial": ()})
    suite = bench.Suite(name="base-rates", baselines=(), family=(alone,))
    with tempfile.TemporaryDirectory() as folder:
        path = bench.run(
            load_model(str(CHECKPOINT)), suite, Path(folder, "valid.jsonl"), split="valid", limit=items
        )
        found = {name: results for (_, name), results in RunRecord.read(path).results(tasks.get).items()}
    rows: dict[str, dict[str, float]] = {}
    for name, results in found.items():
        by_rule = {"against base rates": results, "likelier": list(map(likelier, results))}
        score = tasks.get(name).score
        rows[name] = {rule: score(answered)["balanced_accuracy"].value for rule, answered in by_rule.items()}
        rows[name]["questions"] = len(results)
    # One class alone among the questions has no balanced accuracy.
    defined = {name: row for name, row in rows.items() if not math.isnan(row["likelier"])}
    return {
        "split": "valid",
        "mean_balanced_accuracy": {
            rule: statistics.mean(row[rule] for row in defined.values())
            for rule in ("against base rates", "likelier")
        },
        "one_class_alone": sorted(rows.keys() - defined.keys()),
        "tasks": defined,
    }


def likelier(result: Result) -> Result:
    """The result with the likeliest option for an answer."""
    probabilities = result.prediction.probabilities or {}
    completion = Completion(wrap(max(probabilities, key=lambda option: probabilities[option])))
    verdict = tasks.get(result.example.task).verify(result.example, completion.text)
    return Result(result.example, replace(result.prediction, completions=(completion,)), (verdict,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("measure")
    one.add_argument("model", help="a run's name")
    one.add_argument(
        "--family", action="append", default=[], help="this family of the suite alone; may be given often"
    )
    one.add_argument("--limit", type=int, default=0, help="at most so many test examples of each task")
    commands.add_parser("page")
    two = commands.add_parser("again")
    two.add_argument("--items", type=int, default=200, help="at most so many test examples of each task")
    three = commands.add_parser("base-rates")
    three.add_argument("--items", type=int, default=500, help="at most so many validation examples of each task")
    given = parser.parse_args()
    if given.command == "measure":
        folder = Path("runs") / given.model
        shipped = SHIPPED / given.model
        model = load_model(str(shipped if shipped.is_dir() else folder))
        for path in measure(suites_of(given.model), model, folder, given.family, given.limit or None):
            print(bench.render_text(bench.table(path)))
    elif given.command == "page":
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), Figures.read()), encoding="utf-8")
    elif given.command == "base-rates":
        (RESULTS / "base-rates.json").write_text(json.dumps(by_both_rules(given.items), indent=1) + "\n")
    else:
        differing = [line for name in (TRUNK, MAKER, *FORKS) for line in asked_again(name, given.items)]
        sys.exit(1 if differing else 0)


def asked_again(name: str, items: int) -> list[str]:
    """The tasks whose headlines a shipped checkpoint does not reach again; none where it is not shipped."""
    if not (SHIPPED / name).is_dir():
        return []
    with tempfile.TemporaryDirectory() as folder:
        suites = {record: once(suite) for record, suite in suites_of(name).items()}
        fresh = measure(suites, load_model(str(SHIPPED / name)), Path(folder), (), items)
        stored = [RESULTS / f"{path.name.removeprefix('bench-')}.gz" for path in fresh]
        return [task for pair in zip(stored, fresh, strict=True) for task in disagreements(*pair)]


if __name__ == "__main__":
    main()
