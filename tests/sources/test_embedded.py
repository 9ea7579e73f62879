"""The embedded set: read from the RDKit wheel, checked, split by scaffold, the same on every machine."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from mmai_gym import sources
from mmai_gym.contracts import SPLITS, DataError
from mmai_gym.molecules import canonical, connectivity, heavy_atoms, murcko_scaffold
from mmai_gym.sources import embedded


def test_the_molecules_are_distinct_plain_organic_and_canonical() -> None:
    rows = embedded.molecules()
    assert len(rows) >= 4_500
    assert len({row.id for row in rows}) == len({row.smiles for row in rows}) == len(rows)
    for row in rows[::20]:
        assert canonical(row.smiles) == row.smiles
        assert 4 <= heavy_atoms(row.smiles) <= 40
        assert "." not in row.smiles
        assert {atom.GetSymbol() for atom in Chem.MolFromSmiles(row.smiles).GetAtoms()} <= embedded.ELEMENTS
    sample = rows[::10]
    assert len({connectivity(row.smiles) for row in sample}) == len(sample)


@pytest.mark.parametrize("rows", [embedded.molecules, embedded.activity, embedded.conformers])
def test_splits_part_the_rows_and_share_no_ring_scaffold(rows) -> None:  # type: ignore[no-untyped-def]
    parts = {split: rows(split) for split in SPLITS}
    assert sum(map(len, parts.values())) == len(rows())
    assert len({row.id for part in parts.values() for row in part}) == len(rows())
    scaffolds = [{murcko_scaffold(row.smiles) for row in part} - {""} for part in parts.values()]
    assert not (scaffolds[0] & scaffolds[1] or scaffolds[0] & scaffolds[2] or scaffolds[1] & scaffolds[2])


def test_the_split_of_the_molecules_is_about_80_10_10() -> None:
    shares = Counter(row.split for row in embedded.molecules())
    total = sum(shares.values())
    assert 0.75 < shares["train"] / total < 0.85
    assert all(0.07 < shares[split] / total < 0.13 for split in ("valid", "test"))


def test_the_measured_series_joins_structure_and_activity() -> None:
    rows = embedded.activity()
    assert len(rows) == 1_017
    assert (min(row.activity for row in rows), max(row.activity for row in rows)) == (4.27, 9.22)
    first = rows[0]
    assert first.smiles == canonical("O=S(=O)(Nc1cccs1)c2ccc(Oc3ccccc3c4ccccc4)c(c2)C#N")
    assert first.activity == 5.48


def test_the_conformers_are_three_dimensional_with_plausible_bonds() -> None:
    rows = embedded.conformers()
    assert len(rows) == 365
    for row in rows[::30]:
        n = len(row.symbols)
        assert row.coordinates.shape == (n, 3)
        assert "H" in row.symbols
        assert len(row.symbols) - row.symbols.count("H") == heavy_atoms(row.smiles)
        distances = np.linalg.norm(row.coordinates[:, None] - row.coordinates[None], axis=-1) + 9 * np.eye(n)
        assert 0.9 < distances.min() < 1.2  # every one has a C-H bond, and no two atoms clash
        assert np.ptp(row.coordinates, axis=0).min() > 0.1


def test_the_checksums_name_every_file_of_the_wheel() -> None:
    found = sources.checksums("embedded")
    assert set(found) == {file.name for file in embedded.FILES}
    assert all(len(value) == 64 for value in found.values())


@pytest.mark.parametrize(
    ("attribute", "reader"),
    [
        ("NCI", "_all_molecules"),
        ("SERIES", "_all_activity"),
        ("SERIES_ACTIVITY", "_all_activity"),
        ("EGFR", "_all_conformers"),
    ],
)
@pytest.mark.parametrize("content", [None, b""])
def test_a_wheel_without_the_file_or_with_less_in_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str, reader: str, content: bytes | None
) -> None:
    file = replace(getattr(embedded, attribute), folder=str(tmp_path))
    monkeypatch.setattr(embedded, attribute, file)
    if content is not None:
        file.path.parent.mkdir(parents=True)
        file.path.write_bytes(content)
    with pytest.raises(DataError, match=r"RDKit \(20") as caught:
        getattr(embedded, reader).__wrapped__()
    assert str(file.path) in str(caught.value)


def test_a_series_whose_files_do_not_join_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = replace(embedded.SERIES_ACTIVITY, folder=str(tmp_path))
    file.path.parent.mkdir(parents=True)
    lines = embedded.SERIES_ACTIVITY.path.read_text().splitlines()
    monkeypatch.setattr(embedded, "SERIES_ACTIVITY", file)
    file.path.write_text("\n".join([*lines[:-1], "other,5.0"]))
    with pytest.raises(DataError, match="has no activity for the compound"):
        embedded._all_activity.__wrapped__()
    file.path.write_text("\n".join([*lines[:5], "1520011,strong", *lines[6:]]))
    with pytest.raises(DataError, match="line 6: not a name and a number"):
        embedded._all_activity.__wrapped__()
