"""What is common to all oracles: nothing is computed twice, a failure stays alone and says why, stamps tell all apart."""

from __future__ import annotations

import math
import multiprocessing
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mmai_gym import oracles
from mmai_gym.contracts import DataError, Oracle, UsageError
from mmai_gym.molecules import Mol
from mmai_gym.oracles.base import PropertyModel, PropertyOracle
from mmai_gym.oracles.cache import Disk, Memory, Row


class Atoms(PropertyModel):
    """Numbers of atoms and bonds; refuses molecules with chlorine, and has no value for iodine."""

    name, version, checksum, properties = "atoms", "1", "abc", ("atoms", "bonds")

    def __init__(self, disk: Disk | None = None) -> None:
        super().__init__(Memory(3), disk)
        self.computed: list[int] = []

    def compute(self, mols: Sequence[Mol]) -> npt.NDArray[np.float64]:
        self.computed.append(len(mols))
        elements = [{atom.GetSymbol() for atom in mol.GetAtoms()} for mol in mols]
        if any("Cl" in found for found in elements):
            raise ValueError("chlorine is beyond me")
        return np.array(
            [
                [math.inf if "I" in found else mol.GetNumAtoms(), mol.GetNumBonds()]
                for mol, found in zip(mols, elements, strict=True)
            ],
            dtype=np.float64,
        )


def both(model: PropertyModel) -> tuple[PropertyOracle, PropertyOracle]:
    return PropertyOracle("atoms", "", "", model), PropertyOracle("bonds", "", "", model, column=1)


def test_one_pass_gives_every_property_and_equal_molecules_are_computed_once() -> None:
    model = Atoms()
    atoms, bonds = both(model)
    assert isinstance(atoms, Oracle)
    assert atoms.predict(["CCO", "C", "CCO"]).tolist() == [3, 1, 3]
    assert bonds.predict(["C", "CCO"]).tolist() == [0, 2]
    assert model.computed == [2]


def test_what_was_asked_for_the_longest_ago_is_forgotten() -> None:
    model = Atoms()
    atoms, _ = both(model)
    atoms.predict(["C", "CC", "CCC"])
    atoms.predict(["C"])
    atoms.predict(["CCCC"])
    assert model.computed == [3, 1]
    assert atoms.one("C") == 1 and model.computed == [3, 1]
    assert atoms.one("CC") == 2 and model.computed == [3, 1, 1]


def test_a_failure_is_nan_with_a_reason_and_its_neighbours_are_unharmed() -> None:
    atoms, bonds = both(Atoms())
    values = atoms.predict(["CCO", "C(", "CCCl", "CI", "C"])
    assert np.isnan(values).tolist() == [False, True, True, True, False]
    assert values[0] == 3 and values[4] == 1
    assert "C(" in atoms.reason("C(")
    assert atoms.reason("CCCl") == bonds.reason("CCCl") == "ValueError: chlorine is beyond me"
    assert atoms.reason("CCO") == ""


def test_a_value_that_is_no_number_is_nan() -> None:
    atoms, bonds = both(Atoms())
    assert math.isnan(atoms.one("CI")) and bonds.one("CI") == 1
    assert atoms.reason("CI") == "atoms is inf" and bonds.reason("CI") == ""


def test_a_missing_table_is_no_failure_of_the_molecule() -> None:
    class Broken(Atoms):
        def compute(self, mols: Sequence[Mol]) -> npt.NDArray[np.float64]:
            raise DataError("the weights are gone")

    with pytest.raises(DataError, match="gone"):
        both(Broken())[0].one("C")


def test_a_stamp_has_name_version_and_checksum() -> None:
    atoms, _ = both(Atoms())
    assert oracles.stamp(atoms) == "atoms@1#abc"
    assert oracles.stamp(oracles.get("qed")).startswith("qed@rdkit-")
    assert len({oracles.stamp(oracle) for oracle in oracles.ORACLES.values()}) == len(oracles.ORACLES)


def test_an_unknown_oracle_is_answered_with_the_list() -> None:
    with pytest.raises(UsageError, match="qed"):
        oracles.get("magic")


# --------------------------------------------------------------------------------------------------- disk


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path))
    return tmp_path / "oracles"


def test_what_another_process_computed_is_read(folder: Path) -> None:
    first, second = Atoms(Disk("atoms-1", 2)), Atoms(Disk("atoms-1", 2))
    values = both(first)[0].predict(["CCO", "CCCl", "CI"])
    np.testing.assert_array_equal(both(second)[0].predict(["CCO", "CCCl", "CI"]), values)
    assert second.computed == []
    assert both(second)[1].reason("CCCl") == "ValueError: chlorine is beyond me"
    assert [path.name for path in folder.iterdir() if path.suffix == ".sqlite"] == ["atoms-1.sqlite"]


def test_rows_of_another_width_are_none(folder: Path) -> None:
    Disk("atoms-1", 3).keep({"CCO": Row((1.0, 2.0, 3.0))})
    assert both(Atoms(Disk("atoms-1", 2)))[0].one("CCO") == 3


def test_a_damaged_file_costs_time_only(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "atoms-1.sqlite").write_bytes(b"not a database, and long enough to be taken for one " * 100)
    model = Atoms(Disk("atoms-1", 2))
    assert both(model)[0].predict(["CCO", "C"]).tolist() == [3, 1]


def test_a_file_that_somebody_else_is_writing_costs_time_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmai_gym.oracles.cache._PATIENCE", 0.01)
    Disk("atoms-1", 2).keep({"C": Row((1.0, 0.0))})
    other = sqlite3.connect(folder / "atoms-1.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    model = Atoms(Disk("atoms-1", 2))
    assert both(model)[0].predict(["CCO", "CC"]).tolist() == [3, 2]
    other.execute("ROLLBACK")
    other.close()


def write(number: int) -> None:
    disk = Disk("many-1", 1)
    for i in range(40):
        disk.keep({"C" * (40 * number + i + 1): Row((float(number),))})


def test_several_processes_write_at_once(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        pool.map(write, range(3))
    found = Disk("many-1", 1).find(["C" * (i + 1) for i in range(120)])
    assert [row.values[0] for row in found.values()].count(1.0) == 40
    assert len(found) == 120
