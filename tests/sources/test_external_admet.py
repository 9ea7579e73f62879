"""PharmaBench, Biogen ADME and the ion channels: official parts whole, units as the files have them, oddities kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tiny_tables

from mmai_gym.contracts import SPLITS, DataError
from mmai_gym.molecules import connectivity
from mmai_gym.sources import biogen, cardiogenai, memory, pharmabench, tdc

# Training and test rows of the official split.
PHARMABENCH = {
    "logd": (10_455, 2_613),
    "water_sol": (9_361, 2_340),
    "ames": (7_312, 1_827),
    "bbb": (6_641, 1_660),
    "hum_mic_cl": (1_829, 457),
    "rat_mic_cl": (904, 225),
    "mou_mic_cl": (1_123, 280),
    "cyp_2c9": (800, 199),
    "cyp_2d6": (972, 242),
    "cyp_3a4": (1_584, 396),
    "ppb": (1_010, 252),
}
BIOGEN = {
    "hlm": (2_469, 618),
    "rlm": (2_443, 611),
    "mdr1-er": (2_113, 529),
    "sol": (1_738, 435),
    "hppb": (1_446, 362),
    "rppb": (708, 177),
}
PHARMA_HEAD = "Smiles_unify,value,property,scaffold_train_test_label,random_train_test_label\n"
CHANNEL_HEAD = "InChl Key,SMILES,pIC50,USED_AS\n"
MARKED = CHANNEL_HEAD + "K1,C,5.5,Train\nK2,CC,6,Validation\nK3,CCC,4,\n"


@pytest.fixture(autouse=True)
def nothing_tiny_is_remembered() -> Iterator[None]:
    yield
    memory.turn_to("")


def test_names_of_endpoints_are_their_own_in_all_sets() -> None:
    sets: tuple[ModuleType, ...] = (tdc, pharmabench, biogen, cardiogenai)
    names = [endpoint.name for loader in sets for endpoint in loader.ENDPOINTS.values()]
    assert len(set(names)) == len(names) == 22 + 11 + 6 + 3


def test_official_parts_are_those_of_the_listed_sizes() -> None:
    for name, endpoint in pharmabench.ENDPOINTS.items():
        assert (endpoint.train_val, endpoint.test) == PHARMABENCH[name]
    for name, endpoint in biogen.ENDPOINTS.items():
        assert (endpoint.train_val, endpoint.test) == BIOGEN[name]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("C,1.0,logd,train,train\n", "the property is 'logd', not 'ppb'"),
        ("C,nan,ppb,train,train\n", "is not finite"),
        ("C,,ppb,train,train\n", "'' is not a number"),
        ("C,0.5,ppb,1,train\n", "the part '1' is neither"),
        ("C,0.5,ppb,train,\n", "the part '' is neither"),
        ("C,0.5,ppb,train\n", "not 5 fields"),
    ],
)
def test_a_malformed_pharmabench_row_is_named(
    row: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_tables.place(pharmabench, {"ppb": PHARMA_HEAD + row}, tmp_path, monkeypatch)
    with pytest.raises(DataError, match=rf"ppb\.csv, row .*{fault}"):
        pharmabench.molecules("ppb")


def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        ",random_train_test_label,property,value,scaffold_train_test_label,Smiles_unify\n7,test,ppb,0.5,train,CO\n"
    )
    tiny_tables.place(pharmabench, {"ppb": text}, tmp_path, monkeypatch)
    (row,) = pharmabench.molecules("ppb")
    assert (row.smiles, row.label, row.scaffold_part, row.random_part) == ("CO", 0.5, "train", "test")


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ({"herg-train-val": MARKED.replace("InChl", "InChI")}, "no column InChl Key"),
        ({"herg-train-val": MARKED.replace("K2", "K1")}, "'K1' stands in more than one row"),
        ({"herg-train-val": MARKED.replace("Train", "Test")}, "the mark 'Test'"),
        ({"herg-train-val": MARKED.replace("5.5", "")}, "'' is not a number"),
        ({"herg-test": CHANNEL_HEAD + "K4,C,inf,\n"}, "is not finite"),
    ],
)
def test_a_malformed_channel_table_is_named(
    texts: dict[str, str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"herg-train-val": MARKED, "herg-test": "InChl Key,SMILES,pIC50\nK4,CO,5\n"} | texts
    tiny_tables.place(cardiogenai, whole, tmp_path, monkeypatch)
    with pytest.raises(DataError, match=fault):
        cardiogenai.molecules("herg")


def test_a_channel_row_without_a_mark_is_in_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"herg-train-val": MARKED, "herg-test": "InChl Key,SMILES,pIC50\nK4,CO,5\n"}
    tiny_tables.place(cardiogenai, whole, tmp_path, monkeypatch)
    assert [row.part for row in cardiogenai.molecules("herg")] == ["train", "valid", None, "test"]


def test_a_malformed_biogen_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"hlm-train": "smiles,value\nC,1\n", "hlm-test": "smiles,activity\nC,NaN\n"}
    tiny_tables.place(biogen, texts, tmp_path, monkeypatch)
    with pytest.raises(DataError, match="no column activity"):
        biogen.molecules("hlm", "train")
    with pytest.raises(DataError, match=r"hlm-test\.csv, row 0: 'NaN' is not finite"):
        biogen.molecules("hlm", "test")


# --------------------------------------------------------------------------------------------------- the files


@pytest.mark.data
def test_pharmabench_has_both_of_its_splits_whole() -> None:
    total = 0
    for name, (train, test) in PHARMABENCH.items():
        rows = pharmabench.molecules(name)
        assert Counter(row.scaffold_part for row in rows) == {"train": train, "test": test}
        assert Counter(row.random_part for row in rows) == {"train": train, "test": test}
        assert len({row.id for row in rows}) == len({row.smiles for row in rows}) == len(rows)
        total += len(rows)
    assert total == 52_482


@pytest.mark.data
def test_pharmabench_units_are_those_of_the_numbers_and_not_of_the_table_in_its_paper() -> None:
    for name in ("cyp_2c9", "cyp_2d6", "cyp_3a4"):  # a logarithm of uM would be negative for potent inhibitors
        values = [row.label for row in pharmabench.molecules(name)]
        assert 0.0 < min(values) < 0.001 and max(values) == 100.0
        assert pharmabench.ENDPOINTS[name].unit == "uM"
    bound = [row.label for row in pharmabench.molecules("ppb")]
    assert (min(bound), max(bound), pharmabench.ENDPOINTS["ppb"].unit) == (0.0, 1.0, "fraction bound")
    solubility = [row.label for row in pharmabench.molecules("water_sol")]
    assert (min(solubility), round(max(solubility), 2)) == (-9.2177, 10.14)
    assert sum(value < 0 for value in solubility) == 118


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shared"), [pytest.param("bbb", 486, marks=pytest.mark.slow), ("rat_mic_cl", 5), ("cyp_2c9", 0)]
)
def test_the_scaffold_split_of_pharmabench_parts_stereoisomers(name: str, shared: int) -> None:
    skeletons: dict[str, set[str]] = {"train": set(), "test": set()}
    for row in pharmabench.molecules(name):
        skeletons[row.scaffold_part].add(connectivity(row.smiles))
    assert len(skeletons["train"] & skeletons["test"]) == shared


@pytest.mark.data
def test_the_biogen_pairs_have_their_rows_repeats_and_shared_molecules() -> None:
    repeated, shared = {}, {}
    for name, (train, test) in BIOGEN.items():
        rows = {part: biogen.molecules(name, part) for part in ("train", "test")}  # type: ignore[arg-type]
        assert (len(rows["train"]), len(rows["test"])) == (train, test)
        assert len({row.id for part in rows.values() for row in part}) == train + test
        smiles = {part: {row.smiles for row in found} for part, found in rows.items()}
        repeated[name] = train - len(smiles["train"])
        shared[name] = len(smiles["train"] & smiles["test"])
        assert len(smiles["test"]) == test
    assert repeated == {"hlm": 1, "rlm": 1, "mdr1-er": 0, "sol": 1, "hppb": 11, "rppb": 5}
    assert shared == {"hlm": 0, "rlm": 0, "mdr1-er": 1, "sol": 0, "hppb": 3, "rppb": 5}


@pytest.mark.data
def test_the_biogen_main_table_counts_and_where_the_pairs_leave_it() -> None:
    compounds = biogen.compounds()
    assert len(compounds) == len({compound.id for compound in compounds}) == 3_521
    counts = Counter(name for compound in compounds for name in compound.values)
    assert counts == {"hlm": 3_087, "rlm": 3_054, "mdr1-er": 2_642, "sol": 2_173, "hppb": 194, "rppb": 168}
    for name in ("hlm", "rlm", "mdr1-er", "sol"):
        rows = biogen.molecules(name, "train") + biogen.molecules(name, "test")
        assert len(rows) == counts[name]
        measured = [compound.values[name] for compound in compounds if name in compound.values]
        assert sum(row.label == 0.0 for row in rows) - measured.count(0.0) == 3


@pytest.mark.data
def test_biogen_plasma_binding_holds_test_molecules_of_tdc() -> None:
    wanted = [connectivity(row.smiles) for row in tdc.molecules("ppbr_az", "test")]
    known = {connectivity(row.smiles) for row in biogen.molecules("hppb", "train")}
    assert sum(skeleton in known for skeleton in wanted) == 412


@pytest.mark.data
def test_the_channels_have_their_official_parts() -> None:
    expected = {
        "herg": {"train": 17_796, "valid": 4_450, "test": 473},
        "nav1.5": {"train": 1_653, "valid": 414, "test": 142, None: 2},
        "cav1.2": {"train": 641, "valid": 161, "test": 81},
    }
    for name, counts in expected.items():
        rows = cardiogenai.molecules(name)
        assert Counter(row.part for row in rows) == counts
        assert len({row.id for row in rows}) == len(rows)
        assert np.isfinite([row.label for row in rows]).all()


@pytest.mark.data
def test_implausible_potencies_are_kept() -> None:
    labels = {name: [row.label for row in cardiogenai.molecules(name)] for name in cardiogenai.ENDPOINTS}
    assert (min(labels["herg"]), max(labels["herg"])) == (0.02, 12.0)
    below = {name: sum(value < 2 for value in values) for name, values in labels.items()}
    above = {name: sum(value > 10 for value in values) for name, values in labels.items()}
    assert below == {"herg": 23, "nav1.5": 0, "cav1.2": 1}
    assert above == {"herg": 1, "nav1.5": 0, "cav1.2": 22}


@pytest.mark.data
def test_some_herg_test_skeletons_are_in_the_training_file() -> None:
    # By the files' own keys: they differ from RDKit's for 6 of 22,719 rows (one a test row), and cost nothing.
    rows = cardiogenai.molecules("herg")
    skeletons = {part: {row.inchikey[:14] for row in rows if row.part == part} for part in SPLITS}
    test = skeletons["test"]
    assert (len(test), len(test & (skeletons["train"] | skeletons["valid"]))) == (472, 45)
    assert (len(skeletons["valid"]), len(skeletons["valid"] & skeletons["train"])) == (4_303, 949)
