"""The TDC ADMET group: official rows untouched, and a validation part that shares no scaffold with training."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError, UsageError
from mmai_gym.molecules import is_valid, murcko_scaffold
from mmai_gym.sources import tdc
from mmai_gym.sources.manifest import Dataset, File, Member

TRAIN_VAL = "Drug_ID,Drug,Y\n" + "".join(
    f"d{n},{smiles},{n % 2}\n"
    for n, smiles in enumerate(["c1ccc2ccccc2c1", "C1CCNCC1", "c1ccncc1", "C1CC", "Cc1ccccc1", "c1ccncc1"] * 3)
)
TEST = 'Drug_ID,Drug,Y\n"d, 9",c1ccoc1,1.0\n'


class Archive:
    """An archive of one endpoint (herg), with a manifest that fits what was written to it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "admet_group.zip"
        monkeypatch.setattr(tdc, "dataset", lambda name: self.dataset)
        monkeypatch.setattr(tdc.tables, "path_of", lambda file: self.path)
        for cached in (tdc._table, tdc._in_valid, tdc._part):
            monkeypatch.setattr(tdc, cached.__name__, cached.__wrapped__)
        self.write(TRAIN_VAL, TEST)

    def write(self, train_val: str, test: str) -> None:
        tables = {"train_val": train_val, "test": test}
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("admet_group/.DS_Store", b"\x00junk")
            for name, text in tables.items():
                archive.writestr(f"admet_group/herg/{name}.csv", text)
        members = [
            Member(
                path=f"admet_group/herg/{name}.csv",
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                bytes=len(text.encode()),
                rows=text.count("\n") - 1,
            )
            for name, text in tables.items()
        ]
        self.describe(members)

    def describe(self, members: list[Member]) -> None:
        file = File(
            dataset="tdc-admet",
            key="group",
            repository="owner/repo",
            commit="0" * 40,
            path="admet_group.zip",
            sha256="0" * 64,
            bytes=1,
            rows=0,
            licence="MIT",
            members=members,
        )
        self.dataset = Dataset(name="tdc-admet", title="t", citation="c", terms="t", files=(file,))


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    return Archive(tmp_path, monkeypatch)


def test_rows_are_kept_as_they_are_with_an_id_each(archive: Archive) -> None:
    rows = tdc.molecules("herg", "train_val")
    assert len(rows) == len({row.id for row in rows}) == 18  # repeated and unreadable SMILES included
    assert rows[3].smiles == "C1CC"
    (row,) = tdc.molecules("herg", "test")
    assert (row.name, row.smiles, row.label) == ("d, 9", "c1ccoc1", 1.0)


@pytest.mark.parametrize("seed", range(4))
def test_train_and_valid_part_the_official_table_by_scaffold(archive: Archive, seed: int) -> None:
    train, valid = tdc.molecules("herg", "train", seed), tdc.molecules("herg", "valid", seed)
    assert {row.id for row in train} | {row.id for row in valid} == {
        row.id for row in tdc.molecules("herg", "train_val")
    }
    assert not {row.smiles for row in train} & {row.smiles for row in valid}
    assert {"C1CC", "Cc1ccccc1"} <= {row.smiles for row in train}


def test_the_parts_of_an_endpoint_are_derived_once(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path / "cache"))
    train = tdc.molecules("herg", "train")

    def fail(smiles: str) -> str:
        raise AssertionError(f"computed again: {smiles}")

    monkeypatch.setattr(tdc, "series", fail)
    assert len(train) + len(tdc.molecules("herg", "valid")) == 18


def test_the_validation_part_changes_with_the_seed_but_not_with_the_order(archive: Archive) -> None:
    chosen = [{row.smiles for row in tdc.molecules("herg", "valid", seed)} for seed in range(20)]
    assert len(set(map(frozenset, chosen))) > 1
    header, *lines = TRAIN_VAL.splitlines(keepends=True)
    archive.write(header + "".join(reversed(lines[:12])), TEST)
    assert [{row.smiles for row in tdc.molecules("herg", "valid", seed)} for seed in range(20)] == chosen


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Drug,Y\nC,1\n", "no column Drug_ID"),
        ("Drug_ID,Drug,Y\na,C,2\n", "is not 0 or 1"),
        ("Drug_ID,Drug,Y\na,C,nan\n", "is not finite"),
        ("Drug_ID,Drug,Y\na,C\n", "not 3 fields"),
        ("Drug_ID,Drug,Y\na,C,high\n", "'high' is not a number"),
    ],
)
def test_a_malformed_table_is_an_error(archive: Archive, text: str, fault: str) -> None:
    archive.write(TRAIN_VAL, text)
    with pytest.raises(DataError, match=fault):
        tdc.molecules("herg", "test")


@pytest.mark.parametrize(
    ("change", "fault"),
    [({"sha256": "1" * 64}, "another sha256"), ({"bytes": 5}, "instead of 5"), ({"rows": 7}, "instead of 7")],
)
def test_a_table_that_is_not_the_one_of_the_manifest_is_an_error(
    archive: Archive, change: dict[str, object], fault: str
) -> None:
    (file,) = archive.dataset.files
    archive.describe([member.model_copy(update=change) for member in file.members])
    with pytest.raises(DataError, match=fault):
        tdc.molecules("herg", "test")


def test_an_archive_without_the_table_is_an_error(archive: Archive) -> None:
    with zipfile.ZipFile(archive.path, "w"):
        pass
    with pytest.raises(DataError, match=r"cannot read .*admet_group/herg/test\.csv"):
        tdc.molecules("herg", "test")
    archive.path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot read"):
        tdc.molecules("herg", "test")


def test_unknown_names_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="did you mean 'caco2_wang'"):
        tdc.molecules("caco2", "test")
    with pytest.raises(UsageError, match="unknown split 'dev'"):
        tdc.molecules("herg", "dev")  # type: ignore[arg-type]


def test_the_leaderboard_metrics_are_the_official_ones() -> None:
    by_metric: dict[str, set[str]] = {}
    for name, endpoint in tdc.ENDPOINTS.items():
        by_metric.setdefault(endpoint.metric, set()).add(name)
        assert (endpoint.kind == "binary") == (endpoint.metric in ("auroc", "auprc"))
    assert by_metric["mae"] == {
        "caco2_wang",
        "lipophilicity_astrazeneca",
        "solubility_aqsoldb",
        "ppbr_az",
        "ld50_zhu",
    }
    assert by_metric["spearman"] == {
        "vdss_lombardo",
        "half_life_obach",
        "clearance_hepatocyte_az",
        "clearance_microsome_az",
    }
    assert by_metric["auprc"] == {
        "cyp2c9_veith",
        "cyp2d6_veith",
        "cyp3a4_veith",
        "cyp2c9_substrate_carbonmangels",
        "cyp2d6_substrate_carbonmangels",
    }
    assert len(by_metric["auroc"]) == 8


@pytest.mark.data
def test_every_official_table_reads_whole() -> None:
    total = 0
    for name, endpoint in tdc.ENDPOINTS.items():
        train_val, test = tdc.molecules(name, "train_val"), tdc.molecules(name, "test")
        assert (len(train_val), len(test)) == (endpoint.train_val, endpoint.test)
        assert len({row.id for row in (*train_val, *test)}) == len(train_val) + len(test)
        assert not {row.smiles for row in train_val} & {row.smiles for row in test}
        total += len(train_val) + len(test)
    assert total == 81_809


@pytest.mark.data
def test_the_two_unreadable_solubility_rows_stay_in_the_test_set() -> None:
    assert sum(not is_valid(row.smiles) for row in tdc.molecules("solubility_aqsoldb", "test")) == 2


@pytest.mark.data
@pytest.mark.parametrize("name", ["herg", "half_life_obach", "dili", "pgp_broccatelli"])
def test_the_listed_sizes_are_those_of_the_parts_and_no_ring_scaffold_is_in_both(name: str) -> None:
    parts = {split: tdc.molecules(name, split) for split in ("train", "valid", "test")}
    assert tdc.sizes(name) == {split: len(rows) for split, rows in parts.items()}
    train, valid = ({murcko_scaffold(row.smiles) for row in parts[split]} - {""} for split in ("train", "valid"))
    assert not train & valid
