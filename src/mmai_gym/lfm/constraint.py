"""What may be written next, token by token: the side of a grammar that decoding sees.

A constraint is a state machine over token ids. Its states are values: a beam that goes two ways simply keeps one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from mmai_gym.extras import require

require("torch")  # ahead of the import, so that the message names the fix

import torch  # noqa: E402

S = TypeVar("S")


class Constraint(Protocol[S]):
    """Says which tokens may follow what has been written."""

    @property
    def start(self) -> S:
        """The state of an empty continuation."""

    def advance(self, state: S, token: int) -> S:
        """The state behind one more token; any token may come, and behind a forbidden one nothing matters."""

    def mask(self, states: Sequence[S], rooms: Sequence[int]) -> torch.Tensor:
        """Which tokens may follow, bool (states, vocabulary); at least one does, behind allowed tokens only.

        Args:
            rooms: for each state, how many tokens can still be written, so that what was begun can be brought to an
                end.
        """


class Constrained(Generic[S]):
    """The states of a batch of rows in progress, moved as `Rows` moves the rows."""

    def __init__(self, constraint: Constraint[S], room: int) -> None:
        """Every row can take `room` tokens."""
        self._constraint, self._room = constraint, room
        self._states: list[S] = []
        self._rooms: list[int] = []

    def join(self, rows: int) -> None:
        """Begin `rows` more, empty continuations."""
        self._states += [self._constraint.start] * rows
        self._rooms += [self._room] * rows

    def masked(self, logprobs: torch.Tensor) -> torch.Tensor:
        """`logprobs`, (rows, vocabulary), with -inf in place of what may not be written."""
        mask = self._constraint.mask(self._states, self._rooms).to(logprobs.device)
        return logprobs.masked_fill(~mask, -torch.inf)

    def append(self, tokens: torch.Tensor) -> None:
        """One token, (rows,), behind each row."""
        advance = self._constraint.advance
        self._states = [advance(state, token) for state, token in zip(self._states, tokens.tolist(), strict=True)]
        self._rooms = [room - 1 for room in self._rooms]

    def select(self, rows: torch.Tensor) -> None:
        """Go on with `rows` (indices) in their order."""
        order = rows.tolist()
        self._states = [self._states[row] for row in order]
        self._rooms = [self._rooms[row] for row in order]
