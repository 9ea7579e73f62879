"""Everything that answers a question: the LFM in a folder, and the baselines. Importing it loads no torch."""

from __future__ import annotations

from mmai_gym.models.baselines import BASELINES, Baseline, TrainingSets, baseline
from mmai_gym.models.lfm_model import LFMModel
from mmai_gym.models.loading import find_records, load_model, record_path

__all__ = [
    "BASELINES",
    "Baseline",
    "LFMModel",
    "TrainingSets",
    "baseline",
    "find_records",
    "load_model",
    "record_path",
]
