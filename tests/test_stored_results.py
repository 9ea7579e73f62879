"""Every figure in docs/results and in the README comes out of the stored records."""

from __future__ import annotations

import functools
import importlib
import json
import math
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmai_gym.bench import Table, render_text, table
from mmai_gym.contracts import Estimate

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
RECORDS = sorted(path.name.removesuffix(".jsonl.gz") for path in RESULTS.glob("*.jsonl.gz"))
WITHOUT_DATA = {"demo"}
MEGABYTES = 5

pytestmark = pytest.mark.slow
each_record = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in WITHOUT_DATA else pytest.mark.data) for name in RECORDS]
)


@functools.cache
def stored(name: str) -> Table:
    return table(RESULTS / f"{name}.jsonl.gz")


@pytest.fixture
def benchmark_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of benchmarks/ can be imported, as they import each other."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@each_record
def test_the_stored_table_is_the_one_of_the_record_and_the_record_is_sound(name: str) -> None:
    assert render_text(stored(name), width=120) + "\n" == (RESULTS / f"{name}.txt").read_text(encoding="utf-8")
    assert not stored(name).faults
    assert (RESULTS / f"{name}.jsonl.gz").stat().st_size <= MEGABYTES * 10**6


@pytest.mark.data
def test_the_figures_of_cold_drugs_are_those_of_the_records() -> None:
    stated = json.loads((RESULTS / "cold-drug.json").read_text(encoding="utf-8"))["rows"]
    found = {
        (row.model, row.task, row.metric): row.estimate.value
        for name in ("cold-drug-pair-boosting", "cold-drug-kronrls")
        for row in stored(name).rows
    }
    assert len(stated) == 3
    for row in stated:
        for metric in ("concordance_index", "mse"):
            values = [round(found[row["model"], task, metric], 6) for task in row["tasks"]]
            assert values == row[metric]["values"]
            assert row[metric]["mean"] == pytest.approx(sum(values) / len(values))


@pytest.mark.data
def test_the_figures_of_templates_are_those_of_the_record() -> None:
    (stated,) = json.loads((RESULTS / "templates.json").read_text(encoding="utf-8"))["rows"]
    found = {row.metric: row.estimate for row in stored("templates").rows if row.model == "baseline:templates"}
    told = {metric: value for metric, value in stated.items() if metric.startswith("top_")}
    assert set(told) == {metric for metric in found if metric.startswith("top_")}
    for metric, value in told.items():
        assert value == pytest.approx([found[metric].value, found[metric].low, found[metric].high])
    assert stated["n"] == 5007 and "of 5007 items" in found["top_1"].method


@pytest.mark.data
def test_the_figures_of_boosting_on_admet_are_those_of_the_record() -> None:
    stated = json.loads((RESULTS / "maplight.json").read_text(encoding="utf-8"))
    found = {
        (row.task, row.metric): row.estimate.value
        for row in stored("maplight").rows
        if row.model == "baseline:maplight"
    }
    assert len(stated["rows"]) == 22
    for row in stated["rows"]:
        assert len(row["values"]) == 5
        assert row["mean"] == pytest.approx(found[row["task"], row["metric"]], abs=1e-6)
        assert row["mean"] == pytest.approx(statistics.mean(row["values"]))
        assert row["sd"] == pytest.approx(statistics.pstdev(row["values"]))
    known = [row for row in stated["rows"] if "published" in row]
    for row in known:
        allowed = max(2 * row["published_sd"], 0.03 * row["published"])
        assert row["within"] == (abs(row["mean"] - row["published"]) <= allowed)
    assert stated["within"] == sum(row["within"] for row in known) and stated["of"] == len(known) == 21


@pytest.mark.data
@pytest.mark.usefixtures("benchmark_programs")
def test_the_figures_of_the_blend_are_those_of_the_two_records() -> None:
    blend = importlib.import_module("blend")
    stated = json.loads((RESULTS / "blend.json").read_text(encoding="utf-8"))
    assert alike(blend.report(RESULTS / "flagship-admet.jsonl.gz", RESULTS / "maplight.jsonl.gz"), stated)
    rows = json.loads((RESULTS / "maplight.json").read_text(encoding="utf-8"))["rows"]
    assert alike(
        {row["task"]: row["boosting"]["values"] for row in stated["rows"]},
        {row["task"]: row["values"] for row in rows},
    )


@pytest.mark.usefixtures("benchmark_programs")
def test_the_shipped_weights_of_re_ranking_lie_between_those_that_fit_validation_products() -> None:
    reranking = importlib.import_module("flagship_reranking")
    stated = json.loads((RESULTS / "re-ranking.json").read_text(encoding="utf-8"))
    assert stated["shipped"] == reranking.by_term(reranking.RERANKING_WEIGHTS)
    assert (stated["split"], len(stated["rows"])) == ("valid", 2)
    for term, shipped in stated["shipped"].items():
        fitted = [row["choices"]["both"]["weights"][term] for row in stated["rows"]]
        assert min(fitted) <= shipped <= max(fitted)


@pytest.mark.usefixtures("benchmark_programs")
def test_weights_that_order_answers_are_found_again() -> None:
    reranking = importlib.import_module("flagship_reranking")
    rng = np.random.default_rng(0)
    asked = []
    for terms in rng.normal(size=(800, 6, 3)):
        terms = terms[np.argsort(-terms[:, 0])]  # as answers come, the likeliest first
        scores = terms @ np.array([1.0, 0.5, 2.0])
        right = rng.choice(6, p=np.exp(scores) / np.exp(scores).sum())
        asked.append(reranking.Asked(terms, np.arange(6) == right))
    assert reranking.fitted(asked, (0, 1, 2)) == pytest.approx([1.0, 0.5, 2.0], rel=0.2)
    assert reranking.fitted(asked, (0, 2))[1] == pytest.approx(2.0, rel=0.2)
    gained = [statistics.mean(reranking.changes(asked, columns)) for columns in ((0,), (0, 1), (0, 1, 2))]
    assert gained[0] == 0.0 < gained[1] < gained[2]


def alike(found: Any, stated: Any) -> bool:
    """Whether two JSON values are equal, numbers but for the order in which a processor adds them up."""
    if isinstance(found, dict):
        return found.keys() == stated.keys() and all(alike(found[key], stated[key]) for key in found)
    if isinstance(found, list):
        return len(found) == len(stated) and all(map(alike, found, stated))
    if isinstance(found, float):
        return math.isclose(found, stated, rel_tol=1e-9, abs_tol=1e-12)
    return bool(found == stated)


@pytest.mark.data
@pytest.mark.usefixtures("benchmark_programs")
def test_the_page_of_the_flagship_says_what_its_records_say(monkeypatch: pytest.MonkeyPatch) -> None:
    flagship = importlib.import_module("flagship_page")
    monkeypatch.setattr(flagship.bench, "table", lambda path: stored(path.name.removesuffix(".jsonl.gz")))
    page = flagship.PAGE.read_text(encoding="utf-8")
    assert flagship.filled(page, flagship.Figures.read()) == page


def test_the_families_of_verifiers_cost_what_their_tasks_do() -> None:
    stored = json.loads((RESULTS / "verifiers.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| ([a-z-]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \(`(.+?)`\) \|$", page, re.MULTILINE)
    assert [family for family, *_ in quoted] == list(stored["families"])
    for family, number, middle, most, name in quoted:
        costs = [max(k.values()) for task, k in stored["ms_per_item"].items() if task.split("/")[0] == family]
        dearest = stored["ms_per_item"][name].values()
        assert int(number) == len(costs) == stored["families"][family]["tasks"]
        assert rounds(middle, statistics.median(costs))
        assert rounds(most, max(costs)) and max(costs) == max(dearest)


NUMBER = r"−?\d[\d,]*(?:\.\d+)?"
WITH_INTERVAL = re.compile(rf"({NUMBER})( %)? \[({NUMBER}), ({NUMBER})\]")


@pytest.mark.data
def test_every_figure_with_an_interval_in_the_readme_is_one_of_a_stored_record() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = WITH_INTERVAL.findall(text)
    assert len(quoted) > 15
    estimates = [row.estimate for name in RECORDS for row in stored(name).rows]
    estimates += [estimate for name in RECORDS for estimate in stored(name).validity.values()]
    assert [match for match in quoted if not any(says(match, estimate) for estimate in estimates)] == []


def says(quoted: tuple[str, str, str, str], estimate: Estimate) -> bool:
    """Whether value, low and high of the estimate round to what is quoted, in the digits that it is quoted with."""
    value, percent, low, high = quoted
    scale = 100.0 if percent else 1.0
    found = zip((value, low, high), (estimate.value, estimate.low, estimate.high), strict=True)
    return all(math.isfinite(exact) and rounds(text, scale * exact) for text, exact in found)


def rounds(text: str, exact: float) -> bool:
    places = len(text.partition(".")[2])
    return abs(float(text.replace("−", "-").replace(",", "")) - exact) <= 0.5000001 * 10**-places
