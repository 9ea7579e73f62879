from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym.contracts import InvalidMolecule, UsageError
from mmai_gym.molecules import FUNCTIONAL_GROUPS, count_group, find_groups, parse, randomized

# Written by hand from the definitions: every group present and how often; everything else must be absent.
EXPECTED = {
    "C": {},
    "CCO": {"alcohol": 1},
    "OCC(O)CO": {"alcohol": 3},
    "Oc1ccccc1": {"phenol": 1, "benzene_ring": 1},
    "CCOCC": {"ether": 1},
    "COc1ccccc1": {"ether": 1, "benzene_ring": 1},
    "C1CO1": {"epoxide": 1},
    "C1CCOC1": {"ether": 1},
    "CC=O": {"aldehyde": 1},
    "C=O": {"aldehyde": 1},
    "CC(C)=O": {"ketone": 1},
    "O=C1C=CC(=O)C=C1": {"ketone": 2, "alkene": 2},
    "CC(=O)O": {"carboxylic_acid": 1},
    "CC(=O)[O-].[Na+]": {"carboxylic_acid": 1},
    "O=CO": {"carboxylic_acid": 1},
    "OC(=O)CC(=O)O": {"carboxylic_acid": 2},
    "CC(=O)OC": {"ester": 1},
    "O=C1CCCO1": {"ester": 1},
    "CC(=O)Oc1ccccc1C(=O)O": {"ester": 1, "carboxylic_acid": 1, "benzene_ring": 1},
    "CC(=O)OC(C)=O": {"anhydride": 1},
    "CC(=O)Cl": {"acyl_halide": 1},
    "CC(=O)NC": {"amide": 1},
    "CC(N)=O": {"amide": 1},
    "CN(C)C=O": {"amide": 1},
    "O=C1CCCN1": {"amide": 1, "lactam": 1},
    "O=C1CCC(=O)N1": {"amide": 2, "lactam": 2},
    "NC(N)=O": {"urea": 1},
    "CCOC(N)=O": {"carbamate": 1},
    "NC(N)=S": {"thiocarbonyl": 1},
    "CC(=O)Nc1ccc(O)cc1": {"amide": 1, "phenol": 1, "benzene_ring": 1},
    "CN": {"primary_amine": 1},
    "C[NH3+]": {"primary_amine": 1},
    "CNC": {"secondary_amine": 1},
    "CN(C)C": {"tertiary_amine": 1},
    "C[NH+](C)C": {"tertiary_amine": 1},
    "C[N+](C)(C)C": {"quaternary_ammonium": 1},
    "Nc1ccccc1": {"aromatic_amine": 1, "benzene_ring": 1},
    "CN(C)c1ccccc1": {"aromatic_amine": 1, "benzene_ring": 1},
    "N(c1ccccc1)c1ccccc1": {"aromatic_amine": 1, "benzene_ring": 2},
    "NCC(=O)O": {"primary_amine": 1, "carboxylic_acid": 1},
    "O=[N+]([O-])c1ccccc1": {"nitro": 1, "benzene_ring": 1},
    "CO[N+](=O)[O-]": {},
    "CC#N": {"nitrile": 1},
    "CSC#N": {"thioether": 1},
    "CN=[N+]=[N-]": {"azide": 1},
    "c1ccccc1N=Nc1ccccc1": {"azo": 1, "benzene_ring": 2},
    "CC=NC": {"imine": 1},
    "CC=NO": {"oxime": 1},
    "CC(C)=NN": {"hydrazone": 1},
    "CC(N)=N": {"amidine": 1},
    "NC(N)=N": {"guanidine": 1},
    "CS": {"thiol": 1},
    "CSC": {"thioether": 1},
    "CSSC": {"disulfide": 1},
    "CS(C)=O": {"sulfoxide": 1},
    "C[S+](C)[O-]": {"sulfoxide": 1},
    "CS(C)(=O)=O": {"sulfone": 1},
    "CS(=O)(=O)NC": {"sulfonamide": 1},
    "CS(=O)(=O)O": {"sulfonic_acid": 1},
    "CS(=O)(=O)Cl": {"sulfonyl_halide": 1},
    "COP(=O)(O)O": {"phosphoryl": 1},
    "OB(O)c1ccccc1": {"boronic_acid": 1, "benzene_ring": 1},
    "C=CC=C": {"alkene": 2},
    "C=C=C": {},
    "C#C": {"alkyne": 1},
    "CF": {"fluoro": 1},
    "ClCCl": {"chloro": 2},
    "Brc1ccccc1": {"bromo": 1, "benzene_ring": 1},
    "CI": {"iodo": 1},
    "CC(F)(F)F": {"fluoro": 3, "trifluoromethyl": 1},
    "FC(F)(F)F": {"fluoro": 4},
    "c1ccc2ccccc2c1": {"benzene_ring": 2},
    "c1ccncc1": {"pyridine_ring": 1},
    "C[n+]1ccccc1": {"pyridine_ring": 1},
    "O=c1cccc[nH]1": {},
    "c1cncnc1": {"pyrimidine_ring": 1},
    "c1ccc2[nH]ccc2c1": {"pyrrole_ring": 1, "benzene_ring": 1},
    "c1c[nH]cn1": {"imidazole_ring": 1},
    "c1ccoc1": {"furan_ring": 1},
    "c1ccsc1": {"thiophene_ring": 1},
    "c1cscn1": {"thiazole_ring": 1},
    "C[C@H](N)C(=O)N[C@@H](CS)C(=O)O": {"primary_amine": 1, "amide": 1, "thiol": 1, "carboxylic_acid": 1},
}


@pytest.mark.parametrize("smiles", EXPECTED)
def test_groups_are_those_a_chemist_names(smiles: str) -> None:
    assert {name: len(matches) for name, matches in find_groups(smiles).items()} == EXPECTED[smiles]


def test_every_group_has_a_molecule_in_the_table() -> None:
    assert set(FUNCTIONAL_GROUPS) == {name for groups in EXPECTED.values() for name in groups}


def test_every_group_is_documented_and_compiles() -> None:
    for name, group in FUNCTIONAL_GROUPS.items():
        assert group.name == name
        assert group.pattern is not None
        assert len(group.definition) > 10


def test_matches_are_the_groups_own_atoms() -> None:
    assert find_groups("CC(=O)Nc1ccc(O)cc1")["amide"] == ((1, 2, 3),)
    assert find_groups("CC(=O)Nc1ccc(O)cc1")["phenol"] == ((8,),)
    assert find_groups("O=[N+]([O-])C")["nitro"] == ((0, 1, 2),)


def test_groups_do_not_depend_on_the_spelling(varied: list[str]) -> None:
    for seed, smiles in enumerate(varied):
        counts = {name: len(matches) for name, matches in find_groups(smiles).items()}
        other = {name: len(matches) for name, matches in find_groups(randomized(smiles, seed)).items()}
        assert counts == other


def test_counts_agree_with_what_was_found() -> None:
    assert count_group("OCC(O)CO", "alcohol") == 3
    assert count_group(parse("C"), "alcohol") == 0
    assert count_group("CC" * 2000 + "C=C", "alkene") == 1


def test_counting_has_no_hidden_limit() -> None:
    assert count_group("C(O)" * 1200, "alcohol") == 1200


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(UsageError, match="no functional group 'alcohl'"):
        count_group("C", "alcohl")


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=30))
def test_any_text_has_groups_or_is_invalid(text: str) -> None:
    try:
        found = find_groups(text)
    except InvalidMolecule:
        return
    assert set(found) <= set(FUNCTIONAL_GROUPS)
