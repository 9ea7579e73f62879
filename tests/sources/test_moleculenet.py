"""MoleculeNet: every row of every file, missing labels told from broken ones, and writing that betrays a label."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_tables

from mmai_gym.contracts import DataError
from mmai_gym.molecules import canonical, is_valid, parse
from mmai_gym.sources import memory, moleculenet, tdc
from mmai_gym.stats import auroc

ROWS = {
    "bbbp": 2_039,
    "esol": 1_128,
    "freesolv": 642,
    "lipo": 4_200,
    "tox21": 7_831,
    "sider": 1_427,
    "clintox": 1_478,
    "bace": 1_513,
    "hiv": 41_127,
    "qm7": 6_830,
    "qm8": 21_786,
}
LABELS_OF = {"tox21": 12, "sider": 27, "clintox": 2, "qm8": 12}
TOX21 = "smiles," + ",".join(label.column for label in moleculenet.LABELS.values() if label.table == "tox21")


@pytest.fixture(autouse=True)
def nothing_tiny_is_remembered() -> Iterator[None]:
    yield
    memory.turn_to("")


def test_every_file_has_its_labels_and_every_label_a_name_of_its_own() -> None:
    tables = [label.table for label in moleculenet.LABELS.values()]
    assert {name: tables.count(name) for name in ROWS} == {name: LABELS_OF.get(name, 1) for name in ROWS}
    assert len(moleculenet.LABELS) == 60
    names = [label.endpoint.name for label in moleculenet.LABELS.values()]
    assert len(set(names)) == 60 and not set(names) & set(tdc.ENDPOINTS)


def test_the_metrics_are_those_of_the_paper() -> None:
    metrics = {label.table: label.endpoint.metric for label in moleculenet.LABELS.values()}
    assert {name for name, metric in metrics.items() if metric == "rmse"} == {"esol", "freesolv", "lipo"}
    assert {name for name, metric in metrics.items() if metric == "mae"} == {"qm7", "qm8"}
    assert {name for name, metric in metrics.items() if metric == "auroc"} == set(ROWS) - {
        "esol", "freesolv", "lipo", "qm7", "qm8",
    }  # fmt: skip


def test_an_empty_cell_of_tox21_is_a_missing_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{TOX21}\nCCO,0,1{',' * 10}\nCCN{',' * 12}1\n"
    tiny_tables.place(moleculenet, {"tox21": text}, tmp_path, monkeypatch)
    table = moleculenet.table("tox21")
    assert table.labels["tox21/nr-ar"] == (0.0, None)
    assert table.labels["tox21/nr-ar-lbd"] == (1.0, None)
    assert table.labels["tox21/sr-p53"] == (None, 1.0)
    assert table.smiles == ("CCO", "CCN") and len(set(table.ids)) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("smiles,bbbp\nC,1\n", "no column p_np"),
        ("smiles,p_np\nC,\n", "'' is not a number"),
        ("smiles,p_np\nC,nan\n", "is not finite"),
        ("smiles,p_np\nC,2\n", "is not 0 or 1"),
        ("smiles,p_np\nC\n", "row 1: not 2 fields"),
        ('smiles,p_np\n"C,1\n', "unexpected end of data"),
        ("smiles,p_np\nC,1\nCC,0", "2 rows instead of 1"),
        ("smiles,p_np\nC,1\n".encode("utf-16"), "not UTF-8"),
        (b"<!doctype html>\n", "no column smiles"),
    ],
)
def test_a_file_that_is_not_the_table_is_named(
    text: str | bytes, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_tables.place(moleculenet, {"bbbp": text}, tmp_path, monkeypatch)
    with pytest.raises(DataError, match=rf"bbbp\.csv.*{fault}"):
        moleculenet.table("bbbp")


@pytest.mark.data
@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_read_and_every_label_is_finite(name: str) -> None:
    table = moleculenet.table(name)
    assert len(table.smiles) == len(set(table.ids)) == ROWS[name]
    for label in table.labels.values():
        assert len(label) == ROWS[name]
        assert np.isfinite([value for value in label if value is not None]).all()
    missing = sum(label.count(None) for label in table.labels.values())
    assert missing == (16_026 if name == "tox21" else 0)


@pytest.mark.data
def test_the_numbers_of_repeated_unreadable_and_odd_rows_are_the_described_ones() -> None:
    assert sum(not is_valid(smiles) for smiles in moleculenet.table("tox21").smiles) == 8
    assert len(set(moleculenet.table("esol").smiles)) == 1_128 - 5
    qm8 = moleculenet.table("qm8")
    assert len(set(qm8.smiles)) == 21_786 - 20
    negative = {
        name: sum(value < 0 for value in values if value is not None) for name, values in qm8.labels.items()
    }
    assert {name: count for name, count in negative.items() if count} == {"qm8/f1-cc2": 38, "qm8/f2-cc2": 24}
    assert "C([H])([H])([H])[H]" in moleculenet.table("qm7").smiles
    (hiv,) = moleculenet.table("hiv").labels.values()
    assert sum(value == 1.0 for value in hiv) == 1_443  # 3.5 %


def _written_kekule(smiles: str) -> bool:
    return not re.search(r"[cnos]", re.sub(r"Cl|\[[A-Z][a-z]", "", smiles))


@pytest.mark.data
def test_the_writing_of_clintox_and_bbbp_betrays_labels_until_it_is_made_canonical() -> None:
    found = {}
    for name in ("clintox/ct-tox", "bbbp"):
        table = moleculenet.table(name.split("/")[0])
        rows = [
            (smiles, label)
            for smiles, label in zip(table.smiles, table.labels[name], strict=True)
            if any(atom.GetIsAromatic() for atom in parse(smiles).GetAtoms())
        ]
        labels = np.array([label for _, label in rows], dtype=np.float64)
        found[name] = round(auroc(labels, np.array([_written_kekule(smiles) for smiles, _ in rows], float)), 2)
        assert not any(_written_kekule(canonical(smiles)) for smiles, _ in rows)
    assert found == {"clintox/ct-tox": 1.0, "bbbp": 0.83}


@pytest.mark.data
def test_tdc_clintox_is_moleculenet_clintox_under_another_name() -> None:
    ours, theirs = moleculenet.table("clintox"), tdc.clintox()
    assert len(theirs) == 1_478 and len({row.smiles for row in theirs}) == 1_478 - 19
    assert [canonical(row.smiles) for row in theirs] == [canonical(smiles) for smiles in ours.smiles]
    assert tuple(row.label for row in theirs) == ours.labels["clintox/ct-tox"]
    assert sum(row.label for row in theirs) == 112
