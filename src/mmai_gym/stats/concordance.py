"""The concordance index and its bootstrap, without looking at every pair of items."""

from __future__ import annotations

import numpy as np

from mmai_gym.stats.arrays import FloatArray, IndexArray, has_nan
from mmai_gym.stats.counted import Levels, Weights, ratio


class Concordance:
    """The concordance index of any resamples of fixed items, given how often each was drawn.

    Sorting is nearly all the work of a concordance index, and the order of the items is the same in every resample. With
    the sorting done once, a bootstrap over 20,000 items takes seconds, and its counts are exactly those of the resamples.

    Discordant pairs are inversions of the predicted ranks, with the items in the order of truth. They are counted one bit of
    the ranks at a time: two ranks first differ at one bit. With the items grouped by the bits above it, and in their
    original order within a group, a pair is inverted there when a set bit stands before an unset one.
    """

    def __init__(self, truth: FloatArray, prediction: FloatArray) -> None:
        self._undefined = has_nan(truth, prediction)
        self._truths, self._predictions = Levels(truth), Levels(prediction)
        ranks = self._predictions.of_item
        self._both = Levels(self._truths.of_item * (len(ranks) + 1) + ranks)
        in_order = np.lexsort((prediction, truth))
        self._bits = [
            self._bit(in_order, ranks, bit) for bit in range(int(ranks.max(initial=0)).bit_length() - 1, -1, -1)
        ]

    @staticmethod
    def _bit(in_order: IndexArray, ranks: IndexArray, bit: int) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Items with the bit set, then items without it and how many set ones stand before them: from where to where.

        The set items come group by group; `start` and `stop` bound those of an unset item's own group before it.
        """
        group = ranks[in_order] >> (bit + 1)
        order = in_order[np.argsort(group, kind="stable")]
        group, is_set = ranks[order] >> (bit + 1), ((ranks[order] >> bit) & 1).astype(bool)
        before = np.cumsum(is_set) - is_set
        first_of_group = np.flatnonzero(np.diff(group, prepend=-1))
        sizes = np.diff(np.append(first_of_group, len(group)))
        start = np.repeat(before[first_of_group], sizes)
        inverted = ~is_set & (before > start)
        return order[is_set], order[inverted], np.stack([start[inverted], before[inverted]])

    def of(self, weights: Weights) -> FloatArray:
        """NaN where no two items with different truths were drawn."""
        comparable = (weights.sum(axis=1) ** 2 - _squares(self._truths, weights)) // 2
        tied = (_squares(self._predictions, weights) - _squares(self._both, weights)) // 2
        discordant = np.zeros_like(comparable)
        for set_items, unset_items, (start, stop) in self._bits:
            drawn = np.zeros((len(weights), len(set_items) + 1), dtype=np.int64)
            np.cumsum(weights.take(set_items, axis=1), axis=1, out=drawn[:, 1:])
            before = drawn.take(stop, axis=1) - drawn.take(start, axis=1)
            discordant += np.einsum("bi,bi->b", before, weights.take(unset_items, axis=1))
        return ratio(comparable - discordant - 0.5 * tied, comparable, undefined=self._undefined)


def _squares(levels: Levels, weights: Weights) -> Weights:
    """Sum over levels of their squared draws, shape (resamples,): what ties subtract from the square of all draws."""
    drawn = levels.draws(weights)
    return np.einsum("bi,bi->b", drawn, drawn).astype(np.int64)
