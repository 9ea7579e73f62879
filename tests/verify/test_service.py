"""The verification service gives every completion its verdict, whatever the completion does to the toolkit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Example, Reason, UsageError
from mmai_gym.tasks.answers import wrap
from mmai_gym.verify import VerificationService
from mmai_gym.workers import MAX_WINDOW

NAME = "retrosynthesis/embedded"


def spiro_necklace(rings: int) -> str:
    """Four-membered carbon rings sharing opposite corners, closed to a chain: valid by every valence rule.

    The large ring can pass each small one on two sides, so there are 2**rings equally short ways around it, and
    ring perception keeps all of them.
    """
    text, opened = "C123C", 3
    for _ in range(rings - 2):
        text += f"C{7 - opened}(C{opened})C"
        opened = 7 - opened
    return text + f"C(C{opened})(C1)C2"


@pytest.fixture(scope="module")
def service() -> Iterator[VerificationService]:
    with VerificationService(workers=2, seconds=1.5) as service:
        yield service


@pytest.fixture(scope="module")
def example() -> Example:
    return tasks.get(NAME).examples("test")[0]


def test_verdicts_are_those_of_the_task_in_order(service: VerificationService, example: Example) -> None:
    task = tasks.get(NAME)
    texts = [wrap(task.answer(example)), "", wrap("CCO"), wrap("not a molecule"), wrap(spiro_necklace(6))] * 3
    verdicts = service.verify([(NAME, example, text) for text in texts])
    assert verdicts == [task.verify(example, text) for text in texts]
    assert verdicts[0].score == 1.0


def test_a_molecule_that_hangs_the_toolkit_costs_its_own_verdict_only(
    service: VerificationService, example: Example
) -> None:
    hang = wrap(spiro_necklace(22))
    assert len(hang) < 200
    gold = wrap(tasks.get(NAME).answer(example))
    verdicts = service.verify([(NAME, example, text) for text in (gold, hang, gold + " ", hang + " ", "")])
    assert [v.reason for v in verdicts] == [
        *(Reason.CORRECT, Reason.TIMEOUT, Reason.CORRECT, Reason.TIMEOUT, Reason.NO_ANSWER)
    ]
    assert [v.score for v in verdicts] == [1.0, None, 1.0, None, 0.0]
    assert "1.5 s" in verdicts[1].detail
    assert verdicts[1].verifier_version == tasks.get(NAME).verifier_version


def test_a_molecule_that_eats_memory_is_not_called_invalid(example: Example) -> None:
    with VerificationService(workers=1, seconds=60.0, memory_mb=160) as service:
        (verdict,) = service.verify([(NAME, example, wrap(spiro_necklace(17)))])
    assert verdict.score is None
    assert verdict.reason in (Reason.MEMORY, Reason.CRASH)


def test_a_completion_beyond_the_limit_is_wrong_and_never_parsed(
    service: VerificationService, example: Example
) -> None:
    long = wrap(spiro_necklace(22)) + " " * 20_000
    (verdict,) = service.verify([(NAME, example, long)])
    assert (verdict.score, verdict.reason) == (0.0, Reason.TOO_LONG)
    assert "20000" in verdict.detail


def test_equal_items_are_computed_once(example: Example) -> None:
    other = replace(example, id="another")
    with VerificationService(workers=1) as service:
        verdicts = service.verify([(NAME, example, wrap("CCO"))] * 50 + [(NAME, other, wrap("CCO"))])
        assert service.timings()[NAME][0] == 2
        assert service.timings()[NAME][1] > 0
    assert len(verdicts) == 51


def test_examples_of_one_id_and_other_gold_are_not_taken_for_each_other(
    service: VerificationService, example: Example
) -> None:
    """As `augment` makes them: the same id, another writing, another answer."""
    other = replace(example, gold="CCO")
    gold = str(example.gold)
    verdicts = service.verify([(NAME, one, wrap(text)) for one in (example, other) for text in (gold, "CCO")])
    assert [v.score for v in verdicts] == [1.0, 0.0, 0.0, 1.0]
    again = replace(example, inputs=dict(example.inputs))
    before = service.timings()[NAME][0]
    service.verify([(NAME, one, wrap("CCO")) for one in (example, again)])
    assert service.timings()[NAME][0] == before + 1


def test_a_stream_remembers_no_more_than_it_says(
    example: Example, monkeypatch: pytest.MonkeyPatch, service: VerificationService
) -> None:
    monkeypatch.setattr("mmai_gym.verify.service.REMEMBERED", 4)
    texts = [wrap("C" * (n % 9 + 1)) for n in range(60)] + [wrap(str(example.gold))] * 3
    before = service.timings()[NAME][0]
    verdicts = service.verify([(NAME, example, text) for text in texts])
    assert [v.score for v in verdicts] == [0.0] * 60 + [1.0] * 3
    assert [v.answer for v in verdicts[:9]] == ["C" * n for n in range(1, 10)]
    assert service.timings()[NAME][0] == before + 61


def test_a_stream_gives_what_a_batch_gives(service: VerificationService, example: Example) -> None:
    gold = wrap(tasks.get(NAME).answer(example))
    long = wrap("C" * 30_000)
    texts = [long, gold, gold, "", long, wrap("CCO"), gold, wrap(spiro_necklace(22)), gold, "", wrap("C(")]
    items = [(NAME, example, text) for text in texts]
    streamed = list(service.stream(items))
    assert streamed == service.verify(items)
    assert [v.score for v in streamed] == [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, None, 1.0, 0.0, 0.0]


def test_a_stream_hands_verdicts_on_before_its_items_end(service: VerificationService, example: Example) -> None:
    taken = 0

    def endless() -> Iterator[tuple[str, Example, str]]:
        nonlocal taken
        while True:
            taken += 1
            yield NAME, example, wrap("C" * (taken % 50 + 1)) + " " * (taken // 50)

    stream = service.stream(endless())
    assert [next(stream).reason for _ in range(20)] == [Reason.WRONG] * 20
    assert taken < 20 + 4 * MAX_WINDOW
    with pytest.raises(UsageError, match="already mapping"):
        service.verify([(NAME, example, wrap("CCO"))])
    stream.close()  # type: ignore[attr-defined]
    assert service.verify([(NAME, example, wrap("CCO"))])[0].reason is Reason.WRONG


def test_a_hang_among_many_quick_items_costs_one_verdict(service: VerificationService, example: Example) -> None:
    gold = tasks.get(NAME).answer(example)
    texts = [wrap(gold) + " " * n for n in range(300)]
    texts.insert(200, wrap(spiro_necklace(22)) + " ")
    verdicts = service.verify([(NAME, example, text) for text in texts])
    assert [n for n, v in enumerate(verdicts) if v.score is None] == [200]
    assert sum(v.score == 1.0 for v in verdicts) == 300


class Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return os.abort, ()


def test_a_poisoned_batch_loses_the_poisoned_items_and_no_others(example: Example) -> None:
    """Hang, crash and hunger for memory, three times each among three hundred."""
    gold = str(tasks.get(NAME).answer(example))
    items = [(NAME, example, wrap(gold if n % 2 else "C" * (n + 1)) + " " * n) for n in range(300)]
    poisoned = {}
    for turn in range(3):
        start = 20 + 100 * turn
        poisoned[start] = (NAME, example, wrap(spiro_necklace(26)) + " " * turn)
        poisoned[start + 25] = (NAME, replace(example, inputs={**example.inputs, "bomb": Bomb()}), f"{turn}")
        poisoned[start + 60] = (NAME, example, wrap(spiro_necklace(19)) + " " * turn)
    with VerificationService(workers=2, seconds=2.0, memory_mb=160) as service:
        clean = service.verify(items)
        verdicts = service.verify([poisoned.get(n, item) for n, item in enumerate(items)])
    assert [n for n, v in enumerate(verdicts) if v.score is None] == sorted(poisoned)
    assert all(v == clean[n] for n, v in enumerate(verdicts) if n not in poisoned)
    reasons = {v.reason for v in verdicts if v.score is None}
    assert Reason.CRASH in reasons and reasons <= {Reason.CRASH, Reason.TIMEOUT, Reason.MEMORY}
    assert all(v.detail for v in verdicts if v.score is None)


def test_a_verifier_that_raises_gives_no_verdict_instead_of_a_zero(
    service: VerificationService, example: Example
) -> None:
    broken = replace(example, task="activity/embedded", gold="not a number")
    (verdict,) = service.verify([("activity/embedded", broken, wrap("5.0"))])
    assert (verdict.score, verdict.reason) == (None, Reason.VERIFIER_ERROR)
    assert "Error" in verdict.detail


def test_an_unknown_task_is_the_callers_mistake(service: VerificationService, example: Example) -> None:
    with pytest.raises(UsageError, match="no-such-task"):
        service.verify([("no-such-task", example, "")])


def test_an_unknown_task_further_on_leaves_the_service_usable(
    service: VerificationService, example: Example
) -> None:
    with pytest.raises(UsageError, match="no-such-task"):
        service.verify([(NAME, example, wrap("CCO")), ("no-such-task", example, "")])
    assert service.verify([(NAME, example, wrap("CCO"))])[0].score == 0.0


def test_an_empty_batch_starts_nothing() -> None:
    service = VerificationService()
    assert service.verify([]) == []
    assert service.timings() == {}
