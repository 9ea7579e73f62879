"""The overlaps of the public data sets, counted independently for the data mirror (RDKit 2026.09.1), come out the same.

Every figure is one row: a test set, what it is compared with, and how many of its rows are known there.
"""

from __future__ import annotations

import pytest
from small_tasks import quiet

from mmai_gym import tasks
from mmai_gym.audit import Audit, Exclusions, audit

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
