"""Kernel machines: a logistic function of a sum of Gaussian kernels around molecules, over feature-class Morgan counts.

`drd2-surrogate` and `bbb-own` are such machines. Their arrays lie beside the code as .npz files, named by their checksum;
`benchmarks/kernel_machines.py` fits them.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import numpy.typing as npt
from rdkit.Chem import rdFingerprintGenerator

from mmai_gym.contracts import DataError
from mmai_gym.molecules import Mol
from mmai_gym.oracles.base import RDKIT, PropertyModel
from mmai_gym.oracles.cache import Memory

BITS = 2048
"""Counts are folded to as many places, as in the original."""
RADIUS = 3

_morgan = rdFingerprintGenerator.GetMorganGenerator(
    radius=RADIUS, atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
)


def features(mol: Mol) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Places, ascending, and counts of the feature-class Morgan fingerprint of radius 3, folded to 2,048 places."""
    environments = _morgan.GetSparseCountFingerprint(mol).GetNonzeroElements()
    ids = np.fromiter(environments.keys(), dtype=np.int64, count=len(environments))
    counts = np.fromiter(environments.values(), dtype=np.float64, count=len(environments))
    places, numbers = np.unique(ids % BITS, return_inverse=True)
    return places, np.asarray(np.bincount(numbers, counts, len(places)), dtype=np.float64)


@dataclass(frozen=True)
class KernelMachine:
    """logit = bias + sum of weights x exp(-gamma |x - landmark|^2).

    The landmarks' counts stand by place: those of place j are entries starts[j] to starts[j + 1].

    Attributes:
        starts: shape (BITS + 1,).
        landmarks: which landmark an entry belongs to; `counts`: its count.
        norms: squared length of each landmark.
        weights: of each landmark.
    """

    starts: npt.NDArray[np.intp]
    landmarks: npt.NDArray[np.intp]
    counts: npt.NDArray[np.float64]
    norms: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    bias: float
    gamma: float

    def score(self, mol: Mol) -> float:
        """In [0, 1]."""
        places, counts = features(mol)
        spans = [slice(self.starts[place], self.starts[place + 1]) for place in places]
        rows = np.concatenate([self.landmarks[span] for span in spans])
        shared = np.concatenate([self.counts[span] * count for span, count in zip(spans, counts, strict=True)])
        products = np.bincount(rows, weights=shared, minlength=len(self.norms))
        distances = self.norms + counts @ counts - 2.0 * products
        logit = self.bias + np.exp(-self.gamma * distances) @ self.weights
        return float(1.0 / (1.0 + np.exp(-logit)))


def from_arrays(arrays: Mapping[str, npt.NDArray[np.generic]]) -> KernelMachine:
    """From what is stored: counts and their places landmark by landmark, weights, bias and gamma."""
    lengths, places = arrays["lengths"].astype(np.intp), arrays["places"].astype(np.intp)
    counts = arrays["counts"].astype(np.float64)
    landmarks = np.repeat(np.arange(len(lengths)), lengths)
    order = np.argsort(places, kind="stable")
    return KernelMachine(
        np.searchsorted(places[order], np.arange(BITS + 1)),
        landmarks[order],
        counts[order],
        np.asarray(np.bincount(landmarks, counts**2, len(lengths)), dtype=np.float64),
        arrays["weights"].astype(np.float64),
        float(arrays["bias"]),
        float(arrays["gamma"]),
    )


@functools.cache
def machine(file: str, sha256: str) -> KernelMachine:
    """The fitted one, from an array file of the package.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        content = (resources.files(__package__) / file).read_bytes()
    except OSError as error:
        raise DataError(f"{file} is missing from the package; install mmai-gym anew") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{file} of the package is damaged; install mmai-gym anew")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return from_arrays(arrays)


class KernelModel(PropertyModel):
    """One property, by a fitted machine.

    Args:
        name: of the model, as `lineage` declares it.
        version: counted up with every new fit.
        file: of the arrays, in this package; `sha256` is theirs.
    """

    def __init__(self, name: str, version: int, property_name: str, file: str, sha256: str) -> None:
        super().__init__(Memory())
        self.name = name
        self.version = f"{name}-{version}-{RDKIT}"
        self.checksum = sha256[:12]
        self.properties = (property_name,)
        self.file = file
        self.sha256 = sha256

    def compute(self, mols: Sequence[Mol]) -> npt.NDArray[np.float64]:
        fitted = machine(self.file, self.sha256)
        return np.array([[fitted.score(mol)] for mol in mols], dtype=np.float64)
