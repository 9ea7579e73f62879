"""Human drug-target interactions: what the files hold, and that they are read as they are."""

from __future__ import annotations

from collections import Counter

import pytest

from mmai_gym.sources import drugban

pytestmark = pytest.mark.data


def test_the_parts_have_their_published_sizes_and_both_labels() -> None:
    rows = drugban.interactions()
    assert Counter(row.part for row in rows) == {"train": 4_197, "valid": 600, "test": 1_200}
    assert {row.binds for row in rows} == {True, False}
    assert len({row.id for row in rows}) == len(rows)


def test_test_molecules_and_proteins_of_the_random_split_stand_in_its_training_part() -> None:
    rows = drugban.interactions()
    train, test = ([row for row in rows if row.part == part] for part in ("train", "test"))
    assert len({row.smiles for row in test} & {row.smiles for row in train}) == 434
    assert len({row.sequence for row in test} & {row.sequence for row in train}) == 581
