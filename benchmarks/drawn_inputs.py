"""Draws the inputs of the MuMO and C-MuMO sets whose own inputs are not public, and writes down which they are.

    python benchmarks/drawn_inputs.py --out src/mmai_gym/tasks/drawn_inputs.json
    python benchmarks/drawn_inputs.py --check optimization/mumo/bdp                 # draw a set again and compare

Where a set has fewer inputs than asked for, all of them are taken. Prints the CPU seconds of every set.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from mmai_gym.oracles import ORACLES
from mmai_gym.tasks.multi_property import INPUTS
from mmai_gym.tasks.multi_property_sets import C_MUMO, MUMO, OptimizationSet
from mmai_gym.tasks.resampling import candidates, draw, positions

SETS = [one for one in (*MUMO, *C_MUMO) if not one.public]


def drawn(definition: OptimizationSet) -> list[int]:
    """Positions of the inputs among the candidates."""
    began = time.process_time()
    molecules = candidates(definition)
    places = {molecule.id: place for place, molecule in enumerate(molecules)}
    oracles = {name: ORACLES[name] for name in definition.oracles}
    found = [places[id_] for id_, _, _ in draw(definition, oracles, lambda: molecules, INPUTS)]
    print(
        f"{definition.task}: {len(found)} inputs, {time.process_time() - began:.0f} CPU seconds", file=sys.stderr
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the positions here")
    parser.add_argument(
        "--check", nargs="*", metavar="TASK", default=[], help="compare these sets with what is written"
    )
    options = parser.parse_args()
    if options.out:
        lines = [f"{json.dumps(one.task)}: {json.dumps(drawn(one))}" for one in SETS]
        options.out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    differing = [one.task for one in SETS if one.task in options.check and drawn(one) != list(positions(one))]
    if differing:
        raise SystemExit(f"drawn otherwise: {', '.join(differing)}")


if __name__ == "__main__":
    main()
