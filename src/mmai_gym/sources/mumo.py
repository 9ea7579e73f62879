"""MuMO: the public test inputs of two of its sets, and what one model generated for them (Dey, Hu and Ning 2025).

`bdq` (BBBP, DRD2, QED) comes with the property values of its 500 inputs and of 9,030 candidates; from them an
evaluator of the protocol can be checked to the last digit. `bdpq` (penalised logP besides) comes with 500 inputs, the
generations, and three of the predicted properties. 19 inputs are in both sets. All values are predictions, rounded to
two decimals, never measurements. The inputs of the other eight sets and all training pairs are not public here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mmai_gym.contracts import DataError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import File, dataset
from mmai_gym.sources.memory import kept

PublicSet = Literal["bdq", "bdpq"]

GENERATIONS = 20
"""Texts that the model wrote for each input."""

_TASK = "bbbp+drd2+qed"
_TAGGED = re.compile(r"<SMILES>(.*?)</SMILES>", re.DOTALL)
_PROMPTED = re.compile(r"Input : <SMILES>(.*?)</SMILES>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MumoInput:
    """A molecule to optimize; `values` are its stored properties by MuMO's names, none for `bdpq`."""

    id: str
    smiles: str
    values: Mapping[str, float]


@kept("mumo")
def inputs(name: PublicSet) -> tuple[MumoInput, ...]:
    """The 500 test inputs of a set, in the order of its generations.

    Raises:
        DataError: a file is missing or damaged, an input is not in the form known, or stands there twice.
    """
    file = dataset("mumo").file("bdq-inputs" if name == "bdq" else "bdpq-responses")
    read = _described(file) if name == "bdq" else _prompted(file)
    rows = tuple(
        MumoInput(row_id("mumo", name, position), smiles, values) for position, (smiles, values) in enumerate(read)
    )
    if len({row.smiles for row in rows}) < len(rows):
        raise DataError(f"{file.path} holds an input twice")
    return rows


def _described(file: File) -> Iterable[tuple[str, dict[str, float]]]:
    for number, entry in enumerate(tables.records(file, ["source_smiles", "task", "properties"])):
        where = f"{file.path}, object {number}"
        if entry["task"] != _TASK:
            raise DataError(f"{where}: the task is {entry['task']!r}, not {_TASK!r}")
        stored: dict[str, Any] = {name: entry["properties"].get(name) or {} for name in _TASK.split("+")}
        yield (
            entry["source_smiles"],
            {name: tables.finite(str(one.get("source")), f"{where}, {name}") for name, one in stored.items()},
        )


def _prompted(file: File) -> Iterable[tuple[str, dict[str, float]]]:
    for number, entry in enumerate(tables.records(file, ["prompt", "response"])):
        found = _PROMPTED.search(entry["prompt"])
        if found is None:
            raise DataError(f"{file.path}, object {number}: no input molecule in the prompt")
        yield found.group(1).strip(), {}


@kept("mumo")
def generations(name: PublicSet) -> tuple[tuple[str, ...], ...]:
    """What the model wrote between the SMILES tags, 20 texts for each input in the order written.

    Where the text was cut off before the closing tag it is '': 145 of the 10,000 texts of `bdq`, 1,212 of `bdpq`.

    Raises:
        DataError: the file is missing or damaged, or an input has another number of texts.
    """
    file = dataset("mumo").file(f"{name}-responses")
    found = []
    for number, entry in enumerate(tables.records(file, ["prompt", "response"])):
        if len(entry["response"]) != GENERATIONS:
            raise DataError(f"{file.path}, object {number}: {len(entry['response'])} texts, not {GENERATIONS}")
        found.append(tuple(_between_tags(text) for text in entry["response"]))
    return tuple(found)


def _between_tags(text: str) -> str:
    found = _TAGGED.search(text)
    return found.group(1).strip() if found else ""


@kept("mumo")
def candidates(name: PublicSet) -> tuple[tuple[str, ...], ...]:
    """The distinct generations that the toolkit of the time could read, for each input; none for some.

    Raises:
        DataError: the file is missing or damaged.
    """
    file = dataset("mumo").file(f"{name}-candidates")
    return tuple(tuple(part for part in line.split(",") if part) for line in tables.lines(file))


@kept("mumo")
def properties(name: PublicSet) -> Mapping[str, Mapping[str, float]]:
    """Stored values of the candidates, by SMILES and by MuMO's name of the property, two decimals.

    `bdq`: bbbp, mutagenicity, hia, plogp, qed, drd2 and sas of 9,030 molecules. `bdpq`: bbbp, mutagenicity and hia of
    7,258; the first of its 7,259 rows has no molecule and is left out, and one candidate stands there in another
    spelling.

    Raises:
        DataError: the file is missing or damaged, a value is not a number, a molecule is repeated, or another row than
            the one known has none.
    """
    columns = ["bbbp", "mutagenicity", "hia"] + (["plogp", "qed", "drd2", "sas"] if name == "bdq" else [])
    file = dataset("mumo").file(f"{name}-properties")
    found: dict[str, dict[str, float]] = {}
    for position, row in enumerate(tables.table(file, ["smiles", *columns])):
        where = f"{file.path}, row {position}"
        if not row["smiles"] and name == "bdpq" and position == 0:
            continue
        if not row["smiles"] or row["smiles"] in found:
            raise DataError(f"{where}: {'no molecule' if not row['smiles'] else 'a repeated molecule'}")
        found[row["smiles"]] = {column: tables.finite(row[column], f"{where}, {column}") for column in columns}
    return found
