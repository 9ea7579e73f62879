"""How long does it take to load the data, and how much memory? Data set by data set, in one process.

    python benchmarks/loading.py                       # the tasks of the core suite
    python benchmarks/loading.py --suite none admet    # any tasks

All rows of all splits are read through their tasks; files must be in the cache or the mirror. Prints one JSON object.
`peak_mb` is the process's largest size so far: it grows with the largest data set, not with their number.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections import defaultdict

from mmai_gym import tasks
from mmai_gym.bench import load_suite
from mmai_gym.contracts import SPLITS
from mmai_gym.sources import kept_data_set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", help="names or prefixes, beside those of the suite")
    parser.add_argument("--suite", default="core")
    options = parser.parse_args()
    names = [name for prefix in options.tasks for name in tasks.match(prefix)]
    if options.suite != "none":
        names += [name for family in load_suite(options.suite).families for name in family.task_names()]
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[tasks.get(name).sources].append(name)
    started = time.perf_counter()
    rows = []
    for sources, members in groups.items():
        before, cpu = time.perf_counter(), time.process_time()
        count = sum(1 for name in members for split in SPLITS for _ in tasks.get(name).examples(split))
        rows.append(
            {
                "data_sets": sources,
                "tasks": len(members),
                "examples": count,
                "seconds": round(time.perf_counter() - before, 2),
                "cpu_seconds": round(time.process_time() - cpu, 2),
                "kept": kept_data_set(),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    print(json.dumps({"seconds": round(time.perf_counter() - started, 1), "groups": rows}, indent=1))


if __name__ == "__main__":
    main()
