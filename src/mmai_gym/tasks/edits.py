"""Training pairs for multi-property optimization: molecules poor in every property, and edits that better all of them.

MuMO's own training pairs are not public, and pairs labelled by ADMET-AI must not enter weights that are scored on TDC. So
molecules of the ChEMBL list that would be inputs of a set, by oracles that have seen no test set (QED, penalised logP, the
DRD2 surrogate, `bbb-own`), were edited once or twice at random (`molecules.edits`), and the best edits that better every
property at a Tanimoto similarity of at least 0.4 were kept. `benchmarks/edits.py` searches; what it found is written down
as positions in the list, cuts and substituents, so that the gym re-publishes no molecule of the list.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from mmai_gym.contracts import SPLITS, Example, Oracle, Split
from mmai_gym.molecules import canonical, edited, follow, strip_maps
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import kept, molecule_lists
from mmai_gym.sources.derived import derived_column
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.multi_property import MultiProperty
from mmai_gym.tasks.multi_property_sets import MUMO, OptimizationSet

FILE = "edits.json"
LETTERS = ("BDP", "BDQ", "BPQ", "DPQ", "BDPQ")
"""The sets of MuMO whose properties these oracles cover."""

OWN: Mapping[str, Oracle] = {
    "bbb_martins": ORACLES["bbb-own"],
    "drd2": ORACLES["drd2"],
    "plogp": ORACLES["plogp"],
    "qed": ORACLES["qed"],
}
"""By the names that the sets know: none of them has seen the test molecules of a benchmark."""

SETS: Mapping[str, OptimizationSet] = {one.letters: one for one in MUMO if one.letters in LETTERS}


@dataclass(frozen=True, slots=True)
class EditedPair:
    """A row.

    Attributes:
        mapped: source and target, with map numbers on the atoms that they share.
        shown: the same without, the target written along the source.
    """

    id: str
    mapped: tuple[str, str]
    shown: tuple[str, str]


@functools.cache
def _found() -> Mapping[str, Mapping[str, Sequence[Any]]]:
    """By set and split: [position in the list, [[cut, substituent], ...], hash of the target]."""
    text = (resources.files(__package__) / FILE).read_text(encoding="utf-8")
    sets: Mapping[str, Mapping[str, Sequence[Any]]] = json.loads(text)["sets"]
    return sets


def target_hash(smiles: str) -> str:
    """Four hex digits by which a target is known again."""
    return hashlib.sha256(smiles.encode()).hexdigest()[:4]


def rebuilt(row: str) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """The pair of a written-down edit (JSON with its SMILES), mapped and as it is shown; None where it gives another
    molecule now.
    """
    smiles, steps, known = json.loads(row)
    pair = edited(smiles, [tuple(step) for step in steps])
    return (pair, follow(*pair)) if pair is not None and target_hash(strip_maps(pair[1])) == known else None


@kept("chembl-smiles")
def _pairs(letters: str, split: Split) -> tuple[EditedPair, ...]:
    listed = molecule_lists.chembl()
    rows = _found().get(letters, {}).get(split, ())
    written = [json.dumps([canonical(listed[position].smiles), steps, known]) for position, steps, known in rows]
    pairs = derived_column(f"edits-{letters.lower()}-{split}", "3", written, rebuilt)
    return tuple(
        EditedPair(f"{listed[position].id}-{known}", *map(tuple, pair))
        for (position, _, known), pair in zip(rows, pairs, strict=True)
        if pair is not None
    )


class EditedOptimization(MultiProperty):
    """One set of MuMO over these pairs; the question is MuMO's, the verdict is the gym's, by oracles of its own."""

    def __init__(self, definition: OptimizationSet) -> None:
        super().__init__(definition, OWN)
        self.name = f"optimization/edits/{definition.letters.lower()}"
        self.sources = ("chembl-smiles",)

    def sizes(self) -> dict[str, int]:
        return {split: len(_found().get(self.definition.letters, {}).get(split, ())) for split in SPLITS}

    def omitted(self) -> Mapping[str, int]:
        rows = self.sizes()
        lost = sum(rows[split] - len(_pairs(self.definition.letters, split)) for split in SPLITS)
        return {"the edit gives another molecule with this release of RDKit": lost} if lost else {}

    def examples(self, split: Split) -> Sequence[Example]:
        pairs = _pairs(self.definition.letters, split)

        def make(i: int) -> Example:
            source, target = pairs[i].shown
            return Example(pairs[i].id, self.name, split, self._shown(source), target)

        return LazyExamples(len(pairs), make)

    def augment(self, example: Example, seed: int) -> Example:
        pair = _by_id(self.definition.letters, example.split)[example.id]
        source, target = follow(*pair.mapped, seed)
        return replace(example, inputs=self._shown(source), gold=target)

    def answer(self, example: Example) -> str:  # type: ignore[override]
        return str(example.gold)

    def _shown(self, smiles: str) -> Mapping[str, Any]:
        return {"smiles": smiles, "origin": "ChEMBL", "improve": tuple(aim.oracle for aim in self.definition.aims)}


@kept("chembl-smiles")
def _by_id(letters: str, split: Split) -> Mapping[str, EditedPair]:
    return {pair.id: pair for pair in _pairs(letters, split)}


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(
    functools.partial(EditedOptimization, SETS[letters]) for letters in LETTERS
)
