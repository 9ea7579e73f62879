"""Test augmentation: written forms of the same molecule, and votes that a hand can count."""

from __future__ import annotations

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
