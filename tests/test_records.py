"""A run record keeps every finished result through a kill, and never mixes two runs."""

from __future__ import annotations

import gzip
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym.contracts import (
    Completion,
    DataError,
    Example,
    Prediction,
    Reason,
    Result,
    Split,
    UsageError,
    Verdict,
)
from mmai_gym.records import Row, RunHeader, RunRecord, file_sha256, library_versions

HEADER = RunHeader("bench", {"limit": 5, "models": ["copy"]}, {"toy/embedded": "1"}, prompts={"chat": "ab12"})


class Toy:
    """Just what a record asks of a task: a name, a verifier's version and examples."""

    name, verifier_version = "toy/embedded", "1"

    def examples(self, split: Split) -> Sequence[Example]:
        return [Example(f"{split}-{i}", self.name, split, {"smiles": "C" * i}, i) for i in range(9)]


def toy(name: str) -> Any:
    assert name == "toy/embedded"
    return Toy()


def result(number: int, text: str = "<answer>C</answer>", split: Split = "test") -> Result:
    prediction = Prediction(f"{split}-{number}", (Completion(text, -1.25), Completion("")))
    verdicts = (
        Verdict(0.5, Reason.PARTIAL, "C", {"error": 0.1}, "1"),
        Verdict(None, Reason.TIMEOUT, detail="5 s"),
    )
    return Result(Toy().examples(split)[number], prediction, verdicts)


def write(path: Path, numbers: Sequence[int], header: RunHeader = HEADER) -> None:
    with RunRecord.open(path, header) as record:
        for number in numbers:
            record.append("copy", result(number), seconds=0.25)


def ids(path: Path) -> list[str]:
    return [row.prediction.example_id for row in RunRecord.read(path).rows()]


def test_results_come_back_joined_and_in_the_order_of_the_examples(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.jsonl"
    write(path, [3, 0, 2])
    joined = RunRecord.read(path).results(toy)
    assert joined == {("copy", "toy/embedded"): [result(0), result(2), result(3)]}


def test_inputs_and_gold_are_not_stored(tmp_path: Path) -> None:
    write(tmp_path / "run.jsonl", [4])
    row = json.loads((tmp_path / "run.jsonl").read_text().splitlines()[1])
    assert set(row) == {
        *("model", "task", "id", "completions", "probabilities", "value", "spread", "verdicts", "seconds")
    }
    assert "CCCC" not in json.dumps(row)


def test_the_header_round_trips_and_names_versions(tmp_path: Path) -> None:
    write(tmp_path / "run.jsonl", [])
    header = RunRecord.read(tmp_path / "run.jsonl").header
    assert header.as_json() == HEADER.as_json()
    assert {"python", "numpy", "rdkit", "mmai-gym"} <= header.libraries.keys()
    assert (tmp_path / "run.jsonl").read_text().startswith('{"record_version":1,')


numbers = st.none() | st.floats()


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    text=st.text(st.characters()),
    logprob=numbers,
    value=numbers,
    probabilities=st.none() | st.dictionaries(st.text(), st.floats(), max_size=3),
    component=st.floats(),
)
def test_any_row_survives_json(
    text: str,
    logprob: float | None,
    value: float | None,
    probabilities: dict[str, float] | None,
    component: float,
) -> None:
    def tidy(x: float | None) -> float | None:
        return x if x is not None and math.isfinite(x) else None

    prediction = Prediction("i", (Completion(text, logprob),), probabilities, value, None)
    row = Row("m", "t", prediction, (Verdict(None, Reason.CRASH, text, {"error": component}),))
    back = Row.from_json(json.loads(json.dumps(row.as_json(), allow_nan=False)))
    assert back.prediction.completions == (Completion(text, tidy(logprob)),)
    assert back.prediction.value == tidy(value)
    assert back.verdicts[0].answer == text
    assert back.verdicts[0].score is None
    assert tidy(back.verdicts[0].components["error"]) == tidy(component)
    if probabilities is not None:
        assert back.prediction.probabilities is not None
        assert {k: tidy(v) for k, v in back.prediction.probabilities.items()} == {
            k: tidy(v) for k, v in probabilities.items()
        }


def test_text_that_no_encoding_holds_survives_the_file(tmp_path: Path) -> None:
    text = "lone \ud800 surrogate, \u2028 separator, \x00 and\nnewline"
    with RunRecord.open(tmp_path / "run.jsonl", HEADER) as record:
        record.append("copy", result(1, text))
    (row,) = RunRecord.read(tmp_path / "run.jsonl").rows()
    assert row.prediction.completions[0].text == text


def test_resuming_goes_on_and_ignores_what_is_done(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0, 1])
    with RunRecord.open(path, replace(HEADER, created="later")) as record:
        assert record.done() == {("copy", "toy/embedded", "test-0"), ("copy", "toy/embedded", "test-1")}
        assert record.append("copy", result(1, "another text")) is False
        assert record.append("copy", result(2)) is True
        assert record.append("other model", result(1)) is True
    rows = list(RunRecord.read(path).rows())
    assert [(r.model, r.prediction.example_id) for r in rows] == [
        ("copy", "test-0"), ("copy", "test-1"), ("copy", "test-2"), ("other model", "test-1"),
    ]  # fmt: skip
    assert rows[1].prediction.completions[0].text == "<answer>C</answer>"


def test_of_duplicate_lines_the_first_wins(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0])
    header, row = path.read_text().splitlines()
    path.write_text("\n".join([header, row, row.replace('"C"', '"N"'), ""]))
    (kept,) = RunRecord.read(path).rows()
    assert kept.verdicts[0].answer == "C"


def test_a_file_cut_at_any_byte_is_recovered(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0, 1, 2])
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in [0, 1, 17, 18, 40, *(end + d for end in ends for d in (-1, 0, 1, 30) if end + d <= len(whole))]:
        path.write_bytes(whole[:cut])
        complete = sum(end <= cut for end in ends)
        with RunRecord.open(path, HEADER) as record:
            assert len(record.done()) == max(0, complete - 1)
            for number in range(3):
                record.append("copy", result(number), seconds=0.25)
        assert path.read_bytes() == whole


def test_reading_leaves_a_torn_line_out_without_touching_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0, 1])
    torn = path.read_bytes()[:-5]
    path.write_bytes(torn)
    assert ids(path) == ["test-0"]
    assert path.read_bytes() == torn


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from {module} import HEADER, RunRecord, result
from dataclasses import replace
record = RunRecord.open({path!r}, HEADER)
for i in range(10**6):
    r = result(i % 9)
    record.append("m%d" % i, r)
    if i == 50:
        print("on", flush=True)
"""


def test_kill_9_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    code = WRITER.format(tests=str(Path(__file__).parent), module=Path(__file__).stem, path=str(path))
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    with pytest.raises(UsageError, match="another process is writing"):
        RunRecord.open(path, HEADER)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    with RunRecord.open(path, HEADER) as record:
        models = {model for model, _, _ in record.done()}
    assert len(models) > 50
    assert models == {f"m{i}" for i in range(len(models))}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"config": {"limit": 6, "models": ["copy"]}}, r"config\.limit \(5 in the record, 6 now\)"),
        ({"tasks": {"toy/embedded": "2"}}, r"tasks\.toy/embedded"),
        ({"prompts": {"chat": "cd34"}}, r"prompts\.chat"),
        ({"seeds": {"sampling": 1}}, r"seeds\.sampling"),
        ({"checksums": {"data.csv": "00"}}, r"checksums\.data\.csv"),
        ({"libraries": {"rdkit": "2020.03"}}, r"libraries\.rdkit"),
        ({"kind": "train"}, "kind"),
    ],
)
def test_a_different_run_is_refused_and_the_difference_named(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0])
    before = path.read_bytes()
    with pytest.raises(UsageError, match=named):
        RunRecord.open(path, replace(HEADER, **change))
    assert path.read_bytes() == before


def test_another_numpy_may_go_on(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0])
    write(path, [1], replace(HEADER, libraries={**HEADER.libraries, "numpy": "99"}))
    assert ids(path) == ["test-0", "test-1"]


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    path = tmp_path / "run.jsonl"
    with RunRecord.open(path, HEADER), pytest.raises(UsageError, match="another process is writing"):
        RunRecord.open(path, HEADER)
    write(path, [0])


def test_ids_missing_from_the_source_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0])
    path.write_text(path.read_text().replace("test-0", "test-77"))
    with pytest.raises(DataError, match=r"toy/embedded.*test-77"):
        RunRecord.read(path).results(toy)


def test_other_splits_are_found_too(tmp_path: Path) -> None:
    with RunRecord.open(tmp_path / "run.jsonl", HEADER) as record:
        record.append("copy", result(1, split="train"))
    assert RunRecord.read(tmp_path / "run.jsonl").results(toy)["copy", "toy/embedded"] == [
        result(1, split="train")
    ]


def test_a_corrupt_line_in_the_middle_is_named_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, [0, 1])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + "<html>\n" + lines[2])
    with pytest.raises(DataError, match="line 2"):
        list(RunRecord.read(path).rows())
    with pytest.raises(DataError, match="line 2"):
        RunRecord.open(path, HEADER)


@pytest.mark.parametrize("content", ["name,smiles\nethanol,CCO\n", "precious words without a newline", "[1]\n"])
def test_a_file_of_another_kind_is_neither_read_nor_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=r"mine\.csv"):
        RunRecord.open(path, HEADER)
    with pytest.raises(DataError, match=r"mine\.csv"):
        RunRecord.read(path)
    assert path.read_text() == content


def test_a_later_record_version_says_which_gym_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(json.dumps(HEADER.as_json() | {"record_version": 2}) + "\n")
    with pytest.raises(DataError, match="version 2"):
        RunRecord.read(path)


def test_compressed_records_are_read_and_not_appended_to(tmp_path: Path) -> None:
    write(tmp_path / "run.jsonl", [0, 1])
    packed = tmp_path / "run.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "run.jsonl").read_bytes()))
    assert ids(packed) == ["test-0", "test-1"]
    with pytest.raises(UsageError, match="compressed"):
        RunRecord.open(packed, HEADER)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        ids(packed)


def test_a_missing_record_and_an_impossible_path_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run record.*nothing\.jsonl"):
        RunRecord.read(tmp_path / "nothing.jsonl")
    with pytest.raises(UsageError, match="cannot write"):
        RunRecord.open(tmp_path, HEADER)
    write(tmp_path / "run.jsonl", [0])
    with pytest.raises(UsageError, match="reading only"):
        RunRecord.read(tmp_path / "run.jsonl").append("copy", result(1))


@pytest.mark.parametrize(
    "config",
    [
        {"api_key": "sk-1"},
        {"endpoint": {"openaiApiKey": "sk-1"}},
        {"hf-token": "hf_1"},
        {"models": [{"password": "p"}]},
        {"secrets": {"a": "b"}},
        {"model": "openai:m@https://me:pw@host/v1"},
        {"url": "https://host/v1?api_key=abc"},
    ],
)
def test_credentials_are_refused_and_not_repeated(config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="credential") as caught:
        RunHeader("bench", config)
    assert not any(secret in str(caught.value) for secret in ("sk-1", "hf_1", "pw@", "abc"))


def test_settings_that_only_sound_secret_are_accepted() -> None:
    config = {"max_new_tokens": 64, "tokenizer": "a", "pad_token": "<|pad|>", "token": None, "key_size": 3}
    config |= {"model": "openai:lfm@http://127.0.0.1:8000/v1", "keyword": "x"}
    assert RunHeader("bench", config).config == config


def test_checksums_and_versions() -> None:
    this = Path(__file__)
    assert file_sha256(this) == file_sha256(os.fspath(this))
    assert len(file_sha256(this)) == 64
    assert library_versions(["numpy", "no-such-distribution"]).keys() == {"python", "numpy"}
