"""What an example gives away: the molecules, proteins and the reaction that a model sees in question and answer.

Overlaps are counted, and training rows excluded, by this and not by a task's name, so that a new task is covered the day
it is registered. The controls of the question say which side of a reaction is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from mmai_gym.contracts import Example, InvalidMolecule, Molecule, Structure, Task, Words, answer_form
from mmai_gym.molecules import from_inchi, from_selfies

_READERS: dict[str, Callable[[str], str]] = {"smiles": str, "selfies": from_selfies, "inchi": from_inchi}
_PROTEINS = frozenset({"protein", "antibody"})


@dataclass(frozen=True, slots=True)
class Reaction:
    """Both sides as SMILES; `reactants` may hold reagents."""

    product: str
    reactants: str


@dataclass(frozen=True, slots=True)
class Content:
    """SMILES of whole molecules (of a reaction its product alone), amino acid sequences, and the reaction."""

    molecules: tuple[str, ...] = ()
    proteins: tuple[str, ...] = ()
    reaction: Reaction | None = None


def content(task: Task, example: Example) -> Content:
    """The content of one example. Other views count through the inputs `smiles` and `other` alone."""
    question = task.question(example)
    shown = [span for span in question if isinstance(span, Molecule)]
    proteins = tuple(dict.fromkeys(span.text for span in shown if span.view in _PROTEINS))
    molecules = [text for span in shown if (text := _smiles(span.view, span.text)) is not None]
    controls = {span.control for span in question if isinstance(span, Words)}
    answer = task.answer(example) or ""
    if "retrosynthesis" in controls:
        product, reactants = ".".join(molecules), answer
    elif "forward" in controls:
        product, reactants = answer, ".".join(molecules)
    else:
        # The second molecule of a pair may be hidden from the question, and its label be what the answer tells.
        given = [example.inputs.get(key) for key in ("smiles", "other")]
        molecules += [text for text in given if isinstance(text, str)]
        form = answer_form(question)
        molecules += [answer] if answer and isinstance(form, Structure) and form.role == "molecule" else []
        return Content(tuple(dict.fromkeys(molecules)), proteins)
    return Content((product,), proteins, Reaction(product, reactants))


@functools.lru_cache(maxsize=1024)
def _smiles(view: str, text: str) -> str | None:
    """SMILES of a view that names one whole molecule, or None."""
    try:
        return _READERS[view](text) if view in _READERS else None
    except InvalidMolecule:
        return None
