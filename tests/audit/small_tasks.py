"""Tasks of a few rows, given by a test, and a registry that knows these and no others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import (
    AnswerForm,
    Choice,
    DataError,
    Estimate,
    Example,
    Molecule,
    Property,
    Question,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.tasks.base import BaseTask

Row = tuple[tuple[Molecule, ...], str | None]
"""The spans that a question shows, and its answer."""
YES_OR_NO = Choice(("yes", "no"))


class SmallTask(BaseTask):
    """Rows by split; `control` says what the question asks for, `table` where the rows have their ids from."""

    headline = "score"

    def __init__(
        self,
        name: str,
        splits: Mapping[Split, Sequence[Row]],
        *,
        sources: tuple[str, ...] = (),
        teachers: tuple[str, ...] = (),
        control: str = "measure",
        form: AnswerForm = YES_OR_NO,
        table: str = "",
    ) -> None:
        self.table = table or name
        self.name, self.sources, self.teachers = name, sources, teachers
        self.splits, self.control, self.form = splits, control, form

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self.splits.get(split, ())
        return [Example(f"{self.table} {spans}", self.name, split, {"spans": spans}, gold) for spans, gold in rows]

    def sizes(self) -> dict[str, int]:
        return {split: len(rows) for split, rows in self.splits.items()}  # known, so that this process reads them

    def question(self, example: Example) -> Question:
        return Words("What?", self.control), Property("p"), *example.inputs["spans"], self.form

    def answer(self, example: Example) -> str | None:
        return None if example.gold is None else str(example.gold)

    def augment(self, example: Example, seed: int) -> Example:
        return example

    def judge(self, example: Example, answer: str) -> Verdict:
        raise NotImplementedError

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {}


class AbsentTask(SmallTask):
    """A task whose file is missing."""

    def __init__(self, name: str) -> None:
        super().__init__(name, {})

    def examples(self, split: Split) -> Sequence[Example]:
        raise DataError(f"[no/file] of {self.name}")


def measured(*smiles: str, answer: str = "yes") -> list[Row]:
    """Rows that ask about one molecule each."""
    return [((Molecule(text),), answer) for text in smiles]


def pairs(*rows: tuple[str, str]) -> list[Row]:
    """Rows that ask about a molecule and a protein each."""
    return [((Molecule(smiles), Molecule(sequence, view="protein")), "yes") for smiles, sequence in rows]


def retro(name: str, splits: Mapping[Split, Sequence[str]], **more: Any) -> SmallTask:
    """A retrosynthesis task over reactions written `reactants>>product`."""
    rows = {split: [_sides(text) for text in texts] for split, texts in splits.items()}
    asked: dict[Split, list[Row]] = {
        split: [((Molecule(product),), reactants) for reactants, product in found] for split, found in rows.items()
    }
    return SmallTask(name, asked, control="retrosynthesis", form=Structure("reactants"), **more)


def forward(name: str, splits: Mapping[Split, Sequence[str]], **more: Any) -> SmallTask:
    """A forward task over reactions written `reactants>>product`."""
    rows = {split: [_sides(text) for text in texts] for split, texts in splits.items()}
    asked: dict[Split, list[Row]] = {
        split: [((Molecule(reactants),), product) for reactants, product in found] for split, found in rows.items()
    }
    return SmallTask(name, asked, control="forward", form=Structure(), **more)


def _sides(reaction: str) -> tuple[str, str]:
    reactants, product = reaction.split(">>")
    return reactants, product


def register(monkeypatch: pytest.MonkeyPatch, *chosen: BaseTask) -> None:
    """Put these tasks in the place of the registry's."""
    monkeypatch.setattr(tasks, "_registry", lambda: {task.name: task for task in chosen})


def fragile(smiles: list[str]) -> list[str | None]:
    """An identity whose computation ends the process at one of the texts."""
    if "killer" in smiles:
        os._exit(3)
    return [text.lower() for text in smiles]


def quiet(done: int, total: int, what: str) -> None:
    """A progress callback that shows nothing."""
