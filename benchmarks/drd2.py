"""Fits the DRD2 surrogate to molecules whose scores were written down, and says how well it follows the original.

    python benchmarks/drd2.py --out docs/results/drd2.json                      # measure, and check the arrays shipped
    python benchmarks/drd2.py --arrays src/mmai_gym/oracles/drd2.npz            # fit anew; prints the checksum

The scores are those of the classifier of Olivecrona et al. (2017): of molecules that two models of Jin et al. (2019)
generated, and, rounded to two decimals, of the inputs and candidates of MuMO's BDQ. All of them are in the fit that is
shipped. What is measured comes from five other fits, each without a fifth of the molecules: a Murcko scaffold of Jin's is
held out as a whole, a BDQ input with all of its candidates, and a molecule that stands in both with the latter. Beside it
stand Jin's inputs (score below 0.05) and targets (above 0.5), of which only the side is known; none of them is in any fit
unless it is one of the molecules above. Width of the kernel and weight of the penalty were chosen on the first fold.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from kernel_machines import GAMMA, LANDMARKS, PENALTY, Counts, Floats, counts_of, fit, predicted, write
from mmai_gym.contracts import Completion, Example, InvalidMolecule, Prediction, Result
from mmai_gym.molecules import canonical, is_valid, murcko_scaffold, parse
from mmai_gym.oracles import ADMET, ORACLES, drd2, kernel_machine
from mmai_gym.records import library_versions
from mmai_gym.sources import drd2 as scored
from mmai_gym.sources import jin, mumo
from mmai_gym.tasks.multi_property import MultiProperty
from mmai_gym.tasks.multi_property_sets import MUMO, Values

FOLDS = 5


@dataclass(frozen=True)
class Scored:
    """A molecule with its score, the list it comes from, and what is held out together with it."""

    smiles: str
    score: float
    origin: str
    group: str


def labelled() -> list[Scored]:
    """Every molecule once; BDQ first, since its rows decide what is held out."""
    found: dict[str, Scored] = {}

    def take(smiles: str, score: float, origin: str, group: str) -> None:
        if is_valid(smiles):
            text = canonical(smiles)
            found.setdefault(text, Scored(text, score, origin, group))

    values = mumo.properties("bdq")
    for number, (row, answers) in enumerate(zip(mumo.inputs("bdq"), mumo.candidates("bdq"), strict=True)):
        take(row.smiles, row.values["drd2"], "MuMO BDQ inputs", f"input {number}")
        for answer in answers:
            take(answer, values[answer]["drd2"], "MuMO BDQ candidates", f"input {number}")
    for smiles, score in scored.scores().items():
        take(smiles, score, "Jin et al., generated", murcko_scaffold(smiles) if is_valid(smiles) else "")
    return list(found.values())


def fold_of(group: str) -> int:
    return zlib.crc32(group.encode()) % FOLDS


# --------------------------------------------------------------------------------------------------- measure


def fidelity(scores: Floats, values: Floats) -> dict[str, float]:
    """How close values come to the scores."""
    both_sides = bool((scores > 0.5).any() and (scores <= 0.5).any())
    return {
        "molecules": len(scores),
        "above_0.5": round(float((scores > 0.5).mean()), 4),
        "spearman": round(float(spearmanr(scores, values).statistic), 4),
        **({"auroc_at_0.5": round(float(roc_auc_score(scores > 0.5, values)), 4)} if both_sides else {}),
        "mean_absolute_error": round(float(np.abs(scores - values).mean()), 4),
    }


def sides(values: Mapping[str, float], known: frozenset[str]) -> dict[str, Any]:
    """Shares of Jin's molecules on the side of the score that is known of them, those in the fit left out."""
    low = [m.smiles for m in (*jin.inputs("drd2-test"), *jin.inputs("drd2-valid"))]
    high = [m.smiles for m in jin.inputs("drd2-targets")]
    found = {}
    for name, smiles, right in (
        ("inputs, below 0.05", low, lambda p: p < 0.05),
        ("targets, above 0.5", high, lambda p: p > 0.5),
    ):
        kept = [text for text in smiles if canonical(text) not in known]
        found[name] = {
            "molecules": len(kept),
            "on_their_side": round(float(np.mean([right(values[text]) for text in kept])), 4),
            "on_their_side_of_0.5": round(
                float(np.mean([(values[text] > 0.5) == (name[0] == "t") for text in kept])), 4
            ),
        }
    return found


def success(values: Mapping[str, float] | None) -> dict[str, float]:
    """The protocol's figures of the stored BDQ candidates, with these DRD2 values or the stored ones."""
    (definition,) = (one for one in MUMO if one.letters == "BDQ")
    task = MultiProperty(definition, {**ORACLES, **ADMET})  # which only give their names here
    stored, results = mumo.properties("bdq"), []

    def of(smiles: str, row: Values) -> Values:
        own = row["drd2"] if values is None else values.get(canonical(smiles), row["drd2"])
        return {"bbb_martins": row["bbbp"], "drd2": own, "qed": row["qed"]}

    for row, answers in zip(mumo.inputs("bdq"), mumo.candidates("bdq"), strict=True):
        example = Example(row.id, task.name, "test", {"smiles": row.smiles}, None)
        verdicts, texts = [], []
        for answer in answers:
            try:
                verdicts.append(
                    task.grade(example, answer, of(row.smiles, row.values), of(answer, stored[answer]))
                )
                texts.append(Completion(answer))
            except InvalidMolecule:
                continue  # a molecule of an older toolkit
        results.append(Result(example, Prediction(row.id, tuple(texts)), tuple(verdicts)))
    found = task.score(results)
    return {name: round(found[name].value, 4) for name in ("protocol_success", "success", "success_at_0.6")}


def measure(molecules: Sequence[Scored], counts: Counts, options: argparse.Namespace) -> dict[str, Any]:
    """Fits without each fold, and what they say of it; what the shipped arrays say of all stands beside."""
    scores = np.array([one.score for one in molecules])
    folds = np.array([fold_of(one.group) for one in molecules])
    held_out = np.empty(len(scores))
    for fold in range(FOLDS):
        rest = folds != fold
        fitted = fit(counts[rest], scores[rest], options.gamma, options.penalty, options.landmarks)
        held_out[~rest] = predicted(fitted, counts[~rest])
    origins = np.array([one.origin for one in molecules])
    outside = dict(zip((one.smiles for one in molecules), held_out.tolist(), strict=True))
    return {
        "held out": {
            "all": fidelity(scores, held_out),
            **{
                name: fidelity(scores[origins == name], held_out[origins == name])
                for name in dict.fromkeys(origins)
            },
        },
        "bdq": {
            "stored scores": success(None),
            "each input and its candidates held out": success(outside),
        },
    }


def shipped(molecules: Sequence[Scored]) -> dict[str, Any]:
    """What the arrays of the package say; all of the scored molecules are in their fit."""
    fitted = kernel_machine.machine(drd2.MODEL.file, drd2.MODEL.sha256)
    began = time.process_time()
    own = {one.smiles: fitted.score(parse(one.smiles)) for one in molecules}
    each = (time.process_time() - began) / len(molecules)
    known = frozenset(own)
    lists = [m.smiles for name in ("drd2-test", "drd2-valid", "drd2-targets") for m in jin.inputs(name)]
    others = {text: fitted.score(parse(text)) for text in lists}
    scores, values = np.array([one.score for one in molecules]), np.array([own[one.smiles] for one in molecules])
    return {
        "sha256": drd2.MODEL.sha256,
        "cpu_ms_each": round(1000.0 * each, 3),
        "molecules of the fit": fidelity(scores, values),
        "bdq, inputs and candidates in the fit": success(own),
        "jin, not in the fit": sides(others, known),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the record here")
    parser.add_argument("--arrays", type=Path, help="fit to all molecules and write the arrays here")
    parser.add_argument("--gamma", type=float, default=GAMMA)
    parser.add_argument("--penalty", type=float, default=PENALTY)
    parser.add_argument("--landmarks", type=int, default=LANDMARKS)
    options = parser.parse_args()
    molecules = labelled()
    counts = counts_of([one.smiles for one in molecules])
    scores = np.array([one.score for one in molecules])
    if options.arrays:
        write(options.arrays, fit(counts, scores, options.gamma, options.penalty, options.landmarks))
        return
    record = {
        "settings": {"gamma": options.gamma, "penalty": options.penalty, "landmarks": options.landmarks},
        "molecules": {
            name: sum(one.origin == name for one in molecules) for name in {o.origin: 0 for o in molecules}
        },
        **measure(molecules, counts, options),
        "shipped": shipped(molecules) if options.out else {},
        "libraries": library_versions(["rdkit", "numpy", "scipy"]),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
