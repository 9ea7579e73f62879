"""Benchmarks: suites, the runner, the table and the comparison of two records."""

from __future__ import annotations

from mmai_gym.bench.compare import Comparison, compare, render_comparison
from mmai_gym.bench.rendering import render_text, statements, to_json, to_markdown
from mmai_gym.bench.runner import Verifier, run, subset
from mmai_gym.bench.suite import Family, Suite, list_suites, load_suite
from mmai_gym.bench.table import Contest, FamilySummary, Row, Table, table

__all__ = [
    "Comparison",
    "Contest",
    "Family",
    "FamilySummary",
    "Row",
    "Suite",
    "Table",
    "Verifier",
    "compare",
    "list_suites",
    "load_suite",
    "render_comparison",
    "render_text",
    "run",
    "statements",
    "subset",
    "table",
    "to_json",
    "to_markdown",
]
