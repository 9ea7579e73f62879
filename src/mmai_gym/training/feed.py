"""What a model is fed: planned steps as tensors, made by a thread while the step before is computed; validation rows.

Nothing is tokenised here: a batch is a few array look-ups in the memory-mapped corpus, and one thread is faster than
worker processes, which would copy every batch once more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

from mmai_gym.lfm.network import IGNORED
from mmai_gym.tasks.rendering import CONTROL_TOKENS, control
from mmai_gym.training.batches import BatchPlan, Indices, plan_in_order
from mmai_gym.training.corpus import Corpus
from mmai_gym.training.shares import share

Batch = dict[str, torch.Tensor]
PROTEIN, SMILES, AFFINITY = (CONTROL_TOKENS.index(control(name)) for name in ("protein", "smiles", "affinity"))
"""Ids that no tokenizer moves: a control token's place is its id."""
T = TypeVar("T")


class Collator:
    """Rows of a corpus to `input_ids` and `labels`, int64 of shape (lines, longest line), padded on the right with `pad`."""

    def __init__(self, corpus: Corpus, pad: int) -> None:
        self._corpus = corpus
        self._pad = pad
        # In another vocabulary than the gym's own the ids below are other words.
        self._may_branch = "dialect" not in corpus.manifest.made_from

    def __call__(self, rows: Iterable[int]) -> Batch:
        """Each row a line of its own."""
        return self.fill([np.array([row]) for row in rows], 0)

    def untaught(self, row: int, width: int) -> Batch:
        """A row without labels, for a pass that has nothing to learn."""
        batch = self.fill([np.array([row])], width)
        return batch | {"labels": torch.full_like(batch["labels"], IGNORED)}

    def fill(self, lines: Sequence[Indices], width: int) -> Batch:
        """The rows of each line. With a `width` lines have so many tokens, and `segments` tells their rows apart."""
        rows, counts = np.concatenate(lines), np.array([len(line) for line in lines])
        start = self._corpus.offsets[rows]
        length = self._corpus.offsets[rows + 1] - start
        before = np.cumsum(length) - length  # tokens of the rows ahead, over all lines
        first = np.cumsum(counts) - counts  # where each line's rows begin
        total = np.add.reduceat(length, first)
        columns = width or int(total.max())
        place = before + np.repeat(np.arange(len(lines)) * columns - before[first], counts)
        within = np.arange(length.sum()) - np.repeat(before, length)
        source, target = np.repeat(start, length) + within, np.repeat(place, length) + within
        shape = (len(lines), columns)
        ids, labels = np.full(shape, self._pad, np.int64), np.full(shape, IGNORED, np.int64)
        tokens = self._corpus.tokens[source].astype(np.int64)
        ids.flat[target] = tokens
        labels.flat[target] = np.where(self._corpus.mask[source], tokens, IGNORED)
        batch = {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}
        branch = branches_of(tokens, length) if self._may_branch else None
        if width or branch is not None:
            segments = np.zeros(shape, np.int64)
            number = np.arange(len(rows)) - np.repeat(first, counts) + 1
            segments.flat[target] = np.repeat(number, length)
            batch["segments"] = torch.from_numpy(segments)
        if branch is not None:
            branches = np.zeros(shape, np.int64)
            branches.flat[target] = branch
            batch["branches"] = torch.from_numpy(branches)
        return batch


def branches_of(tokens: Indices, lengths: Indices) -> Indices | None:
    """Which branch of its row each token belongs to, 0 for the opening; None where no row has several.

    A row that opens with a protein has a branch from each `<|smiles|>` on, any other from each `<|affinity|>` on
    (`tasks.rendering.compact_branches`).

    Args:
        tokens: ids of the gym's tokenizer, of all rows one after the other.
        lengths: of the rows.
    """
    ends = np.cumsum(lengths)
    starts = ends - lengths
    second = np.minimum(starts + 1, len(tokens) - 1)
    with_protein = np.repeat((tokens[second] == PROTEIN) & (lengths > 1), lengths)
    opens = np.where(with_protein, tokens == SMILES, tokens == AFFINITY)
    counted = np.cumsum(opens)
    before = np.concatenate([[0], counted])[starts]
    branch = counted - np.repeat(before, lengths)
    return branch if len(branch) and branch.max() > 1 else None


@dataclass(frozen=True, slots=True)
class StepFeed:
    """The steps of a plan from `start` on, each the forward passes of one process: what Trainer takes for a DataLoader.

    Attributes:
        tokens: bound on one forward pass, see `shares.share`.
        pin: copy batches into page-locked memory, from which a GPU fetches them while it computes.
    """

    corpus: Corpus
    plan: BatchPlan
    pad: int
    start: int = 0
    tokens: int | None = None
    rank: int = 0
    ranks: int = 1
    pin: bool = False

    def __len__(self) -> int:
        """Steps of the whole plan."""
        return len(self.plan)

    def __iter__(self) -> Iterator[list[Batch]]:
        return ahead(self._steps())

    def _steps(self) -> Iterator[list[Batch]]:
        collate, lengths, width = Collator(self.corpus, self.pad), self.corpus.lengths, self.plan.width
        for step in range(self.start, len(self.plan)):
            lines = self.plan.lines_of(step)
            sizes = [width or int(lengths[line[0]]) for line in lines]
            passes = [
                collate.fill(part, width) if part else collate.untaught(int(self.plan[step][0]), width)
                for part in share(lines, sizes, self.tokens, self.rank, self.ranks)
            ]
            yield [{k: v.pin_memory() for k, v in one.items()} for one in passes] if self.pin else passes


def ahead(items: Iterator[T], depth: int = 2) -> Iterator[T]:
    """The items of an iterator, up to `depth` of them made in advance by a thread. Its exceptions are raised here."""
    made: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> None:
        waiting = True
        while waiting and not stop.is_set():
            with suppress(queue.Full):
                made.put(entry, timeout=0.1)
                waiting = False

    def work() -> None:
        try:
            for item in items:
                put((True, item))
                if stop.is_set():
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    threading.Thread(target=work, daemon=True, name="training-feed").start()
    try:
        while True:
            more, item = made.get()
            if more:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]
    finally:
        stop.set()


def predicted(corpus: Corpus) -> Indices:
    """Supervised tokens per row that a token before them foretells: all but a row's first. Shape (n_rows,)."""
    return corpus.supervised - corpus.mask[corpus.offsets[:-1]]


def validation_loss(
    model: PreTrainedModel, corpus: Corpus, tokens: int, pad: int
) -> tuple[dict[str, float], float]:
    """Mean loss per supervised token (nats) of each task, and the mean of these over the tasks.

    The mean over tasks, since a token mean would be the loss of the task with the longest answers.
    """
    collate, device = Collator(corpus, pad), model.device
    names = [task.name for task in corpus.manifest.tasks]
    loss, count = np.zeros(len(names)), np.zeros(len(names))
    plan, training = plan_in_order(corpus.lengths, tokens), model.training
    model.eval()
    with torch.no_grad():
        for i in range(len(plan)):
            batch = {name: tensor.to(device) for name, tensor in collate(plan[i]).items()}
            task = corpus.tasks[plan[i]]
            np.add.at(loss, task, _row_losses(model, batch).double().cpu().numpy())
            np.add.at(count, task, (batch["labels"][:, 1:] != IGNORED).sum(1).cpu().numpy())
    model.train(training)
    by_task = {name: float(loss[i] / count[i]) for i, name in enumerate(names) if count[i]}
    return by_task, float(np.mean(list(by_task.values())))


def _row_losses(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Summed loss of each row, in nats, of any causal model; ours computes the output layer where it is asked for."""
    output = model(**batch)
    losses = getattr(output, "token_losses", None)
    if losses is None:
        labels = batch["labels"][:, 1:]
        losses = torch.nn.functional.cross_entropy(
            output.logits[:, :-1].float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
    return losses.sum(1)
