"""Searches the edits of `mmai_gym.tasks.edits`, and writes them down.

    python benchmarks/edits.py --out src/mmai_gym/tasks/edits.json

Molecules of the ChEMBL list with at least 26 heavy atoms are taken in an order drawn by hash, as long as they are wanted.
One that is an input of some set is edited at random: each cut is closed by hydrogen and by a few drawn substituents; the
two best results are edited once more. For each set the edits that better every property are kept, the best by the sum of
gains, in units of MuMO's least gains and at most three of each. What was done is kept in the cache: a search that is
stopped goes on, and a longer one finds the shorter one's edits again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdkit import rdBase

from mmai_gym.molecules import SUBSTITUENTS, canonical, closed, heavy_atoms, mapped, opened, strip_maps, tanimoto
from mmai_gym.sources import molecule_lists
from mmai_gym.sources.computed import Computed
from mmai_gym.tasks.edits import OWN, SETS, target_hash
from mmai_gym.tasks.tricks import SIMILARITY_FLOOR, trick

LEAST_ATOMS = 26
TRIES = 3
CONTINUED = 2
KEPT = {"train": 4, "valid": 1, "test": 1}
PARTS = {"test": 0.05, "valid": 0.10}
"""Upper ends of the parts of [0, 1) into which the hash of a source falls; the rest is train."""
MOST_STEPS = 3.0
BATCH = 400


def values_of(smiles: str) -> Mapping[str, float]:
    return {name: round(oracle.predict([smiles])[0], 2) for name, oracle in OWN.items()}


def gain(letters: str, before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Sum of the gains, each in least gains; below zero unless every property is better."""
    gains = [
        aim.gain(before[aim.oracle], after[aim.oracle]) / (aim.pair_step or 1.0) for aim in SETS[letters].aims
    ]
    return sum(min(one, MOST_STEPS) for one in gains) if min(gains) > 0.0 else -1.0


def search(smiles: str) -> bytes | None:
    """JSON: for each set the edits that better it, best first; None for a molecule that is no input of any."""
    source = canonical(smiles)
    if heavy_atoms(source) < LEAST_ATOMS or "." in source:
        return None
    before = values_of(source)
    wanted = [letters for letters, one in SETS.items() if one.is_input(before)]
    if not wanted:
        return None
    draw = random.Random(hashlib.sha256(source.encode()).digest())
    seen: dict[str, tuple[list[tuple[int, int]], Mapping[str, float]]] = {}
    front: list[tuple[str, list[tuple[int, int]]]] = [(mapped(source), [])]
    for _ in range(2):
        made: list[tuple[float, str, list[tuple[int, int]]]] = []
        for text, steps in front:
            for cut, core in enumerate(opened(text)):
                for number in [0, *draw.sample(range(1, len(SUBSTITUENTS)), TRIES)]:
                    result = closed(core, SUBSTITUENTS[number])
                    if result is None:
                        continue
                    plain = strip_maps(result)
                    if plain in seen or tanimoto(source, plain) < SIMILARITY_FLOOR or trick(source, plain):
                        continue
                    after = values_of(plain)
                    done = [*steps, (cut, number)]
                    seen[plain] = done, after
                    progress = sum(SETS[letters].progress(before, after) for letters in wanted)
                    made.append((progress, result, done))
        front = [(text, done) for _, text, done in sorted(made, key=lambda one: -one[0])[:CONTINUED]]
    found: dict[str, Any] = {}
    for letters in wanted:
        ranked = sorted(
            ((gain(letters, before, after), text, steps) for text, (steps, after) in seen.items()),
            key=lambda one: (-one[0], one[1]),
        )
        better = [[steps, target_hash(text)] for worth, text, steps in ranked if worth > 0.0]
        if better:
            found[letters] = better[: max(KEPT.values())]
    return json.dumps(found).encode()


def part_of(id_: str) -> str:
    place = int(hashlib.sha256(id_.encode()).hexdigest()[:8], 16) / 2**32
    return next((name for name, end in PARTS.items() if place < end), "train")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=4_000, help="molecules that are inputs of some set")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    listed = molecule_lists.chembl()
    order = sorted(range(len(listed)), key=lambda i: hashlib.sha256(f"edits {listed[i].id}".encode()).digest())
    from edits import search as importable  # by the workers, for whom this script is no __main__

    computed = Computed("edits", "2", importable)
    sets: dict[str, dict[str, list[Any]]] = {letters: {part: [] for part in KEPT} for letters in SETS}
    sources = 0
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        results = computed.of([listed[i].smiles for i in batch])
        for i in batch:
            content = results[listed[i].smiles]
            if content is None or sources >= options.sources:
                continue
            sources += 1
            part = part_of(listed[i].id)
            for letters, better in json.loads(content).items():
                sets[letters][part] += [[i, steps, known] for steps, known in better[: KEPT[part]]]
        print(f"{start + len(batch):,} molecules, {sources:,} sources", file=sys.stderr, flush=True)
        if sources >= options.sources:
            break
    record = {"rdkit": rdBase.rdkitVersion, "sources": sources, "sets": sets}
    options.out.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")
    print({letters: {part: len(rows) for part, rows in parts.items()} for letters, parts in sets.items()})


if __name__ == "__main__":
    main()
