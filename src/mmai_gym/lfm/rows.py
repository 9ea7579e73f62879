"""Rows of tokens that advance together through one model: what sampling, beams and read-outs are written against.

There are two: `LfmRows` for a plain LFM2, whose rows share their prompts and come and go, and `CachedRows` for any
other model, over transformers' cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch


class Rows(Protocol):
    """A batch in progress."""

    @property
    def logits(self) -> torch.Tensor:
        """(rows, vocabulary) float32, behind each row's last token."""

    def __len__(self) -> int: ...

    def room(self) -> tuple[int, int]:
        """How many more rows, behind how many more prompts, may join now."""

    def join(self, prompts: Sequence[Sequence[int]], counts: Sequence[int]) -> None:
        """Read each prompt (token ids, none empty) once and put `counts[i]` rows behind it, after the present rows."""

    def append(self, tokens: torch.Tensor) -> None:
        """Read one token, (rows,), behind each row."""

    def select(self, rows: torch.Tensor) -> None:
        """Go on with `rows` (indices, no more than there are) in their order."""
