from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym.contracts import GymError, InvalidMolecule
from mmai_gym.molecules import (
    MAX_SMILES_LENGTH,
    heavy_atoms,
    morgan,
    morgan_array,
    morgan_bytes,
    murcko_scaffold,
    parse,
    tanimoto,
    tanimoto_to_all,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        (None, "must be a string, this is a NoneType"),
        (7, "must be a string, this is a int"),
        ("C1CC", "unclosed ring"),
        ("CXC", "syntax error"),
        ("CN(C)(C)(C)C", "valence for atom # 1 N, 5"),
        ("CC ethane", "blank"),
        ("CC\n", "blank"),
        ("C\x00C", "control"),
        ("\ud800", "non-ASCII"),
        ("C" * (MAX_SMILES_LENGTH + 1), "5,001 characters"),
        ("(" * 4000, "cannot read"),
    ],
)
def test_bad_text_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidMolecule, match=reason) as caught:
        parse(text)
    assert len(str(caught.value)) < 300


def test_invalid_molecule_is_one_error_family() -> None:
    assert issubclass(InvalidMolecule, GymError)
    assert issubclass(InvalidMolecule, ValueError)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="CNOcn()[]=#123%+-@/\\.*H:", max_size=40))
def test_any_text_is_a_molecule_or_invalid(text: str) -> None:
    try:
        mol = parse(text)
    except InvalidMolecule:
        return
    assert mol.GetNumAtoms() > 0


def test_rdkit_prints_nothing() -> None:
    code = (
        "from mmai_gym.molecules import *\n"
        "for text in ('C1CC', 'CXC', 'CN(C)(C)(C)C', '[nH]1cccc1.c1cc1'):\n"
        "    is_valid(text)\n"
        "for call, text in ((inchi, '*C'), (from_inchi, 'InChI=1S/junk'), (embed, '[U]')):\n"
        "    try: call(text)\n"
        "    except ValueError: pass\n"
        "preferred_cut('CC(=O)Nc1ccccc1')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_fingerprints_agree_with_themselves_and_each_other() -> None:
    smiles = ["CCO", "CCN", "c1ccccc1O"]
    counts = morgan_array(smiles)
    assert counts.shape == (3, 2048)
    assert counts.dtype == np.int32
    assert [set(np.flatnonzero(row)) for row in counts] == [set(morgan(text).GetOnBits()) for text in smiles]
    assert tanimoto("CCO", "OCC") == 1.0
    assert tanimoto("CCO", "c1ccccc1") == 0.0
    similarities = tanimoto_to_all(morgan("CCO"), [morgan(text) for text in smiles])
    assert similarities.tolist() == pytest.approx([1.0, tanimoto("CCO", "CCN"), tanimoto("CCO", "c1ccccc1O")])


@pytest.mark.parametrize(
    "smiles",
    [
        "C[C@H](N)C(=O)O",
        "C/C=C/Cl",
        "[H]N([H])c1ccc2[nH]ncc2c1",
        "[2H]C(Cl)Cl",
        "CC(=O)[O-].[Na+]",
        "CN(=O)=O",
        "[OH-].[Fe+2]",
        "[13CH3]S(=O)C",
    ],
)
def test_bytes_hold_the_bits_of_a_fingerprint(smiles: str) -> None:
    bits = np.unpackbits(np.frombuffer(morgan_bytes(smiles), dtype=np.uint8), bitorder="little")
    assert np.flatnonzero(bits).tolist() == list(morgan(smiles).GetOnBits())
    with pytest.raises(InvalidMolecule):
        morgan_bytes(f"{smiles}(")


def test_counts_grow_with_the_molecule_where_bits_do_not() -> None:
    short, long = morgan_array(["CCCCCCCC", "CCCCCCCCCCCC"])
    assert (short > 0).tolist() == (long > 0).tolist()
    assert long.sum() > short.sum()


def test_scaffold_keeps_rings_and_linkers_only() -> None:
    assert murcko_scaffold("Cc1ccc(CCC2CC2)cc1") == "c1ccc(CCC2CC2)cc1"
    assert murcko_scaffold("CCCC") == ""


def test_heavy_atoms_do_not_count_any_hydrogen() -> None:
    assert heavy_atoms("[2H]OC") == 2
