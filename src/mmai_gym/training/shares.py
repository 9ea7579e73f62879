"""A step's lines, cut for the processes that share it and for what one device holds at a time.

What a step teaches does not depend on the cut: each share's summed loss is divided by the supervised tokens of the whole
step. All processes run the same number of forward passes, because with sharded weights each pass is a meeting of all;
where lines run out, a share is empty and its pass teaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmai_gym.training.batches import Indices

Lines = list[Indices]


def share(
    lines: Sequence[Indices], lengths: Sequence[int], tokens: int | None, rank: int, ranks: int
) -> list[Lines]:
    """The forward passes of process `rank` of `ranks`, each some of a step's lines; a pass may be empty.

    Args:
        lengths: tokens of each line.
        tokens: at most so many tokens in one pass, padding included; None for no bound. A longer line makes a pass of
            its own.
    """
    if ranks == 1 and (tokens is None or max(lengths) * len(lines) <= tokens):
        return [list(lines)]
    order = np.argsort(lengths, kind="stable")
    passes = 1
    while True:
        parts = np.array_split(order, ranks * passes)
        largest = max(len(part) * lengths[part[-1]] for part in parts if len(part))
        if tokens is None or largest <= tokens or max(map(len, parts)) == 1:
            return [[lines[i] for i in part] for part in parts[rank::ranks]]
        passes += 1
