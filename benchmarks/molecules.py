"""What the views of a molecule cost, and whether every molecule of two large lists comes back from them.

    python benchmarks/molecules.py table --out docs/results/views-speed.json
    python benchmarks/molecules.py roundtrip --out docs/results/views.json --listed docs/results/views-listed.csv.gz

`table`: CPU time of each view on one core against the library calls that it cannot do without, taken in turns on the
same molecules; the batch form on two workers against one; memory of the batch form on 10,000 and on 300,000 molecules.
The bare call of a view that is read back before it is given out includes that reading, see `BARE`. `roundtrip`: all
249,455 molecules of ZINC250k and 78,102 of ChEMBL through every flat view and back. It works in shards, appends each to
a file in the cache as it is done, and goes on from there when it is started again (by other code it starts anew);
`--limit` takes so many molecules of each list, evenly spread. Molecules that a view refuses are listed with list,
number (from 1, in what was taken of the list), view and reason.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import os
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mmai_gym.molecules
from mmai_gym.molecules.round_trips import FLAT_VIEWS, Finding, round_trips
from mmai_gym.records import library_versions
from mmai_gym.sources import cache_dir, molecule_lists
from mmai_gym.workers import Outcome, WorkerPool

Report = dict[str, Any]

SHARD = 2_000
SECONDS = 120.0
VIEW_MODULES = (
    "fidelity", "formula_view", "fragments_view", "graph", "inchi_view", "round_trips", "selfies_view", "smiles",
    "toolkit", "views",
)  # fmt: skip
EXAMPLES = 3
LISTS = {"zinc": molecule_lists.zinc, "chembl": molecule_lists.chembl}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    trips = commands.add_parser("roundtrip")
    trips.add_argument("--limit", type=int, default=0)
    trips.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    trips.add_argument("--out", type=Path, default=None)
    trips.add_argument("--listed", type=Path, default=None)
    options = parser.parse_args()

    report = roundtrip(options.limit, options.workers, options.listed)
    text = json.dumps({"command": " ".join(["python", *sys.argv])} | report, indent=1) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    sys.exit(1 if report.get("changed") else 0)


# ------------------------------------------------------------------------------------------------------- round trips


def roundtrip(limit: int, workers: int, listed: Path | None) -> Report:
    """The report over both lists; `changed` counts what no view may do."""
    state = State(cache_dir() / "benchmarks" / "views-roundtrip.jsonl", limit)
    started = time.monotonic()
    with WorkerPool(round_trips, workers=workers, seconds=SECONDS) as pool:
        for name, first, texts in shards(limit):
            if (name, first) not in state.done:
                state.append(name, first, len(texts), [*found(pool.map(texts), first)])
                minutes = (time.monotonic() - started) / 60
                print(f"{name}: {first + len(texts):,} molecules after {minutes:.1f} min", file=sys.stderr)
    return summary(state, listed)


def shards(limit: int) -> Iterator[tuple[str, int, list[str]]]:
    """Name of the list, position of the first molecule in what is taken of it, and the SMILES."""
    for name, load in LISTS.items():
        texts = [row.smiles for row in load()]
        texts = texts[:: max(1, len(texts) // limit)] if limit else texts
        for first in range(0, len(texts), SHARD):
            yield name, first, texts[first : first + SHARD]


def found(outcomes: Iterator[Outcome], first: int) -> Iterator[list[Any]]:
    """[position, view, kind, reason] for each molecule and view that did not come back."""
    for position, outcome in enumerate(outcomes, first):
        findings: Sequence[Finding] = outcome.value or ()
        if outcome.error is not None:
            findings = [Finding("all", "refused", f"{outcome.error}: {outcome.detail}")]
        for finding in findings:
            yield [position, finding.view, finding.kind, finding.reason]


class State:
    """The shards that are done: one JSON line each, under the code and libraries that made them."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.key = code_key(limit)
        self.done: dict[tuple[str, int], tuple[int, list[list[Any]]]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self.take(line)

    def take(self, line: str) -> None:
        try:
            shard = json.loads(line)
        except json.JSONDecodeError:  # the line that was being written when the work was stopped
            return
        if shard["key"] == self.key:
            self.done[shard["list"], shard["first"]] = shard["molecules"], shard["findings"]

    def append(self, name: str, first: int, molecules: int, findings: list[list[Any]]) -> None:
        shard = {"key": self.key, "list": name, "first": first, "molecules": molecules, "findings": findings}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(shard) + "\n")
        self.done[name, first] = molecules, findings


def code_key(limit: int) -> str:
    """Changes with the code of the views, with the libraries, and with what is taken of the lists."""
    digest = hashlib.sha256(json.dumps([limit, SHARD, library_versions(["rdkit", "selfies"])]).encode())
    for name in VIEW_MODULES:
        digest.update(Path(mmai_gym.molecules.__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def summary(state: State, listed: Path | None) -> Report:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[str]] = defaultdict(list)
    molecules: Counter[str] = Counter()
    rows: list[tuple[str, int, str, str]] = []
    for (name, _), (number, findings) in sorted(state.done.items()):
        molecules[name] += number
        for position, view, kind, reason in findings:
            counts[view][kind] += 1
            short = shortened(reason)
            reasons[view][short] += 1
            if kind == "changed" or reasons[view][short] <= EXAMPLES:
                examples[view].append(reason)
            rows.append((name, position + 1, view, short if kind == "refused" else f"CHANGED: {reason}"))
    if listed:
        write_listed(listed, rows)
    total = molecules.total()
    return {
        "libraries": library_versions(["mmai-gym", "rdkit", "selfies"]),
        "molecules": dict(molecules),
        "changed": sum(count["changed"] for count in counts.values()),
        "views": {
            view: {
                "through": total - counts[view].total(),
                "refused": counts[view]["refused"],
                "changed": counts[view]["changed"],
                "reasons": dict(reasons[view].most_common(10)),
                "examples": examples[view],
            }
            for view in (*FLAT_VIEWS, *sorted(set(counts) - set(FLAT_VIEWS)))
        },
    }


def shortened(reason: str) -> str:
    """The reason without the molecules in it."""
    text = re.sub(r"it reads back as '.*", "reads back as another molecule", reason, flags=re.DOTALL)
    return re.sub(r"^.*?(?:'|\.\.\.)(?:: | )", "", text, count=1)


def write_listed(path: Path, rows: list[tuple[str, int, str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("list", "number", "view", "reason"))
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


if __name__ == "__main__":
    main()
