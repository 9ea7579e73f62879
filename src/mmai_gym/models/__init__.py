"""Everything that answers a question: a model in a folder or on the hub, an endpoint, a baseline. Importing it loads no
torch."""

from __future__ import annotations

from mmai_gym.models.augmented import Augmented
from mmai_gym.models.baselines import BASELINES, Baseline, TrainingSets, baseline
from mmai_gym.models.endpoint import Asking, EndpointModel
from mmai_gym.models.inference import InferenceRecipe, calibrate
from mmai_gym.models.lfm_model import LFMModel
from mmai_gym.models.loading import default_model, find_records, load_model, record_path, records_in, run_folder_of
from mmai_gym.models.materials import Materials, starting_materials

__all__ = [
    "BASELINES",
    "Asking",
    "Augmented",
    "Baseline",
    "EndpointModel",
    "InferenceRecipe",
    "LFMModel",
    "Materials",
    "TrainingSets",
    "baseline",
    "calibrate",
    "default_model",
    "find_records",
    "load_model",
    "record_path",
    "records_in",
    "run_folder_of",
    "starting_materials",
]
