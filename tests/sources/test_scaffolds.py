"""A scaffold is on one side of a split, whatever molecule carries it and whatever else is in the set."""

from __future__ import annotations

from mmai_gym.sources.scaffolds import scaffold_fraction


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
