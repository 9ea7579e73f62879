"""Fits the kernel machines of `mmai_gym.oracles.kernel_machine`; the scripts of the surrogates share it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

from mmai_gym.molecules import parse
from mmai_gym.oracles import kernel_machine

LANDMARKS = 4_000
GAMMA = 2.0**-6
PENALTY = 1e-3
ITERATIONS = 300
SEED = 0
Counts = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def counts_of(smiles: Sequence[str]) -> Counts:
    """Feature counts, shape (molecules, BITS)."""
    counts = np.zeros((len(smiles), kernel_machine.BITS), np.float32)
    for row, text in zip(counts, smiles, strict=True):
        places, found = kernel_machine.features(parse(text))
        row[places] = found
    return counts


def kernel(one: Counts, other: Counts, gamma: float) -> Counts:
    """exp(-gamma |x - y|^2), shape (len(one), len(other))."""
    norms = (one**2).sum(axis=1)[:, np.newaxis] + (other**2).sum(axis=1)
    return np.exp(-gamma * np.maximum(norms - 2.0 * (one @ other.T), 0.0))


@dataclass(frozen=True)
class Fit:
    """Landmarks with their weights."""

    landmarks: Counts
    weights: Floats
    bias: float
    gamma: float

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What is stored."""
        rows, places = np.nonzero(self.landmarks)
        return {
            "lengths": np.bincount(rows, minlength=len(self.landmarks)).astype(np.uint16),
            "places": places.astype(np.uint16),
            "counts": self.landmarks[rows, places].astype(np.uint16),
            "weights": self.weights.astype(np.float32),
            "bias": np.array(self.bias, np.float32),
            "gamma": np.array(self.gamma, np.float32),
        }


def fit(counts: Counts, scores: Floats, gamma: float, penalty: float, landmarks: int = LANDMARKS) -> Fit:
    """Logistic regression on the scores over Gaussian kernels around some of the molecules (Nyström's approximation)."""
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(scores))[:landmarks])
    around = counts[chosen]
    inner = kernel(around, around, gamma).astype(np.float64)
    inner[np.diag_indices_from(inner)] += 1e-5
    root = cholesky(inner, lower=True)
    outer = kernel(counts, around, gamma).astype(np.float64)
    basis = solve_triangular(root, outer.T, lower=True).T.astype(np.float32)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, bias = parameters[:-1], parameters[-1]
        logit = (basis @ weights.astype(np.float32)).astype(np.float64) + bias
        error = expit(logit) - scores
        value = float((np.logaddexp(0.0, logit) - scores * logit).sum() + 0.5 * penalty * weights @ weights)
        slope = (basis.T @ error.astype(np.float32)).astype(np.float64) + penalty * weights
        return value, np.append(slope, error.sum())

    start = np.zeros(basis.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    weights = solve_triangular(root, found.x[:-1], lower=True, trans="T")
    return Fit(around, weights, float(found.x[-1]), gamma)


def predicted(fitted: Fit, counts: Counts) -> Floats:
    return expit(kernel(counts, fitted.landmarks, fitted.gamma) @ fitted.weights + fitted.bias)


def write(path: Path, fitted: Fit) -> None:
    """Store the arrays, and print their checksum, which the oracle has to name."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **fitted.arrays())  # type: ignore[arg-type]
    path.write_bytes(stream.getvalue())
    print(hashlib.sha256(stream.getvalue()).hexdigest(), f"{len(stream.getvalue()):,} bytes")
