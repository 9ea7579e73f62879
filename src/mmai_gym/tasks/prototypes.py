"""Questions without their data set: what a task asks, with holes where an example's own texts stand.

A task makes its questions from its data: the steps of a number come from training labels. Whoever asks a trained model
about a molecule of his own has no data set at hand, and should be understood as the model was taught. So training keeps
a prototype of each task's question with the weights; `filled` makes a question of it. A task whose questions do not
follow one pattern has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from mmai_gym.contracts import (
    SPLITS,
    Choice,
    Count,
    Example,
    Indices,
    Molecule,
    Number,
    Property,
    Question,
    Span,
    Structure,
    UsageError,
    Words,
)
from mmai_gym.tasks.base import BaseTask

Prototype: TypeAlias = list[dict[str, Any]]
"""Spans as plain values, `kind` naming the class; {"input": NAME} stands for the text of that input."""

_KINDS: Mapping[str, type] = {
    kind.__name__.lower(): kind for kind in (Words, Molecule, Property, Choice, Number, Count, Indices, Structure)
}
_HOLES: Mapping[type, str] = {Molecule: "text", Property: "name"}
"""The field of a span that an input may fill."""
_TRIED = 50


def prototype(task: BaseTask) -> Prototype | None:
    """The pattern of a task's questions; None where its own examples contradict it, or it has none.

    Raises:
        DataError: the data of the task are missing.
    """
    examples = next((rows for split in SPLITS if (rows := task.examples(split))), ())
    tried = [examples[i] for i in range(0, len(examples), max(1, len(examples) // _TRIED))]
    if not tried:
        return None
    found = [_with_holes(span, tried[0]) for span in task.question(tried[0])]
    return found if all(_agrees(found, task, example) for example in tried) else None


def _with_holes(span: Span, example: Example) -> dict[str, Any]:
    fields = asdict(span)
    hole = _HOLES.get(type(span))
    if hole is not None:
        names = [name for name, value in example.inputs.items() if value == fields[hole]]
        if names:
            fields[hole] = {"input": names[0]}
    return {"kind": type(span).__name__.lower(), **fields}


def _agrees(found: Prototype, task: BaseTask, example: Example) -> bool:
    try:
        return filled(found, example.inputs) == task.question(example)
    except UsageError:
        return False


def inputs_of(found: Prototype) -> list[str]:
    """Names of the inputs that a prototype needs, each once, in the order of the question."""
    holes = (value["input"] for span in found for value in span.values() if isinstance(value, Mapping))
    return list(dict.fromkeys(holes))


def smiles_of(found: Prototype) -> list[str]:
    """Names of the inputs that are shown as SMILES."""
    return inputs_of([span for span in found if span["kind"] == "molecule" and span["view"] == "smiles"])


def filled(found: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]) -> Question:
    """The question about these inputs.

    Raises:
        UsageError: one that the question needs is missing.
    """
    return tuple(_span(dict(fields), inputs) for fields in found)


def _span(fields: dict[str, Any], inputs: Mapping[str, Any]) -> Span:
    kind = _KINDS[fields.pop("kind")]
    return kind(**{name: _value(value, inputs) for name, value in fields.items()})


def _value(value: Any, inputs: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        name = value["input"]
        if name not in inputs:
            raise UsageError(f"the question needs {name}; give {name}=VALUE")
        return str(inputs[name])
    return tuple(value) if isinstance(value, list | tuple) else value
