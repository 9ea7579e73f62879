"""The forward passes of decoding: whole prompts at once, then one token behind every row.

Prompts are padded on the right: causal layers do not see what stands behind a token, so neither attention nor the short
convolution needs a mask. The step touches only the buffers of a `Cache` and asks the host nothing, so that
it can be captured as a CUDA graph.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from mmai_gym.lfm.cache import Cache, Grid, PromptAttention
from mmai_gym.lfm.weights import Attention, ShortConvolution, Weights


class Read(NamedTuple):
    """What reading prompts leaves behind: `logits` (prompts, vocabulary) float32 behind each one's last token, keys and
    values (prompts, kv_heads, length, head_dim) of each attention layer, and the last inputs of each convolution,
    (taps - 1, prompts, hidden)."""

    logits: torch.Tensor
    attention: list[tuple[torch.Tensor, torch.Tensor]]
    convolution: list[torch.Tensor]


def read_prompts(weights: Weights, ids: torch.Tensor, lengths: torch.Tensor) -> Read:
    """Read prompts `ids` (prompts, length), padded on the right, of which `lengths` (prompts,) tokens are real."""
    x = functional.embedding(ids, weights.embedding)
    cos, sin = weights.cos[: ids.shape[1], None], weights.sin[: ids.shape[1], None]
    read = Read(x, [], [])
    for layer in weights.layers:
        normed = layer.norm(x)
        if isinstance(layer.operator, Attention):
            query, key, value = (part.transpose(1, 2) for part in layer.operator.project(normed, cos, sin))
            read.attention.append((key, value))
            mixed = functional.scaled_dot_product_attention(
                query, key, value, is_causal=True, scale=1.0, enable_gqa=True
            )
            x = x.add_(layer.operator.out(mixed.transpose(1, 2).flatten(2)))
        else:
            output, inputs = _convolve(layer.operator, normed, lengths)
            read.convolution.append(inputs)
            x = x.add_(output)
        if layer is weights.layers[-1]:  # of what follows, the last tokens alone are read
            x = x[torch.arange(len(ids), device=ids.device), lengths - 1]
        x = layer.feed(x)
    return read._replace(logits=weights.head(weights.norm(x)).float())


def _convolve(conv: ShortConvolution, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The output over prompts `x` (prompts, length, hidden), and the inputs that the next tokens will see."""
    before, after, value = conv.inputs(x).chunk(3, dim=-1)
    back = len(conv.taps) - 1
    inputs = functional.pad(before * value, (0, 0, back, 0))
    window = lengths + torch.arange(back, device=lengths.device)[:, None]
    memory = inputs[torch.arange(len(x), device=x.device), window]
    mixed = inputs[:, back:] * conv.taps[back]
    for i in range(back):
        mixed.addcmul_(inputs[:, i : i + x.shape[1]], conv.taps[i])
    if conv.bias is not None:
        mixed.add_(conv.bias)
    return conv.out(mixed.mul_(after)), memory


def step(
    weights: Weights, cache: Cache, grid: Grid, tokens: torch.Tensor, prompt_length: int, length: int
) -> torch.Tensor:
    """The logits (rows, vocabulary), float32, behind one more token of each row.

    Args:
        tokens: (rows,); the rows are the first of the cache.
        prompt_length: at least that of the longest prompt.
        length: at least that of the longest suffix, this token included.
    """
    rows = len(tokens)
    lengths, ages = cache.prompt_lengths[:rows], cache.ages[:rows]
    x = functional.embedding(tokens, weights.embedding)
    index = torch.arange(rows, device=x.device)
    at = lengths + ages
    cos, sin = weights.cos[at][:, None], weights.sin[at][:, None]
    place = torch.arange(prompt_length + length, device=x.device)
    seen = torch.where(place < prompt_length, place < lengths[:, None], place - prompt_length <= ages[:, None])
    hidden = torch.zeros(seen.shape, dtype=x.dtype, device=x.device).masked_fill_(~seen, -torch.inf)
    attention, convolution = iter(cache.attention), iter(cache.convolution)
    newest = cache.places(index, ages)
    for layer in weights.layers:
        normed = layer.norm(x)
        if isinstance(layer.operator, Attention):
            query, key, value = layer.operator.project(normed, cos, sin)
            memory = next(attention)
            memory.write(newest, key, value)
            mixed = _attend(memory, grid, query, hidden, prompt_length, length)
            x.add_(layer.operator.out(mixed))
        else:
            x.add_(_convolve_one(layer.operator, normed, next(convolution)[:, :rows]))
        layer.feed(x)
    ages.add_(1).clamp_(max=cache.longest - 1)
    return weights.head(weights.norm(x)).float()


def _attend(
    memory: PromptAttention,
    grid: Grid,
    query: torch.Tensor,
    hidden: torch.Tensor,
    prompt_length: int,
    length: int,
) -> torch.Tensor:
    """Attention of `query` (rows, heads, head_dim) over prompt and suffix, (rows, heads * head_dim).

    Scores against the prompts are one product per prompt, over all its rows; those against the suffixes one per row.
    One softmax covers both; `hidden` (rows, prompt_length + length) is -inf where nothing is to be seen.
    """
    rows, heads, size = query.shape
    kv_heads = memory.keys.shape[1]
    group = heads // kv_heads
    own = query.reshape(rows * kv_heads, group, size)
    spread = grid.spread(own.flatten(1)).view(-1, grid.columns * group, size)
    prompt_keys = memory.prompt_keys[: grid.prompts, :, :prompt_length].flatten(0, 1)
    keys = memory.keys[:rows, :, :length].flatten(0, 1)
    shared = torch.bmm(spread, prompt_keys.mT).view(-1, grid.columns, group * prompt_length)
    scores = torch.cat(
        [grid.collect(shared, rows).view(-1, group, prompt_length), torch.bmm(own, keys.mT)], dim=-1
    )
    scores.view(rows, heads, -1).add_(hidden[:, None])
    weight = scores.softmax(-1, dtype=torch.float32).to(query.dtype)

    prompt_weight = grid.spread(weight[..., :prompt_length].flatten(1)).view(
        -1, grid.columns * group, prompt_length
    )
    prompt_values = memory.prompt_values[: grid.prompts, :, :prompt_length].flatten(0, 1)
    shared = torch.bmm(prompt_weight, prompt_values).view(-1, grid.columns, group * size)
    mixed = grid.collect(shared, rows).view(-1, group, size)
    values = memory.values[:rows, :, :length].flatten(0, 1)
    return mixed.baddbmm_(weight[..., prompt_length:], values).view(rows, heads * size)


def _convolve_one(conv: ShortConvolution, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """The output for one token of each row `x` (rows, hidden); `memory` (taps - 1, rows, hidden) moves on."""
    before, after, value = conv.inputs(x).chunk(3, dim=-1)
    newest = before * value
    mixed = newest * conv.taps[-1]
    for inputs, tap in zip(memory, conv.taps[:-1], strict=True):
        mixed.addcmul_(inputs, tap)
    if conv.bias is not None:
        mixed.add_(conv.bias)
    for older, newer in zip(memory, [*memory[1:], newest], strict=True):
        older.copy_(newer)
    return conv.out(mixed.mul_(after))
