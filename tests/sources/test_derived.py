"""Derived tables: made once, whoever asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError
from mmai_gym.sources.derived import derived_column, derived_table

MAKER = """
import sys, time
from mmai_gym.sources.derived import derived_table

def compute():
    with open(sys.argv[1], "a") as stream:
        stream.write("made\\n")
    time.sleep(1.0)
    return [1, 2]

assert derived_table("slow", "1", ["x"], compute) == [1, 2]
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "derived"


def length(text: str) -> int:
    if text == "bad":
        raise ValueError("no length")
    return len(text)


def test_a_table_is_computed_once_and_again_where_it_is_damaged(own_cache: Path) -> None:
    calls = []

    def rows() -> list[int]:
        return derived_table("t", "1", ["a", "b"], lambda: calls.append(1) or [len(calls)])  # type: ignore[func-returns-value]

    assert [rows(), rows()] == [[1], [1]]
    (path,) = own_cache.glob("t-*.gz")
    for damaged in (b"", b"no gzip", path.read_bytes()[:-9], path.read_bytes()[:12] + b"\xff" * 20):
        path.write_bytes(damaged)
        assert rows() == [len(calls)]
    assert len(calls) == 5
    assert derived_table("t", "2", ["a", "b"], lambda: ["another version"]) == ["another version"]


def test_processes_that_want_the_same_table_wait_for_the_one_that_makes_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKER, str(tmp_path / "made")]
    processes = [subprocess.Popen(command, env=os.environ.copy()) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "made").read_text() == "made\n"


@pytest.mark.parametrize("count", [5, 3_500], ids=["here", "in workers"])
def test_a_column_names_the_input_that_cannot_be_computed(count: int) -> None:
    texts = ["a" * (1 + i % 7) for i in range(count)]
    assert derived_column("lengths", "1", texts, length) == list(map(len, texts))
    with pytest.raises(DataError, match="cannot compute lengths of 'bad': error ValueError: no length"):
        derived_column("lengths", "1", [*texts, "bad"], length)
