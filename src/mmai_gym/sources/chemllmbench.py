"""ChemLLMBench: small test sets on which general language models were compared (Guo et al. 2023).

There is nothing to train on. The 100 retrosynthesis questions were drawn from all parts of USPTO-50k, its training set
included, so a model trained there has seen most of the answers. Forward reactions list reagents, solvents and catalysts
among the reactants. Of the 600 names the authors used 100 (label "test") to test and drew examples for prompts from the
others; one SMILES among these is not readable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import DataError, UsageError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept

_COLUMNS = {"forward": ("reactant", "product"), "retrosynthesis": ("reactants_smiles", "products_smiles")}


@dataclass(frozen=True, slots=True)
class Reaction:
    """One reaction; both sides as SMILES of the file, reactants a dot-separated set."""

    id: str
    reactants: str
    product: str


@dataclass(frozen=True, slots=True)
class NamedMolecule:
    """One compound: PubChem's number, SMILES, IUPAC name, molecular formula, and whether it was tested on."""

    id: str
    cid: str
    smiles: str
    name: str
    formula: str
    tested: bool


@kept("chemllmbench")
def reactions(question: Literal["forward", "retrosynthesis"]) -> tuple[Reaction, ...]:
    """The 100 reactions of a question, in the order of the file.

    Raises:
        UsageError: there is no such question.
        DataError: the file is missing or malformed.
    """
    if question not in _COLUMNS:
        raise UsageError(f"unknown question {question!r}; known: {', '.join(_COLUMNS)}")
    left, right = _COLUMNS[question]
    rows = tables.table(dataset("chemllmbench").file(question), [left, right])
    return tuple(
        Reaction(row_id("chemllmbench", question, position), row[left], row[right])
        for position, row in enumerate(rows)
    )


@kept("chemllmbench")
def names() -> tuple[NamedMolecule, ...]:
    """The 600 named compounds, in the order of the file.

    Raises:
        DataError: the file is missing or malformed.
    """
    file = dataset("chemllmbench").file("names")
    found = []
    for position, row in enumerate(tables.table(file, ["CID", "smiles", "iupac", "formula", "label"])):
        if row["label"] not in ("train", "test"):
            raise DataError(f"{file.path}, row {position}: the label {row['label']!r} is not train or test")
        found.append(
            NamedMolecule(
                row_id("chemllmbench", "names", position),
                row["CID"],
                row["smiles"],
                row["iupac"],
                row["formula"],
                row["label"] == "test",
            )
        )
    return tuple(found)
