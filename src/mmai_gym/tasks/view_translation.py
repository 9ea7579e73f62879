"""The same molecule in another view, for every pair of exact flat views that a span can show (`VIEWS`, `SPAN_VIEWS`).

One task per view that is written; the view that is shown is drawn for each example, among those that carry the molecule.
So every pair is asked about, `accuracy_from_VIEW` tells them apart, and a view that joins the registry joins here.
Geometries have tasks of their own, see `geometry`. Any writing of the right molecule is right, but it must be a writing in
the view: a SMILES whose blocks are joined by numbers over a dot is fragment SMILES and no plain one, and blocks cut
elsewhere than at the bonds of syntheses are neither.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rdkit import Chem

from mmai_gym.contracts import (
    Estimate,
    Example,
    InvalidMolecule,
    Molecule,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.molecules import VIEWS, canonical, parse, randomized, smiles_of
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.language import LISTS, LanguageTask, MoleculeList
from mmai_gym.tasks.rendering import SPAN_VIEWS
from mmai_gym.tasks.scoring import exact_rate, structure_metrics

FLAT_VIEWS = tuple(
    name
    for name, view in VIEWS.items()
    if view.dimensions == 2 and view.form is str and view.exact and name in SPAN_VIEWS
)
"""Texts from which the very molecule is read."""

_ATOM = re.compile(r"\[[^\]]+\]|Br|Cl|[A-Za-z*]")


class Translate(LanguageTask):
    """From any flat view into `view`."""

    def __init__(self, molecules: MoleculeList, view: str) -> None:
        self.view = view
        self.asks_for = f"to-{view}"
        self.form = Structure("molecule", view)
        super().__init__(molecules)

    def fits(self, smiles: str) -> bool:
        return written(smiles, self.view) is not None

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        if (gold := written(smiles, self.view)) is None:
            return None
        others = [view for view in FLAT_VIEWS if view != self.view]
        return shown_in(others, smiles, rng), gold

    def question(self, example: Example) -> Question:
        shown = Molecule(example.inputs["shown"], example.inputs["view"])
        return (Words("Write the molecule in another form.", "translate"), shown, self.form)

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_text(self.view, str(example.gold), answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {
            "accuracy": exact_rate(results),
            **structure_metrics(results),
            **accuracy_by("from", "view", results),
        }


def judge_text(view: str, gold: str, answer: str) -> Verdict:
    """1 for the molecule of the gold text, written in the same view; for a worker or a task.

    Raises:
        InvalidMolecule: the answer is no molecule in this view.
    """
    given, wanted = (canonical(smiles_of(text, view) or "") for text in (answer, gold))
    if given != wanted:
        return Verdict(0.0, Reason.WRONG, answer)
    if view in ("smiles", "fragments") and "." in answer + gold and blocks(answer) != blocks(gold):
        return Verdict(0.0, Reason.WRONG, answer, detail="the right molecule, cut into other blocks")
    return Verdict(1.0, Reason.CORRECT, answer)


def accuracy_by(word: str, key: str, results: Sequence[Result]) -> dict[str, Estimate]:
    """Accuracy within each value of an input, as `accuracy_WORD_VALUE`."""
    values = sorted({result.example.inputs[key] for result in results})
    return {
        f"accuracy_{word}_{value}": exact_rate([r for r in results if r.example.inputs[key] == value])
        for value in values
    }


def written(smiles: str, view: str) -> str | None:
    """A molecule in a flat view; None where that cannot express it, or has nothing to cut."""
    try:
        text = str(VIEWS[view].write(parse(smiles)))
    except InvalidMolecule:
        return None
    return None if view == "fragments" and text.count(".") == smiles.count(".") else text


def shown_in(views: Sequence[str], smiles: str, rng: random.Random) -> dict[str, str]:
    """A molecule in one of the views that carry it, SMILES if none does, as inputs of an example.

    Its atoms come in a random order: one that is always canonical could be learned by heart.
    """
    shuffled = randomized(smiles, rng.getrandbits(32))
    for view in rng.sample(views, len(views)):
        text = shuffled if view == "smiles" else written(shuffled, view)
        if text is not None:
            return {"shown": text, "view": view}
    return {"shown": shuffled, "view": "smiles"}


def blocks(smiles: str) -> list[str]:
    """What remains of a molecule when the bonds between the dot-separated parts of its text are cut, in canonical order."""
    mol = parse(smiles)
    owner = [i for i, part in enumerate(smiles.split(".")) for _ in _ATOM.findall(part)]
    if len(owner) != mol.GetNumAtoms():
        return []  # hydrogens written as atoms, which reading folds into others
    cut = [
        bond.GetIdx() for bond in mol.GetBonds() if owner[bond.GetBeginAtomIdx()] != owner[bond.GetEndAtomIdx()]
    ]
    whole = Chem.FragmentOnBonds(mol, cut, dummyLabels=[(0, 0)] * len(cut)) if cut else mol
    return sorted(Chem.MolToSmiles(whole).split("."))


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(
    functools.partial(Translate, molecules, view) for molecules in LISTS for view in FLAT_VIEWS
)
