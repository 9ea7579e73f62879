"""`drd2-surrogate`: how active on the dopamine receptor D2 the classifier of Olivecrona et al. (2017) would call a molecule.

The original, a support-vector machine with a Gaussian kernel over feature-class Morgan counts, exists as a pickle only,
which is not loaded here. But its score is a logistic function of a sum of such kernels, so the same form, fitted to
molecules whose scores were written down, can follow it closely: `benchmarks/drd2.py` fits, measures on molecules held out,
and writes the arrays that lie beside this file. Scores are the original's, in [0, 1], and no measurement of anything.
"""

from __future__ import annotations

from mmai_gym.oracles.base import PropertyOracle
from mmai_gym.oracles.kernel_machine import KernelModel

MODEL = KernelModel(
    "drd2-surrogate", 1, "drd2", "drd2.npz", "cdcea28324b3e6c6588f823aa75d7caca176a674965054723b59c1dd2f847e9b"
)
DRD2 = PropertyOracle("drd2", "", "after Olivecrona et al. 2017", MODEL)
