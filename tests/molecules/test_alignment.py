from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from statistics import mean

import pytest

from mmai_gym.molecules import (
    MappedReaction,
    aligned_to_canonical,
    canonical,
    canonical_set,
    follow,
    preferred_cut,
    randomized,
    root_aligned,
)

_TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance over atom-level SMILES tokens."""
    left, right = _TOKEN.findall(first), _TOKEN.findall(second)
    row = list(range(len(right) + 1))
    for i, token in enumerate(left, start=1):
        above, row = row, [i]
        for j, other in enumerate(right, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (token != other)))
    return row[-1]


@pytest.fixture(scope="module")
def reactions(nci: list[str]) -> list[MappedReaction]:
    return [cut for cut in map(preferred_cut, nci) if cut is not None]


def test_alignment_never_changes_the_molecules(reactions: list[MappedReaction]) -> None:
    for seed, reaction in enumerate(reactions):
        for product, reactants in (aligned_to_canonical(reaction), root_aligned(reaction, seed)):
            assert ":" not in re.sub(r"\[[^\]:]*\]", "", product + reactants)
            assert canonical(product) == reaction.unmapped_product
            assert canonical_set(reactants) == reaction.unmapped_reactants


def test_the_canonical_form_is_canonical(reactions: list[MappedReaction]) -> None:
    for reaction in reactions:
        assert aligned_to_canonical(reaction)[0] == reaction.unmapped_product


def test_aligned_texts_are_closer_than_canonical_and_much_closer_than_random_ones(
    reactions: list[MappedReaction],
) -> None:
    aligned = mean(edit_distance(*aligned_to_canonical(reaction)) for reaction in reactions)
    rooted = mean(edit_distance(*root_aligned(reaction, 1)) for reaction in reactions)
    plain = mean(edit_distance(reaction.unmapped_product, reaction.unmapped_reactants) for reaction in reactions)
    shuffled = mean(
        edit_distance(randomized(reaction.unmapped_product, 1), randomized(reaction.unmapped_reactants, 2))
        for reaction in reactions
    )
    assert aligned < 0.7 * plain
    assert rooted < 0.5 * shuffled


def test_root_aligned_follows_its_seed(reactions: list[MappedReaction]) -> None:
    reaction = max(reactions, key=lambda one: len(one.product))
    assert root_aligned(reaction, 5) == root_aligned(reaction, 5)
    assert len({root_aligned(reaction, seed)[0] for seed in range(20)}) > 5


def test_a_leaving_group_stands_where_the_bond_was_cut() -> None:
    reaction = preferred_cut("CCCC(=O)N1CCOCC1")
    assert reaction is not None
    assert aligned_to_canonical(reaction) == ("CCCC(=O)N1CCOCC1", "CCCC(=O)O.N1CCOCC1")


def test_a_leaving_group_becomes_the_root_where_the_text_would_begin_at_the_cut() -> None:
    reaction = preferred_cut("C(C)(C)CC(C)OC(=O)CCC")
    assert reaction is not None
    product, reactants = next(
        pair for pair in (root_aligned(reaction, seed) for seed in range(200)) if pair[0].endswith("OC(=O)CCC")
    )
    assert reactants == product.replace("OC(=O)", "O.OC(=O)")


def test_stereo_is_kept_while_following() -> None:
    for seed in range(20):
        leader, follower = follow(
            "[CH3:1][C@H:2]([NH2:3])/[CH:4]=[CH:5]/[Cl:6]", "[CH3:1][C@H:2](O)/[CH:4]=[CH:5]/[Cl:6]", seed
        )
        assert canonical(leader) == canonical("C[C@H](N)/C=C/Cl")
        assert canonical(follower) == canonical("C[C@H](O)/C=C/Cl")


def test_a_molecule_that_shares_nothing_is_written_all_the_same() -> None:
    assert follow("[CH3:1][CH3:2]", "c1ccccc1O") == ("CC", follow("CC", "c1ccccc1O")[1])
    assert canonical(follow("CC", "c1ccccc1O")[1]) == canonical("c1ccccc1O")


@pytest.mark.data
def test_patent_reactions_with_stereo_are_aligned_exactly() -> None:
    mirror = os.environ.get("MMAI_GYM_MIRROR")
    pattern = "uta-smile/RetroXpert/*/data/USPTO50K/canonicalized_csv/test.csv"
    files = sorted(Path(mirror).glob(pattern)) if mirror else []
    if not files:
        pytest.skip("the USPTO-50k test file is not in MMAI_GYM_MIRROR")
    with files[0].open(encoding="utf-8") as handle:
        rows = [row["rxn_smiles"].split(">>") for row in csv.DictReader(handle)][::40]
    for seed, (reactants, product) in enumerate(rows):
        reaction = MappedReaction("uspto-50k", reactants, product)
        for texts in (aligned_to_canonical(reaction), root_aligned(reaction, seed)):
            assert canonical(texts[0]) == reaction.unmapped_product
            assert canonical_set(texts[1]) == reaction.unmapped_reactants
