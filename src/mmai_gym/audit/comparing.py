"""The audit itself: read every set once, then compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rdkit import rdBase

from mmai_gym import lineage, tasks
from mmai_gym.audit.content import Content, content
from mmai_gym.audit.findings import Audit, Conflict, Held, Overlap, ReactionOverlap, Taught
from mmai_gym.audit.keys import dataset_of
from mmai_gym.audit.ledger import Ledger, Rows
from mmai_gym.audit.neighbours import Neighbours, neighbours
from mmai_gym.contracts import (
    SPLITS,
    Choice,
    Count,
    DataError,
    Example,
    Molecule,
    Number,
    Progress,
    Question,
    answer_form,
)
from mmai_gym.sources import embedded
from mmai_gym.tasks import BaseTask

LISTS: Mapping[str, tuple[str, Callable[[], Sequence[str]]]] = {
    "embedded/conformers": ("embedded", lambda: [ligand.smiles for ligand in embedded.conformers()]),
}
"""Molecules that training may use although no task asks about them, by name: their data set, and how to read them."""


def audit(names: Sequence[str], progress: Progress, lists: Sequence[str] = tuple(LISTS)) -> Audit:
    """Compare the test split of every task with all tasks and lists.

    Tasks whose data are absent are left out and named in `missing`.

    Raises:
        UsageError: unknown task.
        DataError: the data of all tasks are missing.
    """
    survey = _Survey()
    # One data set after the other, since those of one set share molecules.
    chosen = sorted((tasks.get(name) for name in names), key=lambda task: task.sources)
    for done, task in enumerate(chosen):
        progress(done, len(chosen), f"audit · {task.name}")
        try:
            survey.take(task)
        except DataError as error:
            survey.missing[task.name] = str(error)
    progress(len(chosen), len(chosen), "audit")
    tested = [name for name in names if name in survey.ledger.holdings]
    if not tested:
        raise DataError(f"none of the {len(names)} tasks can be read; the first: {survey.missing[chosen[0].name]}")
    for name in lists:
        dataset, read = LISTS[name]
        try:
            survey.ledger.enter(name, dataset, {"train": [Content((smiles,)) for smiles in read()]})
        except DataError as error:
            survey.missing[name] = str(error)
    return survey.findings(tested)


@dataclass
class _Survey:
    """What has been read so far: numbers and summaries, no data set."""

    ledger: Ledger = field(default_factory=Ledger)
    conflicts: list[Conflict] = field(default_factory=list)
    neighbours: list[Neighbours] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    _measured: dict[tuple[int, int], Neighbours | None] = field(default_factory=dict)

    def take(self, task: BaseTask) -> None:
        contents: dict[str, list[Content]] = {}
        answers = _Answers()
        for split in SPLITS:
            contents[split] = []
            for example in task.examples(split):
                contents[split].append(content(task, example))
                answers.note(task, example)
        self.ledger.enter(task.name, dataset_of(task), contents)
        conflict = answers.conflict(task.name, contents, self.ledger.holdings[task.name].splits)
        if conflict.molecules:
            self.conflicts.append(conflict)
        near = self._near(task.name, *(_distinct(contents[split]) for split in ("train", "test")))
        if near is not None:
            self.neighbours.append(near)

    def _near(self, task: str, train: tuple[str, ...], test: tuple[str, ...]) -> Neighbours | None:
        """Neighbours, measured once for all tasks about the same molecules."""
        key = hash(train), hash(test)
        if key not in self._measured:
            self._measured[key] = neighbours(task, train, test)
        found = self._measured[key]
        return None if found is None else replace(found, task=task)

    def findings(self, tested: Sequence[str]) -> Audit:
        ledger = self.ledger
        by_dataset: dict[str, list[str]] = defaultdict(list)
        for holding in ledger.holdings.values():
            by_dataset[holding.dataset].append(holding.name)
        held = tuple(
            Held(
                holding.name,
                holding.dataset,
                {split: len(rows) for split, rows in holding.splits.items()},
                sum(rows.unparsable for rows in holding.splits.values()),
            )
            for holding in ledger.holdings.values()
        )
        return Audit(
            rdBase.rdkitVersion,
            held,
            tuple(_overlaps(ledger, tested, {name: [name] for name in ledger.holdings}, own=True)),
            tuple(_overlaps(ledger, tested, by_dataset, own=False)),
            tuple(_reaction_overlaps(ledger, tested)),
            tuple(self.conflicts),
            tuple(self.neighbours),
            tuple(_lineage(tested)),
            self.missing,
        )


def _distinct(contents: Sequence[Content]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(smiles for content in contents for smiles in content.molecules))


def _overlaps(
    ledger: Ledger, tested: Sequence[str], groups: Mapping[str, list[str]], *, own: bool
) -> Iterator[Overlap]:
    """Every test set against every group of sources, where they share something."""
    for test in tested:
        n_test = len(ledger.holdings[test].splits["test"])
        for group, members in groups.items():
            sources = [name for name in members if own or name != test]
            train, both = (ledger.shared(test, sources, part) for part in ("train", "train+valid"))
            # A set's own test rows are in all of it.
            whole = both if sources == [test] else ledger.shared(test, sources, "whole")
            if whole:
                yield Overlap(test, group, train, both, whole, n_test)


def _reaction_overlaps(ledger: Ledger, tested: Sequence[str]) -> Iterator[ReactionOverlap]:
    sources = [holding.name for holding in ledger.holdings.values() if holding.has_reactions]
    for test in (name for name in tested if name in sources):
        for source in sources:
            train = ledger.shared_reactions(test, source, "train")
            whole = (0, 0) if source == test else ledger.shared_reactions(test, source, "whole")
            if any(train) or any(whole):
                yield ReactionOverlap(test, source, *train, *whole, len(ledger.holdings[test].splits["test"]))


def _lineage(tested: Sequence[str]) -> Iterator[Taught]:
    for entry in lineage.TEACHERS:
        used_by = tuple(name for name in tested if entry in lineage.teachers_of(name))
        has_seen = tuple(name for name in tested if any(lineage.below(name, prefix) for prefix in entry.saw))
        if used_by or has_seen:
            yield Taught(entry.name, entry.trained_on, used_by, has_seen)


# --------------------------------------------------------------------------------------------------- answers


class _Answers:
    """The answers of one task, to find those that contradict each other. A structure may have many right answers."""

    def __init__(self) -> None:
        self._asked: list[tuple[Hashable, str] | None] = []

    def note(self, task: BaseTask, example: Example) -> None:
        question = task.question(example)
        comparable = isinstance(answer_form(question), Choice | Count | Number)
        self._asked.append((_request(question), task.answer(example) or "") if comparable else None)

    def conflict(
        self, task: str, contents: Mapping[str, Sequence[Content]], splits: Mapping[str, Rows]
    ) -> Conflict:
        by_skeleton: dict[Hashable, list[tuple[bool, str]]] = defaultdict(list)
        by_text: dict[Hashable, set[str]] = defaultdict(set)
        asked = iter(self._asked)
        for split, rows in contents.items():
            for skeletons, row, entry in zip(_by_row(splits[split]), rows, asked, strict=False):
                if entry is not None and skeletons:
                    request, answer = entry
                    by_skeleton[request, skeletons, row.proteins].append((split == "test", answer))
                    by_text[request, row.molecules, row.proteins].add(answer)
        differing = [given for given in by_skeleton.values() if len({answer for _, answer in given}) > 1]
        return Conflict(
            task,
            len(differing),
            sum(len(answers) > 1 for answers in by_text.values()),
            sum(map(_across, differing)),
            max((spread for given in differing if (spread := _spread(given)) is not None), default=None),
        )


def _request(question: Question) -> Hashable:
    return tuple(span for span in question if not isinstance(span, Molecule))


def _by_row(rows: Rows) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()] * len(rows)
    for skeleton, owner in zip(rows.ids.tolist(), rows.owners.tolist(), strict=True):
        found[owner] += (skeleton,)
    return found


def _across(given: Iterable[tuple[bool, str]]) -> bool:
    """Whether a test answer differs from an answer elsewhere."""
    test, rest = ({answer for tested, answer in given if tested is part} for part in (True, False))
    return any(mine != theirs for mine in test for theirs in rest)


def _spread(given: Iterable[tuple[bool, str]]) -> float | None:
    try:
        values = [float(answer) for _, answer in given]
    except ValueError:
        return None
    return max(values) - min(values)
