"""Building a corpus: examples to rows, rows to the files of `corpus`.

The two mistakes that ruin a run silently are caught here, per row: a row in which nothing is supervised (the loss
is then nan or zero) is an error that names the example, and a row longer than the limit is left out and counted,
never cut, since a cut row teaches an answer without its question or its end. Every choice comes from a hash, rows
are written in chunks, and the folder is built under a hidden name and renamed when it is complete: the same recipe
gives the same bytes, in little memory, wholly or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mmai_gym.contracts import DataError, Example, Progress, Split, UsageError, item_seed
from mmai_gym.records import library_versions
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.rendering import compact_row, template_hash
from mmai_gym.training.corpus import DTYPES, FORMAT_VERSION, MANIFEST, Corpus, FileCheck, Manifest, TaskCount
from mmai_gym.training.recipe import Portion, Recipe, Stage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_CHUNK = 1024  # rows tokenised and written at once


def build(
    recipe: Recipe, stage: Stage, folder: Path, tokenizer: PreTrainedTokenizerFast, progress: Progress
) -> tuple[Corpus, Corpus]:
    """The corpora `folder/train` and `folder/valid` of a stage; one that is there already is checked and used.

    Training rows carry `views` written forms of each example, validation rows one, of at most `validate_rows`
    examples per task. A task without a validation split gives none.

    Raises:
        DataError: a task has no usable training row, a row is wrong, or the corpus that is there is damaged or was
            made from something else.
        UsageError: the mixture names an unknown task, or the vocabulary does not fit into 16 bits.
    """
    if len(tokenizer) > 1 << 16:
        raise UsageError(f"a corpus stores ids of 16 bits, the tokenizer has {len(tokenizer)} tokens")
    portions = stage.portions()
    validation = [(task, Portion(limit=recipe.schedule.validate_rows)) for task, _ in portions]
    train = _build_split(_Plan.of(recipe, "train", portions, tokenizer), folder / "train", tokenizer, progress)
    valid = _build_split(_Plan.of(recipe, "valid", validation, tokenizer), folder / "valid", tokenizer, progress)
    return train, valid


def tokenizer_hash(tokenizer: PreTrainedTokenizerFast) -> str:
    """Twelve hex digits of the tokenizer's own file."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()[:12]


def choose(task: BaseTask, split: Split, n: int, limit: int | None, seed: int) -> list[int]:
    """Ascending positions of at most `limit` of `n` examples; a smaller limit chooses a subset of a larger's."""
    if limit is None or limit >= n:
        return list(range(n))
    return sorted(
        sorted(range(n), key=lambda i: item_seed(task.name, task.version, f"{split}/limit", seed, i))[:limit]
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes into one corpus."""

    split: Split
    seed: int
    max_length: int
    portions: Sequence[tuple[BaseTask, Portion]]
    made_from: dict[str, Any]

    @staticmethod
    def of(
        recipe: Recipe,
        split: Split,
        portions: Sequence[tuple[BaseTask, Portion]],
        tokenizer: PreTrainedTokenizerFast,
    ) -> _Plan:
        made_from = {
            "seed": recipe.seed,
            "max_length": recipe.batch.max_length,
            "tasks": {task.name: task.version for task, _ in portions},
            "mixture": {task.name: portion.model_dump() for task, portion in portions},
            "tokenizer": tokenizer_hash(tokenizer),
            "template": template_hash(),
        }
        return _Plan(split, recipe.seed, recipe.batch.max_length, portions, made_from)


def _build_split(plan: _Plan, folder: Path, tokenizer: PreTrainedTokenizerFast, progress: Progress) -> Corpus:
    if folder.exists():
        return _reopen(plan, folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with _Writer(partial) as writer:
        counts = _write_rows(plan, writer, tokenizer, progress)
        files = writer.finish()
    manifest = Manifest(
        version=FORMAT_VERSION,
        split=plan.split,
        made_from=plan.made_from,
        libraries=library_versions(["mmai-gym", "numpy", "rdkit", "tokenizers"]),
        tasks=counts,
        files=files,
    )
    with (partial / MANIFEST).open("w", encoding="utf-8") as stream:
        stream.write(manifest.model_dump_json(indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(folder)
    return Corpus.open(folder)


def _reopen(plan: _Plan, folder: Path) -> Corpus:
    corpus = Corpus.open(folder)
    corpus.verify()
    there = corpus.manifest.made_from
    differing = [key for key, value in plan.made_from.items() if there.get(key) != value]
    if differing:
        raise DataError(
            f"the corpus in {folder} was made from other {', '.join(differing)} than this recipe and this version "
            "of the gym would use; delete it, or train into another folder"
        )
    return corpus


def _write_rows(
    plan: _Plan, writer: _Writer, tokenizer: PreTrainedTokenizerFast, progress: Progress
) -> list[TaskCount]:
    """Write the rows of every task and say what each gave."""
    sources = [(task, portion, task.examples(plan.split)) for task, portion in plan.portions]
    total = sum(min(len(found), portion.limit or len(found)) * portion.views for _, portion, found in sources)
    done, counts = 0, []
    for index, (task, portion, found) in enumerate(sources):
        count = TaskCount(name=task.name, version=task.version)
        rows = _rows(plan, task, portion, found)
        while chunk := list(islice(rows, _CHUNK)):
            progress(done, total, f"{plan.split} corpus · {task.name}")
            _write_chunk(chunk, index, count, plan.max_length, writer, tokenizer)
            done += len(chunk)
        if plan.split == "train" and not count.rows:
            why = (
                f"all {count.too_long} rows are longer than {plan.max_length} tokens" if count.too_long else "none"
            )
            raise DataError(
                f"{task.name} has no training rows ({why}); take it out of the mixture or raise max_length"
            )
        counts.append(count)
    progress(total, total, f"{plan.split} corpus")
    return counts


def _rows(
    plan: _Plan, task: BaseTask, portion: Portion, found: Sequence[Example]
) -> Iterator[tuple[str, str, str]]:
    """(example id, prompt, target) of every written form of every chosen example."""
    for position in choose(task, plan.split, len(found), portion.limit, plan.seed):
        example = found[position]
        answer = task.answer(example)
        if not answer.strip():
            raise DataError(
                f"{task.name}: example {example.id} has an empty answer; a row without one teaches silence"
            )
        for view in range(portion.views):
            seed = item_seed(task.name, task.version, f"{plan.split}/view-{view}", plan.seed, position)
            written = task.augment(example, seed) if view else example
            yield example.id, *compact_row(task.question(written), task.answer(written))


def _write_chunk(
    chunk: Sequence[tuple[str, str, str]],
    task_index: int,
    count: TaskCount,
    max_length: int,
    writer: _Writer,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    prompts = _encode(tokenizer, [prompt for _, prompt, _ in chunk])
    targets = _encode(tokenizer, [target for _, _, target in chunk])
    for (example_id, _, _), prompt, target in zip(chunk, prompts, targets, strict=True):
        if not target:
            raise DataError(
                f"{count.name}: the row of example {example_id} has no supervised token; "
                "check the task's answer and its rendering"
            )
        length = len(prompt) + len(target)
        if length > max_length:
            count.too_long += 1
            continue
        writer.add(prompt, target, task_index)
        count.rows += 1
        count.tokens += length
        count.supervised_tokens += len(target)
    writer.flush()


def _encode(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


class _Writer:
    """The four files, appended to in order, with their checksums; memory holds one chunk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._end = 0
        self._pending: dict[str, list[int]] = {name: [] for name in DTYPES}
        self._pending["offsets.bin"].append(0)
        self._hashes = {name: hashlib.sha256() for name in DTYPES}
        self._files: dict[str, IO[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> _Writer:
        self._files = {name: self._stack.enter_context((self._folder / name).open("wb")) for name in DTYPES}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, prompt: list[int], target: list[int], task_index: int) -> None:
        self._end += len(prompt) + len(target)
        self._pending["tokens.bin"] += prompt + target
        self._pending["mask.bin"] += [0] * len(prompt) + [1] * len(target)
        self._pending["offsets.bin"].append(self._end)
        self._pending["tasks.bin"].append(task_index)

    def flush(self) -> None:
        for name, dtype in DTYPES.items():
            data = np.asarray(self._pending[name], dtype).tobytes()
            self._files[name].write(data)
            self._hashes[name].update(data)
            self._pending[name].clear()

    def finish(self) -> dict[str, FileCheck]:
        """Bring everything to the disk and give each file's size and checksum."""
        self.flush()
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        return {
            name: FileCheck(bytes=file.tell(), sha256=self._hashes[name].hexdigest())
            for name, file in self._files.items()
        }
