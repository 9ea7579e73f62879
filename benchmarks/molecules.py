"""What the views of a molecule cost, and whether every molecule of two large lists comes back from them.

    python benchmarks/molecules.py table --out docs/results/views-speed.json
    python benchmarks/molecules.py space --out docs/results/views-space.json
    python benchmarks/molecules.py roundtrip --out docs/results/views.json --listed docs/results/views-listed.csv.gz

`table`: CPU time of each view on one core against the library calls that it cannot do without, taken in turns on the
same molecules; the batch form on two workers against one core; memory of the batch form on 10,000 and on 300,000 molecules.
Bare calls are in `bare_views.py`; that of a view which is read back before it is given out includes that reading, and
molecules that a view refuses are left out. `space`: 1,000 embedded molecules with generated conformers, the EGFR
ligands of the RDKit wheel and the QM9 geometries, through every form in space and back: same molecule by connectivity
and stereo, and the largest RMSD; `--qm7 ARCHIVE` adds the geometries of a tar archive of plain XYZ files. `roundtrip`:
all 249,455 molecules of ZINC250k and 78,102 of ChEMBL through every flat view and back. It works in shards, appends each
to a file in the cache as it is done, and goes on from there when it is started again; a view whose code has changed since
is gone through anew. `--limit` takes so many molecules of each list, evenly spread. Molecules that a view refuses are
listed with list, number (from 1, in what was taken of the list), view and reason.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import mmai_gym.molecules
from bare_views import BARE
from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import (
    VIEWS,
    Conformer,
    canonical,
    convert,
    convert_all,
    from_plain_xyz,
    from_sdf,
    perceived_smiles,
    rmsd,
    sdf_records,
)
from mmai_gym.molecules.round_trips import FLAT_VIEWS, Finding, round_trips
from mmai_gym.records import library_versions
from mmai_gym.sources import cache_dir, embedded, molecule_lists, qm9
from mmai_gym.workers import Outcome, WorkerPool

Report = dict[str, Any]

SHARD = 2_000
SECONDS = 120.0
SHARED_MODULES = ("fidelity", "round_trips", "smiles", "toolkit", "views")
OWN_MODULE = {
    "selfies": "selfies_view", "inchi": "inchi_view", "inchi-fixed-h": "inchi_view", "inchikey": "inchi_view",
    "formula": "formula_view", "fragments": "fragments_view", "graph": "graph", "graph-arrays": "graph",
}  # fmt: skip
"""Where a view is written and read, beside the modules that all share."""
EXAMPLES = 3
ROUNDS = 15
BATCH_ROUNDS = 12
BATCH = {"smiles": 30_000, "graph": 15_000, "selfies": 7_000}
"""Molecules of a round, some seven seconds of one core each."""
BLOCK = 20
SPACE_VIEWS = tuple(name for name, view in VIEWS.items() if view.dimensions == 3)
LISTS = {"zinc": molecule_lists.zinc, "chembl": molecule_lists.chembl}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    speed = commands.add_parser("table")
    speed.add_argument("--molecules", type=int, default=400)
    speed.add_argument("--sizes", type=int, nargs=2, default=[10_000, 300_000])
    space = commands.add_parser("space")
    space.add_argument("--molecules", type=int, default=1_000)
    space.add_argument("--qm7", type=Path, default=None)
    trips = commands.add_parser("roundtrip")
    trips.add_argument("--limit", type=int, default=0)
    trips.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    trips.add_argument("--listed", type=Path, default=None)
    for command in (speed, space, trips):
        command.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()

    if options.command == "table":
        report = table(options.molecules, options.sizes)
    elif options.command == "space":
        report = in_space(options.molecules, options.qm7)
    else:
        report = roundtrip(options.limit, options.workers, options.listed)
    text = json.dumps({"command": " ".join(["python", *sys.argv])} | report, indent=1) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    sys.exit(1 if report.get("changed") else 0)


# -------------------------------------------------------------------------------------------------------- the table


def table(molecules: int, sizes: Sequence[int]) -> Report:
    """Overhead of each flat view, speed-up of the batch form, and its memory."""
    rows = [row.smiles for row in molecule_lists.zinc()]
    report: Report = {
        "libraries": library_versions(["mmai-gym", "rdkit", "selfies"]),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "overhead": {name: overhead(name, rows[:: len(rows) // molecules]) for name in BARE},
        "batch": {to: speed_up(rows[:batch], to) for to, batch in BATCH.items()},
        "memory": [memory(rows, size) for size in sizes],
    }
    for name, one in report["overhead"].items():
        share = 100 * one["overhead"]
        print(f"{name:18} {one['bare_us']:7.0f} us bare {share:6.1f} % more as a view", file=sys.stderr)
    return report


def overhead(name: str, texts: Sequence[str]) -> Report:
    """CPU time of the view over that of the bare calls, which take turns; the median of the rounds' ratios."""
    view, bare = partial(convert, to=name), BARE[name]
    kept = [text for text in texts if succeeds(view, text) and succeeds(bare, text)]
    ratios, spent = [], 0.0
    for turn in range(ROUNDS):
        seconds = {False: 0.0, True: 0.0}
        for place, start in enumerate(range(0, len(kept), BLOCK)):
            for is_view in (False, True) if (place + turn) % 2 else (True, False):
                seconds[is_view] += cpu_seconds(view if is_view else bare, kept[start : start + BLOCK])
        ratios.append(seconds[True] / seconds[False])
        spent += seconds[False]
    return {
        "molecules": len(kept),
        "bare_us": 1e6 * spent / ROUNDS / max(1, len(kept)),
        "overhead": median(ratios) - 1,
        "overhead_of_rounds": [ratio - 1 for ratio in sorted(ratios)],
    }


def succeeds(function: Callable[[str], Any], text: str) -> bool:
    with contextlib.suppress(InvalidMolecule):
        function(text)
        return True
    return False


def cpu_seconds(function: Callable[[str], Any], texts: Sequence[str]) -> float:
    before = time.process_time()
    for text in texts:
        function(text)
    return time.process_time() - before


def speed_up(texts: Sequence[str], to: str) -> Report:
    """Wall time of `convert` in this process over that of the batch form on two workers; medians over rounds.

    Beside it stands what two processes reach that know nothing of each other, half of the texts each: cores that share
    a clock or a cache, or that a host lends elsewhere, do not give twice the work of one. The three take turns.
    """
    rounds: list[dict[str, float]] = []
    with ProcessPoolExecutor(2) as apart:
        ways = {
            "one_core": lambda: alone_seconds(texts, to),
            "batch": lambda: batch_seconds(texts, to),
            "apart": lambda: max(apart.map(alone_seconds, (texts[::2], texts[1::2]), (to, to))),
        }
        for turn in range(BATCH_ROUNDS):
            order = list(ways)[turn % 3 :] + list(ways)[: turn % 3]
            rounds.append({way: ways[way]() for way in order})
    batch = sorted(one["one_core"] / one["batch"] for one in rounds)
    processes = sorted(one["one_core"] / one["apart"] for one in rounds)
    return {
        "molecules": len(texts),
        "seconds": {way: median(one[way] for one in rounds) for way in ways},
        "speed_up": median(batch),
        "speed_up_of_rounds": batch,
        "two_processes_apart": median(processes),
        "two_processes_apart_of_rounds": processes,
        "share_of_two_processes_apart": median(one["apart"] / one["batch"] for one in rounds),
    }


def alone_seconds(texts: Sequence[str], to: str) -> float:
    before = time.perf_counter()
    for text in texts:
        with contextlib.suppress(InvalidMolecule):
            convert(text, to)
    return time.perf_counter() - before


def batch_seconds(texts: Sequence[str], to: str) -> float:
    """From the first result on: processes start once, whatever the length of the batch."""
    results = convert_all(texts, to, workers=2)
    next(results)
    before = time.perf_counter()
    for _ in results:
        pass
    return time.perf_counter() - before


def memory(rows: Sequence[str], size: int) -> Report:
    """The most that a fresh process holds while it converts so many molecules, MB; the list itself is in it."""
    script = (
        "import resource, itertools; from mmai_gym.molecules import convert_all; from mmai_gym.sources import "
        "molecule_lists as m; rows = m.zinc(); it = (r.smiles for r in itertools.islice(itertools.cycle(rows), "
        f"{size})); n = sum(1 for _ in convert_all(it, 'smiles', workers=2)); "
        "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    done, kilobytes = map(int, out.split())
    return {"molecules": done, "peak_mb": kilobytes / 1024}


# --------------------------------------------------------------------------------------------------------- in space


def in_space(molecules: int, qm7: Path | None) -> Report:
    """For each set: conformers, and for each form those that came back as another molecule and the largest RMSD."""
    rows = embedded.molecules()
    sets: dict[str, Iterable[Conformer]] = {
        "generated": generated([row.smiles for row in rows[:: len(rows) // molecules]][:molecules]),
        "egfr": map(from_sdf, sdf_records(egfr_text())),
        "qm9": perceived(to_plain_xyz(row.symbols, row.coordinates) for row in qm9.molecules()),
    }
    if qm7:
        sets["qm7"] = perceived(members(qm7))
    return {
        "libraries": library_versions(["mmai-gym", "rdkit"]),
        "sets": {name: forms(conformers) for name, conformers in sets.items()},
    }


def generated(texts: Sequence[str]) -> Iterator[Conformer]:
    for outcome in convert_all(texts, "conformer-arrays"):
        if outcome.failure is None:
            yield outcome.value


def egfr_text() -> str:
    return embedded.EGFR.path.read_text(encoding="utf-8")


def to_plain_xyz(symbols: Sequence[str], coordinates: np.ndarray) -> str:
    atoms = (f"{symbol} {x:.6f} {y:.6f} {z:.6f}" for symbol, (x, y, z) in zip(symbols, coordinates, strict=True))
    return "\n".join((str(len(symbols)), "", *atoms))


def members(archive: Path) -> Iterator[str]:
    with tarfile.open(archive) as files:
        for member in files:
            stream = files.extractfile(member)
            if stream is not None:
                yield stream.read().decode()


def perceived(texts: Iterable[str]) -> Iterator[Conformer]:
    """Those whose bonds RDKit can tell."""
    for text in texts:
        with contextlib.suppress(InvalidMolecule):
            yield from_plain_xyz(text)


def forms(conformers: Iterable[Conformer]) -> Report:
    count = 0
    worst: dict[str, float] = dict.fromkeys(SPACE_VIEWS, 0.0)
    changed: Counter[str] = Counter()
    characters: dict[str, list[int]] = defaultdict(list)
    for conformer in conformers:
        count += 1
        for name in SPACE_VIEWS:
            value = convert(conformer, name)
            back = convert(value, "conformer-arrays", source=name)
            worst[name] = max(worst[name], rmsd(back, conformer))
            same = canonical(back.smiles) == canonical(conformer.smiles)
            if not same or perceived_smiles(back) != perceived_smiles(conformer):
                changed[name] += 1
            if isinstance(value, str):
                characters[name].append(len(value))
    return {
        "conformers": count,
        "changed": {name: changed[name] for name in SPACE_VIEWS},
        "largest_rmsd": worst,
        "median_characters": {name: median(lengths) for name, lengths in characters.items()},
    }


# ------------------------------------------------------------------------------------------------------- round trips


def roundtrip(limit: int, workers: int, listed: Path | None) -> Report:
    """The report over both lists; `changed` counts what no view may do."""
    from molecules import through as importable  # by the workers, for whom this script is no __main__

    state = State(cache_dir() / "benchmarks" / "views-roundtrip.jsonl", limit)
    started = time.monotonic()
    with WorkerPool(importable, workers=workers, seconds=SECONDS) as pool:
        for name, first, texts in shards(limit):
            if missing := state.missing(name, first):
                findings = [*found(pool.map((text, missing) for text in texts), first, missing)]
                for view in missing:
                    state.append(view, name, first, len(texts), [row for row in findings if row[1] == view])
                minutes = (time.monotonic() - started) / 60
                print(f"{name}: {first + len(texts):,} molecules after {minutes:.1f} min", file=sys.stderr)
    return summary(state, listed)


def through(item: tuple[str, list[str]]) -> tuple[Finding, ...]:
    """In a worker: what became of a molecule in some views."""
    smiles, views = item
    return round_trips(smiles, views)


def shards(limit: int) -> Iterator[tuple[str, int, list[str]]]:
    """Name of the list, position of the first molecule in what is taken of it, and the SMILES."""
    for name, load in LISTS.items():
        texts = [row.smiles for row in load()]
        texts = texts[:: max(1, len(texts) // limit)] if limit else texts
        for first in range(0, len(texts), SHARD):
            yield name, first, texts[first : first + SHARD]


def found(outcomes: Iterator[Outcome], first: int, views: Sequence[str]) -> Iterator[list[Any]]:
    """[position, view, kind, reason] for each molecule and view that did not come back."""
    for position, outcome in enumerate(outcomes, first):
        findings: Sequence[Finding] = outcome.value or ()
        if outcome.error is not None:
            findings = [Finding(view, "refused", f"{outcome.error}: {outcome.detail}") for view in views]
        for finding in findings:
            yield [position, finding.view, finding.kind, finding.reason]


class State:
    """The shards that are done: one JSON line for each view of one, under the code and libraries that made it."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.keys = {view: code_key(view, limit) for view in FLAT_VIEWS}
        self.done: dict[tuple[str, str, int], tuple[int, list[list[Any]]]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self.take(line)

    def take(self, line: str) -> None:
        try:
            shard = json.loads(line)
        except json.JSONDecodeError:  # the line that was being written when the work was stopped
            return
        if shard["key"] == self.keys.get(shard["view"]):
            self.done[shard["view"], shard["list"], shard["first"]] = shard["molecules"], shard["findings"]

    def missing(self, name: str, first: int) -> list[str]:
        return [view for view in FLAT_VIEWS if (view, name, first) not in self.done]

    def append(self, view: str, name: str, first: int, molecules: int, findings: list[list[Any]]) -> None:
        shard = {
            "key": self.keys[view], "view": view, "list": name, "first": first, "molecules": molecules,
            "findings": findings,
        }  # fmt: skip
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(shard) + "\n")
        self.done[view, name, first] = molecules, findings


def code_key(view: str, limit: int) -> str:
    """Changes with the code of a view, with the libraries, and with what is taken of the lists."""
    digest = hashlib.sha256(json.dumps([limit, SHARD, library_versions(["rdkit", "selfies"])]).encode())
    for name in (*SHARED_MODULES, *filter(None, [OWN_MODULE.get(view)])):
        digest.update(Path(mmai_gym.molecules.__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def summary(state: State, listed: Path | None) -> Report:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[str]] = defaultdict(list)
    molecules: Counter[str] = Counter()
    rows: list[tuple[str, int, str, str]] = []
    for (seen, name, _), (number, findings) in sorted(state.done.items(), key=_by_place):
        if seen == FLAT_VIEWS[0]:
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
            for view in FLAT_VIEWS
        },
    }


def _by_place(entry: tuple[tuple[str, str, int], Any]) -> tuple[str, int, str]:
    (view, name, first), _ = entry
    return name, first, view


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
