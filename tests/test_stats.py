"""Metrics agree with scipy and scikit-learn; intervals cover, keep their width, and are deterministic."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym import stats
from mmai_gym.contracts import DataError, UsageError
from mmai_gym.stats import intervals
from mmai_gym.stats.arrays import mean_or_nan
from mmai_gym.stats.metrics import COUNTED

QUIET = settings(derandomize=True, deadline=None, max_examples=60)
TIED = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40)


def pair(rows: list[tuple[int, int]], scale: float = 0.37) -> tuple[np.ndarray, np.ndarray]:
    table = np.asarray(rows, dtype=float) * scale
    return table[:, 0], table[:, 1]


def agrees(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)


@QUIET
@given(TIED)
@pytest.mark.filterwarnings("ignore")
def test_correlations_agree_with_scipy_on_tied_data(rows: list[tuple[int, int]]) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    y, p = pair(rows)
    assert agrees(stats.spearman(y, p), float(scipy_stats.spearmanr(y, p).statistic))
    assert agrees(stats.pearson(y, p), float(scipy_stats.pearsonr(y, p).statistic))


@QUIET
@given(TIED)
def test_errors_and_r2_agree_with_sklearn(rows: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y, p = pair(rows)
    assert agrees(stats.mae(y, p), metrics.mean_absolute_error(y, p))
    assert agrees(stats.rmse(y, p), metrics.root_mean_squared_error(y, p))
    if len(set(y)) > 1:
        assert agrees(stats.r2(y, p), metrics.r2_score(y, p))
    else:
        assert math.isnan(stats.r2(y, p))


@QUIET
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=60))
def test_ranking_metrics_agree_with_sklearn_on_tied_scores(rows: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y, s = np.array([r[0] for r in rows]), np.array([r[1] for r in rows]) / 7
    if 0 < y.sum() < len(y):
        assert agrees(stats.auroc(y, s), metrics.roc_auc_score(y, s))
        assert agrees(stats.auprc(y, s), metrics.average_precision_score(y, s))
    else:
        assert math.isnan(stats.auroc(y, s))
        assert math.isnan(stats.auprc(y, s))


@QUIET
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=40))
@pytest.mark.filterwarnings("ignore")
def test_label_metrics_agree_with_sklearn(rows: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    assert agrees(stats.accuracy(y, p), metrics.accuracy_score(y, p))
    if len(set(y)) > 1:
        assert agrees(stats.balanced_accuracy(y, p), metrics.balanced_accuracy_score(y, p))
    else:
        assert math.isnan(stats.balanced_accuracy(y, p))


@QUIET
@given(TIED)
def test_concordance_index_agrees_with_counting_every_pair(rows: list[tuple[int, int]]) -> None:
    y, p = pair(rows)
    pairs = [(i, j) for i in range(len(y)) for j in range(len(y)) if y[i] < y[j]]
    credit = sum(1.0 if p[i] < p[j] else 0.5 if p[i] == p[j] else 0.0 for i, j in pairs)
    assert agrees(stats.concordance_index(y, p), credit / len(pairs) if pairs else math.nan)


def exact_rm2(y: Sequence[float], p: Sequence[float]) -> float:
    """Term by term as Ozturk et al. (2018) computed it, in rational numbers up to the root."""
    truth, predicted = [Fraction(float(a)) for a in y], [Fraction(float(b)) for b in p]
    mean_y, mean_p = sum(truth) / len(truth), sum(predicted) / len(predicted)
    pairs = list(zip(truth, predicted, strict=True))
    spread_y = sum((a - mean_y) ** 2 for a in truth)
    spread_p = sum((b - mean_p) ** 2 for b in predicted)
    if not spread_y or not spread_p:
        return math.nan
    r2 = sum((a - mean_y) * (b - mean_p) for a, b in pairs) ** 2 / (spread_y * spread_p)
    k = sum(a * b for a, b in pairs) / sum(b * b for b in predicted)
    r02 = 1 - sum((a - k * b) ** 2 for a, b in pairs) / spread_y
    return float(r2) * (1 - math.sqrt(abs(r2 * r2 - r02 * r02)))


@QUIET
@given(TIED)
def test_rm2_agrees_with_the_formula_in_rational_numbers(rows: list[tuple[int, int]]) -> None:
    y, p = pair(rows, scale=1.0)  # many of these lie on a line through the origin, where the root is steep
    assert agrees(stats.rm2(y, p), exact_rm2(y, p))


def every_pair(y: np.ndarray, p: np.ndarray) -> float:
    """The concordance index from all pairs of items at once."""
    later = y[:, None] < y[None, :]
    credit = np.where(p[:, None] < p[None, :], 1.0, np.where(p[:, None] == p[None, :], 0.5, 0.0))
    return float(credit[later].sum() / later.sum())


@pytest.mark.parametrize("decimals", [12, 0], ids=["random", "tied"])
@pytest.mark.parametrize("seed", range(5))
def test_every_metric_agrees_with_an_independent_one_to_nine_digits(seed: int, decimals: int) -> None:
    scipy_stats, sk = pytest.importorskip("scipy.stats"), pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    y = rng.normal(size=150).round(decimals)
    p = (y + rng.normal(size=150)).round(decimals)
    classes = (y + rng.normal(size=150) > 0.5).astype(float)
    labels, guesses = rng.integers(0, 4, 150), rng.integers(0, 5, 150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a guess of a class that the truth lacks
        expected = {
            stats.mae: sk.mean_absolute_error(y, p),
            stats.mse: sk.mean_squared_error(y, p),
            stats.rmse: sk.root_mean_squared_error(y, p),
            stats.r2: sk.r2_score(y, p),
            stats.pearson: scipy_stats.pearsonr(y, p).statistic,
            stats.spearman: scipy_stats.spearmanr(y, p).statistic,
            stats.rm2: exact_rm2(y, p),
            stats.concordance_index: every_pair(y, p),
            stats.auroc: sk.roc_auc_score(classes, p),
            stats.auprc: sk.average_precision_score(classes, p),
            stats.accuracy: sk.accuracy_score(labels, guesses),
            stats.balanced_accuracy: sk.balanced_accuracy_score(labels, guesses),
        }
    assert expected.keys() == stats.HIGHER_IS_BETTER.keys()
    inputs = dict.fromkeys((stats.auroc, stats.auprc), (classes, p))
    inputs |= dict.fromkeys((stats.accuracy, stats.balanced_accuracy), (labels, guesses))
    for metric, value in expected.items():
        assert metric(*inputs.get(metric, (y, p))) == pytest.approx(float(value), rel=1e-9, abs=1e-9), metric


@QUIET
@given(st.sampled_from(list(COUNTED)), TIED, st.booleans())
def test_a_metric_counted_from_draws_is_that_of_the_resample(
    metric: stats.Metric, rows: list[tuple[int, int]], grouped: bool
) -> None:
    y, p = pair(rows)
    if metric in (stats.auroc, stats.auprc):
        y = (y > y.mean()).astype(float)
    labels = np.arange(len(y)) % 3 if grouped else None
    sides = [[y, p], [y, p[::-1]]]
    if metric is mean_or_nan:
        sides = [[p], [y]]
    quick = intervals._draws(metric, sides, labels, stats.Resampling(20, seed=5))
    slow = [
        [metric(*(column[i] for column in side)) for i in resamples(len(y), labels, 20, seed=5)] for side in sides
    ]
    np.testing.assert_allclose(quick, slow, rtol=1e-14)


def resamples(size: int, labels: np.ndarray | None, count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Positions of items drawn one resample after the other, as a textbook has it."""
    rng = np.random.default_rng(seed)
    groups = np.arange(size) if labels is None else labels
    names = np.unique(groups)
    for _ in range(count):
        drawn = names[rng.integers(0, len(names), len(names))]
        yield np.concatenate([np.flatnonzero(groups == name) for name in drawn])


def test_resamples_are_counted_some_at_a_time_and_are_the_same_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.random.default_rng(0).normal(size=50)
    expected = [float(np.mean(y[i])) for i in resamples(50, np.arange(50) // 3, 100)]
    for some in (1, 120, 10**6):
        monkeypatch.setattr(intervals, "_AT_ONCE", some)
        found = intervals._draws(mean_or_nan, [[y]], np.arange(50) // 3, stats.Resampling(100))
        np.testing.assert_allclose(found[0], expected, rtol=1e-13)


NAN = math.nan
TRUTH, GUESS = (1.0, 2.0, 3.0), (1.0, 3.0, 2.0)
Case = tuple[Sequence[object], Sequence[object], float]
HAND: dict[stats.Metric, dict[str, Case]] = {
    stats.mae: {
        "plain": ((1, 2), (2, 4), 1.5),
        "ties": ((1, 1, 3), (2, 2, 2), 1.0),
        "one class": ((2, 2), (1, 4), 1.5),
    },
    stats.mse: {
        "plain": ((0, 0, 1), (3, 4, 1), 25 / 3),
        "ties": ((1, 1, 3), (2, 2, 2), 1.0),
        "one class": ((2, 2), (1, 4), 2.5),
    },
    stats.rmse: {
        "plain": ((0, 0), (3, 4), math.sqrt(12.5)),
        "ties": ((1, 1, 3), (2, 2, 2), 1.0),
        "one class": ((2, 2), (1, 4), math.sqrt(2.5)),
    },
    # Squared residuals 0, 1, 1 of a total of 2; then 1, 1, 1 of a total of 4/9 + 4/9 + 16/9.
    stats.r2: {
        "plain": (TRUTH, GUESS, 0.0),
        "ties": ((1, 1, 3), (2, 2, 2), 1 - 3 / (8 / 3)),
        "one class": ((2, 2), (1, 4), NAN),
    },
    # Deviations (-1, 0, 1) and (-1, 1, 0): 1/2; then (-1, -1, 2)/3 and (1, 1, -2).
    stats.pearson: {
        "plain": (TRUTH, GUESS, 0.5),
        "ties": ((1, 1, 2), (3, 3, 0), -1.0),
        "one class": ((2, 2, 2), GUESS, NAN),
    },
    # Ranks are 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 x 5).
    stats.spearman: {
        "plain": (TRUTH, (1, 9, 4), 0.5),
        "ties": ((1, 2, 2, 3), (1, 2, 3, 4), 4.5 / math.sqrt(22.5)),
        "one class": ((2, 2, 2), GUESS, NAN),
    },
    # r = 1/2, r² = 1/4; k = 13/14, residuals 1/14, -11/14, 16/14, so r0² = 1 - (378/196)/2 = 1/28.
    # The tied points lie on y = 2p, where nothing is left.
    stats.rm2: {
        "plain": (TRUTH, GUESS, 0.25 * (1 - math.sqrt(1 / 16 - 1 / 784))),
        "ties": ((2, 2, 4), (1, 1, 2), 1.0),
        "one class": ((2, 2, 2), GUESS, NAN),
    },
    # Comparable pairs (1,2), (1,3), (2,3): right, tied, wrong. Of two equal truths no pair is made: two pairs, one tied.
    stats.concordance_index: {
        "plain": (TRUTH, (1, 2, 1), 0.5),
        "ties": ((1, 1, 2), (0, 1, 1), 0.75),
        "one class": ((2, 2, 2), GUESS, NAN),
    },
    # Positives at 0.9 and 0.5, negatives at 0.5 and 0.1: three pairs won, one tied.
    stats.auroc: {
        "plain": ((1, 1, 0, 0), (0.9, 0.2, 0.5, 0.1), 0.75),
        "ties": ((1, 1, 0, 0), (0.9, 0.5, 0.5, 0.1), 0.875),
        "one class": ((1, 1), (0.9, 0.5), NAN),
    },
    # Thresholds 0.9 (1 of 1) and 0.2 (2 of 3); with the tie 0.9 (1 of 1) and 0.5 (2 of 3) in one step.
    stats.auprc: {
        "plain": ((1, 1, 0, 0), (0.9, 0.2, 0.5, 0.1), 5 / 6),
        "ties": ((1, 1, 0, 0), (0.9, 0.5, 0.5, 0.1), 5 / 6),
        "one class": ((0, 0), (0.9, 0.5), NAN),
    },
    stats.accuracy: {
        "plain": (("a", "b", "b"), ("a", "b", "c"), 2 / 3),
        "ties": (("a", "a", "b", "b"), ("a", "b", "a", "b"), 0.5),
        "one class": (("a", "a"), ("a", "b"), 0.5),
    },
    stats.balanced_accuracy: {
        "plain": (("a", "a", "a", "b"), ("a", "a", "a", "a"), 0.5),
        "ties": (("a", "a", "b", "b"), ("a", "b", "b", "b"), 0.75),
        "one class": (("a", "a"), ("a", "b"), NAN),
    },
}
KINDS = ("plain", "ties", "one class")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", HAND, ids=lambda metric: metric.__name__)
def test_hand_computed_values(metric: stats.Metric, kind: str) -> None:
    truth, prediction, expected = HAND[metric][kind]
    found = metric(truth, prediction)
    assert math.isnan(found) if math.isnan(expected) else found == pytest.approx(expected, rel=1e-12)


def test_every_metric_has_hand_computed_cases() -> None:
    assert HAND.keys() == stats.HIGHER_IS_BETTER.keys()


@pytest.mark.parametrize("metric", HAND, ids=lambda metric: metric.__name__)
def test_nothing_and_a_missing_value_are_nan_and_never_an_exception(metric: stats.Metric) -> None:
    assert math.isnan(metric([], []))
    assert math.isnan(metric([0.0, 1.0, 1.0], [0.5, math.nan, 0.5]))


def test_a_constant_that_rounds_badly_is_still_constant() -> None:
    assert math.isnan(stats.pearson([0.1] * 3, [1.0, 2.0, 3.0]))
    assert math.isnan(stats.spearman([1.0, 2.0, 3.0], [0.1] * 3))


def test_unequal_lengths_and_strange_labels_are_named() -> None:
    with pytest.raises(DataError, match=r"mae.*\(2,\).*\(3,\)"):
        stats.mae([1, 2], [1, 2, 3])
    with pytest.raises(DataError, match=r"auroc.*0 or 1.*2"):
        stats.auroc([0, 2], [0.1, 0.2])


def test_wilson_interval_of_nothing_out_of_200_keeps_its_width() -> None:
    none = stats.proportion(np.zeros(200, dtype=bool))
    assert (none.value, none.low, none.n) == (0.0, 0.0, 200)
    assert none.high == pytest.approx(0.018846, abs=1e-5)
    every = stats.proportion(np.ones(200, dtype=bool))
    assert (every.value, every.high) == (1.0, 1.0)
    assert every.low == pytest.approx(1 - none.high)


@QUIET
@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_wilson_agrees_with_scipy(hits: list[bool]) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    theirs = scipy_stats.binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    ours = stats.proportion(hits)
    assert agrees(ours.low, theirs.low)
    assert agrees(ours.high, theirs.high)


def test_mean_of_zeros_and_ones_is_a_proportion() -> None:
    assert stats.mean([0.0] * 50) == stats.proportion([False] * 50)
    assert "bootstrap" in stats.mean([0.0, 0.5, 1.0]).method


def test_clusters_widen_the_interval_and_count_as_the_independent_units() -> None:
    rng = np.random.default_rng(1)
    per_cluster = rng.random(20) < 0.5
    hits, clusters = np.repeat(per_cluster, 30), np.repeat(np.arange(20), 30)
    naive, clustered = stats.proportion(hits), stats.proportion(hits, clusters)
    assert clustered.n == 20
    assert clustered.high - clustered.low > 3 * (naive.high - naive.low)
    agreed = stats.proportion(np.zeros(600), clusters)
    assert agreed.high == stats.proportion(np.zeros(20)).high


def test_resampling_by_cluster_takes_whole_clusters() -> None:
    labels = np.array(["b", "a", "b", "c", "a", "b"])
    weights = np.concatenate(list(intervals._weights(6, labels, stats.Resampling(50, seed=3))))
    assert len(weights) == 50
    for often in weights:
        by_label = {label: set(often[labels == label]) for label in np.unique(labels)}
        assert all(len(times) == 1 for times in by_label.values())
        assert sum(times.pop() for times in by_label.values()) == len(by_label)


def test_bootstrap_is_deterministic_and_follows_the_seed() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    p = y + rng.normal(size=80)
    first = stats.bootstrap(stats.mae, y, p, unit="log S")
    assert first == stats.bootstrap(stats.mae, y, p, unit="log S")
    assert first.low != stats.bootstrap(stats.mae, y, p, resampling=stats.Resampling(seed=1)).low
    assert (first.higher_is_better, first.unit, first.n) == (False, "log S", 80)
    assert first.low < first.value < first.high


def test_bootstrap_interval_of_a_mean_matches_the_normal_theory() -> None:
    x = np.random.default_rng(0).normal(size=400)
    estimate = stats.mean(x, resampling=stats.Resampling(4000))
    half = 1.96 * x.std(ddof=1) / math.sqrt(400)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.06)


def test_undefined_resamples_are_dropped_and_counted() -> None:
    y = np.array([1] + [0] * 4)
    estimate = stats.bootstrap(stats.auroc, y, np.linspace(1, 0, 5), resampling=stats.Resampling(500))
    dropped = int(estimate.method.split("resamples, ")[1].split()[0])
    assert 100 < dropped < 250  # (4/5)^5 = 33 % of the resamples lack the positive, 0.03 % the negatives
    assert estimate.value == 1.0
    assert not math.isnan(estimate.low)


def test_an_undefined_value_says_why_and_a_single_item_has_no_interval() -> None:
    undefined = stats.bootstrap(stats.auroc, np.ones(7), np.arange(7))
    assert math.isnan(undefined.value)
    assert math.isnan(undefined.high)
    assert undefined.n == 7
    assert "undefined" in undefined.method
    assert "no items" in stats.bootstrap(stats.mae, [], []).method
    single = stats.bootstrap(stats.mae, [1.0], [3.0])
    assert single.value == 2.0
    assert math.isnan(single.low)
    assert "single" in single.method


def test_a_callers_own_metric_must_say_which_way_is_better() -> None:
    with pytest.raises(UsageError, match="higher_is_better"):
        stats.bootstrap(lambda x: float(np.median(x)), [1.0, 2.0])


def test_paired_difference_sees_what_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(5)
    y = rng.normal(size=300)
    shared = rng.normal(size=300)
    a, b = y + shared, y + 1.1 * shared
    result = stats.paired_difference(stats.mae, y, a, b)
    assert result.estimate.high < 0 < result.p_value < 0.01
    apart = stats.bootstrap(stats.mae, y, a), stats.bootstrap(stats.mae, y, b)
    assert not apart[0].separated_from(apart[1])


def test_a_paired_difference_of_concordance_indices_comes_from_the_same_resamples() -> None:
    rng = np.random.default_rng(2)
    y = np.round(rng.normal(size=60), 1)
    a, b = y + rng.normal(size=60), y + 2 * rng.normal(size=60)
    clusters = np.arange(60) // 3
    result = stats.paired_difference(
        stats.concordance_index, y, a, b, clusters=clusters, resampling=stats.Resampling(200)
    )
    draws = [
        stats.concordance_index(y[i], a[i]) - stats.concordance_index(y[i], b[i])
        for i in resamples(60, clusters, 200)
    ]
    assert (result.estimate.low, result.estimate.high) == tuple(np.quantile(draws, (0.025, 0.975)))


def test_equal_models_differ_by_nothing() -> None:
    y, p = np.arange(30.0), np.arange(30.0)[::-1]
    same = stats.paired_difference(stats.rmse, y, p, p)
    assert (same.estimate.value, same.estimate.low, same.p_value) == (0.0, 0.0, 1.0)
    assert math.isnan(stats.paired_difference(stats.r2, [1.0, 1.0], [1.0, 2.0], [2.0, 1.0]).p_value)


def test_holm_steps_down_and_leaves_out_what_was_not_tested() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never below the one before.
    assert stats.holm([0.04, 0.01, math.nan, 0.03, 0.02]) == pytest.approx(
        [0.06, 0.04, math.nan, 0.06, 0.06], nan_ok=True
    )
    assert stats.holm([0.5, 0.4, 0.9]).tolist() == [1.0, 1.0, 1.0]
    assert stats.holm([]).tolist() == []
    with pytest.raises(DataError, match="holm"):
        stats.holm([1.5])


def test_holm_keeps_the_chance_of_a_single_false_alarm() -> None:
    rng = np.random.default_rng(0)
    trials = rng.random((2000, 20))
    alarms = np.mean([(stats.holm(row) < 0.05).any() for row in trials])
    assert 0.03 < alarms < 0.07 < np.mean((trials < 0.05).any(axis=1))


def test_without_intervals_values_are_the_same_and_nothing_is_drawn() -> None:
    truth, given = np.arange(50.0), np.arange(50.0) ** 1.1
    usual = stats.bootstrap(stats.mae, truth, given)
    with pytest.raises(ZeroDivisionError), stats.without_intervals():
        alone = stats.bootstrap(stats.mae, truth, given)
        assert alone.value == usual.value and math.isnan(alone.low) and math.isnan(alone.high)
        assert (alone.method, alone.n) == ("not resampled", usual.n)
        raise ZeroDivisionError
    assert stats.bootstrap(stats.mae, truth, given) == usual
