"""Which examples of a task enter a corpus: those that the limit takes, and that no test set forbids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmai_gym.audit import Guard, Reason
from mmai_gym.contracts import Split, item_seed
from mmai_gym.tasks.base import BaseTask


@dataclass(frozen=True, slots=True)
class Chosen:
    """Ascending positions of the chosen examples, and the reasons against each that was left out."""

    positions: Sequence[int]
    against: Sequence[tuple[Reason, ...]] = ()

    def excluded(self) -> dict[str, Any]:
        """For a manifest: how many examples were left out, and how many by rule and test set (one may count often)."""
        found = Counter(reason for reasons in self.against for reason in reasons)
        by: dict[str, dict[str, int]] = {}
        for (rule, test), count in sorted(found.items()):
            by.setdefault(rule, {})[test] = count
        return {"examples": len(self.against), "by_rule_and_test": by}


def choose(task: BaseTask, split: Split, limit: int | None, seed: int, guard: Guard | None = None) -> Chosen:
    """At most `limit` examples of a split, by hash; a smaller limit chooses a subset of a larger's.

    Further examples take the place of those that the guard leaves out, so that a limit is reached where it can be.
    """
    examples = task.examples(split)
    n = len(examples)
    limit = n if limit is None else min(limit, n)
    if guard is None and limit == n:
        return Chosen(range(n))
    order = sorted(range(n), key=lambda i: item_seed(task.name, task.version, f"{split}/limit", seed, i))
    if guard is None:
        return Chosen(sorted(order[:limit]))
    kept: list[int] = []
    against: list[tuple[Reason, ...]] = []
    while len(kept) < limit and len(kept) + len(against) < n:
        start = len(kept) + len(against)
        batch = order[start : start + limit - len(kept)]
        for position, reasons in zip(batch, guard.reasons([examples[i] for i in batch]), strict=True):
            if reasons:
                against.append(reasons)
            else:
                kept.append(position)
    return Chosen(sorted(kept), against)
