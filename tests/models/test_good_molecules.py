"""One good molecule for every input, and the nearest good one: what a success without a look at the input is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from mmai_gym.contracts import Molecule, Property, Question, Structure, Words
from mmai_gym.models import baseline
from mmai_gym.models.baselines import good

LIBRARY = ("CCO", "CCCO", "CCCCO", "CCN", "CCCCCCN", "c1ccccc1O")


class Count:
    """An oracle that counts a letter; it has no value for phenol."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def predict(self, smiles: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([np.nan if "c" in text else float(text.count(self.letter)) for text in smiles])


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(good, "ORACLES", {"carbons": Count("C"), "oxygens": Count("O")})
    monkeypatch.setattr(good, "_library", lambda: LIBRARY)
    good.good_molecules.cache_clear()


def question(smiles: str, *goals: Property) -> Question:
    return (Words("Change it", "optimize"), *goals, Molecule(smiles), Structure("molecule"))


UP, DOWN, OXYGENS = Property("carbons", "up"), Property("carbons", "down"), Property("oxygens", "up")


def test_the_best_molecule_is_good_in_its_worst_property() -> None:
    assert good.good_molecules((("carbons", "up"),))[0] == "CCCCCCN"
    assert good.good_molecules((("carbons", "up"), ("oxygens", "up")))[0] == "CCCCO"
    assert good.good_molecules((("carbons", "down"), ("oxygens", "up")))[0] == "CCO"
    assert good.good_molecules((("carbons", "up"),))[-1] == "c1ccccc1O"  # without a value


def test_the_constant_is_the_same_for_every_input_and_the_nearest_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(good, "GOOD", 3)
    fitted = baseline("good-constant").fit(None)  # type: ignore[arg-type]
    replies = fitted.reply([question("CCN", UP), question("c1ccccc1", UP)], 2)
    assert replies[0].answers == replies[1].answers == ("CCCCCCN", "CCCCO")
    nearest = baseline("nearest-good").fit(None)  # type: ignore[arg-type]
    first, second = nearest.reply([question("CCCCN", UP), question("CCCCCO", UP)], 1)
    assert (first.answers, second.answers) == (("CCCCCCN",), ("CCCCO",))
    assert nearest.reply([question("C1CC", UP)], 1)[0].answers == ()


@pytest.mark.parametrize(
    ("asked", "suits"),
    [
        (question("CCO", UP, OXYGENS), True),
        (question("CCO", Property("carbons")), False),  # nothing shall move
        (question("CCO", UP, Property("unknown", "up")), False),
        ((UP, Molecule("CCO"), Structure("reactants")), False),
    ],
)
def test_only_questions_whose_goals_all_have_an_oracle_suit_them(asked: Question, suits: bool) -> None:
    assert baseline("good-constant").suits(asked) is suits
    assert baseline("nearest-good").suits(asked) is suits
