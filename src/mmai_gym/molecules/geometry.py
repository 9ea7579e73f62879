"""What can be said about a geometry: distances, handedness, shape, strain, and whether it can be one at all.

Two conformers are compared by heavy atoms, equivalent ones exchanged, as the field does. The validity report is
PoseBusters' (Buttenschoen et al., 2024), with one check more: that the stereo in space is the one the SMILES says.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdCIPLabeler, rdForceFieldHelpers, rdMolAlign, rdMolDescriptors

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.extras import require
from mmai_gym.molecules.conformer import Conformer, shows_its_stereo, to_mol
from mmai_gym.molecules.toolkit import Mol, shown

SHAPE_UNITS: Mapping[str, str] = {
    "radius_of_gyration": "Å",
    "asphericity": "",
    "eccentricity": "",
    "spherocity": "",
    "inertial_shape_factor": "mol/(g Å²)",
    "npr1": "",
    "npr2": "",
    "plane_of_best_fit": "Å",
}
"""The descriptors of `shape` and their units, '' where there is none."""

_RELAXATION_STEPS = 2_000
_MAX_MATCHES = 10_000


def distances(conformer: Conformer) -> npt.NDArray[np.float64]:
    """Distances of all atoms, shape (n, n), in Å."""
    points = conformer.coordinates
    return np.linalg.norm(points[:, None, :] - points[None, :, :], axis=-1)


def chirality(conformer: Conformer) -> dict[int, str]:
    """CIP label ('R', 'S', 'r', 's') of each stereocentre that the coordinates show, by atom (0-based).

    Labels by the algorithm of Hanson et al. (2018).

    Raises:
        InvalidMolecule: the atoms do not fit the SMILES.
    """
    mol = to_mol(conformer)
    Chem.AssignStereochemistryFrom3D(mol)
    rdCIPLabeler.AssignCIPLabels(mol)
    return {atom.GetIdx(): atom.GetProp("_CIPCode") for atom in mol.GetAtoms() if atom.HasProp("_CIPCode")}


def shape(conformer: Conformer) -> dict[str, float]:
    """Shape descriptors, named and in the units of SHAPE_UNITS: radius of gyration and its kin (Todeschini and
    Consonni, 2008), normalized principal moments of inertia (Sauer and Schwarz, 2003), plane of best fit (Firth et
    al., 2012; NaN for fewer than four heavy atoms).

    Raises:
        InvalidMolecule: the atoms do not fit the SMILES.
    """
    mol = to_mol(conformer)
    return {
        "radius_of_gyration": rdMolDescriptors.CalcRadiusOfGyration(mol),
        "asphericity": rdMolDescriptors.CalcAsphericity(mol),
        "eccentricity": rdMolDescriptors.CalcEccentricity(mol),
        "spherocity": rdMolDescriptors.CalcSpherocityIndex(mol),
        "inertial_shape_factor": rdMolDescriptors.CalcInertialShapeFactor(mol),
        "npr1": rdMolDescriptors.CalcNPR1(mol),
        "npr2": rdMolDescriptors.CalcNPR2(mol),
        "plane_of_best_fit": rdMolDescriptors.CalcPBF(mol) if mol.GetNumHeavyAtoms() > 3 else float("nan"),
    }


def best_rmsd(first: Conformer, second: Conformer) -> float:
    """RMSD of the heavy atoms in Å after the best superposition, over all ways to exchange equivalent atoms.

    Raises:
        InvalidMolecule: the two are not conformers of one molecule (stereo aside).
    """
    a, b = (Chem.RemoveHs(to_mol(each)) for each in (first, second))
    try:
        return float(rdMolAlign.GetBestRMS(a, b, maxMatches=_MAX_MATCHES))
    except RuntimeError as error:
        raise InvalidMolecule(f"{shown(first.smiles)} and {shown(second.smiles)} are not one molecule") from error


def strain_energy(conformer: Conformer) -> float:
    """How far the geometry lies above the nearest minimum, in kcal/mol: MMFF94 (Halgren, 1996), or UFF where MMFF94
    has no parameters.

    Raises:
        InvalidMolecule: the atoms do not fit the SMILES, or neither force field knows one of them.
    """
    mol = to_mol(conformer)
    field = _force_field(mol)
    if field is None:
        raise InvalidMolecule(f"no force field has parameters for {shown(conformer.smiles)}")
    field.Initialize()
    before = field.CalcEnergy()
    field.Minimize(maxIts=_RELAXATION_STEPS)
    return float(before - field.CalcEnergy())


def _force_field(mol: Mol) -> Any:
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
        return rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        return rdForceFieldHelpers.UFFGetMoleculeForceField(mol)
    return None


# --------------------------------------------------------------------------------------------------------- validity


@dataclass(frozen=True, slots=True)
class GeometryReport:
    """Checks by name: passed, failed, or None where PoseBusters could not tell."""

    checks: Mapping[str, bool | None]

    @property
    def valid(self) -> bool:
        """No check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(name for name, passed in self.checks.items() if passed is False)


def geometry_report(conformer: Conformer) -> GeometryReport:
    """PoseBusters' checks of a molecule by itself (bond lengths and angles, clashes, flat rings and double bonds,
    internal energy against an ensemble, ...), and `stereo`: the coordinates show the stereo that the SMILES names.

    The energies of the ensemble take about a second per molecule; further conformers of it are quick.

    Raises:
        MissingExtra: PoseBusters is not installed.
        InvalidMolecule: the atoms do not fit the SMILES.
    """
    require("posebusters", extra="structures")
    from posebusters import PoseBusters

    logging.getLogger("posebusters").addHandler(logging.NullHandler())  # what it warns of stands in the report
    row = PoseBusters(config="mol").bust([to_mol(conformer)]).iloc[0].to_dict()
    del row["mol_pred_loaded"]
    checks = {str(name): bool(value) if value in (True, False) else None for name, value in row.items()}
    return GeometryReport(checks | {"stereo": shows_its_stereo(conformer)})
