"""Descriptions and names of molecules: what is in the files, and what is wrong with them."""

from __future__ import annotations

from collections import Counter

import pytest

from mmai_gym.contracts import UsageError
from mmai_gym.molecules import connectivity, formula, is_valid
from mmai_gym.sources import chebi20, chemllmbench, iupac, tables
from mmai_gym.sources.manifest import dataset


def test_splits_that_do_not_exist_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="it has valid and test"):
        chebi20.molecules("train")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown split 'dev'"):
        iupac.molecules("dev")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown question 'name'"):
        chemllmbench.reactions("name")  # type: ignore[arg-type]


@pytest.mark.data
@pytest.mark.parametrize(("split", "rows", "doubled"), [("valid", 3_301, 502), ("test", 3_300, 484)])
def test_chebi20_reads_whole_with_single_backslashes(split: str, rows: int, doubled: int) -> None:
    raw = list(tables.table(dataset("chebi-20").file(split), ["SMILES"], delimiter="\t"))
    assert sum("\\\\" in row["SMILES"] for row in raw) == doubled
    found = chebi20.molecules(split)  # type: ignore[arg-type]
    assert len(found) == len({row.id for row in found}) == len({row.cid for row in found}) == rows
    assert not any("\\\\" in row.smiles for row in found)
    assert sum("\\" in row.smiles for row in found) == doubled
    assert all(row.description.startswith("The molecule is") for row in found)
    assert all(is_valid(row.smiles) for row in found[::10])


@pytest.mark.data
def test_a_description_may_hold_quotation_marks() -> None:
    """A reader that takes them for quoting would join or cut rows."""
    path = tables.text(dataset("chebi-20").file("test"))
    assert [row.description for row in chebi20.molecules("test")] == [
        line.split("\t")[2] for line in path.split("\n")[1:] if line
    ]
    assert any('"' in row.description for row in chebi20.molecules("test"))


@pytest.mark.data
def test_iupac_names_read_whole() -> None:
    counts = {split: len(iupac.molecules(split)) for split in ("train", "valid", "test")}
    assert counts == {"train": 11_856, "valid": 982, "test": 1_985}
    for split in counts:
        rows = iupac.molecules(split)
        assert len({row.id for row in rows}) == len(rows)
        assert all(row.name and is_valid(row.smiles) for row in rows[::20])


@pytest.mark.data
def test_two_compounds_are_in_train_and_test_and_two_are_twice_in_train() -> None:
    train, valid, test = (
        Counter(row.cid for row in iupac.molecules(split)) for split in ("train", "valid", "test")
    )
    assert set(train) & set(test) == {"158536", "8722"}
    assert not set(valid) & (set(train) | set(test))
    assert {cid for cid, count in train.items() if count > 1} == {"1003", "124190594"}
    assert max(test.values()) == max(valid.values()) == 1


@pytest.mark.data
@pytest.mark.slow
def test_names_share_many_skeletons_across_their_split() -> None:
    train, valid, test = (
        {connectivity(row.smiles) for row in iupac.molecules(split)} for split in ("train", "valid", "test")
    )
    assert (len(train & test), len(train & valid), len(valid & test)) == (291, 159, 29)


@pytest.mark.data
def test_chemllmbench_reads_whole() -> None:
    for question in ("forward", "retrosynthesis"):
        rows = chemllmbench.reactions(question)  # type: ignore[arg-type]
        assert len(rows) == len({row.id for row in rows}) == 100
        assert all(is_valid(row.product) and is_valid(row.reactants) for row in rows)
    names = chemllmbench.names()
    assert len(names) == len({row.cid for row in names}) == 600
    assert sum(row.tested for row in names) == 100
    readable = [row for row in names if is_valid(row.smiles)]
    assert len(readable) == 599
    assert all(formula(row.smiles) == row.formula for row in readable)
