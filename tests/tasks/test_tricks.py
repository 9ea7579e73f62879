"""What disqualifies an answer whatever its properties."""

from __future__ import annotations

import pytest

from mmai_gym.molecules import canonical, shared
from mmai_gym.oracles.environments import surroundings
from mmai_gym.sources import embedded
from mmai_gym.tasks.tricks import LARGEST_VALUED, _absurd, trick, worthless


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("CCCCN", ""),
        ("CCCCCCCCCC", ""),  # twice the size is allowed
        ("CCCCCCCCCCC", "more than twice the size"),
        ("CCCCO.C", "more than one molecule"),
        ("[13CH3]CCCO", "isotopes"),
        ("[2H]OCCCC", "isotopes"),
        ("CCCC[O]", "radicals"),
        ("CCCC[OH:1]", "atom maps"),
        ("CCCC*", "wildcard"),
        ("CCCC[O-]", "another net charge"),
        ("[NH3+]CCC[O-]", "charges apart"),
        ("[NH2+]([O-])CCC", "charges apart"),
        ("CCC[N+](=O)[O-]", ""),
        ("CC=[N+]=[N-]", ""),
        ("C[As](C)CC", "foreign"),
        ("CCCOO", "peroxide"),
        ("CCNNN", "row of nitrogen"),
        ("CSSSC", "row of nitrogen"),
        ("CCCS(=O)(=O)N", ""),
        ("CCCOCl", "halogen on"),
        ("CCN(F)C", "halogen on"),
        ("CCSCl", "halogen on"),
        ("C#CC#CC#C", "polyyne"),
        ("C=C=C=C", "cumulene"),
        ("C=C=CC", ""),
    ],
)
def test_each_door_is_shut_and_nothing_else(target: str, named: str) -> None:
    found = trick("CCCCO", canonical(target))
    assert named in found and bool(found) == bool(named)


@pytest.mark.parametrize(
    ("source", "target", "named"),
    [
        ("CCOO", "CCCOO", ""),
        ("CCOO", "OOCCOO", "peroxide"),
        ("C[As](C)C", "CC[As](C)C", ""),
        ("C[As](C)C", "C[Hg]C", "foreign"),
        ("[NH3+]CC(=O)[O-]", "[NH3+]C(C)C(=O)[O-]", ""),
        ("CC(O)CC", "C[C@H](O)CC", "stereoisomer"),
        ("C[C@H](O)CC", "C[C@@H](O)CC", "stereoisomer"),
        ("C/C=C/C", "C/C=C\\C", "stereoisomer"),
        ("C[C@H](O)CC", "C[C@H](N)CC", ""),
        ("CC[NH+]=C(NC)NCc1ccccc1", "CCN=C(NC)[NH2+]Cc1ccccc1", "a proton that has moved"),
        ("CC[NH+]=C(NC)NCc1ccccc1", "CC[NH2+]C(NC)NCc1ccccc1", ""),  # reduced
        ("CC(O)=CC", "CC(=O)CC", ""),  # without a charge a tautomer is a molecule of its own
    ],
)
def test_what_the_input_has_itself_is_no_trick(source: str, target: str, named: str) -> None:
    found = trick(canonical(source), canonical(target))
    assert named in found and bool(found) == bool(named)


def test_only_a_trick_of_monstrous_size_is_not_valued() -> None:
    limit = "C" * LARGEST_VALUED
    assert not worthless(trick("CCO", limit), limit)
    assert worthless(trick("CCO", limit + "C"), limit + "C")
    assert not worthless(trick(limit, limit + "C"), limit + "C")  # large, but no trick


def test_no_absurd_group_is_missed_for_not_being_searched() -> None:
    groups = (
        "OO",
        "NNN",
        "ONO",
        "SOS",
        "OF",
        "NCl",
        "SBr",
        "N(I)C",
        "C#CC#CC#C",
        "C=C=C=C",
        "C=C=C",
        "S(=O)(=O)NN",
        "c1nnnn1O",
        "N1NN1",
    )
    mols = [shared(f"CC{group}") for group in groups] + [shared(m.smiles) for m in embedded.molecules()[::5]]
    for mol in mols:
        assert list(_absurd(mol, surroundings(mol))) == list(_absurd(mol, None))
    assert sum(any(_absurd(mol, None)) for mol in mols) > 12
