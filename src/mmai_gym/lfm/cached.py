"""Rows of tokens that advance together through one model, each position computed once.

The short convolution of LFM2 reads its neighbours whatever the attention mask says, so prompts of different
lengths in one batch are a trap. Here they are padded on the left, the mask reaches both kinds of layer
(transformers multiplies the padded positions by zero in front of each convolution), and the positions count
from the first real token. A test holds that a row gives the same logits alone and in company.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class CachedRows:
    """A batch in progress; `logits`, (rows, vocabulary) float32, are those behind each row's last token."""

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> None:
        """Read the prompts (token ids, none empty) in one forward pass."""
        self._model = model
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
        width = int(lengths.max())
        ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
        self._lengths = lengths
        self._cache: Any = None
        # Without padding no mask is needed, and attention takes its faster path.
        self._mask = None
        if bool((lengths < width).any()):
            self._mask = torch.arange(width, device=model.device) >= (width - lengths)[:, None]
        positions = (torch.arange(width, device=model.device) - (width - lengths)[:, None]).clamp(min=0)
        self.logits = self._forward(ids, positions, keep=1)[:, -1]

    def __len__(self) -> int:
        return len(self._lengths)

    def append(self, tokens: torch.Tensor) -> torch.Tensor:
        """Read `tokens`, (rows, k), behind the rows; returns the logits behind each, (rows, k, vocabulary)."""
        k = tokens.shape[1]
        positions = self._lengths[:, None] + torch.arange(k, device=tokens.device)
        self._lengths = self._lengths + k
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(self), k)], dim=1)
        logits = self._forward(tokens, positions, keep=0)
        self.logits = logits[:, -1]
        return logits

    def select(self, rows: torch.Tensor) -> None:
        """Go on with `rows` (indices; one may be repeated, left out, or moved) in their order."""
        self._cache.reorder_cache(rows)
        self._lengths = self._lengths[rows]
        self.logits = self.logits[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor, keep: int) -> torch.Tensor:
        output = self._model(
            input_ids=ids,
            attention_mask=None if self._mask is None else self._mask.long(),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        self._cache = output.past_key_values
        return output.logits.float()
