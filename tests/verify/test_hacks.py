"""No cheat earns a full score from any task, and text that gives no answer earns nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Example, Task
from mmai_gym.tasks.answers import extract_answer, wrap
from mmai_gym.verify import VerificationService, cheats

EMBEDDED = [name for name in tasks.names() if "embedded" in name]
EXAMPLES = 4


@pytest.fixture(scope="module")
def service() -> Iterator[VerificationService]:
    with VerificationService(workers=2, seconds=10.0) as service:
        yield service


def some(task: Task) -> list[Example]:
    examples = task.examples("test")
    step = max(1, len(examples) // EXAMPLES)
    return [examples[i] for i in range(0, len(examples), step)][:EXAMPLES]


def test_there_are_embedded_tasks_of_every_family() -> None:
    assert len({name.split("/")[0] for name in EMBEDDED}) >= 5


@pytest.mark.parametrize("name", EMBEDDED)
def test_no_cheat_earns_a_full_score(service: VerificationService, name: str) -> None:
    task = tasks.get(name)
    attempts = [(example, *cheat) for example in some(task) for cheat in cheats(task, example)]
    verdicts = service.verify([(name, example, text) for example, _, text in attempts])
    full = {
        f"{cheat}: {text[:60]!r}"
        for (_, cheat, text), v in zip(attempts, verdicts, strict=True)
        if v.score is not None and v.score >= 1.0
    }
    assert not full
    paid = {
        cheat
        for (_, cheat, text), v in zip(attempts, verdicts, strict=True)
        if extract_answer(text) is None and v.score != 0.0
    }
    assert not paid, "these give no answer, so they score 0"


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_gold_answer_still_scores_fully(service: VerificationService, name: str) -> None:
    task = tasks.get(name)
    verdicts = service.verify([(name, example, wrap(task.answer(example))) for example in some(task)])
    assert [v.score for v in verdicts] == [1.0] * len(verdicts)


def test_cheats_have_distinct_names_and_cover_the_answer_protocol() -> None:
    task = tasks.get(EMBEDDED[0])
    names = [cheat for cheat, _ in cheats(task, task.examples("test")[0])]
    assert len(set(names)) == len(names) > 25
