"""`bbb-own`: whether a molecule passes the blood-brain barrier, by a model of the gym's own.

It takes ADMET-AI's place wherever a label is learned from: that ensemble has seen TDC's test molecules, this model only
the official train_val part of BBB_Martins (`benchmarks/bbb.py` fits it and says how good it is). A probability.
"""

from __future__ import annotations

from mmai_gym.oracles.base import PropertyOracle
from mmai_gym.oracles.kernel_machine import KernelModel

MODEL = KernelModel(
    "bbb-own", 1, "bbb-own", "bbb.npz", "a1b39770af5254739f4ac37b95aeb113e0393f4ffc542907e97669a47bf61e0e"
)
BBB = PropertyOracle("bbb-own", "", "MMAI Gym, on BBB_Martins of TDC", MODEL)
