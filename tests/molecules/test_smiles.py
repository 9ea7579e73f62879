from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import canonical, canonical_set, is_valid, parse, randomized, rooted, strip_maps


def test_every_spelling_is_the_same_molecule(varied: list[str]) -> None:
    for seed, smiles in enumerate(varied):
        assert canonical(randomized(smiles, seed)) == canonical(smiles)


def test_randomized_is_reproducible_and_varied() -> None:
    aspirin = "CC(=O)Oc1ccccc1C(=O)O"
    spellings = [randomized(aspirin, seed) for seed in range(40)]
    assert spellings == [randomized(aspirin, seed) for seed in range(40)]
    assert len(set(spellings)) > 30
    assert len({text[:4] for text in spellings}) > 5


def test_rooted_starts_at_the_atom() -> None:
    assert rooted("CCO", 2) == "OCC"
    assert rooted("CCO", 1).startswith("C(")
    with pytest.raises(InvalidMolecule, match="atoms 0 to 2, not 3"):
        rooted("CCO", 3)
    with pytest.raises(InvalidMolecule):
        rooted("CCO", -1)


def test_canonical_set_ignores_order_and_maps_but_not_multiplicity() -> None:
    assert canonical_set("[CH3:3][OH:1].CC") == canonical_set("CC.OC") == "CC.CO"
    assert canonical_set("CC.CC") != canonical_set("CC")


def test_canonical_set_reads_a_ring_that_is_closed_across_a_dot() -> None:
    assert canonical_set("C1CC.C1") == "CCCC"
    assert canonical_set("C1.CC.C1") == "CC.CC"
    with pytest.raises(InvalidMolecule):
        canonical_set("C1CC.CC")
    with pytest.raises(InvalidMolecule):
        canonical_set("CC..CC(")


def test_canonical_set_follows_the_documented_steps(varied: list[str]) -> None:
    for smiles in varied:
        mol = parse(smiles)
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
        assert canonical_set(smiles) == ".".join(sorted(Chem.MolToSmiles(mol).split(".")))


def test_stripping_maps_leaves_the_plain_molecule() -> None:
    assert strip_maps("[CH3:1][C:2](=[O:3])[OH:4]") == "CC(=O)O"
    assert canonical("[CH3:1]C") == "C[CH3:1]"


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=40))
def test_is_valid_never_raises(text: str) -> None:
    assert is_valid(text) in (True, False)


def test_stereo_and_isotopes_are_part_of_the_canonical_text() -> None:
    assert canonical("C[C@H](N)O") != canonical("C[C@@H](N)O")
    assert canonical("C/C=C/C") != canonical("C/C=C\\C")
    assert canonical("[13CH4]") != canonical("C")


def test_map_numbers_do_not_leave_a_trace_in_ring_stereo() -> None:
    mapped = "[CH3:1][O:2][C@@H:3]1[CH2:4][CH2:5][C@@H:6]([NH2:7])[CH2:8][CH2:9]1"
    assert strip_maps(mapped) == canonical("CO[C@@H]1CC[C@@H](N)CC1")
    assert canonical_set(strip_maps(mapped)) == canonical_set("CO[C@@H]1CC[C@@H](N)CC1")
