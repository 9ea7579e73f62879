"""Small run records over tasks of every answer form, and a reader of the page that they become."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import (
    Choice,
    Completion,
    Estimate,
    Example,
    Number,
    Prediction,
    Property,
    Question,
    Result,
    Split,
    Structure,
    Words,
)
from mmai_gym.records import RunHeader, RunRecord
from mmai_gym.tasks.scoring import mean_score, value_metrics
from tiny_tasks import FORMS, TinyTask

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>$page&amp;\u202e"
NO_CLOSE = frozenset({"meta", "col"})


class Many(TinyTask):
    """Forty examples: enough to plot."""

    def examples(self, split: Split) -> Sequence[Example]:
        gold = [i / 4 if isinstance(self.form, Number) else self.gold[i % 2] for i in range(40)]
        return [
            Example(f"{self.name}-{i}", self.name, split, {"smiles": "C" * (i + 1)}, g) for i, g in enumerate(gold)
        ]


class ManyNumbers(Many):
    """With the metrics of a real regression task."""

    headline = "mae"

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return value_metrics(results, "µmol/L", 5.0) | {"score": mean_score(results)}


class Hostile(TinyTask):
    """A task whose own words are an attack."""

    def question(self, example: Example) -> Question:
        return (Words(EVIL, "measure"), Property(EVIL, "up"), *super().question(example)[2:])


NUMBERS = ManyNumbers("numbers", Number("µmol/L", (0.0, 10.0)), ("0", "0"))
HOSTILE = Hostile(EVIL, Structure(), ("CCCl", "CC(=O)Cl"))
CHOICES = Many("choices", Choice(("yes", "no")), ("no", "yes"))
ALL: dict[str, TinyTask] = {**FORMS, **{task.name: task for task in (NUMBERS, HOSTILE, CHOICES)}}
Answer = Callable[[TinyTask, int, Example], Prediction]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, TinyTask]:
    """Only these tasks exist for the length of a test."""
    monkeypatch.setattr(tasks, "get", ALL.__getitem__)
    return ALL


def half_right(task: TinyTask, position: int, example: Example) -> Prediction:
    """The gold answer to every other example, an invalid molecule or a wrong word to the rest."""
    gold = task.answer(example)
    form = task.form
    if isinstance(form, Number):
        value = float(gold) + (0.0 if position % 2 else 0.5)
        return Prediction(example.id, (Completion(f"<answer>{value:g}</answer>"),), None, value, 0.1)
    answer = gold if position % 2 else "C1CC("
    belief = dict.fromkeys(form.options, 0.1) | {answer: 0.7} if isinstance(form, Choice) else None
    return Prediction(example.id, (Completion(f"<answer>{answer}</answer>", -1.0),), belief)


def constant(task: TinyTask, position: int, example: Example) -> Prediction:
    """The same answer to everything."""
    value = 5.0 if isinstance(task.form, Number) else None
    return Prediction(example.id, (Completion("<answer>5</answer>"),), None, value)


def write_record(
    path: Path,
    names: Sequence[str],
    model: str = "nano",
    answer: Answer = half_right,
    **config: Any,
) -> Path:
    """A record of `model` and baseline:constant over `names`, one family per task."""
    families = [
        {
            "name": name.removeprefix("tiny/"),
            "tasks": [name],
            "n": 1,
            "trivial": ["baseline:constant"],
            "note": "A note.",
        }
        for name in names
    ]
    settings = {"suite": "small", "model": model, "baselines": ["baseline:constant"], "families": families}
    settings |= {"split": "test", "limit": 12, **config}
    header = RunHeader(
        "bench", settings, dict.fromkeys(names, "1"), {"weights": "ab" * 32}, {"template": "abc123"}, {"bench": 7}
    )
    with RunRecord.open(path, header) as record:
        for who, what in {model: answer, "baseline:constant": constant}.items():
            for name in names:
                for position, example in enumerate(ALL[name].examples("test")):
                    prediction = what(ALL[name], position, example)
                    verdicts = tuple(ALL[name].verify(example, c.text) for c in prediction.completions)
                    record.append(who, Result(example, prediction, verdicts), seconds=0.5)
    return path


def write_run(folder: Path, lines: Sequence[dict[str, Any]] | None = None) -> Path:
    """A run folder with a training log of two stages and a model card."""
    if lines is None:
        lines = [
            {"stage": "one" if step < 30 else "two", "step": step, "loss": 3.0 - step / 30, "tokens": 100 * step}
            | {"tokens_per_second": 5000.0, "wall_seconds": step / 2}
            for step in range(10, 70, 10)
        ]
        lines = [*lines, {"stage": "two", "step": 60, "validation_loss": 1.25}]
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    card = {"parameters": 1_234_567, "recipe": {"name": "nano-small"}}
    (folder / "checkpoint" / "card.json").write_text(json.dumps(card))
    return folder


# --------------------------------------------------------------------------------------------------- reading


@dataclass
class Page(HTMLParser):
    """Tags, attributes, numbers and visible text of a page; `faults` counts tags that are closed in disorder."""

    source: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    numbers: list[tuple[str, str]] = field(default_factory=list)
    """(value attribute, text shown) of every <data>."""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._value: str | None = None
        self.feed(self.source)
        self.close()
        self.faults += self._open

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in NO_CLOSE:
            self._open.append(tag)
        if tag == "data":
            self._value = dict(attrs)["value"]

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(tag)
        self._value = None

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data
        if self._value is not None:
            self.numbers.append((self._value, data))

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", self.text)


def read_page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))
