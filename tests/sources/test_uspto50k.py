"""USPTO-50k: no atom map and no held-out product reaches training, and the derived table is the known one."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from rdkit import rdBase

from mmai_gym.contracts import DataError, row_id
from mmai_gym.molecules import canonical_set, connectivity
from mmai_gym.sources import files, uspto50k
from mmai_gym.sources.manifest import Dataset, File

VALID = ("5", "[CH3:1][C:2](=[O:3])Cl.[NH2:4][CH3:5]>>[CH3:1][C:2](=[O:3])[NH:4][CH3:5]")
TEST = ("1", "C[C@H:1]([CH2:2]Br)[OH:3].[OH2:4]>>C[C@H:1]([CH2:2][OH:4])[OH:3]")
LIU = {
    "train": [
        ("<RX_5>", "CNC(C)=O", "CN.CC(=O)Cl"),  # the validation reaction: omitted
        ("<RX_5>", "CC(=O)NC", "CC(=O)O.CN"),  # its product from other reactants: omitted
        ("<RX_10>", "CCCO", "CCCBr"),
        ("<RX_1>", "C[C@@H](O)CO", "CC(O)CBr"),  # the mirror image of the test product: omitted
    ],
    "valid": [("<RX_2>", "c1ccccc1C", "Cc1ccccc1Br")],
    "test": [("<RX_3>", "CCN", "[Na+].CCBr.[NH2-]")],
}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Both splits in miniature, in their own file forms, and an empty cache."""
    texts = {
        "dai-valid": f"class,id,rxn_smiles\n{VALID[0]},US1,{VALID[1]}\n",
        "dai-test": f"class,id,rxn_smiles\n{TEST[0]},US2,{TEST[1]}\n",
    }
    for part, rows in LIU.items():
        texts[f"liu-{part}-sources"] = "".join(f"{token} {' '.join(product)}\n" for token, product, _ in rows)
        texts[f"liu-{part}-targets"] = "".join(f"{' '.join(reactants)}\n" for *_, reactants in rows)
    entries = []
    for key, text in texts.items():
        (tmp_path / key).write_text(text, encoding="ascii")
        rows = text.count("\n") - key.startswith("dai")
        entries.append(
            File(
                dataset="uspto-50k",
                key=key,
                repository="owner/repo",
                commit="0" * 40,
                path=key,
                sha256="0" * 64,
                bytes=len(text),
                rows=rows,
                licence="MIT",
            )
        )
    toy = Dataset(name="uspto-50k", title="t", citation="c", terms="t", files=tuple(entries))
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(uspto50k, "dataset", lambda name: toy)
    monkeypatch.setattr(uspto50k, "path_of", lambda file: tmp_path / file.key)
    monkeypatch.setattr(uspto50k, "_compare_with_known", lambda record: None)
    for cached in (uspto50k._train, uspto50k._held_out):
        monkeypatch.setattr(uspto50k, cached.__name__, cached.__wrapped__)
    return toy


def test_maps_are_gone_and_both_sides_canonical(toy: Dataset) -> None:
    (row,) = uspto50k.reactions("valid")
    assert (row.reaction_class, row.product, row.reactants) == (5, "CNC(C)=O", "CC(=O)Cl.CN")
    assert row.mapped == VALID[1]
    assert row.id == row_id("uspto-50k-dai", "valid", 0)


def test_a_row_is_left_out_for_its_reaction_its_product_or_its_skeleton(toy: Dataset) -> None:
    table = uspto50k.derive_train()
    assert table.read_text().splitlines() == [
        "class\tproduct\treactants\tpandegroup_split",
        "10\tCCCO\tCCCBr\ttrain",
        "2\tCc1ccccc1\tCc1ccccc1Br\tvalid",
        "3\tCCN\tCCBr.[NH2-].[Na+]\ttest",
    ]
    rows = uspto50k.reactions("train")
    assert [row.id for row in rows] == [
        row_id("uspto-50k-liu", part, line) for part, line in (("train", 2), ("valid", 0), ("test", 0))
    ]
    assert [row.mapped for row in rows] == [None] * 3


def test_the_table_is_made_once_and_a_damaged_one_is_made_again(
    toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = uspto50k.derive_train()
    content = table.read_bytes()
    table.write_bytes(content[:40])
    assert uspto50k.derive_train().read_bytes() == content

    def derive(*_: object) -> None:
        raise AssertionError("derived although the cache has the table")

    monkeypatch.setattr(uspto50k, "_derive", derive)
    assert len(uspto50k.reactions("train")) == 3


def test_progress_ends_at_the_number_of_rows(toy: Dataset) -> None:
    calls: list[tuple[int, int, str]] = []
    uspto50k.derive_train(progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(8, 8)]


@pytest.mark.parametrize(
    ("key", "text", "named"),
    [
        ("dai-valid", "class,id,rxn_smiles\n5,US1,CC>CC\n", "line 2"),
        ("dai-valid", "class,id,rxn_smiles\n5,US1,C1>>CC\n", "line 2"),
        ("dai-valid", "a,b\n1,2\n", "line 2"),
        ("dai-valid", "class,id,rxn_smiles\n", "0 rows instead of 1"),
        ("liu-valid-sources", "<RX_11> C C\n", "no reaction class"),
        ("liu-valid-targets", "C (\n", "line 1"),
        ("liu-valid-targets", "C\nC\n", "2 rows instead of 1"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(
    toy: Dataset, tmp_path: Path, key: str, text: str, named: str
) -> None:
    (tmp_path / key).write_text(text, encoding="ascii")
    with pytest.raises(DataError, match=named):
        uspto50k.reactions("train")
    assert not list(files.cache_dir().rglob("*.tsv"))


def record(**changes: object) -> dict[str, object]:
    omitted = {"reaction": [1, 2], "product": [3], "skeleton": []}
    return {"rdkit": uspto50k.TRAIN_RDKIT, "sha256": "f" * 64, "rows": 39_000, "omitted": omitted, **changes}


def test_another_table_is_an_error_under_the_same_rdkit_and_a_warning_under_another() -> None:
    with pytest.raises(DataError, match=r"39,000 rows.*2 by reaction, 1 by product"):
        uspto50k._compare_with_known(record())
    with pytest.warns(UserWarning, match="39,000 rows.*RDKit 2031"):
        uspto50k._compare_with_known(record(rdkit="2031.1"))
    uspto50k._compare_with_known(record(sha256=uspto50k.TRAIN_SHA256))


def assert_no_maps(rows: Sequence[uspto50k.Reaction]) -> None:
    assert not [row for row in rows if ":" in row.product + row.reactants]


@pytest.mark.data
def test_the_held_out_sets_are_whole_and_free_of_maps() -> None:
    for split in ("valid", "test"):
        rows = uspto50k.reactions(split)
        assert len(rows) == len({row.id for row in rows}) == uspto50k.SIZES[split]
        assert_no_maps(rows)
        assert {row.reaction_class for row in rows} == set(range(1, 11))
        for row in rows[::250]:
            assert row.mapped is not None
            assert canonical_set(row.mapped.split(">>")[0]) == row.reactants


@pytest.mark.data
@pytest.mark.slow
def test_the_derived_training_set_is_the_reference_and_holds_no_held_out_product() -> None:
    table = uspto50k.derive_train()
    if rdBase.rdkitVersion == uspto50k.TRAIN_RDKIT:
        assert files.sha256_of(table) == uspto50k.TRAIN_SHA256
        assert table.stat().st_size == 4_256_078
    reference = Path(os.environ["MMAI_GYM_MIRROR"]).parent / "derived" / "uspto50k_train_reconstructed.tsv.gz"
    if reference.is_file():  # The hash says the same; the rows show where a difference is.
        expected = gzip.decompress(reference.read_bytes()).decode().splitlines()
        assert table.read_text().splitlines() == expected

    train = uspto50k.reactions("train")
    assert len(train) == len({row.id for row in train}) == uspto50k.SIZES["train"]
    assert_no_maps(train)
    held_out = {connectivity(row.product) for split in ("valid", "test") for row in uspto50k.reactions(split)}
    leaked = [row.id for row in train if connectivity(row.product) in held_out]
    assert leaked == []
