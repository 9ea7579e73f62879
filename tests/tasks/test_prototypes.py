"""Questions made without a data set: the same as with it, for every task whose questions follow a pattern."""

from __future__ import annotations

import json

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Molecule, Number, Property, UsageError
from mmai_gym.tasks.prototypes import filled, inputs_of, prototype

EMBEDDED = [name for name in tasks.names() if set(tasks.get(name).sources) <= {"embedded"}]
MEASURED = [
    *tasks.match("admet"), *tasks.match("optimization/jin"), "retrosynthesis/uspto-50k", "forward/uspto-50k",
    "activity/davis/cold-drug", "activity/moleculeace/chembl204_ki", "moleculenet/qm8/e1-cc2", "admet-external/biogen/hlm",
]  # fmt: skip
CHANGING = ("language", "geometry", "linker-design", "functional-groups/fgbench")
"""Prefixes of tasks whose words depend on the example."""


@pytest.mark.parametrize("name", [*EMBEDDED, *(pytest.param(name, marks=pytest.mark.data) for name in MEASURED)])
def test_a_filled_prototype_is_the_question(name: str) -> None:
    task = tasks.get(name)
    found = prototype(task)
    if found is None:
        assert name.startswith(CHANGING)
        return
    again = json.loads(json.dumps(found))
    examples = task.examples("test") or task.examples("train")
    for i in range(0, len(examples), max(1, len(examples) // 37)):
        assert filled(again, examples[i].inputs) == task.question(examples[i])


def test_texts_of_an_example_become_holes_and_all_else_stays() -> None:
    task = tasks.get("functional-groups/embedded/count")
    found = prototype(task)
    assert found is not None and inputs_of(found) == ["group", "smiles"]
    question = filled(found, {"smiles": "CCO", "group": "alcohol", "more": "unused"})
    assert Property("alcohol") in question and Molecule("CCO") in question
    with pytest.raises(UsageError, match="the question needs smiles; give smiles=VALUE"):
        filled(found, {"group": "alcohol"})


def test_the_steps_of_a_number_come_along() -> None:
    task = tasks.get("activity/embedded")
    found = prototype(task)
    assert found is not None
    (number,) = (span for span in filled(found, {"smiles": "C"}) if isinstance(span, Number))
    assert number.grid == task.question(task.examples("test")[0])[-1].grid  # type: ignore[union-attr]
