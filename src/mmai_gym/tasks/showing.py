"""One example laid open: both renderings of its question, the gold answer and its verdict, the checked reasoning, a drawing.

What `mmai-gym show` prints. A task that is wrong somewhere is usually seen to be wrong here first.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mmai_gym import reasoning
from mmai_gym.contracts import Example, Indices, Molecule, Question, Structure, UsageError, answer_form
from mmai_gym.molecules import grid_svg, molecule_svg, reaction_svg, smiles_of
from mmai_gym.tasks.answers import wrap
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.rendering import chat_prompt, compact_prompt


def shown(task: BaseTask, example: Example) -> dict[str, Any]:
    """Plain values: id, both prompts, answer (None where nobody knows one), its verdict, and each step with its check."""
    question, answer = task.question(example), task.answer(example)
    context = reasoning.Context(tuple(span.text for span in question if isinstance(span, Molecule)))
    trace = task.reason(example)
    steps = trace.steps if trace else ()
    return {
        "task": task.name,
        "split": example.split,
        "id": example.id,
        "chat": chat_prompt(question),
        "compact": compact_prompt(question),
        "answer": answer,
        "verdict": None if answer is None else asdict(task.verify(example, wrap(answer))),
        "reasoning": [{"text": step.text, "true": reasoning.check(step, context)} for step in steps],
    }


def drawing(task: BaseTask, example: Example) -> str:
    """SVG of the molecules of the question and, where it is a structure, of the gold answer; a reaction as a reaction.

    Raises:
        UsageError: the question shows no molecule that can be drawn.
        InvalidMolecule: one of its molecules cannot be read.
        MissingExtra: a system library is missing.
    """
    question, answer = task.question(example), task.answer(example)
    form, molecules = answer_form(question), _molecules(question)
    if not molecules:
        raise UsageError(f"{task.name} shows no molecule that can be drawn")
    if isinstance(form, Structure) and answer is not None:
        if form.role == "reactants":
            return reaction_svg(answer, molecules[0])
        if any(getattr(span, "control", "") == "forward" for span in question):
            return reaction_svg(".".join(molecules), answer)
        return grid_svg([*molecules, answer], [*_names(len(molecules)), "a known answer"])
    if isinstance(form, Indices) and answer is not None:
        return molecule_svg(molecules[0], [int(part) for part in answer.split(",")], legend="atoms asked for")
    return grid_svg(molecules, _names(len(molecules)))


def _molecules(question: Question) -> list[str]:
    """SMILES of the whole molecules of a question."""
    found = [smiles_of(span.text, span.view) for span in question if isinstance(span, Molecule)]
    return [smiles for smiles in found if smiles is not None]


def _names(count: int) -> list[str]:
    return ["question"] if count == 1 else [f"molecule {i}" for i in range(1, count + 1)]
