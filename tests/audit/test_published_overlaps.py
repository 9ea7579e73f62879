"""The overlaps of the public data sets, counted independently for the data mirror (RDKit 2026.09.1), come out the same.

Every figure is one row: a test set, what it is compared with, and how many of its rows are known there.
"""

from __future__ import annotations

from collections import Counter

import pytest
from small_tasks import quiet

from mmai_gym import tasks
from mmai_gym.audit import LISTS, Audit, Exclusions, Ledger, audit
from mmai_gym.audit.keys import dataset_name
from mmai_gym.audit.ledger import Part
from mmai_gym.audit.reading import Row, read
from mmai_gym.contracts import DataError
from mmai_gym.lineage import below
from mmai_gym.sources import uspto15k, uspto50k

pytestmark = [pytest.mark.data, pytest.mark.slow]

# Test rows, those in the endpoint's own train_val, and those in any other train_val of the group.
TDC = {
    "caco2_wang": (182, 0, 53),
    "hia_hou": (117, 0, 92),
    "pgp_broccatelli": (245, 0, 108),
    "bioavailability_ma": (128, 0, 122),
    "lipophilicity_astrazeneca": (840, 0, 333),
    "solubility_aqsoldb": (1997, 0, 472),
    "bbb_martins": (406, 1, 224),
    "ppbr_az": (559, 0, 367),
    "vdss_lombardo": (226, 0, 165),
    "cyp2c9_veith": (2419, 1, 2131),
    "cyp2d6_veith": (2626, 1, 2291),
    "cyp3a4_veith": (2467, 1, 2149),
    "cyp2c9_substrate_carbonmangels": (135, 0, 131),
    "cyp2d6_substrate_carbonmangels": (135, 0, 131),
    "cyp3a4_substrate_carbonmangels": (135, 0, 131),
    "half_life_obach": (135, 0, 126),
    "clearance_hepatocyte_az": (243, 0, 221),
    "clearance_microsome_az": (221, 0, 212),
    "ld50_zhu": (1478, 0, 394),
    "herg": (132, 6, 51),
    "ames": (1457, 3, 327),
    "dili": (96, 0, 84),
}

# Test rows of the first endpoint in the train_val of the second, a related one.
RELATED = [
    ("caco2_wang", "hia_hou", 10),
    ("caco2_wang", "pgp_broccatelli", 13),
    ("hia_hou", "bioavailability_ma", 44),
    ("hia_hou", "caco2_wang", 13),
    ("pgp_broccatelli", "caco2_wang", 17),
    ("pgp_broccatelli", "bbb_martins", 31),
    ("bioavailability_ma", "hia_hou", 48),
    ("lipophilicity_astrazeneca", "solubility_aqsoldb", 18),
    ("solubility_aqsoldb", "lipophilicity_astrazeneca", 70),
    ("bbb_martins", "pgp_broccatelli", 27),
    ("ppbr_az", "lipophilicity_astrazeneca", 240),
    ("vdss_lombardo", "half_life_obach", 106),
    ("cyp2c9_veith", "cyp2c9_substrate_carbonmangels", 27),
    ("cyp2d6_veith", "cyp2d6_substrate_carbonmangels", 47),
    ("cyp3a4_veith", "cyp3a4_substrate_carbonmangels", 34),
    ("cyp2c9_substrate_carbonmangels", "cyp2c9_veith", 40),
    ("cyp2d6_substrate_carbonmangels", "cyp2d6_veith", 39),
    ("cyp3a4_substrate_carbonmangels", "cyp3a4_veith", 31),
    ("half_life_obach", "vdss_lombardo", 100),
    ("clearance_hepatocyte_az", "clearance_microsome_az", 134),
    ("clearance_microsome_az", "clearance_hepatocyte_az", 102),
    ("ld50_zhu", "ames", 124),
    ("ames", "dili", 32),
    ("dili", "ames", 20),
    ("dili", "ld50_zhu", 21),
]


# Test rows of the endpoint in all of a labelled source, or in its training part (what the gym validates on included).
EXTERNAL: list[tuple[str, str, Part, int]] = [
    ("caco2_wang", "admet-external/biogen/mdr1-er", "train+valid", 1),
    ("pgp_broccatelli", "admet-external/biogen/mdr1-er", "train+valid", 3),
    ("lipophilicity_astrazeneca", "moleculenet/lipo", "whole", 840),
    ("lipophilicity_astrazeneca", "functional-groups/fgbench/lipo", "whole", 438),
    ("lipophilicity_astrazeneca", "admet-external/pharmabench/logd", "whole", 839),
    ("lipophilicity_astrazeneca", "admet-external/pharmabench/logd", "train+valid", 673),
    ("solubility_aqsoldb", "moleculenet/esol", "whole", 216),
    ("solubility_aqsoldb", "functional-groups/fgbench/esol", "whole", 49),
    ("solubility_aqsoldb", "admet-external/pharmabench/water_sol", "whole", 644),
    ("solubility_aqsoldb", "admet-external/pharmabench/water_sol", "train+valid", 484),
    ("solubility_aqsoldb", "admet-external/biogen/sol", "train+valid", 7),
    ("solubility_aqsoldb", "moleculenet/freesolv", "whole", 70),
    ("bbb_martins", "moleculenet/bbbp", "whole", 406),
    ("bbb_martins", "functional-groups/fgbench/bbbp", "whole", 104),
    ("bbb_martins", "admet-external/pharmabench/bbb", "whole", 377),
    ("bbb_martins", "admet-external/pharmabench/bbb", "train+valid", 328),
    ("ppbr_az", "admet-external/pharmabench/ppb", "whole", 7),
    ("ppbr_az", "admet-external/biogen/hppb", "train+valid", 412),
    ("ppbr_az", "admet-external/biogen/rppb", "train+valid", 259),
    ("cyp2c9_veith", "admet-external/pharmabench/cyp_2c9", "whole", 3),
    ("cyp2d6_veith", "admet-external/pharmabench/cyp_2d6", "whole", 4),
    ("cyp3a4_veith", "admet-external/pharmabench/cyp_3a4", "whole", 5),
    ("cyp2c9_substrate_carbonmangels", "admet-external/pharmabench/cyp_2c9", "whole", 4),
    ("cyp2d6_substrate_carbonmangels", "admet-external/pharmabench/cyp_2d6", "whole", 17),
    ("cyp3a4_substrate_carbonmangels", "admet-external/pharmabench/cyp_3a4", "whole", 11),
    ("clearance_hepatocyte_az", "admet-external/pharmabench/hum_mic_cl", "whole", 2),
    ("clearance_hepatocyte_az", "admet-external/pharmabench/rat_mic_cl", "whole", 1),
    ("clearance_hepatocyte_az", "admet-external/biogen/hlm", "train+valid", 6),
    ("clearance_hepatocyte_az", "admet-external/biogen/rlm", "train+valid", 6),
    ("clearance_microsome_az", "admet-external/pharmabench/hum_mic_cl", "whole", 1),
    ("clearance_microsome_az", "admet-external/biogen/hlm", "train+valid", 4),
    ("ld50_zhu", "moleculenet/clintox", "whole", 103),
    ("ld50_zhu", "tdc-clintox", "train", 103),
    ("ld50_zhu", "moleculenet/tox21", "whole", 428),
    ("herg", "admet-external/ion-channels/herg", "train+valid", 109),
    ("herg", "admet-external/ion-channels/nav1.5", "train+valid", 14),
    ("herg", "admet-external/ion-channels/cav1.2", "train+valid", 18),
    ("ames", "admet-external/pharmabench/ames", "whole", 1457),
    ("ames", "admet-external/pharmabench/ames", "train+valid", 1077),
    ("dili", "moleculenet/sider", "whole", 67),
    ("dili", "functional-groups/fgbench/sider", "whole", 13),
    ("dili", "moleculenet/clintox", "whole", 69),
    ("dili", "tdc-clintox", "train", 69),
]

# Test rows of the endpoint in any other train_val of the group or in any labelled file: all of the sources below, and of
# the Biogen sets, which have official test parts, what is not tested.
ANYWHERE = {
    "caco2_wang": 73,
    "hia_hou": 116,
    "pgp_broccatelli": 126,
    "bioavailability_ma": 126,
    "lipophilicity_astrazeneca": 840,
    "solubility_aqsoldb": 1084,
    "bbb_martins": 406,
    "ppbr_az": 546,
    "vdss_lombardo": 188,
    "cyp2c9_veith": 2153,
    "cyp2d6_veith": 2313,
    "cyp3a4_veith": 2168,
    "cyp2c9_substrate_carbonmangels": 133,
    "cyp2d6_substrate_carbonmangels": 133,
    "cyp3a4_substrate_carbonmangels": 133,
    "half_life_obach": 129,
    "clearance_hepatocyte_az": 230,
    "clearance_microsome_az": 218,
    "ld50_zhu": 654,
    "herg": 120,
    "ames": 1457,
    "dili": 89,
}
# The quantum-mechanical sets hold no measurements and were not among the files.
LABELLED = [
    "admet-external",
    *(
        f"moleculenet/{name}"
        for name in ("bace", "bbbp", "clintox", "esol", "freesolv", "hiv", "lipo", "sider", "tox21")
    ),
    "functional-groups/fgbench",
    "functional-groups/fgbench-clean",
    "activity/moleculeace",
    *(f"activity/{name}/random" for name in ("davis", "kiba", "metz")),
]

# Rows of the files of USPTO-15K whose product is one of the USPTO-50k test set, and one of its validation set.
PRODUCTS_OF_USPTO_15K = {"train": (58, 44), "valid": (6, 8), "test": (13, 16)}

# A training source, the test set it must not betray, and how many training rows it loses to each rule. The published
# count of USPTO-15K rows that are reactions of the test set is 52; products are compared by connectivity here, which finds
# more of them than canonical SMILES do (58).
LOST: list[tuple[str, str, dict[str, int]]] = [
    ("forward/uspto-15k", "retrosynthesis/uspto-50k", {"product": 69, "reaction": 52}),
    ("activity/kiba/random", "activity/davis/cold-drug", {"molecule": 207, "pair": 177}),
    ("activity/kiba/random", "activity/davis/cold-target", {"protein": 12_955, "pair": 138}),
    ("activity/metz/random", "activity/davis/cold-drug", {"molecule": 111, "pair": 73}),
    ("activity/metz/random", "activity/davis/cold-target", {"protein": 3_370, "pair": 116}),
    ("activity/metz/random", "activity/kiba/cold-drug", {"molecule": 4_673, "pair": 3_760}),
    ("activity/davis/random", "activity/davis/cold-drug", {"molecule": 4_376, "pair": 4_376, "row": 4_376}),
    ("activity/davis/random", "activity/kiba/cold-drug", {"molecule": 579, "pair": 207}),
]


@pytest.fixture(scope="module")
def tdc() -> Audit:
    return audit(["admet"], [], quiet)


def test_test_rows_of_the_endpoints_in_their_own_training_part_and_in_the_others(tdc: Audit) -> None:
    own = {found.test: found.train_valid for found in tdc.by_task if found.test == found.source}
    others = {found.test: (found.n_test, found.train_valid) for found in tdc.by_dataset}
    counted = {name: (*others[f"admet/{name}"], own.get(f"admet/{name}", 0)) for name in TDC}
    assert {name: (n, mine, rest) for name, (n, rest, mine) in counted.items()} == TDC


def test_test_rows_of_the_endpoints_in_related_ones(tdc: Audit) -> None:
    known = {(found.test, found.source): found.train_valid for found in tdc.by_task}
    counted = [(test, source, known[f"admet/{test}", f"admet/{source}"]) for test, source, _ in RELATED]
    assert counted == RELATED


def test_the_two_unreadable_rows_of_solubility_are_the_only_ones_that_cannot_be_compared(tdc: Audit) -> None:
    assert {held.name: held.unparsable for held in tdc.held if held.unparsable} == {"admet/solubility_aqsoldb": 2}


def test_repeated_molecules_with_differing_labels_are_counted(tdc: Audit) -> None:
    conflicts = {found.task: found for found in tdc.conflicts}
    assert conflicts["admet/ppbr_az"].same_smiles == 691
    assert conflicts["admet/herg"].across == 1


def test_no_official_training_row_is_lost_unless_strict_and_then_a_quarter_of_them(tdc: Audit) -> None:
    names = tasks.match("admet")
    official, strict = Exclusions(names), Exclusions(names, strict=True)
    lost: dict[str, int] = {}
    rows: dict[str, int] = {}
    for name in names:
        task = tasks.get(name)
        assert official.guard(task, quiet) is None
        guard = strict.guard(task, quiet)
        assert guard is not None
        examples = [example for split in ("train", "valid") for example in task.examples(split)]  # type: ignore[arg-type]
        rows[name] = len(examples)
        lost[name] = sum(map(bool, guard.reasons(examples)))
    assert (sum(lost.values()), sum(rows.values())) == (17_113, 65_430)  # 26 %
    substrates = [name for name in names if "substrate" in name]
    assert (sum(lost[name] for name in substrates), sum(rows[name] for name in substrates)) == (
        1_117,
        1_601,
    )  # 70 %


def test_the_training_reactions_of_uspto_50k_know_no_test_product_and_the_validation_set_seven() -> None:
    (found,) = audit(["retrosynthesis/uspto-50k"], [], quiet).reactions
    assert (found.train, found.train_contained, found.n_test) == (0, 0, 5_007)
    # Seven products and six reactions, one of which stands twice in the test set.
    assert (found.train_valid, found.train_valid_contained) == (8, 7)


# --------------------------------------------------------------------------------------------------- other data sets


@pytest.fixture(scope="module")
def labelled() -> Ledger:
    """The endpoints beside what they are compared with."""
    ledger = Ledger()
    for name, rows in read([name for prefix in ("admet", *LABELLED) for name in tasks.match(prefix)]):
        assert not isinstance(rows, DataError)
        ledger.enter(name, dataset_name(tasks.get(name)), rows)
    for name in ("tdc-clintox", "drugban-human"):
        ledger.enter(name, name, {"train": [Row.of(row) for row in LISTS[name].read()["train"]]})
    return ledger


def test_test_rows_of_the_endpoints_in_other_labelled_data_sets(labelled: Ledger) -> None:
    counted = [
        (endpoint, source, part, labelled.shared(f"admet/{endpoint}", _held(labelled, source), part))
        for endpoint, source, part, _ in EXTERNAL
    ]
    assert counted == EXTERNAL


def test_test_rows_of_the_endpoints_anywhere_else(labelled: Ledger) -> None:
    biogen = _held(labelled, "admet-external/biogen")
    labelled_files = set(labelled.holdings) - set(_held(labelled, "admet")) - set(biogen)
    for endpoint, expected in ANYWHERE.items():
        others = set(_held(labelled, "admet")) - {f"admet/{endpoint}"}
        known = labelled.known(others, "train+valid") | labelled.known(biogen, "train+valid")
        known |= labelled.known(labelled_files, "whole")
        found = labelled.holdings[f"admet/{endpoint}"].splits["test"].holding(known)
        assert (endpoint, found) == (endpoint, expected)


def _held(ledger: Ledger, prefix: str) -> list[str]:
    return [name for name in ledger.holdings if below(name, prefix)]


def test_test_reactions_of_uspto_50k_in_other_sources() -> None:
    sources = ["forward/uspto-15k", "chemllmbench/retrosynthesis"]
    found = audit(["retrosynthesis/uspto-50k"], sources, quiet).reactions
    counted = {overlap.source: (overlap.whole, overlap.whole_contained) for overlap in found}
    assert counted["forward/uspto-15k"] == (75, 69)
    assert counted["chemllmbench/retrosynthesis"][0] == 16


def test_products_of_uspto_15k_in_the_held_out_sets_of_uspto_50k() -> None:
    tested, validated = ({row.product for row in uspto50k.reactions(split)} for split in ("test", "valid"))  # type: ignore[arg-type]
    counted = {}
    for split in PRODUCTS_OF_USPTO_15K:
        products = [row.product for row in uspto15k.reactions(split)]  # type: ignore[arg-type]
        counted[split] = tuple(sum(product in held for product in products) for held in (tested, validated))
    assert counted == PRODUCTS_OF_USPTO_15K


@pytest.mark.parametrize(("source", "test", "by_rule"), LOST, ids=[f"{source} {test}" for source, test, _ in LOST])
def test_training_rows_that_a_source_loses(source: str, test: str, by_rule: dict[str, int]) -> None:
    task = tasks.get(source)
    guard = Exclusions([test]).guard(task, quiet)
    assert guard is not None
    reasons = guard.reasons(task.examples("train"))
    assert Counter(rule for row in reasons for rule, _ in row) == by_rule
