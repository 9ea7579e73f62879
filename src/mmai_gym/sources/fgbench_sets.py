"""What the eight property sets of FGBench measure, and how their labels are to be read.

The files number their labels from 0 and state no unit. Names, order and units are those of MoleculeNet (Wu et al. 2018),
from which the sets were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PropertySet:
    """One set.

    Attributes:
        kind: "class" (labels 0 and 1) or "value".
        unit: of a value, after conversion.
        verb: how a molecule relates to a class property in a question: it "shows" penetration, it "causes" disorders.
        properties: a name for each label, in the order of the label columns.
        pairs: rows of the table of pairs.
        endpoint: the TDC ADMET endpoint with the same measurements, or ''.
        slope, intercept: the unit's value is slope x label in the file + intercept.
        citation: the source of the measurements.
    """

    name: str
    kind: Literal["class", "value"]
    unit: str
    verb: str
    properties: tuple[str, ...]
    pairs: int
    endpoint: str
    citation: str
    slope: float = 1.0
    intercept: float = 0.0


TOX21_ASSAYS: Mapping[str, str] = {
    "NR-AR": "androgen_receptor_activation",
    "NR-AR-LBD": "androgen_receptor_LBD_activation",
    "NR-AhR": "aryl_hydrocarbon_receptor_activation",
    "NR-Aromatase": "aromatase_inhibition",
    "NR-ER": "estrogen_receptor_activation",
    "NR-ER-LBD": "estrogen_receptor_LBD_activation",
    "NR-PPAR-gamma": "PPAR-gamma_activation",
    "SR-ARE": "antioxidant_response_element_activation",
    "SR-ATAD5": "ATAD5_activation",
    "SR-HSE": "heat_shock_response_element_activation",
    "SR-MMP": "mitochondrial_membrane_potential_disruption",
    "SR-p53": "p53_activation",
}
"""Property names by the column names of MoleculeNet's Tox21 table, in its order."""

_SIDE_EFFECTS = (
    "hepatobiliary_disorders",
    "metabolism_and_nutrition_disorders",
    "product_issues",
    "eye_disorders",
    "abnormal_investigations",
    "musculoskeletal_disorders",
    "gastrointestinal_disorders",
    "adverse_social_circumstances",
    "immune_system_disorders",
    "reproductive_system_and_breast_disorders",
    "neoplasms",
    "general_and_administration_site_disorders",
    "endocrine_disorders",
    "complications_of_surgical_and_medical_procedures",
    "vascular_disorders",
    "blood_and_lymphatic_system_disorders",
    "skin_disorders",
    "congenital_disorders",
    "infections",
    "respiratory_disorders",
    "psychiatric_disorders",
    "renal_and_urinary_disorders",
    "pregnancy_and_perinatal_conditions",
    "ear_disorders",
    "cardiac_disorders",
    "nervous_system_disorders",
    "injury_and_procedural_complications",
)

_ALL = (
    PropertySet(
        "esol", "value", "log10 mol/L", "", ("aqueous_solubility",), 313, "solubility_aqsoldb", "Delaney 2004"
    ),
    # The file holds values scaled to mean 0 and variance 1.
    PropertySet(
        "freesolv",
        "value",
        "kcal/mol",
        "",
        ("hydration_free_energy",),
        141,
        "",
        "Mobley and Guthrie 2014",
        slope=3.8448222,
        intercept=-3.8030062,
    ),
    PropertySet(
        "lipo",
        "value",
        "log10 D",
        "",
        ("octanol-water_distribution_at_pH_7.4",),
        3706,
        "lipophilicity_astrazeneca",
        "AstraZeneca, deposited in ChEMBL",
    ),
    PropertySet("bace", "class", "", "shows", ("BACE-1_inhibition",), 6015, "", "Subramanian et al. 2016"),
    PropertySet(
        "bbbp",
        "class",
        "",
        "shows",
        ("blood-brain_barrier_penetration",),
        472,
        "bbb_martins",
        "Martins et al. 2012",
    ),
    PropertySet("clintox", "class", "", "has", ("FDA_approval",), 179, "", "Gayvert et al. 2016"),
    PropertySet(
        "tox21", "class", "", "shows", tuple(TOX21_ASSAYS.values()), 2820, "", "Tox21 data challenge 2014"
    ),
    PropertySet("sider", "class", "", "causes", _SIDE_EFFECTS, 199, "", "Kuhn et al. 2016"),
)

SETS: Mapping[str, PropertySet] = {entry.name: entry for entry in _ALL}
"""The sets by name. Of the published ones QM9 and HIV are missing: their files are too large for the mirror."""
