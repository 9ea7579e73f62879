"""The gym's own model of the blood-brain barrier ranks molecules that it has not seen, and says where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmai_gym import lineage, tasks
from mmai_gym.contracts import UsageError
from mmai_gym.molecules import is_valid
from mmai_gym.oracles import bbb, get


def test_a_sedative_passes_and_a_sugar_does_not() -> None:
    diazepam, sucrose = get("bbb-own").predict(
        ["CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21", "OCC1OC(OC2(CO)OC(CO)C(O)C2O)C(O)C(O)C1O"]
    )
    assert diazepam > 0.9 and sucrose < 0.3


def test_it_may_label_what_is_scored_on_tdc_and_not_the_pairs_it_has_seen() -> None:
    lineage.check([bbb.MODEL.name], ["admet/bbb_martins", "functional-groups/fgbench-clean/bbbp/single/bool"])
    with pytest.raises(UsageError, match="bbb-own was trained on"):
        lineage.check([bbb.MODEL.name], ["functional-groups/fgbench/bbbp/single/bool"])


@pytest.mark.data
def test_its_ranking_of_the_test_part_is_the_recorded_one() -> None:
    from sklearn.metrics import roc_auc_score

    task = tasks.get("admet/bbb_martins")
    rows = [e for e in task.examples("test") if is_valid(e.inputs["smiles"])]
    found = roc_auc_score(
        [task.answer(e) == "yes" for e in rows], get("bbb-own").predict([e.inputs["smiles"] for e in rows])
    )
    record = Path(__file__).parents[2] / "docs" / "results" / "bbb.json"
    assert found == pytest.approx(json.loads(record.read_text(encoding="utf-8"))["test_auroc"], abs=2e-4)
