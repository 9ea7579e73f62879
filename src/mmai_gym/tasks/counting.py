"""What a molecule is made of: its formula, and how often it has an atom, a ring or a bond of a kind.

Both are asked about any view that names the molecule, and not only about SMILES: a model that counts the atoms of a graph
and not those of a SMILES has not learned the language. InChI is left out, since it begins with the formula.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rdkit.Chem import rdMolDescriptors

from mmai_gym.contracts import (
    Count,
    Estimate,
    Example,
    Molecule,
    Property,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.molecules import Mol, formula, parse, parse_formula
from mmai_gym.tasks.base import BaseTask, judge_count
from mmai_gym.tasks.language import LISTS, LanguageTask
from mmai_gym.tasks.scoring import exact_rate
from mmai_gym.tasks.view_translation import FLAT_VIEWS, shown_in

_SHOWN = tuple(view for view in FLAT_VIEWS if view != "inchi")


def _elements(symbol: str) -> Callable[[Mol], int]:
    return lambda mol: sum(atom.GetSymbol() == symbol for atom in mol.GetAtoms())


def _hydrogens(mol: Mol) -> int:
    return sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())


COUNTS: Mapping[str, Callable[[Mol], int]] = {
    "heavy-atoms": rdMolDescriptors.CalcNumHeavyAtoms,
    "carbon-atoms": _elements("C"),
    "nitrogen-atoms": _elements("N"),
    "oxygen-atoms": _elements("O"),
    "hydrogen-atoms": _hydrogens,
    "rings": rdMolDescriptors.CalcNumRings,
    "aromatic-rings": rdMolDescriptors.CalcNumAromaticRings,
    "rotatable-bonds": rdMolDescriptors.CalcNumRotatableBonds,
    "stereocentres": lambda mol: rdMolDescriptors.CalcNumAtomStereoCenters(mol),
}
"""By name: RDKit's strict rotatable bonds, the smallest set of smallest rings, stereocentres whether or not assigned."""


class Formula(LanguageTask):
    """The molecular formula in Hill order."""

    asks_for = "formula"

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        return shown_in(_SHOWN, smiles, rng), formula(smiles)

    def question(self, example: Example) -> Question:
        shown = Molecule(example.inputs["shown"], example.inputs["view"])
        words = Words("Write the molecular formula in Hill order (C, H, then by alphabet).", "translate")
        return (words, shown, Structure("molecule", "formula"))

    def judge(self, example: Example, answer: str) -> Verdict:
        if answer == example.gold:
            return Verdict(1.0, Reason.CORRECT, answer)
        given, gold = parse_formula(answer), parse_formula(str(example.gold))
        wrong = sum(given.get(element, 0) != gold.get(element, 0) for element in {*given, *gold})
        return Verdict(0.0, Reason.WRONG, answer, {"wrong_elements": float(wrong)})


class CountParts(LanguageTask):
    """How many atoms, rings or bonds of one kind."""

    asks_for = "count"
    properties = tuple(COUNTS)

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        what = rng.choice(self.properties)
        return {**shown_in(_SHOWN, smiles, rng), "what": what}, COUNTS[what](parse(smiles))

    def question(self, example: Example) -> Question:
        return (
            Words("Count in the molecule the", "count"),
            Property(example.inputs["what"]),
            Molecule(example.inputs["shown"], example.inputs["view"]),
            Count(),
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_count(example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {"accuracy": exact_rate(results)}


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(
    functools.partial(task, molecules) for molecules in LISTS for task in (Formula, CountParts)
)
