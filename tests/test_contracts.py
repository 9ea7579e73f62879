"""The nouns keep their promises: no made-up scores, no shared seeds, one answer form a question."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmai_gym.contracts import (
    Choice,
    Completion,
    Count,
    Estimate,
    Example,
    Prediction,
    Reason,
    Result,
    Verdict,
    Words,
    answer_form,
    item_seed,
    row_id,
)


def test_importing_the_gym_is_quick_and_loads_no_heavy_library() -> None:
    code = "import sys, mmai_gym; print(sorted({'torch', 'transformers', 'rdkit', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.MEMORY, Reason.CRASH, Reason.VERIFIER_ERROR])
def test_an_undecided_verdict_cannot_carry_a_score(reason: Reason) -> None:
    assert Verdict(None, reason).score is None
    with pytest.raises(ValueError, match="does not fit"):
        Verdict(0.0, reason)


def test_a_decided_verdict_needs_a_score_between_zero_and_one() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Verdict(None, Reason.WRONG)
    with pytest.raises(ValueError, match="outside"):
        Verdict(1.5, Reason.CORRECT)


def test_neighbouring_seeds_and_splits_share_no_items() -> None:
    seeds = {
        (seed, split): {item_seed("task", "1", split, seed, i) for i in range(500)}
        for seed in (42, 43)
        for split in ("train", "test")
    }
    assert len(set().union(*seeds.values())) == 4 * 500


def test_row_ids_tell_fields_apart() -> None:
    assert row_id("set", "ab", "c") != row_id("set", "a", "bc")
    assert row_id("set", 1) == row_id("set", "1")


def test_a_question_has_exactly_one_answer_form() -> None:
    assert answer_form((Words("how many"), Count())) == Count()
    with pytest.raises(ValueError, match="exactly one"):
        answer_form((Words("how many"),))
    with pytest.raises(ValueError, match="exactly one"):
        answer_form((Choice(("a",)), Count()))


def test_a_result_has_one_verdict_per_completion() -> None:
    example = Example("1", "t", "test", {}, "yes")
    prediction = Prediction("1", (Completion("a"), Completion("b")))
    with pytest.raises(ValueError, match="1 verdicts for 2 completions"):
        Result(example, prediction, (Verdict(0.0, Reason.WRONG),))


def test_separation_follows_the_direction_of_the_metric() -> None:
    low_error = Estimate(1.0, 0.9, 1.1, 10, "m", higher_is_better=False)
    high_error = Estimate(2.0, 1.8, 2.2, 10, "m", higher_is_better=False)
    assert low_error.separated_from(high_error)
    assert not high_error.separated_from(low_error)
    with pytest.raises(ValueError, match="opposite"):
        low_error.separated_from(Estimate(1.0, 0.9, 1.1, 10, "m"))
