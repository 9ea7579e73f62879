"""Skeletons are numbered as their InChIKeys would number them, with fewer InChIKeys."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmai_gym.audit import keys, skeletons
from mmai_gym.audit.skeletons import Skeletons

_SMILES = {
    "a": ["CCO", "C[C@H](N)C(=O)O", "C1CCCCC1", "*C", "nonsense"],
    "b": ["OCC", "c1ccccc1", "C[C@@H](N)C(=O)O", "CCCO", "C1=CCCCC1"],
    "c": ["c1ccccc1", "[O-]C(=O)[C@H](C)[NH3+]", "CC(C)O"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path))
    monkeypatch.setattr(keys, "WorkerPool", lambda *args, **kwargs: None)


def _numbers() -> dict[str, int | None]:
    numbering = Skeletons()
    found = {}
    for dataset, smiles in _SMILES.items():
        found |= zip(smiles, numbering.of(dataset, smiles), strict=True)
    assert len(numbering) == len({number for number in found.values() if number is not None})
    return found


def test_numbers_are_equal_where_inchikeys_are() -> None:
    found = _numbers()
    keys_of = dict(zip(found, keys.skeletons(list(found)), strict=True))
    assert [text for text, number in found.items() if number is None] == ["*C", "nonsense"]
    for one, number in found.items():
        for other, another in found.items():
            if number is not None:
                assert (number == another) == (keys_of[one] == keys_of[other]), (one, other)


def test_a_molecule_like_no_other_needs_no_inchikey(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    computed = keys.skeletons

    def counted(smiles: list[str]) -> list[str | None]:
        asked.extend(smiles)
        return computed(smiles)

    monkeypatch.setattr(skeletons, "skeletons", counted)
    _numbers()
    assert {"CCCO", "CC(C)O", "nonsense"}.isdisjoint(asked)
    assert {"CCO", "OCC", "C1CCCCC1", "c1ccccc1", "C1=CCCCC1"} <= set(asked)
