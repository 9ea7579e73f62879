"""The 22 endpoints of the TDC ADMET benchmark group, and the metric of the public leaderboard for each.

Mean absolute error where the scale is even, Spearman's rank correlation where a few values dwarf the rest, AUROC for
classes, and AUPRC for the classes in which positives are few (Huang et al. 2021).
"""

from __future__ import annotations

from collections.abc import Mapping

from mmai_gym.sources.endpoints import Endpoint, Metric, class_endpoint, value_endpoint

# Rows of train_val, of its part valid under seed 0, and of test.
_ROWS = {
    "caco2_wang": (728, 90, 182),
    "hia_hou": (461, 55, 117),
    "pgp_broccatelli": (973, 184, 245),
    "bioavailability_ma": (512, 60, 128),
    "lipophilicity_astrazeneca": (3360, 394, 840),
    "solubility_aqsoldb": (7985, 851, 1997),
    "bbb_martins": (1624, 161, 406),
    "ppbr_az": (2231, 224, 559),
    "vdss_lombardo": (904, 110, 226),
    "cyp2c9_substrate_carbonmangels": (534, 63, 135),
    "cyp2d6_substrate_carbonmangels": (532, 52, 135),
    "cyp3a4_substrate_carbonmangels": (535, 63, 135),
    "half_life_obach": (532, 61, 135),
    "clearance_hepatocyte_az": (970, 124, 243),
    "clearance_microsome_az": (881, 101, 221),
    "ld50_zhu": (5907, 609, 1478),
    "herg": (523, 76, 132),
    "ames": (5821, 667, 1457),
    "dili": (379, 51, 96),
    "cyp2c9_veith": (9673, 1268, 2419),
    "cyp2d6_veith": (10504, 1453, 2626),
    "cyp3a4_veith": (9861, 1246, 2467),
}


def _parts(name: str) -> tuple[int, int, int]:
    train_val, valid, test = _ROWS[name]
    return train_val - valid, valid, test


def _class(name: str, metric: Metric, question: str, meaning: str, citation: str) -> Endpoint:
    return class_endpoint(name, metric, question, meaning, citation, _parts(name))


def _value(name: str, metric: Metric, unit: str, quantity: str, meaning: str, citation: str) -> Endpoint:
    return value_endpoint(name, metric, unit, quantity, meaning, citation, _parts(name))


_AZ = "AstraZeneca, deposited in ChEMBL"

_ALL = (
    # Absorption
    _value(
        "caco2_wang",
        "mae",
        "log10 cm/s",
        "permeability through a layer of Caco-2 cells, as the decimal logarithm of cm/s",
        "Apparent permeability through human colon carcinoma cells, a model of the intestinal wall.",
        "Wang et al. 2016",
    ),
    _class(
        "hia_hou",
        "auroc",
        "Is the molecule absorbed well by the human intestine?",
        "Well absorbed by the human intestine.",
        "Hou et al. 2007",
    ),
    _class(
        "pgp_broccatelli",
        "auroc",
        "Does the molecule inhibit P-glycoprotein?",
        "Inhibits the efflux pump P-glycoprotein (ABCB1).",
        "Broccatelli et al. 2011",
    ),
    _class(
        "bioavailability_ma",
        "auroc",
        "Is the oral bioavailability of the molecule in humans high?",
        "High oral bioavailability in humans, by the threshold of the source.",
        "Ma et al. 2008",
    ),
    _value(
        "lipophilicity_astrazeneca",
        "mae",
        "log10 D",
        "octanol-water distribution coefficient at pH 7.4, as its decimal logarithm",
        "Distribution between octanol and water at pH 7.4 (logD).",
        _AZ,
    ),
    _value(
        "solubility_aqsoldb",
        "mae",
        "log10 mol/L",
        "solubility in water, as the decimal logarithm of mol/L",
        "Solubility in water.",
        "Sorkun et al. 2019",
    ),
    # Distribution
    _class(
        "bbb_martins",
        "auroc",
        "Does the molecule cross the blood-brain barrier?",
        "Crosses the blood-brain barrier.",
        "Martins et al. 2012",
    ),
    _value(
        "ppbr_az",
        "mae",
        "% bound",
        "share bound to human plasma proteins, in percent",
        "Share of the compound bound to plasma proteins.",
        _AZ,
    ),
    _value(
        "vdss_lombardo",
        "spearman",
        "L/kg",
        "volume of distribution at steady state in humans, in L/kg",
        "Volume of distribution at steady state after intravenous dosing in humans.",
        "Lombardo and Jing 2016",
    ),
    # Metabolism
    *(
        _class(
            f"cyp{number}_veith",
            "auprc",
            f"Does the molecule inhibit cytochrome P450 {number.upper()}?",
            f"Inhibits the enzyme CYP{number.upper()}.",
            "Veith et al. 2009",
        )
        for number in ("2c9", "2d6", "3a4")
    ),
    _class(
        "cyp2c9_substrate_carbonmangels",
        "auprc",
        "Is the molecule a substrate of cytochrome P450 2C9?",
        "Metabolised by the enzyme CYP2C9.",
        "Carbon-Mangels and Hutter 2011",
    ),
    _class(
        "cyp2d6_substrate_carbonmangels",
        "auprc",
        "Is the molecule a substrate of cytochrome P450 2D6?",
        "Metabolised by the enzyme CYP2D6.",
        "Carbon-Mangels and Hutter 2011",
    ),
    _class(
        "cyp3a4_substrate_carbonmangels",
        "auroc",
        "Is the molecule a substrate of cytochrome P450 3A4?",
        "Metabolised by the enzyme CYP3A4.",
        "Carbon-Mangels and Hutter 2011",
    ),
    # Excretion
    _value(
        "half_life_obach",
        "spearman",
        "h",
        "half-life in humans, in hours",
        "Terminal half-life after intravenous dosing in humans.",
        "Obach et al. 2008",
    ),
    _value(
        "clearance_hepatocyte_az",
        "spearman",
        "uL/min/10^6 cells",
        "intrinsic clearance by hepatocytes, in uL per minute and million cells",
        "Intrinsic clearance in a suspension of hepatocytes; limits of the assay at 3 and 150.",
        _AZ,
    ),
    _value(
        "clearance_microsome_az",
        "spearman",
        "mL/min/g",
        "intrinsic clearance by liver microsomes, in mL per minute and gram",
        "Intrinsic clearance in liver microsomes; limits of the assay at 3 and 150.",
        _AZ,
    ),
    # Toxicity
    _value(
        "ld50_zhu",
        "mae",
        "-log10 mol/kg",
        "acute toxicity in rats (LD50), as minus the decimal logarithm of mol/kg",
        "Dose that kills half of the rats; a higher value is more toxic.",
        "Zhu et al. 2009",
    ),
    _class(
        "herg",
        "auroc",
        "Does the molecule block the hERG potassium channel?",
        "Blocks the hERG potassium channel, a cause of cardiac arrhythmia.",
        "Wang et al. 2016",
    ),
    _class(
        "ames",
        "auroc",
        "Is the molecule mutagenic in the Ames test?",
        "Mutagenic in the Ames test with bacteria.",
        "Xu et al. 2012",
    ),
    _class(
        "dili",
        "auroc",
        "Does the molecule injure the human liver?",
        "Causes drug-induced liver injury in humans.",
        "Xu et al. 2015",
    ),
)

ENDPOINTS: Mapping[str, Endpoint] = {endpoint.name: endpoint for endpoint in _ALL}
"""The 22 endpoints by name, in the order absorption, distribution, metabolism, excretion, toxicity."""
