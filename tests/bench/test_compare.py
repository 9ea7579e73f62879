"""Which of two models is better: paired, adjusted for the number of tasks, for any two models of any two runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmai_gym import tasks
from mmai_gym.bench import compare, contestant, render_comparison
from mmai_gym.bench.compare import headline_value
from mmai_gym.contracts import Completion, Example, Number, Prediction, Result, Split, UsageError, Verdict
from mmai_gym.records import RunHeader, RunRecord
from mmai_gym.tasks.base import judge_number
from mmai_gym.tasks.scoring import value_metrics
from tiny_tasks import TinyTask

COUNT = 24


class Values(TinyTask):
    """Sixty numbers; the training median is 0."""

    headline = "mae"
    middle = 0.0

    def __init__(self, number: int) -> None:
        super().__init__(f"values-{number}", Number("h", (0.0, 1.0)), ("0", "0"))
        self.truth = np.random.default_rng(number).normal(size=60)

    def examples(self, split: Split) -> Sequence[Example]:
        return [
            Example(f"{self.name}-{i}", self.name, split, {"smiles": "C"}, float(y))
            for i, y in enumerate(self.truth)
        ]

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_number(example.gold, 1.0, answer, 0.05)

    def score(self, results: Sequence[Result]) -> Any:
        return value_metrics(results, "h", self.middle, ["mae"])


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> list[Values]:
    made = [Values(number) for number in range(COUNT)]
    monkeypatch.setattr(tasks, "get", {task.name: task for task in made}.__getitem__)
    return made


def write(path: Path, made: Sequence[Values], noise: dict[str, float], seed: int, limit: int = 60) -> Path:
    """A record of models that are wrong by so much; without noise a model writes its number and gives no value."""
    family = {"name": "tiny", "tasks": [task.name for task in made], "n": 1, "trivial": [], "note": ""}
    config = {"suite": "s", "model": next(iter(noise)), "baselines": [], "families": [family], "split": "test"}
    rng = np.random.default_rng(seed)
    with RunRecord.open(
        path, RunHeader("bench", config | {"limit": None}, {task.name: "1" for task in made})
    ) as record:
        for model, scale in noise.items():
            for task in made:
                for example in task.examples("test")[:limit]:
                    said = f"{example.gold + scale * rng.normal():.6g}"
                    text = f"<answer>{said}</answer>"
                    value = float(said) if scale else None
                    prediction = Prediction(example.id, (Completion(text),), None, value)
                    record.append(model, Result(example, prediction, (task.verify(example, text),)))
    return path


def test_of_many_equal_endpoints_none_is_called_different_though_some_look_it(
    numbers: list[Values], tmp_path: Path
) -> None:
    first = write(tmp_path / "a.jsonl", numbers, {"a": 1.0}, seed=10)
    second = write(tmp_path / "b.jsonl", numbers, {"b": 1.0}, seed=11)
    rows = compare(contestant([first]), contestant([second]))
    assert len(rows) == COUNT
    assert any(row.p_value < 0.05 for row in rows)
    assert not any(row.better for row in rows)
    assert all(row.adjusted_p >= row.p_value for row in rows)
    assert "better on 0 and b on 0 of 24 tasks" in render_comparison(rows)


def test_a_clear_difference_survives_the_adjustment_over_all_tasks(numbers: list[Values], tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", numbers, {"good": 0.2, "baseline:poor": 2.0}, seed=3)
    rows = compare(contestant([path]), contestant([path], "baseline:poor"))
    assert {row.better for row in rows} == {
        "good"
    }  # the smallest p-value that can be shown is small enough for 24 tasks
    assert {row.metric for row in rows} == {"mae"}
    assert rows[0].as_dict()["adjusted_p"] <= 0.05


def test_a_model_that_writes_its_numbers_is_compared_by_them(numbers: list[Values], tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", numbers[:1], {"writer": 0.0, "guesser": 1.0}, seed=4)
    (row,) = compare(contestant([path]), contestant([path], "guesser"))
    assert (row.metric, row.better) == ("mae", "writer")
    assert row.first == pytest.approx(0.0, abs=1e-5)


def test_a_contestant_comes_out_of_all_records_of_its_run(numbers: list[Values], tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", numbers[:2], {"m": 1.0}, seed=1)
    two = write(tmp_path / "two.jsonl", numbers[1:3], {"m": 0.5}, seed=2, limit=30)
    found = contestant([one, two])
    assert [len(results) for results in found.results.values()] == [60, 60, 30]


def test_a_model_that_the_run_does_not_hold_is_answered_with_those_it_holds(
    numbers: list[Values], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.jsonl", numbers[:1], {"m": 1.0}, seed=1)
    with pytest.raises(UsageError, match="no answers of baseline:magic; there are answers of: m"):
        contestant([path], "baseline:magic")


def test_the_value_of_a_headline_is_the_one_that_the_task_gives_without_its_interval(
    numbers: list[Values], tmp_path: Path
) -> None:
    results = contestant([write(tmp_path / "a.jsonl", numbers[:1], {"one": 0.3}, 0)]).results[numbers[0].name]
    full = numbers[0].score(results)["mae"]
    assert headline_value(numbers[0], results) == full.value
    assert numbers[0].score(results)["mae"] == full  # resampling is on again
