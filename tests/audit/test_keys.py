"""Identities are computed once, kept by release of RDKit, and survive whatever happens to the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdkit import rdBase
from small_tasks import fragile

from mmai_gym.audit import keys
from mmai_gym.audit.keys import Keys, sides, skeletons


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path))
    return tmp_path / "derived"


class Counting:
    """An identity that remembers what it was asked for."""

    __name__ = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, smiles: list[str]) -> list[str | None]:
        self.asked += smiles
        return [text.lower() for text in smiles]


def counting(monkeypatch: pytest.MonkeyPatch) -> tuple[Counting, Keys]:
    identify = Counting()
    monkeypatch.setattr(keys, "WorkerPool", lambda *args, **kwargs: None)
    return identify, Keys(identify)


def test_skeletons_see_through_stereo_spelling_and_charge_and_nothing_else() -> None:
    same = skeletons(["C[C@H](N)C(=O)O", "OC(=O)[C@H](C)N", "C[C@@H]([NH3+])C(=O)[O-]"])
    assert len(set(same)) == 1
    assert skeletons(["CCO", "C1CC", "CCO.Cl"])[1] is None
    assert len(set(skeletons(["CCO", "CCO.Cl"]))) == 2


def test_sides_are_canonical_and_without_maps() -> None:
    assert sides(["[CH3:1]O.Cl", "Cl.OC", "C1CC"]) == ["CO.Cl", "CO.Cl", None]


def test_nothing_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    identify, first = counting(monkeypatch)
    assert first.of("a", ["X", "Y", "X"]) == ["x", "y", "x"]
    assert first.of("a", ["Y", "Z"]) == ["y", "z"]
    _, second = identify, Keys(identify)
    assert second.of("a", ["Z", "X"]) == ["z", "x"]
    assert identify.asked == ["X", "Y", "Z"]


def test_data_sets_are_kept_apart_and_one_at_a_time(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    identify, found = counting(monkeypatch)
    found.of("a", ["X"])
    found.of("b", ["X"])
    found.of("a", ["X"])
    assert identify.asked == ["X", "X"]
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"counting-1-{name}-rdkit-{rdBase.rdkitVersion}.json.gz" for name in ("a", "b")]


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8bnot gzip at all", None, "cut", "list"])
def test_a_file_that_is_lost_or_damaged_costs_one_computation(
    damage: bytes | str | None, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    identify, first = counting(monkeypatch)
    first.of("a", ["X"])
    (path,) = folder.iterdir()
    if damage is None:
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-6])
    elif damage == "list":
        path.write_bytes(b"[1, 2]")
    else:
        assert isinstance(damage, bytes)
        path.write_bytes(damage)
    assert Keys(identify).of("a", ["X"]) == ["x"]
    assert Keys(identify).of("a", ["X"]) == ["x"]
    assert identify.asked == ["X", "X"]


def test_many_molecules_are_computed_in_workers_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = ["C" * n + "O" for n in range(1, 8)] + ["C1CC"]
    expected = skeletons(smiles)
    monkeypatch.setattr(keys, "_WORTH_A_POOL", 2)
    monkeypatch.setattr(keys, "_CHUNK", 3)
    assert Keys(skeletons).of("a", smiles) == expected


def test_a_molecule_that_kills_its_worker_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_WORTH_A_POOL", 2)
    monkeypatch.setattr(keys, "_CHUNK", 3)
    assert Keys(fragile).of("a", ["A", "killer", "B", "C"]) == ["a", None, "b", "c"]
