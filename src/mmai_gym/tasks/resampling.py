"""Inputs for optimization sets whose own inputs are not public: drawn anew from lists of molecules.

The published rule says which molecules are inputs (poor in every property, or not yet near the optimum); which of them
the authors took is not known here. So the gym took the first ones by a hash of their id, one per connectivity. Another
seed gives other inputs, and adding molecules to the list moves none of the others. A molecule that an oracle has no
value for is no input. What was drawn is written down beside this file, by its position in the lists;
`benchmarks/drawn_inputs.py` draws anew.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources

from mmai_gym.contracts import DataError, Oracle
from mmai_gym.molecules import connectivity
from mmai_gym.sources import molecule_lists
from mmai_gym.sources.molecule_lists import ListedMolecule
from mmai_gym.tasks.multi_property_sets import DECIMALS, MoleculeList, OptimizationSet, Values

_BATCH = 500
_FILE = "drawn_inputs.json"
_LISTS: Mapping[MoleculeList, tuple[str, Callable[[], tuple[ListedMolecule, ...]]]] = {
    "zinc": ("ZINC250k", molecule_lists.zinc),
    "chembl-smiles": ("ChEMBL", molecule_lists.chembl),
}


def origin_of(definition: OptimizationSet) -> str:
    """How an example says that its molecule was drawn, and from where."""
    return "drawn from " + " and ".join(_LISTS[name][0] for name in definition.drawn_from)


def candidates(definition: OptimizationSet) -> list[ListedMolecule]:
    """The molecules of the lists that the inputs of a set are drawn from, one list after the other.

    Raises:
        DataError: a list is missing or damaged.
    """
    return [molecule for name in definition.drawn_from for molecule in _LISTS[name][1]()]


@functools.cache
def _written() -> Mapping[str, Sequence[int]]:
    return json.loads((resources.files(__package__) / _FILE).read_text(encoding="utf-8"))


def positions(definition: OptimizationSet) -> Sequence[int]:
    """Where the inputs of a set stand among its candidates, in the order drawn."""
    return _written()[definition.task]


def drawn_inputs(definition: OptimizationSet) -> list[ListedMolecule]:
    """The inputs of a set that were written down.

    Raises:
        DataError: a list of molecules is missing or damaged.
    """
    molecules = candidates(definition)
    return [molecules[position] for position in positions(definition)]


def values_of(smiles: Sequence[str], names: Sequence[str], oracles: Mapping[str, Oracle]) -> list[Values]:
    """The values of each molecule by oracle, rounded as the protocols do; NaN where an oracle has none."""
    columns = {name: oracles[name].predict(smiles) for name in names}
    return [{name: round(float(columns[name][i]), DECIMALS) for name in names} for i in range(len(smiles))]


def draw(
    definition: OptimizationSet,
    oracles: Mapping[str, Oracle],
    molecules: Callable[[], Sequence[ListedMolecule]],
    count: int,
    seed: int = 0,
) -> list[tuple[str, str, Values]]:
    """(id, SMILES, values) of `count` inputs of a set, in the order drawn.

    Of some sets not one molecule in a thousand is an input: a property is computed only where those before it, in the
    order of the set's letters, have not ruled the molecule out.

    Raises:
        DataError: fewer molecules of the list are inputs of the set.
    """
    ordered = sorted(molecules(), key=lambda molecule: _place(definition.task, molecule.id, seed))
    found: dict[str, tuple[str, str, Values]] = {}
    for molecule, values in _eligible(ordered, definition, oracles):
        if definition.is_input(values):
            found.setdefault(connectivity(molecule.smiles), (molecule.id, molecule.smiles, values))
        if len(found) == count:
            return list(found.values())
    raise DataError(
        f"{definition.task}: only {len(found)} of {len(ordered):,} molecules are inputs of the set, {count} are needed; "
        "draw from a larger list"
    )


def _place(task: str, id_: str, seed: int) -> bytes:
    return hashlib.sha256(f"{task}\x1f{seed}\x1f{id_}".encode()).digest()


def _eligible(
    molecules: Sequence[ListedMolecule], definition: OptimizationSet, oracles: Mapping[str, Oracle]
) -> Iterator[tuple[ListedMolecule, Values]]:
    """Molecules that no property rules out, with their values, computed in batches and no further than asked for."""
    for start in range(0, len(molecules), _BATCH):
        left = [(molecule, dict[str, float]()) for molecule in molecules[start : start + _BATCH]]
        for aim in definition.aims:
            found = values_of([molecule.smiles for molecule, _ in left], [aim.oracle], oracles)
            left = [
                (molecule, {**values, **new})
                for (molecule, values), new in zip(left, found, strict=True)
                if not math.isnan(new[aim.oracle]) and not definition.rules_out(aim, new[aim.oracle])
            ]
        yield from left
