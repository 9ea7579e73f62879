"""FGBench's inputs: labels in their units, literals that are nothing but literals, gaps that were filled in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError, UsageError
from mmai_gym.sources import fgbench
from mmai_gym.sources.manifest import Dataset, File

NO_DIFF = "([], [])"
ETHER = "([('Ether', 1, [(3,)])], [('C1 alkane', 2, [(0,), (4,)])])"
PROPERTY = fgbench._PROPERTY_NAMES["esol"]

Write = Callable[..., None]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a table under a key of the manifest; the manifest then fits it."""
    known: dict[str, File] = {}

    def write(key: str, header: str, *rows: str) -> None:
        (tmp_path / f"{key}.csv").write_text("\n".join([header, *rows, ""]))
        known[key] = File(
            dataset="fgbench",
            key=key,
            repository="owner/repo",
            commit="0" * 40,
            path=f"{key}.csv",
            sha256="0" * 64,
            bytes=1,
            rows=len(rows),
            licence="MIT",
        )

    def described(name: str) -> Dataset:
        return Dataset(name=name, title="t", citation="c", terms="t", files=tuple(known.values()))

    monkeypatch.setattr(fgbench, "dataset", described)
    monkeypatch.setattr(fgbench.tables, "path_of", lambda file: tmp_path / file.path)
    monkeypatch.setattr(fgbench, "pairs", fgbench.pairs.__wrapped__)  # type: ignore[attr-defined]
    return write


HEADER = "target_smiles,ref_smiles,target_diff,ref_diff,target_label,ref_label,property_name"


def row(
    target: str = "CCCOC",
    reference: str = "CCC",
    diff: str = ETHER,
    label: str = "-1.5",
    property_name: str = PROPERTY,
) -> str:
    return f'{target},{reference},"{diff}","{NO_DIFF}",{label},-2.0,{property_name}'


def test_a_pair_has_groups_with_their_atoms_and_a_label_each(files: Write) -> None:
    files("esol-pairs", HEADER, row(), row("CCO"))
    first, second = fgbench.pairs("esol")
    assert first.target_groups == (("Ether", ((3,),)), ("C1 alkane", ((0,), (4,))))
    assert first.reference_groups == ()
    assert (first.target_labels, first.reference_labels, first.measured) == ((-1.5,), (-2.0,), (True,))
    assert first.id != second.id


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row(), row()], "row 1: the pair CCCOC and CCC stands there twice"),
        ([row(), row("CCC", "CCCOC")], "stands there twice"),
        ([row(label="nan")], "row 0, target_label: 'nan' is not finite"),
        ([row(label="soluble")], "is not a number"),
        ([row(property_name="logP")], "the property is 'logP' instead of 'log-scale water solubility"),
        ([row(diff="__import__('os').getcwd()")], "target_diff: .* is not a list of functional groups"),
        ([row(diff="[('Ether', 1, [(3,)])]")], "is not a list of functional groups"),
        ([row(diff="([('Ether', 2, [(3,)])], [])")], "2 x Ether has 1 occurrences"),
        ([row(diff="([('Ether', 1, [(-3,)])], [])")], "an atom of Ether is not a position"),
        ([row(diff="([('Ether', 1, [(3,")], "is not a list of functional groups"),
        ([row(diff="([('Ether', 1)], [])")], "is not a list of functional groups"),
    ],
)
def test_a_malformed_table_of_pairs_is_an_error(files: Write, rows: list[str], fault: str) -> None:
    files("esol-pairs", HEADER, *rows)
    with pytest.raises(DataError, match=fault):
        fgbench.pairs("esol")


def test_a_table_without_its_columns_is_an_error(files: Write) -> None:
    files("esol-pairs", HEADER.replace("ref_diff", "diff"), row())
    with pytest.raises(DataError, match="no column ref_diff"):
        fgbench.pairs("esol")


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        (["CCO,1.0", "CCC,0.5"], "row 1, label 0: the label 0.5 is not 0 or 1"),
        (["CCO,1.0", "CCO,0.0"], "the molecule CCO stands there twice"),
        (["CCO,1.0"], "row 0: CCC has no labels in the table of molecules"),
    ],
)
def test_a_malformed_table_of_molecules_is_an_error(files: Write, labels: list[str], fault: str) -> None:
    files("bace-pairs", ",".join(fgbench._PAIR_COLUMNS), f'CCO,CCC,"{NO_DIFF}","{NO_DIFF}"')
    files("bace-labels", "smiles,0", *labels)
    with pytest.raises(DataError, match=fault):
        fgbench.pairs("bace")


def tox21(files: Write, *measured: str) -> None:
    files("tox21-pairs", ",".join(fgbench._PAIR_COLUMNS), f'CCO,CCC,"{NO_DIFF}","{NO_DIFF}"')
    files("tox21-labels", ",".join(["smiles", *map(str, range(12))]), "CCO" + ",0.0" * 12, "CCC" + ",1.0" * 12)
    files("tox21-measured", ",".join(["smiles", *fgbench.TOX21_ASSAYS]), *measured)


def test_a_label_is_measured_where_both_molecules_were_tested(files: Write) -> None:
    # The first of several rows prevails; the writing of the SMILES and unreadable ones do not matter.
    tox21(files, "OCC" + ",0" * 11 + ",", "CCC" + "," + ",1" * 11, "CCO" + ",0" * 12, "C1CC" + ",0" * 12)
    (pair,) = fgbench.pairs("tox21")
    assert pair.measured == (False,) + (True,) * 10 + (False,)


@pytest.mark.parametrize(
    ("measured", "fault"),
    [
        ("CCO" + ",1" * 12, "label 0 of CCO is 0, but was measured as 1"),
        ("CCO" + ",0.5" * 12, "row 0: the label '0.5' is not 0, 1 or empty"),
    ],
)
def test_a_label_that_contradicts_the_measurement_is_an_error(files: Write, measured: str, fault: str) -> None:
    tox21(files, measured)
    with pytest.raises(DataError, match=fault):
        fgbench.pairs("tox21")


def test_unknown_sets_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="did you mean 'tox21'"):
        fgbench.pairs("tox-21")
    with pytest.raises(
        UsageError, match="no ADMET endpoint has the measurements of 'sider'; there is one for esol"
    ):
        fgbench.known_to_tdc("sider")


def test_every_property_has_a_name_of_its_own() -> None:
    names = [name for entry in fgbench.SETS.values() for name in entry.properties]
    assert len(names) == len(set(names)) == 3 + 3 + 12 + 27
    assert all(len(f"<|p:{name}|>") <= 64 and name.isascii() and " " not in name for name in names)


# --------------------------------------------------------------------------------------------------- the files


@pytest.mark.data
@pytest.mark.parametrize("name", fgbench.SETS)
def test_every_set_has_its_published_number_of_pairs(name: str) -> None:
    expected = {
        "bbbp": 472, "clintox": 179, "esol": 313, "freesolv": 141, "lipo": 3706, "bace": 6015, "tox21": 2820,
        "sider": 199,
    }  # fmt: skip
    pairs, entry = fgbench.pairs(name), fgbench.SETS[name]
    assert len(pairs) == len({pair.id for pair in pairs}) == entry.pairs == expected[name]
    assert all(len(pair.target_labels) == len(pair.measured) == len(entry.properties) for pair in pairs)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "unchanged"), [("tox21", 0.94), ("bbbp", 0.89), ("clintox", 0.97), ("sider", 0.77), ("bace", 0.74)]
)
def test_most_labels_do_not_change_within_a_pair(name: str, unchanged: float) -> None:
    same = [
        first == second
        for pair in fgbench.pairs(name)
        for first, second in zip(pair.target_labels, pair.reference_labels, strict=True)
    ]
    assert sum(same) / len(same) == pytest.approx(unchanged, abs=0.005)


@pytest.mark.data
def test_freesolv_is_in_kcal_per_mol() -> None:
    labels = {
        smiles: label
        for pair in fgbench.pairs("freesolv")
        for smiles, (label,) in ((pair.target, pair.target_labels), (pair.reference, pair.reference_labels))
    }
    # Mobley and Guthrie (2014): 1-heptanol, 1-hexanol.
    assert (labels["CCCCCCCO"], labels["CCCCCCO"]) == (-4.21, -4.4)
    assert all(round(label, 2) == label for label in labels.values())  # the original states two decimals


@pytest.mark.data
def test_a_fifth_of_the_tox21_labels_was_never_measured() -> None:
    """And those filled in as negative make 29 % of all changes."""
    questions = [
        (measured, first != second)
        for pair in fgbench.pairs("tox21")
        for measured, first, second in zip(pair.measured, pair.target_labels, pair.reference_labels, strict=True)
    ]
    assert len(questions) == 33_840
    assert sum(not measured for measured, _ in questions) == 7_257
    assert sum(changed for _, changed in questions) == 2_128
    assert sum(changed and not measured for measured, changed in questions) == 615


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "target", "both", "neither"),
    [("lipo", 2_891, 2_680, 568), ("bbbp", 402, 379, 56), ("esol", 264, 259, 36)],
)
def test_training_on_admet_reveals_most_pairs(name: str, target: int, both: int, neither: int) -> None:
    found = fgbench.known_to_tdc(name)
    assert found["pairs"] == fgbench.SETS[name].pairs
    assert (found["target"], found["both"], found["neither"]) == (target, both, neither)
    assert found["target"] + found["reference"] - found["both"] + found["neither"] == found["pairs"]
