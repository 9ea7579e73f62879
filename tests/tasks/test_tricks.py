"""What disqualifies an answer whatever its properties."""

from __future__ import annotations

import pytest

from mmai_gym.molecules import canonical
from mmai_gym.tasks.tricks import LARGEST_VALUED, trick, worthless


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("CCCCN", ""),
        ("CCCCCCCCCC", ""),  # twice the size is allowed
        ("CCCCCCCCCCC", "more than twice the size"),
        ("CCCCO.C", "more than one molecule"),
        ("[13CH3]CCCO", "isotopes"),
        ("[2H]OCCCC", "isotopes"),
        ("CCCC[O]", "radicals"),
        ("CCCC[OH:1]", "atom maps"),
        ("CCCC*", "wildcard"),
        ("CCCC[O-]", "another net charge"),
        ("[NH3+]CCC[O-]", ""),
    ],
)
def test_each_door_is_shut_and_nothing_else(target: str, named: str) -> None:
    found = trick("CCCCO", canonical(target))
    assert named in found and bool(found) == bool(named)


def test_only_a_trick_of_monstrous_size_is_not_valued() -> None:
    limit = "C" * LARGEST_VALUED
    assert not worthless(trick("CCO", limit), limit)
    assert worthless(trick("CCO", limit + "C"), limit + "C")
    assert not worthless(trick(limit, limit + "C"), limit + "C")  # large, but no trick
