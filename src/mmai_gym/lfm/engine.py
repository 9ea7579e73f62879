"""The decode engine: which kind of rows a model gets, and LFM2's own kind, in fixed buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from mmai_gym.lfm.cache import Cache, Grain, Grid, Room, in_steps
from mmai_gym.lfm.cached import CachedRows
from mmai_gym.lfm.rows import Rows
from mmai_gym.lfm.step import read_prompts, step
from mmai_gym.lfm.weights import Weights, supports

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_READ_TOKENS = 4096
"""Tokens of prompts that are read in one pass; more would only take more memory."""


class Engine:
    """Makes rows of one model, with weights that are up to date.

    The buffers of the last rows are kept and used again for rows of the same room.

    Attributes:
        most_rows: more at a time gain little, and take memory. Fewer make it read the weights more often.
        patience: steps between two looks at which rows have ended. On a GPU a look waits for all that is under way.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        on_cpu = model.device.type == "cpu"
        self.most_rows = 512 if on_cpu else 4096
        self.patience = 1 if on_cpu else 8
        self._weights: Weights | None = None
        self._last: tuple[Room, LfmRows] | None = None

    def rows(self, room: Room) -> Rows:
        """Rows of the model, none so far, with room for what `room` says. Rows handed out before are void."""
        if not supports(self._model):
            return CachedRows(self._model, room.rows, room.prompts)
        if self._weights is None or not self._weights.match(self._model):
            self._weights, self._last = Weights(self._model), None
        grain = Grain.on(self._model.device, room)
        positions = self._model.config.max_position_embeddings
        room = replace(room, prompt_length=in_steps(room.prompt_length, grain.length, positions))
        if self._last is None or self._last[0] != room:
            self._last = None  # free these buffers before there are new ones
            self._last = room, LfmRows(self._weights, room, grain)
        rows = self._last[1]
        rows.select(torch.arange(0, device=self._model.device))
        return rows


class LfmRows:
    """Rows of an LFM2, in buffers for `room`; the first rows of the buffers are in use.

    Args:
        grain: the steps in which the parts in use grow and shrink; a coarser grain computes more rows and places that
            nobody reads, in fewer shapes.
    """

    def __init__(self, weights: Weights, room: Room, grain: Grain) -> None:
        self._weights, self._room, self._grain = weights, room, grain
        self._cache = Cache(weights, room)
        kv_heads = weights.config.num_key_value_heads
        self._grid = Grid(room, grain, kv_heads, weights.device)
        self._tokens = torch.zeros(room.rows, dtype=torch.long, device=weights.device)
        self._logits = torch.zeros(room.rows, weights.config.vocab_size, device=weights.device)
        self._graphs = Graphs() if weights.device.type == "cuda" else None
        self._lengths = [0] * room.prompts  # of the prompt in each place; 0 where it is free
        self._owners: list[int] = []  # the place of each row's prompt
        self._ages: list[int] = []  # the tokens that each row has written

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def logits(self) -> torch.Tensor:
        """(rows, vocabulary) float32, behind each row's last token."""
        return self._logits[: len(self)]

    def room(self) -> tuple[int, int]:
        """How many more rows, behind how many more prompts, may join now."""
        return self._room.rows - len(self), self._lengths.count(0)

    def join(self, prompts: Sequence[Sequence[int]], counts: Sequence[int]) -> None:
        """Read each prompt once and put `counts[i]` rows behind it, after the present rows."""
        free = [place for place, length in enumerate(self._lengths) if length == 0]
        part = max(1, _READ_TOKENS // max(map(len, prompts)))
        for i in range(0, len(prompts), part):
            self._read(prompts[i : i + part], counts[i : i + part], free[i : i + part])
        self._grid.arrange(self._owners)

    def append(self, tokens: torch.Tensor) -> None:
        """Read one token, (rows,), behind each row."""
        rows = in_steps(len(self), self._grain.rows, self._room.rows)
        self._ages = [age + 1 for age in self._ages]
        length = in_steps(max(self._ages), self._grain.length, self._room.new)
        prompt_length = in_steps(max(self._lengths), self._grain.length, self._room.prompt_length)
        self._tokens[: len(self)] = tokens

        def work() -> None:
            used = self._tokens[:rows]
            self._logits[:rows] = step(self._weights, self._cache, self._grid, used, prompt_length, length)

        if self._graphs is None:
            work()
        else:
            self._graphs.run((rows, prompt_length, length, self._grid.prompts, self._grid.columns), work)

    def select(self, rows: torch.Tensor) -> None:
        """Go on with `rows` in their order; the rows that change their place are copied, and no others."""
        target = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
        if len(target):
            source = rows[target]
            self._cache.move_rows(target, source, max(self._ages))
            self._logits[target] = self._logits[source]
        order = rows.tolist()
        self._ages = [self._ages[row] for row in order]
        before, self._owners = self._owners, [self._owners[row] for row in order]
        if self._owners != before:
            self._leave()
            self._grid.arrange(self._owners)

    def _read(self, prompts: Sequence[Sequence[int]], counts: Sequence[int], places: Sequence[int]) -> None:
        """Read prompts into the first of the free `places`, and set up the rows behind them."""
        device, lengths = self._weights.device, [len(prompt) for prompt in prompts]
        width = max(lengths)
        ids = torch.tensor([[*prompt, *[0] * (width - len(prompt))] for prompt in prompts], device=device)
        read = read_prompts(self._weights, ids, torch.tensor(lengths, device=device))
        into = torch.tensor(places[: len(prompts)], device=device)
        for layer, (keys, values) in zip(self._cache.attention, read.attention, strict=True):
            layer.prompt_keys[into, :, :width] = keys
            layer.prompt_values[into, :, :width] = values
        behind = torch.repeat_interleave(torch.tensor(counts, device=device))
        new = slice(len(self), len(self) + sum(counts))
        for inputs, memory in zip(self._cache.convolution, read.convolution, strict=True):
            inputs[:, new] = memory[:, behind]
        self._cache.prompt_lengths[new] = torch.tensor(lengths, device=device)[behind]
        self._cache.ages[new] = 0
        self._logits[new] = read.logits[behind]
        for place, length, count in zip(places, lengths, counts, strict=False):
            self._lengths[place] = length
            self._owners += [place] * count
            self._ages += [0] * count

    def _leave(self) -> None:
        """Free the places of prompts without rows; the last prompts move into the first free places."""
        used = sorted(set(self._owners))
        holes = [place for place in range(len(used)) if place not in set(used)]
        moved = dict(zip(used[len(used) - len(holes) :], holes, strict=True))
        if moved:
            device = self._weights.device
            self._cache.move_prompts(
                torch.tensor(list(moved.values()), device=device), torch.tensor(list(moved), device=device)
            )
        kept = {moved.get(place, place): self._lengths[place] for place in used}
        self._lengths = [kept.get(place, 0) for place in range(self._room.prompts)]
        self._owners = [moved.get(place, place) for place in self._owners]


class Graphs:
    """Work on fixed buffers, captured as one CUDA graph for each of its shapes and replayed."""

    def __init__(self) -> None:
        self._graphs: dict[tuple[int, ...], torch.cuda.CUDAGraph | None] = {}
        # One pool for all: they never run at the same time, and leave nothing in it that another would need.
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, shape: tuple[int, ...], work: Callable[[], None]) -> None:
        """Do the work. The first time for a shape it runs as it is, which also warms up what a capture must find warm."""
        if shape not in self._graphs:
            self._graphs[shape] = None
            work()
            return
        graph = self._graphs[shape]
        if graph is None:
            graph = self._graphs[shape] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                work()
        graph.replay()
