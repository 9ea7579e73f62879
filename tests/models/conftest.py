from __future__ import annotations

from tiny_tasks import tiny

__all__ = ["tiny"]
