"""Property oracles that RDKit can compute exactly: no model, no network, and no weights but SA's fragment table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from mmai_gym.molecules import Mol
from mmai_gym.oracles import plogp, sa
from mmai_gym.oracles.base import RDKIT, FunctionModel, PropertyOracle
from mmai_gym.oracles.crippen import crippen_logp
from mmai_gym.oracles.qed import drug_likeness


def _molecular_weight(mol: Mol) -> float:
    return Descriptors.MolWt(mol)  # type: ignore[attr-defined]


@functools.cache
def _catalog(name: str) -> FilterCatalog:
    return FilterCatalog(FilterCatalogParams(getattr(FilterCatalogParams.FilterCatalogs, name)))


def _alerts(name: str, mol: Mol) -> float:
    """How many entries of one of RDKit's filter catalogs a molecule has."""
    return float(len(_catalog(name).GetMatches(mol)))


def _oracle(
    name: str,
    units: str,
    source: str,
    function: Callable[[Chem.Mol], float],
    version: str = RDKIT,
    checksum: str = "",
) -> PropertyOracle:
    return PropertyOracle(name, units, source, FunctionModel(name, function, version, checksum))


DESCRIPTORS: Mapping[str, PropertyOracle] = {
    oracle.name: oracle
    for oracle in (
        _oracle("qed", "", "Bickerton et al. 2012", drug_likeness),
        _oracle("logp", "", "Wildman and Crippen 1999", crippen_logp),
        _oracle(
            "plogp",
            "",
            "Kusner et al. 2017; Jin et al. 2019",
            plogp.penalised_logp,
            f"{plogp.DEFINITION}-{RDKIT}",
            sa.CHECKSUM,
        ),
        _oracle("tpsa", "Å²", "Ertl et al. 2000", rdMolDescriptors.CalcTPSA),
        _oracle("sa", "", "Ertl and Schuffenhauer 2009", sa.synthetic_accessibility, checksum=sa.CHECKSUM),
        _oracle("molecular-weight", "Da", "average atomic masses", _molecular_weight),
        _oracle("h-bond-donors", "", "Lipinski et al. 1997", rdMolDescriptors.CalcNumHBD),
        _oracle("h-bond-acceptors", "", "Lipinski et al. 1997", rdMolDescriptors.CalcNumHBA),
        _oracle("rings", "", "smallest set of smallest rings", rdMolDescriptors.CalcNumRings),
        _oracle("alerts-pains", "", "Baell and Holloway 2010", functools.partial(_alerts, "PAINS")),
        _oracle("alerts-brenk", "", "Brenk et al. 2008", functools.partial(_alerts, "BRENK")),
        _oracle("alerts-nih", "", "Jadhav et al. 2010; Doveston et al. 2015", functools.partial(_alerts, "NIH")),
    )
}
"""Oracles whose value follows from the structure by a documented rule."""
