"""Sentences, the bold number, the choice of answers, and the range of a plot."""

from __future__ import annotations

import random
import re

import pytest

from mmai_gym import tasks
from mmai_gym.bench import Contest, FamilySummary
from mmai_gym.contracts import Completion, Estimate, Example, Prediction, Reason, Result, Verdict
from mmai_gym.report import figures
from mmai_gym.report.answers import Case, choose, sort_out
from mmai_gym.report.glossary import metric_meaning, metric_name
from mmai_gym.report.tables import best_model, verdict


def estimate(low: float, high: float, better: bool = True) -> Estimate:
    return Estimate((low + high) / 2, low, high, 50, "Wilson", "", better)


def contest(model: Estimate | None, trivial: Estimate | None) -> Contest:
    separated = bool(model and trivial and model.separated_from(trivial))
    return Contest("task", "accuracy", model, trivial, "baseline:constant" if trivial else "", separated)


BETTER = contest(estimate(0.6, 0.8), estimate(0.3, 0.5))
LEVEL = contest(estimate(0.4, 0.6), estimate(0.3, 0.5))
WORSE = contest(estimate(0.1, 0.2), estimate(0.3, 0.5))
WORSE_ERROR = contest(estimate(3, 4, better=False), estimate(1, 2, better=False))
MISSING = contest(None, None)


@pytest.mark.parametrize(
    ("contests", "standing", "said"),
    [
        ([BETTER], "beats", "Beats the trivial baseline (clearly better on 1 of 1 task)."),
        ([BETTER, BETTER, WORSE], "beats", "(clearly better on 2 of 3 tasks, clearly worse on 1)"),
        ([BETTER, LEVEL], "level", "Stays at the trivial baseline (clearly better on 1 of 2 tasks)."),
        ([LEVEL, WORSE], "level", "(clearly better on 0 of 2 tasks, clearly worse on 1)"),
        ([WORSE_ERROR], "below", "Falls below the trivial baseline"),
        ([BETTER, MISSING], "level", "(clearly better on 1 of 2 tasks; 1 not answered yet)"),
        ([MISSING], "unknown", "No answers that could be compared"),
    ],
)
def test_a_family_is_told_as_its_separated_intervals_say(
    contests: list[Contest], standing: str, said: str
) -> None:
    found, sentence = verdict(FamilySummary("family", tuple(contests), ""))
    assert found == standing
    assert said in re.sub("<[^>]+>", "", sentence)


def test_only_a_model_clear_of_all_others_is_best() -> None:
    clear = {"a": estimate(0.7, 0.9), "b": estimate(0.3, 0.5), "c": estimate(0.2, 0.6)}
    assert best_model(clear) == "a"
    assert best_model(clear | {"d": estimate(0.8, 0.95)}) is None
    assert best_model({"a": estimate(0.7, 0.9)}) is None
    assert best_model({"a": estimate(1, 2, better=False), "b": estimate(3, 4, better=False)}) == "a"


def result(name: str, *verdicts: Verdict) -> Result:
    completions = tuple(Completion(f"text {i}") for i in range(len(verdicts)))
    return Result(Example(name, "t", "test", {}, None), Prediction(name, completions), verdicts)


RIGHT, WRONG = Verdict(1.0, Reason.CORRECT), Verdict(0.0, Reason.WRONG)
INVALID, LATE = Verdict(0.0, Reason.INVALID_MOLECULE), Verdict(None, Reason.TIMEOUT)


def test_a_right_answer_at_any_rank_is_shown_and_an_undecided_one_is_nobodys_fault() -> None:
    found = [result("a", RIGHT), result("b", WRONG, INVALID, RIGHT), result("c", WRONG), result("d", WRONG, LATE)]
    right, wrong = sort_out({"t": [*found, result("e")]})
    assert [(case.result.example.id, case.rank) for case in right] == [("a", 0), ("b", 2)]
    assert [case.result.example.id for case in wrong] == ["c"]


def test_answers_are_chosen_alike_in_any_order_and_spread_over_tasks_and_reasons() -> None:
    cases = [Case("often", result(f"o{i}", WRONG), 0) for i in range(30)]
    cases += [Case("often", result("odd", INVALID), 0), Case("rare", result("r", WRONG), 0)]
    chosen = choose(cases)
    shuffled = random.Random(1).sample(cases, len(cases))
    assert [case.result.example.id for case in chosen] == [case.result.example.id for case in choose(shuffled)]
    assert {case.task for case in chosen} == {"often", "rare"}
    assert {case.verdict.reason for case in chosen} == {Reason.WRONG, Reason.INVALID_MOLECULE}
    assert len(choose(cases[:2])) == 2 and choose([]) == []


def test_one_absurd_prediction_does_not_stretch_the_plot() -> None:
    assert figures.parity_frame([0.0, 10.0], [1.0, 12.0, 1e9]) == (0.0, 12.0)
    assert figures.parity_frame([3.0, 3.0], [3.2]) == (3.0, 3.2)


def test_every_tasks_headline_is_explained() -> None:
    headlines = {tasks.get(name).headline for name in tasks.names()}
    assert {name for name in headlines if metric_meaning(name) is None} == set()
    assert metric_meaning("top_7") != metric_meaning("top_1") and metric_meaning("unheard_of") is None
    assert metric_name("some_metric") == "some metric"
