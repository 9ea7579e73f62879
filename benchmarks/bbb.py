"""Fits `bbb-own`, the gym's own model of the blood-brain barrier, and says how good it is.

    python benchmarks/bbb.py --out docs/results/bbb.json                    # measure
    python benchmarks/bbb.py --arrays src/mmai_gym/oracles/bbb.npz          # fit anew; prints the checksum

ADMET-AI was trained on whole TDC tables, test molecules included, so none of its values may label training pairs of
weights that are scored on TDC. This model is fitted on the official train_val part of BBB_Martins alone, without the test
molecules of the other benchmarks that hold the same measurements (MoleculeNet's BBBP and the clean pairs of FGBench).
Width and penalty were chosen on TDC's scaffold validation part; the test part is predicted once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from kernel_machines import Floats, counts_of, fit, predicted, write
from mmai_gym import tasks
from mmai_gym.audit import Exclusions
from mmai_gym.molecules import is_valid
from mmai_gym.records import library_versions

TASK = "admet/bbb_martins"
KEPT_OUT = ("moleculenet/bbbp", "functional-groups/fgbench-clean/bbbp")
GAMMA, PENALTY = 2.0**-9, 0.1
TRIED = [(2.0**exponent, penalty) for exponent in (-5, -6, -7, -8, -9) for penalty in (0.03, 0.1, 0.3, 1.0)]


def rows(split: Any) -> tuple[list[str], Floats]:
    """SMILES and labels of a part, without what has to be kept out."""
    task = tasks.get(TASK)
    examples = list(task.examples(split))
    if split != "test":
        protected = [name for prefix in KEPT_OUT for name in tasks.match(prefix)]
        guard = Exclusions(protected, strict=True).guard(task, lambda *_: None)
        assert guard is not None
        examples = [e for e, why in zip(examples, guard.reasons(examples), strict=True) if not why]
    kept = [e for e in examples if is_valid(e.inputs["smiles"])]
    return [e.inputs["smiles"] for e in kept], np.array([float(task.answer(e) == "yes") for e in kept])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the record here")
    parser.add_argument("--arrays", type=Path, help="fit to train_val and write the arrays here")
    options = parser.parse_args()
    (train, labels), (valid, truth), (test, seen) = map(rows, ("train", "valid", "test"))
    counts, valid_counts = counts_of(train), counts_of(valid)
    both, known = np.concatenate([counts, valid_counts]), np.concatenate([labels, truth])
    if options.arrays:
        write(options.arrays, fit(both, known, GAMMA, PENALTY))
        return
    search = {
        f"gamma 2^{int(np.log2(gamma))}, penalty {penalty:g}": round(
            float(roc_auc_score(truth, predicted(fit(counts, labels, gamma, penalty), valid_counts))), 4
        )
        for gamma, penalty in TRIED
    }
    final = predicted(fit(both, known, GAMMA, PENALTY), counts_of(test))
    record = {
        "molecules": {"train": len(train), "valid": len(valid), "test": len(test)},
        "kept_out": KEPT_OUT,
        "settings": {"gamma": GAMMA, "penalty": PENALTY},
        "validation_auroc": search,
        "test_auroc": round(float(roc_auc_score(seen, final)), 4),
        "libraries": library_versions(["rdkit", "numpy", "scipy"]),
    }
    text = json.dumps(record, indent=1) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
