"""Attention in training on a processor: products of small matrices, of one document each.

Torch's own attention is made for long rows. In bfloat16 it takes five to ten times as long as the plain products do for
molecules of 40 to 120 tokens, most of it for the gradient; and given a mask it computes what the mask hides: of a line of
384 tokens that holds documents of forty, nine pairs in ten. Here the documents of packed rows are laid out as rows of their
own, those of similar length together and padding behind them, which causal attention needs no mask for. The branches of a
document are rows as well, which attend to themselves and, all of them in one product, to the opening that they share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from transformers.models.lfm2 import modeling_lfm2 as upstream

_WIDEST = {True: 1024, False: 128}
"""Tokens of a row, in bfloat16 and in float32, up to which plain products are quicker; they take more memory beyond, too."""
_LONGEST_TO_SHORTEST = 2
"""In rows of one width; a smaller number would save padding and cost more calls."""
_WIDTHS, _ROWS = 16, 4
"""Blocks have multiples of these: oneDNN compiles a product anew for every shape, and keeps a thousand."""
_WIDE = 256
"""Rows from here on are as many as there are documents: an empty one would cost more than a shape does."""


def _rounded(count: int, step: int) -> int:
    return -(-count // step) * step


@dataclass(frozen=True)
class Block:
    """Rows of one width, each of which holds a document, an opening or a branch.

    Attributes:
        opening: what all rows go on from: its place among the layout's `openings`, and its tokens.
    """

    rows: int
    width: int
    opening: tuple[int, int] | None = None

    @property
    def slots(self) -> int:
        return self.rows * self.width


@dataclass(frozen=True)
class Layout:
    """The tokens of packed rows, flattened, and the slots of blocks.

    Attributes:
        slots: the slot of each token, (tokens,).
        tokens: the token in each slot, (slots,); 0 in one that is empty.
        empty: the slots without a token, whole rows among them.
        blocks: in the order of the slots.
        openings: the slots of the openings, one after the other. Each reaches up to a multiple of `_WIDTHS`.
        widths: how many of those slots each opening has.
    """

    slots: torch.Tensor
    tokens: torch.Tensor
    empty: torch.Tensor
    blocks: tuple[Block, ...]
    openings: torch.Tensor
    widths: tuple[int, ...]

    @classmethod
    def of(cls, segments: torch.Tensor, branches: torch.Tensor | None = None) -> Layout:
        """For `segments` (rows, length), which number the documents of a row (padding counts as one), and `branches` of the
        same shape, which number the branches of each behind its opening, 0.
        """
        begins = torch.ones_like(segments, dtype=torch.bool)
        begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
        documents = begins.flatten().tolist()
        if branches is not None:
            begins[:, 1:] |= branches[:, 1:] != branches[:, :-1]
        starts = begins.flatten().nonzero()[:, 0]
        count = segments.numel()
        lengths = torch.diff(starts, append=starts.new_tensor([count])).tolist()
        behind: dict[int, list[int]] = {}
        if branches is not None:
            is_branch = (branches.flatten()[starts] > 0).tolist()
            first = 0
            for run, start in enumerate(starts.tolist()):
                first = run if documents[start] else first
                if is_branch[run] and not is_branch[first]:
                    behind.setdefault(first, []).append(run)
        alone = sorted(set(range(len(lengths))).difference(*behind.values()))
        first_slots = [0] * len(lengths)
        blocks: list[Block] = []
        slot = 0
        for place, (opening, runs) in enumerate([(None, alone), *behind.items()], -1):
            shared = None if opening is None else (place, lengths[opening])
            for together, width in _of_similar_length(runs, lengths):
                rows = _rounded(len(together), _ROWS if width < _WIDE else 1)
                for row, run in enumerate(together):
                    first_slots[run] = slot + row * width
                blocks.append(Block(rows, width, shared))
                slot += blocks[-1].slots
        places = torch.arange(count)
        slots = places + torch.repeat_interleave(torch.tensor(first_slots) - starts, torch.tensor(lengths))
        tokens = torch.zeros(slot, dtype=torch.long)
        tokens[slots] = places
        taken = torch.zeros(slot, dtype=torch.bool)
        taken[slots] = True
        widths = tuple(_rounded(lengths[opening], _WIDTHS) for opening in behind)
        of_openings = [torch.arange(width) + first_slots[run] for run, width in zip(behind, widths, strict=True)]
        openings = torch.cat(of_openings) if of_openings else places[:0]
        return cls(slots, tokens, (~taken).nonzero()[:, 0], tuple(blocks), openings, widths)


def _of_similar_length(runs: Sequence[int], lengths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """The runs that share a block, and its width; the longest first."""
    ranked = sorted(runs, key=lambda run: -lengths[run])
    begin = 0
    while begin < len(ranked):
        width, end = _rounded(lengths[ranked[begin]], _WIDTHS), begin + 1
        shortest = width // _LONGEST_TO_SHORTEST if width > _WIDTHS else 0
        while end < len(ranked) and lengths[ranked[end]] > shortest:
            end += 1
        yield ranked[begin:end], width
        begin = end


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
            parts = laid.split([block.slots for block in layout.blocks])
            # All at once: the gradient of each piece that is taken by itself would be as large as `laid`.
            openings = laid.index_select(0, layout.openings).split(layout.widths)
            blocks = []
            for block, part in zip(layout.blocks, parts, strict=True):
                rows = part.unflatten(0, (block.rows, block.width))
                if block.opening is None:
                    found = _causal(rows, sizes, self.scaling)
                else:
                    place, length = block.opening
                    found = _behind(openings[place], length, rows, sizes, self.scaling)
                blocks.append(found.flatten(0, 1))
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


def _behind(
    opening: torch.Tensor, count: int, together: torch.Tensor, sizes: tuple[int, int, int], scale: float
) -> torch.Tensor:
    """Attention of rows, as in `_causal`, all behind the first `count` tokens of `opening` (slots, heads, size)."""
    _, shared_key, shared_value = opening.transpose(0, 1).split(sizes, dim=0)
    query, key, value = together.permute(2, 0, 1, 3).split(sizes, dim=0)
    heads, rows, length, size = query.shape
    own = key.shape[0]
    group = heads // own
    # Two views of the queries: by key head, all rows in one, for the opening; by key head and row for the rest.
    query = query.unflatten(0, (own, group)).transpose(1, 2).reshape(own, rows * group * length, size)
    each = query.view(own * rows, group * length, size)
    key, value = (part.reshape(own * rows, length, size) for part in (key, value))
    beyond = torch.zeros(opening.shape[0], dtype=query.dtype, device=query.device)
    beyond[count:] = -torch.inf
    hidden = torch.full((length, length), -torch.inf, dtype=query.dtype, device=query.device).triu(1)
    to_opening = torch.baddbmm(beyond, query, shared_key.mT, alpha=scale)
    to_own = torch.baddbmm(hidden.repeat(group, 1), each, key.mT, alpha=scale).view(own, -1, length)
    weight = torch.cat([to_opening, to_own], dim=-1).softmax(-1)
    behind, within = weight.split([opening.shape[0], length], dim=-1)
    mixed = torch.bmm(behind, shared_value).view_as(each) + torch.bmm(
        within.reshape(own * rows, group * length, length), value
    )
    return mixed.view(own, rows, group, length, size).permute(1, 3, 0, 2, 4).reshape(rows, length, heads, size)


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
