"""Two tasks that a model of 20,000 parameters learns in seconds, and what is needed to train on them.

Run as a program it trains the toy recipe: `python toy_tasks.py RUN MINUTES EPOCHS [ROWS]`. The tests that stop or kill a
training process do it to this one.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmai_gym import tasks
from mmai_gym.contracts import (
    Choice,
    Count,
    Estimate,
    Example,
    Molecule,
    Property,
    Question,
    Result,
    Split,
    Verdict,
    Words,
    row_id,
)
from mmai_gym.lfm import presets
from mmai_gym.tasks.base import BaseTask, LazyExamples, judge_choice, judge_count

SIZES = {"train": 120, "valid": 12, "test": 12}
RECIPE = """
name = "toy"
preset = "toy"
seed = 5
[optimizer]
learning_rate = 1e-2
[batch]
tokens = 256
max_length = 40
[schedule]
log_steps = 2
validate_steps = 8
validate_rows = 10
checkpoint_minutes = 1000
[[stage]]
name = "first"
epochs = 1
[stage.mixture]
"toy" = { views = 2, limit = 60 }
"""


class Length(BaseTask):
    """How many carbons does a chain have?"""

    name = "toy/length"
    headline = "accuracy"
    properties = ("chain length",)

    def examples(self, split: Split) -> Sequence[Example]:
        start = {"train": 0, "valid": 500, "test": 600}[split]
        return LazyExamples(SIZES[split], lambda i: self._example(split, start + i))

    def _example(self, split: Split, number: int) -> Example:
        length = 1 + number % 9
        return Example(row_id("toy", number), self.name, split, {"smiles": "C" * length + "O"}, length)

    def question(self, example: Example) -> Question:
        return Words("How long", "count"), Property("chain length"), Molecule(example.inputs["smiles"]), Count()

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def augment(self, example: Example, seed: int) -> Example:
        smiles = example.inputs["smiles"]
        return replace(example, inputs={"smiles": smiles[::-1] if seed % 2 else smiles})

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_count(example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {}


class Parity(Length):
    """Is the number of carbons even?"""

    name = "toy/parity"
    properties = ("parity",)
    form = Choice(("yes", "no"))

    def question(self, example: Example) -> Question:
        return Words("Is it even", "detect"), Property("parity"), Molecule(example.inputs["smiles"]), self.form

    def answer(self, example: Example) -> str:
        return "no" if example.gold % 2 else "yes"

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.form, self.answer(example), answer)


def install(setattr_: Callable[..., Any], setitem: Callable[..., Any]) -> None:
    """Put the toy tasks in the place of the registry's, and the toy preset beside the others."""
    setattr_(tasks, "_registry", functools.cache(lambda: {task.name: task for task in (Length(), Parity())}))
    setitem(presets.PRESETS, "toy", presets.Preset(hidden=32, layers=2, feed_forward=64, heads=2, kv_heads=1))


def quiet(done: int, total: int, what: str) -> None:
    """A progress callback that shows nothing."""


def main(folder: str, checkpoint_minutes: float, epochs: int, rows: str = "grouped") -> None:
    """Train the toy recipe, as a process that can be stopped or killed."""
    import torch

    from mmai_gym.training import parse_recipe, train

    torch.set_num_threads(1)
    install(setattr, dict.__setitem__)
    text = RECIPE.replace("checkpoint_minutes = 1000", f"checkpoint_minutes = {checkpoint_minutes}")
    text = text.replace("[batch]", f'[batch]\nrows = "{rows}"')
    recipe = parse_recipe(text.replace("epochs = 1", f"epochs = {epochs}"), "toy.toml")
    train(recipe, Path(folder), quiet)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
