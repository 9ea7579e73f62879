"""Rewards are weighted means of monotone parts: false claims never pay, and no verdict is no reward."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym import tasks
from mmai_gym.contracts import Example, Reason, UsageError, Verdict
from mmai_gym.tasks.answers import wrap
from mmai_gym.tasks.base import judge_indices
from mmai_gym.verify import PARTS, RewardFunction, VerificationService, cheats, reward

LOCATE = tasks.get("functional-groups/embedded/locate")
RETRO = tasks.get("retrosynthesis/embedded")
ACIDS = Example("x", LOCATE.name, "test", {"smiles": "OC(=O)CCC(=O)O", "group": "carboxylic_acid"}, "0,1,2,5,6,7")
AMIDE = Example("y", RETRO.name, "test", {"smiles": "CCNC(C)=O"}, "CCN.CC(=O)Cl")
ALL_PARTS = {"score": 3.0, "correct": 1.0, "readable": 0.5, "overlap": 1.0, "reasoning": 1.0}
TRUE = (
    "Molecule 1 has 2 carboxylic_acid.",
    "Atoms 0,1,2 of molecule 1 are carboxylic_acid.",
    "Molecule 1 has rings 0.00.",
)
FALSE = ("Molecule 1 has 1 carboxylic_acid.", "Atoms 3,4 of molecule 1 are carboxylic_acid.", "It smells.")


def paid(example: Example, completion: str, weights: dict[str, float] | None = None) -> float:
    task = tasks.get(example.task)
    found = reward(weights or ALL_PARTS, task.verify(example, completion), completion, task.question(example))
    assert found is not None
    return found


weightings = st.dictionaries(st.sampled_from(sorted(PARTS)), st.floats(0, 5), min_size=1).filter(
    lambda weights: sum(weights.values()) > 0
)


@given(weightings, st.sets(st.integers(0, 7), min_size=1), st.sampled_from([3, 4]))
def test_a_false_atom_added_never_raises_the_reward(
    weights: dict[str, float], atoms: set[int], false: int
) -> None:
    before, after = (wrap(",".join(map(str, sorted(found)))) for found in (atoms, atoms | {false}))
    assert paid(ACIDS, after, weights) <= paid(ACIDS, before, weights)


@given(weightings, st.lists(st.sampled_from(["CCN", "CC(=O)Cl", "CO", "O", "CC(=O)O"]), max_size=3), st.data())
@settings(max_examples=100)
def test_a_false_molecule_added_never_raises_the_reward(
    weights: dict[str, float], molecules: list[str], data: st.DataObject
) -> None:
    missing = [one for one in ("CCN", "CC(=O)Cl") if one not in molecules]
    false = data.draw(st.sampled_from([one for one in ("CCN", "CC(=O)Cl", "CO", "O", "C") if one not in missing]))
    if molecules:
        before = paid(AMIDE, wrap(".".join(molecules)), weights)
        assert paid(AMIDE, wrap(".".join([*molecules, false])), weights) <= before


@given(weightings, st.permutations(TRUE + FALSE), st.integers(0, 5), st.sampled_from(FALSE), st.integers(0, 5))
def test_an_untrue_sentence_added_never_raises_the_reward(
    weights: dict[str, float], sentences: list[str], count: int, false: str, place: int
) -> None:
    told = sentences[:count]
    more = [*told[:place], false, *told[place:]]
    before, after = (f"<think>{' '.join(text)}</think>{wrap('0,1,2')}" for text in (told, more))
    assert paid(ACIDS, after, weights) <= paid(ACIDS, before, weights) + 1e-12


def test_reasoning_counts_as_far_as_the_answer_does_and_once() -> None:
    def told(answer: str, *sentences: str) -> float:
        return paid(ACIDS, f"<think>{' '.join(sentences)}</think>{wrap(answer)}", {"reasoning": 1.0})

    assert told(str(ACIDS.gold), *TRUE) == 1.0
    assert told(str(ACIDS.gold), TRUE[0], FALSE[0]) == 0.5
    assert told(str(ACIDS.gold), *[TRUE[0]] * 9, FALSE[0]) == 0.5
    assert told("3,4", *TRUE) == told(str(ACIDS.gold)) == 0.0


@pytest.mark.parametrize(
    ("answer", "overlap"),
    [("CCN.CC(=O)Cl", 1.0), ("CC(=O)Cl", 0.5), ("CCN.CC(=O)Cl.O", 2 / 3), ("CCN.CCN", 1 / 3), ("CCNC(C)=O", 0.0)],
)
def test_overlap_is_the_share_of_the_molecules_that_is_right(answer: str, overlap: float) -> None:
    assert paid(AMIDE, wrap(answer), {"overlap": 1.0}) == pytest.approx(overlap)


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.CRASH, Reason.MEMORY, Reason.MISSING_ORACLE])
def test_without_a_verdict_there_is_no_reward(reason: Reason) -> None:
    assert reward(ALL_PARTS, Verdict(None, reason), wrap("C"), RETRO.question(AMIDE)) is None


def test_cheats_earn_nothing_for_what_they_say() -> None:
    """`readable` is left out: a wrong answer of the right form earns it, by its meaning."""
    weights = {"score": 1.0, "correct": 1.0, "reasoning": 1.0}
    for example in (ACIDS, AMIDE):
        for name, text in cheats(tasks.get(example.task), example):
            if len(text) < 10_000:
                assert paid(example, text, weights) == 0.0, name


def test_the_reward_is_the_weighted_mean_of_the_parts() -> None:
    half = wrap("CC(=O)Cl")
    assert paid(AMIDE, half, {"overlap": 1.0, "readable": 3.0}) == pytest.approx((0.5 + 3.0) / 4)
    assert paid(AMIDE, half, {"score": 1.0, "overlap": 0.0}) == 0.0
    assert (
        paid(AMIDE, wrap(str(AMIDE.gold)), {"score": 2.0, "correct": 1.0, "readable": 1.0, "overlap": 1.0}) == 1.0
    )
    assert judge_indices(frozenset({0, 1}), 8, "0").score == paid_locate_half()


def paid_locate_half() -> float:
    example = Example("z", LOCATE.name, "test", {"smiles": "CC(=O)OCCCC", "group": "ester"}, "0,1")
    return paid(example, wrap("0"), {"score": 1.0})


@pytest.mark.parametrize(
    "weights", [{"similarity": 1.0}, {"score": -1.0}, {"score": 0.0}, {}, {"score": float("nan")}]
)
def test_weights_that_do_not_fit_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        reward(weights, Verdict(1.0, Reason.CORRECT), "", ())


# --------------------------------------------------------------------------------------------------- for a trainer


@pytest.fixture(scope="module")
def service() -> Iterator[VerificationService]:
    with VerificationService(workers=1, seconds=1.5) as service:
        yield service


def test_a_trainer_gets_a_list_of_floats_and_nones(service: VerificationService) -> None:
    """Called as TRL's GRPOTrainer does: completions of one group together, every column of the data set repeated."""
    task = tasks.get("functional-groups/embedded/detect")
    gold = [task.answer(task.examples("train")[i]) for i in (0, 1)]
    other = ["no" if one == "yes" else "yes" for one in gold]
    texts = [wrap(gold[0]), wrap(other[0]), wrap(gold[1]), "no answer"]
    logged: dict[str, float] = {}
    columns = {
        "task": [task.name] * 4,
        "split": ["train"] * 4,
        "index": [0, 0, 1, 1],
        "seed": [None, 3, None, None],
    }
    function = RewardFunction(service, {"score": 1.0})
    for completions in (texts, [[{"role": "assistant", "content": text}] for text in texts]):
        rewards = function(
            prompts=["..."] * 4,
            completions=completions,
            completion_ids=[[1]] * 4,
            trainer_state=None,
            log_extra=None,
            log_metric=logged.__setitem__,
            **columns,
        )
        assert rewards == [1.0, 0.0, 1.0, 0.0]
    assert logged == {"verdict/undecided": 0.0, "verdict/score": 0.5}
    assert function.__name__ == "verdict"


def test_an_answer_that_hangs_the_toolkit_gets_none_and_its_neighbours_their_rewards(
    service: VerificationService,
) -> None:
    necklace = "C123C" + "C4(C3)CC3(C4)C" * 10 + "C(C3)(C1)C2"
    task = RETRO.examples("train")[0]
    gold = RETRO.answer(task)
    rewards = RewardFunction(service)(
        completions=[wrap(gold), wrap(necklace), wrap("CCO")],
        task=[RETRO.name] * 3,
        split=["train"] * 3,
        index=[0] * 3,
    )
    assert rewards == [1.0, None, 0.0]


def test_a_row_can_ask_for_the_example_written_anew(service: VerificationService) -> None:
    example = LOCATE.examples("train")[0]
    written = LOCATE.augment(example, 5)
    texts = [wrap(LOCATE.answer(written))] * 2
    rewards = RewardFunction(service, {"correct": 1.0})(
        completions=texts, task=[LOCATE.name] * 2, split=["train"] * 2, index=[0, 0], seed=[5, None]
    )
    assert rewards == [1.0, float(written.gold == example.gold)]
