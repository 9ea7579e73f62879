"""Which of two molecules is more similar to a third?

Similar by Tanimoto on Morgan fingerprints of radius 2 and 2,048 bits (Rogers and Hahn 2010), the measure of the
optimization tasks. The two differ by at least 0.1 in it wherever two hundred molecules hold such a pair, so that hardly an
answer hangs on a bit.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmai_gym.contracts import Choice, Estimate, Example, Molecule, Question, Result, Split, Verdict, Words
from mmai_gym.molecules import is_valid, randomized, tanimoto
from mmai_gym.tasks.base import BaseTask, judge_choice
from mmai_gym.tasks.language import LISTS, LanguageTask
from mmai_gym.tasks.scoring import choice_metrics

LEAST_DIFFERENCE = 0.1
_MOLECULES = ("shown", "first", "second")
_LEAST_DRAWN, _MOST_DRAWN = 4, 200


class Closer(LanguageTask):
    """First or second, of a split's molecules drawn at random."""

    asks_for = "closer"
    form = Choice(("first", "second"))

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        rows = self.molecules.rows(split, "")
        found: list[tuple[float, str]] = []
        for _ in range(_MOST_DRAWN):
            other = rows[rng.randrange(len(rows))].smiles
            if is_valid(other) and (similarity := tanimoto(smiles, other)) < 1.0:
                found.append((similarity, other))
            if len(found) >= _LEAST_DRAWN and max(found)[0] - min(found)[0] >= LEAST_DIFFERENCE:
                break
        (far, distant), (near, close) = min(found), max(found)
        if near == far:
            return None
        gold = rng.choice(self.form.options)
        pair = (close, distant) if gold == "first" else (distant, close)
        shown = [randomized(text, rng.getrandbits(32)) for text in (smiles, *pair)]
        return dict(zip(_MOLECULES, shown, strict=True)), gold

    def augment(self, example: Example, seed: int) -> Example:
        """The same three molecules in other writings: others might be ones that a corpus has to leave out."""
        inputs = dict(example.inputs)
        inputs |= {key: randomized(inputs[key], seed + i) for i, key in enumerate(_MOLECULES)}
        return replace(example, inputs=inputs)

    def question(self, example: Example) -> Question:
        return (
            Words("Which of the last two is more similar to the first (Tanimoto, Morgan radius 2)?", "compare"),
            *(Molecule(example.inputs[key]) for key in _MOLECULES),
            self.form,
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.form, example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return choice_metrics(results)


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(functools.partial(Closer, molecules) for molecules in LISTS)
