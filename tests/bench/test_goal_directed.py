"""Goal-directed design: the area under the curve by hand, an honest budget, and a file that a kill does not harm."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mmai_gym.bench import goal_directed
from mmai_gym.bench.goal_directed import (
    Budget,
    Goal,
    Score,
    Spent,
    auc_top,
    estimate,
    goals,
    read,
    render,
    run,
    search,
)
from mmai_gym.contracts import DataError, UsageError

LENGTH = Goal("length", "this test", "1", lambda smiles: len(smiles) / 100)


class Alkanes:
    """Proposes longer and longer chains, each of them twice."""

    name = "alkanes"

    def run(self, score: Score, calls: int, seed: int) -> None:
        for length in range(1, 2 * calls):
            score("C" * (length + seed))
            score("C" * (length + seed))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], math.nan),
        ([0.5] * 4, (0.5 * 2 / 2 + 0.5 * 2) / 4),  # a trapezoid from 0, then level
        ([1.0, 0.0], (2 * 1.0 / 2 + 2 * 1.0) / 4),  # the best one; it ends early and keeps its value
        ([0.0, 0.2, 0.4, 0.2], (2 * 0.2 / 2 + 2 * (0.2 + 0.4) / 2) / 4),
        ([0.0, 0.2, 0.4, 0.2, 9.0], (2 * 0.2 / 2 + 2 * (0.2 + 0.4) / 2) / 4),  # beyond the budget
    ],
)
def test_the_area_is_that_of_the_best_over_the_budget(scores: list[float], expected: float) -> None:
    assert auc_top(scores, calls=4, top=1, every=2) == pytest.approx(expected, nan_ok=True)


def test_the_mean_of_the_best_is_of_those_there_are() -> None:
    # After 1 call the mean of one, after 2 of two: 0.4 and 0.3.
    assert auc_top([0.4, 0.2], calls=2, top=10, every=1) == pytest.approx((0.4 / 2 + (0.4 + 0.3) / 2) / 2)


def test_a_known_molecule_costs_nothing_whatever_its_spelling_and_no_molecule_scores_nothing() -> None:
    budget = Budget(LENGTH, calls=2)
    assert budget("OCC") == budget("C(O)C") == 0.03
    assert budget("C1CC") == 0.0
    assert budget("CCCC") == 0.04
    assert budget("OCC") == 0.03
    with pytest.raises(Spent):
        budget("CCCCC")
    assert list(budget.answers) == ["CCO", "CCCC"]


def test_a_search_ends_with_its_budget_and_keeps_what_it_needs_to_be_scored_again() -> None:
    found = search(LENGTH, Alkanes(), seed=0, calls=20)
    assert found.scores == tuple(round((i + 1) / 100, 6) for i in range(20))
    assert found.best[0] == ("C" * 20, 0.2) and len(found.best) == 10
    assert found.auc == auc_top(found.scores, 20)


def test_a_stopped_run_goes_on_and_repeats_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goal_directed, "goals", lambda: {"length": LENGTH})
    monkeypatch.setattr(goal_directed, "OPTIMIZERS", {"alkanes": Alkanes()})
    path = run(["alkanes"], ["length"], [0, 1], tmp_path / "g.jsonl", calls=12)
    whole = path.read_text()
    path.write_text(whole + whole[:40])  # a kill cut the third line short
    run(["alkanes"], ["length"], [0, 1, 2], path, calls=12)
    assert path.read_text().startswith(whole)
    assert [one.seed for one in read(path)] == [0, 1, 2]
    mean, spread = estimate(read(path))
    assert mean.low < mean.value < mean.high and mean.n == 3 and spread > 0
    assert "over 1 of PMO's 23 tasks" in render(read(path))
    with pytest.raises(UsageError, match="no goal is called zest; there are: length"):
        run(["alkanes"], ["zest"], [0], path)
    path.write_text("name,smiles\n" + whole)
    with pytest.raises(DataError, match="line 1"):
        read(path)


def test_goals_are_at_their_maximum_for_their_own_drug_and_in_the_unit_interval() -> None:
    known = goals()
    assert {"qed", "celecoxib-rediscovery", "troglitazone-rediscovery", "thiothixene-rediscovery"} <= known.keys()
    for drug, smiles in goal_directed._DRUGS.items():
        score = known[f"{drug}-rediscovery"].score
        assert score(smiles) == 1.0
        assert 0.0 <= score("CCO") < 0.3


@pytest.mark.data
def test_the_graph_genetic_algorithm_beats_screening_within_the_same_small_budget() -> None:
    goal = goals()["celecoxib-rediscovery"]
    bred, screened = (
        search(goal, goal_directed.OPTIMIZERS[name], 0, calls=600) for name in ("graph-ga", "screening")
    )
    assert len(bred.scores) == len(screened.scores) == 600
    assert bred.auc > screened.auc
