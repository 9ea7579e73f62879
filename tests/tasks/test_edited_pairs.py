"""The pairs that were searched: rebuilt from what is written down, better in every property, and apart by source."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from mmai_gym import lineage, tasks
from mmai_gym.contracts import Reason
from mmai_gym.molecules import canonical, tanimoto
from mmai_gym.tasks.edits import LETTERS, OWN, rebuilt, target_hash

NAMES = [f"optimization/edits/{letters.lower()}" for letters in LETTERS]
pytestmark = pytest.mark.data


@pytest.mark.parametrize("name", NAMES)
def test_every_part_has_pairs_and_the_gold_answers_better_every_property(name: str) -> None:
    task = tasks.get(name)
    for split in ("train", "valid", "test"):
        examples = task.examples(split)
        assert len(examples) == task.sizes()[split] > 0
        for example in examples[:: max(1, len(examples) // 12)]:
            verdict = task.verify(example, f"<answer>{task.answer(example)}</answer>")
            assert verdict.reason is Reason.CORRECT
            assert tanimoto(example.inputs["smiles"], str(task.answer(example))) >= 0.4
            written = task.augment(example, 5)
            assert canonical(written.inputs["smiles"]) == canonical(example.inputs["smiles"])
            assert canonical(str(written.gold)) == canonical(str(example.gold))
    assert task.omitted() == {}


def test_a_source_is_in_one_part_only() -> None:
    parts: dict[str, set[str]] = {}
    for name in NAMES:
        for split in ("train", "valid", "test"):
            for example in tasks.get(name).examples(split):
                parts.setdefault(canonical(example.inputs["smiles"]), set()).add(split)
    assert Counter(map(len, parts.values())).keys() == {1}


def test_the_question_is_that_of_mumo() -> None:
    task = tasks.get("optimization/edits/dpq")
    asked = [type(span) for span in task.question(task.examples("test")[0])]
    mumo = tasks.get("optimization/mumo/dpq")
    assert asked == [type(span) for span in mumo.question(mumo.examples("test")[0])]


def test_no_teacher_has_seen_the_test_molecules_of_a_benchmark() -> None:
    teachers = {teacher for name in NAMES for teacher in tasks.get(name).teachers}
    assert teachers == {oracle.teacher for oracle in OWN.values()}
    lineage.check(teachers, [*tasks.match("admet"), *tasks.match("functional-groups/fgbench-clean"), *NAMES])


def test_an_edit_that_gives_another_molecule_now_is_left_out_and_counted() -> None:
    row = ["CCCCO", [[0, 9]]]
    found = rebuilt(json.dumps([*row, "none"]))
    assert found is None
    from mmai_gym.molecules import edited, strip_maps

    _, after = edited("CCCCO", [(0, 9)]) or ("", "")
    assert rebuilt(json.dumps([*row, target_hash(strip_maps(after))])) is not None
