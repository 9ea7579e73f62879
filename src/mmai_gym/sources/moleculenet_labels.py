"""The 60 labels of the MoleculeNet files: what each column says, and the paper's metric for it (Wu et al. 2018).

A set with one label is named like its file ("bbbp"); a label of a set with several stands below it ("tox21/nr-ar").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mmai_gym.sources.endpoints import Endpoint, class_endpoint, value_endpoint

Rows = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Label:
    """One column of one file."""

    table: str
    column: str
    endpoint: Endpoint


_TOX21: Mapping[str, tuple[str, str, Rows]] = {
    "NR-AR": ("active at the androgen receptor", "the full androgen receptor", (5820, 723, 715)),
    "NR-AR-LBD": (
        "active at the ligand-binding domain of the androgen receptor",
        "the ligand-binding domain of the androgen receptor",
        (5500, 627, 624),
    ),
    "NR-AhR": ("active at the aryl hydrocarbon receptor", "the aryl hydrocarbon receptor", (5294, 619, 629)),
    "NR-Aromatase": ("an inhibitor of aromatase", "aromatase", (4783, 509, 523)),
    "NR-ER": ("active at the oestrogen receptor alpha", "the full oestrogen receptor alpha", (5078, 554, 554)),
    "NR-ER-LBD": (
        "active at the ligand-binding domain of the oestrogen receptor alpha",
        "the ligand-binding domain of the oestrogen receptor alpha",
        (5631, 664, 653),
    ),
    "NR-PPAR-gamma": (
        "active at the peroxisome proliferator-activated receptor gamma",
        "the peroxisome proliferator-activated receptor gamma",
        (5292, 576, 575),
    ),
    "SR-ARE": (
        "active at the antioxidant response element",
        "oxidative stress (antioxidant response element)",
        (4871, 473, 481),
    ),
    "SR-ATAD5": ("genotoxic in the ATAD5 assay", "damage to DNA (ATAD5)", (5729, 664, 672)),
    "SR-HSE": ("active at the heat shock response element", "heat shock (response element)", (5314, 574, 572)),
    "SR-MMP": (
        "one that lowers the mitochondrial membrane potential",
        "loss of the mitochondrial membrane potential",
        (4776, 508, 520),
    ),
    "SR-p53": ("one that activates p53", "damage to DNA (p53)", (5489, 648, 630)),
}

# Column of the file: (name here, words).
_SIDER: Mapping[str, tuple[str, str]] = {
    "Hepatobiliary_disorders": ("hepatobiliary", "hepatobiliary disorders"),
    "Metabolism_and_nutrition_disorders": ("metabolism", "disorders of metabolism and nutrition"),
    "Product_issues": ("product-issues", "product issues"),
    "Eye_disorders": ("eye", "eye disorders"),
    "Investigations": ("investigations", "abnormal results of medical investigations"),
    "Musculoskeletal_and_connective_tissue_disorders": (
        "musculoskeletal",
        "musculoskeletal and connective tissue disorders",
    ),
    "Gastrointestinal_disorders": ("gastrointestinal", "gastrointestinal disorders"),
    "Social_circumstances": ("social", "changes of social circumstances"),
    "Immune_system_disorders": ("immune", "disorders of the immune system"),
    "Reproductive_system_and_breast_disorders": (
        "reproductive",
        "disorders of the reproductive system and the breast",
    ),
    "Neoplasms_benign,_malignant_and_unspecified_(incl_cysts_and_polyps)": (
        "neoplasms",
        "neoplasms, cysts and polyps included",
    ),
    "General_disorders_and_administration_site_conditions": (
        "general",
        "general disorders and conditions at the site of administration",
    ),
    "Endocrine_disorders": ("endocrine", "endocrine disorders"),
    "Surgical_and_medical_procedures": ("procedures", "a need for surgical and medical procedures"),
    "Vascular_disorders": ("vascular", "vascular disorders"),
    "Blood_and_lymphatic_system_disorders": ("blood", "disorders of the blood and the lymphatic system"),
    "Skin_and_subcutaneous_tissue_disorders": ("skin", "disorders of the skin and the tissue below it"),
    "Congenital,_familial_and_genetic_disorders": ("congenital", "congenital, familial and genetic disorders"),
    "Infections_and_infestations": ("infections", "infections and infestations"),
    "Respiratory,_thoracic_and_mediastinal_disorders": (
        "respiratory",
        "respiratory, thoracic and mediastinal disorders",
    ),
    "Psychiatric_disorders": ("psychiatric", "psychiatric disorders"),
    "Renal_and_urinary_disorders": ("renal", "renal and urinary disorders"),
    "Pregnancy,_puerperium_and_perinatal_conditions": (
        "pregnancy",
        "conditions of pregnancy, puerperium and birth",
    ),
    "Ear_and_labyrinth_disorders": ("ear", "disorders of the ear and the labyrinth"),
    "Cardiac_disorders": ("cardiac", "cardiac disorders"),
    "Nervous_system_disorders": ("nervous", "disorders of the nervous system"),
    "Injury,_poisoning_and_procedural_complications": (
        "injury",
        "injury, poisoning and complications of procedures",
    ),
}

_QM8_METHODS: Mapping[str, str] = {
    "CC2": "coupled cluster (RI-CC2)",
    "PBE0": "time-dependent density functional theory (PBE0)",
    "CAM": "time-dependent density functional theory (CAM-B3LYP)",
}


def _tox21() -> Iterator[tuple[str, Label]]:
    for column, (what, target, rows) in _TOX21.items():
        name = column.lower()
        endpoint = class_endpoint(
            f"mn-tox21-{name}",
            "auroc",
            f"Is the molecule {what}?",
            f"Active in the Tox21 assay of {target}.",
            "Tox21 challenge 2014",
            rows,
        )
        yield f"tox21/{name}", Label("tox21", column, endpoint)


def _sider() -> Iterator[tuple[str, Label]]:
    for column, (name, words) in _SIDER.items():
        endpoint = class_endpoint(
            f"mn-sider-{name}",
            "auroc",
            f"Are {words} among the known side effects of the drug?",
            f"Reported after marketing: {words}.",
            "Kuhn et al. 2016",
            (1141, 143, 143),
        )
        yield f"sider/{name}", Label("sider", column, endpoint)


def _clintox() -> Iterator[tuple[str, Label]]:
    rows, citation = (1182, 148, 148), "Gayvert et al. 2016"
    approved = class_endpoint(
        "mn-clintox-fda-approved",
        "auroc",
        "Is the molecule approved by the FDA?",
        "Approved by the FDA.",
        citation,
        rows,
    )
    toxic = class_endpoint(
        "mn-clintox-ct-tox",
        "auroc",
        "Did the molecule fail in clinical trials because of toxicity?",
        "Failed in clinical trials because of toxicity.",
        citation,
        rows,
    )
    yield "clintox/fda-approved", Label("clintox", "FDA_APPROVED", approved)
    yield "clintox/ct-tox", Label("clintox", "CT_TOX", toxic)


def _qm8() -> Iterator[tuple[str, Label]]:
    quantities = {"E": ("excitation energy", "hartree"), "f": ("oscillator strength", "")}
    for method, words in _QM8_METHODS.items():
        for letter, (quantity, unit) in quantities.items():
            for state, ordinal in (("1", "first"), ("2", "second")):
                column = f"{letter}{state}-{method}"
                what = f"{quantity} of the {ordinal} singlet state by {words}"
                endpoint = value_endpoint(
                    f"mn-qm8-{column.lower()}",
                    "mae",
                    unit,
                    f"{what}, in hartree" if unit else what,
                    f"Computed {what}, in atomic units.",
                    "Ramakrishnan et al. 2015",
                    (17_329, 2247, 2210),
                )
                yield f"qm8/{column.lower()}", Label("qm8", column, endpoint)


_SINGLE = (
    Label(
        "bbbp",
        "p_np",
        class_endpoint(
            "mn-bbbp",
            "auroc",
            "Does the molecule cross the blood-brain barrier?",
            "Crosses the blood-brain barrier.",
            "Martins et al. 2012",
            (1631, 204, 204),
        ),
    ),
    Label(
        "bace",
        "Class",
        class_endpoint(
            "mn-bace",
            "auroc",
            "Does the molecule inhibit human beta-secretase 1?",
            "Inhibits human beta-secretase 1 (BACE-1); the potency itself is not in the file.",
            "Subramanian et al. 2016",
            (1210, 151, 152),
        ),
    ),
    Label(
        "hiv",
        "HIV_active",
        class_endpoint(
            "mn-hiv",
            "auroc",
            "Does the molecule inhibit the replication of HIV?",
            "Active or moderately active in the AIDS antiviral screen.",
            "AIDS antiviral screen 2004",
            (32_896, 4_112, 4_112),
        ),
    ),
    Label(
        "esol",
        "logSolubility",
        value_endpoint(
            "mn-esol",
            "rmse",
            "log10 mol/L",
            "solubility in water, as the decimal logarithm of mol/L",
            "Solubility in water.",
            "Delaney 2004",
            (902, 113, 113),
        ),
    ),
    Label(
        "freesolv",
        "freesolv",
        value_endpoint(
            "mn-freesolv",
            "rmse",
            "kcal/mol",
            "hydration free energy in water, in kcal/mol",
            "Free energy of transfer from the gas to water.",
            "Mobley and Guthrie 2014",
            (513, 64, 65),
        ),
    ),
    Label(
        "lipo",
        "lipo",
        value_endpoint(
            "mn-lipo",
            "rmse",
            "log10 D",
            "octanol-water distribution coefficient at pH 7.4, as its decimal logarithm",
            "Distribution between octanol and water at pH 7.4 (logD).",
            "AstraZeneca, deposited in ChEMBL",
            (3360, 420, 420),
        ),
    ),
    Label(
        "qm7",
        "u0_atom",
        value_endpoint(
            "mn-qm7",
            "mae",
            "kcal/mol",
            "atomization energy at 0 K by density functional theory (PBE0), in kcal/mol, negative for a bound molecule",
            "Computed energy of the molecule less that of its free atoms.",
            "Rupp et al. 2012",
            (5451, 667, 712),
        ),
    ),
)

LABELS: Mapping[str, Label] = {
    **{label.table: label for label in _SINGLE},
    **dict(_clintox()),
    **dict(_tox21()),
    **dict(_sider()),
    **dict(_qm8()),
}
"""Every label by name."""
