"""What a pilot's minutes bought: speed, memory and learning curve from a run's log, and the answers of its checkpoint.

    mmai-gym data fetch uspto-50k && mmai-gym data map uspto-50k
    mmai-gym train micro-retro
    python benchmarks/pilot.py micro-retro --out docs/results/pilot.json

Validation examples only, drawn by a fixed seed: nothing is chosen on a test set, and nothing of one is shown here. The
checkpoint answers them by beam search, within the grammar of SMILES and without, and is timed. A picture of the curve is
written beside the JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import machine
from mmai_gym import tasks
from mmai_gym.contracts import Example, Result
from mmai_gym.lfm import checkpoint
from mmai_gym.models.lfm_model import LFMModel
from mmai_gym.records import library_versions
from mmai_gym.tasks.base import BaseTask
from mmai_gym.training import read_log
from mmai_gym.training.choosing import choose

SEED = 17


def answered(folder: Path, task: BaseTask, examples: list[Example], width: int, grammar: bool) -> dict[str, Any]:
    """Metrics of the task with intervals, and how fast the beams were."""
    model = LFMModel(folder, grammar=grammar)
    model.predict(examples[:2], width, SEED)  # warms up
    began = time.perf_counter()
    predictions = model.predict(examples, width, SEED)
    seconds = time.perf_counter() - began
    results = [
        Result(example, prediction, tuple(task.verify(example, one.text) for one in prediction.completions))
        for example, prediction in zip(examples, predictions, strict=True)
    ]
    metrics = {
        name: {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}
        for name, found in task.score(results).items()
        if not name.startswith("top_1_class")
    }
    return {"seconds": round(seconds, 1), "examples_per_second": round(len(examples) / seconds, 2), **metrics}


def curve(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The log, thinned to what a reader plots."""
    tokens = {line["step"]: line["tokens"] for line in lines if "tokens" in line}
    seen = sorted(tokens.items())

    def at(step: int) -> int:
        return next((count for known, count in seen if known >= step), seen[-1][1])

    losses = [line for line in lines if "loss" in line]
    return {
        "loss": [[line["tokens"], round(line["loss"], 4)] for line in losses],
        "validation_loss": [
            [at(line["step"]), round(line["validation_loss"], 4)] for line in lines if "validation_loss" in line
        ],
        "exact_match": [
            [at(line["step"]), {name: round(value, 4) for name, value in line["exact_match"].items()}]
            for line in lines
            if "exact_match" in line
        ],
        "tokens_per_second": _spread([line["tokens_per_second"] for line in losses]),
        "model_flops_utilisation": _spread([line["model_flops_utilisation"] for line in losses]),
        "peak_memory_mb": max(line["peak_memory_mb"] for line in losses),
        "minutes": round(losses[-1]["wall_seconds"] / 60, 1),
        "tokens": losses[-1]["tokens"],
        "steps": losses[-1]["step"],
    }


def _spread(values: list[float]) -> dict[str, float]:
    low, *_, high = statistics.quantiles(values, n=10)
    return {"median": statistics.median(values), "tenth": low, "ninetieth": high}


def draw(found: dict[str, Any], path: Path) -> None:
    """Loss and exact match against the tokens seen."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for key, label in (("loss", "training"), ("validation_loss", "validation")):
        x, y = zip(*found[key], strict=True)
        left.plot([count / 1e6 for count in x], y, label=label, marker="" if key == "loss" else "o", markersize=4)
    left.set(xlabel="million tokens", ylabel="nats per token", yscale="log")
    left.legend(frameon=False)
    for name in found["exact_match"][-1][1]:
        points = [(count / 1e6, 100 * values[name]) for count, values in found["exact_match"]]
        right.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
    right.set(xlabel="million tokens", ylabel="exact match, greedy, validation (%)", ylim=(0, None))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the run folder of `mmai-gym train`")
    parser.add_argument("--task", default="retrosynthesis/uspto-50k")
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--width", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    folder = options.run / checkpoint.IN_RUN
    task = tasks.get(options.task)
    chosen = choose(task, "valid", options.examples, SEED).positions
    examples = [task.examples("valid")[position] for position in chosen]
    card = checkpoint.read_card(folder)
    found = {
        "machine": machine.describe(),
        "libraries": library_versions(),
        "recipe": card["recipe"],
        "parameters": card["parameters"],
        "precision": card["precision"],
        "training": curve(read_log(options.run / "log.jsonl")),
        "validation": {"task": task.name, "version": task.version, "n": len(examples), "width": options.width},
        "beam": answered(folder, task, examples, options.width, grammar=False),
        "beam_within_grammar": answered(folder, task, examples, options.width, grammar=True),
    }
    print(json.dumps({key: value for key, value in found.items() if key not in ("recipe", "libraries")}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        draw(found["training"], options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
