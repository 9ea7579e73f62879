"""Atom maps: known reactions get the map that a chemist draws, and what cannot be mapped says why."""

from __future__ import annotations

import re
from statistics import mean

import pytest

from mmai_gym.molecules import (
    MappedReaction,
    aligned_to_canonical,
    canonical,
    canonical_set,
    map_reaction,
    parse,
    randomized,
    reaction_centre,
    root_aligned,
    strip_maps,
)
from mmai_gym.molecules.mapping import MAX_ATOMS
from mmai_gym.sources import uspto50k

# Reactants and product with the maps of a chemist; an atom without a number leaves.
KNOWN = {
    "amide coupling": "O[C:2](=[O:3])[CH3:1].[NH2:4][CH2:5][CH3:6]>>[CH3:1][C:2](=[O:3])[NH:4][CH2:5][CH3:6]",
    "Suzuki coupling": (
        "Br[c:1]1[cH:2][cH:3][n:4][cH:5][cH:6]1.OB(O)[c:7]1[cH:8][cH:9][cH:10][cH:11][cH:12]1"
        ">>[c:1]1(-[c:7]2[cH:8][cH:9][cH:10][cH:11][cH:12]2)[cH:2][cH:3][n:4][cH:5][cH:6]1"
    ),
    "Boc removal": (
        "CC(C)(C)OC(=O)[N:1]1[CH2:2][CH2:3][O:4][CH2:5][CH2:6]1>>[NH:1]1[CH2:2][CH2:3][O:4][CH2:5][CH2:6]1"
    ),
    "ester hydrolysis": "C[O:4][C:2](=[O:3])[CH2:1][Cl:5]>>[CH2:1]([C:2](=[O:3])[OH:4])[Cl:5]",
    "Fischer esterification": (
        "O[C:1](=[O:2])[CH2:3][Cl:4].[OH:5][CH2:6][CH3:7]>>[C:1](=[O:2])([CH2:3][Cl:4])[O:5][CH2:6][CH3:7]"
    ),
    "Williamson ether synthesis": (
        "Br[CH2:1][CH3:2].[OH:3][c:4]1[cH:5][cH:6][cH:7][cH:8][cH:9]1"
        ">>[CH2:1]([CH3:2])[O:3][c:4]1[cH:5][cH:6][cH:7][cH:8][cH:9]1"
    ),
    "ring formation: thiazole of Hantzsch": (
        "Br[CH2:1][C:2](=O)[CH3:3].[NH2:4][C:5](=[S:6])[CH3:7]>>[cH:1]1[c:2]([CH3:3])[n:4][c:5]([CH3:7])[s:6]1"
    ),
    "ring formation: Diels-Alder reaction": (
        "[CH2:1]=[CH:2][CH:3]=[CH2:4].[CH2:5]=[CH:6][C:7]#[N:8]"
        ">>[CH2:1]1[CH:2]=[CH:3][CH2:4][CH:6]([C:7]#[N:8])[CH2:5]1"
    ),
    "reduction of a nitro group": (
        "O=[N+:1]([O-])[c:2]1[cH:3][cH:4][cH:5][cH:6][cH:7]1>>[NH2:1][c:2]1[cH:3][cH:4][cH:5][cH:6][cH:7]1"
    ),
    "aldol of a silyl enol ether": (
        "C[Si](C)(C)[O:1][C:2]([CH3:3])=[CH2:4].[O:5]=[CH:6][c:7]1[cH:8][cH:9][cH:10][cH:11][cH:12]1"
        ">>[O:1]=[C:2]([CH3:3])[CH2:4][CH:6]([OH:5])[c:7]1[cH:8][cH:9][cH:10][cH:11][cH:12]1"
    ),
    "Wittig olefination": (
        "[CH:1]([C:2]#[N:3])=P(c1ccccc1)(c1ccccc1)c1ccccc1.O=[CH:4][CH2:5][CH3:6]"
        ">>[CH:1]([C:2]#[N:3])=[CH:4][CH2:5][CH3:6]"
    ),
    "cleavage of a methyl ether": "C[O:1][c:2]1[cH:3][cH:4][n:5][cH:6][cH:7]1>>[OH:1][c:2]1[cH:3][cH:4][n:5][cH:6][cH:7]1",
}


def known(name: str) -> MappedReaction:
    return MappedReaction("known", *KNOWN[name].split(">>"))


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_reaction_gets_the_chemists_centre(name: str) -> None:
    truth = known(name)
    found = map_reaction(truth.unmapped_reactants, truth.unmapped_product)
    assert found.failure is None
    assert found.reaction is not None
    assert reaction_centre(found.reaction) == reaction_centre(truth)


@pytest.mark.parametrize("name", KNOWN)
def test_a_map_numbers_every_product_atom_once_and_changes_no_molecule(name: str) -> None:
    truth = known(name)
    found = map_reaction(truth.unmapped_reactants, truth.unmapped_product).reaction
    assert found is not None
    numbers = [atom.GetAtomMapNum() for atom in parse(found.product).GetAtoms()]
    origins = {atom.GetAtomMapNum(): atom for atom in parse(found.reactants).GetAtoms() if atom.GetAtomMapNum()}
    assert sorted(numbers) == sorted(origins) == list(range(1, len(numbers) + 1))
    for atom in parse(found.product).GetAtoms():
        assert origins[atom.GetAtomMapNum()].GetAtomicNum() == atom.GetAtomicNum()
    assert found.unmapped_product == truth.unmapped_product
    assert found.unmapped_reactants == truth.unmapped_reactants


@pytest.mark.parametrize("name", KNOWN)
def test_neither_maps_nor_order_of_the_input_reach_the_answer(name: str) -> None:
    truth = known(name)
    expected = map_reaction(truth.unmapped_reactants, truth.unmapped_product)
    misleading = re.sub(r":(\d+)\]", lambda match: f":{100 - int(match[1])}]", truth.product)
    assert map_reaction(truth.reactants, misleading) == expected
    backwards = ".".join(reversed(truth.unmapped_reactants.split(".")))
    for seed in range(3):
        shuffled = randomized(backwards, seed), randomized(truth.unmapped_product, seed + 10)
        assert map_reaction(*shuffled) == expected


def test_a_reagent_that_brings_no_atom_stays_without_numbers() -> None:
    found = map_reaction("CCN(CC)CC.CC(=O)Cl.NCc1ccccc1", "CC(=O)NCc1ccccc1").reaction
    assert found is not None
    assert "CCN(CC)CC" in found.reactants.split(".")


@pytest.mark.parametrize(
    ("reactants", "product", "failure"),
    [
        ("CC(=O)Cl.CN", "C1CC", "unreadable"),
        ("", "CC", "unreadable"),
        ("C" * (MAX_ATOMS + 1), "CC", "too-large"),
        ("CC.N", "C" * (MAX_ATOMS + 1), "too-large"),
        ("CC(C)(C)OC(=O)NCc1ccccc1", "O=C(O)C(F)(F)F", "atoms-without-origin"),  # the counter-ion of a salt
        ("CC(=O)O.OCCO", "CC(=O)OCCOC(C)=O", "atoms-without-origin"),  # acetic acid is needed twice
        ("COC(=O)Cc1ccc(Br)s1.Cc1ccccc1CCO", "COC(=O)Cc1ccc(-c2ccc(O)cc2)s1", "no-map"),  # a wrong record
    ],
)
def test_what_cannot_be_mapped_says_why(reactants: str, product: str, failure: str) -> None:
    found = map_reaction(reactants, product)
    assert (found.reaction, found.confidence, found.failure) == (None, 0.0, failure)


def test_a_largest_reaction_is_still_mapped() -> None:
    chain = "C" * (MAX_ATOMS - 2)
    assert map_reaction(f"{chain}Br.N", f"{chain}N").reaction is not None


def test_confidence_tells_a_plain_map_from_a_toss_up_and_from_nonsense() -> None:
    plain = map_reaction("CC(=O)Cl.NCc1ccccc1", "CC(=O)NCc1ccccc1")
    assert plain.confidence > 0.97
    # Which oxygen does the ether of two alcohols keep? Either needs the same chemistry.
    toss_up = map_reaction("CCCO.CCCCCO", "CCCOCCCCC")
    assert toss_up.confidence == pytest.approx(0.5, abs=0.02)
    # Both ends of the azide may have attacked.
    assert map_reaction("[N-]=[N+]=[N-].N#Cc1ccccc1", "c1ccccc1-c1nnn[nH]1").confidence == pytest.approx(
        0.5, abs=0.1
    )
    # The ethers of this record swap places: a map exists, a reaction does not.
    absurd = map_reaction("O=[N+]([O-])c1ccccc1Oc1ccnc2ccccc12", "c1ccc2ncncc2c1")
    assert 0.0 < absurd.confidence < 0.2


def test_equivalent_atoms_are_no_ambiguity() -> None:
    assert map_reaction("OB(O)c1ccccc1.Brc1ccccc1", "c1ccc(-c2ccccc2)cc1").confidence > 0.95
    assert map_reaction("CC(C)(C)OC(=O)NC(C)(C)C", "NC(C)(C)C").confidence > 0.97


def test_a_piece_with_millions_of_symmetric_matches_is_found_at_once() -> None:
    bulky = "c1cc(C(C)(C)C)cc(C(C)(C)C)c1"
    core = f"C(O)({bulky})({bulky})c3cc(OC{bulky})cc(OC{bulky})c3"
    made = core.replace("C(O)", "C(OC(C)=O)", 1)
    found = map_reaction(f"{core}.CC(=O)Cl", made)
    assert found.reaction is not None
    assert found.confidence > 0.9


def test_centres_are_compared_up_to_symmetry_of_the_product() -> None:
    product = "[c:1]1([NH2:7])[cH:2][cH:3][cH:4][cH:5][cH:6]1"
    first = MappedReaction("", "Br[c:1]1[cH:2][cH:3][cH:4][cH:5][cH:6]1.[NH3:7]", product)
    mirrored = MappedReaction("", "Br[c:1]1[cH:6][cH:5][cH:4][cH:3][cH:2]1.[NH3:7]", product)
    assert reaction_centre(mirrored) == reaction_centre(first)
    wrong = MappedReaction("", "Br[c:2]1[cH:1][cH:3][cH:4][cH:5][cH:6]1.[NH3:7]", product)
    assert reaction_centre(wrong) != reaction_centre(first)


@pytest.mark.data
def test_patent_reactions_are_mapped_as_in_the_file_and_align_to_the_same_molecules() -> None:
    rows = uspto50k.reactions("valid")[::83]
    broken, whole = [], []
    for seed, row in enumerate(rows):
        truth = MappedReaction("file", *str(row.mapped).split(">>"))
        found = map_reaction(row.reactants, row.product)
        assert found.reaction is not None, found.failure
        expected, given = reaction_centre(truth), reaction_centre(found.reaction)
        broken.append(expected.broken == given.broken)
        whole.append(expected == given)
        for product, reactants in (aligned_to_canonical(found.reaction), root_aligned(found.reaction, seed)):
            assert canonical(product) == strip_maps(row.product)
            assert canonical_set(reactants) == canonical_set(row.reactants)
    assert len(rows) == 61
    assert mean(broken) >= 0.95
    assert mean(whole) >= 0.93
