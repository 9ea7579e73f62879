"""Answering validation examples while training goes on: the loss says how sure a model is, this whether it is right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedModel

from mmai_gym.contracts import answer_form
from mmai_gym.lfm.decode import Decoder
from mmai_gym.tasks.rendering import compact_answer
from mmai_gym.training.choosing import choose
from mmai_gym.training.recipe import Recipe, Stage
from mmai_gym.training.starting import StartingPoint

_BATCH_TOKENS = 8192
_SLACK = 4


def exact_match(
    model: PreTrainedModel, start: StartingPoint, recipe: Recipe, stage: Stage
) -> dict[str, dict[str, float]]:
    """By task of the stage, the share of validation examples whose greedy answer is judged right, and how many there were.

    Examples are chosen by the recipe's seed, the same ones at every call. Writing stops a little beyond the longest gold
    answer, since nothing longer than the gold equals it. Verdicts that could not be reached are left out of both numbers.
    """
    found: dict[str, dict[str, float]] = {}
    tokenizer, dialect = start.tokenizer, start.dialect
    decoder = Decoder(model, tokenizer, _BATCH_TOKENS)
    for task, _ in stage.portions():
        chosen = choose(task, "valid", recipe.schedule.probe_examples, recipe.seed).positions
        examples = [task.examples("valid")[position] for position in chosen]
        golds = [(example, answer) for example in examples if (answer := task.answer(example)) is not None]
        if not golds:
            continue
        questions = [task.question(example) for example, _ in golds]
        forms = [answer_form(question) for question in questions]
        texts = [compact_answer(answer, form) for (_, answer), form in zip(golds, forms, strict=True)]
        longest = max(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"])
        written = decoder.beam(
            [dialect.prompt(question) for question in questions],
            1,
            max_new_tokens=longest + dialect.room + _SLACK,
            stop=dialect.stop,
        )
        scores = [
            task.verify(example, dialect.public(beams[0].text, form)).score
            for (example, _), form, beams in zip(golds, forms, written, strict=True)
        ]
        decided = [score == 1.0 for score in scores if score is not None]
        if decided:
            found[task.name] = {"exact": sum(decided) / len(decided), "n": len(decided)}
    return found


class Clock:
    """When the next probe is due: after so many minutes of training, the time of probes not counted."""

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self._due = time.monotonic() + 60 * (minutes or 0.0)

    def due(self, last: bool) -> bool:
        """Whether to probe now; at the end of a stage always, where probes are wanted at all."""
        return self._minutes is not None and (last or time.monotonic() >= self._due)

    @contextmanager
    def probing(self) -> Iterator[dict[str, Any]]:
        """Around a probe; the mapping it gives holds `seconds` afterwards."""
        began, taken = time.monotonic(), {"seconds": 0.0}
        yield taken
        now = time.monotonic()
        taken["seconds"] = now - began
        self._due = now + 60 * (self._minutes or 0.0)
