"""ADMET-AI's own numbers come out of the gym's path over its weights, and nothing in its files is run."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmai_gym import oracles, tasks
from mmai_gym.contracts import DataError, MissingExtra, UsageError
from mmai_gym.oracles import admet_ai, checkpoint
from mmai_gym.oracles.admet_ai import ADMET, PROBABILITIES, VALUES
from mmai_gym.tasks.multi_property_sets import AIMS, C_MUMO, MUMO

GOLDEN = json.loads((Path(__file__).parent / "admet_golden.json").read_text(encoding="utf-8"))
needs_weights = pytest.mark.skipif(
    not admet_ai.installed(), reason="needs ADMET-AI: pip install 'mmai-gym[oracles]'"
)


@needs_weights
@pytest.mark.parametrize("part", [PROBABILITIES, VALUES], ids=lambda part: part.folder)
def test_stored_values_of_the_package_are_reproduced(part: admet_ai.Part) -> None:
    """40 molecules without bonds, salts, chains of 150 atoms and drug-like ones."""
    for name in part.units:
        ours = ADMET[name.lower().replace("-", "_")].predict(GOLDEN["smiles"])
        assert np.abs(ours - np.array(GOLDEN["values"][name])).max() <= 1e-4, name


@needs_weights
@pytest.mark.slow
def test_the_package_itself_says_the_same() -> None:
    """A few molecules through the installed library, whatever its version of chemprop."""
    pytest.importorskip("chemprop", reason="needs the package's own code")
    smiles = GOLDEN["smiles"][::4]
    script = (
        "import json, sys; from admet_ai import ADMETModel; "
        "table = ADMETModel(include_physchem=False, drugbank_path=None).predict(json.loads(sys.argv[1])); "
        "print(json.dumps({name: list(map(float, table[name])) for name in table}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(smiles)], capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(theirs) == len(ADMET) == 41
    for name, values in theirs.items():
        ours = ADMET[name.lower().replace("-", "_")].predict(smiles)
        assert np.abs(ours - np.array(values)).max() <= 1e-4, name


@needs_weights
def test_no_heavy_library_is_loaded() -> None:
    code = (
        "import sys; from mmai_gym.oracles import get; get('ames').one('CCO'); "
        "print([name for name in ('torch', 'chemprop', 'lightning', 'pandas', 'admet_ai') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@needs_weights
def test_a_file_that_is_another_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = admet_ai.Part(PROBABILITIES.folder, "0" * 64, PROBABILITIES.units)
    with pytest.raises(DataError, match=r"not the weights of ADMET-AI 2\.0\.1; run: pip install"):
        admet_ai._checkpoints(other)


def test_without_the_extra_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmai_gym.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'mmai-gym\[oracles\]'"):
        admet_ai._checkpoints(PROBABILITIES)
    monkeypatch.setattr(oracles, "ORACLES", oracles.DESCRIPTORS)
    with pytest.raises(UsageError, match=r"pip install 'mmai-gym\[oracles\]'"):
        oracles.get("bbb_martins")


def test_the_protocols_have_all_their_oracles_among_the_probabilities() -> None:
    names = {name.lower() for name in PROBABILITIES.units}
    needed = {aim.oracle for aim in AIMS.values()} - set(oracles.DESCRIPTORS) - {"drd2"}
    assert needed == {"bbb_martins", "hia_hou", "ames", "pampa_ncats", "carcinogens_lagunin", "herg", "dili"}
    assert needed <= names


def test_all_sets_are_tasks_where_the_weights_are() -> None:
    registered = {name for name in tasks.names() if "mumo/" in name}
    every = {one.task for one in (*MUMO, *C_MUMO)}
    assert registered == (every if admet_ai.installed() else {"optimization/mumo/dpq"})
    for name in registered:
        version = tasks.get(name).verifier_version
        assert all(oracles.stamp(oracle) in version for oracle in tasks.get(name).judged_with)


def test_nobody_may_learn_from_it_what_is_tested_on_tdc() -> None:
    """Its teachers are named by every task that it judges."""
    for name in tasks.names():
        if "mumo/" in name and name != "optimization/mumo/dpq":
            letters = name.rsplit("/", 1)[1]
            assert ("admet-ai" in tasks.get(name).teachers) == bool(set(letters) & set("abcehlm"))


# --------------------------------------------------------------------------------------------------- reading files


class Harm:
    """Writes a file when a pickle that holds it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def archive(content: object) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("model/data.pkl", pickle.dumps(content))
    return stream.getvalue()


def test_what_a_pickle_wants_to_call_is_not_called(tmp_path: Path) -> None:
    harm = tmp_path / "harmed"
    found = checkpoint.read(archive({"state_dict": {"weight": 1}, "other": Harm(harm)}), "x.pt")
    assert not harm.exists()
    assert found["state_dict"] == {"weight": 1} and found["other"] == {}


@pytest.mark.parametrize(
    "content",
    [b"not an archive", archive([1, 2]), archive({"a": 1})[:60]],
    ids=["no archive", "no dictionary", "cut off"],
)
def test_what_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"x\.pt"):
        checkpoint.read(content, "x.pt")


def test_arrays_are_those_that_torch_saved() -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    tensors = {
        "whole": torch.arange(12.0).reshape(3, 4),
        "turned": torch.arange(12.0).reshape(3, 4).T,
        "part": torch.arange(12.0)[5:9],
        "double": torch.tensor(0.1, dtype=torch.float64),
        "integers": torch.tensor([[1, 2]]),
    }
    stream = io.BytesIO()
    torch.save({"state_dict": tensors, "device": torch.device("cpu")}, stream)
    found = checkpoint.read(stream.getvalue(), "x.pt")["state_dict"]
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].dtype == tensor.numpy().dtype
