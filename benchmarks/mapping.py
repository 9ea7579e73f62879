"""Accuracy and speed of the atom mapper on the mapped USPTO-50k reactions, and of alignment by its maps.

    python benchmarks/mapping.py --split valid --limit 500

The maps of the file are the truth. They are removed before mapping and both sides are written canonically, so that no
order tells anything. Bonds and centres are compared up to symmetry (equivalent product atoms are one); a failure counts
as wrong in every share. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter, defaultdict
from statistics import mean

from mmai_gym.molecules import (
    AtomMapping,
    MappedReaction,
    aligned_to_canonical,
    canonical,
    canonical_set,
    map_reaction,
    reaction_centre,
    root_aligned,
)
from mmai_gym.sources import uspto50k

_TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance over atom-level SMILES tokens."""
    left, right = _TOKEN.findall(first), _TOKEN.findall(second)
    row = list(range(len(right) + 1))
    for i, token in enumerate(left, start=1):
        above, row = row, [i]
        for j, other in enumerate(right, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (token != other)))
    return row[-1]


def judged(found: AtomMapping, mapped: str) -> tuple[bool, bool]:
    """Whether broken bonds, and the whole centre, are those of the file."""
    if found.reaction is None:
        return False, False
    reactants, product = mapped.split(">>")
    truth, given = reaction_centre(MappedReaction("file", reactants, product)), reaction_centre(found.reaction)
    return truth.broken == given.broken, truth == given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--limit", type=int, default=0, help="so many reactions, evenly spread; 0 for all")
    parser.add_argument("--aligned", type=int, default=1000, help="reactions to align")
    parser.add_argument("--wrong", default="", help="file for the reactions mapped wrongly, for development")
    options = parser.parse_args()

    rows = uspto50k.reactions(options.split)
    rows = rows[:: max(1, len(rows) // options.limit)] if options.limit else rows
    map_reaction("CC(=O)Cl.CN", "CNC(C)=O")  # loads the toolkits
    started = time.process_time()
    found = []
    seconds = []
    for row in rows:
        before = time.process_time()
        found.append(map_reaction(row.reactants, row.product))
        seconds.append(time.process_time() - before)
    total = time.process_time() - started

    verdicts = [judged(mapping, str(row.mapped)) for mapping, row in zip(found, rows, strict=True)]
    classes: dict[int, list[tuple[bool, bool]]] = defaultdict(list)
    bands: dict[str, list[bool]] = defaultdict(list)
    for row, mapping, verdict in zip(rows, found, verdicts, strict=True):
        classes[row.reaction_class].append(verdict)
        bands[f"{min(9, int(mapping.confidence * 10)) / 10:.1f}"].append(verdict[1])
    if options.wrong:
        with open(options.wrong, "w", encoding="utf-8") as out:  # noqa: PTH123
            for row, mapping, (_, right) in zip(rows, found, verdicts, strict=True):
                if not right:
                    given = mapping.failure or f"{mapping.reaction.reactants}>>{mapping.reaction.product}"  # type: ignore[union-attr]
                    print(row.reaction_class, f"{mapping.confidence:.2f}", row.mapped, given, sep="\t", file=out)
    report = {
        "split": options.split,
        "reactions": len(rows),
        "broken_bonds_right": mean(broken for broken, _ in verdicts),
        "centre_right": mean(centre for _, centre in verdicts),
        "failed": mean(mapping.reaction is None for mapping in found),
        "failures": dict(Counter(mapping.failure for mapping in found if mapping.failure)),
        "cpu_ms_each": 1000.0 * total / len(rows),
        "cpu_ms_slowest": 1000.0 * max(seconds),
        "by_class": {
            number: {
                "reactions": len(pairs),
                "broken": mean(b for b, _ in pairs),
                "centre": mean(c for _, c in pairs),
            }
            for number, pairs in sorted(classes.items())
        },
        "by_confidence": {
            band: {"reactions": len(flags), "centre": mean(flags)} for band, flags in sorted(bands.items())
        },
        "alignment": alignment(
            [(m.reaction, str(r.mapped)) for m, r in zip(found, rows, strict=True) if m.reaction], options.aligned
        ),
    }
    print(json.dumps(report, indent=1))


def alignment(pairs: list[tuple[MappedReaction, str]], limit: int) -> dict[str, float]:
    """Mean token edit distance between product and reactants, and how many texts read back as other molecules."""
    distances: dict[str, list[int]] = defaultdict(list)
    broken = 0
    chosen = pairs[:: max(1, len(pairs) // limit)]
    before = time.process_time()
    texts = [
        (aligned_to_canonical(reaction), root_aligned(reaction, seed)) for seed, (reaction, _) in enumerate(chosen)
    ]
    spent = time.process_time() - before
    for (reaction, mapped), (plain, rooted) in zip(chosen, texts, strict=True):
        truth = MappedReaction("file", *mapped.split(">>"))
        distances["canonical"].append(edit_distance(reaction.unmapped_product, reaction.unmapped_reactants))
        distances["aligned"].append(edit_distance(*plain))
        distances["aligned_by_the_file"].append(edit_distance(*aligned_to_canonical(truth)))
        distances["root_aligned"].append(edit_distance(*rooted))
        for product, reactants in (plain, rooted):
            same = (
                canonical(product) == reaction.unmapped_product
                and canonical_set(reactants) == reaction.unmapped_reactants
            )
            broken += not same
    return {
        "pairs": len(chosen),
        "read_back_as_other_molecules": broken,
        "cpu_ms_each": 1000.0 * spent / max(1, 2 * len(chosen)),
    } | {f"edit_distance_{name}": mean(values) for name, values in distances.items()}


if __name__ == "__main__":
    main()
