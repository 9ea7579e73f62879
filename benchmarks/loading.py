"""How long does it take to fetch the data, to load them and to audit them, and how much memory?

    python benchmarks/loading.py                       # the tasks of the core suite, data set by data set
    python benchmarks/loading.py --suite none admet    # any tasks
    python benchmarks/loading.py --out docs/results/loading.json   # from nothing to an audit; 20 minutes

All rows of all splits are read through their tasks, in one process. `peak_mb` is the process's largest size so far: it
grows with the largest data set, not with their number. With --out a user's first steps are timed, in a cache that is empty
before the first: `data fetch` of all public sets, which derives what their tasks need; loading the core suite; `data audit`
of everything; and the last two again, with all that the first time left in the cache. Files must be in the mirror
(MMAI_GYM_MIRROR).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import machine
from mmai_gym import tasks
from mmai_gym.bench import load_suite
from mmai_gym.contracts import SPLITS
from mmai_gym.sources import kept_data_set

_GYM = (sys.executable, "-m", "mmai_gym")
_LOAD, _AUDIT = (sys.executable, __file__), (*_GYM, "data", "audit")
_STEPS = {
    "data fetch": (*_GYM, "data", "fetch", "--all"),
    "load the core suite": _LOAD,
    "audit": _AUDIT,
    "load the core suite again": _LOAD,
    "audit again": _AUDIT,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="names or prefixes, beside those of the suite")
    parser.add_argument("--suite", default="core")
    parser.add_argument("--out", type=Path, help="time the first steps of a user, and write the record here")
    options = parser.parse_args()
    if options.out:
        if not os.environ.get("MMAI_GYM_MIRROR"):
            parser.error("--out needs MMAI_GYM_MIRROR: with an empty cache every file would be downloaded")
        described = machine.describe()
        with tempfile.TemporaryDirectory() as cache:
            steps = {name: _cost(command, cache) for name, command in _STEPS.items()}
        options.out.write_text(json.dumps({"machine": described, "steps": steps}, indent=1) + "\n")
        return
    names = [name for prefix in options.tasks for name in tasks.match(prefix)]
    if options.suite != "none":
        names += [name for family in load_suite(options.suite).families for name in family.task_names()]
    print(json.dumps(loaded(names), indent=1))


def loaded(names: list[str]) -> dict[str, object]:
    """Seconds, rows and memory of reading these tasks, by the data sets that they read."""
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
    return {"seconds": round(time.perf_counter() - started, 1), "groups": rows}


def _cost(command: tuple[str, ...], cache: str) -> dict[str, float]:
    """Wall-clock and processor seconds of a process and of those that it started."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=os.environ | {"MMAI_GYM_CACHE": cache}, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
    }


if __name__ == "__main__":
    main()
