"""Edits: what stays is traced, hands of centres included, and nothing unsound comes out."""

from __future__ import annotations

import pytest

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import (
    HYDROGEN,
    SUBSTITUENTS,
    canonical,
    closed,
    edited,
    follow,
    heavy_atoms,
    is_valid,
    mapped,
    opened,
    parse,
    strip_maps,
)

VERAPAMIL = "COc1ccc(CCN(C)CCC[C@](C#N)(C(C)C)c2ccc(OC)c(OC)c2)cc1OC"


def products(smiles: str, substituent: str) -> set[str]:
    cores = opened(mapped(smiles))
    return {strip_maps(text) for core in cores if (text := closed(core, substituent)) is not None}


def test_each_cut_is_closed_by_hydrogen_or_by_what_is_asked_for() -> None:
    assert products("CCOC", HYDROGEN) == {canonical(text) for text in ("COC", "CCO", "CO")}
    assert canonical("FCOC") in products("CCOC", "*F")


def test_at_an_atom_other_than_carbon_no_other_than_carbon_is_attached() -> None:
    assert products("COC", "*F") == products("COC", "*Cl") == set()
    assert canonical("COCC") in products("COC", "*CC")


def test_atoms_that_stay_keep_their_numbers_and_hands() -> None:
    source = mapped(canonical(VERAPAMIL))
    numbers = {atom.GetAtomMapNum(): atom.GetAtomicNum() for atom in parse(source).GetAtoms()}
    seen = 0
    for core in opened(source):
        for substituent in ("*[H]", "*CC", "*N1CCOCC1"):
            text = closed(core, substituent)
            if text is None:
                continue
            seen += 1
            kept = [atom for atom in parse(text).GetAtoms() if atom.GetAtomMapNum()]
            assert all(numbers[atom.GetAtomMapNum()] == atom.GetAtomicNum() for atom in kept)
            before, after = follow(source, text, 3)
            assert canonical(before) == canonical(VERAPAMIL)
            assert canonical(after) == strip_maps(text)
    assert seen > 20
    # A phenol in the place of an ether leaves the centre as it was.
    demethylated = [
        text for text in products(VERAPAMIL, HYDROGEN) if heavy_atoms(text) == heavy_atoms(VERAPAMIL) - 1
    ]
    assert any(text.count("@") == canonical(VERAPAMIL).count("@") for text in demethylated)


def test_an_edit_takes_away_at_most_what_is_allowed() -> None:
    long = "C" * 40
    assert min(heavy_atoms(text) for text in products(long, HYDROGEN)) == 25


def test_edits_follow_on_edits() -> None:
    found = edited(canonical("CCOC"), [(0, SUBSTITUENTS.index("*F")), (0, 0)])
    assert found is None or all(map(is_valid, found))
    assert edited("CCOC", [(99, 0)]) is None
    before, after = edited(canonical("CCCCO"), [(0, SUBSTITUENTS.index("*Cl"))]) or ("", "")
    assert strip_maps(before) == canonical("CCCCO") and "Cl" in after


def test_a_mixture_has_no_edits_and_a_molecule_that_cannot_be_read_is_named() -> None:
    assert opened(mapped("CCOC.CCO")) == []
    with pytest.raises(InvalidMolecule):
        mapped("c1cc")


def test_the_substituents_can_be_read_and_are_told_apart() -> None:
    assert len(set(SUBSTITUENTS)) == len(SUBSTITUENTS) == 40
    assert all(is_valid(text) and text.startswith("*") for text in SUBSTITUENTS)
