from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmai_gym.contracts import Molecule, Number, Property, UsageError, Words, answer_form
from mmai_gym.models import BASELINES, baseline
from mmai_gym.models.baselines import base
from mmai_gym.models.baselines.features import count_fingerprints, descriptors
from mmai_gym.molecules import tanimoto
from tiny_tasks import TinyTask


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmai_gym.models.baselines.maplight.TREES", 20)
    monkeypatch.setattr("mmai_gym.models.baselines.pair_boosting.TREES", 20)


def _answer(text: str) -> str:
    return text.removeprefix("<answer>").removesuffix("</answer>")


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_answers_the_questions_that_suit_it_and_refuses_the_others(tiny: Any, name: str) -> None:
    model = baseline(name)
    for task in tiny.values():
        examples = task.examples("test")
        if not model.suits(task.question(examples[0])):
            with pytest.raises(UsageError, match=task.name):
                model.predict(examples, 3, 0)
            continue
        predictions = model.predict(examples, 3, 0)
        assert [p.example_id for p in predictions] == [e.id for e in examples]
        for prediction in predictions:
            assert 1 <= len(prediction.completions) <= 3
            assert len({c.text for c in prediction.completions}) == len(prediction.completions)
            assert all(c.text.startswith("<answer>") for c in prediction.completions)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_never_sees_the_gold_of_what_it_answers(tiny: Any, name: str) -> None:
    model = baseline(name)
    examples = [e for t in tiny.values() for e in t.examples("test") if model.suits(t.question(e))]
    blinded = [replace(e, gold=object()) for e in examples]
    assert model.predict(examples, 2, 0) == baseline(name).predict(blinded, 2, 0)


@pytest.mark.parametrize("name", ["baseline:nearest", "baseline:boosting"])
def test_probabilities_cover_the_options_and_sum_to_one(tiny: Any, name: str) -> None:
    task = tiny["tiny/choice"]
    for prediction in baseline(name).predict(task.examples("test"), 3, 0):
        assert prediction.probabilities is not None
        assert tuple(prediction.probabilities) == task.form.options
        assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
        best = max(prediction.probabilities.values())
        assert prediction.probabilities[_answer(prediction.completions[0].text)] == best


def test_constant_gives_class_frequencies_and_the_readout_that_the_task_asks_for(tiny: Any) -> None:
    constant = baseline("constant")
    choice = constant.predict(tiny["tiny/choice"].examples("test"), 1, 0)[0]
    assert choice.probabilities == {"yes": 0.5, "no": 0.5, "maybe": 0.0}
    task = tiny["tiny/number"]
    mean = constant.predict(task.examples("test"), 1, 0)[0]
    assert (mean.value, mean.spread) == (3.0, 2.0)
    skewed = base.TrainingSet(tuple(task.question(e) for e in task.examples("train")), tuple("11111115"), "median")
    assert constant.fit(skewed).reply([task.question(task.examples("test")[0])], 1)[0].value == 1.0


def test_copy_gives_back_the_molecule_shown_and_only_where_a_structure_is_asked_for(tiny: Any) -> None:
    copy = baseline("copy")
    examples = tiny["tiny/structure"].examples("test")
    given = [_answer(p.completions[0].text) for p in copy.predict(examples, 5, 0)]
    assert given == [e.inputs["smiles"] for e in examples]
    assert [copy.supports(task.form) for task in tiny.values()].count(True) == 1


def test_without_a_training_split_only_a_baseline_that_learns_nothing_can_answer(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tiny["tiny/structure"]
    example = task.examples("test")[0]
    assert all(baseline(name).can_answer(task, example) for name in ("copy", "constant"))
    whole = task.examples
    monkeypatch.setattr(task, "examples", lambda split: [] if split == "train" else whole(split))
    assert baseline("copy").can_answer(task, example)
    assert baseline("copy").predict([example], 1, 0)[0].completions
    assert not baseline("constant").can_answer(task, example)


def test_nearest_neighbours_follow_the_kind_of_molecule(tiny: Any) -> None:
    nearest = baseline("nearest")
    for name in ("tiny/choice", "tiny/count", "tiny/structure"):
        examples = tiny[name].examples("test")
        given = [_answer(p.completions[0].text) for p in nearest.predict(examples, 1, 0)]
        assert given[:3] == [e.gold for e in examples[:3]]
    value = nearest.predict(tiny["tiny/number"].examples("test"), 1, 0)
    assert value[0].value < 3.0 < value[2].value


class Pairs(TinyTask):
    """What a drug and a protein do to a number adds up, so that its means can be read off."""

    def __init__(self) -> None:
        super().__init__("affinity", Number("", (0.0, 10.0)), ("", ""))

    def asked(self, smiles: str, sequence: str) -> Any:
        words = (Words("Predict", "affinity"), Property("pkd"))
        return (*words, Molecule(smiles), Molecule(sequence, view="protein"), self.form)

    def training(self) -> base.TrainingSet:
        values = {("CC", "MK"): "5", ("CC", "GS"): "7", ("CO", "MK"): "6", ("CO", "GS"): "8"}
        questions = tuple(self.asked(*pair) for pair in values)
        return base.TrainingSet(questions, tuple(values.values()), "mean")


def test_the_mean_by_partner_uses_the_side_of_a_pair_that_training_has_seen() -> None:
    task = Pairs()
    fitted = baseline("mean-by-partner").fit(task.training())
    asked = [("CN", "MK"), ("CO", "WW"), ("CN", "WW"), ("CC", "GS")]
    replies = fitted.reply([task.asked(*pair) for pair in asked], 1)
    # Protein mean; drug mean; mean of all; mean of all (6.5), moved by the drug (-0.5) and by the protein (+1).
    assert [reply.value for reply in replies] == [5.5, 7.0, 6.5, 7.0]


def test_nearest_neighbours_of_a_pair_are_drugs_measured_on_the_same_protein() -> None:
    task = Pairs()
    replies = baseline("nearest").fit(task.training()).reply([task.asked("CC", "GS"), task.asked("CC", "MK")], 1)
    assert 7.0 < replies[0].value < 7.5
    assert 5.0 < replies[1].value < 5.5


def test_similarity_by_matrix_product_equals_the_toolkit(tiny: Any) -> None:
    from mmai_gym.models.baselines.nearest import _Neighbours

    task = tiny["tiny/choice"]
    train, test = task.examples("train"), task.examples("test")
    fitted = _Neighbours(base.training_set(task))
    found = fitted._similarity([task.question(e) for e in test], fitted.all_rows)
    expected = [[tanimoto(a.inputs["smiles"], b.inputs["smiles"]) for b in train] for a in test]
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_boosting_falls_back_to_the_constant_where_there_is_nothing_to_tell_apart(tiny: Any) -> None:
    task = tiny["tiny/number"]
    questions = tuple(task.question(e) for e in task.examples("train"))
    fitted = baseline("boosting").fit(base.TrainingSet(questions, ("2",) * len(questions), "mean"))
    assert fitted.reply(questions[:1], 1)[0].value == 2.0


def test_an_unreadable_molecule_gets_empty_features_instead_of_stopping_the_fit() -> None:
    assert count_fingerprints(["CCO", "not a molecule"]).sum(1).tolist()[1] == 0
    assert np.isnan(descriptors(["C1CC", "CCO"])[0]).all()
    assert not np.isnan(descriptors(["C1CC", "CCO"])[1]).any()


def test_a_large_training_split_is_sampled_the_same_way_each_time(tiny: Any) -> None:
    task = tiny["tiny/choice"]
    first, second = base.training_set(task, 5), base.training_set(task, 5)
    assert first == second
    assert len(first.questions) == 5
    assert all(answer_form(q) == task.form for q in first.questions)


def test_an_unknown_baseline_is_named_with_the_ones_that_exist() -> None:
    with pytest.raises(UsageError, match=r"baseline:oracle.*baseline:constant.*baseline:boosting"):
        baseline("baseline:oracle")


def test_importing_the_models_loads_neither_torch_nor_catboost() -> None:
    code = (
        "import sys, mmai_gym.models, mmai_gym.bench; "
        "print([m for m in ('torch', 'catboost', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
