"""Rows come out of worker processes as they are, in whatever pieces a task is read."""

from __future__ import annotations

import pytest
from small_tasks import AbsentTask, SmallTask, measured, pairs, register, retro

from mmai_gym.audit import reading
from mmai_gym.audit.reading import Row, read
from mmai_gym.contracts import DataError, Molecule, Structure

REAL = ["activity/embedded", "properties/embedded/logp-class"]


def test_workers_and_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_WORTH_A_WORKER", 10**9)
    here = list(read(REAL))
    monkeypatch.setattr(reading, "_WORTH_A_WORKER", 1)
    monkeypatch.setattr(reading, "_PIECE", 400)
    assert list(read(REAL)) == here
    assert [name for name, _ in here] == REAL
    parts = here[0][1]
    assert not isinstance(parts, DataError)
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 723, "valid": 168, "test": 126}


def test_a_row_tells_molecules_proteins_and_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        *measured("CCO", "CCN"),
        *pairs(("CCO", "MKV")),
        ((Molecule("CCO"), Molecule("known: 3", "text")), "no"),
    ]
    register(monkeypatch, SmallTask("a/a", {"test": rows}))
    ((_, parts),) = read(["a/a"])
    assert not isinstance(parts, DataError)
    first, second, pair, told = parts["test"]
    assert (first.molecules, first.answer, first.made) == (("CCO",), "yes", None)
    assert first.asked == second.asked == pair.asked != told.asked
    assert pair.molecules == ("CCO",) and len(pair.proteins) == 1
    assert parts["train"] == parts["valid"] == []


def test_a_reaction_stays_as_it_is_written_and_asks_nothing_that_could_conflict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch, retro("a/retro", {"train": ["OCC.CC(=O)Cl>>O(CC)C(C)=O"]}))
    ((_, parts),) = read(["a/retro"])
    assert not isinstance(parts, DataError)
    (row,) = parts["train"]
    assert (row.molecules, row.made, row.asked) == (("O(CC)C(C)=O",), ("O(CC)C(C)=O", "OCC.CC(=O)Cl"), "")


def test_an_answer_that_nobody_knows_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = SmallTask(
        "a/a", {"test": measured("CCO", answer="x"), "valid": [((Molecule("C"),), None)]}, form=Structure()
    )
    register(monkeypatch, unknown)
    ((_, parts),) = read(["a/a"])
    assert not isinstance(parts, DataError)
    assert parts["valid"] == [Row(("C",))]


def test_absent_data_stop_no_other_task(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, AbsentTask("gone/away"), SmallTask("a/a", {"test": measured("CCO")}))
    (_, gone), (name, parts) = read(["gone/away", "a/a"])
    assert isinstance(gone, DataError) and "[no/file] of gone/away" in str(gone)
    assert name == "a/a" and not isinstance(parts, DataError) and len(parts["test"]) == 1
