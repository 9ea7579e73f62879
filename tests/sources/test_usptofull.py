"""USPTO-full: read without canonicalising it all, unreadable lines left out by name and no others."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError, InvalidMolecule, row_id
from mmai_gym.molecules import parse
from mmai_gym.sources import usptofull
from mmai_gym.sources.manifest import Dataset, File

GOOD = "[CH3:1][NH:2][C:3]([CH3:4])=[O:5],[CH3:1][NH2:2].Cl[C:3]([CH3:4])=[O:5]"
BAD = "C(=O,CC"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Replace the files by one of three rows, the second of which is known to be unreadable."""
    for cached in (usptofull._lines, usptofull._positions):
        monkeypatch.setattr(usptofull, cached.__name__, cached.__wrapped__)
    monkeypatch.setattr(usptofull, "UNREADABLE", {"valid": frozenset({1}), "test": frozenset({1})})

    def write(text: str) -> None:
        (tmp_path / "t.csv.xz").write_bytes(lzma.compress(text.encode()))
        files = [
            File(
                dataset="uspto-full",
                key=key,
                repository="owner/repo",
                commit="0" * 40,
                path="t.csv.xz",
                sha256="0" * 64,
                bytes=1,
                rows=3,
                licence="none stated",
            )
            for key in ("valid", "test")
        ]
        toy = Dataset(name="uspto-full", title="t", citation="c", terms="t", files=tuple(files))
        monkeypatch.setattr(usptofull, "dataset", lambda name: toy)
        monkeypatch.setattr(usptofull.tables, "path_of", lambda file: tmp_path / "t.csv.xz")

    return write


def test_maps_are_gone_and_known_unreadable_lines_are_left_out(write) -> None:  # type: ignore[no-untyped-def]
    write(f"input,target\n{GOOD}\n{BAD}\n{GOOD}\n")
    rows = usptofull.reactions("test")
    assert [row.id for row in rows] == [row_id("uspto-full", "test", position) for position in (0, 2)]
    assert (rows[0].product, rows[0].reactants) == ("CNC(C)=O", "CC(=O)Cl.CN")
    assert rows[0].mapped == ">>".join(GOOD.split(",")[::-1])


def test_rows_are_canonicalised_when_asked_for(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    asked: list[str] = []
    monkeypatch.setattr(usptofull, "canonical_set", lambda text: asked.append(text) or "C")
    write(f"input,target\n{GOOD}\n{BAD}\n{GOOD}\n")
    rows = usptofull.reactions("valid")
    assert (len(rows), asked) == (2, [])
    assert rows[1].product == "C"
    assert asked == GOOD.split(",")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"target,input\n{GOOD}\n{BAD}\n{GOOD}\n", "header 'target,input' instead of 'input,target'"),
        (f"input,target\n{GOOD}\n{BAD}\n", "2 rows instead of 3"),
        ("", "header ''"),
    ],
)
def test_another_table_is_refused(write, text: str, named: str) -> None:  # type: ignore[no-untyped-def]
    write(text)
    with pytest.raises(DataError, match=named):
        usptofull.reactions("test")


@pytest.mark.parametrize("line", [BAD, "CC", "CC,CC,CC", ",CC"])
def test_a_line_that_is_no_reaction_is_named(write, line: str) -> None:  # type: ignore[no-untyped-def]
    write(f"input,target\n{GOOD}\n{BAD}\n{line}\n")
    with pytest.raises(DataError, match="USPTO-full, test, line 4"):
        usptofull.reactions("test")[1]


@pytest.mark.data
@pytest.mark.parametrize(("part", "rows"), [("valid", 96_092), ("test", 96_027)])
def test_sizes_are_the_files_without_their_unreadable_lines(part: usptofull.Part, rows: int) -> None:
    lines, found = usptofull._lines(part), usptofull.reactions(part)
    assert len(lines) == rows
    assert len(found) == usptofull.SIZES[part] == rows - len(usptofull.UNREADABLE[part])
    for position in usptofull.UNREADABLE[part]:
        with pytest.raises(InvalidMolecule):
            [parse(side) for side in lines[position].split(",")]
    chosen = found[:: rows // 200]
    assert not [row for row in chosen if ":" in row.product + row.reactants]
    assert all(row.product and row.reactants for row in chosen)
