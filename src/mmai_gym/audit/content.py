"""What an example gives away: the molecules, proteins and the reaction that a model sees in question and answer.

Overlaps are counted, and training rows excluded, by this and not by a task's name, so that a new task is covered the day
it is registered. The controls of the question say which side of a reaction is asked for.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import Example, InvalidMolecule, Molecule, Question, Split, Structure, Words, answer_form
from mmai_gym.molecules import smiles_of
from mmai_gym.tasks import BaseTask

Kind = Literal["molecule", "pair", "reaction"]
"""What a row tells about: molecules, molecules together with proteins, or a reaction."""

_PROTEINS = frozenset({"protein", "antibody"})


@dataclass(frozen=True, slots=True)
class Content:
    """What a row is about.

    Attributes:
        molecules: SMILES of whole molecules; of a reaction its product alone.
        proteins: 16 hex digits for each amino acid sequence, which may be a thousand letters long.
        reactants: SMILES, reagents among them where the source lists them so; None where there is no reaction.
    """

    molecules: tuple[str, ...] = ()
    proteins: tuple[str, ...] = ()
    reactants: str | None = None

    @property
    def kind(self) -> Kind:
        """What a row with this content tells about."""
        if self.reactants is not None:
            return "reaction"
        return "pair" if self.proteins and self.molecules else "molecule"


def content(example: Example, question: Question, answer: str | None) -> Content:
    """The content of one example. A view that cannot be turned into SMILES counts through the inputs `smiles` and
    `other` alone."""
    shown = [span for span in question if isinstance(span, Molecule)]
    proteins = tuple(dict.fromkeys(protein(span.text) for span in shown if span.view in _PROTEINS))
    molecules = [text for span in shown if (text := _smiles(span.view, span.text)) is not None]
    controls = {span.control for span in question if isinstance(span, Words)}
    if "retrosynthesis" in controls:
        return Content((".".join(molecules),), proteins, answer or "")
    if "forward" in controls:
        return Content((answer,) if answer else (), proteins, ".".join(molecules))
    # The second molecule of a pair may be hidden from the question, and its label be what the answer tells.
    given = [example.inputs.get(key) for key in ("smiles", "other")]
    molecules += [text for text in given if isinstance(text, str)]
    form = answer_form(question)
    if answer and isinstance(form, Structure) and form.role == "molecule":
        molecules += [text] if (text := _smiles(form.view, answer)) is not None else []
    return Content(tuple(dict.fromkeys(molecules)), proteins)


def contents(task: BaseTask, examples: Sequence[Example]) -> list[Content]:
    """The content of each example of a task."""
    return [content(example, task.question(example), task.answer(example)) for example in examples]


def kind(task: BaseTask, split: Split) -> Kind | None:
    """What the rows of a split tell about, by its first one; None where it has none."""
    found = contents(task, task.examples(split)[:1])
    return found[0].kind if found else None


@functools.lru_cache(maxsize=1024)
def protein(sequence: str) -> str:
    """16 hex digits for an amino acid sequence."""
    return hashlib.sha256(sequence.encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=1024)
def _smiles(view: str, text: str) -> str | None:
    """SMILES of a view that names one whole molecule, or None."""
    try:
        return smiles_of(text, view)
    except InvalidMolecule:
        return None
