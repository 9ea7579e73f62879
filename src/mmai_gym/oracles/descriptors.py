"""Property oracles that RDKit can compute exactly: no model, no weights, no network."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, rdMolDescriptors

from mmai_gym.contracts import InvalidMolecule, UsageError
from mmai_gym.molecules import parse
from mmai_gym.oracles import plogp
from mmai_gym.oracles.qed import drug_likeness
from mmai_gym.oracles.sa import synthetic_accessibility

_RDKIT = f"rdkit-{rdBase.rdkitVersion}"


@dataclass(frozen=True)
class DescriptorOracle:
    """An oracle over one RDKit function, with a cache by SMILES.

    Attributes:
        name: how tasks and records call it.
        version: changes whenever its numbers may change; RDKit's release is part of it.
        units: '' for a dimensionless value.
        source: authors and year of the definition.
    """

    name: str
    units: str
    source: str
    function: Callable[[Chem.Mol], float]
    version: str = field(default=_RDKIT)

    def predict(self, smiles: Sequence[str]) -> npt.NDArray[np.float64]:
        """Values, shape (len(smiles),), in `units`; NaN where the text is not a molecule."""
        return np.array([_cached(self.name, text) for text in smiles], dtype=np.float64)

    def one(self, smiles: str) -> float:
        """The value of one molecule; NaN where the text is not a molecule."""
        return _cached(self.name, smiles)


@functools.lru_cache(maxsize=200_000)
def _cached(oracle: str, smiles: str) -> float:
    try:
        value = float(ORACLES[oracle].function(parse(smiles)))
    except InvalidMolecule:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _crippen_logp(mol: Chem.Mol) -> float:
    return rdMolDescriptors.CalcCrippenDescriptors(mol)[0]


def _molecular_weight(mol: Chem.Mol) -> float:
    return Descriptors.MolWt(mol)  # type: ignore[attr-defined]


ORACLES: Mapping[str, DescriptorOracle] = {
    oracle.name: oracle
    for oracle in (
        DescriptorOracle("qed", "", "Bickerton et al. 2012", drug_likeness),
        DescriptorOracle("logp", "", "Wildman and Crippen 1999", _crippen_logp),
        DescriptorOracle(
            "plogp",
            "",
            "Kusner et al. 2017; Jin et al. 2019",
            plogp.penalised_logp,
            f"{plogp.DEFINITION}-{_RDKIT}",
        ),
        DescriptorOracle("tpsa", "Å²", "Ertl et al. 2000", rdMolDescriptors.CalcTPSA),
        DescriptorOracle("sa", "", "Ertl and Schuffenhauer 2009", synthetic_accessibility),
        DescriptorOracle("molecular-weight", "Da", "average atomic masses", _molecular_weight),
        DescriptorOracle("h-bond-donors", "", "Lipinski et al. 1997", rdMolDescriptors.CalcNumHBD),
        DescriptorOracle("h-bond-acceptors", "", "Lipinski et al. 1997", rdMolDescriptors.CalcNumHBA),
        DescriptorOracle("rings", "", "smallest set of smallest rings", rdMolDescriptors.CalcNumRings),
    )
}


def get(name: str) -> DescriptorOracle:
    """The oracle called `name`.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    try:
        return ORACLES[name]
    except KeyError:
        raise UsageError(f"unknown oracle {name!r}; there are: {', '.join(ORACLES)}") from None
