"""Molecules to try things on: every fiftieth of the NCI set that ships with RDKit, and hand-picked hard ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdkit import RDConfig

from mmai_gym.molecules import is_valid

HARD = (
    "C[C@H](N)C(=O)O",
    "[C@@H](F)(Cl)Br",
    "C/C=C/C",
    "C/C=C\\C",
    "F/C(Cl)=C(/Br)I",
    "F/C=C/C=C\\Cl",
    "C1=C/CCCCCC/1",
    "C/C=N/O",
    "C[C@H]1CC[C@@H](C)CC1",
    "O[C@H]1[C@@H](O)[C@H](O)[C@@H](CO)O[C@@H]1O",
    "C[S@](=O)c1ccccc1",
    "[CH3]",
    "[CH2]C",
    "[O][O]",
    "[2H]C([2H])O",
    "[13CH3]O",
    "[H][H]",
    "[H+]",
    "N->[Fe]",
    "*C",
    "C[N+]#[C-]",
    "[C-]#[O+]",
    "O=[N+]([O-])c1c[nH]cc1",
    "c1cc[se]c1",
    "[Na+].[Cl-]",
    "C[n+]1ccccc1.[I-]",
)


@pytest.fixture(scope="session")
def nci() -> list[str]:
    """About a hundred molecules, as written in the file."""
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text(encoding="utf-8").splitlines()
    return [smiles for smiles in (line.split("\t")[0] for line in lines[::50]) if is_valid(smiles)]


@pytest.fixture(scope="session")
def varied(nci: list[str]) -> list[str]:
    """The NCI molecules and those with stereo, isotopes, radicals, charges, salts."""
    return [*HARD, *nci]
