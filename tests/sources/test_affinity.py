"""Davis, KIBA and Metz: values in their cells, published folds, and cold splits that agree between the three sets."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from mmai_gym.contracts import DataError, UsageError
from mmai_gym.molecules import connectivity, parse
from mmai_gym.sources import affinity, memory
from mmai_gym.sources.affinity import RULES, Pair, pairs, part, side, sizes
from mmai_gym.sources.hashing import hash_fraction
from mmai_gym.sources.manifest import Dataset, File

DRUGS = {"d1": "CCO", "d2": "C[C@H](N)C(=O)O", "d3": "c1ccccc1CN.Cl"}
TARGETS = {"P1": "MKV", "P1-mutant": "MKV", "P2": "MKTAYIA", "P3": "GSHM"}
MATRIX = "10000 1 nan 100\n43 10000 10 10000\n10000 nan 0.5 7\n"
TRAIN_FOLDS = [[0, 3], [1, 4], [2, 5], [6], [7]]
TEST_FOLD = [9, 8]


class Files:
    """A small data set of the form of Davis (and one of the form of Metz) with a manifest that fits."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.rows: dict[str, int] = {}
        monkeypatch.setattr(affinity, "dataset", self.dataset)
        monkeypatch.setattr(affinity.tables, "path_of", lambda file: folder / file.key)
        self.write("affinities", MATRIX, 3)
        self.write("drugs", json.dumps(DRUGS), 3)
        self.write("targets", json.dumps(TARGETS), 4)
        self.write("train-folds", json.dumps(TRAIN_FOLDS), 8)
        self.write("test-fold", json.dumps(TEST_FOLD), 2)

    def write(self, key: str, text: str, rows: int) -> None:
        (self.folder / key).write_text(text)
        self.rows[key] = rows

    def dataset(self, name: str) -> Dataset:
        files = tuple(
            File(
                dataset=name,
                key=key,
                repository="owner/repo",
                commit="0" * 40,
                path=f"{key}.txt",
                sha256="0" * 64,
                bytes=1,
                rows=rows,
                licence="MIT",
            )
            for key, rows in self.rows.items()
        )
        return Dataset(name=name, title="t", citation="c", terms="t", files=files)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    memory.turn_to("")
    yield Files(tmp_path, monkeypatch)
    memory.turn_to("")


# --------------------------------------------------------------------------------------------------- made-up files


def test_measured_cells_count_row_by_row_and_missing_ones_do_not_count(files: Files) -> None:
    found = pairs("davis")
    assert [pair.value for pair in found[:5]] == [5.0, 9.0, 7.0, pytest.approx(9 - math.log10(43)), 5.0]
    assert [(pair.smiles, pair.sequence) for pair in found[2:4]] == [("CCO", "GSHM"), (DRUGS["d2"], "MKV")]
    assert len(found) == len({pair.id for pair in found}) == 10
    assert [pair.fold for pair in found] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 5]


def test_the_kiba_score_is_read_as_it_is(files: Files) -> None:
    assert [pair.value for pair in pairs("kiba")[:3]] == [10000.0, 1.0, 100.0]


def test_fold_zero_validates_and_the_test_fold_tests(files: Files) -> None:
    assert [pair.fold for pair in part("davis", "random", "valid")] == [0, 0]
    assert [pair.fold for pair in part("davis", "random", "test")] == [5, 5]
    assert len(part("davis", "random", "train")) == 6


def test_a_salt_and_its_base_are_one_drug(files: Files) -> None:
    salt = next(pair.drug for pair in pairs("davis") if pair.smiles == DRUGS["d3"])
    assert salt == connectivity("NCc1ccccc1")


@pytest.mark.parametrize(
    ("key", "text", "rows", "fault"),
    [
        ("affinities", MATRIX.replace("43", "4x3"), 3, "line 2: .*4x3"),
        ("affinities", MATRIX.replace("43", "inf"), 3, "line 2: an infinite value"),
        ("affinities", MATRIX.replace("43", "0"), 3, "0 nM has no logarithm"),
        ("affinities", MATRIX.replace("43 ", ""), 3, "line 2: 3 values for 4 proteins"),
        ("affinities", MATRIX[:20], 3, "2 rows instead of 3"),
        ("affinities", "10000 1 nan 100\n", 1, "1 lines for 3 drugs"),
        ("drugs", '{"d1": "CCO"', 3, "not JSON"),
        ("drugs", '{"d1": "C", "d1": "CC", "d2": "C"}', 3, "twice"),
        ("drugs", '["C", "CC", "CCC"]', 3, "not a JSON object"),
        ("drugs", json.dumps(DRUGS | {"d2": "C1CC"}), 3, "davis, drug d2: cannot read"),
        ("drugs", json.dumps(DRUGS), 4, "3 rows instead of 4"),
        ("targets", json.dumps(TARGETS | {"P2": "MK V"}), 4, "protein P2: 'MK V' is not a sequence"),
        ("targets", json.dumps(TARGETS | {"P2": ""}), 4, "protein P2"),
        (
            "train-folds",
            json.dumps([*TRAIN_FOLDS[:4], [8]]),
            8,
            r"test-fold\.txt: the measured cell 8 is in two folds",
        ),
        ("train-folds", json.dumps([*TRAIN_FOLDS[:4], [10]]), 8, "fold 4: 10 is not one of the 10 measured"),
        ("train-folds", json.dumps([*TRAIN_FOLDS[:4], []]), 7, "cell 7 is in no fold"),
        ("train-folds", json.dumps(TRAIN_FOLDS[:4]), 7, "4 training folds instead of 5"),
        ("test-fold", json.dumps([9, -1]), 2, "-1 is not one of"),
        ("test-fold", json.dumps([9]), 2, "1 rows instead of 2"),
    ],
)
def test_files_that_do_not_fit_each_other_are_named(
    files: Files, key: str, text: str, rows: int, fault: str
) -> None:
    files.write(key, text, rows)
    with pytest.raises(DataError, match=fault):
        pairs("davis")


def test_a_file_in_another_encoding_is_named(files: Files) -> None:
    (files.folder / "drugs").write_bytes(json.dumps(DRUGS).encode("utf-16"))
    with pytest.raises(DataError, match=r"drugs\.txt is not UTF-8"):
        pairs("davis")


METZ = "metz,smiles,proteinName,protein_dataset\n6.6,CCO,P1,metz\n9.1,CCO,P2,metz\n4,CCN,P1,metz\n"
PROTEINS = "name,sequence,index\nP1,MKV,0\nP2,GSHM,1\n"


def test_metz_rows_keep_their_order(files: Files) -> None:
    files.write("affinities", METZ, 3)
    files.write("targets", PROTEINS, 2)
    found = [(pair.smiles, pair.sequence, pair.value, pair.fold) for pair in pairs("metz")]
    assert found == [("CCO", "MKV", 6.6, None), ("CCO", "GSHM", 9.1, None), ("CCN", "MKV", 4.0, None)]


@pytest.mark.parametrize(
    ("key", "text", "rows", "fault"),
    [
        ("affinities", METZ.replace("9.1", "nan"), 3, "row 1: 'nan' is not finite"),
        ("affinities", METZ.replace("CCN", "C(N"), 3, "row 2: cannot read"),
        ("affinities", METZ.replace("CCN", "CCO"), 3, "row 2: the pair of CCO and P1 stands there twice"),
        ("affinities", METZ.replace("P2", "P9"), 3, "row 1: no sequence is known for the protein 'P9'"),
        ("affinities", METZ.replace("smiles", "SMILES"), 3, "no column smiles"),
        ("affinities", METZ, 4, "3 rows instead of 4"),
        ("targets", PROTEINS.replace("P2", "P1"), 2, "two sequences for the protein P1"),
    ],
)
def test_a_malformed_table_is_named(files: Files, key: str, text: str, rows: int, fault: str) -> None:
    files.write("affinities", METZ, 3)
    files.write("targets", PROTEINS, 2)
    files.write(key, text, rows)
    with pytest.raises(DataError, match=fault):
        pairs("metz")


def test_unknown_names_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="unknown affinity data set 'bindingdb'; known: davis, kiba, metz"):
        pairs("bindingdb")
    with pytest.raises(UsageError, match="unknown rule 'cold'"):
        part("davis", "cold", "test")  # type: ignore[arg-type]


def test_sides_follow_the_drug_or_the_sequence_alone_and_are_frozen() -> None:
    # A change here moves molecules between training and test parts: published numbers would no longer compare.
    assert round(hash_fraction("drug", 0, "LFQSCWFLJHTTHZ"), 9) == 0.875051616
    rng = np.random.default_rng(0)
    for _ in range(200):
        drug, sequence = ("".join(rng.choice(list("ACDEFGHIKL"), 14)) for _ in range(2))
        one = Pair("a", "C", sequence, drug, 5.0, fold=0)
        assert side(one, "cold-drug") == side(Pair("b", "CC", "M", drug, 9.0), "cold-drug")
        assert side(one, "cold-target") == side(Pair("b", "CC", sequence, "X", 9.0), "cold-target")
        assert side(one, "random") == "valid"


def test_about_seventy_ten_and_twenty_percent_fall_on_each_side() -> None:
    for rule in RULES:
        keys = [f"KEY{i}" for i in range(4000)]
        count = Counter(side(Pair("", "C", key, key, 0.0), rule) for key in keys)
        shares = [count[split] / 4000 for split in ("train", "valid", "test")]
        assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.02)


# --------------------------------------------------------------------------------------------------- the real files

NAMES = ("davis", "kiba", "metz")


def drugs(found: tuple[Pair, ...]) -> set[str]:
    return {pair.drug for pair in found}


def sequences(found: tuple[Pair, ...]) -> set[str]:
    return {pair.sequence for pair in found}


@pytest.mark.data
def test_davis_has_its_published_numbers() -> None:
    found = pairs("davis")
    assert len(found) == 68 * 442 == 30_056
    assert len({pair.smiles for pair in found}) == len(drugs(found)) == 68
    assert len(sequences(found)) == 379  # mutants and states carry the wild-type sequence
    assert sum(pair.value == 5.0 for pair in found) == 20_931  # 10,000 nM: no binding seen
    assert min(pair.value for pair in found) == 5.0
    assert max(pair.value for pair in found) == pytest.approx(10.796, abs=1e-3)
    assert Counter(pair.fold for pair in found) == {0: 5_010, 1: 5_009, 2: 5_009, 3: 5_009, 4: 5_009, 5: 5_010}


@pytest.mark.data
def test_most_of_what_looks_alike_in_davis_is_one_question_with_several_answers() -> None:
    """The random split is easier than its name: almost a fifth of its test questions stand in the training folds."""
    found = pairs("davis")
    answers: dict[tuple[str, str], set[float]] = defaultdict(set)
    for pair in found:
        answers[pair.smiles, pair.sequence].add(pair.value)
    assert len(answers) == 68 * 379
    assert sum(len(values) > 1 for values in answers.values()) == 546
    known = {(pair.smiles, pair.sequence) for pair in found if pair.fold != 5}
    assert sum((pair.smiles, pair.sequence) in known for pair in found if pair.fold == 5) == 929


@pytest.mark.data
def test_kiba_has_its_published_numbers() -> None:
    found = pairs("kiba")
    assert len(found) == 118_254
    per_drug, per_target = (
        Counter(getattr(pair, field) for pair in found).values() for field in ("smiles", "sequence")
    )
    assert (len(per_drug), len(per_target)) == (2_111, 229)
    assert (min(per_drug), min(per_target)) == (11, 11)  # a filtered set
    assert len(drugs(found)) == 2_065  # of 2,068 skeletons three are salts of another
    assert Counter(pair.fold for pair in found) == dict.fromkeys(range(6), 19_709)
    assert (min(pair.value for pair in found), max(pair.value for pair in found)) == (0.0, 17.200179498)


@pytest.mark.data
def test_metz_has_its_published_numbers() -> None:
    found = pairs("metz")
    assert len(found) == 35_307
    assert len({pair.smiles for pair in found}) == 1_471
    assert len(sequences(found)) == 170
    assert (min(pair.value for pair in found), max(pair.value for pair in found)) == (4.0, 11.1)


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rule", RULES)
def test_the_listed_sizes_are_those_of_the_parts_and_every_pair_is_in_one(name: str, rule: Any) -> None:
    parts = {split: part(name, rule, split) for split in ("train", "valid", "test")}  # type: ignore[arg-type]
    assert {split: len(found) for split, found in parts.items()} == sizes(name, rule)
    assert sum(sizes(name, rule).values()) == len(pairs(name))
    ids = [pair.id for found in parts.values() for pair in found]
    assert len(set(ids)) == len(ids)


@pytest.mark.data
def test_what_is_cold_in_one_set_is_cold_in_all_three() -> None:
    found = {
        name: {split: part(name, "cold-drug", split) for split in ("train", "valid", "test")} for name in NAMES
    }  # type: ignore[arg-type]
    for split, other in (("test", "train"), ("test", "valid"), ("valid", "train")):
        cold, warm = (set().union(*(drugs(found[name][s]) for name in NAMES)) for s in (split, other))
        assert not cold & warm
    assert [len(drugs(found["davis"][split])) for split in ("train", "valid", "test")] == [45, 8, 15]
    found = {
        name: {split: part(name, "cold-target", split) for split in ("train", "valid", "test")}  # type: ignore[arg-type]
        for name in NAMES
    }
    for split, other in (("test", "train"), ("test", "valid"), ("valid", "train")):
        cold, warm = (set().union(*(sequences(found[name][s]) for name in NAMES)) for s in (split, other))
        assert not cold & warm
    assert [len(sequences(found["davis"][split])) for split in ("train", "valid", "test")] == [261, 44, 74]


@pytest.mark.data
def test_the_three_sets_share_molecules_and_sequences() -> None:
    """Molecules by connectivity; by SMILES without stereo, which keeps tautomers apart, there are fewer."""
    found = {name: pairs(name) for name in NAMES}
    texts = {name: {pair.smiles for pair in found[name]} for name in ("kiba", "metz")}
    skeletons = [{connectivity(smiles) for smiles in texts[name]} for name in texts]
    assert len(skeletons[0] & skeletons[1]) == 1_082
    flat = [{Chem.MolToSmiles(parse(smiles), isomericSmiles=False) for smiles in texts[name]} for name in texts]
    assert len(flat[0] & flat[1]) == 1_012
    assert len(sequences(found["kiba"]) & sequences(found["davis"])) == 179
