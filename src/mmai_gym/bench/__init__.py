"""Benchmarks: suites, the runner, the table and the comparison of two records."""

from __future__ import annotations

from mmai_gym.bench.compare import Comparison, Contestant, compare, contestant, render_comparison
from mmai_gym.bench.judging import judge_again
from mmai_gym.bench.published import PublishedFigure, published_for, published_models
from mmai_gym.bench.rendering import published_value, render_text, statements, to_json, to_markdown
from mmai_gym.bench.runner import Verifier, run, subset
from mmai_gym.bench.suite import Family, Suite, list_suites, load_suite
from mmai_gym.bench.table import Contest, FamilySummary, Row, Table, table

__all__ = [
    "Comparison",
    "Contest",
    "Contestant",
    "Family",
    "FamilySummary",
    "PublishedFigure",
    "Row",
    "Suite",
    "Table",
    "Verifier",
    "compare",
    "contestant",
    "judge_again",
    "list_suites",
    "load_suite",
    "published_for",
    "published_models",
    "published_value",
    "render_comparison",
    "render_text",
    "run",
    "statements",
    "subset",
    "table",
    "to_json",
    "to_markdown",
]
