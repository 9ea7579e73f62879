"""What an audit found: plain records, as tables for a terminal and as JSON for a file."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from mmai_gym.audit.neighbours import Neighbours
from mmai_gym.sources import write_atomically


@dataclass(frozen=True, slots=True)
class Held:
    """A task or a list of molecules that was compared; `rows` by split, `unparsable` molecules that could not be."""

    name: str
    dataset: str
    rows: dict[str, int]
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
    """Test reactions whose product a source makes, and those that it makes from the same reactants.

    The first two numbers are about its training part, the other two about all of it.
    """

    test: str
    source: str
    product: int
    contained: int
    whole_product: int
    whole_contained: int
    n_test: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """One question with different answers, in whatever splits of a task.

    Attributes:
        molecules: skeletons that are asked the same and answered differently; stereoisomers may differ with reason.
        same_smiles: SMILES, letter by letter, that are.
        across: skeletons of which a test row differs from a row of another split.
        spread: the largest difference, where answers are numbers.
    """

    task: str
    molecules: int
    same_smiles: int
    across: int
    spread: float | None


@dataclass(frozen=True, slots=True)
class Taught:
    """A teacher, what it was trained on, the audited tasks that use it, and those whose test labels it has seen."""

    teacher: str
    trained_on: str
    used_by: tuple[str, ...]
    has_seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that was found; `missing` are tasks that could not be compared, with the reason."""

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
        tables = (
            self._matrix(), self._reactions(), self._conflicts(), self._neighbours(), self._lineage(), self._notes()
        )  # fmt: skip
        return Group(*(part for table in tables if table.row_count for part in (table, "")))

    def _matrix(self) -> Table:
        table = _table("Test rows whose molecule occurs elsewhere (in train + valid / in all splits)")
        for heading in ("test set", "rows", "own task", "same data set", "other data sets"):
            table.add_column(heading, justify="right" if heading == "rows" else "left")
        datasets = {held.name: held.dataset for held in self.held}
        rows: dict[str, dict[str, Overlap]] = defaultdict(dict)
        for overlap in self.by_dataset:
            rows[overlap.test][overlap.source] = overlap
        own = {overlap.test: overlap for overlap in self.by_task if overlap.source == overlap.test}
        for test in (held.name for held in self.held if held.name in rows or held.name in own):
            siblings = rows[test].pop(datasets[test], None)
            others = ", ".join(f"{source} {_counts(found)}" for source, found in rows[test].items())
            n_test = next(found.n_test for found in (own.get(test), siblings, *rows[test].values()) if found)
            own_train = str(own[test].train_valid) if test in own else "0"
            table.add_row(test, f"{n_test:,}", own_train, _counts(siblings) if siblings else "0", others)
        return table

    def _reactions(self) -> Table:
        table = _table("Test reactions made elsewhere (in train / in all splits)")
        for heading in ("test set", "rows", "source", "same product", "same reactants too"):
            table.add_column(heading)
        for found in self.reactions:
            product, contained = (
                f"{found.product} / {found.whole_product}", f"{found.contained} / {found.whole_contained}"
            )  # fmt: skip
            table.add_row(found.test, f"{found.n_test:,}", found.source, product, contained)
        return table

    def _conflicts(self) -> Table:
        table = _table("One question, different answers")
        for heading in ("task", "skeletons", "identical SMILES", "test against the rest", "largest difference"):
            table.add_column(heading)
        for found in self.conflicts:
            spread = "" if found.spread is None else f"{found.spread:.4g}"
            table.add_row(found.task, *map(str, (found.molecules, found.same_smiles, found.across)), spread)
        return table

    def _neighbours(self) -> Table:
        table = _table("Tanimoto similarity of test molecules to the nearest training molecule")
        for heading in ("task", "test", "train", "quartiles", "0.7 or more", ""):
            table.add_column(heading)
        for found in self.neighbours:
            quartiles = f"{found.low:.2f} {found.median:.2f} {found.high:.2f}"
            note = "sampled" if found.sampled else ""
            table.add_row(
                found.task, f"{found.n_test:,}", f"{found.n_train:,}", quartiles, f"{found.near:.0%}", note
            )
        return table

    def _lineage(self) -> Table:
        table = _table("Teachers: their values never enter weights scored on what they have seen")
        for heading in ("teacher", "trained on", "used by", "has seen the test sets of"):
            table.add_column(heading)
        for entry in self.lineage:
            used, seen = (_abridged(names) for names in (entry.used_by, entry.has_seen))
            table.add_row(entry.teacher, entry.trained_on, used, seen)
        return table

    def _notes(self) -> Table:
        table = _table("Not compared")
        table.add_column("what")
        table.add_column("why")
        for held in self.held:
            if held.unparsable:
                table.add_row(held.name, f"{held.unparsable} molecules have no InChIKey")
        for name, why in self.missing.items():
            table.add_row(name, why)
        return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None)


def _counts(found: Overlap) -> str:
    return f"{found.train_valid}/{found.whole}"


def _abridged(names: tuple[str, ...]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
