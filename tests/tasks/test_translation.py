"""Translation: the protocol of Jin et al. to the letter, and a headline that tricks do not reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Completion, DataError, Example, Prediction, Property, Reason, Result, Verdict
from mmai_gym.models import baseline
from mmai_gym.molecules import connectivity, is_valid
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import jin
from mmai_gym.tasks import translation
from mmai_gym.tasks.translation import GAINS, LEVELS, GainTranslation, LevelTranslation, Translation


@dataclass
class Fluorines:
    """A tenth for each fluorine; nothing for bromine."""

    name: str = "drd2"
    version: str = "1"
    checksum: str = ""
    units: str = ""
    teacher: str = "fake"

    def reason(self, smiles: str) -> str:
        return "bromine" if "Br" in smiles else ""

    def predict(self, smiles: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array(
            [np.nan if "Br" in text or not is_valid(text) else text.count("F") / 10 for text in smiles]
        )


ORACLE = {"drd2": Fluorines(), "qed": Fluorines("qed"), "plogp": Fluorines("plogp")}
QED, DRD2 = (LevelTranslation(benchmark, ORACLE) for benchmark in LEVELS)
LOGP04, LOGP06 = (GainTranslation(benchmark, ORACLE) for benchmark in GAINS)
SOURCE = "FC(F)(F)C(F)(F)c1ccc(OCC)cc1"  # 0.5 by the fake oracle
NEAR, FAR, MORE = (
    "FC(F)(F)C(F)(F)c1ccc(OCCF)cc1",
    "FC(F)(F)C(F)(F)C(F)(F)C(F)(F)F",
    "FC(F)(F)C(F)(F)c1ccc(OC(F)(F)C(F)F)cc1",
)


def judged(task: Translation, smiles: str, *answers: str, gold: str | None = None) -> Result:
    example = Example(smiles, task.name, "test", {"smiles": smiles}, gold)
    completions = tuple(Completion(f"<answer>{answer}</answer>") for answer in answers)
    return Result(
        example, Prediction(smiles, completions), tuple(task.verify(example, c.text) for c in completions)
    )


def test_a_benchmark_is_a_task_as_soon_as_its_oracle_exists() -> None:
    names = [make().name for make in translation.tasks_for(ORACLE)]
    assert names == [f"optimization/jin/{name}" for name in ("qed", "drd2", "logp04", "logp06")]
    assert [make().name for make in translation.tasks_for({"qed": Fluorines("qed")})] == ["optimization/jin/qed"]
    assert set(tasks.match("optimization/jin")) == {make().name for make in translation.tasks_for(ORACLES)}


def test_the_benchmarks_are_the_published_ones() -> None:
    assert [(b.name, b.oracle, b.floor, b.level) for b in LEVELS] == [
        ("qed", "qed", 0.4, 0.9),
        ("drd2", "drd2", 0.4, 0.5),
    ]
    assert [(b.name, b.oracle, b.floor) for b in GAINS] == [("logp04", "plogp", 0.4), ("logp06", "plogp", 0.6)]
    assert QED.sizes() == {"train": 0, "valid": 0, "test": 800}
    assert DRD2.sizes() == {"train": 31_445, "valid": 0, "test": 1000}


def test_the_question_states_level_or_direction_and_the_similarity() -> None:
    example = Example("x", QED.name, "test", {"smiles": SOURCE}, None)
    for task, words in ((QED, "to at least 0.9."), (LOGP06, "as far as you can.")):
        question = task.question(example)
        assert Property(task.benchmark.oracle, "up") in question
        texts = [getattr(span, "text", "") for span in question]
        assert words in texts and f"{task.benchmark.floor:g}" in texts[0]


@pytest.mark.parametrize(
    ("answer", "score", "reason"),
    [
        (MORE, 1.0, Reason.CORRECT),
        (NEAR, 0.125, Reason.PARTIAL),  # half of 0.1 of the 0.4 that are wanted
        (SOURCE, 0.0, Reason.COPIED_INPUT),
        (FAR, 0.0, Reason.NOT_SIMILAR),
        ("FC(F)(F)Cc1ccc(OCC)cc1", 0.0, Reason.WRONG),
        (f"{MORE}.C", 0.0, Reason.WRONG),
        ("BrC(F)(F)C(F)(F)c1ccc(OCC)cc1", None, Reason.MISSING_ORACLE),
    ],
)
def test_a_level_is_reached_by_a_similar_molecule_only(answer: str, score: float | None, reason: Reason) -> None:
    (verdict,) = judged(QED, SOURCE, answer).verdicts
    assert verdict.reason is reason, verdict
    assert verdict.score == (None if score is None else pytest.approx(score))


def test_a_gain_is_worth_more_the_larger_it_is_and_never_all() -> None:
    near, more = judged(LOGP04, SOURCE, NEAR, MORE).verdicts
    assert near.score is not None and more.score is not None
    assert 0.0 < near.score < more.score < 1.0
    assert judged(LOGP04, SOURCE, "FC(F)(F)Cc1ccc(OCC)cc1").first.reason is Reason.WRONG


def test_the_protocol_averages_the_best_improvement_over_all_inputs() -> None:
    charged = MORE.replace("c1ccc(", "c1cc[n+](C)c(", 1)
    results = [
        judged(LOGP04, SOURCE, NEAR, MORE),
        judged(LOGP04, SOURCE + "C", FAR),
        judged(LOGP04, SOURCE),
        judged(LOGP04, SOURCE, f"{NEAR}.F"),
    ]
    found = LOGP04.score(results)
    assert found["improvement"].value == pytest.approx(0.4 / 4)
    assert found["protocol_improvement"].value == pytest.approx((0.4 + 0.2) / 4)  # the protocol takes a mixture
    assert found["improvement_first"].value == pytest.approx(0.1 / 4)
    assert found["improved"].value == 0.25
    assert next(iter(found)) == LOGP04.headline
    assert judged(LOGP04, SOURCE, charged).first.score == 0.0


def test_a_success_needs_one_of_twenty_and_identical_fingerprints_are_copies() -> None:
    results = [judged(QED, SOURCE, NEAR, MORE), judged(QED, SOURCE + "C", *[NEAR] * 20, MORE), judged(QED, SOURCE)]
    found = QED.score(results)
    assert found["success"].value == found["protocol_success"].value == pytest.approx(1 / 3)
    assert found["success_first"].value == 0.0
    longer = "C" * 12 + "F"
    assert judged(QED, longer, "C" * 14 + "F").first.reason is Reason.NOT_SIMILAR


def test_a_recorded_pair_is_right_whatever_our_oracle_says() -> None:
    (verdict,) = judged(DRD2, "CCCCCCO", "NCCCCCC", gold="CCCCCCN").verdicts
    assert (verdict.score, verdict.reason) == (1.0, Reason.CORRECT)
    assert DRD2.answer(Example("x", DRD2.name, "train", {"smiles": "CCCCCCO"}, "CCCCCCN")) == "CCCCCCN"
    assert DRD2.answer(Example("x", DRD2.name, "test", {"smiles": "CCCCCCO"}, None)) is None


def test_undecided_answers_are_left_out() -> None:
    unknown = Verdict(None, Reason.TIMEOUT)
    lost = Result(judged(QED, SOURCE).example, Prediction("x", (Completion("?"),)), (unknown,))
    assert QED.score([lost])["success"].n == 0
    assert LOGP04.score([lost])["improvement"].n == 0


@pytest.mark.data
@pytest.mark.parametrize("name", ["qed", "logp04", "logp06"])
def test_test_inputs_are_public_and_have_no_answer(name: str) -> None:
    task = tasks.get(f"optimization/jin/{name}")
    examples = task.examples("test")
    assert len(examples) == task.sizes()["test"] == len({example.id for example in examples}) == 800
    assert task.answer(examples[0]) is None
    assert len(task.examples("train")) == len(task.examples("valid")) == 0
    assert sum(task.omitted().values()) == (len(jin.inputs("qed-valid")) if name == "qed" else 0)


@pytest.mark.data
def test_inputs_of_qed_lie_between_0_7_and_0_8() -> None:
    values = ORACLES["qed"].predict(
        [example.inputs["smiles"] for example in tasks.get("optimization/jin/qed").examples("test")]
    )
    assert values.min() >= 0.7 and values.max() <= 0.8


@pytest.mark.data
def test_a_baseline_without_training_pairs_says_so() -> None:
    task = tasks.get("optimization/jin/qed")
    with pytest.raises(DataError, match="optimization/jin/qed has no training examples"):
        baseline("baseline:nearest").predict([task.examples("test")[0]], 1, 0)


@pytest.mark.data
def test_pairs_that_share_a_molecule_with_a_held_out_input_are_named() -> None:
    held = jin.inputs("drd2-test")[0].smiles
    assert translation.pair_fault(f"{held} CCN") == translation.OVERLAP
    assert translation.pair_fault(f"CCN {held}") == translation.OVERLAP
    assert translation.pair_fault("CCN CC[NH3+]") == translation.TRICK
    assert translation.pair_fault("CCCN CCCO") == ""


@pytest.mark.data
@pytest.mark.slow
def test_every_pair_that_is_left_out_is_counted() -> None:
    train = DRD2.examples("train")
    assert len(train) == DRD2.sizes()["train"] == 31_445
    assert len(train) + sum(n for why, n in DRD2.omitted().items() if why != translation.NO_ANSWER) == 34_404
    held = {connectivity(m.smiles) for m in (*jin.inputs("drd2-test"), *jin.inputs("drd2-valid"))}
    assert not held & {connectivity(text) for e in train[:300] for text in (e.inputs["smiles"], e.gold)}
