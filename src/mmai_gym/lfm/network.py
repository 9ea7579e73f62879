"""LFM2 whose layers keep the documents of a packed row apart, and whose loss costs only what it teaches.

The class has upstream's name, parameters and configuration, so a checkpoint of either loads as the other. It differs in
four points.

- Upstream's short convolution reads across the border of two documents in one row, silently. This one multiplies each of
  its shifted inputs with "same segment", in plain PyTorch, on any device.
- `segments`, shape (rows, length), numbers the documents of each row from 1; 0 is padding. With it attention is
  block-diagonal and causal, and positions restart with each document.
- `branches`, of the same shape, divides documents further: 0 is what a document opens with, such as a protein, and 1, 2, ...
  are continuations of that opening which do not know of each other. Each is computed as if it stood behind the opening
  alone, and the opening once for all of them.
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

from mmai_gym.lfm.attention import Attention, Layout, quicker  # noqa: E402
from mmai_gym.lfm.norm import RMSNorm  # noqa: E402
from mmai_gym.lfm.product import use_quicker_products  # noqa: E402

IGNORED = -100
"""The label that transformers' losses leave out."""


@dataclass(frozen=True)
class Steps:
    """Tokens of consecutive ids that stand for ascending values; a label among them is learned as a normal distribution over
    them, so that a near miss costs less than a far one (Imani and White 2018).

    Attributes:
        first: id of the lowest.
        count: how many there are.
        deviation: of the distribution, in steps.
    """

    first: int
    count: int
    deviation: float


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
        branches: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        steps: Steps | None = None,
        **kwargs: Any,
    ) -> Any:
        """Logits, or with `labels` (rows, length) the loss.

        Args:
            segments: int (rows, length); which document of its row a token belongs to, 0 for padding. Without it each
                row is one document, padded on the right if at all.
            branches: int (rows, length), with `segments` only; which branch of its document a token belongs to, 0 for the
                opening that all of them share. Each branch stands in one piece behind the opening.
            num_items_in_batch: what the summed loss is divided by; the supervised tokens here by default.
            steps: labels that are learned as distributions; none by default.
        """
        if segments is not None:
            places = _places(segments) if branches is None else _branched_places(segments, branches)
            laid_out = self._lays_out(segments)
            kwargs |= {
                "attention_mask": {"full_attention": None, "conv": None}
                if laid_out
                else _attention_within(segments, branches, self.config._attn_implementation, self.dtype),
                "layout": Layout.of(segments, branches) if laid_out else None,
                "position_ids": places,
                "runs": segments if branches is None else _first_of_runs(segments, branches),
                "openings": None
                if branches is None
                else _into_openings(segments, branches, places, self.config.conv_L_cache),
                "use_cache": False,
            }
        if labels is None:
            return super().forward(input_ids=input_ids, **kwargs)
        kwargs = {"use_cache": False} | kwargs
        hidden = self.model(input_ids=input_ids, **kwargs).last_hidden_state[:, :-1]
        learned = labels[:, 1:] != IGNORED
        if segments is not None:
            # No token of the document before foretells the first of the next, nor one of another branch.
            learned &= segments[:, 1:] == segments[:, :-1]
            if branches is not None:
                learned &= branches[:, 1:] == branches[:, :-1]
        logits = self.lm_head(hidden[learned]).float()
        losses = _losses(logits, labels[:, 1:][learned], steps)
        placed = torch.zeros(labels.shape, device=losses.device)
        placed[:, 1:][learned] = losses.detach()
        divisor = learned.sum() if num_items_in_batch is None else num_items_in_batch
        return Output(loss=losses.sum() / divisor, token_losses=placed)

    def _lays_out(self, segments: torch.Tensor) -> bool:
        """Whether attention goes by a layout, and not by a mask: where that is quicker, and not compiled."""
        return quicker(segments) and self.config._attn_implementation == "sdpa"


class SegmentedShortConv(upstream.Lfm2ShortConv):
    """Upstream's gated short convolution as shifted multiply-adds that stay within a run: document, opening or branch.

    A branch goes on from its opening, which may lie far away: `openings` has those few steps of the kernel one by one.
    """

    def forward(
        self,
        hidden_states: torch.Tensor,
        past_key_values: Any = None,
        attention_mask: torch.Tensor | None = None,
        runs: torch.Tensor | None = None,
        openings: list[tuple[torch.Tensor, torch.Tensor]] | None = None,
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
            if runs is not None:
                term = term * (runs[:, back:] == runs[:, :-back])[..., None]
            y[:, back:] += term
            if openings is not None:
                tokens, there = openings[back - 1]
                seen = x.flatten(0, 1).index_select(0, there) * kernel[:, -1 - back]
                y.view(-1, y.shape[-1]).index_add_(0, tokens, seen)
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
    use_quicker_products(model)
    for module in model.modules():
        if type(module) is upstream.Lfm2ShortConv:
            module.__class__ = SegmentedShortConv
        elif type(module) is upstream.Lfm2Attention:
            module.__class__ = Attention
        elif type(module) is upstream.Lfm2RMSNorm:
            module.__class__ = RMSNorm


def _first_of_runs(*numbers: torch.Tensor) -> torch.Tensor:
    """For each token, the column where its run of equal numbers begins, (rows, length)."""
    starts = torch.ones_like(numbers[0], dtype=torch.bool)
    starts[:, 1:] = torch.stack([one[:, 1:] != one[:, :-1] for one in numbers]).any(0)
    return (_columns(numbers[0]) * starts).cummax(dim=1).values


def _columns(like: torch.Tensor) -> torch.Tensor:
    return torch.arange(like.shape[1], device=like.device).expand_as(like)


def _places(segments: torch.Tensor) -> torch.Tensor:
    """Each token's position in its own segment, (rows, length)."""
    return _columns(segments) - _first_of_runs(segments)


def _losses(logits: torch.Tensor, labels: torch.Tensor, steps: Steps | None) -> torch.Tensor:
    """Cross entropy in nats, (tokens,), of logits (tokens, vocabulary) with labels, or the distributions around them."""
    if steps is None:
        return F.cross_entropy(logits, labels, reduction="none")
    logprobs = logits.log_softmax(-1)
    places = labels - steps.first
    offsets = torch.arange(steps.count, device=labels.device) - places[:, None]
    wanted = (-0.5 * (offsets / steps.deviation) ** 2).softmax(-1)
    spread = -(wanted * logprobs[:, steps.first : steps.first + steps.count]).sum(-1)
    alone = -logprobs.gather(-1, labels[:, None])[:, 0]
    return torch.where((places >= 0) & (places < steps.count), spread, alone)


def _branched_places(segments: torch.Tensor, branches: torch.Tensor) -> torch.Tensor:
    """The same, each branch counted on from the opening of its document."""
    columns, document = _columns(segments), _first_of_runs(segments)
    # The last column of the opening so far: behind the opening, all of it.
    opening = torch.where(branches == 0, columns, torch.zeros_like(columns)).cummax(dim=1).values
    length = torch.where(opening >= document, opening - document + 1, torch.zeros_like(opening))
    within = columns - _first_of_runs(segments, branches)
    return torch.where(branches == 0, columns - document, length + within)


def _into_openings(
    segments: torch.Tensor, branches: torch.Tensor, places: torch.Tensor, kernel: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each step back that a kernel makes, the tokens that it takes from a branch into its opening, and those that it
    finds there: numbers among all tokens of all rows, in pairs. Behind the first token of a branch stands the last of the
    opening.
    """
    columns, document, run = _columns(segments), _first_of_runs(segments), _first_of_runs(segments, branches)
    begin_of_row = segments.shape[1] * torch.arange(segments.shape[0], device=segments.device)[:, None]
    found = []
    for back in range(1, kernel):
        leaves = (columns - back < run) & (places >= back)
        there = begin_of_row + document + places - back
        found.append((leaves.flatten().nonzero()[:, 0], there[leaves]))
    return found


def _attention_within(
    segments: torch.Tensor, branches: torch.Tensor | None, implementation: str, dtype: torch.dtype
) -> dict[str, Any]:
    """The masks by kind of layer: attention within the segment and backwards; the convolution sees `segments` itself.

    A branch attends to the opening and to itself. Padding attends to padding: a row of the mask without any position would
    give nan.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    allowed = ((segments[:, :, None] == segments[:, None, :]) & causal)[:, None]
    if branches is not None:
        allowed = allowed & ((branches[:, :, None] == branches[:, None, :]) | (branches[:, None, :] == 0))[:, None]
    if implementation == "eager":
        allowed = torch.zeros(allowed.shape, dtype=dtype, device=segments.device).masked_fill(
            ~allowed, torch.finfo(dtype).min
        )
    elif implementation != "sdpa":
        raise ValueError(f"packed rows need sdpa or eager attention, not {implementation!r}")
    return {"full_attention": allowed, "conv": None}
