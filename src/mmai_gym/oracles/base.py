"""What an oracle is made of: a property model that computes, memory and disk that remember, and one oracle per property.

A model may compute many properties at once (ADMET-AI: 31 in one pass), and a task asks for them one by one. So what is
remembered is the model's whole row of a molecule: the second property of the same molecule costs nothing. A failure is NaN
and never a made-up number, and what went wrong is kept beside it.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
import numpy.typing as npt
from rdkit import rdBase

from mmai_gym.contracts import InvalidMolecule, Oracle
from mmai_gym.molecules import Mol, shared
from mmai_gym.oracles.cache import Disk, Memory, Row

RDKIT = f"rdkit-{rdBase.rdkitVersion}"
"""Part of every version: atoms, rings and aromaticity are RDKit's."""


class PropertyModel(ABC):
    """Computes one or several properties of a molecule, and remembers its rows.

    Attributes:
        name: what lineage and records call the model.
        version: changes whenever a number may change; RDKit's release is part of it.
        checksum: first 12 hex digits of the sha256 of the weights or tables; '' where code alone decides.
        properties: names of the columns.
    """

    name: str
    version: str
    checksum: str = ""
    properties: tuple[str, ...]

    def __init__(self, memory: Memory, disk: Disk | None = None) -> None:
        self._memory = memory
        self._disk = disk

    @abstractmethod
    def compute(self, mols: Sequence[Mol]) -> npt.NDArray[np.floating]:
        """Values of parsed molecules, shape (len(mols), len(properties)).

        The molecules are shared with others and must not be changed.

        Raises:
            ArithmeticError, RuntimeError, ValueError: one of them has no value, by its reason.
            DataError: weights or tables are missing or damaged.
        """

    def rows(self, smiles: Sequence[str]) -> list[Row]:
        """The row of each molecule, in order; equal texts are computed once, and what is remembered not at all."""
        found = self._memory.find(smiles)
        if missing := [text for text in dict.fromkeys(smiles) if text not in found]:
            stored = self._disk.find(missing) if self._disk else {}
            computed = dict(self._computed([text for text in missing if text not in stored]))
            if self._disk and computed:
                self._disk.keep(computed)
            self._memory.keep(stored | computed)
            found |= stored | computed
        return [found[text] for text in smiles]

    def _computed(self, smiles: Sequence[str]) -> Iterable[tuple[str, Row]]:
        readable: list[tuple[str, Mol]] = []
        for text in smiles:
            try:
                readable.append((text, shared(text)))
            except InvalidMolecule as error:
                yield text, self._failed(str(error))
        if readable:
            yield from zip([text for text, _ in readable], self._values([mol for _, mol in readable]), strict=True)

    def _values(self, mols: Sequence[Mol]) -> list[Row]:
        """Rows of parsed molecules; one that fails is found by halves, so that its neighbours are unharmed."""
        try:
            return [self._row(values) for values in self.compute(mols).tolist()]
        except (ArithmeticError, RuntimeError, ValueError) as error:
            if len(mols) == 1:
                return [self._failed(f"{type(error).__name__}: {error}")]
            half = len(mols) // 2
            return self._values(mols[:half]) + self._values(mols[half:])

    def _row(self, values: list[float]) -> Row:
        faults = [
            (name, value) for name, value in zip(self.properties, values, strict=True) if not isfinite(value)
        ]
        if not faults:
            return Row(tuple(values))
        reason = ", ".join(f"{name} is {value}" for name, value in faults)
        return Row(tuple(value if isfinite(value) else nan for value in values), reason)

    def _failed(self, reason: str) -> Row:
        return Row((nan,) * len(self.properties), reason)


@dataclass(frozen=True)
class PropertyOracle:
    """One property of a model; `contracts.Oracle`.

    Attributes:
        name: how tasks and records call it.
        units: '' for a dimensionless value.
        source: authors and year of the definition.
        model: what computes it.
        column: its place in the model's row.
    """

    name: str
    units: str
    source: str
    model: PropertyModel
    column: int = 0

    @property
    def version(self) -> str:
        """The model's."""
        return self.model.version

    @property
    def checksum(self) -> str:
        """The model's."""
        return self.model.checksum

    @property
    def teacher(self) -> str:
        """The model's name, by which `lineage` knows what it has seen."""
        return self.model.name

    def predict(self, smiles: Sequence[str]) -> npt.NDArray[np.float64]:
        """Values, shape (len(smiles),), in `units`; NaN where there is none, which `reason` explains."""
        rows = self.model.rows(smiles)
        return np.array([row.values[self.column] for row in rows], dtype=np.float64)

    def one(self, smiles: str) -> float:
        """The value of one molecule; NaN where there is none."""
        return self.model.rows((smiles,))[0].values[self.column]

    def reason(self, smiles: str) -> str:
        """Why a molecule has no value, or ''."""
        (row,) = self.model.rows((smiles,))
        return "" if isfinite(row.values[self.column]) else row.reason


class FunctionModel(PropertyModel):
    """A model of one property that a function of the molecule gives, one molecule after the other."""

    def __init__(
        self, name: str, function: Callable[[Mol], float], version: str = RDKIT, checksum: str = ""
    ) -> None:
        super().__init__(Memory())
        self.name, self.version, self.checksum = name, version, checksum
        self.properties = (name,)
        self._function = function

    def compute(self, mols: Sequence[Mol]) -> npt.NDArray[np.float64]:
        return np.array([[self._function(mol)] for mol in mols], dtype=np.float64)


@functools.cache
def _stamp(name: str, version: str, checksum: str) -> str:
    return f"{name}@{version}" + (f"#{checksum}" if checksum else "")


def stamp(oracle: Oracle) -> str:
    """Name, version and checksum in one word, as verdicts carry them: `ames@admet-ai-2.0.1-2-rdkit-2026.09.1#0123`."""
    return _stamp(oracle.name, oracle.version, oracle.checksum)
