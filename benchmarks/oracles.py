"""ADMET-AI by the gym's own path against its own `ADMETModel().predict`: equal numbers, and molecules per second.

    python benchmarks/oracles.py --out docs/results/oracles.json
    python benchmarks/oracles.py --golden tests/oracles/admet_golden.json     # the stored values of the tests

1,000 molecules that nobody has asked about before, by turns in four rounds: `predict` as it comes, and with its molecules
only (no physico-chemical columns, no percentiles); the gym's outputs of the MuMO and C-MuMO protocols (one ensemble), and
all 41 (both), each from SMILES to values, with a cache that is empty and is written to. 800 are drawn from ZINC250k and
ChEMBL; 200 are what breaks such paths: molecules without bonds, salts, and chains, peptides and chimeras of 150 atoms.
Beside the differences between the two stand those of each from the same networks in double precision, since single
precision alone moves large values.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import logging
import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from machine import describe
from mmai_gym.molecules import is_valid, parse
from mmai_gym.oracles import admet_ai
from mmai_gym.oracles.admet_ai import PROBABILITIES, VALUES, AdmetModel, Part
from mmai_gym.sources import molecule_lists
from mmai_gym.tasks.multi_property_sets import AIMS

ROUNDS = 4
WITHOUT_BONDS = (
    "C", "N", "O", "S", "[He]", "[Na+]", "[Cl-]", "[Na+].[Cl-]", "[K+].[I-]", "[Zn+2].[Cl-].[Cl-]", "O.O", "[H+]",
    "[NH4+].[Cl-]", "[2H]", "[Fe+3]", "F", "Cl", "Br", "I", "P", "[SiH4]", "[AlH3]", "B", "[Xe]", "[Au]", "[13CH4]",
)  # fmt: skip
"""Of single atoms, and of several."""
COUNTERIONS = (
    ".Cl",
    ".[Na+]",
    ".OS(=O)(=O)O",
    ".O=C(O)C=CC(=O)O",
    ".CS(=O)(=O)O",
    ".Br",
    ".[K+]",
    ".OC(=O)C(F)(F)F",
)
LARGE = 150
Floats = npt.NDArray[np.float64]


def molecules(count: int, seed: int) -> list[str]:
    """So many distinct SMILES in random order, a fifth of them odd ones."""
    rng = random.Random(seed)
    drawn = [
        m.smiles for m in rng.sample(molecule_lists.zinc(), count) + rng.sample(molecule_lists.chembl(), count)
    ]
    rng.shuffle(drawn)
    ordinary = [text for text in dict.fromkeys(drawn) if is_valid(text)]
    odd = count // 5
    large = [*_chains(), *(_chimera(ordinary, rng) for _ in range(odd))]
    salts = [text + ion for text, ion in zip(reversed(ordinary), COUNTERIONS * count, strict=False)]
    room = odd - len(WITHOUT_BONDS)
    unusual = [*WITHOUT_BONDS, *large[: room // 2], *salts[: room - room // 2]][:odd]
    chosen = unusual + ordinary[: count - len(unusual)]
    rng.shuffle(chosen)
    return chosen


def _chains() -> list[str]:
    """Molecules of about 150 heavy atoms with one motif."""
    return [
        "C" * LARGE,
        "CCO" * (LARGE // 3),
        "C" + "C(F)(F)" * (LARGE // 3) + "F",
        "NCC(=O)" * (LARGE // 4) + "O",
        "N[C@@H](C)C(=O)" * (LARGE // 5) + "O",
        "C" + "CC(c1ccccc1)" * (LARGE // 8),
        "C=CC=C" * (LARGE // 4),
        "C" + "C(=O)Nc1ccc(cc1)" * (LARGE // 9) + "C",
        "OCC" + "(CO)C(O)".join(["C"] * (LARGE // 5)),
    ]


def _chimera(smiles: Sequence[str], rng: random.Random) -> str:
    """Molecules side by side on one long chain, until they have 150 heavy atoms together."""
    text, atoms = "C", 1
    while atoms < LARGE:
        part = rng.choice(smiles)
        if "." not in part and is_valid(f"CC(C{part})C"):
            text, atoms = f"{text}C(C{part})", atoms + 2 + parse(part).GetNumHeavyAtoms()
    return text + "C"


# --------------------------------------------------------------------------------------------------- contestants


def own(parts: Sequence[Part]) -> Callable[[Sequence[str]], dict[str, Floats]]:
    """The gym's path with a cache of its own, which is empty."""

    def values(smiles: Sequence[str]) -> dict[str, Floats]:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["MMAI_GYM_CACHE"] = folder
            found: dict[str, Floats] = {}
            for part in parts:
                rows = np.array([row.values for row in AdmetModel(part).rows(smiles)])
                found |= dict(zip(part.units, rows.T, strict=True))
            return found

    return values


def stock(model: Any) -> Callable[[Sequence[str]], dict[str, Floats]]:
    """The package's own way, without what it prints."""

    def values(smiles: Sequence[str]) -> dict[str, Floats]:
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = model.predict(list(smiles))
        return {name: table[name].to_numpy(np.float64) for part in (PROBABILITIES, VALUES) for name in part.units}

    return values


def contestants() -> dict[str, Callable[[Sequence[str]], dict[str, Floats]]]:
    """Each from SMILES to values by output."""
    from admet_ai import ADMETModel

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return {
        "ADMETModel().predict": stock(ADMETModel()),
        "ADMETModel().predict, models only": stock(ADMETModel(include_physchem=False, drugbank_path=None)),
        "gym, outputs of MuMO and C-MuMO": own([PROBABILITIES]),
        "gym, all 41 outputs": own([PROBABILITIES, VALUES]),
    }


def exact(smiles: Sequence[str]) -> dict[str, Floats]:
    """The same networks in double precision."""
    found: dict[str, Floats] = {}
    for part in (PROBABILITIES, VALUES):
        ensemble, finish = admet_ai._loaded(part.folder)
        widened: dict[str, Any] = {
            field.name: getattr(ensemble, field.name).astype(np.float64)
            for field in dataclasses.fields(ensemble)
            if isinstance(getattr(ensemble, field.name), np.ndarray)
        }
        widened["readout"] = tuple((w.astype(np.float64), b.astype(np.float64)) for w, b in ensemble.readout)
        double = dataclasses.replace(ensemble, **widened)
        found |= dict(
            zip(part.units, finish(double.outputs([parse(s) for s in smiles])).mean(axis=0).T, strict=True)
        )
    return found


# --------------------------------------------------------------------------------------------------- record


def timed(smiles: Sequence[str]) -> tuple[dict[str, Any], dict[str, dict[str, Floats]]]:
    """Seconds of each contestant over all rounds, and its values."""
    ways = contestants()
    for way in ways.values():
        way(["CCO", "c1ccccc1"])  # weights and libraries are loaded
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    values: dict[str, list[dict[str, Floats]]] = {name: [] for name in ways}
    each = -(-len(smiles) // ROUNDS)
    for number in range(ROUNDS):
        part = smiles[number * each : (number + 1) * each]
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            wall, cpu = time.perf_counter(), time.process_time()
            values[name].append(ways[name](part))
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    rows = {
        name: {
            "wall_seconds": round(sum(wall for wall, _ in found), 3),
            "cpu_seconds": round(sum(cpu for _, cpu in found), 3),
            "per_second": round(len(smiles) / sum(wall for wall, _ in found), 1),
        }
        for name, found in seconds.items()
    }
    first = rows["ADMETModel().predict"]
    for row in rows.values():
        for kind in ("wall", "cpu"):
            row[f"times_as_fast_by_{kind}"] = round(first[f"{kind}_seconds"] / row[f"{kind}_seconds"], 1)
    joined = {
        name: {output: np.concatenate([one[output] for one in found]) for output in found[0]}
        for name, found in values.items()
    }
    return rows, joined


def differences(one: dict[str, Floats], other: dict[str, Floats], smiles: Sequence[str]) -> dict[str, Any]:
    """The largest absolute difference in each kind of output, and where it is."""
    found: dict[str, Any] = {}
    for kind, part in (("probabilities", PROBABILITIES), ("values", VALUES)):
        outputs = [name for name in part.units if name in one]
        if not outputs:
            continue
        apart = np.abs(np.array([one[name] - other[name] for name in outputs]))
        output, place = divmod(int(apart.argmax()), len(smiles))
        found[kind] = {
            "largest": float(f"{apart.max():.3g}"),
            "output": outputs[output],
            "value": float(f"{other[outputs[output]][place]:.6g}"),
            "molecule": smiles[place] if len(smiles[place]) < 200 else smiles[place][:200] + "...",
        }
    return found


def measured(options: argparse.Namespace) -> dict[str, Any]:
    smiles = molecules(options.count, options.seed)
    speed, values = timed(smiles)
    theirs, ours, double = values["ADMETModel().predict"], values["gym, all 41 outputs"], exact(smiles)
    needed = {name.lower() for name in theirs} & {aim.oracle for aim in AIMS.values()}
    return {
        "molecules": len(smiles),
        "heavy_atoms": {"mean": round(float(np.mean([parse(s).GetNumHeavyAtoms() for s in smiles])), 1),
                        "most": max(parse(s).GetNumHeavyAtoms() for s in smiles)},
        "rounds": ROUNDS,
        "outputs_of_the_protocols": sorted(needed),
        "speed": speed,
        "largest_absolute_difference": {
            "gym from ADMETModel().predict": differences(ours, theirs, smiles),
            "gym, outputs of the protocols only": differences(values["gym, outputs of MuMO and C-MuMO"], theirs, smiles),
            "gym from double precision": differences(ours, double, smiles),
            "ADMETModel().predict from double precision": differences(theirs, double, smiles),
        },
        "machine": describe(),
        "libraries": {name: version(name) for name in ("admet-ai", "chemprop", "numpy", "rdkit")},
    }  # fmt: skip


def golden(options: argparse.Namespace) -> dict[str, Any]:
    """What the package itself says of some molecules of each kind."""
    smiles = [text for text in molecules(100, 7) if len(text) < 400][:40]
    values = contestants()["ADMETModel().predict, models only"](smiles)
    return {
        "made_by": {name: version(name) for name in ("admet-ai", "chemprop", "rdkit")},
        "smiles": smiles,
        "values": {name: [float(f"{value:.8g}") for value in column] for name, column in values.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the record here")
    parser.add_argument("--golden", type=Path, help="write stored values for the tests here, and measure nothing")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    record = golden(options) if options.golden else measured(options)
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    if path := options.golden or options.out:
        path.write_text(text, encoding="utf-8")
    if not options.golden:
        print(text, end="")


if __name__ == "__main__":
    main()
