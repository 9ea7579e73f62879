"""Records that are damaged or old: what is wrong is named, what is good is kept, and answers can be judged again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.bench import judge_again, render_text, table, to_json
from mmai_gym.contracts import Completion, Example, Prediction, Reason, Result, UsageError, Verdict
from mmai_gym.records import RunHeader, RunRecord
from mmai_gym.tasks.answers import wrap
from tiny_tasks import FORMS, TinyTask


class Here:
    def verify(self, items: Sequence[tuple[str, Example, str]]) -> list[Verdict]:
        return [tasks.get(name).verify(example, text) for name, example, text in items]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two tasks answered by one model, the second of them unknown by now."""

    def get(name: str) -> TinyTask:
        if name not in FORMS or name == "tiny/count":
            raise UsageError(f"unknown task {name!r}")
        return FORMS[name]

    names = ["tiny/choice", "tiny/count"]
    family = {"name": "tiny", "tasks": names, "n": 1, "trivial": [], "note": ""}
    config = {"suite": "s", "model": "m", "baselines": [], "families": [family], "split": "test", "limit": None}
    path = tmp_path / "r.jsonl"
    with RunRecord.open(path, RunHeader("bench", config, dict.fromkeys(names, "1"))) as opened:
        for name in names:
            for example in FORMS[name].examples("test"):
                text = f"<answer>{example.gold}</answer>"
                verdict = FORMS[name].verify(example, text)
                opened.append("m", Result(example, Prediction(example.id, (Completion(text),)), (verdict,)), 0.5)
    monkeypatch.setattr(tasks, "get", get)
    return path


def test_a_torn_line_a_second_answer_an_unknown_task_and_an_old_verifier_are_named_and_good_rows_kept(
    record: Path,
) -> None:
    header, first, *rest = record.read_text().splitlines(keepends=True)
    old = json.loads(first)
    old["verdicts"][0]["version"] = "0"
    again = json.loads(first)
    again["verdicts"][0]["score"] = 0.0
    again["verdicts"][0]["reason"] = "wrong"
    record.write_text(
        "".join([header, json.dumps(old) + "\n", json.dumps(again) + "\n", *rest, '{"model": "m", "ta'])
    )
    found = table(record)
    assert list(found.faults) == [
        "line 11 is cut short and left out; the `bench` command that began the record runs its example again",
        "1 examples are answered twice, the first of them on line 3 (m on tiny/choice, id tiny/choice-test-0); "
        "the earlier answer counts",
        "4 rows answer 'tiny/count', a task that this gym does not have, and are left out; `mmai-gym tasks` lists all",
        "1 answers to tiny/choice were judged by verifier 0, this gym has 1; their verdicts are kept as they are, "
        "`mmai-gym judge` makes new ones",
    ]
    assert [(row.task, row.estimate.value, row.n) for row in found.rows] == [("tiny/choice", 1.0, 4)]
    text = render_text(found)
    assert all(f"record: {fault}" in text for fault in found.faults)
    assert to_json(found)["faults"] == list(found.faults)


def test_a_sound_record_has_no_faults(tiny: Any, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "get", FORMS.__getitem__)
    assert table(record).faults == ()


def test_answers_judged_again_carry_the_new_verdicts_and_the_old_texts(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = FORMS["tiny/choice"]
    monkeypatch.setattr(type(task), "judge_version", "7")
    monkeypatch.setattr(task, "judge", lambda example, answer: Verdict(0.0, Reason.WRONG, answer))
    assert "judged by verifier 1, this gym has 1.7" in " ".join(table(record).faults)
    out = judge_again(record, tmp_path / "new.jsonl", Here())
    new = RunRecord.read(out)
    before = {row.key: row for row in RunRecord.read(record).rows() if row.task == task.name}
    rows = list(new.rows())
    assert [(row.prediction, row.seconds) for row in rows] == [
        (before[row.key].prediction, before[row.key].seconds) for row in rows
    ]
    assert {(row.verdicts[0].score, row.verdicts[0].verifier_version) for row in rows} == {(0.0, "1.7")}
    assert table(out).rows[0].estimate.value == 0.0
    written = out.read_bytes()
    assert judge_again(record, out, Here()).read_bytes() == written  # done is done


class Maker:
    """A forward model that makes the product of every chloride, and of nothing else."""

    name, checksums = "maker", {"model.safetensors": "abc"}

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        made = [str(e.gold) if "Cl" in str(e.inputs["smiles"]) else "C" for e in examples]
        return [Prediction(e.id, (Completion(wrap(text)),)) for e, text in zip(examples, made, strict=True)]


def test_round_trips_are_made_anew_by_the_model_that_is_given_and_left_out_where_there_is_none(
    tmp_path: Path,
) -> None:
    task = tasks.get("retrosynthesis/embedded")
    example = task.examples("test")[0]
    family = {"name": "r", "tasks": [task.name], "n": 2, "trivial": [], "note": "", "forward": "forward/embedded"}
    config = {"suite": "s", "model": "m", "families": [family], "split": "test", "limit": None, "forward": "old"}
    header = RunHeader("bench", config, {task.name: "1"}, {"forward/model.safetensors": "old"}, seeds={"bench": 0})
    texts = [wrap("CCO.CC(=O)Cl"), wrap("CCO.CC(=O)O")]
    verdicts = [replace(v, components={"round_trip": 1.0}) for v in (task.verify(example, text) for text in texts)]
    with RunRecord.open(tmp_path / "r.jsonl", header) as opened:
        opened.append(
            "m", Result(example, Prediction(example.id, tuple(map(Completion, texts))), tuple(verdicts)), 0.5
        )
    for forward, trips, name in ((None, [None, None], None), (Maker(), [1.0, 0.0], "maker")):
        out = judge_again(tmp_path / "r.jsonl", tmp_path / f"{name}.jsonl", Here(), forward=forward)
        found = RunRecord.read(out)
        ((row,),) = [list(found.rows())]
        assert [verdict.components.get("round_trip") for verdict in row.verdicts] == trips
        assert found.header.config.get("forward") == name
        assert found.header.checksums == ({} if forward is None else {"forward/model.safetensors": "abc"})
