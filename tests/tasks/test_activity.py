"""Affinity of pairs and activity cliffs: what a model is shown, and how its answers become the protocol's metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mmai_gym import stats, tasks
from mmai_gym.audit.content import content
from mmai_gym.contracts import Completion, Example, Prediction, Reason, Result, Verdict
from mmai_gym.sources import affinity, memory
from mmai_gym.sources.affinity import Pair
from mmai_gym.tasks.rendering import chat_prompt, compact_prompt
from mmai_gym.tasks.scoring import value_metrics
from mmai_gym.verify import cheats

AFFINITY = [f"activity/{name}/{rule}" for name in ("davis", "kiba", "metz") for rule in affinity.RULES]


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Davis of 12 drugs and 9 proteins, made up."""
    rng = np.random.default_rng(0)
    made = tuple(
        Pair(
            f"{d}-{t}",
            "C" * (d + 1) + "O",
            "MK" + "AG" * t,
            f"SKELETON{d}",
            5.0 + float(rng.integers(0, 50)) / 10,
            t % 6,
        )
        for d in range(12)
        for t in range(9)
    )
    memory.turn_to("")
    monkeypatch.setattr(affinity, "pairs", lambda name: made)
    for name in AFFINITY:
        tasks.get(name).__dict__.pop("_scales", None)
    yield
    memory.turn_to("")
    for name in AFFINITY:
        tasks.get(name).__dict__.pop("_scales", None)


def answered(task: Any, guess: Callable[[Example], str], split: str = "test") -> list[Result]:
    results = []
    for example in task.examples(split):
        text = f"<answer>{guess(example)}</answer>"
        prediction = Prediction(example.id, (Completion(text),))
        results.append(Result(example, prediction, (task.verify(example, text),)))
    return results


def test_a_pair_shows_the_molecule_and_the_whole_protein(pairs: None) -> None:
    task = tasks.get("activity/davis/cold-drug")
    example = task.examples("test")[0]
    question = task.question(example)
    chat, compact = chat_prompt(question), compact_prompt(question)
    assert f"\nSMILES: {example.inputs['smiles']}\n" in chat
    assert f"\nSequence: {example.inputs['sequence']}\n" in chat
    assert "pKd" in chat and "Give a number" in chat
    assert compact == (
        f"<|bos|><|protein|>{example.inputs['sequence']}<|smiles|>{example.inputs['smiles']}"
        "<|affinity|><|p:davis-pkd|><|number|><answer>"
    )
    assert example.inputs["drug"] not in chat


def test_the_audit_sees_the_molecule_and_the_protein(pairs: None) -> None:
    task = tasks.get("activity/davis/random")
    example = task.examples("test")[0]
    found = content(example, task.question(example), task.answer(example))
    assert found.molecules == (example.inputs["smiles"],)
    assert found.proteins == (hashlib.sha256(example.inputs["sequence"].encode()).hexdigest()[:16],)


def test_a_rewritten_pair_keeps_its_protein_and_its_drug(pairs: None) -> None:
    task = tasks.get("activity/davis/random")
    example = task.examples("train")[5]
    others = [task.augment(example, seed) for seed in range(20)]
    assert len({other.inputs["smiles"] for other in others}) > 1
    assert {(other.inputs["sequence"], other.inputs["drug"]) for other in others} == {
        (example.inputs["sequence"], example.inputs["drug"])
    }


def test_the_pairs_of_a_molecule_are_rewritten_alike(pairs: None) -> None:
    task = tasks.get("activity/davis/random")
    examples = [example for example in task.examples("train") if example.inputs["drug"] == "SKELETON9"]
    written = [task.rewritten(example, 8, 3) for example in examples]
    assert len(written) > 1
    assert all(
        [one.inputs["smiles"] for one in forms] == [one.inputs["smiles"] for one in written[0]]
        for forms in written
    )
    assert len({one.inputs["smiles"] for one in written[0]}) > 1
    for example, forms in zip(examples, written, strict=True):
        assert {(one.id, one.inputs["sequence"]) for one in forms} == {(example.id, example.inputs["sequence"])}
    assert task.rewritten(examples[0], 8, 4) != written[0]


@pytest.mark.parametrize(
    ("rule", "shared"), [("random", "drug"), ("cold-drug", "drug"), ("cold-target", "sequence")]
)
def test_intervals_resample_whole_drugs_or_whole_sequences(pairs: None, rule: str, shared: str) -> None:
    task = tasks.get(f"activity/davis/{rule}")
    results = answered(task, lambda example: str(example.gold + len(example.inputs["smiles"]) % 3))
    groups = [result.example.inputs[shared] for result in results]
    scores = task.score(results)
    assert list(scores) == ["concordance_index", "mse", "rm2", "pearson", "rmse", "score"]
    assert {estimate.n for estimate in scores.values()} == {len(set(groups))}
    gold = [result.example.gold for result in results]
    values = [float(result.first.answer) for result in results]
    for name in ("concordance_index", "mse", "rm2", "pearson", "rmse"):
        expected = stats.bootstrap(getattr(stats, name), gold, values, clusters=groups)
        assert (scores[name].value, scores[name].low, scores[name].high) == pytest.approx(
            (expected.value, expected.low, expected.high), nan_ok=True
        )
    assert scores["mse"].higher_is_better is False
    assert scores["rm2"].higher_is_better is True


def test_an_answer_without_a_number_becomes_the_middle_and_an_undecided_one_is_left_out(pairs: None) -> None:
    task = tasks.get("activity/davis/random")
    results = answered(task, lambda example: str(example.gold))
    results[0] = Result(results[0].example, results[0].prediction, (Verdict(0.0, Reason.UNPARSABLE, "high"),))
    results[1] = Result(results[1].example, results[1].prediction, (Verdict(None, Reason.TIMEOUT),))
    mse = task.score(results)["mse"]
    error = results[0].example.gold - task.middle
    assert mse.value == pytest.approx(error**2 / (len(results) - 1))
    assert "1 answers without a number" in mse.method


def test_a_value_beats_the_text_it_was_rounded_to(pairs: None) -> None:
    task = tasks.get("activity/davis/random")
    example = task.examples("test")[0]
    prediction = Prediction(example.id, (Completion("<answer>1</answer>"),), value=example.gold + 0.25)
    result = Result(example, prediction, (task.verify(example, "<answer>1</answer>"),))
    assert task.score([result])["rmse"].value == pytest.approx(0.25)


def test_a_squared_error_has_the_squared_unit(pairs: None) -> None:
    results = answered(tasks.get("activity/davis/random"), lambda example: "6")
    found = value_metrics(results, "log h", 6.0, ("mse", "rmse", "pearson"))
    assert [found[name].unit for name in ("mse", "rmse", "pearson")] == ["(log h)^2", "log h", ""]


def cliff_results(task: Any, errors: dict[bool, tuple[float, ...]]) -> list[Result]:
    results = []
    for cliff, found in errors.items():
        for i, error in enumerate(found):
            example = Example(f"{cliff}{i}", task.name, "test", {"smiles": "CC", "cliff": cliff}, 6.0)
            prediction = Prediction(
                example.id, (Completion(f"<answer>{6.0 + error}</answer>"),), value=6.0 + error
            )
            results.append(Result(example, prediction, (Verdict(0.5, Reason.PARTIAL, "", {"error": error}),)))
    return results


def test_the_error_on_cliffs_counts_cliff_molecules_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks.get("activity/moleculeace/chembl204_ki")
    monkeypatch.setattr(type(task), "middle", 6.0)
    scores = task.score(cliff_results(task, {False: (0.0, 1.0), True: (3.0, -4.0)}))
    assert scores["rmse"].value == pytest.approx((26 / 4) ** 0.5)
    assert scores["rmse_cliff"].value == pytest.approx((25 / 2) ** 0.5)
    assert scores["rmse_cliff"].n == 2
    without = task.score(cliff_results(task, {False: (0.0, 1.0)}))
    assert np.isnan(without["rmse_cliff"].value)


def test_a_model_is_not_told_which_molecules_are_on_a_cliff(monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks.get("activity/moleculeace/chembl204_ki")
    monkeypatch.setattr(type(task), "grid", (5.0, 6.0))
    questions = {
        task.question(Example("x", task.name, "test", {"smiles": "CC", "cliff": cliff}, 6.0))
        for cliff in (True, False)
    }
    assert len(questions) == 1
    assert "thrombin" in chat_prompt(questions.pop())


def test_sizes_are_known_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "pairs", None)
    names = tasks.match("activity")
    assert len(names) == 9 + 30 + 1
    totals = {"davis": 30_056, "kiba": 118_254, "metz": 35_307}
    for name in AFFINITY:
        assert sum(tasks.get(name).sizes().values()) == totals[name.split("/")[1]]
        assert tasks.get(name).category == "drug-gene"


@pytest.mark.data
@pytest.mark.parametrize("name", [*AFFINITY, "activity/moleculeace/chembl4203_ki"])
def test_ids_are_unique_and_no_cheat_earns_a_full_score(name: str) -> None:
    task = tasks.get(name)
    ids = [example.id for split in ("train", "valid", "test") for example in task.examples(split)]
    assert len(set(ids)) == len(ids) == sum(task.sizes().values())
    for example in task.examples("test")[:3]:
        for cheat, text in cheats(task, example):
            score = task.verify(example, text).score
            assert score is None or score < 1.0, cheat
