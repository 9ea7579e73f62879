"""Drawing continuations: many rows at a time, each with its own seed, temperature, nucleus and stop text.

More rows than fit wait in a queue and join when others have ended, so that the batch stays full while rows end at
different times. Each row counts its own tokens, and draws with numbers that its seed and its number alone decide.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mmai_gym.lfm.constraint import Constrained, Constraint
from mmai_gym.lfm.rows import Rows
from mmai_gym.lfm.stops import Stops

_SHORTLIST = 64


@dataclass(frozen=True, slots=True)
class Request:
    """How one prompt is to be continued: `tail` are the tokens that spell its stop text."""

    tail: Sequence[int]
    temperature: float
    top_p: float
    seed: int


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share a prompt: `members[k]` is the request of row `k` and the row's number among its samples."""

    prompt: Sequence[int]
    members: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A continuation: its tokens, their log-probabilities, and whether it came to an end by itself."""

    tokens: list[int]
    logprobs: list[float]
    finished: bool


@dataclass(slots=True)
class _Table:
    """What is known of the rows in progress, one entry of each tensor per row, on the model's device."""

    uniform: torch.Tensor  # (rows, length + 1) float64: the numbers that decide, one per token
    temperature: torch.Tensor  # (rows, 1)
    top_p: torch.Tensor  # (rows, 1)
    request: torch.Tensor  # (rows,)
    recent: torch.Tensor  # (rows, tail): the last tokens
    tokens: torch.Tensor  # (rows, length + 1); the last place takes what ended rows go on writing
    logprobs: torch.Tensor  # the same
    written: torch.Tensor  # (rows,): how many of them count
    finished: torch.Tensor  # (rows,) bool
    live: torch.Tensor  # (rows,) bool

    def select(self, rows: torch.Tensor) -> _Table:
        """The same of some of the rows."""
        return _Table(*(getattr(self, field.name)[rows] for field in fields(self)))

    def beside(self, other: _Table) -> _Table:
        """These rows and then the others."""
        return _Table(
            *(torch.cat([getattr(self, field.name), getattr(other, field.name)]) for field in fields(self))
        )


class Sampler:
    """Draws the continuations of groups of rows.

    Args:
        requests: what the groups' members refer to.
        length: the most tokens of a continuation.
        eos: the end token.
        patience: how many tokens are drawn between two looks at which rows have ended; each look waits for the device.
    """

    def __init__(
        self,
        rows: Rows,
        requests: Sequence[Request],
        length: int,
        eos: int | None,
        constraint: Constraint[Any] | None,
        patience: int,
    ) -> None:
        self._rows, self._requests, self._length, self._patience = rows, requests, length, patience
        self._device = rows.logits.device
        self._stops = Stops.spelled([request.tail for request in requests], eos, self._device)
        self._nuclear = any(request.top_p < 1.0 for request in requests)
        self._constrained = constraint and Constrained(constraint, length)
        self._members: list[tuple[int, int]] = []
        self._table = self._begun([])
        self._results: dict[tuple[int, int], Drawn] = {}

    def run(self, groups: Sequence[Group]) -> dict[tuple[int, int], Drawn]:
        """Draw for all groups, in their order; results by member."""
        queue = deque(groups)
        self._admit(queue)
        steps = 0
        while len(self._rows):
            self._draw()
            steps += 1
            look = steps % self._patience == 0
            if look:
                self._dismiss()
            if len(self._rows):
                self._rows.append(self._table.recent[:, -1])
            if look:
                self._admit(queue)
        return self._results

    def _admit(self, queue: deque[Group]) -> None:
        """Let groups join, in their order, once an eighth of the rows is free."""
        rows, prompts = self._rows.room()
        joining: list[Group] = []
        if rows * 8 < rows + len(self._rows):
            return
        while queue and prompts > 0 and len(queue[0].members) <= rows:
            joining.append(queue.popleft())
            prompts, rows = prompts - 1, rows - len(joining[-1].members)
        if joining:
            self._rows.join([group.prompt for group in joining], [len(group.members) for group in joining])
            members = [member for group in joining for member in group.members]
            self._members += members
            self._table = self._table.beside(self._begun(members))
            if self._constrained:
                self._constrained.join(len(members))

    def _begun(self, members: Sequence[tuple[int, int]]) -> _Table:
        """The table of rows in which nothing has been written."""
        rows, length, device = len(members), self._length, self._device
        wanted = [self._requests[i] for i, _ in members]
        request = torch.tensor([i for i, _ in members], dtype=torch.long, device=device)
        uniform = [_uniform(one.seed, j, length) for one, (_, j) in zip(wanted, members, strict=True)]
        numbers = torch.from_numpy(np.array(uniform).reshape(rows, length)).to(device)

        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device).view(rows, 1)

        return _Table(
            uniform=torch.nn.functional.pad(numbers, (0, 1)),
            temperature=column([one.temperature for one in wanted]),
            top_p=column([one.top_p for one in wanted]),
            request=request,
            recent=self._stops.of(request).nothing(),
            tokens=torch.zeros(rows, length + 1, dtype=torch.long, device=device),
            logprobs=torch.zeros(rows, length + 1, device=device),
            written=torch.zeros(rows, dtype=torch.long, device=device),
            finished=torch.zeros(rows, dtype=torch.bool, device=device),
            live=torch.ones(rows, dtype=torch.bool, device=device),
        )

    def _draw(self) -> None:
        """One more token for every row. Rows that have ended draw too, and it does not count."""
        table, place = self._table, self._table.written[:, None]
        logprobs = self._rows.logits.log_softmax(-1)
        allowed = self._constrained.masked(logprobs) if self._constrained else logprobs
        probability = (allowed / table.temperature).softmax(-1)
        if self._nuclear:
            probability = nucleus(probability, table.top_p)
        token = invert(probability, table.uniform.gather(1, place))
        table.tokens.scatter_(1, place, token)
        table.logprobs.scatter_(1, place, logprobs.gather(1, token))
        table.recent = torch.cat([table.recent[:, 1:], token], dim=1)
        ended = self._stops.of(table.request).ended(table.recent)
        table.finished |= table.live & ended
        table.written += table.live
        table.live &= ~ended & (table.written < self._length)
        if self._constrained:
            self._constrained.append(token[:, 0])

    def _dismiss(self) -> None:
        """Drop rows that have ended, once they are a sixteenth of all; the last rows take their places."""
        live = self._table.live.nonzero()[:, 0]
        alive, rows = len(live), len(self._rows)
        if alive and (rows - alive) * 16 < rows:
            return
        self._record((~self._table.live).nonzero()[:, 0])
        kept = torch.arange(alive, device=self._device)
        kept[~self._table.live[:alive]] = live[live >= alive]
        self._rows.select(kept)
        self._table = self._table.select(kept)
        self._members = [self._members[row] for row in kept.tolist()]
        if self._constrained:
            self._constrained.select(kept)

    def _record(self, rows: torch.Tensor) -> None:
        """Keep what some rows have written."""
        table = self._table.select(rows)
        columns = (table.tokens, table.logprobs, table.written, table.finished)
        for row, tokens, logprobs, k, finished in zip(
            rows.tolist(), *(column.tolist() for column in columns), strict=True
        ):
            self._results[self._members[row]] = Drawn(tokens[:k], logprobs[:k], finished)


def nucleus(probability: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """`probability` (rows, vocabulary) without what stands outside of each row's nucleus (Holtzman et al. 2020).

    The nucleus is the smallest set of most probable tokens that holds the mass `top_p` (rows, 1); tokens as probable
    as its last one belong to it. With a mass of 1 it holds everything.
    """
    vocabulary = probability.shape[1]
    # Sorting a whole row costs more than a layer of a small network; where a short list holds the mass, it is enough.
    # On other devices sorting is cheap, and waiting for the answer is not.
    count = min(_SHORTLIST, vocabulary) if probability.device.type == "cpu" else vocabulary
    ordered = probability.topk(count).values
    if count < vocabulary and bool(((ordered.sum(1, keepdim=True) < top_p) & (top_p < 1.0)).any()):
        ordered = probability.sort(dim=1, descending=True).values
    inside = ordered.cumsum(1) - ordered < top_p
    # An ended row may have no distribution at all, so that nothing is inside.
    least = ordered.gather(1, (inside.sum(1, keepdim=True) - 1).clamp_(min=0))
    return probability.masked_fill((probability < least) & (top_p < 1.0), 0.0)


def invert(probability: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token at which each row's cumulative distribution passes its number in [0, 1); all (rows, 1).

    In double precision, so that a token of probability zero is never drawn. Rows of `probability` need not sum to 1.
    """
    cumulative = probability.cumsum(1, dtype=torch.float64)
    token = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return token.clamp_(max=probability.shape[1] - 1)


def _uniform(seed: int, sample: int, length: int) -> npt.NDArray[np.float64]:
    """The numbers in [0, 1) that decide sample number `sample` of a prompt, one per position."""
    return np.random.default_rng([seed % 2**64, sample]).random(length)
