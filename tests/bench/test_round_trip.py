"""Round trips: each distinct proposal is asked about once, and what could not be read is told nothing about."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from mmai_gym.bench.round_trip import with_round_trips
from mmai_gym.contracts import Completion, Example, Prediction, Reason, Result, Verdict
from mmai_gym.models import starting_materials

EXAMPLE = Example("x", "retrosynthesis/embedded", "test", {"smiles": "CCNC(C)=O"}, "CC(=O)Cl.CCN")


class Amides:
    """A forward model that makes the amide from a chloride, and something else from everything else."""

    name = "amides"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        self.asked += [str(example.inputs["smiles"]) for example in examples]
        said = ["CC(=O)NCC" if "Cl" in str(example.inputs["smiles"]) else "CCC" for example in examples]
        return [
            Prediction(example.id, (Completion(f"<answer>{text}</answer>"),))
            for example, text in zip(examples, said, strict=True)
        ]


def test_an_answer_that_gives_the_product_again_is_marked() -> None:
    texts = ["CC(=O)O.CCN", "CCN.CC(=O)Cl", "CC(=O)Cl.NCC", "CC(=O)NCC.Cl", "C1CC", "?"]
    verdicts = [Verdict(0.0, Reason.WRONG, text, {"overlap": 0.5}) for text in texts[:5]]
    result = Result(
        EXAMPLE,
        Prediction("x", tuple(Completion(f"<answer>{text}</answer>") for text in texts)),
        (*verdicts, Verdict(None, Reason.TIMEOUT)),
    )
    model = Amides()
    (told,) = with_round_trips([result], model, "forward/embedded", seed=0)
    assert [verdict.components.get("round_trip") for verdict in told.verdicts] == [0.0, 1.0, 1.0, 0.0, None, None]
    assert all(v.components["return_probability"] == v.components["round_trip"] for v in told.verdicts[:4])
    known = starting_materials("forward/embedded")
    assert {"CCN", "CC(=O)O"} <= known and "CC(=O)Cl" not in known
    assert [v.components.get("new_reactants") for v in told.verdicts[:3]] == [0.0, 1.0, 1.0]
    assert all("new_reactants" not in v.components for v in told.verdicts[4:])
    assert all(v.components["overlap"] == 0.5 for v in told.verdicts[:5])
    assert sorted(model.asked) == ["CC(=O)Cl.CCN", "CC(=O)O.CCN"]  # two spellings of one set are one question
    assert told.prediction == result.prediction


def test_all_ways_to_write_the_product_count_where_the_forward_model_gives_probabilities() -> None:
    class Sure:
        name = "sure"

        def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
            said = (("CCC", 0.5), ("CCNC(C)=O", 0.2), ("CC(=O)NCC", 0.1), ("?", 0.1))
            completions = tuple(Completion(f"<answer>{text}</answer>", math.log(p)) for text, p in said)
            return [Prediction(example.id, completions) for example in examples]

    text = "CC(=O)Cl.CCN"
    result = Result(
        EXAMPLE,
        Prediction("x", (Completion(f"<answer>{text}</answer>"),)),
        (Verdict(1.0, Reason.CORRECT, text, {}),),
    )
    (told,) = with_round_trips([result], Sure(), "forward/embedded", seed=0)
    assert told.first.components["round_trip"] == 0.0
    assert told.first.components["return_probability"] == pytest.approx(0.3)
