"""Where a metric pays every class alike, probabilities are weighed against base rates before one is taken."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mmai_gym.bench.readout import read_out
from mmai_gym.contracts import Completion, Example, Prediction
from tiny_tasks import FORMS

TASK = FORMS["tiny/choice"]
RATES = {"yes": 0.1, "no": 0.7, "maybe": 0.2}
PROBABILITIES = {"yes": 0.2, "no": 0.6, "maybe": 0.2}


@pytest.fixture
def balanced(monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.setattr(TASK, "base_rates", lambda example: RATES, raising=False)
    return TASK.examples("test")[0]


def answered(*options: str, probabilities: Mapping[str, float] | None = PROBABILITIES) -> Prediction:
    return Prediction("x", tuple(Completion(f"<answer>{name}</answer>") for name in options), probabilities)


def test_the_option_furthest_above_its_base_rate_comes_first(balanced: Example) -> None:
    found = read_out(TASK, balanced, answered("no", "yes", "maybe"))
    # 0.2 / 0.1 = 2, 0.2 / 0.2 = 1, 0.6 / 0.7 < 1.
    assert [one.text for one in found.completions] == [
        f"<answer>{name}</answer>" for name in ("yes", "maybe", "no")
    ]
    assert found.completions[0].logprob == pytest.approx(-1.609438, abs=1e-6)
    assert found.probabilities == PROBABILITIES
    assert [one.text for one in read_out(TASK, balanced, answered("no")).completions] == ["<answer>yes</answer>"]


def test_without_base_rates_or_probabilities_nothing_changes(
    balanced: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = answered("no", probabilities=None)
    assert read_out(TASK, balanced, text) is text
    monkeypatch.setattr(TASK, "base_rates", lambda example: None)
    given = answered("no", "yes")
    assert read_out(TASK, balanced, given) is given
