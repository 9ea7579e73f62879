"""Crippen's logP is RDKit's number to the last digit, whether its environments have been met before or not."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from mmai_gym.molecules import parse, randomized
from mmai_gym.oracles import crippen
from mmai_gym.oracles.crippen import crippen_logp
from mmai_gym.oracles.environments import surroundings
from mmai_gym.sources import embedded, molecule_lists

ODD = (
    "C", "[H][H]", "[2H]C([2H])O", "[H-]", "*C", "N->[Pd]<-N", "[Na+].[Cl-]", "O", "[OH-]", "OO", "CON",
    "OC=O", "OC(=S)C", "OC=N", "OC=C", "Oc1ccccc1", "CO", "OCC(=O)O", "C1OC1O", "O1OC1", "O=C=O", "O=C",
    "O=CC", "O=CN", "O=C(C)C", "O=C(C)c1ccccc1", "O=c1cc[nH]cc1", "[O-]C(=O)C", "[O-][N+](=O)C",
    "CS(=O)(=O)[O-]", "OS(=O)C", "OP(=O)(O)O", "O[Si](C)(C)C", "C[N+](C)(C)C", "C=C=C", "C#CC", "CC(F)(Cl)Br",
    "c1ccccc1-c1ccncc1", "C1=CC2CC1C2", "[13CH3]O", "C[CH2]", "O=C1C=CC(=O)C=C1",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_met_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crippen, "_contributions", {})


def _rdkit(smiles: str) -> float:
    return rdMolDescriptors.CalcCrippenDescriptors(parse(smiles))[0]


def _different(molecules: Iterator[str]) -> list[str]:
    return [smiles for smiles in molecules if crippen_logp(parse(smiles)) != _rdkit(smiles)]


@pytest.mark.parametrize("smiles", ODD)
def test_odd_molecules_twice(smiles: str) -> None:
    assert [crippen_logp(parse(smiles)) for _ in range(2)] == [_rdkit(smiles)] * 2


@pytest.mark.parametrize("smiles", ["C[N](C)(C)->[Pd]", "[2H]OC", "[H][H]", "CN~C"])
def test_what_numbers_would_not_tell_is_left_to_rdkit(smiles: str) -> None:
    mol = parse(smiles)
    assert surroundings(mol) is None
    assert crippen_logp(mol) == _rdkit(smiles)


def test_the_embedded_molecules_in_two_writings() -> None:
    smiles = [molecule.smiles for molecule in embedded.molecules()]
    assert not _different(iter(smiles))
    # Few environments for some hundred thousand atoms: most molecules have been looked up.
    assert 500 < len(crippen._contributions) < 20_000
    assert not _different(randomized(text, 1) for text in smiles[:1_000])


@pytest.mark.data
def test_five_thousand_drug_like_molecules() -> None:
    assert not _different(iter(random.Random(0).sample([row.smiles for row in molecule_lists.zinc()], 5_000)))


def test_what_is_remembered_is_bounded_and_goes_with_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crippen, "_REMEMBERED", 3)
    assert not _different(iter(["CCO", "c1ccncc1", "CC(=O)N", "CCS", "CCO"]))
    assert len(crippen._contributions) < 10
    mol = Chem.RWMol(parse("CCO"))
    before = crippen_logp(mol)
    mol.GetAtomWithIdx(2).SetAtomicNum(16)
    Chem.SanitizeMol(mol)
    assert crippen_logp(mol) == _rdkit("CCS") != before
