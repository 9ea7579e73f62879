"""What the grammar of SMILES does to a trained LFM: valid molecules and seconds with it and without, on the same weights.

    python benchmarks/grammar.py runs/demo --suite embedded --limit 100

Every completion to a question that wants a structure is parsed with RDKit. Where one does not parse, `syntax` says that
it is no SMILES at all, `chemistry` that it is one whose valences or aromatic rings do not work out. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from rdkit import Chem, rdBase

from mmai_gym import bench, tasks
from mmai_gym.contracts import Structure, answer_form
from mmai_gym.models.lfm_model import LFMModel
from mmai_gym.tasks.answers import ANSWER_CLOSE, ANSWER_OPEN


def fault(text: str) -> str:
    """What is wrong with a completion, "" for nothing."""
    body, closed, _ = text.removeprefix(ANSWER_OPEN).partition(ANSWER_CLOSE)
    molecule = Chem.MolFromSmiles(body, sanitize=False) if closed and body else None
    if molecule is None:
        return "syntax" if closed else "unfinished"
    return "chemistry" if Chem.SanitizeMol(molecule, catchErrors=True) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder with a checkpoint")
    parser.add_argument("--suite", default="embedded")
    parser.add_argument("--limit", type=int, default=100, help="questions of each task")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rdBase.DisableLog("rdApp.*")

    checkpoint = options.run / "checkpoint"
    constrained, free = LFMModel(checkpoint), LFMModel(checkpoint, grammar=False)
    jobs = [(family, name) for family in bench.load_suite(options.suite).families for name in family.task_names()]
    for family, task in jobs:
        examples = bench.subset(tasks.get(task).examples(options.split), options.limit)
        if not examples or not isinstance(answer_form(tasks.get(task).question(examples[0])), Structure):
            continue
        for name, model in (("grammar", constrained), ("free", free)):
            started = time.perf_counter()
            predictions = model.predict(examples, family.n, options.seed)
            seconds = time.perf_counter() - started
            faults = Counter(fault(c.text) for p in predictions for c in p.completions)
            total = faults.total()
            row = {
                "task": task, "decoding": name, "completions": total, "seconds": round(seconds, 1),
                "valid": round(faults.pop("") / total, 4), **{k: round(v / total, 4) for k, v in faults.items()},
            }  # fmt: skip
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
