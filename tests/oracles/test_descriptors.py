"""Oracles agree with RDKit and with published values, and fail as NaN."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, RDConfig

from mmai_gym import oracles
from mmai_gym.contracts import Oracle
from mmai_gym.molecules import parse, shared
from mmai_gym.oracles.sa import _NumbersOnly, _stereocentres
from mmai_gym.sources import embedded

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("qed", 0.5501),
        ("logp", 1.3101),
        ("tpsa", 63.60),
        ("sa", 1.5800),
        ("molecular-weight", 180.159),
        ("rings", 1),
        ("alerts-pains", 0),
        ("alerts-brenk", 1),
        ("alerts-nih", 0),
    ],
)
def test_aspirin_has_its_known_values(name: str, value: float) -> None:
    assert oracles.get(name).one(ASPIRIN) == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize("name", sorted(oracles.DESCRIPTORS))
def test_a_failure_is_nan_and_its_neighbours_are_unharmed(name: str) -> None:
    oracle = oracles.get(name)
    assert isinstance(oracle, Oracle)
    values = oracle.predict([ASPIRIN, "not a molecule", "", ASPIRIN])
    assert np.isnan(values[[1, 2]]).all()
    assert values[0] == values[3] == oracle.one(ASPIRIN)
    assert "rdkit" in oracle.version
    assert oracle.reason(ASPIRIN) == "" and "syntax" in oracle.reason("not-a-molecule")


def test_no_oracle_changes_the_molecule_that_others_see() -> None:
    """They share one object; whoever comes first, the values are those of a molecule of one's own."""
    smiles = "C[C@H](N)C(=O)N1CC2CC1CC2/C=C/c1ccc(O)c(O)c1"
    alone = {name: oracle.model.compute([parse(smiles)])[0, 0] for name, oracle in oracles.DESCRIPTORS.items()}
    mol = shared(smiles)
    for names in (list(alone), list(alone)[::-1]):
        assert {name: oracles.DESCRIPTORS[name].model.compute([mol])[0, 0] for name in names} == alone


def test_alerts_are_those_of_the_filter_catalogs() -> None:
    rhodanine = "O=C1NC(=S)SC1=Cc1ccccc1"
    assert oracles.get("alerts-pains").one(rhodanine) >= 1
    assert oracles.get("alerts-nih").one("CC(=O)C=C") + oracles.get("alerts-brenk").one("CC(=O)C=C") >= 1


def test_synthetic_accessibility_agrees_with_the_contributed_script() -> None:
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("sascorer", path)
    assert spec is not None and spec.loader is not None
    sascorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sascorer)
    smiles = [row.smiles for row in embedded.molecules()[::40]] + [
        "C",
        "CC",
        "C1CCCCCCCCCCC1",
        "C12C3C4C1C5C2C3C45",
    ]
    ours = oracles.get("sa").predict(smiles)
    theirs = [sascorer.calculateScore(Chem.MolFromSmiles(text)) for text in smiles]
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize(
    "smiles",
    [
        "CC(C)O", "[13CH3]C(C)O", "CC(O)CC", "CP(=O)(O)CC", "CS(=O)CC", "CS(=O)(=O)CC", "C[N+](CC)(CCC)CCCC", "CN1CC1C",
        "CC1CCC(C)CC1", "FC(F)(F)C(C)(C)C", "CC(C)(F)[18F]", "C[Si](CC)(CCC)F", "[NH3+]C(C)C(=O)[O-]", "C[C@H]([2H])O",
        "C1CC2CCC1C2", "C[S+](CC)CCC",
    ],
)  # fmt: skip
def test_stereocentres_are_those_that_rdkit_finds(smiles: str) -> None:
    found = Chem.FindMolChiralCenters(parse(smiles), includeUnassigned=True, useLegacyImplementation=True)
    assert _stereocentres(parse(smiles)) == len(found)


def test_the_fragment_table_can_hold_nothing_but_numbers(tmp_path: Path) -> None:
    import pickle

    harmful = tmp_path / "x.pkl"
    harmful.write_bytes(pickle.dumps([[1.0, math.sqrt]]))
    with harmful.open("rb") as file, pytest.raises(Exception, match="numbers only"):
        _NumbersOnly(file).load()
