"""What training reactions start from, with the data and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmai_gym import tasks
from mmai_gym.contracts import CheckpointError
from mmai_gym.models import Materials, starting_materials
from mmai_gym.models.materials import MATERIALS
from mmai_gym.molecules import canonical_set


def test_they_are_the_molecules_that_the_questions_of_training_show() -> None:
    found = starting_materials("forward/embedded")
    examples = tasks.get("forward/embedded").examples("train")
    shown = [canonical_set(str(example.inputs["smiles"])).split(".") for example in examples]
    assert found == {molecule for molecules in shown for molecule in molecules}
    assert len(found) > 1000


def test_what_is_stored_knows_the_same_molecules(tmp_path: Path) -> None:
    known = sorted(starting_materials("forward/embedded"))
    Materials.of([*known[::2], known[0]]).write(tmp_path)
    found = Materials.read(tmp_path)
    assert found is not None and len(found.hashes) == len(known[::2])
    assert all(smiles in found for smiles in known[::2])
    assert not any(smiles in found for smiles in known[1::2])
    assert (tmp_path / MATERIALS).stat().st_size < 8 * len(known) + 200
    assert "C" not in Materials.of([])


def test_nothing_is_known_where_there_is_no_file_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    assert Materials.read(tmp_path) is None
    for content in (b"", b"no array"):
        (tmp_path / MATERIALS).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"materials\.npy is damaged"):
            Materials.read(tmp_path)
    np.save(tmp_path / MATERIALS, np.zeros((2, 2)))
    with pytest.raises(CheckpointError, match="holds no hashes"):
        Materials.read(tmp_path)
