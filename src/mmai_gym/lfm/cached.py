"""Rows of any causal language model, over transformers' own cache.

Hybrid models read their neighbours whatever the attention mask says, so prompts of different lengths in one batch
are a trap. Here they are padded on the left, the mask reaches every layer (transformers multiplies the padded
positions by zero in front of each short convolution), and the positions count from the first real token.
A test holds that a row gives the same logits alone and in company.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class CachedRows:
    """A batch in progress, see `mmai_gym.lfm.rows.Rows`. Rows may leave, but new ones join an empty batch only."""

    def __init__(self, model: PreTrainedModel, rows: int, prompts: int) -> None:
        """Room for so many rows, behind so many prompts."""
        self._model = model
        self._most = rows, prompts
        self._lengths = torch.zeros(0, dtype=torch.long, device=model.device)
        self._mask: torch.Tensor | None = None
        self._cache: Any = None
        self.logits = torch.zeros(0, model.config.vocab_size, device=model.device)

    def __len__(self) -> int:
        return len(self._lengths)

    def room(self) -> tuple[int, int]:
        """How many more rows, behind how many more prompts, may join now."""
        return (0, 0) if len(self) else self._most

    def join(self, prompts: Sequence[Sequence[int]], counts: Sequence[int]) -> None:
        """Read each prompt once and put `counts[i]` rows behind it."""
        device = self._model.device
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        width = int(lengths.max())
        ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device)
        # Without padding no mask is needed, and attention takes its faster path.
        padded = bool((lengths < width).any())
        self._mask = torch.arange(width, device=device) >= (width - lengths)[:, None] if padded else None
        self._lengths, self._cache = lengths, None
        positions = (torch.arange(width, device=device) - (width - lengths)[:, None]).clamp(min=0)
        self.logits = self._forward(ids, positions)
        self.select(torch.repeat_interleave(torch.tensor(counts, device=device)))

    def append(self, tokens: torch.Tensor) -> None:
        """Read one token, (rows,), behind each row."""
        positions = self._lengths[:, None]
        self._lengths = self._lengths + 1
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(self), 1)], dim=1)
        self.logits = self._forward(tokens[:, None], positions)

    def select(self, rows: torch.Tensor) -> None:
        """Go on with `rows` (indices; one may be repeated, left out, or moved) in their order."""
        self._cache.reorder_cache(rows)
        self._lengths = self._lengths[rows]
        self.logits = self.logits[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        output = self._model(
            input_ids=ids,
            attention_mask=None if self._mask is None else self._mask.long(),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._cache = output.past_key_values
        return output.logits[:, -1].float()
