"""The command line as a stranger meets it: exit codes, JSON on stdout, and messages that name what, where and the fix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "retrosynthesis/embedded"


def gym(*args: str, stdin: str = "", cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmai_gym.cli", *args],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | env,
        check=False,
    )


def test_tasks_json_is_one_array_with_the_promised_keys() -> None:
    done = gym("tasks", "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0
    assert len(rows) >= 30
    assert {"name", "family", "category", "version", "splits"} <= set(rows[0])
    assert all(row["splits"].get("test", 1) > 0 for row in rows)


def test_tasks_whose_data_are_absent_are_listed_all_the_same(tmp_path: Path) -> None:
    done = gym("tasks", "admet", "--json", MMAI_GYM_CACHE=str(tmp_path), MMAI_GYM_MIRROR="")
    assert len(json.loads(done.stdout)) == 22


def test_help_needs_no_heavy_library_and_lists_only_what_exists() -> None:
    code = "import sys; sys.argv = ['mmai-gym', '--help']\nfrom mmai_gym.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
    code += "print(sorted({'torch', 'rdkit', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert "openai" not in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("show", "retrosynthesis/embeded"), 2, "did you mean 'retrosynthesis/embedded'"),
        (("show", NAME, "--index", "999999"), 2, "is outside"),
        (("show", NAME, "--split", "dev"), 2, "train, valid, test"),
        (("bench", "no-such-run"), 2, "neither no-such-run nor"),
        (("bench", "baseline:magic"), 2, "baseline:nearest"),
        (("bench", "baseline:constant", "--suite", "no-such-suite"), 2, "embedded"),
        (("train", "no-such-recipe"), 2, "nano-embedded"),
        (("report", "no-such-run"), 2, "no-such-run"),
        (("data", "fetch", "uspto-51k"), 2, "uspto-50k"),
        (("data", "fetch"), 2, "--all"),
        (("data", "audit", "admit"), 2, "did you mean 'admet'"),
        (("data", "audit", "activity/embedded", "--against", "zink"), 2, "zink"),
        (("data", "map", "tdc-admet"), 2, "uspto-50k"),
        (("data", "map", "uspto-50k", "--split", "test"), 2, "train, valid"),
        (("nonsense",), 2, "nonsense"),
        (("score", "no-such-record.jsonl"), 2, "no-such-record.jsonl"),
    ],
)
def test_bad_usage_exits_with_2_and_names_the_fix(
    args: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    done = gym(*args, cwd=tmp_path)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (code, "")


def test_an_unknown_recipe_key_is_named_with_its_file(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('name = "mine"\npreset = "nano"\nlearning_speed = 1\n', encoding="utf-8")
    done = gym("train", str(recipe), cwd=tmp_path)
    assert done.returncode == 2
    assert "learning_speed" in done.stderr
    assert "mine.toml" in done.stderr


def test_a_model_folder_without_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = gym("bench", str(tmp_path / "empty"), cwd=tmp_path)
    assert done.returncode == 1
    assert "holds no model" in done.stderr


def test_missing_data_names_the_ways_to_get_it(tmp_path: Path) -> None:
    done = gym("show", "admet/herg", MMAI_GYM_CACHE=str(tmp_path), MMAI_GYM_MIRROR="", MMAI_GYM_OFFLINE="1")
    assert done.returncode == 1
    assert "MMAI_GYM_MIRROR" in done.stderr
    assert "Traceback" not in done.stderr


def test_show_prints_a_question_its_answer_and_true_reasoning() -> None:
    done = gym("show", "functional-groups/embedded/detect", "--json")
    shown = json.loads(done.stdout)
    assert {"chat", "compact", "answer", "reasoning"} <= set(shown)
    assert all(step["true"] for step in shown["reasoning"])
    assert (shown["verdict"]["score"], shown["verdict"]["reason"]) == (1.0, "correct")


@pytest.mark.parametrize("task", [NAME, "functional-groups/embedded/locate", "optimization/embedded/qed"])
def test_show_draws_the_question_and_a_known_answer_if_asked(task: str, tmp_path: Path) -> None:
    picture = tmp_path / "deep" / "picture.svg"
    done = gym("show", task, "--draw", str(picture))
    assert done.returncode == 0, done.stderr
    assert "verdict: correct, score 1.0" in done.stdout
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_verify_judges_each_line_and_survives_hostile_ones(tmp_path: Path) -> None:
    ids = [json.loads(gym("show", NAME, "--index", str(i), "--json").stdout) for i in range(2)]
    gold = ids[0]["answer"]
    completions = [
        (0, f"<answer>{gold}</answer>"),
        (0, "<answer>C1CC</answer>"),
        (1, "<answer>" + "[" * 1_000_000 + "</answer>"),
        (1, "no answer at all"),
    ]
    lines = [json.dumps({"id": ids[i]["id"], "completion": text}) for i, text in completions]
    done = gym("verify", NAME, "--input", "-", stdin="\n".join(lines))
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [v["score"] for v in verdicts] == [1.0, 0.0, 0.0, 0.0]
    assert [v["reason"] for v in verdicts] == ["correct", "invalid-molecule", "too-long", "no-answer"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not JSON"),
        ('{"id": 3}', "line 1: want"),
        ('{"id": "x", "completion": ""}', "no test example"),
    ],
)
def test_verify_names_the_line_that_it_cannot_use(line: str, message: str) -> None:
    done = gym("verify", NAME, "--input", "-", stdin=line)
    assert done.returncode == 2
    assert message in done.stderr


def test_audit_prints_tables_or_json_and_stores_the_findings(tmp_path: Path) -> None:
    out = tmp_path / "audit.json"
    asked = ("data", "audit", "activity/embedded", "--against", "embedded", "--out", str(out))
    done = gym(*asked, "--json", MMAI_GYM_CACHE=str(tmp_path))
    found = json.loads(done.stdout)
    assert (done.returncode, json.loads(out.read_text(encoding="utf-8"))) == (0, found)
    assert [held["name"] for held in found["held"]] == ["activity/embedded", "embedded/conformers"]
    assert [near["task"] for near in found["neighbours"]] == ["activity/embedded"]
    table = gym(*asked, MMAI_GYM_CACHE=str(tmp_path), COLUMNS="120")
    assert "Tanimoto similarity of test molecules to the nearest training molecule" in table.stdout
    assert f"findings: {out}" in table.stderr


def test_audit_without_data_names_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    done = gym(
        "data", "audit", "admet/herg", MMAI_GYM_CACHE=str(tmp_path), MMAI_GYM_MIRROR="", MMAI_GYM_OFFLINE="1"
    )
    assert done.returncode == 1
    assert "MMAI_GYM_MIRROR" in done.stderr and "Traceback" not in done.stderr


def test_data_that_are_absent_or_bad_end_with_1(tmp_path: Path) -> None:
    done = gym("data", "verify", "uspto-50k", MMAI_GYM_CACHE=str(tmp_path), MMAI_GYM_MIRROR="")
    assert "BAD" in done.stdout
    assert done.returncode == 1


def test_an_interrupted_command_says_what_is_kept_and_ends_with_1() -> None:
    code = (
        "import sys; from mmai_gym import cli, sources\n"
        "def stop(): raise KeyboardInterrupt('the last checkpoint is kept')\n"
        "sources.list_datasets = stop; sys.argv = ['mmai-gym', 'data', 'list']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "interrupted: the last checkpoint is kept\n")
