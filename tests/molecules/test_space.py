"""Geometries through files, texts and internal coordinates, and what is said about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_molecules import molecules
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import (
    Conformer,
    best_rmsd,
    canonical,
    chirality,
    conformer_html,
    conformer_svg,
    distances,
    embed,
    embed_many,
    from_conformer_text,
    from_internal,
    from_mol,
    from_pdb,
    from_plain_xyz,
    from_sdf,
    from_xyz,
    geometry_report,
    perceived_smiles,
    posed,
    rmsd,
    shape,
    shows_its_stereo,
    strain_energy,
    to_conformer_text,
    to_internal,
    to_mol,
    to_pdb,
    to_sdf,
    to_xyz,
)
from mmai_gym.molecules.conformer import from_mol as read_mol
from mmai_gym.sources import embedded

FORMS = (
    (to_conformer_text, from_conformer_text, 0.01),
    (to_xyz, from_xyz, 0.001),
    (to_sdf, from_sdf, 0.001),
    (to_pdb, from_pdb, 0.001),
    (to_internal, from_internal, 1e-5),
)
"""How to write and read a form, and the most that it may move atoms by (RMSD, Å)."""
TOLERANCE = 0.02
STRAIGHT = ("C#C", "O=C=O", "CC#CC#CC", "[He]", "[H][H]", "N#N", "[Na+].[Cl-].O", "FS(F)(F)(F)(F)F")


def assert_same_in_every_form(conformer: Conformer) -> None:
    for write, read, tolerance in FORMS:
        back = read(write(conformer))
        assert canonical(back.smiles) == canonical(conformer.smiles), write.__name__
        assert perceived_smiles(back) == perceived_smiles(conformer), write.__name__
        assert rmsd(back, conformer) <= min(tolerance, TOLERANCE), write.__name__


def test_generated_conformers_come_back_from_every_form(nci: list[str]) -> None:
    for smiles in (*nci[::8], "C[C@H](N)C(=O)O", "C/C=C\\C", "C[S@](=O)c1ccccc1", "[2H]OC", *STRAIGHT):
        assert_same_in_every_form(embed(smiles))


@settings(derandomize=True, deadline=None, max_examples=25)
@given(molecules())
def test_random_graphs_come_back_from_every_form_or_have_no_conformer(smiles: str) -> None:
    try:
        conformer = embed(canonical(smiles).replace("*", "C"))
    except InvalidMolecule:
        return
    if shows_its_stereo(conformer):  # not so where RDKit keeps a mark on an atom with two hydrogens
        assert_same_in_every_form(conformer)


def test_the_egfr_ligands_of_the_rdkit_wheel_come_back_from_every_form() -> None:
    supplier = Chem.SDMolSupplier()
    supplier.SetData(embedded._bytes(embedded.EGFR).decode(), removeHs=False)
    for number in range(0, len(supplier), 30):
        assert_same_in_every_form(read_mol(supplier[number]))


def test_an_sdf_from_elsewhere_gives_the_stereo_of_its_coordinates() -> None:
    conformer = embed("C[C@H](N)C(=O)O")
    mirrored = replace(conformer, coordinates=conformer.coordinates * [-1, 1, 1])
    text = to_sdf(mirrored)
    assert canonical(from_sdf(text).smiles) == canonical("C[C@@H](N)C(=O)O")
    assert perceived_smiles(mirrored) == canonical("C[C@@H](N)C(=O)O")


def test_a_pdb_from_elsewhere_needs_a_smiles_and_its_atoms_in_any_order() -> None:
    conformer = embed("OC(=O)c1ccccc1N")
    lines = [line for line in to_pdb(conformer).splitlines() if line.startswith("HETATM")]
    bare = "\n".join([*reversed(lines), "END", ""])
    with pytest.raises(InvalidMolecule, match="no bond orders"):
        from_pdb(bare)
    found = from_pdb(bare, "Nc1ccccc1C(=O)O")
    assert best_rmsd(found, conformer) < 0.001
    with pytest.raises(InvalidMolecule, match="do not fit"):
        from_pdb(bare, "Nc1cccc(C(=O)O)c1")
    with pytest.raises(InvalidMolecule, match="atoms"):
        from_pdb(bare, "CCO")


def test_a_plain_xyz_is_given_its_bonds() -> None:
    conformer = embed("CC(=O)NC")
    lines = to_xyz(conformer).splitlines()
    found = from_plain_xyz("\n".join([lines[0], "whatever", *lines[2:]]))
    assert canonical(found.smiles) == "CNC(C)=O"
    with pytest.raises(InvalidMolecule):
        from_plain_xyz("2\n\nC 0 0 0\nC 0 0 90\n")


@pytest.mark.parametrize("read", [from_sdf, from_pdb, from_xyz, from_conformer_text, from_plain_xyz])
@pytest.mark.parametrize("text", ["", "C", "\n" * 9, None, "CCO | C nan 0 0", "x" * 500_000, "$$$$", "HETATM"])
def test_malformed_files_and_texts_are_refused(read, text) -> None:
    with pytest.raises(InvalidMolecule):
        read(text)


def test_missing_hydrogens_flat_and_broken_coordinates_are_refused() -> None:
    heavy = Chem.RemoveHs(to_mol(embed("CCO")))
    with pytest.raises(InvalidMolecule, match="hydrogens have no coordinates"):
        from_mol(heavy)
    with pytest.raises(InvalidMolecule, match="no coordinates in 3D"):
        from_mol(Chem.AddHs(Chem.MolFromSmiles("CCO")))
    conformer = embed("CO")
    broken = conformer.coordinates.copy()
    broken[2, 1] = np.nan
    with pytest.raises(InvalidMolecule, match=r"atom 2 .* not a number"):
        replace(conformer, coordinates=broken)
    with pytest.raises(InvalidMolecule, match="small molecule in 3D"):
        embed("C" * 400)


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet="CHO |.,-0123456789\n", max_size=60))
def test_any_text_is_a_conformer_or_invalid(text: str) -> None:
    for read in (from_conformer_text, from_sdf):
        with pytest.raises(InvalidMolecule):
            read(text)


def test_the_compact_text_does_not_depend_on_how_the_molecule_lies() -> None:
    conformer = embed("CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O", 1)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turned = replace(
        conformer, coordinates=conformer.coordinates @ (turn * np.linalg.det(turn)) + [3.0, -1.0, 7.0]
    )
    assert to_conformer_text(turned) == to_conformer_text(conformer)
    assert rmsd(posed(conformer), conformer) < 1e-6
    assert to_conformer_text(embed("[He]")) == "[He] | He 0.00 0.00 0.00"


def test_a_mirror_image_is_no_superposition() -> None:
    conformer = embed("C[C@H](N)C(=O)O")
    mirrored = replace(conformer, coordinates=conformer.coordinates * [1, 1, -1])
    assert rmsd(conformer, mirrored) > 0.1
    with pytest.raises(InvalidMolecule):
        rmsd(conformer, embed("CCO"))


def test_internal_coordinates_are_bond_lengths_angles_and_torsions() -> None:
    internal = to_internal(embed("CC"))
    assert internal.references.shape == (8, 3)
    assert internal.lengths[1] == pytest.approx(1.51, abs=0.03)
    assert internal.lengths[2:] == pytest.approx(1.09, abs=0.02)
    assert internal.angles[2:] == pytest.approx(110.5, abs=1.5)
    twisted = replace(internal, torsions=internal.torsions + np.where(internal.references[:, 0] == 1, 60.0, 0.0))
    assert perceived_smiles(from_internal(twisted)) == "CC"
    assert rmsd(from_internal(twisted), from_internal(internal)) > 0.1
    for broken in (
        replace(internal, lengths=internal.lengths * np.nan),
        replace(internal, order=internal.order[::-1]),
        replace(internal, order=np.zeros_like(internal.order)),
        replace(internal, angles=internal.angles[1:]),
    ):
        with pytest.raises(InvalidMolecule):
            from_internal(broken)


def test_parts_of_a_salt_do_not_lie_on_each_other() -> None:
    apart = distances(embed("[Na+].[Cl-].CCO"))
    assert apart[np.triu_indices(len(apart), 1)].min() > 0.9


def test_distances_handedness_and_shape() -> None:
    conformer = embed("C[C@H](N)C(=O)O")
    assert chirality(conformer) == {1: "S"}
    assert distances(conformer)[0, 1] == pytest.approx(1.52, abs=0.04)
    rod, disc = shape(embed("CC#CC#CC")), shape(embed("c1ccccc1"))
    assert rod["npr1"] < 0.1 < 0.4 < disc["npr1"]
    assert disc["plane_of_best_fit"] < 0.05
    assert np.isnan(shape(embed("CCO"))["plane_of_best_fit"])


def test_an_ensemble_is_compared_with_equivalent_atoms_exchanged() -> None:
    ensemble = embed_many("CC(C)(C)c1ccccc1", 3)
    assert len(ensemble) == 3
    assert min(best_rmsd(embed("CC(C)(C)c1ccccc1", 9), each) for each in ensemble) < 0.2
    with pytest.raises(InvalidMolecule):
        best_rmsd(embed("CCO"), embed("CCN"))


def test_strain_rises_when_a_bond_is_stretched() -> None:
    conformer = embed("CCO")
    assert strain_energy(conformer) < 0.1
    assert strain_energy(replace(conformer, coordinates=conformer.coordinates * 1.1)) > 20


def test_the_validity_report_is_that_of_posebusters_and_names_what_fails() -> None:
    pytest.importorskip("posebusters")
    conformer = embed("C[C@H](N)C(=O)O")
    good = geometry_report(conformer)
    assert good.valid
    assert {"bond_lengths", "bond_angles", "internal_steric_clash", "internal_energy", "stereo"} <= set(
        good.checks
    )
    mirrored = geometry_report(replace(conformer, coordinates=conformer.coordinates * [-1, 1, 1]))
    assert mirrored.failed == ("stereo",)
    stretched = geometry_report(replace(conformer, coordinates=conformer.coordinates * 1.5))
    assert "bond_lengths" in stretched.failed
    assert not stretched.valid


def test_a_conformer_shows_itself() -> None:
    conformer = embed("C[C@H](N)C(=O)OBr")
    picture = conformer_svg(conformer, (200, 100))
    assert picture.count("<circle") == len(conformer.symbols)
    assert picture._repr_svg_() == picture
    assert conformer._repr_html_()


def test_the_view_to_turn_is_that_of_py3dmol() -> None:
    pytest.importorskip("py3Dmol")
    assert "3Dmol" in conformer_html(embed("CO"))
