"""MoleculeNet tasks: the field's splits, pinned; rows without a label or a molecule counted; writing that tells nothing."""

from __future__ import annotations

import hashlib

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import SPLITS, Property
from mmai_gym.molecules import canonical, connectivity, murcko_scaffold
from mmai_gym.sources import moleculenet
from mmai_gym.tasks.moleculenet import parts
from mmai_gym.tasks.rendering import property_token

# Rows of train, valid and test, and the first digits of the sha256 of the parts written as t, v, s and - (unreadable).
SPLIT = {
    "bbbp": (1_631, 204, 204, "bd0dc7964eaa4556"),
    "bace": (1_210, 151, 152, "82157c5b3960c3bf"),
    "hiv": (32_896, 4_112, 4_112, "394c7b129f242511"),
    "esol": (902, 113, 113, "45d25e875a3abe23"),
    "freesolv": (513, 64, 65, "7f7a1b075365704e"),
    "lipo": (3_360, 420, 420, "f5c50763ec3054c0"),
    "clintox": (1_182, 148, 148, "59b5566a7247c76b"),
    "tox21": (6_258, 782, 783, "7efbbeab30de115f"),
    "sider": (1_141, 143, 143, "a6389a1badd467f1"),
    "qm7": (5_451, 667, 712, "77ed7ac5aa91ac36"),
    "qm8": (17_329, 2_247, 2_210, "f79e467f2d3482e3"),
}
LETTER = {"train": "t", "valid": "v", "test": "s", None: "-"}


def test_one_task_per_label_with_a_property_token_of_its_own() -> None:
    names = tasks.match("moleculenet")
    assert len(names) == 60
    tokens = [property_token(task.properties[0]) for task in map(tasks.get, tasks.names()) if task.properties]
    ours = [property_token(tasks.get(name).properties[0]) for name in names]
    assert len(set(ours)) == 60 and all(tokens.count(token) == 1 for token in ours)
    assert max(map(len, ours)) <= 64


def test_sizes_are_known_without_data_and_add_up() -> None:
    for name in tasks.match("moleculenet"):
        table = name.split("/")[1]
        sizes = tasks.get(name).sizes()
        if table == "tox21":
            assert sum(sizes.values()) < 7_823
        else:
            assert tuple(sizes[split] for split in SPLITS) == SPLIT[table][:3]


@pytest.mark.data
@pytest.mark.parametrize("table", SPLIT)
def test_the_split_is_the_pinned_one(table: str) -> None:
    placed = parts(table)
    *counts, digest = SPLIT[table]
    assert [placed.count(split) for split in SPLITS] == counts
    written = "".join(LETTER[part] for part in placed)
    assert hashlib.sha256(written.encode()).hexdigest()[:16] == digest
    assert len(placed) == len(moleculenet.table(table).ids)


@pytest.mark.data
@pytest.mark.parametrize("table", ["bace", "esol"])
def test_no_scaffold_is_in_two_parts(table: str) -> None:
    found: dict[str, set[object]] = {}
    for smiles, part in zip(moleculenet.table(table).smiles, parts(table), strict=True):
        found.setdefault(murcko_scaffold(smiles), set()).add(part)
    assert all(len(held) == 1 for held in found.values())


@pytest.mark.data
def test_repeated_molecules_of_qm8_are_on_one_side() -> None:
    table, placed = moleculenet.table("qm8"), parts("qm8")
    sides: dict[str, set[object]] = {}
    for smiles, part in zip(table.smiles, placed, strict=True):
        sides.setdefault(smiles, set()).add(part)
    assert len(sides) == 21_766
    assert all(len(held) == 1 for held in sides.values())


@pytest.mark.data
def test_what_is_left_out_is_counted() -> None:
    assert tasks.get("moleculenet/hiv").omitted() == {"SMILES that RDKit cannot read": 7}
    assert tasks.get("moleculenet/bace").omitted() == {}
    missing = 0
    for name in tasks.match("moleculenet/tox21"):
        task = tasks.get(name)
        omitted = task.omitted()
        assert omitted["SMILES that RDKit cannot read"] == 8
        assert sum(task.sizes().values()) + sum(omitted.values()) == 7_831
        missing += omitted["not measured"]
    unreadable = [part is None for part in parts("tox21")]
    cells = list(moleculenet.table("tox21").labels.values())
    hidden = sum(bad and value is None for label in cells for bad, value in zip(unreadable, label, strict=True))
    assert missing + hidden == 16_026


@pytest.mark.data
@pytest.mark.parametrize("name", [f"moleculenet/{name}" for name in moleculenet.LABELS])
def test_the_listed_sizes_are_those_of_the_splits_and_both_classes_are_tested(name: str) -> None:
    task = tasks.get(name)
    assert task.sizes() == {split: len(task.examples(split)) for split in SPLITS}
    if task.headline == "auroc":
        assert {row.label for row in task.rows("test")} == {"yes", "no"}


@pytest.mark.data
def test_molecules_are_shown_in_one_writing_and_known_by_their_row() -> None:
    table = moleculenet.table("clintox")
    known = dict(zip(table.ids, table.smiles, strict=True))
    toxic, approved = tasks.get("moleculenet/clintox/ct-tox"), tasks.get("moleculenet/clintox/fda-approved")
    for example, other in zip(toxic.examples("test"), approved.examples("test"), strict=True):
        assert example.id == other.id
        assert example.inputs["smiles"] == canonical(known[example.id])
    methane = tasks.get("moleculenet/qm7").examples("train")[0]
    assert methane.inputs["smiles"].count("[H]") == 0
    assert Property("mn-clintox-ct-tox") in toxic.question(toxic.examples("test")[0])
    assert connectivity(methane.inputs["smiles"])
