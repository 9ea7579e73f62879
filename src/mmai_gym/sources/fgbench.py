"""FGBench: pairs of similar molecules, the functional groups that they differ in, and their labels (Liu et al. 2025).

A pair has two molecules of one MoleculeNet set with a Tanimoto similarity above 0.7, called target and reference, and
for each the groups that the other lacks, with their atoms in the SMILES as written. The finished questions are not
among the files, only what they are made of, in two forms: five sets carry labels and have passed the authors' check that
the groups explain the whole difference; bace, tox21 and sider have neither, their labels stand in tables of molecules, and
the check is left to the reader (`molecules.group_edit`).

Three things to know about the labels. FreeSolv's are standardised in the files and given here in kcal/mol. ClinTox's say
whether a drug was approved, not whether it was toxic. And Tox21's come without gaps because every test that was never
made was filled in as negative: `Pair.measured` says which labels the original table has.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mmai_gym.contracts import DataError, InvalidMolecule, UsageError, row_id
from mmai_gym.molecules import canonical, connectivity
from mmai_gym.sources import tables, tdc
from mmai_gym.sources.fgbench_sets import SETS, TOX21_ASSAYS, PropertySet
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept

__all__ = ["SETS", "Groups", "Pair", "PropertySet", "known_to_tdc", "pairs", "property_set"]

Groups = tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]
"""Names of functional groups and alkyl parts, with the atoms (0-based, as written) of each occurrence."""

_PAIR_COLUMNS = ["target_smiles", "ref_smiles", "target_diff", "ref_diff"]
_LABEL_COLUMNS = ["target_label", "ref_label", "property_name"]
_DECIMALS = 3
"""More than any source states; it removes the last traces of scaling FreeSolv."""

_PROPERTY_NAMES: Mapping[str, str] = {
    "bbbp": "blood-brain barrier penetration",
    "clintox": "drugs approved by the FDA and passed clinical trials",
    "esol": "log-scale water solubility in mols per litre",
    "freesolv": "hydration free energy in water",
    "lipo": "octanol/water distribution coefficient (logD at pH 7.4)",
}
"""What the labelled tables call their property: a check that the right file was read."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two molecules and what is known of them.

    Attributes:
        id: from set and position.
        target, reference: SMILES as the file has them.
        target_groups: groups that only the target has, in its numbering; so `reference_groups`.
        target_labels, reference_labels: one per property of the set, in its unit; 0.0 or 1.0 for a class.
        measured: per property, whether both labels were measured.
    """

    id: str
    target: str
    reference: str
    target_groups: Groups
    reference_groups: Groups
    target_labels: tuple[float, ...]
    reference_labels: tuple[float, ...]
    measured: tuple[bool, ...]


def property_set(name: str) -> PropertySet:
    """The set of this name.

    Raises:
        UsageError: there is none; the message suggests the closest one.
    """
    if name not in SETS:
        close = difflib.get_close_matches(name, SETS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"Known: {', '.join(SETS)}."
        raise UsageError(f"unknown FGBench set {name!r}; {hint}")
    return SETS[name]


@kept("fgbench")
def pairs(name: str) -> tuple[Pair, ...]:
    """All pairs of a set, in the order of its file.

    Raises:
        UsageError: unknown set.
        DataError: a file is missing or malformed, a pair is repeated, or a molecule has no labels.
    """
    known = property_set(name)
    file = dataset("fgbench").file(f"{name}-pairs")
    labelled = name in _PROPERTY_NAMES
    labels = {} if labelled else _label_table(known)
    measured = _measured(labels) if name == "tox21" else {}
    always = (True,) * len(known.properties)
    found, seen = [], set()
    columns = _PAIR_COLUMNS + (_LABEL_COLUMNS if labelled else [])
    for position, row in enumerate(tables.table(file, columns)):
        where = f"{file.path}, row {position}"
        molecules = (row["target_smiles"], row["ref_smiles"])
        if frozenset(molecules) in seen:
            raise DataError(f"{where}: the pair {' and '.join(molecules)} stands there twice")
        seen.add(frozenset(molecules))
        if labelled:
            both = _own_labels(known, row, where)
        elif missing := [smiles for smiles in molecules if smiles not in labels]:
            raise DataError(f"{where}: {missing[0]} has no labels in the table of molecules")
        else:
            both = (labels[molecules[0]], labels[molecules[1]])
        has = [measured.get(smiles, always) for smiles in molecules]
        found.append(
            Pair(
                row_id("fgbench", name, position),
                *molecules,
                _groups(row["target_diff"], f"{where}, target_diff"),
                _groups(row["ref_diff"], f"{where}, ref_diff"),
                *both,
                tuple(first and second for first, second in zip(*has, strict=True)),
            )
        )
    return tuple(found)


def known_to_tdc(name: str) -> Mapping[str, int]:
    """Of how many pairs the related ADMET endpoint's official train_val has the target, the reference, both, neither.

    Molecules are compared by connectivity (first block of the InChIKey). Only pairs counted under "neither" are new to a
    model that was trained on the endpoint.

    Raises:
        UsageError: unknown set, or one without a related endpoint.
        DataError: a file is missing or malformed.
    """
    endpoint = property_set(name).endpoint
    if not endpoint:
        related = [entry.name for entry in SETS.values() if entry.endpoint]
        raise UsageError(
            f"no ADMET endpoint has the measurements of {name!r}; there is one for {', '.join(related)}"
        )
    labelled = {_skeleton(row.smiles) for row in tdc.molecules(endpoint, "train_val")} - {""}
    skeletons: dict[str, str] = {}
    counts = dict.fromkeys(("pairs", "target", "reference", "both", "neither"), 0)
    for pair in pairs(name):
        for smiles in (pair.target, pair.reference):
            if smiles not in skeletons:
                skeletons[smiles] = _skeleton(smiles)
        target, reference = skeletons[pair.target] in labelled, skeletons[pair.reference] in labelled
        counts["pairs"] += 1
        counts["target"] += target
        counts["reference"] += reference
        counts["both"] += target and reference
        counts["neither"] += not (target or reference)
    return counts


def _skeleton(smiles: str) -> str:
    """'' for a structure that cannot be read or has no InChI: it can be neither known nor excluded."""
    try:
        return connectivity(smiles)
    except InvalidMolecule:
        return ""


# --------------------------------------------------------------------------------------------------- fields


def _groups(field: str, where: str) -> Groups:
    """A diff column: a Python literal of two lists (functional groups, alkyl parts) of (name, count, occurrences)."""
    try:
        value = ast.literal_eval(field)
        groups = tuple(_group(*entry) for part in value for entry in part)
        if not isinstance(value, tuple) or len(value) != 2:
            raise ValueError("not a pair of lists")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(f"{where}: {field[:80]!r} is not a list of functional groups: {error}") from error
    return groups


def _group(name: str, count: int, occurrences: list[tuple[int, ...]]) -> tuple[str, tuple[tuple[int, ...], ...]]:
    atoms = tuple(tuple(occurrence) for occurrence in occurrences)
    if not isinstance(name, str) or len(atoms) != count:
        raise ValueError(f"{count} x {name} has {len(atoms)} occurrences")
    if not all(type(atom) is int and atom >= 0 for occurrence in atoms for atom in occurrence):
        raise ValueError(f"an atom of {name} is not a position")
    return name, atoms


def _own_labels(
    known: PropertySet, row: Mapping[str, str], where: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if row["property_name"] != _PROPERTY_NAMES[known.name]:
        raise DataError(
            f"{where}: the property is {row['property_name']!r} instead of {_PROPERTY_NAMES[known.name]!r}"
        )
    return (
        (_label(row["target_label"], known, f"{where}, target_label"),),
        (_label(row["ref_label"], known, f"{where}, ref_label"),),
    )


def _label(field: str, known: PropertySet, where: str) -> float:
    label = tables.finite(field, where)
    if known.kind == "class":
        if label not in (0.0, 1.0):
            raise DataError(f"{where}: the label {field} is not 0 or 1")
        return label
    return round(known.slope * label + known.intercept, _DECIMALS)


# --------------------------------------------------------------------------------------------------- tables of molecules


def _label_table(known: PropertySet) -> Mapping[str, tuple[float, ...]]:
    """Labels of each molecule of a set, by SMILES as the file has it."""
    file = dataset("fgbench").file(f"{known.name}-labels")
    numbers = [str(number) for number in range(len(known.properties))]
    labels: dict[str, tuple[float, ...]] = {}
    for position, row in enumerate(tables.table(file, ["smiles", *numbers])):
        where = f"{file.path}, row {position}"
        if row["smiles"] in labels:
            raise DataError(f"{where}: the molecule {row['smiles']} stands there twice")
        labels[row["smiles"]] = tuple(_label(row[number], known, f"{where}, label {number}") for number in numbers)
    return labels


def _measured(labels: Mapping[str, tuple[float, ...]]) -> Mapping[str, tuple[bool, ...]]:
    """Which Tox21 labels the table of MoleculeNet has, by SMILES; molecules that it lacks have none.

    FGBench took the first of several rows of one molecule, and so does this.

    Raises:
        DataError: a label differs from the one that was measured.
    """
    originals = dict(_tox21_as_measured())
    found: dict[str, tuple[bool, ...]] = {}
    for smiles, filled in labels.items():
        original = originals.get(canonical(smiles), ("",) * len(filled))
        for number, (cell, label) in enumerate(zip(original, filled, strict=True)):
            if cell and float(cell) != label:
                raise DataError(f"label {number} of {smiles} is {label:g}, but was measured as {cell}")
        found[smiles] = tuple(cell != "" for cell in original)
    return found


def _tox21_as_measured() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(canonical SMILES, cells) of MoleculeNet's table, last row first, so that the first of several rows prevails."""
    file = dataset("fgbench").file("tox21-measured")
    rows = list(tables.table(file, ["smiles", *TOX21_ASSAYS]))
    for position, row in reversed(list(enumerate(rows))):
        cells = tuple(row[assay] for assay in TOX21_ASSAYS)
        if strange := set(cells) - {"", "0", "1"}:
            raise DataError(f"{file.path}, row {position}: the label {strange.pop()!r} is not 0, 1 or empty")
        try:
            yield canonical(row["smiles"]), cells
        except InvalidMolecule:
            continue  # eight of its SMILES are older than today's valence rules; FGBench has none of them
