"""The audit itself: read every set once, then compare."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice

from rdkit import rdBase

from mmai_gym import lineage, tasks
from mmai_gym.audit.conflicts import Conflict, conflict
from mmai_gym.audit.findings import Audit, Held, Overlap, ReactionOverlap, Taught
from mmai_gym.audit.keys import dataset_name
from mmai_gym.audit.ledger import PARTS, Holding, Ledger
from mmai_gym.audit.lists import LISTS, pool
from mmai_gym.audit.neighbours import Neighbours, neighbours
from mmai_gym.audit.reading import Row, read
from mmai_gym.contracts import DataError, Progress, Split, UsageError


def audit(tests: Sequence[str], against: Sequence[str], progress: Progress) -> Audit:
    """Compare test sets with each other's training parts and with other sources.

    Tasks and lists whose data are absent are left out and named in `missing`.

    Args:
        tests: names or prefixes of tasks, and of lists that tasks draw test questions from.
        against: names or prefixes of further tasks and of lists.

    Raises:
        UsageError: a name that matches nothing.
        DataError: the data of all tests are missing.
    """
    tested = list(dict.fromkeys(name for prefix in tests for name in _match(prefix) if _has_test(name)))
    if not tested:
        raise UsageError(
            f"nothing to test in {', '.join(tests)}: all of it counts as training; name tasks, or a list that they draw from"
        )
    others = {name for prefix in against for name in _match(prefix)} - set(tested)
    survey = _Survey(frozenset(tested))
    with _no_search_for_garbage():
        survey.read(tested, progress)
        held = [name for name in tested if name in survey.ledger.holdings]
        if not held:
            raise DataError(
                f"none of the {len(tested)} test sets can be read; the first: {survey.missing[tested[0]]}"
            )
        survey.read(others, progress)
        return survey.findings(held)


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Millions of small tuples in no cycle: to look for cycles among them again and again takes time and finds none."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


def everything() -> list[str]:
    """The names of all lists, and of all tasks but those that draw from one of them.

    A dozen tasks may draw from one list, each asking what has to be computed first; their molecules are those of the list.
    """
    return [*(name for name in tasks.names() if pool(tasks.get(name)) is None), *LISTS]


def _has_test(name: str) -> bool:
    return name not in LISTS or LISTS[name].has_test


def _dataset(name: str) -> str:
    return LISTS[name].dataset if name in LISTS else dataset_name(tasks.get(name))


def _match(prefix: str) -> list[str]:
    lists = [name for name in LISTS if lineage.below(name, prefix)]
    try:
        return lists + tasks.match(prefix)
    except UsageError:
        if not lists:
            raise
        return lists


# --------------------------------------------------------------------------------------------------- reading


@dataclass
class _Survey:
    """What has been read so far: numbers and summaries, no data set."""

    tests: frozenset[str]
    ledger: Ledger = field(default_factory=Ledger)
    conflicts: list[Conflict] = field(default_factory=list)
    neighbours: list[Neighbours] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def read(self, names: Iterable[str], progress: Progress) -> None:
        """Read tasks and lists, one data set after the other, since those of one set share molecules."""
        order = sorted(names, key=lambda name: (_dataset(name), name))
        asked = read([name for name in order if name not in LISTS])
        # Lists are read here, while workers have begun on the tasks that follow the first one.
        for done, (name, found) in enumerate(chain(islice(asked, 1), _lists(order), asked)):
            progress(done, len(order), f"audit · {name}")
            if isinstance(found, DataError):
                self.missing[name] = str(found)
            else:
                self._enter(name, found)
        progress(len(order), len(order), "audit")

    def _enter(self, name: str, rows: Mapping[Split, Sequence[Row]]) -> None:
        """Take a source down; of a test set also what it says about itself."""
        holding = self.ledger.enter(name, _dataset(name), rows)
        if name in self.tests:
            skeletons = {split: part.skeletons() for split, part in holding.splits.items()}
            near = neighbours(name, _distinct(rows["train"]), _distinct(rows["test"]))
            self.conflicts += filter(None, [conflict(name, rows, skeletons)])
            self.neighbours += filter(None, [near])

    def findings(self, tested: Sequence[str]) -> Audit:
        """The comparison of all that was read."""
        holdings = self.ledger.holdings
        by_dataset: dict[str, list[str]] = defaultdict(list)
        for holding in holdings.values():
            by_dataset[holding.dataset].append(holding.name)
        return Audit(
            rdBase.rdkitVersion,
            tuple(map(_held, holdings.values())),
            tuple(_by_task(self.ledger, tested)),
            tuple(_by_dataset(self.ledger, tested, by_dataset)),
            tuple(_reaction_overlaps(self.ledger, tested)),
            tuple(self.conflicts),
            tuple(self.neighbours),
            tuple(_lineage(holdings)),
            self.missing,
        )


def _lists(names: Iterable[str]) -> Iterator[tuple[str, Mapping[Split, Sequence[Row]] | DataError]]:
    """As `read`, for lists."""
    for name in names:
        if name in LISTS:
            try:
                yield name, {split: list(map(Row.of, part)) for split, part in LISTS[name].read().items()}
            except DataError as error:
                yield name, error


def _distinct(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(smiles for row in rows for smiles in row.molecules))


# --------------------------------------------------------------------------------------------------- comparing


def _held(holding: Holding) -> Held:
    rows = {split: len(rows) for split, rows in holding.splits.items()}
    return Held(holding.name, holding.dataset, rows, sum(rows.unparsable for rows in holding.splits.values()))


def _by_task(ledger: Ledger, tested: Sequence[str]) -> Iterator[Overlap]:
    """Every test set against every task and list, itself among them, where they share something."""
    for source in ledger.holdings:
        yield from _overlaps(ledger, tested, source, [source])


def _by_dataset(ledger: Ledger, tested: Sequence[str], datasets: Mapping[str, list[str]]) -> Iterator[Overlap]:
    """Every test set against everything of a data set but itself."""
    for name, members in datasets.items():
        yield from _overlaps(ledger, [test for test in tested if test not in members], name, members)
        for test in (test for test in tested if test in members):
            yield from _overlaps(ledger, [test], name, [member for member in members if member != test])


def _overlaps(ledger: Ledger, tests: Iterable[str], source: str, members: Sequence[str]) -> Iterator[Overlap]:
    known = {part: ledger.known(members, part) for part in PARTS}
    for test in tests:
        rows = ledger.holdings[test].splits["test"]
        # A set's own test rows are in all of it.
        if most := rows.holding(known["train+valid" if members == [test] else "whole"]):
            train, both = rows.holding(known["train"]), rows.holding(known["train+valid"])
            yield Overlap(test, source, train, both, most, len(rows))


def _reaction_overlaps(ledger: Ledger, tested: Sequence[str]) -> Iterator[ReactionOverlap]:
    makers = [name for name, holding in ledger.holdings.items() if holding.has_reactions]
    for source in makers:
        for test in (name for name in tested if name in makers):
            train, both = (ledger.shared_reactions(test, source, part) for part in ("train", "train+valid"))
            # A set's own test rows are in all of it.
            whole = both if source == test else ledger.shared_reactions(test, source, "whole")
            if any(whole):
                n_test = len(ledger.holdings[test].splits["test"])
                yield ReactionOverlap(test, source, *train, *both, *whole, n_test)


def _lineage(names: Iterable[str]) -> Iterator[Taught]:
    audited = [tasks.get(name) for name in names if name not in LISTS]
    for entry in lineage.TEACHERS:
        used_by = tuple(task.name for task in audited if entry.name in task.teachers)
        has_seen = tuple(
            task.name for task in audited if any(lineage.below(task.name, prefix) for prefix in entry.saw)
        )
        if used_by or has_seen:
            yield Taught(entry.name, entry.trained_on, used_by, has_seen)
