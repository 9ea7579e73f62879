"""Molecules and reactions that training may use although no task asks about them, and lists that many tasks draw from.

A new file is one row more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmai_gym.audit.content import Content, protein
from mmai_gym.contracts import SPLITS, Split
from mmai_gym.sources import chebi20, chemllmbench, drd2, drugban, embedded, iupac, tdc
from mmai_gym.tasks import BaseTask
from mmai_gym.tasks.language import LISTS as POOLS
from mmai_gym.tasks.language import LanguageTask, MoleculeList

Parts = Mapping[Split, Sequence[Content]]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: the data set it belongs to, and how to read its parts.

    Attributes:
        has_test: whether tasks draw test questions from a part of it; all of any other list counts as training.
    """

    dataset: str
    read: Callable[[], Parts]
    has_test: bool = False


def pool(task: BaseTask) -> str | None:
    """The list from which a task draws all its molecules, which says as much of it as its rows would; or None."""
    if isinstance(task, LanguageTask) and task.molecules.source in LISTS:
        return task.molecules.source
    return None


class _HasSmiles(Protocol):
    @property
    def smiles(self) -> str:
        """One molecule."""


def _molecules(rows: Iterable[_HasSmiles]) -> Parts:
    return {"train": [Content((row.smiles,)) for row in rows]}


def _pairs(rows: Iterable[drugban.Interaction]) -> Parts:
    return {"train": [Content((row.smiles,), (protein(row.sequence),)) for row in rows]}


def _reactions(rows: Iterable[chemllmbench.Reaction]) -> Parts:
    return {"train": [Content((row.product,), (), row.reactants) for row in rows]}


def _pool(molecules: MoleculeList) -> Listed:
    """A list with its split, as the language tasks draw from it."""

    def read() -> Parts:
        return {split: [Content((row.smiles,)) for row in molecules.rows(split, "")] for split in SPLITS}

    return Listed(molecules.source, read, has_test=True)


LISTS: Mapping[str, Listed] = {
    "chebi-20/test": Listed("chebi-20", lambda: _molecules(chebi20.molecules("test"))),
    "chebi-20/valid": Listed("chebi-20", lambda: _molecules(chebi20.molecules("valid"))),
    "chemllmbench/forward": Listed("chemllmbench", lambda: _reactions(chemllmbench.reactions("forward"))),
    "chemllmbench/names": Listed("chemllmbench", lambda: _molecules(chemllmbench.names())),
    "chemllmbench/retrosynthesis": Listed(
        "chemllmbench", lambda: _reactions(chemllmbench.reactions("retrosynthesis"))
    ),
    "drd2/actives": Listed("drd2", lambda: _molecules(drd2.actives())),
    "drd2/scored": Listed("drd2", lambda: {"train": [Content((smiles,)) for smiles in drd2.scores()]}),
    "drugban-human": Listed("drugban-human", lambda: _pairs(drugban.interactions())),
    "embedded/conformers": Listed("embedded", lambda: _molecules(embedded.conformers())),
    "tdc-clintox": Listed("tdc-clintox", lambda: _molecules(tdc.clintox())),
    "tomg-iupac/test": Listed("tomg-iupac", lambda: _molecules(iupac.molecules("test"))),
    "tomg-iupac/train": Listed("tomg-iupac", lambda: _molecules(iupac.molecules("train"))),
    "tomg-iupac/valid": Listed("tomg-iupac", lambda: _molecules(iupac.molecules("valid"))),
    **{molecules.source: _pool(molecules) for molecules in POOLS if not molecules.small},
}
