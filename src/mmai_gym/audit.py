"""Contamination: does a training split know the test molecules?

Molecules are compared by connectivity (the first block of the InChIKey), which sees through stereo and spelling
but not through tautomers. For each pair of tasks the audit counts test molecules that occur in the other task's training
split; inside one task it counts repeated molecules with different labels. It reports; what is allowed is the caller's
decision and belongs beside the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from mmai_gym import tasks
from mmai_gym.contracts import Example, InvalidMolecule, Molecule, Progress, answer_form
from mmai_gym.molecules import connectivity
from mmai_gym.tasks import BaseTask


@dataclass(frozen=True, slots=True)
class Overlap:
    """Test examples of `test_task` that share a molecule with the training split of `train_task`."""

    test_task: str
    train_task: str
    shared: int
    n_test: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Molecules that occur several times in one split of a task with different gold answers."""

    task: str
    split: str
    molecules: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found; `unparsable` counts molecules that could not be compared."""

    overlaps: tuple[Overlap, ...]
    conflicts: tuple[Conflict, ...]
    unparsable: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def table(self) -> Table:
        """Overlaps and conflicts that are not zero."""
        table = Table("finding", "where", "count", box=None)
        for overlap in self.overlaps:
            if overlap.shared:
                where = f"{overlap.test_task} test in {overlap.train_task} train"
                table.add_row("overlap", where, f"{overlap.shared} of {overlap.n_test}")
        for conflict in self.conflicts:
            if conflict.molecules:
                table.add_row("conflicting labels", f"{conflict.task} {conflict.split}", str(conflict.molecules))
        if not table.rows:
            table.add_row("none", "", "0")
        if self.unparsable:
            table.add_row("not compared", "unparsable molecules", str(self.unparsable))
        return table


def audit(names: Sequence[str], progress: Progress) -> Audit:
    """Compare the test split of every task with the training split of every task.

    Raises:
        DataError: a data file is missing.
    """
    chosen = [tasks.get(name) for name in names]
    keys: dict[str, str | None] = {}
    blocks: dict[tuple[str, str], list[frozenset[str]]] = {}
    conflicts: list[Conflict] = []
    for done, task in enumerate(chosen):
        progress(done, len(chosen), f"audit · {task.name}")
        for split in ("train", "test"):
            examples = task.examples(split)
            blocks[task.name, split] = [_blocks(task, example, keys) for example in examples]
            conflicts.append(Conflict(task.name, split, _conflicts(task, examples, blocks[task.name, split])))
    progress(len(chosen), len(chosen), "audit")
    overlaps: list[Overlap] = []
    for train_task in chosen:
        known = frozenset().union(*blocks[train_task.name, "train"])
        for test_task in chosen:
            tested = blocks[test_task.name, "test"]
            shared = sum(bool(molecules & known) for molecules in tested)
            overlaps.append(Overlap(test_task.name, train_task.name, shared, len(tested)))
    return Audit(tuple(overlaps), tuple(conflicts), sum(key is None for key in keys.values()))


def _blocks(task: BaseTask, example: Example, keys: dict[str, str | None]) -> frozenset[str]:
    """Connectivity of the molecules that a question shows."""
    found: set[str] = set()
    for smiles in _molecules(task, example):
        if smiles not in keys:
            try:
                keys[smiles] = connectivity(smiles)
            except InvalidMolecule:
                keys[smiles] = None
        block = keys[smiles]
        if block is not None:
            found.add(block)
    return frozenset(found)


def _molecules(task: BaseTask, example: Example) -> Iterator[str]:
    return (span.text for span in task.question(example) if isinstance(span, Molecule))


def _conflicts(task: BaseTask, examples: Sequence[Example], blocks: Sequence[frozenset[str]]) -> int:
    """Questions asked twice about the same molecules with different answers; structures may have many answers."""
    answers: dict[tuple[Any, ...], set[str]] = {}
    for example, molecules in zip(examples, blocks, strict=True):
        question = task.question(example)
        form = type(answer_form(question)).__name__
        if form in ("Structure", "Indices") or not molecules:
            continue
        asked = tuple(span for span in question if not isinstance(span, Molecule))
        answers.setdefault((asked, molecules), set()).add(task.answer(example))
    return sum(len(given) > 1 for given in answers.values())
