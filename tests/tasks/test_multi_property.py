"""MuMO and C-MuMO: published figures come out of the stored values, and no cheat reaches the headline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from mmai_gym import tasks
from mmai_gym.contracts import (
    Completion,
    DataError,
    Example,
    InvalidMolecule,
    Prediction,
    Property,
    Reason,
    Result,
    Task,
    Verdict,
)
from mmai_gym.molecules import canonical, is_valid
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import mumo
from mmai_gym.sources.molecule_lists import ListedMolecule
from mmai_gym.tasks import candidates, multi_property, resampling
from mmai_gym.tasks.multi_property import MultiProperty
from mmai_gym.tasks.multi_property_sets import AIMS, C_MUMO, MUMO, Values, with_oracles
from mmai_gym.tasks.rendering import chat_prompt, compact_prompt
from mmai_gym.verify.hacks import cheats

SETS = {definition.task: definition for definition in (*MUMO, *C_MUMO)}
BDQ = SETS["optimization/mumo/bdq"]
DRAWN = ("optimization/mumo/dpq", "optimization/c-mumo/elq", "optimization/mumo/bdmq")
STORED = {"bbbp": "bbb_martins", "drd2": "drd2", "qed": "qed"}
CONSTANT = "CCCN1CCC(NC(=O)c2ccc(Cl)cc2Cl)CC1"


@dataclass
class Fake:
    """An oracle that gives the number of atoms of one element, divided by ten; NaN for what is no molecule."""

    name: str
    letter: str
    version: str = "1"
    checksum: str = ""
    units: str = ""

    @property
    def teacher(self) -> str:
        return self.name

    def reason(self, smiles: str) -> str:
        return "" if is_valid(smiles) else "not a molecule"

    def predict(self, smiles: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([text.upper().count(self.letter) / 10 if is_valid(text) else np.nan for text in smiles])


FAKES = {aim.oracle: Fake(aim.oracle, letter) for aim, letter in zip(AIMS.values(), "NOSFCNOSFC", strict=True)}
ASPIRIN = Example("a", BDQ.task, "test", {"smiles": "CC(=O)Oc1ccccc1C(=O)O", "improve": BDQ.oracles}, None)


def fake(name: str) -> MultiProperty:
    return MultiProperty(SETS[name], FAKES)


def values(*numbers: float) -> Values:
    return dict(zip(BDQ.oracles, numbers, strict=True))


def result(task: Task, smiles: str, *answers: tuple[str, Values, Values]) -> Result:
    example = Example(smiles, task.name, "test", {"smiles": smiles}, None)
    verdicts = tuple(graded(task, example, *answer) for answer in answers)
    return Result(example, Prediction(smiles, tuple(Completion(answer) for answer, *_ in answers)), verdicts)


def graded(task: Task, example: Example, answer: str, before: Values, after: Values) -> Verdict:
    assert isinstance(task, MultiProperty)
    try:
        return task.grade(example, answer, before, after)
    except InvalidMolecule:
        return Verdict(0.0, Reason.INVALID_MOLECULE, answer)


# --------------------------------------------------------------------------------------------------- definitions


def test_there_are_ten_sets_of_each_benchmark_half_of_them_in_distribution() -> None:
    assert [one.letters for one in MUMO] == [
        "BDP",
        "BDQ",
        "BPQ",
        "DPQ",
        "BDPQ",
        "MPQ",
        "BDMQ",
        "BHMQ",
        "BMPQ",
        "HMPQ",
    ]
    assert [one.letters for one in C_MUMO] == [
        "BPQ", "ELQ", "ACEP", "BDPQ", "DHMQ", "CDE", "ABMP", "BCMQ", "BDEQ", "HLMPQ",
    ]  # fmt: skip
    for sets in (MUMO, C_MUMO):
        assert [one.distribution for one in sets] == ["in"] * 5 + ["out"] * 5
    assert len(SETS) == 20
    assert {aim.oracle for aim in AIMS.values() if aim.goal == "down"} == {
        "carcinogens_lagunin",
        "herg",
        "dili",
        "ames",
    }


def test_the_definitions_are_the_published_numbers() -> None:
    assert {letter: aim.step for letter, aim in AIMS.items()} == {
        "A": 0.1, "B": 0.1, "C": 0.1, "D": 0.2, "E": 0.2, "H": 0.1, "L": 0.1, "M": 0.1, "P": 1.0, "Q": 0.1,
    }  # fmt: skip
    assert {letter: aim.level for letter, aim in AIMS.items()} == {
        "A": 0.9, "B": 0.9, "C": 0.2, "D": 0.2, "E": 0.5, "H": 0.9, "L": 0.5, "M": 0.2, "P": 1.5, "Q": 0.8,
    }  # fmt: skip
    assert {letter: aim.pair_step for letter, aim in AIMS.items() if aim.pair_step} == {
        "B": 0.2, "D": 0.2, "H": 0.1, "M": 0.1, "P": 1.0, "Q": 0.1,
    }  # fmt: skip
    caps = {one.letters: list(one.caps.values()) for one in MUMO}
    assert caps["BDQ"] == [0.6, 0.1, 0.4] and caps["HMPQ"] == [0.7, 0.5, -2.0, 0.6]


def test_a_set_is_a_task_as_soon_as_the_registry_has_its_oracles() -> None:
    assert [make().name for make in multi_property.tasks_for(FAKES)] == list(SETS)
    without_drd2 = {name: oracle for name, oracle in FAKES.items() if name != "drd2"}
    named = [make().name for make in multi_property.tasks_for(without_drd2)]
    assert named == [name for name in SETS if "d" not in name.rsplit("/", 1)[1]]
    assert len(with_oracles(tuple(SETS.values()), ["qed", "plogp", "ames"])) == 1
    registered = {name for name in tasks.names() if name.startswith(("optimization/mumo", "optimization/c-mumo"))}
    assert registered == {one.task for one in with_oracles(tuple(SETS.values()), ORACLES)}


def test_sizes_need_no_data_and_every_set_has_five_hundred_inputs() -> None:
    assert all(fake(name).sizes() == {"train": 0, "valid": 0, "test": 500} for name in SETS)
    drawn = [resampling.positions(one) for one in SETS.values() if not one.public]
    assert all(len(set(places)) == 500 for places in drawn)


# --------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("after", "progress"),
    [
        ((0.21, 0.04, 0.31), 1.0),
        ((0.21, 0.03, 0.31), 2 / 3),  # equal is not better
        ((0.19, 0.02, 0.29), 0.0),
    ],
)
def test_mumo_wants_every_property_strictly_better(after: tuple[float, ...], progress: float) -> None:
    assert BDQ.progress(values(0.20, 0.03, 0.30), values(*after)) == pytest.approx(progress)


def test_values_are_compared_after_rounding_to_two_decimals() -> None:
    before, answer = values(0.204, 0.031, 0.30), "CC(=O)Oc1ccccc1C(=O)OC"
    assert fake(BDQ.task).grade(ASPIRIN, answer, before, values(0.2049, 0.1, 0.4)).score == pytest.approx(1 / 3)
    assert fake(BDQ.task).grade(ASPIRIN, answer, before, values(0.2051, 0.1, 0.4)).reason is Reason.CORRECT


def test_mutagenicity_must_fall() -> None:
    mpq = SETS["optimization/mumo/mpq"]
    before = {"ames": 0.6, "plogp": -1.0, "qed": 0.5}
    assert mpq.progress(before, {"ames": 0.59, "plogp": -0.9, "qed": 0.51}) == 1.0
    assert mpq.progress(before, {"ames": 0.61, "plogp": -0.9, "qed": 0.51}) == pytest.approx(2 / 3)
    assert mpq.is_input(before) and not mpq.is_input(before | {"ames": 0.49})


@pytest.mark.parametrize(
    ("after", "success", "any_gain", "near_optimal"),
    [
        ({"herg": 0.50, "dili": 0.45, "qed": 0.75}, True, True, False),  # 0.3 and 0.1 better, dili kept
        ({"herg": 0.50, "dili": 0.45, "qed": 0.80}, True, True, True),
        ({"herg": 0.65, "dili": 0.45, "qed": 0.75}, False, True, False),  # hERG gains less than Delta
        ({"herg": 0.50, "dili": 0.49, "qed": 0.75}, True, True, False),  # dili loses less than Delta
        ({"herg": 0.50, "dili": 0.50, "qed": 0.75}, False, False, False),  # dili loses Delta
        ({"herg": 0.90, "dili": 0.30, "qed": 0.90}, False, False, False),
    ],
)
def test_controlled_sets_improve_what_is_poor_and_keep_the_rest(
    after: Values, success: bool, any_gain: bool, near_optimal: bool
) -> None:
    elq = SETS["optimization/c-mumo/elq"]
    before = {"herg": 0.80, "dili": 0.40, "qed": 0.65}
    assert [aim.letter for aim in elq.to_improve(before)] == ["E", "Q"]
    assert (elq.progress(before, after) == 1.0) is success
    variants = elq.variants()
    assert variants["any_gain"](before, after) is any_gain
    assert variants["near_optimal"](before, after) is near_optimal


def test_a_molecule_near_all_optima_is_no_input_of_a_controlled_set() -> None:
    elq = SETS["optimization/c-mumo/elq"]
    assert not elq.is_input({"herg": 0.5, "dili": 0.2, "qed": 0.8})
    assert elq.is_input({"herg": 0.51, "dili": 0.2, "qed": 0.8})


# --------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("CC(=O)Oc1ccccc1C(=O)OC", Reason.CORRECT),
        ("OC(=O)c1ccccc1OC(C)=O", Reason.COPIED_INPUT),
        (CONSTANT, Reason.NOT_SIMILAR),
        ("CC(=O)Oc1ccccc1C(=O)O.C", Reason.WRONG),
        ("CC(=O)Oc1ccccc1C(=O)[O-]", Reason.WRONG),
        ("[13CH3]C(=O)Oc1ccccc1C(=O)O", Reason.WRONG),
    ],
)
def test_better_values_are_a_success_only_for_a_similar_molecule_and_no_trick(answer: str, reason: Reason) -> None:
    verdict = fake(BDQ.task).grade(ASPIRIN, answer, values(0.2, 0.0, 0.3), values(0.9, 0.9, 0.9))
    assert verdict.reason is reason
    assert verdict.score == float(reason is Reason.CORRECT)
    assert verdict.components["after_drd2"] == 0.9 and verdict.components["before_qed"] == 0.3


def test_without_a_value_there_is_no_verdict() -> None:
    missing = values(0.9, float("nan"), 0.9)
    verdict = fake(BDQ.task).grade(ASPIRIN, "CC(=O)Oc1ccccc1C(=O)OC", values(0.2, 0.0, 0.3), missing)
    assert (verdict.score, verdict.reason) == (None, Reason.MISSING_ORACLE)
    assert verdict.detail.startswith("no value of drd2")


def test_a_verdict_names_the_oracles_behind_it_and_their_versions() -> None:
    verdict = fake(BDQ.task).verify(ASPIRIN, "<answer>CC(=O)Oc1ccccc1C(=O)OC</answer>")
    assert verdict.verifier_version == "1.3+bbb_martins@1+drd2@1+qed@1"


def test_before_and_after_come_from_the_same_oracles() -> None:
    verdict = fake(BDQ.task).verify(ASPIRIN, "<answer>CC(=O)Oc1ccccc1C(=O)OF</answer>")
    expected = {name: float(FAKES[name].predict([canonical(ASPIRIN.inputs["smiles"])])[0]) for name in BDQ.oracles}
    assert {name: verdict.components[f"before_{name}"] for name in BDQ.oracles} == expected


def test_no_cheat_reaches_the_full_score() -> None:
    task = fake(BDQ.task)
    for name, text in cheats(task, ASPIRIN):
        verdict = task.verify(ASPIRIN, text)
        assert verdict.score is None or verdict.score < 1.0, name


# --------------------------------------------------------------------------------------------------- questions


def test_the_question_names_every_property_with_its_direction() -> None:
    question = fake(BDQ.task).question(ASPIRIN)
    spans = [span for span in question if isinstance(span, Property)]
    assert spans == [Property(name, "up") for name in BDQ.oracles]
    assert "<|up|><|p:bbb_martins|><|up|><|p:drd2|><|up|><|p:qed|>" in compact_prompt(question)


def test_a_controlled_question_says_what_to_keep() -> None:
    example = Example("x", "optimization/c-mumo/elq", "test", {"smiles": "CCO", "improve": ("herg", "qed")}, None)
    question = fake("optimization/c-mumo/elq").question(example)
    assert "decrease herg by at least 0.2 and increase qed by at least 0.1 and keep dili" in chat_prompt(question)
    assert Property("dili") in question


# --------------------------------------------------------------------------------------------------- metrics


def test_the_first_answer_and_similarity_floors_have_rows_of_their_own() -> None:
    task = fake(BDQ.task)
    before, better, same = values(0.2, 0.1, 0.3), values(0.3, 0.2, 0.4), values(0.2, 0.1, 0.3)
    methyl, aspirin = "CC(=O)Oc1ccccc1C(=O)OC", ASPIRIN.inputs["smiles"]
    results = [
        result(task, aspirin, (methyl, before, better)),
        result(task, "CCCCCCO", ("CCCCCCN", before, same), ("CCCCCCF", before, better)),
        result(task, "c1ccccc1N", (CONSTANT, before, better)),
        result(task, "c1ccncc1"),
    ]
    found = task.score(results)
    assert found["protocol_success"].value == 0.75  # nothing answered is a failure
    assert found["success"].value == found["protocol_success_at_0.4"].value == 0.5
    assert found["success_first"].value == 0.25 and found["protocol_success_first"].value == 0.5
    assert found["valid_inputs"].value == 0.75
    assert next(iter(found)) == task.headline


def test_an_undecided_answer_is_left_out_and_never_a_failure() -> None:
    task = fake(BDQ.task)
    before, better = values(0.2, 0.1, 0.3), values(0.3, 0.2, 0.4)
    undecided = Verdict(None, Reason.TIMEOUT)
    good = result(task, "CCCCCCO", ("CCCCCCF", before, better))
    lost = Result(good.example, Prediction("x", (Completion("?"),)), (undecided,))
    late = Result(good.example, Prediction("x", (Completion("?"), Completion("?"))), (undecided, *good.verdicts))
    found = task.score([good, lost, late])
    assert (found["protocol_success"].value, found["protocol_success"].n) == (1.0, 1)  # one molecule, one cluster
    assert task.score([lost])["success"].n == 0


def test_the_best_candidate_has_the_largest_summed_relative_gain() -> None:
    task = fake(BDQ.task)
    before = values(0.2, 0.0, 0.4)
    first, second = values(0.4, 0.1, 0.5), values(0.3, 0.9, 0.5)  # 1 + 0.1 + 0.25 against 0.5 + 0.9 + 0.25
    found = task.score([result(task, "CCCCCCO", ("CCCCCCF", before, first), ("CCCCCCCl", before, second))])
    assert found["relative_improvement"].value == pytest.approx((0.5 + (0.9 - 0.1) / 0.1 + 0.25) / 3)


def test_only_the_first_twenty_answers_count() -> None:
    task = fake(BDQ.task)
    before, better = values(0.2, 0.1, 0.3), values(0.3, 0.2, 0.4)
    twenty = [("CCCCCCN", before, before)] * 20
    found = task.score([result(task, "CCCCCCO", *twenty, ("CCCCCCF", before, better))])
    assert found["protocol_success"].value == found["success"].value == 0.0


def test_diversity_is_one_minus_the_mean_pairwise_similarity() -> None:
    assert candidates.diversity(["CCO", "CCO"]).value == pytest.approx(0.0)
    three = candidates.diversity(["CCO", "CCO", "c1ccncc1"])
    assert three.value == pytest.approx(2 / 3, abs=0.01) and three.low <= three.value <= three.high
    assert candidates.diversity(["CCO"]).n == 1


# --------------------------------------------------------------------------------------------------- drawn inputs


ENDS = ("", "O", "N", "OC", "Cl", "c1ccccc1")
CHAINS = ["C" * n + end for n in range(1, 12) for end in ENDS] + ["C1CC", "F[C@H](Cl)C", "F[C@@H](Cl)C"]
LIST = tuple(ListedMolecule(f"id{n}", smiles) for n, smiles in enumerate(CHAINS))
MIXED = FAKES | {"qed": ORACLES["qed"]}


def test_inputs_are_drawn_by_the_published_caps_and_by_nothing_but_the_seed() -> None:
    drawn = resampling.draw(BDQ, MIXED, lambda: LIST, 8)
    assert len({id_ for id_, *_ in drawn}) == 8
    for _, smiles, found in drawn:
        assert found["bbb_martins"] <= 0.6 and found["drd2"] <= 0.1 and found["qed"] <= 0.4
        assert found["qed"] == round(ORACLES["qed"].one(smiles), 2)
    assert resampling.draw(BDQ, MIXED, lambda: LIST[::-1], 8) == drawn
    assert resampling.draw(BDQ, MIXED, lambda: LIST, 8, seed=1) != drawn


def test_stereoisomers_and_unreadable_molecules_are_not_drawn() -> None:
    few = tuple(molecule for molecule in LIST if molecule.smiles[0] == "F" or "1CC" in molecule.smiles)
    assert len(few) == 3
    ((_, smiles, _),) = resampling.draw(BDQ, FAKES, lambda: few, 1)
    assert smiles[0] == "F"
    with pytest.raises(DataError, match="only 1 of 3 molecules"):
        resampling.draw(BDQ, FAKES, lambda: few, 2)


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name in DRAWN if set(SETS[name].oracles) <= set(ORACLES)])
def test_a_set_without_public_inputs_has_five_hundred_that_were_drawn(name: str) -> None:
    task = MultiProperty(SETS[name], ORACLES)
    examples = task.examples("test")
    assert len(examples) == task.sizes()["test"] == len({example.id for example in examples}) == 500
    assert {example.inputs["origin"] for example in examples} == {resampling.origin_of(SETS[name])}
    assert all(example.inputs["improve"] for example in examples)
    values = resampling.values_of([example.inputs["smiles"] for example in examples], task.properties, ORACLES)
    assert sum(map(SETS[name].is_input, values)) >= 499  # rounding may differ between processors
    assert list(examples) == list(MultiProperty(SETS[name], ORACLES).examples("test"))
    assert len(task.examples("train")) == len(task.examples("valid")) == 0
    assert task.answer(examples[0]) is None


@pytest.mark.data
def test_what_was_drawn_is_what_the_rule_draws() -> None:
    """A few inputs of the set that needs no extra, from the first of its molecules by the hash."""
    dpq = SETS["optimization/mumo/dpq"]
    molecules = resampling.candidates(dpq)
    written = [molecules[place] for place in resampling.positions(dpq)]
    first = sorted(molecules, key=lambda molecule: resampling._place(dpq.task, molecule.id, 0))[:1500]
    drawn = resampling.draw(dpq, ORACLES, lambda: first, 5)
    assert [id_ for id_, *_ in drawn] == [molecule.id for molecule in written[:5]]


# --------------------------------------------------------------------------------------------------- golden


def answered(texts: Sequence[Sequence[str]]) -> list[Result]:
    """Results of stored answers with the stored values; a text without values is not a molecule."""
    task, results = fake(BDQ.task), []
    table = mumo.properties("bdq")
    for row, answers in zip(mumo.inputs("bdq"), texts, strict=True):
        known = [(text, by_oracle(table[text])) for text in answers if text in table]
        found = result(task, row.smiles, *((text, by_oracle(row.values), after) for text, after in known))
        results.append(found)
    return results


def by_oracle(stored: Values) -> Values:
    return {oracle: stored[name] for name, oracle in STORED.items()}


@pytest.mark.data
def test_the_stored_candidates_give_the_published_figures() -> None:
    found = fake(BDQ.task).score(answered(mumo.candidates("bdq")))
    assert found["protocol_success"].value == pytest.approx(0.858)
    assert round(found["protocol_similarity"].value, 2) == 0.59
    assert round(found["relative_improvement"].value, 2) == 4.78
    assert found["valid_inputs"].value == pytest.approx(0.996)
    assert round(found["diversity"].value, 2) == 0.84
    assert found["novelty"].value == 1.0
    assert found["protocol_success_at_0.4"].value == pytest.approx(0.844)
    assert found["protocol_success_at_0.6"].value == pytest.approx(0.728)
    # Two inputs succeed at the floor only by a molecule of another net charge, which the gym's own metric refuses.
    assert found["success"].value == pytest.approx(0.840)
    assert found["success_at_0.6"].value == pytest.approx(0.724)


@pytest.mark.data
def test_the_first_generation_alone_gives_the_figures_of_the_best_of_one() -> None:
    """The generations are in the order written, the candidates are not."""
    first = [[canonical(row[0])] if is_valid(row[0]) else [] for row in mumo.generations("bdq")]
    found = fake(BDQ.task).score(answered(first))
    assert found["protocol_success_first"].value == pytest.approx(0.308)
    assert found["protocol_success_first_at_0.6"].value == pytest.approx(0.212)


@pytest.mark.data
def test_one_constant_molecule_wins_the_protocol_and_not_the_headline() -> None:
    task = fake(BDQ.task)
    best = values(0.99, 0.99, 0.99)
    results = [result(task, row.smiles, (CONSTANT, by_oracle(row.values), best)) for row in mumo.inputs("bdq")]
    found = task.score(results)
    assert found["protocol_success"].value == 1.0
    assert round(found["protocol_similarity"].value, 2) == 0.14
    for name in (task.headline, "success_at_0.6", "success_first", "protocol_success_at_0.4"):
        assert found[name].value == 0.0


@pytest.mark.data
def test_public_inputs_are_within_the_published_caps() -> None:
    for row in mumo.inputs("bdq"):
        assert BDQ.is_input(by_oracle(row.values))
    examples = fake("optimization/mumo/bdpq").examples("test")
    assert {example.inputs["origin"] for example in examples} == {multi_property.PUBLIC_ORIGIN}
    qed = ORACLES["qed"].predict([example.inputs["smiles"] for example in examples])
    assert qed.round(2).max() <= 0.4


@pytest.mark.data
def test_stereoisomers_among_the_inputs_are_resampled_together() -> None:
    task = fake("optimization/mumo/bdpq")
    rows = [result(task, example.inputs["smiles"]) for example in task.examples("test")]
    assert task.score(rows)["success"].n == 487
