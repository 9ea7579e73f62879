"""Do the specialists reach what their authors published? The whole protocol, stopped and continued at will.

    python benchmarks/specialists.py admet --out docs/results/maplight.json
    python benchmarks/specialists.py cold-drug --out docs/results/cold-drug.json
    python benchmarks/specialists.py random-pairs --out docs/results/random-pairs.json
    python benchmarks/specialists.py kiba-cold-drug --out docs/results/kiba-cold-drug.json
    python benchmarks/specialists.py retrosynthesis --out docs/results/templates.json

- admet: boosting on MapLight's features, five fits of each of TDC's 22 endpoints; mean and standard deviation over them, as
  on its board, beside the published ones. About two hours of processor time, half of it features, which are computed once.
- cold-drug: boosting on pairs, KronRLS and the mean by partner on Davis, for five draws of the drugs that are tested.
- random-pairs, kiba-cold-drug: the same models on the random splits of Davis and KIBA, and on KIBA's cold drugs.
- retrosynthesis: templates of the hundred most similar reactions, USPTO-50k.

Every answer goes into a run record under --runs, so that the same command goes on after a stop; a copy of it, compressed,
belongs to the figures. Prints, or writes, one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmai_gym import bench, tasks
from mmai_gym.contracts import Result
from mmai_gym.models import load_model
from mmai_gym.records import RunRecord, library_versions

DAVIS = ("activity/davis/cold-drug", *(f"activity/davis/cold-drug@{seed}" for seed in range(1, 5)))
SPLITS = {
    "random-pairs": ("activity/davis/random", "activity/kiba/random"),
    "kiba-cold-drug": ("activity/kiba/cold-drug",),
}
"""Further splits of pairs, by protocol: a record of all would be too large to store."""
PAIRS = ("baseline:pair-boosting", "baseline:kronrls")
FLOOR = "baseline:mean-by-partner"


def suite(
    name: str,
    of: Iterable[str],
    n: int = 1,
    seeds: int = 1,
    floor: str = "baseline:constant",
) -> bench.Suite:
    """A protocol of one family, whose model has to be better than `floor`."""
    family = {"name": name, "tasks": list(of), "n": n, "seeds": seeds, "trivial": [floor]}
    return bench.Suite.model_validate({"name": name, "baselines": [floor], "family": [family]})


def run(model: str, protocol: bench.Suite, runs: Path, limit: int | None) -> Path:
    """The record of one run, finished."""

    def progress(done: int, total: int, what: str) -> None:
        print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)

    return bench.run(load_model(model), protocol, runs / f"{protocol.name}.jsonl", limit=limit, progress=progress)


def measured(path: Path) -> tuple[dict[tuple[str, str], list[Result]], dict[tuple[str, str], float]]:
    """Results, and seconds that answering took (fits included), by model and task."""
    record = RunRecord.read(path)
    seconds: dict[tuple[str, str], float] = {}
    for row in record.rows():
        key = row.model, row.task
        seconds[key] = seconds.get(key, 0.0) + (row.seconds or 0.0)
    return record.results(tasks.get), seconds


def spread(values: Iterable[float]) -> dict[str, Any]:
    """Values, their mean and their standard deviation (of the population, as TDC's board has it)."""
    found = [round(value, 6) for value in values]
    return {"mean": float(np.mean(found)), "sd": float(np.std(found)), "values": found}


# --------------------------------------------------------------------------------------------------- protocols


def admet(runs: Path, names: list[str], limit: int | None) -> dict[str, Any]:
    """Five fits of each endpoint, beside the published figure."""
    protocol = suite("maplight", names or tasks.match("admet"), seeds=5)
    results, spent = measured(run("baseline:maplight", protocol, runs, limit))
    rows = []
    for name in dict.fromkeys(task for _, task in results):
        task = tasks.get(name)
        fits = [key for key in results if key[1] == name and key[0].startswith("baseline:maplight")]
        scores = spread(task.score(results[fit])[task.headline].value for fit in fits)
        row = {
            "task": name,
            "metric": task.headline,
            **scores,
            "seconds": round(sum(map(spent.__getitem__, fits)), 1),
        }
        rows.append(row | beside_published(name, scores["mean"]))
    known = [row for row in rows if "published" in row]
    return {"rows": rows, "within": sum(row["within"] for row in known), "of": len(known)}


def beside_published(name: str, value: float) -> dict[str, Any]:
    """The authors' figure, and whether ours is as near as the bar asks: two of their standard deviations or 3 %."""
    for figure in bench.published_for(name, {}):
        if figure.model == "MapLight" and figure.metric == tasks.get(name).headline:
            allowed = max(2 * (figure.spread or 0.0), 0.03 * abs(figure.value))
            within = abs(value - figure.value) <= allowed
            better = value < figure.value if figure.metric == "mae" else value > figure.value
            return {"published": figure.value, "published_sd": figure.spread, "within": within, "better": better}
    return {}


def cold_drug(runs: Path, names: list[str], limit: int | None) -> dict[str, Any]:
    """Concordance index and squared error of each model, and their spread over draws of the drugs."""
    results, spent = answered("cold-drug", names or DAVIS, runs, limit)
    return {"rows": [row_of(model, results, spent, None) for model in (*PAIRS, FLOOR)]}


def splits(protocol: str, runs: Path, names: list[str], limit: int | None) -> dict[str, Any]:
    """Concordance index and squared error of each model on each split of a protocol."""
    of = names or SPLITS[protocol]
    results, spent = answered(protocol, of, runs, limit)
    return {"rows": [row_of(model, results, spent, name) for name in of for model in (*PAIRS, FLOOR)]}


def answered(
    prefix: str, names: Iterable[str], runs: Path, limit: int | None
) -> tuple[dict[tuple[str, str], list[Result]], dict[tuple[str, str], float]]:
    """Results and seconds of the models of pairs, whose records begin with `prefix`."""
    results: dict[tuple[str, str], list[Result]] = {}
    spent: dict[tuple[str, str], float] = {}
    for model in PAIRS:
        protocol = suite(f"{prefix}-{model.removeprefix('baseline:')}", names, floor=FLOOR)
        found, seconds = measured(run(model, protocol, runs, limit))
        results |= found
        spent |= seconds
    return results, spent


def row_of(
    model: str,
    results: dict[tuple[str, str], list[Result]],
    spent: dict[tuple[str, str], float],
    task: str | None,
) -> dict[str, Any]:
    """The figures of a model, over all tasks or on one."""
    wanted = {key: kept for key, kept in results.items() if key[0] == model and task in (None, key[1])}
    scores = {name: tasks.get(name).score(kept) for (_, name), kept in wanted.items()}
    metrics = {
        metric: spread(score[metric].value for score in scores.values()) for metric in ("concordance_index", "mse")
    }
    took = round(sum(spent[key] for key in wanted), 1)
    return {"model": model, "tasks": list(scores), **metrics, "seconds": took}


def retrosynthesis(runs: Path, names: list[str], limit: int | None) -> dict[str, Any]:
    """Exact matches among the first k answers."""
    protocol = suite("templates", names or ["retrosynthesis/uspto-50k"], n=10)
    results, spent = measured(run("baseline:templates", protocol, runs, limit))
    rows = []
    for (model, name), found in results.items():
        if model == "baseline:templates":
            scores = tasks.get(name).score(found)
            kept = {metric: [e.value, e.low, e.high] for metric, e in scores.items() if metric.startswith("top_")}
            rows.append({"task": name, "n": len(found), "seconds": round(spent[model, name], 1), **kept})
    return {"rows": rows}


Protocol = Callable[[Path, list[str], int | None], dict[str, Any]]
PROTOCOLS: dict[str, Protocol] = {
    "admet": admet,
    "cold-drug": cold_drug,
    "retrosynthesis": retrosynthesis,
    **{name: partial(splits, name) for name in SPLITS},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=sorted(PROTOCOLS))
    parser.add_argument("--tasks", nargs="*", default=[], help="some of the protocol's tasks")
    parser.add_argument("--limit", type=int, default=0, help="at most so many test examples of each task")
    parser.add_argument("--runs", type=Path, default=Path("runs/specialists"), help="folder of the run records")
    parser.add_argument("--out", type=Path, help="write the figures here")
    given = parser.parse_args()
    found = PROTOCOLS[given.protocol](given.runs, given.tasks, given.limit or None)
    text = json.dumps(found | {"limit": given.limit or None, "libraries": library_versions()}, indent=1)
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
