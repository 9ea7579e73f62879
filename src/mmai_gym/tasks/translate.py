"""The same molecule in another view, for every pair of views of which the first can be read and the second written.

One task per view that is written; the view that is shown is drawn for each example, among those that carry the molecule
without change. So every pair is asked about, `accuracy_from_VIEW` tells them apart, and a view that joins the registry
joins here. Any writing of the right molecule is right. InChI names what it calls mobile hydrogens once for all tautomers, so a molecule
that comes back as another tautomer is shown in another view, and an InChI that is asked for is compared as a text.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
from mmai_gym.molecules import READABLE, canonical, randomized, smiles_of, text_of
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.language import LISTS, LanguageTask, MoleculeList
from mmai_gym.tasks.scoring import exact_rate, structure_metrics


class Translate(LanguageTask):
    """From any readable view into `view`."""

    def __init__(self, molecules: MoleculeList, view: str) -> None:
        self.view = view
        self.asks_for = f"to-{view}"
        self.form = Structure("molecule", view)
        super().__init__(molecules)

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        gold = written(smiles, self.view)
        views = [view for view in READABLE if view != self.view]
        rng.shuffle(views)
        for view in views:
            if gold is not None and (text := shown_in(view, smiles, rng)) is not None:
                return {"shown": text, "view": view}, gold
        return None

    def question(self, example: Example) -> Question:
        shown = Molecule(example.inputs["shown"], example.inputs["view"])
        return (Words("Write the molecule in another form.", "translate"), shown, self.form)

    def judge(self, example: Example, answer: str) -> Verdict:
        right = _read(answer, self.view) == _read(str(example.gold), self.view)
        return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        views = sorted({result.example.inputs["view"] for result in results})
        apart = {view: [r for r in results if r.example.inputs["view"] == view] for view in views}
        return {
            "accuracy": exact_rate(results),
            **structure_metrics(results),
            **{f"accuracy_from_{view}": exact_rate(found) for view, found in apart.items()},
        }


def written(smiles: str, view: str) -> str | None:
    """A molecule in a view, or None where the view cannot express it."""
    try:
        return text_of(smiles, view)
    except InvalidMolecule:
        return None


def shown_in(view: str, smiles: str, rng: random.Random) -> str | None:
    """A molecule, given as canonical SMILES, in a view that carries it without change; None where the view does not.

    Its atoms come in a random order: one that is always canonical could be learned by heart.
    """
    shuffled = randomized(smiles, rng.getrandbits(32))
    if view == "smiles":
        return shuffled
    text = written(shuffled, view)
    return text if text is not None and canonical(smiles_of(text, view) or "") == smiles else None


def _read(text: str, view: str) -> str:
    """What two texts of a view must share to name the same molecule.

    Raises:
        InvalidMolecule: the text cannot be read.
    """
    smiles = canonical(smiles_of(text, view) or "")
    return text if view == "inchi" else smiles


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(
    functools.partial(Translate, molecules, view) for molecules in LISTS for view in READABLE
)
