"""Prompts that begin alike, such as those about one protein and many drugs: what they share is read once for all of them.

Rows go on behind it token by token, which takes as long for each as reading some dozens at once. So either much is
shared, or little follows and many share it, as in those about one drug and many proteins by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 128
"""Tokens that must be shared where much follows."""
FEW = 8
"""What follows, in tokens, behind a beginning that may be shorter,"""
SAVED = 512
"""if so many tokens less are read by sharing it."""
_SLACK = 64
"""Tokens of what is shared that are given up to take in one prompt more."""


@dataclass(slots=True)
class Branches:
    """Prompts `members` (positions) whose first `shared` tokens are the same; each has at least one token more."""

    shared: int
    members: list[int]


def branches(prompts: Sequence[Sequence[int]]) -> list[Branches]:
    """All prompts, each once: those that begin alike together where that saves time, any other by itself (shared 0)."""
    found: list[Branches] = []
    for i in sorted(range(len(prompts)), key=lambda i: tuple(prompts[i])):
        if found and (common := _joining(found[-1], prompts[found[-1].members[0]], prompts[i])):
            found[-1].shared = common
            found[-1].members.append(i)
        else:
            found.append(Branches(0, [i]))
    return [part for group in found for part in _worthwhile(group)]


def _joining(group: Branches, first: Sequence[int], prompt: Sequence[int]) -> int:
    """What a group would share with one prompt more; 0 where that is too little."""
    most = min(group.shared or len(first) - 1, len(prompt) - 1)
    common = next((k for k in range(most) if first[k] != prompt[k]), most)
    # Prompts are joined in alphabetical order, so that what follows in others of the group is as short or was let in.
    few = max(len(first), len(prompt)) - common <= FEW
    return common if few or common >= max(LEAST, group.shared - _SLACK) else 0


def _worthwhile(group: Branches) -> list[Branches]:
    """The group, or its members by themselves."""
    if not group.shared or group.shared >= LEAST or group.shared * (len(group.members) - 1) >= SAVED:
        return [group]
    return [Branches(0, [i]) for i in group.members]
