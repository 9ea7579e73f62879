from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmai_gym.training.batches import BatchPlan, plan_in_order, plan_stage

lengths_of = st.lists(st.integers(1, 60), min_size=1, max_size=400).map(lambda values: np.array(values, np.int64))


@given(lengths_of, st.integers(60, 500), st.integers(1, 3), st.integers(0, 2**32))
def test_every_epoch_has_every_row_once_within_the_budget(
    lengths: np.ndarray, tokens: int, epochs: int, seed: int
) -> None:
    plan = plan_stage(lengths, tokens, epochs, seed, "s")
    assert np.array_equal(np.bincount(plan.rows, minlength=len(lengths)), np.full(len(lengths), epochs))
    for i in range(len(plan)):
        assert 0 < len(plan[i]) * lengths[plan[i]].max() <= tokens
    assert (
        plan.cumulative(lengths).tolist()
        == np.cumsum([0, *(lengths[plan[i]].sum() for i in range(len(plan)))]).tolist()
    )


def test_a_plan_follows_from_its_seed_and_epochs_differ() -> None:
    lengths = np.arange(1000) % 50 + 10
    one, same, other = (plan_stage(lengths, 600, 2, seed, "s") for seed in (1, 1, 2))
    assert np.array_equal(one.rows, same.rows)
    assert not np.array_equal(one.rows, other.rows)
    assert not np.array_equal(one.rows[:1000], one.rows[1000:])


def test_the_order_is_the_one_that_saved_states_rely_on() -> None:
    """A golden value: a stopped run goes on under a newer numpy with the batches that were still to come."""
    plan = plan_stage(np.arange(12) + 3, 30, 1, 7, "s")
    assert plan.rows.tolist() == [11, 0, 1, 2, 3, 4, 5, 6, 9, 10, 7, 8]


def test_little_of_a_batch_is_padding() -> None:
    lengths = np.random.default_rng(0).gamma(4, 12, 20_000).astype(np.int64) + 5
    plan = plan_stage(lengths, 6144, 1, 0, "s")
    padded = sum(len(plan[i]) * int(lengths[plan[i]].max()) for i in range(len(plan)))
    assert lengths.sum() / padded > 0.95
    filled = [len(plan[i]) * int(lengths[plan[i]].max()) / 6144 for i in range(len(plan))]
    assert np.mean(filled) > 0.95


def test_a_batch_mixes_what_lies_apart_in_the_corpus() -> None:
    lengths = np.full(20_000, 40)
    plan: BatchPlan = plan_stage(lengths, 6144, 1, 0, "s")
    halves = [(plan[i] < 10_000).mean() for i in range(len(plan) - 1)]
    assert min(halves[:-1]) > 0.25 and max(halves[:-1]) < 0.75


def test_validation_reads_every_row_once() -> None:
    lengths = np.array([9, 3, 5, 3])
    plan = plan_in_order(lengths, 10)
    assert plan.rows.tolist() == [1, 3, 2, 0]
    assert len(plan_in_order(np.zeros(0, np.int64), 10)) == 0
