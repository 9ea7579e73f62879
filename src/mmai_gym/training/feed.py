"""What a model is fed: planned batches as tensors, and the loss on validation rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel

from mmai_gym.training.batches import BatchPlan, plan_in_order
from mmai_gym.training.corpus import Corpus

IGNORED = -100
"""The label that transformers' losses leave out."""

Batch = dict[str, torch.Tensor]


class Rows(Dataset[int]):
    """The rows of a corpus as the numbers that `Collator` reads them by: copying happens once, into the batch."""

    def __init__(self, corpus: Corpus) -> None:
        self._n = len(corpus)

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> int:
        return int(index)


class Collator:
    """Rows to `input_ids` and `labels`, int64 of shape (rows, longest row), padded on the right with `pad`."""

    def __init__(self, corpus: Corpus, pad: int) -> None:
        self._corpus = corpus
        self._pad = pad

    def __call__(self, indices: Iterable[int]) -> Batch:
        rows = [self._corpus.row(index) for index in indices]
        shape = (len(rows), max(len(tokens) for tokens, _ in rows))
        ids, labels = np.full(shape, self._pad, np.int64), np.full(shape, IGNORED, np.int64)
        for i, (tokens, mask) in enumerate(rows):
            ids[i, : len(tokens)] = tokens
            supervised = np.flatnonzero(mask)
            labels[i, supervised] = tokens[supervised]
        return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}


class PlannedBatches:
    """A batch sampler that hands out the plan."""

    batch_size = 1
    drop_last = False

    def __init__(self, plan: BatchPlan) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Iterator[list[int]]:
        return (self._plan[i].tolist() for i in range(len(self._plan)))


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
            batch = collate(plan[i])
            labels = batch["labels"][:, 1:].to(device)
            logits = model(input_ids=batch["input_ids"].to(device), use_cache=False).logits[:, :-1].float()
            per_token = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
            )
            task = corpus.tasks[plan[i]]
            np.add.at(loss, task, per_token.sum(1).double().cpu().numpy())
            np.add.at(count, task, (labels != IGNORED).sum(1).cpu().numpy())
    model.train(training)
    by_task = {name: float(loss[i] / count[i]) for i, name in enumerate(names) if count[i]}
    return by_task, float(np.mean(list(by_task.values())))
