"""MoleculeNet (Wu et al. 2018): one task per label, split by the field's own rules since none is stored.

All sets but two are split by scaffold as DeepChem does it, 80 / 10 / 10 %. The paper itself split ESOL, FreeSolv,
Lipophilicity, Tox21, SIDER and ClinTox at random; most work since uses scaffolds for them too, which is harder, and so
does the gym. QM7 and QM8 hold computed energies of small molecules without series, and are split at random by
molecule, with a fixed seed (the paper: QM7 stratified, QM8 random), so that stereoisomers and repeated molecules stay
together. Molecules that RDKit cannot read are left out before splitting, as DeepChem's featurizers do; the rows of a
set are split once, with or without a label, so that a molecule is on one side for all labels of its set.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from mmai_gym.contracts import InvalidMolecule, Split
from mmai_gym.molecules import murcko_scaffold
from mmai_gym.sources import kept, moleculenet
from mmai_gym.sources.derived import derived_column
from mmai_gym.sources.scaffolds import molecule_fraction, scaffold_split
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.endpoint import endpoint_task, labelled_row
from mmai_gym.tasks.measurement import Row

_RANDOM = frozenset({"qm7", "qm8"})
_TRAIN_BELOW, _VALID_BELOW = 0.8, 0.9


def readable_scaffold(smiles: str) -> str | None:
    """The scaffold, None for text that is no molecule; for a worker to compute."""
    try:
        return murcko_scaffold(smiles)
    except InvalidMolecule:
        return None


@kept("moleculenet")
def parts(table: str) -> tuple[Split | None, ...]:
    """The part of each row of a file, None for one that RDKit cannot read."""
    smiles = moleculenet.table(table).smiles
    if table in _RANDOM:
        return tuple(map(_part, derived_column(f"moleculenet-{table}-molecules", "1", smiles, molecule_fraction)))
    scaffolds = derived_column(f"moleculenet-{table}-scaffolds", "1", smiles, readable_scaffold)
    placed = iter(scaffold_split([scaffold for scaffold in scaffolds if scaffold is not None]))
    return tuple(None if scaffold is None else next(placed) for scaffold in scaffolds)


def _part(fraction: float) -> Split:
    return "train" if fraction < _TRAIN_BELOW else "valid" if fraction < _VALID_BELOW else "test"


@kept("moleculenet")
def _rows(name: str, split: Split) -> tuple[Row, ...]:
    label = moleculenet.LABELS[name]
    table = moleculenet.table(label.table)
    return tuple(
        labelled_row(id_, smiles, value, label.endpoint.kind)
        for id_, smiles, value, part in zip(
            table.ids, table.smiles, table.labels[name], parts(label.table), strict=True
        )
        if part == split and value is not None
    )


def _left_out(name: str) -> Mapping[str, int]:
    table = moleculenet.LABELS[name].table
    placed, values = parts(table), moleculenet.table(table).labels[name]
    counts = {
        "SMILES that RDKit cannot read": placed.count(None),
        "not measured": sum(
            part is not None and value is None for part, value in zip(placed, values, strict=True)
        ),
    }
    return {reason: count for reason, count in counts.items() if count}


def _make(name: str) -> BaseTask:
    return endpoint_task(
        f"moleculenet/{name}",
        moleculenet.LABELS[name].endpoint,
        "moleculenet",
        functools.partial(_rows, name),
        left_out=functools.partial(_left_out, name),
    )


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(functools.partial(_make, name) for name in moleculenet.LABELS)
