from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import Conformer, embed, from_plain_xyz, from_xyz, shows_its_stereo, to_xyz
from mmai_gym.sources import qm9


def test_embedding_is_reproducible_and_follows_the_seed() -> None:
    first, again, other = embed("CCCCO", 1), embed("CCCCO", 1), embed("CCCCO", 2)
    assert np.array_equal(first.coordinates, again.coordinates)
    assert not np.allclose(first.coordinates, other.coordinates)


def test_bond_lengths_are_physical_and_hydrogens_present() -> None:
    ethanol = embed("CCO")
    assert ethanol.symbols == ("C", "C", "O", *"HHHHHH")
    assert ethanol.coordinates.shape == (9, 3)
    assert ethanol.coordinates.dtype == np.float64
    carbon, second, oxygen = ethanol.coordinates[:3]
    assert np.linalg.norm(carbon - second) == pytest.approx(1.52, abs=0.04)
    assert np.linalg.norm(second - oxygen) == pytest.approx(1.41, abs=0.04)


def test_a_chiral_centre_keeps_its_hand_in_space() -> None:
    def volume(smiles: str) -> float:
        centre, *others = embed(smiles).coordinates[[1, 0, 2, 3]]
        return float(np.linalg.det(np.array(others) - centre))

    assert volume("C[C@H](N)O") * volume("C[C@@H](N)O") < 0


def test_xyz_reads_back_to_the_written_precision() -> None:
    conformer = embed("c1ccccc1C(=O)[O-]")
    text = to_xyz(conformer)
    back = from_xyz(text)
    assert np.abs(back.coordinates - conformer.coordinates).max() <= 0.0005001
    assert (back.symbols, back.smiles) == (conformer.symbols, conformer.smiles)
    assert to_xyz(back) == text


def test_zero_has_one_spelling() -> None:
    assert "-0.000" not in to_xyz(Conformer(("He",), np.full((1, 3), -1e-9), "[He]"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1\n[He]\n",
        "2\n[He]\nHe 0 0 0\n",
        "1\n[He]\nHe 0 0\n",
        "1\n[He]\nHe 0 0 nan\n",
        "1\n[He]\nXx 0 0 0\n",
        "1\n[He]\nNe 0 0 0\n",
        "1\nC1C\nHe 0 0 0\n",
        None,
    ],
)
def test_bad_xyz_is_refused(text: str) -> None:
    with pytest.raises(InvalidMolecule):
        from_xyz(text)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_conformer_or_invalid(text: str) -> None:
    with pytest.raises(InvalidMolecule):
        from_xyz(text)


def test_an_impossible_cage_has_no_conformer() -> None:
    with pytest.raises(InvalidMolecule, match="no conformer"):
        embed("[C@]12(F)C[C@@](F)(C1)C2")


def test_coordinates_must_fit_the_atoms() -> None:
    with pytest.raises(InvalidMolecule, match="shape"):
        Conformer(("C", "C"), np.zeros((1, 3)), "CC")


@pytest.mark.data
def test_the_stereo_that_is_told_of_a_geometry_is_told_of_it_again() -> None:
    """In one of these, a strained cage, the neighbours of a carbon lie on one side: its hand depends on the atoms' order."""
    read = []
    for row in qm9.molecules():
        atoms = (
            f"{symbol} {x:.6f} {y:.6f} {z:.6f}"
            for symbol, (x, y, z) in zip(row.symbols, row.coordinates, strict=True)
        )
        with contextlib.suppress(InvalidMolecule):
            read.append(from_plain_xyz("\n".join((str(len(row.symbols)), "", *atoms))))
    assert len(read) > 2_800
    assert [found.smiles for found in read if not shows_its_stereo(found)] == []
