"""The flagship's corpora read back, row by row, for molecules and reactions of the test sets that they must not hold.

    python benchmarks/taught.py runs/flagship runs/flagship-second runs/flagship-third runs/flagship-fourth \
        runs/flagship-forward --out docs/results/taught.json

What training left out was decided example by example (`audit/exclusions.py`). This reads the tokens that were trained on, by
other means: every SMILES in the text of a row is parsed and compared with the molecules of the test sets by connectivity
(the first block of the InChIKey), the product of every reaction by canonical SMILES without maps. Test sets whose labels a
documented rule computes are left out, since nothing can betray them. The questions of FGBench whose molecules TDC's training
part shows are listed: TDC's part is official and stays whole. A corpus that is gone is built again by `mmai-gym train`; the
card of a checkpoint has the sha256 that it must have. Validation rows are not read.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rdkit import Chem
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from mmai_gym import tasks
from mmai_gym.lineage import teacher
from mmai_gym.training.corpus import Corpus
from mmai_gym.workers import cores

FGBENCH = "functional-groups/fgbench-clean"
TESTS = {
    "admet": ["admet"],
    "retrosynthesis/uspto-50k": ["retrosynthesis/uspto-50k"],
    "optimization/mumo": ["optimization/mumo/bdq", "optimization/mumo/bdpq"],
    "optimization/jin/drd2": ["optimization/jin/drd2"],
    FGBENCH: [FGBENCH],
    "activity/davis, cold drugs": ["activity/davis/cold-drug"],
    "activity/kiba, cold drugs": ["activity/kiba/cold-drug"],
}
REACTIONS = "retrosynthesis/", "forward/"
SCAFFOLD = "language/zinc/scaffold"
Kind = Literal[
    "in a reaction",  # which says nothing about a label
    "in the same task",  # and its training part, by the official split: a stereoisomer, say
    "in its own data set",  # with another label, by the official split
    "without an affinity",
    "in TDC's training part",  # which is official, and stays whole
    "as a scaffold",  # an answer, the rings of the molecule that the question shows, say pyridine: no label either
    "elsewhere",
]
SHOWN = re.compile(r"<\|smiles\|>([^<]+)|<answer>([^<]+)</answer>")


def connectivity(smiles: str) -> str:
    """First block of the InChIKey; empty for what is no molecule."""
    molecule = Chem.MolFromSmiles(smiles)
    return Chem.MolToInchiKey(molecule)[:14] if molecule is not None and molecule.GetNumAtoms() else ""


def plain(smiles: str) -> str:
    """Canonical SMILES without atom maps; empty for what is no molecule."""
    molecule = Chem.MolFromSmiles(smiles)
    for atom in molecule.GetAtoms() if molecule is not None else ():
        atom.SetAtomMapNum(0)
    return Chem.MolToSmiles(molecule) if molecule is not None else ""


def sign(smiles: str) -> tuple[str, str]:
    """Both of a text."""
    return connectivity(smiles), plain(smiles)


def in_test(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """The task, the id of the question and every SMILES in it, for all test questions."""
    for name in names:
        for example in tasks.get(name).examples("test"):
            for key in ("smiles", "other"):
                if text := example.inputs.get(key):
                    yield name, example.id, str(text)


def same_set(task: str, test: str) -> bool:
    """Whether a training task is part of the data set of a test task, within which its own split holds."""
    return task.split("/")[:2] == test.split("/")[:2] or task.split("/")[0] == test.split("/")[0] == "admet"


def kind(task: str, test: str, hit: set[str], *, asked: bool) -> Kind:
    """Why a row of a training task may hold a molecule of these test tasks, or that there is no reason.

    `asked` says whether its question shows the molecule, and not only its answer.
    """
    if task.startswith(REACTIONS) and not test.startswith(REACTIONS):
        return "in a reaction"
    if task in hit:
        return "in the same task"
    if all(same_set(task, name) for name in hit):
        return "in its own data set"
    if test.startswith("activity/") and not task.startswith("activity/"):
        return "without an affinity"
    if task.startswith("admet/"):
        return "in TDC's training part"
    if task == SCAFFOLD and not asked:
        return "as a scaffold"
    return "elsewhere"


def rows_of(corpus: Corpus, tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[str, str]]:
    """The task and the text of every row."""
    names = [one.name for one in corpus.manifest.tasks]
    for i in range(len(corpus)):
        yield names[corpus.tasks[i]], tokenizer.decode(corpus.row(i)[0])


def product_of(task: str, spans: Sequence[str]) -> str:
    """What the reaction of a row makes."""
    return spans[0] if task.startswith("retrosynthesis/") else spans[-1]


def read(
    run: Path, tests: Mapping[str, Mapping[str, set[str]]], products: set[str], shown: set[str]
) -> dict[str, Any]:
    """What the corpora of a run hold of the test sets. Connectivities in TDC's training part are added to `shown`."""
    tokenizer = AutoTokenizer.from_pretrained(run / "checkpoint")
    rows = [
        row
        for folder in sorted((run / "corpus").glob("*/train"))
        for row in rows_of(Corpus.open(folder), tokenizer)
    ]
    spans = [(task, [a or b for a, b in SHOWN.findall(text)]) for task, text in rows]
    texts = sorted({text for _, found in spans for text in found})
    with multiprocessing.Pool(cores()) as pool:
        signs = dict(zip(texts, pool.map(sign, texts, chunksize=200), strict=True))
    table: dict[str, Any] = {}
    official: set[str] = set()
    for test, molecules in tests.items():
        where: dict[Kind, Counter[str]] = defaultdict(Counter)
        seen: list[list[str]] = []
        for task, found in spans:
            if test.startswith(REACTIONS):
                hit = (
                    {test}
                    if task.startswith(REACTIONS) and signs[product_of(task, found)][1] in products
                    else set()
                )
            else:
                keys = {key for text in found if (key := signs[text][0])}
                hit = {name for name, known in molecules.items() if known & keys}
            if hit:
                shows = {signs[text][0] for text in found[:-1]}
                why = kind(task, test, hit, asked=any(molecules[name] & shows for name in hit))
                where[why][task] += 1
                if why == "elsewhere":
                    seen.append([task, *found])
                if why == "in TDC's training part":
                    official |= keys
        table[test] = {
            "rows": {why: sum(counts.values()) for why, counts in where.items()},
            "by_task": {why: dict(counts.most_common()) for why, counts in where.items()},
            "elsewhere": seen[:20],
        }
    used = sorted({name for task in {task for task, _ in rows} for name in tasks.get(task).teachers})
    teachers = {
        one.name: {"exact": one.exact, "trained_on": one.trained_on, "saw": one.saw} for one in map(teacher, used)
    }
    shown |= official
    return {"run": run.name, "rows": len(rows), "texts": len(texts), "tests": table, "teachers": teachers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    asked = {
        test: list(in_test(name for prefix in names for name in tasks.match(prefix)))
        for test, names in TESTS.items()
    }
    texts = sorted({text for questions in asked.values() for _, _, text in questions})
    with multiprocessing.Pool(cores()) as pool:
        signs = dict(zip(texts, pool.map(sign, texts, chunksize=200), strict=True))
    molecules: dict[str, dict[str, set[str]]] = {test: defaultdict(set) for test in TESTS}
    for test, questions in asked.items():
        for name, _, text in questions:
            molecules[test][name].add(signs[text][0])
    products = {signs[text][1] for test in TESTS if test.startswith(REACTIONS) for _, _, text in asked[test]}
    shown: set[str] = set()
    found: dict[str, Any] = {"runs": [read(run, molecules, products, shown) for run in options.runs]}
    known: dict[str, set[str]] = defaultdict(set)
    for name, id_, text in asked[FGBENCH]:
        if signs[text][0] in shown:
            known[name].add(id_)
    found["questions_with_a_molecule_of_tdc"] = {name: sorted(ids) for name, ids in known.items()}
    text = json.dumps(found, indent=1) + "\n"
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
