"""The concordance index and its bootstrap, without looking at every pair of items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmai_gym.stats.arrays import NAN, FloatArray, IndexArray, has_nan


class Concordance:
    """The concordance index of any resample of fixed items, given how often each was drawn.

    Sorting is nearly all the work of a concordance index, and the order of the items is the same in every resample. With
    the sorting done once, a bootstrap over 20,000 items takes seconds, and its counts are exactly those of the resamples.

    Discordant pairs are inversions of the predicted ranks, with the items in the order of truth. They are counted one bit of
    the ranks at a time: two ranks first differ at one bit. With the items grouped by the bits above it, and in their
    original order within a group, a pair is inverted there when a set bit stands before an unset one.
    """

    def __init__(self, truth: FloatArray, prediction: FloatArray) -> None:
        self._undefined = has_nan(truth, prediction)
        ranks = np.unique(prediction, return_inverse=True)[1]
        levels = np.unique(truth, return_inverse=True)[1]
        both = np.unique(levels * (len(ranks) + 1) + ranks, return_inverse=True)[1]
        self._levels, self._ranks, self._both = levels, ranks, both
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

    def of(self, weights: npt.NDArray[np.int64]) -> float:
        """NaN where no two items with different truths were drawn. Shape (n,): draws of each item."""
        if self._undefined:
            return NAN
        total = int(weights.sum())
        comparable = (total**2 - _squares(self._levels, weights)) // 2
        if comparable == 0:
            return NAN
        tied = (_squares(self._ranks, weights) - _squares(self._both, weights)) // 2
        discordant = 0
        for set_items, unset_items, (start, stop) in self._bits:
            drawn = np.concatenate(([0], np.cumsum(weights[set_items])))
            discordant += int(np.dot(drawn[stop] - drawn[start], weights[unset_items]))
        return float((comparable - discordant - 0.5 * tied) / comparable)


def _squares(groups: IndexArray, weights: npt.NDArray[np.int64]) -> int:
    """Sum over groups of their squared weight: what ties among `total` weighted items subtract from its square."""
    sums = np.bincount(groups, weights=weights).astype(np.int64)
    return int(np.dot(sums, sums))
