"""Tiny tasks of every answer form, registered under their own names for one test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import (
    Choice,
    Count,
    Estimate,
    Example,
    Indices,
    Molecule,
    Number,
    Property,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    UsageError,
    Verdict,
    Words,
)
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.scoring import mean_score

ALKANES = ("C", "CC", "CCC", "CCCC", "CCCCC", "CCCCCC")
ACIDS = ("CC(=O)O", "CCC(=O)O", "CCCC(=O)O", "CCCCC(=O)O", "CCCCCC(=O)O", "OC(=O)c1ccccc1")


class TinyTask(BaseTask):
    """Two kinds of molecule with two kinds of gold; test molecules resemble training molecules of their kind."""

    headline = "score"

    def __init__(
        self, name: str, form: Any, gold: tuple[str, str], readout: str = "mean", pair: bool = False
    ) -> None:
        self.name = f"tiny/{name}"
        self.form = form
        self.gold = gold
        self.readout = readout
        self.pair = pair

    def examples(self, split: Split) -> Sequence[Example]:
        part = slice(0, 4) if split == "train" else slice(4, None)
        rows = [(s, self.gold[0]) for s in ALKANES[part]] + [(s, self.gold[1]) for s in ACIDS[part]]
        return [
            Example(f"{self.name}-{split}-{i}", self.name, split, {"smiles": s}, g)
            for i, (s, g) in enumerate(rows)
        ]

    def question(self, example: Example) -> Question:
        shown = Molecule(example.inputs["smiles"])
        second = (Molecule("CCO"),) if self.pair else ()
        return (Words("What is the", "measure"), Property("acidity"), shown, *second, self.form)

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        right = answer == example.gold
        return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {"score": mean_score(results)}


FORMS: dict[str, TinyTask] = {
    task.name: task
    for task in (
        TinyTask("choice", Choice(("yes", "no", "maybe")), ("no", "yes")),
        TinyTask("number", Number("h", (0.0, 1.0, 5.0)), ("1", "5")),
        TinyTask("count", Count(), ("0", "2")),
        TinyTask("indices", Indices(), ("0,1", "0,2")),
        TinyTask("structure", Structure(), ("CCCl", "CC(=O)Cl")),
        TinyTask("pair", Choice(("first", "second")), ("second", "first"), pair=True),
    )
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, TinyTask]:
    """The tiny tasks; `tasks.get` and `tasks.match` know these and no others for the length of a test."""

    def match(prefix: str) -> list[str]:
        found = [name for name in FORMS if name == prefix or name.startswith(prefix + "/")]
        if not found:
            raise UsageError(f"no task is named {prefix!r}")
        return found

    monkeypatch.setattr(tasks, "get", FORMS.__getitem__)
    monkeypatch.setattr(tasks, "match", match)
    return FORMS
