from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import (
    canonical,
    connectivity,
    formula,
    from_inchi,
    from_selfies,
    inchi,
    inchikey,
    parse,
    parse_formula,
    smiles_of,
    to_selfies,
)

OUTSIDE_SELFIES = ("N->[Fe]", "*C")


def test_selfies_reads_back_as_the_same_molecule(varied: list[str]) -> None:
    for smiles in varied:
        if smiles not in OUTSIDE_SELFIES and "[I]" not in canonical(smiles):  # three-bonded iodine
            assert from_selfies(to_selfies(smiles)) == canonical(smiles)


@pytest.mark.parametrize("smiles", [*OUTSIDE_SELFIES, "FI(F)(F)(F)F"])
def test_what_selfies_cannot_carry_is_refused_not_changed(smiles: str) -> None:
    with pytest.raises(InvalidMolecule, match="SELFIES cannot represent"):
        to_selfies(smiles)


@pytest.mark.parametrize("text", ["", "CCO", "[C", "[C]]", "[C][foo]", "[C] [C]", "word[C]", "[nop]", None])
def test_bad_selfies_is_refused(text: str) -> None:
    with pytest.raises(InvalidMolecule):
        from_selfies(text)


def test_inchi_of_known_molecules() -> None:
    assert inchi("CCO") == "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"
    assert inchikey("CCO") == "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
    assert from_inchi("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3") == "CCO"


def test_connectivity_ignores_stereo_and_isotopes_but_not_the_skeleton() -> None:
    assert connectivity("C[C@H](N)C(=O)O") == connectivity("C[C@@H](N)C(=O)O") == connectivity("[13CH3]C(N)C(=O)O")
    assert connectivity("CC(N)C(=O)O") != connectivity("CCN(C)C(=O)O")
    assert len(connectivity("CC")) == 14


@pytest.mark.parametrize("smiles", ["*C", "C1CC"])
def test_a_structure_without_inchi_is_invalid(smiles: str) -> None:
    with pytest.raises(InvalidMolecule):
        inchi(smiles)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=40) | st.text(max_size=20).map("InChI=1S/{}".format))
def test_any_text_is_an_inchi_selfies_and_formula_or_invalid(text: str) -> None:
    for read in (from_inchi, from_selfies, parse_formula):
        with contextlib.suppress(InvalidMolecule):
            assert read(text)


def test_formula_counts_every_atom(varied: list[str]) -> None:
    for smiles in varied:
        atoms = Counter(atom.GetSymbol() for atom in Chem.AddHs(parse(smiles)).GetAtoms())
        assert parse_formula(formula(smiles)) == atoms


def test_formula_is_in_hill_order() -> None:
    assert formula("CC(=O)Oc1ccccc1C(=O)O") == "C9H8O4"
    assert formula("CC(=O)[O-]") == "C2H3O2-"
    assert parse_formula("C2H3O2-") == {"C": 2, "H": 3, "O": 2}


@pytest.mark.parametrize("text", ["", "c6h6", "C--", "Xx2", "C6H6 ", "C6H6O" * 2 + "!", None])
def test_bad_formula_is_refused(text: str) -> None:
    with pytest.raises(InvalidMolecule, match="not a molecular formula"):
        parse_formula(text)


def test_a_view_that_names_a_whole_molecule_reads_back_as_smiles_and_another_does_not() -> None:
    assert smiles_of("CCO", "smiles") == "CCO"
    assert smiles_of(inchi("CCO"), "inchi") == "CCO"
    assert canonical(smiles_of("[C][C][O]", "selfies") or "") == "CCO"
    assert smiles_of("C2H6O", "formula") is None
    assert smiles_of("MKT", "protein") is None
