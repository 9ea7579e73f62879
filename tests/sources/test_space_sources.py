"""Linker, elaboration and QM9 sources: whole files read, and every fault of a file named."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmai_gym.contracts import DataError
from mmai_gym.molecules import heavy_atoms
from mmai_gym.sources import linkers, qm9, tables
from mmai_gym.sources.manifest import Dataset, File

Put = Callable[[str, str, int], None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a file of some key in the place of a data set's, with a manifest entry that fits it."""
    files: dict[str, File] = {}

    def write(key: str, text: str, rows: int) -> None:
        (tmp_path / key).write_text(text)
        files[key] = File(
            dataset="set", key=key, repository="o/r", commit="0" * 40, path=key, sha256="0" * 64, bytes=1, rows=rows,
            licence="MIT",
        )  # fmt: skip

    def found(name: str) -> Dataset:
        return Dataset(name=name, title="t", citation="c", terms="t", files=tuple(files.values()))

    monkeypatch.setattr(tables, "path_of", lambda file: tmp_path / file.key)
    for module in (linkers, qm9):
        monkeypatch.setattr(module, "dataset", found)
    return write


LINKER = "CCOCCN CO[*:1] C[*:1].N[*:2] 4.5 1.2"


@pytest.mark.parametrize(
    ("key", "line", "fault"),
    [
        ("zinc-test", "CCO CO[*:1]", "is not a molecule, its parts and their geometry"),
        ("elaboration-x", "CCO CO[*:1] C[*:1] 4.5 1.2", "is not a molecule, its parts and their geometry"),
        ("zinc-test", LINKER, "do not both have one dummy atom"),
        ("zinc-test", LINKER.replace("CO[*:1]", "[*:2]O[*:1]").replace("4.5", "far"), "is not a number"),
        ("zinc-test", LINKER.replace("CO[*:1]", "[*:2]O[*:1]").replace("1.2", "nan"), "is not finite"),
    ],
)
def test_a_line_that_is_no_cut_is_named(put: Put, key: str, line: str, fault: str) -> None:
    put(key, line + "\n", 1)
    with pytest.raises(DataError, match=fault):
        linkers.cuts.__wrapped__("delinker", key)  # type: ignore[attr-defined]


def test_a_cut_is_read(put: Put) -> None:
    put("elaboration-x", "CCO O[*:1] CC[*:1]\n", 1)
    (cut,) = linkers.cuts.__wrapped__("develop", "elaboration-x")  # type: ignore[attr-defined]
    assert (cut.molecule, cut.part, cut.rest) == ("CCO", "O[*:1]", "CC[*:1]") and math.isnan(cut.distance)


WATER = "mol_1\nO 0.0 0.0 0.1\nH 0.0 0.7 -0.4\nH 0.0 -0.7 -0.4\n-9.5\n"


@pytest.mark.parametrize(
    ("block", "names", "fault"),
    [
        (WATER.replace("O 0.0", "O"), "mol_1\tO\n", "not an element and three coordinates"),
        (WATER.replace("0.7", "x"), "mol_1\tO\n", "is not a number"),
        (WATER, "mol_2\tO\n", "no such molecule"),
        (WATER, "mol_1 O\n", "not a name and a SMILES"),
    ],
)
def test_a_block_that_is_no_molecule_is_named(put: Put, block: str, names: str, fault: str) -> None:
    for key in ("valid", "test"):
        put(key, block + "\n", 1)
    put("smiles", names, 1)
    with pytest.raises(DataError, match=fault):
        qm9.molecules.__wrapped__()  # type: ignore[attr-defined]


def test_a_file_that_lost_a_block_is_named(put: Put) -> None:
    put("valid", WATER, 2)
    put("smiles", "mol_1\tO\n", 1)
    with pytest.raises(DataError, match="1 molecules instead of 2"):
        qm9.molecules.__wrapped__()  # type: ignore[attr-defined]


@pytest.mark.data
def test_the_sets_have_the_published_numbers_of_rows() -> None:
    counts = {
        ("delinker", "zinc-test"): (400, 150), ("delinker", "zinc-valid"): (400, 150), ("delinker", "casf-test"): (309, 66),
        ("develop", "linker-zinc-test"): (400, 150), ("develop", "linker-zinc-valid"): (400, 150),
        ("develop", "linker-casf-test"): (188, 51), ("develop", "linker-pdbbind-test"): (321, 169),
        ("develop", "elaboration-zinc-test"): (800, 371), ("develop", "elaboration-casf-test"): (237, 102),
        ("develop", "elaboration-pdbbind-test"): (295, 225),
    }  # fmt: skip
    for (name, key), (rows, molecules) in counts.items():
        found = linkers.cuts(name, key)  # type: ignore[arg-type]
        assert (len(found), len({cut.molecule for cut in found})) == (rows, molecules), key


@pytest.mark.data
def test_the_small_molecules_of_qm9_have_their_atoms_in_space() -> None:
    found = qm9.molecules()
    assert len(found) == len({molecule.name for molecule in found}) == 2_959
    for molecule in found[::50]:
        assert molecule.coordinates.shape == (len(molecule.symbols), 3) and len(molecule.symbols) <= 14
        assert heavy_atoms(molecule.smiles) == sum(symbol != "H" for symbol in molecule.symbols)
    energies = np.array([molecule.energy for molecule in found])
    assert energies.min() > -70.0 and energies.max() < -12.0
