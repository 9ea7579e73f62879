"""Molecules and reactions that training may use although no task asks about them. A new file is one row more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmai_gym.audit.content import Content, protein
from mmai_gym.sources import chebi20, chemllmbench, drd2, drugban, embedded, iupac, molecule_lists, tdc


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, all of which counts as training: the data set it belongs to, and how to read it."""

    dataset: str
    read: Callable[[], Sequence[Content]]


class _HasSmiles(Protocol):
    @property
    def smiles(self) -> str:
        """One molecule."""


def _molecules(rows: Iterable[_HasSmiles]) -> list[Content]:
    return [Content((row.smiles,)) for row in rows]


def _pairs(rows: Iterable[drugban.Interaction]) -> list[Content]:
    return [Content((row.smiles,), (protein(row.sequence),)) for row in rows]


def _reactions(rows: Iterable[chemllmbench.Reaction]) -> list[Content]:
    return [Content((row.product,), (), row.reactants) for row in rows]


LISTS: Mapping[str, Listed] = {
    "chebi-20/test": Listed("chebi-20", lambda: _molecules(chebi20.molecules("test"))),
    "chebi-20/valid": Listed("chebi-20", lambda: _molecules(chebi20.molecules("valid"))),
    "chembl-smiles": Listed("chembl-smiles", lambda: _molecules(molecule_lists.chembl())),
    "chemllmbench/forward": Listed("chemllmbench", lambda: _reactions(chemllmbench.reactions("forward"))),
    "chemllmbench/names": Listed("chemllmbench", lambda: _molecules(chemllmbench.names())),
    "chemllmbench/retrosynthesis": Listed(
        "chemllmbench", lambda: _reactions(chemllmbench.reactions("retrosynthesis"))
    ),
    "drd2/actives": Listed("drd2", lambda: _molecules(drd2.actives())),
    "drd2/scored": Listed("drd2", lambda: [Content((smiles,)) for smiles in drd2.scores()]),
    "drugban-human": Listed("drugban-human", lambda: _pairs(drugban.interactions())),
    "embedded/conformers": Listed("embedded", lambda: _molecules(embedded.conformers())),
    "tdc-clintox": Listed("tdc-clintox", lambda: _molecules(tdc.clintox())),
    "tomg-iupac/test": Listed("tomg-iupac", lambda: _molecules(iupac.molecules("test"))),
    "tomg-iupac/train": Listed("tomg-iupac", lambda: _molecules(iupac.molecules("train"))),
    "tomg-iupac/valid": Listed("tomg-iupac", lambda: _molecules(iupac.molecules("valid"))),
    "zinc": Listed("zinc", lambda: _molecules(molecule_lists.zinc())),
}
