"""One public data set in memory at a time."""

from __future__ import annotations

import pytest

from mmai_gym.sources import kept, kept_data_set
from mmai_gym.sources.memory import turn_to


@pytest.fixture(autouse=True)
def forget() -> None:
    turn_to("")


def test_rows_are_read_once_while_their_data_set_is_asked_for_and_dropped_with_the_next() -> None:
    read: list[str] = []

    @kept("first")
    def first(part: str) -> str:
        read.append(part)
        return part

    @kept("second")
    def second() -> str:
        read.append("second")
        return "second"

    assert [first("a"), first("b"), first("a")] == ["a", "b", "a"]
    assert read == ["a", "b"]
    assert second() == "second"
    assert kept_data_set() == "second"
    assert first("a") == "a"
    assert read == ["a", "b", "second", "a"]


def test_a_loader_that_reads_another_set_on_the_way_keeps_only_its_own_rows() -> None:
    @kept("other")
    def other() -> list[int]:
        return [1, 2]

    @kept("joined")
    def joined() -> int:
        return sum(other())

    assert joined() == 3
    assert kept_data_set() == "joined"


def test_nothing_is_kept_of_a_loader_that_fails() -> None:
    calls: list[int] = []

    @kept("fails-once")
    def loader() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("torn")
        return 7

    with pytest.raises(OSError, match="torn"):
        loader()
    assert loader() == 7


def test_the_name_of_the_data_set_may_depend_on_the_arguments() -> None:
    @kept(lambda name: f"set-{name}")
    def rows(name: str) -> str:
        return name

    assert rows("a") == "a"
    assert kept_data_set() == "set-a"
    assert rows("b") == "b"
    assert kept_data_set() == "set-b"
