"""Where continuations end: at the end token, or at a stop text, recognised as the tokens that spell it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

_ANY = -1  # in a tail: matches every token
_NOTHING = -2  # where no token has been written yet: matches none of a tail


class Stops:
    """The stop texts of some sequences, one each, beside the end token that all of them share.

    Args:
        tails: the tokens that spell them, (sequences, longest), on the right; see `spelled`.
    """

    def __init__(self, tails: torch.Tensor, eos: int | None) -> None:
        self._tails = tails
        self._eos = _NOTHING if eos is None else eos

    @classmethod
    def spelled(cls, tails: Sequence[Sequence[int]], eos: int | None, device: torch.device) -> Stops:
        """The stop text of sequence `i` is spelled by the tokens `tails[i]`."""
        longest = max(map(len, tails), default=1)
        padded = [[*[_ANY] * (longest - len(tail)), *tail] for tail in tails]
        return cls(torch.tensor(padded, dtype=torch.long, device=device).view(len(tails), longest), eos)

    def of(self, index: torch.Tensor) -> Stops:
        """Those of some of the sequences."""
        return Stops(self._tails[index], self._eos)

    def nothing(self) -> torch.Tensor:
        """The window on sequences in which nothing has been written, (sequences, tail)."""
        return torch.full_like(self._tails, _NOTHING)

    def ended(self, tokens: torch.Tensor) -> torch.Tensor:
        """Which sequences end with their last token: bool (sequences, ...) for tokens (sequences, ..., length)."""
        tails = self._tails
        missing = tails.shape[1] - tokens.shape[-1]
        if missing > 0:
            tokens = torch.nn.functional.pad(tokens, (missing, 0), value=_NOTHING)
        tails = tails.view(len(tails), *[1] * (tokens.ndim - 2), -1)
        window = tokens[..., tokens.shape[-1] - tails.shape[-1] :]
        return ((window == tails) | (tails == _ANY)).all(-1) | (window[..., -1] == self._eos)
