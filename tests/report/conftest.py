from __future__ import annotations

from report_records import registry

__all__ = ["registry"]
