from __future__ import annotations

import pytest

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import (
    MatchedPair,
    aligned_pair,
    canonical,
    fragment,
    heavy_atoms,
    is_valid,
    matched_pairs,
    parse,
    randomized,
    strip_maps,
)


def test_fragments_of_a_known_molecule() -> None:
    cuts = {(cut.core, cut.substituent) for cut in fragment("CC(=O)Nc1ccc(OC)cc1")}
    assert cuts == {
        ("*C(=O)Nc1ccc(OC)cc1", "*C"),
        ("*Oc1ccc(NC(C)=O)cc1", "*C"),
        ("*c1ccc(NC(C)=O)cc1", "*OC"),
        ("*c1ccc(OC)cc1", "*NC(C)=O"),
    }


def test_cores_hold_the_share_of_atoms_asked_for(nci: list[str]) -> None:
    for smiles in nci:
        for cut in fragment(smiles, min_core_fraction=0.75):
            assert len(cut.core_atoms) >= 0.75 * heavy_atoms(smiles)
            assert heavy_atoms(cut.core.replace("*", "[H]")) + heavy_atoms(
                cut.substituent.replace("*", "[H]")
            ) == heavy_atoms(smiles)


def test_fragments_do_not_depend_on_the_spelling(nci: list[str]) -> None:
    for seed, smiles in enumerate(nci):
        texts = [(cut.core, cut.substituent) for cut in fragment(smiles)]
        assert texts == [(cut.core, cut.substituent) for cut in fragment(randomized(smiles, seed))]


def test_rings_multiple_bonds_and_group_carbons_stay_whole() -> None:
    assert fragment("C1CCCCC1") == []
    assert fragment("C=C") == []
    assert {cut.substituent for cut in fragment("CCCCCCCC(N)=O", 0.5)} >= {"*C(N)=O"}
    assert "*N" not in {cut.substituent for cut in fragment("CCCCCCCC(N)=O")}
    assert fragment("CCCC.Cl") == []


def test_pairs_differ_in_one_substituent_only() -> None:
    pairs = matched_pairs(["Clc1ccc(C(=O)O)cc1", "COc1ccc(C(=O)O)cc1", "C1CCCCC1"])
    assert [(pair.core, pair.source_substituent, pair.target_substituent) for pair in pairs] == [
        ("*c1ccc(C(=O)O)cc1", "*Cl", "*OC")
    ]


def test_hydrogen_is_a_substituent_too() -> None:
    (pair,) = matched_pairs(["c1ccccc1C(=O)O", "Clc1ccc(C(=O)O)cc1"])
    assert (pair.source_substituent, pair.target_substituent) == ("*[H]", "*Cl")
    (pyrrole,) = matched_pairs(["c1cc[nH]c1", "Cn1cccc1"])
    assert pyrrole.core == "*n1cccc1"


@pytest.fixture(scope="module")
def pairs(nci: list[str]) -> list[MatchedPair]:
    changed = {"Cl": "Br", "OC": "OCC", "C(=O)O": "C#N", "N": "F"}
    made = [smiles.replace(old, new, 1) for smiles in nci for old, new in changed.items() if old in smiles]
    found = matched_pairs([*nci, *filter(is_valid, made)])
    assert len(found) > 50
    return found


def test_mapped_cores_are_the_same_atoms(pairs: list[MatchedPair]) -> None:
    for pair in pairs:
        source = {atom.GetAtomMapNum(): atom.GetAtomicNum() for atom in parse(pair.source).GetAtoms()}
        target = {atom.GetAtomMapNum(): atom.GetAtomicNum() for atom in parse(pair.target).GetAtoms()}
        source.pop(0, None)
        target.pop(0, None)
        assert source == target
        assert len(source) == sum(atom.GetAtomicNum() > 0 for atom in parse(pair.core).GetAtoms())
        assert bonds_between_mapped(pair.source) == bonds_between_mapped(pair.target)


def bonds_between_mapped(smiles: str) -> set[tuple[int, int, str]]:
    found = set()
    for bond in parse(smiles).GetBonds():
        first, second = sorted((bond.GetBeginAtom().GetAtomMapNum(), bond.GetEndAtom().GetAtomMapNum()))
        if first:
            found.add((first, second, str(bond.GetBondType())))
    return found


def test_each_pair_comes_once_earlier_molecule_first(nci: list[str], pairs: list[MatchedPair]) -> None:
    names = [(strip_maps(pair.source), strip_maps(pair.target)) for pair in pairs]
    assert len({frozenset(name) for name in names}) == len(names)
    order = {canonical(smiles): place for place, smiles in reversed(list(enumerate(nci)))}
    both = [(order[a], order[b]) for a, b in names if a in order and b in order]
    assert all(first < second for first, second in both)


def test_aligned_writing_keeps_both_molecules(pairs: list[MatchedPair]) -> None:
    for seed, pair in enumerate(pairs):
        for source, target in (aligned_pair(pair), aligned_pair(pair, seed)):
            assert canonical(source) == strip_maps(pair.source)
            assert canonical(target) == strip_maps(pair.target)


def test_aligned_writing_changes_only_the_substituent() -> None:
    (pair,) = matched_pairs(["O=C(O)c1ccc(Cl)cc1", "O=C(O)c1ccc(OC)cc1"])
    assert aligned_pair(pair) == ("O=C(O)c1ccc(Cl)cc1", "O=C(O)c1ccc(OC)cc1")


def test_stereo_of_the_core_must_agree() -> None:
    assert len(matched_pairs(["C[C@H](N)c1ccc(Cl)cc1", "C[C@H](N)c1ccc(Br)cc1"])) == 1
    assert matched_pairs(["C[C@H](N)c1ccc(Cl)cc1", "C[C@@H](N)c1ccc(Br)cc1"], min_core_fraction=0.9) == []


def test_crowded_cores_are_passed_over() -> None:
    halides = ["Clc1ccccc1", "Brc1ccccc1", "Ic1ccccc1"]
    assert len(matched_pairs(halides)) == 3
    assert matched_pairs(halides, max_group=2) == []


def test_an_unreadable_molecule_is_an_error() -> None:
    with pytest.raises(InvalidMolecule):
        matched_pairs(["CC", "C1C"])
