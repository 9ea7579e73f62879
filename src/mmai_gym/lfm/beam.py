"""Beam search by total log-probability, over one batch of prompts.

No length penalty: the score of a sequence is its log-probability, so extending a sequence can only lower it,
and the search for a prompt may end as soon as its best unfinished sequence is worse than its worst finished
one. What comes out is deterministic and a caller may exponentiate and add the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mmai_gym.lfm.constraint import Constrained, Constraint
from mmai_gym.lfm.rows import Rows
from mmai_gym.lfm.stops import Stops


@dataclass(slots=True)
class Beams:
    """`width` sequences for each prompt: `scores` (prompts, width), the rest (prompts, width, length).

    A score of -inf marks an empty place. Behind its end a sequence is filled with token 0 and log-probability 0.
    """

    scores: torch.Tensor
    lengths: torch.Tensor
    tokens: torch.Tensor
    logprobs: torch.Tensor

    def best(self, width: int) -> Beams:
        """The `width` sequences of the highest score, ties in the order they had."""
        return self.at(self.scores.sort(dim=1, descending=True, stable=True).indices[:, :width])

    def at(self, order: torch.Tensor) -> Beams:
        """The sequences in the places `order` (prompts, places)."""
        deep = order[..., None].expand(-1, -1, self.tokens.shape[-1])
        return Beams(
            self.scores.gather(1, order),
            self.lengths.gather(1, order),
            self.tokens.gather(1, deep),
            self.logprobs.gather(1, deep),
        )

    def where(self, mask: torch.Tensor) -> Beams:
        """The same sequences, those outside `mask` (prompts, width) turned into empty places."""
        scores = self.scores.masked_fill(~mask, -torch.inf)
        return Beams(scores, self.lengths, self.tokens, self.logprobs)

    def of(self, prompts: torch.Tensor) -> Beams:
        """The sequences of some of the prompts (indices)."""
        return Beams(self.scores[prompts], self.lengths[prompts], self.tokens[prompts], self.logprobs[prompts])

    def beside(self, other: Beams) -> Beams:
        """The sequences of both, prompt by prompt."""
        return Beams(
            torch.cat([self.scores, other.scores], dim=1),
            torch.cat([self.lengths, other.lengths], dim=1),
            torch.cat([self.tokens, other.tokens], dim=1),
            torch.cat([self.logprobs, other.logprobs], dim=1),
        )


def beam_search(
    rows: Rows,
    prompts: Sequence[Sequence[int]],
    width: int,
    max_new_tokens: int,
    stops: Stops,
    constraint: Constraint[Any] | None = None,
) -> tuple[Beams, Beams]:
    """Search behind `prompts` (token ids), all at once in `rows`, among what `constraint` allows.

    Args:
        rows: without rows so far, and with room for `width` behind each prompt.
        stops: where the continuations of each prompt end.

    Returns:
        The finished and the unfinished sequences, `width` places each. Unfinished ones (cut at `max_new_tokens`)
        matter only where fewer than `width` have finished.
    """
    rows.join(prompts, [width] * len(prompts))
    device = rows.logits.device
    live = _start(len(prompts), width, max_new_tokens, device)
    finished = live.where(torch.zeros_like(live.scores, dtype=torch.bool))
    index = torch.arange(len(prompts), device=device)  # the prompt behind each place still searched
    left: list[tuple[torch.Tensor, Beams, Beams]] = []
    written = constraint and Constrained(constraint, max_new_tokens)
    if written:
        written.join(len(rows))

    for step in range(max_new_tokens):
        logprobs = rows.logits.log_softmax(-1)
        allowed = written.masked(logprobs) if written else logprobs
        origin, grown = _grow(live, allowed, step)
        ended = stops.of(index).ended(grown.tokens[..., : step + 1])
        finished = finished.beside(grown.where(ended)).best(width)
        origin, live = _going_on(origin, grown.where(~ended), width)
        going = finished.scores[:, -1] < live.scores.amax(1)
        searched = int(going.sum())
        if step + 1 == max_new_tokens or searched == 0:
            break
        # Dropping a prompt saves its share of every later step; doing it one by one would cost more than that.
        kept = torch.arange(len(index), device=device)
        if searched <= len(index) * 3 // 4:
            settled, kept = (~going).nonzero()[:, 0], going.nonzero()[:, 0]
            left.append((index[settled], finished.of(settled), live.of(settled).best(width)))
            index, finished, live = index[kept], finished.of(kept), live.of(kept)
        order = (kept[:, None] * width + origin[kept]).flatten()
        tokens = live.tokens[..., step].flatten()
        rows.select(order)
        rows.append(tokens)
        if written:
            written.select(order)
            written.append(tokens)

    left.append((index, finished, live.best(width)))
    order = torch.cat([part[0] for part in left]).argsort()
    return _stacked([part[1] for part in left]).of(order), _stacked([part[2] for part in left]).of(order)


def _going_on(origin: torch.Tensor, grown: Beams, width: int) -> tuple[torch.Tensor, Beams]:
    """The `width` best of the grown sequences, and which live sequence each comes from.

    The best child of a live sequence stands in the place of its parent, so that its memory need not be moved.
    """
    order = grown.scores.sort(dim=1, descending=True, stable=True).indices[:, :width]
    parent = origin.gather(1, order)
    same = (parent[:, :, None] == parent[:, None, :]).tril(-1)
    first = ~same.any(-1)
    taken = torch.zeros_like(first).scatter_reduce_(1, parent, first, "amax", include_self=True)
    # The other children, in their order, get the places that are left, in theirs.
    others = first.to(torch.uint8).argsort(dim=1, stable=True)
    free = taken.to(torch.uint8).argsort(dim=1, stable=True)
    place = torch.empty_like(parent).scatter_(1, others, free)
    place = torch.where(first, parent, place)
    at = place.argsort(dim=1)
    order = order.gather(1, at)
    return origin.gather(1, order), grown.at(order)


def _start(prompts: int, width: int, length: int, device: torch.device) -> Beams:
    """One empty sequence of log-probability 0 for each prompt; the other places are empty."""
    scores = torch.full((prompts, width), -torch.inf, device=device)
    scores[:, 0] = 0.0
    tokens = torch.zeros(prompts, width, length, dtype=torch.long, device=device)
    return Beams(scores, tokens[..., 0], tokens, tokens.float())


def _stacked(parts: list[Beams]) -> Beams:
    """The prompts of all parts, one part behind the other."""
    return Beams(
        torch.cat([part.scores for part in parts]),
        torch.cat([part.lengths for part in parts]),
        torch.cat([part.tokens for part in parts]),
        torch.cat([part.logprobs for part in parts]),
    )


def _grow(live: Beams, logprobs: torch.Tensor, step: int) -> tuple[torch.Tensor, Beams]:
    """Each prompt's best continuations by one token, and which live sequence each comes from.

    Three times the width: a live sequence can end in two ways (the stop text, the end token), so at least
    `width` of that many candidates go on.
    """
    prompts, width = live.scores.shape
    vocabulary = logprobs.shape[-1]
    logprobs = logprobs.view(prompts, width, vocabulary)
    totals = (live.scores[..., None] + logprobs).view(prompts, -1)
    scores, flat = totals.topk(min(3 * width, totals.shape[1]), dim=1)
    origin, token = flat // vocabulary, flat % vocabulary
    deep = origin[..., None].expand(-1, -1, live.tokens.shape[-1])
    tokens, history = live.tokens.gather(1, deep), live.logprobs.gather(1, deep)
    tokens[..., step] = token
    history[..., step] = logprobs.view(prompts, -1).gather(1, flat)
    return origin, Beams(scores, live.lengths.gather(1, origin) + 1, tokens, history)
