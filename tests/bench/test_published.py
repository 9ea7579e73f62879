"""Published figures: complete, sourced, and never ranked where the setting differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.bench import list_suites, load_suite, published, render_text, table, to_json, to_markdown
from mmai_gym.bench.published import Figure, PublishedModel, differences, published_for, published_models
from mmai_gym.records import RunHeader, RunRecord
from mmai_gym.report.glossary import metric_meaning
from mmai_gym.tasks.multi_property_sets import C_MUMO, MUMO

TDC = {"split": "TDC scaffold", "external_data": "none"}


def test_every_figure_belongs_to_a_task_and_a_metric_that_the_gym_has_or_defines() -> None:
    known = {*tasks.names(), *(one.task for one in (*MUMO, *C_MUMO))}
    for model in published_models():
        assert set(model.figures) <= known, model.name
        for name, figures in model.figures.items():
            assert all(metric_meaning(metric) for metric in figures), (model.name, name)
            if name.startswith("admet/"):
                assert list(figures) == [tasks.get(name).headline], (model.name, name)


def test_every_model_says_where_its_figures_come_from_and_stands_once_per_task() -> None:
    seen: set[tuple[str, str]] = set()
    for model in published_models():
        assert model.source and model.read_in and (model.figures or model.averages)
        keys = {(model.name, task) for task in model.figures}
        assert not keys & seen, keys & seen
        seen |= keys


def test_averages_stand_under_a_family_of_a_shipped_suite() -> None:
    families = {family.name for name in list_suites() for family in load_suite(name).families} | {"goal-directed"}
    assert {average.family for model in published_models() for average in model.averages} <= families


def test_shares_are_shares_and_not_percent() -> None:
    for model in published_models():
        for figures in model.figures.values():
            for metric, figure in figures.items():
                if metric.startswith(("top_", "au", "protocol_success", "concordance", "valid")):
                    assert 0.0 < figure.value <= 1.0, (model.name, metric)


def test_txgemma_has_eighteen_endpoints_and_no_figure_is_a_copy_of_another_board() -> None:
    (txgemma,) = [m for m in published_models() if m.name == "TxGemma-27B" and "admet/dili" in m.figures]
    assert len(txgemma.figures) == 18
    bioavailability = {f.value for f in published_for("admet/bioavailability_ma", TDC)}
    assert max(bioavailability) < 0.8  # a scrape of the board shows the Pgp figures, 0.93 and 0.94, in this place


@pytest.mark.parametrize(
    ("protocol", "setting", "expected"),
    [
        (TDC, TDC | {"candidates": 20}, ()),
        (TDC, {"split": "TDC scaffold"}, ("external data: not stated",)),
        (TDC, {"split": "random", "external_data": "none"}, ("split: random",)),
        ({"class_known": False}, {"class_known": True}, ("reaction class known: yes",)),
        ({}, TDC, ("the protocol of this run states no setting",)),
    ],
)
def test_a_figure_is_comparable_only_where_its_setting_agrees_with_all_that_the_protocol_states(
    protocol: dict[str, Any], setting: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert differences(protocol, setting) == expected


def test_figures_are_written_short_or_long_and_faults_are_named() -> None:
    assert Figure.model_validate(0.5) == Figure(value=0.5)
    assert Figure.model_validate([0.5, 0.1]) == Figure(value=0.5, spread=0.1)
    assert Figure.model_validate({"value": 0.5, "certainty": "unverified"}).certainty == "unverified"
    entry = {"name": "m", "source": "s", "read_in": "r", "certainty": "primary"}
    with pytest.raises(ValueError, match="unknown setting spilt"):
        PublishedModel.model_validate(entry | {"setting": {"spilt": "random"}})
    with pytest.raises(ValueError, match="does not say of what"):
        PublishedModel.model_validate(entry | {"figures": {"admet/dili": {"auroc": [0.9, 0.1]}}})


def test_published_figures_stand_apart_in_every_form_of_the_table(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"source": "A. Author 2020", "read_in": "the paper", "certainty": "second-hand", "spread": "seeds"}
    figures = {"figures": {"tiny/choice": {"score": [0.75, 0.01], "elsewhere": 0.1}}}
    models = [
        PublishedModel.model_validate(entry | figures | {"name": "alike", "setting": {"split": "own"}}),
        PublishedModel.model_validate(entry | figures | {"name": "unlike", "setting": {"split": "random"}}),
    ]
    monkeypatch.setattr(published, "published_models", lambda: models)
    family = {
        "name": "choice",
        "tasks": ["tiny/choice"],
        "n": 1,
        "trivial": [],
        "note": "",
        "setting": {"split": "own"},
    }
    config = {"suite": "s", "model": "m", "baselines": [], "families": [family], "split": "test", "limit": None}
    path = tmp_path / "r.jsonl"
    with RunRecord.open(path, RunHeader("bench", config, {"tiny/choice": "1"})) as record:
        record.append("m", right(tiny["tiny/choice"]))
    found = table(path)
    assert [(f.model, f.metric, f.comparable) for f in found.published] == [
        ("alike", "score", True),
        ("unlike", "score", False),
    ]
    assert {row.model for row in found.rows} == {"m"}
    text = render_text(found, width=100)
    assert text.index("published by others, not measured here") > text.index("no trivial baseline in this record")
    assert " 0.75'" in text and "(0.75')" in text and "unlike: split: random" in text
    assert "| tiny/choice | unlike | score | 0.75 ± 0.01 | split: random |" in to_markdown(found)
    data = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert [figure["comparable"] for figure in data["published"]] == [True, False]


def right(task: Any) -> Any:
    from mmai_gym.contracts import Completion, Prediction, Result

    example = task.examples("test")[0]
    text = f"<answer>{example.gold}</answer>"
    return Result(example, Prediction(example.id, (Completion(text),)), (task.verify(example, text),))
