"""The frozen corpus: what a stage learns from, as four flat files and a manifest (format version 1).

Tokenising is done once and apart from training, so that the bytes a model saw can be named by a checksum, read
by any tool with `numpy.memmap`, and used again. The two mistakes that ruin a run silently are caught here, per
row: a row in which nothing is supervised (the loss is then nan or zero) is an error that names the example, and
a row longer than the limit is left out and counted, never cut, since a cut row teaches an answer without its
question or its end.

    tokens.bin    uint16  token ids of all rows, one after the other
    mask.bin      uint8   1 where the token is supervised, same length
    offsets.bin   int64   row i is tokens[offsets[i]:offsets[i + 1]]; n_rows + 1 numbers
    tasks.bin     uint16  per row, the index of its task in the manifest
    corpus.json           what the rows were made from, counts per task, size and sha256 of each file

Numbers are little-endian. A corpus is built in a hidden folder beside its place and renamed when it is
complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from mmai_gym.contracts import DataError, Example, Progress, Split, UsageError, item_seed
from mmai_gym.records import file_sha256, library_versions
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.rendering import compact_row, template_hash
from mmai_gym.training.recipe import Portion, Recipe, Stage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FORMAT_VERSION = 1
MANIFEST = "corpus.json"
DTYPES = {"tokens.bin": "<u2", "mask.bin": "u1", "offsets.bin": "<i8", "tasks.bin": "<u2"}
_CHUNK = 1024  # rows tokenised and written at once


class TaskCount(BaseModel):
    """What one task gave to a corpus."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str
    rows: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    too_long: int = 0
    """Rows left out because they have more than `max_length` tokens."""


class FileCheck(BaseModel):
    """Size in bytes and sha256 of one file."""

    model_config = ConfigDict(extra="forbid")

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """`corpus.json`. `made_from` holds all that decides the bytes: two corpora made from the same are the same."""

    model_config = ConfigDict(extra="forbid")

    version: int
    split: str
    made_from: dict[str, Any]
    libraries: dict[str, str]
    tasks: list[TaskCount]
    files: dict[str, FileCheck]

    @property
    def counts(self) -> dict[str, int]:
        """Rows, tokens, supervised tokens and left-out rows over all tasks."""
        return {
            key: sum(getattr(task, key) for task in self.tasks)
            for key in ("rows", "tokens", "supervised_tokens", "too_long")
        }


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk, memory-mapped. `tokens` and `mask` have shape (n_tokens,), `tasks` (n_rows,)."""

    folder: Path
    manifest: Manifest
    tokens: npt.NDArray[np.uint16]
    mask: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.uint16]

    @staticmethod
    def open(folder: str | Path) -> Corpus:
        """Map the files of a corpus after comparing their sizes with the manifest.

        Raises:
            DataError: no corpus is there, it is of another format version, or a file is missing or cut short.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        for name in DTYPES:
            check, path = manifest.files.get(name), folder / name
            found = path.stat().st_size if path.is_file() else None
            if check is None or found is None:
                raise _damaged(folder, f"{name} is missing")
            if found != check.bytes:
                raise _damaged(folder, f"{name} has {found} bytes instead of {check.bytes}")
        tokens, mask, offsets, tasks = (_map(folder / name, dtype) for name, dtype in DTYPES.items())
        corpus = Corpus(folder, manifest, tokens, mask, offsets, tasks)
        if not len(tokens) == len(mask) == offsets[-1] or len(offsets) != len(tasks) + 1:
            raise _damaged(folder, "its files do not fit together")
        return corpus

    def verify(self) -> None:
        """Compare every file with its sha256. Raises DataError naming the first that differs."""
        for name, check in self.manifest.files.items():
            if file_sha256(self.folder / name) != check.sha256:
                raise _damaged(self.folder, f"{name} does not have the sha256 of its manifest")

    def __len__(self) -> int:
        return len(self.tasks)

    def row(self, index: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """Token ids and loss mask of one row."""
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return self.tokens[part], self.mask[part]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens per row, shape (n_rows,)."""
        return np.diff(self.offsets)

    @property
    def supervised(self) -> npt.NDArray[np.int64]:
        """Supervised tokens per row, shape (n_rows,)."""
        if not len(self):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.mask, self.offsets[:-1], dtype=np.int64)


# --------------------------------------------------------------------------------------------------- building


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


# --------------------------------------------------------------------------------------------------- reading


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{folder} holds no corpus ({MANIFEST} is missing); build it with `mmai-gym data build RECIPE`"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.get("version") if isinstance(data, dict) else None
        if version != FORMAT_VERSION:
            raise DataError(
                f"{folder} has corpus format {version!r}, this gym reads {FORMAT_VERSION}; "
                "delete it and build it again"
            )
        return Manifest.model_validate(data)
    except (ValueError, ValidationError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read ({error})") from error


def _damaged(folder: Path, fault: str) -> DataError:
    return DataError(f"the corpus in {folder} is damaged: {fault}; delete the folder and run the command again")


def _map(path: Path, dtype: str) -> npt.NDArray[Any]:
    # An empty file cannot be mapped.
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)
