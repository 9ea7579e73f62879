"""What an audit found: plain records, as tables for a terminal and as JSON for a file."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mmai_gym.audit.conflicts import Conflict
from mmai_gym.audit.neighbours import Neighbours
from mmai_gym.contracts import Split
from mmai_gym.sources import write_atomically

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A task or a list of molecules that was compared; `rows` by split, `unparsable` molecules that could not be."""

    name: str
    dataset: str
    rows: dict[Split, int]
    unparsable: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Test rows of a task that share a molecule with a source: with its training part, and with more and more of it.

    `source` is a task or list, or in the matrix by data set all of them together, the tested task itself left out.
    """

    test: str
    source: str
    train: int
    train_valid: int
    whole: int
    n_test: int


@dataclass(frozen=True, slots=True)
class ReactionOverlap:
    """Test reactions whose product a source makes, and (`..._contained`) those that it makes from the same reactants.

    The three pairs of numbers are about its training part, and about more and more of it.
    """

    test: str
    source: str
    train: int
    train_contained: int
    train_valid: int
    train_valid_contained: int
    whole: int
    whole_contained: int
    n_test: int


@dataclass(frozen=True, slots=True)
class Taught:
    """A teacher, what it was trained on, the audited tasks that use it, and those whose test labels it has seen."""

    teacher: str
    trained_on: str
    used_by: tuple[str, ...]
    has_seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that was found; `missing` are tasks and lists that could not be compared, with the reason."""

    rdkit: str
    held: tuple[Held, ...]
    by_task: tuple[Overlap, ...]
    by_dataset: tuple[Overlap, ...]
    reactions: tuple[ReactionOverlap, ...]
    conflicts: tuple[Conflict, ...]
    neighbours: tuple[Neighbours, ...]
    lineage: tuple[Taught, ...]
    missing: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; overlaps of nothing are left out."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Store the findings as JSON."""
        write_atomically(path, (json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n").encode())

    def render(self) -> Group:
        """Tables of everything that is not zero."""
        sections = {
            "Test rows with a molecule that occurs elsewhere: in train and valid there (in brackets: in all splits)": (
                self._matrix()
            ),
            "Test reactions made elsewhere: in train and valid there (in brackets: in all splits)": self._reactions(),
            "One question, different answers": self._conflicts(),
            "Tanimoto similarity of test molecules to the nearest training molecule": self._neighbours(),
            "Teachers: none of their values may enter weights that are scored on what they have seen": self._lineage(),
            "Not compared": self._notes(),
        }
        found = {title: table for title, table in sections.items() if table.row_count}
        return Group(*(part for title, table in found.items() for part in (Text(title, "bold"), table, "")))

    def _matrix(self) -> Table:
        table = _table("test set", "#rows", "#own task", "same data set", "other data sets")
        datasets = {held.name: held.dataset for held in self.held}
        found: dict[str, dict[str, Overlap]] = defaultdict(dict)
        for overlap in self.by_dataset:
            found[overlap.test][overlap.source] = overlap
        own = {overlap.test: overlap for overlap in self.by_task if overlap.source == overlap.test}
        rows: dict[str, Cells] = {}
        for test in (held.name for held in self.held if held.name in own or held.name in found):
            siblings = found[test].pop(datasets[test], None)
            others = sorted(found[test].values(), key=lambda overlap: (-overlap.train_valid, -overlap.whole))
            rows[test] = (
                f"{next(overlap.n_test for overlap in (own.get(test), siblings, *others) if overlap):,}",
                str(own[test].train_valid if test in own else 0),
                _counts(siblings.train_valid, siblings.whole) if siblings else "0",
                _several([f"{other.source} {_counts(other.train_valid, other.whole)}" for other in others], 6),
            )
        return _filled(table, rows)

    def _reactions(self) -> Table:
        table = _table("test set", "#rows", "source", "same product", "same reactants, too")
        for found in self.reactions:
            product = _counts(found.train_valid, found.whole)
            contained = _counts(found.train_valid_contained, found.whole_contained)
            _row(table, found.test, f"{found.n_test:,}", found.source, product, contained)
        return table

    def _conflicts(self) -> Table:
        table = _table("task", "#skeletons", "#identical SMILES", "#test against the rest", "#largest difference")
        for found in self.conflicts:
            spread = "" if found.spread is None else f"{found.spread:.4g}"
            _row(table, found.task, found.molecules, found.same_smiles, found.across, spread)
        return table

    def _neighbours(self) -> Table:
        table = _table("task", "#test", "#train", "quartiles", "#0.7 or more", "")
        rows: dict[str, Cells] = {
            found.task: (
                f"{found.n_test:,}",
                f"{found.n_train:,}",
                f"{found.low:.2f} {found.median:.2f} {found.high:.2f}",
                f"{found.near:.0%}",
                "sampled" if found.sampled else "",
            )
            for found in self.neighbours
        }
        return _filled(table, rows)

    def _lineage(self) -> Table:
        table = _table("teacher", "trained on", "used by", "has seen the test sets of")
        for entry in self.lineage:
            _row(table, entry.teacher, entry.trained_on, _families(entry.used_by), _families(entry.has_seen))
        return table

    def _notes(self) -> Table:
        table = _table("what", "why")
        for held in self.held:
            if held.unparsable:
                _row(table, held.name, f"{held.unparsable} molecules have no InChIKey")
        for name, why in self.missing.items():
            _row(table, name, why)
        return table


def _table(*headings: str) -> Table:
    """A table; a heading with a # stands over numbers."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading.removeprefix("#"), justify="right" if heading.startswith("#") else "left")
    return table


def _row(table: Table, *cells: object) -> None:
    # As Text, since names and messages may hold the square brackets of rich's markup.
    table.add_row(*(Text(str(cell)) for cell in cells))


def _filled(table: Table, rows: Mapping[str, Cells]) -> Table:
    """The table with a row for each name; names that stand in one folder and have equal cells share a row."""
    shared: dict[tuple[str, Cells], list[str]] = defaultdict(list)
    for name, cells in rows.items():
        shared[name.rpartition("/")[0], cells].append(name)
    for (folder, cells), names in shared.items():
        _row(table, names[0] if len(names) == 1 else f"{folder} ({len(names)} tasks)", *cells)
    return table


def _several(texts: Sequence[str], most: int) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _counts(part: int, whole: int) -> str:
    return f"{part}" if part == whole else f"{part} ({whole})"


def _families(names: Iterable[str]) -> str:
    """The families of the tasks, and how many of each."""
    counts = Counter(name.split("/", 1)[0] for name in names)
    return ", ".join(f"{family} ({count})" for family, count in counts.items())
