"""Prompts that begin alike, such as those about one protein and many drugs: what they share is read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 128
"""Tokens that must be shared: rows go on behind them token by token, which reads a short prompt more slowly."""
_SLACK = 64
"""Tokens of what is shared that are given up to take in one prompt more."""


@dataclass(slots=True)
class Branches:
    """Prompts `members` (positions) whose first `shared` tokens are the same; each has at least one token more."""

    shared: int
    members: list[int]


def branches(prompts: Sequence[Sequence[int]]) -> list[Branches]:
    """All prompts, each once: those that begin with many tokens alike together, every other one by itself (shared 0)."""
    found: list[Branches] = []
    for i in sorted(range(len(prompts)), key=lambda i: tuple(prompts[i])):
        if found and (common := _joining(found[-1], prompts[found[-1].members[0]], prompts[i])):
            found[-1].shared = common
            found[-1].members.append(i)
        else:
            found.append(Branches(0, [i]))
    return found


def _joining(group: Branches, first: Sequence[int], prompt: Sequence[int]) -> int:
    """What a group would share with one prompt more; 0 where that is too little."""
    most = min(group.shared or len(first) - 1, len(prompt) - 1)
    common = next((k for k in range(most) if first[k] != prompt[k]), most)
    return common if common >= max(LEAST, group.shared - _SLACK) else 0
