"""A scaffold is on one side of a split, whatever molecule carries it and whatever else is in the set."""

from __future__ import annotations

import pytest

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.sources.scaffolds import molecule_fraction, scaffold_fraction, scaffold_split


def test_molecules_of_one_scaffold_share_their_fraction() -> None:
    naphthalenes = ["Cc1cccc2ccccc12", "c1ccc2cc(CCCN)ccc2c1", "OC(=O)c1ccc2ccccc2c1"]
    assert len({scaffold_fraction(smiles) for smiles in naphthalenes}) == 1
    assert scaffold_fraction("c1ccc2ncccc2c1") != scaffold_fraction(naphthalenes[0])


def test_stereo_does_not_part_a_series() -> None:
    assert scaffold_fraction("C[C@@H]1CCCN1c1ccncc1") == scaffold_fraction("C[C@H]1CCCN1c1ccncc1")


def test_acyclic_molecules_are_spread_by_their_connectivity() -> None:
    fractions = [scaffold_fraction("C" * n + "O") for n in range(1, 200)]
    assert len(set(fractions)) == len(fractions)
    assert 0.3 < sum(fractions) / len(fractions) < 0.7
    assert scaffold_fraction("C[C@H](N)C(=O)O") == scaffold_fraction("C[C@@H](N)C(=O)O")


def test_a_lone_benzene_ring_and_unreadable_text_always_train() -> None:
    assert [scaffold_fraction(text, seed) for text in ("Cc1ccccc1", "C1CC", "") for seed in range(3)] == [0.0] * 9


def test_another_seed_makes_another_split() -> None:
    assert scaffold_fraction("c1ccc2ccccc2c1", 0) != scaffold_fraction("c1ccc2ccccc2c1", 1)


def test_the_hash_is_frozen() -> None:
    # A change here moves molecules between training and test parts: published numbers would no longer compare.
    assert round(scaffold_fraction("c1ccc2ccccc2c1"), 9) == 0.118954804


def test_the_scaffold_split_fills_the_parts_from_the_largest_group_down() -> None:
    # 5 + 3 rows fill 80 %; of the two single ones the later is taken first.
    assert scaffold_split(["a", "b", "a", "b", "c", "a", "b", "a", "d", "a"]) == (
        "train", "train", "train", "train", "test", "train", "train", "train", "valid", "train",
    )  # fmt: skip


def test_a_group_that_does_not_fit_goes_on_and_a_smaller_one_still_trains() -> None:
    parts = scaffold_split(["a"] * 7 + ["b"] * 2 + ["c"])
    assert parts == ("train",) * 7 + ("valid",) * 2 + ("train",)


def test_one_scaffold_alone_cannot_be_split() -> None:
    assert set(scaffold_split([""] * 20)) == {"test"}  # as the original does: it fits into no other part
    assert scaffold_split([]) == ()


def test_rows_of_one_molecule_share_their_fraction_whatever_the_stereo_and_the_writing() -> None:
    same = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(O)=O", "[H]C(C)(N)C(=O)O"]
    assert len({molecule_fraction(smiles) for smiles in same}) == 1
    assert molecule_fraction("CCO") != molecule_fraction("CCN")
    assert molecule_fraction("CCO", 0) != molecule_fraction("CCO", 1)
    with pytest.raises(InvalidMolecule):
        molecule_fraction("C1CC")
