"""The flagship measured: the runs behind docs/flagship.md, the page itself, and a second look at it.

    python benchmarks/flagship.py measure flagship            # or a fork (flagship-davis-random, ...), or a twin, into runs/
    python benchmarks/flagship.py page                        # every table of docs/flagship.md, from docs/results
    python benchmarks/flagship.py again --items 200           # asks the shipped checkpoint again and compares
    python benchmarks/flagship.py base-rates                  # a rule of the read-out, on validation questions
    python benchmarks/flagship.py re-ranking --items 500      # what round trips are worth, on validation products

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
- re-ranking: the numbers of re-ranking fitted to validation products of retrosynthesis, asked once and in 20 written forms,
  and what they gain on products that they were not fitted to, into docs/results/re-ranking.json. The answers and the round
  trips lie in runs/; stopped, it goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import flagship_reranking
from flagship_page import PAGE, Figures, cell, filled
from flagship_runs import (
    CHECKPOINT,
    FORKS,
    MAKER,
    RESULTS,
    SHIPPED,
    TRUNK,
    clean_booleans,
    measure,
    once,
    suites_of,
)
from mmai_gym import bench, tasks
from mmai_gym.contracts import Completion, Result
from mmai_gym.models import load_model
from mmai_gym.records import RunRecord
from mmai_gym.tasks.answers import wrap


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
    four = commands.add_parser("re-ranking")
    four.add_argument("--items", type=int, default=500, help="at most so many validation products")
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
    elif given.command == "re-ranking":
        (RESULTS / "re-ranking.json").write_text(
            json.dumps(flagship_reranking.report(given.items), indent=1) + "\n"
        )
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
