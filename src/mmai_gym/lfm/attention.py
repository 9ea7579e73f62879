"""Attention in training on a processor: products of small matrices, of one document each.

Torch's own attention is made for long rows. In bfloat16 it takes five to ten times as long as the plain products do for
molecules of 40 to 120 tokens, most of it for the gradient; and given a mask it computes what the mask hides: of a line of
384 tokens that holds documents of forty, nine pairs in ten. Here the documents of packed rows are laid out as rows of their
own, those of similar length together and padding behind them, which causal attention needs no mask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from transformers.models.lfm2 import modeling_lfm2 as upstream

_WIDEST = {True: 512, False: 128}
"""Tokens of a row, in bfloat16 and in float32, up to which plain products are quicker; they take more memory beyond, too."""
_LONGEST_TO_SHORTEST = 2
"""In rows of one width; a smaller number would save padding and cost more calls."""
_WIDTHS, _ROWS = 16, 4
"""Blocks have multiples of these: oneDNN compiles a product anew for every shape, and keeps a thousand."""


def _rounded(count: int, step: int) -> int:
    return -(-count // step) * step


@dataclass(frozen=True)
class Layout:
    """The tokens of packed rows, flattened, and the slots of blocks of rows that hold one document each.

    Attributes:
        slots: the slot of each token, (tokens,).
        tokens: the token in each slot, (slots,); 0 in one that is empty.
        empty: the slots without a token, whole rows among them.
        blocks: rows and width of each block, in the order of the slots.
    """

    slots: torch.Tensor
    tokens: torch.Tensor
    empty: torch.Tensor
    blocks: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, segments: torch.Tensor) -> Layout:
        """For `segments` (rows, length), which number the documents of a row; padding counts as a document."""
        begins = torch.ones_like(segments, dtype=torch.bool)
        begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
        starts = begins.flatten().nonzero()[:, 0]
        count = segments.numel()
        lengths = torch.diff(starts, append=starts.new_tensor([count]))
        blocks: list[tuple[int, int]] = []
        first_slots = torch.empty_like(starts)
        slot = 0
        order = lengths.argsort(descending=True)
        ranked = lengths[order].tolist()
        begin = 0
        while begin < len(ranked):
            width, end = _rounded(ranked[begin], _WIDTHS), begin + 1
            while end < len(ranked) and ranked[end] * _LONGEST_TO_SHORTEST > width:
                end += 1
            first_slots[order[begin:end]] = slot + width * torch.arange(end - begin)
            blocks.append((_rounded(end - begin, _ROWS), width))
            slot, begin = slot + blocks[-1][0] * width, end
        places = torch.arange(count)
        slots = places + torch.repeat_interleave(first_slots - starts, lengths)
        tokens = torch.zeros(slot, dtype=torch.long)
        tokens[slots] = places
        taken = torch.zeros(slot, dtype=torch.bool)
        taken[slots] = True
        return cls(slots, tokens, (~taken).nonzero()[:, 0], tuple(blocks))


class Attention(upstream.Lfm2Attention):
    """Upstream's layer; in training on a processor, and with a `layout` within documents, by plain products."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None,
        past_key_values: Any = None,
        layout: Layout | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        # Without a mask rows are causal. What is cached, masked or not trained is left to upstream.
        plain = attention_mask is not None or past_key_values is not None or not torch.is_grad_enabled()
        if layout is None and (plain or not quicker(hidden_states)):
            return super().forward(hidden_states, position_embeddings, attention_mask, past_key_values, **kwargs)
        shape = hidden_states.shape[:-1]
        heads = (*shape, -1, self.head_dim)
        value = self.v_proj(hidden_states).view(heads)
        query, key = upstream.apply_rotary_pos_emb(
            self.q_layernorm(self.q_proj(hidden_states).view(heads)),
            self.k_layernorm(self.k_proj(hidden_states).view(heads)),
            *position_embeddings,
            unsqueeze_dim=2,
        )
        sizes = query.shape[2], key.shape[2], value.shape[2]
        together = torch.cat([query.to(value.dtype), key.to(value.dtype), value], dim=2)
        if layout is None:
            mixed = _causal(together, sizes, self.scaling)
        else:
            laid = _LaidOut.apply(together.flatten(0, 1), layout)
            blocks, start = [], 0
            for rows, width in layout.blocks:
                block = laid[start : start + rows * width].unflatten(0, (rows, width))
                blocks.append(_causal(block, sizes, self.scaling).flatten(0, 1))
                start += rows * width
            mixed = _LaidBack.apply(torch.cat(blocks), layout)
        return self.out_proj(mixed.reshape(*shape, -1)), None


def quicker(x: torch.Tensor) -> bool:
    """Whether plain products beat torch's own attention here: on a processor, unless torch.compile makes the layers."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def _causal(together: torch.Tensor, sizes: tuple[int, int, int], scale: float) -> torch.Tensor:
    """Causal attention, (rows, length, heads, size), of rows that hold so many heads of queries, keys and values."""
    query, key, value = together.transpose(1, 2).split(sizes, dim=1)
    rows, heads, length, size = query.shape
    if length > _WIDEST[query.dtype == torch.bfloat16]:
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=True)
        return mixed.transpose(1, 2)
    own = key.shape[1]
    group = heads // own
    query = query.reshape(rows * own, group * length, size)
    key, value = (part.reshape(rows * own, length, size) for part in (key, value))
    hidden = torch.full((length, length), -torch.inf, dtype=query.dtype, device=query.device).triu(1)
    weight = torch.baddbmm(hidden.repeat(group, 1), query, key.mT, alpha=scale).softmax(-1)
    return torch.bmm(weight, value).view(rows, heads, length, size).transpose(1, 2)


class _LaidOut(torch.autograd.Function):
    """What tokens have, (tokens, ...), in their slots. Empty ones hold what the first token has, which nobody reads."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        ctx.layout = layout
        return x.index_select(0, layout.tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient.index_select(0, ctx.layout.slots), None


class _LaidBack(torch.autograd.Function):
    """What slots have, (slots, ...), at their tokens."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        ctx.layout = layout
        return x.index_select(0, layout.slots)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        laid = gradient.index_select(0, ctx.layout.tokens)
        return laid.index_fill_(0, ctx.layout.empty, 0.0), None
