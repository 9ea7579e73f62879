"""MoleculeACE: official rows and cliff marks, and a validation part that never parts stereoisomers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError, UsageError
from mmai_gym.molecules import formula
from mmai_gym.sources import dataset, memory, moleculeace
from mmai_gym.sources.manifest import Dataset, File

HEADER = "smiles,exp_mean [nM],y,cliff_mol,split,y [pEC50/pKi]\n"
ROWS = "".join(
    f"{'C' * n}{'O' * (n % 3)}N,1000.0,-3.0,{n % 2},{'test' if n % 5 == 0 else 'train'},6.0\n"
    for n in range(1, 120)
)


class Table:
    """One table under the name of a target, with a manifest that fits it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "table.csv"
        monkeypatch.setattr(moleculeace, "dataset", lambda name: self.dataset)
        monkeypatch.setattr(moleculeace.tables, "path_of", lambda file: self.path)
        self.write(HEADER + ROWS)

    def write(self, text: str, rows: int | None = None) -> None:
        self.path.write_text(text)
        file = File(
            dataset="moleculeace",
            key="chembl204_ki",
            repository="owner/repo",
            commit="0" * 40,
            path="table.csv",
            sha256="0" * 64,
            bytes=1,
            rows=text.count("\n") - 1 if rows is None else rows,
            licence="MIT",
        )
        self.dataset = Dataset(name="moleculeace", title="t", citation="c", terms="t", files=(file,))
        forget()


def forget() -> None:
    memory.turn_to("")
    moleculeace._held_back.cache_clear()


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    yield Table(tmp_path, monkeypatch)
    forget()


def parts() -> dict[str, tuple[moleculeace.Measured, ...]]:
    return {split: moleculeace.molecules("chembl204_ki", split) for split in ("train", "valid", "test")}  # type: ignore[arg-type]


def test_the_test_part_is_the_official_one_and_the_rest_is_divided_by_formula(table: Table) -> None:
    found = parts()
    assert len(found["test"]) == 23
    assert len(found["train"]) + len(found["valid"]) == 96
    assert found["valid"]
    assert not {formula(row.smiles) for row in found["train"]} & {formula(row.smiles) for row in found["valid"]}
    assert len({row.id for rows in found.values() for row in rows}) == 119
    assert [row.cliff for row in found["test"][:2]] == [True, False]
    assert found["test"][0].activity == 6.0


def test_stereoisomers_are_never_parted(table: Table) -> None:
    isomers = [f"C[C@H](N){'C' * n}O" for n in range(40)] + [f"C[C@@H](N){'C' * n}O" for n in range(40)]
    table.write(HEADER + "".join(f"{smiles},1,0,0,train,9\n" for smiles in isomers))
    found = parts()
    flat = [{row.smiles.replace("@", "") for row in found[split]} for split in ("train", "valid")]
    assert flat[1]
    assert not flat[0] & flat[1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("C,1,0,0,train,nan\n", "row 0: 'nan' is not finite"),
        ("C,1,0,0,train,\n", "row 0: '' is not a number"),
        ("C,1,0,2,train,9\n", "row 0: cliff_mol is '2'"),
        ("C,1,0,0,valid,9\n", "row 0: the split 'valid' is not train or test"),
        ("C,1,0,0,train,9\nC,1,0,0,test,9\n", "row 1: C stands in the table twice"),
        ("C,1,0,0,train,9\nC1CC,1,0,0,test,9\n", "row 1: cannot read"),
        ("C,1,0,0,train\n", "row 1: not 6 fields"),
    ],
)
def test_a_malformed_row_is_named(table: Table, text: str, fault: str) -> None:
    table.write(HEADER + text)
    with pytest.raises(DataError, match=fault):
        parts()


def test_a_torn_or_renamed_table_is_named(table: Table) -> None:
    table.write(HEADER + ROWS, rows=120)
    with pytest.raises(DataError, match="119 rows instead of 120"):
        parts()
    table.write(HEADER.replace("cliff_mol", "cliff") + ROWS)
    with pytest.raises(DataError, match="no column cliff_mol"):
        parts()


def test_columns_are_found_by_name_wherever_they_stand(table: Table) -> None:
    table.write("y [pEC50/pKi],split,cliff_mol,smiles\n7.5,test,1,CCO\n")
    (row,) = parts()["test"]
    assert (row.smiles, row.activity, row.cliff) == ("CCO", 7.5, True)


def test_unknown_names_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="did you mean 'chembl204_ki'"):
        moleculeace.molecules("chembl204", "test")
    with pytest.raises(UsageError, match="unknown split 'dev'"):
        moleculeace.molecules("chembl204_ki", "dev")  # type: ignore[arg-type]


def test_every_target_is_in_the_manifest_with_as_many_rows_as_its_parts() -> None:
    files = {file.key: file.rows for file in dataset("moleculeace").files}
    assert len(files) == 30
    assert files == {name: sum(moleculeace.sizes(name).values()) for name in moleculeace.TARGETS}
    assert sum(files.values()) == 48_714
    assert sum(target.test for target in moleculeace.TARGETS.values()) == 9_802
    assert sum(target.train + target.valid for target in moleculeace.TARGETS.values()) == 38_912


@pytest.mark.data
def test_every_table_reads_whole_with_its_published_numbers() -> None:
    cliffs = 0
    for name in moleculeace.TARGETS:
        found = {split: moleculeace.molecules(name, split) for split in ("train", "valid", "test")}  # type: ignore[arg-type]
        assert {split: len(rows) for split, rows in found.items()} == moleculeace.sizes(name)
        assert 0.06 < len(found["valid"]) / (len(found["train"]) + len(found["valid"])) < 0.14
        rows = [row for part in found.values() for row in part]
        assert len({row.id for row in rows}) == len({row.smiles for row in rows}) == len(rows)
        assert min(row.activity for row in rows) > 2.5
        assert max(row.activity for row in rows) <= 11.0
        cliffs += sum(row.cliff for row in rows)
    assert cliffs == 18_831


@pytest.mark.data
def test_no_skeleton_of_a_small_target_trains_and_validates() -> None:
    from mmai_gym.molecules import connectivity

    train, valid = (
        {connectivity(row.smiles) for row in moleculeace.molecules("chembl1871_ki", split)}
        for split in ("train", "valid")
    )  # type: ignore[arg-type]
    assert not train & valid
