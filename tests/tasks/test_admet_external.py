"""External ADMET tasks: official test parts, a validation part by scaffold, no row lost without being counted."""

from __future__ import annotations

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import SPLITS
from mmai_gym.molecules import murcko_scaffold
from mmai_gym.sources import biogen, pharmabench
from mmai_gym.tasks.measurement import covering_grid, number_grid
from mmai_gym.tasks.rendering import chat_prompt, property_token

NAMES = tasks.match("admet-external")


def test_there_are_twenty_tasks_and_their_properties_are_not_those_of_tdc() -> None:
    assert len(NAMES) == 11 + 6 + 3
    tokens = {property_token(tasks.get(name).properties[0]) for name in NAMES}
    assert len(tokens) == 20 and max(map(len, tokens)) <= 64
    assert not tokens & {property_token(tasks.get(name).properties[0]) for name in tasks.match("admet")}


def test_the_headlines_are_those_of_the_protocols() -> None:
    headlines = {name.removeprefix("admet-external/"): tasks.get(name).headline for name in NAMES}
    assert {headlines[name] for name in headlines if name.startswith("biogen/")} == {"pearson"}
    assert {headlines[name] for name in headlines if name.startswith("ion-channels/")} == {"rmse"}
    assert {name for name in headlines if headlines[name] == "auroc"} == {"pharmabench/ames", "pharmabench/bbb"}
    assert {name for name in headlines if headlines[name] == "spearman"} == {
        f"pharmabench/cyp_{number}" for number in ("2c9", "2d6", "3a4")
    }


def test_the_covering_grid_leaves_no_label_without_a_step() -> None:
    labels = [*(5.0 + i / 500 for i in range(1000)), 0.02, 12.0]
    plain, covering = number_grid(labels), covering_grid(labels)
    assert plain[0] > 5.0 and plain[-1] < 7.0  # the tails are lost
    assert covering[0] == 0.02 and covering[-1] == 12.0
    assert len(covering) <= 50 and list(covering) == sorted(set(covering))
    step = (12.0 - 0.02) / 24
    assert all(min(abs(label - centre) for centre in covering) <= step / 2 for label in labels)
    assert covering_grid([1.0] * 30) == (1.0,)


def test_the_grids_of_tdc_stay_those_that_checkpoints_were_trained_with() -> None:
    assert {tasks.get(name).grid_of for name in tasks.match("admet")} == {number_grid}
    assert {tasks.get(name).grid_of for name in NAMES} == {covering_grid}


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_the_listed_sizes_are_those_of_the_splits(name: str) -> None:
    task = tasks.get(name)
    ids = {split: [example_id.id for example_id in task.rows(split)] for split in SPLITS}
    assert task.sizes() == {split: len(found) for split, found in ids.items()}
    assert len({id_ for found in ids.values() for id_ in found}) == sum(task.sizes().values())
    unmarked = {"marked neither as training nor as validation": 2}
    assert task.omitted() == (unmarked if name.endswith("nav1.5") else {})


@pytest.mark.data
def test_the_test_part_is_the_official_one_row_by_row() -> None:
    official = [row.id for row in pharmabench.molecules("cyp_2c9") if row.scaffold_part == "test"]
    assert [row.id for row in tasks.get("admet-external/pharmabench/cyp_2c9").rows("test")] == official
    assert [row.id for row in tasks.get("admet-external/biogen/rppb").rows("test")] == [
        row.id for row in biogen.molecules("rppb", "test")
    ]


@pytest.mark.data
@pytest.mark.parametrize("name", ["pharmabench/cyp_2c9", "biogen/rppb"])
def test_no_ring_scaffold_both_trains_and_validates(name: str) -> None:
    task = tasks.get(f"admet-external/{name}")
    train, valid = (
        {murcko_scaffold(row.smiles) for row in task.rows(split)} - {""} for split in ("train", "valid")
    )
    assert train and valid and not train & valid


@pytest.mark.data
def test_a_question_names_the_quantity_and_the_unit() -> None:
    task = tasks.get("admet-external/pharmabench/cyp_2c9")
    text = chat_prompt(task.question(task.examples("test")[0]))
    assert "cytochrome P450 2C9, in uM" in text and "a number in uM" in text
