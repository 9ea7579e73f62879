"""What is shown of a run: its report, one self-contained HTML file, and its checkpoint made ready for others.

Importing it loads no plotting or drawing library.
"""

from __future__ import annotations

from mmai_gym.report.page import write_report
from mmai_gym.report.shipping import Shipped, ship

__all__ = ["Shipped", "ship", "write_report"]
