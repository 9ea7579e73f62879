"""Does every task verify its own gold answers? All rows of all tasks in-process, and a sample through the worker pool.

    python benchmarks/gold.py --out docs/results/gold.json

For each row the gold answer must score 1 and an empty answer must not. A row without a known answer (inputs of an
optimization benchmark) is counted, and its empty answer judged all the same. Exits with 1 if a task fails. Prints, or
writes, one JSON object with rows, failures and milliseconds a verdict for each task.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from mmai_gym import tasks
from mmai_gym.contracts import SPLITS, Example
from mmai_gym.records import library_versions
from mmai_gym.tasks.answers import wrap
from mmai_gym.verify import VerificationService

FAILURES_SHOWN = 3


def judged(name: str) -> dict[str, Any]:
    """Rows by split, rows without an answer, and what went wrong, of one task."""
    task = tasks.get(name)
    rows: dict[str, int] = {}
    unanswered, verdicts, spent = 0, 0, 0.0
    failures: list[str] = []
    for split in SPLITS:
        rows[split] = 0
        for example in task.examples(split):
            rows[split] += 1
            answer = task.answer(example)
            unanswered += answer is None
            before = time.perf_counter()
            found = [task.verify(example, wrap(text)) for text in ([""] if answer is None else [answer, ""])]
            spent += time.perf_counter() - before
            verdicts += len(found)
            if answer is not None and found[0].score != 1.0:
                failures.append(
                    f"{split} {example.id}: gold {answer!r} scores {found[0].score} ({found[0].reason})"
                )
            if found[-1].score != 0.0:
                failures.append(f"{split} {example.id}: an empty answer scores {found[-1].score}")
    return {
        "task": name,
        "rows": rows,
        "without_answer": unanswered,
        "failures": len(failures),
        "shown": failures[:FAILURES_SHOWN],
        "ms_each": round(1000.0 * spent / max(1, verdicts), 4),
    }


def of_data_set(names: list[str]) -> list[dict[str, Any]]:
    """Tasks over the same data, one after the other: their rows are read once."""
    return [judged(name) for name in names]


def pooled(names: list[str], rows: int) -> dict[str, Any]:
    """The same through worker processes, for a few evenly spread test rows of every task."""
    items: list[tuple[str, Example, str]] = []
    for name in names:
        task, examples = tasks.get(name), tasks.get(name).examples("test")
        for index in range(0, len(examples), max(1, len(examples) // rows)):
            answer = task.answer(examples[index])
            items += [(name, examples[index], wrap(answer))] if answer is not None else []
            items.append((name, examples[index], wrap("")))
    started = time.perf_counter()
    with VerificationService() as service:
        verdicts = service.verify(items)
    wrong = [
        f"{name} {example.id}: {text[:80]!r} scores {verdict.score} ({verdict.reason})"
        for (name, example, text), verdict in zip(items, verdicts, strict=True)
        if verdict.score != float(text != wrap(""))
    ]
    seconds = round(time.perf_counter() - started, 1)
    return {"verdicts": len(items), "failures": len(wrong), "shown": wrong[:FAILURES_SHOWN], "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", help="names or prefixes; all by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pooled", type=int, default=10, help="test rows of each task that go through the pool")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    names = [name for prefix in options.tasks for name in tasks.match(prefix)] or tasks.names()
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        groups[tasks.get(name).sources].append(name)
    started = time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        found = [row for rows in pool.map(of_data_set, groups.values()) for row in rows]
    report = {
        "tasks": len(found),
        "rows": sum(sum(row["rows"].values()) for row in found),
        "failures": sum(row["failures"] for row in found),
        "seconds": round(time.perf_counter() - started, 1),
        "pooled": pooled(names, options.pooled),
        "libraries": library_versions(["mmai-gym", "rdkit"]),
        "by_task": sorted(found, key=lambda row: names.index(row["task"])),
    }
    text = json.dumps(report, indent=1, ensure_ascii=False)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
        print({key: value for key, value in report.items() if key != "by_task"})
    sys.exit(1 if report["failures"] or report["pooled"]["failures"] else 0)


if __name__ == "__main__":
    main()
