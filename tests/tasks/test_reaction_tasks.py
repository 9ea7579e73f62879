"""Tasks about reactions: what counts as right, what a metric counts, and what no question may show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import (
    SPLITS,
    Completion,
    DataError,
    Example,
    Molecule,
    Prediction,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.molecules import canonical, canonical_set, heavy_atoms, possible_products, randomized
from mmai_gym.tasks.answers import wrap
from mmai_gym.tasks.reactions import ReactionTask, reranked
from mmai_gym.tasks.rendering import chat_prompt, compact_prompt
from mmai_gym.tasks.retrosynthesis import HEAVY_ATOM, embedded_reactions

NAMES = [*tasks.match("retrosynthesis"), *tasks.match("forward")]
PUBLIC = [name for name in NAMES if "embedded" not in name]
RETRO = Example("r", "retrosynthesis/embedded", "test", {"smiles": "CC(=O)NCC"}, "CC(=O)Cl.CCN")
FORWARD = Example("f", "forward/embedded", "test", {"smiles": "CC(=O)Cl.CCN.[Na+].[OH-]"}, "CCNC(C)=O")


def reason(example: Example, answer: str) -> Reason:
    return tasks.get(example.task).verify(example, wrap(answer)).reason


def result(example: Example, *answers: str) -> Result:
    task = tasks.get(example.task)
    texts = [wrap(answer) for answer in answers]
    prediction = Prediction(example.id, tuple(Completion(text) for text in texts))
    return Result(example, prediction, tuple(task.verify(example, text) for text in texts))


# ------------------------------------------------------------------ verdicts


@pytest.mark.parametrize("answer", ["CC(=O)Cl.CCN", "CCN.CC(=O)Cl", "C(C)N.ClC(C)=O", "[CH3:3]CN.C[C:1](=O)Cl"])
def test_order_spelling_and_atom_maps_of_the_reactants_mean_nothing(answer: str) -> None:
    assert reason(RETRO, answer) is Reason.CORRECT


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        (RETRO, "CC(=O)Cl"),
        (RETRO, "CC(=O)Cl.CCN.CCN"),
        (RETRO, "CC(=O)Cl.CC[NH3+]"),
        (RETRO, "CC(=O)Cl.[13CH3]CN"),
        (FORWARD, "CCNC(C)=O.Cl"),
        (FORWARD, "CNC(C)=O"),
    ],
)
def test_number_charge_and_isotopes_of_the_molecules_count(example: Example, answer: str) -> None:
    assert reason(example, answer) is Reason.WRONG


def test_stereo_counts_in_an_exact_match() -> None:
    example = Example("s", "forward/embedded", "test", {"smiles": "CC(=O)[C@H](C)N"}, "CC(O)[C@H](C)N")
    assert reason(example, "C[C@@H]([C@H](C)O)N") is Reason.WRONG
    assert reason(example, "CC(O)[C@@H](C)N") is Reason.WRONG
    assert reason(example, "N[C@@H](C)C(C)O") is Reason.CORRECT


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        (RETRO, "CCNC(C)=O"),
        (FORWARD, "[OH-].[Na+].CCN.CC(=O)Cl"),
        (FORWARD, "NCC"),
        (FORWARD, "[Na+]"),
    ],
)
def test_the_question_or_a_molecule_of_it_is_no_answer(example: Example, answer: str) -> None:
    verdict = tasks.get(example.task).verify(example, wrap(answer))
    assert (verdict.score, verdict.reason) == (0.0, Reason.COPIED_INPUT)


def test_a_copy_is_right_where_the_record_says_so() -> None:
    unchanged = Example("u", "forward/uspto-15k", "test", {"smiles": "CCO.Cl"}, "CCO")
    assert reason(unchanged, "OCC") is Reason.CORRECT
    assert reason(unchanged, "Cl") is Reason.COPIED_INPUT


def test_a_broken_record_is_no_answers_fault() -> None:
    for broken in ({"inputs": {"smiles": "CC("}}, {"gold": "CC("}):
        fields = {"inputs": {"smiles": "CCO"}, "gold": "CCN", **broken}
        with pytest.raises(DataError, match="reaction x"):
            tasks.get(RETRO.task).judge(Example("x", RETRO.task, "test", **fields), "CC")


# ------------------------------------------------------------------ metrics


def test_maxfrag_asks_for_the_largest_reactant_only() -> None:
    example = Example("m", RETRO.task, "test", {"smiles": "CCCCCCNC(C)=O"}, "CC(=O)Cl.CCCCCCN")
    assert heavy_atoms("CCCCCCN") > heavy_atoms("CC(=O)Cl")
    answers = ["CC(=O)O.NCCCCCC", "CCCCCCN", "CC(=O)Cl.CCCCCN", "CCCCCCN.CCCCCCCCC", "CC(=O)Cl"]
    found = [result(example, answer).first for answer in answers]
    assert [v.components["max_fragment"] for v in found] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert {v.score for v in found} == {0.0}
    metrics = tasks.get(RETRO.task).score(
        [result(example, *answers[::-1]), result(example, "C", "C", "C", "C", "C")]
    )
    assert [metrics[f"max_fragment_top_{k}"].value for k in (1, 3, 5)] == [0.0, 0.0, 0.5]
    assert metrics["top_5"].value == 0.0


def test_ranks_are_counted_as_given_invalid_and_repeated_answers_included() -> None:
    spelled = ["CC(", "CCO", "OCC", "CCN.CC(=O)Cl"]
    metrics = tasks.get(RETRO.task).score([result(RETRO, *spelled)])
    assert [metrics[f"top_{k}"].value for k in (1, 3)] == [0.0, 0.0]
    assert "top_5" not in metrics and "max_fragment_top_5" not in metrics
    assert metrics["validity"].value == 0.75
    wide = tasks.get(RETRO.task).score([result(RETRO, *spelled, "C", "C", "C", "C", "C", "C")])
    assert [wide[f"top_{k}"].value for k in (5, 10)] == [1.0, 1.0]


OTHER = Example("o", RETRO.task, "test", {"smiles": "CCCNC(C)=O"}, "CC(=O)Cl.CCCN")


def classed(number: int, answer: str) -> Result:
    inputs = {"smiles": "C" * (number + len(answer)), "reaction_class": number}  # a product of its own
    return result(Example(f"{number}{answer}", RETRO.task, "test", inputs, "CC(=O)Cl.CCN"), answer)


def test_accuracy_is_told_apart_by_class() -> None:
    right, wrong = "CCN.CC(=O)Cl", "CCN.CC(=O)O"
    results = [classed(2, right), classed(2, wrong), classed(10, right), result(RETRO, wrong)]
    metrics = tasks.get(RETRO.task).score(results)
    by_class = {name: (m.value, m.n) for name, m in metrics.items() if "class" in name}
    assert by_class == {"top_1_class_2": (0.5, 2), "top_1_class_10": (1.0, 1)}
    assert (metrics["top_1"].value, metrics["top_1"].n) == (0.5, 4)


def test_a_set_without_classes_has_no_metrics_by_class() -> None:
    metrics = tasks.get(FORWARD.task).score([result(FORWARD, "CCNC(C)=O")])
    assert set(metrics) == {"top_1", "top_1_stereo_blind", "validity"}


@pytest.mark.parametrize(
    "smiles",
    ["CCO", "c1cc[nH]c1", "C[C@H](N)C(=O)O", "[2H]O[2H]", "[H][H]", "[H+]", "[Hg]", "[Na+]", "ClC(Br)I", "*C",
     "[1*]C[13CH3]", "c1cc[se]c1", "C[Si](C)(C)C", "F/C=C/F", "[O-][N+](=O)c1ccccc1"],
)  # fmt: skip
def test_heavy_atoms_are_counted_in_the_text(smiles: str) -> None:
    assert len(HEAVY_ATOM.findall(canonical(smiles))) == heavy_atoms(smiles)


def test_a_stereo_blind_match_forgives_stereo_and_nothing_else() -> None:
    example = Example("s", RETRO.task, "test", {"smiles": "CC"}, "C[C@H](N)C(=O)O.C/C=C/C")
    answers = ["C[C@@H](N)C(=O)O.C/C=C\\C", "CC(N)C(=O)O.CC=CC", "CC(N)C(=O)[O-].CC=CC", "C[C@H](N)C(=O)O"]
    found = [result(example, answer).first for answer in answers]
    assert [v.components["stereo_blind"] for v in found] == [1.0, 1.0, 0.0, 0.0]
    assert {v.score for v in found} == {0.0}
    metrics = tasks.get(RETRO.task).score([result(example, *answers[::-1])])
    assert [metrics[f"top_{k}_stereo_blind"].value for k in (1, 3)] == [0.0, 1.0]
    assert metrics["top_3"].value == 0.0


def test_reactions_of_one_product_are_resampled_together() -> None:
    metrics = tasks.get(RETRO.task).score([result(RETRO, "CCN.CC(=O)Cl"), result(RETRO, "CCO")])
    assert (metrics["top_1"].value, metrics["top_1"].n) == (0.5, 1)


def test_round_trips_are_counted_where_verdicts_carry_them_and_not_made_up() -> None:
    first, second = result(RETRO, "CCO", "CCN.CC(=O)Cl", "CCC"), result(OTHER, "CCO")
    assert not [name for name in tasks.get(RETRO.task).score([first]) if name.startswith("round_trip")]
    verdicts = tuple(
        replace(v, components=dict(v.components) | {"round_trip": float(i == 1)})
        for i, v in enumerate(first.verdicts)
    )
    metrics = tasks.get(RETRO.task).score([Result(first.example, first.prediction, verdicts), second])
    assert [metrics[f"round_trip_top_{k}"].value for k in (1, 3)] == [0.0, 0.5]


def back(text: str, logprob: float | None, probability: float | None) -> tuple[Completion, Verdict]:
    verdict = tasks.get(RETRO.task).verify(RETRO, wrap(text))
    told = (
        {} if probability is None else {"round_trip": float(probability > 0.5), "return_probability": probability}
    )
    return Completion(wrap(text), logprob), replace(verdict, components=dict(verdict.components) | told)


@pytest.mark.parametrize(
    ("answers", "order"),
    [
        ([("C", -1.0, 0.0), ("CCN.CC(=O)Cl", -1.5, 0.9), ("CC", -3.0, 1.0)], [1, 0, 2]),  # 0.25 log 0.01 is -1.15
        ([("C", -1.0, 0.0), ("CCN.CC(=O)Cl", -2.3, 1.0)], [0, 1]),
        ([("C", None, 0.0), ("CC", None, 0.0), ("CCN.CC(=O)Cl", None, 1.0)], [2, 0, 1]),  # log 3 is 1.10
        ([("C", -1.0, 0.5), ("C1C", -0.9, None)], [0, 1]),
    ],
)  # fmt: skip
def test_an_answer_gains_by_the_probability_that_it_gives_the_product(
    answers: list[tuple[str, float | None, float | None]], order: list[int]
) -> None:
    completions, verdicts = zip(*(back(*answer) for answer in answers), strict=True)
    found = Result(RETRO, Prediction(RETRO.id, completions), verdicts)
    assert [completions.index(one) for one in reranked(found).prediction.completions] == order
    assert [verdicts.index(one) for one in reranked(found).verdicts] == order
    metrics = tasks.get(RETRO.task).score([found])
    assert metrics["top_1"].value == 0.0
    assert metrics["reranked_top_1"].value == float(verdicts[order[0]].score == 1.0)


def test_an_answer_loses_by_each_molecule_that_no_training_reaction_starts_from() -> None:
    likely, right = back("CC", -1.0, 0.5), back("CCN.CC(=O)Cl", -2.5, 0.5)
    for new, order in ((0.0, [0, 1]), (1.0, [0, 1]), (2.0, [1, 0])):
        verdict = replace(likely[1], components={**likely[1].components, "new_reactants": new})
        completions, verdicts = (likely[0], right[0]), (verdict, right[1])
        found = reranked(Result(RETRO, Prediction(RETRO.id, completions), verdicts))
        assert [completions.index(one) for one in found.prediction.completions] == order


# ------------------------------------------------------------------ questions


def spread(name: str, count: int) -> Sequence[Example]:
    examples = tasks.get(name).examples("test")
    return [examples[i] for i in range(0, len(examples), max(1, len(examples) // count))][:count]


@pytest.mark.parametrize(
    "name", [n if n not in PUBLIC else pytest.param(n, marks=pytest.mark.data) for n in NAMES]
)
def test_a_question_shows_one_canonical_side_without_maps_and_never_the_class(name: str) -> None:
    task = tasks.get(name)
    for example in spread(name, 60):
        words, shown, form = task.question(example)
        assert isinstance(words, Words) and isinstance(shown, Molecule) and isinstance(form, Structure)
        assert words.control == name.split("/")[0]
        assert ":" not in shown.text + str(task.answer(example))
        assert canonical_set(shown.text) == canonical_set(randomized(shown.text, 1))
        unclassed = Example(example.id, name, "test", {"smiles": shown.text}, example.gold)
        assert chat_prompt(task.question(unclassed)) == chat_prompt(task.question(example))
        assert compact_prompt(task.question(unclassed)) == compact_prompt(task.question(example))
        if "forward" in name:  # the order of the molecules is the alphabet's and tells nothing
            assert shown.text.split(".") == sorted(shown.text.split("."))


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "retrosynthesis/uspto-full"])
def test_every_gold_answer_of_a_test_set_is_right_in_another_spelling_too(name: str) -> None:
    task = tasks.get(name)
    examples = task.examples("test")
    wrong = [
        example.id
        for position, example in enumerate(examples)
        for text in (str(task.answer(example)), randomized(str(task.answer(example)), position))
        if task.verify(example, wrap(text)).score != 1.0
    ]
    assert wrong == []
    assert len(examples) == task.sizes()["test"] == {"uspto-50k": 5_007, "uspto-15k": 3_000}[name.split("/")[1]]


@pytest.mark.data
def test_gold_answers_of_uspto_full_are_right() -> None:
    task = tasks.get("retrosynthesis/uspto-full")
    assert task.sizes() == {"train": 0, "valid": 96_086, "test": 96_019}
    assert task.omitted() == {"not readable": 14}
    assert len(task.examples("train")) == 0
    chosen = spread(task.name, 300)
    assert [task.verify(e, wrap(randomized(str(task.answer(e)), 3))).score for e in chosen] == [1.0] * len(chosen)


@pytest.mark.data
@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("split", SPLITS)
def test_sides_as_written_are_those_of_the_examples(name: str, split: Split) -> None:
    task = tasks.get(name)
    assert isinstance(task, ReactionTask)
    examples, written = task.examples(split), task.written(split)
    assert len(written) == len(examples)
    chosen = range(0, len(examples), max(1, len(examples) // 300))
    asked = [text for i in chosen for text in (examples[i].inputs["smiles"], str(examples[i].gold))]
    sides = [text for i in chosen for text in written[i]]
    assert [canonical_set(text) for text in sides] == [canonical_set(text) for text in asked]


# ------------------------------------------------------------------ what training leaves out


def test_embedded_reactants_determine_their_product() -> None:
    task = tasks.get("forward/embedded")
    kept = {split: {e.id for e in task.examples(split)} for split in ("train", "valid", "test")}
    everything = {split: embedded_reactions(split) for split in kept}
    left_out = sum(len(everything[split].keys() - kept[split]) for split in kept)
    assert task.omitted() == {"the reactants give several products": left_out}
    assert 0 < left_out < sum(map(len, everything.values())) / 2
    for example in task.examples("test"):
        assert possible_products(example.inputs["smiles"]) == {canonical_set(str(example.gold))}
    ambiguous = sorted(everything["test"].keys() - kept["test"])[:20]
    assert all(len(possible_products(everything["test"][id_].unmapped_reactants)) > 1 for id_ in ambiguous)


@pytest.mark.data
def test_uspto_15k_trains_on_no_reaction_of_its_held_out_sets() -> None:
    task = tasks.get("forward/uspto-15k")
    assert task.sizes() == {"train": 10_491, "valid": 1_500, "test": 3_000}
    assert task.omitted() == {"reaction is in validation or test": 9}
    assert len(task.examples("train")) == 10_491


@pytest.mark.data
@pytest.mark.slow
def test_uspto_50k_forward_trains_on_no_reactants_of_a_held_out_reaction() -> None:
    task, other = tasks.get("forward/uspto-50k"), tasks.get("retrosynthesis/uspto-50k")
    train = task.examples("train")
    assert len(train) == task.sizes()["train"] == 39_883
    assert task.omitted() == {"held-out reactants with another product": len(other.examples("train")) - len(train)}
    held_out = {e.inputs["smiles"]: e.gold for split in ("valid", "test") for e in task.examples(split)}
    assert not [e.id for e in train if e.inputs["smiles"] in held_out]
    reactants = [(str(e.gold), e.inputs["smiles"]) for e in other.examples("train")]
    clashes = [(side, product) for side, product in reactants if side in held_out]
    assert len(clashes) == 81
    assert all(held_out[side] != product for side, product in clashes)
