"""Training: recipes, the frozen corpus, supervised fine-tuning, and the run that ties them together.

`train(load_recipe("nano-embedded"), "runs/demo", progress)` does all of it. Importing this package costs no torch.
"""

from mmai_gym.training.batches import BatchPlan, plan_stage
from mmai_gym.training.building import build, tokenizer_hash
from mmai_gym.training.corpus import Corpus, Manifest
from mmai_gym.training.log import read_log
from mmai_gym.training.recipe import Recipe, Stage, load_recipe, parse_recipe, shipped_recipes
from mmai_gym.training.run import build_corpora, train

__all__ = [
    "BatchPlan",
    "Corpus",
    "Manifest",
    "Recipe",
    "Stage",
    "build",
    "build_corpora",
    "load_recipe",
    "parse_recipe",
    "plan_stage",
    "read_log",
    "shipped_recipes",
    "tokenizer_hash",
    "train",
]
