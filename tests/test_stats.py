"""Metrics agree with scipy and scikit-learn; intervals cover, keep their width, and are deterministic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym import stats
from mmai_gym.contracts import DataError, UsageError
from mmai_gym.stats import intervals

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


@QUIET
@given(TIED)
@pytest.mark.filterwarnings("ignore")
def test_rm2_agrees_with_the_formula_written_out(rows: list[tuple[int, int]]) -> None:
    """Term by term as Ozturk et al. (2018) computed it, sums over items and both r² squared once more."""
    y, p = pair(rows)
    if len(set(y)) < 2 or len(set(p)) < 2:
        assert math.isnan(stats.rm2(y, p))
        return
    mean_y, mean_p = sum(y) / len(y), sum(p) / len(p)
    spread_y = sum((a - mean_y) ** 2 for a in y)
    spread_p = sum((b - mean_p) ** 2 for b in p)
    r2 = sum((a - mean_y) * (b - mean_p) for a, b in zip(y, p, strict=True)) ** 2 / (spread_y * spread_p)
    k = sum(a * b for a, b in zip(y, p, strict=True)) / sum(b * b for b in p)
    r02 = 1 - sum((a - k * b) ** 2 for a, b in zip(y, p, strict=True)) / spread_y
    expected = r2 * (1 - math.sqrt(abs(r2 * r2 - r02 * r02)))
    assert stats.rm2(y, p) == pytest.approx(expected, abs=1e-6)  # the root makes 1e-8 of a rounding error of 1e-16


@QUIET
@given(TIED, st.booleans())
def test_a_resampled_concordance_index_is_that_of_the_resample(rows: list[tuple[int, int]], grouped: bool) -> None:
    y, p = pair(rows)
    labels = np.arange(len(y)) % 3 if grouped else None
    quick = intervals._draws(stats.concordance_index, [y, p], labels, 20, seed=5)
    slow = [stats.concordance_index(y[i], p[i]) for i in intervals._resamples(len(y), labels, 20, seed=5)]
    np.testing.assert_array_equal(quick, slow)


def test_hand_computed_values() -> None:
    assert stats.mae([1.0, 2.0], [2.0, 4.0]) == 1.5
    assert stats.rmse([0.0, 0.0], [3.0, 4.0]) == pytest.approx(math.sqrt(12.5))
    assert stats.mse([0.0, 0.0], [3.0, 4.0]) == 12.5
    # Truth 1, 2, 3 and prediction 1, 3, 2: r = 1/2, r² = 1/4; k = 13/14,
    # residuals 1/14, -11/14, 16/14, so r0² = 1 - (378/196)/2 = 1/28: 1/4 (1 - sqrt(1/16 - 1/784)).
    assert stats.rm2([1, 2, 3], [1, 3, 2]) == pytest.approx(0.25 * (1 - math.sqrt(1 / 16 - 1 / 784)))
    assert stats.rm2([1, 2, 3], [1, 2, 3]) == pytest.approx(1.0)
    # Positives score 0.9 and 0.5, negatives 0.5 and 0.1: three pairs won, one tied.
    assert stats.auroc([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]) == 0.875
    # Thresholds 0.9 (1 of 1), 0.5 (2 of 3): 1/2 x 1 + 1/2 x 2/3.
    assert stats.auprc([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]) == pytest.approx(5 / 6)
    assert stats.balanced_accuracy(["a", "a", "a", "b"], ["a", "a", "a", "a"]) == 0.5
    assert stats.spearman([1, 2, 3], [1, 4, 9]) == pytest.approx(1.0)
    # Comparable pairs: (1,2), (1,3), (2,3); ordered right, tied, wrong.
    assert stats.concordance_index([1, 2, 3], [1.0, 2.0, 1.0]) == pytest.approx(0.5)


ALL_METRICS = sorted(stats.HIGHER_IS_BETTER, key=lambda metric: metric.__name__)


@pytest.mark.parametrize("metric", ALL_METRICS, ids=lambda metric: metric.__name__)
def test_undefined_is_nan_and_never_an_exception(metric: stats.Metric) -> None:
    assert math.isnan(metric([], []))
    assert math.isnan(metric([0.0, 1.0, 1.0], [0.5, math.nan, 0.5]))


@pytest.mark.parametrize(
    "metric",
    [stats.auroc, stats.auprc, stats.balanced_accuracy, stats.r2, stats.rm2, stats.pearson, stats.spearman],
)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_one_class_or_constant_truth_is_nan(metric: stats.Metric, level: float) -> None:
    assert math.isnan(metric([level] * 3, [0.2, 0.4, 0.9]))


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
    for index in intervals._resamples(6, labels, 50, seed=3):
        drawn, counts = np.unique(index, return_counts=True)
        by_label = {label: set(counts[labels[drawn] == label]) for label in np.unique(labels[drawn])}
        assert all(len(times) == 1 for times in by_label.values())
        for label in by_label:
            assert set(np.flatnonzero(labels == label)) <= set(drawn)


def test_bootstrap_is_deterministic_and_follows_the_seed() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    p = y + rng.normal(size=80)
    first = stats.bootstrap(stats.mae, y, p, unit="log S")
    assert first == stats.bootstrap(stats.mae, y, p, unit="log S")
    assert first.low != stats.bootstrap(stats.mae, y, p, seed=1).low
    assert (first.higher_is_better, first.unit, first.n) == (False, "log S", 80)
    assert first.low < first.value < first.high


def test_bootstrap_interval_of_a_mean_matches_the_normal_theory() -> None:
    x = np.random.default_rng(0).normal(size=400)
    estimate = stats.mean(x, n_resamples=4000)
    half = 1.96 * x.std(ddof=1) / math.sqrt(400)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.06)


def test_undefined_resamples_are_dropped_and_counted() -> None:
    y = np.array([1] + [0] * 4)
    estimate = stats.bootstrap(stats.auroc, y, np.linspace(1, 0, 5), n_resamples=500)
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
    result = stats.paired_difference(stats.concordance_index, y, a, b, clusters=clusters, n_resamples=200)
    draws = [
        stats.concordance_index(y[i], a[i]) - stats.concordance_index(y[i], b[i])
        for i in intervals._resamples(60, clusters, 200, seed=0)
    ]
    assert (result.estimate.low, result.estimate.high) == tuple(np.quantile(draws, (0.025, 0.975)))


def test_equal_models_differ_by_nothing() -> None:
    y, p = np.arange(30.0), np.arange(30.0)[::-1]
    same = stats.paired_difference(stats.rmse, y, p, p)
    assert (same.estimate.value, same.estimate.low, same.p_value) == (0.0, 0.0, 1.0)
    assert math.isnan(stats.paired_difference(stats.r2, [1.0, 1.0], [1.0, 2.0], [2.0, 1.0]).p_value)
