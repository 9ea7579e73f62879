"""LFM2 whose layers keep the documents of a packed row apart, and whose loss costs only what it teaches.

The class has upstream's name, parameters and configuration, so a checkpoint of either loads as the other. It differs in
three points.

- Upstream's short convolution reads across the border of two documents in one row, silently. This one multiplies each of
  its shifted inputs with "same segment", in plain PyTorch, on any device.
- `segments`, shape (rows, length), numbers the documents of each row from 1; 0 is padding. With it attention is
  block-diagonal and causal, and positions restart with each document.
- With `labels` the output layer is computed at supervised positions only. For a vocabulary of 65,536 tokens it is most
  of the memory of a training step, and many rows supervise a short answer behind a long question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmai_gym.extras import require

require("torch", "transformers")  # ahead of the imports, so that the message names the fix

import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from transformers.modeling_outputs import CausalLMOutputWithPast  # noqa: E402
from transformers.models.lfm2 import modeling_lfm2 as upstream  # noqa: E402

from mmai_gym.lfm.product import use_onednn  # noqa: E402

IGNORED = -100
"""The label that transformers' losses leave out."""


@dataclass
class Output(CausalLMOutputWithPast):
    """Upstream's output. With labels, `logits` is None and `token_losses`, shape (rows, length), holds the loss of each
    supervised label in nats at the label's own place, 0 elsewhere, without gradient."""

    token_losses: torch.Tensor | None = None


class Lfm2ForCausalLM(upstream.Lfm2ForCausalLM):
    """A causal LFM2 for packed rows. Its attention must be `sdpa` (the default) or `eager`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        _specialise(self)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        segments: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Logits, or with `labels` (rows, length) the loss.

        Args:
            segments: int (rows, length); which document of its row a token belongs to, 0 for padding. Without it each
                row is one document, padded on the right if at all.
            num_items_in_batch: what the summed loss is divided by; the supervised tokens here by default.
        """
        if segments is not None:
            kwargs |= {
                "attention_mask": _attention_within(segments, self.config._attn_implementation, self.dtype),
                "position_ids": _positions_within(segments),
                "segments": segments,
                "use_cache": False,
            }
        if labels is None:
            return super().forward(input_ids=input_ids, **kwargs)
        kwargs = {"use_cache": False} | kwargs
        hidden = self.model(input_ids=input_ids, **kwargs).last_hidden_state[:, :-1]
        learned = labels[:, 1:] != IGNORED
        if segments is not None:
            # No token of the document before foretells the first of the next.
            learned &= segments[:, 1:] == segments[:, :-1]
        logits = self.lm_head(hidden[learned]).float()
        losses = F.cross_entropy(logits, labels[:, 1:][learned], reduction="none")
        placed = torch.zeros(labels.shape, device=losses.device)
        placed[:, 1:][learned] = losses.detach()
        divisor = learned.sum() if num_items_in_batch is None else num_items_in_batch
        return Output(loss=losses.sum() / divisor, token_losses=placed)


class SegmentedShortConv(upstream.Lfm2ShortConv):
    """Upstream's gated short convolution as shifted multiply-adds that stay within a segment."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        past_key_values: Any = None,
        attention_mask: torch.Tensor | None = None,
        segments: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        if past_key_values is not None or attention_mask is not None:
            return super().forward(hidden_states, past_key_values, attention_mask, **kwargs)
        gate_in, gate_out, x = self.in_proj(hidden_states).chunk(3, dim=-1)
        x = gate_in * x
        kernel = self.conv.weight[:, 0].to(x.dtype)
        y = x * kernel[:, -1]
        if self.conv.bias is not None:
            y = y + self.conv.bias.to(x.dtype)
        for back in range(1, min(kernel.shape[1], x.shape[1])):
            term = x[:, :-back] * kernel[:, -1 - back]
            if segments is not None:
                term = term * (segments[:, back:] == segments[:, :-back])[..., None]
            y[:, back:] += term
        return self.out_proj(gate_out * y)


def adopt(model: upstream.Lfm2ForCausalLM) -> Lfm2ForCausalLM:
    """Turn an upstream LFM2, such as a loaded checkpoint, into this class in place; nothing is copied.

    Raises:
        TypeError: `model` is no LFM2.
    """
    if not isinstance(model, upstream.Lfm2ForCausalLM):
        raise TypeError(f"{type(model).__name__} is no Lfm2ForCausalLM")
    model.__class__ = Lfm2ForCausalLM
    _specialise(model)
    return model


def _specialise(model: torch.nn.Module) -> None:
    use_onednn(model)
    for module in model.modules():
        if type(module) is upstream.Lfm2ShortConv:
            module.__class__ = SegmentedShortConv


def _positions_within(segments: torch.Tensor) -> torch.Tensor:
    """Each token's position in its own segment, (rows, length)."""
    place = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    starts = torch.ones_like(segments, dtype=torch.bool)
    starts[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return place - (place * starts).cummax(dim=1).values


def _attention_within(segments: torch.Tensor, implementation: str, dtype: torch.dtype) -> dict[str, Any]:
    """The masks by kind of layer: attention within the segment and backwards; the convolution sees `segments` itself.

    Padding attends to padding: a row of the mask without any position would give nan.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    allowed = ((segments[:, :, None] == segments[:, None, :]) & causal)[:, None]
    if implementation == "eager":
        allowed = torch.zeros(allowed.shape, dtype=dtype, device=segments.device).masked_fill(
            ~allowed, torch.finfo(dtype).min
        )
    elif implementation != "sdpa":
        raise ValueError(f"packed rows need sdpa or eager attention, not {implementation!r}")
    return {"full_attention": allowed, "conv": None}
