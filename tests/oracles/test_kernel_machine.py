"""A kernel machine computes what its arrays say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from rdkit.Chem import rdFingerprintGenerator

from mmai_gym.contracts import DataError
from mmai_gym.molecules import parse
from mmai_gym.oracles import kernel_machine

ARIPIPRAZOLE = "O=C1CCc2ccc(OCCCCN3CCN(CC3)c3cccc(Cl)c3Cl)cc2N1"
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def test_features_are_counts_of_the_folded_fingerprint() -> None:
    places, counts = kernel_machine.features(parse(ARIPIPRAZOLE))
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=3, atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
    )
    every = generator.GetSparseCountFingerprint(parse(ARIPIPRAZOLE)).GetNonzeroElements()
    assert (np.diff(places) > 0).all() and places.max() < kernel_machine.BITS
    assert counts.sum() == sum(every.values())


def test_the_machine_is_a_sum_of_gaussian_kernels() -> None:
    landmarks = [kernel_machine.features(parse(text)) for text in (ASPIRIN, ARIPIPRAZOLE, "CCO")]
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "lengths": np.array([len(places) for places, _ in landmarks], np.uint16),
        "places": np.concatenate([places for places, _ in landmarks]).astype(np.uint16),
        "counts": np.concatenate([counts for _, counts in landmarks]).astype(np.uint16),
        "weights": np.array([1.5, -2.0, 0.5], np.float32),
        "bias": np.array(-0.25, np.float32),
        "gamma": np.array(0.0625, np.float32),
    }
    machine = kernel_machine.from_arrays(arrays)

    def dense(smiles: str) -> npt.NDArray[np.float64]:
        row = np.zeros(kernel_machine.BITS)
        places, counts = kernel_machine.features(parse(smiles))
        row[places] = counts
        return row

    for smiles in (ASPIRIN, "c1ccccc1O", "C"):
        apart = [((dense(smiles) - dense(other)) ** 2).sum() for other in (ASPIRIN, ARIPIPRAZOLE, "CCO")]
        logit = -0.25 + np.exp(-0.0625 * np.array(apart)) @ np.array([1.5, -2.0, 0.5])
        assert machine.score(parse(smiles)) == pytest.approx(1.0 / (1.0 + np.exp(-logit)), abs=1e-9)


def test_damaged_and_missing_arrays_are_refused() -> None:
    with pytest.raises(DataError, match=r"drd2\.npz of the package is damaged"):
        kernel_machine.machine("drd2.npz", "0" * 64)
    with pytest.raises(DataError, match=r"none\.npz is missing"):
        kernel_machine.machine("none.npz", "0" * 64)
