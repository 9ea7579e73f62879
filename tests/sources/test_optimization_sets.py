"""Sources of the optimization benchmarks: whole files read, and every fault of a file named."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmai_gym import sources
from mmai_gym.contracts import DataError
from mmai_gym.molecules import connectivity, is_valid
from mmai_gym.sources import drd2, jin, molecule_lists, mumo, tables
from mmai_gym.sources.manifest import Dataset, File, Member

Put = Callable[..., None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a file of some key in the place of a data set's, with a manifest entry that fits it."""
    files: dict[str, File] = {}
    paths: dict[str, Path] = {}

    def write(
        key: str, data: str | bytes, rows: int, name: str = "file.txt", members: list[Member] | None = None
    ) -> None:
        paths[key] = tmp_path / f"{key}-{name}"
        paths[key].write_bytes(data.encode() if isinstance(data, str) else data)
        files[key] = File(
            dataset="set", key=key, repository="o/r", commit="0" * 40, path=name, sha256="0" * 64, bytes=1, rows=rows,
            licence="MIT", members=members or [],
        )  # fmt: skip

    def found(name: str) -> Dataset:
        return Dataset(name=name, title="t", citation="c", terms="t", files=tuple(files.values()))

    for module in (drd2, jin, molecule_lists, mumo):
        monkeypatch.setattr(module, "dataset", found)
    monkeypatch.setattr(tables, "path_of", lambda file: paths[file.key])
    sources.memory.turn_to("")
    return write


# --------------------------------------------------------------------------------------------------- lists


def test_the_lines_of_a_list_have_an_id_each_and_stay_as_they_are(put: Put) -> None:
    put("molecules", "OCC\nCCO\n", 2)
    first, second = molecule_lists.chembl()
    assert (first.smiles, second.smiles) == ("OCC", "CCO") and first.id != second.id


@pytest.mark.parametrize(
    ("text", "rows", "fault"),
    [
        ("C\n\nO\n", 3, "line 2: '' is not one SMILES"),
        ("C\nO \n", 2, "line 2: 'O ' is not one SMILES"),
        ("C\nO name\n", 2, "is not one SMILES"),
        ("C\nO\nC\n", 3, "line 3 repeats line 1"),
        ("C\nO\n", 3, "2 rows instead of 3"),
        (b"C\n\xff\n", 2, "not UTF-8"),
    ],
)
def test_a_torn_list_is_named(put: Put, text: str | bytes, rows: int, fault: str) -> None:
    put("molecules", text, rows)
    with pytest.raises(DataError, match=fault):
        molecule_lists.chembl()


def tarred(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("zinc.txt")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_zinc_is_an_archive_whatever_its_name(put: Put) -> None:
    text = "CC\nCO\n"
    member = Member(path="zinc.txt", sha256=hashlib.sha256(text.encode()).hexdigest(), bytes=len(text), rows=2)
    put("molecules", tarred(text), 2, "zinc.txt.gz", [member])
    assert [molecule.smiles for molecule in molecule_lists.zinc()] == ["CC", "CO"]
    sources.memory.turn_to("")
    put("molecules", gzip.compress(text.encode()), 2, "zinc.txt.gz", [member])
    with pytest.raises(DataError, match=r"cannot read zinc\.txt\.gz, zinc\.txt"):
        molecule_lists.zinc()


# --------------------------------------------------------------------------------------------------- jin, drd2


@pytest.mark.parametrize("line", ["C", "C O N", "C  O", " C", "C\tO"])
def test_a_line_that_is_no_pair_is_named(put: Put, line: str) -> None:
    put("drd2-train", f"C N\n{line}\n", 2)
    with pytest.raises(DataError, match=r"line 2: .* is not two SMILES"):
        jin.drd2_pairs()


def scored(put: Put, *lines: str) -> None:
    put("scored-vae", "".join(f"{line}\n" for line in lines), len(lines))
    put("scored-vae-gan", "C CO 0.5 0.25\n", 1)


def test_repeated_lines_are_one_molecule_and_none_is_no_molecule(put: Put) -> None:
    scored(put, "C CO 0.5 0.25", "CC CO 0.4 0.25", "C None 0.0 0.0", "C CN 0.5 0.75")
    assert dict(drd2.scores()) == {"CO": 0.25, "CN": 0.75}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("C CO 0.5", "3 fields instead of 4"),
        ("C CO 0.5 high", "'high' is not a number"),
        ("C CO 0.5 nan", "is not finite"),
        ("C CO 0.5 1.5", "outside"),
        ("C CO 0.5 0.3", "has the score 0.25 here and 0.3 before"),
    ],
)
def test_a_wrong_score_is_named(put: Put, line: str, fault: str) -> None:
    scored(put, line)
    with pytest.raises(DataError, match=fault):
        drd2.scores()


# --------------------------------------------------------------------------------------------------- mumo


def entry(smiles: str = "CCO", **changes: Any) -> dict[str, Any]:
    stored = {name: {"source": 0.1, "target": None} for name in ("bbbp", "drd2", "qed")}
    return {"source_smiles": smiles, "task": "bbbp+drd2+qed", "properties": stored} | changes


def test_inputs_carry_their_stored_values(put: Put) -> None:
    put("bdq-inputs", json.dumps([entry()]), 1)
    (row,) = mumo.inputs("bdq")
    assert (row.smiles, row.values) == ("CCO", {"bbbp": 0.1, "drd2": 0.1, "qed": 0.1})


@pytest.mark.parametrize(
    ("data", "rows", "fault"),
    [
        ([entry(), entry()], 2, "holds an input twice"),
        ([entry()], 2, "1 rows instead of 2"),
        ([entry(task="bbbp+qed")], 1, "the task is 'bbbp[+]qed'"),
        ([entry(properties={"bbbp": {"source": 0.1}})], 1, "object 0, drd2: 'None' is not a number"),
        ([{"smiles": "C"}], 1, "no source_smiles, task, properties; it has smiles"),
        ({"source_smiles": "C"}, 1, "not an array of objects"),
        (["C"], 1, "not an array of objects"),
    ],
)
def test_malformed_inputs_are_named(put: Put, data: object, rows: int, fault: str) -> None:
    put("bdq-inputs", json.dumps(data), rows)
    with pytest.raises(DataError, match=fault):
        mumo.inputs("bdq")


def test_text_that_is_no_json_is_named(put: Put) -> None:
    put("bdq-inputs", "<html>", 1)
    with pytest.raises(DataError, match="is not JSON"):
        mumo.inputs("bdq")


def test_the_input_of_a_prompt_stands_between_the_tags_after_input(put: Put) -> None:
    prompt = "Give <SMILES> </SMILES>\n%%% Input : <SMILES> CCO </SMILES>\n%%% Adjust: increase QED\n"
    put("bdpq-responses", json.dumps([{"prompt": prompt, "response": ["<SMILES> CCN </SMILES>", "none"] * 10}]), 1)
    (row,) = mumo.inputs("bdpq")
    assert (row.smiles, row.values) == ("CCO", {})
    assert mumo.generations("bdpq") == (("CCN", "") * 10,)


def test_a_prompt_without_a_molecule_and_a_wrong_number_of_texts_are_named(put: Put) -> None:
    put("bdpq-responses", json.dumps([{"prompt": "Input : CCO", "response": []}]), 1)
    with pytest.raises(DataError, match="no input molecule in the prompt"):
        mumo.inputs("bdpq")
    with pytest.raises(DataError, match="0 texts, not 20"):
        mumo.generations("bdpq")


def test_only_the_known_row_may_lack_its_molecule(put: Put) -> None:
    head = "smiles,bbbp,mutagenicity,hia\n"
    put("bdpq-properties", f"{head},0.1,0.2,0.3\nCC,0.1,0.2,0.3\n", 2)
    assert list(mumo.properties("bdpq")) == ["CC"]
    for text, fault in (
        (f"{head}CC,0.1,0.2,0.3\n,0.1,0.2,0.3\n", "no molecule"),
        (f"{head}CC,1,1,1\nCC,1,1,1\n", "repeated"),
    ):
        sources.memory.turn_to("")
        put("bdpq-properties", text, 2)
        with pytest.raises(DataError, match=fault):
            mumo.properties("bdpq")


# --------------------------------------------------------------------------------------------------- the public files


@pytest.mark.data
def test_zinc_and_chembl_read_whole() -> None:
    zinc = molecule_lists.zinc()
    assert len(zinc) == len({molecule.smiles for molecule in zinc}) == 249_455
    assert all(is_valid(molecule.smiles) for molecule in zinc[::2000])
    chembl = molecule_lists.chembl()
    assert len(chembl) == len({molecule.smiles for molecule in chembl}) == 78_102
    assert all(is_valid(molecule.smiles) for molecule in chembl[::1000])


@pytest.mark.data
def test_the_lists_of_jin_read_whole() -> None:
    counts = {"qed-test": 800, "qed-valid": 360, "logp04-test": 800, "logp06-test": 800, "drd2-test": 1000}
    for name, count in (counts | {"drd2-valid": 500, "drd2-targets": 6_636}).items():
        assert len(jin.inputs(name)) == count, name  # type: ignore[arg-type]
    pairs = jin.drd2_pairs()
    assert len(pairs) == len({(pair.source, pair.target) for pair in pairs}) == 34_404
    assert {pair.target for pair in pairs} <= {molecule.smiles for molecule in jin.inputs("drd2-targets")}


@pytest.mark.data
def test_both_logp_tasks_have_the_same_inputs() -> None:
    first, second = (sources.dataset("jin").file(f"{name}-test") for name in ("logp04", "logp06"))
    assert first.sha256 == second.sha256
    assert not {m.id for m in jin.inputs("logp04-test")} & {m.id for m in jin.inputs("logp06-test")}


@pytest.mark.data
def test_drd2_scores_are_few_and_mostly_high() -> None:
    """One of the 4,742 distinct texts, on 12 lines, is None: a model wrote nothing there."""
    scores = drd2.scores()
    assert len(scores) == 4_741
    assert sum(score < 0.5 for score in scores.values()) == 884
    assert len(drd2.actives()) == 4_211


@pytest.mark.data
def test_the_two_public_sets_of_mumo_read_whole() -> None:
    bdq, bdpq = mumo.inputs("bdq"), mumo.inputs("bdpq")
    assert len(bdq) == len(bdpq) == 500
    assert len({row.smiles for row in bdq} & {row.smiles for row in bdpq}) == 19
    assert len({connectivity(row.smiles) for row in bdq}) == 500
    assert len({connectivity(row.smiles) for row in bdpq}) == 487  # stereoisomers
    assert len(mumo.properties("bdq")) == 9_030 and len(mumo.properties("bdpq")) == 7_258
    assert sum(not row for row in mumo.candidates("bdq")) == 2


@pytest.mark.data
@pytest.mark.parametrize(("name", "cut", "unknown"), [("bdq", 145, 0), ("bdpq", 1_212, 1)])
def test_generations_that_were_cut_off_have_no_text_and_candidates_have_values(
    name: mumo.PublicSet, cut: int, unknown: int
) -> None:
    """One candidate of bdpq has its values under another spelling of the same molecule."""
    generations = mumo.generations(name)
    assert {len(row) for row in generations} == {20}
    assert sum(not text for row in generations for text in row) == cut
    known = mumo.properties(name)
    assert len({text for row in mumo.candidates(name) for text in row} - set(known)) == unknown


@pytest.mark.data
def test_the_prompt_templates_are_pinned() -> None:
    for key in ("simple-template", "threshold-template"):
        template = json.loads("\n".join(tables.lines(sources.dataset("mumo").file(key))))
        assert template["instructions"]
