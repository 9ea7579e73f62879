"""Proteins as sequences, and pockets of complexes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import (
    AMINO_ACIDS,
    Antibody,
    Protein,
    Structure,
    antibody_from_fasta,
    antibody_to_fasta,
    composition,
    cut_pocket,
    from_antibody_text,
    from_fasta,
    from_pocket_text,
    read_structure,
    to_antibody_text,
    to_fasta,
    to_pocket_text,
)

LYSINE = "ATOM      1  CA  LYS A  52A     11.000  22.500  -3.125  1.00  0.00           C  \n"


def test_fasta_is_read_and_written() -> None:
    text = ">first of two\nMKTA\nyiak\n\n>second\nGG*\n"
    first, second = from_fasta(text)
    assert (first.name, first.sequence) == ("first of two", "MKTAYIAK")
    assert second.sequence == "GG"
    assert from_fasta(to_fasta([first, second])) == (first, second)
    long = Protein("long", AMINO_ACIDS * 10)
    assert max(map(len, to_fasta([long]).splitlines())) == 60
    assert from_fasta(to_fasta([long]))[0] == long


@pytest.mark.parametrize(
    "text", ["", "  ", "MKT", ">name\n", ">a\nMKT\n>b\nM1T", "MKT\n>a\nMKT", ">a\nM KT-", None]
)
def test_malformed_fasta_is_refused(text: str) -> None:
    with pytest.raises(InvalidMolecule):
        from_fasta(text)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.text(alphabet=AMINO_ACIDS + "X", min_size=1, max_size=200), min_size=1, max_size=4))
def test_any_sequences_come_back_from_fasta(sequences: list[str]) -> None:
    proteins = tuple(Protein(f"p{place}", sequence) for place, sequence in enumerate(sequences))
    assert from_fasta(to_fasta(proteins)) == proteins


def test_residues_are_found_by_their_numbers() -> None:
    protein = Protein("loop", "GSTA", ("51", "52", "52A", "53"))
    assert protein.residue("52A") == "T"
    assert protein.numbered() == "G51 S52 T52A A53"
    assert Protein("", "MK").numbered() == "M1 K2"
    with pytest.raises(KeyError, match="no residue 60"):
        protein.residue(60)
    for numbers in (("1",), ("1", "2", "3", "x")):
        with pytest.raises(InvalidMolecule):
            Protein("loop", "GSTA", numbers)


def test_composition_counts_every_residue() -> None:
    counts = composition("MKKX")
    assert list(counts)[:20] == list(AMINO_ACIDS)
    assert (counts["K"], counts["M"], counts["X"], counts["A"]) == (2, 1, 1, 0)


def test_an_antibody_is_one_record() -> None:
    antibody = Antibody("trastuzumab", "EVQLVESGG", "DIQMTQSPS")
    assert to_antibody_text(antibody) == "EVQLVESGG:DIQMTQSPS"
    assert from_antibody_text(to_antibody_text(antibody), "trastuzumab") == antibody
    assert antibody_from_fasta(antibody_to_fasta(antibody)) == antibody
    for text in ("EVQL", "EVQL:DIQ:M", ":DIQ", "EVQ:1", None):
        with pytest.raises(InvalidMolecule):
            from_antibody_text(text)
    with pytest.raises(InvalidMolecule, match="heavy"):
        antibody_from_fasta(">a\nEVQL\n>b\nDIQ\n")


# ------------------------------------------------------------------------------------------------------- structures


@pytest.fixture(scope="module")
def complexes() -> dict[str, tuple[str, np.ndarray]]:
    """PDB text and ligand coordinates of the complexes that PoseBusters' wheel brings, by PDB entry."""
    pytest.importorskip("gemmi")
    posebusters = pytest.importorskip("posebusters")
    found = {}
    for folder in sorted((Path(posebusters.__file__).parent / "datasets" / "pdb").iterdir()):
        ligand = Chem.MolFromMolFile(str(folder / f"{folder.name}_ligand.sdf"))
        text = next(folder.glob("*.pdb")).read_text(encoding="utf-8")
        found[folder.name] = text, np.array(ligand.GetConformer().GetPositions())
    if not found:
        pytest.skip("this release of posebusters brings no complexes")
    return found


def test_pockets_are_cut_by_distance_and_come_back_from_text(complexes: dict[str, tuple[str, np.ndarray]]) -> None:
    for text, ligand in complexes.values():
        pocket = cut_pocket(read_structure(text), ligand)
        apart = np.linalg.norm(pocket.coordinates[:, None] - ligand[None], axis=-1).min(axis=1)
        for place in range(len(pocket.residues)):
            assert apart[pocket.residue_index == place].min() <= 5.0
        assert 10 < len(pocket.residues) < 40
        back = from_pocket_text(to_pocket_text(pocket))
        assert (back.residues, back.atom_names, back.elements) == (
            pocket.residues,
            pocket.atom_names,
            pocket.elements,
        )
        assert np.array_equal(back.residue_index, pocket.residue_index)
        assert np.abs(back.coordinates - pocket.coordinates).max() <= 0.00501
        assert str(pocket.residues[0]) in pocket._repr_html_()


def test_mmcif_gives_the_same_pocket_as_pdb(complexes: dict[str, tuple[str, np.ndarray]]) -> None:
    import gemmi

    text, ligand = complexes["1ia1"]
    cif = gemmi.read_pdb_string(text).make_mmcif_document().as_string()
    assert cut_pocket(read_structure(cif), ligand).residues == cut_pocket(read_structure(text), ligand).residues


def test_dihydrofolate_reductase_has_its_chains_cofactor_and_pocket(
    complexes: dict[str, tuple[str, np.ndarray]],
) -> None:
    structure: Structure = read_structure(complexes["1ia1"][0])
    assert [(protein.name, protein.sequence[:10]) for protein in structure.proteins] == [
        ("A", "MLKPNVAIIV"),
        ("B", "MLKPNVAIIV"),
    ]
    assert [site.residue.name for site in structure.sites] == ["TQ3", "NDP", "NDP"]
    pocket = cut_pocket(structure, structure.site("TQ3").coordinates)
    assert {"A:ILE9", "A:GLU32", "A:ILE112"} <= set(map(str, pocket.residues))
    with pytest.raises(KeyError, match="A:TQ3"):
        structure.site("ATP")


def test_insertion_codes_are_part_of_a_number() -> None:
    pytest.importorskip("gemmi")
    (protein,) = read_structure(LYSINE).proteins
    assert protein.numbered() == "K52A"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "data_x\n",
        LYSINE.replace("22.500", "   nan"),
        LYSINE.replace("22.500", "2x.500"),
        "data_x\nloop_\n_atom",
    ],
)
def test_malformed_structures_are_refused(text: str) -> None:
    pytest.importorskip("gemmi")
    with pytest.raises(InvalidMolecule):
        read_structure(text)


def test_a_ligand_elsewhere_has_no_pocket() -> None:
    pytest.importorskip("gemmi")
    with pytest.raises(InvalidMolecule, match="frame of the structure"):
        cut_pocket(read_structure(LYSINE), np.zeros((1, 3)))
    for ligand in (np.zeros((0, 3)), np.zeros(3), np.full((1, 3), np.nan)):
        with pytest.raises(InvalidMolecule, match="shape"):
            cut_pocket(read_structure(LYSINE), ligand)


@pytest.mark.parametrize(
    "text", ["", "A:LYS52", "A:LYS52 CA 1 2", "LYS52 CA 1.0 2.0 3.0", "A:LYS52 CA 1 2 nan", None]
)
def test_malformed_pocket_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidMolecule):
        from_pocket_text(text)
