"""QED is RDKit's number to the last digit, whatever the molecule; only searches that cannot succeed are left out."""

from __future__ import annotations

import random

import pytest
from rdkit.Chem import QED

from mmai_gym.molecules import parse, randomized
from mmai_gym.oracles.environments import surroundings
from mmai_gym.oracles.qed import _screen, drug_likeness
from mmai_gym.sources import embedded, molecule_lists

ODD = (
    "[H][H]", "[2H]C([2H])([2H])O", "[H-]", "[Na+].[Cl-]", "*", "C*C", "[13CH4]", "[15NH3]", "[18OH2]", "[34SH2]",
    "[Fe+2]", "[Cu]", "O", "C", "N#N", "F.F.F.F", "I", "P", "[SH-]", "CC(=O)OC.CC(=O)OC.CC(=O)OC", "C1CO1", "C1CS1",
    "c1ccc2ccccc2c1", "c1ccc2c(c1)ccc1ccccc12", "C=C=C", "C=C=O", "N=[N+]=[N-]", "CN=[N+]=[N-]", "[C-]#[N+]C",
    "O=C1C=CC(=O)C=C1", "O=C1C(=O)C=CC=C1", "C1CCCCCC1", "C1CCCCCCC1", "C1CCC=CCC1", "CC#CC(=O)C", "C#CC(=O)OC",
    "c1ccccc1C(c1ccccc1)c1ccccc1", "O=c1ccc2ccccc2o1", "N->[Pd]<-N", "B", "[SiH3]Cl", "C12C3C4C1C5C2C3C45", "O=[N+]([O-])C",
    "C[S+](C)C", "c1cc[o+]cc1", "C[CH2]", "[O]", "OO", "CSSC", "CS(=O)(=O)OC", "CC(C)=C(C)C", "C1CC1=C(C)C", "N1C(=O)CC1",
    "C[C@H](N)C(=O)O", "[NH3+][C@@H](C)C([O-])=O", "Oc1ccc(N)cc1", "C/C=N/O", "C=CC=C", "CCCCCCCCCCCC", "[H]N([H])[H]",
    "O=C1c2ccccc2C(=O)c2ccccc12", "C1C2CC3CC1CC(C2)C3", "C1CC2(C1)CCC2", "C12C3C1C23", "c1ccc2c(c1)-c1ccccc1C2",
    "Cl[Re]$[Re]Cl", "CN1CCC23c4c5ccc(O)c4OC2C(O)C=CC3C1C5",
)  # fmt: skip


@pytest.mark.parametrize("smiles", ODD)
def test_odd_molecules(smiles: str) -> None:
    assert drug_likeness(parse(smiles)) == QED.qed(parse(smiles))


def test_the_embedded_molecules() -> None:
    different = [
        m.smiles for m in embedded.molecules() if drug_likeness(parse(m.smiles)) != QED.qed(parse(m.smiles))
    ]
    assert len(embedded.molecules()) > 4_000
    assert not different


def test_another_writing_of_a_molecule() -> None:
    for molecule in random.Random(0).sample(list(embedded.molecules()), 200):
        written = randomized(molecule.smiles, 1)
        assert drug_likeness(parse(written)) == QED.qed(parse(written))


@pytest.mark.data
def test_three_thousand_drug_like_molecules() -> None:
    drawn = random.Random(0).sample(molecule_lists.zinc(), 3_000)
    different = [m.smiles for m in drawn if drug_likeness(parse(m.smiles)) != QED.qed(parse(m.smiles))]
    assert not different


def test_the_screen_lets_every_pattern_through_that_is_there_and_few_others() -> None:
    let_through = found = 0
    for molecule in embedded.molecules()[:500]:
        mol = parse(molecule.smiles)
        acceptors, alerts = _screen().possible(mol, surroundings(mol))
        for patterns, possible in ((QED.Acceptors, acceptors), (QED.StructuralAlerts, alerts)):
            there = {id(pattern) for pattern in patterns if mol.HasSubstructMatch(pattern)}
            assert there <= {id(pattern) for pattern in possible}
            let_through, found = let_through + len(possible), found + len(there)
    assert found < let_through < 5 * found
    assert let_through < 0.2 * 500 * (len(QED.Acceptors) + len(QED.StructuralAlerts))


def test_every_pattern_can_be_found_in_a_molecule_made_of_many() -> None:
    """Nothing in the reading of a pattern may rule out what the pattern itself finds."""
    everything = parse(".".join(smiles for smiles in ODD if surroundings(parse(smiles))))
    assert everything.GetNumAtoms() > 200
    _, possible = _screen().possible(everything, surroundings(everything))
    there = {id(pattern) for pattern in QED.StructuralAlerts if everything.HasSubstructMatch(pattern)}
    assert len(there) > 40
    assert there <= {id(pattern) for pattern in possible}
