"""The report of a run: one self-contained HTML file. Importing it loads no plotting or drawing library."""

from __future__ import annotations

from mmai_gym.report.page import write_report

__all__ = ["write_report"]
