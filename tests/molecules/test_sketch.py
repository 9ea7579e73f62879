"""A sketch is shared by all molecules of one skeleton, whatever InChI does to them."""

from __future__ import annotations

import pytest

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import connectivity, parse, randomized, sketch
from mmai_gym.sources import embedded

_ONE_SKELETON = [
    [
        "C[C@H](N)C(=O)O",
        "OC(=O)[C@@H](C)N",
        "C[C@@H]([NH3+])C(=O)[O-]",
        "[13CH3]C(N)C(=O)O",
        "[2H]C([2H])([2H])C(N)C(=O)O",
    ],
    ["Oc1ccccn1", "O=c1cccc[nH]1"],
    ["C/C=C/C", "CC=CC", "C/C=C\\C"],
    ["[Na]OC(=O)C", "[Na+].CC(=O)[O-]"],
    ["C[Mg]Br", "C[Mg+].[Br-]"],
    ["CN(=O)=O", "C[N+](=O)[O-]"],
    ["[H][H]", "[2H][2H]"],
    ["CC(=O)O", "CC(=O)[O-].[H+]", "CC(=O)[O-]", "CC(=O)O[2H]"],
    ["Cl.CN", "C[NH3+].[Cl-]", "CN.[H+].[Cl-]"],
    ["C[N+](C)(C)C.[OH-]", "C[N+](C)(C)C.O"],
    ["CCO[Si](C)(C)C", "[13CH3]CO[Si](C)(C)C"],
]


@pytest.mark.parametrize("spellings", _ONE_SKELETON, ids=lambda spellings: spellings[0])
def test_one_skeleton_has_one_sketch(spellings: list[str]) -> None:
    assert len(set(map(connectivity, spellings))) == 1
    assert len(set(map(sketch, spellings))) == 1


def test_molecules_of_one_connectivity_share_a_sketch_and_few_others_do() -> None:
    smiles = [row.smiles for row in embedded.molecules("train")[:1_500]]
    by_key: dict[str, set[str]] = {}
    for text in smiles:
        try:
            key = connectivity(text)
        except InvalidMolecule:
            continue
        by_key.setdefault(key, set()).update((sketch(text), sketch(randomized(text, seed=1))))
    assert {len(found) for found in by_key.values()} == {1}
    distinct = {next(iter(found)) for found in by_key.values()}
    assert len(distinct) > 0.95 * len(by_key)


@pytest.mark.parametrize("smiles", ["c1ccccc1C[Se]C", "C[N+](C)(C)C.[Cl-]", "[2H]C(N)=O", "C[Cu]C", "c1cc[nH]c1"])
def test_a_molecule_has_the_sketch_of_its_text(smiles: str) -> None:
    assert sketch(parse(smiles)) == sketch(smiles)


def test_bonds_and_hydrogens_count_but_not_where_they_are() -> None:
    assert sketch("C=CCCO") == sketch("CC=CCO") == sketch("CCCC=O")
    assert sketch("C1CCCCC1") != sketch("c1ccccc1")
    assert sketch("CCCO") != sketch("CC(C)O")


@pytest.mark.parametrize("smiles", ["*C", "C1CC", ""])
def test_what_has_no_inchi_has_no_sketch(smiles: str) -> None:
    with pytest.raises(InvalidMolecule):
        sketch(smiles)
