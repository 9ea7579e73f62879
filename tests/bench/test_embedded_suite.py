"""The embedded suite on its real tasks, through real verification workers, with the quick baselines."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmai_gym import oracles
from mmai_gym.bench import load_suite, render_text, run, table
from mmai_gym.models import baseline
from mmai_gym.oracles import stamp

pytestmark = pytest.mark.slow


def test_the_embedded_suite_runs_and_every_family_has_a_headline_for_its_trivial_baselines(tmp_path: Path) -> None:
    quick = load_suite("embedded").model_copy(update={"baselines": ("baseline:constant", "baseline:copy")})
    found = table(run(baseline("nearest"), quick, tmp_path / "r.jsonl", limit=4))
    assert [summary.family for summary in found.families] == [
        "functional-groups",
        "properties",
        "retrosynthesis",
        "optimization",
        "activity",
    ]
    for summary in found.families:
        for contest in summary.contests:
            # Atom positions are the one form that neighbours cannot answer.
            assert contest.model is not None or contest.task.endswith("/locate"), contest.task
            headline = found.headline(contest.task, "baseline:constant")
            assert headline is not None
            assert headline.undecided == 0
    copied = [found.headline(c.task, "baseline:copy") for c in found.families[3].contests]
    assert all(row is not None and row.estimate.value == 0.0 for row in copied)
    assert found.validity["baseline:copy"].value == 1.0
    assert "families beaten" in render_text(found)
    assert any(name.startswith("embedded/") for name in found.header.checksums)
    assert found.header.checksums["oracle/sa"] == stamp(oracles.get("sa"))
