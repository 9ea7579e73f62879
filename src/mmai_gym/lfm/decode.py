"""Reading an LFM: samples, beams, the probability of a choice, the distribution of a number.

The signatures of `Decoder` are frozen; what stands behind them may become faster. Three promises hold for any
implementation. A log-probability is the model's own: natural log, at temperature 1, over the whole
vocabulary, whatever the temperature and nucleus the sample was drawn with. A sample depends on its prompt,
its seed and its number among the prompt's samples, not on what else was in the batch (to rounding: two batch
shapes may differ in the last bits of a logit). And a prompt that does not fit is an error, never cut.

Each distinct prompt is read once, then its rows are copied in the cache. Sampling inverts the cumulative
distribution at a uniform number that was drawn from the row's own seed, one per position.

A constraint (a grammar) narrows down what is written, not what the model is said to think of it: it takes part in
drawing and in the choice of beams, while log-probabilities stay the model's own, over the whole vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import UsageError
from mmai_gym.extras import require
from mmai_gym.tasks.rendering import BIN_TOKENS

require("torch", "transformers")  # ahead of the imports, so that the message names the fix

import torch  # noqa: E402

from mmai_gym.lfm.beam import Beams, beam_search  # noqa: E402
from mmai_gym.lfm.cached import CachedRows  # noqa: E402
from mmai_gym.lfm.constraint import Constrained, Constraint  # noqa: E402

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

STOP = "</answer>"


@dataclass(frozen=True, slots=True)
class Sampled:
    """One continuation of a prompt.

    `text` includes the stop text where it was written, and leaves out the end token. `logprob` is the sum of
    `token_logprobs`, one per id of `token_ids` (the stop text and the end token included). `finished` is
    False where `max_new_tokens` cut it off.
    """

    text: str
    logprob: float
    token_ids: tuple[int, ...]
    token_logprobs: tuple[float, ...]
    finished: bool


class Decoder:
    """Reads a causal language model (an LFM of any size) on the device where the model is."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, max_batch_tokens: int = 32_768
    ) -> None:
        """Wrap a model.

        Args:
            max_batch_tokens: bound on rows times (longest prompt + new tokens) in one batch; lower it when
                memory runs out.
        """
        self._model = model
        self._tokenizer = tokenizer
        self._max_batch_tokens = max_batch_tokens

    def sample(
        self,
        prompts: Sequence[str],
        n: int,
        *,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: str = STOP,
        seeds: Sequence[int],
        constraint: Constraint[Any] | None = None,
    ) -> list[list[Sampled]]:
        """Draw `n` continuations of each prompt.

        Args:
            temperature: above 0; for the most probable continuation use `beam` with width 1.
            top_p: draw from the smallest set of most probable tokens that holds this mass (Holtzman et al. 2020).
            stop: text that ends a continuation, recognised as the token sequence the tokenizer gives it.
            seeds: one per prompt. Sample `i` of a prompt is the same for every `n > i`.
            constraint: what may be written; without one, anything.

        Raises:
            UsageError: a prompt is empty or too long, or an argument is out of its range.
        """
        if temperature <= 0.0 or not 0.0 < top_p <= 1.0 or n < 1:
            raise UsageError(
                f"cannot sample with n={n}, temperature={temperature}, top_p={top_p}; "
                "n must be at least 1, temperature above 0 (beam width 1 is greedy), top_p in (0, 1]"
            )
        if len(seeds) != len(prompts):
            raise UsageError(f"{len(seeds)} seeds for {len(prompts)} prompts; give one seed per prompt")
        ids = self._encode(prompts, max_new_tokens)
        ends = self._ends(stop)
        rows = [(i, j) for i in range(len(ids)) for j in range(n)]
        results: dict[tuple[int, int], Sampled] = {}
        with self._reading():
            for batch in self._batches([len(ids[i]) + max_new_tokens for i, _ in rows]):
                members = [rows[k] for k in batch]
                uniform = np.stack([_uniform(seeds[i], j, max_new_tokens) for i, j in members])
                state = self._read([ids[i] for i, _ in members])
                drawn = _sample_rows(state, torch.from_numpy(uniform), temperature, top_p, ends, constraint)
                results.update(zip(members, self._finish(*drawn), strict=True))
        return [[results[i, j] for j in range(n)] for i in range(len(ids))]

    def beam(
        self,
        prompts: Sequence[str],
        width: int,
        *,
        max_new_tokens: int,
        stop: str = STOP,
        constraint: Constraint[Any] | None = None,
    ) -> list[list[Sampled]]:
        """The `width` best continuations that beam search finds for each prompt, by total log-probability.

        Finished ones come first, best first; where fewer than `width` finished within `max_new_tokens`, the best
        unfinished ones follow.

        Args:
            constraint: what may be written; without one, anything.

        Raises:
            UsageError: a prompt is empty or too long, or `width` or `max_new_tokens` is below 1.
        """
        if width < 1:
            raise UsageError(f"beam width {width} is below 1")
        ids = self._encode(prompts, max_new_tokens)
        ends = self._ends(stop)
        results: dict[int, list[Sampled]] = {}
        with self._reading():
            for batch in self._batches([width * (len(prompt) + max_new_tokens) for prompt in ids]):
                state = CachedRows(self._model, [ids[i] for i in batch])
                finished, live = beam_search(state, width, max_new_tokens, ends, constraint)
                done, cut = self._ranked(finished, True), self._ranked(live, False)
                for i, first, rest in zip(batch, done, cut, strict=True):
                    results[i] = (first + rest)[:width]
        return [results[i] for i in range(len(ids))]

    def choice_logprobs(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[list[float]]:
        """The log-probability of each option as the text right behind its prompt, `options[i]` for `prompts[i]`.

        An option that is the beginning of another (`no`, `not`) is compared fairly only if both end with the
        closing tag. Each distinct prompt is read once; options of one token cost nothing more.

        Raises:
            UsageError: a prompt is empty or too long, or an option is empty.
        """
        if len(options) != len(prompts):
            raise UsageError(f"{len(options)} lists of options for {len(prompts)} prompts; give one per prompt")
        choices = [self._ids(texts) for texts in options]
        for i, tokens in enumerate(choices):
            if not all(tokens):
                raise UsageError(f"an option of prompt {i} is empty: {list(options[i])!r}")
        longest = max((len(token) for tokens in choices for token in tokens), default=1)
        ids = self._encode(prompts, longest)
        results: dict[tuple[int, int], float] = {}
        rows = [(i, j) for i in range(len(ids)) for j in range(len(choices[i]))]
        with self._reading():
            for batch in self._batches([len(ids[i]) + len(choices[i][j]) for i, j in rows]):
                members = [rows[k] for k in batch]
                state = self._read([ids[i] for i, _ in members])
                scores = _continuation_logprobs(state, [choices[i][j] for i, j in members])
                results.update(zip(members, scores, strict=True))
        return [[results[i, j] for j in range(len(choices[i]))] for i in range(len(ids))]

    def bin_probabilities(self, prompts: Sequence[str]) -> npt.NDArray[np.float64]:
        """The distribution over the 128 grid steps as the token right behind each prompt, shape (prompts, 128).

        Probabilities are renormalised over the grid steps: rows sum to 1.

        Raises:
            UsageError: a prompt is empty or too long.
        """
        bins = self._tokenizer.convert_tokens_to_ids(list(BIN_TOKENS))
        ids = self._encode(prompts, 1)
        table = np.empty((len(ids), len(bins)))
        with self._reading():
            for batch in self._batches([len(prompt) + 1 for prompt in ids]):
                logits = self._read([ids[i] for i in batch]).logits[:, bins]
                table[batch] = logits.double().softmax(-1).cpu().numpy()
        return table

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Evaluation mode without gradients; a model that is being trained goes back to training."""
        training = self._model.training
        self._model.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self._model.train(training)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []

    def _encode(self, prompts: Sequence[str], max_new_tokens: int) -> list[list[int]]:
        if max_new_tokens < 1:
            raise UsageError(f"max_new_tokens is {max_new_tokens}; it must be at least 1")
        ids = self._ids(prompts)
        room = self._model.config.max_position_embeddings
        for i, prompt in enumerate(ids):
            if not prompt:
                raise UsageError(f"prompt {i} is empty; a prompt starts with <|bos|> at least")
            if len(prompt) + max_new_tokens > room:
                raise UsageError(
                    f"prompt {i} has {len(prompt)} tokens and {max_new_tokens} more are asked for, but the model "
                    f"has {room} positions; shorten the prompt or lower max_new_tokens. "
                    f"The prompt begins {prompts[i][:60]!r}"
                )
        return ids

    def _ends(self, stop: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """The test for token sequences, shape (..., length), that end with the stop text or the end token."""
        tail = torch.tensor(self._ids([stop])[0], device=self._model.device)
        if not len(tail):
            raise UsageError("the stop text is empty; the end token ends a continuation in any case")
        eos = self._tokenizer.eos_token_id

        def ends(tokens: torch.Tensor) -> torch.Tensor:
            ended = tokens[..., -1] == eos
            if tokens.shape[-1] < len(tail):
                return ended
            return ended | (tokens[..., -len(tail) :] == tail).all(-1)

        return ends

    def _batches(self, costs: Sequence[int]) -> Iterator[list[int]]:
        """Indices in batches of similar cost, dearest first, so that memory runs out at once if it ever does."""
        batch: list[int] = []
        for i in sorted(range(len(costs)), key=lambda i: -costs[i]):
            if batch and (len(batch) + 1) * costs[batch[0]] > self._max_batch_tokens:
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _read(self, prompts: Sequence[Sequence[int]]) -> CachedRows:
        """One row per prompt, each distinct prompt computed once."""
        distinct = {tuple(prompt): 0 for prompt in prompts}
        for i, prompt in enumerate(distinct):
            distinct[prompt] = i
        state = CachedRows(self._model, list(distinct))
        if len(distinct) < len(prompts):
            rows = [distinct[tuple(prompt)] for prompt in prompts]
            state.select(torch.tensor(rows, device=self._model.device))
        return state

    def _finish(
        self, tokens: torch.Tensor, logprobs: torch.Tensor, lengths: torch.Tensor, finished: torch.Tensor
    ) -> list[Sampled]:
        """Rows of tokens (rows, length) as continuations."""
        token_ids = [row[:k] for row, k in zip(tokens.tolist(), lengths.tolist(), strict=True)]
        values = [row[:k] for row, k in zip(logprobs.tolist(), lengths.tolist(), strict=True)]
        eos = self._tokenizer.eos_token_id
        texts = self._tokenizer.batch_decode([ids[:-1] if ids[-1:] == [eos] else ids for ids in token_ids])
        return [
            Sampled(text, sum(value), tuple(ids), tuple(value), done)
            for text, ids, value, done in zip(texts, token_ids, values, finished.tolist(), strict=True)
        ]

    def _ranked(self, beams: Beams, finished: bool) -> list[list[Sampled]]:
        """The filled places of each prompt, in their order."""
        prompts, width = beams.scores.shape
        flags = torch.full((prompts * width,), finished)
        flat = self._finish(
            beams.tokens.flatten(0, 1), beams.logprobs.flatten(0, 1), beams.lengths.flatten(), flags
        )
        filled = (beams.scores > -torch.inf).tolist()
        return [[flat[i * width + j] for j in range(width) if filled[i][j]] for i in range(prompts)]


def _uniform(seed: int, sample: int, length: int) -> npt.NDArray[np.float64]:
    """The numbers in [0, 1) that decide sample number `sample` of a prompt, one per position."""
    return np.random.default_rng([seed % 2**64, sample]).random(length)


def _sample_rows(
    state: CachedRows,
    uniform: torch.Tensor,
    temperature: float,
    top_p: float,
    ends: Callable[[torch.Tensor], torch.Tensor],
    constraint: Constraint[Any] | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens and log-probabilities (rows, length), lengths and finished (rows,) of one draw per row."""
    device = state.logits.device
    uniform = uniform.to(device)
    rows, length = uniform.shape
    tokens = torch.zeros(rows, length, dtype=torch.long, device=device)
    logprobs = torch.zeros(rows, length, device=device)
    lengths = torch.full((rows,), length, device=device)
    finished = torch.zeros(rows, dtype=torch.bool, device=device)
    index = torch.arange(rows, device=device)  # the row that each row of the state belongs to
    written = constraint and Constrained(constraint, rows)
    for step in range(length):
        logprob = state.logits.log_softmax(-1)
        allowed = written.masked(logprob, length - step) if written else logprob
        token = _draw(allowed, uniform[index, step], temperature, top_p)
        tokens[index, step] = token
        logprobs[index, step] = logprob.gather(1, token[:, None])[:, 0]
        ended = ends(tokens[index, : step + 1]) & ~finished[index]
        lengths[index[ended]] = step + 1
        finished[index[ended]] = True
        live = ~finished[index]
        alive = int(live.sum())
        if step + 1 == length or alive == 0:
            break
        # Copying the cache costs about a step, so finished rows are dropped by the eighth.
        if alive <= len(state) * 7 // 8:
            kept = live.nonzero()[:, 0]
            state.select(kept)
            index, token = index[kept], token[kept]
            if written:
                written.select(kept)
        state.append(token[:, None])
        if written:
            written.append(token)
    return tokens, logprobs, lengths, finished


def _draw(logprob: torch.Tensor, uniform: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """The token at which the cumulative distribution of each row (of the vocabulary) passes its number."""
    probability = (logprob.double() / temperature).softmax(-1)
    if top_p < 1.0:
        ordered, order = probability.sort(dim=-1, descending=True, stable=True)
        outside = ordered.cumsum(-1) - ordered >= top_p
        probability = probability.masked_fill(outside.scatter(1, order, outside), 0.0)
    cumulative = probability.cumsum(-1)
    level = uniform[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, level, right=True)[:, 0].clamp(max=logprob.shape[1] - 1)


def _continuation_logprobs(state: CachedRows, continuations: Sequence[Sequence[int]]) -> list[float]:
    """The log-probability of one continuation behind each row of the state (teacher forcing)."""
    longest = max(map(len, continuations))
    padded = [[*tokens, *[0] * (longest - len(tokens))] for tokens in continuations]
    tokens = torch.tensor(padded, device=state.logits.device)
    real = torch.arange(longest, device=tokens.device) < torch.tensor(
        [[len(tokens)] for tokens in continuations], device=tokens.device
    )
    logits = state.logits[:, None]
    if longest > 1:
        # Padding stands behind the last real token, where causal layers do not see it.
        logits = torch.cat([logits, state.append(tokens[:, :-1])], dim=1)
    values = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    return values.masked_fill(~real, 0.0).double().sum(-1).tolist()
