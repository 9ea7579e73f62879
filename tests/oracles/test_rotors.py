"""Rotatable bonds are RDKit's strict ones, told from what hangs on their ends."""

from __future__ import annotations

import random

import pytest
from rdkit.Chem import rdMolDescriptors

from mmai_gym.molecules import parse
from mmai_gym.oracles.environments import surroundings
from mmai_gym.oracles.rotors import rotatable_bonds
from mmai_gym.sources import embedded, molecule_lists

ODD = (
    "CCO", "CCCC", "CC(C)(C)CC", "CC(F)(F)F", "FC(F)(F)CCC(Cl)(Cl)Cl", "BrC(Br)(Br)CC", "FC(F)(Cl)CC", "CC(=O)NC",
    "CCC(=O)NCC", "CCC(=O)OCC", "CCC(=S)SCC", "CCC(=S)SC", "CCC(=O)S", "CCC(=NC)NCC", "CCC(=[NH2+])NCC",
    "CCC(=[NH2+])OCC", "CCC(=[N+](C)C)N", "CCS(=O)(=O)NCC", "CCC#CCC", "CCC#N", "CC[N+](C)(C)CC", "CCNC(=O)NCC",
    "CCOC(=O)OCC", "CCC(=O)N(CC)CC", "CCC(=O)n1cccc1", "CCC(=O)c1ccccc1", "c1ccccc1-c1ccccc1", "C1CC1C1CC1",
    "O=C1CCCN1CC", "O=C1CCCN1C1CC1", "CCC(C)=NOCC", "CC=CC=CC", "[13CH3]CCC", "C[CH2]CC", "[CH2]CCC", "C[Si](C)(C)CC",
    "CCP(=O)(OCC)OCC", "CSSC", "CCC(=O)C(=O)CC", "[2H]C([2H])([2H])CC", "[H][H]", "C[Pd]C", "N->[Pd]<-N", "CC~CC",
    "O=c1cc[nH]cc1CC", "CC(=O)[O-].[Na+]", "CCC(=O)[N-]CC", "Cc1n(CC)c(=O)c(CC)nc1CC", "CCC(=O)OC=C",
)  # fmt: skip


def strict(smiles: str) -> int:
    return rdMolDescriptors.CalcNumRotatableBonds(parse(smiles), rdMolDescriptors.NumRotatableBondsOptions.Strict)


def ours(smiles: str) -> int:
    mol = parse(smiles)
    return rotatable_bonds(mol, surroundings(mol))


@pytest.mark.parametrize("smiles", ODD)
def test_odd_molecules(smiles: str) -> None:
    assert ours(smiles) == strict(smiles)


def test_the_embedded_molecules() -> None:
    smiles = [molecule.smiles for molecule in embedded.molecules()]
    assert [text for text in smiles if ours(text) != strict(text)] == []
    assert sum(map(ours, smiles)) > 10_000


@pytest.mark.data
def test_three_thousand_drug_like_molecules() -> None:
    drawn = random.Random(1).sample([row.smiles for row in molecule_lists.zinc()], 3_000)
    assert [text for text in drawn if ours(text) != strict(text)] == []
