"""How a checkpoint is asked, and confidence that is right as often as it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mmai_gym import tasks
from mmai_gym.contracts import CheckpointError, Completion, Example, Prediction
from mmai_gym.models import Augmented, InferenceRecipe, calibrate

CLASS, NUMBER = "functional-groups/embedded/detect", "activity/embedded"


class Boaster:
    """Right in seven cases of ten and 99 % sure; numbers are wrong by a normal error of 2, called 1."""

    name = "boaster"

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        return [self._one(example, place) for place, example in enumerate(examples)]

    def _one(self, example: Example, place: int) -> Prediction:
        if example.task == NUMBER:
            error = float(np.random.default_rng(place).normal(0.0, 2.0))
            return Prediction(example.id, (Completion(""),), value=float(example.gold) + error, spread=1.0)
        right = str(tasks.get(example.task).answer(example))
        wrong = "no" if right == "yes" else "yes"
        said = right if place % 10 < 7 else wrong
        other = wrong if said == right else right
        return Prediction(example.id, (Completion(""),), {said: 0.99, other: 0.01})


@pytest.fixture(scope="module")
def fitted() -> InferenceRecipe:
    def quiet(done: int, total: int, what: str) -> None:
        pass

    names = [CLASS, NUMBER, "functional-groups/embedded/count"]
    return calibrate(Boaster(), names, {"admet": 20}, 500, quiet)


def test_a_boaster_is_as_sure_as_it_is_right(fitted: InferenceRecipe) -> None:
    said = fitted.calibrated(Prediction("x", (Completion(""),), {"yes": 0.99, "no": 0.01}), CLASS)
    assert said.probabilities is not None
    assert said.probabilities["yes"] == pytest.approx(0.7, abs=0.03)
    assert sum(said.probabilities.values()) == pytest.approx(1.0)


def test_nine_of_ten_values_lie_in_the_interval(fitted: InferenceRecipe) -> None:
    half = fitted.half_interval(Prediction("x", (), value=0.0, spread=1.0), NUMBER)
    assert half is not None
    errors = np.abs(np.random.default_rng(99).normal(0.0, 2.0, 10_000))
    assert 0.82 < float((errors <= half).mean()) < 0.97
    assert fitted.half_interval(Prediction("x", (), value=0.0, spread=2.0), NUMBER) == pytest.approx(2 * half)


def test_what_was_not_fitted_is_left_as_it_is(fitted: InferenceRecipe) -> None:
    assert set(fitted.examples) == {CLASS, NUMBER}
    same = Prediction("x", (Completion(""),), {"yes": 0.99, "no": 0.01})
    assert fitted.calibrated(same, "admet/ames") is same
    assert fitted.half_interval(Prediction("x", (), value=1.0, spread=1.0), "admet/caco2_wang") is None


def test_the_longest_prefix_says_how_often_a_question_is_shown() -> None:
    recipe = InferenceRecipe(copies={"admet": 20, "admet/ames": 1, "retro": 5})
    model = Boaster()
    assert recipe.asked(model, "admet/ames") is model
    assert recipe.asked(model, "retrosynthesis/embedded") is model  # a prefix ends at a slash
    twenty = recipe.asked(model, "admet/bbb_martins")
    assert isinstance(twenty, Augmented) and twenty.copies == 20


def test_it_is_stored_beside_the_weights_and_a_damaged_one_is_named(
    fitted: InferenceRecipe, tmp_path: Path
) -> None:
    assert InferenceRecipe.read(tmp_path) == InferenceRecipe()
    fitted.write(tmp_path)
    read = InferenceRecipe.read(tmp_path)
    assert read.copies == {"admet": 20} and math.isclose(read.temperatures[CLASS], fitted.temperatures[CLASS])
    (tmp_path / "inference.json").write_text('{"copies": ')
    with pytest.raises(CheckpointError, match=r"inference\.json is damaged"):
        InferenceRecipe.read(tmp_path)
