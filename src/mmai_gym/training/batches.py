"""Which rows form which batch, for a whole stage, decided before its first step.

Rows of similar length share a batch, so that little of it is padding; but sorting a whole corpus by length
would also sort it by task, and a model that sees one job at a time forgets the others. So rows are shuffled,
sorted by length within pools of a few batches, and the batches are shuffled again. Everything follows from a
hash of the seed: the plan is a pure function of the corpus and the recipe, which is what makes a resumed run
take exactly the batches that were still to come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import item_seed

POOL = 32
"""Batches in a pool: enough that padding stays at a few per cent, few enough that every pool mixes all tasks."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The batches of a stage in order: batch `i` is the rows `rows[bounds[i]:bounds[i + 1]]`."""

    rows: Indices
    bounds: Indices

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, index: int) -> Indices:
        return self.rows[self.bounds[index] : self.bounds[index + 1]]

    def cumulative(self, per_row: Indices) -> Indices:
        """Sum of `per_row` over all batches before the i-th; shape (n_batches + 1,)."""
        return np.concatenate([[0], np.cumsum(per_row[self.rows])])[self.bounds]


def plan_stage(lengths: Indices, tokens: int, epochs: int, seed: int, stage: str) -> BatchPlan:
    """The batches of `epochs` passes over rows of the given lengths.

    Args:
        lengths: tokens per row.
        tokens: a batch has at most so many tokens once its rows are padded to the longest. A longer row makes
            a batch of its own.
    """
    batches: list[Indices] = []
    for epoch in range(epochs):
        batches += _plan_epoch(lengths, tokens, item_seed(stage, "1", "batches", seed, epoch))
    return _join(batches)


def plan_in_order(lengths: Indices, tokens: int) -> BatchPlan:
    """The batches of one pass over all rows from the shortest to the longest, for validation."""
    return _join(_cut(np.argsort(lengths, kind="stable"), lengths, tokens))


def _plan_epoch(lengths: Indices, tokens: int, seed: int) -> list[Indices]:
    order = _shuffled(len(lengths), seed)
    per_pool = max(1, int(POOL * tokens / max(1.0, float(lengths.mean()))))
    pools: list[Indices] = []
    for start in range(0, len(order), per_pool):
        pool = order[start : start + per_pool]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        # Every other pool runs from long to short: lengths do not jump at the seam, so no batch ends there.
        pools.append(pool[::-1] if len(pools) % 2 else pool)
    batches = _cut(np.concatenate(pools), lengths, tokens)
    return [batches[i] for i in _shuffled(len(batches), seed ^ 1)]


def _cut(order: Indices, lengths: Indices, tokens: int) -> list[Indices]:
    """Cut a sequence of rows into batches within the budget."""
    batches, start, longest = [], 0, 0
    for end, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        if end > start and longest * (end - start + 1) > tokens:
            batches.append(order[start:end])
            start, longest = end, length
    if len(order):
        batches.append(order[start:])
    return batches


def _join(batches: list[Indices]) -> BatchPlan:
    rows = np.concatenate(batches) if batches else np.zeros(0, np.int64)
    return BatchPlan(rows, np.cumsum([0, *map(len, batches)], dtype=np.int64))


def _shuffled(n: int, seed: int) -> Indices:
    """The numbers 0 to n - 1 ordered by a hash of each with the seed (SplitMix64, Steele et al. 2014).

    Unlike a random generator's shuffle it cannot change with a library's release.
    """
    with np.errstate(over="ignore"):
        x = (np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) + np.uint64(seed)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return np.argsort(x, kind="stable").astype(np.int64)
