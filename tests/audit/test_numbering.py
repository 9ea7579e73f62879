"""Molecules are numbered as their identities would number them, with fewer identities."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmai_gym.audit import keys
from mmai_gym.audit.keys import Identify, Keys
from mmai_gym.audit.numbering import Numbering

_SMILES = {
    "a": ["CCO", "C[C@H](N)C(=O)O", "CC=CCO", "*C", "nonsense"],
    "b": ["OCC", "c1ccccc1", "C[C@@H](N)C(=O)O", "CCCO", "C=CCCO"],
    "c": ["c1ccccc1", "[O-]C(=O)[C@H](C)[NH3+]", "CC(C)O"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path))
    monkeypatch.setattr(keys, "WorkerPool", lambda *args, **kwargs: None)


def _numbers(identify: Identify = keys.skeletons) -> dict[str, int | None]:
    numbering = Numbering(Keys(keys.sketches), Keys(identify))
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


def test_sides_of_reactions_are_numbered_by_their_molecules_maps_apart() -> None:
    numbering = Numbering(Keys(keys.sketches), Keys(keys.sides))
    sides = ["CC.OC", "[CH3:2][OH:1].CC", "CC.CO.CO", "C[C@H](N)O", "CC(N)O", "*C", "C*", "C1CC"]
    found = numbering.of("reactions", sides)
    assert found[0] == found[1]
    assert found[5] == found[6] is not None
    assert found[7] is None
    assert len(set(found)) == 6


def test_a_molecule_like_no_other_needs_no_inchikey() -> None:
    asked: list[str] = []

    def counted(smiles: list[str]) -> list[str | None]:
        asked.extend(smiles)
        return keys.skeletons(smiles)

    _numbers(counted)
    assert {"CCCO", "CC(C)O", "c1ccccc1"}.isdisjoint(asked)
    assert {"CCO", "OCC", "CC=CCO", "C=CCCO"} <= set(asked)
