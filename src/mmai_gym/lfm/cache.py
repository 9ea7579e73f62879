"""The memory of rows in progress: prompts that are shared, and what each row has written.

Everything lies in buffers of a fixed size, allocated once. A prompt's keys and values are held once for all rows
behind it; a row's own are held in its suffix; a short convolution remembers its last inputs. To work on
a prompt for all its rows at once, rows are laid out on a grid (prompts, columns) and back; both ways are gathers
by an index that changes only when rows come, go or move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmai_gym.lfm.weights import Attention, ShortConvolution, Weights


@dataclass(frozen=True, slots=True)
class Room:
    """What has to fit: `rows` at a time, behind `prompts` of up to `prompt_length` tokens, each with `new` more.

    `width` bounds the rows behind one prompt.
    """

    rows: int
    prompts: int
    width: int
    prompt_length: int
    new: int


@dataclass(frozen=True, slots=True)
class Grain:
    """Steps in which the parts in use of the buffers grow and shrink.

    Each combination of sizes costs a one-time setup: on a CPU little (a matrix product for that many rows), on
    a GPU much (a captured graph). `grid` is that of prompts and of columns.
    """

    rows: int
    length: int
    grid: int

    @classmethod
    def on(cls, device: torch.device, room: Room) -> Grain:
        """What suits a device."""
        if device.type == "cpu":
            return cls(rows=16, length=1, grid=1)
        return cls(rows=max(64, -(-room.rows // 4)), length=64, grid=max(room.prompts, room.width))


def in_steps(size: int, step: int, most: int) -> int:
    """`size` rounded up to a multiple of `step`, but to no more than `most`."""
    return min(-(-size // step) * step, most)


class PromptAttention:
    """Keys and values of one attention layer: of prompts (prompts, kv_heads, length, head_dim) and of suffixes."""

    def __init__(self, weights: Weights, attention: Attention, room: Room) -> None:
        def empty(count: int, length: int) -> torch.Tensor:
            shape = (count, attention.kv_heads, length, attention.head_dim)
            return torch.zeros(shape, dtype=weights.dtype, device=weights.device)

        self.prompt_keys = empty(room.prompts, room.prompt_length)
        self.prompt_values = empty(room.prompts, room.prompt_length)
        self.keys = empty(room.rows, room.new)
        self.values = empty(room.rows, room.new)

    def write(self, places: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Take down keys and values (rows, kv_heads, head_dim) at `places` of the suffixes; see `Cache.places`."""
        for memory, new in ((self.keys, keys), (self.values, values)):
            memory.view(-1, memory.shape[-1]).index_copy_(0, places, new.reshape(-1, new.shape[-1]))


class Cache:
    """Buffers for `room`, one entry per layer of a kind, in the order of the layers."""

    def __init__(self, weights: Weights, room: Room) -> None:
        device, hidden = weights.device, weights.config.hidden_size
        self.longest = room.new
        self._kv_heads = weights.config.num_key_value_heads
        self.attention = [PromptAttention(weights, attention, room) for attention in weights.of(Attention)]
        # For each tap before the last, the inputs that many tokens back: (taps, rows, hidden).
        self.convolution = [
            torch.zeros(len(conv.taps) - 1, room.rows, hidden, dtype=weights.dtype, device=device)
            for conv in weights.of(ShortConvolution)
        ]
        self.prompt_lengths = torch.zeros(room.rows, dtype=torch.long, device=device)
        self.ages = torch.zeros(room.rows, dtype=torch.long, device=device)

    def places(self, rows: torch.Tensor, ages: torch.Tensor) -> torch.Tensor:
        """Where the suffixes have the token of age `ages` (rows,) of each row and head, all laid out in one line."""
        kv_heads = self._kv_heads
        heads = rows[:, None] * kv_heads + torch.arange(kv_heads, device=rows.device)
        return (heads * self.longest + ages[:, None]).flatten()

    def move_rows(self, target: torch.Tensor, source: torch.Tensor, length: int) -> None:
        """Copy rows `source` over rows `target`; no more than `length` tokens have been written."""
        for layer in self.attention:
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]
        for inputs in self.convolution:
            inputs[:, target] = inputs[:, source]
        self.prompt_lengths[target] = self.prompt_lengths[source]
        self.ages[target] = self.ages[source]

    def move_prompts(self, target: torch.Tensor, source: torch.Tensor) -> None:
        """Copy prompts `source` over prompts `target`."""
        for layer in self.attention:
            layer.prompt_keys[target] = layer.prompt_keys[source]
            layer.prompt_values[target] = layer.prompt_values[source]


class Grid:
    """Where each row stands among those of its prompt.

    `spread` lays (rows * kv_heads, ...) out as (prompts * kv_heads * columns, ...), `collect` takes it back.
    A place without a row holds a copy of another row, and a row without a prompt collects what nobody reads.
    """

    def __init__(self, room: Room, grain: Grain, kv_heads: int, device: torch.device) -> None:
        self._room, self._grain, self._kv_heads = room, grain, kv_heads
        self._spread = torch.zeros(room.prompts * room.width * kv_heads, dtype=torch.long, device=device)
        self._collect = torch.zeros(room.rows * kv_heads, dtype=torch.long, device=device)
        self.prompts, self.columns = 1, 1

    def arrange(self, owners: Sequence[int]) -> None:
        """Row `i` belongs to prompt `owners[i]`."""
        owner = np.asarray(owners, dtype=np.int64)
        order = np.argsort(owner, kind="stable")
        counts = np.bincount(owner, minlength=1)
        column = np.empty(len(owner), dtype=np.int64)
        column[order] = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.prompts = in_steps(len(counts), self._grain.grid, self._room.prompts)
        self.columns = in_steps(max(1, int(counts.max())), self._grain.grid, self._room.width)
        heads = np.arange(self._kv_heads)
        rows = np.zeros((self.prompts, self.columns), dtype=np.int64)
        rows[owner, column] = np.arange(len(owner))
        spread = rows[:, None, :] * self._kv_heads + heads[:, None]
        collect = (owner[:, None] * self._kv_heads + heads) * self.columns + column[:, None]
        self._fill(self._spread, spread)
        self._fill(self._collect, collect)

    def spread(self, x: torch.Tensor) -> torch.Tensor:
        """(rows * kv_heads, width) to (prompts * kv_heads, columns, width)."""
        index = self._spread[: self.prompts * self.columns * self._kv_heads]
        return x.index_select(0, index).view(self.prompts * self._kv_heads, self.columns, x.shape[1])

    def collect(self, x: torch.Tensor, rows: int) -> torch.Tensor:
        """(prompts * kv_heads, columns, width) to (rows * kv_heads, width)."""
        return x.reshape(-1, x.shape[-1]).index_select(0, self._collect[: rows * self._kv_heads])

    def _fill(self, buffer: torch.Tensor, values: np.ndarray) -> None:
        buffer.zero_()
        buffer[: values.size].copy_(torch.from_numpy(values.reshape(-1)))
