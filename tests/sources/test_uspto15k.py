"""USPTO-15K: sides without atom maps, the published sizes, and the training lines that its held-out sets repeat."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError, row_id
from mmai_gym.molecules import canonical_set
from mmai_gym.sources import uspto15k
from mmai_gym.sources.manifest import Dataset, File, Member

LINES = [
    "[CH3:4][NH2:5].[CH3:1][C:2](=[O:3])[Cl:6]>>CNC(C)=O 5;;2-6-1.0;2-5-1.0",
    "[CH3:2][OH:1].[ClH:3]>>CO ;;;",
]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Replace the archive by one whose parts all hold the given lines."""
    monkeypatch.setattr(uspto15k, "_lines", uspto15k._lines.__wrapped__)

    def write(lines: list[str]) -> None:
        text = "".join(line + "\n" for line in lines)
        members = [
            Member(
                path=f"data/{part}.txt",
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                bytes=len(text),
                rows=len(LINES),
            )
            for part in ("train", "valid", "test")
        ]
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            for member in members:
                archive.writestr(member.path, text)
        file = File(
            dataset="uspto-15k",
            key="data",
            repository="owner/repo",
            commit="0" * 40,
            path="data.zip",
            sha256="0" * 64,
            bytes=1,
            rows=len(LINES),
            licence="MIT",
            members=members,
        )
        toy = Dataset(name="uspto-15k", title="t", citation="c", terms="t", files=(file,))
        monkeypatch.setattr(uspto15k, "dataset", lambda name: toy)
        monkeypatch.setattr(uspto15k.tables, "path_of", lambda file: tmp_path / "data.zip")

    return write


def test_maps_are_gone_and_reagents_stand_among_the_reactants(write) -> None:  # type: ignore[no-untyped-def]
    write(LINES)
    first, second = uspto15k.reactions("valid")
    assert (first.reactants, first.product) == ("CC(=O)Cl.CN", "CNC(C)=O")
    assert (second.reactants, second.product) == ("CO.Cl", "CO")
    assert first.id == row_id("uspto-15k", "valid", 0)
    assert first.mapped == LINES[0].split(" ")[0]
    assert (first.edits, second.edits) == ("5;;2-6-1.0;2-5-1.0", ";;;")


@pytest.mark.parametrize(
    "line",
    ["C>>C", "C>C ;;;", "C>>C;;; ", "C>>C ;;", "C(>>C ;;;", "C>> ;;;", "C>>C ;;; more", "C>>C>>C ;;;", ""],
)
def test_a_line_that_is_no_reaction_is_named(write, line: str) -> None:  # type: ignore[no-untyped-def]
    write([LINES[0], line])
    rows = uspto15k.reactions("test")
    assert rows[0].product == "CNC(C)=O"
    with pytest.raises(DataError, match=r"data/test\.txt, line 2"):
        rows[1]


def test_a_cut_file_is_refused(write) -> None:  # type: ignore[no-untyped-def]
    write(LINES[:1])
    with pytest.raises(DataError, match="1 rows instead of 2"):
        uspto15k.reactions("train")


@pytest.mark.data
def test_the_parts_have_the_published_sizes() -> None:
    for split, size in (("train", 10_500), ("valid", 1_500), ("test", 3_000)):
        rows = uspto15k.reactions(split)
        assert len(rows) == uspto15k.SIZES[split] == size
        chosen = rows[:: size // 50]
        assert len({row.id for row in chosen}) == len(chosen)
        assert not [row for row in chosen if ":" in row.reactants + row.product]
        assert all(canonical_set(row.mapped.split(">>")[0]) == row.reactants for row in chosen)
        assert sum("." in row.reactants for row in chosen) > 0.9 * len(chosen)


@pytest.mark.data
@pytest.mark.slow
def test_the_known_oddities_of_the_set_are_all_of_them() -> None:
    rows = {split: list(uspto15k.reactions(split)) for split in ("train", "valid", "test")}
    unchanged = {split: sum(row.product in row.reactants.split(".") for row in rows[split]) for split in rows}
    assert unchanged == {"train": 64, "valid": 5, "test": 16}
    sides = {split: {(row.reactants, row.product) for row in rows[split]} for split in rows}
    assert [len(sides["train"] & sides[split]) for split in ("valid", "test")] == [3, 6]
    held_out = sides["valid"] | sides["test"]
    repeated = {i for i, row in enumerate(rows["train"]) if (row.reactants, row.product) in held_out}
    assert repeated == uspto15k.HELD_OUT
    every = [row for part in rows.values() for row in part]
    assert not [row for row in every if "@" in row.reactants + row.product or ":" in row.reactants + row.product]
    assert not [row for row in every if "." in row.product]
