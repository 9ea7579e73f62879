"""Test augmentation: written forms of the same molecule, and votes that a hand can count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from mmai_gym.contracts import Completion, Example, Prediction
from mmai_gym.models.augmented import Augmented, merged
from mmai_gym.molecules import canonical

EXAMPLE = Example("x", "retrosynthesis/embedded", "test", {"smiles": "CC(=O)NCC", "kept": 1}, "CC(=O)Cl.CCN")


def answers(*texts: str) -> Prediction:
    return Prediction("x", tuple(Completion(f"<answer>{text}</answer>") for text in texts))


class Echo:
    """Answers with the molecule it is shown."""

    name = "echo"

    def __init__(self) -> None:
        self.seen: list[Example] = []

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        self.seen += examples
        return [answers(str(example.inputs["smiles"])) for example in examples]


def test_votes_add_up_over_written_forms_and_ranks() -> None:
    # B: 1/2 + 1 + 1 = 2.5; A: 1 + 1/2 = 1.5; C: 1/3.
    found = merged("x", [answers("CCO", "CCN", "CCC"), answers("NCC", "OCC"), answers("C(C)N")], 10)
    assert [c.text for c in found.completions] == [f"<answer>{s}</answer>" for s in ("CCN", "CCO", "CCC")]
    shares = [math.exp(c.logprob) for c in found.completions if c.logprob is not None]
    assert shares == pytest.approx([2.5 / 3, 1.5 / 3, 1 / 9])


def test_repeats_and_invalid_answers_cost_no_rank_and_order_of_a_set_means_nothing() -> None:
    found = merged("x", [answers("C1CC", "OCC.C", "C.CCO", "N"), answers("N")], 10)
    # The set is first of the first form: 1; N is second there and first in the other: 1/2 + 1.
    assert [c.text for c in found.completions] == ["<answer>N</answer>", "<answer>C.CCO</answer>"]


def test_no_readable_answer_is_an_empty_one_and_not_none() -> None:
    assert merged("x", [answers("C1CC")], 5).completions == (Completion(""),)


@pytest.mark.parametrize("copies", [4, 20])
def test_the_forms_are_the_same_molecule_and_the_first_is_the_one_given(copies: int) -> None:
    model = Echo()
    augmented = Augmented(model, copies)
    (prediction,) = augmented.predict([EXAMPLE], 3, seed=0)
    assert augmented.name == f"echo x{copies}"
    texts = [str(example.inputs["smiles"]) for example in model.seen]
    assert len(texts) == copies and texts[0] == EXAMPLE.inputs["smiles"]
    assert {canonical(text) for text in texts} == {canonical("CC(=O)NCC")}
    assert len(set(texts)) > 2
    assert all(example.inputs["kept"] == 1 and example.id == "x" for example in model.seen)
    assert len(prediction.completions) == 1
    again = Echo()
    Augmented(again, copies).predict([EXAMPLE], 3, seed=0)
    assert again.seen == model.seen


def test_classes_are_averaged_as_logits() -> None:
    tables = [{"yes": 0.9, "no": 0.1}, {"yes": 0.5, "no": 0.5}]
    found = merged("x", [Prediction("x", (Completion(""),), table) for table in tables], 2)
    # Odds of 9 and of 1 have the geometric mean 3.
    assert found.probabilities == pytest.approx({"yes": 0.75, "no": 0.25})
    assert [c.text for c in found.completions] == ["<answer>yes</answer>", "<answer>no</answer>"]
    assert merged(
        "x", [Prediction("x", (Completion(""),), {"yes": 0.0, "no": 1.0})], 1
    ).probabilities == pytest.approx({"yes": 0.0, "no": 1.0})


def test_numbers_are_averaged_and_their_disagreement_widens_the_spread() -> None:
    parts = [Prediction("x", (Completion(""),), value=value, spread=2.0) for value in (1.0, 3.0)]
    found = merged("x", parts, 5)
    assert (found.value, found.completions) == (2.0, (Completion("<answer>2</answer>"),))
    assert found.spread == pytest.approx(5**0.5)  # 2 squared, and the variance of 1 and 3


def test_the_forms_of_a_property_are_the_same_molecule_and_one_that_cannot_be_read_stays() -> None:
    task = "admet/ames"
    model = Echo()
    unreadable = Example("y", task, "test", {"smiles": "c1cc"}, "no")
    Augmented(model, 6).predict(
        [Example("x", task, "test", {"smiles": "CC(=O)Nc1ccccc1"}, "yes"), unreadable], 1, seed=0
    )
    texts = [str(example.inputs["smiles"]) for example in model.seen]
    assert texts[0] == "CC(=O)Nc1ccccc1" and len(set(texts[:6])) > 2
    assert {canonical(text) for text in texts[:6]} == {canonical("CC(=O)Nc1ccccc1")}
    assert texts[6:] == ["c1cc"] * 6
