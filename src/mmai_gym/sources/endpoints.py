"""What an endpoint is: one thing that was measured on many molecules, and how the field scores a prediction of it.

A table of a public set holds a SMILES and a number. Everything that a reader or a model needs besides is an `Endpoint`:
what the number means and in which unit, who measured it, the words that ask for it, the protocol's metric, and how
many rows each split has. All sets of labelled single molecules describe their columns this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import DataError
from mmai_gym.sources import tables

Kind = Literal["binary", "regression"]
Metric = Literal["mae", "rmse", "pearson", "spearman", "auroc", "auprc"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint.

    Attributes:
        name: unique over all sets, since it names the property in a question and is a token of a small model; the
            same quantity measured by another laboratory is another property.
        kind: "binary" (labels 0 and 1) or "regression".
        metric: the protocol's own. Lower is better for "mae" and "rmse" only.
        unit: of the label as the file has it; '' for a class.
        question: words that ask for the label; the endpoint's name and the molecule follow them.
        meaning: what was measured; for a class, what a label of 1 says.
        citation: the source of the measurements.
        train, valid, test: rows of each split.
    """

    name: str
    kind: Kind
    metric: Metric
    unit: str
    question: str
    meaning: str
    citation: str
    train: int
    valid: int
    test: int

    @property
    def train_val(self) -> int:
        """Rows that are not for testing."""
        return self.train + self.valid

    @property
    def sizes(self) -> dict[str, int]:
        """Rows by split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


@dataclass(frozen=True, slots=True)
class LabelledMolecule:
    """One row of a table.

    Attributes:
        id: from data set, table and position; unique also where a SMILES is repeated.
        smiles: as the file has it, never rewritten.
        label: in the endpoint's unit; 0.0 or 1.0 for a binary endpoint.
    """

    id: str
    smiles: str
    label: float


def class_endpoint(
    name: str, metric: Metric, question: str, meaning: str, citation: str, rows: tuple[int, int, int]
) -> Endpoint:
    """A binary endpoint; `rows` are those of train, valid and test."""
    return Endpoint(name, "binary", metric, "", f"{question} Endpoint", meaning, citation, *rows)


def value_endpoint(
    name: str, metric: Metric, unit: str, quantity: str, meaning: str, citation: str, rows: tuple[int, int, int]
) -> Endpoint:
    """A measured value; `quantity` completes "Predict the ..."; `rows` are those of train, valid and test."""
    question = f"Predict the {quantity}, endpoint"
    return Endpoint(name, "regression", metric, unit, question, meaning, citation, *rows)


def read_label(field: str, kind: Kind, where: str) -> float:
    """A field of a table as the label of an endpoint.

    Raises:
        DataError: it is not a finite number, or not 0 or 1 for a binary endpoint; the message begins with `where`.
    """
    label = tables.finite(field, where)
    if kind == "binary" and label not in (0.0, 1.0):
        raise DataError(f"{where}: the label {field} is not 0 or 1")
    return label
