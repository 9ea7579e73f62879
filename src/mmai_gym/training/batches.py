"""Which rows form which optimizer step, for a whole stage, decided before its first step.

Rows of similar length share a batch, so that little of it is padding; but sorting a whole corpus by length
would also sort it by task, and a model that sees one job at a time forgets the others. So rows are shuffled,
sorted by length within pools of a few batches, and the batches are shuffled again. Everything follows from a
hash of the seed: the plan is a pure function of the corpus and the recipe, which is what makes a resumed run
take exactly the batches that were still to come.

Packed rows need no such care: several documents fill a line of fixed width, and every batch is as full as every other.

A plan is made for the whole training, whatever the number of processes; `shares` cuts a step for them and for the
memory of a device.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import item_seed

POOL = 32
"""Batches in a pool: enough that padding stays at a few per cent, few enough that every pool mixes all tasks."""

_OPEN = 64
"""Lines that are filled at a time: enough that a line is nearly always full, few enough to search quickly."""

Indices = npt.NDArray[np.int64]
Rows = Literal["grouped", "packed"]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The batches of a stage in order: batch `i` is the rows `rows[bounds[i]:bounds[i + 1]]`.

    Packed, a batch is made of lines of `width` tokens, and a line is the rows between two borders of `lines`. Otherwise
    `width` is 0, `lines` is empty, and every row is a line of its own.
    """

    rows: Indices
    bounds: Indices
    lines: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    width: int = 0

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, index: int) -> Indices:
        return self.rows[self.bounds[index] : self.bounds[index + 1]]

    def lines_of(self, index: int) -> list[Indices]:
        """The rows of each line of a batch."""
        start, end = self.bounds[index], self.bounds[index + 1]
        if not self.width:
            return np.split(self.rows[start:end], end - start)
        borders = self.lines[np.searchsorted(self.lines, start) : np.searchsorted(self.lines, end) + 1]
        return [self.rows[a:b] for a, b in itertools.pairwise(borders)]

    def padded(self, lengths: Indices) -> int:
        """Tokens of all batches once their lines are filled up to the longest, or to the width."""
        if self.width:
            return self.width * (len(self.lines) - 1)
        return sum(len(self[i]) * int(lengths[self[i]].max()) for i in range(len(self)))

    def cumulative(self, per_row: Indices) -> Indices:
        """Sum of `per_row` over all batches before the i-th; shape (n_batches + 1,)."""
        return np.concatenate([[0], np.cumsum(per_row[self.rows])])[self.bounds]


def plan_stage(
    lengths: Indices, tokens: int, epochs: int, seed: int, stage: str, rows: Rows = "grouped", width: int = 0
) -> BatchPlan:
    """The batches of `epochs` passes over rows of the given lengths.

    Args:
        lengths: tokens per row.
        tokens: a batch has at most so many tokens, padding included. A longer row makes a batch of its own.
        rows: "grouped" pads rows of similar length to the longest, "packed" puts several into lines of `width` tokens.
        width: tokens of a packed line; no row is longer.
    """
    seeds = [item_seed(stage, "1", "batches", seed, epoch) for epoch in range(epochs)]
    if rows == "grouped":
        return _join([batch for one in seeds for batch in _plan_epoch(lengths, tokens, one)])
    lines = [line for one in seeds for line in _pack_epoch(lengths, width, one)]
    joined, per_batch = _join(lines), max(1, tokens // width)
    starts = joined.bounds[: len(lines) : per_batch]
    return BatchPlan(joined.rows, np.append(starts, joined.bounds[-1]), joined.bounds, width)


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


def _pack_epoch(lengths: Indices, width: int, seed: int) -> list[Indices]:
    """Lines of at most `width` tokens, in random order, each of rows from all over the corpus.

    A row goes into the open line that it fills best (best fit; Johnson 1974). A line that no row can fill up any more, or
    the fullest where too many are open, is closed.
    """
    shortest = int(lengths.min(initial=width))
    lines: list[Indices] = []
    open_: list[list[int]] = []
    room: list[int] = []
    for row in _shuffled(len(lengths), seed).tolist():
        length = int(lengths[row])
        fitting = [i for i, left in enumerate(room) if left >= length]
        best = min(fitting, key=room.__getitem__) if fitting else len(room)
        if best == len(room):
            open_.append([])
            room.append(width)
        open_[best].append(row)
        room[best] -= length
        full = room[best] < shortest
        if full or len(room) > _OPEN:
            closing = best if full else min(range(len(room)), key=room.__getitem__)
            room.pop(closing)
            lines.append(np.array(open_.pop(closing), np.int64))
    lines += [np.array(line, np.int64) for line in open_]
    return [lines[i] for i in _shuffled(len(lines), seed ^ 1)]


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
