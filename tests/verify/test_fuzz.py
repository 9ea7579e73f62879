"""Whatever is written, a verifier gives a score in [0, 1] and no exception."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Example, Reason
from mmai_gym.tasks.answers import wrap
from mmai_gym.verify import VerificationService
from mmai_gym.verify.fuzz import broken, mutated

EMBEDDED = [name for name in tasks.names() if "embedded" in name]
MUTATIONS = 1_000


def completions() -> Iterator[tuple[str, Example, str]]:
    rng = random.Random(0)
    for name in EMBEDDED:
        task = tasks.get(name)
        examples = task.examples("test")
        for _ in range(-(-MUTATIONS // len(EMBEDDED))):
            example = examples[rng.randrange(len(examples))]
            yield name, example, broken(str(task.answer(example)), rng)


def test_a_thousand_broken_completions_are_judged() -> None:
    with VerificationService(workers=2, seconds=20.0) as service:
        verdicts = service.verify(completions())
    assert len(verdicts) >= MUTATIONS
    assert {v.reason for v in verdicts if v.score is None} == set()
    assert all(0.0 <= v.score <= 1.0 for v in verdicts if v.score is not None)
    # Broken in many ways, and some of them not so that it matters.
    assert {Reason.CORRECT, Reason.WRONG, Reason.NO_ANSWER, Reason.UNPARSABLE, Reason.INVALID_MOLECULE} <= {
        v.reason for v in verdicts
    }


def test_mutations_follow_the_seed_and_change_the_text() -> None:
    text = wrap("CC(=O)Oc1ccccc1C(=O)O")
    first = [mutated(text, random.Random(seed)) for seed in range(200)]
    assert first == [mutated(text, random.Random(seed)) for seed in range(200)]
    assert len(set(first)) > 150


@pytest.mark.parametrize("text", ["", "<", wrap("")])
def test_short_texts_can_be_mutated(text: str) -> None:
    assert all(isinstance(mutated(text, random.Random(seed)), str) for seed in range(100))
