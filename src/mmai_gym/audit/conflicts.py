"""One question, different answers: what no model can get right, and what the best possible score has to do with it.

Public tables hold repeated measurements, misprints and stereoisomers whose labels differ. They are kept as they are,
since published figures were computed on them; here they are counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from mmai_gym.audit.reading import Row
from mmai_gym.contracts import Split


@dataclass(frozen=True, slots=True)
class Conflict:
    """One question with different answers, in whatever splits of a task.

    Attributes:
        molecules: skeletons that are asked the same and answered differently; stereoisomers may differ with reason.
        same_smiles: SMILES, letter by letter, that are.
        across: skeletons of which a test row differs from a row of another split.
        spread: the largest difference, where answers are numbers.
    """

    task: str
    molecules: int
    same_smiles: int
    across: int
    spread: float | None


_Given = list[tuple[bool, str]]
"""Answers, each with whether it stands in the test set."""


def conflict(
    task: str, rows: Mapping[Split, Sequence[Row]], skeletons: Mapping[Split, Sequence[tuple[int, ...]]]
) -> Conflict | None:
    """What is contradictory in a task, or None.

    Args:
        skeletons: of each row; one without any, since its molecule cannot be read, counts by its text alone.
    """
    by_text: dict[Hashable, _Given] = defaultdict(list)
    keys: dict[Hashable, Hashable] = {}
    for split, part in rows.items():
        for row, skeleton in zip(part, skeletons[split], strict=True):
            if row.asked:
                question = row.asked, row.proteins, row.molecules
                keys[question] = row.asked, row.proteins, skeleton or row.molecules
                by_text[question].append((split == "test", row.answer))
    by_skeleton: dict[Hashable, _Given] = defaultdict(list)
    for text, given in by_text.items():
        by_skeleton[keys[text]] += given
    differing = [given for given in by_skeleton.values() if _differ(given)]
    if not differing:
        return None
    return Conflict(
        task,
        len(differing),
        sum(map(_differ, by_text.values())),
        sum(map(_across, differing)),
        max((spread for given in differing if (spread := _spread(given)) is not None), default=None),
    )


def _differ(given: _Given) -> bool:
    return len({answer for _, answer in given}) > 1


def _across(given: _Given) -> bool:
    """Whether a test answer differs from an answer elsewhere."""
    test, rest = ({answer for tested, answer in given if tested is part} for part in (True, False))
    return bool(test and rest) and len(test | rest) > 1


def _spread(given: _Given) -> float | None:
    try:
        values = [float(answer) for _, answer in given]
    except ValueError:
        return None
    return max(values) - min(values)
