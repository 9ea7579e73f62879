"""From any view to any other, one at a time and in batches that no molecule can stop."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule, UsageError
from mmai_gym.molecules import (
    VIEWS,
    Conformer,
    canonical,
    convert,
    convert_all,
    embed,
    rmsd,
    sdf_records,
    to_sdf,
)

ALANINE = "C[C@H](N)C(=O)O"
LONG = Chem.MolToSmiles(Chem.MolFromSequence("ACDEFGHIKLMNPQRSTVWY" * 3))
"""899 atoms with hydrogens: distance geometry takes many seconds."""
NOT_A_NUMBER = to_sdf(embed("CO")).replace("    0.", "    nan.", 1)
GOOD = [ALANINE, "CCO", "c1ccccc1", "C/C=C/C"]


@pytest.mark.parametrize("source", [name for name, view in VIEWS.items() if view.exact])
def test_every_exact_view_leads_to_every_other(source: str) -> None:
    value = convert(ALANINE, source)
    for target in VIEWS:
        made = convert(value, target, source=source)
        back = VIEWS[target]
        if back.exact:
            assert convert(made, "smiles", source=target) == canonical(ALANINE)
        else:
            assert made == convert(ALANINE, target)


def test_coordinates_stay_where_they_are_between_views_in_space() -> None:
    conformer = convert(ALANINE, "conformer-arrays", seed=7)
    sdf = convert(conformer, "sdf")
    assert rmsd(convert(convert(sdf, "pdb", source="sdf"), "conformer-arrays", source="pdb"), conformer) < 1e-3
    assert convert(convert(sdf, "xyz", source="sdf"), "smiles", source="xyz") == canonical(ALANINE)


def test_rdkit_molecules_are_taken_with_their_conformer() -> None:
    mol = Chem.MolFromMolBlock(to_sdf(embed("CCO", 3)), removeHs=False)
    assert convert(mol, "smiles") == "CCO"
    assert rmsd(convert(mol, "conformer-arrays"), embed("CCO", 3)) < 1e-3


def test_options_are_those_of_the_view() -> None:
    assert convert("CCO", "smiles-rooted", atom=2).startswith("O")
    assert len({convert(ALANINE, "smiles-randomized", seed=seed) for seed in range(8)}) > 3
    for wrong in (lambda: convert("CCO", "smiles", seed=1), lambda: convert("CCO", "smiels")):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(UsageError, match="it is a hash"):
        convert("LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "smiles", source="inchikey")
    with pytest.raises(UsageError):
        convert_all(["CCO"], "smiles", seed=1)


def test_a_batch_gives_a_value_or_a_named_failure_for_each_molecule_in_order() -> None:
    bad = ["C1CC", "", "CCO and more", None, 7, "C" * 6000, "OC(Cl)=[C@]=C(C)F", "*C"]
    items = [item for pair in itertools.zip_longest(GOOD * 30, bad) for item in pair if item or pair[1] in (item,)]
    expected = []
    for item in items:
        try:
            expected.append(convert(item, "selfies"))
        except InvalidMolecule:
            expected.append(None)
    batch = convert_all(items, "selfies", workers=2)
    results = list(batch)
    assert [result.value for result in results] == expected
    assert all(result.failure == "invalid" and result.reason for result in results if result.value is None)
    assert batch.done == len(items)
    assert batch.failures == {"invalid": expected.count(None)}
    assert f"{expected.count(None)} failed" in str(batch)


def test_files_that_are_malformed_fail_by_name_and_the_batch_goes_on() -> None:
    records = [
        to_sdf(embed("CCO")),
        "no record at all",
        NOT_A_NUMBER,
        Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")),
        to_sdf(embed("CO")).replace("M  END", ""),
        _protein_sdf(),
        to_sdf(embed("CN")),
    ]
    batch = convert_all(records, "smiles", source="sdf", workers=1)
    results = list(batch)
    assert [result.value for result in results] == ["CCO", None, None, None, None, None, "CN"]
    assert batch.failures == {"invalid": 5}
    reasons = [result.reason for result in results if result.failure]
    assert "3D" in reasons[2]
    assert "protein" in reasons[4]


def _protein_sdf() -> str:
    """A record of 5,000 atoms."""
    lines = ["", "  made up          3D", "", "  0  0  0  0  0  0  0  0  0  0999 V3000", "M  V30 BEGIN CTAB"]
    lines += ["M  V30 COUNTS 5000 0 0 0 0", "M  V30 BEGIN ATOM"]
    lines += [f"M  V30 {number} C {number} {number % 7} {number % 11}.25 0" for number in range(1, 5001)]
    lines += ["M  V30 END ATOM", "M  V30 END CTAB", "M  END", "$$$$", ""]
    return "\n".join(lines).ljust(500_000)


def test_records_of_a_file_are_told_apart() -> None:
    text = to_sdf(embed("CCO")) + to_sdf(embed("CN"))
    assert [result.value for result in convert_all(sdf_records(text), "smiles", source="sdf", workers=1)] == [
        "CCO",
        "CN",
    ]


def test_a_molecule_that_cannot_be_embedded_in_time_fails_alone() -> None:
    batch = convert_all(["CCO", LONG, "CN"], "xyz", workers=1, seconds=1.5)
    first, long, last = batch
    assert first.failure is None
    assert last.failure is None
    assert long.failure == "timeout"
    assert batch.failures == {"timeout": 1}


def test_a_batch_takes_its_molecules_as_it_goes() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        for smiles in itertools.cycle(GOOD):
            taken += 1
            yield smiles

    batch = convert_all(endless(), "smiles", workers=1)
    for _ in range(500):
        next(batch)
    assert taken < 300_000
    batch.close()


def test_arrays_travel_too() -> None:
    graphs = [convert(smiles, "graph-arrays") for smiles in GOOD]
    texts = [result.value for result in convert_all(graphs, "smiles", source="graph-arrays", workers=1)]
    assert texts == [canonical(smiles) for smiles in GOOD]
    made = [result.value for result in convert_all(GOOD, "conformer-arrays", workers=1)]
    assert all(isinstance(conformer, Conformer) for conformer in made)
    assert np.array_equal(made[1].coordinates, convert(GOOD[1], "conformer-arrays").coordinates)
