"""Reading an LFM: samples, beams, the probability of a choice, the distribution of a number.

The signatures of `Decoder` are frozen; what stands behind them may become faster. Three promises hold for any
implementation. A log-probability is the model's own: natural log, at temperature 1, over the whole
vocabulary, whatever the temperature and nucleus the sample was drawn with. A sample depends on its prompt,
its seed and its number among the prompt's samples, not on what else was in the batch (to rounding: two batch
shapes may differ in the last bits of a logit). And a prompt that does not fit is an error, never cut.

Each distinct prompt is read once and shared by all its rows (samples, beams, options). Sampling inverts the cumulative
distribution at a uniform number that was drawn from the row's own seed, one per position.

A constraint (a grammar) narrows down what is written, not what the model is said to think of it: it takes part in
drawing and in the choice of beams, while log-probabilities stay the model's own, over the whole vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
from mmai_gym.lfm.cache import Room  # noqa: E402
from mmai_gym.lfm.constraint import Constraint  # noqa: E402
from mmai_gym.lfm.engine import Engine  # noqa: E402
from mmai_gym.lfm.rows import Rows  # noqa: E402
from mmai_gym.lfm.sampling import Group, Request, Sampler  # noqa: E402
from mmai_gym.lfm.sharing import Branches, branches  # noqa: E402
from mmai_gym.lfm.stops import Stops  # noqa: E402

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
    """Reads a causal language model on the device where the model is: a plain LFM2 by the fast engine, any other through
    transformers.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, max_batch_tokens: int = 32_768
    ) -> None:
        """Wrap a model.

        Args:
            max_batch_tokens: bound on the tokens that are held in memory at once, those of prompts and those that rows
                may write; lower it when memory runs out, raise it for larger batches.
        """
        self._model = model
        self._tokenizer = tokenizer
        self._max_batch_tokens = max_batch_tokens
        self._engine = Engine(model)

    def sample(
        self,
        prompts: Sequence[str],
        n: int,
        *,
        max_new_tokens: int,
        temperature: float | Sequence[float] = 1.0,
        top_p: float | Sequence[float] = 1.0,
        stop: str | Sequence[str] = STOP,
        seeds: Sequence[int],
        constraint: Constraint[Any] | None = None,
    ) -> list[list[Sampled]]:
        """Draw `n` continuations of each prompt.

        Temperature, nucleus and stop text are one for all prompts, or one per prompt.

        Args:
            temperature: above 0; for the most probable continuation use `beam` with width 1.
            top_p: draw from the smallest set of most probable tokens that holds this mass (Holtzman et al. 2020).
            stop: text that ends a continuation, recognised as the token sequence the tokenizer gives it.
            seeds: one per prompt. Sample `i` of a prompt is the same for every `n > i`.
            constraint: what may be written; without one, anything.

        Raises:
            UsageError: a prompt is empty or too long, or an argument is out of its range.
        """
        temperatures = _each(temperature, len(prompts), "temperature")
        masses = _each(top_p, len(prompts), "top_p")
        if n < 1 or any(value <= 0.0 for value in temperatures) or any(not 0.0 < p <= 1.0 for p in masses):
            raise UsageError(
                f"cannot sample with n={n}, temperature={temperature}, top_p={top_p}; "
                "n must be at least 1, temperature above 0 (for the best continuation use beam), top_p in (0, 1]"
            )
        if len(seeds) != len(prompts):
            raise UsageError(f"{len(seeds)} seeds for {len(prompts)} prompts; give one seed per prompt")
        ids = self._encode(prompts, max_new_tokens)
        if not ids:
            return []
        requests = [
            Request(*settings)
            for settings in zip(self._tails(stop, len(prompts)), temperatures, masses, seeds, strict=True)
        ]
        sharing: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for i, prompt in enumerate(ids):
            sharing.setdefault(tuple(prompt), []).extend((i, j) for j in range(n))
        room = self._sampling_room(sharing, max_new_tokens)
        groups = [
            Group(prompt, members[k : k + room.width])
            for prompt, members in sorted(sharing.items(), key=lambda item: -len(item[0]))
            for k in range(0, len(members), room.width)
        ]
        with self._reading():
            rows, eos = self._engine.rows(room), self._tokenizer.eos_token_id
            patience = self._engine.patience if constraint is None else 1
            drawn = Sampler(rows, requests, max_new_tokens, eos, constraint, patience).run(groups)
        members = [(i, j) for i in range(len(ids)) for j in range(n)]
        texts = self._texts([drawn[member].tokens for member in members])
        sampled = [
            Sampled(text, sum(one.logprobs), tuple(one.tokens), tuple(one.logprobs), one.finished)
            for text, one in zip(texts, (drawn[member] for member in members), strict=True)
        ]
        return [sampled[i * n : (i + 1) * n] for i in range(len(ids))]

    def beam(
        self,
        prompts: Sequence[str],
        width: int,
        *,
        max_new_tokens: int,
        stop: str | Sequence[str] = STOP,
        constraint: Constraint[Any] | None = None,
    ) -> list[list[Sampled]]:
        """The `width` best continuations that beam search finds for each prompt, by total log-probability.

        Finished ones come first, best first; where fewer than `width` finished within `max_new_tokens`, the best
        unfinished ones follow.

        Args:
            stop: text that ends a continuation, one for all prompts or one per prompt.
            constraint: what may be written; without one, anything.

        Raises:
            UsageError: a prompt is empty or too long, or `width` or `max_new_tokens` is below 1.
        """
        if width < 1:
            raise UsageError(f"beam width {width} is below 1")
        ids = self._encode(prompts, max_new_tokens)
        tails = self._tails(stop, len(prompts))
        results: dict[int, list[Sampled]] = {}
        with self._reading():
            for batch in self._batches([len(prompt) + width * max_new_tokens for prompt in ids]):
                chosen = [ids[i] for i in batch]
                room = Room(width * len(batch), len(batch), width, max(map(len, chosen)), max_new_tokens)
                stops = Stops.spelled([tails[i] for i in batch], self._tokenizer.eos_token_id, self._model.device)
                rows = self._engine.rows(room)
                finished, live = beam_search(rows, chosen, width, max_new_tokens, stops, constraint)
                done, cut = self._ranked(finished, True), self._ranked(live, False)
                for i, first, rest in zip(batch, done, cut, strict=True):
                    results[i] = (first + rest)[:width]
        return [results[i] for i in range(len(ids))]

    def choice_logprobs(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[list[float]]:
        """The log-probability of each option as the text right behind its prompt, `options[i]` for `prompts[i]`.

        An option that is the beginning of another (`no`, `not`) is compared fairly only if both end with the
        closing tag. Each prompt is read once; options of one token cost nothing more.

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
        results: list[list[float]] = [[] for _ in ids]
        asked = [i for i, tokens in enumerate(choices) if tokens]
        with self._reading():
            for batch in self._batches([len(ids[i]) + sum(map(len, choices[i])) for i in asked]):
                members = [asked[k] for k in batch]
                counts = [len(choices[i]) for i in members]
                behind = [tokens for i in members for tokens in choices[i]]
                scores = iter(self._scores([ids[i] for i in members], counts, behind))
                for i, count in zip(members, counts, strict=True):
                    results[i] = [next(scores) for _ in range(count)]
        return results

    def bin_probabilities(self, prompts: Sequence[str]) -> npt.NDArray[np.float64]:
        """The distribution over the 128 grid steps as the token right behind each prompt, shape (prompts, 128).

        Probabilities are renormalised over the grid steps: rows sum to 1. What many long prompts begin with is read once.

        Raises:
            UsageError: a prompt is empty or too long.
        """
        bins = self._tokenizer.convert_tokens_to_ids(list(BIN_TOKENS))
        ids = self._encode(prompts, 1)
        table = np.empty((len(ids), len(bins)))
        groups = branches(ids)
        alone = [group.members[0] for group in groups if not group.shared]
        with self._reading():
            for batch in self._batches([len(ids[i]) + 1 for i in alone]):
                members = [alone[k] for k in batch]
                rows = self._joined([ids[i] for i in members], [1] * len(members), 1)
                table[members] = _over(bins, rows.logits)
            for group in groups:
                for members in self._parts(group, ids):
                    table[members] = _over(bins, self._behind(group.shared, [ids[i] for i in members]))
        return table

    def _parts(self, group: Branches, prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """The members of a group, as many at a time as there is memory for; none of a prompt that is by itself."""
        members = sorted(group.members, key=lambda i: len(prompts[i])) if group.shared else []
        longest = len(prompts[members[-1]]) - group.shared if members else 1
        width = max(1, min(self._engine.most_rows, (self._max_batch_tokens - group.shared) // longest))
        return (members[start : start + width] for start in range(0, len(members), width))

    def _behind(self, shared: int, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """The logits behind each of some prompts that share their first tokens, (prompts, vocabulary)."""
        tails = [prompt[shared:] for prompt in prompts]
        longest = max(map(len, tails))
        rows = self._joined([prompts[0][:shared]], [len(tails)], longest)
        found = torch.empty_like(rows.logits)
        device = found.device
        padded = torch.tensor([[*tail, *[0] * (longest - len(tail))] for tail in tails], device=device)
        lengths = torch.tensor([len(tail) for tail in tails], device=device)
        for k in range(longest):
            rows.append(padded[:, k])
            ended = lengths == k + 1
            found[ended] = rows.logits[ended]
        return found

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

    def _tails(self, stop: str | Sequence[str], prompts: int) -> list[list[int]]:
        """The tokens that spell the stop text of each prompt."""
        texts = _each(stop, prompts, "stop")
        if not all(texts):
            raise UsageError("the stop text is empty; the end token ends a continuation in any case")
        distinct = list(dict.fromkeys(texts))
        spelled = dict(zip(distinct, self._ids(distinct), strict=True))
        return [spelled[text] for text in texts]

    def _sampling_room(self, sharing: dict[tuple[int, ...], list[tuple[int, int]]], new: int) -> Room:
        """As many rows as memory and the processor's cache hold well.

        Prompts have room for twice as many as full groups of rows need, since a group shrinks while its rows end.
        """
        width, length = max(map(len, sharing.values())), max(map(len, sharing))
        total = sum(map(len, sharing.values()))
        rows = self._max_batch_tokens * width // (new * width + 2 * length)
        rows = max(1, min(rows, total, self._engine.most_rows))
        if width > rows:  # in parts, so that places left by some are taken by others
            width = max(1, rows // 4)
        groups = sum(-(-len(members) // width) for members in sharing.values())
        return Room(rows, min(groups, 2 * -(-rows // width)), width, length, new)

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

    def _joined(self, prompts: Sequence[Sequence[int]], counts: Sequence[int], new: int) -> Rows:
        """Rows behind prompts, `counts[i]` behind each, that can take `new` more tokens."""
        room = Room(sum(counts), len(prompts), max(counts), max(map(len, prompts)), new)
        rows = self._engine.rows(room)
        rows.join(prompts, counts)
        return rows

    def _scores(
        self, prompts: Sequence[Sequence[int]], counts: Sequence[int], continuations: Sequence[Sequence[int]]
    ) -> list[float]:
        """The log-probability of each continuation; `counts[i]` of them stand behind prompt `i`."""
        longest = max(map(len, continuations))
        rows = self._joined(prompts, counts, longest)
        device = rows.logits.device
        padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in continuations], device=device)
        lengths = torch.tensor([len(ids) for ids in continuations], device=device)
        total = torch.zeros(len(lengths), dtype=torch.float64, device=device)
        for k in range(longest):
            value = rows.logits.log_softmax(-1).gather(1, padded[:, k : k + 1])[:, 0]
            total += value.double().masked_fill_(k >= lengths, 0.0)
            if k + 1 < longest:
                rows.append(padded[:, k])
        return total.tolist()

    def _texts(self, token_ids: Sequence[list[int]]) -> list[str]:
        """What the tokens spell, without the end token."""
        eos = self._tokenizer.eos_token_id
        spelling = [ids[:-1] if ids[-1:] == [eos] else ids for ids in token_ids]
        return self._tokenizer.batch_decode(spelling) if spelling else []

    def _ranked(self, beams: Beams, finished: bool) -> list[list[Sampled]]:
        """The filled places of each prompt, in their order."""
        ranked = []
        for scores, lengths, tokens, logprobs in zip(
            beams.scores.tolist(),
            beams.lengths.tolist(),
            beams.tokens.tolist(),
            beams.logprobs.tolist(),
            strict=True,
        ):
            filled = [j for j, score in enumerate(scores) if score > -math.inf]
            ids = [tokens[j][: lengths[j]] for j in filled]
            values = [logprobs[j][: lengths[j]] for j in filled]
            ranked.append(
                [
                    Sampled(text, sum(value), tuple(row), tuple(value), finished)
                    for text, row, value in zip(self._texts(ids), ids, values, strict=True)
                ]
            )
        return ranked


def _over(tokens: Sequence[int], logits: torch.Tensor) -> npt.NDArray[np.float64]:
    """The probabilities of `tokens` among themselves, (rows, tokens)."""
    return logits[:, tokens].double().softmax(-1).cpu().numpy()


def _each(value: Any, count: int, name: str) -> list[Any]:
    """One value per prompt, from one for all or one each."""
    if isinstance(value, str | float | int):
        return [value] * count
    if len(value) != count:
        raise UsageError(f"{len(value)} values of {name} for {count} prompts; give one, or one per prompt")
    return list(value)
