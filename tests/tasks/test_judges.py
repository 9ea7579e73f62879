"""Judges: partial credit is monotone, and what cannot be read is not guessed at."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_gym import tasks
from mmai_gym.contracts import Choice, Example, Reason
from mmai_gym.tasks.base import judge_choice, judge_count, judge_indices, judge_number


@given(st.text())
def test_no_judge_raises_on_any_text(text: str) -> None:
    for verdict in (
        judge_choice(Choice(("yes", "no")), "yes", text),
        judge_number(1.0, 1.0, text, 0.1),
        judge_count(1, text),
        judge_indices(frozenset({0, 1}), 5, text),
    ):
        assert verdict.score is not None


@pytest.mark.parametrize("answer", ["nan", "inf", "-inf", "1_000", "1e999", "", "one", "1.0 or 2.0"])
def test_what_is_no_finite_number_is_unparsable(answer: str) -> None:
    assert judge_number(1.0, 1.0, answer, 0.1).reason is Reason.UNPARSABLE


@given(st.floats(0, 50), st.floats(0, 50))
def test_a_larger_error_never_scores_more(a: float, b: float) -> None:
    near, far = sorted((a, b))
    assert judge_number(0.0, 2.0, str(near), 0.1).score >= judge_number(0.0, 2.0, str(far), 0.1).score


def test_guessing_one_scale_off_earns_one_over_e() -> None:
    verdict = judge_number(3.0, 2.0, "5.0", 0.1)
    assert verdict.score == pytest.approx(math.exp(-1))
    assert verdict.components == {"error": 2.0, "absolute_error": 2.0}


@pytest.mark.parametrize(
    ("answer", "score"), [("2", 1.0), ("02", 1.0), ("3", 0.0), ("-2", 0.0), ("２", 0.0), ("2.0", 0.0)]
)
def test_counts_are_exact_ascii_integers(answer: str, score: float) -> None:
    assert judge_count(2, answer).score == score


@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9), min_size=1), st.integers(0, 9))
def test_a_false_atom_added_always_lowers_the_score(gold: set[int], chosen: set[int], extra: int) -> None:
    def score(atoms: set[int]) -> float:
        verdict = judge_indices(frozenset(gold), 10, ",".join(map(str, sorted(atoms))))
        assert verdict.score is not None
        return verdict.score

    if extra not in gold and extra not in chosen:
        assert score(chosen | {extra}) <= score(chosen)
        assert score(chosen & gold | {extra}) < 1.0


@pytest.mark.parametrize("answer", ["0,0", "12", "", "a", "0;1", "0,-1"])
def test_a_list_that_names_no_set_of_atoms_is_unparsable(answer: str) -> None:
    assert judge_indices(frozenset({0}), 10, answer).reason is Reason.UNPARSABLE


OPTIMIZE = Example("x", "optimization/embedded/tpsa", "test", {"smiles": "CCCCc1ccccc1"}, "CCC(O)c1ccccc1")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("OCCCc1ccccc1", Reason.CORRECT),
        ("C(CCC)c1ccccc1", Reason.COPIED_INPUT),
        ("OCCCc1ccccc1.O", Reason.WRONG),
        ("[2H]C(O)CCc1ccccc1", Reason.WRONG),
        ("[O]CCCc1ccccc1", Reason.WRONG),
        ("[O-]CCCc1ccccc1", Reason.WRONG),
        ("[OH:1]CCCc1ccccc1", Reason.WRONG),
        ("*CCCc1ccccc1", Reason.WRONG),
        ("CCCCCCCCCCCCCCCCCC(=O)O", Reason.NOT_SIMILAR),
        ("CCCC(c1ccccc1", Reason.INVALID_MOLECULE),
    ],
)
def test_optimization_accepts_improvements_and_no_tricks(answer: str, reason: Reason) -> None:
    verdict = tasks.get(OPTIMIZE.task).verify(OPTIMIZE, f"<answer>{answer}</answer>")
    assert verdict.reason is reason, verdict
    assert (verdict.score == 1.0) == (reason is Reason.CORRECT)


RETRO = Example("x", "retrosynthesis/embedded", "test", {"smiles": "CC(=O)NCC"}, "CC(=O)O.CCN")


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("NCC.OC(C)=O", 1.0),
        ("[CH3:1]C(=O)O.CC[NH2:7]", 1.0),
        ("CC(=O)O", 0.0),
        ("CC(=O)O.CCN.O", 0.0),
        ("CC(=O)O.CCN.CCN", 0.0),
        ("CC(=O)Cl.CCN", 0.0),
    ],
)
def test_retrosynthesis_wants_the_whole_set_and_nothing_else(answer: str, score: float) -> None:
    assert tasks.get(RETRO.task).verify(RETRO, f"<answer>{answer}</answer>").score == score


def test_copying_the_product_is_named() -> None:
    verdict = tasks.get(RETRO.task).verify(RETRO, "<answer>CCNC(C)=O</answer>")
    assert verdict.reason is Reason.COPIED_INPUT


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_naming_every_atom_is_worth_nothing_unless_it_is_right(case: tuple[int, set[int]]) -> None:
    n_atoms, gold = case
    verdict = judge_indices(frozenset(gold), n_atoms, ",".join(map(str, range(n_atoms))))
    assert verdict.score == float(len(gold) == n_atoms)
    assert judge_indices(frozenset(gold), n_atoms, ",".join(map(str, sorted(gold)))).score == 1.0
