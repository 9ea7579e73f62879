"""MoleculeNet (Wu et al. 2018): one task per label, split by the field's own rules since none is stored.

All sets but two are split by scaffold as DeepChem does it, 80 / 10 / 10 %. The paper itself split ESOL, FreeSolv,
Lipophilicity, Tox21, SIDER and ClinTox at random; most work since uses scaffolds for them too, which is harder, and so
does the gym. QM7 and QM8 hold computed energies of small molecules without series, and are split at random by
molecule, with a fixed seed (the paper: QM7 stratified, QM8 random), so that stereoisomers and repeated molecules stay
together. Molecules that RDKit cannot read are left out before splitting, as DeepChem's featurizers do; the rows of a
set are split once, with or without a label, so that a molecule is on one side for all labels of its set.

Molecules are shown in RDKit's canonical writing. The files mix several, and in ClinTox and BBBP the writing alone
gives labels away: a model that reads text would score by spelling.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from mmai_gym.contracts import InvalidMolecule, Split
from mmai_gym.molecules import canonical, murcko_scaffold
from mmai_gym.sources import kept, moleculenet
from mmai_gym.sources.scaffolds import molecule_fraction, scaffold_split
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.derived import derived_column
from mmai_gym.tasks.endpoint import endpoint_task, labelled_row
from mmai_gym.tasks.measurement import Row

_RANDOM = frozenset({"qm7", "qm8"})
_TRAIN_BELOW, _VALID_BELOW = 0.8, 0.9


def writing_and_scaffold(smiles: str) -> tuple[str, str] | None:
    """Canonical SMILES and scaffold, None for text that is no molecule; for a worker to compute."""
    try:
        return canonical(smiles), murcko_scaffold(smiles)
    except InvalidMolecule:
        return None


def writing_and_fraction(smiles: str) -> tuple[str, float]:
    """Canonical SMILES, and where the molecule lies in the hash range; for a worker to compute."""
    return canonical(smiles), molecule_fraction(smiles)


@kept("moleculenet")
def placed(table: str) -> tuple[tuple[str, Split] | None, ...]:
    """Canonical SMILES and part of each row of a file, None for one that RDKit cannot read."""
    smiles = moleculenet.table(table).smiles
    if table in _RANDOM:
        drawn = derived_column(f"moleculenet-{table}", "1", smiles, writing_and_fraction)
        return tuple((text, _part(fraction)) for text, fraction in drawn)
    read = derived_column(f"moleculenet-{table}", "1", smiles, writing_and_scaffold)
    parts = iter(scaffold_split([row[1] for row in read if row is not None]))
    return tuple(None if row is None else (row[0], next(parts)) for row in read)


def _part(fraction: float) -> Split:
    return "train" if fraction < _TRAIN_BELOW else "valid" if fraction < _VALID_BELOW else "test"


@kept("moleculenet")
def _rows(name: str, split: Split) -> tuple[Row, ...]:
    label = moleculenet.LABELS[name]
    table = moleculenet.table(label.table)
    return tuple(
        labelled_row(id_, place[0], value, label.endpoint.kind)
        for id_, place, value in zip(table.ids, placed(label.table), table.labels[name], strict=True)
        if place is not None and place[1] == split and value is not None
    )


def _left_out(name: str) -> Mapping[str, int]:
    table = moleculenet.LABELS[name].table
    places, values = placed(table), moleculenet.table(table).labels[name]
    counts = {
        "SMILES that RDKit cannot read": sum(place is None for place in places),
        "not measured": sum(
            place is not None and value is None for place, value in zip(places, values, strict=True)
        ),
    }
    return {reason: count for reason, count in counts.items() if count}


def _make(name: str) -> BaseTask:
    return endpoint_task(
        f"moleculenet/{name}",
        moleculenet.LABELS[name].endpoint,
        "moleculenet",
        functools.partial(_rows, name),
        functools.partial(_left_out, name),
    )


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(functools.partial(_make, name) for name in moleculenet.LABELS)
