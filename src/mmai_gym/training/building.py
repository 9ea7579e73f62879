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
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from mmai_gym import lineage
from mmai_gym.audit import Exclusions, Guard
from mmai_gym.contracts import DataError, Example, Progress, Question, Split, UsageError, item_seed
from mmai_gym.lfm.dialect import COMPACT, Dialect, Turn
from mmai_gym.records import library_versions
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.rendering import compact_apart, compact_molecules, compact_shared, template_hash
from mmai_gym.training.choosing import choose
from mmai_gym.training.corpus import DTYPES, FORMAT_VERSION, MANIFEST, Corpus, FileCheck, Manifest, TaskCount
from mmai_gym.training.recipe import Portion, Recipe, Stage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

T = TypeVar("T")

_CHUNK = 1024  # rows tokenised and written at once
_REQUEST = 16  # tokens of a request, its answer and their tags, at most; a letter of a SMILES or a sequence is one at most


def build(
    recipe: Recipe,
    stage: Stage,
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    progress: Progress,
    dialect: Dialect = COMPACT,
) -> tuple[Corpus, Corpus]:
    """The corpora `folder/train` and `folder/valid` of a stage; one that is there already is checked and used.

    Training rows carry `views` written forms of each example, validation rows one, of at most `validate_rows`
    examples per task. A task without a validation split gives none.

    Args:
        dialect: how the model reads questions and writes answers; `tokenizer` is the one that it was made for.

    Raises:
        DataError: a task has no usable training row or lacks what training on it needs, a row is wrong, the file of a test
            set to be excluded is missing, or the corpus that is there is damaged or was made from something else.
        UsageError: the mixture names an unknown task, a label comes from a teacher that has seen the test sets, or the
            vocabulary does not fit into 16 bits.
    """
    _check_ids(tokenizer)
    # Of all stages, before the first hour of work and not after it.
    for task in recipe.tasks():
        task.check_training("train")
    portions = stage.portions()
    # Of all stages: what one of them taught is in the weights that the next one trains.
    lineage.check({teacher for task in recipe.tasks() for teacher in task.teachers}, recipe.tests())
    exclusions = Exclusions(recipe.tests(), recipe.exclude.rules, strict=recipe.exclude.strict)
    guards = {task.name: guard for task, _ in portions if (guard := exclusions.guard(task, progress)) is not None}
    validation = [(task, Portion(limit=recipe.schedule.validate_rows)) for task, _ in portions]
    plans = (
        _Plan.of(recipe, "train", portions, tokenizer, dialect, guards, exclusions.describe(), stage.language),
        _Plan.of(recipe, "valid", validation, tokenizer, dialect, guards, exclusions.describe()),
    )
    train, valid = (_build_split(plan, folder / plan.split, tokenizer, progress) for plan in plans)
    return train, valid


def _check_ids(tokenizer: PreTrainedTokenizerFast) -> None:
    """Raises UsageError where an id does not fit into the 16 bits of the corpus format."""
    largest = max(tokenizer.get_vocab().values())
    if largest >= 1 << 16:
        raise UsageError(
            f"a corpus stores token ids of 16 bits, up to 65535; this tokenizer has {len(tokenizer)} tokens with ids up to "
            f"{largest}; use a model with a vocabulary of at most 65,536 tokens, as LFM2 has"
        )


def tokenizer_hash(tokenizer: PreTrainedTokenizerFast) -> str:
    """Twelve hex digits of the tokenizer's own file."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes into one corpus."""

    split: Split
    seed: int
    max_length: int
    language: bool
    dialect: Dialect
    portions: Sequence[tuple[BaseTask, Portion]]
    guards: Mapping[str, Guard]
    made_from: dict[str, Any]

    @staticmethod
    def of(
        recipe: Recipe,
        split: Split,
        portions: Sequence[tuple[BaseTask, Portion]],
        tokenizer: PreTrainedTokenizerFast,
        dialect: Dialect,
        guards: Mapping[str, Guard],
        exclusions: Mapping[str, Any],
        language: bool = False,
    ) -> _Plan:
        made_from = {
            "seed": recipe.seed,
            "max_length": recipe.batch.max_length,
            "language": language,
            "tasks": {task.name: task.version for task, _ in portions},
            "mixture": {task.name: portion.model_dump() for task, portion in portions},
            "tokenizer": tokenizer_hash(tokenizer),
            "template": template_hash(),
        }
        if described := dialect.describe():
            made_from["dialect"] = described
        written = {task.name: dict(way) for task, _ in portions if (way := task.written_with(split))}
        if written:
            made_from["written_with"] = written
        if exclusions:
            made_from["exclusions"] = exclusions
        return _Plan(split, recipe.seed, recipe.batch.max_length, language, dialect, portions, guards, made_from)


def _build_split(plan: _Plan, folder: Path, tokenizer: PreTrainedTokenizerFast, progress: Progress) -> Corpus:
    if folder.exists():
        return _reopen(plan, folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with _Writer(partial) as writer:
        counts, excluded = _write_rows(plan, writer, tokenizer, progress)
        files = writer.finish()
    manifest = Manifest(
        version=FORMAT_VERSION,
        split=plan.split,
        made_from=plan.made_from | ({"excluded": excluded} if plan.guards else {}),
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


class _Asked(NamedTuple):
    """One question of a row: the task's place in the plan, the id of the example, and the texts."""

    task: int
    example: str
    turn: Turn


def _write_rows(
    plan: _Plan, writer: _Writer, tokenizer: PreTrainedTokenizerFast, progress: Progress
) -> tuple[list[TaskCount], dict[str, Any]]:
    """Write the rows of every task; what each gave, and what the exclusions left out of it."""
    counts = [TaskCount(name=task.name, version=task.version) for task, _ in plan.portions]
    excluded: dict[str, Any] = {}
    sources: list[_Source] = []
    for number, (task, portion) in enumerate(plan.portions):
        progress(number, len(plan.portions), f"{plan.split} rows · {task.name}")
        chosen = choose(task, plan.split, portion.limit, plan.seed, plan.guards.get(task.name))
        sources.append((task, portion, chosen.positions))
        if chosen.against:
            excluded[task.name] = chosen.excluded()
    progress(len(plan.portions), len(plan.portions), f"{plan.split} rows")
    total = sum(len(positions) * portion.views for _, portion, positions in sources)
    done = 0
    rows = _rows(plan, sources)
    while chunk := list(islice(rows, _CHUNK)):
        progress(done, total, f"{plan.split} corpus · {counts[chunk[0][0].task].name}")
        _write_chunk(chunk, counts, plan, writer, tokenizer)
        done += sum(map(len, chunk))
    if plan.split == "train":
        _require_rows(counts, excluded, plan.max_length)
    progress(total, total, f"{plan.split} corpus")
    return counts, excluded


def _require_rows(counts: Sequence[TaskCount], excluded: Mapping[str, Any], max_length: int) -> None:
    """Raises DataError naming a task that gives no training row, and why."""
    for count in counts:
        if count.questions:
            continue
        why = "its training split is empty; take it out of the mixture"
        if count.too_long:
            why = f"all {count.too_long} rows are longer than {max_length} tokens; raise max_length"
        elif count.name in excluded:
            n = excluded[count.name]["examples"]
            why = f"all {n} examples are excluded as test molecules; take it out of the mixture"
        raise DataError(f"{count.name} has no training rows: {why}")


_Source = tuple[BaseTask, Portion, Sequence[int]]


def _rows(plan: _Plan, sources: Sequence[_Source]) -> Iterator[list[_Asked]]:
    """Every written form of every chosen example: alone, or with the other questions about its molecules."""
    for index, (task, portion, positions) in enumerate(sources):
        if not portion.shared:
            # Asked for once: some tasks go over all their rows to give this sequence.
            examples = task.examples(plan.split)
            for position in positions:
                for view in range(portion.views):
                    seed = item_seed(task.name, task.version, f"{plan.split}/view-{view}", plan.seed, position)
                    example, question, answer = _written(plan, task, examples[position], seed if view else None)
                    (turn,) = plan.dialect.turns([(question, answer)])
                    yield [_Asked(index, example.id, turn)]
    yield from _shared_rows(plan, sources)


def _shared_rows(plan: _Plan, sources: Sequence[_Source]) -> Iterator[list[_Asked]]:
    """Rows that ask all shared questions about the same molecules, or about one protein and many molecules, in an order
    drawn for each row.

    Members of a group are rewritten with one seed, so that they stay about the same text; where a task rewrites in a way
    of its own, its questions form rows of their own.
    """
    groups: dict[str, list[tuple[int, int]]] = {}
    examples = {i: task.examples(plan.split) for i, (task, portion, _) in enumerate(sources) if portion.shared}
    for index, found in examples.items():
        task, _, positions = sources[index]
        for position in positions:
            shared = compact_shared(plan.dialect.posed(task.question(found[position])))
            groups.setdefault(shared, []).append((index, position))
    for opening, members in groups.items():
        for view in range(max(sources[index][1].views for index, _ in members)):
            seed = item_seed(opening, "", f"{plan.split}/view-{view}", plan.seed, 0)
            rows: dict[str, list[_Posed]] = {}
            for index, position in random.Random(seed).sample(members, len(members)):
                task, portion, _ = sources[index]
                if view < portion.views:
                    posed = _Posed(index, *_written(plan, task, examples[index][position], seed if view else None))
                    rows.setdefault(compact_shared(posed.question), []).append(posed)
            for row in (some for all_ in rows.values() for some in _row_by_row(plan, all_)):
                turns = plan.dialect.turns([(posed.question, posed.answer) for posed in row])
                yield [_Asked(posed.task, posed.example.id, turn) for posed, turn in zip(row, turns, strict=True)]


class _Posed(NamedTuple):
    """A question that is to share a row."""

    task: int
    example: Example
    question: Question
    answer: str


def _row_by_row(plan: _Plan, posed: list[_Posed]) -> Iterator[list[_Posed]]:
    """Questions that share what they begin with, as many to a row as there may be."""
    if not compact_apart(posed[0].question):
        yield from _chunked(posed, plan.dialect.turns_per_row)
        return
    shared = compact_shared(posed[0].question)
    row: list[_Posed] = []
    used = len(shared)
    for one in posed:
        size = len(compact_molecules(one.question).removeprefix(shared)) + _REQUEST
        if row and (len(row) == plan.dialect.branches_per_row or used + size > plan.max_length):
            yield row
            row, used = [], len(shared)
        row.append(one)
        used += size
    yield row


def _chunked(turns: list[T], size: int) -> Iterator[list[T]]:
    return (turns[start : start + size] for start in range(0, len(turns), size))


def _written(plan: _Plan, task: BaseTask, example: Example, seed: int | None) -> tuple[Example, Question, str]:
    """An example, rewritten by `seed` if one is given, with its question as it is posed and its answer."""
    if seed is not None:
        example = task.augment(example, seed)
    answer = task.answer(example)
    if answer is None or not answer.strip():
        raise DataError(f"{task.name}: example {example.id} has no answer; a row without one teaches silence")
    return example, plan.dialect.posed(task.question(example)), answer


def _write_chunk(
    chunk: Sequence[list[_Asked]],
    counts: Sequence[TaskCount],
    plan: _Plan,
    writer: _Writer,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    language = plan.language
    # The texts of every question, one after the other, each with whether its tokens are supervised.
    parts = [
        [
            (asked.turn.opening, False),
            (asked.turn.shown, language),
            (asked.turn.asked, False),
            *((text, True) for text in asked.turn.written),
        ]
        for row in chunk
        for asked in row
    ]
    encoded = iter(_encode(tokenizer, [text for part in parts for text, _ in part]))
    pieces = ([(next(encoded), supervised) for _, supervised in part] for part in parts)
    for row in chunk:
        asked_pieces = list(islice(pieces, len(row)))
        for asked, part in zip(row, asked_pieces, strict=True):
            if not any(ids and supervised for ids, supervised in part[3:]):
                raise DataError(
                    f"{counts[asked.task].name}: the row of example {asked.example} has no supervised token; "
                    "check the task's answer and its rendering"
                )
        if sum(len(ids) for part in asked_pieces for ids, _ in part) > plan.max_length:
            for asked in row:
                counts[asked.task].too_long += 1
            continue
        writer.add([piece for part in asked_pieces for piece in part], row[0].task)
        counts[row[0].task].rows += 1
        for asked, part in zip(row, asked_pieces, strict=True):
            count = counts[asked.task]
            count.questions += 1
            count.tokens += sum(len(ids) for ids, _ in part)
            count.supervised_tokens += sum(len(ids) for ids, supervised in part if supervised)
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

    def add(self, pieces: Sequence[tuple[list[int], bool]], task_index: int) -> None:
        """Append a row made of pieces, each with whether it is supervised."""
        for ids, supervised in pieces:
            self._end += len(ids)
            self._pending["tokens.bin"] += ids
            self._pending["mask.bin"] += [int(supervised)] * len(ids)
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
